//! The requests of one batch, each sent until it is settled.
//!
//! Enters: the batch's payload. Leaves: a [`SignalReport`]. What must hold: a request that is cut in two keeps
//! what its answers have proved.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tracing::debug;

use super::{Abandoned, SignalSender, TRUST};
use crate::export::Health;
use crate::export::classify::Answer;
use crate::export::decide::{Action, FAULTS, Facts, WaitReason, decide};
use crate::export::health::Ticket;
use crate::export::request::RequestBody;
use crate::export::settle::{Doubt, SignalReport};
use qtrail_core::otlp::Payload;
use qtrail_core::reject::Reason;

/// A part of a batch, which one request carries.
struct Part {
    payload: Payload,
    body: Option<RequestBody>,
    faults: u32,
    /// [`SignalSender::accepted`] at the first fault of it, or of what it was cut from.
    accepted_before: Option<u64>,
    /// An empty request was accepted since this, or what it was cut from, was first refused.
    vouched: bool,
}

/// The requests of one batch.
pub(super) struct Tries<'a> {
    sender: &'a SignalSender,
    ticket: Ticket,
    queue: VecDeque<Part>,
    report: SignalReport,
    /// Failures since something was settled.
    failures: u32,
}

impl<'a> Tries<'a> {
    pub(super) fn new(sender: &'a SignalSender) -> Self {
        Tries {
            sender,
            ticket: sender.board.ticket(),
            queue: VecDeque::new(),
            report: SignalReport::default(),
            failures: 0,
        }
    }

    /// Sends until every record was accepted or refused for good.
    pub(super) async fn deliver(mut self, payload: Payload) -> Result<SignalReport, Abandoned> {
        self.cut(payload);
        while let Some(part) = self.queue.pop_front() {
            self.send(part).await?;
        }
        Ok(self.report)
    }

    /// Queues a payload in requests within the limits, in order; oldest first where it is cut by time.
    fn cut(&mut self, payload: Payload) {
        let limits = self.sender.limits;
        let mut rest = match limits.spread {
            Some(spread) => payload.split_by_time(spread),
            None => vec![payload],
        };
        rest.reverse();
        while let Some(payload) = rest.pop() {
            let too_large = payload.len() > limits.events || payload.encoded_len() > limits.bytes;
            if payload.is_empty() {
                continue;
            } else if too_large && payload.len() > 1 {
                let (left, right) = payload.split();
                rest.extend([right, left]);
            } else {
                self.queue.push_back(Part {
                    payload,
                    body: None,
                    faults: 0,
                    accepted_before: None,
                    vouched: false,
                });
            }
        }
    }

    /// Sends one request and does what its answer asks for.
    async fn send(&mut self, part: Part) -> Result<(), Abandoned> {
        let sender = self.sender;
        let Part {
            mut payload,
            body,
            mut faults,
            mut accepted_before,
            vouched,
        } = part;
        let body = match body {
            Some(body) => body,
            None => {
                let (same, body) = sender.body(payload).await?;
                payload = same;
                body
            }
        };
        let answer = sender.send(body.clone()).await?;
        sender.comment(&answer, &payload);
        match answer {
            Answer::Fault { .. } => {
                accepted_before.get_or_insert(sender.accepted.load(Relaxed));
                faults += 1;
            }
            // The faults of a server that is unavailable anyway prove nothing.
            Answer::Retry { .. } | Answer::Blocked { .. } => (faults, accepted_before) = (0, None),
            _ => {}
        }
        let facts = Facts {
            records: payload.len(),
            bytes: payload.encoded_len(),
            faults,
            others_accepted: accepted_before
                .is_some_and(|before| sender.accepted.load(Relaxed) > before),
            trusted: sender.refusals.load(Relaxed) < TRUST,
            vouched,
        };
        let step = decide(answer, facts);
        let again = Part {
            payload,
            body: Some(body),
            faults,
            accepted_before,
            vouched,
        };
        self.take(step, again).await
    }

    async fn take(&mut self, step: Action, mut part: Part) -> Result<(), Abandoned> {
        let sender = self.sender;
        match step {
            Action::Settled { rejected, message } => self.settled(&part, rejected, message),
            Action::Refuse { status, message } => self.refused(&part, status, message),
            Action::Halve => self.halve(part),
            Action::Probe { status, message } => {
                match sender.probe().await? {
                    Answer::Accepted { .. } | Answer::Partial { .. } => {
                        // The set-up works, perhaps only by now: it has one more try.
                        sender.refusals.store(0, Relaxed);
                        part.vouched = true;
                    }
                    probe => {
                        let (hint, cause) = after_probe(probe, &status, &message);
                        self.pause(hint, cause).await?;
                    }
                }
                self.queue.push_front(part);
            }
            Action::Wait {
                hint,
                cause,
                others_first,
            } => {
                self.pause(hint, cause).await?;
                if others_first {
                    self.queue.push_back(part);
                } else {
                    self.queue.push_front(part);
                }
            }
            Action::End(end) => {
                sender.ending.begin(end);
                return Err(Abandoned);
            }
        }
        Ok(())
    }

    fn settled(&mut self, part: &Part, rejected: u64, message: String) {
        let sender = self.sender;
        self.progress();
        if rejected < part.payload.len() as u64 {
            sender.accepted.fetch_add(1, Relaxed);
            sender.refusals.store(0, Relaxed);
        }
        let bytes = part.body.as_ref().map_or(0, RequestBody::len);
        sender.metrics.export_bytes.add(bytes as u64);
        if rejected > 0 {
            self.report.uncertain.push(Doubt {
                events: sorted(part.payload.events()),
                rejected,
                message,
            });
        }
    }

    fn refused(&mut self, part: &Part, status: String, message: String) {
        self.progress();
        self.sender.refusals.fetch_add(1, Relaxed);
        let reason = Reason::Refused {
            signal: self.sender.signal.as_str(),
            status,
            message,
        };
        let events = part.payload.events();
        let refused = events.map(|event| (event, reason.clone()));
        self.report.refused.extend(refused);
    }

    fn halve(&mut self, part: Part) {
        let (left, right) = part.payload.split();
        for payload in [left, right] {
            // A half of what met faults need meet but one more to be halved; a single record is not
            // given up for the faults of a request that it was in.
            let faults = match payload.len() {
                1 => 0,
                _ => part.faults.min(FAULTS - 1),
            };
            self.queue.push_back(Part {
                payload,
                body: None,
                faults,
                accepted_before: part.accepted_before,
                vouched: part.vouched,
            });
        }
    }

    fn progress(&mut self) {
        self.failures = 0;
        self.ticket.show(Health::Up);
    }

    async fn pause(&mut self, hint: Option<Duration>, cause: WaitReason) -> Result<(), Abandoned> {
        self.failures = self.failures.saturating_add(1);
        let wait = self
            .sender
            .schedule
            .wait(self.failures, hint, fastrand::f64());
        debug!(
            peer = self.sender.peer,
            ?wait,
            failures = self.failures,
            ?cause,
            "waiting"
        );
        self.ticket.show(cause.health(&self.sender.peer, wait));
        self.sender.wait(wait).await?;
        self.sender.metrics.export_retries.add(1);
        Ok(())
    }
}

/// Why a refused record waits, when an empty request was not accepted either.
fn after_probe(probe: Answer, status: &str, message: &str) -> (Option<Duration>, WaitReason) {
    match probe {
        Answer::Retry { after, reason } => (after, WaitReason::Down(reason)),
        _ => {
            let reason = format!(
                "{status}: {message}; it refuses an empty request too: correct the endpoint's URL, \
                 protocol or headers"
            );
            (None, WaitReason::Blocked(reason))
        }
    }
}

pub(super) fn sorted(events: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut events: Vec<_> = events.collect();
    events.sort_unstable();
    events
}
