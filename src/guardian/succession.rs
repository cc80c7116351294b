//! Reload and upgrade, which are one move: this process becomes the image that its file holds now, with the configuration
//! as it is now. Its number stays, so its children, and that it adopts theirs (`execve(2)`, `prctl(2)`).
//!
//! ```text
//! Idle ──asked──> Trying ──it can start, and read all that it must──> Due ──no elector──> execve
//!                   └──refused, or too late──> Idle
//! ```
//!
//! Each stage goes on only while nothing is being stopped or given back, so a reload that was asked for waits for that. One
//! that is asked for meanwhile begins anew: the files may have changed once more.
//!
//! The new image is tried as a process of its own first: where that fails, everything stays as it is, and it has said why.

use super::state::{self, Shell};
use super::story;
use crate::core::election::TermId;
use crate::core::guard::Carried;
use crate::core::time::Time;
use crate::process::spawn::{Kind, Program, Surroundings, lift};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::fstat;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::ffi::CStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

/// How long the new image may take to show that it can do it.
const TRIED_WITHIN: Duration = Duration::from_secs(10);

/// How long the elector may take to end once the next image is due.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// The descriptors that an image finds which is tried.
pub mod descriptor {
    /// The configuration in force.
    pub const IN_FORCE: i32 = 3;
    /// Where it writes the one that will be.
    pub const NEXT: i32 = 4;
    /// What it would have to know.
    pub const STATE: i32 = 5;
}

/// What an image is called that is tried: its first argument, before the name of the file.
pub const TRIAL: &str = "zk-supervise: trial";

/// The next image, and how far we are.
#[derive(Debug)]
pub(super) struct Succession {
    /// The image as it is tried.
    trial: Program,
    /// The image as it takes our place.
    next: Program,
    stage: Stage,
    /// Whether a reload waits for its turn.
    asked: Asked,
    /// Why the last one came to nothing, until somebody is told.
    refused: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    No,
    Yes,
}

#[derive(Debug)]
enum Stage {
    Idle,
    Trying {
        pid: Pid,
        until: Time,
        config: OwnedFd,
        term: Option<TermId>,
    },
    Due {
        config: OwnedFd,
        term: Option<TermId>,
        until: Time,
    },
}

impl Succession {
    pub(super) fn new(trial: Program, next: Program) -> Succession {
        Succession {
            trial,
            next,
            stage: Stage::Idle,
            asked: Asked::No,
            refused: None,
        }
    }

    /// The process that is tried.
    pub(super) fn trial(&self) -> Option<Pid> {
        match self.stage {
            Stage::Trying { pid, .. } => Some(pid),
            Stage::Idle | Stage::Due { .. } => None,
        }
    }

    /// A reload is wanted, from what the files hold from now on.
    pub(super) fn ask(&mut self) {
        self.asked = Asked::Yes;
    }

    /// Why a reload came to nothing, if that is news.
    pub(super) fn refusal(&mut self) -> Option<&'static str> {
        self.refused.take()
    }

    fn refuse(&mut self, why: &'static str, reason: &dyn std::fmt::Display) {
        self.refused = Some(why);
        story::reload_refused(why, reason);
    }

    /// Whether this image only waits to give way.
    pub(super) fn is_due(&self) -> bool {
        matches!(self.stage, Stage::Due { .. })
    }

    /// Goes on as far as it can; `handed` is what the next image would have to know, if anything may be handed over now.
    pub(super) fn advance(&mut self, now: Time, in_force: &OwnedFd, handed: Option<&Handed<'_>>) {
        self.look(now);
        match (&self.stage, handed) {
            (Stage::Trying { .. }, _) => {}
            // Something is being stopped; then it is tried anew, with what is known by then.
            (Stage::Due { .. }, None) => {
                self.stage = Stage::Idle;
                self.asked = Asked::Yes;
            }
            (Stage::Due { until, .. }, _) if now >= *until => self.drop_it(),
            (Stage::Idle, Some(handed)) if self.asked == Asked::Yes => {
                self.begin(now, in_force, handed);
            }
            // Asked again meanwhile; or it was tried for another term than there is now.
            (Stage::Due { term, .. }, Some(handed))
                if self.asked == Asked::Yes || *term != handed.term() =>
            {
                self.begin(now, in_force, handed);
            }
            (Stage::Idle | Stage::Due { .. }, _) => {}
        }
    }

    fn drop_it(&mut self) {
        self.stage = Stage::Idle;
        self.asked = Asked::No;
        self.refuse("its time is over", &"the elector does not end");
    }

    fn begin(&mut self, now: Time, in_force: &OwnedFd, handed: &Handed<'_>) {
        self.asked = Asked::No;
        self.stage = Stage::Idle;
        match self.start_trial(in_force, handed) {
            Ok((pid, config)) => {
                self.stage = Stage::Trying {
                    pid,
                    until: now + TRIED_WITHIN,
                    config,
                    term: handed.term(),
                };
            }
            Err(errno) => self.refuse("it cannot be tried", &errno),
        }
    }

    fn start_trial(&self, in_force: &OwnedFd, handed: &Handed<'_>) -> nix::Result<(Pid, OwnedFd)> {
        let config = sheet(c"zk-supervise.toml", b"")?;
        let state = handed.sheet(&config)?;
        let descriptors = [
            (in_force.as_raw_fd(), descriptor::IN_FORCE),
            (config.as_raw_fd(), descriptor::NEXT),
            (state.as_raw_fd(), descriptor::STATE),
        ];
        let spawned = self.trial.spawn(&Surroundings {
            kind: Kind::Elector,
            descriptors: &descriptors,
            deadline: Time::NEVER,
            cgroup: None,
            oom_score: None,
        })?;
        Ok((spawned.pid, config))
    }

    /// Looks what became of the trial.
    fn look(&mut self, now: Time) {
        let Stage::Trying { pid, until, .. } = self.stage else {
            return;
        };
        let reason = match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if now < until => return,
            Ok(WaitStatus::StillAlive) => {
                _ = kill(pid, Signal::SIGKILL);
                return;
            }
            Ok(WaitStatus::Exited(_, 0)) if self.has_answered() => None,
            Ok(WaitStatus::Exited(_, 0)) => Some("the new image is no zk-supervise"),
            Ok(WaitStatus::Exited(_, 127)) => Some("the new image cannot be started"),
            Ok(WaitStatus::Exited(..)) => Some("it was refused, as said before"),
            _ => Some("the new image ended before its time, or did not in time"),
        };
        let stage = std::mem::replace(&mut self.stage, Stage::Idle);
        match (reason, stage) {
            (None, Stage::Trying { config, term, .. }) => {
                self.stage = Stage::Due {
                    config,
                    term,
                    until: now + ENDED_WITHIN,
                };
            }
            (Some(reason), _) => self.refuse(reason, &"everything stays as it is"),
            (None, Stage::Idle | Stage::Due { .. }) => {}
        }
    }

    /// Whether what was tried has written the configuration that will be in force.
    fn has_answered(&self) -> bool {
        match &self.stage {
            Stage::Trying { config, .. } => fstat(config).is_ok_and(|stat| stat.st_size > 0),
            Stage::Idle | Stage::Due { .. } => false,
        }
    }

    /// Becomes the next image, if it is due. Only returns where it is not, or where that failed.
    pub(super) fn give_way(&mut self, handed: &Handed<'_>) {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Due { config, .. } => {
                let errno = self.become_next(&config, handed);
                self.refuse("the new image cannot be started", &errno);
            }
            stage @ (Stage::Idle | Stage::Trying { .. }) => self.stage = stage,
        }
    }

    fn become_next(&mut self, config: &OwnedFd, handed: &Handed<'_>) -> Errno {
        let state = match handed.sheet(config) {
            Ok(state) => state,
            Err(errno) => return errno,
        };
        self.next.set_token(state.as_raw_fd().into());
        story::giving_way();
        for kept in [config, &state] {
            // It goes with exec, or with what follows where that fails: then the child was never there to inherit it.
            if let Err(errno) = fcntl(kept, FcntlArg::F_SETFD(FdFlag::empty())) {
                return errno;
            }
        }
        self.next.become_this()
    }
}

/// What the next image is told.
pub(super) struct Handed<'a> {
    pub(super) core: Carried,
    pub(super) shell: &'a Shell,
    pub(super) main: Option<Pid>,
}

impl Handed<'_> {
    fn term(&self) -> Option<TermId> {
        self.core.grant.map(|grant| grant.id)
    }

    fn sheet(&self, config: &OwnedFd) -> nix::Result<OwnedFd> {
        let main = self.main.map(Pid::as_raw);
        let text = state::text(&self.core, self.shell, main, config.as_raw_fd());
        sheet(c"zk-supervise.state", text.as_bytes())
    }
}

/// A file in memory with this text, above the numbers that a new process is given.
fn sheet(name: &CStr, text: &[u8]) -> nix::Result<OwnedFd> {
    let file = lift(&memfd_create(name, MFdFlags::MFD_CLOEXEC)?)?;
    let mut rest = text;
    while !rest.is_empty() {
        let written = nix::unistd::write(&file, rest)?;
        rest = &rest[written..];
    }
    Ok(file)
}

#[cfg(test)]
mod tests;
