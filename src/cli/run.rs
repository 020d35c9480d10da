//! `qtrail run`: the sidecar.

mod started;
mod verification;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use super::args::RunArgs;
use super::{Exit, OutputClosed, summary};
use crate::config::Config;
use crate::export::End;
use crate::input::directory;
use crate::input::ingest::listen::auth::Auth;
use crate::input::ingest::listen::{Listener, TOKEN_FILES};
use crate::input::ingest::{self, Ingest};
use crate::input::ingest::{grpc, http};
use crate::pipeline::assembly::Assembly;
use crate::runtime::shutdown::First;
use crate::sidecar::{Sidecar, activity};
use crate::telemetry::metrics::Metrics;

/// Runs until a signal, or with `--once` until everything has settled.
pub async fn run(args: RunArgs, mut config: Config, signal: First) -> anyhow::Result<Exit> {
    let stop = CancellationToken::new();
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    signal.stop(stop.clone(), move |signal| {
        flag.store(true, Ordering::Relaxed);
        tracing::info!(
            signal,
            "stopping: delivering what has been read; a second signal exits at once"
        );
    });
    if let Some(directory) = &mut config.directory {
        directory.once |= args.once;
    }
    if let Some(s3) = &mut config.s3 {
        s3.once |= args.once;
    }
    if let Some(history) = &mut config.event_history {
        history.once |= args.once;
    }
    started::log(&config);
    let letters = config.dead_letters.path.clone();
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
    if let Some(hint) = summary::replay_hint(metrics.dead_lettered.get(), Some(&letters)) {
        tracing::warn!("{hint}");
    }
    if args.once && interrupted.load(Ordering::Relaxed) {
        tracing::error!(
            "interrupted before everything was delivered: the next run delivers the rest"
        );
    }
    Ok(match args.once {
        true => {
            let failed = metrics.undelivered.get() + metrics.integrity.failures.get() > 0;
            Exit::of(failed, metrics.dead_lettered.get())
        }
        false => Exit::Done,
    })
}

/// Runs the sidecar with its inputs until `stop`, or until everything has settled if the inputs are read once.
///
/// # Errors
/// It cannot start, or an input fails.
pub async fn watch(
    config: Config,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut sidecar = Sidecar::start(&config, Arc::clone(&metrics), true)?;
    let duplicates = sidecar.drop_duplicates(&config)?;
    sidecar.follow_people(&config, stop.clone())?;
    sidecar.learn_names(&config, stop.clone()).await;
    if config.telemetry.http.is_some() {
        sidecar.keep_recent_events();
    }
    let senders = Senders::listen(&config.ingest, &sidecar, &stop).await?;
    if let Some(directory) = &config.directory {
        // Before the server starts, so that the first scrape has it; later the input updates it.
        directory::announce(directory, &metrics);
    }
    let server = sidecar.serve(&config, stop.clone()).await?;
    let failed = CancellationToken::new();
    let work = async {
        let inputs = read(&config, &sidecar, &stop, &failed);
        tokio::join!(inputs, senders.serve(stop.clone())).0
    };
    let told = tokio::spawn(activity::log(Arc::clone(&metrics)));
    let drained = sidecar.drain(work, &stop, config.shutdown).await;
    told.abort();
    if let Some(writer) = duplicates {
        writer.close().await;
    }
    match drained.end {
        Some(End::Unread) => return Err(OutputClosed.into()),
        Some(End::Failed(reason)) => anyhow::bail!(reason),
        None => {}
    }
    match drained.output {
        Some(result) => result?,
        None if failed.is_cancelled() => {
            anyhow::bail!("an input failed (see the log), and the others did not stop in time")
        }
        None => {
            metrics.undelivered.add(1);
            tracing::warn!("the inputs did not stop in time");
        }
    }
    if let Some(server) = server {
        server.shutdown().await;
    }
    Ok(())
}

/// Reads the pull inputs until `stop`, or to their end if they are read once. Cancels `failed` when one
/// fails.
async fn read(
    config: &Config,
    sidecar: &Sidecar,
    stop: &CancellationToken,
    failed: &CancellationToken,
) -> anyhow::Result<()> {
    // A failed input stops the others, so that the service manager notices.
    let guarded = |result: anyhow::Result<()>| {
        result.inspect_err(|error| {
            tracing::error!("an input failed: {error:#}");
            failed.cancel();
            stop.cancel();
        })
    };
    let directory = async {
        let Some(settings) = config.directory.clone() else {
            return Ok(());
        };
        guarded(read_directory(settings, config, sidecar, stop).await)
    };
    let amazon = async { guarded(amazon(config, sidecar, stop).await) };
    let (directory, amazon) = tokio::join!(directory, amazon);
    if config.directory.is_some() || config.s3.is_some() || config.event_history.is_some() {
        stop.cancel();
    }
    directory.and(amazon)
}

/// Reads the directory, and verifies it where that is configured.
async fn read_directory(
    settings: directory::Settings,
    config: &Config,
    sidecar: &Sidecar,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let once = settings.once;
    let watch = verification::of_directory(config, sidecar)?;
    match watch {
        Some(watch) if once => {
            read_files(settings, config, sidecar, stop).await?;
            if !stop.is_cancelled() {
                verification::once(watch, sidecar, stop.clone()).await;
            }
            Ok(())
        }
        Some(watch) => {
            let ended = stop.child_token();
            let read = async {
                let read = read_files(settings, config, sidecar, stop).await;
                ended.cancel();
                read
            };
            tokio::join!(read, watch.run(ended.clone())).0
        }
        None => read_files(settings, config, sidecar, stop).await,
    }
}

/// Reads the directory, with assembled conversations where that is configured.
async fn read_files(
    settings: directory::Settings,
    config: &Config,
    sidecar: &Sidecar,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let (pipeline, metrics) = (sidecar.pipeline.clone(), Arc::clone(&sidecar.metrics));
    let Some(assembly) = config.assembly.clone() else {
        return Ok(directory::run(settings, pipeline, metrics, stop.clone()).await?);
    };
    let once = settings.once;
    let (assembly, keeper) = Assembly::open(assembly, &config.state, pipeline, stop.clone())?;
    let read = directory::run(settings, assembly.clone(), metrics, stop.clone()).await;
    if once && !stop.is_cancelled() && !assembly.finish().await {
        sidecar.metrics.undelivered.add(1);
    }
    keeper.abort();
    Ok(read?)
}

/// The inputs from AWS.
#[cfg(feature = "aws")]
async fn amazon(
    config: &Config,
    sidecar: &Sidecar,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    use crate::aws::Aws;
    use crate::input::{event_history, s3};
    if config.s3.is_none() && config.event_history.is_none() {
        return Ok(());
    }
    let aws = Aws::load(&config.aws).await;
    let objects = async {
        match config.s3.clone() {
            Some(settings) => {
                let verifier = verification::of_queues(config, sidecar, &aws)?;
                let downstream = sidecar.downstream();
                Ok(s3::run(settings, &aws, downstream, verifier, stop.clone()).await?)
            }
            None => Ok(()),
        }
        .inspect_err(|_: &anyhow::Error| stop.cancel())
    };
    let history = async {
        match config.event_history.clone() {
            Some(settings) => {
                event_history::run(settings, &aws, sidecar.downstream(), stop.clone()).await
            }
            None => Ok(()),
        }
        .inspect_err(|_| stop.cancel())
    };
    let (objects, history) = tokio::join!(objects, history);
    objects?;
    Ok(history?)
}

/// Without the feature, the configuration has rejected them.
#[cfg(not(feature = "aws"))]
async fn amazon(_: &Config, _: &Sidecar, _: &CancellationToken) -> anyhow::Result<()> {
    Ok(())
}

/// The listeners, and the handler of their requests.
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
        let auth = Auth::open(TOKEN_FILES, &settings.token_files)?;
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

    /// Serves until `stop`, then waits until all accepted requests have settled.
    async fn serve(self, stop: CancellationToken) {
        let mut serving = tokio::task::JoinSet::new();
        for (listener, router) in self.listeners {
            serving.spawn(listener.serve(router, stop.clone()));
        }
        serving.join_all().await;
        self.ingest.settled().await;
    }
}
