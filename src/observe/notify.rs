//! What the service manager is told: `sd_notify(3)`, without the heap.
//!
//! A message is dropped rather than waited for: the guardian must not hang because its manager does.

use super::text::Text;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, sendto, socket};
use std::ffi::OsStr;
use std::fmt;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where its socket is: `sd_notify(3)`.
pub const SOCKET: &str = "NOTIFY_SOCKET";

/// Longer messages are cut: a status is one line that people read.
const LONGEST_MESSAGE: usize = 1024;

/// The service manager that started this process.
#[derive(Debug)]
pub struct Manager {
    socket: OwnedFd,
    address: UnixAddr,
}

impl Manager {
    /// The one that `NOTIFY_SOCKET` names, if any does.
    #[must_use]
    pub fn from_environment() -> Option<Manager> {
        Manager::at(&std::env::var_os(SOCKET)?)
    }

    /// The one that listens at `name`: a path, or after an `@` an abstract name (`unix(7)`).
    #[must_use]
    pub fn at(name: &OsStr) -> Option<Manager> {
        let address = match name.as_bytes() {
            [b'@', name @ ..] => UnixAddr::new_abstract(name).ok()?,
            _ => UnixAddr::new(Path::new(name)).ok()?,
        };
        let socket = socket(
            AddressFamily::Unix,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC,
            None,
        );
        Some(Manager {
            socket: socket.ok()?,
            address,
        })
    }

    /// Tells it `NAME=value` lines; returns whether it will hear them. Nothing else of ours depends on it.
    #[must_use]
    pub fn tell(&self, lines: fmt::Arguments<'_>) -> bool {
        let mut message = Text::<LONGEST_MESSAGE>::new();
        message.put(lines);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        sendto(
            self.socket.as_raw_fd(),
            message.as_bytes(),
            &self.address,
            flags,
        )
        .is_ok()
    }
}
