//! Presence and attributes.
//!
//! Source: `docs/protocol/service-aware.md`.

use crate::codec::{
    DecodeError, Reader, Text, patch_u32, put_bool, put_count, put_opaque, put_text, put_u16,
    put_u32,
};
use crate::message::UserStatus;

/// SEND types of this service.
mod kind {
    pub(super) const ADD: u16 = 0x0068;
    pub(super) const REMOVE: u16 = 0x0069;
    pub(super) const ATTR_SET: u16 = 0x00c9;
    pub(super) const ATTR_UNSET: u16 = 0x00ca;
    pub(super) const ATTR_WATCH: u16 = 0x00cb;
    pub(super) const SNAPSHOT: u16 = 0x01f4;
    pub(super) const UPDATE: u16 = 0x01f5;
    pub(super) const GROUP: u16 = 0x01f6;
    pub(super) const ATTR_GOT_SET: u16 = 0x0259;
    pub(super) const ATTR_GOT_UNSET: u16 = 0x025a;
    pub(super) const ATTR_DID_SET: u16 = 0x025d;
    pub(super) const ATTR_DID_UNSET: u16 = 0x025e;
}

/// SEND type of [`ServerMessage::Snapshot`], for data made by a [`SnapshotWriter`].
pub const SNAPSHOT_KIND: u16 = kind::SNAPSHOT;

/// SEND type of [`ServerMessage::Update`], for data made with [`put_entry`].
pub const UPDATE_KIND: u16 = kind::UPDATE;

/// What an [`AwareId`] names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AwareKind(pub u16);

impl AwareKind {
    /// A user.
    pub const USER: Self = Self(2);
    /// A group of the server; watched once, it yields its members.
    pub const GROUP: Self = Self(3);
    /// A server; use unknown.
    pub const SERVER: Self = Self(8);
}

/// Whom to watch. Clients compare it byte by byte, so it is echoed exactly as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AwareId<'a> {
    /// User, group or server.
    pub kind: AwareKind,
    /// The id. An empty one crashes the open client library, so the server never sends one.
    pub user: Text<'a>,
    /// Empty inside the community.
    pub community: Text<'a>,
}

/// What a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// Watch these too.
    Add(Vec<AwareId<'a>>),
    /// Watch these no longer.
    Remove(Vec<AwareId<'a>>),
    /// Set an attribute of one's own.
    AttrSet {
        /// Which.
        key: u32,
        /// Its value.
        value: &'a [u8],
    },
    /// Remove an attribute of one's own.
    AttrUnset {
        /// Which.
        key: u32,
    },
    /// Watch these attributes of the watched, and no others.
    AttrWatch(Vec<u32>),
    /// A type that nobody knows; it is dropped.
    Unknown {
        /// The SEND type.
        kind: u16,
    },
}

/// What the server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage<'a> {
    /// The answer to an [`ClientMessage::Add`], with an entry for every user in it.
    Snapshot(Vec<Entry<'a>>),
    /// Something changed.
    Update(Entry<'a>),
    /// This group is watched; its members follow in a snapshot.
    Group(AwareId<'a>),
    /// A watched person's watched attribute has this value.
    AttrGotSet {
        /// Whose.
        id: AwareId<'a>,
        /// Which.
        key: u32,
        /// Its value.
        value: &'a [u8],
    },
    /// A watched person's watched attribute is gone.
    AttrGotUnset {
        /// Whose.
        id: AwareId<'a>,
        /// Which.
        key: u32,
    },
    /// One's own attribute is set. Layout inferred.
    AttrDidSet {
        /// Which.
        key: u32,
    },
    /// One's own attribute is removed. Layout inferred.
    AttrDidUnset {
        /// Which.
        key: u32,
    },
    /// A type that nobody knows; it is dropped.
    Unknown {
        /// The SEND type.
        kind: u16,
    },
}

/// What is known of one watched person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// As watched.
    pub id: AwareId<'a>,
    /// The group id if the entry comes from a watched group, else empty.
    pub group: Text<'a>,
    /// `None` when offline, unknown or hiding.
    pub online: Option<Online<'a>>,
}

/// What is known of a person who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Online<'a> {
    /// The user id again.
    pub alt_id: Text<'a>,
    /// Status, time and text.
    pub status: UserStatus<'a>,
    /// Display name.
    pub name: Text<'a>,
}

impl<'a> AwareId<'a> {
    /// Kind, and two empty strings.
    const BYTES_MIN: usize = 6;

    /// A user of this community.
    #[must_use]
    pub fn user(user: Text<'a>) -> Self {
        Self {
            kind: AwareKind::USER,
            user,
            community: Text::default(),
        }
    }

    /// A group of this community.
    #[must_use]
    pub fn group(group: Text<'a>) -> Self {
        Self {
            kind: AwareKind::GROUP,
            user: group,
            community: Text::default(),
        }
    }

    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            kind: AwareKind(r.u16("aware id type")?),
            user: r.text("aware id user")?,
            community: r.text("aware id community")?,
        })
    }

    fn encode(&self, data: &mut Vec<u8>) {
        put_u16(data, self.kind.0);
        put_text(data, self.user);
        put_text(data, self.community);
    }

    fn decode_list(r: &mut Reader<'a>) -> Result<Vec<Self>, DecodeError> {
        r.list(Self::BYTES_MIN, "aware id count", Self::decode)
    }

    fn encode_list(ids: &[Self], data: &mut Vec<u8>) {
        put_count(data, ids.len());
        for id in ids {
            id.encode(data);
        }
    }
}

impl<'a> ClientMessage<'a> {
    /// Reads the data of a SEND of this type.
    ///
    /// # Errors
    /// `Truncated` or `BadCount`.
    pub fn decode(kind: u16, data: &'a [u8]) -> Result<Self, DecodeError> {
        let r = &mut Reader::new(data);
        Ok(match kind {
            kind::ADD => Self::Add(AwareId::decode_list(r)?),
            kind::REMOVE => Self::Remove(AwareId::decode_list(r)?),
            kind::ATTR_SET => {
                r.u32("unknown")?;
                r.u32("length of value")?;
                r.u32("unknown")?;
                Self::AttrSet {
                    key: r.u32("key")?,
                    value: r.opaque("value")?,
                }
            }
            kind::ATTR_UNSET => {
                r.u32("unknown")?;
                Self::AttrUnset { key: r.u32("key")? }
            }
            kind::ATTR_WATCH => {
                r.u32("unknown")?;
                Self::AttrWatch(r.list(4, "key count", |r| r.u32("key"))?)
            }
            kind => Self::Unknown { kind },
        })
    }

    /// Appends the data and returns the SEND type. `data` must be empty before.
    pub fn encode(&self, data: &mut Vec<u8>) -> u16 {
        match self {
            Self::Add(ids) => {
                AwareId::encode_list(ids, data);
                kind::ADD
            }
            Self::Remove(ids) => {
                AwareId::encode_list(ids, data);
                kind::REMOVE
            }
            Self::AttrSet { key, value } => {
                put_u32(data, 0);
                put_count(data, value.len());
                put_u32(data, 0);
                put_u32(data, *key);
                put_opaque(data, value);
                kind::ATTR_SET
            }
            Self::AttrUnset { key } => {
                put_u32(data, 0);
                put_u32(data, *key);
                kind::ATTR_UNSET
            }
            Self::AttrWatch(keys) => {
                put_u32(data, 0);
                put_count(data, keys.len());
                for key in keys {
                    put_u32(data, *key);
                }
                kind::ATTR_WATCH
            }
            Self::Unknown { kind } => *kind,
        }
    }
}

impl<'a> ServerMessage<'a> {
    /// Reads the data of a SEND of this type.
    ///
    /// # Errors
    /// `Truncated` or `BadCount`.
    pub fn decode(kind: u16, data: &'a [u8]) -> Result<Self, DecodeError> {
        let r = &mut Reader::new(data);
        Ok(match kind {
            kind::SNAPSHOT => Self::Snapshot(r.list(Entry::BYTES_MIN, "entry count", |r| {
                Entry::decode(data.len(), r)
            })?),
            kind::UPDATE => Self::Update(Entry::decode(data.len(), r)?),
            kind::GROUP => Self::Group(AwareId::decode(r)?),
            kind::ATTR_GOT_SET => {
                r.u32("unknown")?;
                let id = AwareId::decode(r)?;
                r.u32("unknown")?;
                let length = r.u32("length of value")?;
                r.u32("unknown")?;
                let key = r.u32("key")?;
                // The value is there only if its length is not zero.
                let value = if length == 0 { &[] } else { r.opaque("value")? };
                Self::AttrGotSet { id, key, value }
            }
            kind::ATTR_GOT_UNSET => {
                r.u32("unknown")?;
                Self::AttrGotUnset {
                    id: AwareId::decode(r)?,
                    key: r.u32("key")?,
                }
            }
            kind::ATTR_DID_SET => {
                r.u32("unknown")?;
                Self::AttrDidSet { key: r.u32("key")? }
            }
            kind::ATTR_DID_UNSET => {
                r.u32("unknown")?;
                Self::AttrDidUnset { key: r.u32("key")? }
            }
            kind => Self::Unknown { kind },
        })
    }

    /// Appends the data and returns the SEND type. `data` must be empty before, because entries
    /// hold offsets into it.
    pub fn encode(&self, data: &mut Vec<u8>) -> u16 {
        match self {
            Self::Snapshot(entries) => {
                put_count(data, entries.len());
                for entry in entries {
                    put_entry(data, entry);
                }
                kind::SNAPSHOT
            }
            Self::Update(entry) => {
                put_entry(data, entry);
                kind::UPDATE
            }
            Self::Group(id) => {
                id.encode(data);
                kind::GROUP
            }
            Self::AttrGotSet { id, key, value } => {
                put_u32(data, 0);
                id.encode(data);
                put_u32(data, 0);
                put_count(data, value.len());
                put_u32(data, 0);
                put_u32(data, *key);
                if !value.is_empty() {
                    put_opaque(data, value);
                }
                kind::ATTR_GOT_SET
            }
            Self::AttrGotUnset { id, key } => {
                put_u32(data, 0);
                id.encode(data);
                put_u32(data, *key);
                kind::ATTR_GOT_UNSET
            }
            Self::AttrDidSet { key } => {
                put_u32(data, 0);
                put_u32(data, *key);
                kind::ATTR_DID_SET
            }
            Self::AttrDidUnset { key } => {
                put_u32(data, 0);
                put_u32(data, *key);
                kind::ATTR_DID_UNSET
            }
            Self::Unknown { kind } => *kind,
        }
    }
}

impl<'a> Entry<'a> {
    /// The end of the block, an id, an empty group and a boolean.
    const BYTES_MIN: usize = 4 + AwareId::BYTES_MIN + 2 + 1;

    fn decode(data_bytes: usize, r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let block_end = r.u32("block_end")?;
        let entry = Self {
            id: AwareId::decode(r)?,
            group: r.text("group")?,
            online: if r.bool("online")? {
                Some(Online::decode(r)?)
            } else {
                None
            },
        };
        // Skips fields that newer servers may append; a smaller offset than what is read is harmless.
        let position = data_bytes - r.remaining();
        let block_end = usize::try_from(block_end).unwrap_or(usize::MAX);
        if let Some(unread) = block_end.checked_sub(position) {
            r.take(unread, "block_end")?;
        }
        Ok(entry)
    }
}

impl<'a> Online<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            alt_id: r.text("alt_id")?,
            status: UserStatus::decode(r)?,
            name: r.text("name")?,
        })
    }
}

/// Appends one entry to the data of a snapshot or an update.
///
/// `data` must hold the message data from its very start, because the entry says at which offset it
/// ends: clients skip to that offset, and lose what follows if it is too big.
pub fn put_entry(data: &mut Vec<u8>, entry: &Entry<'_>) {
    let start = data.len();
    put_u32(data, 0);
    entry.id.encode(data);
    put_text(data, entry.group);
    put_bool(data, entry.online.is_some());
    if let Some(online) = &entry.online {
        put_text(data, online.alt_id);
        online.status.encode(data);
        put_text(data, online.name);
    }
    let end = data.len();
    patch_u32(data, start, end);
}

/// Builds the data of a snapshot entry by entry, without a list of them.
#[derive(Debug)]
pub struct SnapshotWriter {
    data: Vec<u8>,
    count: usize,
}

impl Default for SnapshotWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl SnapshotWriter {
    /// An empty snapshot.
    #[must_use]
    pub fn new() -> Self {
        Self {
            data: vec![0; 4],
            count: 0,
        }
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: &Entry<'_>) {
        put_entry(&mut self.data, entry);
        self.count += 1;
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes of data there are so far.
    #[must_use]
    pub fn data_bytes(&self) -> usize {
        self.data.len()
    }

    /// The data, for a SEND of type [`SNAPSHOT_KIND`].
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        patch_u32(&mut self.data, 0, self.count);
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(user: &str) -> Entry<'_> {
        let online = Online {
            alt_id: user.into(),
            status: UserStatus::default(),
            name: "Some Name".into(),
        };
        Entry {
            id: AwareId::user(user.into()),
            group: Text::default(),
            online: Some(online),
        }
    }

    #[test]
    fn the_snapshot_writer_writes_what_the_message_would() {
        let entries = vec![
            entry("alice"),
            Entry {
                online: None,
                ..entry("bob")
            },
            entry("carol"),
        ];
        let mut writer = SnapshotWriter::new();
        entries.iter().for_each(|entry| writer.push(entry));
        let mut data = Vec::new();
        assert_eq!(
            ServerMessage::Snapshot(entries).encode(&mut data),
            SNAPSHOT_KIND
        );
        assert_eq!(writer.finish(), data);
    }

    #[test]
    fn fields_between_an_entry_and_its_end_are_skipped() {
        let mut data = vec![0, 0, 0, 2];
        put_entry(&mut data, &entry("alice"));
        data.extend_from_slice(b"newer");
        let end = data.len();
        patch_u32(&mut data, 4, end);
        put_entry(&mut data, &entry("bob"));
        assert_eq!(
            ServerMessage::decode(SNAPSHOT_KIND, &data),
            Ok(ServerMessage::Snapshot(vec![entry("alice"), entry("bob")]))
        );
    }

    #[test]
    fn an_end_that_is_too_small_is_harmless_and_one_beyond_the_data_is_not() {
        let mut data = Vec::new();
        put_entry(&mut data, &entry("alice"));
        patch_u32(&mut data, 0, 0);
        assert_eq!(
            ServerMessage::decode(UPDATE_KIND, &data),
            Ok(ServerMessage::Update(entry("alice")))
        );
        patch_u32(&mut data, 0, 1000);
        assert!(ServerMessage::decode(UPDATE_KIND, &data).is_err());
    }
}
