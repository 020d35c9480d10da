//! Converts a whole CloudTrail file, or one record at a time.
//!
//! Enters: bytes, and the name that CloudTrail gave the file. Leaves: OTLP requests, and a reject for
//! each record that cannot be read. What must hold: each record is exported, filtered or rejected.

use std::convert::Infallible;

use crate::convert::{self, Attribute, Options, Placement, Sink};
use crate::envelope::log_file::{LogFile, LogRecord};
use crate::envelope::{Item, Limits, open};
use crate::event::Event;
use crate::event::amazon_q::{Lists, Met, Select, Selector};
use crate::otlp::{Encoded, Encoder};
use crate::reject::{Evidence, Position, Reason, Reject};

/// The largest request in [`Converted`], in bytes. A single record larger than this is a request of its
/// own.
pub const REQUEST_BYTES: usize = 2 << 20;

/// Converts CloudTrail records to OTLP log records and spans.
///
/// The default selects Amazon Q's events, masks secrets, and has the limits of qtrail's defaults.
/// Change its fields for anything else:
///
/// ```
/// use qtrail_core::Converter;
/// use qtrail_core::convert::Body;
///
/// let mut converter = Converter::default();
/// converter.options.body = Body::None; // attributes only
/// converter.options.traces = false; // log records only
/// let file = br#"{"eventTime": "2024-04-10T14:07:55Z", "eventSource": "q.amazonaws.com",
///     "eventName": "SendMessage"}"#;
/// let converted = converter.convert_file(file, "");
/// assert_eq!((converted.logs.len(), converted.spans.len()), (1, 0));
/// ```
#[derive(Debug, Clone)]
pub struct Converter {
    /// The largest file and record to read.
    pub limits: Limits,
    /// Which events to export.
    pub selector: Selector,
    /// How to convert them.
    pub options: Options,
}

/// The result of [`Converter::convert_file`].
#[derive(Debug, Default)]
pub struct Converted {
    /// Encoded `ExportLogsServiceRequest`s (protobuf), each to send to `/v1/logs` or over gRPC.
    pub logs: Vec<Vec<u8>>,
    /// Encoded `ExportTraceServiceRequest`s (protobuf), each to send to `/v1/traces` or over gRPC.
    pub spans: Vec<Vec<u8>>,
    /// Events in these requests. An event that the file holds twice counts twice, with equal ids.
    pub exported: u64,
    /// Records that the selector did not select.
    pub filtered: u64,
    /// Records that cannot be read, each with its reason, position and bytes.
    pub rejects: Vec<Reject>,
}

/// The result for one record. `E` is the caller's reason for not converting a selected event.
#[derive(Debug)]
pub enum RecordOutcome<E = Infallible> {
    /// The sink received the event.
    Converted {
        /// Its `eventID`.
        event_id: Option<String>,
    },
    /// The selector did not select it.
    Filtered,
    /// The caller's function returned this error instead of a placement; the sink received nothing.
    Unplaced(E),
    /// It cannot be read; the sink received nothing.
    Rejected(Reject),
}

impl Default for Converter {
    fn default() -> Self {
        Converter {
            limits: Limits::default(),
            selector: Selector::new(Select::AmazonQ, &Lists::default()),
            options: Options::default(),
        }
    }
}

impl Converter {
    /// Converts a whole file, in any container that CloudTrail's events come in, gzip or not.
    ///
    /// `name` is the file's name or S3 key as CloudTrail wrote it. It gives the observed time and the
    /// attribute `aws.organization.id`; with any other name, or an empty one, the observed time is
    /// `eventTime` and the attribute is absent.
    ///
    /// It never fails: records that cannot be read are in [`Converted::rejects`], and so is damage to the
    /// file itself. All requests and rejects are in memory; [`Limits::inflated_bytes`] bounds their sum.
    pub fn convert_file(&self, bytes: &[u8], name: &str) -> Converted {
        let mut file = FileConversion {
            converter: self,
            observed: convert::observed_time(name, None),
            organization: convert::organization(name),
            encoder: Encoder::new(&self.options),
            converted: Converted::default(),
        };
        let mut log_file = LogFile::default();
        let rest = match log_file.read(bytes, &self.limits) {
            true => file.log_file(&log_file),
            false => Some(0),
        };
        if let Some(from) = rest {
            file.any(bytes, from);
        }
        file.converted.add(file.encoder.take());
        file.converted
    }

    /// Converts one record into a sink, with the placement that its own fields give.
    ///
    /// `position` is copied into a reject. `observed` is the observed time in nanoseconds since 1970, see
    /// [`observed_time`](convert::observed_time).
    pub fn convert_record(
        &self,
        bytes: &[u8],
        position: Position,
        observed: Option<i64>,
        sink: &mut impl Sink,
    ) -> RecordOutcome {
        let place = |event: &Event<'_>| Ok(Placement::of(event));
        self.convert_record_with(bytes, position, observed, place, sink)
    }

    /// Converts one record into a sink, with a placement by the caller: `place` receives each selected
    /// event and returns its placement, or the reason not to convert it.
    pub fn convert_record_with<E>(
        &self,
        bytes: &[u8],
        position: Position,
        observed: Option<i64>,
        place: impl FnOnce(&Event<'_>) -> Result<Placement, E>,
        sink: &mut impl Sink,
    ) -> RecordOutcome<E> {
        let (mut canonical, depth) = (Vec::new(), self.limits.depth);
        match self.selector.select_any(bytes, &mut canonical, depth) {
            Ok(event) => self.convert_event_with(event, observed, place, sink),
            Err(reason) => RecordOutcome::Rejected(Reject {
                position,
                reason: reason.offset_by(position.offset),
                evidence: Evidence::Bytes(bytes.to_vec()),
            }),
        }
    }

    /// Like [`Converter::convert_record_with`], for a record of a log file that was read as a whole: one of
    /// the [`candidates`](Selector::candidates).
    ///
    /// # Errors
    /// Those of [`Selector::select_candidate`]: only [`open`] tells what such a record is.
    pub fn convert_candidate_with<E>(
        &self,
        record: &LogRecord<'_>,
        observed: Option<i64>,
        place: impl FnOnce(&Event<'_>) -> Result<Placement, E>,
        sink: &mut impl Sink,
    ) -> Result<RecordOutcome<E>, Reason> {
        let event = self.selector.select_candidate(record, self.limits.depth)?;
        Ok(self.convert_event_with(event, observed, place, sink))
    }

    fn convert_event_with<E>(
        &self,
        event: Option<Event<'_>>,
        observed: Option<i64>,
        place: impl FnOnce(&Event<'_>) -> Result<Placement, E>,
        sink: &mut impl Sink,
    ) -> RecordOutcome<E> {
        let Some(event) = event else {
            return RecordOutcome::Filtered;
        };
        let placement = match place(&event) {
            Ok(placement) => placement,
            Err(why) => return RecordOutcome::Unplaced(why),
        };
        let event_id = event.id().map(|id| id.into_owned());
        convert::convert(event, &placement, observed, &self.options, sink);
        RecordOutcome::Converted { event_id }
    }
}

/// A file that is being converted.
struct FileConversion<'c> {
    converter: &'c Converter,
    observed: Option<i64>,
    organization: Option<Attribute<'static>>,
    encoder: Encoder,
    converted: Converted,
}

impl FileConversion<'_> {
    /// Converts a log file's records up to the first that cannot be read in this way: its offset.
    fn log_file(&mut self, file: &LogFile) -> Option<u64> {
        for met in self.converter.selector.walk(file) {
            let record = match met {
                Met::Candidate(record) => record,
                Met::Unwanted(records) => {
                    self.converted.filtered += records;
                    continue;
                }
            };
            let organization = self.organization.as_ref();
            let outcome = self.converter.convert_candidate_with(
                &record,
                self.observed,
                |event| Ok::<_, Infallible>(Placement::of(event).within(organization)),
                &mut self.encoder,
            );
            match outcome {
                Ok(outcome) => self.count(outcome),
                Err(_) => return Some(record.position.offset),
            };
        }
        None
    }

    /// Converts the records of a file in any container, from an offset on.
    fn any(&mut self, bytes: &[u8], from: u64) {
        let mut records = open(bytes, &self.converter.limits);
        // Reading from memory cannot fail.
        while let Ok(Some(item)) = records.next() {
            let reject = match item {
                Item::Record { position, bytes } if position.offset >= from => {
                    self.record(bytes, position)
                }
                Item::Reject(reject) if reject.position.offset >= from => Some(reject),
                Item::Record { .. } | Item::Reject(_) | Item::Skipped(_) => None,
            };
            self.converted.rejects.extend(reject);
        }
    }

    fn record(&mut self, bytes: &[u8], position: Position) -> Option<Reject> {
        let organization = self.organization.as_ref();
        let outcome = self.converter.convert_record_with(
            bytes,
            position,
            self.observed,
            |event| Ok::<_, Infallible>(Placement::of(event).within(organization)),
            &mut self.encoder,
        );
        self.count(outcome)
    }

    fn count(&mut self, outcome: RecordOutcome) -> Option<Reject> {
        match outcome {
            RecordOutcome::Converted { .. } => self.converted.exported += 1,
            RecordOutcome::Filtered => self.converted.filtered += 1,
            RecordOutcome::Rejected(reject) => return Some(reject),
            RecordOutcome::Unplaced(never) => match never {},
        }
        if self.encoder.encoded_len() >= REQUEST_BYTES {
            self.converted.add(self.encoder.take());
        }
        None
    }
}

impl Converted {
    fn add(&mut self, encoded: Encoded) {
        for (requests, payload) in [
            (&mut self.logs, encoded.logs),
            (&mut self.spans, encoded.spans),
        ] {
            let mut waiting = vec![payload];
            while let Some(payload) = waiting.pop() {
                if payload.encoded_len() > REQUEST_BYTES && payload.len() > 1 {
                    let (first, second) = payload.split();
                    waiting.extend([second, first]);
                } else if !payload.is_empty() {
                    requests.push(payload.encode().into());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use prost::Message;

    use super::*;

    const NAME: &str = "AWSLogs/o-abcde12345/111122223333/CloudTrail/us-east-1/2026/01/31/\
                        111122223333_CloudTrail_us-east-1_20260131T1210Z_abcdefghijklmnop.json.gz";

    fn event(source: &str, id: &str, text: &str) -> String {
        format!(
            r#"{{"eventVersion":"1.11","eventTime":"2026-01-31T12:00:00Z","eventSource":"{source}",
            "eventName":"SendMessage","eventID":"{id}","requestParameters":{{"text":"{text}"}}}}"#
        )
    }

    #[test]
    fn each_record_of_a_file_is_exported_filtered_or_rejected() {
        let records = [
            event("q.amazonaws.com", "a", ""),
            event("s3.amazonaws.com", "b", ""),
            event("q.amazonaws.com", "c", "").replace("2026-01-31T12:00:00Z", "soon"),
            event("q.amazonaws.com", "d", ""),
        ];
        let file = format!(r#"{{"Records":[{}]}}"#, records.join(","));
        let converted = Converter::default().convert_file(file.as_bytes(), NAME);
        assert_eq!((converted.exported, converted.filtered), (2, 1));
        let kinds: Vec<_> = converted.rejects.iter().map(|r| r.reason.kind()).collect();
        assert_eq!(kinds, ["bad_time"]);
        let logs = ExportLogsServiceRequest::decode(&converted.logs[0][..]).unwrap();
        let log = &logs.resource_logs[0].scope_logs[0].log_records[0];
        let has = |name: &str| log.attributes.iter().any(|pair| pair.key == name);
        assert!(has("aws.organization.id"), "the name has it");
        // 2026-01-31T12:10:00Z, when the file was delivered.
        assert_eq!(log.observed_time_unix_nano, 1_769_861_400_000_000_000);
    }

    #[test]
    fn requests_are_bounded() {
        let text = "x".repeat(100_000);
        let lines =
            (0..60).map(|n| event("q.amazonaws.com", &n.to_string(), &text).replace('\n', ""));
        let lines: Vec<_> = lines.collect();
        let converted = Converter::default().convert_file(lines.join("\n").as_bytes(), "");
        assert_eq!((converted.exported, converted.rejects.len()), (60, 0));
        assert!(converted.logs.len() > 1);
        let all = converted.logs.iter().chain(&converted.spans);
        assert!(all.clone().all(|request| request.len() <= REQUEST_BYTES));
        let spans = converted.spans.iter().map(|request| {
            let request = ExportTraceServiceRequest::decode(&request[..]).unwrap();
            request.resource_spans[0].scope_spans[0].spans.len()
        });
        assert_eq!(spans.sum::<usize>(), 60);
    }
}
