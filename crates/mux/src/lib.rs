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
use net::tls::{Failure, Reason};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use wire::CloseReason;
use wire::link::{Opened, Transport};

/// Pause after the system had no socket or memory for a new connection: without it the loop would spin, because
/// the connection that could not be accepted keeps the listener readable.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often what is left of ended connections is cleared away while nobody new comes.
const REAP_EVERY: Duration = Duration::from_secs(1);
/// Connections above the capacity that are told so at the same time; more are closed without a word.
const REFUSING_MAX: usize = 256;
/// How long telling a client that the server is full may take.
const REFUSE_DEADLINE: Duration = Duration::from_secs(5);

/// How far the server's stop has come, as told to every listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// New connections are taken.
    Serving,
    /// No new ones, and none that is not a stream yet; streams are waited for.
    Stopping,
    /// Nobody is waited for any more.
    CutOff,
}

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

    /// Accepts on one listener until the server stops, then waits for the connections to end; those that are
    /// left when it comes to [`Phase::CutOff`] are ended. None is alive any more when this returns.
    ///
    /// `serve` gets each clean stream and answers with the reason of its end.
    pub async fn listen<F, S>(
        self: Arc<Self>,
        listener: TcpListener,
        rules: watch::Receiver<Arc<Rules>>,
        mut phase: watch::Receiver<Phase>,
        serve: F,
    ) where
        F: Fn(Stream, Opened) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = CloseReason> + Send + 'static,
    {
        let mut tasks = JoinSet::new();
        // For the connections; this one is borrowed.
        let told = phase.clone();
        // Woken for each connection that ends, this would cost as much as a part of its handshake.
        let mut reap = interval(REAP_EVERY);
        reap.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = reached(&mut phase, Phase::Stopping) => break,
                accepted = listener.accept() => {
                    self.accepted(accepted, &rules, &told, &serve, &mut tasks).await;
                }
                _ = reap.tick() => {}
            }
            while let Some(ended) = tasks.try_join_next() {
                joined(ended);
            }
        }
        drop(listener);
        loop {
            tokio::select! {
                biased;
                ended = tasks.join_next() => match ended {
                    Some(ended) => joined(ended),
                    None => return,
                },
                () = reached(&mut phase, Phase::CutOff) => break,
            }
        }
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            joined(ended);
        }
    }

    async fn accepted<F, S>(
        self: &Arc<Self>,
        accepted: io::Result<(TcpStream, SocketAddr)>,
        rules: &watch::Receiver<Arc<Rules>>,
        phase: &watch::Receiver<Phase>,
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
        self.metrics.accepted();
        let mut connection = Connection {
            mux: Arc::clone(self),
            conn: self.next_conn.fetch_add(1, Ordering::Relaxed),
            peer,
            end: None,
        };
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            let (rules, phase) = (Arc::clone(&rules.borrow()), phase.clone());
            let serve = serve.clone();
            tasks.spawn(async move {
                let end = connection.run(socket, rules, phase, serve).await;
                connection.end = Some(end);
                // Counted before the place is free.
                drop(connection);
                drop(permit);
            });
        } else if let Ok(permit) = Arc::clone(&self.refusing).try_acquire_owned() {
            let (rules, phase) = (Arc::clone(&rules.borrow()), phase.clone());
            tasks.spawn(async move {
                connection.end = Some(refuse(socket, rules, phase).await);
                drop(connection);
                drop(permit);
            });
        } else {
            connection.end = Some((CloseReason::CapacityFull, None));
        }
    }

    /// The one place where an end is counted and logged.
    fn ended(&self, conn: u64, peer: SocketAddr, (reason, detail): End) {
        self.metrics.closed(reason);
        let peer = self.pii.show(peer);
        match detail {
            Some(detail) => tracing::info!(conn, %peer, %reason, %detail, "connection closed"),
            None => tracing::info!(conn, %peer, %reason, "connection closed"),
        }
    }
}

/// Why a connection ended, and what the system or TLS said to it.
type End = (CloseReason, Option<io::Error>);

/// One accepted connection. Its end is counted when it is dropped, so that none goes without: a task may also be
/// cut off, or end by a panic.
struct Connection {
    mux: Arc<Mux>,
    conn: u64,
    peer: SocketAddr,
    end: Option<End>,
}

impl Connection {
    async fn run<F, S>(
        &self,
        socket: TcpStream,
        rules: Arc<Rules>,
        phase: watch::Receiver<Phase>,
        serve: F,
    ) -> End
    where
        F: Fn(Stream, Opened) -> S,
        S: Future<Output = CloseReason>,
    {
        // Boxed, so that the handshake's room is given back and not carried along by every idle session.
        match Box::pin(establish_while_serving(socket, rules, phase)).await {
            Ok((stream, transport)) => {
                self.mux.metrics.established(transport);
                self.shook_hands(&stream);
                let opened = Opened {
                    conn: self.conn,
                    peer: self.peer,
                    transport,
                };
                (serve(stream, opened).await, None)
            }
            Err(Refused { reason, detail }) => {
                match (reason, &detail) {
                    (CloseReason::TlsTimeout, _) => self.mux.metrics.handshake_timed_out(),
                    (CloseReason::TlsFailed, Some(error)) => self.handshake_failed(error),
                    _ => {}
                }
                (reason, detail)
            }
        }
    }

    /// Counts a failure, and tells whose certificate was refused and what names were compared in vain; the reason stands
    /// with the connection's end.
    fn handshake_failed(&self, error: &io::Error) {
        self.mux.metrics.handshake_failed(Reason::of(error));
        let Some(refusal) = Failure::within(error).and_then(Failure::refusal) else {
            return;
        };
        let (conn, pii) = (self.conn, self.mux.pii);
        if let Some(subject) = &refusal.subject {
            let subject = pii.show(subject);
            match &refusal.names {
                Some(names) => {
                    let names = pii.show(names);
                    tracing::info!(conn, %subject, %names, "client certificate refused");
                }
                None => tracing::info!(conn, %subject, "client certificate refused"),
            }
        }
    }

    /// Tells what a TLS handshake came to, and who the client is by its certificate.
    fn shook_hands(&self, stream: &Stream) {
        let Some(handshake) = stream.handshake() else {
            return;
        };
        let conn = self.conn;
        self.mux.metrics.shook_hands(&handshake);
        tracing::debug!(
            target: "tls",
            conn,
            version = handshake.version(),
            suite = handshake.suite_name(),
            group = handshake.group_name(),
            resumed = handshake.resumed,
            "TLS handshake"
        );
        if let Some(client) = stream.client_certificate() {
            let pii = self.mux.pii;
            // Who signs for itself is its own issuer; an authority's name is nobody's secret.
            let issuer_pii = if client.self_signed {
                pii
            } else {
                Pii::new(true)
            };
            let (subject, issuer) = (pii.show(client.subject), issuer_pii.show(client.issuer));
            tracing::info!(conn, %subject, %issuer, "client certificate accepted");
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let conn = self.conn;
        let end = self.end.take().unwrap_or_else(|| {
            if std::thread::panicking() {
                tracing::error!(
                    conn,
                    "a connection ended by a fault of the server; please report it"
                );
                (CloseReason::Internal, None)
            } else {
                (CloseReason::ServerStopping, None)
            }
        });
        self.mux.ended(conn, self.peer, end);
    }
}

/// A connection that is not a stream yet does not hold up the server's stop.
async fn establish_while_serving(
    socket: TcpStream,
    rules: Arc<Rules>,
    mut phase: watch::Receiver<Phase>,
) -> Result<(Stream, Transport), Refused> {
    tokio::select! {
        biased;
        established = establish(socket, &rules) => established,
        () = reached(&mut phase, Phase::Stopping) => Err(CloseReason::ServerStopping.into()),
    }
}

/// Tells a client above the capacity that the server is full, in its own protocol.
async fn refuse(socket: TcpStream, rules: Arc<Rules>, mut phase: watch::Receiver<Phase>) -> End {
    let tell = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
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
    };
    let detail = tokio::select! {
        biased;
        told = timeout(REFUSE_DEADLINE, tell) => told.ok().and_then(Result::err),
        () = reached(&mut phase, Phase::Stopping) => None,
    };
    (CloseReason::CapacityFull, detail)
}

/// The end is counted already; this only tells what a panic said.
fn joined(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "the fault was this");
    }
}

/// Waits until the stop has come this far, or nobody is left who could tell.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|now| *now >= wanted).await;
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
