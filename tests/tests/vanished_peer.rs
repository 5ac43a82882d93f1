//! A peer that vanishes: its packets are dropped, nobody closes anything.
//!
//! In a file of its own because it takes as long as the server may take to notice, 90 s.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

use isochron_tests::{Client, Ports, Server, password_of, poll, tool};
use std::time::{Duration, Instant};

/// How long a vanished peer may be seen.
///
/// Source: `docs/protocol/connection.md`, "Keep-alive".
const VANISHED_AFTER_MAX: Duration = Duration::from_secs(90);

/// Far away: nobody tells the server's machine anything, it only hears no answer.
#[test]
fn who_vanishes_is_gone_for_watchers_within_90_seconds() {
    vanishes(Neighbour::Permanent);
}

/// In the same network: the server's machine finds that it cannot reach the client's, and says so.
#[test]
fn who_vanishes_next_door_is_gone_for_watchers_within_90_seconds() {
    vanishes(Neighbour::Asked);
}

fn vanishes(neighbour: Neighbour) {
    let mut server = Server::start(Ports::Shared, &[]);
    let network = Namespace::new(neighbour);
    let mut alice = Client::new(
        "127.0.0.1",
        server.legacy_port(),
        "alice",
        &password_of("alice"),
    );
    alice.login();
    let mut bob = Client::inside(
        &network.name,
        &network.host_address,
        server.legacy_port(),
        "bob",
    );
    bob.login();
    bob.fence();
    alice.watch("bob", "active");

    // The hard case is a client to which nothing is on its way: only then must the server ask by itself.
    network.wait_acknowledged(server.legacy_port());
    network.drop_everything();

    let vanished = Instant::now();
    alice.expect_within(VANISHED_AFTER_MAX, &["aware", "user=bob", "status=offline"]);
    eprintln!("gone for its watcher after {:.0?}", vanished.elapsed());
    server.wait_closed("peer_vanished", 1);
    alice.fence();
    server.stop();
}

/// Of the client's virtual network card; any that is marked as chosen locally.
const CARD_ADDRESS: &str = "02:00:00:00:00:02";

/// What this machine's kernel does about the client's card.
#[derive(Debug, Clone, Copy)]
enum Neighbour {
    /// Its address is known for ever, as that of a router is that goes on working.
    Permanent,
    /// It is asked for its address, and asked again when it has been silent.
    Asked,
}

/// A network of its own for one client, joined to this machine's by a pair of virtual cards.
struct Namespace {
    name: String,
    card: String,
    host_address: String,
}

impl Namespace {
    fn new(neighbour: Neighbour) -> Self {
        // Names of network cards have at most 15 bytes.
        let id = std::process::id();
        let kind = neighbour as u32;
        let (name, card) = (format!("isochron{id}-{kind}"), format!("iso{id}-{kind}"));
        // Of 198.18.0.0/15, which is reserved for tests of networks; four addresses for each test.
        let block = (id % (1 << 14) * 2 + kind) * 4;
        let address = |host: u32| {
            let [a, b, c, d] = (0xc612_0000 + block + host).to_be_bytes();
            format!("{a}.{b}.{c}.{d}")
        };
        let network = Self {
            name: name.clone(),
            card: card.clone(),
            host_address: address(1),
        };
        ip(&["netns", "add", &name]);
        ip(&[
            "link",
            "add",
            &card,
            "type",
            "veth",
            "peer",
            "name",
            "client",
            "address",
            CARD_ADDRESS,
            "netns",
            &name,
        ]);
        ip(&[
            "address",
            "add",
            &format!("{}/30", address(1)),
            "dev",
            &card,
        ]);
        ip(&["link", "set", &card, "up"]);
        ip(&[
            "-n",
            &name,
            "address",
            "add",
            &format!("{}/30", address(2)),
            "dev",
            "client",
        ]);
        ip(&["-n", &name, "link", "set", "client", "up"]);
        if let Neighbour::Permanent = neighbour {
            // Otherwise the kernel would miss the answers to its own questions for the card's address, and tell
            // the server that the host cannot be reached.
            ip(&[
                "neighbour",
                "replace",
                &address(2),
                "lladdr",
                CARD_ADDRESS,
                "nud",
                "permanent",
                "dev",
                &card,
            ]);
        }
        network
    }

    /// Waits until the client has acknowledged all that the server sent.
    fn wait_acknowledged(&self, port: u16) {
        poll("the client to acknowledge everything", || {
            let output = tool("ss", "iproute2")
                .args(["-Htin", "state", "established", "dst"])
                .arg(format!("{}/30", self.host_address))
                .args(["and", "sport", "=", &format!(":{port}")])
                .output()
                .expect("ss starts");
            let sockets = String::from_utf8_lossy(&output.stdout);
            (!sockets.trim().is_empty() && !sockets.contains("unacked:")).then_some(())
        });
    }

    /// From now on nothing gets in or out, and neither side is told.
    fn drop_everything(&self) {
        // What the client sends is swallowed; what comes is for a card that is not there any more, and nobody
        // answers who asks for another one.
        ip(&[
            "-n",
            &self.name,
            "route",
            "add",
            "blackhole",
            &format!("{}/32", self.host_address),
        ]);
        ip(&[
            "-n",
            &self.name,
            "link",
            "set",
            "client",
            "address",
            "02:00:00:00:00:03",
            "arp",
            "off",
        ]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Best effort: a test that failed early has made only a part.
        let _ = tool("ip", "iproute2")
            .args(["link", "delete", &self.card])
            .output();
        let _ = tool("ip", "iproute2")
            .args(["netns", "delete", &self.name])
            .output();
    }
}

fn ip(words: &[&str]) {
    let output = tool("ip", "iproute2")
        .args(words)
        .output()
        .expect("ip starts");
    let fault = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "ip {words:?} (needs root or CAP_NET_ADMIN and CAP_SYS_ADMIN): {fault}"
    );
}
