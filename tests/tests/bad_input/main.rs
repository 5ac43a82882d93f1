//! What no decent client sends. Each time the sender gets the protocol's code or a close with its reason,
//! and two people who talk meanwhile notice nothing.
//!
//! Source: `docs/protocol/server-behaviour.md`, "Malformed input", "Limits", "Hardening".

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end by panicking anywhere"
)]

mod after_login;
mod before_login;
mod stream;

use isochron_tests::code::*;
use isochron_tests::raw::{
    AWARE, Bytes, IM, Message, RESOLVE, Raw, STORAGE, Seeded, Triple, accept, create,
    create_with_offer, frame, frame_with_options, handshake, kind, load, login_body, plain_im,
    send,
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

fn status(value: u16, text: &[u8]) -> Vec<u8> {
    Bytes::new().u16(value).u32(0).string(text).0
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
