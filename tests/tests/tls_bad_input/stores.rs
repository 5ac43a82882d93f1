//! Stores that cannot be opened, or that hold what cannot be shown.

use super::{NAME, party, party_of, store};
use isochron_tests::pki::{
    Digest, KeyKind, Order, STORE_PASSWORD, StoreFile, Validity, Workshop, keytool,
};
use isochron_tests::settings::{Attempt, Refusal};
use isochron_tests::{Ports, Settings, java};
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const KEY_FILE: &str = "STMUX_TLS_KEY_STORE_FILE";
const KEY_PASSWORD: &str = "STMUX_TLS_KEY_STORE_PASSWORD";

/// The one message about a key store, which names the file.
fn refused(store: &StoreFile) -> Refusal {
    refused_with(Settings::new(), store)
}

fn refused_with(settings: Settings, store: &StoreFile) -> Refusal {
    let refusal = settings.key_store("STMUX", store).refused().once();
    refusal.names(&[store.path_text()])
}

#[test]
fn a_store_that_was_cut_off_is_told_from_one_with_another_password() {
    let shop = Workshop::new();
    let party = party(&shop);
    let new = shop.pkcs12("mux", &party);
    let old = shop.pkcs12_of(
        "mux",
        &party.key,
        &party.chain,
        STORE_PASSWORD,
        &["-legacy"],
    );
    let jks = shop.jks(&new);
    for store in [new, old, jks] {
        let whole = std::fs::read(&store.path).expect("a tool wrote it");
        let length = whole.len();
        for cut in [0, 1, 4, 30, length / 2, length - 40, length - 1] {
            let part = shop.fresh(store.kind);
            std::fs::write(&part, &whole[..cut]).expect("a file is written");
            let part = StoreFile::new(part, STORE_PASSWORD, store.kind);
            let refusal = refused(&part).names(&[KEY_FILE]);
            assert!(
                !refusal.text.contains("wrong password"),
                "{cut} of {length} bytes of a {} store:\n{}",
                store.kind,
                refusal.text
            );
            refusal.hides(&[STORE_PASSWORD]);
        }
    }
}

#[test]
fn a_wrong_password_is_blamed_on_its_own_setting() {
    let shop = Workshop::new();
    let store = store(&shop);
    for mut store in [shop.jks(&store), store] {
        store.password = "never the right one".to_owned();
        refused(&store)
            .names(&[KEY_PASSWORD, "password"])
            .hides(&["never the right one", STORE_PASSWORD]);
    }
}

#[test]
fn a_missing_password_is_asked_for_by_name() {
    let shop = Workshop::new();
    let store = store(&shop);
    let refusal = Settings::new()
        .set(KEY_FILE, store.path_text())
        .refused()
        .once();
    refusal
        .names(&[KEY_PASSWORD, store.path_text()])
        .hides(&[STORE_PASSWORD]);
}

#[test]
fn a_password_file_that_is_not_there_is_named() {
    let shop = Workshop::new();
    let store = store(&shop);
    let file = shop.path("no-such-password");
    let file = file.to_str().expect("a plain name");
    let _ = Settings::new()
        .set(KEY_FILE, store.path_text())
        .set("STMUX_TLS_KEY_STORE_PASSWORD_FILE", file)
        .refused()
        .once()
        .names(&["STMUX_TLS_KEY_STORE_PASSWORD_FILE", file]);
}

#[test]
fn half_an_override_is_explained_word_for_word() {
    let shop = Workshop::new();
    let party = party(&shop);
    let global = shop.pkcs12("server", &party);
    let mux = shop.path("mux.p12");
    let other = shop.pkcs12_of("mux", &party.key, &party.chain, "another password", &[]);
    std::fs::rename(&other.path, &mux).expect("a file is renamed");
    Settings::new()
        .key_store("ST", &global)
        .set(KEY_FILE, mux.to_str().expect("a plain name"))
        .refused()
        .once()
        .names(&[
            "STMUX_TLS_KEY_STORE_FILE is set but STMUX_TLS_KEY_STORE_PASSWORD is not; the password of \
             ST_TLS_KEY_STORE_PASSWORD was tried and does not open",
            "mux.p12",
        ])
        .hides(&["another password", STORE_PASSWORD]);
}

#[test]
fn a_key_beside_the_certificate_of_another_is_refused() {
    let shop = Workshop::new();
    let (one, other) = (store(&shop), store(&shop));
    for kind in ["p12", "jks"] {
        let mixed = java::mix(&one, &other, &shop.fresh(kind), kind);
        refused(&mixed)
            .names(&[KEY_FILE, "does not belong"])
            .hides(&[STORE_PASSWORD]);
    }
}

#[test]
fn a_certificate_out_of_its_time_is_refused() {
    let shop = Workshop::new();
    for (validity, word) in [
        (Validity::Expired, "expired"),
        (Validity::NotYet, "not yet"),
    ] {
        let party = party_of(&shop, &Order::server(&[NAME]).validity(validity));
        let _ = refused(&shop.pkcs12("mux", &party)).names(&[KEY_FILE, word]);
    }
}

#[test]
fn a_certificate_below_the_level_is_refused_with_both_settings() {
    let shop = Workshop::new();
    let order = Order::server(&[NAME]);
    let rsa = |bits| order.clone().key(KeyKind::Rsa(bits));
    let sha1 = order.clone().digest(Digest::Sha1);
    for (level, order) in [
        ("2", rsa(1024)),
        ("2", sha1),
        ("3", rsa(2048)),
        ("4", rsa(4096)),
        ("4", order.clone()),
    ] {
        let store = shop.pkcs12("mux", &party_of(&shop, &order));
        let settings = Settings::new().set("STMUX_TLS_SECURITY_LEVEL", level);
        let _ = refused_with(settings, &store).names(&[KEY_FILE, "STMUX_TLS_SECURITY_LEVEL"]);
    }
}

#[test]
fn a_chain_with_a_missing_link_names_the_issuer_that_is_missing() {
    let shop = Workshop::new();
    let root = shop.root("Test Root", &Order::authority());
    let intermediate = shop.issue(&root, "Test Intermediate", &Order::authority());
    let leaf = shop.issue(&intermediate, NAME, &Order::server(&[NAME]));
    let read = |file: &Path| std::fs::read_to_string(file).expect("openssl wrote it");
    let gap = shop.path("gap.pem");
    std::fs::write(&gap, read(&leaf.certificate) + &read(&root.certificate))
        .expect("a file is written");
    let store = shop.pkcs12_of("mux", &leaf.key, &gap, STORE_PASSWORD, &[]);
    let _ = refused(&store).names(&[KEY_FILE, "Test Intermediate"]);
}

#[test]
fn two_keys_without_a_label_are_refused_with_their_aliases() {
    let shop = Workshop::new();
    let party = party(&shop);
    let both = shop.merged(&[
        &shop.pkcs12("first", &party),
        &shop.pkcs12("second", &party),
    ]);
    let _ = refused(&both).names(&["STMUX_TLS_KEY_LABEL", "first", "second"]);
    let settings = Settings::new().set("STMUX_TLS_KEY_LABEL", "third");
    let _ =
        refused_with(settings, &both).names(&["STMUX_TLS_KEY_LABEL", "third", "first", "second"]);
}

#[test]
fn a_store_without_a_private_key_is_no_key_store() {
    let shop = Workshop::new();
    let trust = shop.trust(&[&party(&shop).certificate]);
    let _ = refused(&trust).names(&[KEY_FILE, "private key"]);
}

#[test]
fn a_file_of_another_kind_is_told_what_it_is() {
    let shop = Workshop::new();
    let party = party(&shop);
    // PEM is a form that is read; it has to hold both.
    for (file, missing) in [
        (&party.certificate, "no private key"),
        (&party.key, "no certificate"),
    ] {
        let store = StoreFile::new(file.clone(), STORE_PASSWORD, "p12");
        let _ = refused(&store).names(&[KEY_FILE, missing]);
    }
    let text = shop.path("notes.txt");
    std::fs::write(&text, "a shopping list\n").expect("a file is written");
    let _ = refused(&StoreFile::new(text, STORE_PASSWORD, "p12")).names(&[KEY_FILE]);
}

#[test]
fn what_is_not_a_readable_file_is_refused_at_once() {
    let shop = Workshop::new();
    let none = shop.path("no-such.p12");
    let folder = shop.path("folder.p12");
    std::fs::create_dir(&folder).expect("a folder is made");
    let huge = shop.path("huge.p12");
    let file = File::create(&huge).expect("a file is made");
    file.set_len(100 * 1024 * 1024)
        .expect("a file takes a length");
    let pipe = shop.path("pipe.p12");
    let made = isochron_tests::tool("mkfifo", "coreutils")
        .arg(&pipe)
        .status();
    assert!(made.expect("mkfifo starts").success());
    for path in [none, folder, huge, pipe, "/dev/zero".into()] {
        let store = StoreFile::new(path, STORE_PASSWORD, "p12");
        refused(&store).names(&[KEY_FILE]).hides(&[STORE_PASSWORD]);
    }
}

#[test]
fn a_file_that_belongs_to_others_is_refused() {
    let shop = Workshop::new();
    let store = store(&shop);
    std::fs::set_permissions(&store.path, Permissions::from_mode(0o000)).expect("one's own file");
    let lines = Settings::new().key_store("STMUX", &store).lines();
    let attempt = Attempt::new(format!("[Config]\n{lines}").as_bytes()).as_user("nobody");
    attempt
        .refused()
        .once()
        .names(&[KEY_FILE, store.path_text(), "may not be read"])
        .hides(&[STORE_PASSWORD]);
}

#[test]
fn a_trust_store_is_looked_at_as_closely() {
    let shop = Workshop::new();
    let party = party(&shop);
    let key_store = shop.pkcs12("mux", &party);
    let settings = Settings::new()
        .key_store("STMUX", &key_store)
        .set("STMUX_TLS_CLIENT_AUTH", "2");

    let _ = settings
        .refused()
        .once()
        .names(&["STMUX_TLS_CLIENT_AUTH", "STMUX_TLS_TRUST_STORE_FILE"]);

    let mut trust = shop.trust(&[&party.root]);
    trust.password = "never the right one".to_owned();
    settings
        .clone()
        .trust_store("STMUX", &trust)
        .refused()
        .once()
        .names(&["STMUX_TLS_TRUST_STORE_PASSWORD", trust.path_text()])
        .hides(&["never the right one", STORE_PASSWORD]);

    let empty = shop.fresh("p12");
    let half = std::fs::read(&trust.path).expect("keytool wrote it");
    std::fs::write(&empty, &half[..half.len() / 2]).expect("a file is written");
    let empty = StoreFile::new(empty, STORE_PASSWORD, "p12");
    settings
        .trust_store("STMUX", &empty)
        .refused()
        .once()
        .names(&["STMUX_TLS_TRUST_STORE_FILE", empty.path_text()])
        .hides(&[STORE_PASSWORD]);
}

#[test]
fn every_scope_is_looked_at_and_a_shared_store_is_complained_of_once() {
    let shop = Workshop::new();
    let party = party(&shop);
    let mut key = shop.pkcs12("mux", &party);
    let mut trust = shop.trust(&[&party.root]);
    key.password = "never the right one".to_owned();
    trust.password = "never the right one".to_owned();
    for (settings, setting) in [
        (
            Settings::new().key_store("ST", &key),
            "ST_TLS_KEY_STORE_PASSWORD",
        ),
        (
            Settings::new().key_store("STSRV", &key),
            "STSRV_TLS_KEY_STORE_PASSWORD",
        ),
        (
            Settings::new().trust_store("STLDAP", &trust),
            "STLDAP_TLS_TRUST_STORE_PASSWORD",
        ),
        (
            Settings::new().trust_store("STSAML", &trust),
            "STSAML_TLS_TRUST_STORE_PASSWORD",
        ),
        (
            Settings::new()
                .set("STSAML_TRUST_STORE_FILE", trust.path_text())
                .set("STSAML_TRUST_STORE_PASSWORD", &trust.password),
            "STSAML_TRUST_STORE_PASSWORD",
        ),
    ] {
        settings
            .refused()
            .once()
            .names(&[setting])
            .hides(&["never the right one", STORE_PASSWORD]);
    }
}

#[test]
fn a_wrong_password_in_the_environment_is_blamed_on_the_variable() {
    let shop = Workshop::new();
    let store = store(&shop);
    let ini = format!(
        "[Config]\n{}",
        Settings::new().key_store("STMUX", &store).lines()
    );
    let variable = "STI__Config__STMUX_TLS_KEY_STORE_PASSWORD";
    Attempt::new(ini.as_bytes())
        .variable(variable, "never the right one")
        .refused()
        .once()
        .names(&[variable, store.path_text()])
        .hides(&["never the right one", STORE_PASSWORD]);
}

#[test]
fn a_key_with_a_password_of_its_own_is_asked_for_it() {
    let shop = Workshop::new();
    let store = StoreFile::new(shop.fresh("jks"), STORE_PASSWORD, "jks");
    let _ = keytool(&[
        "-genkeypair",
        "-storetype",
        "JKS",
        "-keystore",
        store.path_text(),
        "-storepass",
        STORE_PASSWORD,
        "-alias",
        "mux",
        "-keypass",
        "password of the key",
        "-keyalg",
        "EC",
        "-groupname",
        "secp256r1",
        "-dname",
        "CN=mux.example.com",
        "-ext",
        "san=dns:mux.example.com",
    ]);
    let settings = Settings::new().key_store("STMUX", &store);
    settings
        .refused()
        .once()
        .names(&["STMUX_TLS_KEY_PASSWORD", store.path_text()])
        .hides(&[STORE_PASSWORD, "password of the key"]);
    let mut server = settings
        .set("STMUX_TLS_KEY_PASSWORD", "password of the key")
        .start(Ports::StrictTls);
    server.stop();
}

#[test]
fn the_passwords_that_were_tried_are_not_printed_by_config_check_either() {
    let shop = Workshop::new();
    let mut store = store(&shop);
    store.password = "never the right one".to_owned();
    let lines = Settings::new().key_store("STMUX", &store).lines();
    let (accepted, text) = Attempt::new(format!("[Config]\n{lines}").as_bytes()).checked();
    assert!(!accepted, "{text}");
    assert!(text.contains(KEY_PASSWORD), "{text}");
    assert!(!text.contains("never the right one"), "{text}");
}
