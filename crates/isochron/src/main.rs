//! The Isochron binary: command line, roles, composition, health.
#![forbid(unsafe_code)]

mod cli;
mod cmd;
mod control;
mod datadir;
mod demo;
mod health;
mod inputs;
mod logging;
mod reload;
mod roles;
mod secure;

use crate::cli::{Cli, Command, Global};
use crate::datadir::DataDir;
use crate::inputs::Inputs;
use anyhow::anyhow;
use clap::Parser;
use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// A server that is being restarted may find its predecessor still closing its files.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    match command {
        Command::Admin(command) => cmd::dispatch(*command, &global),
        Command::Run => serve(&global, false),
        Command::Demo => serve(&global, true),
    }
}

/// Runs the server: status 0 after an orderly stop, 1 if something kept it from starting.
fn serve(global: &Global, demo: bool) -> ExitCode {
    match try_serve(global, demo) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Faults(faults)) => {
            eprintln!("isochron: {}", faults.render(stderr().is_terminal()));
            ExitCode::FAILURE
        }
        Err(Failure::Other(error)) => {
            eprintln!("isochron: {error:#}");
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    Faults(config::Faults),
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    /// Faults of the settings keep their form, however deep they were met.
    fn from(error: E) -> Self {
        match error.into().downcast() {
            Ok(faults) => Self::Faults(faults),
            Err(error) => Self::Other(error),
        }
    }
}

fn try_serve(global: &Global, demo: bool) -> Result<(), Failure> {
    let data = match demo {
        true => DataDir::of_demo(global.data.as_deref()),
        false => DataDir::of_server(global.data.as_deref())?,
    };
    let inputs = Inputs::new(global.config.as_deref(), &data);
    let sources = inputs.read().map_err(Failure::Faults)?;
    let (config, notes) = secure::settings(&sources, SystemTime::now()).map_err(Failure::Faults)?;
    data.create()?;
    let Some(lock) = data.lock_within(LOCK_PATIENCE)? else {
        let path = data.path().display();
        return Err(
            anyhow!("another Isochron process uses the data folder {path}; stop it first").into(),
        );
    };
    logging::start(&config.log);
    for note in &notes {
        tracing::warn!("{note}");
    }
    let metrics = health::metrics()?;
    let start = roles::Start {
        data: data.path(),
        demo,
        inputs,
        sources,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(roles::run(&config, start, metrics))?;
    drop(lock);
    Ok(())
}
