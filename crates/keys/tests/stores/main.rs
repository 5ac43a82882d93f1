//! Stores as real tools write them, made in the test run: each is read, and what we write is read by them.
//!
//! The short form takes each value of each dimension once; `ISOCHRON_FULL=1` takes all of them with each other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what is wrong by failing, and clippy knows only test functions for tests"
)]

mod bad;
mod chains;
mod load;
mod pki;
mod tools;
mod writers;
mod written;

use keys::store::{self, Content, Entry, OpenError, Store, same_alias};
use pki::{Kind, PKI};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use tools::{Folder, is_full, keytool, openssl, text};
use writers::{PASSWORD, Writer};

/// How the certificates of a key store stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// By the documented recipe: self-signed, version 1.
    Recipe,
    /// The own certificate and nothing else.
    Alone,
    /// With intermediate and root.
    InOrder,
    /// The root before the intermediate.
    OutOfOrder,
}

impl Shape {
    const ALL: [Self; 4] = [Self::Recipe, Self::Alone, Self::InOrder, Self::OutOfOrder];

    fn others(self) -> &'static [&'static str] {
        match self {
            Self::Recipe | Self::Alone => &[],
            Self::InOrder => &["intermediate", "root"],
            Self::OutOfOrder => &["root", "intermediate"],
        }
    }

    fn chain(self, name: &str) -> Vec<CertificateDer<'static>> {
        let mut names = vec![name];
        if matches!(self, Self::InOrder | Self::OutOfOrder) {
            names.extend(["intermediate", "root"]);
        }
        names.iter().map(|name| PKI.certificate(name)).collect()
    }
}

fn open(path: &Path, password: &str) -> Result<Store, OpenError> {
    store::open(&std::fs::read(path).unwrap(), password, None)
}

/// The only key of a store with its chain.
fn only_key(store: &Store) -> (&str, &PrivateKeyDer<'static>, &[CertificateDer<'static>]) {
    match &store.entries[..] {
        [
            Entry {
                alias,
                content: Content::Key { key, chain },
            },
        ] => (alias, key, chain),
        other => panic!("{other:?}"),
    }
}

fn trusted(store: &Store) -> Vec<(&str, &CertificateDer<'static>)> {
    let entries = store.entries.iter().map(|entry| match &entry.content {
        Content::Certificate(certificate) => (entry.alias.as_str(), certificate),
        Content::Key { .. } => panic!("{entry:?}"),
    });
    entries.collect()
}

#[test]
fn every_tool_writes_key_stores_that_open() {
    let mut count = 0;
    for (row, writer) in Writer::ALL.into_iter().enumerate() {
        for (column, kind) in Kind::ALL.into_iter().enumerate() {
            for (depth, shape) in Shape::ALL.into_iter().enumerate() {
                let is_picked = (row + column) % Shape::ALL.len() == depth;
                let is_picked = is_picked && (!writer.is_slow() || column == row % Kind::ALL.len());
                // NSS of Debian 12 takes no such key.
                let is_possible = (writer, kind) != (Writer::Nss, Kind::Ed25519);
                if !is_possible || !(is_picked || is_full()) {
                    continue;
                }
                check_key_store(writer, kind, shape);
                count += 1;
            }
        }
    }
    let expected = if is_full() {
        (9 * 4 - 1) * 4
    } else {
        6 * 4 + 3
    };
    assert_eq!(count, expected);
}

fn check_key_store(writer: Writer, kind: Kind, shape: Shape) {
    let what = format!("{writer:?} {kind:?} {shape:?}");
    let folder = Folder::new();
    let name = match shape {
        Shape::Recipe => format!("{}-recipe", kind.name()),
        _ => kind.name().to_owned(),
    };
    let path = writer.key_store(&folder, &name, shape.others());
    let store = open(&path, PASSWORD).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(store.format, writer.format(), "{what}");
    let (alias, key, chain) = only_key(&store);
    if writer != Writer::Pem {
        assert!(same_alias(alias, &name), "{what}: {alias}");
    }
    assert_eq!(chain, shape.chain(&name), "{what}");
    assert_eq!(store.loose, [], "{what}");
    assert_eq!(store.remarks, [""; 0], "{what}");
    let identity = keys::Identity::new(chain.to_vec(), key.clone_key());
    identity.unwrap_or_else(|error| panic!("{what}: {error}"));
}

#[test]
fn every_tool_writes_trust_stores_that_open_with_and_without_javas_mark() {
    let names = ["root", "p256-recipe"];
    for writer in Writer::ALL {
        if writer == Writer::Nss {
            continue;
        }
        let folder = Folder::new();
        let path = writer.trust_store(&folder, &names);
        let store = open(&path, PASSWORD).unwrap_or_else(|error| panic!("{writer:?}: {error}"));
        let mut found: Vec<_> = trusted(&store)
            .into_iter()
            .map(|(_, one)| one.clone())
            .collect();
        let mut expected = names.map(|name| PKI.certificate(name)).to_vec();
        found.sort_by(|one, other| one.as_ref().cmp(other));
        expected.sort_by(|one, other| one.as_ref().cmp(other));
        assert_eq!(found, expected, "{writer:?}");
        let has_names = !matches!(
            writer,
            Writer::Pem | Writer::Gnutls | Writer::GnutlsTripleDes
        );
        for (alias, certificate) in trusted(&store).into_iter().filter(|_| has_names) {
            assert_eq!(*certificate, PKI.certificate(alias), "{writer:?}");
        }
    }
}

#[test]
fn a_store_may_hold_several_keys() {
    for writer in [Writer::Keytool, Writer::KeytoolJks] {
        let folder = Folder::new();
        let out = folder.path("several");
        for kind in Kind::ALL {
            let one = Writer::Openssl.key_store(&folder, kind.name(), &["root", "intermediate"]);
            writer.keytool_import(&one, &out);
        }
        let store = open(&out, PASSWORD).unwrap();
        assert_eq!(store.entries.len(), Kind::ALL.len());
        for entry in &store.entries {
            let Content::Key { chain, .. } = &entry.content else {
                panic!("{entry:?}");
            };
            assert_eq!(*chain, Shape::InOrder.chain(&entry.alias), "{writer:?}");
        }
    }
}

/// One file for everything: keys, and authorities that Java marked as trusted.
#[test]
fn keys_and_trusted_certificates_may_stand_in_one_store() {
    for (writer, kind) in [(Writer::Keytool, "PKCS12"), (Writer::KeytoolJks, "JKS")] {
        let folder = Folder::new();
        let path = writer.key_store(&folder, "p256", &["intermediate", "root"]);
        keytool(&[
            "-importcert",
            "-noprompt",
            "-keystore",
            text(&path),
            "-storepass",
            PASSWORD,
            "-storetype",
            kind,
            "-alias",
            "other",
            "-file",
            text(&PKI.path("stranger", "crt")),
        ]);
        let store = open(&path, PASSWORD).unwrap();
        assert_eq!(store.entries.len(), 2);
        assert_eq!(store.loose, []);
        for entry in &store.entries {
            match &entry.content {
                Content::Key { chain, .. } => assert_eq!(*chain, Shape::InOrder.chain("p256")),
                Content::Certificate(certificate) => {
                    assert_eq!(entry.alias, "other");
                    assert_eq!(*certificate, PKI.certificate("stranger"));
                }
            }
        }
    }
}

#[test]
fn passwords_of_all_letters_open_what_they_closed() {
    let (key, certificate) = (PKI.path("p256", "key"), PKI.path("p256", "crt"));
    for password in [
        "",
        " ",
        "Schlüßel",
        "пароль",
        "密码🔑",
        "mit # ; = \" Zeichen",
    ] {
        for legacy in [&[][..], &["-legacy"]] {
            let folder = Folder::new();
            let out = folder.path("store.p12");
            let secret = format!("pass:{password}");
            let export = [
                "pkcs12",
                "-export",
                "-in",
                text(&certificate),
                "-inkey",
                text(&key),
                "-out",
                text(&out),
                "-passout",
                &secret,
            ];
            openssl(&[&export, legacy].concat());
            let store = open(&out, password);
            assert!(store.is_ok(), "{password} {legacy:?}: {store:?}");
            assert_eq!(open(&out, "other").unwrap_err(), OpenError::WrongPassword);
        }
    }
    // keytool takes such letters for JKS only.
    let folder = Folder::new();
    let from = Writer::Openssl.key_store(&folder, "p256", &[]);
    let out = folder.path("store.jks");
    let password = folder.write("password", "Schlüßel");
    keytool(&[
        "-importkeystore",
        "-noprompt",
        "-srckeystore",
        text(&from),
        "-srcstorepass",
        PASSWORD,
        "-destkeystore",
        text(&out),
        "-deststoretype",
        "JKS",
        "-deststorepass:file",
        text(&password),
        "-J-Dfile.encoding=UTF-8",
    ]);
    // It leaves the key under the password that it had.
    let bytes = std::fs::read(&out).unwrap();
    only_key(&store::open(&bytes, "Schlüßel", Some(PASSWORD)).unwrap());
}

#[test]
fn a_key_may_have_a_password_of_its_own() {
    let folder = Folder::new();
    let from = Writer::Openssl.key_store(&folder, "rsa", &["intermediate", "root"]);
    let out = folder.path("store.jks");
    keytool(&[
        "-importkeystore",
        "-noprompt",
        "-srckeystore",
        text(&from),
        "-srcstorepass",
        PASSWORD,
        "-srcalias",
        "rsa",
        "-destkeystore",
        text(&out),
        "-deststoretype",
        "JKS",
        "-deststorepass",
        PASSWORD,
        "-destkeypass",
        "of the key",
    ]);
    let bytes = std::fs::read(&out).unwrap();
    let alias = "rsa".to_owned();
    let locked = OpenError::WrongKeyPassword { alias };
    assert_eq!(store::open(&bytes, PASSWORD, None).unwrap_err(), locked);
    assert_eq!(
        store::open(&bytes, PASSWORD, Some("wrong")).unwrap_err(),
        locked
    );
    let store = store::open(&bytes, PASSWORD, Some("of the key")).unwrap();
    assert_eq!(only_key(&store).2, Shape::InOrder.chain("rsa"));
}

#[test]
fn stores_without_a_check_value_or_without_encryption_open_with_a_remark() {
    let folder = Folder::new();
    let (key, certificate) = (PKI.path("p256", "key"), PKI.path("p256", "crt"));
    for more in [
        &["-nomac"][..],
        &["-nomac", "-certpbe", "NONE"],
        &["-nomac", "-certpbe", "NONE", "-keypbe", "NONE"],
    ] {
        let out = folder.path("store.p12");
        let export = [
            "pkcs12",
            "-export",
            "-in",
            text(&certificate),
            "-inkey",
            text(&key),
            "-out",
            text(&out),
            "-passout",
            "pass:geheim",
        ];
        openssl(&[&export, more].concat());
        let store = open(&out, "geheim").unwrap();
        only_key(&store);
        assert_eq!(store.remarks.len(), 1, "{more:?}");
        if !more.contains(&"-keypbe") {
            assert_eq!(open(&out, "wrong").unwrap_err(), OpenError::WrongPassword);
        }
    }
    // A trust store of newer Java: neither password nor check value.
    let root = PKI.path("root", "crt");
    let out = folder.path("trust.p12");
    keytool(&[
        "-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE",
        "-J-Dkeystore.pkcs12.macAlgorithm=NONE",
        "-importcert",
        "-noprompt",
        "-storetype",
        "PKCS12",
        "-keystore",
        text(&out),
        "-storepass",
        PASSWORD,
        "-alias",
        "root",
        "-file",
        text(&root),
    ]);
    let store = open(&out, "").unwrap();
    assert_eq!(trusted(&store), [("root", &PKI.certificate("root"))]);
}

#[test]
fn many_rounds_of_hashing_are_done_and_absurdly_many_are_not() {
    let folder = Folder::new();
    let (key, certificate) = (PKI.path("p256", "key"), PKI.path("p256", "crt"));
    let out = folder.path("store.p12");
    let export = |rounds: &str| {
        openssl(&[
            "pkcs12",
            "-export",
            "-in",
            text(&certificate),
            "-inkey",
            text(&key),
            "-out",
            text(&out),
            "-passout",
            "pass:geheim",
            "-iter",
            rounds,
        ]);
    };
    export("300000");
    only_key(&open(&out, "geheim").unwrap());

    // The count of the check value stands at the end: 300,000 becomes the most that four bytes hold.
    let mut bytes = std::fs::read(&out).unwrap();
    let at = bytes.len() - 5;
    assert_eq!(bytes[at..], [2, 3, 4, 0x93, 0xe0]);
    let more = [2, 4, 0x7f, 0xff, 0xff, 0xff];
    bytes.splice(at.., more);
    lengthen(&mut bytes);
    assert_eq!(
        store::open(&bytes, "geheim", None).unwrap_err(),
        OpenError::TooCostly
    );
}

/// Corrects the lengths of the outer sequence and of MacData, its last member, for one byte more.
fn lengthen(bytes: &mut [u8]) {
    assert_eq!(bytes[..2], [0x30, 0x82]);
    let length = u16::try_from(bytes.len() - 4).unwrap();
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    // MacData is short: its length is the byte behind the tag, and it reaches to the end.
    let at = (0..bytes.len() - 2)
        .rev()
        .find(|&at| bytes[at] == 0x30 && at + 2 + usize::from(bytes[at + 1]) == bytes.len() - 1)
        .unwrap();
    bytes[at + 1] += 1;
}

#[test]
fn files_that_are_no_store_are_told_apart() {
    let folder = Folder::new();
    let der = folder.path("certificate.der");
    let certificate = PKI.path("p256", "crt");
    openssl(&[
        "x509",
        "-in",
        text(&certificate),
        "-outform",
        "DER",
        "-out",
        text(&der),
    ]);
    let key_der = folder.path("key.der");
    let key = PKI.path("p256", "key");
    openssl(&[
        "pkey",
        "-in",
        text(&key),
        "-outform",
        "DER",
        "-out",
        text(&key_der),
    ]);
    let jceks = folder.path("store.jceks");
    let from = Writer::Openssl.key_store(&folder, "p256", &[]);
    keytool(&[
        "-importkeystore",
        "-noprompt",
        "-srckeystore",
        text(&from),
        "-srcstorepass",
        PASSWORD,
        "-destkeystore",
        text(&jceks),
        "-deststoretype",
        "JCEKS",
        "-deststorepass",
        PASSWORD,
    ]);
    let traditional = folder.path("traditional.pem");
    openssl(&[
        "rsa",
        "-in",
        text(&PKI.path("rsa", "key")),
        "-traditional",
        "-aes256",
        "-passout",
        "pass:geheim",
        "-out",
        text(&traditional),
    ]);
    let request = PKI.path("p256", "csr");
    for (path, message) in [
        (&der, "certificate alone"),
        (&key_der, "private key alone"),
        (&jceks, "JCEKS"),
        (&traditional, "old way of OpenSSL"),
        (&request, "certificate request"),
        (&folder.write("text", "Guten Tag"), "text without"),
        (&folder.write("zip", b"PK\x03\x04"), "ZIP"),
        (&folder.write("empty", b""), "empty"),
        (&folder.write("zeros", [0; 1000]), "zero bytes"),
    ] {
        let error = open(path, "geheim").unwrap_err().to_string();
        assert!(error.contains(message), "{}: {error}", path.display());
    }
}

#[test]
fn an_encrypted_pem_key_opens_with_its_password() {
    let folder = Folder::new();
    let key = folder.path("encrypted.key");
    for cipher in ["-aes256", "-aes128", "-des3"] {
        openssl(&[
            "pkcs8",
            "-topk8",
            "-in",
            text(&PKI.path("p256", "key")),
            "-v2",
            &cipher[1..],
            "-passout",
            "pass:geheim",
            "-out",
            text(&key),
        ]);
        let key = std::fs::read(&key).unwrap();
        let certificate = PKI.pem("p256") + &PKI.pem("intermediate");
        let pair = |password| store::open_pem_pair(certificate.as_bytes(), &key, password);
        assert_eq!(pair(None).unwrap_err(), OpenError::WrongPassword);
        let store = pair(Some("geheim")).unwrap();
        assert_eq!(only_key(&store).2.len(), 2);
    }
}

#[test]
fn what_authorities_send_is_read() {
    let folder = Folder::new();
    let (p256, chain) = (PKI.path("p256", "crt"), folder.path("chain.p7b"));
    let root = PKI.path("root", "crt");
    for form in ["PEM", "DER"] {
        openssl(&[
            "crl2pkcs7",
            "-nocrl",
            "-certfile",
            text(&p256),
            "-certfile",
            text(&root),
            "-outform",
            form,
            "-out",
            text(&chain),
        ]);
        let found = store::certificates(&std::fs::read(&chain).unwrap()).unwrap();
        assert_eq!(
            found,
            [PKI.certificate("p256"), PKI.certificate("root")],
            "{form}"
        );
    }
    let der = folder.path("certificate.der");
    openssl(&[
        "x509",
        "-in",
        text(&p256),
        "-outform",
        "DER",
        "-out",
        text(&der),
    ]);
    let found = store::certificates(&std::fs::read(&der).unwrap()).unwrap();
    assert_eq!(found, [PKI.certificate("p256")]);
    for nothing in [
        &b""[..],
        b"x",
        b"0\x03\x02\x01\x01",
        PKI.key_pem("p256").as_bytes(),
    ] {
        assert!(store::certificates(nothing).is_err());
    }
}

/// The newest check value, which no tool of Debian 12 writes: OpenSSL calculates it, and it is put together here as
/// RFC 9579 shows it.
#[test]
fn the_newest_check_value_is_understood() {
    let folder = Folder::new();
    let (key, certificate) = (PKI.path("p256", "key"), PKI.path("p256", "crt"));
    let out = folder.path("store.p12");
    openssl(&[
        "pkcs12",
        "-export",
        "-nomac",
        "-in",
        text(&certificate),
        "-inkey",
        text(&key),
        "-out",
        text(&out),
        "-passout",
        "pass:geheim",
    ]);
    let bytes = std::fs::read(&out).unwrap();
    // SEQUENCE, version, SEQUENCE, OID of data, [0], OCTET STRING: thirty bytes before what is checked.
    let (before, safe) = bytes.split_at(30);
    assert_eq!(before[26..28], [0x04, 0x82]);
    let checked = folder.write("checked", safe);

    for (hash, number, length) in [("SHA256", 9, 32), ("SHA384", 10, 48), ("SHA512", 11, 64)] {
        let derived = openssl(&[
            "kdf",
            "-keylen",
            &length.to_string(),
            "-kdfopt",
            &format!("digest:{hash}"),
            "-kdfopt",
            "pass:geheim",
            "-kdfopt",
            "hexsalt:0102030405060708",
            "-kdfopt",
            "iter:2048",
            "PBKDF2",
        ]);
        let hex: String = derived.trim().replace(':', "");
        let tag = openssl(&[
            "dgst",
            &format!("-{hash}"),
            "-mac",
            "HMAC",
            "-macopt",
            &format!("hexkey:{hex}"),
            text(&checked),
        ]);
        let tag = unhex(tag.trim().rsplit(' ').next().unwrap());
        let with_tag = |tag: &[u8]| {
            let hmac = der(
                0x30,
                &[&[6, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, number, 5, 0]],
            );
            let pkcs5 = |last| [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, last];
            let salt = der(4, &[&[1, 2, 3, 4, 5, 6, 7, 8]]);
            let rounds = [2, 2, 8, 0, 2, 1, length];
            let pbkdf2 = der(0x30, &[&pkcs5(12), &der(0x30, &[&salt, &rounds, &hmac])]);
            let pbmac1 = der(0x30, &[&pkcs5(14), &der(0x30, &[&pbkdf2, &hmac])]);
            let info = der(0x30, &[&pbmac1, &der(4, &[tag])]);
            let mac = der(0x30, &[&info, &der(4, &[b"NOT USED"]), &[2, 1, 1]]);
            der(0x30, &[&bytes[4..], &mac])
        };
        let store = store::open(&with_tag(&tag), "geheim", None).unwrap();
        only_key(&store);
        assert_eq!(store.remarks, [""; 0]);
        let mut other = tag.clone();
        other[0] ^= 1;
        for (tag, password) in [(&other, "geheim"), (&tag, "wrong")] {
            let error = store::open(&with_tag(tag), password, None).unwrap_err();
            assert_eq!(error, OpenError::WrongPassword);
        }
    }
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u16::try_from(content.len()).unwrap();
    let [high, low] = length.to_be_bytes();
    let header = match length {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [header, content].concat()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits
        .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
        .collect()
}
