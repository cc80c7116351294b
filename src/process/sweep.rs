//! Ends what a dead guardian left, and proves that nothing is left.
//!
//! Two use it: a supervisor at its start, for what an earlier one left on this host, and an elector whose guardian was
//! killed, for what the kernel did not kill with it. Both may use the heap.

use super::cgroup::{self, Cgroup};
use super::hunt::{Evidence, Found, Mark, hunt};
use crate::clock;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// What `/proc/PID/stat` says (`proc_pid_stat(5)`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stat {
    pub(super) identity: Identity,
    pub(super) parent: i32,
    /// In bytes; nothing once it has begun to exit, and for a kernel thread.
    pub(super) memory: u64,
    threads: u32,
    is_zombie: bool,
}

impl Stat {
    pub(super) fn of(pid: i32) -> Option<Stat> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The third field and those that follow; the second may contain anything.
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Stat {
            identity: Identity {
                pid,
                began: field(22)?.parse().ok()?,
            },
            parent: field(4)?.parse().ok()?,
            memory: field(23)?.parse().ok()?,
            threads: field(20)?.parse().ok()?,
            is_zombie: matches!(field(3)?, "Z" | "X"),
        })
    }

    /// Where only the first thread has ended, the process is called a zombie too.
    pub(super) fn is_dead(&self) -> bool {
        self.is_zombie && self.threads <= 1
    }
}

impl Identity {
    /// Of the process that has this number now, if there is one that runs: a zombie is dead.
    #[must_use]
    pub fn of(pid: i32) -> Option<Identity> {
        let stat = Stat::of(pid)?;
        (!stat.is_dead()).then_some(stat.identity)
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
    prove(limit, || sweep_once(of, main, cgroup))
}

/// The same long afterwards: by then the number of a process group may be another's, and the control group, if there was
/// one at `cgroup`, may be removed, which only an empty one is.
#[must_use]
pub fn sweep_remains(of: Identity, cgroup: Option<&Path>, limit: Duration) -> Proof {
    prove(limit, || {
        let members = cgroup.map_or(Members::Unknown, Members::of);
        if members == Members::Some {
            return None;
        }
        let found = hunt(&Mark::StartedBy(of)).ok()?;
        let is_vouched = members == Members::None || found.hidden.is_empty();
        (is_vouched && found.marked.is_empty()).then_some(found)
    })
}

/// What is in a control group that may be removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Members {
    None,
    Some,
    /// Nothing is known of it.
    Unknown,
}

impl Members {
    /// Kills those that are there.
    fn of(cgroup: &Path) -> Members {
        match fs::read_to_string(cgroup.join("cgroup.events")) {
            Ok(text) if text.lines().any(|line| line == "populated 0") => Members::None,
            Ok(_) => {
                let _ = clear_group(cgroup);
                Members::Some
            }
            Err(error) if is_gone(&error) && is_seen(cgroup.parent()) => Members::None,
            Err(error) if is_gone(&error) => Members::Unknown,
            Err(_) => Members::Some,
        }
    }
}

/// It is removed, which only an empty one can be; or it was never seen from here, as in another namespace.
fn is_gone(error: &std::io::Error) -> bool {
    let gone = [Errno::ENOENT, Errno::ENODEV].map(|errno| errno as i32);
    error.raw_os_error().is_some_and(|it| gone.contains(&it))
}

fn is_seen(cgroup: Option<&Path>) -> bool {
    cgroup.is_some_and(|path| fs::read(path.join("cgroup.procs")).is_ok())
}

/// Looks until hunts in a row show that nothing is left, or `limit` has passed.
fn prove(limit: Duration, mut look: impl FnMut() -> Option<Found>) -> Proof {
    let end = clock::now() + limit;
    let mut evidence = Evidence::default();
    loop {
        match look() {
            Some(found) if evidence.suffices(&found) => return Proof::Dead,
            Some(_) => {}
            None => evidence = Evidence::default(),
        }
        if clock::now() >= end {
            return Proof::Lacking;
        }
        clock::pause(PAUSE);
    }
}

/// Kills what can be found, and returns what else there is; none if there was something to kill.
fn sweep_once(of: Identity, main: Option<i32>, cgroup: Option<&Cgroup>) -> Option<Found> {
    if let Some(cgroup) = cgroup {
        cgroup.kill();
    }
    if let Some(main) = main {
        _ = nix::sys::signal::killpg(Pid::from_raw(main), Signal::SIGKILL);
    }
    let found = hunt(&Mark::StartedBy(of)).ok()?;
    let is_vouched = match cgroup {
        Some(cgroup) => cgroup.is_empty(),
        None => found.hidden.is_empty(),
    };
    let is_over = is_vouched && found.marked.is_empty() && main.is_none_or(|main| !has_group(main));
    is_over.then_some(found)
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
/// once with the number of each process that is found, and returns when there is nothing any more.
pub fn clear_host(mark: &Mark, cgroups: Option<&LeftGroups>, mut tell: impl FnMut(i32)) {
    let mut told = BTreeSet::new();
    let mut evidence = Evidence::default();
    loop {
        // A `/proc` that cannot be read would show nothing the next time either.
        let mut found = hunt(mark).unwrap_or_default();
        // A stranger that cannot end must not keep us from starting.
        found.dying.retain(|process| told.contains(&process.pid));
        let grouped = cgroups.and_then(LeftGroups::clear);
        if !found.marked.is_empty() || grouped.is_some() {
            evidence = Evidence::default();
        } else if evidence.suffices(&found) {
            return;
        }
        for pid in found.marked.into_iter().chain(grouped.unwrap_or_default()) {
            if told.insert(pid) {
                tell(pid);
            }
        }
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

    /// Kills those of dead guardians, and removes them; returns what was found in them, none if nothing is left.
    fn clear(&self) -> Option<Vec<i32>> {
        let groups = self.of_dead_guardians();
        let left: Vec<Vec<i32>> = groups.iter().filter_map(|path| clear_group(path)).collect();
        (!left.is_empty()).then(|| left.concat())
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

/// What is in it; none if nothing is. An empty one that may not be removed harms nobody.
fn clear_group(path: &Path) -> Option<Vec<i32>> {
    let events = fs::read_to_string(path.join("cgroup.events")).unwrap_or_default();
    if !events.lines().any(|line| line == "populated 1") {
        cgroup::remove(path);
        return None;
    }
    let flags = nix::fcntl::OFlag::O_DIRECTORY | nix::fcntl::OFlag::O_CLOEXEC;
    let directory = nix::fcntl::open(path, flags, nix::sys::stat::Mode::empty());
    if let Ok(cgroup) = directory.and_then(Cgroup::from_directory) {
        cgroup.kill();
    }
    let members = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    Some(members.lines().filter_map(|pid| pid.parse().ok()).collect())
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
    fn a_group_that_is_not_there_is_empty_only_where_it_would_be_seen() {
        let name = format!("zk-supervise.sweep.{}", std::process::id());
        let parent = std::env::temp_dir().join(name);
        fs::create_dir_all(&parent).expect("a temporary directory");
        let group = parent.join("of-the-child");
        assert_eq!(Members::of(&group), Members::Unknown);
        fs::write(parent.join("cgroup.procs"), "").expect("it is ours");
        assert_eq!(Members::of(&group), Members::None);
        fs::create_dir(&group).expect("it is ours");
        fs::write(group.join("cgroup.events"), "populated 0\n").expect("it is ours");
        assert_eq!(Members::of(&group), Members::None);
        fs::write(group.join("cgroup.events"), "populated 1\n").expect("it is ours");
        assert_eq!(Members::of(&group), Members::Some);
        fs::remove_dir_all(parent).expect("it is ours");
    }
}
