//! The verdict, from what the witnesses wrote, and from which of our processes ended: our own logs have no say in it.
//!
//! A restart shows as the start of a life. Each start belongs to the trial that began last before it, and must be
//! something that this trial may cause; nothing may start while all is left alone. The end of a life is known to a tick
//! of its witness only: it decides how long a gap was, and what outlived its lease, which is seconds away.

use crate::bounds::{Effect, Excluded, Expectation};
use crate::endings::Exit;
use crate::kinds::{Kind, Lost, OfGroup, OfHost};
use crate::story::{Fault, Life, LifeEnd, Verdict};
use crate::witnesses::Refusal;
use std::time::Duration;
use zk_supervise::core::lease::Timing;

/// While one of these is done, no renewal succeeds.
const SILENCING: [Kind; 5] = [
    Kind::Host(OfHost::Cut(Lost::Requests)),
    Kind::Host(OfHost::Cut(Lost::Answers)),
    Kind::Host(OfHost::Cut(Lost::Both)),
    Kind::Host(OfHost::Refused),
    Kind::Group(OfGroup::QuorumLost),
];

/// One fault, or two at once, and what became of the group.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Trial {
    pub(crate) done: Vec<Done>,
    pub(crate) expectation: Expectation,
    /// When all was well again, if it was in time.
    pub(crate) whole: Option<Duration>,
    /// The hosts whose guardian went on with another elector.
    pub(crate) replaced: Vec<String>,
}

/// One fault that was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Done {
    pub(crate) kind: Kind,
    pub(crate) on: Vec<String>,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

/// All that the verdict rests on.
pub(crate) struct Evidence<'a> {
    pub(crate) timing: Timing,
    /// When all was well for the first time.
    pub(crate) began: Duration,
    pub(crate) ended: Duration,
    /// The earliest first.
    pub(crate) lives: Vec<Life>,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) exits: Vec<Exit>,
    pub(crate) trials: &'a [Trial],
}

/// What one trial led to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Outcome {
    /// The longest time in which nobody ran.
    pub(crate) gap: Option<Duration>,
    pub(crate) starts: usize,
    pub(crate) takeovers: usize,
}

/// Two ran at once where the design does not exclude it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Beside {
    pub(crate) excluded: Excluded,
    /// For how long both executed.
    pub(crate) span: Duration,
}

impl Trial {
    pub(crate) fn from(&self) -> Duration {
        self.done.iter().map(|it| it.from).min().unwrap_or_default()
    }

    pub(crate) fn until(&self) -> Duration {
        self.done
            .iter()
            .map(|it| it.until)
            .max()
            .unwrap_or_default()
    }

    /// Whether something was done to this host.
    fn is_on(&self, host: &str) -> bool {
        self.done.iter().any(|it| it.on.iter().any(|on| on == host))
    }

    /// What the design excludes of this host, if anything.
    fn excluded_on(&self, host: &str) -> Option<Excluded> {
        match self.expectation.effect {
            Effect::Excluded(excluded) if self.is_on(host) => Some(excluded),
            Effect::None
            | Effect::StartedAgain
            | Effect::MayMove
            | Effect::Moves
            | Effect::Excluded(_) => None,
        }
    }

    /// Whether one of these was done to a host.
    pub(crate) fn has_done(&self, kinds: &[OfHost], host: &str) -> bool {
        let is_one = |done: &Done| matches!(done.kind, Kind::Host(kind) if kinds.contains(&kind));
        self.done
            .iter()
            .any(|it| is_one(it) && it.on.iter().any(|on| on == host))
    }

    /// "elector killed on b", or two of these.
    pub(crate) fn words(&self) -> String {
        let words = self.done.iter().map(|it| match it.on.is_empty() {
            true => it.kind.words().to_owned(),
            false => format!("{} on {}", it.kind.words(), it.on.join(", ")),
        });
        words.collect::<Vec<String>>().join(" and ")
    }
}

impl Evidence<'_> {
    pub(crate) fn verdict(&self) -> Verdict {
        Verdict {
            overlaps: self.overlaps(),
            needless: self.needless(),
            overdue: self.overdue(),
            takeovers: self.outcomes().iter().map(|it| it.takeovers).sum(),
        }
    }

    /// Whether it was done to the master, to a server, or to all; not to a standby.
    pub(crate) fn strikes_master(&self, done: &Done) -> bool {
        let mut before = self.lives.iter().rev();
        let master = before.find(|life| life.start <= done.from);
        let is_on_master = master.is_some_and(|life| done.on.contains(&life.host));
        !matches!(done.kind, Kind::Host(_)) || is_on_master
    }

    /// The faults as the report has them.
    pub(crate) fn faults(&self) -> Vec<Fault> {
        let pairs = self.trials.iter().zip(self.outcomes());
        pairs
            .flat_map(|(trial, outcome)| {
                trial.done.iter().map(move |done| Fault {
                    kind: done.kind.words().into(),
                    on: done.on.clone(),
                    from: done.from,
                    until: done.until,
                    label: trial.expectation.effect.label(),
                    gap: outcome.gap,
                    bound: Some(trial.expectation.bound),
                })
            })
            .collect()
    }

    /// What each trial led to.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::default(); self.trials.len()];
        let mut last_seen = Duration::ZERO;
        for (before, life) in self.successions() {
            last_seen = last_seen.max(self.silent_from(before, life));
            if let Some(cause) = self.cause(life) {
                let outcome = &mut outcomes[cause];
                let gap = life.start.saturating_sub(last_seen);
                outcome.gap = outcome.gap.max(Some(gap));
                outcome.starts += 1;
                outcome.takeovers += usize::from(before.token != life.token);
            }
        }
        if let (Some(trial), Some(outcome)) = (self.trials.last(), outcomes.last_mut())
            && trial.whole.is_none()
        {
            outcome.gap = outcome.gap.max(self.last_gap());
        }
        outcomes
    }

    /// When a life was last seen before the next: one that was frozen executes nothing until the thaw.
    fn silent_from(&self, before: &Life, next: &Life) -> Duration {
        let trial = self.cause(next).map(|index| &self.trials[index]);
        match trial.and_then(|it| Some((it, it.excluded_on(&before.host)?))) {
            Some((trial, Excluded::Frozen)) => end(before).min(trial.from()),
            Some((_, Excluded::Orphaned | Excluded::Unguarded)) | None => end(before),
        }
    }

    /// For how long nobody had run when the run ended, if nobody did.
    fn last_gap(&self) -> Option<Duration> {
        let last = self.lives.iter().map(end).max().unwrap_or(self.began);
        (last < self.ended).then(|| self.ended - last)
    }

    /// What two of one moment are forgiven, and how long it was.
    pub(crate) fn beside(&self) -> Vec<Beside> {
        self.pairs()
            .filter_map(|(a, b)| self.excused(a, b))
            .collect()
    }

    /// Each life but the first, and the one before it.
    fn successions(&self) -> impl Iterator<Item = (&Life, &Life)> {
        self.lives.iter().zip(self.lives.iter().skip(1))
    }

    /// Two lives at once, the earlier first.
    fn pairs(&self) -> impl Iterator<Item = (&Life, &Life)> {
        self.lives.iter().enumerate().flat_map(|(index, earlier)| {
            let later = self.lives[index + 1..].iter();
            later
                .filter(|later| later.start <= end(earlier))
                .map(move |later| (earlier, later))
        })
    }

    /// The trial that a start belongs to: the last that had begun.
    fn cause(&self, life: &Life) -> Option<usize> {
        self.trial_at(life.start)
    }

    pub(crate) fn trial_at(&self, at: Duration) -> Option<usize> {
        let begun = self.trials.partition_point(|trial| trial.from() <= at);
        begun.checked_sub(1)
    }

    fn overlaps(&self) -> Vec<String> {
        let breaches = self.pairs().filter(|(a, b)| self.excused(a, b).is_none());
        let mut found: Vec<String> = breaches
            .map(|(earlier, later)| {
                let span = end(earlier).min(end(later)).saturating_sub(later.start);
                format!("{earlier} and {later} ran at once for {span:.0?}")
            })
            .collect();
        let refusals = self.refusals.iter().filter(|it| !self.is_excluded(it));
        found.extend(refusals.map(|it| format!("a witness found another alive: {}", it.line)));
        let falls = self.successions().filter(|(before, life)| {
            life.token < before.token || (life.token == before.token && life.host != before.host)
        });
        found.extend(
            falls.map(|(before, life)| format!("the token did not grow: {before}, then {life}")),
        );
        let hasty = self.successions().filter(|it| self.is_hasty(it.0, it.1));
        found.extend(
            hasty.map(|(before, life)| format!("{life} was started within the lease of {before}")),
        );
        found.extend(self.trials.iter().flat_map(|trial| self.outlived(trial)));
        found
    }

    /// Whether a life did not wait for one that may yet be alive, for all that anybody can know.
    fn is_hasty(&self, before: &Life, life: &Life) -> bool {
        let trial = self.cause(life).map(|index| &self.trials[index]);
        trial.is_some_and(|trial| {
            trial.is_on(&before.host)
                && life.host != before.host
                && life.start < trial.from() + trial.expectation.apart
        })
    }

    /// What executed when the last lease that it can have had was over.
    fn outlived(&self, trial: &Trial) -> Vec<String> {
        // Of two at once, the one that is undone first may undo some of the other: they may share relays.
        let [done] = &trial.done[..] else {
            return Vec::new();
        };
        let over = done.from + self.timing.lease;
        if !SILENCING.contains(&done.kind) || done.until <= over {
            return Vec::new();
        }
        let is_its = |life: &&Life| done.on.is_empty() || done.on.contains(&life.host);
        let lives = self.lives.iter().filter(is_its);
        let outlived = lives.filter(|life| life.start < done.from && end(life) > over);
        outlived
            .map(|life| format!("{life} outlived its lease: {}", trial.words()))
            .collect()
    }

    /// Whether the design excludes these two, and they were over in time.
    fn excused(&self, earlier: &Life, later: &Life) -> Option<Beside> {
        let trial = &self.trials[self.cause(later)?];
        let excluded = trial.excluded_on(&earlier.host)?;
        let both = match excluded {
            // Until the thaw it did not execute.
            Excluded::Frozen => later.start.max(trial.until()),
            Excluded::Orphaned | Excluded::Unguarded => later.start,
        };
        let is_in_time = end(earlier) <= trial.until() + excluded.within();
        let is_elsewhere = later.host != earlier.host;
        (is_in_time && is_elsewhere).then(|| Beside {
            excluded,
            span: end(earlier).saturating_sub(both),
        })
    }

    /// Whether what was found alive may be what the design excludes: then it is another host that finds it.
    fn is_excluded(&self, refusal: &Refusal) -> bool {
        let trial = self.trial_at(refusal.at).map(|index| &self.trials[index]);
        trial.is_some_and(|trial| match trial.expectation.effect {
            Effect::Excluded(excluded) => {
                !trial.is_on(&refusal.host) && refusal.at <= trial.until() + excluded.within()
            }
            Effect::None | Effect::StartedAgain | Effect::MayMove | Effect::Moves => false,
        })
    }

    fn needless(&self) -> Vec<String> {
        let starts = self
            .successions()
            .filter(|(_, life)| life.start > self.began);
        let mut counts = vec![0; self.trials.len()];
        let restarts = starts.filter_map(|(before, life)| {
            let why = match self.cause(life) {
                None => Some("before anything was done".to_owned()),
                Some(index) => {
                    counts[index] += 1;
                    objection(&self.trials[index], before, life, counts[index])
                }
            };
            why.map(|why| format!("{life} was started {why}"))
        });
        restarts.chain(self.endings()).collect()
    }

    fn overdue(&self) -> Vec<String> {
        let pairs = self.trials.iter().zip(self.outcomes());
        pairs
            .flat_map(|(trial, outcome)| delays(trial, &outcome))
            .collect()
    }
}

/// Why a trial is no excuse for the start that is its `nth`, if it is none.
fn objection(trial: &Trial, before: &Life, life: &Life, nth: usize) -> Option<String> {
    let words = trial.words();
    if trial.whole.is_some_and(|whole| life.start > whole) {
        return Some(format!("when all was well again after: {words}"));
    }
    match trial.expectation.effect {
        Effect::None => Some(format!("although the lease rides this out: {words}")),
        Effect::StartedAgain if before.token != life.token => {
            Some(format!("in a new term, although nothing was lost: {words}"))
        }
        Effect::StartedAgain | Effect::MayMove | Effect::Moves | Effect::Excluded(_) => {
            let is_more = nth > trial.expectation.starts;
            is_more.then(|| format!("once more, after: {words}"))
        }
    }
}

fn delays(trial: &Trial, outcome: &Outcome) -> Vec<String> {
    let (words, bound) = (trial.words(), trial.expectation.bound);
    let effect = trial.expectation.effect;
    // A restart that must not be is told once, as needless.
    let late = outcome
        .gap
        .filter(|&gap| effect != Effect::None && gap > bound);
    let late = late.map(|gap| format!("nobody ran for {gap:.2?}, not {bound:.2?}: {words}"));
    let is_ill = trial.whole.is_none();
    let ill = is_ill.then(|| format!("the group was not well again in time: {words}"));
    let must_start = matches!(
        effect,
        Effect::Moves | Effect::StartedAgain | Effect::Excluded(_)
    );
    let idle = must_start && !is_ill && outcome.starts == 0;
    let idle = idle.then(|| format!("nothing came of it: {words}"));
    [late, ill, idle].into_iter().flatten().collect()
}

/// When it was last seen executing; one that is alive has no end yet.
fn end(life: &Life) -> Duration {
    match life.ending {
        LifeEnd::Alive => Duration::MAX,
        LifeEnd::Stopped | LifeEnd::Killed | LifeEnd::ByItself => life.end,
    }
}
