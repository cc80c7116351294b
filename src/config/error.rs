//! What is wrong with a file, as it is shown: where, what, why, and what to write instead.
//!
//! ```text
//! app.toml:12:1: unknown key `leese` in `[election]`
//!    |
//! 12 | leese = "15s"
//!    | ^^^^^
//!    = a misspelt key would leave a default in force
//! help: lease = "15s"
//! ```

use std::error::Error;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use super::excerpt::{Excerpt, brief, clean, line_around};

/// The most errors that are shown of one file; nobody reads more.
const MOST: usize = 100;

/// All that was found wrong with one file; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
    /// How many more there are than are shown.
    unshown: usize,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
struct ConfigError {
    path: String,
    excerpt: Option<Excerpt>,
    what: String,
    why: String,
    help: Vec<String>,
}

impl ConfigErrors {
    /// One error, about the file as a whole.
    pub(super) fn whole(path: &Path, what: impl Into<String>, why: impl Into<String>) -> Self {
        let mut report = Report::new(path, "", Purpose::Show);
        report.whole(what, why, Vec::new);
        report.into_errors()
    }

    /// How many errors there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.errors.len() + self.unshown
    }
}

impl Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    /// One block an error, with an empty line between; no line end at the end.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            let gap = if index > 0 { "\n\n" } else { "" };
            write!(f, "{gap}{error}")?;
        }
        match (self.unshown, self.errors.first()) {
            (0, _) | (_, None) => Ok(()),
            (unshown, Some(first)) => write!(f, "\n\n{}: and {unshown} more", first.path),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gutter = 1;
        match &self.excerpt {
            Some(excerpt) => {
                let (line, column) = (excerpt.line, excerpt.column);
                writeln!(f, "{}:{line}:{column}: {}", self.path, self.what)?;
                write!(f, "{excerpt}")?;
                gutter = line.to_string().len();
            }
            None => writeln!(f, "{}: {}", self.path, self.what)?,
        }
        write!(f, "{} = {}", " ".repeat(gutter), self.why)?;
        for (index, line) in self.help.iter().enumerate() {
            let lead = if index == 0 { "help: " } else { "      " };
            write!(f, "\n{lead}{line}")?;
        }
        Ok(())
    }
}

/// What a [`Report`] is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// To be shown.
    Show,
    /// To see whether there is anything to report; no help is worked out.
    Try,
}

/// Collects what is wrong with one text.
pub(super) struct Report<'a> {
    path: &'a Path,
    pub(super) text: &'a str,
    purpose: Purpose,
    errors: Vec<(Option<Range<usize>>, ConfigError)>,
    unshown: usize,
}

impl<'a> Report<'a> {
    pub(super) fn new(path: &'a Path, text: &'a str, purpose: Purpose) -> Report<'a> {
        Report {
            path,
            text,
            purpose,
            errors: Vec::new(),
            unshown: 0,
        }
    }

    /// Something is wrong at `span`; `help` is what to write there instead, line by line.
    pub(super) fn at(
        &mut self,
        span: Range<usize>,
        what: impl Into<String>,
        why: impl Into<String>,
        help: impl FnOnce() -> Vec<String>,
    ) {
        self.push(Some(span), what.into(), why.into(), help);
    }

    /// Something is wrong with the file as a whole.
    pub(super) fn whole(
        &mut self,
        what: impl Into<String>,
        why: impl Into<String>,
        help: impl FnOnce() -> Vec<String>,
    ) {
        self.push(None, what.into(), why.into(), help);
    }

    /// Whether nothing within `span` was reported.
    pub(super) fn is_clean(&self, span: &Range<usize>) -> bool {
        let is_outside = |at: &Range<usize>| at.start < span.start || at.start > span.end;
        self.errors
            .iter()
            .all(|(at, _)| at.as_ref().is_none_or(is_outside))
    }

    /// Whether nothing was reported.
    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// Whether another error would not be shown.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() >= MOST
    }

    /// Counts `count` errors that are not shown.
    pub(super) fn leave_out(&mut self, count: usize) {
        self.unshown += count;
    }

    /// What was reported, in the order of the text.
    pub(super) fn into_errors(mut self) -> ConfigErrors {
        self.errors
            .sort_by_key(|(at, _)| at.as_ref().map_or(0, |at| at.start));
        ConfigErrors {
            errors: self.errors.into_iter().map(|(_, error)| error).collect(),
            unshown: self.unshown,
        }
    }

    fn push(
        &mut self,
        span: Option<Range<usize>>,
        what: String,
        why: String,
        help: impl FnOnce() -> Vec<String>,
    ) {
        if self.is_full() {
            self.unshown += 1;
            return;
        }
        let help = match self.purpose {
            Purpose::Show => help(),
            Purpose::Try => Vec::new(),
        };
        let error = ConfigError {
            path: clean(&self.path.display().to_string()),
            excerpt: span.clone().map(|span| Excerpt::of(self.text, span)),
            what: clean(&what),
            why: clean(&why),
            help: help.iter().map(|line| clean(line)).collect(),
        };
        self.errors.push((span, error));
    }

    /// What is at `span`, to the end of its last line, as a comment; cut where it is long.
    pub(super) fn commented(&self, span: Range<usize>) -> Vec<String> {
        let end = line_around(self.text, span.end).end;
        let text = self.text.get(span.start..end).unwrap_or_default();
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default().trim();
        let more = lines.map(|line| format!("# {}", brief(line)));
        [format!("# {}", brief(first))]
            .into_iter()
            .chain(more)
            .take(6)
            .collect()
    }
}
