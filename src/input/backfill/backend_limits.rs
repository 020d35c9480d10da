//! The limits of back ends on the age of records.
//!
//! Enters: the age of the oldest file. Leaves: the back ends whose limits it exceeds, and the remedy. What must
//! hold: `docs/backends.md` has the same limits; a test compares them.

use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The subject of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The age of log records.
    Logs,
    /// The age of spans.
    Traces,
    /// The age of both.
    Both,
    /// The time between the oldest and the newest log record of one request.
    Request,
}

/// A back end's limit on age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The name in `--backend`.
    pub name: &'static str,
    /// Its name for people; one with several limits may have several.
    pub back_end: &'static str,
    /// The subject.
    pub of: Of,
    /// The greatest age.
    pub limit: Duration,
    /// What happens to older records.
    pub what: &'static str,
    /// The remedy.
    pub remedy: &'static str,
}

/// Documented limits of well-known back ends, by default or by plan.
pub const LIMITS: [Limit; 12] = [
    limit(
        "cloudwatch",
        "Amazon CloudWatch Logs",
        Of::Logs,
        14 * DAY,
        "log records are refused or dropped",
        "read less",
    ),
    limit(
        "cloudwatch",
        "Amazon CloudWatch Logs",
        Of::Request,
        24 * HOUR,
        "requests that span more are refused",
        "--max-spread 24h",
    ),
    limit(
        "dash0",
        "Dash0",
        Of::Both,
        6 * HOUR,
        "older data is refused or dropped",
        "look at your plan",
    ),
    limit(
        "datadog",
        "Datadog",
        Of::Logs,
        18 * HOUR,
        "log records are refused or dropped",
        "read less",
    ),
    limit(
        "dynatrace",
        "Dynatrace",
        Of::Logs,
        24 * HOUR,
        "log records are refused or dropped",
        "read less",
    ),
    limit(
        "dynatrace",
        "Dynatrace",
        Of::Traces,
        HOUR,
        "spans are refused or dropped",
        "--signals logs",
    ),
    limit(
        "jaeger",
        "Jaeger on Elasticsearch",
        Of::Traces,
        72 * HOUR,
        "spans are not found",
        "raise max_span_age",
    ),
    limit(
        "loki",
        "Loki",
        Of::Logs,
        HOUR,
        "lines so much older than the newest of their stream are refused (max_chunk_age / 2)",
        "limits_config.shard_streams.time_sharding_enabled: true",
    ),
    limit(
        "loki",
        "Loki's oldest line",
        Of::Logs,
        7 * DAY,
        "lines are refused (reject_old_samples_max_age)",
        "raise it",
    ),
    limit(
        "sumologic",
        "Sumo Logic",
        Of::Both,
        24 * HOUR,
        "older data is refused or dropped",
        "look at your plan",
    ),
    limit(
        "tempo",
        "Tempo",
        Of::Traces,
        2 * MINUTE,
        "spans are found by id, but hardly by search (ingestion_time_range_slack)",
        "raise it to the age of the oldest file",
    ),
    limit(
        "tempo",
        "Tempo's metrics generator",
        Of::Traces,
        30,
        "spans are not counted (metrics_ingestion_time_range_slack)",
        "raise it, or count log records",
    ),
];

const fn limit(
    name: &'static str,
    back_end: &'static str,
    of: Of,
    seconds: u64,
    what: &'static str,
    remedy: &'static str,
) -> Limit {
    Limit {
        name,
        back_end,
        of,
        limit: Duration::from_secs(seconds),
        what,
        remedy,
    }
}

/// The names in `--backend`.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = LIMITS.iter().map(|limit| limit.name).collect();
    names.dedup();
    names
}

/// The limits that log records or spans of this age exceed, in requests that cover this span of
/// time.
pub fn exceeded(
    age: Duration,
    spread: Option<Duration>,
    logs: bool,
    traces: bool,
) -> impl Iterator<Item = &'static Limit> {
    LIMITS.iter().filter(move |limit| match limit.of {
        Of::Logs => logs && age > limit.limit,
        Of::Traces => traces && age > limit.limit,
        Of::Both => age > limit.limit,
        Of::Request => logs && age > limit.limit && spread.is_none_or(|s| s > limit.limit),
    })
}

/// A time span, for people: its largest unit.
pub fn shown(span: Duration) -> String {
    match span.as_secs() {
        s if s >= 7 * DAY => format!("{} d", s / DAY),
        s if s >= HOUR => format!("{} h", s / HOUR),
        s if s >= MINUTE => format!("{} min", s / MINUTE),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(age: u64, spread: Option<u64>, logs: bool, traces: bool) -> Vec<&'static str> {
        let spread = spread.map(Duration::from_secs);
        exceeded(Duration::from_secs(age), spread, logs, traces)
            .map(|limit| limit.back_end)
            .collect()
    }

    #[test]
    fn only_what_is_exceeded_by_what_is_sent_is_told() {
        assert!(names(30, None, true, true).is_empty());
        assert_eq!(names(HOUR, None, true, false), [""; 0]);
        assert_eq!(names(HOUR + 1, None, true, false), ["Loki"]);
        assert_eq!(
            names(HOUR + 1, None, false, true),
            ["Dynatrace", "Tempo", "Tempo's metrics generator"]
        );
        let old = names(30 * DAY, Some(DAY), true, true);
        assert_eq!(old.len(), LIMITS.len() - 1, "{old:?}");
        assert_eq!(names(30 * DAY, None, true, true).len(), LIMITS.len());
    }

    #[test]
    fn the_documentation_has_the_same_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/backends.md");
        let text = std::fs::read_to_string(path).unwrap();
        for Limit {
            name,
            back_end,
            of,
            limit,
            what,
            remedy,
        } in LIMITS
        {
            let of = match of {
                Of::Logs => "logs",
                Of::Traces => "spans",
                Of::Both => "both",
                Of::Request => "logs of one request",
            };
            let limit = shown(limit);
            let row = format!("| {back_end} | {of} | {limit} | {what} | {remedy} |");
            assert!(text.lines().any(|line| line == row), "no row\n{row}");
            assert!(text.contains(&format!("`{name}`")), "no `{name}`");
        }
    }
}
