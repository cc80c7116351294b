use super::*;
use crate::core::election::{TermId, Token};
use crate::core::guard::{Grant, StopReason};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

fn at(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

const ID: TermId = TermId {
    elector: 7,
    number: 1,
};

const OFF_SAID: &str = "WATCHDOG_USEC=315360000000000\nWATCHDOG=1";

const SINCE: SystemTime = SystemTime::UNIX_EPOCH;

fn grant(end: u64) -> Grant {
    Grant {
        id: ID,
        generation: 0,
        token: Token(60),
        version: 6,
        lease: Duration::from_millis(8300),
        not_before: at(0),
        end: at(end),
        starts: 1,
    }
}

const IDLE: Report = Report {
    charge: Charge::None,
    tree: Tree::Empty,
    started: 0,
    exit: None,
    shutdown: Shutdown::No,
};

/// A herald, and the socket that it tells.
fn scene(test: &str) -> (Herald, UnixDatagram) {
    let name = format!("@zk-supervise.herald.{test}.{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name[1..]).expect("a short name");
    let socket = UnixDatagram::bind_addr(&address).expect("nobody else has it");
    socket.set_nonblocking(true).expect("it can be");
    let herald = Herald {
        manager: Manager::at(std::ffi::OsStr::new(&name)).expect("it listens"),
        master: "/ha/billing/master".to_owned(),
        margin: Duration::from_millis(500),
        readiness: Readiness::Starting,
        told: None,
        watchdog: None,
        patient_until: Time::default(),
    };
    (herald, socket)
}

fn heard(socket: &UnixDatagram) -> Vec<String> {
    let mut buffer = [0; 2048];
    std::iter::from_fn(|| {
        let length = socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    })
    .collect()
}

#[test]
fn a_term_is_told_from_its_first_lease_to_its_end() {
    let (mut herald, socket) = scene("term");
    herald.tell(at(0), &IDLE, None, SINCE);
    assert_eq!(
        heard(&socket),
        [OFF_SAID, "STATUS=standing by for /ha/billing/master"],
        "an image before us may have left it set"
    );
    for _ in 0..2 {
        herald.note_elector();
        herald.tell(at(0), &IDLE, None, SINCE);
    }
    assert_eq!(heard(&socket), ["READY=1"], "once");

    let open = Report {
        charge: Charge::Open(grant(9000)),
        tree: Tree::Running { since: at(1000) },
        ..IDLE
    };
    herald.tell(at(1000), &open, Some(Pid::from_raw(4711)), SINCE);
    let told = heard(&socket);
    assert_eq!(told[0], "WATCHDOG_USEC=7500000\nWATCHDOG=1");
    let since = "1970-01-01T00:00:00Z, pid 4711, lease 8s 300ms";
    assert_eq!(
        told[1],
        format!("STATUS=master of /ha/billing/master since {since}")
    );

    herald.tell(at(1100), &open, Some(Pid::from_raw(4711)), SINCE);
    assert_eq!(heard(&socket), Vec::<String>::new(), "no news");
    let renewed = Report {
        charge: Charge::Open(grant(9500)),
        ..open
    };
    herald.tell(at(1500), &renewed, Some(Pid::from_raw(4711)), SINCE);
    assert_eq!(heard(&socket), ["WATCHDOG_USEC=7500000\nWATCHDOG=1"]);

    let killing = Report {
        charge: Charge::Sealed(grant(9500), StopReason::LeaseLapsed),
        tree: Tree::Killing { again_at: at(9000) },
        ..IDLE
    };
    herald.tell(at(9000), &killing, Some(Pid::from_raw(4711)), SINCE);
    assert_eq!(
        heard(&socket),
        [OFF_SAID, "STATUS=killing the command of /ha/billing/master"]
    );
}

#[test]
fn a_lease_that_is_over_does_not_switch_the_watchdog_off() {
    let (mut herald, socket) = scene("late");
    let stopping = Report {
        charge: Charge::Sealed(grant(9000), StopReason::LeaseLapsed),
        tree: Tree::Stopping { kill_at: at(8000) },
        ..IDLE
    };
    herald.tell(at(9001), &stopping, None, SINCE);
    assert_eq!(heard(&socket)[0], "WATCHDOG_USEC=1\nWATCHDOG=1");
}

/// Both processes may be stopped in the middle of a stop, too.
#[test]
fn the_watchdog_is_fed_again_whenever_a_stop_is_told() {
    let (mut herald, socket) = scene("stop");
    let stopping = Report {
        charge: Charge::Sealed(grant(9000), StopReason::Shutdown),
        tree: Tree::Stopping { kill_at: at(8000) },
        shutdown: Shutdown::Graceful,
        ..IDLE
    };
    for (millis, left) in [(1000, 7_500_000), (6000, 2_500_000)] {
        herald.tell(at(millis), &stopping, None, SINCE);
        let fed = format!("WATCHDOG_USEC={left}\nWATCHDOG=1");
        assert!(heard(&socket)[0].ends_with(&fed), "{millis}");
    }
}

#[test]
fn a_stop_is_told_until_the_tree_is_dead() {
    let (mut herald, socket) = scene("stopped");
    let kill_at = at(8000);
    for (tree, status) in [
        (
            Tree::Stopping { kill_at },
            "stopping the command of /ha/billing/master",
        ),
        (
            Tree::Killing { again_at: kill_at },
            "killing the command of /ha/billing/master",
        ),
        (
            Tree::Empty,
            "stopped; whatever was held is being given back",
        ),
    ] {
        let report = Report {
            tree,
            shutdown: Shutdown::Graceful,
            ..IDLE
        };
        herald.tell(at(1000), &report, None, SINCE);
        assert_eq!(heard(&socket).last(), Some(&format!("STATUS={status}")));
    }
}

#[test]
fn what_is_not_heard_is_told_again() {
    let (mut herald, socket) = scene("deaf");
    // Nobody reads: its queue is full after a while.
    while herald.manager.tell(format_args!("X=1")) {}
    herald.note_elector();
    herald.tell(at(0), &IDLE, None, SINCE);
    let _ = heard(&socket);
    herald.tell(at(1), &IDLE, None, SINCE);
    let told = [
        "READY=1",
        OFF_SAID,
        "STATUS=standing by for /ha/billing/master",
    ];
    assert_eq!(heard(&socket), told);
}

#[test]
fn the_manager_is_asked_for_time_until_the_end() {
    let (mut herald, socket) = scene("time");
    let stopping = Report {
        shutdown: Shutdown::Graceful,
        ..IDLE
    };
    let more =
        "STOPPING=1\nEXTEND_TIMEOUT_USEC=10000000\nWATCHDOG_USEC=315360000000000\nWATCHDOG=1";
    let mut asked = Vec::new();
    for second in 0..12 {
        herald.tell(at(100_000 + second * 1000), &stopping, None, SINCE);
        if heard(&socket).contains(&more.to_owned()) {
            asked.push(second);
        }
    }
    assert_eq!(asked, [0, 5, 10]);
}
