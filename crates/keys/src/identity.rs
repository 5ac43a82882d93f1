//! A certificate with its chain and private key.

use crate::Error;
use aws_lc_rs::digest::{SHA256, digest};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Who a TLS server says it is, and the key that proves it.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl fmt::Debug for Identity {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.fingerprint_display())
    }
}

impl Identity {
    pub(crate) fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        Self { chain, key }
    }

    /// The SHA-256 digest of the server's own certificate.
    #[must_use]
    pub fn fingerprint_sha256(&self) -> [u8; 32] {
        let own = self
            .chain
            .first()
            .map_or(&[][..], |certificate| certificate.as_ref());
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, own).as_ref());
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
        let own = self
            .chain
            .first()
            .map_or(&[][..], |certificate| certificate.as_ref());
        let (_, parsed) = X509Certificate::from_der(own)
            .map_err(|error| Error::Certificate(error.to_string()))?;
        let seconds = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
        Ok(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    /// What rustls signs with.
    ///
    /// # Errors
    /// [`Error::Key`] if the key is of a kind that cannot sign, or belongs to another certificate.
    pub fn certified_key(&self) -> Result<CertifiedKey, Error> {
        CertifiedKey::from_der(
            self.chain.clone(),
            self.key.clone_key(),
            &default_provider(),
        )
        .map_err(Error::Key)
    }
}
