//! What a client learns, as owned values. Texts that are not UTF-8 are shown with replacement
//! characters; payloads are bytes.

use crate::cipher;
use crate::code::{ReturnCode, Status};
use crate::codec::{DecodeError, Text};
use crate::id::{ChannelId, ServiceId};
use crate::message::{LoginInfo, UserStatus};
use crate::service::{awareness, resolve};

/// Something that happened on the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The login holds; the configured services are being opened.
    LoggedIn,
    /// This user belongs on another server. Connect there, or call
    /// [`crate::client::Client::login_here`].
    Redirected {
        /// Where to.
        host: String,
    },
    /// The server ended the login, or the client half did because the server made no sense.
    Closed {
        /// Why.
        reason: ReturnCode,
    },
    /// A frame that cannot be read; it is skipped.
    Malformed(DecodeError),
    /// The channel of a service is open. Whatever was asked of an earlier one is to be asked again.
    ServiceOpened(ServiceId),
    /// The server closed the channel of a service; it is opened again when the service is back.
    ServiceClosed {
        /// Which.
        service: ServiceId,
        /// Why.
        reason: ReturnCode,
    },
    /// A service is there: the answer to a question, or news.
    Sensed(ServiceId),
    /// One's own status, as the server holds it.
    OwnStatus(StatusText),
    /// One's own privacy list, as the server holds it.
    Privacy {
        /// True: the listed may not see me. False: only they may.
        deny: bool,
        /// User ids.
        users: Vec<String>,
    },
    /// A notice of an administrator.
    Admin {
        /// What to show.
        text: String,
    },
    /// A one-way message.
    Announcement {
        /// Who sends it.
        from: Peer,
        /// Whether an answer is wanted.
        may_reply: bool,
        /// What it says.
        text: String,
    },
    /// The people just watched.
    Snapshot(Vec<Presence>),
    /// A watched person came, changed or went.
    Presence(Presence),
    /// A group is watched; a snapshot of its members follows.
    Group {
        /// The group's id.
        id: String,
    },
    /// A watched attribute of a watched person.
    Attribute {
        /// Whose.
        user: String,
        /// Which.
        key: u32,
        /// Its value, `None` when it is gone.
        value: Option<Vec<u8>>,
    },
    /// The answer to a resolve request.
    Resolved {
        /// Of the request.
        id: u32,
        /// Overall.
        code: ReturnCode,
        /// One per query.
        results: Vec<Resolved>,
    },
    /// The answer to a storage load.
    Loaded {
        /// Of the request.
        id: u32,
        /// Success, or why not.
        code: ReturnCode,
        /// Keys and values.
        items: Vec<(u32, Vec<u8>)>,
    },
    /// The answer to a storage save.
    Saved {
        /// Of the request.
        id: u32,
        /// Success, or why not.
        code: ReturnCode,
    },
    /// Someone wants to talk: accept or refuse.
    ImOffered {
        /// The new channel.
        channel: ChannelId,
        /// Who.
        from: Peer,
        /// What for, see [`crate::service::im::features`].
        features: u32,
    },
    /// The other side accepted: the conversation is open.
    ImOpened {
        /// Its channel.
        channel: ChannelId,
        /// The cipher of its messages.
        cipher: Cipher,
    },
    /// A conversation is over, or was refused.
    ImClosed {
        /// Its channel.
        channel: ChannelId,
        /// Why.
        reason: ReturnCode,
    },
    /// The other one says something.
    Im {
        /// The conversation's channel.
        channel: ChannelId,
        /// What.
        said: Said,
    },
}

/// The cipher of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// In clear.
    None,
    /// RC2 with keys from the two login ids.
    Rc2_40,
    /// RC2 with a key of a Diffie-Hellman agreement.
    Rc2_128,
}

impl Cipher {
    pub(super) fn from_code(code: u16) -> Option<Self> {
        match code {
            cipher::RC2_40 => Some(Self::Rc2_40),
            cipher::RC2_128 => Some(Self::Rc2_128),
            _ => None,
        }
    }
}

/// What someone says in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Plain text.
    Text(String),
    /// HTML; pieces are joined.
    Html(String),
    /// A MIME document; pieces are joined.
    Mime(Vec<u8>),
    /// The conversation's subject.
    Subject(String),
    /// Is typing, or stopped.
    Typing(bool),
    /// Anything else, as it came.
    Other {
        /// See [`crate::service::im::data_type`].
        data_type: u32,
        /// Depends on the type.
        subtype: u32,
        /// Depends on the type.
        payload: Vec<u8>,
    },
}

/// Who someone is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    /// The login; its first five bytes are a key of RC2/40.
    pub login_id: String,
    /// The user.
    pub user_id: String,
    /// The display name.
    pub user_name: String,
}

/// Status with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusText {
    /// Active, idle, away, busy, offline.
    pub status: Status,
    /// Seconds since 1970 of the last change, or 0.
    pub time: u32,
    /// What the person wrote.
    pub text: String,
}

/// What is known of a watched person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// The user id, as watched.
    pub user: String,
    /// The group whose member this is, if a group was watched; else empty.
    pub group: String,
    /// `None` when offline, unknown or hiding.
    pub online: Option<OnlinePerson>,
}

/// What is known of a person who is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnlinePerson {
    /// Status and text.
    pub status: StatusText,
    /// Display name.
    pub name: String,
}

/// The answer to one query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Of this query.
    pub code: ReturnCode,
    /// The query.
    pub query: String,
    /// What was found.
    pub matches: Vec<Match>,
}

/// A user or group that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The id.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Free text.
    pub desc: String,
    /// See [`crate::service::resolve::match_kind`].
    pub kind: u32,
}

pub(super) fn owned(text: Text<'_>) -> String {
    text.to_lossy().into_owned()
}

impl From<&LoginInfo<'_>> for Peer {
    fn from(info: &LoginInfo<'_>) -> Self {
        Self {
            login_id: owned(info.login_id),
            user_id: owned(info.user_id),
            user_name: owned(info.user_name),
        }
    }
}

impl From<&UserStatus<'_>> for StatusText {
    fn from(status: &UserStatus<'_>) -> Self {
        Self {
            status: status.status,
            time: status.time,
            text: owned(status.desc),
        }
    }
}

impl From<&awareness::Entry<'_>> for Presence {
    fn from(entry: &awareness::Entry<'_>) -> Self {
        Self {
            user: owned(entry.id.user),
            group: owned(entry.group),
            online: entry.online.as_ref().map(|online| OnlinePerson {
                status: StatusText::from(&online.status),
                name: owned(online.name),
            }),
        }
    }
}

impl From<&resolve::ResolveResult<'_>> for Resolved {
    fn from(result: &resolve::ResolveResult<'_>) -> Self {
        let found = |found: &resolve::ResolveMatch<'_>| Match {
            id: owned(found.id),
            name: owned(found.name),
            desc: owned(found.desc),
            kind: found.kind,
        };
        Self {
            code: result.code,
            query: owned(result.name),
            matches: result.matches.iter().map(found).collect(),
        }
    }
}
