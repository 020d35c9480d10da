//! Chunks become batches; a batch goes out in both signals and is settled chunk by chunk.
//!
//! Enters: submitted chunks, each with a handle for the reply. Leaves: a [`Delivery`] for each. What
//! must hold: a batch leaves when it is full, or at once when a slot is free and no chunk is
//! waiting; dead letters are durable before a delivery is answered; a handle that is dropped means
//! abandoned, never success.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::lane::{Abandoned, Lane, Limits};
use super::rate::Bucket;
use super::settle::{Settlement, Share, settle};
use super::{Chunk, Delivery};
use crate::ack::Outcome;
use crate::ack::dead_letter::{DeadLetters, Entry};
use crate::otlp::{Payload, Signal};
use crate::reject::{Evidence, Reason, Reject};

/// A chunk that waits for its delivery.
pub(super) struct Submission {
    pub(super) chunk: Chunk,
    pub(super) reply: oneshot::Sender<Delivery>,
}

/// What batches need on their way.
pub(super) struct Route {
    pub(super) logs: Lane,
    pub(super) traces: Lane,
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

/// Gathers chunks into batches until nobody submits any more, or the exporter stops. `slots` batches
/// are under way at once.
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
            // Where it is abandoned, the reply handles are dropped, which says so.
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

    async fn deliver(self, route: &Route) -> Result<(), Abandoned> {
        route.pace(self.events).await?;
        let (logs, traces) = tokio::join!(
            route.logs.deliver(self.logs),
            route.traces.deliver(self.spans)
        );
        let events: Vec<u32> = self.chunks.iter().map(|s| s.chunk.encoded.events).collect();
        let settlement = settle(&events, logs?, traces?);
        if let Some(dead_letters) = &route.dead_letters {
            bury(dead_letters, &self.chunks, &settlement).await?;
        }
        for (submission, share) in self.chunks.into_iter().zip(settlement.chunks) {
            let delivery = delivery(&submission.chunk, share);
            // Who does not wait any more has abandoned the unit.
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

/// Makes dead letters durable: one entry for each refused record, one for each doubt.
async fn bury(
    dead_letters: &DeadLetters,
    chunks: &[Submission],
    settlement: &Settlement,
) -> Result<(), Abandoned> {
    let mut refused = Vec::new();
    for (submission, share) in chunks.iter().zip(&settlement.chunks) {
        for (event, reason) in &share.refused {
            refused.push(entry(&submission.chunk, *event, reason.clone()));
        }
    }
    if !refused.is_empty() {
        dead_letters.write(refused).await.map_err(|_| Abandoned)?;
    }
    for doubt in &settlement.doubts {
        let reason = Reason::Uncertain {
            rejected: doubt.rejected,
            of: doubt.events.len() as u64,
            message: doubt.message.clone(),
        };
        let mut entries = Vec::with_capacity(doubt.events.len());
        let mut first = 0;
        for submission in chunks {
            let last = first + submission.chunk.encoded.events;
            let from = doubt.events.partition_point(|&event| event < first);
            let until = doubt.events.partition_point(|&event| event < last);
            for event in &doubt.events[from..until] {
                entries.push(entry(&submission.chunk, event - first, reason.clone()));
            }
            first = last;
        }
        let written = dead_letters.write_uncertain(entries).await;
        written.map_err(|_| Abandoned)?;
    }
    Ok(())
}

/// The dead letter of one event of a chunk.
fn entry(chunk: &Chunk, event: u32, reason: Reason) -> Entry {
    let originals = &chunk.originals;
    let index = event as usize;
    let original = originals.records.get(index);
    let start = match index.checked_sub(1) {
        Some(before) => originals.records.get(before).map(|record| record.end),
        None => Some(0),
    };
    let bytes = start
        .zip(original)
        .and_then(|(start, original)| originals.bytes.get(start..original.end));
    let evidence = bytes.map_or(Evidence::Unit, |bytes| Evidence::Bytes(bytes.to_vec()));
    Entry {
        origin: chunk.origin.clone(),
        event_id: original.and_then(|original| original.event_id.clone()),
        reject: Reject {
            position: original
                .map(|original| original.position)
                .unwrap_or_default(),
            reason,
            evidence: chunk.origin.keep(evidence),
        },
    }
}

fn delivery(chunk: &Chunk, share: Share) -> Delivery {
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
    }
}
