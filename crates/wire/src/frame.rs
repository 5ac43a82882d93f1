//! Frames: how a stream of bytes is cut into messages.
//!
//! Source: `docs/protocol/framing.md`, "Stream" and "Message header".

use crate::codec::{patch_u32, put_count, put_u16, put_u32};
use crate::id::ChannelId;

/// The byte that keeps a silent connection alive. Any byte with bit 7 set between frames is skipped.
pub const KEEP_ALIVE: u8 = 0x80;

/// The longest frame before the login, in bytes: tokens and SAML responses are large.
pub const FRAME_BYTES_MAX_BEFORE_LOGIN: usize = 64 * 1024;

/// The longest frame after the login, in bytes: a full contact list, a long message.
pub const FRAME_BYTES_MAX: usize = 512 * 1024;

/// Header option: the data of a CHANNEL_SEND is enciphered.
pub(crate) const OPTION_ENCRYPT: u16 = 0x4000;

/// Header option: an attribute opaque follows the header.
pub(crate) const OPTION_ATTRIBS: u16 = 0x8000;

/// Message type of CHANNEL_SEND.
const CHANNEL_SEND: u16 = 0x0004;

/// What stands at the front of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next<'a> {
    /// A whole message, without its length.
    Frame(&'a [u8]),
    /// More bytes are needed.
    Incomplete,
    /// A message above the limit; the stream cannot go on.
    TooLarge {
        /// The length that it claims, in bytes.
        length: u32,
    },
}

/// Finds the next frame of at most `frame_bytes_max` bytes.
///
/// Returns how many bytes of `input` are done with: keep-alives and empty frames that were skipped,
/// and the returned frame. With `Incomplete` and `TooLarge` only what was skipped is counted.
#[must_use]
pub fn next(input: &[u8], frame_bytes_max: usize) -> (usize, Next<'_>) {
    let mut rest = input;
    loop {
        let consumed = input.len() - rest.len();
        match rest {
            [first, tail @ ..] if first & KEEP_ALIVE != 0 => rest = tail,
            [0, 0, 0, 0, tail @ ..] => rest = tail,
            [a, b, c, d, tail @ ..] => {
                let length = u32::from_be_bytes([*a, *b, *c, *d]);
                let bytes = usize::try_from(length).unwrap_or(usize::MAX);
                if bytes > frame_bytes_max {
                    return (consumed, Next::TooLarge { length });
                }
                return match tail.get(..bytes) {
                    Some(frame) => (consumed + 4 + bytes, Next::Frame(frame)),
                    None => (consumed, Next::Incomplete),
                };
            }
            _ => return (consumed, Next::Incomplete),
        }
    }
}

/// Begins a frame in `out` and returns where; [`end`] completes it.
pub fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    put_u32(out, 0);
    start
}

/// Completes the frame that [`begin`] began at `start`: everything behind it is the message.
pub fn end(out: &mut [u8], start: usize) {
    let length = out.len().saturating_sub(start + 4);
    patch_u32(out, start, length);
}

/// Appends the header that every message starts with.
pub(crate) fn put_header(out: &mut Vec<u8>, kind: u16, options: u16, channel: ChannelId) {
    put_u16(out, kind);
    put_u16(out, options);
    put_u32(out, channel.0);
}

/// Appends a complete CHANNEL_SEND frame.
///
/// This is the hot path of the relay: it allocates nothing but what `out` needs to grow.
pub fn put_send(out: &mut Vec<u8>, channel: ChannelId, kind: u16, encrypted: bool, data: &[u8]) {
    /// Header, SEND type and the length of the data.
    const SEND_BYTES_BEFORE_DATA: usize = 14;
    out.reserve(4 + SEND_BYTES_BEFORE_DATA + data.len());
    put_count(out, SEND_BYTES_BEFORE_DATA + data.len());
    put_header(
        out,
        CHANNEL_SEND,
        if encrypted { OPTION_ENCRYPT } else { 0 },
        channel,
    );
    put_u16(out, kind);
    put_count(out, data.len());
    out.extend_from_slice(data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keep_alives_and_empty_frames_are_skipped() {
        let stream = [0x80, 0xff, 0, 0, 0, 0, 0x81, 0, 0, 0, 2, 7, 8, 9];
        assert_eq!(next(&stream, 100), (13, Next::Frame(&[7, 8])));
    }

    #[test]
    fn what_is_skipped_is_consumed_even_if_the_frame_is_incomplete() {
        assert_eq!(next(&[0x80, 0x80], 100), (2, Next::Incomplete));
        assert_eq!(next(&[0x80, 0, 0, 0], 100), (1, Next::Incomplete));
        assert_eq!(next(&[0x80, 0, 0, 0, 2, 7], 100), (1, Next::Incomplete));
        assert_eq!(next(&[], 100), (0, Next::Incomplete));
    }

    #[test]
    fn a_frame_above_the_limit_is_known_by_its_length_alone() {
        assert_eq!(
            next(&[0, 0, 0, 101], 100),
            (0, Next::TooLarge { length: 101 })
        );
        assert!(matches!(next(&[0, 0, 0, 100], 100), (0, Next::Incomplete)));
    }

    #[test]
    fn send_equals_the_long_way() {
        let mut short = Vec::new();
        put_send(&mut short, ChannelId(4), 0x64, true, b"data");
        let mut long = Vec::new();
        let start = begin(&mut long);
        put_header(&mut long, CHANNEL_SEND, OPTION_ENCRYPT, ChannelId(4));
        put_u16(&mut long, 0x64);
        crate::codec::put_opaque(&mut long, b"data");
        end(&mut long, start);
        assert_eq!(short, long);
    }
}
