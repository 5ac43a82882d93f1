//! Security levels: what keys, signatures, suites and groups a connection may use at least.
//!
//! One table, four uses: our own certificates when they are loaded, the peer's during the handshake, and the suites and
//! groups that are offered. FIPS mode is another filter over the same things.
//!
//! Source: `docs/domain/tls-scopes.md` 10 and 11.

use crate::facts::{Curve, Facts, Hash, KeyKind, Signer};
use config::SecurityLevel;
use rustls::pki_types::CertificateDer;
use rustls::{CipherSuite, NamedGroup, SignatureScheme};

/// What a level asks for. Where the table says "library default", the list is `None`.
struct Rules {
    /// Who asks for it, in messages.
    who: &'static str,
    /// The shortest RSA key; `None` where RSA is not allowed.
    rsa_bits_min: Option<usize>,
    curves: Curves,
    /// The hashes with which certificates may be signed.
    hashes: &'static [Hash],
    /// Certificates are signed with ECDSA and nothing else.
    ecdsa_only: bool,
    suites: Option<&'static [CipherSuite]>,
    groups: Option<&'static [NamedGroup]>,
    schemes: Option<&'static [SignatureScheme]>,
}

/// Which elliptic-curve keys are allowed.
enum Curves {
    /// At least this many bits.
    AtLeast(usize),
    /// These, each at home in Suite B.
    Only(&'static [Curve]),
}

/// Suites with AES-GCM; at levels 1 and 2 ChaCha20 is left out because it is not an approved algorithm.
const AES_GCM: &[CipherSuite] = &[
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
];

const SHA1_OR_BETTER: &[Hash] = &[
    Hash::Sha1,
    Hash::Sha224,
    Hash::Sha256,
    Hash::Sha384,
    Hash::Sha512,
];
const SHA224_OR_BETTER: &[Hash] = &[Hash::Sha224, Hash::Sha256, Hash::Sha384, Hash::Sha512];

const LEVEL_0: Rules = Rules {
    who: "level 0",
    rsa_bits_min: Some(0),
    curves: Curves::AtLeast(0),
    hashes: SHA1_OR_BETTER,
    ecdsa_only: false,
    suites: None,
    groups: None,
    schemes: None,
};

const LEVEL_1: Rules = Rules {
    who: "level 1",
    rsa_bits_min: Some(1024),
    curves: Curves::AtLeast(160),
    suites: Some(AES_GCM),
    ..LEVEL_0
};

const LEVEL_2: Rules = Rules {
    who: "level 2",
    rsa_bits_min: Some(2048),
    curves: Curves::AtLeast(224),
    hashes: SHA224_OR_BETTER,
    ..LEVEL_1
};

const LEVEL_3: Rules = Rules {
    who: "level 3",
    rsa_bits_min: None,
    curves: Curves::Only(&[Curve::P256, Curve::P384]),
    hashes: &[Hash::Sha256, Hash::Sha384],
    ecdsa_only: true,
    suites: Some(&[
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ]),
    groups: Some(&[NamedGroup::secp256r1, NamedGroup::secp384r1]),
    schemes: Some(&[
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
    ]),
};

const LEVEL_4: Rules = Rules {
    who: "level 4",
    rsa_bits_min: None,
    curves: Curves::Only(&[Curve::P384]),
    hashes: &[Hash::Sha384],
    ecdsa_only: true,
    suites: Some(&[
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    ]),
    groups: Some(&[NamedGroup::secp384r1]),
    schemes: Some(&[SignatureScheme::ECDSA_NISTP384_SHA384]),
};

/// FIPS-approved algorithms, as a filter on top of the level.
const FIPS: Rules = Rules {
    who: "FIPS mode",
    rsa_bits_min: Some(2048),
    curves: Curves::Only(&[Curve::P256, Curve::P384, Curve::P521]),
    hashes: SHA224_OR_BETTER,
    ecdsa_only: false,
    suites: Some(AES_GCM),
    groups: Some(&[
        NamedGroup::X25519MLKEM768,
        NamedGroup::secp256r1MLKEM768,
        NamedGroup::secp256r1,
        NamedGroup::secp384r1,
        NamedGroup::secp521r1,
    ]),
    schemes: Some(&[
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::ECDSA_NISTP521_SHA512,
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::RSA_PSS_SHA384,
        SignatureScheme::RSA_PSS_SHA512,
        SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::RSA_PKCS1_SHA384,
        SignatureScheme::RSA_PKCS1_SHA512,
    ]),
};

/// RSA keys below this are worth a warning where the level takes them.
const RSA_BITS_WARN_BELOW: usize = 2048;

/// The least that a scope asks for: its level, and FIPS mode or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floor {
    /// `SECURITY_LEVEL`.
    pub level: SecurityLevel,
    /// `FIPS_COMPLIANCE`.
    pub fips: bool,
}

impl Floor {
    fn rules(self) -> impl Iterator<Item = &'static Rules> {
        let rules = match self.level {
            SecurityLevel::Level0 => &LEVEL_0,
            SecurityLevel::Level1 => &LEVEL_1,
            SecurityLevel::Level2 => &LEVEL_2,
            SecurityLevel::Level3 => &LEVEL_3,
            SecurityLevel::Level4 => &LEVEL_4,
        };
        std::iter::once(rules).chain(self.fips.then_some(&FIPS))
    }

    /// Whether a suite may be used.
    #[must_use]
    pub fn allows_suite(self, suite: CipherSuite) -> bool {
        self.rules()
            .all(|rules| rules.suites.is_none_or(|list| list.contains(&suite)))
    }

    /// Whether a key-exchange group may be used.
    #[must_use]
    pub fn allows_group(self, group: NamedGroup) -> bool {
        self.rules()
            .all(|rules| rules.groups.is_none_or(|list| list.contains(&group)))
    }

    /// Whether a handshake may be signed in this way.
    #[must_use]
    pub fn allows_scheme(self, scheme: SignatureScheme) -> bool {
        self.rules()
            .all(|rules| rules.schemes.is_none_or(|list| list.contains(&scheme)))
    }

    /// Checks a certificate's key.
    ///
    /// # Errors
    /// The sentence that says what is asked for.
    pub fn check_key(self, certificate: &Facts) -> Result<(), String> {
        let key = &certificate.key;
        for rules in self.rules() {
            let wanted = match (key, rules.rsa_bits_min, &rules.curves) {
                (KeyKind::Rsa(_), None, _) => {
                    "a key on an elliptic curve; RSA is not allowed".into()
                }
                (KeyKind::Rsa(bits), Some(min), _) if *bits < min => {
                    format!("at least {min} bits")
                }
                (KeyKind::Rsa(_), Some(_), _) => continue,
                (KeyKind::Ec(curve), _, Curves::AtLeast(bits)) if curve.bits() >= *bits => continue,
                (KeyKind::Ec(curve), _, Curves::Only(list)) if list.contains(curve) => continue,
                (KeyKind::Ec(_) | KeyKind::Ed25519, _, Curves::Only(list)) => {
                    let names: Vec<String> = list.iter().map(Curve::to_string).collect();
                    format!("EC {}", names.join(" or "))
                }
                (KeyKind::Ec(_), _, Curves::AtLeast(bits)) => format!("at least {bits} bits"),
                (KeyKind::Ed25519, ..) => continue,
                (KeyKind::Dsa, ..) => "RSA or an elliptic curve; DSA is never used".into(),
                (KeyKind::Other(_), ..) if self.level == SecurityLevel::Level0 && !self.fips => {
                    continue;
                }
                (KeyKind::Other(_), ..) => "RSA or an elliptic curve".into(),
            };
            return Err(format!("its key is {key}; {} asks for {wanted}", rules.who));
        }
        Ok(())
    }

    /// Checks how a certificate was signed.
    ///
    /// # Errors
    /// The sentence that says what is asked for.
    pub fn check_signature(self, certificate: &Facts) -> Result<(), String> {
        let signature = &certificate.signature;
        for rules in self.rules() {
            let refused = |wanted: &str| {
                Err(format!(
                    "it is signed with {}; {} asks for {wanted}",
                    signature.name, rules.who
                ))
            };
            match (signature.signer, signature.hash) {
                (Signer::Ecdsa, _) | (_, Some(Hash::Md5)) => {}
                _ if rules.ecdsa_only => return refused("ECDSA signatures"),
                // The hash is built in, and better than any that is asked for.
                (Signer::Ed25519, _) if !self.fips => continue,
                (Signer::Ed25519, _) => return refused("RSA or ECDSA signatures"),
                _ => {}
            }
            match signature.hash {
                Some(hash) if rules.hashes.contains(&hash) => {}
                // An algorithm that is not known here; the TLS library decides.
                None if self.level == SecurityLevel::Level0 && !self.fips => {}
                _ => {
                    let names: Vec<String> = rules.hashes.iter().map(Hash::to_string).collect();
                    return refused(&names.join(" or "));
                }
            }
        }
        Ok(())
    }
}

/// What is weak about a certificate that the level takes all the same.
fn weaknesses(certificate: &Facts) -> Vec<String> {
    let mut weak = Vec::new();
    if let KeyKind::Rsa(bits) = certificate.key
        && bits < RSA_BITS_WARN_BELOW
    {
        weak.push(format!(
            "{}: its RSA key has {bits} bits only; peers of today want at least {RSA_BITS_WARN_BELOW}",
            certificate.subject
        ));
    }
    if certificate.signature.hash == Some(Hash::Sha1) {
        weak.push(format!(
            "{}: it is signed with {}; peers of today refuse SHA-1",
            certificate.subject, certificate.signature.name
        ));
    }
    weak
}

/// Checks a chain against the level: every certificate's key, and every signature but the one that a root gives
/// itself. The first certificate is the one that is shown; its signature counts even if it is its own. The answer is
/// warnings.
///
/// # Errors
/// Which certificate falls short, and the sentence that says of what.
pub fn check_chain(floor: Floor, chain: &[Facts]) -> Result<Vec<String>, (usize, String)> {
    let mut warnings = Vec::new();
    for (index, certificate) in chain.iter().enumerate() {
        floor
            .check_key(certificate)
            .map_err(|problem| (index, problem))?;
        let root = index > 0 && certificate.self_signed;
        if !root {
            floor
                .check_signature(certificate)
                .map_err(|problem| (index, problem))?;
            warnings.extend(weaknesses(certificate));
        }
    }
    Ok(warnings)
}

/// Checks the chain that we show, when it is loaded. The answer is warnings.
///
/// # Errors
/// The sentence that says which certificate falls short of the level, and of what, or cannot be read.
pub fn check_own_chain(
    level: SecurityLevel,
    fips: bool,
    chain: &[CertificateDer<'_>],
) -> Result<Vec<String>, String> {
    let facts: Result<Vec<Facts>, _> = chain.iter().map(Facts::of).collect();
    let facts = facts.map_err(|error| error.to_string())?;
    check_chain(Floor { level, fips }, &facts).map_err(|(index, problem)| match facts.get(index) {
        Some(certificate) => format!("{}: {problem}", certificate.subject),
        None => problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Signature;
    use config::SecurityLevel::{Level0, Level1, Level2, Level3, Level4};
    use rcgen::{CertificateParams, DnType, KeyPair};

    const LEVELS: [SecurityLevel; 5] = [Level0, Level1, Level2, Level3, Level4];

    fn certificate() -> Facts {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "mux.example.com");
        let key = KeyPair::generate().unwrap();
        Facts::of(params.self_signed(&key).unwrap().der()).unwrap()
    }

    fn with_key(key: KeyKind) -> Facts {
        Facts {
            key,
            ..certificate()
        }
    }

    fn signed(name: &str, signer: Signer, hash: Option<Hash>) -> Facts {
        let signature = Signature {
            name: name.to_owned(),
            signer,
            hash,
        };
        Facts {
            signature,
            ..certificate()
        }
    }

    /// Which of level 0 to 4, and FIPS mode on level 0, take it.
    fn taken_at(check: impl Fn(Floor) -> bool) -> String {
        let level = |level| check(Floor { level, fips: false });
        let shown = LEVELS.map(|l| {
            if level(l) {
                l.to_string()
            } else {
                "-".to_owned()
            }
        });
        let fips = check(Floor {
            level: Level0,
            fips: true,
        });
        shown.concat() + if fips { "F" } else { "-" }
    }

    /// `docs/domain/tls-scopes.md` 10, rows "RSA / DSA key" and "EC key", and 11.
    #[test]
    fn each_level_takes_the_keys_of_its_column() {
        let p224 = Curve::Other {
            name: "P-224".to_owned(),
            bits: 224,
        };
        let p192 = Curve::Other {
            name: "P-192".to_owned(),
            bits: 192,
        };
        for (key, expected) in [
            (KeyKind::Rsa(1023), "0-----"),
            (KeyKind::Rsa(1024), "01----"),
            (KeyKind::Rsa(2047), "01----"),
            (KeyKind::Rsa(2048), "012--F"),
            (KeyKind::Rsa(4096), "012--F"),
            (KeyKind::Ec(p192), "01----"),
            (KeyKind::Ec(p224), "012---"),
            (KeyKind::Ec(Curve::P256), "0123-F"),
            (KeyKind::Ec(Curve::P384), "01234F"),
            (KeyKind::Ec(Curve::P521), "012--F"),
            (KeyKind::Ed25519, "012---"),
            (KeyKind::Dsa, "------"),
            (KeyKind::Other("1.2.3".to_owned()), "0-----"),
        ] {
            let certificate = with_key(key);
            let taken = taken_at(|floor| floor.check_key(&certificate).is_ok());
            assert_eq!(taken, expected, "{}", certificate.key);
        }
    }

    /// `docs/domain/tls-scopes.md` 10, row "Certificate signature hash".
    #[test]
    fn each_level_takes_the_signatures_of_its_column() {
        for (signer, hash, expected) in [
            (Signer::Rsa, Some(Hash::Md5), "------"),
            (Signer::Rsa, Some(Hash::Sha1), "01----"),
            (Signer::Rsa, Some(Hash::Sha224), "012--F"),
            (Signer::Rsa, Some(Hash::Sha256), "012--F"),
            (Signer::Rsa, Some(Hash::Sha512), "012--F"),
            (Signer::Ecdsa, Some(Hash::Sha1), "01----"),
            (Signer::Ecdsa, Some(Hash::Sha256), "0123-F"),
            (Signer::Ecdsa, Some(Hash::Sha384), "01234F"),
            (Signer::Ecdsa, Some(Hash::Sha512), "012--F"),
            (Signer::Ed25519, None, "012---"),
            (Signer::Other, None, "0-----"),
        ] {
            let certificate = signed("some signature", signer, hash);
            let taken = taken_at(|floor| floor.check_signature(&certificate).is_ok());
            assert_eq!(taken, expected, "{signer:?} {hash:?}");
        }
    }

    /// `docs/domain/tls-scopes.md` 10, rows of suites, groups and handshake signatures.
    #[test]
    fn each_level_takes_the_suites_groups_and_schemes_of_its_column() {
        for (suite, expected) in [
            (CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, "0-----"),
            (CipherSuite::TLS13_AES_128_GCM_SHA256, "0123-F"),
            (CipherSuite::TLS13_AES_256_GCM_SHA384, "01234F"),
            (CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "012--F"),
            (
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
                "0123-F",
            ),
            (
                CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
                "01234F",
            ),
        ] {
            assert_eq!(
                taken_at(|floor| floor.allows_suite(suite)),
                expected,
                "{suite:?}"
            );
        }
        for (group, expected) in [
            (NamedGroup::X25519MLKEM768, "012--F"),
            (NamedGroup::X25519, "012---"),
            (NamedGroup::secp256r1, "0123-F"),
            (NamedGroup::secp384r1, "01234F"),
        ] {
            assert_eq!(
                taken_at(|floor| floor.allows_group(group)),
                expected,
                "{group:?}"
            );
        }
        for (scheme, expected) in [
            (SignatureScheme::RSA_PSS_SHA256, "012--F"),
            (SignatureScheme::ED25519, "012---"),
            (SignatureScheme::ECDSA_NISTP256_SHA256, "0123-F"),
            (SignatureScheme::ECDSA_NISTP384_SHA384, "01234F"),
        ] {
            assert_eq!(
                taken_at(|floor| floor.allows_scheme(scheme)),
                expected,
                "{scheme:?}"
            );
        }
    }

    #[test]
    fn a_root_may_sign_itself_as_it_likes_and_its_key_counts_all_the_same() {
        let floor = Floor {
            level: Level2,
            fips: false,
        };
        let weak = signed("sha1WithRSAEncryption", Signer::Rsa, Some(Hash::Sha1));
        assert_eq!(
            check_chain(floor, &[certificate(), weak.clone()]),
            Ok(vec![])
        );
        let (index, problem) = check_chain(floor, std::slice::from_ref(&weak)).unwrap_err();
        assert_eq!(index, 0);
        assert!(problem.contains("level 2 asks for SHA-224 or"), "{problem}");
        let short = with_key(KeyKind::Rsa(1024));
        let (index, problem) = check_chain(floor, &[certificate(), short]).unwrap_err();
        assert_eq!(index, 1);
        assert_eq!(
            problem,
            "its key is RSA 1024 bits; level 2 asks for at least 2048 bits"
        );
    }

    #[test]
    fn what_level_0_takes_and_peers_of_today_refuse_is_warned_of() {
        let floor = Floor {
            level: Level0,
            fips: false,
        };
        let weak = Facts {
            key: KeyKind::Rsa(1024),
            ..signed("sha1WithRSAEncryption", Signer::Rsa, Some(Hash::Sha1))
        };
        let warnings = check_chain(floor, &[weak]).unwrap();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert_eq!(check_chain(floor, &[certificate()]), Ok(vec![]));
    }
}
