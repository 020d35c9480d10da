//! One queue: receiving, as long as there is room and the collector takes events.
//!
//! Enters: a queue. Leaves: its messages, each in a task of its own. What must hold: the number of messages in
//! flight is bounded; no message is received while the collector is unavailable; `stop` cancels a call that waits
//! for messages, and waits for messages in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use super::context::{Context, Fetch, Flow};
use super::queue::{BATCH, Message, Queue};
use super::queue_policy::QueuePolicy;
use super::visibility::Keeper;
use super::{Error, waits};
use crate::aws;
use crate::aws::error::Remedy;
use crate::runtime::health::Health;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::stalls::Cause;

/// How long a call waits for messages: the most that SQS allows.
const WAIT: Duration = Duration::from_secs(20);
/// How long a call waits if the queue is read until it is empty.
const WAIT_ONCE: Duration = Duration::from_secs(2);
/// The number of concurrent calls that wait for messages.
const RECEIVERS: usize = 4;
/// How long to wait for permits for a whole batch: each call costs money, and waiting costs time.
const FULL_BATCH: Duration = Duration::from_secs(1);
/// Reads one queue.
pub(super) struct Consumer<Q: Queue, F, P> {
    pub(super) context: Arc<Context<F, P>>,
    pub(super) queue: Arc<Q>,
    keeper: Arc<Keeper<Q>>,
    /// One permit for each message that may be in flight.
    room: Arc<Semaphore>,
    pub(super) policy: QueuePolicy,
    /// Whether the queue has ever answered.
    exists: AtomicBool,
    log_throttle: LogThrottle,
}

/// Reads a queue until `stop`, or in `--once` mode until it is empty.
pub(super) async fn consume<Q: Queue, F: Fetch, P: Flow>(
    context: Arc<Context<F, P>>,
    queue: Q,
) -> Result<(), Error> {
    let settings = &context.settings;
    let receivers = match settings.once {
        true => 1,
        false => settings.fetchers.div_ceil(BATCH).clamp(1, RECEIVERS),
    };
    // Messages that wait are in flight beside those that are being read.
    let held = settings
        .fetchers
        .clamp(BATCH / 2, Semaphore::MAX_PERMITS / 4)
        * 2;
    let room = held + receivers * BATCH;
    let queue = Arc::new(queue);
    let metrics = Arc::clone(&context.metrics);
    let consumer = Arc::new(Consumer {
        keeper: Keeper::new(Arc::clone(&queue), settings.visibility, metrics),
        room: Arc::new(Semaphore::new(room)),
        policy: QueuePolicy::default(),
        exists: AtomicBool::new(false),
        log_throttle: LogThrottle::default(),
        queue,
        context,
    });
    consumer.learn().await;
    info!(
        queue = consumer.queue.url(),
        fetchers = consumer.context.settings.fetchers,
        redrive = ?consumer.policy.redrive(),
        "reading objects that a queue announces"
    );
    let work = async {
        let result = tokio::select! {
            result = receive_all(&consumer, receivers) => result,
            () = consumer.learn_again() => Ok(()),
        };
        consumer.keeper.close();
        result
    };
    let (result, ()) = tokio::join!(work, consumer.keeper.run(&consumer.context.abort));
    result
}

/// Dropping it cancels the work on all messages.
async fn receive_all<Q: Queue, F: Fetch, P: Flow>(
    consumer: &Arc<Consumer<Q, F, P>>,
    receivers: usize,
) -> Result<(), Error> {
    let mut running = JoinSet::new();
    for _ in 0..receivers {
        let consumer = Arc::clone(consumer);
        running.spawn(async move { consumer.receive().await });
    }
    let mut result = Ok(());
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(error) => result = error,
            Err(panic) => error!("receiving ended: {panic}"),
        }
    }
    result
}

impl<Q: Queue, F: Fetch, P: Flow> Consumer<Q, F, P> {
    /// Receives until `stop`, then waits for the messages in flight.
    async fn receive(self: Arc<Self>) -> Result<(), Error> {
        let mut tasks = JoinSet::new();
        let result = tokio::select! {
            biased;
            () = self.context.stop.cancelled() => {
                // The queue may not be empty.
                let once = self.context.settings.once;
                self.context.metrics.undelivered.add(u64::from(once));
                Ok(())
            }
            result = self.receive_into(&mut tasks) => result,
        };
        if result.is_err() {
            // The other queues stop too.
            self.context.stop.cancel();
        }
        while let Some(ended) = tasks.join_next().await {
            log_panic(ended);
        }
        result
    }

    async fn receive_into(self: &Arc<Self>, tasks: &mut JoinSet<()>) -> Result<(), Error> {
        let once = self.context.settings.once;
        let wait = if once { WAIT_ONCE } else { WAIT };
        let visibility = self.context.settings.visibility;
        let mut failures = 0;
        loop {
            while let Some(ended) = tasks.try_join_next() {
                log_panic(ended);
            }
            let Some(room) = self.ready().await else {
                return Ok(());
            };
            let received = self.queue.receive(room.num_permits(), wait, visibility);
            match received.await {
                Ok(messages) => {
                    failures = 0;
                    self.exists.store(true, Ordering::Relaxed);
                    let stalls = &self.context.metrics.stalls;
                    stalls.clear(Cause::QueueUnreadable, self.queue.url());
                    let none = messages.is_empty();
                    self.begin(messages, room, tasks);
                    // Released messages come again.
                    if none && once && self.keeper.idle().await {
                        return Ok(());
                    }
                }
                Err(error) => {
                    self.receive_error(error)?;
                    drop(room);
                    failures += 1;
                    sleep(waits(failures)).await;
                }
            }
        }
    }

    /// Permits for a batch, or after a short time for as many messages as possible, once the collector takes events.
    async fn ready(&self) -> Option<OwnedSemaphorePermit> {
        let room = || Arc::clone(&self.room);
        let batch = room().acquire_many_owned(BATCH as u32);
        let room = match timeout(FULL_BATCH, batch).await {
            Ok(batch) => batch.ok()?,
            Err(_) => {
                let mut some = room().acquire_owned().await.ok()?;
                while some.num_permits() < BATCH
                    && let Ok(more) = room().try_acquire_owned()
                {
                    some.merge(more);
                }
                some
            }
        };
        let mut health = self.context.health.clone();
        // Without an exporter, no message could be settled.
        health.wait_for(|health| *health == Health::Up).await.ok()?;
        Some(room)
    }

    fn begin(
        self: &Arc<Self>,
        messages: Vec<Message>,
        mut room: OwnedSemaphorePermit,
        tasks: &mut JoinSet<()>,
    ) {
        self.context.metrics.s3_messages.add(messages.len() as u64);
        for message in messages {
            let Some(permit) = room.split(1) else {
                // The queue sent more than were requested: these reappear.
                return;
            };
            let ticket = self.keeper.hold(&message, permit);
            let consumer = Arc::clone(self);
            tasks.spawn(async move { consumer.message(message, ticket).await });
        }
    }

    /// Waits after an error, unless the queue never answered and does not exist.
    fn receive_error(&self, error: aws::Error) -> Result<(), Error> {
        let gone = error.remedy == Remedy::Gone && !self.exists.load(Ordering::Relaxed);
        // In `--once` mode a queue that cannot be read is reported, not retried.
        let hopeless = self.context.settings.once && error.remedy != Remedy::Retry;
        if gone || hopeless {
            return Err(Error::Queue {
                queue: self.queue.url().to_owned(),
                message: format!("{error}: {}", hint(&error.remedy)),
            });
        }
        let (queue, passes) = (self.queue.url(), error.remedy == Remedy::Retry);
        let reason = match passes {
            true => format!("cannot receive from {queue}: {error}"),
            false => format!(
                "cannot receive from {queue}: {error}: {}",
                hint(&error.remedy)
            ),
        };
        let stalls = &self.context.metrics.stalls;
        stalls.set_error(Cause::QueueUnreadable, queue, passes, reason);
        let kind = match error.remedy {
            Remedy::Retry => "receive",
            _ => "receive: set-up",
        };
        if let Some(left_out) = self.log_throttle.due(kind) {
            match error.remedy {
                Remedy::Retry => warn!(queue, left_out, "cannot receive, trying again: {error}"),
                _ => error!(
                    queue,
                    left_out,
                    "cannot receive, trying again: {error}: {}",
                    hint(&error.remedy)
                ),
            }
        }
        Ok(())
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(panic) = ended {
        error!("the work on a message ended, and it reappears: {panic}");
    }
}

fn hint(remedy: &Remedy) -> &'static str {
    match remedy {
        Remedy::Gone => "s3.queues must name it by its URL, in its region, and of its account",
        Remedy::Denied => {
            "the role needs sqs:ReceiveMessage, sqs:ChangeMessageVisibility and \
             sqs:DeleteMessage on the queue, and kms:Decrypt on its key"
        }
        _ => "correct the credentials, the region or the clock",
    }
}
