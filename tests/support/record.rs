//! What the witnesses of a group wrote, and whether two of them ever ran at once.
//!
//! `record` has one line an event: `kind pid boottime-ns name token`; `alive.<pid>` holds the last moment at which that
//! witness executed.

use super::process::is_alive;
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One run of the supervised command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    /// The candidate that ran it: `ZK_SUPERVISE_NAME`.
    pub(crate) name: String,
    /// Its term's fencing token: `ZK_SUPERVISE_TOKEN`.
    pub(crate) token: u64,
    pub(crate) pid: Pid,
    pub(crate) start: Duration,
    /// When it was last seen executing.
    pub(crate) end: Duration,
    /// When it was asked to stop, if it was.
    pub(crate) asked: Option<Duration>,
    /// Whether it ended by itself, and was not killed.
    pub(crate) stopped: bool,
}

impl Run {
    pub(crate) fn is_alive(&self) -> bool {
        !self.stopped && is_alive(self.pid)
    }
}

/// The record as it is at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Record {
    runs: Vec<Run>,
    refusals: Vec<String>,
    descendants: Vec<Pid>,
}

impl Record {
    /// Reads the record in a directory; empty while no witness has written there.
    pub(crate) fn read(dir: &Path) -> Record {
        let text = fs::read_to_string(dir.join("record")).unwrap_or_default();
        let mut record = Record::default();
        for line in text.split_inclusive('\n').filter(|l| l.ends_with('\n')) {
            record.add(dir, line.trim_end());
        }
        record
    }

    /// Every run, the earliest first.
    pub(crate) fn starts(&self) -> &[Run] {
        &self.runs
    }

    /// The runs of one candidate.
    pub(crate) fn starts_of(&self, name: &str) -> Vec<&Run> {
        self.runs.iter().filter(|run| run.name == name).collect()
    }

    /// The run that is alive now; the newest, should there be two.
    pub(crate) fn current(&self) -> Option<&Run> {
        self.runs.iter().rev().find(|run| run.is_alive())
    }

    /// The processes that witnesses forked, dead or alive.
    pub(crate) fn descendants(&self) -> &[Pid] {
        &self.descendants
    }

    /// How long nobody ran before the last run; nothing if there were not two.
    pub(crate) fn last_gap(&self) -> Option<Duration> {
        let [.., before, last] = &self.runs[..] else {
            return None;
        };
        Some(last.start.saturating_sub(before.end))
    }

    /// Every breach of the promise, a sentence each: a lock refused, two runs at one moment, a token that fell.
    pub(crate) fn overlaps(&self) -> Vec<String> {
        let pairs = self.runs.iter().enumerate().flat_map(|(index, earlier)| {
            self.runs[index + 1..]
                .iter()
                .map(move |later| (earlier, later))
        });
        let mut breaches = self.refusals.clone();
        for (earlier, later) in pairs {
            if earlier.start <= later.end && later.start <= earlier.end {
                breaches.push(format!("two ran at once: {earlier:?} and {later:?}"));
            }
            if later.token < earlier.token {
                breaches.push(format!("the token fell: {earlier:?}, then {later:?}"));
            }
        }
        breaches
    }

    fn add(&mut self, dir: &Path, line: &str) {
        let fields: Vec<&str> = line.split(' ').collect();
        let [kind, pid, at, name, token] = fields[..] else {
            panic!("not a line of a record: `{line}`")
        };
        let pid = Pid::from_raw(pid.parse().expect("the witness writes its pid"));
        let at = Duration::from_nanos(at.parse().expect("the witness writes nanoseconds"));
        match kind {
            "start" => self.runs.push(Run {
                name: name.into(),
                token: token.parse().expect("the witness writes a number"),
                pid,
                start: at,
                end: last_alive(dir, pid).unwrap_or(at).max(at),
                asked: None,
                stopped: false,
            }),
            "asked" => self.run(pid).asked = Some(at),
            "stop" => {
                let run = self.run(pid);
                run.end = at;
                run.stopped = true;
            }
            "descendant" => self.descendants.push(pid),
            _ => self.refusals.push(line.into()),
        }
    }

    fn run(&mut self, pid: Pid) -> &mut Run {
        let mut runs = self.runs.iter_mut().rev();
        runs.find(|run| run.pid == pid)
            .expect("a witness writes `start` first")
    }
}

fn last_alive(dir: &Path, pid: Pid) -> Option<Duration> {
    let path: PathBuf = dir.join(format!("alive.{pid}"));
    let nanos = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    Some(Duration::from_nanos(nanos))
}
