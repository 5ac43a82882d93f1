//! Real sockets, and a TLS client that we did not write.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use net::Stream;
use net::accept::{Refused, Rules, establish};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use wire::CloseReason;
use wire::link::Transport;

const DEADLINE: Duration = Duration::from_secs(30);
const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

fn rules(
    legacy: bool,
    versions: Option<&[&'static SupportedProtocolVersion]>,
) -> (Rules, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = aws_lc_rs::default_provider();
    let identity = CertifiedKey::from_der(vec![made.cert.der().clone()], key, &provider).unwrap();
    let rules = Rules {
        legacy,
        tls: versions.map(|versions| net::tls::server_config(identity, versions).unwrap()),
        detect_deadline: Duration::from_secs(10),
        tls_deadline: Duration::from_secs(10),
    };
    (rules, roots)
}

fn connector(roots: RootCertStore, versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// Runs both ends of one connection.
async fn meet<C, T, S, U>(
    rules: &Rules,
    client: impl FnOnce(TcpStream) -> C,
    server: impl FnOnce(Result<(Stream, Transport), Refused>) -> S,
) -> (T, U)
where
    C: Future<Output = T>,
    S: Future<Output = U>,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = async { client(TcpStream::connect(address).await.unwrap()).await };
    let server = async {
        let (socket, _) = listener.accept().await.unwrap();
        server(establish(socket, rules).await).await
    };
    timeout(DEADLINE, async { tokio::join!(client, server) })
        .await
        .expect("took too long")
}

async fn echo(established: Result<(Stream, Transport), Refused>) -> Transport {
    let (stream, transport) = established.expect("established");
    let (mut reader, mut writer) = tokio::io::split(stream);
    tokio::io::copy(&mut reader, &mut writer).await.unwrap();
    writer.shutdown().await.unwrap();
    transport
}

#[tokio::test]
async fn both_versions_carry_a_megabyte_there_and_back() {
    for (versions, expected) in [
        (&[&TLS12][..], Transport::Tls12),
        (&[&TLS13][..], Transport::Tls13),
        (BOTH, Transport::Tls13),
    ] {
        let (rules, roots) = rules(true, Some(BOTH));
        let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n / 7) as u8).collect();
        let client = async |socket| {
            let name = ServerName::try_from("localhost").unwrap();
            let stream = connector(roots, versions)
                .connect(name, socket)
                .await
                .unwrap();
            let (mut reader, mut writer) = tokio::io::split(stream);
            let write = async {
                writer.write_all(&sent).await.unwrap();
                writer.shutdown().await.unwrap();
            };
            let mut received = Vec::new();
            let read = async { reader.read_to_end(&mut received).await.unwrap() };
            tokio::join!(write, read);
            received == sent
        };
        assert_eq!(meet(&rules, client, echo).await, (true, expected));
    }
}

#[tokio::test]
async fn a_version_below_the_range_is_refused_with_an_alert() {
    let (rules, roots) = rules(true, Some(&[&TLS13]));
    let client = async |socket| {
        let name = ServerName::try_from("localhost").unwrap();
        connector(roots, &[&TLS12])
            .connect(name, socket)
            .await
            .unwrap_err()
            .to_string()
    };
    let server =
        async |established: Result<_, Refused>| established.map(|_| ()).unwrap_err().reason;
    let (error, reason) = meet(&rules, client, server).await;
    assert!(error.contains("ProtocolVersion"), "{error}");
    assert_eq!(reason, CloseReason::TlsFailed);
}

#[tokio::test]
async fn a_clear_stream_begins_with_what_detection_read() {
    let (rules, _) = rules(true, Some(BOTH));
    let client = async |mut socket: TcpStream| {
        socket.write_all(b"\0\0\0\x04abcd").await.unwrap();
        let mut back = [0; 8];
        socket.read_exact(&mut back).await.unwrap();
        socket.shutdown().await.unwrap();
        back
    };
    assert_eq!(
        meet(&rules, client, echo).await,
        (*b"\0\0\0\x04abcd", Transport::Clear)
    );
}

#[tokio::test]
async fn who_is_not_served_gets_no_byte_and_one_reason() {
    let tls_hello = b"\x16\x03\x01\x00\x05hello";
    let table: &[(&[u8], bool, bool, CloseReason)] = &[
        (b"\0\0\0\x04abcd", false, true, CloseReason::LegacyRefused),
        (b"\x80\x80", false, true, CloseReason::LegacyRefused),
        (tls_hello, true, false, CloseReason::TlsNotServed),
        (b"\x80\x2e\x01\x03\x01", true, true, CloseReason::Ssl2Hello),
        (
            b"GET / HTTP/1.1\r\n\r\n",
            true,
            true,
            CloseReason::HttpNotServed,
        ),
        (b"SSH-2.0-client\r\n", true, true, CloseReason::Garbage),
        (b"\0\0", true, true, CloseReason::PeerClosed),
    ];
    for (bytes, legacy, tls, expected) in table {
        let (rules, _) = rules(*legacy, tls.then_some(BOTH));
        let client = async |mut socket: TcpStream| {
            socket.write_all(bytes).await.unwrap();
            socket.shutdown().await.unwrap();
            let mut back = Vec::new();
            // Unread bytes may turn the close into a reset; nothing has been sent in either case.
            let _ = socket.read_to_end(&mut back).await;
            back
        };
        let server =
            async |established: Result<_, Refused>| established.map(|_| ()).unwrap_err().reason;
        assert_eq!(
            meet(&rules, client, server).await,
            (Vec::new(), *expected),
            "{bytes:02x?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn silence_and_a_handshake_that_stops_have_their_deadlines() {
    for (bytes, expected) in [
        (&b""[..], CloseReason::DetectTimeout),
        (&b"\x16\x03\x01"[..], CloseReason::TlsTimeout),
    ] {
        let (rules, _) = rules(true, Some(BOTH));
        let (held, hold) = tokio::sync::oneshot::channel();
        let client = async |mut socket: TcpStream| {
            socket.write_all(bytes).await.unwrap();
            held.send(socket).unwrap();
        };
        let server =
            async |established: Result<_, Refused>| established.map(|_| ()).unwrap_err().reason;
        let ((), reason) = meet(&rules, client, server).await;
        drop(hold);
        assert_eq!(reason, expected);
    }
}
