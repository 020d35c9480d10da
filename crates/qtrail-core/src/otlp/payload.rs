//! Encoded records, grouped by resource, with their boundaries.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::parts::Parts;
use super::resource::{SCHEMA_URL, SCOPE};
use super::{Signal, json, wire};

/// The key of a record in `ScopeLogs` and `ScopeSpans` alike.
pub(super) const RECORD: u8 = 0x12;

// ExportLogsServiceRequest, ExportTraceServiceRequest
const RESOURCE_GROUP: u8 = 0x0a;
// ResourceLogs, ResourceSpans
const RESOURCE: u8 = 0x0a;
const SCOPE_GROUP: u8 = 0x12;
// ScopeLogs, ScopeSpans
const IN_SCOPE: u8 = 0x0a;
// All four
const SCHEMA: u8 = 0x1a;

/// Up to this many resources are compared one by one; more are looked up in a map.
const FEW: usize = 16;

/// Encoded records of one signal, grouped by resource. It becomes one OTLP request. The records stay in the
/// buffers that they were encoded into, whatever payload they are moved to.
#[derive(Debug, Clone)]
pub struct Payload {
    signal: Signal,
    groups: Vec<Joined>,
    /// The size of the encoded request.
    encoded: usize,
    /// Index of each group by its resource, once there are more than [`FEW`].
    by_resource: HashMap<Bytes, usize>,
}

/// Records of one resource, as they are encoded.
#[derive(Debug)]
pub(super) struct Group {
    /// The encoded `Resource`.
    pub(super) resource: Bytes,
    /// The records, each with its key and length.
    pub(super) records: Vec<u8>,
    pub(super) bounds: Vec<Bound>,
}

/// Records of one resource, of one or more groups.
#[derive(Debug, Clone)]
struct Joined {
    resource: Bytes,
    records: Parts,
    bounds: Vec<Bound>,
}

/// One record of a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// Its end in the group's records; it starts at the end of the one before.
    pub(super) end: usize,
    pub(super) event: u32,
    pub(super) time: i64,
}

impl Payload {
    /// A payload without records.
    pub fn empty(signal: Signal) -> Self {
        Payload::joined(signal, Vec::new())
    }

    pub(super) fn of(signal: Signal, groups: Vec<Group>) -> Self {
        Payload::joined(signal, groups.into_iter().map(Joined::from).collect())
    }

    fn joined(signal: Signal, groups: Vec<Joined>) -> Self {
        Payload {
            signal,
            encoded: groups.iter().map(Joined::encoded_len).sum(),
            groups,
            by_resource: HashMap::new(),
        }
    }

    /// The signal.
    pub fn signal(&self) -> Signal {
        self.signal
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.groups.iter().map(|group| group.bounds.len()).sum()
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The size of [`Payload::encode`]'s result, in bytes.
    pub fn encoded_len(&self) -> usize {
        self.encoded
    }

    /// The event number of each record, in the order of the encoded records. Each event has at most one.
    pub fn events(&self) -> impl Iterator<Item = u32> + '_ {
        self.bounds().map(|bound| bound.event)
    }

    /// The earliest and the latest event time, in nanoseconds since 1970; `None` without records.
    pub fn times(&self) -> Option<(i64, i64)> {
        let times = || self.bounds().map(|bound| bound.time);
        Some((times().min()?, times().max()?))
    }

    /// Appends another payload's records, with `base` added to their event numbers. Groups with equal
    /// resources are merged.
    pub fn append(&mut self, other: Payload, base: u32) {
        debug_assert_eq!(self.signal, other.signal);
        for (hint, mut group) in other.groups.into_iter().enumerate() {
            for bound in &mut group.bounds {
                bound.event += base;
            }
            match self.find(hint, &group.resource) {
                Some(at) => {
                    let own = &mut self.groups[at];
                    self.encoded -= own.encoded_len();
                    own.append(group);
                    self.encoded += own.encoded_len();
                }
                None => {
                    self.encoded += group.encoded_len();
                    if !self.by_resource.is_empty() {
                        let resource = group.resource.clone();
                        self.by_resource.insert(resource, self.groups.len());
                    }
                    self.groups.push(group);
                }
            }
        }
    }

    /// The index of the group with this resource, which is probably `hint`.
    fn find(&mut self, hint: usize, resource: &Bytes) -> Option<usize> {
        let same = |own: &Joined| own.resource == *resource;
        // Successive payloads mostly have the same resources in the same order.
        if self.groups.get(hint).is_some_and(same) {
            return Some(hint);
        }
        if self.groups.len() <= FEW {
            return self.groups.iter().position(same);
        }
        if self.by_resource.is_empty() {
            let groups = self.groups.iter().enumerate();
            let by_resource = groups.map(|(at, group)| (group.resource.clone(), at));
            self.by_resource = by_resource.collect();
        }
        self.by_resource.get(resource).copied()
    }

    /// Splits at a record boundary into two halves of about equal size; event numbers stay. A single
    /// record goes to the first half, and the second one is empty.
    pub fn split(mut self) -> (Payload, Payload) {
        let total: usize = self.groups.iter().map(|group| group.records.len()).sum();
        let count = self.len();
        let (mut before, mut taken) = (0, 0);
        for at in 0..self.groups.len() {
            let group = &self.groups[at];
            // The second half starts with the first record that ends beyond the middle; neither half
            // is left empty.
            let cut = group.bounds.iter().position(|bound| {
                taken += 1;
                taken > 1 && (2 * (before + bound.end) > total || taken == count)
            });
            before += group.records.len();
            if let Some(cut) = cut {
                let mut rest = self.groups.split_off(at + 1);
                rest.insert(0, self.groups[at].split_off(cut));
                self.groups.retain(|group| !group.bounds.is_empty());
                return (
                    Payload::joined(self.signal, self.groups),
                    Payload::joined(self.signal, rest),
                );
            }
        }
        let rest = Payload::empty(self.signal);
        (self, rest)
    }

    /// Splits by event time, oldest first, so that the times within each payload are at most `spread`
    /// nanoseconds apart. The order of records within a payload and the event numbers stay.
    pub fn split_by_time(self, spread: i64) -> Vec<Payload> {
        let mut times: Vec<i64> = self.bounds().map(|bound| bound.time).collect();
        times.sort_unstable();
        let mut starts: Vec<i64> = Vec::new();
        for time in times {
            let fits = |start: &i64| time.saturating_sub(*start) <= spread;
            if !starts.last().is_some_and(fits) {
                starts.push(time);
            }
        }
        if starts.len() <= 1 {
            return vec![self];
        }
        let mut parts: Vec<Vec<Joined>> = vec![Vec::new(); starts.len()];
        for group in &self.groups {
            let mut begin = 0;
            let mut groups: BTreeMap<usize, Joined> = BTreeMap::new();
            for bound in &group.bounds {
                let part = starts.partition_point(|start| *start <= bound.time) - 1;
                let own = groups
                    .entry(part)
                    .or_insert_with(|| Joined::new(group.resource.clone()));
                own.records.append(group.records.slice(begin..bound.end));
                own.bounds.push(Bound {
                    end: own.records.len(),
                    ..*bound
                });
                begin = bound.end;
            }
            for (part, own) in groups {
                parts[part].push(own);
            }
        }
        let parts = parts.into_iter();
        parts
            .map(|groups| Payload::joined(self.signal, groups))
            .collect()
    }

    /// The protobuf bytes of an `ExportLogsServiceRequest` or `ExportTraceServiceRequest`. Every call
    /// gives the same bytes.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.encoded_len());
        for part in self.encode_parts() {
            out.extend_from_slice(&part);
        }
        out.into()
    }

    /// The bytes of [`Payload::encode`] in parts, none of them empty. Those of the records are not copied.
    pub fn encode_parts(&self) -> Vec<Bytes> {
        let (mut parts, mut between) = (Vec::new(), Vec::new());
        for group in &self.groups {
            group.begin(&mut between);
            parts.push(std::mem::take(&mut between).into());
            parts.extend(group.records.iter().cloned());
            Joined::end(&mut between);
        }
        if !between.is_empty() {
            parts.push(between.into());
        }
        parts
    }

    /// The same request in OTLP's JSON form, on one line without an end of line: the body of an OTLP/HTTP
    /// request, and a line of the collector's file exporter.
    pub fn to_json(&self) -> Vec<u8> {
        json::from_wire(self.signal, &self.encode())
    }

    fn bounds(&self) -> impl Iterator<Item = &Bound> {
        self.groups.iter().flat_map(|group| &group.bounds)
    }
}

impl Group {
    pub(super) fn new(resource: Bytes, capacity: usize) -> Self {
        Group {
            resource,
            records: Vec::with_capacity(capacity),
            bounds: Vec::new(),
        }
    }
}

impl From<Group> for Joined {
    fn from(group: Group) -> Self {
        Joined {
            resource: group.resource,
            records: group.records.into(),
            bounds: group.bounds,
        }
    }
}

impl Joined {
    fn new(resource: Bytes) -> Self {
        Joined {
            resource,
            records: Parts::default(),
            bounds: Vec::new(),
        }
    }

    fn append(&mut self, other: Joined) {
        let base = self.records.len();
        self.records.append(other.records);
        self.bounds.extend(other.bounds.iter().map(|bound| Bound {
            end: base + bound.end,
            ..*bound
        }));
    }

    /// Removes and returns the records from `first` on.
    fn split_off(&mut self, first: usize) -> Joined {
        let base = match first {
            0 => 0,
            _ => self.bounds[first - 1].end,
        };
        let mut bounds = self.bounds.split_off(first);
        for bound in &mut bounds {
            bound.end -= base;
        }
        let rest = self.records.slice(base..self.records.len());
        self.records = self.records.slice(0..base);
        Joined {
            resource: self.resource.clone(),
            records: rest,
            bounds,
        }
    }

    /// Its size in a request.
    fn encoded_len(&self) -> usize {
        wire::bytes_len(self.len())
    }

    /// The size of a `ScopeLogs` or `ScopeSpans`.
    fn scope_len(&self) -> usize {
        wire::bytes_len(SCOPE.len()) + self.records.len() + wire::bytes_len(SCHEMA_URL.len())
    }

    /// The size of a `ResourceLogs` or `ResourceSpans`.
    fn len(&self) -> usize {
        wire::bytes_len(self.resource.len())
            + wire::bytes_len(self.scope_len())
            + wire::bytes_len(SCHEMA_URL.len())
    }

    /// Writes what comes before its records.
    fn begin(&self, out: &mut Vec<u8>) {
        out.push(RESOURCE_GROUP);
        wire::varint(out, self.len() as u64);
        wire::bytes(out, RESOURCE, &self.resource);
        out.push(SCOPE_GROUP);
        wire::varint(out, self.scope_len() as u64);
        wire::bytes(out, IN_SCOPE, &SCOPE);
    }

    /// Writes what comes after them.
    fn end(out: &mut Vec<u8>) {
        wire::bytes(out, SCHEMA, SCHEMA_URL.as_bytes());
        wire::bytes(out, SCHEMA, SCHEMA_URL.as_bytes());
    }
}
