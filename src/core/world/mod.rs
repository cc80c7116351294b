//! A hostile world, in which the very code of [`Supervisor`] and [`Guard`] must keep the promise.
//!
//! It is a discrete-event simulation: two or three hosts with unequal clocks, a model ensemble, messages that are late
//! or lost, processes that crash, hang and pause. All of it follows from one seed. P1 and I0 are checked at every
//! instant, P3 in the end, and P2 in the worlds whose disturbances are short.
//!
//! `ZK_SUPERVISE_WORLD_SEEDS=100000` runs more worlds; `ZK_SUPERVISE_WORLD_SEED=17` runs one and shows how it ends.
//!
//! [`Supervisor`]: super::supervisor::Supervisor
//! [`Guard`]: super::guard::Guard

mod checks;
mod electors;
mod ensemble;
mod faults;
mod guardians;
mod network;

mod random;

use super::election::TermId;
use super::facts::{Command, Event};
use super::guard::{ChildExit, Fact, Guard, Order, Report};
use super::lease::{Timing, Wish};
use super::supervisor::Supervisor;
use super::time::Time;
use checks::Checks;
use ensemble::Ensemble;
use network::{Connection, Request};
use random::{Random, millis, nanos};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

const NEVER: u64 = u64::MAX;

/// Which promises a world is judged by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Climate {
    /// Everything may happen: P1, I0, P3.
    Hostile,
    /// Only short disturbances, one at a time: P2 too.
    Calm,
    /// As hostile, and somebody deletes `T`: P3 only.
    Lawless,
}

/// A process: a guardian or an elector, never the same twice.
type Pid = u64;

/// What happens next.
#[derive(Clone, Debug)]
enum What {
    Guardian(Pid, ToGuardian),
    GuardianDies(Pid),
    Elector(Pid, ToElector),
    ElectorSweeps(Pid),
    ElectorDies(Pid),
    Arrives(Request),
    Opens(Pid, u32),
    Breaks(Pid, u32),
    Reconnects(Pid, u32),
    Closes(Pid, u32),
    Pings(Pid, u32),
    Expires(i64),
    MainEnds(u64),
    TreeEnds(u64),
    HostStarts(usize),
    GuardianStops(usize),
    Fault,
    FaultsEnd,
}

/// What reaches a guardian, at the end of its pause.
#[derive(Clone, Copy, Debug)]
enum ToGuardian {
    Wakes(u64),
    Hears,
    Learns(Fact),
    Surveys,
}

/// What reaches an elector, at the end of its pause.
#[derive(Clone, Copy, Debug)]
enum ToElector {
    Wakes(u64),
    Hears,
    Learns(Event),
    /// The answer to a request, by its number.
    Replies(u32, u64, Event),
}

struct Clock {
    offset: u64,
    ppm: i64,
}

impl Clock {
    fn local(&self, now: u64) -> Time {
        let rate = u128::try_from(1_000_000 + self.ppm).unwrap();
        let run = u128::from(now) * rate / 1_000_000;
        Time::from_nanos(self.offset + u64::try_from(run).unwrap())
    }

    /// The first true time at which the clock shows `time`.
    fn true_time(&self, time: Time) -> u64 {
        let rate = u128::try_from(1_000_000 + self.ppm).unwrap();
        let run = u128::from(time.as_nanos().saturating_sub(self.offset));
        u64::try_from((run * 1_000_000).div_ceil(rate)).unwrap_or(NEVER)
    }
}

struct Host {
    clock: Clock,
    timing: Timing,
    guardian: Option<Guardian>,
    elector: Option<Elector>,
    tree: Option<Tree>,
    /// How the last child ended.
    exit: ChildExit,
    command: Command,
    cut_until: u64,
}

struct Guardian {
    pid: Pid,
    guard: Guard,
    paused_until: u64,
    wakes: u64,
    inbox: VecDeque<Order>,
    pace: Pace,
}

struct Elector {
    pid: Pid,
    supervisor: Supervisor,
    paused_until: u64,
    /// Whether the library goes on pinging while the elector hangs.
    pings_in_its_sleep: bool,
    wakes: u64,
    inbox: VecDeque<Report>,
    connections: BTreeMap<u32, Connection>,
    told_until: u64,
    pace: Pace,
}

/// How often a process stepped in the millisecond, and asked something of the ensemble in the second.
#[derive(Default)]
struct Pace {
    milli: u64,
    steps: u32,
    second: u64,
    requests: u32,
}

struct Tree {
    number: u64,
    term: TermId,
    has_main: bool,
    ignores_stop: bool,
    survives_kills: u32,
}

/// How bad this world is; each seed has its own mixture.
struct Weather {
    lost_requests: u64,
    lost_replies: u64,
    slow: u64,
    longest_delay: u64,
    lag: usize,
    odd_timeouts: u64,
    immortal_sessions: u64,
    mortal_children: u64,
    kinds: Vec<faults::Kind>,
    longest_pause: u64,
}

struct World {
    climate: Climate,
    random: Random,
    now: u64,
    queue: BTreeMap<(u64, u64), What>,
    queued: u64,
    pids: u64,
    hosts: Vec<Host>,
    ensemble: Ensemble,
    down_until: u64,
    weather: Weather,
    faults_end: u64,
    checks: Checks,
}

impl World {
    fn new(seed: u64, climate: Climate, is_traced: bool) -> World {
        let mut random = Random::new(seed);
        let session = random.pick(&[6, 6, 10, 30]);
        let count = 2 + random.below(2);
        let hosts = (0..count)
            .map(|_| new_host(&mut random, climate, session))
            .collect();
        let weather = faults::weather(&mut random, climate, session);
        let faults_end = session * 1_000_000_000 * (4 + random.below(12));
        let mut world = World {
            climate,
            now: 0,
            queue: BTreeMap::new(),
            queued: 0,
            pids: 0,
            hosts,
            ensemble: Ensemble::new(random.percent(50)),
            down_until: 0,
            weather,
            faults_end,
            checks: Checks::new(is_traced),
            random,
        };
        for host in 0..world.hosts.len() {
            let delay = world.random.skewed(millis(5000));
            world.after(delay, What::HostStarts(host));
        }
        world.plan_faults();
        world
    }

    fn at(&mut self, time: u64, what: What) {
        self.queued += 1;
        self.queue.insert((time.max(self.now), self.queued), what);
    }

    fn after(&mut self, delay: u64, what: What) {
        self.at(self.now + delay, what);
    }

    /// Runs to the end; the reason if a promise was broken.
    fn run(&mut self) -> Result<(), String> {
        let end = self.faults_end + self.longest_recovery();
        let stable = end + 3 * self.longest_session();
        while self.now < stable {
            let Some(((time, _), what)) = self.queue.pop_first() else {
                return Err("nothing happens any more".into());
            };
            if self.now < end && time >= end {
                self.checks.judge_liveness(&self.hosts)?;
            }
            self.now = time;
            self.happen(what);
            self.judge_moment();
            self.checks.verdict()?;
        }
        self.checks.judge_liveness(&self.hosts)
    }

    /// After the last fault: sessions end, a wait-out or two, and the longest pause before a child is started again.
    fn longest_recovery(&self) -> u64 {
        4 * self.longest_session() + millis(75_000)
    }

    fn longest_session(&self) -> u64 {
        let longest = self.hosts.iter().map(|host| host.timing.session_timeout);
        nanos(longest.max().unwrap())
    }

    fn happen(&mut self, what: What) {
        match what {
            What::Guardian(pid, what) => self.reach_guardian(pid, what),
            What::Elector(pid, what) => self.reach_elector(pid, what),
            What::GuardianDies(pid) => self.guardian_dies(pid),
            What::ElectorSweeps(pid) => self.elector_sweeps(pid),
            What::ElectorDies(pid) => self.elector_ends(pid, super::guard::ElectorExit::Failed),
            What::Arrives(request) => self.arrives(request),
            What::Opens(pid, session) => self.opens(pid, session),
            What::Breaks(pid, session) => self.breaks(pid, session),
            What::Reconnects(pid, session) => self.reconnects(pid, session),
            What::Closes(pid, session) => self.closes(pid, session),
            What::Pings(pid, session) => self.pings(pid, session),
            What::Expires(id) => self.expires(id),
            What::MainEnds(tree) => self.main_ends(tree),
            What::TreeEnds(tree) => self.tree_ends(tree),
            What::HostStarts(host) => self.host_starts(host),
            What::GuardianStops(host) => self.guardian_stops(host),
            What::Fault => self.fault(),
            What::FaultsEnd => self.end_faults(),
        }
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        self.checks.note(self.now, text);
    }
}

fn new_host(random: &mut Random, climate: Climate, session: u64) -> Host {
    let factor = match climate {
        Climate::Hostile | Climate::Lawless if random.percent(20) => 2,
        Climate::Hostile | Climate::Lawless | Climate::Calm => 1,
    };
    let wish = Wish {
        session_timeout: Some(Duration::from_secs(session * factor)),
        ..Wish::default()
    };
    Host {
        clock: new_clock(random),
        timing: wish.timing(),
        guardian: None,
        elector: None,
        tree: None,
        exit: ChildExit::Code(0),
        command: Command::Runnable,
        cut_until: 0,
    }
}

fn new_clock(random: &mut Random) -> Clock {
    let within = i64::try_from(random.below(20_001)).unwrap() - 10_000;
    Clock {
        offset: millis(1000 + random.below(1_000_000)),
        ppm: random.pick(&[-10_000, 10_000, 0, within]),
    }
}

/// Runs one world twice if it fails: the second time with a trace.
fn outcome(seed: u64, climate: Climate) -> Result<(), String> {
    let run = |is_traced| {
        let mut world = World::new(seed, climate, is_traced);
        let result = catch_unwind(AssertUnwindSafe(|| world.run()))
            .unwrap_or_else(|_| Err("the core panicked".into()));
        (result, world.checks.trace())
    };
    let (Err(reason), _) = run(false) else {
        return Ok(());
    };
    let (_, trace) = run(true);
    Err(format!(
        "{reason}\n{trace}\nreplay: ZK_SUPERVISE_WORLD_SEED={seed} cargo test world:: # {climate:?}"
    ))
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn survive(climate: Climate, worlds: u64) {
    let seeds = match number("ZK_SUPERVISE_WORLD_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let from = number("ZK_SUPERVISE_WORLD_FROM").unwrap_or(0);
            from..from + number("ZK_SUPERVISE_WORLD_SEEDS").unwrap_or(worlds)
        }
    };
    let most = number("ZK_SUPERVISE_WORLD_FAILURES").unwrap_or(1);
    let mut failures = Vec::new();
    for seed in seeds {
        if let Err(failure) = outcome(seed, climate) {
            failures.push((seed, failure));
        }
        if u64::try_from(failures.len()).unwrap() >= most {
            break;
        }
    }
    if let Some((_, first)) = failures.first() {
        let all: Vec<_> = failures
            .iter()
            .map(|(seed, text)| (seed, text.lines().next().unwrap_or_default()))
            .collect();
        panic!("{first}\n{all:#?}");
    }
}

#[test]
fn no_hostile_world_makes_two_children_run_or_none_for_ever() {
    survive(Climate::Hostile, 400);
}

#[test]
fn no_short_disturbance_touches_the_child() {
    survive(Climate::Calm, 200);
}

#[test]
fn a_deleted_record_blocks_nobody_for_ever() {
    survive(Climate::Lawless, 100);
}
