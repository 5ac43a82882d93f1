//! Reading JKS, Java's own format of before Java 9.
//!
//! Source: `docs/domain/keystores.md` 5.3.

use super::ber::{OCTET_STRING, OID, Reader, SEQUENCE};
use super::crypto::Passwords;
use super::{Content, Entry, Format, OpenError, Store, chain, oid};
use crate::facts::printable;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA1_OUTPUT_LEN};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

const TAG_KEY: u32 = 1;
const TAG_CERTIFICATE: u32 = 2;
/// What Sun's programmers put into every check value.
const WHITENER: &[u8] = b"Mighty Aphrodite";

const CUT: OpenError =
    OpenError::Damaged("it ends too early, as a file does that was cut or not copied whole");
const MALFORMED: OpenError = OpenError::Damaged("its structure is not that of a JKS file");

pub(super) fn open(bytes: &[u8], passwords: &Passwords<'_>) -> Result<Store, OpenError> {
    let body_length = bytes.len().checked_sub(SHA1_OUTPUT_LEN).ok_or(CUT)?;
    let (body, check) = bytes.split_at_checked(body_length).ok_or(CUT)?;
    let raw = read(body)?;

    let store_password = utf16(passwords.store);
    let expected = sha1(&[&store_password, WHITENER, body]);
    verify_slices_are_equal(&expected, check).map_err(|_| OpenError::WrongPassword)?;

    let mut entries = Vec::new();
    let mut loose = Vec::new();
    let mut names = chain::Aliases::default();
    for RawEntry { alias, content } in raw {
        let content = match content {
            RawContent::Certificate(certificate) => Content::Certificate(certificate),
            RawContent::Key { hidden, chain } => {
                let own = passwords.key.map(utf16);
                let tried = own.iter().chain([&store_password]);
                let key = tried
                    .into_iter()
                    .find_map(|password| reveal(hidden, password).transpose())
                    .transpose()?
                    .ok_or_else(|| OpenError::WrongKeyPassword {
                        alias: printable(&alias),
                    })?;
                let pool = chain::Pool::new(&chain);
                // The first one is by custom the own one; if the key is another's, that is said later.
                let own = pool.own(&key).first().copied().unwrap_or(0);
                let ordered = pool.chain(own, None);
                loose.extend(chain::outside(&chain, [&ordered]));
                Content::Key {
                    key,
                    chain: ordered,
                }
            }
        };
        let alias = names.unique(Some(alias));
        entries.push(Entry { alias, content });
    }
    Ok(Store {
        format: Format::Jks,
        entries,
        loose,
        remarks: Vec::new(),
    })
}

struct RawEntry<'a> {
    alias: String,
    content: RawContent<'a>,
}

enum RawContent<'a> {
    Key {
        /// EncryptedPrivateKeyInfo.
        hidden: &'a [u8],
        chain: Vec<CertificateDer<'static>>,
    },
    Certificate(CertificateDer<'static>),
}

/// Everything before the check value. Nothing is allocated from a length or a count that the bytes do not bear out.
fn read(body: &[u8]) -> Result<Vec<RawEntry<'_>>, OpenError> {
    let mut fields = Fields { rest: body };
    // The magic, which the caller has seen.
    fields.number()?;
    let version = fields.number()?;
    if version != 1 && version != 2 {
        return Err(OpenError::Unsupported(format!("version {version} of JKS")));
    }
    let number = fields.number()?;
    let mut entries = Vec::new();
    let mut count = chain::Count::default();
    for _ in 0..number {
        count.entry()?;
        let tag = fields.number()?;
        let alias = fields.text()?;
        // When it was made, in milliseconds.
        fields.take(8)?;
        let content = match tag {
            TAG_KEY => {
                count.key()?;
                let hidden = fields.block()?;
                let length = fields.number()?;
                let mut chain = Vec::new();
                for _ in 0..length {
                    count.entry()?;
                    chain.push(fields.certificate(version)?);
                }
                RawContent::Key { hidden, chain }
            }
            TAG_CERTIFICATE => RawContent::Certificate(fields.certificate(version)?),
            _ => return Err(MALFORMED),
        };
        entries.push(RawEntry { alias, content });
    }
    if fields.rest.is_empty() {
        Ok(entries)
    } else {
        Err(MALFORMED)
    }
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], OpenError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(CUT)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, OpenError> {
        let (number, rest) = self.rest.split_first_chunk().ok_or(CUT)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*number))
    }

    /// Text with its length in two bytes. Java's own kind of UTF-8 differs from the real one in letters that no alias
    /// has.
    fn text(&mut self) -> Result<String, OpenError> {
        let (length, rest) = self.rest.split_first_chunk().ok_or(CUT)?;
        self.rest = rest;
        let text = self.take(usize::from(u16::from_be_bytes(*length)))?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// Bytes with their length in four bytes.
    fn block(&mut self) -> Result<&'a [u8], OpenError> {
        let length = usize::try_from(self.number()?).map_err(|_| CUT)?;
        self.take(length)
    }

    fn certificate(&mut self, version: u32) -> Result<CertificateDer<'static>, OpenError> {
        if version == 2 && !matches!(self.text()?.as_str(), "X.509" | "X509") {
            return Err(OpenError::Unsupported(
                "a certificate that is not X.509".to_owned(),
            ));
        }
        Ok(self.block()?.to_vec().into())
    }
}

/// A key under Sun's scheme: a key stream of SHA-1 over password and salt, and a check value. `None` if the password is
/// another one.
fn reveal(hidden: &[u8], password: &[u8]) -> Result<Option<PrivateKeyDer<'static>>, OpenError> {
    let mut info = Reader::new(hidden).expect(SEQUENCE)?.reader();
    let algorithm = info.expect(SEQUENCE)?.reader().expect(OID)?.content;
    if algorithm != oid::JKS_KEY_PROTECTOR {
        return Err(OpenError::Unsupported(oid::name(algorithm)));
    }
    let data = info.expect(OCTET_STRING)?.octets()?;
    let (salt, rest) = data.split_at_checked(SHA1_OUTPUT_LEN).ok_or(MALFORMED)?;
    let length = rest.len().checked_sub(SHA1_OUTPUT_LEN).ok_or(MALFORMED)?;
    let (encrypted, check) = rest.split_at_checked(length).ok_or(MALFORMED)?;

    let mut key = Zeroizing::new(encrypted.to_vec());
    let mut stream: [u8; SHA1_OUTPUT_LEN] = salt.try_into().map_err(|_| MALFORMED)?;
    for piece in key.chunks_mut(SHA1_OUTPUT_LEN) {
        stream = sha1(&[password, &stream]);
        piece
            .iter_mut()
            .zip(stream)
            .for_each(|(byte, mask)| *byte ^= mask);
    }
    let is_right = verify_slices_are_equal(&sha1(&[password, &key]), check).is_ok();
    Ok(is_right.then(|| PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()))))
}

fn utf16(password: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(password.encode_utf16().flat_map(u16::to_be_bytes).collect())
}

fn sha1(parts: &[&[u8]]) -> [u8; SHA1_OUTPUT_LEN] {
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    parts.iter().for_each(|part| context.update(part));
    let mut digest = [0; SHA1_OUTPUT_LEN];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}
