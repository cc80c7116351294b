//! The elector's part of the operator's story: what happened in a term in about ten lines, and what is wrong with the
//! ensemble once per change and then rarely.

use crate::clock;
use crate::core::candidacy::Block;
use crate::core::election::{MasterZnode, Outcome, Refusal};
use crate::core::facts::{News, Wait};
use crate::core::lease::Misfit;
use crate::core::term::{Ending, Loss};
use crate::core::time::Time;
use crate::observe::log::{Field, Level, Value, debug, error, info, log, warn};
use crate::process::sweep::{Identity, Proof};
use crate::zookeeper::{self, Event, Names, record::Candidate, record::MasterNote};
use std::time::Duration;

/// How often a complaint that stays the same is repeated.
const REPEAT_AFTER: Duration = Duration::from_secs(300);

/// What to do about what is forbidden: whoever may change it is not us.
const PERMIT: &str = "every candidate must create, read, write and delete at `root` and below: permit it with `setAcl` in \
                      zkCli.sh, or choose another `root`";

/// What has been said already.
pub(super) struct Story {
    /// Who tells it.
    own: zookeeper::Identity,
    ensemble: Complaint,
    command: Complaint,
    refusal: Complaint,
    twin: Complaint,
    unlisted: Complaint,
    master: Option<String>,
    names: Names,
}

/// Something that is wrong, said once per change and then rarely.
#[derive(Default)]
struct Complaint {
    said: Option<(String, Time)>,
}

impl Complaint {
    /// Whether to say it now.
    fn is_news(&mut self, text: &str) -> bool {
        let now = clock::now();
        let is_old = |(said, at): &(String, Time)| said == text && now.since(*at) < REPEAT_AFTER;
        let is_news = !self.said.as_ref().is_some_and(is_old);
        if is_news {
            self.said = Some((text.to_owned(), now));
        }
        is_news
    }

    /// All is well again; whether it was not.
    fn end(&mut self) -> bool {
        self.said.take().is_some()
    }
}

fn seconds(duration: Duration) -> String {
    format!("{}s", (duration.as_secs_f64() * 10.0).round() / 10.0)
}

impl Story {
    /// The story of the candidate `own`, of which nothing has been said.
    pub(super) fn new(own: zookeeper::Identity) -> Story {
        Story {
            own,
            ensemble: Complaint::default(),
            command: Complaint::default(),
            refusal: Complaint::default(),
            twin: Complaint::default(),
            unlisted: Complaint::default(),
            master: None,
            names: Names::default(),
        }
    }

    /// What a session says.
    pub(super) fn hear(&mut self, event: &Event) {
        match event {
            Event::Opened { granted, id, .. } => self.tell_opened(*id, *granted),
            Event::OpenFailed { reason, .. } if self.ensemble.is_news(&without_numbers(reason)) => {
                warn(
                    "the ensemble does not answer: waiting for it",
                    &[("reason", Value::Text(reason))],
                );
            }
            Event::OpenFailed { reason, .. } => {
                debug("session not opened", &[("reason", Value::Text(reason))])
            }
            Event::Interrupted { .. } => debug("connection lost", &[]),
            Event::Restored { .. } => debug("connected again", &[]),
            Event::Ended { why, .. } => warn("session ended", &[("reason", Value::Text(why))]),
            Event::Looked { names, .. } => self.note_names(names),
            Event::LookFailed { reason, .. } => {
                debug("look failed", &[("reason", Value::Text(reason))])
            }
            Event::Answered {
                outcome, reason, ..
            } => self.tell_answer(*outcome, reason.as_deref().unwrap_or("")),
            Event::MasterChanged { .. } => debug("the master znode changed", &[]),
            Event::Twin { other, .. } => self.tell_twin(other),
            Event::PublishFailed { reason, .. } => {
                debug(
                    "candidate znode not written",
                    &[("reason", Value::Text(reason))],
                );
            }
            Event::PublishForbidden { reason, .. } if self.unlisted.is_news(reason) => {
                warn(
                    "the candidate znode cannot be written: `status` does not show what this candidate does",
                    &[
                        ("reason", Value::Text(reason)),
                        ("help", Value::Text(&PERMIT)),
                    ],
                );
            }
            Event::PublishForbidden { .. } => {}
            Event::Closed {
                doubt: Some(reason),
                ..
            } => {
                warn(
                    "session left open: it runs out by itself",
                    &[("reason", Value::Text(reason))],
                );
            }
            Event::Closed { doubt: None, .. } => debug("session closed", &[]),
        }
    }

    fn tell_opened(&mut self, id: i64, granted: Duration) {
        let id = format!("{id:#x}");
        let level = if self.ensemble.end() {
            Level::Info
        } else {
            Level::Debug
        };
        log(
            level,
            "session opened",
            &[
                ("session", Value::Text(&id)),
                ("timeout", Value::Text(&seconds(granted))),
            ],
        );
    }

    fn tell_answer(&mut self, outcome: Outcome, reason: &str) {
        match outcome {
            Outcome::Done { version, .. } => {
                self.refusal.end();
                debug("committed", &[("version", Value::Number(version.into()))]);
            }
            Outcome::Refused(Refusal::Forbidden) if self.refusal.is_news(reason) => {
                error(
                    "the ensemble forbids what we must do",
                    &[
                        ("reason", Value::Text(&reason)),
                        ("help", Value::Text(&PERMIT)),
                    ],
                );
            }
            Outcome::Refused(refusal) => {
                let what = format!("{refusal:?}");
                debug(
                    "refused",
                    &[
                        ("what", Value::Text(&what)),
                        ("reason", Value::Text(&reason)),
                    ],
                );
            }
            Outcome::Unknown => debug("no answer", &[("reason", Value::Text(&reason))]),
        }
    }

    /// Who is master, as a standby sees it, when that changes.
    fn note_names(&mut self, names: &Names) {
        let master = names.master.as_ref().map(|master| master.name.clone());
        if let Some(name) = &master
            && master != self.master
            && !names.master.as_ref().is_some_and(|it| self.is_own(it))
        {
            info("the master is", &[("master", Value::Text(name))]);
        }
        self.master = master;
        self.names = names.clone();
    }

    /// Whether the supervisor of this very candidate wrote it; another may have its name.
    fn is_own(&self, note: &MasterNote) -> bool {
        let own = &self.own;
        (&note.name, &note.host, note.pid) == (&own.name, &own.host, own.pid)
    }

    /// A candidate of our name whose process is gone is only a session that has not run out yet.
    fn tell_twin(&mut self, other: &Candidate) {
        let is_gone = nix::unistd::gethostname()
            .is_ok_and(|host| host.to_str() == Some(other.host.as_str()))
            && i32::try_from(other.pid).is_ok_and(|pid| Identity::of(pid).is_none());
        let fields: [Field<'_>; 3] = [
            ("name", Value::Text(&other.name)),
            ("host", Value::Text(&other.host)),
            ("pid", Value::Number(other.pid.into())),
        ];
        if !is_gone && self.twin.is_news(&format!("{} {}", other.host, other.pid)) {
            warn(
                "another live candidate has the same name: set `[election] name` on one of them",
                &fields,
            );
        }
    }

    pub(super) fn note_flaw(&mut self, flaw: Option<String>) {
        match flaw {
            Some(reason) if self.command.is_news(&reason) => {
                error(
                    "the command cannot be started: not campaigning",
                    &[("reason", Value::Text(&reason))],
                );
            }
            Some(_) => {}
            None if self.command.end() => info("the command can be started", &[]),
            None => {}
        }
    }

    pub(super) fn guardian_died(&self) {
        error(
            "the guardian is dead: ending what is left of the child",
            &[],
        );
    }

    pub(super) fn swept(&self, proof: Proof) {
        match proof {
            Proof::Dead => info("nothing of the child is left", &[]),
            Proof::Lacking => {
                error(
                    "something of the child may be left: the term is not released",
                    &[],
                );
            }
        }
    }

    pub(super) fn client_spins(&self) {
        warn(
            "the client library does not let go of a session: ending this elector, another follows",
            &[],
        );
    }

    /// What `core` wants told.
    pub(super) fn tell(&mut self, news: &News) {
        match *news {
            News::Campaigning(MasterZnode::Gone, id) => {
                info("campaigning", &[("term", Value::Text(&id))])
            }
            News::Campaigning(MasterZnode::Present, id) => {
                let holder = self.names.holder.clone().unwrap_or_default();
                let fields = [("term", Value::Text(&id)), ("holder", Value::Text(&holder))];
                warn(
                    "deposing a master that did not renew for a full wait-out",
                    &fields,
                );
            }
            News::Promoted(token, Wait(wait)) => {
                let fields = [
                    ("token", Value::Number(token.0)),
                    ("child_starts_in", Value::Text(&seconds(wait))),
                ];
                info("promoted", &fields);
            }
            News::Resumed(token, generation) => {
                let fields = [
                    ("token", Value::Number(token.0)),
                    ("generation", Value::Number(generation.into())),
                ];
                info("resumed the term", &fields);
            }
            News::ChildRestarts(Wait(wait), starts) => tell_restart(wait, starts),
            News::Demoted(token, loss) => tell_demoted(token.0, loss),
            News::Ended(token, Ending::Released) => {
                info("released the term", &[("token", Value::Number(token.0))])
            }
            News::Ended(token, Ending::LeftHeld) => {
                info(
                    "left the term: the next master waits out its lease",
                    &[("token", Value::Number(token.0))],
                );
            }
            News::Blocked(block) => self.tell_block(block),
            News::SessionTooShort(granted, misfit) => tell_misfit(granted, &misfit),
            News::LeaseShortened(granted, lease) => {
                let fields = [
                    ("granted", Value::Text(&seconds(granted))),
                    ("lease", Value::Text(&seconds(lease))),
                ];
                warn(
                    "the ensemble grants a shorter session than asked: the lease is shorter too",
                    &fields,
                );
            }
            News::CommandMissing => {}
            News::SessionReplaced => info("the session does not answer: opening another", &[]),
            News::GuardianSilent => error("the guardian does not answer: killing it", &[]),
        }
    }

    fn tell_block(&self, block: Block) {
        let flaw = self.names.flaw.clone().unwrap_or_default();
        let reason = match block {
            Block::PersistentMaster => "the master znode is persistent: another program made it",
            Block::ForeignMaster => {
                "there is a master znode without a term record: another program made it"
            }
            Block::UnreadableRecord => flaw.as_str(),
        };
        error(
            "standing by: the znodes are not ours to use",
            &[("reason", Value::Text(&reason))],
        );
    }
}

fn tell_restart(wait: Duration, starts: u32) {
    /// So many starts in a row that did not last are no accident.
    const MANY: u32 = 3;
    let level = if starts >= MANY {
        Level::Warn
    } else {
        Level::Info
    };
    log(
        level,
        "child is started again",
        &[
            ("in", Value::Text(&seconds(wait))),
            ("starts", Value::Number(starts.into())),
        ],
    );
}

fn tell_demoted(token: i64, loss: Loss) {
    let (level, reason) = match loss {
        Loss::MasterDeleted => (Level::Warn, "somebody deleted the master znode"),
        Loss::SessionEnded => (Level::Warn, "the ensemble ended the session"),
        Loss::Deposed => (
            Level::Warn,
            "the term record is not ours any more: another candidate took it, or somebody changed it",
        ),
        Loss::LeaseLapsed => (Level::Warn, "the lease ended without a renewal"),
        Loss::Shutdown => (Level::Info, "asked to stop"),
    };
    log(
        level,
        "demoted",
        &[
            ("token", Value::Number(token)),
            ("reason", Value::Text(&reason)),
        ],
    );
}

fn tell_misfit(granted: Duration, misfit: &Misfit) {
    let reason = match misfit {
        Misfit::NoRoomToStop { .. } => "grace period and kill margin do not fit into its lease",
        Misfit::LeaseOutlivesSession { .. } => "the wait-out of its lease does not fit",
        Misfit::ConnectTimeoutTooLong { .. } => "the connect timeout does not fit",
    };
    let fields = [
        ("granted", Value::Text(&seconds(granted))),
        ("reason", Value::Text(&reason)),
    ];
    error(
        "the ensemble grants too short a session: not campaigning",
        &fields,
    );
}

/// The same trouble may name another port or time each time.
fn without_numbers(reason: &str) -> String {
    reason.chars().filter(|c| !c.is_ascii_digit()).collect()
}
