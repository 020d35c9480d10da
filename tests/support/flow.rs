//! A pipeline in this process, from a unit to its destination.

use std::sync::Arc;
use std::time::Duration;

use qtrail::dead_letter::DeadLetters;
use qtrail::export::{Destination, Exporter, Health, Settings};
use qtrail::pipeline::Pipeline;
use qtrail::telemetry::metrics::Metrics;
use qtrail_core::Converter;
use qtrail_core::convert::Options;
use qtrail_core::envelope::Limits;
use qtrail_core::event::amazon_q::{Lists, Select, Selector};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub struct Flow {
    pub pipeline: Pipeline,
    /// How the destination is.
    pub health: watch::Receiver<Health>,
    pub metrics: Arc<Metrics>,
    pub abort: CancellationToken,
}

/// A pipeline into `destination` that may hold `memory` bytes.
pub fn flow(destination: Destination, dead_letters: DeadLetters, memory: usize) -> Flow {
    let (metrics, abort) = (Arc::new(Metrics::default()), CancellationToken::new());
    let settings = Settings {
        destination,
        batch_events: 100,
        batch_bytes: 1 << 20,
        concurrency: 2,
        retry_initial: Duration::from_millis(5),
        retry_max: Duration::from_millis(20),
        give_up_after: None,
        write_errors_end: false,
        batch_spread: None,
        rate_limit: None,
    };
    let exporter = Exporter::start(
        settings,
        Arc::clone(&metrics),
        dead_letters.clone(),
        abort.clone(),
    )
    .unwrap();
    let conversion = Converter {
        limits: Limits::default(),
        selector: Selector::new(Select::AmazonQ, &Lists::default()),
        options: Options::default(),
    };
    let health = exporter.health();
    let pipeline = Pipeline::new(
        conversion,
        exporter,
        dead_letters,
        Arc::clone(&metrics),
        memory,
        abort.clone(),
    );
    Flow {
        pipeline,
        health,
        metrics,
        abort,
    }
}
