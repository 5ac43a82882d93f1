//! Rules for the text of our own files.

use super::File;

/// A file is a sitting's read.
const LINES_MAX: usize = 800;

/// Files that may be longer, each with the reason.
const LONG_FILES: [(&str, &str); 4] = [
    (
        "crates/community/tests/scenarios.rs",
        "one scenario after the other, each read by itself",
    ),
    (
        "crates/wire/tests/halves.rs",
        "one exchange after the other, each read by itself",
    ),
    (
        "crates/wire/tests/vectors.rs",
        "names every field of every message, to compare them with the recorded ones",
    ),
    (
        "tests/meanwhile/driver.c",
        "one file, so that one call of the C compiler builds the driver",
    ),
];

/// What is measured by [`LINES_MAX`]: what people write.
const WRITTEN_BY_PEOPLE: [&str; 6] = [".rs", ".c", ".h", ".md", ".sh", ".toml"];

/// What a room's code must not name, because another room does it (`ARCHITECTURE.md`, "It never").
const NEVER: [(&str, &[&str], &str); 5] = [
    (
        "crates/wire/src/",
        &[
            "tokio",
            "std::net",
            "std::fs",
            "std::thread",
            "Instant",
            "SystemTime",
        ],
        "wire has no I/O and no clock",
    ),
    (
        "crates/config/src/",
        &["TcpListener", "TcpStream", "UdpSocket"],
        "config opens no socket",
    ),
    (
        "crates/keys/src/",
        &["TcpListener", "TcpStream", "UdpSocket"],
        "keys opens no socket",
    ),
    (
        "crates/community/src/",
        &["TcpListener", "TcpStream", "UdpSocket", "rustls"],
        "community never sees a socket or TLS",
    ),
    (
        "crates/net/src/",
        &["wire::message", "wire::service", "wire::Message"],
        "net does not look inside a Sametime message",
    ),
];

/// Where each Sametime service has its own file, and none may reach into another's.
const SERVICES: &str = "crates/community/src/service/";

/// Words that stand for work not done. Spelled in two halves, so that this file may hold them.
const UNFINISHED: [&str; 4] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X:"),
    concat!("#[ig", "nore"),
];

/// A test that is the other process of a test beside it is run by that one, not skipped.
const STARTED_BY_ANOTHER: &str = concat!("#[ig", "nore = \"started by ");

/// Places that exist on one machine only.
const FOREIGN_PATHS: [&str; 2] = [concat!("/wo", "rk/"), concat!("../sha", "red")];

/// Faults in the text of the files; `exists` tells whether a path from the root is there.
pub(super) fn check(files: &[File], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        length(file, &mut faults);
        words(file, &mut faults);
        if file.path.ends_with(".rs") {
            head(file, &mut faults);
            allowances(file, &mut faults);
            borders(file, &mut faults);
        }
    }
    services(files, &mut faults);
    for (path, _) in LONG_FILES {
        if !exists(path) {
            faults.push(format!("{path}: a long file by name, but it is gone"));
        }
    }
    faults
}

fn length(file: &File, faults: &mut Vec<String>) {
    let lines = file.text.lines().count();
    let measured = WRITTEN_BY_PEOPLE.iter().any(|end| file.path.ends_with(end));
    let excepted = LONG_FILES.iter().any(|(path, _)| *path == file.path);
    if measured && !excepted && lines > LINES_MAX {
        let path = &file.path;
        faults.push(format!(
            "{path}: {lines} lines; is it one thing? ({LINES_MAX} at most)"
        ));
    }
}

fn words(file: &File, faults: &mut Vec<String>) {
    let is_code = [".rs", ".c", ".h", ".sh"]
        .iter()
        .any(|end| file.path.ends_with(end));
    for (number, line) in numbered(&file.text) {
        for path in FOREIGN_PATHS {
            if line.contains(path) {
                faults.push(format!("{}:{number}: names {path}", file.path));
            }
        }
        for word in UNFINISHED {
            if is_code && line.contains(word) && !line.contains(STARTED_BY_ANOTHER) {
                faults.push(format!(
                    "{}:{number}: {word}: do it, or leave it out",
                    file.path
                ));
            }
        }
    }
}

/// A crate begins by saying what it is for.
fn head(file: &File, faults: &mut Vec<String>) {
    let is_root = file.path.ends_with("src/lib.rs") || file.path.ends_with("src/main.rs");
    if is_root && !file.text.starts_with("//! ") {
        faults.push(format!(
            "{}:1: a crate begins with `//!`, what it is for",
            file.path
        ));
    }
}

/// A lint is switched off for a reason that stands beside it.
fn allowances(file: &File, faults: &mut Vec<String>) {
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    for (index, line) in lines.iter().enumerate() {
        if !line.starts_with("#[allow(") && !line.starts_with("#![allow(") {
            continue;
        }
        // rustfmt may have broken the attribute into lines.
        let end = lines[index..].iter().position(|line| line.contains(")]"));
        let attribute = lines[index..=index + end.unwrap_or(0)].concat();
        let comment_above = index > 0 && lines[index - 1].starts_with("//");
        if !attribute.contains("reason") && !attribute.contains("//") && !comment_above {
            let path = &file.path;
            faults.push(format!(
                "{path}:{}: an allowed lint without a reason",
                index + 1
            ));
        }
    }
}

fn borders(file: &File, faults: &mut Vec<String>) {
    for (folder, names, reason) in NEVER {
        if !file.path.starts_with(folder) {
            continue;
        }
        for (number, line) in numbered(&file.text) {
            for name in names {
                if names_it(code(line), name) {
                    faults.push(format!("{}:{number}: {name}: {reason}", file.path));
                }
            }
        }
    }
}

/// A service has no access to another service's state.
fn services(files: &[File], faults: &mut Vec<String>) {
    let in_services = files.iter().filter_map(|file| {
        let rest = file.path.strip_prefix(SERVICES)?;
        let name = rest.split('/').next()?.trim_end_matches(".rs");
        (name != "mod").then_some((name, file))
    });
    let in_services: Vec<(&str, &File)> = in_services.collect();
    for (own, file) in &in_services {
        let text: String = file
            .text
            .lines()
            .map(|line| code(line).to_owned() + "\n")
            .collect();
        for (other, _) in in_services.iter().filter(|(other, _)| other != own) {
            let direct = ["super", "service"].iter().any(|from| {
                names_it(&text, &format!("{from}::{other}")) || in_group(&text, from, other)
            });
            if direct {
                let path = &file.path;
                let fault = format!("{path}: uses service {other}; go through the context");
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
        }
    }
}

/// True if `text` has `from::{… other …}` with `other` as a module or item of the group.
fn in_group(text: &str, from: &str, other: &str) -> bool {
    let start = format!("{from}::{{");
    text.match_indices(&start).any(|(at, _)| {
        let group = &text[at + start.len()..];
        let end = group.find(';').unwrap_or(group.len());
        names_it(&group[..end], other)
    })
}

/// True if `name` stands in `code` as whole words.
fn names_it(code: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + name.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// The line without its comment. Two slashes after a colon are an address.
fn code(line: &str) -> &str {
    let comment = line
        .match_indices("//")
        .find(|(at, _)| !line[..*at].ends_with(':'));
    comment.map_or(line, |(at, _)| &line[..at])
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        check(&[File::new(path, text)], &|_| true)
    }

    #[test]
    fn wire_has_no_clock_but_may_speak_of_one() {
        let path = "crates/wire/src/frame.rs";
        assert_eq!(faults(path, "use std::time::Instant;\n").len(), 1);
        assert_eq!(faults(path, "let at = Instant::now(); // late\n").len(), 1);
        assert_eq!(
            faults(path, "/// No Instant here, and no tokio.\n"),
            [""; 0]
        );
        assert_eq!(faults(path, "struct Instantly;\n"), [""; 0]);
        assert_eq!(
            faults("crates/mux/src/a.rs", "use std::time::Instant;\n"),
            [""; 0]
        );
    }

    #[test]
    fn a_service_does_not_reach_into_another() {
        let uses = [
            "use super::resolve::Query;\n",
            "use crate::service::resolve;\n",
            "use super::{Context, resolve::Query};\n",
            "use super::{\n    Context,\n    resolve,\n};\n",
        ];
        for text in uses {
            let files = [
                File::new("crates/community/src/service/im.rs", text),
                File::new("crates/community/src/service/resolve.rs", ""),
                File::new(
                    "crates/community/src/service/mod.rs",
                    "mod im;\nmod resolve;\n",
                ),
            ];
            assert_eq!(check(&files, &|_| true).len(), 1, "{text}");
        }
        let files = [
            File::new(
                "crates/community/src/service/im.rs",
                "use super::Context;\nuse wire::resolve;\n// super::resolve is not ours\n",
            ),
            File::new(
                "crates/community/src/service/resolve.rs",
                "use super::Context;\n",
            ),
        ];
        assert_eq!(check(&files, &|_| true), [""; 0]);
    }

    #[test]
    fn a_crate_says_what_it_is_for() {
        assert_eq!(faults("crates/x/src/lib.rs", "pub mod a;\n").len(), 1);
        assert_eq!(faults("crates/x/src/lib.rs", "//! A room.\n"), [""; 0]);
    }

    #[test]
    fn an_allowed_lint_has_a_reason() {
        let bare = "#[allow(clippy::panic)]\nfn f() {}\n";
        assert_eq!(faults("crates/x/src/a.rs", bare).len(), 1);
        let reasoned = [
            "// Cannot fail: checked above.\n#[allow(clippy::panic)]\nfn f() {}\n",
            "#[allow(clippy::panic, reason = \"checked above\")]\nfn f() {}\n",
            "#[allow(\n    clippy::panic,\n    reason = \"checked above\"\n)]\nfn f() {}\n",
        ];
        for text in reasoned {
            assert_eq!(faults("crates/x/src/a.rs", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn unfinished_work_foreign_paths_and_long_files_are_faults() {
        let unfinished = format!("// {} later\n", UNFINISHED[0]);
        assert_eq!(faults("crates/x/src/a.rs", &unfinished).len(), 1);
        let skipped = format!("{} = \"slow\"]\n", UNFINISHED[3]);
        assert_eq!(faults("crates/x/src/a.rs", &skipped).len(), 1);
        let child = format!("{}a_test\"]\n", STARTED_BY_ANOTHER);
        assert_eq!(faults("crates/x/src/a.rs", &child), [""; 0]);
        let path = format!("see {}notes\n", FOREIGN_PATHS[0]);
        assert_eq!(faults("docs/a.md", &path).len(), 1);
        assert_eq!(faults("docs/a.md", &"line\n".repeat(LINES_MAX)), [""; 0]);
        assert_eq!(
            faults("docs/a.md", &"line\n".repeat(LINES_MAX + 1)).len(),
            1
        );
        assert_eq!(
            faults("a/vectors.json", &"line\n".repeat(LINES_MAX + 1)),
            [""; 0]
        );
    }
}
