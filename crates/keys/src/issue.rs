//! New keys, the certificates that they sign themselves, and requests for those that an authority signs.
//!
//! Source: `docs/domain/keystores.md` 2, `docs/domain/web-certificates.md` 3.

use crate::facts::Facts;
use aws_lc_rs::rand::{SystemRandom, fill};
use aws_lc_rs::signature::Ed25519KeyPair;
use rcgen::string::{Ia5String, PrintableString};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, DnValue, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize,
    SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};
use x509_parser::prelude::{FromDer, X509Certificate};

/// Clocks of clients may be behind by this much.
const BACKDATED: Duration = Duration::from_secs(24 * 60 * 60);
/// What X.509 gives a common name (RFC 5280, ub-common-name).
const COMMON_NAME_CHARS_MAX: usize = 64;
/// Unpredictable, and with room to the 20 bytes that RFC 5280 allows.
const SERIAL_BYTES: usize = 16;
/// The last second of the year 9999, which a certificate can still write.
const END_OF_TIME: Duration = Duration::from_secs(253_402_300_799);

/// A kind of key that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewKey {
    /// ECDSA on P-256: what costs a server least and every client of today knows.
    EcP256,
    /// ECDSA on P-384: what security level 4 asks for.
    EcP384,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
    /// Ed25519, which many clients do not know.
    Ed25519,
}

/// Why there is no key, certificate or request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// Something that cannot stand in a certificate as a name.
    #[error("{0:?} is no host name and no address")]
    Host(String),
    /// A subject that cannot be read, or that a certificate cannot hold.
    #[error("the subject {0}")]
    Subject(String),
    /// Neither host nor subject.
    #[error("a certificate has to name somebody: give a host name or a subject")]
    Nobody,
    /// A key of a kind that signs nothing here.
    #[error("the key cannot be used: {0}")]
    Key(String),
    /// The crypto library refused.
    #[error("no certificate could be made: {0}")]
    Failed(String),
}

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    subject: DistinguishedName,
    names: Vec<SanType>,
}

/// Subject attributes by the names that people and tools write, and their object identifiers.
const ATTRIBUTES: &[(&str, &[u64])] = &[
    ("CN", &[2, 5, 4, 3]),
    ("OU", &[2, 5, 4, 11]),
    ("O", &[2, 5, 4, 10]),
    ("L", &[2, 5, 4, 7]),
    ("ST", &[2, 5, 4, 8]),
    ("S", &[2, 5, 4, 8]),
    ("C", &[2, 5, 4, 6]),
    ("emailAddress", EMAIL),
    ("E", EMAIL),
    ("DC", DOMAIN_COMPONENT),
];
const EMAIL: &[u64] = &[1, 2, 840, 113_549, 1, 9, 1];
const DOMAIN_COMPONENT: &[u64] = &[0, 9, 2342, 19_200_300, 100, 1, 25];

impl Holder {
    /// A holder of these hosts (names, also international ones, or addresses) under this subject, as in
    /// `CN=chat.example.com,O=Example Ltd,C=GB`. Without a common name in it, the first host is that.
    ///
    /// # Errors
    /// What cannot stand in a certificate, and [`IssueError::Nobody`] if there is nothing at all.
    pub fn new(hosts: &[String], subject: Option<&str>) -> Result<Self, IssueError> {
        let hosts = hosts.iter().map(|host| host_name(host));
        let hosts: Vec<Host> = hosts.collect::<Result<_, _>>()?;
        let mut attributes = subject.map(attributes).transpose()?.unwrap_or_default();
        let names_itself = attributes
            .iter()
            .any(|(kind, _)| *kind == DnType::CommonName);
        if let (Some(first), false) = (hosts.first(), names_itself) {
            let name = first.text();
            // A long name stands among the alternative names, where it is looked for anyway.
            if name.chars().count() <= COMMON_NAME_CHARS_MAX {
                attributes.insert(0, (DnType::CommonName, name));
            }
        }
        if attributes.is_empty() && hosts.is_empty() {
            return Err(IssueError::Nobody);
        }
        let names = hosts.into_iter().map(Host::name);
        Ok(Self {
            names: names.collect::<Result<_, _>>()?,
            subject: subject_of(attributes)?,
        })
    }

    /// The holder of a certificate that is there, as at a renewal.
    ///
    /// # Errors
    /// When it cannot be read, or its subject has parts that cannot be written again.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, IssueError> {
        let unreadable = |why: String| IssueError::Failed(why);
        let facts = Facts::of(certificate).map_err(|error| unreadable(error.to_string()))?;
        let (_, parsed) = X509Certificate::from_der(certificate)
            .map_err(|error| unreadable(error.to_string()))?;
        let mut attributes = Vec::new();
        for attribute in parsed.subject().iter_attributes() {
            let kind = attribute
                .attr_type()
                .iter()
                .map(Iterator::collect::<Vec<u64>>);
            let (Some(kind), Ok(value)) = (kind, attribute.as_str()) else {
                let problem = "of the present certificate cannot be taken over; write one";
                return Err(IssueError::Subject(problem.to_owned()));
            };
            attributes.push((DnType::from_oid(&kind), value.to_owned()));
        }
        let mut names = Vec::new();
        // The common name was its only name: modern clients want it where they look.
        for name in facts.host_names() {
            names.extend(host_name(name).ok().map(Host::name).transpose()?);
        }
        names.extend(facts.ip_addresses.into_iter().map(SanType::IpAddress));
        Ok(Self {
            subject: subject_of(attributes)?,
            names,
        })
    }

    /// The same holder with the subject of this one, unless it is `None`, and these hosts, unless there are none.
    ///
    /// # Errors
    /// As [`Holder::new`].
    pub fn with(self, hosts: &[String], subject: Option<&str>) -> Result<Self, IssueError> {
        let new = match (hosts.is_empty(), subject) {
            (true, None) => return Ok(self),
            _ => Self::new(hosts, subject)?,
        };
        Ok(Self {
            subject: if subject.is_some() {
                new.subject
            } else {
                self.subject
            },
            names: if hosts.is_empty() {
                self.names
            } else {
                new.names
            },
        })
    }

    fn parameters(&self) -> CertificateParams {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = self.subject.clone();
        parameters.subject_alt_names = self.names.clone();
        parameters
    }
}

impl NewKey {
    /// Makes a key, PKCS #8. RSA takes a second or so.
    ///
    /// # Errors
    /// When the crypto library fails.
    pub fn generate(self) -> Result<PrivateKeyDer<'static>, IssueError> {
        let failed = |error: rcgen::Error| IssueError::Failed(error.to_string());
        let rsa = |size| KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size);
        let pair = match self {
            Self::EcP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::EcP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Self::Rsa2048 => rsa(RsaKeySize::_2048),
            Self::Rsa3072 => rsa(RsaKeySize::_3072),
            Self::Rsa4096 => rsa(RsaKeySize::_4096),
            // In version 1: neither OpenSSL nor Java reads the one that holds the public half as well.
            Self::Ed25519 => {
                let made = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new());
                let made = made.map_err(|_| IssueError::Failed("no key".to_owned()))?;
                return Ok(PrivatePkcs8KeyDer::from(made.as_ref().to_vec()).into());
            }
        };
        let pair = pair.map_err(failed)?;
        Ok(PrivatePkcs8KeyDer::from(pair.serialize_der()).into())
    }
}

/// A certificate that its own key signs: a stand-in until the authority's comes, or one that people compare by its
/// fingerprint. It may stand for servers and for clients.
///
/// # Errors
/// When the key or the times cannot be used.
pub fn self_signed(
    key: &PrivateKeyDer<'_>,
    holder: &Holder,
    now: SystemTime,
    days: u32,
) -> Result<CertificateDer<'static>, IssueError> {
    let pair = pair(key)?;
    let mut parameters = holder.parameters();
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if *pair.algorithm() == PKCS_RSA_SHA256 {
        // What the identity provider encrypts is decrypted with it.
        parameters.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    parameters.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let lasts = Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    let until = now.checked_add(lasts);
    let until = until
        .filter(|until| *until <= SystemTime::UNIX_EPOCH + END_OF_TIME)
        .ok_or_else(|| IssueError::Failed("it would expire after the year 9999".to_owned()))?;
    parameters.not_before = (now - BACKDATED).into();
    parameters.not_after = until.into();
    parameters.serial_number = Some(serial()?);
    let certificate = parameters.self_signed(&pair);
    let certificate = certificate.map_err(|error| IssueError::Failed(error.to_string()))?;
    Ok(certificate.der().clone())
}

/// The request for an authority, PEM.
///
/// # Errors
/// When the key cannot be used.
pub fn request(key: &PrivateKeyDer<'_>, holder: &Holder) -> Result<String, IssueError> {
    let failed = |error: rcgen::Error| IssueError::Failed(error.to_string());
    let request = holder.parameters().serialize_request(&pair(key)?);
    request.and_then(|request| request.pem()).map_err(failed)
}

fn pair(key: &PrivateKeyDer<'_>) -> Result<KeyPair, IssueError> {
    KeyPair::try_from(key).map_err(|error| IssueError::Key(error.to_string()))
}

fn serial() -> Result<SerialNumber, IssueError> {
    let mut serial = [0; SERIAL_BYTES];
    fill(&mut serial).map_err(|_| IssueError::Failed("no random numbers".to_owned()))?;
    // Positive, and of the same length every time.
    serial[0] = serial[0] & 0x7f | 0x40;
    Ok(SerialNumber::from(serial.to_vec()))
}

/// A name clients use.
enum Host {
    Address(IpAddr),
    /// In A-label form.
    Name(String),
}

impl Host {
    fn text(&self) -> String {
        match self {
            Self::Address(address) => address.to_string(),
            Self::Name(name) => name.clone(),
        }
    }

    fn name(self) -> Result<SanType, IssueError> {
        match self {
            Self::Address(address) => Ok(SanType::IpAddress(address)),
            Self::Name(name) => match Ia5String::try_from(name.as_str()) {
                Ok(ascii) => Ok(SanType::DnsName(ascii)),
                Err(_) => Err(IssueError::Host(name)),
            },
        }
    }
}

fn host_name(text: &str) -> Result<Host, IssueError> {
    if let Ok(address) = text.parse() {
        return Ok(Host::Address(address));
    }
    let refused = || IssueError::Host(text.to_owned());
    // The star of a wildcard stands for the whole first label.
    let (star, plain) = match text.strip_prefix("*.") {
        Some(rest) => ("*.", rest),
        None => ("", text),
    };
    let name = idna::domain_to_ascii(plain.trim_end_matches('.')).map_err(|_| refused())?;
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(letter);
    if name.len() > 253 || !name.split('.').all(label) {
        return Err(refused());
    }
    Ok(Host::Name(format!("{star}{name}")))
}

fn attributes(text: &str) -> Result<Vec<(DnType, String)>, IssueError> {
    let refused = |problem: String| IssueError::Subject(problem);
    let mut attributes: Vec<(DnType, String)> = Vec::new();
    for part in parts(text) {
        let Some((kind, value)) = part.split_once('=') else {
            let problem = format!("has a part {part:?} that is not of the form O=Example Ltd");
            return Err(refused(problem));
        };
        let (kind, value) = (kind.trim(), value.trim());
        let known = ATTRIBUTES
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(kind));
        let Some((_, oid)) = known else {
            let names: Vec<_> = ATTRIBUTES.iter().map(|(name, _)| *name).collect();
            let problem = format!("has a part {kind:?}, which is none of {}", names.join(", "));
            return Err(refused(problem));
        };
        if value.is_empty() {
            return Err(refused(format!("says nothing for {kind}")));
        }
        attributes.push((DnType::from_oid(oid), value.to_owned()));
    }
    Ok(attributes)
}

/// The parts between commas; a backslash takes the next character as it is.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let next = match character {
            ',' => {
                parts.push(String::new());
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        };
        if let Some(part) = parts.last_mut() {
            part.push(next);
        }
    }
    parts
}

fn subject_of(attributes: Vec<(DnType, String)>) -> Result<DistinguishedName, IssueError> {
    let mut subject = DistinguishedName::new();
    for (kind, value) in attributes {
        if subject.get(&kind).is_some() {
            let problem =
                format!("has several parts of one kind, which is not supported: {value:?}");
            return Err(IssueError::Subject(problem));
        }
        let not_written = || IssueError::Subject(format!("cannot hold {value:?}"));
        let is = |oid: &[u64]| kind == DnType::from_oid(oid);
        let chars = value.chars().count();
        let value = match &kind {
            DnType::CountryName if chars != 2 => {
                let problem =
                    format!("names a country {value:?}, which has two letters, as in C=GB");
                return Err(IssueError::Subject(problem));
            }
            DnType::CountryName => {
                let upper = value.to_ascii_uppercase();
                let country = PrintableString::try_from(upper).map_err(|_| not_written())?;
                DnValue::PrintableString(country)
            }
            DnType::CommonName if chars > COMMON_NAME_CHARS_MAX => {
                let problem =
                    format!("has a common name of more than {COMMON_NAME_CHARS_MAX} characters");
                return Err(IssueError::Subject(problem));
            }
            _ if is(EMAIL) || is(DOMAIN_COMPONENT) => {
                let ascii = Ia5String::try_from(value.as_str()).map_err(|_| not_written())?;
                DnValue::Ia5String(ascii)
            }
            _ => DnValue::Utf8String(value),
        };
        subject.push(kind, value);
    }
    Ok(subject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::KeyKind;

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn facts_of(holder: &Holder) -> Facts {
        let key = NewKey::EcP256.generate().unwrap();
        Facts::of(&self_signed(&key, holder, SystemTime::now(), 30).unwrap()).unwrap()
    }

    #[test]
    fn every_kind_of_key_signs_for_itself() {
        let holder = Holder::new(&hosts(&["chat.example.com", "10.0.0.5"]), None).unwrap();
        for (kind, expected) in [
            (NewKey::EcP256, KeyKind::Ec(crate::facts::Curve::P256)),
            (NewKey::EcP384, KeyKind::Ec(crate::facts::Curve::P384)),
            (NewKey::Rsa2048, KeyKind::Rsa(2048)),
            (NewKey::Ed25519, KeyKind::Ed25519),
        ] {
            let key = kind.generate().unwrap();
            let facts = Facts::of(&self_signed(&key, &holder, SystemTime::now(), 30).unwrap());
            let facts = facts.unwrap();
            assert_eq!(facts.key, expected);
            assert_eq!(facts.subject, "CN=chat.example.com");
            assert_eq!(facts.dns_names, ["chat.example.com"]);
            assert_eq!(facts.ip_addresses, ["10.0.0.5".parse::<IpAddr>().unwrap()]);
            assert_eq!(facts.basic_constraints, Some(false));
            assert!(facts.self_signed);
            assert!(
                request(&key, &holder)
                    .unwrap()
                    .contains("BEGIN CERTIFICATE REQUEST")
            );
        }
    }

    #[test]
    fn subjects_are_written_as_people_write_them() {
        for (text, subject) in [
            ("CN=a,O=Example\\, Ltd,C=gb", "CN=a, O=Example, Ltd, C=GB"),
            (" o = Example , cn = b ", "O=Example, CN=b"),
            ("O=Müller", "CN=host, O=Müller"),
            (
                "CN=a,emailAddress=x@example.com",
                "CN=a, Email=x@example.com",
            ),
        ] {
            let holder = Holder::new(&hosts(&["host"]), Some(text)).unwrap();
            let shown = facts_of(&holder).subject;
            assert_eq!(shown.replace("emailAddress", "Email"), subject, "{text}");
        }
        for text in [
            "CN",
            "CN=",
            "X=1",
            "C=GBR",
            "OU=a,OU=b",
            "E=ü",
            "",
            &"CN=a".repeat(30),
        ] {
            assert!(Holder::new(&[], Some(text)).is_err(), "{text}");
        }
        assert_eq!(Holder::new(&[], None), Err(IssueError::Nobody));
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        let holder = Holder::new(
            &hosts(&["Bücher.Example.COM.", "*.example.com", "::1"]),
            None,
        );
        let facts = facts_of(&holder.unwrap());
        assert_eq!(
            facts.dns_names,
            ["xn--bcher-kva.example.com", "*.example.com"]
        );
        assert_eq!(facts.ip_addresses, ["::1".parse::<IpAddr>().unwrap()]);
        for host in ["", "a b", "a..b", "https://a", "a,b", &"a".repeat(64)] {
            assert!(Holder::new(&hosts(&[host]), None).is_err(), "{host}");
        }
    }

    #[test]
    fn a_renewal_takes_over_whom_the_certificate_names() {
        let old = Holder::new(
            &hosts(&["a.example.com", "10.0.0.5"]),
            Some("CN=a,O=Example"),
        )
        .unwrap();
        let key = NewKey::EcP256.generate().unwrap();
        let certificate = self_signed(&key, &old, SystemTime::now(), 30).unwrap();
        let renewed = Holder::of(&certificate).unwrap();
        assert_eq!(facts_of(&renewed).subject, "CN=a, O=Example");
        assert_eq!(facts_of(&renewed).dns_names, ["a.example.com"]);

        let moved = renewed.with(&hosts(&["b.example.com"]), None).unwrap();
        assert_eq!(facts_of(&moved).subject, "CN=a, O=Example");
        assert_eq!(facts_of(&moved).dns_names, ["b.example.com"]);
        assert!(facts_of(&moved).ip_addresses.is_empty());
    }
}
