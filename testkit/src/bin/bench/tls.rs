//! What TLS costs: whole connections, telling their protocol, and those that stay and say nothing.

use crate::bounds::{self, beside_floor};
use crate::many::resident_kib;
use crate::{Bench, DEADLINE, LOGINS_AT_ONCE, Phase, cost};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use testkit::measure::{as_f64, median, microseconds_each};
use testkit::report::Row;
use testkit::server::{self, Server};
use testkit::tls::{Handshake, Identity, Key};
use testkit::visit::{self, Visitors};
use tokio::process::Command;

/// Visitors at a time.
const AT_ONCE: u8 = 16;
/// Visits that each of them pays in a round, full and short.
const VISITS: (usize, usize) = (150, 40);
/// Rounds of which the median counts, full and short: a bound of exactly the floor's cost wants many.
const ROUNDS: (usize, usize) = (11, 5);
/// The settings under which sessions are remembered; rustls by itself remembers 256.
const CACHE: &str = "[Config]\nSTMUX_TLS_SESSION_CACHE_SIZE=256\nSTMUX_TLS_MAX_SESSION_AGE=86400\n";

/// A row of the table.
struct Kind {
    what: &'static str,
    key: Key,
    handshake: Handshake,
    /// Whether there is something to reach.
    is_bound: bool,
}

const fn kind(what: &'static str, key: Key, tls13: bool, resumed: bool) -> Kind {
    let handshake = Handshake {
        tls13,
        resumed,
        hybrid: false,
    };
    Kind {
        what,
        key,
        handshake,
        is_bound: true,
    }
}

const KINDS: [Kind; 7] = [
    kind("TLS 1.3, ECDSA P-256", Key::Ecdsa, true, false),
    kind("TLS 1.3, RSA-2048", Key::Rsa, true, false),
    kind("TLS 1.2, ECDSA P-256", Key::Ecdsa, false, false),
    kind("TLS 1.2, RSA-2048", Key::Rsa, false, false),
    kind("TLS 1.3, resumed by ticket", Key::Ecdsa, true, true),
    kind("TLS 1.2, resumed by session id", Key::Ecdsa, false, true),
    Kind {
        what: "TLS 1.3, ECDSA P-256, X25519MLKEM768",
        key: Key::Ecdsa,
        handshake: Handshake {
            hybrid: true,
            ..Handshake::FULL
        },
        is_bound: false,
    },
];

impl Bench {
    /// A certificate for the servers that are compared, made anew.
    pub(crate) fn identity(&self, key: Key) -> Result<Identity> {
        let name = match key {
            Key::Ecdsa => "ecdsa",
            Key::Rsa => "rsa",
        };
        Identity::make(&self.folder.join("tls"), name, key)
    }

    /// The plainest copy loop with this certificate: with an echo, or in front of a port.
    pub(crate) async fn start_floor_copy(
        &self,
        identity: &Identity,
        resumed: bool,
        backend: Option<&Server>,
    ) -> Result<Server> {
        let port = backend.map(|backend| backend.address.port().to_string());
        let mut words: Vec<&OsStr> = vec![
            OsStr::new("tls"),
            identity.certificate.as_os_str(),
            identity.key.as_os_str(),
            OsStr::new(if resumed { "resume" } else { "full" }),
        ];
        words.extend(port.as_ref().map(OsStr::new));
        Server::floor_copy(&self.programs.floor_copy, &words)
            .await
            .context("floor_copy")
    }

    /// The front door with this certificate: with an echo, or in front of a port.
    pub(crate) async fn start_front_door(
        &self,
        identity: &Identity,
        resumed: bool,
        backend: Option<&Server>,
    ) -> Result<Server> {
        let settings = front_door_settings(identity, resumed);
        let name = if backend.is_some() {
            "front-door-tcp"
        } else {
            "front-door"
        };
        let program = &self.programs.front_door;
        let backend = backend.map(|backend| backend.address);
        let folder = self.folder.join("tls");
        Server::front_door(program, &folder, name, &settings, backend)
            .await
            .context("front_door")
    }

    /// The same with an echo and without a line in the log for each connection.
    async fn start_unlogged(&self, identity: &Identity, resumed: bool) -> Result<Server> {
        let settings = front_door_settings(identity, resumed) + "[Isochron]\nLOG_LEVEL=warn\n";
        let folder = self.folder.join("tls");
        let program = &self.programs.front_door;
        Server::front_door(program, &folder, "front-door-unlogged", &settings, None)
            .await
            .context("front_door")
    }

    /// Whole connections, and what part of the cheapest of them detection is.
    pub(crate) async fn handshakes(&mut self) -> Result<()> {
        if !self.wants(&[Phase::Tls]) {
            return Ok(());
        }
        let mut cheapest = f64::MAX;
        for kind in &KINDS {
            let [floor, ours, unlogged] = self.handshake(kind).await?;
            cheapest = cheapest.min(ours);
            let bound = if kind.is_bound {
                bounds::HANDSHAKE_US
            } else {
                bounds::Bound::default()
            };
            let what = format!("connection, {}", kind.what);
            let row = beside_floor(&what, "us", ours, floor, bound);
            let each_second = |microseconds: f64| {
                let handshakes = 1e6 / microseconds;
                format!("{microseconds:.1} us, {handshakes:.0} in a CPU second")
            };
            self.report.add(Row {
                measured: format!("{}; {unlogged:.1} us without log lines", each_second(ours)),
                floor: each_second(floor),
                ..row
            });
        }
        self.detection(cheapest).await
    }

    /// Microseconds for a connection of the floor, of Isochron's front door, and of one that logs nothing.
    async fn handshake(&self, kind: &Kind) -> Result<[f64; 3]> {
        let identity = self.identity(kind.key)?;
        let resumed = kind.handshake.resumed;
        let servers = [
            self.start_floor_copy(&identity, resumed, None).await?,
            self.start_front_door(&identity, resumed, None).await?,
            self.start_unlogged(&identity, resumed).await?,
        ];
        let mut visitors = Vec::new();
        for server in &servers {
            visitors.push(Visitors::new(server.address, kind.handshake, AT_ONCE).await?);
        }
        let mut taken = [const { Vec::new() }; 3];
        let each = self.pick(VISITS);
        for round in 0..=self.pick(ROUNDS) {
            for (index, server) in servers.iter().enumerate() {
                let visitors = &mut visitors[index];
                let count = visitors.size() * each;
                let (cpu, ()) = cost(server.process, async {
                    visitors.visit(each).await?;
                    server.process.quiet(DEADLINE).await
                })
                .await?;
                // The first round warms up.
                if round > 0 {
                    taken[index].push(microseconds_each(cpu, count));
                }
            }
        }
        for server in servers {
            server.stop().await?;
        }
        Ok(taken.map(|taken| median(&taken)))
    }

    /// What detection costs, in percent of a connection.
    async fn detection(&mut self, connection_us: f64) -> Result<()> {
        let mut command = Command::new(&self.programs.front_door);
        command.arg("detection").kill_on_drop(true);
        let output = command.output().await?;
        let said = String::from_utf8(output.stdout)?;
        let mut words = said.split_whitespace().skip(1).map(str::parse::<f64>);
        let mut next = || {
            words
                .next()
                .with_context(|| format!("{said:?} has no figures"))
        };
        let (with, without) = (next()??, next()??);
        let microseconds = (with - without).max(0.0) / 1000.0;
        let percent = 100.0 * microseconds / connection_us;
        self.report.add(Row {
            what: "first-bytes detection, of the cheapest connection above".to_owned(),
            measured: format!("{percent:.2} %, {microseconds:.2} us"),
            bound: format!("{} %", bounds::DETECTION_PERCENT),
            met: Some(percent <= bounds::DETECTION_PERCENT),
            ..Row::default()
        });
        Ok(())
    }

    /// Memory of connections to the whole server that shake hands and never log in.
    pub(crate) async fn silent(&mut self) -> Result<()> {
        if !self.wants(&[Phase::Silent]) {
            return Ok(());
        }
        let identity = self.identity(Key::Ecdsa)?;
        let floor = self.start_floor_copy(&identity, false, None).await?;
        let program = &self.programs.isochron;
        let data = server::people(program, &self.folder, 0).await?;
        // Or they would be sent away before they are counted.
        let settings = identity.settings() + "[Isochron]\nLOGIN_TIMEOUT_SECONDS=600\n";
        let isochron = Server::isochron(program, &data, &settings).await?;
        let mut kib = [0.0; 2];
        for (server, kib) in [isochron, floor].into_iter().zip(&mut kib) {
            let before = resident_kib(&server).await?;
            let (address, size) = (server.address, self.sessions);
            let silent = visit::silent(address, &self.tls, size, LOGINS_AT_ONCE).await?;
            *kib = (resident_kib(&server).await? - before) / as_f64(silent.len());
            drop(silent);
            server.process.quiet(DEADLINE).await?;
            server.stop().await?;
        }
        let [ours, floor] = kib;
        let what = format!(
            "memory of an idle TLS connection without a login, {}",
            self.sessions
        );
        let row = beside_floor(&what, "KiB", ours, floor, bounds::SILENT_KIB);
        self.report.add(row);
        Ok(())
    }
}

/// The lines of a `sametime.ini` for this certificate.
fn front_door_settings(identity: &Identity, resumed: bool) -> String {
    identity.settings() + if resumed { CACHE } else { "" }
}
