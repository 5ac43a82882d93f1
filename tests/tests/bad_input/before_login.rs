//! Clients that have not logged in, and some that never meant to.

use crate::*;

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
    // The whole of it is a login, and so is the whole with bytes behind it that nobody knows.
    for behind in [&[][..], &[0x55], &[0, 0, 0x55]] {
        let mut raw = Raw::greeted(watched.port);
        raw.send(&frame(kind::LOGIN, 0, &[&body, behind].concat()));
        assert_eq!(raw.expect_message().kind, kind::LOGIN_ACK);
    }
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
fn hellos_that_break_off_into_nonsense() {
    let mut watched = Watched::new();
    // Ten bytes of a hello's record, with a hello's header: more of it would have to come.
    let begun = b"\x16\x03\x01\x00\x05\x01\x00\x00\x10\x03";
    let unknown_type = [&begun[..], b"\x63\x03\x01\x00\x01\x00"].concat();
    let data = [&begun[..], b"\x17\x03\x03\x00\x01\x00"].concat();
    let table: [(&str, &[u8]); 4] = [
        // A handshake message of 64 KiB, announced in nine bytes.
        ("too large", b"\x16\x03\x01\x00\x04\x01\x01\x00\x00"),
        ("a record of no type inside a hello", &unknown_type),
        ("data inside a hello", &data),
        (
            "an end before the beginning",
            b"\x16\x03\x01\x00\x04\x14\x00\x00\x00",
        ),
    ];
    for (count, (what, bytes)) in (1..).zip(table) {
        println!("{what}");
        let mut raw = Raw::connect(watched.port);
        raw.send(bytes);
        drain_bytes(&mut raw);
        drop(raw);
        watched.closed_times("tls_failed", count);
    }
    assert_eq!(
        watched.server.closed("internal"),
        0,
        "a connection panicked"
    );
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
