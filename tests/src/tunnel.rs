//! TLS for clients that know none: socat listens in clear and forwards inside TLS.

use crate::process::{Lines, signal};
use crate::tools;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};

/// A TLS tunnel to a server on this machine. It takes any certificate: what the server shows is checked
/// by the tests that are about it.
pub struct Tunnel {
    child: Child,
    port: u16,
}

impl Tunnel {
    /// Opens a tunnel to a port.
    #[must_use]
    pub fn to(tls_port: u16) -> Self {
        let port = tools::free_port();
        let mut command = tools::tool("socat", "socat");
        command
            .args(["-d", "-d"])
            .arg(format!(
                "TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,nodelay"
            ))
            .arg(format!("OPENSSL:127.0.0.1:{tls_port},verify=0,nodelay"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // One process per connection: they end together.
            .process_group(0);
        let mut child = command.spawn().expect("socat starts");
        let log = Lines::of(child.stderr.take().expect("the log is piped"));
        log.wait("socat to listen", |line| line.contains("listening on"));
        Self { child, port }
    }

    /// Where it takes clients.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        signal("KILL", &format!("-{}", self.child.id()));
        drop(self.child.wait());
    }
}
