//! The small programs of `tests/java`, on the TLS and the stores of the JDK.

use crate::pki::StoreFile;
use crate::process::Lines;
use crate::{raw, tools};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A Java client's visit: the lines it printed when it was served, or why it was not.
///
/// # Errors
/// The reason that the JDK gave.
pub fn visit(
    port: u16,
    trust: &StoreFile,
    options: &[(&str, &str)],
) -> Result<Vec<String>, String> {
    let hello: String = raw::handshake()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut command = program("TlsClient.java");
    command
        .arg(format!("port={port}"))
        .arg(format!("hello={hello}"))
        .arg(format!("trust={}", trust.path_text()))
        .arg(format!("password={}", trust.password));
    for (name, value) in options {
        command.arg(format!("{name}={value}"));
    }
    let output = command.output().expect("java starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<String> = said.lines().map(str::to_owned).collect();
    match lines.last().map(String::as_str) {
        Some("served") if output.status.success() => Ok(lines),
        Some(refused) if refused.starts_with("refused ") => Err(said),
        _ => panic!(
            "a broken client:\n{said}{}",
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// A key store with the key of one store and the certificates of another.
pub fn mix(key: &StoreFile, certificates: &StoreFile, out: &Path, kind: &'static str) -> StoreFile {
    let form = if kind == "jks" { "JKS" } else { "PKCS12" };
    let output = program("MixStore.java")
        .args([key.path_text(), certificates.path_text()])
        .arg(out)
        .args([form, &key.password])
        .output()
        .expect("java starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    StoreFile::new(out.to_owned(), &key.password, kind)
}

/// A Java server that shakes hands with whoever comes. It ends with the value.
pub struct Server {
    child: Child,
    port: u16,
    said: Lines,
}

impl Server {
    /// Starts one with these stores and options (`clients`, `protocol`).
    #[must_use]
    pub fn start(key: &StoreFile, trust: &StoreFile, options: &[(&str, &str)]) -> Self {
        assert_eq!(
            key.password, trust.password,
            "the program takes one password"
        );
        let mut command = program("TlsServer.java");
        command
            .arg(format!("key={}", key.path_text()))
            .arg(format!("trust={}", trust.path_text()))
            .arg(format!("password={}", key.password));
        for (name, value) in options {
            command.arg(format!("{name}={value}"));
        }
        let mut child = command.stdout(Stdio::piped()).spawn().expect("java starts");
        let said = Lines::of(child.stdout.take().expect("the output is piped"));
        let line = said.wait("the port of the Java server", |line| {
            line.starts_with("port ")
        });
        let port = line["port ".len()..].parse().expect("a port is a number");
        Self { child, port, said }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next thing it says about a visitor: `accepted` with the name, or `refused` with the reason.
    #[must_use]
    pub fn visitor(&self) -> String {
        self.said.wait("a visitor of the Java server", |_| true)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn program(file: &str) -> Command {
    let mut java = tools::tool("java", "openjdk-17-jdk-headless");
    // A virtual machine that lives for a moment need not compile anything well.
    java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg(tools::manifest_dir().join("java").join(file))
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    java
}
