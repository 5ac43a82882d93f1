//! Logs on standard error, for people or as JSON.

use config::{Log, LogFormat};
use std::io;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;

/// Starts logging; call it once.
pub(crate) fn start(log: &Log) {
    // The setting has been checked to be a level.
    let level: LevelFilter = log.level.value.parse().unwrap_or(LevelFilter::INFO);
    let lines = fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_target(false);
    match log.format.value {
        LogFormat::Text => lines
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
