//! The process beside the child: talks to the ensemble and to the guardian, and decides by
//! [`core::supervisor`](crate::core::supervisor).
//!
//! Its driver is one loop: wait for an event, step, carry out. It may crash, hang or be replaced; the guardian outlives
//! it and keeps the lease. What spins in the client library (defect A) spins in a thread of its own, and the driver gives
//! such a thread up by ending the process.

mod story;

use crate::clock;
use crate::core::facts::{Action, CandidateState, Command, Event, Exit, SessionEvent, Sweep};
use crate::core::lease::Timing;
use crate::core::supervisor::{Settings, Supervisor};
use crate::process::cgroup::Cgroup;
use crate::process::sweep::{Identity, Proof, sweep};
use crate::process::wire::{Received, Status, Wire};
use crate::zookeeper::{self, Abandoned, Ensemble, Session};
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::time::Duration;
use story::Story;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A thread of the client library that has not ended this long after it was told to never will.
const SPINS_AFTER: Duration = Duration::from_secs(5);

/// What an elector needs to know; plain values, all of them checked.
pub struct Setup {
    /// Every duration.
    pub timing: Timing,
    /// The servers, our znodes, and who we are.
    pub ensemble: Ensemble,
    /// The guardian, our parent.
    pub guardian: Identity,
    /// Its end of the wire is the other.
    pub wire: Wire,
    /// The tree's control group, where there is one.
    pub cgroup: Option<Cgroup>,
    /// Looks whether the command can be started, and says why not.
    pub find_flaw: Box<dyn Fn() -> Option<String>>,
    /// A random number of this process's own.
    pub random: u64,
}

/// How the process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// Everything was done.
    Done,
    /// Another elector must go on, or nobody.
    Failed,
}

struct Elector {
    core: Supervisor,
    timing: Timing,
    ensemble: Ensemble,
    guardian: Identity,
    wire: Wire,
    wire_ready: UnixDatagram,
    main: Option<i32>,
    cgroup: Option<Cgroup>,
    find_flaw: Box<dyn Fn() -> Option<String>>,
    session: Option<Session>,
    abandoned: Abandoned,
    sender: UnboundedSender<zookeeper::Event>,
    events: UnboundedReceiver<zookeeper::Event>,
    operations: u64,
    story: Story,
    lineage: Lineage,
    end: Option<End>,
}

/// Whether there is a guardian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lineage {
    Guarded,
    Orphaned,
}

/// Why the loop woke.
enum Wake {
    Time,
    Guardian(Received<Status>),
    Session(zookeeper::Event),
}

/// Runs an elector to its end.
///
/// # Errors
/// No runtime, or the wire is no socket.
pub fn run(setup: Setup) -> std::io::Result<End> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { Ok(Elector::new(setup)?.drive().await) })
}

impl Elector {
    fn new(setup: Setup) -> std::io::Result<Elector> {
        let servers = u32::try_from(setup.ensemble.servers.len()).unwrap_or(u32::MAX);
        let settings = Settings {
            timing: setup.timing,
            elector: setup.random,
            servers,
        };
        let (sender, events) = unbounded_channel();
        let story = Story::new(setup.ensemble.identity.clone());
        Ok(Elector {
            core: Supervisor::new(clock::now(), settings),
            timing: setup.timing,
            ensemble: setup.ensemble,
            guardian: setup.guardian,
            wire_ready: readiness(&setup.wire)?,
            wire: setup.wire,
            main: None,
            cgroup: setup.cgroup,
            find_flaw: setup.find_flaw,
            session: None,
            abandoned: Abandoned::default(),
            sender,
            events,
            operations: 0,
            story,
            lineage: Lineage::Guarded,
            end: None,
        })
    }

    async fn drive(mut self) -> End {
        self.step(Event::Woke);
        while self.end.is_none() {
            match self.wait().await {
                Wake::Time => self.step(Event::Woke),
                Wake::Guardian(received) => self.hear_guardian(received),
                Wake::Session(event) => self.hear_session(event),
            }
            self.mind_threads();
        }
        self.end.unwrap_or(End::Failed)
    }

    async fn wait(&mut self) -> Wake {
        tokio::select! {
            biased;
            received = receive(&self.wire, &self.wire_ready), if self.lineage == Lineage::Guarded => Wake::Guardian(received),
            Some(event) = self.events.recv() => Wake::Session(event),
            () = clock::sleep_until(self.core.next_wake()) => Wake::Time,
        }
    }

    fn step(&mut self, event: Event) {
        for action in self.core.step(clock::now(), event) {
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Open(number) => self.open(number),
            Action::Abandon(_) => self.abandon(),
            Action::Close(_) => self.with_session(Session::close),
            Action::Look(_) => self.with_session(Session::look),
            Action::Commit(_, transaction) => {
                self.operations += 1;
                let operation = self.operations;
                self.with_session(|session| session.commit(operation, transaction));
            }
            Action::Order(order) => self.wire.send(&order),
            Action::Publish(_, state) => {
                self.with_session(|session| {
                    session.publish(zookeeper::CandidateState(state_text(state)))
                });
            }
            Action::Tell(news) => self.story.tell(&news),
            Action::KillGuardian => self.kill_guardian(),
            Action::Exit(exit) => self.end = Some(end_of(exit)),
        }
    }

    fn open(&mut self, number: u32) {
        self.abandon();
        self.session = Some(Session::open(
            number,
            &self.ensemble,
            &self.timing,
            self.sender.clone(),
        ));
    }

    fn abandon(&mut self) {
        if let Some(session) = self.session.take() {
            self.abandoned.add(session, clock::now());
        }
    }

    fn with_session(&self, act: impl FnOnce(&Session)) {
        if let Some(session) = &self.session {
            act(session);
        }
    }

    /// The guardian is our parent; if it is not any more, its number may be another's.
    fn kill_guardian(&self) {
        if self.guardian.is_alive() {
            let guardian = nix::unistd::Pid::from_raw(self.guardian.pid);
            _ = nix::sys::signal::kill(guardian, nix::sys::signal::Signal::SIGKILL);
        }
    }

    fn hear_guardian(&mut self, received: Received<Status>) {
        match received {
            Received::Message(status) => {
                self.main = status.main;
                self.step(Event::Reported(status.report));
            }
            Received::Closed => self.survive_guardian(),
            Received::Nothing => {}
        }
    }

    /// The guardian is dead. The kernel has killed the child with it; what else there is of the tree dies here.
    fn survive_guardian(&mut self) {
        self.lineage = Lineage::Orphaned;
        self.story.guardian_died();
        // While the lease may last, nobody else starts anyway; after it, there is nothing left to give back early.
        let limit = self.timing.lease;
        let proof = sweep(self.guardian, self.main, self.cgroup.as_ref(), limit);
        self.story.swept(proof);
        self.step(Event::GuardianDied(match proof {
            Proof::Dead => Sweep::Clean,
            Proof::Lacking => Sweep::Unproven,
        }));
    }

    fn mind_threads(&mut self) {
        let now = clock::now();
        if self
            .abandoned
            .oldest()
            .is_some_and(|since| now.since(since) >= SPINS_AFTER)
        {
            self.story.client_spins();
            self.end = Some(End::Failed);
        }
    }

    fn hear_session(&mut self, event: zookeeper::Event) {
        self.story.hear(&event);
        if let zookeeper::Event::Looked { .. } = event {
            self.look_for_command();
        }
        if let Some((session, event)) = fact(&event) {
            self.step(Event::Session(session, event));
        }
    }

    fn look_for_command(&mut self) {
        if self.core.is_standby() {
            let flaw = (self.find_flaw)();
            let command = if flaw.is_some() {
                Command::Missing
            } else {
                Command::Runnable
            };
            self.story.note_flaw(flaw);
            self.step(Event::CommandLooked(command));
        }
    }
}

/// Tells when there is something on the wire. The type is for datagrams, but it only waits here: another descriptor of
/// the same socket is read.
fn readiness(wire: &Wire) -> std::io::Result<UnixDatagram> {
    let socket = wire.as_fd().try_clone_to_owned()?;
    UnixDatagram::from_std(socket.into())
}

/// Waits for a message of the guardian, or its end. May be dropped half-way: nothing is taken before it returns.
async fn receive(wire: &Wire, ready: &UnixDatagram) -> Received<Status> {
    let take = || match wire.receive() {
        Received::Nothing => Err(ErrorKind::WouldBlock.into()),
        received @ (Received::Message(_) | Received::Closed) => Ok(received),
    };
    ready
        .async_io(Interest::READABLE, take)
        .await
        .unwrap_or(Received::Closed)
}

/// What a session's event is to `core`.
fn fact(event: &zookeeper::Event) -> Option<(u32, SessionEvent)> {
    use zookeeper::Event as E;
    Some(match event {
        E::Opened {
            session,
            id,
            granted,
        } => (
            *session,
            SessionEvent::Opened {
                id: *id,
                granted: *granted,
            },
        ),
        E::OpenFailed { session, .. } => (*session, SessionEvent::OpenFailed),
        E::Interrupted { session } => (*session, SessionEvent::Interrupted),
        E::Restored { session } => (*session, SessionEvent::Restored),
        E::Ended { session, .. } => (*session, SessionEvent::Ended),
        E::Looked { session, sight, .. } => (*session, SessionEvent::Looked(*sight)),
        E::LookFailed { session, .. } => (*session, SessionEvent::LookFailed),
        E::Answered {
            session, outcome, ..
        } => (*session, SessionEvent::Answered(*outcome)),
        E::MasterChanged { session } => (*session, SessionEvent::MasterChanged),
        E::Closed { session, .. } => (*session, SessionEvent::Closed),
        E::Twin { .. } | E::PublishFailed { .. } | E::PublishForbidden { .. } => return None,
    })
}

fn state_text(state: CandidateState) -> &'static str {
    match state {
        CandidateState::Standby => "standby",
        CandidateState::Unable => "unable",
        CandidateState::WaitingOut => "waiting-out",
        CandidateState::Master => "master",
        CandidateState::Stopping => "stopping",
    }
}

fn end_of(exit: Exit) -> End {
    match exit {
        Exit::Done => End::Done,
        Exit::Superseded | Exit::Bereft => End::Failed,
    }
}
