//! Pages that are made from code, so that they cannot disagree with it.

use crate::root;
use anyhow::{Context, Result};

/// The page of all settings, made from the table that the server itself reads.
const SETTINGS: &str = "docs/operators/settings.md";

/// Writes the pages.
///
/// # Errors
/// If a page cannot be written.
pub(crate) fn write() -> Result<()> {
    std::fs::write(root().join(SETTINGS), config::reference())
        .with_context(|| format!("cannot write {SETTINGS}"))?;
    println!("written: {SETTINGS}");
    Ok(())
}

/// Faults: pages that are not as the code would make them.
pub(crate) fn check() -> Vec<String> {
    let page = std::fs::read_to_string(root().join(SETTINGS)).unwrap_or_default();
    if page == config::reference() {
        return Vec::new();
    }
    vec![format!(
        "{SETTINGS}: not as the table of settings says; run `cargo xtask docs`"
    )]
}
