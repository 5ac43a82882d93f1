//! Settings under construction, the server that runs on them, and the one that refuses to.

use crate::pki::StoreFile;
use crate::process::{Lines, signal, wait_exit};
use crate::server::{Ports, Server};
use crate::tools;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Settings of `sametime.ini`.
#[derive(Debug, Clone, Default)]
pub struct Settings(Vec<(&'static str, String, String)>);

impl Settings {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A setting of section `Config`.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.0.push(("Config", name.to_owned(), value.to_owned()));
        self
    }

    /// The key store of the scope with this prefix, `STMUX` or `ST`.
    #[must_use]
    pub fn key_store(self, prefix: &str, store: &StoreFile) -> Self {
        self.store(prefix, "KEY", store)
    }

    /// The trust store of a scope.
    #[must_use]
    pub fn trust_store(self, prefix: &str, store: &StoreFile) -> Self {
        self.store(prefix, "TRUST", store)
    }

    fn store(self, prefix: &str, which: &str, store: &StoreFile) -> Self {
        let name = |end: &str| format!("{prefix}_TLS_{which}_STORE_{end}");
        self.set(&name("TYPE"), store.kind)
            .set(&name("FILE"), store.path_text())
            .set(&name("PASSWORD"), &store.password)
    }

    /// TLS 1.2 and 1.3.
    #[must_use]
    pub fn tls13(self) -> Self {
        self.set("STMUX_TLS_MAX_PROTOCOL_VERSION", "0x304")
    }

    /// The server of these settings, which must start.
    #[must_use]
    pub fn start(&self, ports: Ports) -> Server {
        let settings: Vec<_> = self
            .0
            .iter()
            .map(|(section, key, value)| (*section, key.as_str(), value.as_str()))
            .collect();
        Server::start(ports, &settings)
    }

    /// The lines of section `Config`.
    #[must_use]
    pub fn lines(&self) -> String {
        let lines = self
            .0
            .iter()
            .map(|(_, key, value)| format!("{key}={value}\n"));
        lines.collect()
    }

    /// What `isochron run` says when it refuses these settings, which it must.
    #[must_use]
    pub fn refused(&self) -> Refusal {
        refused(format!("[Config]\n{}", self.lines()).as_bytes())
    }
}

/// What a server said that did not start.
#[derive(Debug)]
pub struct Refusal {
    /// All of its output.
    pub text: String,
}

/// What `isochron run` says about these bytes as `sametime.ini`, which it must refuse.
///
/// `[Debug]` with a free port is put behind the bytes where they are text. That nothing listens there is part of
/// what is checked: faults are found before.
///
/// # Panics
/// When it starts, or ends with status 0.
#[must_use]
pub fn refused(ini: &[u8]) -> Refusal {
    Attempt::new(ini).refused()
}

/// A start that is to fail.
pub struct Attempt {
    folder: PathBuf,
    port: u16,
    environment: Vec<(String, String)>,
    user: Option<&'static str>,
}

impl Attempt {
    /// With these bytes as `sametime.ini`.
    #[must_use]
    pub fn new(ini: &[u8]) -> Self {
        let folder = tools::new_folder();
        let port = tools::free_port();
        let mut bytes = ini.to_vec();
        let ports = format!("\n[Debug]\nVPMX_PORT={port}\nVPMX_TLS_PORT={port}\n");
        bytes.extend(ports.as_bytes());
        bytes.extend(format!("[Isochron]\nHEALTH_PORT={}\n", tools::free_port()).as_bytes());
        std::fs::write(folder.join("sametime.ini"), bytes).expect("a file is written");
        Self {
            folder,
            port,
            environment: Vec::new(),
            user: None,
        }
    }

    /// With a file beside `sametime.ini`.
    #[must_use]
    pub fn beside(self, name: &str, content: &[u8]) -> Self {
        std::fs::write(self.folder.join(name), content).expect("a file is written");
        self
    }

    /// With a variable in the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// As another user of the machine, if the test runs as root.
    #[must_use]
    pub fn as_user(mut self, user: &'static str) -> Self {
        self.user = Some(user);
        self
    }

    /// Starts it, and it must refuse.
    ///
    /// # Panics
    /// When it starts, or ends with status 0.
    #[must_use]
    pub fn refused(self) -> Refusal {
        // The port is somebody else's meanwhile: a server that listened before it looked at its settings would
        // complain about the port.
        let taken = TcpListener::bind(("0.0.0.0", self.port)).expect("the port was free");
        let output = self.run();
        drop(taken);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(
            !text.lines().any(|line| line == "ready"),
            "it started:\n{text}"
        );
        assert!(
            !output.status.success(),
            "it ended with {}:\n{text}",
            output.status
        );
        assert!(!text.contains("panicked at"), "{text}");
        Refusal { text }
    }

    /// What `isochron config check` says, and whether it accepts.
    #[must_use]
    pub fn checked(self) -> (bool, String) {
        let mut command = self.command(&["config", "check"]);
        let output = command.output().expect("the binary starts");
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    }

    /// Starts it all the same, waits until it serves and stops it; gives what it said.
    #[must_use]
    pub fn started(self) -> String {
        let mut command = self.command(&["run"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let out = Lines::of(child.stdout.take().expect("the output is piped"));
        let log = Lines::of(child.stderr.take().expect("the log is piped"));
        out.wait("the line \"ready\" of the server", |line| line == "ready");
        signal("TERM", &child.id().to_string());
        let status = wait_exit(&mut child, "the end of the server after SIGTERM");
        log.wait_end("the end of the log");
        let said = [out.all(), log.all()].concat().join("\n");
        assert!(status.success(), "it ended with {status}:\n{said}");
        said
    }

    fn run(&self) -> Output {
        let mut command = self.command(&["run"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        // What it says fits into the pipes; it ends by itself.
        let status = wait_exit(&mut child, "the end of a server with unusable settings");
        let mut output = child.wait_with_output().expect("a child can be waited for");
        output.status = status;
        output
    }

    fn command(&self, words: &[&str]) -> Command {
        let binary = tools::isochron();
        let mut command = match self.user {
            Some(user) if is_root() => {
                let mut command = tools::tool("setpriv", "util-linux");
                command.args(["--reuid", user, "--regid", "nogroup", "--clear-groups"]);
                let open = |path: &Path| {
                    use std::os::unix::fs::PermissionsExt;
                    let mode = std::fs::Permissions::from_mode(0o777);
                    std::fs::set_permissions(path, mode).expect("root may do this");
                };
                open(&self.folder);
                // The build folder may be closed to others.
                let copy = self.folder.join("isochron");
                std::fs::copy(binary, &copy).expect("the binary is copied");
                command.arg(copy);
                command
            }
            _ => Command::new(binary),
        };
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("STI_")) {
                command.env_remove(name);
            }
        }
        command
            .args(words)
            .arg("--config")
            .arg(self.folder.join("sametime.ini"))
            .arg("--data")
            .arg(self.folder.join("data"))
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Refusal {
    /// Asserts that each of these is said; lower and upper case are the same.
    #[must_use]
    pub fn names(self, parts: &[&str]) -> Self {
        let text = squeezed(&self.text);
        for part in parts {
            assert!(
                text.contains(&squeezed(part)),
                "nothing is said of {part:?}:\n{}",
                self.text
            );
        }
        self
    }

    /// Asserts that there is one fault and no second one.
    #[must_use]
    pub fn once(self) -> Self {
        assert!(
            self.text.contains("the configuration has a fault"),
            "not one message:\n{}",
            self.text
        );
        self
    }

    /// Asserts that it does not give a secret away.
    pub fn hides(self, secrets: &[&str]) {
        for secret in secrets {
            assert!(
                !self.text.contains(secret),
                "{secret:?} is printed:\n{}",
                self.text
            );
        }
    }
}

/// Without the line breaks and frames of a report for people.
fn squeezed(text: &str) -> String {
    let keep = |c: &char| !c.is_whitespace() && !"│╰╭─×·▶".contains(*c);
    text.chars().filter(keep).collect::<String>().to_lowercase()
}

fn is_root() -> bool {
    let output = tools::tool("id", "coreutils").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
