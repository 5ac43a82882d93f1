//! What a server chooses, again and again, from what is left of all that it might.

use super::watched;
use crate::suites;
use crate::tls::{Handshake, anybody};
use rustls::CipherSuite;
use std::io;
use tokio::net::TcpStream;

/// The suites that a server takes, with the version and the group that it chooses with each: those of TLS 1.3 first,
/// and within a version in the order of its preference, if it has one. `connect` makes a connection to it for each.
///
/// What the TLS library does not have stays unseen: TLS 1.1 and older, and suites without forward secrecy.
pub async fn offers<F: Future<Output = io::Result<TcpStream>>>(
    host: &str,
    connect: impl Fn() -> F,
) -> Vec<Handshake> {
    let mut found = Vec::new();
    for version in ["tls1.3", "tls1.2"] {
        let mut left: Vec<CipherSuite> = suites::all()
            .filter(|suite| suites::version(*suite) == version)
            .collect();
        while !left.is_empty() {
            let Ok(socket) = connect().await else { break };
            let seen = watched(socket, host, |watch| anybody(&left, watch)).await;
            let Some(handshake) = seen.handshake else {
                break;
            };
            let before = left.len();
            left.retain(|suite| *suite != handshake.suite);
            if left.len() == before {
                break;
            }
            found.push(handshake);
        }
    }
    found
}
