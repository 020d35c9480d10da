//! A stand-in for the pipeline: it reads units as the pipeline does, and keeps what they held.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use qtrail::export::Outcome;
use qtrail::input::directory::{Deliver, Slot};
use qtrail::pipeline::{Content, Counts, Report, Truncation, Unit};
use qtrail_core::envelope::{self, Item, Limits};
use qtrail_core::reject::Reason;
use tokio::sync::{Semaphore, mpsc};

use super::PATIENCE;

/// One delivered unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub name: String,
    pub observed: Option<i64>,
    pub base: u64,
    pub truncation: Truncation,
    pub records: Vec<String>,
    pub report_settled: bool,
}

/// Takes units, answers as it is told.
#[derive(Clone)]
pub struct Collector {
    deliveries: mpsc::UnboundedSender<Delivery>,
    script: Arc<Mutex<VecDeque<Outcome>>>,
    /// A unit is answered when it gets a permit.
    gate: Arc<Semaphore>,
    /// Records that hold this text are not wanted.
    unwanted: Option<&'static str>,
    held: Option<Held>,
}

/// Units are held before they are read, and again before they are answered.
#[derive(Clone)]
struct Held {
    arrived: mpsc::UnboundedSender<()>,
    read: Arc<Semaphore>,
}

/// The other end of a collector that holds units.
pub struct Hold {
    arrived: mpsc::UnboundedReceiver<()>,
    read: Arc<Semaphore>,
    answer: Arc<Semaphore>,
}

impl Hold {
    /// Waits for a unit that is not read yet.
    pub async fn arrived(&mut self) {
        let arrived = tokio::time::timeout(PATIENCE, self.arrived.recv()).await;
        arrived.expect("no unit came").expect("the input ended");
    }

    /// Lets a unit be read.
    pub fn read(&self) {
        self.read.add_permits(1);
    }

    /// From now on, nothing is held.
    pub fn let_go(&self) {
        self.read.add_permits(1 << 20);
        self.answer.add_permits(1 << 20);
    }
}

/// What the collector heard.
pub struct Deliveries(mpsc::UnboundedReceiver<Delivery>);

impl Collector {
    pub fn new() -> (Collector, Deliveries) {
        let (deliveries, heard) = mpsc::unbounded_channel();
        let collector = Collector {
            deliveries,
            script: Arc::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            unwanted: None,
            held: None,
        };
        (collector, Deliveries(heard))
    }

    /// The outcomes of the next units; after these, all are delivered.
    pub fn answering(self, outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        self.script.lock().unwrap().extend(outcomes);
        self
    }

    /// Only as many units are answered; the others hang.
    pub fn answering_only(mut self, units: usize) -> Self {
        self.gate = Arc::new(Semaphore::new(units));
        self
    }

    /// Each unit waits until it may be read, and then until it may be answered.
    pub fn holding(mut self) -> (Self, Hold) {
        let (arrived, heard) = mpsc::unbounded_channel();
        let (read, answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        self.gate = Arc::clone(&answer);
        self.held = Some(Held {
            arrived,
            read: Arc::clone(&read),
        });
        let hold = Hold {
            arrived: heard,
            read,
            answer,
        };
        (self, hold)
    }

    pub fn without(mut self, text: &'static str) -> Self {
        self.unwanted = Some(text);
        self
    }
}

impl Deliver for Collector {
    async fn deliver(&self, unit: Unit, _: &mut Slot) -> Report {
        let Unit {
            origin,
            content,
            base,
            truncation,
            ..
        } = unit;
        let (Content::Whole(content) | Content::Twice(content, _)) = content else {
            panic!("the directory has no texts");
        };
        if let Some(held) = &self.held {
            let _ = held.arrived.send(());
            held.read.acquire().await.unwrap().forget();
        }
        let unwanted = self.unwanted;
        let reading =
            tokio::task::spawn_blocking(move || read(content, base, truncation, unwanted));
        let (mut report, records) = reading.await.unwrap();
        if let Some(outcome) = self.script.lock().unwrap().pop_front() {
            report.outcome = outcome;
        }
        let settled = report.outcome == Outcome::Delivered && report.truncated.is_none();
        let _ = self.deliveries.send(Delivery {
            name: origin.name.to_string(),
            observed: origin.observed,
            base,
            truncation,
            records,
            report_settled: settled,
        });
        self.gate.acquire().await.unwrap().forget();
        report
    }
}

fn read(
    content: Box<dyn std::io::Read + Send>,
    base: u64,
    truncation: Truncation,
    unwanted: Option<&str>,
) -> (Report, Vec<String>) {
    let mut opened = envelope::open(content, &Limits::default());
    let mut counts = Counts::default();
    let mut records = Vec::new();
    let mut truncated = None;
    loop {
        match opened.next().unwrap() {
            None => break,
            Some(Item::Record { bytes, .. }) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                counts.read += 1;
                match unwanted.is_some_and(|unwanted| text.contains(unwanted)) {
                    true => counts.filtered += 1,
                    false => counts.exported += 1,
                }
                records.push(text);
            }
            Some(Item::Reject(reject)) => {
                let cut = matches!(reject.reason, Reason::Truncated { .. }) || opened.is_cut();
                if cut && truncation != Truncation::Reject {
                    truncated = Some(reject.reason);
                } else {
                    counts.read += 1;
                    counts.dead_lettered += 1;
                }
            }
            Some(Item::Skipped(_)) => counts.skipped += 1,
        }
    }
    let offset = base + opened.resume_offset();
    let report = Report {
        counts,
        truncated,
        ..Report::empty(Outcome::Delivered, offset)
    };
    (report, records)
}

impl Deliveries {
    /// The next one.
    pub async fn next(&mut self) -> Delivery {
        tokio::time::timeout(PATIENCE, self.0.recv())
            .await
            .expect("no unit was delivered")
            .expect("the input ended")
    }

    /// What came and was not yet asked for.
    pub fn rest(&mut self) -> Vec<Delivery> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}
