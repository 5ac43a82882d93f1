//! The command line: what can be asked, as types.

pub(crate) mod client_config;
pub(crate) mod config;
mod stores;
mod tls;

pub(crate) use stores::{
    Export, Fetch, Import, KeyName, Keystore, Names, NewKey, ReadStore, StorePassword, Truststore,
};
pub(crate) use tls::{ScopeName, Target, Tls};

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// An open Sametime community server.
#[derive(Debug, Parser)]
#[command(name = "isochron", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes, so that a script can pass the same words to all of them.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Settings of the server [default: sametime.ini in the data folder, if it is there]
    ///
    /// The commands on people, groups and sessions take no setting from it.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Data folder [default: /var/lib/isochron if it can be written, else $XDG_DATA_HOME/isochron;
    /// demo: ./isochron-demo]
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) data: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring up a community with demo people, to try things with
    Demo,
    /// Run the server
    Run,
    /// A command that does its work and ends.
    #[command(flatten)]
    Admin(Box<Admin>),
}

/// The commands that do their work and end.
#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// People of the embedded directory
    #[command(subcommand)]
    User(User),
    /// Groups of the embedded directory
    #[command(subcommand)]
    Group(Group),
    /// Who is logged in, and how they are connected
    Sessions(Sessions),
    /// Keys and their certificates
    #[command(subcommand)]
    Keystore(Keystore),
    /// Certificates that are trusted
    #[command(subcommand)]
    Truststore(Truststore),
    /// The settings: what is in force, and whether a server would start with it
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// The TLS of every connection: what is in force, whether it works, what another server offers
    #[command(subcommand)]
    Tls(Tls),
    /// The files that tell clients how to connect
    #[command(subcommand)]
    ClientConfig(client_config::ClientConfig),
    /// Print the version
    Version,
}

/// Commands on people.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Add somebody; asks for the password
    Add {
        /// User id, which is also the name to log in with
        user: String,
        /// Display name [default: the user id]
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        /// Mail address, another name to log in with
        #[arg(long, default_value = "", hide_default_value = true)]
        mail: String,
        /// A group to be in; may be given several times, and is made if there is none
        #[arg(long = "group", value_name = "GROUP")]
        groups: Vec<String>,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List everybody
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Give somebody a new password
    Passwd {
        /// User id
        user: String,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Keep somebody from logging in, and end the sessions that are open
    Disable {
        /// User id
        user: String,
    },
    /// Let somebody log in again
    Enable {
        /// User id
        user: String,
    },
    /// Remove somebody with contact list, settings and privacy list, and end the sessions that are open
    Remove {
        /// User id
        user: String,
    },
    /// Add and update many people from a CSV file: all of them, or nobody
    ///
    /// The first line names the columns user,name,mail,password,groups in any order; groups are separated by ";"
    /// and made if there is none. For somebody who exists the line says what is so afterwards: name, mail, all
    /// groups, and the password unless it is empty.
    Import {
        /// The file
        file: PathBuf,
    },
}

/// Commands on groups.
#[derive(Debug, Subcommand)]
pub(crate) enum Group {
    /// Make a group, or put people into one that exists
    Add {
        /// Group id
        group: String,
        /// Display name [default: the group id]
        #[arg(long)]
        name: Option<String>,
        /// User id of a member; may be given several times
        #[arg(long = "member", value_name = "USER")]
        members: Vec<String>,
    },
    /// List all groups with their members
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Remove a group; or, with --member, only take people out of it
    Remove {
        /// Group id
        group: String,
        /// User id of a member to take out; may be given several times
        #[arg(long = "member", value_name = "USER")]
        members: Vec<String>,
    },
}

/// Commands on sessions; without one, they are listed.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sessions {
    #[command(subcommand)]
    pub(crate) command: Option<SessionsCommand>,
    #[command(flatten)]
    pub(crate) list: SessionList,
}

/// Commands on sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List the sessions
    List(SessionList),
    /// End one session
    End {
        /// Its id, as the list shows it
        id: String,
    },
}

/// Which sessions to list, and how.
#[derive(Debug, Args)]
pub(crate) struct SessionList {
    /// Only those that are not protected by TLS
    #[arg(long)]
    pub(crate) without_tls: bool,
    #[command(flatten)]
    pub(crate) form: Form,
}

/// How a list is printed.
#[derive(Debug, Args)]
pub(crate) struct Form {
    /// Print JSON for scripts instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a password comes from. Never from an argument: those can be read by everybody on the machine.
#[derive(Debug, Args)]
pub(crate) struct PasswordSource {
    /// Take the first line of standard input as password, even on a terminal
    #[arg(long)]
    pub(crate) password_stdin: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_takes_the_folder_and_the_settings() {
        for words in [
            "demo",
            "run",
            "user list",
            "group add g --member a --member b",
            "sessions",
            "sessions end x",
        ] {
            let line = format!("isochron {words} --config c.ini --data d");
            let cli = Cli::try_parse_from(line.split(' '))
                .unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(cli.global.data, Some(PathBuf::from("d")), "{line}");
            assert_eq!(cli.global.config, Some(PathBuf::from("c.ini")), "{line}");
        }
    }

    #[test]
    fn sessions_are_listed_with_and_without_the_word() {
        for line in [
            "isochron sessions --without-tls",
            "isochron sessions list --without-tls",
        ] {
            let Ok(Cli {
                command: Command::Admin(command),
                ..
            }) = Cli::try_parse_from(line.split(' '))
            else {
                panic!("{line}");
            };
            let Admin::Sessions(sessions) = *command else {
                panic!("{line}");
            };
            let list = match sessions.command {
                Some(SessionsCommand::List(list)) => list,
                _ => sessions.list,
            };
            assert!(list.without_tls && !list.form.json, "{line}");
        }
        assert!(Cli::try_parse_from(["isochron", "sessions", "--json", "end", "x"]).is_err());
    }
}
