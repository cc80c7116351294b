//! What the shapes and colours mean.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::lives::mark;
use super::words;
use crate::story::{Label, LifeEnd};

/// The height of one line of it.
const LINE: f64 = 24.0;
/// How wide a column is at least: the longest entry fits.
const COLUMN: f64 = 290.0;
/// How wide each sample is.
const SAMPLE: f64 = 34.0;

/// One sample, drawn in 34 by 16 pixels, and what it means.
struct Entry {
    sample: String,
    meaning: String,
}

/// How much room the legend takes in a picture of this width.
pub(super) fn height(width: f64) -> f64 {
    let lines = place(width).iter().map(|(_, y, _)| *y).fold(0.0, f64::max);
    lines + LINE + 10.0
}

pub(super) fn draw(out: &mut String, width: f64) -> fmt::Result {
    for (x, y, entry) in place(width) {
        writeln!(
            out,
            r#"<g class="key" transform="translate({x:.2} {y:.2})">{}<text class="meaning" x="{}" y="12">{}</text></g>"#,
            entry.sample,
            SAMPLE + 7.0,
            entry.meaning
        )?;
    }
    Ok(())
}

/// In columns, from left to right.
fn place(width: f64) -> Vec<(f64, f64, Entry)> {
    let columns = (width / COLUMN).floor();
    let (mut x, mut y) = (0.0, 0.0);
    let step = |entry| {
        let place = (16.0 + x * (width - 16.0) / columns, 8.0 + y * LINE, entry);
        x += 1.0;
        if x >= columns {
            (x, y) = (0.0, y + 1.0);
        }
        place
    };
    entries().into_iter().map(step).collect()
}

fn entries() -> Vec<Entry> {
    let life = |ending| {
        let (class, mark) = (words::ending_class(ending), mark(ending));
        Entry {
            sample: format!(
                r#"<rect class="key-life {class}" width="{SAMPLE}" height="16"/><path class="mark" transform="translate(25 8)" d="{mark}"/>"#
            ),
            meaning: format!("the command, {}", words::ending(ending)),
        }
    };
    let fault = |label| {
        let class = words::label_class(label);
        Entry {
            sample: format!(
                r#"<rect class="fault {class}" width="{SAMPLE}" height="16"/><path class="edge {class}" d="M0.75 0v16"/>"#
            ),
            meaning: format!("a fault that {}", words::may(label)),
        }
    };
    let mut all: Vec<_> = [
        LifeEnd::Alive,
        LifeEnd::Stopped,
        LifeEnd::Killed,
        LifeEnd::ByItself,
    ]
    .map(life)
    .into();
    let other = |sample: &str, meaning: &str| Entry {
        sample: sample.to_owned(),
        meaning: meaning.to_owned(),
    };
    all.extend([
        other(
            r#"<path class="lease" d="M0 8H32"/><path class="lease-end" d="M32 3v10"/>"#,
            "its lease ends: only then may another start",
        ),
        other(
            r#"<path class="lease" d="M0 8H28"/><circle class="released" cx="29" cy="8" r="3.2"/>"#,
            "its lease was given back: so may another",
        ),
    ]);
    all.extend(
        [
            Label::MustRideOut,
            Label::MayMove,
            Label::Excluded(Duration::ZERO),
        ]
        .map(fault),
    );
    all.extend([
        other(
            r#"<rect class="nobody" width="34" height="16"/>"#,
            "nobody runs",
        ),
        other(
            r#"<rect class="overlap" width="34" height="16"/>"#,
            "two run at once: must never be",
        ),
    ]);
    all
}
