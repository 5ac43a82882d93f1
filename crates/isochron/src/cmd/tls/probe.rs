//! `isochron tls probe`: what another server offers, and whether a scope would accept it.

use super::peer::{Peer, candidate};
use super::scope::Loaded;
use super::show::fault_text;
use super::{unsaid, why};
use crate::cli::ScopeName;
use crate::cmd::certificate::{self, CertificateRow, aligned, facts};
use crate::cmd::{print, print_json};
use anyhow::bail;
use config::{Scope, TlsSettings};
use keys::material::path_of;
use keys::verify::Why;
use keys::{Material, Role};
use net::probe::{self, Trouble};
use net::tls::Reason;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use std::time::SystemTime;

/// What was seen, as JSON shows it.
#[derive(Debug, Serialize)]
struct ProbeRow {
    peer: String,
    /// What it chooses, version by version; the suite that it likes best comes first.
    offers: Vec<OfferRow>,
    chain: Vec<CertificateRow>,
    scope: &'static str,
    accepted: bool,
    /// Why not, with the setting that would change it.
    problem: Option<String>,
    /// The command that puts the certificate to trust into the scope's store.
    command: Option<String>,
}

#[derive(Debug, Serialize)]
struct OfferRow {
    version: &'static str,
    suite: &'static str,
    group: &'static str,
}

/// Looks at the peer and judges it.
///
/// # Errors
/// When it cannot be reached, speaks no TLS that is known here, or would not be accepted.
pub(super) async fn run(
    peer: &Peer,
    scope: ScopeName,
    loaded: &Loaded<'_>,
    json: bool,
    now: SystemTime,
) -> anyhow::Result<()> {
    let seen = probe::by_anything(peer.connect().await?, &peer.host).await;
    if seen.chain.is_empty()
        && let Err(trouble) = &seen.result
    {
        bail!("{peer}: {trouble}");
    }
    let offers = net::probe::offers(&peer.host, || async {
        peer.connect().await.map_err(std::io::Error::other)
    })
    .await;
    let verdict = judge(peer, scope, loaded, &seen.chain, now).await?;
    let offers = offers.into_iter().map(|offer| OfferRow {
        version: certificate::version_text(offer),
        suite: offer.suite_name(),
        group: offer.group_name(),
    });
    let offers: Vec<OfferRow> = offers.collect();
    let word = Scope::from(scope).word();
    if json {
        let chain = seen
            .chain
            .iter()
            .map(|one| Ok(CertificateRow::of(&facts(one)?, now)));
        print_json(&ProbeRow {
            peer: peer.to_string(),
            offers,
            chain: chain.collect::<anyhow::Result<_>>()?,
            scope: word,
            accepted: verdict.problem.is_none(),
            problem: verdict.problem.clone(),
            command: verdict.command.clone(),
        })?;
    } else {
        print(&shown(peer, &offers, &seen.chain, now)?)?;
        let said = match (&verdict.problem, &verdict.agreed) {
            (None, agreed) => format!(
                "accepted by the scope {word}: {}\n",
                agreed.as_deref().unwrap_or("")
            ),
            (Some(problem), _) => format!("not accepted by the scope {word}: {problem}\n"),
        };
        let command = verdict.command.as_ref().map(|command| {
            format!("to trust it, once its fingerprint was compared with the one that its administrator tells:\n  {command}\n")
        });
        print(&(said + &command.unwrap_or_default()))?;
    }
    match verdict.problem {
        None => Ok(()),
        Some(_) => bail!("{peer} would not be accepted by the scope {word}"),
    }
}

fn shown(
    peer: &Peer,
    offers: &[OfferRow],
    chain: &[CertificateDer<'static>],
    now: SystemTime,
) -> anyhow::Result<String> {
    let mut text = format!("{peer} offers\n");
    let lines = offers
        .iter()
        .map(|offer| (offer.version, format!("{}, {}", offer.suite, offer.group)));
    text += &aligned(2, &lines.collect::<Vec<_>>());
    for (number, certificate) in chain.iter().enumerate() {
        text += match number {
            0 => "and shows\n",
            _ => "issued by\n",
        };
        text += &aligned(2, &certificate::lines(&facts(certificate)?, now));
    }
    Ok(text)
}

/// Whether the scope would accept the peer.
struct Verdict {
    /// What would be agreed on.
    agreed: Option<String>,
    problem: Option<String>,
    command: Option<String>,
}

async fn judge(
    peer: &Peer,
    scope: ScopeName,
    loaded: &Loaded<'_>,
    chain: &[CertificateDer<'static>],
    now: SystemTime,
) -> anyhow::Result<Verdict> {
    let settings = loaded.settings;
    let refused = |problem: String, command: Option<String>| Verdict {
        agreed: None,
        problem: Some(problem),
        command,
    };
    if settings.trust_store.is_none() {
        let names = settings.scope.names("TLS_TRUST_STORE_FILE").join(" or ");
        let problem = format!("it trusts nobody, because no trust store is named ({names})");
        return Ok(refused(problem, command(peer, scope, settings, chain)?));
    }
    let material: Material = match keys::load(settings, Role::Client, now) {
        Ok(material) => material,
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(fault_text).collect();
            return Ok(refused(faults.join("; "), None));
        }
    };
    let seen = match probe::by_rules(peer.connect().await?, &peer.host, settings, &material).await {
        Ok(seen) => seen,
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(fault_text).collect();
            return Ok(refused(faults.join("; "), None));
        }
    };
    let Err(trouble) = &seen.result else {
        return Ok(Verdict {
            agreed: seen.handshake.map(|handshake| {
                format!(
                    "{}, {}, {}",
                    certificate::version_text(handshake),
                    handshake.suite_name(),
                    handshake.group_name()
                )
            }),
            problem: None,
            command: None,
        });
    };
    let problem = why(trouble, settings) + &unsaid(trouble, settings);
    let importable = [Why::Untrusted, Why::WrongSigner, Why::Unreadable].map(Reason::Certificate);
    let can_import =
        matches!(trouble, Trouble::Tls(failure) if importable.contains(&failure.reason));
    let command = match can_import {
        true => command(peer, scope, settings, chain)?,
        false => None,
    };
    Ok(refused(problem, command))
}

/// The command that puts the certificate to trust into the scope's trust store; a new one if there is none yet.
fn command(
    peer: &Peer,
    scope: ScopeName,
    settings: &TlsSettings,
    chain: &[CertificateDer<'static>],
) -> anyhow::Result<Option<String>> {
    if chain.is_empty() {
        return Ok(None);
    }
    let (_, facts) = candidate(chain)?;
    let fingerprint = facts.fingerprint();
    let word = Scope::from(scope).word();
    Ok(Some(match &settings.trust_store {
        Some(store) => format!(
            "isochron truststore fetch {peer} --into {} --scope {word} --fingerprint {fingerprint}",
            path_of(&store.file).display()
        ),
        None => format!(
            "isochron truststore fetch {peer} --into {word}-trust.p12 --fingerprint {fingerprint}"
        ),
    }))
}
