//! One strip of the run: where everything goes, and what lies below everything else.
//!
//! Rows from the top: the time axis, the hosts, "nobody", the servers, and "the group" for what was done to none of them.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::intervals::{self, Interval};
use super::words::{self, Escaped};
use super::{faults, labels, lives, strips};
use crate::story::{Fault, Story};

/// Room for the names at the left.
pub(super) const LEFT: f64 = 116.0;
/// Room at the right, so that the last label of the axis is whole.
const RIGHT: f64 = 28.0;
/// The height of the axis.
const AXIS: f64 = 26.0;
/// The height of a host's row: two lines of labels, the bar, the lease's line.
const HOST: f64 = 62.0;
/// The height of every other row.
const OTHER: f64 = 22.0;
/// The gap between rows.
const GAP: f64 = 4.0;

/// Hatchings, which tell a colour-blind reader what colours tell others.
pub(super) const PATTERNS: &str = r#"<defs>
<pattern id="hatch-bad" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="bad-a" width="6" height="6"/><rect class="bad-b" width="2.5" height="6"/></pattern>
<pattern id="hatch-nobody" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="nobody-a" width="1.2" height="5"/></pattern>
<pattern id="hatch-excluded" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><rect class="excluded-a" width="1.5" height="5"/></pattern>
</defs>
"#;

/// Whether the labels of faults have the numbers of a table that is there to be looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Labels {
    Numbered,
    Named,
}

/// Whose row it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Subject<'s> {
    Host(&'s str),
    Nobody,
    Server(&'s str),
    Group,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'s> {
    pub(super) subject: Subject<'s>,
    pub(super) top: f64,
    pub(super) height: f64,
}

/// One strip, laid out.
pub(super) struct Picture<'s> {
    pub(super) story: &'s Story,
    pub(super) strip: Interval,
    pub(super) labels: Labels,
    pub(super) rows: Vec<Row<'s>>,
    plot: f64,
}

impl<'s> Picture<'s> {
    pub(super) fn new(
        story: &'s Story,
        strip: Interval,
        width: f64,
        labels: Labels,
    ) -> Picture<'s> {
        Picture {
            story,
            strip,
            labels,
            rows: rows(story),
            plot: (width - LEFT - RIGHT) * strips::share(story, strip),
        }
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom() + 6.0
    }

    pub(super) fn right(&self) -> f64 {
        LEFT + self.plot
    }

    /// Where `time` is.
    pub(super) fn x(&self, time: Duration) -> f64 {
        let since = time.as_secs_f64() - self.strip.from.as_secs_f64();
        LEFT + self.plot * since / self.strip.length().as_secs_f64()
    }

    /// Where `from..until` begins and ends, cut to the strip; none if it is not in it. Never too thin to be seen.
    pub(super) fn across(&self, from: Duration, until: Duration) -> Option<(f64, f64)> {
        if !self.strip.meets(from, until) {
            return None;
        }
        let left = self.x(from.max(self.strip.from));
        let right = self.x(until.min(self.strip.until));
        Some((left, right.max(left + 1.0)))
    }

    /// Whether something that ends at `moment` ends in this strip. On the border of two it does so in the first, which
    /// is the one it is drawn in.
    pub(super) fn ends_here(&self, moment: Duration) -> bool {
        self.strip.from < moment && moment <= self.strip.until
    }

    /// The rows of the hosts, from the top of the first to the bottom of the last.
    pub(super) fn hosts(&self) -> Range {
        let mut hosts = self
            .rows
            .iter()
            .filter(|row| matches!(row.subject, Subject::Host(_)));
        let top = hosts.next().map_or(AXIS, |row| row.top);
        let bottom = hosts.next_back().map_or(top + HOST, |row| row.top + HOST);
        Range { top, bottom }
    }

    /// What of `fault` is in a row.
    pub(super) fn concerns(&self, fault: &Fault, subject: Subject<'_>) -> bool {
        let is_on = |name: &str| fault.on.iter().any(|on| on == name);
        let is_known =
            |name: &String| self.story.hosts.contains(name) || self.story.servers.contains(name);
        match subject {
            Subject::Host(name) | Subject::Server(name) => is_on(name),
            Subject::Nobody => false,
            Subject::Group => fault.on.is_empty() || !fault.on.iter().all(is_known),
        }
    }

    pub(super) fn draw(&self, out: &mut String) -> fmt::Result {
        self.draw_rows(out)?;
        self.draw_axis(out)?;
        faults::draw_bands(out, self)?;
        lives::draw(out, self)?;
        labels::draw(out, self)?;
        lives::draw_overlaps(out, self)
    }

    fn bottom(&self) -> f64 {
        self.rows.last().map_or(AXIS, |row| row.top + row.height)
    }

    fn draw_rows(&self, out: &mut String) -> fmt::Result {
        for row in &self.rows {
            // A host's name is larger than what `shortened` counts with.
            let (class, name, room) = match row.subject {
                Subject::Host(name) => ("host", name, LEFT / 1.4),
                Subject::Nobody => ("other", "nobody runs", LEFT),
                Subject::Server(name) => ("other", name, LEFT - 14.0),
                Subject::Group => ("other", "the group", LEFT),
            };
            let (top, height) = (row.top, row.height);
            writeln!(
                out,
                r#"<rect class="row" x="{LEFT}" y="{top}" width="{:.2}" height="{height}"/>"#,
                self.plot
            )?;
            let middle = match row.subject {
                Subject::Host(_) => top + lives::BAR + lives::BAR_HEIGHT / 2.0 + 5.0,
                Subject::Nobody | Subject::Server(_) | Subject::Group => top + height / 2.0 + 4.0,
            };
            writeln!(
                out,
                r#"<text class="name {class}" x="{}" y="{middle}" text-anchor="end">{}</text>"#,
                LEFT - 10.0,
                Escaped(&labels::shortened(name, room))
            )?;
        }
        Ok(())
    }

    fn draw_axis(&self, out: &mut String) -> fmt::Result {
        let first = self.strip.from.saturating_sub(self.story.began).as_secs();
        let last = self.strip.until.saturating_sub(self.story.began).as_secs();
        for second in (first..=last).filter(|second| second % 10 == 0) {
            let since = Duration::from_secs(second);
            let x = self.x(self.story.began + since);
            if x < LEFT - 0.5 {
                continue;
            }
            writeln!(
                out,
                r#"<path class="grid" d="M{x:.2} {}V{}"/><text class="tick" x="{x:.2}" y="15" text-anchor="middle">{}</text>"#,
                AXIS - 6.0,
                self.bottom(),
                words::moment(since)
            )?;
        }
        Ok(())
    }
}

/// From the top to the bottom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) top: f64,
    pub(super) bottom: f64,
}

fn rows(story: &Story) -> Vec<Row<'_>> {
    let mut subjects: Vec<_> = story.hosts.iter().map(|host| Subject::Host(host)).collect();
    subjects.push(Subject::Nobody);
    subjects.extend(story.servers.iter().map(|server| Subject::Server(server)));
    let is_known = |name: &String| story.hosts.contains(name) || story.servers.contains(name);
    let is_elsewhere = |fault: &Fault| fault.on.is_empty() || !fault.on.iter().all(is_known);
    if story.faults.iter().any(is_elsewhere) {
        subjects.push(Subject::Group);
    }
    let mut top = AXIS;
    let mut place = |subject| {
        let height = match subject {
            Subject::Host(_) => HOST,
            Subject::Nobody | Subject::Server(_) | Subject::Group => OTHER,
        };
        let row = Row {
            subject,
            top,
            height,
        };
        top += height + GAP;
        row
    };
    subjects.into_iter().map(&mut place).collect()
}

/// When nobody ran, as far as it is in the strip.
pub(super) fn nobody(picture: &Picture<'_>) -> Vec<(Interval, (f64, f64))> {
    intervals::nobody(picture.story)
        .into_iter()
        .filter_map(|gap| Some((gap, picture.across(gap.from, gap.until)?)))
        .collect()
}
