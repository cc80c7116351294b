//! One line of a file with a caret under what is meant. The line may be hostile: too long, full of tabs, wide or
//! control characters.

use std::fmt;
use std::ops::Range;

/// The most characters of a line that are shown; a terminal has 80 columns or more, and the gutter takes a few.
const WINDOW: usize = 96;
/// How much is shown before the caret where the window does not begin at the line's start.
const BEFORE: usize = 32;
/// A tab is shown as so many spaces, as rustc does.
const TAB: &str = "    ";

/// A place in a text, and how its line looks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Excerpt {
    pub(super) line: usize,
    pub(super) column: usize,
    shown: String,
    indent: usize,
    width: usize,
}

impl Excerpt {
    /// The excerpt for the bytes `span` of `text`; what lies outside of `text` is cut to it.
    pub(super) fn of(text: &str, span: Range<usize>) -> Excerpt {
        let start = floor(text, span.start);
        let line = line_around(text, start);
        let end = floor(text, span.end).clamp(start, line.end.max(start));
        let column = text[line.start..start].chars().count();
        let marked = text[start..end].chars().count().max(1);
        let from = if column + marked.min(BEFORE) < WINDOW {
            0
        } else {
            column.saturating_sub(BEFORE)
        };
        let window = || text[line.clone()].chars().skip(from).take(WINDOW);
        let cut_before = if from > 0 { "…" } else { "" };
        let cut_after = if text[line.clone()].chars().nth(from + WINDOW).is_some() {
            "…"
        } else {
            ""
        };
        let body: String = window().map(Shown).map(|c| c.to_string()).collect();
        let columns = |skip: usize, take: usize| -> usize {
            window().skip(skip).take(take).map(columns).sum()
        };
        Excerpt {
            line: text[..line.start].matches('\n').count() + 1,
            column: column + 1,
            shown: format!("{cut_before}{}{cut_after}", body.trim_end()),
            indent: cut_before.chars().count() + columns(0, column - from),
            width: columns(column - from, marked).max(1),
        }
    }
}

impl fmt::Display for Excerpt {
    /// The gutter, the line and the caret: three lines, each with its end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        writeln!(f, "{gutter} |")?;
        writeln!(f, "{}", format!("{number} | {}", self.shown).trim_end())?;
        let caret = "^".repeat(self.width);
        writeln!(f, "{gutter} | {}{caret}", " ".repeat(self.indent))
    }
}

/// `text` with everything a terminal would obey replaced.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| if is_unsafe(c) { '\u{fffd}' } else { c })
        .collect()
}

/// `text` made safe, and short enough to be named in a message.
pub(super) fn brief(text: &str) -> String {
    const LONGEST: usize = 48;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", clean(&text[..end])),
        None => clean(text),
    }
}

/// Where the line that has `at` in it begins and ends, without its line end.
pub(super) fn line_around(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..]
        .find('\n')
        .map_or(text.len(), |newline| at + newline);
    let line = &text[start..end];
    start..start + line.strip_suffix('\r').unwrap_or(line).len()
}

/// The nearest character boundary at or before `at`; the end of a text is on its last line that is not empty.
fn floor(text: &str, at: usize) -> usize {
    let end = text.strip_suffix('\n').unwrap_or(text).len();
    text.floor_char_boundary(at.min(end))
}

struct Shown(char);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            '\t' => f.write_str(TAB),
            c if is_unsafe(c) => f.write_str("\u{fffd}"),
            c => write!(f, "{c}"),
        }
    }
}

/// Control characters, and those that change the direction of what follows.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// How many columns of a terminal `c` takes, as shown; near enough to UAX #11 for a caret.
fn columns(c: char) -> usize {
    match c {
        '\t' => TAB.len(),
        '\u{300}'..='\u{36f}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Range<usize>) -> String {
        Excerpt::of(text, span).to_string()
    }

    #[test]
    fn the_caret_stands_under_what_is_meant() {
        for (text, meant, expected) in [
            ("a = 1\nb = 2\n", "b", "  |\n2 | b = 2\n  | ^\n"),
            ("\tb = 2", "2", "  |\n1 |     b = 2\n  |         ^\n"),
            (
                "x = \"日本\", é",
                "é",
                "  |\n1 | x = \"日本\", é\n  |             ^\n",
            ),
            ("a = 1\r\nbad\r\n", "bad", "  |\n2 | bad\n  | ^^^\n"),
            (
                "a\u{1b}[2J = 1",
                "1",
                "  |\n1 | a\u{fffd}[2J = 1\n  |         ^\n",
            ),
        ] {
            let start = text.find(meant).expect("the text has it");
            assert_eq!(shown(text, start..start + meant.len()), expected);
        }
    }

    #[test]
    fn a_column_counts_characters() {
        let text = "x = \"日本\" y";
        let at = text.find('y').expect("the text has it");
        assert_eq!(Excerpt::of(text, at..at + 1).column, 10);
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}!{}", "a".repeat(5000), "b".repeat(5000));
        let excerpt = Excerpt::of(&text, 5000..5001);
        assert_eq!(excerpt.column, 5001);
        assert_eq!(excerpt.shown.chars().count(), WINDOW + 2);
        assert_eq!(excerpt.shown.chars().nth(excerpt.indent), Some('!'));
    }

    #[test]
    fn no_span_of_any_text_panics() {
        for text in ["", "\n", "é", "\r\n", "a\n\nb", "日\t\u{300}"] {
            for start in 0..=text.len() + 2 {
                for end in 0..=text.len() + 2 {
                    let excerpt = Excerpt::of(text, start..end);
                    assert!(excerpt.width > 0, "{text:?} {start}..{end}");
                }
            }
        }
    }
}
