//! `isochron client-config`: the files that tell clients how to connect.

mod check;
pub(crate) mod managed;
mod managed_rows;
pub(crate) mod plugin;
mod plugin_rows;
pub(crate) mod values;

use super::print;
use crate::cli::client_config::{
    Check, ClientConfig, ManagedCommunities, Output, PluginCustomization,
};
use anyhow::{Context, bail};
use config::{Accepts, Config, Listen};
use keys::export::write_public;
use keys::files::{self, write_secret};
use std::fs;
use std::io::{self, BufRead, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use values::{Finding, Kind, Row, TLS_DIRECT, Values};
use zeroize::Zeroizing;

/// A file for clients has a few kilobytes; a larger one is something else, and looking for its lines takes long.
const FILE_BYTES_MAX: u64 = 1 << 18;

/// The documented port of a community.
const USUAL_PORT: u16 = 1533;

pub(super) fn run(
    command: ClientConfig,
    config: impl FnOnce() -> anyhow::Result<Config>,
) -> anyhow::Result<()> {
    match command {
        ClientConfig::ManagedCommunities(asked) => managed_communities(asked, &config()?),
        ClientConfig::PluginCustomization(asked) => plugin_customization(asked, &config()?),
        ClientConfig::Check(asked) => check_file(&asked),
    }
}

fn managed_communities(asked: ManagedCommunities, config: &Config) -> anyhow::Result<()> {
    let mut hosts = asked.hosts;
    if hosts.is_empty() {
        hosts.push(own_host(config)?);
    }
    for host in &hosts {
        checked_host(host)?;
    }
    let given = asked.given.0;
    let own = match asked.without_connection {
        true => None,
        false => Some(own_connection(config, &given)?),
    };
    let document = managed::document(&hosts, &asked.actions, given, own);
    tell(managed::check(&document))?;
    let file = Written {
        name: managed::FILE_NAME,
        text: managed::render(&document),
        is_secret: false,
        // Writing it anew is how it is changed.
        replaces: managed::is_one,
    };
    write(&asked.output, &file)
}

fn plugin_customization(asked: PluginCustomization, config: &Config) -> anyhow::Result<()> {
    let host = match asked.host {
        Some(host) => host,
        None => own_host(config)?,
    };
    checked_host(&host)?;
    let mut given = asked.given.0;
    let (kind, port) = own_connection(config, &given)?;
    for (name, value) in [
        ("port", port.to_string()),
        ("connectionType", kind.to_owned()),
    ] {
        if !given.iter().any(|(row, _)| row.name == name) {
            given.extend(
                plugin::ROWS
                    .iter()
                    .find(|row| row.name == name)
                    .map(|row| (row, value)),
            );
        }
    }
    let password = match asked.proxy_password_stdin {
        true => Some(read_password()?),
        false => None,
    };
    let password = password.as_ref().map(|password| password.as_str());
    let lines = plugin::lines(&host, given, password, &asked.routes, &asked.further);
    tell(plugin::check(&lines))?;
    let file = Written {
        name: plugin::FILE_NAME,
        text: plugin::render(&lines),
        is_secret: plugin::has_password(&lines),
        // A package's file holds the settings of many other parts of the client.
        replaces: |_| false,
    };
    write(&asked.output, &file)
}

fn check_file(asked: &Check) -> anyhow::Result<()> {
    let name = &printable(&asked.file.display().to_string());
    let mut bytes = Vec::new();
    let file = fs::File::open(&asked.file).with_context(|| format!("cannot read {name}"))?;
    let read = file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.with_context(|| format!("cannot read {name}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        bail!("{name} has more than {FILE_BYTES_MAX} bytes, so it is something else");
    }
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))?;
    let sites = asked.site_url.iter();
    let mut findings: Vec<Finding> = sites.flat_map(|url| check::check_site(url)).collect();
    let is_xml = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with('<');
    if is_xml && !asked.file.ends_with(managed::FILE_NAME) {
        let text = format!("clients ask for it by the name {}", managed::FILE_NAME);
        findings.push(Finding::note(0, text));
    }
    findings.extend(check::check(&text));
    for finding in &findings {
        print(&format!("{}\n", line(name, finding)))?;
    }
    match findings.iter().filter(|finding| finding.fault).count() {
        0 => print(&format!("{name}: no faults\n")),
        count if count >= check::FINDINGS_MAX => bail!("{name}: faults: {count} or more"),
        count => bail!("{name}: faults: {count}"),
    }
}

fn line(file: &str, finding: &Finding) -> String {
    let place = match finding.line {
        0 => file.to_owned(),
        line => format!("{file}:{line}"),
    };
    let kind = if finding.fault { "fault" } else { "note" };
    format!("{place}: {kind}: {}", printable(&finding.text))
}

/// Text of a file that somebody else wrote, so that it moves nothing on the terminal.
fn printable(text: &str) -> String {
    text.replace(char::is_control, "·")
}

/// Prints the notes to the standard error, beside the file; faults end the command.
fn tell(findings: Vec<Finding>) -> anyhow::Result<()> {
    let (faults, notes): (Vec<_>, Vec<_>) = findings.into_iter().partition(|finding| finding.fault);
    // The same is said of each of several hosts.
    let texts = |findings: Vec<Finding>| {
        let texts = findings.iter().map(|finding| printable(&finding.text));
        let mut texts: Vec<String> = texts.collect();
        texts.dedup();
        texts
    };
    for text in texts(notes) {
        eprintln!("isochron: note: {text}");
    }
    let faults = texts(faults);
    if !faults.is_empty() {
        bail!("nothing was written: {}", faults.join("; "));
    }
    Ok(())
}

/// The host that clients have for this server, if nobody says another.
fn own_host(config: &Config) -> anyhow::Result<String> {
    let (name, from) = match &config.community.id {
        Some(id) => (id.value.clone(), format!("ST_COMMUNITY_ID ({})", id.origin)),
        None => (crate::roles::host_name(), "the machine's name".to_owned()),
    };
    let host = Kind::Host
        .read(&name)
        .map_err(|why| anyhow::anyhow!("{from}: {why}; name the host with --host"))?;
    if !host.contains(['.', ':']) {
        eprintln!(
            "isochron: note: the host is {host}, {from}; clients compare it letter by letter, so if theirs is longer, \
             name it with --host"
        );
    }
    Ok(host)
}

fn checked_host(host: &str) -> anyhow::Result<()> {
    let read = Kind::Host.read(host);
    read.map(drop)
        .map_err(|why| anyhow::anyhow!("--host: {why}"))
}

/// How clients reach this server: its connection type and port. Notes what was asked for and is not served.
fn own_connection<P>(config: &Config, given: &Values<P>) -> anyhow::Result<(&'static str, u16)> {
    let listeners = &config.mux.listeners;
    let asked = |name: &str| {
        let found = given
            .iter()
            .find(|(row, _): &&(&Row<P>, String)| row.name == name);
        found.map(|(_, value)| value.as_str())
    };
    let kind = match asked("connectionType") {
        Some(TLS_DIRECT) => TLS_DIRECT,
        None if listeners
            .iter()
            .any(|listen| listen.accepts != Accepts::Legacy) =>
        {
            TLS_DIRECT
        }
        _ => "direct",
    };
    let ports = ports(listeners, kind == TLS_DIRECT);
    let direct = asked("connectionType").is_none_or(|kind| [TLS_DIRECT, "direct"].contains(&kind));
    if direct && ports.is_empty() {
        let (kinds, setting) = match kind {
            TLS_DIRECT => ("clients with TLS", "VPMX_TLS_PORT"),
            _ => ("clients without TLS", "VPMX_PORT"),
        };
        eprintln!("isochron: note: this server takes no {kinds}; {setting} changes that");
    } else if kind == "direct" && direct && asked("connectionType").is_none() {
        eprintln!(
            "isochron: note: this server takes no TLS, so clients are told to come without; set VPMX_TLS_PORT"
        );
    }
    let port = ports
        .iter()
        .find(|port| **port == USUAL_PORT)
        .or(ports.first());
    Ok((kind, port.copied().unwrap_or(USUAL_PORT)))
}

/// The ports that take clients with TLS, or without.
fn ports(listeners: &[Listen], tls: bool) -> Vec<u16> {
    let other = if tls { Accepts::Legacy } else { Accepts::Tls };
    let taking = listeners.iter().filter(|listen| listen.accepts != other);
    taking.map(|listen| listen.port).collect()
}

fn read_password() -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    let read = io::stdin().lock().read_line(&mut line);
    read.context("the password cannot be read")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("standard input holds no password");
    }
    Ok(Zeroizing::new(password.to_owned()))
}

/// A file for clients.
struct Written {
    /// What clients call it.
    name: &'static str,
    text: String,
    /// Whether a password is in it.
    is_secret: bool,
    /// Whether a file with this text is replaced without a question.
    replaces: fn(&str) -> bool,
}

/// Writes the file in one go: a client that fetches it meanwhile gets the old one or the new one.
fn write(output: &Output, file: &Written) -> anyhow::Result<()> {
    let Some(path) = &output.output else {
        return print(&file.text);
    };
    let path = match path.is_dir() {
        true => path.join(file.name),
        false => path.clone(),
    };
    if path.file_name().is_none_or(|given| given != file.name) {
        eprintln!(
            "isochron: note: clients ask for it by the name {}",
            file.name
        );
    }
    if let Some(found) = folder_fault(&path) {
        eprintln!("isochron: note: {found}");
    }
    let shown = path.display();
    if !output.force && path.exists() && !is_replaced(&path, file) {
        bail!("{shown} is there already; --force replaces it with all that is in it");
    }
    let text = file.text.as_bytes();
    let written = match file.is_secret {
        true => close(&path).and_then(|()| write_secret(&path, text)),
        false => write_public(&path, text),
    };
    written.with_context(|| format!("cannot write {shown}"))?;
    if file.is_secret {
        eprintln!("isochron: note: a password stands in {shown}, so only its owner may read it");
    }
    Ok(())
}

/// Whether the file that is there is one that a new one follows; one that cannot be read is none.
fn is_replaced(path: &Path, file: &Written) -> bool {
    let old = files::read(path, FILE_BYTES_MAX);
    old.is_ok_and(|old| str::from_utf8(&old.bytes).is_ok_and(file.replaces))
}

/// Closes a file that is there to all but its owner: one that is replaced keeps its mode, and a secret is to come.
fn close(path: &Path) -> io::Result<()> {
    let mode = match fs::metadata(path) {
        Ok(old) if old.is_file() => old.permissions().mode(),
        // Writing says what is wrong, if anything is.
        _ => return Ok(()),
    };
    match mode & 0o077 {
        0 => Ok(()),
        _ => fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)),
    }
}

/// A folder's name that could not stand in the address that clients are given.
fn folder_fault(path: &Path) -> Option<String> {
    let folder = path.parent()?.file_name()?.to_str()?;
    let found = folder.chars().find(|c| values::RESERVED.contains(c))?;
    Some(format!(
        "the folder \"{folder}\" cannot be served to clients under this name: it holds \"{found}\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::{IniFile, Sources};

    fn config(ini: &str) -> Config {
        let ini = IniFile {
            path: "sametime.ini".into(),
            bytes: ini.into(),
        };
        let sources = Sources {
            ini: Some(ini),
            ..Sources::default()
        };
        config::load(sources).unwrap().0
    }

    #[test]
    fn clients_are_told_what_the_server_takes() {
        let none: Values<managed::Place> = Vec::new();
        for (ini, expected) in [
            ("", ("tls-direct", 1533)),
            (
                "[Debug]\nVPMX_PORT=1533\nVPMX_TLS_PORT=1533\n",
                ("tls-direct", 1533),
            ),
            (
                "[Debug]\nVPMX_PORT=1533\nVPMX_TLS_PORT=1534\n",
                ("tls-direct", 1534),
            ),
            (
                "[Debug]\nVPMX_PORT=0\nVPMX_TLS_PORT=1540,1533\n",
                ("tls-direct", 1533),
            ),
            ("[Debug]\nVPMX_PORT=1535\n", ("direct", 1535)),
        ] {
            assert_eq!(
                own_connection(&config(ini), &none).unwrap(),
                expected,
                "{ini}"
            );
        }
        let row = managed::ROWS
            .iter()
            .find(|row| row.option == "connection-type")
            .unwrap();
        let direct = vec![(row, "direct".to_owned())];
        let two = config("[Debug]\nVPMX_PORT=1533\nVPMX_TLS_PORT=1534\n");
        assert_eq!(own_connection(&two, &direct).unwrap(), ("direct", 1533));
    }

    #[test]
    fn the_host_is_that_of_the_settings() {
        let named = config("[Config]\nST_COMMUNITY_ID=chat.example.com\n");
        assert_eq!(own_host(&named).unwrap(), "chat.example.com");
        let title = config("[Config]\nST_COMMUNITY_ID=Our Company\n");
        let error = own_host(&title).unwrap_err().to_string();
        assert!(
            error.contains("ST_COMMUNITY_ID (sametime.ini:2)"),
            "{error}"
        );
        assert!(error.contains("--host"), "{error}");
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn output(path: &Path, force: bool) -> Output {
        Output {
            output: Some(path.to_owned()),
            force,
        }
    }

    fn managed_file(text: &str) -> Written {
        Written {
            name: managed::FILE_NAME,
            text: text.to_owned(),
            is_secret: false,
            replaces: managed::is_one,
        }
    }

    fn package_file(text: &str, is_secret: bool) -> Written {
        Written {
            name: plugin::FILE_NAME,
            text: text.to_owned(),
            is_secret,
            replaces: |_| false,
        }
    }

    #[test]
    fn a_file_is_replaced_whole_and_a_folder_gets_it_under_its_name() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(managed::FILE_NAME);
        let (one, two) = (
            "<managed-communities/>",
            "<managed-communities></managed-communities>",
        );
        write(&output(place.path(), false), &managed_file(one)).unwrap();
        assert_eq!(mode(&path), 0o644);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&output(place.path(), false), &managed_file(two)).unwrap();
        assert_eq!(mode(&path), 0o640);
        let names: Vec<_> = fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [managed::FILE_NAME]);
        assert_eq!(fs::read_to_string(&path).unwrap(), two);
        assert!(folder_fault(Path::new("/srv/a & b/x.xml")).is_some());
        assert!(folder_fault(Path::new("/srv/staff/x.xml")).is_none());
    }

    #[test]
    fn a_file_of_others_is_replaced_only_where_that_was_asked_for() {
        let place = tempfile::tempdir().unwrap();
        for (file, old) in [
            (managed_file("<managed-communities/>"), "<ManagedSettings/>"),
            (managed_file("<managed-communities/>"), ""),
            (package_file("a/x=1\n", false), "a/x=2\n"),
        ] {
            let path = place.path().join(file.name);
            fs::write(&path, old).unwrap();
            let refused = write(&output(place.path(), false), &file).unwrap_err();
            assert!(refused.to_string().contains("--force"), "{refused}");
            assert_eq!(fs::read_to_string(&path).unwrap(), old);
            write(&output(place.path(), true), &file).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), file.text);
        }
    }

    #[test]
    fn a_link_stays_one() {
        let place = tempfile::tempdir().unwrap();
        let link = place.path().join(plugin::FILE_NAME);
        let target = place.path().join("target");
        fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink("target", &link).unwrap();
        write(&output(&link, true), &package_file("a/x=1\n", false)).unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "a/x=1\n");
    }

    #[test]
    fn a_password_is_written_for_the_owner_only() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(plugin::FILE_NAME);
        write(&output(&path, false), &package_file("one", true)).unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&output(&path, true), &package_file("two", true)).unwrap();
        assert_eq!(mode(&path), 0o600);

        let further = ["proxyPassword=x", "altCommunityConfig.home.proxyPassword=x"];
        for text in further {
            let lines = [plugin::read_further(text).unwrap()];
            assert!(plugin::has_password(&lines), "{text}");
        }
        let other = [plugin::read_further("someKey=proxyPassword").unwrap()];
        assert!(!plugin::has_password(&other));
    }

    #[test]
    fn what_a_file_says_moves_nothing_on_the_terminal() {
        let text = "com.ibm.collaboration.realtime.login/un\u{1b}[2J\u{9b}heard=1";
        let found = check::check(text);
        assert!(found.iter().any(|finding| finding.text.contains('\u{1b}')));
        for finding in found {
            let shown = line("a.ini", &finding);
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
        let finding = Finding::fault(3, "port: \"\u{1b}[2J\"");
        assert_eq!(line("a.ini", &finding), "a.ini:3: fault: port: \"·[2J\"");
    }
}
