//! The operator's file. What a [`Config`] holds is right: it was parsed, not validated. Whatever is wrong is reported
//! at once, each with its place and with what to write instead.
//!
//! It knows TOML, and `core`'s durations and paths; not ZooKeeper, not processes. The exceptions are two questions to
//! this host: its name, for a candidate without one, and whether a command is there ([`Command::flaws`]).

mod command;
mod election;
mod error;
mod excerpt;
mod flaw;
mod home;
mod keys;
mod log;
mod mend;
mod names;
mod reference;
mod remedy;
mod render;
mod server;
mod settings;
mod source;
mod syntax;
mod timing;
mod value;
mod zookeeper;

use std::path::Path;

use toml::de::DeTable;

use crate::core::lease::Timing;
use error::{Purpose, Report};
use keys::Key;
use settings::Settings;

pub use command::{Command, Program, Signal};
pub use election::{CandidateName, Election};
pub use error::ConfigErrors;
pub use flaw::{CommandFlaw, Reason};
pub use log::{Format, Level, Log};
pub use reference::{Entry, Shape, reference};
pub use render::render;
pub use server::Server;
pub use zookeeper::Zookeeper;

/// All that is in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Where the ensemble is.
    pub zookeeper: Zookeeper,
    /// Which election this is, and who we are in it.
    pub election: Election,
    /// Every duration; they fit together.
    pub timing: Timing,
    /// What runs while we are master.
    pub command: Command,
    /// What is logged, and how.
    pub log: Log,
}

/// Reads the file at `path`.
///
/// # Errors
/// All that can be found wrong with it at once. That the command is missing is not: see [`check`].
pub fn load(path: &Path) -> Result<Config, ConfigErrors> {
    parse(&source::read(path)?, path)
}

/// Parses `text`; `path` is what the messages call it.
///
/// # Errors
/// All that can be found wrong with it at once.
pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigErrors> {
    let mut report = Report::new(path, text, Purpose::Show);
    match resolve(&mut report, Depth::File) {
        Some(config) if report.is_empty() => Ok(config),
        _ => Err(report.into_errors()),
    }
}

/// As [`load`], and looks whether this host has the command.
///
/// # Errors
/// All that can be found wrong with the file, or with the command on this host, at once.
pub fn check(path: &Path) -> Result<Config, ConfigErrors> {
    let text = source::read(path)?;
    let mut report = Report::new(path, &text, Purpose::Show);
    match resolve(&mut report, Depth::Host) {
        Some(config) if report.is_empty() => Ok(config),
        _ => Err(report.into_errors()),
    }
}

/// How far to look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Depth {
    /// At the file.
    File,
    /// At the file, and for the command it names on this host.
    Host,
}

/// Reads everything, and reports all that is wrong; `None` only if something was reported.
fn resolve(report: &mut Report<'_>, depth: Depth) -> Option<Config> {
    let sound = syntax::make_sound(report)?;
    let (tree, _) = DeTable::parse_recoverable(&sound.text);
    let settings = Settings::sort(tree.get_ref(), sound.broken);
    let config = read(&settings, report);
    if depth == Depth::Host {
        flaw::report(&settings, report);
    }
    settings.report_strays(report);
    settings.report_missing_sections(report);
    config
}

fn read(settings: &Settings<'_>, report: &mut Report<'_>) -> Option<Config> {
    let zookeeper = zookeeper::read(settings, report);
    let election = election::read(settings, report);
    let timing = timing::read(settings, report);
    let command = command::read(settings, report);
    let log = log::read(settings, report);
    Some(Config {
        zookeeper: zookeeper?,
        election: election?,
        timing: timing?,
        command: command?,
        log: log?,
    })
}

/// The longest value that a help repeats; nobody reads more, and a hostile one would be tried a hundred times.
const LONGEST_HELP: usize = 1000;

/// Whether `value`, which is TOML, would be right for `key` in a file that sets nothing else.
fn accepts(key: &Key, value: &str) -> bool {
    if value.len() > LONGEST_HELP {
        return false;
    }
    let text = format!("[{}]\n{}\n", key.section.name(), key.set(value));
    let Ok(tree) = DeTable::parse(&text) else {
        return false;
    };
    let settings = Settings::sort(tree.get_ref(), Vec::new());
    let mut report = Report::new(Path::new(""), &text, Purpose::Try);
    let _ = read(&settings, &mut report);
    let is_alone = tree.get_ref().len() == 1 && settings.count() == 1;
    let is_right = |span| report.is_clean(&span);
    is_alone
        && settings
            .find(key)
            .is_some_and(|setting| is_right(setting.value.span()))
}

/// `text` as a TOML string on one line.
fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests;
