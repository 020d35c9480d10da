//! The rooms, connected: what `run`, `convert`, `replay`, `backfill` and `demo` have in common.

mod access;
pub mod activity;
mod http;
mod page;
mod people;
pub mod status;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "aws")]
use crate::aws::Aws;
use crate::config::Config;
use crate::dead_letter::DeadLetters;
use crate::export::{End, Exporter};
use crate::input::Downstream;
use crate::names;
use crate::pipeline::Pipeline;
use crate::pipeline::dedup::{Dedup, Writer};
use crate::pipeline::recent::Recent;
use crate::runtime::shutdown;
use crate::telemetry;
use crate::telemetry::metrics::Metrics;
use qtrail_core::event::amazon_q::Selector;
use qtrail_core::{Converter, convert};

pub(crate) use access::TOKEN_FILES;
pub use http::Server;
use status::{About, Source};

/// The flow from a unit to the collector, ready for inputs.
pub struct Sidecar {
    /// Takes units.
    pub pipeline: Pipeline,
    /// Carries chunks; tells how the collector is doing.
    pub exporter: Exporter,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The last events that were delivered, if they are kept.
    recent: Recent,
    /// Makes everything give up what is in flight.
    pub abort: CancellationToken,
}

/// How work ended.
#[derive(Debug)]
pub struct Drained<T> {
    /// What the work gave, unless it did not even give up in time.
    pub output: Option<T>,
    /// Why nothing more could be delivered, if that was so.
    pub end: Option<End>,
}

impl Sidecar {
    /// Builds the flow, which counts in `metrics`. With `keep_dead_letters`, refused records go to
    /// the configured file; without, they are logged and counted alone.
    ///
    /// # Errors
    /// A dead-letter file or an output that cannot be opened, a certificate that cannot be read.
    pub fn start(
        config: &Config,
        metrics: Arc<Metrics>,
        keep_dead_letters: bool,
    ) -> anyhow::Result<Self> {
        let abort = CancellationToken::new();
        let dead_letters =
            dead_letters(config, keep_dead_letters, &abort)?.counted_in(Arc::clone(&metrics));
        let exporter = Exporter::start(
            config.export.clone(),
            Arc::clone(&metrics),
            dead_letters.clone(),
            abort.clone(),
        )?;
        let mut pipeline = Pipeline::new(
            conversion(config),
            exporter.clone(),
            dead_letters,
            Arc::clone(&metrics),
            config.memory_bytes,
            abort.clone(),
        );
        if config.manifest {
            pipeline = pipeline.with_manifest(config.verification.is_some());
        }
        Ok(Sidecar {
            pipeline,
            exporter,
            metrics,
            recent: Recent::default(),
            abort,
        })
    }

    /// Runs `work` to its end; after `stop`, for at most `deadline`. Once nothing more can be delivered,
    /// it stops and gives up at once. `None` when it did not even give up in time.
    pub async fn drain<F: Future>(
        &self,
        work: F,
        stop: &CancellationToken,
        deadline: Duration,
    ) -> Drained<F::Output> {
        let mut end = None;
        let ends = async {
            end = Some(self.ends().await);
            stop.cancel();
            self.abort.cancel();
            std::future::pending::<()>().await;
        };
        let output = tokio::select! {
            biased;
            output = shutdown::drain(work, stop, &self.abort, deadline) => output,
            () = ends => None,
        };
        // It may have come with the last of the work.
        let failure = || self.pipeline.dead_letters().failure().map(End::Failed);
        let end = end.or_else(|| self.exporter.end()).or_else(failure);
        if end.is_some() {
            stop.cancel();
        }
        Drained { output, end }
    }

    /// What the inputs use of it.
    pub fn downstream(&self) -> Downstream {
        Downstream {
            pipeline: self.pipeline.clone(),
            health: self.exporter.health(),
            metrics: Arc::clone(&self.metrics),
            abort: self.abort.clone(),
        }
    }

    /// From now on, the last events that were delivered are kept for the live page.
    pub fn keep_recent_events(&mut self) {
        self.pipeline = self.pipeline.clone().with_recent(self.recent.clone());
    }

    /// From now on until `stop`, the file of people is read again when it changes.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn follow_people(&self, config: &Config, stop: CancellationToken) -> anyhow::Result<()> {
        if let Some(path) = &config.identities {
            people::follow(path.clone(), self.pipeline.conversion().clone(), stop)?;
        }
        Ok(())
    }

    /// From now on until `stop`, names of people are looked up, where that is configured.
    #[cfg(feature = "aws")]
    pub async fn learn_names(&mut self, config: &Config, stop: CancellationToken) {
        let Some(settings) = config.names.clone() else {
            return;
        };
        let (queue, aws) = (names::Queue::open(&settings), Aws::load(&config.aws).await);
        let store = names::IdentityCenter(aws.identity_store(settings.region.as_deref()));
        let conversion = self.pipeline.conversion().clone();
        let publish = move |names| {
            conversion.change(|converter| converter.options.names = Some(names));
        };
        let work = names::run(queue.clone(), store, settings.path, publish);
        tokio::spawn(async move { stop.run_until_cancelled(work).await });
        self.pipeline = self.pipeline.clone().with_names(queue);
    }

    /// In a build without AWS, none are configured.
    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "as with AWS")]
    pub async fn learn_names(&mut self, _: &Config, _: CancellationToken) {}

    /// Serves the live page, metrics and health over HTTP, and the metrics over OTLP, where that is configured. After
    /// `stop`, qtrail is not ready.
    ///
    /// # Errors
    /// The address cannot be listened on, or a file of tokens cannot be used.
    pub async fn serve(
        &self,
        config: &Config,
        stop: CancellationToken,
    ) -> anyhow::Result<Option<Server>> {
        // Before the first read of them.
        let _ = self.metrics.stopping.set(stop);
        telemetry::export(&self.metrics);
        let telemetry = &config.telemetry;
        let Some(address) = telemetry.http else {
            return Ok(None);
        };
        let source = Source {
            about: About::new(config),
            metrics: Arc::clone(&self.metrics),
            health: self.exporter.health(),
            recent: self.recent.clone(),
            conversion: self.pipeline.conversion().clone(),
            letters: self.pipeline.dead_letters().clone(),
        };
        let server = Server::start(address, &telemetry.token_files, source).await?;
        Ok(Some(server))
    }

    async fn ends(&self) -> End {
        tokio::select! {
            end = self.exporter.ended() => end,
            reason = self.pipeline.dead_letters().failed() => End::Failed(reason),
        }
    }

    /// From now on, events that were delivered before are dropped, unless `duplicates.drop` is off. The
    /// caller closes the returned writer of their ids at the end.
    ///
    /// # Errors
    /// The file of ids cannot be used.
    pub fn drop_duplicates(&mut self, config: &Config) -> anyhow::Result<Option<Writer>> {
        let Some(settings) = config.duplicates.clone() else {
            return Ok(None);
        };
        let (window, writer) = Dedup::open(settings, Arc::clone(&self.metrics))?;
        self.pipeline = self.pipeline.clone().with_dedup(window);
        Ok(Some(writer))
    }
}

/// Which records are converted, and how.
pub fn conversion(config: &Config) -> Converter {
    Converter {
        limits: config.limits.clone(),
        selector: Selector::new(config.select, &config.lists),
        options: convert::Options {
            names: config.names.as_ref().map(names::known),
            ..config.convert.clone()
        },
    }
}

/// The configured dead letters; or, without `keep`, ones that are logged and counted alone.
///
/// # Errors
/// The file cannot be opened.
pub fn dead_letters(
    config: &Config,
    keep: bool,
    abort: &CancellationToken,
) -> anyhow::Result<DeadLetters> {
    if !keep {
        return Ok(DeadLetters::none());
    }
    let path = config.dead_letters.path.display();
    DeadLetters::open(config.dead_letters.clone(), abort.clone())
        .with_context(|| format!("cannot write dead letters to {path}"))
}
