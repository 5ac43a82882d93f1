//! The client half of a connection.
//!
//! Bytes of the server go into [`Client::receive`], [`Event`]s come out; what is to be sent is
//! appended to an `out` that the caller writes to its stream. Small enough to have ten thousand.
//!
//! Source: `docs/protocol/connection.md`, `docs/protocol/channels.md`.

mod conversation;
mod event;
mod heard;
mod request;

pub use conversation::Offer;
pub use event::{Cipher, Event, Match, OnlinePerson, Peer, Presence, Resolved, Said, StatusText};
pub use request::ClientError;

use crate::auth::{self, AuthType, RC2_40_KEY_BYTES};
use crate::cipher::dh::PrivateKey;
use crate::code::ReturnCode;
use crate::codec::{DecodeError, Text};
use crate::frame::{self, KEEP_ALIVE, Next};
use crate::id::{ChannelId, Protocol, ServiceId};
use crate::message::{
    ChannelCreate, ChannelDestroy, Handshake, HandshakeAck, HandshakeTail, IdBlock, Login, Message,
};
use crate::server::{VERSION_MAJOR, VERSION_MINOR};
use conversation::Conversation;
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

    fn service_channel(&self, id: ServiceId) -> Result<ChannelId, ClientError> {
        self.services
            .iter()
            .find(|service| service.protocol.service == id && service.open)
            .and_then(|service| service.channel)
            .ok_or(ClientError::NotOpen)
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

fn put_destroy(out: &mut Vec<u8>, channel: ChannelId, reason: ReturnCode) {
    Message::ChannelDestroy(ChannelDestroy {
        channel,
        reason,
        data: &[],
    })
    .encode(out);
}
