//! Many settlements, one write: a thread that gathers changes of the state.
//!
//! Enters: changes, from any task. Leaves: an answer once they are on disk. What must hold: no
//! answer before that; a full disk is waited out, with nothing lost and nothing acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::checkpoint::{Op, Store};

/// At most one write (an fsync) in this time.
const GATHER: Duration = Duration::from_millis(50);
/// Changes in one write.
const BATCH: usize = 4096;
/// The wait before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Hands changes to the writing thread. Cheap to clone; the thread ends with the last one.
#[derive(Debug, Clone)]
pub(super) struct Commits {
    queue: mpsc::Sender<Change>,
    abandoned: Arc<AtomicBool>,
}

struct Change {
    ops: Vec<Op>,
    durable: oneshot::Sender<()>,
}

impl Commits {
    /// Starts the thread.
    pub(super) fn start(store: Arc<Store>) -> std::io::Result<(Commits, thread::JoinHandle<()>)> {
        let (queue, changes) = mpsc::channel();
        let abandoned = Arc::new(AtomicBool::new(false));
        let given_up = Arc::clone(&abandoned);
        let thread = thread::Builder::new()
            .name("qtrail-state".to_owned())
            .spawn(move || write_all(&store, &changes, &given_up))?;
        Ok((Commits { queue, abandoned }, thread))
    }

    /// Answers once the changes are durable; an error when they never will be (shutdown).
    pub(super) fn write(&self, ops: Vec<Op>) -> oneshot::Receiver<()> {
        let (durable, answer) = oneshot::channel();
        // Without the thread the answer is dropped, which is an error for who waits.
        let _ = self.queue.send(Change { ops, durable });
        answer
    }

    /// Gives up what cannot be written: nobody waits for it any more.
    pub(super) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Relaxed);
    }
}

fn write_all(store: &Store, changes: &mpsc::Receiver<Change>, abandoned: &AtomicBool) {
    let mut last = Instant::now().checked_sub(GATHER);
    while let Ok(first) = changes.recv() {
        let until = last.map_or_else(Instant::now, |last| last + GATHER);
        let batch = gather(first, changes, until);
        last = Some(Instant::now());
        let ops: Vec<Op> = batch.iter().flat_map(|change| change.ops.clone()).collect();
        if write(store, &ops, abandoned) {
            for change in batch {
                // The task may be gone; the change is durable all the same.
                let _ = change.durable.send(());
            }
        }
    }
}

/// Takes what comes until `until`.
fn gather(first: Change, changes: &mpsc::Receiver<Change>, until: Instant) -> Vec<Change> {
    let mut batch = vec![first];
    while batch.len() < BATCH {
        match changes.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(change) => batch.push(change),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    batch
}

/// Writes until it succeeds.
fn write(store: &Store, ops: &[Op], abandoned: &AtomicBool) -> bool {
    if ops.is_empty() {
        // Only the order was asked for: what came before is on disk.
        return true;
    }
    let mut failed = false;
    loop {
        match store.apply(ops) {
            Ok(()) => {
                if failed {
                    tracing::info!("the state can be written again");
                }
                return true;
            }
            Err(_) if abandoned.load(Ordering::Relaxed) => return false,
            Err(error) => {
                if !failed {
                    tracing::error!("{error}; nothing is acknowledged until it can be written");
                }
                failed = true;
                thread::sleep(RETRY);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::checkpoint::{ContentEntry, Op};
    use super::*;

    #[tokio::test]
    async fn an_answer_means_that_the_change_is_in_the_state() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path()).unwrap());
        let (commits, thread) = Commits::start(Arc::clone(&store)).unwrap();
        let entry = ContentEntry {
            dead_letters: false,
        };
        let answers: Vec<_> = (0..100)
            .map(|n| commits.write(vec![Op::Content([n; 32], entry)]))
            .collect();
        for (n, answer) in (0..).zip(answers) {
            answer.await.unwrap();
            assert_eq!(store.content(&[n; 32]).unwrap(), Some(entry));
        }
        drop(commits);
        thread.join().unwrap();
    }
}
