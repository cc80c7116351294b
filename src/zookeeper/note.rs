//! Reading a stranger's JSON: every field by name, nothing believed, nothing that can panic.

use std::fmt;

use serde_json::{Map, Value};

/// The format of our data. A reader refuses any other, so it is raised only where an older reader would go wrong.
pub(super) const FORMAT: u64 = 1;

/// The version of zk-supervise that writes.
pub(super) const WRITER: &str = env!("CARGO_PKG_VERSION");

/// The most that is parsed, 64 KiB: a hundred times what we write, and little enough to parse at every poll.
const LONGEST_DATA: usize = 64 * 1024;

/// The longest text that is kept of a stranger's, in characters: the longest host name (RFC 1035).
const LONGEST_TEXT: usize = 255;

/// Why a znode's data is not ours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// It is empty, and was written before: somebody has emptied it.
    Emptied,
    /// It is longer than we read.
    TooLong {
        /// How long, in bytes.
        bytes: usize,
    },
    /// It is no JSON object.
    NotJson {
        /// Why.
        reason: String,
    },
    /// Its format is another one.
    Format {
        /// Which, as it is written there.
        found: String,
    },
    /// It lacks a field.
    Missing(&'static str),
    /// A field is not what it must be.
    Field {
        /// Which field.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Emptied => f.write_str("empty, although it was written before"),
            Flaw::TooLong { bytes } => {
                write!(
                    f,
                    "{bytes} bytes, more than the {LONGEST_DATA} that are read"
                )
            }
            Flaw::NotJson { reason } => write!(f, "not a JSON object: {reason}"),
            Flaw::Format { found } => {
                write!(f, "`format` is {found}, and only {FORMAT} is understood")
            }
            Flaw::Missing(name) => write!(f, "`{name}` is missing"),
            Flaw::Field { name, expected } => write!(f, "`{name}` is not {expected}"),
        }
    }
}

impl std::error::Error for Flaw {}

/// The fields of one object of a format that is understood.
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Parses `data`. Costs at most a small multiple of [`LONGEST_DATA`].
    pub(super) fn parse(data: &[u8]) -> Result<Fields, Flaw> {
        let bytes = data.len();
        if bytes > LONGEST_DATA {
            return Err(Flaw::TooLong { bytes });
        }
        let map = serde_json::from_slice(data).map_err(|error| Flaw::NotJson {
            reason: tame(&error.to_string()),
        })?;
        let fields = Fields(map);
        match fields.value("format")? {
            format if format.as_u64() == Some(FORMAT) => Ok(fields),
            other => Err(Flaw::Format {
                found: tame(&other.to_string()),
            }),
        }
    }

    /// A text, tamed.
    pub(super) fn text(&self, name: &'static str) -> Result<String, Flaw> {
        self.str(name).map(tame)
    }

    /// A text or `null`; the latter must be written out.
    pub(super) fn text_or_null(&self, name: &'static str) -> Result<Option<String>, Flaw> {
        self.or_null(name, |fields| fields.text(name))
    }

    /// A text as it is, for comparison and parsing only.
    pub(super) fn str(&self, name: &'static str) -> Result<&str, Flaw> {
        let expected = "a text";
        self.value(name)?
            .as_str()
            .ok_or(Flaw::Field { name, expected })
    }

    /// A whole number that fits.
    pub(super) fn number<T: TryFrom<u64>>(
        &self,
        name: &'static str,
        expected: &'static str,
    ) -> Result<T, Flaw> {
        self.value(name)?
            .as_u64()
            .and_then(|number| T::try_from(number).ok())
            .ok_or(Flaw::Field { name, expected })
    }

    /// A text that `parse` understands.
    pub(super) fn parsed<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Flaw> {
        self.value(name)?
            .as_str()
            .and_then(parse)
            .ok_or(Flaw::Field { name, expected })
    }

    /// `read`, unless the field is `null`.
    pub(super) fn or_null<T>(
        &self,
        name: &'static str,
        read: impl FnOnce(&Fields) -> Result<T, Flaw>,
    ) -> Result<Option<T>, Flaw> {
        if self.value(name)?.is_null() {
            return Ok(None);
        }
        read(self).map(Some)
    }

    fn value(&self, name: &'static str) -> Result<&Value, Flaw> {
        self.0.get(name).ok_or(Flaw::Missing(name))
    }
}

/// A stranger's text that may be printed: bounded, and without control characters.
pub(super) fn tame(text: &str) -> String {
    text.chars()
        .take(LONGEST_TEXT)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
