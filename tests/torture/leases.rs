//! How long each term's holder was covered, for the picture only: no witness knows that, so the supervisors' logs must
//! do. The verdict does not look here.

use crate::story::Lease;
use crate::tail::Tail;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use zk_supervise::clock;
use zk_supervise::core::lease::{EPSILON, Timing};

/// How long a log may get, in bytes: at `debug` that is about half an hour.
const LONGEST_LOG: u64 = 32 << 20;

/// The terms of one host, as its log tells them. A renewal counts from its answer, a little later than the sending that
/// really counts.
pub(crate) struct Leases {
    host: String,
    log: Tail,
    /// How long a renewal covers the child.
    covered: Duration,
    leases: Vec<Lease>,
    /// When the last transaction was answered.
    answered: Duration,
    place: Place,
}

/// Where in a term the log is.
enum Place {
    Outside,
    Master,
    /// What is answered now is no renewal.
    Leaving,
}

impl Leases {
    pub(crate) fn of(host: &str, log: PathBuf, timing: &Timing) -> Leases {
        Leases {
            host: host.into(),
            log: Tail::of(log),
            covered: timing.lease - EPSILON,
            leases: Vec::new(),
            answered: Duration::ZERO,
            place: Place::Outside,
        }
    }

    /// Reads what is new, and does not let the log grow for ever.
    pub(crate) fn look(&mut self) {
        let (boot, news) = (boot(), self.log.news());
        // The client library says more than all others together.
        let lines = news.lines().filter(|line| !line.contains("client library"));
        for line in lines {
            let line: Value = serde_json::from_str(line).unwrap_or_default();
            if let Some(at) = moment(&line, boot) {
                self.hear(&line, at);
            }
        }
        self.log.limit(LONGEST_LOG);
    }

    /// All terms so far, the earliest first.
    pub(crate) fn all(&self) -> &[Lease] {
        &self.leases
    }

    fn hear(&mut self, line: &Value, at: Duration) {
        match line["message"].as_str().unwrap_or_default() {
            "committed" => {
                self.answered = at;
                if let (Place::Master, Some(lease)) = (&self.place, self.leases.last_mut()) {
                    lease.until = at + self.covered;
                }
            }
            "promoted" => {
                self.place = Place::Master;
                self.leases.push(Lease {
                    host: self.host.clone(),
                    token: line["token"].as_u64().unwrap_or_default(),
                    from: self.answered,
                    until: self.answered + self.covered,
                    released: None,
                });
            }
            "resumed the term" => self.place = Place::Master,
            "demoted" | "the guardian is dead: ending what is left of the child" => {
                self.place = Place::Leaving;
            }
            "released the term" => {
                if let Some(lease) = self.leases.last_mut() {
                    lease.released = Some(at);
                }
                self.place = Place::Outside;
            }
            "left the term: the next master waits out its lease" | "supervisor started" => {
                self.place = Place::Outside;
            }
            _ => {}
        }
    }
}

/// The moment of the wall clock at which this machine was started.
fn boot() -> SystemTime {
    clock::wall() - Duration::from_nanos(clock::now().as_nanos())
}

fn moment(line: &Value, boot: SystemTime) -> Option<Duration> {
    let time = humantime::parse_rfc3339(line["time"].as_str()?).ok()?;
    time.duration_since(boot).ok()
}
