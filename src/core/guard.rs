//! The guardian's half of the decisions: when the child may start, when it must stop, when it must be dead.
//!
//! ```text
//! tree:    Empty ──spawn──> Running ──stop──> Stopping ──kill_at──> Killing ──nothing left──> Empty
//!                              └──main process ended, descendants left──> Stopping
//! charge:  None ──lease──> Open ──seal──> Sealed ──forget──> None
//!           └──give up──> Barred ──forget──> None
//! ```
//!
//! The guardian needs nobody's word to stop: the clock is looked at before every fact (rule 1), and once stopping,
//! nothing moves `kill_at` further away (rule 2). Its rules:
//!
//! 1. The clock before the socket: a lapsed lease is never extended by a message that waited.
//! 2. Once stopping, nothing extends `kill_at`; a lease further away than the longest allowed is refused.
//! 3. The lease is armed before the child is started.
//! 4. Dead means that nothing but the elector is left to wait for, and that the control group is empty. Killing is a loop
//!    until then; the main process is reaped last.
//! 5. Its signals are blocked, not ignored.
//! 6. The term is released only after its tree is dead: what cannot be killed delays that, and raises the alarm.

mod carry;
mod words;

use super::election::TermId;
use super::lease::Timing;
use super::time::Time;
use super::vigil::Vigil;
use std::time::Duration;

pub use words::{
    Action, Actions, Carried, Charge, ChildExit, ElectorExit, Fact, Grant, Order, Report, Shutdown,
    StopReason, Survey, Tree,
};

/// The longest pause before another elector is started.
const LONGEST_ELECTOR_BACKOFF: Duration = Duration::from_secs(2);
/// The first one, after an elector that ended soon after its start.
const FIRST_ELECTOR_BACKOFF: Duration = Duration::from_millis(100);
/// An elector that lived this long did not fail at its start.
const ELECTOR_IS_SOUND_AFTER: Duration = Duration::from_secs(10);
/// Signals that come together are one: `timeout(1)` sends its own to the process, then to its group. A person who means
/// it again takes longer.
const TOGETHER: Duration = Duration::from_millis(100);
/// How often killing is tried again: new processes may have been forked between look and signal.
const KILL_INTERVAL: Duration = Duration::from_millis(20);

/// The guardian's decisions.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Guard {
    timing: Timing,
    charge: Charge,
    confirmation: Confirmation,
    tree: Tree,
    started: u32,
    exit: Option<ChildExit>,
    asked: Asked,
    farewell: Option<Time>,
    elector: Elector,
    failures: u32,
}

/// Whether the elector that runs now has proven that the term is still ours (R6).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Confirmation {
    Awaited,
    Given,
}

/// How often the supervisor was asked to stop.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Asked {
    Never,
    Once { at: Time },
    Again,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Elector {
    Running { since: Time, vigil: Vigil },
    Dying { since: Time },
    Down { until: Time },
}

impl Guard {
    /// A guardian without a term, whose first elector is due at `now`.
    #[must_use]
    pub fn new(now: Time, timing: Timing) -> Guard {
        Guard {
            timing,
            charge: Charge::None,
            confirmation: Confirmation::Awaited,
            tree: Tree::Empty,
            started: 0,
            exit: None,
            asked: Asked::Never,
            farewell: None,
            elector: Elector::Down { until: now },
            failures: 0,
        }
    }

    /// Records `fact`, compares what is with what must be, and says what is to be done.
    #[must_use]
    pub fn step(&mut self, now: Time, fact: Fact) -> Actions {
        let before = self.report();
        let mut actions = Actions::default();
        self.enforce_lease(now, &mut actions);
        self.record(now, fact, &mut actions);
        self.enforce_kill(now, &mut actions);
        self.start_child(now, &mut actions);
        self.mind_elector(now, &mut actions);
        self.leave(now, &mut actions);
        if self.report() != before || matches!(fact, Fact::Ordered(_)) {
            actions.push(Action::Report);
        }
        actions
    }

    /// What the elector is told.
    #[must_use]
    pub fn report(&self) -> Report {
        Report {
            charge: self.charge,
            tree: self.tree,
            started: self.started,
            exit: self.exit,
            shutdown: self.shutdown(),
        }
    }

    fn shutdown(&self) -> Shutdown {
        match self.asked {
            Asked::Never => Shutdown::No,
            Asked::Once { .. } => Shutdown::Graceful,
            Asked::Again => Shutdown::AtOnce,
        }
    }

    /// When to step again if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        [
            self.wake_for_charge(),
            self.wake_for_tree(),
            self.wake_for_elector(),
            self.wake_for_farewell(),
        ]
        .into_iter()
        .min()
        .unwrap_or(Time::NEVER)
    }

    fn wake_for_charge(&self) -> Time {
        let Charge::Open(grant) = self.charge else {
            return Time::NEVER;
        };
        match self.tree {
            Tree::Empty if self.wants_child(&grant) => grant.not_before.min(self.stop_at(&grant)),
            Tree::Empty | Tree::Running { .. } | Tree::Stopping { .. } | Tree::Killing { .. } => {
                self.stop_at(&grant)
            }
        }
    }

    fn wake_for_tree(&self) -> Time {
        match self.tree {
            Tree::Empty | Tree::Running { .. } => Time::NEVER,
            Tree::Stopping { kill_at } => kill_at,
            Tree::Killing { again_at } => again_at,
        }
    }

    fn wake_for_elector(&self) -> Time {
        match self.elector {
            Elector::Running { vigil, .. } => vigil.next_wake(),
            Elector::Dying { .. } => Time::NEVER,
            Elector::Down { until } => until,
        }
    }

    /// A dying elector is waited for, however long it takes.
    fn wake_for_farewell(&self) -> Time {
        match self.elector {
            Elector::Running { .. } | Elector::Down { .. } => self.farewell.unwrap_or(Time::NEVER),
            Elector::Dying { .. } => Time::NEVER,
        }
    }

    /// The last moment for SIGKILL under `grant`.
    #[must_use]
    pub fn kill_at(&self, grant: &Grant) -> Time {
        grant.end - self.timing.kill_margin
    }

    /// When the lease of the term in charge ends.
    #[must_use]
    pub fn lease_end(&self) -> Option<Time> {
        match self.charge {
            Charge::Open(grant) | Charge::Sealed(grant, _) => Some(grant.end),
            Charge::None | Charge::Barred(_) => None,
        }
    }

    /// The moment for the stop signal under `grant`, if no better one comes.
    #[must_use]
    pub fn stop_at(&self, grant: &Grant) -> Time {
        self.kill_at(grant) - self.timing.grace_period
    }

    /// Rule 1: whatever came in, a lapsed lease is lapsed.
    fn enforce_lease(&mut self, now: Time, actions: &mut Actions) {
        if let Charge::Open(grant) = self.charge
            && now >= self.stop_at(&grant)
        {
            self.seal(now, grant, StopReason::LeaseLapsed, actions);
        }
    }

    fn record(&mut self, now: Time, fact: Fact, actions: &mut Actions) {
        match fact {
            Fact::Woke => {}
            Fact::Ordered(order) => self.obey(now, order, actions),
            Fact::Surveyed(survey) => self.note_survey(now, survey, actions),
            Fact::ShutdownAsked => self.shut_down(now, actions),
            Fact::ElectorExited(exit) => self.note_elector_exit(now, exit),
        }
    }

    fn obey(&mut self, now: Time, order: Order, actions: &mut Actions) {
        if let Elector::Running { vigil, .. } = &mut self.elector {
            vigil.hear(now);
        }
        match order {
            Order::Hold => {}
            Order::Lease(grant) => self.accept(now, grant),
            Order::GiveUp(id) => self.give_up(now, id, actions),
            Order::Forget(id) => self.forget(id),
        }
    }

    /// Takes a lease over, or a longer one of the same term; what the term began with stays (R2, R9).
    fn accept(&mut self, now: Time, grant: Grant) {
        // A lease that was granted before a reload may be longer than any is now: it goes on, and nothing extends it.
        let longest = match self.charge {
            Charge::Open(held) => held.end.max(now + self.timing.lease),
            Charge::None | Charge::Sealed(..) | Charge::Barred(_) => now + self.timing.lease,
        };
        let is_credible = grant.end <= longest && now < self.stop_at(&grant);
        match self.charge {
            Charge::None
                if is_credible && self.tree == Tree::Empty && self.asked == Asked::Never =>
            {
                self.charge = Charge::Open(grant);
                self.started = 0;
                self.exit = None;
                self.confirmation = Confirmation::Given;
            }
            Charge::Open(held)
                if is_credible && held.id == grant.id && held.generation <= grant.generation =>
            {
                let end = held.end.max(grant.end);
                let not_before = held.not_before.max(grant.not_before);
                self.charge = Charge::Open(Grant {
                    end,
                    not_before,
                    lease: held.lease,
                    token: held.token,
                    ..grant
                });
                self.confirmation = Confirmation::Given;
            }
            Charge::None | Charge::Open(_) | Charge::Sealed(..) | Charge::Barred(_) => {}
        }
    }

    fn give_up(&mut self, now: Time, id: TermId, actions: &mut Actions) {
        match self.charge {
            Charge::Open(grant) if grant.id == id => {
                self.seal(now, grant, StopReason::GivenUp, actions)
            }
            Charge::None | Charge::Barred(_) => self.charge = Charge::Barred(id),
            Charge::Open(_) | Charge::Sealed(..) => {}
        }
    }

    fn forget(&mut self, id: TermId) {
        let is_over = match self.charge {
            Charge::Sealed(grant, _) => grant.id == id && self.tree == Tree::Empty,
            Charge::Barred(barred) => barred == id,
            Charge::None | Charge::Open(_) => false,
        };
        if is_over {
            self.charge = Charge::None;
        }
    }

    /// R6: no child starts in this term again, and what runs of it is stopped.
    fn seal(&mut self, now: Time, grant: Grant, reason: StopReason, actions: &mut Actions) {
        self.charge = Charge::Sealed(grant, reason);
        self.stop(now, &grant, reason, actions);
    }

    fn stop(&mut self, now: Time, grant: &Grant, reason: StopReason, actions: &mut Actions) {
        if let Tree::Running { .. } = self.tree {
            let kill_at = (now + self.timing.grace_period).min(self.kill_at(grant));
            self.tree = Tree::Stopping { kill_at };
            actions.push(Action::Stop(reason));
        }
    }

    fn note_survey(&mut self, now: Time, survey: Survey, actions: &mut Actions) {
        match (survey, self.tree) {
            (_, Tree::Empty) | (Survey::MainAlive, _) => {}
            (Survey::OthersAlive(exit), Tree::Running { .. }) => {
                self.exit = Some(exit);
                if let Charge::Open(grant) | Charge::Sealed(grant, _) = self.charge {
                    self.stop(now, &grant, StopReason::MainExited, actions);
                }
            }
            (Survey::OthersAlive(exit), Tree::Stopping { .. } | Tree::Killing { .. }) => {
                self.exit = Some(exit)
            }
            (Survey::NothingLeft(exit), _) => {
                self.exit = Some(exit);
                self.tree = Tree::Empty;
            }
        }
    }

    fn shut_down(&mut self, now: Time, actions: &mut Actions) {
        match self.asked {
            Asked::Never => {
                self.asked = Asked::Once { at: now };
                if let Charge::Open(grant) = self.charge {
                    self.seal(now, grant, StopReason::Shutdown, actions);
                }
            }
            Asked::Once { at } if now.since(at) < TOGETHER => {}
            Asked::Once { .. } | Asked::Again => {
                self.asked = Asked::Again;
                if let Tree::Stopping { kill_at } = &mut self.tree {
                    *kill_at = now;
                }
            }
        }
    }

    fn note_elector_exit(&mut self, now: Time, exit: ElectorExit) {
        let lived = match self.elector {
            Elector::Running { since, .. } | Elector::Dying { since } => now.since(since),
            Elector::Down { .. } => return,
        };
        let is_sound =
            lived >= ELECTOR_IS_SOUND_AFTER || (exit == ElectorExit::Done && self.is_leaving());
        self.failures = if is_sound { 0 } else { self.failures + 1 };
        self.elector = Elector::Down {
            until: now + elector_backoff(self.failures),
        };
        self.confirmation = Confirmation::Awaited;
        if exit == ElectorExit::Done && self.is_leaving() {
            self.farewell = Some(now);
        }
    }

    fn enforce_kill(&mut self, now: Time, actions: &mut Actions) {
        let is_due = match self.tree {
            Tree::Empty | Tree::Running { .. } => false,
            Tree::Stopping { kill_at } => now >= kill_at,
            Tree::Killing { again_at } => now >= again_at,
        };
        if is_due {
            self.tree = Tree::Killing {
                again_at: now + KILL_INTERVAL,
            };
            actions.push(Action::Kill);
        }
    }

    fn wants_child(&self, grant: &Grant) -> bool {
        self.tree == Tree::Empty
            && self.confirmation == Confirmation::Given
            && self.started < grant.starts
    }

    /// The lease is armed before the child is spawned (rule 3): `charge` holds it. There is time to stop the child, too:
    /// in this very step one that has lapsed was sealed, and one without that time was not accepted.
    fn start_child(&mut self, now: Time, actions: &mut Actions) {
        if let Charge::Open(grant) = self.charge
            && self.wants_child(&grant)
            && now >= grant.not_before
        {
            self.started += 1;
            self.tree = Tree::Running { since: now };
            actions.push(Action::Spawn(grant));
        }
    }

    fn mind_elector(&mut self, now: Time, actions: &mut Actions) {
        match &mut self.elector {
            Elector::Running { since, vigil } => {
                vigil.wake(now);
                if vigil.is_silent(now) {
                    self.elector = Elector::Dying { since: *since };
                    actions.push(Action::KillElector);
                }
            }
            Elector::Down { until }
                if now >= *until && self.farewell.is_none_or(|end| now < end) =>
            {
                self.elector = Elector::Running {
                    since: now,
                    vigil: Vigil::new(now, self.timing.patience()),
                };
                actions.push(Action::StartElector);
            }
            Elector::Dying { .. } | Elector::Down { .. } => {}
        }
    }

    fn is_leaving(&self) -> bool {
        self.asked != Asked::Never && self.tree == Tree::Empty
    }

    /// After the tree is dead the elector has the time of [`farewell`] to give the term back.
    fn leave(&mut self, now: Time, actions: &mut Actions) {
        if !self.is_leaving() {
            return;
        }
        let end = *self.farewell.get_or_insert(now + farewell(&self.timing));
        if now < end {
            return;
        }
        match self.elector {
            Elector::Running { since, .. } => {
                self.elector = Elector::Dying { since };
                actions.push(Action::KillElector);
            }
            Elector::Dying { .. } => {}
            Elector::Down { .. } => actions.push(Action::Exit),
        }
    }
}

/// How long the release may take once the tree is dead: time for two servers that do not answer and one that does.
/// A term that is not given back costs the others a wait-out, not the promise.
#[must_use]
pub fn farewell(timing: &Timing) -> Duration {
    timing.connect_timeout * 3
}

fn elector_backoff(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        n => FIRST_ELECTOR_BACKOFF
            .saturating_mul(1 << (n - 1).min(10))
            .min(LONGEST_ELECTOR_BACKOFF),
    }
}

#[cfg(test)]
mod tests;
