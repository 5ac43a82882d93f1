//! The Isochron binary: command line, roles, composition, health.
#![forbid(unsafe_code)]

mod cli;
mod cmd;
mod control;
mod datadir;
mod demo;
mod health;
mod logging;
mod roles;

use crate::cli::{Cli, Command, Global};
use crate::datadir::DataDir;
use anyhow::anyhow;
use clap::Parser;
use config::{Config, IniFile, Sources};
use std::io::{IsTerminal, stderr};
use std::process::ExitCode;
use std::time::Duration;

/// A server that is being restarted may find its predecessor still closing its files.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let Cli { global, command } = Cli::parse();
    match command {
        Command::Admin(command) => cmd::dispatch(command, &global),
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
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

fn try_serve(global: &Global, demo: bool) -> Result<(), Failure> {
    let data = match demo {
        true => DataDir::of_demo(global.data.as_deref()),
        false => DataDir::of_server(global.data.as_deref())?,
    };
    let (config, notes) = load(global, &data)?;
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
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(roles::run(&config, start, metrics))?;
    drop(lock);
    Ok(())
}

/// The settings, from the file that the command line names or the one in the data folder.
fn load(global: &Global, data: &DataDir) -> Result<(Config, Vec<config::Note>), Failure> {
    let file = data.settings_file(global.config.as_deref());
    let ini = file
        .map(|path| IniFile::read(&path))
        .transpose()
        .map_err(Failure::Faults)?;
    let environment = config::process_environment();
    let sources = Sources {
        ini,
        environment,
        ..Sources::default()
    };
    config::load(sources).map_err(Failure::Faults)
}
