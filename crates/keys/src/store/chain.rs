//! Which certificates belong together.

use super::same_alias;
use crate::identity::{belongs_to, public_key};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Certificates put in order.
pub(crate) struct Order {
    /// The first certificate and then each one's issuer.
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Those that have no place in it.
    pub(crate) loose: Vec<CertificateDer<'static>>,
}

/// Puts certificates in order by issuer and subject, whatever order they came in.
///
/// Of several issuers of that name the one whose key identifier fits goes first, and then the one that is good
/// longest: an expired intermediate beside its successor is not taken. Clients try other paths by themselves.
///
/// Source: `docs/domain/keystores.md` 5.1 and 5.4.
pub(crate) fn order(first: &CertificateDer<'static>, pool: &[CertificateDer<'static>]) -> Order {
    let mut chain = vec![first.clone()];
    let mut rest: Vec<&CertificateDer<'static>> = Vec::new();
    for certificate in pool {
        if certificate != first && !rest.contains(&certificate) {
            rest.push(certificate);
        }
    }
    while let Some(at) = chain.last().and_then(|last| issuer(last, &rest)) {
        chain.push(rest.remove(at).clone());
    }
    let loose = rest.into_iter().cloned().collect();
    Order { chain, loose }
}

/// Where the issuer of a certificate stands; none for one that issued itself.
fn issuer(
    certificate: &CertificateDer<'_>,
    candidates: &[&CertificateDer<'static>],
) -> Option<usize> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    if certificate.subject().as_raw() == certificate.issuer().as_raw() {
        return None;
    }
    let wanted = authority_key(&certificate);
    let rank = |candidate: &CertificateDer<'_>| {
        let (_, candidate) = X509Certificate::from_der(candidate).ok()?;
        if candidate.subject().as_raw() != certificate.issuer().as_raw() {
            return None;
        }
        let fits = wanted.is_some() && subject_key(&candidate) == wanted;
        Some((fits, candidate.validity().not_after.timestamp()))
    };
    let ranked = candidates
        .iter()
        .enumerate()
        .filter_map(|(at, candidate)| Some((rank(candidate)?, at)));
    ranked.max().map(|(_, at)| at)
}

fn authority_key(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(key) => {
                key.key_identifier.as_ref().map(|id| id.0.to_vec())
            }
            _ => None,
        })
}

fn subject_key(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    certificate
        .extensions()
        .iter()
        .find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_vec()),
            _ => None,
        })
}

/// The certificate for a key, found by its public half.
pub(super) fn own_certificate<'a>(
    key: &PrivateKeyDer<'_>,
    certificates: &'a [CertificateDer<'static>],
) -> Option<&'a CertificateDer<'static>> {
    let public = public_key(key)?;
    certificates
        .iter()
        .find(|certificate| belongs_to(&public, certificate))
}

pub(super) fn is_certificate(bytes: &[u8]) -> bool {
    X509Certificate::from_der(bytes).is_ok()
}

/// Gives every entry a name, and no two the same.
#[derive(Default)]
pub(super) struct Aliases {
    given: Vec<String>,
    unnamed: usize,
}

impl Aliases {
    /// The name it has, with a number behind it if it is taken, or a number as Java gives to what has none.
    pub(super) fn unique(&mut self, name: Option<String>) -> String {
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| {
            self.unnamed += 1;
            self.unnamed.to_string()
        });
        let is_free = |name: &str| !self.given.iter().any(|given| same_alias(given, name));
        let alias = if is_free(&name) {
            name
        } else {
            let numbered = (2..).map(|number| format!("{name}#{number}"));
            // There are more numbers than entries.
            numbered
                .into_iter()
                .find(|name| is_free(name))
                .unwrap_or(name)
        };
        self.given.push(alias.clone());
        alias
    }
}
