//! Another server: where it is, and which of its certificates to trust.

use crate::cmd::certificate::{self, aligned, facts};
use anyhow::{Context, bail};
use keys::facts::Facts;
use keys::store;
use rustls::pki_types::CertificateDer;
use std::fmt;
use std::net::Ipv6Addr;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;

/// A server that is there answers sooner; one that a firewall hides does not answer at all.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cmd) struct Peer {
    pub(in crate::cmd) host: String,
    pub(in crate::cmd) port: u16,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "[{address}]:{}", self.port),
            Err(_) => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Peer {
    /// Reads `host:port`, an IPv6 address in brackets.
    pub(in crate::cmd) fn parse(text: &str) -> anyhow::Result<Self> {
        let expected = || format!("{text} is no host with a port, as in ldap.example.com:636");
        let (host, port) = text.rsplit_once(':').with_context(expected)?;
        let host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(address) => address,
            None if host.contains(':') => {
                bail!("{}; an IPv6 address stands in brackets", expected())
            }
            None => host,
        };
        let port = port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .with_context(expected)?;
        if host.is_empty() {
            bail!(expected());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }

    /// Connects, and says in a sentence why not.
    pub(in crate::cmd) async fn connect(&self) -> anyhow::Result<TcpStream> {
        let connect = TcpStream::connect((self.host.as_str(), self.port));
        match tokio::time::timeout(CONNECT_DEADLINE, connect).await {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(error)) => bail!("{self} cannot be reached: {error}"),
            Err(_) => bail!(
                "{self} cannot be reached: no answer within {} seconds",
                CONNECT_DEADLINE.as_secs()
            ),
        }
    }
}

/// Which of the certificates that a peer sent to trust, the place and what it says: the highest authority above the
/// peer's own, because it lasts longest; without one, the peer's own. One that has not signed what is below it is never
/// the one, because anybody may send it.
pub(in crate::cmd) fn candidate(
    sent: &[CertificateDer<'static>],
) -> anyhow::Result<(usize, Facts)> {
    let mut found = None;
    for at in store::proved_path(sent) {
        let facts = facts(sent.get(at).context("a certificate is gone")?)?;
        // What is no authority vouches for nothing, although its key may have signed.
        if found.is_some() && !facts.is_ca() {
            break;
        }
        found = Some((at, facts));
    }
    found.context("the server showed no certificate")
}

/// The certificates that a peer sent: its own, those that have signed it, and then what was sent besides.
pub(in crate::cmd) fn shown(
    sent: &[CertificateDer<'static>],
    now: SystemTime,
) -> anyhow::Result<String> {
    let path = store::proved_path(sent);
    let besides = (0..sent.len()).filter(|at| !path.contains(at));
    let above = path.iter().enumerate().map(|(number, at)| match number {
        0 => ("", *at),
        _ => ("issued by\n", *at),
    });
    let mut text = String::new();
    for (how, at) in above.chain(besides.map(|at| ("also sends\n", at))) {
        let certificate = sent.get(at).context("a certificate is gone")?;
        text += how;
        text += &aligned(2, &certificate::lines(&facts(certificate)?, now));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_host_and_a_port() {
        for (text, host, port) in [
            ("ldap.example.com:636", "ldap.example.com", 636),
            ("10.0.0.5:1", "10.0.0.5", 1),
            ("[::1]:636", "::1", 636),
        ] {
            let peer = Peer::parse(text).unwrap();
            assert_eq!((peer.host.as_str(), peer.port), (host, port));
            assert_eq!(peer.to_string(), text);
        }
        for text in [
            "ldap.example.com",
            ":636",
            "a:",
            "a:0",
            "a:70000",
            "::1:636",
            "a:b",
        ] {
            assert!(Peer::parse(text).is_err(), "{text}");
        }
    }
}
