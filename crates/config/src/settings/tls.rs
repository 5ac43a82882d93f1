//! TLS, for each scope: stores, rules, sessions.
//!
//! Source: `docs/domain/tls-scopes.md` 4.

use std::path::PathBuf;

use super::{CONFIG, Kind, MUX, Names, Row, SWITCH, Setting};
use crate::listen::Mode;
use crate::scoped::Secret;
use crate::tls::{ClientAuth, Scope, SecurityLevel, StoreType, TlsVersion};

/// Scopes that have a socket: the identity provider's messages have none.
const SOCKETS: &[Scope] = &[Scope::Global, Scope::Mux, Scope::Server, Scope::Ldap];
/// Scopes whose connections are accepted.
const INBOUND: &[Scope] = &[Scope::Global, Scope::Mux, Scope::Server];
/// Scopes whose connections are made by this server.
const OUTBOUND: &[Scope] = &[Scope::Global, Scope::Server, Scope::Ldap];

/// Entries of a comma list: more is a slip, not a setting.
const LIST_MAX: usize = 1000;

/// A row whose value new connections get at the next reload.
const fn row(
    suffix: &'static str,
    scopes: &'static [Scope],
    default: Option<&'static str>,
    meaning: &'static str,
    source: &'static str,
) -> Row {
    Row {
        names: Names::Scoped { suffix, scopes },
        sections: CONFIG,
        default,
        reloadable: true,
        meaning,
        source,
    }
}

const STORE_TYPE: Kind<StoreType> = Kind::Word(&[
    ("p12", StoreType::Pkcs12),
    ("pkcs12", StoreType::Pkcs12),
    ("pfx", StoreType::Pkcs12),
    ("jks", StoreType::Jks),
]);

const PATH: Kind<PathBuf> = Kind::Other {
    expected: "the full path of a file",
    parse: |text| Ok(PathBuf::from(text)),
};

const PASSWORD: Kind<Secret> = Kind::Other {
    expected: "a password",
    parse: |text| Ok(Secret::new(text.to_owned())),
};

/// The settings of a store: key store or trust store.
#[derive(Debug)]
pub(crate) struct StoreRows {
    pub(crate) store_type: Setting<StoreType>,
    pub(crate) file: Setting<PathBuf>,
    pub(crate) password: Setting<Secret>,
    pub(crate) password_file: Setting<PathBuf>,
    pub(crate) stash_file: Setting<PathBuf>,
    /// Only a key store has keys with a password of their own.
    pub(crate) key_password: Option<Setting<Secret>>,
}

/// The key store.
pub(crate) const KEY_STORE: StoreRows = StoreRows {
    store_type: Setting {
        row: row(
            "TLS_KEY_STORE_TYPE",
            &Scope::ALL,
            None,
            "Format of the key store: p12 (also written pkcs12 or pfx) or jks. What the file really is counts; a \
             difference is noted.",
            "tls-scopes.md 4",
        ),
        kind: STORE_TYPE,
    },
    file: Setting {
        row: row(
            "TLS_KEY_STORE_FILE",
            &Scope::ALL,
            None,
            "Key store: the own private key, its certificate and the chain. Mux and server need one for TLS; the \
             mux shows a self-signed certificate if none is named.",
            "tls-scopes.md 5",
        ),
        kind: PATH,
    },
    password: Setting {
        row: row(
            "TLS_KEY_STORE_PASSWORD",
            &Scope::ALL,
            None,
            "Password of the key store, in clear text. It wins over a password file and a stash file of the same \
             scope.",
            "tls-scopes.md 4",
        ),
        kind: PASSWORD,
    },
    password_file: Setting {
        row: row(
            "TLS_KEY_STORE_PASSWORD_FILE",
            &Scope::ALL,
            None,
            "File whose first line is the password of the key store, as container secrets are mounted.",
            "our own, after tls-scopes.md 14",
        ),
        kind: PATH,
    },
    stash_file: Setting {
        row: row(
            "TLS_KEY_STORE_PASSWORD_STASH_FILE",
            &Scope::ALL,
            None,
            "File that keeps the password of the key store out of sametime.ini: made on the first start, and the \
             clear text is then removed. It is obfuscated, not encrypted.",
            "tls-scopes.md 14",
        ),
        kind: PATH,
    },
    key_password: Some(Setting {
        row: row(
            "TLS_KEY_PASSWORD",
            &Scope::ALL,
            None,
            "Password of the key inside the key store, where it differs from the password of the store.",
            "our own, after keystores.md 8.1",
        ),
        kind: PASSWORD,
    }),
};

/// The trust store.
pub(crate) const TRUST_STORE: StoreRows = StoreRows {
    store_type: Setting {
        row: row(
            "TLS_TRUST_STORE_TYPE",
            &Scope::ALL,
            None,
            "Format of the trust store: p12 (also written pkcs12 or pfx) or jks. What the file really is counts; a \
             difference is noted.",
            "tls-scopes.md 4",
        ),
        kind: STORE_TYPE,
    },
    file: Setting {
        row: row(
            "TLS_TRUST_STORE_FILE",
            &Scope::ALL,
            None,
            "Trust store: the certificates that peers are checked against. LDAP and SAML need one, mux and server \
             only if they ask for client certificates.",
            "tls-scopes.md 5",
        ),
        kind: PATH,
    },
    password: Setting {
        row: row(
            "TLS_TRUST_STORE_PASSWORD",
            &Scope::ALL,
            None,
            "Password of the trust store, in clear text. It wins over a password file and a stash file of the same \
             scope.",
            "tls-scopes.md 4",
        ),
        kind: PASSWORD,
    },
    password_file: Setting {
        row: row(
            "TLS_TRUST_STORE_PASSWORD_FILE",
            &Scope::ALL,
            None,
            "File whose first line is the password of the trust store.",
            "our own, after tls-scopes.md 14",
        ),
        kind: PATH,
    },
    stash_file: Setting {
        row: row(
            "TLS_TRUST_STORE_PASSWORD_STASH_FILE",
            &Scope::ALL,
            None,
            "File that keeps the password of the trust store out of sametime.ini: made on the first start, and the \
             clear text is then removed. It is obfuscated, not encrypted.",
            "tls-scopes.md 14",
        ),
        kind: PATH,
    },
    key_password: None,
};

/// Which key of the key store is shown.
pub const KEY_LABEL: Setting<Vec<String>> = Setting {
    row: row(
        "TLS_KEY_LABEL",
        &Scope::ALL,
        None,
        "Alias of the key to use where the key store holds several; case does not count. Several, separated by \
         commas, at most one per key algorithm: the client's offer decides. An alias that holds a comma stands in \
         quotes.",
        "tls-scopes.md 13",
    ),
    kind: Kind::Other {
        expected: "an alias, or several separated by commas",
        parse: parse_labels,
    },
};

/// Approved algorithms only.
pub const FIPS: Setting<bool> = Setting {
    row: row(
        "TLS_FIPS_COMPLIANCE",
        &Scope::ALL,
        Some("0"),
        "1 admits FIPS-approved algorithms only, for TLS and for SAML, and needs a build with the validated module.",
        "tls-scopes.md 11",
    ),
    kind: SWITCH,
};

/// The least that is good enough.
pub const SECURITY_LEVEL: Setting<SecurityLevel> = Setting {
    row: row(
        "TLS_SECURITY_LEVEL",
        &Scope::ALL,
        Some("0"),
        "Least security of protocol, suites, keys and signatures: 0 none, 1 SP 800-131A transition, 2 SP 800-131A \
         strict (recommended), 3 Suite B 128, 4 Suite B 192. On levels 0 and 1 the floor of the TLS library is \
         higher than the level: RSA keys below 2048 bits and SHA-1 handshake signatures cannot be had.",
        "tls-scopes.md 10, keystores.md 5.4",
    ),
    kind: Kind::Word(&[
        ("0", SecurityLevel::Level0),
        ("1", SecurityLevel::Level1),
        ("2", SecurityLevel::Level2),
        ("3", SecurityLevel::Level3),
        ("4", SecurityLevel::Level4),
    ]),
};

const VERSION: Kind<TlsVersion> = Kind::Other {
    expected: "0x303 (TLS 1.2) or 0x304 (TLS 1.3)",
    parse: TlsVersion::parse,
};

/// The lowest TLS version.
pub const MIN_PROTOCOL_VERSION: Setting<TlsVersion> = Setting {
    row: row(
        "TLS_MIN_PROTOCOL_VERSION",
        SOCKETS,
        Some("0x303"),
        "Lowest TLS version: 0x303 is TLS 1.2, 0x304 is TLS 1.3. Nothing below TLS 1.2 is ever spoken.",
        "tls-scopes.md 8",
    ),
    kind: VERSION,
};

/// The highest TLS version.
pub const MAX_PROTOCOL_VERSION: Setting<TlsVersion> = Setting {
    row: row(
        "TLS_MAX_PROTOCOL_VERSION",
        SOCKETS,
        Some("0x303"),
        "Highest TLS version: 0x303 is TLS 1.2, 0x304 is TLS 1.3 (recommended). Not set, it is never below the \
         lowest.",
        "tls-scopes.md 8",
    ),
    kind: VERSION,
};

/// Suites in the order of preference.
pub const CIPHER_SUITES: Setting<Vec<String>> = Setting {
    row: row(
        "TLS_CIPHER_SUITES",
        SOCKETS,
        None,
        "Cipher suites in the order of preference, with IANA, Java or OpenSSL names. Not set: all that the level \
         admits.",
        "tls-scopes.md 9",
    ),
    kind: Kind::Other {
        expected: "names of cipher suites, separated by commas",
        parse: parse_list,
    },
};

/// Whether clients show a certificate.
pub const CLIENT_AUTH: Setting<ClientAuth> = Setting {
    row: row(
        "TLS_CLIENT_AUTH",
        INBOUND,
        Some("0"),
        "Client certificates: 0 are not asked for, 1 are asked for and checked if shown, 2 are needed. 1 and 2 need \
         a trust store.",
        "tls-scopes.md 7",
    ),
    kind: Kind::Word(&[
        ("0", ClientAuth::None),
        ("1", ClientAuth::Want),
        ("2", ClientAuth::Need),
    ]),
};

/// Names that the peer's certificate may bear.
pub const TRUSTED_HOSTS: Setting<Vec<String>> = Setting {
    row: row(
        "TLS_TRUSTED_HOSTS",
        SOCKETS,
        None,
        "Names of which the peer's certificate must bear one, beside a chain that is trusted; * stands for one label \
         or a part of one.",
        "tls-scopes.md 6",
    ),
    kind: Kind::Other {
        expected: "host names, separated by commas",
        parse: parse_hosts,
    },
};

/// The mirror check, or an alias, as some read it.
pub const MIRROR_TRUSTED_HOSTS: Setting<Mirror> = Setting {
    row: row(
        "TLS_MIRROR_TRUSTED_HOSTS",
        SOCKETS,
        Some("0"),
        "1: the peer's certificate must bear the names of the own one, in addition to the list of trusted hosts. A \
         value other than 0 and 1 is taken for a key label, where none is set.",
        "tls-scopes.md 18.3",
    ),
    kind: Kind::Other {
        expected: "0 or 1",
        parse: |text| {
            Ok(match text {
                "0" => Mirror::Switch(false),
                "1" => Mirror::Switch(true),
                alias => Mirror::Alias(alias.to_owned()),
            })
        },
    },
};

/// What stands in `…_MIRROR_TRUSTED_HOSTS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mirror {
    /// Whether the peer's names must be the own ones.
    Switch(bool),
    /// The alias of a key.
    Alias(String),
}

/// The comparison with the dialled name.
pub const HOST_CHECK: Setting<bool> = Setting {
    row: row(
        "TLS_HOST_CHECK",
        OUTBOUND,
        Some("1"),
        "Outbound, without a list of trusted hosts: 1 compares the server's certificate with the host name that was \
         dialled, 0 does not and admits every certificate of a trusted authority.",
        "our own, after tls-scopes.md 18.4",
    ),
    kind: SWITCH,
};

/// Signers that lack the Basic Constraints extension.
pub const PKIX: Setting<bool> = Setting {
    row: row(
        "TLS_TRUST_MANAGER_FACTORY_ALGORITHM",
        SOCKETS,
        None,
        "PKIX accepts a signer certificate without the Basic Constraints extension, as older private authorities \
         have; without it such a signer is refused.",
        "tls-scopes.md 18.10",
    ),
    kind: Kind::Word(&[("PKIX", true)]),
};

/// Sessions kept.
pub const SESSION_CACHE_SIZE: Setting<i64> = Setting {
    row: row(
        "TLS_SESSION_CACHE_SIZE",
        INBOUND,
        Some("-1"),
        "Sessions that are kept for clients that come back: -1 none, 0 without limit, else at most so many. Only \
         together with TLS_MAX_SESSION_AGE are sessions kept and tickets given.",
        "tls-scopes.md 12",
    ),
    kind: Kind::Other {
        expected: "-1 (none), 0 (no limit) or a number of sessions",
        parse: parse_limit,
    },
};

/// How long a session is kept.
pub const MAX_SESSION_AGE: Setting<i64> = Setting {
    row: row(
        "TLS_MAX_SESSION_AGE",
        SOCKETS,
        Some("-1"),
        "Seconds that a session is kept for a client that comes back: -1 none is kept, 0 without limit.",
        "tls-scopes.md 12",
    ),
    kind: Kind::Other {
        expected: "-1 (none is kept), 0 (no limit) or a number of seconds",
        parse: parse_limit,
    },
};

/// When new keys are taken.
pub const SESSION_CACHE_TIME: Setting<u64> = Setting {
    row: row(
        "TLS_SESSION_CACHE_TIME",
        INBOUND,
        Some("0"),
        "Seconds after which a connection of TLS 1.3 in use gets new keys; 0 never. Connections of TLS 1.2 keep \
         theirs, because the TLS library does not renegotiate.",
        "tls-scopes.md 12",
    ),
    kind: Kind::Number {
        min: 0,
        max: i32::MAX as u64,
        unit: "seconds",
        make: |seconds| seconds,
    },
};

/// Whether clients without TLS, clients with TLS or both are meant.
pub const MODE: Setting<Mode> = Setting {
    row: Row {
        names: Names::One("STMUX_TLS_MODE"),
        sections: CONFIG,
        default: None,
        reloadable: false,
        meaning: "Which clients are served: legacy (without TLS), both, strict (TLS only). It must not contradict \
            VPMX_PORT and VPMX_TLS_PORT; not set, the ports decide.",
        source: "our own, after tls-scopes.md 18.7",
    },
    kind: Kind::Word(&[
        ("legacy", Mode::Legacy),
        ("both", Mode::Both),
        ("strict", Mode::Strict),
    ]),
};

/// What each handshake agreed on.
pub const DEBUG: Setting<bool> = Setting {
    row: Row {
        names: Names::One("ST_TLS_DEBUG"),
        sections: MUX,
        default: Some("0"),
        reloadable: false,
        meaning: "1 writes into the log what each TLS handshake agreed on, and why one failed.",
        source: "operations.md 4",
    },
    kind: SWITCH,
};

/// The entries of a comma list, without blank ones.
fn parse_list(text: &str) -> Result<Vec<String>, String> {
    let entries = text.split(',').map(str::trim);
    let list: Vec<String> = entries
        .filter(|entry| !entry.is_empty())
        .map(str::to_owned)
        .collect();
    match list.len() {
        0 => Err("names nothing".to_owned()),
        1..=LIST_MAX => Ok(list),
        count => Err(format!("names {count} entries, which is too many")),
    }
}

fn parse_hosts(text: &str) -> Result<Vec<String>, String> {
    let hosts = parse_list(text)?;
    match hosts.iter().find(|host| host.contains(char::is_whitespace)) {
        Some(host) => Err(format!("holds \"{host}\", which is no host name")),
        None => Ok(hosts),
    }
}

/// Aliases, separated by commas; one in quotes may hold commas.
fn parse_labels(text: &str) -> Result<Vec<String>, String> {
    let mut labels = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let label;
        if let Some(quoted) = rest.strip_prefix('"') {
            let (inside, behind) = quoted
                .split_once('"')
                .ok_or_else(|| "has a quote that is not closed".to_owned())?;
            label = inside.trim();
            rest = behind.trim_start();
            rest = match rest.strip_prefix(',') {
                Some(next) => next.trim_start(),
                None if rest.is_empty() => rest,
                None => return Err("has something behind a closing quote".to_owned()),
            };
        } else {
            let (first, behind) = rest.split_once(',').unwrap_or((rest, ""));
            label = first.trim();
            rest = behind.trim_start();
        }
        if !label.is_empty() {
            labels.push(label.to_owned());
        }
    }
    match labels.len() {
        0 => Err("names no key".to_owned()),
        1..=LIST_MAX => Ok(labels),
        count => Err(format!("names {count} keys, which is too many")),
    }
}

/// -1, 0 or a number.
fn parse_limit(text: &str) -> Result<i64, String> {
    match text.parse() {
        _ if text.starts_with('+') => Err("is not a number".to_owned()),
        Ok(number @ -1..=0xffff_ffff) => Ok(number),
        Ok(_) => Err("is out of range".to_owned()),
        Err(_) => Err("is not a number".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_separated_by_commas_and_quotes_keep_commas_together() {
        let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
        for (text, expected) in [
            ("mux", Ok(labels(&["mux"]))),
            ("mux rsa, mux-ec", Ok(labels(&["mux rsa", "mux-ec"]))),
            ("\"a, b\",c", Ok(labels(&["a, b", "c"]))),
            ("c , \"a, b\" ", Ok(labels(&["c", "a, b"]))),
            ("it's \"so\"", Ok(labels(&["it's \"so\""]))),
            (",", Err("names no key".to_owned())),
            ("\"a", Err("has a quote that is not closed".to_owned())),
            (
                "\"a\"b",
                Err("has something behind a closing quote".to_owned()),
            ),
        ] {
            assert_eq!(parse_labels(text), expected, "{text}");
        }
    }

    #[test]
    fn a_limit_is_none_unlimited_or_a_number() {
        for (text, expected) in [
            ("-1", Ok(-1)),
            ("0", Ok(0)),
            ("3600", Ok(3600)),
            ("-2", Err("is out of range")),
            ("+1", Err("is not a number")),
            ("an hour", Err("is not a number")),
        ] {
            assert_eq!(parse_limit(text), expected.map_err(str::to_owned), "{text}");
        }
    }
}
