//! The certificate of a server that nobody has given one: made on first start, kept in the data folder.

use crate::{Error, Identity};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The certificate in the data folder, PEM.
pub const CERTIFICATE_FILE: &str = "mux.crt";
/// Its private key, PEM, readable by the owner only.
pub const KEY_FILE: &str = "mux.key";

/// How long a new certificate is good. Every renewal makes people accept a new fingerprint, and nothing but the
/// fingerprint vouches for it, so it is long; a site that wants short lives brings a certificate of its own.
const VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// Clocks of clients may be behind by this much.
const BACKDATED: Duration = Duration::from_secs(24 * 60 * 60);

/// Names that always stand in the certificate, beside the machine's own.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What [`load_or_create`] had to do for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The pair was there.
    Loaded,
    /// There was none yet.
    Created,
    /// The one there had expired: clients are shown a new fingerprint.
    Renewed,
}

/// Loads the certificate of the data folder, or makes one if there is none yet or the one there has expired.
///
/// A pair whose making was interrupted, by a power cut for instance, is finished or made anew.
///
/// # Errors
/// A pair of which one half is missing, damaged or does not fit the other: it is never replaced in silence,
/// because clients may have been told its fingerprint.
pub fn load_or_create(
    dir: &Path,
    host_names: &[String],
    now: SystemTime,
) -> Result<(Identity, Outcome), Error> {
    let (certificate, key) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
    finish_interrupted(&certificate, &key)?;
    load_or(&certificate, &key, now, || {
        create(&certificate, &key, host_names, now)
    })
}

/// What [`load_or_create`] would give, for a command that only looks: a pair that it would make is made in memory.
///
/// # Errors
/// As [`load_or_create`].
pub fn rehearse(
    dir: &Path,
    host_names: &[String],
    now: SystemTime,
) -> Result<(Identity, Outcome), Error> {
    let (certificate, key) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
    load_or(&certificate, &key, now, || {
        let (certificate_pem, key_pem) = make(host_names, now).map_err(Error::Generate)?;
        identity(
            (&certificate, certificate_pem.as_bytes()),
            (&key, key_pem.as_bytes()),
        )
    })
}

fn load_or(
    certificate: &Path,
    key: &Path,
    now: SystemTime,
    create: impl Fn() -> Result<Identity, Error>,
) -> Result<(Identity, Outcome), Error> {
    let half = |missing: &Path, present: &Path| Error::Half {
        missing: missing.to_owned(),
        present: present.to_owned(),
    };
    match (exists(certificate)?, exists(key)?) {
        (false, false) => return Ok((create()?, Outcome::Created)),
        (false, true) => return Err(half(certificate, key)),
        (true, false) => return Err(half(key, certificate)),
        (true, true) => {}
    }
    let identity = load(certificate, key)?;
    if identity.not_after()? <= now {
        return Ok((create()?, Outcome::Renewed));
    }
    Ok((identity, Outcome::Loaded))
}

/// The certificate of the data folder if one was made already; nothing is changed.
///
/// # Errors
/// As [`load_or_create`], but for an expired pair, which is given as it is.
pub fn present(dir: &Path) -> Result<Option<Identity>, Error> {
    let (certificate, key) = (dir.join(CERTIFICATE_FILE), dir.join(KEY_FILE));
    match exists(&certificate)? && exists(&key)? {
        true => load(&certificate, &key).map(Some),
        false => Ok(None),
    }
}

fn exists(path: &Path) -> Result<bool, Error> {
    path.try_exists().map_err(|cause| Error::File {
        path: path.to_owned(),
        cause,
    })
}

fn load(certificate: &Path, key: &Path) -> Result<Identity, Error> {
    identity((certificate, &read(certificate)?), (key, &read(key)?))
}

/// The pair of two PEM files, each given by its name for messages and its content.
fn identity(certificate: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<Identity, Error> {
    let damaged = |path: &Path| Error::Damaged {
        path: path.to_owned(),
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificate.1)
        .collect::<Result<_, _>>()
        .map_err(|_| damaged(certificate.0))?;
    if chain.is_empty() {
        return Err(damaged(certificate.0));
    }
    let private = PrivateKeyDer::from_pem_slice(key.1).map_err(|_| damaged(key.0))?;
    Identity::new(chain, private).map_err(|_| Error::Mismatch {
        certificate: certificate.0.to_owned(),
        key: key.0.to_owned(),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|cause| Error::File {
        path: path.to_owned(),
        cause,
    })
}

/// Makes a new pair: both files are whole under names of their own before either takes its place, so that
/// [`finish_interrupted`] can carry on from every point.
fn create(
    certificate: &Path,
    key: &Path,
    host_names: &[String],
    now: SystemTime,
) -> Result<Identity, Error> {
    let (certificate_pem, key_pem) = make(host_names, now).map_err(Error::Generate)?;
    write(&unfinished(key), key_pem.as_bytes(), 0o600)?;
    write(&unfinished(certificate), certificate_pem.as_bytes(), 0o644)?;
    put_in_place(key)?;
    put_in_place(certificate)?;
    load(certificate, key)
}

/// Puts a new pair in place if it had been written when the server stopped. Anything less of one is left to be
/// overwritten: then nothing has taken its place yet.
fn finish_interrupted(certificate: &Path, key: &Path) -> Result<(), Error> {
    let new_certificate = unfinished(certificate);
    if !exists(&new_certificate)? {
        return Ok(());
    }
    // The key goes first, so it may be in its place already.
    let new_key = unfinished(key);
    if exists(&new_key)? {
        if load(&new_certificate, &new_key).is_err() {
            return Ok(());
        }
        put_in_place(key)?;
    } else if load(&new_certificate, key).is_err() {
        return Ok(());
    }
    put_in_place(certificate)
}

fn make(host_names: &[String], now: SystemTime) -> Result<(String, String), rcgen::Error> {
    let mut names: Vec<String> = LOCAL_NAMES.map(str::to_owned).to_vec();
    // A machine's name that cannot stand in a certificate is left out; the fingerprint is what people check.
    let fits = |name: &&String| name.is_ascii() && !name.is_empty() && !names.contains(name);
    let more: Vec<String> = host_names.iter().filter(fits).cloned().collect();
    names.extend(more);
    let common_name = names.last().cloned().unwrap_or_default();

    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Isochron self-signed");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = (now - BACKDATED).into();
    params.not_after = (now + VALIDITY).into();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    params.serial_number = Some(serial(&key));
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

/// A serial number as unpredictable as the key that it is derived from.
fn serial(key: &KeyPair) -> SerialNumber {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.public_key_raw());
    let mut serial = digest.as_ref().to_vec();
    serial.truncate(16);
    if let Some(first) = serial.first_mut() {
        // Positive, and of the same length every time.
        *first = (*first & 0x7f) | 0x40;
    }
    SerialNumber::from(serial)
}

/// The name under which a file is written before it takes its place.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// Writes a file anew, so that every byte is on the disk.
fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let _ = fs::remove_file(path);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(content)?;
        file.sync_all()?;
        sync_folder(path)
    };
    write().map_err(|cause| Error::File {
        path: path.to_owned(),
        cause,
    })
}

/// Gives an unfinished file its name; the disk has it before the next step.
fn put_in_place(path: &Path) -> Result<(), Error> {
    fs::rename(unfinished(path), path)
        .and_then(|()| sync_folder(path))
        .map_err(|cause| Error::File {
            path: path.to_owned(),
            cause,
        })
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
