//! What a run says on its standard output.

#![expect(clippy::print_stdout, reason = "it is a program that people watch")]

use crate::arguments::Effort;
use crate::bounds::Excluded;
use crate::draw::{Deed, Network, Plan, Slot};
use crate::judge::{Done, Evidence, Outcome, Trial};
use crate::kinds::{KINDS, Kind};
use crate::story::{Label, Verdict};
use std::path::Path;
use std::time::Duration;
use zk_supervise::core::lease::Timing;

/// A text as it is.
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// The first lines.
pub(crate) fn opening(effort: &Effort, network: Network, timing: &Timing) {
    let place = match network {
        Network::Namespaces => "each host and each server in a network namespace of its own",
        Network::Loopback => "all on the loopback address: no leader is cut from its followers",
    };
    println!(
        "seed {}, {} minutes; {place}",
        effort.seed,
        effort.length.as_secs() / 60
    );
    let facts: Vec<String> = durations(timing)
        .iter()
        .map(|(name, span)| format!("{name} {}", seconds(*span)))
        .collect();
    println!("{}\n", facts.join(", "));
}

/// A slot of the schedule, on a line of its own.
pub(crate) fn planned(slot: &Slot) -> String {
    let plans: Vec<String> = slot.plans.iter().map(plan).collect();
    format!(
        "{}; then a pause of {}\n",
        plans.join(" and "),
        seconds(slot.pause)
    )
}

fn plan(plan: &Plan) -> String {
    let aim = match plan.deed {
        Deed::Host(_, aim) => format!(" on {aim:?}"),
        Deed::Server(_, aim) => format!(" on {aim:?}"),
        Deed::Group(_) => String::new(),
    };
    let (kind, length) = (plan.kind().words(), seconds(plan.length));
    format!("{kind}{aim} for {length}")
}

/// A fault that was drawn and could not be done: it counts for nothing.
pub(crate) fn not_done(fault: &Plan) {
    println!("  not done: {}", plan(fault));
}

/// What is wrong that was not before.
pub(crate) fn news(before: &Verdict, verdict: &Verdict) {
    let pairs = [
        (&before.overlaps, &verdict.overlaps),
        (&before.needless, &verdict.needless),
        (&before.overdue, &verdict.overdue),
    ];
    for (before, flaws) in pairs {
        for flaw in flaws.iter().filter(|flaw| !before.contains(flaw)) {
            println!("  !! {flaw}");
        }
    }
}

/// A line on the last trial.
pub(crate) fn progress(evidence: &Evidence) {
    let outcomes = evidence.outcomes();
    let (Some(trial), Some(outcome)) = (evidence.trials.last(), outcomes.last()) else {
        return;
    };
    let at = trial.from().saturating_sub(evidence.began).as_secs();
    let clock = format!("{:02}:{:02}:{:02}", at / 3600, at / 60 % 60, at % 60);
    let label = label(trial.expectation.effect.label());
    let length = seconds(trial.until().saturating_sub(trial.from()));
    println!(
        "{clock} #{:<4} {:<60} {length:>6}  {label:<13} {}",
        outcomes.len(),
        trial.words(),
        happened(trial, outcome)
    );
}

fn label(label: Label) -> &'static str {
    match label {
        Label::MustRideOut => "must ride out",
        Label::MayMove => "may move",
        Label::Excluded(_) => "excluded",
    }
}

fn happened(trial: &Trial, outcome: &Outcome) -> String {
    let gap = outcome.gap.map_or("none".into(), seconds);
    let bound = seconds(trial.expectation.bound);
    let what = match (outcome.takeovers, outcome.starts, trial.whole) {
        (_, _, None) => "the group does not recover".into(),
        (0, 0, _) => "the child ran on".into(),
        (0, _, _) => "the child was started again".into(),
        (1, 1, _) => "a new term".into(),
        (terms, starts, _) => format!("{terms} new terms, {starts} starts"),
    };
    format!("gap {gap} of {bound}: {what}")
}

/// How each kind went.
pub(crate) fn table(evidence: &Evidence) {
    println!(
        "\n{:<30} {:>5} {:>9} {:>10} {:>9} {:>9} {:>10}",
        "kind", "count", "takeovers", "median gap", "max gap", "bound", "well after"
    );
    let rows = KINDS.into_iter().map(|kind| Row::of(kind, evidence));
    rows.filter(|row| row.count > 0).for_each(|row| row.print());
    let all = evidence.trials.iter().flat_map(|trial| &trial.done);
    let aside = all.filter(|done| !evidence.strikes_master(done)).count();
    println!("of a standby, in none of these lines: {aside}");
}

/// How one kind went, but for what was done to standbys.
struct Row {
    kind: Kind,
    count: usize,
    takeovers: usize,
    gaps: Vec<Duration>,
    bound: Duration,
    /// How long it took until all was well again, at most.
    healed: Duration,
}

impl Row {
    fn of(kind: Kind, evidence: &Evidence) -> Row {
        let mut row = Row {
            kind,
            count: 0,
            takeovers: 0,
            gaps: Vec::new(),
            bound: Duration::ZERO,
            healed: Duration::ZERO,
        };
        for (trial, outcome) in evidence.trials.iter().zip(evidence.outcomes()) {
            let is_its = |it: &&Done| it.kind == kind && evidence.strikes_master(it);
            let times = trial.done.iter().filter(is_its).count();
            row.count += times;
            // What two caused together says little about either.
            if times > 0 && trial.done.len() == 1 {
                row.note(trial, &outcome);
            }
        }
        row.gaps.sort();
        row
    }

    fn note(&mut self, trial: &Trial, outcome: &Outcome) {
        self.takeovers += outcome.takeovers;
        self.gaps.extend(outcome.gap);
        self.bound = self.bound.max(trial.expectation.bound);
        let healed = trial.whole.unwrap_or_default();
        self.healed = self.healed.max(healed.saturating_sub(trial.until()));
    }

    fn print(&self) {
        let or_none = |gap: Option<&Duration>| gap.map_or("none".into(), |&it| seconds(it));
        println!(
            "{:<30} {:>5} {:>9} {:>10} {:>9} {:>9} {:>10}",
            self.kind.words(),
            self.count,
            self.takeovers,
            or_none(self.gaps.get(self.gaps.len() / 2)),
            or_none(self.gaps.last()),
            seconds(self.bound),
            seconds(self.healed)
        );
    }
}

/// The last lines.
pub(crate) fn verdict(verdict: &Verdict, evidence: &Evidence) {
    let trials = evidence.trials;
    let faults: usize = trials.iter().map(|trial| trial.done.len()).sum();
    let both = trials.iter().filter(|trial| trial.done.len() > 1).count();
    println!(
        "\n{faults} faults ({both} times two at once), {} takeovers, {} children",
        verdict.takeovers,
        evidence.lives.len()
    );
    for (name, span) in beside(evidence) {
        println!("{name}: {span}");
    }
    for (name, flaws) in [
        ("overlaps", &verdict.overlaps),
        ("needless restarts", &verdict.needless),
        ("overdue", &verdict.overdue),
    ] {
        println!("{name}: {}", flaws.len());
        for flaw in flaws {
            println!("  {flaw}");
        }
    }
}

/// What the run shows nothing of.
pub(crate) fn left_out(kinds: &[&str]) {
    if !kinds.is_empty() {
        println!("never done to the master: {}", kinds.join(", "));
    }
}

/// What is wrong with the picture, if anything.
pub(crate) fn mistake(mistake: Option<&str>) {
    if let Some(mistake) = mistake {
        println!("the picture does not show what the witnesses wrote: {mistake}");
    }
}

/// How to see it again.
pub(crate) fn again(effort: &Effort) {
    let only = effort.only.iter();
    let only: Vec<String> = only.map(|words| format!(" --only {words:?}")).collect();
    println!(
        "seed {}; again: cargo test --test torture -- --seed {} --minutes {}{}",
        effort.seed,
        effort.seed,
        effort.length.as_secs().div_ceil(60),
        only.concat()
    );
}

/// Where the files of a run are that was not clean.
pub(crate) fn kept(files: &Path) {
    println!(
        "the logs and the witnesses' files are in {}",
        files.display()
    );
}

/// What a reader of the report must know.
pub(crate) fn settings(timing: &Timing, evidence: &Evidence) -> Vec<(String, String)> {
    let durations = durations(timing);
    let durations = durations
        .iter()
        .map(|(name, span)| ((*name).to_owned(), seconds(*span)));
    durations.chain(beside(evidence)).collect()
}

fn durations(timing: &Timing) -> [(&'static str, Duration); 8] {
    [
        ("session", timing.session_timeout),
        ("lease", timing.lease),
        ("rides out", timing.rides_out()),
        ("stop after", timing.stop_after()),
        ("grace period", timing.grace_period),
        ("kill margin", timing.kill_margin),
        ("takeover after", timing.takeover_after()),
        ("patience", timing.patience()),
    ]
}

/// The longest of what the design excludes, and how often it was so.
fn beside(evidence: &Evidence) -> Vec<(String, String)> {
    let all = evidence.beside();
    let spans = |excluded| {
        let spans = all.iter().filter(|it| it.excluded == excluded);
        spans.map(|it| it.span).collect::<Vec<Duration>>()
    };
    [
        ("two at once after a thaw", spans(Excluded::Frozen)),
        (
            "two at once after guardian and elector were killed",
            spans(Excluded::Orphaned),
        ),
        (
            "two at once while guardian and elector were stopped",
            spans(Excluded::Unguarded),
        ),
    ]
    .into_iter()
    .filter_map(|(name, spans)| {
        let longest = spans.iter().max()?.as_secs_f64() * 1000.0;
        let times = spans.len();
        Some((
            name.to_owned(),
            format!("{times} times, {longest:.1} ms at most"),
        ))
    })
    .collect()
}

fn seconds(span: Duration) -> String {
    format!("{:.1}s", span.as_secs_f64())
}
