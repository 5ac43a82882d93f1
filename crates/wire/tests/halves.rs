//! The client half and the server half against each other, in memory, and each against recordings.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on has failed"
)]

#[allow(dead_code, reason = "these tests need no ciphers of recordings")]
mod recording;

use rand::SeedableRng;
use rand::rngs::StdRng;
use std::collections::{HashMap, VecDeque};
use wire::client::{
    AwareId, Cipher, Client, ClientConfig, ClientError, Event, Offer, Presence, Said,
};
use wire::codec::Text;
use wire::frame::{self, Next};
use wire::message::{
    ChannelAccept, ChannelDestroy, ChannelSend, LoginAck, LoginInfo, PrivacyInfo, UserStatus,
};
use wire::server::{AuthType, LoginRequest, Proof, Server, Step, put_close};
use wire::service::im::{data_type, features};
use wire::service::resolve::flags;
use wire::{ChannelId, CloseReason, Message, ReturnCode, ServiceId, Status};

/// Cuts a stream into the bodies of its frames.
fn frames(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    loop {
        let (consumed, next) = frame::next(stream, frame::FRAME_BYTES_MAX);
        stream = &stream[consumed..];
        match next {
            Next::Frame(body) => bodies.push(body.to_vec()),
            Next::Incomplete => break,
            Next::TooLarge { length } => panic!("a frame of {length} bytes"),
        }
    }
    assert!(stream.is_empty(), "a piece of a frame is left");
    bodies
}

fn encoded(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.encode(&mut out);
    out
}

/// A server half with what every call needs.
struct Edge {
    server: Server,
    weakest_auth: AuthType,
    rng: StdRng,
    out: Vec<u8>,
}

impl Edge {
    fn new(weakest_auth: AuthType) -> Self {
        let rng = StdRng::seed_from_u64(1);
        Self {
            server: Server::new(),
            weakest_auth,
            rng,
            out: Vec::new(),
        }
    }

    fn receive<'a>(&mut self, frame: &'a [u8]) -> Step<'a> {
        let (rng, out) = (&mut self.rng, &mut self.out);
        self.server
            .receive(frame, 0x7f00_0001, self.weakest_auth, rng, out)
    }

    /// Takes a message that asks for nothing.
    fn ignore(&mut self, message: &Message<'_>) {
        assert_eq!(
            self.receive(&encoded(message)[4..]),
            Step::Nothing,
            "{message:?}"
        );
    }

    /// Takes a message that ends the connection.
    fn close(&mut self, message: &Message<'_>) -> CloseReason {
        match self.receive(&encoded(message)[4..]) {
            Step::Close(reason) => reason,
            step => panic!("{step:?} after {message:?}"),
        }
    }

    /// A connection whose login holds.
    fn active() -> Self {
        let mut edge = Self::new(AuthType::Plain);
        edge.ignore(&handshake(0x1e));
        assert!(matches!(
            edge.receive(&encoded(&plain_login())[4..]),
            Step::Authenticate(_)
        ));
        edge.server.accepted();
        edge
    }
}

fn handshake(major: u16) -> Message<'static> {
    Message::Handshake(wire::message::Handshake {
        major,
        minor: 0x1d,
        srvrcalc_addr: 0,
        login_type: 0x1700,
        loclcalc_addr: 0,
        tail: None,
    })
}

fn plain_login() -> Message<'static> {
    Message::Login(wire::message::Login {
        login_type: 0x1700,
        name: "alice".into(),
        auth_data: b"secret",
        auth_type: AuthType::Plain.code(),
        unknown: 0,
    })
}

fn login_ack<'a>(login: LoginInfo<'a>) -> Message<'a> {
    Message::LoginAck(LoginAck {
        login,
        unknown: 0,
        privacy: PrivacyInfo {
            deny: true,
            users: Vec::new(),
        },
        status: UserStatus::default(),
    })
}

/// Runs the exchange up to the LOGIN and returns what the server half makes of it.
fn proof_of(config: ClientConfig, edge: &mut Edge) -> Result<Proof, CloseReason> {
    let mut client = Client::new(config, &mut StdRng::seed_from_u64(2));
    let (mut to_server, mut events) = (Vec::new(), Vec::new());
    client.start(&mut to_server);
    let hello = &frames(&to_server)[0];
    assert_eq!(edge.receive(hello), Step::Nothing);
    to_server.clear();
    client.receive(&std::mem::take(&mut edge.out), &mut to_server, &mut events);
    let login = &frames(&to_server)[0];
    match edge.receive(login) {
        Step::Authenticate(LoginRequest { name, proof, .. }) => {
            assert_eq!(name, "alice".into());
            Ok(proof)
        }
        Step::Close(reason) => Err(reason),
        step => panic!("{step:?}"),
    }
}

#[test]
fn each_way_to_prove_oneself_arrives() {
    for auth_type in [
        AuthType::Plain,
        AuthType::Token,
        AuthType::Rc2_40,
        AuthType::Rc2_128,
    ] {
        let config = ClientConfig {
            auth_type,
            ..ClientConfig::new("alice", "hünter2")
        };
        let proof = proof_of(config, &mut Edge::new(AuthType::Plain)).unwrap();
        let secret = "hünter2".as_bytes().to_vec().into();
        let expected = match auth_type {
            AuthType::Token => Proof::Token(secret),
            _ => Proof::Password(secret),
        };
        assert_eq!(proof, expected, "{auth_type:?}");
        assert!(
            !format!("{proof:?}").contains("nter2"),
            "no log may show it"
        );
    }
}

#[test]
fn a_proof_below_the_weakest_allowed_is_refused() {
    let config = |auth_type| ClientConfig {
        auth_type,
        ..ClientConfig::new("alice", "secret")
    };
    let refused = |auth_type, weakest| {
        proof_of(config(auth_type), &mut Edge::new(weakest)) == Err(CloseReason::AuthTypeRefused)
    };
    assert!(refused(AuthType::Plain, AuthType::Rc2_40));
    assert!(refused(AuthType::Rc2_40, AuthType::Rc2_128));
    assert!(!refused(AuthType::Rc2_40, AuthType::Rc2_40));
    assert!(
        !refused(AuthType::Token, AuthType::Rc2_128),
        "no password; the caller decides"
    );
}

#[test]
fn a_damaged_proof_looks_like_a_wrong_password() {
    let mut edge = Edge::new(AuthType::Rc2_128);
    edge.ignore(&handshake(0x1e));
    let login = Message::Login(wire::message::Login {
        login_type: 0x1700,
        name: "alice".into(),
        auth_data: b"\x00\x01 no block",
        auth_type: AuthType::Rc2_128.code(),
        unknown: 0,
    });
    match edge.receive(&encoded(&login)[4..]) {
        Step::Authenticate(request) => assert_eq!(request.proof, Proof::Unreadable),
        step => panic!("{step:?}"),
    };
}

#[test]
fn an_unknown_way_to_prove_oneself_is_refused() {
    let mut edge = Edge::new(AuthType::Plain);
    edge.ignore(&handshake(0x1e));
    let Message::Login(login) = plain_login() else {
        unreachable!()
    };
    let login = Message::Login(wire::message::Login {
        auth_type: 3,
        ..login
    });
    assert_eq!(edge.close(&login), CloseReason::AuthTypeRefused);
}

/// A client that cannot use RC2/128 must not fall back to giving its password away.
#[test]
fn a_server_without_a_key_does_not_get_the_password_in_clear() {
    let recording = recording::load("03-login-rc2-40-no-key.json");
    let ack = recording
        .frames
        .iter()
        .find(|frame| !frame.to_server)
        .unwrap();
    let config = ClientConfig::new("alice", "secret");
    let mut client = Client::new(config, &mut StdRng::seed_from_u64(3));
    let (mut out, mut events) = (Vec::new(), Vec::new());
    client.start(&mut out);
    out.clear();
    client.receive(&ack.bytes, &mut out, &mut events);
    assert_eq!(
        events,
        [Event::Closed {
            reason: ReturnCode::ENCRYPT_MISMATCH
        }]
    );
    let goodbye = ChannelDestroy {
        channel: ChannelId::MASTER,
        reason: ReturnCode::ENCRYPT_MISMATCH,
        data: &[],
    };
    assert_eq!(out, encoded(&Message::ChannelDestroy(goodbye)));
}

#[test]
fn nothing_is_served_before_the_login() {
    let status = Message::SetUserStatus(UserStatus::default());
    let unknown = Message::Unknown { kind: 0x7777 };
    for early in [&status, &unknown, &plain_login(), &Message::LoginContinue] {
        assert_eq!(
            Edge::new(AuthType::Plain).close(early),
            CloseReason::NotLoggedIn
        );
    }
    let mut greeted = Edge::new(AuthType::Plain);
    greeted.ignore(&handshake(0x1e));
    assert_eq!(greeted.close(&status), CloseReason::NotLoggedIn);
    let mut greeted = Edge::new(AuthType::Plain);
    greeted.ignore(&handshake(0x1e));
    assert_eq!(greeted.close(&handshake(0x1e)), CloseReason::NotLoggedIn);

    let mut authenticating = Edge::new(AuthType::Plain);
    authenticating.ignore(&handshake(0x1e));
    assert!(matches!(
        authenticating.receive(&encoded(&plain_login())[4..]),
        Step::Authenticate(_)
    ));
    assert_eq!(authenticating.close(&status), CloseReason::NotLoggedIn);
    assert!(!authenticating.server.is_active());
}

#[test]
fn an_acceptance_without_a_login_changes_nothing() {
    let mut edge = Edge::new(AuthType::Plain);
    edge.server.accepted();
    assert!(!edge.server.is_active());
    assert_eq!(
        edge.server.frame_bytes_max(),
        frame::FRAME_BYTES_MAX_BEFORE_LOGIN
    );
    let edge = Edge::active();
    assert!(edge.server.is_active());
    assert_eq!(edge.server.frame_bytes_max(), frame::FRAME_BYTES_MAX);
}

#[test]
fn old_protocols_are_told_so() {
    assert_eq!(
        Edge::new(AuthType::Plain).close(&handshake(0x1d)),
        CloseReason::VersionMismatch
    );
    let mut newer = Edge::new(AuthType::Plain);
    newer.ignore(&handshake(0x1f));
    match Message::decode(&newer.out[4..]).unwrap() {
        Message::HandshakeAck(ack) => {
            assert_eq!(
                (ack.major, ack.minor, ack.srvrcalc_addr),
                (0x1e, 0x1d, 0x7f00_0001)
            );
            assert_eq!(ack.challenge.unwrap().key.len(), 64);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_logout_is_a_logout_in_every_state() {
    let logout = encoded(&Message::ChannelDestroy(ChannelDestroy {
        channel: ChannelId::MASTER,
        reason: ReturnCode::SUCCESS,
        data: &[],
    }));
    assert_eq!(
        Edge::new(AuthType::Plain).receive(&logout[4..]),
        Step::Logout
    );
    assert_eq!(Edge::active().receive(&logout[4..]), Step::Logout);
}

#[test]
fn what_a_logged_in_client_has_no_business_to_say_is_dropped() {
    let mut edge = Edge::active();
    let on_master = ChannelSend {
        channel: ChannelId::MASTER,
        encrypted: false,
        kind: 0,
        data: b"",
    };
    let accept = ChannelAccept {
        channel: ChannelId::MASTER,
        protocol: wire::id::Protocol::IM,
        addtl: &[],
        acceptor: None,
        mode: 0,
        answer: None,
    };
    edge.out.clear();
    for message in [
        handshake(0x1e),
        plain_login(),
        Message::LoginContinue,
        login_ack(LoginInfo::default()),
        Message::Admin {
            text: "the building burns".into(),
        },
        Message::Unknown { kind: 0x7777 },
        Message::ChannelSend(on_master),
        Message::ChannelAccept(accept),
    ] {
        edge.ignore(&message);
    }
    assert!(edge.out.is_empty());
    let status = Message::SetUserStatus(UserStatus::default());
    assert_eq!(edge.receive(&encoded(&status)[4..]), Step::Deliver(status));
}

#[test]
fn what_cannot_be_read_ends_the_connection() {
    assert_eq!(
        Edge::new(AuthType::Plain).receive(&[0]),
        Step::Close(CloseReason::ProtocolError)
    );
    let status = encoded(&Message::SetUserStatus(UserStatus::default()));
    let cut = &status[4..status.len() - 1];
    assert_eq!(
        Edge::active().receive(cut),
        Step::Close(CloseReason::ProtocolError)
    );
}

#[test]
fn attributes_and_unknown_options_of_the_header_are_skipped() {
    let status = encoded(&Message::SetUserStatus(UserStatus::default()));
    let mut frame = status[4..8].to_vec();
    frame[2] = 0x81;
    frame.extend_from_slice(&status[8..12]);
    frame.extend_from_slice(&[0, 0, 0, 3, 1, 2, 3]);
    frame.extend_from_slice(&status[12..]);
    let expected = Message::SetUserStatus(UserStatus::default());
    assert_eq!(Message::decode(&frame), Ok(expected));
}

#[test]
fn every_end_is_told_with_its_code_or_not_at_all() {
    for reason in CloseReason::ALL {
        let mut out = Vec::new();
        put_close(&mut out, reason);
        match reason.code() {
            None => assert!(out.is_empty(), "{reason}"),
            Some(code) => {
                assert!(!code.is_success(), "{reason} would leave clients hanging");
                let destroy = ChannelDestroy {
                    channel: ChannelId::MASTER,
                    reason: code,
                    data: &[],
                };
                assert_eq!(
                    Message::decode(&out[4..]),
                    Ok(Message::ChannelDestroy(destroy))
                );
            }
        }
    }
}

/// The server half takes everything that real clients were recorded to say.
#[test]
fn recorded_clients_are_understood() {
    for recording in recording::all() {
        let mut edges: HashMap<&str, Edge> = HashMap::new();
        for frame in recording.frames.iter().filter(|frame| frame.to_server) {
            let Some(body) = frame.body() else { continue };
            let edge = edges
                .entry(&frame.connection)
                .or_insert_with(|| Edge::new(AuthType::Plain));
            match edge.receive(body) {
                Step::Nothing | Step::Deliver(_) => {}
                Step::Authenticate(_) => edge.server.accepted(),
                // The same person may come again.
                Step::Logout => {
                    edges.remove(&*frame.connection);
                }
                Step::Close(reason) => {
                    panic!("{}, frame {}: {reason}", recording.file, frame.number)
                }
            }
        }
    }
}

/// What the client half makes of everything that a server sent to one user in a recording.
fn events_of(file: &str, user: &str) -> Vec<Event> {
    let recording = recording::load(file);
    let mut client = Client::new(
        ClientConfig::new(user, "secret"),
        &mut StdRng::seed_from_u64(4),
    );
    let (mut out, mut events) = (Vec::new(), Vec::new());
    client.start(&mut out);
    let theirs = |frame: &&recording::Frame| !frame.to_server && frame.connection == user;
    for frame in recording.frames.iter().filter(theirs) {
        client.receive(&frame.bytes, &mut out, &mut events);
    }
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Malformed(_))),
        "{events:?}"
    );
    events
}

#[test]
fn recorded_presence_is_understood() {
    let events = events_of("06-aware.json", "alice");
    let states: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Presence(Presence { user, online, .. }) => Some((
                user.as_str(),
                online.as_ref().map(|online| online.status.status),
            )),
            _ => None,
        })
        .collect();
    assert_eq!(states, [("bob", Some(Status::BUSY)), ("bob", None)]);
    let snapshot = events.iter().find_map(|event| match event {
        Event::Snapshot(people) if !people.is_empty() => Some(people),
        _ => None,
    });
    let there: Vec<_> = snapshot
        .unwrap()
        .iter()
        .map(|p| (&*p.user, p.online.is_some()))
        .collect();
    assert_eq!(there, [("carol", false), ("bob", true)]);
    assert!(events.contains(&Event::Attribute {
        user: "bob".into(),
        key: 6,
        value: Some(vec![0, 1])
    }));
    assert!(events.contains(&Event::Attribute {
        user: "bob".into(),
        key: 6,
        value: None
    }));
}

#[test]
fn recorded_answers_are_understood() {
    let resolved = events_of("07-resolve.json", "alice");
    let codes: Vec<_> = resolved
        .iter()
        .filter_map(|event| match event {
            Event::Resolved { id, code, results } => Some((*id, code.0, results.len())),
            _ => None,
        })
        .collect();
    assert_eq!(
        codes,
        [
            (1, 0, 1),
            (2, 0x8000_0005, 1),
            (3, 0x0001_0000, 2),
            (4, 0, 1)
        ]
    );

    let stored = events_of("14-storage.json", "alice");
    assert!(stored.contains(&Event::Loaded {
        id: 1,
        code: ReturnCode::NO_ELEMENT,
        items: Vec::new()
    }));
    assert!(stored.contains(&Event::Saved {
        id: 2,
        code: ReturnCode::SUCCESS
    }));

    let notices = events_of("17-privacy-announce-admin.json", "bob");
    assert!(notices.contains(&Event::Admin {
        text: "maintenance at noon".into()
    }));
    assert!(notices.contains(&Event::Privacy {
        deny: true,
        users: vec!["alice".into()]
    }));
    let announced = |event: &Event| {
        matches!(event, Event::Announcement { from, text, .. }
            if from.user_id == "alice" && text == "hear ye")
    };
    assert!(notices.iter().any(announced));

    let ended = events_of("18-server-disconnect.json", "alice");
    assert_eq!(
        ended.last(),
        Some(&Event::Closed {
            reason: ReturnCode::USER_REMOVED
        })
    );
}

/// After a restart of the storage service the client asks for it and opens it again.
#[test]
fn a_service_that_went_away_is_opened_again() {
    let events = events_of("19-service-restart.json", "alice");
    let storage: Vec<_> = events
        .iter()
        .filter(|event| {
            matches!(
                event,
                Event::ServiceOpened(ServiceId::STORAGE)
                    | Event::ServiceClosed {
                        service: ServiceId::STORAGE,
                        ..
                    }
                    | Event::Sensed(ServiceId::STORAGE)
            )
        })
        .collect();
    assert_eq!(
        storage.len(),
        4,
        "opened, closed, sensed, opened: {storage:?}"
    );
    assert_eq!(storage[0], storage[3]);
}

#[test]
fn a_stream_cut_at_every_byte_tells_the_same() {
    let recording = recording::load("06-aware.json");
    let theirs = |f: &&recording::Frame| !f.to_server && f.connection == "bob";
    let stream: Vec<u8> = recording
        .frames
        .iter()
        .filter(theirs)
        .flat_map(|frame| frame.bytes.clone())
        .collect();
    let listen = |pieces: &[&[u8]]| {
        let config = ClientConfig::new("bob", "secret");
        let mut client = Client::new(config, &mut StdRng::seed_from_u64(5));
        let (mut out, mut events) = (Vec::new(), Vec::new());
        client.start(&mut out);
        for piece in pieces {
            client.receive(piece, &mut out, &mut events);
        }
        (out, events)
    };
    let whole = listen(&[&stream]);
    assert!(whole.1.len() > 5);
    assert_eq!(
        listen(&stream.chunks(1).collect::<Vec<_>>()),
        whole,
        "byte by byte"
    );
    for at in 0..stream.len() {
        let (start, end) = stream.split_at(at);
        assert_eq!(listen(&[start, end]), whole, "cut at {at}");
    }
}

#[test]
fn nothing_can_be_asked_before_it_is_open() {
    let mut client = Client::new(
        ClientConfig::new("alice", "secret"),
        &mut StdRng::seed_from_u64(6),
    );
    let mut out = Vec::new();
    let bob = [AwareId::user("bob".into())];
    assert_eq!(client.watch(&bob, &mut out), Err(ClientError::NotOpen));
    assert_eq!(
        client.resolve(&["bob"], flags::USERS, &mut out),
        Err(ClientError::NotOpen)
    );
    assert_eq!(client.load(&[0], &mut out), Err(ClientError::NotOpen));
    let status = client.set_status(Status::AWAY, 0, "", &mut out);
    assert_eq!(status, Err(ClientError::NotLoggedIn));
    let im = client.open_im("bob", features::PLAIN, Offer::None, &mut out);
    assert_eq!(im, Err(ClientError::NotLoggedIn));
    assert_eq!(
        client.send_text(ChannelId(9), "hello", &mut out),
        Err(ClientError::NotOpen)
    );
    assert!(out.is_empty());
}

/// Two logged-in clients and the plainest server between them: it passes conversations on, fills in
/// who speaks, and answers nothing else.
struct Pair {
    clients: [Client; 2],
    edges: [Edge; 2],
    /// Pairs of channel ids, of client 0 and client 1.
    relays: Vec<[ChannelId; 2]>,
    events: [Vec<Event>; 2],
    /// What the clients have yet to read, as (client, bytes).
    inbox: VecDeque<(usize, Vec<u8>)>,
    next_channel: u32,
}

const NAMES: [&str; 2] = ["alice", "bob"];
const LOGIN_IDS: [&str; 2] = ["1CBDF3191190", "F11B87F89DFE"];

fn login_info(of: usize) -> LoginInfo<'static> {
    LoginInfo {
        login_id: LOGIN_IDS[of].into(),
        login_type: 0x1700,
        user_id: NAMES[of].into(),
        user_name: NAMES[of].into(),
        community: Text::default(),
        full: None,
    }
}

impl Pair {
    fn logged_in() -> Self {
        let client = |of: usize| {
            let config = ClientConfig {
                awareness: false,
                resolve: false,
                storage: false,
                ..ClientConfig::new(NAMES[of], "secret")
            };
            Client::new(config, &mut StdRng::seed_from_u64(100 + of as u64))
        };
        let mut pair = Self {
            clients: [client(0), client(1)],
            edges: [Edge::new(AuthType::Rc2_128), Edge::new(AuthType::Rc2_128)],
            relays: Vec::new(),
            events: [Vec::new(), Vec::new()],
            inbox: VecDeque::new(),
            next_channel: ChannelId::FIRST_FROM_SERVER.0,
        };
        for of in [0, 1] {
            let mut out = Vec::new();
            pair.clients[of].start(&mut out);
            pair.run(of, &out);
            assert_eq!(pair.take_events(of), [Event::LoggedIn]);
            assert_eq!(pair.clients[of].me().unwrap().login_id, LOGIN_IDS[of]);
        }
        pair
    }

    fn take_events(&mut self, of: usize) -> Vec<Event> {
        std::mem::take(&mut self.events[of])
    }

    /// Lets client `of` do something, and both sides speak until nobody has anything to say.
    fn act<T>(&mut self, of: usize, action: impl FnOnce(&mut Client, &mut Vec<u8>) -> T) -> T {
        let mut out = Vec::new();
        let result = action(&mut self.clients[of], &mut out);
        self.run(of, &out);
        result
    }

    fn run(&mut self, of: usize, said: &[u8]) {
        self.serve(of, said);
        while let Some((of, bytes)) = self.inbox.pop_front() {
            let mut out = Vec::new();
            self.clients[of].receive(&bytes, &mut out, &mut self.events[of]);
            self.serve(of, &out);
        }
    }

    fn serve(&mut self, of: usize, said: &[u8]) {
        for body in frames(said) {
            let other = 1 - of;
            let message = match self.edges[of].receive(&body) {
                Step::Nothing => {
                    let answer = std::mem::take(&mut self.edges[of].out);
                    self.inbox.push_back((of, answer));
                    continue;
                }
                Step::Authenticate(request) => {
                    assert_eq!(request.proof, Proof::Password(b"secret".to_vec().into()));
                    self.edges[of].server.accepted();
                    self.inbox
                        .push_back((of, encoded(&login_ack(login_info(of)))));
                    continue;
                }
                Step::Deliver(message) => message,
                step => panic!("{step:?}"),
            };
            let passed_on = match message {
                Message::ChannelCreate(mut create) => {
                    let mut ids = [create.channel; 2];
                    ids[other] = ChannelId(self.next_channel);
                    self.next_channel += 1;
                    self.relays.push(ids);
                    create.channel = ids[other];
                    create.creator = Some(login_info(of));
                    Message::ChannelCreate(create)
                }
                Message::ChannelAccept(mut accept) => {
                    accept.channel = self.other_id(of, accept.channel);
                    accept.acceptor = Some(login_info(of));
                    Message::ChannelAccept(accept)
                }
                Message::ChannelSend(mut send) => {
                    send.channel = self.other_id(of, send.channel);
                    Message::ChannelSend(send)
                }
                Message::ChannelDestroy(mut destroy) => {
                    destroy.channel = self.other_id(of, destroy.channel);
                    Message::ChannelDestroy(destroy)
                }
                other => panic!("{other:?}"),
            };
            self.inbox.push_back((other, encoded(&passed_on)));
        }
    }

    fn other_id(&self, of: usize, channel: ChannelId) -> ChannelId {
        self.relays.iter().find(|ids| ids[of] == channel).unwrap()[1 - of]
    }

    /// Client 0 opens a conversation; returns the channel on both sides.
    fn offer(&mut self, offer: Offer) -> [ChannelId; 2] {
        let own = self
            .act(0, |client, out| {
                client.open_im("bob", features::RICH, offer, out)
            })
            .unwrap();
        let channel = match &self.take_events(1)[..] {
            [
                Event::ImOffered {
                    channel,
                    from,
                    features: features::RICH,
                },
            ] => {
                assert_eq!((&*from.user_id, &*from.login_id), (NAMES[0], LOGIN_IDS[0]));
                *channel
            }
            events => panic!("{events:?}"),
        };
        [own, channel]
    }
}

#[test]
fn two_people_talk_with_every_cipher() {
    for (offer, cipher) in [
        (Offer::None, Cipher::None),
        (Offer::Rc2_40, Cipher::Rc2_40),
        (Offer::Rc2_128, Cipher::Rc2_128),
        (Offer::Both, Cipher::Rc2_128),
    ] {
        let mut pair = Pair::logged_in();
        let [at_alice, at_bob] = pair.offer(offer);
        let chosen = pair.act(1, |bob, out| bob.accept_im(at_bob, out));
        assert_eq!(chosen, Ok(cipher));
        assert_eq!(
            pair.take_events(0),
            [Event::ImOpened {
                channel: at_alice,
                cipher
            }]
        );

        let long = "<p>…</p>".repeat(1000);
        pair.act(0, |alice, out| {
            alice.send_typing(at_alice, true, out).unwrap();
            alice.send_text(at_alice, "hello bob", out).unwrap();
            alice
                .send_data(at_alice, data_type::SUBJECT, 0, b"the topic", out)
                .unwrap();
            alice.send_html(at_alice, "<b>bold</b>", out).unwrap();
            alice.send_html(at_alice, &long, out).unwrap();
            alice.send_mime(at_alice, &[b'x'; 5000], out).unwrap();
            alice
                .send_data(at_alice, 0x6, 7, b"2024:01:01", out)
                .unwrap();
        });
        let said = |said| Event::Im {
            channel: at_bob,
            said,
        };
        assert_eq!(
            pair.take_events(1),
            [
                said(Said::Typing(true)),
                said(Said::Text("hello bob".into())),
                said(Said::Subject("the topic".into())),
                said(Said::Html("<b>bold</b>".into())),
                said(Said::Html(long)),
                said(Said::Mime(vec![b'x'; 5000])),
                said(Said::Other {
                    data_type: 6,
                    subtype: 7,
                    payload: b"2024:01:01".to_vec()
                }),
            ],
            "{offer:?}"
        );
        pair.act(1, |bob, out| bob.send_text(at_bob, "hello alice", out))
            .unwrap();
        let answer = Event::Im {
            channel: at_alice,
            said: Said::Text("hello alice".into()),
        };
        assert_eq!(pair.take_events(0), [answer]);

        pair.act(1, |bob, out| bob.close_im(at_bob, ReturnCode::SUCCESS, out));
        let closed = Event::ImClosed {
            channel: at_alice,
            reason: ReturnCode::SUCCESS,
        };
        assert_eq!(pair.take_events(0), [closed]);
    }
}

#[test]
fn a_refusal_arrives_with_its_reason() {
    let mut pair = Pair::logged_in();
    let [at_alice, at_bob] = pair.offer(Offer::Both);
    pair.act(1, |bob, out| {
        bob.close_im(at_bob, ReturnCode::CLIENT_USER_DND, out)
    });
    let refused = Event::ImClosed {
        channel: at_alice,
        reason: ReturnCode::CLIENT_USER_DND,
    };
    assert_eq!(pair.take_events(0), [refused]);
    let too_late = pair.act(0, |alice, out| alice.send_text(at_alice, "hello", out));
    assert_eq!(too_late, Err(ClientError::NotOpen));
}

/// Both sides count: after a message that cannot be deciphered nothing later can be either.
#[test]
fn a_conversation_that_lost_its_key_ends() {
    let mut pair = Pair::logged_in();
    let [at_alice, at_bob] = pair.offer(Offer::Rc2_40);
    pair.act(1, |bob, out| bob.accept_im(at_bob, out)).unwrap();
    pair.take_events(0);
    let mut damaged = Vec::new();
    frame::put_send(&mut damaged, at_bob, 0x64, true, &[7; 16]);
    pair.inbox.push_back((1, damaged));
    pair.run(1, &[]);
    let bad = |channel| Event::ImClosed {
        channel,
        reason: ReturnCode::BAD_DATA,
    };
    assert_eq!(pair.take_events(1), [bad(at_bob)]);
    assert_eq!(pair.take_events(0), [bad(at_alice)]);
}
