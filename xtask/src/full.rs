//! `cargo xtask test --full`: the everyday run and then the long forms, with a record of the result.

use crate::steps::{self, Step, output};
use crate::{bench, fuzz, root};
use anyhow::{Context, Result};
use std::process::Command;

/// Where the record goes.
const RECORD: &str = "docs/full-test.md";

/// Runs everything and writes the record, whether it passed or not.
///
/// # Errors
/// The first step that failed, or if the record cannot be written.
pub(crate) fn run() -> Result<()> {
    let mut steps = crate::test();
    steps.extend([
        // A hundred times the everyday number of cases, and key stores in all combinations.
        Step::cargo_with(
            "property tests, long",
            "test --workspace --exclude isochron-tests --exclude isochron-fuzz --release",
            &[("PROPTEST_CASES", "25600"), ("ISOCHRON_FULL", "1")],
        ),
        Step::cargo_with(
            "scanners, long",
            "test --package isochron-tests --test tls_scanners",
            &[("ISOCHRON_FULL", "1")],
        ),
        Step::call("fuzzing, long", || fuzz::run(fuzz::SECONDS_DEFAULT)),
        // The benchmark has a record of its own, made on a machine that does nothing else; here it must only run.
        Step::call("bench, short", || bench(&["--short"])),
    ]);
    let outcome = steps::run(&steps);
    let record = record(&outcome.summary(), outcome.passed())?;
    std::fs::write(root().join(RECORD), record)
        .with_context(|| format!("cannot write {RECORD}"))?;
    println!("written: {RECORD}");
    outcome.finish()
}

fn record(summary: &str, passed: bool) -> Result<String> {
    let date = said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])?;
    let commit = said("git", &["rev-parse", "HEAD"])?;
    let changes = said("git", &["status", "--porcelain"])?;
    let state = if changes.is_empty() {
        "as committed"
    } else {
        "with changes that are not committed"
    };
    let verdict = if passed { "passed" } else { "FAILED" };
    Ok(format!(
        "# The last full test\n\nWritten by `cargo xtask test --full`.\n\n\
         | | |\n|---|---|\n| date | {date} |\n| commit | `{commit}`, {state} |\n\
         | result | {verdict} |\n\n```text\n{summary}```\n"
    ))
}

fn said(program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    Ok(output(command)?.trim().to_owned())
}
