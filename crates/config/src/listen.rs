//! Which ports, and what each of them takes.
//!
//! Source: `docs/domain/tls-scopes.md` 15.2.

use crate::loader::Loader;
use crate::settings::mux::{PORT, TLS_PORT};
use crate::settings::server::HEALTH_PORT;
use crate::tls::Scope;
use crate::{Origin, Sourced};
use std::fmt;

/// The port of a start without settings.
const DEFAULT_PORT: u16 = 1533;

/// A list of ports without 0; an empty one says "off".
pub(crate) type Ports = Vec<u16>;

/// What a port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// Clients with TLS and without.
    Both,
    /// Clients without TLS only.
    Legacy,
    /// Clients with TLS only.
    Tls,
}

impl fmt::Display for Accepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Both => "legacy and TLS",
            Self::Legacy => "legacy only",
            Self::Tls => "TLS only",
        })
    }
}

/// A port to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The port.
    pub port: u16,
    /// What it takes.
    pub accepts: Accepts,
    /// The setting or settings to change if the port cannot be had.
    pub setting: &'static str,
    /// Where that comes from.
    pub origin: Origin,
}

/// Reads `1533`, `1533,1534` or `0`.
pub(crate) fn parse_ports(text: &str) -> Result<Ports, String> {
    let ports: Vec<u16> = text
        .split(',')
        .map(|port| {
            let port = port.trim();
            // The number parser takes a sign, which is more likely a mistake than a port.
            match port.parse() {
                Ok(number) if !port.starts_with('+') => Ok(number),
                _ if port == text => Err("is not a port".to_owned()),
                _ => Err(format!("holds \"{port}\", which is not a port")),
            }
        })
        .collect::<Result<_, _>>()?;
    match ports.as_slice() {
        [0] => Ok(Vec::new()),
        ports if ports.contains(&0) => {
            Err("names ports beside 0, which turns all of them off and stands alone".to_owned())
        }
        _ => Ok(ports),
    }
}

/// The listeners that the two settings mean together.
pub(crate) fn listeners(loader: &mut Loader) -> Option<Vec<Listen>> {
    let (legacy, tls) = (loader.get_optional(&PORT), loader.get_optional(&TLS_PORT));
    if legacy.is_none() && loader.is_set(&PORT.row) || tls.is_none() && loader.is_set(&TLS_PORT.row)
    {
        return None;
    }
    let (legacy, tls) = match (legacy, tls) {
        (None, None) => {
            let default = Sourced {
                value: vec![DEFAULT_PORT],
                origin: Origin::Default,
            };
            (default.clone(), default)
        }
        (Some(legacy), None) => {
            if !legacy.value.is_empty() {
                let text = "VPMX_TLS_PORT is not set, so only clients without TLS are served";
                loader.note(text, legacy.origin.clone());
            }
            (
                legacy,
                Sourced {
                    value: Vec::new(),
                    origin: Origin::Default,
                },
            )
        }
        (None, Some(tls)) => {
            // The documented default of the legacy port stays in force.
            if !tls.value.contains(&DEFAULT_PORT) {
                let text = "VPMX_PORT is not set, so clients without TLS are served on 1533; \
                    VPMX_PORT=0 turns them away";
                loader.note(text, tls.origin.clone());
            }
            (
                Sourced {
                    value: vec![DEFAULT_PORT],
                    origin: Origin::Default,
                },
                tls,
            )
        }
        (Some(legacy), Some(tls)) => (legacy, tls),
    };
    let mut listeners: Vec<Listen> = Vec::new();
    for port in &legacy.value {
        let (accepts, setting) = if tls.value.contains(port) {
            (Accepts::Both, "VPMX_PORT and VPMX_TLS_PORT")
        } else {
            (Accepts::Legacy, "VPMX_PORT")
        };
        let origin = legacy.origin.clone();
        listeners.push(Listen {
            port: *port,
            accepts,
            setting,
            origin,
        });
    }
    for port in tls.value.iter().filter(|port| !legacy.value.contains(port)) {
        let origin = tls.origin.clone();
        listeners.push(Listen {
            port: *port,
            accepts: Accepts::Tls,
            setting: "VPMX_TLS_PORT",
            origin,
        });
    }
    listeners.sort_by_key(|listen| listen.port);
    listeners.dedup_by_key(|listen| listen.port);
    if listeners.is_empty() {
        let problem =
            "VPMX_PORT and VPMX_TLS_PORT are both off, so nobody could connect".to_owned();
        loader.fault(
            &PORT.row,
            Scope::Mux,
            problem,
            "a port in at least one of them",
        );
        return None;
    }
    Some(listeners)
}

/// Refuses a health port that a listener for clients has as well.
pub(crate) fn refuse_shared_port(loader: &mut Loader, listeners: &[Listen], health: &Sourced<u16>) {
    if let Some(listen) = listeners.iter().find(|listen| listen.port == health.value) {
        let problem = format!(
            "{} is also the port of {} ({})",
            health.value, listen.setting, listen.origin
        );
        loader.fault(
            &HEALTH_PORT.row,
            Scope::Mux,
            problem,
            "a port of its own, or 0",
        );
    }
}
