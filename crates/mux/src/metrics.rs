//! What the front door counts.

use metrics::{Counter, counter, describe_counter};
use wire::CloseReason;
use wire::link::Transport;

/// Handles, so that counting costs no look-up; every label stands at zero from the start.
pub(crate) struct Metrics {
    accepted: Counter,
    accept_failed: Counter,
    established: [Counter; 3],
    closed: Vec<Counter>,
}

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
        let established = |transport: Transport| counter!("isochron_connections_established_total", "transport" => transport.label());
        Self {
            accepted: counter!("isochron_connections_accepted_total"),
            accept_failed: counter!("isochron_accept_failures_total"),
            established: [Transport::Clear, Transport::Tls12, Transport::Tls13].map(established),
            closed: CloseReason::ALL
                .iter()
                .map(|reason| counter!("isochron_connections_closed_total", "reason" => reason.label()))
                .collect(),
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

    pub(crate) fn closed(&self, reason: CloseReason) {
        if let Some(counter) = self.closed.get(reason as usize) {
            counter.increment(1);
        }
    }
}
