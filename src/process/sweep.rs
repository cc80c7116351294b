//! Finds processes by what their environment says of them, kills them, and proves that none is left.
//!
//! Two use it: a supervisor at its start, for what an earlier one left on this host, and an elector whose guardian was
//! killed, for what the kernel did not kill with it. Both may use the heap.

use super::cgroup::{self, Cgroup};
use crate::clock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The fencing token of the term in which the process was started.
pub const TOKEN: &str = "ZK_SUPERVISE_TOKEN";
/// The candidate's name.
pub const NAME: &str = "ZK_SUPERVISE_NAME";
/// The full path of the master znode.
pub const MASTER: &str = "ZK_SUPERVISE_MASTER";
/// Which guardian started it: its number and when it began. Without it, the child of a live supervisor of the same name
/// could not be told from one that was left behind.
pub const GUARDIAN: &str = "ZK_SUPERVISE_GUARDIAN";

/// How long to wait between two looks at processes that were killed.
const PAUSE: Duration = Duration::from_millis(10);

/// A process, for sure: its number alone may become another's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identity {
    /// Its number.
    pub pid: i32,
    /// When it began, in clock ticks since boot (`proc_pid_stat(5)`).
    pub began: u64,
}

impl Identity {
    /// Of the process that has this number now, if there is one that runs: a zombie is dead.
    #[must_use]
    pub fn of(pid: i32) -> Option<Identity> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let state = fields.next()?;
        let began = fields.nth(18)?.parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Identity { pid, began })
    }

    /// Of this process.
    ///
    /// # Panics
    /// Without a `/proc`.
    #[must_use]
    pub fn own() -> Identity {
        Identity::of(nix::unistd::getpid().as_raw()).expect("`/proc` has every process that runs")
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Identity::of(self.pid) == Some(self)
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.pid, self.began)
    }
}

impl std::str::FromStr for Identity {
    type Err = ();

    fn from_str(text: &str) -> Result<Identity, ()> {
        let (pid, began) = text.split_once('.').ok_or(())?;
        Ok(Identity {
            pid: pid.parse().map_err(|_| ())?,
            began: began.parse().map_err(|_| ())?,
        })
    }
}

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

/// What a look found.
#[derive(Clone, Default, Debug)]
pub struct Found {
    /// Marked processes that run.
    pub marked: Vec<Identity>,
    /// Processes that may be marked, but whose environment we may not read.
    pub hidden: Vec<Identity>,
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

    /// Whether a process that began at `began` can be of the tree at all: nothing is older than its guardian.
    fn may_include(&self, began: u64) -> bool {
        match self {
            Mark::StartedBy(identity) => began >= identity.began,
            Mark::LeftBehind { .. } => true,
        }
    }
}

/// The value of a variable in the text of a `/proc/PID/environ`.
fn variable<'a>(environment: &'a [u8], name: &str) -> Option<&'a str> {
    environment.split(|&byte| byte == 0).find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        std::str::from_utf8(value).ok()
    })
}

/// Looks at every process of the host but this one.
#[must_use]
pub fn look(mark: &Mark) -> Found {
    let mut found = Found::default();
    let own = nix::unistd::getpid().as_raw();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        let Some(identity) = Identity::of(pid).filter(|_| pid != own) else {
            continue;
        };
        match fs::read(entry.path().join("environ")) {
            Ok(environment) if mark.matches(&environment) => found.marked.push(identity),
            Ok(_) => {}
            Err(_)
                if mark.may_include(identity.began)
                    && identity.is_alive()
                    && !is_kernel_thread(pid) =>
            {
                found.hidden.push(identity);
            }
            Err(_) => {}
        }
    }
    found
}

/// A kernel thread has no command line, and is `kthreadd` or its child.
fn is_kernel_thread(pid: i32) -> bool {
    let parent = fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| {
            stat.rsplit_once(") ")?
                .1
                .split(' ')
                .nth(1)?
                .parse::<i32>()
                .ok()
        });
    pid == 2 || parent == Some(2)
}

/// Sends SIGKILL to exactly this process.
fn kill_exactly(identity: Identity) {
    // SAFETY: `pidfd_open` takes numbers and returns a new descriptor or -1 (Linux 5.3).
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, identity.pid, 0) };
    let Some(fd) = i32::try_from(fd).ok().filter(|&fd| fd >= 0) else {
        if identity.is_alive() {
            _ = kill(Pid::from_raw(identity.pid), Signal::SIGKILL);
        }
        return;
    };
    // SAFETY: the kernel has just given us this descriptor.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    if identity.is_alive() {
        let nothing = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: a null `siginfo` is allowed (`pidfd_send_signal(2)`).
        unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                fd.as_raw_fd(),
                libc::SIGKILL,
                nothing,
                0,
            )
        };
    }
}

/// Whether a tree is proven dead.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// Nothing is left.
    Dead,
    /// Something is left, or may be.
    Lacking,
}

/// Kills all that the guardian `of` left, until nothing is left or `limit` has passed.
#[must_use]
pub fn sweep(of: Identity, main: Option<i32>, cgroup: Option<&Cgroup>, limit: Duration) -> Proof {
    let end = clock::now() + limit;
    loop {
        let found = sweep_once(of, main, cgroup);
        let is_vouched = match cgroup {
            Some(cgroup) => cgroup.is_empty(),
            None => found.hidden.is_empty(),
        };
        if is_vouched && found.marked.is_empty() && main.is_none_or(|main| !has_group(main)) {
            return Proof::Dead;
        }
        if clock::now() >= end {
            return Proof::Lacking;
        }
        clock::pause(PAUSE);
    }
}

fn sweep_once(of: Identity, main: Option<i32>, cgroup: Option<&Cgroup>) -> Found {
    if let Some(cgroup) = cgroup {
        cgroup.kill();
    }
    if let Some(main) = main {
        _ = nix::sys::signal::killpg(Pid::from_raw(main), Signal::SIGKILL);
    }
    let found = look(&Mark::StartedBy(of));
    found
        .marked
        .iter()
        .for_each(|&identity| kill_exactly(identity));
    found
}

/// Whether the process group `main` has a member that runs.
fn has_group(main: i32) -> bool {
    let has_member =
        nix::sys::signal::killpg(Pid::from_raw(main), None) != Err(nix::errno::Errno::ESRCH);
    has_member
        && members(main)
            .into_iter()
            .any(|identity| identity.is_alive())
}

fn members(group: i32) -> Vec<Identity> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let in_group =
        |pid: &i32| nix::unistd::getpgid(Some(Pid::from_raw(*pid))) == Ok(Pid::from_raw(group));
    pids.filter(in_group).filter_map(Identity::of).collect()
}

/// Kills what dead supervisors of this candidate left on this host, in control groups and out of them. Calls `tell`
/// with what was found, each time there is something, and returns when there is nothing any more.
pub fn clear_host(mark: &Mark, cgroups: Option<&LeftGroups>, mut tell: impl FnMut(&[Identity])) {
    loop {
        let found = look(mark).marked;
        let has_groups = cgroups.is_some_and(LeftGroups::clear);
        if found.is_empty() && !has_groups {
            return;
        }
        tell(&found);
        found.into_iter().for_each(kill_exactly);
        clock::pause(PAUSE);
    }
}

/// Where the control groups of one candidate are made, and what their names begin with.
#[derive(Clone, Debug)]
pub struct LeftGroups {
    parent: PathBuf,
    prefix: String,
}

impl LeftGroups {
    /// Those of the candidate `name` for `master`, where this process may make control groups.
    #[must_use]
    pub fn of(master: &str, name: &str) -> Option<LeftGroups> {
        let hash = fnv(format!("{master}\0{name}").as_bytes());
        Some(LeftGroups {
            parent: cgroup::own_directory()?,
            prefix: format!("zk-supervise.{hash:016x}."),
        })
    }

    /// The control group of the guardian `own`.
    #[must_use]
    pub fn path_for(&self, own: Identity) -> PathBuf {
        self.parent.join(format!("{}{own}", self.prefix))
    }

    /// Kills and removes those of dead guardians; whether any is left.
    fn clear(&self) -> bool {
        let mut is_any_left = false;
        for path in self.of_dead_guardians() {
            is_any_left |= !clear_group(&path);
        }
        is_any_left
    }

    fn of_dead_guardians(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.parent).into_iter().flatten().flatten();
        let is_dead = |name: &str| {
            let guardian = name
                .strip_prefix(&self.prefix)
                .and_then(|rest| rest.parse::<Identity>().ok());
            guardian.is_some_and(|guardian| !guardian.is_alive())
        };
        entries
            .filter(|entry| entry.file_name().to_str().is_some_and(is_dead))
            .map(|entry| entry.path())
            .collect()
    }
}

/// Whether it is gone.
fn clear_group(path: &Path) -> bool {
    let flags = nix::fcntl::OFlag::O_DIRECTORY | nix::fcntl::OFlag::O_CLOEXEC;
    if let Ok(directory) = nix::fcntl::open(path, flags, nix::sys::stat::Mode::empty())
        && let Ok(cgroup) = Cgroup::from_directory(directory)
        && !cgroup.is_empty()
    {
        cgroup.kill();
        return false;
    }
    cgroup::remove(path);
    !path.exists()
}

/// FNV-1a: a short name for a long one; nothing rests on it being hard to guess.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_its_text_and_knows_the_living() {
        let own = Identity::own();
        assert_eq!(own.to_string().parse(), Ok(own));
        assert!(own.is_alive());
        assert!(
            !Identity {
                began: own.began + 1,
                ..own
            }
            .is_alive()
        );
    }

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
}
