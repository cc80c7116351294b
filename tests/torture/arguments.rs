//! The command line: two forms, one for people and one for `cargo test`, which hands its own options to every test.

use crate::kinds::{KINDS, Kind};
use std::path::PathBuf;
use std::time::Duration;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Tortures zk-supervise: three supervisors on a real ensemble of three servers. Faults are drawn from a seed and done to
them one after another, now and then two at once: processes killed or stopped, servers restarted or frozen, links cut,
hosts lost; each kind to the master, and a few besides to standbys. The supervised command is a witness that writes down when it ran; what follows from what the witnesses
wrote is the verdict:

  overlaps    two ran at once, or one outlived the last lease that it can have had: there must be none
  needless    a restart that no fault accounts for, or one that the lease should have ridden out: none; nor a supervisor
              or an elector that ends and was not ended
  overdue     nobody ran for longer than that kind of fault may cost, or the group did not recover: none

Usage: cargo test --test torture -- [--seed N] [--minutes N] [--report DIR] [--only WORDS]
       cargo test --release --test torture -- --peers [S3b S7 ...] [--trials N]

  --seed N       the seed of the faults: the same seed draws the same faults  [default: 1]
  --minutes N    how long to go on; an hour does each kind of fault about twenty times  [default: 10]
  --report DIR   write the schedule, report.html and report.svg there; the verdict is not clean if a bar in them is not
                 where a witness was
  --only WORDS   do the kinds of faults only that have these words in their name; may be given several times
  --peers        do by name the faults that others were measured on, all or those that follow, and print their table
  --trials N     how often each of them  [default: 3]
  --help         this

Ctrl-C ends it after the fault in hand, with a verdict on what was done so far; a second one at once.
Each fault prints a line. It exits 0 if the verdict is clean; otherwise the logs and the witnesses' files are kept and
named at the end, with the command that repeats the run. Wrong usage exits 64.

Without any of these options it is some of the tests of `cargo test`: it runs for about five minutes.";

/// What was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Help,
    /// By hand.
    Torture(Effort),
    /// By hand: the faults with these names, all if there are none, each so often.
    Peers(Vec<String>, usize),
    /// By `cargo test`.
    Tests(Filter),
    /// It makes no sense: why.
    Wrong(String),
}

/// How hard to try.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Effort {
    pub(crate) seed: u64,
    pub(crate) length: Duration,
    pub(crate) report: Option<PathBuf>,
    /// The kinds are done that have one of these in their name; all, if there is none.
    pub(crate) only: Vec<String>,
}

/// Which tests `cargo test` wants.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Filter {
    parts: Vec<String>,
    skipped: Vec<String>,
    is_exact: bool,
    is_for_ignored: bool,
    /// It wants their names only.
    pub(crate) is_list: bool,
}

impl Filter {
    /// Whether a test of this name is to be run.
    pub(crate) fn takes(&self, name: &str) -> bool {
        let fits = |part: &String| {
            if self.is_exact {
                name == part
            } else {
                name.contains(part.as_str())
            }
        };
        let is_wanted = self.parts.is_empty() || self.parts.iter().any(fits);
        is_wanted && !self.skipped.iter().any(fits) && !self.is_for_ignored
    }
}

/// Reads the arguments, the program's name not among them.
pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Order {
    let arguments: Vec<String> = arguments
        .flat_map(|argument| match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => vec![name.into(), value.into()],
            _ => vec![argument],
        })
        .collect();
    let has = |names: &[&str]| arguments.iter().any(|it| names.contains(&it.as_str()));
    let order = if has(&["--help", "-h"]) {
        Ok(Order::Help)
    } else if has(&["--peers", "--trials"]) {
        peers(&arguments)
    } else if has(&["--seed", "--minutes", "--report", "--only"]) {
        effort(&arguments).map(Order::Torture)
    } else {
        filter(&arguments).map(Order::Tests)
    };
    order.unwrap_or_else(Order::Wrong)
}

fn peers(arguments: &[String]) -> Result<Order, String> {
    let (mut names, mut trials) = (Vec::new(), 3);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--peers" => {}
            "--trials" => {
                let number = arguments.next().and_then(|value| value.parse().ok());
                trials = number
                    .filter(|&number| number > 0)
                    .ok_or("`--trials` needs a number, at least 1")?;
            }
            unknown if unknown.starts_with('-') => {
                return Err(format!("unknown option `{unknown}`"));
            }
            name => names.push(name.into()),
        }
    }
    Ok(Order::Peers(names, trials))
}

fn effort(arguments: &[String]) -> Result<Effort, String> {
    let mut effort = Effort {
        seed: 1,
        length: Duration::from_secs(600),
        report: None,
        only: Vec::new(),
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = arguments
            .next()
            .ok_or(format!("`{argument}` needs a value"));
        let number = |value: &String| {
            let number = value.parse::<u64>();
            number.map_err(|_| format!("`{argument} {value}`: not a whole number"))
        };
        match argument.as_str() {
            "--seed" => effort.seed = number(value?)?,
            "--minutes" => match number(value?)? {
                0 => return Err("`--minutes 0`: at least one".into()),
                minutes => effort.length = Duration::from_secs(minutes * 60),
            },
            "--report" => effort.report = Some(value?.into()),
            "--only" => effort.only.push(known(value?)?),
            unknown => return Err(format!("unknown option `{unknown}`")),
        }
    }
    Ok(effort)
}

/// Words that the name of a kind has.
fn known(words: &str) -> Result<String, String> {
    let names = KINDS.map(Kind::words);
    if names.iter().any(|name| name.contains(words)) {
        return Ok(words.into());
    }
    let names = names.join(", ");
    Err(format!(
        "`--only {words}` is in no name of a kind of fault; these are {names}"
    ))
}

/// As libtest reads them; what only changes how it prints is taken and means nothing here.
fn filter(arguments: &[String]) -> Result<Filter, String> {
    let mut filter = Filter::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--exact" => filter.is_exact = true,
            "--ignored" => filter.is_for_ignored = true,
            "--list" => filter.is_list = true,
            "--skip" => filter.skipped.extend(arguments.next().cloned()),
            "--test-threads" | "--format" | "--color" | "--logfile" | "-Z" => {
                arguments.next();
            }
            "--nocapture" | "--no-capture" | "--show-output" | "--include-ignored" | "--test"
            | "--bench" | "-q" | "--quiet" => {}
            unknown if unknown.starts_with('-') => {
                return Err(format!("unknown option `{unknown}`"));
            }
            part => filter.parts.push(part.into()),
        }
    }
    Ok(filter)
}
