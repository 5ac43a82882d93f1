//! The command line of `isochron keystore` and `isochron truststore`.

use super::{Form, ScopeName};
use clap::{Args, Subcommand, ValueEnum};
use std::num::NonZeroU32;
use std::path::PathBuf;

/// Commands on key stores.
#[derive(Debug, Subcommand)]
pub(crate) enum Keystore {
    /// Make a key, with a self-signed certificate to stand in until the authority's comes
    ///
    /// Afterwards: `keystore csr` makes the request for the authority, `keystore import --certificate` takes in
    /// what the authority sends back.
    Create(NewKey),
    /// Make a key with a self-signed certificate that is meant to be used
    SelfSigned {
        /// How many days the certificate is good for
        #[arg(long, default_value = "365")]
        days: NonZeroU32,
        #[command(flatten)]
        key: NewKey,
    },
    /// Show what is in a key store
    List {
        #[command(flatten)]
        store: ReadStore,
        #[command(flatten)]
        form: Form,
    },
    /// Print the request that an authority signs (PEM)
    Csr {
        /// The key store
        file: PathBuf,
        /// Alias of the key; not needed where there is one only
        #[arg(long)]
        alias: Option<String>,
        #[command(flatten)]
        names: Names,
        /// Write it to this file instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Replace the file of --out if it is there already
        #[arg(long, requires = "out")]
        force: bool,
        #[command(flatten)]
        password: StorePassword,
    },
    /// Take in the certificate an authority signed, a PEM key with its certificate, or another store
    Import(Import),
    /// Write a certificate, its chain or its key as PEM
    Export(Export),
}

/// A key to make.
#[derive(Debug, Args)]
pub(crate) struct NewKey {
    /// The key store (PKCS#12), which is made unless --add is given
    pub(crate) file: PathBuf,
    /// Alias of the key, the name that KEY_LABEL chooses it by
    #[arg(long)]
    pub(crate) alias: String,
    #[command(flatten)]
    pub(crate) names: Names,
    /// Kind of key
    #[arg(long, value_name = "KIND", default_value = "ec-p256")]
    pub(crate) key: KeyName,
    /// Put the key into a store that is there already
    #[arg(long, conflicts_with = "force")]
    pub(crate) add: bool,
    /// Replace a store that is there already, with all that is in it
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) password: StorePassword,
}

/// Whom a certificate or a request is for.
#[derive(Debug, Args)]
pub(crate) struct Names {
    /// Host name or address that clients use; may be given several times, the first is the common name
    #[arg(long = "host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,
    /// Subject, as in "CN=chat.example.com,O=Example Ltd,C=GB" [default: CN= the first host]
    #[arg(long)]
    pub(crate) subject: Option<String>,
}

/// Kinds of keys that can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyName {
    EcP256,
    EcP384,
    #[value(name = "rsa-2048")]
    Rsa2048,
    #[value(name = "rsa-3072")]
    Rsa3072,
    #[value(name = "rsa-4096")]
    Rsa4096,
    Ed25519,
}

/// What to take into a key store.
#[derive(Debug, Args)]
#[group(id = "source", required = true, multiple = true, args = ["certificate", "from"])]
pub(crate) struct Import {
    /// The key store (PKCS#12); made if it is not there and a key is imported
    pub(crate) file: PathBuf,
    /// Certificate to put to its key: PEM or DER, the chain may follow in the same file
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub(crate) certificate: Option<PathBuf>,
    /// Certificates of the authorities between it and the root; may be given several times
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) chain: Vec<PathBuf>,
    /// Private key (PEM, not encrypted) to take in together with its certificate
    #[arg(
        long,
        value_name = "FILE",
        requires = "certificate",
        requires = "alias"
    )]
    pub(crate) key: Option<PathBuf>,
    /// Another store, PKCS#12, JKS or PEM, all of whose keys and certificates are taken over
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Password of that store: the first line of this file [default: it is asked for]
    #[arg(long, value_name = "FILE", requires = "from")]
    pub(crate) from_password_file: Option<PathBuf>,
    /// Password of the keys in that store, if they have one of their own: the first line of this file
    #[arg(long, value_name = "FILE", requires = "from")]
    pub(crate) from_key_password_file: Option<PathBuf>,
    /// Alias: with --certificate of its key, with --key of the new key, with --from of the one to take over
    #[arg(long)]
    pub(crate) alias: Option<String>,
    /// Replace a key that has the same alias
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) password: StorePassword,
}

/// What to write as PEM.
#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false, args = ["certificate", "chain", "key"])]
pub(crate) struct Export {
    /// The key store
    pub(crate) file: PathBuf,
    /// Alias of the key; not needed where there is one only
    #[arg(long)]
    pub(crate) alias: Option<String>,
    /// The certificate alone
    #[arg(long)]
    pub(crate) certificate: bool,
    /// The certificate and its chain, as cert.crt of the web takes it
    #[arg(long)]
    pub(crate) chain: bool,
    /// The private key, not encrypted: a file that only its owner reads
    #[arg(long, requires = "out")]
    pub(crate) key: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Replace the file of --out if it is there already
    #[arg(long, requires = "out")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) password: StorePassword,
}

/// Commands on trust stores.
#[derive(Debug, Subcommand)]
pub(crate) enum Truststore {
    /// Trust the certificates of a file (PEM or DER)
    Add {
        /// The trust store (PKCS#12), made if it is not there
        file: PathBuf,
        /// Alias; of several certificates the second becomes ALIAS-2, and so on
        #[arg(long)]
        alias: String,
        /// The certificates
        certificates: PathBuf,
        #[command(flatten)]
        password: StorePassword,
    },
    /// Show what a trust store trusts
    List {
        #[command(flatten)]
        store: ReadStore,
        #[command(flatten)]
        form: Form,
    },
    /// Trust a certificate no longer
    Remove {
        /// The trust store
        file: PathBuf,
        /// Its alias, as the list shows it
        #[arg(long)]
        alias: String,
        #[command(flatten)]
        password: StorePassword,
    },
    /// Fetch the certificates that a server shows, and trust one of them once its fingerprint was compared
    ///
    /// Without --into it only shows them. Unless --fingerprint chooses, the one to trust is the highest authority
    /// that the server sends, else its own certificate.
    Fetch(Fetch),
}

/// From where to fetch a certificate, and where it goes.
#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// The server, as in ldap.example.com:636
    #[arg(value_name = "HOST:PORT")]
    pub(crate) peer: String,
    /// The trust store (PKCS#12), made if it is not there
    #[arg(long, value_name = "FILE")]
    pub(crate) into: Option<PathBuf>,
    /// Alias [default: the host]
    #[arg(long)]
    pub(crate) alias: Option<String>,
    /// Trust without asking; only on a network where nobody can stand between
    #[arg(long)]
    pub(crate) yes: bool,
    /// Trust the certificate that has this SHA-256 fingerprint, and no other
    #[arg(long, value_name = "SHA256", conflicts_with = "yes")]
    pub(crate) fingerprint: Option<String>,
    /// Trust the server's own certificate even if it sends that of an authority
    #[arg(long, conflicts_with = "fingerprint")]
    pub(crate) leaf: bool,
    #[command(flatten)]
    pub(crate) form: Form,
    #[command(flatten)]
    pub(crate) password: StorePassword,
}

/// A store to look into.
#[derive(Debug, Args)]
pub(crate) struct ReadStore {
    /// The store [default: that of --scope]
    #[arg(required_unless_present = "scope")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) password: StorePassword,
}

/// Where the password of a store comes from: without any of these, it is asked for. Never from an argument: those
/// can be read by everybody on the machine.
#[derive(Debug, Args)]
pub(crate) struct StorePassword {
    /// Take the first line of this file as the store's password
    #[arg(long, value_name = "FILE", conflicts_with_all = ["password_stdin", "scope"])]
    pub(crate) password_file: Option<PathBuf>,
    /// Take the first line of standard input as the store's password
    #[arg(long, conflicts_with = "scope")]
    pub(crate) password_stdin: bool,
    /// Take the password that the settings name for this scope's store
    #[arg(long)]
    pub(crate) scope: Option<ScopeName>,
}

#[cfg(test)]
mod tests {
    use crate::cli::Cli;
    use clap::Parser;

    fn parses(line: &str) -> bool {
        Cli::try_parse_from(line.split(' ')).is_ok()
    }

    #[test]
    fn what_an_administrator_types() {
        for line in [
            "isochron keystore create k.p12 --alias mux --host a.example.com --host b.example.com --key rsa-3072",
            "isochron keystore self-signed k.p12 --alias mux --host a --days 30 --add --password-file p",
            "isochron keystore csr k.p12 --alias mux --subject CN=a --out a.csr --force",
            "isochron keystore list k.p12 --json --password-stdin",
            "isochron keystore list --scope mux",
            "isochron keystore import k.p12 --certificate a.crt --chain i.pem --chain r.pem",
            "isochron keystore import k.p12 --certificate a.crt --key a.key --alias mux",
            "isochron keystore import k.p12 --from old.jks --from-password-file p --scope mux",
            "isochron keystore export k.p12 --chain",
            "isochron keystore export k.p12 --key --out a.key",
            "isochron truststore add t.p12 --alias ldap1 ca.pem",
            "isochron truststore list --scope ldap --json",
            "isochron truststore remove t.p12 --alias ldap1",
            "isochron truststore fetch ldap.example.com:636 --into t.p12 --yes",
            "isochron truststore fetch ldap.example.com:636",
        ] {
            assert!(parses(line), "{line}");
        }
    }

    #[test]
    fn what_would_be_a_slip() {
        for (line, why) in [
            ("isochron keystore list", "no store"),
            (
                "isochron keystore create k.p12 --alias a --add --force",
                "keep it or replace it",
            ),
            ("isochron keystore export k.p12", "nothing to export"),
            (
                "isochron keystore export k.p12 --key",
                "a key on a terminal",
            ),
            (
                "isochron keystore export k.p12 --key --chain --out f",
                "two things",
            ),
            ("isochron keystore import k.p12", "nothing to import"),
            (
                "isochron keystore import k.p12 --from a.p12 --certificate c",
                "two things",
            ),
            (
                "isochron keystore import k.p12 --key a.key --alias a",
                "a key without certificate",
            ),
            (
                "isochron truststore fetch h:1 --into t --yes --fingerprint AA",
                "two answers",
            ),
            (
                "isochron truststore list t.p12 --password-stdin --scope ldap",
                "two passwords",
            ),
        ] {
            assert!(!parses(line), "{why}: {line}");
        }
    }
}
