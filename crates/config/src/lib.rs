//! Settings: what they are, where each value came from, one report of all faults.
//!
//! [`load`] takes the sources as data — the text of `sametime.ini`, the environment, what the command line said —
//! and gives back either a [`Config`] in which every value knows its origin, or every fault at once. It never
//! reads the process environment and never looks for a file by itself.
//!
//! Each setting is one row in [`settings`]: names, type, unit, default, sentence, source. Parsing, validation,
//! the notes about unknown names and the reference page ([`reference`]) derive from the rows.
//!
//! Source: `docs/domain/config-files.md`, `docs/domain/tls-scopes.md`.

pub mod directory;
mod effective;
mod environment;
mod fault;
mod files;
mod ini;
mod listen;
mod loader;
mod names;
mod origin;
mod pii;
mod reference;
mod scoped;
pub mod settings;
pub mod tls;
pub mod user_info;
mod xml;

use std::net::IpAddr;
use std::time::Duration;

pub use effective::{
    EffectiveRow, Explanation, Unexplained, changed_but_not_reloadable, effective, explain,
};
pub use environment::process_environment;
pub use fault::{Fault, Faults, Note};
pub use files::{XmlPaths, read_xml, xml_paths};
pub use ini::{INI_BYTES_MAX, IniFile, without_setting};
pub use listen::{Accepts, Listen, Mode};
pub use origin::{Origin, Sourced};
pub use pii::Pii;
pub use reference::reference;
pub use scoped::{Scoped, Secret};
pub use tls::{
    ClientAuth, Scope, SecurityLevel, SessionCache, StoreSettings, StoreType, TlsScopes,
    TlsSettings, TlsVersion, TlsVersions, advice,
};

pub use xml::{XML_BYTES_MAX, XmlFile};

use directory::Directory;
use loader::Loader;
use user_info::UserInfo;

/// Where settings may come from. Stronger sources win: command line, environment, file, built-in default.
#[derive(Clone, Default)]
pub struct Sources {
    /// `sametime.ini`, if there is one.
    pub ini: Option<IniFile>,
    /// `StCommunityConfig.xml`, if there is one. [`read_xml`] finds it.
    pub community_config: Option<XmlFile>,
    /// `UserInfoConfig.xml`, if there is one. [`read_xml`] finds it.
    pub user_info: Option<XmlFile>,
    /// Environment variables as (name, value); those that do not begin with `STI_` are passed over.
    /// [`process_environment`] gives those of this process.
    pub environment: Vec<(String, String)>,
    /// Settings that options of the command line stand for.
    pub command_line: Vec<Argument>,
}

impl std::fmt::Debug for Sources {
    /// Without values, some of which are passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let variables = self.environment.iter().map(|(name, _)| name);
        f.debug_struct("Sources")
            .field("ini", &self.ini)
            .field("community_config", &self.community_config)
            .field("user_info", &self.user_info)
            .field("environment", &variables.collect::<Vec<_>>())
            .field("command_line", &self.command_line)
            .finish()
    }
}

/// A setting given by an option of the command line.
#[derive(Clone)]
pub struct Argument {
    /// The option as the person wrote it, for messages: `--port`.
    pub option: String,
    /// The section of the setting it stands for.
    pub section: &'static str,
    /// The key of the setting it stands for.
    pub key: &'static str,
    /// Its value.
    pub value: String,
}

impl std::fmt::Debug for Argument {
    /// Without the value, which may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Argument({}, [{}] {})",
            self.option, self.section, self.key
        )
    }
}

/// Every setting that this version uses, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The front door.
    pub mux: Mux,
    /// TLS, for each scope.
    pub tls: TlsScopes,
    /// What the XML files say.
    pub xml: Xml,
    /// Logins and services.
    pub community: Community,
    /// The health listener.
    pub health: Health,
    /// Logs.
    pub log: Log,
    /// How long a stopping server gives its sessions to end.
    pub drain: Sourced<Duration>,
}

/// What `StCommunityConfig.xml` and `UserInfoConfig.xml` say; without a file, nothing.
#[derive(Debug, Clone)]
pub struct Xml {
    /// The directories.
    pub directory: Directory,
    /// Where business cards come from.
    pub user_info: UserInfo,
}

/// Settings of the listener for clients.
#[derive(Debug, Clone)]
pub struct Mux {
    /// The ports to listen on, at least one, each port once.
    pub listeners: Vec<Listen>,
    /// The address all of them bind. `::` stands for every address of both kinds, and where the machine
    /// has no IPv6 for `0.0.0.0`.
    pub bind_address: Sourced<IpAddr>,
    /// The most client connections at a time.
    pub capacity: Sourced<usize>,
    /// How long a client may take to send the first bytes, which tell TLS from legacy.
    pub detect_timeout: Sourced<Duration>,
    /// How long a TLS handshake may take.
    pub tls_timeout: Sourced<Duration>,
}

/// Settings of logins and services.
#[derive(Debug, Clone)]
pub struct Community {
    /// The name of the community; without it, the host name of the server.
    pub id: Option<Sourced<String>>,
    /// The weakest way to prove a password that is accepted outside TLS.
    pub weakest_auth: Sourced<WeakestAuth>,
    /// Whether a new login ends the other logins of the same user.
    pub single_login: Sourced<bool>,
    /// How long a connection may take from its first bytes to a finished login.
    pub login_timeout: Sourced<Duration>,
}

/// The weakest form in which a login may carry a password, strongest first.
///
/// Source: `docs/protocol/connection.md`, authentication types of LOGIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WeakestAuth {
    /// The password as text, unencrypted.
    Plain,
    /// Encrypted with RC2 and 40 effective bits, the key sent beside it.
    Rc2_40,
    /// Encrypted with RC2 under a Diffie-Hellman key of 128 bits.
    Rc2_128,
}

/// Settings of the health listener.
#[derive(Debug, Clone)]
pub struct Health {
    /// Loopback port, 0 = off. If the origin is [`Origin::Default`] and the port is taken, the server goes
    /// without it; a port that somebody wrote down stops the start.
    pub port: Sourced<u16>,
}

/// Settings of the logs.
#[derive(Debug, Clone)]
pub struct Log {
    /// The form of a line.
    pub format: Sourced<LogFormat>,
    /// The least important level that is written: `error`, `warn`, `info`, `debug` or `trace`.
    pub level: Sourced<String>,
    /// Whether user names and addresses are written as they are.
    pub personal_data: Sourced<bool>,
    /// Whether each TLS handshake is written down (`ST_TLS_DEBUG`).
    pub tls: Sourced<bool>,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The TLS settings of the scopes that have no fault, of sources that [`load`] refuses: so that what is wrong with
/// their stores is told together with the faults.
#[must_use]
pub fn sound_scopes(sources: &Sources) -> Vec<TlsSettings> {
    tls::sound(&mut Loader::new(sources.clone()))
}

/// Merges the sources and checks every value.
///
/// The notes are warnings: a name that nobody knows, a key given twice, a mode that somebody may not have meant.
///
/// # Errors
/// [`Faults`], every one that can be found in one pass. A faulty value never falls back to a weaker source.
pub fn load(mut sources: Sources) -> Result<(Config, Vec<Note>), Faults> {
    let community_config = sources.community_config.take();
    let user_info = sources.user_info.take();
    let mut loader = Loader::new(sources);
    // All values first, so that all faults are met; `?` on a missing one comes after.
    let listeners = listen::listeners(&mut loader);
    let bind_address = loader.get(&settings::mux::BIND_ADDRESS);
    let capacity = loader.get(&settings::mux::CAPACITY);
    let detect_timeout = loader.get(&settings::mux::DETECT_TIMEOUT);
    let tls_timeout = loader.get(&settings::mux::TLS_TIMEOUT);
    let tls = tls::scopes(&mut loader);
    let directory = directory::read(&mut loader, community_config.as_ref());
    let user_info = user_info::read(&mut loader, user_info.as_ref());
    let id = loader.get_optional(&settings::community::COMMUNITY_ID);
    let weakest_auth = loader.get(&settings::community::WEAKEST_AUTHENTICATION);
    let single_login = loader.get(&settings::community::SINGLE_LOGIN);
    let login_timeout = loader.get(&settings::community::LOGIN_TIMEOUT);
    let health_port = loader.get(&settings::server::HEALTH_PORT);
    let drain = loader.get(&settings::server::DRAIN_TIMEOUT);
    let format = loader.get(&settings::server::LOG_FORMAT);
    let level = loader.get(&settings::server::LOG_LEVEL);
    let personal_data = loader.get(&settings::server::LOG_PERSONAL_DATA);
    let tls_debug = loader.get(&settings::tls::DEBUG);
    if let (Some(listeners), Some(health_port)) = (&listeners, &health_port) {
        listen::refuse_shared_port(&mut loader, listeners, health_port);
    }
    if let (Some(tls), Some(listeners)) = (&tls, &listeners) {
        tls::in_force(&mut loader, tls, listeners);
    }
    let config = (|| {
        Some(Config {
            mux: Mux {
                listeners: listeners?,
                bind_address: bind_address?,
                capacity: capacity?,
                detect_timeout: detect_timeout?,
                tls_timeout: tls_timeout?,
            },
            tls: tls?,
            xml: Xml {
                directory: directory?,
                user_info: user_info?,
            },
            community: Community {
                id,
                weakest_auth: weakest_auth?,
                single_login: single_login?,
                login_timeout: login_timeout?,
            },
            health: Health { port: health_port? },
            log: Log {
                format: format?,
                level: level?.map(str::to_owned),
                personal_data: personal_data?,
                tls: tls_debug?,
            },
            drain: drain?,
        })
    })();
    loader.finish(config)
}
