//! One message, from its receipt until it is deleted or released.
//!
//! Enters: a message in flight. Leaves: how it ended. What must hold: it is deleted only once all of its
//! objects have settled; a message with an error of its own is left to the queue's redrive
//! policy, or, without one, goes to the dead letters after `max_receives` failures.

use std::time::Duration;

use bytes::Bytes;
use tracing::{debug, info, warn};

use super::consume::Consumer;
use super::context::{Fetch, Flow};
use super::notice::{self, Notice};
use super::object::{End, unit};
use super::queue::{Message, Queue, Redrive};
use super::queue_policy::Access;
use super::visibility::Ticket;
use super::waits_up_to;
use crate::aws::object::Location;
use crate::dead_letter::{OnDamage, Origin};
use crate::export::Outcome;
use crate::pipeline::{Content, Text};
use qtrail_core::reject::{Evidence, Reason};

/// The longest time for which a failed message stays hidden.
const LONGEST_AWAY: Duration = Duration::from_secs(300);
/// The same in `--once` mode, which ends only once these messages are visible again.
const LONGEST_AWAY_ONCE: Duration = Duration::from_secs(5);

/// How the work on a message ended.
enum Handled {
    /// All of its objects have settled.
    Done,
    /// It could not be finished, without an error of its own.
    GivenUp,
    /// It failed with an error of its own.
    Failed(Error),
}

/// What is wrong with a message.
enum Error {
    /// Its body.
    Unknown(String),
    /// Some of its objects, each with the reason.
    Objects(Vec<(Location, Reason)>),
}

impl<Q: Queue, F: Fetch, P: Flow> Consumer<Q, F, P> {
    /// Works on a message until it ends.
    pub(super) async fn message(&self, message: Message, ticket: Ticket<Q>) {
        let handled = tokio::select! {
            handled = self.work(&message) => handled,
            () = self.context.abort.cancelled() => Handled::GivenUp,
        };
        match handled {
            Handled::Done => self.delete(&message, ticket),
            Handled::GivenUp => {
                let tries = self.context.attempts.gave_up(&message.id);
                ticket.release(self.away(tries));
            }
            Handled::Failed(error) => self.failed(message, ticket, error).await,
        }
    }

    fn delete(&self, message: &Message, ticket: Ticket<Q>) {
        self.context.attempts.forget(&message.id);
        ticket.delete();
    }

    async fn work(&self, message: &Message) -> Handled {
        if self.context.stop.is_cancelled() {
            return Handled::GivenUp;
        }
        match notice::read(&message.body) {
            Notice::Objects(objects) => self.objects(message, &objects).await,
            Notice::Events if self.context.settings.inline_events => self.events(message).await,
            Notice::Events => self.refuse_message(message, Reason::InlineEvents).await,
            Notice::Unknown(detail) => Handled::Failed(Error::Unknown(detail)),
            Notice::Nothing(what) => {
                self.context.metrics.skipped.add(1);
                if let Some(left_out) = self.context.log_throttle.due(what) {
                    info!(
                        queue = self.queue.url(),
                        message = &*message.id,
                        left_out,
                        "a message that announces nothing, and is deleted: {what}"
                    );
                }
                Handled::Done
            }
        }
    }

    /// Reads the objects one after the other; other messages proceed meanwhile.
    async fn objects(&self, message: &Message, objects: &[Location]) -> Handled {
        let context = &self.context;
        let (mut failed, mut refused) = (Vec::new(), Vec::new());
        for location in objects {
            if context.attempts.has_settled(&message.id, location) {
                continue;
            }
            if !context.reads(location) {
                context.metrics.s3_objects_skipped.add(1);
                debug!(object = %location, "left alone, by s3.include and s3.exclude");
                self.remember(message, location, objects.len());
                continue;
            }
            match self.access(&location.bucket).await {
                Access::Allowed => {}
                Access::Denied => {
                    refused.push(location);
                    continue;
                }
                Access::Unknown => return Handled::GivenUp,
            }
            match context.object(location).await {
                End::Settled => self.remember(message, location, objects.len()),
                End::Failed(reason) => failed.push((location.clone(), reason)),
                End::GivenUp => return Handled::GivenUp,
            }
        }
        if self.refuse_objects(message, &refused).await != End::Settled {
            return Handled::GivenUp;
        }
        for location in refused {
            self.remember(message, location, objects.len());
        }
        match failed.is_empty() {
            true => Handled::Done,
            false => Handled::Failed(Error::Objects(failed)),
        }
    }

    /// Writes dead letters for objects of other buckets, without a request to S3: one object by its name,
    /// several as the message, because a short message can name thousands.
    async fn refuse_objects(&self, message: &Message, objects: &[&Location]) -> End {
        let Some((first, others)) = objects.split_first() else {
            return End::Settled;
        };
        let reason = Reason::BucketNotAllowed {
            bucket: first.bucket.clone(),
            others: others.len(),
        };
        if others.is_empty() {
            return self.context.refuse_object(first, reason).await;
        }
        match self.refuse_message(message, reason).await {
            Handled::Done => End::Settled,
            _ => End::GivenUp,
        }
    }

    /// Writes the message itself to the dead letters.
    async fn refuse_message(&self, message: &Message, reason: Reason) -> Handled {
        let body = Evidence::Bytes(message.body.clone().into_bytes());
        let kept = self.context.flow.refuse(self.origin(message), reason, body);
        match kept.await {
            Outcome::Delivered => Handled::Done,
            _ => Handled::GivenUp,
        }
    }

    /// Deletes a message of one object as soon as that has settled.
    fn remember(&self, message: &Message, location: &Location, objects: usize) {
        if objects > 1 {
            self.context.attempts.settled(&message.id, location);
        }
    }

    /// Delivers the events of the body.
    async fn events(&self, message: &Message) -> Handled {
        let bytes = Bytes::copy_from_slice(message.body.as_bytes());
        let Some(_memory) = self.context.budget.acquire(bytes.len()).await else {
            return Handled::GivenUp;
        };
        // A body that is not CloudTrail's must not become a dead letter at once.
        let text = Text {
            number: 0,
            source: None,
            bytes,
        };
        let unit = unit(self.origin(message), Content::Texts(vec![text]));
        let report = self.context.flow.deliver(unit).await;
        match report.outcome {
            Outcome::Delivered if report.counts.foreign > 0 => {
                let reason = report.refused.first().map(|(_, reason)| reason.to_string());
                Handled::Failed(Error::Unknown(reason.unwrap_or_default()))
            }
            Outcome::Delivered => Handled::Done,
            _ => Handled::GivenUp,
        }
    }

    fn origin(&self, message: &Message) -> Origin {
        Origin {
            input: "sqs",
            name: format!("{} message {}", self.queue.url(), message.id).into(),
            observed: None,
            on_damage: OnDamage::KeepWhole,
        }
    }

    async fn failed(&self, message: Message, ticket: Ticket<Q>, error: Error) {
        let context = &self.context;
        context.metrics.s3_messages_failed.add(1);
        let failures = context.attempts.failed(&message.id);
        let redrive = self.policy.redrive();
        let left_to_queue = matches!(redrive, Redrive::After(_));
        if let Some(left_out) = context.log_throttle.due(error.kind()) {
            warn!(
                queue = self.queue.url(),
                message = &*message.id,
                receives = message.receives,
                failures,
                left_to_queue,
                left_out,
                "a message failed: {error}"
            );
        }
        if !left_to_queue && failures >= context.settings.max_receives {
            let kept = tokio::select! {
                kept = self.keep(&message, &error) => kept,
                () = context.abort.cancelled() => false,
            };
            if kept {
                return self.delete(&message, ticket);
            }
        }
        ticket.release(self.away(failures));
    }

    /// How long a released message stays hidden.
    fn away(&self, tries: u32) -> Duration {
        match self.context.settings.once {
            // Another receiver takes it at once.
            _ if self.context.stop.is_cancelled() => Duration::ZERO,
            true => waits_up_to(LONGEST_AWAY_ONCE, tries),
            false => waits_up_to(LONGEST_AWAY, tries),
        }
    }

    /// Writes the error of a message to the dead letters; `true` if it was written.
    async fn keep(&self, message: &Message, error: &Error) -> bool {
        let objects = match error {
            Error::Unknown(detail) => {
                let detail = detail.clone();
                let kept = self.refuse_message(message, Reason::UnknownNotice { detail });
                return matches!(kept.await, Handled::Done);
            }
            Error::Objects(objects) => objects,
        };
        for (location, reason) in objects {
            if self.context.refuse_object(location, reason.clone()).await != End::Settled {
                return false;
            }
            self.context.attempts.settled(&message.id, location);
        }
        true
    }
}

impl Error {
    fn kind(&self) -> &'static str {
        match self {
            Error::Unknown(_) => "unknown",
            Error::Objects(_) => "objects",
        }
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Unknown(detail) => write!(f, "its body is not understood: {detail}"),
            Error::Objects(objects) => {
                let (first, reason) = &objects[0];
                let count = objects.len();
                write!(f, "{count} of its objects, such as {first}: {reason}")
            }
        }
    }
}
