//! Just enough of ASN.1 for key stores: BER is read, DER is written.
//!
//! Windows and browsers write PKCS#12 with indefinite lengths and with strings in pieces, so a DER reader does not do.

use super::OpenError;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OID: u8 = 0x06;
pub(super) const BMP_STRING: u8 = 0x1e;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
/// `[0]` around something.
pub(super) const CONTEXT_0: u8 = 0xa0;
/// `[0]` instead of the tag of a string.
pub(super) const CONTEXT_0_PRIMITIVE: u8 = 0x80;

const CONSTRUCTED: u8 = 0x20;

/// Elements inside each other at most: a real store has a dozen, and each level of a hostile one costs a pass.
const DEPTH_MAX: usize = 32;

const CUT: OpenError =
    OpenError::Damaged("it ends too early, as a file does that was cut or not copied whole");
const MALFORMED: OpenError = OpenError::Damaged("its structure is not that of a store");

/// One element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    /// What is in it, without an end mark.
    pub(super) content: &'a [u8],
    /// With its tag and length.
    pub(super) whole: &'a [u8],
    depth: usize,
}

/// Elements one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            depth: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next element.
    pub(super) fn next(&mut self) -> Result<Element<'a>, OpenError> {
        let (element, rest) = split(self.rest, self.depth)?;
        self.rest = rest;
        Ok(element)
    }

    /// The next element, which has this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<Element<'a>, OpenError> {
        self.optional(tag)?.ok_or(MALFORMED)
    }

    /// The next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, OpenError> {
        if self.is_empty() {
            return Ok(None);
        }
        let (element, rest) = split(self.rest, self.depth)?;
        if element.tag != tag {
            return Ok(None);
        }
        self.rest = rest;
        Ok(Some(element))
    }
}

impl<'a> Element<'a> {
    /// What is inside.
    pub(super) fn reader(&self) -> Reader<'a> {
        Reader {
            rest: self.content,
            depth: self.depth + 1,
        }
    }

    /// The bytes of a string, whether it came whole or in pieces.
    pub(super) fn octets(&self) -> Result<Vec<u8>, OpenError> {
        if self.tag & CONSTRUCTED == 0 {
            return Ok(self.content.to_vec());
        }
        let mut octets = Vec::new();
        let mut pieces = self.reader();
        while !pieces.is_empty() {
            octets.extend(pieces.next()?.octets()?);
        }
        Ok(octets)
    }

    /// A number that is not negative.
    pub(super) fn unsigned(&self) -> Result<u64, OpenError> {
        let digits: &[u8] = match self.content {
            [first, ..] if first & 0x80 != 0 => return Err(MALFORMED),
            [0, rest @ ..] => rest,
            digits => digits,
        };
        if self.tag != INTEGER || self.content.is_empty() {
            return Err(MALFORMED);
        }
        if digits.len() > 8 {
            return Ok(u64::MAX);
        }
        Ok(digits
            .iter()
            .fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }
}

/// The first element of some bytes, and what is behind it.
fn split(bytes: &[u8], depth: usize) -> Result<(Element<'_>, &[u8]), OpenError> {
    if depth > DEPTH_MAX {
        return Err(MALFORMED);
    }
    let (&tag, behind_tag) = bytes.split_first().ok_or(CUT)?;
    // Tags of more than one byte do not occur in stores; a zero tag is the end mark, which the caller looks for.
    if tag & 0x1f == 0x1f || tag == 0 {
        return Err(if bytes == [0] { CUT } else { MALFORMED });
    }
    let (&first, behind_first) = behind_tag.split_first().ok_or(CUT)?;
    let element = |content, whole| Element {
        tag,
        content,
        whole,
        depth,
    };
    if first == 0x80 {
        if tag & CONSTRUCTED == 0 {
            return Err(MALFORMED);
        }
        let length = indefinite_length(behind_first, depth)?;
        let header = bytes.len() - behind_first.len();
        let content = behind_first.get(..length).ok_or(CUT)?;
        let (whole, rest) = bytes.split_at_checked(header + length + 2).ok_or(CUT)?;
        return Ok((element(content, whole), rest));
    }
    let (length, behind_length) = if first < 0x80 {
        (usize::from(first), behind_first)
    } else {
        let count = usize::from(first & 0x7f);
        let (digits, behind) = behind_first.split_at_checked(count).ok_or(CUT)?;
        if count > 8 {
            return Err(MALFORMED);
        }
        let length = digits
            .iter()
            .fold(0u64, |length, &byte| length << 8 | u64::from(byte));
        (usize::try_from(length).map_err(|_| CUT)?, behind)
    };
    let (content, rest) = behind_length.split_at_checked(length).ok_or(CUT)?;
    let whole = bytes.get(..bytes.len() - rest.len()).ok_or(CUT)?;
    Ok((element(content, whole), rest))
}

/// How many bytes stand before the end mark.
fn indefinite_length(bytes: &[u8], depth: usize) -> Result<usize, OpenError> {
    let mut rest = bytes;
    while !rest.starts_with(&[0, 0]) {
        (_, rest) = split(rest, depth + 1)?;
    }
    Ok(bytes.len() - rest.len())
}

/// An element in DER.
pub(super) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits = length
        .iter()
        .position(|&byte| byte != 0)
        .map_or(0, |at| length.len() - at);
    let mut der = Vec::with_capacity(content.len() + 6);
    der.push(tag);
    if content.len() < 0x80 {
        // Below 128, so it is one byte.
        der.push(length[length.len() - 1]);
    } else {
        // At most eight digits.
        der.push(0x80 | digits as u8);
        der.extend_from_slice(&length[length.len() - digits..]);
    }
    der.extend_from_slice(content);
    der
}

/// Elements in DER, put together in another.
pub(super) fn der_of(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    der(tag, &parts.concat())
}

/// A number in DER.
pub(super) fn der_unsigned(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count().min(7);
    let mut digits = bytes[zeros..].to_vec();
    if digits[0] & 0x80 != 0 {
        digits.insert(0, 0);
    }
    der(INTEGER, &digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for length in [0, 1, 127, 128, 255, 256, 70_000] {
            let content = vec![7; length];
            let written = der(OCTET_STRING, &content);
            let mut reader = Reader::new(&written);
            let element = reader.expect(OCTET_STRING).unwrap();
            assert_eq!(element.content, content);
            assert_eq!(element.whole, written);
            assert!(reader.is_empty());
        }
        for number in [0, 1, 127, 128, 255, 256, 10_000, u64::MAX] {
            let written = der_unsigned(number);
            assert_eq!(Reader::new(&written).next().unwrap().unsigned(), Ok(number));
        }
    }

    #[test]
    fn strings_in_pieces_and_lengths_without_a_number_are_read() {
        // OCTET STRING, constructed, of indefinite length: "ab", "c".
        let bytes = [0x24, 0x80, 4, 2, b'a', b'b', 4, 1, b'c', 0, 0, 0xff];
        let mut reader = Reader::new(&bytes);
        let element = reader.next().unwrap();
        assert_eq!(element.octets().unwrap(), b"abc");
        assert_eq!(element.whole.len(), 11);
        assert_eq!(reader.rest, [0xff]);
    }

    #[test]
    fn whatever_is_cut_is_an_error() {
        let bytes = [0x30, 0x80, 0x30, 3, 2, 1, 5, 0, 0];
        assert!(Reader::new(&bytes).next().is_ok());
        for end in 0..bytes.len() {
            assert_eq!(Reader::new(&bytes[..end]).next().unwrap_err(), CUT, "{end}");
        }
    }

    #[test]
    fn a_tower_of_elements_is_refused() {
        let tower: Vec<u8> = [0x30, 0x80].repeat(10_000);
        assert_eq!(Reader::new(&tower).next().unwrap_err(), MALFORMED);
        let huge = [0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        assert_eq!(Reader::new(&huge).next().unwrap_err(), CUT);
    }
}
