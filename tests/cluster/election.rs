//! Exactly one of many runs the command, and another does when it is gone.

use crate::measure::{BUSY, LONG};
use crate::support::{
    Ensemble, Group, Link, Netns, Supervisor, Who, command_line, environment, expire, holds_for,
    is_alive, millis, secs, shared, wait_for, wait_until, zk_supervise,
};
use nix::sys::signal::Signal;

/// How long hosts that start together may take until one runs the command.
const ELECTED_WITHIN: std::time::Duration = secs(20);

/// Three candidates of one group.
fn three(group: &Group) -> Vec<Supervisor> {
    ["a", "b", "c"].map(|name| group.start(name)).into()
}

/// Takes the candidate with a name out of the list.
fn take(hosts: &mut Vec<Supervisor>, name: &str) -> Supervisor {
    let index = hosts.iter().position(|host| host.name() == name);
    hosts.swap_remove(index.expect("the witness was started by one of them"))
}

#[test]
fn exactly_one_of_three_runs_the_command() {
    let group = Group::new(shared());
    let mut hosts = three(&group);
    let run = group.wait_running(ELECTED_WITHIN);
    wait_until("all three are listed", secs(10), || {
        group.candidates().len() == 3
    });
    let master = take(&mut hosts, &run.name);
    assert_eq!(master.pid(Who::Child), run.pid);
    let elector = master.pid(Who::Elector);
    assert!(command_line(elector).starts_with("zk-supervise: elector"));
    // Longer than the lease of 8.3 s and its wait-out: nobody is deposed, no lease runs out.
    holds_for("one runs, and the others do not", secs(10), || {
        group.record().starts().len() == 1
            && is_alive(run.pid)
            && hosts.iter().all(|standby| standby.child().is_none())
    });
    assert!(hosts.iter().all(Supervisor::is_running));
}

#[test]
fn the_child_is_told_its_token_its_name_and_the_path_of_the_master() {
    let group = Group::new(shared());
    let _host = group.start("a");
    let run = group.wait_running(ELECTED_WITHIN);
    let environment = environment(run.pid);
    for entry in [
        format!("ZK_SUPERVISE_TOKEN={}", run.token),
        "ZK_SUPERVISE_NAME=a".into(),
        format!("ZK_SUPERVISE_MASTER={}", group.master()),
    ] {
        assert!(environment.contains(&entry), "{entry}: {environment:?}");
    }
    let term = group.znodes().read(&group.term()).expect("it is held");
    assert!(term.stat.mzxid >= i64::try_from(run.token).expect("a zxid"));
}

#[test]
fn a_master_that_is_told_to_stop_hands_over() {
    let group = Group::new(shared());
    let start = |name| group.config(name).session(LONG).start();
    let mut hosts: Vec<Supervisor> = ["a", "b", "c"].map(start).into();
    let first = group.wait_running(ELECTED_WITHIN);
    let mut master = take(&mut hosts, &first.name);
    master.signal(Who::Guardian, Signal::SIGTERM);
    assert!(master.wait_exit(BUSY).success());
    // Released, so nothing is waited out.
    let second = group.wait_takeover(&first, BUSY);
    let record = group.record();
    assert!(record.starts()[0].stopped, "it was given its time");
    assert!(second.token > first.token);
    println!("nobody ran for {:?}", record.last_gap());
    assert_eq!(master.logged("released the term"), 1);
    assert_eq!(
        master.logged("elector ended"),
        0,
        "it ended by itself, all done"
    );
    assert_eq!(master.logged("elector started"), 1, "and was not replaced");
}

#[test]
fn a_guardian_that_is_killed_takes_its_tree_along_and_a_standby_takes_over_at_once() {
    let group = Group::new(shared());
    let options = group.witness(&["--daemon", "--children", "2"]);
    let start = |name| group.config(name).session(LONG).exec(&options).start();
    let mut hosts: Vec<Supervisor> = ["a", "b", "c"].map(start).into();
    let first = group.wait_running(ELECTED_WITHIN);
    wait_until("its descendants run", secs(5), || {
        group.record().descendants().len() == 3
    });
    let tree = group.record().descendants().to_vec();
    let master = take(&mut hosts, &first.name);
    master.signal(Who::Guardian, Signal::SIGKILL);
    wait_until("the tree is gone", BUSY, || {
        !is_alive(first.pid) && !tree.iter().any(|&pid| is_alive(pid))
    });
    group.wait_takeover(&first, BUSY);
    println!("nobody ran for {:?}", group.record().last_gap());
}

#[test]
fn a_host_that_dies_is_succeeded_within_its_lease() {
    let group = Group::hasty(shared());
    let mut hosts = three(&group);
    let first = group.wait_running(ELECTED_WITHIN);
    take(&mut hosts, &first.name).crash();
    // The lease of 3.3 s and its wait-out, two polls, and what a busy machine adds.
    let second = group.wait_takeover(&first, secs(4) + BUSY);
    assert!(second.token > first.token);
    println!("nobody ran for {:?}", group.record().last_gap());
}

/// P3: it releases once its tree is dead, so no standby waits out what it held.
#[test]
fn a_master_that_lost_its_znode_or_its_session_is_succeeded_without_a_wait_out() {
    type Harm = fn(&Group);
    let harms: [(&str, Harm); 2] = [
        ("deleted", |group| {
            assert!(group.znodes().delete(&group.master()));
        }),
        ("ended", |group| {
            let server = &shared().servers()[0];
            expire(server, group.master_session()).expect("the password follows from the id");
        }),
    ];
    let cases = harms.map(|harm| {
        let group = Group::new(shared());
        let hosts = ["a", "b", "c"].map(|name| group.config(name).session(LONG).start());
        group.wait_running(ELECTED_WITHIN);
        (group, hosts, harm)
    });
    for (group, _hosts, (name, harm)) in &cases {
        wait_until("all are listed", BUSY, || group.candidates().len() == 3);
        let first = group.record().starts()[0].clone();
        harm(group);
        let second = group.wait_takeover(&first, BUSY);
        assert!(second.token > first.token);
        println!("{name}: nobody ran for {:?}", group.record().last_gap());
    }
}

#[test]
fn a_master_whose_links_are_refused_is_succeeded_and_returns_as_a_standby() {
    let group = Group::hasty(shared());
    let servers = shared().servers().iter();
    let links: Vec<Link> = servers.map(|server| Link::to(server.socket())).collect();
    let cut = group.config("cut").through(&links).start();
    let first = group.wait_running(ELECTED_WITHIN);
    let _other = group.config("other").session(secs(5)).start();
    for link in &links {
        link.refuse();
    }
    let second = group.wait_takeover(&first, secs(15));
    assert_eq!(second.name, "other");
    for link in &links {
        link.heal();
    }
    wait_until("it is listed again", secs(20), || {
        group.candidates().len() == 2
    });
    holds_for("the other runs on", secs(1), || is_alive(second.pid));
    assert!(cut.is_running());
}

#[test]
fn a_restarted_leader_does_not_touch_the_child() {
    let ensemble = Ensemble::quick();
    let group = Group::new(&ensemble);
    let _hosts = ["a", "b", "c"].map(|name| group.config(name).session(LONG).start());
    let run = group.wait_running(ELECTED_WITHIN);
    ensemble.leader().restart();
    holds_for("the child runs on", secs(8), || is_alive(run.pid));
    ensemble.wait_serving();
    assert_eq!(group.record().starts().len(), 1);
}

#[test]
fn a_host_without_a_network_is_succeeded() {
    let Some(netns) = Netns::new(shared()) else {
        return;
    };
    let group = Group::hasty(shared());
    let lost = group.config("lost").inside(&netns).start();
    let first = group.wait_running(ELECTED_WITHIN);
    let _other = group.start("other");
    netns.unplug();
    let second = group.wait_takeover(&first, secs(15));
    assert_eq!(second.name, "other");
    netns.plug();
    wait_until("it is listed again", secs(20), || {
        group.candidates().len() == 2
    });
    assert!(lost.is_running());
}

#[test]
fn the_log_of_a_term_is_json_with_a_message_each_line() {
    let group = Group::new(shared());
    let host = group.config("a").unset("log.level").start();
    group.wait_running(ELECTED_WITHIN);
    wait_for("it says that the child has started", secs(5), || {
        (host.logged("child started") > 0).then_some(())
    });
    let lines = host.log();
    assert_eq!(lines.len(), host.log_text().lines().count());
    assert!(lines.iter().all(|line| line["message"].is_string()));
}

#[test]
fn check_prints_what_is_in_force() {
    let group = Group::new(shared());
    let file = group
        .config("a")
        .set("command.grace_period", "\"321ms\"")
        .write();
    let output = zk_supervise(&["check", file.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("321ms"), "{text}");
    assert!(file.starts_with(group.dir()) && millis(321) < secs(1));
}
