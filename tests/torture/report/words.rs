//! Numbers and names as a reader meets them.

use std::fmt::{self, Write as _};
use std::time::Duration;

use crate::story::{Label, LifeEnd};

/// A text that may hold anything, as HTML and SVG show it. Characters that XML forbids are replaced.
pub(super) struct Escaped<'t>(pub(super) &'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                // Nor may a name turn the direction of what follows it.
                '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    f.write_char('\u{fffd}')?
                }
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// A length of time, to three figures or so; it is not broken at the end of a line.
pub(super) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let text = match seconds {
        0 => format!("{} ms", duration.as_millis()),
        1..10 => format!("{:.2} s", duration.as_secs_f64()),
        10..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    };
    text.replace(' ', "\u{a0}")
}

/// A moment of the run, to the second: `1:30`, `1:02:30`.
pub(super) fn moment(since: Duration) -> String {
    let seconds = since.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A moment of the run, to the tenth of a second.
pub(super) fn exact_moment(since: Duration) -> String {
    format!("{}.{}", moment(since), since.subsec_millis() / 100)
}

/// "1 fault", "2 faults".
pub(super) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// What a fault may do to the child, in a reader's words.
pub(super) fn may(label: Label) -> &'static str {
    match label {
        Label::MustRideOut => "must not touch the command",
        Label::MayMove => "may move it to another host",
        Label::Excluded(_) => "is outside the promise",
    }
}

/// The same as a class of the style sheet.
pub(super) fn label_class(label: Label) -> &'static str {
    match label {
        Label::MustRideOut => "ride-out",
        Label::MayMove => "may-move",
        Label::Excluded(_) => "excluded",
    }
}

/// How a child ended, in a reader's words.
pub(super) fn ending(ending: LifeEnd) -> &'static str {
    match ending {
        LifeEnd::Alive => "running at the end",
        LifeEnd::Stopped => "stopped when asked",
        LifeEnd::Killed => "killed",
        LifeEnd::ByItself => "ended by itself",
    }
}

/// The same as a class of the style sheet.
pub(super) fn ending_class(ending: LifeEnd) -> &'static str {
    match ending {
        LifeEnd::Alive => "alive",
        LifeEnd::Stopped => "stopped",
        LifeEnd::Killed => "killed",
        LifeEnd::ByItself => "by-itself",
    }
}
