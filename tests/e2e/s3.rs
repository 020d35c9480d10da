//! `qtrail run --sqs`, `qtrail backfill s3://…` and `qtrail report s3://…` with real servers.

mod access;
mod backfill;
mod deploy;
mod ends;
mod faults;
mod messages;
mod replicas;
mod report;
mod trust;
mod verify;

use std::collections::BTreeSet;

use qtrail_core::otlp::Signal;

use super::amazon::Amazon;
use crate::support::collector::Collector;
use crate::support::notice;

/// Waits until each of these events has arrived as a log record and as a span.
async fn until_all(collector: &Collector, ids: &BTreeSet<String>) {
    let what = format!("{} events arrived", ids.len());
    collector
        .until(&what, |collector| {
            [Signal::Logs, Signal::Traces].iter().all(|signal| {
                let accepted: BTreeSet<_> = collector.accepted(*signal).into_iter().collect();
                accepted.is_superset(ids)
            })
        })
        .await;
}

/// Each of these events arrived once, and nothing else did.
fn assert_once(collector: &Collector, ids: &BTreeSet<String>) {
    for signal in [Signal::Logs, Signal::Traces] {
        let mut accepted = collector.accepted(signal);
        accepted.sort();
        assert!(
            accepted.iter().eq(ids),
            "{signal:?}: {} arrived, {} were expected; the first difference: {:?}",
            accepted.len(),
            ids.len(),
            accepted.iter().zip(ids).find(|(a, b)| a != b),
        );
    }
}

/// S3's notices, one for each of these objects.
fn notices(amazon: &Amazon, keys: &[String]) -> Vec<String> {
    let each = keys
        .iter()
        .map(|key| notice::s3(&amazon.bucket, std::slice::from_ref(key)));
    each.collect()
}
