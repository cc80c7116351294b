//! The nemesis and the bounds are checked: what is drawn, and what is expected of it before it is done.

use crate::bounds::{Effect, Expectation, Role, expect};
use crate::draw::{self, Deed, Network, Plan, draw};
use crate::kinds::{HostAim, KINDS, Lost, OfGroup, OfHost, OfServer, ServerAim};
use crate::support::time::secs;
use crate::tests::SEED;
use zk_supervise::core::lease::Wish;

/// Each check, and the sentence it proves.
pub(crate) const CHECKS: [(&str, fn()); 6] = [
    (
        "torture::a_fault_that_is_ridden_out_changes_nothing_of_another",
        one_ridden_out,
    ),
    (
        "torture::two_faults_that_the_lease_rides_out_in_turn_are_ridden_out_together",
        both_ridden_out,
    ),
    (
        "torture::the_same_seed_draws_the_same_and_each_kind_as_often",
        drawn,
    ),
    ("torture::the_short_run_does_one_fault_at_a_time", short_run),
    (
        "torture::a_leader_who_hears_nobody_may_cost_what_a_lost_quorum_does_and_no_other_cut_does",
        leader_not_heard,
    ),
    (
        "torture::the_lease_of_a_host_that_died_is_waited_out_like_that_of_one_that_is_frozen",
        silent_hosts,
    ),
];

fn one_ridden_out() {
    let timing = Wish::default().timing();
    let calm = Expectation::calm(secs(2));
    let again = Expectation::new(Effect::StartedAgain, secs(3)).beside(calm, &timing);
    assert_eq!((again.effect, again.starts), (Effect::StartedAgain, 1));
    assert_eq!(again.bound, secs(7));
    let again = calm.beside(Expectation::new(Effect::Moves, secs(3)), &timing);
    assert_eq!(again.effect, Effect::Moves);
}

fn both_ridden_out() {
    let timing = Wish::default().timing();
    let half = Expectation::calm(timing.rides_out() / 2);
    assert_eq!(half.beside(half, &timing).effect, Effect::None);
    let most = Expectation::calm(timing.rides_out());
    assert_eq!(most.beside(half, &timing).effect, Effect::MayMove);
    assert_eq!(most.beside(half, &timing).starts, 1);
    let moves = Expectation::new(Effect::Moves, secs(1));
    assert_eq!(moves.beside(moves, &timing).starts, 2);
}

/// In the first bag of the seed of `cargo test`; of two at once, neither is judged strictly.
fn short_run() {
    let slots = draw(SEED, 1, &KINDS, &Wish::default().timing());
    assert!(slots.iter().all(|slot| slot.plans.len() == 1));
}

fn drawn() {
    let timing = Wish::default().timing();
    let slots = draw(7, 20, &KINDS, &timing);
    assert_eq!(slots, draw(7, 20, &KINDS, &timing));
    assert_ne!(slots, draw(8, 20, &KINDS, &timing));
    let is_of_standby = |deed| matches!(deed, Deed::Host(_, HostAim::Standby(_)));
    let plans = || slots.iter().flat_map(|slot| &slot.plans);
    for kind in KINDS {
        let its = plans().filter(|plan| plan.kind() == kind && !is_of_standby(plan.deed));
        assert_eq!(its.count(), 20, "{kind:?}");
    }
    assert_eq!(plans().filter(|plan| is_of_standby(plan.deed)).count(), 40);
    let mut pairs = slots.iter().filter(|slot| slot.plans.len() == 2).peekable();
    assert!(pairs.peek().is_some());
    assert!(pairs.all(|slot| matches!(slot.plans[0].deed, Deed::Server(..))));
    let not_heard = |network| draw::drawn(network, &["not heard".to_owned()]).len();
    assert_eq!(not_heard(Network::Namespaces), 4);
    assert_eq!(not_heard(Network::Loopback), 2);
}

/// He may be elected again and again, as nobody else can be: another leader is found whichever other way he is cut.
fn leader_not_heard() {
    let timing = Wish::default().timing();
    let expected = |deed, length| expect(&Plan { deed, length }, Some(Role::Leader), &[], &timing);
    let cut = |lost, length| {
        let kind = OfServer::CutFromPeers(lost);
        expected(Deed::Server(kind, ServerAim::Leader), length)
    };
    let long = timing.rides_out();
    let no_quorum = expected(Deed::Group(OfGroup::QuorumLost), long);
    assert_eq!(cut(Lost::Answers, long).bound, no_quorum.bound);
    assert_eq!(cut(Lost::Answers, long).effect, Effect::MayMove);
    assert_eq!(cut(Lost::Answers, secs(1)).effect, Effect::None);
    assert_eq!(cut(Lost::Requests, long).effect, Effect::None);
    assert_eq!(cut(Lost::Both, long).effect, Effect::None);
}

fn silent_hosts() {
    let timing = Wish::default().timing();
    let apart = |kind| {
        let deed = Deed::Host(kind, HostAim::Master);
        let length = secs(1);
        expect(&Plan { deed, length }, None, &[], &timing).apart
    };
    assert_eq!(apart(OfHost::Killed), apart(OfHost::Frozen));
    assert!(apart(OfHost::Killed) > timing.rides_out());
}
