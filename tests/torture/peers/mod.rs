//! The faults by which other programs of this kind were measured, on the real product: our column beside theirs.
//!
//! The set-up is theirs: ZooKeeper at tickTime 2000, a session of 6 s, one server or three, two candidates that each
//! reach the servers through a relay of their own, and a child that shows every 10 ms that it executes. What is asserted
//! comes from the witnesses; figures are printed, not asserted.

mod bench;
mod columns;
mod compact;
mod cost;
mod cut;
mod death;
mod figures;
mod outage;
mod rolling;
mod stop;
mod table;

use crate::support::{Ensemble, tell};
use figures::Trial;
use std::thread;

/// How often a trial is repeated on a machine that was too busy for it to prove anything.
const TRIES: usize = 4;

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub(crate) enum Outcome {
    /// Every expectation held.
    Held,
    /// These did not, a sentence each.
    Broken(Vec<String>),
}

impl Outcome {
    /// Whether every expectation held; tells those that did not.
    pub(crate) fn is_well(&self) -> bool {
        match self {
            Outcome::Held => true,
            Outcome::Broken(sentences) => {
                tell(&sentences.join("\n"));
                false
            }
        }
    }
}

/// One fault, or a variant of one, and what is expected of us.
pub(crate) struct Row {
    /// By what name the fault is known: `S3b`.
    pub(crate) name: &'static str,
    /// Which variant of it, or with which settings.
    pub(crate) variant: &'static str,
    servers: usize,
    trial: fn(&Ensemble) -> Trial,
}

/// What the trials of one row gave: figures, or what went wrong.
pub(crate) struct Measured {
    pub(crate) row: &'static Row,
    pub(crate) trials: Vec<Result<Trial, String>>,
}

/// What is checked of it without any fault.
pub(crate) const CHECKS: [(&str, fn()); 1] = [(
    "peers::their_figures_stand_in_the_readme",
    columns::stand_in_the_readme,
)];

const fn row(
    name: &'static str,
    variant: &'static str,
    servers: usize,
    trial: fn(&Ensemble) -> Trial,
) -> Row {
    Row {
        name,
        variant,
        servers,
        trial,
    }
}

const ROWS: &[Row] = &[
    row("S0", "", 1, stop::launched),
    row("S1", "", 1, stop::asked),
    row("S2", "both killed", 1, death::both_killed),
    row("S2", "guardian killed", 1, death::guardian_killed),
    row("S2", "elector killed", 1, death::elector_killed),
    row(
        "S2",
        "both killed, setsid grandchild (excluded by design)",
        1,
        death::both_killed_with_a_daemon,
    ),
    row(
        "S3",
        "both stopped (excluded by design)",
        1,
        death::both_stopped,
    ),
    row("S3", "guardian stopped", 1, death::guardian_stopped),
    row("S3", "elector stopped", 1, death::elector_stopped),
    row("S3b", "", 1, death::host_frozen),
    row("S4a", "", 1, outage::frozen_for_long),
    row("S4b", "", 1, outage::restarted),
    row("S4c", "", 1, outage::frozen_for_half),
    row("S11", "", 3, rolling::rolled),
    row("S12", "", 3, rolling::leader_killed),
    row("S7", "", 1, cut::swallowed),
    row("S7i", "", 1, cut::swallowed_and_deaf),
    row("S7r", "", 1, cut::reset),
    row("S5a", "", 1, stop::deaf),
    row("S5d", "", 1, stop::slow),
    row("S5d", stop::LONG_GRACE, 1, stop::slow_with_a_long_grace),
    row("S5b", "", 1, stop::with_a_daemon),
    row("S5c", "", 1, cut::with_a_daemon),
    row("S8", "", 1, stop::crashed),
    row("S9", "", 1, outage::down_at_boot),
    row("S6", "session 6 s", 1, cost::at_six_seconds),
    row("S6", "session 30 s, the default", 1, cost::at_the_default),
];

/// Runs the rows of these names, or all, so many trials each, and prints the table.
pub(crate) fn run(selection: &[String], trials: usize) -> Outcome {
    let unknown: Vec<String> = selection
        .iter()
        .filter(|name| ROWS.iter().all(|row| row.name != name.as_str()))
        .map(|name| format!("no row is called `{name}`"))
        .collect();
    if !unknown.is_empty() {
        return Outcome::Broken(unknown);
    }
    let is_wanted = |row: &&Row| selection.is_empty() || selection.iter().any(|it| it == row.name);
    let rows = ROWS.iter().filter(is_wanted);
    let measured: Vec<Measured> = rows.map(|row| row.measure(trials)).collect();
    table::print(&measured, trials);
    let broken: Vec<String> = measured.iter().flat_map(Measured::broken).collect();
    if broken.is_empty() {
        Outcome::Held
    } else {
        Outcome::Broken(broken)
    }
}

impl Row {
    /// The name, and the variant if there is one.
    pub(crate) fn title(&self) -> String {
        if self.variant.is_empty() {
            self.name.into()
        } else {
            format!("{}, {}", self.name, self.variant)
        }
    }

    fn measure(&'static self, trials: usize) -> Measured {
        let ensemble = Ensemble::start(self.servers);
        let trials = (1..=trials)
            .map(|number| {
                let trial = self.attempt(&ensemble, number);
                tell(&format!("{} #{number}: {trial:?}", self.title()));
                trial
            })
            .collect();
        Measured { row: self, trials }
    }

    /// One trial: again, if the machine was too busy for it to prove anything.
    fn attempt(&self, ensemble: &Ensemble, number: usize) -> Result<Trial, String> {
        for _ in 0..TRIES {
            match self.once(ensemble, number) {
                Ok(trial) if trial.is_void() => tell(&format!("again: {trial:?}")),
                result => return result,
            }
        }
        Err("it proved nothing: the machine was too busy".into())
    }

    /// A thread of its own, so that a broken expectation ends the trial alone; its panic has told the rest by then.
    fn once(&self, ensemble: &Ensemble, number: usize) -> Result<Trial, String> {
        thread::scope(|scope| {
            let trial = thread::Builder::new()
                .name(format!("{}-{number}", self.name))
                .spawn_scoped(scope, || (self.trial)(ensemble))
                .expect("a thread can be started");
            trial.join().map_err(|panic| {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).into()));
                text.unwrap_or_else(|| "a panic without words".into())
            })
        })
    }
}

impl Measured {
    fn broken(&self) -> Vec<String> {
        let errors = self.trials.iter().filter_map(|it| it.as_ref().err());
        errors
            .map(|error| format!("{}: {error}", self.row.title()))
            .collect()
    }
}
