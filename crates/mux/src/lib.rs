//! The front door on 1533: detect, secure, hand over, count.
//!
//! The mux never authenticates and never parses beyond the first bytes. A connection that it has made a clean
//! stream of goes to the `serve` callback; whoever composes the process says what that is.
#![forbid(unsafe_code)]

mod metrics;

use crate::metrics::Metrics;
use config::Pii;
use net::Stream;
use net::accept::{Refused, Rules, establish};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use wire::CloseReason;
use wire::link::Opened;

/// Pause after the system had no socket or memory for a new connection: without it the loop would spin, because
/// the connection that could not be accepted keeps the listener readable.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections above the capacity that are told so at the same time; more are closed without a word.
const REFUSING_MAX: usize = 256;
/// How long telling a client that the server is full may take.
const REFUSE_DEADLINE: Duration = Duration::from_secs(5);

/// What all listeners of a mux have in common.
#[derive(Debug)]
pub struct Mux {
    capacity: usize,
    permits: Arc<Semaphore>,
    refusing: Arc<Semaphore>,
    next_conn: AtomicU64,
    pii: Pii,
    metrics: Metrics,
}

impl Mux {
    /// A mux that holds at most `capacity` connections, whichever listener they come through.
    #[must_use]
    pub fn new(capacity: usize, pii: Pii) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            permits: Arc::new(Semaphore::new(capacity)),
            refusing: Arc::new(Semaphore::new(REFUSING_MAX)),
            next_conn: AtomicU64::new(1),
            pii,
            metrics: Metrics::register(),
        })
    }

    /// Connections held now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.capacity
            .saturating_sub(self.permits.available_permits())
    }

    /// Accepts on one listener until `stop` turns true, then waits for the connections to end.
    ///
    /// `serve` gets each clean stream and answers with the reason of its end.
    pub async fn listen<F, S>(
        self: Arc<Self>,
        listener: TcpListener,
        rules: watch::Receiver<Arc<Rules>>,
        mut stop: watch::Receiver<bool>,
        serve: F,
    ) where
        F: Fn(Stream, Opened) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = CloseReason> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                accepted = listener.accept() => {
                    self.accepted(accepted, &rules, &serve, &mut tasks).await;
                }
                Some(ended) = tasks.join_next() => self.joined(ended),
            }
        }
        drop(listener);
        while let Some(ended) = tasks.join_next().await {
            self.joined(ended);
        }
    }

    async fn accepted<F, S>(
        self: &Arc<Self>,
        accepted: io::Result<(TcpStream, SocketAddr)>,
        rules: &watch::Receiver<Arc<Rules>>,
        serve: &F,
        tasks: &mut JoinSet<()>,
    ) where
        F: Fn(Stream, Opened) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = CloseReason> + Send + 'static,
    {
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_the_peers(&error) => return,
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection; raise the limit of open files");
                self.metrics.accept_failed();
                return tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        };
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let conn = self.next_conn.fetch_add(1, Ordering::Relaxed);
        self.metrics.accepted();
        let rules = Arc::clone(&rules.borrow());
        let mux = Arc::clone(self);
        match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => {
                let serve = serve.clone();
                tasks.spawn(async move { mux.run(socket, peer, conn, rules, permit, serve).await });
            }
            Err(_) => match Arc::clone(&self.refusing).try_acquire_owned() {
                Ok(permit) => {
                    tasks.spawn(async move { mux.refuse(socket, peer, conn, rules, permit).await });
                }
                Err(_) => self.ended(conn, peer, CloseReason::CapacityFull, None),
            },
        }
    }

    async fn run<F, S>(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        conn: u64,
        rules: Arc<Rules>,
        permit: OwnedSemaphorePermit,
        serve: F,
    ) where
        F: Fn(Stream, Opened) -> S,
        S: Future<Output = CloseReason>,
    {
        if let Err(error) = net::listen::prepare(&socket) {
            return self.ended(conn, peer, CloseReason::PeerReset, Some(&error));
        }
        // Boxed, so that the handshake's room is given back and not carried along by every idle session.
        let established = Box::pin(establish(socket, &rules)).await;
        drop(rules);
        match established {
            Ok((stream, transport)) => {
                self.metrics.established(transport);
                let reason = serve(
                    stream,
                    Opened {
                        conn,
                        peer,
                        transport,
                    },
                )
                .await;
                self.ended(conn, peer, reason, None);
            }
            Err(Refused { reason, detail }) => self.ended(conn, peer, reason, detail.as_ref()),
        }
        drop(permit);
    }

    /// Tells a client above the capacity that the server is full, in its own protocol.
    async fn refuse(
        self: Arc<Self>,
        socket: TcpStream,
        peer: SocketAddr,
        conn: u64,
        rules: Arc<Rules>,
        permit: OwnedSemaphorePermit,
    ) {
        let told = timeout(REFUSE_DEADLINE, async {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            net::listen::prepare(&socket)?;
            let Ok((mut stream, _)) = establish(socket, &rules).await else {
                return Ok(());
            };
            let mut out = Vec::new();
            wire::server::put_close(&mut out, CloseReason::CapacityFull);
            stream.write_all(&out).await?;
            stream.shutdown().await?;
            // Unread bytes at the close would reset the connection and take the answer away.
            let mut rest = [0; 512];
            while stream.read(&mut rest).await? > 0 {}
            io::Result::Ok(())
        });
        let detail = told.await.ok().and_then(Result::err);
        self.ended(conn, peer, CloseReason::CapacityFull, detail.as_ref());
        drop(permit);
    }

    /// The one place where an end is counted and logged.
    fn ended(&self, conn: u64, peer: SocketAddr, reason: CloseReason, detail: Option<&io::Error>) {
        self.metrics.closed(reason);
        let peer = self.pii.show(peer);
        match detail {
            Some(detail) => tracing::info!(conn, %peer, %reason, %detail, "connection closed"),
            None => tracing::info!(conn, %peer, %reason, "connection closed"),
        }
    }

    fn joined(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended {
            // A panic ends the one connection in whose task it happened.
            self.metrics.closed(CloseReason::Internal);
            tracing::error!(%error, "a connection ended by a fault of the server; please report it");
        }
    }
}

/// Waits until the server is told to stop, or nobody is left who could tell it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Errors of `accept` that concern one connection which is gone already.
fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
