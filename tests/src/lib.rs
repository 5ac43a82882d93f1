//! What the tests in `tests/tests/` stand on: the server as a process, and clients that we did not write.
//!
//! A test starts its own [`Server`] on ports of its own, with the people of [`PEOPLE`]. Clients are
//! processes too: Debian's libmeanwhile behind a small driver ([`Client`]), or bytes of the test's own
//! making ([`raw`]). Whoever waits, waits for an event with a deadline, [`PATIENCE`]; the few things that
//! give no events (a screen, a counter) are asked again and again by [`poll`].
//!
//! A tool that is missing fails the test and names the Debian package; nothing is skipped.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a harness ends its test by panicking"
)]

pub mod client;
pub mod code;
pub mod desk;
pub mod java;
pub mod look;
pub mod pages;
pub mod pki;
mod process;
pub mod raw;
pub mod scanner;
pub mod server;
pub mod settings;
pub mod tls;
mod tools;
pub mod tunnel;
pub mod visit;
pub mod world;

pub use client::Client;
pub use server::{Ports, Server};
pub use settings::Settings;
pub use tools::tool;
pub use tunnel::Tunnel;
pub use world::World;

use std::time::{Duration, Instant};

/// How long a test waits for one event. Far more than any takes: it only says when to give up, on a
/// machine that hashes passwords with an unoptimised Argon2id for several tests at once.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Between two questions: often enough not to be noticed, seldom enough to leave the processor to the server.
const PAUSE: Duration = Duration::from_millis(20);

/// The embedded directory of every test server, as `isochron user import` reads it.
pub const PEOPLE: &str = "\
user,name,mail,password,groups
alice,Alice Example,alice@example.com,alice-secret,staff
bob,Bob Example,bob@example.com,bob-secret,staff;sales
carol,Carol Example,carol@example.com,carol-secret,sales
dave,Dave Other,dave@example.com,dave-secret,
";

/// The password of one of [`PEOPLE`].
#[must_use]
pub fn password_of(user: &str) -> String {
    format!("{user}-secret")
}

/// Asks until there is an answer, for what gives no events.
///
/// # Panics
/// When [`PATIENCE`] ends; the message says what was waited for.
pub fn poll<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    poll_within(what, PATIENCE, ask)
}

/// The same with a deadline that belongs to what is tested.
///
/// # Panics
/// When `patience` ends; the message says what was waited for.
pub fn poll_within<T>(what: &str, patience: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            Instant::now() < deadline,
            "waited {patience:?} in vain for {what}"
        );
        std::thread::park_timeout(PAUSE);
    }
}
