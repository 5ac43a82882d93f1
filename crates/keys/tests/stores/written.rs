//! What we write, read by the tools of other people.

use crate::pki::{Kind, PKI};
use crate::tools::{Folder, keytool, openssl, run, text};
use crate::writers::{PASSWORD, Writer};
use crate::{Shape, only_key, open, trusted};
use keys::store::edit::{self, EditError};
use keys::store::{self, Content, Entry, Format, Store, WriteError};

fn key_entry(name: &str, alias: &str) -> Entry {
    let pem = PKI.key_pem(name) + &PKI.pem(name) + &PKI.pem("intermediate") + &PKI.pem("root");
    let store = store::open(pem.as_bytes(), "", None).unwrap();
    let (_, key, chain) = only_key(&store);
    Entry {
        alias: alias.to_owned(),
        content: Content::Key {
            key: key.clone_key(),
            chain: chain.to_vec(),
        },
    }
}

fn trusted_entry(name: &str) -> Entry {
    Entry {
        alias: name.to_owned(),
        content: Content::Certificate(PKI.certificate(name)),
    }
}

#[test]
fn keytool_openssl_and_gnutls_read_a_key_store_of_ours() {
    let folder = Folder::new();
    for kind in Kind::ALL {
        let entry = key_entry(kind.name(), "the mux");
        let bytes = store::write_pkcs12(&[entry], PASSWORD).unwrap();
        let path = folder.write("store.p12", &bytes);
        let listed = keytool(&[
            "-list",
            "-v",
            "-keystore",
            text(&path),
            "-storepass",
            PASSWORD,
        ]);
        for line in [
            "Keystore type: PKCS12",
            "Your keystore contains 1 entry",
            "Alias name: the mux",
            "Entry type: PrivateKeyEntry",
            "Certificate chain length: 3",
        ] {
            assert!(listed.contains(line), "{line} of {listed}");
        }
        let secret = format!("pass:{PASSWORD}");
        let shown = openssl(&[
            "pkcs12",
            "-in",
            text(&path),
            "-passin",
            &secret,
            "-nodes",
            "-info",
        ]);
        assert_eq!(shown.matches("BEGIN CERTIFICATE").count(), 3);
        assert!(shown.contains("friendlyName: the mux"));
        // The key that came out signs what the certificate says.
        let out = folder.write("out.pem", &shown);
        let public = |what: &str| openssl(&[what, "-in", text(&out), "-noout", "-pubkey"]);
        let from_key = openssl(&["pkey", "-in", text(&out), "-pubout"]);
        assert_eq!(from_key, public("x509"));
        run(
            "certtool",
            &[
                "--p12-info",
                "--inder",
                "--infile",
                text(&path),
                "--password",
                PASSWORD,
            ],
        );

        let back = open(&path, PASSWORD).unwrap();
        let (alias, key, chain) = only_key(&back);
        assert_eq!(alias, "the mux");
        assert_eq!(chain, Shape::InOrder.chain(kind.name()));
        keys::Identity::new(chain.to_vec(), key.clone_key()).unwrap();
        assert_eq!(back.format, Format::Pkcs12);
    }
}

#[test]
fn java_takes_the_certificates_of_a_trust_store_of_ours_for_trusted() {
    let folder = Folder::new();
    let names = ["root", "stranger", "rsa-recipe"];
    let bytes = store::write_pkcs12(&names.map(trusted_entry), PASSWORD).unwrap();
    let path = folder.write("trust.p12", &bytes);
    let listed = keytool(&["-list", "-keystore", text(&path), "-storepass", PASSWORD]);
    assert_eq!(listed.matches("trustedCertEntry").count(), 3, "{listed}");
    let secret = format!("pass:{PASSWORD}");
    let shown = openssl(&["pkcs12", "-in", text(&path), "-passin", &secret, "-nokeys"]);
    assert_eq!(shown.matches("BEGIN CERTIFICATE").count(), 3);
    let back = open(&path, PASSWORD).unwrap();
    for (alias, certificate) in trusted(&back) {
        assert_eq!(*certificate, PKI.certificate(alias));
    }
}

#[test]
fn several_keys_and_trusted_certificates_stand_in_one_store_of_ours() {
    let folder = Folder::new();
    let mut entries: Vec<Entry> = Kind::ALL
        .iter()
        .map(|kind| key_entry(kind.name(), kind.name()))
        .collect();
    // An alias with letters that need two units in UTF-16.
    entries.push(Entry {
        alias: "Schlüssel 🔑".to_owned(),
        ..trusted_entry("stranger")
    });
    let bytes = store::write_pkcs12(&entries, PASSWORD).unwrap();
    let path = folder.write("store.p12", &bytes);
    let listed = keytool(&["-list", "-keystore", text(&path), "-storepass", PASSWORD]);
    assert_eq!(listed.matches("PrivateKeyEntry").count(), 4, "{listed}");
    assert_eq!(listed.matches("trustedCertEntry").count(), 1, "{listed}");
    let back = open(&path, PASSWORD).unwrap();
    assert_eq!(
        edit::aliases(&back),
        ["rsa", "p256", "p384", "ed25519", "Schlüssel 🔑"]
    );
    assert_eq!(back.loose, []);
}

#[test]
fn old_forms_of_keys_come_into_a_store_as_well() {
    let folder = Folder::new();
    for (kind, tag) in [
        (Kind::Rsa, "RSA PRIVATE KEY"),
        (Kind::P256, "EC PRIVATE KEY"),
    ] {
        let key = PKI.path(kind.name(), "key");
        let old = openssl(&["pkey", "-in", text(&key), "-traditional"]);
        assert!(old.contains(tag));
        let store = store::open((old + &PKI.pem(kind.name())).as_bytes(), "", None).unwrap();
        let bytes = store::write_pkcs12(&store.entries, PASSWORD).unwrap();
        let path = folder.write("store.p12", &bytes);
        let listed = keytool(&["-list", "-keystore", text(&path), "-storepass", PASSWORD]);
        assert!(listed.contains("PrivateKeyEntry"), "{listed}");
        only_key(&open(&path, PASSWORD).unwrap());
    }
}

#[test]
fn no_store_is_written_without_a_password() {
    let written = store::write_pkcs12(&[trusted_entry("root")], "");
    assert!(matches!(written, Err(WriteError::NoPassword)));
}

#[test]
fn an_authoritys_answer_goes_to_the_key_it_was_signed_for() {
    let folder = Folder::new();
    let path = Writer::Openssl.key_store(&folder, "p256-recipe", &[]);
    let mut store = open(&path, PASSWORD).unwrap();
    // In any order, with one that has nothing to do with it.
    let answer = ["root", "stranger", "p256", "intermediate"].map(|name| PKI.certificate(name));
    assert_eq!(edit::import(&mut store, &answer).unwrap(), ["p256-recipe"]);
    assert_eq!(only_key(&store).2, Shape::InOrder.chain("p256"));

    let others = ["root", "rsa"].map(|name| PKI.certificate(name));
    assert_eq!(
        edit::import(&mut store, &others),
        Err(EditError::ForAnotherKey)
    );
    assert_eq!(only_key(&store).2, Shape::InOrder.chain("p256"));

    // The link that was missing joins what was there already.
    let path = Writer::Openssl.key_store(&folder, "p384", &["root"]);
    let mut store = open(&path, PASSWORD).unwrap();
    assert_eq!(store.loose, [PKI.certificate("root")]);
    let answer = ["p384", "intermediate"].map(|name| PKI.certificate(name));
    edit::import(&mut store, &answer).unwrap();
    assert_eq!(only_key(&store).2, Shape::InOrder.chain("p384"));
    assert_eq!(store.loose, []);
}

#[test]
fn aliases_are_added_and_removed_without_regard_to_case() {
    let mut store = Store {
        format: Format::Pkcs12,
        entries: vec![trusted_entry("root")],
        loose: Vec::new(),
        remarks: Vec::new(),
    };
    let again = Entry {
        alias: "ROOT".to_owned(),
        ..trusted_entry("stranger")
    };
    let taken = edit::add(&mut store, again).unwrap_err();
    assert_eq!(taken, EditError::Taken("root".to_owned()));
    edit::add(&mut store, trusted_entry("stranger")).unwrap();
    edit::remove(&mut store, "Root").unwrap();
    let gone = edit::remove(&mut store, "root").unwrap_err().to_string();
    assert_eq!(
        gone,
        "there is no entry \"root\"; the store has \"stranger\""
    );
}
