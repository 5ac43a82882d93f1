//! `isochron tls show`: what is in force for each scope, without a running server.

use super::scope::{Loaded, Rules};
use crate::cmd::certificate::{self, CertificateRow, aligned, facts};
use crate::cmd::{print, print_json};
use config::{ClientAuth, Config, Fault, Scope, Scoped, StoreSettings, TlsSettings};
use keys::facts::Facts;
use keys::material::path_of;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use std::fmt::Display;
use std::time::SystemTime;

/// A scope as JSON shows it.
#[derive(Debug, Serialize)]
struct ScopeRow {
    scope: &'static str,
    /// False where the settings name no store and none was made: then the scope has no TLS.
    configured: bool,
    key_store: Option<StoreRow>,
    trust_store: Option<StoreRow>,
    /// The file of the self-signed certificate, where that is what clients are shown.
    self_signed: Option<String>,
    level: LevelRow,
    fips: bool,
    versions: Option<[String; 2]>,
    suites: Vec<&'static str>,
    groups: Vec<String>,
    client_auth: Option<&'static str>,
    trusted_hosts: Vec<String>,
    shows: Vec<ShownRow>,
    trusts: Vec<CertificateRow>,
    notes: Vec<String>,
    faults: Vec<String>,
}

#[derive(Debug, Serialize)]
struct StoreRow {
    file: String,
    setting: String,
    origin: String,
}

#[derive(Debug, Serialize)]
struct LevelRow {
    wanted: String,
    /// The highest level that all shown certificates meet; none is shown, none is met.
    met: Option<String>,
    setting: String,
    origin: String,
}

#[derive(Debug, Serialize)]
struct ShownRow {
    certificate: CertificateRow,
    chain: Vec<CertificateRow>,
}

/// Prints the scopes.
///
/// # Errors
/// When a store is named that cannot be used; everything is printed all the same.
pub(super) fn run(
    config: &Config,
    scopes: &[Loaded<'_>],
    json: bool,
    now: SystemTime,
) -> anyhow::Result<()> {
    if json {
        let rows: Vec<ScopeRow> = scopes
            .iter()
            .map(|scope| row(scope, now))
            .collect::<Result<_, _>>()?;
        print_json(&rows)?;
    } else {
        let shown = scopes.iter().map(|scope| shown(config, scope, now));
        let shown: Vec<String> = shown.collect::<Result<_, _>>()?;
        print(&shown.join("\n"))?;
    }
    let bad = scopes.iter().filter(|scope| !scope.faults.is_empty());
    let bad: Vec<&str> = bad.map(|scope| scope.settings.scope.word()).collect();
    match bad.is_empty() {
        true => Ok(()),
        false => anyhow::bail!("the settings have faults in: {}", bad.join(", ")),
    }
}

/// What a scope is for.
fn purpose(scope: Scope) -> &'static str {
    match scope {
        Scope::Global => "what counts where a scope has no value of its own",
        Scope::Mux => "clients that connect",
        Scope::Server => "server parts that connect to each other",
        Scope::Ldap => "the directory",
        Scope::Saml => "the identity provider's messages",
    }
}

fn shown(config: &Config, loaded: &Loaded<'_>, now: SystemTime) -> anyhow::Result<String> {
    let settings = loaded.settings;
    let mut text = format!("{}: {}\n", settings.scope, purpose(settings.scope));
    let mut lines = Vec::new();
    if settings.scope == Scope::Mux {
        let ports = config.mux.listeners.iter();
        let ports: Vec<String> = ports
            .map(|listen| format!("{} ({})", listen.port, listen.accepts))
            .collect();
        lines.push(("ports", ports.join(", ")));
    }
    if let Some(why) = &loaded.absent {
        lines.push(("tls", why.clone()));
        return Ok(text + &aligned(2, &lines));
    }
    let no_key_store = match &loaded.self_signed {
        Some(file) => format!(
            "none; {} is shown, which the server made for itself",
            file.display()
        ),
        None => "none".to_owned(),
    };
    lines.push((
        "key store",
        settings.key_store.as_ref().map_or(no_key_store, store_text),
    ));
    let trust_store = settings.trust_store.as_ref();
    lines.push((
        "trust store",
        trust_store.map_or_else(|| "none".to_owned(), store_text),
    ));
    lines.push(("level", level_text(loaded)));
    if settings.fips.value {
        lines.push(("fips", sourced("on", &settings.fips)));
    }
    if let Some(rules) = &loaded.rules {
        lines.extend(rules_lines(settings, rules));
    }
    if let Some(hosts) = &settings.trusted_hosts {
        lines.push(("trusted hosts", sourced(hosts.value.join(", "), hosts)));
    }
    text += &aligned(2, &lines);
    if let Some(material) = &loaded.material {
        for identity in &material.identities {
            text += "  shows\n";
            let mut lines = certificate::lines(&facts(identity.certificate())?, now);
            for issuer in identity.chain().iter().skip(1) {
                lines.push(("chain", certificate::short(&facts(issuer)?)));
            }
            text += &aligned(4, &lines);
        }
        if !material.trusted.is_empty() {
            text += "  trusts\n";
        }
        for trusted in &material.trusted {
            let facts = facts(trusted)?;
            text += &format!(
                "    {} ({})\n",
                certificate::short(&facts),
                certificate::days_text(&facts, now)
            );
        }
    }
    for note in &loaded.notes {
        text += &format!("  note: {note}\n");
    }
    for fault in &loaded.faults {
        text += &format!("  fault: {}\n", fault_text(fault));
    }
    Ok(text)
}

fn rules_lines(settings: &TlsSettings, rules: &Rules) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("versions", versions_text(settings)),
        ("suites", rules.suites.join(", ")),
        ("groups", rules.groups.join(", ")),
    ];
    if rules.accepts {
        let auth = match settings.client_auth.value {
            ClientAuth::None => "no certificate is asked for",
            ClientAuth::Want => "a certificate is asked for, and may be missing",
            ClientAuth::Need => "a certificate is needed",
        };
        lines.push(("client auth", sourced(auth, &settings.client_auth)));
    } else if settings.trusted_hosts.is_none() {
        let check = match settings.host_check.value {
            true => "the dialled name has to stand in the certificate",
            false => "off: any name in the certificate will do",
        };
        lines.push(("host check", sourced(check, &settings.host_check)));
    }
    lines
}

fn versions_text(settings: &TlsSettings) -> String {
    let (min, max) = (&settings.versions.min, &settings.versions.max);
    match min.value == max.value {
        true => format!("{} only ({}, {})", max.value, max.name, max.origin),
        false => format!(
            "{} to {} ({}, {})",
            min.value, max.value, max.name, max.origin
        ),
    }
}

fn level_text(loaded: &Loaded<'_>) -> String {
    let level = &loaded.settings.level;
    let wanted = sourced(level.value, level);
    match loaded.level_met() {
        Some(met) => format!("{wanted}; the certificates meet {met}"),
        None => wanted,
    }
}

/// A value with the setting and where that stands.
fn sourced<T>(value: impl Display, setting: &Scoped<T>) -> String {
    match setting.is_default() {
        true => format!("{value} (default of {})", setting.name),
        false => format!("{value} ({}, {})", setting.name, setting.origin),
    }
}

fn store_text(store: &StoreSettings) -> String {
    sourced(path_of(&store.file).display(), &store.file)
}

pub(super) fn fault_text(fault: &Fault) -> String {
    format!("{fault}; expected {}", fault.expected)
}

fn row(loaded: &Loaded<'_>, now: SystemTime) -> anyhow::Result<ScopeRow> {
    let settings = loaded.settings;
    let store = |store: &StoreSettings| StoreRow {
        file: path_of(&store.file).display().to_string(),
        setting: store.file.name.clone(),
        origin: store.file.origin.to_string(),
    };
    let certificate = |certificate: &CertificateDer<'_>| -> anyhow::Result<CertificateRow> {
        let facts: Facts = facts(certificate)?;
        Ok(CertificateRow::of(&facts, now))
    };
    let (mut shows, mut trusts) = (Vec::new(), Vec::new());
    if let Some(material) = &loaded.material {
        for identity in &material.identities {
            let chain = identity.chain().iter().skip(1).map(certificate);
            shows.push(ShownRow {
                certificate: certificate(identity.certificate())?,
                chain: chain.collect::<anyhow::Result<_>>()?,
            });
        }
        let trusted = material.trusted.iter().map(certificate);
        trusts = trusted.collect::<anyhow::Result<_>>()?;
    }
    let rules = loaded.rules.as_ref();
    let versions = &settings.versions;
    let accepts = rules.is_some_and(|rules| rules.accepts);
    let client_auth = match settings.client_auth.value {
        ClientAuth::None => "none",
        ClientAuth::Want => "want",
        ClientAuth::Need => "need",
    };
    Ok(ScopeRow {
        scope: settings.scope.word(),
        configured: loaded.absent.is_none(),
        key_store: settings.key_store.as_ref().map(store),
        trust_store: settings.trust_store.as_ref().map(store),
        self_signed: loaded
            .self_signed
            .as_ref()
            .map(|file| file.display().to_string()),
        level: LevelRow {
            wanted: settings.level.value.to_string(),
            met: loaded.level_met().map(|level| level.to_string()),
            setting: settings.level.name.clone(),
            origin: settings.level.origin.to_string(),
        },
        fips: settings.fips.value,
        versions: rules.map(|_| {
            [
                versions.min.value.to_string(),
                versions.max.value.to_string(),
            ]
        }),
        suites: rules.map(|rules| rules.suites.clone()).unwrap_or_default(),
        groups: rules.map(|rules| rules.groups.clone()).unwrap_or_default(),
        client_auth: accepts.then_some(client_auth),
        trusted_hosts: settings
            .trusted_hosts
            .as_ref()
            .map(|list| list.value.clone())
            .unwrap_or_default(),
        shows,
        trusts,
        notes: loaded.notes.iter().map(ToString::to_string).collect(),
        faults: loaded.faults.iter().map(fault_text).collect(),
    })
}
