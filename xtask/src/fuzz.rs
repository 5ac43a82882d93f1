//! The long form of fuzzing: libFuzzer on the stable compiler, one run for each target.
//!
//! The short form is `cargo test -p isochron-fuzz`; it needs nothing of this.

use crate::root;
use crate::steps::{cargo, cargo_output, output, status};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// How long each target runs unless told otherwise.
pub(crate) const SECONDS_DEFAULT: u32 = 60;

/// Coverage counters and comparison hooks for libFuzzer, as the stable compiler takes them.
///
/// `fuzz/README.md` says what each one is for.
const COVERAGE_FLAGS: &str = "--cfg=fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
     -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks";

/// The feature of isochron-fuzz that its targets require.
const FEATURE: &str = "libfuzzer";

/// A folder of its own, so that these flags do not rebuild what everybody else uses.
const TARGET_FOLDER: &str = "target/fuzz";

/// Builds every target and runs it for `seconds`; the corpus grows in `fuzz/corpus`.
///
/// # Errors
/// If a target does not build, or finds an input that it cannot bear (libFuzzer leaves the input in
/// `fuzz/artifacts`).
pub(crate) fn run(seconds: u32) -> Result<()> {
    let targets = targets()?;
    if targets.is_empty() {
        bail!("package isochron-fuzz has no target");
    }
    // With --target the flags reach our code only, not build scripts and procedural macros.
    let host = host()?;
    let line = "build --release --package isochron-fuzz --features libfuzzer --bins --target";
    cargo(
        line,
        &[&host, "--target-dir", TARGET_FOLDER],
        &[
            ("RUSTFLAGS", COVERAGE_FLAGS),
            // Link-time optimisation would drop the counters.
            ("CARGO_PROFILE_RELEASE_LTO", "off"),
        ],
    )?;
    // What was recorded from real clients is where the search starts.
    cargo(
        "run --quiet --package isochron-fuzz --example corpus",
        &[],
        &[],
    )?;
    let folder = root().join(TARGET_FOLDER).join(host).join("release");
    for target in targets {
        println!("\n-- {target}, {seconds} s");
        let decoder = target.trim_start_matches("fuzz_");
        let corpus = root().join("fuzz/corpus").join(decoder);
        let artifacts = root().join("fuzz/artifacts").join(decoder);
        for needed in [&corpus, &artifacts] {
            std::fs::create_dir_all(needed)
                .with_context(|| format!("cannot make {}", needed.display()))?;
        }
        let mut command = Command::new(folder.join(&target));
        command
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .arg("-timeout=5")
            .arg("-rss_limit_mb=1024")
            .arg("-print_final_stats=1")
            .arg(corpus)
            .current_dir(root());
        status(command).with_context(|| format!("fuzz target {target}"))?;
    }
    Ok(())
}

/// The names of the fuzz binaries, from the manifest itself.
fn targets() -> Result<Vec<String>> {
    let metadata = cargo_output("metadata --no-deps --format-version 1")?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata)?;
    let mut names = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if package["name"] != "isochron-fuzz" {
            continue;
        }
        for target in package["targets"].as_array().into_iter().flatten() {
            // Other programs of the package need no libFuzzer.
            if target["required-features"][0] == FEATURE {
                names.extend(target["name"].as_str().map(str::to_owned));
            }
        }
    }
    Ok(names)
}

/// The triple of this machine.
fn host() -> Result<String> {
    let mut command = Command::new("rustc");
    command.arg("-vV");
    let text = output(command)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}
