//! `qtrail run`: the sidecar.

use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::Exit;
use super::args::RunArgs;
use crate::config::Config;
use crate::input::directory;
use crate::shutdown;
use crate::sidecar::Sidecar;
use crate::telemetry;
use crate::telemetry::metrics::Metrics;

/// Watches the directory until a signal comes, or with `--once` until all has settled.
pub async fn run(args: RunArgs, mut config: Config) -> anyhow::Result<Exit> {
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone())?;
    if let Some(directory) = &mut config.directory {
        directory.once |= args.once;
    }
    let metrics = Arc::new(Metrics::default());
    watch(config, Arc::clone(&metrics), stop).await?;
    tracing::info!(
        read = metrics.read.get(),
        exported = metrics.exported.get(),
        filtered = metrics.filtered.get(),
        duplicate = metrics.duplicate.get(),
        dead_lettered = metrics.dead_lettered.get(),
        in_flight = metrics.in_flight.get(),
        "stopped"
    );
    Ok(match args.once && metrics.dead_lettered.get() > 0 {
        true => Exit::DeadLetters,
        false => Exit::Done,
    })
}

/// Runs the sidecar on the configured directory until `stop`, or until all has settled where the
/// directory is to be read once.
///
/// # Errors
/// What keeps it from starting, or the directory input from going on.
pub async fn watch(
    config: Config,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let settings = config
        .directory
        .clone()
        .context("no directory to watch: name one (qtrail run DIR), or set directory.path")?;
    let sidecar = Sidecar::start(&config, Arc::clone(&metrics), true)?;
    let (running, runs) = tokio::sync::watch::channel(true);
    let server = telemetry::serve(
        &config.telemetry,
        Arc::clone(&metrics),
        sidecar.exporter.health(),
        runs,
    )
    .await?;
    let work = directory::run(
        settings,
        sidecar.pipeline.clone(),
        Arc::clone(&metrics),
        stop.clone(),
    );
    match shutdown::drain(work, &stop, &sidecar.abort, config.shutdown).await {
        Some(result) => result?,
        None => tracing::warn!("the directory input did not stop in time"),
    }
    drop(running);
    if let Some(server) = server {
        server.shutdown().await;
    }
    Ok(())
}
