//! What a trial measures, and what several trials of it come to.

use crate::support::{Run, millis, secs};
use nix::unistd::Pid;
use std::time::Duration;

/// The names by which figures are found again, for the summary.
pub(crate) const OVERLAP: &str = "overlap";
pub(crate) const SURVIVED: &str = "survived";
pub(crate) const LEFT: &str = "left behind";
pub(crate) const EXITED: &str = "exited";

/// One trial's figures, in the order in which they are shown.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Trial {
    figures: Vec<(&'static str, Value)>,
    void: Option<String>,
}

/// One figure.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Value {
    Span(Duration),
    /// Whether something was so: shown as so many of all trials.
    Was(bool),
    Amount(f64, &'static str),
}

/// A time during which a process was stopped by a signal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stopped {
    pub(crate) pid: Pid,
    pub(crate) from: Duration,
    pub(crate) until: Duration,
}

impl Trial {
    /// A trial in which two ran at once for so long.
    pub(crate) fn overlapping(span: Duration) -> Trial {
        Trial::default().span(OVERLAP, span)
    }

    pub(crate) fn span(self, name: &'static str, span: Duration) -> Trial {
        self.with(name, Value::Span(span))
    }

    pub(crate) fn was(self, name: &'static str, so: bool) -> Trial {
        self.with(name, Value::Was(so))
    }

    pub(crate) fn amount(self, name: &'static str, amount: f64, unit: &'static str) -> Trial {
        self.with(name, Value::Amount(amount, unit))
    }

    /// A trial that proves nothing: the fault itself was not what the row says.
    pub(crate) fn void(reason: String) -> Trial {
        Trial {
            void: Some(reason),
            ..Trial::default()
        }
    }

    pub(crate) fn is_void(&self) -> bool {
        self.void.is_some()
    }

    /// The figure of this name.
    pub(crate) fn value(&self, name: &str) -> Option<Value> {
        let mut figures = self.figures.iter();
        figures.find(|it| it.0 == name).map(|it| it.1)
    }

    fn with(mut self, name: &'static str, value: Value) -> Trial {
        self.figures.push((name, value));
        self
    }
}

/// How long two of these ran at once; while one was stopped it did not run.
pub(crate) fn overlap(runs: &[Run], stops: &[Stopped]) -> Duration {
    let pairs = runs.iter().enumerate().flat_map(|(index, earlier)| {
        let later = runs[index + 1..].iter();
        later.map(move |later| (earlier, later))
    });
    pairs
        .map(|(earlier, later)| {
            let both = (earlier.start.max(later.start), earlier.end.min(later.end));
            let stopped: Duration = stops
                .iter()
                .filter(|stop| [earlier.pid, later.pid].contains(&stop.pid))
                .map(|stop| length(both.0.max(stop.from), both.1.min(stop.until)))
                .sum();
            length(both.0, both.1).saturating_sub(stopped)
        })
        .sum()
}

fn length(from: Duration, until: Duration) -> Duration {
    until.saturating_sub(from)
}

/// All figures of several trials as one cell: least, median and greatest of each, or how often something was so.
pub(crate) fn summary(trials: &[&Trial]) -> String {
    let Some(first) = trials.first() else {
        return String::new();
    };
    let names = first.figures.iter().map(|it| it.0);
    let cells: Vec<String> = names
        .map(|name| {
            let values: Vec<Value> = trials.iter().filter_map(|it| it.value(name)).collect();
            format!("{name} {}", spread(&values))
        })
        .collect();
    cells.join("; ")
}

fn spread(values: &[Value]) -> String {
    if let Some(Value::Was(_)) = values.first() {
        let so = values.iter().filter(|it| **it == Value::Was(true)).count();
        return format!("{so}/{}", values.len());
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| size(*a).total_cmp(&size(*b)));
    let shown = [0, sorted.len() / 2, sorted.len().saturating_sub(1)]
        .map(|at| sorted.get(at).copied().map(show).unwrap_or_default());
    if shown[0] == shown[2] {
        return shown[0].clone();
    }
    shown.join(" / ")
}

fn size(value: Value) -> f64 {
    match value {
        Value::Span(span) => span.as_secs_f64(),
        Value::Was(so) => f64::from(u8::from(so)),
        Value::Amount(amount, _) => amount,
    }
}

fn show(value: Value) -> String {
    match value {
        Value::Span(span) => show_span(span),
        Value::Was(so) => so.to_string(),
        Value::Amount(amount, unit) if amount == amount.round() => format!("{amount:.0}{unit}"),
        Value::Amount(amount, unit) => format!("{amount:.2}{unit}"),
    }
}

/// `0`, `7 ms`, `5.48 s`.
pub(crate) fn show_span(span: Duration) -> String {
    if span.is_zero() {
        "0".into()
    } else if span < millis(1) {
        format!("{:.1} ms", span.as_secs_f64() * 1000.0)
    } else if span < secs(1) {
        format!("{:.0} ms", span.as_secs_f64() * 1000.0)
    } else {
        format!("{:.2} s", span.as_secs_f64())
    }
}
