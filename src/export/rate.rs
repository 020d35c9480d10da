//! Events a second: a token bucket without a clock of its own.
//!
//! Enters: a time and a number of events. Leaves: how long to wait before they may go. What must
//! hold: over any stretch of time, no more than a second's worth above the rate goes out.

use std::time::Duration;

use tokio::time::Instant;

/// A bucket that holds one second's worth of events, and may be overdrawn by one batch.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    /// A full bucket. A rate of 0 counts as 1.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        let rate = f64::from(rate.max(1));
        Bucket {
            rate,
            tokens: rate,
            filled: now,
        }
    }

    /// Takes `events` out; the wait until the bucket would no longer be overdrawn.
    ///
    /// A batch may be larger than the bucket, so it goes once its debt is paid: the caller waits
    /// first, then sends.
    pub(super) fn take(&mut self, events: u32, now: Instant) -> Duration {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.rate).min(self.rate) - f64::from(events);
        self.filled = now;
        Duration::from_secs_f64((-self.tokens).max(0.0) / self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_lets_a_second_worth_pass_at_once() {
        let now = Instant::now();
        let mut bucket = Bucket::new(100, now);
        assert_eq!(bucket.take(100, now), Duration::ZERO);
        assert_eq!(bucket.take(50, now), Duration::from_millis(500));
    }

    #[test]
    fn the_rate_holds_over_many_batches() {
        let start = Instant::now();
        let mut now = start;
        let mut bucket = Bucket::new(1000, now);
        for _ in 0..100 {
            now += bucket.take(300, now);
        }
        // 30,000 events, of which one second's worth was free.
        assert_eq!((now - start).as_secs(), 29);
    }

    #[test]
    fn an_idle_bucket_does_not_save_up_more_than_a_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(bucket.take(20, later), Duration::from_secs(1));
    }
}
