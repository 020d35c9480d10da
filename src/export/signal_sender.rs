//! One signal's way to its endpoint: each request retried until it is settled.
//!
//! Enters: a batch's payload of one signal. Leaves: a [`SignalReport`] once every record of it was
//! accepted or refused for good. What must hold: the same bytes at each try; nothing that was
//! accepted is sent again; no way out but the end of the exporter leaves a record unsettled.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Health;
use super::classify::Answer;
use super::decide::{FAULTS, Facts, Step, Trouble, decide};
use super::end::Ending;
use super::health::{Board, Ticket};
use super::reached::reached;
use super::settle::{Doubt, SignalReport};
use super::transport::Transport;
use crate::runtime::retry::Schedule;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;
use qtrail_core::otlp::{Payload, Signal};
use qtrail_core::reject::Reason;

/// Refusals in a row, with nothing accepted between them, after which the set-up is in doubt.
const TRUST: u32 = 100;

/// The exporter ended before everything was settled.
#[derive(Debug)]
pub(super) struct Abandoned;

/// How large one request may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) events: usize,
    pub(super) bytes: usize,
    /// Nanoseconds between its oldest and its newest event.
    pub(super) spread: Option<i64>,
}

/// One signal's way to its endpoint, shared by all batches.
pub(super) struct SignalSender {
    signal: Signal,
    peer: String,
    transport: Arc<dyn Transport>,
    limits: Limits,
    schedule: Schedule,
    board: Arc<Board>,
    metrics: Arc<Metrics>,
    /// Ends everything; cancelled with `ending` too.
    stop: CancellationToken,
    ending: Arc<Ending>,
    /// Requests with records that were accepted.
    accepted: AtomicU64,
    /// Records refused since the last acceptance.
    refusals: AtomicU32,
    remarks: LogThrottle,
}

/// What the lanes of both signals share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) schedule: Schedule,
    pub(super) board: Arc<Board>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: CancellationToken,
    pub(super) ending: Arc<Ending>,
}

/// A request to be: a part of a batch.
struct Part {
    payload: Payload,
    body: Option<Bytes>,
    faults: u32,
    /// [`SignalSender::accepted`] at the first fault of it, or of what it was cut from.
    accepted_before: Option<u64>,
    /// An empty request was accepted since this, or what it was cut from, was first refused.
    vouched: bool,
}

/// The tries of one batch.
struct Tries<'a> {
    lane: &'a SignalSender,
    ticket: Ticket,
    queue: VecDeque<Part>,
    report: SignalReport,
    /// Failures since something was settled.
    failures: u32,
}

impl SignalSender {
    pub(super) fn new(signal: Signal, transport: Arc<dyn Transport>, shared: Shared) -> Self {
        SignalSender {
            signal,
            peer: format!("{} to {}", signal.as_str(), transport.peer()),
            transport,
            limits: shared.limits,
            schedule: shared.schedule,
            board: shared.board,
            metrics: shared.metrics,
            stop: shared.stop,
            ending: shared.ending,
            accepted: AtomicU64::new(0),
            refusals: AtomicU32::new(TRUST),
            remarks: LogThrottle::default(),
        }
    }

    /// Brings every record to its end.
    pub(super) async fn deliver(&self, payload: Payload) -> Result<SignalReport, Abandoned> {
        let mut tries = Tries {
            lane: self,
            ticket: self.board.ticket(),
            queue: VecDeque::new(),
            report: SignalReport::default(),
            failures: 0,
        };
        tries.cut(payload);
        while let Some(part) = tries.queue.pop_front() {
            tries.bring(part).await?;
        }
        Ok(tries.report)
    }

    /// Sends an empty request, once: whether a receiver of OTLP is there, or why not.
    pub(super) async fn check(&self) -> Result<String, String> {
        match self.probe().await {
            Ok(answer) => reached(answer),
            Err(Abandoned) => Err("no answer".to_owned()),
        }
    }

    async fn probe(&self) -> Result<Answer, Abandoned> {
        let body = self.body(Payload::empty(self.signal)).await?.1;
        self.send(body).await
    }

    /// The bytes of a request; made on a thread where compressing may block.
    async fn body(&self, payload: Payload) -> Result<(Payload, Bytes), Abandoned> {
        let transport = Arc::clone(&self.transport);
        tokio::task::spawn_blocking(move || {
            let body = transport.body(&payload);
            (payload, body)
        })
        .await
        .map_err(|_| Abandoned)
    }

    async fn send(&self, body: Bytes) -> Result<Answer, Abandoned> {
        self.metrics.export_requests.add(1);
        let sent = Instant::now();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Abandoned),
            answer = self.transport.send(body) => {
                self.metrics.export_duration.record(sent.elapsed());
                Ok(answer)
            }
        }
    }

    async fn wait(&self, wait: Duration) -> Result<(), Abandoned> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Abandoned),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }

    /// Logs what the operator should hear about an answer.
    fn comment(&self, answer: &Answer, payload: &Payload) {
        match answer {
            Answer::Accepted {
                remark: Some(remark),
            } => self.remark(&format!("accepted with a remark: {remark}")),
            Answer::TooLarge { .. } if payload.len() > 1 => self.remark(&format!(
                "a request of {} bytes is too large for it and is cut; a lower export.batch.bytes \
                 saves the detour",
                payload.encoded_len()
            )),
            _ => {}
        }
    }

    fn remark(&self, text: &str) {
        if let Some(left_out) = self.remarks.due("remark") {
            warn!(left_out, "{}: {text}", self.peer);
        }
    }
}

impl Tries<'_> {
    /// Queues a payload in requests within the limits, in order; oldest first where it is cut by time.
    fn cut(&mut self, payload: Payload) {
        let limits = self.lane.limits;
        let mut rest = match limits.spread {
            Some(spread) => payload.apart(spread),
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
    async fn bring(&mut self, part: Part) -> Result<(), Abandoned> {
        let lane = self.lane;
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
                let (same, body) = lane.body(payload).await?;
                payload = same;
                body
            }
        };
        let answer = lane.send(body.clone()).await?;
        lane.comment(&answer, &payload);
        match answer {
            Answer::Fault { .. } => {
                accepted_before.get_or_insert(lane.accepted.load(Relaxed));
                faults += 1;
            }
            // A server that is in trouble anyway: its faults prove nothing.
            Answer::Retry { .. } | Answer::Blocked { .. } => (faults, accepted_before) = (0, None),
            _ => {}
        }
        let facts = Facts {
            records: payload.len(),
            bytes: payload.encoded_len(),
            faults,
            others_accepted: accepted_before
                .is_some_and(|before| lane.accepted.load(Relaxed) > before),
            trusted: lane.refusals.load(Relaxed) < TRUST,
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

    async fn take(&mut self, step: Step, mut part: Part) -> Result<(), Abandoned> {
        let lane = self.lane;
        match step {
            Step::Settled { rejected, message } => self.settled(&part, rejected, message),
            Step::Refuse { status, message } => self.refused(&part, status, message),
            Step::Halve => self.halve(part),
            Step::Probe { status, message } => {
                match lane.probe().await? {
                    Answer::Accepted { .. } | Answer::Partial { .. } => {
                        // The set-up works, perhaps only by now: it has one more try.
                        lane.refusals.store(0, Relaxed);
                        part.vouched = true;
                    }
                    probe => {
                        let (hint, trouble) = after_probe(probe, &status, &message);
                        self.pause(hint, trouble).await?;
                    }
                }
                self.queue.push_front(part);
            }
            Step::Wait {
                hint,
                trouble,
                aside,
            } => {
                self.pause(hint, trouble).await?;
                if aside {
                    self.queue.push_back(part);
                } else {
                    self.queue.push_front(part);
                }
            }
            Step::End(end) => {
                lane.ending.begin(end);
                return Err(Abandoned);
            }
        }
        Ok(())
    }

    fn settled(&mut self, part: &Part, rejected: u64, message: String) {
        let lane = self.lane;
        self.progress();
        if rejected < part.payload.len() as u64 {
            lane.accepted.fetch_add(1, Relaxed);
            lane.refusals.store(0, Relaxed);
        }
        let bytes = part.body.as_ref().map_or(0, Bytes::len);
        lane.metrics.export_bytes.add(bytes as u64);
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
        self.lane.refusals.fetch_add(1, Relaxed);
        let reason = Reason::Refused {
            signal: self.lane.signal.as_str(),
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

    async fn pause(&mut self, hint: Option<Duration>, trouble: Trouble) -> Result<(), Abandoned> {
        self.failures = self.failures.saturating_add(1);
        let wait = self
            .lane
            .schedule
            .wait(self.failures, hint, fastrand::f64());
        debug!(
            peer = self.lane.peer,
            ?wait,
            failures = self.failures,
            ?trouble,
            "waiting"
        );
        self.ticket.show(trouble.health(&self.lane.peer, wait));
        self.lane.wait(wait).await?;
        self.lane.metrics.export_retries.add(1);
        Ok(())
    }
}

/// Why a refused record waits, when an empty request was not accepted either.
fn after_probe(probe: Answer, status: &str, message: &str) -> (Option<Duration>, Trouble) {
    match probe {
        Answer::Retry { after, reason } => (after, Trouble::Down(reason)),
        _ => {
            let reason = format!(
                "{status}: {message}; it refuses an empty request too: mend the endpoint's URL, \
                 protocol or headers"
            );
            (None, Trouble::Blocked(reason))
        }
    }
}

fn sorted(events: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut events: Vec<_> = events.collect();
    events.sort_unstable();
    events
}

#[cfg(test)]
mod tests;
