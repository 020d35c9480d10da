//! The sink that encodes both signals at once.

use std::borrow::Cow;
use std::collections::HashMap;

use super::payload::{Bound, Group, Payload, RECORD};
use super::{Signal, log, resource, span, value, wire};
use crate::convert::{Field, Head, On, Options, ResourceKey, Sink, Value};

/// What the first group's buffers start with, for log records and spans: what is not written to
/// takes no memory, while a buffer that grows from nothing is copied over and over.
const FIRST_BYTES: (usize, usize) = (256 << 10, 128 << 10);

/// Bytes of a usual record, of which the length takes two.
const USUAL_RECORD: usize = 2048;

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

impl Encoded {
    /// The latest event time, in nanoseconds since 1970.
    pub fn newest(&self) -> Option<i64> {
        let times = [self.logs.times(), self.spans.times()];
        times.into_iter().flatten().map(|(_, latest)| latest).max()
    }
}

/// The sink that encodes both signals at once.
#[derive(Debug)]
pub struct Encoder {
    /// Resource attributes that the user adds.
    user: Vec<(String, String)>,
    groups: Vec<Groups>,
    by_key: HashMap<ResourceKey<'static>, usize>,
    /// The group of the event that is being said, or was said last.
    current: usize,
    /// What is open of the event that is being said.
    log: Option<wire::Open>,
    span: Option<wire::Open>,
    time: i64,
    events: u32,
    bytes: usize,
    /// Sizes for the first group's buffers, after the last `take`.
    capacity: (usize, usize),
}

/// The records of one resource, both signals.
#[derive(Debug)]
struct Groups {
    key: ResourceKey<'static>,
    logs: Group,
    spans: Group,
}

impl Encoder {
    /// An encoder; `options` gives the resource attributes that the user adds.
    pub fn new(options: &Options) -> Self {
        Encoder::with_size_hint(options, usize::MAX)
    }

    /// The same, for events of so many bytes at first: a few take little memory.
    pub fn with_size_hint(options: &Options, bytes: usize) -> Self {
        let (logs, spans) = FIRST_BYTES;
        let first = |bytes: usize| bytes.saturating_mul(3);
        Encoder {
            user: options.resource.clone(),
            groups: Vec::new(),
            by_key: HashMap::new(),
            current: 0,
            log: None,
            span: None,
            time: 0,
            events: 0,
            bytes: 0,
            capacity: (first(bytes).min(logs), first(bytes).min(spans)),
        }
    }

    /// Bytes encoded so far, both signals together, without what stands around records.
    pub fn encoded_len(&self) -> usize {
        self.bytes
    }

    /// Takes what was gathered, and starts anew with the buffers' size as a hint.
    pub fn take(&mut self) -> Encoded {
        let groups = std::mem::take(&mut self.groups);
        if let Some(first) = groups.first() {
            // A little more, or a group that is a little larger than the one before moves once.
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

    /// The number of a resource's group.
    fn group(&mut self, key: &ResourceKey<'_>) -> usize {
        if self
            .groups
            .get(self.current)
            .is_some_and(|groups| groups.key == *key)
        {
            return self.current;
        }
        // A map of owned keys is also one of keys that live shorter.
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
}

impl Sink for Encoder {
    fn begin(&mut self, head: &Head<'_>) {
        self.current = self.group(&head.resource);
        self.time = head.time;
        let Groups { logs, spans, .. } = &mut self.groups[self.current];
        self.log = head.log.then(|| {
            let record = wire::open(&mut logs.records, RECORD, USUAL_RECORD);
            log::head(&mut logs.records, head);
            record
        });
        self.span = head.span.then(|| {
            let record = wire::open(&mut spans.records, RECORD, USUAL_RECORD);
            span::head(&mut spans.records, head);
            record
        });
    }

    fn attribute(&mut self, field: &'static Field, value: &Value<'_>) {
        let Some(Groups { logs, spans, .. }) = self.groups.get_mut(self.current) else {
            return;
        };
        let log = self.log.is_some() && matches!(field.on, On::Both | On::Log);
        let span = self.span.is_some() && matches!(field.on, On::Both | On::Span);
        if log {
            let start = logs.records.len();
            value::key_value(&mut logs.records, log::ATTRIBUTE, field.name, value);
            if span {
                // The same but for the key.
                spans.records.push(span::ATTRIBUTE);
                spans.records.extend_from_slice(&logs.records[start + 1..]);
            }
        } else if span {
            value::key_value(&mut spans.records, span::ATTRIBUTE, field.name, value);
        }
    }

    fn end(&mut self) {
        let Some(Groups { logs, spans, .. }) = self.groups.get_mut(self.current) else {
            return;
        };
        for (group, record) in [(logs, self.log.take()), (spans, self.span.take())] {
            if let Some(record) = record {
                wire::close(&mut group.records, record);
                let before = group.bounds.last().map_or(0, |bound| bound.end);
                let end = group.records.len();
                self.bytes += end - before;
                group.bounds.push(Bound {
                    end,
                    event: self.events,
                    time: self.time,
                });
            }
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
