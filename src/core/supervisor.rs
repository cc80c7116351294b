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

use super::candidacy::{Block, Campaign, Candidacy, Freshness, Plan};
use super::election::{MasterSight, Outcome, Record, Sight, TermId, TermSight, Token, Transaction};
use super::facts::{Action, CandidateState, Command, Event, Exit, News, SessionEvent, Sweep, Wait};
use super::guard::{Charge, Order, Report, Shutdown, Tree, farewell};
use super::lease::{Misfit, Timing};
use super::link::{Link, State};
use super::term::{Need, Stage, Term, Verdict};
use super::time::Time;
use super::vigil::Vigil;
use std::time::Duration;

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
            Event::Reported(report) => self.note_report(now, report),
            Event::GuardianDied(sweep) => self.note_guardian_death(now, sweep, actions),
            Event::CommandLooked(command) => self.note_command(command, actions),
            Event::Session(session, event) if self.link.session() == Some(session) => {
                self.note_session(now, session, event, actions);
            }
            Event::Session(..) => {}
        }
    }

    fn note_report(&mut self, now: Time, report: Report) {
        if let Guardian::Dead { .. } = self.guardian {
            return;
        }
        self.vigil.hear(now);
        self.guardian = Guardian::Alive(report);
        match (&mut self.role, report.charge) {
            (Role::Term(term), _) => term.note_report(now, &report),
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

    fn note_session(
        &mut self,
        now: Time,
        session: u32,
        event: SessionEvent,
        actions: &mut Actions,
    ) {
        match event {
            SessionEvent::Opened { id, granted } => self.note_opened(now, id, granted, actions),
            SessionEvent::OpenFailed => self.link.note_failed(now),
            SessionEvent::Interrupted => self.link.note_interrupted(now),
            SessionEvent::Restored => {
                self.link.note_restored();
                self.hurry(now);
            }
            SessionEvent::Ended => {
                self.link.give_up(now);
                self.lose_request(now);
                if let Role::Term(term) = &mut self.role {
                    term.note_session_ended(session);
                }
            }
            SessionEvent::Looked(sight) => self.note_sight(now, session, &sight, actions),
            SessionEvent::LookFailed => self.note_look_failed(now),
            SessionEvent::Answered(outcome) => self.note_answer(now, session, outcome, actions),
            SessionEvent::MasterChanged => self.hurry(now),
            SessionEvent::Closed => actions.push(Action::Exit(Exit::Done)),
        }
    }

    fn note_opened(&mut self, now: Time, id: i64, granted: Duration, actions: &mut Actions) {
        self.link.note_opened(id);
        self.hurry(now);
        let wanted = self.settings.timing;
        let fitted = wanted.granted(granted);
        if fitted != self.timing || self.link.is_first() {
            match fitted {
                Ok(timing) if timing.lease < wanted.lease => {
                    actions.push(Action::Tell(News::LeaseShortened(granted, timing.lease)));
                }
                Ok(_) => {}
                Err(misfit) => actions.push(Action::Tell(News::SessionTooShort(granted, misfit))),
            }
        }
        self.timing = fitted;
    }

    /// The library may say so at once, again and again, until it notices that the connection is lost.
    fn note_look_failed(&mut self, now: Time) {
        let timing = self.timing_in_force();
        self.request = None;
        self.look_at = now + timing.poll_interval;
        if let Role::Term(term) = &mut self.role {
            term.pause(now, &timing);
        }
    }

    /// Whatever is next is due now.
    fn hurry(&mut self, now: Time) {
        self.look_at = now;
        if let Role::Term(term) = &mut self.role {
            term.hurry(now);
        }
    }

    /// The durations in force: those that fit the granted session, or else those asked for.
    fn timing_in_force(&self) -> Timing {
        self.timing.unwrap_or(self.settings.timing)
    }

    fn note_sight(&mut self, now: Time, session: u32, sight: &Sight, actions: &mut Actions) {
        self.request = None;
        self.look_at = now + self.timing_in_force().poll_interval;
        let (State::Up { id: own, .. } | State::Interrupted { id: own, .. }) = self.link.state()
        else {
            return;
        };
        let freshness = self.candidacy.note(now, sight);
        match &mut self.role {
            Role::Term(term) => {
                if term.note_sight(session, own, sight) == Verdict::Superseded {
                    actions.push(Action::Exit(Exit::Superseded));
                }
            }
            Role::Campaigning(campaign, settle) => {
                let (campaign, settle) = (*campaign, *settle);
                self.settle(session, own, &campaign, settle, sight);
            }
            Role::Standby => {
                if freshness == Freshness::Fresh {
                    self.consider(now, session, own, sight, actions);
                }
            }
        }
    }

    /// R8: a campaign without an answer is ours if `T` says so; it is not, if a look after a refusal on the same
    /// session, or at a later version, says otherwise.
    fn settle(
        &mut self,
        session: u32,
        own: i64,
        campaign: &Campaign,
        settle: Settle,
        sight: &Sight,
    ) {
        if let TermSight::Present {
            stamp,
            modified,
            record: Record::Held(held),
        } = sight.term
            && held.id == Some(campaign.id)
        {
            let token = held.token.unwrap_or(Token(modified));
            let seat = (sight.master == MasterSight::Ephemeral { owner: own }).then_some(session);
            self.role = Role::Term(Term::settled(
                campaign,
                held.generation,
                token,
                stamp.version,
                seat,
            ));
            return;
        }
        let is_newer =
            matches!(sight.term, TermSight::Present { stamp, .. } if stamp > campaign.over);
        self.role = if is_newer || settle == Settle::Look(session) {
            Role::Standby
        } else {
            Role::Campaigning(*campaign, Settle::Commit)
        };
    }

    /// A standby's turn: it does what its view of the znodes permits.
    fn consider(
        &mut self,
        now: Time,
        session: u32,
        own: i64,
        sight: &Sight,
        actions: &mut Actions,
    ) {
        let timing = self.timing_in_force();
        let id = TermId {
            elector: self.settings.elector,
            number: self.campaigns + 1,
        };
        let plan = self.candidacy.plan(now, sight, &timing, own, id);
        self.note_block(plan, actions);
        match plan {
            Plan::Wait | Plan::Blocked(_) => {}
            Plan::Found(founding) => {
                self.commit(now, session, Transaction::Found(founding), actions)
            }
            Plan::Withdraw(version) => {
                self.commit(now, session, Transaction::Withdraw(version), actions)
            }
            Plan::Campaign(_) if !self.may_campaign() => {}
            Plan::Campaign(campaign) => {
                self.campaigns += 1;
                actions.push(Action::Tell(News::Campaigning(
                    campaign.master,
                    campaign.id,
                )));
                self.role = Role::Campaigning(campaign, Settle::Commit);
                self.look_at = now;
            }
        }
    }

    fn note_block(&mut self, plan: Plan, actions: &mut Actions) {
        let block = match plan {
            Plan::Blocked(block) => Some(block),
            Plan::Wait | Plan::Found(_) | Plan::Campaign(_) | Plan::Withdraw(_) => None,
        };
        if let Some(block) = block
            && self.block != Some(block)
        {
            actions.push(Action::Tell(News::Blocked(block)));
        }
        self.block = block;
    }

    /// Only when nothing of an earlier term is left, here or in the guardian.
    fn may_campaign(&self) -> bool {
        let Guardian::Alive(report) = self.guardian else {
            return false;
        };
        self.timing.is_ok()
            && self.command == Command::Runnable
            && report.charge == Charge::None
            && report.tree == Tree::Empty
            && report.shutdown == Shutdown::No
    }

    fn note_answer(&mut self, now: Time, session: u32, outcome: Outcome, actions: &mut Actions) {
        let Some(Request {
            sent,
            what: What::Commit(transaction),
            ..
        }) = self.request.take()
        else {
            return;
        };
        let timing = self.timing_in_force();
        match &mut self.role {
            Role::Standby => {
                self.look_at = match outcome {
                    Outcome::Done { .. } => now,
                    Outcome::Refused(_) | Outcome::Unknown => now + timing.poll_interval,
                }
            }
            Role::Term(term) => {
                let generation = term.generation();
                term.note_answer(now, sent, session, &transaction, outcome, &timing);
                if term.generation() != generation && matches!(term.stage(), Stage::Leased { .. }) {
                    actions.push(Action::Tell(News::Resumed(term.token(), term.generation())));
                }
            }
            Role::Campaigning(campaign, settle) => match outcome {
                Outcome::Done { version, zxid } => {
                    let term = Term::won(now, campaign, sent, version, zxid, session, &timing);
                    self.role = Role::Term(term);
                }
                Outcome::Refused(_) => {
                    *settle = Settle::Look(session);
                    self.look_at = now;
                }
                Outcome::Unknown => self.look_at = now + timing.poll_interval,
            },
        }
    }

    /// The request on its way will not be answered: it may have happened, or happen yet.
    fn lose_request(&mut self, now: Time) {
        match self.request {
            Some(Request {
                session,
                what: What::Commit(_),
                ..
            }) => {
                self.note_answer(now, session, Outcome::Unknown, &mut Vec::new());
            }
            Some(Request {
                what: What::Look, ..
            })
            | None => self.request = None,
        }
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
                self.look_at = now;
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
    /// of that. It kills a kill margin before the end; half of the margin is ours, to kill it and so the child.
    fn overrun_at(&self) -> Time {
        let Guardian::Alive(report) = self.guardian else {
            return Time::NEVER;
        };
        let (Charge::Open(grant) | Charge::Sealed(grant, _)) = report.charge else {
            return Time::NEVER;
        };
        let margin = self.settings.timing.kill_margin;
        let limit = grant.end - margin / 2;
        match report.tree {
            Tree::Empty => Time::NEVER,
            Tree::Running { .. } | Tree::Stopping { .. } => limit,
            Tree::Killing { again_at } => limit.max(again_at + margin / 4),
        }
    }

    fn owes_since(&self) -> Option<Time> {
        self.request.map(|request| request.sent)
    }

    fn mind_link(&mut self, now: Time, actions: &mut Actions) {
        if let Some(session) = self.link.session()
            && self.link.is_overdue(now, self.owes_since())
        {
            actions.push(Action::Tell(News::SessionReplaced));
            actions.push(Action::Abandon(session));
            self.lose_request(now);
            self.link.replace(now);
        }
        if self.closing.is_none()
            && let Some(session) = self.link.open(now)
        {
            actions.push(Action::Open(session));
        }
    }

    /// Sends the next request, if one is due and none is on its way (R4).
    fn request(&mut self, now: Time, actions: &mut Actions) {
        let State::Up { session, .. } = self.link.state() else {
            return;
        };
        if self.request.is_some() || self.closing.is_some() {
            return;
        }
        match &self.role {
            Role::Term(term) => match term.need(now, session) {
                Need::Nothing(_) => {}
                Need::Look => self.look(now, session, actions),
                Need::Commit(transaction) => self.commit(now, session, transaction, actions),
            },
            Role::Standby | Role::Campaigning(..) if now < self.look_at => {}
            Role::Standby | Role::Campaigning(_, Settle::Look(_)) => {
                self.look(now, session, actions)
            }
            Role::Campaigning(campaign, Settle::Commit) => {
                let transaction =
                    Transaction::Campaign(campaign.master, campaign.held, campaign.over.version);
                self.commit(now, session, transaction, actions);
            }
        }
    }

    fn look(&mut self, now: Time, session: u32, actions: &mut Actions) {
        self.request = Some(Request {
            session,
            sent: now,
            what: What::Look,
        });
        actions.push(Action::Look(session));
    }

    fn commit(&mut self, now: Time, session: u32, transaction: Transaction, actions: &mut Actions) {
        self.request = Some(Request {
            session,
            sent: now,
            what: What::Commit(transaction),
        });
        if let Role::Term(term) = &mut self.role {
            term.note_sent(
                now,
                &transaction,
                &self.timing.unwrap_or(self.settings.timing),
            );
        }
        actions.push(Action::Commit(session, transaction));
    }

    /// Says how things are: when that has changed, and often enough to be known to be alive.
    fn order(&mut self, now: Time, actions: &mut Actions) {
        let order = match (&self.role, self.forgotten) {
            (Role::Term(term), _) => term.order(),
            (Role::Standby | Role::Campaigning(..), Some(id)) if self.is_in_charge(id) => {
                Order::Forget(id)
            }
            (Role::Standby | Role::Campaigning(..), _) => Order::Hold,
        };
        if self.told != Some(order) || now >= self.order_at {
            self.told = Some(order);
            self.order_at = now + self.settings.timing.patience() / 4;
            actions.push(Action::Order(order));
        }
    }

    fn is_in_charge(&self, id: TermId) -> bool {
        let Guardian::Alive(report) = self.guardian else {
            return false;
        };
        match report.charge {
            Charge::None => false,
            Charge::Open(grant) | Charge::Sealed(grant, _) => grant.id == id,
            Charge::Barred(barred) => barred == id,
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
