//! The table of results.

use anyhow::{Context, Result};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// One measured thing.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// What.
    pub what: String,
    /// What Isochron needs, with its unit.
    pub measured: String,
    /// What the floor needs for the same.
    pub floor: String,
    /// The one by the other.
    pub ratio: String,
    /// What is to be reached.
    pub bound: String,
    /// Whether it is; `None` where nothing is to be reached.
    pub met: Option<bool>,
}

/// What has been measured so far.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of measuring.
    pub rows: Vec<Row>,
    /// Why the figures say nothing, if so.
    pub void: Option<String>,
}

/// Where the results stand in a page.
const BEGIN: &str = "<!-- bench: begin -->";
const END: &str = "<!-- bench: end -->";

impl Report {
    /// Adds a row and prints it, because a whole run takes long.
    pub fn add(&mut self, row: Row) {
        println!("{}", line(&row));
        self.rows.push(row);
    }

    /// The results as Markdown, with the machine and the command that made them.
    #[must_use]
    pub fn to_markdown(&self, command: &str) -> String {
        let mut text = format!("`{command}`, {}\n\n{}\n\n", date(), machine());
        if let Some(why) = &self.void {
            let _ = write!(text, "**VOID**: {why}\n\n");
        }
        text.push_str("| what | measured | floor | ratio | bound | |\n|---|---|---|---|---|---|\n");
        for row in &self.rows {
            text.push_str(&line(row));
            text.push('\n');
        }
        text
    }

    /// Puts the results into a page, between its two marks.
    ///
    /// # Errors
    /// If the page cannot be read or written, or has no marks.
    pub fn write(&self, page: &Path, command: &str) -> Result<()> {
        let text =
            fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
        let filled = fill(&text, &self.to_markdown(command))
            .with_context(|| format!("{} has no marks {BEGIN} and {END}", page.display()))?;
        fs::write(page, filled).with_context(|| format!("cannot write {}", page.display()))
    }
}

fn fill(page: &str, results: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{results}\n{END}{after}"))
}

fn line(row: &Row) -> String {
    let met = match row.met {
        Some(true) => "met",
        Some(false) => "**not met**",
        None => "",
    };
    let Row {
        what,
        measured,
        floor,
        ratio,
        bound,
        ..
    } = row;
    format!("| {what} | {measured} | {floor} | {ratio} | {bound} | {met} |")
}

fn date() -> String {
    said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models = cpu
        .lines()
        .filter_map(|line| line.strip_prefix("model name"));
    let models: Vec<&str> = models
        .map(|model| model.trim_start_matches(['\t', ' ', ':']))
        .collect();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = kib.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    format!(
        "Machine: {} cores of {}, {} GiB, Linux {}, commit `{}`",
        models.len(),
        models.first().copied().unwrap_or("an unknown model"),
        kib.unwrap_or_default() / (1024 * 1024),
        said("uname", &["-r"]),
        said("git", &["describe", "--always", "--dirty"]),
    )
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_replace_those_of_the_last_run() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\nrest\n");
        let filled = fill(&page, "new\n").unwrap();
        assert_eq!(filled, format!("# Title\n{BEGIN}\nnew\n\n{END}\nrest\n"));
        assert_eq!(fill(&filled, "new\n").unwrap(), filled);
        assert_eq!(fill("no marks", "new"), None);
    }

    #[test]
    fn a_row_says_whether_the_bound_is_met() {
        let mut row = Row {
            what: "a thing".into(),
            measured: "1 us".into(),
            ..Row::default()
        };
        assert_eq!(line(&row), "| a thing | 1 us |  |  |  |  |");
        row.met = Some(false);
        assert!(line(&row).contains("not met"));
    }
}
