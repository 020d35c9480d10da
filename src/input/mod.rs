//! Where units come from.

pub mod backfill;
pub mod directory;
pub mod event_history;
pub mod ingest;
pub mod s3;

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::pipeline::Pipeline;
use crate::runtime::health::Health;
use crate::telemetry::metrics::Metrics;

/// What an input of Amazon's services uses of the sidecar.
#[derive(Clone)]
pub struct Downstream {
    /// Delivers units.
    pub pipeline: Pipeline,
    /// How the collector is doing.
    pub health: watch::Receiver<Health>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Once cancelled, reads in progress end.
    pub abort: CancellationToken,
}
