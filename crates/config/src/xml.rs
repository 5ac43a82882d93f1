//! Settings in XML files: elements that hold settings, as attributes or child elements, at any nesting.
//!
//! The documents give fragments only, so the reading is generous in form: names compare without case, elements around
//! those that are known do not matter. It is strict in what may do harm: no document type, no entities beyond the
//! five of XML, bounded size, depth and number of nodes.
//!
//! Source: `docs/domain/config-files.md` 2 and 3, `docs/domain/ldap.md` 11.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use roxmltree::{Document, Error, Node, NodeId, ParsingOptions};

use crate::fault::{Excerpt, printable};
use crate::loader::{Faulted, Loader};
use crate::names::{closest, is_secret};
use crate::scoped::Scoped;
use crate::settings::{Entry, Row, Setting};
use crate::{Fault, Note, Origin};

/// Bytes of a configuration file in XML. Real ones have a few kilobytes; more is the wrong file.
pub const XML_BYTES_MAX: usize = 1 << 20;

/// Elements and texts of a file: some thousand directories with all their settings.
const NODES_MAX: u32 = 50_000;

/// Equals signs in a file, which are at least as many as its attributes: the parser compares those of an element with
/// each other, and a hundred thousand of them would keep a start waiting for a minute.
const EQUALS_MAX: usize = 10_000;

/// Elements inside each other; real files have five.
const DEPTH_MAX: usize = 64;

/// Notes about unknown names: one wrong file makes thousands.
const UNKNOWN_MAX: usize = 20;

/// A configuration file in XML as it was read.
#[derive(Clone)]
pub struct XmlFile {
    /// How messages name it.
    pub path: PathBuf,
    /// Its bytes, whatever they are.
    pub bytes: Vec<u8>,
}

impl XmlFile {
    /// Reads a file, at most [`XML_BYTES_MAX`] bytes of it and one more, so that [`crate::load`] sees that it is
    /// too long.
    ///
    /// # Errors
    /// If it cannot be opened or read.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let limit = XML_BYTES_MAX as u64 + 1;
        File::open(path)?.take(limit).read_to_end(&mut bytes)?;
        let path = path.to_owned();
        Ok(Self { path, bytes })
    }
}

impl std::fmt::Debug for XmlFile {
    /// Without the content, which may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, length) = (self.path.display(), self.bytes.len());
        write!(f, "XmlFile({path}, {length} bytes)")
    }
}

/// Which elements a file has.
#[derive(Debug)]
pub(crate) struct Schema {
    /// What stands for the file as a whole, whose settings stand outside all other elements with settings.
    pub(crate) root: &'static str,
    /// Elements that hold settings.
    pub(crate) records: &'static [&'static str],
    /// Elements that only hold other elements.
    pub(crate) structure: &'static [&'static str],
}

/// An element with its settings.
pub(crate) struct Record {
    /// Its name as the documents spell it.
    pub(crate) element: &'static str,
    /// Where it begins.
    pub(crate) line: usize,
    /// The element with settings around it, by its place in the list.
    pub(crate) parent: usize,
    /// What stands in it and not in another element with settings.
    pub(crate) fields: Vec<Field>,
}

/// A setting as the file gives it: an attribute or the text of a child element.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) line: usize,
}

/// A file's elements with settings; the first stands for the file as a whole.
pub(crate) struct Tree {
    pub(crate) path: PathBuf,
    pub(crate) records: Vec<Record>,
    /// Elements around settings that nobody knows, with their lines.
    strange: Vec<(String, usize)>,
    schema: &'static Schema,
}

/// Reads a file; without one there is nothing in it.
pub(crate) fn parse(file: Option<&XmlFile>, schema: &'static Schema) -> Result<Tree, Box<Fault>> {
    let mut tree = Tree {
        path: file.map(|file| file.path.clone()).unwrap_or_default(),
        records: vec![Record {
            element: schema.root,
            line: 1,
            parent: 0,
            fields: Vec::new(),
        }],
        strange: Vec::new(),
        schema,
    };
    let Some(file) = file else {
        return Ok(tree);
    };
    let text = text(file)?;
    if let Some(at) = document_type(text) {
        let (line, column) = place(text, at);
        let problem =
            format!("has a document type (<!DOCTYPE) in column {column}, which is not accepted");
        return Err(file_fault(file, line, problem, "a file without it"));
    }
    if text.bytes().filter(|byte| *byte == b'=').count() > EQUALS_MAX {
        let problem = format!("holds more than {EQUALS_MAX} equals signs, so too many attributes");
        return Err(file_fault(file, 1, problem, "a configuration file"));
    }
    let options = ParsingOptions {
        allow_dtd: false,
        nodes_limit: NODES_MAX,
        entity_resolver: None,
    };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        let at = error.pos();
        let (line, column) = (at.row as usize, at.col);
        let problem = format!("column {column}: {}", sentence(&error));
        let expected = "well-formed XML, with & < \" in values written &amp; &lt; &quot;";
        file_fault(file, line, problem, expected)
    })?;
    let lines = Lines::of(text);
    // For each element that was passed: the record that its children belong to, and its depth.
    let mut passed: HashMap<NodeId, (usize, usize)> = HashMap::new();
    for node in document.descendants().filter(Node::is_element) {
        let parent = node.parent_element();
        let around = parent.and_then(|parent| passed.get(&parent.id()).copied());
        let (owner, depth) = around.map_or((0, 0), |(owner, depth)| (owner, depth + 1));
        let line = lines.of_byte(node.range().start);
        if depth > DEPTH_MAX {
            let problem = format!("holds more than {DEPTH_MAX} elements inside each other");
            return Err(file_fault(file, line, problem, "a configuration file"));
        }
        passed.insert(node.id(), (tree.enter(node, owner, line, &lines), depth));
    }
    Ok(tree)
}

impl Tree {
    /// Takes an element in; gives the record that its children belong to.
    fn enter(&mut self, node: Node<'_, '_>, owner: usize, line: usize, lines: &Lines) -> usize {
        let name = node.tag_name().name();
        let known = |names: &'static [&'static str]| {
            let mut names = names.iter().copied();
            names.find(|known| known.eq_ignore_ascii_case(name))
        };
        let mut attributes = node
            .attributes()
            .filter(|attribute| attribute.namespace().is_none())
            .peekable();
        let mut owner = owner;
        if let Some(element) = known(self.schema.records) {
            self.records.push(Record {
                element,
                line,
                parent: owner,
                fields: Vec::new(),
            });
            owner = self.records.len() - 1;
        } else if !name.eq_ignore_ascii_case(self.schema.root)
            && known(self.schema.structure).is_none()
        {
            let is_leaf = !node.children().any(|child| child.is_element());
            if is_leaf && attributes.peek().is_none() {
                let texts = node.children().filter_map(|child| child.text());
                let value: String = texts.collect();
                self.add(owner, name, &value, line);
            } else {
                self.strange.push((name.to_owned(), line));
            }
        }
        for attribute in attributes {
            let line = lines.of_byte(attribute.range().start);
            self.add(owner, attribute.name(), attribute.value(), line);
        }
        owner
    }

    /// A blank value counts as absent.
    fn add(&mut self, owner: usize, name: &str, value: &str, line: usize) {
        if let Some(record) = self.records.get_mut(owner) {
            record.fields.push(Field {
                name: name.to_owned(),
                value: value.trim().to_owned(),
                line,
            });
        }
    }

    /// The elements of a name, with their places in the list.
    pub(crate) fn all<'t>(
        &'t self,
        element: &'static str,
    ) -> impl Iterator<Item = (usize, &'t Record)> {
        let records = self.records.iter().enumerate();
        records.filter(move |(_, record)| record.element == element)
    }

    /// The file as a whole.
    pub(crate) fn root(&self) -> Option<&Record> {
        self.records.first()
    }

    /// A line of the file.
    pub(crate) fn origin(&self, line: usize) -> Origin {
        Origin::File {
            path: self.path.clone(),
            line,
        }
    }

    /// Notes on names that nobody knows: `entries` has all settings of the file.
    pub(crate) fn note_unknown(&self, loader: &mut Loader, entries: &[Entry]) {
        let mut notes = Vec::new();
        for (name, line) in &self.strange {
            let known = self.schema.records.iter().chain(self.schema.structure);
            let meant = closest(name, known.copied());
            let text = match meant {
                Some(meant) => format!("<{}> is unknown; did you mean <{meant}>?", printable(name)),
                None => format!(
                    "<{}> is unknown; what stands in it is read",
                    printable(name)
                ),
            };
            notes.push((*line, text));
        }
        for record in &self.records {
            for field in &record.fields {
                notes.extend(
                    self.unknown(record, field, entries)
                        .map(|text| (field.line, text)),
                );
            }
        }
        notes.sort();
        let more = notes.len().saturating_sub(UNKNOWN_MAX);
        for (line, text) in notes.into_iter().take(UNKNOWN_MAX) {
            let origin = self.origin(line);
            loader.push_note(Note { text, origin });
        }
        if more > 0 {
            let text = format!("{more} more unknown names are not listed");
            let origin = self.origin(0);
            loader.push_note(Note { text, origin });
        }
    }

    fn unknown(&self, record: &Record, field: &Field, entries: &[Entry]) -> Option<String> {
        let name = printable(&field.name);
        let bears = |entry: &&Entry| entry.row.bears(&field.name);
        let of_record = |entry: &&Entry| entry.row.sections.contains(&record.element);
        if entries.iter().filter(of_record).any(|entry| bears(&entry)) {
            return None;
        }
        if let Some(entry) = entries.iter().find(bears) {
            let section = entry.row.sections.first().copied().unwrap_or_default();
            return Some(format!(
                "{name} is ignored here; it belongs into a <{section}> element"
            ));
        }
        let known = entries.iter().filter(of_record);
        let known = known.map(|entry| entry.row.suffix());
        Some(match closest(&field.name, known) {
            Some(meant) => format!("{name} is unknown and is ignored; did you mean {meant}?"),
            None => format!("{name} is unknown and is ignored"),
        })
    }
}

impl Record {
    /// What the element says for a setting; blank counts as absent. Of several the last counts.
    pub(crate) fn find(&self, row: &Row) -> Option<&Field> {
        let mut fields = self.fields.iter().rev();
        fields.find(|field| !field.value.is_empty() && row.bears(&field.name))
    }
}

/// Reads the settings of one element.
pub(crate) struct Reader<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) record: &'a Record,
    pub(crate) loader: &'a mut Loader,
}

impl Reader<'_> {
    /// The value of a setting that may be absent.
    pub(crate) fn optional<T: Clone>(
        &mut self,
        setting: &Setting<T>,
    ) -> Result<Option<Scoped<T>>, Faulted> {
        let Some(field) = self.record.find(&setting.row) else {
            return Ok(None);
        };
        let mut others = self.record.fields.iter();
        let same = |other: &&Field| {
            !other.value.is_empty() && other.value != field.value && setting.row.bears(&other.name)
        };
        if let Some(other) = others.rfind(same) {
            let text = format!(
                "{} is given here and in line {}; this one counts",
                field.name, other.line
            );
            let origin = self.tree.origin(field.line);
            self.loader.push_note(Note { text, origin });
        }
        let found = self.tree.scoped(field, ());
        match setting.kind.parse(&field.value) {
            Ok(value) => Ok(Some(found.map(|()| value))),
            Err(problem) => {
                let problem = match setting.row.is_secret() || is_secret(&field.name) {
                    true => format!("the value {problem}"),
                    false => format!("\"{}\" {problem}", printable(&field.value)),
                };
                let fault = found.fault(problem, setting.kind.expected());
                self.loader.push_fault(fault);
                Err(Faulted)
            }
        }
    }

    /// The value of a setting that has a default.
    pub(crate) fn get<T: Clone>(&mut self, setting: &Setting<T>) -> Result<Scoped<T>, Faulted> {
        if let Some(given) = self.optional(setting)? {
            return Ok(given);
        }
        let name = setting.row.suffix();
        match setting.kind.parse(setting.row.default.unwrap_or_default()) {
            Ok(value) => Ok(Scoped::new(value, name, Origin::Default)),
            Err(_) => {
                let problem = format!("<{}> has no {name}", self.record.element);
                let origin = self.tree.origin(self.record.line);
                let fault = Fault::new(name, origin, problem, setting.kind.expected());
                self.loader.push_fault(fault);
                Err(Faulted)
            }
        }
    }
}

impl Tree {
    /// A value that a field gives.
    pub(crate) fn scoped<T>(&self, field: &Field, value: T) -> Scoped<T> {
        let source = self.path.display().to_string();
        let before = format!("{}=\"", field.name);
        Scoped {
            value,
            name: printable(&field.name),
            origin: self.origin(field.line),
            excerpt: Some(Excerpt::new(source, field.line, &before, &field.value)),
        }
    }
}

/// The bytes as text without byte-order mark, or the one reason why they are none.
fn text(file: &XmlFile) -> Result<&str, Box<Fault>> {
    let bytes = &file.bytes;
    let expected = "an XML file saved as UTF-8";
    if bytes.len() > XML_BYTES_MAX {
        let problem = "is too long for a configuration file";
        return Err(file_fault(file, 0, problem, "at most 1 MiB"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(file_fault(file, 1, "is written in UTF-16", expected));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
            let problem = "holds bytes that are not UTF-8 text";
            Err(file_fault(file, line, problem, expected))
        }
    }
}

fn file_fault(
    file: &XmlFile,
    line: usize,
    problem: impl Into<String>,
    expected: &str,
) -> Box<Fault> {
    let origin = Origin::File {
        path: file.path.clone(),
        line,
    };
    Box::new(Fault::new("this file", origin, problem, expected))
}

/// Where a document type is declared: before the first element, behind comments and instructions.
fn document_type(text: &str) -> Option<usize> {
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let end = if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!--") {
            "-->"
        } else {
            return rest.starts_with("<!").then(|| text.len() - rest.len());
        };
        let at = rest.find(end)?;
        rest = rest.get(at + end.len()..)?;
    }
}

/// Line and column of a byte, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (1 + before.matches('\n').count(), column)
}

/// What is wrong, in our own words: those of the library quote the text, which may be a part of a password.
fn sentence(error: &Error) -> &'static str {
    match error {
        Error::UnknownEntityReference(..) | Error::MalformedEntityReference(_) => {
            "an & that is not written &amp;, or an entity that XML does not have"
        }
        Error::InvalidAttributeValue(_)
        | Error::InvalidChar(_, b'<', _)
        | Error::InvalidChar2(_, b'<', _) => "a < in a value that is not written &lt;",
        Error::DuplicatedAttribute(..) => "an attribute that the element has already",
        Error::UnexpectedCloseTag(..) => "the end of an element that is not the open one",
        Error::NoRootNode => "the file has no element",
        Error::UnclosedRootNode | Error::UnexpectedEndOfStream => {
            "the file ends before its elements do"
        }
        Error::InvalidChar(..) | Error::InvalidChar2(..) => {
            "a character that cannot stand here; values stand in straight quotes (\")"
        }
        Error::NodesLimitReached
        | Error::AttributesLimitReached
        | Error::NamespacesLimitReached => "more elements than a configuration file has",
        Error::UnknownNamespace(..) => "a name with a prefix that is not declared",
        Error::DtdDetected => "a document type, which is not accepted",
        _ => "the file is not well-formed here",
    }
}

/// Where lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of a byte, from 1.
    fn of_byte(&self, at: usize) -> usize {
        1 + self.0.partition_point(|&end| end < at)
    }
}
