//! A sender that gives up on nothing: it hands events over by the ingest service, and sends again
//! what was not acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use qtrail_proto::v1::ingest_service_client::IngestServiceClient;
use qtrail_proto::v1::ingest_stream_response::Result as Answer;
use qtrail_proto::v1::{Counts, IngestRequest, IngestStreamRequest};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use super::PATIENCE;
use super::made::{Made, Maker};
use super::program::{gzip, log_file};

/// Requests without an answer, at most.
const WINDOW: usize = 32;
/// Before something is tried again. Nobody else has to be spared here, so it is less than the server
/// asks for.
const PAUSE: Duration = Duration::from_millis(20);

type Client = IngestServiceClient<Channel>;

/// How requests are made.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// One after the other, each a call.
    Unary,
    /// On a stream, without waiting for each answer.
    Stream,
}

/// Sends until it is stopped.
pub struct Sender {
    stop: CancellationToken,
    task: JoinHandle<Made>,
}

impl Sender {
    /// Sends events whose ids begin with `name`.
    pub fn start(address: SocketAddr, way: Way, name: &str, rng: Rng) -> Self {
        let stop = CancellationToken::new();
        let mut work = Work {
            maker: Maker::new(name, rng),
            stop: stop.clone(),
            number: 0,
            waiting: BTreeMap::new(),
        };
        let task = tokio::spawn(async move {
            while !work.done() {
                if let Ok(client) = Client::connect(format!("http://{address}")).await {
                    match way {
                        Way::Unary => work.call(client).await,
                        Way::Stream => work.stream(client).await,
                    }
                }
                // Whoever starts the server again does not tell.
                tokio::time::sleep(PAUSE).await;
            }
            work.maker.made
        });
        Sender { stop, task }
    }

    /// All that was sent, once all of it is acknowledged.
    pub async fn stop(self) -> Made {
        self.stop.cancel();
        let sent = tokio::time::timeout(PATIENCE, self.task).await;
        sent.expect("not all is acknowledged").unwrap()
    }
}

struct Work {
    maker: Maker,
    stop: CancellationToken,
    number: u64,
    /// Requests that are not acknowledged: how many records, and their bytes.
    waiting: BTreeMap<u64, (u64, Bytes)>,
}

impl Work {
    fn done(&self) -> bool {
        self.stop.is_cancelled() && self.waiting.is_empty()
    }

    /// One more request, if one is to be made.
    fn more(&mut self) -> Option<u64> {
        if self.stop.is_cancelled() || self.waiting.len() >= WINDOW {
            return None;
        }
        self.number += 1;
        let records = self.maker.records();
        let events = match self.number % 3 {
            0 => log_file(&records),
            1 => gzip(log_file(&records)),
            _ => records.join("\n").into_bytes(),
        };
        let request = (records.len() as u64, events.into());
        self.waiting.insert(self.number, request);
        Some(self.number)
    }

    fn acknowledged(&mut self, sequence: u64, counts: Option<Counts>) {
        let (records, _) = self.waiting.remove(&sequence).expect("answered once");
        let counts = counts.unwrap();
        let settled = counts.exported + counts.duplicate + counts.dead_lettered;
        assert_eq!((counts.read, settled), (records, records), "{counts:?}");
    }

    /// Calls until one fails.
    async fn call(&mut self, mut client: Client) {
        loop {
            let oldest = self.waiting.keys().next().copied();
            let Some(sequence) = oldest.or_else(|| self.more()) else {
                return;
            };
            let request = IngestRequest {
                sequence,
                events: self.waiting[&sequence].1.clone(),
                source: String::new(),
            };
            match client.ingest(request).await {
                Ok(answer) => self.acknowledged(sequence, answer.into_inner().counts),
                Err(_) => return,
            }
        }
    }

    /// Streams until it breaks.
    async fn stream(&mut self, mut client: Client) {
        let (requests, taken) = mpsc::channel(1);
        let mut unsent: VecDeque<u64> = self.waiting.keys().copied().collect();
        let mut failed = Vec::new();
        let mut again = Instant::now();
        let Ok(answers) = client.ingest_stream(ReceiverStream::new(taken)).await else {
            return;
        };
        let mut answers = answers.into_inner();
        loop {
            if unsent.is_empty() {
                unsent.extend(self.more());
            }
            if self.done() {
                return;
            }
            tokio::select! {
                room = requests.reserve(), if !unsent.is_empty() => {
                    let (Ok(room), Some(sequence)) = (room, unsent.pop_front()) else {
                        return;
                    };
                    room.send(IngestStreamRequest {
                        sequence,
                        events: self.waiting[&sequence].1.clone(),
                        source: String::new(),
                    });
                }
                answer = answers.message() => {
                    let Ok(Some(answer)) = answer else {
                        return;
                    };
                    match answer.result.unwrap() {
                        Answer::Delivered(delivered) => {
                            self.acknowledged(answer.sequence, delivered.counts);
                        }
                        Answer::Failure(failure) => {
                            assert!(failure.retry_delay.is_some(), "{failure:?}");
                            failed.push(answer.sequence);
                            again = Instant::now() + PAUSE;
                        }
                    }
                }
                () = tokio::time::sleep_until(again), if !failed.is_empty() => {
                    unsent.extend(failed.drain(..));
                }
            }
        }
    }
}
