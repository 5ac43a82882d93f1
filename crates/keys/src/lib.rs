//! Keys and certificates: from files to what a TLS server shows, and back.
#![forbid(unsafe_code)]

pub mod decryption;
pub mod export;
pub mod facts;
pub mod files;
pub mod hosts;
mod identity;
pub mod issue;
pub mod level;
pub mod material;
pub mod self_signed;
pub mod stash;
pub mod store;
pub mod verify;

pub use files::STORE_BYTES_MAX;
pub use identity::{Identity, KeyAlgorithm};
pub use material::{Loader, Material, Role, files, load};

use std::io;
use std::path::PathBuf;

/// Why a key or certificate cannot be had. The messages name the file and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that cannot be read or written.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file that holds no PEM block of the kind it should.
    #[error("{} is damaged; restore it, or delete both mux.crt and mux.key to have new ones made", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
    },
    /// One half of the pair without the other.
    #[error(
        "{} is missing beside {}; restore it, or delete {} to have a new pair made",
        missing.display(),
        present.display(),
        present.display()
    )]
    Half {
        /// The file that is not there.
        missing: PathBuf,
        /// The file that is.
        present: PathBuf,
    },
    /// A key that belongs to another certificate.
    #[error(
        "{} does not belong to {}; restore the right one, or delete both to have new ones made",
        key.display(),
        certificate.display()
    )]
    Mismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate whose fields cannot be read.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// A key without a certificate.
    #[error("there is no certificate for the key")]
    NoCertificate,
    /// A key that belongs to another certificate.
    #[error("the key does not belong to the certificate")]
    OtherKey,
    /// The crypto provider refused the key.
    #[error("the key cannot be used: {0}")]
    Key(#[source] rustls::Error),
    /// A certificate could not be made.
    #[error("no certificate could be made: {0}")]
    Generate(#[source] rcgen::Error),
}
