//! `check`: is the file right, and what does it come to? Asks nobody but this host.

use std::path::Path;
use std::process::ExitCode;

use super::exit;
use super::print::{complain, print};
use crate::config;

/// Prints everything in force as a file that loads again, or all that is wrong.
pub(super) fn check(file: &Path) -> ExitCode {
    match config::check(file) {
        Ok(config) => match print(&config::render(&config)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(code) => code,
        },
        Err(errors) => {
            complain(errors);
            exit::CONFIG.into()
        }
    }
}
