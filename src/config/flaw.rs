//! Whether this host has the command. That it has not is no flaw of the file: `check` says so, `run` waits for it.

use std::env;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::command::{Command, Program};
use super::error::Report;
use super::keys;
use super::remedy;
use super::settings::{Setting, Settings};

/// Why this host cannot run the command. Displayed as one short text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandFlaw {
    /// The program, or the directory it is to run in.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong with a program or a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// There is no such thing.
    Missing,
    /// A directory, device or socket where a program should be.
    NotAFile,
    /// We have no right to execute it.
    NotExecutable,
    /// Something else where a directory should be.
    NotADirectory,
    /// A directory we have no right to enter.
    NotEnterable,
    /// The system does not let us look.
    Hidden(io::ErrorKind),
}

impl fmt::Display for CommandFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = super::excerpt::clean(&self.path.display().to_string());
        match self.reason {
            Reason::Missing => write!(f, "`{path}` does not exist"),
            Reason::NotAFile => write!(f, "`{path}` is not a file"),
            Reason::NotExecutable => write!(f, "`{path}` is not executable"),
            Reason::NotADirectory => write!(f, "`{path}` is not a directory"),
            Reason::NotEnterable => write!(f, "`{path}` is a directory we may not enter"),
            Reason::Hidden(kind) => write!(f, "`{path}` cannot be looked at: {kind}"),
        }
    }
}

impl Command {
    /// Why this host cannot run the command now; empty if it can.
    #[must_use]
    pub fn flaws(&self) -> Vec<CommandFlaw> {
        let directory = self.directory.as_deref().and_then(find_directory_flaw);
        self.program
            .find_flaw()
            .into_iter()
            .chain(directory)
            .collect()
    }
}

impl Program {
    /// Why this host cannot run it now.
    #[must_use]
    pub fn find_flaw(&self) -> Option<CommandFlaw> {
        match self {
            Program::Exec(argv) => find_program_flaw(Path::new(argv.first()?)),
            Program::Shell(_) => find_program_flaw(Path::new("/bin/sh")),
        }
    }
}

/// Reports why this host cannot run the command that is set, as far as its settings are right.
pub(super) fn report(settings: &Settings<'_>, report: &mut Report<'_>) {
    if let Some(setting) = settings.find(&keys::EXEC) {
        report_program(setting, report);
    }
    if let Some(setting) = settings.find(&keys::DIRECTORY)
        && report.is_clean(&setting.value.span())
        && let Some(path) = setting.value.get_ref().as_str()
        && let Some(flaw) = find_directory_flaw(Path::new(path))
    {
        let why = "the command is to run in it";
        let help = || vec![remedy::for_directory(&flaw)];
        report.at(setting.value.span(), flaw.to_string(), why, help);
    }
}

fn report_program(setting: &Setting<'_>, report: &mut Report<'_>) {
    let Some(items) = setting.value.get_ref().as_array() else {
        return;
    };
    let argv: Vec<_> = items
        .iter()
        .filter_map(|item| Some(item.get_ref().as_str()?.to_owned()))
        .collect();
    let (Some(program), Some(item)) = (argv.first(), items.iter().next()) else {
        return;
    };
    if !report.is_clean(&setting.value.span()) {
        return;
    }
    if let Some(flaw) = find_program_flaw(Path::new(program)) {
        let why = match flaw.reason {
            Reason::NotExecutable => "we have no right to execute it",
            Reason::Missing
            | Reason::NotAFile
            | Reason::NotADirectory
            | Reason::NotEnterable
            | Reason::Hidden(_) => "until it is there, `run` stands by and does not campaign",
        };
        let help = || vec![remedy::for_program(&flaw, &argv)];
        report.at(item.span(), flaw.to_string(), why, help);
    }
}

/// Whether this host can execute the file at `path`.
pub(super) fn is_program(path: &Path) -> bool {
    find_program_flaw(path).is_none()
}

/// The full path that `PATH` gives for `name`, if that can be executed.
pub(super) fn find_in_path(name: &str) -> Option<String> {
    if name.is_empty() || name.contains(['/', '\0']) {
        return None;
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|file| is_program(file))
        .and_then(|file| Some(file.to_str()?.to_owned()))
}

fn find_program_flaw(path: &Path) -> Option<CommandFlaw> {
    let reason = match path.metadata() {
        Err(error) => Some(missing(&error)),
        Ok(metadata) if !metadata.is_file() => Some(Reason::NotAFile),
        Ok(_) => access(path, AccessFlags::X_OK)
            .err()
            .map(|_| Reason::NotExecutable),
    };
    reason.map(|reason| CommandFlaw {
        path: path.to_owned(),
        reason,
    })
}

fn find_directory_flaw(path: &Path) -> Option<CommandFlaw> {
    let reason = match path.metadata() {
        Err(error) => Some(missing(&error)),
        Ok(metadata) if !metadata.is_dir() => Some(Reason::NotADirectory),
        Ok(_) => access(path, AccessFlags::X_OK)
            .err()
            .map(|_| Reason::NotEnterable),
    };
    reason.map(|reason| CommandFlaw {
        path: path.to_owned(),
        reason,
    })
}

fn missing(error: &io::Error) -> Reason {
    if error.kind() == io::ErrorKind::NotFound || error.kind() == io::ErrorKind::NotADirectory {
        Reason::Missing
    } else {
        Reason::Hidden(error.kind())
    }
}
