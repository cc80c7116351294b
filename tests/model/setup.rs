//! What is explored: the hosts, their clocks and durations, how often each fault may happen, and for how long.

use crate::faults::{Fault, Kind};
use crate::rules::Rule;
use crate::world::World;
use std::time::Duration;
use zk_supervise::core::lease::{EPSILON, RateBound, Timing};
use zk_supervise::core::time::Time;

/// True nanoseconds of a tick: less than half of the shortest patience, on the fastest clock too, so that guardian and
/// elector notice each other's silence.
pub(crate) const TICK: u64 = 400_000_000;

/// Later than every duration after boot: `Time` saturates there.
const BOOT: u64 = 1_000_000_000_000;

/// How many writes a server may lag behind.
const LAG: usize = 3;

/// How long nothing goes wrong before somebody's child must run: twice a wait-out and the pause of a restart.
const REST: u64 = 30;

#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) hosts: Vec<Profile>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) start: Start,
    /// In ticks, from the start that is given.
    pub(crate) horizon: u64,
    pub(crate) ending: Ending,
    pub(crate) climate: Climate,
    pub(crate) without: Option<(Rule, Search)>,
}

/// What ends the search for what a switched-off rule leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Search {
    /// Whatever is broken first.
    First,
    /// What comes of it in the end: a record that says too much, or a start that is too early, is not it.
    Last,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// How fast its clock runs: 1000 is right.
    pub(crate) permille: u64,
    pub(crate) timing: Timing,
}

/// Where the exploration begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    /// No znode is there, and every host starts at once.
    Virgin,
    /// This host is master, and the others stand by.
    Master(usize),
}

/// What happens at the horizon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ending {
    Nothing,
    /// Nothing goes wrong any more: somebody's child must run after a while.
    Rest,
}

/// Whether the child may be touched.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Climate {
    Hostile,
    /// Only short disturbances, one at a time: it runs on (P2).
    Calm,
}

impl Profile {
    /// A clock as slow, or as fast, as the bound on its rate allows.
    pub(crate) const SLOW: u64 = 900;
    pub(crate) const FAST: u64 = 1100;

    pub(crate) fn new(permille: u64, lease: u64) -> Profile {
        let millis = Duration::from_millis;
        let timing = Timing {
            session_timeout: millis(60_000),
            connect_timeout: millis(400),
            lease: millis(lease),
            renew_interval: millis(300),
            poll_interval: millis(300),
            grace_period: millis(400),
            // A guardian wakes up to a tick late.
            kill_margin: millis(450),
            clock_rate_bound: RateBound::LARGEST,
        };
        assert_eq!(timing.misfits(), [], "the durations fit together");
        Profile { permille, timing }
    }
}

impl Setup {
    /// Two hosts: the master's clock is as slow, the standby's as fast as may be.
    pub(crate) fn pair(faults: &[Fault], horizon: u64) -> Setup {
        Setup {
            hosts: vec![
                Profile::new(Profile::FAST, LEASE),
                Profile::new(Profile::SLOW, LEASE),
            ],
            faults: faults.to_vec(),
            start: Start::Master(1),
            horizon,
            ending: Ending::Nothing,
            climate: Climate::Hostile,
            without: None,
        }
    }

    /// And a third host, whose clock is right.
    pub(crate) fn three(faults: &[Fault], horizon: u64) -> Setup {
        let mut setup = Setup::pair(faults, horizon);
        setup.hosts.push(Profile::new(1000, LEASE));
        setup
    }

    pub(crate) fn without(self, rule: Rule, search: Search) -> Setup {
        Setup {
            without: Some((rule, search)),
            ..self
        }
    }

    pub(crate) fn is_without(&self, rule: Rule) -> bool {
        self.without.is_some_and(|(it, _)| it == rule)
    }

    /// Whether the search goes on where I0 or I3 is broken.
    pub(crate) fn looks_further(&self) -> bool {
        matches!(self.without, Some((_, Search::Last)))
    }

    pub(crate) fn lag(&self) -> usize {
        let is_stale = |fault: &Fault| fault.kind == Kind::StaleLook;
        if self.faults.iter().any(is_stale) {
            LAG
        } else {
            0
        }
    }

    /// What a host's clock shows.
    pub(crate) fn local(&self, host: usize, now: u64) -> Time {
        Time::from_nanos(BOOT + now * TICK / 1000 * self.hosts[host].permille)
    }

    /// The true time at which a lease that was asked for at `sent` ends.
    pub(crate) fn lease_end(&self, host: usize, sent: u64, lease: Duration) -> u64 {
        let profile = self.hosts[host];
        let length = lease.min(profile.timing.lease) - EPSILON;
        let length = u64::try_from(length.as_nanos()).expect("a lease is short");
        sent * TICK + length * 1000 / profile.permille
    }

    /// Where the exploration begins.
    pub(crate) fn first(&self) -> World {
        let mut world = World::new(self);
        match self.start {
            Start::Virgin => (0..self.hosts.len()).for_each(|host| world.start(self, host)),
            Start::Master(master) => {
                world.start(self, master);
                world.rest(self, 1);
                let others = (0..self.hosts.len()).filter(|&host| host != master);
                others.for_each(|host| world.start(self, host));
                world.rest(self, 2);
                assert!(
                    world.hosts[master].tree.is_some(),
                    "the master's child runs"
                );
            }
        }
        world.settle(self);
        world.just.clear();
        world
    }

    pub(crate) fn rest_of(&self, world: &World) -> World {
        let mut world = world.clone();
        world.rest(self, REST);
        world.phase = crate::world::Phase::Rested;
        world
    }
}

/// Six ticks: room for renewals, a replaced elector, a grace period and a kill margin, and little more.
pub(crate) const LEASE: u64 = 2400;
