//! Other programs that end TLS in front of a TCP service, as Debian has them.

use anyhow::{Context, Result, bail};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use testkit::server::{self, Server};
use testkit::tls::Identity;
use tokio::process::Command;

/// One of them.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    program: &'static str,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
    /// What comes before the file with its settings.
    arguments: &'static [&'static str],
    settings: fn(&Place<'_>) -> String,
}

/// What the settings are about.
struct Place<'a> {
    port: u16,
    backend: SocketAddr,
    identity: &'a Identity,
    folder: &'a Path,
}

impl Peer {
    pub(crate) const ALL: [Self; 3] = [
        Self {
            name: "HAProxy",
            program: "haproxy",
            packages: &["haproxy"],
            arguments: &["-db", "-f"],
            settings: haproxy,
        },
        Self {
            name: "nginx",
            program: "nginx",
            packages: &["nginx", "libnginx-mod-stream"],
            arguments: &["-e", "stderr", "-c"],
            settings: nginx,
        },
        Self {
            name: "hitch",
            program: "hitch",
            packages: &["hitch"],
            arguments: &["--config"],
            settings: hitch,
        },
    ];

    /// Starts it in front of `backend`, after installing it where it is not there.
    pub(crate) async fn start(
        &self,
        folder: &Path,
        identity: &Identity,
        backend: SocketAddr,
    ) -> Result<Server> {
        let program = match find(self.program) {
            Some(program) => program,
            None => {
                install(self.packages).await?;
                find(self.program).context("the package brought no program")?
            }
        };
        let place = Place {
            port: server::some_port()?,
            backend,
            identity,
            folder,
        };
        let file = folder.join(format!("{}.conf", self.program));
        fs::write(&file, (self.settings)(&place))?;
        let mut command = Command::new(program);
        command.args(self.arguments).arg(file);
        let log = folder.join(format!("{}.log", self.program));
        Server::listening(command, place.port, &log).await
    }
}

fn haproxy(place: &Place<'_>) -> String {
    let Place {
        port,
        backend,
        identity,
        ..
    } = place;
    let both = identity.both.display();
    format!(
        "global\n  maxconn 1000\n\
         defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n\
         frontend f\n  bind 127.0.0.1:{port} ssl crt {both}\n  default_backend b\n\
         backend b\n  server s {backend}\n"
    )
}

fn nginx(place: &Place<'_>) -> String {
    let Place {
        port,
        backend,
        identity,
        folder,
    } = place;
    let (certificate, key) = (identity.certificate.display(), identity.key.display());
    let pid = folder.join("nginx.pid");
    let pid = pid.display();
    // Where Debian puts modules.
    format!(
        "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
         daemon off;\nmaster_process off;\npid {pid};\nerror_log stderr;\nevents {{ }}\n\
         stream {{\n  server {{\n    listen 127.0.0.1:{port} ssl;\n    \
         ssl_certificate {certificate};\n    ssl_certificate_key {key};\n    \
         ssl_protocols TLSv1.2 TLSv1.3;\n    proxy_pass {backend};\n  }}\n}}\n"
    )
}

fn hitch(place: &Place<'_>) -> String {
    let Place {
        port,
        backend,
        identity,
        ..
    } = place;
    let both = identity.both.display();
    // Started by root, it wants to become somebody else.
    let user = if rustix::process::getuid().is_root() {
        "user = \"nobody\"\n"
    } else {
        ""
    };
    format!(
        "frontend = \"[127.0.0.1]:{port}\"\nbackend = \"[127.0.0.1]:{}\"\npem-file = \"{both}\"\n\
         workers = 1\ndaemon = off\nquiet = on\ntls-protos = TLSv1.2 TLSv1.3\n{user}",
        backend.port()
    )
}

/// A program in `PATH`, or where Debian puts those of administrators.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

async fn install(packages: &[&str]) -> Result<()> {
    println!(
        "installing {} to compare with, with apt-get",
        packages.join(" ")
    );
    let prefix: &[&str] = if rustix::process::getuid().is_root() {
        &[]
    } else {
        &["sudo", "-n"]
    };
    let words = prefix
        .iter()
        .chain(&[
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "install",
            "-y",
            "-q",
            "--no-install-recommends",
        ])
        .chain(packages);
    let words: Vec<&str> = words.copied().collect();
    let [program, arguments @ ..] = words.as_slice() else {
        bail!("nothing to run");
    };
    let status = Command::new(program).args(arguments).status().await;
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => bail!(
            "it is not there and could not be installed; on Debian, run as root: apt-get install {}",
            packages.join(" ")
        ),
    }
}
