//! The ensemble: one order of all writes, the sessions that are alive, and servers that lag behind.

use std::collections::VecDeque;
use zk_supervise::core::election::{
    Founding, Held, MasterSight, MasterZnode, Outcome, Record, Refusal, Sight, Stamp, TermSight,
    Transaction,
};

/// The znodes after one write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Znodes {
    /// The zxid of that write.
    zxid: i64,
    /// The session that owns `M`.
    pub(crate) master: Option<i64>,
    /// `T`; the root is made together with it.
    pub(crate) term: Option<TermZnode>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct TermZnode {
    pub(crate) stamp: Stamp,
    modified: i64,
    pub(crate) record: Record,
}

/// A session that is alive.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Session {
    id: i64,
    /// The last zxid that it has seen: no server shows it less.
    seen: i64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Ensemble {
    /// What servers may show: the latest state last, and as many before as they may lag behind.
    history: VecDeque<Znodes>,
    lag: usize,
    sessions: Vec<Session>,
    opened: i64,
}

impl Ensemble {
    pub(crate) fn new(lag: usize) -> Ensemble {
        let empty = Znodes {
            zxid: 0,
            master: None,
            term: None,
        };
        Ensemble {
            history: [empty].into(),
            lag,
            sessions: Vec::new(),
            opened: 0,
        }
    }

    pub(crate) fn latest(&self) -> Znodes {
        self.history[self.history.len() - 1]
    }

    /// Nobody lags behind any more: what is past cannot be seen again.
    pub(crate) fn catch_up(&mut self) {
        self.lag = 0;
        self.trim();
    }

    pub(crate) fn open(&mut self) -> i64 {
        self.opened += 1;
        let id = self.opened;
        self.sessions.push(Session { id, seen: 0 });
        id
    }

    pub(crate) fn is_alive(&self, session: i64) -> bool {
        self.sessions.iter().any(|it| it.id == session)
    }

    /// Whether a transaction can still be committed: versions only grow.
    pub(crate) fn may_commit(&self, transaction: &Transaction) -> bool {
        let version = match *transaction {
            Transaction::Found(_) => return true,
            Transaction::Campaign(_, _, version)
            | Transaction::Renew(_, version)
            | Transaction::Resume(_, _, version)
            | Transaction::Release(_, version)
            | Transaction::Withdraw(version) => version,
        };
        self.latest()
            .term
            .is_none_or(|term| term.stamp.version <= version)
    }

    /// Ends a session, and `M` with it if that is its own.
    pub(crate) fn end(&mut self, session: i64) {
        self.sessions.retain(|it| it.id != session);
        if self.latest().master == Some(session) {
            self.delete_master();
        }
    }

    /// Forgets sessions that nobody uses: they have no ephemeral.
    pub(crate) fn forget_all_but(&mut self, is_used: impl Fn(i64) -> bool) {
        let owner = self.latest().master;
        self.sessions
            .retain(|it| owner == Some(it.id) || is_used(it.id));
    }

    pub(crate) fn delete_master(&mut self) {
        let latest = self.latest();
        self.write(Znodes {
            master: None,
            ..latest
        });
    }

    fn write(&mut self, znodes: Znodes) {
        let zxid = self.latest().zxid + 1;
        self.history.push_back(Znodes { zxid, ..znodes });
        self.trim();
    }

    fn trim(&mut self) {
        while self.history.len() > self.lag + 1 {
            self.history.pop_front();
        }
        // What every server shows need not be remembered.
        let oldest = self.history[0].zxid;
        for session in &mut self.sessions {
            session.seen = if session.seen <= oldest {
                0
            } else {
                session.seen
            };
        }
    }

    fn note_seen(&mut self, id: i64, zxid: i64) {
        for session in self.sessions.iter_mut().filter(|it| it.id == id) {
            session.seen = session.seen.max(zxid);
        }
        self.trim();
    }

    /// A transaction of a living session.
    pub(crate) fn apply(&mut self, session: i64, transaction: &Transaction) -> Outcome {
        let outcome = match self.after(session, transaction) {
            Ok(znodes) => {
                self.write(znodes);
                Outcome::Done {
                    version: znodes.term.map_or(0, |term| term.stamp.version),
                    zxid: self.latest().zxid,
                }
            }
            Err(refusal) => Outcome::Refused(refusal),
        };
        self.note_seen(session, self.latest().zxid);
        outcome
    }

    fn after(&self, own: i64, transaction: &Transaction) -> Result<Znodes, Refusal> {
        let latest = self.latest();
        let set = |record, version| self.set_term(record, version).map(Some);
        match *transaction {
            Transaction::Found(founding) => self.found(founding),
            Transaction::Campaign(master, held, version)
            | Transaction::Resume(master, held, version) => {
                match (master, latest.master) {
                    (MasterZnode::Present, None) => return Err(Refusal::MasterMissing),
                    (MasterZnode::Gone, Some(_)) => return Err(Refusal::MasterExists),
                    (MasterZnode::Present, Some(_)) | (MasterZnode::Gone, None) => {}
                }
                Ok(Znodes {
                    master: Some(own),
                    term: set(Record::Held(held), version)?,
                    ..latest
                })
            }
            Transaction::Renew(held, version) => {
                latest.master.ok_or(Refusal::MasterMissing)?;
                let term = set(Record::Held(held), version)?;
                Ok(Znodes { term, ..latest })
            }
            Transaction::Release(master, version) => {
                if master == MasterZnode::Present {
                    latest.master.ok_or(Refusal::MasterMissing)?;
                }
                Ok(Znodes {
                    master: latest.master.filter(|_| master == MasterZnode::Gone),
                    term: set(Record::Released, version)?,
                    ..latest
                })
            }
            Transaction::Withdraw(version) => {
                set(Record::Released, version)?;
                latest.master.ok_or(Refusal::MasterMissing)?;
                Ok(Znodes {
                    master: None,
                    ..latest
                })
            }
        }
    }

    fn found(&self, founding: Founding) -> Result<Znodes, Refusal> {
        let latest = self.latest();
        if latest.term.is_some() || founding != Founding::WithRoot {
            return Err(Refusal::TermMissing);
        }
        let zxid = latest.zxid + 1;
        let term = TermZnode {
            stamp: Stamp {
                created: zxid,
                version: 0,
            },
            modified: zxid,
            record: Record::Virgin,
        };
        Ok(Znodes {
            term: Some(term),
            ..latest
        })
    }

    fn set_term(&self, record: Record, version: i32) -> Result<TermZnode, Refusal> {
        let term = self.latest().term.ok_or(Refusal::TermMissing)?;
        if term.stamp.version != version {
            return Err(Refusal::VersionMismatch);
        }
        let stamp = Stamp {
            version: version + 1,
            ..term.stamp
        };
        Ok(TermZnode {
            stamp,
            modified: self.latest().zxid + 1,
            record,
        })
    }

    /// How many writes a look on this session may be behind.
    pub(crate) fn lag_of(&self, session: i64) -> usize {
        let seen = self.sessions.iter().find(|it| it.id == session);
        let seen = seen.map_or(0, |it| it.seen);
        let shown = self.history.iter().filter(|it| it.zxid >= seen);
        shown.count().saturating_sub(1)
    }

    /// A look at a server that is `behind` writes behind.
    pub(crate) fn look(&mut self, session: i64, behind: usize) -> Sight {
        let znodes = self.history[self.history.len() - 1 - behind];
        self.note_seen(session, znodes.zxid);
        Sight {
            master: znodes
                .master
                .map_or(MasterSight::Absent, |owner| MasterSight::Ephemeral {
                    owner,
                }),
            term: znodes
                .term
                .map_or(TermSight::RootMissing, |term| TermSight::Present {
                    stamp: term.stamp,
                    modified: term.modified,
                    record: term.record,
                }),
        }
    }
}

/// What a record that is held says.
pub(crate) fn held(record: Record) -> Option<Held> {
    match record {
        Record::Held(held) => Some(held),
        Record::Virgin | Record::Released => None,
    }
}
