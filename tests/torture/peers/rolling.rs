//! Three servers: restarted one by one, and without their leader.

use super::bench::{Pair, SESSION, now};
use super::figures::{SURVIVED, Trial};
use crate::support::{Ensemble, Znodes, millis, secs, wait_for};
use std::time::Duration;

/// The longest that an election among the servers may take for these rows: on a quiet machine it takes half a second.
/// In a longer one nobody can renew.
const ELECTED_IN: Duration = millis(2000);

/// S11: each is stopped and started when the one before is back.
pub(crate) fn rolled(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &[]);
    let mut longest = Duration::ZERO;
    for server in ensemble.servers() {
        let leads = server.is_leader();
        let down = now();
        server.stop();
        if leads {
            longest = longest.max(wait_elected(ensemble, &server.address(), down));
        }
        server.start();
        wait_whole(ensemble);
    }
    judged(&pair, longest)
}

/// S12: the leader is killed.
pub(crate) fn leader_killed(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &[]);
    let leader = ensemble.leader();
    let killed = now();
    leader.kill();
    let election = wait_elected(ensemble, &leader.address(), killed);
    let trial = judged(&pair, election);
    leader.start();
    wait_whole(ensemble);
    trial
}

/// Waits for another leader; returns how long there was none since a moment.
#[track_caller]
fn wait_elected(ensemble: &Ensemble, old: &str, since: Duration) -> Duration {
    wait_for("another server leads", secs(40), || {
        let mut others = ensemble.servers().iter().filter(|it| it.address() != old);
        others.find(|server| server.is_leader()).map(drop)
    });
    now() - since
}

/// Waits until every server takes part: a write through each is committed.
fn wait_whole(ensemble: &Ensemble) {
    ensemble.wait_serving();
    for server in ensemble.servers() {
        Znodes::at(&[server.address()]).write("/", b"");
    }
}

/// The child must have lived through it, if the election was no longer than the row says.
#[track_caller]
fn judged(pair: &Pair, election: Duration) -> Trial {
    if election > ELECTED_IN {
        return Trial::void(format!("the election took {election:.2?}"));
    }
    pair.assert_untouched(SESSION);
    let trial = pair.never_two().was(SURVIVED, true);
    trial.span("without a leader", election)
}
