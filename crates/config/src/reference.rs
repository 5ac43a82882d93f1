//! The page of all settings, made from their rows.

use std::fmt::Write;

use crate::settings::{Area, Entry, Names, areas};
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
    page
}

fn table(page: &mut String, level: usize, area: &Area) {
    let is_scoped = |entry: &Entry| matches!(entry.row.names, Names::Scoped { .. });
    let scoped = area.entries.iter().any(is_scoped);
    let where_ = if scoped { "Scopes" } else { "Section" };
    let mut lines = format!(
        "\n{} {}\n\n| Setting | {where_} | Value | Default | Reload | Meaning | Source |\n|---|---|---|---|---|---|---|\n",
        "#".repeat(level),
        area.title
    );
    for Entry { row, expected, .. } in &area.entries {
        let place = match row.names {
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
        let default = row
            .default
            .map_or("none".to_owned(), |default| format!("`{default}`"));
        let reload = if row.reloadable { "yes" } else { "restart" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            lines,
            "| `{}` | {place} | {expected} | {default} | {reload} | {} | {} |",
            row.name_in(Scope::Global),
            row.meaning,
            row.source,
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
            let columns = if line.contains("| global |") || line.matches('|').count() == 4 {
                4
            } else {
                8
            };
            assert_eq!(line.matches('|').count(), columns, "{line}");
        }
    }
}
