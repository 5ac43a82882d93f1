//! Development tasks of the project, in the house language and without another tool to install.
//!
//! `cargo xtask test` is the second of the two commands that README.md promises; CI calls the same one.

mod docs;
mod full;
mod fuzz;
mod packages;
mod steps;
mod tidy;
mod tools;

use anyhow::{Result, bail};
use std::path::Path;
use std::process::ExitCode;
use steps::Step;

const USAGE: &str = "\
usage: cargo xtask <task>

  check              format, clippy with warnings as errors, tidy, unit tests
  test [--full]      everything README.md promises: installs what the tests need, then check,
                     the server binary, scenarios, real clients, hostile input;
                     --full adds the long forms and writes docs/full-test.md
  tidy               the rules of the house that no compiler checks
  tools              brings the pinned tools of the tests that no Debian package has
  docs               writes the pages that are made from code
  fuzz [--seconds N] the long form of fuzzing, N seconds for each target (60)
  bench [ARGS]       builds the server in release and runs the load generator with ARGS
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["check"] => steps::run(&check()).finish(),
        ["test"] => steps::run(&test()).finish(),
        ["test", "--full"] => full::run(),
        ["tidy"] => tidy::run(),
        ["tools"] => tools::ensure(),
        ["docs"] => docs::write(),
        ["fuzz"] => fuzz::run(fuzz::SECONDS_DEFAULT),
        ["fuzz", "--seconds", seconds] => match seconds.parse() {
            Ok(seconds) => fuzz::run(seconds),
            Err(_) => bail!("--seconds takes a whole number, not {seconds:?}"),
        },
        ["bench", arguments @ ..] => bench(arguments),
        [] | ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bail!("unknown task: {}\n\n{USAGE}", arguments.join(" ")),
    }
}

fn check() -> Vec<Step> {
    vec![
        Step::call("toolchain", packages::ensure_components),
        Step::cargo("format", "fmt --all --check"),
        Step::cargo(
            "clippy",
            "clippy --workspace --all-targets --locked -- -D warnings",
        ),
        Step::call("tidy", tidy::run),
        Step::cargo(
            "unit tests",
            "test --workspace --exclude isochron-tests --exclude isochron-fuzz",
        ),
    ]
}

fn test() -> Vec<Step> {
    let mut steps = vec![
        Step::call("packages", packages::ensure),
        Step::call("pinned tools", tools::ensure),
    ];
    steps.extend(check());
    steps.extend([
        Step::cargo("hostile input", "test --package isochron-fuzz"),
        Step::cargo("server", "build --package isochron"),
        Step::cargo(
            "scenarios and real clients",
            "test --package isochron-tests --no-fail-fast",
        ),
    ]);
    steps
}

fn bench(arguments: &[&str]) -> Result<()> {
    steps::cargo("build --release --package isochron", &[], &[])?;
    let run = "run --release --package isochron-testkit --bin bench --";
    steps::cargo(run, arguments, &[])
}

/// The root of the checkout.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
