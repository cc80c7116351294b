//! Losing it: whatever ends a term, the whole tree is stopped, reaped, then the term is given back.

use crate::launch::{ELECTED_WITHIN, FENCES, Fence, Host, Hydra, timing};
use crate::measure::{BUSY, LONG};
use crate::support::{
    Ensemble, Group, Link, Who, expire, holds_for, is_alive, millis, secs, shared, wait_for,
    wait_until,
};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::time::Duration;
use zk_supervise::clock;

/// What the harness asks of the ensemble if a test does not say otherwise.
const SESSION: Duration = secs(4);

/// How late the last renewal before a cut may have been on a busy machine.
const SLACK: Duration = secs(1);

/// The clock of the witness and of the product.
fn now() -> Duration {
    Duration::from_nanos(clock::now().as_nanos())
}

fn links() -> Vec<Link> {
    let servers = shared().servers().iter();
    servers.map(|server| Link::to(server.socket())).collect()
}

/// The log has these messages in this order, others between them.
#[track_caller]
fn assert_told(host: &Host, story: &[&str]) {
    let log = host.log();
    let mut messages = log.iter().filter_map(|line| line["message"].as_str());
    for message in story {
        assert!(messages.any(|it| it == *message), "{message}, of {story:?}");
    }
}

/// T, as JSON.
#[track_caller]
fn term(group: &Group) -> serde_json::Value {
    group
        .znodes()
        .read(&group.term())
        .expect("T is there")
        .json()
}

/// Waits for the first witness and so many descendants of its; returns them, the witness last.
#[track_caller]
fn wait_tree(group: &Group, descendants: usize) -> Vec<Pid> {
    wait_for("the whole tree runs", ELECTED_WITHIN, || {
        let record = group.record();
        let mut tree = record.descendants().get(..descendants)?.to_vec();
        tree.push(record.starts()[0].pid);
        Some(tree)
    })
}

/// The whole order of things: stopped, dead, given back, won again.
const AND_AGAIN: [&str; 6] = [
    "child started",
    "stopping the child",
    "child ended",
    "released the term",
    "promoted",
    "child started",
];

#[test]
fn a_deleted_master_znode_stops_the_whole_tree_then_releases_then_campaigns_again() {
    let cases = FENCES.map(|fence| {
        let group = Group::new(shared());
        let command = group.witness(&["--daemon", "--children", "2"]);
        let host = Host::start(&group.config("a").exec(&command).write(), fence);
        (host, group)
    });
    for (host, group) in &cases {
        let tree = wait_tree(group, 3);
        let first = group.record().starts()[0].clone();
        assert!(group.znodes().delete(&group.master()));
        let second = group.wait_takeover(&first, secs(5));
        assert!(!tree.iter().any(|&pid| is_alive(pid)));
        assert!(second.token > first.token);
        assert_told(host, &AND_AGAIN);
        let record = group.record();
        // The daemon is deaf: it took the grace period, and then force.
        assert!(record.starts()[0].stopped, "the main process was asked");
        println!("after the deletion nobody ran for {:?}", record.last_gap());
    }
}

#[test]
fn a_session_that_was_ended_stops_the_tree_then_releases_then_campaigns_again() {
    let group = Group::hasty(shared());
    let host = Host::start(&group.config("a").write(), Fence::Cgroup);
    let first = group.wait_running(ELECTED_WITHIN);
    let server = &shared().servers()[0];
    expire(server, group.master_session()).expect("the password follows from the id");
    group.wait_takeover(&first, secs(10));
    assert_told(&host, &AND_AGAIN);
    assert!(group.record().starts()[0].stopped);
    println!(
        "after the end nobody ran for {:?}",
        group.record().last_gap()
    );
}

#[test]
fn a_term_record_that_another_took_stops_the_tree_and_is_left_as_it_is() {
    let group = Group::new(shared());
    let host = Host::start(&group.config("a").write(), Fence::Cgroup);
    let first = group.wait_running(ELECTED_WITHIN);
    let theirs = r#"{"format":1,"state":"held","holder":"z","term":"00000000000000aa-1","generation":0,"lease_ms":60000,"token":"1","version":"9"}"#;
    group.znodes().write(&group.term(), theirs.as_bytes());
    wait_until("the child is stopped", secs(5), || {
        group.record().starts()[0].stopped
    });
    wait_for("the term is left", secs(5), || {
        host.find("left the term: the next master waits out its lease")
    });
    assert_told(
        &host,
        &[
            "stopping the child",
            "child ended",
            "left the term: the next master waits out its lease",
        ],
    );
    // It campaigns over that record as over any other: its child starts when their minute is over, not before.
    holds_for("T is left alone, and nobody starts", secs(2), || {
        let term = group.znodes().read(&group.term()).expect("T is there");
        let is_theirs = term.data == theirs.as_bytes() || term.json()["lease_ms"] == 60000;
        is_theirs && group.record().starts().len() == 1
    });
    assert_eq!(host.logged("released the term"), 0);
    assert!(!first.is_alive());
}

/// R3: a standby that knew the record held waits it out, although a root that nobody knew would be a new election.
#[test]
fn a_root_that_is_deleted_with_all_below_it_does_not_make_two() {
    let cases = [false, true].map(|is_cut_off| {
        let group = Group::hasty(shared());
        let links = links();
        let deaf = group.witness(&["--ignore-term", "--daemon"]);
        let master = group.config("master").exec(&deaf).through(&links).start();
        group.wait_running(ELECTED_WITHIN);
        let standby = group.start("standby");
        wait_until("both are listed", secs(10), || {
            group.candidates().len() == 2
        });
        let first = group.record().starts()[0].clone();
        if is_cut_off {
            links.iter().for_each(Link::blackhole);
        }
        group.znodes().delete_all(group.root());
        (group, [master, standby], links, first)
    });
    for (group, _hosts, links, first) in &cases {
        let next = group.wait_takeover(first, timing(SESSION).takeover_after() + BUSY);
        assert!(next.token > first.token);
        links.iter().for_each(Link::heal);
    }
}

#[test]
fn a_master_in_a_black_hole_stops_its_tree_by_itself_in_time() {
    // A grace period of 1.3 s, so that a child gets the 400 ms it needs on a busy machine too.
    let session = secs(8);
    let timing = timing(session);
    let cases = [
        &["--daemon"][..],
        &["--ignore-term", "--children", "2"],
        &["--stop-after", "400"],
    ]
    .map(|options| {
        let group = Group::new(shared());
        let links = links();
        let lost = group
            .config("lost")
            .session(session)
            .exec(&group.witness(options))
            .through(&links);
        let lost = lost.start();
        group.wait_running(ELECTED_WITHIN);
        let other = group.config("other").session(session).start();
        (lost, other, links, group, options)
    });
    for (lost, other, links, group, options) in &cases {
        wait_until("the other is listed", secs(10), || {
            group.candidates().len() == 2
        });
        let cut = now();
        links.iter().for_each(Link::blackhole);
        let first = group.record().starts()[0].clone();
        let second = group.wait_takeover(&first, timing.takeover_after() + BUSY);
        assert_eq!(
            (first.name.as_str(), second.name.as_str()),
            ("lost", "other")
        );
        let first = group.record().starts()[0].clone();
        let asked = first
            .asked
            .expect("it was asked to stop")
            .saturating_sub(cut);
        let ended = first.end.saturating_sub(cut);
        let started = second.start.saturating_sub(cut);
        println!(
            "{options:?}: asked {asked:?}, ended {ended:?}, the next {started:?} after the cut"
        );
        assert!(asked < timing.stop_after() + BUSY, "{asked:?}");
        assert!(
            asked + timing.renew_interval * 2 + SLACK > timing.stop_after(),
            "{asked:?}"
        );
        assert_eq!(first.stopped, !options.contains(&"--ignore-term"));
        assert!(lost.is_running() && other.is_running());
    }
}

#[test]
fn a_lone_master_in_a_black_hole_stops_and_campaigns_again_when_it_is_healed() {
    let group = Group::hasty(shared());
    let links = links();
    let host = group.config("a").through(&links).start();
    let first = group.wait_running(ELECTED_WITHIN);
    links.iter().for_each(Link::blackhole);
    wait_until("the child is stopped", secs(5), || {
        group.record().starts()[0].stopped
    });
    assert_eq!(host.logged("released the term"), 0);
    links.iter().for_each(Link::heal);
    let second = group.wait_takeover(&first, secs(15));
    assert!(second.token > first.token);
}

#[test]
fn a_child_that_needs_its_grace_period_gets_it_and_the_supervisor_exits_0() {
    let cases = [Signal::SIGTERM, Signal::SIGINT].map(|signal| {
        let group = Group::new(shared());
        let command = group.witness(&["--stop-after", "1500", "--daemon"]);
        let config = group.config("a").session(secs(8)).exec(&command);
        let host = config.set("command.grace_period", "\"2500ms\"").start();
        (host, group, signal)
    });
    for (mut host, group, signal) in cases {
        let tree = wait_tree(&group, 1);
        host.signal(Who::Guardian, signal);
        assert!(host.wait_exit(secs(10)).success());
        assert!(!tree.iter().any(|&pid| is_alive(pid)));
        let electors = host.logged("elector started");
        assert_eq!(electors, 1, "who has given the term back is not replaced");
        let run = group.record().starts()[0].clone();
        let asked = run.asked.expect("it was asked");
        assert!(run.stopped && run.end - asked >= millis(1500));
        assert_eq!(term(&group)["state"], "released");
        assert!(!group.znodes().exists(&group.master()));
        assert_eq!(group.candidates(), Vec::<String>::new());
    }
}

#[test]
fn a_second_signal_ends_the_grace_period() {
    for signals in [[Signal::SIGTERM; 2], [Signal::SIGINT, Signal::SIGTERM]] {
        let group = Group::new(shared());
        let command = group.witness(&["--ignore-term", "--daemon", "--children", "1"]);
        let config = group.config("a").session(secs(60)).exec(&command);
        let mut host = config.set("command.grace_period", "\"30s\"").start();
        let tree = wait_tree(&group, 2);
        host.signal(Who::Guardian, signals[0]);
        wait_until("it was asked", BUSY, || {
            group.record().starts()[0].asked.is_some()
        });
        holds_for("it has its grace period", millis(500), || is_alive(tree[2]));
        host.signal(Who::Guardian, signals[1]);
        let span = wait_until("the tree is dead", BUSY, || {
            !tree.iter().any(|&pid| is_alive(pid))
        });
        println!("dead {span:?} after the second signal");
        assert!(host.wait_exit(BUSY).success());
        assert_eq!(term(&group)["state"], "released");
    }
}

/// As `timeout(1)` sends its own: to the process, then to its group.
#[test]
fn signals_that_come_together_leave_the_child_its_grace_period() {
    let group = Group::new(shared());
    let command = group.witness(&["--stop-after", "700"]);
    let mut host = group.config("a").session(LONG).exec(&command).start();
    group.wait_running(ELECTED_WITHIN);
    host.signal(Who::Guardian, Signal::SIGTERM);
    host.signal(Who::Guardian, Signal::SIGINT);
    assert!(host.wait_exit(BUSY).success());
    assert!(group.record().starts()[0].stopped, "it ended by itself");
    assert_eq!(host.logged("asked to stop"), 2);
}

#[test]
fn no_descendant_outlives_the_supervisor_whatever_it_did() {
    let cases = FENCES.map(|fence| {
        let group = Group::new(shared());
        let command = group.witness(&["--ignore-term", "--daemon", "--children", "3"]);
        let host = Host::start(&group.config("a").exec(&command).write(), fence);
        (host, group)
    });
    for (mut host, group) in cases {
        let tree = wait_tree(&group, 4);
        host.signal(Signal::SIGTERM);
        assert!(host.wait_exit(secs(5)).success());
        assert!(!tree.iter().any(|&pid| is_alive(pid)));
        assert_eq!(term(&group)["state"], "released");
    }
}

#[test]
fn not_even_a_tree_that_never_stops_forking_outlives_the_supervisor() {
    let cases = FENCES.map(|fence| {
        let group = Group::new(shared());
        let hydra = Hydra::of(&group);
        let file = group.config("a").exec(&hydra.command()).write();
        (Host::start(&file, fence), group, hydra)
    });
    for (mut host, group, hydra) in cases {
        hydra.wait_running();
        host.signal(Signal::SIGTERM);
        assert!(host.wait_exit(secs(5)).success());
        assert!(!hydra.is_alive());
        assert_eq!(term(&group)["state"], "released");
    }
}

#[test]
fn what_a_main_process_leaves_behind_is_dead_before_it_is_started_again() {
    let cases = FENCES.map(|fence| {
        let group = Group::new(shared());
        let command = group.witness(&["--exit-after", "700", "--daemon", "--children", "2"]);
        let host = Host::start(&group.config("a").exec(&command).write(), fence);
        (host, group)
    });
    for (host, group) in &cases {
        let tree = wait_tree(group, 3);
        let first = group.record().starts()[0].clone();
        let second = wait_for("it is started again", secs(10), || {
            group.record().starts().get(1).cloned()
        });
        assert!(!tree.iter().any(|&pid| is_alive(pid)));
        // The same term: a child that ends by itself is no reason to give it up.
        assert_eq!(second.token, first.token);
        assert_told(
            host,
            &[
                "child started",
                "stopping the child",
                "child ended",
                "child started",
            ],
        );
        assert_eq!(host.logged("promoted"), 1);
    }
}

#[test]
fn a_standby_that_is_told_to_stop_exits_at_once_and_the_master_runs_on() {
    let group = Group::new(shared());
    let _master = group.start("master");
    let run = group.wait_running(ELECTED_WITHIN);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut standby = group.config("standby").session(LONG).start();
        wait_until("it is listed", secs(10), || group.candidates().len() == 2);
        standby.signal(Who::Guardian, signal);
        assert!(standby.wait_exit(BUSY).success());
        wait_until("it is listed no more", BUSY, || {
            group.candidates().len() == 1
        });
    }
    assert!(is_alive(run.pid));
}

#[test]
fn a_candidate_that_waits_a_lease_out_can_be_told_to_stop_and_leaves_the_wait_to_the_next() {
    let group = Group::new(shared());
    let mut first = group.start("first");
    let run = group.wait_running(ELECTED_WITHIN);
    first.crash();
    // It saw nothing of the lease before, so it waits it out in full; M goes with its session meanwhile.
    let start = |name| group.config(name).session(secs(8)).start();
    let mut second = start("second");
    let server = &shared().servers()[0];
    expire(server, group.master_session()).expect("the password follows from the id");
    wait_until("it is promoted, and waits", BUSY, || {
        second.logged("promoted") == 1
    });
    assert_eq!(group.record().starts().len(), 1, "it waits");
    second.signal(Who::Guardian, Signal::SIGTERM);
    assert!(second.wait_exit(BUSY).success());
    assert_eq!(group.record().starts().len(), 1);
    // R7: its own wait-out had not passed, so what it held is not free for the next one.
    assert_eq!(term(&group)["state"], "held");
    assert!(!group.znodes().exists(&group.master()));
    let _third = start("third");
    group.wait_takeover(&run, secs(10) + BUSY);
}

#[test]
fn a_supervisor_that_reaches_no_server_can_be_told_to_stop() {
    let ensemble = Ensemble::quick();
    let group = Group::new(&ensemble);
    let command = group.witness(&["--ignore-term"]);
    let mut master = group.config("master").exec(&command).start();
    let run = group.wait_running(ELECTED_WITHIN);
    let mut standby = group.start("standby");
    wait_until("it is listed", secs(10), || group.candidates().len() == 2);
    for server in ensemble.servers() {
        server.kill();
    }
    let mut stranger = group.start("stranger");
    wait_for("it knows that there is none", secs(10), || {
        (stranger.logged("the ensemble does not answer: waiting for it") > 0).then_some(())
    });
    let began = now();
    for host in [&master, &standby, &stranger] {
        host.signal(Who::Guardian, Signal::SIGTERM);
    }
    for host in [&mut standby, &mut stranger, &mut master] {
        assert!(host.wait_exit(secs(6)).success());
        println!("{} has exited after {:?}", host.name(), now() - began);
    }
    assert!(!is_alive(run.pid));
}
