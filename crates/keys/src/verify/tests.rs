//! Each rule with a certificate that it takes and one that it refuses. Tools that we did not write judge the same from
//! outside, in the project's `tests` folder.

use super::*;
use config::{IniFile, Sources};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + DAY * 365 * 56
}

/// The rules of the directory's scope with these settings.
fn trust_with(settings: &str, trusted: &[&Made], own: &[&Made]) -> Trust {
    let der = |made: &[&Made]| made.iter().map(|made| made.der.clone()).collect::<Vec<_>>();
    trust_in(settings, &der(trusted), &der(own))
}

pub(super) fn trust_in(
    settings: &str,
    trusted: &[CertificateDer<'static>],
    own: &[CertificateDer<'static>],
) -> Trust {
    let ini = IniFile {
        path: "sametime.ini".into(),
        bytes: format!("[Config]\n{settings}").into_bytes(),
    };
    let sources = Sources {
        ini: Some(ini),
        ..Sources::default()
    };
    let (config, _) = config::load(sources).unwrap();
    let (trust, unusable) = Trust::new(&config.tls.ldap, trusted, own);
    assert_eq!(unusable, Vec::<String>::new());
    trust
}

/// A certificate with its key, so that it can sign others.
pub(super) struct Made {
    pub(super) der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Made {
    fn sign(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Self {
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }
}

fn self_signed(params: CertificateParams) -> Made {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Made {
        der: certificate.der().clone(),
        issuer: Issuer::new(params, key),
    }
}

fn params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = (now() - DAY).into();
    params.not_after = (now() + DAY).into();
    params
}

fn host(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
    params
}

fn ca(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn check(trust: &Trust, leaf: &Made, chain: &[&Made]) -> Result<Vec<String>, Refusal> {
    let chain: Vec<_> = chain.iter().map(|made| made.der.clone()).collect();
    trust.check(
        Peer::Server,
        &leaf.der,
        &chain,
        now(),
        Some("ldap.example.com"),
    )
}

#[track_caller]
fn accepted(trust: &Trust, leaf: &Made, chain: &[&Made]) -> Vec<String> {
    match check(trust, leaf, chain) {
        Ok(warnings) => warnings,
        Err(refusal) => panic!("{refusal}"),
    }
}

#[track_caller]
fn refused(trust: &Trust, leaf: &Made, chain: &[&Made], why: Why, says: &str) {
    let refusal = check(trust, leaf, chain).unwrap_err();
    assert_eq!(refusal.why, why, "{refusal}");
    assert!(refusal.to_string().contains(says), "{refusal}");
}

#[test]
fn a_chain_to_the_trust_store_is_accepted_and_one_to_nowhere_is_not() {
    let root = self_signed(ca("root"));
    let middle = root.sign(ca("middle"));
    let leaf = middle.sign(host("ldap.example.com"));
    let trust = trust_with("", &[&root], &[]);
    assert_eq!(accepted(&trust, &leaf, &[&middle]), Vec::<String>::new());
    refused(
        &trust,
        &leaf,
        &[],
        Why::Untrusted,
        "its issuer is CN=middle; put that issuer",
    );
    let other = trust_with("", &[&self_signed(ca("other"))], &[]);
    let says = "its issuer is CN=root; put that issuer, or the certificate itself, into STLDAP_TLS_TRUST_STORE_FILE";
    refused(&other, &leaf, &[&middle], Why::Untrusted, says);
}

#[test]
fn a_stranger_who_signs_for_himself_is_not_named_in_the_reason() {
    let trust = trust_with("", &[&self_signed(ca("root"))], &[]);
    let mut params = host("ldap.example.com");
    params.is_ca = IsCa::ExplicitNoCa;
    let stranger = self_signed(params);
    let says = "its issuer is itself; put the certificate itself into STLDAP_TLS_TRUST_STORE_FILE";
    refused(&trust, &stranger, &[], Why::Untrusted, says);
    let refusal = check(&trust, &stranger, &[]).unwrap_err();
    assert_eq!(refusal.subject.as_deref(), Some("CN=ldap.example.com"));
    assert!(
        !refusal.to_string().contains("ldap.example.com"),
        "{refusal}"
    );
}

#[test]
fn an_intermediate_in_the_trust_store_ends_the_path() {
    let root = self_signed(ca("root"));
    let middle = root.sign(ca("middle"));
    let leaf = middle.sign(host("ldap.example.com"));
    accepted(&trust_with("", &[&middle], &[]), &leaf, &[]);
}

#[test]
fn every_path_is_tried() {
    let root = self_signed(ca("root"));
    let key = KeyPair::generate().unwrap();
    let mut old = ca("middle");
    old.not_after = (now() - DAY / 2).into();
    let expired = old.signed_by(&key, &root.issuer).unwrap().der().clone();
    let valid = ca("middle")
        .signed_by(&key, &root.issuer)
        .unwrap()
        .der()
        .clone();
    let middle = Made {
        der: valid.clone(),
        issuer: Issuer::new(ca("middle"), key),
    };
    let leaf = middle.sign(host("ldap.example.com"));
    let trust = trust_with("", &[&root], &[]);
    for chain in [[expired.clone(), valid.clone()], [valid, expired.clone()]] {
        let result = trust.check(
            Peer::Server,
            &leaf.der,
            &chain,
            now(),
            Some("ldap.example.com"),
        );
        assert_eq!(result, Ok(vec![]));
    }
    let alone = trust.check(
        Peer::Server,
        &leaf.der,
        &[expired],
        now(),
        Some("ldap.example.com"),
    );
    assert_eq!(alone.unwrap_err().why, Why::Expired);
}

/// `docs/domain/keystores.md` 5.4: as `openssl req -x509` makes it.
#[test]
fn a_leaf_that_says_it_is_a_ca_is_accepted_only_if_it_is_itself_in_the_trust_store() {
    let mut params = ca("ldap.example.com");
    params.subject_alt_names = host("ldap.example.com").subject_alt_names;
    let leaf = self_signed(params.clone());
    let warnings = accepted(&trust_with("", &[&leaf], &[]), &leaf, &[]);
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("CA's certificate")),
        "{warnings:?}"
    );

    let root = self_signed(ca("root"));
    let signed = root.sign(params);
    refused(
        &trust_with("", &[&root], &[]),
        &signed,
        &[],
        Why::WrongPurpose,
        "CA:TRUE",
    );
    accepted(&trust_with("", &[&signed], &[]), &signed, &[]);
}

/// `docs/domain/keystores.md` 5.4: as `openssl x509 -req -signkey` makes it.
#[test]
fn a_version_1_certificate_is_accepted_only_if_it_is_itself_in_the_trust_store() {
    let leaf = version_1("ldap.example.com", &public_key());
    let facts = Facts::of(&leaf.der).unwrap();
    assert_eq!((facts.version, facts.self_signed), (1, true));
    let warnings = accepted(&trust_with("", &[&leaf], &[]), &leaf, &[]);
    assert_eq!(warnings.len(), 2, "version and missing names: {warnings:?}");

    let stranger = version_1("ldap.example.com", &public_key());
    let trust = trust_with("", &[&leaf], &[]);
    refused(&trust, &stranger, &[], Why::Unreadable, "version 3");
}

#[test]
fn a_signer_without_basic_constraints_needs_the_flag() {
    // rcgen writes none for a certificate that is no CA.
    let root = self_signed(params("old root"));
    assert_eq!(Facts::of(&root.der).unwrap().basic_constraints, None);
    let leaf = root.sign(host("ldap.example.com"));
    let says = "set STLDAP_TLS_TRUST_MANAGER_FACTORY_ALGORITHM=PKIX";
    refused(
        &trust_with("", &[&root], &[]),
        &leaf,
        &[],
        Why::WrongSigner,
        says,
    );
    let flag = "STLDAP_TLS_TRUST_MANAGER_FACTORY_ALGORITHM=PKIX";
    accepted(&trust_with(flag, &[&root], &[]), &leaf, &[]);

    // One that comes with the chain may not sign, flag or not.
    let top = self_signed(ca("top"));
    let middle = top.sign(params("middle"));
    let leaf = middle.sign(host("ldap.example.com"));
    refused(
        &trust_with(flag, &[&top], &[]),
        &leaf,
        &[&middle],
        Why::WrongSigner,
        "Basic Constraints",
    );
    accepted(&trust_with(flag, &[&middle], &[]), &leaf, &[]);
}

#[test]
fn a_trusted_leaf_that_says_it_is_no_ca_vouches_for_nobody() {
    let mut params = host("ldap.example.com");
    params.is_ca = IsCa::ExplicitNoCa;
    let pinned = self_signed(params);
    let forged = pinned.sign(host("ldap.example.com"));
    let flag = "STLDAP_TLS_TRUST_MANAGER_FACTORY_ALGORITHM=PKIX";
    refused(
        &trust_with(flag, &[&pinned], &[]),
        &forged,
        &[],
        Why::WrongSigner,
        "may not sign",
    );
}

#[test]
fn dates_count_for_the_leaf_the_trusted_leaf_and_the_anchor() {
    let root = self_signed(ca("root"));
    let trust = |made: &Made| trust_with("", &[made], &[]);
    let mut old = host("ldap.example.com");
    old.not_after = (now() - DAY / 2).into();
    let mut early = host("ldap.example.com");
    early.not_before = (now() + DAY / 2).into();
    refused(
        &trust(&root),
        &root.sign(old.clone()),
        &[],
        Why::Expired,
        "it expired on",
    );
    refused(
        &trust(&root),
        &root.sign(early.clone()),
        &[],
        Why::NotYetValid,
        "clocks",
    );
    let (old, early) = (self_signed(old), self_signed(early));
    refused(&trust(&old), &old, &[], Why::Expired, "it expired on");
    refused(
        &trust(&early),
        &early,
        &[],
        Why::NotYetValid,
        "is not valid before",
    );
    let mut old_root = ca("old root");
    old_root.not_after = (now() - DAY / 2).into();
    let old_root = self_signed(old_root);
    let leaf = old_root.sign(host("ldap.example.com"));
    refused(
        &trust(&old_root),
        &leaf,
        &[],
        Why::Expired,
        "its issuer CN=old root expired on",
    );
}

#[test]
fn an_extended_key_usage_must_fit_if_there_is_one() {
    let root = self_signed(ca("root"));
    let trust = trust_with("", &[&root], &[]);
    for (usage, as_server, as_client) in [
        (ExtendedKeyUsagePurpose::ServerAuth, true, false),
        (ExtendedKeyUsagePurpose::ClientAuth, false, true),
    ] {
        let mut params = host("ldap.example.com");
        params.extended_key_usages = vec![usage];
        let signed = root.sign(params.clone());
        let pinned = self_signed(params);
        let pins = trust_with("", &[&pinned], &[]);
        for (peer, expected) in [(Peer::Server, as_server), (Peer::Client, as_client)] {
            for (trust, leaf) in [(&trust, &signed), (&pins, &pinned)] {
                let result = trust.check(peer, &leaf.der, &[], now(), Some("ldap.example.com"));
                let why = result.map_err(|refusal| refusal.why);
                assert_eq!(why.is_ok(), expected, "{why:?}");
                assert!(expected || why == Err(Why::WrongPurpose), "{why:?}");
            }
        }
    }
}

#[test]
fn the_level_counts_for_every_certificate_of_the_path() {
    // rcgen's own keys are P-256, good for level 3 and too short for level 4.
    let root = self_signed(ca("root"));
    let leaf = root.sign(host("ldap.example.com"));
    accepted(
        &trust_with("STLDAP_TLS_SECURITY_LEVEL=3", &[&root], &[]),
        &leaf,
        &[],
    );
    let strict = trust_with("STLDAP_TLS_SECURITY_LEVEL=4", &[&root], &[]);
    refused(
        &strict,
        &leaf,
        &[],
        Why::TooWeak,
        "level 4 asks for EC P-384",
    );
    let pinned = trust_with("STLDAP_TLS_SECURITY_LEVEL=4", &[&leaf], &[]);
    refused(
        &pinned,
        &leaf,
        &[],
        Why::TooWeak,
        "or change STLDAP_TLS_SECURITY_LEVEL",
    );

    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let strong = Made {
        der: ca("strong").self_signed(&key).unwrap().der().clone(),
        issuer: Issuer::new(ca("strong"), key),
    };
    let weak_leaf = strong.sign(host("ldap.example.com"));
    let strict = trust_with("STLDAP_TLS_SECURITY_LEVEL=4", &[&strong], &[]);
    refused(
        &strict,
        &weak_leaf,
        &[],
        Why::TooWeak,
        "its key is EC P-256",
    );
}

#[test]
fn a_short_rsa_key_is_refused_with_the_librarys_own_floor() {
    let number = |bytes: &[u8]| der(0x02, bytes);
    let key = der(0x30, &[number(&[0x41; 128]), number(&[1, 0, 1])].concat());
    let rsa = der(
        0x30,
        &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0],
    );
    let spki = der(0x30, &[rsa, der(0x03, &[vec![0], key].concat())].concat());
    let leaf = version_1("ldap.example.com", &spki);
    assert_eq!(Facts::of(&leaf.der).unwrap().key, KeyKind::Rsa(1023));
    let says = "1023 bits, and the TLS library takes none below 2048 at any level";
    refused(
        &trust_with("", &[&leaf], &[]),
        &leaf,
        &[],
        Why::TooWeak,
        says,
    );
}

/// `docs/domain/tls-scopes.md` 6 and 18.4.
#[test]
fn a_list_of_trusted_hosts_replaces_the_dialled_name() {
    let root = self_signed(ca("root"));
    let leaf = root.sign(host("ldap.example.com"));
    let other = root.sign(host("dir.example.com"));
    let dialled = trust_with("", &[&root], &[]);
    accepted(&dialled, &leaf, &[]);
    let says =
        "it is not for ldap.example.com, but for dir.example.com; connect to one of its names";
    refused(&dialled, &other, &[], Why::WrongName, says);
    accepted(
        &trust_with("STLDAP_TLS_HOST_CHECK=0", &[&root], &[]),
        &other,
        &[],
    );
    let listed = trust_with("STLDAP_TLS_TRUSTED_HOSTS=dir.example.com", &[&root], &[]);
    accepted(&listed, &other, &[]);
    let says = "match no entry of STLDAP_TLS_TRUSTED_HOSTS";
    refused(&listed, &leaf, &[], Why::WrongName, says);
}

#[test]
fn a_client_is_compared_with_the_list_and_with_nothing_else() {
    let root = self_signed(ca("root"));
    let leaf = root.sign(host("app.example.com"));
    let client = |trust: &Trust| trust.check(Peer::Client, &leaf.der, &[], now(), None);
    assert_eq!(client(&trust_with("", &[&root], &[])), Ok(vec![]));
    let listed = trust_with("STLDAP_TLS_TRUSTED_HOSTS=*.example.com", &[&root], &[]);
    assert_eq!(client(&listed), Ok(vec![]));
    let listed = trust_with("STLDAP_TLS_TRUSTED_HOSTS=other.example.com", &[&root], &[]);
    assert_eq!(client(&listed).unwrap_err().why, Why::WrongName);
}

#[test]
fn a_chain_is_looked_at_only_up_to_a_length() {
    let root = self_signed(ca("root"));
    let middle = root.sign(ca("middle"));
    let leaf = middle.sign(host("ldap.example.com"));
    let trust = trust_with("", &[&root], &[]);
    let others: Vec<Made> = (0..INTERMEDIATES_MAX)
        .map(|n| root.sign(ca(&format!("other {n}"))))
        .collect();
    let mut chain: Vec<&Made> = others.iter().skip(1).chain([&middle]).collect();
    accepted(&trust, &leaf, &chain);
    chain.push(&others[0]);
    let says = "7 certificates come with it, and no more than 6 are looked at";
    refused(&trust, &leaf, &chain, Why::TooManyIssuers, says);
    // Nor are they looked at to say who is missing, and a client gets no further than a server.
    let chain: Vec<_> = chain.iter().map(|made| made.der.clone()).collect();
    let nobody = trust_with("", &[&self_signed(ca("other"))], &[]);
    let refusal = nobody.check(Peer::Client, &leaf.der, &chain, now(), None);
    assert_eq!(refusal.unwrap_err().why, Why::TooManyIssuers);
}

/// Six with one name could be put into 1956 orders.
#[test]
fn of_issuers_with_the_same_name_only_some_are_tried() {
    let root = self_signed(ca("root"));
    let mut same = Vec::new();
    same.resize_with(SAME_SUBJECT_MAX + 1, || root.sign(ca("middle")));
    let leaf = same[1].sign(host("ldap.example.com"));
    let trust = trust_with("", &[&root], &[]);
    accepted(&trust, &leaf, &[&same[0], &same[1]]);
    let chain: Vec<&Made> = same.iter().collect();
    let says = "more than 2 of the certificates that come with it are for the same issuer";
    refused(&trust, &leaf, &chain, Why::TooManyIssuers, says);
    accepted(&trust_with("", &[&leaf], &[]), &leaf, &chain);
}

#[test]
fn an_intermediate_whose_key_usage_forbids_it_signs_nothing() {
    let root = self_signed(ca("root"));
    let trust = trust_with("", &[&root], &[]);
    let chain_of = |usages: Vec<KeyUsagePurpose>| {
        let mut params = ca("middle");
        params.key_usages = usages;
        let middle = root.sign(params);
        let leaf = middle.sign(host("ldap.example.com"));
        (middle, leaf)
    };
    let (middle, leaf) = chain_of(vec![KeyUsagePurpose::CrlSign]);
    let says = "its issuer CN=middle may not sign certificates";
    refused(&trust, &leaf, &[&middle], Why::WrongSigner, says);
    for usages in [vec![], vec![KeyUsagePurpose::KeyCertSign]] {
        let (middle, leaf) = chain_of(usages);
        accepted(&trust, &leaf, &[&middle]);
    }
}

#[test]
fn below_an_issuer_that_limits_names_a_common_name_does_not_count() {
    let limited = |name| {
        let mut params = ca(name);
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("branch.example.com".to_owned())],
            excluded_subtrees: vec![],
        });
        params
    };
    let root = self_signed(ca("root"));
    let middle = root.sign(limited("limited"));
    let top = self_signed(limited("limited"));
    let says = "its issuer CN=limited signs for certain names only (Name Constraints), so a common name does not count";
    for (store, signer, chain) in [(&root, &middle, vec![&middle]), (&top, &top, vec![])] {
        let leaf = signer.sign(params("ldap.example.com"));
        let trust = trust_with("", &[store], &[]);
        refused(&trust, &leaf, &chain, Why::WrongName, says);
        // Where no name is asked for, none counts; and the certificate itself may be trusted as it is.
        let open = trust_with("STLDAP_TLS_HOST_CHECK=0", &[store], &[]);
        accepted(&open, &leaf, &chain);
        accepted(&trust_with("", &[&leaf], &[]), &leaf, &chain);
        let listed = "STLDAP_TLS_TRUSTED_HOSTS=ldap.branch.example.com";
        let proper = signer.sign(host("ldap.branch.example.com"));
        accepted(&trust_with(listed, &[store], &[]), &proper, &chain);
    }
}

#[test]
fn a_clients_names_stand_beside_the_reason_and_a_servers_in_it() {
    let root = self_signed(ca("root"));
    let leaf = root.sign(host("jane.doe.example.com"));
    let own = root.sign(host("mux.example.com"));
    for settings in [
        "STLDAP_TLS_TRUSTED_HOSTS=mux.example.com",
        "STLDAP_TLS_MIRROR_TRUSTED_HOSTS=1",
    ] {
        let trust = trust_with(settings, &[&root], &[&own]);
        let refused = |peer| {
            let result = trust.check(peer, &leaf.der, &[], now(), Some("jane.doe.example.com"));
            result.unwrap_err()
        };
        let (client, server) = (refused(Peer::Client), refused(Peer::Server));
        assert_eq!(client.why, Why::WrongName);
        assert!(!client.to_string().contains("jane.doe"), "{client}");
        assert!(server.to_string().contains("jane.doe"), "{server}");
        assert_eq!(client.names.as_deref(), Some("jane.doe.example.com"));
    }
}

#[test]
fn however_much_a_stranger_writes_into_a_certificate_the_sentence_is_short() {
    let root = self_signed(ca("root"));
    let mut names = host("a.example.com");
    names.subject_alt_names = (0..100)
        .map(|n| {
            SanType::DnsName(
                format!("{}{n}.example.com", "a".repeat(300))
                    .try_into()
                    .unwrap(),
            )
        })
        .collect();
    let trust = trust_with("", &[&root], &[]);
    let refusal = check(&trust, &root.sign(names), &[]).unwrap_err();
    assert_eq!(refusal.why, Why::WrongName);
    assert!(refusal.to_string().len() < 2000, "{refusal}");
    assert!(refusal.to_string().contains("and 95 more"), "{refusal}");
    let long = self_signed(ca(&"issuer".repeat(10_000)));
    let refusal = check(&trust, &long.sign(host("ldap.example.com")), &[]).unwrap_err();
    assert_eq!(refusal.why, Why::Untrusted);
    assert!(refusal.to_string().len() < 1000, "{refusal}");
}

#[test]
fn a_name_only_in_the_subject_counts_and_is_warned_of() {
    let root = self_signed(ca("root"));
    let leaf = root.sign(params("ldap.example.com"));
    let warnings = accepted(&trust_with("", &[&root], &[]), &leaf, &[]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let mut both = host("dir.example.com");
    both.distinguished_name = params("ldap.example.com").distinguished_name;
    refused(
        &trust_with("", &[&root], &[]),
        &root.sign(both),
        &[],
        Why::WrongName,
        "dir.example.com",
    );
}

/// `docs/domain/tls-scopes.md` 18.3.
#[test]
fn the_mirror_asks_for_one_of_our_own_names_in_addition_to_the_list() {
    let root = self_signed(ca("root"));
    let own = root.sign(host("mux.example.com"));
    let same = root.sign(host("mux.example.com"));
    let other = root.sign(host("ldap.example.com"));
    let mirror = "STLDAP_TLS_MIRROR_TRUSTED_HOSTS=1\nSTLDAP_TLS_TRUSTED_HOSTS=*.example.com";
    let trust = trust_with(mirror, &[&root], &[&own]);
    accepted(&trust, &same, &[]);
    refused(
        &trust,
        &other,
        &[],
        Why::WrongName,
        "STLDAP_TLS_MIRROR_TRUSTED_HOSTS",
    );
    let elsewhere = mirror.replace("*.example.com", "dir.example.com");
    let trust = trust_with(&elsewhere, &[&root], &[&own]);
    refused(&trust, &same, &[], Why::WrongName, "match no entry");
}

#[test]
fn bytes_that_are_no_certificate_are_refused_and_nothing_more() {
    let root = self_signed(ca("root"));
    let trust = trust_with("", &[&root], &[]);
    let whole = root.sign(host("ldap.example.com")).der;
    for length in 0..whole.len() {
        let cut = CertificateDer::from(whole[..length].to_vec());
        let refusal = trust
            .check(Peer::Server, &cut, &[], now(), None)
            .unwrap_err();
        assert_eq!(refusal.why, Why::Unreadable);
        // As an intermediate it is of no use, and does no harm.
        let result = trust.check(
            Peer::Server,
            &whole,
            &[cut],
            now(),
            Some("ldap.example.com"),
        );
        assert_eq!(result, Ok(vec![]));
    }
}

fn public_key() -> Vec<u8> {
    rcgen::PublicKeyData::subject_public_key_info(&KeyPair::generate().unwrap())
}

/// A certificate of X.509 version 1 that names itself as its signer, which no library of ours makes. Its signature is
/// another key's: nobody looks at it.
pub(super) fn version_1(common_name: &str, public_key: &[u8]) -> Made {
    use rcgen::SigningKey;
    let key = KeyPair::generate().unwrap();
    let ecdsa = der(0x06, &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
    let ecdsa_with_sha256 = der(0x30, &ecdsa);
    let attribute = [
        der(0x06, &[0x55, 0x04, 0x03]),
        der(0x0c, common_name.as_bytes()),
    ]
    .concat();
    let name = der(0x30, &der(0x31, &der(0x30, &attribute)));
    let validity = [der(0x17, b"200101000000Z"), der(0x17, b"490101000000Z")].concat();
    let to_sign = [
        der(0x02, &[1]),
        ecdsa_with_sha256.clone(),
        name.clone(),
        der(0x30, &validity),
        name,
        public_key.to_vec(),
    ];
    let to_sign = der(0x30, &to_sign.concat());
    let signature = key.sign(&to_sign).unwrap();
    let signature = der(0x03, &[vec![0], signature].concat());
    let certificate = der(0x30, &[to_sign, ecdsa_with_sha256, signature].concat());
    Made {
        der: certificate.into(),
        issuer: Issuer::new(params("signs nothing"), key),
    }
}

/// One element of DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short @ ..128) => out.push(short),
        Ok(long) => out.extend([0x81, long]),
        Err(_) => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend(content);
    out
}
