//! All rooms put together: what `run`, `convert`, `replay` and `demo` have in common.

use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::ack::dead_letter::DeadLetters;
use crate::config::Config;
use crate::event::amazon_q::Selector;
use crate::export::Exporter;
use crate::pipeline::Pipeline;
use crate::pipeline::conversion::Conversion;
use crate::pipeline::window::{Window, Writer};
use crate::telemetry::metrics::Metrics;

/// The flow from a unit to the collector, ready for inputs.
pub struct Sidecar {
    /// Takes units.
    pub pipeline: Pipeline,
    /// Carries chunks; tells how the collector is doing.
    pub exporter: Exporter,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Makes everything give up what is in flight.
    pub abort: CancellationToken,
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
        let pipeline = Pipeline::new(
            conversion(config),
            exporter.clone(),
            dead_letters,
            Arc::clone(&metrics),
            config.memory_bytes,
            abort.clone(),
        );
        Ok(Sidecar {
            pipeline,
            exporter,
            metrics,
            abort,
        })
    }

    /// From here on, events that were delivered before are dropped, unless the configuration wants
    /// them. Who writes their ids is to be closed at the end.
    ///
    /// # Errors
    /// The window's file cannot be used.
    pub fn drop_duplicates(&mut self, config: &Config) -> anyhow::Result<Option<Writer>> {
        let Some(settings) = config.duplicates.clone() else {
            return Ok(None);
        };
        let (window, writer) = Window::open(settings, Arc::clone(&self.metrics))?;
        self.pipeline = self.pipeline.clone().with_window(window);
        Ok(Some(writer))
    }
}

/// Which records are converted, and how.
pub fn conversion(config: &Config) -> Conversion {
    Conversion {
        limits: config.limits.clone(),
        selector: Selector::new(config.select, &config.lists),
        options: config.convert.clone(),
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
