//! The TLS side of a listener: its rules, and one client's handshake.

use crate::stream::{Tls, encode_alert, encode_into};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ProtocolVersion, SupportedProtocolVersion};
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::link::Transport;

/// What a client may send before its handshake is over: a hello is at most 64 KiB, and rustls keeps it whole.
const HANDSHAKE_BYTES_MAX: usize = 72 * 1024;
/// Read at once during a handshake; an ordinary hello fits.
const HANDSHAKE_READ_BYTES: usize = 4 * 1024;

/// The rules of a listener: what versions it speaks and whom it shows.
///
/// Sessions are not cached and no tickets are given, as the documented default says
/// (`docs/domain/tls-scopes.md`, 12).
///
/// # Errors
/// When no version lies in the range, or the crypto provider refuses the rules.
pub fn server_config(
    identity: CertifiedKey,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Carries out the handshake on a socket from which `first` has been read already.
///
/// # Errors
/// What the peer did wrong, as rustls says it (the peer has been sent its alert), or a broken socket. The caller
/// sets the deadline, and closes the socket so that the alert arrives.
pub(crate) async fn accept(
    socket: &mut TcpStream,
    first: Vec<u8>,
    config: Arc<ServerConfig>,
) -> io::Result<(Tls, Transport)> {
    let mut connection = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
    let mut incoming = first;
    let mut outgoing = Vec::new();
    loop {
        let UnbufferedStatus { discard, state } = connection.process_tls_records(&mut incoming);
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
                let tls = Tls {
                    connection,
                    incoming,
                    plain,
                    outgoing,
                    ended: false,
                    failed: false,
                };
                return Ok((tls, transport));
            }
            Step::Fail(error) => {
                encode_alert(&mut connection, &mut incoming, &mut outgoing);
                // As far as the socket takes it: the connection ends in any case.
                let _ = socket.write_all(&outgoing).await;
                return Err(io::Error::other(error));
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
