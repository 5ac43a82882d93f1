//! Messages of the master protocol from and to bytes.

use super::{
    Announce, Challenge, ChannelAccept, ChannelCreate, ChannelDestroy, ChannelSend, CipherAnswer,
    CipherOffer, EncryptItem, Handshake, HandshakeAck, HandshakeTail, IdBlock, Login, LoginAck,
    LoginInfo, LoginInfoFull, Message, PrivacyInfo, UserItem, UserStatus,
};
use crate::code::{ReturnCode, Status};
use crate::codec::{
    DecodeError, Reader, patch_u32, put_bool, put_count, put_opaque, put_text, put_u16, put_u32,
};
use crate::frame::{self, OPTION_ATTRIBS, OPTION_ENCRYPT, put_header};
use crate::id::{ChannelId, Protocol, ServiceId};

/// Message types, as they stand in the header.
mod kind {
    pub(super) const HANDSHAKE: u16 = 0x0000;
    pub(super) const HANDSHAKE_ACK: u16 = 0x8000;
    pub(super) const LOGIN: u16 = 0x0001;
    pub(super) const LOGIN_ACK: u16 = 0x8001;
    pub(super) const LOGIN_REDIRECT: u16 = 0x0018;
    pub(super) const LOGIN_CONTINUE: u16 = 0x0016;
    pub(super) const CHANNEL_CREATE: u16 = 0x0002;
    pub(super) const CHANNEL_DESTROY: u16 = 0x0003;
    pub(super) const CHANNEL_SEND: u16 = 0x0004;
    pub(super) const CHANNEL_ACCEPT: u16 = 0x0006;
    pub(super) const SET_USER_STATUS: u16 = 0x0009;
    pub(super) const SET_PRIVACY_LIST: u16 = 0x000b;
    pub(super) const SENSE_SERVICE: u16 = 0x0011;
    pub(super) const ADMIN: u16 = 0x0019;
    pub(super) const ANNOUNCE: u16 = 0x0022;
}

/// What stands behind the ciphers of CREATE and ACCEPT; nobody reads it.
const TRAILER: [u8; 10] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 7];

impl<'a> Message<'a> {
    /// Reads one frame, without its length. Attributes and bytes behind the body are ignored.
    ///
    /// # Errors
    /// `Truncated` or `BadCount` if the header or the body is incomplete. A type that nobody knows
    /// is no error but [`Message::Unknown`].
    pub fn decode(frame: &'a [u8]) -> Result<Self, DecodeError> {
        let r = &mut Reader::new(frame);
        let kind = r.u16("type")?;
        let options = r.u16("options")?;
        let channel = ChannelId(r.u32("channel")?);
        if options & OPTION_ATTRIBS != 0 {
            r.opaque("attribs")?;
        }
        Ok(match kind {
            kind::HANDSHAKE => Self::Handshake(Handshake::decode(r)?),
            kind::HANDSHAKE_ACK => Self::HandshakeAck(HandshakeAck::decode(r)?),
            kind::LOGIN => Self::Login(Login::decode(r)?),
            kind::LOGIN_ACK => Self::LoginAck(LoginAck::decode(r)?),
            kind::LOGIN_REDIRECT => Self::LoginRedirect {
                host: r.text("host")?,
                server_id: r.text("server_id")?,
            },
            kind::LOGIN_CONTINUE => Self::LoginContinue,
            kind::CHANNEL_CREATE => Self::ChannelCreate(ChannelCreate::decode(r)?),
            kind::CHANNEL_ACCEPT => Self::ChannelAccept(ChannelAccept::decode(channel, r)?),
            kind::CHANNEL_SEND => Self::ChannelSend(ChannelSend {
                channel,
                encrypted: options & OPTION_ENCRYPT != 0,
                kind: r.u16("message type")?,
                data: r.opaque("data")?,
            }),
            kind::CHANNEL_DESTROY => Self::ChannelDestroy(ChannelDestroy {
                channel,
                reason: ReturnCode(r.u32("reason")?),
                data: r.opaque("data")?,
            }),
            kind::SET_USER_STATUS => Self::SetUserStatus(UserStatus::decode(r)?),
            kind::SET_PRIVACY_LIST => Self::SetPrivacyList(PrivacyInfo::decode(r)?),
            kind::SENSE_SERVICE => Self::SenseService(ServiceId(r.u32("service")?)),
            kind::ADMIN => Self::Admin {
                text: r.text("text")?,
            },
            kind::ANNOUNCE => Self::Announce(Announce::decode(r)?),
            kind => Self::Unknown { kind },
        })
    }

    /// Appends the complete frame, length included.
    ///
    /// `Unknown` becomes a message of that type without a body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if let Self::ChannelSend(send) = self {
            frame::put_send(out, send.channel, send.kind, send.encrypted, send.data);
            return;
        }
        let start = frame::begin(out);
        let on_master = |out: &mut Vec<u8>, kind| put_header(out, kind, 0, ChannelId::MASTER);
        match self {
            Self::Handshake(body) => {
                on_master(out, kind::HANDSHAKE);
                body.encode(out);
            }
            Self::HandshakeAck(body) => {
                on_master(out, kind::HANDSHAKE_ACK);
                body.encode(out);
            }
            Self::Login(body) => {
                on_master(out, kind::LOGIN);
                body.encode(out);
            }
            Self::LoginAck(body) => {
                on_master(out, kind::LOGIN_ACK);
                body.encode(out);
            }
            Self::LoginRedirect { host, server_id } => {
                on_master(out, kind::LOGIN_REDIRECT);
                put_text(out, *host);
                put_text(out, *server_id);
            }
            Self::LoginContinue => on_master(out, kind::LOGIN_CONTINUE),
            Self::ChannelCreate(body) => {
                on_master(out, kind::CHANNEL_CREATE);
                body.encode(out);
            }
            Self::ChannelAccept(body) => {
                put_header(out, kind::CHANNEL_ACCEPT, 0, body.channel);
                body.encode(out);
            }
            // Returned above.
            Self::ChannelSend(_) => {}
            Self::ChannelDestroy(body) => {
                put_header(out, kind::CHANNEL_DESTROY, 0, body.channel);
                put_u32(out, body.reason.0);
                put_opaque(out, body.data);
            }
            Self::SetUserStatus(body) => {
                on_master(out, kind::SET_USER_STATUS);
                body.encode(out);
            }
            Self::SetPrivacyList(body) => {
                on_master(out, kind::SET_PRIVACY_LIST);
                body.encode(out);
            }
            Self::SenseService(service) => {
                on_master(out, kind::SENSE_SERVICE);
                put_u32(out, service.0);
            }
            Self::Admin { text } => {
                on_master(out, kind::ADMIN);
                put_text(out, *text);
            }
            Self::Announce(body) => {
                on_master(out, kind::ANNOUNCE);
                body.encode(out);
            }
            Self::Unknown { kind } => on_master(out, *kind),
        }
        frame::end(out, start);
    }
}

impl<'a> Handshake<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let major = r.u16("major")?;
        let minor = r.u16("minor")?;
        // Repeats the header's channel field.
        r.u32("reserved")?;
        let srvrcalc_addr = r.u32("srvrcalc_addr")?;
        let login_type = r.u16("login_type")?;
        let loclcalc_addr = r.u32("loclcalc_addr")?;
        // Accepted when missing, whatever the version says.
        let tail = if major >= 0x001e && minor >= 0x001d && !r.is_empty() {
            Some(HandshakeTail {
                unknown_a: r.u16("unknown_a")?,
                unknown_b: r.u32("unknown_b")?,
                local_host: r.text("local_host")?,
            })
        } else {
            None
        };
        Ok(Self {
            major,
            minor,
            srvrcalc_addr,
            login_type,
            loclcalc_addr,
            tail,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_u16(out, self.major);
        put_u16(out, self.minor);
        put_u32(out, 0);
        put_u32(out, self.srvrcalc_addr);
        put_u16(out, self.login_type);
        put_u32(out, self.loclcalc_addr);
        if let Some(tail) = &self.tail {
            put_u16(out, tail.unknown_a);
            put_u32(out, tail.unknown_b);
            put_text(out, tail.local_host);
        }
    }
}

impl<'a> HandshakeAck<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let major = r.u16("major")?;
        let minor = r.u16("minor")?;
        let srvrcalc_addr = r.u32("srvrcalc_addr")?;
        let challenge = if major >= 0x001e && minor > 0x0018 {
            Some(Challenge {
                magic: r.u32("magic")?,
                key: r.opaque("key")?,
            })
        } else {
            None
        };
        Ok(Self {
            major,
            minor,
            srvrcalc_addr,
            challenge,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_u16(out, self.major);
        put_u16(out, self.minor);
        put_u32(out, self.srvrcalc_addr);
        if let Some(challenge) = &self.challenge {
            put_u32(out, challenge.magic);
            put_opaque(out, challenge.key);
        }
    }
}

impl<'a> Login<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            login_type: r.u16("login_type")?,
            name: r.text("name")?,
            auth_data: r.opaque("auth_data")?,
            auth_type: r.u16("auth_type")?,
            // May be missing; a single byte is not the field but something behind the body.
            unknown: if r.remaining() < 2 {
                0
            } else {
                r.u16("unknown")?
            },
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_u16(out, self.login_type);
        put_text(out, self.name);
        put_opaque(out, self.auth_data);
        put_u16(out, self.auth_type);
        put_u16(out, self.unknown);
    }
}

impl<'a> LoginAck<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            login: LoginInfo::decode(r)?,
            unknown: r.u16("unknown")?,
            privacy: PrivacyInfo::decode(r)?,
            status: UserStatus::decode(r)?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.login.encode(out);
        put_u16(out, self.unknown);
        self.privacy.encode(out);
        self.status.encode(out);
    }
}

impl<'a> LoginInfo<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            login_id: r.text("login_id")?,
            login_type: r.u16("login type")?,
            user_id: r.text("user_id")?,
            user_name: r.text("user_name")?,
            community: r.text("community")?,
            full: if r.bool("full")? {
                Some(LoginInfoFull {
                    desc: r.text("desc")?,
                    ip_addr: r.u32("ip_addr")?,
                    server_id: r.text("server_id")?,
                })
            } else {
                None
            },
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_text(out, self.login_id);
        put_u16(out, self.login_type);
        put_text(out, self.user_id);
        put_text(out, self.user_name);
        put_text(out, self.community);
        put_bool(out, self.full.is_some());
        if let Some(full) = &self.full {
            put_text(out, full.desc);
            put_u32(out, full.ip_addr);
            put_text(out, full.server_id);
        }
    }

    /// A login info with a boolean in front that says whether it is there.
    fn decode_optional(r: &mut Reader<'a>) -> Result<Option<Self>, DecodeError> {
        Ok(if r.bool("login info present")? {
            Some(Self::decode(r)?)
        } else {
            None
        })
    }

    fn encode_optional(info: Option<&Self>, out: &mut Vec<u8>) {
        put_bool(out, info.is_some());
        if let Some(info) = info {
            info.encode(out);
        }
    }
}

impl<'a> UserItem<'a> {
    /// `full`, and two empty strings.
    const BYTES_MIN: usize = 5;

    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let full = r.bool("user full")?;
        Ok(Self {
            id: r.text("user id")?,
            community: r.text("user community")?,
            name: if full {
                Some(r.text("user name")?)
            } else {
                None
            },
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_bool(out, self.name.is_some());
        put_text(out, self.id);
        put_text(out, self.community);
        if let Some(name) = self.name {
            put_text(out, name);
        }
    }
}

impl<'a> PrivacyInfo<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            deny: r.bool("deny")?,
            users: r.list(UserItem::BYTES_MIN, "privacy count", UserItem::decode)?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_bool(out, self.deny);
        put_count(out, self.users.len());
        for user in &self.users {
            user.encode(out);
        }
    }
}

impl<'a> UserStatus<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            status: Status(r.u16("status")?),
            time: r.u32("status time")?,
            desc: r.text("status desc")?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_u16(out, self.status.0);
        put_u32(out, self.time);
        put_text(out, self.desc);
    }
}

impl<'a> IdBlock<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            user: r.text("target user")?,
            community: r.text("target community")?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_text(out, self.user);
        put_text(out, self.community);
    }
}

impl Protocol {
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            service: ServiceId(r.u32("service")?),
            proto_type: r.u32("proto_type")?,
            proto_ver: r.u32("proto_ver")?,
        })
    }

    fn encode(self, out: &mut Vec<u8>) {
        put_u32(out, self.service.0);
        put_u32(out, self.proto_type);
        put_u32(out, self.proto_ver);
    }
}

impl<'a> ChannelCreate<'a> {
    /// Clients that offer no cipher do not write the empty offer; the first four bytes of their
    /// trailer are zero and take its place. Reading "an opaque, and ignore the rest" gets both.
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            reserved: r.u32("reserved")?,
            channel: ChannelId(r.u32("new channel id")?),
            target: IdBlock::decode(r)?,
            protocol: Protocol::decode(r)?,
            options: r.u32("channel options")?,
            addtl: r.opaque("addtl")?,
            creator: LoginInfo::decode_optional(r)?,
            mode: r.u16("encrypt mode")?,
            offer: match r.opaque("encrypt offer")? {
                [] => None,
                offer => Some(CipherOffer::decode(&mut Reader::new(offer))?),
            },
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_u32(out, self.reserved);
        put_u32(out, self.channel.0);
        self.target.encode(out);
        self.protocol.encode(out);
        put_u32(out, self.options);
        put_opaque(out, self.addtl);
        LoginInfo::encode_optional(self.creator.as_ref(), out);
        put_u16(out, self.mode);
        put_sized(out, self.offer.as_ref(), CipherOffer::encode);
        out.extend_from_slice(&TRAILER);
    }
}

impl<'a> CipherOffer<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            items: r.list(EncryptItem::BYTES_MIN, "cipher count", EncryptItem::decode)?,
            extra: r.u16("offer extra")?,
            flag: r.bool("offer flag")?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_count(out, self.items.len());
        for item in &self.items {
            item.encode(out);
        }
        put_u16(out, self.extra);
        put_bool(out, self.flag);
    }
}

impl<'a> EncryptItem<'a> {
    /// The cipher, and an empty info.
    const BYTES_MIN: usize = 6;

    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            cipher: r.u16("cipher")?,
            info: r.opaque("cipher info")?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_u16(out, self.cipher);
        put_opaque(out, self.info);
    }
}

impl<'a> ChannelAccept<'a> {
    /// The trailer has the same trap as that of [`ChannelCreate`].
    fn decode(channel: ChannelId, r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            channel,
            protocol: Protocol::decode(r)?,
            addtl: r.opaque("addtl")?,
            acceptor: LoginInfo::decode_optional(r)?,
            mode: r.u16("encrypt mode")?,
            answer: match r.opaque("encrypt answer")? {
                [] => None,
                answer => Some(CipherAnswer::decode(&mut Reader::new(answer))?),
            },
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.protocol.encode(out);
        put_opaque(out, self.addtl);
        LoginInfo::encode_optional(self.acceptor.as_ref(), out);
        put_u16(out, self.mode);
        put_sized(out, self.answer.as_ref(), CipherAnswer::encode);
        out.extend_from_slice(&TRAILER);
    }
}

impl<'a> CipherAnswer<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self {
            item: EncryptItem::decode(r)?,
            extra: r.u16("answer extra")?,
            flag: r.bool("answer flag")?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        self.item.encode(out);
        put_u16(out, self.extra);
        put_bool(out, self.flag);
    }
}

impl<'a> Announce<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let sender = LoginInfo::decode_optional(r)?;
        let unknown = r.u16("unknown")?;
        let body = &mut Reader::new(r.opaque("announce body")?);
        Ok(Self {
            sender,
            unknown,
            may_reply: body.bool("may_reply")?,
            text: body.text("announce text")?,
            // The shortest recipient is an empty string.
            recipients: r.list(2, "recipient count", |r| r.text("recipient"))?,
        })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        LoginInfo::encode_optional(self.sender.as_ref(), out);
        put_u16(out, self.unknown);
        put_sized(out, Some(self), |body, out| {
            put_bool(out, body.may_reply);
            put_text(out, body.text);
        });
        put_count(out, self.recipients.len());
        for recipient in &self.recipients {
            put_text(out, *recipient);
        }
    }
}

/// Appends `value` as an opaque, or an empty opaque if there is none.
fn put_sized<T>(out: &mut Vec<u8>, value: Option<&T>, encode: impl FnOnce(&T, &mut Vec<u8>)) {
    let at = out.len();
    put_u32(out, 0);
    if let Some(value) = value {
        encode(value, out);
        let length = out.len() - at - 4;
        patch_u32(out, at, length);
    }
}
