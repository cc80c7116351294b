//! The control group (v2) of the tree, where we may make one: it can be killed as a whole and proven empty.
//!
//! Its name carries who made it (`cgroups(7)`; `cgroup.kill` needs Linux 5.14, before it each process is killed).

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

/// An open control group.
#[derive(Debug)]
pub struct Cgroup {
    directory: OwnedFd,
    procs: OwnedFd,
    events: OwnedFd,
    kill: Option<OwnedFd>,
}

/// Where this process may make control groups.
#[must_use]
pub fn own_directory() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let memberships = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let membership = memberships
        .lines()
        .find_map(|line| line.strip_prefix("0::/"))?;
    Some(mount_point(&mounts)?.join(membership))
}

/// The mount point of the v2 hierarchy (`proc_pid_mountinfo(5)`).
fn mount_point(mounts: &str) -> Option<&Path> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let is_cgroup2 = after.split(' ').next() == Some("cgroup2");
        is_cgroup2.then(|| before.split(' ').nth(4).map(Path::new))?
    })
}

impl Cgroup {
    /// Makes the control group `path`.
    ///
    /// # Errors
    /// It may not be made here: no v2 hierarchy, not delegated, read-only.
    pub fn make(path: &Path) -> std::io::Result<Cgroup> {
        std::fs::create_dir(path)?;
        Cgroup::open(path).map_err(|errno| {
            _ = std::fs::remove_dir(path);
            errno.into()
        })
    }

    /// The control group `path`, which is there.
    ///
    /// # Errors
    /// It is not.
    pub fn open(path: &Path) -> nix::Result<Cgroup> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let directory = nix::fcntl::open(path, flags, Mode::empty())?;
        super::spawn::lift(&directory).and_then(Cgroup::from_directory)
    }

    /// The control group whose directory was inherited.
    ///
    /// # Errors
    /// It is none, or gone.
    pub fn from_directory(directory: OwnedFd) -> nix::Result<Cgroup> {
        let open = |name: &str, mode| {
            openat(
                directory.as_fd(),
                name,
                mode | OFlag::O_CLOEXEC,
                Mode::empty(),
            )
        };
        let procs = open("cgroup.procs", OFlag::O_RDWR)?;
        let events = open("cgroup.events", OFlag::O_RDONLY)?;
        let kill = open("cgroup.kill", OFlag::O_WRONLY).ok();
        Ok(Cgroup {
            procs,
            events,
            kill,
            directory,
        })
    }

    /// What a new process writes its number to.
    #[must_use]
    pub fn procs(&self) -> RawFd {
        self.procs.as_raw_fd()
    }

    /// The directory, to be inherited.
    #[must_use]
    pub fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// Whether no process is in it. What cannot be read is not empty; what is gone is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let mut text = [0; 256];
        match nix::sys::uio::pread(self.events.as_fd(), &mut text, 0) {
            Ok(length) => text[..length]
                .split(|&byte| byte == b'\n')
                .any(|line| line == b"populated 0"),
            Err(errno) => errno == Errno::ENODEV,
        }
    }

    /// Sends SIGKILL to every process in it.
    pub fn kill(&self) {
        let is_killed = self
            .kill
            .as_ref()
            .is_some_and(|kill| nix::unistd::write(kill, b"1").is_ok());
        if !is_killed {
            self.for_each(|pid| _ = kill(pid, Signal::SIGKILL));
        }
    }

    /// Calls `act` for the processes directly in it, as many as one read gives; whoever must reach all asks again. One
    /// outside our PID namespace is listed as 0, which to `kill(2)` would be our own process group.
    pub fn for_each(&self, mut act: impl FnMut(Pid)) {
        let mut text = [0; 4096];
        let Ok(length) = nix::sys::uio::pread(self.procs.as_fd(), &mut text, 0) else {
            return;
        };
        let is_cut = length == text.len();
        let whole = if is_cut {
            text.iter().rposition(|&byte| byte == b'\n').unwrap_or(0)
        } else {
            length
        };
        super::tree::for_each_number(&text[..whole], |pid| {
            if pid > 0 {
                act(Pid::from_raw(pid));
            }
        });
    }
}

/// Removes the control group `path` and those below it, if they are empty.
pub fn remove(path: &Path) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    _ = std::fs::remove_dir(path);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_outside_our_namespace_is_not_taken_for_a_process() {
        let path = std::env::temp_dir().join(format!("listed-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("cgroup.procs"), "7\n0\n8\n").unwrap();
        std::fs::write(path.join("cgroup.events"), "").unwrap();
        let mut listed = Vec::new();
        let group = Cgroup::open(&path).unwrap();
        group.for_each(|pid| listed.push(pid.as_raw()));
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(listed, [7, 8]);
    }

    #[test]
    fn the_v2_mount_is_found_beside_the_v1_ones() {
        let mounts = "\
30 20 0:25 / /sys/fs/cgroup/cpu rw shared:8 - cgroup cgroup rw,cpu
31 20 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:9 - cgroup2 cgroup2 rw
";
        assert_eq!(
            mount_point(mounts),
            Some(Path::new("/sys/fs/cgroup/unified"))
        );
        assert_eq!(mount_point("30 20 0:25 / / rw - ext4 /dev/sda rw\n"), None);
    }
}
