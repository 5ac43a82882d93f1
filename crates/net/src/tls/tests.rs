//! Each rule with a handshake that it allows and one that it does not. Tools that we did not write judge the same from
//! outside, in the project's `tests` folder.

use super::testing::{identity, identity_until, material, scopes, settings, version_1};
use super::{ClientRules, Reason, server_config, server_config_by};
use crate::probe::{Met, Trouble, loopback, loopback_by_rules, meet, watched};
use config::{Fault, Note};
use keys::verify::Why;
use keys::{Identity, Material};
use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};
use rustls::client::Resumption;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use rustls::{CipherSuite, NamedGroup, ServerConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const P256: &rcgen::SignatureAlgorithm = &PKCS_ECDSA_P256_SHA256;
const P384: &rcgen::SignatureAlgorithm = &PKCS_ECDSA_P384_SHA384;
const BOTH_VERSIONS: &str = "ST_TLS_MAX_PROTOCOL_VERSION=0x304";

fn server(ini: &str, material: &Material) -> Arc<ServerConfig> {
    server_config(&settings(ini), material).unwrap().0
}

fn faults(ini: &str, material: &Material) -> Vec<Fault> {
    server_config(&settings(ini), material).unwrap_err()
}

fn notes(ini: &str, material: &Material) -> Vec<Note> {
    server_config(&settings(ini), material).unwrap().1
}

/// A server of the scope mux meets a client of the scope ldap, both by these settings.
async fn met(ini: &str, server_has: &Material, client_has: &Material) -> Met {
    let server = server(ini, server_has);
    let met = loopback_by_rules(server, "localhost", &scopes(ini).ldap, client_has).await;
    met.unwrap().unwrap()
}

/// The kind of failure that the client sees.
#[track_caller]
fn client_reason(met: &Met) -> Reason {
    match &met.client.result {
        Err(Trouble::Tls(failure)) => failure.reason,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn server_reason(met: &Met) -> Reason {
    match &met.server {
        Err(Trouble::Tls(failure)) => failure.reason,
        other => panic!("{other:?}"),
    }
}

fn trusting(identity: &Identity) -> Material {
    material(Vec::new(), &[identity.certificate()])
}

fn only(kind: &'static rcgen::SignatureAlgorithm) -> Material {
    material(vec![identity(kind)], &[])
}

#[tokio::test]
async fn tls_1_2_is_the_documented_default_and_1_3_comes_with_the_hybrid_group() {
    let has = only(P256);
    let trusts = trusting(&has.identities[0]);
    let handshake = met("", &has, &trusts).await.server.unwrap();
    assert_eq!(handshake.version(), "tls1.2");
    let handshake = met(BOTH_VERSIONS, &has, &trusts).await.server.unwrap();
    assert_eq!(handshake.version(), "tls1.3");
    assert_eq!(handshake.group, Some(NamedGroup::X25519MLKEM768));
    assert_eq!(handshake.suite_name(), "TLS_AES_256_GCM_SHA384");
}

#[tokio::test]
async fn versions_that_do_not_meet_are_said_so_on_both_sides() {
    let has = only(P256);
    let trusts = trusting(&has.identities[0]);
    let ini = "STMUX_TLS_MIN_PROTOCOL_VERSION=0x304\nSTMUX_TLS_MAX_PROTOCOL_VERSION=0x304";
    let met = met(ini, &has, &trusts).await;
    assert_eq!(server_reason(&met), Reason::Version);
    assert_eq!(client_reason(&met), Reason::Version);
    let Err(Trouble::Tls(failure)) = met.client.result else {
        panic!("it failed");
    };
    assert_eq!(
        failure.mend(&scopes(ini).ldap).as_deref(),
        Some("change STLDAP_TLS_MIN_PROTOCOL_VERSION or STLDAP_TLS_MAX_PROTOCOL_VERSION")
    );
}

#[tokio::test]
async fn the_servers_order_of_suites_counts() {
    let has = only(P256);
    let trusts = trusting(&has.identities[0]);
    let ini = "STMUX_TLS_CIPHER_SUITES=ECDHE-ECDSA-AES128-GCM-SHA256,ECDHE-ECDSA-AES256-GCM-SHA384";
    let handshake = met(ini, &has, &trusts).await.server.unwrap();
    assert_eq!(
        handshake.suite,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
    );
}

#[tokio::test]
async fn suites_that_do_not_meet_are_said_so() {
    let has = only(P256);
    let trusts = trusting(&has.identities[0]);
    let ini = "STMUX_TLS_CIPHER_SUITES=ECDHE-ECDSA-AES128-GCM-SHA256\n\
               STLDAP_TLS_CIPHER_SUITES=ECDHE-ECDSA-AES256-GCM-SHA384";
    assert_eq!(server_reason(&met(ini, &has, &trusts).await), Reason::Suite);
}

#[tokio::test]
async fn of_several_keys_the_cheapest_is_shown_that_the_client_can_check() {
    let both = material(vec![identity(&PKCS_RSA_SHA256), identity(P256)], &[]);
    let [rsa, ecdsa] = both.identities.as_slice() else {
        panic!("two");
    };
    let trusts = material(Vec::new(), &[rsa.certificate(), ecdsa.certificate()]);
    for ini in ["", BOTH_VERSIONS] {
        let met = met(ini, &both, &trusts).await;
        assert_eq!(met.client.chain, ecdsa.chain(), "{ini}");
    }
    // Under TLS 1.2 the suites decide.
    let only_rsa = "STLDAP_TLS_CIPHER_SUITES=ECDHE-RSA-AES256-GCM-SHA384";
    assert_eq!(
        met(only_rsa, &both, &trusts).await.client.chain,
        rsa.chain()
    );
}

#[tokio::test]
async fn a_level_limits_groups_and_suites() {
    let has = material(vec![identity(P384)], &[]);
    let trusts = trusting(&has.identities[0]);
    for (level, group, suite) in [
        (0, NamedGroup::X25519MLKEM768, "TLS_AES_256_GCM_SHA384"),
        (2, NamedGroup::X25519MLKEM768, "TLS_AES_256_GCM_SHA384"),
        (3, NamedGroup::secp256r1, "TLS_AES_256_GCM_SHA384"),
        (4, NamedGroup::secp384r1, "TLS_AES_256_GCM_SHA384"),
    ] {
        let ini = format!("{BOTH_VERSIONS}\nST_TLS_SECURITY_LEVEL={level}");
        let handshake = met(&ini, &has, &trusts).await.server.unwrap();
        assert_eq!(handshake.group, Some(group), "level {level}");
        assert_eq!(handshake.suite_name(), suite, "level {level}");
    }
    // A client that knows no better group than the level's meets nobody else.
    let ini = "STMUX_TLS_SECURITY_LEVEL=4\nSTLDAP_TLS_SECURITY_LEVEL=4";
    let handshake = met(ini, &has, &trusts).await.server.unwrap();
    assert_eq!(
        handshake.suite,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
    );
}

#[test]
fn an_own_key_below_the_level_stops_the_start() {
    for (ini, kind, says) in [
        (
            "STMUX_TLS_SECURITY_LEVEL=3",
            &PKCS_RSA_SHA256,
            "RSA is not allowed",
        ),
        (
            "STMUX_TLS_SECURITY_LEVEL=4",
            P256,
            "level 4 asks for EC P-384",
        ),
    ] {
        let faults = faults(ini, &only(kind));
        assert!(faults[0].problem.contains(says), "{faults:?}");
        assert_eq!(faults[0].setting, "STMUX_TLS_SECURITY_LEVEL");
        assert!(
            faults[0].expected.contains("STMUX_TLS_KEY_STORE_FILE"),
            "{faults:?}"
        );
    }
    notes("STMUX_TLS_SECURITY_LEVEL=3", &only(P256));
}

#[test]
fn a_list_that_no_own_key_can_use_stops_the_start() {
    let rsa_only = "STMUX_TLS_CIPHER_SUITES=ECDHE-RSA-AES256-GCM-SHA384";
    let faults = faults(rsa_only, &only(P256));
    assert!(
        faults[0]
            .problem
            .contains("the key in the key store, which is ECDSA"),
        "{faults:?}"
    );
    notes(rsa_only, &only(&PKCS_RSA_SHA256));
    let ecdsa = "STMUX_TLS_CIPHER_SUITES=ECDHE-ECDSA-AES256-GCM-SHA384";
    notes(ecdsa, &only(&PKCS_ED25519));
}

#[tokio::test]
async fn a_version_that_no_own_key_can_use_is_off_and_noted() {
    let rsa_only = "STMUX_TLS_CIPHER_SUITES=ECDHE-RSA-AES256-GCM-SHA384,TLS_AES_256_GCM_SHA384";
    let ini = format!("{BOTH_VERSIONS}\n{rsa_only}\nSTLDAP_TLS_MAX_PROTOCOL_VERSION=0x303");
    let has = only(P256);
    let noted = notes(&ini, &has);
    assert_eq!(noted.len(), 1, "{noted:?}");
    assert!(
        noted[0].text.contains("which is ECDSA, so TLS 1.2 is off"),
        "{noted:?}"
    );
    let met = met(&ini, &has, &trusting(&has.identities[0])).await;
    assert_eq!(server_reason(&met), Reason::Version);
    assert_eq!(notes(&ini, &only(&PKCS_RSA_SHA256)), []);
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    let nothing = material(Vec::new(), &[]);
    let ini =
        "ST_TLS_TRUST_STORE_FILE=t.p12\nSTMUX_TLS_CLIENT_AUTH=2\nSTMUX_TLS_CIPHER_SUITES=RC4-MD5";
    let faults = faults(ini, &nothing);
    let settings: Vec<&str> = faults.iter().map(|fault| fault.setting.as_str()).collect();
    assert_eq!(
        settings,
        [
            "STMUX_TLS_KEY_STORE_FILE",
            "STMUX_TLS_CLIENT_AUTH",
            "STMUX_TLS_CIPHER_SUITES"
        ]
    );
    let faults = super::client_config(&scopes("").ldap, &nothing).unwrap_err();
    assert_eq!(faults[0].setting, "STLDAP_TLS_TRUST_STORE_FILE");
}

/// `docs/domain/tls-scopes.md` 7.
#[tokio::test]
async fn clients_are_asked_for_a_certificate_as_the_setting_says() {
    let client = identity(P256);
    let stranger = identity(P256);
    let has = material(vec![identity(P256)], &[client.certificate()]);
    let server_certificate = has.identities[0].certificate().clone();
    let nobody = || material(Vec::new(), &[&server_certificate]);
    let known = material(vec![client], &[&server_certificate]);
    let unknown = material(vec![stranger], &[&server_certificate]);
    for version in ["", BOTH_VERSIONS] {
        let store = "ST_TLS_TRUST_STORE_FILE=t.p12";
        let ask = |value: u8| format!("{version}\n{store}\nSTMUX_TLS_CLIENT_AUTH={value}");
        for (value, clients) in [
            (0, vec![&known, &unknown]),
            (1, vec![&known]),
            (2, vec![&known]),
        ] {
            for has_client in clients {
                let met = met(&ask(value), &has, has_client).await;
                assert!(
                    met.server.is_ok() && met.client.result.is_ok(),
                    "{value}: {met:?}"
                );
            }
        }
        assert!(met(&ask(1), &has, &nobody()).await.server.is_ok());
        let refused = met(&ask(2), &has, &nobody()).await;
        assert_eq!(server_reason(&refused), Reason::CertificateMissing);
        assert!(refused.client.result.is_err());
        for value in [1, 2] {
            let refused = met(&ask(value), &has, &unknown).await;
            assert_eq!(server_reason(&refused), Reason::Certificate(Why::Untrusted));
            assert_eq!(client_reason(&refused), Reason::OurCertificate);
        }
    }
}

/// `docs/domain/keystores.md` 5.4, as server and as client.
#[tokio::test]
async fn a_version_1_certificate_works_where_it_is_trusted_as_it_is() {
    let (server, client) = (version_1(), version_1());
    let server_certificate = server.certificate().clone();
    let has = material(vec![server], &[client.certificate()]);
    let client = material(vec![client], &[&server_certificate]);
    for version in ["", BOTH_VERSIONS] {
        let ini = format!("{version}\nST_TLS_TRUST_STORE_FILE=t.p12\nSTMUX_TLS_CLIENT_AUTH=2");
        let met = met(&ini, &has, &client).await;
        assert!(met.server.is_ok() && met.client.result.is_ok(), "{met:?}");
    }
    let stranger = met("", &has, &trusting(&version_1())).await;
    assert_eq!(
        client_reason(&stranger),
        Reason::Certificate(Why::Unreadable)
    );
}

#[tokio::test]
async fn a_server_that_is_not_trusted_is_refused_with_the_setting_that_mends_it() {
    let has = only(P256);
    let met = met("", &has, &trusting(&identity(P256))).await;
    assert_eq!(client_reason(&met), Reason::Certificate(Why::Untrusted));
    assert_eq!(server_reason(&met), Reason::OurCertificate);
    let told = met.client.result.unwrap_err().to_string();
    assert!(
        told.contains("certificate itself, into STLDAP_TLS_TRUST_STORE_FILE"),
        "{told}"
    );
    assert_eq!(
        met.client.chain,
        has.identities[0].chain(),
        "seen, so that it can be imported"
    );
}

#[tokio::test]
async fn a_probe_that_believes_everybody_sees_what_is_offered() {
    let has = only(P256);
    let met = loopback(server(BOTH_VERSIONS, &has), "elsewhere.example.com")
        .await
        .unwrap();
    assert_eq!(met.client.chain, has.identities[0].chain());
    assert_eq!(met.client.handshake, Some(met.server.unwrap()));
    assert!(met.client.result.is_ok());
}

/// `docs/domain/tls-scopes.md` 12: both settings, or nothing is kept.
#[test]
fn sessions_are_kept_only_if_number_and_age_say_so() {
    let has = only(P256);
    for (size, age, kept) in [
        (-1, -1, false),
        (0, -1, false),
        (-1, 0, false),
        (0, 0, true),
        (9, 9, true),
    ] {
        let ini = format!("STMUX_TLS_SESSION_CACHE_SIZE={size}\nSTMUX_TLS_MAX_SESSION_AGE={age}");
        let config = server(&ini, &has);
        assert_eq!(config.session_storage.can_cache(), kept, "{size} {age}");
        assert_eq!(config.send_tls13_tickets > 0, kept, "{size} {age}");
        assert!(
            !config.ticketer.enabled(),
            "a ticket that the client keeps has no age of ours"
        );
    }
}

/// A clock that the test sets, in seconds since 1970.
#[derive(Debug)]
struct Clock(AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.load(Ordering::Relaxed);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

#[tokio::test]
async fn a_session_does_not_outlive_the_clients_certificate() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let good_until = now + Duration::from_secs(1000);
    let client = identity_until(P256, UNIX_EPOCH + good_until);
    let has = material(vec![identity(P256)], &[client.certificate()]);
    let client = material(vec![client], &[has.identities[0].certificate()]);
    let ini = "ST_TLS_TRUST_STORE_FILE=t.p12\nSTMUX_TLS_CLIENT_AUTH=2\n\
               STMUX_TLS_SESSION_CACHE_SIZE=0\nSTMUX_TLS_MAX_SESSION_AGE=0";
    for version in ["", BOTH_VERSIONS] {
        let ini = format!("{version}\n{ini}");
        let clock = Arc::new(Clock(AtomicU64::new(now.as_secs())));
        let time = Arc::clone(&clock) as Arc<dyn TimeProvider>;
        let (server, _) = server_config_by(&settings(&ini), &has, time).unwrap();
        let rules = ClientRules::new(&scopes(&ini).ldap, &client).unwrap();
        let mut config = rules.config(|verifier| verifier);
        config.resumption = Resumption::in_memory_sessions(8);
        let visit = async || {
            let client = |socket| watched(socket, "localhost", |_| config.clone());
            meet(Arc::clone(&server), client).await.unwrap()
        };
        for resumed in [false, true, true] {
            assert_eq!(visit().await.server.unwrap().resumed, resumed, "{ini}");
        }
        // One second later than it is good for.
        clock.0.store(good_until.as_secs() + 1, Ordering::Relaxed);
        let refused = visit().await;
        assert_eq!(
            server_reason(&refused),
            Reason::Certificate(Why::Expired),
            "{ini}"
        );
    }
}

#[test]
fn what_compares_nothing_is_noted() {
    let has = only(P256);
    let notes = notes("STMUX_TLS_MIRROR_TRUSTED_HOSTS=1", &has);
    assert!(
        notes[0]
            .text
            .contains("STMUX_TLS_MIRROR_TRUSTED_HOSTS compares nothing"),
        "{notes:?}"
    );
    let trusts = trusting(&has.identities[0]);
    let ldap = scopes("STLDAP_TLS_HOST_CHECK=0").ldap;
    let (_, notes) = super::client_config(&ldap, &trusts).unwrap();
    assert!(
        notes[0]
            .text
            .contains("STLDAP_TLS_HOST_CHECK=0: nobody checks"),
        "{notes:?}"
    );
}

#[test]
#[cfg(not(feature = "fips"))]
fn without_the_module_there_is_no_fips_mode() {
    let faults = faults("STMUX_TLS_FIPS_COMPLIANCE=1", &only(P256));
    assert_eq!(faults[0].setting, "STMUX_TLS_FIPS_COMPLIANCE");
    assert_eq!(faults[0].problem, "this build has no FIPS module");
    assert!(faults[0].expected.contains("--features fips"), "{faults:?}");
}

/// `docs/domain/tls-scopes.md` 11, in a build with the module.
#[tokio::test]
#[cfg(feature = "fips")]
async fn in_fips_mode_only_approved_algorithms_are_used() {
    let ini = format!("{BOTH_VERSIONS}\nST_TLS_FIPS_COMPLIANCE=1");
    let has = only(P256);
    assert!(server(&ini, &has).fips());
    let handshake = met(&ini, &has, &trusting(&has.identities[0])).await;
    let group = handshake.server.unwrap().group;
    assert_eq!(group, Some(NamedGroup::X25519MLKEM768));
    let faults = faults(&ini, &only(&PKCS_ED25519));
    assert!(
        faults[0].problem.contains("FIPS mode asks for EC P-256"),
        "{faults:?}"
    );
}
