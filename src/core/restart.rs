//! When a child that ended by itself is started again, in the same term.

use std::time::Duration;

/// The first pause; it doubles with every start that did not last.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);
/// A child that ran this long was well: the next pause is the first again.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// The pauses between the starts of a child.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after the end of a child that ran for `lived`.
    pub fn pause_after(&mut self, lived: Duration) -> Duration {
        self.failures = if lived >= WELL_AFTER {
            0
        } else {
            self.failures
        };
        let pause = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures += 1;
        pause
    }

    /// How many starts in a row did not last.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_longest_and_a_long_life_resets_it() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u64> = (0..8)
            .map(|_| backoff.pause_after(Duration::ZERO).as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.failures(), 8);
        assert_eq!(backoff.pause_after(WELL_AFTER), FIRST);
        assert_eq!(backoff.failures(), 1);
        assert_eq!(
            backoff.pause_after(WELL_AFTER - Duration::from_millis(1)),
            FIRST * 2
        );
    }
}
