//! What could be better and is no fault.

use super::{Scope, SecurityLevel, TlsSettings, TlsVersion};
use crate::settings::tls as rows;
use crate::{Accepts, Config, Note, Origin};

/// What could be better and is no fault: for a check of the configuration, not for the log of each start.
///
/// Source: `docs/domain/tls-scopes.md` 17.
#[must_use]
pub fn advice(config: &Config) -> Vec<Note> {
    let listeners = &config.mux.listeners;
    let takes = |other: Accepts| listeners.iter().any(|listen| listen.accepts != other);
    let tls = &config.tls;
    let in_use = [
        (&tls.mux, takes(Accepts::Legacy)),
        (&tls.server, tls.server.key_store.is_some()),
        (&tls.ldap, !config.xml.directory.connections.is_empty()),
        (&tls.saml, tls.saml.trust_store.is_some()),
    ];
    let mut notes = Vec::new();
    for (settings, _) in in_use.iter().filter(|(_, in_use)| *in_use) {
        let TlsSettings {
            scope,
            level,
            versions,
            ..
        } = settings;
        if level.value == SecurityLevel::Level0 {
            let name = rows::SECURITY_LEVEL.row.name_in(settings.scope);
            notes.push(level.note(format!(
                "{scope}: the security level is 0, so weak keys are only warned of; {name}=2 is recommended"
            )));
        }
        if settings.scope != Scope::Saml && versions.max.value < TlsVersion::Tls13 {
            let name = rows::MAX_PROTOCOL_VERSION.row.name_in(settings.scope);
            notes.push(versions.max.note(format!(
                "{scope}: TLS 1.3 is not offered; {name}=0x304 is recommended"
            )));
        }
        for store in [&settings.key_store, &settings.trust_store] {
            let password = store.as_ref().and_then(|store| store.password.as_ref());
            if let Some(password) = password
                && matches!(password.origin, Origin::File { .. })
            {
                let note = password.note(format!(
                    "{} stands in clear text; {1}_FILE or {1}_STASH_FILE keeps it elsewhere",
                    password.name, password.name
                ));
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
    }
    if takes(Accepts::Tls)
        && let Some(legacy) = listeners
            .iter()
            .find(|listen| listen.accepts != Accepts::Tls)
    {
        let text = format!(
            "clients without TLS are served on port {}; VPMX_PORT=0 turns them away once all use TLS",
            legacy.port
        );
        let origin = legacy.origin.clone();
        notes.push(Note { text, origin });
    }
    notes
}
