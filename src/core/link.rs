//! The elector's connection to the ensemble: which session it uses, and when it gives one up for another.
//!
//! ```text
//! Down ──open──> Opening ──opened──> Up <──restored / interrupted──> Interrupted
//!   ^───────────────┴────── failed, ended, or silent for too long ──────┘
//! ```
//!
//! The client library is not waited for: it notices an expiry late, and it can hang.

use super::time::Time;
use std::time::Duration;

/// The first pause after an attempt that failed; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest: an attempt a second is no burden to the ensemble, and costs a master little of its lease.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The link.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Link {
    state: State,
    opened: u32,
    failures: u32,
    seed: u64,
    connect_timeout: Duration,
    servers: u32,
}

/// What the link is doing. Sessions are numbered from 1 within one elector.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum State {
    /// No session; the next attempt is due at `until`.
    Down {
        /// When.
        until: Time,
    },
    /// A session is being opened.
    Opening {
        /// Its number.
        session: u32,
        /// Since when.
        since: Time,
    },
    /// A session is connected.
    Up {
        /// Its number.
        session: u32,
        /// What the ensemble calls it.
        id: i64,
    },
    /// The library has lost the connection and looks for another.
    Interrupted {
        /// The session's number.
        session: u32,
        /// What the ensemble calls it.
        id: i64,
        /// Since when.
        since: Time,
    },
}

impl Link {
    /// A link whose first attempt is due at `now`. `seed` spreads the attempts of several electors.
    #[must_use]
    pub fn new(now: Time, seed: u64, connect_timeout: Duration, servers: u32) -> Link {
        Link {
            state: State::Down { until: now },
            opened: 0,
            failures: 0,
            seed,
            connect_timeout,
            servers,
        }
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The session in use, whether or not it is connected.
    #[must_use]
    pub fn session(&self) -> Option<u32> {
        match self.state {
            State::Down { .. } => None,
            State::Opening { session, .. }
            | State::Up { session, .. }
            | State::Interrupted { session, .. } => Some(session),
        }
    }

    /// The number of the session to open now, if that is due.
    pub fn open(&mut self, now: Time) -> Option<u32> {
        match self.state {
            State::Down { until } if now >= until => {
                self.opened += 1;
                self.state = State::Opening {
                    session: self.opened,
                    since: now,
                };
                Some(self.opened)
            }
            State::Down { .. }
            | State::Opening { .. }
            | State::Up { .. }
            | State::Interrupted { .. } => None,
        }
    }

    /// Whether the session in use has kept us waiting for too long, given since when it owes an answer.
    #[must_use]
    pub fn is_overdue(&self, now: Time, owes_since: Option<Time>) -> bool {
        now >= self.overdue_at(owes_since)
    }

    /// When [`Link::is_overdue`] becomes true.
    #[must_use]
    pub fn overdue_at(&self, owes_since: Option<Time>) -> Time {
        match self.state {
            State::Down { .. } => Time::NEVER,
            State::Opening { since, .. } => since + self.connect_timeout * (self.servers + 1),
            State::Up { .. } => {
                owes_since.map_or(Time::NEVER, |since| since + self.connect_timeout * 2)
            }
            State::Interrupted { since, .. } => since + self.connect_timeout,
        }
    }

    /// When [`Link::open`] is due.
    #[must_use]
    pub fn open_at(&self) -> Time {
        match self.state {
            State::Down { until } => until,
            State::Opening { .. } | State::Up { .. } | State::Interrupted { .. } => Time::NEVER,
        }
    }

    /// The session is open.
    pub fn note_opened(&mut self, id: i64) {
        if let State::Opening { session, .. } = self.state {
            self.state = State::Up { session, id };
            self.failures = 0;
        }
    }

    /// The library lost the connection.
    pub fn note_interrupted(&mut self, now: Time) {
        if let State::Up { session, id } = self.state {
            self.state = State::Interrupted {
                session,
                id,
                since: now,
            };
        }
    }

    /// The library found another server.
    pub fn note_restored(&mut self) {
        if let State::Interrupted { session, id, .. } = self.state {
            self.state = State::Up { session, id };
        }
    }

    /// The session could not be opened: the next attempt is after a pause that grows.
    pub fn note_failed(&mut self, now: Time) {
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(8))
            .min(LONGEST_PAUSE);
        self.failures += 1;
        self.state = State::Down {
            until: now + pause + self.jitter(pause),
        };
    }

    /// The session kept us waiting for too long: one that never opened counts as failed.
    pub fn replace(&mut self, now: Time) {
        match self.state {
            State::Opening { .. } => self.note_failed(now),
            State::Down { .. } | State::Up { .. } | State::Interrupted { .. } => self.give_up(now),
        }
    }

    /// Whether no session was opened before the one in use.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.opened == 1
    }

    /// The session is of no more use: another is to be opened at once.
    pub fn give_up(&mut self, now: Time) {
        self.state = State::Down { until: now };
    }

    /// Up to half of `pause`, different for each elector and attempt (splitmix64).
    fn jitter(&self, pause: Duration) -> Duration {
        let mut z = self
            .seed
            .wrapping_add(u64::from(self.opened).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        pause / 2 * u32::try_from(z >> 54).unwrap_or(0) / 1024
    }
}
