//! Printing that survives a reader who went away (`| head`): what cannot be printed any more is dropped.

use std::fmt::Display;
use std::io::{self, Write};

/// Prints `text` on stdout as it is.
pub(super) fn print(text: &str) {
    let mut out = io::stdout().lock();
    // Nobody is left to tell if the reader is gone.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints `message` and a line end on stderr, in one write where that is possible.
pub(super) fn complain(message: impl Display) {
    let line = format!("{message}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}
