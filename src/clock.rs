//! The only reader of a clock. Everything is timed by `CLOCK_BOOTTIME`: it runs on while the machine is suspended and is
//! the same in every process of the host (`clock_gettime(2)`).

use crate::core::time::Time;
use nix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime};

/// Now.
#[must_use]
pub fn now() -> Time {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME)
        .expect("every kernel since 2.6.39 has CLOCK_BOOTTIME");
    Time::from_nanos(
        Duration::from(now)
            .as_nanos()
            .try_into()
            .expect("a host is not up for 500 years"),
    )
}

/// The time of day, for a log line to show; nothing is decided by it.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads clocks"
)]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// Waits until `time`. It may wake late, after a suspend for instance: whoever waits looks at the clock again.
///
/// May be dropped half-way.
#[expect(clippy::disallowed_methods, reason = "this is the module that waits")]
pub async fn sleep_until(time: Time) {
    /// Looked at again at least this often: `tokio` counts on a clock that stands still in a suspend.
    const LONGEST: Duration = Duration::from_secs(1);
    tokio::time::sleep(time.since(now()).min(LONGEST)).await;
}

/// Waits for `duration` where nothing can be waited for: another process's death, seen in `/proc` only.
#[expect(clippy::disallowed_methods, reason = "this is the module that waits")]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}
