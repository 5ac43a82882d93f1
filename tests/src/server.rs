//! The server under test, as an administrator runs it: a process, a settings file, a data folder.

use crate::process::{Lines, signal, wait_exit};
use crate::tools;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Which kinds of clients the server takes, and where.
///
/// Source: `docs/domain/tls-scopes.md`, 15.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// The legacy protocol only.
    Legacy,
    /// Legacy and TLS on one port.
    Shared,
    /// Legacy and TLS, each on its own port.
    Two,
    /// TLS only.
    StrictTls,
}

/// A setting of `sametime.ini`: section (`Debug`, `Config` or `Isochron`), key, value.
pub type Setting<'a> = (&'a str, &'a str, &'a str);

/// A running server.
pub struct Server {
    folder: PathBuf,
    port: u16,
    tls_port: u16,
    health_port: u16,
    process: Option<Process>,
}

struct Process {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

impl Server {
    /// Imports [`crate::PEOPLE`], starts the server and waits until it serves.
    #[must_use]
    pub fn start(ports: Ports, settings: &[Setting<'_>]) -> Self {
        let first = tools::free_port();
        let (port, tls_port) = match ports {
            Ports::Legacy => (first, 0),
            Ports::Shared => (first, first),
            Ports::Two => (first, tools::free_port()),
            Ports::StrictTls => (0, first),
        };
        let folder = tools::new_folder();
        let mut server = Self {
            folder,
            port,
            tls_port,
            health_port: tools::free_port(),
            process: None,
        };
        std::fs::write(server.settings_file(), server.settings_text(settings))
            .expect("the settings file is written");
        server.import(crate::PEOPLE);
        server.launch();
        server
    }

    /// The port that takes legacy clients; in strict mode, the one that refuses them.
    #[must_use]
    pub fn legacy_port(&self) -> u16 {
        if self.port == 0 {
            self.tls_port
        } else {
            self.port
        }
    }

    /// The port that takes TLS clients.
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        assert_ne!(self.tls_port, 0, "this server takes no TLS");
        self.tls_port
    }

    /// Runs a command of the binary on the settings and data of this server.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Output {
        let mut command = self.binary();
        let output = command
            .args(words)
            .args(self.where_words())
            .stdin(Stdio::null())
            .output();
        output.expect("the binary starts")
    }

    /// The same, and it must succeed; gives what it printed.
    #[must_use]
    pub fn command_output(&self, words: &[&str]) -> String {
        let output = self.command(words);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "isochron {words:?} ended with {}:\n{errors}",
            output.status
        );
        String::from_utf8(output.stdout).expect("output is text")
    }

    /// Stops it by SIGTERM, as a service manager does; it must drain and end with status 0.
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("the server runs");
        signal("TERM", &process.child.id().to_string());
        process
            .stdout
            .wait_end("the end of the server after SIGTERM");
        let status = wait_exit(&mut process.child, "the server's exit status");
        let log = process.stderr.all();
        let panics: Vec<_> = log
            .iter()
            .filter(|line| line.contains("panicked at"))
            .collect();
        assert!(panics.is_empty(), "the server panicked: {panics:#?}");
        assert!(
            status.success(),
            "the server ended with {status}:\n{}",
            process.stderr.tail()
        );
    }

    /// Tells it to stop and does not wait; [`Server::stop`] may follow.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        signal(name, &self.running().child.id().to_string());
    }

    /// Stops it and starts it on the same ports and data.
    pub fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// A page of the health listener.
    #[must_use]
    pub fn health(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.health_port))
            .expect("the health port takes connections");
        stream
            .set_read_timeout(Some(crate::PATIENCE))
            .expect("a socket takes a time-out");
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        .expect("a request is sent");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("an answer is read");
        answer
    }

    /// How many connections have ended for this reason.
    #[must_use]
    pub fn closed(&self, reason: &str) -> u64 {
        let label = format!("reason=\"{reason}\"");
        self.metric("isochron_connections_closed_total", &label)
    }

    /// The sum of a metric's values with this label; 0 where there is none.
    #[must_use]
    pub fn metric(&self, name: &str, label: &str) -> u64 {
        let page = self.health("/metrics");
        let named = |line: &&str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let values = page
            .lines()
            .filter(named)
            .filter(|line| line.contains(label))
            .filter_map(|line| line.rsplit(' ').next());
        values
            .filter_map(|value| value.parse::<f64>().ok())
            .map(|value| value as u64)
            .sum()
    }

    /// Waits until this many connections have ended for this reason.
    pub fn wait_closed(&self, reason: &str, count: u64) {
        let what = format!("{count} connections closed as {reason}");
        crate::poll(&what, || (self.closed(reason) >= count).then_some(()));
    }

    /// Resident memory of the process in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.running().child.id()));
        let status = status.expect("a running process has a status");
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .expect("a status has the resident memory");
        let value = line
            .split_whitespace()
            .nth(1)
            .and_then(|number| number.parse().ok());
        value.expect("resident memory is a number")
    }

    /// Everything the server has said so far, output and log.
    #[must_use]
    pub fn said(&self) -> String {
        let process = self.running();
        [process.stdout.all(), process.stderr.all()]
            .concat()
            .join("\n")
    }

    /// Waits until the server has said each of these, in its output or its log.
    pub fn wait_said(&self, parts: &[&str]) {
        for part in parts {
            crate::poll(&format!("a word of {part:?} from the server"), || {
                self.said().contains(part).then_some(())
            });
        }
    }

    fn running(&self) -> &Process {
        self.process.as_ref().expect("the server runs")
    }

    fn launch(&mut self) {
        let mut command = self.binary();
        command.arg("run").args(self.where_words());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stdout = Lines::of(child.stdout.take().expect("the output is piped"));
        let stderr = Lines::of(child.stderr.take().expect("the log is piped"));
        // Kept before waiting: if "ready" never comes, the drop still ends the process and shows its log.
        let process = self.process.insert(Process {
            child,
            stdout,
            stderr,
        });
        process
            .stdout
            .wait("the line \"ready\" of the server", |line| line == "ready");
    }

    fn import(&self, people: &str) {
        let file = self.folder.join("people.csv");
        std::fs::write(&file, people).expect("the list of people is written");
        let file = file.to_str().expect("temporary folders have plain names");
        let _ = self.command_output(&["user", "import", file]);
    }

    /// The binary, without the settings that the machine's own environment may hold.
    fn binary(&self) -> Command {
        let mut command = Command::new(tools::isochron());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("STI_")) {
                command.env_remove(name);
            }
        }
        command
    }

    fn where_words(&self) -> [PathBuf; 4] {
        [
            "--config".into(),
            self.settings_file(),
            "--data".into(),
            self.data_folder(),
        ]
    }

    /// The server's data folder.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Its `sametime.ini`.
    #[must_use]
    pub fn settings_file(&self) -> PathBuf {
        Path::new(&self.folder).join("sametime.ini")
    }

    fn settings_text(&self, settings: &[Setting<'_>]) -> String {
        let (port, tls_port, health) = (
            self.port.to_string(),
            self.tls_port.to_string(),
            self.health_port.to_string(),
        );
        let mut all: Vec<Setting<'_>> = vec![
            ("Debug", "VPMX_PORT", &port),
            ("Debug", "VPMX_TLS_PORT", &tls_port),
            ("Isochron", "HEALTH_PORT", &health),
        ];
        all.extend(settings);
        let mut text = String::new();
        for section in ["Debug", "Config", "Isochron"] {
            text += &format!("[{section}]\n");
            for (_, key, value) in all.iter().filter(|setting| setting.0 == section) {
                text += &format!("{key}={value}\n");
            }
        }
        text
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            drop(process.child.kill());
            drop(process.child.wait());
            if std::thread::panicking() {
                eprintln!("---- log of the server ----\n{}", process.stderr.tail());
            }
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}
