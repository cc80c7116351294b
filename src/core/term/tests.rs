//! R1, R5, R6, R7 and R8, as far as a term decides them.

use super::super::election::{
    Held, MasterSight, Outcome, Record, Refusal, Sight, Stamp, TermSight,
};
use super::super::guard::ChildExit;
use super::super::lease::Wish;
use super::*;

const ID: TermId = TermId {
    elector: 7,
    number: 1,
};
const OWN: i64 = 100;
const OWNED: MasterSight = MasterSight::Ephemeral { owner: OWN };
const OTHERS: MasterSight = MasterSight::Ephemeral { owner: 200 };

fn at(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

/// Lease 25 s, renewed every second.
fn timing() -> Timing {
    Wish::default().timing()
}

fn held(id: TermId, generation: u32) -> Held {
    Held {
        id: Some(id),
        generation,
        lease: Duration::from_secs(25),
        token: Some(Token(60)),
    }
}

fn present(version: i32, record: Record) -> TermSight {
    TermSight::Present {
        stamp: Stamp {
            created: 3,
            version,
        },
        modified: 60,
        record,
    }
}

fn ours(version: i32, generation: u32) -> TermSight {
    present(version, Record::Held(held(ID, generation)))
}

/// Over a record that was held: `not_before` is 25.6 s.
fn campaign() -> Campaign {
    Campaign {
        master: MasterZnode::Gone,
        held: Held {
            token: None,
            ..held(ID, 0)
        },
        id: ID,
        over: Stamp {
            created: 3,
            version: 5,
        },
        not_before: at(0) + timing().wait_out(Duration::from_secs(25)),
    }
}

/// Sent at 1 s on session 1, answered at 1.1 s.
fn won() -> Term {
    Term::won(at(1100), &campaign(), at(1000), 6, 60, 1, &timing())
}

fn grant() -> Grant {
    Grant {
        id: ID,
        generation: 3,
        token: Token(60),
        version: 9,
        lease: Duration::from_secs(25),
        not_before: at(26_000),
        end: at(50_000),
        starts: 2,
    }
}

fn report(charge: Charge, tree: Tree) -> Report {
    Report {
        charge,
        tree,
        started: 0,
        exit: None,
        shutdown: Shutdown::No,
    }
}

fn answer(term: &mut Term, now: u64, sent: u64, what: Transaction, outcome: Outcome) {
    term.note_answer(at(now), at(sent), 1, &what, outcome, &timing());
}

fn renew(term: &mut Term, now: u64, sent: u64) {
    let what = Transaction::Renew(held(ID, 0), 6);
    let done = Outcome::Done {
        version: 7,
        zxid: 70,
    };
    answer(term, now, sent, what, done);
}

fn end(millis: u64) -> Stage {
    Stage::Leased { end: at(millis) }
}

#[test]
fn r1_a_lease_counts_from_the_sending_and_never_shrinks() {
    let mut term = won();
    assert_eq!(term.stage(), end(25_900));
    renew(&mut term, 3000, 2000);
    assert_eq!(term.stage(), end(26_900));
    renew(&mut term, 3100, 1500);
    assert_eq!(term.stage(), end(26_900));
}

#[test]
fn r1_an_answer_after_the_end_gives_nothing() {
    let mut late = won();
    renew(&mut late, 25_900, 25_000);
    assert_eq!(late.stage(), end(25_900));
    late.note_time(at(25_900));
    assert_eq!(late.stage(), Stage::GivingUp(Loss::LeaseLapsed));
    renew(&mut late, 25_901, 25_500);
    assert_eq!(late.stage(), Stage::GivingUp(Loss::LeaseLapsed));

    let mut too_late = Term::won(at(25_900), &campaign(), at(1000), 6, 60, 1, &timing());
    assert!(matches!(too_late.stage(), Stage::Unconfirmed { .. }));
    assert_eq!(too_late.order(), Order::Hold);
    too_late.note_time(at(25_900));
    assert_eq!(too_late.stage(), Stage::GivingUp(Loss::LeaseLapsed));
}

#[test]
fn r1_an_answer_that_is_over_when_it_comes_gives_nothing() {
    let mut term = settled(0);
    renew(&mut term, 24_901, 0);
    assert_eq!(term.stage(), Stage::Unconfirmed { end: None });
    let mut heir = inherited();
    let before = heir.stage();
    renew(&mut heir, 44_900, 20_000);
    assert_eq!(heir.stage(), before, "nor does it confirm what was left");
}

#[test]
fn r1_a_lease_lapses_at_its_end_and_not_before() {
    for mut term in [won(), inherited()] {
        let lapse = term.next_wake();
        term.note_time(lapse - Duration::from_nanos(1));
        assert!(!matches!(term.stage(), Stage::GivingUp(_)));
        term.note_time(lapse);
        assert_eq!(term.stage(), Stage::GivingUp(Loss::LeaseLapsed));
    }
    assert_eq!(inherited().next_wake(), at(50_000));
}

/// R1, R2: the record names the longer lease, our own tree lives by the shorter.
#[test]
fn r2_a_longer_inherited_lease_gives_no_longer_life() {
    let mut long = campaign();
    long.held.lease = Duration::from_secs(100);
    let term = Term::won(at(1100), &long, at(1000), 6, 60, 1, &timing());
    assert_eq!(term.stage(), end(25_900));
    assert!(matches!(term.order(), Order::Lease(grant) if grant.lease == long.held.lease));
}

fn settled(generation: u32) -> Term {
    Term::settled(&campaign(), generation, Token(60), 6, Some(1))
}

fn inherited() -> Term {
    Term::inherited(&grant())
}

#[test]
fn r9_an_inherited_term_keeps_what_the_guardian_knows_and_looks_first() {
    let mut term = inherited();
    assert_eq!(term.order(), Order::Hold);
    assert_eq!(term.need(at(0), 1), Need::Look);
    let sight = Sight {
        master: OTHERS,
        term: ours(9, 3),
    };
    assert_eq!(term.note_sight(1, OWN, &sight), Verdict::Ours);
    let resume = Transaction::Resume(MasterZnode::Present, held(ID, 4), 9);
    assert_eq!(term.need(at(0), 1), Need::Commit(resume));
    term.note_sent(at(27_000), &resume, &timing());
    let done = Outcome::Done {
        version: 10,
        zxid: 90,
    };
    answer(&mut term, 27_100, 27_000, resume, done);
    let kept = Grant {
        generation: 4,
        version: 10,
        end: at(51_900),
        ..grant()
    };
    assert_eq!(term.order(), Order::Lease(kept));
    let renew = Transaction::Renew(held(ID, 4), 10);
    assert_eq!(term.need(at(28_000), 1), Need::Commit(renew));
}

#[test]
fn a_request_is_paced_and_hurried() {
    let mut term = won();
    let renew = Transaction::Renew(held(ID, 0), 6);
    assert_eq!(term.need(at(1100), 1), Need::Commit(renew));
    term.note_sent(at(1100), &renew, &timing());
    assert_eq!(term.need(at(2099), 1), Need::Nothing(at(2100)));
    assert_eq!(term.need(at(2100), 1), Need::Commit(renew));
    answer(&mut term, 1200, 1100, renew, Outcome::Unknown);
    assert_eq!(
        term.need(at(1200), 1),
        Need::Nothing(at(2100)),
        "a look too"
    );
    assert_eq!(term.need(at(2100), 1), Need::Look);
    term.pause(at(2100), &timing());
    assert_eq!(term.need(at(3099), 1), Need::Nothing(at(3100)));
    term.hurry(at(2500));
    assert_eq!(term.need(at(2500), 1), Need::Look);
}

/// R5: whose generation is it?
#[test]
fn r5_a_higher_generation_is_adopted_once_or_ends_this_elector() {
    let look = |term: &mut Term, generation| {
        let sight = Sight {
            master: OTHERS,
            term: ours(20, generation),
        };
        term.note_sight(1, OWN, &sight)
    };
    assert_eq!(look(&mut won(), 0), Verdict::Ours);
    assert_eq!(look(&mut won(), 1), Verdict::Superseded);
    let mut heir = inherited();
    assert_eq!(
        look(&mut heir, 5),
        Verdict::Ours,
        "its predecessor's, unanswered"
    );
    assert_eq!(heir.generation(), 5);
    let Need::Commit(resume) = heir.need(at(0), 1) else {
        panic!("it must resume")
    };
    assert!(matches!(resume, Transaction::Resume(_, held, 20) if held.generation == 6));
    heir.note_sent(at(0), &resume, &timing());
    assert_eq!(look(&mut heir, 6), Verdict::Ours, "its own, unanswered");
    let done = Outcome::Done {
        version: 20,
        zxid: 90,
    };
    answer(&mut heir, 1000, 0, resume, done);
    assert_eq!(look(&mut heir, 7), Verdict::Superseded);
}

/// R5: what it proposed itself, without an answer, is no other elector's.
#[test]
fn r5_a_resume_that_got_no_answer_does_not_supersede_its_own_elector() {
    let mut term = won();
    let resume = Transaction::Resume(MasterZnode::Present, held(ID, 1), 6);
    term.note_sent(at(1200), &resume, &timing());
    answer(&mut term, 1300, 1200, resume, Outcome::Unknown);
    let sight = Sight {
        master: OTHERS,
        term: ours(7, 1),
    };
    assert_eq!(term.note_sight(2, OWN, &sight), Verdict::Ours);
    assert_eq!(term.generation(), 1);
}

/// R8: what a look at a record that is not ours proves.
#[test]
fn r8_not_ours_needs_a_later_version_or_a_write_on_the_session() {
    let other = Record::Held(held(TermId { number: 2, ..ID }, 0));
    let refuted = |session| {
        let mut term = won();
        let renew = Transaction::Renew(held(ID, 0), 6);
        let refused = Outcome::Refused(Refusal::VersionMismatch);
        term.note_answer(at(1200), at(1150), session, &renew, refused, &timing());
        term
    };
    let table = [
        (won(), present(7, other), true),
        (won(), present(7, Record::Released), true),
        (won(), present(6, other), false),
        (won(), present(5, Record::Released), false),
        (won(), TermSight::Missing, false),
        (won(), TermSight::RootMissing, false),
        (won(), TermSight::Unreadable, false),
        (refuted(1), present(6, other), true),
        (refuted(1), present(5, other), true),
        (refuted(1), TermSight::Missing, true),
        (refuted(1), TermSight::RootMissing, true),
        (refuted(1), TermSight::Unreadable, true),
        (refuted(2), present(6, other), false),
        (refuted(2), TermSight::Missing, false),
        (refuted(1), ours(7, 0), false),
    ];
    for (mut term, sight, is_lost) in table {
        let master = OTHERS;
        let verdict = term.note_sight(
            1,
            OWN,
            &Sight {
                master,
                term: sight,
            },
        );
        assert_eq!(verdict, Verdict::Ours);
        let deposed = Stage::GivingUp(Loss::Deposed);
        assert_eq!(term.stage() == deposed, is_lost, "{sight:?}");
    }
}

/// R4, R8: a version is learned from a look, but never an older one.
#[test]
fn r8_a_stale_look_changes_nothing() {
    let mut term = settled(2);
    for (version, expected) in [(5, 6), (6, 6), (8, 8), (7, 8)] {
        let term_sight = ours(version, if version < 6 { 9 } else { 2 });
        let sight = Sight {
            master: OWNED,
            term: term_sight,
        };
        assert_eq!(term.note_sight(1, OWN, &sight), Verdict::Ours);
        let renew = Transaction::Renew(held(ID, 2), expected);
        assert_eq!(term.need(at(0), 1), Need::Commit(renew), "{version}");
    }
}

/// On the session that made `M` only a refused renewal proves that it was deleted; on another there is a resume.
#[test]
fn the_seat_is_the_session_that_owns_the_master_znode() {
    let look = |master, session, own| {
        let mut term = won();
        let sight = Sight {
            master,
            term: ours(6, 0),
        };
        let _ = term.note_sight(session, own, &sight);
        term.need(at(1100), session)
    };
    let renew = Need::Commit(Transaction::Renew(held(ID, 0), 6));
    let resume = |master| Need::Commit(Transaction::Resume(master, held(ID, 1), 6));
    let absent = MasterSight::Absent;
    assert_eq!(look(OWNED, 1, OWN), renew);
    assert_eq!(look(absent, 1, OWN), renew);
    assert_eq!(look(OTHERS, 2, OWN), resume(MasterZnode::Present));
    assert_eq!(look(absent, 2, OWN), resume(MasterZnode::Gone));
    assert_eq!(look(OWNED, 2, OWN), renew, "a resume that got no answer");
    let present = resume(MasterZnode::Present);
    assert_eq!(won().need(at(1100), 2), present, "without a look");
}

/// A wrong guess at `M` is put right by the refusal.
#[test]
fn a_resume_that_was_refused_guesses_the_other_way() {
    let absent = Sight {
        master: MasterSight::Absent,
        term: ours(9, 3),
    };
    let mut term = inherited();
    let _ = term.note_sight(1, OWN, &absent);
    for (guess, refusal) in [
        (MasterZnode::Gone, Refusal::MasterExists),
        (MasterZnode::Present, Refusal::MasterMissing),
        (MasterZnode::Gone, Refusal::MasterExists),
    ] {
        let generation = term.proposed + 1;
        let resume = Transaction::Resume(guess, held(ID, generation), 9);
        assert_eq!(term.need(at(0), 1), Need::Commit(resume));
        term.note_sent(at(0), &resume, &timing());
        answer(&mut term, 0, 0, resume, Outcome::Refused(refusal));
    }
}

#[test]
fn every_refusal_of_every_transaction() {
    let what = [
        ("renew", Transaction::Renew(held(ID, 0), 6)),
        (
            "resume",
            Transaction::Resume(MasterZnode::Present, held(ID, 1), 6),
        ),
        ("release", Transaction::Release(MasterZnode::Present, 6)),
        ("withdraw", Transaction::Withdraw(6)),
    ];
    let refusals = [
        Refusal::MasterExists,
        Refusal::MasterMissing,
        Refusal::VersionMismatch,
        Refusal::TermMissing,
        Refusal::Forbidden,
    ];
    let mut table = String::new();
    for (name, transaction) in what {
        for refusal in refusals {
            let mut term = match transaction {
                Transaction::Release(..) | Transaction::Withdraw(_) => returning(),
                Transaction::Found(_)
                | Transaction::Campaign(..)
                | Transaction::Renew(..)
                | Transaction::Resume(..) => won(),
            };
            term.note_sent(at(30_000), &transaction, &timing());
            answer(
                &mut term,
                30_100,
                30_000,
                transaction,
                Outcome::Refused(refusal),
            );
            let need = match term.need(at(30_100), 1) {
                Need::Nothing(time) => format!("nothing until {time:?}"),
                Need::Look => "look".into(),
                Need::Commit(Transaction::Renew(..)) => "renew".into(),
                Need::Commit(Transaction::Resume(master, ..)) => format!("resume {master:?}"),
                Need::Commit(Transaction::Release(master, _)) => format!("release {master:?}"),
                Need::Commit(other) => format!("{other:?}"),
            };
            let line = format!("{name} / {refusal:?}: {:?}, {need}\n", term.stage());
            table.push_str(&line);
        }
    }
    assert_eq!(table, include_str!("table.txt"));
}

/// Sealed and dead.
fn returning() -> Term {
    let mut term = won();
    term.lose(Loss::Shutdown);
    let sealed = Charge::Sealed(grant(), StopReason::Shutdown);
    term.note_report(at(2000), &report(sealed, Tree::Empty));
    assert_eq!(term.stage(), Stage::Returning);
    term
}

/// R6: the guardian must have sealed or barred the term, and the tree must be dead.
#[test]
fn r6_a_term_returns_only_sealed_and_dead() {
    let running = Tree::Running { since: at(0) };
    let stopping = Tree::Stopping { kill_at: at(9000) };
    let killing = Tree::Killing { again_at: at(0) };
    let other = Grant {
        id: TermId { number: 2, ..ID },
        ..grant()
    };
    let sealed = Charge::Sealed(grant(), StopReason::GivenUp);
    let table = [
        (sealed, Tree::Empty, true),
        (Charge::Barred(ID), Tree::Empty, true),
        (sealed, running, false),
        (sealed, stopping, false),
        (sealed, killing, false),
        (Charge::Open(grant()), Tree::Empty, false),
        (Charge::None, Tree::Empty, false),
        (Charge::Barred(other.id), Tree::Empty, false),
        (
            Charge::Sealed(other, StopReason::GivenUp),
            Tree::Empty,
            false,
        ),
    ];
    for (charge, tree, is_returning) in table {
        let mut term = won();
        term.lose(Loss::MasterDeleted);
        assert_eq!(term.order(), Order::GiveUp(ID));
        term.note_report(at(2000), &report(charge, tree));
        let case = format!("{charge:?} {tree:?}");
        assert_eq!(term.stage() == Stage::Returning, is_returning, "{case}");
        let is_idle = term.need(at(9000), 1) == Need::Nothing(Time::NEVER);
        assert_eq!(is_idle, !is_returning, "nothing is sent while giving up");
    }
}

/// R7: released only after the term's own wait-out; before it `M` is given up and `T` stays held.
#[test]
fn r7_a_release_waits_for_not_before() {
    let term = returning();
    let due = term.not_before();
    let withdraw = Need::Commit(Transaction::Withdraw(6));
    assert_eq!(term.need(due - Duration::from_nanos(1), 1), withdraw);
    let release = Transaction::Release(MasterZnode::Present, 6);
    assert_eq!(term.need(due, 1), Need::Commit(release));
}

#[test]
fn a_term_that_is_returned_is_over() {
    for (what, ending) in [
        (
            Transaction::Release(MasterZnode::Present, 6),
            Ending::Released,
        ),
        (Transaction::Withdraw(6), Ending::LeftHeld),
    ] {
        let mut term = returning();
        let done = Outcome::Done {
            version: 7,
            zxid: 70,
        };
        answer(&mut term, 30_000, 29_000, what, done);
        assert_eq!(term.stage(), Stage::Over(ending));
        assert_eq!(term.order(), Order::Forget(ID));
    }
}

/// A release without an answer: a look shows whether it was committed.
#[test]
fn a_lost_release_is_looked_at_and_sent_again() {
    let lost = |sight| {
        let mut term = returning();
        let what = Transaction::Release(MasterZnode::Present, 6);
        answer(&mut term, 30_000, 29_000, what, Outcome::Unknown);
        assert_eq!(term.need(at(30_000), 1), Need::Look);
        let master = MasterSight::Absent;
        let _ = term.note_sight(
            1,
            OWN,
            &Sight {
                master,
                term: sight,
            },
        );
        term
    };
    let over = Stage::Over(Ending::LeftHeld);
    assert_eq!(lost(present(7, Record::Released)).stage(), over);
    let again = Need::Commit(Transaction::Release(MasterZnode::Gone, 6));
    assert_eq!(lost(ours(6, 0)).need(at(30_000), 1), again);
}

/// A deposed term has nothing to give back, and what it was lost by first is what is told.
#[test]
fn a_term_is_lost_once() {
    let mut term = won();
    term.lose(Loss::MasterDeleted);
    term.lose(Loss::LeaseLapsed);
    assert_eq!(term.stage(), Stage::GivingUp(Loss::MasterDeleted));
    term.lose(Loss::Deposed);
    assert_eq!(term.stage(), Stage::GivingUp(Loss::Deposed));
    term.note_report(at(2000), &report(Charge::Barred(ID), Tree::Empty));
    assert_eq!(term.stage(), Stage::Over(Ending::LeftHeld));
    let mut returning = returning();
    returning.lose(Loss::Deposed);
    assert_eq!(returning.stage(), Stage::Over(Ending::LeftHeld));
}

#[test]
fn the_guardian_may_end_the_term_by_itself() {
    for (reason, loss) in [
        (StopReason::LeaseLapsed, Loss::LeaseLapsed),
        (StopReason::Shutdown, Loss::Shutdown),
    ] {
        let mut term = won();
        let stopping = Tree::Stopping { kill_at: at(9000) };
        term.note_report(at(2000), &report(Charge::Sealed(grant(), reason), stopping));
        assert_eq!(term.stage(), Stage::GivingUp(loss));
    }
    let mut asked = won();
    let shutdown = Report {
        shutdown: Shutdown::Graceful,
        ..report(Charge::None, Tree::Empty)
    };
    asked.note_report(at(2000), &shutdown);
    assert_eq!(asked.stage(), Stage::GivingUp(Loss::Shutdown));
}

#[test]
fn the_end_of_the_seats_session_ends_the_term() {
    let mut term = won();
    term.note_session_ended(2);
    assert_eq!(term.stage(), end(25_900));
    term.note_session_ended(1);
    assert_eq!(term.stage(), Stage::GivingUp(Loss::SessionEnded));
}

fn starts(term: &Term) -> u32 {
    match term.order() {
        Order::Lease(grant) => grant.starts,
        order @ (Order::Hold | Order::GiveUp(_) | Order::Forget(_)) => panic!("{order:?}"),
    }
}

/// The term goes on while its child is started again, after the backoff and once for each end.
#[test]
fn a_child_that_ended_is_started_again_after_the_backoff() {
    let mut term = won();
    let open = Charge::Open(grant());
    let ended = Report {
        started: 1,
        exit: Some(ChildExit::Code(1)),
        ..report(open, Tree::Empty)
    };
    term.note_report(at(2000), &report(open, Tree::Empty));
    term.note_time(at(4000));
    assert_eq!(starts(&term), 1, "it was never started");
    let since = at(5000);
    term.note_report(at(5000), &report(open, Tree::Running { since }));
    term.note_report(at(6000), &ended);
    assert_eq!(term.restart(), Some((at(7000), 1)));
    term.note_report(at(6500), &ended);
    assert_eq!(term.restart(), Some((at(7000), 1)), "told once");
    assert_eq!(term.next_wake(), at(7000));
    term.note_time(at(6999));
    assert_eq!(starts(&term), 1);
    let mut lost = term;
    lost.lose(Loss::Shutdown);
    assert_eq!(lost.restart(), None, "nothing starts in it again");
    term.note_time(at(7000));
    assert_eq!((starts(&term), term.restart()), (2, None));
    let other = Charge::Open(Grant {
        id: TermId { number: 2, ..ID },
        ..grant()
    });
    let of_another = Report {
        charge: other,
        started: 2,
        ..ended
    };
    term.note_report(at(7000), &of_another);
    assert_eq!(term.next_wake(), at(25_900), "the end of another's child");
    term.note_report(at(7001), &ended);
    term.note_time(at(9500));
    assert_eq!(starts(&term), 2, "that end was counted");
}
