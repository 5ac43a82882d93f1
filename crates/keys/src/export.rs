//! Keys and certificates as PEM files, as web servers and people take them.

use crate::files::{self, Mode};
use pem::{EncodeConfig, LineEnding, Pem, encode_config};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::path::Path;
use zeroize::Zeroizing;

/// Certificates one after the other.
#[must_use]
pub fn certificates_pem(certificates: &[CertificateDer<'_>]) -> String {
    certificates
        .iter()
        .map(|certificate| encode("CERTIFICATE", certificate))
        .collect()
}

/// A private key, not encrypted.
#[must_use]
pub fn key_pem(key: &PrivateKeyDer<'_>) -> Zeroizing<String> {
    let tag = match key {
        PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
        PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
        _ => "PRIVATE KEY",
    };
    Zeroizing::new(encode(tag, key.secret_der()))
}

fn encode(tag: &str, bytes: &[u8]) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    encode_config(&Pem::new(tag, bytes), config)
}

/// Writes a file with a key in it: whole or not at all, and readable by its owner only, whatever mode a file that is
/// replaced has had.
///
/// # Errors
/// What the system says; then an old file is as it was.
pub fn write_key(path: &Path, content: &[u8]) -> io::Result<()> {
    files::write(path, content, Mode::Always(0o600))
}

/// Writes a file that everybody may read: whole or not at all. A file that is replaced keeps its owner and mode.
///
/// # Errors
/// What the system says; then an old file is as it was.
pub fn write_public(path: &Path, content: &[u8]) -> io::Result<()> {
    files::write(path, content, Mode::KeptOr(0o644))
}
