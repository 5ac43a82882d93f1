//! Clients that logged in and then misbehave.

use crate::*;

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
