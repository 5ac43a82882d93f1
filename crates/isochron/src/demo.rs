//! A community to try things with: a few people, one group, one password.

use anyhow::Context;
use config::{Accepts, Config};
use identity::{Directory, HashedPassword, HashedPerson};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::Zeroizing;

/// Login name, display name.
const PEOPLE: [(&str, &str); 5] = [
    ("alice", "Alice Adams"),
    ("bob", "Bob Brown"),
    ("carol", "Carol Clark"),
    ("dave", "Dave Davis"),
    ("erin", "Erin Evans"),
];

/// The public group that all of them are in.
const GROUP: (&str, &str) = ("team", "Demo Team");

/// Where the password is kept for the next start.
const PASSWORD_FILE: &str = "demo-password";

/// Characters of the password that nobody mixes up.
const PASSWORD_LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";

/// Adds the demo people where they are missing, and answers with their password.
pub(crate) async fn people(
    data: &Path,
    directory: &Directory,
) -> anyhow::Result<Zeroizing<String>> {
    let password = password(&data.join(PASSWORD_FILE))?;
    if PEOPLE
        .iter()
        .all(|(id, _)| directory.person(id.as_bytes()).is_some())
    {
        return Ok(password);
    }
    let hash = HashedPassword::of(password.as_bytes())?;
    let people = PEOPLE.iter().map(|(id, name)| HashedPerson {
        id: (*id).to_owned(),
        name: (*name).to_owned(),
        mail: format!("{id}@example.com"),
        password: Some(hash.clone()),
        groups: vec![GROUP.0.to_owned()],
    });
    directory.import(people.collect()).await?;
    if let Some(group) = directory.group(GROUP.0.as_bytes()) {
        directory
            .put_group(GROUP.0, GROUP.1, group.members.clone())
            .await?;
    }
    Ok(password)
}

/// The password of an earlier start, or a new one: the demo listens on the network, so it is not the same
/// everywhere.
fn password(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    match std::fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) if !text.trim().is_empty() => return Ok(Zeroizing::new(text.trim().to_owned())),
        Ok(_) => anyhow::bail!(
            "{} is empty; write the demo people's password into it, or delete the demo's folder to \
             start anew",
            path.display()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    let letter = || PASSWORD_LETTERS[rand::random_range(0..PASSWORD_LETTERS.len())] as char;
    let password: Zeroizing<String> = Zeroizing::new((0..10).map(|_| letter()).collect());
    write(path, &password).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(password)
}

/// The file gets its name only when every byte is on the disk: an interrupted start leaves none.
fn write(path: &Path, password: &str) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let _ = std::fs::remove_file(&unfinished);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    writeln!(file, "{password}")?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

/// Tells the person at the terminal how to connect.
pub(crate) fn tell(config: &Config, fingerprint: Option<&str>, password: &str) -> io::Result<()> {
    let port = |wanted: Accepts| {
        let listeners = &config.mux.listeners;
        let fits = |accepts: Accepts| accepts == wanted || accepts == Accepts::Both;
        listeners
            .iter()
            .find(|listen| fits(listen.accepts))
            .map(|listen| listen.port)
    };
    let mut out = io::stdout().lock();
    let people: Vec<&str> = PEOPLE.iter().map(|(id, _)| *id).collect();
    writeln!(out, "\nIsochron demo community\n")?;
    writeln!(out, "  people     {}", people.join(", "))?;
    writeln!(out, "  password   {password}")?;
    writeln!(out, "  group      {} ({})\n", GROUP.0, GROUP.1)?;
    if let Some(port) = port(Accepts::Legacy) {
        writeln!(
            out,
            "Pidgin or Finch (plug-in package libpurple0): Accounts > Add"
        )?;
        writeln!(out, "  Protocol   Sametime")?;
        writeln!(out, "  Username   alice")?;
        writeln!(out, "  Server     localhost")?;
        writeln!(out, "  Port       {port} (Advanced)\n")?;
    }
    if let (Some(port), Some(fingerprint)) = (port(Accepts::Tls), fingerprint) {
        writeln!(
            out,
            "Sametime Connect or Notes with \"Direct connection using TLS\": port {port}"
        )?;
        writeln!(
            out,
            "  look at the certificate:  openssl s_client -connect localhost:{port}"
        )?;
        writeln!(out, "  SHA-256    {fingerprint}")?;
        writeln!(
            out,
            "Pidgin or Finch through TLS: run a tunnel, and give them port 11533 instead"
        )?;
        writeln!(
            out,
            "  socat TCP-LISTEN:11533,bind=127.0.0.1,fork,reuseaddr OPENSSL:localhost:{port},verify=0\n"
        )?;
    }
    writeln!(out, "Stop with Ctrl-C.\n")?;
    out.flush()
}
