//! Steps one after the other: progress, the first failure ends the run, a summary with durations.

use crate::root;
use anyhow::{Context, Result, bail};
use std::process::Command;
use std::time::{Duration, Instant};

/// One thing to do, with the name that the summary shows.
pub(crate) struct Step {
    name: &'static str,
    action: Action,
}

enum Action {
    Call(fn() -> Result<()>),
    Cargo {
        line: &'static str,
        environment: &'static [(&'static str, &'static str)],
    },
}

impl Step {
    /// A step that is a function of this crate.
    pub(crate) fn call(name: &'static str, function: fn() -> Result<()>) -> Self {
        let action = Action::Call(function);
        Self { name, action }
    }

    /// A step that is a call of cargo; `line` holds its arguments, separated by blanks.
    pub(crate) fn cargo(name: &'static str, line: &'static str) -> Self {
        Self::cargo_with(name, line, &[])
    }

    /// As [`Step::cargo`], with environment variables set.
    pub(crate) fn cargo_with(
        name: &'static str,
        line: &'static str,
        environment: &'static [(&'static str, &'static str)],
    ) -> Self {
        let action = Action::Cargo { line, environment };
        Self { name, action }
    }
}

/// What came of a run of steps.
pub(crate) struct Outcome {
    rows: Vec<(&'static str, Row)>,
    failure: Option<anyhow::Error>,
}

enum Row {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

/// Runs the steps in order and prints the summary. After a failure the rest is not run.
pub(crate) fn run(steps: &[Step]) -> Outcome {
    let mut rows = Vec::new();
    let mut failure = None;
    for (number, step) in steps.iter().enumerate() {
        if failure.is_some() {
            rows.push((step.name, Row::NotRun));
            continue;
        }
        println!("\n== {}/{}  {}", number + 1, steps.len(), step.name);
        let start = Instant::now();
        let result = match &step.action {
            Action::Call(function) => function(),
            Action::Cargo { line, environment } => cargo(line, &[], environment),
        };
        match result {
            Ok(()) => rows.push((step.name, Row::Passed(start.elapsed()))),
            Err(error) => {
                rows.push((step.name, Row::Failed(start.elapsed())));
                failure = Some(error.context(format!("step \"{}\" failed", step.name)));
            }
        }
    }
    let outcome = Outcome { rows, failure };
    println!("\n== summary\n{}", outcome.summary());
    outcome
}

impl Outcome {
    /// A table with one line for each step.
    pub(crate) fn summary(&self) -> String {
        let mut text = String::new();
        for (name, row) in &self.rows {
            let (verdict, duration) = match row {
                Row::Passed(duration) => ("ok", format!("{:.1} s", duration.as_secs_f64())),
                Row::Failed(duration) => ("FAILED", format!("{:.1} s", duration.as_secs_f64())),
                Row::NotRun => ("not run", String::new()),
            };
            let line = format!("{name:<28} {verdict:<8} {duration:>9}");
            text += line.trim_end();
            text.push('\n');
        }
        text
    }

    /// True when every step passed.
    pub(crate) fn passed(&self) -> bool {
        self.failure.is_none()
    }

    /// The first failure, if there was one.
    pub(crate) fn finish(self) -> Result<()> {
        match self.failure {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

/// Runs cargo in the root of the checkout with its output on ours.
///
/// `line` is split at blanks; `more` holds arguments that are passed as they are.
///
/// # Errors
/// If cargo cannot be started or does not end with success.
pub(crate) fn cargo(line: &str, more: &[&str], environment: &[(&str, &str)]) -> Result<()> {
    let mut command = cargo_command(line);
    command.args(more);
    command.envs(environment.iter().copied());
    status(command)
}

/// The output of cargo as text.
///
/// # Errors
/// If cargo cannot be started, does not end with success, or does not print UTF-8.
pub(crate) fn cargo_output(line: &str) -> Result<String> {
    output(cargo_command(line))
}

fn cargo_command(line: &str) -> Command {
    // Cargo names itself to the programs that it runs; without it, the one in PATH.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(line.split_whitespace()).current_dir(root());
    command
}

/// Runs a command with its output on ours.
///
/// # Errors
/// If it cannot be started or does not end with success.
pub(crate) fn status(mut command: Command) -> Result<()> {
    let shown = shown(&command);
    println!("$ {shown}");
    let status = command
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

/// The standard output of a command as text.
///
/// # Errors
/// If it cannot be started, does not end with success, or does not print UTF-8.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let shown = shown(&command);
    let output = command
        .output()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{shown}` ended with {}: {}", output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{shown}` printed no UTF-8"))
}

/// The command as a person would type it: the program without its folder.
fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut text = program
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_ends_the_run_and_is_named() {
        let steps = [
            Step::call("first", || Ok(())),
            Step::call("second", || bail!("a reason")),
            Step::call("third", || panic!("must not run")),
        ];
        let outcome = run(&steps);
        assert!(!outcome.passed());
        let summary = outcome.summary();
        let verdicts: Vec<&str> = summary
            .lines()
            .map(|line| line[29..].split("  ").next().unwrap_or_default().trim())
            .collect();
        assert_eq!(verdicts, ["ok", "FAILED", "not run"]);
        let error = outcome.finish().unwrap_err();
        assert_eq!(format!("{error:#}"), "step \"second\" failed: a reason");
    }
}
