//! The arithmetic of the lease: every duration the promise depends on, and how they fit together.
//!
//! All of it follows from the granted session timeout `S`. From the moment a renewal is *sent*:
//!
//! ```text
//! 0            stop after          kill after     lease end      wait-out ends         S
//! |--- child runs ---|-- grace period --|- kill margin -|-- ε --|- clocks, poll -|---- spare ----|
//! |<------------------------- lease L ------------------------->|
//! ```
//!
//! * The lease ends `L − ε` after the sending of the renewal (R1). [`EPSILON`] covers what lies between reading the
//!   clock and handing the request over.
//! * SIGKILL comes a [kill margin](Timing::kill_margin) before that, the stop signal a
//!   [grace period](Timing::grace_period) earlier still.
//! * A standby that saw that very renewal may start its child after the [wait-out](Timing::wait_out),
//!   `L·(1+ρ)/(1−ρ) + ε` by its own clock (R3): ρ bounds the rate error of each clock, so a slow clock at the old
//!   master and a fast one at the new are both covered.
//! * The session of a dead master ends about `S` after its last sign of life, so a wait-out that is shorter than `S`
//!   by more than the poll interval costs nothing.

use super::time::Time;
use std::time::Duration;

/// What the lease keeps in reserve at its end, and the wait-out adds at its own: 100 ms. It covers the few
/// instructions between reading the clock and sending, and a timer that fires late.
pub const EPSILON: Duration = Duration::from_millis(100);

/// The longest lease anybody may ask for: one hour. A length read from a znode is cut to it, so that a stranger's
/// number cannot keep the group without a master for a year.
pub const LONGEST_LEASE: Duration = Duration::from_secs(3600);

/// Renewals that must fit between two good ones before the stop signal: with fewer, one lost reply stops the child.
const RENEWALS_TO_SPARE: u32 = 3;

/// How far the rate of a host's clock may be off, in parts per million.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RateBound(u32);

impl RateBound {
    /// 1 %: twenty times what NTP may slew (500 ppm), and little enough to cost half a second in 25.
    pub const DEFAULT: RateBound = RateBound(10_000);
    /// 10 %: above chrony's largest default slew rate (83 333 ppm).
    pub const LARGEST: RateBound = RateBound(100_000);

    /// A bound of `ppm` parts per million, if that is no more than [`RateBound::LARGEST`].
    #[must_use]
    pub fn from_ppm(ppm: u32) -> Option<RateBound> {
        (ppm <= Self::LARGEST.0).then_some(RateBound(ppm))
    }

    /// The bound in parts per million.
    #[must_use]
    pub const fn ppm(self) -> u32 {
        self.0
    }
}

/// What the operator set; the rest is derived from `session_timeout`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[expect(
    missing_docs,
    reason = "each field is documented at `Timing`, which it becomes"
)]
pub struct Wish {
    pub session_timeout: Option<Duration>,
    pub connect_timeout: Option<Duration>,
    pub lease: Option<Duration>,
    pub renew_interval: Option<Duration>,
    pub poll_interval: Option<Duration>,
    pub grace_period: Option<Duration>,
    pub kill_margin: Option<Duration>,
    pub clock_rate_bound: Option<RateBound>,
}

/// Every duration in force.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timing {
    /// The session timeout `S` asked of the ensemble, which may grant another. Default: 30 s.
    pub session_timeout: Duration,
    /// How long one server may take to answer, for a connection or on it. Default: `S/15`, at least 1 s.
    pub connect_timeout: Duration,
    /// The lease length `L`. Default: `5·S/6`; below 10 s a little more, at most `11·S/12`.
    pub lease: Duration,
    /// How long after one renewal the next is sent. Default: `S/30`, at least 100 ms.
    pub renew_interval: Duration,
    /// How often a standby reads the term record. Default: `S/60`, at least 100 ms.
    pub poll_interval: Duration,
    /// How long the child may take to end after the stop signal. Default: `S/6`.
    pub grace_period: Duration,
    /// How long before the end of the lease SIGKILL is sent. Default: `S/15`, at least 1 s.
    pub kill_margin: Duration,
    /// ρ: how far the rate of each host's clock may be off. Default: 1 %.
    pub clock_rate_bound: RateBound,
}

/// Durations that do not fit together.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Misfit {
    /// The wait-out, and a poll before it, would last beyond the session: a takeover would wait for nothing.
    LeaseOutlivesSession {
        /// Wait-out and poll interval together.
        wait_out: Duration,
        /// The session timeout they must not exceed.
        session_timeout: Duration,
        /// The longest lease that fits.
        longest: Duration,
    },
    /// Grace period and kill margin leave no room for the renewals that must be able to fail.
    NoRoomToStop {
        /// How long after a renewal the stop signal would be sent; zero if it is already late then.
        stop_after: Duration,
        /// How long that must be at least.
        least: Duration,
    },
    /// The client library ignores a connect timeout above 3/5 of the session timeout.
    ConnectTimeoutTooLong {
        /// The longest it obeys.
        longest: Duration,
    },
}

impl Wish {
    /// Fills in every default. The result need not fit together: see [`Timing::misfits`].
    #[must_use]
    pub fn timing(&self) -> Timing {
        let session = self.session_timeout.unwrap_or(Duration::from_secs(30));
        let second = Duration::from_secs(1);
        let tenth = Duration::from_millis(100);
        let poll = self.poll_interval.unwrap_or(part(session, 60).max(tenth));
        let bound = self.clock_rate_bound.unwrap_or(RateBound::DEFAULT);
        Timing {
            session_timeout: session,
            connect_timeout: self
                .connect_timeout
                .unwrap_or(part(session, 15).max(second)),
            lease: self.lease.unwrap_or(default_lease(session, poll, bound)),
            renew_interval: self.renew_interval.unwrap_or(part(session, 30).max(tenth)),
            poll_interval: poll,
            grace_period: self.grace_period.unwrap_or(part(session, 6)),
            kill_margin: self.kill_margin.unwrap_or(part(session, 15).max(second)),
            clock_rate_bound: bound,
        }
    }
}

impl Timing {
    /// All that does not fit together; empty if everything does.
    #[must_use]
    pub fn misfits(&self) -> Vec<Misfit> {
        [
            self.lease_misfit(),
            self.stop_misfit(),
            self.connect_misfit(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The same arithmetic on the session timeout that the ensemble granted: a shorter one shortens the lease.
    ///
    /// # Errors
    /// Grace period and kill margin, which never change, no longer fit into the shorter lease.
    pub fn granted(&self, session_timeout: Duration) -> Result<Timing, Misfit> {
        let shorter = default_lease(session_timeout, self.poll_interval, self.clock_rate_bound);
        let granted = Timing {
            session_timeout,
            lease: if session_timeout < self.session_timeout {
                self.lease.min(shorter)
            } else {
                self.lease
            },
            connect_timeout: self
                .connect_timeout
                .min(longest_connect_timeout(session_timeout)),
            ..*self
        };
        granted
            .misfits()
            .into_iter()
            .next()
            .map_or(Ok(granted), Err)
    }

    /// R3: how long a standby that has just seen a record `held` with this lease waits before its own child starts.
    #[must_use]
    pub fn wait_out(&self, lease: Duration) -> Duration {
        wait_out(lease, self.clock_rate_bound)
    }

    /// How long after the sending of its last good renewal the child gets the stop signal.
    #[must_use]
    pub fn stop_after(&self) -> Duration {
        self.lease
            .saturating_sub(EPSILON + self.kill_margin + self.grace_period)
    }

    /// The longest time without any good renewal that does not touch the child, wherever in the renewal interval it
    /// begins.
    #[must_use]
    pub fn rides_out(&self) -> Duration {
        self.stop_after().saturating_sub(self.renew_interval)
    }

    /// The longest time from a master's host going dark to the start of a standby's child: R10 bounds it by the
    /// lease, whatever becomes of the session.
    #[must_use]
    pub fn takeover_after(&self) -> Duration {
        self.wait_out(self.lease) + self.poll_interval * 2
    }

    /// How long a master that is well may take from losing its znode to the release of its term: the grace period, and
    /// the kill margin for what comes after it.
    #[must_use]
    pub fn gives_up_within(&self) -> Duration {
        self.grace_period + self.kill_margin
    }

    /// How long elector and guardian wait for a sign of life of each other: an eighth of the lease, from 1 to 3 s.
    /// A replacement, with one connect timeout for its session, then fits well inside the lease.
    #[must_use]
    pub fn patience(&self) -> Duration {
        (self.lease / 8).clamp(Duration::from_secs(1), Duration::from_secs(3))
    }

    fn lease_misfit(&self) -> Option<Misfit> {
        let wait_out = self.wait_out(self.lease) + self.poll_interval;
        let longest = longest_lease(
            self.session_timeout,
            self.poll_interval,
            self.clock_rate_bound,
        );
        (wait_out > self.session_timeout).then_some(Misfit::LeaseOutlivesSession {
            wait_out,
            session_timeout: self.session_timeout,
            longest,
        })
    }

    fn stop_misfit(&self) -> Option<Misfit> {
        let least = self.renew_interval * RENEWALS_TO_SPARE;
        (self.stop_after() < least).then(|| Misfit::NoRoomToStop {
            stop_after: self.stop_after(),
            least,
        })
    }

    fn connect_misfit(&self) -> Option<Misfit> {
        let longest = longest_connect_timeout(self.session_timeout);
        (self.connect_timeout > longest).then_some(Misfit::ConnectTimeoutTooLong { longest })
    }
}

/// R1: when the lease ends that a renewal sent at `sent` gives, if it is answered with OK.
#[must_use]
pub fn lease_end(sent: Time, lease: Duration) -> Time {
    sent + lease.saturating_sub(EPSILON)
}

/// `L·(1+ρ)/(1−ρ) + ε`, rounded up to the next nanosecond.
#[must_use]
pub fn wait_out(lease: Duration, bound: RateBound) -> Duration {
    let ppm = u128::from(bound.ppm());
    let stretched = (lease.as_nanos() * (1_000_000 + ppm)).div_ceil(1_000_000 - ppm);
    from_nanos(stretched).saturating_add(EPSILON)
}

/// The longest lease whose stretched length is no more than `room`, in whole milliseconds.
fn shrink(room: Duration, bound: RateBound) -> Duration {
    let ppm = u128::from(bound.ppm());
    let lease = from_nanos(room.as_nanos() * (1_000_000 - ppm) / (1_000_000 + ppm));
    Duration::from_millis(u64::try_from(lease.as_millis()).unwrap_or(u64::MAX))
}

/// 5/6 of the session: what is left covers ρ, ε, a poll, and about 3 s that the leader may learn of a session's last
/// sign of life too early (its followers report them every half tick). A short session is given more, so that with the
/// other defaults it, too, rides out a server that is frozen for half of its length, and 200 ms to find it again; but no
/// more than fits, nor than 11/12.
fn default_lease(session: Duration, poll: Duration, bound: RateBound) -> Duration {
    let calm = part(session * 7, 10) + Duration::from_millis(1300);
    let most = longest_lease(session, poll, bound).min(part(session * 11, 12));
    part(session * 5, 6).max(calm.min(most))
}

/// The longest whose wait-out, and a poll before it, end within the session.
fn longest_lease(session: Duration, poll: Duration, bound: RateBound) -> Duration {
    shrink(session.saturating_sub(EPSILON + poll), bound)
}

/// A part of a duration, in whole milliseconds: what people read should be readable.
fn part(whole: Duration, parts: u32) -> Duration {
    Duration::from_millis(u64::try_from((whole / parts).as_millis()).unwrap_or(u64::MAX))
}

fn longest_connect_timeout(session_timeout: Duration) -> Duration {
    session_timeout * 3 / 5
}

fn from_nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(session: u64) -> Timing {
        Wish {
            session_timeout: Some(Duration::from_secs(session)),
            ..Wish::default()
        }
        .timing()
    }

    /// A poll or a rate bound of somebody's own takes its room from what a short session was given beyond 5/6.
    #[test]
    fn the_default_lease_makes_room_for_what_was_set() {
        let wish = Wish {
            session_timeout: Some(Duration::from_secs(6)),
            ..Wish::default()
        };
        let polled = Wish {
            poll_interval: Some(Duration::from_millis(500)),
            ..wish
        };
        let skewed = Wish {
            clock_rate_bound: RateBound::from_ppm(50_000),
            ..wish
        };
        for wish in [polled, skewed] {
            assert_eq!(wish.timing().misfits(), [], "{wish:?}");
            assert!(wish.timing().lease > Duration::from_secs(5), "{wish:?}");
            assert!(
                wish.timing().lease < Duration::from_millis(5500),
                "{wish:?}"
            );
        }
        let asked = Wish {
            session_timeout: Some(Duration::from_secs(30)),
            grace_period: Some(Duration::from_millis(500)),
            kill_margin: Some(Duration::from_secs(1)),
            renew_interval: Some(Duration::from_millis(200)),
            ..polled
        };
        let granted = asked.timing().granted(Duration::from_secs(6));
        assert_eq!(granted.map(|it| it.lease), Ok(polled.timing().lease));
    }

    #[test]
    fn every_session_from_six_seconds_rides_out_a_server_that_is_frozen_for_half_of_it() {
        for tenths in 60..=3000 {
            let session = Duration::from_millis(tenths * 100);
            let wish = Wish {
                session_timeout: Some(session),
                ..Wish::default()
            };
            let spare = Duration::from_millis(195);
            assert!(
                wish.timing().rides_out() >= session / 2 + spare,
                "{session:?}"
            );
        }
    }

    #[test]
    fn the_defaults_fit_together_for_every_session_from_four_seconds_to_an_hour() {
        for session in 4..=3600 {
            assert_eq!(timing(session).misfits(), [], "session {session} s");
        }
    }

    #[test]
    fn the_default_session_rides_out_a_leader_that_goes_dark() {
        let timing = timing(30);
        assert_eq!(timing.stop_after(), Duration::from_millis(17_900));
        assert!(
            timing.rides_out() > Duration::from_secs(16),
            "a dark leader costs about 16 s"
        );
        assert!(
            timing.wait_out(timing.lease) < Duration::from_millis(25_700),
            "before the session can end"
        );
    }

    #[test]
    fn the_wait_out_covers_the_slowest_old_and_the_fastest_new_clock() {
        let lease = Duration::from_secs(25);
        let bound = RateBound::DEFAULT;
        // The old master's clock counts `lease` while true time is lease/(1-ρ); the new one's runs at (1+ρ).
        let worst = lease.as_secs_f64() / 0.99 * 1.01;
        assert!(wait_out(lease, bound).as_secs_f64() >= worst + 0.1);
        assert!(wait_out(lease, bound).as_secs_f64() < worst + 0.1001);
    }

    #[test]
    fn a_shorter_granted_session_shortens_the_lease_and_nothing_else() {
        let asked = timing(30);
        let granted = asked
            .granted(Duration::from_secs(20))
            .expect("a session of 20 s has room for 7 s");
        assert_eq!(granted.session_timeout, Duration::from_secs(20));
        assert!(granted.lease < asked.lease);
        assert_eq!(
            (granted.grace_period, granted.kill_margin),
            (asked.grace_period, asked.kill_margin)
        );
        assert_eq!(granted.misfits(), []);
    }

    #[test]
    fn a_longer_granted_session_leaves_the_lease_alone() {
        assert_eq!(
            timing(10).granted(Duration::from_secs(40)).map(|t| t.lease),
            Ok(timing(10).lease)
        );
    }

    #[test]
    fn a_granted_session_without_room_for_grace_and_margin_is_refused() {
        assert!(matches!(
            timing(30).granted(Duration::from_secs(8)),
            Err(Misfit::NoRoomToStop { .. })
        ));
    }

    #[test]
    fn the_longest_lease_that_a_misfit_names_fits() {
        let timing = Timing {
            lease: Duration::from_secs(30),
            ..timing(30)
        };
        let [Misfit::LeaseOutlivesSession { longest, .. }] = timing.misfits()[..] else {
            panic!("{:?}", timing.misfits())
        };
        assert_eq!(
            Timing {
                lease: longest,
                ..timing
            }
            .misfits(),
            []
        );
        assert_ne!(
            Timing {
                lease: longest + Duration::from_millis(2),
                ..timing
            }
            .misfits(),
            []
        );
    }

    #[test]
    fn every_default_is_its_part_of_the_session_and_no_shorter_than_its_least() {
        let millis = |session| {
            let timing = timing(session);
            [
                timing.connect_timeout,
                timing.lease,
                timing.renew_interval,
                timing.poll_interval,
                timing.grace_period,
                timing.kill_margin,
            ]
            .map(|duration| duration.as_millis())
        };
        assert_eq!(millis(30), [2000, 25_000, 1000, 500, 5000, 2000]);
        assert_eq!(millis(8), [1000, 6900, 266, 133, 1333, 1000]);
        assert_eq!(millis(3), [1000, 2744, 100, 100, 500, 1000]);
        assert_eq!(Wish::default().timing(), timing(30));
    }

    #[test]
    fn a_rate_bound_is_at_most_the_largest() {
        let largest = RateBound::LARGEST.ppm();
        assert_eq!(RateBound::from_ppm(largest), Some(RateBound::LARGEST));
        assert_eq!(RateBound::from_ppm(largest + 1), None);
        assert_eq!(RateBound::from_ppm(0).map(RateBound::ppm), Some(0));
    }

    /// What just fits, and a nanosecond more does not.
    #[test]
    fn a_misfit_begins_where_the_room_ends() {
        let more = Duration::from_nanos(1);
        let fit = timing(30);
        let room = fit.stop_after() - fit.renew_interval * RENEWALS_TO_SPARE;
        let stop = |grace_period| Timing {
            grace_period,
            ..fit
        };
        assert_eq!(stop(fit.grace_period + room).misfits(), []);
        assert_eq!(
            stop(fit.grace_period + room + more).misfits(),
            [Misfit::NoRoomToStop {
                stop_after: Duration::from_secs(3) - more,
                least: Duration::from_secs(3),
            }]
        );

        let longest = Duration::from_secs(18);
        let connect = |connect_timeout| Timing {
            connect_timeout,
            ..fit
        };
        assert_eq!(connect(longest).misfits(), []);
        assert_eq!(
            connect(longest + more).misfits(),
            [Misfit::ConnectTimeoutTooLong { longest }]
        );

        let wait_out = fit.wait_out(fit.lease) + fit.poll_interval;
        let session = |session_timeout| Timing {
            session_timeout,
            ..fit
        };
        assert_eq!(session(wait_out).misfits(), []);
        assert!(matches!(
            session(wait_out - more).misfits()[..],
            [Misfit::LeaseOutlivesSession { wait_out: named, .. }] if named == wait_out
        ));
    }

    #[test]
    fn what_is_promised_of_an_outage_follows_from_the_lease() {
        let timing = timing(30);
        assert_eq!(timing.rides_out(), Duration::from_millis(16_900));
        let wait_out = wait_out(timing.lease, timing.clock_rate_bound);
        assert_eq!(timing.takeover_after(), wait_out + Duration::from_secs(1));
        assert_eq!(timing.gives_up_within(), Duration::from_secs(7));
    }

    #[test]
    fn the_patience_is_an_eighth_of_the_lease_from_one_to_three_seconds() {
        let millis = |seconds| {
            let timing = Timing {
                lease: Duration::from_secs(seconds),
                ..timing(30)
            };
            timing.patience().as_millis()
        };
        assert_eq!([4, 16, 40].map(millis), [1000, 2000, 3000]);
    }

    #[test]
    fn the_session_that_was_asked_for_leaves_a_lease_that_was_set_alone() {
        let asked = Timing {
            lease: Duration::from_millis(28_500),
            ..timing(30)
        };
        assert_eq!(asked.granted(asked.session_timeout), Ok(asked));
    }

    #[test]
    fn a_shorter_granted_session_shortens_a_connect_timeout_that_the_library_would_ignore() {
        let asked = Timing {
            connect_timeout: Duration::from_secs(15),
            ..timing(30)
        };
        let granted = asked.granted(Duration::from_secs(20));
        assert_eq!(
            granted.map(|t| t.connect_timeout),
            Ok(Duration::from_secs(12))
        );
    }
}
