//! The findings of a command, at the collector.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::cli::OutputClosed;
use crate::config::Config;
use crate::export::End;
use crate::proof::records::Reporter;
use crate::proof::verified::Verified;
use crate::sidecar::Sidecar;
use crate::telemetry::metrics::Metrics;

/// Delivers what a verification found, until `stop`. `false`: not everything was accepted, which was logged.
///
/// # Errors
/// The exporter cannot start.
pub(in crate::cli) async fn deliver(
    verified: &Verified,
    config: &Config,
    stop: &CancellationToken,
) -> anyhow::Result<bool> {
    let metrics = Arc::new(Metrics::default());
    let sidecar = Sidecar::start(config, Arc::clone(&metrics), false)?;
    let reporter = Reporter::new(sidecar.exporter.clone(), &config.convert, metrics);
    let work = reporter.deliver(verified);
    let drained = sidecar.drain(work, stop, config.shutdown).await;
    match drained.end {
        Some(End::Unread) => return Err(OutputClosed.into()),
        Some(End::Failed(reason)) => {
            tracing::error!("the findings were not delivered: {reason}");
            return Ok(false);
        }
        None => {}
    }
    Ok(drained.output == Some(true))
}
