//! One-to-one messages. The server relays them; only the two clients read what is inside.
//!
//! Source: `docs/protocol/service-im.md`.

use crate::codec::{DecodeError, Reader, Text, put_opaque, put_text, put_u32};
use crate::message::UserStatus;
use std::fmt;

/// The only SEND type of this service.
pub const SEND_KIND: u16 = 0x0064;

/// HTML and MIME longer than this many bytes are cut into pieces of at most this many.
pub const PIECE_BYTES_MAX: usize = 2048;

/// What a channel is to be good for, as CREATE and ACCEPT say it.
pub mod features {
    /// Text and typing.
    pub const PLAIN: u32 = 0x0000_0001;
    /// Also HTML, subject and MIME.
    pub const RICH: u32 = 0x0003_3453;
    /// Delivers a place invitation, nothing else.
    pub const PLACE_INVITATION: u32 = 0x0000_0019;
}

/// What an [`ImMessage::Data`] holds.
pub mod data_type {
    /// Subtype 0: is typing; 1: stopped. No payload.
    pub const TYPING: u32 = 0x0000_0001;
    /// Subject of the conversation.
    pub const SUBJECT: u32 = 0x0000_0003;
    /// HTML, or a piece of it.
    pub const HTML: u32 = 0x0000_0004;
    /// A MIME document, or a piece of it.
    pub const MIME: u32 = 0x0000_0005;
    /// A point in time as text.
    pub const TIMESTAMP: u32 = 0x0000_0006;
    /// An invitation to a place.
    pub const INVITATION: u32 = 0x0000_000a;
    /// Pieces follow.
    pub const SEGMENT_START: u32 = 0x0000_1388;
    /// The pieces are complete.
    pub const SEGMENT_STOP: u32 = 0x0000_1389;
}

/// What CREATE carries from creator to target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateAddtl {
    /// 1.
    pub a: u32,
    /// See [`features`].
    pub features: u32,
}

impl CreateAddtl {
    /// For a channel with these features.
    #[must_use]
    pub fn new(features: u32) -> Self {
        Self { a: 1, features }
    }

    /// Reads the additional data of a CREATE.
    ///
    /// # Errors
    /// `Truncated`: a client would misread it too, so it must not reach one.
    pub fn decode(addtl: &[u8]) -> Result<Self, DecodeError> {
        let r = &mut Reader::new(addtl);
        Ok(Self {
            a: r.u32("im.a")?,
            features: r.u32("im.features")?,
        })
    }

    /// Appends the additional data of a CREATE.
    pub fn encode(&self, addtl: &mut Vec<u8>) {
        put_u32(addtl, self.a);
        put_u32(addtl, self.features);
    }
}

/// What ACCEPT carries from target to creator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptAddtl<'a> {
    /// 1.
    pub a: u32,
    /// The accepted features.
    pub features: u32,
    /// 2.
    pub c: u32,
    /// Status of the acceptor.
    pub status: UserStatus<'a>,
}

impl<'a> AcceptAddtl<'a> {
    /// Reads the additional data of an ACCEPT.
    ///
    /// # Errors
    /// `Truncated`.
    pub fn decode(addtl: &'a [u8]) -> Result<Self, DecodeError> {
        let r = &mut Reader::new(addtl);
        Ok(Self {
            a: r.u32("im.a")?,
            features: r.u32("im.features")?,
            c: r.u32("im.c")?,
            status: UserStatus::decode(r)?,
        })
    }

    /// Appends the additional data of an ACCEPT.
    pub fn encode(&self, addtl: &mut Vec<u8>) {
        put_u32(addtl, self.a);
        put_u32(addtl, self.features);
        put_u32(addtl, self.c);
        self.status.encode(addtl);
    }
}

/// What one person says to the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ImMessage<'a> {
    /// Plain text.
    Text(Text<'a>),
    /// Everything else that is known.
    Data {
        /// See [`data_type`].
        data_type: u32,
        /// Depends on the type; mostly 0.
        subtype: u32,
        /// Depends on the type.
        payload: &'a [u8],
    },
    /// Something newer, carried through.
    Unknown {
        /// The number that tells text from data.
        im_type: u32,
        /// What follows it.
        rest: &'a [u8],
    },
}

/// Without the words: what people write to each other stands in no log.
impl fmt::Debug for ImMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f
                .debug_struct("Text")
                .field("text_bytes", &text.len())
                .finish(),
            Self::Data {
                data_type,
                subtype,
                payload,
            } => f
                .debug_struct("Data")
                .field("data_type", data_type)
                .field("subtype", subtype)
                .field("payload_bytes", &payload.len())
                .finish(),
            Self::Unknown { im_type, rest } => f
                .debug_struct("Unknown")
                .field("im_type", im_type)
                .field("rest_bytes", &rest.len())
                .finish(),
        }
    }
}

/// Numbers that tell text from data.
mod im_type {
    pub(super) const TEXT: u32 = 1;
    pub(super) const DATA: u32 = 2;
}

impl<'a> ImMessage<'a> {
    /// Reads the deciphered data of a SEND.
    ///
    /// # Errors
    /// `Truncated`, or `UnexpectedKind` if the SEND type is not [`SEND_KIND`].
    pub fn decode(kind: u16, data: &'a [u8]) -> Result<Self, DecodeError> {
        if kind != SEND_KIND {
            return Err(DecodeError::UnexpectedKind {
                service: "im",
                kind,
            });
        }
        let r = &mut Reader::new(data);
        Ok(match r.u32("im type")? {
            im_type::TEXT => Self::Text(r.text("text")?),
            im_type::DATA => Self::Data {
                data_type: r.u32("data type")?,
                subtype: r.u32("subtype")?,
                payload: r.opaque("payload")?,
            },
            im_type => Self::Unknown {
                im_type,
                rest: r.rest(),
            },
        })
    }

    /// Appends the data and returns the SEND type.
    pub fn encode(&self, data: &mut Vec<u8>) -> u16 {
        match self {
            Self::Text(text) => {
                put_u32(data, im_type::TEXT);
                put_text(data, *text);
            }
            Self::Data {
                data_type,
                subtype,
                payload,
            } => {
                put_u32(data, im_type::DATA);
                put_u32(data, *data_type);
                put_u32(data, *subtype);
                put_opaque(data, payload);
            }
            Self::Unknown { im_type, rest } => {
                put_u32(data, *im_type);
                data.extend_from_slice(rest);
            }
        }
        SEND_KIND
    }
}
