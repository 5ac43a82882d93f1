//! The TLS side of a listener: its rules, and one client's handshake.

mod config;
mod failure;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use config::server_config_by;
pub(crate) use config::{ClientRules, anybody};
pub use config::{client_config, no_fips, renew_keys_after, server_config};
pub use failure::{Failure, Reason};

use crate::sessions::Visit;
use crate::stream::{Tls, encode_alert, encode_into};
use crate::suites;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{CipherSuite, CommonState, HandshakeKind, NamedGroup, ProtocolVersion, ServerConfig};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::link::Transport;

/// What a client may send before its handshake is over: a hello is at most 64 KiB, and rustls keeps it whole.
const HANDSHAKE_BYTES_MAX: usize = 72 * 1024;
/// Read at once during a handshake; an ordinary hello fits.
const HANDSHAKE_READ_BYTES: usize = 4 * 1024;

/// What a handshake came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// The cipher suite, which belongs to one version.
    pub suite: CipherSuite,
    /// The key-exchange group; a resumed session of TLS 1.2 has none.
    pub group: Option<NamedGroup>,
    /// The session of an earlier connection was taken up.
    pub resumed: bool,
}

impl Handshake {
    /// The version as logs and metrics show it: `tls1.2` or `tls1.3`.
    #[must_use]
    pub fn version(&self) -> &'static str {
        suites::version(self.suite)
    }

    /// The suite's name in the registry.
    #[must_use]
    pub fn suite_name(&self) -> &'static str {
        suites::name(self.suite)
    }

    /// The group's name in the registry, or a dash.
    #[must_use]
    pub fn group_name(&self) -> &'static str {
        self.group.and_then(|group| group.as_str()).unwrap_or("-")
    }

    pub(crate) fn of(connection: &CommonState) -> Option<Self> {
        let group = connection.negotiated_key_exchange_group();
        Some(Self {
            suite: connection.negotiated_cipher_suite()?.suite(),
            group: group.map(|group| group.name()),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
        })
    }
}

/// Carries out the handshake on a socket from which `first` has been read already.
///
/// # Errors
/// A [`Failure`] inside the error where the peer did something wrong (it has been sent its alert), or a broken socket.
/// The caller sets the deadline, and closes the socket so that the alert arrives.
pub(crate) async fn accept(
    socket: &mut TcpStream,
    first: Vec<u8>,
    config: Arc<ServerConfig>,
    renew_keys_after: Option<Duration>,
) -> io::Result<(Tls, Transport)> {
    let mut connection = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
    let mut incoming = first;
    let mut outgoing = Vec::new();
    let mut visit = Visit::default();
    loop {
        let kind = connection.handshake_kind();
        if kind.is_some_and(|kind| kind != HandshakeKind::Resumed) {
            visit.begins_anew();
        }
        let UnbufferedStatus { discard, state } =
            visit.during(|| connection.process_tls_records(&mut incoming));
        let step = match state {
            Ok(ConnectionState::EncodeTlsData(mut data)) => {
                encode_into(&mut outgoing, |out| data.encode(out))?;
                Step::Continue
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                Step::Send
            }
            Ok(ConnectionState::BlockedHandshake) => Step::Receive,
            // Application data may have come along with the end of the handshake; it stays in `incoming`
            // where the stream's first read finds it.
            Ok(ConnectionState::WriteTraffic(_)) => Step::Done(Vec::new()),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                let mut plain = Vec::new();
                while let Some(record) = traffic.next_record() {
                    plain.extend_from_slice(record.map_err(io::Error::other)?.payload);
                }
                Step::Done(plain)
            }
            Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => Step::Fail(error),
        };
        incoming.drain(..discard);
        match step {
            Step::Continue => {}
            Step::Send => {
                socket.write_all(&outgoing).await?;
                outgoing.clear();
            }
            Step::Receive => {
                if incoming.len() > HANDSHAKE_BYTES_MAX {
                    return Err(io::Error::other("the handshake is longer than it may be"));
                }
                incoming.reserve(HANDSHAKE_READ_BYTES);
                if socket.read_buf(&mut incoming).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
            Step::Done(plain) => {
                incoming.shrink_to_fit();
                let transport = match connection.protocol_version() {
                    Some(ProtocolVersion::TLSv1_3) => Transport::Tls13,
                    _ => Transport::Tls12,
                };
                // The library renews the keys of TLS 1.3 only.
                let renew = renew_keys_after.filter(|_| transport == Transport::Tls13);
                let tls = Tls::new(connection, incoming, plain, outgoing, renew);
                return Ok((tls, transport));
            }
            Step::Fail(error) => {
                encode_alert(&mut connection, &mut incoming, &mut outgoing);
                // As far as the socket takes it: the connection ends in any case.
                let _ = socket.write_all(&outgoing).await;
                return Err(io::Error::other(Failure::from(error)));
            }
        }
    }
}

enum Step {
    Continue,
    Send,
    Receive,
    Done(Vec<u8>),
    Fail(rustls::Error),
}
