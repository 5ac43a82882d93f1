//! The rules of the house that no compiler checks. `ARCHITECTURE.md` says why they exist.
//!
//! Each rule is a function from what it looks at to a list of faults, one line each.

mod arrows;
mod links;
mod sources;
mod supply;

use crate::docs;
use crate::root;
use crate::steps::{cargo_output, output};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Checks everything and prints each fault.
///
/// # Errors
/// If there is a fault, or something cannot be read.
pub(crate) fn run() -> Result<()> {
    let faults = faults()?;
    if faults.is_empty() {
        println!("tidy");
        return Ok(());
    }
    for fault in &faults {
        println!("{fault}");
    }
    bail!("tidy found {} fault(s)", faults.len());
}

/// A text file of the project: its path from the root, with `/`, and its content.
struct File {
    path: String,
    text: String,
}

fn faults() -> Result<Vec<String>> {
    let files = files()?;
    let metadata = cargo_output("metadata --no-deps --format-version 1")?;
    let packages = arrows::packages(&serde_json::from_str(&metadata)?);
    // The dependencies as they are really built here, with one line for each.
    let tree =
        cargo_output("tree --workspace --edges normal,build,dev --prefix none --format {p}|{l}")?;
    let policy = read("deny.toml")?;

    let mut faults = arrows::check(&packages);
    faults.extend(sources::check(&files, &|path| root().join(path).exists()));
    faults.extend(links::check(&files, &|path| root().join(path).exists()));
    faults.extend(supply::check(&tree, &policy));
    faults.extend(supply::check_record(
        &read("Cargo.toml")?,
        &read(supply::RECORD)?,
    ));
    faults.extend(docs::check());
    Ok(faults)
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| format!("cannot read {path}"))
}

/// Every text file that is in git or would be added to it.
fn files() -> Result<Vec<File>> {
    let mut command = Command::new("git");
    command
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root());
    let mut files = Vec::new();
    for path in output(command)?.lines() {
        // A file that is deleted but not committed, or that is no text, has nothing to say.
        if let Ok(text) = std::fs::read_to_string(root().join(path)) {
            let path = path.to_owned();
            files.push(File { path, text });
        }
    }
    Ok(files)
}

#[cfg(test)]
impl File {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_house_is_tidy() {
        let faults = super::faults().unwrap();
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    }
}
