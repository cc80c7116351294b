//! Who is master, by the term record `T`. The master znode `M` is only a hint: anybody may have written it, and who holds
//! `T` keeps its mastership whatever becomes of `M`, until a renewal of its own shows it that `M` is gone.
//!
//! Who reads this may start the command by hand where nobody is master. So that is said only where `T` says so, or
//! where the lease of whoever holds it is over beyond doubt.

use super::moment::Moment;
use super::remarks::{FOREIGN_MASTER, TERM_MISMATCH, left, names, nobody, remark};
use super::report::{
    Asked, Candidate, MASTER, Master, Remark, Renewal, Report, STOPPING, TermState, WAITING_OUT,
    is_ephemeral,
};
use super::{CLOCKS_APART, held};
use crate::core::election::Record;
use crate::zookeeper::record;
use crate::zookeeper::survey::{CandidateView, MasterView, Survey};

pub(super) const UNREADABLE_TERM: &str = "unreadable-term";

/// Who is master.
pub(super) enum Standing {
    Master(Master),
    /// Nobody, and why.
    Nobody(Remark),
    /// That is not known, and why.
    Unknown(Remark),
}

/// What `M` is to the term that is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seat {
    /// As its holder made it.
    Own,
    /// The holder's session owns it, but somebody else wrote into it.
    Overwritten,
    /// Another session owns it.
    Foreign,
    /// No session owns it.
    Persistent,
    /// It is not there.
    Missing,
}

/// Who is master; `report` has all but that.
pub(super) fn standing(report: &Report, asked: &Asked<'_>, survey: &Survey) -> Standing {
    match (report.term.state, &report.term.holder) {
        (TermState::Unreadable, _) => Standing::Unknown(unreadable(report)),
        (TermState::Missing, _) if is_claimed(report, survey) => Standing::Unknown(missing(report)),
        (TermState::Held, holder) if !is_over(report, asked, survey) => match holder {
            Some(holder) => Standing::Master(master(holder, asked, survey)),
            None => Standing::Unknown(lost(report, asked)),
        },
        (
            TermState::RootMissing
            | TermState::Missing
            | TermState::Virgin
            | TermState::Held
            | TermState::Released,
            _,
        ) => Standing::Nobody(nobody(report, asked, survey)),
    }
}

/// Whether a candidate says that its command runs, or may run.
pub(super) fn claims(candidate: &Candidate) -> bool {
    candidate.is_in(MASTER) || candidate.is_in(STOPPING)
}

fn is_claimed(report: &Report, survey: &Survey) -> bool {
    let is_ours = |view: &MasterView| is_ephemeral(view) && view.note.is_ok();
    survey.master.as_ref().is_some_and(is_ours) || report.candidates.iter().any(claims)
}

/// Whether the lease of the term that is held is over: by clocks that may differ a little, and by what is seen besides.
fn is_over(report: &Report, asked: &Asked<'_>, survey: &Survey) -> bool {
    let age = report.term.written.and_then(|it| it.age(asked.now).ok());
    let lease = report.term.lease();
    let has_passed = age.is_some_and(|age| age >= asked.timing.wait_out(lease) + CLOCKS_APART);
    let is_holder =
        |it: &Candidate| it.name.is_some() && it.name == report.term.holder && claims(it);
    has_passed
        && asked.renewal == Renewal::Missing
        && seat(survey) != Seat::Own
        && !report.candidates.iter().any(is_holder)
}

/// What `M` is to the term that is held; if none is, it is nobody's own.
pub(super) fn seat(survey: &Survey) -> Seat {
    let Some(view) = &survey.master else {
        return Seat::Missing;
    };
    let holder = holder(survey);
    let is_of_holder =
        |it: &CandidateView| it.owner == view.owner && name(it).is_some() && name(it) == holder;
    if !is_ephemeral(view) {
        Seat::Persistent
    } else if is_own(view, survey) {
        Seat::Own
    } else if survey.candidates.iter().any(is_of_holder) {
        Seat::Overwritten
    } else {
        Seat::Foreign
    }
}

/// Whether `M` says what its holder wrote.
fn is_own(view: &MasterView, survey: &Survey) -> bool {
    match (&view.note, held(&survey.term)) {
        (Ok(note), Some(Record::Held(held))) => {
            note.term == held.id && Some(note.name.as_str()) == holder(survey)
        }
        (Ok(_) | Err(_), _) => false,
    }
}

fn holder(survey: &Survey) -> Option<&str> {
    survey.term.note().and_then(|note| note.holder.as_deref())
}

fn name(view: &CandidateView) -> Option<&str> {
    view.note.as_ref().ok().map(|note| note.name.as_str())
}

/// Who holds the term: what `M` says of it if that is its own, or else what its candidate says.
fn master(holder: &str, asked: &Asked<'_>, survey: &Survey) -> Master {
    let seat = seat(survey);
    let view = survey.master.as_ref();
    let of_session = view.filter(|_| matches!(seat, Seat::Own | Seat::Overwritten));
    let own = view.filter(|_| seat == Seat::Own);
    let own = own.and_then(|view| view.note.as_ref().ok());
    let is_it = |it: &&record::Candidate| {
        own.is_none_or(|note| (&it.host, it.pid) == (&note.host, note.pid))
    };
    let candidate = candidate(holder, survey, is_it);
    Master {
        name: holder.to_owned(),
        host: own
            .map(|it| it.host.clone())
            .or(candidate.map(|it| it.host.clone())),
        pid: own.map(|it| it.pid).or(candidate.map(|it| it.pid)),
        state: candidate.map(|it| it.state.clone()),
        since: of_session.and_then(|view| Moment::from_millis(view.since)),
        renewing: asked.renewal == Renewal::Seen,
        session: of_session.map(|view| format!("{:#x}", view.owner)),
        version: own
            .map(|it| it.version.clone())
            .or(candidate.map(|it| it.version.clone())),
    }
}

/// The candidate that holds the term, if there is no doubt which one it is.
fn candidate<'a>(
    holder: &str,
    survey: &'a Survey,
    is_it: impl Fn(&&record::Candidate) -> bool,
) -> Option<&'a record::Candidate> {
    let notes = survey
        .candidates
        .iter()
        .filter_map(|it| it.note.as_ref().ok());
    let named: Vec<_> = notes.filter(|it| it.name == holder).filter(is_it).collect();
    let in_term =
        |it: &&record::Candidate| [MASTER, STOPPING, WAITING_OUT].contains(&it.state.as_str());
    let of_term: Vec<_> = named.iter().copied().filter(in_term).collect();
    match (of_term.as_slice(), named.as_slice()) {
        ([one], _) | ([], [one]) => Some(one),
        (_, _) => None,
    }
}

/// M is not as its master made it, on two looks. T decides: the master is who holds that.
pub(super) fn odd_znode(report: &Report, master: &Master, survey: &Survey) -> Option<Remark> {
    let (path, name) = (&report.path, &master.name);
    let demoted = format!("when it goes, {name} is demoted and the command is started anew");
    let (code, what) = match seat(survey) {
        Seat::Own => return None,
        Seat::Missing => (
            "master-missing",
            format!("`{path}` is gone: {name} holds its term no longer than its lease"),
        ),
        Seat::Overwritten => (
            overwritten(survey),
            format!(
                "somebody wrote into `{path}`, which is {name}'s: nothing has to be done, it goes with its session"
            ),
        ),
        Seat::Foreign => (
            overwritten(survey),
            format!(
                "`{path}` is not the one that {name} made: the term record is {name}'s and decides, so nothing has to \
                 be done; {demoted}"
            ),
        ),
        Seat::Persistent => (
            FOREIGN_MASTER,
            format!(
                "`{path}` is not the one that {name} made, and while it exists no standby can take over: run \
                 `delete {path}` in zkCli.sh when the command may be interrupted; {demoted}"
            ),
        ),
    };
    Some(remark(code, what))
}

/// Whether it says that it is of another term, or nothing that is ours.
fn overwritten(survey: &Survey) -> &'static str {
    match survey.master.as_ref().map(|view| &view.note) {
        Some(Ok(_)) => TERM_MISMATCH,
        Some(Err(_)) | None => FOREIGN_MASTER,
    }
}

/// What to do where the record is no help.
fn advice(report: &Report) -> String {
    let path = &report.path;
    format!(
        "stop every supervisor of this election, look that the command runs nowhere, then run `delete {path}.term` in \
         zkCli.sh and start them again: the record then counts as held for one lease"
    )
}

/// ` (look at a on h first)`, if it says that it has a term.
fn claimants(report: &Report) -> String {
    let mut claimants = report.candidates.iter().filter(|it| claims(it)).peekable();
    match claimants.peek() {
        Some(_) => format!(" (look at {} first)", names(claimants)),
        None => String::new(),
    }
}

fn unreadable(report: &Report) -> Remark {
    remark(
        UNREADABLE_TERM,
        format!(
            "`{}.term` is unreadable, and the command may run somewhere{}; {}",
            report.path,
            claimants(report),
            advice(report)
        ),
    )
}

fn missing(report: &Report) -> Remark {
    remark(
        "missing-term",
        format!(
            "`{}.term` is missing, and the command may run somewhere{}; the next candidate makes one that counts as \
             held for one lease: ask again in a moment",
            report.path,
            claimants(report)
        ),
    )
}

fn lost(report: &Report, asked: &Asked<'_>) -> Remark {
    let left = left(report, asked);
    remark(
        "lost-term",
        format!(
            "`{}.term` was made anew after it was lost, and whoever held it before may run the command{left}; then a \
             candidate follows",
            report.path
        ),
    )
}
