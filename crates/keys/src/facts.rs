//! What a certificate says, as plain data: for rules, for people, for log and metric.
//!
//! Nothing here decides anything. Strings come from whoever made the certificate, so control characters in them are
//! replaced before anybody prints them.

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{ASN1Time, FromDer, TbsCertificate, X509Certificate};
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// Characters of a subject, an issuer or an object identifier that people are shown. Whoever made a certificate can write
/// 60 KB into each, and any client may show one.
pub(crate) const SHOWN_CHARS_MAX: usize = 200;
/// Name Constraints, as it stands in certificates (2.5.29.30).
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];

/// Bytes that cannot be read as a certificate; the sentence says what is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate cannot be read: {0}")]
pub struct Unreadable(String);

/// One certificate's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whom it is for, in the order in which it stands in the certificate; a very long name is cut.
    pub subject: String,
    /// Who signed it; a very long name is cut.
    pub issuer: String,
    /// The `dNSName` entries of its alternative names, as written.
    pub dns_names: Vec<String>,
    /// The `iPAddress` entries of its alternative names.
    pub ip_addresses: Vec<IpAddr>,
    /// The most specific common name of the subject.
    pub common_name: Option<String>,
    /// The serial number, hexadecimal with colons.
    pub serial: String,
    /// Good from here.
    pub not_before: SystemTime,
    /// Good until here.
    pub not_after: SystemTime,
    /// The public key's kind and size.
    pub key: KeyKind,
    /// How it was signed.
    pub signature: Signature,
    /// The X.509 version, 1 to 3.
    pub version: u32,
    /// What Basic Constraints say about signing other certificates; `None` without that extension.
    pub basic_constraints: Option<bool>,
    /// The key usages that matter here; `None` without that extension.
    pub key_usage: Option<KeyUsage>,
    /// The extended key usages that matter here; `None` without that extension.
    pub extended_key_usage: Option<ExtendedKeyUsage>,
    /// It limits the names for which it signs (Name Constraints).
    pub name_constraints: bool,
    /// It names itself as its signer. The signature is not checked.
    pub self_signed: bool,
    /// The SHA-256 digest of the whole certificate.
    pub sha256: [u8; 32],
    pub(crate) subject_der: Vec<u8>,
    pub(crate) issuer_der: Vec<u8>,
    pub(crate) spki_der: Vec<u8>,
}

/// A public key's kind and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with the modulus' length in bits.
    Rsa(usize),
    /// A point on this curve.
    Ec(Curve),
    /// Ed25519.
    Ed25519,
    /// DSA.
    Dsa,
    /// Anything else, by its object identifier.
    Other(String),
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits} bits"),
            Self::Ec(curve) => write!(f, "EC {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Dsa => f.write_str("DSA"),
            Self::Other(oid) => write!(f, "key of kind {oid}"),
        }
    }
}

/// An elliptic curve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// Another one: its name or object identifier, and its size.
    Other {
        /// What it is called.
        name: String,
        /// The length of a coordinate.
        bits: usize,
    },
}

impl Curve {
    /// The size that security levels compare.
    #[must_use]
    pub fn bits(&self) -> usize {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
            Self::Other { bits, .. } => *bits,
        }
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::P521 => f.write_str("P-521"),
            Self::Other { name, .. } => f.write_str(name),
        }
    }
}

/// How a certificate was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The algorithm as documents call it, or its object identifier.
    pub name: String,
    /// The kind of the signer's key.
    pub signer: Signer,
    /// The hash; `None` where the algorithm has it built in or is unknown.
    pub hash: Option<Hash>,
}

/// The kind of key that signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// RSA with PKCS #1 v1.5 or PSS.
    Rsa,
    /// ECDSA.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// DSA, or something that is not known here.
    Other,
}

/// A hash, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// MD2, MD4 or MD5.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// The key usages that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage {
    /// It may sign a handshake.
    pub digital_signature: bool,
    /// It may sign certificates.
    pub certificate_signing: bool,
}

/// The extended key usages that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedKeyUsage {
    /// It may stand for a TLS server.
    pub server: bool,
    /// It may stand for a TLS client.
    pub client: bool,
    /// It may be used for anything.
    pub any: bool,
}

impl Facts {
    /// Reads a certificate.
    ///
    /// # Errors
    /// [`Unreadable`] if it is none, or if one of its extensions that matter here cannot be read or stands twice.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, Unreadable> {
        let (rest, parsed) = X509Certificate::from_der(certificate)
            .map_err(|error| Unreadable(error.to_string()))?;
        if !rest.is_empty() {
            return Err(Unreadable("something follows it".to_owned()));
        }
        let unreadable = |error: x509_parser::error::X509Error| Unreadable(error.to_string());
        let tbs: &TbsCertificate<'_> = &parsed;
        let (dns_names, ip_addresses) = alternative_names(tbs)?;
        let common_name = tbs.subject.iter_common_name().last();
        let key_usage = tbs.key_usage().map_err(unreadable)?;
        let extended = tbs.extended_key_usage().map_err(unreadable)?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Ok(Self {
            subject: cut(&printable(&tbs.subject.to_string())),
            issuer: cut(&printable(&tbs.issuer.to_string())),
            dns_names,
            ip_addresses,
            common_name: common_name
                .and_then(|name| name.as_str().ok())
                .map(printable),
            serial: tbs.raw_serial_as_string(),
            not_before: time(tbs.validity.not_before.timestamp()),
            not_after: time(tbs.validity.not_after.timestamp()),
            key: key_kind(&tbs.subject_pki),
            signature: signature(&parsed.signature_algorithm),
            version: tbs.version.0.saturating_add(1),
            basic_constraints: tbs
                .basic_constraints()
                .map_err(unreadable)?
                .map(|extension| extension.value.ca),
            key_usage: key_usage.map(|extension| KeyUsage {
                digital_signature: extension.value.digital_signature(),
                certificate_signing: extension.value.key_cert_sign(),
            }),
            extended_key_usage: extended.map(|extension| ExtendedKeyUsage {
                server: extension.value.server_auth,
                client: extension.value.client_auth,
                any: extension.value.any,
            }),
            name_constraints: tbs
                .extensions()
                .iter()
                .any(|extension| extension.oid.as_bytes() == NAME_CONSTRAINTS),
            self_signed: is_self_signed(tbs),
            sha256,
            subject_der: tbs.subject.as_raw().to_vec(),
            issuer_der: tbs.issuer.as_raw().to_vec(),
            spki_der: tbs.subject_pki.raw.to_vec(),
        })
    }

    /// The names by which a peer is known: the `dNSName` entries, or the common name where there are none.
    ///
    /// Source: `docs/domain/tls-scopes.md` 6.1, after RFC 2818.
    #[must_use]
    pub fn host_names(&self) -> &[String] {
        if self.dns_names.is_empty() {
            self.common_name.as_slice()
        } else {
            &self.dns_names
        }
    }

    /// The public key, as it stands in the certificate (`SubjectPublicKeyInfo`).
    #[must_use]
    pub fn public_key_der(&self) -> &[u8] {
        &self.spki_der
    }

    /// It may sign other certificates, and says so.
    #[must_use]
    pub fn is_ca(&self) -> bool {
        self.basic_constraints == Some(true)
    }

    /// The fingerprint as OpenSSL and clients print it: `AA:BB:…`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut text = String::new();
        for (index, byte) in self.sha256.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            // Writing to a string cannot fail.
            let _ = write!(text, "{colon}{byte:02X}");
        }
        text
    }
}

fn alternative_names(tbs: &TbsCertificate<'_>) -> Result<(Vec<String>, Vec<IpAddr>), Unreadable> {
    let (mut names, mut addresses) = (Vec::new(), Vec::new());
    let extension = tbs
        .subject_alternative_name()
        .map_err(|error| Unreadable(error.to_string()))?;
    let entries = extension.map_or(&[][..], |extension| &extension.value.general_names);
    for entry in entries {
        match entry {
            GeneralName::DNSName(name) => names.push(printable(name)),
            // A name all the same: with it, the common name does not count. It matches nothing.
            GeneralName::Invalid(tag, bytes) if tag.0 == 2 => {
                names.push(printable(&String::from_utf8_lossy(bytes)));
            }
            GeneralName::IPAddress(bytes) => {
                if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                    addresses.push(Ipv4Addr::from(v4).into());
                } else if let Ok(v6) = <[u8; 16]>::try_from(*bytes) {
                    addresses.push(Ipv6Addr::from(v6).into());
                }
            }
            _ => {}
        }
    }
    Ok((names, addresses))
}

fn is_self_signed(tbs: &TbsCertificate<'_>) -> bool {
    let (mut own, mut signer) = (None, None);
    for extension in tbs.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => own = Some(id),
            ParsedExtension::AuthorityKeyIdentifier(id) => signer = id.key_identifier.as_ref(),
            _ => {}
        }
    }
    tbs.subject.as_raw() == tbs.issuer.as_raw()
        && (own.is_none() || signer.is_none() || own == signer)
}

fn key_kind(spki: &SubjectPublicKeyInfo<'_>) -> KeyKind {
    let oid = spki.algorithm.algorithm.to_id_string();
    match (oid.as_str(), spki.parsed()) {
        ("1.2.840.113549.1.1.1", Ok(PublicKey::RSA(key))) => KeyKind::Rsa(bits(key.modulus)),
        // A key for PSS only.
        ("1.2.840.113549.1.1.10", _) => {
            match x509_parser::public_key::RSAPublicKey::from_der(&spki.subject_public_key.data) {
                Ok((_, key)) => KeyKind::Rsa(bits(key.modulus)),
                Err(_) => KeyKind::Other(cut(&oid)),
            }
        }
        ("1.2.840.10045.2.1", Ok(PublicKey::EC(point))) => {
            let named = spki.algorithm.parameters.as_ref();
            let named = named.and_then(|parameters| parameters.as_oid().ok());
            let coordinate = point.data().len().saturating_sub(1) / 2 * 8;
            KeyKind::Ec(curve(named.map(|oid| oid.to_id_string()), coordinate))
        }
        ("1.3.101.112", _) => KeyKind::Ed25519,
        ("1.2.840.10040.4.1", _) => KeyKind::Dsa,
        _ => KeyKind::Other(cut(&oid)),
    }
}

/// The length of a number in bits.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    match number.get(zeros) {
        Some(first) => (number.len() - zeros) * 8 - first.leading_zeros() as usize,
        None => 0,
    }
}

fn curve(oid: Option<String>, coordinate_bits: usize) -> Curve {
    let other = |name: &str, bits| Curve::Other {
        name: name.to_owned(),
        bits,
    };
    match oid.as_deref() {
        Some("1.2.840.10045.3.1.7") => Curve::P256,
        Some("1.3.132.0.34") => Curve::P384,
        Some("1.3.132.0.35") => Curve::P521,
        Some("1.2.840.10045.3.1.1") => other("P-192", 192),
        Some("1.3.132.0.33") => other("P-224", 224),
        Some("1.3.132.0.10") => other("secp256k1", 256),
        Some(oid) => other(&cut(oid), coordinate_bits),
        None => other("with parameters of its own", coordinate_bits),
    }
}

/// Signature algorithms: object identifier, name, the signer's key, hash.
const SIGNATURES: &[(&str, &str, Signer, Option<Hash>)] = &[
    (
        "1.2.840.113549.1.1.2",
        "md2WithRSAEncryption",
        Signer::Rsa,
        Some(Hash::Md5),
    ),
    (
        "1.2.840.113549.1.1.3",
        "md4WithRSAEncryption",
        Signer::Rsa,
        Some(Hash::Md5),
    ),
    (
        "1.2.840.113549.1.1.4",
        "md5WithRSAEncryption",
        Signer::Rsa,
        Some(Hash::Md5),
    ),
    (
        "1.2.840.113549.1.1.5",
        "sha1WithRSAEncryption",
        Signer::Rsa,
        Some(Hash::Sha1),
    ),
    (
        "1.2.840.113549.1.1.11",
        "sha256WithRSAEncryption",
        Signer::Rsa,
        Some(Hash::Sha256),
    ),
    (
        "1.2.840.113549.1.1.12",
        "sha384WithRSAEncryption",
        Signer::Rsa,
        Some(Hash::Sha384),
    ),
    (
        "1.2.840.113549.1.1.13",
        "sha512WithRSAEncryption",
        Signer::Rsa,
        Some(Hash::Sha512),
    ),
    (
        "1.2.840.113549.1.1.14",
        "sha224WithRSAEncryption",
        Signer::Rsa,
        Some(Hash::Sha224),
    ),
    (
        "1.2.840.10045.4.1",
        "ecdsa-with-SHA1",
        Signer::Ecdsa,
        Some(Hash::Sha1),
    ),
    (
        "1.2.840.10045.4.3.1",
        "ecdsa-with-SHA224",
        Signer::Ecdsa,
        Some(Hash::Sha224),
    ),
    (
        "1.2.840.10045.4.3.2",
        "ecdsa-with-SHA256",
        Signer::Ecdsa,
        Some(Hash::Sha256),
    ),
    (
        "1.2.840.10045.4.3.3",
        "ecdsa-with-SHA384",
        Signer::Ecdsa,
        Some(Hash::Sha384),
    ),
    (
        "1.2.840.10045.4.3.4",
        "ecdsa-with-SHA512",
        Signer::Ecdsa,
        Some(Hash::Sha512),
    ),
    ("1.3.101.112", "Ed25519", Signer::Ed25519, None),
    (
        "1.2.840.10040.4.3",
        "dsa-with-sha1",
        Signer::Other,
        Some(Hash::Sha1),
    ),
    (
        "2.16.840.1.101.3.4.3.2",
        "dsa-with-sha256",
        Signer::Other,
        Some(Hash::Sha256),
    ),
];

/// Hashes that RSA-PSS names in its parameters.
const HASHES: &[(&str, Hash)] = &[
    ("1.2.840.113549.2.5", Hash::Md5),
    ("1.3.14.3.2.26", Hash::Sha1),
    ("2.16.840.1.101.3.4.2.4", Hash::Sha224),
    ("2.16.840.1.101.3.4.2.1", Hash::Sha256),
    ("2.16.840.1.101.3.4.2.2", Hash::Sha384),
    ("2.16.840.1.101.3.4.2.3", Hash::Sha512),
];

fn signature(algorithm: &AlgorithmIdentifier<'_>) -> Signature {
    let oid = algorithm.algorithm.to_id_string();
    if oid == "1.2.840.113549.1.1.10" {
        let parameters = algorithm.parameters.as_ref();
        let parameters = parameters.and_then(|any| RsaSsaPssParams::try_from(any).ok());
        let hash = parameters.map(|pss| pss.hash_algorithm_oid().to_id_string());
        let known = HASHES.iter().find(|(oid, _)| Some(*oid) == hash.as_deref());
        return Signature {
            name: "RSASSA-PSS".to_owned(),
            signer: Signer::Rsa,
            hash: known.map(|(_, hash)| *hash),
        };
    }
    match SIGNATURES.iter().find(|(known, ..)| *known == oid) {
        Some((_, name, signer, hash)) => Signature {
            name: (*name).to_owned(),
            signer: *signer,
            hash: *hash,
        },
        None => Signature {
            name: cut(&oid),
            signer: Signer::Other,
            hash: None,
        },
    }
}

/// A moment as messages show it: `2026-11-22 07:30 UTC`.
#[must_use]
pub fn moment(time: SystemTime) -> String {
    let seconds = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()),
        Err(before) => i64::try_from(before.duration().as_secs()).map(|seconds| -seconds),
    };
    let Ok(Ok(moment)) = seconds.map(ASN1Time::from_timestamp) else {
        return "a time beyond reckoning".to_owned();
    };
    let moment = moment.to_datetime();
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02} UTC",
        moment.year(),
        u8::from(moment.month()),
        moment.day(),
        moment.hour(),
        moment.minute()
    )
}

/// Seconds since 1970, before it too.
fn time(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(UNIX_EPOCH)
}

/// Whole days until the end of a certificate; -1 from the first second after it, -2 a day later.
#[must_use]
pub fn days_left(not_after: SystemTime, now: SystemTime) -> i64 {
    const DAY_SECONDS: i64 = 86_400;
    let seconds = match not_after.duration_since(now) {
        Ok(left) => i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        Err(past) => -i64::try_from(past.duration().as_secs())
            .unwrap_or(i64::MAX)
            .max(1),
    };
    seconds.div_euclid(DAY_SECONDS)
}

/// The text with control characters replaced: it was written by whoever made the certificate or the store.
pub(crate) fn printable(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { '·' } else { c });
    shown.collect()
}

/// A text that somebody else wrote, no longer than people want to read.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
        KeyUsagePurpose, SanType, SerialNumber,
    };

    fn params(common_names: &[&str]) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Example");
        for name in common_names {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params
    }

    fn signed(params: &CertificateParams) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn a_certificate_is_read_whole() {
        let mut params = params(&["mux.example.com"]);
        params.subject_alt_names = vec![
            SanType::DnsName("mux.example.com".try_into().unwrap()),
            SanType::DnsName("*.example.com".try_into().unwrap()),
            SanType::IpAddress("10.0.0.5".parse().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
        ];
        params.serial_number = Some(SerialNumber::from(vec![0x12, 0xab]));
        params.not_before = UNIX_EPOCH.into();
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let der = signed(&params);
        let facts = Facts::of(&der).unwrap();
        assert_eq!(facts.subject, "O=Example, CN=mux.example.com");
        assert_eq!(facts.issuer, facts.subject);
        assert!(facts.self_signed);
        assert_eq!(facts.dns_names, ["mux.example.com", "*.example.com"]);
        let addresses: Vec<String> = facts.ip_addresses.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["10.0.0.5", "2001:db8::1"]);
        assert_eq!(facts.common_name.as_deref(), Some("mux.example.com"));
        assert_eq!(facts.serial, "12:ab");
        assert_eq!(facts.not_before, UNIX_EPOCH);
        assert_eq!(moment(facts.not_before), "1970-01-01 00:00 UTC");
        assert_eq!(facts.key, KeyKind::Ec(Curve::P256));
        assert_eq!(facts.signature.name, "ecdsa-with-SHA256");
        assert_eq!(facts.signature.hash, Some(Hash::Sha256));
        assert_eq!(facts.version, 3);
        assert_eq!(facts.basic_constraints, Some(false));
        assert!(facts.key_usage.unwrap().digital_signature);
        assert!(!facts.key_usage.unwrap().certificate_signing);
        let extended = facts.extended_key_usage.unwrap();
        assert!(extended.server && !extended.client && !extended.any);
        let digest = digest(&SHA256, &der);
        assert!(
            facts
                .fingerprint()
                .starts_with(&format!("{:02X}:", digest.as_ref()[0]))
        );
        assert_eq!(facts.fingerprint().len(), 95);
    }

    #[test]
    fn what_is_not_there_is_told_from_what_says_no() {
        let facts = Facts::of(&signed(&params(&["mux.example.com"]))).unwrap();
        assert_eq!(facts.basic_constraints, None);
        assert_eq!(facts.key_usage, None);
        assert_eq!(facts.extended_key_usage, None);
        assert_eq!(
            facts.host_names(),
            ["mux.example.com"],
            "the common name stands in"
        );
        let nameless = Facts::of(&signed(&params(&[]))).unwrap();
        assert_eq!(nameless.host_names(), &[] as &[String]);
    }

    #[test]
    fn each_kind_of_key_is_known_by_its_size() {
        for (algorithm, expected) in [
            (&rcgen::PKCS_ECDSA_P384_SHA384, "EC P-384"),
            (&rcgen::PKCS_ECDSA_P521_SHA512, "EC P-521"),
            (&rcgen::PKCS_ED25519, "Ed25519"),
            (&rcgen::PKCS_RSA_SHA256, "RSA 2048 bits"),
        ] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            let der = params(&["a"]).self_signed(&key).unwrap().der().clone();
            assert_eq!(Facts::of(&der).unwrap().key.to_string(), expected);
        }
    }

    #[test]
    fn a_name_cannot_write_on_somebodys_terminal() {
        let facts = Facts::of(&signed(&params(&["\u{1b}[2Jmux\n"]))).unwrap();
        assert_eq!(facts.common_name.as_deref(), Some("·[2Jmux·"));
        assert!(
            !facts.subject.contains(char::is_control),
            "{}",
            facts.subject
        );
    }

    #[test]
    fn a_very_long_name_is_cut_where_it_is_shown_and_whole_where_it_is_compared() {
        let long = "\u{e4}".repeat(60_000);
        let facts = Facts::of(&signed(&params(&[&long]))).unwrap();
        for shown in [&facts.subject, &facts.issuer] {
            assert_eq!(shown.chars().count(), SHOWN_CHARS_MAX + 1);
            assert!(shown.ends_with('…'), "{shown}");
        }
        assert_eq!(facts.common_name.as_deref(), Some(long.as_str()));
    }

    #[test]
    fn days_are_whole_and_below_zero_from_the_end_on() {
        let end = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for (seconds_left, days) in [
            (172_800, 2),
            (172_799, 1),
            (86_399, 0),
            (0, 0),
            (-1, -1),
            (-86_400, -1),
            (-86_401, -2),
        ] {
            let now = time(1_000_000_000 - seconds_left);
            assert_eq!(days_left(end, now), days, "{seconds_left}");
        }
        assert_eq!(days_left(end, end + Duration::from_millis(1)), -1);
    }

    #[test]
    fn what_follows_a_certificate_is_not_passed_over() {
        let mut bytes = signed(&params(&["a"])).to_vec();
        bytes.push(0);
        let error = Facts::of(&bytes.into()).unwrap_err();
        assert!(
            error.to_string().contains("something follows it"),
            "{error}"
        );
    }
}
