//! The tree: the child and all it forked. Looks at it, stops it, kills it; proves that nothing is left.
//!
//! The guardian is its subreaper, so whoever loses its parent becomes the guardian's own child (`prctl(2)`). Nothing is
//! left when the guardian has no child but the elector, and the cgroup, where there is one, is empty. The list of its
//! children is exact: only the guardian itself removes from it, by reaping.

use super::cgroup::Cgroup;
use super::posture::hurry;
use super::spawn::{Progress, Spawned};
use crate::core::guard::{ChildExit, Survey};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::stat::Mode;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{Pid, getpgid, getpid};
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Children of one process that a walk follows; of a larger family the rest is reached by the next walk.
const FAMILY: usize = 256;
/// Generations that a walk follows; what is deeper comes up as its parents die.
const DEPTH: usize = 64;

/// The processes of one child.
#[derive(Debug)]
pub struct Tree {
    main: Spawned,
    progress: Progress,
}

/// Processes that are the guardian's children without being of the tree.
#[derive(Clone, Debug, Default)]
pub struct Strangers {
    /// The elector.
    pub elector: Option<Pid>,
    /// An image that is tried before it takes our place.
    pub trial: Option<Pid>,
    /// Children the guardian's process had before it became one.
    pub inherited: Vec<i32>,
}

impl Strangers {
    fn include(&self, pid: i32) -> bool {
        let ours = [self.elector, self.trial];
        ours.contains(&Some(Pid::from_raw(pid))) || self.inherited.contains(&pid)
    }
}

impl Tree {
    /// The tree of a child that was forked.
    #[must_use]
    pub fn new(main: Spawned) -> Tree {
        let progress = Progress::Starting;
        Tree { main, progress }
    }

    /// The tree of a child that an earlier image of this process started.
    ///
    /// # Errors
    /// No more descriptors.
    pub fn inherited(main: Pid) -> nix::Result<Tree> {
        Ok(Tree {
            main: Spawned::started(main)?,
            progress: Progress::Started,
        })
    }

    /// What its main process had become at the last survey.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Ready when there is progress; none if there will be none any more.
    #[must_use]
    pub fn progress_ready(&self) -> Option<BorrowedFd<'_>> {
        (self.progress == Progress::Starting).then(|| self.main.as_fd())
    }

    /// Its main process, which is also its process group.
    #[must_use]
    pub fn main(&self) -> Pid {
        self.main.pid
    }

    /// Looks at what is left, and reaps all but the main process. That is reaped last, when nothing else is left: until
    /// then its number, and so its process group's, cannot be another's.
    #[must_use]
    pub fn survey(&mut self, strangers: &Strangers, cgroup: Option<&Cgroup>) -> Survey {
        let Some(exit) = self.main_exit() else {
            reap_others(Some(self.main.pid), strangers);
            return Survey::MainAlive;
        };
        let has_orphans = reap_others(Some(self.main.pid), strangers) > 0;
        if has_orphans || cgroup.is_some_and(|cgroup| !cgroup.is_empty()) {
            return Survey::OthersAlive(exit);
        }
        _ = waitpid(self.main.pid, None);
        Survey::NothingLeft(exit)
    }

    /// How the main process ended; it stays a zombie.
    fn main_exit(&mut self) -> Option<ChildExit> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        let status = waitid(Id::Pid(self.main.pid), flags);
        // After its status: what has ended makes no progress any more.
        if self.progress == Progress::Starting {
            self.progress = self.main.progress();
        }
        match (status, self.progress) {
            (Ok(WaitStatus::Exited(..)), Progress::Failed(errno)) => {
                Some(ChildExit::NotStarted(errno as i32))
            }
            (Ok(WaitStatus::Exited(_, code)), _) => Some(ChildExit::Code(code)),
            (Ok(WaitStatus::Signaled(_, signal, _)), _) => Some(ChildExit::Signal(signal as i32)),
            (_, _) => None,
        }
    }

    /// Sends the stop signal once to each process: to the process group, and to descendants that left it.
    pub fn stop(&self, signal: Signal, strangers: &Strangers) {
        _ = killpg(self.main.pid, signal);
        self.for_each_descendant(strangers, |pid| {
            if getpgid(Some(pid)) != Ok(self.main.pid) {
                _ = kill(pid, signal);
            }
        });
    }

    /// Sends SIGKILL to all that can be found, then lets it end before others run. What is forked meanwhile is found the
    /// next time.
    pub fn kill(&self, strangers: &Strangers, cgroup: Option<&Cgroup>) {
        if let Some(cgroup) = cgroup {
            cgroup.kill();
        }
        _ = killpg(self.main.pid, Signal::SIGKILL);
        self.for_each_descendant(strangers, |pid| _ = kill(pid, Signal::SIGKILL));
        self.for_each_descendant(strangers, |pid| {
            // Once more: it may have been forked since.
            if kill(pid, Signal::SIGKILL).is_ok() {
                for_each_thread(pid, hurry);
            }
        });
    }

    fn for_each_descendant(&self, strangers: &Strangers, mut act: impl FnMut(Pid)) {
        walk(getpid(), DEPTH, &mut |pid| {
            let is_ours = !strangers.include(pid);
            if is_ours {
                act(Pid::from_raw(pid));
            }
            is_ours
        });
    }
}

/// Reaps adopted processes that have ended; returns how many have not. None is proof only where nobody was reaped: the
/// dead may have left us children after their names were read.
pub fn reap_others(main: Option<Pid>, strangers: &Strangers) -> usize {
    loop {
        let mut alive = 0;
        let mut reaped = 0;
        for_each_child(getpid(), |pid| {
            if main == Some(Pid::from_raw(pid)) || strangers.include(pid) {
                return;
            }
            match waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => alive += 1,
                _ => reaped += 1,
            }
        });
        if alive > 0 || reaped == 0 {
            return alive;
        }
    }
}

/// The children this process has now.
#[must_use]
pub fn children() -> Vec<i32> {
    let mut all = Vec::new();
    for_each_child(getpid(), |pid| all.push(pid));
    all
}

/// Whether this kernel lists a process's children (`CONFIG_PROC_CHILDREN`): without it nothing can be proven.
#[must_use]
pub fn can_list_children() -> bool {
    open_children(getpid().as_raw(), getpid().as_raw()).is_ok()
}

/// Visits descendants, parents first; `visit` says whether to go on below.
fn walk(parent: Pid, depth: usize, visit: &mut dyn FnMut(i32) -> bool) {
    let mut family = [0; FAMILY];
    let mut length = 0;
    for_each_child(parent, |pid| {
        if length < FAMILY {
            family[length] = pid;
            length += 1;
        }
    });
    for &pid in &family[..length] {
        if visit(pid) && depth > 1 {
            walk(Pid::from_raw(pid), depth - 1, visit);
        }
    }
}

/// Calls `act` for the children of every thread of `parent`.
fn for_each_child(parent: Pid, mut act: impl FnMut(i32)) {
    for_each_thread(parent, |thread| {
        if let Ok(file) = open_children(parent.as_raw(), thread) {
            read_numbers(&file, &mut act);
        }
    });
}

/// Calls `act` for each thread; of ourselves there is only one.
fn for_each_thread(process: Pid, mut act: impl FnMut(i32)) {
    if process == getpid() {
        return act(process.as_raw());
    }
    let mut path = [0; 64];
    let Some(path) = print(&mut path, format_args!("/proc/{process}/task\0")) else {
        return;
    };
    let Ok(directory) = open(path, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) else {
        return;
    };
    let mut entries = [0; 2048];
    while let Ok(length @ 1..) = read_directory(&directory, &mut entries) {
        for_each_entry(&entries[..length], &mut act);
    }
}

fn open_children(process: i32, thread: i32) -> nix::Result<OwnedFd> {
    let mut path = [0; 64];
    let path = print(
        &mut path,
        format_args!("/proc/{process}/task/{thread}/children\0"),
    )
    .ok_or(Errno::ENAMETOOLONG)?;
    open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

fn print<'a>(buffer: &'a mut [u8], text: std::fmt::Arguments<'_>) -> Option<&'a std::ffi::CStr> {
    let mut rest = &mut buffer[..];
    rest.write_fmt(text).ok()?;
    std::ffi::CStr::from_bytes_until_nul(buffer).ok()
}

/// Calls `act` for every number in a file, however many reads that takes.
fn read_numbers(file: &OwnedFd, act: &mut dyn FnMut(i32)) {
    let mut text = [0; 4096];
    let mut kept = 0;
    while let Ok(length) = nix::unistd::read(file, &mut text[kept..]) {
        if length == 0 {
            return for_each_number(&text[..kept], act);
        }
        let filled = kept + length;
        let whole = text[..filled]
            .iter()
            .rposition(|byte| byte.is_ascii_whitespace())
            .map_or(0, |at| at + 1);
        for_each_number(&text[..whole], &mut *act);
        text.copy_within(whole..filled, 0);
        kept = filled - whole;
    }
}

/// Calls `act` for every number in `text`.
pub(super) fn for_each_number(text: &[u8], mut act: impl FnMut(i32)) {
    let words = text.split(|byte| byte.is_ascii_whitespace());
    words
        .filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok())
        .for_each(&mut act);
}

/// The next entries of a directory, and their length; 0 at its end.
pub(super) fn read_directory(directory: &OwnedFd, entries: &mut [u8]) -> nix::Result<usize> {
    use std::os::fd::AsRawFd;
    // SAFETY: the kernel writes at most `entries.len()` bytes into `entries`.
    let length = unsafe {
        libc::syscall(
            libc::SYS_getdents64,
            directory.as_raw_fd(),
            entries.as_mut_ptr(),
            entries.len(),
        )
    };
    Errno::result(length).map(|length| usize::try_from(length).unwrap_or(0))
}

/// Calls `act` for every entry whose name is a number (`getdents(2)`: length at 16, name from 19).
pub(super) fn for_each_entry(mut entries: &[u8], act: &mut dyn FnMut(i32)) {
    while let Some(&[low, high]) = entries.get(16..18) {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let Some(entry) = entries.get(..length).filter(|_| length > 19) else {
            return;
        };
        let name = entry[19..]
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default();
        for_each_number(name, &mut *act);
        entries = &entries[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_across_the_ends_of_reads() {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
        let numbers: Vec<i32> = (1_000_000..1_002_000).collect();
        let text: String = numbers.iter().map(|number| format!("{number} ")).collect();
        nix::unistd::write(&writer, text.as_bytes()).unwrap();
        drop(writer);
        let mut read = Vec::new();
        read_numbers(&reader, &mut |number| read.push(number));
        assert_eq!(read, numbers);
    }

    #[test]
    fn the_threads_of_another_process_are_found() {
        let mut threads = Vec::new();
        for_each_thread(nix::unistd::getppid(), |thread| threads.push(thread));
        assert!(
            threads.contains(&nix::unistd::getppid().as_raw()),
            "{threads:?}"
        );
    }
}
