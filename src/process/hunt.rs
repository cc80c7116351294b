//! Finds processes by what their environment says of them, and kills each as it is found.
//!
//! A process that forks and ends faster than a list of processes is worked off is never on it. So `/proc` is read one
//! entry at a time: numbers are given in ascending order, and whatever a process forked before it was looked at is still
//! ahead. What this misses, the next hunt finds: a process in the middle of `execve(2)`, which has no environment, and
//! one whose number has just wrapped round. So only hunts in a row that find nothing are [`Evidence`].

use super::sweep::{Identity, Stat};
use super::tree::{for_each_entry, read_directory};
use nix::fcntl::{OFlag, open};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, Whence, lseek};
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// The fencing token of the term in which the process was started.
pub const TOKEN: &str = "ZK_SUPERVISE_TOKEN";
/// The candidate's name.
pub const NAME: &str = "ZK_SUPERVISE_NAME";
/// The full path of the master znode.
pub const MASTER: &str = "ZK_SUPERVISE_MASTER";
/// Which guardian started it: its number and when it began. Without it, the child of a live supervisor of the same name
/// could not be told from one that was left behind.
pub const GUARDIAN: &str = "ZK_SUPERVISE_GUARDIAN";

/// How many hunts in a row must find nothing: what one missed does not escape the next by the same chance.
const HUNTS: u32 = 2;

/// What to look for.
#[derive(Clone, Debug)]
pub enum Mark {
    /// What dead supervisors of this candidate left on this host.
    LeftBehind {
        /// The full path of the master znode.
        master: String,
        /// The candidate's name.
        name: String,
    },
    /// Everything that this guardian, now dead, started.
    StartedBy(Identity),
}

/// What a hunt found.
#[derive(Clone, Default, Debug)]
pub struct Found {
    /// Marked processes that ran; SIGKILL was sent to each.
    pub marked: Vec<i32>,
    /// Processes that may be marked, but whose environment we may not read.
    pub hidden: Vec<i32>,
    /// Processes that may have been marked: they execute no more, but may yet hold what they had open.
    pub dying: Vec<Identity>,
}

/// What hunts in a row have shown.
#[derive(Clone, Default, Debug)]
pub struct Evidence {
    hunts: u32,
    dying: Vec<Identity>,
}

impl Evidence {
    /// Whether nothing is left, now that one more hunt has found no marked process. What was dying at the first of them
    /// must have ended since; what began to die later was alive then, and seen not to be marked.
    #[must_use]
    pub fn suffices(&mut self, found: &Found) -> bool {
        if self.hunts == 0 {
            self.dying.clone_from(&found.dying);
        }
        self.hunts += 1;
        self.dying.retain(|process| process.is_alive());
        self.hunts >= HUNTS && self.dying.is_empty()
    }
}

impl Mark {
    fn matches(&self, environment: &[u8]) -> bool {
        let guardian =
            variable(environment, GUARDIAN).and_then(|text| text.parse::<Identity>().ok());
        match self {
            Mark::StartedBy(identity) => guardian == Some(*identity),
            Mark::LeftBehind { master, name } => {
                variable(environment, MASTER) == Some(master)
                    && variable(environment, NAME) == Some(name)
                    && guardian.is_some_and(|guardian| !guardian.is_alive())
            }
        }
    }

    /// Whether a process can be of the tree at all: nothing is older than its guardian.
    fn may_include(&self, process: Identity) -> bool {
        match self {
            Mark::StartedBy(identity) => process.began >= identity.began,
            Mark::LeftBehind { .. } => true,
        }
    }

    /// Whether a process can descend from the guardian: after its death the kernel gave its orphans to the very process
    /// that adopted us, its other child, and will give it theirs (`prctl(2)`, PR_SET_CHILD_SUBREAPER). Whoever has a
    /// living ancestor below that one which is older than the guardian was forked by somebody else.
    fn may_descend(&self, mut stat: Stat) -> bool {
        let Mark::StartedBy(guardian) = self else {
            return true;
        };
        let adopter = nix::unistd::getppid().as_raw();
        while stat.parent != adopter {
            // From outside of our namespace.
            if stat.parent == 0 {
                return false;
            }
            // One that ended between two looks has left its children to another: the next hunt sees them there.
            let Some(parent) = Stat::of(stat.parent) else {
                return true;
            };
            // Not yet handed on when we looked.
            if parent.identity == *guardian {
                return true;
            }
            if parent.identity.began < guardian.began {
                return false;
            }
            stat = parent;
        }
        true
    }
}

/// The value of a variable in the text of a `/proc/PID/environ`.
fn variable<'a>(environment: &'a [u8], name: &str) -> Option<&'a str> {
    environment.split(|&byte| byte == 0).find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value).ok()
    })
}

/// Looks at every process of the host but this one, and kills those that are marked.
///
/// # Errors
/// `/proc` cannot be read: nothing is known.
pub fn hunt(mark: &Mark) -> nix::Result<Found> {
    let mut found = Found::default();
    let own = nix::unistd::getpid().as_raw();
    for_each_process(|pid| {
        // The descriptor first: whatever becomes of the number, the signal goes to the process that is looked at.
        let process = open_process(pid);
        match environment(pid) {
            _ if pid == own => {}
            Ok(environment) if mark.matches(&environment) => {
                end(pid, process.as_ref());
                found.marked.push(pid);
            }
            Ok(environment) if !environment.is_empty() => {}
            unknown => suspect(pid, mark, unknown.is_err(), &mut found),
        }
    })?;
    Ok(found)
}

/// Notes a process whose environment does not tell whose it is. One that has memory but no environment hides.
fn suspect(pid: i32, mark: &Mark, is_refused: bool, found: &mut Found) {
    const KTHREADD: i32 = 2;
    let Some(stat) = Stat::of(pid).filter(|stat| !stat.is_dead()) else {
        return;
    };
    let process = stat.identity;
    if pid == KTHREADD || stat.parent == KTHREADD || !mark.may_include(process) {
        return;
    }
    if stat.memory == 0 {
        found.dying.push(process);
    } else if is_refused && mark.may_descend(stat) {
        found.hidden.push(pid);
    }
}

/// Calls `act` for every process, each as soon as it is read from `/proc`.
fn for_each_process(mut act: impl FnMut(i32)) -> nix::Result<()> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let proc = open("/proc", flags, Mode::empty())?;
    // Room for any one name; of what else it holds nothing is used.
    let mut entries = [0; 288];
    loop {
        let length = read_directory(&proc, &mut entries)?;
        let Some((&next, size)) = entries[..length]
            .get(8..)
            .and_then(<[u8]>::split_first_chunk::<8>)
            .and_then(|(next, rest)| Some((next, rest.first_chunk::<2>()?)))
        else {
            return Ok(());
        };
        let first = usize::from(u16::from_ne_bytes(*size)).min(length);
        for_each_entry(&entries[..first], &mut act);
        lseek(&proc, i64::from_ne_bytes(next), Whence::SeekSet)?;
    }
}

/// The environment of a process; of another thread, where the first has ended before the others.
fn environment(pid: i32) -> std::io::Result<Vec<u8>> {
    let environment = fs::read(format!("/proc/{pid}/environ"));
    if environment.as_ref().is_ok_and(|text| !text.is_empty()) {
        return environment;
    }
    let threads = fs::read_dir(format!("/proc/{pid}/task"));
    let mut others = threads
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|thread| fs::read(thread.path().join("environ")).ok());
    others.find(|text| !text.is_empty()).map_or(environment, Ok)
}

/// None where the process is gone, or the kernel too old.
fn open_process(pid: i32) -> Option<OwnedFd> {
    // SAFETY: `pidfd_open` takes numbers and returns a new descriptor or -1 (Linux 5.3).
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(fd).ok().filter(|&fd| fd >= 0)?;
    // SAFETY: the kernel has just given us this descriptor.
    Some(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sends SIGKILL.
fn end(pid: i32, process: Option<&OwnedFd>) {
    let Some(process) = process else {
        _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        return;
    };
    let nothing = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null `siginfo` is allowed (`pidfd_send_signal(2)`).
    unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            libc::SIGKILL,
            nothing,
            0,
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_matches_the_dead_guardian_only() {
        let own = Identity::own();
        let dead = Identity {
            began: own.began + 1,
            ..own
        };
        let mark = Mark::LeftBehind {
            master: "/ha/m".into(),
            name: "a".into(),
        };
        let environment = |master: &str, name: &str, guardian: Identity| {
            format!("X=1\0{MASTER}={master}\0{NAME}={name}\0{GUARDIAN}={guardian}\0").into_bytes()
        };
        assert!(mark.matches(&environment("/ha/m", "a", dead)));
        assert!(
            !mark.matches(&environment("/ha/m", "a", own)),
            "its guardian lives"
        );
        assert!(
            !mark.matches(&environment("/ha/m", "b", dead)),
            "another candidate"
        );
        assert!(
            !mark.matches(&environment("/ha/n", "a", dead)),
            "another election"
        );
        assert!(
            !mark.matches(b"ZK_SUPERVISE_MASTER=/ha/m\0"),
            "no supervisor's child"
        );
    }

    #[test]
    fn every_process_is_visited_in_the_order_of_its_number() {
        let mut visited = Vec::new();
        for_each_process(|pid| visited.push(pid)).unwrap();
        assert!(visited.is_sorted());
        for pid in [std::process::id(), std::os::unix::process::parent_id(), 1] {
            assert!(visited.contains(&pid.cast_signed()), "{pid}");
        }
    }
}
