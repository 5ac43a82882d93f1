//! The server half of a connection, up to the login and through the dispatch after it.
//!
//! Source: `docs/protocol/connection.md`, "State machine of a server-side connection";
//! `docs/protocol/server-behaviour.md`, "Dispatch".

pub use crate::auth::{AuthType, Proof};

use crate::auth;
use crate::cipher::dh::PrivateKey;
use crate::close::CloseReason;
use crate::codec::Text;
use crate::frame::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_LOGIN};
use crate::id::ChannelId;
use crate::message::{Challenge, ChannelDestroy, Handshake, HandshakeAck, Login, Message};
use rand::CryptoRng;

/// The protocol version that the server answers with, whatever the client's.
///
/// A newer minor would change the layout of a place message for the open client library.
pub const VERSION_MAJOR: u16 = 0x001e;
/// See [`VERSION_MAJOR`].
pub const VERSION_MINOR: u16 = 0x001d;

/// Where a connection stands. Small once the login holds: the handshake's secrets are gone then.
#[derive(Debug, Default)]
pub struct Server {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    New,
    Greeted(Box<Greeting>),
    Authenticating,
    Active,
}

/// What the login needs of the handshake.
#[derive(Debug)]
struct Greeting {
    magic: u32,
    private: PrivateKey,
}

/// What a frame asks of the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Nothing: it is answered already, or to be ignored.
    Nothing,
    /// Check this login, then call [`Server::accepted`] or close the connection.
    Authenticate(LoginRequest<'a>),
    /// A message of a logged-in client.
    Deliver(Message<'a>),
    /// The client ends the login.
    Logout,
    /// Close the connection with this reason.
    Close(CloseReason),
}

/// Who a client says it is, and the proof.
#[derive(Debug, PartialEq, Eq)]
pub struct LoginRequest<'a> {
    /// The client program.
    pub login_type: u16,
    /// What the person typed as user name.
    pub name: Text<'a>,
    /// How it proves itself.
    pub auth_type: AuthType,
    /// The proof.
    pub proof: Proof,
}

impl Server {
    /// A connection that has said nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one frame, without its length, and appends what is to be answered at once to `out`.
    ///
    /// `peer_ip` is the client's IPv4 address in network order, or 0. A login weaker than
    /// `weakest_auth` is refused; tokens are no passwords and always pass, the caller decides.
    pub fn receive<'a, R: CryptoRng + ?Sized>(
        &mut self,
        frame: &'a [u8],
        peer_ip: u32,
        weakest_auth: AuthType,
        rng: &mut R,
        out: &mut Vec<u8>,
    ) -> Step<'a> {
        let Ok(message) = Message::decode(frame) else {
            return Step::Close(CloseReason::ProtocolError);
        };
        match (&self.state, message) {
            (
                _,
                Message::ChannelDestroy(ChannelDestroy {
                    channel: ChannelId::MASTER,
                    ..
                }),
            ) => Step::Logout,
            (State::Active, message) => dispatch(message),
            (State::New, Message::Handshake(handshake)) => {
                self.greet(&handshake, peer_ip, rng, out)
            }
            (State::Greeted(greeting), Message::Login(login)) => {
                let step = check_login(&login, greeting, weakest_auth);
                self.state = State::Authenticating;
                step
            }
            (State::New | State::Greeted(_) | State::Authenticating, _) => {
                Step::Close(CloseReason::NotLoggedIn)
            }
        }
    }

    /// The login of the last [`Step::Authenticate`] holds.
    pub fn accepted(&mut self) {
        if let State::Authenticating = self.state {
            self.state = State::Active;
        }
    }

    /// Whether the login holds.
    #[must_use]
    pub fn is_active(&self) -> bool {
        matches!(self.state, State::Active)
    }

    /// The longest frame to read in this state, in bytes.
    #[must_use]
    pub fn frame_bytes_max(&self) -> usize {
        if self.is_active() {
            FRAME_BYTES_MAX
        } else {
            FRAME_BYTES_MAX_BEFORE_LOGIN
        }
    }

    fn greet<R: CryptoRng + ?Sized>(
        &mut self,
        handshake: &Handshake<'_>,
        peer_ip: u32,
        rng: &mut R,
        out: &mut Vec<u8>,
    ) -> Step<'static> {
        if handshake.major < VERSION_MAJOR {
            return Step::Close(CloseReason::VersionMismatch);
        }
        let greeting = Greeting {
            magic: rng.next_u32(),
            private: PrivateKey::generate(rng),
        };
        Message::HandshakeAck(HandshakeAck {
            major: VERSION_MAJOR,
            minor: VERSION_MINOR,
            srvrcalc_addr: peer_ip,
            challenge: Some(Challenge {
                magic: greeting.magic,
                key: &greeting.private.public(),
            }),
        })
        .encode(out);
        self.state = State::Greeted(Box::new(greeting));
        Step::Nothing
    }
}

/// Appends the message that ends a login with `reason`; nothing if the reason is not to be told.
pub fn put_close(out: &mut Vec<u8>, reason: CloseReason) {
    if let Some(code) = reason.code() {
        Message::ChannelDestroy(ChannelDestroy {
            channel: ChannelId::MASTER,
            reason: code,
            data: &[],
        })
        .encode(out);
    }
}

fn check_login<'a>(login: &Login<'a>, greeting: &Greeting, weakest_auth: AuthType) -> Step<'a> {
    let auth_type = match AuthType::from_code(login.auth_type) {
        Some(auth_type) if auth_type == AuthType::Token || auth_type >= weakest_auth => auth_type,
        _ => return Step::Close(CloseReason::AuthTypeRefused),
    };
    Step::Authenticate(LoginRequest {
        login_type: login.login_type,
        name: login.name,
        auth_type,
        proof: auth::open(
            auth_type,
            login.auth_data,
            &greeting.private,
            greeting.magic,
        ),
    })
}

/// What a logged-in client may say, and what is dropped in silence.
fn dispatch(message: Message<'_>) -> Step<'_> {
    match message {
        // Said again, or not for a client to say.
        Message::Handshake(_)
        | Message::HandshakeAck(_)
        | Message::Login(_)
        | Message::LoginAck(_)
        | Message::LoginRedirect { .. }
        | Message::LoginContinue
        | Message::Admin { .. }
        | Message::Unknown { .. } => Step::Nothing,
        Message::ChannelAccept(ref accept) if accept.channel == ChannelId::MASTER => Step::Nothing,
        Message::ChannelSend(ref send) if send.channel == ChannelId::MASTER => Step::Nothing,
        Message::ChannelCreate(_)
        | Message::ChannelAccept(_)
        | Message::ChannelSend(_)
        | Message::ChannelDestroy(_)
        | Message::SetUserStatus(_)
        | Message::SetPrivacyList(_)
        | Message::SenseService(_)
        | Message::Announce(_) => Step::Deliver(message),
    }
}
