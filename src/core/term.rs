//! A term in the elector's hands: kept by renewals, carried on by resumes, and given back when its tree is dead.
//!
//! ```text
//! Unconfirmed ──OK──> Leased ──renew──> Leased
//!      └───────┬─────────┘
//!          GivingUp ──tree dead, sealed──> Returning ──> over
//! ```

mod answers;

use super::candidacy::Campaign;
use super::election::{Held, MasterZnode, TermId, Token, Transaction};
use super::guard::{Charge, Grant, Order, Report, Shutdown, StopReason, Tree};
use super::lease::Timing;
use super::restart::Backoff;
use super::time::Time;
use std::time::Duration;

/// A term of ours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Term {
    id: TermId,
    generation: u32,
    /// The highest generation that this elector has proposed: a higher one in `T` is another elector's (R5).
    proposed: u32,
    lease: Duration,
    token: Token,
    not_before: Time,
    version: i32,
    /// The session that owns `M`, where it is one of this elector's.
    seat: Option<u32>,
    master: MasterZnode,
    knowledge: Knowledge,
    commit_at: Time,
    starts: u32,
    backoff: Backoff,
    restart: Restart,
    stage: Stage,
}

/// Where the term stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Stage {
    /// `T` says it is ours, but no transaction of this elector has answered OK.
    Unconfirmed {
        /// When the lease ends that an earlier elector got, if it got one.
        end: Option<Time>,
    },
    /// We have a lease (R1).
    Leased {
        /// When it ends.
        end: Time,
    },
    /// The tree is being stopped.
    GivingUp(Loss),
    /// The tree is dead and the term sealed: it is being given back (R7).
    Returning,
    /// Nothing is left to do.
    Over(Ending),
}

/// In which state the term left `T`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Ending {
    /// Released: a standby may start its child at once.
    Released,
    /// Held, or another's: a standby waits out what is left of our lease.
    LeftHeld,
}

/// Why a term ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Loss {
    /// `M` was deleted while its session lived.
    MasterDeleted,
    /// The session that made `M` was ended by the ensemble: it expired, or somebody closed it.
    SessionEnded,
    /// `T` says that another candidate holds the mastership, or says nothing any more.
    Deposed,
    /// The lease ended.
    LeaseLapsed,
    /// The supervisor was asked to stop.
    Shutdown,
}

/// What the version at hand is worth.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Knowledge {
    /// It came with an OK answer or a look.
    Certain,
    /// A transaction got no answer: it may have changed.
    Doubtful,
    /// A transaction was refused on this session: a look on the same session now shows the truth (R8).
    Refuted(u32),
}

/// When a child that ended is started again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Restart {
    /// It runs, or was never started.
    Idle { since: Option<Time> },
    /// At that time.
    Due(Time),
}

/// What a term needs next of the ensemble.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Need {
    /// Nothing before that time.
    Nothing(Time),
    /// A look at the znodes.
    Look,
    /// A transaction.
    Commit(Transaction),
}

/// What a look or an answer made of the term.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// It goes on.
    Ours,
    /// Another elector carries it on: this one must exit (R5).
    Superseded,
}

impl Term {
    /// A term whose campaign has answered OK; without a lease if that answer came too late (R1).
    #[must_use]
    pub fn won(
        now: Time,
        campaign: &Campaign,
        sent: Time,
        version: i32,
        zxid: i64,
        session: u32,
        t: &Timing,
    ) -> Term {
        let mut term = Term::new(
            campaign.id,
            0,
            campaign.held.lease,
            Token(zxid),
            campaign.not_before,
            version,
        );
        term.seat = Some(session);
        term.stage = Stage::Unconfirmed {
            end: Some(term.end_of(sent, t)),
        };
        term.lease_until(now, sent, t);
        term
    }

    /// A term whose campaign got no answer, but a look shows that it was committed: no lease yet (R1).
    #[must_use]
    pub fn settled(
        campaign: &Campaign,
        generation: u32,
        token: Token,
        version: i32,
        seat: Option<u32>,
    ) -> Term {
        let mut term = Term::new(
            campaign.id,
            generation,
            campaign.held.lease,
            token,
            campaign.not_before,
            version,
        );
        term.seat = seat;
        term
    }

    /// A term that the guardian has in its charge, begun by an earlier elector (R9).
    #[must_use]
    pub fn inherited(grant: &Grant) -> Term {
        let mut term = Term::new(
            grant.id,
            grant.generation,
            grant.lease,
            grant.token,
            grant.not_before,
            grant.version,
        );
        term.stage = Stage::Unconfirmed {
            end: Some(grant.end),
        };
        term.starts = grant.starts;
        term.knowledge = Knowledge::Doubtful;
        term
    }

    fn new(
        id: TermId,
        generation: u32,
        lease: Duration,
        token: Token,
        not_before: Time,
        version: i32,
    ) -> Term {
        Term {
            id,
            generation,
            proposed: generation,
            lease,
            token,
            not_before,
            version,
            seat: None,
            master: MasterZnode::Present,
            knowledge: Knowledge::Certain,
            commit_at: Time::default(),
            starts: 1,
            backoff: Backoff::default(),
            restart: Restart::Idle { since: None },
            stage: Stage::Unconfirmed { end: None },
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> TermId {
        self.id
    }

    /// Its fencing token.
    #[must_use]
    pub fn token(&self) -> Token {
        self.token
    }

    /// Its generation.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// When its child may start.
    #[must_use]
    pub fn not_before(&self) -> Time {
        self.not_before
    }

    /// Where it stands.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// When its child, which ended by itself, is started again, and how many starts in a row did not last.
    #[must_use]
    pub fn restart(&self) -> Option<(Time, u32)> {
        match (self.stage, self.restart) {
            (Stage::Unconfirmed { .. } | Stage::Leased { .. }, Restart::Due(at)) => {
                Some((at, self.backoff.failures()))
            }
            (Stage::GivingUp(_) | Stage::Returning | Stage::Over(_), _)
            | (_, Restart::Idle { .. }) => None,
        }
    }

    /// What the guardian must be told.
    #[must_use]
    pub fn order(&self) -> Order {
        match self.stage {
            Stage::Unconfirmed { .. } => Order::Hold,
            Stage::Leased { end } => Order::Lease(Grant {
                id: self.id,
                generation: self.generation,
                token: self.token,
                version: self.version,
                lease: self.lease,
                not_before: self.not_before,
                end,
                starts: self.starts,
            }),
            Stage::GivingUp(_) | Stage::Returning => Order::GiveUp(self.id),
            Stage::Over(_) => Order::Forget(self.id),
        }
    }

    /// What it needs next of the ensemble, on the connected session `session`.
    #[must_use]
    pub fn need(&self, now: Time, session: u32) -> Need {
        match (self.stage, self.knowledge) {
            (Stage::GivingUp(_) | Stage::Over(_), _) => Need::Nothing(Time::NEVER),
            _ if now < self.commit_at => Need::Nothing(self.commit_at),
            (_, Knowledge::Doubtful | Knowledge::Refuted(_)) => Need::Look,
            (Stage::Returning, _) => Need::Commit(self.give_back(now)),
            (Stage::Unconfirmed { .. } | Stage::Leased { .. }, _) if self.seat != Some(session) => {
                Need::Commit(Transaction::Resume(
                    self.master,
                    self.held(self.proposed + 1),
                    self.version,
                ))
            }
            (Stage::Unconfirmed { .. } | Stage::Leased { .. }, _) => {
                Need::Commit(Transaction::Renew(self.held(self.generation), self.version))
            }
        }
    }

    /// When something is due that needs no answer: the end of the lease, or a child's next start.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        let end = match self.stage {
            Stage::Unconfirmed { end } => end.unwrap_or(Time::NEVER),
            Stage::Leased { end } => end,
            Stage::GivingUp(_) | Stage::Returning | Stage::Over(_) => Time::NEVER,
        };
        match self.restart {
            Restart::Due(at) => end.min(at),
            Restart::Idle { .. } => end,
        }
    }

    /// A transaction is on its way: remembers what it proposes, and when the next one is due.
    pub fn note_sent(&mut self, now: Time, transaction: &Transaction, timing: &Timing) {
        self.commit_at = now + timing.renew_interval;
        if let Transaction::Resume(..) = transaction {
            self.proposed += 1;
        }
    }

    /// The next transaction is due at once: `M` changed, say, and a renewal tells what that means.
    pub fn hurry(&mut self, now: Time) {
        self.commit_at = now;
    }

    /// A look got no answer: the next one is not due at once.
    pub fn pause(&mut self, now: Time, timing: &Timing) {
        self.commit_at = now + timing.renew_interval;
    }

    /// The ensemble ended `session`, and with it `M`, if that was the one that made it.
    pub fn note_session_ended(&mut self, session: u32) {
        if self.seat == Some(session) {
            self.master = MasterZnode::Gone;
            self.lose(Loss::SessionEnded);
        }
    }

    /// The time has come to a lease's end, or to a child's next start.
    pub fn note_time(&mut self, now: Time) {
        let has_lapsed = match self.stage {
            Stage::Unconfirmed { end } => end.is_some_and(|end| now >= end),
            Stage::Leased { end } => now >= end,
            Stage::GivingUp(_) | Stage::Returning | Stage::Over(_) => false,
        };
        if has_lapsed {
            self.lose(Loss::LeaseLapsed);
        }
        if let Restart::Due(at) = self.restart
            && now >= at
        {
            self.starts += 1;
            self.restart = Restart::Idle { since: None };
        }
    }

    /// The guardian's report: it may have sealed the term by itself, and it says when the tree is dead.
    pub fn note_report(&mut self, now: Time, report: &Report) {
        if report.shutdown != Shutdown::No {
            self.lose(Loss::Shutdown);
        }
        match report.charge {
            Charge::Open(grant) if grant.id == self.id => self.note_child(now, report),
            Charge::Sealed(grant, reason) if grant.id == self.id => {
                self.lose(loss_of(reason));
                self.note_dead(report.tree);
            }
            Charge::Barred(id) if id == self.id => self.note_dead(report.tree),
            Charge::None | Charge::Open(_) | Charge::Sealed(..) | Charge::Barred(_) => {}
        }
    }

    /// The guardian is dead and nothing of the tree is left: both were proven from outside.
    pub fn note_swept(&mut self) {
        self.lose(Loss::Shutdown);
        self.note_dead(Tree::Empty);
    }

    fn note_dead(&mut self, tree: Tree) {
        match (self.stage, tree) {
            (Stage::GivingUp(Loss::Deposed), Tree::Empty) => {
                self.stage = Stage::Over(Ending::LeftHeld)
            }
            // A standby may be waiting for it: it does not wait for its turn in the renewals.
            (Stage::GivingUp(_), Tree::Empty) => {
                self.stage = Stage::Returning;
                self.commit_at = Time::default();
            }
            (
                _,
                Tree::Empty | Tree::Running { .. } | Tree::Stopping { .. } | Tree::Killing { .. },
            ) => {}
        }
    }

    fn note_child(&mut self, now: Time, report: &Report) {
        match (report.tree, self.restart) {
            (Tree::Running { since }, Restart::Idle { .. }) => {
                self.restart = Restart::Idle { since: Some(since) }
            }
            (Tree::Empty, Restart::Idle { since })
                if report.exit.is_some() && report.started >= self.starts =>
            {
                let lived = since.map_or(Duration::ZERO, |since| now.since(since));
                self.restart = Restart::Due(now + self.backoff.pause_after(lived));
            }
            (
                Tree::Empty | Tree::Running { .. } | Tree::Stopping { .. } | Tree::Killing { .. },
                _,
            ) => {}
        }
    }

    /// Ends the term, unless it is ending already.
    pub fn lose(&mut self, loss: Loss) {
        match self.stage {
            Stage::Unconfirmed { .. } | Stage::Leased { .. } => self.stage = Stage::GivingUp(loss),
            Stage::GivingUp(_) if loss == Loss::Deposed => self.stage = Stage::GivingUp(loss),
            Stage::Returning if loss == Loss::Deposed => self.stage = Stage::Over(Ending::LeftHeld),
            Stage::GivingUp(_) | Stage::Returning | Stage::Over(_) => {}
        }
    }

    fn held(&self, generation: u32) -> Held {
        Held {
            id: Some(self.id),
            generation,
            lease: self.lease,
            token: Some(self.token),
        }
    }

    /// R7: `released` only when every older tree is dead too.
    fn give_back(&self, now: Time) -> Transaction {
        if now >= self.not_before {
            Transaction::Release(self.master, self.version)
        } else {
            Transaction::Withdraw(self.version)
        }
    }
}

fn loss_of(reason: StopReason) -> Loss {
    match reason {
        StopReason::LeaseLapsed => Loss::LeaseLapsed,
        StopReason::Shutdown => Loss::Shutdown,
        StopReason::GivenUp | StopReason::MainExited => Loss::LeaseLapsed,
    }
}

#[cfg(test)]
mod tests;
