//! Why a peer's certificate is refused, in a sentence, with the setting that would change it.

use super::{Peer, outside_dates};
use crate::facts::{Facts, cut};
use config::TlsSettings;
use rustls::pki_types::CertificateDer;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Names of a certificate that a sentence lists.
const NAMES_SHOWN_MAX: usize = 5;

/// A refused certificate.
///
/// `Display` leaves out whose certificate it was, and a client's names: they may be a person's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the peer's certificate is refused: {problem}; {mend}")]
pub struct Refusal {
    /// The kind, for metrics.
    pub why: Why,
    /// Whose certificate it was, if it could be read.
    pub subject: Option<String>,
    /// The names that were compared in vain, if that was the reason.
    pub names: Option<String>,
    /// What is wrong, with the certificate as "it".
    pub problem: String,
    /// What to do about it, with the setting's name.
    pub mend: String,
}

/// The kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// It cannot be read, or is of a form that is never accepted.
    Unreadable,
    /// Nobody in the trust store vouches for it.
    Untrusted,
    /// It, or one of its issuers, has expired.
    Expired,
    /// It, or one of its issuers, is not valid yet.
    NotYetValid,
    /// Key or signature fall short of the level.
    TooWeak,
    /// It has none of the names that are asked for.
    WrongName,
    /// It may not be used for this.
    WrongPurpose,
    /// One of its issuers may not sign certificates.
    WrongSigner,
    /// More certificates came with it than are looked at.
    TooManyIssuers,
}

impl Why {
    /// Every kind, so that metrics can start at zero.
    pub const ALL: [Self; 9] = [
        Self::Unreadable,
        Self::Untrusted,
        Self::Expired,
        Self::NotYetValid,
        Self::TooWeak,
        Self::WrongName,
        Self::WrongPurpose,
        Self::WrongSigner,
        Self::TooManyIssuers,
    ];

    /// The kind as it stands in metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unreadable => "certificate_unreadable",
            Self::Untrusted => "certificate_untrusted",
            Self::Expired => "certificate_expired",
            Self::NotYetValid => "certificate_not_yet_valid",
            Self::TooWeak => "certificate_too_weak",
            Self::WrongName => "certificate_wrong_name",
            Self::WrongPurpose => "certificate_wrong_purpose",
            Self::WrongSigner => "certificate_wrong_signer",
            Self::TooManyIssuers => "certificate_too_many_issuers",
        }
    }
}

impl Refusal {
    pub(super) fn about(self, facts: &Facts) -> Self {
        Self {
            subject: Some(facts.subject.clone()),
            ..self
        }
    }
}

/// The names of the settings that decide, each as it was found, or as the scope would have it.
#[derive(Debug)]
pub(super) struct Settings {
    trust_store: String,
    level: String,
    trusted_hosts: String,
    mirror: String,
    host_check: String,
    pkix: String,
}

impl Settings {
    pub(super) fn of(settings: &TlsSettings) -> Self {
        let own = |suffix: &str| {
            settings
                .scope
                .names(suffix)
                .into_iter()
                .next()
                .unwrap_or_default()
        };
        let trust_store = settings
            .trust_store
            .as_ref()
            .map(|store| store.file.name.clone());
        let trusted_hosts = settings
            .trusted_hosts
            .as_ref()
            .map(|list| list.name.clone());
        let level = match settings.fips.value {
            true => format!("{} and {}", settings.level.name, settings.fips.name),
            false => settings.level.name.clone(),
        };
        Self {
            trust_store: trust_store.unwrap_or_else(|| own("TLS_TRUST_STORE_FILE")),
            level,
            trusted_hosts: trusted_hosts.unwrap_or_else(|| own("TLS_TRUSTED_HOSTS")),
            mirror: settings.mirror_trusted_hosts.name.clone(),
            host_check: settings.host_check.name.clone(),
            pkix: settings.pkix.name.clone(),
        }
    }

    pub(super) fn too_many_issuers(&self, count: usize, max: usize) -> Refusal {
        refusal(
            Why::TooManyIssuers,
            format!("{count} certificates come with it, and no more than {max} are looked at"),
            "let the peer send its own certificate and those of its issuers only".to_owned(),
        )
    }

    pub(super) fn crowded(&self, max: usize) -> Refusal {
        refusal(
            Why::TooManyIssuers,
            format!(
                "more than {max} of the certificates that come with it are for the same issuer"
            ),
            "let the peer send those of its own issuers only".to_owned(),
        )
    }

    pub(super) fn unreadable(&self, problem: &str) -> Refusal {
        refusal(
            Why::Unreadable,
            problem.to_owned(),
            "have it issued anew".to_owned(),
        )
    }

    pub(super) fn short_rsa(&self, bits: usize) -> Refusal {
        refusal(
            Why::TooWeak,
            format!(
                "its RSA key has {bits} bits, and the TLS library takes none below 2048 at any level"
            ),
            "have it issued anew with a longer key".to_owned(),
        )
    }

    /// Checks the dates of the certificate that the sentence calls `who`.
    pub(super) fn dates(&self, facts: &Facts, now: SystemTime, who: &str) -> Result<(), Refusal> {
        match outside_dates(facts, now) {
            Some((why, problem)) => Err(refusal(why, format!("{who} {problem}"), renew(why))),
            None => Ok(()),
        }
    }

    pub(super) fn purpose(&self, peer: Peer) -> Refusal {
        let purpose = match peer {
            Peer::Client => "clientAuth",
            Peer::Server => "serverAuth",
        };
        refusal(
            Why::WrongPurpose,
            format!("its extended key usage does not include {purpose}"),
            "have it issued anew with it, or without that extension".to_owned(),
        )
    }

    pub(super) fn level(&self, problem: &str) -> Refusal {
        let mend = format!("have it issued anew, or change {}", self.level);
        refusal(Why::TooWeak, problem.to_owned(), mend)
    }

    pub(super) fn level_of_issuer(&self, issuer: &Facts, problem: &str) -> Refusal {
        refusal(
            Why::TooWeak,
            format!("of its issuer {}: {problem}", issuer.subject),
            format!("have it issued by a stronger one, or change {}", self.level),
        )
    }

    pub(super) fn signer_without_constraints(&self, anchor: &Facts) -> Refusal {
        refusal(
            Why::WrongSigner,
            format!(
                "its issuer {} has no Basic Constraints, so nothing says that it may sign certificates",
                anchor.subject
            ),
            format!("set {}=PKIX to accept such issuers", self.pkix),
        )
    }

    pub(super) fn no_signer(&self, issuer: &Facts) -> Refusal {
        refusal(
            Why::WrongSigner,
            format!("its issuer {} may not sign certificates", issuer.subject),
            self.trust_it(),
        )
    }

    pub(super) fn limited_names(&self, issuer: &Facts) -> Refusal {
        refusal(
            Why::WrongName,
            format!(
                "its issuer {} signs for certain names only (Name Constraints), so a common name does not count, and it \
                 has no subjectAltName with the name of a host",
                issuer.subject
            ),
            format!(
                "have it issued anew with its names, or put it into {} to trust it as it is",
                self.trust_store
            ),
        )
    }

    pub(super) fn not_listed(&self, peer: Peer, facts: &Facts) -> Refusal {
        let list = &self.trusted_hosts;
        let problem = match peer {
            Peer::Client => format!("none of its names matches an entry of {list}"),
            Peer::Server => format!("its names ({}) match no entry of {list}", names(facts)),
        };
        wrong_name(facts, problem, format!("add one of them to {list}"))
    }

    pub(super) fn not_mirrored(&self, peer: Peer, facts: &Facts) -> Refusal {
        let mut problem = "it has none of our own certificate's names".to_owned();
        if peer == Peer::Server {
            problem += &format!(", but {}", names(facts));
        }
        wrong_name(facts, problem, format!("change {}", self.mirror))
    }

    pub(super) fn other_host(&self, facts: &Facts, host: &str) -> Refusal {
        wrong_name(
            facts,
            format!("it is not for {host}, but for {}", names(facts)),
            format!(
                "connect to one of its names, or write the wanted one into {}; {}=0 turns this check off",
                self.trusted_hosts, self.host_check
            ),
        )
    }

    pub(super) fn webpki(
        &self,
        error: &webpki::Error,
        peer: Peer,
        leaf: &Facts,
        intermediates: &[CertificateDer<'_>],
    ) -> Refusal {
        use webpki::Error as E;
        match error {
            E::UnknownIssuer => {
                let (issuer, mend) = match missing_issuer(leaf, intermediates) {
                    Some(issuer) => (issuer, "put that issuer, or the certificate itself, into"),
                    None => ("itself".to_owned(), "put the certificate itself into"),
                };
                refusal(
                    Why::Untrusted,
                    format!("nothing in the trust store vouches for it; its issuer is {issuer}"),
                    format!("{mend} {}", self.trust_store),
                )
            }
            E::CertExpired { time, .. } | E::CertNotValidYet { time, .. } => {
                let now = UNIX_EPOCH + Duration::from_secs(time.as_secs());
                let (why, problem) = match (outside_dates(leaf, now), error) {
                    (Some((why, problem)), _) => (why, format!("it {problem}")),
                    (None, E::CertExpired { .. }) => {
                        (Why::Expired, "one of its issuers has expired".to_owned())
                    }
                    (None, _) => (
                        Why::NotYetValid,
                        "one of its issuers is not valid yet".to_owned(),
                    ),
                };
                refusal(why, problem, renew(why))
            }
            E::CaUsedAsEndEntity => refusal(
                Why::WrongPurpose,
                "it is a CA's certificate (CA:TRUE), and not in the trust store itself".to_owned(),
                self.trust_it(),
            ),
            E::UnsupportedCertVersion => refusal(
                Why::Unreadable,
                "it, or one of its issuers, is not an X.509 version 3 certificate".to_owned(),
                self.trust_it(),
            ),
            E::EndEntityUsedAsCa => refusal(
                Why::WrongSigner,
                "one of its issuers is no CA by its Basic Constraints".to_owned(),
                format!(
                    "put that issuer into {} and set {}=PKIX",
                    self.trust_store, self.pkix
                ),
            ),
            E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension => self.purpose(peer),
            E::InvalidSignatureForPublicKey => refusal(
                Why::Untrusted,
                "its signature is not by the issuer that it names".to_owned(),
                format!(
                    "put the issuer's present certificate, or the certificate itself, into {}",
                    self.trust_store
                ),
            ),
            E::UnsupportedSignatureAlgorithmContext(_)
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => refusal(
                Why::TooWeak,
                format!(
                    "it, or one of its issuers, is signed in a way that the TLS library does not take ({})",
                    leaf.signature.name
                ),
                self.trust_it(),
            ),
            E::NameConstraintViolation => refusal(
                Why::WrongSigner,
                "one of its issuers may not sign for its names".to_owned(),
                self.trust_it(),
            ),
            E::PathLenConstraintViolated | E::MaximumPathDepthExceeded => refusal(
                Why::WrongSigner,
                "its chain of issuers is longer than they allow".to_owned(),
                format!("put one of its nearer issuers into {}", self.trust_store),
            ),
            other => refusal(
                Why::Unreadable,
                format!("it cannot be used: {other}"),
                self.trust_it(),
            ),
        }
    }

    fn trust_it(&self) -> String {
        format!(
            "put the certificate itself into {} to trust it as it is",
            self.trust_store
        )
    }
}

fn refusal(why: Why, problem: String, mend: String) -> Refusal {
    Refusal {
        why,
        subject: None,
        names: None,
        problem,
        mend,
    }
}

fn wrong_name(facts: &Facts, problem: String, mend: String) -> Refusal {
    Refusal {
        names: Some(names(facts)),
        ..refusal(Why::WrongName, problem, mend)
    }
}

fn renew(why: Why) -> String {
    match why {
        Why::Expired => "renew it",
        _ => "check the clocks of both machines",
    }
    .to_owned()
}

/// The names that a certificate was compared by, the first ones only.
fn names(facts: &Facts) -> String {
    let addresses = facts.ip_addresses.iter().map(ToString::to_string);
    let hosts = facts.host_names();
    let shown: Vec<String> = hosts
        .iter()
        .map(|name| cut(name))
        .chain(addresses)
        .take(NAMES_SHOWN_MAX)
        .collect();
    let more = hosts.len() + facts.ip_addresses.len() - shown.len();
    match (shown.is_empty(), more) {
        (true, _) => "no name".to_owned(),
        (false, 0) => shown.join(", "),
        (false, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Who signed the last certificate of the chain that the peer sent; `None` for one that signs for itself, whose name may
/// be a person's.
fn missing_issuer(leaf: &Facts, intermediates: &[CertificateDer<'_>]) -> Option<String> {
    let others: Vec<Facts> = intermediates
        .iter()
        .filter_map(|der| Facts::of(der).ok())
        .collect();
    let mut last = leaf;
    // Each certificate at most once, whatever circles they are in.
    for _ in &others {
        match others
            .iter()
            .find(|other| other.subject_der == last.issuer_der)
        {
            Some(issuer) if !last.self_signed => last = issuer,
            _ => break,
        }
    }
    let alone = last.self_signed && std::ptr::eq(last, leaf);
    (!alone).then(|| last.issuer.clone())
}
