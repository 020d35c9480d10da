//! qtrail's metrics, which `/metrics` and OTLP both export.
//!
//! Enters: counts from every room. Leaves: numbers, with one description each. What must hold: the balance; the number
//! of series is bounded, whatever the input.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

use super::agents::Agents;
use super::histogram::Histogram;
use super::integrity::Integrity;
use super::labelled::Labelled;
use super::stalls::Stalls;

/// Series of `qtrail_export_errors_total`. A server can answer any status.
const EXPORT_ERRORS: usize = 64;

/// A counter or a gauge.
#[derive(Debug, Default)]
pub struct Number(AtomicU64);

impl Number {
    /// Adds.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Subtracts (gauges only).
    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Ordering::Relaxed);
    }

    /// Sets (gauges only).
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The current value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All of qtrail's metrics. `read = exported + filtered + duplicate + dead_lettered + in_flight`.
#[derive(Debug, Default)]
#[allow(missing_docs, reason = "ALL and WITH_LABELS describe each")]
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
    pub assembly_held: Number,
    pub assembly_early: Number,
    pub manifest_records: Number,
    /// Files, folders, messages and regions that `--once` left undelivered. It sets the exit code and is not exported.
    pub undelivered: Number,
    pub dead_letters_erased: Number,
    pub dead_letters_waiting: Number,
    /// Seconds between an event's time and its export, of the last chunk; of no use before the first.
    pub lag_seconds: Number,
    /// When the last chunk was exported, in seconds since 1970; 0 before the first.
    pub last_export: Number,
    /// Dead letters by [`qtrail_core::reject::Reason::kind`].
    pub dead_letter_reasons: Reasons,
    /// Durations of export requests, until their answer.
    pub export_duration: Histogram,
    /// Requests that were not accepted.
    pub export_errors: ExportErrors,
    /// What agents did.
    pub agents: Agents,
    /// What verifications found.
    pub integrity: Integrity,
    /// Why events do not move now.
    pub stalls: Stalls,
    /// Cancelled when qtrail stops.
    pub stopping: OnceLock<CancellationToken>,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// The name and the meaning of a metric.
pub struct Description {
    /// Its name in OTLP without `qtrail.`; in Prometheus with `_` instead of `.`.
    pub name: &'static str,
    /// Its type.
    pub metric_type: MetricType,
    /// Its unit in OTLP (UCUM).
    pub unit: &'static str,
    /// Its meaning.
    pub help: &'static str,
    /// Its value.
    pub number: fn(&Metrics) -> &Number,
}

const fn metric(
    name: &'static str,
    metric_type: MetricType,
    unit: &'static str,
    help: &'static str,
    number: fn(&Metrics) -> &Number,
) -> Description {
    Description {
        name,
        metric_type,
        unit,
        help,
        number,
    }
}

/// Every metric that is one number.
#[rustfmt::skip]
pub const ALL: [Description; 37] = [
    metric("events.read", MetricType::Counter, "{event}", "Records found. Always: read = exported + filtered + duplicate + dead_lettered + in_flight.", |m| &m.read),
    metric("events.exported", MetricType::Counter, "{event}", "Events accepted by the collector in every enabled signal.", |m| &m.exported),
    metric("events.filtered", MetricType::Counter, "{event}", "Records that are not selected.", |m| &m.filtered),
    metric("events.duplicate", MetricType::Counter, "{event}", "Events delivered before.", |m| &m.duplicate),
    metric("events.dead_lettered", MetricType::Counter, "{event}", "Records written to the dead letters.", |m| &m.dead_lettered),
    metric("events.in_flight", MetricType::Gauge, "{event}", "Records read and not yet settled.", |m| &m.in_flight),
    metric("units", MetricType::Counter, "{unit}", "Files, objects, requests and pages of events that are done: read to the end, each record delivered, filtered or in the dead letters.", |m| &m.units),
    metric("skipped", MetricType::Counter, "{thing}", "Files, objects and records of a known kind without events: digest files, notices, prompt logs.", |m| &m.skipped),
    metric("inflated_bytes", MetricType::Counter, "By", "Bytes read, after decompression.", |m| &m.inflated_bytes),
    metric("buffered_bytes", MetricType::Gauge, "By", "Bytes of records and payloads in flight, limited by limits.memory.", |m| &m.buffered_bytes),
    metric("export.requests", MetricType::Counter, "{request}", "Requests to the collector, retries included.", |m| &m.export_requests),
    metric("export.retries", MetricType::Counter, "{request}", "Requests that were sent again.", |m| &m.export_retries),
    metric("export.bytes", MetricType::Counter, "By", "Encoded bytes that the collector accepted, before compression.", |m| &m.export_bytes),
    metric("files.pending", MetricType::Gauge, "{file}", "Files found but not yet delivered.", |m| &m.files_pending),
    metric("files.failing", MetricType::Gauge, "{file}", "Pending files that cannot be read, delivered, deleted or moved. They are retried.", |m| &m.files_failing),
    metric("folders.unlisted", MetricType::Gauge, "{folder}", "Folders of the directory that the last walk could not list.", |m| &m.folders_unlisted),
    metric("files.without_events", MetricType::Counter, "{file}", "Files without a selected event.", |m| &m.files_without_events),
    metric("ingest.requests", MetricType::Counter, "{request}", "Requests of senders. Each message of a stream counts.", |m| &m.ingest_requests),
    metric("ingest.refused", MetricType::Counter, "{request}", "Requests and connections refused: no token, a limit, an unavailable collector.", |m| &m.ingest_refused),
    metric("ingest.connections", MetricType::Gauge, "{connection}", "Open connections of senders.", |m| &m.ingest_connections),
    metric("s3.messages", MetricType::Counter, "{message}", "Messages received from SQS queues.", |m| &m.s3_messages),
    metric("s3.messages_deleted", MetricType::Counter, "{message}", "Messages deleted from their queue after all of their objects had settled.", |m| &m.s3_messages_deleted),
    metric("s3.messages_failed", MetricType::Counter, "{message}", "Failed attempts on messages that are invalid or whose object cannot be read.", |m| &m.s3_messages_failed),
    metric("s3.messages_held", MetricType::Gauge, "{message}", "Messages in progress, hidden from other replicas.", |m| &m.s3_messages_held),
    metric("s3.objects", MetricType::Counter, "{object}", "Objects read to their end.", |m| &m.s3_objects),
    metric("s3.objects_skipped", MetricType::Counter, "{object}", "Announced objects that s3.include and s3.exclude omit.", |m| &m.s3_objects_skipped),
    metric("s3.bytes", MetricType::Counter, "By", "Bytes of objects as stored.", |m| &m.s3_bytes),
    metric("sqs.requests", MetricType::Counter, "{request}", "Requests to SQS: receive, change visibility, delete.", |m| &m.sqs_requests),
    metric("event_history.requests", MetricType::Counter, "{request}", "LookupEvents requests.", |m| &m.event_history_requests),
    metric("duplicates.ids", MetricType::Gauge, "{event}", "Remembered ids of delivered events, used to drop duplicates. duplicates.max_ids limits them.", |m| &m.duplicates_ids),
    metric("duplicates.unwritten", MetricType::Gauge, "{event}", "Remembered ids that are not on disk yet. They are written once a second; if the number grows, writing fails.", |m| &m.duplicates_unwritten),
    metric("duplicates.crowded_out", MetricType::Counter, "{event}", "Ids removed before duplicates.max_age because duplicates.max_ids was reached.", |m| &m.duplicates_crowded_out),
    metric("assembly.held", MetricType::Gauge, "{event}", "Events that wait until what they belong to can have arrived (assemble).", |m| &m.assembly_held),
    metric("assembly.early", MetricType::Counter, "{event}", "Events whose place was decided before assembly.window had passed, because too many waited.", |m| &m.assembly_early),
    metric("manifest.records", MetricType::Counter, "{record}", "Manifest records that were delivered (manifest).", |m| &m.manifest_records),
    metric("dead_letters.erased", MetricType::Counter, "{letter}", "Dead letters deleted with the oldest file to free space (dead_letters.when_full: rotate).", |m| &m.dead_letters_erased),
    metric("dead_letters.waiting", MetricType::Gauge, "{sender}", "Senders and inputs paused because there is no space for their dead letters (dead_letters.when_full: wait).", |m| &m.dead_letters_waiting),
];

/// The number of records in each state.
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
    /// Why qtrail is not ready, one line per reason; `None` if it is ready.
    pub fn not_ready(&self) -> Option<String> {
        match self.is_stopping() {
            true => Some("qtrail is stopping: nothing new is read".to_owned()),
            false => self.stalls.not_ready(),
        }
    }

    /// Whether qtrail stops.
    pub fn is_stopping(&self) -> bool {
        let stopping = self.stopping.get();
        stopping.is_some_and(CancellationToken::is_cancelled)
    }

    /// The current balance. While records move, the numbers are from slightly different moments.
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
    /// Whether every record is counted exactly once.
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

/// Requests that the destination did not accept, by its answer.
#[derive(Debug)]
pub struct ExportErrors(pub(super) Labelled<2, u64>);

impl Default for ExportErrors {
    fn default() -> Self {
        ExportErrors(Labelled::new(["code", "signal"], 1, EXPORT_ERRORS))
    }
}

impl ExportErrors {
    /// Counts one.
    pub fn add(&self, code: &str, signal: &str) {
        self.0.add([code, signal], 1);
    }
}

/// Dead letters by the kind of their reason.
#[derive(Debug, Default)]
pub struct Reasons([Number; Reasons::KINDS.len()]);

impl Reasons {
    /// The values of [`qtrail_core::reject::Reason::kind`]; the last counts all others.
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

#[cfg(test)]
mod tests {
    use super::*;
    use qtrail_core::reject::Reason;

    #[test]
    fn the_balance_shows_a_record_that_vanished() {
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
}
