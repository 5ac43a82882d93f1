//! One fuzz target per decoder: a plain function that takes any bytes and must not panic.
//!
//! `cargo test -p isochron-fuzz` runs each over the recorded frames and a bounded number of seeded
//! mutations of them; the long form is libFuzzer, see `fuzz/README.md`.

pub mod seeds;
pub mod settings;
pub mod stores;

use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::LazyLock;
use wire::auth::{self, AuthType};
use wire::cipher::dh::PrivateKey;
use wire::client::{Client, ClientConfig, Event, Offer};
use wire::frame::{self, Next};
use wire::id::Protocol;
use wire::message::{
    Challenge, ChannelAccept, ChannelCreate, Handshake, HandshakeAck, IdBlock, Login, LoginAck,
    LoginInfo, PrivacyInfo, UserStatus,
};
use wire::server::{Server, Step};
use wire::service::im::{AcceptAddtl, CreateAddtl, ImMessage, features};
use wire::service::{awareness, resolve, storage};
use wire::{ChannelId, Message};

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// What can be read can be written, and then it reads the same. (A macro because the types of
/// payloads borrow from their data, each for its own lifetime.)
macro_rules! payload {
    ($input:expr, $payload:ty) => {
        if let Some((kind, data)) = $input.split_first_chunk()
            && let Ok(payload) = <$payload>::decode(u16::from_be_bytes(*kind), data)
        {
            let mut again = Vec::new();
            let kind = payload.encode(&mut again);
            assert_eq!(<$payload>::decode(kind, &again), Ok(payload));
        }
    };
}

/// Every target.
pub const TARGETS: [Target; 14] = [
    ("frame", frame),
    ("message", message),
    ("auth_block", auth_block),
    ("server_half", server_half),
    ("client_half", client_half),
    ("awareness_client", awareness_client),
    ("awareness_server", awareness_server),
    ("im", im),
    ("resolve", resolve),
    ("storage", storage),
    ("ini", settings::ini),
    ("xml", settings::xml),
    ("store", stores::store),
    ("certificate", stores::certificate),
];

/// A stream of frames. Whatever is found is within bounds, and waiting for more changes nothing.
pub fn frame(data: &[u8]) {
    const LIMIT: usize = 1000;
    let mut rest = data;
    loop {
        let (consumed, next) = frame::next(rest, LIMIT);
        assert!(consumed <= rest.len());
        match next {
            Next::Frame(body) => {
                assert!(!body.is_empty() && body.len() <= LIMIT);
                let shorter = rest.get(..consumed - 1).unwrap_or_default();
                assert_eq!(frame::next(shorter, LIMIT).1, Next::Incomplete);
            }
            Next::Incomplete => break,
            Next::TooLarge { length } => {
                assert!(usize::try_from(length).is_ok_and(|length| length > LIMIT));
                break;
            }
        }
        rest = rest.get(consumed..).unwrap_or_default();
    }
}

/// One frame without its length.
pub fn message(data: &[u8]) {
    let Ok(message) = Message::decode(data) else {
        return;
    };
    let mut again = Vec::new();
    message.encode(&mut again);
    assert_eq!(
        Message::decode(again.get(4..).unwrap_or_default()),
        Ok(message)
    );
}

/// The proof in a LOGIN; the first byte chooses its type.
pub fn auth_block(data: &[u8]) {
    static PRIVATE: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::from_bytes(&[0x5a; 64]));
    let Some((auth_type, block)) = data.split_first() else {
        return;
    };
    if let Some(auth_type) = AuthType::from_code(u16::from(*auth_type)) {
        let _ = auth::open(auth_type, block, &PRIVATE, seeds::MAGIC);
    }
}

/// A stream of frames to the server half, once from the start and once behind a login.
pub fn server_half(data: &[u8]) {
    let mut rng = StdRng::seed_from_u64(1);
    for login in [false, true] {
        let mut server = Server::new();
        let mut out = Vec::new();
        if login {
            let mut hello = Vec::new();
            plain_login(&mut hello);
            feed_server(&mut server, &hello, &mut rng, &mut out);
            assert!(server.is_active());
        }
        feed_server(&mut server, data, &mut rng, &mut out);
    }
}

fn feed_server(server: &mut Server, mut stream: &[u8], rng: &mut StdRng, out: &mut Vec<u8>) {
    loop {
        let (consumed, next) = frame::next(stream, server.frame_bytes_max());
        stream = stream.get(consumed..).unwrap_or_default();
        let Next::Frame(body) = next else { return };
        match server.receive(body, 0, AuthType::Plain, rng, out) {
            Step::Nothing | Step::Deliver(_) => {}
            Step::Authenticate(_) => server.accepted(),
            Step::Logout | Step::Close(_) => return,
        }
    }
}

/// A stream of frames to the client half, once from the start and once behind a login with open
/// services and conversations; conversations that are offered are accepted.
pub fn client_half(data: &[u8]) {
    let mut rng = StdRng::seed_from_u64(1);
    for login in [false, true] {
        let config = ClientConfig {
            auth_type: AuthType::Plain,
            ..ClientConfig::new("alice", "secret")
        };
        let mut client = Client::new(config, &mut rng);
        let (mut out, mut events) = (Vec::new(), Vec::new());
        client.start(&mut out);
        if login {
            let mut hello = Vec::new();
            server_hello(&mut hello);
            client.receive(&hello, &mut out, &mut events);
            assert!(client.is_logged_in());
            // Channels 4 and 5, behind those of the services.
            for offer in [Offer::None, Offer::Both] {
                assert!(
                    client
                        .open_im("bob", features::RICH, offer, &mut out)
                        .is_ok()
                );
            }
        }
        client.receive(data, &mut out, &mut events);
        for event in std::mem::take(&mut events) {
            if let Event::ImOffered { channel, .. } = event {
                // Whatever comes of it: the offer may be no good.
                let _ = client.accept_im(channel, &mut out);
            }
        }
        client.receive(data, &mut out, &mut events);
    }
}

/// What a client sends to the awareness service; the first two bytes are the SEND type.
pub fn awareness_client(data: &[u8]) {
    payload!(data, awareness::ClientMessage);
}

/// What the awareness service sends; the first two bytes are the SEND type.
pub fn awareness_server(data: &[u8]) {
    payload!(data, awareness::ServerMessage);
}

/// Messages between people, and the additional data of their channels; the first two bytes are the
/// SEND type.
pub fn im(data: &[u8]) {
    payload!(data, ImMessage);
    if let Ok(addtl) = CreateAddtl::decode(data) {
        let mut again = Vec::new();
        addtl.encode(&mut again);
        assert_eq!(CreateAddtl::decode(&again), Ok(addtl));
    }
    if let Ok(addtl) = AcceptAddtl::decode(data) {
        let mut again = Vec::new();
        addtl.encode(&mut again);
        assert_eq!(AcceptAddtl::decode(&again), Ok(addtl));
    }
}

/// Requests to the resolve service and its responses; the first two bytes are the SEND type.
pub fn resolve(data: &[u8]) {
    payload!(data, resolve::Request);
    payload!(data, resolve::Response);
}

/// Requests to the storage service and its answers; the first two bytes are the SEND type.
pub fn storage(data: &[u8]) {
    payload!(data, storage::ClientMessage);
    payload!(data, storage::ServerMessage);
}

fn plain_login(out: &mut Vec<u8>) {
    Message::Handshake(Handshake {
        major: 0x1e,
        minor: 0x1d,
        srvrcalc_addr: 0,
        login_type: 0x1700,
        loclcalc_addr: 0,
        tail: None,
    })
    .encode(out);
    Message::Login(Login {
        login_type: 0x1700,
        name: "alice".into(),
        auth_data: b"secret",
        auth_type: AuthType::Plain.code(),
        unknown: 0,
    })
    .encode(out);
}

/// What a server says up to the point where everything is open.
fn server_hello(out: &mut Vec<u8>) {
    let key = [0x77; 64];
    Message::HandshakeAck(HandshakeAck {
        major: 0x1e,
        minor: 0x1d,
        srvrcalc_addr: 0,
        challenge: Some(Challenge {
            magic: seeds::MAGIC,
            key: &key,
        }),
    })
    .encode(out);
    let bob = LoginInfo {
        login_id: "F11B87F89DFE".into(),
        user_id: "bob".into(),
        ..LoginInfo::default()
    };
    Message::LoginAck(LoginAck {
        login: LoginInfo {
            login_id: "1CBDF3191190".into(),
            ..LoginInfo::default()
        },
        unknown: 0,
        privacy: PrivacyInfo {
            deny: true,
            users: Vec::new(),
        },
        status: UserStatus::default(),
    })
    .encode(out);
    let services = [Protocol::RESOLVE, Protocol::AWARENESS, Protocol::STORAGE];
    for (channel, protocol) in (1..).zip(services) {
        Message::ChannelAccept(ChannelAccept {
            channel: ChannelId(channel),
            protocol,
            addtl: &[],
            acceptor: None,
            mode: 0,
            answer: None,
        })
        .encode(out);
    }
    let mut addtl = Vec::new();
    CreateAddtl::new(features::RICH).encode(&mut addtl);
    Message::ChannelCreate(ChannelCreate {
        reserved: 0,
        channel: ChannelId::FIRST_FROM_SERVER,
        target: IdBlock::default(),
        protocol: Protocol::IM,
        options: 0,
        addtl: &addtl,
        creator: Some(bob),
        mode: 0,
        offer: None,
    })
    .encode(out);
}
