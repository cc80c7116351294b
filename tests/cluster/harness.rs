//! The harness does what the other tests rely on.

use crate::support::{
    Ensemble, Group, Link, Netns, Process, Way, Znodes, expire, holds_for, is_alive, millis, secs,
    shared, wait_for, wait_until,
};
use nix::sys::signal::Signal;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;

/// Starts a witness by hand, as a candidate with a name and a token.
fn by_hand(group: &Group, name: &str, token: u64, options: &[&str]) -> Process {
    let line = group.witness(options);
    let mut command = Command::new(&line[0]);
    command
        .args(&line[1..])
        .env("ZK_SUPERVISE_NAME", name)
        .env("ZK_SUPERVISE_TOKEN", token.to_string());
    Process::spawn("a witness", command)
}

#[test]
fn an_ensemble_has_one_leader_and_elects_another_when_it_is_killed() {
    let ensemble = Ensemble::quick();
    assert_eq!(ensemble.followers().len(), 2);
    let first = ensemble.leader();
    first.kill();
    let second = wait_for("another leads", secs(20), || {
        ensemble.servers().iter().find(|server| server.is_leader())
    });
    assert_ne!(first.address(), second.address());
    first.restart();
    ensemble.wait_serving();
    assert!(!first.is_leader());
}

#[test]
fn a_single_server_at_the_stock_pace_grants_four_seconds_at_least() {
    let ensemble = Ensemble::start(1);
    let conf = ensemble.servers()[0].ask("conf").expect("it serves");
    assert!(conf.contains("tickTime=2000"), "{conf}");
    assert!(conf.contains("minSessionTimeout=4000"), "{conf}");
}

#[test]
fn a_frozen_server_answers_nothing_until_it_is_thawed() {
    let ensemble = Ensemble::quick();
    let follower = ensemble.followers()[0];
    follower.freeze();
    assert!(follower.ask("ruok").is_none());
    follower.thaw();
    ensemble.wait_serving();
    follower.stop();
    assert!(follower.ask("ruok").is_none());
    follower.start();
    ensemble.wait_serving();
}

#[test]
fn znodes_are_read_written_listed_and_deleted() {
    let group = Group::new(shared());
    let znodes = group.znodes();
    let path = format!("{}/a/b", group.root());
    assert!(!znodes.exists(&path));
    assert!(!znodes.delete(&path));
    znodes.create(&path, b"{}");
    znodes.write(&path, br#"{"n": 1}"#);
    assert_eq!(znodes.read(&path).expect("just made").json()["n"], 1);
    assert_eq!(znodes.children(&format!("{}/a", group.root())), ["b"]);
    assert!(znodes.delete(&path));
    assert_eq!(znodes.children(&path), Vec::<String>::new());
    assert_eq!(group.candidates(), Vec::<String>::new());
}

#[test]
fn a_session_is_ended_from_outside() {
    let group = Group::new(shared());
    let owner = Znodes::of(shared());
    owner.create_ephemeral(&group.master(), b"");
    let session = group.master_session();
    expire(&shared().servers()[1], session).expect("the password follows from the id");
    wait_until("the ephemeral is gone", secs(10), || {
        !group.znodes().exists(&group.master())
    });
    expire(&shared().servers()[1], session).expect_err("it is over");
    assert!(!owner.exists(&group.term()), "the owner connects anew");
}

/// An echo server, and a link to it.
fn echo() -> (Link, impl Fn() -> TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let target = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let (mut reader, mut writer) = (&stream, &stream);
                std::io::copy(&mut reader, &mut writer).ok();
            });
        }
    });
    let link = Link::to(target);
    let address: SocketAddr = link.address().parse().expect("an address");
    let connect = move || {
        let stream = TcpStream::connect(address).expect("the link listens");
        stream
            .set_read_timeout(Some(millis(100)))
            .expect("100 ms are a timeout");
        stream
    };
    (link, connect)
}

/// Sends a byte; says what came back.
fn says(mut stream: &TcpStream) -> Result<u8, ErrorKind> {
    let mut byte = [0];
    stream.write_all(&[7]).map_err(|error| error.kind())?;
    stream
        .read_exact(&mut byte)
        .map_err(|error| error.kind())
        .map(|()| byte[0])
}

#[test]
fn a_link_passes_holds_and_heals() {
    let (link, connect) = echo();
    let stream = connect();
    assert_eq!(says(&stream), Ok(7));
    for way in [Way::ToServer, Way::ToClient, Way::Both] {
        link.hold(way);
        assert_eq!(says(&stream), Err(ErrorKind::WouldBlock), "{way:?}");
        link.heal();
        let mut late = [0];
        wait_until("what was held arrives", secs(10), || {
            (&stream).read_exact(&mut late).is_ok()
        });
    }
    link.blackhole();
    assert_eq!(says(&connect()), Err(ErrorKind::WouldBlock));
    link.heal();
    link.delay(millis(30));
    let mut late = [0];
    (&stream).write_all(&[7]).expect("it is open");
    let took = wait_until("it comes late", secs(10), || {
        (&stream).read_exact(&mut late).is_ok()
    });
    assert!(took >= millis(60), "{took:?}");
}

#[test]
fn a_link_resets_and_refuses() {
    let (link, connect) = echo();
    let stream = connect();
    assert_eq!(says(&stream), Ok(7));
    link.reset();
    wait_until("the connection is reset", secs(10), || {
        says(&stream) == Err(ErrorKind::ConnectionReset)
            || says(&stream) == Err(ErrorKind::BrokenPipe)
    });
    assert_eq!(says(&connect()), Ok(7));
    link.refuse();
    assert_eq!(link.connections(), 0);
    let address: SocketAddr = link.address().parse().expect("an address");
    let refused = TcpStream::connect(address).expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    link.heal();
    assert_eq!(says(&connect()), Ok(7));
}

#[test]
fn one_witness_after_another_is_no_overlap() {
    let group = Group::new(shared());
    let mut first = by_hand(&group, "a", 1, &["--children", "2"]);
    let run = group.wait_running(secs(5));
    assert_eq!((run.name.as_str(), run.token), ("a", 1));
    wait_until("its children run", secs(5), || {
        group.record().descendants().len() == 2
    });
    holds_for("it runs", millis(100), || is_alive(first.pid()));
    first.signal(Signal::SIGTERM);
    assert!(first.wait_exit(secs(5)).success());
    let ended = group.record().starts()[0].clone();
    assert!(ended.stopped && ended.asked.is_some() && ended.end > ended.start);
    for &child in group.record().descendants() {
        nix::sys::signal::kill(child, Signal::SIGTERM).expect("it outlived its parent");
        wait_until("a child ends", secs(5), || !is_alive(child));
    }
    let second = by_hand(&group, "b", 2, &["--exit-after", "50", "--exit-code", "3"]);
    let mut second = second;
    assert_eq!(second.wait_exit(secs(5)).code(), Some(3));
    let record = group.record();
    assert!(record.last_gap().expect("two ran") > millis(0));
    assert_eq!(record.starts_of("b").len(), 1);
}

#[test]
fn two_witnesses_at_once_are_an_overlap() {
    let group = Group::new(shared());
    group.may_overlap();
    let _first = by_hand(&group, "a", 1, &[]);
    group.wait_running(secs(5));
    let mut second = by_hand(&group, "b", 2, &[]);
    assert_eq!(second.wait_exit(secs(5)).code(), Some(99));
    let overlaps = group.record().overlaps();
    assert!(overlaps[0].starts_with("OVERLAP-lock"), "{overlaps:?}");
}

#[test]
fn a_daemon_that_outlives_its_witness_is_an_overlap() {
    let group = Group::new(shared());
    group.may_overlap();
    let mut first = by_hand(&group, "a", 2, &["--daemon"]);
    wait_until("the daemon runs", secs(5), || {
        !group.record().descendants().is_empty()
    });
    let daemon = group.record().descendants()[0];
    first.kill();
    nix::sys::signal::kill(daemon, Signal::SIGTERM).expect("it runs");
    holds_for("a daemon is deaf", millis(50), || is_alive(daemon));
    let mut second = by_hand(&group, "b", 3, &[]);
    assert_eq!(second.wait_exit(secs(5)).code(), Some(99));
    nix::sys::signal::kill(daemon, Signal::SIGKILL).expect("it still runs");
    wait_until("the daemon is gone", secs(5), || !is_alive(daemon));
    let mut third = by_hand(&group, "b", 1, &["--exit-after", "20"]);
    assert!(third.wait_exit(secs(5)).success());
    let overlaps = group.record().overlaps();
    assert!(overlaps[0].starts_with("OVERLAP-tree"), "{overlaps:?}");
    assert!(overlaps[1].starts_with("the token fell"), "{overlaps:?}");
}

#[test]
fn a_witness_may_ignore_sigterm_or_need_its_time() {
    let group = Group::new(shared());
    let mut slow = by_hand(&group, "a", 1, &["--stop-after", "100"]);
    let run = group.wait_running(secs(5));
    slow.signal(Signal::SIGTERM);
    assert!(slow.wait_exit(secs(5)).success());
    let ended = group.record().starts()[0].clone();
    assert!(ended.end - ended.asked.expect("it was asked") >= millis(100));
    let mut deaf = by_hand(&group, "a", 1, &["--ignore-term"]);
    group.wait_takeover(&run, secs(5));
    deaf.signal(Signal::SIGTERM);
    wait_until("it heard", secs(5), || {
        group.record().starts()[1].asked.is_some()
    });
    holds_for("it runs on", millis(100), || is_alive(deaf.pid()));
}

#[test]
fn a_namespace_reaches_the_servers_until_it_is_unplugged() {
    let Some(netns) = Netns::new(shared()) else {
        return;
    };
    let inside = || {
        let (host, port) = address(&netns.links()[0]);
        let script = format!("exec 3<>/dev/tcp/{host}/{port} && echo srvr >&3 && cat <&3");
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", netns.name()));
        let output = command.args(["bash", "-c", &script]).output();
        let output = output.expect("util-linux is installed");
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    };
    assert!(inside().contains("Mode:"), "{}", inside());
    netns.unplug();
    assert!(inside().contains("unreachable"), "{}", inside());
    netns.plug();
    wait_until("it is back", secs(10), || inside().contains("Mode:"));
}

fn address(link: &Link) -> (String, u16) {
    let address: SocketAddr = link.address().parse().expect("an address");
    (address.ip().to_string(), address.port())
}
