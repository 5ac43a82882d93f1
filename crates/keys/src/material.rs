//! From the settings of a scope to the keys and certificates it works with.
//!
//! [`load`] reads whatever store is named, checks it, and either gives back [`Material`] that can be used or every
//! fault at once. It changes nothing on the disk.
//!
//! Relative paths count from the folder of the file they stand in, so that `sametime.ini` and its stores can be moved
//! together; paths from the environment and the command line count from the working directory.
//!
//! Source: `docs/domain/tls-scopes.md` 5 and 13 to 17, `docs/domain/keystores.md` 5 and 6.

mod key_store;
mod opened;
mod trust_store;

use crate::Identity;
use config::{Fault, Note, Origin, Scope, Scoped, StoreSettings, TlsSettings};
use rustls::pki_types::CertificateDer;
use std::path::PathBuf;
use std::time::SystemTime;

pub use opened::{FirstLine, PASSWORD_BYTES_MAX, first_line, password_of};

/// The keys and certificates of a scope, loaded and checked.
#[derive(Debug)]
pub struct Material {
    /// What is shown to peers, at most one for each kind of key; empty if the scope names no key store.
    pub identities: Vec<Identity>,
    /// What peers' certificates must come from; empty if the scope names no trust store.
    pub trusted: Vec<CertificateDer<'static>>,
    /// What somebody should know about the stores.
    pub notes: Vec<Note>,
}

/// What a scope uses its stores for, which decides the ones it cannot do without.
///
/// Source: `docs/domain/tls-scopes.md` 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Accepts TLS connections: needs a key store. That client certificates need a trust store is checked with the
    /// settings.
    Server,
    /// Makes TLS connections: needs a trust store.
    Client,
    /// Checks an identity provider's messages: needs a trust store.
    Saml,
}

/// Loads the stores of a scope, once; see [`Loader::load`].
///
/// # Errors
/// As [`Loader::load`].
pub fn load(settings: &TlsSettings, role: Role, now: SystemTime) -> Result<Material, Vec<Fault>> {
    Loader::new(now).load(settings, role)
}

/// Loads the stores of several scopes. A store that several of them name is opened once; its key and certificates are
/// kept in memory until the loader goes, so one is made for each load and dropped behind it.
pub struct Loader {
    now: SystemTime,
    cache: opened::Cache,
}

impl Loader {
    /// One that has opened nothing yet, for certificates that must be good `now`.
    #[must_use]
    pub fn new(now: SystemTime) -> Self {
        Self {
            now,
            cache: opened::Cache::default(),
        }
    }

    /// The time that certificates must be good at.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.now
    }

    /// Loads the stores of a scope. A store that is named is loaded and checked, whether the role needs it or not: a
    /// mistake in it is found now and not on the day somebody begins to use it.
    ///
    /// # Errors
    /// Every fault, each with the setting, where it stands, the file and the cause; never a password.
    pub fn load(&mut self, settings: &TlsSettings, role: Role) -> Result<Material, Vec<Fault>> {
        let now = self.now;
        let mut faults = Vec::new();
        let mut notes = Vec::new();
        let missing = match role {
            Role::Server if settings.key_store.is_none() => Some("KEY_STORE"),
            Role::Client | Role::Saml if settings.trust_store.is_none() => Some("TRUST_STORE"),
            _ => None,
        };
        if let Some(missing) = missing {
            faults.push(not_named(settings.scope, missing));
        }
        let mut identities = Vec::new();
        if let Some(store) = &settings.key_store {
            match key_store::load(settings, store, now, &mut self.cache, &mut notes) {
                Ok(loaded) => identities = loaded,
                Err(fault) => faults.push(*fault),
            }
        }
        let mut trusted = Vec::new();
        if let Some(store) = &settings.trust_store {
            match trust_store::load(settings, store, now, &mut self.cache, &mut notes) {
                Ok(loaded) => trusted = loaded,
                Err(fault) => faults.push(*fault),
            }
        }
        if faults.is_empty() {
            Ok(Material {
                identities,
                trusted,
                notes,
            })
        } else {
            Err(faults)
        }
    }
}

fn not_named(scope: Scope, which: &str) -> Fault {
    let names = scope.names(&format!("TLS_{which}_FILE"));
    let (what, holds) = match which {
        "KEY_STORE" => ("key store", "the server's certificate and key"),
        _ => ("trust store", "the certificates to trust"),
    };
    Fault::new(
        names.first().cloned().unwrap_or_default(),
        Origin::Default,
        format!("no {what} is named for the scope {scope}, which cannot do without"),
        format!("{}: the file with {holds}", names.join(" or ")),
    )
}

/// Every file whose change means that the scope's material must be loaded again.
#[must_use]
pub fn files(settings: &TlsSettings) -> Vec<PathBuf> {
    let stores = [&settings.key_store, &settings.trust_store];
    let mut files: Vec<PathBuf> = stores.into_iter().flatten().flat_map(files_of).collect();
    files.sort();
    files.dedup();
    files
}

fn files_of(store: &StoreSettings) -> Vec<PathBuf> {
    let mut files = vec![path_of(&store.file)];
    // A password in the settings wins over both.
    if store.password.is_none() {
        files.extend(store.password_file.as_ref().map(path_of));
        files.extend(store.stash_file.as_ref().map(path_of));
    }
    files
}

/// The file that a setting means.
#[must_use]
pub fn path_of(setting: &Scoped<PathBuf>) -> PathBuf {
    match &setting.origin {
        Origin::File { path, .. } => path.parent().map_or_else(
            || setting.value.clone(),
            |folder| folder.join(&setting.value),
        ),
        _ => setting.value.clone(),
    }
}
