//! What passwords do to a store: key derivation, ciphers, check values.

use super::ber::{Element, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE};
use super::{ITERATIONS_MAX, OpenError, oid};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm as Cipher, DecryptionContext, PaddedBlockDecryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, hmac, pbkdf2};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, InnerIvInit, KeyIvInit};
use std::num::NonZeroU32;
use zeroize::Zeroizing;

const MALFORMED: OpenError =
    OpenError::Damaged("the description of its encryption is not readable");

/// What was configured for a store.
pub(super) struct Passwords<'a> {
    /// Of the store, and of its keys unless they have one of their own.
    pub(super) store: &'a str,
    /// Of the keys.
    pub(super) key: Option<&'a str>,
}

/// How a password may have been turned into bytes.
pub(super) struct Spelling {
    /// For the key derivation of PKCS#12: UTF-16, big endian, with a zero at the end.
    bmp: Zeroizing<Vec<u8>>,
    /// For PBKDF2.
    plain: Zeroizing<Vec<u8>>,
}

/// The spellings of a password that are met, the right one first.
///
/// Source: `docs/domain/keystores.md` 4. OpenSSL before 1.1 took each byte for a letter; a terminal that is not set to
/// UTF-8 gives Latin-1 bytes; and no password is not the same as an empty one.
pub(super) fn spellings(password: &str) -> Vec<Spelling> {
    let bmp = |letters: &mut dyn Iterator<Item = u16>| -> Zeroizing<Vec<u8>> {
        Zeroizing::new(letters.chain([0]).flat_map(u16::to_be_bytes).collect())
    };
    let unicode = || bmp(&mut password.encode_utf16());
    let utf8 = || Zeroizing::new(password.as_bytes().to_vec());
    let mut spellings = vec![Spelling {
        bmp: unicode(),
        plain: utf8(),
    }];
    if password.is_empty() {
        spellings.push(Spelling {
            bmp: Zeroizing::default(),
            plain: Zeroizing::default(),
        });
    }
    if !password.is_ascii() {
        spellings.push(Spelling {
            bmp: bmp(&mut password.bytes().map(u16::from)),
            plain: utf8(),
        });
        let latin: Result<Zeroizing<Vec<u8>>, _> = password
            .chars()
            .map(u8::try_from)
            .collect::<Result<Vec<u8>, _>>()
            .map(Zeroizing::new);
        if let Ok(plain) = latin {
            spellings.push(Spelling {
                bmp: unicode(),
                plain,
            });
        }
    }
    spellings
}

/// How much more password hashing this store may ask for.
pub(super) struct Work(u64);

impl Work {
    pub(super) fn new() -> Self {
        Self(ITERATIONS_MAX)
    }

    fn spend(&mut self, iterations: u32, rounds: usize) -> Result<(), OpenError> {
        let cost = u64::from(iterations).saturating_mul(rounds as u64);
        self.0 = self.0.checked_sub(cost).ok_or(OpenError::TooCostly)?;
        Ok(())
    }
}

/// What the key derivation of PKCS#12 is to make.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// The key derivation of PKCS#12 (RFC 7292, appendix B.2).
pub(super) fn pkcs12_kdf(
    algorithm: &'static digest::Algorithm,
    purpose: Purpose,
    spelling: &Spelling,
    salt: &[u8],
    iterations: u32,
    length: usize,
    work: &mut Work,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let rounds = length.div_ceil(algorithm.output_len());
    work.spend(iterations, rounds)?;
    let block = algorithm.block_len();
    let filled = |bytes: &[u8]| -> Vec<u8> {
        let length = bytes.len().next_multiple_of(block);
        bytes.iter().copied().cycle().take(length).collect()
    };
    let mut input = Zeroizing::new([filled(salt), filled(&spelling.bmp)].concat());
    let mut derived = Zeroizing::new(Vec::with_capacity(rounds * algorithm.output_len()));
    for _ in 0..rounds {
        let mut context = digest::Context::new(algorithm);
        context.update(&vec![purpose as u8; block]);
        context.update(&input);
        let mut hash = context.finish();
        for _ in 1..iterations {
            hash = digest::digest(algorithm, hash.as_ref());
        }
        derived.extend_from_slice(hash.as_ref());
        for piece in input.chunks_exact_mut(block) {
            let mut carry = 1u16;
            let added = hash.as_ref().iter().cycle().take(block);
            let added: Vec<u8> = added.copied().collect();
            for (byte, add) in piece.iter_mut().zip(added).rev() {
                let sum = u16::from(*byte) + u16::from(add) + carry;
                // The low byte stays, the high one is the carry.
                *byte = sum as u8;
                carry = sum >> 8;
            }
        }
    }
    derived.truncate(length);
    Ok(derived)
}

/// Checks the check value of a PKCS#12 file: `mac` is its MacData, `data` what it is over.
///
/// # Errors
/// `WrongPassword` if it does not come out.
pub(super) fn verify_mac(
    mac: &Element<'_>,
    data: &[u8],
    spelling: &Spelling,
    work: &mut Work,
) -> Result<(), OpenError> {
    let mut fields = mac.reader();
    let mut digest_info = fields.expect(SEQUENCE)?.reader();
    let salt = fields.expect(OCTET_STRING)?.octets()?;
    let iterations = match fields.optional(INTEGER)? {
        Some(number) => iterations(&number)?,
        None => 1,
    };
    let mut algorithm = digest_info.expect(SEQUENCE)?.reader();
    let expected = digest_info.next()?.octets()?;
    let algorithm_id = algorithm.expect(OID)?.content;
    let (hash, key) = if algorithm_id == oid::PBMAC1 {
        pbmac1_key(algorithm.expect(SEQUENCE)?.reader(), spelling, work)?
    } else {
        let hash = hash(algorithm_id)?;
        let (length, digest) = (
            hash.digest_algorithm().output_len(),
            hash.digest_algorithm(),
        );
        let purpose = Purpose::Mac;
        let key = pkcs12_kdf(digest, purpose, spelling, &salt, iterations, length, work)?;
        (hash, key)
    };
    let key = hmac::Key::new(hash, &key);
    hmac::verify(&key, data, &expected).map_err(|_| OpenError::WrongPassword)
}

/// The hash of a check value, by its object identifier.
fn hash(id: &[u8]) -> Result<hmac::Algorithm, OpenError> {
    Ok(match id {
        oid::SHA1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        oid::SHA224 => hmac::HMAC_SHA224,
        oid::SHA256 => hmac::HMAC_SHA256,
        oid::SHA384 => hmac::HMAC_SHA384,
        oid::SHA512 => hmac::HMAC_SHA512,
        other => return Err(OpenError::Unsupported(oid::name(other))),
    })
}

/// The key of a PBMAC1 check value (RFC 9579).
fn pbmac1_key(
    mut parameters: Reader<'_>,
    spelling: &Spelling,
    work: &mut Work,
) -> Result<(hmac::Algorithm, Zeroizing<Vec<u8>>), OpenError> {
    let derivation = parameters.expect(SEQUENCE)?;
    let scheme = parameters.expect(SEQUENCE)?.reader().expect(OID)?.content;
    let hash = match scheme {
        oid::HMAC_SHA1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        oid::HMAC_SHA256 => hmac::HMAC_SHA256,
        oid::HMAC_SHA384 => hmac::HMAC_SHA384,
        oid::HMAC_SHA512 => hmac::HMAC_SHA512,
        other => return Err(OpenError::Unsupported(oid::name(other))),
    };
    let derivation = Pbkdf2::read(&derivation)?;
    // RFC 9579, 4: the length must be said, and below 20 bytes the file must be refused.
    let length = derivation.key_length.ok_or(MALFORMED)?;
    if !(20..=64).contains(&length) {
        return Err(MALFORMED);
    }
    Ok((hash, derivation.derive(spelling, length, work)?))
}

struct Pbkdf2 {
    salt: Vec<u8>,
    iterations: NonZeroU32,
    key_length: Option<usize>,
    hash: pbkdf2::Algorithm,
    /// In bytes.
    hash_length: usize,
}

impl Pbkdf2 {
    /// Reads the AlgorithmIdentifier (RFC 8018, A.2).
    fn read(algorithm: &Element<'_>) -> Result<Self, OpenError> {
        let mut algorithm = algorithm.reader();
        let id = algorithm.expect(OID)?.content;
        if id != oid::PBKDF2 {
            return Err(OpenError::Unsupported(oid::name(id)));
        }
        let mut fields = algorithm.expect(SEQUENCE)?.reader();
        let salt = fields.expect(OCTET_STRING)?.octets()?;
        let iterations = iterations(&fields.expect(INTEGER)?)?;
        let key_length = match fields.optional(INTEGER)? {
            Some(length) => Some(usize::try_from(length.unsigned()?).map_err(|_| MALFORMED)?),
            None => None,
        };
        let hash = match fields.optional(SEQUENCE)? {
            None => oid::HMAC_SHA1,
            Some(prf) => prf.reader().expect(OID)?.content,
        };
        let (hash, hash_length) = match hash {
            oid::HMAC_SHA1 => (pbkdf2::PBKDF2_HMAC_SHA1, 20),
            oid::HMAC_SHA256 => (pbkdf2::PBKDF2_HMAC_SHA256, 32),
            oid::HMAC_SHA384 => (pbkdf2::PBKDF2_HMAC_SHA384, 48),
            oid::HMAC_SHA512 => (pbkdf2::PBKDF2_HMAC_SHA512, 64),
            other => return Err(OpenError::Unsupported(oid::name(other))),
        };
        Ok(Self {
            salt,
            iterations: NonZeroU32::new(iterations).ok_or(MALFORMED)?,
            key_length,
            hash,
            hash_length,
        })
    }

    fn derive(
        &self,
        spelling: &Spelling,
        length: usize,
        work: &mut Work,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        // Once for each piece that is as long as the hash.
        work.spend(self.iterations.get(), length.div_ceil(self.hash_length))?;
        let mut key = Zeroizing::new(vec![0; length]);
        pbkdf2::derive(
            self.hash,
            self.iterations,
            &self.salt,
            &spelling.plain,
            &mut key,
        );
        Ok(key)
    }
}

fn iterations(number: &Element<'_>) -> Result<u32, OpenError> {
    match number.unsigned()? {
        0 => Err(MALFORMED),
        number => u32::try_from(number).map_err(|_| OpenError::TooCostly),
    }
}

/// Decrypts a part of a store. `algorithm` is its AlgorithmIdentifier.
///
/// # Errors
/// `WrongPassword` if what comes out is not what can have gone in.
pub(super) fn decrypt(
    algorithm: &Element<'_>,
    data: &[u8],
    spelling: &Spelling,
    work: &mut Work,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut algorithm = algorithm.reader();
    let id = algorithm.expect(OID)?.content;
    if id == oid::PBES2 {
        return pbes2(algorithm.expect(SEQUENCE)?.reader(), data, spelling, work);
    }
    let key_length = match id {
        oid::PBE_SHA1_3DES => 24,
        oid::PBE_SHA1_2DES | oid::PBE_SHA1_RC2_128 => 16,
        oid::PBE_SHA1_RC2_40 => 5,
        other => return Err(OpenError::Unsupported(oid::name(other))),
    };
    let mut fields = algorithm.expect(SEQUENCE)?.reader();
    let salt = fields.expect(OCTET_STRING)?.octets()?;
    let iterations = iterations(&fields.expect(INTEGER)?)?;
    let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
    let mut derive =
        |purpose, length| pkcs12_kdf(sha1, purpose, spelling, &salt, iterations, length, work);
    let key = derive(Purpose::Key, key_length)?;
    let iv = derive(Purpose::Iv, 8)?;
    if id == oid::PBE_SHA1_RC2_40 || id == oid::PBE_SHA1_RC2_128 {
        rc2(&key, &iv, data)
    } else {
        triple_des(&key, &iv, data)
    }
}

/// RFC 8018, 6.2.
fn pbes2(
    mut fields: Reader<'_>,
    data: &[u8],
    spelling: &Spelling,
    work: &mut Work,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let derivation = Pbkdf2::read(&fields.expect(SEQUENCE)?)?;
    let mut scheme = fields.expect(SEQUENCE)?.reader();
    let id = scheme.expect(OID)?.content;
    let length = match id {
        oid::AES_128_CBC => 16,
        oid::AES_192_CBC | oid::DES_EDE3_CBC => 24,
        oid::AES_256_CBC => 32,
        other => return Err(OpenError::Unsupported(oid::name(other))),
    };
    let iv = scheme.expect(OCTET_STRING)?.octets()?;
    let key = derivation.derive(spelling, length, work)?;
    match id {
        oid::AES_128_CBC => aes(&AES_128, &key, &iv, data),
        oid::AES_192_CBC => aes(&AES_192, &key, &iv, data),
        oid::AES_256_CBC => aes(&AES_256, &key, &iv, data),
        _ => triple_des(&key, &iv, data),
    }
}

fn aes(
    cipher: &'static Cipher,
    key: &[u8],
    iv: &[u8],
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    whole_blocks(data, 16)?;
    let iv: [u8; 16] = iv.try_into().map_err(|_| MALFORMED)?;
    let key = UnboundCipherKey::new(cipher, key)
        .and_then(PaddedBlockDecryptingKey::cbc_pkcs7)
        .map_err(|_| MALFORMED)?;
    let mut data = Zeroizing::new(data.to_vec());
    let length = key
        .decrypt(&mut data, DecryptionContext::Iv128(FixedLength::from(iv)))
        .map_err(|_| OpenError::WrongPassword)?
        .len();
    data.truncate(length);
    Ok(data)
}

/// With three keys or two.
fn triple_des(key: &[u8], iv: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    whole_blocks(data, 8)?;
    let whole: Zeroizing<Vec<u8>> = Zeroizing::new(key.iter().copied().cycle().take(24).collect());
    cbc::Decryptor::<des::TdesEde3>::new_from_slices(&whole, iv)
        .map_err(|_| MALFORMED)?
        .decrypt_padded_vec::<Pkcs7>(data)
        .map(Zeroizing::new)
        .map_err(|_| OpenError::WrongPassword)
}

fn rc2(key: &[u8], iv: &[u8], data: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    whole_blocks(data, 8)?;
    let cipher = rc2::Rc2::new_with_eff_key_len(key, key.len() * 8);
    cbc::Decryptor::inner_iv_slice_init(cipher, iv)
        .map_err(|_| MALFORMED)?
        .decrypt_padded_vec::<Pkcs7>(data)
        .map(Zeroizing::new)
        .map_err(|_| OpenError::WrongPassword)
}

fn whole_blocks(data: &[u8], block: usize) -> Result<(), OpenError> {
    if data.is_empty() || !data.len().is_multiple_of(block) {
        return Err(OpenError::Damaged(
            "an encrypted part has an impossible length",
        ));
    }
    Ok(())
}
