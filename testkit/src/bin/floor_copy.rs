//! The floor of TLS: the plainest copy loop on tokio and rustls, without detection, limits, counters or logs.
//!
//! Isochron's front door is measured beside it. It is changed only by a commit of its own that shows figures from
//! before and after.
//!
//! `floor_copy plain` sends back bytes on bare TCP. `floor_copy tls CERTIFICATE KEY full|resume` does the same inside
//! TLS, and with a port behind it copies between its client and that port of this machine. `full` makes every
//! handshake a full one; `resume` keeps what rustls keeps by itself. All print `port N` once they serve.

use anyhow::{Context, Result, bail};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use std::io::{self, Write};
use std::sync::Arc;
use tokio::io::{
    AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, copy, copy_bidirectional, copy_buf, split,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Connections that the kernel holds until they are accepted; the same as the server's.
const BACKLOG: u32 = 4096;
/// What stands behind those that are measured only has to be fast.
const PLAIN_COPY_BYTES: usize = 64 * 1024;

#[tokio::main]
async fn main() -> Result<()> {
    testkit::measure::raise_file_limit()?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words {
        ["plain"] => serve_plain(listen()?).await,
        ["tls", certificate, key, handshakes, ref port @ ..] => {
            let acceptor = TlsAcceptor::from(tls(certificate, key, handshakes)?);
            let backend = port.first().map(|port| port.parse()).transpose()?;
            serve_tls(listen()?, acceptor, backend).await
        }
        _ => bail!("usage: floor_copy plain | tls CERTIFICATE KEY full|resume [PORT]"),
    }
}

fn listen() -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, 1], 0).into())?;
    let listener = socket.listen(BACKLOG)?;
    let mut out = io::stdout().lock();
    writeln!(out, "port {}", listener.local_addr()?.port())?;
    Ok(listener)
}

async fn serve_plain(listener: TcpListener) -> Result<()> {
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        tokio::spawn(async move {
            let (from, mut to) = socket.into_split();
            let mut from = BufReader::with_capacity(PLAIN_COPY_BYTES, from);
            copy_buf(&mut from, &mut to).await?;
            to.shutdown().await
        });
    }
}

async fn serve_tls(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    backend: Option<u16>,
) -> Result<()> {
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let mut stream = acceptor.accept(socket).await?;
            let Some(port) = backend else {
                return echo(stream).await;
            };
            let mut behind = TcpStream::connect(("127.0.0.1", port)).await?;
            behind.set_nodelay(true)?;
            copy_bidirectional(&mut stream, &mut behind).await?;
            io::Result::Ok(())
        });
    }
}

async fn echo<S: AsyncRead + AsyncWrite>(stream: S) -> io::Result<()> {
    let (mut from, mut to) = split(stream);
    copy(&mut from, &mut to).await?;
    to.shutdown().await
}

fn tls(certificate: &str, key: &str, handshakes: &str) -> Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)
        .context("the certificate is refused")?;
    match handshakes {
        "full" => {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        "resume" => {}
        other => bail!("full or resume, not {other:?}"),
    }
    Ok(Arc::new(config))
}
