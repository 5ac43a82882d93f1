//! Per-user settings, the contact list among them.
//!
//! Source: `docs/protocol/service-storage.md`.

use crate::code::ReturnCode;
use crate::codec::{DecodeError, Reader, patch_u32, put_count, put_opaque, put_u32};
use std::fmt;

/// SEND types of this service.
mod kind {
    pub(super) const LOAD: u16 = 0x0004;
    pub(super) const LOADED: u16 = 0x0005;
    pub(super) const SAVE: u16 = 0x0006;
    pub(super) const SAVED: u16 = 0x0007;
}

/// Key of the contact list.
pub const CONTACT_LIST_KEY: u32 = 0;

/// What a client asks. Every request is answered exactly once.
#[derive(Clone, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// What is stored under these keys?
    Load {
        /// Chosen by the client, comes back in the answer.
        id: u32,
        /// Usually one.
        keys: Vec<u32>,
    },
    /// Store these.
    Save {
        /// Chosen by the client, comes back in the answer.
        id: u32,
        /// Keys and values, usually one pair.
        items: Vec<(u32, &'a [u8])>,
    },
}

/// What the server answers.
#[derive(Clone, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// To a [`ClientMessage::Load`].
    Loaded {
        /// From the request.
        id: u32,
        /// `NO_ELEMENT` when nothing is stored: success would make clients delete their contacts.
        code: ReturnCode,
        /// Keys and values; empty unless successful.
        items: Vec<(u32, &'a [u8])>,
    },
    /// To a [`ClientMessage::Save`].
    Saved {
        /// From the request.
        id: u32,
        /// Success, or why not.
        code: ReturnCode,
    },
}

impl fmt::Debug for ClientMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load { id, keys } => f
                .debug_struct("Load")
                .field("id", id)
                .field("keys", keys)
                .finish(),
            Self::Save { id, items } => f
                .debug_struct("Save")
                .field("id", id)
                .field("items", &Sizes(items))
                .finish(),
        }
    }
}

impl fmt::Debug for ServerMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded { id, code, items } => f
                .debug_struct("Loaded")
                .field("id", id)
                .field("code", code)
                .field("items", &Sizes(items))
                .finish(),
            Self::Saved { id, code } => f
                .debug_struct("Saved")
                .field("id", id)
                .field("code", code)
                .finish(),
        }
    }
}

/// Keys with the sizes of their values: what people store, whom they know above all, stands in no log.
struct Sizes<'a>(&'a [(u32, &'a [u8])]);

impl fmt::Debug for Sizes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.0.iter().map(|(key, value)| (key, value.len()));
        f.debug_map().entries(sizes).finish()
    }
}

/// The request id, if at least that is readable, for an answer to a request that is not.
#[must_use]
pub fn request_id(data: &[u8]) -> Option<u32> {
    Reader::new(data).u32("request id").ok()
}

/// The answer to a request of this SEND type that cannot be fulfilled; `None` if the type is no
/// request.
#[must_use]
pub fn refusal(kind: u16, id: u32, code: ReturnCode) -> Option<ServerMessage<'static>> {
    match kind {
        kind::LOAD => Some(ServerMessage::Loaded {
            id,
            code,
            items: Vec::new(),
        }),
        kind::SAVE => Some(ServerMessage::Saved { id, code }),
        _ => None,
    }
}

impl<'a> ClientMessage<'a> {
    /// Reads the data of a SEND of this type.
    ///
    /// # Errors
    /// `Truncated`, `BadCount`, or `UnexpectedKind` for a type that is no request.
    pub fn decode(kind: u16, data: &'a [u8]) -> Result<Self, DecodeError> {
        let r = &mut Reader::new(data);
        Ok(match kind {
            kind::LOAD => Self::Load {
                id: r.u32("request id")?,
                keys: r.list(4, "key count", |r| r.u32("key"))?,
            },
            kind::SAVE => Self::Save {
                id: r.u32("request id")?,
                items: decode_items(r)?,
            },
            kind => {
                return Err(DecodeError::UnexpectedKind {
                    service: "storage",
                    kind,
                });
            }
        })
    }

    /// Appends the data and returns the SEND type. `data` must be empty before, because items hold
    /// offsets into it.
    pub fn encode(&self, data: &mut Vec<u8>) -> u16 {
        match self {
            Self::Load { id, keys } => {
                put_u32(data, *id);
                put_count(data, keys.len());
                for key in keys {
                    put_u32(data, *key);
                }
                kind::LOAD
            }
            Self::Save { id, items } => {
                put_u32(data, *id);
                put_items(data, items);
                kind::SAVE
            }
        }
    }
}

impl<'a> ServerMessage<'a> {
    /// Reads the data of a SEND of this type.
    ///
    /// # Errors
    /// `Truncated`, `BadCount`, or `UnexpectedKind` for a type that is no answer.
    pub fn decode(kind: u16, data: &'a [u8]) -> Result<Self, DecodeError> {
        let r = &mut Reader::new(data);
        Ok(match kind {
            kind::LOADED => Self::Loaded {
                id: r.u32("request id")?,
                code: ReturnCode(r.u32("result")?),
                items: decode_items(r)?,
            },
            kind::SAVED => Self::Saved {
                id: r.u32("request id")?,
                code: ReturnCode(r.u32("result")?),
            },
            kind => {
                return Err(DecodeError::UnexpectedKind {
                    service: "storage",
                    kind,
                });
            }
        })
    }

    /// Appends the data and returns the SEND type. `data` must be empty before, because items hold
    /// offsets into it.
    pub fn encode(&self, data: &mut Vec<u8>) -> u16 {
        match self {
            Self::Loaded { id, code, items } => {
                put_u32(data, *id);
                put_u32(data, code.0);
                put_items(data, items);
                kind::LOADED
            }
            Self::Saved { id, code } => {
                put_u32(data, *id);
                put_u32(data, code.0);
                kind::SAVED
            }
        }
    }
}

/// The end of the item, its key and an empty value.
const ITEM_BYTES_MIN: usize = 12;

fn decode_items<'a>(r: &mut Reader<'a>) -> Result<Vec<(u32, &'a [u8])>, DecodeError> {
    r.list(ITEM_BYTES_MIN, "item count", |r| {
        r.u32("item end")?;
        Ok((r.u32("key")?, r.opaque("value")?))
    })
}

/// Each item says at which offset of the data it ends.
fn put_items(data: &mut Vec<u8>, items: &[(u32, &[u8])]) {
    put_count(data, items.len());
    for (key, value) in items {
        let start = data.len();
        put_u32(data, 0);
        put_u32(data, *key);
        put_opaque(data, value);
        let end = data.len();
        patch_u32(data, start, end);
    }
}
