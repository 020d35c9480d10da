//! OTLP log records that hold CloudTrail events.
//!
//! Enters: an export request, from gRPC or HTTP. Leaves: OTLP's answer, once every event in it has settled. What
//! must hold: the answer counts every rejected log record; log records without CloudTrail events are rejected and do
//! not affect the others; memory is reserved before a request is decoded into it.
//!
//! The body of a log record holds the event: as text (one record, or a whole file), as bytes, or as a map. If the
//! record or its resource has an attribute with the name of its file, the observed time comes from that name, as for
//! files.
//!
//! A request is decoded one log record at a time: in a tree of messages, two bytes of protobuf would become two
//! hundred.

mod json;
mod protobuf;
#[cfg(test)]
mod tests;
mod texts;
mod value;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceResponse,
};

use crate::dead_letter::OnDamage;
use crate::input::ingest::{self, Ingest, Request, Reserved};
use crate::pipeline::{Content, Report, Text};
use texts::Texts;

/// Rejected log records that an answer names.
const NAMED: usize = 5;

/// The encoding of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Protobuf.
    Protobuf,
    /// OTLP's JSON.
    Json,
}

/// Why a request was not acknowledged.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not an export request.
    #[error("not an OTLP export request: {0}")]
    Malformed(String),
    /// A limit, or an outage.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
}

/// Delivers the events in an inflated request's log records; returns the answer once all have settled. `reserved`
/// covers the request's bytes.
///
/// # Errors
/// As [`Ingest::deliver`], [`ingest::Error::DecodedTooLarge`], and [`Error::Malformed`].
pub async fn export(
    ingest: &Ingest,
    name: String,
    encoding: Encoding,
    request: Bytes,
    reserved: Reserved,
) -> Result<ExportLogsServiceResponse, Error> {
    let texts = Texts::new(ingest.clone(), reserved, request.len());
    let decoding = tokio::task::spawn_blocking(move || decode(encoding, &request, texts));
    let (texts, reserved) = decoding.await.map_err(|_| ingest::Error::Stopping)??;
    let records = texts.len() as u64;
    let request = Request {
        input: "otlp",
        name,
        source: None,
        content: Content::Texts(texts),
        on_damage: OnDamage::KeepWhole,
        reserved,
    };
    let report = ingest.deliver(request).await?;
    Ok(answer(&report, records))
}

/// The bodies of all log records, and the memory reserved for them.
fn decode(
    encoding: Encoding,
    request: &Bytes,
    mut texts: Texts,
) -> Result<(Vec<Text>, Reserved), Error> {
    match encoding {
        Encoding::Protobuf => protobuf::read(request, &mut texts)?,
        Encoding::Json => json::read(request, &mut texts)?,
    }
    Ok(texts.finish()?)
}

impl From<prost::DecodeError> for Error {
    fn from(error: prost::DecodeError) -> Self {
        Error::Malformed(error.to_string())
    }
}

fn answer(report: &Report, records: u64) -> ExportLogsServiceResponse {
    let counts = report.counts;
    let rejected = (counts.foreign + counts.dead_lettered).min(records);
    if rejected == 0 {
        return ExportLogsServiceResponse::default();
    }
    ExportLogsServiceResponse {
        partial_success: Some(ExportLogsPartialSuccess {
            rejected_log_records: i64::try_from(rejected).unwrap_or(i64::MAX),
            error_message: message(report, records),
        }),
    }
}

/// The number of rejected records and the first reasons, as text.
fn message(report: &Report, records: u64) -> String {
    let counts = report.counts;
    let mut parts = Vec::new();
    if counts.foreign > 0 {
        let foreign = counts.foreign;
        parts.push(format!(
            "{foreign} of {records} log records have no CloudTrail event"
        ));
    }
    if counts.dead_lettered > 0 {
        let rejected = counts.dead_lettered;
        parts.push(format!(
            "events rejected, and kept in qtrail's dead letters: {rejected}"
        ));
    }
    if let Some((rejected, of)) = report.uncertain {
        parts.push(format!(
            "the collector rejected {rejected} of {of} events without naming them"
        ));
    }
    for (number, reason) in report.refused.iter().take(NAMED) {
        parts.push(format!("log record {number}: {}: {reason}", reason.kind()));
    }
    parts.join("; ")
}
