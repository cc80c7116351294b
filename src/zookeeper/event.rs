//! What a session tells the driver.

use std::time::Duration;

use super::look::Names;
use super::record::Candidate;
use crate::core::election::{Outcome, Sight};

/// A fact about a session. `session` is the number it was opened with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// The session is open.
    Opened {
        /// Which.
        session: u32,
        /// ZooKeeper's id of it, the owner of its ephemerals.
        id: i64,
        /// The session timeout that the ensemble granted.
        granted: Duration,
    },
    /// No session could be opened. Nothing else is said of this one.
    OpenFailed {
        /// Which.
        session: u32,
        /// Why, server by server.
        reason: String,
    },
    /// The connection is lost; the library looks for another server.
    Interrupted {
        /// Which.
        session: u32,
    },
    /// There is a connection again. An interruption before it may have gone unsaid. The library does not show whether
    /// the server took the session up or gave us another (ClickHouse Keeper does): the owner of `M` shows it.
    Restored {
        /// Which.
        session: u32,
    },
    /// The session has ended; late, as the library reports it (defect C).
    Ended {
        /// Which.
        session: u32,
        /// How.
        why: String,
    },
    /// The answer to [`Session::look`](super::Session::look).
    Looked {
        /// Which.
        session: u32,
        /// What was seen.
        sight: Sight,
        /// Whose it is, for logs.
        names: Names,
    },
    /// Nothing could be seen.
    LookFailed {
        /// Which.
        session: u32,
        /// Why.
        reason: String,
    },
    /// The answer to [`Session::commit`](super::Session::commit).
    Answered {
        /// Which.
        session: u32,
        /// The number it was given.
        operation: u64,
        /// What became of it.
        outcome: Outcome,
        /// Why, if it is not done.
        reason: Option<String>,
    },
    /// `M` was made, deleted or changed since the last look. The next look watches it again.
    MasterChanged {
        /// Which.
        session: u32,
    },
    /// A live candidate has our name and is not us.
    Twin {
        /// Which.
        session: u32,
        /// The other one. On our own host it may be a supervisor that was killed and whose session has yet to end.
        other: Candidate,
    },
    /// Our candidate znode could not be written. It is tried again at the next look, and not said again for the same reason.
    PublishFailed {
        /// Which.
        session: u32,
        /// Why.
        reason: String,
    },
    /// The same, and somebody must change something at the ensemble first.
    PublishForbidden {
        /// Which.
        session: u32,
        /// Why.
        reason: String,
    },
    /// The answer to [`Session::close`](super::Session::close). Nothing else is said of this session.
    Closed {
        /// Which.
        session: u32,
        /// Why the ensemble has not confirmed it; the session then runs out by itself.
        doubt: Option<String>,
    },
}
