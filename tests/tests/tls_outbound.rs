//! The server as a client of a directory: a Java peer with stores of `keytool`, and OpenSSL peers that a rule
//! refuses.
//!
//! There is no directory client yet; `isochron tls test ldap` makes the same connections by the same rules.
//! Source: `docs/domain/tls-scopes.md`, 6, 8, 10 and 18.4.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

use isochron_tests::desk::{Desk, OpensslServer, Said};
use isochron_tests::pki::{KeyKind, Order, Party, Workshop};
use isochron_tests::{Settings, java};

/// Tries the directory on this port by these settings.
fn tried(settings: &Settings, port: u16) -> Said {
    let desk = Desk::new();
    desk.write("sametime.ini", format!("[Config]\n{}", settings.lines()));
    desk.write(
        "StCommunityConfig.xml",
        format!(
            "<StCommunityConfig><LDAP><Connection HostName=\"localhost\" SSLEnabled=\"1\" SSLPort=\"{port}\"/>\
             </LDAP></StCommunityConfig>\n"
        ),
    );
    desk.run("tls test ldap")
}

fn passes(settings: &Settings, port: u16) {
    let said = tried(settings, port);
    assert!(said.success, "{settings:?}: {said:#?}");
}

/// It fails, and what is said of it has this part.
fn fails(settings: &Settings, port: u16, part: &str) {
    let said = tried(settings, port);
    assert!(!said.success, "{settings:?}: {said:#?}");
    let text = said.out.clone() + &said.err;
    assert!(
        text.contains(part),
        "{settings:?}: no word of {part:?}: {said:#?}"
    );
}

#[test]
fn a_java_server_that_needs_certificates_lets_us_in_with_ours() {
    let shop = Workshop::new();
    let root = shop.root("Test Root", &Order::authority());
    let order = Order::server(&["localhost"]).key(KeyKind::Rsa(2048));
    let directory = shop.pkcs12("ldap", &shop.issue(&root, "localhost", &order));
    let own = shop.issue(&root, "sametime", &Order::client(&["sametime.example.com"]));
    let trust = shop.trust(&[&root.certificate]);
    let settings = Settings::new()
        .trust_store("STLDAP", &trust)
        .set("STLDAP_TLS_MAX_PROTOCOL_VERSION", "0x304");
    // The key in the old Java form, so that both forms are met.
    let with_key = settings
        .clone()
        .key_store("STLDAP", &shop.jks(&shop.pkcs12("own", &own)));
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let options = [("clients", "need"), ("protocol", protocol)];
        let server = java::Server::start(&directory, &trust, &options);
        passes(&with_key, server.port());
        assert_eq!(server.visitor(), "accepted CN=sametime", "{protocol}");
        fails(&settings, server.port(), "STLDAP_TLS_KEY_STORE_FILE");
        let refusal = server.visitor();
        assert!(refusal.starts_with("refused "), "{protocol}: {refusal}");
    }
}

/// A directory of OpenSSL, and the settings that trust it.
fn directory(order: &Order, options: &[&str]) -> (OpensslServer, Settings, Workshop) {
    let shop = Workshop::new();
    let root = shop.root("Test Root", &Order::authority());
    let leaf = shop.issue(&root, "localhost", order);
    let server = serve(&leaf, options);
    let settings = Settings::new().trust_store("STLDAP", &shop.trust_of_openssl(&root.certificate));
    (server, settings, shop)
}

fn serve(party: &Party, more: &[&str]) -> OpensslServer {
    let text = |path: &std::path::Path| path.to_str().expect("a plain name").to_owned();
    let (certificate, key) = (text(&party.chain), text(&party.key));
    let mut options = vec![
        "-cert",
        &certificate,
        "-cert_chain",
        &certificate,
        "-key",
        &key,
    ];
    options.extend(more);
    OpensslServer::start(&options)
}

#[test]
fn the_range_of_versions_counts_for_calls_too() {
    let order = Order::server(&["localhost"]);
    let (new, settings, _new_shop) = directory(&order, &["-tls1_3"]);
    fails(&settings, new.port(), "STLDAP_TLS_MAX_PROTOCOL_VERSION");
    let both = settings.set("STLDAP_TLS_MAX_PROTOCOL_VERSION", "0x304");
    passes(&both, new.port());

    let (old, settings, _old_shop) = directory(&order, &["-tls1_2"]);
    passes(&settings, old.port());
    let only_13 = settings.set("STLDAP_TLS_MIN_PROTOCOL_VERSION", "0x304");
    fails(&only_13, old.port(), "STLDAP_TLS_MIN_PROTOCOL_VERSION");

    let (ancient, settings, _ancient_shop) =
        directory(&order, &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    fails(&settings, ancient.port(), "TLS");
}

#[test]
fn a_directory_below_the_level_is_refused_with_the_setting() {
    let order = Order::server(&["localhost"]);
    for (level, order) in [
        ("3", order.clone().key(KeyKind::Rsa(2048))),
        ("4", order.clone()),
    ] {
        let (server, settings, _shop) = directory(&order, &[]);
        let at = |level| settings.clone().set("STLDAP_TLS_SECURITY_LEVEL", level);
        fails(&at(level), server.port(), "STLDAP_TLS_SECURITY_LEVEL");
        passes(&at("2"), server.port());
    }
    // The library takes no such key at any level.
    let short = order.key(KeyKind::Rsa(1024));
    let (server, settings, _shop) = directory(&short, &["-cipher", "DEFAULT@SECLEVEL=0"]);
    fails(&settings, server.port(), "1024 bits");
}

#[test]
fn the_name_that_was_called_counts_unless_a_list_or_a_switch_says_otherwise() {
    let (server, settings, _shop) = directory(&Order::server(&["ldap1.example.com"]), &[]);
    let set = |name: &str, value: &str| settings.clone().set(&format!("STLDAP_TLS_{name}"), value);
    fails(&settings, server.port(), "ldap1.example.com");
    passes(&set("TRUSTED_HOSTS", "ldap*.example.com"), server.port());
    fails(
        &set("TRUSTED_HOSTS", "localhost"),
        server.port(),
        "STLDAP_TLS_TRUSTED_HOSTS",
    );
    passes(&set("HOST_CHECK", "0"), server.port());
}

#[test]
fn a_certificate_without_a_trusted_issuer_is_refused_and_a_pinned_one_is_not() {
    let shop = Workshop::new();
    let pinned = shop.by_the_old_recipe("localhost");
    let server = serve(&pinned, &[]);
    let trusting = |party: &Party| {
        let trust = shop.trust_of_openssl(&party.certificate);
        Settings::new().trust_store("STLDAP", &trust)
    };
    passes(&trusting(&pinned), server.port());
    // The same names, another key.
    let other = shop.by_the_old_recipe("localhost");
    fails(
        &trusting(&other),
        server.port(),
        "STLDAP_TLS_TRUST_STORE_FILE",
    );
}
