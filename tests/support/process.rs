//! Child processes of the tests, none of which outlives the test process, and a look at everybody's in `/proc`.

use super::time::{millis, now, pause, secs, try_for};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

type Order = (Command, Sender<io::Result<Child>>);

/// The thread that starts every process. PR_SET_PDEATHSIG fires when the *thread* that forked ends, so a test's own
/// thread would take the shared ensemble with it; this one ends with the test process.
static SPAWNER: LazyLock<Sender<Order>> = LazyLock::new(|| {
    let (orders, inbox) = channel::<Order>();
    std::thread::Builder::new()
        .name("spawner".into())
        .spawn(move || {
            for (mut command, answer) in inbox {
                answer.send(command.spawn()).ok();
            }
        })
        .expect("a thread can be started");
    orders
});

/// A process that a test started; killed and reaped when dropped.
pub(crate) struct Process {
    child: Child,
    what: String,
}

impl Process {
    /// Starts `command`, to be killed with the test process at the latest.
    #[track_caller]
    pub(crate) fn spawn(what: &str, mut command: Command) -> Process {
        let parent = Pid::this();
        // SAFETY: between fork and exec only `prctl` and `getppid` are called, two plain system calls.
        unsafe {
            command.pre_exec(move || {
                prctl::set_pdeathsig(Signal::SIGKILL)?;
                if getppid() == parent {
                    Ok(())
                } else {
                    Err(io::ErrorKind::BrokenPipe.into())
                }
            });
        }
        let (answer, child) = channel();
        SPAWNER
            .send((command, answer))
            .expect("the spawner lives as long as the process");
        let child = child
            .recv()
            .expect("the spawner answers each order")
            .unwrap_or_else(|error| panic!("{what} cannot be started: {error}"));
        Process {
            child,
            what: what.into(),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a pid is an i32"))
    }

    /// How it ended, if it has.
    pub(crate) fn exited(&mut self) -> Option<ExitStatus> {
        self.child
            .try_wait()
            .expect("our own child can be waited for")
    }

    /// Sends a signal, unless the process has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.exited().is_none() {
            kill(self.pid(), signal).expect("our own child can be signalled");
        }
    }

    /// Waits for it to end by itself.
    #[track_caller]
    pub(crate) fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        try_for(limit, || self.exited())
            .unwrap_or_else(|| panic!("{} did not exit within {limit:?}", self.what))
    }

    /// Ends it for good.
    pub(crate) fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a short command to its end and returns what it printed on both outputs, or the same as an error.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("{program} {}: {text}", arguments.join(" ")))
    }
}

/// What `/proc/<pid>/stat` says of a process.
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) parent: Pid,
    pub(crate) session: Pid,
    /// In clock ticks since boot: tells two processes of one pid apart.
    pub(crate) started: u64,
}

pub(crate) fn stat(pid: Pid) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<i32>().ok().map(Pid::from_raw);
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: number(1)?,
        session: number(3)?,
        started: fields.get(19)?.parse().ok()?,
    })
}

/// Whether the process executes: not gone, not a zombie.
pub(crate) fn is_alive(pid: Pid) -> bool {
    stat(pid).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// Whether the process is stopped by a signal.
pub(crate) fn is_stopped(pid: Pid) -> bool {
    stat(pid).is_some_and(|stat| matches!(stat.state, 'T'))
}

/// The command line, its arguments separated by spaces.
pub(crate) fn command_line(pid: Pid) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .replace('\0', " ")
        .trim_end()
        .to_owned()
}

/// What a process was started with, as `NAME=value`.
pub(crate) fn environment(pid: Pid) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .split_terminator('\0')
        .map(str::to_owned)
        .collect()
}

/// The living children of a process, the oldest first.
pub(crate) fn children(parent: Pid) -> Vec<Pid> {
    let mut children: Vec<(u64, Pid)> = everybody()
        .into_iter()
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .filter(|(_, stat)| stat.parent == parent && !matches!(stat.state, 'Z' | 'X'))
        .map(|(pid, stat)| (stat.started, pid))
        .collect();
    children.sort();
    children.into_iter().map(|(_, pid)| pid).collect()
}

/// A process's children, their children, and so on.
pub(crate) fn descendants(ancestor: Pid) -> Vec<Pid> {
    let mut found = children(ancestor);
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(children(pid));
        next += 1;
    }
    found
}

/// Kills every process with `marker` (`NAME=value`) in its environment, until there is none.
pub(crate) fn kill_marked(marker: &str) {
    let deadline = now() + secs(5);
    loop {
        let marked: Vec<Pid> = everybody()
            .into_iter()
            .filter(|&pid| is_alive(pid) && environment(pid).iter().any(|entry| entry == marker))
            .collect();
        if marked.is_empty() || now() > deadline {
            return;
        }
        for pid in marked {
            kill(pid, Signal::SIGKILL).ok();
        }
        pause(millis(5));
    }
}

fn everybody() -> Vec<Pid> {
    let entries = fs::read_dir(Path::new("/proc")).expect("/proc is mounted");
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .collect()
}
