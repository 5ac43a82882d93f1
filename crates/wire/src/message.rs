//! Every message of the master protocol, as one type.
//!
//! Source: `docs/protocol/connection.md`, `docs/protocol/channels.md`, `docs/protocol/framing.md`.

mod codec;

use crate::code::{ReturnCode, Status};
use crate::codec::Text;
use crate::id::{ChannelId, Protocol, ServiceId};
use std::fmt;

/// A decoded message. Its texts and opaque fields borrow from the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// 0x0000, client to server: the client's protocol version.
    Handshake(Handshake<'a>),
    /// 0x8000, server to client: the server's version, challenge and Diffie-Hellman key.
    HandshakeAck(HandshakeAck<'a>),
    /// 0x0001, client to server: who the client says it is, and the proof.
    Login(Login<'a>),
    /// 0x8001, server to client: the login holds.
    LoginAck(LoginAck<'a>),
    /// 0x0018, server to client: this user belongs on another server.
    LoginRedirect {
        /// Where to connect instead.
        host: Text<'a>,
        /// The other server's id.
        server_id: Text<'a>,
    },
    /// 0x0016, client to server: log me in here all the same.
    LoginContinue,
    /// 0x0002, both: a new channel.
    ChannelCreate(ChannelCreate<'a>),
    /// 0x0006, both: the channel is open.
    ChannelAccept(ChannelAccept<'a>),
    /// 0x0004, both: data on a channel.
    ChannelSend(ChannelSend<'a>),
    /// 0x0003, both: the channel is gone; on the master channel, the login is.
    ChannelDestroy(ChannelDestroy<'a>),
    /// 0x0009, both: the status of the login.
    SetUserStatus(UserStatus<'a>),
    /// 0x000b, both: who may see the user.
    SetPrivacyList(PrivacyInfo<'a>),
    /// 0x0011, both: is the service there; it is.
    SenseService(ServiceId),
    /// 0x0019, server to client: a notice of an administrator.
    Admin {
        /// What the client shows.
        text: Text<'a>,
    },
    /// 0x0022, both: a one-way message to people and groups.
    Announce(Announce<'a>),
    /// A type that this protocol version does not know; it is dropped.
    Unknown {
        /// The message type.
        kind: u16,
    },
}

/// 0x0000, client to server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake<'a> {
    /// Protocol version, major part.
    pub major: u16,
    /// Protocol version, minor part.
    pub minor: u16,
    /// Filled by servers; 0 from clients.
    pub srvrcalc_addr: u32,
    /// The client program.
    pub login_type: u16,
    /// The client's own IPv4 address, or 0.
    pub loclcalc_addr: u32,
    /// Newer clients append these.
    pub tail: Option<HandshakeTail<'a>>,
}

/// The fields that a client of version 0x001e.0x001d or later appends to its handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeTail<'a> {
    /// Meaning unknown; 0x0100 from the library.
    pub unknown_a: u16,
    /// Meaning unknown; 0 from the library.
    pub unknown_b: u32,
    /// The client's host name.
    pub local_host: Text<'a>,
}

/// 0x8000, server to client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeAck<'a> {
    /// Protocol version, major part.
    pub major: u16,
    /// Protocol version, minor part.
    pub minor: u16,
    /// The client's IPv4 address as the server sees it, or 0.
    pub srvrcalc_addr: u32,
    /// Present from version 0x001e.0x0019 on.
    pub challenge: Option<Challenge<'a>>,
}

/// What a client needs to encrypt its password with RC2/128.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// Comes back inside the encrypted proof.
    pub magic: u32,
    /// The server's Diffie-Hellman public value; the library takes fewer than 64 bytes as "no key".
    pub key: &'a [u8],
}

/// 0x0001, client to server.
#[derive(Clone, PartialEq, Eq)]
pub struct Login<'a> {
    /// The client program.
    pub login_type: u16,
    /// What the person typed as user name.
    pub name: Text<'a>,
    /// The proof; its layout depends on `auth_type`.
    pub auth_data: &'a [u8],
    /// See [`crate::server::AuthType`].
    pub auth_type: u16,
    /// Meaning unknown; 0, or missing.
    pub unknown: u16,
}

/// Without the proof: some proofs are as good as the password itself, and no log may hold one.
impl fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("login_type", &self.login_type)
            .field("name", &self.name)
            .field("auth_data_bytes", &self.auth_data.len())
            .field("auth_type", &self.auth_type)
            .finish_non_exhaustive()
    }
}

/// 0x8001, server to client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginAck<'a> {
    /// Identity of this login.
    pub login: LoginInfo<'a>,
    /// Meaning unknown; 0.
    pub unknown: u16,
    /// The stored privacy list (clients ignore it here).
    pub privacy: PrivacyInfo<'a>,
    /// The status the login starts with.
    pub status: UserStatus<'a>,
}

/// Identity of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoginInfo<'a> {
    /// Unique among live logins; its first five bytes are the RC2/40 key.
    pub login_id: Text<'a>,
    /// The client program.
    pub login_type: u16,
    /// The user's unique id.
    pub user_id: Text<'a>,
    /// The name that people see.
    pub user_name: Text<'a>,
    /// Empty inside the community.
    pub community: Text<'a>,
    /// Present when the info is full.
    pub full: Option<LoginInfoFull<'a>>,
}

/// The second half of a full [`LoginInfo`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoginInfoFull<'a> {
    /// Free text.
    pub desc: Text<'a>,
    /// IPv4 address of the login, or 0.
    pub ip_addr: u32,
    /// The server that holds the login.
    pub server_id: Text<'a>,
}

/// A user in a privacy list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserItem<'a> {
    /// The user's id.
    pub id: Text<'a>,
    /// Empty inside the community.
    pub community: Text<'a>,
    /// The display name, when the item is full.
    pub name: Option<Text<'a>>,
}

/// Who may see a user: everybody but the listed (`deny`), or only the listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivacyInfo<'a> {
    /// True: the listed users may not see me. False: only they may.
    pub deny: bool,
    /// The list.
    pub users: Vec<UserItem<'a>>,
}

/// The status of a login or user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserStatus<'a> {
    /// Active, idle, away, busy, offline.
    pub status: Status,
    /// Seconds since 1970 of the last change; passed on as received.
    pub time: u32,
    /// What the person wrote.
    pub desc: Text<'a>,
}

/// A user to reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdBlock<'a> {
    /// User id; empty for server services.
    pub user: Text<'a>,
    /// Empty inside the community.
    pub community: Text<'a>,
}

/// 0x0002, both directions. The header's channel is 0; the new id is in the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelCreate<'a> {
    /// Meaning unknown; 0.
    pub reserved: u32,
    /// The new channel.
    pub channel: ChannelId,
    /// Whom it is for; empty for server services.
    pub target: IdBlock<'a>,
    /// What it speaks.
    pub protocol: Protocol,
    /// Meaning unknown; passed on unchanged when relaying.
    pub options: u32,
    /// Service specific.
    pub addtl: &'a [u8],
    /// The creating login; only the server says it truly.
    pub creator: Option<LoginInfo<'a>>,
    /// Encryption policy.
    pub mode: u16,
    /// The ciphers offered; `None` when the opaque is empty.
    pub offer: Option<CipherOffer<'a>>,
}

/// The ciphers that a channel's creator offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CipherOffer<'a> {
    /// In the creator's order.
    pub items: Vec<EncryptItem<'a>>,
    /// The policy again.
    pub extra: u16,
    /// Meaning unknown; false.
    pub flag: bool,
}

/// A cipher with its parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncryptItem<'a> {
    /// 0x0000 RC2/40, 0x0001 RC2/128.
    pub cipher: u16,
    /// RC2/128: the sender's Diffie-Hellman public value. RC2/40: empty.
    pub info: &'a [u8],
}

/// 0x0006, both directions. The header's channel is the channel's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelAccept<'a> {
    /// The accepted channel.
    pub channel: ChannelId,
    /// As in the create.
    pub protocol: Protocol,
    /// Service specific.
    pub addtl: &'a [u8],
    /// The accepting login; only the server says it truly.
    pub acceptor: Option<LoginInfo<'a>>,
    /// Chosen encryption policy.
    pub mode: u16,
    /// The chosen cipher; `None` when the opaque is empty.
    pub answer: Option<CipherAnswer<'a>>,
}

/// The cipher that a channel's acceptor chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CipherAnswer<'a> {
    /// The chosen one.
    pub item: EncryptItem<'a>,
    /// The policy that was offered.
    pub extra: u16,
    /// Meaning unknown; false.
    pub flag: bool,
}

/// 0x0004, both directions.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChannelSend<'a> {
    /// The channel.
    pub channel: ChannelId,
    /// Header option 0x4000: the data is enciphered between the two clients.
    pub encrypted: bool,
    /// Meaning depends on the service.
    pub kind: u16,
    /// Service data.
    pub data: &'a [u8],
}

/// Without the data: what people write to each other stands in no log.
impl fmt::Debug for ChannelSend<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSend")
            .field("channel", &self.channel)
            .field("encrypted", &self.encrypted)
            .field("kind", &self.kind)
            .field("data_bytes", &self.data.len())
            .finish()
    }
}

/// 0x0003, both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelDestroy<'a> {
    /// The channel; 0 ends the login.
    pub channel: ChannelId,
    /// Why.
    pub reason: ReturnCode,
    /// Optional text, usually empty.
    pub data: &'a [u8],
}

/// 0x0022, both directions.
#[derive(Clone, PartialEq, Eq)]
pub struct Announce<'a> {
    /// The sending login; the server fills it in, and a receiver always gets it.
    pub sender: Option<LoginInfo<'a>>,
    /// Meaning unknown; 0.
    pub unknown: u16,
    /// Whether an answer is wanted.
    pub may_reply: bool,
    /// What is announced.
    pub text: Text<'a>,
    /// `@U ` and a user id, or `@G ` and a group id.
    pub recipients: Vec<Text<'a>>,
}

/// Without the text: what people write to each other stands in no log.
impl fmt::Debug for Announce<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announce")
            .field("sender", &self.sender)
            .field("unknown", &self.unknown)
            .field("may_reply", &self.may_reply)
            .field("text_bytes", &self.text.len())
            .field("recipients", &self.recipients)
            .finish()
    }
}
