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
    lost: Option<Lost>,
}

/// A state of the term record, and since when we know it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Seen {
    stamp: Stamp,
    /// R3's `u`: the clock after the answer of the read that first showed this very state.
    at: Time,
    /// What it stands for.
    lease: Option<Duration>,
    /// Since when there is no `M` beside it.
    vacant: Option<Time>,
}

/// A term record that was held when it was last seen, and is gone: somebody deleted it. Whatever stands in its place,
/// its holder's tree may be alive for that long.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Lost {
    /// The clock after the answer of the read that first showed that it was gone.
    at: Time,
    lease: Duration,
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
        match sight.term {
            TermSight::Unreadable => Freshness::Fresh,
            TermSight::RootMissing | TermSight::Missing => {
                self.lose(now);
                Freshness::Fresh
            }
            TermSight::Present { stamp, record, .. } => {
                let freshness = self.note_record(now, stamp, record);
                if freshness == Freshness::Fresh {
                    self.note_vacancy(now, sight.master);
                }
                freshness
            }
        }
    }

    fn note_record(&mut self, now: Time, stamp: Stamp, record: Record) -> Freshness {
        match self.seen {
            Some(seen) if stamp < seen.stamp => return Freshness::Stale,
            Some(seen) if stamp == seen.stamp => return Freshness::Fresh,
            Some(seen) if stamp.created != seen.stamp.created => self.lose(now),
            Some(_) | None => {}
        }
        self.seen = Some(Seen {
            stamp,
            at: now,
            lease: lease_of(record),
            vacant: None,
        });
        Freshness::Fresh
    }

    fn note_vacancy(&mut self, now: Time, master: MasterSight) {
        if let Some(seen) = &mut self.seen {
            seen.vacant = match master {
                MasterSight::Absent => seen.vacant.or(Some(now)),
                MasterSight::Ephemeral { .. } | MasterSight::Persistent => None,
            };
        }
    }

    /// The record that we knew is gone.
    fn lose(&mut self, now: Time) {
        if let Some(lease) = self.seen.take().and_then(|seen| seen.lease) {
            let lease = lease.max(self.lost_lease());
            self.lost = Some(Lost { at: now, lease });
        }
    }

    fn lost_lease(&self) -> Duration {
        self.lost.map_or(Duration::ZERO, |lost| lost.lease)
    }

    /// What may be done about a fresh `sight` by the candidate whose session is `own`; a campaign gets the term `id`.
    #[must_use]
    pub fn plan(&self, now: Time, sight: &Sight, timing: &Timing, own: i64, id: TermId) -> Plan {
        match (sight.term, sight.master) {
            (TermSight::Unreadable, _) => Plan::Blocked(Block::UnreadableRecord),
            (_, MasterSight::Persistent) => Plan::Blocked(Block::PersistentMaster),
            (TermSight::RootMissing, _) => Plan::Found(self.found_root(timing)),
            (TermSight::Missing, MasterSight::Absent) => Plan::Found(self.found_record(timing)),
            // `T` was deleted while we were master: a new one, then our `M` can be withdrawn.
            (TermSight::Missing, MasterSight::Ephemeral { owner }) if owner == own => {
                Plan::Found(self.found_record(timing))
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
                self.succeed(now, stamp, record, timing, id)
            }
        }
    }

    /// A master that is well and lost nothing but `M` stops, and releases: who campaigned before that would have to wait
    /// out what it held. One that does not is not well, and then the wait-out goes on from where it began (R3).
    fn succeed(
        &self,
        now: Time,
        stamp: Stamp,
        record: Record,
        timing: &Timing,
        id: TermId,
    ) -> Plan {
        let seen = self.seen.filter(|seen| seen.stamp == stamp);
        let vacant = seen.and_then(|seen| seen.vacant).unwrap_or(now);
        let waits = |lease| now < self.waited_out(now, stamp, lease, timing);
        if lease_of(record).is_some_and(waits) && now < vacant + timing.gives_up_within() {
            return Plan::Wait;
        }
        Plan::Campaign(self.campaign(now, MasterZnode::Gone, stamp, record, timing, id))
    }

    /// A root that we never knew is new; one that went with a record that was held is not.
    fn found_root(&self, timing: &Timing) -> Founding {
        self.lost.map_or(Founding::WithRoot, |lost| {
            Founding::WithLostRoot(timing.lease.max(lost.lease))
        })
    }

    fn found_record(&self, timing: &Timing) -> Founding {
        Founding::UnderRoot(timing.lease.max(self.lost_lease()))
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
        let lease = timing
            .lease
            .max(earlier.unwrap_or_default())
            .max(self.lost_lease());
        let not_before = earlier.map_or(now, |earlier| self.waited_out(now, over, earlier, timing));
        let lost_until = self
            .lost
            .map_or(now, |lost| lost.at + timing.wait_out(lost.lease));
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
            not_before: not_before.max(lost_until),
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
