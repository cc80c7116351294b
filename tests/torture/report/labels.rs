//! The words in a picture, where they fit: two that meet can be read by nobody.

use std::fmt::{self, Write as _};

use super::faults::numbered;
use super::picture::{self, Labels, Picture, Row, Subject};
use super::verdict;
use super::words::{self, Escaped};
use crate::story::Fault;

/// About how wide `text` is at 11 pixels: rather too much than too little.
pub(super) fn width_of(text: &str) -> f64 {
    text.chars()
        .map(|c| match c {
            '0'..='9' | 'A'..='Z' => 7.2,
            '\0'..='\x7f' => 6.4,
            _ => 11.5,
        })
        .sum()
}

/// `text`, or as much of it as fits into `room`.
pub(super) fn shortened(text: &str, room: f64) -> String {
    if width_of(text) <= room {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if width_of(&short) + 11.5 > room {
            short.pop();
            break;
        }
    }
    short + "\u{2026}"
}

/// A line of labels: which places in it are taken.
struct Lane {
    y: f64,
    right: f64,
    taken: Vec<(f64, f64)>,
}

impl Lane {
    fn new(y: f64, right: f64) -> Lane {
        let taken = Vec::new();
        Lane { y, right, taken }
    }

    /// Takes room for `text` right of `x`, or else left of it; says where it begins.
    fn place(&mut self, x: f64, text: &str) -> Option<f64> {
        let width = width_of(text);
        [x + 4.0, x - 4.0 - width].into_iter().find(|left| {
            let span = (*left, left + width);
            let is_free = self
                .taken
                .iter()
                .all(|(from, until)| span.1 + 3.0 < *from || *until + 3.0 < span.0);
            let fits = is_free && *left > picture::LEFT - 6.0 && span.1 <= self.right + 14.0;
            if fits {
                self.taken.push(span);
            }
            fits
        })
    }
}

pub(super) fn draw(out: &mut String, picture: &Picture<'_>) -> fmt::Result {
    for row in &picture.rows {
        let right = picture.right();
        match row.subject {
            Subject::Host(host) => {
                let lanes = [
                    Lane::new(row.top + 12.0, right),
                    Lane::new(row.top + 25.0, right),
                ];
                draw_host(out, picture, row, host, lanes)?;
            }
            Subject::Nobody => draw_nobody(out, picture, Lane::new(row.top + 15.0, right))?,
            Subject::Server(_) | Subject::Group => {
                let mut lanes = [Lane::new(row.top + 15.0, right)];
                draw_faults(out, picture, row, &mut lanes)?;
            }
        }
    }
    Ok(())
}

fn draw_host(
    out: &mut String,
    picture: &Picture<'_>,
    row: &Row<'_>,
    host: &str,
    mut lanes: [Lane; 2],
) -> fmt::Result {
    let lives = picture.story.lives.iter().filter(|life| life.host == host);
    for life in lives {
        let starts_here = picture.strip.meets(life.start, life.start);
        if starts_here && verdict::is_needless(picture.story, life) {
            let text = "\u{2718} needless restart";
            put(out, &mut lanes, picture.x(life.start), "needless", &[text])?;
        }
    }
    draw_faults(out, picture, row, &mut lanes)
}

fn draw_faults(
    out: &mut String,
    picture: &Picture<'_>,
    row: &Row<'_>,
    lanes: &mut [Lane],
) -> fmt::Result {
    for (number, fault) in numbered(picture.story) {
        if picture.concerns(fault, row.subject) && picture.strip.meets(fault.from, fault.from) {
            let texts = texts(picture.labels, number, fault);
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            let class = words::label_class(fault.label);
            put(out, lanes, picture.x(fault.from), class, &texts)?;
        }
    }
    Ok(())
}

/// What may be written of a fault, the best first.
fn texts(labels: Labels, number: usize, fault: &Fault) -> Vec<String> {
    let kind = shortened(&fault.kind, 200.0);
    match labels {
        Labels::Numbered => vec![format!("{number} {kind}"), number.to_string()],
        Labels::Named => vec![kind],
    }
}

fn draw_nobody(out: &mut String, picture: &Picture<'_>, lane: Lane) -> fmt::Result {
    let mut lanes = [lane];
    let gaps = picture::nobody(picture);
    // No text over a bar.
    lanes[0]
        .taken
        .extend(gaps.iter().map(|(_, across)| *across));
    for (gap, (left, right)) in gaps {
        if picture.ends_here(gap.until) {
            let text = words::span(gap.length());
            let is_last = right + width_of(&text) > picture.right();
            let x = if is_last { left } else { right };
            put(out, &mut lanes, x, "gap", &[&text])?;
        }
    }
    Ok(())
}

/// Writes the first of `texts` that fits into one of `lanes`, at `x`; nothing if none does.
fn put(out: &mut String, lanes: &mut [Lane], x: f64, class: &str, texts: &[&str]) -> fmt::Result {
    for text in texts {
        for lane in &mut *lanes {
            if let Some(left) = lane.place(x, text) {
                let (y, text) = (lane.y, Escaped(text));
                return writeln!(
                    out,
                    r#"<text class="label {class}" x="{left:.2}" y="{y}">{text}</text>"#
                );
            }
        }
    }
    Ok(())
}
