//! The basic types of the protocol: big-endian integers, booleans, strings and opaque bytes.
//!
//! Source: `docs/protocol/framing.md`, "Basic types".

use std::borrow::Cow;
use std::fmt;

/// The longest string that fits the protocol's 16-bit byte count.
pub const TEXT_BYTES_MAX: usize = u16::MAX as usize;

/// A string of the protocol: bytes, usually UTF-8 but never promised to be.
///
/// Identifiers are compared byte by byte, so nothing here converts silently.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Text<'a>(pub &'a [u8]);

impl<'a> Text<'a> {
    /// The bytes as they came.
    #[must_use]
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether there are none; the protocol does not tell "empty" and "absent" apart.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// For people's eyes: bytes that are not UTF-8 become replacement characters.
    #[must_use]
    pub fn to_lossy(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.0)
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_lossy(), f)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes())
    }
}

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

/// Why bytes of a peer do not make a message. Always the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The data ends inside a field.
    #[error("the data ends inside {field}")]
    Truncated {
        /// The field that is cut off.
        field: &'static str,
    },
    /// A count of items that the rest of the data cannot hold.
    #[error("{field} is {count}, more than the data can hold")]
    BadCount {
        /// The count's field.
        field: &'static str,
        /// What it says.
        count: u32,
    },
    /// A CHANNEL_SEND type that the service does not have.
    #[error("{service} has no message of type {kind:#06x}")]
    UnexpectedKind {
        /// The service.
        service: &'static str,
        /// The type.
        kind: u16,
    },
}

/// Reads the basic types from the front of a byte slice.
///
/// Each method names the field it reads, so that an error says where the data was bad. Every error
/// is [`DecodeError::Truncated`] unless said otherwise.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the front of `data`.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// Whether everything is read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes that are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Everything that is left; the reader is empty afterwards.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// `Truncated` if there are fewer.
    pub fn take(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self
            .rest
            .split_at_checked(n)
            .ok_or(DecodeError::Truncated { field })?;
        self.rest = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated { field })?;
        self.rest = tail;
        Ok(*head)
    }

    /// One byte.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array(field)?))
    }

    /// Two bytes, big-endian.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    /// Four bytes, big-endian.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    /// One byte: zero is false, anything else is true.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.u8(field)? != 0)
    }

    /// A string: 16-bit byte count, then the bytes.
    ///
    /// # Errors
    /// `Truncated` if the count or the bytes run past the data.
    pub fn text(&mut self, field: &'static str) -> Result<Text<'a>, DecodeError> {
        let length = self.u16(field)?;
        Ok(Text(self.take(usize::from(length), field)?))
    }

    /// Opaque bytes: 32-bit byte count, then the bytes.
    ///
    /// # Errors
    /// `Truncated` if the count or the bytes run past the data.
    pub fn opaque(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = self.u32(field)?;
        // A length beyond `usize` is beyond the data too, and `take` says so.
        self.take(usize::try_from(length).unwrap_or(usize::MAX), field)
    }

    /// A 32-bit count of items that take at least `item_bytes_min` bytes each.
    ///
    /// A count that passes is safe to allocate by: it is bounded by the data that is really there.
    ///
    /// # Errors
    /// `Truncated`, or `BadCount` if that many items cannot be in the rest of the data.
    pub fn count(
        &mut self,
        item_bytes_min: usize,
        field: &'static str,
    ) -> Result<usize, DecodeError> {
        let count = self.u32(field)?;
        let bad = DecodeError::BadCount { field, count };
        let items = usize::try_from(count).map_err(|_| bad)?;
        match items.checked_mul(item_bytes_min) {
            Some(bytes) if bytes <= self.remaining() => Ok(items),
            _ => Err(bad),
        }
    }

    /// A counted list: see [`Reader::count`].
    ///
    /// # Errors
    /// As `count`, or what `item` returns.
    pub fn list<T>(
        &mut self,
        item_bytes_min: usize,
        field: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.count(item_bytes_min, field)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }
}

/// Appends two bytes, big-endian.
pub fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends four bytes, big-endian.
pub fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Appends a boolean as 0 or 1.
pub fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

/// Appends a string.
///
/// The protocol has no way to say more than [`TEXT_BYTES_MAX`] bytes. Whoever makes texts bounds
/// them far below that; a longer one is written as the empty text, never as a part of itself, so
/// that the message stays well-formed and nobody takes a piece for the whole.
pub fn put_text(out: &mut Vec<u8>, text: Text<'_>) {
    match u16::try_from(text.len()) {
        Ok(length) => {
            put_u16(out, length);
            out.extend_from_slice(text.as_bytes());
        }
        Err(_) => put_u16(out, 0),
    }
}

/// Appends opaque bytes.
pub fn put_opaque(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a number of items or bytes that are in memory.
///
/// Frames are limited to far less than 4 GiB, so the number always fits; if it ever did not, the
/// saturated count makes the reader refuse the message.
pub fn put_count(out: &mut Vec<u8>, count: usize) {
    put_u32(out, u32::try_from(count).unwrap_or(u32::MAX));
}

/// Overwrites four bytes at `at` with a number that was not known when they were appended.
pub(crate) fn patch_u32(out: &mut [u8], at: usize, value: usize) {
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    if let Some(slot) = out
        .get_mut(at..)
        .and_then(|tail| tail.first_chunk_mut::<4>())
    {
        *slot = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_runs_past_the_data_is_truncated() {
        let mut reader = Reader::new(&[0, 5, b'a', b'b']);
        assert_eq!(
            reader.text("name"),
            Err(DecodeError::Truncated { field: "name" })
        );
    }

    #[test]
    fn a_count_is_believed_only_as_far_as_the_data_reaches() {
        let data = [0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(Reader::new(&data).count(4, "count"), Ok(2));
        assert_eq!(
            Reader::new(&data).count(5, "count"),
            Err(DecodeError::BadCount {
                field: "count",
                count: 2
            })
        );
        let huge = [0xff; 8];
        assert!(Reader::new(&huge).count(1, "count").is_err());
    }

    #[test]
    fn the_longest_text_is_written_and_a_longer_one_becomes_empty() {
        let bytes = vec![b'x'; TEXT_BYTES_MAX + 1];
        let mut out = Vec::new();
        put_text(&mut out, Text(&bytes[..TEXT_BYTES_MAX]));
        assert_eq!(
            Reader::new(&out).text("text").map(Text::len),
            Ok(TEXT_BYTES_MAX)
        );
        out.clear();
        put_text(&mut out, Text(&bytes));
        assert_eq!(out, [0, 0]);
    }

    #[test]
    fn debug_shows_text_readably() {
        assert_eq!(format!("{:?}", Text(b"a\n\xff")), "\"a\\n\u{fffd}\"");
    }
}
