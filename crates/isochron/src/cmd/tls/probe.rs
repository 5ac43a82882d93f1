//! `isochron tls probe`: what another server offers, and whether a scope would accept it.

use super::peer::{self, Peer, candidate};
use super::scope::Loaded;
use super::show::fault_text;
use super::{unsaid, why};
use crate::cli::{Global, ScopeName};
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
use std::path::Path;
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
    global: &Global,
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
    let command = command(peer, scope, loaded.settings, global, &seen.chain)?;
    let verdict = judge(peer, loaded, command, now).await?;
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
    text += "and shows\n";
    text += &peer::shown(chain, now)?;
    Ok(text)
}

/// Whether the scope would accept the peer.
struct Verdict {
    /// What would be agreed on.
    agreed: Option<String>,
    problem: Option<String>,
    command: Option<String>,
}

/// `command` is the one that mends a missing trust.
async fn judge(
    peer: &Peer,
    loaded: &Loaded<'_>,
    command: Option<String>,
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
        return Ok(refused(problem, command));
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
    Ok(refused(problem, command.filter(|_| can_import)))
}

/// The command that puts the certificate to trust into the scope's trust store; a new one if there is none yet. It can
/// be given to a shell as it is, and works with the same settings.
fn command(
    peer: &Peer,
    scope: ScopeName,
    settings: &TlsSettings,
    global: &Global,
    chain: &[CertificateDer<'static>],
) -> anyhow::Result<Option<String>> {
    if chain.is_empty() {
        return Ok(None);
    }
    let (_, facts) = candidate(chain)?;
    let word = Scope::from(scope).word();
    let mut words = ["isochron", "truststore", "fetch"]
        .map(str::to_owned)
        .to_vec();
    words.push(peer.to_string());
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    let text = |path: &Path| path.display().to_string();
    match &settings.trust_store {
        Some(store) => {
            option("--into", text(&path_of(&store.file)));
            option("--scope", word.to_owned());
        }
        None => option("--into", format!("{word}-trust.p12")),
    }
    option("--fingerprint", facts.fingerprint());
    if let Some(config) = &global.config {
        option("--config", text(config));
    }
    if let Some(data) = &global.data {
        option("--data", text(data));
    }
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    Ok(Some(words.join(" ")))
}

/// A word as a shell takes it for itself.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,+@%=".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_quoted_word_for_itself() {
        for (word, expected) in [
            ("/etc/isochron/trust-1.p12", "/etc/isochron/trust-1.p12"),
            ("[::1]:636", "'[::1]:636'"),
            ("my store.p12", "'my store.p12'"),
            ("it's", r"'it'\''s'"),
            ("$(reboot)", "'$(reboot)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }
}
