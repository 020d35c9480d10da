//! What a command did that keeps nothing between two runs: `convert`, `replay`.

use tokio_util::sync::CancellationToken;

use super::{Exit, OutputClosed, summary};
use crate::export::End;
use crate::export::Outcome;
use crate::pipeline::{Counts, Report};
use crate::telemetry::metrics::Metrics;

/// What was done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) files: u64,
    pub(super) counts: Counts,
    /// Something could not be read or delivered, and was told.
    pub(super) failed: bool,
    /// It ended before all was read.
    pub(super) interrupted: bool,
}

impl Totals {
    pub(super) fn exit(&self) -> Exit {
        Exit::of(self.failed, self.counts.dead_lettered)
    }

    /// Counts what became of a unit, and tells what went wrong, unless `stop` is why.
    pub(super) fn take(&mut self, name: &str, report: &Report, stop: &CancellationToken) {
        self.files += 1;
        self.counts.add(&report.counts);
        if let Some(error) = report.read_error.as_ref().filter(|_| !stop.is_cancelled()) {
            tracing::error!(source = name, "reading failed: {error}");
        }
        if let Outcome::Blocked(reason) = &report.outcome {
            tracing::error!(source = name, "not delivered: {reason}");
        }
        if report.outcome != Outcome::Delivered {
            self.failed = true;
        }
    }

    /// Notes how it ended, and tells what ended it early. `metrics`: what was counted of work that did
    /// not give up in time.
    pub(super) fn end(
        &mut self,
        end: Option<End>,
        stop: &CancellationToken,
        metrics: Option<&Metrics>,
    ) -> Result<(), OutputClosed> {
        match end {
            Some(End::Unread) => return Err(OutputClosed),
            Some(End::Failed(reason)) => tracing::error!("given up: {reason}"),
            None if stop.is_cancelled() => tracing::error!(
                "interrupted before all was read and delivered: nothing is kept of how far it came, the same command begins anew"
            ),
            None => return Ok(()),
        }
        (self.failed, self.interrupted) = (true, true);
        if let Some(metrics) = metrics {
            self.counts = summary::counted(metrics);
        }
        Ok(())
    }
}
