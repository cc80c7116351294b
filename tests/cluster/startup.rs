//! Start-up in any order, and a command that is missing or ends: nothing on our side needs a restart, ever.

use crate::measure::{ELECTED_WITHIN, all, complaints, cost, links, notices, said};
use crate::support::{
    Ensemble, Group, Link, Run, Supervisor, Who, holds_for, is_alive, millis, refuse_all, secs,
    shared, tell, wait_until,
};
use nix::sys::signal::{Signal, kill};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const WAITING: &str = "the ensemble does not answer: waiting for it";

const REFUSED: &str = "connection refused";
const UNRESOLVED: &str = "the name cannot be resolved";
const MUTE: &str = "connected, but no session was opened";

/// Holds for a while that nobody's child runs and that every host waits: it has said why, says nothing more, and
/// costs little.
#[track_caller]
fn wait_patiently(group: &Group, hosts: &[&Supervisor], why: &str, span: Duration) {
    for host in hosts {
        wait_until("it says that it waits", secs(20), || {
            let complaints = complaints(host);
            complaints
                .last()
                .is_some_and(|last| last.contains(WAITING) && last.contains(why))
        });
    }
    let before: Vec<_> = hosts.iter().map(|it| (notices(it), cost(it))).collect();
    holds_for("nobody's child runs", span, || {
        group.record().starts().is_empty() && hosts.iter().all(|host| host.is_running())
    });
    for (host, (notices_before, cost_before)) in hosts.iter().zip(before) {
        assert_eq!(notices(host), notices_before, "it said more");
        let used = cost(host).saturating_sub(cost_before);
        let name = host.name();
        tell(&format!(
            "{name}: waiting cost {used:?} of processor time in {span:?}"
        ));
        assert!(used < span / 5, "{used:?}");
    }
}

#[test]
fn supervisors_and_servers_may_start_in_any_order() {
    let ensemble = Ensemble::quick();
    let servers = ensemble.servers();
    for server in servers {
        server.stop();
    }
    let group = Group::new(&ensemble);
    let first = group.start("first");
    wait_patiently(&group, &[&first], REFUSED, secs(3));
    servers[0].start();
    wait_until("it listens", secs(20), || servers[0].ask("ruok").is_some());
    let second = group.start("second");
    // One of three serves nobody.
    wait_patiently(&group, &[&first, &second], MUTE, secs(3));
    servers[1].start();
    let run = group.wait_running(ELECTED_WITHIN);
    let third = group.start("third");
    wait_until("the third is listed", secs(20), || {
        group.candidates().len() == 3
    });
    servers[2].start();
    ensemble.wait_serving();
    holds_for("the child runs on", secs(1), || is_alive(run.pid));
    assert_eq!(group.record().starts().len(), 1);
    for host in [&first, &second, &third] {
        assert!(said(host, "elector started") == 1, "{}", host.name());
        assert!(complaints(host).len() <= 4, "{:?}", complaints(host));
    }
}

#[test]
fn a_port_that_refuses_is_waited_for_with_little_effort_and_no_noise() {
    let group = Group::new(shared());
    let links = links(shared());
    refuse_all(&links);
    let host = group.config("a").through(&links).start();
    wait_patiently(&group, &[&host], REFUSED, secs(5));
    all(&links, Link::heal);
    let took = wait_until("the child runs", ELECTED_WITHIN, || {
        group.record().current().is_some()
    });
    println!("the child runs {took:?} after the servers came back");
    assert_eq!(complaints(&host).len(), 1);
}

#[test]
fn a_server_that_takes_connections_and_says_nothing_is_waited_for() {
    let group = Group::new(shared());
    let links = links(shared());
    all(&links, Link::blackhole);
    let host = group.config("a").through(&links).start();
    wait_patiently(&group, &[&host], MUTE, secs(5));
    all(&links, Link::heal);
    group.wait_running(ELECTED_WITHIN);
    assert_eq!(complaints(&host).len(), 1);
}

#[test]
fn a_name_that_does_not_resolve_is_waited_for_alone_and_does_no_harm_among_others() {
    let alone = Group::new(shared());
    let config = alone.config("alone");
    let nowhere = "[\"no-such-host.invalid:2181\"]";
    let waiting = config.set("zookeeper.servers", nowhere).start();
    let among = Group::new(shared());
    let mut servers = shared().addresses();
    servers.insert(0, "no-such-host.invalid:2181".into());
    let host = among
        .config("a")
        .set("zookeeper.servers", &format!("{servers:?}"));
    let _host = host.start();
    let run = among.wait_running(ELECTED_WITHIN);
    wait_patiently(&alone, &[&waiting], UNRESOLVED, secs(4));
    assert!(run.is_alive());
}

#[test]
fn a_root_and_a_chroot_that_are_missing_are_made_with_their_parents() {
    let group = Group::new(shared());
    let chroot = format!("{}/deep/chroot", group.root());
    let host = group
        .config("a")
        .set("zookeeper.chroot", &format!("{chroot:?}"));
    let host = host.set("election.root", "\"/ha/some/where\"").start();
    let run = group.wait_running(ELECTED_WITHIN);
    for znode in ["", "/master", "/master.term", "/master.candidates"] {
        let path = format!("{chroot}/ha/some/where{znode}");
        assert!(group.znodes().exists(&path), "{path}");
    }
    let told = format!("ZK_SUPERVISE_MASTER={chroot}/ha/some/where/master");
    assert!(crate::support::environment(run.pid).contains(&told));
    // Made together with its root, so that nothing was waited out.
    assert_eq!(complaints(&host), Vec::<String>::new());
}

#[test]
fn a_child_that_ends_is_started_again_in_its_term_after_a_growing_pause() {
    let group = Group::new(shared());
    let options = group.witness(&["--exit-after", "300", "--exit-code", "3"]);
    let _failing = group.config("a").exec(&options).start();
    let clean_group = Group::new(shared());
    let options = clean_group.witness(&["--exit-after", "300"]);
    let _clean = clean_group.config("a").exec(&options).start();
    for group in [&group, &clean_group] {
        wait_until("it runs", ELECTED_WITHIN, || {
            !group.record().starts().is_empty()
        });
        let standby = group.start("standby");
        wait_until("it was started three times", secs(20), || {
            group.record().starts().len() >= 3
        });
        let record = group.record();
        let [first, second, third, ..] = record.starts() else {
            panic!("three were just counted");
        };
        let pauses = [second.start - first.end, third.start - second.end];
        println!("started again after {pauses:?}");
        assert!(
            pauses[0] >= millis(950) && pauses[1] >= millis(1950),
            "{pauses:?}"
        );
        assert!(is_one_term(&record.starts()[..3]), "{record:?}");
        drop(standby);
    }
}

fn is_one_term(runs: &[Run]) -> bool {
    let same = |run: &Run| (&run.name, run.token) == (&runs[0].name, runs[0].token);
    runs.iter().all(same)
}

#[test]
fn a_child_that_is_killed_is_started_again_in_its_term() {
    let group = Group::new(shared());
    let host = group.start("a");
    let first = group.wait_running(ELECTED_WITHIN);
    let _standby = group.start("standby");
    let told = || {
        let log = host.log().into_iter();
        let starts = log.filter(|line| line["message"] == "child started");
        starts.filter_map(|line| line["pid"].as_i64()).collect()
    };
    let mut pids = vec![i64::from(first.pid.as_raw())];
    for signal in [Signal::SIGKILL, Signal::SIGABRT] {
        let before = group.wait_running(secs(5));
        kill(before.pid, signal).expect("it runs");
        let after = group.wait_takeover(&before, secs(10));
        pids.push(after.pid.as_raw().into());
        assert!(is_one_term(&[first.clone(), after]));
        wait_until("each start is told", secs(5), || {
            let told: Vec<i64> = told();
            assert!(pids.starts_with(&told), "and once: {told:?}, {pids:?}");
            told == pids
        });
    }
}

/// A command that is not there yet: a name for the witness.
fn late(group: &Group) -> (std::path::PathBuf, Vec<String>) {
    let path = group.dir().join("late");
    let mut command = group.witness(&[]);
    command[0] = path.to_str().expect("temporary paths are UTF-8").to_owned();
    (path, command)
}

fn appear(group: &Group, path: &Path) {
    symlink(&group.witness(&[])[0], path).expect("it was not there");
}

const MISSING: &str = "the command cannot be started: not campaigning";

#[test]
fn a_candidate_whose_command_is_missing_does_not_campaign_until_it_appears() {
    let group = Group::new(shared());
    let (path, command) = late(&group);
    let unable = group.config("unable").exec(&command).start();
    wait_until("it says so", ELECTED_WITHIN, || said(&unable, MISSING) == 1);
    // It makes an empty record, and writes no term into it.
    holds_for("it does not campaign", secs(1), || {
        let term = group.znodes().read(&group.term());
        term.is_none_or(|term| term.data.is_empty()) && !group.znodes().exists(&group.master())
    });
    let mut able = group.start("able");
    let first = group.wait_running(ELECTED_WITHIN);
    assert_eq!(first.name, "able");
    able.signal(Who::Guardian, Signal::SIGTERM);
    able.wait_exit(secs(10));
    holds_for("it does not campaign", secs(2), || {
        said(&unable, "campaigning") == 0 && group.record().starts().len() == 1
    });
    assert_eq!(said(&unable, MISSING), 1);
    appear(&group, &path);
    let second = group.wait_takeover(&first, secs(10));
    assert_eq!(second.name, "unable");
    assert!(second.token > first.token);
}

#[test]
fn a_command_that_vanishes_under_a_master_is_tried_again_with_growing_pauses_in_the_same_term() {
    let group = Group::new(shared());
    let (path, command) = late(&group);
    appear(&group, &path);
    let host = group.config("a").exec(&command).start();
    let first = group.wait_running(ELECTED_WITHIN);
    fs::remove_file(&path).expect("it is there");
    kill(first.pid, Signal::SIGKILL).expect("it runs");
    let failed = || said(&host, "child could not be started");
    wait_until("it was tried", secs(10), || failed() == 1);
    let pause = wait_until("it was tried again", secs(10), || failed() == 2);
    assert!(pause > millis(1900), "{pause:?}");
    appear(&group, &path);
    let second = group.wait_takeover(&first, secs(15));
    assert!(is_one_term(&[first, second]));
}

/// Said before anything is begun; the number is what would be too few.
#[test]
fn a_host_that_allows_too_few_descriptors_is_refused_with_what_to_do() {
    let group = Group::new(shared());
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 100; exec \"$0\" \"$1\""])
        .arg(env!("CARGO_BIN_EXE_zk-supervise"))
        .arg(group.config("a").write())
        .output()
        .expect("every system has a shell");
    assert_eq!(output.status.code(), Some(70), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("this process may open 100 files only"),
        "{said}"
    );
    assert!(said.contains("help: `ulimit -n 1024`"), "{said}");
}
