//! The JDK comes as a client, with stores of `keytool` on both sides: the TLS of Sametime Connect and Notes.
//!
//! What `keytool -list` says of stores that Isochron writes is checked in `tools.rs`.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

use isochron_tests::pki::{STORE_PASSWORD, StoreFile, Workshop, keytool};
use isochron_tests::{Ports, Settings, java};
use std::path::{Path, PathBuf};

const NAME: &str = "mux.example.com";

/// A key store of `keytool` with one self-signed certificate, and that certificate.
fn self_signed(shop: &Workshop, name: &str, key: &[&str], form: &str) -> (StoreFile, PathBuf) {
    let kind = if form == "JKS" { "jks" } else { "p12" };
    let store = StoreFile::new(shop.fresh(kind), STORE_PASSWORD, kind);
    let certificate = shop.fresh("crt");
    let subject = format!("CN={name}");
    let names = format!("san=dns:{name}");
    let of_store = [
        "-keystore",
        store.path_text(),
        "-storepass",
        STORE_PASSWORD,
        "-alias",
        name,
    ];
    let mut words = vec![
        "-genkeypair",
        "-storetype",
        form,
        "-dname",
        &subject,
        "-ext",
        &names,
    ];
    words.extend(key);
    words.extend(of_store);
    let _ = keytool(&words);
    let file = certificate.to_str().expect("a plain name");
    let mut words = vec!["-exportcert", "-rfc", "-file", file];
    words.extend(of_store);
    let _ = keytool(&words);
    (store, certificate)
}

#[test]
fn java_clients_with_certificates_meet_a_server_with_stores_of_keytool() {
    let shop = Workshop::new();
    let rsa = ["-keyalg", "RSA", "-keysize", "2048"];
    let ec = ["-keyalg", "EC", "-groupname", "secp256r1"];
    let (server_store, server_certificate) = self_signed(&shop, NAME, &rsa, "JKS");
    let (client_store, client_certificate) =
        self_signed(&shop, "client.example.com", &ec, "PKCS12");
    let (stranger, _) = self_signed(&shop, "client.example.com", &ec, "PKCS12");
    let trust = |certificate: &Path| shop.trust(&[certificate]);

    let mut server = Settings::new()
        .tls13()
        .key_store("STMUX", &server_store)
        .trust_store("STMUX", &trust(&client_certificate))
        .set("STMUX_TLS_CLIENT_AUTH", "2")
        .set("STMUX_TLS_TRUSTED_HOSTS", "*.example.com")
        .set("STMUX_TLS_SECURITY_LEVEL", "2")
        .start(Ports::StrictTls);
    let trusted = trust(&server_certificate);
    let visit = |options: &[(&str, &str)]| {
        let mut all = vec![("host", NAME)];
        all.extend(options);
        java::visit(server.tls_port(), &trusted, &all)
    };
    let key = ("key", client_store.path_text());
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let said = visit(&[("protocol", protocol), key]).expect("a known client is served");
        assert!(said.contains(&format!("protocol {protocol}")), "{said:?}");
        assert!(said.contains(&format!("shown CN={NAME}")), "{said:?}");
        let _ = visit(&[("protocol", protocol)]).expect_err("a certificate is needed");
    }
    let _ = visit(&[("key", stranger.path_text())]).expect_err("another key is not let in");
    // The judge judges: it does not take a server under another name.
    let said = visit(&[("host", "other.example.com"), key]).expect_err("the name is wrong");
    assert!(said.contains("No subject alternative"), "{said}");
    server.stop();
}
