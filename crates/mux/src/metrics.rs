//! What the front door counts.

use metrics::{Counter, counter, describe_counter};
use net::suites;
use net::tls::{Handshake, Reason};
use wire::CloseReason;
use wire::link::Transport;

/// Handles, so that counting costs no look-up; every label stands at zero from the start.
pub(crate) struct Metrics {
    accepted: Counter,
    accept_failed: Counter,
    established: [Counter; 3],
    closed: Vec<Counter>,
    /// In the order of [`suites::all`].
    handshakes: Vec<Counter>,
    handshake_failures: Vec<(Reason, Counter)>,
    handshake_timeouts: Counter,
}

/// The scope of every connection here, as it stands in metrics.
const SCOPE: &str = "mux";

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    pub(crate) fn register() -> Self {
        describe_counter!(
            "isochron_connections_accepted_total",
            "Connections accepted."
        );
        describe_counter!(
            "isochron_accept_failures_total",
            "Connections that could not be accepted."
        );
        describe_counter!(
            "isochron_connections_established_total",
            "Connections past detection and TLS, by transport."
        );
        describe_counter!(
            "isochron_connections_closed_total",
            "Connections ended, by reason."
        );
        describe_counter!(
            "isochron_tls_handshakes_total",
            "TLS handshakes completed, by scope, version and cipher suite."
        );
        describe_counter!(
            "isochron_tls_handshake_failures_total",
            "TLS handshakes that failed, by scope and reason."
        );
        let failures = |reason: &'static str| counter!("isochron_tls_handshake_failures_total", "scope" => SCOPE, "reason" => reason);
        let handshakes = |suite| counter!("isochron_tls_handshakes_total", "scope" => SCOPE, "version" => suites::version(suite), "suite" => suites::name(suite));
        let established = |transport: Transport| counter!("isochron_connections_established_total", "transport" => transport.label());
        Self {
            accepted: counter!("isochron_connections_accepted_total"),
            accept_failed: counter!("isochron_accept_failures_total"),
            established: [Transport::Clear, Transport::Tls12, Transport::Tls13].map(established),
            closed: CloseReason::ALL
                .iter()
                .map(|reason| counter!("isochron_connections_closed_total", "reason" => reason.label()))
                .collect(),
            handshakes: suites::all().map(handshakes).collect(),
            handshake_failures: Reason::all()
                .map(|reason| (reason, failures(reason.label())))
                .collect(),
            handshake_timeouts: failures("timeout"),
        }
    }

    pub(crate) fn accepted(&self) {
        self.accepted.increment(1);
    }

    pub(crate) fn accept_failed(&self) {
        self.accept_failed.increment(1);
    }

    pub(crate) fn established(&self, transport: Transport) {
        let [clear, tls12, tls13] = &self.established;
        match transport {
            Transport::Clear => clear,
            Transport::Tls12 => tls12,
            Transport::Tls13 => tls13,
        }
        .increment(1);
    }

    pub(crate) fn shook_hands(&self, handshake: &Handshake) {
        let mut known = suites::all().zip(&self.handshakes);
        if let Some((_, counter)) = known.find(|(suite, _)| *suite == handshake.suite) {
            counter.increment(1);
        }
    }

    pub(crate) fn handshake_failed(&self, reason: Reason) {
        let mut known = self.handshake_failures.iter();
        if let Some((_, counter)) = known.find(|(known, _)| *known == reason) {
            counter.increment(1);
        }
    }

    pub(crate) fn handshake_timed_out(&self) {
        self.handshake_timeouts.increment(1);
    }

    pub(crate) fn closed(&self, reason: CloseReason) {
        if let Some(counter) = self.closed.get(reason as usize) {
            counter.increment(1);
        }
    }
}
