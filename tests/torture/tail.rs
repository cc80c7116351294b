//! A file that grows, read line by line as it does: a run of hours writes more than can be read again and again.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Where the reading of a file has come to.
pub(crate) struct Tail {
    path: PathBuf,
    read: u64,
}

impl Tail {
    /// From its first line on; there may be no file yet.
    pub(crate) fn of(path: PathBuf) -> Tail {
        Tail { path, read: 0 }
    }

    /// The whole lines that are new.
    pub(crate) fn news(&mut self) -> String {
        let mut text = self.rest().unwrap_or_default();
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        self.read += u64::try_from(text.len()).expect("a file is no longer than that");
        text
    }

    /// Empties the file if it is longer than this: who writes it appends.
    pub(crate) fn limit(&mut self, longest: u64) {
        let file = OpenOptions::new().write(true).open(&self.path);
        if self.read > longest && file.is_ok_and(|file| file.set_len(0).is_ok()) {
            self.read = 0;
        }
    }

    fn rest(&self) -> Option<String> {
        let mut file = File::open(&self.path).ok()?;
        file.seek(SeekFrom::Start(self.read)).ok()?;
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        Some(text)
    }
}
