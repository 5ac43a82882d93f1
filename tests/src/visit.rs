//! Visits of TLS clients that we did not write: `openssl s_client` and `gnutls-cli`.
//!
//! A visitor shakes hands and then says hello as a Sametime client does. It was *served* when the server answered
//! that: in TLS 1.3 a client is through with its handshake before the server has looked at the client's
//! certificate, so that the handshake alone says little.

use crate::pki::Party;
use crate::raw::handshake;
use crate::{PATIENCE, tools};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Whose TLS is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `openssl s_client`.
    OpenSsl,
    /// `gnutls-cli`.
    GnuTls,
}

/// Both.
pub const TOOLS: [Tool; 2] = [Tool::OpenSsl, Tool::GnuTls];

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// What a client of one of the tools is told.
#[derive(Debug, Clone)]
pub struct Visitor {
    tool: Tool,
    port: u16,
    words: Vec<String>,
    priority: String,
}

/// What a visitor that was served saw.
#[derive(Debug)]
pub struct Seen {
    tool: Tool,
    text: String,
}

impl Visitor {
    /// A client that takes any certificate.
    #[must_use]
    pub fn new(tool: Tool, port: u16) -> Self {
        let words: &[&str] = match tool {
            Tool::OpenSsl => &["s_client", "-ign_eof", "-showcerts"],
            Tool::GnuTls => &[],
        };
        Self {
            tool,
            port,
            words: words.iter().map(|&word| word.to_owned()).collect(),
            priority: "NORMAL".to_owned(),
        }
    }

    /// Trusts only what leads to this root and is for this name.
    #[must_use]
    pub fn trusting(self, root: &Path, name: &str) -> Self {
        let root = root.to_str().expect("temporary folders have plain names");
        match self.tool {
            Tool::OpenSsl => self
                .words(&[
                    "-CAfile",
                    root,
                    "-no-CApath",
                    "-no-CAstore",
                    "-verify_return_error",
                ])
                .words(&["-verify_hostname", name, "-servername", name]),
            Tool::GnuTls => self
                .words(&["--x509cafile", root, "--verify-hostname", name])
                .words(&["--sni-hostname", name, "--ca-verification"]),
        }
    }

    /// Speaks this version only.
    #[must_use]
    pub fn only(self, version: Version) -> Self {
        match (self.tool, version) {
            (Tool::OpenSsl, Version::Tls12) => self.words(&["-tls1_2"]),
            (Tool::OpenSsl, Version::Tls13) => self.words(&["-tls1_3"]),
            (Tool::GnuTls, Version::Tls12) => self.priority(":-VERS-ALL:+VERS-TLS1.2"),
            (Tool::GnuTls, Version::Tls13) => self.priority(":-VERS-ALL:+VERS-TLS1.3"),
        }
    }

    /// Shows a certificate when the server asks for one.
    #[must_use]
    pub fn showing(self, party: &Party) -> Self {
        let chain = party
            .chain
            .to_str()
            .expect("temporary folders have plain names");
        let key = party
            .key
            .to_str()
            .expect("temporary folders have plain names");
        match self.tool {
            Tool::OpenSsl => self.words(&["-cert", chain, "-cert_chain", chain, "-key", key]),
            Tool::GnuTls => self.words(&["--x509certfile", chain, "--x509keyfile", key]),
        }
    }

    /// Further words on the command line of the tool.
    #[must_use]
    pub fn words(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|&word| word.to_owned()));
        self
    }

    /// Further words of a GnuTLS priority string.
    #[must_use]
    pub fn priority(mut self, more: &str) -> Self {
        assert_eq!(self.tool, Tool::GnuTls, "OpenSSL has no priorities");
        self.priority += more;
        self
    }

    /// Goes there, and must be served.
    ///
    /// # Panics
    /// When it is not; the message shows what the tool said.
    #[must_use]
    pub fn served(self) -> Seen {
        match self.go() {
            Ok(seen) => seen,
            Err(said) => panic!("a client was not served:\n{said}"),
        }
    }

    /// Goes there, and must not be served; gives what the tool said.
    ///
    /// # Panics
    /// When it is served.
    pub fn refused(self) -> String {
        match self.go() {
            Ok(seen) => panic!("a client was served:\n{}", seen.text),
            Err(said) => said,
        }
    }

    /// Goes there; true when it is not served.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.go().is_err()
    }

    fn go(&self) -> Result<Seen, String> {
        let mut child = self.command().spawn().expect("the tool starts");
        let heard = Heard::of(&mut child);
        let mut input = child.stdin.take().expect("the input is piped");
        // A tool that has failed already takes no input; how it failed is read below.
        drop(input.write_all(&handshake()));
        drop(input.flush());
        let deadline = Instant::now() + PATIENCE;
        let served = loop {
            let ended = child
                .try_wait()
                .expect("a child can be waited for")
                .is_some();
            if heard.answer() {
                break true;
            }
            if ended && heard.ended() {
                break false;
            }
            assert!(
                Instant::now() < deadline,
                "neither served nor refused:\n{}",
                heard.text()
            );
            std::thread::park_timeout(crate::PAUSE);
        };
        drop(input);
        drop(child.kill());
        drop(child.wait());
        match served {
            true => Ok(Seen {
                tool: self.tool,
                text: heard.text(),
            }),
            false => Err(heard.text()),
        }
    }

    fn command(&self) -> Command {
        let mut command = match self.tool {
            Tool::OpenSsl => {
                let mut command = tools::tool("openssl", "openssl");
                command.args(&self.words);
                command
                    .arg("-connect")
                    .arg(format!("127.0.0.1:{}", self.port));
                command
            }
            Tool::GnuTls => {
                let mut command = tools::tool("gnutls-cli", "gnutls-bin");
                if !self.words.iter().any(|word| word == "--x509cafile") {
                    command.arg("--insecure");
                }
                command.args([
                    "--port",
                    &self.port.to_string(),
                    "--priority",
                    &self.priority,
                ]);
                command.args(&self.words).arg("127.0.0.1");
                command
            }
        };
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

impl Seen {
    /// All that the tool said.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The version agreed on.
    #[must_use]
    pub fn version(&self) -> Version {
        let marks = match self.tool {
            Tool::OpenSsl => [", TLSv1.2, Cipher is", ", TLSv1.3, Cipher is"],
            Tool::GnuTls => ["- Description: (TLS1.2", "- Description: (TLS1.3"],
        };
        match marks.map(|mark| self.text.contains(mark)) {
            [true, false] => Version::Tls12,
            [false, true] => Version::Tls13,
            _ => panic!("no version of TLS in:\n{}", self.text),
        }
    }

    /// The suite agreed on, as OpenSSL calls it.
    #[must_use]
    pub fn cipher(&self) -> &str {
        assert_eq!(self.tool, Tool::OpenSsl, "GnuTLS calls suites otherwise");
        let line = self.line(", Cipher is ");
        line.rsplit(' ').next().unwrap_or_default()
    }

    /// The common names of the chain that the server sent, its own first.
    #[must_use]
    pub fn chain(&self) -> Vec<String> {
        let names = self.text.lines().filter_map(|line| match self.tool {
            // " 0 s:CN = mux.example.com"
            Tool::OpenSsl => line
                .trim_start()
                .split_once(" s:")
                .map(|(_, subject)| subject),
            // " - subject `CN=mux.example.com', issuer `CN=…"
            Tool::GnuTls => line.strip_prefix(" - subject `")?.split('\'').next(),
        });
        names.map(common_name).collect()
    }

    /// True when an earlier session was taken up again.
    #[must_use]
    pub fn resumed(&self) -> bool {
        match self.tool {
            Tool::OpenSsl => self.text.contains("Reused, TLSv1."),
            Tool::GnuTls => self.text.contains("This is a resumed session"),
        }
    }

    /// The line with this text.
    #[must_use]
    pub fn line(&self, part: &str) -> &str {
        let line = self.text.lines().find(|line| line.contains(part));
        line.unwrap_or_else(|| panic!("no line with {part:?} in:\n{}", self.text))
    }
}

/// `CN = mux.example.com` and `CN=mux.example.com`, as versions of the tools differ.
fn common_name(subject: &str) -> String {
    let name = subject.split("CN").nth(1).unwrap_or(subject);
    let name = name.trim_start_matches([' ', '=']);
    name.split(',').next().unwrap_or_default().trim().to_owned()
}

/// All output of a tool, in the order in which it came.
struct Heard {
    bytes: Arc<Mutex<Vec<u8>>>,
}

impl Heard {
    fn of(child: &mut Child) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let stdout = child.stdout.take().expect("the output is piped");
        let stderr = child.stderr.take().expect("the log is piped");
        collect(stdout, Arc::clone(&bytes));
        collect(stderr, Arc::clone(&bytes));
        Self { bytes }
    }

    /// The server's acknowledgement of the Sametime handshake: type 0x8000, no options, channel 0.
    fn answer(&self) -> bool {
        const ACK: [u8; 8] = [0x80, 0, 0, 0, 0, 0, 0, 0];
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        bytes.windows(ACK.len()).any(|window| window == ACK)
    }

    /// Both pipes are at their end.
    fn ended(&self) -> bool {
        Arc::strong_count(&self.bytes) == 1
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn collect(mut pipe: impl Read + Send + 'static, into: Arc<Mutex<Vec<u8>>>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            into.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(&buffer[..count]);
        }
    });
}
