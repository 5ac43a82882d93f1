//! The commands that do their work and end, one file each: parse, have it carried out, print.

mod certificate;
pub(crate) mod client_config;
mod config;
mod group;
mod keystore;
mod password;
mod sessions;
mod stores;
mod table;
mod tls;
mod truststore;
mod user;

use crate::cli::{Admin, Global};
use crate::control::Answer;
use crate::datadir::DataDir;
use crate::inputs::Inputs;
use ::config::{Config, Faults};
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

/// Carries out a command: status 0, or 1 after the reason was printed. Not to be called on a reactor.
pub(crate) fn dispatch(command: Admin, global: &Global) -> ExitCode {
    let done = || -> anyhow::Result<()> {
        // Asked for where it is needed: finding a default one may be worth a remark.
        let data = || DataDir::of_server(global.data.as_deref());
        let settings = || settings(global, &data()?);
        match command {
            Admin::User(command) => user::run(command, &data()?),
            Admin::Group(command) => group::run(command, &data()?),
            Admin::Sessions(command) => sessions::run(command, &data()?),
            Admin::Keystore(command) => keystore::run(command, &settings),
            Admin::Truststore(command) => truststore::run(command, &settings),
            Admin::Config(command) => {
                let data = data()?;
                let inputs = Inputs::new(global.config.as_deref(), &data);
                config::run(command, &inputs, data.path())
            }
            Admin::Tls(command) => {
                let data = data()?;
                tls::run(command, global, &self::settings(global, &data)?, &data)
            }
            Admin::ClientConfig(command) => client_config::run(command, settings),
            Admin::Version => print(concat!("isochron ", env!("CARGO_PKG_VERSION"), "\n")),
        }
    };
    match done() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            match error.downcast_ref::<Faults>() {
                Some(faults) => {
                    eprintln!("isochron: {}", faults.render(io::stderr().is_terminal()))
                }
                None => eprintln!("isochron: {error:#}"),
            }
            ExitCode::FAILURE
        }
    }
}

/// The settings of the server; faults in them come with their source lines.
fn settings(global: &Global, data: &DataDir) -> anyhow::Result<Config> {
    let sources = Inputs::new(global.config.as_deref(), data).read()?;
    let (config, _) = ::config::load(sources)?;
    Ok(config)
}

/// Prints what a command has to say. A reader that has seen enough, such as `head`, is no fault.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn print_json(rows: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(rows)? + "\n"))
}

/// The answer of a server that is not of this version.
fn unexpected(answer: &Answer) -> anyhow::Error {
    anyhow::anyhow!("the server gave an answer to another question: {answer:?}")
}
