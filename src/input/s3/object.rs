//! One object, from its name until it has settled.
//!
//! Enters: a location. Leaves: an [`End`]. What must hold: an object has settled only when all its
//! records have, or when a dead letter names it; temporary errors are retried; an object that keeps failing
//! while S3 sends others blocks nothing.

use std::sync::atomic::Ordering;

use tokio::time::sleep;
use tracing::{debug, error, warn};

use super::context::{Context, Fetch, Flow, Opened};
use super::waits;
use crate::aws;
use crate::aws::error::Remedy;
use crate::aws::object::Location;
use crate::dead_letter::{OnDamage, Origin};
use crate::export::Outcome;
use crate::pipeline::{Content, Truncation, Unit};
use crate::proof::announced::{self, Announced};
use crate::telemetry::stalls::Cause;
use qtrail_core::convert::observed_time;
use qtrail_core::reject::{Evidence, Reason};

/// Failures of an object, while S3 sends others, until the error counts as its own.
const TRIES: u32 = 8;

/// How the work on an object ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It has settled.
    Settled,
    /// It cannot be read, now or ever.
    Failed(Reason),
    /// It was released, to be read later.
    GivenUp,
}

/// How one try ended.
enum Try {
    End(End),
    /// Another try may succeed.
    Again(aws::Error),
    /// Another try may succeed once the collector takes events; the object itself is fine.
    Later(aws::Error),
}

impl<F: Fetch, P: Flow> Context<F, P> {
    /// Works on an object until it ends, or until `stop` while it waits.
    pub(super) async fn object(&self, location: &Location) -> End {
        let (mut failures, mut own) = (0, 0);
        loop {
            let permit = tokio::select! {
                biased;
                () = self.stop.cancelled() => return End::GivenUp,
                permit = self.fetchers.acquire() => permit,
            };
            let answered = self.answered.load(Ordering::Relaxed);
            let attempt = self.attempt(location).await;
            // Other objects proceed meanwhile.
            drop(permit);
            let (error, is_its) = match attempt {
                Try::End(end) => return end,
                Try::Again(error) => (error, true),
                Try::Later(error) => (error, false),
            };
            failures += 1;
            self.log_retry(location, &error);
            tokio::select! {
                () = self.stop.cancelled() => return End::GivenUp,
                () = sleep(waits(failures)) => {}
            }
            // While S3 sends no object at all, it is an outage or a wrong set-up.
            let answers = self.answered.load(Ordering::Relaxed) > answered;
            own = match is_its {
                true => own + u32::from(answers),
                false => 0,
            };
            if own >= TRIES {
                let detail = format!("{TRIES} tries failed while S3 answered: {error}");
                return End::Failed(Reason::ObjectUnreadable { detail });
            }
        }
    }

    async fn attempt(&self, location: &Location) -> Try {
        if let Some(verifier) = self
            .verifier
            .as_ref()
            .filter(|_| Announced::is_digest(location))
        {
            return match verifier.verify(location).await {
                announced::End::Delivered => {
                    self.metrics.s3_objects.add(1);
                    Try::End(End::Settled)
                }
                announced::End::GivenUp => Try::End(End::GivenUp),
                announced::End::Again(why) => Try::Again(passing(why)),
            };
        }
        let opened = self.fetch.open(location, self.settings.object_bytes).await;
        if !matches!(&opened, Err(error) if passes(error)) {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        self.set_readiness(location, opened.as_ref().err());
        match opened {
            Ok(opened) => self.deliver(location, opened).await,
            Err(error) => self.judge(location, error).await,
        }
    }

    async fn deliver(&self, location: &Location, opened: Opened) -> Try {
        let Some(_memory) = self.budget.acquire(opened.held_bytes).await else {
            return Try::End(End::GivenUp);
        };
        let content = match opened.content.await {
            Ok(content) => content,
            Err(error) => return self.judge(location, error).await,
        };
        let report = self
            .flow
            .deliver(unit(origin(location, opened.modified), content))
            .await;
        match report.outcome {
            Outcome::Delivered => {
                self.metrics.s3_objects.add(1);
                self.metrics.s3_bytes.add(opened.bytes);
                debug!(object = %location, bytes = opened.bytes, counts = ?report.counts, "read");
                Try::End(End::Settled)
            }
            Outcome::Retry(_) => match report.read_error {
                Some(error) => Try::Again(passing(error)),
                None => Try::Later(passing(
                    "the collector cannot take its events now".to_owned(),
                )),
            },
            Outcome::Blocked(message) => Try::Later(passing(message)),
            Outcome::Abandoned => Try::End(End::GivenUp),
        }
    }

    /// Decides about an object that cannot be read.
    async fn judge(&self, location: &Location, error: aws::Error) -> Try {
        let detail = error.message.clone();
        let reason = match error.remedy {
            Remedy::Gone => Reason::ObjectGone { detail },
            Remedy::TooLarge => Reason::ObjectTooLarge { detail },
            Remedy::Denied => return Try::End(End::Failed(Reason::ObjectDenied { detail })),
            _ => return Try::Again(error),
        };
        Try::End(self.refuse_object(location, reason).await)
    }

    /// Writes a dead letter with the name of an object.
    pub(super) async fn refuse_object(&self, location: &Location, reason: Reason) -> End {
        let origin = origin(location, None);
        match self.flow.refuse(origin, reason, Evidence::Unit).await {
            Outcome::Delivered => {
                // It blocks nothing any more.
                self.set_readiness(location, None);
                End::Settled
            }
            _ => End::GivenUp,
        }
    }

    /// The newest object decides, until another can be had.
    fn set_readiness(&self, location: &Location, error: Option<&aws::Error>) {
        let stalls = &self.metrics.stalls;
        let Some(error) = error else {
            return stalls.clear(Cause::ObjectsUnreadable, "");
        };
        let remedy = match error.remedy {
            // It goes to the dead letters.
            Remedy::Gone | Remedy::TooLarge => return,
            Remedy::Retry => "",
            Remedy::Denied => ": the role needs s3:GetObject on it, and kms:Decrypt on its key",
            Remedy::Setup | Remedy::Region(_) => {
                ": correct the credentials, the region or the clock"
            }
        };
        let reason = format!(
            "{location} cannot be read, and no object could be read since: {error}{remedy}"
        );
        let passes = error.remedy == Remedy::Retry;
        stalls.set_error(Cause::ObjectsUnreadable, "", passes, reason);
    }

    fn log_retry(&self, location: &Location, error: &aws::Error) {
        match error.remedy {
            Remedy::Retry => {
                if let Some(left_out) = self.log_throttle.due("retry") {
                    warn!(object = %location, left_out, "an object could not be read, and is tried again: {error}");
                }
            }
            _ => {
                if let Some(left_out) = self.log_throttle.due("mend") {
                    error!(
                        object = %location,
                        left_out,
                        "objects cannot be read until the credentials, the region or the clock are corrected; their messages are kept: {error}"
                    );
                }
            }
        }
    }
}

/// Whether a later request may succeed.
fn passes(error: &aws::Error) -> bool {
    matches!(
        error.remedy,
        Remedy::Retry | Remedy::Setup | Remedy::Region(_)
    )
}

fn passing(message: String) -> aws::Error {
    aws::Error {
        remedy: Remedy::Retry,
        message,
    }
}

/// A unit that is complete.
pub(super) fn unit(origin: Origin, content: Content) -> Unit {
    Unit {
        origin,
        content,
        base: 0,
        truncation: Truncation::Reject,
        inflated_bytes: None,
    }
}

fn origin(location: &Location, modified: Option<i64>) -> Origin {
    Origin {
        input: "s3",
        name: location.to_string().into(),
        observed: observed_time(&location.key, modified),
        on_damage: OnDamage::NamePlace,
    }
}
