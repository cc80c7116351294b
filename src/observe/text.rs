//! Text in a buffer of its own, for what is formatted where there is no heap.

use std::fmt::{self, Write};

/// At most `N` bytes of text; what does not fit is cut.
#[derive(Clone, Debug)]
pub struct Text<const N: usize> {
    buffer: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    /// Without any text.
    #[must_use]
    pub fn new() -> Text<N> {
        Text {
            buffer: [0; N],
            length: 0,
        }
    }

    /// Adds what is formatted.
    pub fn put(&mut self, arguments: fmt::Arguments<'_>) {
        // Cutting is no error, and nothing that we show fails.
        _ = self.write_fmt(arguments);
    }

    /// What there is.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Cuts it to `length` bytes, or to the character before.
    pub fn truncate(&mut self, length: usize) {
        while length < self.length {
            let is_inside = |byte: u8| byte & 0xc0 == 0x80;
            self.length -= 1;
            while is_inside(self.buffer[self.length]) {
                self.length -= 1;
            }
        }
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Text<N> {
        Text::new()
    }
}

impl<const N: usize> Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = N - self.length;
        let length = text.floor_char_boundary(room.min(text.len()));
        self.buffer[self.length..][..length].copy_from_slice(&text.as_bytes()[..length]);
        self.length += length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<const N: usize>(text: &Text<N>) -> &str {
        std::str::from_utf8(text.as_bytes()).expect("whole characters")
    }

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        let mut text = Text::<6>::new();
        text.put(format_args!("{}-{}", 12, "üüü"));
        assert_eq!(shown(&text), "12-ü");
        text.put(format_args!("x"));
        assert_eq!((shown(&text), text.len()), ("12-üx", 6));
        text.put(format_args!("y"));
        assert_eq!(shown(&text), "12-üx");
    }

    #[test]
    fn it_is_cut_before_the_character_that_is_too_much() {
        let cut = |length| {
            let mut text = Text::<8>::new();
            text.put(format_args!("aüb"));
            text.truncate(length);
            shown(&text).to_owned()
        };
        let lengths = [0, 1, 2, 3, 4, 5].map(cut);
        assert_eq!(lengths, ["", "a", "a", "aü", "aüb", "aüb"]);
    }
}
