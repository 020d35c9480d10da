//! A CloudTrail file in one call, and one record at a time.
//!
//! Enters: bytes, and the name that CloudTrail gave their file. Leaves: OTLP requests, and a reject
//! for each record that cannot be one. What must hold: each record is exported, not selected, or
//! rejected.

use std::convert::Infallible;

use crate::convert::{self, Options, Placement, Sink};
use crate::envelope::{Item, Limits, open};
use crate::event::Event;
use crate::event::amazon_q::{Lists, Select, Selector};
use crate::otlp::{Encoded, Encoder};
use crate::reject::{Evidence, Position, Reject};

/// A request of [`Converted`] takes no more bytes, unless it holds one record alone.
pub const REQUEST_BYTES: usize = 2 << 20;

/// Converts records. The default selects Amazon Q's events and has the limits of qtrail's defaults.
#[derive(Debug, Clone)]
pub struct Converter {
    /// Bounds on a file and its records.
    pub limits: Limits,
    /// Which events are exported.
    pub selector: Selector,
    /// How they are converted.
    pub options: Options,
}

/// What a file became.
#[derive(Debug, Default)]
pub struct Converted {
    /// `ExportLogsServiceRequest`s in protobuf, for `/v1/logs` or gRPC.
    pub logs: Vec<Vec<u8>>,
    /// `ExportTraceServiceRequest`s in protobuf, for `/v1/traces` or gRPC.
    pub spans: Vec<Vec<u8>>,
    /// Events in these requests. One that the file holds twice counts twice, with equal ids.
    pub exported: u64,
    /// Records that were not selected.
    pub filtered: u64,
    /// Records that cannot be read, with the reason, the place and the bytes.
    pub rejects: Vec<Reject>,
}

/// What became of one record. `E`: why an event may have no placement.
#[derive(Debug)]
pub enum Verdict<E = Infallible> {
    /// The sink received it.
    Converted {
        /// `eventID`.
        event_id: Option<String>,
    },
    /// Not selected.
    Filtered,
    /// Selected, but it has no placement: the sink did not receive it.
    Unplaced(E),
    /// It cannot be read.
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
    /// Converts a whole file, in any of CloudTrail's containers, compressed or not.
    ///
    /// `name` is the file's name or S3 key, as CloudTrail wrote it: it tells when the file was delivered
    /// and which organization it belongs to. Any other name, or none, tells neither. Memory holds the
    /// requests and the rejects; [`Limits::inflated_bytes`] bounds both.
    pub fn convert_file(&self, bytes: &[u8], name: &str) -> Converted {
        let observed = convert::observed_time(name, None);
        let organization = convert::organization(name);
        let place = |event: &Event<'_>| {
            Ok::<_, Infallible>(Placement::of(event).within(organization.as_ref()))
        };
        let mut encoder = Encoder::new(&self.options);
        let mut converted = Converted::default();
        let mut records = open(bytes, &self.limits);
        loop {
            let (bytes, position) = match records.next() {
                Ok(Some(Item::Record { position, bytes })) => (bytes, position),
                Ok(Some(Item::Reject(reject))) => {
                    converted.rejects.push(reject);
                    continue;
                }
                Ok(Some(Item::Skipped(_))) => continue,
                // Reading from memory cannot fail.
                Ok(None) | Err(_) => break,
            };
            match self.place(bytes, position, observed, place, &mut encoder) {
                Verdict::Converted { .. } => converted.exported += 1,
                Verdict::Filtered => converted.filtered += 1,
                Verdict::Rejected(reject) => converted.rejects.push(reject),
                Verdict::Unplaced(never) => match never {},
            }
            if encoder.encoded_len() >= REQUEST_BYTES {
                converted.add(encoder.take());
            }
        }
        converted.add(encoder.take());
        converted
    }

    /// Converts one record into a sink; its event has the placement of its own fields.
    pub fn record(
        &self,
        bytes: &[u8],
        position: Position,
        observed: Option<i64>,
        sink: &mut impl Sink,
    ) -> Verdict {
        let own = |event: &Event<'_>| Ok(Placement::of(event));
        self.place(bytes, position, observed, own, sink)
    }

    /// Converts one record into a sink. `place` gives a selected event its placement, or says why it has
    /// none.
    pub fn place<E>(
        &self,
        bytes: &[u8],
        position: Position,
        observed: Option<i64>,
        place: impl FnOnce(&Event<'_>) -> Result<Placement, E>,
        sink: &mut impl Sink,
    ) -> Verdict<E> {
        let (mut canonical, depth) = (Vec::new(), self.limits.depth);
        let event = match self.selector.select_any(bytes, &mut canonical, depth) {
            Ok(Some(event)) => event,
            Ok(None) => return Verdict::Filtered,
            Err(reason) => {
                let reject = Reject {
                    position,
                    reason: reason.offset_by(position.offset),
                    evidence: Evidence::Bytes(bytes.to_vec()),
                };
                return Verdict::Rejected(reject);
            }
        };
        let placement = match place(&event) {
            Ok(placement) => placement,
            Err(why) => return Verdict::Unplaced(why),
        };
        let event_id = event.id().map(|id| id.into_owned());
        convert::convert(event, &placement, observed, &self.options, sink);
        Verdict::Converted { event_id }
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
        assert!(has("aws.organization.id"), "the name tells it");
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
