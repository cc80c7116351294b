//! The guardian's part of the operator's story.

use super::setup::Setup;
use crate::core::guard::{Carried, Charge, ChildExit, Report, Shutdown, StopReason, Tree};
use crate::observe::log::{Value, error, info, warn};
use crate::process::posture::Posture;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::Pid;
use std::path::Path;

fn number(pid: Pid) -> Value<'static> {
    Value::Number(pid.as_raw().into())
}

pub(super) fn ready(setup: &Setup, posture: &Posture, no_cgroup: Option<&std::io::Error>) {
    let yes = |has: bool| if has { "yes" } else { "no" };
    let cgroup = no_cgroup.map_or("yes".to_owned(), |error| format!("no ({error})"));
    let fields = [
        ("master", Value::Text(&setup.master)),
        ("candidate", Value::Text(&setup.name)),
        ("command", Value::Text(&setup.argv[0])),
        ("cgroup", Value::Text(&cgroup)),
        ("realtime", Value::Text(&yes(posture.realtime))),
        ("locked_memory", Value::Text(&yes(posture.locked))),
        ("oom_protected", Value::Text(&yes(posture.oom_protected))),
    ];
    info("supervisor started", &fields);
}

pub(super) fn left_behind(process: i32) {
    warn(
        "killed a process that an earlier supervisor left behind",
        &[("pid", Value::Number(process.into()))],
    );
}

/// It has become its program.
pub(super) fn child_started(pid: Pid, report: &Report) {
    let token = match report.charge {
        Charge::Open(grant) | Charge::Sealed(grant, _) => grant.token.0,
        Charge::None | Charge::Barred(_) => 0,
    };
    info(
        "child started",
        &[("pid", number(pid)), ("token", Value::Number(token))],
    );
}

pub(super) fn stopping(reason: StopReason, signal: Signal) {
    let (reason, level) = match reason {
        StopReason::LeaseLapsed => (
            "no renewal succeeded within the lease",
            warn as fn(&str, &[_]),
        ),
        StopReason::GivenUp => ("the term is over", info as fn(&str, &[_])),
        StopReason::Shutdown => ("asked to stop", info as fn(&str, &[_])),
        StopReason::MainExited => (
            "the main process ended and left others behind",
            warn as fn(&str, &[_]),
        ),
    };
    level(
        "stopping the child",
        &[
            ("reason", Value::Text(&reason)),
            ("signal", Value::Text(&signal.as_str())),
        ],
    );
}

/// What a step changed.
pub(super) fn tell(before: &Report, after: &Report) {
    if let (Tree::Running { .. } | Tree::Stopping { .. }, Tree::Killing { .. }) =
        (before.tree, after.tree)
    {
        let reason = match after.shutdown {
            Shutdown::AtOnce => "asked to stop again",
            Shutdown::No | Shutdown::Graceful => "it did not end within its grace period",
        };
        warn("killing the child", &[("reason", Value::Text(&reason))]);
    }
    if before.tree != Tree::Empty && after.tree == Tree::Empty {
        tell_exit(after.exit);
    }
}

fn tell_exit(exit: Option<ChildExit>) {
    match exit {
        None => info("child ended", &[]),
        Some(ChildExit::Code(code)) => info("child ended", &[("code", Value::Number(code.into()))]),
        Some(ChildExit::Signal(signal)) => {
            let name = Signal::try_from(signal).map_or("unknown", Signal::as_str);
            info("child ended", &[("signal", Value::Text(&name))]);
        }
        Some(ChildExit::NotStarted(errno)) => {
            error(
                "child could not be started",
                &[("reason", Value::Text(&Errno::from_raw(errno).desc()))],
            );
        }
    }
}

pub(super) fn outlived(main: Option<Pid>) {
    let pid = main.map_or(0, Pid::as_raw);
    error(
        "the child outlives its lease: SIGKILL has no effect, and the term is not released",
        &[("pid", Value::Number(pid.into()))],
    );
}

pub(super) fn elector_started(pid: Pid) {
    info("elector started", &[("pid", number(pid))]);
}

pub(super) fn elector_not_started(errno: Errno) {
    error(
        "elector could not be started",
        &[("reason", Value::Text(&errno.desc()))],
    );
}

pub(super) fn elector_killed(pid: Pid) {
    warn(
        "elector killed",
        &[
            ("pid", number(pid)),
            ("reason", Value::Text(&"it did not answer")),
        ],
    );
}

pub(super) fn elector_ended(status: nix::Result<WaitStatus>) {
    match status {
        Ok(WaitStatus::Exited(_, 0)) => {}
        Ok(WaitStatus::Exited(_, code)) => {
            warn("elector ended", &[("code", Value::Number(code.into()))])
        }
        Ok(WaitStatus::Signaled(_, signal, _)) => warn(
            "elector ended",
            &[("signal", Value::Text(&signal.as_str()))],
        ),
        _ => {}
    }
}

pub(super) fn nothing_recorded(directory: &Path, error: &std::io::Error) {
    warn(
        "no term is put on record: `release` will find none",
        &[
            ("directory", Value::Text(&directory.display())),
            ("reason", Value::Text(error)),
        ],
    );
}

pub(super) fn shutdown_asked(signal: Signal) {
    info(
        "asked to stop",
        &[("signal", Value::Text(&signal.as_str()))],
    );
}

pub(super) fn signal_ignored(signal: Signal) {
    info(
        "signal ignored",
        &[
            ("signal", Value::Text(&signal.as_str())),
            ("reason", Value::Text(&"it has no meaning here")),
        ],
    );
}

pub(super) fn reload_refused(why: &str, reason: &dyn std::fmt::Display) {
    let fields = [("why", Value::Text(&why)), ("reason", Value::Text(reason))];
    error("not reloaded", &fields);
}

pub(super) fn giving_way() {
    info("giving way to the new image", &[]);
}

pub(super) fn resumed(setup: &Setup, inherited: &Carried, main: Option<i32>) {
    let version = env!("CARGO_PKG_VERSION");
    let mut fields = vec![
        ("version", Value::Text(&version)),
        ("master", Value::Text(&setup.master)),
    ];
    if let Some(grant) = &inherited.grant {
        fields.push(("token", Value::Number(grant.token.0)));
    }
    if let Some(main) = main {
        fields.push(("pid", Value::Number(main.into())));
    }
    info("supervisor goes on, reloaded", &fields);
}
