//! TLS settings as administrators write them: the worked examples of `docs/domain/tls-scopes.md` 16, and what does
//! not go together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use config::{
    Accepts, ClientAuth, Config, Faults, IniFile, Note, Scope, SecurityLevel, Sources,
    StoreSettings, StoreType, TlsSettings, TlsVersion, load,
};

/// One store for all, the example that the others start from.
const A: &str = "ST_TLS_KEY_STORE_TYPE=p12\nST_TLS_TRUST_STORE_TYPE=p12\n\
    ST_TLS_KEY_STORE_FILE=/keys/server.p12\nST_TLS_TRUST_STORE_FILE=/keys/trust.p12\n\
    ST_TLS_KEY_STORE_PASSWORD=k\nST_TLS_TRUST_STORE_PASSWORD=t\nST_TLS_SECURITY_LEVEL=2\n";

const SERVICES: [Scope; 4] = [Scope::Mux, Scope::Server, Scope::Ldap, Scope::Saml];

fn read(lines: &str, environment: &[(&str, &str)]) -> Result<(Config, Vec<Note>), Faults> {
    let ini = IniFile {
        path: "sametime.ini".into(),
        bytes: format!("[Config]\n{lines}\n").into_bytes(),
    };
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    load(Sources {
        ini: Some(ini),
        environment: environment.iter().map(own).collect(),
        ..Sources::default()
    })
}

fn good(lines: &str) -> (Config, Vec<String>) {
    let (config, notes) = read(lines, &[]).unwrap_or_else(|faults| panic!("{lines}: {faults}"));
    (config, notes.iter().map(Note::to_string).collect())
}

fn faults(lines: &str) -> Vec<String> {
    let Err(faults) = read(lines, &[]) else {
        panic!("{lines} should be refused")
    };
    faults.iter().map(ToString::to_string).collect()
}

/// File and password of a store, `-` where there is none.
fn shown(store: Option<&StoreSettings>) -> String {
    let Some(store) = store else {
        return "-".to_owned();
    };
    let password = store.password.as_ref();
    let password = password.map_or("-", |password| password.value.expose());
    format!("{} / {password}", store.file.value.display())
}

fn key_stores(config: &Config) -> [String; 4] {
    SERVICES.map(|scope| shown(config.tls.of(scope).key_store.as_ref()))
}

fn trust_stores(config: &Config) -> [String; 4] {
    SERVICES.map(|scope| shown(config.tls.of(scope).trust_store.as_ref()))
}

fn levels(config: &Config) -> [SecurityLevel; 4] {
    SERVICES.map(|scope| config.tls.of(scope).level.value)
}

#[test]
fn a_one_store_for_all() {
    let (config, notes) = good(A);
    assert_eq!(key_stores(&config), ["/keys/server.p12 / k"; 4]);
    assert_eq!(trust_stores(&config), ["/keys/trust.p12 / t"; 4]);
    assert_eq!(levels(&config), [SecurityLevel::Level2; 4]);
    let mux = config.tls.mux.key_store.as_ref().unwrap();
    assert_eq!(mux.file.name, "ST_TLS_KEY_STORE_FILE");
    assert_eq!(mux.file.origin.to_string(), "sametime.ini:4");
    let store_type = mux.store_type.as_ref().unwrap();
    assert_eq!(store_type.value, StoreType::Pkcs12);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn b_the_global_scope_with_overrides() {
    let (config, _) = good(&format!(
        "{A}STMUX_TLS_KEY_STORE_FILE=/keys/mux.p12\nSTMUX_TLS_KEY_STORE_PASSWORD=m\n\
         STLDAP_TLS_SECURITY_LEVEL=0\nSTLDAP_TLS_TRUSTED_HOSTS=ldap1.example.com,ldap2.example.com\n\
         STSAML_TRUST_STORE_FILE=/keys/idp.p12\nSTSAML_TRUST_STORE_PASSWORD=i\n"
    ));
    let server = "/keys/server.p12 / k";
    let trust = "/keys/trust.p12 / t";
    assert_eq!(
        key_stores(&config),
        ["/keys/mux.p12 / m", server, server, server]
    );
    assert_eq!(
        trust_stores(&config),
        [trust, trust, trust, "/keys/idp.p12 / i"]
    );
    let (two, none) = (SecurityLevel::Level2, SecurityLevel::Level0);
    assert_eq!(levels(&config), [two, two, none, two]);
    let hosts = |settings: &TlsSettings| settings.trusted_hosts.clone().map(|hosts| hosts.value);
    assert_eq!(hosts(&config.tls.mux), None);
    assert_eq!(
        hosts(&config.tls.ldap),
        Some(vec![
            "ldap1.example.com".to_owned(),
            "ldap2.example.com".to_owned()
        ])
    );
    let idp = config.tls.saml.trust_store.as_ref().unwrap();
    assert_eq!(idp.file.name, "STSAML_TRUST_STORE_FILE");
    assert_eq!(
        idp.store_type.as_ref().unwrap().name,
        "ST_TLS_TRUST_STORE_TYPE"
    );
}

#[test]
fn c_no_global_scope() {
    let (config, notes) = good(
        "STMUX_TLS_KEY_STORE_TYPE=p12\nSTMUX_TLS_KEY_STORE_FILE=/keys/mux.p12\n\
         STMUX_TLS_KEY_STORE_PASSWORD=m\nSTLDAP_TLS_TRUST_STORE_TYPE=jks\n\
         STLDAP_TLS_TRUST_STORE_FILE=/keys/ldap.jks\nSTLDAP_TLS_TRUST_STORE_PASSWORD=l\n",
    );
    assert_eq!(key_stores(&config), ["/keys/mux.p12 / m", "-", "-", "-"]);
    assert_eq!(trust_stores(&config), ["-", "-", "/keys/ldap.jks / l", "-"]);
    assert_eq!(config.tls.global.key_store, None);
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn d_half_an_override_is_said_word_for_word() {
    let (config, _) = good(&format!("{A}STMUX_TLS_KEY_STORE_FILE=/keys/mux.p12\n"));
    let store = config.tls.mux.key_store.as_ref().unwrap();
    assert_eq!(shown(Some(store)), "/keys/mux.p12 / k");
    assert_eq!(
        store.half_override().unwrap(),
        "STMUX_TLS_KEY_STORE_FILE is set but STMUX_TLS_KEY_STORE_PASSWORD is not; the password of \
         ST_TLS_KEY_STORE_PASSWORD was tried and does not open mux.p12"
    );
    let whole = config.tls.server.key_store.as_ref().unwrap();
    assert_eq!(whole.half_override(), None);

    // SAML's short names are its own, and the other half can be missing too.
    let (config, _) = good(&format!("{A}STSAML_TRUST_STORE_PASSWORD=i\n"));
    let saml = config.tls.saml.trust_store.as_ref().unwrap();
    assert_eq!(
        saml.half_override().unwrap(),
        "STSAML_TRUST_STORE_PASSWORD is set but no file of the same scope is; it was tried on trust.p12 of \
         ST_TLS_TRUST_STORE_FILE and does not open it"
    );
}

#[test]
fn e_the_environment_is_stronger_than_the_file() {
    let (config, notes) = read(
        "ST_TLS_SECURITY_LEVEL=1",
        &[
            ("STI__Config__ST_TLS_SECURITY_LEVEL", "2"),
            ("STI_Config_STMUX_TLS_SECURITY_LEVEL", "3"),
        ],
    )
    .unwrap();
    let (two, three) = (SecurityLevel::Level2, SecurityLevel::Level3);
    assert_eq!(levels(&config), [three, two, two, two]);
    let notes: Vec<String> = notes.iter().map(Note::to_string).collect();
    assert_eq!(
        notes,
        [
            "environment STI_Config_STMUX_TLS_SECURITY_LEVEL: read as STI__Config__STMUX_TLS_SECURITY_LEVEL, \
             which is how to write it"
        ]
    );
}

#[test]
fn f_a_blank_override_counts_as_absent() {
    let (config, _) = good(
        "ST_TLS_CIPHER_SUITES=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384\nSTMUX_TLS_CIPHER_SUITES=\n",
    );
    let suites = config.tls.mux.cipher_suites.unwrap();
    assert_eq!(suites.value, ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"]);
    assert_eq!(suites.name, "ST_TLS_CIPHER_SUITES");
}

#[test]
fn saml_is_looked_up_under_its_short_name_then_the_long_one_then_the_global_one() {
    let lines = [
        "ST_TLS_KEY_LABEL=global",
        "STSAML_TLS_KEY_LABEL=long",
        "STSAML_KEY_LABEL=short",
    ];
    for (count, expected) in [(1, "global"), (2, "long"), (3, "short")] {
        let (config, _) = good(&lines[..count].join("\n"));
        let labels = config.tls.saml.key_labels.unwrap();
        assert_eq!(labels.value, [expected]);
    }
}

#[test]
fn without_settings_every_scope_has_the_documented_defaults() {
    let (config, notes) = good("");
    for settings in config.tls.iter() {
        assert_eq!((&settings.key_store, &settings.trust_store), (&None, &None));
        assert_eq!(settings.versions.min.value, TlsVersion::Tls12);
        assert_eq!(settings.versions.max.value, TlsVersion::Tls12);
        assert_eq!(settings.level.value, SecurityLevel::Level0);
        assert_eq!(settings.client_auth.value, ClientAuth::None);
        assert!(settings.host_check.value && !settings.pkix.value && !settings.fips.value);
        assert!(!settings.sessions.is_on());
    }
    // A default is named as the scope would name it.
    assert_eq!(config.tls.mux.level.name, "STMUX_TLS_SECURITY_LEVEL");
    assert_eq!(config.tls.saml.level.name, "STSAML_SECURITY_LEVEL");
    assert!(notes.is_empty(), "{notes:?}");
}

#[test]
fn the_range_of_versions_comes_from_the_scope_then_from_the_global_one() {
    let (two, three) = (TlsVersion::Tls12, TlsVersion::Tls13);
    for (lines, expected) in [
        ("ST_TLS_MAX_PROTOCOL_VERSION=0x304", (two, three)),
        ("STMUX_TLS_MAX_PROTOCOL_VERSION=772", (two, three)),
        (
            "ST_TLS_MAX_PROTOCOL_VERSION=0X0304\nSTMUX_TLS_MAX_PROTOCOL_VERSION=0x303",
            (two, two),
        ),
        (
            "ST_TLS_MAX_PROTOCOL_VERSION=0x304\nSTMUX_TLS_MAX_PROTOCOL_VERSION=",
            (two, three),
        ),
        ("ST_TLS_MIN_PROTOCOL_VERSION=0x304", (three, three)),
    ] {
        let versions = good(lines).0.tls.mux.versions;
        assert_eq!(
            (versions.min.value, versions.max.value),
            expected,
            "{lines}"
        );
    }
}

#[test]
fn what_does_not_go_together_is_refused_once_with_the_line_to_change() {
    for (lines, expected) in [
        (
            "ST_TLS_MIN_PROTOCOL_VERSION=0x301",
            "sametime.ini:2: ST_TLS_MIN_PROTOCOL_VERSION: \"0x301\" is TLS 1.0, which is withdrawn (RFC 8996) and \
             never spoken",
        ),
        (
            "ST_TLS_MIN_PROTOCOL_VERSION=0x304\nSTMUX_TLS_MAX_PROTOCOL_VERSION=0x303",
            "sametime.ini:2: ST_TLS_MIN_PROTOCOL_VERSION: the lowest version, TLS 1.3, is above the highest, \
             TLS 1.2 (STMUX_TLS_MAX_PROTOCOL_VERSION, sametime.ini:3)",
        ),
        (
            "ST_TLS_CLIENT_AUTH=2",
            "sametime.ini:2: ST_TLS_CLIENT_AUTH: ST_TLS_CLIENT_AUTH asks for client certificates, but no trust \
             store says which are good",
        ),
        (
            "ST_TLS_KEY_STORE_TYPE=pem",
            "sametime.ini:2: ST_TLS_KEY_STORE_TYPE: \"pem\" is none of the words for it",
        ),
        (
            "STSRV_TLS_SECURITY_LEVEL=5",
            "sametime.ini:2: STSRV_TLS_SECURITY_LEVEL: \"5\" is none of the words for it",
        ),
        (
            "STLDAP_TLS_TRUSTED_HOSTS=a.example.com b.example.com",
            "sametime.ini:2: STLDAP_TLS_TRUSTED_HOSTS: \"a.example.com b.example.com\" holds \"a.example.com \
             b.example.com\", which is no host name",
        ),
    ] {
        assert_eq!(faults(lines), [expected], "{lines}");
    }
}

#[test]
fn client_certificates_without_a_trust_store_are_refused_only_where_they_are_asked_for() {
    // Legacy clients show no certificates, and links of the server are plain without a key store.
    good("VPMX_PORT=1533\nVPMX_TLS_PORT=0\nST_TLS_CLIENT_AUTH=1\n");
    good("STSRV_TLS_CLIENT_AUTH=1\n");
    let refused = faults("STSRV_TLS_CLIENT_AUTH=1\nSTSRV_TLS_KEY_STORE_FILE=/keys/server.p12\n");
    assert!(refused[0].contains("STSRV_TLS_CLIENT_AUTH"), "{refused:?}");
    let (config, _) = good("STMUX_TLS_CLIENT_AUTH=2\nST_TLS_TRUST_STORE_FILE=/keys/trust.p12\n");
    assert_eq!(config.tls.mux.client_auth.value, ClientAuth::Need);
    // Where this server is the client, it asks nobody.
    let (config, _) = good("ST_TLS_CLIENT_AUTH=2\nST_TLS_TRUST_STORE_FILE=/keys/trust.p12\n");
    assert_eq!(config.tls.ldap.client_auth.value, ClientAuth::None);
}

#[test]
fn what_has_no_effect_or_is_unwise_is_noted() {
    for (lines, expected) in [
        (
            "STMUX_TLS_TRUSTED_HOSTS=*.example.com",
            "sametime.ini:2: STMUX_TLS_TRUSTED_HOSTS has no effect on connections to the mux, because client \
             certificates are not asked for (STMUX_TLS_CLIENT_AUTH=0, default)",
        ),
        (
            "ST_TLS_KEY_STORE_FILE=/k.p12\nST_TLS_TRUST_STORE_FILE=/k.p12",
            "sametime.ini:3: ST_TLS_KEY_STORE_FILE and ST_TLS_TRUST_STORE_FILE name the same file; a store of \
             trusted certificates should hold no private key",
        ),
        (
            "STMUX_TLS_FIPS_COMPLIANCE=1",
            "sametime.ini:2: STMUX_TLS_FIPS_COMPLIANCE=1 does not cover clients without TLS, who are served on \
             port 1533 with the legacy encryption; VPMX_PORT=0 turns them away",
        ),
        (
            "STMUX_TLS_KEY_STORE_PASSWORD=m",
            "sametime.ini:2: STMUX_TLS_KEY_STORE_PASSWORD has no effect, because no store file is named",
        ),
        (
            "ST_TLS_HOST_CHECK=0\nSTLDAP_TLS_TRUST_STORE_FILE=/t.p12",
            "sametime.ini:2: ST_TLS_HOST_CHECK=0: on connections of the scope ldap any certificate of a trusted \
             authority is accepted, whatever host it is for; a list in STLDAP_TLS_TRUSTED_HOSTS would be narrower",
        ),
        (
            "STLDAP_TLS_CLIENT_AUTH=1",
            "sametime.ini:2: STLDAP_TLS_CLIENT_AUTH has no effect: connections to the directory are outbound",
        ),
        (
            "STMUX_TLS_KEYSTORE_FILE=/keys/mux.p12",
            "sametime.ini:2: [Config] STMUX_TLS_KEYSTORE_FILE is unknown and is ignored; did you mean [Config] \
             STMUX_TLS_KEY_STORE_FILE?",
        ),
        (
            "STSAML_TRUSTED_AUDIENCES=sametime.example.com",
            "sametime.ini:2: [Config] STSAML_TRUSTED_AUDIENCES is not used by this version and is ignored",
        ),
    ] {
        assert_eq!(good(lines).1, [expected], "{lines}");
    }
}

#[test]
fn advice_is_given_for_what_is_in_use_and_could_be_better() {
    let advice = |lines: &str| {
        let notes = config::advice(&good(lines).0);
        notes.iter().map(Note::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        advice("ST_TLS_KEY_STORE_PASSWORD=k\nSTMUX_TLS_KEY_STORE_FILE=/mux.p12\n"),
        [
            "mux: the security level is 0, so weak keys are only warned of; STMUX_TLS_SECURITY_LEVEL=2 is \
             recommended",
            "mux: TLS 1.3 is not offered; STMUX_TLS_MAX_PROTOCOL_VERSION=0x304 is recommended",
            "sametime.ini:2: ST_TLS_KEY_STORE_PASSWORD stands in clear text; ST_TLS_KEY_STORE_PASSWORD_FILE or \
             ST_TLS_KEY_STORE_PASSWORD_STASH_FILE keeps it elsewhere",
            "clients without TLS are served on port 1533; VPMX_PORT=0 turns them away once all use TLS",
        ]
    );
    let lines = "STMUX_TLS_MODE=strict\nST_TLS_SECURITY_LEVEL=2\nST_TLS_MAX_PROTOCOL_VERSION=0x304\n\
        ST_TLS_KEY_STORE_FILE=/k.p12\nST_TLS_KEY_STORE_PASSWORD_FILE=/run/k\n";
    assert!(advice(lines).is_empty(), "{:?}", advice(lines));
}

#[test]
fn mirror_trusted_hosts_is_a_switch_or_a_label() {
    let (config, notes) = good("STMUX_TLS_MIRROR_TRUSTED_HOSTS=1\n");
    assert!(
        config.tls.mux.mirror_trusted_hosts.value && !config.tls.server.mirror_trusted_hosts.value
    );
    assert!(notes.is_empty(), "{notes:?}");

    let (config, notes) = good("STMUX_TLS_MIRROR_TRUSTED_HOSTS=mux\n");
    assert!(!config.tls.mux.mirror_trusted_hosts.value);
    let labels = config.tls.mux.key_labels.unwrap();
    assert_eq!(
        (labels.name.as_str(), labels.value),
        ("STMUX_TLS_MIRROR_TRUSTED_HOSTS", vec!["mux".to_owned()])
    );
    assert!(
        notes[0].contains("is taken for the label of a key"),
        "{notes:?}"
    );

    let (config, notes) = good("ST_TLS_MIRROR_TRUSTED_HOSTS=mux\nST_TLS_KEY_LABEL=other\n");
    assert_eq!(config.tls.mux.key_labels.unwrap().value, ["other"]);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].contains("but ST_TLS_KEY_LABEL is set"),
        "{notes:?}"
    );
}

/// A service that names a file for its password does not mean the global password, and the global password must not
/// be written into the stash of a service.
#[test]
fn a_source_of_the_password_of_the_service_itself_replaces_the_global_ones() {
    for own in [
        "PASSWORD_FILE=/run/mux",
        "PASSWORD_STASH_FILE=/keys/mux.sth",
    ] {
        let (config, _) = good(&format!("{A}STMUX_TLS_KEY_STORE_{own}\n"));
        let store = config.tls.mux.key_store.unwrap();
        assert_eq!(store.password, None, "{own}");
        assert!(store.password_file.is_some() != store.stash_file.is_some());
        let server = config.tls.server.key_store.unwrap();
        assert_eq!(server.password.unwrap().value.expose(), "k");
    }
    let (config, _) = good(&format!(
        "{A}ST_TLS_KEY_STORE_PASSWORD_STASH_FILE=/keys/all.sth\nSTMUX_TLS_KEY_STORE_PASSWORD=m\n"
    ));
    let store = config.tls.mux.key_store.unwrap();
    assert_eq!(
        (store.password.unwrap().value.expose(), store.stash_file),
        ("m", None)
    );
    let server = config.tls.server.key_store.unwrap();
    assert!(server.password.is_some() && server.stash_file.is_some());
}

#[test]
fn a_password_may_hold_anything_and_is_never_shown() {
    let (config, _) = good(
        "ST_TLS_KEY_STORE_FILE=/k.p12\nST_TLS_KEY_STORE_PASSWORD= a#b;c=d \"ü\"  \n\
         ST_TLS_KEY_PASSWORD=;other\n",
    );
    let store = config.tls.mux.key_store.as_ref().unwrap();
    assert_eq!(
        store.password.as_ref().unwrap().value.expose(),
        "a#b;c=d \"ü\""
    );
    assert_eq!(
        store.key_password.as_ref().unwrap().value.expose(),
        ";other"
    );
    let password = store.password.as_ref().unwrap();
    let fault = password.fault("does not open the store", "the password of the store");
    let report = Faults::from(vec![fault]).render(false);
    let shown = format!("{config:?}{report}");
    assert!(
        !shown.contains("a#b") && !shown.contains(";other"),
        "{shown}"
    );
    assert!(report.contains("sametime.ini:3"), "{report}");
    assert!(
        report.contains("ST_TLS_KEY_STORE_PASSWORD= •••"),
        "{report}"
    );
    // The path of a password file is no secret.
    let lines = "ST_TLS_KEY_STORE_FILE=/k.p12\nST_TLS_KEY_STORE_PASSWORD_FILE=/run/secrets/k";
    let file = good(lines)
        .0
        .tls
        .mux
        .key_store
        .unwrap()
        .password_file
        .unwrap();
    let report = Faults::from(vec![file.fault("cannot be read", "a file")]).render(false);
    assert!(report.contains("=/run/secrets/k"), "{report}");
}

#[test]
fn a_mode_decides_what_unset_ports_mean_and_must_not_contradict_set_ones() {
    type Ports = &'static [(u16, Accepts)];
    let table: &[(&str, Result<Ports, &str>)] = &[
        ("STMUX_TLS_MODE=legacy", Ok(&[(1533, Accepts::Legacy)])),
        ("STMUX_TLS_MODE=both", Ok(&[(1533, Accepts::Both)])),
        ("STMUX_TLS_MODE=strict", Ok(&[(1533, Accepts::Tls)])),
        (
            "STMUX_TLS_MODE=STRICT\nVPMX_PORT=0",
            Ok(&[(1533, Accepts::Tls)]),
        ),
        (
            "STMUX_TLS_MODE=strict\nVPMX_TLS_PORT=1600",
            Ok(&[(1600, Accepts::Tls)]),
        ),
        (
            "STMUX_TLS_MODE=both\nVPMX_PORT=1600",
            Ok(&[(1600, Accepts::Both)]),
        ),
        (
            "STMUX_TLS_MODE=both\nVPMX_TLS_PORT=1600",
            Ok(&[(1533, Accepts::Legacy), (1600, Accepts::Tls)]),
        ),
        (
            "STMUX_TLS_MODE=legacy\nVPMX_PORT=1600",
            Ok(&[(1600, Accepts::Legacy)]),
        ),
        (
            "STMUX_TLS_MODE=strict\nVPMX_PORT=1533\nVPMX_TLS_PORT=1533",
            Err(
                "strict contradicts the ports, which mean both: VPMX_PORT is 1533 (sametime.ini:3), VPMX_TLS_PORT \
                 is 1533 (sametime.ini:4)",
            ),
        ),
        (
            "STMUX_TLS_MODE=strict\nVPMX_PORT=1533",
            Err(
                "strict contradicts the ports, which mean legacy: VPMX_PORT is 1533 (sametime.ini:3), \
                 VPMX_TLS_PORT is off (default)",
            ),
        ),
        (
            "STMUX_TLS_MODE=legacy\nVPMX_TLS_PORT=1533",
            Err("legacy contradicts the ports, which mean both"),
        ),
        ("STMUX_TLS_MODE=tls", Err("\"tls\" is none of the words")),
    ];
    for (lines, expected) in table {
        match expected {
            Ok(expected) => {
                let (config, notes) = good(lines);
                let listeners = config.mux.listeners.iter();
                let found: Vec<_> = listeners
                    .map(|listen| (listen.port, listen.accepts))
                    .collect();
                assert_eq!(found, *expected, "{lines}");
                assert!(notes.is_empty(), "{lines}: {notes:?}");
            }
            Err(expected) => {
                let faults = faults(lines);
                assert_eq!(faults.len(), 1, "{lines}: {faults:?}");
                assert!(faults[0].contains(expected), "{lines}: {faults:?}");
            }
        }
    }
}
