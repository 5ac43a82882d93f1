//! Where the pinned tools lie that `cargo xtask tools` brings.

use crate::tools;
use std::process::Command;

/// `sslyze`.
///
/// # Panics
/// When it is not there; the message says how it comes.
#[must_use]
pub fn sslyze() -> Command {
    let root = tools::manifest_dir();
    let python = root.join("../target/tools/sslyze/bin/python");
    assert!(
        python.is_file(),
        "sslyze is missing: run `cargo xtask tools`, which brings it"
    );
    let mut command = Command::new(python);
    command.args(["-m", "sslyze"]);
    command
}
