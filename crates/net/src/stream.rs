//! One client's byte stream, clear or inside TLS, as `AsyncRead` and `AsyncWrite`.
//!
//! TLS runs through rustls' unbuffered interface: the connection keeps no buffer of its own while nothing is in
//! flight. Bytes are decrypted and encrypted in buffers of the running thread, and only what does not fit or
//! cannot be sent at once stays with the connection. At rest a session costs its keys and nothing else.

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
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
    pub(crate) connection: UnbufferedServerConnection,
    /// Ciphertext of a record that is not complete yet.
    pub(crate) incoming: Vec<u8>,
    /// Plaintext that the reader had no room for.
    pub(crate) plain: Vec<u8>,
    /// Ciphertext that the socket did not take yet.
    pub(crate) outgoing: Vec<u8>,
    /// The peer said that nothing more will come.
    pub(crate) ended: bool,
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
            tls.queue_close_notify()?;
            ready!(tls.poll_flush(socket, cx))?;
        }
        Pin::new(socket).poll_shutdown(cx)
    }
}

impl Tls {
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
        READ.with_borrow_mut(|scratch| {
            let before = buf.filled().len();
            // What came along with the end of the handshake waits here and needs no further byte to be read.
            let mut held = self.take_incoming(scratch)?;
            if held > 0 {
                held = self.decrypt(scratch, held, buf)?;
            }
            while buf.filled().len() == before && !self.ended {
                let mut free = ReadBuf::new(scratch.get_mut(held..).unwrap_or_default());
                match Pin::new(&mut *socket).poll_read(cx, &mut free) {
                    Poll::Pending => {
                        self.keep_incoming(scratch, held)?;
                        return Poll::Pending;
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) => {}
                }
                let count = free.filled().len();
                if count == 0 {
                    // The stream ended without a close_notify: the same as with it, because the protocol
                    // inside knows its own ends.
                    self.ended = true;
                    break;
                }
                held = self.decrypt(scratch, held + count, buf)?;
            }
            self.keep_incoming(scratch, held)?;
            // An answer to a key update waits in `outgoing`; the next write or flush carries it.
            Poll::Ready(Ok(()))
        })
    }

    /// Moves a partial record to the front of the thread's buffer; says how long it is.
    fn take_incoming(&mut self, scratch: &mut [u8]) -> io::Result<usize> {
        let incoming = std::mem::take(&mut self.incoming);
        match scratch.get_mut(..incoming.len()) {
            Some(front) => front.copy_from_slice(&incoming),
            None => return Err(io::Error::other("a TLS record is longer than it may be")),
        }
        Ok(incoming.len())
    }

    fn keep_incoming(&mut self, scratch: &[u8], held: usize) -> io::Result<()> {
        if held > RECORD_BYTES_MAX {
            return Err(io::Error::other("a TLS record is longer than it may be"));
        }
        self.incoming = scratch.get(..held).unwrap_or_default().to_vec();
        Ok(())
    }

    /// Decrypts the records in the first `held` bytes; what stays incomplete moves to the front.
    fn decrypt(
        &mut self,
        scratch: &mut [u8],
        held: usize,
        buf: &mut ReadBuf<'_>,
    ) -> io::Result<usize> {
        let mut start = 0;
        loop {
            let input = scratch.get_mut(start..held).unwrap_or_default();
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(input);
            match state.map_err(io::Error::other)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let payload = record.map_err(io::Error::other)?.payload;
                        let fits = payload.len().min(buf.remaining());
                        let (now, later) = payload.split_at(fits);
                        buf.put_slice(now);
                        self.plain.extend_from_slice(later);
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    encode_into(&mut self.outgoing, |out| data.encode(out))?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    self.ended = true;
                    return Ok(0);
                }
                // Nothing left that is complete.
                _ => {
                    start += discard;
                    break;
                }
            }
            start += discard;
        }
        scratch.copy_within(start..held, 0);
        Ok(held - start)
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
            self.encrypt(taken, scratch)?;
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

    fn encrypt(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        loop {
            match self
                .connection
                .process_tls_records(&mut [])
                .state
                .map_err(io::Error::other)?
            {
                ConnectionState::WriteTraffic(mut traffic) => {
                    return encode_into(out, |out| traffic.encrypt(plain, out));
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    encode_into(out, |out| data.encode(out))?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                // The peer will send nothing more; what it still reads is up to it.
                ConnectionState::PeerClosed => self.ended = true,
                _ => return Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
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

    fn queue_close_notify(&mut self) -> io::Result<()> {
        loop {
            let Ok(state) = self.connection.process_tls_records(&mut []).state else {
                return Ok(());
            };
            match state {
                ConnectionState::WriteTraffic(mut traffic) => {
                    return encode_into(&mut self.outgoing, |out| traffic.queue_close_notify(out));
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    encode_into(&mut self.outgoing, |out| data.encode(out))?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.ended = true,
                _ => return Ok(()),
            }
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

/// Appends what `encode` writes to `out`, first with the room there is and then with what it asks for.
pub(crate) fn encode_into<E: NeedsRoom + std::error::Error + Send + Sync + 'static>(
    out: &mut Vec<u8>,
    mut encode: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> io::Result<()> {
    let start = out.len();
    out.resize(out.capacity().max(start), 0);
    let result = encode(out.get_mut(start..).unwrap_or_default()).or_else(|error| {
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
