//! Delivers the files of the plan, oldest first, several at once.
//!
//! Enters: the plan. Leaves: units, and marks of delivered files in the plan. What must hold: a
//! file is marked only once all of its records were delivered; marks are durable within about a second.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::plan::{Entry, Listing, OrderKey, Plan};
use super::retry::{Retry, Tries};
use super::source::{self, Source};
use super::{Backfill, Error, Status};
use crate::export::Outcome;
use crate::input::directory::Deliver;
use crate::pipeline::{Counts, Report, Truncation, Unit};

/// The number of files per read of the plan.
const AHEAD: usize = 1024;
/// The interval between writes of marks.
const GATHER: Duration = Duration::from_secs(1);
/// The most marks in memory: while they cannot be written, no further file begins.
const UNWRITTEN: usize = 100_000;
/// The wait for the collector if it names no time.
const COLLECTOR: Duration = Duration::from_secs(1);

/// The result of a backfill.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delivered {
    /// Files whose records were all delivered or became dead letters.
    pub done: u64,
    /// Files that were deleted since the listing.
    pub gone: u64,
    /// Files that could not be read; each is logged.
    pub unread: u64,
    /// Delivered files whose mark could not be written: the next run reads them again.
    pub unmarked: u64,
    /// The records of all files.
    pub counts: Counts,
}

/// How one file ended.
enum Fate {
    Done,
    Left(source::Error),
    /// It was stopped.
    Stopped,
}

/// The parts that all deliveries share.
struct Shared<S, D> {
    source: Arc<S>,
    retry: Arc<Retry>,
    deliver: D,
    abort: CancellationToken,
}

/// Delivers the remaining files of this listing; or `all` of them, which marks none.
pub(super) async fn run<S: Source, D: Deliver>(
    backfill: &Backfill<S>,
    plan: &Plan,
    listing: Listing,
    all: bool,
    fetchers: usize,
    deliver: D,
    abort: CancellationToken,
) -> Result<Delivered, Error> {
    let shared = Arc::new(Shared {
        source: Arc::clone(&backfill.source),
        retry: Arc::clone(&backfill.retry),
        deliver,
        abort,
    });
    let mut queue = Queue::new(plan.clone(), listing, all);
    let mut marks = Marks::new(plan.clone());
    let mut delivered = Delivered::default();
    let mut under_way = JoinSet::new();
    let mut tick = tokio::time::interval(GATHER);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        while under_way.len() < fetchers && !backfill.retry.stop.is_cancelled() {
            if marks.unwritten.len() >= UNWRITTEN {
                break;
            }
            let Some(entry) = queue.next().await? else {
                break;
            };
            under_way.spawn(Arc::clone(&shared).one(entry));
        }
        tokio::select! {
            joined = under_way.join_next() => match joined {
                None if queue.is_over() || backfill.retry.stop.is_cancelled() => break,
                None => marks.until_written().await,
                Some(Ok((entry, fate, counts))) => {
                    let name = backfill.source.name(&entry.position.1);
                    delivered.take(&name, &fate, &counts);
                    Status::count(&backfill.status.files, 1);
                    Status::count(&backfill.status.bytes, entry.bytes);
                    if matches!(fate, Fate::Done) && !all {
                        marks.unwritten.push(entry);
                    }
                }
                Some(Err(error)) => {
                    tracing::error!("the delivery of a file ended: {error}");
                    delivered.unread += 1;
                }
            },
            _ = tick.tick() => marks.write().await,
        }
    }
    marks.write().await;
    delivered.unmarked = marks.unwritten.len() as u64;
    Ok(delivered)
}

impl Delivered {
    fn take(&mut self, name: &str, fate: &Fate, counts: &Counts) {
        self.counts.add(counts);
        match fate {
            Fate::Done => self.done += 1,
            Fate::Stopped => {}
            Fate::Left(source::Error::Gone(message)) => {
                tracing::error!("{name} is gone: {message}");
                self.gone += 1;
            }
            Fate::Left(error) => {
                tracing::error!("{name} cannot be read: {error}; the same command reads it again");
                self.unread += 1;
            }
        }
    }
}

impl<S: Source, D: Deliver> Shared<S, D> {
    async fn one(self: Arc<Self>, entry: Entry) -> (Entry, Fate, Counts) {
        let mut counts = Counts::default();
        let fate = self.tries(&entry, &mut counts).await;
        (entry, fate, counts)
    }

    /// Tries one file until it is delivered, or cannot be.
    async fn tries(&self, entry: &Entry, counts: &mut Counts) -> Fate {
        let mut tries = Tries::default();
        loop {
            let opened = tokio::select! {
                opened = self.source.open(entry, &self.abort) => opened,
                () = self.abort.cancelled() => return Fate::Stopped,
            };
            let error = match opened {
                Err(error) => error,
                Ok(opened) => {
                    let unit = Unit {
                        origin: opened.origin,
                        content: opened.content,
                        base: 0,
                        truncation: Truncation::Reject,
                        inflated_bytes: None,
                    };
                    let report = self.deliver.deliver(unit, &mut None).await;
                    counts.add(&report.counts);
                    match ended(&report) {
                        Ended::Delivered => {
                            self.retry.went_well();
                            return Fate::Done;
                        }
                        Ended::Unread(error) => error,
                        Ended::Abandoned => return Fate::Stopped,
                        Ended::Wait(wait) => match self.retry.wait(wait).await {
                            true => continue,
                            false => return Fate::Stopped,
                        },
                    }
                }
            };
            let name = self.source.name(&entry.position.1);
            if !self.retry.again(&mut tries, &name, &error).await {
                return match error.may_pass() && self.retry.stop.is_cancelled() {
                    true => Fate::Stopped,
                    false => Fate::Left(error),
                };
            }
        }
    }
}

/// How one delivery ended.
enum Ended {
    Delivered,
    Unread(source::Error),
    /// The collector cannot take it now.
    Wait(Duration),
    Abandoned,
}

fn ended(report: &Report) -> Ended {
    match (&report.read_error, &report.outcome) {
        (_, Outcome::Abandoned) => Ended::Abandoned,
        (Some(error), _) => Ended::Unread(source::Error::Passing(error.clone())),
        (None, Outcome::Delivered) => Ended::Delivered,
        (None, Outcome::Retry(after)) => Ended::Wait(after.unwrap_or(COLLECTOR)),
        (None, Outcome::Blocked(_)) => Ended::Wait(COLLECTOR),
    }
}

/// The files to read, a part of them in memory.
struct Queue {
    plan: Plan,
    listing: Listing,
    all: bool,
    ahead: VecDeque<Entry>,
    after: Option<OrderKey>,
    read: bool,
}

impl Queue {
    fn new(plan: Plan, listing: Listing, all: bool) -> Self {
        Queue {
            plan,
            listing,
            all,
            ahead: VecDeque::new(),
            after: None,
            read: false,
        }
    }

    fn is_over(&self) -> bool {
        self.read && self.ahead.is_empty()
    }

    async fn next(&mut self) -> Result<Option<Entry>, Error> {
        if self.ahead.is_empty() && !self.read {
            let (plan, listing, after) = (self.plan.clone(), self.listing, self.after.take());
            let all = self.all;
            let read =
                tokio::task::spawn_blocking(move || plan.next(listing, all, after.as_ref(), AHEAD));
            let (entries, after) = read.await.map_err(|error| Error::Source {
                name: "the plan".to_owned(),
                message: error.to_string(),
            })??;
            self.read = after.is_none();
            self.after = after;
            self.ahead = entries.into();
        }
        Ok(self.ahead.pop_front())
    }
}

/// Delivered files that are not marked yet.
struct Marks {
    plan: Plan,
    unwritten: Vec<Entry>,
    failed: bool,
}

impl Marks {
    fn new(plan: Plan) -> Self {
        Marks {
            plan,
            unwritten: Vec::new(),
            failed: false,
        }
    }

    async fn write(&mut self) {
        if self.unwritten.is_empty() {
            return;
        }
        let (plan, marks) = (self.plan.clone(), std::mem::take(&mut self.unwritten));
        let written = tokio::task::spawn_blocking(move || {
            let written = plan.done(&marks);
            (written, marks)
        });
        let Ok((written, marks)) = written.await else {
            return;
        };
        match written {
            Err(error) => {
                if !self.failed {
                    tracing::warn!("{error}; a restart repeats files until it can be written");
                }
                self.failed = true;
                self.unwritten.splice(..0, marks);
            }
            Ok(()) if self.failed => {
                self.failed = false;
                tracing::info!("the plan can be written again");
            }
            Ok(()) => {}
        }
    }

    /// No file is in work, and there are too many marks to begin one.
    async fn until_written(&mut self) {
        self.write().await;
        if self.failed {
            tokio::time::sleep(GATHER).await;
        }
    }
}
