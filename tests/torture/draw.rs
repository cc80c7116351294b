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

/// How many faults of a standby there are beside those of a bag.
const OF_STANDBY: usize = 2;

impl Deed {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Deed::Host(kind, _) => Kind::Host(kind),
            Deed::Server(kind, _) => Kind::Server(kind),
            Deed::Group(kind) => Kind::Group(kind),
        }
    }
}

impl Plan {
    pub(crate) fn kind(&self) -> Kind {
        self.deed.kind()
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
        .flat_map(|_| bag(&mut die, kinds, timing))
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

/// Every kind once, to the master if to a host, and some to standbys, in any order; a fault of a host may have one of a
/// server beside it.
fn bag(die: &mut Die, kinds: &[Kind], timing: &Timing) -> Vec<Slot> {
    let mut deeds: Vec<Deed> = kinds.iter().map(|&kind| deed(die, kind)).collect();
    deeds.extend(of_standby(die, kinds));
    die.shuffle(&mut deeds);
    let mut slots = Vec::new();
    while let Some(deed) = deeds.pop() {
        let mut plans = vec![plan(die, deed, timing)];
        let is_pair = matches!(deed, Deed::Host(..)) && die.roll(PAIRED) == 0;
        let beside = deeds.iter().position(|it| matches!(it, Deed::Server(..)));
        if let Some(at) = beside.filter(|_| is_pair) {
            // The server's first: that it follows a renewal can be seen while nothing else is done.
            plans.insert(0, plan(die, deeds.swap_remove(at), timing));
        }
        let pause = die.span((Duration::from_millis(100), Duration::from_millis(800)));
        slots.push(Slot { plans, pause });
    }
    slots
}

fn deed(die: &mut Die, kind: Kind) -> Deed {
    match kind {
        Kind::Host(kind) => Deed::Host(kind, HostAim::Master),
        Kind::Server(kind) => Deed::Server(kind, die.pick(kind.aims())),
        Kind::Group(kind) => Deed::Group(kind),
    }
}

/// Some of these kinds, done to a standby.
fn of_standby(die: &mut Die, kinds: &[Kind]) -> Vec<Deed> {
    let suits = |kind: &Kind| match kind {
        Kind::Host(kind) => kind.suits_standby().then_some(*kind),
        Kind::Server(_) | Kind::Group(_) => None,
    };
    let kinds: Vec<OfHost> = kinds.iter().filter_map(suits).collect();
    let count = OF_STANDBY.min(kinds.len());
    let mut one = || Deed::Host(die.pick(&kinds), HostAim::Standby(die.index(2)));
    (0..count).map(|_| one()).collect()
}

fn plan(die: &mut Die, deed: Deed, timing: &Timing) -> Plan {
    let range = die.pick(&deed.kind().lengths(timing));
    let length = die.span(range);
    Plan { deed, length }
}
