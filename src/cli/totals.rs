//! The totals of a command that saves no progress: `convert`, `replay`.

use tokio_util::sync::CancellationToken;

use super::{Exit, OutputClosed, summary};
use crate::export::End;
use crate::export::Outcome;
use crate::pipeline::{Counts, Report};
use crate::telemetry::metrics::Metrics;

/// What a command did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) files: u64,
    pub(super) counts: Counts,
    /// Something could not be read or delivered, and was logged.
    pub(super) failed: bool,
    /// It ended before everything was read.
    pub(super) interrupted: bool,
}

impl Totals {
    pub(super) fn exit(&self) -> Exit {
        Exit::of(self.failed, self.counts.dead_lettered)
    }

    /// Adds the report of a unit, and logs its errors, unless they come from `stop`.
    pub(super) fn add(&mut self, name: &str, report: &Report, stop: &CancellationToken) {
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

    /// Records how the command ended, and logs an early end. `metrics`: the counts of work that did not stop
    /// in time.
    pub(super) fn end(
        &mut self,
        end: Option<End>,
        stop: &CancellationToken,
        metrics: Option<&Metrics>,
    ) -> Result<(), OutputClosed> {
        match end {
            Some(End::Unread) => return Err(OutputClosed),
            Some(End::Failed(reason)) => tracing::error!("giving up: {reason}"),
            None if stop.is_cancelled() => tracing::error!(
                "interrupted before everything was delivered: progress is not saved; run the same command again"
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
