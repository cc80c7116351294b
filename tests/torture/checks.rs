//! The judge is judged: records written by hand, in which what must be found is found, and nothing else.

use crate::bounds::{Effect, Excluded, Expectation};
use crate::endings::Exit;
use crate::judge::{Done, Evidence, Trial};
use crate::kinds::{Kind, Lost, OfGroup, OfHost};
use crate::story::{LifeEnd, Verdict};
use crate::support::scratch::Scratch;
use crate::support::time::{millis, secs};
use crate::witnesses::Witnesses;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;
use zk_supervise::core::lease::{Timing, Wish};

/// Each check, and the sentence it proves.
pub(crate) const CHECKS: [(&str, fn()); 18] = [
    (
        "torture::one_child_after_another_is_clean",
        one_after_another,
    ),
    ("torture::two_at_once_are_an_overlap", two_at_once),
    (
        "torture::a_descendant_that_lives_on_is_an_overlap",
        descendant,
    ),
    ("torture::a_refused_lock_is_an_overlap", refused),
    ("torture::a_token_that_falls_is_an_overlap", falling_token),
    (
        "torture::a_restart_that_must_be_ridden_out_is_needless",
        not_ridden_out,
    ),
    (
        "torture::a_restart_when_all_is_well_is_needless",
        out_of_the_blue,
    ),
    (
        "torture::a_child_that_ends_starts_once_more_in_its_term_and_no_more",
        started_again,
    ),
    (
        "torture::a_gap_beyond_its_bound_and_a_group_that_stays_ill_are_overdue",
        overdue,
    ),
    (
        "torture::what_the_design_excludes_is_measured_and_only_for_its_time",
        excluded,
    ),
    (
        "torture::what_is_excluded_of_one_host_excuses_no_other",
        excluded_elsewhere,
    ),
    (
        "torture::a_start_within_the_lease_of_a_frozen_host_is_an_overlap",
        too_early,
    ),
    (
        "torture::what_executes_beyond_the_last_lease_it_can_have_had_is_an_overlap",
        outlived,
    ),
    ("torture::a_supervisor_that_nobody_ended_may_not_end", ended),
    (
        "torture::an_elector_that_nobody_ended_may_not_end",
        elector_ended,
    ),
    (
        "torture::what_is_done_to_a_standby_does_not_count_as_done_to_the_master",
        aside,
    ),
    (
        "torture::a_thaw_is_no_sign_of_life_before_it",
        silent_until_the_thaw,
    ),
    (
        "torture::a_mastership_that_moves_twice_is_needless",
        moved_twice,
    ),
];

/// A process that cannot be: beyond the largest pid.
const NOBODY: i32 = 5_000_000;

/// A record written by hand, in seconds and milliseconds since the start.
struct Written {
    dir: Scratch,
    record: String,
}

impl Written {
    fn new() -> Written {
        Written {
            dir: Scratch::new("judge"),
            record: String::new(),
        }
    }

    fn line(mut self, kind: &str, pid: i32, at: u64, host: &str, token: u64) -> Written {
        let (pid, at) = (NOBODY + pid, millis(at).as_nanos());
        self.record += &format!("{kind} {pid} {at} {host} {token}\n");
        self
    }

    /// A child that was last seen executing at `end`, and was killed then.
    fn life(self, pid: i32, host: &str, token: u64, start: u64, end: u64) -> Written {
        self.line("start", pid, start, host, token).alive(pid, end)
    }

    fn alive(self, pid: i32, at: u64) -> Written {
        let path = self.dir.join(format!("alive.{}", NOBODY + pid));
        let text = format!("{:020}\n", millis(at).as_nanos());
        fs::write(path, text).expect("the directory is ours");
        self
    }

    fn witnesses(&self) -> Witnesses {
        fs::write(self.dir.join("record"), &self.record).expect("the directory is ours");
        let mut witnesses = Witnesses::of(self.dir.path());
        witnesses.look();
        witnesses
    }

    fn evidence<'a>(&self, trials: &'a [Trial]) -> Evidence<'a> {
        let witnesses = self.witnesses();
        Evidence {
            timing: Timing {
                lease: secs(8),
                ..Wish::default().timing()
            },
            began: secs(1),
            ended: secs(60),
            lives: witnesses.lives(),
            refusals: witnesses.refusals().into(),
            exits: Vec::new(),
            trials,
        }
    }

    fn verdict(&self, trials: &[Trial]) -> Verdict {
        self.evidence(trials).verdict()
    }
}

/// A fault from 10 s to 12 s, after which all is well at 20 s.
fn trial(effect: Effect, bound: Duration) -> Trial {
    Trial {
        done: vec![Done {
            kind: Kind::Host(OfHost::Delayed),
            on: vec!["a".into()],
            from: secs(10),
            until: secs(12),
        }],
        expectation: if effect == Effect::None {
            Expectation::calm(Duration::ZERO)
        } else {
            Expectation::new(effect, bound)
        },
        whole: Some(secs(20)),
        replaced: Vec::new(),
    }
}

/// Two children with this much between them.
fn two(gap: u64) -> Written {
    let written = Written::new().life(1, "a", 7, 500, 10_000);
    written.life(2, "b", 8, 10_000 + gap, 59_000)
}

fn one_after_another() {
    let trials = [trial(Effect::Moves, secs(6))];
    let written = two(5000);
    let clean = Verdict {
        takeovers: 1,
        ..Verdict::default()
    };
    assert_eq!(written.verdict(&trials), clean);
    let outcomes = written.evidence(&trials).outcomes();
    assert_eq!(outcomes[0].gap, Some(secs(5)));
    let lives = written.evidence(&trials).lives;
    assert_eq!(lives[0].ending, LifeEnd::Killed);
    let asked = two(100).line("asked", 1, 9000, "a", 7);
    let asked = asked.line("stop", 1, 10_000, "a", 7);
    assert_eq!(asked.witnesses().lives()[0].ending, LifeEnd::Stopped);
}

fn two_at_once() {
    let written = Written::new().life(1, "a", 7, 500, 11_000);
    let written = written.life(2, "b", 8, 10_990, 59_000);
    let verdict = written.verdict(&[trial(Effect::Moves, secs(6))]);
    assert_eq!(verdict.overlaps.len(), 1, "{verdict:?}");
    assert!(
        verdict.overlaps[0].contains("ran at once for 10ms"),
        "{verdict:?}"
    );
}

fn descendant() {
    let written = Written::new().life(1, "a", 7, 500, 10_000);
    let written = written.line("descendant", 3, 600, "a", 7).alive(3, 10_600);
    let written = written.life(2, "b", 8, 10_500, 59_000);
    let verdict = written.verdict(&[trial(Effect::Moves, secs(6))]);
    assert_eq!(verdict.overlaps.len(), 1, "{verdict:?}");
}

fn refused() {
    let written = two(50).line("OVERLAP-tree", 2, 10_050, "b", 8);
    let verdict = written.verdict(&[trial(Effect::Moves, secs(6))]);
    assert_eq!(verdict.overlaps.len(), 1, "{verdict:?}");
}

fn falling_token() {
    let written = Written::new().life(1, "a", 7, 500, 10_000);
    let written = written.life(2, "b", 6, 10_500, 59_000);
    let verdict = written.verdict(&[trial(Effect::Moves, secs(6))]);
    assert_eq!(verdict.overlaps.len(), 1, "{verdict:?}");
}

fn not_ridden_out() {
    let verdict = two(50).verdict(&[trial(Effect::None, Duration::ZERO)]);
    assert_eq!(
        (verdict.needless.len(), verdict.overdue.len()),
        (1, 0),
        "{verdict:?}"
    );
}

fn out_of_the_blue() {
    let late = Trial {
        whole: Some(millis(10_040)),
        ..trial(Effect::Moves, secs(6))
    };
    let verdict = two(50).verdict(&[late]);
    assert_eq!(verdict.needless.len(), 1, "{verdict:?}");
    let verdict = two(50).verdict(&[]);
    assert_eq!(verdict.needless.len(), 1, "{verdict:?}");
}

fn started_again() {
    let trials = [trial(Effect::StartedAgain, secs(3))];
    let once = Written::new().life(1, "a", 7, 500, 10_000);
    let once = once.life(2, "a", 7, 11_000, 12_000);
    assert_eq!(once.verdict(&trials), Verdict::default());
    let twice = once.life(3, "a", 7, 14_000, 59_000);
    assert_eq!(twice.verdict(&trials).needless.len(), 1);
    assert_eq!(two(50).verdict(&trials).needless.len(), 1);
}

fn overdue() {
    let trials = [trial(Effect::Moves, secs(6))];
    assert_eq!(two(6001).verdict(&trials).overdue.len(), 1);
    assert_eq!(two(6000).verdict(&trials).overdue.len(), 0);
    let idle = Written::new().life(1, "a", 7, 500, 59_000);
    assert_eq!(idle.verdict(&trials).overdue.len(), 1);
    let ill = Trial {
        whole: None,
        ..trial(Effect::None, Duration::ZERO)
    };
    let alone = Written::new().life(1, "a", 7, 500, 10_000);
    let verdict = alone.verdict(&[ill]);
    assert_eq!(verdict.overdue.len(), 1, "{verdict:?}");
}

fn excluded() {
    let trials = [trial(Effect::Excluded(Excluded::Frozen), secs(20))];
    let at_once = |end| {
        let written = Written::new().life(1, "a", 7, 500, end);
        let written = written.life(2, "b", 8, 11_000, 59_000);
        written.line("OVERLAP-lock", 2, 11_000, "b", 8)
    };
    let short = at_once(12_030);
    assert_eq!(short.verdict(&trials).overlaps, Vec::<String>::new());
    assert_eq!(short.evidence(&trials).beside()[0].span, millis(30));
    let allowed =
        u64::try_from((secs(12) + Excluded::Frozen.within()).as_millis()).expect("seconds");
    assert_eq!(at_once(allowed).verdict(&trials).overlaps.len(), 0);
    let long = at_once(allowed + 1);
    assert_eq!(long.verdict(&trials).overlaps.len(), 1);
}

/// Host a is frozen; b and c run at once.
fn excluded_elsewhere() {
    let trials = [trial(Effect::Excluded(Excluded::Frozen), secs(20))];
    let written = Written::new().life(1, "a", 7, 500, 10_000);
    let written = written.life(2, "b", 8, 10_500, 11_500);
    let lives = written.life(3, "c", 9, 11_000, 59_000);
    let verdict = lives.verdict(&trials);
    assert_eq!(verdict.overlaps.len(), 1, "{verdict:?}");
    let refused_there = two(50).line("OVERLAP-lock", 2, 10_050, "a", 8);
    let verdict = refused_there.verdict(&trials);
    assert_eq!(verdict.overlaps.len(), 1, "{verdict:?}");
}

fn too_early() {
    let mut trials = [trial(Effect::Excluded(Excluded::Frozen), secs(20))];
    trials[0].expectation.apart = secs(5);
    let at_once = |start| {
        let written = Written::new().life(1, "a", 7, 500, 12_010);
        written.life(2, "b", 8, start, 59_000).verdict(&trials)
    };
    assert_eq!(at_once(15_000).overlaps.len(), 0);
    assert_eq!(at_once(11_900).overlaps.len(), 1);
    // Whether it was thawed or not.
    let written = Written::new().life(1, "a", 7, 500, 10_000);
    let written = written.life(2, "b", 8, 14_900, 59_000);
    assert_eq!(written.verdict(&trials).overlaps.len(), 1);
    // Nor where it died.
    trials[0].expectation.effect = Effect::Moves;
    assert_eq!(written.verdict(&trials).overlaps.len(), 1);
}

/// A lease of 8 s, and 9 s in which it cannot be renewed.
fn outlived() {
    let overlaps = |kind, on: &[&str], end| {
        let mut cut = trial(Effect::Moves, secs(20));
        cut.done[0].kind = kind;
        cut.done[0].on = on.iter().map(|&it| it.into()).collect();
        cut.done[0].until = secs(19);
        let written = Written::new().life(1, "a", 7, 500, end);
        written.verdict(&[cut]).overlaps.len()
    };
    let cut_off = Kind::Host(OfHost::Cut(Lost::Answers));
    assert_eq!(overlaps(cut_off, &["a"], 18_000), 0);
    assert_eq!(overlaps(cut_off, &["a"], 18_001), 1);
    assert_eq!(overlaps(cut_off, &["b"], 18_001), 0);
    let no_quorum = Kind::Group(OfGroup::QuorumLost);
    assert_eq!(overlaps(no_quorum, &[], 18_001), 1);
    assert_eq!(overlaps(Kind::Host(OfHost::Delayed), &["a"], 18_001), 0);
}

fn ended() {
    let mut killed = trial(Effect::MayMove, secs(6));
    killed.done[0].kind = Kind::Host(OfHost::GuardianKilled);
    let trials = [killed];
    let flaws = |host: &str, status| {
        let written = two(50);
        let mut evidence = written.evidence(&trials);
        evidence.exits = vec![Exit {
            host: host.into(),
            at: secs(11),
            status: ExitStatus::from_raw(status),
        }];
        evidence.verdict().needless.len()
    };
    assert_eq!(flaws("a", 9), 0, "by SIGKILL, as it was meant");
    assert_eq!(flaws("b", 9), 1, "another");
    assert_eq!(flaws("a", 0), 1, "by itself");
    assert_eq!(flaws("a", 70 << 8), 1, "with exit code 70");
}

fn elector_ended() {
    let flaws = |kind, host: &str| {
        let mut it = trial(Effect::None, Duration::ZERO);
        it.done[0].kind = Kind::Host(kind);
        it.replaced = vec![host.into()];
        let written = Written::new().life(1, "a", 7, 500, 59_000);
        written.verdict(&[it]).needless.len()
    };
    assert_eq!(flaws(OfHost::ElectorKilled, "a"), 0);
    assert_eq!(flaws(OfHost::ElectorStopped, "a"), 0);
    assert_eq!(flaws(OfHost::ElectorKilled, "b"), 1);
    assert_eq!(flaws(OfHost::Delayed, "a"), 1);
}

fn aside() {
    let trials = [trial(Effect::None, Duration::ZERO)];
    let strikes = |host| {
        let written = Written::new().life(1, host, 7, 500, 59_000);
        written.evidence(&trials).strikes_master(&trials[0].done[0])
    };
    assert!(strikes("a") && !strikes("b"));
    // Its last word is a moment older than the fault that killed it.
    let killed = Written::new().life(1, "a", 7, 500, 9_990);
    let evidence = killed.evidence(&trials);
    assert!(evidence.strikes_master(&trials[0].done[0]));
}

/// It executes once more at the thaw, beside the next: nobody ran for 8 s nevertheless.
fn silent_until_the_thaw() {
    let frozen = Trial {
        whole: Some(secs(40)),
        ..trial(Effect::Excluded(Excluded::Frozen), secs(20))
    };
    let mut trials = [frozen];
    trials[0].done[0].until = secs(20);
    let written = Written::new().life(1, "a", 7, 500, 20_004);
    let written = written.life(2, "b", 8, 18_000, 59_000);
    let evidence = written.evidence(&trials);
    assert_eq!(evidence.outcomes()[0].gap, Some(secs(8)));
    assert_eq!(evidence.beside()[0].span, millis(4));
}

fn moved_twice() {
    let trials = [trial(Effect::MayMove, secs(6))];
    let written = Written::new().life(1, "a", 7, 500, 10_000);
    let written = written.life(2, "b", 8, 11_000, 12_000);
    assert_eq!(written.verdict(&trials).needless.len(), 0);
    let written = written.life(3, "c", 9, 13_000, 59_000);
    assert_eq!(written.verdict(&trials).needless.len(), 1);
}
