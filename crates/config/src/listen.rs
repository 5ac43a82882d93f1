//! Which ports, and what each of them takes.
//!
//! Source: `docs/domain/tls-scopes.md` 15.2.

use crate::loader::Loader;
use crate::settings::mux::{PORT, TLS_PORT};
use crate::settings::server::HEALTH_PORT;
use crate::settings::tls::MODE;
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

/// Which clients somebody wants to serve (`STMUX_TLS_MODE`).
///
/// Source: `docs/domain/tls-scopes.md` 15.2, 18.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Without TLS only.
    Legacy,
    /// With and without.
    Both,
    /// With TLS only.
    Strict,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy",
            Self::Both => "both",
            Self::Strict => "strict",
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

/// The listeners that the ports and the mode mean together.
pub(crate) fn listeners(loader: &mut Loader) -> Option<Vec<Listen>> {
    let (legacy, tls) = (loader.get_optional(&PORT), loader.get_optional(&TLS_PORT));
    let mode = loader.get_optional(&MODE);
    let is_faulty = |found: bool, loader: &Loader, row| !found && loader.is_set(row);
    if is_faulty(legacy.is_some(), loader, &PORT.row)
        || is_faulty(tls.is_some(), loader, &TLS_PORT.row)
        || is_faulty(mode.is_some(), loader, &MODE.row)
    {
        return None;
    }
    let (legacy, tls) = ports(loader, legacy, tls, mode.as_ref());
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
    let of_ports = match (legacy.value.is_empty(), tls.value.is_empty()) {
        (true, _) => Mode::Strict,
        (_, true) => Mode::Legacy,
        _ => Mode::Both,
    };
    match mode {
        Some(mode) if mode.value != of_ports => {
            let problem = format!(
                "{} contradicts the ports, which mean {of_ports}: VPMX_PORT is {}, VPMX_TLS_PORT is {}",
                mode.value,
                shown(&legacy),
                shown(&tls)
            );
            let expected = format!("{of_ports}, or other ports");
            loader.fault(&MODE.row, Scope::Mux, problem, &expected);
            None
        }
        _ => Some(listeners),
    }
}

/// The ports without TLS and with it, once defaults are filled in. A mode decides what a port that is not set
/// means; it never changes one that is.
fn ports(
    loader: &mut Loader,
    legacy: Option<Sourced<Ports>>,
    tls: Option<Sourced<Ports>>,
    mode: Option<&Sourced<Mode>>,
) -> (Sourced<Ports>, Sourced<Ports>) {
    let default = |ports: &[u16]| Sourced {
        value: ports.to_vec(),
        origin: Origin::Default,
    };
    let wants = |wanted: Mode| mode.is_some_and(|mode| mode.value == wanted);
    match (legacy, tls) {
        (Some(legacy), Some(tls)) => (legacy, tls),
        (None, None) => {
            let on = |on: bool| default(if on { &[DEFAULT_PORT] } else { &[] });
            (on(!wants(Mode::Strict)), on(!wants(Mode::Legacy)))
        }
        (Some(legacy), None) => {
            let tls = if wants(Mode::Both) {
                default(&legacy.value)
            } else if wants(Mode::Strict) && legacy.value.is_empty() {
                default(&[DEFAULT_PORT])
            } else {
                if !legacy.value.is_empty() && mode.is_none() {
                    let text = "VPMX_TLS_PORT is not set, so only clients without TLS are served";
                    loader.note(text, legacy.origin.clone());
                }
                default(&[])
            };
            (legacy, tls)
        }
        (None, Some(tls)) if wants(Mode::Strict) => (default(&[]), tls),
        (None, Some(tls)) => {
            // The documented default of the legacy port stays in force.
            if !tls.value.contains(&DEFAULT_PORT) && mode.is_none() {
                let text = "VPMX_PORT is not set, so clients without TLS are served on 1533; \
                    VPMX_PORT=0 turns them away";
                loader.note(text, tls.origin.clone());
            }
            (default(&[DEFAULT_PORT]), tls)
        }
    }
}

/// `1533,1534 (sametime.ini:3)`, `off (default)`.
fn shown(ports: &Sourced<Ports>) -> String {
    let list: Vec<String> = ports.value.iter().map(u16::to_string).collect();
    let list = match list.is_empty() {
        true => "off".to_owned(),
        false => list.join(","),
    };
    format!("{list} ({})", ports.origin)
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
