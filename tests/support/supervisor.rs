//! The real binary: one candidate, its two processes and its child.

use super::netns::inside;
use super::process::{Process, children, command_line, descendants, is_alive, kill_marked, stat};
use super::scratch::tell;
use super::time::{secs, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

const BINARY: &str = env!("CARGO_BIN_EXE_zk-supervise");

/// Marks every process below a supervisor, so that none outlives the test whatever it did.
const MARKER: &str = "ZK_SUPERVISE_TEST";

/// How many lines of its log a failed test shows of each candidate.
const LAST_WORDS: usize = 30;

/// Which process of a candidate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    Guardian,
    Elector,
    Child,
}

/// A running candidate; its whole tree is killed when this is dropped.
pub(crate) struct Supervisor {
    name: String,
    dir: PathBuf,
    process: Process,
}

impl Supervisor {
    /// Starts `zk-supervise FILE`, logging to `log` beside the file. A second start appends.
    #[track_caller]
    pub(crate) fn start(name: &str, file: &Path, namespace: Option<&str>) -> Supervisor {
        let dir = file.parent().expect("a file is in a directory").to_owned();
        let open = |name| {
            File::options()
                .create(true)
                .append(true)
                .open(dir.join(name))
        };
        let mut command = inside(namespace, BINARY);
        command
            .arg(file)
            .env(MARKER, &dir)
            .stdin(Stdio::null())
            .stdout(open("out").expect("the directory is ours"))
            .stderr(open("log").expect("the directory is ours"));
        Supervisor {
            name: name.into(),
            process: Process::spawn("zk-supervise", command),
            dir,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The guardian: the process that was started.
    pub(crate) fn guardian(&self) -> Pid {
        self.process.pid()
    }

    /// The elector, once there is one.
    pub(crate) fn elector(&self) -> Option<Pid> {
        let mut children = children(self.guardian()).into_iter();
        children.find(|&pid| command_line(pid).starts_with("zk-supervise: elector"))
    }

    /// The child, while it runs: the guardian's child that leads a session of its own and is no elector.
    pub(crate) fn child(&self) -> Option<Pid> {
        let elector = self.elector();
        let mut children = children(self.guardian()).into_iter();
        children
            .find(|&pid| Some(pid) != elector && stat(pid).is_some_and(|stat| stat.session == pid))
    }

    /// The pid of one of its processes; waits for it to be there.
    #[track_caller]
    pub(crate) fn pid(&self, who: Who) -> Pid {
        let look = || match who {
            Who::Guardian => Some(self.guardian()),
            Who::Elector => self.elector(),
            Who::Child => self.child(),
        };
        wait_for(&format!("{who:?} of {}", self.name), secs(10), look)
    }

    /// Sends a signal to one of its processes.
    #[track_caller]
    pub(crate) fn signal(&self, who: Who, signal: Signal) {
        kill(self.pid(who), signal).unwrap_or_else(|error| panic!("{who:?}: {error}"));
    }

    /// Its host dies: guardian, elector, child and all it forked end at one moment, and nobody says goodbye.
    pub(crate) fn crash(&mut self) {
        let mut everybody = vec![self.guardian()];
        everybody.extend(descendants(self.guardian()));
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for &pid in &everybody {
                kill(pid, signal).ok();
            }
        }
        self.process.kill();
        kill_marked(&self.marker());
    }

    /// Waits for the guardian to exit by itself.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        self.process.wait_exit(limit)
    }

    /// Whether the guardian runs.
    pub(crate) fn is_running(&self) -> bool {
        is_alive(self.guardian())
    }

    /// All that it has said on stderr.
    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// The same, a JSON value for each line that is one.
    pub(crate) fn log(&self) -> Vec<serde_json::Value> {
        let text = self.log_text();
        let lines = text.lines();
        lines
            .filter_map(|it| serde_json::from_str(it).ok())
            .collect()
    }

    /// How often it has logged a message.
    pub(crate) fn logged(&self, message: &str) -> usize {
        let is_it = |line: &&serde_json::Value| line["message"] == message;
        self.log().iter().filter(is_it).count()
    }

    fn marker(&self) -> String {
        format!("{MARKER}={}", self.dir.display())
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log_text();
            let lines: Vec<&str> = log.lines().filter(|it| !is_debug(it)).collect();
            let last = lines.len().saturating_sub(LAST_WORDS);
            let (name, dir) = (&self.name, self.dir.display());
            tell(&format!("the last words of {name} (all: {dir}/log):"));
            tell(&lines[last..].join("\n"));
        }
        self.crash();
    }
}

fn is_debug(line: &str) -> bool {
    let level = |line: serde_json::Value| line["level"].as_str().map(str::to_lowercase);
    serde_json::from_str(line).ok().and_then(level).as_deref() == Some("debug")
}

/// Runs the binary to its end: `check`, `status`, wrong usage.
pub(crate) fn zk_supervise(arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("cargo has built the binary")
}
