//! Counters that every room adds to; `/metrics` and OTLP both read them.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that grows, or a level that is set.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes away (levels only).
    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// Sets (levels only).
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The value now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All of qtrail's metrics. `read = exported + filtered + duplicate + dead_lettered + in_flight`.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct Metrics {
    pub read: Number,
    pub exported: Number,
    pub filtered: Number,
    pub duplicate: Number,
    pub dead_lettered: Number,
    pub in_flight: Number,
    pub units: Number,
    pub skipped: Number,
    pub inflated_bytes: Number,
    pub buffered_bytes: Number,
    pub export_requests: Number,
    pub export_retries: Number,
    pub export_bytes: Number,
    pub files_pending: Number,
    pub files_without_events: Number,
    /// Seconds between an event's time and its export, of the newest batch.
    pub lag_seconds: Number,
}
