//! How fast records move: the counts of the last minute.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Rate;
use crate::telemetry::metrics::Metrics;

/// How often counts are kept.
pub(in crate::sidecar) const INTERVAL: Duration = Duration::from_secs(5);
/// How many are kept: a minute's.
const SAMPLES: usize = 12;

/// The counts of the last minute.
pub(in crate::sidecar) struct Rates(Mutex<VecDeque<Sample>>);

#[derive(Clone, Copy)]
struct Sample {
    at: Instant,
    read: u64,
    exported: u64,
}

impl Rates {
    /// Begins with the counts of now.
    pub(in crate::sidecar) fn new(metrics: &Metrics) -> Self {
        Rates(Mutex::new([sample(metrics)].into()))
    }

    /// Keeps the counts of now. To be called every [`INTERVAL`].
    pub(in crate::sidecar) fn keep(&self, metrics: &Metrics) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(sample(metrics));
    }

    /// The average since the oldest counts that are kept.
    pub(super) fn now(&self, metrics: &Metrics) -> Rate {
        let now = sample(metrics);
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let oldest = samples.front().copied().unwrap_or(now);
        let span = now.at.duration_since(oldest.at);
        let seconds = span.as_secs_f64().max(1.0);
        let rate = |now: u64, then: u64| {
            let each = now.saturating_sub(then) as f64 / seconds;
            (each * 10.0).round() / 10.0
        };
        Rate {
            seconds: span.as_secs().max(1),
            read_per_second: rate(now.read, oldest.read),
            exported_per_second: rate(now.exported, oldest.exported),
        }
    }
}

fn sample(metrics: &Metrics) -> Sample {
    Sample {
        at: Instant::now(),
        read: metrics.read.get(),
        exported: metrics.exported.get(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rates_are_those_of_the_last_minute() {
        let metrics = Metrics::default();
        let rates = Rates::new(&metrics);
        assert_eq!(rates.now(&metrics).read_per_second, 0.0);
        metrics.read.add(600);
        metrics.exported.add(6);
        for _ in 1..SAMPLES {
            tokio::time::advance(INTERVAL).await;
            rates.keep(&metrics);
        }
        tokio::time::advance(INTERVAL).await;
        let now = rates.now(&metrics);
        assert_eq!(
            now,
            Rate {
                seconds: 60,
                read_per_second: 10.0,
                exported_per_second: 0.1
            }
        );
        rates.keep(&metrics);
        assert_eq!(rates.now(&metrics).read_per_second, 0.0);
    }
}
