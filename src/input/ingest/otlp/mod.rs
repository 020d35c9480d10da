//! OTLP log records that hold CloudTrail events.
//!
//! Enters: an export request, from gRPC or HTTP. Leaves: OTLP's answer, once every event in it has
//! settled. What must hold: a log record counts as rejected only where the answer says so; what is
//! none of CloudTrail's is told, and costs its neighbours nothing; what a request is decoded into
//! takes no more memory than there is room for.
//!
//! An event is in a log record's body: as text (one record, or a whole file), as bytes, or as a map.
//! Where the record or its resource names the file that it came from, that name tells when the event
//! was delivered, as with files.
//!
//! A request is decoded one log record at a time: two bytes of protobuf would be two hundred of a
//! tree of messages.

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

/// Refused log records that an answer names.
const NAMED: usize = 5;

/// How a request is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Protobuf.
    Protobuf,
    /// Protobuf's JSON, as OTLP has it.
    Json,
}

/// Why a request was not acknowledged.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no export request.
    #[error("not an OTLP export request: {0}")]
    Malformed(String),
    /// As for any request.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
}

/// Delivers the events in the log records of a request as it arrived, inflated; `reserved` is room for
/// its bytes. The answer, once all of them have settled.
///
/// # Errors
/// As [`Ingest::deliver`], [`ingest::Error::DecodedTooLarge`], and [`Error::Malformed`].
pub async fn export(
    ingest: &Ingest,
    name: String,
    form: Form,
    request: Bytes,
    reserved: Reserved,
) -> Result<ExportLogsServiceResponse, Error> {
    let texts = Texts::new(ingest.clone(), reserved, request.len());
    let decoding = tokio::task::spawn_blocking(move || decode(form, &request, texts));
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

/// The bodies of all log records, and the room that they take.
fn decode(form: Form, request: &Bytes, mut texts: Texts) -> Result<(Vec<Text>, Reserved), Error> {
    match form {
        Form::Protobuf => protobuf::read(request, &mut texts)?,
        Form::Json => json::read(request, &mut texts)?,
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

/// What was rejected, for people.
fn message(report: &Report, records: u64) -> String {
    let counts = report.counts;
    let mut parts = Vec::new();
    if counts.foreign > 0 {
        let foreign = counts.foreign;
        parts.push(format!(
            "{foreign} of {records} log records hold nothing of CloudTrail's"
        ));
    }
    if counts.dead_lettered > 0 {
        let refused = counts.dead_lettered;
        parts.push(format!(
            "events refused, and kept in qtrail's dead letters: {refused}"
        ));
    }
    if let Some((rejected, of)) = report.uncertain {
        parts.push(format!(
            "of {of} events the collector refused {rejected} without saying which"
        ));
    }
    for (number, reason) in report.refused.iter().take(NAMED) {
        parts.push(format!("log record {number}: {}: {reason}", reason.kind()));
    }
    parts.join("; ")
}
