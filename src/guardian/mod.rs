//! The main process: parent and subreaper of the child, and the one that enforces the lease.
//!
//! It has one thread, and after its set-up neither heap nor network. It knows nothing of the ensemble: the elector, a
//! process beside the child, tells it of leases, and whatever becomes of the elector, the guardian stops the tree in
//! time. All decisions are [`core::guard`](crate::core::guard)'s; this waits, looks, and carries out.

mod herald;
mod recorded;
mod setup;
mod state;
mod story;
mod succession;

use crate::clock;
use crate::core::guard::{
    Action, Carried, Charge, ElectorExit, Fact, Grant, Guard, Order, Survey, Tree as TreeState,
};
use crate::core::guard::{ChildExit, StopReason};
use crate::core::time::Time;
use crate::process::cgroup::{self, Cgroup};
use crate::process::spawn::{Kind, Program, Progress, Surroundings};
use crate::process::tree::{Strangers, Tree, reap_others};
use crate::process::wire::{Received, Status, Wire};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::signalfd::SignalFd;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{Expiration, TimerFd, TimerSetTimeFlags};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use herald::Herald;
use recorded::Ledger;

use state::Shell;
use succession::{Handed, Succession};

pub use recorded::{Recorded, Unrecorded};
pub use setup::{Inheritance, Refusal, Setup};
pub use state::State;
pub use succession::{TRIAL, descriptor as trial};

/// The descriptors an elector finds.
pub mod descriptor {
    /// Its end of the wire.
    pub const WIRE: i32 = 3;
    /// The configuration in force, to be read from its beginning.
    pub const CONFIG: i32 = 4;
    /// The directory of the tree's control group, where there is one.
    pub const CGROUP: i32 = 5;
}

/// What an elector is called: its first argument.
pub const ELECTOR: &str = "zk-supervise: elector";

/// Everything the guardian's shell holds; made by [`Setup`].
#[derive(Debug)]
pub struct Guardian {
    guard: Guard,
    signals: SignalFd,
    timer: TimerFd,
    child: Program,
    elector: Program,
    config: OwnedFd,
    stop_signal: Signal,
    cgroup: Option<Cgroup>,
    shell: Shell,
    oom_score: Vec<u8>,
    tree: Option<Tree>,
    strangers: Strangers,
    wire: Option<Wire>,
    /// Of an elector that closed its end, until it is reaped: R5. It ends by itself, or is killed for its silence.
    parting: Option<Wire>,
    alarm_at: Time,
    ledger: Option<Ledger>,
    herald: Option<Herald>,
    succession: Succession,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    NotYet,
    Now,
}

impl Guardian {
    /// Guards until the supervisor was asked to stop and everything of it is over.
    pub fn run(mut self) {
        while self.end == End::NotYet {
            // Rule 1: the clock before the socket, so that a message that waited cannot revive a lapsed lease.
            self.step(Fact::Woke);
            self.look_at_processes();
            self.hear_elector();
            self.succeed();
            self.publish();
            self.wait();
            self.hear_signals();
        }
        if self.cgroup.is_some() {
            cgroup::remove(&self.shell.cgroup);
        }
    }

    fn step(&mut self, fact: Fact) {
        let mut next = Some(fact);
        while let Some(fact) = next.take() {
            let before = self.guard.report();
            let actions = self.guard.step(clock::now(), fact);
            // Act, then tell: the log may be on a disk that stalls. The elector hears of it last, for it has its own to say.
            for action in actions.into_iter().filter(|it| *it != Action::Report) {
                next = self.carry_out(action).or(next);
            }
            story::tell(&before, &self.guard.report());
            for report in actions.into_iter().filter(|it| *it == Action::Report) {
                next = self.carry_out(report).or(next);
            }
        }
    }

    /// Does it; returns what came of it, where that is a fact of its own.
    fn carry_out(&mut self, action: Action) -> Option<Fact> {
        match action {
            Action::Spawn(grant) => return self.start_child(&grant),
            Action::Stop(reason) => self.stop_tree(reason),
            Action::Kill => self.kill_tree(),
            Action::StartElector => return self.start_elector(),
            Action::KillElector => self.kill_elector(),
            Action::Report => self.report(),
            Action::Exit => self.end = End::Now,
        }
        None
    }

    fn start_child(&mut self, grant: &Grant) -> Option<Fact> {
        self.child.set_token(grant.token.0);
        let surroundings = Surroundings {
            kind: Kind::Child,
            descriptors: &[],
            deadline: self.guard.kill_at(grant),
            cgroup: self.cgroup.as_ref().map(Cgroup::procs),
            oom_score: Some(&self.oom_score),
        };
        match self.child.spawn(&surroundings) {
            Ok(spawned) => {
                self.tree = Some(Tree::new(spawned));
                self.report();
                None
            }
            Err(errno) => Some(Fact::Surveyed(Survey::NothingLeft(ChildExit::NotStarted(
                errno as i32,
            )))),
        }
    }

    fn stop_tree(&mut self, reason: StopReason) {
        if let Some(tree) = &self.tree {
            tree.stop(self.stop_signal, &self.strangers);
        }
        story::stopping(reason, self.stop_signal);
    }

    fn kill_tree(&mut self) {
        if let Some(tree) = &self.tree {
            tree.kill(&self.strangers, self.cgroup.as_ref());
        }
    }

    /// Rule 6: what does not die, in uninterruptible sleep, delays the release and raises the alarm. What is killed gets a
    /// second to die: to give back gigabytes of memory takes a part of one.
    fn raise_alarm(&mut self) {
        const FIRST_AFTER: Duration = Duration::from_secs(1);
        const AGAIN_AFTER: Duration = Duration::from_secs(10);
        let now = clock::now();
        let is_over = self.guard.lease_end().is_some_and(|end| now >= end);
        match self.guard.report().tree {
            TreeState::Killing { .. } if is_over && now >= self.alarm_at => {
                self.alarm_at = now + AGAIN_AFTER;
                story::outlived(self.tree.as_ref().map(Tree::main));
            }
            // From now on: what we were before, running or stopped ourselves, is no time that it had to die.
            TreeState::Killing { .. } if self.alarm_at == Time::NEVER => {
                self.alarm_at = now + FIRST_AFTER;
            }
            TreeState::Killing { .. } => {}
            TreeState::Empty | TreeState::Running { .. } | TreeState::Stopping { .. } => {
                self.alarm_at = Time::NEVER;
            }
        }
    }

    fn start_elector(&mut self) -> Option<Fact> {
        if self.succession.is_due() && self.carried().is_some() {
            // R5: the next image starts its own.
            return Some(Fact::ElectorExited(ElectorExit::Failed));
        }
        match self.fork_elector() {
            Ok(pid) => {
                story::elector_started(pid);
                None
            }
            Err(errno) => {
                story::elector_not_started(errno);
                Some(Fact::ElectorExited(ElectorExit::Failed))
            }
        }
    }

    fn fork_elector(&mut self) -> nix::Result<Pid> {
        let (wire, theirs) = Wire::pair()?;
        let theirs = crate::process::spawn::lift(&theirs)?;
        let mut descriptors = [
            (theirs.as_raw_fd(), descriptor::WIRE),
            (self.config.as_raw_fd(), descriptor::CONFIG),
            (self.config.as_raw_fd(), descriptor::CONFIG),
        ];
        if let Some(cgroup) = &self.cgroup {
            descriptors[2] = (cgroup.directory().as_raw_fd(), descriptor::CGROUP);
        }
        let surroundings = Surroundings {
            kind: Kind::Elector,
            descriptors: &descriptors,
            deadline: Time::NEVER,
            cgroup: None,
            oom_score: None,
        };
        let spawned = self.elector.spawn(&surroundings)?;
        self.strangers.elector = Some(spawned.pid);
        self.wire = Some(wire);
        Ok(spawned.pid)
    }

    fn kill_elector(&mut self) {
        if let Some(elector) = self.strangers.elector {
            _ = kill(elector, Signal::SIGKILL);
            story::elector_killed(elector);
        }
    }

    fn report(&self) {
        if let Some(wire) = &self.wire {
            let main = self.tree.as_ref().map(|tree| tree.main().as_raw());
            wire.send(&Status {
                report: self.guard.report(),
                main,
            });
        }
    }

    /// Goes on with a reload, and gives way to the next image once that is proven able and nobody else speaks for the term
    /// (R5).
    fn succeed(&mut self) {
        let main = self.tree.as_ref().map(Tree::main);
        let core = self.carried();
        let shell = &self.shell;
        let handed = core.map(|core| Handed { core, shell, main });
        self.succession
            .advance(clock::now(), &self.config, handed.as_ref());
        self.strangers.trial = self.succession.trial();
        if let (Some(why), Some(ledger)) = (self.succession.refusal(), &mut self.ledger) {
            ledger.refuse(why);
        }
        match (handed, self.strangers.elector) {
            (Some(_), Some(elector)) if self.succession.is_due() => {
                _ = kill(elector, Signal::SIGKILL);
            }
            (Some(handed), None) => self.succession.give_way(&handed),
            (Some(_) | None, _) => {}
        }
    }

    /// What may be handed over: nothing while anything is half done, nor when the lease must soon be enforced.
    fn carried(&self) -> Option<Carried> {
        let is_half_done = |tree: &Tree| tree.progress() != Progress::Started;
        if self.tree.as_ref().is_some_and(is_half_done) {
            return None;
        }
        self.guard.unhurried(clock::now())
    }

    /// For whoever comes after us, and for the service manager.
    fn publish(&mut self) {
        let report = self.guard.report();
        if let Some(ledger) = &mut self.ledger {
            ledger.keep(report.charge);
        }
        let since = self.shell.master_since.take().unwrap_or_else(clock::wall);
        if let Charge::Open(_) | Charge::Sealed(..) = report.charge {
            self.shell.master_since = Some(since);
        }
        if let Some(herald) = &mut self.herald {
            let main = self.tree.as_ref().map(Tree::main);
            herald.tell(clock::now(), &report, main, since);
        }
    }

    fn hear_elector(&mut self) {
        loop {
            match self.wire.as_ref().map(Wire::receive::<Order>) {
                Some(Received::Message(order)) => {
                    self.step(Fact::Ordered(order));
                    if let Some(herald) = &mut self.herald {
                        herald.note_elector();
                    }
                }
                Some(Received::Closed) => self.parting = self.wire.take(),
                Some(Received::Nothing) | None => return,
            }
        }
    }

    fn look_at_processes(&mut self) {
        if let Some(elector) = self.strangers.elector {
            self.note_elector(waitpid(elector, Some(WaitPidFlag::WNOHANG)));
        }
        match &mut self.tree {
            Some(tree) => {
                let before = tree.progress();
                let survey = tree.survey(&self.strangers, self.cgroup.as_ref());
                if (before, tree.progress()) == (Progress::Starting, Progress::Started) {
                    story::child_started(tree.main(), &self.guard.report());
                }
                if let Survey::NothingLeft(_) = survey {
                    self.tree = None;
                }
                self.step(Fact::Surveyed(survey));
            }
            // As the first process of a container, we are given orphans that were never ours.
            None => _ = reap_others(None, &self.strangers),
        }
        self.raise_alarm();
    }

    fn note_elector(&mut self, status: nix::Result<WaitStatus>) {
        let exit = match status {
            Ok(WaitStatus::Exited(_, 0)) => ElectorExit::Done,
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => ElectorExit::Failed,
            _ => return,
        };
        if !self.succession.is_due() {
            story::elector_ended(status);
        }
        self.strangers.elector = None;
        self.wire = None;
        self.parting = None;
        self.step(Fact::ElectorExited(exit));
    }

    fn wait(&mut self) {
        let wake = Duration::from_nanos(self.guard.next_wake().as_nanos().max(1));
        let expiration = Expiration::OneShot(TimeSpec::from_duration(wake));
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
        if self.end == End::NotYet && self.timer.set(expiration, flags).is_ok() {
            let wire = self.wire.as_ref().map_or(self.timer.as_fd(), AsFd::as_fd);
            let progress = self.tree.as_ref().and_then(Tree::progress_ready);
            let progress = progress.unwrap_or(self.timer.as_fd());
            let mut ready = [self.signals.as_fd(), self.timer.as_fd(), wire, progress]
                .map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            _ = poll(&mut ready, PollTimeout::NONE);
        }
    }

    fn hear_signals(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            match Signal::try_from(signal.ssi_signo.cast_signed()) {
                Ok(signal @ (Signal::SIGTERM | Signal::SIGINT)) => {
                    story::shutdown_asked(signal);
                    self.step(Fact::Woke);
                    self.step(Fact::ShutdownAsked);
                }
                // SIGPIPE is what a line of ours got from a log that nobody reads: to say so would raise the next. SIGCONT
                // comes of every stop by systemd (`systemd.kill(5)`).
                Ok(Signal::SIGCHLD | Signal::SIGPIPE | Signal::SIGCONT) | Err(_) => {}
                Ok(Signal::SIGHUP) => self.succession.ask(),
                Ok(signal) => story::signal_ignored(signal),
            }
        }
    }
}
