//! What `status` has found. `--json` prints it as it is, so a field here is a promise: none is renamed or dropped, and
//! readers ignore those they do not know.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::moment::Moment;
use super::remarks::warnings;
use super::standing::{Standing, standing};
use crate::core::election::Record;
use crate::core::lease::Timing;
use crate::zookeeper::Paths;
use crate::zookeeper::survey::{CandidateView, MasterView, Survey, TermView};

/// The state of a candidate that is master, as it publishes it.
pub(super) const MASTER: &str = "master";
/// The state of a candidate that is elected and whose command may not run yet.
pub(super) const WAITING_OUT: &str = "waiting-out";
/// The state of a candidate whose command is being stopped.
pub(super) const STOPPING: &str = "stopping";
/// The state of a candidate that cannot campaign.
pub(super) const UNABLE: &str = "unable";

/// What is known besides the znodes.
pub(super) struct Asked<'a> {
    pub(super) now: SystemTime,
    pub(super) paths: &'a Paths,
    pub(super) timing: &'a Timing,
    pub(super) renewal: Renewal,
}

/// Whether the term is renewed, as far as it was looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Renewal {
    /// It was written lately, or between two looks.
    Seen,
    /// It was not: neither lately nor between two looks.
    Missing,
}

/// The state of an election. What is not known is `null`; times are RFC 3339 in UTC.
#[derive(Serialize, Debug)]
pub(super) struct Report {
    /// 1. Another number means that readers of this one would go wrong.
    pub(super) format: u32,
    /// When it was asked, by this host's clock. All other times are by the ensemble's.
    pub(super) time: Moment,
    /// The full path of the master znode, chroot included.
    pub(super) path: String,
    /// The master: who holds the term; `null` if nobody is, or if it is `unknown` who is.
    pub(super) master: Option<Master>,
    /// Why nobody is master; `null` if somebody is, or may be.
    pub(super) nobody: Option<Remark>,
    /// Why it is not known whether anybody is master; `null` if it is known. The command may run somewhere.
    pub(super) unknown: Option<Remark>,
    /// What the term record says.
    pub(super) term: Term,
    /// Every live candidate, the master included, by name.
    pub(super) candidates: Vec<Candidate>,
    /// What somebody should look at; often empty.
    pub(super) warnings: Vec<Remark>,
}

/// The master: who holds the term. What only its znode tells is `null` where that is not as the master made it.
#[derive(Serialize, Debug)]
pub(super) struct Master {
    /// The candidate's name.
    pub(super) name: String,
    /// Its host; `null` if neither the master znode nor one candidate alone tells it.
    pub(super) host: Option<String>,
    /// The process of its supervisor there; `null` as `host` is.
    pub(super) pid: Option<u32>,
    /// What it does: `master`, `waiting-out` (elected; its command starts when the last master's lease is over),
    /// `stopping`; `null` if it is not among the candidates.
    pub(super) state: Option<String>,
    /// Since when it has been elected. If the term's `generation` is above 0: since when that generation has.
    pub(super) since: Option<Moment>,
    /// Whether it renews its term. If not it hangs or is gone, and a standby takes over when its lease is over.
    pub(super) renewing: bool,
    /// Its session that owns the master znode, as the servers' logs write it; `null` if none does.
    pub(super) session: Option<String>,
    /// The version of zk-supervise it runs; `null` as `host` is.
    pub(super) version: Option<String>,
}

/// The term record.
#[derive(Serialize, Debug)]
pub(super) struct Term {
    /// What the record is.
    pub(super) state: TermState,
    /// The term; `null` unless held.
    pub(super) id: Option<String>,
    /// How often another elector or session has carried the term on; `null` unless held.
    pub(super) generation: Option<u32>,
    /// The fencing token, decimal, in a string because it exceeds 2^53; `null` unless held, and until the first renewal.
    pub(super) token: Option<String>,
    /// The term's lease length in milliseconds; `null` unless held.
    pub(super) lease_ms: Option<u64>,
    /// The candidate that wrote the record last.
    pub(super) holder: Option<String>,
    /// When the record was last written: each renewal does.
    pub(super) written: Option<Moment>,
    /// Why it is `unreadable`; `null` otherwise.
    pub(super) flaw: Option<String>,
}

/// What the term record is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TermState {
    /// Not even the root of the election exists: it never began.
    RootMissing,
    /// The root exists, and the record does not: somebody made the one or deleted the other.
    Missing,
    /// There never was a term.
    Virgin,
    /// A term is, or may be, alive.
    Held,
    /// No term is alive.
    Released,
    /// Written by another program, or by a later version of this one.
    Unreadable,
}

/// A live candidate. All but `znode`, `since` and `flaw` are `null` where its data is not readable.
#[derive(Serialize, Debug)]
pub(super) struct Candidate {
    /// Its name; two candidates may have the same, and are warned of.
    pub(super) name: Option<String>,
    /// Its host.
    pub(super) host: Option<String>,
    /// The process of its supervisor there.
    pub(super) pid: Option<u32>,
    /// What it says it does: `standby`, `waiting-out`, `master`, `stopping`, or `unable` (its log says why).
    pub(super) state: Option<String>,
    /// Since when it has been a candidate, in its present session.
    pub(super) since: Option<Moment>,
    /// Drawn anew at each start of its supervisor; 16 hexadecimal digits.
    pub(super) incarnation: Option<String>,
    /// The version of zk-supervise it runs.
    pub(super) version: Option<String>,
    /// The name of its znode.
    pub(super) znode: String,
    /// Why its data is not readable; `null` if it is.
    pub(super) flaw: Option<String>,
}

/// Something to know.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub(super) struct Remark {
    /// For programs: does not change.
    pub(super) code: &'static str,
    /// For people: may change.
    pub(super) message: String,
}

impl Report {
    /// What `survey` comes to.
    pub(super) fn new(asked: &Asked<'_>, survey: &Survey) -> Report {
        let mut candidates: Vec<_> = survey.candidates.iter().map(candidate).collect();
        candidates.sort_by(|a, b| (&a.name, a.since).cmp(&(&b.name, b.since)));
        let mut report = Report {
            format: 1,
            time: Moment(asked.now),
            path: asked.paths.master().to_owned(),
            master: None,
            nobody: None,
            unknown: None,
            term: term(&survey.term),
            candidates,
            warnings: Vec::new(),
        };
        match standing(&report, asked, survey) {
            Standing::Master(master) => report.master = Some(master),
            Standing::Nobody(why) => report.nobody = Some(why),
            Standing::Unknown(why) => report.unknown = Some(why),
        }
        report.warnings = warnings(&report, asked, survey);
        report
    }

    /// As JSON, for a program, laid out so that a person may read it too.
    pub(super) fn json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.expect("texts and numbers are always JSON") + "\n"
    }
}

impl Master {
    /// Whether this candidate is the master.
    pub(super) fn is(&self, candidate: &Candidate) -> bool {
        candidate.name.as_ref() == Some(&self.name)
            && candidate.host == self.host
            && candidate.pid == self.pid
    }
}

impl Candidate {
    pub(super) fn is_in(&self, state: &str) -> bool {
        self.state.as_deref() == Some(state)
    }
}

impl Term {
    fn new(state: TermState) -> Term {
        Term {
            state,
            id: None,
            generation: None,
            token: None,
            lease_ms: None,
            holder: None,
            written: None,
            flaw: None,
        }
    }

    /// Whether there is a record, readable or not.
    pub(super) fn exists(&self) -> bool {
        !matches!(self.state, TermState::RootMissing | TermState::Missing)
    }

    /// How long its lease is; nothing unless held.
    pub(super) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms.unwrap_or_default())
    }
}

/// Whether a session owns it; a container has the smallest number for an owner (`EphemeralType.java`).
pub(super) fn is_ephemeral(view: &MasterView) -> bool {
    !matches!(view.owner, 0 | i64::MIN)
}

fn term(view: &TermView) -> Term {
    let (note, written) = match view {
        TermView::RootMissing => return Term::new(TermState::RootMissing),
        TermView::Missing => return Term::new(TermState::Missing),
        TermView::Present { note, written, .. } => (note, Moment::from_millis(*written)),
    };
    let note = match note {
        Ok(note) => note,
        Err(flaw) => {
            return Term {
                written,
                flaw: Some(flaw.to_string()),
                ..Term::new(TermState::Unreadable)
            };
        }
    };
    let holder = note.holder.clone();
    match note.record {
        Record::Virgin => Term {
            written,
            ..Term::new(TermState::Virgin)
        },
        Record::Released => Term {
            written,
            holder,
            ..Term::new(TermState::Released)
        },
        Record::Held(held) => Term {
            id: held.id.map(|id| id.to_string()),
            generation: Some(held.generation),
            token: held.token.map(|token| token.to_string()),
            lease_ms: u64::try_from(held.lease.as_millis()).ok(),
            holder,
            written,
            ..Term::new(TermState::Held)
        },
    }
}

fn candidate(view: &CandidateView) -> Candidate {
    let note = view.note.as_ref().ok();
    Candidate {
        name: note.map(|note| note.name.clone()),
        host: note.map(|note| note.host.clone()),
        pid: note.map(|note| note.pid),
        state: note.map(|note| note.state.clone()),
        since: Moment::from_millis(view.since),
        incarnation: note.map(|note| format!("{:016x}", note.incarnation)),
        version: note.map(|note| note.version.clone()),
        znode: view.znode.clone(),
        flaw: view.note.as_ref().err().map(ToString::to_string),
    }
}
