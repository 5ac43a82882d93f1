//! `isochron keystore`: keys with their certificates, from the first one to its renewal.

use super::certificate::{self, facts};
use super::stores::{self, Place, Settings, StoreFile, Which, note};
use super::{password, print};
use crate::cli::{Export, Import, KeyName, Keystore, Names, NewKey, StorePassword};
use anyhow::{Context, anyhow, bail};
use keys::export::{certificates_pem, key_pem, write_key, write_public};
use keys::issue::{self, Holder};
use keys::store::{self, Content, Entry, Store, edit};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::time::SystemTime;

/// How long the certificate of a new key stands in: time for an authority to answer, and too short to be forgotten.
const STAND_IN_DAYS: u32 = 90;

pub(super) fn run(command: Keystore, settings: Settings<'_>) -> anyhow::Result<()> {
    let now = SystemTime::now();
    match command {
        Keystore::Create(key) => {
            let alias = make(&key, STAND_IN_DAYS, settings, now)?;
            let file = key.file.display();
            print(&format!(
                "the certificate only stands in; the request for an authority is made by:\n  \
                 isochron keystore csr {file} --alias {alias}\n"
            ))
        }
        Keystore::SelfSigned { days, key } => make(&key, days.get(), settings, now).map(drop),
        Keystore::List { store, form } => {
            let path = stores::path(&store, Which::Key, settings)?;
            let file = place(&path, &store.password, settings).open()?;
            file.tell_remarks();
            stores::print(&file, form.json, now)
        }
        Keystore::Csr {
            file,
            alias,
            names,
            out,
            force,
            password,
        } => {
            refuse_out(out.as_deref(), &file, force)?;
            let store = place(&file, &password, settings).open()?;
            let (key, chain) = content(store.key(alias.as_deref())?)?;
            let request = request(key, chain.first(), &names)?;
            write_or_print(&request, out.as_deref())
        }
        Keystore::Import(command) => import(&command, settings, now),
        Keystore::Export(command) => export(&command, settings),
    }
}

fn place<'a>(path: &'a Path, source: &'a StorePassword, settings: Settings<'a>) -> Place<'a> {
    Place {
        path,
        which: Which::Key,
        source,
        settings,
    }
}

/// Makes a key with a certificate of its own, and says so. Gives the alias.
fn make<'a>(
    new: &'a NewKey,
    days: u32,
    settings: Settings<'_>,
    now: SystemTime,
) -> anyhow::Result<&'a str> {
    let path = new.file.display();
    let holder = Holder::new(&new.names.hosts, new.names.subject.as_deref())
        .context("give --host, the name that clients use, or --subject")?;
    let alias = new.alias.as_str();
    if alias.trim().is_empty() {
        bail!("the alias is empty");
    }
    let place = place(&new.file, &new.password, settings);
    let exists = new.file.exists();
    let mut file = match (exists, new.add, new.force) {
        (true, false, false) => bail!(
            "{path} is there already; --add puts the key into it, --force replaces it with all that is in it"
        ),
        (false, true, _) => bail!("{path} does not exist; without --add it is made"),
        (true, true, _) => place.open()?,
        _ => place.make()?,
    };
    // Before the key is made, which takes a moment.
    if edit::aliases(&file.store)
        .iter()
        .any(|present| store::same_alias(present, alias))
    {
        bail!("{path}: {}", edit::EditError::Taken(alias.to_owned()));
    }
    let key = kind(new.key).generate()?;
    let certificate = issue::self_signed(&key, &holder, now, days)?;
    let own = facts(&certificate)?;
    let entry = Entry {
        alias: alias.to_owned(),
        content: Content::Key {
            key,
            chain: vec![certificate],
        },
    };
    edit::add(&mut file.store, entry).map_err(|error| anyhow!("{path}: {error}"))?;
    file.save()?;
    print(&format!(
        "{path}: made the key {alias} with a self-signed certificate\n{}",
        certificate::aligned(2, &certificate::lines(&own, now))
    ))?;
    Ok(alias)
}

fn kind(name: KeyName) -> issue::NewKey {
    match name {
        KeyName::EcP256 => issue::NewKey::EcP256,
        KeyName::EcP384 => issue::NewKey::EcP384,
        KeyName::Rsa2048 => issue::NewKey::Rsa2048,
        KeyName::Rsa3072 => issue::NewKey::Rsa3072,
        KeyName::Rsa4096 => issue::NewKey::Rsa4096,
        KeyName::Ed25519 => issue::NewKey::Ed25519,
    }
}

/// The request for a key: for whom its certificate is, unless the command says otherwise.
fn request(
    key: &PrivateKeyDer<'_>,
    certificate: Option<&CertificateDer<'_>>,
    names: &Names,
) -> anyhow::Result<String> {
    let (hosts, subject) = (&names.hosts[..], names.subject.as_deref());
    let is_whole = !hosts.is_empty() && subject.is_some();
    let holder = match certificate {
        Some(certificate) if !is_whole => Holder::of(certificate)?.with(hosts, subject)?,
        _ => Holder::new(hosts, subject)?,
    };
    Ok(issue::request(key, &holder)?)
}

fn content(entry: &Entry) -> anyhow::Result<(&PrivateKeyDer<'static>, &[CertificateDer<'static>])> {
    match &entry.content {
        Content::Key { key, chain } => Ok((key, chain)),
        Content::Certificate(_) => bail!("\"{}\" is a certificate without a key", entry.alias),
    }
}

fn import(command: &Import, settings: Settings<'_>, now: SystemTime) -> anyhow::Result<()> {
    let place = place(&command.file, &command.password, settings);
    let (file, changed) = match (&command.from, &command.certificate, &command.key) {
        (Some(from), ..) => {
            // What is taken over first: nothing is made if that cannot be read.
            let entries = entries_of(command, from)?;
            let mut file = place.open_or_make()?;
            let changed: Vec<String> = entries.iter().map(|entry| entry.alias.clone()).collect();
            for entry in entries {
                put(&mut file, entry, command.force)?;
            }
            (file, changed)
        }
        (None, Some(certificate), Some(key)) => {
            let alias = command.alias.as_deref().unwrap_or_default();
            let entry = pair(command, alias, certificate, key)?;
            let mut file = place.open_or_make()?;
            put(&mut file, entry, command.force)?;
            (file, vec![alias.to_owned()])
        }
        (None, Some(certificate), None) => {
            let certificates = with_chain(command, certificate)?;
            let mut file = place.open()?;
            let changed = edit::import(&mut file.store, &certificates)
                .map_err(|error| anyhow!("{}: {error}", certificate.display()))?;
            let wanted = command.alias.as_deref();
            if let Some(wanted) = wanted.filter(|wanted| !has(&changed, wanted)) {
                bail!(
                    "{} is for the key \"{}\", not for \"{wanted}\"",
                    certificate.display(),
                    changed.join("\", \"")
                );
            }
            (file, changed)
        }
        // clap asks for one of the two.
        (None, None, _) => bail!("give --certificate or --from"),
    };
    file.save()?;
    let mut said = String::new();
    for entry in file
        .store
        .entries
        .iter()
        .filter(|entry| has(&changed, &entry.alias))
    {
        let path = command.file.display();
        let chain = match &entry.content {
            Content::Key { chain, .. } => {
                said += &format!("{path}: {} is in the store with its key\n", entry.alias);
                chain
            }
            Content::Certificate(certificate) => {
                said += &format!("{path}: the certificate {} is in the store\n", entry.alias);
                &vec![certificate.clone()]
            }
        };
        said += &chain_lines(&command.file, entry, chain, now)?;
    }
    print(&said)
}

fn has(aliases: &[String], alias: &str) -> bool {
    aliases
        .iter()
        .any(|present| store::same_alias(present, alias))
}

/// What is worth knowing about a chain: its own certificate in full, the others in a line; doubts go to the notes.
fn chain_lines(
    path: &Path,
    entry: &Entry,
    chain: &[CertificateDer<'static>],
    now: SystemTime,
) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    let mut last = None;
    for (number, certificate) in chain.iter().enumerate() {
        let facts = facts(certificate)?;
        match number {
            0 => lines.extend(certificate::lines(&facts, now)),
            _ => lines.push(("chain", certificate::short(&facts))),
        }
        if now < facts.not_before || facts.not_after < now {
            note(
                path,
                &format!("{} is outside its time", certificate::short(&facts)),
            );
        }
        last = Some(facts);
    }
    if let (Some(last), Content::Key { .. }) =
        (last.filter(|last| !last.self_signed), &entry.content)
    {
        note(
            path,
            &format!(
                "the chain of {} ends below {}; if that is not a root that the others know, give its certificate \
                 with --chain",
                entry.alias, last.issuer
            ),
        );
    }
    Ok(certificate::aligned(2, &lines))
}

/// The entries to take over from another store.
fn entries_of(command: &Import, from: &Path) -> anyhow::Result<Vec<Entry>> {
    let bytes = stores::read(from)?;
    let password = match &command.from_password_file {
        Some(file) => password::from_file(file)?,
        None => password::present(false, &format!("Password of {}: ", from.display()))?,
    };
    let key_password = command.from_key_password_file.as_deref();
    let key_password = key_password.map(password::from_file).transpose()?;
    let key_password = key_password.as_ref().map(|password| password.as_str());
    let mut store = stores::open(from, &bytes, &password, key_password)?;
    for remark in &store.remarks {
        note(from, remark);
    }
    match &command.alias {
        Some(alias) => {
            let entry = edit::remove(&mut store, alias);
            Ok(vec![
                entry.map_err(|error| anyhow!("{}: {error}", from.display()))?,
            ])
        }
        None if store.entries.is_empty() => bail!("{} is empty", from.display()),
        None => Ok(store.entries),
    }
}

/// A key of a PEM file with its certificate.
fn pair(command: &Import, alias: &str, certificate: &Path, key: &Path) -> anyhow::Result<Entry> {
    let certificates = with_chain(command, certificate)?;
    let store = stores::open(key, &stores::read(key)?, "", None);
    let store = store.context("the key has to be there in PEM and not encrypted")?;
    let is_key = |entry: &Entry| matches!(entry.content, Content::Key { .. });
    let found = store.entries.into_iter().find(is_key);
    let Some(Content::Key { key: private, .. }) = found.map(|entry| entry.content) else {
        bail!("{} holds no key", key.display());
    };
    let mut own = Store {
        format: store.format,
        entries: vec![Entry {
            alias: alias.to_owned(),
            content: Content::Key {
                key: private,
                chain: Vec::new(),
            },
        }],
        loose: Vec::new(),
        remarks: Vec::new(),
    };
    edit::import(&mut own, &certificates).map_err(|_| {
        anyhow!(
            "{} does not belong to the key of {}",
            certificate.display(),
            key.display()
        )
    })?;
    let entry = own.entries.pop();
    entry.context("the key is gone")
}

/// The certificates of --certificate and --chain.
fn with_chain(
    command: &Import,
    certificate: &Path,
) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let mut certificates = stores::certificates(certificate)?;
    for file in &command.chain {
        certificates.extend(stores::certificates(file)?);
    }
    Ok(certificates)
}

/// Puts an entry into a store, in place of another only if that is wanted.
fn put(file: &mut StoreFile, entry: Entry, force: bool) -> anyhow::Result<()> {
    if force && has(&edit::aliases(&file.store), &entry.alias) {
        edit::remove(&mut file.store, &entry.alias)?;
    }
    edit::add(&mut file.store, entry)
        .map_err(|error| anyhow!("{}: {error}; --force replaces it", file.path.display()))
}

fn export(command: &Export, settings: Settings<'_>) -> anyhow::Result<()> {
    let out = command.out.as_deref();
    refuse_out(out, &command.file, command.force)?;
    let file = place(&command.file, &command.password, settings).open()?;
    let entry = file.key(command.alias.as_deref())?;
    let (key, chain) = content(entry)?;
    if command.key {
        // clap asks for it: a key is not for a terminal.
        let out = out.context("give --out, the file for the key")?;
        write_key(out, key_pem(key).as_bytes())
            .with_context(|| format!("{} cannot be written", out.display()))?;
        return print(&format!(
            "{}: the key {}, not encrypted; keep it for its owner only\n",
            out.display(),
            entry.alias
        ));
    }
    let own = if command.chain {
        chain
    } else {
        chain.get(..1).unwrap_or_default()
    };
    if own.is_empty() {
        bail!(
            "{}: the key {} has no certificate",
            command.file.display(),
            entry.alias
        );
    }
    write_or_print(&certificates_pem(own), out)
}

/// Refuses to replace a file unless that is wanted, and the store itself in any case: its keys may be nowhere else.
fn refuse_out(out: Option<&Path>, store: &Path, force: bool) -> anyhow::Result<()> {
    let Some(out) = out.filter(|out| out.exists()) else {
        return Ok(());
    };
    let is_store = match (out.canonicalize(), store.canonicalize()) {
        (Ok(out), Ok(store)) => out == store,
        _ => false,
    };
    if is_store {
        bail!(
            "{} is the store itself; give --out another file",
            out.display()
        );
    }
    if !force {
        bail!("{} is there already; --force replaces it", out.display());
    }
    Ok(())
}

fn write_or_print(text: &str, out: Option<&Path>) -> anyhow::Result<()> {
    let Some(out) = out else {
        return print(text);
    };
    write_public(out, text.as_bytes())
        .with_context(|| format!("{} cannot be written", out.display()))?;
    print(&format!("wrote {}\n", out.display()))
}
