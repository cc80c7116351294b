//! The only place of the tests that reads a clock or sleeps: conditions are waited for, with a limit.

use nix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// How often a condition is looked at: often enough to tell milliseconds, seldom enough to leave the CPU to the rest.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// `CLOCK_BOOTTIME`, the clock of the product and of the witness.
pub(crate) fn now() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("Linux has CLOCK_BOOTTIME");
    Duration::from(time)
}

/// A number of seconds, for short test lines.
pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A number of milliseconds.
pub(crate) const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Gives way for a moment.
#[expect(
    clippy::disallowed_methods,
    reason = "the one sleep of the tests: between two looks at a condition"
)]
pub(crate) fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// Waits until `condition` holds, and returns how long that took. Panics after `limit`.
#[track_caller]
pub(crate) fn wait_until(what: &str, limit: Duration, condition: impl FnMut() -> bool) -> Duration {
    let began = now();
    let mut condition = condition;
    wait_for(what, limit, || condition().then_some(()));
    now() - began
}

/// Waits until `look` finds something, and returns it. Panics after `limit`.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    try_for(limit, &mut look).unwrap_or_else(|| panic!("{what}: not within {limit:?}"))
}

/// Waits until `look` finds something, or `limit` has passed.
pub(crate) fn try_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if now() >= deadline {
            return None;
        }
        pause(LOOK_EVERY);
    }
}

/// Looks again and again for `span`, and panics the first time `condition` does not hold: "the child runs on".
#[track_caller]
pub(crate) fn holds_for(what: &str, span: Duration, mut condition: impl FnMut() -> bool) {
    let began = now();
    let broken = try_for(span, || (!condition()).then(|| now() - began));
    if let Some(after) = broken {
        panic!("{what}: no longer true after {after:?}");
    }
}
