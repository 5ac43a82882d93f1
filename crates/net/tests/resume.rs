//! Clients that come back: with a session where sessions are kept, and all over again where not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use config::{IniFile, Sources, TlsSettings};
use keys::{Identity, Material};
use net::accept::{Rules, establish};
use net::tls::Handshake;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const DEADLINE: Duration = Duration::from_secs(30);

fn settings(ini: &str) -> TlsSettings {
    let ini = format!("[Config]\nST_TLS_MAX_PROTOCOL_VERSION=0x304\n{ini}");
    let sources = Sources {
        ini: Some(IniFile {
            path: "sametime.ini".into(),
            bytes: ini.into_bytes(),
        }),
        ..Sources::default()
    };
    config::load(sources).unwrap().0.tls.mux
}

/// One after the other, the same client comes this often; what each handshake came to, and whom the client showed.
async fn visits(
    ini: &str,
    version: &'static SupportedProtocolVersion,
    count: usize,
) -> Vec<(Handshake, Option<String>)> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let material = Material {
        identities: vec![Identity::new(vec![certificate.clone()], key.clone_key()).unwrap()],
        trusted: vec![certificate.clone()],
        notes: Vec::new(),
    };
    let rules = Rules {
        legacy: false,
        tls: Some(
            net::tls::server_config(&settings(ini), &material)
                .unwrap()
                .0,
        ),
        renew_keys_after: None,
        detect_deadline: DEADLINE,
        tls_deadline: DEADLINE,
    };
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    let client = TlsConnector::from(Arc::new(client));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut seen = Vec::new();
    for _ in 0..count {
        let visit = async {
            let socket = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let mut stream = client.connect(name, socket).await.unwrap();
            // With the answer comes the ticket.
            stream.write_all(b"question").await.unwrap();
            stream.read_exact(&mut [0; 6]).await.unwrap();
        };
        let serve = async {
            let (socket, _) = listener.accept().await.unwrap();
            let (mut stream, _) = establish(socket, &rules).await.unwrap();
            stream.read_exact(&mut [0; 8]).await.unwrap();
            stream.write_all(b"answer").await.unwrap();
            let shown = stream.client_certificate().map(|facts| facts.subject);
            (stream.handshake().unwrap(), shown)
        };
        let both = async { tokio::join!(visit, serve) };
        let ((), came_to) = timeout(DEADLINE, both).await.expect("took too long");
        seen.push(came_to);
    }
    seen
}

fn resumed(seen: &[(Handshake, Option<String>)]) -> Vec<bool> {
    seen.iter()
        .map(|(handshake, _)| handshake.resumed)
        .collect()
}

/// `docs/domain/tls-scopes.md` 12.
#[tokio::test]
async fn a_client_that_comes_back_finds_its_session_if_sessions_are_kept() {
    let kept = "ST_TLS_SESSION_CACHE_SIZE=100\nST_TLS_MAX_SESSION_AGE=600";
    for version in [&TLS12, &TLS13] {
        assert_eq!(
            resumed(&visits(kept, version, 3).await),
            [false, true, true]
        );
        assert_eq!(resumed(&visits("", version, 3).await), [false; 3]);
    }
}

#[tokio::test]
async fn a_client_that_comes_back_is_known_by_the_certificate_it_showed() {
    let ini = "ST_TLS_SESSION_CACHE_SIZE=0\nST_TLS_MAX_SESSION_AGE=0\n\
               ST_TLS_TRUST_STORE_FILE=t.p12\nST_TLS_CLIENT_AUTH=2";
    for version in [&TLS12, &TLS13] {
        let seen = visits(ini, version, 2).await;
        assert_eq!(resumed(&seen), [false, true]);
        let [(_, first), (_, second)] = seen.as_slice() else {
            panic!("two visits");
        };
        assert_eq!(first.as_deref(), Some("CN=rcgen self signed cert"));
        assert_eq!(first, second);
    }
}
