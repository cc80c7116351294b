//! What SIGKILL cannot end: the term is not given back, and the operator is told.

use crate::launch::{ELECTED_WITHIN, timing};
use crate::measure::BUSY;
use crate::support::time::now;
use crate::support::{
    Freezer, Group, Supervisor, Who, children, holds_for, is_alive, millis, secs, shared, skip,
    wait_until,
};
use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::time::SystemTime;

const ALARM: &str =
    "the child outlives its lease: SIGKILL has no effect, and the term is not released";

/// The guardian's rule 6.
#[test]
fn a_tree_that_cannot_be_killed_delays_the_release_and_raises_the_alarm() {
    let Some(freezer) = Freezer::new() else {
        return;
    };
    let group = Group::new(shared());
    let mut host = group.config("a").session(secs(12)).start();
    let run = group.wait_running(ELECTED_WITHIN);
    freezer.freeze(run.pid);
    let asked = now();
    host.signal(Who::Guardian, Signal::SIGTERM);
    // SIGKILL comes after a grace period of 2 s, and the lease is over 9.9 s after a renewal.
    wait_until("it is killed", BUSY, || {
        host.logged("killing the child") == 1
    });
    assert_eq!(host.logged(ALARM), 0, "its lease is not over");
    wait_until("the alarm is raised", BUSY, || host.logged(ALARM) > 0);
    // The last renewal may have been a while before we asked.
    let timing = timing(secs(12));
    let since = now() - asked + timing.renew_interval * 2 + secs(1);
    assert!(since > timing.lease, "its lease was not over: {since:?}");
    holds_for("it is not told again at once", secs(3), || {
        host.logged(ALARM) == 1 && host.is_running() && host.logged("released the term") == 0
    });
    assert!(is_alive(run.pid));
    freezer.thaw();
    let status = host.wait_exit(BUSY);
    assert_eq!(status.code(), Some(0));
    assert!(!is_alive(run.pid));
    assert_eq!(host.logged("released the term"), 1);
}

/// A guardian that was stopped beyond the lease kills late: what is killed gets a second to die, as ever.
#[test]
fn what_is_killed_after_its_lease_is_no_alarm_yet() {
    let Some(freezer) = Freezer::new() else {
        return;
    };
    let group = Group::hasty(shared());
    let host = group.config("a").start();
    let run = group.wait_running(ELECTED_WITHIN);
    freezer.freeze(run.pid);
    // Nobody else could kill it, either.
    for who in [Who::Elector, Who::Guardian] {
        host.signal(who, Signal::SIGSTOP);
    }
    let stopped = now();
    wait_until("its lease is over", BUSY, || {
        now() - stopped > timing(secs(4)).lease
    });
    host.signal(Who::Guardian, Signal::SIGCONT);
    wait_until("the alarm is raised", BUSY, || host.logged(ALARM) == 1);
    let waited = told_at(&host, ALARM).duration_since(told_at(&host, "killing the child"));
    // A log's times are whole milliseconds.
    assert!(waited.expect("in this order") >= secs(1) - millis(2));
    freezer.thaw();
    wait_until("it is dead", BUSY, || !is_alive(run.pid));
}

/// A process that was killed needs a processor to end, and others may have taken them all.
#[test]
fn what_is_killed_runs_before_others() {
    let Some(freezer) = Freezer::new() else {
        return;
    };
    let group = Group::hasty(shared());
    // A main process, a child of its own, and one of two threads.
    let threads =
        "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()";
    let script = format!("python3 -c '{threads}' & exec \"$@\"");
    let mut command = ["/bin/sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    command.extend(group.witness(&["--children", "1"]));
    let host = group.config("a").exec(&command).start();
    let run = group.wait_running(ELECTED_WITHIN);
    if !host.log().iter().any(|line| line["realtime"] == "yes") {
        return skip("no real-time priority here");
    }
    let mut tree = Vec::new();
    wait_until("all of it runs", ELECTED_WITHIN, || {
        tree = children(run.pid);
        tree.push(run.pid);
        policies(&tree) == [libc::SCHED_OTHER; 4]
    });
    tree.iter().for_each(|&pid| freezer.freeze(pid));
    host.signal(Who::Guardian, Signal::SIGTERM);
    wait_until("each of its threads is hurried", BUSY, || {
        policies(&tree) == [libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK; 4]
    });
    freezer.thaw();
    wait_until("all of it is dead", BUSY, || {
        !tree.iter().any(|&pid| is_alive(pid))
    });
}

/// How each thread of these processes is scheduled.
fn policies(processes: &[Pid]) -> Vec<i32> {
    let tasks = |pid| std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = processes.iter().flat_map(tasks).flatten().flatten();
    let numbers = threads.filter_map(|it| it.file_name().to_str()?.parse().ok());
    // SAFETY: the call takes a number only.
    let policy = |thread| unsafe { libc::sched_getscheduler(thread) };
    numbers.map(policy).collect()
}

/// When this was logged first.
#[track_caller]
fn told_at(host: &Supervisor, message: &str) -> SystemTime {
    let log = host.log();
    let line = log.iter().find(|line| line["message"] == message);
    let time = line.and_then(|line| line["time"].as_str());
    humantime::parse_rfc3339(time.expect("it was told")).expect("a log's time")
}
