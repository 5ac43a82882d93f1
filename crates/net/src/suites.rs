//! Cipher suites by all the names that administrators write.
//!
//! Source: `docs/domain/tls-scopes.md` 9 and 10, `docs/decisions/0011-tls-rules.md`.

use config::{Fault, Note, TlsSettings, TlsVersion};
use keys::level::Floor;
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};

/// The suites that the TLS library has: its value, the name in the registry, the name in OpenSSL.
const OFFERED: [(CipherSuite, &str, &str); 9] = [
    (
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        "TLS_AES_256_GCM_SHA384",
        "TLS_AES_256_GCM_SHA384",
    ),
    (
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_128_GCM_SHA256",
    ),
    (
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_CHACHA20_POLY1305_SHA256",
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ),
    (
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
    ),
    (
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
    ),
    (
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ),
];

/// What a message proposes in place of a list of which nothing is left.
const PROPOSAL: &str = "at least one suite with forward secrecy, for instance TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 \
                        or TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384";

/// The name of a suite in the registry, for logs, metrics and people. `other` for what the library does not have.
#[must_use]
pub fn name(suite: CipherSuite) -> &'static str {
    let known = OFFERED.iter().find(|(known, ..)| *known == suite);
    known.map_or("other", |(_, name, _)| name)
}

/// Every suite that a connection can have, so that metrics can start at zero.
pub fn all() -> impl Iterator<Item = CipherSuite> {
    OFFERED.iter().map(|(suite, ..)| *suite)
}

/// The version that a suite belongs to, as logs show it.
#[must_use]
pub fn version(suite: CipherSuite) -> &'static str {
    // Names in the registry tell: those of TLS 1.3 have no key exchange in them.
    match name(suite) {
        "other" => "other",
        name if name.contains("_WITH_") => "tls1.2",
        _ => "tls1.3",
    }
}

/// What a written name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A suite that can be offered.
    Suite(CipherSuite),
    /// A suite that exists and is never offered, and why.
    NotOffered(&'static str),
    /// No suite.
    Unknown,
}

/// Reads a name: as in the registry, without its `TLS_`, with Java's `SSL_`, or OpenSSL's, in any case.
#[must_use]
pub fn parse(written: &str) -> Named {
    let upper = written.trim().to_ascii_uppercase();
    if let Some((suite, ..)) = OFFERED.iter().find(|(_, _, openssl)| upper == *openssl) {
        return Named::Suite(*suite);
    }
    let bare = ["TLS_", "SSL_"]
        .iter()
        .find_map(|prefix| upper.strip_prefix(prefix));
    let bare = bare.unwrap_or(&upper);
    let known = OFFERED
        .iter()
        .find(|(_, name, _)| name.strip_prefix("TLS_") == Some(bare));
    match known {
        Some((suite, ..)) => Named::Suite(*suite),
        None => match registry(bare).or_else(|| openssl(&upper)) {
            Some((exchange, cipher)) => Named::NotOffered(why_not(exchange, cipher)),
            None => Named::Unknown,
        },
    }
}

/// Key exchanges as the registry names them, and why the library has none of them. `None`: it is not the reason.
const EXCHANGES: &[(&str, Option<&str>)] = &[
    ("ECDHE_ECDSA", None),
    ("ECDHE_RSA", None),
    ("RSA", Some(NO_FORWARD_SECRECY)),
    ("DH_DSS", Some(NO_FORWARD_SECRECY)),
    ("DH_RSA", Some(NO_FORWARD_SECRECY)),
    ("ECDH_ECDSA", Some(NO_FORWARD_SECRECY)),
    ("ECDH_RSA", Some(NO_FORWARD_SECRECY)),
    ("RSA_EXPORT", Some(EXPORT)),
    ("DHE_RSA_EXPORT", Some(EXPORT)),
    ("DHE_DSS_EXPORT", Some(EXPORT)),
    ("DH_ANON_EXPORT", Some(EXPORT)),
    ("DHE_DSS", Some(FINITE_FIELD)),
    ("DHE_RSA", Some(FINITE_FIELD)),
    ("DH_ANON", Some(ANONYMOUS)),
    ("ECDH_ANON", Some(ANONYMOUS)),
    ("PSK", Some(SHARED)),
    ("RSA_PSK", Some(SHARED)),
    ("DHE_PSK", Some(SHARED)),
    ("ECDHE_PSK", Some(SHARED)),
    ("SRP_SHA", Some(SHARED)),
    ("SRP_SHA_RSA", Some(SHARED)),
    ("SRP_SHA_DSS", Some(SHARED)),
    ("KRB5", Some(SHARED)),
    ("NULL", Some(NO_ENCRYPTION)),
];

const NO_FORWARD_SECRECY: &str = "no forward secrecy";
const EXPORT: &str = "an export suite, which anybody can break";
const FINITE_FIELD: &str = "finite-field Diffie-Hellman";
const ANONYMOUS: &str = "no authentication of the server";
const SHARED: &str = "made for secrets shared in advance";
const NO_ENCRYPTION: &str = "no encryption";
const BROKEN: &str = "a broken or too weak cipher";
const CBC: &str = "CBC mode";
const CCM: &str = "CCM mode";
const RARE: &str = "a cipher that no client of ours needs";

/// Ciphers: in the registry, in OpenSSL (blank: it has none), and why the library does not have them.
const CIPHERS: &[(&str, &str, Option<&str>)] = &[
    ("AES_128_GCM", "AES128-GCM", None),
    ("AES_256_GCM", "AES256-GCM", None),
    ("CHACHA20_POLY1305", "CHACHA20-POLY1305", None),
    ("AES_128_CBC", "AES128", Some(CBC)),
    ("AES_256_CBC", "AES256", Some(CBC)),
    ("AES_128_CCM", "AES128-CCM", Some(CCM)),
    ("AES_256_CCM", "AES256-CCM", Some(CCM)),
    ("AES_128_CCM_8", "AES128-CCM8", Some(CCM)),
    ("AES_256_CCM_8", "AES256-CCM8", Some(CCM)),
    ("CAMELLIA_128_CBC", "CAMELLIA128", Some(CBC)),
    ("CAMELLIA_256_CBC", "CAMELLIA256", Some(CBC)),
    ("CAMELLIA_128_GCM", "", Some(RARE)),
    ("CAMELLIA_256_GCM", "", Some(RARE)),
    ("ARIA_128_CBC", "", Some(CBC)),
    ("ARIA_256_CBC", "", Some(CBC)),
    ("ARIA_128_GCM", "ARIA128-GCM", Some(RARE)),
    ("ARIA_256_GCM", "ARIA256-GCM", Some(RARE)),
    ("3DES_EDE_CBC", "DES-CBC3", Some(BROKEN)),
    ("DES_CBC", "DES-CBC", Some(BROKEN)),
    ("DES40_CBC", "EXP-DES-CBC", Some(BROKEN)),
    ("DES_CBC_40", "", Some(BROKEN)),
    ("RC4_128", "RC4", Some(BROKEN)),
    ("RC4_40", "EXP-RC4", Some(BROKEN)),
    ("RC2_CBC_40", "EXP-RC2-CBC", Some(BROKEN)),
    ("IDEA_CBC", "IDEA-CBC", Some(BROKEN)),
    ("SEED_CBC", "SEED", Some(BROKEN)),
    ("NULL", "NULL", Some(NO_ENCRYPTION)),
];

/// How OpenSSL begins the name of a suite, with the key exchange that it means; without any of these it is RSA.
const OPENSSL_EXCHANGES: &[(&str, &str)] = &[
    ("ECDHE-ECDSA-", "ECDHE_ECDSA"),
    ("ECDHE-RSA-", "ECDHE_RSA"),
    ("ECDHE-PSK-", "ECDHE_PSK"),
    ("ECDH-ECDSA-", "ECDH_ECDSA"),
    ("ECDH-RSA-", "ECDH_RSA"),
    ("DHE-RSA-", "DHE_RSA"),
    ("DHE-DSS-", "DHE_DSS"),
    ("DHE-PSK-", "DHE_PSK"),
    ("EDH-RSA-", "DHE_RSA"),
    ("EDH-DSS-", "DHE_DSS"),
    ("DH-RSA-", "DH_RSA"),
    ("DH-DSS-", "DH_DSS"),
    ("ADH-", "DH_ANON"),
    ("AECDH-", "ECDH_ANON"),
    ("RSA-PSK-", "RSA_PSK"),
    ("PSK-", "PSK"),
    ("SRP-", "SRP_SHA"),
    ("", "RSA"),
];

const MACS: [&str; 5] = ["SHA384", "SHA256", "SHA", "MD5", "SHA512"];

type Parts = (Option<&'static str>, Option<&'static str>);

/// The reasons in a name as the registry has it, without its prefix.
fn registry(bare: &str) -> Option<Parts> {
    let (exchange, rest) = bare.split_once("_WITH_")?;
    let (_, exchange) = EXCHANGES.iter().find(|(name, _)| *name == exchange)?;
    let without_mac = MACS
        .iter()
        .find_map(|mac| rest.strip_suffix(mac)?.strip_suffix('_'));
    let cipher = CIPHERS
        .iter()
        .find(|(name, ..)| *name == without_mac.unwrap_or(rest));
    cipher.map(|(_, _, why)| (*exchange, *why))
}

/// The reasons in a name as OpenSSL has it.
fn openssl(upper: &str) -> Option<Parts> {
    let (rest, exchange) = OPENSSL_EXCHANGES
        .iter()
        .find_map(|(prefix, exchange)| Some((upper.strip_prefix(prefix)?, *exchange)))?;
    let (_, exchange) = EXCHANGES.iter().find(|(name, _)| *name == exchange)?;
    let without_mac = MACS
        .iter()
        .find_map(|mac| rest.strip_suffix(mac)?.strip_suffix('-'));
    // Without the key exchange, OpenSSL writes the mode of AES only where it is not CBC.
    let rest = without_mac.unwrap_or(rest);
    let rest = rest
        .strip_suffix("-CBC")
        .filter(|cipher| cipher.starts_with("AES"))
        .unwrap_or(rest);
    let cipher = CIPHERS
        .iter()
        .find(|(_, name, _)| !name.is_empty() && *name == rest);
    cipher.map(|(_, _, why)| (*exchange, *why))
}

fn why_not(exchange: Option<&'static str>, cipher: Option<&'static str>) -> &'static str {
    match (exchange, cipher) {
        // What is wrong with the cipher says more than what is wrong with the key exchange.
        (_, Some(why)) if why == BROKEN || why == NO_ENCRYPTION => why,
        (Some(why), _) | (None, Some(why)) => why,
        (None, None) => "a combination that does not exist",
    }
}

/// What a scope offers.
#[derive(Debug)]
pub struct Selection {
    /// The suites, the preferred one first.
    pub suites: Vec<SupportedCipherSuite>,
    /// The versions that have at least one of them.
    pub versions: Vec<&'static SupportedProtocolVersion>,
    /// What of the settings is passed over.
    pub notes: Vec<Note>,
}

/// Chooses from what the library has by list, level, FIPS mode and range of versions.
///
/// The level wins over the list and the range. A list that names no suite of TLS 1.3 says nothing about TLS 1.3, whose
/// suites then stay as they are; a list that names nothing but those turns TLS 1.2 off.
///
/// # Errors
/// When nothing is left.
pub fn select(
    settings: &TlsSettings,
    available: &[SupportedCipherSuite],
) -> Result<Selection, Vec<Fault>> {
    let floor = Floor {
        level: settings.level.value,
        fips: settings.fips.value,
    };
    let mut notes = Vec::new();
    let allowed = |suite: &&SupportedCipherSuite| floor.allows_suite(suite.suite());
    let default = || available.iter().filter(allowed).copied();
    let mut suites: Vec<SupportedCipherSuite> = match &settings.cipher_suites {
        None => default().collect(),
        Some(list) => {
            let mut suites = Vec::new();
            // Whether the level takes them or not: who names one has thought of TLS 1.3.
            let mut names_13 = false;
            for written in &list.value {
                match parse(written) {
                    Named::Suite(suite) => {
                        names_13 |= version(suite) == "tls1.3";
                        let found = available.iter().find(|known| known.suite() == suite);
                        if !floor.allows_suite(suite) || found.is_none() {
                            notes.push(list.note(format!(
                                "{}: {written} is below the level and is left out ({})",
                                list.name,
                                level(settings)
                            )));
                        } else {
                            suites.extend(found.filter(|suite| !suites.contains(*suite)));
                        }
                    }
                    Named::NotOffered(why) => notes.push(list.note(format!(
                        "{}: {written} is passed over, the TLS library does not offer it: {why}",
                        list.name
                    ))),
                    Named::Unknown => notes.push(list.note(format!(
                        "{}: {written} is not the name of a cipher suite and is passed over",
                        list.name
                    ))),
                }
            }
            if suites.is_empty() {
                let why: Vec<&str> = notes.iter().map(|note| note.text.as_str()).collect();
                return Err(vec![list.fault(
                    format!("no cipher suite is left. {}", why.join(". ")),
                    PROPOSAL,
                )]);
            }
            if !names_13 && settings.versions.max.value >= TlsVersion::Tls13 {
                suites.extend(default().filter(is_13));
                notes.push(list.note(format!(
                    "{}: it names no suite of TLS 1.3, so those of TLS 1.3 stay as they are",
                    list.name
                )));
            }
            suites
        }
    };
    let range = [
        (TlsVersion::Tls13, &rustls::version::TLS13),
        (TlsVersion::Tls12, &rustls::version::TLS12),
    ];
    let range = range.into_iter().filter(|(version, _)| {
        (settings.versions.min.value..=settings.versions.max.value).contains(version)
    });
    let mut versions = Vec::new();
    for (version, supported) in range {
        if suites.iter().any(|suite| suite.version() == supported) {
            versions.push(supported);
        } else if let Some(list) = &settings.cipher_suites {
            notes.push(list.note(format!(
                "{}: it leaves no suite of {version}, so {version} is off",
                list.name
            )));
        }
    }
    suites.retain(|suite| versions.contains(&suite.version()));
    match &settings.cipher_suites {
        Some(list) if suites.is_empty() => {
            let max = &settings.versions.max;
            let problem =
                format!("it names suites of TLS 1.3 only, and the highest version is {max}");
            Err(vec![list.fault(problem, PROPOSAL)])
        }
        _ => Ok(Selection {
            suites,
            versions,
            notes,
        }),
    }
}

fn is_13(suite: &SupportedCipherSuite) -> bool {
    suite.version().version == ProtocolVersion::TLSv1_3
}

/// The level and where it stands, and FIPS mode if it is on.
fn level(settings: &TlsSettings) -> String {
    match settings.fips.value {
        true => format!("{}, {}", settings.level, settings.fips),
        false => settings.level.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES;

    fn settings(ini: &str) -> TlsSettings {
        crate::tls::testing::settings(ini)
    }

    fn selected(ini: &str) -> (Vec<&'static str>, Vec<Note>) {
        let selection = select(&settings(ini), ALL_CIPHER_SUITES).unwrap();
        let names = selection.suites.iter().map(|suite| name(suite.suite()));
        (names.collect(), selection.notes)
    }

    /// `docs/domain/tls-scopes.md` 9.
    #[test]
    fn a_suite_is_known_by_all_its_names() {
        let gcm = Named::Suite(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384);
        for written in [
            "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "SSL_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
            "ECDHE-RSA-AES256-GCM-SHA384",
            "ecdhe-rsa-aes256-gcm-sha384",
            " tls_ecdhe_rsa_with_aes_256_gcm_sha384 ",
        ] {
            assert_eq!(parse(written), gcm, "{written}");
        }
        let tls13 = Named::Suite(CipherSuite::TLS13_AES_128_GCM_SHA256);
        for written in ["TLS_AES_128_GCM_SHA256", "AES_128_GCM_SHA256"] {
            assert_eq!(parse(written), tls13, "{written}");
        }
        let chacha = Named::Suite(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
        assert_eq!(parse("ECDHE-ECDSA-CHACHA20-POLY1305"), chacha);
    }

    #[test]
    fn a_suite_that_exists_and_is_not_offered_is_told_from_a_slip() {
        for (written, why) in [
            ("TLS_RSA_WITH_AES_256_GCM_SHA384", NO_FORWARD_SECRECY),
            ("RSA_WITH_AES_128_CBC_SHA", NO_FORWARD_SECRECY),
            ("SSL_RSA_WITH_3DES_EDE_CBC_SHA", BROKEN),
            ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256", CBC),
            ("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", FINITE_FIELD),
            ("TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", CCM),
            ("SSL_RSA_WITH_RC4_128_MD5", BROKEN),
            ("TLS_RSA_WITH_NULL_SHA256", NO_ENCRYPTION),
            ("TLS_DH_anon_WITH_AES_128_CBC_SHA", ANONYMOUS),
            ("AES128-SHA", NO_FORWARD_SECRECY),
            ("AES256-GCM-SHA384", NO_FORWARD_SECRECY),
            ("ECDHE-RSA-AES128-SHA", CBC),
            ("DES-CBC3-SHA", BROKEN),
            ("EDH-RSA-DES-CBC3-SHA", BROKEN),
            ("DHE-RSA-AES256-SHA256", FINITE_FIELD),
            ("RC4-MD5", BROKEN),
            ("ADH-AES128-SHA", ANONYMOUS),
            ("PSK-AES128-CBC-SHA", SHARED),
        ] {
            assert_eq!(parse(written), Named::NotOffered(why), "{written}");
        }
        for written in [
            "TLS_ECDHE_RSA_WITH_AES_256_GMC_SHA384",
            "TLS_ECDHE_RSA_WITH_AES_999_GCM_SHA384",
            "HIGH:!aNULL",
            "",
            "TLS_",
            "AES",
        ] {
            assert_eq!(parse(written), Named::Unknown, "{written}");
        }
    }

    #[test]
    fn the_list_is_kept_in_order_and_what_is_unknown_is_reported() {
        let (suites, notes) = selected(
            "STMUX_TLS_CIPHER_SUITES=ECDHE-RSA-AES128-GCM-SHA256, TLS_NO_SUCH, AES128-SHA, \
             TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, ecdhe_rsa_with_aes_128_gcm_sha256",
        );
        assert_eq!(
            suites,
            [
                "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"
            ]
        );
        let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(
            notes[0].contains("TLS_NO_SUCH is not the name of a cipher suite"),
            "{notes:?}"
        );
        assert!(notes[1].contains("AES128-SHA is passed over"), "{notes:?}");
        assert!(notes[1].contains("no forward secrecy"), "{notes:?}");
    }

    /// The two suites that the original server offers to directories.
    #[test]
    fn a_list_of_which_nothing_is_left_is_refused_with_the_reasons() {
        let list = "STMUX_TLS_CIPHER_SUITES=RSA_WITH_AES_256_GCM_SHA384,RSA_WITH_AES_128_CBC_SHA";
        let faults = select(&settings(list), ALL_CIPHER_SUITES).unwrap_err();
        assert_eq!(faults.len(), 1);
        let text = faults[0].to_string();
        assert!(
            text.contains("STMUX_TLS_CIPHER_SUITES: no cipher suite is left"),
            "{text}"
        );
        assert!(text.contains("no forward secrecy"), "{text}");
        assert!(
            faults[0]
                .expected
                .contains("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384")
        );
    }

    #[test]
    fn the_level_wins_over_the_list() {
        let both =
            "STMUX_TLS_CIPHER_SUITES=ECDHE-ECDSA-AES128-GCM-SHA256,ECDHE-ECDSA-AES256-GCM-SHA384";
        let (suites, notes) = selected(&format!("{both}\nSTMUX_TLS_SECURITY_LEVEL=4"));
        assert_eq!(suites, ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"]);
        assert!(
            notes[0]
                .text
                .contains("is below the level and is left out (4 (STMUX_TLS"),
            "{notes:?}"
        );
        let rsa = "STMUX_TLS_CIPHER_SUITES=ECDHE-RSA-AES256-GCM-SHA384\nSTMUX_TLS_SECURITY_LEVEL=3";
        let faults = select(&settings(rsa), ALL_CIPHER_SUITES).unwrap_err();
        assert!(
            faults[0].problem.contains("is below the level"),
            "{faults:?}"
        );
    }

    #[test]
    fn without_a_list_the_level_chooses() {
        let max = "STMUX_TLS_MAX_PROTOCOL_VERSION=0x304";
        assert_eq!(selected(max).0.len(), 9);
        assert_eq!(selected("").0.len(), 6, "TLS 1.2 only, as documented");
        let (suites, notes) = selected(&format!("{max}\nSTMUX_TLS_SECURITY_LEVEL=2"));
        assert_eq!(suites.len(), 6, "{suites:?}");
        assert!(
            suites.iter().all(|suite| suite.contains("AES_")),
            "{suites:?}"
        );
        assert_eq!(notes, []);
    }

    #[test]
    fn a_list_written_for_tls_1_2_says_nothing_about_tls_1_3() {
        let list = "STMUX_TLS_CIPHER_SUITES=ECDHE-RSA-AES256-GCM-SHA384";
        let max = "STMUX_TLS_MAX_PROTOCOL_VERSION=0x304";
        let (suites, notes) = selected(&format!("{list}\n{max}"));
        assert_eq!(suites.len(), 4, "{suites:?}");
        assert!(
            notes[0].text.contains("those of TLS 1.3 stay as they are"),
            "{notes:?}"
        );
    }

    #[test]
    fn a_list_of_which_the_level_takes_no_suite_of_tls_1_3_has_spoken_of_it() {
        let (suites, notes) = selected(
            "STMUX_TLS_CIPHER_SUITES=TLS_CHACHA20_POLY1305_SHA256,ECDHE-RSA-AES256-GCM-SHA384\n\
             STMUX_TLS_MAX_PROTOCOL_VERSION=0x304\nSTMUX_TLS_SECURITY_LEVEL=2",
        );
        assert_eq!(suites, ["TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"]);
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].text.contains("below the level"), "{notes:?}");
        assert!(notes[1].text.contains("so TLS 1.3 is off"), "{notes:?}");
    }

    #[test]
    fn a_list_for_tls_1_3_only_turns_tls_1_2_off() {
        let list = "STMUX_TLS_CIPHER_SUITES=TLS_AES_256_GCM_SHA384";
        let max = "STMUX_TLS_MAX_PROTOCOL_VERSION=0x304";
        let selection = select(&settings(&format!("{list}\n{max}")), ALL_CIPHER_SUITES).unwrap();
        assert_eq!(selection.versions, [&rustls::version::TLS13]);
        assert!(
            selection.notes[0].text.contains("so TLS 1.2 is off"),
            "{:?}",
            selection.notes
        );
        let faults = select(&settings(list), ALL_CIPHER_SUITES).unwrap_err();
        assert!(
            faults[0].problem.contains("suites of TLS 1.3 only"),
            "{faults:?}"
        );
    }
}
