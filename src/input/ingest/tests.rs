use std::io::{Cursor, Read};
use std::pin::Pin;
use std::sync::mpsc;
use std::time::Duration;

use super::availability::GRACE;
use super::*;
use crate::dead_letter::DeadLetters;
use crate::export::{self, Destination, Exporter};
use qtrail_core::Converter;
use qtrail_core::convert;
use qtrail_core::envelope;
use qtrail_core::event::amazon_q::{Lists, Select, Selector};

pub(crate) const EVENT: &[u8] = br#"{"eventVersion":"1.08","eventTime":"2024-04-10T14:07:55Z","eventSource":"q.amazonaws.com","eventName":"SendMessage","eventID":"7a1d0cbe-0000-4000-8000-000000000001"}"#;

pub(in crate::input) struct Bench {
    pub(in crate::input) ingest: Ingest,
    pub(in crate::input) health: watch::Sender<Health>,
    pub(in crate::input) stop: CancellationToken,
}

/// An ingest that discards its events, with the collector's health set by the test.
pub(in crate::input) fn bench(limits: Limits) -> Bench {
    let metrics = Arc::new(Metrics::default());
    let stop = CancellationToken::new();
    let pipeline = pipeline(Arc::clone(&metrics), stop.clone());
    let (health, seen) = watch::channel(Health::Up);
    Bench {
        ingest: Ingest::new(pipeline, seen, limits, metrics, stop.clone()),
        health,
        stop,
    }
}

/// A pipeline that discards its events, one request of 1 MiB at a time.
pub(crate) fn pipeline(metrics: Arc<Metrics>, stop: CancellationToken) -> Pipeline {
    pipeline_within(1 << 20, metrics, stop)
}

/// The same, with so many bytes of memory.
pub(crate) fn pipeline_within(
    memory_bytes: usize,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> Pipeline {
    let settings = export::Settings {
        destination: Destination::Discard,
        batch_events: 100,
        batch_bytes: 1 << 20,
        concurrency: 1,
        retry_initial: Duration::from_secs(1),
        retry_max: Duration::from_secs(1),
        give_up_after: None,
        write_errors_end: false,
        batch_spread: None,
        rate_limit: None,
    };
    let exporter = Exporter::start(settings, Arc::clone(&metrics), None, stop).unwrap();
    let conversion = Converter {
        limits: envelope::Limits::default(),
        selector: Selector::new(Select::AmazonQ, &Lists::default()),
        options: convert::Options::default(),
    };
    Pipeline::new(
        conversion,
        exporter,
        DeadLetters::none(),
        metrics,
        memory_bytes,
        CancellationToken::new(),
    )
}

fn request(reserved: Reserved, content: impl Read + Send + 'static) -> Request {
    Request {
        input: "test",
        name: "request".to_owned(),
        source: None,
        content: Content::Whole(Box::new(content)),
        on_damage: OnDamage::Refuse,
        reserved,
    }
}

fn down() -> Health {
    Health::Down {
        reason: "connection refused".to_owned(),
        retry_after: Duration::from_secs(7),
    }
}

fn unavailable() -> Error {
    Error::CollectorUnavailable {
        reason: "connection refused".to_owned(),
        retry_after: Duration::from_secs(7),
    }
}

/// Bytes that arrive once the test drops the sender.
struct Delayed(mpsc::Receiver<()>, Cursor<&'static [u8]>);

impl Read for Delayed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let _ = self.0.recv();
        self.1.read(buffer)
    }
}

fn delayed() -> (mpsc::Sender<()>, Delayed) {
    let (let_go, delay) = mpsc::channel();
    (let_go, Delayed(delay, Cursor::new(EVENT)))
}

/// Polls the future once; it must not be ready.
async fn unanswered<T>(answer: Pin<&mut impl Future<Output = T>>) {
    let answered = tokio::select! {
        biased;
        _ = answer => true,
        () = std::future::ready(()) => false,
    };
    assert!(!answered);
}

#[tokio::test]
async fn a_request_is_answered_with_what_became_of_its_events() {
    let Bench { ingest, .. } = bench(Limits::default());
    let reserved = ingest.try_reserve(EVENT.len()).unwrap();
    let report = ingest.deliver(request(reserved, EVENT)).await.unwrap();
    assert_eq!((report.counts.read, report.counts.exported), (1, 1));
}

#[tokio::test]
async fn while_the_collector_is_unavailable_requests_fail_with_its_delay() {
    let Bench { ingest, health, .. } = bench(Limits::default());
    let reserved = ingest.try_reserve(1).unwrap();
    health.send_replace(down());
    assert_eq!(ingest.try_reserve(1).unwrap_err(), unavailable());
    let answer = ingest.deliver(request(reserved, EVENT)).await;
    assert_eq!(answer.unwrap_err(), unavailable());
    assert_eq!(unavailable().retry_after(), Some(Duration::from_secs(7)));
    health.send_replace(Health::Up);
    assert!(ingest.try_reserve(1).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_request_in_progress_fails_in_time_and_settles_in_the_background() {
    let limits = Limits {
        request_bytes: BUDGET_UNIT,
        in_flight_bytes: BUDGET_UNIT,
        ..Limits::default()
    };
    let Bench { ingest, health, .. } = bench(limits);
    let (let_go, content) = delayed();
    let reserved = ingest.try_reserve(EVENT.len()).unwrap();
    let mut answer = std::pin::pin!(ingest.deliver(request(reserved, content)));
    unanswered(answer.as_mut()).await;
    health.send_replace(down());
    unanswered(answer.as_mut()).await;
    tokio::time::advance(GRACE).await;
    assert_eq!(answer.await.unwrap_err(), unavailable());

    health.send_replace(Health::Up);
    let busy = Error::InFlightLimit { limit: BUDGET_UNIT };
    assert_eq!(
        ingest.try_reserve(1).unwrap_err(),
        busy,
        "its memory is still reserved"
    );
    drop(let_go);
    ingest.settled().await;
    assert_eq!(ingest.metrics.exported.get(), 1);
    assert!(ingest.try_reserve(1).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_of_the_collector_fails_no_request() {
    let Bench { ingest, health, .. } = bench(Limits::default());
    let (let_go, content) = delayed();
    let reserved = ingest.try_reserve(EVENT.len()).unwrap();
    let mut answer = std::pin::pin!(ingest.deliver(request(reserved, content)));
    unanswered(answer.as_mut()).await;
    health.send_replace(down());
    unanswered(answer.as_mut()).await;
    tokio::time::advance(GRACE / 2).await;
    health.send_replace(Health::Up);
    drop(let_go);
    assert_eq!(answer.await.unwrap().counts.exported, 1);
}

#[tokio::test]
async fn bytes_in_flight_are_bounded_and_a_stream_waits_for_memory() {
    let limits = Limits {
        request_bytes: 2 * BUDGET_UNIT,
        in_flight_bytes: 2 * BUDGET_UNIT,
        ..Limits::default()
    };
    let Bench { ingest, stop, .. } = bench(limits);
    let too_large = ingest.try_reserve(2 * BUDGET_UNIT + 1).unwrap_err();
    assert!(matches!(too_large, Error::TooLarge { .. }) && too_large.retry_after().is_none());
    assert!(
        too_large
            .to_string()
            .contains("ingest.limits.request_bytes")
    );

    let tiny = ingest.try_reserve(0).unwrap();
    let full = ingest.try_reserve(BUDGET_UNIT).unwrap();
    let busy = ingest.try_reserve(1).unwrap_err();
    assert!(
        busy.to_string().contains("ingest.limits.in_flight_bytes"),
        "{busy}"
    );
    let mut waiting = std::pin::pin!(ingest.reserve(1));
    unanswered(waiting.as_mut()).await;
    drop(tiny);
    let _reserved = waiting.await.unwrap();
    let mut waiting = std::pin::pin!(ingest.reserve(1));
    stop.cancel();
    assert_eq!(waiting.as_mut().await.unwrap_err(), Error::Stopping);
    assert_eq!(ingest.try_reserve(0).unwrap_err(), Error::Stopping);
    drop(full);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_memory_ends_when_the_collector_is_unavailable() {
    let limits = Limits {
        request_bytes: BUDGET_UNIT,
        in_flight_bytes: BUDGET_UNIT,
        ..Limits::default()
    };
    let Bench { ingest, health, .. } = bench(limits);
    health.send_replace(down());
    let reserved = ingest.reserve(1).await.unwrap();
    let mut waiting = std::pin::pin!(ingest.reserve(1));
    unanswered(waiting.as_mut()).await;
    assert_eq!(waiting.await.unwrap_err(), unavailable());
    drop(reserved);
    assert!(ingest.reserve(1).await.is_ok());
}

#[tokio::test]
async fn a_reservation_grows_and_shrinks() {
    let limits = Limits {
        request_bytes: 4 * BUDGET_UNIT,
        in_flight_bytes: 4 * BUDGET_UNIT,
        ..Limits::default()
    };
    let Bench { ingest, .. } = bench(limits);
    let mut one = ingest.try_reserve(4 * BUDGET_UNIT).unwrap();
    ingest.resize(&mut one, 10).unwrap();
    let mut two = ingest.try_reserve(2 * BUDGET_UNIT).unwrap();
    ingest.resize(&mut one, 2 * BUDGET_UNIT).unwrap();
    let busy = Error::InFlightLimit {
        limit: 4 * BUDGET_UNIT,
    };
    assert_eq!(ingest.try_reserve(0).unwrap_err(), busy);
    assert_eq!(ingest.resize(&mut two, 3 * BUDGET_UNIT).unwrap_err(), busy);
    drop((one, two));
    assert!(ingest.try_reserve(4 * BUDGET_UNIT).is_ok());
}

#[tokio::test]
async fn a_request_that_inflates_too_far_is_not_acknowledged() {
    let limits = Limits {
        inflated_bytes: 1000,
        ..Limits::default()
    };
    let Bench { ingest, .. } = bench(limits);
    let reserved = ingest.try_reserve(1).unwrap();
    let many = EVENT.repeat(20);
    let error = ingest.deliver(request(reserved, Cursor::new(many))).await;
    assert_eq!(error.unwrap_err(), Error::InflatedTooLarge { limit: 1000 });
}
