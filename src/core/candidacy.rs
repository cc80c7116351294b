//! A standby's view of the znodes, and what it may do about it: R3 (wait-out), R8 (what a read proves), R10 (depose).

use super::election::{
    Founding, Held, MasterSight, MasterZnode, Record, Sight, Stamp, TermId, TermSight,
};
use super::lease::{LONGEST_LEASE, Timing};
use super::time::Time;
use std::time::Duration;

/// What a standby knows of the term record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Candidacy {
    seen: Option<Seen>,
}

/// A state of the term record, and since when we know it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Seen {
    stamp: Stamp,
    /// R3's `u`: the clock after the answer of the read that first showed this very state.
    at: Time,
}

/// A campaign that may be tried.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Campaign {
    /// Whether `M` must be deleted: then it is a depose (R10).
    pub master: MasterZnode,
    /// What is written into `T`.
    pub held: Held,
    /// The term, which `held` names too.
    pub id: TermId,
    /// The state of `T` it goes over.
    pub over: Stamp,
    /// The child may not start before (R3).
    pub not_before: Time,
}

/// What a standby may do next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Plan {
    /// Nothing but look again.
    Wait,
    /// Make the term record.
    Found(Founding),
    /// Campaign.
    Campaign(Campaign),
    /// Delete an `M` that our own session owns and no term of ours claims (R8).
    Withdraw(i32),
    /// Nothing, and somebody should look.
    Blocked(Block),
}

/// Why a candidate can do nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Block {
    /// `M` exists and no session owns it: another program made it.
    PersistentMaster,
    /// `M` exists and there is no `T` beside it: another program made it.
    ForeignMaster,
    /// `T` cannot be read.
    UnreadableRecord,
}

/// Whether a sight told anything.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Freshness {
    /// It is not older than what we know.
    Fresh,
    /// It came from a server that lags behind: it proves nothing (R8).
    Stale,
}

impl Candidacy {
    /// Records a sight whose answer has just come.
    pub fn note(&mut self, now: Time, sight: &Sight) -> Freshness {
        let TermSight::Present { stamp, .. } = sight.term else {
            return Freshness::Fresh;
        };
        match self.seen {
            Some(seen) if stamp < seen.stamp => return Freshness::Stale,
            Some(seen) if stamp == seen.stamp => {}
            Some(_) | None => self.seen = Some(Seen { stamp, at: now }),
        }
        Freshness::Fresh
    }

    /// What may be done about a fresh `sight` by the candidate whose session is `own`; a campaign gets the term `id`.
    #[must_use]
    pub fn plan(&self, now: Time, sight: &Sight, timing: &Timing, own: i64, id: TermId) -> Plan {
        match (sight.term, sight.master) {
            (TermSight::Unreadable, _) => Plan::Blocked(Block::UnreadableRecord),
            (_, MasterSight::Persistent) => Plan::Blocked(Block::PersistentMaster),
            (TermSight::RootMissing, _) => Plan::Found(Founding::WithRoot),
            (TermSight::Missing, MasterSight::Absent) => {
                Plan::Found(Founding::UnderRoot(timing.lease))
            }
            // `T` was deleted while we were master: a new one, then our `M` can be withdrawn.
            (TermSight::Missing, MasterSight::Ephemeral { owner }) if owner == own => {
                Plan::Found(Founding::UnderRoot(timing.lease))
            }
            (TermSight::Missing, MasterSight::Ephemeral { .. }) => {
                Plan::Blocked(Block::ForeignMaster)
            }
            (TermSight::Present { stamp, .. }, MasterSight::Ephemeral { owner })
                if owner == own =>
            {
                Plan::Withdraw(stamp.version)
            }
            (TermSight::Present { stamp, record, .. }, MasterSight::Ephemeral { .. }) => {
                self.depose(now, stamp, record, timing, id)
            }
            (TermSight::Present { stamp, record, .. }, MasterSight::Absent) => {
                Plan::Campaign(self.campaign(now, MasterZnode::Gone, stamp, record, timing, id))
            }
        }
    }

    /// R10: only a record that we saw unchanged for the full wait-out, whatever its session says.
    fn depose(&self, now: Time, stamp: Stamp, record: Record, timing: &Timing, id: TermId) -> Plan {
        let over = lease_of(record).unwrap_or(timing.lease);
        if now < self.waited_out(now, stamp, over, timing) {
            return Plan::Wait;
        }
        Plan::Campaign(self.campaign(now, MasterZnode::Present, stamp, record, timing, id))
    }

    fn campaign(
        &self,
        now: Time,
        master: MasterZnode,
        over: Stamp,
        record: Record,
        timing: &Timing,
        id: TermId,
    ) -> Campaign {
        let earlier = lease_of(record);
        let lease = timing.lease.max(earlier.unwrap_or_default());
        let not_before = earlier.map_or(now, |earlier| self.waited_out(now, over, earlier, timing));
        Campaign {
            master,
            held: Held {
                id: Some(id),
                generation: 0,
                lease,
                token: None,
            },
            id,
            over,
            not_before,
        }
    }

    /// R3: when the wait-out for this state of the record is over.
    fn waited_out(&self, now: Time, stamp: Stamp, lease: Duration, timing: &Timing) -> Time {
        let first_seen = self
            .seen
            .filter(|seen| seen.stamp == stamp)
            .map_or(now, |seen| seen.at);
        first_seen + timing.wait_out(lease)
    }
}

/// The lease that a record stands for; none if it says that every tree is dead.
fn lease_of(record: Record) -> Option<Duration> {
    match record {
        Record::Virgin | Record::Released => None,
        Record::Held(held) => Some(held.lease.min(LONGEST_LEASE)),
    }
}

#[cfg(test)]
mod tests;
