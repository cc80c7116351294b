//! Good samples, spoilt in every way that chance or a hand would spoil them.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// The longest input: what is longer is refused unread or takes as long as it is long.
const LONGEST: usize = 32 * 1024;

/// One way to spoil bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    Duplicate(Index, usize),
    Truncate(Index),
    /// Exchanges two tokens or lines.
    Swap(Index, Index),
    /// Puts something else in the place of a token or line.
    Replace(Index, Vec<u8>),
    /// Makes every line end as Windows does.
    CarriageReturns,
    /// As some editors of Windows begin a file.
    ByteOrderMark,
}

/// Any bytes, or one of `samples` spoilt a few times; where one of `borders` is, a token ends.
pub(crate) fn spoilt(
    samples: Vec<Vec<u8>>,
    borders: &'static [u8],
) -> impl Strategy<Value = Vec<u8>> {
    let spoilt = (select(samples), vec(change(), 1..6)).prop_map(move |(bytes, changes)| {
        let mut bytes = changes
            .iter()
            .fold(bytes, |bytes, change| apply(bytes, change, borders));
        bytes.truncate(LONGEST);
        bytes
    });
    prop_oneof![1 => vec(any::<u8>(), 0..300), 12 => spoilt]
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        3 => (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        3 => (at(), piece()).prop_map(|(at, piece)| Change::Insert(at, piece)),
        2 => (at(), 1..40_usize).prop_map(|(at, length)| Change::Delete(at, length)),
        2 => (at(), 1..400_usize).prop_map(|(at, length)| Change::Duplicate(at, length)),
        1 => at().prop_map(Change::Truncate),
        3 => (at(), at()).prop_map(|(one, other)| Change::Swap(one, other)),
        4 => (at(), piece()).prop_map(|(at, piece)| Change::Replace(at, piece)),
        1 => Just(Change::CarriageReturns),
        1 => Just(Change::ByteOrderMark),
    ]
}

const SHORT: [&str; 40] = [
    "1e999",
    "0",
    "9999999999",
    "18446744073709551615",
    "-1",
    "18446744073709551616",
    "-9223372036854775809",
    "0x7fffffffffffffff",
    "null",
    "true",
    "nan",
    "\"",
    "'",
    "\"\"\"",
    "[",
    "]",
    "{",
    "}",
    "=",
    ":",
    ",",
    ".",
    "#",
    "\\",
    "\\u0000",
    "\\ud800",
    "\0",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\u{feff}",
    "\u{e9}",
    "\u{65e5}\u{672c}",
    "\u{1f600}",
    "e\u{301}",
    "\u{202e}",
    "[[a]]",
    "a.b.c = 1",
    "1979-05-27T07:32:00Z",
];

const LONG: [(&str, usize); 10] = [
    ("9", 400),
    ("[", 3000),
    ("{\"a\":", 2000),
    ("{a=", 2000),
    ("x", 9000),
    ("\u{65e5}", 3000),
    ("a.", 3000),
    ("0,", 4000),
    ("\n", 4000),
    ("[]\n", 2000),
];

/// What is hard to read: numbers too large, nesting too deep, texts too long, quotes, and characters of all widths.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => select(&SHORT[..]).prop_map(|text: &str| text.as_bytes().to_vec()),
        1 => select(&LONG[..]).prop_map(|(text, times): (&str, usize)| text.repeat(times).into_bytes()),
        2 => vec(any::<u8>(), 1..9),
    ]
}

fn apply(mut bytes: Vec<u8>, change: &Change, borders: &[u8]) -> Vec<u8> {
    let length = bytes.len();
    if length == 0 {
        return bytes;
    }
    match change {
        Change::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
        Change::Insert(at, piece) => {
            drop(bytes.splice(at.index(length)..at.index(length), piece.iter().copied()))
        }
        Change::Delete(at, count) => drop(bytes.drain(range(at, *count, length))),
        Change::Duplicate(at, count) => {
            let range = range(at, *count, length);
            let copy = bytes[range.clone()].to_vec();
            bytes.splice(range.end..range.end, copy);
        }
        Change::Truncate(at) => bytes.truncate(at.index(length)),
        Change::Swap(one, other) => {
            let mut tokens = tokens(&bytes, borders);
            let (one, other) = (one.index(tokens.len()), other.index(tokens.len()));
            tokens.swap(one, other);
            return tokens.concat();
        }
        Change::Replace(at, piece) => {
            let mut tokens = tokens(&bytes, borders);
            let at = at.index(tokens.len());
            tokens[at].clone_from(piece);
            return tokens.concat();
        }
        Change::CarriageReturns => {
            let lines: Vec<_> = bytes.split(|byte| *byte == b'\n').collect();
            return lines.join(&b"\r\n"[..]);
        }
        Change::ByteOrderMark => drop(bytes.splice(0..0, "\u{feff}".bytes())),
    }
    bytes
}

fn range(at: &Index, count: usize, length: usize) -> std::ops::Range<usize> {
    let start = at.index(length);
    start..(start + count).min(length)
}

/// The bytes cut before and after each border.
fn tokens(bytes: &[u8], borders: &[u8]) -> Vec<Vec<u8>> {
    let is_border = |byte: &u8| borders.contains(byte);
    bytes
        .chunk_by(|a, b| !is_border(a) && !is_border(b))
        .map(<[u8]>::to_vec)
        .collect()
}
