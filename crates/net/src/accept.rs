//! From an accepted socket to a clean stream: first bytes, then TLS where it is spoken, each with its deadline.

use crate::detect::{Detected, FIRST_BYTES_MAX, detect};
use crate::{Stream, tls};
use rustls::ServerConfig;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use wire::CloseReason;
use wire::link::Transport;

/// Room for the first read: a whole ClientHello or handshake message, so that it costs one system call.
const FIRST_READ_BYTES: usize = 2048;
/// How long a client whose handshake failed is given to read its alert and close.
const PART_DEADLINE: Duration = Duration::from_secs(2);
/// What it may still send meanwhile: more than any hello on its way.
const PART_BYTES_MAX: usize = 128 * 1024;

/// What a listener takes.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Clients without TLS are served.
    pub legacy: bool,
    /// Clients with TLS are served, by these rules.
    pub tls: Option<Arc<ServerConfig>>,
    /// How long a TLS connection keeps its keys while it sends (`SESSION_CACHE_TIME`); `None` without limit.
    pub renew_keys_after: Option<Duration>,
    /// How long a client may take to show what it speaks.
    pub detect_deadline: Duration,
    /// How long the TLS handshake may take after that.
    pub tls_deadline: Duration,
}

/// Why a connection did not become a stream.
#[derive(Debug)]
pub struct Refused {
    /// The reason that counts.
    pub reason: CloseReason,
    /// What the system or TLS said, where there is something to say.
    pub detail: Option<io::Error>,
}

impl From<CloseReason> for Refused {
    fn from(reason: CloseReason) -> Self {
        Self {
            reason,
            detail: None,
        }
    }
}

/// Tells what the client speaks and, where that is TLS, shakes hands.
///
/// A refused client is sent nothing but a TLS alert: legacy clients on a strict port, HTTP and garbage are
/// closed in silence.
///
/// # Errors
/// [`Refused`] with the one reason that log and metric show.
pub async fn establish(
    mut socket: TcpStream,
    rules: &Rules,
) -> Result<(Stream, Transport), Refused> {
    let mut first = Vec::with_capacity(FIRST_READ_BYTES);
    // One timer for both deadlines: to put it off is cheap, to set another one is not.
    let mut timer = pin!(sleep(rules.detect_deadline));
    let read = tokio::select! {
        biased;
        read = read_first(&mut socket, &mut first) => read,
        () = &mut timer => return Err(CloseReason::DetectTimeout.into()),
    };
    let detected = match read {
        Err(error) => {
            return Err(Refused {
                reason: CloseReason::PeerReset,
                detail: Some(error),
            });
        }
        Ok(None) => return Err(CloseReason::PeerClosed.into()),
        Ok(Some(detected)) => detected,
    };
    match (detected, &rules.tls) {
        (Detected::Tls, Some(config)) => {
            let deadline = Instant::now() + rules.tls_deadline;
            timer.as_mut().reset(deadline);
            let handshake = tls::accept(
                &mut socket,
                first,
                Arc::clone(config),
                rules.renew_keys_after,
            );
            let shaken = tokio::select! {
                biased;
                shaken = handshake => shaken,
                () = timer => return Err(CloseReason::TlsTimeout.into()),
            };
            match shaken {
                Err(error) => {
                    let soon = Instant::now() + PART_DEADLINE;
                    let _ = timeout_at(deadline.min(soon), part(&mut socket)).await;
                    Err(Refused {
                        reason: CloseReason::TlsFailed,
                        detail: Some(error),
                    })
                }
                Ok((tls, transport)) => Ok((Stream::tls(socket, tls), transport)),
            }
        }
        (Detected::Tls, None) => Err(CloseReason::TlsNotServed.into()),
        (Detected::Legacy, _) if rules.legacy => {
            first.shrink_to_fit();
            Ok((Stream::clear(socket, first), Transport::Clear))
        }
        (Detected::Legacy, _) => Err(CloseReason::LegacyRefused.into()),
        (Detected::Ssl2Hello, _) => Err(CloseReason::Ssl2Hello.into()),
        (Detected::Http, _) => Err(CloseReason::HttpNotServed.into()),
        (Detected::Garbage | Detected::NeedMore, _) => Err(CloseReason::Garbage.into()),
    }
}

/// Reads until the first bytes decide; `None` when the peer closed before they did.
async fn read_first(socket: &mut TcpStream, first: &mut Vec<u8>) -> io::Result<Option<Detected>> {
    loop {
        if socket.read_buf(first).await? == 0 {
            return Ok(None);
        }
        let detected = detect(first);
        debug_assert!(first.len() < FIRST_BYTES_MAX || detected != Detected::NeedMore);
        if detected != Detected::NeedMore {
            return Ok(Some(detected));
        }
    }
}

/// Ends the sending side and throws away what still comes: bytes left unread would turn the close into a reset,
/// and a reset takes from the peer the alert that it has not read yet.
async fn part(socket: &mut TcpStream) -> io::Result<()> {
    socket.shutdown().await?;
    let mut rest = [0; 1024];
    let mut thrown_away = 0;
    while thrown_away < PART_BYTES_MAX {
        match socket.read(&mut rest).await? {
            0 => break,
            count => thrown_away += count,
        }
    }
    Ok(())
}
