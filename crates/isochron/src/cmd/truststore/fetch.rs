//! `isochron truststore fetch`: the certificates that a server shows, and trust in one of them by its fingerprint.

use super::{place, trust};
use crate::cli::Fetch;
use crate::cmd::certificate::{CertificateRow, facts};
use crate::cmd::stores::Settings;
use crate::cmd::tls::{Peer, block_on, candidate, shown};
use crate::cmd::{print, print_json};
use anyhow::{Context, bail};
use keys::facts::Facts;
use rustls::pki_types::CertificateDer;
use std::io::{self, BufRead, IsTerminal};
use std::path::Path;
use std::time::SystemTime;

pub(super) fn run(command: &Fetch, settings: Settings<'_>, now: SystemTime) -> anyhow::Result<()> {
    let peer = Peer::parse(&command.peer)?;
    let seen = block_on(async {
        let socket = peer.connect().await?;
        anyhow::Ok(net::probe::by_anything(socket, &peer.host).await)
    })??;
    let chain = seen.chain;
    if chain.is_empty() {
        match seen.result {
            Err(trouble) => bail!("{peer}: {trouble}"),
            Ok(()) => bail!("{peer} showed no certificate"),
        }
    }
    if command.form.json {
        let rows = chain
            .iter()
            .map(|one| Ok(CertificateRow::of(&facts(one)?, now)));
        print_json(&rows.collect::<anyhow::Result<Vec<_>>>()?)?;
    } else {
        print(&format!("{peer} shows\n{}", shown(&chain, now)?))?;
    }
    let Some(into) = &command.into else {
        return Ok(());
    };
    let (at, chosen) = choose(command, &chain)?;
    confirm(command, into, &chosen)?;
    let certificate = chain
        .into_iter()
        .nth(at)
        .context("the certificate is gone")?;
    let mut file = place(into, &command.password, settings).open_or_make()?;
    let alias = command.alias.as_deref().unwrap_or(&peer.host);
    let said = trust(&mut file, alias, vec![certificate], now)?;
    if command.form.json {
        Ok(())
    } else {
        print(&said)
    }
}

/// The certificate to trust, and where in the chain it is.
fn choose(command: &Fetch, chain: &[CertificateDer<'static>]) -> anyhow::Result<(usize, Facts)> {
    if command.leaf {
        let own = chain.first().context("the server showed no certificate")?;
        return Ok((0, facts(own)?));
    }
    let Some(wanted) = &command.fingerprint else {
        return candidate(chain);
    };
    let wanted = digits(wanted);
    if wanted.len() != 64 {
        bail!("a SHA-256 fingerprint has 64 hexadecimal digits, as in AA:BB:…");
    }
    for (at, one) in chain.iter().enumerate() {
        let facts = facts(one)?;
        if digits(&facts.fingerprint()) == wanted {
            return Ok((at, facts));
        }
    }
    bail!(
        "none of the certificates has this fingerprint, so nothing was trusted: either the server has a new \
         certificate, or somebody stands between"
    )
}

fn digits(fingerprint: &str) -> String {
    let digits = fingerprint.chars().filter(char::is_ascii_hexdigit);
    digits.collect::<String>().to_ascii_uppercase()
}

/// Nothing is trusted that nobody has looked at.
fn confirm(command: &Fetch, into: &Path, chosen: &Facts) -> anyhow::Result<()> {
    if command.yes || command.fingerprint.is_some() {
        return Ok(());
    }
    let stdin = io::stdin();
    if !stdin.is_terminal() || command.password.password_stdin {
        bail!(
            "compare the fingerprint with the one that the server's administrator tells, and trust {} by \
             --fingerprint {}",
            chosen.subject,
            chosen.fingerprint()
        );
    }
    eprint!(
        "Does the server's administrator tell the fingerprint\n  {}\nfor {}? \
         Then type yes to trust it in {}: ",
        chosen.fingerprint(),
        chosen.subject,
        into.display()
    );
    let mut answer = String::new();
    stdin
        .lock()
        .read_line(&mut answer)
        .context("the answer cannot be read")?;
    match answer.trim().eq_ignore_ascii_case("yes") {
        true => Ok(()),
        false => bail!("nothing was trusted"),
    }
}
