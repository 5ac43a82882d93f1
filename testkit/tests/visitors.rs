//! Those who come for TLS alone, against the floor of TLS: what they claim to have done has been done.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;
use testkit::server::Server;
use testkit::tls::{Handshake, Identity, Key, whatever_the_certificate};
use testkit::visit::{self, Visitors};

const DEADLINE: Duration = Duration::from_secs(60);

fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

async fn start(words: &[&OsStr]) -> Server {
    let program = Path::new(env!("CARGO_BIN_EXE_floor_copy"));
    Server::floor_copy(program, words).await.unwrap()
}

async fn start_tls(identity: &Identity, handshakes: &str, backend: Option<&str>) -> Server {
    let (certificate, key) = (&identity.certificate, &identity.key);
    let mut words = vec![
        OsStr::new("tls"),
        certificate.as_os_str(),
        key.as_os_str(),
        OsStr::new(handshakes),
    ];
    words.extend(backend.map(OsStr::new));
    start(&words).await
}

#[tokio::test]
async fn every_kind_of_handshake_is_what_it_says() {
    for (name, key) in [("visited-ecdsa", Key::Ecdsa), ("visited-rsa", Key::Rsa)] {
        let identity = Identity::make(folder(), name, key).unwrap();
        for resumed in [false, true] {
            let handshakes = if resumed { "resume" } else { "full" };
            let server = start_tls(&identity, handshakes, None).await;
            for (tls13, hybrid) in [(false, false), (true, false), (true, true)] {
                let handshake = Handshake {
                    tls13,
                    resumed,
                    hybrid,
                };
                let mut visitors = Visitors::new(server.address, handshake, 2).await.unwrap();
                // A handshake of the other kind would be an error.
                visitors.visit(3).await.unwrap();
            }
            server.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_resume_is_an_error_and_not_a_figure() {
    let identity = Identity::make(folder(), "forgetful", Key::Ecdsa).unwrap();
    let server = start_tls(&identity, "full", None).await;
    let handshake = Handshake {
        resumed: true,
        ..Handshake::FULL
    };
    let mut visitors = Visitors::new(server.address, handshake, 1).await.unwrap();
    let error = visitors.visit(1).await.unwrap_err();
    assert!(error.to_string().contains("Full"), "{error:#}");
}

#[tokio::test]
async fn all_bytes_come_back_from_the_echo_and_from_one_behind_it() {
    let identity = Identity::make(folder(), "talked", Key::Ecdsa).unwrap();
    let tls = whatever_the_certificate().unwrap();
    let echo = start(&[OsStr::new("plain")]).await;
    let port = echo.address.port().to_string();
    for backend in [None, Some(port.as_str())] {
        let server = start_tls(&identity, "full", backend).await;
        visit::talk(server.address, &tls, 2, 300_000, DEADLINE)
            .await
            .unwrap();
        let silent = visit::silent(server.address, &tls, 5, 2).await.unwrap();
        assert_eq!(silent.len(), 5);
        server.stop().await.unwrap();
    }
}
