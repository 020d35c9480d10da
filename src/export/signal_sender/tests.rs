use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Buf;
use proptest::collection::vec;
use proptest::prelude::*;

use super::tries::sorted;
use super::*;
use crate::export::decide::FAULTS;
use crate::export::transport::Answering;
use qtrail_core::convert::{
    Field, Head, On, Options, ResourceKey, Severity, Sink, SpanKind, Stability, Value,
};
use qtrail_core::otlp::Encoder;

/// What a server makes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    Good,
    /// Refused as invalid.
    Bad,
    /// Breaks the server.
    Poison,
}

/// A server that knows each record's nature, and has moods. Requests are told apart by the number of
/// the event, which is in each record's name.
struct Model {
    natures: Vec<Nature>,
    /// What it answers first, whatever is sent.
    moods: Mutex<VecDeque<Answer>>,
    accepted: Mutex<BTreeMap<u32, u32>>,
    requests_accepted: Mutex<Vec<Vec<u32>>>,
    requests: AtomicU32,
    broken_until: Option<Instant>,
    /// Whether it refuses in OTLP's own terms.
    in_otlp: bool,
}

impl Model {
    fn new(natures: Vec<Nature>, moods: Vec<Answer>) -> Arc<Self> {
        Arc::new(Model {
            natures,
            moods: Mutex::new(moods.into()),
            accepted: Mutex::default(),
            requests_accepted: Mutex::default(),
            requests: AtomicU32::new(0),
            broken_until: None,
            in_otlp: true,
        })
    }

    fn answer(&self, body: &[u8]) -> Answer {
        self.requests.fetch_add(1, Relaxed);
        let down = self
            .broken_until
            .is_some_and(|until| Instant::now() < until);
        if down {
            return fault();
        }
        if let Some(mood) = self.moods.lock().unwrap().pop_front() {
            return mood;
        }
        let events = events(body);
        let has = |nature| events.iter().any(|&e| self.natures[e as usize] == nature);
        if has(Nature::Bad) {
            return Answer::Rejected {
                status: "HTTP 400".to_owned(),
                message: String::new(),
                in_otlp: self.in_otlp,
            };
        }
        if has(Nature::Poison) {
            return fault();
        }
        self.requests_accepted.lock().unwrap().push(events.clone());
        for event in events {
            *self.accepted.lock().unwrap().entry(event).or_default() += 1;
        }
        Answer::ACCEPTED
    }
}

impl Transport for Model {
    fn body(&self, payload: &Payload) -> RequestBody {
        payload.encode_parts().into()
    }

    fn transcodes(&self) -> bool {
        true
    }

    fn send(&self, mut body: RequestBody) -> Answering<'_> {
        Box::pin(async move {
            (
                AnswerCode::Write,
                self.answer(&body.copy_to_bytes(body.len())),
            )
        })
    }

    fn peer(&self) -> String {
        "the model".to_owned()
    }
}

fn fault() -> Answer {
    Answer::Fault {
        status: "HTTP 500".to_owned(),
        message: String::new(),
    }
}

/// The numbers of the events in a request.
fn events(body: &[u8]) -> Vec<u32> {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    let request = <ExportLogsServiceRequest as prost::Message>::decode(body).unwrap();
    let scopes = request.resource_logs.into_iter().flat_map(|r| r.scope_logs);
    let records = scopes.flat_map(|s| s.log_records);
    records.map(|r| r.event_name.parse().unwrap()).collect()
}

fn payload(events: usize) -> Payload {
    payload_at(&vec![1; events])
}

/// Events of these times.
fn payload_at(times: &[i64]) -> Payload {
    static PADDING: Field = Field {
        name: "padding",
        on: On::Both,
        from: "",
        stability: Stability::Qtrail,
    };
    let mut encoder = Encoder::new(&Options::default());
    for (event, &time) in times.iter().enumerate() {
        encoder.begin(&Head {
            resource: ResourceKey {
                service_name: Cow::Borrowed("amazon-q"),
                account_id: None,
                region: None,
            },
            time,
            observed: time,
            start: time,
            end: time + 1,
            name: Cow::Owned(event.to_string()),
            severity: Severity::Info,
            kind: SpanKind::Server,
            error: None,
            trace_id: [1; 16],
            span_id: [1; 8],
            parent: None,
            link: None,
            body: None,
            log: true,
            span: false,
        });
        encoder.attribute(&PADDING, &Value::Str(Cow::Borrowed("xxxxxxxxxxxxxxxx")));
        encoder.end();
    }
    encoder.take().logs
}

fn sender(transport: Arc<dyn Transport>) -> SignalSender {
    let stop = CancellationToken::new();
    let shared = Shared {
        limits: Limits {
            events: 20,
            bytes: 1 << 20,
            spread: None,
        },
        schedule: Schedule {
            initial: Duration::from_secs(1),
            max: Duration::from_secs(30),
        },
        board: Board::new(Arc::default()),
        metrics: Arc::default(),
        ending: Arc::new(Ending::new(stop.clone())),
        stop,
    };
    SignalSender::new(Signal::Logs, transport, shared)
}

/// Runs with a clock that jumps to the next timer whenever nothing else is left to do.
fn paused<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn a_day_of_server_errors_costs_no_event_and_few_requests() {
    paused(async {
        let day = Duration::from_secs(24 * 3600);
        let model = Arc::new(Model {
            broken_until: Some(Instant::now() + day),
            ..Arc::into_inner(Model::new(vec![Nature::Good; 50], Vec::new())).unwrap()
        });
        let sender = sender(Arc::clone(&model) as Arc<dyn Transport>);
        let report = sender.deliver(payload(50)).await.unwrap();
        assert_eq!(report, SignalReport::default());
        assert_eq!(model.accepted.lock().unwrap().len(), 50);
        // At 15 s to 30 s between two tries; more would mean that errors are answered by a flood.
        assert!(model.requests.load(Relaxed) < 24 * 3600 / 15 + 100);
    });
}

#[test]
fn no_request_holds_events_that_lie_further_apart_than_allowed() {
    const HOUR: i64 = 3_600_000_000_000;
    paused(async {
        let times: Vec<i64> = (0..60).map(|event| (event * 7 % 60) * HOUR).collect();
        // The first half of what is sent is refused as too large: it stays narrow when it is cut.
        let too_large = Answer::TooLarge {
            status: "HTTP 413".to_owned(),
            message: String::new(),
            certain: true,
        };
        let model = Model::new(vec![Nature::Good; 60], vec![too_large]);
        let mut sender = sender(Arc::clone(&model) as Arc<dyn Transport>);
        sender.limits.spread = Some(24 * HOUR);
        let report = sender.deliver(payload_at(&times)).await.unwrap();
        assert_eq!(report, SignalReport::default());
        let accepted = model.accepted.lock().unwrap();
        assert_eq!(accepted.len(), 60);
        assert!(accepted.values().all(|times| *times == 1));
        let requests = model.requests_accepted.lock().unwrap();
        for events in requests.iter() {
            let of = |event: &u32| times[*event as usize];
            let (oldest, newest) = (events.iter().map(of).min(), events.iter().map(of).max());
            assert!(newest.unwrap() - oldest.unwrap() <= 24 * HOUR, "{events:?}");
        }
        // 60 h are three windows; 25, 25 and 10 events go in 2, 2 and 1 requests, and one was cut.
        assert_eq!(requests.len(), 6);
    });
}

#[test]
fn something_on_the_way_that_refuses_all_at_once_costs_no_event() {
    paused(async {
        let refused = Answer::Rejected {
            status: "HTTP 400".to_owned(),
            message: "The plain HTTP request was sent to HTTPS port".to_owned(),
            in_otlp: false,
        };
        let model = Model::new(vec![Nature::Good; 20], Vec::new());
        let sender = sender(Arc::clone(&model) as Arc<dyn Transport>);
        // The set-up was right: what is refused in OTLP's own terms is the record's fault.
        assert_eq!(
            sender.deliver(payload(20)).await.unwrap(),
            SignalReport::default()
        );
        model.moods.lock().unwrap().extend(vec![refused; 500]);
        let report = sender.deliver(payload(20)).await.unwrap();
        assert_eq!(report, SignalReport::default());
        let accepted = model.accepted.lock().unwrap();
        assert!(accepted.len() == 20 && accepted.values().all(|times| *times == 2));
    });
}

#[test]
fn a_stop_ends_a_wait() {
    paused(async {
        let model = Model::new(vec![Nature::Good], vec![Answer::retry("busy"); 1000]);
        let sender = sender(model);
        let stop = sender.stop.clone();
        let delivery = sender.deliver(payload(1));
        tokio::pin!(delivery);
        let early = tokio::time::timeout(Duration::from_secs(3600), &mut delivery).await;
        assert!(early.is_err(), "it gave up by itself");
        stop.cancel();
        assert!(delivery.await.is_err());
    });
}

fn nature() -> impl Strategy<Value = Nature> {
    prop_oneof![
        8 => Just(Nature::Good),
        1 => Just(Nature::Bad),
        1 => Just(Nature::Poison),
    ]
}

/// A failing server; it does not fail as often in a row as a poisonous record makes it fail.
fn moods() -> impl Strategy<Value = Vec<Answer>> {
    let faults = |moods: &[Answer]| moods.iter().filter(|mood| **mood == fault()).count();
    vec(mood(), 0..12).prop_filter("too many faults", move |moods| {
        faults(moods) < FAULTS as usize
    })
}

fn mood() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(Answer::retry("busy")),
        Just(fault()),
        Just(Answer::Blocked {
            reason: "who are you?".to_owned()
        }),
        Just(Answer::TooLarge {
            status: "RESOURCE_EXHAUSTED".to_owned(),
            message: String::new(),
            certain: false
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn good_records_arrive_once_and_only_bad_ones_are_refused(
        mut natures in vec(nature(), 1..60),
        moods in moods(),
        in_otlp in any::<bool>(),
    ) {
        // A poisonous record is told from a broken server by a good one that passes after it: there
        // is always more traffic.
        let poison = natures.contains(&Nature::Poison);
        if poison {
            natures.push(Nature::Good);
        }
        let expected: Vec<u32> = (0..).zip(&natures).filter(|(_, n)| **n != Nature::Good).map(|(e, _)| e).collect();
        let good = natures.len() - expected.len();
        paused(async move {
            let model = Arc::new(Model {
                in_otlp,
                ..Arc::into_inner(Model::new(natures.clone(), moods)).unwrap()
            });
            let sender = sender(Arc::clone(&model) as Arc<dyn Transport>);
            let traffic = async {
                loop {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    // What other batches do meanwhile.
                    sender.accepted.fetch_add(1, Relaxed);
                }
            };
            let report = tokio::select! {
                report = sender.deliver(payload(natures.len())) => report.unwrap(),
                () = traffic => unreachable!(),
            };
            let refused: Vec<u32> = sorted(report.refused.iter().map(|(event, _)| *event));
            prop_assert_eq!(refused, expected);
            let accepted = model.accepted.lock().unwrap();
            prop_assert_eq!(accepted.len(), good);
            prop_assert!(accepted.values().all(|times| *times == 1));
            prop_assert!(report.uncertain.is_empty());
            Ok(())
        })?;
    }
}
