//! The operator's pages, tried: every command on them is run in the order in which it stands there.
//!
//! A block that is marked `sh` is run by bash in a folder of its own, which stands for `/var/lib/isochron`; one
//! marked `ini` goes into `sametime.ini`, and a block that begins with `isochron run` starts the server again on
//! what stands there by then. Other blocks are for reading. Ports are exchanged for free ones, and names of
//! other servers for a server of the test.

use crate::PATIENCE;
use crate::process::{Lines, signal, wait_exit};
use crate::tools::{self, free_port, new_folder, tool};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A page that is being tried.
pub struct Page {
    name: String,
    text: String,
    folder: PathBuf,
    settings: Vec<(String, String, String)>,
    running: Vec<Running>,
}

/// A process beside the commands: the server, or one that stands for another machine.
struct Running {
    child: Child,
    lines: [Lines; 2],
}

/// A fenced block.
struct Block {
    line: usize,
    info: String,
    code: String,
}

impl Page {
    /// The page with this path below `docs/operators`.
    #[must_use]
    pub fn open(name: &str) -> Self {
        let path = folder_of_pages().join(name);
        let text = fs::read_to_string(&path);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let folder = new_folder();
        let (port, second, health) = (free_port(), free_port(), free_port());
        let text = text
            .replace("/var/lib/isochron", folder.to_str().expect("a plain name"))
            .replace("1533", &port.to_string())
            .replace("1534", &second.to_string())
            .replace("8533", &health.to_string());
        let mut page = Self {
            name: name.to_owned(),
            text,
            folder,
            settings: Vec::new(),
            running: Vec::new(),
        };
        for (section, key, value) in [
            ("Debug", "VPMX_PORT", port),
            ("Debug", "VPMX_TLS_PORT", port),
            ("Isochron", "HEALTH_PORT", health),
        ] {
            page.set(section, key, &value.to_string());
        }
        page.write_settings();
        page
    }

    /// A TLS server that stands for another machine; `files` are put into the page's folder for it, as its own
    /// administrator would hand them over: certificate `NAME.crt`, its authority `NAME-ca.crt`.
    #[must_use]
    pub fn peer(mut self, address: &str, name: &str) -> Self {
        let port = free_port();
        let script = format!(
            "mkdir peer && cd peer
            openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 30 -subj '/CN=Example CA'
            openssl req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj '/CN=localhost' \
                -addext subjectAltName=DNS:localhost,IP:127.0.0.1
            openssl x509 -req -in own.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 \
                -copy_extensions copy -out own.crt
            cp ca.crt ../{name}-ca.crt && cp own.crt ../{name}.crt"
        );
        self.shell(&script, "the certificate of another server");
        let mut server = tool("openssl", "openssl");
        server.current_dir(self.folder.join("peer"));
        server.args([
            "s_server",
            "-accept",
            &port.to_string(),
            "-key",
            "own.key",
            "-cert",
            "own.crt",
        ]);
        server.args(["-cert_chain", "ca.crt"]);
        let running = Running::start(&mut server, "the line ACCEPT of the other server", |line| {
            line.starts_with("ACCEPT")
        });
        self.running.push(running);
        let host = address.split(':').next().unwrap_or(address);
        self.text = self.text.replace(address, &format!("localhost:{port}"));
        let given = address.split(':').nth(1).unwrap_or_default();
        self.text = self.text.replace(
            &format!("SSLPort=\"{given}\""),
            &format!("SSLPort=\"{port}\""),
        );
        self.text = self.text.replace(host, "localhost");
        self
    }

    /// Runs everything on it.
    ///
    /// # Panics
    /// When a command fails; the message shows the block and what it said.
    pub fn run(mut self) {
        let blocks = blocks(&self.text);
        let mut tried = 0;
        for Block { line, info, code } in blocks {
            let place = format!("{}:{line}", self.name);
            match info.as_str() {
                "ini" => {
                    for (section, key, value) in settings(&code) {
                        self.set(&section, &key, &value);
                    }
                    self.write_settings();
                }
                "sh" if code.starts_with("isochron run") => self.start(&code),
                "sh" => self.shell(&code, &place),
                _ => continue,
            }
            tried += 1;
        }
        assert!(tried > 0, "{} has no command to try", self.name);
        for running in &mut self.running {
            running.stop();
        }
    }

    fn set(&mut self, section: &str, key: &str, value: &str) {
        self.settings
            .retain(|(s, k, _)| (s.as_str(), k.as_str()) != (section, key));
        self.settings
            .push((section.to_owned(), key.to_owned(), value.to_owned()));
    }

    fn write_settings(&self) {
        let mut text = String::new();
        for section in ["Debug", "Config", "Directory", "Isochron"] {
            text += &format!("[{section}]\n");
            for (_, key, value) in self.settings.iter().filter(|setting| setting.0 == section) {
                text += &format!("{key}={value}\n");
            }
        }
        fs::write(self.folder.join("sametime.ini"), text).expect("the settings file is written");
    }

    fn start(&mut self, code: &str) {
        // A page may restart its server; the peers, which come first, stay.
        if let Some(at) = self
            .running
            .iter()
            .position(|running| running.lines[0].all().iter().any(|l| l == "ready"))
        {
            self.running.remove(at).stop();
        }
        let mut words = code.split_whitespace();
        let mut command = Command::new(tools::isochron());
        words.next();
        command.args(words);
        self.prepare(&mut command);
        let running = Running::start(&mut command, "the line \"ready\" of the server", |line| {
            line == "ready"
        });
        self.running.push(running);
    }

    fn shell(&self, code: &str, place: &str) {
        let mut command = tool("timeout", "coreutils");
        command.arg(PATIENCE.as_secs().to_string());
        command.args(["bash", "-euo", "pipefail", "-c", code]);
        self.prepare(&mut command);
        let output = command.stdin(Stdio::null()).output().expect("bash starts");
        assert!(
            output.status.success(),
            "{place}: ended with {}:\n{code}\n---- it said\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
    }

    /// The folder, the binary's own folder first in `PATH`, and no settings of the machine's environment.
    fn prepare(&self, command: &mut Command) {
        let own = tools::isochron()
            .parent()
            .expect("a binary lies in a folder");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(own.to_path_buf()).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(paths).expect("folders have plain names");
        command
            .current_dir(&self.folder)
            .env("PATH", path)
            .env("HOME", &self.folder);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("STI_")) {
                command.env_remove(name);
            }
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        for running in &mut self.running {
            drop(running.child.kill());
            drop(running.child.wait());
            if std::thread::panicking() {
                eprintln!(
                    "---- a process of {}\n{}",
                    self.name,
                    running.lines[1].tail()
                );
            }
        }
        drop(fs::remove_dir_all(&self.folder));
    }
}

impl Running {
    fn start(command: &mut Command, what: &str, is_up: impl Fn(&str) -> bool) -> Self {
        // Held open and silent: an s_server ends with its input.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let out = Lines::of(child.stdout.take().expect("the output is piped"));
        let err = Lines::of(child.stderr.take().expect("the log is piped"));
        let running = Self {
            child,
            lines: [out, err],
        };
        running.lines[0].wait(what, is_up);
        running
    }

    fn stop(&mut self) {
        signal("TERM", &self.child.id().to_string());
        let _ = wait_exit(&mut self.child, "the end of a process after SIGTERM");
    }
}

/// Where the pages lie.
#[must_use]
pub fn folder_of_pages() -> PathBuf {
    let own: &Path = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .expect("a package lies in the project")
        .join("docs/operators")
}

/// The fenced blocks of a page; one inside a list is indented as a whole.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (line, text) in (1..).zip(text.lines()) {
        let bare = text.trim_start();
        match (bare.strip_prefix("```"), &mut open) {
            (Some(info), None) => {
                let block = Block {
                    line,
                    info: info.to_owned(),
                    code: String::new(),
                };
                open = Some((block, text.len() - bare.len()));
            }
            (Some(_), Some(_)) => blocks.extend(open.take().map(|(block, _)| block)),
            (None, Some((block, indent))) => {
                let kept = text.get(*indent..).unwrap_or(bare);
                block.code += &format!("{kept}\n");
            }
            (None, None) => {}
        }
    }
    blocks
}

fn settings(code: &str) -> Vec<(String, String, String)> {
    let mut section = String::new();
    let mut settings = Vec::new();
    for line in code.lines().filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            section = name.to_owned();
        } else if let Some((key, value)) = line.split_once('=') {
            settings.push((section.clone(), key.to_owned(), value.to_owned()));
        }
    }
    settings
}
