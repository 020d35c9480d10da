//! Chunks become batches; a batch is sent in both signals and settled chunk by chunk.
//!
//! Enters: submitted chunks, each with a handle for the reply. Leaves: a [`Delivery`] for each. What
//! must hold: a batch is sent when it is full, or at once when a slot is free and no chunk is
//! waiting; dead letters are durable before a delivery is answered; a handle that is dropped means
//! abandoned, never success.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::rate::Bucket;
use super::settle::{Settlement, Share, settle};
use super::signal_sender::{Abandoned, Limits, SignalSender};
use super::{Chunk, Delivery};
use crate::dead_letter::OnDamage;
use crate::dead_letter::{DeadLetters, Entry, Record};
use crate::export::Outcome;
use qtrail_core::otlp::{Payload, Signal};
use qtrail_core::reject::Reason;

/// A chunk that waits for its delivery.
pub(super) struct Submission {
    pub(super) chunk: Chunk,
    pub(super) reply: oneshot::Sender<Delivery>,
}

/// What batches need on their way.
pub(super) struct Route {
    pub(super) logs: SignalSender,
    pub(super) traces: SignalSender,
    pub(super) dead_letters: Option<DeadLetters>,
    pub(super) bucket: Option<Mutex<Bucket>>,
    pub(super) limits: Limits,
    pub(super) stop: CancellationToken,
}

/// Chunks that go out together. Events are numbered through.
struct Batch {
    logs: Payload,
    spans: Payload,
    events: u32,
    /// The earliest and the latest time, where the spread of times is limited.
    times: Option<(i64, i64)>,
    chunks: Vec<Submission>,
}

/// Gathers chunks into batches until all submitters are dropped, or the exporter stops. At most `slots`
/// batches are in flight at once.
pub(super) async fn run(
    route: Arc<Route>,
    mut submissions: mpsc::Receiver<Submission>,
    slots: usize,
) {
    let slots = Arc::new(Semaphore::new(slots));
    let mut next = None;
    loop {
        let step = async {
            let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
            let first = match next.take() {
                Some(first) => first,
                None => submissions.recv().await?,
            };
            Some((slot, first))
        };
        let (slot, first) = tokio::select! {
            biased;
            () = route.stop.cancelled() => return,
            step = step => match step {
                Some(step) => step,
                None => return,
            },
        };
        let mut batch = Batch::of(first, route.limits);
        while let Ok(submission) = submissions.try_recv() {
            if !batch.has_room(&submission.chunk, route.limits) {
                next = Some(submission);
                break;
            }
            batch.add(submission, route.limits);
        }
        let route = Arc::clone(&route);
        tokio::spawn(async move {
            // If it is abandoned, its reply handles are dropped, which the submitters see.
            let _ = batch.deliver(&route).await;
            drop(slot);
        });
    }
}

impl Batch {
    fn of(first: Submission, limits: Limits) -> Self {
        let mut batch = Batch {
            logs: Payload::empty(Signal::Logs),
            spans: Payload::empty(Signal::Traces),
            events: 0,
            times: None,
            chunks: Vec::new(),
        };
        batch.add(first, limits);
        batch
    }

    /// Whether a chunk fits in, in both signals and by its times.
    fn has_room(&self, chunk: &Chunk, limits: Limits) -> bool {
        let encoded = &chunk.encoded;
        let fits = |ours: &Payload, theirs: &Payload| {
            ours.encoded_len() + theirs.encoded_len() <= limits.bytes
        };
        self.events as usize + encoded.events as usize <= limits.events
            && fits(&self.logs, &encoded.logs)
            && fits(&self.spans, &encoded.spans)
            && limits
                .spread
                .and_then(|spread| Some((spread, span(self.times, times(chunk))?)))
                .is_none_or(|(spread, (from, to))| to.saturating_sub(from) <= spread)
    }

    fn add(&mut self, mut submission: Submission, limits: Limits) {
        if limits.spread.is_some() {
            self.times = span(self.times, times(&submission.chunk));
        }
        let encoded = &mut submission.chunk.encoded;
        let logs = std::mem::replace(&mut encoded.logs, Payload::empty(Signal::Logs));
        let spans = std::mem::replace(&mut encoded.spans, Payload::empty(Signal::Traces));
        self.logs.append(logs, self.events);
        self.spans.append(spans, self.events);
        self.events += encoded.events;
        self.chunks.push(submission);
    }

    async fn deliver(mut self, route: &Route) -> Result<(), Abandoned> {
        route.pace(self.events).await?;
        let (logs, traces) = tokio::join!(
            route.logs.deliver(self.logs),
            route.traces.deliver(self.spans)
        );
        let events: Vec<u32> = self.chunks.iter().map(|s| s.chunk.encoded.events).collect();
        let settlement = settle(&events, logs?, traces?);
        if let Some(dead_letters) = &route.dead_letters {
            bury(dead_letters, &mut self.chunks, &settlement).await?;
        }
        for (submission, share) in self.chunks.into_iter().zip(settlement.chunks) {
            let delivery = delivery(submission.chunk, share);
            // A submitter that no longer waits has abandoned the unit.
            let _ = submission.reply.send(delivery);
        }
        Ok(())
    }
}

impl Route {
    /// Waits until the rate allows for these events.
    async fn pace(&self, events: u32) -> Result<(), Abandoned> {
        let Some(bucket) = &self.bucket else {
            return Ok(());
        };
        let wait = {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.take(events, Instant::now())
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Abandoned),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}

/// The earliest and the latest time of a chunk's events.
fn times(chunk: &Chunk) -> Option<(i64, i64)> {
    span(chunk.encoded.logs.times(), chunk.encoded.spans.times())
}

/// What covers both.
fn span(a: Option<(i64, i64)>, b: Option<(i64, i64)>) -> Option<(i64, i64)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

/// Makes dead letters durable: one entry for each refused record, one for each doubt, within what
/// each unit may have of them.
async fn bury(
    dead_letters: &DeadLetters,
    submissions: &mut [Submission],
    settlement: &Settlement,
) -> Result<(), Abandoned> {
    let settled = |share: &Share| share.refused.is_empty() && share.uncertain.is_none();
    if settlement.chunks.iter().all(settled) {
        return Ok(());
    }
    // The letters hold parts of the originals, not copies.
    let chunks: Vec<(&Chunk, Bytes)> = submissions
        .iter_mut()
        .map(|submission| {
            let bytes = std::mem::take(&mut submission.chunk.originals.bytes);
            (&submission.chunk, bytes.into())
        })
        .collect();
    let mut refused = Vec::new();
    for ((chunk, bytes), share) in chunks.iter().zip(&settlement.chunks) {
        for (event, reason) in &share.refused {
            let entry = entry(chunk, bytes, *event, reason.clone());
            refused.extend(chunk.letters.admit(entry));
        }
    }
    dead_letters.write(refused).await.map_err(|_| Abandoned)?;
    for doubt in &settlement.doubts {
        let reason = Reason::Uncertain {
            rejected: doubt.rejected,
            of: doubt.events.len() as u64,
            message: doubt.message.clone(),
        };
        error!("records refused: {reason}");
        let mut entries = Vec::with_capacity(doubt.events.len());
        let mut first = 0;
        for (chunk, bytes) in &chunks {
            let last = first + chunk.encoded.events;
            let from = doubt.events.partition_point(|&event| event < first);
            let until = doubt.events.partition_point(|&event| event < last);
            for event in &doubt.events[from..until] {
                let entry = entry(chunk, bytes, event - first, reason.clone());
                entries.extend(chunk.letters.admit(entry));
            }
            first = last;
        }
        let written = dead_letters.write_uncertain(entries).await;
        written.map_err(|_| Abandoned)?;
    }
    let originals: Vec<Bytes> = chunks.into_iter().map(|(_, bytes)| bytes).collect();
    for (submission, bytes) in submissions.iter_mut().zip(originals) {
        submission.chunk.originals.bytes = bytes.into();
    }
    Ok(())
}

/// The dead letter of one event of the chunk with these originals.
fn entry(chunk: &Chunk, originals: &Bytes, event: u32, reason: Reason) -> Entry {
    let index = event as usize;
    let original = chunk.originals.records.get(index);
    let range = (chunk.originals.range(index))
        .filter(|range| range.start <= range.end && range.end <= originals.len());
    Entry {
        origin: chunk.origin.clone(),
        sender: None,
        before: None,
        event_id: original.and_then(|original| original.event_id.clone()),
        position: original
            .map(|original| original.position)
            .unwrap_or_default(),
        reason,
        record: range.map_or(Record::Unit, |range| match chunk.origin.on_damage {
            OnDamage::NamePlace => Record::Bytes(originals.slice(range)),
            _ => Record::Whole(originals.slice(range)),
        }),
    }
}

fn delivery(chunk: Chunk, share: Share) -> Delivery {
    let index = |event: u32| {
        let original = chunk.originals.records.get(event as usize);
        original.map_or(u64::from(event), |original| original.position.index)
    };
    Delivery {
        outcome: Outcome::Delivered,
        exported: share.exported,
        dead_lettered: share.dead_lettered,
        refused: share
            .refused
            .into_iter()
            .map(|(event, reason)| (index(event), reason))
            .collect(),
        uncertain: share.uncertain,
        undelivered: share.undelivered,
        originals: chunk.originals,
    }
}
