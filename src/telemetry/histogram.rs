//! Durations, counted in buckets.

use std::time::Duration;

use super::metrics::Number;

/// The bounds for requests, in seconds.
const REQUESTS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0];

/// Durations in fixed buckets; those of requests by default.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    buckets: Vec<Number>,
    count: Number,
    micros: Number,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram::new(&REQUESTS)
    }
}

impl Histogram {
    /// `bounds`: the upper bounds of the buckets, in seconds; beyond the last, only `count` grows.
    pub fn new(bounds: &'static [f64]) -> Self {
        Histogram {
            bounds,
            buckets: bounds.iter().map(|_| Number::default()).collect(),
            count: Number::default(),
            micros: Number::default(),
        }
    }

    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        if let Some(at) = self.bounds.iter().position(|bound| seconds <= *bound) {
            self.buckets[at].add(1);
        }
        self.micros.add(duration.as_micros() as u64);
        self.count.add(1);
    }

    /// The number of durations up to each bound, cumulative as in Prometheus.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let buckets = self.bounds.iter().zip(&self.buckets);
        buckets.scan(0, |sum, (bound, number)| {
            *sum += number.get();
            Some((*bound, *sum))
        })
    }

    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.count.get()
    }

    /// Their sum, in seconds.
    pub fn sum(&self) -> f64 {
        self.micros.get() as f64 / 1e6
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_up_to_each_bound() {
        let histogram = Histogram::new(&[0.001, 0.005, 0.01, 0.1, 5.0, 60.0]);
        for millis in [1, 7, 2_000, 100_000] {
            histogram.record(Duration::from_millis(millis));
        }
        let counts: Vec<_> = histogram.cumulative().map(|(_, n)| n).collect();
        assert_eq!(counts, [1, 1, 2, 2, 3, 3]);
        assert_eq!(histogram.count(), 4);
        assert_eq!(histogram.sum(), 102.008);
    }
}
