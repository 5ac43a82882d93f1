//! What the tests need beyond Rust and a C compiler, and where it comes from.

use crate::steps;
use anyhow::{Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Something a test cannot do without.
struct Package {
    /// The Debian package that brings it.
    debian: &'static str,
    probe: Probe,
    needed_for: &'static str,
}

/// How to tell that it is there, on Debian or elsewhere.
enum Probe {
    /// A program in `PATH`, or where only administrators' programs lie.
    Program(&'static str),
    /// A library that `pkg-config` knows.
    Library(&'static str),
    /// A program that, called like this, ends with success.
    Runs(&'static str, &'static [&'static str]),
}

/// Everything the tests need. A new tool in a test is a new row here.
const PACKAGES: [Package; 18] = [
    Package {
        debian: "gcc",
        probe: Probe::Program("cc"),
        needed_for: "the libmeanwhile driver, and the C parts of dependencies",
    },
    Package {
        debian: "g++",
        probe: Probe::Program("c++"),
        needed_for: "libFuzzer, in the long form",
    },
    Package {
        debian: "pkg-config",
        probe: Probe::Program("pkg-config"),
        needed_for: "finding the libraries below",
    },
    Package {
        debian: "libglib2.0-dev",
        probe: Probe::Library("glib-2.0"),
        needed_for: "the libmeanwhile driver",
    },
    Package {
        debian: "libmeanwhile-dev",
        probe: Probe::Library("meanwhile"),
        needed_for: "the libmeanwhile driver, a client that we did not write",
    },
    Package {
        debian: "finch",
        probe: Probe::Program("finch"),
        needed_for: "the real chat program",
    },
    Package {
        debian: "tmux",
        probe: Probe::Program("tmux"),
        needed_for: "a terminal for Finch",
    },
    Package {
        debian: "socat",
        probe: Probe::Program("socat"),
        needed_for: "the TLS tunnel in front of clients that know no TLS",
    },
    Package {
        debian: "openssl",
        probe: Probe::Program("openssl"),
        needed_for: "a TLS client that we did not write",
    },
    Package {
        debian: "gnutls-bin",
        probe: Probe::Program("gnutls-cli"),
        needed_for: "another TLS client that we did not write",
    },
    Package {
        debian: "openjdk-17-jdk-headless",
        probe: Probe::Program("keytool"),
        needed_for: "stores of keytool, and the TLS of Java",
    },
    Package {
        debian: "libnss3-tools",
        probe: Probe::Program("pk12util"),
        needed_for: "key stores as browsers export them",
    },
    Package {
        debian: "testssl.sh",
        probe: Probe::Program("testssl"),
        needed_for: "a scan of what TLS is served",
    },
    Package {
        debian: "python3-venv",
        probe: Probe::Runs("python3", &["-c", "import ensurepip"]),
        needed_for: "sslyze, another such scan",
    },
    Package {
        debian: "curl",
        probe: Probe::Program("curl"),
        needed_for: "the operator's pages, which read the metrics with it",
    },
    Package {
        debian: "util-linux",
        probe: Probe::Program("setpriv"),
        needed_for: "a server that may not read a file",
    },
    Package {
        debian: "iproute2",
        probe: Probe::Program("ip"),
        needed_for: "the network namespace of the vanished peer",
    },
    Package {
        debian: "procps",
        probe: Probe::Program("ps"),
        needed_for: "looking at processes",
    },
];

/// Makes sure that everything is there, installing with apt-get where it may.
///
/// # Errors
/// Names each thing that is missing and could not be installed. Nothing is skipped in silence.
pub(crate) fn ensure() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        println!("all {} packages are there", PACKAGES.len());
        return Ok(());
    }
    println!("missing: {}", names(&missing));
    match installer() {
        Some(prefix) => {
            install(&prefix, &missing).map_err(|error| error.context(complaint(&missing)))?;
        }
        None => return Err(complaint(&missing)),
    }
    let missing = self::missing();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(complaint(&missing))
    }
}

/// Makes sure that rustfmt and clippy are there: a minimal toolchain comes without them.
///
/// # Errors
/// Names the component that is missing and could not be added.
pub(crate) fn ensure_components() -> Result<()> {
    for (component, version) in [("rustfmt", "fmt --version"), ("clippy", "clippy --version")] {
        if steps::cargo_output(version).is_ok() {
            continue;
        }
        if program("rustup").is_none() {
            bail!("the Rust component {component} is missing, and there is no rustup to add it");
        }
        let mut command = Command::new("rustup");
        command.args(["component", "add", component]);
        steps::status(command)?;
    }
    Ok(())
}

fn missing() -> Vec<&'static Package> {
    let is_missing = |package: &&Package| match package.probe {
        Probe::Program(name) => program(name).is_none(),
        Probe::Library(name) => !library(name),
        Probe::Runs(name, arguments) => !succeeds(name, arguments),
    };
    PACKAGES.iter().filter(is_missing).collect()
}

fn names(packages: &[&Package]) -> String {
    let names: Vec<&str> = packages.iter().map(|package| package.debian).collect();
    names.join(" ")
}

fn complaint(missing: &[&Package]) -> anyhow::Error {
    let mut text = String::from("the tests need what is not on this machine:\n");
    for package in missing {
        text += &format!("  {:<18} for {}\n", package.debian, package.needed_for);
    }
    text += "and it could not be installed from here (that takes apt-get, and root or sudo without \
             a password). On Debian, run as root:\n  apt-get install --no-install-recommends ";
    text += &names(missing);
    anyhow::Error::msg(text)
}

/// What has to stand before `apt-get`; `None` when this process may not install packages.
fn installer() -> Option<Vec<&'static str>> {
    program("apt-get")?;
    let is_root = Command::new("id").arg("-u").output();
    if is_root.is_ok_and(|output| output.stdout.trim_ascii() == b"0") {
        return Some(vec![]);
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).output();
    let may_sudo = sudo.is_ok_and(|output| output.status.success());
    may_sudo.then(|| vec!["sudo", "-n"])
}

fn install(prefix: &[&str], missing: &[&Package]) -> Result<()> {
    let apt_get = |arguments: &[&str]| {
        let words: Vec<&str> = prefix
            .iter()
            .chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
            .chain(arguments)
            .copied()
            .collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        steps::status(command)
    };
    apt_get(&["update"])?;
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(missing.iter().map(|package| package.debian));
    apt_get(&arguments)
}

fn library(name: &str) -> bool {
    succeeds("pkg-config", &["--exists", name])
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // `ip` lies where a plain user's PATH often does not lead.
    let more = [Path::new("/usr/sbin"), Path::new("/sbin")];
    std::env::split_paths(&path)
        .chain(more.map(Path::to_path_buf))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_names_each_package_and_the_command_that_mends_it() {
        let missing: Vec<&Package> = PACKAGES.iter().filter(|p| p.debian == "tmux").collect();
        let text = complaint(&missing).to_string();
        assert!(text.contains("tmux               for a terminal for Finch\n"));
        assert!(text.ends_with("apt-get install --no-install-recommends tmux"));
    }

    #[test]
    fn a_program_is_found_in_path_and_an_unknown_one_is_not() {
        assert!(program("sh").is_some());
        assert!(program("no-such-program-anywhere").is_none());
    }
}
