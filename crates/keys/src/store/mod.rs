//! Key stores and trust stores: from the bytes of a file to keys and certificates, and back.
//!
//! [`open`] looks at what the bytes are, not at what somebody called them: PKCS#12 of every age, Java's JKS and PEM.
//! [`write_pkcs12`] writes the one form that everything of today reads. [`edit`] changes stores.
//!
//! Source: `docs/domain/keystores.md`; why these readers are ours: `docs/decisions/0010-key-stores.md`.

mod ber;
pub(crate) mod chain;
mod crypto;
pub mod edit;
mod jks;
mod oid;
mod pem_file;
mod pkcs12;
mod pkcs12_write;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

pub use chain::proved_path;
pub use pem_file::{certificates, open_pem_pair};
pub use pkcs12_write::{WriteError, write_pkcs12};

/// What a store file turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PKCS#12: `.p12`, `.pfx`.
    Pkcs12,
    /// Java's own format of before Java 9: `.jks`, `.keystore`.
    Jks,
    /// Text: `-----BEGIN CERTIFICATE-----`.
    Pem,
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pkcs12 => "PKCS#12",
            Self::Jks => "JKS",
            Self::Pem => "PEM",
        })
    }
}

/// What a store file holds.
#[derive(Debug)]
pub struct Store {
    /// What the file is.
    pub format: Format,
    /// Keys with their chains, and certificates that stand for themselves.
    pub entries: Vec<Entry>,
    /// Certificates that came with keys and belong to the chain of none: the sign of a missing link. In a store
    /// without keys every certificate is an entry.
    pub loose: Vec<CertificateDer<'static>>,
    /// What somebody should know about the file, each a clause for a message about it.
    pub remarks: Vec<String>,
}

/// One entry of a store.
#[derive(Debug)]
pub struct Entry {
    /// Its name, without control characters. Aliases compare without case ([`same_alias`]).
    pub alias: String,
    /// What it is.
    pub content: Content,
}

/// What an entry is.
#[derive(Debug)]
pub enum Content {
    /// A private key.
    Key {
        /// The key.
        key: PrivateKeyDer<'static>,
        /// Its own certificate and then each one's issuer, as far as the store holds them. Empty if the store has no
        /// certificate for the key.
        chain: Vec<CertificateDer<'static>>,
    },
    /// A certificate that is trusted.
    Certificate(CertificateDer<'static>),
}

impl Clone for Entry {
    fn clone(&self) -> Self {
        let content = match &self.content {
            Content::Key { key, chain } => Content::Key {
                key: key.clone_key(),
                chain: chain.clone(),
            },
            Content::Certificate(certificate) => Content::Certificate(certificate.clone()),
        };
        Self {
            alias: self.alias.clone(),
            content,
        }
    }
}

/// Why the bytes are no store that can be used. None of the messages holds a password, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The store's check value does not come out with this password: it is the wrong one, or the file was altered.
    #[error("the password does not open it")]
    WrongPassword,
    /// The store opens and a key in it does not: its password is another one.
    #[error("the store opens, but the key \"{alias}\" has a password of its own")]
    WrongKeyPassword {
        /// Whose.
        alias: String,
    },
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Something else, which is named.
    #[error("it is {0}, which is no key store")]
    NotAStore(&'static str),
    /// It begins as a store and does not go on as one.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// An algorithm or form that is not read.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// More key derivation than [`ITERATIONS_MAX`] allows.
    #[error(
        "its passwords are to be hashed more than {ITERATIONS_MAX} times, which only serves to keep the server busy"
    )]
    TooCostly,
    /// More parts than any real store has.
    #[error("it holds {0}, so it was not made for a server")]
    TooMany(TooMany),
}

/// What a store has too many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooMany {
    /// More than [`ENTRIES_MAX`].
    #[error("more than {ENTRIES_MAX} entries")]
    Entries,
    /// More than [`KEYS_MAX`].
    #[error("more than {KEYS_MAX} keys")]
    Keys,
}

/// Certificates, keys and whatever else one store may hold: the authorities of the whole web are some hundred and
/// fifty, and what grows with their number must end somewhere.
pub const ENTRIES_MAX: usize = 10_000;

/// Private keys that one store may hold. A server shows at most one of each kind, and each one that is read costs
/// the calculation of its public half.
pub const KEYS_MAX: usize = 1000;

/// How many rounds of password hashing one store may ask for, over all of its parts: an honest store has a few
/// hundred thousand, Java refuses more than five million for one part, and ten million take seconds.
pub const ITERATIONS_MAX: u64 = 10_000_000;

/// Whether two aliases name the same entry: Java lower-cases them.
///
/// Source: `docs/domain/keystores.md` 5.1 and 8.
#[must_use]
pub fn same_alias(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

/// Reads a store, whatever it is. `key_password` is tried first for the keys in it, then `password`.
///
/// A PKCS#12 file without a check value (newer Java writes such trust stores) is opened and remarked: the file is
/// then as trustworthy as the folder it lies in, which is what a PEM file is too.
///
/// # Errors
/// [`OpenError`].
pub fn open(bytes: &[u8], password: &str, key_password: Option<&str>) -> Result<Store, OpenError> {
    let passwords = crypto::Passwords {
        store: password,
        key: key_password,
    };
    match bytes {
        [] => Err(OpenError::Empty),
        [0xfe, 0xed, 0xfe, 0xed, ..] => jks::open(bytes, &passwords),
        [0xce, 0xce, 0xce, 0xce, ..] => Err(OpenError::Unsupported(
            "JCEKS, a key store format of Java for secret keys (convert it with keytool -importkeystore \
             -deststoretype PKCS12),"
                .to_owned(),
        )),
        [0x30, ..] => pkcs12::open(bytes, &passwords),
        _ if pem_file::is_pem(bytes) => pem_file::open(bytes, &passwords),
        _ => Err(OpenError::NotAStore(what_it_is(bytes))),
    }
}

/// A name for bytes that are no store, for the message.
fn what_it_is(bytes: &[u8]) -> &'static str {
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    match bytes {
        [b'P', b'K', 3, 4, ..] => "a ZIP archive",
        [0x1f, 0x8b, ..] => "a gzip archive",
        [0x99 | 0x95 | 0xc5 | 0xc6, ..] => "perhaps a PGP key",
        _ if bytes.iter().all(|&byte| byte == 0) => "nothing but zero bytes",
        _ if bytes.iter().all(is_text) => "text without a certificate or key",
        _ => "something unknown",
    }
}
