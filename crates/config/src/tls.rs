//! TLS settings: which scope a value comes from.
//!
//! Source: `docs/domain/tls-scopes.md` 1 to 3 and 8.

use crate::loader::{Item, Loader, Values};
use crate::settings;
use crate::settings::CONFIG;
use crate::{Origin, Sourced};
use std::fmt;

/// For which connections a TLS setting counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All services that have no value of their own.
    Global,
    /// Clients that connect to the mux.
    Mux,
    /// Server parts that connect to each other.
    Server,
    /// The directory.
    Ldap,
    /// Messages of the identity provider.
    Saml,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [
        Self::Global,
        Self::Mux,
        Self::Server,
        Self::Ldap,
        Self::Saml,
    ];

    /// What its settings begin with.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Global => "ST_",
            Self::Mux => "STMUX_",
            Self::Server => "STSRV_",
            Self::Ldap => "STLDAP_",
            Self::Saml => "STSAML_",
        }
    }

    /// The names under which a setting is looked for, in that order: of the scope, then the global one. SAML's
    /// documents leave `TLS_` out, so its short form comes first.
    #[must_use]
    pub fn names(self, suffix: &str) -> Vec<String> {
        let mut names = Vec::new();
        if let (Self::Saml, Some(short)) = (self, suffix.strip_prefix("TLS_")) {
            names.push(format!("STSAML_{short}"));
        }
        names.push(format!("{}{suffix}", self.prefix()));
        if self != Self::Global {
            names.push(format!("ST_{suffix}"));
        }
        names
    }

    /// The first of these names that has a value.
    pub(crate) fn resolve<'v>(self, values: &'v Values, suffix: &str) -> Option<&'v Item> {
        self.names(suffix)
            .iter()
            .find_map(|name| values.find(CONFIG, name))
    }
}

/// A version of TLS that the server may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 0x303.
    Tls12,
    /// 0x304.
    Tls13,
}

impl TlsVersion {
    /// Reads the number of a version: `0x303`, `0X0303`, `771`.
    ///
    /// # Errors
    /// What is wrong: a version that is never spoken, or no version.
    pub fn parse(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let number = match digits {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        match number {
            // The number parser takes a sign, which no document writes.
            _ if text.contains('+') => Err("is not the number of a TLS version".to_owned()),
            Ok(0x304) => Ok(Self::Tls13),
            Ok(0x303) => Ok(Self::Tls12),
            Ok(0x300) => Err("is SSL 3, which is broken and never spoken".to_owned()),
            Ok(0x301) => {
                Err("is TLS 1.0, which is withdrawn (RFC 8996) and never spoken".to_owned())
            }
            Ok(0x302) => {
                Err("is TLS 1.1, which is withdrawn (RFC 8996) and never spoken".to_owned())
            }
            _ => Err("is not the number of a TLS version".to_owned()),
        }
    }
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}

/// A range of versions; `min` is at most `max`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsVersions {
    /// The lowest.
    pub min: Sourced<TlsVersion>,
    /// The highest.
    pub max: Sourced<TlsVersion>,
}

/// The range of a scope, which must not be empty. A minimum above a default maximum raises that.
pub(crate) fn versions(loader: &mut Loader, scope: Scope) -> Option<TlsVersions> {
    let min = loader.get_scoped(&settings::mux::MIN_PROTOCOL_VERSION, scope);
    let max = loader.get_scoped(&settings::mux::MAX_PROTOCOL_VERSION, scope);
    let (min, mut max) = (min?, max?);
    if min.value > max.value {
        if max.origin != Origin::Default {
            let (low, high) = (min.value, max.value);
            let problem = format!(
                "the lowest version, {low}, is above the highest, {high} ({})",
                max.origin
            );
            let row = &settings::mux::MIN_PROTOCOL_VERSION.row;
            loader.fault(row, scope, problem, "a version that is at most the highest");
            return None;
        }
        max.value = min.value;
    }
    Some(TlsVersions { min, max })
}

/// A setting that changes who is let in or what clients are shown, and that this version cannot honour.
struct Unserved {
    suffix: &'static str,
    /// The value that asks for nothing.
    harmless: Option<&'static str>,
    problem: &'static str,
    expected: &'static str,
}

const UNSERVED: &[Unserved] = &[
    Unserved {
        suffix: "TLS_KEY_STORE_FILE",
        harmless: None,
        problem: "key stores are not served by this version",
        expected: "no key store; without it the self-signed certificate in the data folder is shown",
    },
    Unserved {
        suffix: "TLS_CLIENT_AUTH",
        harmless: Some("0"),
        problem: "client certificates are not asked for by this version",
        expected: "0 or no such setting",
    },
    Unserved {
        suffix: "TLS_SECURITY_LEVEL",
        harmless: Some("0"),
        problem: "security levels are not enforced by this version",
        expected: "0 or no such setting",
    },
    Unserved {
        suffix: "TLS_FIPS_COMPLIANCE",
        harmless: Some("0"),
        problem: "this version has no FIPS mode",
        expected: "0 or no such setting",
    },
    Unserved {
        suffix: "TLS_CIPHER_SUITES",
        harmless: None,
        problem: "cipher suites cannot be chosen in this version",
        expected: "no such setting; the default suites are all forward secret and authenticated",
    },
];

/// Refuses what the scope asks for and would not get: passing over it would show clients another certificate, or
/// hold them to weaker rules, than the administrator believes.
pub(crate) fn refuse_unserved(loader: &mut Loader, scope: Scope) {
    for unserved in UNSERVED {
        let Some(item) = scope.resolve(&loader.values, unserved.suffix) else {
            continue;
        };
        if unserved.harmless != Some(item.value.as_str()) {
            let fault = item.fault(unserved.problem.to_owned(), unserved.expected.to_owned());
            loader.push_fault(fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IniFile, ini};

    fn values(settings: &str) -> Values {
        let bytes = format!("[Config]\n{settings}").into_bytes();
        let file = IniFile {
            path: "sametime.ini".into(),
            bytes,
        };
        Values::new(ini::parse(&file, &mut Vec::new(), &mut Vec::new()))
    }

    fn resolved(values: &Values, suffix: &str) -> [Option<String>; 4] {
        [Scope::Mux, Scope::Server, Scope::Ldap, Scope::Saml]
            .map(|scope| scope.resolve(values, suffix).map(|item| item.value.clone()))
    }

    fn expected(values: [&str; 4]) -> [Option<String>; 4] {
        values.map(|value| (!value.is_empty()).then(|| value.to_owned()))
    }

    /// `docs/domain/tls-scopes.md` 16, A and B.
    #[test]
    fn each_setting_comes_from_the_service_or_else_from_the_global_scope() {
        let values = values(
            "ST_TLS_KEY_STORE_TYPE=p12\nST_TLS_KEY_STORE_FILE=/keys/server.p12\nST_TLS_SECURITY_LEVEL=2\n\
             ST_TLS_TRUST_STORE_FILE=/keys/trust.p12\nSTMUX_TLS_KEY_STORE_FILE=/keys/mux.p12\n\
             STLDAP_TLS_SECURITY_LEVEL=0\nSTSAML_TRUST_STORE_FILE=/keys/idp.p12\n",
        );
        let server = "/keys/server.p12";
        let trust = "/keys/trust.p12";
        for (suffix, found) in [
            (
                "TLS_KEY_STORE_FILE",
                ["/keys/mux.p12", server, server, server],
            ),
            ("TLS_KEY_STORE_TYPE", ["p12"; 4]),
            (
                "TLS_TRUST_STORE_FILE",
                [trust, trust, trust, "/keys/idp.p12"],
            ),
            ("TLS_SECURITY_LEVEL", ["2", "2", "0", "2"]),
            ("TLS_TRUSTED_HOSTS", [""; 4]),
        ] {
            assert_eq!(resolved(&values, suffix), expected(found), "{suffix}");
        }
    }

    /// `docs/domain/tls-scopes.md` 16, C and F.
    #[test]
    fn a_service_may_do_without_the_global_scope_and_a_blank_value_is_none() {
        let values = values(
            "STMUX_TLS_KEY_STORE_FILE=/keys/mux.p12\nST_TLS_CIPHER_SUITES=A\nSTMUX_TLS_CIPHER_SUITES=\n",
        );
        let found = resolved(&values, "TLS_KEY_STORE_FILE");
        assert_eq!(found, expected(["/keys/mux.p12", "", "", ""]));
        assert_eq!(resolved(&values, "TLS_CIPHER_SUITES"), expected(["A"; 4]));
    }

    /// `docs/domain/tls-scopes.md` 2.2.
    #[test]
    fn the_short_name_of_saml_wins_over_the_long_one_and_that_over_the_global_one() {
        assert_eq!(
            Scope::Saml.names("TLS_KEY_LABEL"),
            [
                "STSAML_KEY_LABEL",
                "STSAML_TLS_KEY_LABEL",
                "ST_TLS_KEY_LABEL"
            ]
        );
    }
}
