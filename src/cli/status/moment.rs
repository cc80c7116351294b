//! A time of day, as the ensemble or this host has it.

use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

/// A time of day. In JSON it is RFC 3339 in UTC, to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Moment(pub(super) SystemTime);

impl Moment {
    /// From milliseconds since 1970, as a znode's stat has them; none if they are no time that can be written down.
    pub(super) fn from_millis(millis: i64) -> Option<Moment> {
        /// The end of the year 9999 in RFC 3339.
        const LAST: u64 = 253_402_300_799_999;
        let millis = u64::try_from(millis).ok().filter(|it| *it <= LAST)?;
        Some(Moment(
            SystemTime::UNIX_EPOCH + Duration::from_millis(millis),
        ))
    }

    /// How long ago it was.
    ///
    /// # Errors
    /// How far in the future it is.
    pub(super) fn age(self, now: SystemTime) -> Result<Duration, Duration> {
        now.duration_since(self.0).map_err(|error| error.duration())
    }

    /// The time of day where it is of these last 24 hours, else the day too.
    pub(super) fn text(self, now: SystemTime) -> String {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let text = humantime::format_rfc3339_seconds(self.0).to_string();
        let text = text.trim_end_matches('Z').replace('T', " ");
        match text.split_once(' ') {
            Some((_, time)) if self.age(now).is_ok_and(|age| age < DAY) => time.to_owned(),
            Some(_) | None => text,
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_rfc3339_millis(self.0))
    }
}

/// A duration in the two units that matter: `2m 10s`, `400ms`.
pub(super) fn brief(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let grain = if millis < 1000 { 1 } else { 100 };
    let text = if millis >= 10_000 {
        humantime::format_duration(Duration::from_secs(millis / 1000)).to_string()
    } else if millis >= 1000 && millis / grain % 10 != 0 {
        format!("{}.{}s", millis / 1000, millis / grain % 10)
    } else {
        humantime::format_duration(Duration::from_millis(millis / grain * grain)).to_string()
    };
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_written_is_none() {
        for millis in [-1, i64::MIN, i64::MAX, 253_402_300_800_000] {
            assert_eq!(Moment::from_millis(millis), None, "{millis}");
        }
        let last = Moment::from_millis(253_402_300_799_999).expect("the last of them");
        assert_eq!(
            serde_json::to_string(&last).expect("it can be written"),
            r#""9999-12-31T23:59:59.999Z""#
        );
    }

    #[test]
    fn the_day_is_shown_only_where_it_matters() {
        let moment = Moment::from_millis(1_700_000_000_000).expect("a time");
        let later = |hours: u64| moment.0 + Duration::from_secs(hours * 3600);
        assert_eq!(moment.text(later(23)), "22:13:20");
        assert_eq!(moment.text(later(25)), "2023-11-14 22:13:20");
    }

    #[test]
    fn a_duration_has_two_units_at_most() {
        for (millis, text) in [
            (0, "0s"),
            (412, "412ms"),
            (1000, "1s"),
            (3333, "3.3s"),
            (16_667, "16s"),
            (130_000, "2m 10s"),
            (3_600_000, "1h"),
            (90_061_000, "1day 1h"),
        ] {
            assert_eq!(brief(Duration::from_millis(millis)), text);
        }
    }
}
