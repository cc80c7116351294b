//! `check --online`: as `check`, and asks the ensemble.

use std::path::Path;
use std::process::ExitCode;

use super::exit;
use super::print::complain;
use crate::config;

/// Checks the file, then whether the ensemble will do.
pub(super) fn check(file: &Path) -> ExitCode {
    if let Err(errors) = config::check(file) {
        complain(errors);
        return exit::CONFIG.into();
    }
    complain("`check --online` is not there yet");
    exit::SOFTWARE.into()
}
