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
    /// Builds the flow, which counts in `metrics`. With `keep_dead_letters`, refused records go to the configured file;
    /// without, they are logged and counted alone.
    ///
    /// # Errors
    /// A dead-letter file or an output that cannot be opened, a certificate that cannot be read.
    pub fn start(
        config: &Config,
        metrics: Arc<Metrics>,
        keep_dead_letters: bool,
    ) -> anyhow::Result<Self> {
        let abort = CancellationToken::new();
        let dead_letters = match keep_dead_letters {
            true => {
                let path = config.dead_letters.path.display().to_string();
                DeadLetters::open(config.dead_letters.clone(), abort.clone())
                    .with_context(|| format!("cannot write dead letters to {path}"))?
            }
            false => DeadLetters::none(),
        };
        let exporter = Exporter::start(
            config.export.clone(),
            Arc::clone(&metrics),
            dead_letters.clone(),
            abort.clone(),
        )?;
        let conversion = Conversion {
            limits: config.limits.clone(),
            selector: Selector::new(config.select, &config.lists),
            options: config.convert.clone(),
        };
        let pipeline = Pipeline::new(
            conversion,
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
}
