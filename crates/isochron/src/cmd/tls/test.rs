//! `isochron tls test`: handshakes by the rules of the settings, and what mends those that fail.

use super::peer::Peer;
use super::scope::Loaded;
use super::show::fault_text;
use super::{unsaid, why};
use crate::cmd::certificate::{self, facts};
use crate::cmd::table::table;
use crate::cmd::{print, print_json};
use anyhow::bail;
use config::{ClientAuth, Config, Fault, Origin, Scope, Scoped, TlsSettings};
use keys::facts::{Facts, KeyKind};
use keys::{Identity, Material, Role};
use net::probe::{self, Met, Seen, Trouble};
use net::tls::{Handshake, Reason};
use rustls::ServerConfig;
use serde::Serialize;
use std::sync::Arc;
use std::time::SystemTime;

/// One thing that was tried.
#[derive(Debug, Serialize)]
struct Tried {
    scope: &'static str,
    result: Outcome,
    says: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Ok,
    Failed,
    /// There was nothing to try.
    Skipped,
}

/// What is found, one line each.
struct Report {
    scope: Scope,
    lines: Vec<Tried>,
}

impl Report {
    fn push(&mut self, result: Outcome, says: impl Into<String>) {
        self.lines.push(Tried {
            scope: self.scope.word(),
            result,
            says: says.into(),
        });
    }

    fn ok(&mut self, says: impl Into<String>) {
        self.push(Outcome::Ok, says);
    }

    fn failed(&mut self, says: impl Into<String>) {
        self.push(Outcome::Failed, says);
    }

    fn skipped(&mut self, says: impl Into<String>) {
        self.push(Outcome::Skipped, says);
    }

    fn faults(&mut self, faults: &[Fault]) {
        for fault in faults {
            self.failed(fault_text(fault));
        }
    }
}

/// Tries the scopes.
///
/// # Errors
/// When anything fails; and where one scope is asked for by name, when there is nothing to try.
pub(super) async fn run(
    config: &Config,
    scopes: &[Loaded<'_>],
    all: bool,
    json: bool,
    now: SystemTime,
) -> anyhow::Result<()> {
    let mut tried = Vec::new();
    for loaded in scopes {
        let scope = loaded.settings.scope;
        let mut report = Report {
            scope,
            lines: Vec::new(),
        };
        match &loaded.absent {
            // The directories may be there all the same, and then need the store that is missing.
            Some(why) if scope != Scope::Ldap || !has_tls_directory(config) => {
                report.skipped(why.as_str())
            }
            _ if !loaded.faults.is_empty() => report.faults(&loaded.faults),
            _ => match scope {
                Scope::Mux | Scope::Global => listener(loaded, &mut report).await,
                Scope::Server => {
                    listener(loaded, &mut report).await;
                    caller(loaded, &mut report, now).await;
                }
                Scope::Ldap => directories(config, loaded, &mut report, now).await,
                Scope::Saml => provider(loaded, &mut report, now),
            },
        }
        tried.extend(report.lines);
    }
    let count = |result| tried.iter().filter(|one| one.result == result).count();
    let (failed, ok) = (count(Outcome::Failed), count(Outcome::Ok));
    if json {
        print_json(&tried)?;
    } else {
        let rows: Vec<_> = tried
            .iter()
            .map(|one| {
                let result = match one.result {
                    Outcome::Ok => "ok",
                    Outcome::Failed => "FAILED",
                    Outcome::Skipped => "skipped",
                };
                [one.scope.to_owned(), result.to_owned(), one.says.clone()]
            })
            .collect();
        print(&table(["SCOPE", "RESULT", "WHAT"], &rows))?;
    }
    match (failed, ok) {
        (0, 0) if !all => bail!("there was nothing to try"),
        (0, _) => Ok(()),
        (1, _) => bail!("one test failed"),
        _ => bail!("{failed} tests failed"),
    }
}

/// Lets the scope accept on the loopback interface.
async fn listener(loaded: &Loaded<'_>, report: &mut Report) {
    let server = loaded
        .rules
        .as_ref()
        .and_then(|rules| rules.server.as_ref());
    let (Some(server), Some(material)) = (server, &loaded.material) else {
        report.skipped("accepts nobody: no key store is named");
        return;
    };
    let Some(identity) = material.identities.first() else {
        return;
    };
    let host = match host_of(identity) {
        Ok(host) => host,
        Err(error) => return report.failed(error.to_string()),
    };
    let settings = loaded.settings;
    let met = match probe::loopback(Arc::clone(server), &host).await {
        Ok(met) => met,
        Err(error) => {
            return report.failed(format!("the loopback interface cannot be used: {error}"));
        }
    };
    match (settings.client_auth.value, &met.server) {
        (ClientAuth::Need, Err(Trouble::Tls(failure)))
            if failure.reason == Reason::CertificateMissing =>
        {
            report.ok("a client without a certificate is refused");
        }
        (ClientAuth::Need, Ok(_)) => report.failed(format!(
            "a client without a certificate is accepted, although {} says that one is needed",
            settings.client_auth.name
        )),
        _ => match both(&met) {
            Ok(handshake) => report.ok(format!(
                "accepts a client: {}",
                agreed(handshake, &met.client)
            )),
            Err(trouble) => return report.failed(sentence("accepts no client", trouble, settings)),
        },
    }
    if settings.client_auth.value != ClientAuth::None {
        known_client(server, &host, settings, material, report).await;
    }
}

/// Lets a client with the scope's own key come in: the only key that is here.
async fn known_client(
    server: &Arc<ServerConfig>,
    host: &str,
    settings: &TlsSettings,
    material: &Material,
    report: &mut Report,
) {
    let (Some(settings_of_client), Some(own)) = (believing(settings), own_material(material))
    else {
        return;
    };
    let met = probe::loopback_by_rules(Arc::clone(server), host, &settings_of_client, &own).await;
    match met {
        Ok(Ok(met)) => match both(&met) {
            Ok(handshake) => report.ok(format!(
                "a client with a certificate of the trust store is accepted: {}",
                agreed(handshake, &met.client)
            )),
            Err(_) => report.skipped(
                "a client with a certificate was not tried: the only key here is the scope's own, which the trust store \
                 does not take for a client's",
            ),
        },
        Ok(Err(faults)) => report.faults(&faults),
        Err(error) => report.failed(format!("the loopback interface cannot be used: {error}")),
    }
}

/// The settings of a client that looks at nothing but the certificate that it knows.
fn believing(settings: &TlsSettings) -> Option<TlsSettings> {
    let off = |setting: &Scoped<bool>| Scoped::new(false, setting.name.clone(), Origin::Default);
    Some(TlsSettings {
        trusted_hosts: None,
        mirror_trusted_hosts: off(&settings.mirror_trusted_hosts),
        host_check: off(&settings.host_check),
        ..settings.clone()
    })
}

/// The scope's own key, and trust in its own certificate.
fn own_material(material: &Material) -> Option<Material> {
    let identity = material.identities.first()?;
    let again = Identity::new(identity.chain().to_vec(), identity.key().clone_key()).ok()?;
    Some(Material {
        trusted: vec![identity.certificate().clone()],
        identities: vec![again],
        notes: Vec::new(),
    })
}

/// Lets the scope call a listener that has the scope's own key store: as one part of a server calls another.
async fn caller(loaded: &Loaded<'_>, report: &mut Report, now: SystemTime) {
    let settings = loaded.settings;
    if settings.trust_store.is_none() {
        let names = settings.scope.names("TLS_TRUST_STORE_FILE").join(" or ");
        return report.skipped(format!("calls nobody: no trust store is named ({names})"));
    }
    let material = match keys::load(settings, Role::Client, now) {
        Ok(material) => material,
        Err(faults) => return report.faults(&faults),
    };
    let server = loaded
        .rules
        .as_ref()
        .and_then(|rules| rules.server.as_ref());
    let (Some(server), Some(identity)) = (server, material.identities.first()) else {
        return report.skipped("calls nobody here: there is no key store for the other end");
    };
    let host = match host_of(identity) {
        Ok(host) => host,
        Err(error) => return report.failed(error.to_string()),
    };
    match probe::loopback_by_rules(Arc::clone(server), &host, settings, &material).await {
        Ok(Ok(met)) => match both(&met) {
            Ok(handshake) => report.ok(format!(
                "calls a server with the same stores: {}",
                agreed(handshake, &met.client)
            )),
            Err(trouble) => report.failed(sentence(
                "the call of a server with the same stores fails",
                trouble,
                settings,
            )),
        },
        Ok(Err(faults)) => report.faults(&faults),
        Err(error) => report.failed(format!("the loopback interface cannot be used: {error}")),
    }
}

fn has_tls_directory(config: &Config) -> bool {
    let mut connections = config.xml.directory.connections.iter();
    connections.any(|connection| connection.ssl_enabled.value)
}

/// Connects to every directory that the XML file names.
async fn directories(config: &Config, loaded: &Loaded<'_>, report: &mut Report, now: SystemTime) {
    let settings = loaded.settings;
    let connections = &config.xml.directory.connections;
    if connections.is_empty() {
        return report.skipped("StCommunityConfig.xml names no directory");
    }
    let material = match keys::load(settings, Role::Client, now) {
        Ok(material) => material,
        Err(faults) => return report.faults(&faults),
    };
    for connection in connections {
        let peer = Peer {
            host: connection.host.value.clone(),
            port: connection.port.value,
        };
        if !connection.ssl_enabled.value {
            report.skipped(format!(
                "{peer} is used without TLS ({})",
                connection.ssl_enabled
            ));
            continue;
        }
        let socket = match peer.connect().await {
            Ok(socket) => socket,
            Err(error) => {
                report.failed(format!(
                    "{error}; check {} and {} ({})",
                    connection.host.name, connection.port.name, connection.origin
                ));
                continue;
            }
        };
        match probe::by_rules(socket, &peer.host, settings, &material).await {
            Ok(seen) => match &seen.result {
                Ok(()) => match seen.handshake {
                    Some(handshake) => report.ok(format!("{peer}: {}", agreed(handshake, &seen))),
                    None => report.failed(format!("{peer}: no handshake took place")),
                },
                Err(trouble) => {
                    let hint = match trouble {
                        Trouble::Tls(failure)
                            if matches!(failure.reason, Reason::Certificate(_)) =>
                        {
                            format!("; isochron tls probe {peer} shows what it sends")
                        }
                        _ => String::new(),
                    };
                    report.failed(
                        sentence(&peer.to_string(), trouble, settings)
                            + &unsaid(trouble, settings)
                            + &hint,
                    );
                }
            },
            Err(faults) => return report.faults(&faults),
        }
    }
}

/// Looks whether messages of the identity provider could be checked and read.
fn provider(loaded: &Loaded<'_>, report: &mut Report, now: SystemTime) {
    let Some(material) = &loaded.material else {
        return;
    };
    let mut good = 0;
    for trusted in &material.trusted {
        let facts = match facts(trusted) {
            Ok(facts) => facts,
            Err(error) => return report.failed(format!("{error:#}")),
        };
        if now < facts.not_before || facts.not_after < now {
            report.skipped(format!(
                "messages signed by {} would be refused: {}",
                facts.subject,
                certificate::days_text(&facts, now)
            ));
        } else {
            good += 1;
            report.ok(format!(
                "messages signed by {} can be checked ({})",
                facts.subject,
                certificate::days_text(&facts, now)
            ));
        }
    }
    if good == 0 {
        let name = loaded
            .settings
            .trust_store
            .as_ref()
            .map(|store| store.file.name.clone());
        report.failed(format!(
            "no certificate of the trust store is valid today; put the identity provider's present one into {}",
            name.unwrap_or_default()
        ));
    }
    for identity in &material.identities {
        decryption(identity, loaded.settings, report);
    }
    if material.identities.is_empty() {
        report.skipped("encrypted messages cannot be read: no key store is named");
    }
}

fn decryption(identity: &Identity, settings: &TlsSettings, report: &mut Report) {
    let name = settings
        .key_store
        .as_ref()
        .map(|store| store.file.name.clone())
        .unwrap_or_default();
    let facts = match facts(identity.certificate()) {
        Ok(facts) => facts,
        Err(error) => return report.failed(format!("{error:#}")),
    };
    let whose = format!("messages encrypted for {}", facts.subject);
    if !matches!(facts.key, KeyKind::Rsa(_)) {
        return report.failed(format!(
            "{whose} cannot be read: identity providers encrypt with RSA, and the key is {}; put an RSA key into {name}",
            facts.key
        ));
    }
    match keys::decryption::check(identity) {
        Ok(()) => report.ok(format!("{whose} can be read")),
        Err(error) => report.failed(format!(
            "{whose} cannot be read: {error}; put another key into {name}"
        )),
    }
}

/// The name under which a client would come: the first in the certificate.
fn host_of(identity: &Identity) -> anyhow::Result<String> {
    let facts: Facts = facts(identity.certificate())?;
    let address = facts.ip_addresses.first().map(ToString::to_string);
    let mut names = facts.host_names().iter();
    // A star stands for any name.
    let name = names.find_map(|name| match name.strip_prefix("*.") {
        Some(domain) => Some(format!("any.{domain}")),
        None if name.contains([' ', '*']) => None,
        None => Some(name.clone()),
    });
    Ok(name.or(address).unwrap_or_else(|| "localhost".to_owned()))
}

/// What both ends say: the handshake, or why there was none. What the server says counts for its refusal.
fn both(met: &Met) -> Result<Handshake, &Trouble> {
    match (&met.client.result, &met.server) {
        (Ok(()), Ok(handshake)) => Ok(*handshake),
        // An alert says less than the one who sent it.
        (Err(Trouble::Tls(failure)), Err(server)) if is_alert(failure.reason) => Err(server),
        (Err(client), _) => Err(client),
        (Ok(()), Err(server)) => Err(server),
    }
}

fn is_alert(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Alert | Reason::OurCertificate | Reason::OurCertificateMissing | Reason::Closed
    )
}

/// What was agreed on, and whose certificate was shown.
fn agreed(handshake: Handshake, seen: &Seen) -> String {
    let shown = seen.chain.first().and_then(|own| Facts::of(own).ok());
    let shown = shown
        .map(|facts| format!(", shown {}", facts.subject))
        .unwrap_or_default();
    format!(
        "{}, {}, {}{shown}",
        certificate::version_text(handshake),
        handshake.suite_name(),
        handshake.group_name()
    )
}

/// What failed, and which setting mends it.
fn sentence(what: &str, trouble: &Trouble, settings: &TlsSettings) -> String {
    format!("{what}: {}", why(trouble, settings))
}
