use super::*;
use crate::clock;
use crate::core::election::Token;
use crate::core::guard::Grant;
use std::ffi::CString;
use std::path::PathBuf;

fn at(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

static SHELL: Shell = Shell {
    incarnation: 7,
    cgroup: PathBuf::new(),
    oom_score: 0,
    strangers: Vec::new(),
    master_since: None,
};

/// What there is to hand over in the term with this number.
fn handed(number: u32) -> Handed<'static> {
    let grant = Grant {
        id: TermId { elector: 7, number },
        generation: 0,
        token: Token(60),
        version: 6,
        lease: Duration::from_secs(25),
        not_before: at(0),
        end: at(100_000),
        starts: 1,
    };
    let core = Carried {
        grant: Some(grant),
        started: 0,
        exit: None,
        running_since: None,
    };
    Handed {
        core,
        shell: &SHELL,
        main: None,
    }
}

const ABLE: &str = "echo '# all' >&4";
const HANGING: &str = "exec sleep 100";

/// A reload that was asked for, to an image that does this when it is tried; and the configuration in force.
fn asked(script: &str) -> (Succession, OwnedFd) {
    let text = |text: &str| CString::new(text).expect("no NUL");
    let program = |script: &str| {
        let words = ["sh", "-c", script].map(text).into();
        Program::new(
            text("/bin/sh"),
            words,
            vec![text("PATH=/bin:/usr/bin")],
            None,
            None,
        )
    };
    let mut succession = Succession::new(program(script), program("exit 1"));
    succession.ask();
    (succession, sheet(c"in force", b"# all").expect("memory"))
}

/// Goes on, at this moment as far as it can tell, until the trial is over.
fn try_at(now: Time, succession: &mut Succession, in_force: &OwnedFd, handed: &Handed<'_>) {
    let began = clock::now();
    succession.advance(now, in_force, Some(handed));
    while succession.trial().is_some() {
        assert!(
            clock::now().since(began) < Duration::from_secs(20),
            "it is still tried"
        );
        std::thread::yield_now();
        succession.advance(now, in_force, Some(handed));
    }
}

#[test]
fn an_image_has_ten_seconds_to_show_that_it_can() {
    let (mut succession, in_force) = asked(HANGING);
    let mut tried = None;
    for millis in [1000, 1000, 6000, 10_999] {
        succession.advance(at(millis), &in_force, Some(&handed(1)));
        let trial = succession.trial().expect("it is tried");
        let status = std::fs::read_to_string(format!("/proc/{trial}/stat")).expect("it is there");
        assert!(!status.contains(") Z "), "at {millis}");
        tried = Some(trial);
        assert_eq!(succession.refusal(), None);
    }
    try_at(at(11_000), &mut succession, &in_force, &handed(1));
    let why = "the new image ended before its time, or did not in time";
    assert_eq!(succession.refusal(), Some(why));
    assert_eq!(succession.refusal(), None, "it is told once");
    assert!(!succession.is_due());
    let trial = tried.expect("it was tried");
    assert_eq!(
        kill(trial, None),
        Err(Errno::ESRCH),
        "nothing is left of it"
    );
}

#[test]
fn why_an_image_is_refused_is_told() {
    for (script, why) in [
        ("exit 0", "the new image is no zk-supervise"),
        (
            "echo '# all' >&4; exit 78",
            "it was refused, as said before",
        ),
        ("exit 127", "the new image cannot be started"),
        (
            "echo '# all' >&4; kill -9 $$",
            "the new image ended before its time, or did not in time",
        ),
    ] {
        let (mut succession, in_force) = asked(script);
        try_at(at(1000), &mut succession, &in_force, &handed(1));
        assert_eq!(succession.refusal(), Some(why), "{script}");
        assert!(!succession.is_due(), "{script}");
    }
}

#[test]
fn an_elector_has_half_a_minute_to_end() {
    let (mut succession, in_force) = asked(ABLE);
    try_at(at(1000), &mut succession, &in_force, &handed(1));
    for (millis, is_due) in [
        (1001, true),
        (30_999, true),
        (31_000, false),
        (31_001, false),
    ] {
        succession.advance(at(millis), &in_force, Some(&handed(1)));
        assert_eq!(succession.is_due(), is_due, "at {millis}");
    }
    assert_eq!(succession.refusal(), Some("its time is over"));
    assert_eq!(succession.trial(), None);
}

#[test]
fn an_image_that_was_tried_for_another_term_is_tried_again() {
    let (mut succession, in_force) = asked(ABLE);
    try_at(at(1000), &mut succession, &in_force, &handed(1));
    succession.advance(at(1000), &in_force, Some(&handed(1)));
    assert!(succession.is_due(), "this is the term");
    succession.advance(at(1000), &in_force, Some(&handed(2)));
    assert!(succession.trial().is_some());
    try_at(at(1000), &mut succession, &in_force, &handed(2));
    assert!(succession.is_due());
    // Something is being stopped, and then nothing is.
    succession.advance(at(1000), &in_force, None);
    assert!(!succession.is_due() && succession.trial().is_none());
    try_at(at(1000), &mut succession, &in_force, &handed(2));
    assert!(succession.is_due());
}

#[test]
fn what_is_not_due_does_not_give_way() {
    let (mut succession, in_force) = asked(ABLE);
    succession.advance(at(1000), &in_force, Some(&handed(1)));
    succession.give_way(&handed(1));
    assert!(succession.trial().is_some(), "it goes on being tried");
    try_at(at(1000), &mut succession, &in_force, &handed(1));
    assert!(succession.is_due());
}
