//! `STI__Section__KEY`: settings from environment variables.
//!
//! Source: `docs/domain/tls-scopes.md` 2.3.

use crate::fault::{Excerpt, printable};
use crate::loader::{Item, Rank};
use crate::names::{key_id, known_sections, section_id};
use crate::{Fault, Note, Origin};

const CANONICAL: &str = "STI__";
const SINGLE: &str = "STI_";
/// Settings of another file, `chatlogging.ini`.
const CHAT_LOGGING: &str = "CLI__";

/// The variables of this process that can be settings.
///
/// A value that is not Unicode keeps a replacement character, which [`crate::load`] refuses.
pub fn process_environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, value)| {
            (
                name.to_string_lossy().into_owned(),
                value.to_string_lossy().into_owned(),
            )
        })
        .filter(|(name, _)| name.starts_with(SINGLE) || name.starts_with(CHAT_LOGGING))
        .collect()
}

/// Turns variables into items. Blank ones count as absent; the canonical form wins over single underscores.
pub(crate) fn parse(
    variables: Vec<(String, String)>,
    notes: &mut Vec<Note>,
    faults: &mut Vec<Fault>,
) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for (variable, value) in variables {
        let origin = Origin::Environment {
            variable: variable.clone(),
        };
        let mut note = |text: String| {
            let origin = origin.clone();
            notes.push(Note { text, origin });
        };
        if value.trim().is_empty() {
            continue;
        }
        if variable.starts_with(CHAT_LOGGING) {
            note("is a setting of chatlogging.ini, which is not used by this version".to_owned());
            continue;
        }
        if !variable.starts_with(SINGLE) {
            continue;
        }
        let Some((section, key, rank)) = split(&variable) else {
            note("is not understood as a setting; the form is STI__Section__KEY".to_owned());
            continue;
        };
        let value = match unquoted(&key, value.trim()) {
            Some(inside) => {
                note("the quotes around the value are not part of it".to_owned());
                inside.to_owned()
            }
            None => value.trim().to_owned(),
        };
        let excerpt = Excerpt::new("environment".to_owned(), 1, &format!("{variable}="), &value);
        let item = Item {
            section,
            key,
            value,
            origin,
            excerpt,
            rank,
        };
        if item.value.contains('\u{fffd}') {
            faults.push(item.fault("is not UTF-8 text".to_owned(), "UTF-8".to_owned()));
            continue;
        }
        // Variables have no order, so between two spellings of one name there is no last one to win.
        let twin = items
            .iter()
            .find(|other| other.same_setting(&item) && other.rank == item.rank);
        match twin {
            Some(twin) if twin.value == item.value => {}
            Some(twin) => {
                let problem = format!(
                    "says something else than the same setting in {}",
                    twin.origin
                );
                faults.push(item.fault(problem, "one of the two".to_owned()));
            }
            None => items.push(item),
        }
    }
    notes.extend(single_underscores(&items));
    items
}

/// The value without quotes around it, which the syntax of Helm and Compose files has, and some tools hand on. Labels
/// have quotes of their own.
///
/// Source: `docs/domain/tls-scopes.md` 2.3.
fn unquoted<'v>(key: &str, value: &'v str) -> Option<&'v str> {
    if key.ends_with("KEY_LABEL") {
        return None;
    }
    ['"', '\''].iter().find_map(|&quote| {
        let inside = value.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inside.contains(quote) && !inside.trim().is_empty()).then_some(inside)
    })
}

/// A note on each variable with single underscores: how to write it, or which one counts in its place.
fn single_underscores(items: &[Item]) -> Vec<Note> {
    let single = items
        .iter()
        .filter(|item| item.rank == Rank::SingleUnderscore);
    let note = |item: &Item| {
        let canonical = items
            .iter()
            .find(|other| other.same_setting(item) && other.rank == Rank::Environment);
        let text = match canonical {
            Some(canonical) => format!("is not read, because {} counts more", canonical.origin),
            None => format!(
                "read as STI__{}__{}, which is how to write it",
                item.section.replace('-', "_"),
                item.key
            ),
        };
        Note {
            text,
            origin: item.origin.clone(),
        }
    };
    single.map(note).collect()
}

/// The section and the key that a variable's name stands for.
pub(crate) fn section_and_key(variable: &str) -> Option<(String, String)> {
    split(variable).map(|(section, key, _)| (section, key))
}

/// Section, key and form of a variable name.
fn split(variable: &str) -> Option<(String, String, Rank)> {
    if let Some(rest) = variable.strip_prefix(CANONICAL) {
        let (section, key) = rest.split_once("__")?;
        let named = !section.is_empty() && !key.is_empty();
        return named.then(|| (known_spelling(section), key_id(key), Rank::Environment));
    }
    let rest = variable.strip_prefix(SINGLE)?;
    let sections = known_sections().into_iter().filter_map(|section| {
        let head = rest.get(..section.len())?;
        let key = rest[section.len()..]
            .strip_prefix('_')
            .filter(|key| !key.is_empty())?;
        (section_id(head) == section_id(section)).then_some((section, key))
    });
    let (section, key) = sections.max_by_key(|(section, _)| section.len())?;
    Some((section.to_owned(), key_id(key), Rank::SingleUnderscore))
}

/// The section as the documents spell it, or as it was written. Of one component, `[Debug-StUsers]`, a variable has
/// the hyphen as an underscore.
fn known_spelling(section: &str) -> String {
    let known = known_sections()
        .into_iter()
        .find(|known| section_id(known) == section_id(section));
    if let Some(known) = known {
        return known.to_owned();
    }
    let component = section
        .get(..6)
        .filter(|head| section_id(head) == "debug_")
        .and_then(|_| section.get(6..));
    match component {
        Some(component) => format!("Debug-{}", printable(component)),
        None => printable(section),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_met_in_the_field_is_read() {
        for (variable, expected) in [
            (
                "STI__Config__ST_TLS_KEY_STORE_FILE",
                Some(("Config", "ST_TLS_KEY_STORE_FILE")),
            ),
            ("STI__DEBUG__VPMX_PORT", Some(("Debug", "VPMX_PORT"))),
            ("STI__debug__vpmx_port", Some(("Debug", "VPMX_PORT"))),
            (
                "STI__ST_BB_NAMES__ST_AUTH_TOKEN",
                Some(("ST_BB_NAMES", "ST_AUTH_TOKEN")),
            ),
            (
                "STI__Debug_StUsers__VP_TRACE_ALL",
                Some(("Debug-StUsers", "VP_TRACE_ALL")),
            ),
            (
                "STI__Debug-StUsers__VP_TRACE_ALL",
                Some(("Debug-StUsers", "VP_TRACE_ALL")),
            ),
            (
                "STI_Config_ST_TLS_KEY_LABEL",
                Some(("Config", "ST_TLS_KEY_LABEL")),
            ),
            (
                "STI_STCONVOMAP_CONVOMAP_READ_LIST_ENABLED",
                Some(("stconvomap", "CONVOMAP_READ_LIST_ENABLED")),
            ),
            (
                "STI_ST_BB_NAMES_ST_AUTH_TOKEN",
                Some(("ST_BB_NAMES", "ST_AUTH_TOKEN")),
            ),
            (
                "STI_ISOCHRON_HEALTH_PORT",
                Some(("Isochron", "HEALTH_PORT")),
            ),
            ("STI_Configuration_X", None),
            ("STI_Config_", None),
            ("STI_Config", None),
            ("STI__Config", None),
            ("STI____X", None),
            ("STI_Ünknown_X", None),
        ] {
            let found = split(variable);
            let found = found
                .as_ref()
                .map(|(section, key, _)| (section.as_str(), key.as_str()));
            assert_eq!(found, expected, "{variable}");
        }
    }

    fn read(variables: &[(&str, &str)]) -> (Vec<(String, String)>, Vec<String>) {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let (mut notes, mut faults) = (Vec::new(), Vec::new());
        let items = parse(variables.iter().map(own).collect(), &mut notes, &mut faults);
        assert!(faults.is_empty(), "{faults:?}");
        let items = items.into_iter().map(|item| (item.key, item.value));
        (items.collect(), notes.iter().map(Note::to_string).collect())
    }

    #[test]
    fn quotes_around_a_value_are_not_part_of_it() {
        for (value, expected) in [
            ("\"p12\"", "p12"),
            ("'p12'", "p12"),
            ("\"a\"b\"", "\"a\"b\""),
            ("\"a", "\"a"),
            ("\"\"", "\"\""),
        ] {
            let (items, notes) = read(&[("STI__Config__X", value)]);
            assert_eq!(items[0].1, expected, "{value}");
            assert_eq!(notes.len(), usize::from(value != expected), "{notes:?}");
        }
        // Those of a label keep its comma.
        let (items, _) = read(&[("STI__Config__ST_TLS_KEY_LABEL", "\"a, b\"")]);
        assert_eq!(items[0].1, "\"a, b\"");
    }

    #[test]
    fn a_variable_that_is_not_read_says_so() {
        let (items, notes) = read(&[
            ("STI__Config__VPMX_CAPACITY", "1"),
            ("STI_Config_VPMX_CAPACITY", "2"),
            ("STI_Debug_VPMX_PORT", "3"),
            ("CLI__ChatLogging__Type", "mongo"),
            ("STI_Nonsense", "4"),
            ("PATH", "/bin"),
        ]);
        assert_eq!(items.len(), 3);
        assert_eq!(
            notes,
            [
                "environment CLI__ChatLogging__Type: is a setting of chatlogging.ini, which is not used by this \
                 version",
                "environment STI_Nonsense: is not understood as a setting; the form is STI__Section__KEY",
                "environment STI_Config_VPMX_CAPACITY: is not read, because environment \
                 STI__Config__VPMX_CAPACITY counts more",
                "environment STI_Debug_VPMX_PORT: read as STI__Debug__VPMX_PORT, which is how to write it",
            ]
        );
    }
}
