//! What a master costs that has nothing to do: guardian and elector together.

use super::bench::{ELECTED_WITHIN, Host};
use super::figures::Trial;
use crate::support::{Ensemble, Group, holds_for, secs};
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

/// How long it is watched.
const WATCHED_FOR: Duration = secs(20);

/// S6, with the session of the other rows.
pub(crate) fn at_six_seconds(ensemble: &Ensemble) -> Trial {
    idle(ensemble, "\"6s\"")
}

/// S6, as it is installed.
pub(crate) fn at_the_default(ensemble: &Ensemble) -> Trial {
    idle(ensemble, "\"30s\"")
}

fn idle(ensemble: &Ensemble, session: &str) -> Trial {
    let group = Group::new(ensemble);
    let config = group
        .config("a")
        .set("zookeeper.session_timeout", session)
        .unset("log.level");
    let host = Host::start(ensemble, config);
    let run = group.wait_running(ELECTED_WITHIN);
    let both = host.wrapper();
    // What a start costs is none of it.
    holds_for("it runs", secs(2), || run.is_alive());
    let before = Used::by(&both);
    holds_for("it runs", WATCHED_FOR, || run.is_alive());
    let after = Used::by(&both);
    let seconds = WATCHED_FOR.as_secs_f64();
    Trial::default()
        .amount("RSS", memory(&both, "Rss:"), " MB")
        .amount("PSS", memory(&both, "Pss:"), " MB")
        .amount("CPU", (after.time - before.time) / seconds * 100.0, " %")
        .amount(
            "wake-ups/s",
            (after.switches - before.switches) / seconds,
            "",
        )
        .amount("binary", binary(), " MB")
}

/// Processor time in seconds, and how often it was given up.
struct Used {
    time: f64,
    switches: f64,
}

impl Used {
    fn by(pids: &[Pid]) -> Used {
        let threads: Vec<_> = pids.iter().flat_map(|&pid| threads(pid)).collect();
        Used {
            time: threads.iter().map(|it| nanoseconds(it) / 1e9).sum(),
            switches: threads
                .iter()
                .map(|it| number(&format!("{it}/status"), "voluntary_ctxt_switches:"))
                .sum(),
        }
    }
}

/// The directories of a process's threads.
fn threads(pid: Pid) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let paths = entries.flatten().map(|it| it.path().display().to_string());
    paths.collect()
}

/// How long a thread has been on a processor.
fn nanoseconds(thread: &str) -> f64 {
    let text = fs::read_to_string(format!("{thread}/schedstat")).unwrap_or_default();
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or_default()
}

/// A line of `smaps_rollup`, which counts in units of 1024, in MB, of all together.
fn memory(pids: &[Pid], line: &str) -> f64 {
    let files = pids.iter().map(|pid| format!("/proc/{pid}/smaps_rollup"));
    files.map(|file| number(&file, line) * 1.024 / 1000.0).sum()
}

/// The number on the line of a file that begins with this word.
fn number(file: &str, line: &str) -> f64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let rest = text.lines().find_map(|it| it.strip_prefix(line));
    let word = rest.and_then(|it| it.split_whitespace().next());
    word.and_then(|it| it.parse().ok())
        .unwrap_or_else(|| panic!("{file} has no {line}"))
}

fn binary() -> f64 {
    let file = fs::metadata(env!("CARGO_BIN_EXE_zk-supervise")).expect("cargo has built it");
    let thousands = u32::try_from(file.len() / 1000).expect("no terabytes");
    f64::from(thousands) / 1000.0
}
