//! `STI__Section__KEY`: settings from environment variables.
//!
//! Source: `docs/domain/tls-scopes.md` 2.3.

use crate::fault::{Excerpt, printable};
use crate::loader::{Item, Rank};
use crate::names::{key_id, known_sections, section_id};
use crate::{Fault, Note, Origin};

const CANONICAL: &str = "STI__";
const SINGLE: &str = "STI_";

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
        .filter(|(name, _)| name.starts_with(SINGLE))
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
        if !variable.starts_with(SINGLE) || value.trim().is_empty() {
            continue;
        }
        let origin = Origin::Environment {
            variable: variable.clone(),
        };
        let Some((section, key, rank)) = split(&variable) else {
            let text = "is not understood as a setting; the form is STI__Section__KEY".to_owned();
            notes.push(Note { text, origin });
            continue;
        };
        if rank == Rank::SingleUnderscore {
            let text = format!("read as STI__{section}__{key}, which is how to write it");
            notes.push(Note {
                text,
                origin: origin.clone(),
            });
        }
        let value = value.trim().to_owned();
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
    items
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

/// The section as the documents spell it, or as it was written.
fn known_spelling(section: &str) -> String {
    let known = known_sections()
        .into_iter()
        .find(|known| section_id(known) == section_id(section));
    known.map_or_else(|| printable(section), str::to_owned)
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
                Some(("Debug_StUsers", "VP_TRACE_ALL")),
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
}
