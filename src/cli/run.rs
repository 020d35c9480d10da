//! `qtrail run`: the sidecar.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Exit;
use super::args::RunArgs;
use crate::config::Config;
use crate::input::ingest::{self, Ingest};
use crate::input::listen::Listener;
use crate::input::listen::auth::Auth;
use crate::input::{directory, grpc, http};
use crate::pipeline::window::Window;
use crate::shutdown;
use crate::sidecar::Sidecar;
use crate::telemetry;
use crate::telemetry::metrics::Metrics;

/// Runs until a signal comes, or with `--once` until all has settled.
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

/// Runs the sidecar with its inputs until `stop`, or until all has settled where the directory is
/// to be read once.
///
/// # Errors
/// What keeps it from starting, or the directory input from going on.
pub async fn watch(
    config: Config,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut sidecar = Sidecar::start(&config, Arc::clone(&metrics), true)?;
    let mut duplicates = None;
    if let Some(settings) = config.duplicates {
        let (window, writer) = Window::open(settings, Arc::clone(&metrics))?;
        sidecar.pipeline = sidecar.pipeline.with_window(window);
        duplicates = Some(writer);
    }
    let senders = Senders::listen(&config.ingest, &sidecar, &stop).await?;
    let (running, runs) = tokio::sync::watch::channel(true);
    let server = telemetry::serve(
        &config.telemetry,
        Arc::clone(&metrics),
        sidecar.exporter.health(),
        runs,
    )
    .await?;
    let directory = async {
        match config.directory {
            Some(settings) => {
                let pipeline = sidecar.pipeline.clone();
                let result = directory::run(settings, pipeline, metrics, stop.clone()).await;
                // An input that cannot go on takes the others with it, for the service manager to see.
                stop.cancel();
                result
            }
            None => Ok(()),
        }
    };
    let work = async { tokio::join!(directory, senders.serve(stop.clone())).0 };
    let drained = shutdown::drain(work, &stop, &sidecar.abort, config.shutdown).await;
    if let Some(writer) = duplicates {
        writer.close().await;
    }
    match drained {
        Some(result) => result?,
        None => tracing::warn!("the inputs did not stop in time"),
    }
    drop(running);
    if let Some(server) = server {
        server.shutdown().await;
    }
    Ok(())
}

/// The listeners, and what they hand requests to.
struct Senders {
    ingest: Ingest,
    listeners: Vec<(Listener, axum::Router)>,
}

impl Senders {
    /// Binds the configured addresses.
    async fn listen(
        settings: &ingest::Settings,
        sidecar: &Sidecar,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let ingest = Ingest::new(
            sidecar.pipeline.clone(),
            sidecar.exporter.health(),
            settings.limits.clone(),
            Arc::clone(&sidecar.metrics),
            stop.clone(),
        );
        let auth = Auth::open(&settings.token_files)?;
        let mut listeners = Vec::new();
        for (key, listen, router) in [
            (
                "ingest.grpc.listen",
                &settings.grpc,
                grpc::router(&ingest, &auth),
            ),
            (
                "ingest.http.listen",
                &settings.http,
                http::router(&ingest, &auth),
            ),
        ] {
            if let Some(listen) = listen {
                let metrics = Arc::clone(&sidecar.metrics);
                let listener = Listener::bind(key, listen, settings, metrics).await?;
                listeners.push((listener, router));
            }
        }
        Ok(Senders { ingest, listeners })
    }

    /// Serves until `stop`, then until all that was taken has settled.
    async fn serve(self, stop: CancellationToken) {
        let mut serving = tokio::task::JoinSet::new();
        for (listener, router) in self.listeners {
            serving.spawn(listener.serve(router, stop.clone()));
        }
        serving.join_all().await;
        self.ingest.settled().await;
    }
}
