//! `plugin_customization.ini`: what a client finds in its installation package at its first start.
//!
//! Lines `group/key=value`, in the form of Java's property files: plain letters only, others as `\uXXXX`, and a
//! backslash doubled.
//!
//! Source: `docs/domain/client-provisioning.md` 4, `docs/domain/saml.md` 7.

use super::plugin_rows::OF_HOST;
pub(crate) use super::plugin_rows::{Group, ROUTE_ROWS, ROWS};
use super::values::{Finding, Kind, Row, Values, check_connection};
use std::collections::{HashMap, HashSet};

/// The name under which installation packages hold it.
pub(crate) const FILE_NAME: &str = "plugin_customization.ini";

const ROUTE: &str = "altCommunityConfig.";
const ROUTE_IDS: &str = "altCommunityConfig.managedIds";

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Counted from 1; 0 for one that is being made.
    pub(super) number: u32,
    pub(super) group: String,
    pub(super) key: String,
    pub(super) value: String,
}

impl Line {
    fn new(group: &str, key: &str, value: impl Into<String>) -> Self {
        Self {
            number: 0,
            group: group.to_owned(),
            key: key.to_owned(),
            value: value.into(),
        }
    }

    fn of_community(key: &str, value: impl Into<String>) -> Self {
        Self::new(Group::Community.id(), key, value)
    }
}

/// A key of an alternate route: `home.port=443`.
#[derive(Debug, Clone)]
pub(crate) struct RoutePart {
    id: String,
    key: String,
    value: String,
}

/// Reads `ID.KEY=VALUE`.
pub(crate) fn read_route(text: &str) -> Result<RoutePart, String> {
    let (name, value) = text.split_once('=').ok_or("expected ID.KEY=VALUE")?;
    let (id, key) = name.split_once('.').ok_or("expected ID.KEY=VALUE")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if id.is_empty() || !id.chars().all(plain) || id == "managedIds" {
        return Err(format!(
            "\"{id}\" is no id: letters, digits, - and _ make one"
        ));
    }
    let kind = route_kind(key).ok_or_else(|| {
        let keys: Vec<&str> = ROUTE_ROWS.iter().map(|(key, _)| *key).collect();
        format!(
            "\"{key}\" is none of {}; --set writes other keys",
            keys.join(", ")
        )
    })?;
    Ok(RoutePart {
        id: id.to_owned(),
        key: key.to_owned(),
        value: kind.read(value)?,
    })
}

/// Reads `KEY=VALUE` of the community's group, or `GROUP/KEY=VALUE`.
pub(crate) fn read_further(text: &str) -> Result<Line, String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("expected KEY=VALUE or GROUP/KEY=VALUE")?;
    let (group, key) = name
        .split_once('/')
        .unwrap_or((Group::Community.id(), name));
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | '\\');
    if [group, key]
        .iter()
        .any(|part| part.is_empty() || !part.chars().all(plain))
    {
        return Err(format!("\"{name}\" is no name of a setting"));
    }
    if let Some(row) = known(group, key) {
        return Err(format!("{key} has an option of its own, --{}", row.option));
    }
    Ok(Line::new(group, key, Kind::Text.read(value)?))
}

/// The lines for a community on `host`.
pub(crate) fn lines(
    host: &str,
    given: Values<Group>,
    proxy_password: Option<&str>,
    routes: &[RoutePart],
    further: &[Line],
) -> Vec<Line> {
    let mut lines = vec![Line::of_community("host", host)];
    let mut given = given;
    given.sort_by_key(|(row, _)| ROWS.iter().position(|other| other.option == row.option));
    for (row, value) in given {
        lines.push(Line::new(
            row.place.id(),
            &row.name.replace(OF_HOST, host),
            value,
        ));
        if row.name == "proxyUserName"
            && let Some(password) = proxy_password
        {
            lines.push(Line::of_community("proxyPassword", password));
        }
    }
    let mut ids: Vec<&str> = Vec::new();
    for part in routes {
        if !ids.contains(&part.id.as_str()) {
            ids.push(&part.id);
        }
    }
    if !ids.is_empty() {
        lines.push(Line::of_community(ROUTE_IDS, ids.join(",")));
    }
    for id in ids {
        for part in routes.iter().filter(|part| part.id == id) {
            lines.push(Line::of_community(
                &format!("{ROUTE}{id}.{}", part.key),
                &part.value,
            ));
        }
    }
    lines.extend(further.iter().cloned());
    lines
}

/// The text of the file.
pub(crate) fn render(lines: &[Line]) -> String {
    let lines = lines.iter().map(
        |Line {
             group, key, value, ..
         }| {
            format!(
                "{}={}\n",
                escaped(&format!("{group}/{key}"), true),
                escaped(value, false)
            )
        },
    );
    lines.collect()
}

/// As Java's property files want it.
fn escaped(text: &str, is_key: bool) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        match c {
            '\\' => out += "\\\\",
            ':' | '=' | ' ' if is_key => out.extend(['\\', c]),
            ' ' if at == 0 => out += "\\ ",
            c if c.is_ascii() => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out += &format!("\\u{unit:04x}");
                }
            }
        }
    }
    out
}

/// The row of a key, if it has one.
fn known(group: &str, key: &str) -> Option<&'static Row<Group>> {
    ROWS.iter().find(|row| {
        row.place.id() == group
            && match row.name.strip_prefix(OF_HOST) {
                Some(end) => key.len() > end.len() && key.ends_with(end),
                None => row.name == key,
            }
    })
}

fn route_kind(key: &str) -> Option<&'static Kind> {
    let found = ROUTE_ROWS.iter().find(|(name, _)| *name == key);
    found.map(|(_, kind)| kind)
}

/// What a key of the known groups may hold; `None` for one that is not documented.
fn kind_of(line: &Line) -> Option<&'static Kind> {
    if let Some(row) = known(&line.group, &line.key) {
        return Some(&row.kind);
    }
    if line.group != Group::Community.id() {
        return None;
    }
    match line.key.as_str() {
        "host" => Some(&Kind::Host),
        "proxyPassword" | ROUTE_IDS => Some(&Kind::Text),
        key => route_kind(key.strip_prefix(ROUTE)?.split_once('.')?.1),
    }
}

/// What does not do what it says, and what is worth knowing.
pub(crate) fn check(lines: &[Line]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut latest = HashMap::new();
    for line in lines {
        if let Some(earlier) = latest.insert((&line.group, &line.key), line) {
            findings.push(Finding::fault(
                line.number,
                format!(
                    "{} is given twice; \"{}\" is lost",
                    line.key,
                    shown(earlier)
                ),
            ));
        }
        findings.extend(check_value(line));
    }
    let of_community = |key: &str| {
        let found = lines
            .iter()
            .rfind(|line| line.group == Group::Community.id() && line.key == key);
        found.map(|line| line.value.as_str())
    };
    findings.extend(check_connection(0, of_community));
    findings.extend(check_routes(lines));
    if of_community("tokenLoginOnly") == Some("true")
        && of_community("loginByToken") != Some("true")
    {
        let text = "tokenLoginOnly needs loginByToken=true";
        findings.push(Finding::fault(0, text));
    }
    if of_community("proxyPassword").is_some() {
        let text = "proxyPassword stands in the package in clear text";
        findings.push(Finding::note(0, text));
    }
    if of_community("host").is_none() {
        let text = "there is no host, so the first start asks for the server";
        findings.push(Finding::note(0, text));
    } else if of_community("connectionType").is_none() {
        let text = "there is no connectionType, so clients come without TLS: write connectionType=tls-direct";
        findings.push(Finding::note(0, text));
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

/// Whether the file holds a password, which is nothing for other users of the machine.
pub(crate) fn has_password(lines: &[Line]) -> bool {
    lines.iter().any(is_password)
}

/// The password at the proxy, that of an alternate route as well.
fn is_password(line: &Line) -> bool {
    line.key.ends_with("proxyPassword")
}

fn shown(line: &Line) -> &str {
    if is_password(line) {
        "•••"
    } else {
        &line.value
    }
}

fn check_value(line: &Line) -> Option<Finding> {
    let groups = [Group::Community, Group::Login, Group::ManagedSettings];
    if !groups.iter().any(|group| group.id() == line.group) {
        // Packages hold settings of many other parts of the client.
        return None;
    }
    let Some(kind) = kind_of(line) else {
        let text = format!("{} is not a documented key of {}", line.key, line.group);
        return Some(Finding::note(line.number, text));
    };
    match kind.read(&line.value) {
        Ok(value) if value == line.value => None,
        Ok(value) => Some(Finding::fault(
            line.number,
            format!("write {}={value}", line.key),
        )),
        Err(_) if is_password(line) => {
            Some(Finding::fault(line.number, "proxyPassword cannot be used"))
        }
        Err(why) => Some(Finding::fault(line.number, format!("{}: {why}", line.key))),
    }
}

fn check_routes(lines: &[Line]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let of_community = lines
        .iter()
        .filter(|line| line.group == Group::Community.id());
    let parts: Vec<(u32, &str, &str, &str)> = of_community
        .filter_map(|line| {
            let (id, key) = line.key.strip_prefix(ROUTE)?.split_once('.')?;
            Some((line.number, id, key, line.value.as_str()))
        })
        .collect();
    let mut values: HashMap<(&str, &str), &str> = HashMap::new();
    for (_, id, key, value) in &parts {
        values.entry((*id, *key)).or_insert(*value);
    }
    let listed = lines.iter().find(|line| line.key == ROUTE_IDS);
    let listed: Vec<&str> = listed.map_or(Vec::new(), |line| {
        line.value.split(',').map(str::trim).collect()
    });
    let is_listed: HashSet<&str> = listed.iter().copied().collect();
    let mut seen: HashSet<&str> = HashSet::new();
    for (line, id, ..) in &parts {
        if !seen.insert(id) {
            continue;
        }
        if !is_listed.contains(id) {
            let text = format!("{id} does not stand in {ROUTE_IDS}, so it is not used");
            findings.push(Finding::fault(*line, text));
        }
        findings.extend(check_connection(*line, |name| {
            values.get(&(*id, name)).copied()
        }));
    }
    for id in listed.iter().filter(|id| !seen.contains(*id)) {
        let text = format!("{id} stands in {ROUTE_IDS} but nothing says what it is");
        findings.push(Finding::fault(0, text));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Values<Group> {
        let rows = pairs.iter().map(|(option, value)| {
            let row = ROWS.iter().find(|row| row.option == *option).unwrap();
            (row, row.kind.read(value).unwrap())
        });
        rows.collect()
    }

    fn faults(lines: &[Line]) -> Vec<String> {
        let faults = check(lines).into_iter().filter(|finding| finding.fault);
        faults.map(|fault| fault.text).collect()
    }

    #[test]
    fn the_example_of_the_documents() {
        let lines = lines(
            "chat.example.com",
            given(&[("connection-type", "tls-direct"), ("port", "1533")]),
            None,
            &[],
            &[],
        );
        assert_eq!(check(&lines), []);
        // docs/domain/client-provisioning.md 4.
        assert_eq!(
            render(&lines),
            "com.ibm.collaboration.realtime.community/host=chat.example.com\n\
             com.ibm.collaboration.realtime.community/port=1533\n\
             com.ibm.collaboration.realtime.community/connectionType=tls-direct\n"
        );
    }

    #[test]
    fn every_option_writes_its_key() {
        for row in ROWS {
            let (value, more): (&str, &[(&str, &str)]) = match row.option {
                "connection-type" => ("reverse-proxy", &[("proxy-host", "https://p.example/")]),
                "proxy-host" => (
                    "https://p.example/",
                    &[("connection-type", "reverse-proxy")],
                ),
                "proxy-port" => (
                    "8080",
                    &[("connection-type", "http-proxy"), ("proxy-host", "p")],
                ),
                "token-login-only" => ("true", &[("login-by-token", "true")]),
                "default-auth-type" => ("SAML", &[]),
                "idp-type" => ("Browser", &[]),
                "auto-reconnect-attempts" => ("-1", &[]),
                _ => match row.kind {
                    Kind::Bool => ("false", &[]),
                    Kind::Port | Kind::Number { .. } => ("77", &[]),
                    Kind::Url => ("https://sso.example/?TARGET=https://chat.example/chat", &[]),
                    Kind::Urls => ("https://a.example/,https://b.example/", &[]),
                    Kind::Hosts => ("a.example,b.example", &[]),
                    _ => ("value", &[]),
                },
            };
            let mut pairs = vec![(row.option, value)];
            pairs.extend(more);
            let lines = lines("chat.example", given(&pairs), None, &[], &[]);
            assert_eq!(faults(&lines), Vec::<String>::new(), "{}", row.option);
            let key = row.name.replace("<host>", "chat.example");
            let expected = format!("{}/{key}={value}\n", row.place.id());
            let text = render(&lines);
            assert!(text.contains(&expected), "{}:\n{text}", row.option);
        }
    }

    #[test]
    fn a_route_from_home_beside_the_direct_one() {
        let routes: Vec<_> = [
            "home.enabled=true",
            "home.connectionType=reverse-proxy",
            "office.host=chat.example",
            "home.proxyHost=https://chat.example/st",
        ]
        .iter()
        .map(|text| read_route(text).unwrap())
        .collect();
        let lines = lines("chat.example", given(&[]), None, &routes, &[]);
        assert_eq!(faults(&lines), Vec::<String>::new());
        let text = render(&lines);
        let keys: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix("com.ibm.collaboration.realtime.community/"))
            .collect();
        assert_eq!(
            keys,
            [
                "host=chat.example",
                "altCommunityConfig.managedIds=home,office",
                "altCommunityConfig.home.enabled=true",
                "altCommunityConfig.home.connectionType=reverse-proxy",
                "altCommunityConfig.home.proxyHost=https://chat.example/st",
                "altCommunityConfig.office.host=chat.example",
            ]
        );
        for wrong in [
            "home",
            "home.port",
            "home.port=x",
            "home.unheard=1",
            "a b.port=1",
        ] {
            assert!(read_route(wrong).is_err(), "{wrong}");
        }
        for (key, kind) in ROUTE_ROWS {
            let value = match kind {
                Kind::Bool => "true",
                Kind::Port | Kind::Number { .. } => "5",
                Kind::Word(words) => words[0],
                _ => "chat.example",
            };
            assert!(read_route(&format!("home.{key}={value}")).is_ok(), "{key}");
        }
    }

    #[test]
    fn further_keys_are_written_as_they_are() {
        let further = [
            read_further("someKey=some value").unwrap(),
            read_further("com.example.other/key=1").unwrap(),
        ];
        let text = render(&lines("chat.example", given(&[]), None, &[], &further));
        assert!(
            text.contains("realtime.community/someKey=some value\n"),
            "{text}"
        );
        assert!(text.contains("com.example.other/key=1\n"), "{text}");
        let refused = read_further("savePassword=true").unwrap_err();
        assert!(refused.contains("--save-password"), "{refused}");
        assert!(read_further("no value").is_err());
        assert!(read_further("key=a\nb").is_err());
    }

    #[test]
    fn values_are_written_as_java_reads_them() {
        let lines = lines(
            "::1",
            given(&[
                ("name", "Büro \\ 😀"),
                ("proxy-user", "DOM\\bob"),
                ("idp", "https://i/"),
            ]),
            Some(" p=:\\"),
            &[],
            &[],
        );
        let text = render(&lines);
        for expected in [
            "/name=B\\u00fcro \\\\ \\ud83d\\ude00\n",
            "/proxyUserName=DOM\\\\bob\n",
            "/proxyPassword=\\ p=:\\\\\n",
            "/\\:\\:1.idp=https://i/\n",
        ] {
            assert!(text.contains(expected), "{expected}\n{text}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        for (pairs, told) in [
            (
                &[("token-login-only", "true")][..],
                "needs loginByToken=true",
            ),
            (
                &[("keep-alive", "false"), ("keep-alive-interval", "5")],
                "no keep-alive is sent",
            ),
            (&[("proxy-port", "1")], "no effect without connectionType"),
        ] {
            let found = faults(&lines("h", given(pairs), None, &[], &[]));
            assert!(found.join("\n").contains(told), "{pairs:?} {found:?}");
        }
    }
}
