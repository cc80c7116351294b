//! Everything at once, by a seeded die: whatever happens, no two children run at one moment, and in the end one does.

use crate::measure::{ELECTED_WITHIN, all, links, wait_whole};
use crate::support::{
    Config, Ensemble, Group, Link, Supervisor, Way, Who, expire, holds_for, millis, secs, tell,
    wait_until,
};
use nix::sys::signal::{Signal, kill};
use std::time::Duration;

/// What is done to a host, a server or the znodes; one at a time, so that none makes another pointless.
#[derive(Clone, Copy, Debug)]
enum Fault {
    LinksRefuse,
    LinksHold,
    LinksReset,
    LinksDelay,
    OneLinkHolds,
    ProcessKilled,
    ProcessStopped,
    AskedToStop,
    ServerDark,
    ServerRestarted,
    LeaderDark,
    MasterDeleted,
    SessionEnded,
}

const FAULTS: [Fault; 13] = [
    Fault::LinksRefuse,
    Fault::LinksHold,
    Fault::LinksReset,
    Fault::LinksDelay,
    Fault::OneLinkHolds,
    Fault::ProcessKilled,
    Fault::ProcessStopped,
    Fault::AskedToStop,
    Fault::ServerDark,
    Fault::ServerRestarted,
    Fault::LeaderDark,
    Fault::MasterDeleted,
    Fault::SessionEnded,
];

/// How many faults a run has: about half a minute.
const STEPS: u32 = 10;

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

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let sides = u64::try_from(items.len()).expect("a few");
        &items[usize::try_from(self.roll(sides)).expect("a few")]
    }

    fn span(&mut self, most: u64) -> Duration {
        millis(self.roll(most))
    }
}

/// A candidate with links of its own, started again when it has ended.
struct Host {
    config: Config,
    links: Vec<Link>,
    supervisor: Option<Supervisor>,
}

impl Host {
    fn new(group: &Group, ensemble: &Ensemble, name: &str, options: &[&str]) -> Host {
        let links = links(ensemble);
        let config = group.config(name).exec(&group.witness(options));
        Host {
            config: config.through(&links),
            links,
            supervisor: None,
        }
    }

    fn ensure_running(&mut self) {
        if !self.supervisor.as_ref().is_some_and(Supervisor::is_running) {
            // The old one first: it takes along whatever was started from its directory.
            drop(self.supervisor.take());
            self.supervisor = Some(self.config.start());
        }
    }

    fn signal(&self, who: Who, signal: Signal) {
        let supervisor = self.supervisor.as_ref();
        let pid = supervisor.and_then(|it| match who {
            Who::Guardian => Some(it.guardian()),
            Who::Elector => it.elector(),
            Who::Child => it.child(),
        });
        if let Some(pid) = pid {
            // It may have ended meanwhile.
            kill(pid, signal).ok();
        }
    }
}

struct World {
    ensemble: Ensemble,
    group: Group,
    hosts: Vec<Host>,
    die: Die,
}

impl World {
    fn new(seed: u64) -> World {
        let ensemble = Ensemble::quick();
        let group = Group::hasty(&ensemble);
        let hosts = [
            ("a", &[][..]),
            ("b", &["--ignore-term", "--children", "1"]),
            ("c", &["--daemon", "--stop-after", "200"]),
        ]
        .map(|(name, options)| Host::new(&group, &ensemble, name, options))
        .into();
        World {
            ensemble,
            group,
            hosts,
            die: Die(seed),
        }
    }

    /// The promise holds for a while.
    #[track_caller]
    fn watch(&self, span: Duration) {
        holds_for("the promise holds", span, || {
            let overlaps = self.group.record().overlaps();
            overlaps.is_empty() || panic!("{overlaps:#?}")
        });
    }

    /// One fault, and its end.
    #[track_caller]
    fn step(&mut self) {
        for host in &mut self.hosts {
            host.ensure_running();
        }
        let fault = *self.die.pick(&FAULTS);
        let who = *self.die.pick(&[Who::Guardian, Who::Elector, Who::Child]);
        let way = *self.die.pick(&[Way::ToServer, Way::ToClient, Way::Both]);
        let index = *self.die.pick(&[0, 1, 2]);
        let span = self.die.span(4000);
        tell(&format!("{fault:?} {index} {who:?} {way:?} for {span:?}"));
        self.harm(fault, index, who, way);
        self.watch(span);
        self.heal(index);
        let calm = self.die.span(2500);
        self.watch(calm);
    }

    #[track_caller]
    fn harm(&self, fault: Fault, index: usize, who: Who, way: Way) {
        let (host, server) = (&self.hosts[index], &self.ensemble.servers()[index]);
        match fault {
            Fault::LinksRefuse => all(&host.links, Link::refuse),
            Fault::LinksHold => all(&host.links, |link| link.hold(way)),
            Fault::LinksReset => all(&host.links, Link::reset),
            Fault::LinksDelay => all(&host.links, |link| link.delay(millis(200))),
            Fault::OneLinkHolds => host.links[index].hold(way),
            Fault::ProcessKilled => host.signal(who, Signal::SIGKILL),
            Fault::ProcessStopped => host.signal(who, Signal::SIGSTOP),
            Fault::AskedToStop => host.signal(Who::Guardian, Signal::SIGTERM),
            Fault::ServerDark => server.freeze(),
            Fault::ServerRestarted => server.restart(),
            Fault::LeaderDark => self.ensemble.leader().freeze(),
            Fault::MasterDeleted => drop(self.group.znodes().delete(&self.group.master())),
            Fault::SessionEnded => self.expire(),
        }
    }

    fn heal(&self, index: usize) {
        all(&self.hosts[index].links, Link::heal);
        for who in [Who::Guardian, Who::Elector, Who::Child] {
            self.hosts[index].signal(who, Signal::SIGCONT);
        }
        for server in self.ensemble.servers() {
            server.thaw();
        }
    }

    fn expire(&self) {
        if let Some(master) = self.group.znodes().read(&self.group.master()) {
            let owner = master.stat.ephemeral_owner;
            // The owner may just have left it.
            expire(&self.ensemble.servers()[0], owner).ok();
        }
    }
}

#[track_caller]
fn rage(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    wait_whole(&world.ensemble);
    wait_until("all are listed, and one runs", ELECTED_WITHIN, || {
        // One that was told to stop may still be about to exit.
        for host in &mut world.hosts {
            host.ensure_running();
        }
        world.group.candidates().len() == 3 && world.group.record().current().is_some()
    });
    world.watch(secs(1));
    tell(&format!(
        "{} children ran",
        world.group.record().starts().len()
    ));
}

#[test]
fn whatever_happens_no_two_children_run_at_once_and_in_the_end_one_does() {
    rage(1);
}
