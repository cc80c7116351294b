//! The elector's half of the decisions: one machine that turns facts into orders for the guardian and requests to the
//! ensemble.
//!
//! ```text
//! Standby ──M absent, or T unchanged for the wait-out──> Campaigning ──committed──> Term ──over──> Standby
//!                                          └──refused, and a look agrees──> Standby
//! ```
//!
//! Every event is a fact. [`Supervisor::step`] records it, then compares what is wanted with what is being done. At
//! most one request is on its way at a time (R4).

mod candidate;
mod sessions;

use super::candidacy::{Block, Campaign, Candidacy};
use super::election::{TermId, Transaction};
use super::facts::{Action, CandidateState, Command, Event, Exit, News, Sweep, Wait};
use super::guard::{Charge, Order, Report, Shutdown, Tree, farewell};
use super::lease::{Misfit, Timing};
use super::link::{Link, State};
use super::term::{Need, Stage, Term};
use super::time::Time;
use super::vigil::Vigil;

/// What is fixed for the life of an elector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Settings {
    /// The durations asked for.
    pub timing: Timing,
    /// A random number of this elector's own.
    pub elector: u64,
    /// How many servers the ensemble has.
    pub servers: u32,
}

/// The elector's decisions.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Supervisor {
    settings: Settings,
    timing: Result<Timing, Misfit>,
    link: Link,
    candidacy: Candidacy,
    role: Role,
    guardian: Guardian,
    vigil: Vigil,
    request: Option<Request>,
    look_at: Time,
    campaigns: u32,
    forgotten: Option<TermId>,
    command: Command,
    block: Option<Block>,
    told: Option<Order>,
    order_at: Time,
    published: Option<(u32, CandidateState)>,
    closing: Option<Time>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Role {
    Standby,
    Campaigning(Campaign, Settle),
    Term(Term),
}

/// R8: how a campaign whose outcome is not known is settled.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Settle {
    /// Sent, or to be sent again with the same id and version.
    Commit,
    /// Refused on this session: a look on the same session shows who won.
    Look(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Guardian {
    Unknown,
    Alive(Report),
    Dead { exit_by: Time },
}

/// The request that is on its way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Request {
    session: u32,
    sent: Time,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum What {
    Look,
    Commit(Transaction),
}

type Actions = Vec<Action>;

impl Supervisor {
    /// An elector that knows nothing yet.
    #[must_use]
    pub fn new(now: Time, settings: Settings) -> Supervisor {
        let timing = settings.timing;
        Supervisor {
            settings,
            timing: Ok(timing),
            link: Link::new(
                now,
                settings.elector,
                timing.connect_timeout,
                settings.servers,
            ),
            candidacy: Candidacy::default(),
            role: Role::Standby,
            guardian: Guardian::Unknown,
            vigil: Vigil::new(now, timing.patience()),
            request: None,
            look_at: now,
            campaigns: 0,
            forgotten: None,
            command: Command::Runnable,
            block: None,
            told: None,
            order_at: now,
            published: None,
            closing: None,
        }
    }

    /// Whether it holds no term: whether the command could be started is of interest only then.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        !matches!(self.role, Role::Term(_))
    }

    /// Records `event`, then says what is to be done.
    #[must_use]
    pub fn step(&mut self, now: Time, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        let stage = self.stage();
        self.record(now, event, &mut actions);
        if let Role::Term(term) = &mut self.role {
            term.note_time(now);
            // Also one that was won after the sweep.
            if let Guardian::Dead { .. } = self.guardian {
                term.note_swept();
            }
        }
        self.end_term(now, stage, &mut actions);
        self.mind_guardian(now, &mut actions);
        self.mind_link(now, &mut actions);
        self.request(now, &mut actions);
        self.order(now, &mut actions);
        self.publish(&mut actions);
        self.leave(now, &mut actions);
        actions
    }

    /// When to step again if nothing happens before.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        let role = match &self.role {
            Role::Term(term) => term.next_wake(),
            Role::Standby | Role::Campaigning(..) => Time::NEVER,
        };
        let guardian = match self.guardian {
            Guardian::Dead { exit_by } => exit_by,
            Guardian::Alive(_) | Guardian::Unknown => {
                let other = self.order_at.min(self.overrun_at());
                self.vigil.next_wake().min(other)
            }
        };
        // Nothing is opened or asked any more.
        if let Some(limit) = self.closing {
            return guardian.min(limit);
        }
        let link = self
            .link
            .overdue_at(self.owes_since())
            .min(self.link.open_at());
        role.min(guardian).min(link).min(self.wake_for_request())
    }

    fn wake_for_request(&self) -> Time {
        match (self.link.state(), &self.role) {
            _ if self.request.is_some() => Time::NEVER,
            (State::Up { session, .. }, Role::Term(term)) => {
                match term.need(Time::default(), session) {
                    Need::Nothing(at) => at,
                    Need::Look | Need::Commit(_) => Time::default(),
                }
            }
            (State::Up { .. }, Role::Standby | Role::Campaigning(..)) => self.look_at,
            (State::Down { .. } | State::Opening { .. } | State::Interrupted { .. }, _) => {
                Time::NEVER
            }
        }
    }

    fn stage(&self) -> Option<Stage> {
        match &self.role {
            Role::Term(term) => Some(term.stage()),
            Role::Standby | Role::Campaigning(..) => None,
        }
    }

    fn record(&mut self, now: Time, event: Event, actions: &mut Actions) {
        match event {
            Event::Woke => {}
            Event::Reported(report) => self.note_report(now, report, actions),
            Event::GuardianDied(sweep) => self.note_guardian_death(now, sweep, actions),
            Event::CommandLooked(command) => self.note_command(command, actions),
            Event::Session(session, event) if self.link.session() == Some(session) => {
                self.note_session(now, session, event, actions);
            }
            Event::Session(..) => {}
        }
    }

    fn note_report(&mut self, now: Time, report: Report, actions: &mut Actions) {
        if let Guardian::Dead { .. } = self.guardian {
            return;
        }
        self.vigil.hear(now);
        self.guardian = Guardian::Alive(report);
        match (&mut self.role, report.charge) {
            (Role::Term(term), _) => {
                let before = term.restart();
                term.note_report(now, &report);
                if let Some((at, starts)) = term.restart()
                    && before.is_none()
                {
                    let news = News::ChildRestarts(Wait(at.since(now)), starts);
                    actions.push(Action::Tell(news));
                }
            }
            (Role::Standby, Charge::Open(grant) | Charge::Sealed(grant, _))
                if self.forgotten != Some(grant.id) =>
            {
                let mut term = Term::inherited(&grant);
                term.note_report(now, &report);
                self.role = Role::Term(term);
            }
            (Role::Standby, Charge::Barred(id)) => self.forgotten = Some(id),
            (Role::Standby | Role::Campaigning(..), _) => {}
        }
    }

    fn note_guardian_death(&mut self, now: Time, sweep: Sweep, actions: &mut Actions) {
        self.guardian = Guardian::Dead {
            exit_by: now + farewell(&self.settings.timing),
        };
        match sweep {
            Sweep::Unproven => actions.push(Action::Exit(Exit::Bereft)),
            Sweep::Clean => {}
        }
    }

    fn note_command(&mut self, command: Command, actions: &mut Actions) {
        if command != self.command && command == Command::Missing {
            actions.push(Action::Tell(News::CommandMissing));
        }
        self.command = command;
    }

    /// Tells what became of the term since `before`, and makes room for the next one.
    fn end_term(&mut self, now: Time, before: Option<Stage>, actions: &mut Actions) {
        let Role::Term(term) = &self.role else { return };
        let (token, stage) = (term.token(), term.stage());
        let had_lease = matches!(
            before,
            Some(Stage::Leased { .. } | Stage::Unconfirmed { .. })
        );
        match stage {
            Stage::Leased { .. }
                if !matches!(before, Some(Stage::Leased { .. })) && term.generation() == 0 =>
            {
                actions.push(Action::Tell(News::Promoted(
                    token,
                    Wait(term.not_before().since(now)),
                )));
            }
            Stage::GivingUp(loss) if had_lease => {
                actions.push(Action::Tell(News::Demoted(token, loss)))
            }
            Stage::Over(ending) => {
                actions.push(Action::Tell(News::Ended(token, ending)));
                self.forgotten = Some(term.id());
                self.role = Role::Standby;
                // Others, who look that often, come first: something was amiss here.
                self.look_at = now + self.timing_in_force().poll_interval;
            }
            Stage::Unconfirmed { .. }
            | Stage::Leased { .. }
            | Stage::GivingUp(_)
            | Stage::Returning => {}
        }
    }

    fn mind_guardian(&mut self, now: Time, actions: &mut Actions) {
        self.vigil.wake(now);
        match self.guardian {
            Guardian::Unknown | Guardian::Alive(_)
                if self.vigil.is_silent(now) || now >= self.overrun_at() =>
            {
                self.vigil.hear(now);
                self.guardian = Guardian::Unknown;
                actions.push(Action::Tell(News::GuardianSilent));
                actions.push(Action::KillGuardian);
            }
            Guardian::Dead { exit_by } if now >= exit_by => {
                actions.push(Action::Exit(Exit::Bereft))
            }
            Guardian::Unknown | Guardian::Alive(_) | Guardian::Dead { .. } => {}
        }
    }

    /// When a guardian that has not been seen killing overruns the lease: our patience may be longer than what is left
    /// of that. It kills a kill margin before the end; half of the margin is ours, to kill it and so the child. A host
    /// that stood still until after the end gives it a moment to do so late.
    fn overrun_at(&self) -> Time {
        let Guardian::Alive(report) = self.guardian else {
            return Time::NEVER;
        };
        let (Charge::Open(grant) | Charge::Sealed(grant, _)) = report.charge else {
            return Time::NEVER;
        };
        let margin = self.settings.timing.kill_margin;
        let limit = if self.vigil.revived() < grant.end {
            grant.end - margin / 2
        } else {
            self.vigil.revived() + margin / 4
        };
        match report.tree {
            Tree::Empty => Time::NEVER,
            Tree::Running { .. } | Tree::Stopping { .. } => limit,
            Tree::Killing { again_at } => limit.max(again_at + margin / 4),
        }
    }

    /// Says how things are: when that has changed, and often enough to be known to be alive.
    fn order(&mut self, now: Time, actions: &mut Actions) {
        let order = match (&self.role, self.forgotten) {
            (Role::Term(term), _) => term.order(),
            // Also to a guardian that has forgotten it: to be told again costs no more than no news.
            (Role::Standby | Role::Campaigning(..), Some(id)) => Order::Forget(id),
            (Role::Standby | Role::Campaigning(..), None) => Order::Hold,
        };
        if self.told != Some(order) || now >= self.order_at {
            self.told = Some(order);
            self.order_at = now + self.settings.timing.patience() / 4;
            actions.push(Action::Order(order));
        }
    }

    fn candidate_state(&self) -> CandidateState {
        match &self.role {
            Role::Standby
                if self.timing.is_err()
                    || self.command == Command::Missing
                    || self.block.is_some() =>
            {
                CandidateState::Unable
            }
            Role::Standby | Role::Campaigning(..) => CandidateState::Standby,
            Role::Term(term) => match (term.stage(), self.guardian) {
                (Stage::GivingUp(_) | Stage::Returning | Stage::Over(_), _) => {
                    CandidateState::Stopping
                }
                (_, Guardian::Alive(report)) if report.started > 0 => CandidateState::Master,
                (Stage::Unconfirmed { .. } | Stage::Leased { .. }, _) => CandidateState::WaitingOut,
            },
        }
    }

    fn publish(&mut self, actions: &mut Actions) {
        let State::Up { session, .. } = self.link.state() else {
            return;
        };
        let state = self.candidate_state();
        if self.published != Some((session, state)) {
            self.published = Some((session, state));
            actions.push(Action::Publish(session, state));
        }
    }

    /// A supervisor that was asked to stop goes when it has no term left; so does an elector without a guardian.
    fn leave(&mut self, now: Time, actions: &mut Actions) {
        let is_asked = match self.guardian {
            Guardian::Unknown => false,
            Guardian::Alive(report) => {
                report.shutdown != Shutdown::No && report.charge == Charge::None
            }
            Guardian::Dead { .. } => true,
        };
        match (&self.role, self.closing) {
            (Role::Standby, None) if is_asked => {
                self.closing = Some(now + self.settings.timing.connect_timeout);
                match self.link.state() {
                    State::Up { session, .. } => actions.push(Action::Close(session)),
                    State::Down { .. } | State::Opening { .. } | State::Interrupted { .. } => {
                        actions.push(Action::Exit(Exit::Done));
                    }
                }
            }
            (_, Some(limit)) if now >= limit => actions.push(Action::Exit(Exit::Done)),
            (Role::Standby | Role::Campaigning(..) | Role::Term(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests;
