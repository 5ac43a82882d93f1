//! The self-signed certificate on disk, looked at with OpenSSL.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use keys::Error;
use keys::self_signed::{self, Outcome};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "isochron-keys-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn load(dir: &Path, now: SystemTime) -> Result<keys::Identity, Error> {
    outcome(dir, now).map(|(identity, _)| identity)
}

fn outcome(dir: &Path, now: SystemTime) -> Result<(keys::Identity, Outcome), Error> {
    self_signed::load_or_create(dir, &["chat.example.com".to_owned()], now)
}

fn openssl(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(dir)
        .output()
        .expect("package openssl");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn openssl_reads_what_was_made() {
    let dir = Folder::new();
    let made = load(&dir.0, SystemTime::now()).unwrap();
    let shown = openssl(
        &dir.0,
        &[
            "x509",
            "-in",
            "mux.crt",
            "-noout",
            "-text",
            "-fingerprint",
            "-sha256",
        ],
    );
    for part in [
        "DNS:localhost",
        "DNS:chat.example.com",
        "IP Address:127.0.0.1",
        "CN = chat.example.com",
        "CA:FALSE",
        "TLS Web Server Authentication",
        "prime256v1",
        &made.fingerprint_display(),
    ] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    openssl(
        &dir.0,
        &["verify", "-x509_strict", "-CAfile", "mux.crt", "mux.crt"],
    );
    let mode = fs::metadata(dir.0.join("mux.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_same_certificate_is_shown_after_a_restart_until_it_expires() {
    let dir = Folder::new();
    let now = SystemTime::now();
    let (first, was) = outcome(&dir.0, now).unwrap();
    assert_eq!(was, Outcome::Created);
    let (again, was) = outcome(&dir.0, now).unwrap();
    assert_eq!(was, Outcome::Loaded);
    assert_eq!(again.fingerprint_sha256(), first.fingerprint_sha256());
    let later = now + Duration::from_secs(11 * 365 * 24 * 60 * 60);
    let (renewed, was) = outcome(&dir.0, later).unwrap();
    assert_eq!(was, Outcome::Renewed);
    assert_ne!(renewed.fingerprint_sha256(), first.fingerprint_sha256());
    assert!(renewed.not_after().unwrap() > later);
}

/// The power may fail after every step of the making of a pair, the first one or a later one.
#[test]
fn an_interrupted_pair_is_finished_or_made_anew() {
    let (old, new) = (Folder::new(), Folder::new());
    let before = load(&old.0, SystemTime::now())
        .unwrap()
        .fingerprint_sha256();
    let after = load(&new.0, SystemTime::now())
        .unwrap()
        .fingerprint_sha256();
    let key = fs::read(new.0.join("mux.key")).unwrap();
    let certificate = fs::read(new.0.join("mux.crt")).unwrap();
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();

    /// Files as a power cut leaves them, and whether the new pair is what comes of them.
    type Left<'a> = (&'a [(&'a str, &'a [u8])], bool);
    let stops: [Left<'_>; 5] = [
        (&[("mux.key.new", &half(&key))], false),
        (&[("mux.key.new", &key)], false),
        (
            &[("mux.key.new", &key), ("mux.crt.new", &half(&certificate))],
            false,
        ),
        (
            &[("mux.key.new", &key), ("mux.crt.new", &certificate)],
            true,
        ),
        (&[("mux.key", &key), ("mux.crt.new", &certificate)], true),
    ];
    for (left, finished) in stops {
        for renewing in [false, true] {
            let dir = Folder::new();
            if renewing {
                for name in ["mux.key", "mux.crt"] {
                    fs::copy(old.0.join(name), dir.0.join(name)).unwrap();
                }
            }
            for (name, bytes) in left {
                fs::write(dir.0.join(name), bytes).unwrap();
            }
            let names: Vec<_> = left.iter().map(|(name, _)| name).collect();
            let (got, was) = outcome(&dir.0, SystemTime::now())
                .unwrap_or_else(|error| panic!("{names:?}: {error}"));
            let got = got.fingerprint_sha256();
            match (finished, renewing) {
                (true, _) => assert_eq!((got, was), (after, Outcome::Loaded), "{names:?}"),
                (false, true) => assert_eq!((got, was), (before, Outcome::Loaded), "{names:?}"),
                (false, false) => assert_eq!(was, Outcome::Created, "{names:?}"),
            }
            // And it is the same from now on.
            assert_eq!(
                load(&dir.0, SystemTime::now())
                    .unwrap()
                    .fingerprint_sha256(),
                got
            );
        }
    }
}

#[test]
fn a_damaged_pair_is_said_and_kept() {
    let (one, other) = (Folder::new(), Folder::new());
    load(&one.0, SystemTime::now()).unwrap();
    load(&other.0, SystemTime::now()).unwrap();
    let certificate = fs::read(one.0.join("mux.crt")).unwrap();

    fs::copy(other.0.join("mux.key"), one.0.join("mux.key")).unwrap();
    let error = load(&one.0, SystemTime::now()).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");

    fs::write(one.0.join("mux.key"), "no key").unwrap();
    let error = load(&one.0, SystemTime::now()).unwrap_err();
    assert!(error.to_string().contains("mux.key is damaged"), "{error}");

    fs::remove_file(one.0.join("mux.key")).unwrap();
    let error = load(&one.0, SystemTime::now()).unwrap_err();
    assert!(
        error.to_string().contains("mux.key is missing beside"),
        "{error}"
    );
    assert_eq!(fs::read(one.0.join("mux.crt")).unwrap(), certificate);
}

#[test]
fn a_client_that_was_given_the_certificate_trusts_the_server() {
    let dir = Folder::new();
    let identity = load(&dir.0, SystemTime::now()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());

    let key = Arc::new(SingleCertAndKey::from(identity.certified_key()));
    let server_config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(key);
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(dir.0.join("mux.crt")).unwrap())
        .unwrap();
    let client_config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();

    for name in ["localhost", "chat.example.com", "127.0.0.1", "::1"] {
        let name = ServerName::try_from(name).unwrap();
        let mut server = ServerConnection::new(Arc::new(server_config.clone())).unwrap();
        let mut client = ClientConnection::new(Arc::new(client_config.clone()), name).unwrap();
        while client.is_handshaking() || server.is_handshaking() {
            let mut wire = Vec::new();
            client.write_tls(&mut wire).unwrap();
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            wire.clear();
            server.write_tls(&mut wire).unwrap();
            client.read_tls(&mut wire.as_slice()).unwrap();
            client.process_new_packets().unwrap();
        }
    }
}

#[test]
fn a_rehearsal_leaves_nothing_behind_and_sees_what_a_start_would() {
    let dir = Folder::new();
    let hosts = ["localhost".to_owned()];
    let now = SystemTime::now();
    let (_, outcome) = self_signed::rehearse(&dir.0, &hosts, now).unwrap();
    assert_eq!(outcome, Outcome::Created);
    assert_eq!(fs::read_dir(&dir.0).unwrap().count(), 0);

    let (made, _) = self_signed::load_or_create(&dir.0, &hosts, now).unwrap();
    let (seen, outcome) = self_signed::rehearse(&dir.0, &hosts, now).unwrap();
    assert_eq!(outcome, Outcome::Loaded);
    assert_eq!(seen.fingerprint_display(), made.fingerprint_display());

    fs::remove_file(dir.0.join(self_signed::KEY_FILE)).unwrap();
    assert!(matches!(
        self_signed::rehearse(&dir.0, &hosts, now),
        Err(Error::Half { .. })
    ));
}
