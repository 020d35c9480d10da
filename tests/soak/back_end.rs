//! The collector, and what goes wrong with it.
//!
//! Enters: requests. Leaves: answers as the present mood has them, and on the ledger what was taken.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use http::HeaderMap;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::ledger::{Ledger, SOME_REFUSED};
use super::made::is_poisoned;
use crate::support::collector::{Collector, Reply, Seen};

/// How often the ledger gets what was taken.
const DRAINED: Duration = Duration::from_millis(100);

/// How the collector is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mood {
    Well,
    /// 503, UNAVAILABLE.
    Away,
    /// 429 with Retry-After, RESOURCE_EXHAUSTED with a delay.
    Busy,
    /// 401, UNAUTHENTICATED.
    Unauthorized,
    /// A proxy's 404 page, UNIMPLEMENTED.
    WrongPath,
    /// 200 from something that is no collector.
    Stranger,
    /// Some of a request is not taken.
    Partial,
    /// Takes a request and answers after a while.
    Slow,
    /// Takes a request, and the answer gets lost.
    LostAnswers,
    /// Neither takes a request nor answers.
    Hanging,
    /// Breaks connections.
    Resetting,
    /// Nobody listens.
    Closed,
    /// Takes no request with manifest records.
    ManifestRefused,
}

pub(super) const MOODS: [Mood; 12] = [
    Mood::Away,
    Mood::Busy,
    Mood::Unauthorized,
    Mood::WrongPath,
    Mood::Stranger,
    Mood::Partial,
    Mood::Slow,
    Mood::LostAnswers,
    Mood::Hanging,
    Mood::Resetting,
    Mood::Closed,
    Mood::ManifestRefused,
];

/// The collector behind its moods.
pub(super) struct BackEnd {
    pub(super) collector: Collector,
    ledger: Arc<Ledger>,
    rng: Rng,
    /// Ends the present mood's answers that never come.
    end: CancellationToken,
    stop: CancellationToken,
}

impl BackEnd {
    pub(super) async fn start(ledger: &Arc<Ledger>, rng: Rng) -> Arc<tokio::sync::Mutex<Self>> {
        let mut back_end = BackEnd {
            collector: Collector::start().await,
            ledger: Arc::clone(ledger),
            rng,
            end: CancellationToken::new(),
            stop: CancellationToken::new(),
        };
        back_end.turn(Mood::Well).await;
        let stop = back_end.stop.clone();
        let back_end = Arc::new(tokio::sync::Mutex::new(back_end));
        let draining = Arc::clone(&back_end);
        tokio::spawn(stop.run_until_cancelled_owned(async move {
            loop {
                draining.lock().await.drain();
                tokio::time::sleep(DRAINED).await;
            }
        }));
        back_end
    }

    /// Changes the mood.
    pub(super) async fn turn(&mut self, mood: Mood) {
        // Connections break first, so that what was not answered stays so.
        self.collector.close();
        self.end.cancel();
        self.end = CancellationToken::new();
        if mood == Mood::Closed {
            return;
        }
        let (ledger, end) = (Arc::clone(&self.ledger), self.end.clone());
        let rng = Mutex::new(self.rng.fork());
        let reply = move |seen: &Seen| reply(mood, seen, &ledger, &mut rng.lock().unwrap(), &end);
        self.collector.reply_with(reply);
        self.collector.open().await;
    }

    /// Puts what was taken on the ledger.
    pub(super) fn drain(&self) {
        let (logs, traces) = self.collector.take();
        logs.iter().for_each(|request| self.ledger.logs(request));
        traces.iter().for_each(|request| self.ledger.spans(request));
    }
}

impl Drop for BackEnd {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn reply(
    mood: Mood,
    seen: &Seen,
    ledger: &Ledger,
    rng: &mut Rng,
    end: &CancellationToken,
) -> Reply {
    let grpc = is_grpc(&seen.headers);
    let refuse = |status: Status, http, headers: &[(&'static str, &'static str)], body| match grpc {
        true => Reply::Grpc(status),
        false => Reply::Http(http, headers.to_vec(), body),
    };
    match mood {
        Mood::Away => refuse(Status::unavailable("later"), 503, &[], "later"),
        Mood::ManifestRefused if seen.own => {
            refuse(Status::unavailable("later"), 503, &[], "later")
        }
        Mood::Busy => {
            let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(300)));
            let status = Status::with_error_details(Code::ResourceExhausted, "busy", details);
            refuse(status, 429, &[("retry-after", "1")], "busy")
        }
        Mood::Unauthorized => refuse(Status::unauthenticated("no token"), 401, &[], "no token"),
        Mood::WrongPath => refuse(Status::unimplemented("no such call"), 404, &[], "<html>404"),
        Mood::Stranger if !grpc => Reply::Http(200, vec![("content-type", "text/plain")], "OK"),
        Mood::Hanging => Reply::Hang,
        Mood::Resetting if rng.bool() => Reply::Reset,
        _ if is_poisoned(seen) => refuse(Status::invalid_argument("refused"), 400, &[], "refused"),
        Mood::Partial if rng.u8(0..4) == 0 && !seen.ids.is_empty() => {
            let rejected = rng.usize(1..=seen.ids.len().min(3));
            ledger.not_taken(seen.signal, &seen.ids[..rejected]);
            Reply::Partial(rejected as i64, SOME_REFUSED)
        }
        Mood::LostAnswers => Reply::Late(end.clone()),
        Mood::Slow => {
            let (answer, after) = (CancellationToken::new(), rng.u64(10..600));
            let late = answer.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(after)).await;
                late.cancel();
            });
            Reply::Late(answer)
        }
        _ => Reply::Accept,
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    // tonic takes it from the metadata.
    let kind = headers.get("content-type");
    kind.is_none_or(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}
