//! What the commands on stores have in common: the file, its password, its entries.

use super::certificate::{self, CertificateRow};
use super::password;
use crate::cli::{ReadStore, ScopeName, StorePassword};
use anyhow::{Context, anyhow, bail};
use config::{Config, Faults, Scope, StoreSettings};
use keys::facts::Facts;
use keys::files::{self, STORE_BYTES_MAX};
use keys::material::path_of;
use keys::store::{self, Content, Entry, Format, OpenError, Store, edit};
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use zeroize::Zeroizing;

/// `keytool` takes no shorter password, so that a store with one could not be changed with it.
const PASSWORD_CHARS_MIN: usize = 6;

/// The settings of the server, read only where a command needs them.
pub(super) type Settings<'a> = &'a dyn Fn() -> anyhow::Result<Config>;

/// Which store of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Key,
    Trust,
}

/// A store, and what it takes to write it again.
pub(super) struct StoreFile {
    pub(super) path: PathBuf,
    pub(super) store: Store,
    password: Zeroizing<String>,
}

/// Where a store is and who knows its password.
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) which: Which,
    pub(super) source: &'a StorePassword,
    pub(super) settings: Settings<'a>,
}

impl Place<'_> {
    /// Opens the store, which is there.
    pub(super) fn open(&self) -> anyhow::Result<StoreFile> {
        let path = self.path;
        let bytes = read(path)?;
        let (password, key_password) = match self.source.scope {
            Some(scope) => {
                let config = (self.settings)()?;
                let settings = of_scope(&config, scope, self.which)?;
                passwords_of(settings)?
            }
            None => (self.given(password::present, "Password of")?, None),
        };
        let key_password = key_password.as_ref().map(|password| password.as_str());
        let store = open(path, &bytes, &password, key_password)?;
        Ok(StoreFile {
            path: path.to_owned(),
            store,
            password,
        })
    }

    /// A store without entries, which is not written yet.
    pub(super) fn make(&self) -> anyhow::Result<StoreFile> {
        let path = self.path;
        let password = match self.source.scope {
            Some(scope) => {
                let config = (self.settings)()?;
                passwords_of(of_scope(&config, scope, self.which)?)?.0
            }
            None => self.given(password::new, "New password of")?,
        };
        if password.chars().count() < PASSWORD_CHARS_MIN {
            bail!(
                "the password of {} is too short: keytool takes none of less than {PASSWORD_CHARS_MIN} characters",
                path.display()
            );
        }
        if !password.is_ascii() {
            note(
                path,
                "Java opens no such store whose password is not ASCII; OpenSSL and this server do",
            );
        }
        let store = Store {
            format: Format::Pkcs12,
            entries: Vec::new(),
            loose: Vec::new(),
            remarks: Vec::new(),
        };
        Ok(StoreFile {
            path: path.to_owned(),
            store,
            password,
        })
    }

    /// Opens the store, or makes one if it is not there.
    pub(super) fn open_or_make(&self) -> anyhow::Result<StoreFile> {
        if self.path.exists() {
            self.open()
        } else {
            self.make()
        }
    }

    fn given(
        &self,
        ask: fn(bool, &str) -> anyhow::Result<Zeroizing<String>>,
        question: &str,
    ) -> anyhow::Result<Zeroizing<String>> {
        match &self.source.password_file {
            Some(file) => password::from_file(file),
            None => {
                let question = format!("{question} {}: ", self.path.display());
                ask(self.source.password_stdin, &question)
            }
        }
    }
}

impl StoreFile {
    /// Writes the store: whole or not at all.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        let path = self.path.display();
        if self.store.format != Format::Pkcs12 {
            bail!(
                "{path} is {}, which is read but not written; a PKCS#12 store of it is made by: \
                 isochron keystore import NEW.p12 --from {path}",
                self.store.format
            );
        }
        for left in &self.store.loose {
            let subject =
                Facts::of(left).map_or_else(|error| error.to_string(), |facts| facts.subject);
            note(
                &self.path,
                &format!("a certificate that belongs to no key is left out: {subject}"),
            );
        }
        let bytes = store::write_pkcs12(&self.store.entries, &self.password)
            .with_context(|| format!("{path} cannot be written"))?;
        files::write_secret(&self.path, &bytes)
            .with_context(|| format!("{path} cannot be written"))?;
        let is_key = |entry: &Entry| matches!(entry.content, Content::Key { .. });
        if self.store.entries.iter().any(is_key) && is_shared(&self.path) {
            note(
                &self.path,
                "other users of this machine may read it; chmod 600 takes that from them",
            );
        }
        Ok(())
    }

    /// The one key, or that with the alias.
    pub(super) fn key(&self, alias: Option<&str>) -> anyhow::Result<&Entry> {
        let path = self.path.display();
        let is_key = |entry: &&Entry| matches!(entry.content, Content::Key { .. });
        if let Some(alias) = alias {
            let named = self.entry(alias)?;
            return match is_key(&named) {
                true => Ok(named),
                false => bail!("{path}: \"{alias}\" is a certificate without a key"),
            };
        }
        let keys: Vec<&Entry> = self.store.entries.iter().filter(is_key).collect();
        match keys[..] {
            [key] => Ok(key),
            [] => bail!("{path} holds no key"),
            _ => {
                let aliases: Vec<_> = keys
                    .iter()
                    .map(|key| format!("\"{}\"", key.alias))
                    .collect();
                bail!(
                    "{path} holds several keys; choose one with --alias: {}",
                    aliases.join(", ")
                )
            }
        }
    }

    fn entry(&self, alias: &str) -> anyhow::Result<&Entry> {
        let is_it = |entry: &&Entry| store::same_alias(&entry.alias, alias);
        self.store.entries.iter().find(is_it).ok_or_else(|| {
            let have = edit::aliases(&self.store);
            let alias = alias.to_owned();
            anyhow!(
                "{}: {}",
                self.path.display(),
                edit::EditError::NotThere { alias, have }
            )
        })
    }

    /// Says what the reader of the file found remarkable.
    pub(super) fn tell_remarks(&self) {
        for remark in &self.store.remarks {
            note(&self.path, remark);
        }
    }
}

/// Whether users other than the owner may read a file: one that was there before keeps its mode.
fn is_shared(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// A store's content; its password is given.
pub(super) fn open(
    path: &Path,
    bytes: &[u8],
    password: &str,
    key_password: Option<&str>,
) -> anyhow::Result<Store> {
    store::open(bytes, password, key_password).map_err(|error| {
        let path = path.display();
        match error {
            OpenError::WrongKeyPassword { .. } => anyhow!(
                "{path}: {error}; isochron keystore import takes it over with --from-key-password-file"
            ),
            error => anyhow!("{path}: {error}"),
        }
    })
}

/// A file that may be a store or a certificate.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let read = files::read(path, STORE_BYTES_MAX);
    Ok(read
        .map_err(|error| anyhow!("{} {error}", path.display()))?
        .bytes)
}

/// The certificates of a file, whatever form it has.
pub(super) fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let certificates = store::certificates(&read(path)?);
    certificates.map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// The store that the settings name for a scope.
pub(super) fn of_scope(
    config: &Config,
    scope: ScopeName,
    which: Which,
) -> anyhow::Result<&StoreSettings> {
    let scope = Scope::from(scope);
    let settings = config.tls.of(scope);
    let (found, suffix) = match which {
        Which::Key => (&settings.key_store, "TLS_KEY_STORE_FILE"),
        Which::Trust => (&settings.trust_store, "TLS_TRUST_STORE_FILE"),
    };
    found.as_ref().with_context(|| {
        let names = scope.names(suffix).join(" or ");
        format!("the settings name no such store for the scope {scope}: set {names}")
    })
}

/// The file that a command names, or that of the scope that it names.
pub(super) fn path(
    store: &ReadStore,
    which: Which,
    settings: Settings<'_>,
) -> anyhow::Result<PathBuf> {
    match (&store.file, store.password.scope) {
        (Some(file), _) => Ok(file.clone()),
        (None, Some(scope)) => Ok(path_of(&of_scope(&settings()?, scope, which)?.file)),
        // clap asks for one of the two.
        (None, None) => bail!("name a store, or a scope with --scope"),
    }
}

/// The passwords that the settings give for a store, and for its keys if that is another one.
fn passwords_of(
    settings: &StoreSettings,
) -> anyhow::Result<(Zeroizing<String>, Option<Zeroizing<String>>)> {
    let password =
        keys::material::password_of(settings).map_err(|fault| Faults::from(vec![*fault]))?;
    let password = password.with_context(|| {
        let name = settings.password_name();
        format!(
            "the settings name no password for {}: set {name}",
            settings.file.value.display()
        )
    })?;
    let key_password = settings.key_password.as_ref();
    let key_password = key_password.map(|found| Zeroizing::new(found.value.expose().to_owned()));
    Ok((password, key_password))
}

/// What somebody should know, although the command goes on.
pub(super) fn note(path: &Path, text: &str) {
    eprintln!("isochron: note: {}: {text}", path.display());
}

/// An entry as JSON shows it.
#[derive(Debug, Serialize)]
struct EntryRow {
    alias: String,
    /// `key` or `certificate`.
    kind: &'static str,
    /// Its own certificate, which a key may lack.
    certificate: Option<CertificateRow>,
    /// The issuers of a key's certificate, as far as the store holds them.
    chain: Vec<CertificateRow>,
}

/// What is in a store, for people or for scripts.
pub(super) fn print(file: &StoreFile, json: bool, now: SystemTime) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    let mut shown = format!(
        "{}: {}, {} {}\n",
        file.path.display(),
        file.store.format,
        file.store.entries.len(),
        if file.store.entries.len() == 1 {
            "entry"
        } else {
            "entries"
        },
    );
    for entry in &file.store.entries {
        let (kind, all) = match &entry.content {
            Content::Key { chain, .. } => ("key", &chain[..]),
            Content::Certificate(certificate) => ("certificate", std::slice::from_ref(certificate)),
        };
        let facts = all.iter().map(certificate::facts);
        let facts: Vec<Facts> = facts.collect::<anyhow::Result<_>>()?;
        let mut lines = match facts.first() {
            Some(own) => certificate::lines(own, now),
            None => vec![("certificate", "none yet".to_owned())],
        };
        for issuer in facts.iter().skip(1) {
            lines.push(("chain", certificate::short(issuer)));
        }
        // Whoever made the store may have put in what a terminal obeys.
        let alias = entry.alias.replace(char::is_control, "·");
        shown += &format!("\n{alias} ({kind})\n");
        shown += &certificate::aligned(2, &lines);
        let mut certificates = facts.iter().map(|facts| CertificateRow::of(facts, now));
        rows.push(EntryRow {
            alias: entry.alias.clone(),
            kind,
            certificate: certificates.next(),
            chain: certificates.collect(),
        });
    }
    if json {
        super::print_json(&rows)
    } else {
        super::print(&shown)
    }
}
