//! A sink that encodes log records and spans.

use std::borrow::Cow;
use std::collections::HashMap;

use super::payload::{Bound, Group, Payload, RECORD};
use super::{Signal, log, resource, span, value, wire};
use crate::convert::{Field, Head, On, Options, ResourceKey, Sink, Value};

/// Initial capacity of the first group's buffers, for log records and spans. Capacity that is never
/// written to takes no memory; a buffer that grows from nothing is copied at each step.
const FIRST_BYTES: (usize, usize) = (256 << 10, 128 << 10);

/// Size of a usual record, whose length takes two bytes.
const USUAL_RECORD: usize = 2048;

/// The payloads of an [`Encoder`].
#[derive(Debug, Clone)]
pub struct Encoded {
    /// Log records. Event numbers count the encoder's events from 0.
    pub logs: Payload,
    /// Spans, with the same event numbers.
    pub spans: Payload,
    /// How many events the encoder received.
    pub events: u32,
}

impl Encoded {
    /// The latest event time, in nanoseconds since 1970.
    pub fn newest(&self) -> Option<i64> {
        let times = [self.logs.times(), self.spans.times()];
        times.into_iter().flatten().map(|(_, latest)| latest).max()
    }
}

/// A sink that encodes log records and spans in OTLP's protobuf form as it receives them.
///
/// See the [module](super) for an example.
#[derive(Debug)]
pub struct Encoder {
    /// Resource attributes to add.
    user: Vec<(String, String)>,
    groups: Vec<Groups>,
    by_key: HashMap<ResourceKey<'static>, usize>,
    /// The group of the current or the last event.
    current: usize,
    log: Record,
    span: Record,
    shared: Shared,
    time: i64,
    events: u32,
    bytes: usize,
    /// Capacity of the first group's buffers, as the last `take` learned it.
    capacity: (usize, usize),
}

/// The unfinished record of the current event in one signal.
#[derive(Debug, Default)]
struct Record {
    /// The records of the event's group, and behind them this one: taken out of the group while it is written.
    records: Vec<u8>,
    /// Its length is still to be written; `None` if the event has no such record.
    open: Option<wire::Open>,
}

impl Record {
    fn begin(&mut self, group: &mut Group, wanted: bool) -> Option<&mut Vec<u8>> {
        if !wanted {
            return None;
        }
        self.records = std::mem::take(&mut group.records);
        self.open = Some(wire::open(&mut self.records, RECORD, USUAL_RECORD));
        Some(&mut self.records)
    }

    /// Returns the records to the group. Returns the bytes of this one, if the event has it.
    fn end(&mut self, group: &mut Group, event: u32, time: i64) -> usize {
        let Some(open) = self.open.take() else {
            return 0;
        };
        wire::close(&mut self.records, open);
        let before = group.bounds.last().map_or(0, |bound| bound.end);
        let end = self.records.len();
        group.records = std::mem::take(&mut self.records);
        group.bounds.push(Bound { end, event, time });
        end - before
    }
}

/// The last attributes of the log record, if the span has them too and does not hold them yet: where each of
/// them begins.
#[derive(Debug, Default)]
struct Shared(Vec<usize>);

impl Shared {
    /// Copies them to the span, all at once.
    fn copy(&mut self, log: &[u8], span: &mut Vec<u8>) {
        let Some(&first) = self.0.first() else {
            return;
        };
        let end = span.len();
        span.extend_from_slice(&log[first..]);
        let copied = &mut span[end..];
        for start in &self.0 {
            copied[start - first] = span::ATTRIBUTE;
        }
        self.0.clear();
    }
}

/// The records of one resource, in both signals.
#[derive(Debug)]
struct Groups {
    key: ResourceKey<'static>,
    logs: Group,
    spans: Group,
}

impl Encoder {
    /// An encoder that adds the resource attributes of `options`.
    pub fn new(options: &Options) -> Self {
        Encoder::with_size_hint(options, usize::MAX)
    }

    /// An encoder for about `bytes` of records, so that a few of them take little memory.
    pub fn with_size_hint(options: &Options, bytes: usize) -> Self {
        let (logs, spans) = FIRST_BYTES;
        let first = |bytes: usize| bytes.saturating_mul(3);
        Encoder {
            user: options.resource.clone(),
            groups: Vec::new(),
            by_key: HashMap::new(),
            current: 0,
            log: Record::default(),
            span: Record::default(),
            shared: Shared::default(),
            time: 0,
            events: 0,
            bytes: 0,
            capacity: (first(bytes).min(logs), first(bytes).min(spans)),
        }
    }

    /// Bytes of records encoded so far, both signals together, without their resources.
    pub fn encoded_len(&self) -> usize {
        self.bytes
    }

    /// Takes the payloads and leaves an empty encoder, which keeps the buffers' size as a hint.
    pub fn take(&mut self) -> Encoded {
        let groups = std::mem::take(&mut self.groups);
        if let Some(first) = groups.first() {
            // With some slack, so that a slightly larger group does not move its bytes.
            let hint = |group: &Group| group.records.len() + group.records.len() / 8;
            self.capacity = (hint(&first.logs), hint(&first.spans));
        }
        self.by_key.clear();
        self.bytes = 0;
        let (logs, spans): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .map(|groups| (groups.logs, groups.spans))
            .unzip();
        let payload = |signal, mut groups: Vec<Group>| {
            groups.retain(|group| !group.bounds.is_empty());
            Payload::of(signal, groups)
        };
        Encoded {
            logs: payload(Signal::Logs, logs),
            spans: payload(Signal::Traces, spans),
            events: std::mem::take(&mut self.events),
        }
    }

    /// The index of a resource's group.
    fn group(&mut self, key: &ResourceKey<'_>) -> usize {
        if self
            .groups
            .get(self.current)
            .is_some_and(|groups| groups.key == *key)
        {
            return self.current;
        }
        // Shortens the keys' lifetime, so that `get` takes a borrowed key.
        let by_key: &HashMap<ResourceKey<'_>, usize> = &self.by_key;
        if let Some(&group) = by_key.get(key) {
            return group;
        }
        let key = owned(key);
        let resource = resource::encode(&key, &self.user);
        let (logs, spans) = if self.groups.is_empty() {
            self.capacity
        } else {
            (0, 0)
        };
        self.by_key.insert(key.clone(), self.groups.len());
        self.groups.push(Groups {
            key,
            logs: Group::new(resource.clone(), logs),
            spans: Group::new(resource, spans),
        });
        self.groups.len() - 1
    }

    /// Where an attribute of the current event is written, and under which protobuf key: in the log record, from
    /// which the span's are copied, or in the span.
    #[inline]
    fn records(&mut self, on: On) -> Option<(&mut Vec<u8>, u8)> {
        let log = self.log.open.is_some() && on != On::Span;
        let span = self.span.open.is_some() && on != On::Log;
        match (log, span) {
            (true, true) => self.shared.0.push(self.log.records.len()),
            (false, false) => return None,
            _ => self.shared.copy(&self.log.records, &mut self.span.records),
        }
        Some(match log {
            true => (&mut self.log.records, log::ATTRIBUTE),
            false => (&mut self.span.records, span::ATTRIBUTE),
        })
    }
}

impl Sink for Encoder {
    fn begin(&mut self, head: &Head<'_>) {
        self.current = self.group(&head.resource);
        self.time = head.time;
        let Groups { logs, spans, .. } = &mut self.groups[self.current];
        if let Some(records) = self.log.begin(logs, head.log) {
            log::head(records, head);
        }
        if let Some(records) = self.span.begin(spans, head.span) {
            span::head(records, head);
        }
    }

    fn attribute(&mut self, field: &'static Field, value: &Value<'_>) {
        if let Some((out, key)) = self.records(field.on) {
            value::key_value(out, key, field.name, value);
        }
    }

    #[inline(always)]
    fn text(&mut self, field: &'static Field, text: &str) {
        if let Some((out, key)) = self.records(field.on) {
            value::key_text(out, key, field.name, text);
        }
    }

    fn end(&mut self) {
        let Some(Groups { logs, spans, .. }) = self.groups.get_mut(self.current) else {
            return;
        };
        self.shared.copy(&self.log.records, &mut self.span.records);
        for (record, group) in [(&mut self.log, logs), (&mut self.span, spans)] {
            self.bytes += record.end(group, self.events, self.time);
        }
        self.events += 1;
    }
}

fn owned(key: &ResourceKey<'_>) -> ResourceKey<'static> {
    let own = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
    ResourceKey {
        service_name: own(&key.service_name),
        account_id: key.account_id.as_ref().map(own),
        region: key.region.as_ref().map(own),
    }
}
