//! A model of the ensemble: one order of all writes, and reads that may lag behind it.

use super::super::election::{
    Founding, MasterSight, MasterZnode, Outcome, Record, Refusal, Sight, Stamp, TermId, TermSight,
    Transaction,
};
use super::random::{Random, nanos};
use std::collections::BTreeMap;

/// The znodes after one write.
#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    pub(super) has_root: bool,
    /// The session that owns `M`.
    pub(super) master: Option<i64>,
    pub(super) term: Option<TermZnode>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct TermZnode {
    pub(super) stamp: Stamp,
    pub(super) modified: i64,
    pub(super) record: Record,
    /// True time of its last write.
    written: u64,
    /// True time by which I0 says that every tree but the holder's own is dead.
    pub(super) others_dead_by: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) timeout: u64,
    pub(super) heard: u64,
    /// The oldest state that a read on it may still show.
    seen: usize,
    pub(super) is_watching: bool,
}

#[derive(Debug)]
pub(super) struct Ensemble {
    pub(super) history: Vec<State>,
    pub(super) sessions: BTreeMap<i64, Session>,
    opened: i64,
    /// A fault: every write is refused as forbidden.
    pub(super) forbids: bool,
}

impl Ensemble {
    pub(super) fn new(has_root: bool) -> Ensemble {
        let empty = State {
            has_root,
            master: None,
            term: None,
        };
        Ensemble {
            history: vec![empty],
            sessions: BTreeMap::new(),
            opened: 0x1000,
            forbids: false,
        }
    }

    pub(super) fn latest(&self) -> State {
        self.history[self.history.len() - 1]
    }

    pub(super) fn open(&mut self, now: u64, timeout: u64) -> i64 {
        self.opened += 1;
        let session = Session {
            timeout,
            heard: now,
            seen: 0,
            is_watching: false,
        };
        self.sessions.insert(self.opened, session);
        self.opened
    }

    /// Ends a session, and its ephemeral with it.
    pub(super) fn end(&mut self, session: i64) {
        if self.sessions.remove(&session).is_some() && self.latest().master == Some(session) {
            self.delete_master();
        }
    }

    pub(super) fn delete_master(&mut self) {
        if self.latest().master.is_none() {
            return;
        }
        let state = State {
            master: None,
            ..self.latest()
        };
        self.write(state);
    }

    pub(super) fn delete_term(&mut self) {
        let state = State {
            term: None,
            ..self.latest()
        };
        self.write(state);
    }

    fn zxid(&self) -> i64 {
        i64::try_from(self.history.len()).unwrap()
    }

    fn write(&mut self, state: State) {
        self.history.push(state);
    }

    /// Applies a transaction of a living session.
    pub(super) fn apply(&mut self, now: u64, session: i64, transaction: &Transaction) -> Outcome {
        let zxid = self.zxid();
        let outcome = if self.forbids {
            Outcome::Refused(Refusal::Forbidden)
        } else {
            match self.after(now, zxid, session, transaction) {
                Ok(state) => {
                    self.write(state);
                    let version = state.term.map_or(0, |term| term.stamp.version);
                    Outcome::Done { version, zxid }
                }
                Err(refusal) => Outcome::Refused(refusal),
            }
        };
        let seen = self.history.len() - 1;
        let entry = self.sessions.get_mut(&session).unwrap();
        entry.seen = seen;
        entry.heard = now;
        outcome
    }

    fn after(&self, now: u64, zxid: i64, own: i64, what: &Transaction) -> Result<State, Refusal> {
        let state = self.latest();
        let set = |record, version| set_term(now, zxid, state.term, record, version);
        match *what {
            Transaction::Found(founding) => self.found(now, zxid, founding),
            Transaction::Campaign(master, held, version)
            | Transaction::Resume(master, held, version) => {
                match (master, state.master) {
                    (MasterZnode::Present, None) => return Err(Refusal::MasterMissing),
                    (MasterZnode::Gone, Some(_)) => return Err(Refusal::MasterExists),
                    (MasterZnode::Present, Some(_)) | (MasterZnode::Gone, None) => {}
                }
                Ok(State {
                    master: Some(own),
                    term: Some(set(Record::Held(held), version)?),
                    ..state
                })
            }
            Transaction::Renew(held, version) => {
                state.master.ok_or(Refusal::MasterMissing)?;
                let term = Some(set(Record::Held(held), version)?);
                Ok(State { term, ..state })
            }
            Transaction::Release(MasterZnode::Gone, version) => {
                let term = Some(set(Record::Released, version)?);
                Ok(State { term, ..state })
            }
            Transaction::Release(MasterZnode::Present, version) => {
                state.master.ok_or(Refusal::MasterMissing)?;
                Ok(State {
                    master: None,
                    term: Some(set(Record::Released, version)?),
                    ..state
                })
            }
            Transaction::Withdraw(version) => {
                set(Record::Released, version)?;
                state.master.ok_or(Refusal::MasterMissing)?;
                Ok(State {
                    master: None,
                    ..state
                })
            }
        }
    }

    fn found(&self, now: u64, zxid: i64, founding: Founding) -> Result<State, Refusal> {
        let state = self.latest();
        let record = match founding {
            Founding::WithRoot if !state.has_root => Record::Virgin,
            Founding::WithLostRoot(lease) if !state.has_root => Record::held_by_nobody(lease),
            Founding::UnderRoot(lease) if state.has_root && state.term.is_none() => {
                Record::held_by_nobody(lease)
            }
            Founding::WithRoot | Founding::WithLostRoot(_) | Founding::UnderRoot(_) => {
                return Err(Refusal::TermMissing);
            }
        };
        let stamp = Stamp {
            created: zxid,
            version: 0,
        };
        Ok(State {
            has_root: true,
            term: Some(TermZnode {
                stamp,
                modified: zxid,
                record,
                written: now,
                others_dead_by: dead_by(now, record),
            }),
            ..state
        })
    }

    /// `T` and `M`, in either order, from a server that lags behind by up to `lag` writes.
    pub(super) fn look(
        &mut self,
        now: u64,
        session: i64,
        lag: usize,
        random: &mut Random,
    ) -> Sight {
        let last = self.history.len() - 1;
        let entry = self.sessions.get_mut(&session).unwrap();
        let oldest = entry.seen.max(last.saturating_sub(lag));
        let mut moment = |from: usize| {
            from + usize::try_from(random.below(u64::try_from(last - from + 1).unwrap())).unwrap()
        };
        let first = moment(oldest);
        let second = moment(first);
        (entry.seen, entry.heard, entry.is_watching) = (second, now, true);
        let (term, master) = if random.percent(50) {
            (first, second)
        } else {
            (second, first)
        };
        sight(&self.history[term], &self.history[master])
    }
}

fn sight(at_term: &State, at_master: &State) -> Sight {
    Sight {
        master: at_master
            .master
            .map_or(MasterSight::Absent, |owner| MasterSight::Ephemeral {
                owner,
            }),
        term: match at_term.term {
            Some(term) => TermSight::Present {
                stamp: term.stamp,
                modified: term.modified,
                record: term.record,
            },
            None if at_term.has_root => TermSight::Missing,
            None => TermSight::RootMissing,
        },
    }
}

fn set_term(
    now: u64,
    zxid: i64,
    term: Option<TermZnode>,
    record: Record,
    version: i32,
) -> Result<TermZnode, Refusal> {
    let term = term.ok_or(Refusal::TermMissing)?;
    if term.stamp.version != version {
        return Err(Refusal::VersionMismatch);
    }
    Ok(TermZnode {
        stamp: Stamp {
            version: version + 1,
            ..term.stamp
        },
        modified: zxid,
        record,
        written: now,
        others_dead_by: match record {
            Record::Virgin | Record::Released => 0,
            Record::Held(_) if id_of(record) == id_of(term.record) => term.others_dead_by,
            Record::Held(_) => term.others_dead_by.max(dead_by(term.written, term.record)),
        },
    })
}

fn id_of(record: Record) -> Option<TermId> {
    match record {
        Record::Virgin | Record::Released => None,
        Record::Held(held) => held.id,
    }
}

/// When a tree is dead by its lease at the latest, on the slowest clock.
pub(super) fn dead_by(written: u64, record: Record) -> u64 {
    match record {
        Record::Virgin | Record::Released => 0,
        Record::Held(held) => written + nanos(held.lease) / 99 * 100,
    }
}
