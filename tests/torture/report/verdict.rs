//! The verdict in one sentence, for whoever reads nothing else.

use std::fmt::{self, Write as _};

use super::labels::shortened;
use super::words::{self, Escaped};
use crate::story::{Fault, Life, Story};

/// How much room the verdict takes above a picture.
pub(super) const HEIGHT: f64 = 62.0;

/// What it comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Held,
    Broken,
    /// Nothing ran, or nothing was done to it.
    Nothing,
}

pub(super) fn outcome(story: &Story) -> Outcome {
    let verdict = &story.verdict;
    let is_clean =
        verdict.overlaps.is_empty() && verdict.needless.is_empty() && verdict.overdue.is_empty();
    match is_clean {
        false => Outcome::Broken,
        true if story.lives.is_empty() || story.faults.is_empty() => Outcome::Nothing,
        true => Outcome::Held,
    }
}

/// A word or two for it.
pub(super) fn headline(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Held => "\u{2714} The promise held",
        Outcome::Broken => "\u{2718} The promise was broken",
        Outcome::Nothing => "Nothing was proven",
    }
}

pub(super) fn class(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Held => "held",
        Outcome::Broken => "broken",
        Outcome::Nothing => "nothing",
    }
}

/// The sentence.
pub(super) fn sentence(story: &Story) -> String {
    let verdict = &story.verdict;
    let overdue = match verdict.overdue.len() {
        0 => String::new(),
        late => format!(", {}", words::count(late, "late takeover")),
    };
    let longest = match longest(story) {
        Some((gap, _)) => words::span(gap),
        None => "never without one".to_owned(),
    };
    format!(
        "{}, {}{overdue} in {} and {}; longest time without a master: {longest}",
        words::count(verdict.overlaps.len(), "overlap"),
        words::count(verdict.needless.len(), "needless restart"),
        words::count(story.faults.len(), "fault"),
        words::count(verdict.takeovers, "takeover"),
    )
}

/// The longest time without a master, and the fault that made it.
pub(super) fn longest(story: &Story) -> Option<(std::time::Duration, &Fault)> {
    let gaps = story
        .faults
        .iter()
        .filter_map(|fault| Some((fault.gap?, fault)));
    gaps.max_by_key(|(gap, _)| *gap)
}

/// Whether a sentence of the verdict names this life.
pub(super) fn is_named(story: &Story, life: &Life) -> bool {
    let verdict = &story.verdict;
    let all = verdict.overlaps.iter().chain(&verdict.needless);
    all.into_iter().any(|sentence| names(sentence, life))
}

/// Whether one of the needless restarts is of this life.
pub(super) fn is_needless(story: &Story, life: &Life) -> bool {
    let needless = &story.verdict.needless;
    needless.iter().any(|sentence| names(sentence, life))
}

fn names(sentence: &str, life: &Life) -> bool {
    sentence.contains(&life.to_string())
}

/// The verdict above a picture that stands alone.
pub(super) fn draw(out: &mut String, story: &Story) -> fmt::Result {
    let outcome = outcome(story);
    let (class, headline) = (class(outcome), headline(outcome));
    let title = shortened(&story.title, 560.0);
    let (title, sentence) = (Escaped(&title), sentence(story));
    writeln!(
        out,
        r#"<text class="headline {class}" x="16" y="25">{headline}</text>"#
    )?;
    writeln!(
        out,
        r#"<text class="sentence" x="16" y="46">{}</text>"#,
        Escaped(&sentence)
    )?;
    writeln!(
        out,
        r#"<text class="title" x="884" y="25" text-anchor="end">{title}</text>"#
    )
}
