//! `isochron truststore`: whom the server trusts.

mod fetch;

use super::certificate::{self, facts};
use super::print;
use super::stores::{self, Place, Settings, StoreFile, Which, note};
use crate::cli::{StorePassword, Truststore};
use anyhow::{anyhow, bail};
use keys::store::{Content, Entry, edit};
use rustls::pki_types::CertificateDer;
use std::path::Path;
use std::time::SystemTime;

pub(super) fn run(command: Truststore, settings: Settings<'_>) -> anyhow::Result<()> {
    let now = SystemTime::now();
    match command {
        Truststore::Add {
            file,
            alias,
            certificates,
            password,
        } => {
            // What is to be trusted first: no store is made if that cannot be read.
            let certificates = stores::certificates(&certificates)?;
            let mut file = place(&file, &password, settings).open_or_make()?;
            let said = trust(&mut file, &alias, certificates, now)?;
            print(&said)
        }
        Truststore::List { store, form } => {
            let path = stores::path(&store, Which::Trust, settings)?;
            let file = place(&path, &store.password, settings).open()?;
            file.tell_remarks();
            stores::print(&file, form.json, now)
        }
        Truststore::Remove {
            file,
            alias,
            password,
        } => {
            let mut file = place(&file, &password, settings).open()?;
            let path = file.path.display().to_string();
            let removed = edit::remove(&mut file.store, &alias)
                .map_err(|error| anyhow!("{path}: {error}"))?;
            file.save()?;
            if file.store.entries.is_empty() {
                note(
                    &file.path,
                    "the store is empty now, and a server that needs it will not start",
                );
            }
            print(&format!(
                "{path}: {} is not trusted any more\n",
                removed.alias
            ))
        }
        Truststore::Fetch(command) => fetch::run(&command, settings, now),
    }
}

fn place<'a>(path: &'a Path, source: &'a StorePassword, settings: Settings<'a>) -> Place<'a> {
    Place {
        path,
        which: Which::Trust,
        source,
        settings,
    }
}

/// Puts certificates into a store and writes it; gives what is to be said. One that is there already stays under
/// the alias that it has.
fn trust(
    file: &mut StoreFile,
    alias: &str,
    certificates: Vec<CertificateDer<'static>>,
    now: SystemTime,
) -> anyhow::Result<String> {
    if alias.trim().is_empty() {
        bail!("the alias is empty");
    }
    let path = file.path.display().to_string();
    let mut said = String::new();
    let mut is_changed = false;
    for (number, certificate) in certificates.into_iter().enumerate() {
        let facts = facts(&certificate)?;
        if let Some(present) = alias_of(file, &certificate) {
            said += &format!("{path}: {} is there already as {present}\n", facts.subject);
            continue;
        }
        let alias = match number {
            0 => alias.to_owned(),
            _ => format!("{alias}-{}", number + 1),
        };
        said += &format!("{path}: trusts {alias}\n");
        said += &certificate::aligned(2, &certificate::lines(&facts, now));
        if now < facts.not_before || facts.not_after < now {
            note(
                &file.path,
                &format!("{alias} is outside its time and will not be accepted"),
            );
        }
        if !facts.is_ca() {
            note(
                &file.path,
                &format!(
                    "{alias} is no authority: this very certificate is trusted, and has to be replaced with it"
                ),
            );
        }
        let content = Content::Certificate(certificate);
        edit::add(&mut file.store, Entry { alias, content })
            .map_err(|error| anyhow!("{path}: {error}"))?;
        is_changed = true;
    }
    if is_changed {
        file.save()?;
    }
    Ok(said)
}

/// Under which alias a certificate is trusted.
fn alias_of<'a>(file: &'a StoreFile, certificate: &CertificateDer<'_>) -> Option<&'a str> {
    let is_it = |entry: &&Entry| matches!(&entry.content, Content::Certificate(known) if known == certificate);
    let entry = file.store.entries.iter().find(is_it)?;
    Some(&entry.alias)
}
