//! The state that is explored, and what may happen next in it.

use crate::ensemble::{Ensemble, held};
use crate::host::{Asked, Connection, Gait, Host, Link, Traffic};
use crate::setup::Setup;
use zk_supervise::core::election::{MasterZnode, Outcome, TermId, Token, Transaction};
use zk_supervise::core::facts::{Event, SessionEvent};
use zk_supervise::core::guard::Grant;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct World {
    /// True time, in ticks.
    pub(crate) now: u64,
    pub(crate) hosts: Vec<Host>,
    pub(crate) ensemble: Ensemble,
    /// A transaction that was given up by who sent it, and may yet be applied.
    pub(crate) straggler: Option<Straggler>,
    /// How often each fault of the setup may still happen.
    pub(crate) left: Vec<u8>,
    /// The leases that the old masters may still count on.
    pub(crate) claims: Vec<Claim>,
    /// The token of the term that started a child last.
    token: Option<Token>,
    /// How many terms started a child.
    pub(crate) terms: u8,
    /// What the last move has brought about.
    pub(crate) just: Vec<Milestone>,
    pub(crate) broken: Option<Breach>,
    pub(crate) phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Straggler {
    pub(crate) host: usize,
    pub(crate) session: i64,
    pub(crate) what: Transaction,
    pub(crate) sent: u64,
}

/// A lease that a committed write has given, or would have if its answer had come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Claim {
    term: TermId,
    token: Token,
    /// True nanoseconds.
    end: u64,
}

impl Claim {
    pub(crate) fn is_over(&self, now: u64) -> bool {
        self.end <= now * crate::setup::TICK
    }
}

/// What must be possible, or the model shows nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Milestone {
    Released,
    Resumed,
    WaitedOut,
    StoppedByLease,
    Deposed,
    Touched,
}

/// What must never happen.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Breach {
    TwoTrees,
    TokenDoesNotGrow,
    ReleasedWhileATreeIsAlive,
    StartedWithinAnEarlierLease,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Phase {
    Hostile,
    /// After a quiet time in which nothing went wrong any more.
    Rested,
}

impl World {
    pub(crate) fn new(setup: &Setup) -> World {
        World {
            now: 0,
            hosts: vec![Host::absent(); setup.hosts.len()],
            ensemble: Ensemble::new(setup.lag()),
            straggler: None,
            left: setup.faults.iter().map(|fault| fault.times).collect(),
            claims: Vec::new(),
            token: None,
            terms: 0,
            just: Vec::new(),
            broken: None,
            phase: Phase::Hostile,
        }
    }

    pub(crate) fn note(&mut self, milestone: Milestone) {
        if !self.just.contains(&milestone) {
            self.just.push(milestone);
        }
    }

    fn break_promise(&mut self, breach: Breach) {
        self.broken = self.broken.or(Some(breach));
    }

    /// P1, in its own words and in those of R3, and that tokens grow.
    pub(crate) fn judge_spawn(&mut self, setup: &Setup, grant: &Grant) {
        let now = self.now;
        let is_earlier = |claim: &Claim| claim.token < grant.token && !claim.is_over(now);
        if !setup.looks_further() && self.claims.iter().any(is_earlier) {
            self.break_promise(Breach::StartedWithinAnEarlierLease);
        }
        if self.hosts.iter().any(|host| host.tree.is_some()) {
            self.break_promise(Breach::TwoTrees);
        }
        if self.token.is_some_and(|last| grant.token < last) {
            self.break_promise(Breach::TokenDoesNotGrow);
        }
        if self.token != Some(grant.token) {
            self.terms += 1;
        }
        self.token = Some(grant.token);
    }

    /// I0, unless a rule is off: then the search goes on to what that leads to.
    pub(crate) fn judge_record(&mut self, setup: &Setup) {
        let Some(term) = self.ensemble.latest().term else {
            return;
        };
        if !setup.looks_further()
            && held(term.record).is_none()
            && self.hosts.iter().any(|host| host.tree.is_some())
        {
            self.break_promise(Breach::ReleasedWhileATreeIsAlive);
        }
    }

    pub(crate) fn connection(&mut self, host: usize, elector: usize) -> &mut Connection {
        let connection = self.hosts[host].electors[elector].connection.as_mut();
        connection.expect("what is asked is asked on a connection")
    }

    /// The ensemble takes what an elector asked, and answers.
    pub(crate) fn take(&mut self, setup: &Setup, host: usize, elector: usize, behind: usize) {
        let connection = *self.connection(host, elector);
        let Traffic::Asked(asked, sent) = connection.traffic else {
            return;
        };
        let answer = match (asked, connection.id) {
            (Asked::Open, _) => SessionEvent::Opened {
                id: self.ensemble.open(),
                granted: setup.hosts[host].timing.session_timeout,
            },
            (_, Some(id)) if !self.ensemble.is_alive(id) => SessionEvent::Ended,
            (Asked::Look, Some(id)) => {
                let shown = self.ensemble.look(id, behind);
                let latest = self.ensemble.latest();
                let place = &mut self.hosts[host].electors[elector];
                SessionEvent::Looked(setup.sight(shown, &latest, place))
            }
            (Asked::Commit(what), Some(id)) => {
                SessionEvent::Answered(self.commit(setup, host, id, &what, sent))
            }
            (Asked::Look | Asked::Commit(_), None) => return,
        };
        self.connection(host, elector).traffic = Traffic::Answered(answer, sent);
    }

    /// A transaction reaches the ensemble.
    pub(crate) fn commit(
        &mut self,
        setup: &Setup,
        host: usize,
        session: i64,
        what: &Transaction,
        sent: u64,
    ) -> Outcome {
        if let Some(outcome) = setup.refuse(what) {
            return outcome;
        }
        let outcome = self.ensemble.apply(session, what);
        let Outcome::Done { zxid, .. } = outcome else {
            return outcome;
        };
        match *what {
            Transaction::Campaign(_, held, _)
            | Transaction::Renew(held, _)
            | Transaction::Resume(_, held, _) => {
                if let Some(term) = held.id {
                    let end = setup.lease_end(host, sent, held.lease);
                    self.claims.retain(|claim| claim.term != term);
                    let token = held.token.unwrap_or(Token(zxid));
                    self.claims.push(Claim { term, token, end });
                    self.claims.sort_unstable_by_key(|claim| claim.end);
                }
            }
            Transaction::Release(..) => {
                self.claims.clear();
                self.note(Milestone::Released);
            }
            Transaction::Found(_) | Transaction::Withdraw(_) => {}
        }
        if let Transaction::Campaign(MasterZnode::Present, ..) = what {
            self.note(Milestone::Deposed);
        }
        self.judge_record(setup);
        outcome
    }

    /// An answer arrives.
    pub(crate) fn answer(&mut self, setup: &Setup, host: usize, elector: usize) {
        let connection = self.connection(host, elector);
        let Traffic::Answered(answer, sent) = connection.traffic else {
            return;
        };
        connection.traffic = Traffic::Idle;
        if let SessionEvent::Opened { id, .. } = answer {
            connection.id = Some(id);
        }
        let session = connection.session;
        if answer == SessionEvent::Ended {
            self.hosts[host].electors[elector].connection = None;
        }
        let lateness = setup.local(host, self.now).since(setup.local(host, sent));
        let place = &mut self.hosts[host].electors[elector];
        setup.note_answer(place, &answer, lateness);
        place.inbox.push_back(Event::Session(session, answer));
    }

    /// The library has lost the connection and found another: what was on its way gets no answer.
    pub(crate) fn lose_answer(&mut self, setup: &Setup, host: usize, elector: usize) {
        let connection = self.connection(host, elector);
        let session = connection.session;
        let traffic = std::mem::replace(&mut connection.traffic, Traffic::Idle);
        let is_open = connection.id.is_some();
        let place = &mut self.hosts[host].electors[elector];
        let answer = match traffic {
            Traffic::Idle => return,
            Traffic::Asked(Asked::Look, _) | Traffic::Answered(SessionEvent::Looked(_), _) => {
                SessionEvent::LookFailed
            }
            Traffic::Asked(Asked::Commit(what), _) => {
                setup.note_loss(place, &what);
                SessionEvent::Answered(Outcome::Unknown)
            }
            Traffic::Asked(Asked::Open, _) => SessionEvent::OpenFailed,
            Traffic::Answered(..) => SessionEvent::Answered(Outcome::Unknown),
        };
        let events = if is_open {
            vec![SessionEvent::Interrupted, answer, SessionEvent::Restored]
        } else {
            place.connection = None;
            vec![answer]
        };
        let events = events.into_iter().map(|it| Event::Session(session, it));
        place.inbox.extend(events);
    }

    /// Nothing goes wrong for a while: everybody runs, everything asked is answered.
    pub(crate) fn rest(&mut self, setup: &Setup, ticks: u64) {
        for host in 0..self.hosts.len() {
            self.hosts[host].link = Link::Whole;
            self.resume_all(host);
        }
        self.straggler = None;
        self.answer_all(setup);
        for _ in 0..ticks {
            self.now += 1;
            self.answer_all(setup);
        }
    }

    pub(crate) fn resume_all(&mut self, host: usize) {
        let place = &mut self.hosts[host];
        for elector in &mut place.electors {
            elector.gait = Gait::Running;
        }
        if let Some(guardian) = &mut place.guardian {
            guardian.gait = Gait::Running;
        }
    }

    fn answer_all(&mut self, setup: &Setup) {
        self.settle(setup);
        while let Some((host, elector)) = { self.asking().next() } {
            self.take(setup, host, elector, 0);
            self.answer(setup, host, elector);
            self.settle(setup);
        }
    }

    /// The electors that have something on its way and reach the ensemble.
    pub(crate) fn asking(&self) -> impl Iterator<Item = (usize, usize)> {
        let hosts = self.hosts.iter().enumerate();
        let whole = hosts.filter(|(_, it)| it.link == Link::Whole);
        whole.flat_map(|(host, it)| {
            let electors = it.electors.iter().enumerate();
            let asking = electors
                .filter(|(_, it)| it.connection.is_some_and(|it| it.traffic != Traffic::Idle));
            asking.map(move |(elector, _)| (host, elector))
        })
    }

    pub(crate) fn trees(&self) -> usize {
        let alive = self.hosts.iter().filter(|host| host.tree.is_some());
        alive.count()
    }
}
