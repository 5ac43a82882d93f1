//! `isochron tls`: what is in force, whether it works, what another server offers.

mod peer;
mod probe;
mod scope;
mod show;
mod test;

pub(super) use peer::{Peer, candidate, shown};

use crate::cli::{Global, Target, Tls};
use crate::datadir::DataDir;
use config::{Config, Scope, TlsSettings};
use net::probe::Trouble;
use net::tls::Reason;
use scope::Loaded;
use std::time::SystemTime;

/// The scopes of connections and messages; the global one only fills their gaps.
const USED: [Scope; 4] = [Scope::Mux, Scope::Server, Scope::Ldap, Scope::Saml];

pub(super) fn run(
    command: Tls,
    global: &Global,
    config: &Config,
    data: &DataDir,
) -> anyhow::Result<()> {
    let now = SystemTime::now();
    let load = |scope| Loaded::new(config, scope, data.path(), now);
    match command {
        Tls::Show { scope, form } => {
            let scopes: Vec<Loaded<'_>> = match scope {
                Some(scope) => vec![load(scope.into())],
                None => USED.map(load).into(),
            };
            show::run(config, &scopes, form.json, now)
        }
        Tls::Test { target, form } => {
            let scopes = match target {
                Target::Mux => vec![Scope::Mux],
                Target::Server => vec![Scope::Server],
                Target::Ldap => vec![Scope::Ldap],
                Target::Saml => vec![Scope::Saml],
                Target::All => USED.to_vec(),
            };
            let scopes: Vec<Loaded<'_>> = scopes.into_iter().map(load).collect();
            let all = target == Target::All;
            block_on(test::run(config, &scopes, all, form.json, now))?
        }
        Tls::Probe { peer, scope, form } => {
            let peer = Peer::parse(&peer)?;
            let loaded = load(scope.into());
            block_on(probe::run(&peer, scope, &loaded, global, form.json, now))?
        }
    }
}

/// Waits for what connects somewhere.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(work))
}

/// Why a handshake failed, and which setting mends it.
fn why(trouble: &Trouble, settings: &TlsSettings) -> String {
    match trouble {
        Trouble::Socket(problem) => problem.clone(),
        Trouble::Tls(failure) => match failure.mend(settings) {
            Some(mend) => format!("{failure}; {mend}"),
            None => failure.to_string(),
        },
    }
}

/// What a called server may mean that ends the handshake with an alert that says nothing: it found no suite for its
/// key, or, OpenSSL's under TLS 1.2, it misses a certificate.
fn unsaid(trouble: &Trouble, settings: &TlsSettings) -> String {
    match trouble {
        Trouble::Tls(failure) if failure.reason == Reason::Alert => {}
        _ => return String::new(),
    }
    let suites = match &settings.cipher_suites {
        Some(list) => format!("{} and {}", settings.level.name, list.name),
        None => settings.level.name.clone(),
    };
    let suites = format!("; perhaps it takes none of our suites (see {suites})");
    if settings.key_store.is_some() {
        return suites;
    }
    let name = settings.scope.names("TLS_KEY_STORE_FILE").join(" or ");
    format!("{suites}, or wants a certificate of ours ({name})")
}
