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
        let event = match self.selector.select(bytes, self.limits.depth) {
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
