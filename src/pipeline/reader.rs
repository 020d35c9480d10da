//! The blocking half of the pipeline: a unit's bytes become steps.
//!
//! Enters: a unit. Leaves: [`Step`]s over a channel, then a [`ReadEnd`]. What must hold: the memory of
//! a step is reserved before it is used; a step is sent only while there is room for its
//! dead letters; each record of the unit is in exactly one step; no step reaches beyond a record
//! that waits for another copy of its event.
//!
//! Of the same event in several units, or several times in one, one is delivered and the others
//! wait for its outcome. That never ends in a circle: a reader that waits has sent all that it has claimed.

mod chunk;
mod damage;
mod end;
pub(super) mod log_file;
mod measure;
mod memory;
mod output;
mod pending_duplicates;
mod rejects;
mod source;
mod start;
mod step;
mod text;

use std::io::{Cursor, Read};
use std::sync::Arc;

use bytes::Bytes;

use super::dedup::Twin;
use super::{Pipeline, Truncation, Unit};
use crate::dead_letter::{Entry, UnitLetters};
use crate::proof::manifest::{Manifest, Measured};
use chunk::{NextChunk, Unplaced};
use damage::{Damage, Lost};
use log_file::Rest;
use measure::Stored;
use memory::Memory;
use output::Output;
use pending_duplicates::PendingDuplicates;
use qtrail_core::envelope::{self, Again, Item, Limits, Records, Skipped};
use qtrail_core::reject::{Position, Reason, Reject};
use qtrail_core::{Converter, RecordOutcome};
use rejects::Rejects;
use source::Source;
use step::{Progress, Reached};
use text::Current;

pub(super) use end::{ReadEnd, Stopped};
pub(super) use start::{at_once, spawn};
pub(super) use step::Step;

struct Reader {
    pipeline: Pipeline,
    /// From the unit's beginning to its end.
    conversion: Arc<Converter>,
    output: Output,
    source: Source,
    /// Where the bytes start in the unit.
    base: u64,
    /// The unit's size where it is small.
    size_hint: usize,
    /// The unit's limits.
    limits: Limits,
    /// The text that is read, where the unit holds texts.
    text: Option<Current>,
    damage: Damage,
    /// What was seen of the unit's bytes. They are hashed only for a manifest record.
    measured: Measured,
    hashes: bool,
    memory: Memory,
    /// Not counted as read yet.
    pending_duplicates: PendingDuplicates,
    // What the next step is made of.
    chunk: NextChunk,
    rejects: Rejects,
    progress: Progress,
}

impl Reader {
    /// `size_hint`: the unit's size, as far as it is known.
    fn new(
        pipeline: Pipeline,
        unit: &Unit,
        letters: UnitLetters,
        size_hint: usize,
        output: Output,
    ) -> Self {
        let conversion = pipeline.conversion.current();
        let mut limits = conversion.limits.clone();
        if let Some(bytes) = unit.inflated_bytes {
            limits.inflated_bytes = limits.inflated_bytes.min(bytes);
        }
        Reader {
            source: unit.origin.clone().into(),
            base: unit.base,
            size_hint,
            limits,
            text: None,
            damage: Damage::default(),
            measured: Measured::default(),
            hashes: pipeline.manifest.is_some() && Manifest::covers(&unit.origin),
            memory: Memory::default(),
            pending_duplicates: PendingDuplicates::default(),
            chunk: NextChunk::new(
                &conversion,
                pipeline.dedup.clone(),
                pipeline.tree.clone(),
                pipeline.names.clone(),
                size_hint,
            ),
            rejects: Rejects::new(letters, pipeline.account(&unit.origin)),
            progress: Progress::default(),
            output,
            conversion,
            pipeline,
        }
    }

    fn bytes(&mut self, bytes: Bytes, truncation: Truncation, limits: &Limits) -> ReadEnd {
        match self.log_file_in_memory(&bytes, limits) {
            Ok(rest) => {
                let content = Cursor::new(bytes);
                let again = Some(Again::clones(content.clone()));
                self.rest(rest, content, again, truncation, limits)
            }
            Err(why) => ReadEnd::default().stopped(why),
        }
    }

    /// `again`: how to have the bytes again.
    fn whole(
        &mut self,
        content: impl Read,
        again: Option<Again>,
        truncation: Truncation,
        limits: &Limits,
    ) -> ReadEnd {
        match self.log_file_of(content, limits) {
            Ok((rest, content)) => self.rest(rest, content, again, truncation, limits),
            Err(why) => ReadEnd::default().stopped(why),
        }
    }

    /// Reads what the fast path left.
    fn rest(
        &mut self,
        rest: Rest,
        content: impl Read,
        again: Option<Again>,
        truncation: Truncation,
        limits: &Limits,
    ) -> ReadEnd {
        let mut end = ReadEnd::default();
        let reached = match rest {
            Rest::Nothing(reached) => Ok(reached),
            Rest::From(from) => self.read(content, again, from, truncation, limits, &mut end),
        };
        match reached {
            Ok(reached) => self.end(reached, end),
            Err(why) => end.stopped(why),
        }
    }

    /// Reads one thing to its end; how far that is. What is before the offset `from` was read already.
    fn read<R: Read>(
        &mut self,
        content: R,
        again: Option<Again>,
        from: u64,
        truncation: Truncation,
        limits: &Limits,
        end: &mut ReadEnd,
    ) -> Result<Reached, Stopped> {
        let stored = Stored::default();
        let mut records = self.open(stored.count(content), again, limits);
        loop {
            if self.pipeline.abort.is_cancelled() {
                return Err(Stopped::Abandoned);
            }
            let reached = Reached::of(&records);
            match records.next() {
                Ok(Some(item)) if is_before(&item, from) => continue,
                Ok(Some(Item::Record { position, bytes })) => {
                    self.found_record(bytes, position, reached)?;
                }
                Ok(Some(Item::Reject(reject))) => {
                    self.output.may_wait()?;
                    let is_cut = matches!(reject.reason, Reason::Truncated { .. });
                    if truncation != Truncation::Reject && (is_cut || records.is_cut()) {
                        end.truncated = Some(reject.reason);
                        break;
                    }
                    self.found_reject(reject, Lost::of(&records), reached)?;
                }
                Ok(Some(Item::Skipped(skipped))) => {
                    self.output.may_wait()?;
                    self.skip(skipped);
                }
                Ok(None) => break,
                Err(e) if envelope::is_quiet(&e) => self.send(Reached::of(&records))?,
                Err(e) => match envelope::wants_window(&e) {
                    Some(bytes) => self.enlarge_window(&mut records, bytes)?,
                    None => {
                        end.read_error = Some(e.to_string());
                        break;
                    }
                },
            }
            if self.damage.unreadable.is_some() {
                break;
            }
            self.send_full(Reached::of(&records))?;
        }
        self.measured.size = stored.all();
        self.measured.sha256 = records.sha256();
        Ok(Reached::of(&records))
    }

    fn open<R: Read>(&self, content: R, again: Option<Again>, limits: &Limits) -> Records<R> {
        let mut records = envelope::open_with_size_hint(content, self.size_hint, limits);
        records.allow_window(self.memory.window_bytes);
        if let Some(again) = again {
            records = records.again(again);
        }
        match self.hashes {
            true => records.hashed(),
            false => records,
        }
    }

    /// Sends the rest.
    fn end(&mut self, reached: Reached, mut end: ReadEnd) -> ReadEnd {
        self.refuse_unread(true);
        end.unreadable = self.damage.unreadable.take();
        let sent = self.settle_pending_duplicates(reached);
        end.measured = Measured {
            times: self.chunk.times,
            ..std::mem::take(&mut self.measured)
        };
        match sent.and_then(|()| self.send(reached)) {
            Ok(()) => end,
            Err(why) => end.stopped(why),
        }
    }

    /// Sends what is full.
    fn send_full(&mut self, reached: Reached) -> Result<(), Stopped> {
        if self.pending_duplicates.is_full() {
            self.settle_pending_duplicates(reached)?;
        }
        let is_full = self.chunk.is_full() || self.rejects.is_full();
        match is_full || self.progress.is_long(reached) {
            true => self.send(reached),
            false => Ok(()),
        }
    }

    fn found_record(
        &mut self,
        bytes: &[u8],
        position: Position,
        reached: Reached,
    ) -> Result<(), Stopped> {
        self.damage.has_read();
        if let Some(text) = &mut self.text {
            text.holds_a_record();
        }
        self.reserve_for_record(reached, bytes.len())?;
        self.record(bytes, self.in_unit(position))?;
        self.give_back_spare();
        Ok(())
    }

    /// Converts a record at a position of the unit, or refuses it.
    fn record(&mut self, bytes: &[u8], position: Position) -> Result<(), Stopped> {
        if let Some(reject) = self.convert(bytes, position)? {
            self.output.may_wait()?;
            self.refuse(reject);
        }
        Ok(())
    }

    /// Converts a record at a position of the unit, and counts it unless it cannot be read.
    fn convert(&mut self, bytes: &[u8], position: Position) -> Result<Option<Reject>, Stopped> {
        let converter = &self.conversion;
        let outcome = self.chunk.convert(converter, &self.source, bytes, position);
        self.count(outcome, bytes, position)
    }

    /// Counts a record as read, unless it cannot be read, or waits for another copy of its event.
    fn count(
        &mut self,
        outcome: RecordOutcome<Unplaced>,
        bytes: &[u8],
        position: Position,
    ) -> Result<Option<Reject>, Stopped> {
        match outcome {
            RecordOutcome::Unplaced(Unplaced::Twin(Twin::InFlight(id))) => {
                self.pending_duplicates.put(id, position, bytes);
                return Ok(None);
            }
            RecordOutcome::Unplaced(Unplaced::Unknown(error)) => {
                return Err(Stopped::Unplaced(error));
            }
            RecordOutcome::Rejected(reject) => return Ok(Some(reject)),
            RecordOutcome::Filtered => self.progress.counts.filtered += 1,
            RecordOutcome::Unplaced(Unplaced::Twin(_)) => self.progress.counts.duplicate += 1,
            RecordOutcome::Converted { .. } => {}
        }
        self.progress.counts.read += 1;
        Ok(None)
    }

    /// A reject of the envelope's.
    fn found_reject(
        &mut self,
        mut reject: Reject,
        lost: Lost<'_>,
        reached: Reached,
    ) -> Result<(), Stopped> {
        let kept = reject.evidence.kept_bytes().unwrap_or_default();
        self.reserve(reached, rejects::memory_bytes(kept.max(lost.inner_bytes())))?;
        if lost.ends_early(&reject.reason) {
            self.measured.broken.get_or_insert(reject.reason.kind());
        }
        if let Reason::InflatedTooLarge { limit } = &mut reject.reason {
            // A text was given what is left of it.
            *limit = self.limits.inflated_bytes;
        }
        if let Some(text) = &self.text
            && text.is_foreign(&reject.reason, lost.is_inside())
        {
            self.report_foreign(reject.reason);
            return Ok(());
        }
        reject.position = self.in_unit(reject.position);
        reject.reason = reject.reason.offset_by(self.base);
        if self.keeps(&mut reject, lost) {
            self.refuse(reject);
            self.refuse_unread(false);
        }
        Ok(())
    }

    /// Makes a dead letter of a record. It is not counted as read before the letter leaves.
    fn refuse(&mut self, mut reject: Reject) {
        reject.evidence = self.source.origin.keep(reject.evidence);
        self.rejects
            .add(Entry::new(self.source.origin.clone(), reject));
    }

    fn skip(&mut self, skipped: Skipped) {
        self.found_skipped(skipped);
        if skipped == Skipped::Empty && self.text.is_some() {
            let detail = "an empty text".to_owned();
            return self.report_foreign(Reason::NotCloudTrail { detail });
        }
        self.progress.counts.skipped += 1;
        self.pipeline.metrics.skipped.add(1);
        let origin = &self.source.origin;
        let (input, source) = (origin.input, &*origin.name);
        if skipped == Skipped::Empty {
            tracing::warn!(input, source, "is empty: nothing to read");
        } else {
            tracing::debug!(input, source, kind = skipped.as_str(), "skipped");
        }
    }

    /// A position in the unit, of one in what is read.
    fn in_unit(&self, mut position: Position) -> Position {
        position.offset += self.base;
        if let Some(text) = &self.text {
            position.index = text.number();
        }
        position
    }
}

/// Whether all of an item is before an offset.
fn is_before(item: &Item<'_>, from: u64) -> bool {
    match item {
        Item::Record { position, .. } => position.offset < from,
        Item::Reject(reject) => reject.position.offset < from,
        Item::Skipped(_) => false,
    }
}

#[cfg(test)]
mod tests;
