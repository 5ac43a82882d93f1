//! Numbers that must not be mixed up, as types.

use std::fmt;

/// A channel of one connection; 0 is the master channel.
///
/// Source: `docs/protocol/channels.md`, "Ids".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub u32);

impl ChannelId {
    /// Handshake, login, own status, privacy, announcements. Destroying it ends the login.
    pub const MASTER: Self = Self(0);
    /// The first id that a server gives a channel it opens.
    pub const FIRST_FROM_SERVER: Self = Self(0x8000_0001);

    /// Whether a client may create a channel with this id (1 to 0x7fffffff).
    #[must_use]
    pub fn is_clients(self) -> bool {
        self.0 != 0 && self.0 & 0x8000_0000 == 0
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// What a channel is for.
///
/// Source: `docs/protocol/channels.md`, "Service, protocol type and version triples".
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId(pub u32);

impl ServiceId {
    /// Presence and attributes.
    pub const AWARENESS: Self = Self(0x0000_0011);
    /// Name lookup.
    pub const RESOLVE: Self = Self(0x0000_0015);
    /// Per-user settings, the contact list among them.
    pub const STORAGE: Self = Self(0x0000_0018);
    /// Address books.
    pub const DIRECTORY: Self = Self(0x0000_001a);
    /// Files, relayed between two clients.
    pub const FILE_TRANSFER: Self = Self(0x0000_0038);
    /// One-to-one messages, relayed between two clients.
    pub const IM: Self = Self(0x0000_1000);
    /// Older multi-user chat.
    pub const CONFERENCE: Self = Self(0x8000_0010);
    /// Newer multi-user chat.
    pub const PLACE: Self = Self(0x8000_0022);

    /// The service's name in logs, `None` for numbers nobody knows.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::AWARENESS => "awareness",
            Self::RESOLVE => "resolve",
            Self::STORAGE => "storage",
            Self::DIRECTORY => "directory",
            Self::FILE_TRANSFER => "file transfer",
            Self::IM => "im",
            Self::CONFERENCE => "conference",
            Self::PLACE => "place",
            _ => return None,
        })
    }
}

impl fmt::Debug for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#010x}", self.0),
        }
    }
}

/// Which protocol a channel speaks: the service with its protocol type and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Protocol {
    /// What the channel is for.
    pub service: ServiceId,
    /// Qualifies the service.
    pub proto_type: u32,
    /// Qualifies the type.
    pub proto_ver: u32,
}

impl Protocol {
    const fn new(service: ServiceId, proto_type: u32, proto_ver: u32) -> Self {
        Self {
            service,
            proto_type,
            proto_ver,
        }
    }

    /// Presence and attributes.
    pub const AWARENESS: Self = Self::new(ServiceId::AWARENESS, 0x11, 0x0003_0005);
    /// Name lookup.
    pub const RESOLVE: Self = Self::new(ServiceId::RESOLVE, 0x15, 0);
    /// Per-user settings.
    pub const STORAGE: Self = Self::new(ServiceId::STORAGE, 0x25, 1);
    /// One-to-one messages.
    pub const IM: Self = Self::new(ServiceId::IM, 0x1000, 3);
}
