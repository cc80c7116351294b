//! A wrapper whose processes are killed or stopped, and a host that freezes.
//!
//! The peers are one process. We are two: each is killed and stopped alone, then both, which is what the death of a
//! host's whole supervisor comes to.

use super::bench::{Pair, SESSION, now, signal};
use super::figures::{LEFT, OVERLAP, Stopped, Trial, overlap};
use super::stop::nothing_left;
use crate::support::{Ensemble, Who, holds_for, is_alive, millis, secs, wait_for, wait_until};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::time::Duration;

/// How long a wrapper is stopped, and a host frozen: 3 T.
const STOPPED_FOR: Duration = secs(3 * SESSION.as_secs());

/// How soon what is to die at once must be dead: the kernel's doing, on a busy machine.
const AT_ONCE: Duration = secs(2);

/// How long a host that was frozen may run beside the next until its guardian has run, on a busy machine.
const SOON: Duration = millis(500);

/// S2: the guardian alone, with a grandchild in a session of its own.
pub(crate) fn guardian_killed(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &["--daemon"]);
    let mut tree = pair.group.record().descendants().to_vec();
    assert_eq!(tree.len(), 1, "the grandchild runs");
    tree.push(pair.run.pid);
    let killed = now();
    signal(&[pair.master.supervisor.guardian()], Signal::SIGKILL);
    let next = pair.wait_next();
    let trial = nothing_left(pair.never_two(), &tree);
    trial
        .span("next child after", next.start - killed)
        .span("orphan for", pair.first().end.saturating_sub(killed))
}

/// S2: the elector alone: the guardian starts another.
pub(crate) fn elector_killed(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &[]);
    pair.master.supervisor.signal(Who::Elector, Signal::SIGKILL);
    let span = wait_resumed(&pair);
    pair.assert_untouched(SESSION);
    let trial = pair.never_two().was(super::figures::SURVIVED, true);
    trial.span("term resumed after", span)
}

#[track_caller]
fn wait_resumed(pair: &Pair) -> Duration {
    wait_until("the term is resumed", secs(20), || {
        pair.master.supervisor.logged("resumed the term") > 0
    })
}

/// Kills guardian and elector as one; returns when.
#[track_caller]
fn kill_both(pair: &Pair) -> Duration {
    let both = pair.master.wrapper();
    let killed = now();
    signal(&both, Signal::SIGSTOP);
    signal(&both, Signal::SIGKILL);
    killed
}

/// S2: both at once.
pub(crate) fn both_killed(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &[]);
    let killed = kill_both(&pair);
    wait_until("the kernel has killed the child", AT_ONCE, || {
        !is_alive(pair.run.pid)
    });
    let orphan = now() - killed;
    let next = pair.wait_next();
    let trial = nothing_left(pair.never_two(), &[pair.run.pid]);
    trial
        .span("next child after", next.start - killed)
        .span("orphan for", orphan)
}

/// S2: both at once, outside systemd, with a grandchild in a session of its own: nobody is left to kill it, so it is
/// only shown for how long it stays, and that the next supervisor of this name finds it.
pub(crate) fn both_killed_with_a_daemon(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &["--daemon", "--run-on"]);
    pair.group.may_overlap();
    let daemon = pair.group.record().descendants()[0];
    let killed = kill_both(&pair);
    let next = pair.wait_next();
    let left = is_alive(daemon);
    let again = now();
    let config = super::bench::config(&pair.group, "a");
    let command = pair.group.witness(&["--daemon", "--run-on"]);
    let links = &pair.master.links;
    let _again = config.exec(&command).through(links).start();
    wait_until("the next supervisor kills it", secs(10), || {
        !is_alive(daemon)
    });
    let found = now() - again;
    Trial::default()
        .span("next child after", next.start - killed)
        .was(LEFT, left)
        .span("killed by the next supervisor within", found)
}

/// S3: the guardian alone: its elector kills it, and what it kept.
pub(crate) fn guardian_stopped(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &[]);
    let stopped = now();
    pair.master
        .supervisor
        .signal(Who::Guardian, Signal::SIGSTOP);
    let next = pair.wait_next();
    watch_until(&pair, stopped + STOPPED_FOR);
    let trial = pair.never_two();
    trial
        .span("next child after", next.start - stopped)
        .span("old child dead after", pair.first().end - stopped)
}

/// S3: the elector alone: the guardian kills it and starts another.
pub(crate) fn elector_stopped(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &[]);
    pair.master.supervisor.signal(Who::Elector, Signal::SIGSTOP);
    let span = wait_resumed(&pair);
    pair.assert_untouched(STOPPED_FOR.saturating_sub(span));
    let trial = pair.never_two().was(super::figures::SURVIVED, true);
    trial.span("term resumed after", span)
}

/// Looks until then that no two run at once.
#[track_caller]
fn watch_until(pair: &Pair, end: Duration) {
    holds_for("no two run", end.saturating_sub(now()), || {
        pair.group.record().overlaps().is_empty()
    });
}

/// S3: both at once, outside systemd: nobody is left to stop the child. Shown, not asserted, but for its end.
pub(crate) fn both_stopped(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &["--run-on"]);
    pair.group.may_overlap();
    let both = pair.master.wrapper();
    let stopped = now();
    signal(&both, Signal::SIGSTOP);
    let next = pair.wait_next();
    wait_for("it has been stopped long enough", STOPPED_FOR * 2, || {
        (now() >= stopped + STOPPED_FOR).then_some(())
    });
    let woken = now();
    signal(&[both[1], both[0]], Signal::SIGCONT);
    wait_until("the old child is dead", AT_ONCE, || !is_alive(pair.run.pid));
    let both_ran = overlap(pair.group.record().starts(), &[]);
    Trial::overlapping(both_ran)
        .span("next child after", next.start - stopped)
        .span("old child dead after CONT", lived_on(&pair, woken))
}

/// For how long the first child was seen to execute after a moment.
fn lived_on(pair: &Pair, since: Duration) -> Duration {
    pair.first().end.saturating_sub(since)
}

/// S3b: every process of the host at once, as when a virtual machine is paused. The guardian is the last to wake.
pub(crate) fn host_frozen(ensemble: &Ensemble) -> Trial {
    let pair = Pair::start(ensemble, &["--run-on"]);
    pair.group.may_overlap();
    let [guardian, elector] = pair.master.wrapper();
    let host = [guardian, elector, pair.run.pid];
    let from = now();
    signal(&host, Signal::SIGSTOP);
    let next = pair.wait_next();
    wait_for("it has been frozen long enough", STOPPED_FOR * 2, || {
        (now() >= from + STOPPED_FOR).then_some(())
    });
    let until = now();
    signal(&[pair.run.pid, elector, guardian], Signal::SIGCONT);
    wait_until("the old child is dead", AT_ONCE, || !is_alive(pair.run.pid));
    let dead = now();
    let pid: Pid = pair.run.pid;
    let stop = Stopped { pid, from, until };
    holds_for("the next runs on", millis(500), || next.is_alive());
    let both_ran = overlap(pair.group.record().starts(), &[stop]);
    assert!(both_ran < SOON, "the guardian was slow: {both_ran:?}");
    Trial::default()
        .span(OVERLAP, both_ran)
        .span("next child after", next.start - from)
        .span("old child dead within", dead - until)
}
