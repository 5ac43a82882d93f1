//! The command line of `isochron tls`.

use super::Form;
use clap::{Subcommand, ValueEnum};

/// Commands on the TLS of every connection.
#[derive(Debug, Subcommand)]
pub(crate) enum Tls {
    /// Show what is in force for each scope: certificates, trust, versions, suites
    ///
    /// Reads the settings and the files that they name; the server need not run.
    Show {
        /// Only this scope
        #[arg(long)]
        scope: Option<ScopeName>,
        #[command(flatten)]
        form: Form,
    },
    /// Try the TLS of a scope: connect, or accept on a loopback pair, by the rules of the settings
    Test {
        /// Which scope
        target: Target,
        #[command(flatten)]
        form: Form,
    },
    /// Look at another server: what it offers, and whether a scope would accept it
    Probe {
        /// The server, as in ldap.example.com:636
        #[arg(value_name = "HOST:PORT")]
        peer: String,
        /// By the rules of this scope
        #[arg(long, default_value = "ldap")]
        scope: ScopeName,
        #[command(flatten)]
        form: Form,
    },
}

/// A scope of TLS settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeName {
    /// What counts where a scope has no value of its own
    Global,
    /// Clients that connect
    Mux,
    /// Server parts that connect to each other
    Server,
    /// The directory
    Ldap,
    /// The identity provider
    Saml,
}

impl From<ScopeName> for config::Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::Global => Self::Global,
            ScopeName::Mux => Self::Mux,
            ScopeName::Server => Self::Server,
            ScopeName::Ldap => Self::Ldap,
            ScopeName::Saml => Self::Saml,
        }
    }
}

/// What `tls test` tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// Clients on 1533
    Mux,
    /// Server parts on 1516, as the one that is called and as the caller
    Server,
    /// The directories of StCommunityConfig.xml
    Ldap,
    /// Signatures and encryption of the identity provider
    Saml,
    /// Every scope that is configured
    All,
}

#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    use clap::Parser;

    #[test]
    fn what_an_administrator_types() {
        for line in [
            "isochron tls show",
            "isochron tls show --scope saml --json",
            "isochron tls test all",
            "isochron tls test ldap --config sametime.ini",
            "isochron tls probe ldap.example.com:636 --scope global",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in ["isochron tls", "isochron tls test", "isochron tls test web"] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
