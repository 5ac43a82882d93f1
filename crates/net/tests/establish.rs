//! Real sockets, and a TLS client that we did not write.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use config::{IniFile, Sources, TlsSettings};
use keys::{Identity, Material};
use net::Stream;
use net::accept::{Refused, Rules, establish};
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ConnectionTrafficSecrets, RootCertStore, SupportedProtocolVersion};
use socket2::SockRef;
use std::future::Future;
use std::io;
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
    let material = Material {
        identities: vec![Identity::new(vec![made.cert.der().clone()], key).unwrap()],
        trusted: Vec::new(),
        notes: Vec::new(),
    };
    let tls = |versions| {
        net::tls::server_config(&settings(versions), &material)
            .unwrap()
            .0
    };
    let rules = Rules {
        legacy,
        tls: versions.map(tls),
        renew_keys_after: None,
        detect_deadline: Duration::from_secs(10),
        tls_deadline: Duration::from_secs(10),
    };
    (rules, roots)
}

/// The mux's scope with this range of versions and nothing else.
fn settings(versions: &[&'static SupportedProtocolVersion]) -> TlsSettings {
    let speaks = |version| versions.contains(&version);
    let min = if speaks(&TLS12) { "0x303" } else { "0x304" };
    let max = if speaks(&TLS13) { "0x304" } else { "0x303" };
    let ini =
        format!("[Config]\nST_TLS_MIN_PROTOCOL_VERSION={min}\nST_TLS_MAX_PROTOCOL_VERSION={max}\n");
    let sources = Sources {
        ini: Some(IniFile {
            path: "sametime.ini".into(),
            bytes: ini.into_bytes(),
        }),
        ..Sources::default()
    };
    config::load(sources).unwrap().0.tls.mux
}

fn connector(roots: RootCertStore, versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.enable_secret_extraction = true;
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
async fn an_accepted_socket_sends_at_once_and_asks_whether_its_peer_is_there() {
    let listener = net::listen::listen([127, 0, 0, 1].into(), 0).unwrap();
    let address = listener.local_addr().unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (socket, _) = accepted.unwrap();
    // They stand on the listening socket alone.
    let options = SockRef::from(&socket);
    assert!(options.tcp_nodelay().unwrap());
    assert!(options.keepalive().unwrap());
    assert_eq!(
        options.tcp_user_timeout().unwrap(),
        Some(net::listen::USER_TIMEOUT)
    );
    assert!(options.tcp_keepalive_time().unwrap() < net::listen::USER_TIMEOUT);
    assert!(options.tcp_keepalive_interval().unwrap() < net::listen::USER_TIMEOUT);
    drop(client);
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

/// The first handshake record of a client, cut so that rustls keeps a part of it, and then what no client sends.
const PART_OF_A_HELLO: &[u8] = b"\x16\x03\x01\x00\x05\x01\x00\x00\x10\x03";

#[tokio::test]
async fn a_broken_handshake_is_refused_in_order() {
    let then = |rest: &[u8]| [PART_OF_A_HELLO, rest].concat();
    // Some faults have no alert of their own.
    let silence = b"";
    let unexpected = b"\x15\x03\x03\x00\x02\x02\x0a";
    let malformed = b"\x15\x03\x03\x00\x02\x02\x32";
    let table: [(&str, Vec<u8>, &[u8]); 5] = [
        (
            "a hello that claims 64 KiB and more",
            b"\x16\x03\x01\x00\x04\x01\x01\x00\x00".to_vec(),
            silence,
        ),
        (
            "a record of no type in the middle of a hello",
            then(b"\x63\x03\x01\x00\x01\x00"),
            malformed,
        ),
        (
            "application data in the middle of a hello",
            then(b"\x17\x03\x03\x00\x01\x00"),
            silence,
        ),
        (
            "a record of 64 KiB in the middle of a hello",
            then(b"\x16\x03\x01\xff\xff"),
            malformed,
        ),
        (
            "the end of a handshake before its beginning",
            b"\x16\x03\x01\x00\x04\x14\x00\x00\x00".to_vec(),
            unexpected,
        ),
    ];
    for (what, bytes, alert) in table {
        let (rules, _) = rules(true, Some(BOTH));
        let client = async |mut socket: TcpStream| {
            socket.write_all(&bytes).await.unwrap();
            let mut back = Vec::new();
            socket.read_to_end(&mut back).await.unwrap();
            back
        };
        let server =
            async |established: Result<_, Refused>| established.map(|_| ()).unwrap_err().reason;
        let (back, reason) = meet(&rules, client, server).await;
        assert_eq!(reason, CloseReason::TlsFailed, "{what}");
        assert_eq!(back, alert, "{what}");
    }
}

#[tokio::test]
async fn a_refused_client_gets_its_alert_although_it_keeps_sending() {
    let (rules, _) = rules(true, Some(BOTH));
    let client = async |mut socket: TcpStream| {
        let broken = [PART_OF_A_HELLO, b"\x63\x03\x01\x00\x01\x00"].concat();
        socket.write_all(&broken).await.unwrap();
        socket.write_all(&[0; 32 * 1024]).await.unwrap();
        let mut back = Vec::new();
        socket.read_to_end(&mut back).await.unwrap();
        back
    };
    let server = async |_| ();
    let (back, ()) = meet(&rules, client, server).await;
    assert_eq!(back, b"\x15\x03\x03\x00\x02\x02\x32");
}

#[tokio::test]
async fn a_bad_record_ends_the_stream_as_bad_data_and_with_an_alert() {
    for versions in [&[&TLS12][..], &[&TLS13][..]] {
        let (rules, roots) = rules(true, Some(BOTH));
        let client = async |socket: TcpStream| {
            let name = ServerName::try_from("localhost").unwrap();
            let mut stream = connector(roots, versions)
                .connect(name, socket)
                .await
                .unwrap();
            let record = [&b"\x17\x03\x03\x00\x20"[..], &[0; 32]].concat();
            stream.get_mut().0.write_all(&record).await.unwrap();
            stream.read(&mut [0]).await.unwrap_err().to_string()
        };
        let server = async |established: Result<_, Refused>| {
            let (mut stream, _): (Stream, _) = established.unwrap();
            let mut words = [0; 16];
            let read = stream.read(&mut words).await.unwrap_err();
            let again = stream.read(&mut words).await.unwrap_err();
            let write = stream.write(b"too late").await.unwrap_err();
            stream.shutdown().await.unwrap();
            [read, again, write].map(|error| error.kind())
        };
        let (told, kinds) = meet(&rules, client, server).await;
        assert!(told.contains("BadRecordMac"), "{told}");
        let expected = [
            io::ErrorKind::InvalidData,
            io::ErrorKind::InvalidData,
            io::ErrorKind::BrokenPipe,
        ];
        assert_eq!(kinds, expected);
    }
}

/// One direction of TLS 1.3 after the handshake, record by record and with no opinion on what is in them.
struct Records {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Records {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Self {
        let ConnectionTrafficSecrets::Aes256Gcm { key, iv } = secrets else {
            panic!("the client's first choice is AES-256-GCM");
        };
        Self {
            key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap()),
            iv: iv.as_ref().try_into().unwrap(),
            sequence,
        }
    }

    fn nonce(&mut self) -> Nonce {
        let mut nonce = self.iv;
        for (byte, part) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= part;
        }
        self.sequence += 1;
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&mut self, content_type: u8, content: &[u8]) -> Vec<u8> {
        let mut inner = [content, &[content_type]].concat();
        let length = (inner.len() + AES_256_GCM.tag_len()) as u16;
        let header = [&b"\x17\x03\x03"[..], &length.to_be_bytes()].concat();
        let nonce = self.nonce();
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(&header), &mut inner)
            .unwrap();
        [header, inner].concat()
    }

    async fn open(&mut self, socket: &mut TcpStream) -> (u8, Vec<u8>) {
        let mut header = [0; 5];
        socket.read_exact(&mut header).await.unwrap();
        let mut inner = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
        socket.read_exact(&mut inner).await.unwrap();
        let nonce = self.nonce();
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(&header), &mut inner)
            .unwrap();
        let (content_type, content) = plain.split_last().unwrap();
        (*content_type, content.to_vec())
    }
}

/// Shakes hands decently and then takes the records, to the server and from it, out of rustls' hands.
async fn by_hand(roots: RootCertStore, socket: TcpStream) -> (TcpStream, Records, Records) {
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector(roots, BOTH).connect(name, socket).await.unwrap();
    let (socket, connection) = stream.into_inner();
    let secrets = connection.dangerous_extract_secrets().unwrap();
    (socket, Records::new(secrets.tx), Records::new(secrets.rx))
}

const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// While a part of a handshake message has arrived, the server still writes and closes.
#[tokio::test]
async fn a_handshake_message_in_two_parts_disturbs_no_answer_between_them() {
    let (rules, roots) = rules(true, Some(BOTH));
    let client = async |socket| {
        let (mut socket, mut tx, mut rx) = by_hand(roots, socket).await;
        let first = [
            tx.seal(APPLICATION_DATA, b"question"),
            // A KeyUpdate that asks for none in return: 18 000001 00.
            tx.seal(HANDSHAKE, b"\x18"),
        ];
        socket.write_all(&first.concat()).await.unwrap();
        let answer = rx.open(&mut socket).await;
        let second = tx.seal(HANDSHAKE, b"\x00\x00\x01\x00");
        socket.write_all(&second).await.unwrap();
        socket.shutdown().await.unwrap();
        let close_notify = rx.open(&mut socket).await;
        (answer, close_notify)
    };
    let server = async |established: Result<_, Refused>| {
        let (mut stream, transport): (Stream, _) = established.unwrap();
        let mut question = [0; 16];
        let count = stream.read(&mut question).await.unwrap();
        stream.write_all(b"answer").await.unwrap();
        let end = stream.read(&mut [0; 16]).await.unwrap();
        stream.shutdown().await.unwrap();
        (question[..count].to_vec(), end, transport)
    };
    let ((answer, close_notify), served) = meet(&rules, client, server).await;
    assert_eq!(answer, (APPLICATION_DATA, b"answer".to_vec()));
    assert_eq!(close_notify, (21, b"\x01\x00".to_vec()));
    assert_eq!(served, (b"question".to_vec(), 0, Transport::Tls13));
}

#[tokio::test]
async fn a_stream_closes_in_order_with_a_part_of_a_handshake_message_in_hand() {
    let (rules, roots) = rules(true, Some(BOTH));
    let client = async |socket| {
        let (mut socket, mut tx, mut rx) = by_hand(roots, socket).await;
        let sent = [
            tx.seal(APPLICATION_DATA, b"bye"),
            tx.seal(HANDSHAKE, b"\x18"),
        ];
        socket.write_all(&sent.concat()).await.unwrap();
        rx.open(&mut socket).await
    };
    let server = async |established: Result<_, Refused>| {
        let (mut stream, _): (Stream, _) = established.unwrap();
        let count = stream.read(&mut [0; 16]).await.unwrap();
        stream.shutdown().await.unwrap();
        count
    };
    let (close_notify, count) = meet(&rules, client, server).await;
    assert_eq!(close_notify, (21, b"\x01\x00".to_vec()));
    assert_eq!(count, 3);
}

/// `docs/domain/tls-scopes.md` 12, `SESSION_CACHE_TIME`: here it is over at once.
#[tokio::test]
async fn old_keys_are_renewed_before_the_next_answer() {
    let (mut rules, roots) = rules(true, Some(BOTH));
    rules.renew_keys_after = Some(Duration::ZERO);
    let client = async |socket| {
        let (mut socket, mut tx, mut rx) = by_hand(roots, socket).await;
        socket
            .write_all(&tx.seal(APPLICATION_DATA, b"question"))
            .await
            .unwrap();
        rx.open(&mut socket).await
    };
    let server = async |established: Result<_, Refused>| {
        let (mut stream, _): (Stream, _) = established.unwrap();
        let count = stream.read(&mut [0; 16]).await.unwrap();
        stream.write_all(b"answer").await.unwrap();
        count
    };
    let (first, count) = meet(&rules, client, server).await;
    assert_eq!(count, 8);
    // A KeyUpdate that asks for one in return.
    assert_eq!(first, (HANDSHAKE, b"\x18\x00\x00\x01\x01".to_vec()));
}

#[tokio::test]
async fn keys_may_be_renewed_with_every_write_and_no_byte_is_lost() {
    let (mut rules, roots) = rules(true, Some(BOTH));
    rules.renew_keys_after = Some(Duration::ZERO);
    let sent: Vec<u8> = (0..1_000_000_u32).map(|n| (n / 7) as u8).collect();
    let client = async |socket| {
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector(roots, BOTH).connect(name, socket).await.unwrap();
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
    assert_eq!(meet(&rules, client, echo).await, (true, Transport::Tls13));
}
