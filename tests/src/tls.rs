//! A TLS client whose bytes the test holds in its hand.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use std::net::TcpStream;
use std::sync::Arc;

/// A client that has not sent anything yet.
#[must_use]
pub fn client() -> ClientConnection {
    let config = config(aws_lc_rs::default_provider());
    let name = ServerName::try_from("localhost").expect("a host name");
    ClientConnection::new(Arc::new(config), name).expect("a client starts")
}

/// The rules of a client that takes any certificate.
#[must_use]
pub fn config(provider: CryptoProvider) -> ClientConfig {
    let provider = Arc::new(provider);
    ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakeAny(provider)))
        .with_no_client_auth()
}

/// The bytes that a client sends first.
pub fn hello(client: &mut ClientConnection) -> Vec<u8> {
    let mut hello = Vec::new();
    client
        .write_tls(&mut hello)
        .expect("a vector takes any bytes");
    hello
}

/// Finishes a handshake whose first bytes were sent by the test.
///
/// # Panics
/// When the server does not finish it.
pub fn finish(client: &mut ClientConnection, stream: &mut TcpStream, what: &str) {
    while client.is_handshaking() {
        if let Err(fault) = client.complete_io(stream) {
            panic!("{what}: the handshake failed: {fault}");
        }
    }
}

/// Takes any certificate: what the server shows is checked by other tests.
#[derive(Debug)]
struct TakeAny(Arc<CryptoProvider>);

impl ServerCertVerifier for TakeAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
