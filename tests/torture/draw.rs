//! The nemesis draws: which faults, on whom, how long, in which order. All of it follows from the seed, before anything
//! is done.

use crate::kinds::{HostAim, KINDS, Kind, OfGroup, OfHost, OfServer, Range, ServerAim};
use std::time::Duration;
use zk_supervise::core::lease::Timing;

/// What is to be done, and to whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Deed {
    Host(OfHost, HostAim),
    Server(OfServer, ServerAim),
    Group(OfGroup),
}

/// A fault as it was drawn.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plan {
    pub(crate) deed: Deed,
    /// How long it lasts; for what is killed, when it is started again.
    pub(crate) length: Duration,
}

/// One fault, or two at once, and how long all is left alone afterwards.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Slot {
    pub(crate) plans: Vec<Plan>,
    pub(crate) pause: Duration,
}

/// How the network is made, which decides what can be done to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Network {
    /// Each host and server has a namespace of its own, and a cable.
    Namespaces,
    /// All are on the loopback address: clients go through relays, servers reach each other in any case.
    Loopback,
}

/// One in so many faults of a host has one of a server beside it.
const PAIRED: u64 = 4;

impl Plan {
    pub(crate) fn kind(&self) -> Kind {
        match self.deed {
            Deed::Host(kind, _) => Kind::Host(kind),
            Deed::Server(kind, _) => Kind::Server(kind),
            Deed::Group(kind) => Kind::Group(kind),
        }
    }
}

/// A sequence of numbers that follows from its seed (splitmix64).
struct Die(u64);

impl Die {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn index(&mut self, count: usize) -> usize {
        let sides = u64::try_from(count).expect("a few");
        usize::try_from(self.roll(sides)).expect("a few")
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    fn span(&mut self, (least, most): Range) -> Duration {
        let sides = u64::try_from((most - least).as_millis()).expect("seconds") + 1;
        least + Duration::from_millis(self.roll(sides))
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

/// Draws so many bags of these kinds.
pub(crate) fn draw(seed: u64, bags: usize, kinds: &[Kind], timing: &Timing) -> Vec<Slot> {
    let mut die = Die(seed);
    (0..bags)
        .flat_map(|_| bag(&mut die, kinds.to_vec(), timing))
        .collect()
}

/// Every kind that can be done, and has one of these in its name, where there are any.
pub(crate) fn drawn(network: Network, only: &[String]) -> Vec<Kind> {
    let is_wanted =
        |kind: &Kind| only.is_empty() || only.iter().any(|it| kind.words().contains(it.as_str()));
    let is_possible = move |kind: &Kind| {
        !matches!(kind, Kind::Server(OfServer::CutFromPeers(_))) || network == Network::Namespaces
    };
    let kinds = KINDS.into_iter().filter(is_wanted);
    kinds.filter(is_possible).collect()
}

/// Every kind once, in any order; a fault of a host may have one of a server beside it.
fn bag(die: &mut Die, mut kinds: Vec<Kind>, timing: &Timing) -> Vec<Slot> {
    die.shuffle(&mut kinds);
    let mut slots = Vec::new();
    while let Some(kind) = kinds.pop() {
        let mut plans = vec![plan(die, kind, timing)];
        let is_pair = matches!(kind, Kind::Host(_)) && die.roll(PAIRED) == 0;
        let beside = kinds.iter().position(|it| matches!(it, Kind::Server(_)));
        if let Some(at) = beside.filter(|_| is_pair) {
            // The server's first: that it follows a renewal can be seen while nothing else is done.
            plans.insert(0, plan(die, kinds.swap_remove(at), timing));
        }
        let pause = die.span((Duration::from_millis(100), Duration::from_millis(800)));
        slots.push(Slot { plans, pause });
    }
    slots
}

fn plan(die: &mut Die, kind: Kind, timing: &Timing) -> Plan {
    let deed = match kind {
        Kind::Host(kind) => Deed::Host(kind, die.pick(kind.aims())),
        Kind::Server(kind) => Deed::Server(kind, die.pick(kind.aims())),
        Kind::Group(kind) => Deed::Group(kind),
    };
    let range = die.pick(&kind.lengths(timing));
    Plan {
        deed,
        length: die.span(range),
    }
}
