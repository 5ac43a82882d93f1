//! What is in force, setting by setting, for people: the table of `config show`, the text of `config explain`.
//!
//! Unlike [`crate::load`] this works on a configuration with faults: each value is shown as it was written, with what
//! is wrong with it.

use std::fmt;

use crate::fault::{printable, printable_whole};
use crate::listen::{self, Accepts, Listen, Mode};
use crate::loader::{Loader, Values};
use crate::names::{UNUSED, closest, key_id, nearest};
use crate::scoped::MASK;
use crate::settings::{
    Area, Entry, Names, Row, areas, directory_area, mux, rows, tls, user_info_area,
};
use crate::tls::{Scope, TlsVersion};
use crate::xml::{self, Tree};
use crate::{Origin, Sources, directory, environment, user_info};

/// Names that are offered for one that nobody knows.
const NEAREST_MAX: usize = 5;

/// A setting and the value that is in force, in one scope if it has several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectiveRow {
    /// The heading that it belongs under.
    pub area: &'static str,
    /// Its name: of the scope itself, `STMUX_TLS_KEY_STORE_FILE`.
    pub name: String,
    /// The element it stands in, for those of an XML file that may hold several: `Connection 1`.
    pub place: Option<String>,
    /// The scope; `None` for a setting that has none.
    pub scope: Option<Scope>,
    /// The value as it was written, or the default; secrets are masked. `None` if there is no value.
    pub value: Option<String>,
    /// The name under which the value was found, if somebody set it: `ST_TLS_KEY_STORE_FILE`.
    pub found_as: Option<String>,
    /// Where it came from.
    pub origin: Origin,
    /// What is wrong with the value, if anything: the end of a sentence about it.
    pub problem: Option<String>,
    /// Whether a running server takes a new value.
    pub reloadable: bool,
}

impl EffectiveRow {
    /// The scope that the value was found in: its own or the global one. `None` for a default, and for a setting
    /// without scopes.
    #[must_use]
    pub fn from_scope(&self) -> Option<Scope> {
        let scope = self.scope?;
        let found = self.found_as.as_ref()?;
        Some(if found.starts_with(Scope::Global.prefix()) {
            Scope::Global
        } else {
            scope
        })
    }

    /// Where the value came from, in words: `ST_TLS_KEY_STORE_FILE, sametime.ini:4`, `default`, `not set`.
    #[must_use]
    pub fn provenance(&self) -> String {
        match (&self.found_as, &self.value) {
            (Some(name), _) if *name != self.name => format!("{name}, {}", self.origin),
            (Some(_), _) => self.origin.to_string(),
            (None, Some(_)) => "default".to_owned(),
            (None, None) => "not set".to_owned(),
        }
    }
}

/// Every setting with the value that is in force: those of TLS once for each scope that they have an effect in, those
/// of the XML files once for each element, if there is a file.
#[must_use]
pub fn effective(sources: &Sources) -> Vec<EffectiveRow> {
    let view = View::new(sources);
    let entries = areas()
        .iter()
        .flat_map(|area| area.entries.iter().map(move |entry| (area, entry)));
    let mut rows: Vec<_> = entries
        .flat_map(|(area, entry)| view.rows(area, entry))
        .collect();
    for (area, tree) in &view.trees {
        for at in 0..tree.records.len() {
            rows.extend(attributes(area, tree, at, &area.entries));
        }
    }
    rows
}

/// The settings that differ and that a running server does not take a new value of, each with where the new value
/// stands: `VPMX_CAPACITY (sametime.ini:4)`.
#[must_use]
pub fn changed_but_not_reloadable(old: &Sources, new: &Sources) -> Vec<String> {
    let fixed = |sources| {
        let mut rows = effective(sources);
        rows.retain(|row| !row.reloadable);
        rows
    };
    let (old, new) = (fixed(old), fixed(new));
    // Both tables come from the same rows, in the same order: all settings whose number varies are reloadable.
    old.iter()
        .zip(&new)
        .filter(|(old, new)| old.value != new.value)
        .map(|(_, new)| format!("{} ({})", new.name, new.provenance()))
        .collect()
}

/// What there is to say about a setting.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// Every name that it may be given by.
    pub names: Vec<String>,
    /// The file it stands in.
    pub file: &'static str,
    /// The sections it may stand in, the proper one first; in an XML file, the element.
    pub sections: &'static [&'static str],
    /// What a value should be.
    pub expected: String,
    /// What the value counts; empty if it counts nothing.
    pub unit: &'static str,
    /// The value if nobody sets it.
    pub default: Option<&'static str>,
    /// Whether a running server takes a new value.
    pub reloadable: bool,
    /// One sentence or more.
    pub meaning: &'static str,
    /// The page and section that describe it.
    pub source: &'static str,
    /// The values in force: of the scope that was asked for, or of every scope.
    pub values: Vec<EffectiveRow>,
}

/// Why a name cannot be explained.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unexplained {
    /// A documented setting that this version does not use.
    #[error("[{section}] {name} is documented, but not used by this version")]
    Unused {
        /// Its section.
        section: &'static str,
        /// Its name.
        name: String,
    },
    /// A name that nobody knows.
    #[error("{name} is no setting{}", Offer(nearest))]
    Unknown {
        /// The name as it was asked for.
        name: String,
        /// Names that may have been meant, the nearest first.
        nearest: Vec<String>,
    },
}

struct Offer<'a>(&'a [String]);

impl fmt::Display for Offer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => Ok(()),
            names => write!(f, "; did you mean {}?", names.join(" or ")),
        }
    }
}

/// Tells everything about a setting and its values in force.
///
/// The name may be written in any case, as a variable (`STI__Config__STMUX_TLS_KEY_STORE_FILE`), with its section
/// (`[Config] STMUX_TLS_KEY_STORE_FILE`), with dots (`tls.mux.key_store_file`) or, for all scopes, without a prefix
/// (`key_store_file`). Attributes of the XML files may be named with their element (`StorageDetails.HostName`).
///
/// # Errors
/// If there is no such setting, with the nearest names.
pub fn explain(name: &str, sources: &Sources) -> Result<Explanation, Unexplained> {
    let key = bare_key(name);
    let Some((area, entry, scope)) = find(&key) else {
        return Err(unexplained(name, &key));
    };
    let Entry {
        row,
        expected,
        unit,
        ..
    } = entry;
    let mut values = View::new(sources).rows(area, entry);
    if let Some(scope) = scope {
        values.retain(|value| value.scope == Some(scope));
    }
    Ok(Explanation {
        names: row.names(),
        file: area.file,
        sections: row.sections,
        expected: expected.clone(),
        unit,
        default: row.default,
        reloadable: row.reloadable,
        meaning: row.meaning,
        source: row.source,
        values,
    })
}

/// The key that is meant by any way of writing a setting's name.
fn bare_key(name: &str) -> String {
    let name = name.trim();
    if let Some((_, key)) = environment::section_and_key(name) {
        return key;
    }
    let name = match name.split_once(']') {
        Some((section, key)) if section.starts_with('[') => key.trim(),
        _ => name,
    };
    let parts: Vec<&str> = name.split('.').collect();
    if let [tls, scope, key] = parts.as_slice()
        && tls.eq_ignore_ascii_case("tls")
        && let Some(scope) = Scope::ALL
            .into_iter()
            .find(|known| known.word().eq_ignore_ascii_case(scope))
    {
        return format!("{}TLS_{}", scope.prefix(), key_id(key));
    }
    key_id(name)
}

/// The setting of a key, and the one scope that the key belongs to.
fn find(key: &str) -> Option<(&'static Area, &'static Entry, Option<Scope>)> {
    let xml = [directory_area(), user_info_area()];
    let entries = areas()
        .iter()
        .chain(xml)
        .flat_map(|area| area.entries.iter().map(move |entry| (area, entry)));
    let (element, attribute) = key.rsplit_once('.').unwrap_or(("", key));
    for (area, entry) in entries {
        let row = &entry.row;
        let mut elements = row.sections.iter();
        let is_in = element.is_empty() || elements.any(|own| own.eq_ignore_ascii_case(element));
        if row.bears(attribute) && is_in {
            return Some((area, entry, None));
        }
        if !row.names().iter().any(|name| name == key) {
            let suffix = row.suffix();
            let is_scoped = matches!(row.names, Names::Scoped { .. });
            if is_scoped && (suffix == key || suffix.strip_prefix("TLS_") == Some(key)) {
                return Some((area, entry, None));
            }
            continue;
        }
        let scopes = Scope::ALL.into_iter();
        let scope = scopes
            .filter(|scope| *scope != Scope::Global && matches!(row.names, Names::Scoped { .. }))
            .find(|scope| key.starts_with(scope.prefix()));
        return Some((area, entry, scope));
    }
    None
}

fn unexplained(name: &str, key: &str) -> Unexplained {
    if let Some((section, name)) = UNUSED.iter().find(|(_, name)| name == key) {
        return Unexplained::Unused {
            section,
            name: name.clone(),
        };
    }
    let mut names: Vec<String> = nearest(key, |_| 0)
        .into_iter()
        .map(|(_, name)| name.to_owned())
        .collect();
    // A part of a name is a question too.
    let parts = rows().map(|entry| entry.row.name_in(Scope::Global));
    names.extend(parts.filter(|name| key.len() > 3 && name.contains(key)));
    let xml = [directory_area(), user_info_area()];
    let attributes = xml.iter().flat_map(|area| &area.entries);
    let attributes = attributes.map(|entry| entry.row.suffix());
    names.extend(closest(key, attributes).map(str::to_owned));
    let mut offered: Vec<String> = Vec::new();
    for name in names {
        if !offered.contains(&name) {
            offered.push(name);
        }
    }
    offered.truncate(NEAREST_MAX);
    Unexplained::Unknown {
        name: printable(name),
        nearest: offered,
    }
}

/// The sources, and what follows from several settings together.
struct View {
    values: Values,
    listeners: Option<Vec<Listen>>,
    /// The XML files that are there and can be read.
    trees: Vec<(&'static Area, Tree)>,
}

impl View {
    fn new(sources: &Sources) -> View {
        let mut loader = Loader::new(sources.clone());
        let listeners = listen::listeners(&mut loader);
        let files = [
            (
                directory_area(),
                &sources.community_config,
                &directory::SCHEMA,
            ),
            (user_info_area(), &sources.user_info, &user_info::SCHEMA),
        ];
        let trees = files.into_iter().filter_map(|(area, file, schema)| {
            let file = file.as_ref()?;
            Some((area, xml::parse(Some(file), schema).ok()?))
        });
        View {
            values: loader.values,
            listeners,
            trees: trees.collect(),
        }
    }

    fn rows(&self, area: &'static Area, entry: &Entry) -> Vec<EffectiveRow> {
        match entry.row.names {
            Names::One(_) => vec![self.row(area, entry, None)],
            Names::Attribute(_) => {
                let mut rows = Vec::new();
                for (_, tree) in self.trees.iter().filter(|(of, _)| of.file == area.file) {
                    for at in 0..tree.records.len() {
                        rows.extend(attributes(area, tree, at, std::slice::from_ref(entry)));
                    }
                }
                rows
            }
            Names::Scoped { scopes, .. } => scopes
                .iter()
                .map(|scope| self.row(area, entry, Some(*scope)))
                .collect(),
        }
    }

    fn row(&self, area: &'static Area, entry: &Entry, scope: Option<Scope>) -> EffectiveRow {
        let row = &entry.row;
        let in_scope = scope.unwrap_or(Scope::Global);
        let item = self.values.of_row(row, in_scope);
        let (value, problem) = match item {
            Some(_) if row.is_secret() => (Some(MASK.to_owned()), None),
            Some(item) => {
                let shown = printable_whole(&item.value);
                (Some(shown), entry.problem(&item.value))
            }
            None => (self.default(row, in_scope), None),
        };
        EffectiveRow {
            area: area.title,
            name: row.name_in(in_scope),
            place: None,
            scope,
            value,
            found_as: item.map(|item| item.name()),
            origin: item.map_or(Origin::Default, |item| item.origin.clone()),
            problem,
            reloadable: row.reloadable,
        }
    }

    /// What counts if nobody sets it, which for a few settings depends on others.
    fn default(&self, row: &Row, scope: Scope) -> Option<String> {
        let ports = |kind: Accepts| {
            let listeners = self.listeners.as_ref()?.iter();
            let ports: Vec<String> = listeners
                .filter(|listen| listen.accepts == kind || listen.accepts == Accepts::Both)
                .map(|listen| listen.port.to_string())
                .collect();
            Some(match ports.is_empty() {
                true => "0".to_owned(),
                false => ports.join(","),
            })
        };
        if row.suffix() == mux::PORT.row.suffix() {
            return ports(Accepts::Legacy);
        }
        if row.suffix() == mux::TLS_PORT.row.suffix() {
            return ports(Accepts::Tls);
        }
        if row.suffix() == tls::MODE.row.suffix() {
            let listeners = self.listeners.as_ref()?;
            let takes = |kind: Accepts| listeners.iter().any(|listen| listen.accepts != kind);
            let mode = match (takes(Accepts::Tls), takes(Accepts::Legacy)) {
                (false, _) => Mode::Strict,
                (_, false) => Mode::Legacy,
                _ => Mode::Both,
            };
            return Some(mode.to_string());
        }
        if row.suffix() == tls::MAX_PROTOCOL_VERSION.row.suffix() {
            let min = self.values.of_row(&tls::MIN_PROTOCOL_VERSION.row, scope);
            let min = min.and_then(|item| TlsVersion::parse(&item.value).ok());
            if min == Some(TlsVersion::Tls13) {
                return Some("0x304".to_owned());
            }
        }
        row.default.map(str::to_owned)
    }
}

/// The settings of an element of an XML file.
fn attributes(area: &Area, tree: &Tree, at: usize, entries: &[Entry]) -> Vec<EffectiveRow> {
    let Some(record) = tree.records.get(at) else {
        return Vec::new();
    };
    let earlier = tree.all(record.element).filter(|(place, _)| *place <= at);
    let place = (at > 0).then(|| format!("{} {}", record.element, earlier.count()));
    let of_element = |entry: &&Entry| entry.row.sections.contains(&record.element);
    let row = |entry: &Entry| {
        let field = record.find(&entry.row);
        let shown = field.map(|field| match entry.row.is_secret() {
            true => MASK.to_owned(),
            false => printable_whole(&field.value),
        });
        EffectiveRow {
            area: area.title,
            name: entry.row.suffix().to_owned(),
            place: place.clone(),
            scope: None,
            value: shown.or_else(|| entry.row.default.map(str::to_owned)),
            found_as: field.map(|field| printable(&field.name)),
            origin: field.map_or(Origin::Default, |field| tree.origin(field.line)),
            problem: field.and_then(|field| entry.problem(&field.value)),
            reloadable: entry.row.reloadable,
        }
    };
    entries.iter().filter(of_element).map(row).collect()
}
