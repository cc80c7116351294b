//! `[log]`: what is logged, and how.

use super::error::Report;
use super::keys::{self, Key, Kind};
use super::settings::Settings;

/// What is logged, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Log {
    /// How a line looks.
    pub format: Format,
    /// The least that is logged.
    pub level: Level,
}

/// How a log line looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// For eyes.
    #[default]
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// How much is logged; each includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Level {
    /// The promise is at risk, or was kept only by force.
    Error,
    /// Someone should look.
    Warn,
    /// The story of each term.
    #[default]
    Info,
    /// Every renewal.
    Debug,
}

impl Format {
    /// As in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }
}

impl Level {
    /// As in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

pub(super) fn read(settings: &Settings<'_>, report: &mut Report<'_>) -> Option<Log> {
    let formats = [Format::Text, Format::Json];
    let levels = [Level::Error, Level::Warn, Level::Info, Level::Debug];
    let format = choose(settings, report, &keys::FORMAT, &formats);
    let level = choose(settings, report, &keys::LEVEL, &levels);
    Some(Log {
        format: format?,
        level: level?,
    })
}

/// The one of `all` that `key` names, its default if it is not set.
fn choose<T: Copy + Default>(
    settings: &Settings<'_>,
    report: &mut Report<'_>,
    key: &'static Key,
    all: &[T],
) -> Option<T> {
    let Kind::Choice(names) = key.kind else {
        unreachable!("`{}` is a choice", key.name)
    };
    match settings.find(key) {
        Some(setting) => all.get(setting.choice(names, report)?).copied(),
        None => Some(T::default()),
    }
}
