//! The supervisor's own processes: each may be killed, stopped or starved.

use crate::launch::{ELECTED_WITHIN, FENCES, Fence, Host, Hydra, children, timing};
use crate::measure::{BUSY, LONG};
use crate::support::{
    Group, Link, Supervisor, Who, holds_for, is_alive, millis, secs, shared, wait_for, wait_until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getuid};
use serde_json::Value;
use std::fs;
use std::time::Duration;
use zk_supervise::clock;

/// The clock of the witness and of the product.
fn now() -> Duration {
    Duration::from_nanos(clock::now().as_nanos())
}

fn links() -> Vec<Link> {
    let servers = shared().servers().iter();
    servers.map(|server| Link::to(server.socket())).collect()
}

/// What T says of the term: its id, its generation, its token.
#[track_caller]
fn term(group: &Group) -> (String, u64, String) {
    let json = group
        .znodes()
        .read(&group.term())
        .expect("T is there")
        .json();
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    let generation = json["generation"].as_u64().unwrap_or_default();
    (text("term"), generation, text("token"))
}

/// A master with its witness, and a standby that is listed.
fn master_and_standby(group: &Group, session: Duration) -> (Supervisor, Supervisor, Pid) {
    let master = group.config("master").session(session).start();
    let run = group.wait_running(ELECTED_WITHIN);
    let standby = group.config("standby").session(session).start();
    wait_until("both are listed", secs(10), || {
        group.candidates().len() == 2
    });
    (master, standby, run.pid)
}

/// Waits until the term has gone through so many resumes.
#[track_caller]
fn wait_generation(group: &Group, generation: u64, limit: Duration) {
    wait_until("the term is resumed", limit, || term(group).1 >= generation);
}

#[test]
fn an_elector_that_is_killed_again_and_again_is_replaced_and_the_child_does_not_notice() {
    let group = Group::new(shared());
    let (master, _standby, child) = master_and_standby(&group, secs(8));
    let (id, generation, token) = term(&group);
    for kills in 1..=4 {
        let began = now();
        master.signal(Who::Elector, Signal::SIGKILL);
        wait_generation(&group, generation + kills, secs(8));
        println!("kill {kills}: resumed after {:?}", now() - began);
        let (same, _, fence) = term(&group);
        assert_eq!((same, fence), (id.clone(), token.clone()));
    }
    holds_for("the child runs on", secs(1), || is_alive(child));
    assert_eq!(group.record().starts().len(), 1);
    assert_eq!(master.logged("resumed the term"), 4);
}

#[test]
fn without_any_elector_the_guardian_stops_the_child_within_the_lease() {
    let timing = timing(secs(4));
    let group = Group::new(shared());
    let (master, _standby, child) = master_and_standby(&group, secs(4));
    let began = now();
    let span = wait_until("the child is stopped", secs(10), || {
        if let Some(elector) = master.elector() {
            kill(elector, Signal::SIGKILL).ok();
        }
        !is_alive(child)
    });
    let run = group.record().starts()[0].clone();
    let asked = run.asked.expect("it was asked").saturating_sub(began);
    println!("asked {asked:?}, dead {span:?} after the first elector's death");
    // One of those that follow may yet renew before it is killed.
    assert!(asked < timing.stop_after() + BUSY, "{asked:?}");
    assert!(run.stopped);
    group.wait_takeover(&run, secs(10));
}

#[test]
fn an_elector_that_is_killed_just_before_the_lease_ends_resumes_it_or_lets_it_end() {
    let timing = timing(secs(6));
    let cases = [millis(700), millis(400), millis(150)].map(|before| {
        let group = Group::new(shared());
        let links = links();
        let config = group.config("master").session(secs(6)).through(&links);
        let master = config.start();
        let run = group.wait_running(ELECTED_WITHIN);
        let standby = group.config("standby").session(secs(6)).start();
        wait_until("both are listed", secs(10), || {
            group.candidates().len() == 2
        });
        (master, standby, group, links, run, before)
    });
    for (master, _standby, group, links, run, before) in &cases {
        links.iter().for_each(Link::blackhole);
        let stop_at = now() + timing.stop_after();
        wait_until("the lease has nearly ended", secs(10), || {
            now() + *before >= stop_at
        });
        master.signal(Who::Elector, Signal::SIGKILL);
        links.iter().for_each(Link::heal);
        wait_for("it is resumed or over", secs(15), || {
            let is_resumed = master.logged("resumed the term") > 0;
            let next = group.record().starts().len() > 1;
            (is_resumed || next).then_some(())
        });
        let survived = is_alive(run.pid);
        println!(
            "killed {before:?} before the stop signal: the child {}",
            if survived { "ran on" } else { "was stopped" }
        );
        let record = group.record();
        assert!(survived || record.starts()[0].stopped);
        // The overlap is what the group looks for in the end; nobody may be without a child for long.
        group.wait_running(secs(10));
    }
}

/// Every link takes 150 ms each way, so the campaign is on its way to the server, then its answer is on its way back.
/// What a dead elector sent still arrives.
#[test]
fn an_elector_that_is_killed_while_it_campaigns_leaves_nothing_that_lasts() {
    let timing = timing(secs(4));
    let cases = [50, 200, 280, 320].map(|delay| {
        let group = Group::hasty(shared());
        let links = links();
        links.iter().for_each(|link| link.delay(millis(150)));
        let host = group.config("a").through(&links).start();
        wait_until("it campaigns", ELECTED_WITHIN, || {
            host.logged("campaigning") > 0
        });
        holds_for("a moment passes", millis(delay), || true);
        host.signal(Who::Elector, Signal::SIGKILL);
        let killed = now();
        links.iter().for_each(Link::heal);
        (host, group, links, delay, killed)
    });
    for (host, group, _links, delay, killed) in &cases {
        let run = group.wait_running(timing.takeover_after() + BUSY);
        let span = run.start.saturating_sub(*killed);
        let campaigns = host.logged("campaigning");
        println!(
            "killed {delay} ms after it began to campaign: {campaigns} campaigns, a child {span:?} later"
        );
        assert!(span < timing.takeover_after() + BUSY, "{span:?}");
        wait_until("T is that term's", secs(5), || {
            term(group).2 == run.token.to_string()
        });
        assert!(host.is_running());
    }
}

#[test]
fn an_elector_that_is_stopped_is_replaced_within_the_lease() {
    let group = Group::new(shared());
    let (master, _standby, child) = master_and_standby(&group, secs(10));
    let generation = term(&group).1;
    let elector = master.pid(Who::Elector);
    let began = now();
    master.signal(Who::Elector, Signal::SIGSTOP);
    wait_generation(&group, generation + 1, secs(6));
    println!("resumed after {:?}", now() - began);
    assert!(!is_alive(elector));
    holds_for("the child runs on", secs(1), || is_alive(child));
    assert_eq!(group.record().starts().len(), 1);
}

/// A master with a tree of every kind behind a fence, and a standby.
fn fenced(fence: Fence) -> (Host, Supervisor, Group, Vec<Pid>) {
    let group = Group::new(shared());
    let command = group.witness(&["--daemon", "--children", "2"]);
    let config = |name| group.config(name).session(LONG).exec(&command);
    let host = Host::start(&config("master").write(), fence);
    group.wait_running(ELECTED_WITHIN);
    let standby = config("standby").start();
    wait_until("both are listed, the tree runs", secs(10), || {
        group.candidates().len() == 2 && group.record().descendants().len() == 3
    });
    let mut tree = group.record().descendants().to_vec();
    tree.push(group.record().starts()[0].pid);
    (host, standby, group, tree)
}

#[test]
fn a_guardian_that_is_killed_takes_its_tree_along_and_the_term_is_released() {
    for (host, _standby, group, tree) in FENCES.map(fenced) {
        let first = group.record().starts()[0].clone();
        let began = now();
        host.signal(Signal::SIGKILL);
        // It was released, not waited out.
        let second = group.wait_takeover(&first, BUSY);
        assert!(!tree.iter().any(|&pid| is_alive(pid)));
        let gap = second.start.saturating_sub(began);
        println!("a standby's child ran {gap:?} after the guardian's death");
        assert_eq!(host.logged("released the term"), 1);
        assert!(host.find("nothing of the child is left").is_some());
    }
}

#[test]
fn a_term_is_not_released_while_a_tree_goes_on_forking_whose_guardian_was_killed() {
    let cases = FENCES.map(|fence| {
        let group = Group::new(shared());
        let hydra = Hydra::of(&group);
        let file = group.config("a").exec(&hydra.command()).write();
        (Host::start(&file, fence), group, hydra, fence)
    });
    for (host, _group, hydra, fence) in &cases {
        hydra.wait_running();
        let elector = host.elector();
        let began = now();
        host.signal(Signal::SIGKILL);
        wait_until("the elector has done what it could", secs(10), || {
            !is_alive(elector)
        });
        let is_alive = hydra.is_alive();
        let released = host.logged("released the term");
        println!(
            "{fence:?}: alive {is_alive}, released {released} after {:?}",
            now() - began
        );
        assert!(!is_alive || released == 0);
    }
}

#[test]
fn a_guardian_that_is_stopped_is_killed_by_its_elector_and_the_term_is_released() {
    for (host, _standby, group, tree) in FENCES.map(fenced) {
        let first = group.record().starts()[0].clone();
        let began = now();
        host.signal(Signal::SIGSTOP);
        // It was missed and killed, and the term released, not waited out.
        let second = group.wait_takeover(&first, BUSY);
        assert!(!tree.iter().any(|&pid| is_alive(pid)));
        let gap = second.start.saturating_sub(began);
        println!("a standby's child ran {gap:?} after the guardian was stopped");
        assert_eq!(host.logged("released the term"), 1);
        assert!(
            host.find("the guardian does not answer: killing it")
                .is_some()
        );
    }
}

/// A virtual machine that was paused, say. What ran there beside the next master is not covered; that it ends at once is.
#[test]
fn a_host_that_was_frozen_beyond_its_lease_kills_its_tree_and_stands_by_again() {
    let group = Group::new(shared());
    let config = group.config("frozen").set("command.kill_margin", "\"3s\"");
    let host = config.start();
    let first = group.wait_running(ELECTED_WITHIN);
    let other = group.start("other");
    wait_until("both are listed", BUSY, || group.candidates().len() == 2);
    let everybody = [Who::Child, Who::Elector, Who::Guardian];
    let pids = everybody.map(|who| host.pid(who));
    for who in everybody {
        host.signal(who, Signal::SIGSTOP);
    }
    let limit = timing(secs(10)).takeover_after() + BUSY;
    wait_until("the other takes over", limit, || {
        other.logged("promoted") == 1
    });
    for &pid in pids.iter().rev() {
        // The guardian may have killed the child by now.
        let _ = kill(pid, Signal::SIGCONT);
    }
    // A witness does not run where another is alive, if stopped: the other's is started again when this one is gone.
    group.may_overlap();
    let second = group.wait_takeover(&first, BUSY);
    assert_eq!(second.name, "other");
    wait_until("both are listed again", BUSY, || {
        group.candidates().len() == 2
    });
    assert!(!is_alive(first.pid) && host.is_running());
    assert_eq!(
        [host.pid(Who::Elector), host.pid(Who::Guardian)],
        [pids[1], pids[2]]
    );
}

/// Adopts what a dead guardian leaves, as `systemd --user` or a container's first process does, and starts beside the
/// supervisor what its second argument says.
const ADOPTER: &str = "
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
subprocess.Popen(sys.argv[2:])
if sys.argv[1]:
    subprocess.Popen(['sleep', sys.argv[1]])
try:
    while True:
        os.wait()
except ChildProcessError:
    pass
";

/// A supervisor that sees none of the others' environments and may make no control group; its adopter is the host's
/// first process. Beside it runs, if anything, somebody else's process that could be its child's as far as it can see.
fn unprivileged(group: &Group, beside: &str) -> Host {
    let mut command = group.witness(&["--daemon", "--children", "2"]);
    let dir = group.dir().display().to_string();
    // Others may not be able to reach where cargo has built them.
    let script = format!(
        "chmod 777 {dir}; cp \"$1\" {} {dir}; shift; set -- {dir}/zk-supervise \"$@\"
        exec /usr/bin/python3 -c \"{ADOPTER}\" '{beside}' setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"",
        command[0]
    );
    command[0] = format!("{dir}/witness");
    let config = group.config("master").session(LONG).exec(&command);
    Host::after(&script, &config.write())
}

#[test]
fn an_unprivileged_supervisor_ends_its_tree_and_vouches_only_for_what_it_sees() {
    if !getuid().is_root() {
        // Every other test was about such a supervisor then.
        return;
    }
    let cases = [
        (Signal::SIGTERM, "", 1),
        (Signal::SIGKILL, "", 1),
        (Signal::SIGKILL, "300", 0),
    ]
    .map(|(signal, beside, released)| {
        let group = Group::new(shared());
        (unprivileged(&group, beside), group, signal, released)
    });
    for (host, group, signal, released) in cases {
        group.wait_running(ELECTED_WITHIN);
        let _standby = group.config("standby").session(LONG).start();
        wait_until("both are listed, the tree runs", secs(10), || {
            group.candidates().len() == 2 && group.record().descendants().len() == 3
        });
        let mut tree = group.record().descendants().to_vec();
        let first = group.record().starts()[0].clone();
        tree.push(first.pid);
        let guardian = children(host.guardian())[0];
        kill(guardian, signal).expect("it runs");
        wait_until("the tree is dead", BUSY, || {
            !tree.iter().any(|&pid| is_alive(pid))
        });
        let told = wait_for("the elector has said what it could prove", LONG, || {
            let released = host.logged("released the term");
            let doubts =
                host.logged("something of the child may be left: the term is not released");
            (released + doubts > 0).then_some(released)
        });
        assert_eq!(told, released, "{signal}");
        if released == 1 {
            group.wait_takeover(&first, BUSY);
        }
    }
}

/// Both stopped at once is excluded by the design (section 1) but for what the guardian does when it wakes.
#[test]
fn a_guardian_that_wakes_after_its_lease_kills_its_child_at_once() {
    let group = Group::new(shared());
    group.may_overlap();
    let (master, standby, child) = master_and_standby(&group, secs(4));
    let both = [master.guardian(), master.pid(Who::Elector)];
    let first = group.record().starts()[0].clone();
    // Longer than the lease of 3.3 s and everything else.
    for pid in both {
        kill(pid, Signal::SIGSTOP).expect("it runs");
    }
    // The first witness runs on, and holds its lock: the standby's is refused, again and again.
    wait_for("the standby has deposed it", secs(15), || {
        (standby.logged("child started") > 0).then_some(())
    });
    let both_run = now();
    assert!(is_alive(child), "nobody is left who could have stopped it");
    let renewed = term(&group);
    for pid in both {
        kill(pid, Signal::SIGCONT).expect("it is stopped");
    }
    let span = wait_until("the old child is dead", BUSY, || !is_alive(child));
    let overlap = now() - both_run;
    println!("dead {span:?} after its guardian woke; it overlapped the next by {overlap:?}");
    group.wait_takeover(&first, secs(10));
    assert_eq!(term(&group).0, renewed.0, "the old term was not extended");
    assert_eq!(master.logged("released the term"), 0);
}

#[test]
fn a_host_whose_guardian_and_elector_die_is_succeeded_within_the_lease() {
    let timing = timing(secs(4));
    let group = Group::hasty(shared());
    let file = group.config("master").write();
    let mut host = Host::start(&file, Fence::Cgroup);
    let first = group.wait_running(ELECTED_WITHIN);
    let _standby = group.start("standby");
    wait_until("both are listed", secs(10), || {
        group.candidates().len() == 2
    });
    let began = now();
    host.kill_both();
    let span = wait_until("the kernel has killed the child", BUSY, || {
        !is_alive(first.pid)
    });
    let second = group.wait_takeover(&first, timing.takeover_after() + BUSY);
    let gap = second.start.saturating_sub(began);
    println!("the child was dead after {span:?}, a standby's ran after {gap:?}");
}

#[test]
fn what_an_earlier_supervisor_left_is_said_and_killed_before_any_campaign() {
    // In the last case its group is empty in the end, and may not be removed.
    for (fence, later) in [
        (Fence::Cgroup, Fence::Cgroup),
        (Fence::None, Fence::None),
        (Fence::Cgroup, Fence::None),
    ] {
        let group = Group::hasty(shared());
        let file = group
            .config("a")
            .exec(&group.witness(&["--daemon", "--children", "1"]))
            .write();
        let mut first = Host::start(&file, fence);
        group.wait_running(ELECTED_WITHIN);
        wait_until("the tree runs", secs(5), || {
            group.record().descendants().len() == 2
        });
        let left = group.record().descendants().to_vec();
        let before = group.record().starts()[0].clone();
        first.kill_both();
        wait_until("the kernel kills the child", BUSY, || !is_alive(before.pid));
        // What the design does not promise outside systemd: nobody is left who could end these.
        assert!(left.iter().all(|&pid| is_alive(pid)), "they outlive both");
        let second = Host::start(&file, later);
        wait_until("they are dead", BUSY, || {
            !left.iter().any(|&pid| is_alive(pid))
        });
        group.wait_takeover(&before, secs(15));
        let log = second.log();
        let elector = log
            .iter()
            .position(|line| line["message"] == "elector started");
        let said = "killed a process that an earlier supervisor left behind";
        for pid in &left {
            let is_it = |line: &Value| line["message"] == said && line["pid"] == pid.as_raw();
            let at = log.iter().position(is_it);
            assert!(at.is_some() && at < elector, "{pid}: {at:?}, {elector:?}");
        }
    }
}

#[test]
fn a_second_supervisor_of_the_same_name_does_not_harm_the_first() {
    for fence in FENCES {
        let group = Group::new(shared());
        let file = group
            .config("a")
            .exec(&group.witness(&["--daemon", "--children", "1"]))
            .write();
        let first = Host::start(&file, fence);
        let run = group.wait_running(ELECTED_WITHIN);
        wait_until("the tree runs", secs(5), || {
            group.record().descendants().len() == 2
        });
        let tree = group.record().descendants().to_vec();
        let second = Host::start(&file, fence);
        wait_until("it says that there are two", secs(10), || {
            second.log().iter().any(|line| {
                line["message"]
                    .as_str()
                    .is_some_and(|it| it.starts_with("another live candidate has the same name"))
            })
        });
        holds_for("the first runs on", secs(1), || {
            is_alive(run.pid) && tree.iter().all(|&pid| is_alive(pid))
        });
        assert_eq!(group.record().starts().len(), 1);
        // And it does stand by.
        first.signal(Signal::SIGTERM);
        group.wait_takeover(&run, secs(10));
        assert!(is_alive(second.guardian()));
    }
}

#[test]
fn signals_that_have_no_meaning_are_said_and_ignored() {
    let group = Group::new(shared());
    let host = group.start("a");
    let run = group.wait_running(ELECTED_WITHIN);
    let others = [
        Signal::SIGUSR1,
        Signal::SIGALRM,
        Signal::SIGTSTP,
        Signal::SIGQUIT,
    ];
    for signal in others {
        host.signal(Who::Guardian, signal);
    }
    wait_until("they are said", BUSY, || host.logged("signal ignored") == 4);
    holds_for("the child runs on", secs(2), || {
        is_alive(run.pid) && host.is_running()
    });
}

#[test]
fn a_child_that_is_stopped_stays_the_masters() {
    let group = Group::new(shared());
    let (mut master, _standby, child) = master_and_standby(&group, secs(4));
    kill(child, Signal::SIGSTOP).expect("it runs");
    holds_for("it is nobody else's business", secs(5), || {
        is_alive(child) && group.record().starts().len() == 1
    });
    // It cannot hear the stop signal, but SIGKILL.
    let first = group.record().starts()[0].clone();
    master.signal(Who::Guardian, Signal::SIGTERM);
    assert!(master.wait_exit(secs(5)).success());
    assert!(!is_alive(child));
    group.wait_takeover(&first, secs(5));
}

#[test]
fn a_log_that_nobody_reads_or_that_is_closed_does_not_stop_renewals() {
    // A pipe that is full, one whose reader is gone, and no descriptor at all.
    let scripts = [
        "mkfifo \"$D/pipe\"; exec 2<>\"$D/pipe\"; head -c 65536 /dev/zero >&2",
        "mkfifo \"$D/pipe\"; { : <\"$D/pipe\" & exec 2>\"$D/pipe\"; wait; }",
        "exec 2>&-",
    ];
    let cases = scripts.map(|script| {
        let group = Group::new(shared());
        let file = group.config("a").write();
        let dir = group.dir().join("a");
        let script = format!("D={}\n{script}", dir.display());
        (Host::after(&script, &file), group)
    });
    for (host, group) in &cases {
        let run = group.wait_running(ELECTED_WITHIN);
        // More than the lease, so it was renewed; a new elector may log no more than the old.
        holds_for("it is renewed", secs(4), || is_alive(run.pid));
        kill(host.elector(), Signal::SIGKILL).expect("it runs");
        let generation = term(group).1;
        wait_generation(group, generation + 1, secs(5));
        holds_for("it is renewed", secs(2), || is_alive(run.pid));
        assert_eq!(group.record().starts().len(), 1);
        let mut lines = fs::read_to_string(group.dir().join("a/log")).unwrap_or_default();
        lines.retain(|c| c == '\n');
        assert!(lines.is_empty(), "nothing of the log came here");
    }
    for (mut host, _group) in cases {
        host.signal(Signal::SIGTERM);
        assert!(host.wait_exit(secs(5)).success());
    }
}
