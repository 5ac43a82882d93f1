//! Reading a file that somebody else made, and saying what clients will not do with it.
//!
//! Source: `docs/domain/client-provisioning.md` 2, 4 and 7.

use super::managed::{self, Action, ActionKind, Community, Document, Place, USE_GLOBAL, value};
use super::plugin::{self, Line};
use super::values::{Finding, Kind, RESERVED, Row, Values};
use roxmltree::{Document as Xml, Node};

/// The spelling of the vendor's table, which is not that of the vendor's sample.
const WRONG_USE_GLOBAL: &str = "useGlobalConnContext";

/// The faults that are told of a file, and as many notes: who reads so many mends them first, and looks again.
pub(crate) const FINDINGS_MAX: usize = 50;

/// What is to be said of a file: XML if it begins like XML, else lines of keys. Ordered by line, and at most
/// [`FINDINGS_MAX`] of each kind.
pub(crate) fn check(text: &str) -> Vec<Finding> {
    if text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('<')
    {
        check_xml(text)
    } else {
        check_lines(text)
    }
}

/// What is to be said of the address in policy `im.2012`, from which clients fetch the file.
pub(crate) fn check_site(url: &str) -> Vec<Finding> {
    if let Err(why) = Kind::Url.read(url) {
        return vec![Finding::fault(0, format!("site address: {why}"))];
    }
    let mut findings = Vec::new();
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let folders = rest.split_once('/').map_or("", |(_, folders)| folders);
    if folders.ends_with(".xml") {
        let folder = url.rsplit_once('/').map_or(url, |(folder, _)| folder);
        let text = format!("site address: name the folder, {folder}/; clients add the file's name");
        findings.push(Finding::fault(0, text));
    }
    // A slash separates folders here.
    if let Some(found) = folders.chars().find(|c| *c != '/' && RESERVED.contains(c)) {
        let text = format!("site address: a folder's name must not hold \"{found}\"");
        findings.push(Finding::fault(0, text));
    }
    if scheme == "http" {
        let text =
            "site address: use https; whoever changes the file on its way sends clients elsewhere";
        findings.push(Finding::note(0, text));
    }
    findings
}

fn check_xml(text: &str) -> Vec<Finding> {
    // Document types are refused by the parser, and entities with them.
    let xml = match Xml::parse(text) {
        Ok(xml) => xml,
        Err(error) => {
            let line = error.pos().row;
            return vec![Finding::fault(line, format!("this is not XML: {error}"))];
        }
    };
    let root = xml.root_element();
    match root.tag_name().name() {
        "managed-communities" => {}
        "ManagedSettings" => {
            let text = "this is a managed-settings.xml, which is not checked; how to connect does not belong there";
            return vec![Finding::note(0, text)];
        }
        name => {
            let text = format!("the outermost element is <{name}>, expected <managed-communities>");
            return vec![Finding::fault(
                xml.text_pos_at(root.range().start).row,
                text,
            )];
        }
    }
    let mut reader = Reader {
        document: Document::default(),
        findings: Findings::default(),
        line_ends: text.match_indices('\n').map(|(at, _)| at).collect(),
    };
    reader.document.values = reader.attributes(root, &[Place::All], &[]);
    for node in root.children().filter(Node::is_element) {
        match node.tag_name().name() {
            "managed-community" => reader.community(node),
            "managed-community-action" => reader.action(node),
            _ => reader.unknown_element(node),
        }
    }
    let mut findings = reader.findings;
    findings.extend(managed::check(&reader.document));
    findings.told()
}

/// Findings, of which the first are kept: whoever wrote the file could have made any number.
#[derive(Default)]
struct Findings {
    faults: Vec<Finding>,
    notes: Vec<Finding>,
    more: bool,
}

impl Findings {
    fn push(&mut self, finding: Finding) {
        let same = match finding.fault {
            true => &mut self.faults,
            false => &mut self.notes,
        };
        if same.len() < FINDINGS_MAX {
            same.push(finding);
        } else {
            self.more = true;
        }
    }

    fn extend(&mut self, findings: Vec<Finding>) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }

    /// In the order of the file.
    fn told(self) -> Vec<Finding> {
        let mut told = self.faults;
        told.extend(self.notes);
        told.sort_by_key(|finding| finding.line);
        if self.more {
            told.push(Finding::note(0, "and more; mend these first"));
        }
        told
    }
}

/// A document while it is being read, with what was met on the way.
struct Reader {
    document: Document,
    findings: Findings,
    /// Where the lines end: to count them anew for every element takes long in a large file.
    line_ends: Vec<usize>,
}

impl Reader {
    fn line(&self, node: Node<'_, '_>) -> u32 {
        let before = self
            .line_ends
            .partition_point(|end| *end < node.range().start);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    fn fault(&mut self, node: Node<'_, '_>, text: impl Into<String>) {
        self.findings.push(Finding::fault(self.line(node), text));
    }

    fn note(&mut self, node: Node<'_, '_>, text: impl Into<String>) {
        self.findings.push(Finding::note(self.line(node), text));
    }

    fn unknown_element(&mut self, node: Node<'_, '_>) {
        let name = node.tag_name().name();
        self.fault(node, format!("<{name}> is not a documented element here"));
    }

    fn required(&mut self, node: Node<'_, '_>, name: &str) -> Option<String> {
        let found = node.attribute(name).filter(|value| !value.is_empty());
        if found.is_none() {
            let element = node.tag_name().name();
            self.fault(node, format!("<{element}> needs the attribute {name}"));
        }
        found.map(str::to_owned)
    }

    fn community(&mut self, node: Node<'_, '_>) {
        let (id, host) = (self.required(node, "id"), self.required(node, "host"));
        let own = ["id", "host", WRONG_USE_GLOBAL];
        let mut values = self.attributes(node, &[Place::Community, Place::Connection], &own);
        for (row, value) in values
            .iter()
            .filter(|(row, _)| row.place == Place::Connection)
        {
            let text = format!(
                "{name} is read here too, but the documented form is <connection {name}=\"{value}\"/>",
                name = row.name
            );
            self.note(node, text);
        }
        for child in node.children().filter(Node::is_element) {
            if child.tag_name().name() != "connection" {
                self.unknown_element(child);
                continue;
            }
            for (row, inner) in self.attributes(child, &[Place::Connection], &[WRONG_USE_GLOBAL]) {
                match value(&values, row.name) {
                    Some(outer) if outer != inner => {
                        let text =
                            format!("{} is \"{outer}\" above and \"{inner}\" here", row.name);
                        self.fault(child, text);
                    }
                    Some(_) => {}
                    None => values.push((row, inner)),
                }
            }
        }
        let elements = node.descendants().filter(Node::is_element);
        for element in elements.filter(|element| element.has_attribute(WRONG_USE_GLOBAL)) {
            let text = format!(
                "{WRONG_USE_GLOBAL} is not what clients look for: write {USE_GLOBAL}=\"false\" on <managed-community> \
                 and the connection type as <connection connectionType=\"tls-direct\"/>"
            );
            self.fault(element, text);
            // What was meant, so that the same is not told a second time.
            let row = managed::ROWS.iter().find(|row| row.name == USE_GLOBAL);
            values.extend(row.map(|row| (row, "false".to_owned())));
        }
        if let (Some(id), Some(host)) = (id, host) {
            if let Err(why) = Kind::Host.read(&host) {
                self.fault(node, format!("host: {why}"));
            }
            let line = self.line(node);
            self.document.communities.push(Community {
                line,
                id,
                host,
                values,
            });
        }
    }

    fn action(&mut self, node: Node<'_, '_>) {
        let names = ["type", "managed-community-id"];
        let kind = self.required(node, names[0]);
        let community = self.required(node, names[1]);
        let place = |place: Place| matches!(place, Place::Action(_));
        let places: Vec<Place> = managed::ROWS
            .iter()
            .map(|row| row.place)
            .filter(|p| place(*p))
            .collect();
        let values = self.attributes(node, &places, &names);
        for child in node.children().filter(Node::is_element) {
            self.unknown_element(child);
        }
        let (Some(kind), Some(community)) = (kind, community) else {
            return;
        };
        match ActionKind::ALL.iter().find(|known| known.name() == kind) {
            Some(kind) => self.document.actions.push(Action {
                line: self.line(node),
                community,
                kind: *kind,
                values,
            }),
            None => self.fault(
                node,
                format!("type \"{kind}\" is none of add, update, delete, reset"),
            ),
        }
    }

    /// The attributes that may stand here with their values; others but those in `own` are complained of.
    fn attributes(&mut self, node: Node<'_, '_>, places: &[Place], own: &[&str]) -> Values<Place> {
        let mut values = Values::new();
        for attribute in node.attributes() {
            let name = attribute.name();
            if own.contains(&name) {
                continue;
            }
            let Some(row) = managed::ROWS.iter().find(|row| row.name == name) else {
                let near = managed::ROWS
                    .iter()
                    .find(|row| row.name.eq_ignore_ascii_case(name));
                let near = near.map_or(String::new(), |row: &Row<Place>| {
                    format!("; write {}", row.name)
                });
                self.fault(node, format!("{name} is not a documented attribute{near}"));
                continue;
            };
            if !places.contains(&row.place) {
                self.fault(node, format!("{name} stands on <{}>", element(row.place)));
                continue;
            }
            match row.kind.read(attribute.value()) {
                Ok(value) => {
                    if value != attribute.value() {
                        self.fault(node, format!("write {name}=\"{value}\""));
                    }
                    values.push((row, value));
                }
                Err(why) => self.fault(node, format!("{name}: {why}")),
            }
        }
        values
    }
}

fn element(place: Place) -> &'static str {
    match place {
        Place::All => "managed-communities",
        Place::Community => "managed-community",
        Place::Connection => "connection",
        Place::Action(_) => "managed-community-action",
    }
}

fn check_lines(text: &str) -> Vec<Finding> {
    let mut findings = Findings::default();
    let mut lines = Vec::new();
    for (number, text) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with(['#', '!']) {
            continue;
        }
        let Some((name, value)) = split(text) else {
            findings.push(Finding::fault(number, "expected group/key=value"));
            continue;
        };
        let (Some(name), Some(value)) = (unescaped(name.trim()), unescaped(value.trim())) else {
            let text = "a backslash is written twice, and \\u is followed by four digits";
            findings.push(Finding::fault(number, text));
            continue;
        };
        let Some((group, key)) = name.split_once('/') else {
            findings.push(Finding::fault(
                number,
                format!("{name} names no group: expected group/key=value"),
            ));
            continue;
        };
        if !text.is_ascii() {
            let text = format!("{key}: write other than plain letters as \\uXXXX");
            findings.push(Finding::fault(number, text));
        }
        lines.push(Line {
            number,
            group: group.to_owned(),
            key: key.to_owned(),
            value,
        });
    }
    findings.extend(plugin::check(&lines));
    findings.told()
}

/// Key and value, at the first `=` that no backslash stands before.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '=' if !is_escaped => return Some((&text[..at], &text[at + 1..])),
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

/// Text as Java reads it; `None` if an escape is broken or would lose a letter, as the one in `DOMAIN\bob`.
fn unescaped(text: &str) -> Option<String> {
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            '\\' => match rest.next()? {
                'u' => {
                    let digits: String = rest.by_ref().take(4).collect();
                    let is_hex =
                        digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
                    units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| is_hex)?);
                    continue;
                }
                c if c.is_ascii_alphanumeric() => return None,
                c => c,
            },
            c => c,
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16(&units).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts of the faults, each with its line.
    fn faults(text: &str) -> Vec<String> {
        let faults = check(text).into_iter().filter(|finding| finding.fault);
        faults
            .map(|fault| format!("{}: {}", fault.line, fault.text))
            .collect()
    }

    fn file(community: &str, actions: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<managed-communities>\n{community}\n{actions}\n\
             </managed-communities>\n"
        )
    }

    const UPDATE: &str =
        r#"<managed-community-action type="update" managed-community-id="a.example"/>"#;

    #[test]
    fn the_sample_is_right() {
        let sample = file(
            r#"<managed-community id="a.example" host="a.example" useGlobalConnSettings="false" port="1533">
                <connection connectionType="tls-direct"/></managed-community>"#,
            UPDATE,
        );
        assert_eq!(check(&sample), []);
    }

    #[test]
    fn the_form_of_the_vendors_table_is_answered_with_that_of_the_sample() {
        for community in [
            r#"<managed-community id="a.example" host="a.example" useGlobalConnContext="true" connectionType="tls-direct"/>"#,
            r#"<managed-community id="a.example" host="a.example"><connection useGlobalConnContext="true" connectionType="tls-direct"/></managed-community>"#,
        ] {
            let found = faults(&file(community, UPDATE));
            let [fault] = &found[..] else {
                panic!("{found:?}");
            };
            assert!(
                fault.starts_with("3: useGlobalConnContext is not"),
                "{fault}"
            );
            assert!(
                fault.contains("write useGlobalConnSettings=\"false\""),
                "{fault}"
            );
            assert!(
                fault.contains("<connection connectionType=\"tls-direct\"/>"),
                "{fault}"
            );
        }
    }

    #[test]
    fn a_connection_type_on_the_community_is_accepted_with_a_note() {
        let community = r#"<managed-community id="a.example" host="a.example" useGlobalConnSettings="false" connectionType="tls-direct"/>"#;
        let found = check(&file(community, UPDATE));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(!found[0].fault && found[0].line == 3, "{found:?}");
        assert!(
            found[0]
                .text
                .contains("<connection connectionType=\"tls-direct\"/>"),
            "{found:?}"
        );
    }

    #[test]
    fn what_clients_will_not_do_is_told_with_its_line() {
        let plain = r#"<managed-community id="a.example" host="a.example"/>"#;
        for (community, action, told) in [
            (
                r#"<managed-community id="x" host="a.example"/>"#,
                "",
                "3: id and host are the same value",
            ),
            (
                r#"<managed-community host="a.example"/>"#,
                "",
                "3: <managed-community> needs the attribute id",
            ),
            (
                r#"<managed-community id="a b" host="a b"/>"#,
                "",
                "3: host: \"a b\" holds one of",
            ),
            (
                r#"<managed-community id="a" host="a" Port="1"/>"#,
                "",
                "3: Port is not a documented attribute; write port",
            ),
            (
                r#"<managed-community id="a" host="a" port="x"/>"#,
                "",
                "3: port: \"x\" is not a number",
            ),
            (
                r#"<managed-community id="a" host="a" savePassword="True"/>"#,
                "",
                "3: write savePassword=\"true\"",
            ),
            (
                r#"<managed-community id="a" host="a" restart="true"/>"#,
                "",
                "3: restart stands on <managed-community-action>",
            ),
            (
                r#"<managed-community id="a" host="a"><connection connectionType="direct"/></managed-community>"#,
                "",
                "3: connectionType has no effect while the client's global connection is used",
            ),
            (
                r#"<managed-community id="a" host="a" useGlobalConnSettings="false" connectionType="direct">
                <connection connectionType="tls-direct"/></managed-community>"#,
                "",
                "4: connectionType is \"direct\" above and \"tls-direct\" here",
            ),
            (
                r#"<managed-community id="a" host="a" useGlobalConnSettings="false"><connection connectionType="tls"/></managed-community>"#,
                "",
                "3: connectionType: \"tls\" is none of direct,",
            ),
            (
                r#"<managed-community id="a" host="a"><x/></managed-community>"#,
                "",
                "3: <x> is not a documented element",
            ),
            (
                &format!("{plain}{plain}"),
                "",
                "3: there is another community with the id a.example",
            ),
            (
                plain,
                r#"<managed-community-action type="update" managed-community-id="b"/>"#,
                "4: there is no managed-community with the id b",
            ),
            (
                plain,
                r#"<managed-community-action type="upgrade" managed-community-id="a.example"/>"#,
                "4: type \"upgrade\" is none of",
            ),
            (
                plain,
                r#"<managed-community-action managed-community-id="a.example"/>"#,
                "4: <managed-community-action> needs the attribute type",
            ),
            (
                plain,
                r#"<managed-community-action type="reset" managed-community-id="a.example"/><managed-community-action type="update" managed-community-id="a.example"/>"#,
                "4: reset is applied first",
            ),
        ] {
            let found = faults(&file(community, action));
            assert!(
                found.iter().any(|fault| fault.starts_with(told)),
                "{told}\n{found:?}"
            );
        }
    }

    #[test]
    fn what_is_not_such_a_file_is_told_so() {
        for (text, told) in [
            ("<a></b>", "1: this is not XML"),
            ("<a/>", "1: the outermost element is <a>"),
            (
                "<!DOCTYPE a [<!ENTITY b \"c\">]><managed-communities>&b;</managed-communities>",
                "1: this is not XML",
            ),
        ] {
            let found = faults(text);
            assert!(found[0].starts_with(told), "{text}: {found:?}");
        }
        let settings = check("<?xml version=\"1.0\"?><ManagedSettings/>");
        assert!(!settings[0].fault, "{settings:?}");
    }

    #[test]
    fn a_community_that_no_action_names_is_noted() {
        let found = check(&file(r#"<managed-community id="a" host="a"/>"#, ""));
        assert!(found[0].text.contains("no action names a"), "{found:?}");
    }

    #[test]
    fn lines_of_a_package_are_read() {
        let text = "# comment\n\n\
            com.ibm.collaboration.realtime.community/host=chat.example\n\
            com.ibm.collaboration.realtime.community/connectionType = tls-direct\n\
            com.ibm.collaboration.realtime.community/name=B\\u00fcro\n\
            com.ibm.other/x=y\n";
        assert_eq!(check(text), []);
        for (line, told) in [
            ("host", "1: expected group/key=value"),
            ("host=x", "1: host names no group"),
            (
                "com.ibm.collaboration.realtime.community/port=0",
                "1: port: ",
            ),
            (
                "com.ibm.collaboration.realtime.community/connectionType=TLS-direct",
                "1: write connectionType=tls-direct",
            ),
            (
                "com.ibm.collaboration.realtime.community/proxyUserName=DOM\\bob",
                "1: a backslash is written twice",
            ),
            (
                "com.ibm.collaboration.realtime.community/name=Büro",
                "1: name: write other than plain letters",
            ),
            (
                "com.ibm.collaboration.realtime.community/altCommunityConfig.home.port=443",
                "1: home does not stand in",
            ),
            (
                "com.ibm.collaboration.realtime.community/altCommunityConfig.managedIds=home",
                "0: home stands in",
            ),
            ("a/x=1\na/x=2", "2: x is given twice"),
        ] {
            let found = faults(line);
            assert!(
                found.iter().any(|fault| fault.starts_with(told)),
                "{line}: {found:?}"
            );
        }
    }

    #[test]
    fn a_file_of_nothing_but_faults_is_told_of_its_first_ones() {
        let element = "<managed-community id=\"a\" host=\"a\" port=\"x\"/>\n";
        let document = format!(
            "<managed-communities>\n{}</managed-communities>",
            element.repeat(5000)
        );
        let lines = "a/x=1\n".repeat(40_000);
        let routes: String = (0..2500)
            .map(|id| {
                format!("com.ibm.collaboration.realtime.community/altCommunityConfig.{id}.port=0\n")
            })
            .collect();
        for text in [document, lines, routes] {
            let found = check(&text);
            let (last, others) = found.split_last().unwrap();
            let faults = others.iter().filter(|finding| finding.fault);
            assert_eq!(faults.count(), FINDINGS_MAX);
            assert!(others.len() <= 2 * FINDINGS_MAX, "{}", others.len());
            assert!(last.text.starts_with("and more"), "{last:?}");
        }
    }

    #[test]
    fn a_package_without_a_connection_type_comes_without_tls() {
        let found = check("com.ibm.collaboration.realtime.community/host=chat.example");
        assert!(
            found[0].text.contains("write connectionType=tls-direct"),
            "{found:?}"
        );
        let unknown = check("com.ibm.collaboration.realtime.login/unheardOf=1");
        assert!(
            unknown
                .iter()
                .any(|finding| finding.text.contains("not a documented key")),
            "{unknown:?}"
        );
    }

    #[test]
    fn the_site_address_names_a_folder_by_https() {
        for (url, fault, told) in [
            ("https://chat.example/downloads/staff/", None, None),
            (
                "http://chat.example/downloads",
                Some(false),
                Some("use https"),
            ),
            (
                "https://chat.example/downloads/managed-community-configs.xml",
                Some(true),
                Some("https://chat.example/downloads/;"),
            ),
            (
                "https://chat.example/a&b/",
                Some(true),
                Some("must not hold \"&\""),
            ),
            ("chat.example/x", Some(true), Some("not an address")),
        ] {
            let found = check_site(url);
            assert_eq!(
                found.first().map(|finding| finding.fault),
                fault,
                "{url} {found:?}"
            );
            if let Some(told) = told {
                assert!(found[0].text.contains(told), "{url} {found:?}");
            }
        }
    }

    #[test]
    fn what_the_commands_write_is_accepted() {
        let document = managed::document(
            &["a.example".to_owned()],
            &[ActionKind::Update],
            Vec::new(),
            Some(("tls-direct", 1533)),
        );
        assert_eq!(check(&managed::render(&document)), []);
        let rows = plugin::ROWS
            .iter()
            .filter(|row| ["name", "connection-type"].contains(&row.option));
        let values = rows.map(|row| {
            (
                row,
                if row.option == "name" {
                    "Büro \\ =:"
                } else {
                    "tls-direct"
                }
                .to_owned(),
            )
        });
        let lines = plugin::lines("::1", values.collect(), None, &[], &[]);
        assert_eq!(check(&plugin::render(&lines)), []);
    }
}
