//! OTLP log records that hold CloudTrail events.
//!
//! Enters: an export request, from gRPC or HTTP. Leaves: OTLP's answer, once every event in it has
//! settled. What must hold: a log record counts as rejected only where the answer says so; what is
//! none of CloudTrail's is told, and costs its neighbours nothing.
//!
//! An event is in a log record's body: as text (one record, or a whole file), as bytes, or as a map.
//! Where the record or its resource names the file that it came from, that name tells when the event
//! was delivered, as with files.

mod json;

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

use super::ingest::{Ingest, Refusal, Request, Reserved};
use crate::pipeline::{Content, Report, Text};

/// Attributes that name a file or an object, the best first.
const SOURCES: [&str; 3] = ["log.file.path", "log.file.name", "aws.s3.key"];
/// Refused log records that an answer names.
const NAMED: usize = 5;

/// Delivers the events in a request's log records; the answer, once all of them have settled.
///
/// # Errors
/// As [`Ingest::deliver`].
pub async fn export(
    ingest: &Ingest,
    name: String,
    request: ExportLogsServiceRequest,
    reserved: Reserved,
) -> Result<ExportLogsServiceResponse, Refusal> {
    let texts = texts(request);
    let records = texts.len() as u64;
    let request = Request {
        input: "otlp",
        name,
        source: None,
        content: Content::Texts(texts),
        reserved,
    };
    let report = ingest.deliver(request).await?;
    Ok(answer(report, records))
}

/// The bodies of all log records.
fn texts(request: ExportLogsServiceRequest) -> Vec<Text> {
    let mut texts = Vec::new();
    for logs in request.resource_logs {
        let resource = logs.resource.map(|resource| resource.attributes);
        let shared = source(&resource.unwrap_or_default()).map(Arc::from);
        for record in logs
            .scope_logs
            .into_iter()
            .flat_map(|logs| logs.log_records)
        {
            let own = source(&record.attributes).map(Arc::from);
            texts.push(Text {
                number: texts.len() as u64,
                source: own.or_else(|| shared.clone()),
                bytes: record.body.map(text).unwrap_or_default(),
            });
        }
    }
    // Neighbours of one source are converted together.
    texts.sort_by(|a, b| a.source.cmp(&b.source));
    texts
}

fn source(attributes: &[KeyValue]) -> Option<&str> {
    SOURCES.iter().find_map(|key| {
        let found = attributes.iter().find(|attribute| attribute.key == *key)?;
        match found.value.as_ref()?.value.as_ref()? {
            Value::StringValue(name) if !name.is_empty() => Some(name.as_str()),
            _ => None,
        }
    })
}

/// A body as the bytes of a text.
fn text(body: AnyValue) -> Bytes {
    match body.value {
        None => Bytes::new(),
        Some(Value::StringValue(text)) => text.into(),
        Some(Value::BytesValue(bytes)) => bytes.into(),
        Some(value) => json::text(&value).into(),
    }
}

fn answer(mut report: Report, records: u64) -> ExportLogsServiceResponse {
    let counts = report.counts;
    let rejected = (counts.foreign + counts.dead_lettered).min(records);
    if rejected == 0 {
        return ExportLogsServiceResponse::default();
    }
    let mut message = format!(
        "{} of {records} log records are none of CloudTrail's; {} events were refused, and are in \
         qtrail's dead letters",
        counts.foreign, counts.dead_lettered
    );
    if let Some((rejected, of)) = report.uncertain {
        let _ = write!(
            message,
            "; of {of} of these events the collector refused {rejected} without saying which"
        );
    }
    report.refused.sort_by_key(|(number, _)| *number);
    for (number, reason) in report.refused.iter().take(NAMED) {
        let _ = write!(
            message,
            "; log record {number}: {}: {reason}",
            reason.kind()
        );
    }
    ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: i64::try_from(rejected).unwrap_or(i64::MAX),
            error_message: message,
        }),
    }
}
