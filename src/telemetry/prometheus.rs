//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use super::histogram::Histogram;
use super::metrics::{ALL, MetricType, Metrics};
use super::process;
use super::with_labels::{LAG, WITH_LABELS};
use crate::runtime::build_info;

/// The media type of [`render`]'s result.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics, each with its `HELP` and `TYPE`.
pub(super) fn render(metrics: &Metrics) -> String {
    let mut out = String::with_capacity(32 << 10);
    for metric in &ALL {
        let name = name(metric.name, metric.metric_type);
        head(&mut out, &name, kind(metric.metric_type), metric.help);
        line(&mut out, &name, &[], (metric.number)(metrics).get());
    }
    for family in &WITH_LABELS {
        let name = name(family.name, family.metric_type);
        head(&mut out, &name, kind(family.metric_type), family.help);
        for sample in (family.samples)(metrics) {
            line(&mut out, &name, &sample.labels, sample.value);
        }
    }
    let [lag, _, help] = LAG;
    let lag = prefixed(lag);
    head(&mut out, &lag, "histogram", help);
    let each = &metrics.agents.lag;
    each.each(|labels, lags| histogram(&mut out, &lag, &labels, &lags.0));
    let duration = "qtrail_export_duration_seconds";
    let help = "Duration of export requests, until their answer.";
    head(&mut out, duration, "histogram", help);
    histogram(&mut out, duration, &[], &metrics.export_duration);
    for metric in &process::METRICS {
        if let Some(value) = (metric.value)() {
            head(&mut out, metric.name, kind(metric.metric_type), metric.help);
            line(&mut out, metric.name, &[], value);
        }
    }
    let name = "qtrail_build_info";
    let help = "The running version and its commit.";
    head(&mut out, name, "gauge", help);
    let commit = build_info::commit().unwrap_or_default().to_owned();
    let labels = [
        ("version", build_info::VERSION.to_owned()),
        ("commit", commit),
    ];
    line(&mut out, name, &labels, 1);
    out
}

/// A label's name and its value.
type Label = (&'static str, String);

fn name(name: &str, metric_type: MetricType) -> String {
    match metric_type {
        MetricType::Counter => format!("{}_total", prefixed(name)),
        MetricType::Gauge => prefixed(name),
    }
}

fn prefixed(name: &str) -> String {
    format!("qtrail_{}", name.replace('.', "_"))
}

fn kind(metric_type: MetricType) -> &'static str {
    match metric_type {
        MetricType::Counter => "counter",
        MetricType::Gauge => "gauge",
    }
}

fn histogram(out: &mut String, name: &str, labels: &[Label], histogram: &Histogram) {
    let bucket = format!("{name}_bucket");
    let within = |bound: String| [labels, &[("le", bound)]].concat();
    for (bound, count) in histogram.cumulative() {
        line(out, &bucket, &within(bound.to_string()), count);
    }
    line(out, &bucket, &within("+Inf".to_owned()), histogram.count());
    line(out, &format!("{name}_sum"), labels, histogram.sum());
    line(out, &format!("{name}_count"), labels, histogram.count());
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &[Label], value: impl std::fmt::Display) {
    out.push_str(name);
    for (at, (name, value)) in labels.iter().enumerate() {
        let before = if at == 0 { '{' } else { ',' };
        let _ = write!(out, "{before}{name}=\"{}\"", escaped(value));
    }
    let end = if labels.is_empty() { "" } else { "}" };
    let _ = writeln!(out, "{end} {value}");
}

/// A label's value, as the format asks.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"");
    value.replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeSet;

    use qtrail_core::convert::{Outcome, Summary};
    use qtrail_core::event::amazon_q::Class;

    use super::*;
    use crate::telemetry::agents::{Facts, Feed};

    /// Counts a denied call to this service, an hour late.
    fn hear_of(metrics: &Metrics, service: &str, region: &str) {
        let mut facts = Facts::default();
        facts.push(&Summary {
            time: 1_000_000_000,
            class: Class::AgentCall,
            outcome: Outcome::Denied,
            is_message: false,
            service: Some(Cow::Borrowed(service)),
            error_code: Some(Cow::Borrowed("AccessDenied")),
            account_id: Some("111122223333"),
            region: Some(region),
            person: None,
            is_known: false,
            is_named: false,
            user: None,
            conversation: None,
        });
        let now = 3_601_000_000_000;
        metrics.agents.count(&facts, &[], 0, Feed::Live, now);
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }

    #[test]
    fn a_value_from_a_record_cannot_end_its_label() {
        let metrics = Metrics::default();
        hear_of(&metrics, "a\"} 9\n\\b", "eu\n\u{1b}[2J\u{202e}");
        let text = render(&metrics);
        has(
            &text,
            r#"qtrail_agent_calls_total{service="a\"} 9\\n\\b",origin="live"} 1"#,
        );
        has(
            &text,
            r#"qtrail_delivery_lag_seconds_count{account="111122223333",region="eu\\n\\u{1b}[2J\\u{202e}"} 1"#,
        );
        assert_eq!(escaped("a\"b\\c\nd"), r#"a\"b\\c\nd"#);
    }

    #[test]
    fn values_that_there_are_not_yet_are_absent() {
        let metrics = Metrics::default();
        let names = [
            "qtrail_newest_event_timestamp_seconds",
            "qtrail_last_export_timestamp_seconds",
            "qtrail_lag_seconds",
        ];
        let count = |text: &str| {
            let lines = text
                .lines()
                .filter(|line| names.iter().any(|name| line.starts_with(name)));
            lines.count()
        };
        assert_eq!(count(&render(&metrics)), 0);
        hear_of(&metrics, "s3", "us-east-1");
        metrics.last_export.set(3_601);
        let text = render(&metrics);
        assert_eq!(count(&text), names.len(), "{text}");
        has(&text, "qtrail_newest_event_timestamp_seconds 1");
        has(&text, "qtrail_last_export_timestamp_seconds 3601");
    }

    #[test]
    fn the_delay_has_buckets_by_account_and_region() {
        let metrics = Metrics::default();
        hear_of(&metrics, "s3", "us-east-1");
        let text = render(&metrics);
        let labels = r#"account="111122223333",region="us-east-1""#;
        for (bound, count) in [("1800", 0), ("3600", 1), ("604800", 1), ("+Inf", 1)] {
            has(
                &text,
                &format!("qtrail_delivery_lag_seconds_bucket{{{labels},le=\"{bound}\"}} {count}"),
            );
        }
        has(
            &text,
            &format!("qtrail_delivery_lag_seconds_sum{{{labels}}} 3600"),
        );
    }

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    const BEGIN: &str = "<!-- all metrics: written from the code by UPDATE_DOCS=1 cargo test -->\n";
    const END: &str = "<!-- the end of all metrics -->\n";

    /// Every metric, as a table.
    fn table() -> String {
        let metrics = Metrics::default();
        hear_of(&metrics, "s3", "us-east-1");
        metrics.last_export.set(1);
        metrics.export_errors.add("UNAVAILABLE", "logs");
        let text = render(&metrics);
        let mut table = "\n| metric | labels | in OTLP | |\n| --- | --- | --- | --- |\n".to_owned();
        for line in text.lines() {
            let Some((name, help)) = line
                .strip_prefix("# HELP ")
                .and_then(|line| line.split_once(' '))
            else {
                continue;
            };
            let series = |line: &&str| {
                line.starts_with(&format!("{name}{{"))
                    || line.starts_with(&format!("{name}_bucket{{"))
            };
            let labels = text
                .lines()
                .find(series)
                .and_then(|line| line.split_once('{'));
            let labels = labels
                .map(|(_, labels)| labels.split('"').step_by(2))
                .into_iter()
                .flatten();
            let labels: Vec<_> = labels
                .filter_map(|part| part.trim_start_matches(',').strip_suffix('='))
                .filter(|label| *label != "le")
                .map(|label| format!("`{label}`"))
                .collect();
            let _ = writeln!(
                table,
                "| `{name}` | {} | {} | {help} |",
                labels.join(", "),
                otlp_name(name)
            );
        }
        table.push('\n');
        table
    }

    fn otlp_name(name: &str) -> String {
        let all = ALL.iter().map(|metric| (metric.name, metric.metric_type));
        let families = WITH_LABELS
            .iter()
            .map(|family| (family.name, family.metric_type));
        let process = process::METRICS.iter().find(|metric| metric.name == name);
        match (
            process,
            all.chain(families)
                .find(|(own, kind)| super::name(own, *kind) == name),
        ) {
            (Some(process), _) => format!("`{}`", process.otlp_name),
            (None, Some((own, _))) => format!("`qtrail.{own}`"),
            (None, None) if prefixed(LAG[0]) == name => format!("`qtrail.{}`", LAG[0]),
            (None, None) => String::new(),
        }
    }

    #[test]
    fn the_page_has_every_metric() {
        let page = std::fs::read_to_string(PAGE).unwrap();
        let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
        let (shown, after) = rest.split_once(END).expect("where the table ends");
        // What Linux tells of the process is on the page on any system.
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(PAGE, [before, BEGIN, &table(), END, after].concat()).unwrap();
        } else {
            for line in table().lines() {
                assert!(
                    shown.lines().any(|l| l == line),
                    "UPDATE_DOCS=1 cargo test adds {line}"
                );
            }
            let rows = |text: &str| text.matches("\n| `").count();
            assert!(
                !cfg!(target_os = "linux") || rows(shown) == rows(&table()),
                "a metric has gone"
            );
        }
    }

    #[test]
    fn every_series_has_help_and_type_before_it_and_is_unique() {
        let metrics = Metrics::default();
        metrics.read.add(3);
        metrics.last_export.set(1);
        hear_of(&metrics, "s3", "us-east-1");
        metrics.export_errors.add("UNAVAILABLE", "logs");
        let text = render(&metrics);
        let (mut typed, mut helped, mut seen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for line in text.lines() {
            let words: Vec<_> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "HELP", name, help] => assert!(helped.insert(name) && !help.is_empty()),
                ["#", "TYPE", name, _] => assert!(typed.insert(name)),
                // A label's value may hold spaces.
                _ if !line.starts_with('#') => {
                    let (series, value) = line.rsplit_once(' ').unwrap();
                    assert!(seen.insert(series), "{series} occurs twice");
                    assert!(value.parse::<f64>().is_ok(), "{line}");
                    let name = series.split('{').next().unwrap();
                    let family = ["_bucket", "_sum", "_count"]
                        .iter()
                        .find_map(|suffix| name.strip_suffix(suffix))
                        .unwrap_or(name);
                    assert!(typed.contains(family) && helped.contains(family), "{line}");
                }
                _ => panic!("{line}"),
            }
        }
        assert!(text.contains("\nqtrail_events_read_total 3\n"), "{text}");
        assert!(text.contains("\nqtrail_events_in_flight 0\n"));
        assert!(text.contains("\nqtrail_dead_letters_total{reason=\"refused\"} 0\n"));
        assert!(seen.len() > ALL.len());
    }

    #[test]
    fn a_histogram_ends_with_all_of_its_counts() {
        let metrics = Metrics::default();
        metrics
            .export_duration
            .record(std::time::Duration::from_secs(100));
        let text = render(&metrics);
        for line in [
            "qtrail_export_duration_seconds_bucket{le=\"60\"} 0",
            "qtrail_export_duration_seconds_bucket{le=\"+Inf\"} 1",
            "qtrail_export_duration_seconds_sum 100",
            "qtrail_export_duration_seconds_count 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }
}
