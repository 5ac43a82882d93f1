//! What is in force in a scope, setting by setting, and what does not go together.
//!
//! Source: `docs/domain/tls-scopes.md` 3, 7, 8, 16 to 18.

use super::{ClientAuth, Scope, SessionCache, StoreSettings, TlsScopes, TlsSettings, TlsVersions};
use crate::listen::Listen;
use crate::loader::{Faulted, Loader};
use crate::scoped::Scoped;
use crate::settings::tls::{self as rows, Mirror, StoreRows};
use crate::{Accepts, Note};

/// The settings of every scope; `None` if a fault was recorded.
pub(crate) fn scopes(loader: &mut Loader) -> Option<TlsScopes> {
    let [global, mux, server, ldap, saml] = Scope::ALL.map(|scope| settings(loader, scope).ok());
    Some(TlsScopes {
        global: global?,
        mux: mux?,
        server: server?,
        ldap: ldap?,
        saml: saml?,
    })
}

/// The settings of the scopes that have no fault, for who wants to look at the stores of these as well.
pub(crate) fn sound(loader: &mut Loader) -> Vec<TlsSettings> {
    let scopes = Scope::ALL.into_iter();
    scopes
        .filter_map(|scope| settings(loader, scope).ok())
        .collect()
}

fn settings(loader: &mut Loader, scope: Scope) -> Result<TlsSettings, Faulted> {
    // All values first, so that all faults are met; `?` on a missing one comes after.
    let key_store = store(loader, scope, &rows::KEY_STORE);
    let trust_store = store(loader, scope, &rows::TRUST_STORE);
    let key_labels = loader.scoped_optional(&rows::KEY_LABEL, scope);
    let fips = loader.scoped(&rows::FIPS, scope);
    let level = loader.scoped(&rows::SECURITY_LEVEL, scope);
    let versions = versions(loader, scope);
    let cipher_suites = loader.scoped_optional(&rows::CIPHER_SUITES, scope);
    let client_auth = loader.scoped(&rows::CLIENT_AUTH, scope);
    let trusted_hosts = loader.scoped_optional(&rows::TRUSTED_HOSTS, scope);
    let mirror = loader.scoped(&rows::MIRROR_TRUSTED_HOSTS, scope);
    let host_check = loader.scoped(&rows::HOST_CHECK, scope);
    let pkix = loader.scoped_or(&rows::PKIX, scope, false);
    let size = loader.scoped(&rows::SESSION_CACHE_SIZE, scope);
    let max_age = loader.scoped(&rows::MAX_SESSION_AGE, scope);
    let renew_after = loader.scoped(&rows::SESSION_CACHE_TIME, scope);

    let (mirror_trusted_hosts, key_labels) = mirror_or_label(loader, mirror?, key_labels?);
    let mut client_auth = client_auth?;
    if matches!(scope, Scope::Ldap | Scope::Saml) {
        client_auth.value = ClientAuth::None;
    }
    Ok(TlsSettings {
        scope,
        key_store: key_store?,
        trust_store: trust_store?,
        key_labels,
        fips: fips?,
        level: level?,
        versions: versions?,
        cipher_suites: cipher_suites?,
        client_auth,
        trusted_hosts: trusted_hosts?,
        mirror_trusted_hosts,
        host_check: host_check?,
        pkix: pkix?,
        sessions: SessionCache {
            size: size?,
            max_age: max_age?,
            renew_after: renew_after?,
        },
    })
}

fn store(
    loader: &mut Loader,
    scope: Scope,
    rows: &StoreRows,
) -> Result<Option<StoreSettings>, Faulted> {
    let store_type = loader.scoped_optional(&rows.store_type, scope);
    let file = loader.scoped_optional(&rows.file, scope)?;
    let mut password = loader.scoped_optional(&rows.password, scope)?;
    let mut password_file = loader.scoped_optional(&rows.password_file, scope)?;
    let mut stash_file = loader.scoped_optional(&rows.stash_file, scope)?;
    let key_password = match &rows.key_password {
        Some(row) => loader.scoped_optional(row, scope)?,
        None => None,
    };
    let store_type = store_type?;
    let Some(file) = file else {
        let idle = |password: &Scoped<_>| match password.is_global() {
            true => scope == Scope::Global && !loader.is_set_in_any_scope(&rows.file.row),
            false => true,
        };
        if let Some(password) = password.filter(idle) {
            let note = password.note(format!(
                "{} has no effect, because no store file is named",
                password.name
            ));
            loader.push_note(note);
        }
        return Ok(None);
    };
    let own = |name: &str| !name.starts_with("ST_");
    let has_own = password.as_ref().is_some_and(|found| own(&found.name))
        || password_file.as_ref().is_some_and(|found| own(&found.name))
        || stash_file.as_ref().is_some_and(|found| own(&found.name));
    if has_own {
        password = password.filter(|found| !found.is_global());
        password_file = password_file.filter(|found| !found.is_global());
        stash_file = stash_file.filter(|found| !found.is_global());
    }
    Ok(Some(StoreSettings {
        file,
        store_type,
        password,
        password_file,
        stash_file,
        key_password,
    }))
}

/// The range of versions, which must not be empty. A minimum above a default maximum raises that. No level raises
/// the minimum further: TLS 1.2, which level 2 asks for, is the lowest that is ever spoken.
fn versions(loader: &mut Loader, scope: Scope) -> Result<TlsVersions, Faulted> {
    let min = loader.scoped(&rows::MIN_PROTOCOL_VERSION, scope);
    let max = loader.scoped(&rows::MAX_PROTOCOL_VERSION, scope);
    let (min, mut max) = (min?, max?);
    if min.value > max.value {
        if !max.is_default() {
            let problem = format!(
                "the lowest version, {}, is above the highest, {} ({}, {})",
                min.value, max.value, max.name, max.origin
            );
            loader.push_fault(min.fault(problem, "a version that is at most the highest"));
            return Err(Faulted);
        }
        max.value = min.value;
    }
    Ok(TlsVersions { min, max })
}

/// `…_MIRROR_TRUSTED_HOSTS` is described as an alias and named like a switch: 0 and 1 are the switch, anything else
/// is an alias that counts where no label is set.
///
/// Source: `docs/domain/tls-scopes.md` 18.3.
fn mirror_or_label(
    loader: &mut Loader,
    mirror: Scoped<Mirror>,
    labels: Option<Scoped<Vec<String>>>,
) -> (Scoped<bool>, Option<Scoped<Vec<String>>>) {
    let alias = match &mirror.value {
        Mirror::Switch(on) => {
            let on = *on;
            return (mirror.map(|_| on), labels);
        }
        Mirror::Alias(alias) => alias.clone(),
    };
    let used = match &labels {
        None => "is taken for the label of a key".to_owned(),
        Some(labels) => format!(
            "would be taken for the label of a key, but {} is set",
            labels.name
        ),
    };
    let text = format!(
        "{} is neither 0 nor 1; \"{alias}\" {used}. The names of peers are not compared with the own ones",
        mirror.name
    );
    loader.push_note(mirror.note(text));
    let labels = labels.or_else(|| Some(mirror.clone().map(|_| vec![alias])));
    (mirror.map(|_| false), labels)
}

/// Faults and notes about what does not go together, for the connections that are served.
pub(crate) fn in_force(loader: &mut Loader, tls: &TlsScopes, listeners: &[Listen]) {
    if listeners
        .iter()
        .any(|listen| listen.accepts != Accepts::Legacy)
    {
        inbound(loader, &tls.mux);
    }
    if tls.mux.fips.value
        && let Some(legacy) = listeners
            .iter()
            .find(|listen| listen.accepts != Accepts::Tls)
    {
        let text = format!(
            "{}=1 does not cover clients without TLS, who are served on port {} with the legacy encryption; \
             VPMX_PORT=0 turns them away",
            tls.mux.fips.name, legacy.port
        );
        loader.push_note(tls.mux.fips.note(text));
    }
    // Without a key store the links of the server are plain, and the rest of its settings waits for one.
    if tls.server.key_store.is_some() {
        inbound(loader, &tls.server);
    }
    for settings in [&tls.server, &tls.ldap] {
        unchecked_host(loader, settings);
    }
    for settings in tls.iter() {
        same_file(loader, settings);
        idle(loader, settings);
    }
}

/// Client certificates need a trust store, and a list of hosts needs client certificates.
fn inbound(loader: &mut Loader, settings: &TlsSettings) {
    let asked = &settings.client_auth;
    if asked.value != ClientAuth::None && settings.trust_store.is_none() {
        let names = settings.scope.names(rows::TRUST_STORE.file.row.suffix());
        let problem = format!(
            "{} asks for client certificates, but no trust store says which are good",
            asked.name
        );
        loader.push_fault(asked.fault(problem, format!("{}, or 0 here", names.join(" or "))));
    }
    if let Some(hosts) = &settings.trusted_hosts
        && asked.value == ClientAuth::None
    {
        let text = format!(
            "{} has no effect on connections to the {}, because client certificates are not asked for ({}=0, {})",
            hosts.name, settings.scope, asked.name, asked.origin
        );
        loader.push_note(hosts.note(text));
    }
}

/// A host check that is switched off is said at each start.
///
/// Source: `docs/domain/tls-scopes.md` 18.4.
fn unchecked_host(loader: &mut Loader, settings: &TlsSettings) {
    let check = &settings.host_check;
    if !check.value && settings.trust_store.is_some() && settings.trusted_hosts.is_none() {
        let text = format!(
            "{}=0: on connections of the scope {} any certificate of a trusted authority is accepted, whatever host \
             it is for; a list in {} would be narrower",
            check.name,
            settings.scope,
            rows::TRUSTED_HOSTS.row.name_in(settings.scope)
        );
        loader.push_note(check.note(text));
    }
}

/// A store that holds the private key need not be opened by everything that only checks peers.
fn same_file(loader: &mut Loader, settings: &TlsSettings) {
    if let (Some(keys), Some(trust)) = (&settings.key_store, &settings.trust_store)
        && keys.file.value == trust.file.value
    {
        let text = format!(
            "{} and {} name the same file; a store of trusted certificates should hold no private key",
            keys.file.name, trust.file.name
        );
        loader.push_note(trust.file.note(text));
    }
}

/// Settings that their own scope has no use for.
fn idle(loader: &mut Loader, settings: &TlsSettings) {
    for row in crate::settings::tls_rows() {
        if row.applies_to(settings.scope) {
            continue;
        }
        if let Some((name, origin)) = loader.set_in_scope_itself(row, settings.scope) {
            let what = match settings.scope {
                Scope::Saml => "messages of an identity provider have no connection of their own",
                Scope::Ldap => "connections to the directory are outbound",
                _ => "these connections are inbound",
            };
            loader.push_note(Note {
                text: format!("{name} has no effect: {what}"),
                origin,
            });
        }
    }
}
