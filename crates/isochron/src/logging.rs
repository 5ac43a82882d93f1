//! Logs on standard error, for people or as JSON.

use config::{Log, LogFormat};
use std::io;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// The target of lines about each TLS handshake.
const TLS_TARGET: &str = "tls";

/// Starts logging; call it once.
pub(crate) fn start(log: &Log) {
    let lines = fmt::layer().with_writer(io::stderr).with_target(false);
    let lines = match log.format.value {
        LogFormat::Text => lines
            .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
            .boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(levels(log)))
        .init();
}

fn levels(log: &Log) -> Targets {
    // The setting has been checked to be a level.
    let level = log.level.value.parse().unwrap_or(LevelFilter::INFO);
    let levels = Targets::new().with_default(level);
    match log.tls.value {
        true => levels.with_target(TLS_TARGET, level.max(LevelFilter::DEBUG)),
        false => levels,
    }
}
