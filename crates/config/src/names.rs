//! How names compare, which ones exist, and which one somebody may have meant.

use std::sync::LazyLock;

use crate::settings::{self, documented};
use crate::tls::Scope;

/// Edits between a wrong name and the one that is suggested: two typing errors, not two different words.
const EDITS_MAX: usize = 2;

/// A section as it compares: without case, and with `_` for `-`, because a variable name cannot hold a hyphen.
///
/// Source: `docs/domain/tls-scopes.md` 2.3.
pub(crate) fn section_id(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// A key as it compares and as it is printed.
pub(crate) fn key_id(name: &str) -> String {
    name.to_uppercase()
}

/// What names of secrets hold: of settings, of attributes in the XML files, of variables.
const SECRET_WORDS: [&str; 4] = ["PASSWORD", "PASSWD", "PWD", "USERENCODEDAUTH"];

/// Where the name of a secret ends in a text that begins with a name; `None` if no secret is named. The first such
/// word counts, because the secret may hold another.
///
/// A setting that ends in `_FILE` names a file, which messages may show.
pub(crate) fn secret_name_end(text: &str) -> Option<usize> {
    let upper = text.to_ascii_uppercase();
    SECRET_WORDS
        .iter()
        .filter_map(|word| upper.find(word).map(|at| at + word.len()))
        .filter(|&end| {
            let behind = upper[end..].split(['=', ':', ' ', '\t']).next();
            !matches!(behind, Some("_FILE" | "_STASH_FILE"))
        })
        .min()
}

/// Whether the value of a name must not be shown.
pub(crate) fn is_secret(name: &str) -> bool {
    secret_name_end(name).is_some()
}

/// The sections that a variable with single underscores may name.
pub(crate) fn known_sections() -> Vec<&'static str> {
    let mut sections: Vec<_> = settings::rows()
        .flat_map(|entry| entry.row.sections)
        .copied()
        .collect();
    sections.extend(documented::SETTINGS.iter().map(|(section, _)| *section));
    sections.sort_unstable();
    sections.dedup();
    sections
}

/// What a name in a section is to this version.
pub(crate) enum Standing {
    /// A setting that is used.
    Used,
    /// A documented setting that this version does not use.
    Unused,
    /// Unknown; perhaps this one was meant.
    Unknown { meant: Option<String> },
}

/// Looks a name up.
pub(crate) fn standing(section: &str, key: &str) -> Standing {
    let (section, key) = (section_id(section), key_id(key));
    let (used, unused) = (&*USED, &*UNUSED);
    if used
        .iter()
        .any(|(in_section, name)| section_id(in_section) == section && *name == key)
    {
        return Standing::Used;
    }
    // `[Debug-StUsers]` takes the same keys as `[Debug]`, for one component.
    let documented_section = if section.starts_with("debug_") {
        "debug"
    } else {
        &section
    };
    if unused
        .iter()
        .any(|(in_section, name)| section_id(in_section) == documented_section && *name == key)
    {
        return Standing::Unused;
    }
    let meant = nearest(&key, |in_section| section_id(in_section) != section);
    Standing::Unknown {
        meant: meant
            .first()
            .map(|(in_section, name)| format!("[{in_section}] {name}")),
    }
}

/// The names that somebody may have meant by a key, the nearest first; among equally near ones those whose section
/// is ranked lower.
pub(crate) fn nearest<R: Ord>(
    key: &str,
    rank: impl Fn(&str) -> R,
) -> Vec<(&'static str, &'static str)> {
    // A forgotten `TLS_` is one slip, however many letters it has.
    let with_tls = Scope::ALL.iter().find_map(|scope| {
        let rest = key.strip_prefix(scope.prefix())?;
        (!rest.starts_with("TLS_")).then(|| format!("{}TLS_{rest}", scope.prefix()))
    });
    let mut near: Vec<_> = USED
        .iter()
        .chain(&*UNUSED)
        .filter_map(|(in_section, name)| {
            let distance = |key: &str| edits(name, key);
            let count = distance(key).min(with_tls.as_deref().map_or(usize::MAX, distance));
            (count <= EDITS_MAX && count * 4 <= name.len()).then_some((
                count,
                rank(in_section),
                *in_section,
                name.as_str(),
            ))
        })
        .collect();
    near.sort();
    near.into_iter()
        .map(|(_, _, in_section, name)| (in_section, name))
        .collect()
}

/// The one of some names that somebody may have meant, without regard to case.
pub(crate) fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let name = key_id(name);
    let near = known.map(|known| (edits(&key_id(known), &name), known));
    near.filter(|(count, known)| *count <= EDITS_MAX && *count * 4 <= known.len())
        .min()
        .map(|(_, known)| known)
}

/// Sections and names of the settings in use.
pub(crate) static USED: LazyLock<Vec<(&'static str, String)>> = LazyLock::new(|| {
    let pairs = settings::rows().flat_map(|entry| {
        let sections = entry.row.sections.iter();
        sections.flat_map(|section| entry.row.names().into_iter().map(|name| (*section, name)))
    });
    pairs.collect()
});

/// Sections and names of documented settings that are not in use.
pub(crate) static UNUSED: LazyLock<Vec<(&'static str, String)>> = LazyLock::new(|| {
    let pairs = documented::SETTINGS
        .iter()
        .flat_map(|(section, keys)| keys.iter().map(|key| (*section, (*key).to_owned())));
    pairs.collect()
});

/// The number of inserted, dropped, replaced and neighbouring exchanged characters between two names.
fn edits(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left.len().abs_diff(right.len()) > EDITS_MAX {
        return EDITS_MAX + 1;
    }
    let mut before_last = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut row = vec![i; right.len() + 1];
        for j in 1..=right.len() {
            let replaced = last[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_like_typing_errors() {
        for (left, right, expected) in [
            ("VPMX_PORT", "VPMX_PORT", 0),
            ("VPMX_PROT", "VPMX_PORT", 1),
            ("VPMX_POT", "VPMX_PORT", 1),
            ("VPMX_PORTS", "VPMX_PORT", 1),
            ("VPMX-PORTS", "VPMX_PORT", 2),
            ("HEALTH_PORT", "VPMX_PORT", 5),
        ] {
            // Beyond the limit only "too many" matters.
            assert_eq!(edits(left, right).min(3), expected.min(3), "{left} {right}");
        }
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest_one() {
        for (section, key, meant) in [
            ("Debug", "VPMX_PROT", Some("[Debug] VPMX_PORT")),
            ("Config", "VPMX_PROT", Some("[Config] VPMX_PORT")),
            ("Isocron", "HEALTH_PORT", Some("[Isochron] HEALTH_PORT")),
            (
                "Config",
                "STMUX_TLS_MIN_PROTOCOL_VERSON",
                Some("[Config] STMUX_TLS_MIN_PROTOCOL_VERSION"),
            ),
            (
                "Config",
                "STMUX_KEY_STORE_FILE",
                Some("[Config] STMUX_TLS_KEY_STORE_FILE"),
            ),
            (
                "Debug",
                "ST_TLS_SECURITY_LEVEL",
                Some("[Config] ST_TLS_SECURITY_LEVEL"),
            ),
            ("Config", "STMUX_TLS_SOMETHING_ELSE", None),
            ("Config", "SOMETHING_ELSE", None),
            ("Config", "X", None),
        ] {
            match standing(section, key) {
                Standing::Unknown { meant: found } => {
                    assert_eq!(found.as_deref(), meant, "{section} {key}")
                }
                Standing::Used | Standing::Unused => panic!("[{section}] {key} should be unknown"),
            }
        }
    }

    #[test]
    fn documented_names_of_other_servers_are_not_typing_errors() {
        for (section, key) in [
            ("Config", "VP_SECURITY_LEVEL"),
            ("Config", "STSAML_TRUSTED_AUDIENCES"),
            ("Directory", "ST_DB_LDAP_MAX_RESULTS"),
            ("Debug-StUsers", "VP_TRACE_ALL"),
            ("STCONVOMAP", "CONVOMAP_MAX_DAYS"),
        ] {
            assert!(
                matches!(standing(section, key), Standing::Unused),
                "[{section}] {key}"
            );
        }
    }
}
