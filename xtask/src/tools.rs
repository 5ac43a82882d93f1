//! Tools of the tests that no Debian package brings, each pinned by version and checksum.
//!
//! They come once, into `target/tools`. None of them is linked into the product.

use crate::{root, steps};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Where they lie, below the root.
const FOLDER: &str = "target/tools";

/// What `sslyze` needs: complete lists for pip, with the checksums of every platform's file.
///
/// The first holds what comes ready to run, with what builds the second; the second is `sslyze` itself, which comes
/// as source only.
const SSLYZE: [(&str, &[&str]); 2] = [
    ("tests/sslyze/wheels.txt", &["--only-binary=:all:"]),
    ("tests/sslyze/sslyze.txt", &["--no-build-isolation"]),
];

/// Makes sure that every pinned tool is there, in the version that the repository names.
///
/// # Errors
/// If one cannot be fetched, or is not what its checksum says.
pub(crate) fn ensure() -> Result<()> {
    sslyze()
}

fn sslyze() -> Result<()> {
    let folder = root().join(FOLDER).join("sslyze");
    let stamp = folder.join("installed");
    let mut wanted = String::new();
    for (list, _) in SSLYZE {
        let list = root().join(list);
        wanted += &std::fs::read_to_string(&list)
            .with_context(|| format!("cannot read {}", list.display()))?;
    }
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        println!("sslyze is there");
        return Ok(());
    }
    if folder.exists() {
        // Another version, or what an interrupted run left.
        std::fs::remove_dir_all(&folder)?;
    }
    let mut venv = Command::new("python3");
    venv.args(["-m", "venv"]).arg(&folder);
    steps::status(venv)?;
    for (list, options) in SSLYZE {
        pip(&folder, &root().join(list), options)?;
    }
    std::fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn pip(venv: &Path, list: &Path, options: &[&str]) -> Result<()> {
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ])
    .args(["--no-deps", "--require-hashes"])
    .args(options)
    .arg("-r")
    .arg(list);
    steps::status(pip)
}
