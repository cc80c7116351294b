//! `reload`, and the trial of a new image that every reload begins with: may this supervisor go on with that file?

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::exit;
use super::print::{complain, print};
use crate::clock;
use crate::config::{self, Config, ConfigErrors};
use crate::core::lease::Timing;
use crate::core::time::Time;
use crate::guardian::{Recorded, State, trial};
use crate::process::sweep::Identity;

/// How long the supervisor may take: what it tries has ten seconds, and it waits for a command that is being stopped.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(30);

/// How long to wait between two looks whether it has.
const PAUSE: Duration = Duration::from_millis(20);

/// `reload`: has the supervisor of a unit take the file over, and says whether it did.
pub(super) fn reload(file: &Path) -> ExitCode {
    let Some((pid, directory)) = unit() else {
        complain(
            "`reload` is for the unit's own use: it finds no $MAINPID and $RUNTIME_DIRECTORY\n\
             help: systemctl reload zk-supervise@NAME; outside systemd send SIGHUP to the supervisor",
        );
        return exit::USAGE.into();
    };
    let in_force = Recorded::config(&directory);
    match changes(file, &in_force) {
        Err(code) => code,
        Ok(later) => await_takeover(pid, &directory, &later),
    }
}

fn unit() -> Option<(Pid, PathBuf)> {
    let pid: i32 = std::env::var("MAINPID").ok()?.parse().ok()?;
    let directory = Recorded::directory()?;
    (pid > 1).then(|| (Pid::from_raw(pid), directory))
}

/// What in the file is to take effect only later, if it may be taken over at all.
fn changes(file: &Path, in_force: &Path) -> Result<Later, ExitCode> {
    let old = config::load(in_force).map_err(refuse)?;
    let new = changed(file, &old)?;
    Ok(later(&old, &new))
}

/// The file, if what is in force may become it. That this host has the command matters only if it is another: a standby may
/// have none at the moment.
fn changed(file: &Path, old: &Config) -> Result<Config, ExitCode> {
    let new = config::load(file).map_err(refuse)?;
    check_identity(old, &new)?;
    match old.command == new.command {
        true => Ok(new),
        false => config::check(file).map_err(refuse),
    }
}

fn refuse(errors: ConfigErrors) -> ExitCode {
    complain(errors);
    exit::CONFIG.into()
}

fn await_takeover(pid: Pid, directory: &Path, later: &Later) -> ExitCode {
    match tell(pid, directory) {
        Fate::TakenOver => match print(&format!("reloaded{}\n", later.words())) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(code) => return code,
        },
        Fate::Untold(errno) => complain(format_args!(
            "the supervisor, pid {pid}, cannot be told: {errno}"
        )),
        Fate::Refused(why) => complain(format_args!(
            "the supervisor goes on as it is: {why}\nhelp: its log says more"
        )),
        Fate::Ended => complain("the supervisor has ended: its log says why"),
        Fate::Awaited => complain(
            "the supervisor has not taken it over yet: something is being stopped or given back; it will as soon as that is done\n\
             help: its log says what becomes of it",
        ),
    }
    exit::SOFTWARE.into()
}

/// What becomes of a reload.
enum Fate {
    TakenOver,
    Untold(Errno),
    Refused(String),
    Ended,
    Awaited,
}

/// Tells the supervisor, and waits for what it makes of it.
fn tell(pid: Pid, directory: &Path) -> Fate {
    // Another file each time, written by the image that has taken over.
    let inode = || fs::metadata(Recorded::config(directory)).map(|it| it.ino());
    let refusal = || Recorded::refusal(directory);
    let (before, refused) = (inode().ok(), refusal());
    let main = Identity::of(pid.as_raw());
    if let Err(errno) = kill(pid, Signal::SIGHUP) {
        return Fate::Untold(errno);
    }
    let end = clock::now() + TAKEN_OVER_WITHIN;
    while clock::now() < end {
        if inode().ok() != before {
            return Fate::TakenOver;
        }
        if let Some(why) = refusal().filter(|why| Some(why) != refused.as_ref()) {
            let why = why.split_once(". ").map(|(_, why)| why.to_owned());
            return Fate::Refused(why.unwrap_or_default());
        }
        // systemd waits for us before it sees to what is left of it.
        if !main.is_some_and(Identity::is_alive) {
            return Fate::Ended;
        }
        clock::pause(PAUSE);
    }
    Fate::Awaited
}

/// The life of an image that is tried.
pub(super) fn try_image(file: &Path) -> ExitCode {
    match try_all(file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

fn try_all(file: &Path) -> Result<(), ExitCode> {
    let old = given(trial::IN_FORCE)?;
    let old = config::parse(&old, file).map_err(|errors| {
        complain(format_args!(
            "the configuration in force is no longer one:\n{errors}"
        ));
        ExitCode::from(exit::CONFIG)
    })?;
    let new = changed(file, &old)?;
    let state = State::parse(&given(trial::STATE)?).map_err(|error| {
        complain(format_args!(
            "the state of the running supervisor cannot be read: {error}"
        ));
        ExitCode::from(exit::SOFTWARE)
    })?;
    check_lease(&new.timing, &state)?;
    let next = format!("/proc/self/fd/{}", trial::NEXT);
    fs::write(next, config::render(&new)).map_err(|error| {
        complain(format_args!(
            "the new configuration cannot be handed over: {error}"
        ));
        ExitCode::from(exit::SOFTWARE)
    })
}

fn given(number: i32) -> Result<String, ExitCode> {
    fs::read_to_string(format!("/proc/self/fd/{number}")).map_err(|error| {
        complain(format_args!("descriptor {number} cannot be read: {error}"));
        exit::SOFTWARE.into()
    })
}

/// Another election, or another candidate in it, is another supervisor.
fn check_identity(old: &Config, new: &Config) -> Result<(), ExitCode> {
    let (was, is) = (&old.election, &new.election);
    let changed = [
        (
            "[zookeeper] chroot",
            old.zookeeper.chroot != new.zookeeper.chroot,
        ),
        ("[election] root", was.root != is.root),
        ("[election] master", was.master != is.master),
        ("[election] name", was.name != is.name),
    ];
    let servers = &old.zookeeper.servers;
    let mut kept = new.zookeeper.servers.iter();
    match changed.iter().find(|(_, is_changed)| *is_changed) {
        None if kept.any(|it| servers.contains(it)) => Ok(()),
        None => {
            complain(
                "none of `[zookeeper] servers` is one of those in force: they may be of another ensemble\n\
                 help: keep one of them until the others are in force, or restart the supervisor",
            );
            Err(exit::CONFIG.into())
        }
        Some((key, _)) => {
            complain(format_args!(
                "`{key}` is not the one in force: with another this would be another candidate, or another election\n\
                 help: undo that change, or restart the supervisor"
            ));
            Err(exit::CONFIG.into())
        }
    }
}

/// The term in charge keeps its lease (R2): stopping must fit into that as well, and into what is left of it.
fn check_lease(timing: &Timing, state: &State) -> Result<(), ExitCode> {
    let Some((lease, end)) = state.lease() else {
        return Ok(());
    };
    let kept = Timing {
        lease: lease.min(timing.lease),
        ..*timing
    };
    if kept.stop_after() >= kept.renew_interval * 3 {
        return check_rest(timing, end);
    }
    let lease = humantime::format_duration(lease);
    complain(format_args!(
        "`grace_period` and `kill_margin` do not fit into the lease of {lease} that this term keeps to its end\n\
         help: make them or `session_timeout` shorter, or hand over first: restart the supervisor"
    ));
    Err(exit::CONFIG.into())
}

/// Else the command would be stopped at once.
fn check_rest(timing: &Timing, end: Time) -> Result<(), ExitCode> {
    if clock::now() + timing.grace_period + timing.kill_margin * 2 < end {
        return Ok(());
    }
    complain(
        "too little is left of the lease for `grace_period` and `kill_margin`: the ensemble does not answer\n\
         help: reload again when it does",
    );
    Err(exit::SOFTWARE.into())
}

/// What was changed, and takes effect later.
struct Later {
    /// When the command is started next: these keys.
    command: Vec<&'static str>,
    /// In the next term.
    lease: Option<Duration>,
}

/// What waits for the next start of the command, or the next term.
fn later(old: &Config, new: &Config) -> Later {
    let (was, is) = (&old.command, &new.command);
    let changed = [
        ("exec", was.program != is.program),
        ("directory", was.directory != is.directory),
        ("environment", was.environment != is.environment),
        (
            "clear_environment",
            was.clear_environment != is.clear_environment,
        ),
    ];
    let changed = changed.into_iter().filter(|(_, is_changed)| *is_changed);
    let command = changed.map(|(key, _)| key).collect();
    Later {
        command,
        lease: (old.timing.lease != new.timing.lease).then_some(new.timing.lease),
    }
}

impl Later {
    fn words(&self) -> String {
        let mut words = String::new();
        if !self.command.is_empty() {
            let keys = self.command.join(", ");
            words += &format!("; changed for the next start of the command: {keys}");
        }
        if let Some(lease) = self.lease {
            let lease = humantime::format_duration(lease);
            words += &format!("; changed for the next term: the lease, to {lease}");
        }
        words
    }
}
