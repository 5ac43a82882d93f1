//! The stream itself: floods, cuts, and chance.

use crate::*;

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
