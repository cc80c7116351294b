//! `run`: stands for election, and runs the command while master. This process becomes the guardian; the elector, which
//! it starts, is the same binary under another first argument.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::exit;
use super::print::complain;
use crate::config::{self, Config};
use crate::elector::{self, End};
use crate::guardian::{self, Guardian, Inheritance, Refusal, State, descriptor};
use crate::observe::{log, trace};
use crate::process::cgroup::Cgroup;
use crate::process::spawn::inherit;
use crate::process::sweep::Identity;
use crate::process::wire::Wire;
use crate::zookeeper::{self, Ensemble, Paths};

/// Runs until asked to stop.
pub(super) fn run(file: &Path) -> ExitCode {
    if let Some(state) = State::inherited() {
        return go_on(file, state.expect("it was tried whether it can be read"));
    }
    match config::load(file) {
        Ok(config) => {
            init_log(&config, "guardian");
            guard(guardian_setup(&config, file).prepare())
        }
        Err(errors) => {
            complain(errors);
            exit::CONFIG.into()
        }
    }
}

/// Takes the place of an earlier image of this process, with the configuration that was tried.
fn go_on(file: &Path, state: State) -> ExitCode {
    let given = inherit(state.config());
    let path = format!("/proc/self/fd/{}", given.as_raw_fd());
    let config = read_config(&path).expect("it was tried whether it can be read");
    init_log(&config, "guardian");
    guard(guardian_setup(&config, file).take_over(state))
}

fn guard(guardian: Result<Guardian, Refusal>) -> ExitCode {
    match guardian {
        Ok(guardian) => {
            guardian.run();
            ExitCode::SUCCESS
        }
        Err(refusal) => {
            complain(refusal);
            exit::SOFTWARE.into()
        }
    }
}

fn guardian_setup(config: &Config, file: &Path) -> guardian::Setup {
    let command = &config.command;
    guardian::Setup {
        timing: config.timing,
        argv: command.program.argv(),
        directory: command.directory.clone(),
        environment: command.environment.clone(),
        inheritance: if command.clear_environment {
            Inheritance::Nothing
        } else {
            Inheritance::Inherit
        },
        stop_signal: command.stop_signal,
        master: paths(config).master().to_owned(),
        name: config.election.name.as_str().to_owned(),
        config: config::render(config),
        file: file.to_owned(),
    }
}

/// Whether this process was started as an image to be tried, and with which file.
pub(super) fn trial_arguments() -> Option<PathBuf> {
    let mut arguments = std::env::args_os();
    (arguments.next()? == guardian::TRIAL).then_some(())?;
    Some(arguments.next()?.into())
}

/// Whether this process was started as an elector: then its arguments are the guardian's words, not a person's.
pub(super) fn elector_arguments() -> Option<(Identity, u64)> {
    let mut arguments = std::env::args();
    (arguments.next()? == guardian::ELECTOR).then_some(())?;
    let guardian = arguments.next()?.parse().ok()?;
    let incarnation = u64::from_str_radix(&arguments.next()?, 16).ok()?;
    Some((guardian, incarnation))
}

/// The elector's whole life.
pub(super) fn elect(guardian: Identity, incarnation: u64) -> ExitCode {
    _ = nix::sys::prctl::set_name(c"zks-elector");
    let config = inherited_config().expect("the guardian's configuration is right: it has run it");
    init_log(&config, "elector");
    trace::listen();
    match elector::run(elector_setup(config, guardian, incarnation)) {
        Ok(End::Done) => ExitCode::SUCCESS,
        Ok(End::Failed) => exit::SOFTWARE.into(),
        Err(error) => {
            log::error(
                "elector cannot run",
                &[("reason", log::Value::Text(&error))],
            );
            exit::SOFTWARE.into()
        }
    }
}

fn elector_setup(config: Config, guardian: Identity, incarnation: u64) -> elector::Setup {
    let command = config.command.clone();
    elector::Setup {
        timing: config.timing,
        ensemble: ensemble(&config, guardian.pid.cast_unsigned(), incarnation),
        guardian,
        wire: Wire::from_socket(inherit(descriptor::WIRE)),
        cgroup: inherited_cgroup(),
        find_flaw: Box::new(move || command.flaws().first().map(ToString::to_string)),
        random: random(),
    }
}

/// The ensemble and our znodes, as `config` has them.
pub(super) fn ensemble(config: &Config, pid: u32, incarnation: u64) -> Ensemble {
    let host = nix::unistd::gethostname()
        .ok()
        .and_then(|host| host.into_string().ok());
    Ensemble {
        servers: config
            .zookeeper
            .servers
            .iter()
            .map(ToString::to_string)
            .collect(),
        paths: paths(config),
        identity: zookeeper::Identity {
            name: config.election.name.as_str().to_owned(),
            host: host.unwrap_or_default(),
            pid,
            incarnation,
        },
    }
}

fn paths(config: &Config) -> Paths {
    Paths::new(
        config.zookeeper.chroot.as_ref(),
        &config.election.root,
        &config.election.master,
    )
}

fn init_log(config: &Config, process: &'static str) {
    let format = match config.log.format {
        config::Format::Text => log::Format::Text,
        config::Format::Json => log::Format::Json,
    };
    let level = match config.log.level {
        config::Level::Error => log::Level::Error,
        config::Level::Warn => log::Level::Warn,
        config::Level::Info => log::Level::Info,
        config::Level::Debug => log::Level::Debug,
    };
    log::init(format, level, process, config.election.name.as_str());
}

/// Read through a file of our own: the descriptor's place in the text is shared with other electors.
fn inherited_config() -> Option<Config> {
    read_config(&format!("/proc/self/fd/{}", descriptor::CONFIG))
}

fn read_config(path: &str) -> Option<Config> {
    let text = std::fs::read_to_string(path).ok()?;
    config::parse(&text, Path::new(path)).ok()
}

fn inherited_cgroup() -> Option<Cgroup> {
    let is_there = Path::new(&format!("/proc/self/fd/{}", descriptor::CGROUP)).is_dir();
    is_there.then(|| Cgroup::from_directory(inherit(descriptor::CGROUP)).ok())?
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    let source =
        std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    source.expect("every Linux has `/dev/urandom`");
    u64::from_ne_bytes(bytes)
}
