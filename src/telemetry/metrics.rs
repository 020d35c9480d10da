//! Counters that every room adds to; `/metrics` and OTLP both read them.
//!
//! Enters: what happened. Leaves: numbers with their names and meanings, described once. What must
//! hold: the balance, and a bounded number of series whatever arrives.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::stalls::Stalls;

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
#[allow(missing_docs, reason = "ALL describes each")]
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
    pub files_failing: Number,
    pub folders_unlisted: Number,
    pub files_without_events: Number,
    pub ingest_requests: Number,
    pub ingest_refused: Number,
    pub ingest_connections: Number,
    pub s3_messages: Number,
    pub s3_messages_deleted: Number,
    pub s3_messages_failed: Number,
    pub s3_messages_held: Number,
    pub s3_objects: Number,
    pub s3_objects_skipped: Number,
    pub s3_bytes: Number,
    pub sqs_requests: Number,
    pub event_history_requests: Number,
    pub duplicates_ids: Number,
    pub duplicates_unwritten: Number,
    pub duplicates_crowded_out: Number,
    /// What inputs that read once left undelivered: files, folders, messages, regions. It is the exit
    /// code's, and not exported.
    pub left: Number,
    pub dead_letters_erased: Number,
    pub dead_letters_waiting: Number,
    /// Seconds between an event's time and its export, of the newest batch.
    pub lag_seconds: Number,
    /// Dead letters by [`qtrail_core::reject::Reason::kind`].
    pub dead_letter_reasons: Reasons,
    /// How long export requests took, to their answer.
    pub export_duration: Histogram,
    /// What keeps events from moving now.
    pub stalls: Stalls,
}

/// Whether a metric only grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// What a metric is called and means.
pub struct Description {
    /// Its name in OTLP, less `qtrail.`; for Prometheus, with `_` for `.`.
    pub name: &'static str,
    /// Whether it only grows.
    pub kind: Kind,
    /// Its unit in OTLP (UCUM).
    pub unit: &'static str,
    /// What it means.
    pub help: &'static str,
    /// Its value.
    pub number: fn(&Metrics) -> &Number,
}

const fn metric(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    help: &'static str,
    number: fn(&Metrics) -> &Number,
) -> Description {
    Description {
        name,
        kind,
        unit,
        help,
        number,
    }
}

/// Every metric that is one number.
#[rustfmt::skip]
pub const ALL: [Description; 35] = [
    metric("events.read", Kind::Counter, "{event}", "Records found. Always: read = exported + filtered + duplicate + dead_lettered + in_flight.", |m| &m.read),
    metric("events.exported", Kind::Counter, "{event}", "Events of which every enabled signal was accepted.", |m| &m.exported),
    metric("events.filtered", Kind::Counter, "{event}", "Records that are not selected.", |m| &m.filtered),
    metric("events.duplicate", Kind::Counter, "{event}", "Events delivered before.", |m| &m.duplicate),
    metric("events.dead_lettered", Kind::Counter, "{event}", "Records that went to the dead letters.", |m| &m.dead_lettered),
    metric("events.in_flight", Kind::Gauge, "{event}", "Records read and not yet settled.", |m| &m.in_flight),
    metric("units", Kind::Counter, "{unit}", "Files and requests whose every record has settled.", |m| &m.units),
    metric("skipped", Kind::Counter, "{thing}", "Things that are known and hold no event: digest files, notices, prompt logs.", |m| &m.skipped),
    metric("inflated_bytes", Kind::Counter, "By", "Bytes read, after decompression.", |m| &m.inflated_bytes),
    metric("buffered_bytes", Kind::Gauge, "By", "Bytes of records and payloads in flight; limits.memory bounds them.", |m| &m.buffered_bytes),
    metric("export.requests", Kind::Counter, "{request}", "Requests to the collector, retries included.", |m| &m.export_requests),
    metric("export.retries", Kind::Counter, "{request}", "Requests that had to be sent again.", |m| &m.export_retries),
    metric("export.bytes", Kind::Counter, "By", "Encoded bytes that the collector accepted, before compression.", |m| &m.export_bytes),
    metric("files.pending", Kind::Gauge, "{file}", "Files found and not yet delivered.", |m| &m.files_pending),
    metric("files.failing", Kind::Gauge, "{file}", "Of these, files that cannot be read, delivered or put away; they are tried again.", |m| &m.files_failing),
    metric("folders.unlisted", Kind::Gauge, "{folder}", "Folders of the directory that the last walk could not list.", |m| &m.folders_unlisted),
    metric("files.without_events", Kind::Counter, "{file}", "Files that held no selected event.", |m| &m.files_without_events),
    metric("ingest.requests", Kind::Counter, "{request}", "Requests that senders handed over, each message of a stream counted.", |m| &m.ingest_requests),
    metric("ingest.refused", Kind::Counter, "{request}", "Requests and connections that were turned away: no token, a limit, a collector that is away.", |m| &m.ingest_refused),
    metric("ingest.connections", Kind::Gauge, "{connection}", "Connections of senders.", |m| &m.ingest_connections),
    metric("s3.messages", Kind::Counter, "{message}", "Messages received from SQS queues.", |m| &m.s3_messages),
    metric("s3.messages_deleted", Kind::Counter, "{message}", "Messages whose every object has settled, deleted from their queue.", |m| &m.s3_messages_deleted),
    metric("s3.messages_failed", Kind::Counter, "{message}", "Messages that failed by their own fault: not understood, or an object that cannot be read. Each try counts.", |m| &m.s3_messages_failed),
    metric("s3.messages_held", Kind::Gauge, "{message}", "Messages that are worked on, and kept hidden from other replicas.", |m| &m.s3_messages_held),
    metric("s3.objects", Kind::Counter, "{object}", "Objects that were read to their end.", |m| &m.s3_objects),
    metric("s3.objects_skipped", Kind::Counter, "{object}", "Objects that were announced and left alone, by s3.include and s3.exclude.", |m| &m.s3_objects_skipped),
    metric("s3.bytes", Kind::Counter, "By", "Bytes of objects as they are stored.", |m| &m.s3_bytes),
    metric("sqs.requests", Kind::Counter, "{request}", "Requests to SQS: receiving, extending, deleting.", |m| &m.sqs_requests),
    metric("event_history.requests", Kind::Counter, "{request}", "LookupEvents requests.", |m| &m.event_history_requests),
    metric("duplicates.ids", Kind::Gauge, "{event}", "Ids of delivered events that are known, so that a repeat is dropped; duplicates.max_ids bounds them.", |m| &m.duplicates_ids),
    metric("duplicates.unwritten", Kind::Gauge, "{event}", "Of these ids, those that are not on disk yet. They are written once a second; more and more: the disk refuses.", |m| &m.duplicates_unwritten),
    metric("duplicates.crowded_out", Kind::Counter, "{event}", "Ids that were forgotten before duplicates.max_age, for want of room: a larger duplicates.max_ids would keep them.", |m| &m.duplicates_crowded_out),
    metric("dead_letters.erased", Kind::Counter, "{letter}", "Dead letters that were erased with the oldest file, to make room (dead_letters.when_full: rotate).", |m| &m.dead_letters_erased),
    metric("dead_letters.waiting", Kind::Gauge, "{sender}", "Senders and inputs that are not read from because there is no room for their dead letters (dead_letters.when_full: wait).", |m| &m.dead_letters_waiting),
    metric("lag_seconds", Kind::Gauge, "s", "Seconds between an event's time and its export, of the newest batch.", |m| &m.lag_seconds),
];

/// Where each record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "ALL describes each")]
pub struct Balance {
    pub read: u64,
    pub exported: u64,
    pub filtered: u64,
    pub duplicate: u64,
    pub dead_lettered: u64,
    pub in_flight: u64,
}

impl Metrics {
    /// Where each record is, now. While records move, the numbers are of slightly different moments.
    pub fn balance(&self) -> Balance {
        Balance {
            read: self.read.get(),
            exported: self.exported.get(),
            filtered: self.filtered.get(),
            duplicate: self.duplicate.get(),
            dead_lettered: self.dead_lettered.get(),
            in_flight: self.in_flight.get(),
        }
    }
}

impl Balance {
    /// Whether no record has vanished and none was counted twice.
    pub fn holds(&self) -> bool {
        self.read
            == self.exported + self.filtered + self.duplicate + self.dead_lettered + self.in_flight
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "read {} = exported {} + filtered {} + duplicate {} + dead-lettered {} + in flight {}",
            self.read,
            self.exported,
            self.filtered,
            self.duplicate,
            self.dead_lettered,
            self.in_flight
        )
    }
}

/// Dead letters by the kind of their reason.
#[derive(Debug, Default)]
pub struct Reasons([Number; Reasons::KINDS.len()]);

impl Reasons {
    /// [`qtrail_core::reject::Reason::kind`]'s words; the last stands for any other.
    pub const KINDS: [&str; 22] = [
        "not_json",
        "not_cloudtrail",
        "event_too_large",
        "too_deep",
        "bad_base64",
        "invalid_utf8",
        "bad_field",
        "bad_time",
        "truncated",
        "bad_gzip",
        "inflated_too_large",
        "too_many_events",
        "object_gone",
        "object_denied",
        "object_unreadable",
        "object_too_large",
        "bucket_not_allowed",
        "inline_events",
        "unknown_notice",
        "refused",
        "uncertain",
        "unknown",
    ];

    /// Counts `n` dead letters of this kind.
    pub fn add(&self, kind: &str, n: u64) {
        let last = Self::KINDS.len() - 1;
        let at = Self::KINDS.iter().position(|k| *k == kind).unwrap_or(last);
        self.0[at].add(n);
    }

    /// Each kind with its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Self::KINDS.into_iter().zip(self.0.iter().map(Number::get))
    }
}

/// Durations, counted in fixed buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Number; Histogram::BOUNDS.len()],
    count: Number,
    micros: Number,
}

impl Histogram {
    /// The upper bounds of the buckets, in seconds; beyond the last, only `count` grows.
    pub const BOUNDS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0];

    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        if let Some(at) = Self::BOUNDS.iter().position(|bound| seconds <= *bound) {
            self.buckets[at].add(1);
        }
        self.micros.add(duration.as_micros() as u64);
        self.count.add(1);
    }

    /// How many durations took at most each bound, as Prometheus counts them.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        Self::BOUNDS
            .into_iter()
            .zip(&self.buckets)
            .scan(0, |sum, (bound, number)| {
                *sum += number.get();
                Some((bound, *sum))
            })
    }

    /// How many durations were counted.
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
    use qtrail_core::reject::Reason;

    #[test]
    fn the_balance_tells_a_record_that_vanished() {
        let metrics = Metrics::default();
        metrics.read.add(10);
        metrics.exported.add(4);
        metrics.filtered.add(3);
        metrics.duplicate.add(1);
        metrics.dead_lettered.add(1);
        assert!(!metrics.balance().holds());
        metrics.in_flight.add(1);
        assert!(metrics.balance().holds(), "{}", metrics.balance());
    }

    #[test]
    fn each_reason_has_a_series_of_its_own() {
        let reasons = Reasons::default();
        let kind = Reason::TooDeep { limit: 1 }.kind();
        reasons.add(kind, 2);
        reasons.add("not yet invented", 1);
        let counted: Vec<_> = reasons.iter().filter(|(_, n)| *n > 0).collect();
        assert_eq!(counted, [("too_deep", 2), ("unknown", 1)]);
    }

    #[test]
    fn a_histogram_counts_up_to_each_bound() {
        let histogram = Histogram::default();
        for millis in [1, 7, 2_000, 100_000] {
            histogram.record(Duration::from_millis(millis));
        }
        let counts: Vec<_> = histogram.cumulative().map(|(_, n)| n).collect();
        assert_eq!(counts, [1, 1, 2, 2, 2, 2, 2, 3, 3, 3]);
        assert_eq!(histogram.count(), 4);
        assert_eq!(histogram.sum(), 102.008);
    }
}
