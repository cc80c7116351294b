//! A [`Config`] as a file again, every default filled in: what `check` prints.

use std::time::Duration;

use super::command::{Program, inline_table};
use super::keys::{self, Key, Kind, Section};
use super::mend::array;
use super::timing::show;
use super::{Config, quote};
use crate::core::lease::Timing;

/// The file that sets everything in force, with a comment for each key. It loads again to an equal [`Config`].
#[must_use]
pub fn render(config: &Config) -> String {
    let mut text = String::new();
    for section in Section::ALL {
        text.push_str(&format!("[{}]\n", section.name()));
        for key in section.keys() {
            text.push_str(&entry(key, value(config, key)));
        }
        text.push('\n');
    }
    text + &meaning(&config.timing)
}

/// The comment and the line of one key; the line is a comment too where nothing is set.
fn entry(key: &Key, value: Option<String>) -> String {
    let line = match &value {
        Some(value) => key.set(value),
        None => format!("# {}", key.set(key.example)),
    };
    format!("# {} ({})\n{line}\n", key.about, remark(key))
}

/// The range of a key, if it has one, and what holds where it is not set.
pub(super) fn remark(key: &Key) -> String {
    let range = match key.kind {
        Kind::Duration { least, most } => format!("{} to {}; ", show(least), show(most)),
        Kind::Fraction => "0.0 to 0.1; ".to_owned(),
        Kind::Servers
        | Kind::Text
        | Kind::Texts
        | Kind::TextTable
        | Kind::Switch
        | Kind::Choice(_) => String::new(),
    };
    range + key.unset
}

/// The value in force, as TOML; `None` where nothing is.
fn value(config: &Config, key: &Key) -> Option<String> {
    let Config {
        zookeeper,
        election,
        timing,
        command,
        log,
    } = config;
    let servers = || {
        zookeeper
            .servers
            .iter()
            .map(|server| quote(&server.to_string()))
    };
    let duration = |duration| Some(quote(&show(duration)));
    match key.name {
        "servers" => Some(format!("[{}]", servers().collect::<Vec<_>>().join(", "))),
        "chroot" => zookeeper.chroot.as_ref().map(|path| quote(path.as_str())),
        "session_timeout" => duration(timing.session_timeout),
        "connect_timeout" => duration(timing.connect_timeout),
        "root" => Some(quote(election.root.as_str())),
        "master" => Some(quote(election.master.as_str())),
        "name" => Some(quote(election.name.as_str())),
        "lease" => duration(timing.lease),
        "renew_interval" => duration(timing.renew_interval),
        "poll_interval" => duration(timing.poll_interval),
        "clock_rate_bound" => Some(fraction(timing)),
        "exec" | "shell" => program(&command.program, key),
        "directory" => command
            .directory
            .as_ref()
            .map(|path| quote(&path.to_string_lossy())),
        "environment" => Some(inline_table(&command.environment)),
        "clear_environment" => Some(command.clear_environment.to_string()),
        "stop_signal" => Some(quote(command.stop_signal.as_str())),
        "grace_period" => duration(timing.grace_period),
        "kill_margin" => duration(timing.kill_margin),
        "format" => Some(quote(log.format.as_str())),
        "level" => Some(quote(log.level.as_str())),
        name => unreachable!("`{name}` is not a key"),
    }
}

fn program(program: &Program, key: &Key) -> Option<String> {
    match program {
        Program::Exec(argv) if *key == keys::EXEC => Some(array(argv)),
        Program::Shell(line) if *key == keys::SHELL => Some(quote(line)),
        Program::Exec(_) | Program::Shell(_) => None,
    }
}

fn fraction(timing: &Timing) -> String {
    // The debug form of a float always has its point, without which TOML would see an integer.
    format!("{:?}", f64::from(timing.clock_rate_bound.ppm()) / 1e6)
}

/// What the durations come to, in an operator's words.
fn meaning(timing: &Timing) -> String {
    let tenths = |duration: Duration| format!("{:.1} s", duration.as_secs_f64());
    // A figure that promises is rounded to the careful side.
    let at_least =
        |duration: Duration| format!("{:.1} s", (duration.as_secs_f64() * 10.0).floor() / 10.0);
    let at_most =
        |duration: Duration| format!("{:.1} s", (duration.as_secs_f64() * 10.0).ceil() / 10.0);
    let kill = timing.stop_after() + timing.grace_period;
    format!(
        "\
# What the timing comes to, counted from the master's last good renewal:
#   rides out      {} of disturbance at any moment, without touching the command
#   stop signal    after {}
#   SIGKILL        after {}
#   lease          ends after {}
#   takeover       at most {} after a host goes dark, if the ensemble answers
",
        at_least(timing.rides_out()),
        tenths(timing.stop_after()),
        tenths(kill),
        tenths(timing.lease.saturating_sub(crate::core::lease::EPSILON)),
        at_most(timing.takeover_after()),
    )
}
