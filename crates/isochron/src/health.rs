//! `/healthz`, `/readyz` and `/metrics` on a loopback port. It only reads.

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use config::{Health, Origin};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Whether the server takes logins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Not listening yet.
    Starting,
    /// Serving.
    Ready,
    /// Told to stop.
    Stopping,
}

/// Starts counting; call it once, before anything is counted.
///
/// # Errors
/// When something else counts already.
pub(crate) fn metrics() -> anyhow::Result<PrometheusHandle> {
    Ok(PrometheusBuilder::new().install_recorder()?)
}

#[derive(Clone)]
struct Shared {
    metrics: PrometheusHandle,
    readiness: watch::Receiver<Readiness>,
}

/// Listens on the health port; `None` if it is off, or is only a default that another program has.
///
/// # Errors
/// When a port that the configuration names cannot be had.
pub(crate) async fn listen(health: &Health) -> anyhow::Result<Option<TcpListener>> {
    let port = health.port.value;
    if port == 0 {
        return Ok(None);
    }
    match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if matches!(health.port.origin, Origin::Default) => {
            tracing::warn!(port, %error, "no health listener: its default port cannot be had; \
                HEALTH_PORT in [Isochron] of sametime.ini names another, 0 turns it off");
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| {
            format!(
                "cannot listen on health port {port}; change HEALTH_PORT ({})",
                health.port.origin
            )
        }),
    }
}

/// Answers until the process ends.
pub(crate) async fn serve(
    listener: TcpListener,
    metrics: PrometheusHandle,
    readiness: watch::Receiver<Readiness>,
) {
    let routes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(Shared { metrics, readiness });
    if let Err(error) = axum::serve(listener, routes).await {
        tracing::error!(%error, "the health listener ended");
    }
}

async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    let readiness = *shared.readiness.borrow();
    match readiness {
        Readiness::Ready => (StatusCode::OK, "ready\n"),
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Readiness::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
    }
}

async fn render(State(shared): State<Shared>) -> impl IntoResponse {
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        shared.metrics.render(),
    )
}
