//! The promise, model-checked: every history of a small group, up to bounds, through the very code of `core`.
//!
//! `src/core/world` draws long histories at random; here short ones are gone through in full. The state is a
//! [`World`](world::World): hosts with a [`Guard`], a [`Supervisor`], their queues and a tree each, and an ensemble.
//! What may happen next is in [`faults`], what must hold in [`properties`], and [`rules`] switches the rules of `core`
//! off, one at a time, at the boundary of the model: then the checker must find what breaks, in the same
//! [setup](setup::Setup) in which it has just found nothing.
//!
//! # Bounds
//!
//! Time passes in ticks of 400 ms up to a horizon of 1 to 12 ticks; leases last 4.75 to 12.5 ticks, usually 6, and a
//! wait-out 7 of them on the fast clock. A process wakes up to a tick late. Clocks are as far apart as the bound on
//! their rates allows (10 %), the master's slow and the standby's fast. What nothing disturbs happens at once: guardian
//! and elector read their queues, the ensemble answers before the next tick; in which order it takes the hosts'
//! transactions is open. Each setup names its faults and how often each may happen, at any moment. A child ignores the
//! stop signal and dies by SIGKILL. At most one request that its sender has given up may arrive later.
//!
//! | exploration | states | states, larger | faults |
//! |---|---|---|---|
//! | messages | 64 709 | 839 131 | an expiry, a lost reply, a lost or late request |
//! | servers | 173 942 | the same | from no znodes: a stale look, an expiry, a deletion of `M` |
//! | electors | 350 718 | 623 141 | an expiry, a crash, a SIGSTOP and SIGCONT |
//! | guardians | 44 984 | 1 634 718 | an expiry, a crash, a SIGSTOP and SIGCONT |
//! | takeovers | 31 781 | 1 005 033 | an expiry, a cut, a shutdown |
//! | troubles | 54 004 | the same | an expiry, a lost reply, a crash of an elector, a planned stop |
//! | reloads | 239 489 | 32 194 880 | an expiry, a lost reply, a reload |
//! | calm reloads | 15 837 | the same | two reloads, and nothing else |
//! | three hosts | 22 213 | 1 531 247 | an expiry |
//! | rest | 38 846 | the same | the master's host dark or cut, a deletion, a crash, an exit, a lost reply; then quiet |
//! | every rule but one, and the same with all | about 750 000 | the same | as many as it takes |
//!
//! About 100 s of processor time in all, unoptimised. The larger ones, with more faults or for longer, take nine minutes
//! and 16 GB, optimised:
//!
//! ```sh
//! ZK_SUPERVISE_MODEL=large cargo test --release --test model -- --nocapture
//! ```
//!
//! # What it does not show
//!
//! * **R11** is not kept by `core`: `zk-supervise release` looks at processes and sends one transaction itself.
//! * Of each rule one clause is switched off, the one that [`rules`] names. The tables and `src/core/world` know the others.
//! * A reload is one step, and SIGKILL kills at once.
//! * P3 is shown for the end of a quiet time after bounded faults, not for ever.
//! * Of R5 the kill is switched off, not the generations: that an elector exits by itself once its guardian has replaced
//!   it is the second line behind a kill that cannot fail.
//! * Watches, an ensemble that is down, a deleted `T`, and a child that obeys or half dies: see `src/core/world`.
//!
//! [`Guard`]: zk_supervise::core::guard::Guard
//! [`Supervisor`]: zk_supervise::core::supervisor::Supervisor

mod ensemble;
mod faults;
mod host;
mod properties;
mod rules;
mod setup;
mod world;

use faults::Kind::{
    ChildExit, Continue, Cut, Deletion, ElectorCrash, ElectorStop, Expiry, GuardianCrash,
    GuardianStop, Heal, LostReply, LostRequest, PowerFailure, Reload, Shutdown, SlowReply,
    StaleLook, Start,
};
use properties::{
    DEPOSE, Findings, LEASES_APART, ONE_TREE, RELEASE, RELEASED_MEANS_DEAD, RESTED, RESUME,
    SOMEBODY_RUNS, STOP_BY_LEASE, TAKEOVER, TOKENS_GROW, TWO_TAKEOVERS, UNTOUCHED, WAIT_OUT,
};
use rules::Rule;
use setup::{Climate, Ending, Profile, Search, Setup};

/// The small setup, or the one for which somebody has minutes.
fn bounded(small: Setup, large: Setup) -> Setup {
    match std::env::var("ZK_SUPERVISE_MODEL").as_deref() {
        Ok("large") => large,
        Ok(other) => panic!("`ZK_SUPERVISE_MODEL` is `large` or not set, not `{other}`"),
        Err(_) => small,
    }
}

#[test]
fn lost_and_late_messages_do_not_make_two_trees() {
    let faults = [Expiry.times(1), LostReply.times(1), LostRequest.times(1)];
    let more = [Expiry, LostReply, LostRequest, SlowReply].map(|kind| kind.times(1));
    let setup = bounded(Setup::pair(&faults, 8), Setup::pair(&more, 8));
    Findings::of("messages", &setup).keep_the_promise_and_show(&[WAIT_OUT]);
}

#[test]
fn lagging_servers_do_not_make_two_trees() {
    let faults = [StaleLook.times(1), Expiry.times(1), Deletion.times(1)];
    let setup = Setup {
        start: setup::Start::Virgin,
        ..Setup::pair(&faults, 7)
    };
    Findings::of("servers", &setup).keep_the_promise_and_show(&[TAKEOVER, WAIT_OUT]);
}

#[test]
fn crashes_and_pauses_of_the_elector_do_not_make_two_trees() {
    let faults = [
        ElectorCrash.times(1),
        ElectorStop.on(1),
        Continue.on(1),
        Expiry.times(1),
    ];
    let more = [ElectorCrash, ElectorStop, Continue, Expiry].map(|kind| kind.times(1));
    let setup = bounded(Setup::pair(&faults, 8), Setup::pair(&more, 8));
    Findings::of("electors", &setup).keep_the_promise_and_show(&[RESUME, WAIT_OUT]);
}

#[test]
fn crashes_and_pauses_of_the_guardian_do_not_make_two_trees() {
    let faults = [
        GuardianCrash.on(0),
        GuardianStop.on(1),
        Continue.on(1),
        Expiry.times(1),
    ];
    let more = [GuardianCrash, GuardianStop, Continue, Expiry, Start].map(|kind| kind.times(1));
    let setup = bounded(Setup::pair(&faults, 8), Setup::pair(&more, 8));
    Findings::of("guardians", &setup).keep_the_promise_and_show(&[RELEASE, WAIT_OUT]);
}

#[test]
fn reloads_do_not_make_two_trees() {
    let faults = [Reload.times(1), Expiry.times(1), LostReply.times(1)];
    let more = [
        Reload.times(2),
        Expiry.times(1),
        LostReply.times(1),
        ElectorCrash.times(1),
    ];
    let setup = bounded(Setup::pair(&faults, 8), Setup::pair(&more, 8));
    Findings::of("reloads", &setup).keep_the_promise_and_show(&[RESUME, WAIT_OUT]);
}

/// P2
#[test]
fn a_reload_does_not_touch_the_child() {
    let setup = Setup {
        climate: Climate::Calm,
        ..Setup::pair(&[Reload.times(2)], 8)
    };
    Findings::of("calm reloads", &setup).keep_the_promise_and_show(&[RESUME]);
}

#[test]
fn one_takeover_after_another_does_not_make_two_trees() {
    let faults = [Expiry.times(1), Cut.on(1), Shutdown.on(0)];
    let more = [Expiry, Cut, Heal, Shutdown].map(|kind| kind.times(1));
    let setup = bounded(Setup::pair(&faults, 10), Setup::pair(&more, 12));
    let sights = [TWO_TAKEOVERS, DEPOSE, STOP_BY_LEASE, RELEASE];
    Findings::of("takeovers", &setup).keep_the_promise_and_show(&sights);
}

/// A crash, a lost message, an expiry and a planned stop, all in one history.
#[test]
fn one_trouble_upon_another_does_not_make_two_trees() {
    let faults = [
        LostReply.times(1),
        ElectorCrash.times(1),
        Expiry.times(1),
        Shutdown.on(0),
    ];
    let sights = [TWO_TAKEOVERS, RESUME, RELEASE];
    Findings::of("troubles", &Setup::pair(&faults, 5)).keep_the_promise_and_show(&sights);
}

#[test]
fn a_third_candidate_does_not_make_two_trees() {
    let small = Setup::three(&[Expiry.times(1)], 8);
    let large = Setup::three(&[Expiry.times(2), Cut.on(1)], 10);
    Findings::of("three hosts", &bounded(small, large)).keep_the_promise_and_show(&[WAIT_OUT]);
}

#[test]
fn whatever_has_happened_somebody_runs_after_a_quiet_time() {
    let faults = [
        PowerFailure.on(1),
        Cut.on(1),
        Deletion.times(1),
        ElectorCrash.times(1),
        ChildExit.times(1),
        LostReply.times(1),
    ];
    let setup = Setup {
        ending: Ending::Rest,
        ..Setup::pair(&faults, 3)
    };
    Findings::of("rest", &setup).keep_the_promise_and_show(&[RESTED]);
}

/// A setup in which nothing breaks, and one of `properties` once `rule` is switched off.
fn protects(rule: Rule, properties: &[&str], setup: Setup) {
    Findings::of("all rules", &setup).keep_the_promise_and_show(&[]);
    let setup = setup.without(rule, Search::Last);
    Findings::of("all rules but one", &setup).break_one_of(properties);
}

/// A property that is broken first once `rule` is switched off, be it with another.
fn breaks_first(rule: Rule, property: &str, setup: Setup) {
    let setup = setup.without(rule, Search::First);
    Findings::of("all rules but one", &setup).notice(property);
}

#[test]
fn a_release_beside_a_live_tree_is_noticed() {
    let setup = Setup::pair(&[Shutdown.on(1)], 3);
    breaks_first(Rule::ReleaseAfterDeath, RELEASED_MEANS_DEAD, setup);
}

#[test]
fn a_start_within_an_earlier_lease_is_noticed() {
    let setup = Setup::pair(&[Expiry.times(1)], 3);
    breaks_first(Rule::WaitOut, LEASES_APART, setup);
}

#[test]
fn a_token_that_does_not_grow_is_noticed() {
    let setup = Setup::pair(&[Expiry.times(1)], 8);
    breaks_first(Rule::GrowingTokens, TOKENS_GROW, setup);
}

/// R1: the guardian counts the lease from the answer. Who saw the write when it was committed does not wait that long.
#[test]
fn r1_without_it_a_late_answer_prolongs_the_old_master_into_the_next() {
    let setup = Setup::pair(&[SlowReply.on(1), Cut.on(1)], 10);
    protects(Rule::LeaseFromSending, &[ONE_TREE], setup);
}

/// R2: a campaign over `held` for long writes its own, shorter lease; the candidate after it waits out only that.
#[test]
fn r2_without_it_a_short_lease_hides_a_longer_one_from_the_third_term() {
    let faults = [Cut.on(1), Expiry.times(1), GuardianCrash.on(0), Start.on(0)];
    let setup = Setup {
        hosts: vec![
            Profile::new(Profile::FAST, 1900),
            Profile::new(Profile::SLOW, 5000),
        ],
        ..Setup::pair(&faults, 9)
    };
    protects(Rule::LongerLease, &[ONE_TREE], setup);
}

/// R3: the grant says that the child may start now.
#[test]
fn r3_without_it_an_expired_session_makes_two_trees() {
    let setup = Setup::pair(&[Expiry.times(1)], 3);
    protects(Rule::WaitOut, &[ONE_TREE], setup);
}

/// R4: after a lost answer the next version is computed; it is the one that the new master has written.
#[test]
fn r4_without_it_an_old_master_overwrites_the_new_one() {
    let faults = [Cut.on(1), Heal.on(1), Expiry.times(1), Cut.on(0)];
    let setup = Setup::pair(&faults, 8);
    protects(Rule::LearnedVersion, &[ONE_TREE], setup);
}

/// R5: the hung elector is replaced and left alive. It wakes up with a lapsed lease, and seals the term.
#[test]
fn r5_without_it_an_old_elector_that_wakes_up_ends_the_term() {
    let setup = Setup {
        hosts: vec![
            Profile::new(Profile::FAST, 3200),
            Profile::new(Profile::SLOW, 3200),
        ],
        climate: Climate::Calm,
        ..Setup::pair(&[ElectorStop.on(1), Continue.on(1)], 12)
    };
    protects(Rule::OldElectorKilled, &[UNTOUCHED], setup);
}

/// R6: the elector releases once it has given up; the guardian, stopped for a moment, starts the child after that.
#[test]
fn r6_without_it_a_child_starts_in_a_term_that_was_released() {
    let faults = [Expiry.times(2), GuardianStop.on(0), Continue.on(0)];
    let setup = Setup::pair(&faults, 9);
    protects(Rule::Seal, &[ONE_TREE], setup);
}

/// R7: the report says that the tree is dead when it is being stopped.
#[test]
fn r7_without_it_a_term_is_released_while_its_own_tree_is_being_stopped() {
    let setup = Setup::pair(&[Shutdown.on(1)], 3);
    protects(Rule::ReleaseAfterDeath, &[ONE_TREE], setup);
}

/// R7: a term that gives up within its own wait-out releases instead of leaving `T` held. Who starts then waits for nothing.
#[test]
fn r7_without_it_a_term_is_released_while_the_tree_before_it_is_alive() {
    let faults = [Expiry.times(1), Cut.on(1), Shutdown.on(0), Start.on(0)];
    let setup = Setup::pair(&faults, 4);
    protects(Rule::ReleaseAfterWaitOut, &[ONE_TREE], setup);
}

/// R8: an old `virgin` or `released` is taken for the record at its latest version, and nothing is waited out.
#[test]
fn r8_without_it_a_lagging_server_makes_two_trees() {
    let setup = Setup {
        start: setup::Start::Virgin,
        ..Setup::pair(&[StaleLook.times(1), Expiry.times(1)], 3)
    };
    protects(Rule::FreshLook, &[ONE_TREE], setup);
}

/// R9: the report to the next elector has lost `not_before`, so that it releases within the wait-out. Who starts then
/// waits for nothing.
#[test]
fn r9_without_it_the_next_elector_releases_before_the_wait_out() {
    let faults = [
        Cut.on(1),
        Expiry.times(1),
        ElectorCrash.on(0),
        Shutdown.on(0),
        Start.on(0),
    ];
    let setup = Setup::pair(&faults, 5);
    protects(Rule::GuardianKnows, &[ONE_TREE], setup);
}

/// R10: the host is dark, and its session is never ended by the ensemble.
#[test]
fn r10_without_it_a_session_that_outlives_its_host_leaves_nobody_master_for_ever() {
    let setup = Setup {
        ending: Ending::Rest,
        ..Setup::pair(&[PowerFailure.on(1)], 1)
    };
    protects(Rule::Depose, &[SOMEBODY_RUNS], setup);
}

/// R12: the crash closes the session, and `M` goes. The next elector finds the host cut off, for less than the lease rides
/// out; meanwhile a standby takes the term from a master that is well.
#[test]
fn r12_without_it_a_crash_of_the_elector_restarts_the_child_elsewhere() {
    let setup = Setup {
        hosts: vec![
            Profile::new(Profile::FAST, 3200),
            Profile::new(Profile::SLOW, 3200),
        ],
        climate: Climate::Calm,
        ..Setup::pair(&[ElectorCrash.on(1), Cut.on(1), Heal.on(1)], 5)
    };
    protects(Rule::OpenSession, &[UNTOUCHED], setup);
}
