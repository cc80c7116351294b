//! What one run showed, for the verdict and the picture: who ran when, what was done to whom, how long each lease lasted.
//!
//! Every time is `CLOCK_BOOTTIME`, as the witnesses wrote it.

use std::fmt;
use std::time::Duration;

/// One run, from its first moment to its last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Story {
    /// What was run, in a sentence.
    pub(crate) title: String,
    /// The seed of the faults, if they were drawn.
    pub(crate) seed: Option<u64>,
    /// The durations in force and whatever else a reader must know, as name and value.
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    /// The candidates, a row each, in order.
    pub(crate) hosts: Vec<String>,
    /// The servers, which faults may name.
    pub(crate) servers: Vec<String>,
    pub(crate) lives: Vec<Life>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) verdict: Verdict,
}

/// One child, as its witness saw it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Life {
    pub(crate) host: String,
    pub(crate) token: u64,
    pub(crate) pid: i32,
    pub(crate) start: Duration,
    /// When it, or the last of what it forked, was last seen executing.
    pub(crate) end: Duration,
    pub(crate) ending: LifeEnd,
}

impl fmt::Display for Life {
    /// As a sentence of the verdict names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Life {
            host, pid, token, ..
        } = self;
        write!(f, "{host}'s child {pid} (token {token})")
    }
}

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LifeEnd {
    /// It ran when the run was over.
    Alive,
    /// It ended after the stop signal.
    Stopped,
    /// It was killed.
    Killed,
    /// It ended by itself.
    ByItself,
}

/// One term: how long its holder was covered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Lease {
    pub(crate) host: String,
    pub(crate) token: u64,
    pub(crate) from: Duration,
    /// When the lease of its last good renewal ends.
    pub(crate) until: Duration,
    /// When the term was released, if it was: from then on nobody need wait for the lease.
    pub(crate) released: Option<Duration>,
}

/// Something that was done to the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    /// Its kind, in a few words: "elector killed".
    pub(crate) kind: String,
    /// The host or server it was done to; several for a partition; none for a deletion of the master znode.
    pub(crate) on: Vec<String>,
    pub(crate) from: Duration,
    /// When it was over.
    pub(crate) until: Duration,
    pub(crate) label: Label,
    /// How long nobody was master, as the witnesses saw it.
    pub(crate) gap: Option<Duration>,
    /// How long that might have been, for a fault of this kind.
    pub(crate) bound: Option<Duration>,
}

/// What a fault may do to the child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Label {
    /// The lease must ride it out: a restart is needless.
    MustRideOut,
    /// The mastership may, or must, move.
    MayMove,
    /// The design excludes it: two may run at once until it is over, and for so long after that.
    Excluded(Duration),
}

/// What follows from the witnesses.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Verdict {
    /// Two at once, a sentence each; must be empty.
    pub(crate) overlaps: Vec<String>,
    /// Restarts that no fault accounts for, a sentence each; must be empty.
    pub(crate) needless: Vec<String>,
    /// Faults after which nobody was master for longer than their bound; must be empty.
    pub(crate) overdue: Vec<String>,
    pub(crate) takeovers: usize,
}
