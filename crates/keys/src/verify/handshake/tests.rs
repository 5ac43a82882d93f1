//! That a certificate is shown is not enough: whoever shows it must have its key, and sign in a way that the level takes.

use super::super::tests::{now, trust_in, version_1};
use super::{ClientVerifier, ServerVerifier};
use config::ClientAuth;
use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::aws_lc_rs::{default_provider, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Connection, Error, PeerMisbehaved,
    ServerConfig, ServerConnection, SignatureAlgorithm, SignatureScheme, SupportedProtocolVersion,
};
use std::sync::Arc;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Shows one certificate, whoever asks.
#[derive(Debug, Clone)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

impl ResolvesClientCert for Shows {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Signs with a scheme that nobody asked for.
#[derive(Debug)]
struct Signs(SignatureScheme);

impl SigningKey for Signs {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Self(self.0)))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Signs {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(vec![1; 64])
    }

    fn scheme(&self) -> SignatureScheme {
        self.0
    }
}

/// The moment at which the certificates of these tests are good.
#[derive(Debug)]
struct Then;

impl TimeProvider for Then {
    fn current_time(&self) -> Option<UnixTime> {
        let since_1970 = now().duration_since(std::time::UNIX_EPOCH).unwrap();
        Some(UnixTime::since_unix_epoch(since_1970))
    }
}

fn signing(key: &KeyPair) -> Arc<dyn SigningKey> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    any_supported_type(&key).unwrap()
}

fn shows(certificate: &CertificateDer<'static>, key: Arc<dyn SigningKey>) -> Shows {
    Shows(Arc::new(CertifiedKey::new(vec![certificate.clone()], key)))
}

fn version_3(name: &str, key: &KeyPair) -> CertificateDer<'static> {
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    params.self_signed(key).unwrap().der().clone()
}

/// What server and client say of their handshake; each trusts exactly the named certificate.
fn meet(
    version: &'static SupportedProtocolVersion,
    settings: &str,
    (server, server_pin): (Shows, &CertificateDer<'static>),
    (client, client_pin): (Shows, &CertificateDer<'static>),
) -> (Result<(), Error>, Result<(), Error>) {
    let pinned = |pin: &CertificateDer<'static>| {
        trust_in(
            &format!("STLDAP_TLS_HOST_CHECK=0\n{settings}"),
            std::slice::from_ref(pin),
            &[],
        )
    };
    let provider = Arc::new(default_provider());
    let verifier = ClientVerifier::new(pinned(client_pin), ClientAuth::Need);
    let server = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::new(Then))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(server));
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(Then))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerVerifier::new(pinned(server_pin))))
        .with_client_cert_resolver(Arc::new(client));
    config.resumption = Resumption::disabled();
    let name = "ldap.example.com".try_into().unwrap();
    let mut server = Connection::from(ServerConnection::new(Arc::new(server)).unwrap());
    let mut client = Connection::from(ClientConnection::new(Arc::new(config), name).unwrap());
    let (mut server_says, mut client_says) = (Ok(()), Ok(()));
    while (server_says.is_ok() && client.wants_write())
        || (client_says.is_ok() && server.wants_write())
    {
        server_says = server_says.and(carry(&mut client, &mut server));
        client_says = client_says.and(carry(&mut server, &mut client));
    }
    (server_says, client_says)
}

/// Brings what one has to say to the other.
fn carry(from: &mut Connection, to: &mut Connection) -> Result<(), Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut bytes = bytes.as_slice();
    while !bytes.is_empty() {
        to.read_tls(&mut bytes).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn a_trusted_certificate_is_of_no_use_without_its_key() {
    let (own, others) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let old = version_1("ldap.example.com", &own.subject_public_key_info()).der;
    let bad = Err(Error::from(CertificateError::BadSignature));
    for certificate in [old, version_3("ldap.example.com", &own)] {
        let honest = || (shows(&certificate, signing(&own)), &certificate);
        let forged = || (shows(&certificate, signing(&others)), &certificate);
        for version in VERSIONS {
            assert_eq!(meet(version, "", honest(), honest()), (Ok(()), Ok(())));
            assert_eq!(
                meet(version, "", honest(), forged()).0,
                bad,
                "client, {version:?}"
            );
            assert_eq!(
                meet(version, "", forged(), honest()).1,
                bad,
                "server, {version:?}"
            );
        }
    }
}

#[test]
fn a_handshake_signed_below_the_level_is_refused() {
    let key = KeyPair::generate().unwrap();
    let certificate = version_3("ldap.example.com", &key);
    let level = "STLDAP_TLS_SECURITY_LEVEL=3";
    let misbehaved = PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme;
    let below = Err(Error::from(misbehaved));
    for scheme in [
        SignatureScheme::ECDSA_NISTP521_SHA512,
        SignatureScheme::ECDSA_SHA1_Legacy,
    ] {
        let honest = || (shows(&certificate, signing(&key)), &certificate);
        let weak = || (shows(&certificate, Arc::new(Signs(scheme))), &certificate);
        for version in VERSIONS {
            assert_eq!(meet(version, level, honest(), honest()), (Ok(()), Ok(())));
            assert_eq!(
                meet(version, level, honest(), weak()).0,
                below,
                "client, {version:?}"
            );
            assert_eq!(
                meet(version, level, weak(), honest()).1,
                below,
                "server, {version:?}"
            );
        }
    }
}
