//! `release`: gives back the term of a supervisor that was killed with all its processes, so that nobody waits its lease
//! out (R11). A service manager runs it after each end of its unit (`ExecStopPost=`, `systemd.service(5)`).

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::print::{complain, print};
use super::status::{in_time, refuse};
use super::{exit, run};
use crate::clock;
use crate::config;
use crate::guardian::{Recorded, Unrecorded};
use crate::process::sweep::{Proof, sweep_remains};
use crate::zookeeper::release::{Released, release as give_back};
use crate::zookeeper::survey::SurveyError;

/// Where systemd makes the directories of the units of this name (`RuntimeDirectory=`, `systemd.exec(5)`).
const RUNTIME: &str = "/run/zk-supervise";

/// For how long it is tried again where no server answers: an election among the servers takes about a second.
const TRIED_FOR: Duration = Duration::from_secs(20);

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// How long what is left of the tree is killed and looked for.
const SWEPT_WITHIN: Duration = Duration::from_secs(5);

/// Releases what stands on record for `instance`: the name of one, or the directory of its record.
pub(super) fn release(instance: &Path) -> ExitCode {
    let directory = directory(instance);
    let recorded = match Recorded::read(&directory) {
        Ok(recorded) => recorded,
        Err(unrecorded) => return nothing(&directory, &unrecorded),
    };
    match hold_back(&recorded) {
        Ok(()) => commit(&directory, &recorded),
        Err(code) => code,
    }
}

fn directory(instance: &Path) -> PathBuf {
    match instance.components().count() {
        1 if !instance.is_absolute() => Path::new(RUNTIME).join(instance),
        _ => instance.to_owned(),
    }
}

fn nothing(directory: &Path, unrecorded: &Unrecorded) -> ExitCode {
    let place = directory.display();
    match unrecorded {
        Unrecorded::NoFile => say(format_args!(
            "nothing to release: no supervisor keeps a record in {place}"
        )),
        Unrecorded::NoTerm => say("nothing to release: no term was held"),
        Unrecorded::Unreadable(why) => {
            complain(format_args!("the term on record cannot be read: {why}"));
            exit::SOFTWARE.into()
        }
    }
}

/// What must be so before anything is given back.
fn hold_back(recorded: &Recorded) -> Result<(), ExitCode> {
    let (id, guardian) = (recorded.id, recorded.guardian);
    if guardian.is_alive() {
        let pid = guardian.pid;
        complain(format_args!(
            "term {id} is not released: its supervisor runs, pid {pid}\n\
             help: stop it, then it releases by itself"
        ));
        return Err(exit::SOFTWARE.into());
    }
    if clock::now() < recorded.not_before {
        return Err(say(format_args!(
            "term {id} is left: it waited out the one before it; so will the next master"
        )));
    }
    let cgroup = Some(recorded.cgroup.as_path()).filter(|path| !path.as_os_str().is_empty());
    match sweep_remains(guardian, cgroup, SWEPT_WITHIN) {
        Proof::Dead => Ok(()),
        Proof::Lacking => {
            complain(format_args!(
                "term {id} is not released: its command is not proven dead; the next master waits its lease out"
            ));
            Err(exit::SOFTWARE.into())
        }
    }
}

fn commit(directory: &Path, recorded: &Recorded) -> ExitCode {
    let config = match config::load(&Recorded::config(directory)) {
        Ok(config) => config,
        Err(errors) => {
            complain(errors);
            return exit::CONFIG.into();
        }
    };
    let ensemble = run::ensemble(&config, recorded.guardian.pid.cast_unsigned(), 0);
    let (id, version) = (recorded.id, recorded.version);
    let master = ensemble.paths.master().to_owned();
    let give_back = move |ensemble: &_, timing: &_| give_back(ensemble, timing, id, version);
    let end = recorded.lease_end.min(clock::now() + TRIED_FOR);
    let mut released = in_time(&ensemble, &config.timing, give_back);
    while matches!(released, Err(SurveyError::Unreachable { .. })) && clock::now() < end {
        clock::pause(PAUSE);
        released = in_time(&ensemble, &config.timing, give_back);
    }
    match released {
        Ok(Released::Now) => say(format_args!("released term {id} of {master}")),
        Ok(Released::Before) => say(format_args!(
            "term {id} of {master} is over already: nothing to release"
        )),
        Err(SurveyError::Unreachable { .. }) if clock::now() >= recorded.lease_end => {
            say(format_args!(
                "term {id} of {master} is not released: no server answers; its lease has run out meanwhile"
            ))
        }
        Err(error) => refuse(&ensemble.paths, &error),
    }
}

fn say(message: impl std::fmt::Display) -> ExitCode {
    match print(&format!("{message}\n")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}
