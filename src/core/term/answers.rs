//! What the ensemble's answers, and looks at the znodes, make of a term.

use super::{Ending, Knowledge, Loss, Stage, Term, Verdict};
use crate::core::election::{
    Held, MasterSight, MasterZnode, Outcome, Record, Refusal, Sight, TermSight, Transaction,
};
use crate::core::lease::{Timing, lease_end};
use crate::core::time::Time;

impl Term {
    /// The answer to a transaction sent at `sent` on `session`.
    pub fn note_answer(
        &mut self,
        now: Time,
        sent: Time,
        session: u32,
        transaction: &Transaction,
        outcome: Outcome,
        timing: &Timing,
    ) {
        match outcome {
            Outcome::Unknown => self.knowledge = Knowledge::Doubtful,
            Outcome::Refused(Refusal::Forbidden) => self.knowledge = Knowledge::Doubtful,
            Outcome::Refused(refusal) => {
                self.hurry(now);
                self.note_refusal(session, transaction, refusal);
            }
            Outcome::Done { version, .. } => {
                self.version = version;
                self.knowledge = Knowledge::Certain;
                self.note_done(now, sent, session, transaction, timing);
            }
        }
    }

    pub(super) fn note_done(
        &mut self,
        now: Time,
        sent: Time,
        session: u32,
        transaction: &Transaction,
        timing: &Timing,
    ) {
        match transaction {
            Transaction::Renew(..) => self.lease_until(now, sent, timing),
            Transaction::Resume(_, held, _) => {
                self.generation = held.generation;
                self.seat = Some(session);
                self.master = MasterZnode::Present;
                self.lease_until(now, sent, timing);
            }
            Transaction::Release(..) => self.stage = Stage::Over(Ending::Released),
            Transaction::Withdraw(_) => self.stage = Stage::Over(Ending::LeftHeld),
            Transaction::Campaign(..) | Transaction::Found(_) => {}
        }
    }

    /// R1: a lease counts from the sending, and an answer after the end of the one before revives nothing.
    pub(super) fn lease_until(&mut self, now: Time, sent: Time, timing: &Timing) {
        let next = self.end_of(sent, timing);
        let last = match self.stage {
            Stage::Unconfirmed { end } => end.unwrap_or(next),
            Stage::Leased { end } => end,
            Stage::GivingUp(_) | Stage::Returning | Stage::Over(_) => return,
        };
        if now < last && now < next {
            self.stage = Stage::Leased {
                end: last.max(next),
            };
        }
    }

    /// Our own tree lives by the shorter of the term's lease and our own; `T` names the longer (R2).
    pub(super) fn end_of(&self, sent: Time, timing: &Timing) -> Time {
        lease_end(sent, self.lease.min(timing.lease))
    }

    pub(super) fn note_refusal(
        &mut self,
        session: u32,
        transaction: &Transaction,
        refusal: Refusal,
    ) {
        match (refusal, transaction) {
            (Refusal::MasterMissing, Transaction::Renew(..)) => {
                self.master = MasterZnode::Gone;
                self.lose(Loss::MasterDeleted);
            }
            (Refusal::MasterMissing, Transaction::Withdraw(_)) => {
                self.stage = Stage::Over(Ending::LeftHeld)
            }
            (Refusal::MasterMissing, _) => self.master = MasterZnode::Gone,
            (Refusal::MasterExists, _) => self.master = MasterZnode::Present,
            (Refusal::VersionMismatch, _) => self.knowledge = Knowledge::Refuted(session),
            (Refusal::TermMissing, _) => self.lose(Loss::Deposed),
            (Refusal::Forbidden, _) => self.knowledge = Knowledge::Doubtful,
        }
    }

    /// What a look on `session`, whose id is `own`, says of the term.
    pub fn note_sight(&mut self, session: u32, own: i64, sight: &Sight) -> Verdict {
        let is_definite = self.knowledge == Knowledge::Refuted(session);
        self.knowledge = Knowledge::Certain;
        match sight.term {
            TermSight::Present {
                stamp,
                record: Record::Held(held),
                ..
            } if held.id == Some(self.id) => {
                self.note_own_record(session, own, stamp.version, &held, sight.master)
            }
            TermSight::Present { stamp, .. } => {
                if is_definite || stamp.version > self.version {
                    self.lose(Loss::Deposed);
                }
                Verdict::Ours
            }
            TermSight::RootMissing | TermSight::Missing | TermSight::Unreadable => {
                if is_definite {
                    self.lose(Loss::Deposed);
                }
                Verdict::Ours
            }
        }
    }

    pub(super) fn note_own_record(
        &mut self,
        session: u32,
        own: i64,
        version: i32,
        held: &Held,
        master: MasterSight,
    ) -> Verdict {
        if version < self.version {
            return Verdict::Ours;
        }
        let is_inherited =
            self.proposed == self.generation && matches!(self.stage, Stage::Unconfirmed { .. });
        if held.generation > self.proposed && !is_inherited {
            return Verdict::Superseded;
        }
        self.version = version;
        self.generation = self.generation.max(held.generation);
        self.proposed = self.proposed.max(held.generation);
        self.master = match master {
            MasterSight::Absent => MasterZnode::Gone,
            MasterSight::Ephemeral { .. } | MasterSight::Persistent => MasterZnode::Present,
        };
        // On the session that made `M` only a refused renewal proves that somebody deleted it.
        if self.seat != Some(session) {
            self.seat = (master == MasterSight::Ephemeral { owner: own }).then_some(session);
        }
        Verdict::Ours
    }
}
