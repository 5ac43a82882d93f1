//! `managed-community-configs.xml`: what clients that are in use fetch at each login.
//!
//! A file is a [`Document`], made from options or read from text; [`check`] says what is wrong with either, so
//! that what is written and what is accepted follow the same rules.
//!
//! Source: `docs/domain/client-provisioning.md` 2.

use super::managed_rows::NEW_HOST;
pub(crate) use super::managed_rows::{ActionKind, Place, ROWS, USE_GLOBAL};
use super::values::{Finding, Values, check_connection};
use roxmltree::Document as Xml;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;

/// The name under which clients ask for it.
pub(crate) const FILE_NAME: &str = "managed-community-configs.xml";

/// A whole file.
#[derive(Debug, Default)]
pub(crate) struct Document {
    /// Attributes of the outermost element.
    pub(super) values: Values<Place>,
    pub(super) communities: Vec<Community>,
    pub(super) actions: Vec<Action>,
}

/// `<managed-community>` with its `<connection>`.
#[derive(Debug)]
pub(super) struct Community {
    /// 0 for one that is being made.
    pub(super) line: u32,
    pub(super) id: String,
    pub(super) host: String,
    pub(super) values: Values<Place>,
}

/// `<managed-community-action>`.
#[derive(Debug)]
pub(super) struct Action {
    /// 0 for one that is being made.
    pub(super) line: u32,
    pub(super) community: String,
    pub(super) kind: ActionKind,
    pub(super) values: Values<Place>,
}

/// The file that does `actions` with each of `hosts`.
///
/// With a new host, `add` and `update`, those who have the old one are renamed and everybody else is given the new one.
pub(crate) fn document(
    hosts: &[String],
    actions: &[ActionKind],
    given: Values<Place>,
    own_connection: Option<(&'static str, u16)>,
) -> Document {
    let mut values = given;
    let is_set = |name: &str| values.iter().any(|(row, _)| row.name == name);
    let only_delete = actions == [ActionKind::Delete];
    let global = values
        .iter()
        .any(|(row, value)| row.name == USE_GLOBAL && value == "true");
    let mut defaults: Vec<(&str, String)> = Vec::new();
    if let Some((kind, port)) = own_connection.filter(|_| !only_delete && !global) {
        defaults.push((USE_GLOBAL, "false".to_owned()));
        defaults.push(("port", port.to_string()));
        defaults.push(("connectionType", kind.to_owned()));
    } else if is_set("connectionType") && !global {
        // Without it the client would not use what is written.
        defaults.push((USE_GLOBAL, "false".to_owned()));
    }
    defaults.retain(|(name, _)| !is_set(name));
    for (name, value) in defaults {
        values.extend(
            ROWS.iter()
                .find(|row| row.name == name)
                .map(|row| (row, value)),
        );
    }
    values.sort_by_key(|(row, _)| ROWS.iter().position(|other| other.name == row.name));

    let part = |wanted: &dyn Fn(Place) -> bool| -> Values<Place> {
        let rows = values.iter().filter(|(row, _)| wanted(row.place));
        rows.cloned().collect()
    };
    let community = |host: &str, values: Values<Place>| Community {
        line: 0,
        id: host.to_owned(),
        host: host.to_owned(),
        values,
    };
    let of_community = part(&|place| matches!(place, Place::Community | Place::Connection));
    let new_host = value(&of_community, NEW_HOST).map(str::to_owned);
    let mut document = Document {
        values: part(&|place| place == Place::All),
        ..Document::default()
    };
    for host in hosts {
        document
            .communities
            .push(community(host, of_community.clone()));
    }
    let both = [ActionKind::Add, ActionKind::Update];
    let added = new_host.filter(|_| both.iter().all(|kind| actions.contains(kind)));
    if let Some(host) = &added {
        let mut values = of_community;
        values.retain(|(row, _)| row.name != NEW_HOST);
        document.communities.push(community(host, values));
    }
    let mut kinds = actions.to_vec();
    kinds.dedup();
    for kind in kinds {
        // An attribute of another action stays in, for `check` to complain of, if no action takes it.
        let taken = |only: ActionKind| actions.contains(&only);
        let values = part(&|place| match place {
            Place::Action(None) => true,
            Place::Action(Some(only)) => only == kind || !taken(only),
            _ => false,
        });
        let targets: Vec<&String> = match &added {
            Some(host) if kind == ActionKind::Add => vec![host],
            _ => hosts.iter().collect(),
        };
        for host in targets {
            document.actions.push(Action {
                line: 0,
                community: host.clone(),
                kind,
                values: values.clone(),
            });
        }
    }
    document
}

/// The text of the file.
pub(crate) fn render(document: &Document) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<managed-communities");
    text += &attributes(&document.values, Place::All);
    text += ">\n";
    for community in &document.communities {
        let names = [("id", &community.id), ("host", &community.host)];
        text += "  <managed-community";
        text += &pairs(names.map(|(name, value)| (name, value.as_str())));
        text += &attributes(&community.values, Place::Community);
        let connection = attributes(&community.values, Place::Connection);
        text += &match connection.as_str() {
            "" => "/>\n".to_owned(),
            connection => {
                format!(">\n    <connection{connection}/>\n  </managed-community>\n")
            }
        };
    }
    for action in &document.actions {
        text += "  <managed-community-action";
        text += &pairs([
            ("type", action.kind.name()),
            ("managed-community-id", action.community.as_str()),
        ]);
        text += &pairs(
            action
                .values
                .iter()
                .map(|(row, value)| (row.name, value.as_str())),
        );
        text += "/>\n";
    }
    text + "</managed-communities>\n"
}

/// Whether a file is one for this name, whoever wrote it and whatever is wrong with it.
pub(crate) fn is_one(text: &str) -> bool {
    Xml::parse(text).is_ok_and(|xml| xml.root_element().has_tag_name("managed-communities"))
}

fn attributes(values: &Values<Place>, place: Place) -> String {
    let here = values.iter().filter(|(row, _)| row.place == place);
    pairs(here.map(|(row, value)| (row.name, value.as_str())))
}

fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = String::new();
    for (name, value) in pairs {
        // Writing to a string cannot fail.
        let _ = write!(text, " {name}=\"{}\"", escaped(value));
    }
    text
}

fn escaped(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars() {
        match c {
            '&' => text += "&amp;",
            '<' => text += "&lt;",
            '>' => text += "&gt;",
            '"' => text += "&quot;",
            '\'' => text += "&apos;",
            c => text.push(c),
        }
    }
    text
}

pub(super) fn value<'a>(values: &'a Values<Place>, name: &str) -> Option<&'a str> {
    let found = values.iter().find(|(row, _)| row.name == name);
    found.map(|(_, value)| value.as_str())
}

/// What does not do what it says, and what is worth knowing.
pub(crate) fn check(document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut actions: HashMap<&str, Vec<ActionKind>> = HashMap::new();
    for action in &document.actions {
        let kinds = actions.entry(&action.community).or_default();
        // What is done twice is told below.
        if !kinds.contains(&action.kind) {
            kinds.push(action.kind);
        }
    }
    let mut ids = HashSet::new();
    for community in &document.communities {
        if !ids.insert(community.id.as_str()) {
            findings.push(Finding::fault(
                community.line,
                format!("there is another community with the id {}", community.id),
            ));
            continue;
        }
        let kinds = actions.get(community.id.as_str());
        findings.extend(check_community(community, kinds.map_or(&[], Vec::as_slice)));
    }
    let mut before: HashMap<&str, Vec<ActionKind>> = HashMap::new();
    for action in &document.actions {
        findings.extend(check_action(&ids, action));
        let before = before.entry(&action.community).or_default();
        let same = |other: &&ActionKind| {
            **other == action.kind || [**other, action.kind].contains(&ActionKind::Delete)
        };
        if let Some(other) = before.iter().find(same) {
            findings.push(Finding::fault(
                action.line,
                format!(
                    "{} and {} of {} do not go together",
                    other.name(),
                    action.kind.name(),
                    action.community
                ),
            ));
        }
        if !before.contains(&action.kind) {
            before.push(action.kind);
        }
    }
    let reset = document
        .actions
        .iter()
        .find(|action| action.kind == ActionKind::Reset);
    if let Some(reset) = reset.filter(|_| document.actions.len() > 1) {
        findings.push(Finding::fault(
            reset.line,
            "reset is applied first and every other action is ignored then; it stands alone",
        ));
    }
    let renames = |community: &&Community| value(&community.values, NEW_HOST).is_some();
    if value(&document.values, "deleteOverlappingCommunities") == Some("true")
        && document.communities.iter().filter(renames).count() == 0
    {
        findings.push(Finding::note(
            0,
            "deleteOverlappingCommunities merges what a newHost made equal; there is no newHost",
        ));
    }
    findings.sort_by_key(|finding| finding.line);
    findings
}

/// `kinds` is what actions do with it.
fn check_community(community: &Community, kinds: &[ActionKind]) -> Vec<Finding> {
    let line = community.line;
    let get = |name: &str| value(&community.values, name);
    let mut findings = check_connection(line, get);
    let mut fault = |text: String| findings.push(Finding::fault(line, text));
    if community.id != community.host {
        fault(format!(
            "id and host are the same value: write id=\"{0}\" host=\"{0}\"",
            community.host
        ));
    }
    if get(NEW_HOST) == Some(&community.host) {
        fault("newHost is the host it has already".to_owned());
    }
    if get(NEW_HOST).is_some() && kinds.iter().any(|kind| *kind != ActionKind::Update) {
        fault(format!(
            "newHost goes with the action update only, not with {}",
            kinds
                .iter()
                .map(|kind| kind.name())
                .collect::<Vec<_>>()
                .join(", ")
        ));
    }
    if kinds == [ActionKind::Delete] && !community.values.is_empty() {
        let names: Vec<&str> = community.values.iter().map(|(row, _)| row.name).collect();
        fault(format!(
            "{} has no effect with the action delete",
            names.join(", ")
        ));
    }
    let connection = ["connectionType", "proxyHost", "proxyPort"];
    if let Some(name) = connection.iter().find(|name| get(name).is_some())
        && get(USE_GLOBAL) != Some("false")
    {
        fault(format!(
            "{name} has no effect while the client's global connection is used: write {USE_GLOBAL}=\"false\""
        ));
    }
    if kinds.is_empty() {
        let text = format!(
            "no action names {}, so clients do nothing with it",
            community.id
        );
        findings.push(Finding::note(line, text));
    }
    if get("name").is_some() {
        let text = "name is better left to the server: set ST_COMMUNITY_ID there";
        findings.push(Finding::note(line, text));
    }
    if get("connectionType") == Some("https-proxy") {
        let text =
            "https-proxy is documented for the preferences only; try it with one client first";
        findings.push(Finding::note(line, text));
    }
    findings
}

fn check_action(ids: &HashSet<&str>, action: &Action) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !ids.contains(action.community.as_str()) {
        findings.push(Finding::fault(
            action.line,
            format!(
                "there is no managed-community with the id {}",
                action.community
            ),
        ));
    }
    for (row, _) in &action.values {
        if let Place::Action(Some(only)) = row.place
            && only != action.kind
        {
            findings.push(Finding::fault(
                action.line,
                format!(
                    "{} goes with the action {} only, not with {}",
                    row.name,
                    only.name(),
                    action.kind.name()
                ),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::values::Kind;
    use super::*;
    use ActionKind::{Add, Delete, Reset, Update};
    use roxmltree::Node;

    const TLS: Option<(&str, u16)> = Some(("tls-direct", 1533));

    fn given(pairs: &[(&str, &str)]) -> Values<Place> {
        let rows = pairs.iter().map(|(option, value)| {
            let row = ROWS.iter().find(|row| row.option == *option).unwrap();
            (row, row.kind.read(value).unwrap())
        });
        rows.collect()
    }

    fn made(
        hosts: &[&str],
        actions: &[ActionKind],
        pairs: &[(&str, &str)],
        own: Option<(&'static str, u16)>,
    ) -> (String, Vec<String>) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let document = document(&hosts, actions, given(pairs), own);
        let faults = check(&document).into_iter().filter(|finding| finding.fault);
        (render(&document), faults.map(|fault| fault.text).collect())
    }

    fn all<'a>(xml: &'a Xml<'_>, name: &str) -> Vec<Node<'a, 'a>> {
        let nodes = xml.descendants().filter(|node| node.has_tag_name(name));
        nodes.collect()
    }

    #[test]
    fn moving_everybody_to_tls_is_the_vendors_sample() {
        let (text, faults) = made(
            &["chat.example.com"],
            &[Update],
            &[("restart", "true")],
            TLS,
        );
        assert_eq!(faults, Vec::<String>::new());
        // docs/domain/client-provisioning.md 2.3, with the order of two attributes of our own.
        assert_eq!(
            text,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<managed-communities>
  <managed-community id="chat.example.com" host="chat.example.com" useGlobalConnSettings="false" port="1533">
    <connection connectionType="tls-direct"/>
  </managed-community>
  <managed-community-action type="update" managed-community-id="chat.example.com" restart="true"/>
</managed-communities>
"#
        );
    }

    #[test]
    fn every_attribute_stands_where_its_row_says() {
        for row in ROWS {
            let (value, more): (&str, &[(&str, &str)]) = match row.option {
                "new-host" => ("new.example.com", &[]),
                "auth-type" => ("SAML", &[]),
                "connection-type" => (
                    "socks5-proxy",
                    &[("proxy-host", "p"), ("proxy-port", "1080")],
                ),
                "proxy-host" => (
                    "https://p.example/st",
                    &[("connection-type", "reverse-proxy")],
                ),
                "proxy-port" => (
                    "1080",
                    &[("connection-type", "http-proxy"), ("proxy-host", "p")],
                ),
                "use-global-connection" => ("true", &[]),
                _ => match row.kind {
                    Kind::Bool => ("true", &[]),
                    Kind::Port | Kind::Number { .. } => ("77", &[]),
                    Kind::Url => ("https://sso.example/?a=1&b=2", &[]),
                    _ => ("R & D \"<chat>\" 'x'", &[]),
                },
            };
            let action = match row.place {
                Place::Action(Some(only)) => only,
                _ => Update,
            };
            let mut pairs = vec![(row.option, value)];
            pairs.extend(more);
            let (text, faults) = made(&["chat.example.com"], &[action], &pairs, TLS);
            assert_eq!(faults, Vec::<String>::new(), "{}", row.option);
            let xml = Xml::parse(&text).unwrap_or_else(|error| panic!("{text}{error}"));
            let element = match row.place {
                Place::All => "managed-communities",
                Place::Community => "managed-community",
                Place::Connection => "connection",
                Place::Action(_) => "managed-community-action",
            };
            assert_eq!(
                all(&xml, element)[0].attribute(row.name),
                Some(value),
                "{}:\n{text}",
                row.option
            );
        }
    }

    #[test]
    fn every_action_is_written_for_every_host() {
        for action in ActionKind::ALL {
            let hosts = match action {
                Reset => &["a.example"][..],
                _ => &["a.example", "b.example"],
            };
            let (text, faults) = made(hosts, &[action], &[], TLS);
            assert_eq!(faults, Vec::<String>::new(), "{action:?}");
            let xml = Xml::parse(&text).unwrap();
            let nodes = all(&xml, "managed-community-action");
            let told: Vec<_> = nodes
                .iter()
                .map(|node| {
                    (
                        node.attribute("type"),
                        node.attribute("managed-community-id"),
                    )
                })
                .collect();
            let expected: Vec<_> = hosts
                .iter()
                .map(|host| (Some(action.name()), Some(*host)))
                .collect();
            assert_eq!(told, expected);
            // A community that is removed needs no connection.
            assert_eq!(all(&xml, "connection").is_empty(), action == Delete);
        }
    }

    #[test]
    fn renaming_for_those_who_have_it_and_adding_for_the_others() {
        let (text, faults) = made(
            &["old.example"],
            &[Add, Update],
            &[
                ("new-host", "new.example"),
                ("apply-default-community-username", "true"),
            ],
            TLS,
        );
        assert_eq!(faults, Vec::<String>::new());
        let xml = Xml::parse(&text).unwrap();
        let communities = all(&xml, "managed-community");
        assert_eq!(communities[0].attribute("newHost"), Some("new.example"));
        assert_eq!(communities[1].attribute("id"), Some("new.example"));
        assert_eq!(communities[1].attribute("newHost"), None);
        let actions = all(&xml, "managed-community-action");
        assert_eq!(actions[0].attribute("type"), Some("add"));
        assert_eq!(
            actions[0].attribute("managed-community-id"),
            Some("new.example")
        );
        assert_eq!(
            actions[0].attribute("applyDefaultCommunityUsername"),
            Some("true")
        );
        assert_eq!(
            actions[1].attribute("managed-community-id"),
            Some("old.example")
        );
        assert_eq!(actions[1].attribute("applyDefaultCommunityUsername"), None);
    }

    #[test]
    fn several_hosts_are_merged_into_one() {
        let (text, faults) = made(
            &["a.example", "b.example"],
            &[Update],
            &[
                ("new-host", "chat.example"),
                ("delete-overlapping-communities", "true"),
            ],
            TLS,
        );
        assert_eq!(faults, Vec::<String>::new());
        let xml = Xml::parse(&text).unwrap();
        let root = xml.root_element();
        assert_eq!(root.attribute("deleteOverlappingCommunities"), Some("true"));
        for community in all(&xml, "managed-community") {
            assert_eq!(community.attribute("newHost"), Some("chat.example"));
        }
    }

    #[test]
    fn only_what_is_asked_for_is_managed() {
        let (text, _) = made(
            &["a.example"],
            &[Update],
            &[("save-password", "false")],
            None,
        );
        let xml = Xml::parse(&text).unwrap();
        let community = all(&xml, "managed-community")[0];
        let names: Vec<_> = community
            .attributes()
            .map(|attribute| attribute.name())
            .collect();
        assert_eq!(names, ["id", "host", "savePassword"]);
        assert!(!community.has_children());
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (actions, pairs, told) in [
            (
                &[Add][..],
                &[("new-host", "b")][..],
                "newHost goes with the action update only",
            ),
            (
                &[Reset],
                &[("new-host", "b")],
                "newHost goes with the action update only",
            ),
            (
                &[Delete],
                &[("new-host", "b")],
                "newHost goes with the action update only",
            ),
            (
                &[Update],
                &[("new-host", "a.example")],
                "newHost is the host it has already",
            ),
            (&[Reset, Update], &[], "reset is applied first"),
            (
                &[Delete, Add],
                &[],
                "delete and add of a.example do not go together",
            ),
            (
                &[Delete],
                &[("save-password", "true")],
                "savePassword has no effect with the action delete",
            ),
            (
                &[Update],
                &[("create-new-config", "true")],
                "createNewConfig goes with the action reset only",
            ),
            (
                &[Reset],
                &[("apply-default-community-username", "true")],
                "applyDefaultCommunityUsername goes with the action add only",
            ),
            (
                &[Update],
                &[
                    ("use-global-connection", "true"),
                    ("connection-type", "direct"),
                ],
                "write useGlobalConnSettings=\"false\"",
            ),
            (
                &[Update],
                &[("send-keep-alive", "false"), ("keep-alive-interval", "60")],
                "no keep-alive is sent",
            ),
            (
                &[Update],
                &[("proxy-host", "p")],
                "no effect with tls-direct",
            ),
        ] {
            let (text, faults) = made(&["a.example"], actions, pairs, TLS);
            let faults = faults.join("\n");
            assert!(
                faults.contains(told),
                "{actions:?} {pairs:?}: {faults}\n{text}"
            );
        }
    }
}
