//! What was done, as bands across the rows of whom it was done to.

use std::fmt::{self, Write as _};

use super::picture::{Labels, Picture};
use super::words::{self, Escaped};
use crate::story::{Fault, Story};

/// The faults with the numbers they have everywhere, in the order of time.
pub(super) fn numbered(story: &Story) -> Vec<(usize, &Fault)> {
    let mut faults: Vec<_> = story.faults.iter().collect();
    faults.sort_by_key(|fault| fault.from);
    (1..).zip(faults).collect()
}

pub(super) fn draw_bands(out: &mut String, picture: &Picture<'_>) -> fmt::Result {
    for (number, fault) in numbered(picture.story) {
        let Some((left, right)) = picture.across(fault.from, fault.until) else {
            continue;
        };
        for row in &picture.rows {
            if !picture.concerns(fault, row.subject) {
                continue;
            }
            let (top, height, width) = (row.top, row.height, right - left);
            let class = words::label_class(fault.label);
            open_link(out, picture, number)?;
            write!(
                out,
                r#"<rect class="fault {class}" x="{left:.2}" y="{top}" width="{width:.2}" height="{height}"><title>{}</title></rect>"#,
                Escaped(&describe(picture, number, fault))
            )?;
            if picture.strip.meets(fault.from, fault.from) {
                write!(
                    out,
                    r#"<path class="edge {class}" d="M{left:.2} {top}v{height}"/>"#
                )?;
            }
            close_link(out, picture)?;
        }
    }
    Ok(())
}

/// In the page, a band leads to its line of the table.
fn open_link(out: &mut String, picture: &Picture<'_>, number: usize) -> fmt::Result {
    match picture.labels {
        Labels::Numbered => write!(out, r##"<a href="#fault-{number}">"##),
        Labels::Named => Ok(()),
    }
}

fn close_link(out: &mut String, picture: &Picture<'_>) -> fmt::Result {
    match picture.labels {
        Labels::Numbered => out.write_str("</a>\n"),
        Labels::Named => out.write_str("\n"),
    }
}

fn describe(picture: &Picture<'_>, number: usize, fault: &Fault) -> String {
    let at = words::exact_moment(fault.from.saturating_sub(picture.story.began));
    let lasted = words::span(fault.until.saturating_sub(fault.from));
    let on = match fault.on.is_empty() {
        true => String::new(),
        false => format!(" on {}", fault.on.join(", ")),
    };
    let gap = match fault.gap {
        Some(gap) => format!("nobody was master for {}", words::span(gap)),
        None => "the master ran on".to_owned(),
    };
    let may = words::may(fault.label);
    format!(
        "fault {number}: {}{on}, at {at} for {lasted}; {may}; {gap}",
        fault.kind
    )
}
