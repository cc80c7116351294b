//! Gets the text of a file, whatever the file is.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::{ConfigErrors, Purpose, Report};

/// The largest file that is read: 1 MiB, a thousand times what anybody needs.
const LARGEST: u64 = 1 << 20;

/// Reads the file at `path`.
///
/// # Errors
/// It is not there, not readable, not a file, too large or not UTF-8.
pub(super) fn read(path: &Path) -> Result<String, ConfigErrors> {
    let bytes = read_bytes(path).map_err(|error| refuse(path, &error))?;
    if bytes.len() as u64 > LARGEST {
        let why = "a configuration of more than 1 MiB is an accident";
        return Err(ConfigErrors::whole(path, "the file is too large", why));
    }
    String::from_utf8(bytes)
        .map_err(|error| refuse_bytes(path, error.as_bytes(), error.utf8_error().valid_up_to()))
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    // A pipe or a terminal has a length of 0 and may have no end.
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refuse(path: &Path, error: &io::Error) -> ConfigErrors {
    let text = error.to_string().to_lowercase();
    let system = text.split(" (os error").next().unwrap_or(&text).to_owned();
    let (what, why) = if error.kind() == io::ErrorKind::NotFound {
        (
            "there is no such file".to_owned(),
            "it is looked for from the current directory",
        )
    } else if error.kind() == io::ErrorKind::IsADirectory {
        (
            "this is a directory".to_owned(),
            "the configuration is one file",
        )
    } else if error.kind() == io::ErrorKind::PermissionDenied {
        ("the file is not readable".to_owned(), "permission denied")
    } else {
        (system, "the file could be opened or read no further")
    };
    ConfigErrors::whole(path, what, why)
}

fn refuse_bytes(path: &Path, bytes: &[u8], valid: usize) -> ConfigErrors {
    let text = String::from_utf8_lossy(bytes);
    let bad = bytes.get(valid).copied().unwrap_or_default();
    let mut report = Report::new(path, &text, Purpose::Show);
    let end = valid + char::REPLACEMENT_CHARACTER.len_utf8();
    report.at(
        valid..end,
        format!("byte 0x{bad:02x} is not UTF-8"),
        "a TOML file is UTF-8 throughout",
        Vec::new,
    );
    report.into_errors()
}
