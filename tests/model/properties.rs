//! What must always hold, what must be possible, and the search for the contrary.

use crate::faults::Move;
use crate::setup::{Climate, Setup};
use crate::world::{Breach, Milestone, Phase, World};
use stateright::{Checker, HasDiscoveries, Model, Path, Property};
use std::collections::HashMap;

/// P1
pub(crate) const ONE_TREE: &str = "at most one tree is alive";
/// I5
pub(crate) const TOKENS_GROW: &str = "fencing tokens grow";
/// I0, I4
pub(crate) const RELEASED_MEANS_DEAD: &str = "released means that no tree is alive";
/// I3 as the model knows it: P1, had the old tree lived as long as it may.
pub(crate) const LEASES_APART: &str = "no child starts within an earlier lease";
/// P3
pub(crate) const SOMEBODY_RUNS: &str = "somebody's child runs after a quiet time";
/// P2
pub(crate) const UNTOUCHED: &str = "a short disturbance does not touch the child";

pub(crate) const TAKEOVER: &str = "a takeover";
pub(crate) const TWO_TAKEOVERS: &str = "two takeovers";
pub(crate) const RESUME: &str = "a resume";
pub(crate) const WAIT_OUT: &str = "a wait-out";
pub(crate) const STOP_BY_LEASE: &str = "a stop by lease";
pub(crate) const RELEASE: &str = "a release";
pub(crate) const DEPOSE: &str = "a depose";
pub(crate) const RESTED: &str = "a quiet time";

impl Model for Setup {
    type State = World;
    type Action = Move;

    fn init_states(&self) -> Vec<World> {
        vec![self.first()]
    }

    fn actions(&self, world: &World, moves: &mut Vec<Move>) {
        self.moves(world, moves);
    }

    fn next_state(&self, world: &World, what: Move) -> Option<World> {
        Some(self.make(world, what))
    }

    fn properties(&self) -> Vec<Property<Setup>> {
        vec![
            Property::always(ONE_TREE, |_, it: &World| {
                it.trees() <= 1 && it.broken != Some(Breach::TwoTrees)
            }),
            Property::always(TOKENS_GROW, |_, it: &World| {
                it.broken != Some(Breach::TokenDoesNotGrow)
            }),
            Property::always(RELEASED_MEANS_DEAD, |_, it: &World| {
                it.broken != Some(Breach::ReleasedWhileATreeIsAlive)
            }),
            Property::always(LEASES_APART, |_, it: &World| {
                it.broken != Some(Breach::StartedWithinAnEarlierLease)
            }),
            Property::always(SOMEBODY_RUNS, |_, it: &World| {
                it.phase == Phase::Hostile || it.trees() == 1
            }),
            Property::always(UNTOUCHED, |setup, it: &World| {
                setup.climate == Climate::Hostile || !it.just.contains(&Milestone::Touched)
            }),
            Property::sometimes(TAKEOVER, |_, it: &World| it.terms >= 2),
            Property::sometimes(TWO_TAKEOVERS, |_, it: &World| it.terms >= 3),
            Property::sometimes(RESUME, |_, it: &World| {
                it.just.contains(&Milestone::Resumed)
            }),
            Property::sometimes(WAIT_OUT, |_, it: &World| {
                it.just.contains(&Milestone::WaitedOut)
            }),
            Property::sometimes(STOP_BY_LEASE, |_, it: &World| {
                it.just.contains(&Milestone::StoppedByLease)
            }),
            Property::sometimes(RELEASE, |_, it: &World| {
                it.just.contains(&Milestone::Released)
            }),
            Property::sometimes(DEPOSE, |_, it: &World| {
                it.just.contains(&Milestone::Deposed)
            }),
            Property::sometimes(RESTED, |_, it: &World| it.phase == Phase::Rested),
        ]
    }
}

/// What an exploration has found.
pub(crate) struct Findings {
    name: &'static str,
    found: HashMap<&'static str, Path<World, Move>>,
}

impl Findings {
    /// Explores all of `setup`, or as much as it takes to find something that must not be.
    pub(crate) fn of(name: &'static str, setup: &Setup) -> Findings {
        let checker = setup
            .clone()
            .checker()
            .threads(2)
            .finish_when(HasDiscoveries::AnyFailures)
            .spawn_bfs()
            .join();
        let found = checker.discoveries();
        let without = setup
            .without
            .map_or(String::new(), |(rule, _)| format!(" without {rule:?}"));
        let (states, depth) = (checker.unique_state_count(), checker.max_depth());
        show(&format!(
            "{name}{without}: {states} states, {depth} moves deep"
        ));
        Findings { name, found }
    }

    fn broken(&self) -> Option<(&'static str, &Path<World, Move>)> {
        let always = [
            ONE_TREE,
            TOKENS_GROW,
            RELEASED_MEANS_DEAD,
            LEASES_APART,
            SOMEBODY_RUNS,
            UNTOUCHED,
        ];
        let name = always
            .into_iter()
            .find(|name| self.found.contains_key(name))?;
        Some((name, &self.found[name]))
    }

    /// Nothing was broken, and the setup was not too tame to show it: `sights` were seen.
    pub(crate) fn keep_the_promise_and_show(&self, sights: &[&str]) {
        if let Some((name, path)) = self.broken() {
            let moves = path.clone().into_actions();
            panic!(
                "{}: {name}: not after {moves:?}\n{:#?}",
                self.name,
                path.last_state()
            );
        }
        for sight in sights {
            assert!(
                self.found.contains_key(sight),
                "{}: never {sight}",
                self.name
            );
        }
    }

    /// This was broken, and nothing before it.
    pub(crate) fn notice(&self, property: &str) {
        assert!(
            self.found.contains_key(property),
            "{}: {:?}",
            self.name,
            self.broken()
        );
    }

    /// One of these was broken, and nothing else before.
    pub(crate) fn break_one_of(&self, properties: &[&str]) {
        let (name, path) = self.broken().expect("without the rule something breaks");
        show(&format!(
            "  {name}: not after {:?}",
            path.clone().into_actions()
        ));
        assert!(properties.contains(&name), "{}: {name}", self.name);
    }
}

#[expect(
    clippy::print_stdout,
    reason = "how much was explored is shown with `--nocapture`"
)]
fn show(line: &str) {
    println!("{line}");
}
