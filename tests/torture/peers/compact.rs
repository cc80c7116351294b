//! The four claims in short: never two, calm, nothing left, waits for the ensemble.

use super::Measured;
use super::columns::{CONTENDERS, NOTHING_LEFT, WORST_OVERLAP, cells};
use super::figures::{EXITED, LEFT, OVERLAP, SURVIVED, Value, show_span};
use super::table::line;
use std::time::Duration;

const CALM: [&str; 5] = ["S4b", "S4c", "S7r", "S11", "S12"];

/// What a reader of the four claims must know.
const NOT_COUNTED: &str = "
Not counted, because the design excludes it outside systemd (rows S2 and S3): guardian and elector killed together
with a setsid grandchild, and both stopped together.
";

/// What the design excludes is no part of the claims.
fn counts(measured: &Measured, rows: &[&str]) -> bool {
    rows.contains(&measured.row.name) && !measured.row.variant.contains("excluded")
}

/// The table; `–` where none of a claim's rows was run.
pub(crate) fn table(measured: &[Measured]) -> String {
    let claims = [
        (
            "never two: the worst overlap (S3, S7, S7i, S5a)",
            never_two(measured),
            WORST_OVERLAP.map(String::from),
        ),
        (
            "calm: trials survived (S4b, S4c, S7r, S11, S12)",
            calm(measured),
            std::array::from_fn(peers_calm),
        ),
        (
            "nothing left (S2, S5b)",
            nothing_left(measured),
            NOTHING_LEFT.map(String::from),
        ),
        (
            "waits for the ensemble (S9)",
            waits(measured),
            cells("S9").map(String::from),
        ),
    ];
    let mut text = line(["", "zk-supervise"].into_iter().chain(CONTENDERS));
    text += &line(std::iter::repeat_n("---", 2 + CONTENDERS.len()));
    for (claim, ours, theirs) in &claims {
        let theirs = theirs.iter().map(String::as_str);
        text += &line([*claim, ours].into_iter().chain(theirs));
    }
    text + NOT_COUNTED
}

/// The values that a figure had in the trials of these rows that have it; nothing for a trial that did not hold.
fn values(measured: &[Measured], rows: &[&str], figure: &str) -> Vec<Option<Value>> {
    let rows = measured.iter().filter(|it| counts(it, rows));
    rows.flat_map(|it| &it.trials)
        .filter_map(|trial| match trial {
            Ok(trial) => trial.value(figure).map(Some),
            Err(_) => Some(None),
        })
        .collect()
}

fn never_two(measured: &[Measured]) -> String {
    let mut worst = None;
    for value in values(measured, &["S3", "S7", "S7i", "S5a"], OVERLAP) {
        match value {
            Some(Value::Span(span)) => worst = worst.max(Some(span)),
            Some(Value::Was(_) | Value::Amount(..)) | None => return "**did not hold**".into(),
        }
    }
    worst.map_or("–".into(), |it: Duration| show_span(it))
}

/// With the default settings, as the peers had theirs.
fn calm(measured: &[Measured]) -> String {
    let values = values(measured, &CALM, SURVIVED);
    let survived = values.iter().filter(|it| **it == Some(Value::Was(true)));
    share(survived.count(), values.len())
}

/// The same of a peer's cells, each of which begins with `2/3`.
fn peers_calm(contender: usize) -> String {
    let counts = CALM.iter().filter_map(|row| {
        let (survived, rest) = cells(row)[contender].split_once('/')?;
        let of: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((survived.parse::<usize>().ok()?, of.parse::<usize>().ok()?))
    });
    let (survived, of) = counts.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    share(survived, of)
}

fn share(part: usize, of: usize) -> String {
    if of == 0 {
        "–".into()
    } else {
        format!("{part} of {of}")
    }
}

fn nothing_left(measured: &[Measured]) -> String {
    let left = values(measured, &["S2", "S5b"], LEFT);
    yes(&left, Value::Was(false))
}

fn waits(measured: &[Measured]) -> String {
    yes(&values(measured, &["S9"], EXITED), Value::Was(false))
}

/// Whether all of these are as they should be.
fn yes(values: &[Option<Value>], wanted: Value) -> String {
    let word = match values.iter().all(|it| *it == Some(wanted)) {
        _ if values.is_empty() => "–",
        true => "yes",
        false => "**did not hold**",
    };
    word.into()
}
