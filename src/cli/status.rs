//! `status`: who is master, since when, and who stands by.

use std::path::Path;
use std::process::ExitCode;

use super::exit;
use super::print::complain;
use crate::config;

/// Prints the state of the election, as JSON if `json`.
pub(super) fn status(file: &Path, json: bool) -> ExitCode {
    if let Err(errors) = config::load(file) {
        complain(errors);
        return exit::CONFIG.into();
    }
    let form = if json { " --json" } else { "" };
    complain(format!("`status{form}` is not there yet"));
    exit::SOFTWARE.into()
}
