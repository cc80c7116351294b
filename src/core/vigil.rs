//! Is the other process of the pair alive? It is asked by a message and answers with one.

use super::time::Time;
use std::time::Duration;

/// Watches for signs of life of the other process.
///
/// Silence counts only while we ourselves were running: after a suspend, a SIGSTOP or a starved processor, the other's
/// messages may not have been written yet, and it gets its full time again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Vigil {
    heard: Time,
    woke: Time,
    /// When we last went on after we had not run ourselves.
    revived: Time,
    patience: Duration,
}

impl Vigil {
    /// Begins to watch at `now`; silence is longer than `patience`.
    #[must_use]
    pub fn new(now: Time, patience: Duration) -> Vigil {
        Vigil {
            heard: now,
            woke: now,
            revived: now,
            patience,
        }
    }

    /// Records a sign of life.
    pub fn hear(&mut self, now: Time) {
        self.heard = now;
    }

    /// Records that we run. To be called at [`Vigil::next_wake`] at the latest.
    pub fn wake(&mut self, now: Time) {
        if now.since(self.woke) > self.patience / 2 {
            self.heard = now;
            self.revived = now;
        }
        self.woke = now;
    }

    /// Since when we run ourselves.
    #[must_use]
    pub fn revived(&self) -> Time {
        self.revived
    }

    /// Whether the other has been silent for too long.
    #[must_use]
    pub fn is_silent(&self, now: Time) -> bool {
        now.since(self.heard) >= self.patience
    }

    /// When to look again: four times in the patience.
    #[must_use]
    pub fn next_wake(&self) -> Time {
        self.woke + self.patience / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn silence_is_noticed_after_the_patience() {
        let mut vigil = Vigil::new(at(0), PATIENCE);
        for millis in (250..1000).step_by(250) {
            vigil.wake(at(millis));
            assert!(!vigil.is_silent(at(millis)));
        }
        vigil.wake(at(1000));
        assert!(vigil.is_silent(at(1000)));
    }

    #[test]
    fn a_sign_of_life_begins_the_patience_anew() {
        let mut vigil = Vigil::new(at(0), PATIENCE);
        vigil.hear(at(900));
        assert!(!vigil.is_silent(at(1899)));
        assert!(vigil.is_silent(at(1900)));
    }

    #[test]
    fn silence_while_we_did_not_run_ourselves_does_not_count() {
        let mut vigil = Vigil::new(at(0), PATIENCE);
        vigil.wake(at(60_000));
        assert!(!vigil.is_silent(at(60_000)));
        assert_eq!(vigil.revived(), at(60_000));
        vigil.wake(at(60_500));
        assert_eq!(
            vigil.revived(),
            at(60_000),
            "half the patience is no standstill"
        );
        assert!(vigil.is_silent(at(61_000)));
    }

    /// A wake that is late, but not by half the patience, is one in which the other could have spoken.
    #[test]
    fn a_silence_that_we_slept_through_in_part_counts_up_to_half_the_patience() {
        let silent_after = |woke| {
            let mut vigil = Vigil::new(at(0), PATIENCE);
            vigil.wake(at(woke));
            vigil.is_silent(at(1000))
        };
        assert!(silent_after(500));
        assert!(!silent_after(501));
    }

    #[test]
    fn it_looks_four_times_in_the_patience() {
        let mut vigil = Vigil::new(at(0), PATIENCE);
        assert_eq!(vigil.next_wake(), at(250));
        vigil.wake(at(300));
        assert_eq!(vigil.next_wake(), at(550));
    }
}
