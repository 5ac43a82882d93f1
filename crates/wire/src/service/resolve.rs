//! Name lookup.
//!
//! Source: `docs/protocol/service-resolve.md`.

use crate::code::ReturnCode;
use crate::codec::{DecodeError, Reader, Text, put_count, put_text, put_u32};

/// The only SEND type of this service, in both directions.
pub const KIND: u16 = 0x0002;

/// Overall code: some queries succeeded.
pub const PARTIAL: ReturnCode = ReturnCode(0x0001_0000);
/// Result code: more than one match although a unique one was asked for; none is listed.
pub const MULTIPLE: ReturnCode = ReturnCode(0x8002_0000);
/// Result code: the query is of no use.
pub const BAD_FORMAT: ReturnCode = ReturnCode(0x8003_0000);

/// How to search.
pub mod flags {
    /// One match or none.
    pub const UNIQUE: u32 = 0x01;
    /// The first match only.
    pub const FIRST: u32 = 0x02;
    /// All directories, not only the first with a match.
    pub const ALL_DIRECTORIES: u32 = 0x04;
    /// Users.
    pub const USERS: u32 = 0x08;
    /// Groups.
    pub const GROUPS: u32 = 0x10;
}

/// What a [`ResolveMatch`] is.
pub mod match_kind {
    /// A user.
    pub const USER: u32 = 1;
    /// A group.
    pub const GROUP: u32 = 2;
}

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request<'a> {
    /// Chosen by the client, comes back in the response.
    pub id: u32,
    /// What people typed.
    pub queries: Vec<Text<'a>>,
    /// See [`flags`].
    pub flags: u32,
}

/// What the server answers: exactly one response per request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response<'a> {
    /// From the request.
    pub id: u32,
    /// Overall.
    pub code: ReturnCode,
    /// One per query, in their order.
    pub results: Vec<ResolveResult<'a>>,
}

/// The answer to one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveResult<'a> {
    /// Of this query.
    pub code: ReturnCode,
    /// The query, byte for byte.
    pub name: Text<'a>,
    /// What was found.
    pub matches: Vec<ResolveMatch<'a>>,
}

/// A user or group that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResolveMatch<'a> {
    /// The id. An empty one crashes a client, so the server never sends one.
    pub id: Text<'a>,
    /// Display name.
    pub name: Text<'a>,
    /// Free text.
    pub desc: Text<'a>,
    /// See [`match_kind`].
    pub kind: u32,
}

/// The request id, if at least that is readable, for an answer to a request that is not.
#[must_use]
pub fn request_id(data: &[u8]) -> Option<u32> {
    let r = &mut Reader::new(data);
    r.u32("unknown").ok()?;
    r.u32("request id").ok()
}

fn expect_kind(kind: u16) -> Result<(), DecodeError> {
    if kind == KIND {
        Ok(())
    } else {
        Err(DecodeError::UnexpectedKind {
            service: "resolve",
            kind,
        })
    }
}

impl<'a> Request<'a> {
    /// Reads the data of a client's SEND.
    ///
    /// # Errors
    /// `Truncated`, `BadCount`, or `UnexpectedKind` if the SEND type is not [`KIND`].
    pub fn decode(kind: u16, data: &'a [u8]) -> Result<Self, DecodeError> {
        expect_kind(kind)?;
        let r = &mut Reader::new(data);
        r.u32("unknown")?;
        Ok(Self {
            id: r.u32("request id")?,
            // The shortest query is an empty string.
            queries: r.list(2, "query count", |r| r.text("query"))?,
            flags: r.u32("flags")?,
        })
    }

    /// Appends the data and returns the SEND type.
    pub fn encode(&self, data: &mut Vec<u8>) -> u16 {
        put_u32(data, 0);
        put_u32(data, self.id);
        put_count(data, self.queries.len());
        for query in &self.queries {
            put_text(data, *query);
        }
        put_u32(data, self.flags);
        KIND
    }
}

impl<'a> Response<'a> {
    /// Reads the data of the server's SEND.
    ///
    /// # Errors
    /// `Truncated`, `BadCount`, or `UnexpectedKind` if the SEND type is not [`KIND`].
    pub fn decode(kind: u16, data: &'a [u8]) -> Result<Self, DecodeError> {
        expect_kind(kind)?;
        let r = &mut Reader::new(data);
        r.u32("unknown")?;
        Ok(Self {
            id: r.u32("request id")?,
            code: ReturnCode(r.u32("code")?),
            results: r.list(
                ResolveResult::BYTES_MIN,
                "result count",
                ResolveResult::decode,
            )?,
        })
    }

    /// Appends the data and returns the SEND type.
    pub fn encode(&self, data: &mut Vec<u8>) -> u16 {
        put_u32(data, 0);
        put_u32(data, self.id);
        put_u32(data, self.code.0);
        put_count(data, self.results.len());
        for result in &self.results {
            result.encode(data);
        }
        KIND
    }
}

impl<'a> ResolveResult<'a> {
    /// Two numbers, an empty name and a count.
    const BYTES_MIN: usize = 14;

    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        r.u32("unknown")?;
        Ok(Self {
            code: ReturnCode(r.u32("result code")?),
            name: r.text("result name")?,
            matches: r.list(ResolveMatch::BYTES_MIN, "match count", ResolveMatch::decode)?,
        })
    }

    fn encode(&self, data: &mut Vec<u8>) {
        put_u32(data, 0);
        put_u32(data, self.code.0);
        put_text(data, self.name);
        put_count(data, self.matches.len());
        for found in &self.matches {
            put_text(data, found.id);
            put_text(data, found.name);
            put_text(data, found.desc);
            put_u32(data, found.kind);
        }
    }
}

impl<'a> ResolveMatch<'a> {
    /// Three empty strings and a number.
    const BYTES_MIN: usize = 10;

    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: r.text("match id")?,
            name: r.text("match name")?,
            desc: r.text("match desc")?,
            kind: r.u32("match type")?,
        })
    }
}
