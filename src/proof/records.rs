//! A verification as log records and spans: a span for it, one for each region, one for each finding.
//!
//! Enters: what was found. Leaves: the same, at the collector; then it is counted and logged.

mod fields;

use std::borrow::Cow;
use std::sync::Arc;

use qtrail_core::convert::{Attribute, Field, Head, Options, Severity, SpanKind, Value};

use self::fields as names;
use super::attributes::{id, number, resource, text};
use super::verified::{Region, Verified};
use crate::export::{Exporter, Maker, Own};
use crate::integrity::finding::{Finding, Kind};
use crate::integrity::names::rfc3339;
use crate::runtime::clock::now;
use crate::telemetry::metrics::Metrics;

const MAKER: Maker = Maker {
    input: "verify",
    what: "records of a verification",
};
/// Findings of a region that have a span. All of them have a log record.
const SPANS: usize = 100;

/// Delivers what verifications found. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reporter {
    exporter: Exporter,
    options: Arc<Options>,
    metrics: Arc<Metrics>,
}

impl Reporter {
    /// Delivers by this exporter, and counts in these metrics, which have each kind from now on.
    pub(crate) fn new(exporter: Exporter, options: &Options, metrics: Arc<Metrics>) -> Reporter {
        for kind in Kind::ALL.iter().filter(|kind| !kind.is_usual()) {
            metrics.integrity.findings.add([kind.name()], 0);
        }
        Reporter {
            exporter,
            options: Arc::new(super::options(options)),
            metrics,
        }
    }

    /// Returns once all was delivered; `false` if the exporter gave up.
    pub(crate) async fn deliver(&self, verified: &Verified) -> bool {
        if verified.regions.is_empty() {
            return true;
        }
        let records = records(verified).into_iter().map(Ok);
        let write = |(own, text): &(Own, String), encoder: &mut _| {
            own.write(encoder);
            text.clone()
        };
        let delivered = self
            .exporter
            .submit_own(MAKER, &self.options, records, write);
        if delivered.await.is_none() {
            return false;
        }
        self.count(verified);
        log(verified);
        true
    }

    fn count(&self, verified: &Verified) {
        let metrics = &self.metrics.integrity;
        for region in &verified.regions {
            let counts = &region.counts;
            for (kind, count) in &counts.findings {
                metrics.findings.add([kind.name()], *count);
            }
            metrics.failures.add(counts.failures());
            metrics.log_files.add(counts.log_files);
            if let Some((_, to)) = counts.covered {
                let to = u64::try_from(to).unwrap_or_default();
                let names = [&*counts.account, &*counts.region];
                metrics
                    .newest_digest
                    .update(names, |_, newest| *newest = to.max(*newest));
            }
        }
    }
}

fn log(verified: &Verified) {
    let regions = &verified.regions;
    let failures = verified.failures();
    let findings = regions.iter().flat_map(|region| &region.findings);
    match findings.into_iter().find(|found| found.kind.is_failure()) {
        Some(first) => tracing::error!(
            source = verified.source,
            failures,
            "not verified: {}, such as {:?}: {}",
            first.kind.name(),
            first.object,
            first.message.escape_debug()
        ),
        None => {
            let log_files: u64 = regions.iter().map(|region| region.counts.log_files).sum();
            tracing::info!(
                source = verified.source,
                regions = regions.len(),
                log_files,
                "verified"
            );
        }
    }
}

/// Each record, and the text that a dead letter of it has.
fn records(verified: &Verified) -> Vec<(Own, String)> {
    let trace_id: [u8; 16] = hash(&["trace", &verified.name]);
    let root: [u8; 8] = hash(&["verification", &verified.name]);
    let failures = verified.failures();
    let own = Own {
        head: Head {
            error: error(failures),
            log: false,
            ..head(
                "qtrail.integrity",
                (verified.begun, now()),
                (trace_id, root, None),
            )
        },
        attributes: vec![
            with(&names::SOURCE, text(&verified.source)),
            with(&names::FAILURES, number(failures)),
            with(&names::VERIFIED, Value::Bool(failures == 0)),
        ],
    };
    let mut all = vec![(own, letter(&verified.source, "verification", ""))];
    for region in &verified.regions {
        of_region(verified, region, (trace_id, root), &mut all);
    }
    all
}

fn of_region(
    verified: &Verified,
    region: &Region,
    (trace_id, root): ([u8; 16], [u8; 8]),
    all: &mut Vec<(Own, String)>,
) {
    let counts = &region.counts;
    let id = hash(&[
        "region",
        &verified.name,
        &counts.folder,
        &counts.account,
        &counts.region,
    ]);
    let failures = counts.failures();
    let known = |text: &'_ str| (!text.is_empty()).then(|| text.to_owned());
    let (account, name) = (known(&counts.account), known(&counts.region));
    let resource = resource(account.as_deref(), name.as_deref());
    let covered = |time: Option<i64>, field| time.map(|time| with(field, text(rfc3339(time))));
    let (from, to) = (counts.covered.map(|c| c.0), counts.covered.map(|c| c.1));
    let mut attributes = vec![
        with(&names::SOURCE, text(&verified.source)),
        with(&names::VERIFIED, Value::Bool(failures == 0)),
        with(&names::FAILURES, number(failures)),
        with(&names::DIGESTS, number(counts.digests)),
        with(&names::LOG_FILES, number(counts.log_files)),
        with(&names::NOT_YET, number(counts.not_yet)),
    ];
    attributes.extend(covered(from, &names::COVERED_FROM));
    attributes.extend(covered(to, &names::COVERED_TO));
    attributes
        .extend((region.left_out > 0).then(|| with(&names::LEFT_OUT, number(region.left_out))));
    let body = match failures {
        0 => format!(
            "verified: {} log files by {} digests",
            counts.log_files, counts.digests
        ),
        failures => format!("not verified: {failures} findings"),
    };
    let own = Own {
        head: Head {
            resource: resource.clone(),
            severity: match failures {
                0 => Severity::Info,
                _ => Severity::Warn,
            },
            error: error(failures),
            body: Some(Value::Str(body.into())),
            ..head(
                "qtrail.integrity.verification",
                (region.begun, region.ended),
                (trace_id, id, Some(root)),
            )
        },
        attributes,
    };
    all.push((own, letter(&verified.source, "region", &counts.region)));
    for (index, finding) in region.findings.iter().enumerate() {
        let index_text = index.to_string();
        let own_id = hash(&["finding", &hex::encode(id), &index_text]);
        let times = (region.begun, region.ended);
        let own = Own {
            head: Head {
                resource: resource.clone(),
                span: index < SPANS,
                ..of_finding(finding, times, (trace_id, own_id, Some(id)))
            },
            attributes: vec![
                with(&names::SOURCE, text(&verified.source)),
                with(&names::KIND, text(finding.kind.name())),
                with(&names::FAILURE, Value::Bool(finding.kind.is_failure())),
                with(&names::OBJECT, text(&finding.object)),
                with(&names::COUNT, number(finding.count)),
            ],
        };
        all.push((
            own,
            letter(&finding.object, finding.kind.name(), &finding.message),
        ));
    }
}

type Ids = ([u8; 16], [u8; 8], Option<[u8; 8]>);

fn of_finding(finding: &Finding, times: (i64, i64), ids: Ids) -> Head<'static> {
    let is_failure = finding.kind.is_failure();
    Head {
        severity: match is_failure {
            true => Severity::Error,
            false => Severity::Info,
        },
        error: is_failure.then(|| finding.kind.name().into()),
        body: Some(Value::Str(
            format!("{}: {}", finding.object, finding.message).into(),
        )),
        ..head("qtrail.integrity.finding", times, ids)
    }
}

fn head(
    name: &'static str,
    (start, end): (i64, i64),
    (trace_id, span_id, parent): Ids,
) -> Head<'static> {
    Head {
        resource: resource(None, None),
        time: end,
        observed: end,
        start,
        end: end.max(start.saturating_add(1)),
        name: name.into(),
        severity: Severity::Info,
        kind: SpanKind::Internal,
        error: None,
        trace_id,
        span_id,
        parent,
        link: None,
        body: None,
        log: true,
        span: true,
    }
}

fn hash<const N: usize>(parts: &[&str]) -> [u8; N] {
    let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
    id(&parts)
}

fn error(failures: u64) -> Option<Cow<'static, str>> {
    (failures > 0).then(|| format!("{failures} findings").into())
}

fn letter(object: &str, what: &str, message: &str) -> String {
    serde_json::json!({"integrity": what, "object": object, "message": message}).to_string()
}

fn with(field: &'static Field, value: Value<'static>) -> Attribute<'static> {
    Attribute { field, value }
}
