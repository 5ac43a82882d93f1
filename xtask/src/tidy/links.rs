//! Links between Markdown pages lead somewhere, and so do citations of our pages in code.

use super::File;

/// The tests of these rules cite pages that were never there.
const OWN_EXAMPLES: &str = "xtask/";

/// Faults in the links of Markdown files and in the citations of other text files.
///
/// `exists` tells whether a path from the root of the project is there.
pub(super) fn check(files: &[File], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files {
        if file.path.ends_with(".md") {
            for (line, target) in links(&file.text) {
                if let Some(why) = broken(&file.path, &target, files, exists) {
                    faults.push(format!("{}:{line}: link to {target}: {why}", file.path));
                }
            }
        } else if !file.path.starts_with(OWN_EXAMPLES) {
            for (line, page) in citations(&file.text) {
                if !exists(&page) {
                    let path = &file.path;
                    faults.push(format!("{path}:{line}: cites {page}, which is not there"));
                }
            }
        }
    }
    faults
}

/// Line number and target of each inline link outside code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        let mut rest = line.as_str();
        while let Some(start) = rest.find("](") {
            rest = &rest[start + 2..];
            let Some(end) = rest.find(')') else { break };
            // A title may follow the target after a blank.
            let target = rest[..end].split_whitespace().next().unwrap_or_default();
            found.push((number, target.to_owned()));
            rest = &rest[end..];
        }
    }
    found
}

/// The lines that are not in a code block, without their code spans, numbered from 1.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut in_block = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            let outside = line.split('`').step_by(2).collect();
            lines.push((index + 1, outside));
        }
    }
    lines
}

fn broken(
    from: &str,
    target: &str,
    files: &[File],
    exists: &dyn Fn(&str) -> bool,
) -> Option<&'static str> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (page, heading) = target.split_once('#').unwrap_or((target, ""));
    let path = if page.is_empty() {
        from.to_owned()
    } else {
        match resolve(from, page) {
            Some(path) => path,
            None => return Some("leads out of the project"),
        }
    };
    if !exists(&path) {
        return Some("nothing is there");
    }
    let file = files.iter().find(|file| file.path == path);
    let misses = |file: &File| !heading.is_empty() && !has_heading(&file.text, heading);
    file.is_some_and(misses).then_some("no such heading there")
}

/// `link`, as it stands in the file `from`, as a path from the root.
fn resolve(from: &str, link: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn has_heading(text: &str, anchor: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| slug(line.trim_start_matches('#')))
        .any(|slug| slug == anchor)
}

/// A heading as the anchor that Markdown renderers make of it.
fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    let text = heading.trim().to_lowercase();
    text.chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}

/// Line number and path of each of our pages that a text names as `docs/….md`.
fn citations(text: &str) -> Vec<(usize, String)> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for word in line.split(|c| !is_path(c)) {
            let word = word.trim_end_matches('.');
            if word.starts_with("docs/") && word.ends_with(".md") {
                found.push((index + 1, word.to_owned()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_file_and_a_heading() {
        let text = "# One thing: a `frame`\n\
            [self](#one-thing-a-frame) [up](../README.md) [folder](../data/)\n\
            [out](../../x.md) [gone](gone.md) [heading](#other) [web](https://example.com/x)\n\
            `[code](no.md)`\n```\n[block](no.md)\n```\n";
        let files = [File::new("docs/a.md", text)];
        let exists = |path: &str| ["docs/a.md", "README.md", "data"].contains(&path);
        let expected = [
            "docs/a.md:3: link to ../../x.md: leads out of the project",
            "docs/a.md:3: link to gone.md: nothing is there",
            "docs/a.md:3: link to #other: no such heading there",
        ];
        assert_eq!(check(&files, &exists), expected);
    }

    #[test]
    fn a_citation_in_code_names_a_page_that_is_there() {
        let text = "//! Source: `docs/here.md`, \"Limits\".\n/// See docs/gone.md.\n";
        let files = [File::new("src/lib.rs", text)];
        let faults = check(&files, &|path| path == "docs/here.md");
        assert_eq!(
            faults,
            ["src/lib.rs:2: cites docs/gone.md, which is not there"]
        );
    }
}
