//! The children's lives as bars, their leases as lines below them, and the times when none or two of them ran.

use std::fmt::{self, Write as _};

use super::intervals;
use super::labels::{shortened, width_of};
use super::picture::{self, Picture, Range, Row, Subject};
use super::verdict;
use super::words::{self, Escaped};
use crate::story::{Lease, Life, LifeEnd};

/// How far below the top of a host's row the bar begins: below two lines of labels.
pub(super) const BAR: f64 = 29.0;
/// How high it is.
pub(super) const BAR_HEIGHT: f64 = 18.0;
/// How far below the top of the row the lease's line is.
const LEASE: f64 = 54.0;

pub(super) fn draw(out: &mut String, picture: &Picture<'_>) -> fmt::Result {
    draw_handovers(out, picture)?;
    for row in &picture.rows {
        match row.subject {
            Subject::Host(host) => {
                let lives = picture.story.lives.iter();
                for life in lives.filter(|life| life.host == host) {
                    draw_life(out, picture, row, life)?;
                }
                let leases = picture.story.leases.iter();
                for lease in leases.filter(|lease| lease.host == host) {
                    draw_lease(out, picture, row, lease)?;
                }
            }
            Subject::Nobody => draw_nobody(out, picture, row)?,
            Subject::Server(_) | Subject::Group => {}
        }
    }
    Ok(())
}

/// A thin line through all hosts where a child starts: so the eye sees that the lines of the others have ended.
fn draw_handovers(out: &mut String, picture: &Picture<'_>) -> fmt::Result {
    let Range { top, bottom } = picture.hosts();
    for life in &picture.story.lives {
        if picture.strip.meets(life.start, life.start) {
            let x = picture.x(life.start);
            writeln!(
                out,
                r#"<path class="handover" d="M{x:.2} {top}V{bottom}"/>"#
            )?;
        }
    }
    Ok(())
}

fn draw_life(out: &mut String, picture: &Picture<'_>, row: &Row<'_>, life: &Life) -> fmt::Result {
    let Some((left, right)) = picture.across(life.start, life.end) else {
        return Ok(());
    };
    let (top, width) = (row.top + BAR, right - left);
    let class = words::ending_class(life.ending);
    let named = match verdict::is_named(picture.story, life) {
        true => " named",
        false => "",
    };
    writeln!(
        out,
        r#"<rect class="life {class}{named}" x="{left:.2}" y="{top}" width="{width:.2}" height="{BAR_HEIGHT}"><title>{}</title></rect>"#,
        Escaped(&describe_life(picture, life))
    )?;
    let ends_here = picture.ends_here(life.end);
    let room = match ends_here {
        true => width - 18.0,
        false => width - 6.0,
    };
    let token = [format!("token {}", life.token), life.token.to_string()];
    if let Some(text) = token.iter().find(|text| width_of(text) <= room) {
        let (x, y) = (left + 5.0, top + 13.0);
        writeln!(
            out,
            r#"<text class="token" x="{x:.2}" y="{y}">{text}</text>"#
        )?;
    }
    if ends_here && width > 12.0 {
        let mark = mark(life.ending);
        let (x, y) = (right - 9.0, top + BAR_HEIGHT / 2.0);
        writeln!(
            out,
            r#"<path class="mark" transform="translate({x:.2} {y})" d="{mark}"/>"#
        )?;
    }
    Ok(())
}

/// How it ended as a shape, around the origin.
pub(super) fn mark(ending: LifeEnd) -> &'static str {
    match ending {
        LifeEnd::Alive => "M-3 -4L3 0L-3 4",
        LifeEnd::Stopped => "M-3 -3H3V3H-3Z",
        LifeEnd::Killed => "M-4 -4L4 4M-4 4L4 -4",
        LifeEnd::ByItself => "M-4 0H4",
    }
}

fn describe_life(picture: &Picture<'_>, life: &Life) -> String {
    let began = picture.story.began;
    format!(
        "{}: token {}, process {}; {} to {}, {}",
        life.host,
        life.token,
        life.pid,
        words::exact_moment(life.start.saturating_sub(began)),
        words::exact_moment(life.end.saturating_sub(began)),
        words::ending(life.ending)
    )
}

fn draw_lease(
    out: &mut String,
    picture: &Picture<'_>,
    row: &Row<'_>,
    lease: &Lease,
) -> fmt::Result {
    let end = lease
        .released
        .map_or(lease.until, |released| released.min(lease.until));
    let Some((left, right)) = picture.across(lease.from, end) else {
        return Ok(());
    };
    let y = row.top + LEASE;
    writeln!(
        out,
        r#"<path class="lease" d="M{left:.2} {y}H{right:.2}"><title>{}</title></path>"#,
        Escaped(&format!(
            "the lease of token {}, {}",
            lease.token,
            words::span(end.saturating_sub(lease.from))
        ))
    )?;
    if !picture.ends_here(end) {
        return Ok(());
    }
    if end < lease.until {
        writeln!(
            out,
            r#"<circle class="released" cx="{right:.2}" cy="{y}" r="3.2"/>"#
        )
    } else {
        writeln!(
            out,
            r#"<path class="lease-end" d="M{right:.2} {}v10"/>"#,
            y - 5.0
        )
    }
}

fn draw_nobody(out: &mut String, picture: &Picture<'_>, row: &Row<'_>) -> fmt::Result {
    for (gap, (left, right)) in picture::nobody(picture) {
        let (width, top, height) = (right - left, row.top + 3.0, row.height - 6.0);
        let text = words::span(gap.length());
        writeln!(
            out,
            r#"<rect class="nobody" x="{left:.2}" y="{top}" width="{width:.2}" height="{height}"><title>nobody for {text}</title></rect>"#
        )?;
    }
    Ok(())
}

/// Two at once: nothing in the picture is as loud.
pub(super) fn draw_overlaps(out: &mut String, picture: &Picture<'_>) -> fmt::Result {
    let Range { top, bottom } = picture.hosts();
    for overlap in intervals::overlaps(picture.story) {
        let Some((left, right)) = picture.across(overlap.from, overlap.until) else {
            continue;
        };
        let width = (right - left).max(3.0);
        let height = bottom - top;
        writeln!(
            out,
            r#"<rect class="overlap" x="{left:.2}" y="{top}" width="{width:.2}" height="{height}"/>"#
        )?;
        let text = format!("TWO AT ONCE: {}", words::span(overlap.length()));
        let text = shortened(&text, 220.0);
        let pill = width_of(&text) + 22.0;
        let x = (left + width / 2.0 - pill / 2.0).clamp(0.0, (picture.right() - pill).max(0.0));
        writeln!(
            out,
            r#"<rect class="pill" x="{x:.2}" y="2" width="{pill:.2}" height="18" rx="4"/><text class="pill-text" x="{:.2}" y="15" text-anchor="middle">{text}</text>"#,
            x + pill / 2.0
        )?;
    }
    Ok(())
}
