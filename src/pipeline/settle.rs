//! A step settles: its rejects become dead letters, its chunk is delivered.
//!
//! Enters: steps, as they are read. Leaves: a [`Settled`] for each, in any order. What must hold: dead letters
//! are written in the order of the records; what is counted as settled is durable.

use std::sync::{Arc, PoisonError};

use tokio::sync::{Semaphore, mpsc};

use super::reader::Step;
use super::{Counts, Pipeline};
use crate::export::{Delivery, Outcome};
use crate::runtime::clock;
use crate::telemetry::agents::Facts;
use crate::telemetry::metrics::Number;
use qtrail_core::reject::Reason;

/// Steps of one unit that may be unsettled at a time.
pub(super) const STEPS_IN_FLIGHT: usize = 64;

/// A step that has settled.
pub(super) struct Settled {
    /// From 0, in the order of reading.
    pub(super) number: u64,
    /// Offset in the unit up to which this and the earlier steps reach.
    pub(super) offset: u64,
    pub(super) outcome: Outcome,
    pub(super) counts: Counts,
    pub(super) refused: Vec<(u64, Reason)>,
    /// Of its dead letters, how many are uncertain, among how many.
    pub(super) uncertain: Option<(u64, u64)>,
}

impl Pipeline {
    /// Settles steps as they come; returns how many there were.
    pub(super) async fn settle_each(
        &self,
        mut steps: mpsc::Receiver<Step>,
        settled: mpsc::Sender<Settled>,
    ) -> u64 {
        let slots = Arc::new(Semaphore::new(STEPS_IN_FLIGHT));
        let mut number = 0;
        while let Some(mut step) = steps.recv().await {
            // Letters are written in the order of the records, whichever step settles first.
            let written = self.write_rejects(number, &mut step).await;
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
                break;
            };
            let (this, settled) = (self.clone(), settled.clone());
            tokio::spawn(async move {
                let result = this.deliver_chunk(written, step).await;
                // Nobody listens when the unit was abandoned.
                let _ = settled.send(result).await;
                drop(slot);
            });
            number += 1;
        }
        number
    }

    /// Settles the only step of a unit.
    pub(super) async fn settle_only(&self, mut step: Step) -> Settled {
        let written = self.write_rejects(0, &mut step).await;
        self.deliver_chunk(written, step).await
    }

    /// Writes a step's rejects to the dead letters.
    async fn write_rejects(&self, number: u64, step: &mut Step) -> Settled {
        let refused =
            |entry: &crate::dead_letter::Entry| (entry.position.index, entry.reason.clone());
        let mut settled = Settled {
            number,
            offset: step.offset,
            outcome: Outcome::Delivered,
            counts: step.counts,
            refused: step.rejects.iter().map(refused).collect(),
            uncertain: None,
        };
        settled.refused.append(&mut step.without_letter);
        let rejects = step.rejects.len() as u64;
        let letters = std::mem::take(&mut step.rejects);
        if self.dead_letters.write(letters).await.is_ok() {
            settled.counts.dead_lettered += rejects + step.suppressed.values().sum::<u64>();
            for (_, reason) in &settled.refused[..rejects as usize] {
                self.metrics.dead_letter_reasons.add(reason.kind(), 1);
            }
            for (kind, count) in &step.suppressed {
                self.metrics.dead_letter_reasons.add(kind, *count);
            }
        } else {
            settled.outcome = Outcome::Abandoned;
        }
        drop(std::mem::take(&mut step.reject_memory));
        settled
    }

    /// Delivers a step's chunk.
    async fn deliver_chunk(&self, mut settled: Settled, step: Step) -> Settled {
        if let Some(chunk) = step.chunk {
            let (newest, observed) = (chunk.encoded.newest(), chunk.origin.observed);
            let delivery = self.exporter.submit(chunk).await;
            if delivery.outcome == Outcome::Delivered {
                self.count_delivered(&step.facts, &delivery);
                step.claims.delivered(&delivery.undelivered);
                if let Some(recent) = &self.recent {
                    let Delivery {
                        originals,
                        undelivered,
                        ..
                    } = &delivery;
                    recent.add(originals, undelivered, observed);
                }
            }
            settled.counts.exported += delivery.exported;
            settled.counts.dead_lettered += delivery.dead_lettered;
            settled.outcome = settled.outcome.worst(delivery.outcome.clone());
            self.count(&delivery, newest);
            settled.refused.extend(delivery.refused);
            settled.uncertain = delivery.uncertain;
        }
        self.gauge_memory();
        self.metrics.exported.add(settled.counts.exported);
        self.metrics.dead_lettered.add(settled.counts.dead_lettered);
        self.metrics
            .in_flight
            .sub(settled.counts.exported + settled.counts.dead_lettered);
        settled
    }

    /// Counts what agents did in the events that were delivered.
    fn count_delivered(&self, facts: &Facts, delivery: &Delivery) {
        let undelivered = &delivery.undelivered;
        let conversations = facts.conversations(undelivered);
        let started = match &self.dedup {
            _ if conversations.is_empty() => 0,
            Some(dedup) => dedup.begin(&conversations),
            None => {
                let known = self.conversations.lock();
                known
                    .unwrap_or_else(PoisonError::into_inner)
                    .begin(&conversations)
            }
        };
        let agents = &self.metrics.agents;
        agents.count(facts, undelivered, started, self.feed, clock::now());
    }

    /// Counts what the exporter answered. `newest` is the time of the chunk's newest event.
    fn count(&self, delivery: &Delivery, newest: Option<i64>) {
        for (_, reason) in &delivery.refused {
            self.metrics.dead_letter_reasons.add(reason.kind(), 1);
        }
        if let Some((rejected, _)) = delivery.uncertain {
            self.metrics.dead_letter_reasons.add("uncertain", rejected);
        }
        if let Some(newest) = newest.filter(|_| delivery.exported > 0) {
            let now = jiff::Timestamp::now();
            let lag = (now.as_nanosecond() - i128::from(newest)) / 1_000_000_000;
            let set = |number: &Number, value| number.set(u64::try_from(value).unwrap_or_default());
            set(&self.metrics.lag_seconds, lag);
            set(&self.metrics.last_export, now.as_second().into());
        }
    }

    /// Shows how much memory is in flight.
    pub(super) fn gauge_memory(&self) {
        let taken = self.budget.taken_bytes();
        self.metrics.buffered_bytes.set(taken as u64);
    }
}
