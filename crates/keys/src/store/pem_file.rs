//! Reading PEM, and certificates in the other forms that authorities send.

use super::ber::{CONTEXT_0, INTEGER, OID, Reader, SEQUENCE, SET};
use super::crypto::{self, Passwords, Work};
use super::{Content, Entry, Format, OpenError, Store, chain, oid, pkcs12};
use pem::Pem;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivateSec1KeyDer};

const BEGIN: &[u8] = b"-----BEGIN ";

pub(super) fn is_pem(bytes: &[u8]) -> bool {
    count(bytes, BEGIN) > 0
}

fn count(bytes: &[u8], marker: &[u8]) -> usize {
    bytes
        .windows(marker.len())
        .filter(|window| *window == marker)
        .count()
}

/// Reads a certificate and its key from two files, as web servers have them (`cert.crt`, `cert.key`).
///
/// # Errors
/// [`OpenError`], about either.
pub fn open_pem_pair(
    certificates: &[u8],
    key: &[u8],
    key_password: Option<&str>,
) -> Result<Store, OpenError> {
    if certificates.is_empty() || key.is_empty() {
        return Err(OpenError::Empty);
    }
    if !is_pem(certificates) || !is_pem(key) {
        return Err(OpenError::NotAStore("not PEM"));
    }
    let both = [certificates, b"\n", key].concat();
    super::open(&both, "", key_password)
}

/// The certificates in what an authority sent: PEM with any number of them, one in DER, or PKCS#7 (`.p7b`).
///
/// # Errors
/// [`OpenError`].
pub fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    if bytes.is_empty() {
        return Err(OpenError::Empty);
    }
    let found = if is_pem(bytes) {
        blocks(bytes)?
            .iter()
            .map(certificates_of)
            .collect::<Result<Vec<_>, _>>()?
            .concat()
    } else if chain::is_certificate(bytes) {
        vec![bytes.to_vec().into()]
    } else if bytes.first() == Some(&SEQUENCE) {
        pkcs7(bytes)?
    } else {
        Vec::new()
    };
    if found.is_empty() {
        return Err(OpenError::NotAStore("a file without a certificate"));
    }
    Ok(found)
}

/// The certificates of one PEM block, if it is of a kind that holds some.
fn certificates_of(block: &Pem) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    match block.tag() {
        "CERTIFICATE" | "X509 CERTIFICATE" => Ok(vec![block.contents().to_vec().into()]),
        // OpenSSL puts remarks of its own behind the certificate.
        "TRUSTED CERTIFICATE" => {
            let first = Reader::new(block.contents()).next()?;
            Ok(vec![first.whole.to_vec().into()])
        }
        "PKCS7" | "CMS" => pkcs7(block.contents()),
        _ => Ok(Vec::new()),
    }
}

/// The certificates in a SignedData without a signature (RFC 2315, 9.1).
fn pkcs7(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, OpenError> {
    let mut info = Reader::new(bytes).expect(SEQUENCE)?.reader();
    if info.optional(OID)?.map(|kind| kind.content) != Some(oid::SIGNED_DATA) {
        return Ok(Vec::new());
    }
    let mut signed = info.expect(CONTEXT_0)?.reader().expect(SEQUENCE)?.reader();
    signed.expect(INTEGER)?;
    signed.expect(SET)?;
    signed.expect(SEQUENCE)?;
    let mut found = Vec::new();
    if let Some(set) = signed.optional(CONTEXT_0)? {
        let mut certificates = set.reader();
        while !certificates.is_empty() {
            found.push(certificates.next()?.whole.to_vec().into());
        }
    }
    Ok(found)
}

fn blocks(bytes: &[u8]) -> Result<Vec<Pem>, OpenError> {
    let blocks = pem::parse_many(bytes)
        .map_err(|_| OpenError::Damaged("one of its blocks is not whole or not base64"))?;
    // A block without an end is passed over by the parser.
    if blocks.len() != count(bytes, BEGIN) {
        return Err(OpenError::Damaged(
            "a block has no end, as in a file that was cut or not copied whole",
        ));
    }
    Ok(blocks)
}

pub(super) fn open(bytes: &[u8], passwords: &Passwords<'_>) -> Result<Store, OpenError> {
    let blocks = blocks(bytes)?;
    let mut certificates = Vec::new();
    let mut keys = Vec::new();
    let mut work = Work::new();
    let mut count = chain::Count::default();
    for block in &blocks {
        for certificate in certificates_of(block)? {
            count.entry()?;
            certificates.push(certificate);
        }
        if let Some(key) = private_key(block, passwords, keys.len(), &mut work)? {
            count.entry()?;
            count.key()?;
            keys.push(key);
        }
    }
    if certificates.is_empty() && keys.is_empty() {
        let is_request = |block: &Pem| block.tag().ends_with("CERTIFICATE REQUEST");
        return Err(OpenError::NotAStore(if blocks.iter().any(is_request) {
            "a certificate request, not the certificate"
        } else {
            "PEM without a certificate or key"
        }));
    }
    Ok(into_store(keys, certificates))
}

fn into_store(
    keys: Vec<PrivateKeyDer<'static>>,
    certificates: Vec<CertificateDer<'static>>,
) -> Store {
    let mut names = chain::Aliases::default();
    let mut entries = Vec::new();
    let has_keys = !keys.is_empty();
    let pool = chain::Pool::new(&certificates);
    for key in keys {
        // The first certificate of a file is by custom the own one; if the key is another's, that is said later.
        let own = pool.own(&key).first().copied().unwrap_or(0);
        let chain = pool.chain(own, None);
        entries.push(Entry {
            alias: names.unique(None),
            content: Content::Key { key, chain },
        });
    }
    let loose = if has_keys {
        let chains = entries.iter().filter_map(|entry| match &entry.content {
            Content::Key { chain, .. } => Some(chain),
            Content::Certificate(_) => None,
        });
        chain::outside(&certificates, chains)
    } else {
        entries.extend(certificates.into_iter().map(|certificate| Entry {
            alias: names.unique(None),
            content: Content::Certificate(certificate),
        }));
        Vec::new()
    };
    Store {
        format: Format::Pem,
        entries,
        loose,
        remarks: Vec::new(),
    }
}

/// The private key of a block, if it is of a kind that holds one; `index` counts those before it.
fn private_key(
    block: &Pem,
    passwords: &Passwords<'_>,
    index: usize,
    work: &mut Work,
) -> Result<Option<PrivateKeyDer<'static>>, OpenError> {
    let bytes = || block.contents().to_vec();
    if block.headers().get("Proc-Type").is_some() {
        return Err(OpenError::Unsupported(
            "a private key encrypted in the old way of OpenSSL (convert it with openssl pkcs8 -topk8)".to_owned(),
        ));
    }
    Ok(Some(match block.tag() {
        "PRIVATE KEY" => PrivateKeyDer::Pkcs8(bytes().into()),
        "RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(bytes())),
        "EC PRIVATE KEY" => PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(bytes())),
        "ENCRYPTED PRIVATE KEY" => decrypt(block.contents(), passwords, index, work)?,
        "DSA PRIVATE KEY" => return Err(OpenError::Unsupported("a DSA key".to_owned())),
        "OPENSSH PRIVATE KEY" => {
            return Err(OpenError::Unsupported("an OpenSSH key".to_owned()));
        }
        _ => return Ok(None),
    }))
}

fn decrypt(
    bytes: &[u8],
    passwords: &Passwords<'_>,
    index: usize,
    work: &mut Work,
) -> Result<PrivateKeyDer<'static>, OpenError> {
    let info = Reader::new(bytes).expect(SEQUENCE)?;
    for password in passwords.key.into_iter().chain([passwords.store]) {
        for spelling in crypto::spellings(password) {
            match pkcs12::private_key(&info, &spelling, work) {
                Err(OpenError::WrongPassword) => {}
                other => return other,
            }
        }
    }
    // A PEM file has no password, only its keys have: the setting that says so is the one to blame.
    Err(match passwords.key {
        None => OpenError::WrongPassword,
        Some(_) => OpenError::WrongKeyPassword {
            alias: (index + 1).to_string(),
        },
    })
}
