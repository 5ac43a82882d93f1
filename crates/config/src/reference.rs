//! The page of all settings, made from their rows.

use std::fmt::Write;

use crate::settings::{Area, Entry, INI, Names, Row, areas, directory_area, user_info_area};
use crate::tls::Scope;

const HEAD: &str = "# Settings

This page is generated from the table of settings (`cargo xtask docs`). `isochron config explain NAME` tells the same
about one setting, with the value in force; `isochron config show` lists the values in force of all of them.

Settings stand in `sametime.ini`: `[Section]`, then `KEY=value`, one a line; a whole line that begins with `#` or `;` is
a comment. The environment variable `STI__Section__KEY` is stronger than the file. Keys and sections compare without
case, and a blank value counts as absent.

In the column *Reload*, *yes* says that a running server takes a new value for new connections when `sametime.ini` or a
store changes; *restart* says that it has to be started anew, which takes a few seconds, and clients come back by
themselves.
";

const TLS_HEAD: &str = "
## TLS and its scopes

Each TLS setting exists once for every scope. The tables below name it with the prefix of the global scope, `ST_`; put
another prefix in its place for one scope alone: `ST_TLS_KEY_STORE_FILE` becomes `STMUX_TLS_KEY_STORE_FILE`. All of them
stand in `[Config]`.

| Prefix | Scope | Connections |
|---|---|---|
| `ST_` | global | all that have no value of their own |
| `STMUX_` | mux | clients that connect on port 1533 |
| `STSRV_` | server | server parts that connect to each other |
| `STLDAP_` | ldap | this server as a client of the directory |
| `STSAML_` | saml | messages of the identity provider; no connection of their own |

The value is looked for setting by setting: under the prefix of the scope, then under `ST_`, then the default counts. For
SAML the form without `TLS_` comes first: `STSAML_KEY_STORE_FILE`, then `STSAML_TLS_KEY_STORE_FILE`, then
`ST_TLS_KEY_STORE_FILE`. Where a scope names a password, a password file or a stash file of its own, those of the global
scope are not looked at. In the column *Scopes*, *all* stands for the five above.
";

const XML_HEAD: &str = "
## The XML files

Two files beside `sametime.ini` are read if they are there; `COMMUNITY_CONFIG_FILE` and `USER_INFO_CONFIG_FILE` name other
places. A setting is an attribute of the element named below or a child element of it; elements around it do not matter,
and names compare without case. A document type (`<!DOCTYPE`) and entities of one's own are refused. In values `&`, `<`
and `\"` are written `&amp;`, `&lt;` and `&quot;`.

This version checks both files and serves neither: people come from the embedded directory. `isochron tls test ldap`
connects to the directories.
";

/// The reference page in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = HEAD.to_owned();
    let is_of_tls = |area: &&Area| {
        let mut names = area.entries.iter().map(|entry| entry.row.names);
        names.any(|names| matches!(names, Names::Scoped { .. }))
    };
    let (of_tls, others): (Vec<_>, Vec<_>) = areas().iter().partition(is_of_tls);
    for area in others {
        table(&mut page, 2, area);
    }
    page.push_str(TLS_HEAD);
    for area in of_tls {
        table(&mut page, 3, area);
    }
    page.push_str(XML_HEAD);
    for area in [directory_area(), user_info_area()] {
        table(&mut page, 3, area);
    }
    page
}

/// What a row is called in its table.
fn names(row: &Row) -> String {
    match row.names {
        Names::Attribute(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(" or ")
        }
        Names::One(_) | Names::Scoped { .. } => format!("`{}`", row.name_in(Scope::Global)),
    }
}

/// `tls-scopes.md 4` with the page as a link.
fn linked(source: &str) -> String {
    let words = source.split(' ').map(|word| {
        let page = word.trim_end_matches(',');
        match page.strip_suffix(".md") {
            Some(_) => {
                let folder = if page.contains('/') { "" } else { "domain/" };
                word.replace(page, &format!("[{page}](../{folder}{page})"))
            }
            None => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn table(page: &mut String, level: usize, area: &Area) {
    let is_scoped = |entry: &Entry| matches!(entry.row.names, Names::Scoped { .. });
    let scoped = area.entries.iter().any(is_scoped);
    let where_ = match area.file {
        _ if scoped => "Scopes",
        INI => "Section",
        _ => "Element",
    };
    let mut lines = format!(
        "\n{} {}\n\n| Setting | {where_} | Value | Default | Reload | Meaning | Source |\n|---|---|---|---|---|---|---|\n",
        "#".repeat(level),
        area.title
    );
    for Entry { row, expected, .. } in &area.entries {
        let place = match row.names {
            Names::Attribute(_) => {
                let elements = row.sections.iter().map(|element| format!("`<{element}>`"));
                elements.collect::<Vec<_>>().join(" or ")
            }
            Names::One(_) => {
                let sections = row.sections.iter().map(|section| format!("`[{section}]`"));
                sections.collect::<Vec<_>>().join(" or ")
            }
            Names::Scoped { scopes, .. } if scopes.len() == Scope::ALL.len() => "all".to_owned(),
            Names::Scoped { scopes, .. } => {
                let words: Vec<&str> = scopes.iter().map(|scope| scope.word()).collect();
                words.join(", ")
            }
        };
        // A filter holds `|`, which would end the cell.
        let default = row.default.map_or("none".to_owned(), |default| {
            format!("`{}`", default.replace('|', "\\|"))
        });
        let reload = if row.reloadable { "yes" } else { "restart" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            lines,
            "| {} | {place} | {expected} | {default} | {reload} | {} | {} |",
            names(row),
            row.meaning.replace('*', "\\*"),
            linked(row.source),
        );
    }
    page.push_str(&lines);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::rows;

    #[test]
    fn every_setting_stands_on_the_page_once() {
        let page = reference();
        for entry in rows() {
            let row = format!("\n| `{}` |", entry.row.name_in(Scope::Global));
            assert_eq!(page.matches(&row).count(), 1, "{row}");
        }
    }

    #[test]
    fn no_cell_breaks_its_table() {
        let page = reference();
        for line in page.lines().filter(|line| line.starts_with("| `")) {
            // The table of prefixes has three columns.
            let columns = if line.starts_with("| `ST") && line.contains("_` |") {
                4
            } else {
                8
            };
            let bars = line.replace("\\|", "").matches('|').count();
            assert_eq!(bars, columns, "{line}");
        }
    }
}
