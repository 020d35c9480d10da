//! Encoded records reach a collector, or a file.
//!
//! Enters: [`Chunk`]s. Leaves: one [`Delivery`] for each, when every enabled signal of every event
//! in it was accepted, refused for good, or given up. What must hold: the same bytes are sent at
//! each try; a signal that was accepted is not sent again; a set-up that is wrong costs no event.
//!
//! ```text
//! submit ─▶ batch ─▶ signal_sender (logs)   ─▶ transport: gRPC, HTTP, file, …
//!             │   └▶ signal_sender (traces) ─▶ transport
//!             │         │ answer ─▶ classify ─▶ decide: settled, wait, halve, refuse
//!             ▼
//!           settle ─▶ dead letters ─▶ Delivery
//! ```
//!
//! `classify`, `decide`, `rate` and `settle` are functions of plain values; `batch` and
//! `signal_sender` wait; the transports do I/O and decide nothing.

mod batch;
mod body;
mod classify;
mod connect;
mod decide;
mod end;
mod failure;
mod file;
mod health;
mod otlp_grpc;
mod otlp_http;
mod outcome;
mod own;
mod proxy;
mod rate;
mod reached;
mod request;
mod resolve;
mod response;
mod settings;
mod settle;
mod signal_sender;
mod tls;
mod transport;

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::dead_letter::Origin;
use crate::dead_letter::{DeadLetters, UnitLetters};
use crate::telemetry::metrics::Metrics;
use qtrail_core::otlp::{Encoded, Signal};
use qtrail_core::reject::{Position, Reason};

pub use end::End;
use end::Ending;
pub(crate) use end::unread;
pub use outcome::Outcome;
pub use own::{Maker, Own};

use crate::runtime::budget::Reservation;
pub use crate::runtime::endpoint::{Endpoint, Protocol, Tls};
pub use crate::runtime::health::Health;

/// Where events go, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The receiver of both signals.
    pub destination: Destination,
    /// Events in one request. Default 2,000.
    pub batch_events: usize,
    /// Encoded bytes of one request, before compression. Default 2 MiB (a collector takes 4 MiB).
    pub batch_bytes: usize,
    /// Time between the oldest and the newest event of one request. Default: no limit.
    pub batch_spread: Option<Duration>,
    /// Requests under way at once, each signal. Default 4.
    pub concurrency: usize,
    /// First wait after a failure. Default 1 s; doubles with jitter.
    pub retry_initial: Duration,
    /// Longest wait between two tries. Default 30 s.
    pub retry_max: Duration,
    /// Events a second at most. Default none.
    pub rate_limit: Option<u32>,
    /// How long nothing may be accepted, while events wait, before the exporter ends. Default: for ever.
    pub give_up_after: Option<Duration>,
    /// Whether a file or standard output that cannot be written ends it at once. Default: it is waited
    /// for.
    pub write_errors_end: bool,
}

/// The receiver of events.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant, reason = "there are a few in a process")]
pub enum Destination {
    /// A collector: where log records and spans go.
    Otlp {
        /// For log records.
        logs: Endpoint,
        /// For spans.
        traces: Endpoint,
    },
    /// A file of OTLP JSON lines, made durable before an answer.
    File(PathBuf),
    /// Standard output, as OTLP JSON lines.
    Stdout,
    /// Nowhere: all the work, no output.
    Discard,
}

impl fmt::Display for Destination {
    /// Nothing secret: of a URL, only scheme, host and port, because some back ends want a token in the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Otlp { logs, traces } => match (logs.origin(), traces.origin()) {
                (logs, traces) if logs == traces => write!(f, "{logs}"),
                (logs, traces) => write!(f, "{logs} (logs), {traces} (traces)"),
            },
            Destination::File(path) => write!(f, "{}", path.display()),
            Destination::Stdout => f.write_str("standard output"),
            Destination::Discard => f.write_str("nowhere"),
        }
    }
}

/// Events of one unit, encoded, with the records that they were made of.
#[derive(Debug)]
pub struct Chunk {
    /// Where they came from.
    pub origin: Origin,
    /// Both signals.
    pub encoded: Encoded,
    /// The original records, one an event, in order.
    pub originals: Originals,
    /// What its unit may have of dead letters.
    pub letters: UnitLetters,
    /// Holds the chunk's bytes in the budget until the chunk is dropped.
    pub permit: Option<Reservation>,
}

/// Original records, back to back: what a dead letter holds.
#[derive(Debug, Clone, Default)]
pub struct Originals {
    /// The bytes of all records.
    pub bytes: Vec<u8>,
    /// Each record: its place, its `eventID`, where it ends in `bytes`.
    pub records: Vec<Original>,
}

impl Originals {
    /// Where the bytes of the record with this number are.
    pub fn range(&self, number: usize) -> Option<Range<usize>> {
        let start = match number.checked_sub(1) {
            Some(before) => self.records.get(before)?.end,
            None => 0,
        };
        Some(start..self.records.get(number)?.end)
    }
}

/// One original record.
#[derive(Debug, Clone)]
pub struct Original {
    /// Where it stood in its unit.
    pub position: Position,
    /// `eventID`.
    pub event_id: Option<String>,
    /// Where its bytes end; they start where the one before ends.
    pub end: usize,
}

/// What became of a chunk.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// [`Outcome::Delivered`] or [`Outcome::Abandoned`]: the exporter itself retries for ever.
    pub outcome: Outcome,
    /// Events with every enabled signal accepted.
    pub exported: u64,
    /// Events that are now in the dead letters.
    pub dead_lettered: u64,
    /// The records that the collector refused one by one: their number in the unit, and why.
    pub refused: Vec<(u64, Reason)>,
    /// A partial success that names no record: how many were rejected, of how many.
    pub uncertain: Option<(u64, u64)>,
    /// Events of a delivered chunk that may lack a signal at the collector, rejected or uncertain.
    /// Their numbers in the chunk, in order.
    pub undelivered: Vec<u32>,
    /// The chunk's records, given back.
    pub originals: Originals,
}

/// Chunks that may wait for a batch; beyond it, [`Exporter::submit`] waits.
const WAITING: usize = 1024;

/// Gathers chunks into batches and carries them to their destination. Cheap to clone; its tasks end
/// when the last clone is dropped and all chunks have settled.
#[derive(Clone)]
pub struct Exporter {
    submissions: mpsc::Sender<batch::Submission>,
    board: Arc<health::Board>,
    ending: Arc<Ending>,
    useful_bytes: usize,
}

impl Exporter {
    /// Starts the exporter's tasks. After `stop`, chunks that were not accepted are answered with
    /// [`Outcome::Abandoned`]. Without dead letters, refused records are counted alone.
    ///
    /// Of `metrics`, the exporter counts requests, retries and accepted bytes; what became of the
    /// events is in the deliveries, for the caller to count.
    ///
    /// # Errors
    /// A certificate, a header or an output file that cannot be used; never an absent collector.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn start(
        settings: Settings,
        metrics: Arc<Metrics>,
        dead_letters: impl Into<Option<DeadLetters>>,
        stop: CancellationToken,
    ) -> anyhow::Result<Self> {
        let transports = settings.transports()?;
        let shared = settings.shared(metrics, &stop);
        let board = Arc::clone(&shared.board);
        let ending = Arc::clone(&shared.ending);
        let route = batch::Route {
            limits: shared.limits,
            stop: shared.stop.clone(),
            logs: signal_sender::SignalSender::new(Signal::Logs, transports.logs, shared.clone()),
            traces: signal_sender::SignalSender::new(Signal::Traces, transports.traces, shared),
            dead_letters: dead_letters.into(),
            bucket: settings
                .rate_limit
                .map(|rate| Mutex::new(rate::Bucket::new(rate, Instant::now()))),
        };
        let (submissions, waiting) = mpsc::channel(WAITING);
        let slots = settings.concurrency.max(1);
        let batches = batch::run(Arc::new(route), waiting, slots);
        let useful_bytes = settings.useful_bytes();
        let ends = settings.ends(Arc::clone(&board));
        let begun = Arc::clone(&ending);
        tokio::spawn(async move {
            tokio::select! {
                () = batches => {}
                end = ends => begun.begin(end),
            }
        });
        Ok(Exporter {
            submissions,
            board,
            ending,
            useful_bytes,
        })
    }

    /// Hands a chunk over; returns when it has settled. A batch leaves when it is full, or at once
    /// when a request slot is free and nothing more is waiting.
    pub async fn submit(&self, chunk: Chunk) -> Delivery {
        let (reply, delivery) = oneshot::channel();
        let submission = batch::Submission { chunk, reply };
        if self.submissions.send(submission).await.is_err() {
            return Delivery::abandoned();
        }
        delivery.await.unwrap_or_else(|_| Delivery::abandoned())
    }

    /// How many bytes of chunks it can use at a time: with more, none would arrive earlier.
    pub fn useful_bytes(&self) -> usize {
        self.useful_bytes
    }

    /// How the collector is doing, as it changes.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.board.watch()
    }

    /// Why it has ended by itself, if it has. Every chunk is then answered with
    /// [`Outcome::Abandoned`].
    pub fn end(&self) -> Option<End> {
        self.ending.now()
    }

    /// Waits until it ends by itself.
    pub async fn ended(&self) -> End {
        self.ending.wait().await
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

/// Makes a file for [`Destination::File`] that holds nothing, unless it is a device or a pipe.
///
/// # Errors
/// It cannot be made, or another process writes it.
pub(crate) fn begin_anew(path: &std::path::Path) -> anyhow::Result<()> {
    file::Lines::begin_anew(path)
}

/// Whether a file for [`Destination::File`] could be appended to, found out without leaving a trace.
///
/// # Errors
/// As [`Exporter::start`].
pub(crate) fn check_file(path: &std::path::Path) -> std::io::Result<&'static str> {
    file::Lines::check(path)
}

/// Sends one empty request of each of these signals, which every OTLP receiver accepts, and returns
/// whether the destination can be reached and the credentials are valid.
///
/// # Errors
/// As [`Exporter::start`].
pub async fn probe(
    settings: &Settings,
    signals: &[Signal],
) -> anyhow::Result<Vec<(Signal, Result<String, String>)>> {
    let transports = settings.transports()?;
    let stop = CancellationToken::new();
    let shared = settings.shared(Arc::default(), &stop);
    let mut asked = Vec::new();
    for signal in signals.iter().copied() {
        let transport = match signal {
            Signal::Logs => &transports.logs,
            Signal::Traces => &transports.traces,
        };
        let sender =
            signal_sender::SignalSender::new(signal, Arc::clone(transport), shared.clone());
        asked.push(tokio::spawn(async move { (signal, sender.check().await) }));
    }
    let mut results = Vec::new();
    for answer in asked {
        results.push(answer.await?);
    }
    Ok(results)
}

impl Delivery {
    fn abandoned() -> Self {
        Delivery {
            outcome: Outcome::Abandoned,
            exported: 0,
            dead_lettered: 0,
            refused: Vec::new(),
            uncertain: None,
            undelivered: Vec::new(),
            originals: Originals::default(),
        }
    }
}
