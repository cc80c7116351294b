//! R2, R3, R8 and R10, as far as a standby decides them.

use super::super::lease::Wish;
use super::*;

const OWN: i64 = 100;
const ID: TermId = TermId {
    elector: 7,
    number: 1,
};
const ABSENT: MasterSight = MasterSight::Absent;
const OWNED: MasterSight = MasterSight::Ephemeral { owner: OWN };
const OTHERS: MasterSight = MasterSight::Ephemeral { owner: 200 };

fn at(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

fn timing() -> Timing {
    Wish::default().timing()
}

fn held(seconds: u64) -> Record {
    Record::Held(Held {
        id: None,
        generation: 0,
        lease: Duration::from_secs(seconds),
        token: None,
    })
}

fn stamp(version: i32) -> Stamp {
    Stamp {
        created: 3,
        version,
    }
}

fn sight(master: MasterSight, version: i32, record: Record) -> Sight {
    let term = TermSight::Present {
        stamp: stamp(version),
        modified: 50,
        record,
    };
    Sight { master, term }
}

fn plan(candidacy: &Candidacy, now: Time, sight: &Sight) -> Plan {
    candidacy.plan(now, sight, &timing(), OWN, ID)
}

fn not_before(plan: Plan) -> Option<Time> {
    match plan {
        Plan::Campaign(campaign) => Some(campaign.not_before),
        Plan::Wait | Plan::Found(_) | Plan::Withdraw(_) | Plan::Blocked(_) => None,
    }
}

/// The wait-out of 25 s at 1 %, and ε.
fn wait_out() -> Duration {
    timing().wait_out(Duration::from_secs(25))
}

#[test]
fn every_sight_has_its_plan() {
    let own_lease = Founding::UnderRoot(timing().lease);
    let persistent = MasterSight::Persistent;
    let blocked = Plan::Blocked;
    let (root, none, bad) = (
        TermSight::RootMissing,
        TermSight::Missing,
        TermSight::Unreadable,
    );
    let table = [
        (root, ABSENT, Plan::Found(Founding::WithRoot)),
        (root, persistent, blocked(Block::PersistentMaster)),
        (none, ABSENT, Plan::Found(own_lease)),
        (none, OWNED, Plan::Found(own_lease)),
        (none, OTHERS, blocked(Block::ForeignMaster)),
        (none, persistent, blocked(Block::PersistentMaster)),
        (bad, ABSENT, blocked(Block::UnreadableRecord)),
        (bad, OWNED, blocked(Block::UnreadableRecord)),
        (bad, OTHERS, blocked(Block::UnreadableRecord)),
        (bad, persistent, blocked(Block::UnreadableRecord)),
    ];
    for (term, master, expected) in table {
        let sight = Sight { master, term };
        let actual = plan(&Candidacy::default(), at(0), &sight);
        assert_eq!(actual, expected, "{sight:?}");
    }
    for record in [Record::Virgin, Record::Released, held(25)] {
        let look = |master| plan(&Candidacy::default(), at(0), &sight(master, 4, record));
        assert_eq!(look(persistent), blocked(Block::PersistentMaster));
        assert_eq!(look(OWNED), Plan::Withdraw(4), "R8: no term claims it");
        assert_eq!(look(OTHERS), Plan::Wait, "R10: not seen for long enough");
        match record {
            Record::Virgin | Record::Released => assert!(matches!(look(ABSENT), Plan::Campaign(_))),
            Record::Held(_) => assert_eq!(look(ABSENT), Plan::Wait, "its holder may release it"),
        }
    }
}

/// A candidate that has seen no `M` beside this record for as long as a master that is well takes to give it up.
fn abandoned(seen: &Sight) -> (Candidacy, Time) {
    let mut candidacy = Candidacy::default();
    candidacy.note(at(0), seen);
    (candidacy, at(0) + timing().gives_up_within())
}

/// R3: over `released` and `virgin` at once, over `held` after the wait-out.
#[test]
fn the_child_waits_out_whoever_held_the_record() {
    let look = |record| plan(&Candidacy::default(), at(7), &sight(ABSENT, 4, record));
    assert_eq!(not_before(look(Record::Released)), Some(at(7)));
    assert_eq!(not_before(look(Record::Virgin)), Some(at(7)));
    let seen = sight(ABSENT, 4, held(25));
    let (candidacy, now) = abandoned(&seen);
    assert_eq!(
        not_before(plan(&candidacy, now, &seen)),
        Some(at(0) + wait_out())
    );
}

/// P3: the holder that lost nothing but `M` is left the time to stop and to release, from the first look without `M`.
#[test]
fn a_holder_that_lost_its_master_znode_may_release_before_anybody_campaigns() {
    let (there, gone) = (sight(OTHERS, 4, held(25)), sight(ABSENT, 4, held(25)));
    let mut candidacy = Candidacy::default();
    for (millis, seen) in [(1000, &there), (2000, &gone), (3000, &gone)] {
        candidacy.note(at(millis), seen);
    }
    let due = at(2000) + timing().gives_up_within();
    let early = due - Duration::from_nanos(1);
    assert_eq!(plan(&candidacy, early, &gone), Plan::Wait);
    let waited = Some(at(1000) + wait_out());
    assert_eq!(
        not_before(plan(&candidacy, due, &gone)),
        waited,
        "as if at once"
    );
    // It came back with a resume, and is lost again.
    let (back, again) = (sight(OTHERS, 5, held(25)), sight(ABSENT, 5, held(25)));
    candidacy.note(at(4000), &back);
    assert_eq!(plan(&candidacy, due, &again), Plan::Wait);
    candidacy.note(at(5000), &again);
    assert_eq!(plan(&candidacy, due, &again), Plan::Wait);
    let released = sight(ABSENT, 6, Record::Released);
    candidacy.note(at(5100), &released);
    assert_eq!(
        not_before(plan(&candidacy, at(5100), &released)),
        Some(at(5100))
    );
}

/// The same at one version of the record: somebody else's `M` came and went.
#[test]
fn a_master_znode_that_comes_back_begins_the_time_anew() {
    let (there, gone) = (sight(OTHERS, 4, held(25)), sight(ABSENT, 4, held(25)));
    let mut candidacy = Candidacy::default();
    for (millis, seen) in [(1000, &gone), (2000, &there), (3000, &gone)] {
        candidacy.note(at(millis), seen);
    }
    let due = at(3000) + timing().gives_up_within();
    assert_eq!(
        plan(&candidacy, due - Duration::from_nanos(1), &gone),
        Plan::Wait
    );
    assert!(matches!(plan(&candidacy, due, &gone), Plan::Campaign(_)));
}

/// A host that has died is succeeded when the wait-out ends, however late its session does.
#[test]
fn who_has_waited_out_the_record_campaigns_at_once() {
    let (there, gone) = (sight(OTHERS, 4, held(25)), sight(ABSENT, 4, held(25)));
    let mut candidacy = Candidacy::default();
    candidacy.note(at(1000), &there);
    let due = at(1000) + wait_out();
    let early = due - Duration::from_nanos(1);
    candidacy.note(early, &gone);
    assert_eq!(plan(&candidacy, early, &gone), Plan::Wait);
    assert_eq!(not_before(plan(&candidacy, due, &gone)), Some(due));
}

/// R3: `u` is when this very state was first seen: kept while it is seen again, new with each write.
#[test]
fn the_wait_out_counts_from_the_first_look_at_this_very_state() {
    let mut candidacy = Candidacy::default();
    let four = sight(OTHERS, 4, held(25));
    for (millis, version) in [(1000, 4), (2000, 4), (3000, 5), (4000, 5)] {
        let seen = sight(OTHERS, version, held(25));
        assert_eq!(candidacy.note(at(millis), &seen), Freshness::Fresh);
    }
    let gone = sight(ABSENT, 5, held(25));
    let expected = at(3000) + wait_out();
    assert_eq!(candidacy.note(at(5000), &gone), Freshness::Fresh);
    let due = at(5000) + timing().gives_up_within();
    assert_eq!(not_before(plan(&candidacy, due, &gone)), Some(expected));
    assert_eq!(candidacy.note(at(6000), &four), Freshness::Stale, "R8");
    assert_eq!(not_before(plan(&candidacy, due, &gone)), Some(expected));
    let next = sight(ABSENT, 6, held(25));
    assert_eq!(candidacy.note(due, &next), Freshness::Fresh);
    let from_now = due + wait_out();
    let due = due + timing().gives_up_within();
    assert_eq!(not_before(plan(&candidacy, due, &next)), Some(from_now));
}

/// R3: another `T` is newer, whatever its version, and an older one proves nothing.
#[test]
fn a_record_is_known_by_its_creation_too() {
    let mut candidacy = Candidacy::default();
    let look = |created, version| Sight {
        master: ABSENT,
        term: TermSight::Present {
            stamp: Stamp { created, version },
            modified: 50,
            record: held(25),
        },
    };
    assert_eq!(candidacy.note(at(0), &look(3, 9)), Freshness::Fresh);
    assert_eq!(candidacy.note(at(1), &look(8, 0)), Freshness::Fresh);
    assert_eq!(candidacy.note(at(2), &look(3, 10)), Freshness::Stale);
}

/// Another `T` in the place of one that was deleted.
fn made_anew(record: Record) -> Sight {
    let stamp = Stamp {
        created: 90,
        version: 0,
    };
    let term = TermSight::Present {
        stamp,
        modified: 90,
        record,
    };
    Sight {
        master: ABSENT,
        term,
    }
}

/// A candidate that knew `T` held, and sees that it is gone.
fn bereft(seconds: u64, gone: TermSight) -> Candidacy {
    let mut candidacy = Candidacy::default();
    candidacy.note(at(1000), &sight(OTHERS, 4, held(seconds)));
    let nothing = Sight {
        master: ABSENT,
        term: gone,
    };
    for millis in [2000, 3000] {
        assert_eq!(candidacy.note(at(millis), &nothing), Freshness::Fresh);
    }
    candidacy
}

/// R3: whoever deletes `T`, with its root or without, deletes what it says and not the tree of its holder.
#[test]
fn a_record_that_was_held_when_it_was_deleted_is_waited_out() {
    let wait = |seconds| timing().wait_out(Duration::from_secs(seconds));
    for (theirs, ours) in [(10, 25), (25, 25), (40, 40)] {
        let founding = |gone| {
            let sight = Sight {
                master: ABSENT,
                term: gone,
            };
            plan(&bereft(theirs, gone), at(3000), &sight)
        };
        let lease = Duration::from_secs(ours);
        let with_root = Plan::Found(Founding::WithLostRoot(lease));
        assert_eq!(founding(TermSight::RootMissing), with_root);
        let under_root = Plan::Found(Founding::UnderRoot(lease));
        assert_eq!(founding(TermSight::Missing), under_root);
        for record in [Record::Virgin, Record::Released, held(1)] {
            let mut candidacy = bereft(theirs, TermSight::RootMissing);
            let another = made_anew(record);
            assert_eq!(candidacy.note(at(4000), &another), Freshness::Fresh);
            let Plan::Campaign(campaign) = plan(&candidacy, at(6000), &another) else {
                panic!("{record:?}")
            };
            assert_eq!(campaign.not_before, at(2000) + wait(theirs), "{record:?}");
            assert_eq!(campaign.held.lease, lease, "R2");
        }
    }
}

/// The same where nobody looked while there was none.
#[test]
fn another_record_in_the_place_of_one_that_was_held_is_waited_out_too() {
    let mut candidacy = Candidacy::default();
    candidacy.note(at(1000), &sight(OTHERS, 4, held(40)));
    let another = made_anew(Record::Virgin);
    candidacy.note(at(2000), &another);
    let expected = at(2000) + timing().wait_out(Duration::from_secs(40));
    assert_eq!(
        not_before(plan(&candidacy, at(3000), &another)),
        Some(expected)
    );
    // Long afterwards it costs nothing any more.
    let late = expected + Duration::from_secs(1);
    assert_eq!(not_before(plan(&candidacy, late, &another)), Some(late));
}

/// The same record, released: its holder's tree is dead, and it was not lost.
#[test]
fn a_record_that_was_held_and_then_released_leaves_nothing_to_wait_for() {
    let mut candidacy = Candidacy::default();
    candidacy.note(at(1000), &sight(OTHERS, 4, held(25)));
    let released = sight(ABSENT, 5, Record::Released);
    candidacy.note(at(2000), &released);
    let now = at(3000);
    assert_eq!(not_before(plan(&candidacy, now, &released)), Some(now));
}

/// A record that says that every tree is dead leaves nothing to wait for.
#[test]
fn a_record_that_nobody_held_when_it_was_deleted_leaves_a_new_election() {
    for record in [Record::Virgin, Record::Released] {
        let mut candidacy = Candidacy::default();
        candidacy.note(at(1000), &sight(ABSENT, 4, record));
        let nothing = Sight {
            master: ABSENT,
            term: TermSight::RootMissing,
        };
        candidacy.note(at(2000), &nothing);
        let anew = Plan::Found(Founding::WithRoot);
        assert_eq!(plan(&candidacy, at(2000), &nothing), anew);
    }
}

/// R10
#[test]
fn a_holder_is_deposed_after_the_full_wait_out_and_not_before() {
    for (record, wait) in [
        (held(25), wait_out()),
        (held(10), timing().wait_out(Duration::from_secs(10))),
        (Record::Released, wait_out()),
        (Record::Virgin, wait_out()),
    ] {
        let mut candidacy = Candidacy::default();
        let seen = sight(OTHERS, 4, record);
        candidacy.note(at(1000), &seen);
        let due = at(1000) + wait;
        let early = due - Duration::from_nanos(1);
        assert_eq!(plan(&candidacy, early, &seen), Plan::Wait);
        let Plan::Campaign(campaign) = plan(&candidacy, due, &seen) else {
            panic!("{record:?}")
        };
        assert_eq!(campaign.master, MasterZnode::Present);
        assert_eq!(campaign.not_before, due, "it was waited out already");
    }
}

/// R2: the longer lease, cut to the longest there may be; R4: over the version that was seen.
#[test]
fn a_campaign_writes_the_longer_lease_over_the_version_it_saw() {
    for (theirs, written) in [(10, 25), (25, 25), (40, 40), (1_000_000, 3600)] {
        let seen = sight(ABSENT, 4, held(theirs));
        let (candidacy, now) = abandoned(&seen);
        let Plan::Campaign(campaign) = plan(&candidacy, now, &seen) else {
            panic!("{theirs}")
        };
        assert_eq!(campaign.held.lease, Duration::from_secs(written));
        assert_eq!(campaign.held.id, Some(ID));
        assert_eq!((campaign.held.generation, campaign.held.token), (0, None));
        assert_eq!(campaign.over, stamp(4));
        let wait = timing().wait_out(Duration::from_secs(theirs.min(3600)));
        assert_eq!(campaign.not_before, at(0) + wait);
    }
}
