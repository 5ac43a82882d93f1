//! `isochron tls` and `isochron truststore fetch`, with OpenSSL on the other end.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

use isochron_tests::Settings;
use isochron_tests::desk::{Desk, OpensslServer};
use isochron_tests::pki::{Order, Party, StoreFile, Validity, Workshop, keytool};
use std::path::{Path, PathBuf};
use std::process::Command;

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary folders have plain names")
}

/// A desk with these settings, and the password of stores that are made there in the file `pw`.
fn desk(settings: &Settings) -> Desk {
    let desk = Desk::new();
    desk.write("pw", "secret of the store\n");
    configure(&desk, settings);
    desk
}

fn configure(desk: &Desk, settings: &Settings) {
    desk.write("sametime.ini", format!("[Config]\n{}", settings.lines()));
}

/// The directories of `StCommunityConfig.xml`.
fn directories(desk: &Desk, ports: &[u16]) {
    let connections = ports.iter().enumerate().map(|(number, port)| {
        format!(
            "<Connection HostName=\"localhost\" SSLEnabled=\"1\" SSLPort=\"{port}\" SearchOrder=\"{}\"/>\n",
            number + 1
        )
    });
    let connections: String = connections.collect();
    desk.write(
        "StCommunityConfig.xml",
        format!("<StCommunityConfig><LDAP>\n{connections}</LDAP></StCommunityConfig>\n"),
    );
}

/// Runs a command line that was printed, as somebody does who copies it into a shell.
fn paste(desk: &Desk, line: &str) -> String {
    let binary = PathBuf::from(desk.command("").get_program());
    let folder = binary.parent().expect("the binary lies in a folder");
    let output = Command::new("/bin/sh")
        .args(["-c", line])
        .env("PATH", folder)
        .current_dir(desk.folder())
        .output()
        .expect("a shell starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{line}: {said}");
    said
}

/// The lines about one certificate of those that a command showed, with what stands above them.
fn about<'a>(shown: &'a str, subject: &str) -> (&'a str, &'a str) {
    let lines: Vec<&str> = shown.lines().collect();
    let wanted = format!("  subject  {subject}");
    let at = lines.iter().position(|line| *line == wanted);
    let at = at.expect("the certificate is shown");
    let fingerprint = lines
        .iter()
        .skip(at)
        .find_map(|line| line.trim().strip_prefix("sha256   "));
    (lines[at - 1], fingerprint.expect("a fingerprint"))
}

fn serve(party: &Party, more: &[&str]) -> OpensslServer {
    let mut options = vec!["-cert", text(&party.certificate), "-key", text(&party.key)];
    options.extend(more);
    OpensslServer::start(&options)
}

/// A trust store that the tool under test makes.
fn trust(desk: &Desk, file: &str, party: &Party) -> StoreFile {
    let line = format!(
        "truststore add {file} --alias root {} --password-file pw",
        text(&party.certificate)
    );
    let _ = desk.output(&line);
    StoreFile::new(desk.path(file), "secret of the store", "p12")
}

#[test]
fn what_is_in_force_is_shown_without_a_server() {
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let leaf = work.issue(
        &root,
        "mux.example.com",
        &Order::server(&["mux.example.com"]),
    );
    let (key_store, trust_store) = (work.pkcs12("mux", &leaf), work.trust(&[&root.certificate]));
    let settings = Settings::new()
        .key_store("STMUX", &key_store)
        .trust_store("ST", &trust_store)
        .set("ST_TLS_SECURITY_LEVEL", "2")
        .set("STMUX_TLS_CLIENT_AUTH", "2")
        .set("STMUX_TLS_TRUSTED_HOSTS", "*.example.com");
    let desk = desk(&settings);
    let shown = desk.output("tls show");
    for part in [
        "mux: clients that connect",
        "STMUX_TLS_KEY_STORE_FILE, sametime.ini:",
        key_store.path_text(),
        "subject  CN=mux.example.com",
        "issuer   CN=Test Root",
        "EC P-256",
        "89 days left",
        "2 (ST_TLS_SECURITY_LEVEL, sametime.ini:",
        "the certificates meet 3",
        "TLS 1.2 only",
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "secp384r1",
        "a certificate is needed (STMUX_TLS_CLIENT_AUTH",
        "*.example.com",
        "ldap: the directory",
        "CN=Test Root, until",
    ] {
        assert!(shown.contains(part), "no {part:?}:\n{shown}");
    }
    assert!(!shown.contains(&key_store.password), "{shown}");

    let mux = desk.output("tls show --scope mux");
    assert!(!mux.contains("ldap:"), "{mux}");
    let json = desk.output("tls show --scope mux --json");
    for part in [
        "\"scope\": \"mux\"",
        "\"client_auth\": \"need\"",
        "\"met\": \"3\"",
        "\"setting\": \"STMUX_TLS_KEY_STORE_FILE\"",
        "\"subject\": \"CN=mux.example.com\"",
    ] {
        assert!(json.contains(part), "no {part:?}:\n{json}");
    }
    assert!(!json.contains(&key_store.password), "{json}");
}

#[test]
fn nothing_configured_is_said_and_no_failure() {
    let desk = desk(&Settings::new());
    let shown = desk.output("tls show");
    assert!(shown.contains("no certificate yet"), "{shown}");
    assert_eq!(shown.matches("not configured").count(), 3, "{shown}");
    let tried = desk.output("tls test all");
    assert_eq!(tried.matches("skipped").count(), 4, "{tried}");
    for scope in ["server", "ldap", "saml"] {
        let said = desk.run(&format!("tls test {scope}"));
        assert!(
            !said.success && said.err.contains("nothing to try"),
            "{said:?}"
        );
    }
    assert!(
        !desk.path("data").join("mux.crt").exists(),
        "a command that looks made a certificate"
    );
}

#[test]
fn a_store_for_all_scopes_is_no_fault_of_those_that_it_does_not_help() {
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let leaf = work.issue(&root, "a.example.com", &Order::server(&["a.example.com"]));
    for settings in [
        Settings::new().key_store("ST", &work.pkcs12("a", &leaf)),
        Settings::new().trust_store("ST", &work.trust(&[&root.certificate])),
    ] {
        let desk = desk(&settings);
        let _ = desk.output("tls show");
        let _ = desk.output("tls show --scope global");
        let _ = desk.output("tls test all");
    }
}

#[test]
fn the_certificate_that_the_server_made_is_shown_as_such() {
    let mut server = isochron_tests::Server::start(isochron_tests::Ports::Shared, &[]);
    let shown = server.command_output(&["tls", "show", "--scope", "mux"]);
    assert!(
        shown.contains("mux.crt") && shown.contains("made for itself"),
        "{shown}"
    );
    let said = server.said();
    let fingerprint = shown
        .lines()
        .find_map(|line| line.trim().strip_prefix("sha256"));
    let fingerprint = fingerprint.expect("the fingerprint is shown").trim();
    assert!(
        said.contains(fingerprint),
        "the running server shows another one: {fingerprint}\n{said}"
    );
    let tried = server.command_output(&["tls", "test", "mux"]);
    assert!(tried.contains("ok") && tried.contains("TLS 1.2"), "{tried}");
    server.stop();
}

#[test]
fn the_mux_accepts_by_its_rules() {
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let leaf = work.issue(
        &root,
        "mux.example.com",
        &Order::server(&["mux.example.com"]),
    );
    let store = work.pkcs12("mux", &leaf);
    let plain = Settings::new().key_store("STMUX", &store);
    let desk = desk(&plain);
    let tried = desk.output("tls test mux");
    assert!(
        tried.contains("TLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
        "{tried}"
    );
    configure(&desk, &plain.clone().tls13());
    let tried = desk.output("tls test mux --json");
    assert!(
        tried.contains("TLS 1.3") && tried.contains("\"result\": \"ok\""),
        "{tried}"
    );

    // With client authentication, a client without a certificate has to be refused.
    let trusted = work.trust(&[&root.certificate]);
    let need = plain
        .trust_store("STMUX", &trusted)
        .set("STMUX_TLS_CLIENT_AUTH", "2");
    for settings in [need.clone(), need.tls13()] {
        configure(&desk, &settings);
        let tried = desk.output("tls test mux");
        assert!(
            tried.contains("a client without a certificate is refused"),
            "{tried}"
        );
    }

    // The scope's own key is a client's as well where the trust store takes it.
    let pinned = work.self_signed("mux", &Order::server_and_client(&["mux.example.com"]));
    let settings = Settings::new()
        .key_store("STMUX", &work.pkcs12("mux", &pinned))
        .trust_store("STMUX", &work.trust(&[&pinned.certificate]))
        .set("STMUX_TLS_CLIENT_AUTH", "1");
    configure(&desk, &settings);
    let tried = desk.output("tls test mux");
    assert!(tried.contains("accepts a client: TLS 1.2"), "{tried}");
    assert!(
        tried.contains("a client with a certificate of the trust store is accepted"),
        "{tried}"
    );
}

#[test]
fn what_fails_names_the_setting_that_mends_it() {
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let expired = Order::server(&["mux.example.com"]).validity(Validity::Expired);
    let expired = work.pkcs12("mux", &work.issue(&root, "mux.example.com", &expired));
    let good = work.pkcs12(
        "mux",
        &work.issue(
            &root,
            "mux.example.com",
            &Order::server(&["mux.example.com"]),
        ),
    );
    for (settings, parts) in [
        (
            Settings::new().key_store("STMUX", &expired),
            ["expired", "STMUX_TLS_KEY_STORE_FILE"],
        ),
        (
            Settings::new()
                .key_store("ST", &good)
                .set("STMUX_TLS_KEY_STORE_PASSWORD", "wrong one"),
            ["password", "STMUX_TLS_KEY_STORE_PASSWORD"],
        ),
        (
            Settings::new()
                .key_store("STMUX", &good)
                .set("STMUX_TLS_SECURITY_LEVEL", "4"),
            ["P-384", "STMUX_TLS_SECURITY_LEVEL"],
        ),
        (
            Settings::new().key_store("STMUX", &good).set(
                "STMUX_TLS_CIPHER_SUITES",
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            ),
            ["ECDHE_ECDSA", "STMUX_TLS_CIPHER_SUITES"],
        ),
    ] {
        let desk = desk(&settings);
        let said = desk.run("tls test mux");
        assert!(!said.success, "{said:?}");
        for part in parts {
            assert!(said.out.contains(part), "no {part:?}: {said:?}");
        }
        assert!(
            !said.out.contains(&good.password) && !said.out.contains("wrong one"),
            "{said:?}"
        );
        let shown = desk.run("tls show");
        assert!(
            !shown.success && shown.out.contains("fault: ") && shown.out.contains(parts[1]),
            "{shown:?}"
        );
        let all = desk.run("tls test all");
        assert!(!all.success, "{all:?}");
    }
}

#[test]
fn server_parts_accept_and_call_with_the_same_stores() {
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let other = work.root("Other Root", &Order::authority());
    let both = Order::server_and_client(&["link.example.com"]);
    let store = work.pkcs12("link", &work.issue(&root, "link.example.com", &both));
    let settings = |trusted: &Party| {
        Settings::new()
            .key_store("STSRV", &store)
            .trust_store("STSRV", &work.trust(&[&trusted.certificate]))
            .set("STSRV_TLS_CLIENT_AUTH", "2")
    };
    let desk = desk(&settings(&root));
    let tried = desk.output("tls test server");
    assert!(
        tried.contains("a client without a certificate is refused"),
        "{tried}"
    );
    assert!(
        tried.contains("calls a server with the same stores: TLS 1.2"),
        "{tried}"
    );

    configure(&desk, &settings(&other));
    let said = desk.run("tls test server");
    assert!(
        !said.success && said.out.contains("STSRV_TLS_TRUST_STORE_FILE"),
        "{said:?}"
    );
    assert!(
        said.out.contains("CN=Test Root"),
        "the missing issuer is not told: {said:?}"
    );
}

#[test]
fn from_an_unknown_directory_to_a_trusted_one() {
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let leaf = work.issue(&root, "localhost", &Order::server(&["localhost"]));
    let other = work.root("Other Root", &Order::authority());
    let chain = work.fresh("chain");
    let pem = |file: &Path| std::fs::read_to_string(file).expect("openssl wrote it");
    std::fs::write(&chain, pem(&root.certificate)).expect("a file is written");
    let server = serve(&leaf, &["-cert_chain", text(&chain)]);
    let peer = format!("localhost:{}", server.port());

    let desk = desk(&Settings::new());
    // A name that a shell would not take as it is.
    let stranger = trust(&desk, "t's.p12", &other);
    configure(&desk, &Settings::new().trust_store("STLDAP", &stranger));
    directories(&desk, &[server.port()]);

    // What it offers, that it is not accepted, and the command that changes that.
    let said = desk.run(&format!("tls probe {peer}"));
    assert!(!said.success, "{said:?}");
    for part in [
        "TLS 1.3  TLS_AES_256_GCM_SHA384, ",
        "TLS 1.2  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, ",
        "CN=localhost",
        "issuer   CN=Test Root",
        "not accepted by the scope ldap",
        "STLDAP_TLS_TRUST_STORE_FILE",
    ] {
        assert!(said.out.contains(part), "no {part:?}:\n{}", said.out);
    }
    let command = said
        .out
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("isochron "));
    let command = command.expect("the command to import").to_owned();
    assert!(
        command.starts_with(&format!("isochron truststore fetch {peer} --into '")),
        "{command}"
    );
    assert!(
        command.ends_with(" --config sametime.ini --data data"),
        "{command}"
    );

    let tried = desk.run("tls test ldap");
    assert!(
        !tried.success && tried.out.contains("tls probe"),
        "{tried:?}"
    );

    // It is the authority that is taken in, and not what happens to be shown today.
    let fetched = paste(&desk, &command);
    assert!(
        fetched.contains("trusts localhost") && fetched.contains("subject  CN=Test Root"),
        "{fetched}"
    );
    let listed = keytool(&[
        "-list",
        "-v",
        "-keystore",
        stranger.path_text(),
        "-storepass",
        &stranger.password,
    ]);
    assert!(
        listed.contains("Owner: CN=Test Root") && listed.contains("2 entries"),
        "{listed}"
    );

    let said = desk.run(&format!("tls probe {peer} --json"));
    assert!(
        said.success && said.out.contains("\"accepted\": true"),
        "{said:?}"
    );
    let tried = desk.output("tls test ldap");
    assert!(tried.contains("ok") && tried.contains(&peer), "{tried}");
    // A directory that is not there is told, and the other one tried all the same.
    let gone = {
        let server = serve(&leaf, &[]);
        server.port()
    };
    directories(&desk, &[gone, server.port()]);
    let tried = desk.run("tls test all");
    assert!(
        !tried.success && tried.out.contains("cannot be reached"),
        "{tried:?}"
    );
    assert!(tried.out.contains(&format!("{peer}: TLS")), "{tried:?}");
}

/// Whoever answers may send anybody's authority along. Only one that has signed the peer's certificate vouches for it.
#[test]
fn an_authority_that_has_not_signed_is_not_the_one_to_trust() {
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let middle = work.issue(&root, "Test Intermediate", &Order::authority());
    let leaf = work.issue(&middle, "localhost", &Order::server(&["localhost"]));
    let alone = work.self_signed("localhost", &Order::server(&["localhost"]));
    // Another one, and one that only bears the name of the right one.
    let foreign = work.root("Foreign Root", &Order::authority());
    let namesake = work.root("Test Root", &Order::authority());
    let pem = |party: &Party| std::fs::read_to_string(&party.certificate).expect("a certificate");
    let together = |pems: &[&Party]| pems.iter().map(|party| pem(party)).collect::<String>();
    for (own, chain, chosen, above) in [
        (&leaf, vec![&middle, &root, &foreign], "CN=Test Root", 2),
        (&leaf, vec![&foreign, &root, &middle], "CN=Test Root", 2),
        (&leaf, vec![&middle, &namesake], "CN=Test Intermediate", 1),
        (&leaf, vec![&root, &foreign], "CN=localhost", 0),
        (&alone, vec![&foreign], "CN=localhost", 0),
    ] {
        let file = work.fresh("chain");
        std::fs::write(&file, together(&chain)).expect("a file is written");
        let server = serve(own, &["-cert_chain", text(&file)]);
        let peer = format!("localhost:{}", server.port());
        let desk = desk(&Settings::new());
        let said = desk.run(&format!("tls probe {peer}"));
        let fetched = desk.output(&format!("truststore fetch {peer}"));
        for shown in [&said.out, &fetched] {
            assert_eq!(shown.matches("issued by\n").count(), above, "{shown}");
            let besides = shown.matches("also sends\n").count();
            assert_eq!(above + besides, chain.len(), "{shown}");
        }
        let (_, fingerprint) = about(&said.out, chosen);
        let command = format!("--fingerprint {fingerprint} --config sametime.ini --data data");
        assert!(said.out.contains(&command), "{chosen}: {}", said.out);
        if said.out.contains("CN=Foreign Root") {
            assert_eq!(about(&said.out, "CN=Foreign Root").0, "also sends");
        }
        let json = desk.run(&format!("tls probe {peer} --json")).out;
        assert!(json.contains(&command), "{json}");

        // Who is asked whether to trust is asked about the same one.
        let into = format!("truststore fetch {peer} --into t.p12 --password-file pw");
        let refusal = desk.refusal(&into);
        assert!(
            refusal.contains(&format!("--fingerprint {fingerprint}")),
            "{refusal}"
        );
        let trusted = desk.output(&format!("{into} --yes"));
        let told = trusted.split("trusts localhost").nth(1).unwrap_or_default();
        assert_eq!(about(told, chosen).1, fingerprint, "{trusted}");
    }
}

#[test]
fn a_wrong_name_is_told_with_both_ways_out() {
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let leaf = work.issue(
        &root,
        "dir.example.com",
        &Order::server(&["dir.example.com"]),
    );
    let server = serve(&leaf, &[]);
    let desk = desk(&Settings::new());
    let store = trust(&desk, "t.p12", &root);
    let settings = Settings::new().trust_store("STLDAP", &store);
    configure(&desk, &settings);
    directories(&desk, &[server.port()]);
    let said = desk.run("tls test ldap");
    assert!(!said.success, "{said:?}");
    for part in [
        "dir.example.com",
        "STLDAP_TLS_TRUSTED_HOSTS",
        "STLDAP_TLS_HOST_CHECK",
    ] {
        assert!(said.out.contains(part), "no {part:?}: {said:?}");
    }
    configure(
        &desk,
        &settings.set("STLDAP_TLS_TRUSTED_HOSTS", "*.example.com"),
    );
    let tried = desk.output("tls test ldap");
    assert!(tried.contains("ok"), "{tried}");
}

#[test]
fn a_directory_that_wants_a_certificate_gets_the_one_of_the_key_store() {
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let leaf = work.issue(&root, "localhost", &Order::server(&["localhost"]));
    let desk = desk(&Settings::new());
    let settings = Settings::new().trust_store("STLDAP", &trust(&desk, "t.p12", &root));
    let own = work.issue(
        &root,
        "server.example.com",
        &Order::client(&["server.example.com"]),
    );
    let with_key = settings
        .clone()
        .key_store("STLDAP", &work.pkcs12("own", &own));
    for version in ["-tls1_2", "-no_tls1_2"] {
        let server = serve(
            &leaf,
            &[
                version,
                "-Verify",
                "2",
                "-verify_return_error",
                "-CAfile",
                text(&root.certificate),
            ],
        );
        directories(&desk, &[server.port()]);
        let tls13 = |settings: &Settings| {
            settings
                .clone()
                .set("STLDAP_TLS_MAX_PROTOCOL_VERSION", "0x304")
        };
        configure(&desk, &tls13(&settings));
        let said = desk.run("tls test ldap");
        assert!(
            !said.success && said.out.contains("STLDAP_TLS_KEY_STORE_FILE"),
            "{version}: {said:?}"
        );
        configure(&desk, &tls13(&with_key));
        let tried = desk.output("tls test ldap");
        assert!(tried.contains("ok"), "{version}: {tried}");
    }
}

#[test]
fn a_peer_with_old_suites_only_is_told_so() {
    let work = Workshop::new();
    let leaf = work.self_signed(
        "localhost",
        &Order::server(&["localhost"]).key(isochron_tests::pki::KeyKind::Rsa(2048)),
    );
    let server = serve(&leaf, &["-tls1_2", "-cipher", "AES256-GCM-SHA384"]);
    let desk = desk(&Settings::new());
    let refusal = desk.refusal(&format!("tls probe localhost:{}", server.port()));
    assert!(
        refusal.contains("localhost") && refusal.to_lowercase().contains("handshake"),
        "{refusal}"
    );
    let refusal = desk.refusal("tls probe localhost");
    assert!(refusal.contains("ldap.example.com:636"), "{refusal}");
}

#[test]
fn nothing_is_trusted_that_nobody_compared() {
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let leaf = work.issue(&root, "localhost", &Order::server(&["localhost"]));
    let server = serve(&leaf, &[]);
    let peer = format!("localhost:{}", server.port());
    let desk = desk(&Settings::new());

    let shown = desk.output(&format!("truststore fetch {peer}"));
    let fingerprint = shown
        .lines()
        .find_map(|line| line.trim().strip_prefix("sha256"));
    let fingerprint = fingerprint
        .expect("the fingerprint is shown")
        .trim()
        .to_owned();
    let into = format!("truststore fetch {peer} --into t.p12 --password-file pw");
    let refusal = desk.refusal(&into);
    assert!(
        refusal.contains(&format!("--fingerprint {fingerprint}")),
        "{refusal}"
    );
    let wrong = fingerprint.replace('A', "B").replace('0', "1");
    let refusal = desk.refusal(&format!("{into} --fingerprint {wrong}"));
    assert!(refusal.contains("nothing was trusted"), "{refusal}");
    let refusal = desk.refusal(&format!("{into} --fingerprint AA:BB"));
    assert!(refusal.contains("64"), "{refusal}");
    assert!(!desk.path("t.p12").exists());

    // Without an authority in what was sent, it is the certificate itself; in any spelling of the fingerprint.
    let bare = fingerprint.replace(':', "").to_lowercase();
    let said = desk.run(&format!("{into} --fingerprint {bare}"));
    assert!(
        said.success && said.err.contains("no authority"),
        "{said:?}"
    );
    let listed = desk.output("truststore list t.p12 --password-file pw --json");
    assert!(listed.contains(&fingerprint), "{listed}");
    let _ = desk.output(&format!(
        "truststore fetch {peer} --into u.p12 --alias dir --password-file pw --yes"
    ));
    let listed = desk.output("truststore list u.p12 --password-file pw");
    assert!(listed.contains("dir (certificate)"), "{listed}");
}

#[test]
fn the_identity_providers_messages_can_be_checked_and_read() {
    let work = Workshop::new();
    let signer = work.self_signed("idp.example.com", &Order::bare());
    let trusted = work.trust(&[&signer.certificate]);
    let desk = desk(&Settings::new());
    let _ = desk.output("keystore self-signed saml.p12 --alias saml --host chat.example.com --key rsa-2048 --password-file pw");
    let _ = desk.output(
        "keystore self-signed ec.p12 --alias saml --host chat.example.com --password-file pw",
    );
    let own = |file: &str| StoreFile::new(desk.path(file), "secret of the store", "p12");
    let base = Settings::new().trust_store("STSAML", &trusted);
    configure(&desk, &base);
    let tried = desk.output("tls test saml");
    assert!(
        tried.contains("signed by CN=idp.example.com can be checked"),
        "{tried}"
    );
    configure(&desk, &base.clone().key_store("STSAML", &own("saml.p12")));
    let tried = desk.output("tls test saml");
    assert!(
        tried.contains("encrypted for CN=chat.example.com can be read"),
        "{tried}"
    );
    configure(&desk, &base.key_store("STSAML", &own("ec.p12")));
    let said = desk.run("tls test saml");
    assert!(
        !said.success && said.out.contains("STSAML_TLS_KEY_STORE_FILE"),
        "{said:?}"
    );
}

#[test]
fn a_scope_gives_store_and_password() {
    let work = Workshop::new();
    let root = work.root("Test Root", &Order::authority());
    let leaf = work.issue(
        &root,
        "mux.example.com",
        &Order::server(&["mux.example.com"]),
    );
    let (store, trusted) = (work.pkcs12("mux", &leaf), work.trust(&[&root.certificate]));
    let settings = Settings::new()
        .key_store("STMUX", &store)
        .trust_store("ST", &trusted);
    let desk = desk(&settings);
    let listed = desk.output("keystore list --scope mux");
    assert!(listed.contains("CN=mux.example.com"), "{listed}");
    let listed = desk.output("truststore list --scope saml");
    assert!(listed.contains("CN=Test Root"), "{listed}");
    let request = desk.output(&format!("keystore csr {} --scope mux", store.path_text()));
    assert!(request.contains("BEGIN CERTIFICATE REQUEST"), "{request}");
    let refusal = desk.refusal("keystore list --scope ldap");
    assert!(refusal.contains("STLDAP_TLS_KEY_STORE_FILE"), "{refusal}");
}
