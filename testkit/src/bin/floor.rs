//! The floor: the plainest frame router on tokio and rustls, without protocol, state or rights.
//!
//! Isochron is measured beside it. It is changed only by a commit of its own that shows figures from
//! before and after. `floor` routes frames inside TLS; `floor echo` sends back bytes on bare TCP.
//! Both print `port N` once they serve.

use anyhow::{Context, Result, bail};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::NoServerSessionStorage;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use testkit::floor::{NUMBERS, next_frame, operation, put_frame, take_number};
use testkit::session::CONTACT_LIST_BYTES;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Connections that the kernel holds until they are accepted; the same as the server's.
const BACKLOG: u32 = 4096;
/// Plaintext read at once.
const READ_BYTES: usize = 16 * 1024;
/// Enough for one write.
const WRITE_BYTES_ENOUGH: usize = 64 * 1024;

thread_local! {
    /// At rest a connection holds no buffer of ours.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

type Frame = Arc<[u8]>;

#[tokio::main]
async fn main() -> Result<()> {
    testkit::measure::raise_file_limit()?;
    let echo = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("echo") => true,
        Some(other) => bail!("usage: floor [echo], not {other:?}"),
    };
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    let mut out = io::stdout().lock();
    writeln!(out, "port {}", listener.local_addr()?.port())?;
    drop(out);
    if echo {
        serve_echo(listener).await
    } else {
        serve_frames(listener, TlsAcceptor::from(tls()?)).await
    }
}

async fn serve_echo(listener: TcpListener) -> Result<()> {
    loop {
        let (mut socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut buffer = [0; 1024];
            while let Ok(count) = socket.read(&mut buffer).await {
                let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                    return;
                };
                if socket.write_all(bytes).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn serve_frames(listener: TcpListener, tls: TlsAcceptor) -> Result<()> {
    let router = Arc::new(Router::new());
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let (tls, router) = (tls.clone(), Arc::clone(&router));
        tokio::spawn(async move {
            if let Ok(stream) = tls.accept(socket).await {
                // A task of its own: the handshake needs more room than what follows.
                tokio::spawn(Connection::new(stream, router).run());
            }
        });
    }
}

/// The same TLS as the server's: ECDSA P-256, no tickets, no session cache.
fn tls() -> Result<Arc<ServerConfig>> {
    let identity = rcgen::generate_simple_self_signed(["floor".to_owned()])?;
    let key = PrivateKeyDer::Pkcs8(identity.signing_key.serialize_der().into());
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key)
        .context("the certificate just made is refused")?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Who is connected, and who watches whom, by number.
struct Router {
    slots: Vec<Slot>,
    contact_list: Vec<u8>,
}

#[derive(Default)]
struct Slot {
    outbox: Mutex<Option<UnboundedSender<Frame>>>,
    watchers: Mutex<Vec<u32>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn frame(operation: u8, parts: &[&[u8]]) -> Frame {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, operation, parts);
    bytes.into()
}

impl Router {
    fn new() -> Self {
        Self {
            slots: (0..NUMBERS).map(|_| Slot::default()).collect(),
            contact_list: vec![b'c'; CONTACT_LIST_BYTES],
        }
    }

    fn slot(&self, number: u32) -> Option<&Slot> {
        self.slots.get(usize::try_from(number).ok()?)
    }

    fn send(&self, number: u32, frame: Frame) {
        if let Some(outbox) = self
            .slot(number)
            .and_then(|slot| lock(&slot.outbox).clone())
        {
            // Who has just gone gets nothing.
            let _ = outbox.send(frame);
        }
    }
}

struct Connection {
    stream: TlsStream<TcpStream>,
    inbox: UnboundedReceiver<Frame>,
    /// An incomplete frame.
    partial: Vec<u8>,
    client: Client,
}

impl Connection {
    fn new(stream: TlsStream<TcpStream>, router: Arc<Router>) -> Self {
        let (outbox, inbox) = unbounded_channel();
        let client = Client {
            router,
            outbox,
            me: u32::MAX,
            watched: Vec::new(),
        };
        Self {
            stream,
            inbox,
            partial: Vec::new(),
            client,
        }
    }

    /// Ends when either side closes, or on the first thing that makes no sense.
    async fn run(mut self) {
        let _ = self.turns().await;
        self.client.leave();
    }

    async fn turns(&mut self) -> io::Result<()> {
        loop {
            tokio::select! {
                biased;
                first = self.inbox.recv() => {
                    let Some(first) = first else { return Ok(()) };
                    let mut bytes = first.to_vec();
                    while bytes.len() < WRITE_BYTES_ENOUGH {
                        let Ok(next) = self.inbox.try_recv() else { break };
                        bytes.extend_from_slice(&next);
                    }
                    self.stream.write_all(&bytes).await?;
                    self.stream.flush().await?;
                }
                read = read(&mut self.stream, &mut self.partial, &mut self.client) => if !read? {
                    return Ok(());
                },
            }
        }
    }
}

/// Reads once and handles each whole frame; false at the end of the stream.
async fn read(
    stream: &mut TlsStream<TcpStream>,
    partial: &mut Vec<u8>,
    client: &mut Client,
) -> io::Result<bool> {
    poll_fn(|cx| {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            let fresh = buffer.filled();
            if fresh.is_empty() {
                return Poll::Ready(Ok(false));
            }
            let mut joined = std::mem::take(partial);
            let mut rest = if joined.is_empty() {
                fresh
            } else {
                joined.extend_from_slice(fresh);
                &joined
            };
            while let Some((operation, data, bytes)) = next_frame(rest) {
                let (whole, behind) = rest.split_at(bytes);
                if client.handle(operation, data, whole).is_none() {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                rest = behind;
            }
            *partial = rest.to_vec();
            Poll::Ready(Ok(true))
        })
    })
    .await
}

struct Client {
    router: Arc<Router>,
    outbox: UnboundedSender<Frame>,
    me: u32,
    watched: Vec<u32>,
}

impl Client {
    /// One frame; `None` if it makes no sense. `whole` is the frame with its length.
    fn handle(&mut self, operation: u8, data: &[u8], whole: &[u8]) -> Option<()> {
        match operation {
            operation::HELLO => {
                self.me = take_number(data)?.0;
                *lock(&self.router.slot(self.me)?.outbox) = Some(self.outbox.clone());
                self.outbox
                    .send(frame(operation, &[&self.router.contact_list]))
                    .ok()
            }
            operation::WATCH => {
                let mut answer = Vec::new();
                let mut rest = data;
                while let Some((number, behind)) = take_number(rest) {
                    let slot = self.router.slot(number)?;
                    lock(&slot.watchers).push(self.me);
                    self.watched.push(number);
                    answer.extend_from_slice(&number.to_be_bytes());
                    answer.push(u8::from(lock(&slot.outbox).is_some()));
                    rest = behind;
                }
                self.outbox.send(frame(operation, &[&answer])).ok()
            }
            operation::MESSAGE => {
                self.router.send(take_number(data)?.0, whole.into());
                Some(())
            }
            operation::STATUS => {
                let update = frame(operation, &[&self.me.to_be_bytes(), data]);
                for watcher in lock(&self.router.slot(self.me)?.watchers).iter() {
                    self.router.send(*watcher, Arc::clone(&update));
                }
                Some(())
            }
            _ => None,
        }
    }

    fn leave(&self) {
        for slot in self
            .watched
            .iter()
            .filter_map(|number| self.router.slot(*number))
        {
            lock(&slot.watchers).retain(|watcher| *watcher != self.me);
        }
        if let Some(slot) = self.router.slot(self.me) {
            *lock(&slot.outbox) = None;
        }
    }
}
