//! The events of the next step: encoded, with the records that they were made of.

use std::io;
use std::sync::Arc;

use super::source::Source;
use crate::dead_letter::UnitLetters;
use crate::export::{Chunk, Original, Originals};
use crate::names::Queue;
use crate::pipeline::dedup::{Claims, Dedup, Twin};
use crate::runtime::budget::Reservation;
use crate::telemetry::agents::Facts;
use qtrail_core::assemble::Tree;
use qtrail_core::convert::{Field, Head, Placement, Sink, Summary, Value};
use qtrail_core::envelope::log_file::LogRecord;
use qtrail_core::event::Event;
use qtrail_core::otlp::Encoder;
use qtrail_core::reject::{Position, Reason};
use qtrail_core::{Converter, RecordOutcome};

/// Events in a chunk at most.
const EVENTS: usize = 512;
/// Bytes of a chunk (records and both signals) beyond which no event is added.
const BYTES: usize = 1 << 20;

/// Why an event is not converted.
pub(super) enum Unplaced {
    /// There is another copy of it.
    Twin(Twin),
    /// Its place cannot be read.
    Unknown(io::Error),
}

/// The chunk that is being filled.
pub(super) struct NextChunk {
    encoder: Encoder,
    originals: Originals,
    /// The claims on its events.
    claims: Claims,
    /// What is counted of them.
    facts: Facts,
    tree: Option<Arc<Tree>>,
    /// People whose names are looked up.
    names: Option<Queue>,
    /// The earliest and the latest time of all selected events.
    pub(super) times: Option<(i64, i64)>,
}

impl NextChunk {
    /// `bytes`: the unit's size, as far as it is known.
    pub(super) fn new(
        converter: &Converter,
        dedup: Option<Dedup>,
        tree: Option<Arc<Tree>>,
        names: Option<Queue>,
        bytes: usize,
    ) -> Self {
        NextChunk {
            encoder: Encoder::with_size_hint(&converter.options, bytes),
            originals: Originals::default(),
            claims: Claims::new(dedup),
            facts: Facts::default(),
            tree,
            names,
            times: None,
        }
    }

    /// Converts a record, and adds its event if it is wanted and new.
    pub(super) fn convert(
        &mut self,
        converter: &Converter,
        source: &Source,
        record: &[u8],
        position: Position,
    ) -> RecordOutcome<Unplaced> {
        let number = self.originals.records.len() as u32;
        let tree = self.tree.as_deref();
        let outcome = converter.convert_record_with(
            record,
            position,
            source.origin.observed,
            |event| {
                widen(&mut self.times, event.time());
                place(tree, event, number, &mut self.claims, source)
            },
            &mut Counting(&mut self.encoder, &mut self.facts, self.names.as_ref()),
        );
        self.keep(outcome, record, position)
    }

    /// Like [`NextChunk::convert`], for a candidate of a log file, at a position of the unit.
    ///
    /// # Errors
    /// Those of [`Converter::convert_candidate_with`].
    pub(super) fn convert_candidate(
        &mut self,
        converter: &Converter,
        source: &Source,
        record: &LogRecord<'_>,
        position: Position,
    ) -> Result<RecordOutcome<Unplaced>, Reason> {
        let number = self.originals.records.len() as u32;
        let tree = self.tree.as_deref();
        let outcome = converter.convert_candidate_with(
            record,
            source.origin.observed,
            |event| {
                widen(&mut self.times, event.time());
                place(tree, event, number, &mut self.claims, source)
            },
            &mut Counting(&mut self.encoder, &mut self.facts, self.names.as_ref()),
        )?;
        Ok(self.keep(outcome, record.bytes, position))
    }

    /// Keeps the record beside its event.
    fn keep(
        &mut self,
        mut outcome: RecordOutcome<Unplaced>,
        record: &[u8],
        position: Position,
    ) -> RecordOutcome<Unplaced> {
        if let RecordOutcome::Converted { event_id } = &mut outcome {
            self.originals.bytes.extend_from_slice(record);
            self.originals.records.push(Original {
                position,
                event_id: event_id.take(),
                end: self.originals.bytes.len(),
            });
        }
        outcome
    }

    pub(super) fn is_empty(&self) -> bool {
        self.originals.records.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.originals.records.len() >= EVENTS
            || self.originals.bytes.len() + self.encoder.encoded_len() >= BYTES
    }

    /// Memory that it takes: while a request is under way, its bytes stand beside the records.
    pub(super) fn memory_bytes(&self) -> usize {
        let records = self.originals.records.len() * size_of::<Original>();
        let facts = self.facts.memory_bytes();
        self.originals.bytes.len() + records + facts + 2 * self.encoder.encoded_len()
    }

    /// The chunk, with the memory that was reserved for it, and the claims on its events, and what is counted of them.
    pub(super) fn take(
        &mut self,
        source: &Source,
        letters: UnitLetters,
        permit: Option<Reservation>,
    ) -> (Option<Chunk>, Claims, Facts) {
        let (claims, facts) = (self.claims.take(), std::mem::take(&mut self.facts));
        if self.is_empty() {
            return (None, claims, facts);
        }
        let originals = std::mem::take(&mut self.originals);
        // With some slack, so that a slightly larger chunk does not move its bytes.
        let (bytes, records) = (originals.bytes.len(), originals.records.len());
        self.originals.bytes.reserve(bytes + bytes / 8);
        self.originals.records.reserve(records + records / 8);
        let chunk = Chunk {
            origin: source.origin.clone(),
            encoded: self.encoder.take(),
            originals,
            letters,
            permit,
        };
        (Some(chunk), claims, facts)
    }
}

/// Encodes events, keeps what is counted of them, and has the names of people looked up.
struct Counting<'a>(&'a mut Encoder, &'a mut Facts, Option<&'a Queue>);

impl Sink for Counting<'_> {
    #[inline]
    fn begin(&mut self, head: &Head<'_>) {
        self.0.begin(head);
    }

    #[inline]
    fn attribute(&mut self, field: &'static Field, value: &Value<'_>) {
        self.0.attribute(field, value);
    }

    #[inline(always)]
    fn text(&mut self, field: &'static Field, text: &str) {
        self.0.text(field, text);
    }

    #[inline]
    fn summary(&mut self, summary: &Summary<'_>) {
        self.1.push(summary);
        if let (Some(names), Some(user)) = (self.2, summary.user) {
            names.saw(user);
        }
    }

    #[inline]
    fn end(&mut self) {
        self.0.end();
    }
}

/// Adds a time to an extent.
fn widen(times: &mut Option<(i64, i64)>, time: i64) {
    let (first, last) = times.unwrap_or((time, time));
    *times = Some((first.min(time), last.max(time)));
}

/// Claims an event, and places it.
fn place(
    tree: Option<&Tree>,
    event: &Event<'_>,
    number: u32,
    claims: &mut Claims,
    source: &Source,
) -> Result<Placement, Unplaced> {
    let claim = claims.claim(number, event.id().as_deref());
    claim.map_err(Unplaced::Twin)?;
    let placement = Tree::place(tree, event).map_err(Unplaced::Unknown)?;
    Ok(placement.within(source.organization.as_ref()))
}
