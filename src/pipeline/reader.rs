//! The blocking half of the pipeline: a unit's bytes become steps.
//!
//! Enters: a unit. Leaves: [`Step`]s over a channel, then a [`Tail`]. What must hold: a step is
//! sent only while the budget has room for its bytes; each record of the unit is in exactly one
//! step.

use std::io::Read;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::conversion::{Verdict, at};
use super::{BUDGET_UNIT, Counts, Pipeline, Truncation, Unit};
use crate::ack::Origin;
use crate::ack::dead_letter::Entry;
use crate::envelope::{self, Item, Records, Skipped};
use crate::export::{Chunk, Original, Originals};
use crate::otlp::Encoder;
use crate::reject::{Evidence, Position, Reason, Reject};

/// Events in a chunk at most.
const CHUNK_EVENTS: u32 = 512;
/// Bytes of a chunk (records and both signals) beyond which no event is added.
const CHUNK_BYTES: usize = 1 << 20;
/// Refused records in a step at most.
const STEP_REJECTS: usize = 64;
/// Bytes of refused records beyond which a step is sent.
const STEP_REJECT_BYTES: usize = 1 << 20;
/// Refused records of a unit that are logged one by one.
const LOGGED_REJECTS: u64 = 20;
/// Inflated bytes after which a step is sent, so that a follower's commits move through noise.
const STEP_INFLATED: u64 = 32 << 20;

/// What was read since the step before.
pub(super) struct Step {
    /// Offset in the unit (base included) up to which this and the earlier steps reach.
    pub(super) offset: u64,
    /// Read, filtered, skipped, bytes: what needs no settling.
    pub(super) counts: Counts,
    /// Refused records.
    pub(super) rejects: Vec<Entry>,
    /// Events to deliver.
    pub(super) chunk: Option<Chunk>,
}

/// How the reading ended.
#[derive(Default)]
pub(super) struct Tail {
    pub(super) truncated: Option<Reason>,
    pub(super) read_error: Option<String>,
    pub(super) abandoned: bool,
}

impl Tail {
    pub(super) fn failed(error: String) -> Self {
        Tail {
            read_error: Some(error),
            ..Tail::default()
        }
    }
}

/// Reads the unit on a blocking thread.
pub(super) fn spawn(pipeline: Pipeline, unit: Unit, steps: mpsc::Sender<Step>) -> JoinHandle<Tail> {
    let handle = Handle::current();
    tokio::task::spawn_blocking(move || {
        let base = unit.base;
        let mut reader = Reader {
            origin: unit.origin,
            base,
            encoder: Encoder::new(&pipeline.conversion.options),
            counts: Counts::default(),
            rejects: Vec::new(),
            reject_bytes: 0,
            rejected: 0,
            originals: Originals::default(),
            sent_bytes: 0,
            handle,
            steps,
            pipeline,
        };
        reader.run(unit.content, unit.truncation)
    })
}

struct Reader {
    pipeline: Pipeline,
    handle: Handle,
    steps: mpsc::Sender<Step>,
    origin: Origin,
    base: u64,
    encoder: Encoder,
    originals: Originals,
    rejects: Vec<Entry>,
    reject_bytes: usize,
    rejected: u64,
    counts: Counts,
    /// Inflated bytes up to the last step.
    sent_bytes: u64,
}

/// Nobody waits for the steps any more.
struct Abandoned;

impl Reader {
    fn run(&mut self, content: Box<dyn Read + Send>, truncation: Truncation) -> Tail {
        let limits = self.pipeline.conversion.limits.clone();
        let mut records = envelope::open(content, &limits);
        let mut tail = Tail::default();
        loop {
            if self.pipeline.abort.is_cancelled() {
                tail.abandoned = true;
                break;
            }
            match records.next() {
                Ok(Some(Item::Record { position, bytes })) => self.record(bytes, position),
                Ok(Some(Item::Reject(mut reject))) => {
                    if truncation == Truncation::Defer
                        && matches!(reject.reason, Reason::Truncated { .. })
                    {
                        tail.truncated = Some(reject.reason);
                        break;
                    }
                    self.counts.read += 1;
                    reject.position.offset += self.base;
                    reject.reason = at(reject.reason, self.base);
                    self.refuse(reject);
                }
                Ok(Some(Item::Skipped(skipped))) => self.skip(skipped),
                Ok(None) => break,
                Err(e) => {
                    tail.read_error = Some(e.to_string());
                    break;
                }
            }
            if self.is_full(&records) && self.send(&records).is_err() {
                tail.abandoned = true;
                return tail;
            }
        }
        tail.abandoned |= self.send(&records).is_err();
        if self.rejected > LOGGED_REJECTS {
            let more = self.rejected - LOGGED_REJECTS;
            tracing::warn!(
                input = self.origin.input,
                source = &*self.origin.name,
                "{more} more records refused"
            );
        }
        tail
    }

    fn record(&mut self, bytes: &[u8], mut position: Position) {
        position.offset += self.base;
        self.counts.read += 1;
        let verdict = self.pipeline.conversion.record(
            bytes,
            position,
            self.origin.observed,
            &mut self.encoder,
        );
        match verdict {
            Verdict::Filtered => self.counts.filtered += 1,
            Verdict::Rejected(reject) => self.refuse(reject),
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

    fn refuse(&mut self, reject: Reject) {
        if let Evidence::Bytes(bytes) = &reject.evidence {
            self.reject_bytes += bytes.len();
        }
        let entry = Entry {
            origin: self.origin.clone(),
            event_id: None,
            reject,
        };
        self.rejected += 1;
        if self.rejected <= LOGGED_REJECTS {
            entry.log();
        }
        self.rejects.push(entry);
    }

    fn skip(&mut self, skipped: Skipped) {
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
            || self.reject_bytes >= STEP_REJECT_BYTES
            || records.inflated_bytes() - self.sent_bytes >= STEP_INFLATED
    }

    fn send<R: Read>(&mut self, records: &Records<R>) -> Result<(), Abandoned> {
        let mut counts = std::mem::take(&mut self.counts);
        counts.bytes = records.inflated_bytes() - self.sent_bytes;
        self.sent_bytes = records.inflated_bytes();
        let chunk = self.take_chunk()?;
        let rejects = std::mem::take(&mut self.rejects);
        self.reject_bytes = 0;

        let metrics = &self.pipeline.metrics;
        metrics.read.add(counts.read);
        metrics.filtered.add(counts.filtered);
        metrics.in_flight.add(counts.read - counts.filtered);
        metrics.inflated_bytes.add(counts.bytes);
        let step = Step {
            offset: self.base + records.resume_offset(),
            counts,
            rejects,
            chunk,
        };
        self.steps.blocking_send(step).map_err(|_| Abandoned)
    }

    /// The chunk, once the budget has room for it. One that is larger than the whole budget waits
    /// until nothing else is in flight.
    fn take_chunk(&mut self) -> Result<Option<Chunk>, Abandoned> {
        if self.originals.records.is_empty() {
            return Ok(None);
        }
        let originals = std::mem::take(&mut self.originals);
        self.originals.bytes.reserve(originals.bytes.len());
        // While a request is under way, its bytes stand beside the records that they hold.
        let bytes = originals.bytes.len() + 2 * self.encoder.encoded_len();
        let encoded = self.encoder.take();
        let wanted = bytes.div_ceil(BUDGET_UNIT).min(self.pipeline.budget_units) as u32;
        let budget = std::sync::Arc::clone(&self.pipeline.budget);
        let abort = self.pipeline.abort.clone();
        let permit = self.handle.block_on(async {
            tokio::select! {
                permit = budget.acquire_many_owned(wanted) => permit.map_err(|_| Abandoned),
                () = abort.cancelled() => Err(Abandoned),
            }
        })?;
        self.pipeline.gauge_memory();
        Ok(Some(Chunk {
            origin: self.origin.clone(),
            encoded,
            originals,
            permit: Some(permit),
        }))
    }
}
