//! The settings as rows: each one's names, type, default and meaning stand once, and everything else is derived.

pub mod community;
pub(crate) mod directory;
pub(crate) mod documented;
pub mod mux;
pub mod server;
pub mod tls;
pub(crate) mod user_info;

use crate::names::is_secret;
use crate::tls::Scope;
use std::fmt::{self, Display};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The section of our own settings.
pub const OWN: &[&str] = &["Isochron"];
/// How the file of most settings is called.
pub const INI: &str = "sametime.ini";
/// Where the mux's settings may stand: the documents put the ports in one section and the capacity in the other
/// (`docs/domain/tls-scopes.md` 18.11).
pub const MUX: &[&str] = &["Debug", "Config"];
/// The section of most settings.
pub const CONFIG: &[&str] = &["Config"];

/// What is said of a setting, without its type.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Its names.
    pub names: Names,
    /// The sections it may stand in, the proper one first; of an attribute, the element.
    pub sections: &'static [&'static str],
    /// The value if nobody sets it, as somebody would write it; `None` if it may be absent.
    pub default: Option<&'static str>,
    /// Whether a running server takes a new value.
    pub reloadable: bool,
    /// One sentence for the administrator.
    pub meaning: &'static str,
    /// Where the setting is described.
    pub source: &'static str,
}

/// The names of a setting.
#[derive(Debug, Clone, Copy)]
pub enum Names {
    /// One name.
    One(&'static str),
    /// One name for each scope: `ST_` and the scope's prefix before the suffix.
    Scoped {
        /// The part after the prefix.
        suffix: &'static str,
        /// The scopes that it has an effect in. Its names exist in all of them, so that scripts that set every
        /// name of every scope get a note and not a fault.
        scopes: &'static [Scope],
    },
    /// The names of an attribute in an XML file, the one to write first.
    Attribute(&'static [&'static str]),
}

impl Row {
    /// Every name that the setting may be given by, the global one first.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        match self.names {
            Names::One(name) => vec![name.to_owned()],
            Names::Attribute(names) => names.iter().map(|name| (*name).to_owned()).collect(),
            Names::Scoped { suffix, .. } => {
                let mut names = Vec::new();
                for name in Scope::ALL.iter().flat_map(|scope| scope.names(suffix)) {
                    if !names.contains(&name) {
                        names.push(name);
                    }
                }
                names
            }
        }
    }

    /// The name that a scope has for the setting.
    #[must_use]
    pub fn name_in(&self, scope: Scope) -> String {
        match self.names {
            Names::One(_) | Names::Attribute(_) => self.suffix().to_owned(),
            Names::Scoped { suffix, .. } => scope.names(suffix).swap_remove(0),
        }
    }

    /// Whether the setting has an effect in a scope.
    #[must_use]
    pub fn applies_to(&self, scope: Scope) -> bool {
        match self.names {
            Names::One(_) | Names::Attribute(_) => true,
            Names::Scoped { scopes, .. } => scopes.contains(&scope),
        }
    }

    /// Whether its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        is_secret(self.suffix())
    }

    /// Whether this is the name of an attribute, without regard to case.
    #[must_use]
    pub fn bears(&self, name: &str) -> bool {
        match self.names {
            Names::Attribute(names) => names.iter().any(|own| own.eq_ignore_ascii_case(name)),
            Names::One(_) | Names::Scoped { .. } => false,
        }
    }

    /// The part of the name that all scopes share; of an attribute, the name to write.
    #[must_use]
    pub fn suffix(&self) -> &'static str {
        match self.names {
            Names::Attribute(names) => names.first().copied().unwrap_or_default(),
            Names::One(name) => name,
            Names::Scoped { suffix, .. } => suffix,
        }
    }
}

/// A setting: its row and its type.
#[derive(Debug, Clone, Copy)]
pub struct Setting<T: 'static> {
    /// What is said of it.
    pub row: Row,
    /// How its value is read.
    pub kind: Kind<T>,
}

/// How a value is read.
#[derive(Debug, Clone, Copy)]
pub enum Kind<T: 'static> {
    /// A number from the first to the last, with its unit (empty for plain counts).
    Number {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
        /// What it counts.
        unit: &'static str,
        /// From the number to the type.
        make: fn(u64) -> T,
    },
    /// One of some words, without case.
    Word(&'static [(&'static str, T)]),
    /// Anything that `parse` takes.
    Other {
        /// What is expected, for messages.
        expected: &'static str,
        /// Reads it, or says what is wrong.
        parse: fn(&str) -> Result<T, String>,
    },
}

impl<T: Clone> Kind<T> {
    /// Reads a value, or says what is wrong with it.
    ///
    /// # Errors
    /// A sentence's end that follows "the value": `is not a number`.
    pub fn parse(&self, text: &str) -> Result<T, String> {
        match self {
            Self::Number { min, max, make, .. } => match text.parse::<u64>() {
                // The number parser takes a sign, which is more likely a mistake than a number.
                _ if !text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Err("is not a number".to_owned())
                }
                Ok(number) if (*min..=*max).contains(&number) => Ok(make(number)),
                Ok(_) => Err("is out of range".to_owned()),
                Err(_) if text.is_empty() => Err("is not a number".to_owned()),
                Err(_) => Err("is out of range".to_owned()),
            },
            Self::Word(words) => words
                .iter()
                .find(|(word, _)| word.eq_ignore_ascii_case(text))
                .map(|(_, value)| value.clone())
                .ok_or_else(|| "is none of the words for it".to_owned()),
            Self::Other { parse, .. } => parse(text),
        }
    }

    /// What a value should be.
    pub fn expected(&self) -> String {
        match self {
            Self::Number { min, max, unit, .. } => {
                let unit = if unit.is_empty() {
                    String::new()
                } else {
                    format!(" {unit}")
                };
                format!("a number from {min} to {max}{unit}")
            }
            Self::Word(words) => {
                let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                words.join(" or ")
            }
            Self::Other { expected, .. } => (*expected).to_owned(),
        }
    }
}

/// A row with what its type expects: what the reference page, the look-up of names and the commands need.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The row.
    pub row: Row,
    /// What a value should be.
    pub expected: String,
    /// What the value counts; empty if it counts nothing.
    pub unit: &'static str,
    check: Check,
}

/// How a value of a type that was left behind is tried.
#[derive(Clone)]
struct Check(Arc<Try>);

type Try = dyn Fn(&str) -> Option<String> + Send + Sync;

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check")
    }
}

impl Entry {
    /// What is wrong with a value, if anything: the end of a sentence about it.
    #[must_use]
    pub fn problem(&self, value: &str) -> Option<String> {
        (self.check.0)(value)
    }
}

impl<T: Clone + Send + Sync> Setting<T> {
    fn entry(&self) -> Entry {
        let kind = self.kind.clone();
        Entry {
            row: self.row,
            expected: self.kind.expected(),
            unit: match self.kind {
                Kind::Number { unit, .. } => unit,
                Kind::Word(_) | Kind::Other { .. } => "",
            },
            check: Check(Arc::new(move |text| kind.parse(text).err())),
        }
    }
}

/// Settings that belong together, under a heading.
#[derive(Debug, Clone)]
pub struct Area {
    /// The heading on the reference page.
    pub title: &'static str,
    /// The file that they stand in.
    pub file: &'static str,
    /// The settings.
    pub entries: Vec<Entry>,
}

/// Every setting of `sametime.ini` that this version uses, by area.
#[must_use]
pub fn areas() -> &'static [Area] {
    static AREAS: LazyLock<Vec<Area>> = LazyLock::new(make_areas);
    &AREAS
}

fn make_areas() -> Vec<Area> {
    let area = |title, entries| Area {
        title,
        file: INI,
        entries,
    };
    vec![
        area(
            "Front door",
            vec![
                mux::PORT.entry(),
                mux::TLS_PORT.entry(),
                tls::MODE.entry(),
                mux::BIND_ADDRESS.entry(),
                mux::CAPACITY.entry(),
                mux::DETECT_TIMEOUT.entry(),
                mux::TLS_TIMEOUT.entry(),
            ],
        ),
        area(
            "Community",
            vec![
                community::COMMUNITY_ID.entry(),
                community::WEAKEST_AUTHENTICATION.entry(),
                community::SINGLE_LOGIN.entry(),
                community::LOGIN_TIMEOUT.entry(),
            ],
        ),
        area(
            "Process",
            vec![
                server::HEALTH_PORT.entry(),
                server::DRAIN_TIMEOUT.entry(),
                server::LOG_FORMAT.entry(),
                server::LOG_LEVEL.entry(),
                server::LOG_PERSONAL_DATA.entry(),
                tls::DEBUG.entry(),
                server::COMMUNITY_CONFIG_FILE.entry(),
                server::USER_INFO_CONFIG_FILE.entry(),
            ],
        ),
        area(
            "Key store",
            store(&tls::KEY_STORE, Some(tls::KEY_LABEL.entry())),
        ),
        area("Trust store", store(&tls::TRUST_STORE, None)),
        area(
            "TLS rules",
            vec![
                tls::SECURITY_LEVEL.entry(),
                tls::FIPS.entry(),
                tls::MIN_PROTOCOL_VERSION.entry(),
                tls::MAX_PROTOCOL_VERSION.entry(),
                tls::CIPHER_SUITES.entry(),
                tls::CLIENT_AUTH.entry(),
                tls::TRUSTED_HOSTS.entry(),
                tls::MIRROR_TRUSTED_HOSTS.entry(),
                tls::HOST_CHECK.entry(),
                tls::PKIX.entry(),
            ],
        ),
        area(
            "TLS sessions",
            vec![
                tls::SESSION_CACHE_SIZE.entry(),
                tls::MAX_SESSION_AGE.entry(),
                tls::SESSION_CACHE_TIME.entry(),
            ],
        ),
    ]
}

/// The settings of `StCommunityConfig.xml`.
#[must_use]
pub fn directory_area() -> &'static Area {
    static AREA: LazyLock<Area> = LazyLock::new(directory::area);
    &AREA
}

/// The settings of `UserInfoConfig.xml`.
#[must_use]
pub fn user_info_area() -> &'static Area {
    static AREA: LazyLock<Area> = LazyLock::new(user_info::area);
    &AREA
}

/// Every setting of `sametime.ini` that this version uses.
pub fn rows() -> impl Iterator<Item = &'static Entry> {
    areas().iter().flat_map(|area| &area.entries)
}

/// The rows of the settings that every scope may have for itself.
pub(crate) fn tls_rows() -> impl Iterator<Item = &'static Row> {
    let scoped = rows().map(|entry| &entry.row);
    scoped.filter(|row| matches!(row.names, Names::Scoped { .. }))
}

fn store(rows: &tls::StoreRows, label: Option<Entry>) -> Vec<Entry> {
    let mut entries = vec![
        rows.file.entry(),
        rows.store_type.entry(),
        rows.password.entry(),
        rows.password_file.entry(),
        rows.stash_file.entry(),
    ];
    entries.extend(rows.key_password.as_ref().map(Setting::entry));
    entries.extend(label);
    entries
}

/// 0 or 1.
const SWITCH: Kind<bool> = Kind::Word(&[("0", false), ("1", true)]);

/// Seconds, at least one.
const fn seconds(max: u64) -> Kind<Duration> {
    Kind::Number {
        min: 1,
        max,
        unit: "seconds",
        make: Duration::from_secs,
    }
}

/// Reads with the type's own parser.
fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: Display,
{
    text.parse()
        .map_err(|error: T::Err| format!("cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_and_every_name_is_unique() {
        let mut names = Vec::new();
        let xml = directory_area()
            .entries
            .iter()
            .chain(&user_info_area().entries);
        for entry in xml {
            let fault = entry.row.default.and_then(|default| entry.problem(default));
            assert_eq!(fault, None, "{:?}", entry.row.names);
            assert!(entry.row.meaning.ends_with('.'), "{:?}", entry.row.names);
        }
        for entry in rows() {
            let fault = entry.row.default.and_then(|default| entry.problem(default));
            assert_eq!(fault, None, "{:?}", entry.row.names);
            assert!(entry.row.meaning.ends_with('.'), "{:?}", entry.row.names);
            names.extend(entry.row.names());
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
