//! The tools of other people, and a folder for what they make.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that goes away with the test.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// One that stays, because it belongs to all tests and nobody is the last; `cargo clean` takes it away.
    pub(crate) fn that_stays() -> Self {
        Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

/// Runs a program of a Debian package and gives what it printed.
///
/// # Panics
/// When it is missing, naming the package, or fails.
pub(crate) fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> String {
    let package = match program {
        "openssl" => "openssl",
        "keytool" => "openjdk-17-jdk-headless",
        "certtool" => "gnutls-bin",
        "certutil" | "pk12util" => "libnss3-tools",
        _ => "?",
    };
    let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
    let output = Command::new(program)
        .args(&arguments)
        // Passwords with letters of all kinds reach Java only so.
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| {
            panic!(
                "{program}: {error}; install Debian package {package} (apt-get install {package})"
            )
        });
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?} failed:\n{text}\n{errors}"
    );
    text
}

pub(crate) fn openssl(arguments: &[&str]) -> String {
    run("openssl", arguments)
}

pub(crate) fn keytool(arguments: &[&str]) -> String {
    // Half the time of a run is Java getting warm for work that never comes.
    let quick = ["-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC"];
    run("keytool", &[&quick, arguments].concat())
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Whether the long form is asked for (`cargo xtask test --full`).
pub(crate) fn is_full() -> bool {
    std::env::var_os("ISOCHRON_FULL").is_some_and(|value| value == "1")
}
