//! All sources as one set of values, and what was met on the way.

use std::collections::HashMap;

use crate::fault::{Excerpt, printable};
use crate::names::{Standing, is_secret, key_id, section_id, standing};
use crate::scoped::Scoped;
use crate::settings::{Names, Row, Setting, rows};
use crate::tls::Scope;
use crate::{Config, Fault, Faults, Note, Origin, Sourced, Sources, environment, ini};

/// How strong a source is, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    File,
    SingleUnderscore,
    Environment,
    CommandLine,
}

/// One setting as some source gives it.
#[derive(Clone)]
pub(crate) struct Item {
    pub(crate) section: String,
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) origin: Origin,
    pub(crate) excerpt: Excerpt,
    pub(crate) rank: Rank,
}

impl Item {
    /// The setting as messages name it.
    pub(crate) fn name(&self) -> String {
        printable(&key_id(&self.key))
    }

    /// Whether the value must not be shown.
    pub(crate) fn is_secret(&self) -> bool {
        is_secret(&self.key)
    }

    pub(crate) fn same_setting(&self, other: &Item) -> bool {
        self.id() == other.id()
    }

    fn id(&self) -> (String, String) {
        (section_id(&self.section), key_id(&self.key))
    }

    pub(crate) fn fault(&self, problem: String, expected: String) -> Fault {
        Fault {
            setting: self.name(),
            origin: self.origin.clone(),
            problem,
            expected,
            excerpt: Some(self.excerpt.clone()),
        }
    }
}

/// The merged values of all sources. A blank value counts as absent.
///
/// Source: `docs/domain/tls-scopes.md` 18.2.
pub(crate) struct Values {
    by_id: HashMap<(String, String), Item>,
}

impl Values {
    pub(crate) fn new(items: Vec<Item>) -> Values {
        let mut by_id: HashMap<(String, String), Item> = HashMap::new();
        for item in items.into_iter().filter(|item| !item.value.is_empty()) {
            match by_id.get(&item.id()) {
                Some(stronger) if stronger.rank > item.rank => {}
                _ => {
                    by_id.insert(item.id(), item);
                }
            }
        }
        Values { by_id }
    }

    /// The value of a name that may stand in several sections: the strongest source wins, then the first section.
    pub(crate) fn find(&self, sections: &[&str], key: &str) -> Option<&Item> {
        let items = sections
            .iter()
            .filter_map(|section| self.by_id.get(&(section_id(section), key_id(key))));
        // Of equal ones `max_by_key` takes the last, hence backwards.
        items.rev().max_by_key(|item| item.rank)
    }

    /// A note if a name stands in several of its sections with different values.
    fn passed_over(&self, row: &Row) -> Option<Note> {
        let Names::One(name) = row.names else {
            return None;
        };
        let used = self.find(row.sections, name)?;
        let other = row
            .sections
            .iter()
            .filter_map(|section| self.by_id.get(&(section_id(section), key_id(name))))
            .find(|item| item.value != used.value)?;
        let text = format!(
            "{name} is not read from here, because [{}] {name} ({}) counts more",
            printable(&used.section),
            used.origin
        );
        Some(Note {
            text,
            origin: other.origin.clone(),
        })
    }

    /// The value of a row: of its only name, or of the first of its scope's names that has one.
    pub(crate) fn of_row(&self, row: &Row, scope: Scope) -> Option<&Item> {
        match row.names {
            Names::One(name) => self.find(row.sections, name),
            Names::Scoped { suffix, .. } => scope.resolve(self, suffix),
            // Attributes stand in a file of their own.
            Names::Attribute(_) => None,
        }
    }
}

/// Reads settings one after the other and gathers what is wrong.
pub(crate) struct Loader {
    pub(crate) values: Values,
    notes: Vec<Note>,
    faults: Vec<Fault>,
}

impl Loader {
    pub(crate) fn new(sources: Sources) -> Loader {
        let (mut notes, mut faults) = (Vec::new(), Vec::new());
        let mut items = Vec::new();
        if let Some(file) = &sources.ini {
            items.extend(ini::parse(file, &mut notes, &mut faults));
        }
        items.extend(environment::parse(
            sources.environment,
            &mut notes,
            &mut faults,
        ));
        items.extend(sources.command_line.into_iter().map(|argument| {
            let shown = format!("{} ", argument.option);
            Item {
                section: argument.section.to_owned(),
                key: argument.key.to_owned(),
                excerpt: Excerpt::new("command line".to_owned(), 1, &shown, &argument.value),
                value: argument.value.trim().to_owned(),
                origin: Origin::CommandLine {
                    option: argument.option,
                },
                rank: Rank::CommandLine,
            }
        }));
        for item in &items {
            notes.extend(strange_name(item));
        }
        let values = Values::new(items);
        for entry in rows() {
            notes.extend(values.passed_over(&entry.row));
        }
        Loader {
            values,
            notes,
            faults,
        }
    }

    /// The value of a setting that has a default. `None` means that a fault was recorded.
    pub(crate) fn get<T: Clone>(&mut self, setting: &Setting<T>) -> Option<Sourced<T>> {
        self.scoped(setting, Scope::Global).ok().map(sourced)
    }

    /// The value of a setting that has a default, in a scope.
    pub(crate) fn scoped<T: Clone>(
        &mut self,
        setting: &Setting<T>,
        scope: Scope,
    ) -> Result<Scoped<T>, Faulted> {
        if let Some(given) = self.scoped_optional(setting, scope)? {
            return Ok(given);
        }
        match setting.kind.parse(setting.row.default.unwrap_or_default()) {
            Ok(value) => Ok(default(&setting.row, scope, value)),
            Err(problem) => {
                // A test parses every default, so this is a row without one; still, a message beats a panic.
                let name = setting.row.name_in(scope);
                let expected = setting.kind.expected();
                self.push_fault(Fault::new(name, Origin::Default, problem, expected));
                Err(Faulted)
            }
        }
    }

    /// The same for a setting whose absence is a value too.
    pub(crate) fn scoped_or<T: Clone>(
        &mut self,
        setting: &Setting<T>,
        scope: Scope,
        absent: T,
    ) -> Result<Scoped<T>, Faulted> {
        let given = self.scoped_optional(setting, scope)?;
        Ok(given.unwrap_or_else(|| default(&setting.row, scope, absent)))
    }

    /// The value of a setting that may be absent, in a scope.
    pub(crate) fn scoped_optional<T: Clone>(
        &mut self,
        setting: &Setting<T>,
        scope: Scope,
    ) -> Result<Option<Scoped<T>>, Faulted> {
        let Some(item) = self.values.of_row(&setting.row, scope) else {
            return Ok(None);
        };
        match setting.kind.parse(&item.value) {
            Ok(value) => Ok(Some(Scoped {
                value,
                name: item.name(),
                origin: item.origin.clone(),
                excerpt: Some(item.excerpt.clone()),
            })),
            Err(problem) => {
                let problem = match item.is_secret() {
                    true => format!("the value {problem}"),
                    false => format!("\"{}\" {problem}", printable(&item.value)),
                };
                let fault = item.fault(problem, setting.kind.expected());
                self.push_fault(fault);
                Err(Faulted)
            }
        }
    }

    /// The value of a setting that may be absent; also `None` if a fault was recorded.
    pub(crate) fn get_optional<T: Clone>(&mut self, setting: &Setting<T>) -> Option<Sourced<T>> {
        let given = self.scoped_optional(setting, Scope::Global);
        given.ok().flatten().map(sourced)
    }

    /// Whether some source gives a value, good or not.
    pub(crate) fn is_set(&self, row: &Row) -> bool {
        self.values.of_row(row, Scope::Global).is_some()
    }

    /// Whether some source gives a value under any of the names of a row.
    pub(crate) fn is_set_in_any_scope(&self, row: &Row) -> bool {
        row.names()
            .iter()
            .any(|name| self.values.find(row.sections, name).is_some())
    }

    /// The name and origin of a value that a scope has for itself, beside the global one.
    pub(crate) fn set_in_scope_itself(&self, row: &Row, scope: Scope) -> Option<(String, Origin)> {
        let item = self.values.of_row(row, scope)?;
        let global = scope == Scope::Global || item.name().starts_with(Scope::Global.prefix());
        (!global).then(|| (item.name(), item.origin.clone()))
    }

    pub(crate) fn note(&mut self, text: &str, origin: Origin) {
        let text = text.to_owned();
        self.push_note(Note { text, origin });
    }

    /// Records a note once, however many scopes it comes from.
    pub(crate) fn push_note(&mut self, note: Note) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Records a fault about the value a row has, with its source line, or about its default.
    pub(crate) fn fault(&mut self, row: &Row, scope: Scope, problem: String, expected: &str) {
        let expected = expected.to_owned();
        let fault = match self.values.of_row(row, scope) {
            Some(item) => item.fault(problem, expected),
            None => Fault::new(row.name_in(scope), Origin::Default, problem, expected),
        };
        self.push_fault(fault);
    }

    /// Records a fault once: a value of the global scope is met in each scope.
    pub(crate) fn push_fault(&mut self, fault: Fault) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// The result, once everything was read.
    pub(crate) fn finish(self, config: Option<Config>) -> Result<(Config, Vec<Note>), Faults> {
        match config {
            Some(config) if self.faults.is_empty() => Ok((config, self.notes)),
            _ => Err(Faults::new(self.faults, self.notes)),
        }
    }
}

/// A fault was recorded in place of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faulted;

fn sourced<T>(scoped: Scoped<T>) -> Sourced<T> {
    Sourced {
        value: scoped.value,
        origin: scoped.origin,
    }
}

/// What a row gives where nobody sets it.
fn default<T>(row: &Row, scope: Scope, value: T) -> Scoped<T> {
    Scoped::new(value, row.name_in(scope), Origin::Default)
}

/// A note on a name that this version does not use.
fn strange_name(item: &Item) -> Option<Note> {
    let name = format!("[{}] {}", printable(&item.section), item.name());
    let text = match standing(&item.section, &item.key) {
        Standing::Used => return None,
        Standing::Unused => format!("{name} is not used by this version and is ignored"),
        Standing::Unknown { meant: Some(meant) } => {
            format!("{name} is unknown and is ignored; did you mean {meant}?")
        }
        Standing::Unknown { meant: None } => format!("{name} is unknown and is ignored"),
    };
    Some(Note {
        text,
        origin: item.origin.clone(),
    })
}
