//! The verification of what `run` reads.

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::proof::records::Reporter;
use crate::proof::watch::Watch;
use crate::sidecar::Sidecar;
use crate::telemetry::stalls::state_observer;

/// The watched directory, if it is to be verified.
///
/// # Errors
/// It, the public keys or the state cannot be used.
pub(super) fn of_directory(config: &Config, sidecar: &Sidecar) -> anyhow::Result<Option<Watch>> {
    let (Some(settings), Some(directory)) = (&config.verification, &config.directory) else {
        return Ok(None);
    };
    let observer = state_observer(sidecar.metrics.clone());
    let state = (&*config.state, observer);
    let limit = config.limits.inflated_bytes;
    let watch = Watch::open(
        settings,
        &directory.root,
        state,
        limit,
        reporter(config, sidecar),
    );
    watch.map(Some).context("cannot verify")
}

/// Verifies what was read once. What it finds decides about the exit code.
pub(super) async fn once(watch: Watch, sidecar: &Sidecar, stop: CancellationToken) {
    if watch.once(stop).await.is_none() {
        sidecar.metrics.undelivered.add(1);
    }
}

/// What queues announce, if that is to be verified. Call it in a runtime.
///
/// # Errors
/// The public keys cannot be used.
#[cfg(feature = "aws")]
pub(super) fn of_queues(
    config: &Config,
    sidecar: &Sidecar,
    aws: &crate::aws::Aws,
) -> anyhow::Result<Option<crate::proof::announced::Announced>> {
    use crate::proof::announced::{Announced, Limits};
    let Some(settings) = config.verification.clone() else {
        return Ok(None);
    };
    let limits = Limits {
        object_bytes: config.objects.object_bytes,
        inflated_bytes: config.limits.inflated_bytes,
    };
    let (reporter, abort) = (reporter(config, sidecar), sidecar.abort.clone());
    let verifier = Announced::open(settings, aws.clone(), limits, reporter, abort);
    verifier.map(Some).map_err(anyhow::Error::msg)
}

fn reporter(config: &Config, sidecar: &Sidecar) -> Reporter {
    let (exporter, metrics) = (sidecar.exporter.clone(), sidecar.metrics.clone());
    Reporter::new(exporter, &config.convert, metrics)
}
