//! What no decent client sends. Each time the sender gets the protocol's code or a close with its reason,
//! and two people who talk meanwhile notice nothing.
//!
//! Source: `docs/protocol/server-behaviour.md`, "Malformed input", "Limits", "Hardening".

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end by panicking anywhere"
)]

use isochron_tests::code::*;
use isochron_tests::raw::{
    AWARE, Bytes, IM, Message, RESOLVE, Raw, STORAGE, Seeded, Triple, create, create_with_offer,
    frame, frame_with_options, handshake, kind, load, login_body, plain_im, send,
};
use isochron_tests::{Client, Ports, Server, password_of, tls};
use std::io::Write;

/// The largest frame before and after the login.
const FRAME_BEFORE_LOGIN: usize = 64 * 1024;
const FRAME_AFTER_LOGIN: usize = 512 * 1024;

/// A server, and two people who talk to each other while others misbehave.
struct Watched {
    server: Server,
    port: u16,
    alice: Client,
    bob: Client,
    said: u32,
}

impl Watched {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(settings: &[(&str, &str, &str)]) -> Self {
        // Senders of bad input log in with plain passwords, so that they need no cipher.
        let mut all = vec![("Isochron", "WEAKEST_AUTHENTICATION", "plain")];
        all.extend(settings);
        let server = Server::start(Ports::Shared, &all);
        let port = server.legacy_port();
        let [mut alice, mut bob] =
            ["alice", "bob"].map(|user| Client::new("127.0.0.1", port, user, &password_of(user)));
        alice.login();
        bob.login();
        alice.open("bob");
        bob.expect(&["im-opened", "with=alice"]);
        let mut watched = Self {
            server,
            port,
            alice,
            bob,
            said: 0,
        };
        watched.undisturbed();
        watched
    }

    /// A message from each to the other, in the conversation that was open all the time.
    fn undisturbed(&mut self) {
        self.said += 1;
        self.alice.text(
            &mut self.bob,
            &format!("do you notice something? {}", self.said),
        );
        self.bob.text(&mut self.alice, &format!("no {}", self.said));
    }

    /// One connection, the first one, was closed for this reason.
    fn closed(&mut self, reason: &str) {
        self.closed_times(reason, 1);
    }

    fn closed_times(&mut self, reason: &str, count: u64) {
        self.server.wait_closed(reason, count);
        assert_eq!(
            self.server.closed(reason),
            count,
            "connections closed as {reason}"
        );
        self.undisturbed();
    }

    fn end(mut self) {
        self.undisturbed();
        self.server.stop();
    }
}

// ---- before the login ----

#[test]
fn messages_that_need_a_login_before_it() {
    let mut watched = Watched::new();
    let login = frame(kind::LOGIN, 0, &login_body(b"carol", b"carol-secret"));
    let too_early: [(&str, Vec<u8>, Vec<u8>); 6] = [
        ("login before the handshake", vec![], login),
        (
            "channel before the handshake",
            vec![],
            create(1, "", STORAGE, &[]),
        ),
        (
            "channel before the login",
            handshake(),
            create(1, "", STORAGE, &[]),
        ),
        (
            "status before the login",
            handshake(),
            frame(kind::SET_USER_STATUS, 0, &status(0x60, b"")),
        ),
        (
            "continue without a redirect",
            handshake(),
            frame(kind::LOGIN_CONTINUE, 0, &[]),
        ),
        ("a second handshake", handshake(), handshake()),
    ];
    for (index, (what, first, second)) in too_early.into_iter().enumerate() {
        println!("{what}");
        let mut raw = Raw::connect(watched.port);
        raw.send(&[first, second].concat());
        raw.expect_end(NOT_LOGGED_IN);
        watched.closed_times("not_logged_in", index as u64 + 1);
    }
    watched.end();
}

#[test]
fn a_protocol_that_is_too_old() {
    let mut watched = Watched::new();
    let mut raw = Raw::connect(watched.port);
    raw.send(&frame(
        kind::HANDSHAKE,
        0,
        &Bytes::new()
            .u16(0x1d)
            .u16(0)
            .u32(0)
            .u32(0)
            .u16(0x1700)
            .u32(0)
            .0,
    ));
    raw.expect_end(VERSION_MISMATCH);
    watched.closed("version_mismatch");
    watched.end();
}

#[test]
fn a_login_cut_at_every_byte() {
    let mut watched = Watched::new();
    // Without its last, optional field the message is complete.
    let body = Bytes::new()
        .u16(0x1700)
        .string(b"carol")
        .opaque(b"carol-secret")
        .u16(0)
        .0;
    for length in 0..body.len() {
        let mut raw = Raw::greeted(watched.port);
        raw.send(&frame(kind::LOGIN, 0, &body[..length]));
        raw.expect_end(PROTOCOL_ERROR);
    }
    watched.closed_times("protocol_error", body.len() as u64);
    // The whole of it is a login.
    let mut raw = Raw::greeted(watched.port);
    raw.send(&frame(kind::LOGIN, 0, &body));
    assert_eq!(raw.expect_message().kind, kind::LOGIN_ACK);
    watched.end();
}

#[test]
fn a_message_shorter_than_its_header() {
    let mut watched = Watched::new();
    for length in 1..8_u32 {
        let mut raw = Raw::greeted(watched.port);
        raw.send(&Bytes::new().u32(length).raw(&[0; 8][..length as usize]).0);
        raw.expect_end(PROTOCOL_ERROR);
    }
    watched.closed_times("protocol_error", 7);
    watched.end();
}

#[test]
fn names_and_lengths_that_lie() {
    let mut watched = Watched::new();
    let lying_name = Bytes::new().u16(0x1700).u16(0xffff).raw(b"carol").0;
    let lying_proof = Bytes::new()
        .u16(0x1700)
        .string(b"carol")
        .u32(u32::MAX)
        .raw(b"x")
        .0;
    for body in [lying_name, lying_proof] {
        let mut raw = Raw::greeted(watched.port);
        raw.send(&frame(kind::LOGIN, 0, &body));
        raw.expect_end(PROTOCOL_ERROR);
    }
    watched.closed_times("protocol_error", 2);

    // A name that is not text, empty, or very long is a wrong name and nothing worse.
    let long = vec![b'x'; 60_000];
    for name in [&b"\xff\xfe\x00carol"[..], b"", &long] {
        let mut raw = Raw::greeted(watched.port);
        raw.send(&frame(kind::LOGIN, 0, &login_body(name, b"\xff\x00")));
        raw.expect_end(INCORRECT_LOGIN);
    }
    watched.closed_times("wrong_login", 3);
    watched.end();
}

#[test]
fn oversized_frames() {
    let mut watched = Watched::new();
    // As the very first bytes they are not a frame of any client, and get no answer.
    let mut raw = Raw::connect(watched.port);
    raw.send(&Bytes::new().u32(0x7fff_ffff).0);
    raw.expect_close();
    watched.closed("garbage");

    // The length alone decides: nobody waits for the bytes, or makes room for them.
    for (count, length) in [(1, FRAME_BEFORE_LOGIN as u32 + 1), (2, 0x7fff_ffff)] {
        let mut raw = Raw::greeted(watched.port);
        raw.send(&Bytes::new().u32(length).0);
        raw.expect_end(FAT_MESSAGE);
        watched.closed_times("frame_too_large", count);
    }
    for (count, length) in [(3, FRAME_AFTER_LOGIN as u32 + 1), (4, 0x7fff_ffff)] {
        let mut raw = Raw::logged_in(watched.port, "carol");
        raw.send(&Bytes::new().u32(length).0);
        raw.expect_end(FAT_MESSAGE);
        watched.closed_times("frame_too_large", count);
    }

    // The largest ones allowed, of an unknown type, are read and dropped.
    let mut raw = Raw::logged_in(watched.port, "carol");
    for _ in 0..4 {
        raw.send(&frame(0x7777, 0, &vec![0xaa; FRAME_AFTER_LOGIN - 8]));
    }
    raw.expect_alive(1);
    watched.end();
}

// ---- the stream ----

#[test]
fn a_flood_of_keep_alives() {
    const FLOOD_MIB: usize = 64;
    let mut watched = Watched::new();
    let before = watched.server.resident_kib();
    let mebibyte = vec![0x80; 1 << 20];

    let mut raw = Raw::connect(watched.port);
    raw.send(&[0x80; 100]);
    raw.send(&handshake());
    assert_eq!(raw.expect_message().kind, kind::HANDSHAKE_ACK);

    let mut raw = Raw::logged_in(watched.port, "carol");
    for _ in 0..FLOOD_MIB {
        raw.send(&mebibyte);
    }
    watched.undisturbed();
    // Bytes of this kind between frames are skipped, however many; also frames without a message.
    raw.send(&[0xff; 1000]);
    raw.send(&[0; 4000]);
    raw.expect_alive(1);
    bounded(&watched.server, before);
    watched.end();
}

#[test]
fn frames_in_single_bytes_and_many_at_once() {
    let watched = Watched::new();
    let login = frame(kind::LOGIN, 0, &login_body(b"carol", b"carol-secret"));
    // What comes after the handshake need not wait for its answer.
    let hello = [handshake(), vec![0x80, 0x80], login].concat();
    let rest = [create(1, "", STORAGE, &[]), load(1, 7)].concat();
    for at_once in [false, true] {
        let mut raw = Raw::connect(watched.port);
        for (bytes, answered) in [(&hello, kind::LOGIN_ACK), (&rest, kind::CHANNEL_SEND)] {
            if at_once {
                raw.send(bytes);
            } else {
                bytes.iter().for_each(|byte| raw.send(&[*byte]));
            }
            raw.expect("the answer", |message| message.kind == answered);
        }
    }
    watched.end();
}

#[test]
fn frames_cut_off_by_the_end_of_the_stream() {
    let mut watched = Watched::new();
    let cut = create(1, "", STORAGE, &[]);
    for length in 1..cut.len() {
        let mut raw = Raw::logged_in(watched.port, "carol");
        raw.send(&cut[..length]);
        raw.finish();
        raw.drain();
    }
    watched.closed_times("peer_closed", cut.len() as u64 - 1);
    watched.end();
}

#[test]
fn random_frames() {
    const FRAMES: usize = 2000;
    let watched = Watched::new();
    let before = watched.server.resident_kib();
    let mut seeded = Seeded::new(0x1_5ec0_4a11);
    let kinds = [
        0x0000, 0x0001, 0x0002, 0x0003, 0x0004, 0x0006, 0x0009, 0x000b, 0x0011, 0x0016, 0x0022,
        0x8000, 0x4242,
    ];
    let mut raw = Raw::logged_in(watched.port, "carol");
    for count in 0..FRAMES {
        let kind = kinds[seeded.below(kinds.len())];
        let options = [0, 0, 0, 0x4000, 0x8000][seeded.below(5)];
        let channel = [0, 1, 2, 0x8000_0001, 0xffff_ffff][seeded.below(5)];
        let length = seeded.below(200);
        let body = seeded.bytes(length);
        raw.send(&frame_with_options(kind, options, channel, &body));
        // A frame that ends the login ends this round.
        if count % 20 == 19 {
            raw.finish();
            raw.drain();
            raw = Raw::logged_in(watched.port, "carol");
        }
    }
    bounded(&watched.server, before);
    watched.end();
}

#[test]
fn random_bytes() {
    let watched = Watched::new();
    let mut seeded = Seeded::new(0xbad_5eed);
    for _ in 0..200 {
        let length = 1 + seeded.below(2000);
        let bytes = seeded.bytes(length);
        let mut raw = Raw::connect(watched.port);
        raw.send(&bytes);
        raw.finish();
        // Whatever it is taken for, it ends.
        drain_bytes(&mut raw);
    }
    watched.end();
}

// ---- after the login ----

#[test]
fn messages_that_make_no_sense_are_dropped() {
    let watched = Watched::new();
    let mut raw = Raw::logged_in(watched.port, "carol");
    for kind in [0x0005, 0x000a, 0x0017, 0x1234, 0x7fff, 0x8002, 0xffff] {
        raw.send(&frame(kind, 0, b"\x00\x01\x02"));
    }
    // What only a server sends, and what belongs before the login.
    for kind in [
        kind::HANDSHAKE_ACK,
        kind::LOGIN_ACK,
        kind::ADMIN,
        0x0018,
        kind::LOGIN_CONTINUE,
    ] {
        raw.send(&frame(kind, 0, &[0; 40]));
    }
    raw.send(&handshake());
    raw.send(&frame(kind::LOGIN, 0, &login_body(b"alice", b"wrong")));
    // Data, an accept and an end for channels that are not there.
    for channel in [5, 0x7fff_ffff, 0x8000_0001, 0xffff_ffff] {
        raw.send(&send(channel, 1, b"data"));
        raw.send(&accept(channel, IM));
        raw.send(&frame(
            kind::CHANNEL_DESTROY,
            channel,
            &Bytes::new().u32(0).opaque(b"").0,
        ));
    }
    // Data on the master channel.
    raw.send(&send(0, 1, b"data"));
    // Attributes behind the header are skipped, bytes behind a message too.
    let with_attributes = Bytes::new()
        .opaque(b"any")
        .raw(&status(0x60, b""))
        .raw(b"more")
        .0;
    raw.send(&frame_with_options(
        kind::SET_USER_STATUS,
        0x8000,
        0,
        &with_attributes,
    ));
    raw.expect("the echo of the status", |message| {
        message.kind == kind::SET_USER_STATUS && message.body.starts_with(&[0, 0x60])
    });
    raw.expect_alive(1);
    watched.end();
}

#[test]
fn unknown_services_types_and_versions() {
    let watched = Watched::new();
    let mut raw = Raw::logged_in(watched.port, "carol");
    let table: [(Triple, u32); 11] = [
        ((0x4242, 1, 1), SERVICE_NO_SUPPORT),
        ((0, 0, 0), SERVICE_NO_SUPPORT),
        ((u32::MAX, u32::MAX, u32::MAX), SERVICE_NO_SUPPORT),
        // Known to the protocol, not served by this server.
        ((0x1a, 0x1c, 5), SERVICE_NO_SUPPORT),
        ((0x38, 0, 1), SERVICE_NO_SUPPORT),
        ((0x8000_0010, 0x10, 2), SERVICE_NO_SUPPORT),
        ((0x8000_0022, 0, 5), SERVICE_NO_SUPPORT),
        ((AWARE.0, 0x99, AWARE.2), PROTOCOL_NO_SUPPORT),
        ((STORAGE.0, 0x18, STORAGE.2), PROTOCOL_NO_SUPPORT),
        ((RESOLVE.0, RESOLVE.1, 0x7777_0000), VERSION_NO_SUPPORT),
        ((STORAGE.0, STORAGE.1, 0x7777_0000), VERSION_NO_SUPPORT),
    ];
    for (index, (triple, code)) in table.into_iter().enumerate() {
        let channel = index as u32 + 1;
        raw.send(&create(channel, "", triple, &[]));
        raw.expect_destroyed(channel, code);
    }
    raw.expect_alive(100);
    watched.end();
}

#[test]
fn channel_ids_of_the_wrong_parity_reused_and_unknown() {
    let watched = Watched::new();
    let mut raw = Raw::logged_in(watched.port, "carol");
    for channel in [0x8000_0001, 0xffff_ffff] {
        raw.send(&create(channel, "", STORAGE, &[]));
        raw.expect_destroyed(channel, REQUEST_INVALID);
    }
    // An id is free again when its channel is gone.
    for _ in 0..3 {
        raw.expect_alive(7);
    }
    // One that is in use: the channel may go, or the connection; nobody hangs.
    raw.open(9, STORAGE);
    raw.send(&create(9, "", STORAGE, &[]));
    let end = raw.expect("an end", |message| message.destroyed().is_some());
    let end = end.destroyed();
    assert!(
        [Some((9, CHANNEL_EXISTS)), Some((0, PROTOCOL_ERROR))].contains(&end),
        "{end:x?}"
    );

    // The master channel cannot be created.
    let mut raw = Raw::logged_in(watched.port, "dave");
    raw.send(&create(0, "", STORAGE, &[]));
    let end = raw
        .expect("an end", |message| message.destroyed().is_some())
        .destroyed();
    assert!(
        end.is_some_and(|(id, code)| id == 0 && code & 0x8000_0000 != 0),
        "{end:x?}"
    );
    watched.end();
}

#[test]
fn messages_cut_at_every_byte_after_the_login() {
    let mut watched = Watched::new();
    let target = Bytes::new().string(b"bob").string(b"").0;
    let create_body = Bytes::new()
        .u32(0)
        .u32(1)
        .raw(&target)
        .u32(0x18)
        .u32(0x25)
        .u32(1)
        .u32(0)
        .opaque(b"")
        .u8(0)
        .u16(0)
        .0;
    let announce_body = Bytes::new()
        .u8(0)
        .u16(0)
        .opaque(&Bytes::new().u8(1).string(b"hear").0)
        .u32(1)
        .string(b"@U bob")
        .0;
    let table = [
        (kind::SET_USER_STATUS, status(0x60, b"away")),
        (
            kind::SET_PRIVACY_LIST,
            Bytes::new().u8(1).u32(1).u8(0).string(b"bob").string(b"").0,
        ),
        (kind::SENSE_SERVICE, Bytes::new().u32(0x18).0),
        (kind::CHANNEL_CREATE, create_body),
        (kind::ANNOUNCE, announce_body),
    ];
    let mut count = 0;
    for (kind, body) in table {
        for length in 0..body.len() {
            let mut raw = Raw::logged_in(watched.port, "carol");
            raw.send(&frame(kind, 0, &body[..length]));
            println!("type {kind:#x}, {length} of {} bytes", body.len());
            raw.expect_destroyed(0, PROTOCOL_ERROR);
            count += 1;
        }
    }
    watched.closed_times("protocol_error", count);
    watched.end();
}

#[test]
fn lengths_and_counts_beyond_the_frame() {
    let mut watched = Watched::new();
    let table = [
        (
            kind::SET_USER_STATUS,
            Bytes::new().u16(0x60).u32(0).u16(0xffff).raw(b"short").0,
        ),
        (kind::SET_PRIVACY_LIST, Bytes::new().u8(1).u32(u32::MAX).0),
        (
            kind::SET_PRIVACY_LIST,
            Bytes::new()
                .u8(1)
                .u32(1000)
                .u8(0)
                .string(b"bob")
                .string(b"")
                .0,
        ),
        (
            kind::ANNOUNCE,
            Bytes::new()
                .u8(0)
                .u16(0)
                .opaque(&Bytes::new().u8(1).string(b"x").0)
                .u32(u32::MAX)
                .0,
        ),
        (kind::ANNOUNCE, Bytes::new().u8(0).u16(0).u32(u32::MAX).0),
        (
            kind::CHANNEL_CREATE,
            Bytes::new().u32(0).u32(1).u16(0xffff).raw(b"bob").0,
        ),
    ];
    let before = watched.server.resident_kib();
    let count = table.len() as u64;
    for (kind, body) in table {
        let mut raw = Raw::logged_in(watched.port, "carol");
        raw.send(&frame(kind, 0, &body));
        raw.expect_end(PROTOCOL_ERROR);
    }
    // An offer that says it has four thousand million ciphers.
    let mut raw = Raw::logged_in(watched.port, "carol");
    raw.send(&create_with_offer(
        1,
        "bob",
        IM,
        &plain_im(),
        1,
        &Bytes::new().u32(u32::MAX).0,
    ));
    raw.expect_end(PROTOCOL_ERROR);
    watched.closed_times("protocol_error", count + 1);
    bounded(&watched.server, before);
    watched.end();
}

#[test]
fn unreadable_data_inside_services() {
    let watched = Watched::new();
    let mut raw = Raw::logged_in(watched.port, "carol");

    // Presence has no message for errors: such data is dropped.
    raw.open(1, AWARE);
    for (send_kind, data) in [
        (0x68, Bytes::new().u32(u32::MAX).0),
        (
            0x68,
            Bytes::new().u32(2).u16(2).string(b"bob").string(b"").0,
        ),
        (0x68, Bytes::new().u32(1).u16(2).u16(0xffff).raw(b"bob").0),
        (0x68, vec![]),
        (0x69, Bytes::new().u32(9).0),
        (
            0xc9,
            Bytes::new().u32(0).u32(4).u32(0).u32(6).u32(u32::MAX).0,
        ),
        (0xcb, Bytes::new().u32(0).u32(u32::MAX).0),
        (0xeeee, b"whatever".to_vec()),
        // Complete, but a user without a name must never come back to a client: it would crash.
        (0x68, Bytes::new().u32(1).u16(2).string(b"").string(b"").0),
    ] {
        raw.send(&send(1, send_kind, &data));
    }

    // Storage and resolve answer what has a readable number.
    raw.open(2, STORAGE);
    raw.send(&send(
        2,
        0x0004,
        &Bytes::new().u32(41).u32(u32::MAX).u32(0).0,
    ));
    let answer = raw.expect("an answer of the storage service", is_loaded(2, 41));
    assert_eq!(answer.u32_at(6 + 4), BAD_DATA);
    raw.send(&send(
        2,
        0x0006,
        &Bytes::new().u32(42).u32(1).u32(20).u32(0).u32(u32::MAX).0,
    ));
    let answer = raw.expect("an answer of the storage service", |message| {
        message.kind == kind::CHANNEL_SEND && message.channel == 2 && message.u32_at(6) == 42
    });
    assert_eq!(answer.u32_at(6 + 4), BAD_DATA);

    raw.open(3, RESOLVE);
    raw.send(&send(
        3,
        0x0002,
        &Bytes::new().u32(0).u32(43).u32(u32::MAX).0,
    ));
    let answer = raw.expect("an answer of the resolve service", |message| {
        message.kind == kind::CHANNEL_SEND && message.channel == 3
    });
    assert_eq!((answer.u32_at(6 + 4), answer.u32_at(6 + 8)), (43, BAD_DATA));

    raw.expect_alive(4);
    watched.end();
}

#[test]
fn text_that_is_not_utf_8() {
    let mut watched = Watched::new();
    watched.bob.watch("carol", "offline");
    let mut raw = Raw::logged_in(watched.port, "carol");
    watched.bob.expect_status("carol", "active");
    raw.send(&frame(
        kind::SET_USER_STATUS,
        0,
        &status(0x60, b"\xff\xfe\xc3(\xed\xa0\x80"),
    ));
    watched.bob.expect_status("carol", "away");
    // Names that cannot be anybody's.
    raw.open(1, AWARE);
    raw.send(&send(
        1,
        0x68,
        &Bytes::new().u32(1).u16(2).string(b"\xff\xfe").string(b"").0,
    ));
    let snapshot = raw.expect("a snapshot", |message| {
        message.kind == kind::CHANNEL_SEND && message.channel == 1
    });
    assert!(
        snapshot.body.windows(2).any(|bytes| bytes == [0xff, 0xfe]),
        "the id comes back as it was sent"
    );
    let mut target = create(2, "xx", IM, &plain_im());
    let at = target
        .windows(2)
        .position(|bytes| bytes == b"xx")
        .expect("the name is in the frame");
    target[at..at + 2].copy_from_slice(&[0xff, 0xfe]);
    raw.send(&target);
    raw.expect_destroyed(2, NO_USER);
    raw.open(3, RESOLVE);
    raw.send(&send(
        3,
        0x0002,
        &Bytes::new()
            .u32(0)
            .u32(1)
            .u32(1)
            .string(b"\xff\xfe")
            .u32(0x18)
            .0,
    ));
    raw.expect("an answer of the resolve service", |message| {
        message.kind == kind::CHANNEL_SEND && message.channel == 3 && message.u32_at(6 + 4) == 1
    });
    // A message in a conversation is passed on as it is, and none of the server's business.
    raw.send(&create(4, "bob", IM, &plain_im()));
    raw.expect("the accept of bob", |message| {
        message.kind == kind::CHANNEL_ACCEPT && message.channel == 4
    });
    raw.send(&send(4, 0x64, &Bytes::new().u32(1).string(b"caf\xe9").0));
    watched.bob.expect(&["text", "from=carol"]);
    watched.end();
}

#[test]
fn ten_thousand_channels() {
    const CREATES: u32 = 10_000;
    const CHANNELS_MAX: usize = 1000;
    let mut watched = Watched::new();
    let before = watched.server.resident_kib();
    for (user, target, triple, addtl) in [
        ("carol", "", STORAGE, vec![]),
        ("dave", "nobody", IM, plain_im()),
        ("dave", "bob", IM, plain_im()),
    ] {
        let mut raw = Raw::logged_in(watched.port, user);
        let mut writer = raw.second();
        let sender = std::thread::spawn(move || {
            for channel in 1..=CREATES {
                writer.send(&create(channel, target, triple, &addtl));
            }
        });
        let (mut open, mut answers) = (0, 0);
        while answers < CREATES {
            match raw.message() {
                Some(message) if message.kind == kind::CHANNEL_ACCEPT => open += 1,
                Some(message) => match message.destroyed() {
                    Some((0, code)) => {
                        println!(
                            "{user} to {target:?}: closed with {code:#x} after {answers} answers"
                        );
                        break;
                    }
                    Some(_) => {}
                    None => continue,
                },
                None => break,
            }
            answers += 1;
        }
        assert!(open <= CHANNELS_MAX, "{open} channels are open at once");
        drop(raw);
        sender.join().expect("the sender ends");
        watched.undisturbed();
    }
    bounded(&watched.server, before);
    watched.end();
}

#[test]
fn a_client_cannot_crash_another() {
    let mut watched = Watched::new();
    let mut raw = Raw::logged_in(watched.port, "carol");

    // Public keys that make the receiving library abort or read outside its memory: no key, 1, the prime.
    let prime = "cf84afce86ddfa527f136d10357528eefba0afef808f29174e3b6a9e970001717c8f106c41c161a6\
                 ce91057b34da62cbb87bfdc1b35c1b910fea72249d566b9f";
    let prime: Vec<u8> = (0..prime.len() / 2)
        .map(|at| u8::from_str_radix(&prime[at * 2..at * 2 + 2], 16).expect("hexadecimal digits"))
        .collect();
    for (channel, key) in [(1, vec![]), (2, vec![1]), (3, prime), (4, vec![7; 4000])] {
        let offer = Bytes::new().u32(1).u16(1).opaque(&key).u16(0x2000).u8(0).0;
        raw.send(&create_with_offer(
            channel,
            "bob",
            IM,
            &plain_im(),
            0x2000,
            &offer,
        ));
        let end = raw.expect("the end of the channel", |message| {
            message.destroyed().is_some()
        });
        assert_eq!(end.destroyed().map(|(id, _)| id), Some(channel));
        watched.undisturbed();
    }

    // A request whose own part is too short for the receiver.
    for (channel, addtl) in [(10, &b""[..]), (11, &[0, 0, 0, 1, 0, 0])] {
        raw.send(&create(channel, "bob", IM, addtl));
        raw.expect_destroyed(channel, BAD_DATA);
        watched.undisturbed();
    }

    // Enciphered data that is empty, or no multiple of the cipher's block.
    for (channel, data) in [(20, &b""[..]), (21, b"1234567")] {
        raw.send(&create(channel, "bob", IM, &plain_im()));
        raw.expect("the accept of bob", |message| {
            message.kind == kind::CHANNEL_ACCEPT && message.channel == channel
        });
        let body = Bytes::new().u16(0x64).opaque(data).0;
        raw.send(&frame_with_options(
            kind::CHANNEL_SEND,
            0x4000,
            channel,
            &body,
        ));
        raw.expect_destroyed(channel, BAD_DATA);
        watched.undisturbed();
    }

    // An announcement with somebody else's name on it: the server writes the sender itself.
    let sender = Bytes::new()
        .string(b"FORGED")
        .u16(0)
        .string(b"alice")
        .string(b"Alice")
        .string(b"")
        .u8(0)
        .0;
    let body = Bytes::new().u8(1).raw(&sender).u16(0);
    let body = body
        .opaque(&Bytes::new().u8(1).string(b"forged").0)
        .u32(1)
        .string(b"@U bob")
        .0;
    raw.send(&frame(kind::ANNOUNCE, 0, &body));
    watched
        .bob
        .expect(&["announce", "from=carol", "text=forged"]);
    watched.end();
}

// ---- before anything ----

#[test]
fn who_says_nothing_is_not_waited_for() {
    let mut watched = Watched::with(&[
        ("Isochron", "DETECT_TIMEOUT_SECONDS", "1"),
        ("Isochron", "TLS_TIMEOUT_SECONDS", "1"),
        ("Isochron", "LOGIN_TIMEOUT_SECONDS", "1"),
    ]);
    let mut silent = Raw::connect(watched.port);
    silent.expect_close();
    watched.closed("detect_timeout");

    let mut half_tls = Raw::connect(watched.port);
    half_tls.send(&tls::hello(&mut tls::client())[..20]);
    half_tls.expect_close();
    watched.closed("tls_timeout");

    // One who shook hands and one who stopped in the middle of a frame are told why.
    for (count, rest) in [(1, &[][..]), (2, &[0, 0, 0, 100, 0])] {
        let mut raw = Raw::greeted(watched.port);
        raw.send(rest);
        raw.expect_end(CONNECTION_TIMED);
        watched.closed_times("login_timeout", count);
    }
    watched.end();
}

#[test]
fn other_protocols() {
    let mut watched = Watched::new();
    let table: [(&str, &[u8]); 6] = [
        (
            "http_not_served",
            b"GET /communityCBR HTTP/1.1\r\nHost: localhost\r\n\r\n",
        ),
        (
            "http_not_served",
            b"POST /communityCBR HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "http_not_served",
            b"CONNECT localhost:1533 HTTP/1.1\r\n\r\n",
        ),
        (
            "ssl2_hello",
            b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10",
        ),
        ("garbage", b"SSH-2.0-OpenSSH_9.2\r\n"),
        ("garbage", b"\x16\x04\x01\x00\x10"),
    ];
    let mut counts = std::collections::HashMap::new();
    for (reason, bytes) in table {
        let mut raw = Raw::connect(watched.port);
        raw.send(bytes);
        raw.expect_close();
        let count = counts.entry(reason).or_insert(0);
        *count += 1;
        watched.closed_times(reason, *count);
    }
    watched.end();
}

#[test]
fn a_client_hello_cut_at_every_byte() {
    let watched = Watched::new();
    let hello = tls::hello(&mut tls::client());
    let mut all = Vec::new();
    for length in 0..hello.len() {
        let mut raw = Raw::connect(watched.port);
        raw.send(&hello[..length]);
        raw.finish();
        all.push(raw);
    }
    for mut raw in all {
        drain_bytes(&mut raw);
    }
    let ended = || watched.server.closed("peer_closed") + watched.server.closed("tls_failed");
    isochron_tests::poll("every connection to be counted", || {
        (ended() >= hello.len() as u64).then_some(())
    });
    watched.end();
}

#[test]
fn a_client_hello_split_at_every_byte() {
    let watched = Watched::new();
    let length = tls::hello(&mut tls::client()).len();
    // All first parts are sent before the first second part, so that the server has seen each alone.
    let mut halves = Vec::new();
    for at in 1..length {
        let mut client = tls::client();
        let hello = tls::hello(&mut client);
        let mut raw = Raw::connect(watched.port);
        raw.send(&hello[..at]);
        halves.push((client, hello, at, raw));
    }
    for (mut client, hello, at, mut raw) in halves {
        raw.send(&hello[at..]);
        tls::finish(
            &mut client,
            raw.stream(),
            &format!("split after {at} bytes"),
        );
        // And what follows inside is served.
        client
            .writer()
            .write_all(&handshake())
            .expect("a client takes bytes");
        while client.wants_write() {
            client.write_tls(raw.stream()).expect("the server reads");
        }
        let mut answer = [0; 4];
        let mut stream = rustls::Stream::new(&mut client, raw.stream());
        std::io::Read::read_exact(&mut stream, &mut answer)
            .expect("the server answers the handshake");
        assert_eq!(u32::from_be_bytes(answer), 88, "the length of the answer");
    }
    watched.end();
}

#[test]
fn more_connections_than_the_capacity() {
    // Alice and bob are two of the three.
    let mut watched = Watched::with(&[("Config", "VPMX_CAPACITY", "3")]);
    let third = Raw::logged_in(watched.port, "carol");
    let mut fourth = Raw::connect(watched.port);
    fourth.send(&handshake());
    // A clean refusal: the client is told that the server is full, or not taken at all.
    match fourth.message() {
        Some(message) => assert_eq!(message.destroyed(), Some((0, SERVER_FULL))),
        None => println!("closed without a word"),
    }
    watched.closed("capacity_full");
    drop(third);
    // A place that becomes free is given again.
    let carol = isochron_tests::poll("a free place", || {
        let mut raw = Raw::connect(watched.port);
        raw.send(&handshake());
        let answer = raw.message()?;
        (answer.kind == kind::HANDSHAKE_ACK).then_some(raw)
    });
    drop(carol);
    watched.end();
}

// ---- helpers ----

fn status(value: u16, text: &[u8]) -> Vec<u8> {
    Bytes::new().u16(value).u32(0).string(text).0
}

fn accept(channel: u32, (service, proto_type, proto_ver): Triple) -> Vec<u8> {
    let body = Bytes::new()
        .u32(service)
        .u32(proto_type)
        .u32(proto_ver)
        .opaque(b"")
        .u8(0)
        .u16(0)
        .opaque(b"");
    frame(kind::CHANNEL_ACCEPT, channel, &body.0)
}

/// The storage service's answer to a question with this number.
fn is_loaded(channel: u32, request: u32) -> impl Fn(&Message) -> bool {
    // Behind the header: the service's message type and the length of its data.
    move |message| {
        message.kind == kind::CHANNEL_SEND
            && message.channel == channel
            && message.body.starts_with(&[0, 5])
            && message.u32_at(6) == request
    }
}

/// Reads until the end of the stream, whatever it is.
fn drain_bytes(raw: &mut Raw) {
    let mut buffer = [0; 4096];
    loop {
        match std::io::Read::read(raw.stream(), &mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(fault) if fault.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("the server does not close")
            }
            Err(_) => return,
        }
    }
}

/// Asserts that bad input has not grown the server; what one test may cost is far below what it sends or
/// claims to send.
fn bounded(server: &Server, before_kib: u64) {
    const GROWTH_MAX_KIB: u64 = 48 * 1024;
    let now = server.resident_kib();
    assert!(
        now < before_kib + GROWTH_MAX_KIB,
        "the server grew from {before_kib} to {now} KiB"
    );
}
