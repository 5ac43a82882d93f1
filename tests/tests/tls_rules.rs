//! Versions, suites, key exchange, client certificates, security levels and sessions: what the settings say is
//! what OpenSSL and GnuTLS meet on the port.
//!
//! Source: `docs/domain/tls-scopes.md`, 6 to 12.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

use isochron_tests::pki::{Digest, KeyKind, Order, Party, Validity, Workshop};
use isochron_tests::visit::{TOOLS, Tool, Version, Visitor};
use isochron_tests::{Ports, Server, Settings, look, poll};
use rustls::NamedGroup;
use rustls::crypto::aws_lc_rs::kx_group;

const NAME: &str = "mux.example.com";

/// Everything that a listener with one ordinary certificate needs.
struct Stand {
    shop: Workshop,
    root: Party,
    settings: Settings,
}

impl Stand {
    fn new() -> Self {
        Self::of(&Order::authority(), &Order::server(&[NAME]))
    }

    fn of(authority: &Order, leaf: &Order) -> Self {
        let shop = Workshop::new();
        let root = shop.root("Test Root", authority);
        let leaf = shop.issue(&root, NAME, leaf);
        let settings = Settings::new().key_store("STMUX", &shop.pkcs12("mux", &leaf));
        Self {
            shop,
            root,
            settings,
        }
    }

    fn visitor(&self, tool: Tool, server: &Server) -> Visitor {
        Visitor::new(tool, server.tls_port()).trusting(&self.root.certificate, NAME)
    }
}

#[test]
fn the_range_of_versions_is_as_set() {
    let stand = Stand::new();
    let only_12 = stand.settings.clone();
    let both = stand.settings.clone().tls13();
    let only_13 = both.clone().set("STMUX_TLS_MIN_PROTOCOL_VERSION", "772");
    for (settings, serves) in [
        (only_12, [true, false]),
        (both, [true, true]),
        (only_13, [false, true]),
    ] {
        let mut server = settings.start(Ports::StrictTls);
        for tool in TOOLS {
            for (version, is_served) in [Version::Tls12, Version::Tls13].into_iter().zip(serves) {
                let visitor = stand.visitor(tool, &server).only(version);
                if is_served {
                    assert_eq!(visitor.served().version(), version);
                } else {
                    let _ = visitor.refused();
                }
            }
            // Who knows both gets the higher one.
            let highest = if serves[1] {
                Version::Tls13
            } else {
                Version::Tls12
            };
            assert_eq!(stand.visitor(tool, &server).served().version(), highest);
        }
        server.stop();
    }
}

#[test]
fn the_suites_are_those_of_the_list_and_its_order_wins() {
    let stand = Stand::new();
    let mut server = stand
        .settings
        .clone()
        .tls13()
        .set(
            "STMUX_TLS_CIPHER_SUITES",
            // In the spellings of OpenSSL, IANA and Java; one that nobody knows and one that is not served.
            "ECDHE-ECDSA-CHACHA20-POLY1305, tls_ecdhe_ecdsa_with_aes_128_gcm_sha256, RSA_WITH_AES_128_CBC_SHA, \
             SSL_NO_SUCH_SUITE, TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384",
        )
        .start(Ports::StrictTls);
    server.wait_said(&["RSA_WITH_AES_128_CBC_SHA", "SSL_NO_SUCH_SUITE"]);
    let chosen = |words: &[&str]| {
        let seen = stand.visitor(Tool::OpenSsl, &server).words(words).served();
        seen.cipher().to_owned()
    };
    let offer =
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305";
    assert_eq!(
        chosen(&["-tls1_2", "-cipher", offer]),
        "ECDHE-ECDSA-CHACHA20-POLY1305"
    );
    let second = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
    assert_eq!(
        chosen(&["-tls1_2", "-cipher", second]),
        "ECDHE-ECDSA-AES128-GCM-SHA256"
    );
    let offer = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";
    assert_eq!(
        chosen(&["-tls1_3", "-ciphersuites", offer]),
        "TLS_AES_128_GCM_SHA256"
    );
    for unwanted in [
        ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"],
        ["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
    ] {
        let _ = stand
            .visitor(Tool::OpenSsl, &server)
            .words(&unwanted)
            .refused();
    }
    server.stop();
}

#[test]
fn the_hybrid_key_exchange_is_offered_with_tls_1_3_where_the_level_permits() {
    let stand = Stand::new();
    // Neither OpenSSL 3.0 nor GnuTLS 3.7 knows this group; rustls is the judge here.
    let hybrid = [kx_group::X25519MLKEM768];
    for (settings, group) in [
        (stand.settings.clone(), None),
        (
            stand.settings.clone().tls13(),
            Some(NamedGroup::X25519MLKEM768),
        ),
        (
            stand
                .settings
                .clone()
                .tls13()
                .set("STMUX_TLS_SECURITY_LEVEL", "2"),
            Some(NamedGroup::X25519MLKEM768),
        ),
        (
            stand.settings.tls13().set("STMUX_TLS_SECURITY_LEVEL", "3"),
            None,
        ),
    ] {
        let mut server = settings.start(Ports::StrictTls);
        assert_eq!(look::group(server.tls_port(), &hybrid), group);
        server.stop();
    }
}

/// A server that takes clients of an authority of their own, and the clients that come.
struct Door {
    stand: Stand,
    known: Party,
    strange: Party,
    late: Party,
    settings: Settings,
}

impl Door {
    fn new() -> Self {
        let stand = Stand::new();
        let shop = &stand.shop;
        let clients = shop.root("Client Root", &Order::authority());
        let others = shop.root("Other Root", &Order::authority());
        let order = Order::client(&["client7.example.com"]);
        let known = shop.issue(&clients, "client7", &order);
        let strange = shop.issue(&others, "client8", &order);
        let late = shop.issue(&clients, "client9", &order.validity(Validity::Expired));
        let trust = shop.trust(&[&clients.certificate]);
        let settings = stand.settings.clone().tls13().trust_store("STMUX", &trust);
        Self {
            stand,
            known,
            strange,
            late,
            settings,
        }
    }

    fn start(&self, client_auth: &str) -> Server {
        let settings = self
            .settings
            .clone()
            .set("STMUX_TLS_CLIENT_AUTH", client_auth);
        settings.start(Ports::StrictTls)
    }

    fn visitors(&self, server: &Server) -> Vec<Visitor> {
        let versions = [Version::Tls12, Version::Tls13];
        let all = TOOLS
            .into_iter()
            .flat_map(|tool| versions.map(|version| (tool, version)));
        all.map(|(tool, version)| self.stand.visitor(tool, server).only(version))
            .collect()
    }
}

#[test]
fn without_client_authentication_nobody_is_asked() {
    let door = Door::new();
    let mut server = door.start("0");
    let seen = door.stand.visitor(Tool::OpenSsl, &server).served();
    assert!(seen.text().contains("No client certificate CA names sent"));
    let seen = door
        .stand
        .visitor(Tool::GnuTls, &server)
        .showing(&door.strange)
        .served();
    assert!(!seen.text().contains("Server has requested a certificate"));
    server.stop();
}

#[test]
fn a_wanted_certificate_may_be_missing_but_not_bad() {
    let door = Door::new();
    let mut server = door.start("1");
    for visitor in door.visitors(&server) {
        let _ = visitor.clone().served();
        let _ = visitor.clone().showing(&door.known).served();
        let _ = visitor.clone().showing(&door.strange).refused();
        let _ = visitor.showing(&door.late).refused();
    }
    // Who it was is personal; whose certificate it was is not.
    server.wait_said(&["client certificate accepted", "issuer=CN=Client Root"]);
    server.stop();
}

#[test]
fn a_needed_certificate_must_be_there_and_good() {
    let door = Door::new();
    let mut server = door.start("2");
    for visitor in door.visitors(&server) {
        let _ = visitor.clone().refused();
        let _ = visitor.clone().showing(&door.known).served();
        let _ = visitor.clone().showing(&door.strange).refused();
        let _ = visitor.showing(&door.late).refused();
    }
    server.wait_closed("tls_failed", 12);
    server.stop();
}

#[test]
fn trusted_hosts_narrow_down_whose_certificates_are_good() {
    let door = Door::new();
    for (list, is_served) in [
        ("other.example.com, client7.EXAMPLE.com.", true),
        ("client*.example.com", true),
        ("*.example.com", true),
        ("*.com", false),
        ("client8.example.com", false),
        // The common name is not looked at where there is a subjectAltName.
        ("client7", false),
    ] {
        let mut server = door
            .settings
            .clone()
            .set("STMUX_TLS_CLIENT_AUTH", "2")
            .set("STMUX_TLS_TRUSTED_HOSTS", list)
            .start(Ports::StrictTls);
        let visitor = door
            .stand
            .visitor(Tool::OpenSsl, &server)
            .showing(&door.known);
        if is_served {
            let _ = visitor.served();
        } else {
            let _ = visitor.refused();
            // The names may be a person's, so the reason goes without them.
            server.wait_said(&[
                "none of its names matches an entry of STMUX_TLS_TRUSTED_HOSTS",
                "client certificate refused",
            ]);
            let said = server.said();
            assert!(!said.contains("client7.example.com"), "{said}");
        }
        server.stop();
    }
}

#[test]
fn a_trust_store_of_openssl_and_a_pinned_certificate_are_as_good_as_an_authority() {
    let door = Door::new();
    let shop = &door.stand.shop;
    // Version 1 and no extension: only byte for byte the one in the store.
    let pinned = shop.by_the_old_recipe("client7.example.com");
    let impostor = shop.by_the_old_recipe("client7.example.com");
    let mut server = door
        .stand
        .settings
        .clone()
        .tls13()
        .trust_store("STMUX", &shop.trust_of_openssl(&pinned.certificate))
        .set("STMUX_TLS_CLIENT_AUTH", "2")
        .set("STMUX_TLS_TRUSTED_HOSTS", "client7.example.com")
        .start(Ports::StrictTls);
    for visitor in door.visitors(&server) {
        let _ = visitor.clone().showing(&pinned).served();
        let _ = visitor.clone().showing(&impostor).refused();
        let _ = visitor.showing(&door.known).refused();
    }
    server.stop();
}

#[test]
fn an_issuer_without_basic_constraints_needs_the_switch() {
    let stand = Stand::new();
    let shop = &stand.shop;
    let old = shop.root("Old Root", &Order::authority_without_constraints());
    let client = shop.issue(&old, "client7", &Order::client(&["client7.example.com"]));
    let settings = stand
        .settings
        .clone()
        .trust_store("STMUX", &shop.trust_of_openssl(&old.certificate))
        .set("STMUX_TLS_CLIENT_AUTH", "2");
    let mut server = settings.start(Ports::StrictTls);
    let _ = stand
        .visitor(Tool::OpenSsl, &server)
        .showing(&client)
        .refused();
    server.wait_said(&["STMUX_TLS_TRUST_MANAGER_FACTORY_ALGORITHM=PKIX"]);
    server.stop();

    let mut server = settings
        .set("STMUX_TLS_TRUST_MANAGER_FACTORY_ALGORITHM", "PKIX")
        .start(Ports::StrictTls);
    let _ = stand
        .visitor(Tool::OpenSsl, &server)
        .showing(&client)
        .served();
    server.stop();
}

#[test]
fn the_mirror_lets_in_those_with_our_own_names_only() {
    let door = Door::new();
    let shop = &door.stand.shop;
    let twin = shop.root("Twin Root", &Order::authority());
    let twin_client = shop.issue(&twin, "twin", &Order::client(&[NAME]));
    let trust = shop.trust(&[&twin.certificate]);
    let other = shop.issue(&twin, "other", &Order::client(&["client7.example.com"]));
    let mut server = door
        .stand
        .settings
        .clone()
        .trust_store("STMUX", &trust)
        .set("STMUX_TLS_CLIENT_AUTH", "2")
        .set("STMUX_TLS_MIRROR_TRUSTED_HOSTS", "1")
        .start(Ports::StrictTls);
    let visitor = door.stand.visitor(Tool::OpenSsl, &server);
    let _ = visitor.clone().showing(&twin_client).served();
    let _ = visitor.showing(&other).refused();
    server.stop();
}

#[test]
fn level_2_takes_aes_gcm_only_and_clients_with_good_keys() {
    let stand = Stand::new();
    let shop = &stand.shop;
    let clients = shop.root("Client Root", &Order::authority());
    let order = Order::client(&["client.example.com"]);
    let good = shop.issue(&clients, "good", &order.clone().key(KeyKind::Rsa(2048)));
    let short = shop.issue(&clients, "short", &order.clone().key(KeyKind::Rsa(1024)));
    let old = shop.issue(&clients, "old", &order.digest(Digest::Sha1));
    let mut server = stand
        .settings
        .clone()
        .tls13()
        .trust_store("STMUX", &shop.trust(&[&clients.certificate]))
        .set("STMUX_TLS_SECURITY_LEVEL", "2")
        .set("STMUX_TLS_CLIENT_AUTH", "2")
        .start(Ports::StrictTls);
    let openssl = |party: &Party, words: &[&str]| {
        let weak = ["-cipher", "DEFAULT@SECLEVEL=0"];
        let visitor = stand.visitor(Tool::OpenSsl, &server).showing(party);
        let own = if words.contains(&"-cipher") {
            &[][..]
        } else {
            &weak[..]
        };
        visitor.words(own).words(words)
    };
    let _ = openssl(&good, &["-tls1_2"]).served();
    let _ = openssl(&good, &["-tls1_3"]).served();
    let _ = openssl(
        &good,
        &["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"],
    )
    .refused();
    let _ = openssl(
        &good,
        &["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
    )
    .refused();
    for version in ["-tls1_2", "-tls1_3"] {
        let _ = openssl(&short, &[version]).refused();
        let _ = openssl(&old, &[version]).refused();
    }
    server.stop();
}

#[test]
fn level_3_takes_elliptic_curves_of_suite_b() {
    let stand = Stand::new();
    let mut server = stand
        .settings
        .clone()
        .tls13()
        .set("STMUX_TLS_SECURITY_LEVEL", "3")
        .start(Ports::StrictTls);
    let openssl = |words: &[&str]| stand.visitor(Tool::OpenSsl, &server).words(words);
    for version in ["-tls1_2", "-tls1_3"] {
        let _ = openssl(&[version, "-groups", "P-256"]).served();
        let _ = openssl(&[version, "-groups", "X25519"]).refused();
        let _ = openssl(&[version, "-groups", "P-521"]).refused();
    }
    // In TLS 1.2 this client would mean the certificate's curve as well.
    let _ = openssl(&["-tls1_3", "-groups", "P-384"]).served();
    for suite in [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ] {
        assert_eq!(
            openssl(&["-tls1_2", "-cipher", suite]).served().cipher(),
            suite
        );
    }
    let _ = openssl(&["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"]).refused();
    for tool in TOOLS {
        let _ = stand.visitor(tool, &server).served();
    }
    server.stop();
}

#[test]
fn level_4_takes_p_384_alone() {
    let strong = |order: Order| order.key(KeyKind::P384).digest(Digest::Sha384);
    let stand = Stand::of(&strong(Order::authority()), &strong(Order::server(&[NAME])));
    let mut server = stand
        .settings
        .clone()
        .tls13()
        .set("STMUX_TLS_SECURITY_LEVEL", "4")
        .start(Ports::StrictTls);
    let openssl = |words: &[&str]| stand.visitor(Tool::OpenSsl, &server).words(words);
    let seen = openssl(&["-tls1_2", "-groups", "P-384"]).served();
    assert_eq!(seen.cipher(), "ECDHE-ECDSA-AES256-GCM-SHA384");
    let seen = openssl(&["-tls1_3", "-groups", "P-384"]).served();
    assert_eq!(seen.cipher(), "TLS_AES_256_GCM_SHA384");
    for words in [
        ["-tls1_2", "-groups", "P-256"],
        ["-tls1_3", "-groups", "P-256"],
        ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"],
        ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"],
        ["-tls1_2", "-sigalgs", "ECDSA+SHA256"],
    ] {
        let _ = openssl(&words).refused();
    }
    for tool in TOOLS {
        let _ = stand.visitor(tool, &server).served();
    }
    server.stop();
}

/// Two visits with one session file; true when the second one took the first one's session up again.
fn resumes(stand: &Stand, server: &Server, version: Version) -> bool {
    let file = stand.shop.fresh("session");
    let file = file.to_str().expect("a plain name");
    let visitor = stand.visitor(Tool::OpenSsl, server).only(version);
    let first = visitor.clone().words(&["-sess_out", file]).served();
    assert!(!first.resumed());
    if !std::path::Path::new(file).exists() {
        // TLS 1.3 without a ticket: there is nothing to come back with.
        return false;
    }
    visitor.words(&["-sess_in", file]).served().resumed()
}

#[test]
fn sessions_are_taken_up_again_only_where_they_are_cached() {
    let stand = Stand::new();
    for (size, age, expected) in [
        (None, None, false),
        (Some("0"), None, false),
        (None, Some("0"), false),
        (Some("100"), Some("3600"), true),
        (Some("0"), Some("0"), true),
    ] {
        let mut settings = stand.settings.clone().tls13();
        for (name, value) in [("SESSION_CACHE_SIZE", size), ("MAX_SESSION_AGE", age)] {
            if let Some(value) = value {
                settings = settings.set(&format!("STMUX_TLS_{name}"), value);
            }
        }
        let mut server = settings.start(Ports::StrictTls);
        for version in [Version::Tls12, Version::Tls13] {
            assert_eq!(
                resumes(&stand, &server, version),
                expected,
                "{version:?}, size {size:?}, age {age:?}"
            );
        }
        server.stop();
    }
}

#[test]
fn a_session_is_too_old_one_day() {
    let stand = Stand::new();
    let mut server = stand
        .settings
        .clone()
        .set("STMUX_TLS_SESSION_CACHE_SIZE", "100")
        .set("STMUX_TLS_MAX_SESSION_AGE", "2")
        .start(Ports::StrictTls);
    let file = stand.shop.fresh("session");
    let file = file.to_str().expect("a plain name");
    let visitor = stand.visitor(Tool::OpenSsl, &server).only(Version::Tls12);
    let _ = visitor.clone().words(&["-sess_out", file]).served();
    let again = visitor.words(&["-sess_in", file]);
    poll("the end of a session that may live for two seconds", || {
        (!again.clone().served().resumed()).then_some(())
    });
    server.stop();
}
