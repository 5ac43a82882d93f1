//! Which certificates belong together.

use super::ber::{BIT_STRING, Reader, SEQUENCE};
use super::{OpenError, TooMany};
use crate::facts::printable;
use crate::identity::{key_of, public_key};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

/// Certificates of a chain at most: clients follow no more than ten.
const CHAIN_MAX: usize = 16;
/// Certificates of one name that are tried as an issuer: each trial verifies a signature, and an authority that renews
/// its certificate every year has a few of them.
const NAMESAKES_MAX: usize = 16;
/// Issuers that are tried for one chain: of paths that branch everywhere, not every one is walked.
const STEPS_MAX: usize = 256;

/// Certificates among which chains are found.
///
/// Everything that is asked of all of them is indexed: a store may hold thousands.
pub(crate) struct Pool<'a> {
    /// Each certificate once, in the order in which they came.
    links: Vec<Link<'a>>,
    by_bytes: HashMap<&'a [u8], usize>,
    by_subject: HashMap<&'a [u8], Vec<usize>>,
    by_key: HashMap<KeyName, Vec<usize>>,
    /// What [`Self::issuers`] has found.
    issuers: RefCell<HashMap<usize, Vec<usize>>>,
}

/// The algorithm of a public key, and the key.
type KeyName = (Vec<u8>, Vec<u8>);

struct Link<'a> {
    certificate: &'a CertificateDer<'static>,
    /// `None` if it cannot be read; then nothing leads to it.
    parsed: Option<X509Certificate<'a>>,
    subject_key: Option<Vec<u8>>,
}

impl<'a> Pool<'a> {
    pub(crate) fn new(certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>) -> Self {
        let mut pool = Self {
            links: Vec::new(),
            by_bytes: HashMap::new(),
            by_subject: HashMap::new(),
            by_key: HashMap::new(),
            issuers: RefCell::default(),
        };
        for certificate in certificates {
            let at = pool.links.len();
            if pool.by_bytes.contains_key(certificate.as_ref()) {
                continue;
            }
            pool.by_bytes.insert(certificate, at);
            let parsed = X509Certificate::from_der(certificate).ok();
            let parsed = parsed.map(|(_, parsed)| parsed);
            if let Some(parsed) = &parsed {
                let subject = parsed.tbs_certificate.subject.as_raw();
                pool.by_subject.entry(subject).or_default().push(at);
                let key = key_name(parsed.public_key());
                pool.by_key.entry(key).or_default().push(at);
            }
            pool.links.push(Link {
                certificate,
                subject_key: parsed.as_ref().and_then(subject_key),
                parsed,
            });
        }
        pool
    }

    /// Where a certificate stands.
    pub(crate) fn position(&self, certificate: &CertificateDer<'_>) -> Option<usize> {
        self.by_bytes.get(certificate.as_ref()).copied()
    }

    /// The certificates for a key, found by its public half.
    pub(crate) fn own(&self, key: &PrivateKeyDer<'_>) -> &[usize] {
        let public = public_key(key);
        let name = public.as_deref().and_then(key_of).map(|key| key_name(&key));
        name.and_then(|name| self.by_key.get(&name))
            .map_or(&[], Vec::as_slice)
    }

    /// The certificate at `first` and then each one's issuer, as far as they are there.
    ///
    /// Of several issuers of that name the one whose key has made the signature goes first, then the one whose key
    /// identifier fits, then the one that stands first. With `now`, a path whose certificates are all good then goes
    /// before these: an expired intermediate beside its successor is not taken.
    ///
    /// Source: `docs/domain/keystores.md` 5.1 and 5.4.
    pub(crate) fn chain(
        &self,
        first: usize,
        now: Option<SystemTime>,
    ) -> Vec<CertificateDer<'static>> {
        let mut path = vec![first];
        let (mut steps, mut steps_of_any) = (STEPS_MAX, STEPS_MAX);
        if !self.walk(&mut path, now, &mut steps) {
            // What was tried is taken back on the way.
            self.walk(&mut path, None, &mut steps_of_any);
        }
        path.into_iter()
            .filter_map(|at| Some(self.links.get(at)?.certificate.clone()))
            .collect()
    }

    /// Goes on from the end of a path; `false` if each way on comes to a certificate that is not good `now`.
    fn walk(&self, path: &mut Vec<usize>, now: Option<SystemTime>, steps: &mut usize) -> bool {
        let Some(&last) = path.last() else {
            return true;
        };
        let issuers: Vec<usize> = self
            .issuers(last)
            .into_iter()
            .filter(|at| !path.contains(at))
            .collect();
        if issuers.is_empty() || path.len() == CHAIN_MAX {
            return true;
        }
        for at in issuers {
            if *steps == 0 {
                return false;
            }
            *steps -= 1;
            if now.is_some_and(|now| !self.is_good(at, now)) {
                continue;
            }
            path.push(at);
            if self.walk(path, now, steps) {
                return true;
            }
            path.pop();
        }
        false
    }

    /// Whether a certificate keeps nobody from accepting a chain now. Nobody looks at the dates of a root.
    fn is_good(&self, at: usize, now: SystemTime) -> bool {
        let link = self.links.get(at);
        let Some(certificate) = link.and_then(|link| link.parsed.as_ref()) else {
            return false;
        };
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let validity = certificate.validity();
        let is_root = certificate.subject().as_raw() == certificate.issuer().as_raw();
        is_root || (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
    }

    /// The issuers of a certificate, the likeliest first and none that is less likely than that; none for one that
    /// issued itself.
    fn issuers(&self, of: usize) -> Vec<usize> {
        if let Some(known) = self.issuers.borrow().get(&of) {
            return known.clone();
        }
        let found = self.find_issuers(of).unwrap_or_default();
        self.issuers.borrow_mut().insert(of, found.clone());
        found
    }

    fn find_issuers(&self, of: usize) -> Option<Vec<usize>> {
        let link = self.links.get(of)?;
        let parsed = link.parsed.as_ref()?;
        let issuer = parsed.issuer().as_raw();
        if parsed.subject().as_raw() == issuer {
            return None;
        }
        let wanted = authority_key(parsed);
        let mut namesakes: Vec<(bool, usize)> = self
            .by_subject
            .get(issuer)?
            .iter()
            .filter_map(|&at| {
                let subject_key = &self.links.get(at)?.subject_key;
                Some((wanted.is_some() && *subject_key == wanted, at))
            })
            .collect();
        // Sorting keeps the order of those that are alike.
        namesakes.sort_by_key(|(fits, _)| Reverse(*fits));
        namesakes.truncate(NAMESAKES_MAX);
        if let [(_, only)] = namesakes[..] {
            return Some(vec![only]);
        }
        let rank = |(fits, at): (bool, usize)| {
            let issuer = self.links.get(at)?.parsed.as_ref()?;
            let signed = is_signed_by(link.certificate, issuer);
            // What a signature proves, no identifier says better.
            Some(((signed, fits && !signed), at))
        };
        let ranked: Vec<_> = namesakes.into_iter().filter_map(rank).collect();
        let best = ranked.iter().map(|(rank, _)| *rank).max()?;
        let likeliest = ranked.into_iter().filter(|(rank, _)| *rank == best);
        let mut likeliest: Vec<usize> = likeliest.map(|(_, at)| at).collect();
        likeliest.sort_unstable();
        Some(likeliest)
    }
}

/// The places of a peer's own certificate, the first that it sent, and of its issuers among the others, each the
/// issuer of the one before by its name and by the signature that its key has made. The walk ends at a root and at the
/// first gap; what is not on it has nothing to do with the peer, whatever it is called. Dates are not looked at.
///
/// Empty if nothing was sent.
#[must_use]
pub fn proved_path(sent: &[CertificateDer<'_>]) -> Vec<usize> {
    let parsed: Vec<Option<X509Certificate<'_>>> = sent
        .iter()
        .map(|one| Some(X509Certificate::from_der(one).ok()?.1))
        .collect();
    let next = |path: &[usize]| {
        let last = *path.last()?;
        let (bytes, certificate) = (sent.get(last)?, parsed.get(last)?.as_ref()?);
        let name = certificate.issuer().as_raw();
        if certificate.subject().as_raw() == name {
            return None;
        }
        let namesakes = parsed.iter().enumerate().filter_map(|(at, one)| {
            let one = one.as_ref()?;
            (one.subject().as_raw() == name && !path.contains(&at)).then_some((at, one))
        });
        let mut tried = namesakes.take(NAMESAKES_MAX);
        tried
            .find(|(_, one)| is_signed_by(bytes, one))
            .map(|(at, _)| at)
    };
    let mut path: Vec<usize> = (0..sent.len()).take(1).collect();
    while path.len() < CHAIN_MAX
        && let Some(at) = next(&path)
    {
        path.push(at);
    }
    path
}

fn key_name(key: &SubjectPublicKeyInfo<'_>) -> KeyName {
    (
        key.algorithm.algorithm.as_bytes().to_vec(),
        key.subject_public_key.data.to_vec(),
    )
}

/// Whether the key of `issuer` has made the signature of `certificate`; `false` too if its algorithm is one that the
/// provider does not verify.
fn is_signed_by(certificate: &[u8], issuer: &X509Certificate<'_>) -> bool {
    let verify = || -> Result<bool, OpenError> {
        let mut fields = Reader::new(certificate).expect(SEQUENCE)?.reader();
        let signed = fields.expect(SEQUENCE)?.whole;
        let algorithm = fields.expect(SEQUENCE)?.content;
        let signature = fields.expect(BIT_STRING)?.content;
        let mut key = Reader::new(issuer.public_key().raw)
            .expect(SEQUENCE)?
            .reader();
        let key_algorithm = key.expect(SEQUENCE)?.content;
        let key = key.expect(BIT_STRING)?.content;
        // The first byte of a bit string counts the bits that are left over.
        let ([0, signature @ ..], [0, key @ ..]) = (signature, key) else {
            return Ok(false);
        };
        let verifiers = default_provider().signature_verification_algorithms.all;
        Ok(verifiers.iter().any(|verifier| {
            verifier.signature_alg_id().as_ref() == algorithm
                && verifier.public_key_alg_id().as_ref() == key_algorithm
                && verifier.verify_signature(key, signed, signature).is_ok()
        }))
    };
    verify().unwrap_or(false)
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

pub(super) fn is_certificate(bytes: &[u8]) -> bool {
    X509Certificate::from_der(bytes).is_ok()
}

/// Those of `certificates` that are in none of the chains.
pub(super) fn outside<'a>(
    certificates: &[CertificateDer<'static>],
    chains: impl IntoIterator<Item = &'a Vec<CertificateDer<'static>>>,
) -> Vec<CertificateDer<'static>> {
    let inside: HashSet<&[u8]> = chains.into_iter().flatten().map(AsRef::as_ref).collect();
    let outside = certificates
        .iter()
        .filter(|certificate| !inside.contains(certificate.as_ref()));
    outside.cloned().collect()
}

/// Counts what a store holds.
#[derive(Default)]
pub(super) struct Count {
    entries: usize,
    keys: usize,
}

impl Count {
    /// One more entry, of any kind.
    pub(super) fn entry(&mut self) -> Result<(), OpenError> {
        self.entries += 1;
        if self.entries > super::ENTRIES_MAX {
            return Err(OpenError::TooMany(TooMany::Entries));
        }
        Ok(())
    }

    /// That the entry is a key.
    pub(super) fn key(&mut self) -> Result<(), OpenError> {
        self.keys += 1;
        if self.keys > super::KEYS_MAX {
            return Err(OpenError::TooMany(TooMany::Keys));
        }
        Ok(())
    }
}

/// Gives every entry a name that can be printed, and no two the same.
#[derive(Default)]
pub(super) struct Aliases {
    /// In lower case, with the number that the next one of this name is tried with.
    given: HashMap<String, usize>,
    unnamed: usize,
}

impl Aliases {
    /// The name it has, with a number behind it if it is taken, or a number as Java gives to what has none.
    pub(super) fn unique(&mut self, name: Option<String>) -> String {
        let name = name.filter(|name| !name.is_empty()).unwrap_or_else(|| {
            self.unnamed += 1;
            self.unnamed.to_string()
        });
        let name = printable(&name);
        let mut next = match self.given.get(&name.to_lowercase()) {
            None => {
                self.given.insert(name.to_lowercase(), 2);
                return name;
            }
            Some(&next) => next,
        };
        let alias = loop {
            let numbered = format!("{name}#{next}");
            next += 1;
            if !self.given.contains_key(&numbered.to_lowercase()) {
                break numbered;
            }
        };
        self.given.insert(name.to_lowercase(), next);
        self.given.insert(alias.to_lowercase(), 2);
        alias
    }
}

#[cfg(test)]
mod tests;
