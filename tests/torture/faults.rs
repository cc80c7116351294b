//! Doing each fault, and undoing it.

use crate::bounds::{Expectation, Role, expect};
use crate::draw::{Deed, Plan};
use crate::field::{COUNT, Field};
use crate::host::signal_all;
use crate::kinds::{HostAim, Lost, OfGroup, OfHost, OfServer, ServerAim};
use crate::story::Life;
use crate::support::process::Process;
use crate::support::time::{secs, try_for, wait_until};
use crate::support::{Link, Way, Who, expire};
use crate::tail::Tail;
use crate::wires::End;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::process::Command;
use std::time::Duration;
use zk_supervise::core::lease::Timing;

/// How many busy loops starve each processor of this machine, each nine times as heavy as any other process where that is
/// permitted.
const LOOPS_A_PROCESSOR: usize = 8;

/// What was done, and what is left to be undone.
pub(crate) struct Harm {
    /// The host or server it was done to.
    pub(crate) on: Vec<String>,
    pub(crate) place: Place,
    pub(crate) wound: Wound,
}

/// Where it was done.
pub(crate) struct Place {
    /// What the server is that it was done to.
    role: Option<Role>,
    /// The lives of the term that it was done in.
    term: Vec<Life>,
}

impl Place {
    /// What a fault may do here that lasted for `length`: a busy machine may undo it later than was planned.
    pub(crate) fn expectation(
        &self,
        plan: &Plan,
        length: Duration,
        timing: &Timing,
    ) -> Expectation {
        let as_done = Plan {
            length,
            ..plan.clone()
        };
        expect(&as_done, self.role, &self.term, timing)
    }
}

pub(crate) enum Wound {
    /// Nothing is to be undone: a supervisor that ended is started again by who waits for all to be well.
    Healing,
    Stopped(Vec<Pid>),
    ServerDown(usize),
    ServersFrozen(Vec<usize>),
    /// These packets are lost.
    Cut(Vec<(End, End)>),
    /// The relays of a host hold or delay.
    LinksOf(usize),
    /// All relays to a server hold.
    LinksTo(usize),
    /// All relays to a server are slow.
    SlowLinksTo(usize),
    Busy(Vec<Process>),
}

impl Field {
    /// Does a fault; nothing, if there is nothing to do it to.
    pub(crate) fn harm(&mut self, plan: &Plan) -> Option<Harm> {
        let term = self.lives_of_term();
        let (on, role, wound) = match plan.deed {
            Deed::Host(kind, aim) => {
                let host = self.aimed_host(aim);
                let on = vec![self.hosts[host].name.clone()];
                (on, None, self.harm_host(kind, host)?)
            }
            Deed::Server(kind, aim) => {
                let server = self.aimed_server(aim);
                let role = self.role(server);
                (
                    vec![name(server)],
                    Some(role),
                    self.harm_server(kind, server)?,
                )
            }
            Deed::Group(kind) => (Vec::new(), None, self.harm_group(kind)?),
        };
        Some(Harm {
            on,
            place: Place { role, term },
            wound,
        })
    }

    /// Undoes it.
    pub(crate) fn heal(&mut self, wound: Wound) {
        match wound {
            Wound::Healing => {}
            Wound::Stopped(pids) => signal_all(&pids, Signal::SIGCONT),
            Wound::ServerDown(server) => self.ensemble.servers()[server].start(),
            Wound::ServersFrozen(servers) => {
                for server in servers {
                    self.ensemble.servers()[server].thaw();
                }
            }
            Wound::Cut(ways) => {
                let wires = self.wires.as_ref().expect("they were cut");
                ways.iter().for_each(|&(from, to)| wires.mend(from, to));
            }
            Wound::LinksOf(host) => self.hosts[host].links.iter().for_each(Link::heal),
            Wound::LinksTo(server) => self.links_to(server).for_each(Link::heal),
            Wound::SlowLinksTo(server) => {
                let links = self.links_to(server);
                links.for_each(|link| link.delay(Duration::ZERO));
            }
            Wound::Busy(loops) => drop(loops),
        }
    }

    fn harm_host(&mut self, kind: OfHost, at: usize) -> Option<Wound> {
        let (guardian, elector) = (vec![Who::Guardian], vec![Who::Elector]);
        let child = vec![Who::Child];
        match kind {
            OfHost::GuardianKilled => self.kill(at, &guardian, Signal::SIGKILL),
            OfHost::GuardianStopped => self.stop(at, &guardian),
            OfHost::ElectorKilled => self.kill(at, &elector, Signal::SIGKILL),
            OfHost::ElectorStopped => self.stop(at, &elector),
            OfHost::ChildKilled => self.kill(at, &child, Signal::SIGKILL),
            OfHost::ChildStopped => self.stop(at, &child),
            OfHost::ChildEnds => self.kill(at, &child, Signal::SIGUSR1),
            OfHost::PlannedStop => self.kill(at, &guardian, Signal::SIGTERM),
            OfHost::PairStopped => self.stop(at, &[Who::Guardian, Who::Elector]),
            OfHost::Reloaded => self.reload(at),
            OfHost::PairKilled => {
                // Stopped first, so that neither sees the other die.
                let pair = [Who::Guardian, Who::Elector];
                self.stop(at, &pair)?;
                self.kill(at, &pair, Signal::SIGKILL)
            }
            OfHost::Killed => self.hosts[at].crash().then_some(Wound::Healing),
            OfHost::Frozen | OfHost::FrozenBriefly => {
                let mut everybody = self.hosts[at].everybody();
                signal_all(&everybody, Signal::SIGSTOP);
                // A thaw has no order: the worst is that the guardian wakes last.
                everybody.reverse();
                (!everybody.is_empty()).then_some(Wound::Stopped(everybody))
            }
            OfHost::Cut(lost) => Some(self.cut_off(at, lost)),
            OfHost::Refused => {
                self.links_in_use(at)?.iter().for_each(Link::refuse);
                Some(Wound::LinksOf(at))
            }
            OfHost::OneLinkDead => {
                let mut links = self.links_in_use(at)?.iter();
                links.find(|link| link.connections() > 0)?.blackhole();
                Some(Wound::LinksOf(at))
            }
            OfHost::Delayed => {
                let delay = self.delay();
                let links = self.links_in_use(at)?.iter();
                links.for_each(|link| link.delay(delay));
                Some(Wound::LinksOf(at))
            }
            OfHost::Reset => {
                self.links_in_use(at)?.iter().for_each(Link::reset);
                Some(Wound::Healing)
            }
        }
    }

    /// The relays of a host, if it has a connection.
    fn links_in_use(&self, at: usize) -> Option<&[Link]> {
        let links = &self.hosts[at].links;
        let is_used = links.iter().any(|link| link.connections() > 0);
        is_used.then_some(links)
    }

    /// The relays to a server.
    fn links_to(&self, server: usize) -> impl Iterator<Item = &Link> {
        self.hosts.iter().map(move |host| &host.links[server])
    }

    /// There and back is well below the connect timeout.
    fn delay(&self) -> Duration {
        self.timing.connect_timeout / 8
    }

    fn harm_server(&mut self, kind: OfServer, at: usize) -> Option<Wound> {
        let is_used = self.links_to(at).any(|link| link.connections() > 0);
        if kind.is_for_clients() && !is_used {
            return None;
        }
        let server = &self.ensemble.servers()[at];
        let wound = match kind {
            OfServer::Killed => {
                server.kill();
                Wound::ServerDown(at)
            }
            OfServer::Frozen => {
                server.freeze();
                Wound::ServersFrozen(vec![at])
            }
            OfServer::FrozenAfterRenewal => {
                self.wait_renewal()?;
                self.ensemble.servers()[at].freeze();
                Wound::ServersFrozen(vec![at])
            }
            OfServer::CutFromPeers(lost) => {
                let peers = (0..COUNT).filter(|&peer| peer != at).map(End::server);
                let ways = peers.flat_map(|peer| ways(lost, End::server(at), peer));
                self.cut(ways.collect())
            }
            OfServer::CutFromClients(lost) if self.wires.is_some() => {
                self.cut(ways(lost, End::HUB, End::server(at)))
            }
            OfServer::CutFromClients(lost) => {
                self.links_to(at).for_each(|link| link.hold(way(lost)));
                Wound::LinksTo(at)
            }
            OfServer::Delayed => {
                let delay = self.delay();
                self.links_to(at).for_each(|link| link.delay(delay));
                Wound::SlowLinksTo(at)
            }
            OfServer::Reset => {
                self.links_to(at).for_each(Link::reset);
                Wound::Healing
            }
        };
        Some(wound)
    }

    fn harm_group(&mut self, kind: OfGroup) -> Option<Wound> {
        let wound = match kind {
            OfGroup::RollingRestart => {
                for server in self.ensemble.servers() {
                    server.restart();
                    self.ensemble.wait_serving();
                }
                Wound::Healing
            }
            OfGroup::QuorumLost => {
                let leader = self.aimed_server(ServerAim::Leader);
                let followers: Vec<usize> = (0..COUNT).filter(|&at| at != leader).collect();
                for &follower in &followers {
                    self.ensemble.servers()[follower].freeze();
                }
                Wound::ServersFrozen(followers)
            }
            OfGroup::MasterDeleted => {
                let is_there = self.group.znodes().delete(&self.group.master());
                is_there.then_some(Wound::Healing)?
            }
            OfGroup::SessionExpired => {
                let server = self.aimed_server(ServerAim::Leader);
                let server = &self.ensemble.servers()[server];
                expire(server, self.group.master_session()).ok()?;
                Wound::Healing
            }
            OfGroup::Starved => Wound::Busy(busy_loops()),
        };
        Some(wound)
    }

    /// Packets from each of these ends to the other are lost.
    fn cut(&self, ways: Vec<(End, End)>) -> Wound {
        let wires = self
            .wires
            .as_ref()
            .expect("only what can be cut is aimed at");
        ways.iter().for_each(|&(from, to)| wires.cut(from, to));
        Wound::Cut(ways)
    }

    fn cut_off(&self, at: usize, lost: Lost) -> Wound {
        if self.wires.is_some() {
            return self.cut(ways(lost, End::host(at), End::HUB));
        }
        let links = self.hosts[at].links.iter();
        links.for_each(|link| link.hold(way(lost)));
        Wound::LinksOf(at)
    }

    /// The guardian becomes its next image, which starts an elector of its own.
    fn reload(&self, at: usize) -> Option<Wound> {
        let before = self.hosts[at].pid(Who::Elector)?;
        let wound = self.kill(at, &[Who::Guardian], Signal::SIGHUP);
        wait_until("the next image has an elector", secs(20), || {
            let elector = self.hosts[at].pid(Who::Elector);
            elector.is_some_and(|elector| elector != before)
        });
        wound
    }

    fn stop(&self, at: usize, whom: &[Who]) -> Option<Wound> {
        let pids = self.pids(at, whom)?;
        signal_all(&pids, Signal::SIGSTOP);
        Some(Wound::Stopped(pids))
    }

    fn kill(&self, at: usize, whom: &[Who], signal: Signal) -> Option<Wound> {
        signal_all(&self.pids(at, whom)?, signal);
        Some(Wound::Healing)
    }

    /// All of them, or none.
    fn pids(&self, at: usize, whom: &[Who]) -> Option<Vec<Pid>> {
        let host = &self.hosts[at];
        whom.iter().map(|&who| host.pid(who)).collect()
    }

    /// Waits until the master says that a renewal was acknowledged; nothing, if it does not in time.
    fn wait_renewal(&mut self) -> Option<()> {
        let host = self.aimed_host(HostAim::Master);
        let log = self.group.dir().join(&self.hosts[host].name).join("log");
        let mut log = Tail::of(log);
        log.news();
        let renewed = "\"message\":\"committed\"";
        try_for(secs(2), || log.news().contains(renewed).then_some(()))
    }
}

/// From whom to whom packets are lost.
fn ways(lost: Lost, asks: End, answers: End) -> Vec<(End, End)> {
    match lost {
        Lost::Requests => vec![(asks, answers)],
        Lost::Answers => vec![(answers, asks)],
        Lost::Both => vec![(asks, answers), (answers, asks)],
    }
}

/// The same of a relay.
fn way(lost: Lost) -> Way {
    match lost {
        Lost::Requests => Way::ToServer,
        Lost::Answers => Way::ToClient,
        Lost::Both => Way::Both,
    }
}

/// The name of a server.
pub(crate) fn name(server: usize) -> String {
    format!("server {}", server + 1)
}

fn busy_loops() -> Vec<Process> {
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    let start = |_| {
        let mut command = Command::new("nice");
        command.args(["-n", "-10", "sh", "-c", "while :; do :; done"]);
        Process::spawn("a busy loop", command)
    };
    (0..processors * LOOPS_A_PROCESSOR).map(start).collect()
}
