//! Stores of a scope, from a `sametime.ini` to what TLS works with.

use crate::pki::{Kind, PKI, Pki};
use crate::tools::{Folder, text};
use crate::writers::{PASSWORD, Writer};
use crate::{Shape, only_key, open};
use config::{Fault, Faults, IniFile, Scope, Sources, TlsSettings};
use keys::store::{self, Content, Entry};
use keys::{Identity, KeyAlgorithm, Material, Role};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The settings of a scope, from lines of section `[Config]` in a `sametime.ini` of this folder.
pub(crate) fn settings(folder: &Folder, scope: Scope, lines: &str) -> TlsSettings {
    let bytes = format!("[Config]\n{lines}\n").into_bytes();
    let path = folder.path("sametime.ini");
    let ini = Some(IniFile { path, bytes });
    let sources = Sources {
        ini,
        ..Sources::default()
    };
    let (config, _) = config::load(sources).unwrap_or_else(|faults| panic!("{faults}"));
    config.tls.of(scope).clone()
}

pub(crate) fn load(folder: &Folder, scope: Scope, lines: &str) -> Result<Material, Vec<Fault>> {
    load_at(folder, scope, lines, SystemTime::now())
}

pub(crate) fn load_at(
    folder: &Folder,
    scope: Scope,
    lines: &str,
    now: SystemTime,
) -> Result<Material, Vec<Fault>> {
    let role = match scope {
        Scope::Ldap => Role::Client,
        Scope::Saml => Role::Saml,
        _ => Role::Server,
    };
    keys::load(&settings(folder, scope, lines), role, now)
}

/// Moves a store to the folder, for the owner's eyes only.
pub(crate) fn place(folder: &Folder, store: &Path, name: &str) {
    let path = folder.path(name);
    std::fs::copy(store, &path).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A PKCS#12 key store with these keys, each with its chain.
pub(crate) fn several(folder: &Folder, name: &str, keys: &[(&str, &str)]) {
    let entries: Vec<Entry> = keys
        .iter()
        .map(|(alias, key)| {
            let pem = PKI.key_pem(key) + &PKI.pem(key) + &PKI.pem("intermediate");
            let store = store::open(pem.as_bytes(), "", None).unwrap();
            let (_, key, chain) = only_key(&store);
            Entry {
                alias: (*alias).to_owned(),
                content: Content::Key {
                    key: key.clone_key(),
                    chain: chain.to_vec(),
                },
            }
        })
        .collect();
    let bytes = store::write_pkcs12(&entries, PASSWORD).unwrap();
    place(folder, &folder.write("several", bytes), name);
}

pub(crate) fn notes(material: &Material) -> Vec<String> {
    material.notes.iter().map(ToString::to_string).collect()
}

pub(crate) fn message(faults: Vec<Fault>) -> String {
    Faults::from(faults).to_string()
}

const KEY: &str =
    "STMUX_TLS_KEY_STORE_FILE=mux.p12\nSTMUX_TLS_KEY_STORE_PASSWORD=secret of the store\n";

#[test]
fn a_good_store_beside_the_ini_is_taken_without_a_word() {
    let folder = Folder::new();
    let store = Writer::Keytool.key_store(&folder, "p256", &["root", "intermediate"]);
    place(&folder, &store, "mux.p12");
    let material = load(&folder, Scope::Mux, KEY).unwrap();
    assert_eq!(notes(&material), [""; 0]);
    let [identity] = &material.identities[..] else {
        panic!("{material:?}");
    };
    assert_eq!(identity.chain(), Shape::InOrder.chain("p256"));
    assert_eq!(identity.key_algorithm(), KeyAlgorithm::Ecdsa);
    assert_eq!(material.trusted, []);
    let files = keys::files(&settings(&folder, Scope::Mux, KEY));
    assert_eq!(files, [folder.path("mux.p12")]);
}

/// `docs/domain/keystores.md` 2 and 5.4.
#[test]
fn the_documented_recipe_is_taken_with_a_warning() {
    for kind in Kind::ALL {
        let folder = Folder::new();
        let name = format!("{}-recipe", kind.name());
        place(
            &folder,
            &Writer::Openssl.key_store(&folder, &name, &[]),
            "mux.p12",
        );
        let material = load(&folder, Scope::Mux, KEY).unwrap();
        let [note] = &notes(&material)[..] else {
            panic!("{material:?}");
        };
        assert!(note.contains("version 1"), "{note}");
        let [identity] = &material.identities[..] else {
            panic!("{material:?}");
        };
        assert_eq!(identity.certified_key().cert, identity.chain());
    }
}

#[test]
fn a_wrong_type_is_noted_and_the_store_opened() {
    let folder = Folder::new();
    let jks = Writer::KeytoolJks.key_store(&folder, "rsa", &["intermediate", "root"]);
    place(&folder, &jks, "mux.p12");
    let material = load(
        &folder,
        Scope::Mux,
        &format!("{KEY}STMUX_TLS_KEY_STORE_TYPE=p12"),
    )
    .unwrap();
    let [note] = &notes(&material)[..] else {
        panic!("{material:?}");
    };
    assert!(note.contains("STMUX_TLS_KEY_STORE_TYPE says p12"), "{note}");
    assert!(note.contains("is JKS"), "{note}");

    place(
        &folder,
        &Writer::Openssl.key_store(&folder, "rsa", &["intermediate", "root"]),
        "mux.p12",
    );
    let material = load(
        &folder,
        Scope::Mux,
        &format!("{KEY}STMUX_TLS_KEY_STORE_TYPE=jks"),
    )
    .unwrap();
    assert!(notes(&material)[0].contains("is PKCS#12"), "{material:?}");
}

/// `docs/domain/tls-scopes.md` 13.
#[test]
fn labels_choose_among_keys_without_regard_to_case() {
    let folder = Folder::new();
    several(
        &folder,
        "mux.p12",
        &[
            ("Old", "rsa"),
            ("New", "p256"),
            ("big", "p384"),
            ("d", "ed25519"),
        ],
    );
    let chosen = |labels: &str| {
        let lines = format!("{KEY}STMUX_TLS_KEY_LABEL={labels}");
        let material = load(&folder, Scope::Mux, &lines).unwrap();
        material
            .identities
            .iter()
            .map(Identity::key_algorithm)
            .collect::<Vec<_>>()
    };
    assert_eq!(chosen("old"), [KeyAlgorithm::Rsa]);
    assert_eq!(chosen("NEW"), [KeyAlgorithm::Ecdsa]);
    assert_eq!(chosen("new, OLD"), [KeyAlgorithm::Ecdsa, KeyAlgorithm::Rsa]);
    assert_eq!(
        chosen("d,old,\"big\""),
        [
            KeyAlgorithm::Ed25519,
            KeyAlgorithm::Rsa,
            KeyAlgorithm::Ecdsa
        ]
    );

    let text = message(load(&folder, Scope::Mux, KEY).unwrap_err());
    assert!(text.contains("STMUX_TLS_KEY_STORE_FILE"), "{text}");
    assert!(text.contains("\"Old\", \"New\", \"big\", \"d\""), "{text}");
    assert!(text.contains("STMUX_TLS_KEY_LABEL"), "{text}");

    let lines = format!("{KEY}STMUX_TLS_KEY_LABEL=older");
    let text = message(load(&folder, Scope::Mux, &lines).unwrap_err());
    assert!(
        text.contains("STMUX_TLS_KEY_LABEL: no key \"older\" is in"),
        "{text}"
    );
    assert!(text.contains("\"Old\""), "{text}");

    let lines = format!("{KEY}STMUX_TLS_KEY_LABEL=new,big");
    let text = message(load(&folder, Scope::Mux, &lines).unwrap_err());
    assert!(text.contains("\"big\" is the second ECDSA key"), "{text}");
}

#[test]
fn a_label_for_an_only_key_is_ignored_with_a_note_if_it_is_another_ones() {
    let folder = Folder::new();
    several(&folder, "mux.p12", &[("only", "rsa")]);
    let with = |label: &str| {
        load(
            &folder,
            Scope::Mux,
            &format!("{KEY}ST_TLS_KEY_LABEL={label}"),
        )
        .unwrap()
    };
    assert_eq!(notes(&with("ONLY")), [""; 0]);
    let material = with("other");
    assert!(
        notes(&material)[0].contains("ST_TLS_KEY_LABEL is not \"only\""),
        "{material:?}"
    );
    assert_eq!(material.identities.len(), 1);
}

/// `docs/domain/tls-scopes.md` 14.
#[test]
fn the_password_may_come_from_a_file_or_a_stash() {
    let folder = Folder::new();
    several(&folder, "mux.p12", &[("only", "rsa")]);
    let from_file =
        "STMUX_TLS_KEY_STORE_FILE=mux.p12\nSTMUX_TLS_KEY_STORE_PASSWORD_FILE=password\n";
    for content in [
        PASSWORD.to_owned(),
        format!("{PASSWORD}\n"),
        format!("{PASSWORD}\r\n"),
        format!("{PASSWORD}\n\n"),
    ] {
        let path = folder.write("password", content);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let material = load(&folder, Scope::Mux, from_file).unwrap();
        assert_eq!(notes(&material), [""; 0]);
    }
    // Of several lines it is the first one, as OpenSSL has it.
    folder.write("password", format!("{PASSWORD}\nof another store\n"));
    let material = load(&folder, Scope::Mux, from_file).unwrap();
    assert!(
        notes(&material)[0].contains("password has more than one line"),
        "{material:?}"
    );
    let files = keys::files(&settings(&folder, Scope::Mux, from_file));
    assert_eq!(files, [folder.path("mux.p12"), folder.path("password")]);
    for (content, cause) in [
        (format!("\n{PASSWORD}\n").into_bytes(), "does not open"),
        (vec![0xff, 0xfe], "is not text"),
        (vec![b'x'; 100_000], "100000 bytes"),
    ] {
        folder.write("password", content);
        let text = message(load(&folder, Scope::Mux, from_file).unwrap_err());
        assert!(text.contains("STMUX_TLS_KEY_STORE_PASSWORD_FILE"), "{text}");
        assert!(text.contains(cause), "{text}");
    }
    std::fs::remove_file(folder.path("password")).unwrap();
    let text = message(load(&folder, Scope::Mux, from_file).unwrap_err());
    assert!(text.contains("password does not exist"), "{text}");

    let stash =
        "STMUX_TLS_KEY_STORE_FILE=mux.p12\nSTMUX_TLS_KEY_STORE_PASSWORD_STASH_FILE=mux.sth\n";
    let text = message(load(&folder, Scope::Mux, stash).unwrap_err());
    assert!(text.contains("mux.sth does not exist"), "{text}");
    assert!(text.contains("STMUX_TLS_KEY_STORE_PASSWORD"), "{text}");
    let clear = format!("{stash}STMUX_TLS_KEY_STORE_PASSWORD={PASSWORD}");
    let first = settings(&folder, Scope::Mux, &clear);
    keys::load(&first, Role::Server, SystemTime::now()).unwrap();
    let kept = keys::stash::keep(first.key_store.as_ref().unwrap())
        .unwrap()
        .unwrap();
    let line = kept.removable.unwrap();
    let ini = format!("[Config]\n{clear}\n");
    let ini = config::without_setting(
        ini.as_bytes(),
        line.section,
        &line.name,
        line.value.expose(),
    );
    assert!(!String::from_utf8(ini).unwrap().contains(PASSWORD));
    load(&folder, Scope::Mux, stash).unwrap();
}

#[test]
fn store_files_that_others_may_read_are_noted() {
    let folder = Folder::new();
    several(&folder, "mux.p12", &[("only", "rsa")]);
    let path = folder.path("mux.p12");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let material = load(&folder, Scope::Mux, KEY).unwrap();
    let [note] = &notes(&material)[..] else {
        panic!("{material:?}");
    };
    assert!(
        note.contains("mux.p12 may be read by other users"),
        "{note}"
    );
}

/// `docs/domain/keystores.md` 5.2.
#[test]
fn a_trust_store_gives_every_certificate_in_it() {
    let lines =
        format!("STLDAP_TLS_TRUST_STORE_FILE=trust\nSTLDAP_TLS_TRUST_STORE_PASSWORD={PASSWORD}\n");
    for writer in [
        Writer::Openssl,
        Writer::OpensslLegacy,
        Writer::Keytool,
        Writer::KeytoolJks,
    ] {
        let folder = Folder::new();
        let store = writer.trust_store(&folder, &["root", "stranger"]);
        place(&folder, &store, "trust");
        let material = load(&folder, Scope::Ldap, &lines).unwrap();
        assert_eq!(material.trusted.len(), 2, "{writer:?}");
        assert_eq!(notes(&material), [""; 0], "{writer:?}");
        assert!(material.identities.is_empty());
    }
    let folder = Folder::new();
    let store = Writer::Openssl.key_store(&folder, "p256", &["intermediate", "root"]);
    place(&folder, &store, "trust");
    let material = load(&folder, Scope::Ldap, &lines).unwrap();
    assert_eq!(material.trusted, Shape::InOrder.chain("p256"));
    assert!(
        notes(&material)[0].contains("is a private key"),
        "{material:?}"
    );

    let later = SystemTime::now() + Duration::from_secs(400 * 24 * 60 * 60);
    let material = load_at(&folder, Scope::Ldap, &lines, later).unwrap();
    assert_eq!(material.trusted.len(), 3);
    let expired = notes(&material)
        .iter()
        .filter(|note| note.contains("has expired"))
        .count();
    assert_eq!(expired, 3);
}

#[test]
fn a_lone_certificate_is_taken_with_a_note_and_a_left_out_root_without() {
    let folder = Folder::new();
    place(
        &folder,
        &Writer::Keytool.key_store(&folder, "p256", &[]),
        "mux.p12",
    );
    let material = load(&folder, Scope::Mux, KEY).unwrap();
    let [note] = &notes(&material)[..] else {
        panic!("{material:?}");
    };
    assert!(note.contains("chain incomplete, issuer"), "{note}");
    assert!(note.contains("intermediate.example.com"), "{note}");

    place(
        &folder,
        &Writer::Keytool.key_store(&folder, "p384", &["intermediate"]),
        "mux.p12",
    );
    assert_eq!(notes(&load(&folder, Scope::Mux, KEY).unwrap()), [""; 0]);
}

/// `docs/domain/tls-scopes.md` 5.2.
#[test]
fn each_role_says_which_store_it_cannot_do_without() {
    let folder = Folder::new();
    for (scope, name) in [
        (Scope::Mux, "STMUX_TLS_KEY_STORE_FILE"),
        (Scope::Server, "STSRV_TLS_KEY_STORE_FILE"),
        (Scope::Ldap, "STLDAP_TLS_TRUST_STORE_FILE"),
        (Scope::Saml, "STSAML_TRUST_STORE_FILE"),
    ] {
        let text = message(load(&folder, scope, "").unwrap_err());
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn pem_files_need_neither_type_nor_password() {
    let folder = Folder::new();
    let store = Writer::Pem.key_store(&folder, "rsa", &["root", "intermediate"]);
    place(&folder, &store, "mux.pem");
    let material = load(&folder, Scope::Mux, "ST_TLS_KEY_STORE_FILE=mux.pem").unwrap();
    assert_eq!(material.identities[0].chain(), Shape::InOrder.chain("rsa"));
    assert_eq!(notes(&material), [""; 0]);
    assert!(open(&folder.path("mux.pem"), "any").is_ok());
    assert!(text(&folder.path("mux.pem")).ends_with("mux.pem"));
}

/// What counts of a root is its key (`docs/domain/tls-scopes.md` 10); public ones signed themselves with SHA-1.
#[test]
fn a_root_may_have_signed_itself_with_a_weak_hash() {
    let own = Pki::new();
    own.key("old", Kind::Rsa);
    own.self_signed("old", &["-sha1"]);
    let folder = Folder::new();
    place(&folder, &own.path("old", "crt"), "trust.pem");
    let lines = "STLDAP_TLS_TRUST_STORE_FILE=trust.pem\nSTLDAP_TLS_SECURITY_LEVEL=2";
    let material = load(&folder, Scope::Ldap, lines).unwrap();
    assert_eq!(notes(&material), [""; 0]);

    let lines = "STLDAP_TLS_TRUST_STORE_FILE=trust.pem\nSTLDAP_TLS_SECURITY_LEVEL=4";
    let material = load(&folder, Scope::Ldap, lines).unwrap();
    assert!(notes(&material)[0].contains("below the security level"));
}

#[test]
fn an_expired_issuer_is_noted() {
    let (own, folder) = (Pki::new(), Folder::new());
    let extensions = "basicConstraints=critical,CA:TRUE\n";
    let extensions = folder.write("extensions", extensions);
    for (name, kind) in [("ca", Kind::P256), ("server", Kind::P256)] {
        own.key(name, kind);
    }
    own.self_signed("ca", &["-extfile", text(&extensions), "-days", "10"]);
    own.signed("server", "ca", &["-days", "100"]);
    let pem = own.key_pem("server") + &own.pem("server") + &own.pem("ca");
    place(&folder, &folder.write("pem", pem), "mux.pem");
    let later = SystemTime::now() + Duration::from_secs(20 * 24 * 60 * 60);
    let lines = "STMUX_TLS_KEY_STORE_FILE=mux.pem";
    let material = load_at(&folder, Scope::Mux, lines, later).unwrap();
    let expired = notes(&material)
        .into_iter()
        .filter(|note| note.contains("its issuer"));
    assert_eq!(expired.count(), 1);
}
