//! Uninterruptible sleep, on demand: what is frozen in a control group of version 1 is not even ended by SIGKILL.

use super::scratch::{number, skip};
use nix::unistd::Pid;
use std::fs;
use std::path::PathBuf;

/// A control group that can be frozen. Thawed and deleted when dropped.
pub(crate) struct Freezer(PathBuf);

impl Freezer {
    /// Makes one, or says why the test is skipped: it takes root, and the old hierarchy.
    pub(crate) fn new() -> Option<Freezer> {
        let name = format!("zks{}-{}", std::process::id(), number());
        let group = PathBuf::from("/sys/fs/cgroup/freezer").join(name);
        if let Err(error) = fs::create_dir(&group) {
            skip(&format!("no freezer here: {error}"));
            return None;
        }
        Some(Freezer(group))
    }

    /// Puts a process to sleep.
    #[track_caller]
    pub(crate) fn freeze(&self, process: Pid) {
        self.write("cgroup.procs", &process.to_string());
        self.write("freezer.state", "FROZEN");
    }

    /// Wakes it: what was sent to it arrives now.
    #[track_caller]
    pub(crate) fn thaw(&self) {
        self.write("freezer.state", "THAWED");
    }

    #[track_caller]
    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).expect("the control group is ours");
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        fs::write(self.0.join("freezer.state"), "THAWED").ok();
        // Not while somebody is in it: then an empty group is left, which harms nobody.
        fs::remove_dir(&self.0).ok();
    }
}
