//! The command line's grammar and its help.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  zk-supervise app.toml                 run it, the same on each host
  zk-supervise check app.toml           what is in force, defaults and all
  zk-supervise check --online app.toml  and will the ensemble do?
  zk-supervise status --json app.toml   who is master, for a program

Exit codes:
   0  done, or stopped as asked    70  a defect, or refused by this host
  64  wrong command line           78  wrong file, or its command is not there
  69  no server answered

A file that is called like a command is given as ./run.
Every key is in examples/app.toml, and in what `check` prints.";

/// Runs a command on exactly one host of a group.
///
/// Every host of the group gets the same file. ZooKeeper elects one of them master, and the
/// command in the file runs there, and only while that host is master.
#[derive(Parser, Debug)]
#[command(
    name = "zk-supervise",
    version,
    about = "Runs a command on exactly one host of a group: ZooKeeper elects the master",
    long_about = None,
    after_help = EXAMPLES,
    override_usage = "zk-supervise <FILE>\n       zk-supervise <COMMAND> [OPTIONS] <FILE>",
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    max_term_width = 80
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// The configuration; the same as `run <FILE>`
    #[arg(value_name = "FILE", required = true)]
    file: Option<PathBuf>,
}

/// What is asked for.
#[derive(Subcommand, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Stand for election, and run the command while master
    Run {
        /// The configuration
        file: PathBuf,
    },
    /// Is the file right? Print what is in force, every default filled in
    Check {
        /// The configuration
        file: PathBuf,
        /// Also ask the ensemble: does it answer, may we write where we must, what does it grant
        #[arg(long)]
        online: bool,
    },
    /// Who is master, since when, and who stands by
    Status {
        /// The configuration
        file: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Give back the term of a supervisor that was killed with all its processes
    ///
    /// A service manager runs this after each end of its unit. Nothing is released that is not on record, nor before
    /// everything of the command is proven dead. Where no server answers it is tried for as long as the lease lasts, 20 s
    /// at most. It may be repeated.
    Release {
        /// The instance of zk-supervise@.service, or a directory that was a supervisor's RUNTIME_DIRECTORY
        instance: PathBuf,
    },
    /// Have the supervisor of a unit go on with its file as it is now: for `systemctl reload`
    ///
    /// The command is not touched. A file that is wrong, or of another election, is refused and changes nothing.
    Reload {
        /// The configuration
        file: PathBuf,
    },
    /// Print the JSON Schema of the configuration, by which editors complete and check it
    Schema,
}

impl Args {
    /// Reads the words of a command line, the first of which is our own name.
    pub(super) fn read(words: impl Iterator<Item = OsString>) -> Result<Args, clap::Error> {
        let words = with_flags(words.collect());
        Args::try_parse_from(&words).map_err(|error| explain(error, &words))
    }

    /// What is asked for; a file alone is to be run.
    pub(super) fn command(self) -> Command {
        match self.command {
            Some(command) => command,
            None => Command::Run {
                file: self
                    .file
                    .expect("clap asks for a file where there is no command"),
            },
        }
    }
}

/// `help`, `help COMMAND` and `version` as the flags that mean the same.
fn with_flags(mut words: Vec<OsString>) -> Vec<OsString> {
    let flag = match words.get(1).and_then(|word| word.to_str()) {
        Some("help") if words.len() <= 3 => "--help",
        Some("version") if words.len() == 2 => "--version",
        Some(_) | None => return words,
    };
    words.remove(1);
    words.push(flag.into());
    words
}

/// `error` in better words where the first one was to be a command: clap takes it for the file.
fn explain(error: clap::Error, words: &[OsString]) -> clap::Error {
    let is_about_words = matches!(
        error.kind(),
        ErrorKind::ArgumentConflict | ErrorKind::UnknownArgument
    );
    let [_, first, _, ..] = words else {
        return error;
    };
    let first = first.to_string_lossy();
    let hint = match meant(&first) {
        _ if !is_about_words || first.starts_with('-') || COMMANDS.contains(&&*first) => {
            return error;
        }
        Some(meant) => format!("; did you mean `{meant}`?"),
        None if error.kind() == ErrorKind::ArgumentConflict => String::new(),
        None => return error,
    };
    let message = format!("there is no command `{}`{hint}", first.escape_debug());
    <Args as CommandFactory>::command().error(ErrorKind::InvalidSubcommand, message)
}

const COMMANDS: [&str; 8] = [
    "run", "check", "status", "release", "reload", "schema", "help", "version",
];

/// The command that `word` was probably meant to be.
fn meant(word: &str) -> Option<&'static str> {
    let far = |name: &str| strsim::damerau_levenshtein(word, name);
    let near = COMMANDS.into_iter().min_by_key(|name| far(name))?;
    (far(near) <= near.len() / 3).then_some(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Command> {
        let words = std::iter::once("zk-supervise").chain(line.split_whitespace());
        Args::read(words.map(OsString::from))
            .ok()
            .map(Args::command)
    }

    #[test]
    fn a_file_alone_is_to_be_run() {
        let run = |file: &str| Some(Command::Run { file: file.into() });
        assert_eq!(parse("app.toml"), run("app.toml"));
        assert_eq!(parse("run app.toml"), run("app.toml"));
        assert_eq!(parse("./run"), run("./run"));
        assert_eq!(parse("run run"), run("run"));
        assert_eq!(parse("-- status"), run("status"));
    }

    #[test]
    fn every_command_wants_exactly_one_file() {
        for line in [
            "",
            "run",
            "check",
            "status",
            "a b",
            "run a b",
            "check --online",
            "--online a",
            "status a b",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn options_stand_on_either_side_of_the_file() {
        let check = Some(Command::Check {
            file: "a".into(),
            online: true,
        });
        assert_eq!(parse("check --online a"), check);
        assert_eq!(parse("check a --online"), check);
    }

    #[test]
    fn the_grammar_is_sound() {
        <Args as CommandFactory>::command().debug_assert();
    }
}
