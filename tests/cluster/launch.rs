//! A candidate that is started in surroundings of its own (no control groups, strange descriptors, a log that nobody
//! reads), and looked at from outside.

use crate::support::{Group, Process, command_line, environment, is_alive, secs, wait_for};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;
use zk_supervise::core::lease::{Timing, Wish};

/// How long hosts that start together may take until one runs the command.
pub(crate) const ELECTED_WITHIN: Duration = secs(20);

/// Marks every process below a candidate, as the harness does, so that none outlives the test.
const MARKER: &str = "ZK_SUPERVISE_TEST";

/// A shell's words before it becomes the supervisor: control groups can be read, and none can be made. Who may not have
/// a mount namespace may not make control groups either.
const NO_CGROUP: &str = r#"
    if unshare --mount true 2>/dev/null; then
        exec unshare --mount sh -ec '
            for group in $(awk "/ - cgroup2 / { print \$5 }" /proc/self/mountinfo); do
                mount -o remount,bind,ro "$group"
            done
            exec "$@"' sh "$@"
    fi"#;

/// Whether the tree of a candidate is in a control group: it must die either way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fence {
    /// Yes, where this machine has them.
    Cgroup,
    /// No: process groups, the subreaper and environments must do.
    None,
}

pub(crate) const FENCES: [Fence; 2] = [Fence::Cgroup, Fence::None];

/// A candidate; its whole tree is killed when this is dropped.
pub(crate) struct Host {
    process: Process,
    dir: PathBuf,
    log: PathBuf,
}

impl Host {
    /// Starts a candidate with this file, behind this fence.
    pub(crate) fn start(file: &Path, fence: Fence) -> Host {
        match fence {
            Fence::Cgroup => Host::after("", file),
            Fence::None => {
                let host = Host::after(NO_CGROUP, file);
                let started = wait_for("it has started", secs(10), || {
                    host.find("supervisor started")
                });
                let cgroup = started["cgroup"].as_str().expect("it says so");
                assert!(cgroup.starts_with("no"), "{cgroup}");
                host
            }
        }
    }

    /// Starts a candidate from a shell that runs `script` first.
    pub(crate) fn after(script: &str, file: &Path) -> Host {
        let dir = file.parent().expect("a file is in a directory").to_owned();
        let log = own_log(&dir).expect("no test starts a hundred");
        let mut command = Command::new("sh");
        command
            .args(["-ec", &format!("{script}\nexec \"$@\""), "sh"])
            .args([env!("CARGO_BIN_EXE_zk-supervise").as_ref(), file])
            .env(MARKER, &dir)
            .stdin(Stdio::null())
            .stdout(File::create(dir.join("out")).expect("the directory is ours"))
            .stderr(File::create(&log).expect("the directory is ours"));
        Host {
            process: Process::spawn("zk-supervise", command),
            dir,
            log,
        }
    }

    pub(crate) fn guardian(&self) -> Pid {
        self.process.pid()
    }

    /// The elector there is now, or the next one.
    #[track_caller]
    pub(crate) fn elector(&self) -> Pid {
        wait_for("there is an elector", secs(10), || {
            let mut children = children(self.guardian()).into_iter();
            children.find(|&pid| command_line(pid).starts_with("zk-supervise: elector"))
        })
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.guardian(), signal).expect("the guardian is there");
    }

    #[track_caller]
    pub(crate) fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        self.process.wait_exit(limit)
    }

    /// Guardian and elector are killed at one moment; the rest of the tree is left as it is.
    #[track_caller]
    pub(crate) fn kill_both(&mut self) {
        let both = [self.guardian(), self.elector()];
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for pid in both {
                kill(pid, signal).expect("both run");
            }
        }
        self.process.kill();
    }

    /// Every line of its log that is JSON.
    pub(crate) fn log(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines = text.lines();
        lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The last line of its log with a message.
    pub(crate) fn find(&self, message: &str) -> Option<serde_json::Value> {
        let mut lines = self.log().into_iter().rev();
        lines.find(|line| line["message"] == message)
    }

    pub(crate) fn logged(&self, message: &str) -> usize {
        let log = self.log();
        log.iter().filter(|line| line["message"] == message).count()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let is_story = |line: &&serde_json::Value| line["level"] != "debug";
            for line in self.log().iter().filter(is_story) {
                tell(&line.to_string());
            }
        }
        self.process.kill();
        let marker = format!("{MARKER}={}", self.dir.display());
        let left = || {
            let marked = |pid: &Pid| is_alive(*pid) && environment(*pid).contains(&marker);
            everybody().into_iter().filter(marked).collect::<Vec<Pid>>()
        };
        wait_for("nothing of it is left", secs(10), || {
            let left = left();
            for &pid in &left {
                kill(pid, Signal::SIGKILL).ok();
            }
            left.is_empty().then_some(())
        });
    }
}

/// A command that never stops forking: each process leaves its session, forks and ends within some microseconds. All
/// hold a lock, which is free when nothing of it is alive.
pub(crate) struct Hydra {
    lock: PathBuf,
}

const HYDRA: &str = "
import fcntl, os, sys, time
lock = open(sys.argv[1], 'a')
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
if os.fork():
    time.sleep(600)
os.write(lock.fileno(), b'runs')
while True:
    if os.fork():
        os._exit(0)
    os.setsid()
";

impl Hydra {
    pub(crate) fn of(group: &Group) -> Hydra {
        let lock = group.dir().join("hydra");
        File::create(&lock).expect("the directory is ours");
        Hydra { lock }
    }

    pub(crate) fn command(&self) -> [&str; 4] {
        let lock = self.lock.to_str().expect("temporary paths are UTF-8");
        ["/usr/bin/python3", "-c", HYDRA, lock]
    }

    #[track_caller]
    pub(crate) fn wait_running(&self) {
        let forks = || self.lock.metadata().is_ok_and(|file| file.len() > 0);
        wait_for("it forks", ELECTED_WITHIN, || forks().then_some(()));
        assert!(self.is_alive());
    }

    pub(crate) fn is_alive(&self) -> bool {
        let file = File::options().append(true).open(&self.lock);
        file.expect("we have made it").try_lock().is_err()
    }
}

/// Says something in the output that is shown if the test fails.
#[expect(
    clippy::print_stderr,
    reason = "only `eprintln!` is captured test by test"
)]
fn tell(text: &str) {
    eprintln!("{text}");
}

/// `log`, or the first of `log1`, `log2` … that is not there yet.
fn own_log(dir: &Path) -> Option<PathBuf> {
    let mut names = (0..100).map(|number| match number {
        0 => dir.join("log"),
        _ => dir.join(format!("log{number}")),
    });
    names.find(|log| !log.exists())
}

/// A field of `/proc/<pid>/status`, if the process is there.
pub(crate) fn status(pid: Pid, field: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

/// The living children of a process.
pub(crate) fn children(parent: Pid) -> Vec<Pid> {
    let is_child = |pid: &Pid| {
        let parent_of = status(*pid, "PPid").and_then(|text| text.parse().ok());
        parent_of.map(Pid::from_raw) == Some(parent) && is_alive(*pid)
    };
    everybody().into_iter().filter(is_child).collect()
}

/// Every process there is.
pub(crate) fn everybody() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    let numbers = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.map(Pid::from_raw).collect()
}

/// The durations that follow from a session timeout.
pub(crate) fn timing(session_timeout: Duration) -> Timing {
    let wish = Wish {
        session_timeout: Some(session_timeout),
        ..Wish::default()
    };
    wish.timing()
}
