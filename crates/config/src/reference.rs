//! The page of all settings, made from their rows.

use crate::settings::{Entry, rows};

/// The reference page in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Settings\n\n\
        This page is generated from the table of settings (`cargo xtask docs`).\n\n\
        Settings stand in `sametime.ini`: `[Section]`, then `KEY=value`, one a line; a line that begins with `#` or \
        `;` is a comment. The environment variable `STI__Section__KEY` is stronger than the file. Keys and sections \
        compare without case.\n\n\
        | Setting | Section | Value | Default | Meaning | Source |\n|---|---|---|---|---|---|\n",
    );
    for Entry { row, expected, .. } in rows() {
        let names: Vec<String> = row.names().iter().map(|name| format!("`{name}`")).collect();
        let sections: Vec<String> = row
            .sections
            .iter()
            .map(|section| format!("`[{section}]`"))
            .collect();
        let default = row
            .default
            .map_or("none".to_owned(), |default| format!("`{default}`"));
        page += &format!(
            "| {} | {} | {expected} | {default} | {} | {} |\n",
            names.join(", "),
            sections.join(" or "),
            row.meaning,
            row.source,
        );
    }
    page += "\nNo setting changes while the server runs; a restart takes a few seconds and clients come back by \
        themselves.\n";
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_stands_on_the_page() {
        let page = reference();
        for entry in rows() {
            for name in entry.row.names() {
                assert!(page.contains(&format!("`{name}`")), "{name}");
            }
        }
    }
}
