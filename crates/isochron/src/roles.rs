//! The wiring: every room built once and handed to those that need it, from start to an orderly stop.

use crate::health::{self, Readiness};
use crate::inputs::Inputs;
use crate::reload::{self, Reload, Started};
use crate::secure::secure;
use crate::{control, demo};
use anyhow::{Context, anyhow};
use community::{Community, Options};
use config::{Accepts, Config, Listen, Origin, Pii, Sources, WeakestAuth};
use identity::Directory;
use metrics_exporter_prometheus::PrometheusHandle;
use mux::{Mux, Phase};
use net::accept::Rules;
use rustls::ServerConfig;
use std::future::Future;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use wire::server::AuthType;

/// What a start needs to know beside the settings.
pub(crate) struct Start<'a> {
    /// The data folder; the caller holds its lock.
    pub(crate) data: &'a Path,
    /// Demo people are added, and a text tells how to connect.
    pub(crate) demo: bool,
    /// Where the settings come from, for a reload.
    pub(crate) inputs: Inputs,
    /// What they said at the start.
    pub(crate) sources: Sources,
}

/// Runs all roles in this process until it is told to stop.
///
/// # Errors
/// Whatever keeps the server from starting, with the setting that mends it.
pub(crate) async fn run(
    config: &Config,
    start: Start<'_>,
    metrics: PrometheusHandle,
) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    // From the first moment: before, the signal would end the process.
    let hangup = reload::hangup()?;

    let pii = Pii::new(config.log.personal_data.value);
    let host = host_name();
    let store = Store::open(start.data)?;
    let directory = Directory::open(store.clone()).await?;
    let options = Options {
        community_id: config.community.id.as_ref().map(|id| id.value.clone()),
        server_id: host.clone(),
        weakest_auth: auth_type(config.community.weakest_auth.value),
        single_login: config.community.single_login.value,
        login_deadline: config.community.login_timeout.value,
        pii,
    };
    let community = Community::new(options, directory.clone(), store.clone());

    // Everything that can fail is tried before the first client is served, and stores before a port is taken: a
    // start that is refused must not look to clients as if a server were there.
    let watch = reload::watch(&start.inputs, &start.sources, config, start.data);
    let secured = secure(config, start.data, &host, SystemTime::now())?;
    for note in &secured.notes {
        tracing::warn!("{note}");
    }
    reload::say_shown(&secured);
    let listeners = listen(config)?;
    let health_listener = health::listen(&config.health).await?;
    let control = control::listen(start.data)?;
    let demo_password = match start.demo {
        true => Some(demo::people(start.data, &directory).await?),
        false => None,
    };

    let (phase, told) = watch::channel(Phase::Serving);
    let (readiness, is_ready) = watch::channel(Readiness::Starting);
    let mux = Mux::new(config.mux.capacity.value, pii);
    let mut doors = JoinSet::new();
    let mut rule_senders = Vec::new();
    for (listener, listen) in listeners {
        let (sender, rules) = watch::channel(Arc::new(rules(
            config,
            listen.accepts,
            secured.mux.as_ref(),
        )));
        rule_senders.push(sender);
        let community = community.clone();
        let serve = move |stream, opened| community.serve(stream, opened);
        doors.spawn(Arc::clone(&mux).listen(listener, rules, told.clone(), serve));
        tracing::info!(port = listen.port, accepts = %listen.accepts, from = %listen.origin, "listening");
    }
    let mut helpers = JoinSet::new();
    if let Some(listener) = health_listener {
        helpers.spawn(health::serve(listener, metrics.clone(), is_ready));
    }
    helpers.spawn(control::serve(control, directory, community.clone()));
    helpers.spawn(upkeep(metrics));

    let fingerprint = secured.shown.first().map(|shown| shown.fingerprint.clone());
    let started = Started {
        sources: start.sources,
        listeners: config.mux.listeners.clone(),
    };
    let reload = Reload::new(
        start.inputs,
        start.data.to_owned(),
        host,
        started,
        watch,
        secured,
        rule_senders,
    );
    helpers.spawn(reload.run(hangup));

    readiness.send_replace(Readiness::Ready);
    if let Some(password) = demo_password {
        demo::tell(config, fingerprint.as_deref(), &password)?;
    }
    say_ready()?;

    tracing::info!("{}: stopping", signals.next().await);
    readiness.send_replace(Readiness::Stopping);
    phase.send_replace(Phase::Stopping);
    community.stop();
    drain(config, &mut doors, &phase, &mut signals).await;
    helpers.shutdown().await;
    drop(community);
    store
        .close()
        .await
        .context("the store could not be closed in order")?;
    tracing::info!("stopped");
    Ok(())
}

/// What tells the server to stop. Once listened for, neither of them ends the process any more by itself.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next one's name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "interrupted",
        }
    }
}

/// Waits for the sessions to end, at most for the drain time or until a second signal comes. All have ended when
/// this returns, so that nothing uses the store any more.
async fn drain(
    config: &Config,
    doors: &mut JoinSet<()>,
    phase: &watch::Sender<Phase>,
    signals: &mut Signals,
) {
    let all = async { while doors.join_next().await.is_some() {} };
    let why = tokio::select! {
        biased;
        () = all => return,
        () = sleep(config.drain.value) => "did not end within the drain time",
        _ = signals.next() => "are not waited for after a second signal",
    };
    tracing::warn!("some connections {why} and are cut off");
    phase.send_replace(Phase::CutOff);
    while doors.join_next().await.is_some() {}
}

/// The exporter's own housekeeping, which it asks for when nobody scrapes it.
fn upkeep(metrics: PrometheusHandle) -> impl Future<Output = ()> {
    const EVERY: std::time::Duration = std::time::Duration::from_secs(30);
    async move {
        let mut interval = tokio::time::interval(EVERY);
        loop {
            interval.tick().await;
            metrics.run_upkeep();
        }
    }
}

/// Scripts wait for this line.
fn say_ready() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()
}

fn listen(config: &Config) -> anyhow::Result<Vec<(TcpListener, &Listen)>> {
    let address = config.mux.bind_address.value;
    let mut listeners = Vec::new();
    for listen in &config.mux.listeners {
        let listener = net::listen::listen(address, listen.port).map_err(|error| {
            let Listen {
                port,
                setting,
                origin,
                ..
            } = listen;
            let why = match error.kind() {
                io::ErrorKind::AddrInUse => "another program has it".to_owned(),
                io::ErrorKind::PermissionDenied => "the system does not permit it".to_owned(),
                _ => error.to_string(),
            };
            let origin = match origin {
                Origin::Default => "its default; set it in [Debug] of sametime.ini".to_owned(),
                other => other.to_string(),
            };
            anyhow!("cannot listen on port {port}: {why}; change {setting} ({origin})")
        })?;
        listeners.push((listener, listen));
    }
    Ok(listeners)
}

/// What a listener goes by, with the TLS rules that are in force at its start.
fn rules(config: &Config, accepts: Accepts, tls: Option<&Arc<ServerConfig>>) -> Rules {
    Rules {
        legacy: accepts != Accepts::Tls,
        tls: tls.filter(|_| accepts != Accepts::Legacy).cloned(),
        renew_keys_after: net::tls::renew_keys_after(&config.tls.mux),
        detect_deadline: config.mux.detect_timeout.value,
        tls_deadline: config.mux.tls_timeout.value,
    }
}

fn auth_type(weakest: WeakestAuth) -> AuthType {
    match weakest {
        WeakestAuth::Plain => AuthType::Plain,
        WeakestAuth::Rc2_40 => AuthType::Rc2_40,
        WeakestAuth::Rc2_128 => AuthType::Rc2_128,
    }
}

/// The machine's name: the server's id, and a name in its self-signed certificate.
pub(crate) fn host_name() -> String {
    match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(name) if !name.trim().is_empty() => name.trim().to_owned(),
        _ => "localhost".to_owned(),
    }
}
