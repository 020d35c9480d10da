//! Encoded records, grouped by resource, with their boundaries.

use bytes::Bytes;

use super::Signal;
use crate::convert::{Field, Head, Options, Sink, Value};

/// Encoded records of one signal.
#[derive(Debug, Clone)]
pub struct Payload {
    signal: Signal,
}

impl Payload {
    /// A payload without records.
    pub fn empty(signal: Signal) -> Self {
        Payload { signal }
    }

    /// The signal.
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        0
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of [`Payload::encode`]'s result, in bytes.
    pub fn encoded_len(&self) -> usize {
        0
    }

    /// The event number of each record, in the order in which they are encoded.
    pub fn events(&self) -> impl Iterator<Item = u32> + '_ {
        std::iter::empty()
    }

    /// Takes another payload's records in, their event numbers raised by `base`; groups with equal
    /// resources become one.
    pub fn append(&mut self, _other: Payload, _base: u32) {
        unimplemented!()
    }

    /// Cuts at a record boundary into two halves of about equal size; event numbers stay.
    pub fn split(self) -> (Payload, Payload) {
        unimplemented!()
    }

    /// The bytes of an `ExportLogsServiceRequest` or `ExportTraceServiceRequest`. The same payload
    /// gives the same bytes.
    pub fn encode(&self) -> Bytes {
        unimplemented!()
    }
}

/// What an [`Encoder`] has gathered.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// Log records. Event numbers count the encoder's events from 0.
    pub logs: Payload,
    /// Spans, likewise.
    pub spans: Payload,
    /// How many events were said.
    pub events: u32,
}

/// The sink that encodes both signals at once.
#[derive(Debug)]
pub struct Encoder {
    events: u32,
}

impl Encoder {
    /// An encoder; `options` gives the resource attributes that the user adds.
    pub fn new(_options: &Options) -> Self {
        Encoder { events: 0 }
    }

    /// Bytes encoded so far, both signals together.
    pub fn encoded_len(&self) -> usize {
        0
    }

    /// Takes what was gathered, and starts anew with the buffers' size as a hint.
    pub fn take(&mut self) -> Encoded {
        Encoded {
            logs: Payload::empty(Signal::Logs),
            spans: Payload::empty(Signal::Traces),
            events: self.events,
        }
    }
}

impl Sink for Encoder {
    fn begin(&mut self, _head: &Head<'_>) {}

    fn attribute(&mut self, _field: &'static Field, _value: &Value<'_>) {}

    fn end(&mut self) {
        self.events += 1;
    }
}
