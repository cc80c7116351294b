//! What a person is told besides the facts: why nobody is master, and what somebody should look at.

use std::collections::BTreeMap;
use std::time::Duration;

use super::CLOCKS_APART;
use super::moment::{Moment, brief};
use super::report::{
    Asked, Candidate, MASTER, Master, Remark, Renewal, Report, STOPPING, TermState, UNABLE,
    is_ephemeral,
};
use super::standing::{UNREADABLE_TERM, odd_znode};
use crate::zookeeper::survey::{MasterView, Survey};

pub(super) const FOREIGN_MASTER: &str = "foreign-master";
const CLOSED: &str = "closed";
pub(super) const TERM_MISMATCH: &str = "term-mismatch";

pub(super) fn remark(code: &'static str, message: impl Into<String>) -> Remark {
    let message = message.into();
    Remark { code, message }
}

/// Why nobody is master, as far as it can be known.
pub(super) fn nobody(report: &Report, asked: &Asked<'_>, survey: &Survey) -> Remark {
    if let Some(view) = &survey.master {
        return foreign_master(report, view);
    }
    let able = |it: &&Candidate| !it.is_in(UNABLE);
    match report.term.state {
        TermState::RootMissing if report.candidates.is_empty() => remark(
            "root-missing",
            format!(
                "`{}` does not exist: no supervisor ever ran here",
                asked.paths.root()
            ),
        ),
        _ if report.candidates.is_empty() => no_candidates(report, asked, survey),
        _ if !report.candidates.iter().any(|it| able(&it)) => remark(
            "all-unable",
            "no candidate is able to campaign: the log of each says why",
        ),
        _ if report.candidates.iter().any(|it| it.is_in(STOPPING)) => remark(
            "stopping",
            format!(
                "{} is still stopping its command; a standby follows when nothing is left of it",
                names(report.candidates.iter().filter(|it| it.is_in(STOPPING)))
            ),
        ),
        TermState::Held => remark("waiting-out", waited_out(report, asked)),
        TermState::RootMissing
        | TermState::Missing
        | TermState::Virgin
        | TermState::Released
        | TermState::Unreadable => remark(
            "electing",
            "an election is under way: ask again in a moment",
        ),
    }
}

fn foreign_master(report: &Report, view: &MasterView) -> Remark {
    let path = &report.path;
    let what = if is_ephemeral(view) && report.term.exists() {
        "a candidate deletes it when the term record did not change for a whole wait-out"
    } else {
        "nobody can be master while it exists: end that program, or choose another `master` or `root`"
    };
    let (code, why) = match &view.note {
        _ if !is_ephemeral(view) => (
            FOREIGN_MASTER,
            format!("another program made `{path}` (it is not ephemeral)"),
        ),
        Err(flaw) => (
            FOREIGN_MASTER,
            format!("another program made `{path}` ({flaw})"),
        ),
        Ok(note) => (
            TERM_MISMATCH,
            format!(
                "the term record says so, although `{path}` is of {}",
                note.name
            ),
        ),
    };
    remark(code, format!("{why}; {what}"))
}

fn no_candidates(report: &Report, asked: &Asked<'_>, survey: &Survey) -> Remark {
    let (code, why) = match &survey.closed {
        Some(path) => (
            CLOSED,
            format!(
                "the ACL of `{path}` lets nobody create znodes there, so a supervisor that runs cannot take part: \
                 `zk-supervise check --online` says what to change"
            ),
        ),
        None => (
            "no-candidates",
            "no supervisor of this election is running, none reaches the ensemble, or none could make its candidate \
             znode (its log says why)"
                .to_owned(),
        ),
    };
    match report.term.state {
        TermState::Held => remark(code, format!("{why}; {}", waited_out(report, asked))),
        TermState::RootMissing
        | TermState::Missing
        | TermState::Virgin
        | TermState::Released
        | TermState::Unreadable => remark(code, why),
    }
}

/// Of a term that nobody released and whose lease is over: as far as clocks tell, which may differ.
fn waited_out(report: &Report, asked: &Asked<'_>) -> String {
    let holder = match &report.term.holder {
        Some(holder) => format!("the last term, of {holder},"),
        None => "the last term".to_owned(),
    };
    let age = report.term.written.and_then(|it| it.age(asked.now).ok());
    let over = age.unwrap_or_default().saturating_sub(report.term.lease());
    format!(
        "{holder} was not released, and its lease ended {} ago by this host's clock",
        brief(over)
    )
}

/// ` for up to 17s more`, where some of the lease is left.
pub(super) fn left(report: &Report, asked: &Asked<'_>) -> String {
    match left_of_lease(report, asked) {
        Some(left) => format!(" for up to {} more", brief(left)),
        None => String::new(),
    }
}

/// How long a standby that watches waits still before its command starts.
fn left_of_lease(report: &Report, asked: &Asked<'_>) -> Option<Duration> {
    let age = report.term.written?.age(asked.now).unwrap_or_default();
    asked
        .timing
        .wait_out(report.term.lease())
        .checked_sub(age)
        .filter(|left| !left.is_zero())
}

/// What somebody should look at.
pub(super) fn warnings(report: &Report, asked: &Asked<'_>, survey: &Survey) -> Vec<Remark> {
    let mut warnings = Vec::new();
    if let Some(master) = &report.master {
        warnings.extend(silent(report, master, asked));
        warnings.extend(odd_znode(report, master, survey));
        warnings.extend(past_masters(report, master));
        warnings.extend(no_standby(report, master, survey));
    }
    warnings.extend(unreadable_term(report));
    warnings.extend(twins(report));
    warnings.extend(unable(report));
    warnings.extend(report.candidates.iter().filter_map(unreadable_candidate));
    warnings.extend(short_session(asked, survey.granted));
    warnings.extend(clocks(report, asked));
    warnings
}

fn silent(report: &Report, master: &Master, asked: &Asked<'_>) -> Option<Remark> {
    if master.renewing {
        return None;
    }
    let polls = asked.timing.poll_interval * 2;
    let then = match (left_of_lease(report, asked), has_standby(report, master)) {
        (Some(left), true) => format!("a standby takes over within {}", brief(left + polls)),
        (None, true) => "its lease is over: a standby takes over at any moment".to_owned(),
        (Some(left), false) => format!(
            "its command may run for up to {} more, and a supervisor that starts now waits as long",
            brief(left)
        ),
        (None, false) => "its lease is over".to_owned(),
    };
    let name = &master.name;
    Some(remark(
        "silent-master",
        format!("{name} does not renew its term: it hangs, is cut off or is gone; {then}"),
    ))
}

fn past_masters(report: &Report, master: &Master) -> Option<Remark> {
    let is_past = |it: &&Candidate| it.is_in(MASTER) && !master.is(it);
    let mut past = report.candidates.iter().filter(is_past).peekable();
    past.peek()?;
    Some(remark(
        "past-master",
        format!(
            "{} says it is master and is not: it was succeeded, and its session has not ended yet",
            names(past)
        ),
    ))
}

fn no_standby(report: &Report, master: &Master, survey: &Survey) -> Option<Remark> {
    if has_standby(report, master) {
        return None;
    }
    if let Some(path) = &survey.closed {
        return Some(remark(
            CLOSED,
            format!(
                "the ACL of `{path}` lets nobody create znodes there: who stands by cannot be known; run \
                 `setAcl {path} world:anyone:cdrwa` in zkCli.sh"
            ),
        ));
    }
    let name = &master.name;
    Some(remark(
        "no-standby",
        format!("nobody stands by: if {name} goes, the command runs nowhere"),
    ))
}

fn has_standby(report: &Report, master: &Master) -> bool {
    let is_able = |it: &Candidate| !master.is(it) && it.flaw.is_none() && !it.is_in(UNABLE);
    report.candidates.iter().any(is_able)
}

fn unreadable_term(report: &Report) -> Option<Remark> {
    let flaw = report.term.flaw.as_ref()?;
    let path = &report.path;
    Some(remark(
        UNREADABLE_TERM,
        format!(
            "`{path}.term` is unreadable: {flaw}; somebody or another program wrote it, or a later zk-supervise, and no candidate \
             campaigns until it is right"
        ),
    ))
}

fn twins(report: &Report) -> Vec<Remark> {
    let mut named: BTreeMap<&str, Vec<&Candidate>> = BTreeMap::new();
    for candidate in &report.candidates {
        if let Some(name) = &candidate.name {
            named.entry(name).or_default().push(candidate);
        }
    }
    let twins = named.into_iter().filter(|(_, them)| them.len() > 1);
    twins.map(|(name, them)| same_name(name, &them)).collect()
}

fn same_name(name: &str, them: &[&Candidate]) -> Remark {
    let places: Vec<String> = them
        .iter()
        .map(|it| {
            let host = it.host.as_deref().unwrap_or("?");
            format!("{host} pid {}", it.pid.unwrap_or_default())
        })
        .collect();
    let is_one_host = them.iter().all(|it| it.host == them[0].host);
    // A supervisor that was killed and started again has two znodes until the first one's session ends.
    let unless = if is_one_host {
        "unless one was killed just now, "
    } else {
        ""
    };
    remark(
        "same-name",
        format!(
            "{} candidates are called {name} ({}): they do not block each other, but nobody can tell them apart; \
             {unless}give each its own `[election] name`",
            them.len(),
            places.join(", ")
        ),
    )
}

/// Not where the answer says already what keeps everybody.
fn unable(report: &Report) -> Option<Remark> {
    let is_said = |why: &Remark| matches!(why.code, FOREIGN_MASTER | UNREADABLE_TERM);
    let why = report.nobody.as_ref().or(report.unknown.as_ref());
    if why.is_some_and(is_said) {
        return None;
    }
    let mut unable = report
        .candidates
        .iter()
        .filter(|it| it.is_in(UNABLE))
        .peekable();
    unable.peek()?;
    Some(remark(
        "unable",
        format!(
            "{} cannot campaign: its log says why, and so does `zk-supervise check --online` there",
            names(unable)
        ),
    ))
}

fn unreadable_candidate(candidate: &Candidate) -> Option<Remark> {
    let flaw = candidate.flaw.as_ref()?;
    let znode = &candidate.znode;
    Some(remark(
        "unreadable-candidate",
        format!(
            "candidate znode `{znode}` is unreadable: {flaw}; it is not one of ours, or of a later version"
        ),
    ))
}

fn short_session(asked: &Asked<'_>, granted: Duration) -> Option<Remark> {
    if granted >= asked.timing.session_timeout {
        return None;
    }
    let wanted = brief(asked.timing.session_timeout);
    let effect = match asked.timing.granted(granted) {
        Ok(timing) => format!("its lease is {}", brief(timing.lease)),
        Err(_) => "it cannot campaign".to_owned(),
    };
    Some(remark(
        "short-session",
        format!(
            "the ensemble grants sessions of {}, not the {wanted} asked for; who has this file finds that {effect}: \
             see `zk-supervise check --online`",
            brief(granted)
        ),
    ))
}

/// The times above come from two clocks; who reads them should know when they do not agree.
fn clocks(report: &Report, asked: &Asked<'_>) -> Option<Remark> {
    let master = report.master.as_ref();
    let ahead = [report.term.written, master.and_then(|master| master.since)]
        .into_iter()
        .flatten()
        .filter_map(|time| time.age(asked.now).err())
        .max();
    let behind = report
        .term
        .written
        .filter(|_| master.is_some() && asked.renewal == Renewal::Seen)
        .and_then(|written: Moment| written.age(asked.now).ok());
    let (by, which) = match (ahead, behind) {
        (Some(by), _) => (by, "behind"),
        (None, Some(by)) => (by, "ahead of"),
        (None, None) => return None,
    };
    (by > CLOCKS_APART + asked.timing.renew_interval * 3).then(|| {
        remark(
            "clocks-differ",
            format!(
                "this host's clock is {} {which} the ensemble's: read the times above with that in mind; nothing \
                 depends on it",
                brief(by)
            ),
        )
    })
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn names<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> String {
    let names: Vec<String> = candidates
        .map(|it| {
            let name = it.name.as_deref().unwrap_or(&it.znode);
            match &it.host {
                Some(host) if host != name => format!("{name} on {host}"),
                Some(_) | None => name.to_owned(),
            }
        })
        .collect();
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::core::election::{Held, Record, TermId, Token};
    use crate::core::lease::{Timing, Wish};
    use crate::core::path::ZnodePath;
    use crate::zookeeper::Paths;
    use crate::zookeeper::record::{self, MasterNote, TermNote};
    use crate::zookeeper::survey::{CandidateView, TermView};

    /// Later than any lease here lasts.
    const LATER: i64 = NOW + 60_000;

    /// The time of every survey here, in milliseconds since 1970.
    const NOW: i64 = 1_700_000_000_000;

    const TERM: TermId = TermId {
        elector: 7,
        number: 1,
    };

    fn timing() -> Timing {
        Wish::default().timing()
    }

    fn candidate(name: &str, pid: u32, state: &str) -> CandidateView {
        CandidateView {
            znode: format!("{name}~{pid:016x}"),
            note: Ok(record::Candidate {
                name: name.into(),
                incarnation: pid.into(),
                host: format!("{name}.example"),
                pid,
                state: state.into(),
                version: "0.1.0".into(),
            }),
            owner: pid.into(),
            since: NOW - 90_000,
        }
    }

    /// `a` is master and renewed half a second ago; `b` stands by.
    fn calm() -> Survey {
        let held = Held {
            id: Some(TERM),
            generation: 0,
            lease: timing().lease,
            token: Some(Token(99)),
        };
        Survey {
            granted: timing().session_timeout,
            master: Some(MasterView {
                note: Ok(MasterNote {
                    name: "a".into(),
                    host: "a.example".into(),
                    pid: 1,
                    term: Some(TERM),
                    version: "0.1.0".into(),
                }),
                owner: 1,
                since: NOW - 60_000,
            }),
            term: TermView::Present {
                note: Ok(TermNote {
                    record: Record::Held(held),
                    holder: Some("a".into()),
                }),
                version: 3,
                written: NOW - 500,
            },
            candidates: vec![candidate("a", 1, "master"), candidate("b", 2, "standby")],
            closed: None,
        }
    }

    fn report_at(now: i64, renewal: Renewal, survey: &Survey) -> Report {
        let path = |text| ZnodePath::parse(text).expect("a good path");
        let now = u64::try_from(now).expect("after 1970");
        let asked = Asked {
            now: SystemTime::UNIX_EPOCH + Duration::from_millis(now),
            paths: &Paths::new(None, &path("/ha"), &path("/master")),
            timing: &timing(),
            renewal,
        };
        Report::new(&asked, survey)
    }

    fn report(survey: &Survey) -> Report {
        report_at(NOW, Renewal::Seen, survey)
    }

    fn codes(report: &Report) -> Vec<&str> {
        report.warnings.iter().map(|it| it.code).collect()
    }

    fn why(report: &Report) -> Option<&str> {
        report.nobody.as_ref().map(|why| why.code)
    }

    #[test]
    fn a_calm_election_is_without_remarks() {
        let report = report(&calm());
        assert_eq!((why(&report), codes(&report)), (None, vec![]));
    }

    #[test]
    fn each_oddity_is_warned_of() {
        let mut deposed = calm();
        deposed.candidates.push(candidate("c", 3, "master"));
        assert_eq!(codes(&report(&deposed)), ["past-master"]);
        let mut unable = calm();
        unable.candidates[1] = candidate("b", 2, "unable");
        assert_eq!(codes(&report(&unable)), ["no-standby", "unable"]);
        let mut twins = calm();
        twins.candidates.push(candidate("b", 3, "standby"));
        assert_eq!(codes(&report(&twins)), ["same-name"]);
        let mut shortened = calm();
        shortened.granted = Duration::from_secs(20);
        assert_eq!(codes(&report(&shortened)), ["short-session"]);
        let silent = report_at(NOW + 10_000, Renewal::Missing, &calm());
        assert_eq!(codes(&silent), ["silent-master"]);
        let message = &silent.warnings[0].message;
        assert!(message.ends_with("takes over within 16s"), "{message}");
        let over = report_at(NOW + 30_000, Renewal::Missing, &calm());
        assert!(over.warnings[0].message.contains("its lease is over"));
    }

    /// What stands in M's place while `a` holds the term.
    fn with_master(note: Result<MasterNote, record::Flaw>, owner: i64) -> Survey {
        let since = NOW - 1000;
        let master = Some(MasterView { note, owner, since });
        Survey { master, ..calm() }
    }

    #[test]
    fn who_holds_the_term_is_master_whatever_became_of_the_master_znode() {
        let garbage = || Err(record::Flaw::Missing("name"));
        let other = || {
            let note = calm().master.expect("there is one").note;
            note.map(|note| MasterNote { term: None, ..note })
        };
        for (survey, code, advice, session) in [
            (
                with_master(garbage(), 1),
                FOREIGN_MASTER,
                "nothing has to be done, it goes",
                Some("0x1"),
            ),
            (
                with_master(other(), 1),
                TERM_MISMATCH,
                "nothing has to be done, it goes",
                Some("0x1"),
            ),
            (
                with_master(garbage(), 9),
                FOREIGN_MASTER,
                "nothing has to be done; when",
                None,
            ),
            (
                with_master(other(), 9),
                TERM_MISMATCH,
                "nothing has to be done; when",
                None,
            ),
            (
                with_master(garbage(), 0),
                FOREIGN_MASTER,
                "run `delete /ha/master`",
                None,
            ),
            (
                Survey {
                    master: None,
                    ..calm()
                },
                "master-missing",
                "is gone",
                None,
            ),
        ] {
            let report = report(&survey);
            let master = report.master.as_ref().expect("a holds the term");
            assert_eq!((master.name.as_str(), master.pid), ("a", Some(1)));
            assert_eq!(master.session.as_deref(), session);
            assert_eq!((why(&report), codes(&report)), (None, vec![code]));
            let message = &report.warnings[0].message;
            assert!(message.contains(advice), "{message}");
        }
    }

    #[test]
    fn nobody_is_master_only_where_the_record_says_so_or_its_lease_is_over() {
        let mut lost = calm();
        lost.master = None;
        lost.candidates.remove(0);
        let lease = timing().wait_out(timing().lease) + CLOCKS_APART;
        let over = NOW - 500 + i64::try_from(lease.as_millis()).expect("a short time") + 1;
        assert_eq!(why(&report_at(over - 1000, Renewal::Missing, &lost)), None);
        assert_eq!(why(&report_at(over, Renewal::Seen, &lost)), None);
        assert_eq!(
            why(&report_at(over, Renewal::Missing, &lost)),
            Some("waiting-out")
        );
        // Its own znode is there yet, or its candidate's.
        assert_eq!(why(&report_at(over, Renewal::Missing, &calm())), None);
        let mut stopping = lost.clone();
        stopping.candidates.push(candidate("a", 1, "stopping"));
        assert_eq!(why(&report_at(over, Renewal::Missing, &stopping)), None);
        let released = Ok(TermNote {
            record: Record::Released,
            holder: Some("a".into()),
        });
        let mut released = Survey {
            term: TermView::Present {
                note: released,
                version: 4,
                written: NOW,
            },
            ..calm()
        };
        assert_eq!(why(&report(&released)), Some(TERM_MISMATCH));
        released.master = None;
        assert_eq!(why(&report(&released)), Some("electing"));
    }

    #[test]
    fn it_is_not_known_who_is_master_where_the_record_does_not_tell() {
        let unknown = |term, master| {
            let report = report(&Survey {
                term,
                master,
                ..calm()
            });
            assert!(report.master.is_none() && report.nobody.is_none());
            report.unknown.map(|why| (why.code, why.message))
        };
        let garbage = TermView::Present {
            note: Err(record::Flaw::Missing("state")),
            version: 4,
            written: NOW,
        };
        let (code, message) = unknown(garbage, calm().master).expect("it is not known");
        assert_eq!(code, UNREADABLE_TERM);
        assert!(
            message.contains("(look at a on a.example first)"),
            "{message}"
        );
        assert!(message.contains("`delete /ha/master.term`"), "{message}");
        let (code, _) = unknown(TermView::Missing, calm().master).expect("it is not known");
        assert_eq!(code, "missing-term");
        let held = Held {
            id: None,
            generation: 0,
            lease: timing().lease,
            token: None,
        };
        let nobodys = TermView::Present {
            note: Ok(TermNote {
                record: Record::Held(held),
                holder: None,
            }),
            version: 0,
            written: NOW,
        };
        let (code, message) = unknown(nobodys, None).expect("it is not known");
        assert_eq!(code, "lost-term");
        assert!(message.contains("for up to 25s more"), "{message}");
    }

    #[test]
    fn clocks_that_differ_are_warned_of_either_way() {
        for (now, message) in [
            (NOW - 3_600_000, "this host's clock is 59m 59s behind"),
            (NOW + 3_600_000, "this host's clock is 1h ahead of"),
        ] {
            let report = report_at(now, Renewal::Seen, &calm());
            assert_eq!(codes(&report), ["clocks-differ"]);
            let told = &report.warnings[0].message;
            assert!(told.starts_with(message), "{told}");
        }
    }

    #[test]
    fn why_nobody_is_master_is_told_as_far_as_it_is_known() {
        let nobody = |states: &[&str]| {
            let mut survey = calm();
            survey.master = None;
            let states = states.iter().zip(1..);
            survey.candidates = states
                .map(|(state, pid)| candidate(&format!("c{pid}"), pid, state))
                .collect();
            survey
        };
        for (states, code) in [
            (&[][..], "no-candidates"),
            (&["unable", "unable"], "all-unable"),
            (&["stopping", "standby"], "stopping"),
            (&["unable", "standby"], "waiting-out"),
        ] {
            let report = report_at(LATER, Renewal::Missing, &nobody(states));
            assert_eq!(why(&report), Some(code));
        }
        let mut begun = nobody(&["standby"]);
        begun.term = TermView::Missing;
        assert_eq!(why(&report(&begun)), Some("electing"));
        let mut persistent = calm();
        persistent.candidates.remove(0);
        persistent.master.as_mut().expect("there is one").owner = 0;
        let report = report_at(LATER, Renewal::Missing, &persistent);
        assert_eq!(why(&report), Some(FOREIGN_MASTER));
    }

    #[test]
    fn the_lease_of_a_lost_group_is_told_to_who_starts_now() {
        let mut survey = calm();
        survey.master = None;
        survey.candidates.clear();
        let silent = report_at(NOW, Renewal::Missing, &survey);
        let message = &silent.warnings[0].message;
        assert!(
            message.contains("for up to 25s more, and a supervisor that starts now waits as long"),
            "{message}"
        );
        let over = report_at(LATER, Renewal::Missing, &survey);
        let message = over.nobody.expect("nobody is").message;
        assert!(
            message.ends_with("its lease ended 35s ago by this host's clock"),
            "{message}"
        );
    }
}
