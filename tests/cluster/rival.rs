//! The edges of the election: lost replies, rivals that do not play by the rules, and many at once.

use crate::measure::{BUSY, ELECTED_WITHIN, all, complaints, links, said};
use crate::support::time::now;
use crate::support::{
    Group, Link, Run, Supervisor, Way, Who, Znodes, holds_for, millis, secs, shared, tell,
    wait_until,
};
use nix::sys::signal::Signal;
use std::time::Duration;
use zk_supervise::core::lease::{RateBound, wait_out};

/// The record of a term that nobody renews.
fn held(lease: Duration, generation: u32) -> Vec<u8> {
    let lease = lease.as_millis();
    format!(
        r#"{{"format":1,"state":"held","holder":"hung","term":"00000000000000aa-1","generation":{generation},"lease_ms":{lease},"token":"1","version":"0"}}"#
    )
    .into_bytes()
}

const LEASE: Duration = secs(3);
const BLOCKED: &str = "standing by: the znodes are not ours to use";

/// M of a session that lives on, beside the record of a term of it.
fn hung_master(group: &Group) -> Znodes {
    let hung = Znodes::of(shared());
    group.znodes().create(&group.term(), &held(LEASE, 0));
    hung.create_ephemeral(&group.master(), b"{}");
    hung
}

/// R10.
#[test]
fn a_master_that_hangs_while_its_session_lives_is_deposed_after_the_full_wait_out_and_not_before() {
    let group = Group::new(shared());
    let hung = hung_master(&group);
    let before = hung
        .read(&group.master())
        .expect("just made")
        .stat
        .ephemeral_owner;
    let began = now();
    let _hosts = ["a", "b"].map(|name| group.start(name));
    let took = group.wait_running(secs(20)).start.saturating_sub(began);
    println!("deposed after {took:?}");
    let bound = wait_out(LEASE, RateBound::DEFAULT);
    assert!(bound <= took, "{took:?}");
    assert_ne!(group.master_session(), before);
    assert_eq!(group.record().starts().len(), 1);
}

/// R3 and R10: every write of the holder begins the wait-out anew.
#[test]
fn a_master_that_renews_is_never_deposed_and_the_wait_out_counts_from_its_last_renewal() {
    let group = Group::new(shared());
    let _hung = hung_master(&group);
    let _host = group.start("a");
    let mut generation = 0;
    for _ in 0..4 {
        generation += 1;
        group
            .znodes()
            .write(&group.term(), &held(LEASE, generation));
        holds_for("it is not deposed", LEASE * 2 / 3, || {
            group.record().starts().is_empty()
        });
    }
    // The candidate may see it before we have the answer.
    let written = now();
    group
        .znodes()
        .write(&group.term(), &held(LEASE, generation + 1));
    let run = group.wait_running(secs(20));
    let took = run.start.saturating_sub(written);
    let bound = wait_out(LEASE, RateBound::DEFAULT);
    assert!(bound <= took, "{took:?}");
}

/// R2: the record says how long, not our own configuration.
#[test]
fn a_longer_lease_of_another_is_waited_out_and_written_on() {
    let group = Group::hasty(shared());
    let lease = secs(6);
    group.znodes().create(&group.term(), &held(lease, 0));
    let began = now();
    let _host = group.start("a");
    let took = group.wait_running(secs(30)).start.saturating_sub(began);
    let bound = wait_out(lease, RateBound::DEFAULT);
    assert!(bound <= took, "{took:?}");
    let term = group
        .znodes()
        .read(&group.term())
        .expect("it is held")
        .json();
    assert_eq!(term["lease_ms"], 6000);
}

/// Starts a candidate; holds that it stands by and has said why, once.
#[track_caller]
fn stands_by(group: &Group, why: &str) -> Supervisor {
    let host = group.config("a").session(secs(4)).start();
    wait_until("it says so", ELECTED_WITHIN, || said(&host, BLOCKED) > 0);
    // Longer than the lease of 3.3 s and its wait-out.
    holds_for("it stands by", secs(5), || {
        group.record().starts().is_empty()
    });
    let complaints = complaints(&host);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains(why), "{complaints:?}");
    host
}

#[test]
fn a_persistent_master_of_another_program_is_left_alone_until_it_is_removed() {
    let group = Group::new(shared());
    group.znodes().create(&group.master(), b"not yours");
    let _host = stands_by(&group, "the master znode is persistent");
    assert_eq!(
        group
            .znodes()
            .read(&group.master())
            .expect("untouched")
            .data,
        b"not yours"
    );
    assert!(!group.znodes().exists(&group.term()));
    group.znodes().delete(&group.master());
    group.wait_running(ELECTED_WITHIN);
}

#[test]
fn an_ephemeral_master_of_another_program_is_left_alone_until_it_is_removed() {
    let group = Group::new(shared());
    let other = Znodes::of(shared());
    other.create_ephemeral(&group.master(), b"not yours");
    let _host = stands_by(&group, "without a term record");
    assert!(!group.znodes().exists(&group.term()));
    other.delete(&group.master());
    group.wait_running(ELECTED_WITHIN);
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_left_alone_until_it_is_repaired() {
    for (junk, why) in [
        (&b"junk"[..], "not a JSON object"),
        (br#"{"format":2,"state":"held"}"#, "`format` is 2"),
    ] {
        let group = Group::new(shared());
        group.znodes().create(&group.term(), junk);
        let host = stands_by(&group, why);
        let complaint = complaints(&host).remove(0);
        assert!(
            complaint.contains(&group.term()),
            "it names the znode: {complaint}"
        );
        assert_eq!(
            group.znodes().read(&group.term()).expect("untouched").data,
            junk
        );
        group.znodes().write(&group.term(), &held(millis(100), 9));
        group.wait_running(ELECTED_WITHIN);
    }
}

#[test]
fn a_record_that_is_spoilt_under_a_master_does_not_make_two() {
    let group = Group::new(shared());
    let hosts = ["a", "b"].map(|name| group.start(name));
    let first = group.wait_running(ELECTED_WITHIN);
    group.znodes().write(&group.term(), b"junk");
    wait_until("the child is stopped", secs(10), || !first.is_alive());
    holds_for("nobody starts over it", secs(5), || {
        group.record().current().is_none()
    });
    assert!(hosts.iter().any(|host| said(host, BLOCKED) == 1));
    group.znodes().write(&group.term(), &held(millis(100), 9));
    group.wait_takeover(&first, ELECTED_WITHIN);
}

#[test]
fn of_five_that_start_at_one_moment_exactly_one_runs_the_command() {
    for _ in 0..3 {
        let group = Group::new(shared());
        let hosts = ["a", "b", "c", "d", "e"].map(|name| group.start(name));
        let run = group.wait_running(ELECTED_WITHIN);
        wait_until("all are listed", ELECTED_WITHIN, || {
            group.candidates().len() == 5
        });
        holds_for("one runs", millis(500), || {
            run.is_alive() && group.record().starts().len() == 1
        });
        let promoted = hosts.iter().map(|host| said(host, "promoted"));
        assert_eq!(promoted.sum::<usize>(), 1);
    }
}

#[test]
fn of_four_that_hear_at_one_moment_that_m_is_gone_exactly_one_takes_over() {
    let group = Group::new(shared());
    let _hosts = ["a", "b", "c", "d"].map(|name| group.start(name));
    let mut run = group.wait_running(ELECTED_WITHIN);
    wait_until("all are listed", ELECTED_WITHIN, || {
        group.candidates().len() == 4
    });
    let mut tokens = vec![run.token];
    for _ in 0..10 {
        wait_until("M is there", secs(10), || {
            group.znodes().exists(&group.master())
        });
        assert!(group.znodes().delete(&group.master()));
        run = group.wait_takeover(&run, secs(15));
        tokens.push(run.token);
    }
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
    let hosts: Vec<String> = group
        .record()
        .starts()
        .iter()
        .map(|run| run.name.clone())
        .collect();
    println!("masters in turn: {hosts:?}");
}

#[test]
fn tokens_grow_while_hosts_stop_and_start_again() {
    let group = Group::new(shared());
    let mut hosts: Vec<Supervisor> = ["a", "b"].map(|name| group.start(name)).into();
    let mut run = group.wait_running(ELECTED_WITHIN);
    for _ in 0..4 {
        wait_until("both are candidates", secs(20), || {
            group.candidates().len() == 2
        });
        let at = hosts.iter().position(|host| host.name() == run.name);
        let mut master = hosts.swap_remove(at.expect("one of them"));
        master.signal(Who::Guardian, Signal::SIGTERM);
        assert!(master.wait_exit(secs(10)).success());
        let next = group.wait_takeover(&run, secs(10));
        drop(master);
        hosts.push(group.start(&run.name));
        assert!(next.token > run.token && next.name != run.name);
        run = next;
    }
}

/// T decides, not M: the master is still who says so there, until M is gone again.
#[test]
fn an_m_that_is_made_anew_by_hand_changes_nothing_until_it_goes() {
    let group = Group::hasty(shared());
    let _hosts = ["a", "b"].map(|name| group.start(name));
    let first = group.wait_running(ELECTED_WITHIN);
    let by_hand = Znodes::of(shared());
    by_hand.replace_by_ephemeral(&group.master(), b"mine");
    // Longer than the lease of 3.3 s: it is renewed.
    holds_for("the child runs on", secs(5), || {
        first.is_alive() && group.record().starts().len() == 1
    });
    assert!(by_hand.delete(&group.master()));
    group.wait_takeover(&first, secs(20));
    wait_until("M is ours again", secs(10), || {
        let znode = group.znodes().read(&group.master());
        znode.is_some_and(|znode| znode.data != b"mine")
    });
}

/// A master whose answers can be held back, and a standby beside it that hears all.
struct Deaf {
    group: Group,
    links: Vec<Link>,
    host: Supervisor,
    other: Supervisor,
    run: Run,
}

impl Deaf {
    #[track_caller]
    fn master() -> Deaf {
        let group = Group::new(shared());
        let links = links(shared());
        let config = group.config("deaf").session(secs(10)).through(&links);
        let host = config.set("command.grace_period", "\"1s\"").start();
        let run = group.wait_running(ELECTED_WITHIN);
        let other = group.config("other").session(secs(10)).start();
        wait_until("both are listed", ELECTED_WITHIN, || {
            group.candidates().len() == 2
        });
        Deaf {
            group,
            links,
            host,
            other,
            run,
        }
    }

    /// The connection breaks, and what was on it is lost.
    fn lose_it(&self) {
        all(&self.links, Link::reset);
        all(&self.links, Link::heal);
    }
}

/// R8: `way` is held from the moment at which a campaign is on its way until `is_over`; the connection then breaks.
#[track_caller]
fn lose_a_campaign(way: Way, is_over: impl Fn(&Group) -> bool) {
    let group = Group::new(shared());
    let links = links(shared());
    // Every request takes 300 ms to the server, so that there is time to act between sending and arrival.
    all(&links, |link| link.delay(millis(300)));
    let host = group.config("a").session(secs(10)).through(&links).start();
    wait_until("it campaigns", ELECTED_WITHIN, || {
        said(&host, "campaigning") == 1
    });
    all(&links, |link| link.hold(way));
    wait_until("it has come to that", secs(10), || is_over(&group));
    holds_for("no lease, no child", millis(500), || {
        group.record().starts().is_empty()
    });
    all(&links, Link::reset);
    all(&links, Link::heal);
    let took = wait_until("it is settled", BUSY, || group.record().current().is_some());
    tell(&format!("settled {took:?} after the connection broke"));
    let other = group.config("other").session(secs(10)).start();
    wait_until("both are listed", ELECTED_WITHIN, || {
        group.candidates().len() == 2
    });
    assert_eq!(group.record().starts().len(), 1);
    assert_eq!(
        (said(&host, "campaigning"), said(&other, "campaigning")),
        (1, 0)
    );
    let run = group.wait_running(BUSY);
    let token = run.token.to_string();
    wait_until("the record has the token", BUSY, || {
        let term = group
            .znodes()
            .read(&group.term())
            .expect("it is held")
            .json();
        term["token"] == token
    });
}

#[test]
fn a_campaign_whose_answer_is_lost_is_found_to_be_won() {
    lose_a_campaign(Way::ToClient, |group| {
        group.znodes().exists(&group.master())
    });
}

#[test]
fn a_campaign_that_is_lost_on_its_way_is_sent_again() {
    lose_a_campaign(Way::ToServer, |group| group.znodes().exists(&group.term()));
}

#[test]
fn renewals_whose_answers_or_requests_are_lost_do_not_touch_the_child() {
    let deaf = Deaf::master();
    for way in [Way::ToClient, Way::ToServer] {
        let version = || {
            deaf.group
                .znodes()
                .read(&deaf.group.term())
                .expect("held")
                .stat
                .version
        };
        let before = version();
        all(&deaf.links, |link| link.hold(way));
        holds_for("the child runs on", millis(700), || deaf.run.is_alive());
        deaf.lose_it();
        wait_until("it renews again", secs(6), || version() > before + 3);
        assert!(deaf.run.is_alive());
    }
    assert_eq!(deaf.group.record().starts().len(), 1);
    assert_eq!(said(&deaf.other, "campaigning"), 0);
}

/// R5 and R8: the generation may have been written although nobody said so.
#[test]
fn a_resume_whose_answer_is_lost_does_not_touch_the_child() {
    let deaf = Deaf::master();
    all(&deaf.links, Link::blackhole);
    let replaced = "the session does not answer: opening another";
    wait_until("the session is replaced", secs(6), || {
        said(&deaf.host, replaced) > 0
    });
    all(&deaf.links, Link::reset);
    all(&deaf.links, Link::heal);
    // The answer takes a quarter of a second: time enough to see what it answers, and to hold it back.
    all(&deaf.links, |link| link.delay(millis(250)));
    let generation = || {
        let term = deaf.group.znodes().read(&deaf.group.term());
        term.expect("it is held").json()["generation"].clone()
    };
    wait_until("the term is resumed", secs(6), || generation() == 1);
    all(&deaf.links, |link| link.hold(Way::ToClient));
    assert_eq!(said(&deaf.host, "resumed the term"), 0, "not answered yet");
    deaf.lose_it();
    let version = || {
        let term = deaf.group.znodes().read(&deaf.group.term());
        term.expect("it is held").stat.version
    };
    let before = version();
    wait_until("it renews again", secs(6), || version() > before + 3);
    assert!(deaf.run.is_alive());
    assert_eq!(deaf.group.record().starts().len(), 1);
    assert_eq!(said(&deaf.other, "campaigning"), 0);
}

/// The release is on its way when the child has ended; `way` is held from then on for a second.
#[track_caller]
fn lose_a_release(way: Way) {
    let mut deaf = Deaf::master();
    all(&deaf.links, |link| link.delay(millis(300)));
    deaf.host.signal(Who::Guardian, Signal::SIGTERM);
    wait_until("the child has ended", secs(5), || !deaf.run.is_alive());
    all(&deaf.links, |link| link.hold(way));
    holds_for("the promise holds", secs(1), || {
        deaf.group.record().overlaps().is_empty()
    });
    deaf.lose_it();
    assert!(deaf.host.wait_exit(secs(10)).success());
    // Nothing is waited out: the lease of 8.3 s would be.
    let next = deaf.group.wait_takeover(&deaf.run, secs(3));
    assert!(next.token > deaf.run.token && next.name == "other");
    let gap = deaf.group.record().last_gap().expect("two ran");
    tell(&format!(
        "{way:?} held at the release: nobody ran for {gap:?}"
    ));
}

#[test]
fn a_release_whose_answer_is_lost_is_settled_before_the_supervisor_exits() {
    lose_a_release(Way::ToClient);
}

#[test]
fn a_release_that_is_lost_on_its_way_is_sent_again_before_the_supervisor_exits() {
    lose_a_release(Way::ToServer);
}
