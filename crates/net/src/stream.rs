//! One client's byte stream, clear or inside TLS, as `AsyncRead` and `AsyncWrite`.
//!
//! TLS runs through rustls' unbuffered interface: the connection keeps no buffer of its own while nothing is in
//! flight. Bytes are decrypted and encrypted in buffers of the running thread, and only what does not fit or
//! cannot be sent at once stays with the connection. At rest a session costs its keys and nothing else.

use crate::tls::Handshake;
use keys::facts::Facts;
use rustix::net::SendFlags;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, UnbufferedStatus, WriteTraffic,
};
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Ciphertext read at once: one whole record (16 KiB and its overhead) always fits behind a partial one.
const READ_BYTES: usize = 36 * 1024;
/// The longest thing that may wait incomplete: one TLS record with its header and expansion.
const RECORD_BYTES_MAX: usize = 5 + 16 * 1024 + 2048;
/// Plaintext taken for one write, so that what waits encrypted stays small.
const WRITE_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
    static WRITE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A client's connection after detection and, where it is one, the TLS handshake.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    layer: Layer,
}

#[derive(Debug)]
enum Layer {
    /// The bytes that detection has read ahead.
    Clear {
        read_ahead: Vec<u8>,
    },
    Tls(Box<Tls>),
}

/// The TLS half of a [`Stream`].
pub(crate) struct Tls {
    connection: UnbufferedServerConnection,
    /// What rustls has not let go of: a record that is not complete yet, and parts of a handshake message that
    /// it has read in place. It keeps offsets into these bytes, so each of its steps must be given exactly them.
    incoming: Vec<u8>,
    /// Plaintext that the reader had no room for.
    plain: Vec<u8>,
    /// Ciphertext that the socket did not take yet.
    outgoing: Vec<u8>,
    /// The peer said that nothing more will come.
    ended: bool,
    /// The peer broke the rules of TLS. rustls takes no further step then; its alert is in `outgoing`.
    failed: bool,
    renewal: Option<Renewal>,
}

/// When the keys of a connection are to be renewed.
struct Renewal {
    every: Duration,
    at: Instant,
}

impl std::fmt::Debug for Tls {
    /// Says nothing of what is inside: keys and people's words.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Stream {
    /// A stream without TLS; `read_ahead` comes before what the socket still holds.
    #[must_use]
    pub fn clear(socket: TcpStream, read_ahead: Vec<u8>) -> Self {
        Self {
            socket,
            layer: Layer::Clear { read_ahead },
        }
    }

    pub(crate) fn tls(socket: TcpStream, tls: Tls) -> Self {
        Self {
            socket,
            layer: Layer::Tls(Box::new(tls)),
        }
    }
}

impl Stream {
    /// What the handshake came to; `None` without TLS.
    #[must_use]
    pub fn handshake(&self) -> Option<Handshake> {
        match &self.layer {
            Layer::Clear { .. } => None,
            Layer::Tls(tls) => Handshake::of(&tls.connection),
        }
    }

    /// What the certificate says that the client showed and that was accepted.
    #[must_use]
    pub fn client_certificate(&self) -> Option<Facts> {
        match &self.layer {
            Layer::Clear { .. } => None,
            Layer::Tls(tls) => Facts::of(tls.connection.peer_certificates()?.first()?).ok(),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { socket, layer } = self.get_mut();
        match layer {
            Layer::Clear { read_ahead } if !read_ahead.is_empty() => {
                hand_over(read_ahead, buf);
                Poll::Ready(Ok(()))
            }
            Layer::Clear { .. } => Pin::new(socket).poll_read(cx, buf),
            Layer::Tls(tls) => tls.poll_read(socket, cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { socket, layer } = self.get_mut();
        match layer {
            Layer::Clear { .. } => Pin::new(socket).poll_write(cx, data),
            Layer::Tls(tls) => tls.poll_write(socket, cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, layer } = self.get_mut();
        match layer {
            Layer::Clear { .. } => Poll::Ready(Ok(())),
            Layer::Tls(tls) => tls.poll_flush(socket, cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { socket, layer } = self.get_mut();
        if let Layer::Tls(tls) = layer {
            tls.queue_close_notify();
            tls.send_before_the_end(socket);
            ready!(tls.poll_flush(socket, cx))?;
        }
        Pin::new(socket).poll_shutdown(cx)
    }
}

impl Tls {
    /// A connection whose handshake is over. `incoming` has not been decrypted yet, `outgoing` not been sent, `plain`
    /// not been read. From time to time its keys are renewed.
    pub(crate) fn new(
        connection: UnbufferedServerConnection,
        incoming: Vec<u8>,
        plain: Vec<u8>,
        outgoing: Vec<u8>,
        renew_keys_after: Option<Duration>,
    ) -> Self {
        let renewal = renew_keys_after.map(|every| Renewal {
            every,
            at: Instant::now() + every,
        });
        Self {
            connection,
            incoming,
            plain,
            outgoing,
            ended: false,
            failed: false,
            renewal,
        }
    }

    fn poll_read(
        &mut self,
        socket: &mut TcpStream,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.plain.is_empty() {
            hand_over(&mut self.plain, buf);
            return Poll::Ready(Ok(()));
        }
        if self.failed {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        READ.with_borrow_mut(|scratch| {
            let mut held = self.take_incoming(scratch)?;
            let result = self.fill(socket, cx, buf, scratch, &mut held);
            self.incoming = scratch.get(..held).unwrap_or_default().to_vec();
            if self.failed {
                // As far as the socket takes it now; a later flush or shutdown carries the rest.
                let _ = self.poll_flush(socket, cx);
            }
            // An answer to a key update waits in `outgoing`; the next write or flush carries it.
            result
        })
    }

    /// Reads and decrypts until there is something for the reader; the first `held` bytes of the thread's buffer
    /// stay with rustls, before and after.
    fn fill(
        &mut self,
        socket: &mut TcpStream,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        scratch: &mut [u8],
        held: &mut usize,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        // What came along with the end of the handshake waits here and needs no further byte to be read.
        if *held > 0 {
            self.decrypt(scratch, held, buf)?;
        }
        while buf.filled().len() == before && !self.ended {
            let mut free = ReadBuf::new(scratch.get_mut(*held..).unwrap_or_default());
            ready!(Pin::new(&mut *socket).poll_read(cx, &mut free))?;
            let count = free.filled().len();
            if count == 0 {
                // The stream ended without a close_notify: the same as with it, because the protocol
                // inside knows its own ends.
                self.ended = true;
                break;
            }
            *held += count;
            self.decrypt(scratch, held, buf)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Moves what rustls has not let go of to the front of the thread's buffer; says how long it is.
    fn take_incoming(&mut self, scratch: &mut [u8]) -> io::Result<usize> {
        let incoming = std::mem::take(&mut self.incoming);
        match scratch.get_mut(..incoming.len()) {
            Some(front) => front.copy_from_slice(&incoming),
            None => {
                self.failed = true;
                return Err(too_long());
            }
        }
        Ok(incoming.len())
    }

    /// Decrypts the records in the first `held` bytes; what rustls does not let go of moves to the front, and
    /// `held` becomes its length.
    fn decrypt(
        &mut self,
        scratch: &mut [u8],
        held: &mut usize,
        buf: &mut ReadBuf<'_>,
    ) -> io::Result<()> {
        let mut start = 0;
        loop {
            let input = scratch.get_mut(start..*held).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(input);
            start += discard;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let payload = record.map_err(invalid)?.payload;
                        let fits = payload.len().min(buf.remaining());
                        let (now, later) = payload.split_at(fits);
                        buf.put_slice(now);
                        self.plain.extend_from_slice(later);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode_into(&mut self.outgoing, |out| data.encode(out))?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.ended = true;
                    // Whatever follows is not read, by rustls neither.
                    *held = 0;
                    return Ok(());
                }
                // Nothing left that is complete.
                Ok(_) => break,
                Err(error) => {
                    let rest = scratch.get_mut(start..*held).unwrap_or_default();
                    encode_alert(&mut self.connection, rest, &mut self.outgoing);
                    self.failed = true;
                    return Err(invalid(error));
                }
            }
        }
        scratch.copy_within(start..*held, 0);
        *held -= start;
        if *held > RECORD_BYTES_MAX {
            self.failed = true;
            return Err(too_long());
        }
        Ok(())
    }

    fn poll_write(
        &mut self,
        socket: &mut TcpStream,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_flush(socket, cx))?;
        let taken = data
            .get(..data.len().min(WRITE_BYTES_MAX))
            .unwrap_or_default();
        if taken.is_empty() {
            return Poll::Ready(Ok(0));
        }
        WRITE.with_borrow_mut(|scratch| {
            scratch.clear();
            let encrypted =
                self.while_writable(scratch, |traffic, out| traffic.encrypt(taken, out));
            if let Err(error) = encrypted {
                // The alert, if there is one.
                self.outgoing.extend_from_slice(scratch);
                let _ = self.poll_flush(socket, cx);
                return Poll::Ready(Err(error));
            }
            let mut sent = 0;
            while let Some(rest) = scratch.get(sent..).filter(|rest| !rest.is_empty()) {
                match Pin::new(&mut *socket).poll_write(cx, rest) {
                    Poll::Ready(Ok(count)) => sent += count,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        self.outgoing = rest.to_vec();
                        break;
                    }
                }
            }
            Poll::Ready(Ok(taken.len()))
        })
    }

    /// Brings rustls to where it may send, and appends to `out` what `encode` makes of it; on an error, the alert.
    ///
    /// On its way rustls may read complete records that still wait in `incoming`. No reader sleeps over them: a
    /// read that has to wait leaves no complete record there, so they can only be those that came along with the
    /// end of the handshake, before the first read; that read finds them in `plain`.
    fn while_writable(
        &mut self,
        out: &mut Vec<u8>,
        mut encode: impl FnMut(
            &mut WriteTraffic<'_, ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> io::Result<()> {
        if self.failed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut renew = self.is_renewal_due();
        loop {
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut self.incoming);
            let mut done = None;
            match state {
                // Told first, used for what is written next.
                Ok(ConnectionState::WriteTraffic(traffic)) if renew => {
                    renew = false;
                    traffic.refresh_traffic_keys().map_err(io::Error::other)?;
                }
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    done = Some(encode_into(out, |out| encode(&mut traffic, out)));
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        self.plain
                            .extend_from_slice(record.map_err(invalid)?.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    encode_into(out, |out| data.encode(out))?;
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                // The peer will send nothing more; what it still reads is up to it.
                Ok(ConnectionState::PeerClosed) => self.ended = true,
                Ok(_) => done = Some(Err(io::ErrorKind::BrokenPipe.into())),
                Err(error) => {
                    self.failed = true;
                    done = Some(Err(invalid(error)));
                }
            }
            self.incoming.drain(..discard);
            if self.failed {
                encode_alert(&mut self.connection, &mut self.incoming, out);
            }
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Whether the keys are old enough to be renewed now; then the next time is set.
    ///
    /// Asked when something is sent: keys that encrypt nothing do not wear out.
    fn is_renewal_due(&mut self) -> bool {
        let Some(renewal) = &mut self.renewal else {
            return false;
        };
        let now = Instant::now();
        let due = now >= renewal.at;
        if due {
            renewal.at = now + renewal.every;
        }
        due
    }

    fn poll_flush(&mut self, socket: &mut TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let sent = ready!(Pin::new(&mut *socket).poll_write(cx, &self.outgoing))?;
            self.outgoing.drain(..sent);
        }
        // The buffer goes too: at rest nothing is held.
        self.outgoing = Vec::new();
        Poll::Ready(Ok(()))
    }

    /// Gives the kernel what waits, to be kept until the end of the stream follows: one packet carries both. What it
    /// does not take now is flushed as ever.
    fn send_before_the_end(&mut self, socket: &TcpStream) {
        if self.outgoing.is_empty() {
            return;
        }
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        if let Ok(sent) = rustix::net::send(socket, &self.outgoing, flags) {
            self.outgoing.drain(..sent);
        }
    }

    /// A connection that cannot say its end any more ends without.
    fn queue_close_notify(&mut self) {
        let mut out = Vec::new();
        let _ = self.while_writable(&mut out, |traffic, out| traffic.queue_close_notify(out));
        self.outgoing.append(&mut out);
    }
}

/// What the peer sent is not TLS as it should be.
fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn too_long() -> io::Error {
    let why = "a TLS record or handshake message is longer than it may be";
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Appends the alert with which rustls tells the peer about an error.
///
/// `incoming` is what rustls has not let go of. Only asked while something waits, because any further step would
/// read on behind the fault.
pub(crate) fn encode_alert(
    connection: &mut UnbufferedServerConnection,
    incoming: &mut [u8],
    out: &mut Vec<u8>,
) {
    while connection.wants_write() {
        let step = connection.process_tls_records(incoming).state;
        let Ok(ConnectionState::EncodeTlsData(mut data)) = step else {
            return;
        };
        if encode_into(out, |out| data.encode(out)).is_err() {
            return;
        }
    }
}

/// Moves as much as fits from `from` to `buf`, and gives the memory back once all has gone.
fn hand_over(from: &mut Vec<u8>, buf: &mut ReadBuf<'_>) {
    let fits = from.len().min(buf.remaining());
    buf.put_slice(from.get(..fits).unwrap_or_default());
    from.drain(..fits);
    if from.is_empty() {
        *from = Vec::new();
    }
}

/// The two ways in which rustls says how much room it needs.
pub(crate) trait NeedsRoom {
    fn room(&self) -> Option<usize>;
}

impl NeedsRoom for EncodeError {
    fn room(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(size) => Some(size.required_size),
            Self::AlreadyEncoded => None,
        }
    }
}

impl NeedsRoom for EncryptError {
    fn room(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(size) => Some(size.required_size),
            Self::EncryptExhausted => None,
        }
    }
}

/// Appends what `encode` writes to `out`.
///
/// It is asked without any room first: then it does nothing but say how much it needs, and no byte more than
/// that is cleared.
pub(crate) fn encode_into<E: NeedsRoom + std::error::Error + Send + Sync + 'static>(
    out: &mut Vec<u8>,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> io::Result<()> {
    let start = out.len();
    let result = encode(&mut []).or_else(|error| {
        let room = error.room().ok_or(error)?;
        out.resize(start + room, 0);
        encode(out.get_mut(start..).unwrap_or_default())
    });
    match result {
        Ok(count) => {
            out.truncate(start + count);
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(io::Error::other(error))
        }
    }
}
