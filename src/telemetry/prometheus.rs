//! Prometheus' text format, version 0.0.4.

use std::fmt::Write;

use super::metrics::{ALL, Histogram, MetricType, Metrics};
use super::stalls::STALLED;
use crate::runtime::build_info;

/// The media type of [`render`]'s result.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics, each with its `HELP` and `TYPE`.
pub(super) fn render(metrics: &Metrics) -> String {
    let mut out = String::with_capacity(8 << 10);
    for metric in &ALL {
        let name = match metric.metric_type {
            MetricType::Counter => format!("{}_total", prefixed(metric.name)),
            MetricType::Gauge => prefixed(metric.name),
        };
        let kind = match metric.metric_type {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
        };
        head(&mut out, &name, kind, metric.help);
        line(&mut out, &name, "", (metric.number)(metrics).get());
    }
    let name = "qtrail_dead_letters_total";
    head(&mut out, name, "counter", "Dead letters by reason.");
    for (reason, count) in metrics.dead_letter_reasons.iter() {
        line(&mut out, name, &format!("{{reason=\"{reason}\"}}"), count);
    }
    let name = "qtrail_stalled";
    head(&mut out, name, "gauge", STALLED);
    for (cause, count) in metrics.stalls.counts() {
        let reason = cause.label();
        line(&mut out, name, &format!("{{reason=\"{reason}\"}}"), count);
    }
    histogram(
        &mut out,
        "qtrail_export_duration_seconds",
        "Duration of export requests, until their answer.",
        &metrics.export_duration,
    );
    let name = "qtrail_build_info";
    head(
        &mut out,
        name,
        "gauge",
        "The running version and its commit.",
    );
    let (version, commit) = (
        build_info::VERSION,
        build_info::commit().unwrap_or_default(),
    );
    let labels = format!("{{version=\"{version}\",commit=\"{commit}\"}}");
    line(&mut out, name, &labels, 1);
    out
}

fn prefixed(name: &str) -> String {
    format!("qtrail_{}", name.replace('.', "_"))
}

fn histogram(out: &mut String, name: &str, help: &str, histogram: &Histogram) {
    head(out, name, "histogram", help);
    for (bound, count) in histogram.cumulative() {
        line(
            out,
            &format!("{name}_bucket"),
            &format!("{{le=\"{bound}\"}}"),
            count,
        );
    }
    line(
        out,
        &format!("{name}_bucket"),
        "{le=\"+Inf\"}",
        histogram.count(),
    );
    line(out, &format!("{name}_sum"), "", histogram.sum());
    line(out, &format!("{name}_count"), "", histogram.count());
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "{name}{labels} {value}");
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_series_has_help_and_type_before_it_and_is_unique() {
        let metrics = Metrics::default();
        metrics.read.add(3);
        let text = render(&metrics);
        let (mut typed, mut helped, mut seen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for line in text.lines() {
            let words: Vec<_> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", "HELP", name, help] => assert!(helped.insert(name) && !help.is_empty()),
                ["#", "TYPE", name, _] => assert!(typed.insert(name)),
                [series, value] => {
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
