//! `isochron keystore` and `isochron truststore`, judged by `keytool` and `openssl`.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

use isochron_tests::desk::Desk;
use isochron_tests::pki::{Order, Workshop, keytool, openssl};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// With what a password may hold. Java opens no store of today's form whose password is not ASCII.
const PASSWORD: &str = "pass;#word=1 x";

/// A desk with the password of its stores in the file `pw`.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("pw", format!("{PASSWORD}\n"));
    desk
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// What `keytool -list` says about a store.
fn keytool_list(desk: &Desk, store: &str) -> String {
    let store = desk.path(store);
    keytool(&[
        "-list",
        "-v",
        "-keystore",
        text(&store),
        "-storepass",
        PASSWORD,
    ])
}

/// What `openssl pkcs12` finds in a store, and how it is protected.
fn openssl_pkcs12(desk: &Desk, store: &str) -> (String, String) {
    let (store, out) = (desk.path(store), desk.path("openssl.pem"));
    let password = format!("file:{}", text(&desk.path("pw")));
    let words = [
        "pkcs12",
        "-in",
        text(&store),
        "-passin",
        &password,
        "-nodes",
        "-out",
        text(&out),
    ];
    let _ = openssl(&words);
    let info = openssl(&["asn1parse", "-inform", "DER", "-in", text(&store)]);
    (
        std::fs::read_to_string(out).expect("openssl wrote it"),
        info,
    )
}

fn mode(path: &Path) -> u32 {
    let metadata = std::fs::metadata(path).expect("the file is there");
    metadata.permissions().mode() & 0o777
}

#[test]
fn a_new_key_store_is_read_by_java_and_openssl() {
    let desk = desk();
    for (number, (kind, java, line)) in [
        ("ec-p256", "256-bit EC", "EC P-256"),
        ("ec-p384", "384-bit EC", "EC P-384"),
        ("rsa-2048", "2048-bit RSA", "RSA 2048"),
        ("ed25519", "255-bit Ed25519", "Ed25519"),
    ]
    .into_iter()
    .enumerate()
    {
        let store = format!("{number}.p12");
        let said = desk.output(&format!(
            "keystore create {store} --alias mux --host chat.example.com --host 10.0.0.5 --key {kind} --password-file pw"
        ));
        assert!(
            said.contains("keystore csr"),
            "the next step is not told: {said}"
        );
        assert_eq!(mode(&desk.path(&store)), 0o600);

        let listed = keytool_list(&desk, &store);
        for part in [
            "Your keystore contains 1 entry",
            "Alias name: mux",
            "PrivateKeyEntry",
            java,
        ] {
            assert!(listed.contains(part), "{kind}: no {part:?}:\n{listed}");
        }
        assert!(
            listed.contains("DNSName: chat.example.com") && listed.contains("IPAddress: 10.0.0.5")
        );

        let (pem, structure) = openssl_pkcs12(&desk, &store);
        assert!(
            pem.contains("friendlyName: mux") && pem.contains("BEGIN PRIVATE KEY"),
            "{pem}"
        );
        assert!(structure.contains("pkcs7-data"), "{structure}");

        let shown = desk.output(&format!("keystore list {store} --password-file pw"));
        for part in [
            "mux",
            "chat.example.com, 10.0.0.5",
            "itself",
            line,
            "89 days left",
        ] {
            assert!(shown.contains(part), "{kind}: no {part:?}:\n{shown}");
        }
    }
}

#[test]
fn a_store_is_encrypted_as_is_usual_today() {
    let desk = desk();
    let _ =
        desk.output("keystore create k.p12 --alias mux --host a.example.com --password-file pw");
    let info = desk.path("k.p12");
    let password = format!("file:{}", text(&desk.path("pw")));
    // What it says about algorithms goes to standard error.
    let words = [
        "pkcs12",
        "-info",
        "-noout",
        "-in",
        text(&info),
        "-passin",
        &password,
    ];
    let output = isochron_tests::tool("openssl", "openssl")
        .args(words)
        .output()
        .expect("openssl starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("PBES2, PBKDF2, AES-256-CBC"), "{said}");
    assert!(said.contains("MAC: sha256"), "{said}");
    assert!(!said.contains("RC2") && !said.contains("3-Key"), "{said}");
}

#[test]
fn a_store_is_not_overwritten_by_a_slip() {
    let desk = desk();
    let _ = desk.output("keystore create k.p12 --alias one --host a --password-file pw");
    let before = std::fs::read(desk.path("k.p12")).expect("the store is there");

    let refusal = desk.refusal("keystore create k.p12 --alias two --host a --password-file pw");
    assert!(refusal.contains("k.p12") && refusal.contains("--force") && refusal.contains("--add"));
    let refusal =
        desk.refusal("keystore create k.p12 --alias ONE --host a --add --password-file pw");
    assert!(refusal.contains("one"), "{refusal}");
    desk.write("other", "another password\n");
    let refusal =
        desk.refusal("keystore create k.p12 --alias two --host a --add --password-file other");
    assert!(
        refusal.contains("k.p12") && refusal.contains("password"),
        "{refusal}"
    );
    let after = std::fs::read(desk.path("k.p12")).expect("the store is there");
    assert!(before == after, "a refused command changed the store");

    let _ = desk.output("keystore self-signed k.p12 --alias two --host b --days 30 --add --password-file pw --key rsa-2048");
    let listed = keytool_list(&desk, "k.p12");
    assert!(
        listed.contains("Your keystore contains 2 entries"),
        "{listed}"
    );
    let refusal = desk.refusal("keystore csr k.p12 --password-file pw");
    assert!(
        refusal.contains("one") && refusal.contains("two") && refusal.contains("--alias"),
        "{refusal}"
    );

    let _ = desk.output("keystore create k.p12 --alias three --host a --force --password-file pw");
    let listed = keytool_list(&desk, "k.p12");
    assert!(
        listed.contains("1 entry") && listed.contains("three"),
        "{listed}"
    );

    // Who may read a store is left to the administrator, and said.
    let everybody = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(desk.path("k.p12"), everybody).expect("the mode is changed");
    let line = "keystore create k.p12 --alias four --host a --add --password-file pw";
    let said = desk.run(line);
    assert!(said.success && said.err.contains("chmod 600"), "{said:?}");
    assert_eq!(mode(&desk.path("k.p12")), 0o644);
}

#[test]
fn from_a_new_key_over_the_authority_to_a_store_with_its_chain() {
    let desk = desk();
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let intermediate = work.issue(&root, "Test Intermediate", &Order::authority());

    let _ =
        desk.output("keystore create k.p12 --alias mux --host chat.example.com --password-file pw");
    let _ = desk.output(
        "keystore csr k.p12 --host chat.example.com --host meet.example.com --subject CN=chat.example.com,O=Example --out mux.csr --password-file pw",
    );
    let request = openssl(&[
        "req",
        "-in",
        text(&desk.path("mux.csr")),
        "-verify",
        "-noout",
        "-text",
    ]);
    assert!(
        request.contains("DNS:chat.example.com, DNS:meet.example.com"),
        "{request}"
    );
    assert!(request.contains("O = Example"), "{request}");
    // The names of the certificate in the store are the default.
    let printed = desk.output("keystore csr k.p12 --alias MUX --password-file pw");
    desk.write("default.csr", &printed);
    let request = openssl(&[
        "req",
        "-in",
        text(&desk.path("default.csr")),
        "-verify",
        "-noout",
        "-text",
    ]);
    assert!(request.contains("DNS:chat.example.com"), "{request}");

    desk.write(
        "ext",
        "subjectAltName=DNS:chat.example.com,DNS:meet.example.com\n",
    );
    let sign = |csr: &str, out: &str| {
        let _ = openssl(&[
            "x509",
            "-req",
            "-in",
            text(&desk.path(csr)),
            "-CA",
            text(&intermediate.certificate),
            "-CAkey",
            text(&intermediate.key),
            "-CAcreateserial",
            "-days",
            "200",
            "-extfile",
            text(&desk.path("ext")),
            "-out",
            text(&desk.path(out)),
        ]);
    };
    sign("mux.csr", "mux.crt");

    // A certificate of another key is refused, and the store stays as it is.
    let _ = desk
        .output("keystore create other.p12 --alias x --host chat.example.com --password-file pw");
    let other = desk.output("keystore csr other.p12 --password-file pw");
    desk.write("other.csr", &other);
    sign("other.csr", "other.crt");
    let refusal = desk.refusal("keystore import k.p12 --certificate other.crt --password-file pw");
    assert!(
        refusal.contains("other.crt") && refusal.contains("key"),
        "{refusal}"
    );

    // The chain comes in any order, with the root or without.
    let chain = [&root.certificate, &intermediate.certificate]
        .map(|file| std::fs::read_to_string(file).expect("openssl wrote it"))
        .concat();
    desk.write("chain.pem", &chain);
    let said = desk
        .output("keystore import k.p12 --certificate mux.crt --chain chain.pem --password-file pw");
    assert!(said.contains("mux"), "{said}");
    assert_eq!(mode(&desk.path("k.p12")), 0o600);
    let listed = keytool_list(&desk, "k.p12");
    assert!(listed.contains("Certificate chain length: 3"), "{listed}");
    assert!(listed.contains("Issuer: CN=Test Intermediate"), "{listed}");

    // What the web takes: certificate with its chain, and the key apart.
    let _ = desk.output("keystore export k.p12 --chain --out cert.crt --password-file pw");
    let _ = desk.output("keystore export k.p12 --key --out cert.key --password-file pw");
    assert_eq!(mode(&desk.path("cert.key")), 0o600);
    let certificate = openssl(&[
        "x509",
        "-in",
        text(&desk.path("cert.crt")),
        "-noout",
        "-pubkey",
    ]);
    let key = openssl(&["pkey", "-in", text(&desk.path("cert.key")), "-pubout"]);
    assert_eq!(certificate, key);
    let verified = openssl(&[
        "verify",
        "-CAfile",
        text(&root.certificate),
        "-untrusted",
        text(&desk.path("cert.crt")),
        text(&desk.path("cert.crt")),
    ]);
    assert!(verified.contains("OK"), "{verified}");
    let alone = desk.output("keystore export k.p12 --certificate --password-file pw");
    assert_eq!(alone.matches("BEGIN CERTIFICATE").count(), 1);
    let refusal = desk.refusal("keystore export k.p12 --key --out cert.key --password-file pw");
    assert!(
        refusal.contains("cert.key") && refusal.contains("--force"),
        "{refusal}"
    );

    // And back from the two files.
    let _ = desk.output("keystore import web.p12 --certificate cert.crt --key cert.key --alias web --password-file pw");
    let listed = keytool_list(&desk, "web.p12");
    assert!(
        listed.contains("Certificate chain length: 3") && listed.contains("Alias name: web"),
        "{listed}"
    );
}

#[test]
fn an_export_replaces_a_file_whole_and_never_the_store() {
    let desk = desk();
    let _ = desk.output("keystore create k.p12 --alias mux --host a --password-file pw");
    let _ = desk.output("keystore create other.p12 --alias mux --host b --password-file pw");
    let read = |file: &str| std::fs::read(desk.path(file)).expect("the file is there");
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(to, desk.path(name)).expect("a link is made");
    };
    let store = read("k.p12");
    link("k.p12", "link.p12");
    for from in ["k.p12", "link.p12"] {
        for out in ["k.p12", "./k.p12", "link.p12"] {
            for what in [
                "export --key",
                "export --chain",
                "export --certificate",
                "csr",
            ] {
                let (command, options) = what.split_once(' ').unwrap_or((what, ""));
                let refusal = desk.refusal(&format!(
                    "keystore {command} {from} {options} --out {out} --force --password-file pw"
                ));
                assert!(refusal.contains("the store itself"), "{refusal}");
                assert!(read("k.p12") == store, "{what} {from} --out {out}");
            }
        }
    }

    // What is replaced may have been for everybody, and a link stays one.
    desk.write("old.key", "an old key\n");
    let everybody = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(desk.path("old.key"), everybody).expect("the mode is changed");
    link("old.key", "link.key");
    let line = "keystore export k.p12 --key --out link.key --password-file";
    let refusal = desk.refusal(&format!("{line} pw"));
    assert!(refusal.contains("--force"), "{refusal}");
    desk.write("wrong", "not the password\n");
    let _ = desk.refusal(&format!("{line} wrong --force"));
    assert_eq!(read("old.key"), b"an old key\n");
    let _ = desk.output(&format!("{line} pw --force"));
    assert!(desk.path("link.key").is_symlink());
    assert!(String::from_utf8_lossy(&read("old.key")).contains("BEGIN PRIVATE KEY"));
    assert_eq!(mode(&desk.path("old.key")), 0o600);

    // Another store is a file like others.
    let _ = desk.output("keystore export k.p12 --key --out other.p12 --force --password-file pw");
    assert!(String::from_utf8_lossy(&read("other.p12")).contains("BEGIN PRIVATE KEY"));
}

/// As `openssl` reads a password file, and as the server does.
#[test]
fn the_password_of_a_file_is_its_first_line() {
    let desk = desk();
    desk.write("pw", format!("{PASSWORD}\nof another store\n"));
    let _ = desk.output("keystore create k.p12 --alias mux --host a --password-file pw");
    let (pem, _) = openssl_pkcs12(&desk, "k.p12");
    assert!(pem.contains("BEGIN PRIVATE KEY"));
    assert!(keytool_list(&desk, "k.p12").contains("Alias name: mux"));
    desk.write(
        "sametime.ini",
        "[Config]\nSTMUX_TLS_KEY_STORE_FILE=k.p12\nSTMUX_TLS_KEY_STORE_PASSWORD_FILE=pw\n",
    );
    for line in ["keystore list --scope mux", "tls test mux"] {
        let said = desk.run(line);
        assert!(said.success, "{line}: {said:?}");
    }
    let shown = desk.output("tls show --scope mux");
    assert!(shown.contains("pw has more than one line"), "{shown}");
}

#[test]
fn a_chain_with_a_missing_link_is_told() {
    let desk = desk();
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let intermediate = work.issue(&root, "Test Intermediate", &Order::authority());
    let leaf = work.issue(
        &intermediate,
        "a.example.com",
        &Order::server(&["a.example.com"]),
    );
    let said = desk.run(&format!(
        "keystore import k.p12 --certificate {} --key {} --alias a --password-file pw",
        text(&leaf.certificate),
        text(&leaf.key)
    ));
    assert!(said.success, "{said:?}");
    assert!(
        said.err.contains("Test Intermediate") && said.err.contains("--chain"),
        "{said:?}"
    );
}

#[test]
fn stores_of_any_age_are_taken_over() {
    let desk = desk();
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let leaf = work.issue(&root, "a.example.com", &Order::server(&["a.example.com"]));
    let modern = work.pkcs12("Mux", &leaf);
    let legacy = work.pkcs12_of(
        "Mux",
        &leaf.key,
        &leaf.chain,
        &modern.password,
        &["-legacy"],
    );
    let jks = work.jks(&modern);
    desk.write("from", format!("{}\n", modern.password));
    for (number, store) in [&modern, &legacy, &jks].into_iter().enumerate() {
        let line = format!(
            "keystore import {number}.p12 --from {} --from-password-file from --password-file pw",
            text(&store.path)
        );
        let said = desk.output(&line);
        assert!(said.to_lowercase().contains("mux"), "{said}");
        let listed = keytool_list(&desk, &format!("{number}.p12"));
        assert!(
            listed.contains("PrivateKeyEntry") && listed.contains("a.example.com"),
            "{listed}"
        );
        // Once more is a slip, unless it is said.
        let refusal = desk.refusal(&line);
        assert!(refusal.contains("--force"), "{refusal}");
        let _ = desk.output(&format!("{line} --force"));
    }
    desk.write("from", "wrong\n");
    let refusal = desk.refusal(&format!(
        "keystore import new.p12 --from {} --from-password-file from --password-file pw",
        text(&legacy.path)
    ));
    assert!(
        refusal.contains("password") && refusal.contains(&legacy.file_name()),
        "{refusal}"
    );
    assert!(!desk.path("new.p12").exists());
}

#[test]
fn a_trust_store_is_one_for_java_too() {
    let desk = desk();
    let work = Workshop::new();
    let one = work.root("Root One", &Order::authority());
    let two = work.root("Root Two", &Order::authority());
    let three = work.root("Root Three", &Order::authority());
    let bundle = [&one, &two]
        .map(|party| std::fs::read_to_string(&party.certificate).expect("openssl wrote it"))
        .concat();
    desk.write("bundle.pem", &bundle);
    let der = desk.path("three.der");
    let _ = openssl(&[
        "x509",
        "-in",
        text(&three.certificate),
        "-outform",
        "DER",
        "-out",
        text(&der),
    ]);

    let _ = desk.output("truststore add t.p12 --alias ldap bundle.pem --password-file pw");
    let _ = desk.output("truststore add t.p12 --alias three three.der --password-file pw");
    let listed = keytool_list(&desk, "t.p12");
    assert!(
        listed.contains("Your keystore contains 3 entries"),
        "{listed}"
    );
    assert_eq!(
        listed.matches("Entry type: trustedCertEntry").count(),
        3,
        "{listed}"
    );
    for alias in [
        "Alias name: ldap\n",
        "Alias name: ldap-2\n",
        "Alias name: three\n",
    ] {
        assert!(listed.contains(alias), "no {alias:?}:\n{listed}");
    }
    let (pem, _) = openssl_pkcs12(&desk, "t.p12");
    assert_eq!(pem.matches("BEGIN CERTIFICATE").count(), 3);

    // The same once more changes nothing; another certificate does not take its place.
    let said = desk.output("truststore add t.p12 --alias again three.der --password-file pw");
    assert!(said.contains("three") && said.contains("already"), "{said}");
    let spare = work.root("Root Four", &Order::authority());
    let refusal = desk.refusal(&format!(
        "truststore add t.p12 --alias THREE {} --password-file pw",
        text(&spare.certificate)
    ));
    assert!(refusal.contains("three"), "{refusal}");

    let json = desk.output("truststore list t.p12 --json --password-file pw");
    assert_eq!(json.matches("\"alias\"").count(), 3, "{json}");
    assert!(json.contains("\"subject\": \"CN=Root Two\""), "{json}");
    let shown = desk.output("truststore list t.p12 --password-file pw");
    assert!(shown.contains("CN=Root Three"), "{shown}");

    let _ = desk.output("truststore remove t.p12 --alias LDAP-2 --password-file pw");
    let listed = keytool_list(&desk, "t.p12");
    assert!(
        listed.contains("2 entries") && !listed.contains("Root Two"),
        "{listed}"
    );
    let refusal = desk.refusal("truststore remove t.p12 --alias ldap-2 --password-file pw");
    assert!(
        refusal.contains("ldap-2") && refusal.contains("three"),
        "{refusal}"
    );
}

#[test]
fn what_java_trusts_is_listed_and_added_to() {
    let desk = desk();
    let work = Workshop::new();
    let (one, two) = (
        work.root("Root One", &Order::authority()),
        work.root("Root Two", &Order::authority()),
    );
    let trust = work.trust(&[&one.certificate]);
    desk.write("pw", format!("{}\n", trust.password));
    let shown = desk.output(&format!(
        "truststore list {} --password-file pw",
        trust.path_text()
    ));
    assert!(
        shown.contains("trusted0") && shown.contains("CN=Root One"),
        "{shown}"
    );
    let _ = desk.output(&format!(
        "truststore add {} --alias two {} --password-file pw",
        trust.path_text(),
        text(&two.certificate)
    ));
    let listed = keytool(&[
        "-list",
        "-keystore",
        trust.path_text(),
        "-storepass",
        &trust.password,
    ]);
    assert!(listed.contains("2 entries"), "{listed}");
    assert_eq!(listed.matches("trustedCertEntry").count(), 2, "{listed}");
}

#[test]
fn an_old_java_store_is_not_written_but_converted() {
    let desk = desk();
    let work = Workshop::new();
    let root = work.root("Root One", &Order::authority());
    let jks = work.jks(&work.trust(&[&root.certificate]));
    desk.write("from", format!("{}\n", jks.password));
    let more = work.root("Root Two", &Order::authority());
    let refusal = desk.refusal(&format!(
        "truststore add {} --alias two {} --password-file from",
        jks.path_text(),
        text(&more.certificate)
    ));
    assert!(
        refusal.contains("JKS") && refusal.contains("keystore import"),
        "{refusal}"
    );
    let _ = desk.output(&format!(
        "keystore import t.p12 --from {} --from-password-file from --password-file pw",
        jks.path_text()
    ));
    let listed = keytool_list(&desk, "t.p12");
    assert!(
        listed.contains("trustedCertEntry") && listed.contains("CN=Root One"),
        "{listed}"
    );
}

#[test]
fn bad_input_is_one_sentence_and_no_password() {
    let desk = desk();
    let _ = desk.output("keystore create k.p12 --alias mux --host a --password-file pw");
    let whole = std::fs::read(desk.path("k.p12")).expect("the store is there");
    desk.write("cut.p12", &whole[..whole.len() / 2]);
    desk.write("empty.p12", "");
    desk.write("text.p12", "hello\n");
    std::fs::create_dir(desk.path("folder")).expect("a folder is made");
    desk.write("short", "abc\n");
    desk.write("wrong", "not the password\n");
    for (line, part) in [
        ("keystore list none.p12 --password-file pw", "none.p12"),
        ("keystore list cut.p12 --password-file pw", "cut.p12"),
        ("keystore list empty.p12 --password-file pw", "empty"),
        ("keystore list text.p12 --password-file pw", "text.p12"),
        ("keystore list folder --password-file pw", "folder"),
        ("keystore list k.p12 --password-file wrong", "password"),
        ("keystore list k.p12 --password-file none", "none"),
        (
            "keystore create n.p12 --alias a --password-file pw",
            "--host",
        ),
        (
            "keystore create n.p12 --alias a --host a/b --password-file pw",
            "a/b",
        ),
        (
            "keystore create n.p12 --alias a --host a --password-file short",
            "password",
        ),
        (
            "keystore create none/n.p12 --alias a --host a --password-file pw",
            "none/n.p12",
        ),
        (
            "truststore add t.p12 --alias a text.p12 --password-file pw",
            "text.p12",
        ),
        (
            "truststore remove t.p12 --alias a --password-file pw",
            "t.p12",
        ),
    ] {
        let refusal = desk.refusal(line);
        assert!(refusal.contains(part), "{line}: {refusal}");
        assert!(refusal.starts_with("isochron: "), "{line}: {refusal}");
        assert!(
            !refusal.contains(PASSWORD) && !refusal.contains("not the pass"),
            "{line}: {refusal}"
        );
    }
    assert!(!desk.path("n.p12").exists() && !desk.path("t.p12").exists());
}

#[test]
fn passwords_come_from_standard_input_too() {
    let desk = desk();
    let said = desk.run_with(
        &format!("{PASSWORD}\n"),
        "keystore create k.p12 --alias mux --host a --password-stdin",
    );
    assert!(said.success, "{said:?}");
    let shown = desk.output("keystore list k.p12 --password-file pw");
    assert!(shown.contains("mux"), "{shown}");
}

#[test]
fn a_password_that_java_would_not_take_is_noted_and_works() {
    let desk = desk();
    desk.write("pw", "pässwörd\n");
    let said = desk.run("keystore create k.p12 --alias mux --host a --password-file pw");
    assert!(said.success && said.err.contains("ASCII"), "{said:?}");
    let shown = desk.output("keystore list k.p12 --password-file pw");
    assert!(shown.contains("mux"), "{shown}");
    let (pem, _) = openssl_pkcs12(&desk, "k.p12");
    assert!(pem.contains("BEGIN PRIVATE KEY"));
}
