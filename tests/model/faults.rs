//! What may happen next: the time passes, answers come, and things go wrong, each as often as the setup says.

use crate::host::{Asked, Gait, Host, Link, Traffic};
use crate::setup::{Ending, Setup};
use crate::world::{Phase, Straggler, World};
use zk_supervise::core::guard::{ChildExit, ElectorExit, Fact};

/// A fault, and how often it may happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// Only to this host.
    pub(crate) host: Option<usize>,
    pub(crate) times: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A transaction is committed, and its answer is lost.
    LostReply,
    /// A transaction is given up by its elector, and may be committed later.
    LostRequest,
    /// An answer may be late.
    SlowReply,
    /// A look is answered by a server that lags behind.
    StaleLook,
    /// The session that owns `M` ends.
    Expiry,
    /// The operator deletes `M`.
    Deletion,
    /// SIGKILL.
    ElectorCrash,
    /// SIGKILL.
    GuardianCrash,
    /// SIGSTOP.
    ElectorStop,
    /// SIGSTOP.
    GuardianStop,
    /// SIGCONT: to whatever is stopped.
    Continue,
    /// The host does not reach the ensemble any more.
    Cut,
    /// It does again.
    Heal,
    /// SIGTERM to the guardian.
    Shutdown,
    /// The child ends by itself.
    ChildExit,
    /// All of the host is gone.
    PowerFailure,
    /// The guardian kills its elector and becomes another image of itself.
    Reload,
    /// A host on which nothing runs starts a supervisor.
    Start,
}

impl Kind {
    pub(crate) fn times(self, times: u8) -> Fault {
        Fault {
            kind: self,
            host: None,
            times,
        }
    }

    /// Once, and only to this host.
    pub(crate) fn on(self, host: usize) -> Fault {
        Fault {
            kind: self,
            host: Some(host),
            times: 1,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Move {
    /// The time passes, and every process does what is due.
    Tick,
    /// The ensemble takes what this elector asked, or its late answer arrives.
    Answer(usize, usize),
    /// The straggler is committed, or refused.
    Straggle,
    /// The fault of the setup with this index, on this host's elector, to this degree.
    Fault(usize, Kind, usize, usize, usize),
    Rest,
}

impl Setup {
    pub(crate) fn moves(&self, world: &World, moves: &mut Vec<Move>) {
        if world.phase == Phase::Rested || world.broken.is_some() {
            return;
        }
        let asking: Vec<_> = self.turn(world).collect();
        let is_owed = |&(host, elector): &(usize, usize)| world.asked(host, elector).is_some();
        let is_quiet = !asking.iter().any(is_owed);
        if is_quiet && world.now < self.end() {
            moves.push(Move::Tick);
        }
        if is_quiet && world.now == self.end() && self.ending == Ending::Rest {
            moves.push(Move::Rest);
        }
        moves.extend(asking.iter().map(|&(host, it)| Move::Answer(host, it)));
        if world.straggler.is_some() {
            moves.push(Move::Straggle);
        }
        if world.now == self.end() {
            return;
        }
        for (index, fault) in self.faults.iter().enumerate() {
            if world.left[index] == 0 {
                continue;
            }
            let kind = fault.kind;
            let mut push = |host: usize, elector, degree| {
                if fault.host.is_none_or(|it| it == host) {
                    moves.push(Move::Fault(index, kind, host, elector, degree));
                }
            };
            for &(host, elector) in &asking {
                for degree in 0..world.degrees(kind, host, elector) {
                    push(host, elector, degree);
                }
            }
            for host in 0..world.hosts.len() {
                let is_its_turn = is_quiet || asking.iter().any(|it| it.0 == host);
                if world.may_suffer(kind, host, is_its_turn) {
                    push(host, 0, 0);
                }
            }
        }
    }

    fn end(&self) -> u64 {
        self.first_tick() + self.horizon
    }

    fn first_tick(&self) -> u64 {
        match self.start {
            crate::setup::Start::Virgin => 0,
            crate::setup::Start::Master(_) => 3,
        }
    }

    /// Who may be answered next: all, but looks commute, so that one of them is enough where nothing else is asked.
    fn turn(&self, world: &World) -> impl Iterator<Item = (usize, usize)> {
        let all: Vec<_> = world.asking().collect();
        let commutes =
            |&(host, it): &(usize, usize)| !matches!(world.asked(host, it), Some(Asked::Commit(_)));
        let count = if all.iter().all(commutes) {
            1
        } else {
            all.len()
        };
        all.into_iter().take(count)
    }

    pub(crate) fn make(&self, world: &World, what: Move) -> World {
        let mut world = world.clone();
        world.just.clear();
        match what {
            Move::Tick => world.now += 1,
            Move::Answer(host, elector) => {
                world.take(self, host, elector, 0);
                world.answer(self, host, elector);
            }
            Move::Straggle => {
                if let Some(it) = world.straggler.take() {
                    let _ = world.commit(self, it.host, it.session, &it.what, it.sent);
                }
            }
            Move::Fault(index, kind, host, elector, degree) => {
                world.left[index] -= 1;
                world.suffer(self, kind, host, elector, degree);
                if kind == Kind::StaleLook && world.left[index] == 0 {
                    world.ensemble.catch_up();
                }
            }
            Move::Rest => return self.rest_of(&world),
        }
        world.settle(self);
        world
    }
}

impl World {
    pub(crate) fn start(&mut self, setup: &Setup, host: usize) {
        let now = setup.local(host, self.now);
        self.hosts[host].start(setup, host, now);
    }

    /// What an elector waits for.
    fn asked(&self, host: usize, elector: usize) -> Option<Asked> {
        match self.hosts[host].electors[elector].connection?.traffic {
            Traffic::Asked(asked, _) => Some(asked),
            Traffic::Idle | Traffic::Answered(..) => None,
        }
    }

    /// In how many ways a fault may touch what this elector asked.
    fn degrees(&self, kind: Kind, host: usize, elector: usize) -> usize {
        let connection = self.hosts[host].electors[elector].connection;
        match (kind, self.asked(host, elector)) {
            (Kind::LostReply | Kind::LostRequest, Some(Asked::Commit(_))) => 1,
            (Kind::SlowReply, Some(Asked::Commit(_) | Asked::Look)) => 1,
            (Kind::StaleLook, Some(Asked::Look)) => {
                let id = connection.and_then(|it| it.id);
                id.map_or(0, |id| self.ensemble.lag_of(id))
            }
            _ => 0,
        }
    }

    /// Guardian and elector of a host are never both harmed: that is not covered.
    fn may_suffer(&self, kind: Kind, host: usize, is_its_turn: bool) -> bool {
        let place = &self.hosts[host];
        let latest = self.ensemble.latest();
        let runs = place.runs() && is_its_turn;
        match kind {
            Kind::LostReply | Kind::LostRequest | Kind::SlowReply | Kind::StaleLook => false,
            // Counted for the first host: they happen to the ensemble.
            Kind::Expiry => host == 0 && latest.master.is_some_and(|id| self.ensemble.is_alive(id)),
            Kind::Deletion => host == 0 && latest.master.is_some(),
            Kind::ElectorCrash | Kind::GuardianCrash | Kind::ElectorStop | Kind::GuardianStop => {
                runs
            }
            Kind::Shutdown => runs,
            Kind::Reload => runs && place.carried().is_some(),
            Kind::Continue => is_its_turn && place.is_stopped(),
            Kind::Cut => place.guardian.is_some() && place.link == Link::Whole && is_its_turn,
            Kind::Heal => place.link == Link::Cut,
            Kind::ChildExit => runs && place.tree.is_some(),
            Kind::PowerFailure => place.guardian.is_some() && is_its_turn,
            Kind::Start => place.guardian.is_none() && place.electors.is_empty(),
        }
    }

    fn suffer(&mut self, setup: &Setup, kind: Kind, host: usize, elector: usize, degree: usize) {
        match kind {
            Kind::LostReply => {
                let before = self.connection(host, elector).traffic;
                self.take(setup, host, elector, 0);
                self.connection(host, elector).traffic = before;
                self.lose_answer(setup, host, elector);
            }
            Kind::LostRequest => {
                self.leave_straggler(host, elector);
                self.lose_answer(setup, host, elector);
            }
            Kind::SlowReply => self.take(setup, host, elector, 0),
            Kind::StaleLook => {
                self.take(setup, host, elector, degree + 1);
                self.answer(setup, host, elector);
            }
            Kind::Expiry => {
                if let Some(owner) = self.ensemble.latest().master {
                    self.ensemble.end(owner);
                }
            }
            Kind::Deletion => self.ensemble.delete_master(),
            Kind::ElectorCrash => {
                self.leave_straggler(host, 0);
                setup.note_crash(self, host);
                self.hosts[host].lose_elector(0, ElectorExit::Failed);
            }
            Kind::GuardianCrash => self.hosts[host].lose_guardian(),
            Kind::ElectorStop => self.hosts[host].electors[0].gait = Gait::Stopped,
            Kind::GuardianStop => {
                if let Some(guardian) = &mut self.hosts[host].guardian {
                    guardian.gait = Gait::Stopped;
                }
            }
            Kind::Continue => self.resume_all(host),
            Kind::Cut => self.hosts[host].link = Link::Cut,
            Kind::Heal => self.hosts[host].link = Link::Whole,
            Kind::Reload => {
                self.leave_straggler(host, 0);
                let now = setup.local(host, self.now);
                self.hosts[host].reload(setup, host, now);
            }
            Kind::Shutdown => self.hosts[host].tell_guardian(Fact::ShutdownAsked),
            Kind::ChildExit => self.hosts[host].lose_tree(ChildExit::Code(0)),
            Kind::PowerFailure => self.hosts[host] = Host::absent(),
            Kind::Start => self.start(setup, host),
        }
    }

    /// What was on its way to the ensemble may yet arrive.
    pub(crate) fn leave_straggler(&mut self, host: usize, elector: usize) {
        let Some(connection) = self.hosts[host].electors[elector].connection else {
            return;
        };
        if let (Traffic::Asked(Asked::Commit(what), sent), Some(session)) =
            (connection.traffic, connection.id)
        {
            self.straggler = Some(Straggler {
                host,
                session,
                what,
                sent,
            });
        }
    }
}
