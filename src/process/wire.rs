//! The wire between guardian and elector: one message a packet, a row of numbers, no heap.
//!
//! Both ends are the same binary (an upgrade starts a new elector), so the form has no version. Whatever does not
//! decode is no message.

use crate::core::election::{TermId, Token};
use crate::core::guard::{Charge, ChildExit, Grant, Order, Report, Shutdown, StopReason, Tree};
use crate::core::time::Time;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

/// Room for the longest message, a report.
const WORDS: usize = 24;

/// One end.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
}

/// What came in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received<T> {
    /// A message.
    Message(T),
    /// Nothing now.
    Nothing,
    /// The other end is closed.
    Closed,
}

/// What the guardian says: its report, and the child's process group for a sweep after the guardian's death.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// How things are.
    pub report: Report,
    /// The child's main process, if there is one.
    pub main: Option<i32>,
}

/// A message that goes over the wire.
pub trait Message: Sized {
    /// Writes it.
    fn encode(&self, words: &mut Encoder);
    /// Reads it; none if it is not one.
    fn decode(words: &mut Decoder<'_>) -> Option<Self>;
}

impl Wire {
    /// Both ends of a new wire, closed on exec.
    ///
    /// # Errors
    /// No more descriptors (`socketpair(2)`).
    pub fn pair() -> nix::Result<(Wire, OwnedFd)> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Wire { socket: ours }, theirs))
    }

    /// The end that was inherited as `socket`.
    #[must_use]
    pub fn from_socket(socket: OwnedFd) -> Wire {
        Wire { socket }
    }

    /// Sends `message` without waiting. A full or closed wire swallows it: everything is said again soon, in full.
    pub fn send(&self, message: &impl Message) {
        let mut encoder = Encoder {
            bytes: [0; WORDS * 8],
            words: 0,
        };
        message.encode(&mut encoder);
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        _ = send(
            self.socket.as_raw_fd(),
            &encoder.bytes[..encoder.words * 8],
            flags,
        );
    }

    /// Takes the next message, without waiting.
    #[must_use]
    pub fn receive<T: Message>(&self) -> Received<T> {
        let mut bytes = [0; WORDS * 8 + 1];
        match recv(self.socket.as_raw_fd(), &mut bytes, MsgFlags::MSG_DONTWAIT) {
            Ok(0) | Err(Errno::ECONNRESET) => Received::Closed,
            Ok(length) => decode(&bytes[..length]).map_or(Received::Nothing, Received::Message),
            Err(_) => Received::Nothing,
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Wire {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.socket.as_raw_fd()
    }
}

/// Reads a whole packet.
fn decode<T: Message>(bytes: &[u8]) -> Option<T> {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut decoder = Decoder { words };
    let message = T::decode(&mut decoder)?;
    (rest.is_empty() && decoder.words.is_empty()).then_some(message)
}

/// Writes numbers.
#[derive(Debug)]
pub struct Encoder {
    bytes: [u8; WORDS * 8],
    words: usize,
}

impl Encoder {
    fn put(&mut self, word: u64) {
        self.bytes[self.words * 8..][..8].copy_from_slice(&word.to_le_bytes());
        self.words += 1;
    }

    fn put_i64(&mut self, number: i64) {
        self.put(number.cast_unsigned());
    }

    fn put_duration(&mut self, duration: Duration) {
        self.put(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }
}

/// Reads numbers.
#[derive(Debug)]
pub struct Decoder<'a> {
    words: &'a [[u8; 8]],
}

impl Decoder<'_> {
    fn take(&mut self) -> Option<u64> {
        let (first, rest) = self.words.split_first()?;
        self.words = rest;
        Some(u64::from_le_bytes(*first))
    }

    fn take_u32(&mut self) -> Option<u32> {
        self.take()?.try_into().ok()
    }

    fn take_i32(&mut self) -> Option<i32> {
        self.take()?.cast_signed().try_into().ok()
    }

    fn take_time(&mut self) -> Option<Time> {
        self.take().map(Time::from_nanos)
    }
}

impl Message for Order {
    fn encode(&self, words: &mut Encoder) {
        match self {
            Order::Hold => words.put(0),
            Order::Lease(grant) => {
                words.put(1);
                grant.encode(words);
            }
            Order::GiveUp(id) => {
                words.put(2);
                id.encode(words);
            }
            Order::Forget(id) => {
                words.put(3);
                id.encode(words);
            }
        }
    }

    fn decode(words: &mut Decoder<'_>) -> Option<Order> {
        match words.take()? {
            0 => Some(Order::Hold),
            1 => Grant::decode(words).map(Order::Lease),
            2 => TermId::decode(words).map(Order::GiveUp),
            3 => TermId::decode(words).map(Order::Forget),
            _ => None,
        }
    }
}

impl Message for TermId {
    fn encode(&self, words: &mut Encoder) {
        words.put(self.elector);
        words.put(self.number.into());
    }

    fn decode(words: &mut Decoder<'_>) -> Option<TermId> {
        Some(TermId {
            elector: words.take()?,
            number: words.take_u32()?,
        })
    }
}

impl Message for Grant {
    fn encode(&self, words: &mut Encoder) {
        self.id.encode(words);
        words.put(self.generation.into());
        words.put_i64(self.token.0);
        words.put_i64(self.version.into());
        words.put_duration(self.lease);
        words.put(self.not_before.as_nanos());
        words.put(self.end.as_nanos());
        words.put(self.starts.into());
    }

    fn decode(words: &mut Decoder<'_>) -> Option<Grant> {
        Some(Grant {
            id: TermId::decode(words)?,
            generation: words.take_u32()?,
            token: Token(words.take()?.cast_signed()),
            version: words.take_i32()?,
            lease: Duration::from_nanos(words.take()?),
            not_before: words.take_time()?,
            end: words.take_time()?,
            starts: words.take_u32()?,
        })
    }
}

impl Message for Status {
    fn encode(&self, words: &mut Encoder) {
        self.report.charge.encode(words);
        self.report.tree.encode(words);
        words.put(self.report.started.into());
        match self.report.exit {
            None => words.put(0),
            Some(exit) => exit.encode(words),
        }
        words.put(match self.report.shutdown {
            Shutdown::No => 0,
            Shutdown::Graceful => 1,
            Shutdown::AtOnce => 2,
        });
        words.put_i64(self.main.unwrap_or(0).into());
    }

    fn decode(words: &mut Decoder<'_>) -> Option<Status> {
        let report = Report {
            charge: Charge::decode(words)?,
            tree: Tree::decode(words)?,
            started: words.take_u32()?,
            exit: Option::<ChildExit>::decode(words)?,
            shutdown: match words.take()? {
                0 => Shutdown::No,
                1 => Shutdown::Graceful,
                2 => Shutdown::AtOnce,
                _ => return None,
            },
        };
        Some(Status {
            report,
            main: Some(words.take_i32()?).filter(|&pid| pid > 0),
        })
    }
}

impl Message for Charge {
    fn encode(&self, words: &mut Encoder) {
        match self {
            Charge::None => words.put(0),
            Charge::Open(grant) => {
                words.put(1);
                grant.encode(words);
            }
            Charge::Sealed(grant, reason) => {
                words.put(2);
                grant.encode(words);
                words.put(*reason as u64);
            }
            Charge::Barred(id) => {
                words.put(3);
                id.encode(words);
            }
        }
    }

    fn decode(words: &mut Decoder<'_>) -> Option<Charge> {
        match words.take()? {
            0 => Some(Charge::None),
            1 => Grant::decode(words).map(Charge::Open),
            2 => Some(Charge::Sealed(
                Grant::decode(words)?,
                decode_reason(words.take()?)?,
            )),
            3 => TermId::decode(words).map(Charge::Barred),
            _ => None,
        }
    }
}

fn decode_reason(word: u64) -> Option<StopReason> {
    [
        StopReason::LeaseLapsed,
        StopReason::GivenUp,
        StopReason::Shutdown,
        StopReason::MainExited,
    ]
    .into_iter()
    .find(|&reason| reason as u64 == word)
}

impl Message for Tree {
    fn encode(&self, words: &mut Encoder) {
        let (kind, at) = match self {
            Tree::Empty => (0, Time::default()),
            Tree::Running { since } => (1, *since),
            Tree::Stopping { kill_at } => (2, *kill_at),
            Tree::Killing { again_at } => (3, *again_at),
        };
        words.put(kind);
        words.put(at.as_nanos());
    }

    fn decode(words: &mut Decoder<'_>) -> Option<Tree> {
        match (words.take()?, words.take_time()?) {
            (0, _) => Some(Tree::Empty),
            (1, since) => Some(Tree::Running { since }),
            (2, kill_at) => Some(Tree::Stopping { kill_at }),
            (3, again_at) => Some(Tree::Killing { again_at }),
            _ => None,
        }
    }
}

impl ChildExit {
    fn encode(self, words: &mut Encoder) {
        let (kind, value) = match self {
            ChildExit::Code(code) => (1, code),
            ChildExit::Signal(signal) => (2, signal),
            ChildExit::NotStarted(errno) => (3, errno),
        };
        words.put(kind);
        words.put_i64(value.into());
    }
}

impl Message for Option<ChildExit> {
    fn encode(&self, words: &mut Encoder) {
        match self {
            None => words.put(0),
            Some(exit) => exit.encode(words),
        }
    }

    fn decode(words: &mut Decoder<'_>) -> Option<Self> {
        match words.take()? {
            0 => Some(None),
            1 => words.take_i32().map(|code| Some(ChildExit::Code(code))),
            2 => words
                .take_i32()
                .map(|signal| Some(ChildExit::Signal(signal))),
            3 => words
                .take_i32()
                .map(|errno| Some(ChildExit::NotStarted(errno))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant() -> Grant {
        Grant {
            id: TermId {
                elector: u64::MAX,
                number: 7,
            },
            generation: 3,
            token: Token(-5),
            version: i32::MIN,
            lease: Duration::from_millis(25_000),
            not_before: Time::from_nanos(1),
            end: Time::NEVER,
            starts: 2,
        }
    }

    fn statuses() -> Vec<Status> {
        let charges = [
            Charge::None,
            Charge::Open(grant()),
            Charge::Sealed(grant(), StopReason::Shutdown),
            Charge::Sealed(grant(), StopReason::MainExited),
            Charge::Barred(grant().id),
        ];
        let trees = [
            Tree::Empty,
            Tree::Running {
                since: Time::from_nanos(9),
            },
            Tree::Stopping {
                kill_at: Time::NEVER,
            },
        ];
        let exits = [
            None,
            Some(ChildExit::Code(-1)),
            Some(ChildExit::Signal(9)),
            Some(ChildExit::NotStarted(2)),
        ];
        let mut all = Vec::new();
        for charge in charges {
            for tree in trees {
                for exit in exits {
                    let report = Report {
                        charge,
                        tree,
                        started: 4,
                        exit,
                        shutdown: Shutdown::AtOnce,
                    };
                    all.push(Status {
                        report,
                        main: Some(4711),
                    });
                }
            }
        }
        all
    }

    #[test]
    fn every_message_arrives_as_it_was_sent() {
        let (ours, theirs) = Wire::pair().unwrap();
        let theirs = Wire::from_socket(theirs);
        for order in [
            Order::Hold,
            Order::Lease(grant()),
            Order::GiveUp(grant().id),
            Order::Forget(grant().id),
        ] {
            ours.send(&order);
            assert_eq!(theirs.receive(), Received::Message(order));
        }
        for status in statuses() {
            ours.send(&status);
            assert_eq!(theirs.receive(), Received::Message(status));
        }
    }

    #[test]
    fn an_empty_wire_says_nothing_and_a_closed_one_says_so() {
        let (ours, theirs) = Wire::pair().unwrap();
        assert_eq!(ours.receive::<Order>(), Received::Nothing);
        drop(theirs);
        assert_eq!(ours.receive::<Order>(), Received::Closed);
        ours.send(&Order::Hold);
    }

    #[test]
    fn a_message_cut_short_or_too_long_is_none() {
        let mut encoder = Encoder {
            bytes: [0; WORDS * 8],
            words: 0,
        };
        Order::Lease(grant()).encode(&mut encoder);
        let whole = &encoder.bytes[..encoder.words * 8];
        for length in 0..whole.len() {
            assert_eq!(decode::<Order>(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(
            decode::<Order>(&encoder.bytes[..(encoder.words + 1) * 8]),
            None
        );
    }
}
