//! TLS settings: what a scope has, and which name a value comes from.
//!
//! Source: `docs/domain/tls-scopes.md` 1 to 8 and 16.

mod advice;
mod resolve;

use std::fmt;
use std::path::PathBuf;

use crate::loader::{Item, Values};
use crate::scoped::{Scoped, Secret};
use crate::settings::CONFIG;

pub use advice::advice;
pub(crate) use resolve::{in_force, scopes, sound};

/// For which connections a TLS setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All services that have no value of their own.
    Global,
    /// Clients that connect to the mux.
    Mux,
    /// Server parts that connect to each other.
    Server,
    /// The directory.
    Ldap,
    /// Messages of the identity provider.
    Saml,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [
        Self::Global,
        Self::Mux,
        Self::Server,
        Self::Ldap,
        Self::Saml,
    ];

    /// The word for it on the command line and in dotted names: `mux` in `tls.mux.key_store_file`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Mux => "mux",
            Self::Server => "server",
            Self::Ldap => "ldap",
            Self::Saml => "saml",
        }
    }

    /// What its settings begin with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Global => "ST_",
            Self::Mux => "STMUX_",
            Self::Server => "STSRV_",
            Self::Ldap => "STLDAP_",
            Self::Saml => "STSAML_",
        }
    }

    /// The names under which a setting is looked for, in that order: of the scope, then the global one. SAML's
    /// documents leave `TLS_` out, so its short form comes first.
    #[must_use]
    pub fn names(self, suffix: &str) -> Vec<String> {
        let mut names = Vec::new();
        if let (Self::Saml, Some(short)) = (self, suffix.strip_prefix("TLS_")) {
            names.push(format!("STSAML_{short}"));
        }
        names.push(format!("{}{suffix}", self.prefix()));
        if self != Self::Global {
            names.push(format!("ST_{suffix}"));
        }
        names
    }

    /// The first of these names that has a value.
    pub(crate) fn resolve<'v>(self, values: &'v Values, suffix: &str) -> Option<&'v Item> {
        self.names(suffix)
            .iter()
            .find_map(|name| values.find(CONFIG, name))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A version of TLS that the server may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 0x303.
    Tls12,
    /// 0x304.
    Tls13,
}

impl TlsVersion {
    /// Reads the number of a version: `0x303`, `0X0303`, `771`.
    ///
    /// # Errors
    /// What is wrong: a version that is never spoken, or no version.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let number = match digits {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        match number {
            // The number parser takes a sign, which no document writes.
            _ if text.contains('+') => Err("is not the number of a TLS version".to_owned()),
            Ok(0x304) => Ok(Self::Tls13),
            Ok(0x303) => Ok(Self::Tls12),
            Ok(0x300) => Err("is SSL 3, which is broken and never spoken".to_owned()),
            Ok(0x301) => {
                Err("is TLS 1.0, which is withdrawn (RFC 8996) and never spoken".to_owned())
            }
            Ok(0x302) => {
                Err("is TLS 1.1, which is withdrawn (RFC 8996) and never spoken".to_owned())
            }
            _ => Err("is not the number of a TLS version".to_owned()),
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// A range of versions; `min` is at most `max`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsVersions {
    /// The lowest.
    pub min: Scoped<TlsVersion>,
    /// The highest.
    pub max: Scoped<TlsVersion>,
}

/// The format of a store, as it is declared; what the file is may differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreType {
    /// PKCS#12: `p12`, `pkcs12`, `pfx`.
    Pkcs12,
    /// Java's own: `jks`.
    Jks,
}

impl fmt::Display for StoreType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pkcs12 => "p12",
            Self::Jks => "jks",
        })
    }
}

/// Whether the server asks clients for a certificate.
///
/// Source: `docs/domain/tls-scopes.md` 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientAuth {
    /// It does not ask.
    None,
    /// It asks; a client without one goes on, one that shows a bad one does not.
    Want,
    /// It asks, and a client without one does not go on.
    Need,
}

impl fmt::Display for ClientAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Want => "want",
            Self::Need => "need",
        })
    }
}

/// The least security of protocol, suites, keys and signatures.
///
/// Source: `docs/domain/tls-scopes.md` 10.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityLevel {
    /// None beyond the TLS library's own floor.
    Level0,
    /// SP 800-131A, transition.
    Level1,
    /// SP 800-131A, strict.
    Level2,
    /// Suite B, 128 bits.
    Level3,
    /// Suite B, 192 bits.
    Level4,
}

impl fmt::Display for SecurityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Level0 => "0",
            Self::Level1 => "1",
            Self::Level2 => "2",
            Self::Level3 => "3",
            Self::Level4 => "4",
        })
    }
}

/// What is kept of sessions, as the settings say it.
///
/// Source: `docs/domain/tls-scopes.md` 12.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionCache {
    /// Sessions kept: -1 none, 0 without limit.
    pub size: Scoped<i64>,
    /// Seconds a session is kept: -1 none is, 0 without limit.
    pub max_age: Scoped<i64>,
    /// Seconds after which a connection in use gets new keys; 0 never.
    pub renew_after: Scoped<u64>,
}

impl SessionCache {
    /// Whether sessions are kept and tickets given: only if both settings say so.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.size.value >= 0 && self.max_age.value >= 0
    }
}

/// A key store or trust store as a scope names it.
///
/// Of the three sources of the password those are left out that stand under a global name while the scope has one
/// of its own: a service that names a password file does not mean the global password, and the global password must
/// not overwrite the stash file of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// The file.
    pub file: Scoped<PathBuf>,
    /// What it is said to be.
    pub store_type: Option<Scoped<StoreType>>,
    /// Its password in clear text; the strongest of the three.
    pub password: Option<Scoped<Secret>>,
    /// A file that holds the password, one newline at its end not being part of it.
    pub password_file: Option<Scoped<PathBuf>>,
    /// A stash file.
    pub stash_file: Option<Scoped<PathBuf>>,
    /// The password of the key inside, where it is another one. Never there for a trust store.
    pub key_password: Option<Scoped<Secret>>,
}

impl StoreSettings {
    /// The name of the password setting that belongs to the name under which the file was found:
    /// `STMUX_TLS_KEY_STORE_PASSWORD` for `STMUX_TLS_KEY_STORE_FILE`.
    #[must_use]
    pub fn password_name(&self) -> String {
        match self.file.name.strip_suffix("_FILE") {
            Some(stem) => format!("{stem}_PASSWORD"),
            // The file was not found under the name of a setting, but given by an option.
            None => self.file.name.clone(),
        }
    }

    /// The sentence for a store that its password does not open, if file and password come from different scopes:
    /// then most likely one of the two was forgotten.
    ///
    /// Source: `docs/domain/tls-scopes.md` 16, D.
    #[must_use]
    pub fn half_override(&self) -> Option<String> {
        let password = [
            self.password.as_ref().map(|found| &found.name),
            self.password_file.as_ref().map(|found| &found.name),
            self.stash_file.as_ref().map(|found| &found.name),
        ];
        let password = password.into_iter().flatten().next()?;
        let file = self.file.value.file_name().unwrap_or_default();
        let file = file.to_string_lossy();
        let (file_name, password_name) = (&self.file.name, self.password_name());
        match (self.file.is_global(), password.starts_with("ST_")) {
            (false, true) => Some(format!(
                "{file_name} is set but {password_name} is not; the password of {password} was tried and does \
                 not open {file}"
            )),
            (true, false) => Some(format!(
                "{password} is set but no file of the same scope is; it was tried on {file} of {file_name} and \
                 does not open it"
            )),
            _ => None,
        }
    }
}

/// The TLS settings of one scope, each resolved for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The scope.
    pub scope: Scope,
    /// The key store, if one is named.
    pub key_store: Option<StoreSettings>,
    /// The trust store, if one is named.
    pub trust_store: Option<StoreSettings>,
    /// The aliases to choose from several keys.
    pub key_labels: Option<Scoped<Vec<String>>>,
    /// Approved algorithms only.
    pub fips: Scoped<bool>,
    /// The least security.
    pub level: Scoped<SecurityLevel>,
    /// The range of versions.
    pub versions: TlsVersions,
    /// Names of suites as they were written, the preferred one first.
    pub cipher_suites: Option<Scoped<Vec<String>>>,
    /// Whether clients are asked for a certificate; always none where this server is the client.
    pub client_auth: Scoped<ClientAuth>,
    /// Patterns of which the peer's certificate must match one.
    pub trusted_hosts: Option<Scoped<Vec<String>>>,
    /// Whether the peer's certificate must bear the names of the own one.
    pub mirror_trusted_hosts: Scoped<bool>,
    /// Whether a server's certificate is compared with the dialled name where there is no list; outbound only.
    pub host_check: Scoped<bool>,
    /// Whether a signer without Basic Constraints is accepted.
    pub pkix: Scoped<bool>,
    /// What is kept of sessions.
    pub sessions: SessionCache,
}

/// The TLS settings of every scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsScopes {
    /// What counts where a service says nothing.
    pub global: TlsSettings,
    /// Clients that connect to the mux.
    pub mux: TlsSettings,
    /// Server parts that connect to each other.
    pub server: TlsSettings,
    /// The directory.
    pub ldap: TlsSettings,
    /// Messages of the identity provider.
    pub saml: TlsSettings,
}

impl TlsScopes {
    /// The settings of one scope.
    #[must_use]
    pub fn of(&self, scope: Scope) -> &TlsSettings {
        match scope {
            Scope::Global => &self.global,
            Scope::Mux => &self.mux,
            Scope::Server => &self.server,
            Scope::Ldap => &self.ldap,
            Scope::Saml => &self.saml,
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &TlsSettings> {
        Scope::ALL.into_iter().map(|scope| self.of(scope))
    }
}
