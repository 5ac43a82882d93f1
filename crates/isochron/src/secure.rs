//! TLS for every scope: what the settings name is loaded and checked, and the front door gets its rules.
//!
//! Start, reload and `isochron config check` go through [`secure`], so that they agree on what is good.

use config::{Accepts, Config, Fault, Faults, Note, Origin, Scope, Sources, TlsSettings};
use keys::facts::Facts;
use keys::self_signed::{self, Outcome};
use keys::stash::{self, Removable};
use keys::{Identity, Loader, Material, Role};
use rustls::ServerConfig;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// What the settings and the files they name come to.
pub(crate) struct Secured {
    /// The rules for clients with TLS; `None` where no listener takes any.
    pub(crate) mux: Option<Arc<ServerConfig>>,
    /// The certificates that clients are shown, of [`Scope::Mux`].
    pub(crate) shown: Vec<Shown>,
    /// Every certificate that can expire, also those that are trusted.
    pub(crate) certificates: Vec<Certificate>,
    /// What somebody should know.
    pub(crate) notes: Vec<Note>,
    /// Files that are watched were written on the way, which is no change to be taken.
    pub(crate) has_written: bool,
}

/// A certificate that clients are shown.
pub(crate) struct Shown {
    /// Whose it is.
    pub(crate) subject: String,
    /// Its SHA-256 digest, as OpenSSL prints it.
    pub(crate) fingerprint: String,
    /// Where it comes from: a setting, or the data folder.
    pub(crate) from: String,
}

/// A certificate of a scope.
pub(crate) struct Certificate {
    /// Whose settings name it.
    pub(crate) scope: Scope,
    /// Which of the scope's stores holds it.
    pub(crate) store: StoreKind,
    /// Whose it is.
    pub(crate) subject: String,
    /// Its SHA-256 digest.
    pub(crate) fingerprint: String,
    /// When it expires.
    pub(crate) not_after: SystemTime,
    /// It is the self-signed one of the data folder.
    pub(crate) is_made_here: bool,
}

/// Which of a scope's two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum StoreKind {
    /// What the server shows.
    Key,
    /// What it trusts.
    Trust,
}

impl StoreKind {
    /// As metrics and logs say it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Trust => "trust",
        }
    }
}

impl fmt::Display for StoreKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// Whether any listener takes TLS.
pub(crate) fn takes_tls(config: &Config) -> bool {
    let mut listeners = config.mux.listeners.iter();
    listeners.any(|listen| listen.accepts != Accepts::Legacy)
}

/// Reads the settings; where they have faults, the stores that they name are looked at all the same, so that a
/// person mends everything in one go.
///
/// # Errors
/// All faults of settings and stores.
pub(crate) fn settings(sources: &Sources, now: SystemTime) -> Result<(Config, Vec<Note>), Faults> {
    config::load(sources.clone()).map_err(|faults| {
        let mut loader = Loader::new(now);
        let mut more = Vec::new();
        for settings in config::sound_scopes(sources) {
            more.extend(load(&settings, &mut loader).err().unwrap_or_default());
            more.extend(net::tls::no_fips(&settings));
        }
        faults.with(more)
    })
}

/// The files that [`secure`] reads or looks for.
pub(crate) fn files(config: &Config, data: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = config.tls.iter().flat_map(keys::files).collect();
    if takes_tls(config) && config.tls.mux.key_store.is_none() {
        files.extend(
            [self_signed::CERTIFICATE_FILE, self_signed::KEY_FILE].map(|file| data.join(file)),
        );
    }
    files.sort_unstable();
    files.dedup();
    files
}

/// Loads and checks the stores of every scope, also of those that no connection uses yet: a store that is named
/// and unusable stops the start, and not the day on which it is needed. Passwords go into their stash files.
///
/// # Errors
/// All faults, each once although several scopes may share a store.
pub(crate) fn secure(
    config: &Config,
    data: &Path,
    host: &str,
    now: SystemTime,
) -> Result<Secured, Faults> {
    let mut secured = load_all(config, data, host, now, For::Start)?;
    secured.keep_stashes(config)?;
    Ok(secured)
}

/// The same for a running server, which does not come down from a key store to a certificate of its own: settings
/// that are gone for a moment, because they are being written, would show everybody a stranger.
///
/// # Errors
/// As [`secure`].
pub(crate) fn secure_anew(
    config: &Config,
    data: &Path,
    host: &str,
    now: SystemTime,
    in_force: &[Certificate],
) -> Result<Secured, Faults> {
    let from_store = |own: &Certificate| {
        own.scope == Scope::Mux && own.store == StoreKind::Key && !own.is_made_here
    };
    if config.tls.mux.key_store.is_none() && in_force.iter().any(from_store) {
        return Err(Faults::from(vec![Fault::new(
            "STMUX_TLS_KEY_STORE_FILE",
            Origin::Default,
            "no key store is named any more, and the one that was stays in force",
            "the setting back; or a restart, if clients are to be shown a self-signed certificate",
        )]));
    }
    secure(config, data, host, now)
}

/// The same for a command that only looks: nothing is stashed, and no certificate is made that the user of the
/// service could not read afterwards.
///
/// # Errors
/// As [`secure`].
pub(crate) fn check(
    config: &Config,
    data: &Path,
    host: &str,
    now: SystemTime,
) -> Result<Secured, Faults> {
    load_all(config, data, host, now, For::Look)
}

/// What the stores are loaded for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// To be used: a certificate that is missing is made.
    Start,
    /// To be told about: nothing is written.
    Look,
}

fn load_all(
    config: &Config,
    data: &Path,
    host: &str,
    now: SystemTime,
    purpose: For,
) -> Result<Secured, Faults> {
    let mut secured = Secured {
        mux: None,
        shown: Vec::new(),
        certificates: Vec::new(),
        notes: Vec::new(),
        has_written: false,
    };
    let mut faults: Vec<Fault> = Vec::new();
    // Scopes share stores, and to open one takes its time.
    let mut loader = Loader::new(now);
    for settings in config.tls.iter() {
        if let Err(found) = secured.scope(config, settings, &mut loader, data, host, purpose) {
            faults.extend(found);
        }
    }
    if !faults.is_empty() {
        return Err(Faults::from(each_once(faults)));
    }
    secured.notes = each_once(secured.notes);
    Ok(secured)
}

/// Without what was said before, in the order in which it was said.
fn each_once<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut once: Vec<T> = Vec::new();
    for one in all {
        if !once.contains(&one) {
            once.push(one);
        }
    }
    once
}

/// Rewrites the file without the line, whole or not at all, for the same people to read. `false` if the line is not
/// there any more, or gives another value.
fn take_out(line: &Removable) -> io::Result<bool> {
    let bytes = fs::read(&line.path)?;
    let without = config::without_setting(&bytes, line.section, &line.name, line.value.expose());
    if without == bytes {
        return Ok(false);
    }
    keys::files::write_secret(&line.path, &without).map(|()| true)
}

/// What the scope's settings name. None of the stores is asked for here: the front door makes a certificate of
/// its own, and whoever connects elsewhere says what it misses.
fn load(settings: &TlsSettings, loader: &mut Loader) -> Result<Material, Vec<Fault>> {
    match (&settings.key_store, &settings.trust_store) {
        (Some(_), _) => loader.load(settings, Role::Server),
        (None, Some(_)) => loader.load(settings, Role::Client),
        (None, None) => Ok(Material {
            identities: Vec::new(),
            trusted: Vec::new(),
            notes: Vec::new(),
        }),
    }
}

impl Secured {
    /// Keeps the stash files up to date, and takes out of `sametime.ini` what is in them now. The stores have been
    /// opened with these passwords.
    fn keep_stashes(&mut self, config: &Config) -> Result<(), Faults> {
        let stores = config
            .tls
            .iter()
            .flat_map(|settings| [&settings.key_store, &settings.trust_store]);
        let mut notes = Vec::new();
        let mut removable: Vec<Removable> = Vec::new();
        for store in stores.flatten() {
            let kept = stash::keep(store).map_err(|fault| Faults::from(vec![*fault]))?;
            let Some(kept) = kept else { continue };
            notes.push(kept.note);
            removable.extend(kept.removable);
        }
        for line in each_once(removable) {
            let taken_out = take_out(&line);
            self.has_written |= matches!(taken_out, Ok(true));
            notes.push(line.note(&taken_out));
        }
        self.notes.extend(each_once(notes));
        Ok(())
    }

    fn scope(
        &mut self,
        config: &Config,
        settings: &TlsSettings,
        loader: &mut Loader,
        data: &Path,
        host: &str,
        purpose: For,
    ) -> Result<(), Vec<Fault>> {
        let fips = net::tls::no_fips(settings);
        let mut material = match (load(settings, loader), fips) {
            (Ok(material), None) => material,
            (Ok(_), Some(fault)) => return Err(vec![fault]),
            (Err(faults), fips) => return Err(faults.into_iter().chain(fips).collect()),
        };
        self.notes.append(&mut material.notes);
        let is_door = settings.scope == Scope::Mux && takes_tls(config);
        let from = match &settings.key_store {
            Some(store) => {
                let file = store.file.value.display();
                format!("{file} ({}, {})", store.file.name, store.file.origin)
            }
            None if is_door => {
                let made = self
                    .self_signed(data, host, loader.now(), purpose)
                    .map_err(|fault| vec![*fault])?;
                material.identities.push(made);
                format!(
                    "{} (self-signed)",
                    data.join(self_signed::CERTIFICATE_FILE).display()
                )
            }
            None => String::new(),
        };
        self.remember(settings, &material, &from);
        let is_link = settings.scope == Scope::Server;
        // Nobody listens on 1516 in one process, and nobody asks a directory yet; that they could is checked all the
        // same.
        if is_door || is_link && settings.key_store.is_some() {
            let (rules, mut notes) = net::tls::server_config(settings, &material)?;
            self.notes.append(&mut notes);
            if is_door {
                self.mux = Some(rules);
            }
        }
        if (is_link || settings.scope == Scope::Ldap) && settings.trust_store.is_some() {
            let (_, mut notes) = net::tls::client_config(settings, &material)?;
            self.notes.append(&mut notes);
        }
        Ok(())
    }

    /// The certificate of a server that has been given none.
    fn self_signed(
        &mut self,
        data: &Path,
        host: &str,
        now: SystemTime,
        purpose: For,
    ) -> Result<Identity, Box<Fault>> {
        let origin = Origin::File {
            path: data.join(self_signed::CERTIFICATE_FILE),
            line: 0,
        };
        let hosts = [host.to_owned()];
        let pair = match purpose {
            For::Start => self_signed::load_or_create(data, &hosts, now),
            For::Look => self_signed::rehearse(data, &hosts, now),
        };
        let (identity, outcome) = pair.map_err(|error| {
            let expected = "a sound pair, none at all so that one is made, or a key store of your own \
                (STMUX_TLS_KEY_STORE_FILE)";
            Fault::new(
                "the self-signed certificate",
                origin.clone(),
                error.to_string(),
                expected,
            )
        })?;
        self.has_written |= outcome != Outcome::Loaded && purpose == For::Start;
        let text = match (outcome, purpose) {
            (Outcome::Loaded, _) => None,
            (Outcome::Created, For::Start) => Some("a self-signed certificate was made"),
            (Outcome::Created, For::Look) => {
                Some("no key store is named, so a start makes a self-signed certificate")
            }
            (Outcome::Renewed, For::Start) => Some(
                "the self-signed certificate had expired and a new one was made; tell people its fingerprint",
            ),
            (Outcome::Renewed, For::Look) => {
                Some("the self-signed certificate has expired, so a start makes a new one")
            }
        };
        self.notes.extend(text.map(|text| Note {
            text: text.to_owned(),
            origin,
        }));
        Ok(identity)
    }

    /// Every certificate of the scope that can expire: whole chains, because a client refuses one with a gap in time.
    fn remember(&mut self, settings: &TlsSettings, material: &Material, from: &str) {
        let scope = settings.scope;
        for own in &material.identities {
            for (place, certificate) in own.chain().iter().enumerate() {
                // What cannot be read was refused, or noted, when the store was opened.
                let Ok(facts) = Facts::of(certificate) else {
                    continue;
                };
                if scope == Scope::Mux && place == 0 {
                    self.shown.push(Shown {
                        subject: facts.subject.clone(),
                        fingerprint: facts.fingerprint(),
                        from: from.to_owned(),
                    });
                }
                let is_made_here = settings.key_store.is_none();
                self.certificates
                    .push(Certificate::of(scope, StoreKind::Key, facts, is_made_here));
            }
        }
        let trusted = material
            .trusted
            .iter()
            .filter_map(|trusted| Facts::of(trusted).ok());
        let trusted = trusted.map(|facts| Certificate::of(scope, StoreKind::Trust, facts, false));
        self.certificates.extend(trusted);
    }
}

impl Certificate {
    fn of(scope: Scope, store: StoreKind, facts: Facts, is_made_here: bool) -> Self {
        Self {
            scope,
            store,
            fingerprint: facts.fingerprint(),
            subject: facts.subject,
            not_after: facts.not_after,
            is_made_here,
        }
    }
}
