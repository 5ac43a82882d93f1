//! Configurations as administrators bring them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use config::{Accepts, Config, Faults, IniFile, Note, Sources, load};

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
    let numbers = ["ini:2", "ini:4", "ini:5", "ini:7", "ini:8", "ini:9"];
    assert!(
        faults
            .iter()
            .zip(numbers)
            .all(|(fault, line)| fault.contains(line)),
        "{all}"
    );
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
    assert_eq!(report.matches("is not a port").count(), 1, "{report}");
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (ini, part) in [
        ("[Debug]\nVPMX_PORT=0\n", "both off"),
        ("[Debug]\nVPMX_PORT=0\nVPMX_TLS_PORT=0\n", "both off"),
        ("[Debug]\nVPMX_PORT=0,1\n", "stands alone"),
        ("[Debug]\nVPMX_PORT=8533\n", "also the port of VPMX_PORT"),
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
fn a_faulty_value_is_quoted_with_what_is_wrong_with_it() {
    for (line, problem) in [
        ("[Debug]\nVPMX_PORT=+80", "\"+80\" is not a port"),
        (
            "[Debug]\nVPMX_PORT=80,x",
            "\"80,x\" holds \"x\", which is not a port",
        ),
        ("[Debug]\nVPMX_TLS_PORT=65536", "\"65536\" is not a port"),
        ("[Config]\nVPMX_CAPACITY=-1", "\"-1\" is not a number"),
        ("[Config]\nVPMX_CAPACITY=+5", "\"+5\" is not a number"),
        (
            "[Config]\nVPMX_CAPACITY=99999999999999999999",
            "\"99999999999999999999\" is out of range",
        ),
        (
            "[Isochron]\nBIND_ADDRESS=localhost",
            "\"localhost\" cannot be read",
        ),
        (
            "[Isochron]\nLOG_PERSONAL_DATA=yes",
            "\"yes\" is none of the words",
        ),
        (
            "[Config]\nST_TLS_MIN_PROTOCOL_VERSION=0x302",
            "\"0x302\" is TLS 1.1",
        ),
        (
            "[Config]\nST_TLS_MAX_PROTOCOL_VERSION=1.2",
            "\"1.2\" is not the number of a TLS version",
        ),
        (
            "[Config]\nST_TLS_MAX_PROTOCOL_VERSION=0x+303",
            "is not the number of a TLS version",
        ),
    ] {
        let faults = faults(line);
        assert!(faults[0].contains(problem), "{line}: {faults:?}");
    }
}

#[test]
fn a_faulty_value_stops_the_start_even_if_a_weaker_source_has_a_good_one() {
    let faulty = ("STI__Config__VPMX_CAPACITY", "many");
    let faults = read("[Config]\nVPMX_CAPACITY=1\n", &[faulty]).unwrap_err();
    let origins: Vec<String> = faults
        .iter()
        .map(|fault| fault.origin.to_string())
        .collect();
    assert_eq!(origins, ["environment STI__Config__VPMX_CAPACITY"]);
}

#[test]
fn a_blank_value_counts_as_absent_wherever_it_stands() {
    let (config, _) = read(
        "[Config]\nVPMX_CAPACITY=5\n",
        &[("STI__Config__VPMX_CAPACITY", " ")],
    )
    .unwrap();
    assert_eq!(config.mux.capacity.value, 5);
    let (config, _) = good("[Config]\nVPMX_CAPACITY=\nST_COMMUNITY_ID=\n");
    assert_eq!(
        (config.mux.capacity.value, config.community.id),
        (20_000, None)
    );
}

#[test]
fn a_setting_in_two_sections_is_read_from_the_stronger_source_then_from_the_proper_section() {
    let ini = "[Config]\nVPMX_PORT=1600\n[Debug]\nVPMX_PORT=1700\n";
    let (config, notes) = good(ini);
    assert_eq!(config.mux.listeners[0].port, 1700);
    assert!(
        notes
            .iter()
            .any(|note| note.starts_with("sametime.ini:2: VPMX_PORT is not read from here")),
        "{notes:?}"
    );
    let (config, _) = read(ini, &[("STI__Config__VPMX_PORT", "1800")]).unwrap();
    assert_eq!(config.mux.listeners[0].port, 1800);
}

#[test]
fn two_variables_that_disagree_are_refused_and_two_that_agree_are_not() {
    let one = ("STI__Config__VPMX_CAPACITY", "1");
    assert!(read("", &[one, ("STI__CONFIG__VPMX_CAPACITY", "2")]).is_err());
    assert!(read("", &[one, ("STI__CONFIG__VPMX_CAPACITY", "1")]).is_ok());
}

#[test]
fn a_file_that_is_no_text_is_refused_with_the_line_where_it_ceases_to_be_one() {
    let long = vec![b'#'; config::INI_BYTES_MAX + 1];
    let table: &[(&[u8], &str, &str)] = &[
        (b"[Config]\nA=\x00\n", "x.ini:2: ", "U+0000"),
        (b"[Config]\n\nA=M\xfcller\n", "x.ini:3: ", "not UTF-8"),
        (b"[Config]\rA=1\n", "x.ini:1: ", "U+000D"),
        (b"\xff\xfe[\x00", "x.ini:1: ", "UTF-16"),
        (&long, "x.ini: ", "too long"),
    ];
    for (bytes, place, problem) in table {
        let ini = Some(IniFile {
            path: "x.ini".into(),
            bytes: bytes.to_vec(),
        });
        let faults = load(Sources {
            ini,
            ..Sources::default()
        })
        .unwrap_err();
        let shown: Vec<String> = faults.iter().map(|fault| fault.to_string()).collect();
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(
            shown[0].starts_with(place) && shown[0].contains(problem),
            "{shown:?}"
        );
    }
}

#[test]
fn a_file_of_another_kind_is_not_answered_with_a_fault_for_each_of_its_lines() {
    let faults = faults(&"{ \"json\": true }\n".repeat(1000));
    assert_eq!(faults.len(), 10);
}

#[test]
fn a_report_shows_neither_a_password_nor_the_lines_around_the_fault() {
    let ini = "[Config]\nST_TLS_KEY_STORE_PASSWORD=secret1\nVPMX_CAPACITY=x\nST_TLS_TRUST_STORE_PASSWORD=secret2\n\
               STMUX_TLS_KEY_STORE_PASSWORD secret3\n";
    let faults = read(ini, &[]).unwrap_err();
    let report = faults.render(false) + &faults.to_string() + &format!("{faults:?}");
    assert!(
        report.contains("VPMX_CAPACITY=x") && report.contains("STMUX_TLS_KEY_STORE_PASSWORD"),
        "{report}"
    );
    assert!(!report.contains("secret"), "{report}");
    let (_, notes) =
        good("[Config]\nST_TLS_KEY_STORE_PASSWORD=secret1\nST_TLS_KEY_STORE_PASSWORD=secret2\n");
    assert!(!format!("{notes:?}").contains("secret"), "{notes:?}");
}

#[test]
fn a_password_that_holds_the_word_is_not_shown_up_to_there() {
    for ini in [
        "ST_TLS_KEY_STORE_PASSWORD=mypassword1\n[Config]\n",
        "[Config]\nSTLDAP_TLS_KEY_STORE_PASSWORD: my-password-1\n",
        "[Config]\nST_TLS_KEY_STORE_PASSWORD mypwd1\n",
    ] {
        let report = read(ini, &[]).unwrap_err().render(false);
        assert!(report.contains("KEY_STORE_PASSWORD"), "{report}");
        assert!(!report.contains("my"), "{report}");
    }
    let report = read("ST_TLS_KEY_STORE_PASSWORD_FILE=my.password\n", &[]).unwrap_err();
    assert!(report.render(false).contains("my.password"));
}

#[test]
fn a_value_may_hold_what_elsewhere_begins_a_comment() {
    let (config, notes) = good("[Config]\n  ST_COMMUNITY_ID =  a=b ;c #d ü  \n");
    let id = config.community.id.map(|id| id.value);
    assert_eq!(id.as_deref(), Some("a=b ;c #d ü"));
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn only_the_tls_port_leaves_legacy_clients_on_1533_and_says_so() {
    let (config, notes) = good("[Debug]\nVPMX_TLS_PORT=1601\n");
    assert_eq!(config.mux.listeners.len(), 2);
    assert!(
        notes[0].contains("VPMX_PORT=0 turns them away"),
        "{notes:?}"
    );
    let (config, notes) = good("[Debug]\nVPMX_TLS_PORT=1533\n");
    assert_eq!(config.mux.listeners[0].accepts, Accepts::Both);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn the_command_line_is_stronger_than_everything_else() {
    let argument = config::Argument {
        option: "--capacity".to_owned(),
        section: "Config",
        key: "VPMX_CAPACITY",
        value: "9".to_owned(),
    };
    let environment = vec![("STI__Config__VPMX_CAPACITY".to_owned(), "2".to_owned())];
    let (config, _) = load(Sources {
        environment,
        command_line: vec![argument],
        ..Sources::default()
    })
    .unwrap();
    assert_eq!(
        config.mux.capacity.to_string(),
        "9 (command line --capacity)"
    );
}
