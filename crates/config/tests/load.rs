//! Configurations as administrators bring them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use config::{Accepts, Config, Faults, IniFile, Note, Sources, TlsVersion, load};

fn read(ini: &str, environment: &[(&str, &str)]) -> Result<(Config, Vec<Note>), Faults> {
    let environment = environment
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let ini = Some(IniFile {
        path: "sametime.ini".into(),
        bytes: ini.as_bytes().to_vec(),
    });
    load(Sources {
        ini,
        environment,
        ..Sources::default()
    })
}

fn good(ini: &str) -> (Config, Vec<String>) {
    let (config, notes) = read(ini, &[]).unwrap_or_else(|faults| panic!("{ini}: {faults}"));
    (config, notes.iter().map(Note::to_string).collect())
}

fn faults(ini: &str) -> Vec<String> {
    let faults = read(ini, &[])
        .err()
        .unwrap_or_else(|| panic!("{ini} should be refused"));
    faults.iter().map(|fault| fault.to_string()).collect()
}

#[test]
fn the_two_ports_make_the_modes_of_the_listener() {
    let table: &[(&str, &[(u16, Accepts)])] = &[
        ("", &[(1533, Accepts::Both)]),
        ("VPMX_PORT=1600", &[(1600, Accepts::Legacy)]),
        (
            "VPMX_PORT=1600\nVPMX_TLS_PORT=0",
            &[(1600, Accepts::Legacy)],
        ),
        (
            "VPMX_PORT=1600\nVPMX_TLS_PORT=1600",
            &[(1600, Accepts::Both)],
        ),
        (
            "VPMX_PORT=1600\nVPMX_TLS_PORT=1601",
            &[(1600, Accepts::Legacy), (1601, Accepts::Tls)],
        ),
        ("VPMX_PORT=0\nVPMX_TLS_PORT=1533", &[(1533, Accepts::Tls)]),
        (
            "VPMX_TLS_PORT=1601",
            &[(1533, Accepts::Legacy), (1601, Accepts::Tls)],
        ),
        (
            "VPMX_PORT=1, 2\nVPMX_TLS_PORT=2,3",
            &[(1, Accepts::Legacy), (2, Accepts::Both), (3, Accepts::Tls)],
        ),
    ];
    for (lines, expected) in table {
        let (config, _) = good(&format!("[Debug]\n{lines}\n"));
        let found: Vec<(u16, Accepts)> = config
            .mux
            .listeners
            .iter()
            .map(|listen| (listen.port, listen.accepts))
            .collect();
        assert_eq!(found, *expected, "{lines}");
    }
}

#[test]
fn legacy_alone_is_noted() {
    let (_, notes) = good("[Debug]\nVPMX_PORT=1533\n");
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("VPMX_TLS_PORT is not set"), "{notes:?}");
}

#[test]
fn keys_and_sections_compare_without_case_and_the_mux_may_stand_in_two_sections() {
    let (config, notes) = good(
        "\u{feff}[config]\r\nvpmx_capacity = 7\r\n; note\r\n# note\r\n[DEBUG]\r\nVpmx_Port=5\r\n",
    );
    assert_eq!(
        (config.mux.capacity.value, config.mux.listeners[0].port),
        (7, 5)
    );
    assert_eq!(config.mux.capacity.origin.to_string(), "sametime.ini:2");
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn the_environment_is_stronger_than_the_file_and_the_canonical_form_than_the_other() {
    let ini = "[Config]\nVPMX_CAPACITY=1\n";
    let canonical = ("STI__Config__VPMX_CAPACITY", "2");
    let single = ("STI_Config_VPMX_CAPACITY", "3");
    for (environment, expected) in [
        (&[][..], 1),
        (&[canonical][..], 2),
        (&[single][..], 3),
        (&[canonical, single][..], 2),
    ] {
        let (config, _) = read(ini, environment).unwrap();
        assert_eq!(config.mux.capacity.value, expected, "{environment:?}");
    }
    let (config, notes) = read(ini, &[single]).unwrap();
    assert_eq!(
        config.mux.capacity.origin.to_string(),
        "environment STI_Config_VPMX_CAPACITY"
    );
    assert!(
        notes
            .iter()
            .any(|note| note.text.contains("STI__Config__VPMX_CAPACITY")),
        "{notes:?}"
    );
}

#[test]
fn a_key_given_twice_leaves_its_last_value_and_a_note() {
    let (config, notes) = good("[Config]\nVPMX_CAPACITY=1\nVPMX_CAPACITY=2\n");
    assert_eq!(config.mux.capacity.value, 2);
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn a_wrong_name_is_noted_with_the_nearest_one() {
    let (_, notes) = good("[Isochron]\nHEALTH_PROT=1\n");
    assert!(
        notes[0].contains("did you mean [Isochron] HEALTH_PORT?"),
        "{notes:?}"
    );
}

#[test]
fn all_faults_are_reported_at_once_with_line_and_expectation() {
    let faults = faults(
        "[Debug]\nVPMX_PORT=port\n[Config]\nVPMX_CAPACITY=0\nSTMUX_TLS_MIN_PROTOCOL_VERSION=0x301\n\
         [Isochron]\nLOG_FORMAT=xml\nHEALTH_PORT=70000\nLOG_LEVEL=loud\n",
    );
    assert_eq!(faults.len(), 6, "{faults:#?}");
    let all = faults.join("\n");
    for part in [
        "sametime.ini:2: VPMX_PORT",
        "sametime.ini:4: VPMX_CAPACITY",
        "RFC 8996",
        "sametime.ini:7: LOG_FORMAT",
    ] {
        assert!(all.contains(part), "{part} is not in {all}");
    }
}

#[test]
fn the_report_shows_the_line_and_a_mark() {
    let report = read("[Debug]\nVPMX_PORT=port\n", &[])
        .unwrap_err()
        .render(false);
    for part in ["sametime.ini:2", "VPMX_PORT=port", "a port from 1 to 65535"] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (ini, part) in [
        ("[Debug]\nVPMX_PORT=0\n", "both off"),
        ("[Debug]\nVPMX_PORT=0\nVPMX_TLS_PORT=0\n", "both off"),
        ("[Debug]\nVPMX_PORT=0,1\n", "stands alone"),
        ("[Debug]\nVPMX_PORT=8533\n", "also the port of VPMX_PORT"),
        (
            "[Config]\nST_TLS_MIN_PROTOCOL_VERSION=0x304\nSTMUX_TLS_MAX_PROTOCOL_VERSION=0x303\n",
            "above the highest",
        ),
        (
            "[Config]\nST_TLS_KEY_STORE_FILE=/keys/server.p12\n",
            "not served by this version",
        ),
        ("[Config]\nnonsense\n", "sametime.ini:2"),
    ] {
        let faults = faults(ini);
        assert!(
            faults.iter().any(|fault| fault.contains(part)),
            "{part} is not in {faults:?}"
        );
    }
    assert!(
        load(Sources {
            ini: Some(IniFile {
                path: "x.ini".into(),
                bytes: vec![0xff, 0xfe, 0, 1, 2]
            }),
            ..Sources::default()
        })
        .is_err()
    );
}

#[test]
fn a_tls_setting_comes_from_its_scope_then_from_the_global_one_then_from_the_default() {
    for (lines, min, max) in [
        ("", TlsVersion::Tls12, TlsVersion::Tls12),
        (
            "ST_TLS_MAX_PROTOCOL_VERSION=0x304",
            TlsVersion::Tls12,
            TlsVersion::Tls13,
        ),
        (
            "STMUX_TLS_MAX_PROTOCOL_VERSION=772",
            TlsVersion::Tls12,
            TlsVersion::Tls13,
        ),
        (
            "ST_TLS_MAX_PROTOCOL_VERSION=0X0304\nSTMUX_TLS_MAX_PROTOCOL_VERSION=0x303",
            TlsVersion::Tls12,
            TlsVersion::Tls12,
        ),
        (
            "ST_TLS_MAX_PROTOCOL_VERSION=0x304\nSTMUX_TLS_MAX_PROTOCOL_VERSION=",
            TlsVersion::Tls12,
            TlsVersion::Tls13,
        ),
        (
            "ST_TLS_MIN_PROTOCOL_VERSION=0x304",
            TlsVersion::Tls13,
            TlsVersion::Tls13,
        ),
    ] {
        let (config, _) = good(&format!("[Config]\n{lines}\n"));
        let versions = &config.mux.tls_versions;
        assert_eq!(
            (versions.min.value, versions.max.value),
            (min, max),
            "{lines}"
        );
    }
}
