//! Certificates that change while people talk.

use crate::bounds;
use crate::many::resident_kib;
use crate::{Bench, DEADLINE, Phase, cut, fleet};
use anyhow::{Context, Result, bail};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use testkit::fleet::Fleet;
use testkit::measure::{as_f64, median};
use testkit::report::Row;
use testkit::server::Server;
use testkit::session::Speaks;
use testkit::tls::{self, Handshake, Identity, Key};
use testkit::visit;
use tokio::time::{Instant, sleep};

/// Who talks meanwhile.
const SESSIONS: usize = 500;
/// Changes, full and short.
const CHANGES: (usize, usize) = (1000, 50);
/// Changes before memory is looked at for the first time.
const WARM_UP: usize = 20;
/// One in so many changes is left for the server to notice; of the others it is told by a signal.
const UNTOLD: usize = 25;
/// How long a change may take to be in force.
const IN_FORCE: Duration = Duration::from_secs(30);
/// How often the server is asked what it shows.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// Messages between two looks at whether all changes are done, and how many are on their way.
const MESSAGES: usize = 1000;
const IN_FLIGHT: usize = 16;

/// A key store that changes.
struct Store {
    file: PathBuf,
    identities: [(Identity, CertificateDer<'static>); 2],
    changes: usize,
}

impl Store {
    fn new(folder: &Path) -> Result<Self> {
        let make = |name| {
            let identity = Identity::make(folder, name, Key::Ecdsa)?;
            let certificate = CertificateDer::from_pem_file(&identity.certificate)?;
            anyhow::Ok((identity, certificate))
        };
        let mut store = Self {
            file: folder.join("changing.p12"),
            identities: [make("changing-even")?, make("changing-odd")?],
            changes: 0,
        };
        store.put()?;
        Ok(store)
    }

    /// Puts the other key store in place of the present one, whole; answers with its certificate.
    fn put(&mut self) -> Result<&CertificateDer<'static>> {
        self.changes += 1;
        let (identity, certificate) = &self.identities[self.changes % 2];
        let beside = self.file.with_extension("new");
        fs::copy(&identity.store, &beside)?;
        fs::rename(&beside, &self.file)?;
        Ok(certificate)
    }
}

/// How long changes took until they were in force, in milliseconds.
#[derive(Default)]
struct Taken {
    told: Vec<f64>,
    noticed: Vec<f64>,
}

impl Bench {
    pub(crate) async fn reload(&mut self) -> Result<()> {
        if !self.wants(&[Phase::Reload]) {
            return Ok(());
        }
        let mut store = Store::new(&self.folder.join("tls"))?;
        let server = self
            .start_isochron_with(&tls::settings(&store.file))
            .await?;
        let plan = self.plan(&server, Speaks::Sametime);
        let size = SESSIONS.min(self.sessions);
        let mut fleet = fleet(&server, &plan, size).await?;
        fleet.converse(DEADLINE).await?;
        self.changes(&server, &mut fleet, &mut store, WARM_UP)
            .await?;
        let kib_before = resident_kib(&server).await?;
        let files_before = server.process.open_files()?;
        let count = self.pick(CHANGES);
        let half = count / 2;
        let (mut taken, mut messages) = self.changes(&server, &mut fleet, &mut store, half).await?;
        let kib_between = resident_kib(&server).await?;
        let (more, said) = self
            .changes(&server, &mut fleet, &mut store, count - half)
            .await?;
        taken.told.extend(more.told);
        taken.noticed.extend(more.noticed);
        messages += said;
        let kib_after = resident_kib(&server).await?;
        let files_after = server.process.open_files()?;
        // Everybody is still there, and is heard.
        fleet.messages(size, IN_FLIGHT, DEADLINE).await?;
        fleet.settle()?;

        let what = format!("reload, {count} changes with {size} sessions and {messages} messages");
        self.report.add(Row {
            what: format!("{what}: sessions lost"),
            // A session that ends ends the run.
            measured: "0".to_owned(),
            bound: "0".to_owned(),
            met: Some(true),
            ..Row::default()
        });
        let kib = (kib_after - kib_between) / as_f64(count - half);
        let first_kib = (kib_between - kib_before) / as_f64(half);
        let most = bounds::RELOAD_KIB;
        self.report.add(Row {
            what: "reload: what each change of the second half leaves behind".to_owned(),
            measured: format!("{kib:.2} KiB ({first_kib:.2} KiB in the first half)"),
            bound: format!("{most} KiB"),
            // Of few changes it says nothing.
            met: (count == CHANGES.0).then_some(kib <= most),
            ..Row::default()
        });
        self.report.add(Row {
            what: "reload: open files".to_owned(),
            measured: format!("{files_after} after, {files_before} before"),
            bound: "no more".to_owned(),
            met: Some(files_after <= files_before),
            ..Row::default()
        });
        let spread = |taken: &[f64]| {
            let longest = taken.iter().copied().fold(0.0, f64::max);
            format!("{:.0} ms, at most {longest:.0}", median(taken))
        };
        self.report.add(Row {
            what: "reload: in force after a signal; by itself".to_owned(),
            measured: format!("{}; {}", spread(&taken.told), spread(&taken.noticed)),
            ..Row::default()
        });
        cut(&server, fleet).await?;
        server.stop().await
    }

    /// Changes the store so many times, each as soon as the one before is in force, while everybody talks; how long
    /// each took, and how much was said.
    async fn changes(
        &self,
        server: &Server,
        fleet: &mut Fleet,
        store: &mut Store,
        count: usize,
    ) -> Result<(Taken, usize)> {
        let done = Cell::new(false);
        let talk = async {
            let mut messages = 0;
            while !done.get() {
                fleet.messages(MESSAGES, IN_FLIGHT, DEADLINE).await?;
                messages += MESSAGES;
            }
            anyhow::Ok(messages)
        };
        let change = async {
            let mut taken = Taken::default();
            for number in 1..=count {
                let is_told = number % UNTOLD != 0;
                let duration = self.change(server, store, is_told).await;
                let duration = duration.with_context(|| format!("change {number} of {count}"))?;
                let milliseconds = duration.as_secs_f64() * 1e3;
                if is_told {
                    taken.told.push(milliseconds);
                } else {
                    taken.noticed.push(milliseconds);
                }
            }
            done.set(true);
            anyhow::Ok(taken)
        };
        let (messages, taken) = tokio::try_join!(talk, change)?;
        Ok((taken, messages))
    }

    /// Until a newcomer is shown the new certificate.
    async fn change(&self, server: &Server, store: &mut Store, tell: bool) -> Result<Duration> {
        let tls = Handshake::FULL.client()?;
        let wanted = store.put()?;
        let begin = Instant::now();
        if tell {
            server.reload()?;
        }
        while visit::shown(server.address, &tls).await? != *wanted {
            if begin.elapsed() > IN_FORCE {
                bail!("the new certificate is not in force after {IN_FORCE:?}");
            }
            sleep(ASK_EVERY).await;
        }
        Ok(begin.elapsed())
    }
}
