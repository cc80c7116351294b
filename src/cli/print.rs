//! Printing that survives a reader who went away (`| head`): what cannot be printed any more is dropped. A full disk
//! is said.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use super::exit;

/// Prints `text` on stdout as it is.
///
/// # Errors
/// It could not be written: that is said, and this is to be exited with.
pub(super) fn print(text: &str) -> Result<(), ExitCode> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            complain(format_args!("the output could not be written: {error}"));
            Err(exit::SOFTWARE.into())
        }
        _ => Ok(()),
    }
}

/// Prints `message` and a line end on stderr, in one write where that is possible.
pub(super) fn complain(message: impl Display) {
    let line = format!("{message}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}
