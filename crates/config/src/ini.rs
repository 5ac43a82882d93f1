//! `sametime.ini`: sections, keys, whole-line comments, line numbers kept.
//!
//! Source: `docs/domain/config-files.md` 1 and 5.4; comments are whole lines, because a value (a password, a
//! search filter) may hold `#` and `;`.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::fault::Excerpt;
use crate::loader::{Item, Rank};
use crate::names::{key_id, secret_name_end, section_id};
use crate::{Fault, Faults, Note, Origin};

/// Bytes of a configuration file. Real ones have a few kilobytes; more is the wrong file.
pub const INI_BYTES_MAX: usize = 1 << 20;

/// Lines that are neither section nor setting, after which reading ends: one wrong file makes thousands.
const SYNTAX_FAULTS_MAX: usize = 10;

/// A configuration file as it was read.
#[derive(Clone)]
pub struct IniFile {
    /// How messages name it.
    pub path: PathBuf,
    /// Its bytes, whatever they are.
    pub bytes: Vec<u8>,
}

impl IniFile {
    /// Reads a file, at most [`INI_BYTES_MAX`] bytes of it and one more, so that [`crate::load`] sees that it is too long.
    ///
    /// # Errors
    /// One fault that names the file if it cannot be opened or read.
    pub fn read(path: &Path) -> Result<IniFile, Faults> {
        let mut bytes = Vec::new();
        let limit = INI_BYTES_MAX as u64 + 1;
        match File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
            Ok(_) => Ok(IniFile {
                path: path.to_owned(),
                bytes,
            }),
            Err(error) => Err(Faults::from(vec![Fault {
                setting: "configuration file".to_owned(),
                origin: Origin::File {
                    path: path.to_owned(),
                    line: 0,
                },
                problem: format!("cannot be read: {error}"),
                expected: "a readable file; --config names another one".to_owned(),
                excerpt: None,
            }])),
        }
    }
}

impl std::fmt::Debug for IniFile {
    /// Without the content, which may hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "IniFile({}, {} bytes)",
            self.path.display(),
            self.bytes.len()
        )
    }
}

/// The file without a setting, if the setting has the value `only_if`: every line that gives it goes, and each other
/// byte stays as it is, line ends and byte-order mark too. Section, key and value compare as they do when the file is
/// read.
///
/// Of several lines the last one counts, as it does when the file is read. If it has another value, which somebody may
/// have written in the meantime, all of them stay; if it has this one, the earlier ones go too, because one of them
/// would take its place.
///
/// For clear-text passwords that went into a stash file (`docs/domain/tls-scopes.md` 14).
#[must_use]
pub fn without_setting(bytes: &[u8], section: &str, key: &str, only_if: &str) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        // Such a file is refused, so nothing was read from it.
        return bytes.to_vec();
    };
    let content = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut kept = Vec::with_capacity(bytes.len());
    kept.extend_from_slice(&bytes[..text.len() - content.len()]);
    let mut is_in_section = false;
    let mut last = None;
    for raw in content.split_inclusive('\n') {
        let line = raw.trim();
        if let Some(name) = section_name(line) {
            is_in_section = section_id(name) == section_id(section);
        }
        // A comment or a section is never the key, because of its first character.
        match line.split_once('=') {
            Some((name, value)) if is_in_section && key_id(name.trim()) == key_id(key) => {
                last = Some(value.trim());
            }
            _ => kept.extend_from_slice(raw.as_bytes()),
        }
    }
    if last == Some(only_if) {
        kept
    } else {
        bytes.to_vec()
    }
}

/// Splits the file into items. A key given twice in a section leaves its last value.
pub(crate) fn parse(file: &IniFile, notes: &mut Vec<Note>, faults: &mut Vec<Fault>) -> Vec<Item> {
    let mut parser = Parser {
        path: &file.path,
        items: Vec::new(),
        notes,
        faults,
    };
    match parser.text(&file.bytes) {
        Ok(text) => parser.lines(text),
        Err(fault) => parser.faults.push(*fault),
    }
    parser.items
}

struct Parser<'a> {
    path: &'a Path,
    items: Vec<Item>,
    notes: &'a mut Vec<Note>,
    faults: &'a mut Vec<Fault>,
}

impl Parser<'_> {
    /// The bytes as text without byte-order mark, or the one reason why they are none.
    fn text<'t>(&self, bytes: &'t [u8]) -> Result<&'t str, Box<Fault>> {
        if bytes.len() > INI_BYTES_MAX {
            return Err(self.file_fault(
                0,
                "is too long for a configuration file",
                "at most 1 MiB",
            ));
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(self.file_fault(1, "is written in UTF-16", "a file saved as UTF-8"));
        }
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
            Err(error) => {
                let line = line_of(bytes, error.valid_up_to());
                let problem = "holds bytes that are not UTF-8 text";
                return Err(self.file_fault(line, problem, "a text file saved as UTF-8"));
            }
        };
        // CR only as part of CR LF: elsewhere it could hide the beginning of a line from the reader.
        let binary = text.char_indices().find(|&(at, c)| match c {
            '\t' | '\n' => false,
            '\r' => !matches!(text.as_bytes().get(at + 1), Some(b'\n') | None),
            c => c.is_control(),
        });
        match binary {
            Some((at, c)) => {
                let problem = format!("holds the control character U+{:04X}", u32::from(c));
                let line = line_of(text.as_bytes(), at);
                Err(self.file_fault(line, &problem, "a text file without control characters"))
            }
            None => Ok(text),
        }
    }

    fn lines(&mut self, text: &str) {
        let mut section: Option<String> = None;
        let mut sections_seen: HashMap<String, usize> = HashMap::new();
        let mut syntax_faults = 0;
        for (index, raw) in text.lines().enumerate() {
            let number = index + 1;
            let line = raw.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let problem = if let Some(name) = section_name(line) {
                if let Some(first) = sections_seen.get(&section_id(name)) {
                    let text = format!(
                        "section [{name}] began already in line {first}; both are read as one"
                    );
                    self.notes.push(Note {
                        text,
                        origin: self.origin(number),
                    });
                } else {
                    sections_seen.insert(section_id(name), number);
                }
                section = Some(name.to_owned());
                continue;
            } else if line.starts_with('[') {
                "is not a section name"
            } else if let Some((before, value)) = raw
                .split_once('=')
                .filter(|(key, _)| !key.trim().is_empty())
            {
                if let Some(section) = &section {
                    let section = section.clone();
                    self.setting(section, number, before, value);
                    continue;
                }
                "stands before the first section, where it has no effect"
            } else {
                "is neither a section nor a setting nor a comment"
            };
            syntax_faults += 1;
            self.syntax_fault(number, raw, problem);
            if syntax_faults == SYNTAX_FAULTS_MAX {
                return;
            }
        }
    }

    fn setting(&mut self, section: String, number: usize, before: &str, value: &str) {
        let indent = value.len() - value.trim_start().len();
        let source = self.path.display().to_string();
        let shown_before = format!("{before}={}", &value[..indent]);
        let item = Item {
            section,
            key: before.trim().to_owned(),
            value: value.trim().to_owned(),
            origin: self.origin(number),
            excerpt: Excerpt::new(source, number, &shown_before, value.trim()),
            rank: Rank::File,
        };
        match self
            .items
            .iter()
            .position(|earlier| earlier.same_setting(&item))
        {
            Some(at) => {
                let earlier = std::mem::replace(&mut self.items[at], item);
                let text = match &earlier.origin {
                    Origin::File { line, .. } => format!(
                        "{} is also set in line {line}; this line wins",
                        earlier.name()
                    ),
                    _ => format!("{} is set twice; this line wins", earlier.name()),
                };
                self.notes.push(Note {
                    text,
                    origin: self.origin(number),
                });
            }
            None => self.items.push(item),
        }
    }

    fn syntax_fault(&mut self, number: usize, raw: &str, problem: &str) {
        // A password whose `=` is missing must not be printed either: nothing is shown behind its name.
        let line = raw.trim();
        let shown = secret_name_end(line).unwrap_or_default();
        let source = self.path.display().to_string();
        let excerpt = Excerpt::new(source, number, &line[..shown], &line[shown..]);
        self.faults.push(Fault {
            setting: "this line".to_owned(),
            origin: self.origin(number),
            problem: problem.to_owned(),
            expected:
                "[Section], KEY=value below a section, or a comment line beginning with # or ;"
                    .to_owned(),
            excerpt: Some(excerpt),
        });
    }

    fn file_fault(&self, line: usize, problem: &str, expected: &str) -> Box<Fault> {
        Box::new(Fault {
            setting: "this file".to_owned(),
            origin: self.origin(line),
            problem: problem.to_owned(),
            expected: expected.to_owned(),
            excerpt: None,
        })
    }

    fn origin(&self, line: usize) -> Origin {
        Origin::File {
            path: self.path.to_owned(),
            line,
        }
    }
}

/// `Debug` from `[Debug]`.
fn section_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix('[')?.strip_suffix(']')?.trim();
    (!name.is_empty() && !name.contains(['[', ']'])).then_some(name)
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    1 + bytes[..at].iter().filter(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_removed_and_each_other_byte_stays() {
        let key = "ST_TLS_KEY_STORE_PASSWORD";
        for (before, after) in [
            (
                "\u{feff}[Config]\r\nA=1\r\nST_TLS_KEY_STORE_PASSWORD=x\r\nB=2\r\n",
                "\u{feff}[Config]\r\nA=1\r\nB=2\r\n",
            ),
            // Every duplicate goes, however it is written; the last line has no end.
            (
                "[config]\n st_tls_key_store_password = x \n\n[Debug]\n[CONFIG]\nST_TLS_KEY_STORE_PASSWORD= x",
                "[config]\n\n[Debug]\n[CONFIG]\n",
            ),
            // Neither comments nor other sections nor names that only begin alike.
            (
                "#ST_TLS_KEY_STORE_PASSWORD=x\n[Debug]\nST_TLS_KEY_STORE_PASSWORD=x\n[Config]\n\
                 ;ST_TLS_KEY_STORE_PASSWORD=x\nST_TLS_KEY_STORE_PASSWORD_FILE=x\n",
                "#ST_TLS_KEY_STORE_PASSWORD=x\n[Debug]\nST_TLS_KEY_STORE_PASSWORD=x\n[Config]\n\
                 ;ST_TLS_KEY_STORE_PASSWORD=x\nST_TLS_KEY_STORE_PASSWORD_FILE=x\n",
            ),
        ] {
            let found = without_setting(before.as_bytes(), "Config", key, "x");
            assert_eq!(String::from_utf8(found).unwrap(), after);
        }
        assert_eq!(without_setting(b"\xff\n", "Config", key, "x"), b"\xff\n");
    }

    #[test]
    fn a_setting_that_somebody_changed_in_the_meantime_stays() {
        let key = "ST_TLS_KEY_STORE_PASSWORD";
        for file in [
            "[Config]\nST_TLS_KEY_STORE_PASSWORD=new\n",
            // The last one is what the next start reads.
            "[Config]\nST_TLS_KEY_STORE_PASSWORD=x\nST_TLS_KEY_STORE_PASSWORD=new\n",
            "[Config]\nST_TLS_KEY_STORE_PASSWORD=X\n",
            "[Config]\n",
        ] {
            let found = without_setting(file.as_bytes(), "Config", key, "x");
            assert_eq!(String::from_utf8(found).unwrap(), file);
        }
        // The one before must not come back.
        let file = "[Config]\nST_TLS_KEY_STORE_PASSWORD=old\nST_TLS_KEY_STORE_PASSWORD=x\n";
        let found = without_setting(file.as_bytes(), "Config", key, "x");
        assert_eq!(found, b"[Config]\n");
    }
}
