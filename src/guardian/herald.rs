//! What the service manager is told: that we are ready, how things are, and how long it may wait for a sign of life.
//!
//! systemd's watchdog is the third enforcer of the lease, behind guardian and elector: it is fed with each answered
//! renewal, for what is left of that lease but half of the kill margin, so it kills the unit where both processes are
//! stopped. Where the guardian is killing by itself, and where there is no term, it is put off.

use crate::core::guard::{Charge, Report, Shutdown, Tree};
use crate::core::time::Time;
use crate::observe::notify::Manager;
use nix::unistd::Pid;
use std::fmt;
use std::time::{Duration, SystemTime};

/// How much longer the manager is asked to wait for the end, again and again: a child has its grace period, and what
/// cannot be killed takes as long as it takes.
const MORE_TIME: Duration = Duration::from_secs(10);

/// Puts the watchdog off: ten years. To switch it off (0) takes a newer systemd than 239.
const OFF: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Tells the service manager each thing once; what could not be told is told later.
#[derive(Debug)]
pub(super) struct Herald {
    manager: Manager,
    master: String,
    /// How long before the end of the lease the watchdog barks: after the guardian would have killed. systemd may be a
    /// quarter of a second late (`sd_event_add_time(3)`), which is more than this where the kill margin is below half of one.
    margin: Duration,
    readiness: Readiness,
    told: Option<Situation>,
    /// As it was told; unknown at first: an image before us may have set it.
    watchdog: Option<Watchdog>,
    /// Until when the manager waits for the end.
    patient_until: Time,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Readiness {
    Starting,
    /// It is to be told.
    Due,
    Told,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Watchdog {
    Off,
    Until(Time),
}

/// What a person wants to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Situation {
    StandingBy,
    Master {
        lease: Duration,
        since: SystemTime,
        main: Option<Pid>,
    },
    Stopping,
    Killing,
    Ending,
}

impl Herald {
    /// For the master znode `master`; none where no service manager listens.
    pub(super) fn new(master: &str, kill_margin: Duration) -> Option<Herald> {
        Some(Herald {
            manager: Manager::from_environment()?,
            master: master.to_owned(),
            margin: kill_margin / 2,
            readiness: Readiness::Starting,
            told: None,
            watchdog: None,
            patient_until: Time::default(),
        })
    }

    /// The elector has said something: whatever the ensemble does, we do what we can from now on.
    pub(super) fn note_elector(&mut self) {
        if self.readiness == Readiness::Starting {
            self.readiness = Readiness::Due;
        }
    }

    /// Tells what is new; `since` when it has been master, by the clock on the wall.
    pub(super) fn tell(
        &mut self,
        now: Time,
        report: &Report,
        main: Option<Pid>,
        since: SystemTime,
    ) {
        if self.readiness == Readiness::Due && self.manager.tell(format_args!("READY=1")) {
            self.readiness = Readiness::Told;
        }
        let watchdog = self.watchdog_of(report);
        if report.shutdown == Shutdown::No {
            self.feed(now, watchdog);
        } else {
            self.ask_for_time(now, watchdog);
        }
        self.show(situation(report, main, since));
    }

    fn feed(&mut self, now: Time, watchdog: Watchdog) {
        if self.watchdog != Some(watchdog) {
            let left = watchdog.left(now).as_micros();
            let lines = format_args!("WATCHDOG_USEC={left}\nWATCHDOG=1");
            if self.manager.tell(lines) {
                self.watchdog = Some(watchdog);
            }
        }
    }

    fn show(&mut self, situation: Situation) {
        let status = Status {
            situation,
            master: &self.master,
        };
        if self.told != Some(situation) && self.manager.tell(format_args!("STATUS={status}")) {
            self.told = Some(situation);
        }
    }

    /// Whenever systemd hears that we stop, or are to be waited for, it stops its watchdog, or sets it anew.
    fn ask_for_time(&mut self, now: Time, watchdog: Watchdog) {
        if self.watchdog == Some(watchdog) && now + MORE_TIME / 2 < self.patient_until {
            return;
        }
        let (more, left) = (MORE_TIME.as_micros(), watchdog.left(now).as_micros());
        let told = self.manager.tell(format_args!(
            "STOPPING=1\nEXTEND_TIMEOUT_USEC={more}\nWATCHDOG_USEC={left}\nWATCHDOG=1"
        ));
        if told {
            self.patient_until = now + MORE_TIME;
            self.watchdog = Some(watchdog);
        }
    }

    fn watchdog_of(&self, report: &Report) -> Watchdog {
        match (report.charge, report.tree) {
            (Charge::None | Charge::Barred(_), _)
            | (Charge::Sealed(..), Tree::Empty)
            | (_, Tree::Killing { .. }) => Watchdog::Off,
            (Charge::Open(grant) | Charge::Sealed(grant, _), _) => {
                Watchdog::Until(grant.end - self.margin)
            }
        }
    }
}

fn situation(report: &Report, main: Option<Pid>, since: SystemTime) -> Situation {
    match (report.tree, report.charge) {
        _ if report.shutdown != Shutdown::No && report.tree == Tree::Empty => Situation::Ending,
        (Tree::Stopping { .. }, _) => Situation::Stopping,
        (Tree::Killing { .. }, _) => Situation::Killing,
        (Tree::Empty | Tree::Running { .. }, Charge::Open(grant)) => Situation::Master {
            lease: grant.lease,
            since,
            main,
        },
        (
            Tree::Empty | Tree::Running { .. },
            Charge::None | Charge::Sealed(..) | Charge::Barred(_),
        ) => Situation::StandingBy,
    }
}

impl Watchdog {
    fn left(self, now: Time) -> Duration {
        match self {
            Watchdog::Off => OFF,
            // Zero would switch it off.
            Watchdog::Until(end) => end.since(now).max(Duration::from_micros(1)),
        }
    }
}

/// A line for `systemctl status`.
struct Status<'a> {
    situation: Situation,
    master: &'a str,
}

impl fmt::Display for Status<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let master = self.master;
        match self.situation {
            Situation::StandingBy => write!(f, "standing by for {master}"),
            Situation::Stopping => write!(f, "stopping the command of {master}"),
            Situation::Killing => write!(f, "killing the command of {master}"),
            Situation::Ending => f.write_str("stopped; whatever was held is being given back"),
            Situation::Master { lease, since, main } => {
                let since = humantime::format_rfc3339_seconds(since);
                write!(f, "master of {master} since {since}, ")?;
                match main {
                    Some(pid) => write!(f, "pid {pid}, ")?,
                    None => f.write_str("no command runs, ")?,
                }
                let millis = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
                let lease = humantime::format_duration(Duration::from_millis(millis));
                write!(f, "lease {lease}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
