//! The ensemble: one session at a time, the transactions of `core` on it, and what the znodes say.
//!
//! It decides nothing. It turns `core`'s [`Transaction`](crate::core::election::Transaction)s into ZooKeeper's, and
//! what ZooKeeper answers into `core`'s facts. It may not know processes or the config's text, and reads no clock:
//! whoever asks for a transaction has read the clock before (R1).
//!
//! The client library (`zookeeper-client` 0.11.2) is fenced in, because it has three defects:
//! * A: with the network down it may spin without ever yielding. So each session has a thread and a runtime of its
//!   own ([`session`]), and whoever gives one up can see whether its thread has ended ([`Abandoned`]).
//! * B: it loses persistent watches when it reconnects. So only one-shot watches are used.
//! * C: it reports an expired session late. So its states are hints; the lease is the driver's.

mod access;
mod attend;
mod event;
mod look;
mod note;
mod obstacle;
mod open;
pub mod paths;
mod publish;
pub mod reach;
pub mod record;
pub mod release;
pub mod session;
pub mod survey;
mod transaction;

pub use event::Event;
pub use look::Names;
pub use paths::Paths;
pub use publish::CandidateState;
pub use session::{Abandoned, Session};

/// Who we are, as other candidates and `status` read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The candidate's name.
    pub name: String,
    /// The host it runs on.
    pub host: String,
    /// The supervisor's process.
    pub pid: u32,
    /// Random, one for each start of the supervisor; electors and sessions of one supervisor share it.
    pub incarnation: u64,
}

/// The servers, our znodes on them, and who we are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ensemble {
    /// Each a `host:port`, an IPv6 address in brackets.
    pub servers: Vec<String>,
    /// Our znodes.
    pub paths: Paths,
    /// Who we are.
    pub identity: Identity,
}

impl Ensemble {
    /// The servers as the client library takes them. It has no chroot: [`Paths`] have it.
    fn connect_string(&self) -> String {
        self.servers.join(",")
    }
}
