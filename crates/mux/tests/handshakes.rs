//! What the front door tells about TLS handshakes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use config::Pii;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use mux::{Mux, Phase};
use net::accept::Rules;
use net::probe::by_anything;
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use wire::CloseReason;

const PATIENCE: Duration = Duration::from_secs(30);

/// A front door for TLS 1.3, with what it counts.
fn open(listener: TcpListener) -> (PrometheusHandle, watch::Sender<Phase>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let (_, rules) = watch::channel(Arc::new(Rules {
        legacy: false,
        tls: Some(Arc::new(tls)),
        renew_keys_after: None,
        detect_deadline: PATIENCE,
        tls_deadline: PATIENCE,
    }));
    let recorder = PrometheusBuilder::new().build_recorder();
    let counts = recorder.handle();
    let mux = metrics::with_local_recorder(&recorder, || Mux::new(10, Pii::default()));
    let (phase, told) = watch::channel(Phase::Serving);
    tokio::spawn(
        mux.listen(listener, rules, told, |mut stream, _| async move {
            let _ = stream.read(&mut [0]).await;
            CloseReason::PeerClosed
        }),
    );
    (counts, phase)
}

/// Waits until a counter stands at one.
async fn counted(counts: &PrometheusHandle, line: &str) {
    let wanted = format!("{line} 1");
    let seen = async {
        while !counts.render().lines().any(|line| line == wanted) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, seen)
        .await
        .unwrap_or_else(|_| panic!("{wanted} not in {}", counts.render()));
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

#[tokio::test]
async fn handshakes_are_counted_by_what_they_came_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (counts, _phase) = open(listener);
    let suite = "scope=\"mux\",version=\"tls1.3\",suite=\"TLS_AES_256_GCM_SHA384\"";
    let succeeded = format!("isochron_tls_handshakes_total{{{suite}}}");
    assert!(
        counts.render().contains(&format!("{succeeded} 0")),
        "zero from the start"
    );
    let seen = by_anything(connect(address).await, "localhost").await;
    assert!(seen.result.is_ok(), "{seen:?}");
    counted(&counts, &succeeded).await;

    // A hello of TLS 1.2 that offers one suite and nothing else.
    let hello = [
        &b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03"[..],
        &[7; 32],
        b"\x00\x00\x02\xc0\x2f\x01\x00",
    ];
    let mut old = connect(address).await;
    old.write_all(&hello.concat()).await.unwrap();
    let failed = |reason| {
        format!("isochron_tls_handshake_failures_total{{scope=\"mux\",reason=\"{reason}\"}}")
    };
    counted(&counts, &failed("no_common_signature")).await;

    let mut silent = connect(address).await;
    silent.write_all(b"\x16\x03\x01").await.unwrap();
    drop(silent);
    counted(&counts, &failed("closed")).await;
}
