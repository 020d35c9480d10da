//! The metrics that have labels, or no value at times.
//!
//! Enters: the metrics. Leaves: [`WITH_LABELS`], from which `/metrics` and OTLP both take names, meanings and values.

use super::labelled::Sample;
use super::metrics::{MetricType, Metrics};
use crate::runtime::clock::now;

/// The name and the meaning of a metric with any number of series.
pub(super) struct Family {
    /// As that of [`Description`](super::metrics::Description).
    pub(super) name: &'static str,
    /// Its type.
    pub(super) metric_type: MetricType,
    /// Its unit in OTLP (UCUM).
    pub(super) unit: &'static str,
    /// Its meaning.
    pub(super) help: &'static str,
    /// Its series.
    pub(super) samples: fn(&Metrics) -> Vec<Sample>,
}

const fn family(
    name: &'static str,
    metric_type: MetricType,
    unit: &'static str,
    help: &'static str,
    samples: fn(&Metrics) -> Vec<Sample>,
) -> Family {
    Family {
        name,
        metric_type,
        unit,
        help,
        samples,
    }
}

/// Name, unit and meaning of the histogram of delays, by account and region.
pub(super) const LAG: [&str; 3] = [
    "delivery.lag_seconds",
    "s",
    "Time from an event to its export, of live events. Beyond 256 series of account and region, both are `other`.",
];

/// Every metric that has labels, or no value at times.
#[rustfmt::skip]
pub(super) const WITH_LABELS: [Family; 17] = [
    family("agent.messages", MetricType::Counter, "{message}", "Messages of people to agents (gen_ai.operation.name is chat). As in all qtrail_agent metrics, only delivered events count, once each; origin is backfill for what the backfill command reads, else live.", |m| m.agents.messages.samples()),
    family("agent.conversations_started", MetricType::Counter, "{conversation}", "Conversations whose first event was delivered. The newest 100,000 are known for 30 days, also after a restart if duplicates.drop is on, so that none counts twice.", |m| m.agents.conversations_started.samples()),
    family("agent.events", MetricType::Counter, "{event}", "Events by qtrail.event.class and qtrail.outcome; with select: all, class other is what no agent did.", |m| m.agents.events.samples()),
    family("agent.calls", MetricType::Counter, "{call}", "API calls by agents for people (classes on_behalf_of and agent_call), by the called service as in peer.service. Beyond 256 series, service is `other`.", |m| m.agents.calls.samples()),
    family("agent.denials", MetricType::Counter, "{event}", "Events of agents with the outcome denied, by service and errorCode. Beyond 512 series, both are `other`.", |m| m.agents.denials.samples()),
    family("agent.active_people", MetricType::Gauge, "{person}", "People (enduser.id) with a live event of an agent in the last hour, by the event's time. 10,000 means that many or more.", |m| Sample::unlabelled(m.agents.active_people(now()))),
    family("agent.active_conversations", MetricType::Gauge, "{conversation}", "Conversations with a live event in the last hour, by the event's time. 10,000 means that many or more.", |m| Sample::unlabelled(m.agents.active_conversations(now()))),
    family("newest_event.timestamp_seconds", MetricType::Gauge, "s", "Time of the newest live event that was delivered, in seconds since 1970. Absent until there is one.", |m| m.agents.newest().and_then(seconds).map(Sample::unlabelled).unwrap_or_default()),
    family("last_export.timestamp_seconds", MetricType::Gauge, "s", "When events were last delivered, in seconds since 1970. Absent until there are any.", |m| exported(m, m.last_export.get())),
    family("lag_seconds", MetricType::Gauge, "s", "Deprecated: seconds between an event's time and its export, of the last batch; it stays the same while nothing arrives. Absent until there is a batch. Use qtrail_delivery_lag_seconds.", |m| exported(m, m.lag_seconds.get())),
    family("ready", MetricType::Gauge, "1", "1 if /readyz answers 200, 0 if it answers 503.", |m| Sample::unlabelled(m.not_ready().is_none().into())),
    family("export.errors", MetricType::Counter, "{request}", "Requests that were not accepted, by signal and by code: of gRPC, of HTTP, or connect, connection, timeout, partial_success, write. Beyond 64 series, code is `other`.", |m| m.export_errors.0.samples()),
    family("integrity.findings", MetricType::Counter, "{finding}", "Findings of verifications by kind, as in [proof.md](proof.md#findings). Absent without `verify`.", |m| m.integrity.findings.samples()),
    family("integrity.log_files", MetricType::Counter, "{file}", "Log files that were verified. Absent without `verify`.", |m| m.integrity.verified_log_files()),
    family("integrity.newest_digest.timestamp_seconds", MetricType::Gauge, "s", "Up to when verified digests of an account and region reach, in seconds since 1970. CloudTrail writes a digest every hour. Absent until one was verified. Beyond 256 series, both are `other`.", |m| m.integrity.newest_digest.samples()),
    family("dead_letters", MetricType::Counter, "{event}", "Dead letters by reason.", reasons),
    family("stalled", MetricType::Gauge, "{thing}", "Stalls that keep events from moving now, by reason; /readyz has the details.", stalls),
];

fn reasons(metrics: &Metrics) -> Vec<Sample> {
    let reasons = metrics.dead_letter_reasons.iter();
    reasons
        .map(|(reason, count)| by_reason(reason, count))
        .collect()
}

fn stalls(metrics: &Metrics) -> Vec<Sample> {
    let causes = metrics.stalls.counts().into_iter();
    causes
        .map(|(cause, count)| by_reason(cause.label(), count))
        .collect()
}

fn by_reason(reason: &str, value: u64) -> Sample {
    Sample {
        labels: vec![("reason", reason.to_owned())],
        value,
    }
}

/// A value that there is once something was exported.
fn exported(metrics: &Metrics, value: u64) -> Vec<Sample> {
    match metrics.last_export.get() {
        0 => Vec::new(),
        _ => Sample::unlabelled(value),
    }
}

fn seconds(nanos: i64) -> Option<u64> {
    u64::try_from(nanos / 1_000_000_000).ok()
}
