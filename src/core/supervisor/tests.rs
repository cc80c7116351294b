//! The elector's machine, role by role: R1, R4, R5, R6, R8, R11, and that it never spins.

use super::super::election::{
    Founding, Held, MasterSight, MasterZnode, Outcome, Record, Refusal, Sight, Stamp, TermSight,
    Token, Transaction,
};
use super::super::facts::SessionEvent;
use super::super::guard::{Charge, Grant, StopReason};
use super::super::lease::Wish;
use super::super::term::{Ending, Loss};
use super::*;
use std::time::Duration;

mod story;

const OWN: i64 = 100;
const ID: TermId = TermId {
    elector: 7,
    number: 1,
};
const ABSENT: MasterSight = MasterSight::Absent;
const OWNED: MasterSight = MasterSight::Ephemeral { owner: OWN };
const OTHERS: MasterSight = MasterSight::Ephemeral { owner: 200 };
const IDLE: Report = Report {
    charge: Charge::None,
    tree: Tree::Empty,
    started: 0,
    exit: None,
    shutdown: Shutdown::No,
};

fn at(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

fn held(id: TermId, generation: u32, token: Option<Token>) -> Held {
    Held {
        id: Some(id),
        generation,
        lease: Duration::from_secs(25),
        token,
    }
}

fn sight(master: MasterSight, version: i32, record: Record) -> SessionEvent {
    let term = TermSight::Present {
        stamp: Stamp {
            created: 3,
            version,
        },
        modified: 60,
        record,
    };
    SessionEvent::Looked(Sight { master, term })
}

fn done(version: i32) -> SessionEvent {
    SessionEvent::Answered(Outcome::Done { version, zxid: 60 })
}

fn refused(refusal: Refusal) -> SessionEvent {
    SessionEvent::Answered(Outcome::Refused(refusal))
}

const UNKNOWN: SessionEvent = SessionEvent::Answered(Outcome::Unknown);

/// What a guardian is told at `end`, 24.9 s after the sending of the last good write.
fn grant(version: i32, end: u64) -> Grant {
    Grant {
        id: ID,
        generation: 0,
        token: Token(60),
        version,
        lease: Duration::from_secs(25),
        not_before: at(1000),
        end: at(end),
        starts: 1,
    }
}

fn campaign() -> Action {
    let held = held(ID, 0, None);
    let transaction = Transaction::Campaign(MasterZnode::Gone, held, 5);
    Action::Commit(1, transaction)
}

fn renewal(version: i32) -> Action {
    Action::Commit(1, Transaction::Renew(held(ID, 0, Some(Token(60))), version))
}

/// A supervisor of the stock configuration: poll 500 ms, renew 1 s, connect 2 s, patience 3 s.
#[derive(Clone)]
struct Scene(Supervisor);

impl Scene {
    /// Connected since 1 s by session 1, and asked nothing yet but the first look.
    fn standby() -> Scene {
        let settings = Settings {
            timing: Wish::default().timing(),
            elector: 7,
            servers: 3,
        };
        let mut scene = Scene(Supervisor::new(at(1000), settings));
        assert_eq!(scene.step(1000, Event::Woke), [Action::Open(1)]);
        assert_eq!(scene.step(1000, Event::Reported(IDLE)), []);
        assert_eq!(scene.opened(1000, 1, OWN), [Action::Look(1)]);
        scene
    }

    fn campaigning() -> Scene {
        let mut scene = Scene::standby();
        let actions = scene.hear(1000, 1, sight(ABSENT, 5, Record::Released));
        assert_eq!(actions, [campaign()]);
        scene
    }

    /// Won at 1.1 s by a campaign sent at 1 s; the first renewal is on its way.
    fn master() -> Scene {
        let mut scene = Scene::campaigning();
        let lease = Action::Order(Order::Lease(grant(6, 25_900)));
        assert_eq!(scene.hear(1100, 1, done(6)), [renewal(6), lease]);
        scene
    }

    /// Its child runs, and the next renewal is due at 2.1 s.
    fn running() -> Scene {
        let mut scene = Scene::master();
        let lease = Action::Order(Order::Lease(grant(7, 26_000)));
        assert_eq!(scene.hear(1200, 1, done(7)), [lease]);
        scene.report(1200, Charge::Open(grant(7, 26_000)), running());
        scene
    }

    /// What it does, but for what it says again and again or to the operator.
    fn step(&mut self, millis: u64, event: Event) -> Vec<Action> {
        let told = self.0.told;
        let mut actions = self.0.step(at(millis), event);
        actions.retain(|action| match action {
            Action::Publish(..) | Action::Tell(_) | Action::Order(Order::Hold) => false,
            Action::Order(order) => told != Some(*order),
            Action::Open(_)
            | Action::Abandon(_)
            | Action::Close(_)
            | Action::Look(_)
            | Action::Commit(..)
            | Action::KillGuardian
            | Action::Exit(_) => true,
        });
        assert!(self.0.next_wake() > at(millis), "it would spin");
        actions
    }

    fn hear(&mut self, millis: u64, session: u32, event: SessionEvent) -> Vec<Action> {
        self.step(millis, Event::Session(session, event))
    }

    fn opened(&mut self, millis: u64, session: u32, id: i64) -> Vec<Action> {
        let granted = Duration::from_secs(30);
        self.hear(millis, session, SessionEvent::Opened { id, granted })
    }

    fn report(&mut self, millis: u64, charge: Charge, tree: Tree) -> Vec<Action> {
        let report = Report {
            charge,
            tree,
            ..IDLE
        };
        self.step(millis, Event::Reported(report))
    }

    fn stage(&self) -> Option<Stage> {
        self.0.stage()
    }

    fn is_campaigning(&self) -> bool {
        matches!(self.0.role, Role::Campaigning(..))
    }
}

fn running() -> Tree {
    Tree::Running { since: at(1100) }
}

fn sealed() -> Charge {
    Charge::Sealed(grant(7, 26_000), StopReason::Shutdown)
}

#[test]
fn r1_the_lease_of_a_campaign_counts_from_its_sending() {
    let mut scene = Scene::campaigning();
    let lease = Action::Order(Order::Lease(grant(6, 25_900)));
    assert_eq!(scene.hear(3000, 1, done(6)), [renewal(6), lease]);
}

/// R6: every condition of a campaign.
#[test]
fn nobody_campaigns_while_something_of_an_earlier_term_is_left() {
    let released = sight(ABSENT, 5, Record::Released);
    let barred = Charge::Barred(TermId { number: 9, ..ID });
    let asked = Report {
        shutdown: Shutdown::Graceful,
        charge: barred,
        ..IDLE
    };
    let tree = Report {
        tree: running(),
        ..IDLE
    };
    let shutdown = Report {
        shutdown: Shutdown::Graceful,
        ..IDLE
    };
    let barred = Report {
        charge: barred,
        ..IDLE
    };
    for report in [barred, tree, asked] {
        let mut scene = Scene::standby();
        let _ = scene.step(1000, Event::Reported(report));
        assert_eq!(scene.hear(1000, 1, released), [], "{report:?}");
    }
    let mut missing = Scene::standby();
    let _ = missing.step(1000, Event::CommandLooked(Command::Missing));
    assert_eq!(missing.hear(1000, 1, released), []);
    let mut leaving = Scene::standby();
    leaving.0.guardian = Guardian::Alive(shutdown);
    assert!(!leaving.0.may_campaign());
    let mut unknown = Scene::standby();
    unknown.0.guardian = Guardian::Unknown;
    assert_eq!(unknown.hear(1000, 1, released), []);
}

#[test]
fn a_session_that_is_too_short_is_no_ground_for_a_campaign() {
    let mut scene = Scene::standby();
    let _ = scene.hear(1000, 1, SessionEvent::Ended);
    let short = SessionEvent::Opened {
        id: OWN,
        granted: Duration::from_secs(8),
    };
    assert_eq!(scene.hear(1001, 2, short), [Action::Look(2)]);
    assert_eq!(scene.hear(1002, 2, sight(ABSENT, 5, Record::Released)), []);
}

/// R8, R10: also by a candidate that may not campaign, or it would block the others.
#[test]
fn an_unclaimed_master_znode_is_withdrawn_even_by_a_candidate_that_is_unable() {
    let withdraw = Action::Commit(1, Transaction::Withdraw(5));
    let mut scene = Scene::standby();
    let _ = scene.step(1000, Event::CommandLooked(Command::Missing));
    let released = sight(OWNED, 5, Record::Released);
    assert_eq!(scene.hear(1000, 1, released), [withdraw]);
    let missing = Sight {
        master: OWNED,
        term: TermSight::Missing,
    };
    let mut scene = Scene::standby();
    let founding = Founding::UnderRoot(Duration::from_secs(25));
    assert_eq!(
        scene.hear(1000, 1, SessionEvent::Looked(missing)),
        [Action::Commit(1, Transaction::Found(founding))]
    );
}

/// R8: what settles a campaign whose answer was lost.
#[test]
fn r8_a_lost_campaign_is_sent_again_until_the_answer_is_definite() {
    let mut scene = Scene::campaigning();
    assert_eq!(scene.hear(1100, 1, UNKNOWN), []);
    assert_eq!(
        scene.step(1600, Event::Woke),
        [campaign()],
        "same id and version"
    );
    let refusal = refused(Refusal::VersionMismatch);
    assert_eq!(scene.hear(1700, 1, refusal), [Action::Look(1)]);
    let other = Record::Held(held(TermId { number: 8, ..ID }, 0, None));
    let mut ours = scene.clone();
    let mut lost = scene.clone();

    let won = sight(OWNED, 6, Record::Held(held(ID, 0, None)));
    assert_eq!(
        ours.hear(1800, 1, won),
        [renewal(6)],
        "R1: no lease by a look"
    );
    assert_eq!(ours.stage(), Some(Stage::Unconfirmed { end: None }));

    let _ = lost.hear(1800, 1, sight(OTHERS, 6, other));
    assert!(!lost.is_campaigning());
    assert_eq!(lost.step(2299, Event::Woke), []);
    assert_eq!(lost.step(2300, Event::Woke), [Action::Look(1)]);

    // The same version, on the session that was refused: it cannot have been committed.
    let _ = scene.hear(1800, 1, sight(OTHERS, 5, Record::Released));
    assert!(!scene.is_campaigning());
}

/// R8: another session may lag behind the refusal; a later version is definite anywhere.
#[test]
fn r8_a_look_on_another_session_proves_only_what_is_newer() {
    let mut scene = Scene::campaigning();
    let _ = scene.hear(1100, 1, refused(Refusal::MasterExists));
    assert_eq!(scene.hear(1150, 1, SessionEvent::Ended), [Action::Open(2)]);
    assert_eq!(scene.opened(1200, 2, 101), [Action::Look(2)]);
    let mut newer = scene.clone();
    let _ = scene.hear(1300, 2, sight(OTHERS, 5, Record::Released));
    assert!(scene.is_campaigning());
    let Action::Commit(1, again) = campaign() else {
        unreachable!()
    };
    assert_eq!(scene.step(1800, Event::Woke), [Action::Commit(2, again)]);
    let _ = newer.hear(1300, 2, sight(OTHERS, 6, Record::Released));
    assert!(!newer.is_campaigning());
}

/// R8: a term that was won without an answer has the token that its campaign's `set` got.
#[test]
fn the_token_of_a_settled_term_is_the_zxid_of_its_campaign() {
    for (in_record, token) in [(None, 60), (Some(Token(42)), 42)] {
        let mut scene = Scene::campaigning();
        let _ = scene.hear(1100, 1, refused(Refusal::MasterExists));
        let record = Record::Held(held(ID, 2, in_record));
        let actions = scene.hear(1200, 1, sight(OTHERS, 6, record));
        let next = held(ID, 3, Some(Token(token)));
        let resume = Transaction::Resume(MasterZnode::Present, next, 6);
        assert_eq!(
            actions,
            [Action::Commit(1, resume)],
            "not the owner: resume"
        );
    }
}

#[test]
fn r8_a_stale_look_moves_no_standby() {
    let mut scene = Scene::standby();
    let _ = scene.hear(1000, 1, sight(OTHERS, 9, Record::Released));
    let _ = scene.step(1500, Event::Woke);
    assert_eq!(scene.hear(1510, 1, sight(ABSENT, 8, Record::Released)), []);
}

/// R4: one request at a time, and an answer of a session that was left says nothing.
#[test]
fn r4_a_session_that_owes_an_answer_is_replaced_and_its_answers_are_void() {
    let mut scene = Scene::master();
    assert_eq!(scene.hear(1150, 1, SessionEvent::MasterChanged), []);
    for millis in [2000, 3000, 4000, 5000] {
        assert_eq!(scene.report(millis, Charge::None, Tree::Empty), []);
    }
    assert_eq!(scene.step(5099, Event::Woke), []);
    let replaced = [Action::Abandon(1), Action::Open(2)];
    assert_eq!(scene.step(5100, Event::Woke), replaced);
    assert_eq!(scene.hear(5150, 1, done(7)), []);
    assert_eq!(scene.opened(5200, 2, 101), [Action::Look(2)], "doubtful");
    assert_eq!(scene.stage(), Some(Stage::Leased { end: at(25_900) }));
}

#[test]
fn a_session_that_is_interrupted_or_never_opens_is_replaced() {
    let mut scene = Scene::running();
    assert_eq!(scene.hear(1300, 1, SessionEvent::Interrupted), []);
    let mut back = scene.clone();
    assert_eq!(back.hear(1400, 1, SessionEvent::Restored), [renewal(7)]);
    assert_eq!(scene.report(3299, Charge::None, Tree::Empty), []);
    let replaced = [Action::Abandon(1), Action::Open(2)];
    assert_eq!(scene.step(3300, Event::Woke), replaced);
    for millis in (5000..11_300).step_by(1000) {
        assert_eq!(scene.report(millis, Charge::None, Tree::Empty), []);
    }
    assert_eq!(scene.step(11_300, Event::Woke), [Action::Abandon(2)]);
    assert!(
        scene.0.next_wake() < at(11_500),
        "and another after a pause"
    );
}

/// P3: a master that is gone is succeeded at once, and one whose `M` is gone asks what that means.
#[test]
fn a_change_of_the_master_znode_is_looked_into_at_once() {
    let mut scene = Scene::standby();
    let _ = scene.hear(1000, 1, sight(OTHERS, 5, Record::Released));
    let changed = SessionEvent::MasterChanged;
    assert_eq!(scene.hear(1100, 1, changed), [Action::Look(1)]);
    assert_eq!(Scene::running().hear(1300, 1, changed), [renewal(7)]);
}

/// The shell sleeps until then: a later wake would be a later poll or renewal.
#[test]
fn it_wakes_for_the_next_poll_and_the_next_renewal() {
    let mut scene = Scene::standby();
    let _ = scene.hear(1000, 1, sight(OTHERS, 5, Record::Released));
    assert_eq!(scene.0.next_wake(), at(1500));
    let mut scene = Scene::running();
    scene.report(1960, Charge::Open(grant(7, 26_000)), running());
    assert_eq!(scene.0.next_wake(), at(2100));
    let _ = scene.step(2100, Event::Woke);
    assert!(scene.0.next_wake() > at(2100), "it is on its way");
}

/// Section 3: by this each knows that the other runs.
#[test]
fn it_says_how_things_are_four_times_in_the_patience() {
    let mut scene = Scene::standby().0;
    for (millis, says) in [(1749, false), (1750, true), (2499, false), (2500, true)] {
        let actions = scene.step(at(millis), Event::Reported(IDLE));
        let has_said = actions.contains(&Action::Order(Order::Hold));
        assert_eq!(has_said, says, "{millis}");
    }
}

#[test]
fn what_becomes_of_a_session_that_was_left_is_of_no_interest() {
    let mut scene = Scene::standby();
    let ended = SessionEvent::Ended;
    assert_eq!(scene.hear(1100, 1, ended), [Action::Open(2)]);
    assert_eq!(scene.opened(1200, 2, 101), [Action::Look(2)]);
    assert_eq!(scene.hear(1300, 1, ended), []);
    assert_eq!(scene.0.link.session(), Some(2));
}

/// Attempts that fail at once: never two in a row without a pause.
#[test]
fn what_fails_at_once_is_not_asked_again_at_once() {
    let mut standby = Scene::standby();
    assert_eq!(standby.hear(1001, 1, SessionEvent::LookFailed), []);
    assert_eq!(standby.step(1500, Event::Woke), []);
    assert_eq!(standby.step(1501, Event::Woke), [Action::Look(1)]);

    let mut founder = Scene::standby();
    let missing = Sight {
        master: ABSENT,
        term: TermSight::RootMissing,
    };
    for (millis, answer) in [(1010, UNKNOWN), (2010, refused(Refusal::Forbidden))] {
        let found = founder.hear(millis - 1, 1, SessionEvent::Looked(missing));
        let with_root = Transaction::Found(Founding::WithRoot);
        assert_eq!(found, [Action::Commit(1, with_root)]);
        assert_eq!(founder.hear(millis, 1, answer), []);
        let _ = founder.step(millis + 500, Event::Woke);
    }

    let mut master = Scene::master();
    assert_eq!(master.hear(1101, 1, UNKNOWN), []);
    assert_eq!(master.step(2100, Event::Woke), [Action::Look(1)]);
    assert_eq!(master.hear(2101, 1, SessionEvent::LookFailed), []);
    assert_eq!(master.report(3100, Charge::None, Tree::Empty), []);
    assert_eq!(master.step(3101, Event::Woke), [Action::Look(1)]);
}

#[test]
fn a_record_that_was_founded_is_looked_at_at_once() {
    let mut scene = Scene::standby();
    let missing = Sight {
        master: ABSENT,
        term: TermSight::RootMissing,
    };
    let _ = scene.hear(1000, 1, SessionEvent::Looked(missing));
    assert_eq!(scene.hear(1010, 1, done(0)), [Action::Look(1)]);
}

#[test]
fn the_end_of_the_session_ends_the_term_and_another_is_opened() {
    let mut scene = Scene::running();
    let give_up = Action::Order(Order::GiveUp(ID));
    let actions = scene.hear(1300, 1, SessionEvent::Ended);
    assert_eq!(actions, [Action::Open(2), give_up]);
}

/// R6, R7, R11: give up, seal, die, release, forget; in this order.
#[test]
fn a_term_is_given_back_step_by_step() {
    let mut scene = Scene::running();
    let asked = Report {
        shutdown: Shutdown::Graceful,
        charge: sealed(),
        tree: Tree::Stopping { kill_at: at(6000) },
        ..IDLE
    };
    let give_up = Action::Order(Order::GiveUp(ID));
    assert_eq!(scene.step(1300, Event::Reported(asked)), [give_up]);
    let dead = Report {
        tree: Tree::Empty,
        ..asked
    };
    let release = Action::Commit(1, Transaction::Release(MasterZnode::Present, 7));
    assert_eq!(
        scene.step(1900, Event::Reported(dead)),
        [release],
        "at once"
    );
    let forget = Action::Order(Order::Forget(ID));
    assert_eq!(scene.hear(2200, 1, done(8)), [forget]);
    let idle = Report {
        charge: Charge::None,
        ..dead
    };
    assert_eq!(scene.step(2300, Event::Reported(idle)), [Action::Close(1)]);
    let mut slow = scene.clone();
    let exit = Action::Exit(Exit::Done);
    assert_eq!(scene.hear(2400, 1, SessionEvent::Closed), [exit]);
    // Nothing is opened or asked while it closes, and not for ever is waited.
    assert_eq!(slow.hear(2350, 1, SessionEvent::Ended), []);
    assert!(slow.0.next_wake() > at(2350));
    assert_eq!(slow.0.step(at(4300), Event::Woke).last(), Some(&exit));
}

/// A report that was made before our last order is not taken for its answer.
#[test]
fn a_term_that_is_over_is_not_inherited_from_a_late_report() {
    let mut scene = Scene::running();
    scene.report(1300, sealed(), Tree::Empty);
    let _ = scene.step(2100, Event::Woke);
    let _ = scene.hear(2200, 1, done(8));
    assert_eq!(scene.report(2201, sealed(), Tree::Empty), []);
    assert_eq!(scene.stage(), None);
    let late = scene.hear(2202, 1, sight(ABSENT, 8, Record::Released));
    assert_eq!(late, [], "not before the guardian has forgotten it");
    scene.report(2300, Charge::None, Tree::Empty);
    let _ = scene.step(2710, Event::Woke);
    let next = scene.hear(2720, 1, sight(ABSENT, 8, Record::Released));
    let second = held(TermId { number: 2, ..ID }, 0, None);
    let transaction = Transaction::Campaign(MasterZnode::Gone, second, 8);
    assert_eq!(next, [Action::Commit(1, transaction)], "another id");
}

#[test]
fn r9_a_new_elector_inherits_the_term_in_charge_and_forgets_a_barred_one() {
    for (charge, stage) in [
        (
            Charge::Open(grant(7, 26_000)),
            Some(Stage::Unconfirmed {
                end: Some(at(26_000)),
            }),
        ),
        (sealed(), Some(Stage::Returning)),
        (Charge::None, None),
    ] {
        let mut scene = Scene::standby();
        scene.report(1000, charge, Tree::Empty);
        assert_eq!(scene.stage(), stage, "{charge:?}");
    }
    let mut scene = Scene::standby();
    let forget = Action::Order(Order::Forget(ID));
    let barred = Charge::Barred(ID);
    assert_eq!(scene.report(1000, barred, Tree::Empty), [forget]);
    assert_eq!(scene.stage(), None);
}

#[test]
fn r5_an_elector_that_is_superseded_exits() {
    let mut scene = Scene::running();
    let _ = scene.step(2100, Event::Woke);
    let _ = scene.hear(2200, 1, refused(Refusal::VersionMismatch));
    let later = Record::Held(held(ID, 1, Some(Token(60))));
    let actions = scene.hear(2300, 1, sight(OTHERS, 9, later));
    assert!(actions.contains(&Action::Exit(Exit::Superseded)));
}

/// What follows the guardian's death.
#[test]
fn a_dead_guardian_is_swept_up_after() {
    let bereft = Action::Exit(Exit::Bereft);
    let mut unproven = Scene::running();
    let died = Event::GuardianDied(Sweep::Unproven);
    assert!(unproven.0.step(at(1300), died).contains(&bereft));

    let clean = Event::GuardianDied(Sweep::Clean);
    let mut scene = Scene::running();
    let release = Action::Commit(1, Transaction::Release(MasterZnode::Present, 7));
    let give_up = Action::Order(Order::GiveUp(ID));
    assert_eq!(scene.step(1300, clean), [release, give_up]);
    // A report that was still on its way revives nobody.
    scene.report(1310, Charge::Open(grant(7, 26_000)), running());
    assert_eq!(scene.stage(), Some(Stage::Returning));
    assert!(matches!(scene.0.guardian, Guardian::Dead { .. }));
    let _ = scene.step(5299, Event::Woke);
    let _ = scene.step(7299, Event::Woke);
    assert!(
        scene.0.step(at(7300), Event::Woke).contains(&bereft),
        "in time"
    );
}

#[test]
fn a_term_that_is_won_after_the_guardians_death_is_given_back() {
    let mut scene = Scene::campaigning();
    let _ = scene.step(1050, Event::GuardianDied(Sweep::Clean));
    let release = Transaction::Release(MasterZnode::Present, 6);
    let actions = scene.hear(1100, 1, done(6));
    let give_up = Action::Order(Order::GiveUp(ID));
    assert_eq!(actions, [Action::Commit(1, release), give_up]);
}

/// Section 3: the guardian is stopped: the elector misses its answers and kills it.
#[test]
fn a_silent_guardian_is_killed_after_the_patience() {
    let mut scene = Scene::standby();
    for millis in [1750, 2500, 3250, 3999] {
        assert!(
            !scene
                .step(millis, Event::Woke)
                .contains(&Action::KillGuardian)
        );
    }
    assert!(
        scene
            .step(4000, Event::Woke)
            .contains(&Action::KillGuardian)
    );
    assert!(
        !scene
            .step(4001, Event::Woke)
            .contains(&Action::KillGuardian)
    );
}

/// P1: found by the hostile world. The patience (3 s) is longer than the kill margin (2 s), so a guardian that was
/// stopped just before `kill_at` must not be waited for.
#[test]
fn a_guardian_that_does_not_kill_in_time_is_killed_before_the_lease_ends() {
    let kill = |charge, tree, millis| {
        let mut scene = Scene::running();
        scene.0.role = Role::Standby;
        scene.0.forgotten = Some(ID);
        for millis in (2000..=24_000).step_by(1000) {
            scene.report(millis, charge, tree);
        }
        let _ = scene.step(24_900, Event::Woke);
        scene
            .step(millis, Event::Woke)
            .contains(&Action::KillGuardian)
    };
    let open = Charge::Open(grant(7, 26_000));
    let stopping = Tree::Stopping {
        kill_at: at(24_000),
    };
    let killing = |millis| Tree::Killing {
        again_at: at(millis),
    };
    for charge in [open, sealed()] {
        for (tree, millis, is_killed) in [
            (running(), 24_999, false),
            (running(), 25_000, true),
            (stopping, 24_999, false),
            (stopping, 25_000, true),
            (killing(24_020), 25_000, true),
            (killing(24_900), 25_000, false),
            (killing(24_900), 25_400, true),
            (Tree::Empty, 25_400, false),
        ] {
            assert_eq!(kill(charge, tree, millis), is_killed, "{tree:?} {millis}");
        }
    }
    assert!(!kill(Charge::None, running(), 25_400));
}

/// All of the host stood still until after the end, and the guardian has as little run as we have: it gets a quarter of the
/// kill margin (2 s). Where we stood still, but not until then, it gets nothing.
#[test]
fn a_guardian_that_was_frozen_with_us_beyond_the_lease_may_kill_late() {
    let killed_at = |thaw| {
        let mut scene = Scene::running();
        let open = Charge::Open(grant(7, 26_000));
        for millis in (2000..=20_000).step_by(1000) {
            scene.report(millis, open, running());
        }
        (thaw..).step_by(100).find(|&millis| {
            let actions = scene.step(millis, Event::Woke);
            actions.contains(&Action::KillGuardian)
        })
    };
    for (thaw, killed) in [
        (24_900, 25_000),
        (25_900, 25_900),
        (26_000, 26_500),
        (60_000, 60_500),
    ] {
        assert_eq!(killed_at(thaw), Some(killed), "thawed at {thaw}");
    }
}

/// What the operator is told.
fn told(actions: Vec<Action>) -> Vec<News> {
    let tells = actions.into_iter().filter_map(|action| match action {
        Action::Tell(news) => Some(news),
        Action::Open(_)
        | Action::Abandon(_)
        | Action::Close(_)
        | Action::Look(_)
        | Action::Commit(..)
        | Action::Order(_)
        | Action::Publish(..)
        | Action::KillGuardian
        | Action::Exit(_) => None,
    });
    tells.collect()
}

/// P3 and the operator: what is told of a term.
#[test]
fn a_term_tells_its_story() {
    let mut scene = Scene::campaigning().0;
    let won = scene.step(at(1100), Event::Session(1, done(6)));
    assert_eq!(told(won), [News::Promoted(Token(60), Wait(Duration::ZERO))]);
    let renewed = scene.clone().step(at(1150), Event::Session(1, done(7)));
    assert_eq!(told(renewed), [], "a renewal is no news");
    let missing = Event::Session(1, refused(Refusal::MasterMissing));
    let lost = scene.step(at(1200), missing);
    assert_eq!(told(lost), [News::Demoted(Token(60), Loss::MasterDeleted)]);
    assert_eq!(told(scene.step(at(1250), Event::Woke)), []);
    let report = Report {
        charge: Charge::Sealed(grant(6, 25_900), StopReason::GivenUp),
        ..IDLE
    };
    let _ = scene.step(at(1300), Event::Reported(report));
    let _ = scene.step(at(2100), Event::Woke);
    let over = scene.step(at(2200), Event::Session(1, done(7)));
    assert_eq!(told(over), [News::Ended(Token(60), Ending::Released)]);
}
