//! What two candidates say to each other: the term record `T`, the master znode `M`, and the transactions on them.
//!
//! `T` is persistent and its data version counts its writes, so a compare-and-set on it puts all masters in one
//! order. `M` is ephemeral and only says quickly that a master is gone: no safety rests on it.

use std::fmt;
use std::time::Duration;

/// A term, drawn anew for each campaign: a random number of the elector that drew it, and how many it drew before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TermId {
    /// Random, one for each elector process.
    pub elector: u64,
    /// Counts this elector's campaigns.
    pub number: u32,
}

impl fmt::Display for TermId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.elector, self.number)
    }
}

impl std::str::FromStr for TermId {
    type Err = ();

    fn from_str(text: &str) -> Result<TermId, ()> {
        let (elector, number) = text.split_once('-').ok_or(())?;
        let elector = u64::from_str_radix(elector, 16).map_err(|_| ())?;
        Ok(TermId {
            elector,
            number: number.parse().map_err(|_| ())?,
        })
    }
}

/// The fencing token of a term: the zxid of its campaign. Unique, and it only grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Token(pub i64);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What `T` says.
///
/// I0: `Virgin` and `Released` mean that no tree of any term is alive. `Held` with lease `L` at version v means that
/// every tree but the holder's own is dead by commit(v) + `L`, and the holder's own by `L` after its last good write
/// was sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Record {
    /// Made together with its root: there never was a term.
    Virgin,
    /// A term is, or may be, alive.
    Held(Held),
    /// No tree of any term is alive.
    Released,
}

impl Record {
    /// What stands in for a record that was lost: held for `lease` by a term that nobody knows (R3).
    #[must_use]
    pub const fn held_by_nobody(lease: Duration) -> Record {
        Record::Held(Held {
            id: None,
            generation: 0,
            lease,
            token: None,
        })
    }
}

/// A record that is held.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Held {
    /// The term; none in a record that stands in for a lost one.
    pub id: Option<TermId>,
    /// Counts the electors and sessions that carried the term on (R5).
    pub generation: u32,
    /// The term's lease length (R2).
    pub lease: Duration,
    /// The term's fencing token, once its holder has learned it.
    pub token: Option<Token>,
}

/// Which `T`, and which state of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Stamp {
    /// The zxid of its creation: another `T` has another one.
    pub created: i64,
    /// Its data version.
    pub version: i32,
}

/// What one look at the znodes showed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Sight {
    /// The master znode.
    pub master: MasterSight,
    /// The term record.
    pub term: TermSight,
}

/// `M` as it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MasterSight {
    /// There is none.
    Absent,
    /// There is one, ephemeral.
    Ephemeral {
        /// The session that owns it.
        owner: i64,
    },
    /// There is one that no session owns, so that no program of ours made it.
    Persistent,
}

/// `T` as it was seen; data and version come from one read.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TermSight {
    /// There is none, nor a root.
    RootMissing,
    /// The root is there, but no record.
    Missing,
    /// There is one.
    Present {
        /// Which.
        stamp: Stamp,
        /// The zxid of its last write: the token of a campaign, if a campaign was that write.
        modified: i64,
        /// What it says.
        record: Record,
    },
    /// There is one that cannot be read: made by another program, or a later version of this one.
    Unreadable,
}

/// Whether `M` is there, as far as the writer knows; a wrong guess is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MasterZnode {
    /// It must be deleted first.
    Present,
    /// It is gone already.
    Gone,
}

/// One ZooKeeper transaction, all of it or nothing, at a version of `T` that was learned (R4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Transaction {
    /// `multi[ create(T) ]`, with the root if that is missing too: then `T` is virgin, unless it was deleted; else it is
    /// held by nobody for this lease (R3).
    Found(Founding),
    /// `multi[ create(M), set(T, held, version) ]`; with `Present`, `delete(M)` before it: a depose (R10).
    Campaign(MasterZnode, Held, i32),
    /// `multi[ check(M), set(T, held, version) ]`
    Renew(Held, i32),
    /// `multi[ delete(M), create(M), set(T, held, version) ]`; without `delete(M)` where it is gone.
    Resume(MasterZnode, Held, i32),
    /// `multi[ delete(M), set(T, released, version) ]`; without `delete(M)` where it is gone.
    Release(MasterZnode, i32),
    /// `multi[ check(T, version), delete(M) ]`: gives the mastership up and leaves `T` held (R7).
    Withdraw(i32),
}

/// How `T` comes to be.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Founding {
    /// In one transaction with its root: there never was a term.
    WithRoot,
    /// In one transaction with its root, which was deleted with a record that was held: counts as held, with this lease.
    WithLostRoot(Duration),
    /// Under a root that was there: counts as held, with this lease.
    UnderRoot(Duration),
}

/// What became of a transaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Outcome {
    /// Committed, with the results that were expected.
    Done {
        /// `T`'s data version after it.
        version: i32,
        /// The zxid of the transaction.
        zxid: i64,
    },
    /// Refused by a quorum; nothing of it happened.
    Refused(Refusal),
    /// It may have happened, may happen yet, or never will.
    Unknown,
}

/// Why a transaction was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refusal {
    /// `M` exists.
    MasterExists,
    /// `M` does not exist.
    MasterMissing,
    /// `T` has another version.
    VersionMismatch,
    /// `T` or its root does not exist, or (founding) exists already.
    TermMissing,
    /// The ensemble forbids it: an ACL, a quota.
    Forbidden,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_id_is_read_as_it_is_written() {
        let id = TermId {
            elector: 0xab,
            number: 12,
        };
        assert_eq!(id.to_string(), "00000000000000ab-12");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "ab", "-12", "ab-", "xy-12", "ab-x"] {
            assert_eq!(text.parse::<TermId>(), Err(()), "{text:?}");
        }
    }

    /// `UPDATE fence SET token = $T` reads it.
    #[test]
    fn a_token_is_written_in_decimal() {
        assert_eq!(Token(4_294_967_296).to_string(), "4294967296");
    }
}
