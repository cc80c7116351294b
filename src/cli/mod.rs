//! The command line: what was asked for, and the exit code it ends with.

mod args;
mod check;
pub mod exit;
mod online;
mod print;
mod release;
mod reload;
mod run;
mod schema;
mod status;

use std::process::ExitCode;

use clap::error::ErrorKind;

use args::{Args, Command};

/// Does what the command line asks.
#[must_use]
pub fn main() -> ExitCode {
    if let Some((guardian, incarnation)) = run::elector_arguments() {
        return run::elect(guardian, incarnation);
    }
    if let Some(file) = run::trial_arguments() {
        return reload::try_image(&file);
    }
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(error) => return refuse(&error),
    };
    match args.command() {
        Command::Run { file } => run::run(&file),
        Command::Check {
            file,
            online: false,
        } => check::check(&file),
        Command::Check { file, online: true } => online::check(&file),
        Command::Status { file, json } => status::status(&file, json),
        Command::Release { instance } => release::release(&instance),
        Command::Reload { file } => reload::reload(&file),
        Command::Schema => schema::print_schema(),
    }
}

/// The command line's grammar, with all its help: for manual pages and completions.
#[must_use]
pub fn grammar() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// Prints clap's error, or the help or version asked for, which clap treats as errors.
fn refuse(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell if printing fails.
    let _ = error.print();
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        ExitCode::SUCCESS
    } else {
        exit::USAGE.into()
    }
}
