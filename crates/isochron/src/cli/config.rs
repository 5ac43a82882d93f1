//! The command line of `isochron config`.

use super::{Form, ScopeName};
use clap::Subcommand;

/// Commands on the settings. They read what a start would read; no server needs to run.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a server would start with these settings, and open every store as a start does
    ///
    /// Ends with status 0 if it would, else with 1.
    Check {
        #[command(flatten)]
        form: Form,
    },
    /// Show the values in force, and where each of them comes from
    Show {
        /// Only what counts for this scope of TLS
        #[arg(long)]
        scope: Option<ScopeName>,
        #[command(flatten)]
        form: Form,
    },
    /// Tell everything about one setting: its value, where that comes from, what else it may be
    Explain {
        /// Its name, in any of its forms: STMUX_TLS_KEY_STORE_FILE, tls.mux.key_store_file, key_store_file
        name: String,
        #[command(flatten)]
        form: Form,
    },
    /// Print the page of all settings
    Reference,
}
