//! A host: a guardian, its elector, their queues, and the tree.

use crate::setup::Setup;
use crate::world::{Milestone, World};
use std::collections::VecDeque;
use std::time::Duration;
use zk_supervise::core::election::{TermId, Token, Transaction};
use zk_supervise::core::facts::{Action, Event, Exit, News, SessionEvent, Sweep};
use zk_supervise::core::guard::{
    self, Carried, ChildExit, ElectorExit, Fact, Grant, Guard, Survey,
};
use zk_supervise::core::supervisor::{Settings, Supervisor};
use zk_supervise::core::time::Time;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Host {
    pub(crate) guardian: Option<Guardian>,
    /// The elector; with R5 switched off, the ones before it too.
    pub(crate) electors: Vec<Elector>,
    pub(crate) tree: Option<Tree>,
    pub(crate) link: Link,
    started: u64,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Guardian {
    pub(crate) guard: Guard,
    pub(crate) gait: Gait,
    pub(crate) inbox: VecDeque<Fact>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Elector {
    /// Counts the host's electors.
    pub(crate) number: u64,
    pub(crate) supervisor: Supervisor,
    pub(crate) gait: Gait,
    pub(crate) inbox: VecDeque<Event>,
    pub(crate) connection: Option<Connection>,
    /// For R1 and R4 only: what a shell that breaks them remembers.
    pub(crate) memory: Memory,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Memory {
    /// How long the last answer was on its way.
    pub(crate) lateness: Duration,
    /// The transaction that got no answer.
    pub(crate) unanswered: Option<Transaction>,
}

/// Whether a process runs, or was stopped by SIGSTOP.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Gait {
    Running,
    Stopped,
}

/// Whether a host reaches the ensemble.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Link {
    Whole,
    Cut,
}

/// The session in use, and what is on its way: one thing at a time (R4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Connection {
    pub(crate) session: u32,
    pub(crate) id: Option<i64>,
    pub(crate) traffic: Traffic,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Traffic {
    Idle,
    Asked(Asked, u64),
    Answered(SessionEvent, u64),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Asked {
    Open,
    Look,
    Commit(Transaction),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Tree {
    pub(crate) term: TermId,
    pub(crate) token: Token,
}

impl Host {
    pub(crate) fn absent() -> Host {
        Host {
            guardian: None,
            electors: Vec::new(),
            tree: None,
            link: Link::Whole,
            started: 0,
        }
    }

    pub(crate) fn start(&mut self, setup: &Setup, host: usize, now: Time) {
        self.guardian = Some(Guardian {
            guard: Guard::new(now, setup.hosts[host].timing),
            gait: Gait::Running,
            inbox: VecDeque::new(),
        });
    }

    /// Tells the guardian, if there is one.
    pub(crate) fn tell_guardian(&mut self, fact: Fact) {
        if let Some(guardian) = &mut self.guardian {
            guardian.inbox.push_back(fact);
        }
    }

    /// An elector is gone, and what it said last is not read any more.
    pub(crate) fn lose_elector(&mut self, elector: usize, exit: ElectorExit) {
        self.electors.remove(elector);
        if let Some(guardian) = &mut self.guardian {
            guardian
                .inbox
                .retain(|fact| !matches!(fact, Fact::Ordered(_)));
            guardian.inbox.push_back(Fact::ElectorExited(exit));
        }
    }

    /// What the next image of the guardian would have to know, if it may take over.
    pub(crate) fn carried(&self) -> Option<Carried> {
        self.guardian.as_ref()?.guard.carried()
    }

    /// The elector is killed and reaped; what was looked at is looked at again.
    pub(crate) fn reload(&mut self, setup: &Setup, host: usize, now: Time) {
        let Some(carried) = self.carried() else {
            return;
        };
        self.lose_elector(0, ElectorExit::Failed);
        if let Some(guardian) = &mut self.guardian {
            let is_seen_again = |fact: &Fact| matches!(fact, Fact::Surveyed(_));
            guardian.inbox.retain(is_seen_again);
            guardian.guard = Guard::resumed(now, setup.hosts[host].timing, &carried);
        }
    }

    /// The kernel kills the tree with the guardian, the elector finds nothing left.
    pub(crate) fn lose_guardian(&mut self) {
        self.guardian = None;
        self.tree = None;
        for elector in &mut self.electors {
            elector
                .inbox
                .retain(|event| !matches!(event, Event::Reported(_)));
            elector.inbox.push_back(Event::GuardianDied(Sweep::Clean));
        }
    }

    /// The tree is gone.
    pub(crate) fn lose_tree(&mut self, exit: ChildExit) {
        if self.tree.take().is_some() {
            self.tell_guardian(Fact::Surveyed(Survey::NothingLeft(exit)));
        }
    }
}

impl World {
    /// Lets every process that can run do all it has to do at this moment.
    pub(crate) fn settle(&mut self, setup: &Setup) {
        for _ in 0..500 {
            if !(0..self.hosts.len()).any(|host| self.advance(setup, host)) {
                return self.tidy();
            }
        }
        panic!("a process spins: {self:#?}");
    }

    /// One step of one process of a host, if any has something to do: the guardian first, messages before the time.
    fn advance(&mut self, setup: &Setup, host: usize) -> bool {
        let now = setup.local(host, self.now);
        if let Some(guardian) = &mut self.hosts[host].guardian
            && guardian.gait == Gait::Running
        {
            let fact = guardian.inbox.pop_front();
            if fact.is_some() || guardian.guard.next_wake() <= now {
                self.step_guardian(setup, host, now, fact.unwrap_or(Fact::Woke));
                return true;
            }
        }
        for elector in 0..self.hosts[host].electors.len() {
            let it = &mut self.hosts[host].electors[elector];
            let event = if it.gait == Gait::Running {
                it.inbox.pop_front()
            } else {
                continue;
            };
            if event.is_some() || it.supervisor.next_wake() <= now {
                self.step_elector(setup, host, elector, now, event.unwrap_or(Event::Woke));
                return true;
            }
        }
        false
    }

    fn step_guardian(&mut self, setup: &Setup, host: usize, now: Time, fact: Fact) {
        let Some(guardian) = &mut self.hosts[host].guardian else {
            return;
        };
        let actions = guardian.guard.step(now, fact);
        let report = guardian.guard.report();
        for action in actions {
            let place = &mut self.hosts[host];
            match action {
                guard::Action::Spawn(grant) => self.spawn(setup, host, fact, &grant),
                guard::Action::Stop(reason) => {
                    self.note(Milestone::Touched);
                    if reason == guard::StopReason::LeaseLapsed {
                        self.note(Milestone::StoppedByLease);
                    }
                }
                guard::Action::Kill => {
                    self.note(Milestone::Touched);
                    self.hosts[host].lose_tree(ChildExit::Signal(9));
                }
                guard::Action::StartElector => place.start_elector(setup, host, now),
                guard::Action::KillElector => setup.kill_elector(place),
                guard::Action::Report => {
                    let report = setup.report(report);
                    for elector in &mut place.electors {
                        elector.inbox.push_back(Event::Reported(report));
                    }
                }
                guard::Action::Exit => place.guardian = None,
            }
        }
    }

    fn spawn(&mut self, setup: &Setup, host: usize, fact: Fact, grant: &Grant) {
        if fact == Fact::Woke {
            self.note(Milestone::WaitedOut);
        }
        self.judge_spawn(setup, grant);
        self.hosts[host].tree = Some(Tree {
            term: grant.id,
            token: grant.token,
        });
        self.judge_record(setup);
    }

    fn step_elector(
        &mut self,
        setup: &Setup,
        host: usize,
        elector: usize,
        now: Time,
        event: Event,
    ) {
        let actions = self.hosts[host].electors[elector]
            .supervisor
            .step(now, event);
        for action in actions {
            let place = &mut self.hosts[host];
            match action {
                Action::Open(session) => {
                    place.electors[elector].connection = Some(Connection {
                        session,
                        id: None,
                        traffic: Traffic::Asked(Asked::Open, self.now),
                    });
                }
                Action::Look(_) => self.ask(host, elector, Asked::Look),
                Action::Commit(_, transaction) => {
                    let asked = Asked::Commit(setup.transaction(host, transaction));
                    self.ask(host, elector, asked);
                }
                Action::Abandon(_) => self.abandon(setup, host, elector),
                Action::Close(session) => self.close(host, elector, session),
                Action::Order(order) => {
                    let order = setup.order(place, elector, now, order);
                    place.tell_guardian(Fact::Ordered(order));
                }
                Action::Tell(News::Resumed(..)) => self.note(Milestone::Resumed),
                Action::Publish(..) | Action::Tell(_) => {}
                Action::KillGuardian => {
                    self.note(Milestone::Touched);
                    self.hosts[host].lose_guardian();
                }
                Action::Exit(exit) => {
                    let exit = match exit {
                        Exit::Done => ElectorExit::Done,
                        Exit::Superseded | Exit::Bereft => ElectorExit::Failed,
                    };
                    return place.lose_elector(elector, exit);
                }
            }
        }
    }

    fn ask(&mut self, host: usize, elector: usize, asked: Asked) {
        let now = self.now;
        if let Some(connection) = &mut self.hosts[host].electors[elector].connection {
            connection.traffic = Traffic::Asked(asked, now);
        }
    }

    fn abandon(&mut self, setup: &Setup, host: usize, elector: usize) {
        self.leave_straggler(host, elector);
        let it = &mut self.hosts[host].electors[elector];
        if let Some(Connection {
            traffic: Traffic::Asked(Asked::Commit(what), _),
            ..
        }) = it.connection.take()
        {
            setup.note_loss(it, &what);
        }
    }

    fn close(&mut self, host: usize, elector: usize, session: u32) {
        let place = &mut self.hosts[host];
        let elector = &mut place.electors[elector];
        if place.link == Link::Cut {
            return;
        }
        if let Some(id) = elector.connection.and_then(|it| it.id) {
            self.ensemble.end(id);
        }
        elector
            .inbox
            .push_back(Event::Session(session, SessionEvent::Closed));
    }

    /// What nobody can use any more is forgotten.
    fn tidy(&mut self) {
        let electors = self.hosts.iter().flat_map(|host| &host.electors);
        let mut used: Vec<i64> = electors
            .filter_map(|elector| elector.connection?.id)
            .collect();
        used.extend(self.straggler.map(|it| it.session));
        self.ensemble.forget_all_but(|id| used.contains(&id));
        let ensemble = &self.ensemble;
        self.straggler = self
            .straggler
            .filter(|it| ensemble.is_alive(it.session) && ensemble.may_commit(&it.what));
        let now = self.now;
        self.claims.retain(|claim| !claim.is_over(now));
    }
}

impl Host {
    fn start_elector(&mut self, setup: &Setup, host: usize, now: Time) {
        self.started += 1;
        let number = self.started;
        let settings = Settings {
            timing: setup.hosts[host].timing,
            elector: u64::try_from(host).expect("hosts are few") * 100 + number,
            servers: 1,
        };
        self.electors.push(Elector {
            number,
            supervisor: Supervisor::new(now, settings),
            gait: Gait::Running,
            inbox: VecDeque::new(),
            connection: None,
            memory: Memory::default(),
        });
    }
}

impl Host {
    /// Whether guardian and elector are there and run.
    pub(crate) fn runs(&self) -> bool {
        let guardian = self.guardian.as_ref().map(|it| it.gait);
        guardian == Some(Gait::Running)
            && self.electors.len() == 1
            && self.electors[0].gait == Gait::Running
    }

    /// Whether one of its processes is stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        let guardian = self.guardian.as_ref().map(|it| it.gait);
        guardian == Some(Gait::Stopped) || self.electors.iter().any(|it| it.gait == Gait::Stopped)
    }
}
