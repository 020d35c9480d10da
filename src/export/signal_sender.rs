//! One signal's way to its endpoint: each request retried until it is settled.
//!
//! Enters: a batch's payload of one signal. Leaves: a [`SignalReport`] once every record of it was
//! accepted or refused for good. What must hold: the same bytes at each try; nothing that was
//! accepted is sent again; no way out but the end of the exporter leaves a record unsettled.

mod tries;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::classify::{Answer, AnswerCode};
use super::end::Ending;
use super::health::Board;
use super::reached::reached;
use super::request::RequestBody;
use super::settle::SignalReport;
use super::transport::Transport;
use crate::runtime::retry::Schedule;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;
use qtrail_core::otlp::{Payload, Signal};
use tries::Tries;

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

/// What the senders of both signals share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) schedule: Schedule,
    pub(super) board: Arc<Board>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) stop: CancellationToken,
    pub(super) ending: Arc<Ending>,
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

    /// Sends until every record was accepted or refused for good.
    pub(super) async fn deliver(&self, payload: Payload) -> Result<SignalReport, Abandoned> {
        Tries::new(self).deliver(payload).await
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

    /// The bytes of a request.
    async fn body(&self, payload: Payload) -> Result<(Payload, RequestBody), Abandoned> {
        if !self.transport.transcodes() {
            let body = self.transport.body(&payload);
            return Ok((payload, body));
        }
        let transport = Arc::clone(&self.transport);
        tokio::task::spawn_blocking(move || {
            let body = transport.body(&payload);
            (payload, body)
        })
        .await
        .map_err(|_| Abandoned)
    }

    async fn send(&self, body: RequestBody) -> Result<Answer, Abandoned> {
        self.metrics.export_requests.add(1);
        let sent = Instant::now();
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Abandoned),
            (code, answer) = self.transport.send(body) => {
                self.metrics.export_duration.record(sent.elapsed());
                self.count(code, &answer);
                Ok(answer)
            }
        }
    }

    /// Counts an answer that is none of success.
    fn count(&self, code: AnswerCode, answer: &Answer) {
        let code = match answer {
            Answer::Accepted { .. } => return,
            Answer::Partial { .. } => "partial_success",
            _ => &code.to_string(),
        };
        self.metrics.export_errors.add(code, self.signal.as_str());
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

#[cfg(test)]
mod tests;
