//! The durations, wherever they are in the file, and whether they fit together.

use std::time::Duration;

use super::error::Report;
use super::keys::{self, Key, Kind};
use super::quote;
use super::settings::Settings;
use crate::core::lease::{Misfit, Timing, Wish};

pub(super) fn read(settings: &Settings<'_>, report: &mut Report<'_>) -> Option<Timing> {
    let mut wish = Wish::default();
    let mut is_sound = true;
    for key in DURATIONS {
        if let Some(setting) = settings.find(key) {
            let duration = setting.duration(report);
            is_sound &= duration.is_some();
            *field(&mut wish, key) = duration;
        }
    }
    if let Some(setting) = settings.find(&keys::CLOCK_RATE_BOUND) {
        wish.clock_rate_bound = setting.rate_bound(report);
        is_sound &= wish.clock_rate_bound.is_some();
    }
    // A default in place of a bad value would make other values seem not to fit.
    let is_whole = !DURATIONS.iter().any(|key| settings.is_broken(key.name));
    let misfits = wish.timing().misfits();
    if is_sound && is_whole {
        report_misfits(settings, report, wish, &misfits);
    }
    (is_sound && misfits.is_empty()).then(|| wish.timing())
}

static DURATIONS: [&Key; 7] = [
    &keys::SESSION_TIMEOUT,
    &keys::CONNECT_TIMEOUT,
    &keys::LEASE,
    &keys::RENEW_INTERVAL,
    &keys::POLL_INTERVAL,
    &keys::GRACE_PERIOD,
    &keys::KILL_MARGIN,
];

fn field<'w>(wish: &'w mut Wish, key: &Key) -> &'w mut Option<Duration> {
    match key.name {
        "session_timeout" => &mut wish.session_timeout,
        "connect_timeout" => &mut wish.connect_timeout,
        "lease" => &mut wish.lease,
        "renew_interval" => &mut wish.renew_interval,
        "poll_interval" => &mut wish.poll_interval,
        "grace_period" => &mut wish.grace_period,
        "kill_margin" => &mut wish.kill_margin,
        name => unreachable!("`{name}` is not a duration"),
    }
}

/// What a misfit is about, the likeliest cause first.
fn causes(misfit: &Misfit) -> &'static [&'static Key] {
    static LEASE: [&Key; 4] = [
        &keys::LEASE,
        &keys::POLL_INTERVAL,
        &keys::CLOCK_RATE_BOUND,
        &keys::SESSION_TIMEOUT,
    ];
    static STOP: [&Key; 5] = [
        &keys::GRACE_PERIOD,
        &keys::KILL_MARGIN,
        &keys::RENEW_INTERVAL,
        &keys::LEASE,
        &keys::SESSION_TIMEOUT,
    ];
    static CONNECT: [&Key; 2] = [&keys::CONNECT_TIMEOUT, &keys::SESSION_TIMEOUT];
    match misfit {
        Misfit::LeaseOutlivesSession { .. } => &LEASE,
        Misfit::NoRoomToStop { .. } => &STOP,
        Misfit::ConnectTimeoutTooLong { .. } => &CONNECT,
    }
}

/// Points, for each misfit, at the key that is set and could mend it; each help builds on those before it.
fn report_misfits(
    settings: &Settings<'_>,
    report: &mut Report<'_>,
    wish: Wish,
    misfits: &[Misfit],
) {
    let mut mended = wish;
    for misfit in misfits {
        let set = || causes(misfit).iter().filter_map(|key| settings.find(key));
        let culprit = set()
            .find(|setting| mend(&mended, setting.key, misfit).is_some())
            .or_else(|| set().next());
        let Some(culprit) = culprit else {
            unreachable!("the defaults fit together")
        };
        let help = [culprit.key]
            .into_iter()
            .chain(causes(misfit).iter().copied())
            .chain([&keys::SESSION_TIMEOUT])
            .find_map(|key| mend(&mended, key, misfit));
        let line = culprit.name.start..culprit.value.span().end;
        let help = match help {
            Some((wish, line)) => {
                mended = wish;
                vec![line]
            }
            None => report.commented(line),
        };
        let (what, why) = describe(&wish.timing(), misfit, culprit.key);
        report.at(culprit.value.span(), what, why, || help);
    }
}

fn describe(timing: &Timing, misfit: &Misfit, culprit: &Key) -> (String, String) {
    let name = culprit.name;
    match *misfit {
        Misfit::LeaseOutlivesSession {
            wait_out,
            session_timeout,
            ..
        } => (
            format!("`{name}` does not fit: the lease outlives the session"),
            format!(
                "a standby would wait {} for the lease to run out, longer than the session of {}",
                brief(wait_out),
                brief(session_timeout)
            ),
        ),
        Misfit::NoRoomToStop { least, .. } => (
            format!("`{name}` does not fit: the lease has no room to stop the command"),
            format!(
                "of a lease of {}, {} is for stopping and 100ms in reserve, but {} must be left for three renewals",
                brief(timing.lease),
                brief(timing.grace_period + timing.kill_margin),
                brief(least)
            ),
        ),
        Misfit::ConnectTimeoutTooLong { longest } => (
            format!("`{name}` does not fit: connecting may take too much of the session"),
            format!(
                "with a session of {}, a connect timeout above {} has no effect",
                brief(timing.session_timeout),
                brief(longest)
            ),
        ),
    }
}

/// The wish without `misfit`, thanks to another value of `key`, and the line that makes it so.
fn mend(wish: &Wish, key: &'static Key, misfit: &Misfit) -> Option<(Wish, String)> {
    let kinds = |wish: &Wish| {
        let misfits = wish.timing().misfits();
        misfits
            .iter()
            .map(std::mem::discriminant)
            .collect::<Vec<_>>()
    };
    let before = kinds(wish);
    let this = std::mem::discriminant(misfit);
    let is_mended = |wish: &Wish| {
        kinds(wish)
            .iter()
            .all(|kind| *kind != this && before.contains(kind))
    };
    let Kind::Duration { least, most } = key.kind else {
        let wish = Wish {
            clock_rate_bound: None,
            ..*wish
        };
        return is_mended(&wish).then(|| (wish, key.set(key.example)));
    };
    let with = |duration| {
        let mut wish = *wish;
        *field(&mut wish, key) = Some(duration);
        wish
    };
    let fits = |duration| (least..=most).contains(&duration) && is_mended(&with(duration));
    let now = in_force(wish, key);
    let duration = nearest(least, now, fits, Rounding::Down)
        .or_else(|| nearest(most, now, fits, Rounding::Up))?;
    Some((with(duration), key.set(&quote(&show(duration)))))
}

fn in_force(wish: &Wish, key: &Key) -> Duration {
    let timing = wish.timing();
    let mut all = Wish {
        session_timeout: Some(timing.session_timeout),
        connect_timeout: Some(timing.connect_timeout),
        lease: Some(timing.lease),
        renew_interval: Some(timing.renew_interval),
        poll_interval: Some(timing.poll_interval),
        grace_period: Some(timing.grace_period),
        kill_margin: Some(timing.kill_margin),
        clock_rate_bound: None,
    };
    field(&mut all, key).unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Down,
    Up,
}

/// The duration nearest to `now` that `fits`, on the way to `far`, rounded to what a person would write.
fn nearest(
    far: Duration,
    now: Duration,
    fits: impl Fn(Duration) -> bool,
    rounding: Rounding,
) -> Option<Duration> {
    let step = |halvings: u32| match rounding {
        Rounding::Down => now - now.saturating_sub(far) / 2_u32.pow(halvings),
        Rounding::Up => now + far.saturating_sub(now) / 2_u32.pow(halvings),
    };
    // A lease may be too long as well as too short: begin near, where the room that fits is not yet jumped over.
    let mut good = (0..16).rev().map(step).find(|at| fits(*at))?;
    let mut bad = now;
    for _ in 0..40 {
        let middle = (good + bad) / 2;
        if fits(middle) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    let rounded = [1000, 100, 10, 1].map(|grain| round(good, grain, rounding));
    let is_near = |at: &Duration| *at * 2 >= good && fits(*at);
    rounded.into_iter().find(is_near).or(Some(good))
}

fn round(duration: Duration, grain: u64, rounding: Rounding) -> Duration {
    let millis = u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    let grains = match rounding {
        Rounding::Down => u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) / grain,
        Rounding::Up => millis.div_ceil(grain),
    };
    Duration::from_millis(grains * grain)
}

/// `duration` to the millisecond, for a sentence.
fn brief(duration: Duration) -> String {
    show(round(duration, 1, Rounding::Up))
}

/// `duration` in humantime's form.
pub(super) fn show(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
