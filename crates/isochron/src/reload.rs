//! Live reload: a changed store, certificate, password or settings file is taken into use for new connections, as
//! a whole or not at all. Sessions that are open keep what they began with.

mod expiry;
mod watch;

use self::expiry::Expiry;
pub(crate) use self::watch::Watch;
use crate::inputs::Inputs;
use crate::secure::{self, Certificate, Secured, secure_anew};
use anyhow::Context;
use config::{Config, Fault, Faults, IniFile, Listen, Origin, Sources};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use net::accept::Rules;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::Signal;
use tokio::sync::watch as channel;
use tokio::time::{MissedTickBehavior, interval};

/// How often the files are looked at. A change is taken after two looks that agree.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long after a refusal the same files are tried again: a certificate may only have been too young.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Why files are read that did not change.
const TRIED_AGAIN: &str = "tried again";
/// How often the days to expiry are counted.
const EXPIRY_EVERY: Duration = Duration::from_secs(60 * 60);

/// The rules of a listener: new connections go by what was sent last.
pub(crate) type Door = channel::Sender<Arc<Rules>>;

/// Everything that a reload needs to know.
pub(crate) struct Reload {
    inputs: Inputs,
    data: PathBuf,
    host: String,
    started: Started,
    doors: Vec<Door>,
    certificates: Vec<Certificate>,
    watch: Watch,
    refused: Option<Refused>,
    expiry: Expiry,
}

/// A reload that failed.
struct Refused {
    faults: Faults,
    at: Instant,
}

impl Refused {
    fn is_due(&self) -> bool {
        self.at.elapsed() >= TRY_AGAIN_AFTER
    }
}

/// What the server was started with. Settings that need a restart are compared with it.
pub(crate) struct Started {
    pub(crate) sources: Sources,
    /// The ports that are open, whatever the settings say by now.
    pub(crate) listeners: Vec<Listen>,
}

impl Reload {
    /// From what the server started with; `watch` is from before the stores were read.
    pub(crate) fn new(
        mut inputs: Inputs,
        data: PathBuf,
        host: String,
        started: Started,
        mut watch: Watch,
        secured: Secured,
        doors: Vec<Door>,
    ) -> Self {
        if secured.has_written {
            watch.read_now();
        }
        describe_counter!(
            "isochron_reloads_total",
            "Reloads of settings and certificates, by outcome."
        );
        describe_gauge!(
            "isochron_reload_refused",
            "1 while the files on disk are refused and an earlier state is in force."
        );
        for outcome in ["taken", "refused"] {
            counter!("isochron_reloads_total", "outcome" => outcome).absolute(0);
        }
        gauge!("isochron_reload_refused").set(0.0);
        inputs.insist_on(&started.sources);
        Self {
            inputs,
            data,
            host,
            started,
            doors,
            certificates: secured.certificates,
            watch,
            refused: None,
            expiry: Expiry::new(),
        }
    }

    /// Reloads on a change and on a signal, tries once more what was refused, and counts the days, until the server stops.
    pub(crate) async fn run(mut self, mut hangup: Signal) {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = interval(EXPIRY_EVERY);
        loop {
            let why = tokio::select! {
                _ = hangup.recv() => Some("SIGHUP"),
                _ = look.tick() => None,
                _ = count.tick() => {
                    self.expiry.look(&self.certificates, SystemTime::now());
                    continue;
                }
            };
            // Files may lie on a disk that takes its time, and opening a store costs up to a second.
            let turn = tokio::task::spawn_blocking(move || {
                self.turn(why);
                self
            });
            self = match turn.await {
                Ok(reload) => reload,
                Err(error) => {
                    tracing::error!(%error, "reloading ended; changed files are no longer noticed until a restart");
                    return;
                }
            };
        }
    }

    fn turn(&mut self, signal: Option<&'static str>) {
        let why = match signal {
            Some(signal) => {
                self.watch.read_now();
                signal
            }
            None if self.watch.changed() => "a file changed",
            None if self.refused.as_ref().is_some_and(Refused::is_due) => TRIED_AGAIN,
            None => return,
        };
        let outcome = match self.take() {
            Ok(()) => {
                tracing::info!(why, "reloaded");
                self.refused = None;
                "taken"
            }
            Err(faults) => {
                let said = self.refused.as_ref().map(|refused| &refused.faults);
                // The same is not said each time that it is tried again.
                if why != TRIED_AGAIN || said != Some(&faults) {
                    tracing::error!(
                        why,
                        "reload refused, what was in force stays in force: {faults}"
                    );
                }
                self.refused = Some(Refused {
                    faults,
                    at: Instant::now(),
                });
                "refused"
            }
        };
        counter!("isochron_reloads_total", "outcome" => outcome).increment(1);
        gauge!("isochron_reload_refused").set(f64::from(u8::from(self.refused.is_some())));
    }

    /// Loads everything anew and puts it in force, or changes nothing.
    fn take(&mut self) -> Result<(), Faults> {
        let sources = self.inputs.read()?;
        refuse_emptied(&self.started.sources, &sources)?;
        let now = SystemTime::now();
        let (mut config, notes) = secure::settings(&sources, now)?;
        config.mux.listeners.clone_from(&self.started.listeners);
        // Before the stores are read, and whether they are good or not: mending them is a change as well.
        self.watch
            .follow(watched(&self.inputs, &sources, &config, &self.data));
        let secured = secure_anew(&config, &self.data, &self.host, now, &self.certificates)?;
        if secured.has_written {
            self.watch.read_now();
        }
        for note in notes.iter().chain(&secured.notes) {
            tracing::warn!("{note}");
        }
        let waiting = config::changed_but_not_reloadable(&self.started.sources, &sources);
        if !waiting.is_empty() {
            let waiting = waiting.join(", ");
            tracing::warn!("changed, but in force only after a restart: {waiting}");
        }
        for door in &self.doors {
            door.send_modify(|rules| {
                if rules.tls.is_some() {
                    *rules = Arc::new(Rules {
                        tls: secured.mux.clone(),
                        renew_keys_after: net::tls::renew_keys_after(&config.tls.mux),
                        ..Rules::clone(rules)
                    });
                }
            });
        }
        say_shown(&secured);
        self.expiry.look(&secured.certificates, now);
        self.certificates = secured.certificates;
        Ok(())
    }
}

/// A file that had settings and has none is being written, or was lost: neither means the defaults.
fn refuse_emptied(started: &Sources, now: &Sources) -> Result<(), Faults> {
    let is_blank = |ini: &IniFile| ini.bytes.trim_ascii().is_empty();
    match (&started.ini, &now.ini) {
        (Some(before), Some(now)) if is_blank(now) && !is_blank(before) => {
            let origin = Origin::File {
                path: now.path.clone(),
                line: 0,
            };
            let expected = "the settings back; or a restart, if the defaults are meant";
            let fault = Fault::new("this file", origin, "is empty now", expected);
            Err(Faults::from(vec![fault]))
        }
        _ => Ok(()),
    }
}

/// Begins to watch the files of a start. To be called before the stores are read: what changes while they are is
/// then noticed, and not missed.
pub(crate) fn watch(inputs: &Inputs, sources: &Sources, config: &Config, data: &Path) -> Watch {
    Watch::new(watched(inputs, sources, config, data))
}

fn watched(inputs: &Inputs, sources: &Sources, config: &Config, data: &Path) -> Vec<PathBuf> {
    let mut files = inputs.files(sources);
    files.extend(secure::files(config, data));
    files
}

/// Logs what clients are shown.
pub(crate) fn say_shown(secured: &Secured) {
    for shown in &secured.shown {
        tracing::info!(
            subject = shown.subject,
            sha256 = shown.fingerprint,
            from = shown.from,
            "clients on TLS are shown this certificate"
        );
    }
}

/// Listens for SIGHUP, which from then on no longer ends the process.
pub(crate) fn hangup() -> anyhow::Result<Signal> {
    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())
        .context("cannot listen for SIGHUP")
}
