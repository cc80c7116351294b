//! The faults as tables: what each kind did, and every one of them.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::faults::numbered;
use super::strips;
use super::words::{self, Escaped};
use crate::story::{Fault, Label, Story};

/// All faults of one kind and label.
struct Kind<'s> {
    name: &'s str,
    label: Label,
    faults: Vec<&'s Fault>,
}

/// A line a kind: how often, and how long nobody was master.
pub(super) fn kinds(out: &mut String, story: &Story) -> fmt::Result {
    out.write_str(
        r#"<h2>What each kind of fault did</h2>
<div class="wide"><table class="kinds"><thead><tr><th>fault</th><th>what it may do</th><th class="n">times</th><th class="n">master lost</th>
<th class="n">longest without a master</th><th class="n">median</th><th class="n">at most</th></tr></thead><tbody>
"#,
    )?;
    for kind in by_kind(story) {
        let gaps = kind.gaps();
        let longest = length(gaps.last().copied());
        let late = mark_late(&kind.faults);
        writeln!(
            out,
            r#"<tr{late}><td>{}</td><td>{}</td><td class="n">{}</td><td class="n">{}</td><td class="n gap">{longest}</td><td class="n">{}</td><td class="n">{}</td></tr>"#,
            Escaped(kind.name),
            chip(kind.label),
            kind.faults.len(),
            gaps.len(),
            length(median(&gaps)),
            kind.bounds()
        )?;
    }
    out.write_str("</tbody></table></div>\n")
}

/// A line a fault, each with an anchor that its band leads to.
pub(super) fn faults(out: &mut String, story: &Story) -> fmt::Result {
    out.write_str(
        r#"<h2 id="faults">Every fault</h2>
<div class="wide"><table class="faults"><thead><tr><th class="n">no.</th><th class="n">at</th><th>fault</th><th>on</th><th class="n">lasted</th>
<th>what it may do</th><th class="n">without a master</th><th class="n">at most</th></tr></thead><tbody>
"#,
    )?;
    let strips = strips::strips(story);
    for (number, fault) in numbered(story) {
        let strip = strips
            .iter()
            .position(|strip| strip.meets(fault.from, fault.from));
        let at = words::exact_moment(fault.from.saturating_sub(story.began));
        let at = match strip {
            Some(strip) => format!(r##"<a href="#strip-{}">{at}</a>"##, strip + 1),
            None => at,
        };
        let late = mark_late(&[fault]);
        writeln!(
            out,
            r#"<tr id="fault-{number}"{late}><td class="n">{number}</td><td class="n">{at}</td><td>{}</td><td>{}</td><td class="n">{}</td><td>{}</td><td class="n gap">{}</td><td class="n">{}</td></tr>"#,
            Escaped(&fault.kind),
            Escaped(&fault.on.join(", ")),
            words::span(fault.until.saturating_sub(fault.from)),
            chip(fault.label),
            length(fault.gap),
            length(fault.bound)
        )?;
    }
    out.write_str("</tbody></table></div>\n")
}

/// In the order in which they first came.
fn by_kind(story: &Story) -> Vec<Kind<'_>> {
    let mut kinds: Vec<Kind<'_>> = Vec::new();
    for (_, fault) in numbered(story) {
        let known = kinds
            .iter_mut()
            .find(|kind| kind.name == fault.kind && kind.label == fault.label);
        match known {
            Some(kind) => kind.faults.push(fault),
            None => kinds.push(Kind {
                name: &fault.kind,
                label: fault.label,
                faults: vec![fault],
            }),
        }
    }
    kinds
}

impl Kind<'_> {
    /// The times without a master, the shortest first.
    fn gaps(&self) -> Vec<Duration> {
        let mut gaps: Vec<_> = self.faults.iter().filter_map(|fault| fault.gap).collect();
        gaps.sort_unstable();
        gaps
    }

    /// How long they may last: one figure where all agree, else from and to.
    fn bounds(&self) -> String {
        let bounds = || self.faults.iter().filter_map(|fault| fault.bound);
        match (bounds().min(), bounds().max()) {
            (Some(least), Some(most)) if least < most => {
                format!("{} to {}", words::span(least), words::span(most))
            }
            (least, _) => length(least),
        }
    }
}

/// The middle one of a sorted list; of an even number, the mean of the two in the middle.
fn median(sorted: &[Duration]) -> Option<Duration> {
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle)?;
    match sorted.len() % 2 {
        0 => Some((*upper + sorted[middle - 1]) / 2),
        _ => Some(*upper),
    }
}

fn is_overdue(fault: &Fault) -> bool {
    matches!((fault.gap, fault.bound), (Some(gap), Some(bound)) if gap > bound)
}

fn mark_late(faults: &[&Fault]) -> &'static str {
    if faults.iter().any(|fault| is_overdue(fault)) {
        " class=\"late\""
    } else {
        ""
    }
}

fn length(duration: Option<Duration>) -> String {
    duration.map_or("\u{2013}".to_owned(), words::span)
}

fn chip(label: Label) -> String {
    let (class, may) = (words::label_class(label), words::may(label));
    format!(r#"<span class="chip {class}">{may}</span>"#)
}
