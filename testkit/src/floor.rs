//! What the floor and those who talk to it must agree on. The floor itself is `bin/floor.rs`.

/// Frames are a length of four bytes, an operation of one byte, and its data; numbers are big-endian `u32`.
pub mod operation {
    /// Client: my number. Answered with the same operation and a contact list.
    pub const HELLO: u8 = 1;
    /// Client: numbers to watch. Answered with the numbers and a byte each: 1 if connected.
    pub const WATCH: u8 = 2;
    /// Client: a number and anything; the frame goes to that number as it is.
    pub const MESSAGE: u8 = 3;
    /// Client: anything. Each of its watchers gets the client's number and the same.
    pub const STATUS: u8 = 4;
}

/// Numbers are below this: more than one process may have files open.
pub const NUMBERS: usize = 32 * 1024;

/// Appends a whole frame.
pub fn put_frame(out: &mut Vec<u8>, operation: u8, parts: &[&[u8]]) {
    let length = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    out.push(operation);
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// The first whole frame of `input`: its operation, its data, and how many bytes it takes.
#[must_use]
pub fn next_frame(input: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (length, rest) = input.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (operation, data) = rest.get(..length)?.split_first()?;
    Some((*operation, data, 4 + length))
}

/// The number at the front of `data`, and what follows it.
#[must_use]
pub fn take_number(data: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = data.split_first_chunk()?;
    Some((u32::from_be_bytes(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        put_frame(
            &mut bytes,
            operation::MESSAGE,
            &[&7_u32.to_be_bytes(), b"hello"],
        );
        put_frame(&mut bytes, operation::HELLO, &[]);
        assert_eq!(
            next_frame(&bytes),
            Some((operation::MESSAGE, &b"\0\0\0\x07hello"[..], 14))
        );
        assert_eq!(
            next_frame(&bytes[14..]),
            Some((operation::HELLO, &b""[..], 5))
        );
        assert_eq!(take_number(b"\0\0\0\x07hello"), Some((7, &b"hello"[..])));
    }

    #[test]
    fn a_part_of_a_frame_is_no_frame() {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, operation::STATUS, &[b"away"]);
        for end in 0..bytes.len() {
            assert_eq!(next_frame(&bytes[..end]), None);
        }
        assert_eq!(next_frame(&[0, 0, 0, 0]), None);
    }
}
