//! Every state × every fact, and the guardian's rules 1 to 6.

use super::super::election::Token;
use super::super::lease::Wish;
use super::*;

const TERM: TermId = TermId {
    elector: 7,
    number: 1,
};
const OTHER: TermId = TermId {
    elector: 7,
    number: 2,
};

/// Seconds are too coarse for some, nanoseconds unreadable: milliseconds.
fn at(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Sent at 100 s: lease 25 s, stop at 117.9 s, kill at 122.9 s, end at 124.9 s.
fn grant() -> Grant {
    Grant {
        id: TERM,
        generation: 3,
        token: Token(40),
        version: 9,
        lease: seconds(25),
        not_before: at(0),
        end: at(124_900),
        starts: 1,
    }
}

fn lease(grant: Grant) -> Fact {
    Fact::Ordered(Order::Lease(grant))
}

/// The guardian of a stock configuration, and when it was stepped last.
#[derive(Clone)]
struct Scene {
    guard: Guard,
    now: u64,
}

impl Scene {
    fn new() -> Scene {
        let guard = Guard::new(at(99_000), Wish::default().timing());
        let scene = Scene { guard, now: 99_000 };
        scene.then(99_000, Fact::Woke)
    }

    fn step(&mut self, millis: u64, fact: Fact) -> Vec<Action> {
        self.now = millis;
        self.guard.step(at(millis), fact).into_iter().collect()
    }

    fn then(mut self, millis: u64, fact: Fact) -> Scene {
        let _ = self.step(millis, fact);
        self
    }

    /// The same, after so long, with the elector heard in between.
    fn hear_until(mut self, millis: u64) -> Scene {
        while self.now + 1000 < millis {
            let next = self.now + 1000;
            self = self.then(next, Fact::Ordered(Order::Hold));
        }
        self
    }
}

fn states() -> [(&'static str, Scene); 9] {
    let none = Scene::new();
    let later = Grant {
        not_before: at(110_000),
        ..grant()
    };
    let waiting = none.clone().then(100_000, lease(later));
    let running = none.clone().then(100_000, lease(grant()));
    let others = Fact::Surveyed(Survey::OthersAlive(ChildExit::Code(1)));
    let gone = Fact::Surveyed(Survey::NothingLeft(ChildExit::Code(1)));
    let exited = running.clone().then(100_000, others);
    let stopping = running
        .clone()
        .then(100_000, Fact::Ordered(Order::GiveUp(TERM)));
    let kill = |scene: &Scene| scene.clone().hear_until(105_000).then(105_000, Fact::Woke);
    [
        ("none", none.clone()),
        ("open, waiting", waiting),
        ("open, running", running),
        ("open, stopping", exited.clone()),
        ("open, killing", kill(&exited)),
        ("sealed, stopping", stopping.clone()),
        ("sealed, killing", kill(&stopping)),
        ("sealed, empty", stopping.clone().then(100_500, gone)),
        (
            "barred",
            none.then(100_000, Fact::Ordered(Order::GiveUp(TERM))),
        ),
    ]
}

fn facts() -> [(&'static str, Fact); 14] {
    let next = Grant {
        end: at(125_005),
        version: 10,
        ..grant()
    };
    let other = Grant {
        id: OTHER,
        ..grant()
    };
    let code = ChildExit::Code(1);
    [
        ("woke", Fact::Woke),
        ("hold", Fact::Ordered(Order::Hold)),
        ("lease", lease(next)),
        ("lease of another", lease(other)),
        ("give up", Fact::Ordered(Order::GiveUp(TERM))),
        ("give up another", Fact::Ordered(Order::GiveUp(OTHER))),
        ("forget", Fact::Ordered(Order::Forget(TERM))),
        ("forget another", Fact::Ordered(Order::Forget(OTHER))),
        ("main alive", Fact::Surveyed(Survey::MainAlive)),
        ("others alive", Fact::Surveyed(Survey::OthersAlive(code))),
        ("nothing left", Fact::Surveyed(Survey::NothingLeft(code))),
        ("shutdown", Fact::ShutdownAsked),
        ("elector done", Fact::ElectorExited(ElectorExit::Done)),
        ("elector failed", Fact::ElectorExited(ElectorExit::Failed)),
    ]
}

fn describe(scene: &Scene, actions: &[Action]) -> String {
    let report = scene.guard.report();
    let id = |id| if id == TERM { "" } else { " other" };
    let charge = match report.charge {
        Charge::None => "none".into(),
        Charge::Open(grant) => format!("open{} until {:?}", id(grant.id), grant.end),
        Charge::Sealed(grant, reason) => format!("sealed{} {reason:?}", id(grant.id)),
        Charge::Barred(barred) => format!("barred{}", id(barred)),
    };
    let tree = match report.tree {
        Tree::Empty => "empty".into(),
        Tree::Running { .. } => "running".into(),
        Tree::Stopping { kill_at } => format!("stopping until {kill_at:?}"),
        Tree::Killing { .. } => "killing".into(),
    };
    let actions: Vec<String> = actions
        .iter()
        .map(|action| match action {
            Action::Spawn(_) => "Spawn".into(),
            Action::Stop(reason) => format!("Stop {reason:?}"),
            Action::Kill
            | Action::StartElector
            | Action::KillElector
            | Action::Report
            | Action::Exit => format!("{action:?}"),
        })
        .collect();
    format!("{charge}, {tree} -> {}", actions.join(" "))
}

#[test]
fn every_state_meets_every_fact() {
    let mut table = String::new();
    for (state, scene) in states() {
        for (name, fact) in facts() {
            let mut scene = scene.clone();
            let now = scene.now + 10;
            let actions = scene.step(now, fact);
            let line = format!("{state} / {name}: {}\n", describe(&scene, &actions));
            table.push_str(&line);
        }
    }
    assert_eq!(table, include_str!("table.txt"));
}

/// Rule 1, R1: whatever waited in the queue, the clock is looked at first.
#[test]
fn a_lapsed_lease_is_not_extended_by_a_message_that_waited() {
    let mut scene = Scene::new()
        .then(100_000, lease(grant()))
        .hear_until(117_000);
    let next = Grant {
        end: at(140_000),
        ..grant()
    };
    let actions = scene.step(117_900, lease(next));
    assert_eq!(
        actions,
        [Action::Stop(StopReason::LeaseLapsed), Action::Report]
    );
    assert_eq!(
        scene.guard.report().charge,
        Charge::Sealed(grant(), StopReason::LeaseLapsed)
    );
}

/// Rule 2: the stop comes at `stop_at`, SIGKILL at `kill_at`, however late the guardian woke.
#[test]
fn the_grace_period_ends_with_the_lease() {
    let running = Scene::new()
        .then(100_000, lease(grant()))
        .hear_until(117_000);
    assert_eq!(
        running.guard.next_wake().min(at(117_900)),
        running.guard.next_wake()
    );
    let mut late = running.then(121_000, Fact::Woke);
    assert_eq!(
        late.guard.report().tree,
        Tree::Stopping {
            kill_at: at(122_900)
        }
    );
    assert_eq!(
        late.step(122_900, Fact::Woke),
        [Action::Kill, Action::Report]
    );
}

#[test]
fn nothing_is_touched_before_stop_at() {
    let mut scene = Scene::new()
        .then(100_000, lease(grant()))
        .hear_until(117_500);
    assert_eq!(scene.step(117_899, Fact::Woke), []);
}

/// Rule 2: nobody may ask for more than the longest lease.
#[test]
fn a_lease_that_is_too_long_or_over_is_refused() {
    let none = Scene::new();
    for (end, is_taken) in [
        (125_000, true),
        (125_001, false),
        (107_001, true),
        (107_000, false),
    ] {
        let end = Grant {
            end: at(end),
            ..grant()
        };
        let scene = none.clone().then(100_000, lease(end));
        assert_eq!(
            scene.guard.report().charge != Charge::None,
            is_taken,
            "{end:?}"
        );
    }
}

/// Rule 3, R3, R9: the guardian enforces `not_before` by itself.
#[test]
fn the_child_starts_at_not_before_and_never_without_time_to_stop_it() {
    let later = |not_before| Grant {
        not_before: at(not_before),
        ..grant()
    };
    let start = Scene::new().then(100_000, lease(later(110_000)));
    let mut waiting = start.hear_until(109_500);
    assert_eq!(waiting.step(109_999, Fact::Woke), []);
    let spawn = Action::Spawn(later(110_000));
    assert_eq!(waiting.step(110_000, Fact::Woke), [spawn, Action::Report]);
    let mut never = Scene::new()
        .then(100_000, lease(later(118_000)))
        .hear_until(118_000);
    assert_eq!(never.step(118_000, Fact::Woke), [Action::Report], "sealed");
}

#[test]
fn a_waiting_guardian_wakes_for_the_start() {
    let later = Grant {
        not_before: at(100_100),
        ..grant()
    };
    let scene = Scene::new().then(100_000, lease(later));
    assert_eq!(scene.guard.next_wake(), at(100_100));
}

/// Where the elector has not yet asked for another start there is nothing to wake for but the end of the lease.
#[test]
fn a_guardian_whose_child_ended_wakes_for_nothing_that_is_past() {
    let gone = Fact::Surveyed(Survey::NothingLeft(ChildExit::Code(1)));
    let scene = Scene::new()
        .then(100_000, lease(grant()))
        .then(100_100, gone);
    assert!(scene.guard.next_wake() > at(100_100));
}

/// R6: after a change of elector only a new lease starts a child; what runs goes on.
#[test]
fn a_new_elector_must_prove_the_term_before_a_child_starts() {
    let later = Grant {
        not_before: at(101_000),
        ..grant()
    };
    let mut scene = Scene::new()
        .then(100_000, lease(later))
        .then(100_500, Fact::ElectorExited(ElectorExit::Failed))
        .then(100_700, Fact::Woke);
    assert_eq!(
        scene.step(101_000, Fact::Ordered(Order::Hold)),
        [Action::Report]
    );
    let resumed = Grant {
        generation: 4,
        ..later
    };
    assert_eq!(
        scene.step(101_100, lease(resumed)),
        [Action::Spawn(resumed), Action::Report]
    );
}

/// R2, R5, R9: what the term began with stays; only `end` grows; an older generation says nothing.
#[test]
fn a_further_lease_changes_only_what_may_change() {
    let held = Grant {
        not_before: at(110_000),
        ..grant()
    };
    let scene = Scene::new().then(100_000, lease(held));
    let charge = |next: Grant| {
        scene
            .clone()
            .then(100_010, lease(next))
            .guard
            .report()
            .charge
    };
    let next = Grant {
        generation: 4,
        version: 10,
        token: Token(99),
        lease: seconds(9),
        not_before: at(0),
        end: at(124_000),
        starts: 2,
        ..held
    };
    let merged = Grant {
        generation: 4,
        version: 10,
        starts: 2,
        ..held
    };
    assert_eq!(charge(next), Charge::Open(merged));
    let older = Grant {
        generation: 2,
        end: at(125_000),
        ..held
    };
    assert_eq!(charge(older), Charge::Open(held));
}

/// The child is started as often as the elector says, and no more.
#[test]
fn a_child_that_ended_starts_again_when_the_elector_counts_one_more() {
    let gone = Fact::Surveyed(Survey::NothingLeft(ChildExit::Code(1)));
    let mut scene = Scene::new().then(100_000, lease(grant()));
    assert_eq!(scene.step(100_500, gone), [Action::Report]);
    assert_eq!(scene.step(100_600, lease(grant())), [Action::Report]);
    let again = Grant {
        starts: 2,
        ..grant()
    };
    let actions = scene.step(100_700, lease(again));
    assert_eq!(actions, [Action::Spawn(again), Action::Report]);
}

#[test]
fn a_new_term_begins_without_the_starts_and_exits_of_the_last() {
    let gone = Fact::Surveyed(Survey::NothingLeft(ChildExit::Code(1)));
    let mut scene = Scene::new()
        .then(100_000, lease(grant()))
        .then(100_100, Fact::Ordered(Order::GiveUp(TERM)))
        .then(100_200, gone)
        .then(100_300, Fact::Ordered(Order::Forget(TERM)));
    let next = Grant {
        id: OTHER,
        ..grant()
    };
    let actions = scene.step(100_400, lease(next));
    assert_eq!(actions, [Action::Spawn(next), Action::Report]);
    let report = scene.guard.report();
    assert_eq!((report.started, report.exit), (1, None));
}

/// Rule 4: killing is a loop until nothing is left.
#[test]
fn killing_goes_on_until_nothing_is_left() {
    let others = Fact::Surveyed(Survey::OthersAlive(ChildExit::Signal(9)));
    let mut scene = Scene::new()
        .then(100_000, lease(grant()))
        .then(100_000, Fact::Ordered(Order::GiveUp(TERM)))
        .hear_until(104_500);
    assert_eq!(scene.step(104_999, Fact::Woke), []);
    assert_eq!(
        scene.step(105_000, Fact::Woke),
        [Action::Kill, Action::Report]
    );
    assert_eq!(scene.guard.next_wake(), at(105_020));
    assert_eq!(scene.step(105_010, others), [Action::Report]);
    assert_eq!(
        scene.step(105_020, Fact::Woke),
        [Action::Kill, Action::Report]
    );
    let gone = Fact::Surveyed(Survey::NothingLeft(ChildExit::Signal(9)));
    assert_eq!(scene.step(105_025, gone), [Action::Report]);
    assert_eq!(scene.step(105_040, Fact::Woke), []);
}

#[test]
fn a_second_shutdown_ends_the_grace_period() {
    let mut scene = Scene::new()
        .then(100_000, lease(grant()))
        .then(100_100, Fact::ShutdownAsked);
    assert_eq!(
        scene.step(100_200, Fact::ShutdownAsked),
        [Action::Kill, Action::Report]
    );
}

/// As `timeout(1)` and a terminal's process group send them.
#[test]
fn signals_that_come_together_leave_the_grace_period_alone() {
    let mut scene = Scene::new()
        .then(100_000, lease(grant()))
        .then(100_100, Fact::ShutdownAsked);
    assert_eq!(scene.step(100_199, Fact::ShutdownAsked), []);
    assert_eq!(scene.guard.report().shutdown, Shutdown::Graceful);
    assert_eq!(
        scene.step(100_201, Fact::ShutdownAsked),
        [Action::Kill, Action::Report]
    );
    assert_eq!(scene.guard.report().shutdown, Shutdown::AtOnce);
}

#[test]
fn a_supervisor_that_was_asked_to_stop_takes_no_lease() {
    let scene = Scene::new()
        .then(100_000, Fact::ShutdownAsked)
        .then(100_100, lease(grant()));
    assert_eq!(scene.guard.report().charge, Charge::None);
}

/// Rule 6: the elector may give the term back first, but not for ever.
#[test]
fn the_guardian_leaves_after_its_elector_or_after_the_farewell() {
    let asked = Scene::new().then(100_000, Fact::ShutdownAsked);
    let mut willing = asked.clone();
    let done = Fact::ElectorExited(ElectorExit::Done);
    assert_eq!(willing.step(100_100, done), [Action::Exit]);
    let mut crashed = asked.clone();
    let failed = Fact::ElectorExited(ElectorExit::Failed);
    assert_eq!(crashed.step(100_100, failed), []);
    assert_eq!(crashed.step(100_200, Fact::Woke), [Action::StartElector]);
    let mut stubborn = asked.hear_until(106_000);
    assert_eq!(stubborn.step(105_999, Fact::Woke), []);
    assert_eq!(stubborn.step(106_000, Fact::Woke), [Action::KillElector]);
    assert_eq!(stubborn.guard.next_wake(), Time::NEVER, "it is waited for");
    assert_eq!(stubborn.step(106_010, failed), [Action::Exit]);
}

#[test]
fn a_silent_elector_is_killed_and_replaced_with_growing_pauses() {
    let failed = Fact::ElectorExited(ElectorExit::Failed);
    let mut scene = Scene::new();
    for millis in [99_750, 100_500, 101_250] {
        assert_eq!(scene.step(millis, Fact::Woke), []);
    }
    assert_eq!(scene.step(101_999, Fact::Woke), []);
    assert_eq!(scene.step(102_000, Fact::Woke), [Action::KillElector]);
    assert_eq!(scene.step(102_010, failed), []);
    assert_eq!(scene.guard.next_wake(), at(102_110));
    assert_eq!(scene.step(102_110, Fact::Woke), [Action::StartElector]);
    assert_eq!(scene.step(102_120, failed), []);
    assert_eq!(scene.guard.next_wake(), at(102_320), "twice as long");
    let scene = scene.then(102_320, Fact::Woke).hear_until(112_320);
    let mut sound = scene;
    assert_eq!(sound.step(112_320, failed), [Action::StartElector]);
}

/// Rule 6: the alarm counts from there, and what cannot be killed is in a sealed term.
#[test]
fn a_lease_has_its_end_whether_the_term_is_open_or_sealed() {
    let end = |scene: &Scene| scene.guard.lease_end();
    let none = Scene::new();
    assert_eq!(end(&none), None);
    let open = none.clone().then(100_000, lease(grant()));
    assert_eq!(end(&open), Some(at(124_900)));
    let give_up = Fact::Ordered(Order::GiveUp(TERM));
    assert_eq!(end(&open.then(100_100, give_up)), Some(at(124_900)));
    assert_eq!(end(&none.then(100_000, give_up)), None, "barred");
}

#[test]
fn how_the_last_child_ended_is_carried_over() {
    let carried = Carried {
        grant: None,
        started: 2,
        exit: Some(ChildExit::Code(3)),
        running_since: None,
    };
    let guard = Guard::resumed(at(0), Wish::default().timing(), &carried);
    assert_eq!(guard.report().exit, carried.exit);
    assert_eq!(guard.carried(), Some(carried));
}

/// Another image of the guardian: it knows all of the term (R9), trusts no elector yet (R6), and starts one.
#[test]
fn what_is_carried_over_is_all_there_is_to_know() {
    for (state, mut scene) in states() {
        let now = scene.now;
        let may_be = ["none", "open, waiting", "open, running"].contains(&state);
        let Some(carried) = scene.guard.carried() else {
            assert!(!may_be, "{state}");
            continue;
        };
        assert!(may_be, "{state}");
        let guard = Guard::resumed(at(now), Wish::default().timing(), &carried);
        assert_eq!(guard.report(), scene.guard.report(), "{state}");
        let mut next = Scene { guard, now };
        assert_eq!(
            next.step(now, Fact::Woke),
            [Action::StartElector],
            "{state}"
        );
        assert_eq!(next.guard.carried(), Some(carried), "{state}");
        let _ = scene.step(now, Fact::ShutdownAsked);
        assert_eq!(scene.guard.carried(), None, "{state}: it leaves");
    }
}

/// R6: a child that ended is not started again by the next image before its own elector has proven the term.
#[test]
fn the_next_image_starts_no_child_on_the_word_of_the_last() {
    let gone = Fact::Surveyed(Survey::NothingLeft(ChildExit::Code(1)));
    let again = Grant {
        starts: 2,
        ..grant()
    };
    let scene = Scene::new()
        .then(100_000, lease(grant()))
        .then(100_100, gone);
    let mut carried = scene.guard.carried().expect("nothing is being stopped");
    carried.grant = Some(again);
    let guard = Guard::resumed(at(100_200), Wish::default().timing(), &carried);
    let mut next = Scene {
        guard,
        now: 100_200,
    };
    assert_eq!(next.step(100_200, Fact::Woke), [Action::StartElector]);
    assert_eq!(
        next.step(100_300, Fact::Ordered(Order::Hold)),
        [Action::Report]
    );
    let resumed = Grant {
        generation: 4,
        ..again
    };
    let spawned = [Action::Spawn(resumed), Action::Report];
    assert_eq!(next.step(100_400, lease(resumed)), spawned);
}

/// R2: a term that began with a longer lease than the reloaded file allows is renewed as before; its end is not moved away.
#[test]
fn a_lease_that_is_longer_than_any_is_now_goes_on_to_its_end() {
    let scene = Scene::new().then(100_000, lease(grant()));
    let carried = scene.guard.carried().expect("nothing is being stopped");
    let timing = Timing {
        lease: seconds(10),
        ..Wish::default().timing()
    };
    let guard = Guard::resumed(at(100_200), timing, &carried);
    let mut next = Scene {
        guard,
        now: 100_200,
    };
    let _ = next.step(100_200, Fact::Woke);
    let resumed = |end| Grant {
        generation: 4,
        end: at(end),
        starts: 2,
        ..grant()
    };
    let charge = |scene: &Scene| scene.guard.report().charge;
    let _ = next.step(100_300, lease(resumed(124_901)));
    assert_eq!(
        charge(&next),
        Charge::Open(grant()),
        "further away than before"
    );
    let _ = next.step(100_400, lease(resumed(124_900)));
    assert_eq!(charge(&next), Charge::Open(resumed(124_900)));
}

/// Stop at 117.9 s, kill margin 2 s.
#[test]
fn nothing_is_handed_over_when_the_lease_must_soon_be_enforced() {
    let guard = Scene::new().then(100_000, lease(grant())).guard;
    assert!(guard.unhurried(at(115_899)).is_some());
    assert_eq!(guard.unhurried(at(115_900)), None);
    assert!(
        Scene::new().guard.unhurried(at(200_000)).is_some(),
        "there is no lease"
    );
}
