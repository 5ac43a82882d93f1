//! Rules that cannot be kept, or that nothing would be left of.

use super::store;
use isochron_tests::Settings;
use isochron_tests::pki::Workshop;
use isochron_tests::settings::Attempt;

#[test]
fn versions_below_tls_1_2_are_refused_with_the_reason() {
    for (value, version) in [("0x300", "SSL 3"), ("0x301", "TLS 1.0"), ("770", "TLS 1.1")] {
        let _ = Settings::new()
            .set("STMUX_TLS_MIN_PROTOCOL_VERSION", value)
            .refused()
            .once()
            .names(&[
                "STMUX_TLS_MIN_PROTOCOL_VERSION",
                value,
                version,
                "sametime.ini:2",
            ]);
    }
    let _ = Settings::new()
        .set("ST_TLS_MAX_PROTOCOL_VERSION", "0x302")
        .refused()
        .names(&["ST_TLS_MAX_PROTOCOL_VERSION", "TLS 1.1"]);
    let _ = Settings::new()
        .set("STMUX_TLS_MIN_PROTOCOL_VERSION", "0x304")
        .set("STMUX_TLS_MAX_PROTOCOL_VERSION", "0x303")
        .refused()
        .once()
        .names(&["STMUX_TLS_MIN_PROTOCOL_VERSION"]);
}

#[test]
fn the_environment_is_named_where_it_is_at_fault() {
    let variable = "STI__Config__STMUX_TLS_MIN_PROTOCOL_VERSION";
    let _ = Attempt::new(b"[Config]\n")
        .variable(variable, "0x301")
        .refused()
        .once()
        .names(&[variable, "TLS 1.0"]);
}

#[test]
fn a_list_of_suites_of_which_nothing_is_left_is_refused() {
    let shop = Workshop::new();
    let settings = Settings::new().key_store("STMUX", &store(&shop));
    for (list, level) in [
        ("NO_SUCH_SUITE", "0"),
        (
            "TLS_RSA_WITH_AES_256_GCM_SHA384,RSA_WITH_AES_128_CBC_SHA",
            "0",
        ),
        // Known and served, but not at this level.
        ("ECDHE-ECDSA-CHACHA20-POLY1305", "2"),
    ] {
        let _ = settings
            .clone()
            .set("STMUX_TLS_CIPHER_SUITES", list)
            .set("STMUX_TLS_SECURITY_LEVEL", level)
            .refused()
            .once()
            .names(&["STMUX_TLS_CIPHER_SUITES"]);
    }
    // Fine for RSA, but the only key is an ECDSA one.
    let _ = settings
        .set("STMUX_TLS_CIPHER_SUITES", "ECDHE-RSA-AES256-GCM-SHA384")
        .refused()
        .once()
        .names(&["STMUX_TLS_CIPHER_SUITES"]);
}

#[test]
fn fips_without_the_module_is_refused_and_not_pretended() {
    let shop = Workshop::new();
    let _ = Settings::new()
        .key_store("STMUX", &store(&shop))
        .set("STMUX_TLS_FIPS_COMPLIANCE", "1")
        .refused()
        .once()
        .names(&["STMUX_TLS_FIPS_COMPLIANCE", "FIPS"]);
}

#[test]
fn values_that_are_none_are_refused() {
    for (name, value) in [
        ("STMUX_TLS_CLIENT_AUTH", "3"),
        ("STMUX_TLS_SECURITY_LEVEL", "5"),
        ("STMUX_TLS_SECURITY_LEVEL", "high"),
        ("STMUX_TLS_SESSION_CACHE_SIZE", "-2"),
        ("STMUX_TLS_KEY_STORE_TYPE", "jceks"),
    ] {
        let _ = Settings::new()
            .set(name, value)
            .refused()
            .once()
            .names(&[name, value]);
    }
}

#[test]
fn faults_of_different_kinds_are_told_together() {
    let shop = Workshop::new();
    let mut store = store(&shop);
    store.password = "never the right one".to_owned();
    Settings::new()
        .key_store("STMUX", &store)
        .set("STMUX_TLS_MAX_PROTOCOL_VERSION", "0x302")
        .set("STLDAP_TLS_SECURITY_LEVEL", "9")
        .refused()
        .names(&[
            "STMUX_TLS_MAX_PROTOCOL_VERSION",
            "STLDAP_TLS_SECURITY_LEVEL",
        ])
        .hides(&["never the right one"]);
}
