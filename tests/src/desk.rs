//! An administrator's desk: commands of the binary, without a server, in a folder of their own.

use crate::process::Lines;
use crate::tools;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder in which commands run. It goes away with the value.
pub struct Desk {
    folder: PathBuf,
}

/// What a command said, and whether it succeeded.
#[derive(Debug)]
pub struct Said {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The exit status was 0.
    pub success: bool,
}

impl Desk {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            folder: tools::new_folder(),
        }
    }

    /// A place in the folder. Commands run there, so that the name alone does for them.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Puts a file there.
    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(file), content).expect("a file is written");
    }

    /// Runs a command line of the binary, split at blanks.
    #[must_use]
    pub fn run(&self, line: &str) -> Said {
        self.run_with("", line)
    }

    /// The same with this standard input.
    #[must_use]
    pub fn run_with(&self, input: &str, line: &str) -> Said {
        let mut child = self
            .command(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        // A command that refuses early does not read its input.
        let pipe = child.stdin.take();
        drop(pipe.map(|mut pipe| pipe.write_all(input.as_bytes())));
        let output = child.wait_with_output().expect("a child can be waited for");
        let said = Said {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            success: output.status.success(),
        };
        assert!(
            !said.err.contains("panicked at"),
            "isochron {line}: {said:#?}"
        );
        said
    }

    /// Runs a command that must succeed; gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[must_use]
    pub fn output(&self, line: &str) -> String {
        let said = self.run(line);
        assert!(said.success, "isochron {line}: {said:#?}");
        said.out
    }

    /// Runs a command that must fail; gives what it complained of.
    ///
    /// # Panics
    /// When it succeeds.
    #[must_use]
    pub fn refusal(&self, line: &str) -> String {
        let said = self.run(line);
        assert!(!said.success, "isochron {line}: {said:#?}");
        said.err
    }

    /// A command that has not been started, with the settings and the data of this folder.
    #[must_use]
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new(tools::isochron());
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("STI_")) {
                command.env_remove(name);
            }
        }
        command
            .args(line.split_whitespace())
            .arg("--data")
            .arg("data")
            .current_dir(&self.folder);
        if self.path("sametime.ini").exists() {
            command.args(["--config", "sametime.ini"]);
        }
        command
    }

    /// The folder itself.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A TLS server that we did not write: `openssl s_server`, until the value goes away.
pub struct OpensslServer {
    child: Child,
    port: u16,
    // Read to the end, so that it never waits for somebody to read.
    _said: Lines,
}

impl OpensslServer {
    /// Starts it with these options, such as `-cert` and `-key`, and waits until it takes connections.
    #[must_use]
    pub fn start(options: &[&str]) -> Self {
        let port = tools::free_port();
        let mut child = tools::tool("openssl", "openssl")
            .args(["s_server", "-accept", &port.to_string()])
            .args(options)
            // Held open and silent: it ends with its input.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        let said = Lines::of(child.stdout.take().expect("the output is piped"));
        let _ = said.wait("the line ACCEPT of openssl s_server", |line| {
            line == "ACCEPT"
        });
        Self {
            child,
            port,
            _said: said,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for OpensslServer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
