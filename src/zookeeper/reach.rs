//! Which servers answer at all: the client library says only that none did.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// One server, and whether a TCP connection to it could be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reach {
    /// The server as it is configured.
    pub server: String,
    /// Why it could not be reached; none if it could.
    pub obstacle: Option<String>,
}

/// Tries all `servers` at once, for at most `limit`. May be dropped at any time.
pub(super) async fn reach(servers: &[String], limit: Duration) -> Vec<Reach> {
    let mut attempts = JoinSet::new();
    for (place, server) in servers.iter().cloned().enumerate() {
        attempts.spawn(async move {
            let obstacle = match timeout(limit, connect(&server)).await {
                Ok(result) => result.err(),
                Err(_) => Some("no answer".to_owned()),
            };
            (place, Reach { server, obstacle })
        });
    }
    let mut reached = attempts.join_all().await;
    reached.sort_by_key(|(place, _)| *place);
    reached.into_iter().map(|(_, reach)| reach).collect()
}

/// How long a server is given to show why no session was opened on it: 500 ms, many round trips, and little enough to
/// keep nobody waiting who would rather try again.
const EXPLAINED_WITHIN: Duration = Duration::from_millis(500);

/// Why no session could be opened, server by server.
pub(super) async fn explain(servers: &[String]) -> String {
    let reached = reach(servers, EXPLAINED_WITHIN).await;
    let reasons: Vec<String> = reached
        .iter()
        .map(|reach| match &reach.obstacle {
            Some(obstacle) => format!("{}: {obstacle}", reach.server),
            None => format!("{}: connected, but no session was opened", reach.server),
        })
        .collect();
    reasons.join("; ")
}

async fn connect(server: &str) -> Result<(), String> {
    let addresses: Vec<_> = lookup_host(server)
        .await
        .map_err(|error| format!("the name cannot be resolved ({})", plain(&error)))?
        .collect();
    TcpStream::connect(addresses.as_slice())
        .await
        .map(drop)
        .map_err(|error| plain(&error))
}

/// An I/O error as the system words it, without Rust's number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    text.trim_start_matches("failed to lookup address information: ")
        .to_lowercase()
}
