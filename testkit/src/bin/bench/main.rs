//! Measures Isochron beside the floor, in the same minutes: processor time and memory of the server process alone.
//!
//! `docs/performance.md` says what each row means.

mod bounds;
mod bulk;
mod many;
mod peers;
mod reload;
mod thousand;
mod tls;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use rustls::ClientConfig;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;
use testkit::fleet::{Contacts, Fleet};
use testkit::measure::{self, Process};
use testkit::report::{Report, Row};
use testkit::server::{self, Server};
use testkit::session::{Plan, Speaks};
use testkit::tls::whatever_the_certificate;
use tokio::time::Instant;
use wire::client::Offer;

/// Sessions of the full and of the short form.
const SESSIONS: (usize, usize) = (10_000, 2_000);
/// People of the cold storm, unless all of them: each costs tens of milliseconds of hashing.
const COLD: (usize, usize) = (500, 100);
/// The smallest fleet that a watch list fits in beside those that are not there.
const SESSIONS_MIN: usize = 100;
/// How long anything short may take.
const DEADLINE: Duration = Duration::from_secs(120);
/// How long everybody's first login may take, with its hashing.
const COLD_DEADLINE: Duration = Duration::from_secs(30 * 60);
/// How many log in at a time where it is not a storm.
const LOGINS_AT_ONCE: usize = 32;

/// Isochron beside the floor: processor time, memory and latency.
#[derive(Parser)]
#[command(name = "bench")]
struct Options {
    /// Sessions where many are measured [10000, or 2000 with --short]
    #[arg(long)]
    sessions: Option<usize>,
    /// Fewer sessions and rounds, no minute of idling, no 19,000 sessions
    #[arg(long)]
    short: bool,
    /// The cold storm with everybody instead of 500 people
    #[arg(long)]
    cold_full: bool,
    /// Writes the results into this page, between its two marks
    #[arg(long, value_name = "PAGE")]
    write: Option<PathBuf>,
    /// Only these
    #[arg(value_enum)]
    only: Vec<Phase>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    Empty,
    Login,
    Message,
    Presence,
    Latency,
    Legacy,
    Memory,
    Storm,
    Capacity,
    Cold,
    /// TLS handshakes, full and resumed, and what detection costs
    Tls,
    /// Connections that shake hands and never log in
    Silent,
    /// Much to say, beside HAProxy, nginx and hitch; installs them if they are not there
    Bulk,
    /// Certificates that change under load
    Reload,
    /// The floor and the echo alone; not part of a whole run
    Floor,
}

/// What every phase needs.
struct Bench {
    sessions: usize,
    cold: usize,
    short: bool,
    only: Vec<Phase>,
    programs: Programs,
    /// Where data folders are kept from run to run.
    folder: PathBuf,
    tls: Arc<ClientConfig>,
    epoch: Instant,
    report: Report,
    /// A message's cost with a thousand sessions, for comparison with many.
    message_us: Option<f64>,
    /// The floor's cost of a login, which says how fast this machine is.
    floor_login_us: Option<f64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Bench::prepare(Options::parse()) {
        Ok((bench, page)) => bench.run(page).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Bench {
    fn prepare(options: Options) -> Result<(Self, Option<PathBuf>)> {
        measure::raise_file_limit()?;
        let pick = |(full, short)| if options.short { short } else { full };
        let sessions = options.sessions.unwrap_or(pick(SESSIONS));
        if !(SESSIONS_MIN..=server::CAPACITY).contains(&sessions) || !sessions.is_multiple_of(2) {
            let most = server::CAPACITY;
            bail!("--sessions takes an even number from {SESSIONS_MIN} to {most}, not {sessions}");
        }
        // Linking it takes minutes, so not for those who want something else.
        let with_front_door = options.only.is_empty()
            || options.only.contains(&Phase::Tls)
            || options.only.contains(&Phase::Bulk);
        let bench = Self {
            sessions,
            cold: if options.cold_full {
                sessions
            } else {
                pick(COLD).min(sessions)
            },
            short: options.short,
            only: options.only,
            programs: Programs::build(with_front_door)?,
            folder: root().join("target/bench-data"),
            tls: whatever_the_certificate()?,
            epoch: Instant::now(),
            report: Report::default(),
            message_us: None,
            floor_login_us: None,
        };
        Ok((bench, options.write))
    }

    async fn run(mut self, page: Option<PathBuf>) -> Result<()> {
        let mut failed = 0;
        // One that fails does not take the others along: a run is long.
        for (name, result) in [
            ("floor", self.floor_alone().await),
            ("at rest", self.at_rest().await),
            ("a thousand sessions", self.thousand().await),
            ("many sessions", self.many().await),
            ("after a restart", self.after_restart().await),
            ("TLS handshakes", self.handshakes().await),
            ("silent connections", self.silent().await),
            ("bulk", self.bulk().await),
            ("reload", self.reload().await),
        ] {
            if let Err(error) = result {
                failed += 1;
                let met = Some(false);
                let what = format!("{name}: FAILED, {error:#}");
                self.report.add(Row {
                    what,
                    met,
                    ..Row::default()
                });
            }
        }
        let command = ["cargo xtask bench".to_owned()]
            .into_iter()
            .chain(std::env::args().skip(1));
        let command = command.collect::<Vec<_>>().join(" ");
        println!("\n{}", self.report.to_markdown(&command));
        if failed > 0 {
            bail!("{failed} parts failed");
        }
        if let Some(why) = self.report.void {
            bail!("VOID: {why}");
        }
        if let Some(page) = page {
            self.report.write(&page, &command)?;
            println!("written: {}", page.display());
        }
        Ok(())
    }

    fn wants(&self, phases: &[Phase]) -> bool {
        self.only.is_empty() || self.only.iter().any(|phase| phases.contains(phase))
    }

    /// Rounds of which the median counts.
    fn rounds(&self) -> usize {
        if self.short { 3 } else { 5 }
    }

    /// What a fleet needs to talk to this server.
    fn plan(&self, server: &Server, speaks: Speaks) -> Plan {
        Plan {
            address: server.address,
            speaks,
            tls: (speaks != Speaks::Echo).then(|| Arc::clone(&self.tls)),
            offer: Offer::None,
            people: self.sessions,
            epoch: self.epoch,
        }
    }

    async fn start_floor(&self) -> Result<Server> {
        Server::floor(&self.programs.floor, false)
            .await
            .context("floor")
    }

    /// Isochron with as many people as there are sessions.
    async fn start_isochron(&self) -> Result<Server> {
        self.start_isochron_with("").await
    }

    /// The same with `more` lines in its settings.
    async fn start_isochron_with(&self, more: &str) -> Result<Server> {
        let isochron = &self.programs.isochron;
        let data = server::people(isochron, &self.folder, self.sessions).await?;
        Server::isochron(isochron, &data, more).await
    }
}

/// A fleet that is logged in, and a server that has done with it.
async fn fleet(server: &Server, plan: &Plan, size: usize) -> Result<Fleet> {
    let mut fleet = Fleet::new(plan, size, Contacts::Ring).await?;
    let logins = fleet.login(0..size, LOGINS_AT_ONCE, COLD_DEADLINE).await?;
    logins.all_in()?;
    server.process.quiet(DEADLINE).await?;
    fleet.settle()?;
    Ok(fleet)
}

/// Cuts a fleet, and waits until the server has noticed.
async fn cut(server: &Server, fleet: Fleet) -> Result<()> {
    fleet.cut().await?;
    server.process.quiet(DEADLINE).await
}

/// The processor time that a process uses while something is done.
async fn cost<T>(process: Process, work: impl Future<Output = Result<T>>) -> Result<(Duration, T)> {
    let before = process.cpu()?;
    let result = work.await?;
    Ok((process.cpu()?.saturating_sub(before), result))
}

/// What is measured, in release.
struct Programs {
    floor: PathBuf,
    floor_copy: PathBuf,
    isochron: PathBuf,
    front_door: PathBuf,
}

impl Programs {
    /// The server is there already; the others are built here, because cargo builds only what it is asked to run.
    fn build(with_front_door: bool) -> Result<Self> {
        let release = root().join("target/release");
        let isochron = release.join("isochron");
        if !isochron.exists() {
            bail!(
                "{} is not built; run `cargo xtask bench`",
                isochron.display()
            );
        }
        cargo_build("--package isochron-testkit --bin floor --bin floor_copy")?;
        if with_front_door {
            cargo_build("--package isochron --example front_door")?;
        }
        Ok(Self {
            floor: release.join("floor"),
            floor_copy: release.join("floor_copy"),
            front_door: release.join("examples/front_door"),
            isochron,
        })
    }
}

fn cargo_build(what: &str) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release"])
        .args(what.split_whitespace())
        .current_dir(root())
        .status();
    if !status.context("cannot start cargo")?.success() {
        bail!("it does not build: {what}");
    }
    Ok(())
}

/// The root of the checkout.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
