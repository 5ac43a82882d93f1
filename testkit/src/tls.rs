//! TLS as the load generator speaks it, and certificates for the servers that it speaks to.

use anyhow::{Context, Result, bail};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::cipher_suite::{
    TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    TLS13_AES_128_GCM_SHA256,
};
use rustls::crypto::aws_lc_rs::kx_group::{X25519, X25519MLKEM768};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// How a client shakes hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// With TLS 1.3, or with TLS 1.2.
    pub tls13: bool,
    /// Goes on from an earlier connection, or begins afresh.
    pub resumed: bool,
    /// With the key exchange that holds against quantum computers, or with X25519 alone.
    pub hybrid: bool,
}

impl Handshake {
    /// TLS 1.3 from the beginning, with X25519.
    pub const FULL: Self = Self {
        tls13: true,
        resumed: false,
        hybrid: false,
    };

    /// TLS that accepts any certificate, because the server's is self-signed and not what is measured.
    ///
    /// The suite is the one of all figures in `docs/performance.md`, and so is the key exchange; servers would go by
    /// their own or by our order otherwise, and no two of them alike.
    ///
    /// # Errors
    /// If the crypto provider refuses.
    pub fn client(self) -> Result<Arc<ClientConfig>> {
        let mut provider = aws_lc_rs::default_provider();
        let version = if self.tls13 {
            provider.cipher_suites = vec![TLS13_AES_128_GCM_SHA256];
            &TLS13
        } else {
            provider.cipher_suites = vec![
                TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            ];
            &TLS12
        };
        provider.kx_groups = vec![if self.hybrid { X25519MLKEM768 } else { X25519 }];
        let provider = Arc::new(provider);
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        if !self.resumed {
            config.resumption = Resumption::disabled();
        }
        Ok(Arc::new(config))
    }
}

/// [`Handshake::FULL`] for those who ask for nothing else.
///
/// # Errors
/// If the crypto provider refuses.
pub fn whatever_the_certificate() -> Result<Arc<ClientConfig>> {
    Handshake::FULL.client()
}

#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A server's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// ECDSA P-256.
    Ecdsa,
    /// RSA with 2048 bits.
    Rsa,
}

/// A self-signed certificate and its key, in the files that servers want.
#[derive(Debug, Clone)]
pub struct Identity {
    /// PEM.
    pub certificate: PathBuf,
    /// PEM, unencrypted.
    pub key: PathBuf,
    /// Both in one.
    pub both: PathBuf,
    /// PKCS#12 with [`STORE_PASSWORD`].
    pub store: PathBuf,
}

/// Of every store made here.
pub const STORE_PASSWORD: &str = "bench";

impl Identity {
    /// Makes one with OpenSSL, in files of this name.
    ///
    /// # Errors
    /// If OpenSSL is not there or refuses.
    pub fn make(folder: &Path, name: &str, kind: Key) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let file = |ending: &str| folder.join(format!("{name}.{ending}"));
        let identity = Self {
            certificate: file("crt"),
            key: file("key"),
            both: file("pem"),
            store: file("p12"),
        };
        let Self {
            certificate,
            key,
            both,
            store,
        } = &identity;
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-nodes", "-days", "90", "-newkey"]);
        match kind {
            Key::Ecdsa => command.args(["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]),
            Key::Rsa => command.arg("rsa:2048"),
        };
        command
            .args(["-subj", &format!("/CN={name}.example.com")])
            .args(["-addext", &format!("subjectAltName=DNS:{name}.example.com")])
            .arg("-keyout")
            .arg(key)
            .arg("-out")
            .arg(certificate);
        run(command)?;
        let mut command = Command::new("openssl");
        command
            .args(["pkcs12", "-export", "-name", name, "-passout"])
            .arg(format!("pass:{STORE_PASSWORD}"))
            .arg("-inkey")
            .arg(key)
            .arg("-in")
            .arg(certificate)
            .arg("-out")
            .arg(store);
        run(command)?;
        let text = fs::read_to_string(certificate)? + &fs::read_to_string(key)?;
        fs::write(both, text)?;
        Ok(identity)
    }

    /// The lines of a `sametime.ini` with which clients are shown it.
    #[must_use]
    pub fn settings(&self) -> String {
        settings(&self.store)
    }
}

/// The lines of a `sametime.ini` that name this store.
#[must_use]
pub fn settings(store: &Path) -> String {
    format!(
        "[Config]\nSTMUX_TLS_KEY_STORE_FILE={}\nSTMUX_TLS_KEY_STORE_TYPE=p12\n\
         STMUX_TLS_KEY_STORE_PASSWORD={STORE_PASSWORD}\n",
        store.display()
    )
}

fn run(mut command: Command) -> Result<()> {
    let output = command.output().context("cannot start openssl")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("openssl ended with {}: {}", output.status, said.trim());
    }
    Ok(())
}
