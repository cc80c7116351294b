//! Opening a session, and ending one for good.

use std::time::Duration;

use tokio::time::timeout;
use zookeeper_client::{Client, Connector, Error, SessionInfo, SessionState};

use super::Ensemble;
use super::reach::explain;
use crate::core::lease::Timing;

/// What becomes of a session whose client is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dropped {
    /// It runs out (R12): an accident does not free `M`.
    RunsOut,
    /// It is closed, and its ephemerals go at once.
    Closes,
}

/// Opens a session. Fails as soon as each server was tried once; the library is given the connect timeout for each.
/// May be dropped at any time: a session that was opened all the same has no ephemerals, and runs out.
///
/// # Errors
/// Why there is none, server by server.
pub(super) async fn open(
    ensemble: &Ensemble,
    timing: &Timing,
    dropped: Dropped,
) -> Result<Client, String> {
    let connector = connector(timing, dropped);
    match connector.connect(&ensemble.connect_string()).await {
        Ok(client) => Ok(client),
        Err(Error::NoHosts | Error::Timeout) => Err(explain(&ensemble.servers).await),
        Err(error) => Err(error.to_string()),
    }
}

/// Closes a session that no client holds any more, by attaching to it once again: the library never closes one that
/// runs detached. M is gone when this returns `Ok`.
///
/// # Errors
/// Why the ensemble did not confirm it within twice the connect timeout; the session then runs out by itself.
pub(super) async fn close(
    session: SessionInfo,
    ensemble: &Ensemble,
    timing: &Timing,
) -> Result<(), String> {
    let connector = connector(timing, Dropped::Closes).with_session(session);
    let limit = timing.connect_timeout * 2;
    let closing = async {
        match connector.connect(&ensemble.connect_string()).await {
            Ok(client) => hang_up(client).await,
            Err(Error::SessionExpired) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    };
    bounded(limit, closing).await
}

/// Drops a client that [closes](Dropped::Closes), and waits until the ensemble has confirmed it or `limit` is over.
pub(super) async fn leave(client: Client, limit: Duration) {
    let _ = bounded(limit, hang_up(client)).await;
}

async fn hang_up(client: Client) -> Result<(), String> {
    let mut states = client.state_watcher();
    drop(client);
    loop {
        let state = states.changed().await;
        match state {
            SessionState::Closed | SessionState::Expired => return Ok(()),
            SessionState::AuthFailed => return Err("the ensemble refused us".to_owned()),
            SessionState::Disconnected
            | SessionState::SyncConnected
            | SessionState::ConnectedReadOnly => {}
        }
    }
}

async fn bounded<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err("no answer".to_owned()))
}

fn connector(timing: &Timing, dropped: Dropped) -> Connector {
    let connector = Client::connector()
        .with_session_timeout(timing.session_timeout)
        .with_connection_timeout(timing.connect_timeout)
        .with_fail_eagerly();
    match dropped {
        Dropped::RunsOut => connector.with_detached(),
        Dropped::Closes => connector,
    }
}
