//! The own keys: chosen by label, checked, put in order.

use super::opened::{self, Cache, Opened};
use crate::facts::{Facts, KeyKind, moment};
use crate::store::chain::Pool;
use crate::store::edit::list;
use crate::store::{Content, same_alias};
use crate::{Error, Identity, level};
use config::{Fault, Note, StoreSettings, TlsSettings};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::collections::HashSet;
use std::time::SystemTime;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

/// The TLS library signs with no shorter RSA key, whatever the level.
const RSA_BITS_MIN: usize = 2048;

/// A key of the store that was chosen.
struct Chosen<'a> {
    alias: &'a str,
    key: &'a PrivateKeyDer<'static>,
    chain: &'a [CertificateDer<'static>],
}

/// Loads the identities of a scope.
///
/// # Errors
/// What is wrong with the store, or with the choice of its keys.
pub(super) fn load(
    settings: &TlsSettings,
    store: &StoreSettings,
    now: SystemTime,
    cache: &mut Cache,
    notes: &mut Vec<Note>,
) -> Result<Vec<Identity>, Box<Fault>> {
    let opened = opened::open(store, cache, notes)?;
    opened::note_if_shared(&store.file, &opened.path, opened.is_shared, notes);
    let chosen = choose(settings, store, &opened, notes)?;
    let checker = Checker {
        settings,
        store,
        opened: &opened,
        now,
    };
    let mut identities: Vec<Identity> = Vec::new();
    for key in chosen {
        let identity = checker.check(&key, notes)?;
        let kind = identity.key_algorithm();
        if identities.iter().any(|other| other.key_algorithm() == kind) {
            return Err(two_of_a_kind(settings, store, key.alias, &kind.to_string()));
        }
        identities.push(identity);
    }
    Ok(identities)
}

/// Picks the keys that the labels name, or the only one there is.
///
/// Source: `docs/domain/tls-scopes.md` 13.
fn choose<'a>(
    settings: &TlsSettings,
    store: &StoreSettings,
    opened: &'a Opened,
    notes: &mut Vec<Note>,
) -> Result<Vec<Chosen<'a>>, Box<Fault>> {
    let shown = opened.path.display();
    let mut keys = Vec::new();
    let mut certificates = 0;
    for entry in &opened.store.entries {
        match &entry.content {
            Content::Key { key, chain } => keys.push(Chosen {
                alias: &entry.alias,
                key,
                chain,
            }),
            Content::Certificate(_) => certificates += 1,
        }
    }
    let aliases: Vec<String> = keys.iter().map(|key| key.alias.to_owned()).collect();
    if keys.is_empty() {
        let holds = match certificates {
            0 => "nothing".to_owned(),
            1 => "one certificate".to_owned(),
            count => format!("{count} certificates"),
        };
        return Err(store
            .file
            .fault(
                format!("{shown} holds no private key, but {holds}; is it a trust store?"),
                "a store with a private key and its certificate",
            )
            .into());
    }
    let labels = settings.key_labels.as_ref();
    let label_names = settings.scope.names("TLS_KEY_LABEL").join(" or ");
    if keys.len() == 1 {
        if let (Some(labels), Some(alias)) = (labels, aliases.first())
            && !labels.value.iter().any(|label| same_alias(label, alias))
        {
            notes.push(labels.note(format!(
                "{} is not \"{alias}\", which is the only key in {shown} and is used",
                labels.name
            )));
        }
        return Ok(keys);
    }
    let Some(labels) = labels else {
        return Err(store
            .file
            .fault(
                format!("{shown} holds {} keys: {}", keys.len(), list(&aliases)),
                format!("{label_names} with the alias of the one to show"),
            )
            .into());
    };
    let mut chosen: Vec<Chosen<'_>> = Vec::new();
    for label in &labels.value {
        if chosen.iter().any(|key| same_alias(key.alias, label)) {
            continue;
        }
        let Some(at) = keys.iter().position(|key| same_alias(key.alias, label)) else {
            return Err(labels
                .fault(
                    format!("no key \"{label}\" is in {shown} ({})", store.file.name),
                    format!("one of {}", list(&aliases)),
                )
                .into());
        };
        chosen.push(keys.swap_remove(at));
    }
    Ok(chosen)
}

fn two_of_a_kind(
    settings: &TlsSettings,
    store: &StoreSettings,
    alias: &str,
    kind: &str,
) -> Box<Fault> {
    let problem =
        format!("\"{alias}\" is the second {kind} key; a client could not tell which to take");
    let expected = "at most one label for each kind of key";
    match &settings.key_labels {
        Some(labels) => labels.fault(problem, expected).into(),
        None => store.file.fault(problem, expected).into(),
    }
}

struct Checker<'a> {
    settings: &'a TlsSettings,
    store: &'a StoreSettings,
    opened: &'a Opened,
    now: SystemTime,
}

impl Checker<'_> {
    /// Turns a key with its chain into an identity, if it can be one now.
    fn check(&self, chosen: &Chosen<'_>, notes: &mut Vec<Note>) -> Result<Identity, Box<Fault>> {
        let Chosen { alias, key, chain } = *chosen;
        let fault = |problem: String, expected: &str| self.fault(alias, &problem, expected);
        let Some(own) = chain.first() else {
            return Err(fault(
                "has no certificate in it".to_owned(),
                "a store with the key and its certificate",
            ));
        };
        let facts = Facts::of(own)
            .map_err(|error| fault(format!("cannot be used: {error}"), "another certificate"))?;
        self.check_dates(alias, &facts)?;
        let chain = self.good_chain(chain);
        self.check_dates_of_issuers(alias, &chain, notes)?;
        let (level, fips) = (&self.settings.level, &self.settings.fips);
        let weak = level::check_own_chain(level.value, fips.value, &chain)
            .map_err(|problem| self.below_level(alias, &problem))?;
        if let KeyKind::Rsa(bits) = facts.key
            && bits < RSA_BITS_MIN
        {
            return Err(fault(
                format!(
                    "has an RSA key of {bits} bits, and the TLS library signs with no less than {RSA_BITS_MIN} at any level"
                ),
                "a certificate with a longer key",
            ));
        }
        self.check_links(alias, &chain, notes)?;
        for text in weak {
            self.note(alias, &text, notes);
        }
        self.note_oddities(alias, &facts, notes);
        Identity::new(chain, key.clone_key()).map_err(|error| match error {
            Error::OtherKey => fault(
                format!(
                    "does not belong to the certificate beside it, that of {}",
                    facts.subject
                ),
                "the key from which that certificate was requested",
            ),
            _ => fault(
                format!("is a {} key, which cannot be used for TLS here", facts.key),
                "a key of RSA, EC (P-256, P-384, P-521) or Ed25519",
            ),
        })
    }

    fn fault(&self, alias: &str, problem: &str, expected: &str) -> Box<Fault> {
        let path = self.opened.path.display();
        let text = format!("the key \"{alias}\" in {path} {problem}");
        self.store.file.fault(text, expected).into()
    }

    fn note(&self, alias: &str, text: &str, notes: &mut Vec<Note>) {
        let path = self.opened.path.display();
        notes.push(
            self.store
                .file
                .note(format!("the key \"{alias}\" in {path}: {text}")),
        );
    }

    fn check_dates(&self, alias: &str, facts: &Facts) -> Result<(), Box<Fault>> {
        let problem = if facts.not_before > self.now {
            format!(
                "is not yet valid: its certificate begins on {}",
                moment(facts.not_before)
            )
        } else if facts.not_after < self.now {
            format!(
                "has expired: its certificate ended on {}",
                moment(facts.not_after)
            )
        } else {
            return Ok(());
        };
        let expected = "a certificate that is good now; see that the clock is right";
        Err(self.fault(alias, &problem, expected))
    }

    /// The chain again, with issuers that are good now where the store has them: opening it asks for no time.
    fn good_chain(&self, chain: &[CertificateDer<'static>]) -> Vec<CertificateDer<'static>> {
        let others = self.chains().flatten().chain(&self.opened.store.loose);
        Pool::new(chain.iter().chain(others)).chain(0, Some(self.now))
    }

    /// The chains of all keys of the store.
    fn chains(&self) -> impl Iterator<Item = &Vec<CertificateDer<'static>>> {
        let entries = self.opened.store.entries.iter();
        entries.filter_map(|entry| match &entry.content {
            Content::Key { chain, .. } => Some(chain),
            Content::Certificate(_) => None,
        })
    }

    /// Clients refuse a chain with an issuer out of its time. Of a root they have one of their own, perhaps a newer one.
    fn check_dates_of_issuers(
        &self,
        alias: &str,
        chain: &[CertificateDer<'static>],
        notes: &mut Vec<Note>,
    ) -> Result<(), Box<Fault>> {
        for issuer in chain.iter().skip(1) {
            let Ok(facts) = Facts::of(issuer) else {
                continue;
            };
            let subject = &facts.subject;
            if facts.self_signed {
                if facts.not_after < self.now {
                    let end = moment(facts.not_after);
                    let text = format!(
                        "its issuer {subject} has expired on {end}; clients that have no newer one refuse it"
                    );
                    self.note(alias, &text, notes);
                }
                continue;
            }
            let problem = if facts.not_after < self.now {
                format!("\"{subject}\" has expired on {}", moment(facts.not_after))
            } else if facts.not_before > self.now {
                let from = moment(facts.not_before);
                format!("\"{subject}\" is not good before {from}")
            } else {
                continue;
            };
            let problem = format!("has a chain that clients refuse: its issuer {problem}");
            return Err(self.fault(
                alias,
                &problem,
                "the certificate that the authority uses now, in the place of that one",
            ));
        }
        Ok(())
    }

    /// The level's name comes first: it is what an administrator compares the certificate with.
    fn below_level(&self, alias: &str, problem: &str) -> Box<Fault> {
        let (level, fips) = (&self.settings.level, &self.settings.fips);
        let file = &self.store.file;
        let path = self.opened.path.display();
        let asked = if level.is_default() && fips.value {
            format!("{}=1", fips.name)
        } else {
            format!("{}={}", level.name, level.value)
        };
        let problem = format!(
            "the key \"{alias}\" in {path} ({}) is below what {asked} asks for: {problem}",
            file.name
        );
        let expected = format!(
            "a certificate that meets it in {}, or a lower level",
            file.name
        );
        if level.is_default() && fips.value {
            fips.fault(problem, expected).into()
        } else if level.is_default() {
            file.fault(problem, expected).into()
        } else {
            level.fault(problem, expected).into()
        }
    }

    /// A store that brings an authority and not what joins the own certificate to it was put together wrongly: clients
    /// would refuse its chain, and it is refused here. A store with nothing but the own certificate is common, because
    /// its clients know the issuer, and gets a note. A root that is left out is as it should be.
    fn check_links(
        &self,
        alias: &str,
        chain: &[CertificateDer<'static>],
        notes: &mut Vec<Note>,
    ) -> Result<(), Box<Fault>> {
        let Some(last) = chain.last().and_then(|last| Facts::of(last).ok()) else {
            return Ok(());
        };
        if last.self_signed {
            return Ok(());
        }
        let missing = format!("chain incomplete, issuer \"{}\" missing", last.issuer);
        let stray = self.stray_authorities(chain, &last);
        match (chain.len(), stray.is_empty()) {
            (1, true) => {
                let text = format!("{missing}; clients that do not know it refuse the certificate");
                self.note(alias, &text, notes);
            }
            (1, false) => {
                let problem = format!(
                    "has a chain with a gap: {missing}, and {} cannot be joined to it",
                    list(&stray)
                );
                let expected = "the missing certificate in the store as well";
                return Err(self.fault(alias, &problem, expected));
            }
            (_, true) => {}
            (_, false) => {
                let text = format!(
                    "{missing}, and {} cannot be joined to it; clients that do not know it refuse the certificate",
                    list(&stray)
                );
                self.note(alias, &text, notes);
            }
        }
        Ok(())
    }

    /// Authorities of the store that may have been meant to end a chain and are joined to none. Not among them are
    /// another path to a member of a chain, certificates of servers, and an authority of another organisation than the
    /// issuer that is missing.
    fn stray_authorities(&self, chain: &[CertificateDer<'static>], last: &Facts) -> Vec<String> {
        let facts = |certificate: &CertificateDer<'_>| Facts::of(certificate).ok();
        let subjects: HashSet<Vec<u8>> = self
            .chains()
            .flatten()
            .chain(chain)
            .filter_map(|member| Some(facts(member)?.subject_der))
            .collect();
        let stray = self.opened.store.loose.iter().filter_map(facts);
        let stray = stray.filter(|loose| {
            let is_authority =
                loose.is_ca() || (loose.self_signed && loose.basic_constraints.is_none());
            is_authority
                && !subjects.contains(&loose.subject_der)
                && !are_strangers(&loose.subject_der, &last.issuer_der)
        });
        stray.map(|loose| loose.subject).collect()
    }

    /// What the documented recipes make and clients of today dislike.
    ///
    /// Source: `docs/domain/keystores.md` 5.4.
    fn note_oddities(&self, alias: &str, facts: &Facts, notes: &mut Vec<Note>) {
        if facts.version < 3 {
            let text = "its certificate is X.509 version 1 without extensions, which many clients refuse; \
                        request one with subjectAltName";
            self.note(alias, text, notes);
        } else if facts.dns_names.is_empty() && facts.ip_addresses.is_empty() {
            let text = "its certificate names its host in the common name only and has no subjectAltName, \
                        which clients of today refuse";
            self.note(alias, text, notes);
        }
        if facts.is_ca() && facts.version >= 3 {
            let text =
                "its certificate says CA:TRUE, as only authorities should; some clients refuse it";
            self.note(alias, text, notes);
        }
    }
}

/// Whether two names, in DER, are of organisations that are not the same. Without an organisation nobody knows.
fn are_strangers(one: &[u8], other: &[u8]) -> bool {
    let organization = |name: &[u8]| {
        let (_, name) = X509Name::from_der(name).ok()?;
        let organization = name.iter_organization().next()?;
        Some(organization.as_str().ok()?.to_lowercase())
    };
    match (organization(one), organization(other)) {
        (Some(one), Some(other)) => one != other,
        _ => false,
    }
}
