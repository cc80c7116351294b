//! What guardian and elector may say to each other, and what may come of it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, recv, send};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use zk_supervise::core::election::{TermId, Token};
use zk_supervise::core::guard::{
    Action, Charge, ChildExit, Fact, Grant, Guard, Order, Report, Shutdown, StopReason, Tree,
};
use zk_supervise::core::lease::{Timing, Wish};
use zk_supervise::core::time::Time;
use zk_supervise::process::wire::{Message, Received, Status, Wire};

use crate::cases;
use crate::meter::most_held;
use crate::mutate::spoilt;

/// A wire whose other end sends bytes.
struct Pair {
    wire: Wire,
    raw: OwnedFd,
}

impl Pair {
    fn new() -> Pair {
        let (wire, raw) = Wire::pair().expect("descriptors are left");
        Pair { wire, raw }
    }

    /// The packet that `message` becomes.
    fn encode(&self, message: &impl Message) -> Vec<u8> {
        self.wire.send(message);
        let mut bytes = [0; 1024];
        let length = recv(self.raw.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT)
            .expect("it was just sent");
        bytes[..length].to_vec()
    }

    /// What a packet is read as. Reading never allocates.
    fn decode<T: Message>(&self, bytes: &[u8]) -> Option<T> {
        // Nothing at all would be the end of the wire.
        if bytes.is_empty() {
            return None;
        }
        send(self.raw.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT).expect("the wire is empty");
        let (received, most) = most_held(|| self.wire.receive::<T>());
        assert_eq!(most, 0, "the guardian has no heap");
        match received {
            Received::Message(message) => Some(message),
            Received::Nothing => None,
            Received::Closed => panic!("both ends are open"),
        }
    }
}

/// Beginnings of time and ends of it, and all between.
fn time() -> impl Strategy<Value = Time> {
    prop_oneof![
        Just(0),
        Just(u64::MAX),
        any::<u64>(),
        0..400_000_000_000_u64
    ]
    .prop_map(Time::from_nanos)
}

fn term_id() -> impl Strategy<Value = TermId> {
    any::<(u64, u32)>().prop_map(|(elector, number)| TermId { elector, number })
}

fn grant() -> impl Strategy<Value = Grant> {
    (
        term_id(),
        any::<(u32, i64, i32, u64, u32)>(),
        time(),
        time(),
    )
        .prop_map(
            |(id, (generation, token, version, lease, starts), not_before, end)| Grant {
                id,
                generation,
                token: Token(token),
                version,
                lease: Duration::from_nanos(lease),
                not_before,
                end,
                starts,
            },
        )
}

fn order() -> impl Strategy<Value = Order> {
    prop_oneof![
        Just(Order::Hold),
        grant().prop_map(Order::Lease),
        term_id().prop_map(Order::GiveUp),
        term_id().prop_map(Order::Forget),
    ]
}

fn status() -> impl Strategy<Value = Status> {
    let reason = prop_oneof![
        Just(StopReason::LeaseLapsed),
        Just(StopReason::GivenUp),
        Just(StopReason::Shutdown),
        Just(StopReason::MainExited)
    ];
    let charge = prop_oneof![
        Just(Charge::None),
        grant().prop_map(Charge::Open),
        (grant(), reason).prop_map(|(grant, reason)| Charge::Sealed(grant, reason)),
        term_id().prop_map(Charge::Barred),
    ];
    let tree = prop_oneof![
        Just(Tree::Empty),
        time().prop_map(|since| Tree::Running { since }),
        time().prop_map(|kill_at| Tree::Stopping { kill_at }),
        time().prop_map(|again_at| Tree::Killing { again_at }),
    ];
    let exit = prop_oneof![
        any::<i32>().prop_map(ChildExit::Code),
        any::<i32>().prop_map(ChildExit::Signal),
        any::<i32>().prop_map(ChildExit::NotStarted)
    ];
    let shutdown = prop_oneof![
        Just(Shutdown::No),
        Just(Shutdown::Graceful),
        Just(Shutdown::AtOnce)
    ];
    (
        charge,
        tree,
        any::<u32>(),
        option::of(exit),
        shutdown,
        option::of(1..i32::MAX),
    )
        .prop_map(|(charge, tree, started, exit, shutdown, main)| Status {
            report: Report {
                charge,
                tree,
                started,
                exit,
                shutdown,
            },
            main,
        })
}

fn timing() -> Timing {
    Wish::default().timing()
}

/// When the trials with a guardian begin.
fn dawn() -> Time {
    Time::from_nanos(100_000_000_000)
}

fn id(number: u32) -> TermId {
    TermId { elector: 7, number }
}

/// A lease as an elector would give it at `dawn`, but for some seconds.
fn likely_grant() -> impl Strategy<Value = Grant> {
    let seconds = |range: std::ops::Range<u64>| range.prop_map(Duration::from_secs);
    (1..3_u32, 0..3_u32, seconds(0..30), seconds(0..40), 0..3_u32).prop_map(
        |(number, generation, wait, length, starts)| Grant {
            id: id(number),
            generation,
            token: Token(40),
            version: 9,
            lease: timing().lease,
            not_before: dawn() - Duration::from_secs(10) + wait,
            end: dawn() + length,
            starts,
        },
    )
}

fn likely_order() -> impl Strategy<Value = Order> {
    prop_oneof![
        1 => Just(Order::Hold),
        6 => likely_grant().prop_map(Order::Lease),
        1 => (1..3_u32).prop_map(|number| Order::GiveUp(id(number))),
        1 => (1..3_u32).prop_map(|number| Order::Forget(id(number))),
    ]
}

/// Packets, and how long after the one before each comes: orders as they may be, or spoilt.
fn packets() -> impl Strategy<Value = Vec<(Duration, Vec<u8>)>> {
    let sound = likely_order().prop_map(|order| Pair::new().encode(&order));
    let pause = (0..3000_u64).prop_map(Duration::from_millis);
    let packet = prop_oneof![2 => sound, 1 => spoilt_order()];
    vec((pause, packet), 1..12)
}

/// One order of each kind, as packets.
fn orders() -> [Vec<u8>; 4] {
    let pair = Pair::new();
    let grant = Grant {
        id: id(1),
        generation: 0,
        token: Token(40),
        version: 9,
        lease: timing().lease,
        not_before: dawn(),
        end: dawn() + timing().lease,
        starts: 1,
    };
    let orders = [
        Order::Lease(grant),
        Order::GiveUp(id(1)),
        Order::Forget(id(1)),
        Order::Hold,
    ];
    orders.map(|order| pair.encode(&order))
}

fn spoilt_order() -> impl Strategy<Value = Vec<u8>> {
    spoilt(orders().into(), &[0])
}

/// A packet that is read as an order is what that order is written as.
fn check_bytes(pair: &Pair, packet: &[u8]) -> Result<(), TestCaseError> {
    if let Some(order) = pair.decode::<Order>(packet) {
        prop_assert_eq!(pair.encode(&order), packet);
    }
    Ok(())
}

/// Whether `grant` allows a start at `now`, and says no more than the guardian was told of its term.
fn is_due(grant: &Grant, now: Time, heard: &[(Time, Order)]) -> bool {
    let timing = timing();
    let stop_at = grant.end - timing.kill_margin - timing.grace_period;
    let is_told = heard.iter().any(|(at, order)| {
        matches!(order, Order::Lease(told) if told.id == grant.id && told.end == grant.end && told.end <= *at + timing.lease)
    });
    let is_same_term = |order: &Order| matches!(order, Order::Lease(told) if told.id == grant.id && told.token == grant.token);
    is_told
        && heard.iter().any(|(_, order)| is_same_term(order))
        && grant.not_before <= now
        && now < stop_at
}

/// Whether giving `id` up ends it there and then: with another term in charge it is said again until it does.
fn is_bound(charge: Charge, id: TermId) -> bool {
    match charge {
        Charge::None | Charge::Barred(_) => true,
        Charge::Open(grant) | Charge::Sealed(grant, _) => grant.id == id,
    }
}

/// Every child that a guardian starts on these packets was due, and of a term that nobody gave up (R6).
fn check_starts(packets: &[(Duration, Vec<u8>)]) -> Result<(), TestCaseError> {
    let pair = Pair::new();
    let mut now = dawn();
    let mut guard = Guard::new(now, timing());
    let _ = guard.step(now, Fact::Woke);
    let (mut heard, mut over, mut started) = (Vec::new(), Vec::new(), Vec::new());
    for (pause, packet) in packets {
        now = now + *pause;
        let fact = match pair.decode::<Order>(packet) {
            Some(order) => {
                heard.push((now, order));
                Fact::Ordered(order)
            }
            None => Fact::Woke,
        };
        let before = guard.report().charge;
        for action in guard.step(now, fact) {
            let Action::Spawn(grant) = action else {
                continue;
            };
            prop_assert!(
                is_due(&grant, now, &heard),
                "at {now:?}, {grant:?} after {heard:?}"
            );
            prop_assert!(!over.contains(&grant.id), "over: {grant:?} after {heard:?}");
            started.push(grant.id);
        }
        match fact {
            Fact::Ordered(Order::GiveUp(id)) if is_bound(before, id) => over.push(id),
            // Whatever was over is forgotten.
            Fact::Ordered(Order::Forget(_)) if guard.report().charge == Charge::None => {
                over.clear()
            }
            Fact::Ordered(_)
            | Fact::Woke
            | Fact::Surveyed(_)
            | Fact::ShutdownAsked
            | Fact::ElectorExited(_) => {}
        }
    }
    // Nothing of the first child is ever said to have ended.
    prop_assert!(started.len() <= 1, "{started:?}");
    Ok(())
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn every_message_is_read_as_it_was_sent(order in order(), status in status()) {
        let pair = Pair::new();
        prop_assert_eq!(pair.decode(&pair.encode(&order)), Some(order));
        prop_assert_eq!(pair.decode(&pair.encode(&status)), Some(status));
    }

    #[test]
    fn an_order_that_is_read_was_written_so_to_the_byte(bytes in spoilt_order()) {
        let pair = Pair::new();
        let packet = &bytes[..bytes.len().min(1024)];
        check_bytes(&pair, packet)?;
        if let Some(status) = pair.decode::<Status>(packet) {
            prop_assert_eq!(pair.decode(&pair.encode(&status)), Some(status));
        }
    }

    #[test]
    fn a_status_that_is_read_means_what_it_meant(status in status(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let pair = Pair::new();
        let mut packet = pair.encode(&status);
        let at = at.index(packet.len());
        packet[at] = byte;
        if let Some(read) = pair.decode::<Status>(&packet) {
            prop_assert_eq!(pair.decode(&pair.encode(&read)), Some(read));
            prop_assert!(read.main.is_none_or(|main| main > 0), "a sweep would signal a whole group: {:?}", read.main);
        }
    }

    #[test]
    fn no_child_starts_but_under_a_lease_that_is_good_now(packets in packets()) {
        check_starts(&packets)?;
    }
}

/// Else the property above could hold because no child ever starts.
#[test]
fn a_good_lease_starts_a_child_and_the_same_one_second_later_does_not() {
    let end = dawn() + timing().lease;
    let good = Grant {
        id: id(1),
        generation: 0,
        token: Token(40),
        version: 9,
        lease: timing().lease,
        not_before: dawn(),
        end,
        starts: 1,
    };
    let starts = |grant: Grant| {
        let pair = Pair::new();
        let mut guard = Guard::new(dawn(), timing());
        let _ = guard.step(dawn(), Fact::Woke);
        let order = pair
            .decode(&pair.encode(&Order::Lease(grant)))
            .expect("an order");
        let actions = guard.step(dawn(), Fact::Ordered(order));
        actions
            .into_iter()
            .any(|action| matches!(action, Action::Spawn(_)))
    };
    assert!(starts(good));
    let second = Duration::from_secs(1);
    assert!(
        !starts(Grant {
            end: end + second,
            ..good
        }),
        "longer than a lease can be"
    );
    assert!(
        !starts(Grant {
            not_before: dawn() + second,
            ..good
        }),
        "too early"
    );
    assert!(
        !starts(Grant {
            end: dawn() + second,
            ..good
        }),
        "too late"
    );
    assert!(!starts(Grant {
        end: Time::NEVER,
        ..good
    }));
}

#[test]
fn no_byte_of_an_order_can_be_another() {
    let pair = Pair::new();
    for packet in orders() {
        for at in 0..packet.len() {
            for byte in 0..=u8::MAX {
                let mut spoilt = packet.clone();
                spoilt[at] = byte;
                check_bytes(&pair, &spoilt).unwrap_or_else(|error| panic!("{spoilt:?}: {error}"));
            }
        }
    }
}

/// A sweep kills the group of the main process: 0 would be our own, and -1 everything.
#[test]
fn no_status_names_a_main_process_that_is_none() {
    let pair = Pair::new();
    let report = Guard::new(dawn(), timing()).report();
    let packet = pair.encode(&Status {
        report,
        main: Some(4711),
    });
    for (pid, main) in [
        (0, None),
        (-1, None),
        (i64::from(i32::MIN), None),
        (1, Some(1)),
    ] {
        let mut spoilt = packet.clone();
        let last = spoilt.len() - 8;
        spoilt[last..].copy_from_slice(&pid.to_le_bytes());
        let read = pair.decode::<Status>(&spoilt).expect("a status");
        assert_eq!(read.main, main, "{pid}");
    }
}
