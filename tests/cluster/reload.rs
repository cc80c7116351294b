//! Reload and upgrade: the supervisor becomes another image, and the command does not notice.

use crate::launch::{ELECTED_WITHIN, Host, timing};
use crate::measure::{BUSY, LONG, links};
use crate::support::time::pause;
use crate::support::{
    Config, Group, Link, Run, is_alive, millis, refuse_all, secs, shared, wait_until,
};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::PathBuf;

const RELOADED: &str = "supervisor goes on, reloaded";
const REFUSED: &str = "not reloaded";

/// A master, a standby that would like to be, and the master's run.
struct Scene {
    group: Group,
    host: Host,
    _other: crate::support::Supervisor,
    run: Run,
}

impl Scene {
    #[track_caller]
    fn new(script: &str) -> Scene {
        let group = Group::new(shared());
        let host = Host::after(script, &config(&group).write());
        let run = group.wait_running(ELECTED_WITHIN);
        let other = group.config("other").session(LONG).start();
        wait_until("both are listed", BUSY, || group.candidates().len() == 2);
        Scene {
            group,
            host,
            _other: other,
            run,
        }
    }

    /// Reloads, and waits until that is done.
    #[track_caller]
    fn reload(&self, times: usize) {
        self.host.signal(Signal::SIGHUP);
        wait_until("it goes on", BUSY, || self.host.logged(RELOADED) == times);
    }

    #[track_caller]
    fn wait_refused(&self, times: usize, reason: &str) {
        let before = (self.host.guardian(), self.host.elector());
        self.host.signal(Signal::SIGHUP);
        wait_until("it is refused", BUSY, || self.host.logged(REFUSED) == times);
        let log = fs::read_to_string(self.group.dir().join("a/log")).expect("its log");
        assert!(log.contains(reason), "{reason}: {log}");
        assert_eq!((self.host.guardian(), self.host.elector()), before);
        self.assert_untouched();
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert!(is_alive(self.run.pid));
        assert_eq!(self.group.record().starts().len(), 1);
    }

    fn term(&self) -> serde_json::Value {
        let znode = self.group.znodes().read(&self.group.term());
        znode.expect("T is there").json()
    }
}

fn config(group: &Group) -> Config {
    group.config("a").session(LONG)
}

#[test]
fn a_file_that_was_changed_is_taken_over_and_the_command_does_not_notice() {
    let mut scene = Scene::new("");
    let (guardian, elector, term) = (scene.host.guardian(), scene.host.elector(), scene.term());
    let deaf = scene.group.witness(&["--ignore-term"]);
    let changed = config(&scene.group)
        .exec(&deaf)
        .set("command.grace_period", "\"1s\"");
    changed.set("log.level", "\"info\"").write();
    scene.reload(1);
    wait_until("its term goes on", BUSY, || {
        scene.term()["generation"].as_u64() > term["generation"].as_u64()
    });
    assert_eq!(scene.term()["term"], term["term"]);
    assert_ne!(scene.host.elector(), elector);
    assert!(!is_alive(elector));
    assert_eq!(scene.host.logged("elector ended"), 0, "it was to end");
    scene.assert_untouched();
    assert_eq!(scene.host.guardian(), guardian);
    // What is of the command holds from its next start, in the same term.
    kill(scene.run.pid, Signal::SIGKILL).expect("it runs");
    let next = scene.group.wait_takeover(&scene.run, BUSY);
    assert_eq!((next.name.as_str(), next.token), ("a", scene.run.token));
    scene.host.signal(Signal::SIGTERM);
    assert!(scene.host.wait_exit(BUSY).success());
    let run = scene.group.record().starts()[1].clone();
    assert!(!run.stopped, "it is the deaf one, and was killed");
    let asked = run.asked.expect("it was asked");
    assert!(
        run.end - asked < secs(4),
        "after the new grace period: {run:?}"
    );
    assert_eq!(scene.host.logged("released the term"), 1);
}

/// A shell's job, and then the shell became the supervisor.
#[test]
fn a_child_from_before_is_neither_killed_nor_waited_for() {
    let group = Group::new(shared());
    let place = group.dir().join("before");
    let script = format!("sleep 600 & echo $! >{}", place.display());
    let mut host = Host::after(&script, &config(&group).write());
    let run = group.wait_running(ELECTED_WITHIN);
    let number = fs::read_to_string(place).expect("it was written");
    let before = Pid::from_raw(number.trim().parse().expect("a number"));
    kill(run.pid, Signal::SIGKILL).expect("it runs");
    let next = group.wait_takeover(&run, BUSY);
    assert!(is_alive(before));
    host.signal(Signal::SIGHUP);
    wait_until("it goes on", BUSY, || host.logged(RELOADED) == 1);
    kill(next.pid, Signal::SIGKILL).expect("it runs");
    group.wait_takeover(&next, BUSY);
    assert!(is_alive(before));
    host.signal(Signal::SIGTERM);
    assert!(host.wait_exit(BUSY).success());
    assert_eq!(host.logged("released the term"), 1);
    assert!(is_alive(before));
}

/// While the next image is tried, is due, or has just begun: which of them is a matter of milliseconds.
#[test]
fn a_stop_at_any_moment_of_a_reload_stops_and_releases() {
    for step in 0..10 {
        let group = Group::new(shared());
        let mut host = Host::after("", &config(&group).write());
        let run = group.wait_running(ELECTED_WITHIN);
        host.signal(Signal::SIGHUP);
        pause(millis(6) * step);
        host.signal(Signal::SIGTERM);
        assert!(host.wait_exit(BUSY).success(), "step {step}");
        assert!(!is_alive(run.pid), "step {step}");
        assert_eq!(host.logged("released the term"), 1, "step {step}");
        assert_eq!(group.record().starts().len(), 1, "step {step}");
    }
}

#[test]
fn a_file_that_is_wrong_is_refused_and_nothing_changes() {
    let scene = Scene::new("");
    let file = scene.group.dir().join("a/app.toml");
    let right = fs::read_to_string(&file).expect("its file");
    fs::write(
        &file,
        right.replace("[election]", "[election]\nlaese = \"9s\""),
    )
    .expect("ours");
    scene.wait_refused(1, "laese");
    fs::remove_file(&file).expect("ours");
    scene.wait_refused(2, "app.toml");
    config(&scene.group)
        .set("zookeeper.servers", "[\"127.0.0.1:1\"]")
        .write();
    scene.wait_refused(3, "another ensemble");
    config(&scene.group)
        .set("election.root", "\"/test/another\"")
        .write();
    scene.wait_refused(4, "`[election] root` is not the one in force");
    // Longer than its lease: what was refused has not stopped its renewals.
    let longer = timing(LONG).lease / 8;
    crate::support::holds_for("it runs on", longer, || is_alive(scene.run.pid));
    fs::write(&file, right).expect("ours");
    scene.reload(1);
    scene.assert_untouched();
}

/// The old grace period leaves the command alone for as long as nobody answers; by the new one it would be stopped at once.
#[test]
fn what_would_stop_the_command_at_once_is_refused_until_the_ensemble_answers() {
    let group = Group::new(shared());
    let links = links(shared());
    let config = config(&group).through(&links);
    let host = Host::after("", &config.write());
    let run = group.wait_running(ELECTED_WITHIN);
    let lease = timing(LONG).lease;
    let longer = format!("\"{}s\"", (lease - secs(4)).as_secs());
    config
        .set("command.grace_period", &longer)
        .set("command.kill_margin", "\"100ms\"")
        .write();
    refuse_all(&links);
    pause(secs(5));
    host.signal(Signal::SIGHUP);
    wait_until("it is refused", BUSY, || host.logged(REFUSED) == 1);
    let log = fs::read_to_string(group.dir().join("a/log")).expect("its log");
    assert!(log.contains("too little is left of the lease"), "{log}");
    links.iter().for_each(Link::heal);
    wait_until("it is taken over", BUSY, || {
        host.signal(Signal::SIGHUP);
        host.logged(RELOADED) > 0
    });
    assert!(is_alive(run.pid));
    assert_eq!(group.record().starts().len(), 1);
}

/// On a standby the command may be on a disk that only the master has.
#[test]
fn a_command_that_is_not_there_is_refused_only_if_it_is_new() {
    let group = Group::new(shared());
    let program = group.dir().join("program");
    std::os::unix::fs::symlink(&group.witness(&[])[0], &program).expect("ours");
    let [witness, arguments @ ..] = &group.witness(&[])[..] else {
        panic!("the witness has a path")
    };
    let exec = |program: &str| [&[program.to_owned()], arguments].concat();
    let own = config(&group).exec(&exec(program.to_str().expect("UTF-8")));
    let host = Host::after("", &own.write());
    let run = group.wait_running(ELECTED_WITHIN);
    fs::remove_file(&program).expect("ours");
    own.clone().set("log.level", "\"info\"").write();
    host.signal(Signal::SIGHUP);
    wait_until("it goes on", BUSY, || host.logged(RELOADED) == 1);
    config(&group)
        .exec(&exec(&format!("{witness}-new")))
        .write();
    host.signal(Signal::SIGHUP);
    wait_until("it is refused", BUSY, || host.logged(REFUSED) == 1);
    let log = fs::read_to_string(group.dir().join("a/log")).expect("its log");
    assert!(log.contains("-new"), "{log}");
    assert!(is_alive(run.pid));
}

/// The command echoes what it reads, by the connection that it made before.
#[test]
fn a_connection_of_the_command_lives_on() {
    let group = Group::new(shared());
    let server = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = server.local_addr().expect("it is bound").port();
    let echo = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{port}; while read -r line <&3; do echo \"$line\" >&3; done"
    );
    let host = Host::after(
        "",
        &config(&group).exec(&["/bin/bash", "-c", &echo]).write(),
    );
    let (stream, _) = server.accept().expect("it connects");
    stream.set_read_timeout(Some(BUSY)).expect("not zero");
    let mut lines = BufReader::new(&stream).lines();
    let mut says = |word: &str| {
        writeln!(&stream, "{word}").expect("it is connected");
        lines.next().expect("it answers").expect("it is connected")
    };
    assert_eq!(says("before"), "before");
    host.signal(Signal::SIGHUP);
    wait_until("it goes on", BUSY, || host.logged(RELOADED) == 1);
    assert_eq!(says("after"), "after");
}

/// A supervisor whose program is a file of its own.
fn own_program(group_dir: &str) -> String {
    format!(
        "mkdir -p {group_dir}; cp \"$1\" {group_dir}/program; shift; set -- {group_dir}/program \"$@\""
    )
}

#[test]
fn a_newer_program_is_tried_before_it_takes_over() {
    let place = std::env::temp_dir().join(format!("zk-supervise-upgrade-{}", std::process::id()));
    let mut scene = Scene::new(&own_program(place.to_str().expect("UTF-8")));
    let program = place.join("program");
    let replace = |by: &dyn Fn(&PathBuf)| {
        let new = place.join("new");
        by(&new);
        fs::rename(&new, &program).expect("the directory is ours");
    };
    let written = |text: &'static str| {
        move |path: &PathBuf| {
            use std::os::unix::fs::PermissionsExt;
            fs::write(path, text).expect("ours");
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("ours");
        }
    };
    replace(&written("no program"));
    scene.wait_refused(1, "the new image cannot be started");
    replace(&written("#!/bin/sh\nkill -9 $$\n"));
    scene.wait_refused(2, "ended before its time");
    replace(&written("#!/bin/sh\necho 'I am too old' >&2; exit 70\n"));
    scene.wait_refused(3, "I am too old");
    replace(&written("#!/bin/sh\nexit 0\n"));
    scene.wait_refused(4, "the new image is no zk-supervise");

    replace(&|path| _ = fs::copy(env!("CARGO_BIN_EXE_zk-supervise"), path).expect("it is built"));
    let image = format!("/proc/{}/exe", scene.host.guardian());
    let is_deleted =
        || fs::read_link(&image).is_ok_and(|it| it.to_string_lossy().contains("deleted"));
    assert!(is_deleted());
    scene.reload(1);
    assert!(!is_deleted());
    scene.assert_untouched();
    scene.host.signal(Signal::SIGTERM);
    assert!(scene.host.wait_exit(BUSY).success());
    fs::remove_dir_all(place).expect("ours");
}

#[test]
fn one_reload_after_another_leaves_the_command_alone() {
    let scene = Scene::new("");
    for times in 1..=8 {
        scene.reload(times);
        scene.assert_untouched();
    }
    wait_until("the last elector has resumed the term", BUSY, || {
        let log = scene.host.log();
        let last = |message: &str| log.iter().rposition(|line| line["message"] == message);
        last("resumed the term") > last(RELOADED)
    });
    // It still dies with its supervisor.
    kill(scene.host.guardian(), Signal::SIGKILL).expect("it runs");
    scene.group.wait_takeover(&scene.run, BUSY);
}

#[test]
fn a_supervisor_that_is_told_to_stop_in_the_middle_of_a_reload_stops() {
    for first in [Signal::SIGHUP, Signal::SIGTERM] {
        let mut scene = Scene::new("");
        let second = if first == Signal::SIGHUP {
            Signal::SIGTERM
        } else {
            Signal::SIGHUP
        };
        for signal in [first, second] {
            scene.host.signal(signal);
        }
        assert!(scene.host.wait_exit(BUSY).success());
        assert_eq!(scene.host.logged("released the term"), 1);
        let next = scene.group.wait_takeover(&scene.run, BUSY);
        assert_eq!(next.name, "other");
    }
}

#[test]
fn a_standby_is_reloaded_too() {
    let group = Group::new(shared());
    let _master = group.config("master").session(LONG).start();
    let run = group.wait_running(ELECTED_WITHIN);
    let host = Host::after("", &config(&group).write());
    wait_until("both are listed", BUSY, || group.candidates().len() == 2);
    host.signal(Signal::SIGHUP);
    wait_until("it goes on", BUSY, || host.logged(RELOADED) == 1);
    kill(host.elector(), Signal::SIGKILL).expect("it runs");
    wait_until("both are listed again", BUSY, || {
        group.candidates().len() == 2
    });
    assert!(is_alive(run.pid));
}
