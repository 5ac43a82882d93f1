//! Settings files of any kind: `sametime.ini`, and the XML files beside it.
//!
//! Source: `docs/domain/config-files.md`, 1 to 3.

use isochron_tests::settings::{Attempt, refused};

#[test]
fn a_key_given_twice_counts_the_second_time_and_is_warned_of() {
    let ini = "[Config]\nVPMX_CAPACITY=10\nVPMX_CAPACITY=20\n[Config]\nST_COMMUNITY_ID=x\n";
    let said = Attempt::new(ini.as_bytes()).started();
    assert!(said.contains("WARN"), "{said}");
    assert!(said.contains("VPMX_CAPACITY"), "{said}");
}

#[test]
fn line_ends_of_windows_and_a_byte_order_mark_are_fine() {
    let ini = "\u{feff}[Config]\r\nSTMUX_TLS_MAX_PROTOCOL_VERSION=0x304\r\n# comment\r\n\r\n";
    let said = Attempt::new(ini.as_bytes()).started();
    let complaint = |line: &str| line.contains("WARN") && line.contains("sametime.ini");
    assert!(!said.lines().any(complaint), "{said}");
}

#[test]
fn what_is_no_text_is_refused() {
    let shop = isochron_tests::pki::Workshop::new();
    let store = std::fs::read(&super::store(&shop).path).expect("openssl wrote it");
    let utf16 = "[Config]\r\nST_COMMUNITY_ID=x\r\n".encode_utf16();
    let utf16: Vec<u8> = utf16.flat_map(u16::to_le_bytes).collect();
    for bytes in [
        store,
        utf16,
        vec![0; 4096],
        b"[Config]\nA=\xff\xfe\n".to_vec(),
    ] {
        let _ = refused(&bytes).once().names(&["sametime.ini"]);
    }
}

/// The two files that are read beside `sametime.ini`.
const XML_FILES: [&str; 2] = ["StCommunityConfig.xml", "UserInfoConfig.xml"];

fn xml_refused(content: &[u8], parts: &[&str]) {
    for name in XML_FILES {
        let attempt = Attempt::new(b"[Config]\n").beside(name, content);
        let _ = attempt.refused().once().names(&[name]).names(parts);
    }
}

#[test]
fn xml_that_brings_its_own_rules_is_refused() {
    xml_refused(
        b"<?xml version=\"1.0\"?>\n<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>\n<a b=\"1\">&x;</a>\n",
        &[":2"],
    );
    xml_refused(
        b"<!DOCTYPE a SYSTEM \"http://127.0.0.1/a.dtd\"><StCommunityConfig/>\n",
        &[],
    );
    xml_refused(b"<StCommunityConfig>&unknown;</StCommunityConfig>\n", &[]);
}

#[test]
fn xml_that_would_grow_without_end_is_refused() {
    let mut laughs = "<!DOCTYPE l [<!ENTITY l0 \"ha\">".to_owned();
    for level in 1..30 {
        let below = format!("&l{};", level - 1).repeat(10);
        laughs += &format!("<!ENTITY l{level} \"{below}\">");
    }
    laughs += "]><l>&l29;</l>";
    xml_refused(laughs.as_bytes(), &[]);

    let depth = 200_000;
    let deep = "<a>".repeat(depth) + &"</a>".repeat(depth);
    xml_refused(deep.as_bytes(), &[]);

    let long = format!(
        "<StCommunityConfig a=\"{}\"/>",
        "x".repeat(64 * 1024 * 1024)
    );
    xml_refused(long.as_bytes(), &[]);
}

#[test]
fn xml_that_is_none_is_refused_with_the_place() {
    xml_refused(
        b"<StCommunityConfig>\n <LDAP>\n</StCommunityConfig>\n",
        &[":3"],
    );
    xml_refused(b"<StCommunityConfig a=\"1\" a=\"2\"/>\n", &[]);
    xml_refused(b"\0\0\0\0", &[]);
    xml_refused(b"", &[]);
}

#[test]
fn a_password_in_faulty_xml_is_not_shown() {
    let xml = "<StCommunityConfig><LDAP><Connection HostName=\"ldap.example.com\" \
               BindEntryPassword=\"bind secret\" SSLPort=\"many\"/></LDAP></StCommunityConfig>";
    Attempt::new(b"[Config]\n")
        .beside("StCommunityConfig.xml", xml.as_bytes())
        .refused()
        .once()
        .names(&["StCommunityConfig.xml", "SSLPort"])
        .hides(&["bind secret"]);
}
