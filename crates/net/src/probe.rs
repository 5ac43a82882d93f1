//! Looking at a TLS peer: what it offers, what it shows, and whether a scope would take it.
//!
//! For commands and tests; a probe carries no data and its connection is thrown away.

mod offers;

pub use offers::offers;

use crate::accept::{Rules, establish};
use crate::suites;
use crate::tls::{ClientRules, Failure, Handshake, anybody};
use config::{Fault, TlsSettings};
use keys::Material;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, ServerConfig, SignatureScheme,
};
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// After the handshake of TLS 1.3 is over for the client, the server may still refuse its certificate. Servers of the
/// protocols in question say nothing by themselves, so this is how long a good probe takes.
const AFTERMATH: Duration = Duration::from_millis(300);
/// How long a probe may take at all.
const DEADLINE: Duration = Duration::from_secs(15);
/// Read at once.
const READ_BYTES: usize = 16 * 1024;

/// What a probe has seen.
#[derive(Debug)]
pub struct Seen {
    /// What the handshake came to, as far as it came.
    pub handshake: Option<Handshake>,
    /// The peer's certificate and the chain that came with it, accepted or not; empty if it did not come so far.
    pub chain: Vec<CertificateDer<'static>>,
    /// How it ended.
    pub result: Result<(), Trouble>,
}

/// Why a probe did not succeed.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// One side refused the other.
    Tls(Failure),
    /// The socket failed, or the time was over.
    Socket(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tls(failure) => failure.fmt(f),
            Self::Socket(problem) => f.write_str(problem),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match Failure::within(&error) {
            Some(failure) => Self::Tls(failure.clone()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Socket("the peer closed the connection during the handshake".to_owned())
            }
            None => Self::Socket(error.to_string()),
        }
    }
}

/// Shakes hands as the scope would. `host` is the name that was dialled.
///
/// # Errors
/// What keeps the scope from connecting to anybody. What the peer does wrong is in [`Seen`].
pub async fn by_rules(
    socket: TcpStream,
    host: &str,
    settings: &TlsSettings,
    material: &Material,
) -> Result<Seen, Vec<Fault>> {
    let rules = ClientRules::new(settings, material)?;
    Ok(watched(socket, host, |watch| rules.config(watch)).await)
}

/// Shakes hands with everything that the TLS library has, and believes whatever certificate is shown.
pub async fn by_anything(socket: TcpStream, host: &str) -> Seen {
    let all: Vec<_> = suites::all().collect();
    watched(socket, host, |watch| anybody(&all, watch)).await
}

/// What came of a server and a client that met.
#[derive(Debug)]
pub struct Met {
    /// What the server says.
    pub server: Result<Handshake, Trouble>,
    /// What the client says.
    pub client: Seen,
}

/// Lets a listener's configuration meet a client that believes everybody, on the loopback interface.
///
/// # Errors
/// When the machine has no loopback interface.
pub async fn loopback(server: Arc<ServerConfig>, host: &str) -> io::Result<Met> {
    meet(server, |socket| by_anything(socket, host)).await
}

/// Lets a listener's configuration meet a client with the rules of a scope, on the loopback interface.
///
/// # Errors
/// When the machine has no loopback interface, or the client's rules serve nobody.
pub async fn loopback_by_rules(
    server: Arc<ServerConfig>,
    host: &str,
    settings: &TlsSettings,
    material: &Material,
) -> io::Result<Result<Met, Vec<Fault>>> {
    let rules = match ClientRules::new(settings, material) {
        Ok(rules) => rules,
        Err(faults) => return Ok(Err(faults)),
    };
    let probe = |socket| watched(socket, host, |watch| rules.config(watch));
    meet(server, probe).await.map(Ok)
}

pub(crate) async fn meet<F: Future<Output = Seen>>(
    config: Arc<ServerConfig>,
    probe: impl FnOnce(TcpStream) -> F,
) -> io::Result<Met> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let socket = TcpStream::connect(listener.local_addr()?).await?;
    let (accepted, _) = listener.accept().await?;
    let rules = Rules {
        legacy: false,
        tls: Some(config),
        renew_keys_after: None,
        detect_deadline: DEADLINE,
        tls_deadline: DEADLINE,
    };
    let server = async {
        let (mut stream, _) = establish(accepted, &rules).await.map_err(|refused| {
            let reason = refused.reason.label();
            refused
                .detail
                .map_or_else(|| Trouble::Socket(reason.to_owned()), Trouble::from)
        })?;
        // Until the client is done, so that what it sees is the handshake and not its end.
        let _ = stream.read(&mut [0]).await;
        let handshake = stream.handshake();
        handshake.ok_or_else(|| Trouble::Socket("no TLS".to_owned()))
    };
    let (server, client) = tokio::join!(server, probe(socket));
    Ok(Met { server, client })
}

pub(crate) type Watch = Box<dyn FnOnce(Arc<dyn ServerCertVerifier>) -> Arc<dyn ServerCertVerifier>>;

pub(crate) async fn watched(
    mut socket: TcpStream,
    host: &str,
    config: impl FnOnce(Watch) -> ClientConfig,
) -> Seen {
    let chain = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&chain);
    let config = config(Box::new(move |verifier| {
        Arc::new(Witness { verifier, seen })
    }));
    let (handshake, result) = match connection(host, config) {
        Ok(mut connection) => {
            let result = match timeout(DEADLINE, shake_hands(&mut socket, &mut connection)).await {
                Ok(result) => result.map_err(Trouble::from),
                Err(_) => Err(Trouble::Socket(
                    "the peer did not answer in time".to_owned(),
                )),
            };
            (Handshake::of(&connection), result)
        }
        Err(trouble) => (None, Err(trouble)),
    };
    let chain = std::mem::take(&mut *chain.lock().unwrap_or_else(PoisonError::into_inner));
    Seen {
        handshake,
        chain,
        result,
    }
}

fn connection(host: &str, config: ClientConfig) -> Result<ClientConnection, Trouble> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Trouble::Socket(format!("{host} is neither a host name nor an address")))?;
    ClientConnection::new(Arc::new(config), name).map_err(|error| Trouble::Tls(error.into()))
}

async fn shake_hands(socket: &mut TcpStream, connection: &mut ClientConnection) -> io::Result<()> {
    let mut incoming = vec![0; READ_BYTES];
    while connection.is_handshaking() {
        send(socket, connection).await?;
        match socket.read(&mut incoming).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                receive(
                    socket,
                    connection,
                    incoming.get(..count).unwrap_or_default(),
                )
                .await?
            }
        }
    }
    send(socket, connection).await?;
    if let Ok(read) = timeout(AFTERMATH, socket.read(&mut incoming)).await {
        let count = read?;
        receive(
            socket,
            connection,
            incoming.get(..count).unwrap_or_default(),
        )
        .await?;
    }
    connection.send_close_notify();
    // The handshake is over; whether the peer still listens does not matter.
    let _ = send(socket, connection).await;
    Ok(())
}

async fn send(socket: &mut TcpStream, connection: &mut ClientConnection) -> io::Result<()> {
    let mut outgoing = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut outgoing)?;
    }
    socket.write_all(&outgoing).await
}

async fn receive(
    socket: &mut TcpStream,
    connection: &mut ClientConnection,
    mut bytes: &[u8],
) -> io::Result<()> {
    while !bytes.is_empty() {
        connection.read_tls(&mut bytes)?;
        if let Err(error) = connection.process_new_packets() {
            // The alert, so that the peer knows too.
            let _ = send(socket, connection).await;
            return Err(io::Error::other(Failure::from(error)));
        }
    }
    Ok(())
}

/// Remembers the certificates that another verifier is asked about.
#[derive(Debug)]
struct Witness {
    verifier: Arc<dyn ServerCertVerifier>,
    seen: Arc<Mutex<Vec<CertificateDer<'static>>>>,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(end_entity).chain(intermediates);
        let chain = chain
            .map(|certificate| certificate.clone().into_owned())
            .collect();
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        self.verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
