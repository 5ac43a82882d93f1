//! What a process costs, and statistics for what was measured.

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, getrlimit, setrlimit};
use std::fs;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Raises the soft limit of open files to the hard one; child processes inherit it.
///
/// # Errors
/// What the system says.
pub fn raise_file_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

/// How many files a process may have open; `None` is no limit.
#[must_use]
pub fn file_limit() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// A running process, looked at from outside through `/proc`.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Its number.
    pub id: u32,
}

/// `/proc/PID/stat` counts in hundredths of a second on every Linux that matters.
const TICK: Duration = Duration::from_millis(10);
/// How long a process must do nothing to count as quiet.
const QUIET_FOR: Duration = Duration::from_millis(300);
/// What it may use in that time, 5 % of a core: timers, keep-alives of thousands of sessions.
const QUIET_CPU: Duration = Duration::from_millis(15);

impl Process {
    /// Processor time so far, of all its threads.
    ///
    /// The nanoseconds of living threads leave out those of threads that ended, and the ticks of the whole
    /// process are coarse. Both are lower bounds, so the greater one is right to within two ticks.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn cpu(self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.id))? {
            // A thread that ends in between is in the ticks.
            if let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) {
                nanoseconds += field::<u64>(&text, 0)?;
            }
        }
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id))?;
        // The name in parentheses may contain spaces; user and system time are fields 14 and 15.
        let (_, stat) = stat
            .rsplit_once(')')
            .context("/proc/PID/stat has no name")?;
        let ticks = field::<u32>(stat, 11)? + field::<u32>(stat, 12)?;
        Ok(Duration::from_nanos(nanoseconds).max(TICK * ticks))
    }

    /// Resident memory in KiB.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn resident_kib(self) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.id))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        field(line.context("smaps_rollup has no Rss")?, 0)
    }

    /// Files and sockets that it has open.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn open_files(self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.id))?.count())
    }

    /// The processes that it has started.
    ///
    /// # Errors
    /// If the process is gone.
    pub fn children(self) -> Result<Vec<Self>> {
        let text = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.id))?;
        let ids = text.split_whitespace().map(str::parse);
        Ok(ids
            .map(|id| Ok(Self { id: id? }))
            .collect::<Result<_, std::num::ParseIntError>>()?)
    }

    /// Waits until the process has done with whatever it was told, and does (almost) nothing.
    ///
    /// # Errors
    /// If it is still busy at the deadline, or gone.
    pub async fn quiet(self, deadline: Duration) -> Result<()> {
        let end = Instant::now() + deadline;
        let mut before = self.cpu()?;
        while Instant::now() < end {
            // Not to let something happen, but to look for a while whether something does.
            sleep(QUIET_FOR).await;
            let after = self.cpu()?;
            if after.saturating_sub(before) <= QUIET_CPU {
                return Ok(());
            }
            before = after;
        }
        bail!("process {} is still busy after {deadline:?}", self.id)
    }
}

fn field<T: std::str::FromStr>(text: &str, index: usize) -> Result<T> {
    let word = text.split_whitespace().nth(index);
    let value = word.and_then(|word| word.parse().ok());
    value.with_context(|| format!("field {index} of {text:?} is no number"))
}

/// The middle one; of an even number the lower middle one. 0 of nothing.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The value that `percent` of the values do not exceed. 0 of nothing.
#[must_use]
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

/// Microseconds for each of `count`.
#[must_use]
pub fn microseconds_each(cpu: Duration, count: usize) -> f64 {
    cpu.as_secs_f64() * 1e6 / as_f64(count.max(1))
}

/// A count as a figure to divide by.
#[must_use]
pub fn as_f64(count: usize) -> f64 {
    // Counts here are far below 2^32.
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_and_percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(percentile(&values, 99), 99.0);
        assert_eq!(percentile(&values, 50), 50.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }

    #[test]
    fn a_process_that_works_uses_processor_time_and_memory() {
        let me = Process {
            id: std::process::id(),
        };
        let before = me.cpu().unwrap();
        let mut bytes = vec![0_u8; 8 * 1024 * 1024];
        // Until the coarser of the two clocks has moved.
        while me.cpu().unwrap() - before < TICK {
            bytes
                .iter_mut()
                .for_each(|byte| *byte = byte.wrapping_add(1));
        }
        assert!(me.resident_kib().unwrap() > 8.0 * 1024.0);
        assert!(std::hint::black_box(bytes).len() > 1);
    }
}
