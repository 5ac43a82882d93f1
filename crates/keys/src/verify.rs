//! Is a peer's certificate accepted?
//!
//! A small shell around webpki. (a) A certificate that itself lies in the trust store is accepted as it is, after our
//! own checks of dates, purpose and level: so do those of the documented recipes (X.509 version 1, a CA's flag on a
//! server's certificate) work, which webpki refuses. (b) Everything else goes to webpki, with every certificate of the
//! trust store as an anchor; we add what it does not look at: the level of each certificate on the path, and whether the
//! anchor may sign at all. After either, names are compared.
//!
//! Source: `docs/domain/keystores.md` 5.2 and 5.4, `docs/domain/tls-scopes.md` 6, 7 and 10,
//! `docs/decisions/0011-tls-rules.md`.

mod handshake;
mod refusal;
#[cfg(test)]
mod tests;

pub use handshake::{ClientVerifier, ServerVerifier};
pub use refusal::{Refusal, Why};

use crate::facts::{Facts, KeyKind, moment};
use crate::hosts;
use crate::level::{Floor, check_chain};
use config::TlsSettings;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath, anchor_from_trusted_cert};

/// The TLS library verifies no signature of a shorter RSA key, whatever the level.
const RSA_BITS_MIN: usize = 2048;

/// Certificates that may come with a peer's own. webpki reads each again for every step of every path, and those that
/// lead nowhere are not in its budget: the 400 that fit into a handshake keep it busy for seconds. Real chains have one
/// to three.
pub const INTERMEDIATES_MAX: usize = 6;
/// Of these, the ones with the same subject: every order of them is a path. An issuer that was renewed, or signed by two
/// others, has two.
pub const SAME_SUBJECT_MAX: usize = 2;

/// On which end of the connection the peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// It connects to us.
    Client,
    /// We connect to it.
    Server,
}

/// What a scope asks of a peer's certificate.
#[derive(Debug)]
pub struct Trust {
    floor: Floor,
    /// Every certificate of the trust store; one at the same place in each list.
    anchors: Vec<TrustAnchor<'static>>,
    anchor_facts: Vec<Facts>,
    pins: Vec<CertificateDer<'static>>,
    trusted_hosts: Option<Vec<String>>,
    /// Our own certificates, where the peer must carry a name of theirs.
    mirror: Option<Vec<Facts>>,
    host_check: bool,
    /// A signer without Basic Constraints is accepted.
    pkix: bool,
    algorithms: WebPkiSupportedAlgorithms,
    names: refusal::Settings,
}

impl Trust {
    /// The rules of a scope. `trusted` is the content of its trust store, `own` are the certificates that it shows.
    ///
    /// The second value says which certificates of the trust store cannot be used, and why.
    #[must_use]
    pub fn new(
        settings: &TlsSettings,
        trusted: &[CertificateDer<'static>],
        own: &[CertificateDer<'static>],
    ) -> (Self, Vec<String>) {
        let (mut anchors, mut anchor_facts, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
        for certificate in trusted {
            let facts = match Facts::of(certificate) {
                Ok(facts) => facts,
                Err(error) => {
                    unusable.push(format!(
                        "a certificate of the trust store is passed over: {error}"
                    ));
                    continue;
                }
            };
            match anchor_from_trusted_cert(certificate) {
                Ok(anchor) => {
                    anchors.push(anchor.to_owned());
                    anchor_facts.push(facts);
                }
                // It still counts as a pin.
                Err(error) => unusable.push(format!(
                    "{} of the trust store cannot vouch for others: {error:?}",
                    facts.subject
                )),
            }
        }
        let mirror = settings.mirror_trusted_hosts.value.then(|| {
            let own = own.iter().filter_map(|leaf| Facts::of(leaf).ok());
            own.collect()
        });
        let trust = Self {
            floor: Floor {
                level: settings.level.value,
                fips: settings.fips.value,
            },
            anchors,
            anchor_facts,
            pins: trusted.to_vec(),
            trusted_hosts: settings
                .trusted_hosts
                .as_ref()
                .map(|hosts| hosts.value.clone()),
            mirror,
            host_check: settings.host_check.value,
            pkix: settings.pkix.value,
            algorithms: default_provider().signature_verification_algorithms,
            names: refusal::Settings::of(settings),
        };
        (trust, unusable)
    }

    /// Checks a peer's certificate and the chain that came with it. `dialled` is the host that we wanted to reach.
    /// The answer is warnings.
    ///
    /// # Errors
    /// [`Refusal`] with a sentence for people, and the setting that would change it.
    pub fn check(
        &self,
        peer: Peer,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: SystemTime,
        dialled: Option<&str>,
    ) -> Result<Vec<String>, Refusal> {
        let facts = Facts::of(leaf).map_err(|error| self.names.unreadable(&error.to_string()))?;
        self.check_certificate(peer, leaf, &facts, intermediates, now, dialled)
            .and_then(|mut warnings| {
                self.check_names(peer, &facts, dialled, &mut warnings)?;
                Ok(warnings)
            })
            .map_err(|refusal| refusal.about(&facts))
    }

    fn check_certificate(
        &self,
        peer: Peer,
        leaf: &CertificateDer<'_>,
        facts: &Facts,
        intermediates: &[CertificateDer<'_>],
        now: SystemTime,
        dialled: Option<&str>,
    ) -> Result<Vec<String>, Refusal> {
        if intermediates.len() > INTERMEDIATES_MAX {
            let count = intermediates.len();
            return Err(self.names.too_many_issuers(count, INTERMEDIATES_MAX));
        }
        if let KeyKind::Rsa(bits) = facts.key
            && bits < RSA_BITS_MIN
        {
            return Err(self.names.short_rsa(bits));
        }
        if self.pins.iter().any(|pin| pin == leaf) {
            return self.check_pinned(peer, facts, now);
        }
        self.check_path(peer, leaf, facts, intermediates, now, dialled)
    }

    /// A certificate that lies in the trust store itself.
    fn check_pinned(
        &self,
        peer: Peer,
        facts: &Facts,
        now: SystemTime,
    ) -> Result<Vec<String>, Refusal> {
        self.names.dates(facts, now, "it")?;
        if let Some(usage) = facts.extended_key_usage {
            let fits = match peer {
                Peer::Client => usage.client,
                Peer::Server => usage.server,
            };
            if !fits && !usage.any {
                return Err(self.names.purpose(peer));
            }
        }
        let mut warnings = check_chain(self.floor, std::slice::from_ref(facts))
            .map_err(|(_, problem)| self.names.level(&problem))?;
        if facts.version < 3 {
            warnings.push(format!(
                "{}: it is an X.509 version {} certificate; other programs may refuse it",
                facts.subject, facts.version
            ));
        }
        if facts.is_ca() {
            warnings.push(format!(
                "{}: it says that it is a CA's certificate",
                facts.subject
            ));
        }
        Ok(warnings)
    }

    /// Everything else is webpki's.
    fn check_path(
        &self,
        peer: Peer,
        leaf: &CertificateDer<'_>,
        facts: &Facts,
        intermediates: &[CertificateDer<'_>],
        now: SystemTime,
        dialled: Option<&str>,
    ) -> Result<Vec<String>, Refusal> {
        if has_crowd(intermediates) {
            return Err(self.names.crowded(SAME_SUBJECT_MAX));
        }
        let refused = |error| self.names.webpki(&error, peer, facts, intermediates);
        let certificate = EndEntityCert::try_from(leaf).map_err(refused)?;
        let usage = match peer {
            Peer::Client => KeyUsage::client_auth(),
            Peer::Server => KeyUsage::server_auth(),
        };
        let since_1970 = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        // What we found wrong with paths that webpki would take, and with the one that it took nothing.
        let found = RefCell::new(Ok(Vec::new()));
        let check = |path: &VerifiedPath<'_>| {
            let result = self
                .check_found_path(path, facts, now)
                .and_then(|(chain, warnings)| {
                    self.check_limits(peer, facts, &chain, dialled)?;
                    Ok(warnings)
                });
            let usable = result.is_ok();
            *found.borrow_mut() = result;
            if usable {
                Ok(())
            } else {
                Err(webpki::Error::UnknownIssuer)
            }
        };
        let verified = certificate.verify_for_usage(
            self.algorithms.all,
            &self.anchors,
            intermediates,
            UnixTime::since_unix_epoch(since_1970),
            usage,
            None,
            Some(&check),
        );
        match (verified, found.into_inner()) {
            (Ok(_), Ok(warnings)) => Ok(warnings),
            // Our reason is about a whole path, so it says more than webpki's about a part of one.
            (_, Err(refusal)) => Err(refusal),
            (Err(error), Ok(_)) => Err(refused(error)),
        }
    }

    /// What webpki does not look at: the anchor, who may sign, and the level of every certificate. The answer is the
    /// whole path, and warnings.
    fn check_found_path(
        &self,
        path: &VerifiedPath<'_>,
        leaf: &Facts,
        now: SystemTime,
    ) -> Result<(Vec<Facts>, Vec<String>), Refusal> {
        let anchor = self
            .anchors
            .iter()
            .position(|known| std::ptr::eq(known, path.anchor()));
        let Some(anchor) = anchor.and_then(|index| self.anchor_facts.get(index)) else {
            return Err(self.names.unreadable("its path ends nowhere"));
        };
        let mut chain = vec![leaf.clone()];
        for intermediate in path.intermediate_certificates() {
            let facts = Facts::of(&intermediate.der())
                .map_err(|error| self.names.unreadable(&error.to_string()))?;
            if !may_sign(&facts) {
                return Err(self.names.no_signer(&facts));
            }
            chain.push(facts);
        }
        self.names
            .dates(anchor, now, &format!("its issuer {}", anchor.subject))?;
        match anchor.basic_constraints {
            Some(true) if may_sign(anchor) => {}
            None if may_sign(anchor) && self.pkix => {}
            None if may_sign(anchor) => return Err(self.names.signer_without_constraints(anchor)),
            _ => return Err(self.names.no_signer(anchor)),
        }
        self.floor
            .check_key(anchor)
            .map_err(|problem| self.names.level_of_issuer(anchor, &problem))?;
        let warnings =
            check_chain(self.floor, &chain).map_err(|(index, problem)| match chain.get(index) {
                Some(issuer) if index > 0 => self.names.level_of_issuer(issuer, &problem),
                _ => self.names.level(&problem),
            })?;
        chain.push(anchor.clone());
        Ok((chain, warnings))
    }

    /// An issuer that signs for certain names only is held to it by webpki for alternative names. A common name is none
    /// of those, so below such an issuer it does not count.
    fn check_limits(
        &self,
        peer: Peer,
        leaf: &Facts,
        path: &[Facts],
        dialled: Option<&str>,
    ) -> Result<(), Refusal> {
        let limiting = path.iter().skip(1).find(|issuer| issuer.name_constraints);
        let Some(issuer) = limiting.filter(|_| leaf.dns_names.is_empty()) else {
            return Ok(());
        };
        let without_common_name = Facts {
            common_name: None,
            ..leaf.clone()
        };
        let counts = |facts| {
            self.check_names(peer, facts, dialled, &mut Vec::new())
                .is_ok()
        };
        // One that matches nothing in any case is refused for that, with its names.
        if counts(leaf) && !counts(&without_common_name) {
            return Err(self.names.limited_names(issuer));
        }
        Ok(())
    }

    fn check_names(
        &self,
        peer: Peer,
        facts: &Facts,
        dialled: Option<&str>,
        warnings: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        if let Some(own) = &self.mirror
            && !own.iter().any(|own| hosts::mirrors(own, facts))
        {
            return Err(self.names.not_mirrored(peer, facts));
        }
        match (&self.trusted_hosts, peer, dialled) {
            (Some(list), ..) => {
                if !hosts::matches(list, facts) {
                    return Err(self.names.not_listed(peer, facts));
                }
            }
            (None, Peer::Server, Some(host)) if self.host_check => {
                if !hosts::matches(&[host.to_owned()], facts) {
                    return Err(self.names.other_host(facts, host));
                }
            }
            // Nothing was asked for.
            _ => return Ok(()),
        }
        if facts.dns_names.is_empty() && facts.ip_addresses.is_empty() {
            warnings.push(format!(
                "{}: it has no subjectAltName, so its common name was compared; other programs refuse it",
                facts.subject
            ));
        }
        Ok(())
    }
}

/// More than [`SAME_SUBJECT_MAX`] have the same subject.
fn has_crowd(intermediates: &[CertificateDer<'_>]) -> bool {
    // What webpki cannot read is on no path.
    let read: Vec<_> = intermediates
        .iter()
        .filter_map(|der| EndEntityCert::try_from(der).ok())
        .collect();
    let namesakes = |one: &EndEntityCert<'_>| {
        let same = read.iter().filter(|other| other.subject() == one.subject());
        same.count()
    };
    read.iter().any(|one| namesakes(one) > SAME_SUBJECT_MAX)
}

/// Its key usage, if it has one, allows it to sign certificates. webpki does not look at it.
fn may_sign(issuer: &Facts) -> bool {
    issuer
        .key_usage
        .is_none_or(|usage| usage.certificate_signing)
}

/// The sentence for a certificate outside its dates, or nothing.
fn outside_dates(facts: &Facts, now: SystemTime) -> Option<(Why, String)> {
    if now > facts.not_after {
        Some((
            Why::Expired,
            format!("expired on {}", moment(facts.not_after)),
        ))
    } else if now < facts.not_before {
        let from = moment(facts.not_before);
        Some((Why::NotYetValid, format!("is not valid before {from}")))
    } else {
        None
    }
}
