//! Servers as child processes: the floor, the echo and Isochron.

use crate::measure::Process;
use crate::session::{PASSWORD, user};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How long a start may take: thousands of people are read from the store.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How often a program that does not say so is asked whether it listens.
const LISTENING_YET: Duration = Duration::from_millis(50);
/// How long an orderly stop may take: longer than the server's own drain time.
const STOP_DEADLINE: Duration = Duration::from_secs(90);
/// How long hashing the passwords of an import may take.
const IMPORT_DEADLINE: Duration = Duration::from_secs(30 * 60);

/// A running server. Dropped, it is killed.
pub struct Server {
    child: Child,
    /// Kept, or the server could write to it no more.
    lines: Lines<BufReader<ChildStdout>>,
    /// Looked at from outside.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts the floor, or the bare echo that the floor itself is compared with.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn floor(program: &Path, echo: bool) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(echo.then_some("echo"));
        Self::that_tells_its_port(command).await
    }

    /// Starts the floor of TLS with these arguments, see `bin/floor_copy.rs`.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn floor_copy<S: AsRef<OsStr>>(program: &Path, arguments: &[S]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::that_tells_its_port(command).await
    }

    async fn that_tells_its_port(command: Command) -> Result<Self> {
        let mut server = Self::start(command, 0)?;
        let line = server
            .wait_for(|line| line.strip_prefix("port ").map(str::to_owned))
            .await?;
        server.address.set_port(line.parse()?);
        Ok(server)
    }

    /// Starts Isochron on the data folder of [`people`], with TLS 1.3 and legacy on one port and with `more` lines
    /// in its `sametime.ini`. What it logs goes to `isochron.log` there.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn isochron(program: &Path, data: &Path, more: &str) -> Result<Self> {
        let port = free_port(PORTS)?;
        let config = settings(data, "bench", port, more)?;
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("--config")
            .arg(config)
            .arg("--data")
            .arg(data);
        Self::that_is_ready(command, port, &data.join("isochron.log")).await
    }

    /// Starts Isochron's front door alone, with `more` lines in its `sametime.ini`: with an echo behind it, or in
    /// front of a port. What it logs goes to a file of that name in the folder.
    ///
    /// # Errors
    /// If it does not start.
    pub async fn front_door(
        program: &Path,
        folder: &Path,
        name: &str,
        more: &str,
        backend: Option<SocketAddr>,
    ) -> Result<Self> {
        let port = free_port(PORTS)?;
        let mut command = Command::new(program);
        command
            .arg(settings(folder, name, port, more)?)
            .args(backend.map(|backend| backend.port().to_string()));
        Self::that_is_ready(command, port, &folder.join(format!("{name}.log"))).await
    }

    async fn that_is_ready(mut command: Command, port: u16, log: &Path) -> Result<Self> {
        command.stderr(File::create(log)?);
        let mut server = Self::start(command, port)?;
        let ready = server
            .wait_for(|line| (line == "ready").then(String::new))
            .await;
        ready.with_context(|| format!("it does not serve, see {}", log.display()))?;
        Ok(server)
    }

    /// Starts a program that has been told to listen on this port, and waits until it does. What it says goes to
    /// the log.
    ///
    /// # Errors
    /// If it does not.
    pub async fn listening(mut command: Command, port: u16, log: &Path) -> Result<Self> {
        command.stderr(File::create(log)?);
        let mut server = Self::start(command, port)?;
        let end = Instant::now() + START_DEADLINE;
        while TcpStream::connect(server.address).await.is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("it ended with {status}, see {}", log.display());
            }
            if Instant::now() > end {
                bail!("it does not listen, see {}", log.display());
            }
            sleep(LISTENING_YET).await;
        }
        Ok(server)
    }

    fn start(mut command: Command, port: u16) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let program = command.as_std().get_program().to_owned();
        let child = command.spawn();
        let mut child = child.with_context(|| format!("cannot start {}", program.display()))?;
        let stdout = child.stdout.take().context("a child without an output")?;
        let id = child.id().context("a child without a number")?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout).lines(),
            process: Process { id },
            address: ([127, 0, 0, 1], port).into(),
        })
    }

    async fn wait_for(&mut self, wanted: impl Fn(&str) -> Option<String>) -> Result<String> {
        let end = Instant::now() + START_DEADLINE;
        loop {
            let line = timeout_at(end, self.lines.next_line())
                .await
                .context("it takes too long")?;
            let line = line?.context("it ended at once")?;
            if let Some(found) = wanted(&line) {
                return Ok(found);
            }
        }
    }

    /// Asks it to read its certificates again.
    ///
    /// # Errors
    /// If it is gone.
    pub fn reload(&self) -> Result<()> {
        Ok(kill_process(self.pid()?, Signal::HUP)?)
    }

    fn pid(&self) -> Result<Pid> {
        Pid::from_raw(i32::try_from(self.process.id)?).context("no process")
    }

    /// Asks it to stop, and waits until it has.
    ///
    /// # Errors
    /// If it does not, or ends with a fault.
    pub async fn stop(mut self) -> Result<()> {
        kill_process(self.pid()?, Signal::TERM)?;
        let status = timeout(STOP_DEADLINE, self.child.wait())
            .await
            .context("it does not stop")??;
        // The floor knows no signals, and is ended by this one.
        if status.success() || std::os::unix::process::ExitStatusExt::signal(&status).is_some() {
            return Ok(());
        }
        bail!("it stopped with {status}")
    }
}

/// Connections that the server takes; a few of its 20,000 files are for itself.
pub const CAPACITY: usize = 19_500;

/// Where to look for ports: below those that the system gives to clients, of which thousands are in use here.
const PORTS: Range<u16> = 21_533..31_533;

/// A port on which nobody listens.
///
/// # Errors
/// If there is none.
pub fn some_port() -> Result<u16> {
    free_port(PORTS)
}

/// Writes `NAME.ini`: TLS 1.3 and legacy on this one port, and `more` lines.
fn settings(folder: &Path, name: &str, port: u16, more: &str) -> Result<PathBuf> {
    let health = free_port(port + 1..PORTS.end)?;
    let text = format!(
        "[Config]\nSTMUX_TLS_MAX_PROTOCOL_VERSION=0x304\nVPMX_CAPACITY={CAPACITY}\n\
         [Debug]\nVPMX_PORT={port}\nVPMX_TLS_PORT={port}\n\
         [Isochron]\nHEALTH_PORT={health}\n{more}"
    );
    let file = folder.join(format!("{name}.ini"));
    fs::write(&file, text)?;
    Ok(file)
}

/// The first port of the range on which nobody listens.
fn free_port(range: Range<u16>) -> Result<u16> {
    let free = range
        .clone()
        .find(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok());
    free.with_context(|| format!("no port of {range:?} is free"))
}

/// A data folder of Isochron with this many people; made once and used again, because their passwords take
/// minutes to hash.
///
/// # Errors
/// If the import fails.
pub async fn people(program: &Path, folder: &Path, count: usize) -> Result<PathBuf> {
    let data = folder.join(format!("people-{count}"));
    let complete = data.join("complete");
    if complete.exists() {
        return Ok(data);
    }
    if data.exists() {
        // What an interrupted import left.
        fs::remove_dir_all(&data)?;
    }
    fs::create_dir_all(&data)?;
    let mut text = "user,name,mail,password,groups\n".to_owned();
    for person in 0..count {
        let user = user(person);
        writeln!(
            text,
            "{user},Person {person},{user}@example.com,{PASSWORD},"
        )?;
    }
    let file = data.join("people.csv");
    fs::write(&file, text)?;
    println!("importing {count} people, each password hashed with Argon2id (once, then reused)");
    let mut command = Command::new(program);
    command
        .args(["user", "import"])
        .arg(file)
        .arg("--data")
        .arg(&data)
        .kill_on_drop(true);
    let status = timeout(IMPORT_DEADLINE, command.status())
        .await
        .context("the import takes too long")?;
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    if !status.success() {
        bail!("the import of {count} people ended with {status}");
    }
    fs::write(complete, "")?;
    Ok(data)
}
