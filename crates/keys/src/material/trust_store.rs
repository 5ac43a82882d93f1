//! Whom a scope trusts.

use super::opened::{self, Cache};
use crate::facts::{Facts, moment};
use crate::level::{self, Floor};
use crate::store::{Content, Entry};
use config::{Fault, Note, StoreSettings, TlsSettings};
use rustls::pki_types::CertificateDer;
use std::collections::HashSet;
use std::time::SystemTime;

/// Loads the trusted certificates of a scope.
///
/// # Errors
/// What is wrong with the store.
pub(super) fn load(
    settings: &TlsSettings,
    store: &StoreSettings,
    now: SystemTime,
    cache: &mut Cache,
    notes: &mut Vec<Note>,
) -> Result<Vec<CertificateDer<'static>>, Box<Fault>> {
    let opened = opened::open(store, cache, notes)?;
    opened::note_if_open(&store.file, &opened.path, opened.is_open, notes);
    let is_key = |entry: &Entry| matches!(entry.content, Content::Key { .. });
    if opened.store.entries.iter().any(is_key) {
        opened::note_if_shared(&store.file, &opened.path, opened.is_shared, notes);
    }
    let shown = opened.path.display();
    let mut note = |text: String| notes.push(store.file.note(format!("{shown}: {text}")));
    let mut found: Vec<(&str, &CertificateDer<'static>)> = Vec::new();
    for entry in &opened.store.entries {
        let alias = entry.alias.as_str();
        match &entry.content {
            Content::Certificate(certificate) => found.push((alias, certificate)),
            Content::Key { chain, .. } => {
                note(format!(
                    "\"{alias}\" is a private key, which has no business in a trust store; \
                     its certificates are trusted"
                ));
                found.extend(chain.iter().map(|certificate| (alias, certificate)));
            }
        }
    }
    let loose = opened.store.loose.iter();
    found.extend(loose.map(|certificate| ("unnamed", certificate)));

    let floor = Floor {
        level: settings.level.value,
        fips: settings.fips.value,
    };
    let mut trusted: Vec<CertificateDer<'static>> = Vec::new();
    let mut seen: HashSet<&[u8]> = HashSet::new();
    for (alias, certificate) in found {
        if !seen.insert(certificate) {
            continue;
        }
        match Facts::of(certificate) {
            Ok(facts) => {
                oddities(&facts, floor, now)
                    .into_iter()
                    .for_each(|text| note(format!("\"{alias}\": {text}")));
                trusted.push(certificate.clone());
            }
            Err(error) => note(format!("\"{alias}\" is passed over: {error}")),
        }
    }
    if trusted.is_empty() {
        return Err(store
            .file
            .fault(
                format!("{shown} holds no certificate, so nobody would be trusted"),
                "a store with the certificates of the authorities to trust",
            )
            .into());
    }
    Ok(trusted)
}

/// What somebody should know about a trusted certificate. None of it keeps it from being trusted: the handshake decides.
fn oddities(facts: &Facts, floor: Floor, now: SystemTime) -> Vec<String> {
    let mut texts = Vec::new();
    let subject = &facts.subject;
    if facts.not_after < now {
        texts.push(format!(
            "{subject} has expired on {}",
            moment(facts.not_after)
        ));
    } else if facts.not_before > now {
        texts.push(format!(
            "{subject} is not good before {}",
            moment(facts.not_before)
        ));
    }
    // What a root says of itself is not what it is trusted for: only its key counts.
    let checked = if facts.self_signed {
        floor.check_key(facts).map(|()| Vec::new())
    } else {
        level::check_chain(floor, std::slice::from_ref(facts)).map_err(|(_, problem)| problem)
    };
    match checked {
        Ok(warnings) => texts.extend(warnings),
        Err(problem) => texts.push(format!(
            "{subject} is below the security level, so peers under it are refused: {problem}"
        )),
    }
    texts
}
