//! A quick look at what a port shows: one handshake of rustls, as often as a test likes.
//!
//! Also for what the distribution's OpenSSL and GnuTLS do not know yet: the hybrid key exchange X25519MLKEM768.

use crate::{PATIENCE, tls};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, NamedGroup};
use std::net::TcpStream;
use std::sync::Arc;

/// The certificate that a port shows, `None` when there is no handshake.
#[must_use]
pub fn leaf(port: u16) -> Option<CertificateDer<'static>> {
    let connection = shake(port, tls::config(aws_lc_rs::default_provider()))?;
    let chain = connection.peer_certificates()?;
    Some(chain.first()?.clone().into_owned())
}

/// The key exchange that a handshake agrees on when the client offers these and no other.
#[must_use]
pub fn group(port: u16, offered: &[&'static dyn SupportedKxGroup]) -> Option<NamedGroup> {
    let provider = CryptoProvider {
        kx_groups: offered.to_vec(),
        ..aws_lc_rs::default_provider()
    };
    let connection = shake(port, tls::config(provider))?;
    Some(connection.negotiated_key_exchange_group()?.name())
}

fn shake(port: u16, config: ClientConfig) -> Option<ClientConnection> {
    let name = ServerName::try_from("localhost").expect("a host name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("a client starts");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket takes a time-out");
    while client.is_handshaking() {
        client.complete_io(&mut stream).ok()?;
    }
    Some(client)
}
