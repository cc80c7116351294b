//! The client library's three defects and its traps (facts/client.md): none of them reaches the child.

use crate::measure::{
    BUSY, ELECTED_WITHIN, LONG, Outage, all, complaints, cost, links, said, start_at, used,
};
use crate::support::{
    Group, Link, Netns, Who, expire, holds_for, millis, secs, shared, wait_until,
};
use nix::sys::signal::Signal;
use std::time::Duration;
use zk_supervise::core::lease::{Timing, Wish};
use zookeeper_client::Permission;

fn timing(session: Duration) -> Timing {
    Wish {
        session_timeout: Some(session),
        ..Wish::default()
    }
    .timing()
}

/// Defect A: with IP addresses and no route the library spins once its deadline has passed.
#[test]
fn a_network_that_is_down_for_less_than_the_lease_allows_costs_the_master_nothing() {
    let Some(netns) = Netns::new(shared()) else {
        return;
    };
    let group = Group::new(shared());
    let config = group.config("a").session(secs(12)).inside(&netns);
    let host = config.set("command.grace_period", "\"1s\"").start();
    let run = group.wait_running(ELECTED_WITHIN);
    let outage = Outage::begin(&host);
    netns.unplug();
    let before = cost(&host);
    holds_for("the child runs on", secs(4), || run.is_alive());
    let spent = cost(&host).saturating_sub(before);
    println!("an unplugged master spent {spent:?} of processor time in 4 s");
    assert!(spent < secs(1), "{spent:?}");
    netns.plug();
    let outage = outage.end(&host, secs(20));
    println!("unplugged for 4 s: renewals were out for {outage:?}");
    assert_eq!(group.record().starts().len(), 1);
    assert!(run.is_alive());
    assert_eq!(said(&host, "elector started"), 1);
}

/// Defect A again, and C: long after the session must be over the library still has not said so.
#[test]
fn a_network_that_is_down_for_long_stops_the_child_in_time_and_needs_no_restart_by_hand() {
    let Some(netns) = Netns::new(shared()) else {
        return;
    };
    let group = Group::new(shared());
    let host = group.config("a").session(secs(4)).inside(&netns).start();
    let first = group.wait_running(ELECTED_WITHIN);
    netns.unplug();
    let stopped = wait_until("the child is stopped", secs(10), || !first.is_alive());
    println!("the child of an unplugged master ended after {stopped:?}");
    let (before, span) = (cost(&host), secs(8));
    holds_for("nothing runs", span, || group.record().current().is_none());
    let spent = cost(&host).saturating_sub(before);
    println!("an unplugged standby spent {spent:?} of processor time in {span:?}");
    assert!(spent < span / 5, "{spent:?}");
    netns.plug();
    let took = wait_until("it is master again", secs(20), || {
        group.record().current().is_some()
    });
    println!("master again {took:?} after the network came back");
    assert!(group.record().starts()[1].token > first.token);
    assert!(host.is_running());
}

/// Defect A: nor does closing a session wait for a library that cannot.
#[test]
fn a_supervisor_that_is_told_to_stop_without_a_network_stops_its_child_and_exits() {
    let Some(netns) = Netns::new(shared()) else {
        return;
    };
    let group = Group::new(shared());
    let config = group.config("a").session(secs(10));
    let mut host = config.inside(&netns).start();
    let run = group.wait_running(ELECTED_WITHIN);
    netns.unplug();
    host.signal(Who::Guardian, Signal::SIGTERM);
    let stopped = wait_until("the child is stopped", secs(5), || !run.is_alive());
    let status = host.wait_exit(secs(10));
    println!("the child ended after {stopped:?}; {status}");
    assert!(status.success());
    let _other = group.start("other");
    // It was not given back: T stays held, and M until the session has run out.
    group.wait_takeover(&run, secs(20));
}

/// Defect B: persistent watches are lost when the library reconnects.
#[test]
fn a_standby_that_had_to_reconnect_still_hears_at_once_that_m_is_gone() {
    let group = Group::new(shared());
    // A poll an hour from now, so that only the watch can tell.
    let slow = |name| {
        let config = group.config(name).session(secs(60));
        config
            .set("election.lease", "\"25s\"")
            .set("election.poll_interval", "\"30s\"")
    };
    let mut master = slow("master").start();
    let first = group.wait_running(ELECTED_WITHIN);
    let links = links(shared());
    let standby = start_at(slow("standby"), &links, 0);
    wait_until("it stands by", secs(10), || group.candidates().len() == 2);
    for _ in 0..3 {
        let reconnected = said(&standby, "connected again");
        used(&links).reset();
        wait_until("it reconnects", secs(10), || {
            said(&standby, "connected again") > reconnected
        });
        // Its look after that takes some milliseconds.
        holds_for("the master is not touched", millis(300), || {
            first.is_alive()
        });
    }
    let changes = || said(&standby, "the master znode changed");
    let before = changes();
    master.signal(Who::Guardian, Signal::SIGTERM);
    let heard = wait_until("the standby hears of it", BUSY, || changes() > before);
    group.wait_takeover(&first, BUSY);
    let gap = group.record().last_gap().expect("two ran");
    println!("it heard of it within {heard:?}, and nobody ran for {gap:?}");
    assert!(master.wait_exit(secs(10)).success());
}

/// Defect C: the library reports an expiry 40 % late, or never.
#[test]
fn a_master_that_nobody_hears_is_succeeded_within_its_bound_and_its_child_is_dead_before() {
    let group = Group::new(shared());
    let links = links(shared());
    let session = secs(6);
    let timing = timing(session);
    let mute = start_at(group.config("mute").session(session), &links, 0);
    let first = group.wait_running(ELECTED_WITHIN);
    let _other = group.config("other").session(session).start();
    wait_until("the other stands by", ELECTED_WITHIN, || {
        group.candidates().len() == 2
    });
    all(&links, Link::blackhole);
    let stopped = wait_until("its child is stopped", BUSY, || !first.is_alive());
    let second = group.wait_takeover(&first, timing.takeover_after() + BUSY);
    let gap = group.record().last_gap().expect("two ran");
    println!("the child ended after {stopped:?}, and nobody ran for {gap:?}");
    assert_eq!(second.name, "other");
    all(&links, Link::heal);
    wait_until("it is back", secs(20), || group.candidates().len() == 2);
    holds_for("the other runs on", secs(1), || second.is_alive());
    assert!(mute.is_running());
}

/// A dropped client of the library leaves its session open for seconds; a clean exit must not.
#[test]
fn a_supervisor_that_exits_leaves_no_session_behind() {
    let group = Group::new(shared());
    let mut hosts = ["a", "b"].map(|name| group.config(name).session(LONG).start());
    group.wait_running(ELECTED_WITHIN);
    wait_until("both are listed", secs(10), || {
        group.candidates().len() == 2
    });
    for host in &mut hosts {
        host.signal(Who::Guardian, Signal::SIGTERM);
    }
    for host in &mut hosts {
        assert!(host.wait_exit(secs(10)).success());
    }
    wait_until("no candidate is listed", BUSY, || {
        group.candidates().is_empty()
    });
    assert!(!group.znodes().exists(&group.master()));
}

/// The library tries one server after the other; one that swallows everything must not starve the rest.
#[test]
fn a_server_that_swallows_everything_delays_the_start_by_no_more_than_its_connect_timeout() {
    let group = Group::new(shared());
    let links = links(shared());
    links[0].blackhole();
    links[1].blackhole();
    let mut took = Duration::ZERO;
    let _host = group.config("a").session(secs(10)).through(&links).start();
    took += wait_until("the child runs", ELECTED_WITHIN, || {
        group.record().current().is_some()
    });
    // Two connect timeouts of a second, and the start of a supervisor.
    println!("with two of three servers mute the child ran after {took:?}");
}

/// The library keeps the timeout that it was first granted, and nobody looks at what was asked.
#[test]
fn a_session_that_is_granted_shorter_shortens_the_lease() {
    let group = Group::new(shared());
    // The longest that these servers grant is 60 s.
    let host = group.config("a").session(secs(90)).start();
    group.wait_running(ELECTED_WITHIN);
    let term = group
        .znodes()
        .read(&group.term())
        .expect("it is held")
        .json();
    assert_eq!(term["lease_ms"], 50_000);
    let warned = "the ensemble grants a shorter session than asked: the lease is shorter too";
    assert_eq!(said(&host, warned), 1);
}

#[test]
fn a_session_that_is_granted_too_short_is_not_campaigned_on() {
    let group = Group::new(shared());
    let config = group.config("a").session(secs(120));
    let host = config.set("command.grace_period", "\"55s\"").start();
    let refused = "the ensemble grants too short a session: not campaigning";
    wait_until("it says so", ELECTED_WITHIN, || said(&host, refused) == 1);
    holds_for("it does not campaign", secs(2), || {
        !group.znodes().exists(&group.master()) && said(&host, "campaigning") == 0
    });
    assert_eq!(said(&host, refused), 1);
}

/// A session that is closed from outside again and again: each time the library must be left and another opened.
#[test]
fn a_standby_whose_sessions_are_ended_over_and_over_stays_a_candidate() {
    let group = Group::new(shared());
    let _master = group.start("master");
    let run = group.wait_running(ELECTED_WITHIN);
    let standby = group.start("standby");
    for _ in 0..5 {
        wait_until("it is listed", secs(10), || group.candidates().len() == 2);
        let path = format!("{}.candidates", group.master());
        let names = group.candidates();
        let own = names
            .iter()
            .find(|it| it.starts_with("standby~"))
            .expect("it is listed");
        let owner = || {
            let znode = group.znodes().read(&format!("{path}/{own}"));
            znode.map(|znode| znode.stat.ephemeral_owner)
        };
        let Some(before) = owner() else { continue };
        wait_until("it opens another", secs(10), || {
            // The library may come back just then, and take the connection from us.
            expire(&shared().servers()[0], before).ok();
            owner().is_some_and(|owner| owner != before)
        });
    }
    assert_eq!(said(&standby, "elector started"), 1);
    assert!(run.is_alive() && group.record().starts().len() == 1);
}

/// What is forbidden at the ensemble is neither fatal nor a reason to ask a hundred times a second.
#[test]
fn znodes_that_may_not_be_made_or_read_are_complained_of_once_and_asked_for_seldom() {
    let group = Group::new(shared());
    let locked = format!("{}/locked", group.root());
    group.znodes().create(&locked, b"");
    group.znodes().restrict(&locked, Permission::READ);
    let secret = format!("{}/secret", group.root());
    let term = format!("{secret}/master.term");
    group.znodes().create(&term, b"");
    group.znodes().restrict(&term, Permission::WRITE);
    for (name, root) in [("locked", format!("{locked}/root")), ("secret", secret)] {
        let config = group
            .config(name)
            .session(secs(6))
            .set("election.poll_interval", "\"500ms\"");
        let host = config.set("election.root", &format!("{root:?}")).start();
        wait_until("it tries", ELECTED_WITHIN, || {
            said(&host, "session opened") > 0
        });
        wait_until("it complains", secs(10), || !complaints(&host).is_empty());
        let (complaints_before, cost_before) = (complaints(&host), cost(&host));
        let tries =
            || said(&host, "refused") + said(&host, "look failed") + said(&host, "no answer");
        let tries_before = tries();
        let span = secs(3);
        holds_for("nothing runs", span, || group.record().starts().is_empty());
        let (tries, spent) = (
            tries() - tries_before,
            cost(&host).saturating_sub(cost_before),
        );
        println!("{name}: {tries} tries and {spent:?} of processor time in {span:?}");
        assert_eq!(complaints(&host), complaints_before);
        assert!(tries <= 10, "{tries} tries in {span:?}");
        assert!(spent < span / 5, "{spent:?}");
    }
}

/// `set T ""` by hand: what is empty was made, and never written, if nobody's child may be alive.
#[test]
fn an_emptied_record_lets_nobody_start_beside_a_master_that_is_cut_off() {
    let group = Group::hasty(shared());
    let links = links(shared());
    let _cut = group.config("a").through(&links).start();
    let first = group.wait_running(ELECTED_WITHIN);
    let standby = group.start("b");
    wait_until("both are listed", BUSY, || group.candidates().len() == 2);
    all(&links, Link::blackhole);
    group.znodes().write(&group.term(), b"");
    assert!(group.znodes().delete(&group.master()));
    let says_why = |line: &serde_json::Value| {
        let reason = line["reason"].as_str().unwrap_or_default();
        reason.ends_with("empty, although it was written before")
    };
    wait_until("the standby says why it waits", BUSY, || {
        standby.log().iter().any(says_why)
    });
    wait_until("the lease stops the child", BUSY, || !first.is_alive());
    assert_eq!(group.record().starts().len(), 1);
    group.znodes().delete(&group.term());
    assert_eq!(group.wait_takeover(&first, BUSY).name, "b");
}
