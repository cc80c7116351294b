//! What is not TOML at all. The parser recovers badly from a missing bracket or value, so each fault is blanked out
//! of the text, which keeps every offset, and the rest is parsed again.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Error as TomlError};

use super::error::{Purpose, Report};
use super::excerpt::{brief, line_around};
use super::keys::{self, Key, Section};
use super::names;
use super::settings::Setting;
use super::{accepts, quote};

/// How many faults are looked for; each costs another pass over the text.
const MOST: usize = 20;

/// A text whose faults were blanked out.
pub(super) struct Sound {
    pub(super) text: String,
    /// The names of keys and sections that were blanked out, so that nobody calls them missing.
    pub(super) broken: Vec<String>,
}

/// A fault: what is told of it, and the bytes that have to go.
struct Fault {
    at: Range<usize>,
    message: String,
    gone: Range<usize>,
    /// The setting it is in, mended, if that could be done.
    help: Option<String>,
}

/// Reports every fault of the text; `None` if there is no end to them.
pub(super) fn make_sound(report: &mut Report<'_>) -> Option<Sound> {
    let mut sound = Sound {
        text: report.text.to_owned(),
        broken: Vec::new(),
    };
    for _ in 0..MOST {
        let (tree, errors) = DeTable::parse_recoverable(&sound.text);
        let Some(fault) = first_fault(&sound.text, tree.get_ref(), &errors) else {
            report_duplicates(report, &errors);
            return Some(sound);
        };
        report_fault(report, &fault);
        if sound.text[fault.gone.clone()].trim().is_empty() {
            return None;
        }
        sound
            .broken
            .extend(names_in(&sound.text[fault.gone.clone()]));
        blank(&mut sound.text, fault.gone);
    }
    None
}

/// Errors that leave the tree whole: the first of two equal keys stays in it.
fn is_harmless(error: &TomlError) -> bool {
    error.message() == "duplicate key" || error.message().starts_with("cannot extend")
}

fn first_fault(text: &str, tree: &DeTable<'_>, errors: &[TomlError]) -> Option<Fault> {
    let first = errors
        .iter()
        .filter(|error| !is_harmless(error))
        .min_by_key(|error| error.span().map_or(0, |span| span.start))?;
    let at = first.span().unwrap_or(0..0);
    let line = whole_line(text, at.start);
    let message = first.message().to_owned();
    let unclosed = errors.iter().map(TomlError::message).find(|message| {
        message.starts_with("unclosed array") || message.starts_with("unclosed inl")
    });
    let header = text[line.clone()].trim_start().starts_with('[');
    let Some((name, value)) = entry_around(tree, at.start) else {
        let end = if header {
            next_header(text, line.end)
        } else {
            line.end
        };
        let gone = line.start..end;
        return Some(Fault {
            at,
            message,
            gone,
            help: None,
        });
    };
    let start = whole_line(text, name.span().start).start;
    let span = value.span();
    Some(match unclosed {
        Some(unclosed) if line.start > name.span().start => Fault {
            at: span.start..line.start,
            message: unclosed.to_owned(),
            gone: start..line.start,
            help: None,
        },
        Some(_) => Fault {
            at,
            message,
            gone: line,
            help: None,
        },
        None if message.contains("multi-line") => Fault {
            at: span.clone(),
            message,
            gone: start..span.end,
            help: None,
        },
        None => Fault {
            at,
            message,
            gone: start..whole_line(text, span.end).end,
            help: mend_entry(text, name, value),
        },
    })
}

/// The entry of a section that has `at` in it.
fn entry_around<'t>(tree: &'t DeTable<'t>, at: usize) -> Option<Entry<'t>> {
    tree.iter().find_map(|(name, value)| match value.get_ref() {
        DeValue::Table(section) if !value.span().contains(&at) => entry_around(section, at),
        DeValue::Table(_)
        | DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_) => {
            let is_around = name.span().start <= at && at <= value.span().end;
            is_around.then_some((name, value))
        }
    })
}

type Entry<'t> = (&'t Spanned<DeString<'t>>, &'t Spanned<DeValue<'t>>);

/// The array or table that the parser made out of the pieces it could read, if it is right for its key.
fn mend_entry<'t>(
    text: &str,
    name: &Spanned<DeString<'_>>,
    value: &'t Spanned<DeValue<'t>>,
) -> Option<String> {
    let key = named(name.get_ref())?;
    if !value.get_ref().is_array() && !value.get_ref().is_table() {
        return None;
    }
    let report = Report::new(Path::new(""), text, Purpose::Try);
    let name = name.span();
    let mended = Setting { key, name, value }.mended(&report);
    accepts(key, &mended).then(|| key.set(&mended))
}

fn whole_line(text: &str, at: usize) -> Range<usize> {
    line_around(text, text.floor_char_boundary(at))
}

fn next_header(text: &str, from: usize) -> usize {
    text[from..].find("\n[").map_or(text.len(), |at| from + at)
}

/// Overwrites `gone` with spaces; line ends stay, so that every line keeps its number.
fn blank(text: &mut String, gone: Range<usize>) {
    let blanked: String = text[gone.clone()]
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect();
    text.replace_range(gone, &blanked);
}

/// Whatever may be the name of a key or section in `text`.
fn names_in(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| {
        let name = line.split(['=', ']', '#']).next().unwrap_or(line);
        let name = name.trim_matches(|c: char| c.is_whitespace() || "[].\"'".contains(c));
        name.split_whitespace().next().unwrap_or(name).to_owned()
    })
}

fn report_fault(report: &mut Report<'_>, fault: &Fault) {
    let is_nothing = report
        .text
        .get(fault.at.clone())
        .is_none_or(|text| text.trim().is_empty());
    let message = match fault.message.as_str() {
        "string values must be quoted, expected literal string" if is_nothing => {
            "key with no value"
        }
        message => message,
    };
    let (what, why) = explain(message);
    let line = whole_line(report.text, fault.at.start);
    let line = report.text[line].to_owned();
    report.at(fault.at.clone(), what, why, || {
        vec![fault.help.clone().unwrap_or_else(|| mended(&line))]
    });
}

/// The parser's words, or better ones where it has few.
fn explain(message: &str) -> (String, String) {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let why = match (what, expected) {
        ("string values must be quoted", _) => {
            "text and durations are strings, and a string is in quotes".to_owned()
        }
        ("invalid multi-line basic string", _) => {
            "what begins with three quotes ends with three quotes".to_owned()
        }
        ("key with no value", _) => {
            "a line is `key = value`, a `[section]` or a `# comment`".to_owned()
        }
        ("unexpected key or value", _) => "one line has one setting; text is in quotes".to_owned(),
        ("invalid basic string", "`\"`") => {
            "a string ends on the line on which it begins".to_owned()
        }
        ("cannot recurse further; max recursion depth met", _) => {
            "nothing here is nested that deep".to_owned()
        }
        (_, "" | "nothing") => "this is not TOML".to_owned(),
        (_, expected) => format!("expected {expected}"),
    };
    let what = match (what, expected) {
        ("invalid basic string" | "invalid multi-line basic string", "`\"`") => "unclosed string",
        (what, _) => what,
    };
    (what.to_owned(), why)
}

/// What `line` was probably meant to be; as a comment if nobody can tell.
pub(super) fn mended(line: &str) -> String {
    let line = line.trim();
    if line.starts_with('#') {
        return line.to_owned();
    }
    if let Some(header) = line.strip_prefix('[') {
        let name = header.trim_matches(|c: char| !c.is_alphanumeric() && c != '_');
        let section = names::nearest(name, Section::ALL.map(Section::name));
        return section.map_or_else(|| commented(line), |name| format!("[{name}]"));
    }
    let end = line.find(|c: char| !(c.is_alphanumeric() || "_-".contains(c)));
    let (name, rest) = line.split_at(end.unwrap_or(line.len()));
    let Some(key) = names::nearest(name, keys::ALL.map(|key| key.name)).and_then(named) else {
        return commented(line);
    };
    let value = rest.trim_matches(|c: char| c.is_whitespace() || c == '=');
    let bare = value.trim_matches(['"', '\'']);
    [value.to_owned(), format!("{value}]"), quote(bare)]
        .iter()
        .find(|value| accepts(key, value))
        .map_or_else(|| key.set(key.example), |value| key.set(value))
}

fn named(name: &str) -> Option<&'static Key> {
    keys::ALL.into_iter().find(|key| key.name == name)
}

fn commented(line: &str) -> String {
    format!("# {}", brief(line))
}

fn report_duplicates(report: &mut Report<'_>, errors: &[TomlError]) {
    for error in errors {
        let at = error.span().unwrap_or(0..0);
        let line = whole_line(report.text, at.start);
        let name = brief(report.text.get(at.clone()).unwrap_or_default());
        let is_header = report.text[line.clone()].trim_start().starts_with('[');
        let (what, why) = match (error.message(), is_header) {
            ("duplicate key", true) => (
                format!("section `[{name}]` is here twice"),
                "its settings belong together, under one header".to_owned(),
            ),
            ("duplicate key", false) => (
                format!("key `{name}` is set twice"),
                "one of the two would be ignored".to_owned(),
            ),
            (message, _) => (
                message.to_owned(),
                "it was given another kind of value above".to_owned(),
            ),
        };
        let text = report.text[line].trim();
        report.at(at, what, why, || vec![commented(text)]);
    }
}
