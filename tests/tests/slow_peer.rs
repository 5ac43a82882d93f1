//! A client that does not read: it ends under a reason of its own, costs a bounded amount of memory, and
//! disturbs nobody.
//!
//! In a file of its own because it takes as long as the server waits for such a client, 25 s.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

use isochron_tests::raw::{IM, Raw, accept, create, kind, plain_im, send};
use isochron_tests::{Client, Ports, Server, password_of, poll_within};
use std::io::Write;
use std::time::Duration;

/// The stall time, the last words, and a busy machine.
const NOTICED_AFTER_MAX: Duration = Duration::from_secs(60);
/// What one client that does not read may cost: its outbox, what its connection has taken from it, and the
/// allocator's waste.
const COST_KIB_MAX: u64 = 16 * 1024;

#[test]
fn who_does_not_read_is_disconnected_and_disturbs_nobody() {
    let mut server = Server::start(
        Ports::Shared,
        &[("Isochron", "WEAKEST_AUTHENTICATION", "plain")],
    );
    let port = server.legacy_port();
    let mut watcher = Client::new("127.0.0.1", port, "alice", &password_of("alice"));
    watcher.login();

    let mut writer = Raw::logged_in(port, "carol");
    let mut reader = Raw::logged_in(port, "bob");
    watcher.watch("bob", "active");
    let before = server.resident_kib();
    writer.send(&create(1, "bob", IM, &plain_im()));
    let offered = reader.expect("the offer", |message| message.kind == kind::CHANNEL_CREATE);
    // Reserved field, then the new channel.
    reader.send(&accept(offered.u32_at(4), IM));
    writer.expect("the answer", |message| message.kind == kind::CHANNEL_ACCEPT);

    // Bob reads no more. Carol writes until the server stops reading from her: that is how a flood is slowed.
    let message = send(1, 0x64, &[0; 60_000]);
    let flood = writer.second();
    let flooding = std::thread::spawn(move || {
        let mut flood = flood;
        let mut written = 0_u64;
        while flood.stream().write_all(&message).is_ok() {
            written += message.len() as u64;
        }
        written
    });
    let mut most = 0;
    poll_within("bob to be disconnected", NOTICED_AFTER_MAX, || {
        most = most.max(server.resident_kib());
        (server.closed("slow_consumer") == 1).then_some(())
    });
    assert!(
        most < before + COST_KIB_MAX,
        "{before} KiB before, {most} KiB at most"
    );
    watcher.expect_within(NOTICED_AFTER_MAX, &["aware", "user=bob", "status=offline"]);
    watcher.fence();

    server.stop();
    let written = flooding.join().expect("the flood ends with the server");
    assert!(written > 0);
}
