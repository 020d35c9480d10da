//! The task that decides: it keeps places and conversations before anyone uses them.
//!
//! Enters: the window. Leaves: places for the units that wait, spans of conversations. What must hold: what leaves is
//! durable; while the state cannot be written, nothing leaves, and that is logged once.

use std::sync::Arc;
use std::time::Duration;

use super::{Shared, UNITS, Waiting, now, roots};
use crate::runtime::database::Error;
use qtrail_core::assemble::{Conversation, Remembered, RememberedConversation, SpanId};

/// How often what is old is forgotten.
const IDLE: Duration = Duration::from_secs(60);
/// The least time between two decisions about events that are due: each looks at all events that are held.
const GATHER: Duration = Duration::from_secs(1);
/// The least time between any two decisions. The units that got their places leave meanwhile.
const PAUSE: Duration = Duration::from_millis(20);
/// The wait before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What a decision changes in the state.
#[derive(Debug, Clone, Default)]
pub(super) struct Change {
    pub(super) places: Vec<(SpanId, Remembered)>,
    pub(super) conversations: Vec<RememberedConversation>,
    /// What was decided before this time is forgotten.
    pub(super) forget_before: Option<i64>,
}

/// Decides, and sends conversations, until the assembly is stopped. Then what waits is abandoned.
pub(super) async fn run(shared: Arc<Shared>) {
    let (stop, abort) = (shared.stop.clone(), shared.pipeline.abort.clone());
    let _ended = Ended(Arc::clone(&shared));
    let decisions = async {
        loop {
            if !shared.decide().await {
                tokio::select! {
                    () = shared.work.notified() => {}
                    () = tokio::time::sleep(shared.until_due()) => {}
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    // Apart from the decisions: the collector may be away.
    let conversations = async {
        loop {
            shared.send_quiet(false).await;
            tokio::select! {
                () = shared.decided.notified() => {}
                () = tokio::time::sleep(shared.until_quiet().max(GATHER)) => {}
            }
        }
    };
    tokio::select! {
        () = async { tokio::join!(decisions, conversations); } => {}
        () = stop.cancelled() => {}
        () = abort.cancelled() => {}
    }
}

/// However the keeper ends, no unit waits for it.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.lock().units.clear();
    }
}

impl Waiting {
    /// Forgets what is old, now and then.
    fn forget(&mut self, now: i64) -> Option<i64> {
        let is_due = now.abs_diff(self.forgot) >= IDLE.as_nanos() as u64;
        is_due.then(|| {
            self.forgot = now;
            self.window.forget(now)
        })
    }
}

impl Shared {
    /// How long no event is due.
    fn until_due(&self) -> Duration {
        let waiting = self.lock();
        let earliest = waiting.decided.saturating_add(GATHER.as_nanos() as i64);
        until(waiting.window.next_due().map(|due| due.max(earliest)))
    }

    /// How long no conversation is quiet.
    fn until_quiet(&self) -> Duration {
        until(self.lock().window.next_quiet())
    }

    /// Decides about the events that are due. `false` if there are none.
    async fn decide(self: &Arc<Self>) -> bool {
        let _writing = self.writing.lock().await;
        let shared = Arc::clone(self);
        let due = tokio::task::spawn_blocking(move || shared.due()).await;
        let Some(change) = due.ok().flatten() else {
            return false;
        };
        let change = Arc::new(change);
        self.keep(Arc::clone(&change)).await;
        let mut waiting = self.lock();
        for (id, event) in &change.places {
            for unit in waiting.units.remove(id).into_iter().flatten() {
                // The unit may have been abandoned.
                let _ = unit.send((*id, event.place.clone()));
            }
        }
        self.gauge(&waiting);
        self.decided.notify_one();
        true
    }

    fn due(&self) -> Option<Change> {
        let mut waiting = self.lock();
        // Under the lock, so that nothing arrives later than now.
        let now = now();
        let (held, due) = (waiting.window.len(), waiting.window.due(now));
        let is_early = now.abs_diff(waiting.decided) < GATHER.as_nanos() as u64;
        let surplus = match waiting.count > UNITS {
            true => held.div_ceil(2),
            false => waiting.window.surplus(),
        };
        let count = match waiting.ends {
            true => held,
            false if is_early => surplus,
            false => due.max(surplus),
        };
        let early = match waiting.ends {
            true => 0,
            false => surplus.saturating_sub(due),
        };
        let places = waiting.window.decide(count, now);
        if places.is_empty() {
            return None;
        }
        waiting.decided = now;
        self.pipeline.metrics.assembly_early.add(early as u64);
        Some(Change {
            conversations: waiting.window.changed(now).collect(),
            forget_before: waiting.forget(now),
            places,
        })
    }

    /// Sends the conversations that have become quiet, also in an earlier process; with `all`, all of them. `false` if one
    /// was not delivered.
    pub(super) async fn send_quiet(self: &Arc<Self>, all: bool) -> bool {
        // Whoever comes second finds that all was sent.
        let mut unsent = self.unsent.lock().await;
        let writing = self.writing.lock().await;
        let quiet = self.lock().window.quiet(now(), all);
        if !quiet.is_empty() {
            let change = Change {
                conversations: quiet.clone(),
                ..Change::default()
            };
            self.keep(Arc::new(change)).await;
            unsent.extend(quiet.into_iter().map(|known| known.conversation));
        }
        drop(writing);
        let sent = unsent.is_empty() || self.send(&unsent).await;
        unsent.clear();
        sent
    }

    async fn send(self: &Arc<Self>, conversations: &[Conversation]) -> bool {
        let pipeline = &self.pipeline;
        let conversion = pipeline.conversion.current();
        let each = conversations.iter().cloned().map(Ok);
        let sent = roots::deliver(each, &pipeline.exporter, &conversion.options).await;
        if let Some(all) = sent {
            let sent: Vec<_> = conversations.iter().map(Conversation::trace_id).collect();
            self.written(move |shared| shared.state.sent(&sent)).await;
            return all;
        }
        false
    }

    /// Makes a change durable.
    async fn keep(self: &Arc<Self>, change: Arc<Change>) {
        self.written(move |shared| shared.state.write(&change))
            .await;
    }

    /// Writes until it succeeds.
    async fn written(
        self: &Arc<Self>,
        write: impl Fn(&Shared) -> Result<(), Error> + Clone + Send + 'static,
    ) {
        let mut failed = false;
        loop {
            let (shared, write) = (Arc::clone(self), write.clone());
            match tokio::task::spawn_blocking(move || write(&shared)).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) if !failed => {
                    tracing::error!(
                        "{error}; no event of a conversation is delivered until it can be written"
                    );
                }
                Ok(Err(_)) => {}
                Err(error) => tracing::error!(%error, "writing the state of the assembly failed"),
            }
            failed = true;
            tokio::time::sleep(RETRY).await;
        }
        if failed {
            tracing::info!("the state of the assembly can be written again");
        }
    }
}

/// How long it is until a time, at most [`IDLE`].
fn until(time: Option<i64>) -> Duration {
    let wait = time.map(|time| Duration::from_nanos(time.saturating_sub(now()).max(0) as u64));
    wait.unwrap_or(IDLE).min(IDLE)
}
