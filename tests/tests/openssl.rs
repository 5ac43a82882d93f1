//! OpenSSL shakes hands: which versions of TLS are served, and which certificate is shown.

#![allow(clippy::expect_used, reason = "a test may end by panicking anywhere")]

use isochron_tests::{Client, Ports, Server, password_of, tool};
use std::process::Stdio;

#[test]
fn tls_1_2_is_the_default() {
    let mut server = Server::start(Ports::Shared, &[]);
    assert_eq!(
        handshake(server.tls_port(), &[]),
        Some("TLSv1.2".to_owned())
    );
    assert_eq!(
        handshake(server.tls_port(), &["-tls1_2"]),
        Some("TLSv1.2".to_owned())
    );
    assert_eq!(handshake(server.tls_port(), &["-tls1_3"]), None);
    // The security level is lowered so that it is the server who refuses, not this client.
    assert_eq!(
        handshake(
            server.tls_port(),
            &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]
        ),
        None
    );
    assert_eq!(
        handshake(
            server.tls_port(),
            &["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"]
        ),
        None
    );
    server.wait_closed("tls_failed", 3);

    // The same port serves a legacy client meanwhile.
    let mut alice = Client::new(
        "127.0.0.1",
        server.legacy_port(),
        "alice",
        &password_of("alice"),
    );
    alice.login();
    server.stop();
}

#[test]
fn tls_1_3_where_the_maximum_allows() {
    let mut server = Server::start(
        Ports::StrictTls,
        &[("Config", "STMUX_TLS_MAX_PROTOCOL_VERSION", "0x304")],
    );
    assert_eq!(
        handshake(server.tls_port(), &[]),
        Some("TLSv1.3".to_owned())
    );
    assert_eq!(
        handshake(server.tls_port(), &["-tls1_3"]),
        Some("TLSv1.3".to_owned())
    );
    assert_eq!(
        handshake(server.tls_port(), &["-tls1_2"]),
        Some("TLSv1.2".to_owned())
    );
    assert_eq!(
        handshake(
            server.tls_port(),
            &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]
        ),
        None
    );
    server.stop();
}

#[test]
fn the_certificate_is_the_one_whose_fingerprint_was_printed_and_it_stays() {
    let mut server = Server::start(Ports::Shared, &[]);
    let shown = fingerprint(server.tls_port());
    assert_eq!(shown.len(), "AA:".len() * 32 - 1, "{shown}");
    assert!(
        server.said().contains(&shown),
        "the server did not print {shown}:\n{}",
        server.said()
    );
    server.restart();
    assert_eq!(fingerprint(server.tls_port()), shown);
    server.stop();
}

#[test]
fn a_legacy_port_takes_no_tls() {
    let mut server = Server::start(Ports::Legacy, &[]);
    assert_eq!(handshake(server.legacy_port(), &[]), None);
    server.wait_closed("tls_not_served", 1);
    server.stop();
}

/// The version that a handshake agreed on, `None` if it was refused.
fn handshake(port: u16, options: &[&str]) -> Option<String> {
    let mut openssl = tool("openssl", "openssl");
    openssl
        .args([
            "s_client",
            "-brief",
            "-connect",
            &format!("127.0.0.1:{port}"),
        ])
        .args(options);
    let output = openssl
        .stdin(Stdio::null())
        .output()
        .expect("openssl starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let version = said
        .lines()
        .find_map(|line| line.strip_prefix("Protocol version: "))?;
    assert!(output.status.success(), "{said}");
    Some(version.to_owned())
}

/// The SHA-256 fingerprint of the certificate that a port shows, as `AA:BB:…`.
fn fingerprint(port: u16) -> String {
    let mut client = tool("openssl", "openssl");
    client.args(["s_client", "-connect", &format!("127.0.0.1:{port}")]);
    client
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut client = client.spawn().expect("openssl starts");
    let certificate = client.stdout.take().expect("the output is piped");

    let mut reader = tool("openssl", "openssl");
    reader
        .args(["x509", "-noout", "-fingerprint", "-sha256"])
        .stdin(certificate);
    let output = reader.output().expect("openssl starts");
    let _ = client.wait();
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .rsplit('=')
        .next()
        .unwrap_or_default()
        .to_owned()
}
