//! qtrail's own logs, metrics and health.
//!
//! Enters: [`Settings`], then the metrics, and the causes that stop events from moving. Leaves: log lines on
//! standard error, the text of `/metrics`, and OTLP where an endpoint is set. What must hold: qtrail's own
//! telemetry never mixes with the events, and never delays them.

pub mod agents;
pub mod histogram;
pub mod integrity;
pub mod labelled;
pub mod log_throttle;
pub mod logging;
pub mod metrics;
mod otlp;
pub(crate) mod printable;
mod process;
mod prometheus;
pub mod stalls;
mod with_labels;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tracing_subscriber::layer::SubscriberExt;

use self::metrics::Metrics;
use crate::runtime::endpoint::Endpoint;

/// Settings of qtrail's own telemetry.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `tracing` filter for standard error, such as `info` or `qtrail::export=debug`.
    pub log_filter: String,
    /// Whether log lines are JSON.
    pub log_json: bool,
    /// Where the live page, `/metrics`, `/livez` and `/readyz` are served. Default `127.0.0.1:9465`; `None` disables it.
    pub http: Option<SocketAddr>,
    /// Files of tokens for the live page, one a line. Without files, it is shown on a loopback address alone.
    pub token_files: Vec<PathBuf>,
    /// A collector for qtrail's own metrics, traces and logs. Never inherited from the events' endpoint.
    pub endpoint: Option<Endpoint>,
}

/// Keeps qtrail's own OTLP export running, if it is enabled.
pub struct Guard(Option<otlp::Providers>);

/// Starts logging, and qtrail's own OTLP export if an endpoint is set. Must be called once, within a tokio runtime.
///
/// # Errors
/// An invalid filter or endpoint; a second call.
pub fn init(settings: &Settings) -> anyhow::Result<Guard> {
    let providers = match &settings.endpoint {
        Some(endpoint) => Some(otlp::Providers::new(endpoint)?),
        None => None,
    };
    let subscriber = tracing_subscriber::registry()
        .with(logging::layer(settings)?)
        .with(providers.as_ref().map(otlp::Providers::layer));
    tracing::subscriber::set_global_default(subscriber)?;
    if let Some(providers) = &providers {
        providers.set_global();
    }
    Ok(Guard(providers))
}

impl Guard {
    /// Sends the last telemetry, within 5 s.
    pub async fn shutdown(self) {
        if let Some(providers) = self.0 {
            providers.shutdown().await;
        }
    }
}

/// Exports the metrics over OTLP, if [`init`] enabled that.
pub(crate) fn export(metrics: &Arc<Metrics>) {
    otlp::observe(&opentelemetry::global::meter("qtrail"), metrics);
}

/// The text of `/metrics`, and its content type.
pub(crate) fn prometheus_text(metrics: &Metrics) -> (&'static str, String) {
    (prometheus::CONTENT_TYPE, prometheus::render(metrics))
}
