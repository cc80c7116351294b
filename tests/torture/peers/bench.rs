//! Two candidates as the peers had them: each behind a relay of its own, one of them master.

use super::figures::{Trial, overlap};
use crate::support::{
    Config, Ensemble, Group, Link, Run, Supervisor, Who, holds_for, millis, secs, tell, wait_until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;
use zk_supervise::clock;

/// The session of all rows: the peers' T.
pub(crate) const SESSION: Duration = secs(6);

/// How long hosts that start may take until one runs the command.
pub(crate) const ELECTED_WITHIN: Duration = secs(30);

/// How long a takeover may take, whatever it has to wait for.
pub(crate) const SUCCEEDED_WITHIN: Duration = secs(30);

/// The clock of the witness and of the product.
pub(crate) fn now() -> Duration {
    Duration::from_nanos(clock::now().as_nanos())
}

/// A candidate and its relays.
pub(crate) struct Host {
    pub(crate) supervisor: Supervisor,
    pub(crate) links: Vec<Link>,
}

/// A master whose child runs, and a standby that knows of it.
pub(crate) struct Pair {
    pub(crate) master: Host,
    pub(crate) standby: Host,
    /// The master's child, as it was when the fault began.
    pub(crate) run: Run,
    pub(crate) group: Group,
}

/// A candidate's file with the session of all rows.
pub(crate) fn config(group: &Group, name: &str) -> Config {
    group.config(name).session(SESSION)
}

impl Host {
    /// Starts a candidate behind relays of its own.
    pub(crate) fn start(ensemble: &Ensemble, config: Config) -> Host {
        let servers = ensemble.servers().iter();
        let links: Vec<Link> = servers.map(|it| Link::to(it.socket())).collect();
        Host {
            supervisor: config.through(&links).start(),
            links,
        }
    }

    /// Does the same to each of its relays.
    pub(crate) fn cut(&self, act: impl Fn(&Link)) {
        self.links.iter().for_each(act);
    }

    /// Says what it did since then, if that child came unusually late.
    pub(crate) fn tell_if_late(&self, since: Duration, run: &Run) {
        if run.start.saturating_sub(since) > SESSION {
            let log = self.supervisor.log_text();
            let lines = log.lines().filter(|it| !it.contains("\"debug\""));
            let lines: Vec<&str> = lines.collect();
            tell(&format!("a late child:\n{}", lines.join("\n")));
        }
    }

    /// Guardian and elector.
    #[track_caller]
    pub(crate) fn wrapper(&self) -> [Pid; 2] {
        [Who::Guardian, Who::Elector].map(|who| self.supervisor.pid(who))
    }
}

impl Pair {
    /// With a witness of these options.
    pub(crate) fn start(ensemble: &Ensemble, options: &[&str]) -> Pair {
        Pair::with(ensemble, options, |config| config)
    }

    /// The same, with some settings changed.
    pub(crate) fn with(
        ensemble: &Ensemble,
        options: &[&str],
        change: impl Fn(Config) -> Config,
    ) -> Pair {
        let group = Group::new(ensemble);
        let file = |name| change(config(&group, name).exec(&group.witness(options)));
        let master = Host::start(ensemble, file("a"));
        let run = group.wait_running(ELECTED_WITHIN);
        let standby = Host::start(ensemble, file("b"));
        wait_until("both are listed", ELECTED_WITHIN, || {
            group.candidates().len() == 2
        });
        // It looks every poll interval; and no fault of the peers' came in the first moment.
        holds_for("the child runs", millis(1000), || run.is_alive());
        Pair {
            master,
            standby,
            run,
            group,
        }
    }

    /// Waits for the other child.
    #[track_caller]
    pub(crate) fn wait_next(&self) -> Run {
        let since = now();
        let next = self.group.wait_takeover(&self.run, SUCCEEDED_WITHIN);
        self.standby.tell_if_late(since, &next);
        next
    }

    /// The first child, as it is known by now.
    pub(crate) fn first(&self) -> Run {
        self.group.record().starts()[0].clone()
    }

    /// Whether the first child is the only one there ever was, and runs.
    pub(crate) fn is_untouched(&self) -> bool {
        self.run.is_alive() && self.group.record().starts().len() == 1
    }

    /// Watches for a while that a disturbance did nothing, now or late.
    #[track_caller]
    pub(crate) fn assert_untouched(&self, span: Duration) {
        if !self.is_untouched() {
            panic!("the child was touched: {:?}", self.group.record());
        }
        holds_for("the child runs on, nobody exits", span, || {
            self.is_untouched() && self.both_stand()
        });
    }

    /// Whether neither supervisor has exited.
    pub(crate) fn both_stand(&self) -> bool {
        self.master.supervisor.is_running() && self.standby.supervisor.is_running()
    }

    /// A trial in which two children never ran at once: by their records, and by the locks that they take.
    #[track_caller]
    pub(crate) fn never_two(&self) -> Trial {
        let record = self.group.record();
        assert_eq!(record.overlaps(), Vec::<String>::new());
        Trial::overlapping(overlap(record.starts(), &[]))
    }
}

/// Sends a signal to several processes, one right after the other.
#[track_caller]
pub(crate) fn signal(pids: &[Pid], signal: Signal) {
    for &pid in pids {
        kill(pid, signal).unwrap_or_else(|error| panic!("{pid}: {error}"));
    }
}
