//! What the lives together show: when nobody ran, and when two did.

use std::time::Duration;

use crate::story::{Label, Life, Story};

/// From when until when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Interval {
    pub(super) from: Duration,
    pub(super) until: Duration,
}

impl Interval {
    pub(super) fn length(self) -> Duration {
        self.until.saturating_sub(self.from)
    }

    /// Whether any of `from..until` is in it; a moment is in it too.
    pub(super) fn meets(self, from: Duration, until: Duration) -> bool {
        from < self.until && (until > self.from || from >= self.from)
    }
}

/// When no child ran.
pub(super) fn nobody(story: &Story) -> Vec<Interval> {
    pieces(story)
        .filter_map(|(piece, running)| running.is_empty().then_some(piece))
        .collect()
}

/// When more than one child ran, but for what the design excludes: the child of a frozen host, which does not execute.
pub(super) fn overlaps(story: &Story) -> Vec<Interval> {
    let mut merged: Vec<Interval> = Vec::new();
    for (piece, running) in pieces(story) {
        let judged = running
            .iter()
            .filter(|life| !is_excluded(story, piece, life));
        if running.len() < 2 || judged.count() == 1 {
            continue;
        }
        match merged.last_mut() {
            Some(last) if last.until == piece.from => last.until = piece.until,
            Some(_) | None => merged.push(piece),
        }
    }
    merged
}

fn is_excluded(story: &Story, piece: Interval, life: &Life) -> bool {
    let mut faults = story.faults.iter();
    faults.any(|fault| match fault.label {
        Label::Excluded(within) if fault.on.contains(&life.host) => {
            fault.from <= piece.from && piece.until <= fault.until + within
        }
        Label::Excluded(_) | Label::MustRideOut | Label::MayMove => false,
    })
}

/// The run in pieces, at every start and end of a life, with those that ran.
fn pieces(story: &Story) -> impl Iterator<Item = (Interval, Vec<&Life>)> {
    let mut cuts = vec![story.began, story.ended];
    cuts.extend(story.lives.iter().flat_map(|life| [life.start, life.end]));
    cuts.sort_unstable();
    cuts.dedup();
    let pieces: Vec<_> = cuts
        .windows(2)
        .map(|pair| Interval {
            from: pair[0],
            until: pair[1],
        })
        .collect();
    pieces.into_iter().map(|piece| {
        let is_in = |life: &&Life| life.start <= piece.from && life.end >= piece.until;
        (piece, story.lives.iter().filter(is_in).collect())
    })
}
