//! Connections that say little or nothing: visitors who come and go, some who stay silent, and some who never stop.

use crate::tls::Handshake;
use anyhow::{Context, Result, bail};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What a visitor says, and gets back.
const HELLO: [u8; 64] = [b'h'; 64];
/// Connections from one source address, whose ports stay taken for a minute after each.
const SILENT_PER_ADDRESS: usize = 500;
/// How long one visit may take.
const VISIT_DEADLINE: Duration = Duration::from_secs(30);
/// Plaintext written and read at once by those who never stop.
const CHUNK_BYTES: usize = 64 * 1024;

/// Connections are TLS over TCP.
pub type Connection = TlsStream<TcpStream>;

/// Those who connect, shake hands, exchange a few bytes and go; each remembers what it may resume.
pub struct Visitors {
    address: SocketAddr,
    handshake: Handshake,
    visitors: Vec<Visitor>,
}

struct Visitor {
    /// The last byte of its source address.
    from: u8,
    tls: Arc<ClientConfig>,
}

impl Visitors {
    /// So many at a time. If they are to resume, each has been there once when this returns.
    ///
    /// # Errors
    /// If one cannot get in.
    pub async fn new(address: SocketAddr, handshake: Handshake, at_once: u8) -> Result<Self> {
        let mut visitors = Vec::new();
        for number in 0..at_once {
            let visitor = Visitor {
                from: 100 + number,
                tls: handshake.client()?,
            };
            if handshake.resumed {
                visitor.visit(address).await?;
            }
            visitors.push(visitor);
        }
        Ok(Self {
            address,
            handshake,
            visitors,
        })
    }

    /// Pays `each` visits by each of them.
    ///
    /// # Errors
    /// If a connection fails, or does not shake hands as it should.
    pub async fn visit(&mut self, each: usize) -> Result<()> {
        let (address, resumed) = (self.address, self.handshake.resumed);
        let mut tasks = JoinSet::new();
        for visitor in self.visitors.drain(..) {
            tasks.spawn(async move {
                for _ in 0..each {
                    let kind = timeout(VISIT_DEADLINE, visitor.visit(address)).await??;
                    if (kind == HandshakeKind::Resumed) != resumed {
                        bail!("the handshake was {kind:?}");
                    }
                }
                Ok(visitor)
            });
        }
        while let Some(visitor) = tasks.join_next().await {
            self.visitors.push(visitor??);
        }
        Ok(())
    }

    /// How many there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.visitors.len()
    }
}

impl Visitor {
    async fn visit(&self, address: SocketAddr) -> Result<HandshakeKind> {
        let mut stream = connect(address, &self.tls, self.from).await?;
        let kind = stream.get_ref().1.handshake_kind();
        stream.write_all(&HELLO).await?;
        let mut answer = [0; HELLO.len()];
        stream.read_exact(&mut answer).await?;
        stream.shutdown().await?;
        // Until the server has ended its side too: whoever comes next finds it done with this one.
        while stream.read(&mut answer).await? > 0 {}
        kind.context("no handshake")
    }
}

/// A secured connection from 127.0.0.`from`.
///
/// # Errors
/// What the system or TLS says.
pub async fn connect(address: SocketAddr, tls: &Arc<ClientConfig>, from: u8) -> Result<Connection> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, from], 0).into())?;
    let stream = socket.connect(address).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let connector = TlsConnector::from(Arc::clone(tls));
    let name = ServerName::try_from("localhost")?;
    connector
        .connect(name, stream)
        .await
        .context("TLS handshake")
}

/// What the server shows a visitor now.
///
/// # Errors
/// If it shows nothing.
pub async fn shown(
    address: SocketAddr,
    tls: &Arc<ClientConfig>,
) -> Result<CertificateDer<'static>> {
    let mut stream = timeout(VISIT_DEADLINE, connect(address, tls, 99)).await??;
    let certificates = stream.get_ref().1.peer_certificates();
    let leaf = certificates.and_then(|chain| chain.first());
    let leaf = leaf.context("no certificate")?.clone().into_owned();
    stream.shutdown().await?;
    Ok(leaf)
}

/// Connections that shake hands and then say nothing; they end when they are dropped.
///
/// # Errors
/// If one does not get in.
pub async fn silent(
    address: SocketAddr,
    tls: &Arc<ClientConfig>,
    count: usize,
    at_once: usize,
) -> Result<Vec<Connection>> {
    let mut tasks = JoinSet::new();
    let mut connections = Vec::with_capacity(count);
    for number in 0..count {
        if tasks.len() >= at_once {
            connections.extend(tasks.join_next().await.transpose()?.transpose()?);
        }
        let from = u8::try_from(2 + number / SILENT_PER_ADDRESS).context("too many connections")?;
        let tls = Arc::clone(tls);
        tasks.spawn(async move { timeout(VISIT_DEADLINE, connect(address, &tls, from)).await? });
    }
    while let Some(connection) = tasks.join_next().await {
        connections.push(connection??);
    }
    Ok(connections)
}

/// Sends `bytes` on each of so many connections at once, and waits until all have come back.
///
/// # Errors
/// If they do not within the deadline.
pub async fn talk(
    address: SocketAddr,
    tls: &Arc<ClientConfig>,
    connections: u8,
    bytes: usize,
    deadline: Duration,
) -> Result<Duration> {
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..connections {
        let stream = connect(address, tls, 80 + number).await?;
        tasks.spawn(talk_on(stream, bytes));
    }
    let all = async {
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(begin.elapsed())
    };
    timeout(deadline, all)
        .await
        .context("not all bytes came back")?
}

async fn talk_on(stream: Connection, bytes: usize) -> Result<()> {
    let (mut from, mut to) = split(stream);
    let say = async {
        let chunk = vec![b'c'; CHUNK_BYTES];
        let mut left = bytes;
        while left > 0 {
            let now = chunk.get(..left).unwrap_or(&chunk);
            to.write_all(now).await?;
            left -= now.len();
        }
        to.flush().await?;
        Ok(to)
    };
    let hear = async {
        let mut room = vec![0; CHUNK_BYTES];
        let mut left = bytes;
        while left > 0 {
            let count = from.read(&mut room).await?;
            if count == 0 {
                bail!("the server closed with {left} bytes missing");
            }
            left = left
                .checked_sub(count)
                .context("more came back than was sent")?;
        }
        Ok(())
    };
    let (mut to, ()) = tokio::try_join!(say, hear)?;
    to.shutdown().await?;
    Ok(())
}
