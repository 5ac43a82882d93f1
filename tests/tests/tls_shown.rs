//! Which certificate a listener shows, from stores of the tools that administrators have, as OpenSSL and GnuTLS
//! see it.
//!
//! Source: `docs/domain/keystores.md`, `docs/domain/tls-scopes.md`, 5 and 13.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

use isochron_tests::pki::{KeyKind, Order, Party, STORE_PASSWORD, StoreFile, Workshop};
use isochron_tests::visit::{TOOLS, Tool, Version, Visitor};
use isochron_tests::{Ports, Server, Settings};

const NAME: &str = "mux.example.com";

/// A leaf below an intermediate below a root.
fn chain(shop: &Workshop) -> Party {
    let root = shop.root("Test Root", &Order::authority());
    let intermediate = shop.issue(&root, "Test Intermediate", &Order::authority());
    shop.issue(&intermediate, NAME, &Order::server(&[NAME]))
}

/// The certificate and its chain are shown to both tools, which trust nothing but the root.
fn shows_chain(server: &Server, leaf: &Party) {
    for tool in TOOLS {
        let seen = Visitor::new(tool, server.tls_port())
            .trusting(&leaf.root, NAME)
            .served();
        let chain = seen.chain();
        assert!(
            chain.starts_with(&[NAME.to_owned(), "Test Intermediate".to_owned()]),
            "{tool:?} was shown {chain:?}"
        );
    }
}

#[test]
fn a_pkcs12_store_of_openssl_is_shown_with_its_chain_whatever_its_order() {
    let shop = Workshop::new();
    let leaf = chain(&shop);
    let read = |file| std::fs::read_to_string(file).expect("openssl wrote it");
    // The root first, then the leaf, then the intermediate, which the chain file has behind the leaf.
    let mixed = shop.path("mixed.pem");
    std::fs::write(&mixed, read(&leaf.root) + &read(&leaf.chain)).expect("a file is written");
    let store = shop.pkcs12_of("mux", &leaf.key, &mixed, STORE_PASSWORD, &[]);
    let mut server = Settings::new()
        .key_store("STMUX", &store)
        .start(Ports::Shared);
    shows_chain(&server, &leaf);
    server.stop();
}

#[test]
fn a_store_with_the_old_encryption_is_read_without_ado() {
    let shop = Workshop::new();
    let leaf = chain(&shop);
    let store = shop.pkcs12_of("mux", &leaf.key, &leaf.chain, STORE_PASSWORD, &["-legacy"]);
    let mut server = Settings::new()
        .key_store("ST", &store)
        .start(Ports::StrictTls);
    shows_chain(&server, &leaf);
    server.stop();
}

#[test]
fn a_java_key_store_is_shown_and_a_wrongly_declared_type_is_said_and_forgiven() {
    let shop = Workshop::new();
    let leaf = chain(&shop);
    let mut store = shop.jks(&shop.pkcs12("mux", &leaf));
    let mut server = Settings::new()
        .key_store("STMUX", &store)
        .start(Ports::StrictTls);
    shows_chain(&server, &leaf);
    server.stop();

    store.kind = "p12";
    let mut server = Settings::new()
        .key_store("STMUX", &store)
        .start(Ports::StrictTls);
    shows_chain(&server, &leaf);
    server.wait_said(&["STMUX_TLS_KEY_STORE_TYPE"]);
    server.stop();
}

#[test]
fn the_password_may_be_of_any_letters_or_in_a_file() {
    let shop = Workshop::new();
    let leaf = chain(&shop);
    let password = "Schlüssel; #1 = gr\u{f6}ßer€";
    let store = shop.pkcs12_of("mux", &leaf.key, &leaf.chain, password, &[]);
    let mut server = Settings::new()
        .key_store("STMUX", &store)
        .start(Ports::StrictTls);
    shows_chain(&server, &leaf);
    server.stop();

    let file = shop.path("password");
    std::fs::write(&file, format!("{password}\n")).expect("a file is written");
    let mut server = Settings::new()
        .set("STMUX_TLS_KEY_STORE_FILE", store.path_text())
        .set(
            "STMUX_TLS_KEY_STORE_PASSWORD_FILE",
            file.to_str().expect("a plain name"),
        )
        .start(Ports::StrictTls);
    shows_chain(&server, &leaf);
    server.stop();
}

/// A store of `keytool` with an ECDSA key `ec` and an RSA key `rsa`.
fn two_keys(shop: &Workshop) -> (Party, StoreFile) {
    let root = shop.root("Test Root", &Order::authority());
    let order = Order::server(&[NAME]);
    let ec = shop.issue(&root, NAME, &order);
    let rsa = shop.issue(&root, NAME, &order.key(KeyKind::Rsa(2048)));
    let store = shop.merged(&[&shop.pkcs12("ec", &ec), &shop.pkcs12("rsa", &rsa)]);
    (ec, store)
}

#[test]
fn of_several_keys_the_label_chooses_one() {
    let shop = Workshop::new();
    let (party, store) = two_keys(&shop);
    // Java compares aliases without case, and so do we.
    for (label, signature) in [("RSA", "RSA"), ("ec", "ECDSA")] {
        let mut server = Settings::new()
            .key_store("STMUX", &store)
            .set("STMUX_TLS_KEY_LABEL", label)
            .start(Ports::StrictTls);
        let seen = Visitor::new(Tool::OpenSsl, server.tls_port())
            .trusting(&party.root, NAME)
            .served();
        assert!(
            seen.cipher().starts_with(&format!("ECDHE-{signature}-")),
            "{label}: {}",
            seen.cipher()
        );
        server.stop();
    }
}

#[test]
fn of_several_labels_the_client_takes_the_key_that_it_understands() {
    let shop = Workshop::new();
    let (party, store) = two_keys(&shop);
    let mut server = Settings::new()
        .key_store("STMUX", &store)
        .set("STMUX_TLS_KEY_LABEL", "rsa,ec")
        .tls13()
        .start(Ports::StrictTls);
    let offer = |words: &[&str]| {
        let seen = Visitor::new(Tool::OpenSsl, server.tls_port())
            .trusting(&party.root, NAME)
            .words(words)
            .served();
        let line = seen.line("Peer signature type: ");
        line.rsplit(' ').next().unwrap_or_default().to_owned()
    };
    assert_eq!(offer(&["-tls1_3", "-sigalgs", "ECDSA+SHA256"]), "ECDSA");
    assert_eq!(offer(&["-tls1_3", "-sigalgs", "RSA-PSS+SHA256"]), "RSA-PSS");
    assert_eq!(
        offer(&["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]),
        "RSA-PSS"
    );
    assert_eq!(
        offer(&["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]),
        "ECDSA"
    );
    // Who understands both takes the cheap one.
    assert_eq!(offer(&[]), "ECDSA");
    assert_eq!(offer(&["-tls1_2"]), "ECDSA");

    let gnutls = |signatures: &str| {
        let seen = Visitor::new(Tool::GnuTls, server.tls_port())
            .trusting(&party.root, NAME)
            .only(Version::Tls13)
            .priority(signatures)
            .served();
        seen.line("- Description: ").to_owned()
    };
    assert!(gnutls(":-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256").contains("(RSA-PSS-"));
    assert!(gnutls("").contains("(ECDSA-"));
    server.stop();
}

#[test]
fn a_certificate_of_the_old_recipe_works_and_is_warned_of() {
    let shop = Workshop::new();
    let party = shop.by_the_old_recipe(NAME);
    let mut server = Settings::new()
        .key_store("STMUX", &shop.pkcs12("mux", &party))
        .tls13()
        .start(Ports::Shared);
    for version in [Version::Tls12, Version::Tls13] {
        let seen = Visitor::new(Tool::OpenSsl, server.tls_port())
            .trusting(&party.root, NAME)
            .only(version)
            .served();
        assert_eq!(seen.chain(), [NAME]);
        let seen = Visitor::new(Tool::GnuTls, server.tls_port())
            .only(version)
            .served();
        assert_eq!(seen.chain(), [NAME]);
    }
    server.wait_said(&["WARN", "version 1", "subjectAltName"]);
    server.stop();
}
