//! How the front door closes: in order, and without anybody who could hold it open.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use config::Pii;
use mux::{Mux, Phase};
use net::Stream;
use net::accept::Rules;
use std::future::{Future, pending};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use wire::CloseReason;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than any test: who is waited for this long holds the stop up.
const NEVER: Duration = Duration::from_secs(3600);

/// A front door for clear connections.
struct Door {
    mux: Arc<Mux>,
    address: SocketAddr,
    phase: watch::Sender<Phase>,
    listening: JoinHandle<()>,
}

impl Door {
    async fn open<F, S>(serve: F) -> Self
    where
        F: Fn(Stream) -> S + Clone + Send + Sync + 'static,
        S: Future<Output = CloseReason> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (phase, told) = watch::channel(Phase::Serving);
        let (_, rules) = watch::channel(Arc::new(Rules {
            legacy: true,
            tls: None,
            renew_keys_after: None,
            detect_deadline: NEVER,
            tls_deadline: NEVER,
        }));
        let mux = Mux::new(10, Pii::default());
        let listening =
            Arc::clone(&mux).listen(listener, rules, told, move |stream, _| serve(stream));
        Self {
            mux,
            address,
            phase,
            listening: tokio::spawn(listening),
        }
    }

    async fn connect(&self, first: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        socket.write_all(first).await.unwrap();
        socket
    }

    /// Waits until this many connections are held.
    async fn holds(&self, count: usize) {
        let holds = async {
            while self.mux.connections() != count {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, holds).await.expect("the connections");
    }

    async fn closed(self) {
        timeout(PATIENCE, self.listening)
            .await
            .expect("the door closes")
            .expect("without a fault");
        assert_eq!(self.mux.connections(), 0);
    }
}

/// The start of a frame, which makes a clear stream.
const FRAME: &[u8] = b"\0\0\0\x04";

#[tokio::test]
async fn who_has_said_nothing_does_not_hold_up_the_stop() {
    let door = Door::open(|_| pending()).await;
    let mut silent = door.connect(b"").await;
    let mut undecided = door.connect(b"\0\0").await;
    door.holds(2).await;
    door.phase.send_replace(Phase::Stopping);
    for socket in [&mut silent, &mut undecided] {
        // An end or a reset, if there were unread bytes.
        let _ = timeout(PATIENCE, socket.read(&mut [0]))
            .await
            .expect("closed");
    }
    door.closed().await;
}

#[tokio::test]
async fn streams_are_waited_for_until_they_are_cut_off() {
    let (started, mut starts) = mpsc::unbounded_channel();
    let door = Door::open(move |stream| {
        started.send(()).unwrap();
        async move {
            let _held = stream;
            pending().await
        }
    })
    .await;
    let mut client = door.connect(FRAME).await;
    starts.recv().await.unwrap();
    door.phase.send_replace(Phase::Stopping);
    // Nobody is let in any more, and the one who is stays.
    let refused = async { while TcpStream::connect(door.address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("no listener");
    assert_eq!(door.mux.connections(), 1);
    assert!(!door.listening.is_finished());

    door.phase.send_replace(Phase::CutOff);
    let _ = timeout(PATIENCE, client.read(&mut [0]))
        .await
        .expect("closed");
    door.closed().await;
}

#[tokio::test]
async fn a_panic_ends_one_connection_and_frees_its_place() {
    let (started, mut starts) = mpsc::unbounded_channel();
    let door = Door::open(move |mut stream| {
        started.send(()).unwrap();
        async move {
            let mut first = [0; 5];
            stream.read_exact(&mut first).await.unwrap();
            assert_ne!(first.last(), Some(&1), "a fault made on purpose");
            let _ = stream.read(&mut first).await;
            CloseReason::PeerClosed
        }
    })
    .await;
    let decent = door.connect(FRAME).await;
    let mut faulty = door.connect(FRAME).await;
    for _ in 0..2 {
        starts.recv().await.unwrap();
    }
    faulty.write_all(&[1]).await.unwrap();
    door.holds(1).await;
    drop(decent);
    door.holds(0).await;
    door.phase.send_replace(Phase::Stopping);
    door.closed().await;
}
