//! What does the client speak? Told by its first bytes, because clients speak first.
//!
//! Source: `docs/domain/tls-scopes.md`, 15.3.

use wire::frame::FRAME_BYTES_MAX_BEFORE_LOGIN;

/// As many first bytes as a decision can need: an SSL 2 hello that might be a keep-alive and a frame's length.
pub const FIRST_BYTES_MAX: usize = 5;

/// What a client's first bytes show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detected {
    /// Not decided yet: read on.
    NeedMore,
    /// A TLS handshake record.
    Tls,
    /// A frame of the Sametime protocol, or its keep-alive bytes.
    Legacy,
    /// An SSL 2 hello.
    Ssl2Hello,
    /// An HTTP request.
    Http,
    /// Nothing that a client of ours begins with.
    Garbage,
}

/// Methods as far as their first four bytes; none of them can be the length of a frame.
const HTTP_METHODS: [&[u8; 4]; 9] = [
    b"GET ", b"POST", b"HEAD", b"PUT ", b"DELE", b"CONN", b"OPTI", b"TRAC", b"PRI ",
];

/// Decides on the bytes a client has sent so far.
#[must_use]
pub fn detect(first: &[u8]) -> Detected {
    match *first {
        [] | [0x16] | [0x80..=0xff] => Detected::NeedMore,
        [0x16, 0x03, ..] => Detected::Tls,
        // Two bytes with the top bit can only be keep-alives.
        [0x80..=0xff, 0x80..=0xff, ..] => Detected::Legacy,
        // One such byte is a keep-alive before a frame, or the length of an SSL 2 hello (type 1).
        [0x80..=0xff, _] => Detected::NeedMore,
        [0x80..=0xff, high, 0x01, ref rest @ ..] => match *rest {
            _ if high != 0 => Detected::Ssl2Hello,
            [] | [_] => Detected::NeedMore,
            [third, fourth, ..] => match legacy([high, 0x01, third, fourth]) {
                Detected::Legacy => Detected::Legacy,
                _ => Detected::Ssl2Hello,
            },
        },
        [0x80..=0xff, ref frame @ ..] => detect_frame(frame),
        _ => detect_frame(first),
    }
}

/// The bytes begin a frame's length, an HTTP method, or nothing we know.
fn detect_frame(bytes: &[u8]) -> Detected {
    match *bytes {
        [a, b, c, d, ..] => {
            let word = [a, b, c, d];
            if HTTP_METHODS.contains(&&word) {
                Detected::Http
            } else {
                legacy(word)
            }
        }
        // A longer first byte is a length that no frame may have, unless it begins a method.
        _ if could_begin_method(bytes) || bytes.first() == Some(&0) => Detected::NeedMore,
        _ => Detected::Garbage,
    }
}

fn could_begin_method(bytes: &[u8]) -> bool {
    HTTP_METHODS.iter().any(|method| method.starts_with(bytes))
}

fn legacy(length: [u8; 4]) -> Detected {
    if u32::from_be_bytes(length) as usize <= FRAME_BYTES_MAX_BEFORE_LOGIN {
        Detected::Legacy
    } else {
        Detected::Garbage
    }
}

#[cfg(test)]
mod tests {
    use super::Detected::{Garbage, Http, Legacy, NeedMore, Ssl2Hello, Tls};
    use super::*;

    #[test]
    fn first_bytes_tell_the_protocol() {
        let table: &[(&[u8], Detected)] = &[
            (&[], NeedMore),
            (&[0x16], NeedMore),
            (&[0x16, 0x03], Tls),
            (&[0x16, 0x03, 0x01, 0x02, 0x00], Tls),
            (&[0x16, 0x04], Garbage),
            (&[0x00], NeedMore),
            (&[0x00, 0x00, 0x00], NeedMore),
            (&[0x00, 0x00, 0x00, 0x22], Legacy),
            (&[0x00, 0x00, 0x00, 0x00], Legacy),
            (&[0x00, 0x01, 0x00, 0x00], Legacy),
            (&[0x00, 0x01, 0x00, 0x01], Garbage),
            (&[0x7f, 0x00, 0x00, 0x00], Garbage),
            (&[0x80], NeedMore),
            (&[0x80, 0x80], Legacy),
            (&[0x80, 0x00], NeedMore),
            (&[0x80, 0x00, 0x00, 0x00, 0x22], Legacy),
            (&[0x81, 0x00, 0x00, 0x00, 0x22], Legacy),
            (&[0x80, 0x2e, 0x01], Ssl2Hello),
            (&[0x80, 0x2e, 0x01, 0x03, 0x01], Ssl2Hello),
            (&[0x80, 0x00, 0x01], NeedMore),
            (&[0x80, 0x00, 0x01, 0x03, 0x01], Ssl2Hello),
            (&[0x80, 0x00, 0x01, 0x00, 0x00], Legacy),
            (b"G", NeedMore),
            (b"GET", NeedMore),
            (b"GET /", Http),
            (b"POST", Http),
            (b"CONNECT host", Http),
            (b"SSH-2", Garbage),
            (b"HELO", Garbage),
        ];
        for (bytes, expected) in table {
            assert_eq!(detect(bytes), *expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn five_bytes_always_decide() {
        for seed in 0..=u16::MAX {
            let [a, b] = seed.to_be_bytes();
            for tail in [[0, 0, 0], [1, 0, 0], [1, 1, 1], [0xff, 0xff, 0xff]] {
                let bytes = [a, b, tail[0], tail[1], tail[2]];
                assert_ne!(detect(&bytes), NeedMore, "{bytes:02x?}");
            }
        }
    }
}
