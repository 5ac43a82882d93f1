//! `isochron client-config`: the options come from the tables of what the files may hold.

use crate::cmd::client_config::managed::{self, ActionKind, Place};
use crate::cmd::client_config::plugin::{self, Group, Line, RoutePart};
use crate::cmd::client_config::values::{Row, Values};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, Subcommand};
use std::path::PathBuf;

/// Commands on the files that tell clients how to connect.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientConfig {
    /// Write the file that clients in use fetch at each login
    ///
    /// Without options it moves everybody whose community has the server's host to the server's port, and to TLS if
    /// the server takes TLS.
    ManagedCommunities(ManagedCommunities),
    /// Write the lines for the installation package of new clients
    PluginCustomization(PluginCustomization),
    /// Say what clients will not do with a file, and what to write instead
    Check(Check),
}

#[derive(Debug, Args)]
pub(crate) struct ManagedCommunities {
    /// Host that clients have for the community; may be given several times [default: ST_COMMUNITY_ID, else the
    /// machine's name]
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// What clients do with it; may be given several times
    #[arg(
        long = "action",
        value_name = "ACTION",
        value_enum,
        default_value = "update"
    )]
    pub(crate) actions: Vec<ActionKind>,
    /// Leave the connection as it is on the clients: write no port and no connection type by default
    #[arg(long)]
    pub(crate) without_connection: bool,
    #[command(flatten)]
    pub(crate) given: Given<Place>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct PluginCustomization {
    /// Host of the community [default: ST_COMMUNITY_ID, else the machine's name]
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    #[command(flatten)]
    pub(crate) given: Given<Group>,
    /// Take the password at the proxy from the first line of standard input; it will stand in the file as it is
    #[arg(long, requires = "proxy-user")]
    pub(crate) proxy_password_stdin: bool,
    /// A setting of another route to the same community, as in home.connectionType=reverse-proxy; may be given
    /// several times
    #[arg(long = "route", value_name = "ID.KEY=VALUE", value_parser = plugin::read_route)]
    pub(crate) routes: Vec<RoutePart>,
    /// A key that has no option, of the community's group unless it names one; may be given several times
    #[arg(long = "set", value_name = "[GROUP/]KEY=VALUE", value_parser = plugin::read_further)]
    pub(crate) further: Vec<Line>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The file: managed-community-configs.xml or plugin_customization.ini
    pub(crate) file: PathBuf,
    /// Also check the address that policy im.2012 gives to clients
    #[arg(long, value_name = "URL")]
    pub(crate) site_url: Option<String>,
}

/// Where the file goes.
#[derive(Debug, Args)]
pub(crate) struct Output {
    /// File to write, or a folder for it [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace a file that is there already, with all that is in it; managed-communities-configs.xml needs no force
    #[arg(long, requires = "output")]
    pub(crate) force: bool,
}

/// A place in a file that settings are given for, with all of them.
trait Table: Sized + Sync + 'static {
    const ROWS: &'static [Row<Self>];
}

impl Table for Place {
    const ROWS: &'static [Row<Self>] = managed::ROWS;
}

impl Table for Group {
    const ROWS: &'static [Row<Self>] = plugin::ROWS;
}

/// The settings of a table that were given: each row is an option.
#[derive(Debug)]
pub(crate) struct Given<P: 'static>(pub(crate) Values<P>);

impl<P: Table> Args for Given<P> {
    fn augment_args(command: Command) -> Command {
        command.args(P::ROWS.iter().map(|row| {
            Arg::new(row.option)
                .long(row.option)
                .value_name(row.kind.placeholder())
                .help(row.help)
                .value_parser(|text: &str| row.kind.read(text))
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<P: Table> FromArgMatches for Given<P> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let value =
            |row: &'static Row<P>| Some((row, matches.get_one::<String>(row.option)?.clone()));
        Ok(Self(P::ROWS.iter().filter_map(value).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: ClientConfig,
    }

    fn parse(line: &str) -> Result<ClientConfig, clap::Error> {
        Line::try_parse_from(line.split(' ')).map(|line| line.command)
    }

    #[test]
    fn every_row_is_an_option() {
        for row in managed::ROWS {
            let line = format!("client-config managed-communities --{} true", row.option);
            match (parse(&line), row.kind.read("true")) {
                (Ok(ClientConfig::ManagedCommunities(asked)), Ok(_)) => {
                    assert_eq!(asked.given.0[0].0.name, row.name);
                    assert_eq!(asked.actions, [ActionKind::Update]);
                }
                (Err(error), Err(why)) => assert!(error.to_string().contains(&why), "{error}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        for row in plugin::ROWS {
            let line = format!("client-config plugin-customization --{} 77", row.option);
            match (parse(&line), row.kind.read("77")) {
                (Ok(ClientConfig::PluginCustomization(asked)), Ok(_)) => {
                    assert_eq!(asked.given.0[0].0.name, row.name);
                }
                (Err(error), Err(why)) => assert!(error.to_string().contains(&why), "{error}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn hosts_actions_and_routes_may_be_given_several_times() {
        let line =
            "client-config managed-communities --host a --host b --action add --action update";
        let Ok(ClientConfig::ManagedCommunities(asked)) = parse(line) else {
            panic!("{line}");
        };
        assert_eq!(asked.hosts, ["a", "b"]);
        assert_eq!(asked.actions, [ActionKind::Add, ActionKind::Update]);
        let line = "client-config plugin-customization --route home.port=443 --route home.host=h --set a/b=c";
        let Ok(ClientConfig::PluginCustomization(asked)) = parse(line) else {
            panic!("{line}");
        };
        assert_eq!((asked.routes.len(), asked.further.len()), (2, 1));
        assert!(parse("client-config plugin-customization --proxy-password-stdin").is_err());
        assert!(parse("client-config managed-communities --action move").is_err());
        assert!(parse("client-config managed-communities --force").is_err());
    }
}
