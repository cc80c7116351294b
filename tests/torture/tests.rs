//! As one of the tests of `cargo test`: it talks as libtest would, so that whoever counts results counts these.

#![expect(clippy::print_stdout, reason = "libtest prints its results there")]

use crate::arguments::Filter;
use crate::support::scratch::Scratch;
use crate::support::time::now;
use crate::{checks, enclosure, peers, plans};
use std::panic::catch_unwind;
use std::process::ExitCode;

/// The seed of the short run: the first whose first bag does one fault at a time.
pub(crate) const SEED: u64 = 436;

/// How long the short run takes, in minutes: a bag takes about two.
const MINUTES: u64 = 3;

/// Of the faults that others were measured on: kills, a thaw, a stop and a black hole, a minute in all.
const ROWS: [&str; 4] = ["S2", "S3b", "S5b", "S7i"];

/// What takes minutes.
const LONG: [(&str, Check); 2] = [
    (
        "faults_that_others_were_measured_on_do_no_harm",
        Check::Long(peers),
    ),
    (
        "torture_of_every_kind_leaves_a_clean_verdict",
        Check::Long(torture),
    ),
];

/// Runs those that are wanted, and tells their results.
pub(crate) fn run(filter: &Filter) -> ExitCode {
    let checks = (checks::CHECKS.into_iter())
        .chain(plans::CHECKS)
        .chain(peers::CHECKS)
        .map(|(name, check)| (name, Check::Quick(check)));
    let all: Vec<(&str, Check)> = checks.chain(LONG).collect();
    let wanted = || all.iter().filter(|(name, _)| filter.takes(name));
    if filter.is_list {
        wanted().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let began = now();
    println!("\nrunning {} tests", wanted().count());
    let failed: Vec<&str> = wanted()
        .filter(|(name, check)| {
            let is_well = check.is_passed();
            println!("test {name} ... {}", if is_well { "ok" } else { "FAILED" });
            !is_well
        })
        .map(|&(name, _)| name)
        .collect();
    if !failed.is_empty() {
        println!("\nfailures:\n    {}", failed.join("\n    "));
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; 0 ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failed.is_empty() { "ok" } else { "FAILED" },
        wanted().count() - failed.len(),
        failed.len(),
        all.len() - wanted().count(),
        (now() - began).as_secs_f64()
    );
    crate::exit_code(failed.is_empty())
}

enum Check {
    /// Panics if it does not hold.
    Quick(fn()),
    Long(fn() -> bool),
}

impl Check {
    fn is_passed(&self) -> bool {
        match self {
            Check::Quick(check) => catch_unwind(*check).is_ok(),
            Check::Long(run) => catch_unwind(*run).unwrap_or(false),
        }
    }
}

fn peers() -> bool {
    peers::run(&ROWS.map(String::from), 1).is_well()
}

fn torture() -> bool {
    let scratch = Scratch::new("torture-report");
    let words = format!("--seed {SEED} --minutes {MINUTES} --report");
    let words = words.split(' ').map(str::to_owned);
    let pictures = scratch.path().display().to_string();
    let arguments: Vec<String> = words.chain([pictures]).collect();
    let is_clean = enclosure::enter(&arguments) == 0;
    if !is_clean {
        println!("the pictures are in {}", scratch.path().display());
        std::mem::forget(scratch);
    }
    is_clean
}
