//! The report for a person at three in the morning: the answer first, then the term, the candidates, and what is odd.

use std::fmt::Write;
use std::time::Duration;

use super::moment::{Moment, brief};
use super::report::{Candidate, MASTER, Master, Report, STOPPING, TermState, WAITING_OUT};

/// The width of a terminal that nobody made wider.
const WIDTH: usize = 80;

/// The widest that a name or a host is shown; `--json` has all of it.
const WIDEST: usize = 28;

/// The whole text, each line with its end.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    put(&mut text, "", &answer(report));
    text.push('\n');
    for (label, value) in facts(report) {
        put(&mut text, &format!("{label:<12}"), &value);
    }
    if !report.candidates.is_empty() {
        text.push('\n');
        text.push_str(&table(report));
    }
    if !report.warnings.is_empty() {
        text.push('\n');
    }
    for warning in &report.warnings {
        put(&mut text, "warning: ", &warning.message);
    }
    text
}

fn answer(report: &Report) -> String {
    if let Some(why) = &report.unknown {
        return format!("it is not known who is master: {}", why.message);
    }
    match (&report.master, &report.nobody) {
        (Some(master), _) => {
            let since = master
                .since
                .map(|since| format!(" since {}", ago(report, since)));
            format!(
                "master: {}{}{}{}",
                master.name,
                place(master),
                since.unwrap_or_default(),
                but(report, master)
            )
        }
        (None, Some(why)) => format!("nobody is master: {}", why.message),
        (None, None) => "nobody is master".to_owned(),
    }
}

/// ` (host h, pid 7)`, as far as it is known.
fn place(master: &Master) -> String {
    match (&master.host, master.pid) {
        (Some(host), Some(pid)) => format!(" (host {host}, pid {pid})"),
        (_, _) => String::new(),
    }
}

/// Why its command may not run although it is master.
fn but(report: &Report, master: &Master) -> String {
    let written = report.term.written;
    let age = written.and_then(|written| written.age(report.time.0).ok());
    match (age, master.state.as_deref()) {
        (Some(age), _) if !master.renewing => format!("; SILENT for {}", brief(age)),
        (None, _) if !master.renewing => "; SILENT".to_owned(),
        (_, Some(WAITING_OUT)) => {
            "; its command starts when the last master's lease is over".to_owned()
        }
        (_, Some(STOPPING)) => "; its command is being stopped".to_owned(),
        (_, _) => String::new(),
    }
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let term = &report.term;
    let mut facts = vec![("election", report.path.clone())];
    let written = term.written.map(|written| ago(report, written));
    let written = written.unwrap_or_else(|| "an unknown time".to_owned());
    match term.state {
        TermState::RootMissing => {}
        TermState::Missing => facts.push(("term", "there is no record of it".to_owned())),
        TermState::Unreadable => facts.push(("term", "unreadable".to_owned())),
        TermState::Virgin => facts.push(("term", "there was none yet".to_owned())),
        TermState::Released => {
            let holder = term.holder.as_deref().unwrap_or("nobody");
            facts.push(("term", format!("the last one, of {holder}, was released")));
            facts.push(("released", written));
        }
        TermState::Held => {
            let id = term.id.as_deref().unwrap_or("unknown, its record was lost");
            let generation = term.generation.unwrap_or_default();
            facts.push(("term", format!("{id}, generation {generation}")));
            let unknown = "not known before the first renewal";
            facts.push(("token", term.token.as_deref().unwrap_or(unknown).to_owned()));
            let lease = Duration::from_millis(term.lease_ms.unwrap_or_default());
            facts.push(("lease", format!("{}, renewed {written}", brief(lease))));
        }
    }
    facts
}

/// `14:03:12 UTC, 2m 10s ago`.
fn ago(report: &Report, moment: Moment) -> String {
    let now = report.time.0;
    let time = moment.text(now);
    match moment.age(now) {
        Ok(age) => format!("{time} UTC, {} ago", brief(age)),
        Err(_) => format!("{time} UTC"),
    }
}

const HEADINGS: [&str; 5] = ["NAME", "HOST", "PID", "STATE", "SINCE (UTC)"];

fn table(report: &Report) -> String {
    let rows: Vec<[String; 5]> = report.candidates.iter().map(|it| row(report, it)).collect();
    let headings = HEADINGS.map(str::to_owned);
    let mut widths = [0; 5];
    for row in rows.iter().chain([&headings]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut table = String::new();
    for row in [&headings].into_iter().chain(&rows) {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Numbers stand on the right.
            let done = if at == 2 {
                write!(line, "{cell:>width$}  ")
            } else {
                write!(line, "{cell:<width$}  ")
            };
            done.expect("a string takes all that is written");
        }
        table.push_str(line.trim_end());
        table.push('\n');
    }
    table
}

fn row(report: &Report, candidate: &Candidate) -> [String; 5] {
    let unknown = || "?".to_owned();
    let is_past = match &report.master {
        Some(master) => !master.is(candidate),
        None => report.unknown.is_none(),
    };
    let state = match &candidate.state {
        Some(state) if state == MASTER && is_past => "past master".to_owned(),
        Some(state) => cut(state),
        None => "unreadable".to_owned(),
    };
    let since = candidate.since.map(|since| since.text(report.time.0));
    [
        cut(candidate.name.as_ref().unwrap_or(&candidate.znode)),
        candidate.host.as_deref().map_or_else(unknown, cut),
        candidate.pid.map_or_else(unknown, |pid| pid.to_string()),
        state,
        since.unwrap_or_else(unknown),
    ]
}

/// A stranger's text in a cell: what would break the table is gone, and so is the end of what is too long.
fn cut(text: &str) -> String {
    let text = plain(text);
    if text.is_empty() {
        return "?".to_owned();
    }
    if text.chars().count() <= WIDEST {
        return text;
    }
    let kept: String = text.chars().take(WIDEST - 1).collect();
    kept + "…"
}

/// Without what moves the cursor or turns the direction of writing.
fn plain(text: &str) -> String {
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let plain = text.chars();
    plain
        .map(|c| if is_odd(c) { '\u{fffd}' } else { c })
        .collect()
}

/// Adds `label` and `words`, broken between words at [`WIDTH`] and indented under the first.
fn put(text: &mut String, label: &str, words: &str) {
    let mut line = label.to_owned();
    let indent = " ".repeat(label.len().max(2));
    let mut is_empty = true;
    for word in plain(words).split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line.clone_from(&indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    text.push_str(&line);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_broken_under_the_first_of_them() {
        let mut text = String::new();
        put(&mut text, "warning: ", &"word ".repeat(30));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() > 1);
        for line in &lines {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        assert!(lines[1].starts_with("         word"), "{text}");
    }

    #[test]
    fn a_word_that_fits_no_line_has_one_of_its_own() {
        let mut text = String::new();
        put(&mut text, "", &format!("a {} b", "x".repeat(100)));
        assert_eq!(text, format!("a\n  {}\n  b\n", "x".repeat(100)));
    }

    #[test]
    fn a_cell_holds_nothing_that_breaks_the_table() {
        assert_eq!(cut(""), "?");
        assert_eq!(cut("a\u{202e}b\u{7}"), "a\u{fffd}b\u{fffd}");
        assert_eq!(cut(&"x".repeat(300)).chars().count(), WIDEST);
        assert_eq!(cut(&"x".repeat(WIDEST)), "x".repeat(WIDEST));
    }
}
