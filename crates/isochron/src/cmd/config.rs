//! `isochron config`: what the settings are, where each comes from, and whether a server would start with them.

use super::table::table;
use super::{print, print_json};
use crate::cli::config::ConfigCommand;
use crate::inputs::Inputs;
use crate::{roles, secure};
use config::{EffectiveRow, Explanation, Fault, Faults, Note, Scope, Sources};
use serde::Serialize;
use std::path::Path;
use std::time::SystemTime;

pub(super) fn run(command: ConfigCommand, inputs: &Inputs, data: &Path) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Check { form } => check(inputs, data, form.json),
        ConfigCommand::Show { scope, form } => {
            let scope = scope.map(Scope::from);
            let mut rows = config::effective(&inputs.read()?);
            rows.retain(|row| scope.is_none() || row.scope == scope);
            match form.json {
                true => print_json(&rows.iter().map(ValueRow::of).collect::<Vec<_>>()),
                false => print(&shown(scope, &rows)),
            }
        }
        ConfigCommand::Explain { name, form } => {
            let explanation = config::explain(&name, &inputs.read()?)?;
            match form.json {
                true => print_json(&ExplanationRow::of(&explanation)),
                false => print(&explained(&explanation)),
            }
        }
        ConfigCommand::Reference => print(&config::reference()),
    }
}

/// What is said of a file that cannot be read or has faults is the same as at a start.
fn check(inputs: &Inputs, data: &Path, json: bool) -> anyhow::Result<()> {
    let found = inputs.read().and_then(|sources| examine(&sources, data));
    if json {
        let (faults, notes) = match &found {
            Ok(notes) => (Vec::new(), notes.iter().map(NoteRow::of).collect()),
            Err(faults) => (
                faults.iter().map(FaultRow::of).collect(),
                faults.notes().iter().map(NoteRow::of).collect(),
            ),
        };
        print_json(&CheckRow { faults, notes })?;
    }
    let notes = found?;
    if !json {
        let notes = notes.iter().map(|note| format!("note: {note}\n"));
        print(&(notes.collect::<String>() + "the configuration has no faults\n"))?;
    }
    Ok(())
}

/// Everything that a start would look at, without starting.
fn examine(sources: &Sources, data: &Path) -> Result<Vec<Note>, Faults> {
    let now = SystemTime::now();
    let (config, mut notes) = secure::settings(sources, now)?;
    let secured = secure::check(&config, data, &roles::host_name(), now)?;
    notes.extend(secured.notes);
    notes.extend(config::advice(&config));
    Ok(notes)
}

/// The table of values, each area under its heading.
fn shown(scope: Option<Scope>, rows: &[EffectiveRow]) -> String {
    let heading = match scope {
        None => "All settings; those of TLS once for each scope".to_owned(),
        Some(scope) => heading(scope),
    };
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let value = row.value.clone().unwrap_or_else(|| "-".to_owned());
            let value = match &row.problem {
                Some(problem) => format!("{value}   ! {problem}"),
                None => value,
            };
            [
                row.area.to_owned(),
                row.name.clone(),
                value,
                row.provenance(),
            ]
        })
        .collect();
    format!(
        "{heading}\n\n{}",
        table(["AREA", "SETTING", "VALUE", "FROM"], &rows)
    )
}

/// What a scope is, and in which order its names are looked for.
fn heading(scope: Scope) -> String {
    let order = match scope {
        Scope::Global => "ST_, then the default",
        Scope::Mux => "STMUX_, then ST_, then the default",
        Scope::Server => "STSRV_, then ST_, then the default",
        Scope::Ldap => "STLDAP_, then ST_, then the default",
        Scope::Saml => "STSAML_ with and without TLS_, then ST_, then the default",
    };
    let what = match scope {
        Scope::Global => "what counts where a service says nothing of its own",
        Scope::Mux => "connections of clients",
        Scope::Server => "links between server parts; not served by this version, but checked",
        Scope::Ldap => "connections to the directory; not served by this version, but checked",
        Scope::Saml => "messages of the identity provider; not served by this version, but checked",
    };
    format!("Scope {scope}: {what}. Looked for as {order}.")
}

/// One setting, in lines with a heading word each.
fn explained(explanation: &Explanation) -> String {
    let Explanation {
        names,
        sections,
        expected,
        default,
        reloadable,
        meaning,
        source,
        values,
        ..
    } = explanation;
    let mut lines: Vec<(&str, String)> = Vec::new();
    let sections: Vec<String> = sections
        .iter()
        .map(|section| format!("[{section}]"))
        .collect();
    for row in values {
        lines.push(("setting", format!("{} {}", sections.join(" or "), row.name)));
        if let Some(value) = &row.value {
            lines.push(("value", value.clone()));
        }
        if let Some(problem) = &row.problem {
            lines.push(("fault", format!("the value {problem}")));
        }
        lines.push(("from", origin(row)));
    }
    lines.push(("default", default.unwrap_or("none").to_owned()));
    lines.push(("expects", expected.clone()));
    lines.push(("meaning", (*meaning).to_owned()));
    let reload = match reloadable {
        true => "a running server takes a new value",
        false => "a new value needs a restart",
    };
    lines.push(("change", reload.to_owned()));
    if names.len() > values.len() {
        lines.push(("names", names.join(", ")));
    }
    lines.push(("source", (*source).to_owned()));
    let mut text = String::new();
    for (word, said) in lines {
        // A setting of every scope has a paragraph for each, and one for what is said of all.
        if values.len() > 1 && ["setting", "default"].contains(&word) && !text.is_empty() {
            text.push('\n');
        }
        text += &format!("{word:<8} {said}\n");
    }
    text
}

/// Where a value comes from, and that the scope itself has none where that is so.
fn origin(row: &EffectiveRow) -> String {
    match (&row.found_as, row.scope) {
        (Some(found), Some(_)) if *found != row.name => {
            format!("{}, {found} ({} is not set)", row.origin, row.name)
        }
        _ => row.provenance(),
    }
}

#[derive(Serialize)]
struct ValueRow<'a> {
    area: &'a str,
    setting: &'a str,
    scope: Option<&'a str>,
    value: Option<&'a str>,
    /// The name the value was found under; none for a default.
    found_as: Option<&'a str>,
    origin: String,
    problem: Option<&'a str>,
    reloadable: bool,
}

impl<'a> ValueRow<'a> {
    fn of(row: &'a EffectiveRow) -> Self {
        Self {
            area: row.area,
            setting: &row.name,
            scope: row.scope.map(Scope::word),
            value: row.value.as_deref(),
            found_as: row.found_as.as_deref(),
            origin: row.origin.to_string(),
            problem: row.problem.as_deref(),
            reloadable: row.reloadable,
        }
    }
}

#[derive(Serialize)]
struct ExplanationRow<'a> {
    names: &'a [String],
    sections: &'a [&'static str],
    expected: &'a str,
    unit: &'a str,
    default: Option<&'a str>,
    reloadable: bool,
    meaning: &'a str,
    source: &'a str,
    values: Vec<ValueRow<'a>>,
}

impl<'a> ExplanationRow<'a> {
    fn of(explanation: &'a Explanation) -> Self {
        Self {
            names: &explanation.names,
            sections: explanation.sections,
            expected: &explanation.expected,
            unit: explanation.unit,
            default: explanation.default,
            reloadable: explanation.reloadable,
            meaning: explanation.meaning,
            source: explanation.source,
            values: explanation.values.iter().map(ValueRow::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct CheckRow<'a> {
    faults: Vec<FaultRow<'a>>,
    notes: Vec<NoteRow<'a>>,
}

#[derive(Serialize)]
struct FaultRow<'a> {
    setting: &'a str,
    origin: String,
    problem: &'a str,
    expected: &'a str,
}

impl<'a> FaultRow<'a> {
    fn of(fault: &'a Fault) -> Self {
        Self {
            setting: &fault.setting,
            origin: fault.origin.to_string(),
            problem: &fault.problem,
            expected: &fault.expected,
        }
    }
}

#[derive(Serialize)]
struct NoteRow<'a> {
    text: &'a str,
    origin: String,
}

impl<'a> NoteRow<'a> {
    fn of(note: &'a Note) -> Self {
        Self {
            text: &note.text,
            origin: note.origin.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::IniFile;

    const INI: &str = "[Config]\n\
        ST_TLS_KEY_STORE_FILE=/keys/server.p12\n\
        ST_TLS_KEY_STORE_PASSWORD=geheim\n\
        STMUX_TLS_SECURITY_LEVEL=2\n\
        [Debug]\n\
        VPMX_PORT=x\n";

    fn sources(ini: &str) -> Sources {
        Sources {
            ini: Some(IniFile {
                path: "sametime.ini".into(),
                bytes: ini.into(),
            }),
            ..Sources::default()
        }
    }

    fn line<'a>(text: &'a str, name: &str) -> &'a str {
        let found = text.lines().find(|line| line.contains(name));
        found.unwrap_or_else(|| panic!("{name}\n{text}"))
    }

    #[test]
    fn the_table_tells_value_and_origin_and_no_secret() {
        let mut rows = config::effective(&sources(INI));
        rows.retain(|row| row.scope == Some(Scope::Mux));
        let text = shown(Some(Scope::Mux), &rows);
        assert!(
            text.starts_with("Scope mux: connections of clients."),
            "{text}"
        );
        let file = line(&text, "STMUX_TLS_KEY_STORE_FILE");
        assert!(file.contains("/keys/server.p12"), "{file}");
        assert!(
            file.ends_with("ST_TLS_KEY_STORE_FILE, sametime.ini:2"),
            "{file}"
        );
        let level = line(&text, "STMUX_TLS_SECURITY_LEVEL");
        assert!(
            level.ends_with("2  sametime.ini:4") || level.contains(" sametime.ini:4"),
            "{level}"
        );
        assert!(
            line(&text, "STMUX_TLS_KEY_STORE_PASSWORD").contains("•••"),
            "{text}"
        );
        assert!(
            line(&text, "STMUX_TLS_CIPHER_SUITES").ends_with("not set"),
            "{text}"
        );
        assert!(!text.contains("geheim"), "{text}");
    }

    #[test]
    fn a_faulty_value_is_shown_as_it_was_written() {
        let text = shown(None, &config::effective(&sources(INI)));
        let port = line(&text, " VPMX_PORT ");
        assert!(port.contains("x   ! is not a port"), "{port}");
    }

    #[test]
    fn a_setting_is_explained_with_the_name_it_came_from() {
        let text = explained(&config::explain("tls.mux.key_store_file", &sources(INI)).unwrap());
        for expected in [
            "setting  [Config] STMUX_TLS_KEY_STORE_FILE\n",
            "value    /keys/server.p12\n",
            "from     sametime.ini:2, ST_TLS_KEY_STORE_FILE (STMUX_TLS_KEY_STORE_FILE is not set)\n",
            "default  none\n",
        ] {
            assert!(text.contains(expected), "{expected}{text}");
        }
        let text = explained(&config::explain("vpmx_port", &sources(INI)).unwrap());
        assert!(
            text.contains("setting  [Debug] or [Config] VPMX_PORT\n"),
            "{text}"
        );
        assert!(
            text.contains("fault    the value is not a port\n"),
            "{text}"
        );
    }
}
