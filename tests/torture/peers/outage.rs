//! One server, which freezes, is restarted, or is not there yet.

use super::bench::{ELECTED_WITHIN, Host, Pair, SESSION, config, now};
use super::figures::{EXITED, SURVIVED, Trial};
use crate::support::{Ensemble, Group, holds_for, millis, secs, wait_for, wait_until};
use std::time::Duration;

/// The longest restart of a server that this row is about: the peers' took 0.8 s.
const RESTARTED_WITHIN: Duration = millis(2200);

/// How long the peers' server was down when they were started.
const DOWN_AT_BOOT: Duration = secs(10);

/// S4a: frozen for 2 T.
pub(crate) fn frozen_for_long(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &[]);
    let server = &ensemble.servers()[0];
    server.freeze();
    let from = now();
    holds_for("nobody exits", SESSION * 2, || pair.both_stand());
    server.thaw();
    let thawed = now();
    let first = pair.first();
    let next = pair.wait_next();
    assert!(pair.both_stand(), "nobody exits");
    let trial = pair.never_two();
    trial
        .span("child stopped after", first.end - from)
        .span("next child after the thaw", next.start - thawed)
        .was(EXITED, false)
}

/// S4b: restarted.
pub(crate) fn restarted(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &[]);
    let server = &ensemble.servers()[0];
    let down = now();
    server.kill();
    server.start();
    ensemble.wait_serving();
    let outage = now() - down;
    if outage > RESTARTED_WITHIN {
        return Trial::void(format!("the restart took {outage:.2?}"));
    }
    pair.assert_untouched(SESSION);
    let trial = pair.never_two().was(SURVIVED, true);
    trial.span("outage", outage)
}

/// S4c: frozen for T/2.
pub(crate) fn frozen_for_half(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &[]);
    let outage = match half(ensemble) {
        Ok(outage) => outage,
        Err(void) => return void,
    };
    pair.assert_untouched(SESSION);
    let trial = pair.never_two().was(SURVIVED, true);
    trial.span("outage", outage)
}

/// Freezes the server for half a session; a trial that proves nothing if it was longer.
fn half(ensemble: &Ensemble) -> Result<Duration, Trial> {
    let server = &ensemble.servers()[0];
    server.freeze();
    let from = now();
    wait_for("half a session", SESSION, || {
        (now() >= from + SESSION / 2).then_some(())
    });
    server.thaw();
    let outage = now() - from;
    ensemble.wait_serving();
    if outage > SESSION / 2 + millis(100) {
        return Err(Trial::void(format!("it was frozen for {outage:.2?}")));
    }
    Ok(outage)
}

/// S9: not there for the first 10 s.
pub(crate) fn down_at_boot(ensemble: &Ensemble) -> Trial {
    let group = Group::new(ensemble);
    let server = &ensemble.servers()[0];
    server.stop();
    let hosts = ["a", "b"].map(|name| Host::start(ensemble, config(&group, name)));
    let stand = || hosts.iter().all(|host| host.supervisor.is_running());
    holds_for("both wait", DOWN_AT_BOOT, || {
        stand() && group.record().starts().is_empty()
    });
    server.start();
    wait_until("it serves", secs(60), || server.is_serving());
    let serves = now();
    let run = group.wait_running(ELECTED_WITHIN);
    assert!(stand(), "both still run");
    Trial::default()
        .was(EXITED, false)
        .span("child after it serves", run.start.saturating_sub(serves))
}
