//! The command line's grammar and its help.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  zk-supervise app.toml                 run it; the same on each host of the group
  zk-supervise check app.toml           what is in force, every default filled in
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
}

impl Args {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<Command> {
        let words = std::iter::once("zk-supervise").chain(line.split_whitespace());
        Args::try_parse_from(words).ok().map(Args::command)
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
        use clap::CommandFactory;
        <Args as CommandFactory>::command().debug_assert();
    }
}
