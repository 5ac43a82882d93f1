//! `sslyze` and `testssl.sh` find nothing to complain of, neither with the documented default nor with what the
//! README recommends.
//!
//! The long form asks `testssl.sh` everything that it knows; `cargo xtask test --full` runs it
//! (`ISOCHRON_FULL=1`).

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test may end by panicking anywhere"
)]

use isochron_tests::pki::{KeyKind, Order, Workshop};
use isochron_tests::{Ports, Server, Settings, scanner, tool};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// What is found about the authority of the test and about this machine, and not about the server: the name that the
/// scanner gives the finding, and why it does not count.
const EXCEPTED: [(&str, &str); 7] = [
    (
        "certificate_path_validation",
        "sslyze knows public authorities only, and the test's own is none",
    ),
    (
        "cert_chain_of_trust",
        "the same, as testssl.sh says it; visitors that know the test's root check the chain (tls_shown.rs)",
    ),
    (
        "cert_revocation",
        "the test's authority has no place on the network where it could tell of revocation",
    ),
    (
        "DNS_CAArecord",
        "there is no domain whose DNS could name the authority",
    ),
    (
        "maximum_certificate_lifespan",
        "of the certificate made at the first start, which people know by its fingerprint: it has ten years, \
         because each change would have to be told to everybody",
    ),
    ("cert_validityPeriod", "the same, as testssl.sh says it"),
    (
        "engine_problem",
        "the openssl of this machine has no GOST engine, which testssl.sh would use as a client",
    ),
];

/// True unless the finding is excepted by name. Where there are two certificates, their number follows the name.
fn counts(finding: &str) -> bool {
    let name = finding.split(' ').next().unwrap_or_default();
    !EXCEPTED.iter().any(|(excepted, _)| *excepted == name)
}

/// A server as it comes, with the certificate that it made itself.
#[test]
fn the_documented_default_is_sound() {
    let mut server = Server::start(Ports::Shared, &[]);
    sound(&server, &Workshop::new());
    server.stop();
}

/// What README.md recommends, with a store that has an ECDSA and an RSA key, so that both are looked at.
#[test]
fn the_recommended_settings_are_sound() {
    let shop = Workshop::new();
    let root = shop.root("Test Root", &Order::authority());
    let order = Order::server(&["localhost", "127.0.0.1"]);
    let ec = shop.issue(&root, "localhost", &order);
    let rsa = shop.issue(&root, "localhost", &order.key(KeyKind::Rsa(3072)));
    let store = shop.merged(&[&shop.pkcs12("ec", &ec), &shop.pkcs12("rsa", &rsa)]);
    let mut settings = Settings::new()
        .key_store("STMUX", &store)
        .set("STMUX_TLS_KEY_LABEL", "ec,rsa");
    for (name, value) in recommended() {
        settings = settings.set(&name, &value);
    }
    let mut server = settings.start(Ports::Shared);
    sound(&server, &shop);
    server.stop();
}

/// The TLS settings of the example in README.md, but for where its store lies.
fn recommended() -> Vec<(String, String)> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).expect("there is a README.md");
    let lines = readme
        .lines()
        .filter_map(|line| line.strip_prefix("    STMUX_TLS_"));
    let settings: Vec<_> = lines
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| !name.starts_with("KEY_STORE_"))
        .map(|(name, value)| (format!("STMUX_TLS_{name}"), value.to_owned()))
        .collect();
    assert!(
        !settings.is_empty(),
        "README.md recommends nothing any more"
    );
    settings
}

fn sound(server: &Server, shop: &Workshop) {
    let found = [
        sslyze(server, &shop.path("sslyze.json")),
        testssl(server, &shop.path("testssl.json")),
    ];
    let found = found.concat();
    assert!(
        found.is_empty(),
        "above informational:\n{}",
        found.join("\n")
    );
}

/// What `testssl.sh` rates above informational.
fn testssl(server: &Server, report: &Path) -> Vec<String> {
    let mut command = tool("testssl", "testssl.sh");
    command
        .args(["--quiet", "--color", "0", "--warnings", "off", "--jsonfile"])
        .arg(report);
    if std::env::var_os("ISOCHRON_FULL").is_none() {
        command.args([
            "--protocols",
            "--fs",
            "--server-preference",
            "--server-defaults",
            "--std",
        ]);
    }
    command.arg(format!("127.0.0.1:{}", server.tls_port()));
    let _ = said(command);
    let report = std::fs::read(report).expect("testssl writes its report");
    let report: Value = serde_json::from_slice(&report).expect("the report is JSON");
    let text =
        |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    let findings = report.as_array().expect("the report is a list");
    // It has looked: what a sound server gets is there.
    assert!(
        findings
            .iter()
            .any(|finding| text(finding, "id") == "TLS1_2")
    );
    findings
        .iter()
        .filter(|finding| {
            !["OK", "INFO", "DEBUG"].contains(&finding["severity"].as_str().unwrap_or(""))
        })
        .filter(|finding| counts(&text(finding, "id")))
        .map(|finding| {
            let [id, severity, what] =
                ["id", "severity", "finding"].map(|field| text(finding, field));
            format!("testssl: {severity} {id}: {what}")
        })
        .collect()
}

/// What `sslyze` finds missing for Mozilla's intermediate configuration.
fn sslyze(server: &Server, report: &Path) -> Vec<String> {
    let mut command = scanner::sslyze();
    command
        .arg(format!("--json_out={}", report.display()))
        .arg(format!("127.0.0.1:{}", server.tls_port()));
    let text = said(command);
    let verdict = text.split("COMPLIANCE AGAINST TLS CONFIGURATION").nth(1);
    let verdict = verdict.unwrap_or_else(|| panic!("sslyze has no verdict:\n{text}"));
    let complaints = verdict
        .lines()
        .filter_map(|line| line.trim().strip_prefix("* "));
    complaints
        .filter(|line| counts(line.split(':').next().unwrap_or_default()))
        .map(|line| format!("sslyze: {line}"))
        .collect()
}

/// What a scanner prints. Its status says that it found something, not that it failed.
fn said(mut command: Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .expect("the scanner starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("Traceback"), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
