//! A run is longer than a page is wide: it is cut into strips.

use std::time::Duration;

use super::intervals::{self, Interval};
use crate::story::Story;

/// How much of the run is in one strip: at 10 pixels a second a wait-out of some seconds is plain to see.
const STRIP: Duration = Duration::from_secs(90);

/// All the strips, in order, from the first moment anything was seen to the last; at least one.
pub(super) fn strips(story: &Story) -> Vec<Interval> {
    let (began, ended) = extent(story);
    let mut all = Vec::new();
    let mut from = began;
    while from < ended || all.is_empty() {
        let until = from + STRIP;
        all.push(Interval { from, until });
        from = until;
    }
    if let Some(last) = all.last_mut() {
        last.until = last.until.min(ended.max(last.from + STRIP / 3));
    }
    all
}

/// How wide a strip of `length` is, as a share of a full one: all strips have one scale, unless there is but one.
pub(super) fn share(story: &Story, strip: Interval) -> f64 {
    if extent(story).1.saturating_sub(story.began) <= STRIP {
        return 1.0;
    }
    strip.length().as_secs_f64() / STRIP.as_secs_f64()
}

/// The strip to show where there is room for one: with an overlap, or else where most happens.
pub(super) fn most_telling(story: &Story) -> Interval {
    let overlaps = intervals::overlaps(story);
    let happenings = |strip: &Interval| {
        let twos = overlaps
            .iter()
            .filter(|two| strip.meets(two.from, two.until))
            .count();
        let faults = story.faults.iter().filter(|fault| is_in(strip, fault.from));
        let starts = story.lives.iter().filter(|life| is_in(strip, life.start));
        (twos.min(1), faults.count() + starts.count())
    };
    let mut best = strips(story);
    // Of equals, the first.
    best.sort_by_key(|strip| std::cmp::Reverse(happenings(strip)));
    best.remove(0)
}

fn is_in(strip: &Interval, moment: Duration) -> bool {
    strip.meets(moment, moment)
}

fn extent(story: &Story) -> (Duration, Duration) {
    let lives = || story.lives.iter();
    let began = lives()
        .map(|life| life.start)
        .fold(story.began, Duration::min);
    let ended = lives()
        .map(|life| life.end)
        .fold(story.ended, Duration::max);
    (began, ended)
}
