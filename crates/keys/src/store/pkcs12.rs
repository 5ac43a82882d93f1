//! Reading PKCS#12 (RFC 7292).

use super::ber::{
    BMP_STRING, CONTEXT_0, Element, INTEGER, OCTET_STRING, OID, Reader, SEQUENCE, SET,
};
use super::crypto::{self, Passwords, Spelling, Work};
use super::{Content, Entry, Format, OpenError, Store, chain, oid};
use crate::facts::printable;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::collections::{HashMap, HashSet};

/// Bags inside bags at most; nobody nests them at all.
const NESTING_MAX: usize = 4;

const NOT_AS_EXPECTED: OpenError = OpenError::Damaged("its parts are not those of a PKCS#12 file");

pub(super) fn open(bytes: &[u8], passwords: &Passwords<'_>) -> Result<Store, OpenError> {
    let mut pfx = Reader::new(bytes).expect(SEQUENCE)?.reader();
    match pfx.next()? {
        version if version.tag == INTEGER && version.content == [3] => {}
        // Keys begin with the version 0 or 1.
        version if version.tag == INTEGER && version.content.len() == 1 => {
            return Err(OpenError::NotAStore("a private key alone (DER)"));
        }
        first if first.tag == SEQUENCE => {
            return Err(OpenError::NotAStore(if chain::is_certificate(bytes) {
                "a certificate alone (DER)"
            } else {
                "some other DER structure"
            }));
        }
        _ => return Err(NOT_AS_EXPECTED),
    }
    let (kind, content) = content_info(&pfx.expect(SEQUENCE)?)?;
    if kind != oid::DATA {
        return Err(OpenError::Unsupported(oid::name(kind)));
    }
    let safe = content.octets()?;
    let mac = pfx.optional(SEQUENCE)?;
    if !pfx.is_empty() {
        // Passing it over would be passing over a check value whose tag was changed.
        return Err(NOT_AS_EXPECTED);
    }

    let mut work = Work::new();
    let mut outcome = Err(OpenError::WrongPassword);
    for spelling in crypto::spellings(passwords.store) {
        let mut bags = Bags::default();
        outcome = mac
            .map_or(Ok(()), |mac| {
                crypto::verify_mac(&mac, &safe, &spelling, &mut work)
            })
            .and_then(|()| {
                let mut opener = Opener {
                    spelling: &spelling,
                    key_spellings: passwords.key.map(crypto::spellings).unwrap_or_default(),
                    is_verified: mac.is_some(),
                    work: &mut work,
                };
                opener.safe(&safe, &mut bags)
            })
            .map(|()| bags);
        if !matches!(outcome, Err(OpenError::WrongPassword)) {
            break;
        }
    }
    let mut bags = outcome?;
    if mac.is_none() {
        bags.remarks
            .push("carries no check value, so nobody would notice if it were changed".to_owned());
    }
    Ok(bags.into_store())
}

/// A ContentInfo: what kind, and what is in its `[0]`.
fn content_info<'a>(info: &Element<'a>) -> Result<(&'a [u8], Element<'a>), OpenError> {
    let mut fields = info.reader();
    let kind = fields.expect(OID)?.content;
    let content = fields.expect(CONTEXT_0)?.reader().next()?;
    Ok((kind, content))
}

/// What the bags of a file hold, before keys and certificates find each other.
#[derive(Default)]
struct Bags {
    keys: Vec<KeyBag>,
    certificates: Vec<CertificateBag>,
    remarks: Vec<String>,
    count: chain::Count,
}

struct KeyBag {
    attributes: Attributes,
    key: PrivateKeyDer<'static>,
}

struct CertificateBag {
    attributes: Attributes,
    certificate: CertificateDer<'static>,
}

#[derive(Default)]
struct Attributes {
    friendly_name: Option<String>,
    local_key_id: Option<Vec<u8>>,
    /// Java's mark.
    trusted: bool,
}

/// Opens the parts of a file with one spelling of the password.
struct Opener<'a> {
    spelling: &'a Spelling,
    /// Of the keys' own password.
    key_spellings: Vec<Spelling>,
    /// Whether the check value vouches for the password.
    is_verified: bool,
    work: &'a mut Work,
}

impl Opener<'_> {
    /// AuthenticatedSafe.
    fn safe(&mut self, safe: &[u8], bags: &mut Bags) -> Result<(), OpenError> {
        let mut parts = Reader::new(safe).expect(SEQUENCE)?.reader();
        while !parts.is_empty() {
            let (kind, content) = content_info(&parts.expect(SEQUENCE)?)?;
            match kind {
                oid::DATA => self.contents(&content.octets()?, bags, 0)?,
                oid::ENCRYPTED_DATA => {
                    let mut fields = content.reader();
                    fields.expect(INTEGER)?;
                    let mut encrypted = fields.expect(SEQUENCE)?.reader();
                    encrypted.expect(OID)?;
                    let algorithm = encrypted.expect(SEQUENCE)?;
                    if encrypted.is_empty() {
                        continue;
                    }
                    let data = encrypted.next()?.octets()?;
                    let data = crypto::decrypt(&algorithm, &data, self.spelling, self.work)?;
                    let read = self.contents(&data, bags, 0);
                    // Padding may come out right by chance; then the bags are noise.
                    match read {
                        Err(OpenError::Damaged(_)) if !self.is_verified => {
                            return Err(OpenError::WrongPassword);
                        }
                        read => read?,
                    }
                }
                other => return Err(OpenError::Unsupported(oid::name(other))),
            }
        }
        Ok(())
    }

    /// SafeContents.
    fn contents(&mut self, data: &[u8], bags: &mut Bags, depth: usize) -> Result<(), OpenError> {
        let mut contents = Reader::new(data).expect(SEQUENCE)?.reader();
        while !contents.is_empty() {
            let mut bag = contents.expect(SEQUENCE)?.reader();
            let kind = bag.expect(OID)?.content;
            let value = bag.expect(CONTEXT_0)?.reader().next()?;
            let attributes = attributes(&mut bag)?;
            bags.count.entry()?;
            if kind == oid::KEY_BAG || kind == oid::SHROUDED_KEY_BAG {
                bags.count.key()?;
            }
            match kind {
                oid::KEY_BAG => bags.keys.push(KeyBag {
                    attributes,
                    key: pkcs8(value.whole),
                }),
                oid::SHROUDED_KEY_BAG => {
                    let key = self.shrouded_key(&value, &attributes, bags.keys.len())?;
                    bags.keys.push(KeyBag { attributes, key });
                }
                oid::CERTIFICATE_BAG => {
                    let mut fields = value.reader();
                    if fields.expect(OID)?.content != oid::X509_CERTIFICATE {
                        bags.remark("holds a certificate that is not X.509, which is passed over");
                        continue;
                    }
                    let certificate = fields.expect(CONTEXT_0)?.reader().next()?.octets()?;
                    bags.certificates.push(CertificateBag {
                        attributes,
                        certificate: certificate.into(),
                    });
                }
                oid::SECRET_BAG => {
                    bags.remark("holds a secret that is no private key, which is passed over");
                }
                oid::CRL_BAG => bags.remark("holds a revocation list, which is passed over"),
                oid::SAFE_CONTENTS_BAG if depth < NESTING_MAX => {
                    self.contents(value.whole, bags, depth + 1)?;
                }
                _ => bags.remark("holds a part of an unknown kind, which is passed over"),
            }
        }
        Ok(())
    }

    /// EncryptedPrivateKeyInfo, with the keys' own password first.
    fn shrouded_key(
        &mut self,
        value: &Element<'_>,
        attributes: &Attributes,
        index: usize,
    ) -> Result<PrivateKeyDer<'static>, OpenError> {
        for spelling in self.key_spellings.iter().chain([self.spelling]) {
            match private_key(value, spelling, self.work) {
                Err(OpenError::WrongPassword) => {}
                other => return other,
            }
        }
        if !self.is_verified {
            return Err(OpenError::WrongPassword);
        }
        let alias = attributes.friendly_name.clone();
        Err(OpenError::WrongKeyPassword {
            alias: alias.map_or_else(|| (index + 1).to_string(), |alias| printable(&alias)),
        })
    }
}

/// Decrypts an EncryptedPrivateKeyInfo.
///
/// # Errors
/// `WrongPassword` too if what comes out is no key.
pub(super) fn private_key(
    info: &Element<'_>,
    spelling: &Spelling,
    work: &mut Work,
) -> Result<PrivateKeyDer<'static>, OpenError> {
    let mut fields = info.reader();
    let algorithm = fields.expect(SEQUENCE)?;
    let data = fields.expect(OCTET_STRING)?.octets()?;
    let key = crypto::decrypt(&algorithm, &data, spelling, work)?;
    // SEQUENCE { INTEGER version, ...: padding may come out right by chance.
    let looks_right = Reader::new(&key)
        .expect(SEQUENCE)
        .and_then(|info| info.reader().expect(INTEGER));
    if looks_right.is_err() {
        return Err(OpenError::WrongPassword);
    }
    Ok(pkcs8(&key))
}

fn pkcs8(key: &[u8]) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.to_vec()))
}

/// The attributes behind a bag's value.
fn attributes(bag: &mut Reader<'_>) -> Result<Attributes, OpenError> {
    let mut found = Attributes::default();
    let Some(set) = bag.optional(SET)? else {
        return Ok(found);
    };
    let mut attributes = set.reader();
    while !attributes.is_empty() {
        let mut attribute = attributes.expect(SEQUENCE)?.reader();
        let kind = attribute.expect(OID)?.content;
        let mut values = attribute.expect(SET)?.reader();
        if values.is_empty() {
            continue;
        }
        let value = values.next()?;
        match kind {
            oid::FRIENDLY_NAME if value.tag == BMP_STRING => {
                let letters = value.content.as_chunks::<2>().0;
                let letters: Vec<u16> = letters.iter().copied().map(u16::from_be_bytes).collect();
                found.friendly_name = Some(String::from_utf16_lossy(&letters));
            }
            oid::LOCAL_KEY_ID => found.local_key_id = Some(value.octets()?),
            oid::TRUSTED_KEY_USAGE => found.trusted = true,
            _ => {}
        }
    }
    Ok(found)
}

impl Bags {
    fn remark(&mut self, text: &str) {
        if !self.remarks.iter().any(|remark| remark == text) {
            self.remarks.push(text.to_owned());
        }
    }

    /// Brings keys and certificates together: by public key, and by local key id
    /// where several certificates are for one key or none is; the issuers by name and signature.
    fn into_store(self) -> Store {
        let Self {
            keys,
            certificates: bags,
            remarks,
            ..
        } = self;
        // A certificate that stands twice counts once, as trusted if it is so anywhere.
        let mut certificates: Vec<CertificateBag> = Vec::new();
        let mut places: HashMap<CertificateDer<'static>, usize> = HashMap::new();
        for bag in bags {
            let seen = places.get(&bag.certificate);
            match seen.and_then(|&at| certificates.get_mut(at)) {
                Some(seen) if bag.attributes.trusted && !seen.attributes.trusted => {
                    seen.attributes.trusted = true;
                    seen.attributes.friendly_name = bag.attributes.friendly_name;
                }
                Some(seen) => {
                    let id = &mut seen.attributes.local_key_id;
                    *id = id.take().or(bag.attributes.local_key_id);
                }
                None => {
                    places.insert(bag.certificate.clone(), certificates.len());
                    certificates.push(bag);
                }
            }
        }
        // Each stands once in both, so they have the same places.
        let pool = chain::Pool::new(certificates.iter().map(|bag| &bag.certificate));
        let mut by_id: HashMap<&[u8], usize> = HashMap::new();
        for (at, bag) in certificates.iter().enumerate() {
            if let Some(id) = &bag.attributes.local_key_id {
                by_id.entry(id).or_insert(at);
            }
        }

        let has_keys = !keys.is_empty();
        let mut names = chain::Aliases::default();
        let mut entries = Vec::new();
        let mut in_chains: HashSet<CertificateDer<'static>> = HashSet::new();
        for KeyBag { attributes, key } in keys {
            let id = attributes.local_key_id.as_ref();
            let has_id = |at: &usize| {
                let bag = certificates.get(*at);
                id.is_some() && bag.and_then(|bag| bag.attributes.local_key_id.as_ref()) == id
            };
            // A certificate that only says that it belongs to the key is shown with it in the message about that.
            let for_key = pool.own(&key);
            let own = for_key
                .iter()
                .copied()
                .find(has_id)
                .or_else(|| for_key.first().copied())
                .or_else(|| by_id.get(id?.as_slice()).copied());
            let chain = own.map_or_else(Vec::new, |own| pool.chain(own, None));
            in_chains.extend(chain.iter().cloned());
            entries.push(Entry {
                alias: names.unique(attributes.friendly_name),
                content: Content::Key { key, chain },
            });
        }
        let mut loose = Vec::new();
        for bag in certificates {
            if bag.attributes.trusted || !has_keys {
                entries.push(Entry {
                    alias: names.unique(bag.attributes.friendly_name),
                    content: Content::Certificate(bag.certificate),
                });
            } else if !in_chains.contains(&bag.certificate) {
                loose.push(bag.certificate);
            }
        }
        Store {
            format: Format::Pkcs12,
            entries,
            loose,
            remarks,
        }
    }
}
