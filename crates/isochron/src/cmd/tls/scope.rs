//! A scope with everything that its settings name, loaded as a start would load it.

use config::{Accepts, Config, Fault, Note, Origin, Scope, SecurityLevel, TlsSettings};
use keys::self_signed;
use keys::{Identity, Material, Role, level};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A scope, its stores and its rules; or what is wrong with them.
pub(super) struct Loaded<'a> {
    pub(super) settings: &'a TlsSettings,
    /// `None` where nothing is configured, or with faults.
    pub(super) material: Option<Material>,
    /// The certificate that the server made for itself, where that is in force.
    pub(super) self_signed: Option<PathBuf>,
    /// `None` where there is nothing to shake hands with: without stores, with faults, and for SAML.
    pub(super) rules: Option<Rules>,
    pub(super) notes: Vec<Note>,
    pub(super) faults: Vec<Fault>,
    /// Why there is no TLS, if nothing is configured: no fault.
    pub(super) absent: Option<String>,
}

/// What a handshake of the scope goes by.
pub(super) struct Rules {
    pub(super) suites: Vec<&'static str>,
    pub(super) groups: Vec<String>,
    /// It is the server in the handshake.
    pub(super) accepts: bool,
    pub(super) server: Option<Arc<ServerConfig>>,
}

const LEVELS: [SecurityLevel; 5] = [
    SecurityLevel::Level0,
    SecurityLevel::Level1,
    SecurityLevel::Level2,
    SecurityLevel::Level3,
    SecurityLevel::Level4,
];

impl<'a> Loaded<'a> {
    /// Loads a scope; changes nothing.
    pub(super) fn new(config: &'a Config, scope: Scope, data: &Path, now: SystemTime) -> Self {
        let settings = config.tls.of(scope);
        let mut loaded = Self {
            settings,
            material: None,
            self_signed: None,
            rules: None,
            notes: Vec::new(),
            faults: Vec::new(),
            absent: None,
        };
        loaded.absent = absence(config, settings);
        if loaded.absent.is_some() {
            return loaded;
        }
        let found = match (scope, &settings.key_store) {
            (Scope::Mux, None) => loaded.with_self_signed(data, now),
            (Scope::Saml, _) => keys::load(settings, Role::Saml, now),
            (Scope::Ldap, _) | (_, None) => keys::load(settings, Role::Client, now),
            _ => keys::load(settings, Role::Server, now),
        };
        match found.and_then(|mut material| {
            loaded.notes.append(&mut material.notes);
            let rules = loaded.rules_of(&material)?;
            Ok((material, rules))
        }) {
            Ok((material, rules)) => {
                loaded.rules = rules;
                loaded.material = Some(material);
            }
            Err(faults) => loaded.faults = faults,
        }
        loaded
    }

    /// The highest level that every certificate which is shown meets.
    pub(super) fn level_met(&self) -> Option<SecurityLevel> {
        let identities = &self.material.as_ref()?.identities;
        if identities.is_empty() {
            return None;
        }
        let is_met = |level: &SecurityLevel| {
            let meets = |identity: &Identity| {
                level::check_own_chain(*level, false, identity.chain()).is_ok()
            };
            identities.iter().all(meets)
        };
        LEVELS.into_iter().rfind(is_met)
    }

    fn with_self_signed(&mut self, data: &Path, now: SystemTime) -> Result<Material, Vec<Fault>> {
        let mut material = match &self.settings.trust_store {
            Some(_) => keys::load(self.settings, Role::Client, now)?,
            None => Material {
                identities: Vec::new(),
                trusted: Vec::new(),
                notes: Vec::new(),
            },
        };
        let file = data.join(self_signed::CERTIFICATE_FILE);
        match self_signed::present(data) {
            Ok(Some(identity)) => {
                self.self_signed = Some(file);
                material.identities.push(identity);
            }
            Ok(None) => {
                self.absent =
                    Some("no certificate yet: the first start makes a self-signed one".to_owned());
            }
            Err(error) => {
                let origin = Origin::File {
                    path: file,
                    line: 0,
                };
                let expected =
                    "a sound pair, none at all so that one is made, or STMUX_TLS_KEY_STORE_FILE";
                let fault = Fault::new(
                    "the self-signed certificate",
                    origin,
                    error.to_string(),
                    expected,
                );
                return Err(vec![fault]);
            }
        }
        Ok(material)
    }

    fn rules_of(&mut self, material: &Material) -> Result<Option<Rules>, Vec<Fault>> {
        let settings = self.settings;
        if self.absent.is_some() || settings.scope == Scope::Saml {
            return Ok(None);
        }
        let accepts = !material.identities.is_empty() && settings.scope != Scope::Ldap;
        let (server, provider) = if accepts {
            let (server, notes) = net::tls::server_config(settings, material)?;
            self.notes.extend(notes);
            let provider = Arc::clone(server.crypto_provider());
            (Some(server), provider)
        } else {
            let (client, notes) = net::tls::client_config(settings, material)?;
            self.notes.extend(notes);
            (None, Arc::clone(client.crypto_provider()))
        };
        let (suites, groups) = offered(&provider);
        Ok(Some(Rules {
            suites,
            groups,
            accepts,
            server,
        }))
    }
}

/// What a scope misses that it cannot do without. A store that it has from the global scope and that does not help it
/// is no sign that anybody meant it.
fn absence(config: &Config, settings: &TlsSettings) -> Option<String> {
    let (key_store, trust_store) = (&settings.key_store, &settings.trust_store);
    let name = |suffix| settings.scope.names(suffix).join(" or ");
    match settings.scope {
        Scope::Mux if key_store.is_none() && !takes_tls(config) => {
            Some("not configured: no port takes it".to_owned())
        }
        Scope::Server if key_store.is_none() && trust_store.is_none() => Some(format!(
            "not configured: links stay plain; {} would turn it on",
            name("TLS_KEY_STORE_FILE")
        )),
        Scope::Ldap if trust_store.is_none() => Some(format!(
            "not configured: no directory can be trusted; {} names whom to trust",
            name("TLS_TRUST_STORE_FILE")
        )),
        Scope::Saml if trust_store.is_none() => Some(format!(
            "not configured: no identity provider can be trusted; {} names whom to trust",
            name("TLS_TRUST_STORE_FILE")
        )),
        Scope::Global if key_store.is_none() && trust_store.is_none() => {
            Some("not configured: no store is named for all scopes".to_owned())
        }
        _ => None,
    }
}

fn takes_tls(config: &Config) -> bool {
    let mut listeners = config.mux.listeners.iter();
    listeners.any(|listen| listen.accepts != Accepts::Legacy)
}

fn offered(provider: &CryptoProvider) -> (Vec<&'static str>, Vec<String>) {
    let suites = provider
        .cipher_suites
        .iter()
        .map(|suite| net::suites::name(suite.suite()));
    let groups = provider
        .kx_groups
        .iter()
        .map(|group| format!("{:?}", group.name()));
    (suites.collect(), groups.collect())
}
