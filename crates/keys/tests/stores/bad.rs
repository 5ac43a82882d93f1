//! Bad stores: each gives one message with the setting, the file and the cause, and never a password.

use crate::is_full;
use crate::load::{load, load_at, message, place, several};
use crate::pki::{Kind, PKI, Pki};
use crate::tools::{Folder, openssl, text};
use crate::writers::{PASSWORD, Writer};
use crate::{only_key, open};
use config::Scope;
use keys::store::{self, Content, Entry};
use std::fs::{self, File};
use std::time::{Duration, SystemTime};

const YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);
const KEY: &str =
    "STMUX_TLS_KEY_STORE_FILE=mux.p12\nSTMUX_TLS_KEY_STORE_PASSWORD=secret of the store\n";

/// The one message about the store of the mux, which says all of this.
fn refused(folder: &Folder, lines: &str, now: SystemTime, says: &[&str]) {
    let faults = load_at(folder, Scope::Mux, lines, now).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let text = message(faults);
    for part in says {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(!text.contains(PASSWORD), "{text}");
    assert!(!text.contains("geheim"), "{text}");
}

fn refused_now(folder: &Folder, lines: &str, says: &[&str]) {
    refused(folder, lines, SystemTime::now(), says);
}

fn good(folder: &Folder) {
    let store = Writer::Openssl.key_store(folder, "p256", &["intermediate", "root"]);
    place(folder, &store, "mux.p12");
}

#[test]
fn a_store_that_was_cut_is_damaged_wherever_it_was() {
    for writer in [
        Writer::Openssl,
        Writer::KeytoolLegacy,
        Writer::KeytoolJks,
        Writer::Nss,
        Writer::Pem,
    ] {
        let folder = Folder::new();
        let store = writer.key_store(&folder, "p256", &["intermediate", "root"]);
        let bytes = fs::read(store).unwrap();
        // The newline at the end of a PEM file may go.
        let whole = bytes.trim_ascii_end().len();
        let step = if is_full() { 1 } else { whole / 23 };
        for end in (1..whole).step_by(step).chain([whole - 1]) {
            folder.write("mux.p12", &bytes[..end]);
            let setting = "STMUX_TLS_KEY_STORE_FILE";
            if writer == Writer::Pem {
                // What is left of it may be whole blocks, but never the key and its certificate.
                refused_now(&folder, KEY, &[setting, "mux.p12"]);
            } else {
                refused_now(&folder, KEY, &[setting, "mux.p12 cannot be opened"]);
            }
        }
    }
}

#[test]
fn a_wrong_password_is_said_of_its_setting() {
    for writer in [
        Writer::Openssl,
        Writer::OpensslLegacy,
        Writer::Keytool,
        Writer::KeytoolJks,
    ] {
        let folder = Folder::new();
        let store = writer.key_store(&folder, "p256", &["intermediate", "root"]);
        place(&folder, &store, "mux.p12");
        let lines = "STMUX_TLS_KEY_STORE_FILE=mux.p12\nSTMUX_TLS_KEY_STORE_PASSWORD=geheim";
        let says = [
            "sametime.ini:3: STMUX_TLS_KEY_STORE_PASSWORD: the password does not open",
            "mux.p12",
        ];
        refused_now(&folder, lines, &says);
    }
}

#[test]
fn a_missing_password_is_asked_for() {
    let folder = Folder::new();
    good(&folder);
    let says = [
        "STMUX_TLS_KEY_STORE_FILE",
        "mux.p12 has a password",
        "STMUX_TLS_KEY_STORE_PASSWORD is not set",
    ];
    refused_now(&folder, "STMUX_TLS_KEY_STORE_FILE=mux.p12", &says);
}

/// `docs/domain/tls-scopes.md` 16, D.
#[test]
fn half_an_override_is_recognised() {
    let folder = Folder::new();
    good(&folder);
    let lines = "ST_TLS_KEY_STORE_FILE=server.p12\nST_TLS_KEY_STORE_PASSWORD=geheim\n\
                 STMUX_TLS_KEY_STORE_FILE=mux.p12";
    refused_now(
        &folder,
        lines,
        &[
            "STMUX_TLS_KEY_STORE_FILE is set but STMUX_TLS_KEY_STORE_PASSWORD is not; the password of \
           ST_TLS_KEY_STORE_PASSWORD was tried and does not open mux.p12",
        ],
    );
}

#[test]
fn a_file_that_is_not_there_or_none_or_not_to_be_read_is_said_so() {
    let folder = Folder::new();
    refused_now(
        &folder,
        KEY,
        &["STMUX_TLS_KEY_STORE_FILE", "mux.p12 does not exist"],
    );
    fs::create_dir(folder.path("mux.p12")).unwrap();
    refused_now(
        &folder,
        KEY,
        &["STMUX_TLS_KEY_STORE_FILE", "mux.p12 is a directory"],
    );
    fs::remove_dir(folder.path("mux.p12")).unwrap();
    // Not even root reads through a link that leads to itself.
    std::os::unix::fs::symlink("mux.p12", folder.path("mux.p12")).unwrap();
    refused_now(
        &folder,
        KEY,
        &["STMUX_TLS_KEY_STORE_FILE", "mux.p12 cannot be read"],
    );
    fs::remove_file(folder.path("mux.p12")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(folder.path("mux.p12")).unwrap();
    refused_now(
        &folder,
        KEY,
        &["STMUX_TLS_KEY_STORE_FILE", "a pipe, a socket or a device"],
    );
    drop(socket);
}

#[test]
fn a_file_of_a_hundred_megabytes_is_refused_unread() {
    let folder = Folder::new();
    File::create(folder.path("mux.p12"))
        .unwrap()
        .set_len(100 * 1024 * 1024)
        .unwrap();
    refused_now(
        &folder,
        KEY,
        &["STMUX_TLS_KEY_STORE_FILE", "mux.p12 has 104857600 bytes"],
    );
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let folder = Folder::new();
    good(&folder);
    let says = ["STMUX_TLS_KEY_STORE_FILE", "mux.p12 has expired"];
    refused(&folder, KEY, SystemTime::now() + 2 * YEAR, &says);
    let says = ["STMUX_TLS_KEY_STORE_FILE", "mux.p12 is not yet valid"];
    refused(&folder, KEY, SystemTime::now() - YEAR, &says);
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let store = store::open(
        (PKI.key_pem("p384") + &PKI.pem("p256")).as_bytes(),
        "",
        None,
    )
    .unwrap();
    let (_, key, chain) = only_key(&store);
    let entry = Entry {
        alias: "mux".to_owned(),
        content: Content::Key {
            key: key.clone_key(),
            chain: chain.to_vec(),
        },
    };
    let folder = Folder::new();
    let bytes = store::write_pkcs12(&[entry], PASSWORD).unwrap();
    place(&folder, &folder.write("mismatch", bytes), "mux.p12");
    let says = [
        "STMUX_TLS_KEY_STORE_FILE",
        "mux.p12 does not belong to the certificate",
    ];
    refused_now(&folder, KEY, &says);
}

#[test]
fn a_chain_with_a_missing_link_is_refused() {
    for writer in [Writer::Openssl, Writer::Pem] {
        let folder = Folder::new();
        place(
            &folder,
            &writer.key_store(&folder, "p256", &["root"]),
            "mux.p12",
        );
        let says = [
            "STMUX_TLS_KEY_STORE_FILE",
            "mux.p12",
            "has a chain with a gap",
            "intermediate.example.com",
            "root.example.com",
        ];
        refused_now(&folder, KEY, &says);
    }
}

#[test]
fn a_weak_certificate_is_refused_by_the_level_that_it_does_not_meet() {
    let weak = Pki::new();
    let key = weak.path("rsa1024", "key");
    openssl(&["genrsa", "-out", text(&key), "1024"]);
    weak.self_signed("rsa1024", &[]);
    weak.key("sha1", Kind::Rsa);
    weak.self_signed("sha1", &["-sha1"]);

    let folder = Folder::new();
    let store = |name: &str| {
        let pem = weak.key_pem(name) + &weak.pem(name);
        place(&folder, &folder.write("weak", pem), "mux.p12");
    };
    let level = |level: u8| format!("{KEY}STMUX_TLS_SECURITY_LEVEL={level}");
    store("sha1");
    let material = load(&folder, Scope::Mux, &level(1)).unwrap();
    assert!(
        material
            .notes
            .iter()
            .any(|note| note.text.contains("SHA-1")),
        "{material:?}"
    );
    for number in [2, 3, 4] {
        let says = [
            &format!("STMUX_TLS_SECURITY_LEVEL={number}")[..],
            "STMUX_TLS_KEY_STORE_FILE",
            "mux.p12",
        ];
        refused_now(&folder, &level(number), &says);
    }
    store("rsa1024");
    let says = [
        "STMUX_TLS_SECURITY_LEVEL=2",
        "STMUX_TLS_KEY_STORE_FILE",
        "mux.p12",
        "1024",
    ];
    refused_now(&folder, &level(2), &says);
    // The level would take it, and the library does not.
    refused_now(
        &folder,
        &level(0),
        &["STMUX_TLS_KEY_STORE_FILE", "mux.p12", "1024", "2048"],
    );

    // Suite B wants elliptic curves throughout (docs/domain/tls-scopes.md 10).
    several(&folder, "mux.p12", &[("mux", "rsa")]);
    let says = [
        "STMUX_TLS_SECURITY_LEVEL=3",
        "STMUX_TLS_KEY_STORE_FILE",
        "mux.p12",
        "RSA",
    ];
    refused_now(&folder, &level(3), &says);
}

#[test]
fn a_store_of_the_wrong_kind_is_told() {
    let folder = Folder::new();
    place(
        &folder,
        &Writer::Openssl.trust_store(&folder, &["root"]),
        "mux.p12",
    );
    let says = [
        "STMUX_TLS_KEY_STORE_FILE",
        "mux.p12 holds no private key, but one certificate",
        "trust store?",
    ];
    refused_now(&folder, KEY, &says);

    let lines =
        "STLDAP_TLS_TRUST_STORE_FILE=mux.p12\nSTLDAP_TLS_TRUST_STORE_PASSWORD=secret of the store";
    let nothing = store::write_pkcs12(&[], PASSWORD).unwrap();
    folder.write("mux.p12", &nothing);
    assert!(
        open(&folder.path("mux.p12"), PASSWORD)
            .unwrap()
            .entries
            .is_empty()
    );
    let text = message(load(&folder, Scope::Ldap, lines).unwrap_err());
    assert!(text.contains("STLDAP_TLS_TRUST_STORE_FILE"), "{text}");
    assert!(text.contains("mux.p12 holds no certificate"), "{text}");
    refused_now(&folder, KEY, &["mux.p12 holds no private key, but nothing"]);
}

/// Every fault of a scope comes at once.
#[test]
fn faults_of_both_stores_come_together() {
    let folder = Folder::new();
    let lines =
        format!("{KEY}STMUX_TLS_TRUST_STORE_FILE=trust.p12\nSTMUX_TLS_TRUST_STORE_PASSWORD=geheim");
    let faults = load(&folder, Scope::Mux, &lines).unwrap_err();
    assert_eq!(faults.len(), 2);
    let text = message(faults);
    assert!(
        text.contains("mux.p12") && text.contains("trust.p12"),
        "{text}"
    );
}

#[test]
fn noise_in_a_store_never_changes_what_it_gives() {
    for writer in [Writer::Openssl, Writer::OpensslLegacy, Writer::KeytoolJks] {
        let folder = Folder::new();
        let store = writer.key_store(&folder, "p256", &["intermediate"]);
        let bytes = fs::read(store).unwrap();
        let whole = store::open(&bytes, PASSWORD, None).unwrap();
        let mut unnoticed = 0;
        let step = if is_full() { 1 } else { bytes.len() / 41 };
        for at in (0..bytes.len()).step_by(step) {
            let mut noisy = bytes.clone();
            noisy[at] ^= 0x41;
            // A byte that says nothing, as in the parameters of a hash that has none, may be any.
            if let Ok(opened) = store::open(&noisy, PASSWORD, None) {
                let (_, key, chain) = only_key(&opened);
                assert_eq!(key, only_key(&whole).1, "{writer:?} at {at}");
                assert_eq!(chain, only_key(&whole).2, "{writer:?} at {at}");
                assert_eq!(opened.remarks, [""; 0], "{writer:?} at {at}");
                unnoticed += 1;
            }
        }
        assert!(unnoticed < 8, "{writer:?}: {unnoticed}");
    }
}
