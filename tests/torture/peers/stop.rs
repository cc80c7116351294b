//! A master that is asked to stop, and a child that ends by itself.

use super::bench::{ELECTED_WITHIN, Host, Pair, config, now};
use super::figures::{LEFT, Trial, Value};
use crate::support::{Ensemble, Group, Who, is_alive, secs};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::time::Duration;

/// The grace period for a child that needs 3 s, as the table shows it.
pub(crate) const LONG_GRACE: &str = "grace_period = \"3200ms\"";

/// By what name it is found again whether the child came to its own end.
const ALLOWED: &str = "allowed";

/// S0: from launch to the child.
pub(crate) fn launched(ensemble: &Ensemble) -> Trial {
    let group = Group::new(ensemble);
    let launched = now();
    let host = Host::start(ensemble, config(&group, "a"));
    let run = group.wait_running(ELECTED_WITHIN);
    host.tell_if_late(launched, &run);
    Trial::default().span("child after", run.start - launched)
}

/// Asks the master to stop, waits for the next child and for the end of the supervisor.
#[track_caller]
fn hand_over(pair: &mut Pair) -> Trial {
    let asked = now();
    pair.master
        .supervisor
        .signal(Who::Guardian, Signal::SIGTERM);
    let next = pair.wait_next();
    let status = pair.master.supervisor.wait_exit(secs(15));
    assert!(status.success(), "{status}");
    let trial = pair.never_two();
    trial.span("next child after", next.start - asked)
}

/// S1: a planned stop.
pub(crate) fn asked(ensemble: &Ensemble) -> Trial {
    hand_over(&mut Pair::start(ensemble, &[]))
}

/// S5a: the child ignores SIGTERM.
pub(crate) fn deaf(ensemble: &Ensemble) -> Trial {
    hand_over(&mut Pair::start(ensemble, &["--ignore-term"]))
}

/// S5b: the child has a grandchild in a session of its own.
pub(crate) fn with_a_daemon(ensemble: &Ensemble) -> Trial {
    let mut pair = Pair::start(ensemble, &["--daemon"]);
    let daemons = pair.group.record().descendants().to_vec();
    assert_eq!(daemons.len(), 1, "one of them runs");
    let trial = hand_over(&mut pair);
    nothing_left(trial, &daemons)
}

/// S5d: the child needs 3 s, of which the defaults for a session of 6 s do not allow for.
pub(crate) fn slow(ensemble: &Ensemble) -> Trial {
    allowed(Pair::start(ensemble, &["--stop-after", "3000"]))
}

/// S5d again, with a grace period that does.
pub(crate) fn slow_with_a_long_grace(ensemble: &Ensemble) -> Trial {
    let pair = Pair::with(ensemble, &["--stop-after", "3000"], |config| {
        config.set("command.grace_period", "\"3200ms\"")
    });
    let trial = allowed(pair);
    assert_eq!(trial.value(ALLOWED), Some(Value::Was(true)));
    trial
}

#[track_caller]
fn allowed(mut pair: Pair) -> Trial {
    let trial = hand_over(&mut pair);
    let first = pair.first();
    let ended: Duration = first.end - first.asked.expect("it was asked");
    trial.was(ALLOWED, first.stopped).span("ended after", ended)
}

/// S8: the child crashes.
pub(crate) fn crashed(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &[]);
    let crashed = now();
    kill(pair.run.pid, Signal::SIGKILL).expect("it runs");
    let next = pair.wait_next();
    let is_here = (&next.name, next.token) == (&pair.run.name, pair.run.token);
    assert!(is_here, "started again in its term: {next:?}");
    let trial = pair.never_two();
    trial
        .span("next child after", next.start - crashed)
        .was("on the same host", is_here)
}

/// Adds how many of these still run, which must be none.
#[track_caller]
pub(crate) fn nothing_left(trial: Trial, pids: &[Pid]) -> Trial {
    let left = pids.iter().filter(|&&pid| is_alive(pid)).count();
    assert_eq!(left, 0, "left behind of {pids:?}");
    trial.was(LEFT, left > 0)
}
