//! The client half of a connection.
//!
//! Bytes of the server go into [`Client::receive`], [`Event`]s come out; what is to be sent is
//! appended to an `out` that the caller writes to its stream. Small enough to have ten thousand.
//!
//! Source: `docs/protocol/connection.md`, `docs/protocol/channels.md`.

mod conversation;
mod event;

pub use conversation::Offer;
pub use event::{Cipher, Event, Match, OnlinePerson, Peer, Presence, Resolved, Said, StatusText};

use crate::auth::{self, AuthType, RC2_40_KEY_BYTES};
use crate::cipher::dh::{PUBLIC_BYTES, PrivateKey};
use crate::code::{ReturnCode, Status};
use crate::codec::{DecodeError, TEXT_BYTES_MAX, Text};
use crate::frame::{self, KEEP_ALIVE, Next};
use crate::id::{ChannelId, Protocol, ServiceId};
use crate::message::{
    Announce, ChannelAccept, ChannelCreate, ChannelDestroy, ChannelSend, Handshake, HandshakeAck,
    HandshakeTail, IdBlock, Login, LoginInfo, Message, PrivacyInfo, UserItem, UserStatus,
};
use crate::server::{VERSION_MAJOR, VERSION_MINOR};
use crate::service::im::{AcceptAddtl, CreateAddtl, ImMessage, PIECE_BYTES_MAX, data_type};
use crate::service::{awareness, resolve, storage};
use conversation::{Conversation, Offered, State as ConversationState};
use event::owned;
use rand::CryptoRng;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

pub use crate::service::awareness::AwareId;

/// The login type of the open client library.
pub const LOGIN_TYPE_LIBRARY: u16 = 0x1700;

/// The longest frame that the client half reads, in bytes: a snapshot of thousands of people with
/// long status texts is a single frame.
pub const FRAME_BYTES_MAX: usize = 32 * 1024 * 1024;

/// More conversations than a server allows one connection.
const CONVERSATIONS_MAX: usize = 1000;

/// Who logs in, and what it wants to use.
#[derive(Clone)]
pub struct ClientConfig {
    /// What a person would type as user name.
    pub user: String,
    /// The password, or the token for [`AuthType::Token`].
    pub secret: Zeroizing<Vec<u8>>,
    /// How to prove it. RC2/128 is not lowered when the server offers no key.
    pub auth_type: AuthType,
    /// The client program.
    pub login_type: u16,
    /// Whether to open the service for presence and attributes.
    pub awareness: bool,
    /// Whether to open the service for name lookup.
    pub resolve: bool,
    /// Whether to open the service for settings.
    pub storage: bool,
}

impl ClientConfig {
    /// RC2/128 and all services.
    #[must_use]
    pub fn new(user: &str, password: &str) -> Self {
        Self {
            user: user.to_owned(),
            secret: Zeroizing::new(password.as_bytes().to_vec()),
            auth_type: AuthType::Rc2_128,
            login_type: LOGIN_TYPE_LIBRARY,
            awareness: true,
            resolve: true,
            storage: true,
        }
    }
}

/// A request that makes no sense now. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The login does not hold (yet, or any more).
    #[error("not logged in")]
    NotLoggedIn,
    /// The channel of this service or conversation is not open.
    #[error("the channel is not open")]
    NotOpen,
    /// A text beyond [`TEXT_BYTES_MAX`] bytes.
    #[error("the text is too long")]
    TextTooLong,
    /// The ciphers of the other side are of no use; the channel is closed.
    #[error("no common cipher")]
    NoCipher,
}

/// The client half of one connection.
#[derive(Debug)]
pub struct Client {
    state: State,
    /// An incomplete frame; empty, and without memory, most of the time.
    buffer: Vec<u8>,
    /// The key pair of all RC2/128 conversations of this login.
    conversation_key: PrivateKey,
    services: [Service; 3],
    conversations: BTreeMap<ChannelId, Box<Conversation>>,
    next_channel: u32,
    next_request: u32,
}

#[derive(Debug)]
enum State {
    New(Box<Credentials>),
    Greeted(Box<Credentials>),
    Authenticating,
    Active(Box<Peer>),
    Closed,
}

/// What the login needs, and nobody afterwards.
struct Credentials {
    user: String,
    secret: Zeroizing<Vec<u8>>,
    auth_type: AuthType,
    login_type: u16,
    private: PrivateKey,
    rc2_40_key: Zeroizing<[u8; RC2_40_KEY_BYTES]>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A channel that ends in the server.
#[derive(Debug)]
struct Service {
    protocol: Protocol,
    wanted: bool,
    channel: Option<ChannelId>,
    open: bool,
}

impl Service {
    fn new(protocol: Protocol, wanted: bool) -> Self {
        Self {
            protocol,
            wanted,
            channel: None,
            open: false,
        }
    }
}

impl Client {
    /// A client that has sent nothing yet. All randomness it ever needs is drawn here.
    #[must_use]
    pub fn new<R: CryptoRng + ?Sized>(config: ClientConfig, rng: &mut R) -> Self {
        let mut rc2_40_key = Zeroizing::new([0; RC2_40_KEY_BYTES]);
        rng.fill_bytes(rc2_40_key.as_mut());
        Self {
            state: State::New(Box::new(Credentials {
                user: config.user,
                secret: config.secret,
                auth_type: config.auth_type,
                login_type: config.login_type,
                private: PrivateKey::generate(rng),
                rc2_40_key,
            })),
            buffer: Vec::new(),
            conversation_key: PrivateKey::generate(rng),
            services: [
                Service::new(Protocol::RESOLVE, config.resolve),
                Service::new(Protocol::AWARENESS, config.awareness),
                Service::new(Protocol::STORAGE, config.storage),
            ],
            conversations: BTreeMap::new(),
            next_channel: 1,
            next_request: 1,
        }
    }

    /// Says hello; everything up to [`Event::LoggedIn`] follows from what the server sends.
    pub fn start(&mut self, out: &mut Vec<u8>) {
        let State::New(credentials) = std::mem::replace(&mut self.state, State::Closed) else {
            return;
        };
        Message::Handshake(Handshake {
            major: VERSION_MAJOR,
            minor: VERSION_MINOR,
            srvrcalc_addr: 0,
            login_type: credentials.login_type,
            loclcalc_addr: 0,
            tail: Some(HandshakeTail {
                unknown_a: 0x0100,
                unknown_b: 0,
                local_host: Text::default(),
            }),
        })
        .encode(out);
        self.state = State::Greeted(credentials);
    }

    /// Takes the next bytes of the stream, cut anywhere.
    ///
    /// Appends what is to be answered to `out` and what happened to `events`.
    pub fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>, events: &mut Vec<Event>) {
        if self.buffer.is_empty() {
            let consumed = self.receive_frames(bytes, out, events);
            self.buffer
                .extend_from_slice(bytes.get(consumed..).unwrap_or_default());
        } else {
            let mut joined = std::mem::take(&mut self.buffer);
            joined.extend_from_slice(bytes);
            let consumed = self.receive_frames(&joined, out, events);
            if consumed < joined.len() {
                joined.drain(..consumed);
                self.buffer = joined;
            }
        }
    }

    /// Takes every whole frame of `input` and returns how many bytes are done with.
    fn receive_frames(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) -> usize {
        let mut done = 0;
        while !matches!(self.state, State::Closed) {
            let rest = input.get(done..).unwrap_or_default();
            let (consumed, next) = frame::next(rest, FRAME_BYTES_MAX);
            done += consumed;
            match next {
                Next::Frame(frame) => self.receive_frame(frame, out, events),
                Next::Incomplete => return done,
                Next::TooLarge { .. } => self.close(ReturnCode::FAT_MESSAGE, events),
            }
        }
        // Nobody reads what follows the end.
        input.len()
    }

    /// Takes one frame, without its length, for callers that cut the stream themselves.
    pub fn receive_frame(&mut self, frame: &[u8], out: &mut Vec<u8>, events: &mut Vec<Event>) {
        let result = match Message::decode(frame) {
            Ok(message) => self.receive_message(message, out, events),
            Err(error) => Err(error),
        };
        if let Err(error) = result {
            events.push(Event::Malformed(error));
        }
    }

    /// Whether the login holds.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        matches!(self.state, State::Active(_))
    }

    /// Who the server says this login is.
    #[must_use]
    pub fn me(&self) -> Option<&Peer> {
        match &self.state {
            State::Active(me) => Some(me),
            _ => None,
        }
    }

    /// Whether the channel of this service is open.
    #[must_use]
    pub fn is_open(&self, service: ServiceId) -> bool {
        self.service_channel(service).is_ok()
    }

    /// A byte that keeps the connection alive.
    pub fn keep_alive(&self, out: &mut Vec<u8>) {
        out.push(KEEP_ALIVE);
    }

    /// After [`Event::Redirected`]: stays on this server all the same.
    pub fn login_here(&self, out: &mut Vec<u8>) {
        Message::LoginContinue.encode(out);
    }

    /// Ends the login. The stream is to be closed behind it.
    pub fn logout(&mut self, out: &mut Vec<u8>) {
        self.state = State::Closed;
        put_destroy(out, ChannelId::MASTER, ReturnCode::SUCCESS);
    }

    /// Says how one is.
    ///
    /// # Errors
    /// `NotLoggedIn` or `TextTooLong`.
    pub fn set_status(
        &mut self,
        status: Status,
        time: u32,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.require_login()?;
        let desc = short(text)?;
        Message::SetUserStatus(UserStatus { status, time, desc }).encode(out);
        Ok(())
    }

    /// Says who may see one: with `deny` everybody but `users`, without it only they.
    ///
    /// # Errors
    /// `NotLoggedIn` or `TextTooLong`.
    pub fn set_privacy(
        &mut self,
        deny: bool,
        users: &[&str],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.require_login()?;
        let users = texts(users)?
            .into_iter()
            .map(|id| UserItem {
                id,
                community: Text::default(),
                name: None,
            })
            .collect();
        Message::SetPrivacyList(PrivacyInfo { deny, users }).encode(out);
        Ok(())
    }

    /// Sends a one-way message to recipients of the form `@U user` or `@G group`.
    ///
    /// # Errors
    /// `NotLoggedIn` or `TextTooLong`.
    pub fn announce(
        &mut self,
        text: &str,
        may_reply: bool,
        recipients: &[&str],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.require_login()?;
        Message::Announce(Announce {
            sender: None,
            unknown: 0,
            may_reply,
            text: short(text)?,
            recipients: texts(recipients)?,
        })
        .encode(out);
        Ok(())
    }

    /// Asks whether a service is there; the answer is [`Event::Sensed`], or silence.
    ///
    /// # Errors
    /// `NotLoggedIn`.
    pub fn sense(&mut self, service: ServiceId, out: &mut Vec<u8>) -> Result<(), ClientError> {
        self.require_login()?;
        Message::SenseService(service).encode(out);
        Ok(())
    }

    /// Watches people and groups.
    ///
    /// # Errors
    /// `NotOpen` before the awareness service is.
    pub fn watch(&mut self, ids: &[AwareId<'_>], out: &mut Vec<u8>) -> Result<(), ClientError> {
        self.send_awareness(&awareness::ClientMessage::Add(ids.to_vec()), out)
    }

    /// Watches people and groups no longer.
    ///
    /// # Errors
    /// `NotOpen` before the awareness service is.
    pub fn unwatch(&mut self, ids: &[AwareId<'_>], out: &mut Vec<u8>) -> Result<(), ClientError> {
        self.send_awareness(&awareness::ClientMessage::Remove(ids.to_vec()), out)
    }

    /// Sets an attribute of one's own.
    ///
    /// # Errors
    /// `NotOpen` before the awareness service is.
    pub fn set_attribute(
        &mut self,
        key: u32,
        value: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_awareness(&awareness::ClientMessage::AttrSet { key, value }, out)
    }

    /// Removes an attribute of one's own.
    ///
    /// # Errors
    /// `NotOpen` before the awareness service is.
    pub fn unset_attribute(&mut self, key: u32, out: &mut Vec<u8>) -> Result<(), ClientError> {
        self.send_awareness(&awareness::ClientMessage::AttrUnset { key }, out)
    }

    /// Watches these attributes of all watched people, and no others.
    ///
    /// # Errors
    /// `NotOpen` before the awareness service is.
    pub fn watch_attributes(&mut self, keys: &[u32], out: &mut Vec<u8>) -> Result<(), ClientError> {
        self.send_awareness(&awareness::ClientMessage::AttrWatch(keys.to_vec()), out)
    }

    /// Looks names up; see [`resolve::flags`]. Returns the id that the answer will carry.
    ///
    /// # Errors
    /// `NotOpen` before the resolve service is, or `TextTooLong`.
    pub fn resolve(
        &mut self,
        queries: &[&str],
        flags: u32,
        out: &mut Vec<u8>,
    ) -> Result<u32, ClientError> {
        let channel = self.service_channel(ServiceId::RESOLVE)?;
        let queries = texts(queries)?;
        let id = self.request_id();
        let mut data = Vec::new();
        let kind = resolve::Request { id, queries, flags }.encode(&mut data);
        frame::put_send(out, channel, kind, false, &data);
        Ok(id)
    }

    /// Asks for stored settings. Returns the id that the answer will carry.
    ///
    /// # Errors
    /// `NotOpen` before the storage service is.
    pub fn load(&mut self, keys: &[u32], out: &mut Vec<u8>) -> Result<u32, ClientError> {
        let id = self.request_id();
        self.send_storage(
            &storage::ClientMessage::Load {
                id,
                keys: keys.to_vec(),
            },
            out,
        )?;
        Ok(id)
    }

    /// Stores a setting. Returns the id that the answer will carry.
    ///
    /// # Errors
    /// `NotOpen` before the storage service is.
    pub fn save(&mut self, key: u32, value: &[u8], out: &mut Vec<u8>) -> Result<u32, ClientError> {
        let id = self.request_id();
        self.send_storage(
            &storage::ClientMessage::Save {
                id,
                items: vec![(key, value)],
            },
            out,
        )?;
        Ok(id)
    }

    /// Opens a conversation; [`Event::ImOpened`] or [`Event::ImClosed`] follows.
    ///
    /// # Errors
    /// `NotLoggedIn` or `TextTooLong`.
    pub fn open_im(
        &mut self,
        user: &str,
        features: u32,
        offer: Offer,
        out: &mut Vec<u8>,
    ) -> Result<ChannelId, ClientError> {
        self.require_login()?;
        let user = short(user)?;
        let channel = self.take_channel();
        let mut addtl = Vec::new();
        CreateAddtl::new(features).encode(&mut addtl);
        let public = match offer {
            Offer::Rc2_128 | Offer::Both => self.conversation_key.public(),
            Offer::None | Offer::Rc2_40 => [0; PUBLIC_BYTES],
        };
        let (mode, offer_sent) = offer.build(&public);
        Message::ChannelCreate(ChannelCreate {
            reserved: 0,
            channel,
            target: IdBlock {
                user,
                community: Text::default(),
            },
            protocol: Protocol::IM,
            options: 0,
            addtl: &addtl,
            creator: None,
            mode,
            offer: offer_sent,
        })
        .encode(out);
        let conversation = Conversation::new(ConversationState::Opening(offer));
        self.conversations.insert(channel, Box::new(conversation));
        Ok(channel)
    }

    /// Accepts an offered conversation with the strongest cipher that is offered.
    ///
    /// # Errors
    /// `NotOpen` if nothing is offered on that channel; `NoCipher` if the creator's key is bad, and
    /// then the channel is refused.
    pub fn accept_im(
        &mut self,
        channel: ChannelId,
        out: &mut Vec<u8>,
    ) -> Result<Cipher, ClientError> {
        let State::Active(me) = &self.state else {
            return Err(ClientError::NotLoggedIn);
        };
        let conversation = self
            .conversations
            .get_mut(&channel)
            .ok_or(ClientError::NotOpen)?;
        let offered = match std::mem::replace(&mut conversation.state, ConversationState::Open) {
            ConversationState::Offered(offered) => offered,
            other => {
                conversation.state = other;
                return Err(ClientError::NotOpen);
            }
        };
        let login_id = me.login_id.as_bytes();
        let Ok(cipher) = conversation.open_offered(&offered, login_id, &self.conversation_key)
        else {
            self.conversations.remove(&channel);
            put_destroy(out, channel, ReturnCode::NO_COMMON_ENCRYPT);
            return Err(ClientError::NoCipher);
        };
        let mut addtl = Vec::new();
        AcceptAddtl {
            a: 1,
            features: offered.features,
            c: 2,
            status: UserStatus::default(),
        }
        .encode(&mut addtl);
        let public = match cipher {
            Cipher::Rc2_128 => self.conversation_key.public(),
            Cipher::None | Cipher::Rc2_40 => [0; PUBLIC_BYTES],
        };
        let (mode, answer) = offered.answer(&public);
        Message::ChannelAccept(ChannelAccept {
            channel,
            protocol: Protocol::IM,
            addtl: &addtl,
            acceptor: None,
            mode,
            answer,
        })
        .encode(out);
        Ok(cipher)
    }

    /// Ends a conversation, or refuses one that is offered.
    pub fn close_im(&mut self, channel: ChannelId, reason: ReturnCode, out: &mut Vec<u8>) {
        if self.conversations.remove(&channel).is_some() {
            put_destroy(out, channel, reason);
        }
    }

    /// Says something as plain text.
    ///
    /// # Errors
    /// `NotOpen` or `TextTooLong`.
    pub fn send_text(
        &mut self,
        channel: ChannelId,
        text: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_im(channel, &ImMessage::Text(short(text)?), out)
    }

    /// Says something as HTML, in pieces if it is long.
    ///
    /// # Errors
    /// `NotOpen`.
    pub fn send_html(
        &mut self,
        channel: ChannelId,
        html: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_in_pieces(channel, data_type::HTML, html.as_bytes(), out)
    }

    /// Sends a MIME document, in pieces if it is long.
    ///
    /// # Errors
    /// `NotOpen`.
    pub fn send_mime(
        &mut self,
        channel: ChannelId,
        document: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_in_pieces(channel, data_type::MIME, document, out)
    }

    /// Says that one types, or stopped.
    ///
    /// # Errors
    /// `NotOpen`.
    pub fn send_typing(
        &mut self,
        channel: ChannelId,
        typing: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_data(channel, data_type::TYPING, u32::from(!typing), &[], out)
    }

    /// Sends anything else; see [`data_type`].
    ///
    /// # Errors
    /// `NotOpen`.
    pub fn send_data(
        &mut self,
        channel: ChannelId,
        data_type: u32,
        subtype: u32,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        self.send_im(
            channel,
            &ImMessage::Data {
                data_type,
                subtype,
                payload,
            },
            out,
        )
    }

    fn send_in_pieces(
        &mut self,
        channel: ChannelId,
        data_type: u32,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        if bytes.len() <= PIECE_BYTES_MAX {
            return self.send_data(channel, data_type, 0, bytes, out);
        }
        self.send_data(channel, data_type::SEGMENT_START, 0, &[], out)?;
        for piece in bytes.chunks(PIECE_BYTES_MAX) {
            self.send_data(channel, data_type, 0, piece, out)?;
        }
        self.send_data(channel, data_type::SEGMENT_STOP, 0, &[], out)
    }

    fn send_im(
        &mut self,
        channel: ChannelId,
        message: &ImMessage<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        let conversation = self
            .conversations
            .get_mut(&channel)
            .ok_or(ClientError::NotOpen)?;
        let ConversationState::Open = conversation.state else {
            return Err(ClientError::NotOpen);
        };
        let mut data = Vec::new();
        let kind = message.encode(&mut data);
        let (data, encrypted) = conversation.seal(data);
        frame::put_send(out, channel, kind, encrypted, &data);
        Ok(())
    }

    fn send_awareness(
        &mut self,
        message: &awareness::ClientMessage<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        let channel = self.service_channel(ServiceId::AWARENESS)?;
        let mut data = Vec::new();
        let kind = message.encode(&mut data);
        frame::put_send(out, channel, kind, false, &data);
        Ok(())
    }

    fn send_storage(
        &mut self,
        message: &storage::ClientMessage<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), ClientError> {
        let channel = self.service_channel(ServiceId::STORAGE)?;
        let mut data = Vec::new();
        let kind = message.encode(&mut data);
        frame::put_send(out, channel, kind, false, &data);
        Ok(())
    }

    fn service_channel(&self, id: ServiceId) -> Result<ChannelId, ClientError> {
        self.services
            .iter()
            .find(|service| service.protocol.service == id && service.open)
            .and_then(|service| service.channel)
            .ok_or(ClientError::NotOpen)
    }

    fn require_login(&self) -> Result<(), ClientError> {
        if self.is_logged_in() {
            Ok(())
        } else {
            Err(ClientError::NotLoggedIn)
        }
    }

    fn request_id(&mut self) -> u32 {
        let id = self.next_request;
        self.next_request = self.next_request.wrapping_add(1);
        id
    }

    /// Counts up from 1 and skips what is in use.
    fn take_channel(&mut self) -> ChannelId {
        loop {
            let channel = ChannelId(self.next_channel);
            self.next_channel = self.next_channel.wrapping_add(1);
            let used = self.conversations.contains_key(&channel)
                || self
                    .services
                    .iter()
                    .any(|service| service.channel == Some(channel));
            if channel.is_clients() && !used {
                return channel;
            }
            if !channel.is_clients() {
                self.next_channel = 1;
            }
        }
    }

    fn close(&mut self, reason: ReturnCode, events: &mut Vec<Event>) {
        self.state = State::Closed;
        self.conversations.clear();
        events.push(Event::Closed { reason });
    }

    fn receive_message(
        &mut self,
        message: Message<'_>,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        match (&self.state, message) {
            (_, Message::ChannelDestroy(destroy)) if destroy.channel == ChannelId::MASTER => {
                self.close(destroy.reason, events);
            }
            (State::Greeted(credentials), Message::HandshakeAck(ack)) => {
                match seal(credentials, &ack) {
                    Some(auth_data) => {
                        Message::Login(Login {
                            login_type: credentials.login_type,
                            name: credentials.user.as_str().into(),
                            auth_data: &auth_data,
                            auth_type: credentials.auth_type.code(),
                            unknown: 0,
                        })
                        .encode(out);
                        self.state = State::Authenticating;
                    }
                    None => {
                        put_destroy(out, ChannelId::MASTER, ReturnCode::ENCRYPT_MISMATCH);
                        self.close(ReturnCode::ENCRYPT_MISMATCH, events);
                    }
                }
            }
            (State::Authenticating, Message::LoginAck(ack)) => {
                self.state = State::Active(Box::new(Peer::from(&ack.login)));
                events.push(Event::LoggedIn);
                for index in 0..self.services.len() {
                    self.open_service(index, out);
                }
            }
            (State::Authenticating, Message::LoginRedirect { host, .. }) => {
                events.push(Event::Redirected { host: owned(host) });
            }
            (State::Active(_), message) => return self.receive_active(message, out, events),
            // After LOGIN_CONTINUE there is a second HANDSHAKE_ACK; the rest comes too early.
            _ => {}
        }
        Ok(())
    }

    fn receive_active(
        &mut self,
        message: Message<'_>,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        match message {
            Message::SetUserStatus(status) => {
                events.push(Event::OwnStatus(StatusText::from(&status)));
            }
            Message::SetPrivacyList(privacy) => events.push(Event::Privacy {
                deny: privacy.deny,
                users: privacy.users.iter().map(|user| owned(user.id)).collect(),
            }),
            Message::SenseService(service) => {
                events.push(Event::Sensed(service));
                self.reopen_service(service, out);
            }
            Message::Admin { text } => events.push(Event::Admin { text: owned(text) }),
            Message::Announce(announce) => events.push(Event::Announcement {
                from: announce.sender.as_ref().map(Peer::from).unwrap_or_default(),
                may_reply: announce.may_reply,
                text: owned(announce.text),
            }),
            Message::ChannelCreate(create) => self.offered(&create, out, events),
            Message::ChannelAccept(accept) => self.accepted(&accept, out, events),
            Message::ChannelSend(send) => return self.heard(&send, out, events),
            Message::ChannelDestroy(destroy) => {
                self.destroyed(destroy.channel, destroy.reason, out, events);
            }
            Message::Handshake(_)
            | Message::HandshakeAck(_)
            | Message::Login(_)
            | Message::LoginAck(_)
            | Message::LoginRedirect { .. }
            | Message::LoginContinue
            | Message::Unknown { .. } => {}
        }
        Ok(())
    }

    fn open_service(&mut self, index: usize, out: &mut Vec<u8>) {
        let channel = self.take_channel();
        let Some(service) = self.services.get_mut(index) else {
            return;
        };
        if !service.wanted || service.channel.is_some() {
            // The id was not used; it is free for the next.
            self.next_channel = channel.0;
            return;
        }
        service.channel = Some(channel);
        Message::ChannelCreate(ChannelCreate {
            reserved: 0,
            channel,
            target: IdBlock::default(),
            protocol: service.protocol,
            options: 0,
            addtl: &[],
            creator: None,
            mode: 0,
            offer: None,
        })
        .encode(out);
    }

    fn reopen_service(&mut self, id: ServiceId, out: &mut Vec<u8>) {
        if let Some(index) = self.services.iter().position(|s| s.protocol.service == id) {
            self.open_service(index, out);
        }
    }

    /// Someone opens a channel to this client.
    fn offered(&mut self, create: &ChannelCreate<'_>, out: &mut Vec<u8>, events: &mut Vec<Event>) {
        let channel = create.channel;
        let refusal = if channel.0 & ChannelId::FIRST_FROM_SERVER.0 < 0x8000_0000 {
            Some(ReturnCode::REQUEST_INVALID)
        } else if self.conversations.contains_key(&channel) {
            Some(ReturnCode::CHANNEL_EXISTS)
        } else if self.conversations.len() >= CONVERSATIONS_MAX {
            Some(ReturnCode::STARVING)
        } else if create.protocol != Protocol::IM {
            Some(ReturnCode::SERVICE_NO_SUPPORT)
        } else {
            None
        };
        if let Some(reason) = refusal {
            put_destroy(out, channel, reason);
            return;
        }
        let features = match CreateAddtl::decode(create.addtl) {
            Ok(CreateAddtl { a: 1, features }) => features,
            Ok(_) => return put_destroy(out, channel, ReturnCode::IM_NOT_REGISTERED),
            Err(_) => return put_destroy(out, channel, ReturnCode::FAILURE),
        };
        let creator = create.creator.unwrap_or_default();
        let login_id = creator.login_id.as_bytes();
        match Offered::new(features, create.mode, create.offer.as_ref(), login_id) {
            Some(offered) => {
                let state = ConversationState::Offered(Box::new(offered));
                self.conversations
                    .insert(channel, Box::new(Conversation::new(state)));
                events.push(Event::ImOffered {
                    channel,
                    from: Peer::from(&creator),
                    features,
                });
            }
            None => put_destroy(out, channel, ReturnCode::NO_COMMON_ENCRYPT),
        }
    }

    /// A channel that this client opened is open.
    fn accepted(&mut self, accept: &ChannelAccept<'_>, out: &mut Vec<u8>, events: &mut Vec<Event>) {
        let channel = accept.channel;
        if let Some(service) = self
            .services
            .iter_mut()
            .find(|s| s.channel == Some(channel))
        {
            service.open = true;
            events.push(Event::ServiceOpened(service.protocol.service));
            return;
        }
        let State::Active(me) = &self.state else {
            return;
        };
        let Some(conversation) = self.conversations.get_mut(&channel) else {
            return;
        };
        let ConversationState::Opening(offer) = conversation.state else {
            return;
        };
        let acceptor: LoginInfo<'_> = accept.acceptor.unwrap_or_default();
        // The cipher counts only if the policy says so too.
        let answer = accept.answer.as_ref().filter(|_| accept.mode != 0);
        match conversation.open_accepted(
            offer,
            answer,
            me.login_id.as_bytes(),
            acceptor.login_id.as_bytes(),
            &self.conversation_key,
        ) {
            Ok(cipher) => events.push(Event::ImOpened { channel, cipher }),
            Err(_) => self.fail(channel, ReturnCode::REQUEST_INVALID, out, events),
        }
    }

    /// Data on a channel. Unknown channels are normal: both sides may close at once.
    fn heard(
        &mut self,
        send: &ChannelSend<'_>,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) -> Result<(), DecodeError> {
        let channel = send.channel;
        let service = self.services.iter().find(|s| s.channel == Some(channel));
        match service.map(|service| service.protocol.service) {
            Some(ServiceId::AWARENESS) => return heard_awareness(send, events),
            Some(ServiceId::RESOLVE) => {
                let response = resolve::Response::decode(send.kind, send.data)?;
                events.push(Event::Resolved {
                    id: response.id,
                    code: response.code,
                    results: response.results.iter().map(Resolved::from).collect(),
                });
            }
            Some(_) => heard_storage(send, events)?,
            None => {}
        }
        let Some(conversation) = self.conversations.get_mut(&channel) else {
            return Ok(());
        };
        let ConversationState::Open = conversation.state else {
            return Ok(());
        };
        let deciphered;
        let data = if send.encrypted {
            match conversation.unseal(send.data) {
                Ok(plain) => {
                    deciphered = plain;
                    &deciphered
                }
                Err(_) => {
                    self.fail(channel, ReturnCode::BAD_DATA, out, events);
                    return Ok(());
                }
            }
        } else {
            send.data
        };
        let message = ImMessage::decode(send.kind, data)?;
        if let Some(said) = conversation.hear(&message) {
            events.push(Event::Im { channel, said });
        }
        Ok(())
    }

    fn destroyed(
        &mut self,
        channel: ChannelId,
        reason: ReturnCode,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) {
        if let Some(service) = self
            .services
            .iter_mut()
            .find(|s| s.channel == Some(channel))
        {
            service.channel = None;
            service.open = false;
            let id = service.protocol.service;
            events.push(Event::ServiceClosed {
                service: id,
                reason,
            });
            // The library asks for these two; it waits for news of the awareness service.
            if id != ServiceId::AWARENESS {
                Message::SenseService(id).encode(out);
            }
        } else if self.conversations.remove(&channel).is_some() {
            events.push(Event::ImClosed { channel, reason });
        }
    }

    /// Ends a conversation that cannot go on.
    fn fail(
        &mut self,
        channel: ChannelId,
        reason: ReturnCode,
        out: &mut Vec<u8>,
        events: &mut Vec<Event>,
    ) {
        self.close_im(channel, reason, out);
        events.push(Event::ImClosed { channel, reason });
    }
}

/// The proof for the LOGIN; `None` if the server's key does not allow the configured type.
fn seal(credentials: &Credentials, ack: &HandshakeAck<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let block = match credentials.auth_type {
        AuthType::Plain | AuthType::Token => return Some(credentials.secret.clone()),
        AuthType::Rc2_40 => auth::seal_rc2_40(&credentials.secret, &credentials.rc2_40_key)?,
        AuthType::Rc2_128 => {
            let challenge = ack.challenge?;
            let (key, magic) = (challenge.key, challenge.magic);
            auth::seal_rc2_128(&credentials.secret, &credentials.private, key, magic)?
        }
    };
    Some(Zeroizing::new(block))
}

fn heard_awareness(send: &ChannelSend<'_>, events: &mut Vec<Event>) -> Result<(), DecodeError> {
    use awareness::ServerMessage as Heard;
    events.push(match Heard::decode(send.kind, send.data)? {
        Heard::Snapshot(entries) => Event::Snapshot(entries.iter().map(Presence::from).collect()),
        Heard::Update(entry) => Event::Presence(Presence::from(&entry)),
        Heard::Group(id) => Event::Group { id: owned(id.user) },
        Heard::AttrGotSet { id, key, value } => Event::Attribute {
            user: owned(id.user),
            key,
            value: Some(value.to_vec()),
        },
        Heard::AttrGotUnset { id, key } => Event::Attribute {
            user: owned(id.user),
            key,
            value: None,
        },
        Heard::AttrDidSet { .. } | Heard::AttrDidUnset { .. } | Heard::Unknown { .. } => {
            return Ok(());
        }
    });
    Ok(())
}

fn heard_storage(send: &ChannelSend<'_>, events: &mut Vec<Event>) -> Result<(), DecodeError> {
    events.push(
        match storage::ServerMessage::decode(send.kind, send.data)? {
            storage::ServerMessage::Loaded { id, code, items } => Event::Loaded {
                id,
                code,
                items: items
                    .iter()
                    .map(|(key, value)| (*key, value.to_vec()))
                    .collect(),
            },
            storage::ServerMessage::Saved { id, code } => Event::Saved { id, code },
        },
    );
    Ok(())
}

fn put_destroy(out: &mut Vec<u8>, channel: ChannelId, reason: ReturnCode) {
    Message::ChannelDestroy(ChannelDestroy {
        channel,
        reason,
        data: &[],
    })
    .encode(out);
}

fn short(text: &str) -> Result<Text<'_>, ClientError> {
    if text.len() <= TEXT_BYTES_MAX {
        Ok(text.into())
    } else {
        Err(ClientError::TextTooLong)
    }
}

fn texts<'a>(texts: &[&'a str]) -> Result<Vec<Text<'a>>, ClientError> {
    texts.iter().map(|text| short(text)).collect()
}
