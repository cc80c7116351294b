//! The master's own connection: swallowed, or reset.

use super::bench::{Pair, SESSION, now};
use super::figures::{SURVIVED, Trial};
use super::stop::nothing_left;
use crate::support::{Ensemble, Link, holds_for, secs};
use std::time::Duration;

/// How long everything the master sends and is sent is swallowed: 2 T, then what was held back arrives.
const SWALLOWED_FOR: Duration = secs(2 * SESSION.as_secs());

/// How long a reset connection cannot be made again: 0.3 T.
const RESET_FOR: Duration = Duration::from_millis(300 * SESSION.as_secs());

/// S7: a black hole around the master.
pub(crate) fn swallowed(ensemble: &Ensemble) -> Trial {
    lost(&Pair::start(ensemble, &[]))
}

/// S7i: the same, and the child ignores SIGTERM.
pub(crate) fn swallowed_and_deaf(ensemble: &Ensemble) -> Trial {
    lost(&Pair::start(ensemble, &["--ignore-term"]))
}

/// S5c: the same, and the child has a grandchild in a session of its own.
pub(crate) fn with_a_daemon(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &["--daemon"]);
    let daemons = pair.group.record().descendants().to_vec();
    assert_eq!(daemons.len(), 1, "one of them runs");
    nothing_left(lost(&pair), &daemons)
}

#[track_caller]
fn lost(pair: &Pair) -> Trial {
    let cut = now();
    pair.master.cut(Link::blackhole);
    let next = pair.wait_next();
    let rest = (cut + SWALLOWED_FOR).saturating_sub(now());
    holds_for("the next runs on", rest, || next.is_alive());
    pair.master.cut(Link::heal);
    holds_for("and after it is healed", secs(3), || next.is_alive());
    assert!(pair.both_stand(), "nobody exits");
    let trial = pair.never_two();
    trial
        .span("old child last at", pair.first().end - cut)
        .span("next child at", next.start - cut)
}

/// S7r: the connection is reset, and refused for a while.
pub(crate) fn reset(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &[]);
    pair.master.cut(Link::refuse);
    holds_for("the child runs on", RESET_FOR, || pair.is_untouched());
    pair.master.cut(Link::heal);
    pair.assert_untouched(SESSION);
    pair.never_two().was(SURVIVED, true)
}
