//! The front door alone, for `cargo xtask bench`: listener, detection and TLS as `isochron run` has them, and an
//! echo in place of the community.
//!
//! `front_door SAMETIME.INI` sends back what clients send; with a port behind it, it copies between the client and
//! that port of this machine, so that it does what a TLS proxy does. It serves on the first port of the file and
//! prints `ready` once it does.
//!
//! `front_door detection` prints what telling the protocol by its first bytes costs beside reading them: nanoseconds
//! for each connection with, and without.
#![forbid(unsafe_code)]

// As the server logs, so does this: every connection's end is a line.
#[path = "../src/logging.rs"]
mod logging;

use anyhow::{Context as _, Result, bail};
use config::{Config, IniFile, Note, Pii, Sources};
use metrics_exporter_prometheus::PrometheusBuilder;
use mux::{Mux, Phase};
use net::accept::{Rules, establish};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Write};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use wire::CloseReason;

/// Plaintext read at once: as much as the front door writes at once.
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    /// At rest a connection holds no buffer of ours.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words {
        ["detection"] => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(detection()),
        [ini, ref port @ ..] => {
            let backend = port.first().map(|port| port.parse()).transpose()?;
            // The runtime of `isochron run`.
            tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()?
                .block_on(serve(Path::new(ini), backend))
        }
        _ => bail!("usage: front_door SAMETIME.INI [PORT] | detection"),
    }
}

async fn serve(ini: &Path, backend: Option<u16>) -> Result<()> {
    let (config, notes) = load(ini)?;
    logging::start(&config.log);
    // A name that has changed would otherwise be measured without what it stands for.
    for note in &notes {
        tracing::warn!("{note}");
    }
    // Counting costs something only where somebody counts.
    let metrics = PrometheusBuilder::new().install_recorder()?;
    let listen = config
        .mux
        .listeners
        .first()
        .context("no port to listen on")?;
    let listener = net::listen::listen(config.mux.bind_address.value, listen.port)?;
    let (_keep, rules) = watch::channel(Arc::new(rules(&config)?));
    let (_serving, phase) = watch::channel(Phase::Serving);
    let mux = Mux::new(config.mux.capacity.value, Pii::new(false));
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    drop(out);
    // A task of its own, as in the server: the first thread does not take part in the work.
    tokio::spawn(
        mux.listen(listener, rules, phase, move |stream, _| async move {
            let result = match backend {
                None => echo(stream).await,
                Some(port) => forward(stream, port).await,
            };
            match result {
                Ok(()) => CloseReason::PeerClosed,
                Err(_) => CloseReason::PeerReset,
            }
        }),
    )
    .await?;
    drop(metrics);
    Ok(())
}

fn load(ini: &Path) -> Result<(Config, Vec<Note>)> {
    let sources = Sources {
        ini: Some(IniFile::read(ini).map_err(said)?),
        ..Sources::default()
    };
    config::load(sources).map_err(said)
}

fn said(faults: config::Faults) -> anyhow::Error {
    anyhow::Error::msg(faults.render(false))
}

/// The rules of a listener that takes everybody, as [`serve`]'s file says.
fn rules(config: &Config) -> Result<Rules> {
    let settings = &config.tls.mux;
    let faults = |faults: Vec<config::Fault>| said(config::Faults::from(faults));
    let material = keys::load(settings, keys::Role::Server, SystemTime::now()).map_err(faults)?;
    let (tls, _) = net::tls::server_config(settings, &material).map_err(faults)?;
    Ok(Rules {
        legacy: true,
        tls: Some(tls),
        renew_keys_after: net::tls::renew_keys_after(settings),
        detect_deadline: config.mux.detect_timeout.value,
        tls_deadline: config.mux.tls_timeout.value,
    })
}

async fn echo<S: AsyncRead + AsyncWrite>(stream: S) -> io::Result<()> {
    let (from, to) = split(stream);
    pump(from, to).await
}

async fn forward<S: AsyncRead + AsyncWrite>(stream: S, port: u16) -> io::Result<()> {
    let behind = TcpStream::connect(("127.0.0.1", port)).await?;
    behind.set_nodelay(true)?;
    let (from_client, to_client) = split(stream);
    let (from_behind, to_behind) = behind.into_split();
    tokio::try_join!(pump(from_client, to_behind), pump(from_behind, to_client))?;
    Ok(())
}

/// Copies until the end of `from`, and then ends `to`. Between two polls it holds what `to` did not take.
async fn pump<R, W>(mut from: R, mut to: W) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut unsent = Vec::new();
    poll_fn(|cx| {
        SCRATCH.with_borrow_mut(|scratch| poll_pump(cx, &mut from, &mut to, &mut unsent, scratch))
    })
    .await?;
    to.shutdown().await
}

fn poll_pump<R, W>(
    cx: &mut Context<'_>,
    from: &mut R,
    to: &mut W,
    unsent: &mut Vec<u8>,
    scratch: &mut [u8],
) -> Poll<io::Result<()>>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        while !unsent.is_empty() {
            let count = ready!(Pin::new(&mut *to).poll_write(cx, unsent))?;
            unsent.drain(..count);
        }
        *unsent = Vec::new();
        ready!(Pin::new(&mut *to).poll_flush(cx))?;
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(&mut *from).poll_read(cx, &mut buffer))?;
        let mut rest = buffer.filled();
        if rest.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !rest.is_empty() {
            match Pin::new(&mut *to).poll_write(cx, rest)? {
                Poll::Ready(count) => rest = rest.get(count..).unwrap_or_default(),
                Poll::Pending => {
                    *unsent = rest.to_vec();
                    return Poll::Pending;
                }
            }
        }
    }
}

/// Connections of a round.
const PAIRS: usize = 200;
/// Rounds of which the fastest counts: whatever else the machine does only adds.
const ROUNDS: usize = 50;
/// A Sametime frame's length: detection has to look at all of it.
const FIRST: [u8; 4] = [0, 0, 0, 34];

/// [`establish`] on a connection without TLS does nothing but detect, so what it takes longer than the read that
/// any handshake begins with is what detection costs: the deadline's timer is in it.
async fn detection() -> Result<()> {
    let rules = Rules {
        legacy: true,
        tls: None,
        renew_keys_after: None,
        detect_deadline: Duration::from_secs(10),
        tls_deadline: Duration::from_secs(10),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let (mut with, mut without) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let (clients, sockets) = pairs(&listener).await?;
        let begin = Instant::now();
        for mut socket in sockets {
            let mut first = Vec::with_capacity(2048);
            socket.read_buf(&mut first).await?;
        }
        without = without.min(begin.elapsed());
        drop(clients);
        let (clients, sockets) = pairs(&listener).await?;
        let begin = Instant::now();
        for socket in sockets {
            if establish(socket, &rules).await.is_err() {
                bail!("the connection was not taken for one without TLS");
            }
        }
        with = with.min(begin.elapsed());
        drop(clients);
    }
    let each = |all: Duration| all.as_nanos() / PAIRS as u128;
    println!("nanoseconds {} {}", each(with), each(without));
    Ok(())
}

/// Connections on which the first bytes have come already.
async fn pairs(listener: &TcpListener) -> Result<(Vec<TcpStream>, Vec<TcpStream>)> {
    let address = listener.local_addr()?;
    let (mut clients, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let mut client = TcpStream::connect(address).await?;
        client.write_all(&FIRST).await?;
        clients.push(client);
        sockets.push(listener.accept().await?.0);
    }
    // The runtime learns here which of them have something to read.
    tokio::task::yield_now().await;
    for socket in &sockets {
        socket.readable().await?;
    }
    Ok((clients, sockets))
}
