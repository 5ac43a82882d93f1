//! What an administrator is told about the values in force.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use config::{
    EffectiveRow, IniFile, Scope, Sources, Unexplained, changed_but_not_reloadable, effective,
    explain,
};

fn sources(ini: &str) -> Sources {
    Sources {
        ini: Some(IniFile {
            path: "sametime.ini".into(),
            bytes: ini.as_bytes().to_vec(),
        }),
        ..Sources::default()
    }
}

fn row(ini: &str, name: &str) -> EffectiveRow {
    let rows = effective(&sources(ini));
    let row = rows.into_iter().find(|row| row.name == name);
    row.unwrap_or_else(|| panic!("{name} is not in the table"))
}

#[test]
fn the_table_has_every_setting_of_every_scope_with_its_provenance() {
    let ini = "[Config]\nST_TLS_KEY_STORE_FILE=/keys/server.p12\nSTMUX_TLS_SECURITY_LEVEL=2\n\
        ST_TLS_KEY_STORE_PASSWORD=secret\n";
    for (name, value, provenance, from) in [
        (
            "ST_TLS_KEY_STORE_FILE",
            Some("/keys/server.p12"),
            "sametime.ini:2",
            Some(Scope::Global),
        ),
        (
            "STMUX_TLS_KEY_STORE_FILE",
            Some("/keys/server.p12"),
            "ST_TLS_KEY_STORE_FILE, sametime.ini:2",
            Some(Scope::Global),
        ),
        (
            "STMUX_TLS_SECURITY_LEVEL",
            Some("2"),
            "sametime.ini:3",
            Some(Scope::Mux),
        ),
        ("STSAML_SECURITY_LEVEL", Some("0"), "default", None),
        (
            "STSRV_TLS_KEY_STORE_PASSWORD",
            Some("•••"),
            "ST_TLS_KEY_STORE_PASSWORD, sametime.ini:4",
            Some(Scope::Global),
        ),
        ("STMUX_TLS_KEY_LABEL", None, "not set", None),
        ("HEALTH_PORT", Some("8533"), "default", None),
    ] {
        let row = row(ini, name);
        assert_eq!(row.value.as_deref(), value, "{name}");
        assert_eq!(row.provenance(), provenance, "{name}");
        assert_eq!(row.from_scope(), from, "{name}");
    }
    let shown = format!("{:?}", effective(&sources(ini)));
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn the_table_works_on_a_configuration_with_faults_and_names_them() {
    let ini = "[Config]\nnonsense\nVPMX_CAPACITY=many\nSTMUX_TLS_SECURITY_LEVEL=2\n";
    assert!(config::load(sources(ini)).is_err());
    let capacity = row(ini, "VPMX_CAPACITY");
    assert_eq!(capacity.value.as_deref(), Some("many"));
    assert_eq!(capacity.problem.as_deref(), Some("is not a number"));
    let level = row(ini, "STMUX_TLS_SECURITY_LEVEL");
    assert_eq!((level.value.as_deref(), level.problem), (Some("2"), None));
}

#[test]
fn defaults_that_follow_from_other_settings_are_shown_as_they_are_in_force() {
    for (ini, name, value) in [
        ("", "VPMX_PORT", "1533"),
        ("", "VPMX_TLS_PORT", "1533"),
        ("", "STMUX_TLS_MODE", "both"),
        ("[Debug]\nVPMX_PORT=1600\n", "VPMX_TLS_PORT", "0"),
        ("[Debug]\nVPMX_PORT=1600\n", "STMUX_TLS_MODE", "legacy"),
        ("[Config]\nSTMUX_TLS_MODE=strict\n", "VPMX_PORT", "0"),
        (
            "[Config]\nST_TLS_MIN_PROTOCOL_VERSION=772\n",
            "STMUX_TLS_MAX_PROTOCOL_VERSION",
            "0x304",
        ),
    ] {
        assert_eq!(row(ini, name).value.as_deref(), Some(value), "{ini} {name}");
    }
}

#[test]
fn a_setting_is_explained_by_any_way_of_writing_its_name() {
    let ini = sources("[Config]\nST_TLS_KEY_STORE_FILE=/keys/server.p12\n");
    for name in [
        "STMUX_TLS_KEY_STORE_FILE",
        "stmux_tls_key_store_file",
        "tls.mux.key_store_file",
        "TLS.Mux.Key_Store_File",
        "STI__Config__STMUX_TLS_KEY_STORE_FILE",
        "STI_Config_STMUX_TLS_KEY_STORE_FILE",
        "[Config] STMUX_TLS_KEY_STORE_FILE",
    ] {
        let found = explain(name, &ini).unwrap_or_else(|error| panic!("{name}: {error}"));
        let [value] = found.values.as_slice() else {
            panic!("{name}: {:?}", found.values)
        };
        assert_eq!(value.scope, Some(Scope::Mux), "{name}");
        assert_eq!(value.value.as_deref(), Some("/keys/server.p12"), "{name}");
        assert_eq!(
            value.provenance(),
            "ST_TLS_KEY_STORE_FILE, sametime.ini:2",
            "{name}"
        );
    }
    for name in [
        "ST_TLS_KEY_STORE_FILE",
        "key_store_file",
        "tls.global.key_store_file",
    ] {
        let found = explain(name, &ini).unwrap();
        assert_eq!(found.values.len(), 5, "{name}");
        assert!(found.reloadable, "{name}");
        assert!(found.names.contains(&"STSAML_KEY_STORE_FILE".to_owned()));
    }
    assert_eq!(
        explain("tls.mux.mode", &ini).unwrap().names,
        ["STMUX_TLS_MODE"]
    );
    let timeout = explain("login_timeout_seconds", &ini).unwrap();
    assert_eq!((timeout.unit, timeout.default), ("seconds", Some("30")));
    assert_eq!(timeout.sections, ["Isochron"]);
}

#[test]
fn the_levels_below_the_floor_of_the_library_say_so() {
    let level = explain("STMUX_TLS_SECURITY_LEVEL", &Sources::default()).unwrap();
    assert!(
        level
            .meaning
            .contains("the floor of the TLS library is higher")
    );
}

#[test]
fn an_unknown_name_is_answered_with_the_nearest_ones() {
    let unknown = |name: &str| explain(name, &Sources::default()).unwrap_err().to_string();
    for (name, answer) in [
        (
            "STMUX_TLS_KEYSTORE_FILE",
            "STMUX_TLS_KEYSTORE_FILE is no setting; did you mean STMUX_TLS_KEY_STORE_FILE?",
        ),
        (
            "stmux_trusted_host",
            "stmux_trusted_host is no setting; did you mean STMUX_TLS_TRUSTED_HOSTS?",
        ),
        (
            "session_cache",
            "session_cache is no setting; did you mean ST_TLS_SESSION_CACHE_SIZE or \
             ST_TLS_SESSION_CACHE_TIME?",
        ),
        ("nonsense", "nonsense is no setting"),
        (
            "VP_SECURITY_LEVEL",
            "[Config] VP_SECURITY_LEVEL is documented, but not used by this version",
        ),
    ] {
        assert_eq!(unknown(name), answer);
    }
    assert!(matches!(
        explain("", &Sources::default()),
        Err(Unexplained::Unknown { .. })
    ));
}

#[test]
fn a_reload_says_what_needs_a_restart() {
    let old = sources("[Config]\nVPMX_CAPACITY=20000\nSTMUX_TLS_SECURITY_LEVEL=1\n");
    let new = sources(
        "[Config]\nSTMUX_TLS_SECURITY_LEVEL=2\n[Debug]\nVPMX_TLS_PORT=1600\n[Isochron]\nLOG_LEVEL=debug\n",
    );
    // The capacity is what the default is anyway, the level is taken without a restart.
    assert_eq!(
        changed_but_not_reloadable(&old, &new),
        [
            "VPMX_TLS_PORT (sametime.ini:4)",
            "LOG_LEVEL (sametime.ini:6)"
        ]
    );
    assert!(changed_but_not_reloadable(&old, &old).is_empty());
}
