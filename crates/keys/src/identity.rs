//! A certificate with its chain and private key.

use crate::Error;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

/// What kind of signature a key makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// RSA.
    Rsa,
    /// A curve of NIST.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// Anything newer that the TLS library signs with.
    Other,
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "RSA",
            Self::Ecdsa => "ECDSA",
            Self::Ed25519 => "Ed25519",
            Self::Other => "of another kind",
        })
    }
}

/// Who a TLS server says it is, and the key that proves it.
///
/// There is none whose key does not belong to its certificate. The check is our own, because the TLS library's refuses
/// certificates of X.509 version 1, which the documented recipe makes; such an identity is presented through a
/// certificate resolver (`docs/domain/keystores.md` 5.4).
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    signer: Arc<dyn SigningKey>,
}

impl fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint_display())
    }
}

impl Identity {
    /// A chain, the own certificate first, with the key of that.
    ///
    /// # Errors
    /// [`Error::NoCertificate`], [`Error::Certificate`] if the first one cannot be read, [`Error::Key`] if the key is
    /// of a kind that cannot sign, [`Error::OtherKey`] if it belongs to another certificate.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Error> {
        let own = chain.first().ok_or(Error::NoCertificate)?;
        X509Certificate::from_der(own).map_err(|error| Error::Certificate(error.to_string()))?;
        let signer = signer(&key).map_err(Error::Key)?;
        let public = signer.public_key().ok_or(Error::OtherKey)?;
        if !belongs_to(&public, own) {
            return Err(Error::OtherKey);
        }
        Ok(Self { chain, key, signer })
    }

    /// The own certificate and then each one's issuer, as far as they are known.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The own certificate.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        // `new` takes no empty chain.
        &self.chain[0]
    }

    /// The private key.
    #[must_use]
    pub fn key(&self) -> &PrivateKeyDer<'static> {
        &self.key
    }

    /// What kind of signature the key makes.
    #[must_use]
    pub fn key_algorithm(&self) -> KeyAlgorithm {
        match self.signer.algorithm() {
            rustls::SignatureAlgorithm::RSA => KeyAlgorithm::Rsa,
            rustls::SignatureAlgorithm::ECDSA => KeyAlgorithm::Ecdsa,
            rustls::SignatureAlgorithm::ED25519 => KeyAlgorithm::Ed25519,
            _ => KeyAlgorithm::Other,
        }
    }

    /// The SHA-256 digest of the server's own certificate.
    #[must_use]
    pub fn fingerprint_sha256(&self) -> [u8; 32] {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, self.certificate()).as_ref());
        fingerprint
    }

    /// The fingerprint as OpenSSL and clients print it: `AA:BB:…`.
    #[must_use]
    pub fn fingerprint_display(&self) -> String {
        let mut text = String::new();
        for (index, byte) in self.fingerprint_sha256().iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{colon}{byte:02X}");
        }
        text
    }

    /// When the server's own certificate expires.
    ///
    /// # Errors
    /// [`Error::Certificate`] if it is none.
    pub fn not_after(&self) -> Result<SystemTime, Error> {
        let (_, parsed) = X509Certificate::from_der(self.certificate())
            .map_err(|error| Error::Certificate(error.to_string()))?;
        let seconds = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
        Ok(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// What rustls signs with, for a certificate resolver.
    #[must_use]
    pub fn certified_key(&self) -> CertifiedKey {
        CertifiedKey::new(self.chain.clone(), Arc::clone(&self.signer))
    }
}

fn signer(key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
    default_provider()
        .key_provider
        .load_private_key(key.clone_key())
}

/// The public half of a key, as a SubjectPublicKeyInfo; none if the key is of a kind that cannot sign.
pub(crate) fn public_key(key: &PrivateKeyDer<'_>) -> Option<Vec<u8>> {
    Some(signer(key).ok()?.public_key()?.to_vec())
}

/// A public key's algorithm and bits; `public_key` is a SubjectPublicKeyInfo.
pub(crate) fn key_of(public_key: &[u8]) -> Option<SubjectPublicKeyInfo<'_>> {
    Some(SubjectPublicKeyInfo::from_der(public_key).ok()?.1)
}

/// Whether a certificate is for this public key.
///
/// Algorithm and key are compared, not the whole encoding: some tools leave out a parameter that says nothing.
pub(crate) fn belongs_to(public_key: &[u8], certificate: &CertificateDer<'_>) -> bool {
    let Some(key) = key_of(public_key) else {
        return false;
    };
    X509Certificate::from_der(certificate).is_ok_and(|(_, certificate)| {
        let own = certificate.public_key();
        own.algorithm.algorithm == key.algorithm.algorithm
            && own.subject_public_key.data == key.subject_public_key.data
    })
}
