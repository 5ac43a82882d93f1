//! Much to say: bytes through TLS to an echo on TCP, beside programs that do nothing else.

use crate::bounds;
use crate::peers::Peer;
use crate::{Bench, DEADLINE, Phase};
use anyhow::Result;
use std::time::Duration;
use testkit::measure::{Process, as_f64, median};
use testkit::report::Row;
use testkit::server::Server;
use testkit::tls::Key;
use testkit::visit;

/// Connections that talk at the same time.
const CONNECTIONS: u8 = 4;
/// Bytes that each of them sends in a round and gets back, full and short.
const BYTES: (usize, usize) = (64 * 1024 * 1024, 16 * 1024 * 1024);

/// Somebody who carries bytes.
struct Carrier {
    name: &'static str,
    server: Server,
    /// All of them count.
    processes: Vec<Process>,
    /// Seconds of processor time for each GB, by round.
    rounds: Vec<f64>,
}

impl Carrier {
    fn new(name: &'static str, server: Server) -> Result<Self> {
        let mut processes = server.process.children()?;
        processes.push(server.process);
        Ok(Self {
            name,
            server,
            processes,
            rounds: Vec::new(),
        })
    }

    fn cpu(&self) -> Result<Duration> {
        self.processes.iter().map(|process| process.cpu()).sum()
    }

    fn cost(&self) -> f64 {
        median(&self.rounds)
    }
}

impl Bench {
    /// The floor, the front door and every other that is to be had, in turns and in front of the same echo.
    pub(crate) async fn bulk(&mut self) -> Result<()> {
        if !self.wants(&[Phase::Bulk]) {
            return Ok(());
        }
        let identity = self.identity(Key::Ecdsa)?;
        let folder = self.folder.join("tls");
        let echo = Server::floor_copy(&self.programs.floor_copy, &["plain"]).await?;
        let floor = self.start_floor_copy(&identity, false, Some(&echo)).await?;
        let ours = self.start_front_door(&identity, false, Some(&echo)).await?;
        let whole = self.start_front_door(&identity, false, None).await?;
        let mut carriers = vec![
            Carrier::new("the floor", floor)?,
            Carrier::new("the front door", ours)?,
            Carrier::new("the front door, echo inside", whole)?,
        ];
        let mut absent = Vec::new();
        for peer in Peer::ALL {
            match peer.start(&folder, &identity, echo.address).await {
                Ok(server) => carriers.push(Carrier::new(peer.name, server)?),
                Err(error) => {
                    println!("{} is not measured: {error:#}", peer.name);
                    absent.push(peer.name);
                }
            }
        }
        let bytes = self.pick(BYTES);
        let gigabytes = as_f64(bytes) * f64::from(CONNECTIONS) / 1e9;
        for round in 0..=self.rounds() {
            for carrier in &mut carriers {
                let before = carrier.cpu()?;
                let address = carrier.server.address;
                visit::talk(address, &self.tls, CONNECTIONS, bytes, DEADLINE).await?;
                carrier.server.process.quiet(DEADLINE).await?;
                let cpu = carrier.cpu()?.saturating_sub(before);
                // The first round warms up.
                if round > 0 {
                    carrier.rounds.push(cpu.as_secs_f64() / gigabytes);
                }
            }
        }
        self.tell_bulk(&carriers, &absent);
        for carrier in carriers {
            carrier.server.stop().await?;
        }
        echo.stop().await
    }

    fn tell_bulk(&mut self, carriers: &[Carrier], absent: &[&str]) {
        let [floor, ours, whole, peers @ ..] = carriers else {
            return;
        };
        let figures = |cost: f64| format!("{cost:.2} s/GB, {:.0} MB in a CPU second", 1e3 / cost);
        let best = peers.iter().min_by(|a, b| a.cost().total_cmp(&b.cost()));
        let mut row = Row {
            what: "bulk through the front door to an echo on TCP".to_owned(),
            measured: figures(ours.cost()),
            floor: figures(floor.cost()),
            bound: format!("nothing to compare with: {}", absent.join(", ")),
            ..Row::default()
        };
        if let Some(best) = best {
            let ratio = ours.cost() / best.cost();
            let most = bounds::BULK;
            row.ratio = format!("{ratio:.2}");
            row.bound = format!("{most} x {}, the best of those below", best.name);
            row.met = Some(ratio <= most);
        }
        self.report.add(row);
        for carrier in [whole].into_iter().chain(peers) {
            self.report.add(Row {
                what: format!("bulk: {}", carrier.name),
                measured: figures(carrier.cost()),
                ..Row::default()
            });
        }
        for name in absent {
            self.report.add(Row {
                what: format!("bulk: {name}: not measured, it could not be had"),
                ..Row::default()
            });
        }
    }
}
