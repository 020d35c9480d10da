//! The manifest record of a unit, between its delivery and its commit.
//!
//! What must hold: a unit that has a record is not committed before that is delivered.

use super::{Pipeline, Report, Truncation};
use crate::dead_letter::Origin;
use crate::export::Outcome;
use crate::proof::manifest::{Manifest, Measured, Settled, Share};

impl Pipeline {
    /// Delivers the record of a unit that may be committed, if it is to have one.
    pub(super) async fn manifest_of(
        &self,
        report: Report,
        origin: &Origin,
        base: u64,
        truncation: Truncation,
    ) -> Report {
        let is_part = truncation == Truncation::Defer;
        let is_unfinished = report.truncated.is_some();
        let is_committed = !is_unfinished || is_part && report.settled_offset > base;
        if report.outcome != Outcome::Delivered || !is_committed {
            return report;
        }
        let counts = &report.counts;
        let settled = Settled {
            origin,
            offset: is_part.then_some(base),
            inflated_size: match is_unfinished {
                true => report.settled_offset - base,
                false => counts.bytes,
            },
            measured: match is_unfinished {
                // The reading went beyond the part.
                true => Measured {
                    times: report.measured.times,
                    ..Measured::default()
                },
                false => report.measured.clone(),
            },
            share: Share {
                read: counts.read,
                exported: counts.exported,
                filtered: counts.filtered,
                duplicate: counts.duplicate,
                dead_lettered: counts.dead_lettered,
                skipped: counts.skipped,
            },
        };
        let outcome = self.deliver_manifest(&settled).await;
        Report { outcome, ..report }
    }

    /// Delivers the record of something that could not be read at all, and is in the dead letters.
    pub(super) async fn manifest_of_unread(
        &self,
        origin: &Origin,
        reason: &'static str,
    ) -> Outcome {
        let settled = Settled {
            origin,
            offset: None,
            inflated_size: 0,
            measured: Measured {
                broken: Some(reason),
                ..Measured::default()
            },
            share: Share {
                read: 1,
                dead_lettered: 1,
                ..Share::default()
            },
        };
        self.deliver_manifest(&settled).await
    }

    async fn deliver_manifest(&self, settled: &Settled<'_>) -> Outcome {
        let covers = |_: &&Manifest| Manifest::covers(settled.origin);
        let Some(manifest) = self.manifest.as_ref().filter(covers) else {
            return Outcome::Delivered;
        };
        match manifest.deliver(settled, &self.exporter).await {
            true => {
                self.metrics.manifest_records.add(1);
                Outcome::Delivered
            }
            false => Outcome::Abandoned,
        }
    }
}
