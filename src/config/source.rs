//! Gets the text of a file, whatever the file is.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::error::{ConfigErrors, Purpose, Report};
use super::syntax::mended;

/// The largest file that is read: 1 MiB, a thousand times what anybody needs.
const LARGEST: u64 = 1 << 20;

/// Reads the file at `path`.
///
/// # Errors
/// It is not there, not readable, neither a file nor a pipe with something in it, too large or not UTF-8.
pub(super) fn read(path: &Path) -> Result<String, ConfigErrors> {
    let bytes = read_bytes(path).map_err(|error| refuse(path, &error))?;
    if bytes.len() as u64 > LARGEST {
        let why = "a configuration of more than 1 MiB is an accident";
        return Err(ConfigErrors::whole(path, "the file is too large", why));
    }
    String::from_utf8(bytes)
        .map_err(|error| refuse_bytes(path, error.as_bytes(), error.utf8_error().valid_up_to()))
}

/// Why a file could not be read.
enum Obstacle {
    System(io::Error),
    /// It may have no end, and reading it may do something.
    Device,
    /// A pipe that nobody writes to, nor has left anything in.
    SilentPipe,
}

/// Reads a file, or what is written to a pipe: `/dev/stdin` and a shell's `<(...)` are pipes.
fn read_bytes(path: &Path) -> Result<Vec<u8>, Obstacle> {
    // To open a FIFO waits for a writer, who may never come.
    let file = File::options()
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path)
        .map_err(Obstacle::System)?;
    let kind = file.metadata().map_err(Obstacle::System)?.file_type();
    if kind.is_char_device() || kind.is_block_device() {
        return Err(Obstacle::Device);
    }
    let bytes = read_bounded(&file).map_err(Obstacle::System)?;
    if bytes.is_empty() && kind.is_fifo() {
        return Err(Obstacle::SilentPipe);
    }
    Ok(bytes)
}

/// To its end, or a little more than is allowed. Waits for a writer that is there; where none is, there is the end.
fn read_bounded(file: &File) -> io::Result<Vec<u8>> {
    fcntl(file, FcntlArg::F_SETFL(OFlag::empty()))?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refuse(path: &Path, obstacle: &Obstacle) -> ConfigErrors {
    match obstacle {
        Obstacle::System(error) => refuse_error(path, error),
        Obstacle::Device => {
            let why = "the configuration is a file, or comes through a pipe";
            ConfigErrors::whole(path, "this is a device", why)
        }
        Obstacle::SilentPipe => {
            let why = "a pipe is read to its end, and nothing was in it";
            ConfigErrors::whole(path, "nobody writes to this pipe", why)
        }
    }
}

fn refuse_error(path: &Path, error: &io::Error) -> ConfigErrors {
    let text = error.to_string().to_lowercase();
    let system = text.split(" (os error").next().unwrap_or(&text).to_owned();
    let (what, why) = if error.kind() == io::ErrorKind::NotFound {
        (
            "there is no such file".to_owned(),
            if path.is_absolute() {
                "or one of the directories above it is missing"
            } else {
                "it is looked for from the current directory"
            },
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
        || vec![mended(&as_latin1(bytes, valid))],
    );
    report.into_errors()
}

/// The line that has the byte `at` in it; what is not UTF-8 is most often Latin-1.
fn as_latin1(bytes: &[u8], at: usize) -> String {
    let (before, after) = bytes.split_at(at);
    let start = before.iter().rposition(|byte| *byte == b'\n');
    let end = after.iter().position(|byte| *byte == b'\n');
    let line = &bytes[start.map_or(0, |at| at + 1)..end.map_or(bytes.len(), |end| at + end)];
    let mut text = String::new();
    for chunk in line.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().copied().map(char::from));
    }
    text
}
