//! `status`: who is master, since when, in which term, and who stands by.
//!
//! A survey is not one instant, and the master of a host that died keeps its znode for a while. So what does not add
//! up, or was not renewed lately, is looked at twice before it is told.

mod moment;
mod remarks;
mod report;
mod standing;
mod text;

use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::print::{complain, print};
use super::{exit, run};
use crate::clock;
use crate::config;
use crate::core::election::Record;
use crate::core::lease::Timing;
use crate::zookeeper::survey::{CandidateView, Survey, SurveyError, TermView, survey};
use crate::zookeeper::{Ensemble, Paths};
use moment::Moment;
use report::{Asked, Renewal, Report};
use standing::{Seat, seat};

/// The longest pause between two looks: nobody waits longer for a `status`.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How far two clocks may be apart before it is worth saying.
const CLOCKS_APART: Duration = Duration::from_secs(5);

/// Prints the state of the election, as JSON if `json`. Exits 0 whenever the ensemble has answered.
pub(super) fn status(file: &Path, json: bool) -> ExitCode {
    let config = match config::load(file) {
        Ok(config) => config,
        Err(errors) => {
            complain(errors);
            return exit::CONFIG.into();
        }
    };
    let ensemble = run::ensemble(&config, std::process::id(), 0);
    match look(&ensemble, &config.timing) {
        Ok((survey, renewal)) => {
            let asked = Asked {
                now: clock::wall(),
                paths: &ensemble.paths,
                timing: &config.timing,
                renewal,
            };
            let report = Report::new(&asked, &survey);
            let text = if json {
                report.json()
            } else {
                text::text(&report)
            };
            match print(&text) {
                Ok(()) => ExitCode::SUCCESS,
                Err(code) => code,
            }
        }
        Err(error) => refuse(&ensemble.paths, &error),
    }
}

/// Says why there is no answer, and returns what to exit with.
pub(super) fn refuse(paths: &Paths, error: &SurveyError) -> ExitCode {
    match error {
        SurveyError::Unreachable { reason } => {
            // One server a line, where there are several.
            let reasons = reason.replace("; ", "\n  ");
            complain(format!("no server answers\n  {reasons}"));
            exit::UNAVAILABLE.into()
        }
        SurveyError::Forbidden { path, reason } => {
            complain(forbidden(paths.root(), path, reason));
            exit::CONFIG.into()
        }
    }
}

/// What to do about an ACL. Of a znode that was only tried, its parent is meant.
fn forbidden(root: &str, path: &str, reason: &str) -> String {
    let parent = path
        .rsplit_once('/')
        .filter(|(_, last)| last.contains(".probe~"))
        .map(|(parent, _)| parent);
    let place = match parent {
        Some("") => "/",
        Some(parent) => parent,
        None => path,
    };
    let is_acl = reason.contains("authorized");
    let help = match (is_acl, root.starts_with(place) && place != root) {
        (true, true) => format!("create {root} \"\" world:anyone:cdrwa"),
        (true, false) => format!("setAcl {place} world:anyone:cdrwa"),
        (false, _) => format!("stat {place}"),
    };
    format!(
        "the ensemble forbids what must be done at `{place}`: {reason}\n  \
         every candidate must create, read, write and delete at `{root}` and below;\n  \
         `getAcl {place}` in zkCli.sh shows who may do what\n\
         help: choose another `root`, or have who may do it run in zkCli.sh:\n      \
         {help}"
    )
}

/// Runs `ask` on a thread of its own and gives up waiting for it in time: a server may go silent between two answers,
/// and the client library may spin where there is no network.
pub(super) fn in_time<T: Send + 'static>(
    ensemble: &Ensemble,
    timing: &Timing,
    ask: impl FnOnce(&Ensemble, &Timing) -> Result<T, SurveyError> + Send + 'static,
) -> Result<T, SurveyError> {
    /// How many answers are waited for besides one of each server: a few reads or writes, and the end of the session.
    const ANSWERS: u32 = 6;
    let servers = u32::try_from(ensemble.servers.len()).unwrap_or(u32::MAX);
    let limit = timing
        .connect_timeout
        .saturating_mul(servers.saturating_add(ANSWERS));
    let (sender, answer) = mpsc::channel();
    let (ensemble, timing) = (ensemble.clone(), *timing);
    thread::spawn(move || sender.send(ask(&ensemble, &timing)));
    answer.recv_timeout(limit).unwrap_or_else(|_| {
        let limit = humantime::format_duration(limit);
        Err(SurveyError::Unreachable {
            reason: format!("no answer within {limit}"),
        })
    })
}

fn look(ensemble: &Ensemble, timing: &Timing) -> Result<(Survey, Renewal), SurveyError> {
    let first = in_time(ensemble, timing, survey)?;
    if is_settled(&first, timing) {
        return Ok((first, Renewal::Seen));
    }
    clock::pause((timing.renew_interval * 2).min(LONGEST_PAUSE));
    let second = in_time(ensemble, timing, survey)?;
    let is_renewed = version(&first.term) != version(&second.term);
    let is_too_soon = timing.renew_interval * 2 > LONGEST_PAUSE;
    let renewal = if is_renewed || (is_too_soon && is_fresh(&second.term, timing)) {
        Renewal::Seen
    } else {
        Renewal::Missing
    };
    Ok((second, renewal))
}

/// Whether there is nothing in it that a second look might show otherwise.
fn is_settled(survey: &Survey, timing: &Timing) -> bool {
    match held(&survey.term) {
        Some(_) => seat(survey) == Seat::Own && is_fresh(&survey.term, timing),
        None => survey.master.is_none() && !survey.candidates.iter().any(says_master),
    }
}

/// Whether a candidate says that it is master.
fn says_master(view: &CandidateView) -> bool {
    let note = view.note.as_ref();
    note.is_ok_and(|note| note.state == report::MASTER)
}

fn held(term: &TermView) -> Option<&Record> {
    let record = term.note().map(|note| &note.record);
    record.filter(|record| matches!(record, Record::Held(_)))
}

fn version(term: &TermView) -> Option<(i32, i64)> {
    match term {
        TermView::Present {
            version, written, ..
        } => Some((*version, *written)),
        TermView::Missing | TermView::RootMissing => None,
    }
}

/// Whether it was written lately, by two clocks that may differ: if it was not, it is looked at again.
fn is_fresh(term: &TermView, timing: &Timing) -> bool {
    /// What a busy master and a slow ensemble may add.
    const ALLOWANCE: Duration = Duration::from_secs(1);
    version(term)
        .and_then(|(_, written)| Moment::from_millis(written))
        .and_then(|written| written.age(clock::wall()).ok())
        .is_some_and(|age| age < timing.renew_interval * 3 + ALLOWANCE)
}
