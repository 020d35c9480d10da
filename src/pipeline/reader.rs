//! The blocking half of the pipeline: a unit's bytes become steps.
//!
//! Enters: a unit. Leaves: [`Step`]s over a channel, then a [`Tail`]. What must hold: what a step
//! holds has room in the budget before it is held; a step is sent only while there is room for its
//! dead letters; each record of the unit is in exactly one step; no step reaches beyond a record
//! that waits for its twin.
//!
//! Of the same event in several units, or several times in one, one is delivered and the others
//! wait for its outcome. That never ends in a circle: who waits has sent all that it has claimed.

mod damage;
mod output;
mod pending_duplicates;
mod room;
mod step;
mod text;

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

use super::dedup::{Claims, Twin};
use super::{Content, Counts, Pipeline, Truncation, Unit};
use crate::dead_letter::Origin;
use crate::dead_letter::{Entry, Full, UnitLetters};
use crate::export::{Original, Originals};
use crate::runtime::budget::Reservation;
use damage::Lost;
use output::Output;
use pending_duplicates::PendingDuplicates;
use qtrail_core::Verdict;
use qtrail_core::convert::{self, Attribute, Placement};
use qtrail_core::envelope::{self, Again, Item, Limits, Records, Skipped};
use qtrail_core::otlp::Encoder;
use qtrail_core::reject::{Position, Reason, Reject};
pub(super) use step::Step;
use text::Current;

/// Events in a chunk at most.
const CHUNK_EVENTS: u32 = 512;
/// Bytes of a chunk (records and both signals) beyond which no event is added.
const CHUNK_BYTES: usize = 1 << 20;
/// Refused records in a step at most.
const STEP_REJECTS: usize = 64;
/// Bytes of refused records beyond which a step is sent.
const STEP_REJECT_BYTES: usize = 1 << 20;
/// Bytes of a unit that takes no thread of its own.
const SMALL: usize = 16 << 10;
/// The same, inflated: those of the unit, and those of all texts inside it.
const SMALL_INFLATED: u64 = 64 << 10;
/// Inflated bytes after which a step is sent, so that a follower's commits move through noise.
const STEP_INFLATED: u64 = 32 << 20;

/// How the reading ended.
#[derive(Default)]
pub(super) struct Tail {
    pub(super) truncated: Option<Reason>,
    pub(super) read_error: Option<String>,
    pub(super) abandoned: bool,
    /// The unit is refused: the number of the record, and why.
    pub(super) unreadable: Option<(u64, Reason)>,
    /// Why it was abandoned, where there was no room for its dead letters.
    pub(super) full: Option<Full>,
}

impl Tail {
    pub(super) fn failed(error: String) -> Self {
        Tail {
            read_error: Some(error),
            ..Tail::default()
        }
    }

    fn abandoned(mut self) -> Self {
        self.abandoned = true;
        self
    }
}

/// Reads the unit on a blocking thread. `reading` is held meanwhile.
pub(super) fn spawn(
    pipeline: Pipeline,
    unit: Unit,
    letters: UnitLetters,
    steps: mpsc::Sender<Step>,
    reading: OwnedSemaphorePermit,
) -> JoinHandle<Tail> {
    let output = Output::Steps(Handle::current(), steps);
    tokio::task::spawn_blocking(move || {
        let _reading = reading;
        let mut reader = Reader::new(pipeline, &unit, letters, usize::MAX, output);
        let limits = reader.limits(unit.inflated_bytes);
        let tail = match unit.content {
            Content::Whole(content) => reader.whole(content, None, unit.truncation, &limits),
            Content::Twice(content, again) => {
                reader.whole(content, Some(again), unit.truncation, &limits)
            }
            Content::Bytes(bytes) => {
                reader.content = Some(bytes.clone());
                reader.bytes(bytes, unit.truncation, &limits)
            }
            Content::Texts(texts) => reader.texts(texts, &limits),
        };
        Tail {
            full: reader.full,
            ..tail
        }
    })
}

/// Reads a unit that is small, inflated too, at once, on any thread: its only step. `None` where it is
/// not, or something would have to be waited for, or told; the unit is then as if it had not been
/// read.
pub(super) fn at_once(pipeline: &Pipeline, unit: &Unit, letters: &UnitLetters) -> Option<Step> {
    let Content::Bytes(bytes) = &unit.content else {
        return None;
    };
    if bytes.len() > SMALL || says_it_is_large(bytes) {
        return None;
    }
    let (letters, output) = (letters.clone(), Output::One(None));
    let mut reader = Reader::new(pipeline.clone(), unit, letters, bytes.len(), output);
    let mut limits = reader.limits(unit.inflated_bytes);
    limits.inflated_bytes = limits.inflated_bytes.min(SMALL_INFLATED);
    let tail = reader.bytes(bytes.clone(), unit.truncation, &limits);
    if tail.abandoned || tail.truncated.is_some() || tail.read_error.is_some() {
        return None;
    }
    match reader.output {
        Output::One(step) => step.inspect(|step| step.count(&pipeline.metrics)),
        Output::Steps(..) => None,
    }
}

/// Whether gzip says at its end that it holds more. It need not be true.
fn says_it_is_large(bytes: &[u8]) -> bool {
    let inflated = bytes.last_chunk().map(|size| u32::from_le_bytes(*size));
    bytes.starts_with(&[0x1f, 0x8b]) && u64::from(inflated.unwrap_or_default()) > SMALL_INFLATED
}

struct Reader {
    pipeline: Pipeline,
    output: Output,
    /// The unit's size where it is small.
    bytes: usize,
    origin: Origin,
    /// What the origin's name tells of its events.
    organization: Option<Attribute<'static>>,
    base: u64,
    encoder: Encoder,
    originals: Originals,
    /// The claims on the events of the chunk to be.
    claims: Claims,
    /// Not counted as read yet.
    pending_duplicates: PendingDuplicates,
    rejects: Vec<Entry>,
    /// What they take in memory.
    reject_bytes: usize,
    /// What they take among the letters.
    letter_bytes: u64,
    rejected: u64,
    suppressed: BTreeMap<&'static str, u64>,
    told: Vec<(u64, Reason)>,
    letters: UnitLetters,
    /// Whose they are, in the account of the letters' room.
    sender: Arc<str>,
    /// There was no room for them.
    full: Option<Full>,
    /// Room in the budget for what the next step holds.
    room: Option<Reservation>,
    /// Room for a window that is not small, and how large it may be.
    window: Option<Reservation>,
    window_bytes: usize,
    /// The text that is read, where the unit holds texts.
    text: Option<Current>,
    counts: Counts,
    /// Inflated bytes of the texts before.
    inflated_before: u64,
    /// The unit may inflate to no more than this.
    inflated_limit: u64,
    /// All bytes of the unit, or of the text that is read, where they are in memory.
    content: Option<Bytes>,
    /// What was kept whole last.
    kept: Option<u64>,
    /// Something was read.
    readable: bool,
    /// The unit is refused: the number of the record, and why.
    unreadable: Option<(u64, Reason)>,
    /// Inflated bytes up to the last step.
    sent_bytes: u64,
    /// The offset up to which the last step reached.
    sent_offset: u64,
}

/// How far the reading of one thing has come.
#[derive(Clone, Copy, Default)]
struct Reached {
    /// Inflated bytes.
    inflated: u64,
    /// The same, with all that was inflated inside.
    spent: u64,
    /// Where a follower resumes.
    offset: u64,
}

impl Reached {
    fn of<R: Read>(records: &Records<R>) -> Self {
        Reached {
            inflated: records.inflated_bytes(),
            spent: records.spent_bytes(),
            offset: records.resume_offset(),
        }
    }
}

/// Nobody waits for the steps any more.
struct Abandoned;

impl Reader {
    /// `bytes`: the unit's size, as far as it is known.
    fn new(
        pipeline: Pipeline,
        unit: &Unit,
        letters: UnitLetters,
        bytes: usize,
        output: Output,
    ) -> Self {
        let origin = unit.origin.clone();
        Reader {
            organization: convert::organization(&origin.name),
            sender: pipeline.account(&origin),
            origin,
            base: unit.base,
            bytes,
            encoder: Encoder::with_size_hint(&pipeline.conversion.options, bytes),
            counts: Counts::default(),
            rejects: Vec::new(),
            reject_bytes: 0,
            letter_bytes: 0,
            rejected: 0,
            suppressed: BTreeMap::new(),
            told: Vec::new(),
            letters,
            full: None,
            room: None,
            window: None,
            window_bytes: room::SMALL_WINDOW,
            text: None,
            originals: Originals::default(),
            claims: Claims::new(pipeline.window.clone()),
            pending_duplicates: PendingDuplicates::default(),
            inflated_before: 0,
            inflated_limit: 0,
            content: None,
            kept: None,
            readable: false,
            unreadable: None,
            sent_bytes: 0,
            sent_offset: 0,
            output,
            pipeline,
        }
    }

    /// The limits for this unit.
    fn limits(&mut self, inflated_bytes: Option<u64>) -> Limits {
        let mut limits = self.pipeline.conversion.limits.clone();
        if let Some(bytes) = inflated_bytes {
            limits.inflated_bytes = limits.inflated_bytes.min(bytes);
        }
        self.inflated_limit = limits.inflated_bytes;
        limits
    }

    fn bytes(&mut self, bytes: Bytes, truncation: Truncation, limits: &Limits) -> Tail {
        let content = Cursor::new(bytes);
        let again = Again::clones(content.clone());
        self.whole(content, Some(again), truncation, limits)
    }

    /// `again`: how to have the bytes again.
    fn whole(
        &mut self,
        content: impl Read,
        again: Option<Again>,
        truncation: Truncation,
        limits: &Limits,
    ) -> Tail {
        let mut tail = Tail::default();
        match self.read(content, again, truncation, limits, &mut tail) {
            Ok(reached) => self.end(reached, tail),
            Err(Abandoned) => tail.abandoned(),
        }
    }

    /// Reads one thing to its end; how far that is.
    fn read<R: Read>(
        &mut self,
        content: R,
        again: Option<Again>,
        truncation: Truncation,
        limits: &Limits,
        tail: &mut Tail,
    ) -> Result<Reached, Abandoned> {
        let mut records = envelope::open_with_size_hint(content, self.bytes, limits);
        records.allow_window(self.window_bytes);
        if let Some(again) = again {
            records = records.again(again);
        }
        loop {
            if self.pipeline.abort.is_cancelled() {
                return Err(Abandoned);
            }
            let reached = Reached::of(&records);
            match records.next() {
                // What is to be told is told where it can be waited for.
                Ok(Some(Item::Reject(_) | Item::Skipped(_))) if self.output.is_one() => {
                    return Err(Abandoned);
                }
                Ok(Some(Item::Record { position, bytes })) => {
                    self.has_read();
                    if let Some(text) = &mut self.text {
                        text.holds_a_record();
                    }
                    self.make_room_for_record(reached, bytes.len())?;
                    self.record(bytes, self.place(position));
                    self.spare_room();
                    if self.rejected > 0 && self.output.is_one() {
                        return Err(Abandoned);
                    }
                }
                Ok(Some(Item::Reject(reject))) => {
                    if truncation == Truncation::Defer
                        && (matches!(reject.reason, Reason::Truncated { .. }) || records.is_cut())
                    {
                        tail.truncated = Some(reject.reason);
                        break;
                    }
                    let bytes = reject.evidence.kept_bytes().unwrap_or_default();
                    let inner = records.inner_text().map_or(0, <[u8]>::len);
                    self.make_room(reached, room::reject_bytes(bytes.max(inner)))?;
                    self.reject(reject, Lost::of(&records));
                }
                Ok(Some(Item::Skipped(skipped))) => self.skip(skipped),
                Ok(None) => break,
                Err(e) if envelope::is_quiet(&e) => self.send(Reached::of(&records))?,
                Err(e) => match envelope::wants_window(&e) {
                    Some(bytes) => self.make_window(&mut records, bytes)?,
                    None => {
                        tail.read_error = Some(e.to_string());
                        break;
                    }
                },
            }
            if self.unreadable.is_some() {
                break;
            }
            if self.pending_duplicates.is_full() {
                self.settle_pending_duplicates(Reached::of(&records))?;
            }
            if self.is_full(&records) {
                self.send(Reached::of(&records))?;
            }
        }
        Ok(Reached::of(&records))
    }

    /// Sends the rest.
    fn end(&mut self, reached: Reached, mut tail: Tail) -> Tail {
        self.refuse_unread(true);
        tail.unreadable = self.unreadable.take();
        if self.settle_pending_duplicates(reached).is_err() || self.send(reached).is_err() {
            return tail.abandoned();
        }
        tail
    }

    /// A position within the unit, of one within what is read.
    fn place(&self, mut position: Position) -> Position {
        position.offset += self.base;
        if let Some(text) = &self.text {
            position.index = text.number();
        }
        position
    }

    fn record(&mut self, bytes: &[u8], position: Position) {
        let (number, claims) = (self.originals.records.len() as u32, &mut self.claims);
        let organization = self.organization.as_ref();
        let verdict = self.pipeline.conversion.place(
            bytes,
            position,
            self.origin.observed,
            |event| {
                claims.claim(number, event.id().as_deref())?;
                Ok(Placement::of(event).within(organization))
            },
            &mut self.encoder,
        );
        if let Verdict::Unplaced(Twin::InFlight(id)) = verdict {
            self.pending_duplicates.put(id, position, bytes);
            return;
        }
        if let Verdict::Rejected(reject) = verdict {
            return self.refuse(reject);
        }
        self.counts.read += 1;
        match verdict {
            Verdict::Filtered => self.counts.filtered += 1,
            Verdict::Unplaced(_) => self.counts.duplicate += 1,
            Verdict::Rejected(_) => {}
            Verdict::Converted { event_id } => {
                self.originals.bytes.extend_from_slice(bytes);
                self.originals.records.push(Original {
                    position,
                    event_id,
                    end: self.originals.bytes.len(),
                });
            }
        }
    }

    /// A reject of the envelope's.
    fn reject(&mut self, mut reject: Reject, lost: Lost<'_>) {
        if let Reason::InflatedTooLarge { limit } = &mut reject.reason {
            // A text was given what is left of it.
            *limit = self.inflated_limit;
        }
        if let Some(text) = &self.text
            && text.is_foreign(&reject.reason, lost.is_inside())
        {
            return self.tell_foreign(reject.reason);
        }
        reject.position = self.place(reject.position);
        reject.reason = reject.reason.offset_by(self.base);
        if self.keeps(&mut reject, lost) {
            self.refuse(reject);
            self.refuse_unread(false);
        }
    }

    fn skip(&mut self, skipped: Skipped) {
        self.has_skipped(skipped);
        if skipped == Skipped::Empty && self.text.is_some() {
            let detail = "an empty text".to_owned();
            return self.tell_foreign(Reason::NotCloudTrail { detail });
        }
        self.counts.skipped += 1;
        self.pipeline.metrics.skipped.add(1);
        if skipped == Skipped::Empty {
            tracing::warn!(
                input = self.origin.input,
                source = &*self.origin.name,
                "is empty: nothing to read"
            );
        } else {
            tracing::debug!(
                input = self.origin.input,
                source = &*self.origin.name,
                kind = skipped.as_str(),
                "skipped"
            );
        }
    }

    fn is_full<R: Read>(&self, records: &Records<R>) -> bool {
        self.originals.records.len() >= CHUNK_EVENTS as usize
            || self.originals.bytes.len() + self.encoder.encoded_len() >= CHUNK_BYTES
            || self.rejects.len() >= STEP_REJECTS
            || self.told.len() >= STEP_REJECTS
            || self.reject_bytes >= STEP_REJECT_BYTES
            || self.inflated_before + records.inflated_bytes() - self.sent_bytes >= STEP_INFLATED
    }
}

#[cfg(test)]
mod tests;
