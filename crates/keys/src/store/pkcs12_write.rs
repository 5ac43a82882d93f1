//! Writing PKCS#12, in the form that keytool of JDK 17 and OpenSSL 3 write by default.

use super::ber::{
    BMP_STRING, CONTEXT_0, CONTEXT_0_PRIMITIVE, NULL, OCTET_STRING, OID, Reader, SEQUENCE, SET,
    der, der_of, der_unsigned,
};
use super::crypto::{self, Purpose, Work};
use super::{Content, Entry, OpenError, oid};
use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, hmac, pbkdf2, rand};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

/// Rounds of password hashing: as many as keytool of JDK 17. More would protect nobody, because the password of a
/// server's store lies beside it, and every reload would pay.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(10_000).unwrap();

/// Why a store cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Java and OpenSSL open a store without a password in different ways, so none is written.
    #[error("a store needs a password")]
    NoPassword,
    /// A key that is not in PKCS#8 and cannot be brought there.
    #[error("the key \"{alias}\" is in a form that a PKCS#12 file cannot hold")]
    Key {
        /// Whose.
        alias: String,
    },
    /// The system has no randomness to give, or its cryptography refuses.
    #[error("the system's cryptography failed")]
    Crypto,
}

impl From<aws_lc_rs::error::Unspecified> for WriteError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Crypto
    }
}

/// Writes a PKCS#12 file: PBES2 with AES-256, a check value of HMAC-SHA-256, and certificates with the mark by which
/// Java knows them as trusted.
///
/// # Errors
/// [`WriteError`].
pub fn write_pkcs12(entries: &[Entry], password: &str) -> Result<Vec<u8>, WriteError> {
    if password.is_empty() {
        return Err(WriteError::NoPassword);
    }
    let mut certificates = Vec::new();
    let mut keys = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        match &entry.content {
            Content::Certificate(certificate) => {
                let attributes = [friendly_name(&entry.alias), trusted()];
                certificates.push(certificate_bag(certificate, &attributes));
            }
            Content::Key { key, chain } => {
                // It only has to be another one for each key of the file.
                let id = local_key_id(&(number as u64).to_be_bytes());
                let attributes = [friendly_name(&entry.alias), id];
                let key = pkcs8(key, &entry.alias)?;
                keys.push(key_bag(&key, &attributes, password)?);
                for (at, certificate) in chain.iter().enumerate() {
                    let attributes = if at == 0 { &attributes[..] } else { &[] };
                    certificates.push(certificate_bag(certificate, attributes));
                }
            }
        }
    }
    // Issuers that several keys share stand once.
    let mut unique: Vec<Vec<u8>> = Vec::new();
    for bag in certificates {
        if !unique.contains(&bag) {
            unique.push(bag);
        }
    }
    let mut parts = Vec::new();
    if !unique.is_empty() {
        let contents = der_of(SEQUENCE, &unique);
        let (algorithm, encrypted) = encrypt(&contents, password)?;
        let encrypted = der_of(
            SEQUENCE,
            &[
                der(OID, oid::DATA),
                algorithm,
                der(CONTEXT_0_PRIMITIVE, &encrypted),
            ],
        );
        let content = der_of(SEQUENCE, &[der_unsigned(0), encrypted]);
        parts.push(content_info(oid::ENCRYPTED_DATA, content));
    }
    if !keys.is_empty() {
        let contents = der_of(SEQUENCE, &keys);
        parts.push(content_info(oid::DATA, der(OCTET_STRING, &contents)));
    }
    let safe = der_of(SEQUENCE, &parts);
    let mac = mac_data(&safe, password)?;
    let safe = content_info(oid::DATA, der(OCTET_STRING, &safe));
    Ok(der_of(SEQUENCE, &[der_unsigned(3), safe, mac]))
}

fn content_info(kind: &[u8], content: Vec<u8>) -> Vec<u8> {
    der_of(SEQUENCE, &[der(OID, kind), der(CONTEXT_0, &content)])
}

fn bag(kind: &[u8], value: Vec<u8>, attributes: &[Vec<u8>]) -> Vec<u8> {
    let mut fields = vec![der(OID, kind), der(CONTEXT_0, &value)];
    if !attributes.is_empty() {
        // DER wants the members of a set in the order of their bytes.
        let mut attributes = attributes.to_vec();
        attributes.sort();
        fields.push(der_of(SET, &attributes));
    }
    der_of(SEQUENCE, &fields)
}

fn certificate_bag(certificate: &CertificateDer<'_>, attributes: &[Vec<u8>]) -> Vec<u8> {
    let value = der_of(
        SEQUENCE,
        &[
            der(OID, oid::X509_CERTIFICATE),
            der(CONTEXT_0, &der(OCTET_STRING, certificate)),
        ],
    );
    bag(oid::CERTIFICATE_BAG, value, attributes)
}

fn key_bag(key: &[u8], attributes: &[Vec<u8>], password: &str) -> Result<Vec<u8>, WriteError> {
    let (algorithm, encrypted) = encrypt(key, password)?;
    let value = der_of(SEQUENCE, &[algorithm, der(OCTET_STRING, &encrypted)]);
    Ok(bag(oid::SHROUDED_KEY_BAG, value, attributes))
}

fn attribute(kind: &[u8], value: Vec<u8>) -> Vec<u8> {
    der_of(SEQUENCE, &[der(OID, kind), der(SET, &value)])
}

fn friendly_name(alias: &str) -> Vec<u8> {
    let letters: Vec<u8> = alias.encode_utf16().flat_map(u16::to_be_bytes).collect();
    attribute(oid::FRIENDLY_NAME, der(BMP_STRING, &letters))
}

fn local_key_id(id: &[u8]) -> Vec<u8> {
    attribute(oid::LOCAL_KEY_ID, der(OCTET_STRING, id))
}

fn trusted() -> Vec<u8> {
    attribute(
        oid::TRUSTED_KEY_USAGE,
        der(OID, oid::ANY_EXTENDED_KEY_USAGE),
    )
}

/// The key in PKCS#8. The older forms, which only PEM files have, become part of one.
fn pkcs8(key: &PrivateKeyDer<'_>, alias: &str) -> Result<Zeroizing<Vec<u8>>, WriteError> {
    let algorithm = match key {
        PrivateKeyDer::Pkcs8(key) => {
            return Ok(Zeroizing::new(key.secret_pkcs8_der().to_vec()));
        }
        PrivateKeyDer::Pkcs1(_) => der_of(SEQUENCE, &[der(OID, oid::RSA), der(NULL, &[])]),
        PrivateKeyDer::Sec1(key) => {
            sec1_algorithm(key.secret_sec1_der()).ok_or_else(|| WriteError::Key {
                alias: alias.to_owned(),
            })?
        }
        _ => {
            return Err(WriteError::Key {
                alias: alias.to_owned(),
            });
        }
    };
    let inner = der(OCTET_STRING, key.secret_der());
    Ok(Zeroizing::new(der_of(
        SEQUENCE,
        &[der_unsigned(0), algorithm, inner],
    )))
}

/// The AlgorithmIdentifier of an elliptic key that names its curve itself (RFC 5915).
fn sec1_algorithm(key: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Reader::new(key).expect(SEQUENCE).ok()?.reader();
    // The version and the number.
    fields.next().ok()?;
    fields.next().ok()?;
    let curve = fields.optional(CONTEXT_0).ok()??.reader().next().ok()?;
    let parts = [der(OID, oid::EC), curve.whole.to_vec()];
    Some(der_of(SEQUENCE, &parts))
}

/// Encrypts with AES-256 under PBKDF2: the AlgorithmIdentifier and the bytes.
fn encrypt(data: &[u8], password: &str) -> Result<(Vec<u8>, Vec<u8>), WriteError> {
    let salt: [u8; 20] = random()?;
    let iv: [u8; 16] = random()?;
    let mut key = Zeroizing::new([0; 32]);
    let hash = pbkdf2::PBKDF2_HMAC_SHA256;
    pbkdf2::derive(hash, ITERATIONS, &salt, password.as_bytes(), &mut *key);
    let key = UnboundCipherKey::new(&AES_256, &*key)?;
    let mut encrypted = data.to_vec();
    PaddedBlockEncryptingKey::cbc_pkcs7(key)?.less_safe_encrypt(
        &mut encrypted,
        EncryptionContext::Iv128(FixedLength::from(iv)),
    )?;

    let hash = der_of(SEQUENCE, &[der(OID, oid::HMAC_SHA256), der(NULL, &[])]);
    let derivation = der_of(
        SEQUENCE,
        &[
            der(OCTET_STRING, &salt),
            der_unsigned(u64::from(ITERATIONS.get())),
            der_unsigned(32),
            hash,
        ],
    );
    let derivation = der_of(SEQUENCE, &[der(OID, oid::PBKDF2), derivation]);
    let scheme = der_of(
        SEQUENCE,
        &[der(OID, oid::AES_256_CBC), der(OCTET_STRING, &iv)],
    );
    let parameters = der_of(SEQUENCE, &[derivation, scheme]);
    let algorithm = der_of(SEQUENCE, &[der(OID, oid::PBES2), parameters]);
    Ok((algorithm, encrypted))
}

fn mac_data(safe: &[u8], password: &str) -> Result<Vec<u8>, WriteError> {
    let salt: [u8; 20] = random()?;
    // There is one spelling at least.
    let spellings = crypto::spellings(password);
    let spelling = spellings.first().ok_or(WriteError::Crypto)?;
    let key = crypto::pkcs12_kdf(
        &digest::SHA256,
        Purpose::Mac,
        spelling,
        &salt,
        ITERATIONS.get(),
        digest::SHA256_OUTPUT_LEN,
        &mut Work::new(),
    )
    .map_err(|_: OpenError| WriteError::Crypto)?;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), safe);
    let algorithm = der_of(SEQUENCE, &[der(OID, oid::SHA256), der(NULL, &[])]);
    let digest = der_of(SEQUENCE, &[algorithm, der(OCTET_STRING, tag.as_ref())]);
    Ok(der_of(
        SEQUENCE,
        &[
            digest,
            der(OCTET_STRING, &salt),
            der_unsigned(u64::from(ITERATIONS.get())),
        ],
    ))
}

fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], WriteError> {
    let mut bytes = [0; LENGTH];
    rand::fill(&mut bytes)?;
    Ok(bytes)
}
