//! What the thread of a session does: it answers the driver's requests, and tells of changes of state.

use std::sync::Arc;

use tokio::select;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use zookeeper_client::{Client, SessionInfo, SessionState};

use super::Ensemble;
use super::event::Event;
use super::look::{Watch, look};
use super::open::{Dropped, open};
use super::publish::{CandidateState, start_publisher};
use super::transaction::commit;
use crate::core::election::{Outcome, Transaction};
use crate::core::lease::Timing;

/// What the driver asks of a session.
#[derive(Debug)]
pub(super) enum Request {
    Look,
    Commit(u64, Transaction),
    Publish(CandidateState),
    Close,
}

/// What every task of a session knows.
pub(super) struct Shell {
    pub(super) number: u32,
    pub(super) ensemble: Ensemble,
    pub(super) timing: Timing,
    pub(super) events: UnboundedSender<Event>,
}

/// How the session is left.
pub(super) enum Leave {
    /// It runs out.
    Abandon,
    /// It is to be closed, if there is one.
    Close(Option<SessionInfo>),
}

impl Shell {
    /// Tells the driver. One that does not listen any more has left.
    pub(super) fn tell(&self, event: Event) {
        drop(self.events.send(event));
    }
}

/// Opens the session and attends to it until it is left. May be dropped at any time, which abandons it.
pub(super) async fn serve(shell: &Arc<Shell>, requests: &mut UnboundedReceiver<Request>) -> Leave {
    let session = shell.number;
    let opened = select! {
        biased;
        leave = turn_down(shell, requests) => return leave,
        opened = open(&shell.ensemble, &shell.timing, Dropped::RunsOut) => opened,
    };
    match opened {
        Ok(client) => {
            shell.tell(Event::Opened {
                session,
                id: client.session_id().0,
                granted: client.session_timeout(),
            });
            attend(shell, client, requests).await
        }
        Err(reason) => {
            shell.tell(Event::OpenFailed { session, reason });
            Leave::Abandon
        }
    }
}

/// Answers requests while there is no session yet. May be dropped at any time.
async fn turn_down(shell: &Shell, requests: &mut UnboundedReceiver<Request>) -> Leave {
    loop {
        match requests.recv().await {
            None => return Leave::Abandon,
            Some(Request::Close) => return Leave::Close(None),
            Some(Request::Publish(_)) => {}
            Some(Request::Look) => look_failed(shell),
            Some(Request::Commit(operation, _)) => not_sent(shell, operation),
        }
    }
}

/// Waits for a request or a change of state, and starts what is asked for; nothing here waits for the ensemble.
async fn attend(
    shell: &Arc<Shell>,
    client: Client,
    requests: &mut UnboundedReceiver<Request>,
) -> Leave {
    let mut states = client.state_watcher();
    // What changed before there was a watcher.
    if states.peek_state() != SessionState::SyncConnected {
        shell.tell(state_event(shell.number, states.peek_state()));
    }
    let watch = Watch::default();
    // Poked at every turn: what could not be published before, for want of a connection or of a root, may be now.
    let publisher = start_publisher(shell, &client);
    loop {
        select! {
            biased;
            // Pends for ever after the session has ended: there is nothing left but to be left. May be dropped.
            state = states.changed() => {
                shell.tell(state_event(shell.number, state));
                publisher.send_modify(|_| ());
            }
            request = requests.recv() => match request {
                None => return Leave::Abandon,
                Some(Request::Close) => return Leave::Close(Some(client.into_session())),
                Some(Request::Publish(state)) => drop(publisher.send(Some(state))),
                Some(Request::Look) => {
                    drop(tokio::spawn(look_once(shell.clone(), client.clone(), watch.clone())));
                    publisher.send_modify(|_| ());
                }
                Some(Request::Commit(operation, transaction)) => {
                    let (shell, client) = (shell.clone(), client.clone());
                    drop(tokio::spawn(commit_once(shell, client, operation, transaction)));
                }
            }
        }
    }
}

fn state_event(session: u32, state: SessionState) -> Event {
    let ended = |why: &str| Event::Ended {
        session,
        why: why.to_owned(),
    };
    match state {
        SessionState::SyncConnected => Event::Restored { session },
        // We never ask for a read-only session; without writes it is as good as none.
        SessionState::Disconnected | SessionState::ConnectedReadOnly => {
            Event::Interrupted { session }
        }
        SessionState::Expired => ended("expired"),
        SessionState::Closed => ended("closed"),
        SessionState::AuthFailed => ended("the ensemble refused our credentials"),
    }
}

/// A request made without a connection would be queued, and sent after the next one is made: too late.
pub(super) fn is_connected(client: &Client) -> bool {
    client.state() == SessionState::SyncConnected
}

const NO_CONNECTION: &str = "no connection";

fn look_failed(shell: &Shell) {
    shell.tell(Event::LookFailed {
        session: shell.number,
        reason: NO_CONNECTION.to_owned(),
    });
}

fn not_sent(shell: &Shell, operation: u64) {
    shell.tell(Event::Answered {
        session: shell.number,
        operation,
        outcome: Outcome::Unknown,
        reason: Some(NO_CONNECTION.to_owned()),
    });
}

async fn look_once(shell: Arc<Shell>, client: Client, watch: Watch) {
    if !is_connected(&client) {
        return look_failed(&shell);
    }
    let session = shell.number;
    let watching = shell.clone();
    let changed = move || watching.tell(Event::MasterChanged { session });
    let looked = look(&client, &shell.ensemble.paths, &watch, changed).await;
    shell.tell(match looked {
        Ok((sight, names)) => Event::Looked {
            session,
            sight,
            names,
        },
        Err(reason) => Event::LookFailed { session, reason },
    });
}

async fn commit_once(shell: Arc<Shell>, client: Client, operation: u64, transaction: Transaction) {
    if !is_connected(&client) {
        return not_sent(&shell, operation);
    }
    let (outcome, reason) = commit(&client, &shell.ensemble, &transaction).await;
    shell.tell(Event::Answered {
        session: shell.number,
        operation,
        outcome,
        reason,
    });
}
