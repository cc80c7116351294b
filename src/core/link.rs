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
    /// A link whose first attempt is due at `now`. `seed` is random: it spreads the attempts of several electors.
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

    /// The session is of no more use: another is to be opened at once.
    pub fn give_up(&mut self, now: Time) {
        self.state = State::Down { until: now };
    }

    /// Up to half of `pause`: each attempt takes ten other bits of the seed, which is random.
    fn jitter(&self, pause: Duration) -> Duration {
        let share = self.seed.rotate_left(self.opened.wrapping_mul(10)) >> 54;
        pause / 2 * u32::try_from(share).unwrap_or(0) / 1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    /// Connect timeout 2 s, three servers.
    fn link() -> Link {
        Link::new(at(0), 7, Duration::from_secs(2), 3)
    }

    fn opening() -> Link {
        let mut link = link();
        assert_eq!(link.open(at(0)), Some(1));
        link
    }

    fn up() -> Link {
        let mut link = opening();
        link.note_opened(100);
        link
    }

    fn interrupted() -> Link {
        let mut link = up();
        link.note_interrupted(at(1000));
        link
    }

    #[test]
    fn every_state_meets_every_fact() {
        let down = State::Down { until: at(5000) };
        let opening_since = opening().state();
        let (up_now, lost) = (up().state(), interrupted().state());
        type Fact = fn(&mut Link);
        let opened: Fact = |link| link.note_opened(100);
        let cut: Fact = |link| link.note_interrupted(at(1000));
        let restored: Fact = Link::note_restored;
        let given_up: Fact = |link| link.give_up(at(5000));
        let replaced: Fact = |link| link.replace(at(5000));
        let table = [
            (link(), opened, link().state()),
            (link(), cut, link().state()),
            (link(), restored, link().state()),
            (link(), given_up, down),
            (opening(), opened, up_now),
            (opening(), cut, opening_since),
            (opening(), restored, opening_since),
            (opening(), given_up, down),
            (up(), opened, up_now),
            (up(), cut, lost),
            (up(), restored, up_now),
            (up(), given_up, down),
            (up(), replaced, down),
            (interrupted(), opened, lost),
            (interrupted(), cut, lost),
            (interrupted(), restored, up_now),
            (interrupted(), given_up, down),
            (interrupted(), replaced, down),
        ];
        for (row, (mut link, fact, expected)) in table.into_iter().enumerate() {
            fact(&mut link);
            assert_eq!(link.state(), expected, "row {row}");
        }
    }

    #[test]
    fn a_session_is_overdue_by_what_it_owes() {
        let owed = Some(at(3000));
        assert_eq!(link().overdue_at(owed), Time::NEVER);
        assert_eq!(
            opening().overdue_at(None),
            at(8000),
            "a try at each server, and one"
        );
        assert_eq!(up().overdue_at(None), Time::NEVER);
        assert_eq!(up().overdue_at(owed), at(7000));
        assert_eq!(interrupted().overdue_at(owed), at(3000));
        assert!(!up().is_overdue(at(6999), owed) && up().is_overdue(at(7000), owed));
    }

    /// Sessions are numbered; one is opened at a time, and only when it is due.
    #[test]
    fn one_session_is_opened_at_a_time() {
        let mut link = opening();
        assert_eq!((link.open(at(0)), link.open_at()), (None, Time::NEVER));
        link.give_up(at(500));
        assert_eq!((link.session(), link.open_at()), (None, at(500)));
        assert_eq!(link.open(at(499)), None);
        assert_eq!(link.open(at(500)), Some(2));
        assert_eq!(link.session(), Some(2));
    }

    #[test]
    fn the_pause_doubles_up_to_a_second_is_jittered_and_begins_anew_once_connected() {
        let mut link = link();
        let mut now = at(0);
        for millis in [100, 200, 400, 800, 1000, 1000] {
            let _ = link.open(now);
            link.replace(now);
            let pause = link.open_at().since(now);
            let least = Duration::from_millis(millis);
            assert!(pause >= least && pause < least * 3 / 2, "{pause:?}");
            now = link.open_at();
        }
        let _ = link.open(now);
        link.note_opened(100);
        link.note_failed(now);
        assert!(link.open_at().since(now) < Duration::from_millis(150));
    }

    /// The parts of 1024 of half a pause that are added to the pauses of the first attempts.
    fn jitters(seed: u64) -> [u128; 4] {
        let mut link = Link::new(at(0), seed, Duration::from_secs(2), 3);
        [1, 2, 4, 8].map(|pauses| {
            let pause = FIRST_PAUSE * pauses;
            let _ = link.open(link.open_at());
            link.note_failed(at(0));
            let jitter = (link.open_at() - pause).since(at(0));
            (jitter * 2 * 1024).as_nanos().div_ceil(pause.as_nanos())
        })
    }

    #[test]
    fn each_attempt_takes_other_bits_of_the_seed() {
        let tens = |bits: [u64; 6]| bits.iter().fold(0, |seed, ten| seed << 10 | ten) << 4;
        assert_eq!(jitters(tens([0, 1, 512, 1023, 77, 0])), [1, 512, 1023, 77]);
        assert_eq!(jitters(tens([9, 0, 0, 0, 0, 9])), [0; 4]);
    }
}
