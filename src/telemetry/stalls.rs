//! Why events do not move now.
//!
//! Enters: from each room, the cause of a stall, and its end. Leaves: the reasons that `/readyz` answers with 503, and a
//! gauge per cause. What must hold: the number of series is bounded; a cause disappears at once when it ends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::metrics::Metrics;
use crate::runtime::database::Observer;

/// How long a transient stall may last before `/readyz` reports it. Retries cover shorter ones.
const GRACE: Duration = Duration::from_secs(60);

/// Why events do not move: the label `reason` of `qtrail_stalled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The export is configured wrongly.
    CollectorBlocked,
    /// The collector is unavailable.
    CollectorAway,
    /// The dead letters cannot be written.
    DeadLettersUnwritable,
    /// The dead letters are full.
    DeadLettersFull,
    /// The state cannot be written or read.
    StateUnusable,
    /// The watched directory, or each of its folders with files, cannot be listed.
    DirectoryUnreadable,
    /// The newest file cannot be read, and no file was read since.
    FilesUnreadable,
    /// Messages of a queue cannot be received or deleted.
    QueueUnreadable,
    /// The newest object cannot be read, and no object was read since.
    ObjectsUnreadable,
    /// A region's Event history cannot be read.
    EventHistoryUnreadable,
}

impl Cause {
    /// All, in order.
    pub const ALL: [Cause; 10] = [
        Cause::CollectorBlocked,
        Cause::CollectorAway,
        Cause::DeadLettersUnwritable,
        Cause::DeadLettersFull,
        Cause::StateUnusable,
        Cause::DirectoryUnreadable,
        Cause::FilesUnreadable,
        Cause::QueueUnreadable,
        Cause::ObjectsUnreadable,
        Cause::EventHistoryUnreadable,
    ];

    /// The value of the label.
    pub fn label(self) -> &'static str {
        match self {
            Cause::CollectorBlocked => "collector_blocked",
            Cause::CollectorAway => "collector_away",
            Cause::DeadLettersUnwritable => "dead_letters_unwritable",
            Cause::DeadLettersFull => "dead_letters_full",
            Cause::StateUnusable => "state_unusable",
            Cause::DirectoryUnreadable => "directory_unreadable",
            Cause::FilesUnreadable => "files_unreadable",
            Cause::QueueUnreadable => "queue_unreadable",
            Cause::ObjectsUnreadable => "objects_unreadable",
            Cause::EventHistoryUnreadable => "event_history_unreadable",
        }
    }
}

/// Sets a stall while a state database cannot be used.
pub(crate) fn state_observer(metrics: Arc<Metrics>) -> Observer {
    Box::new(move |path, error| {
        let path = path.display().to_string();
        match error {
            None => metrics.stalls.clear(Cause::StateUnusable, &path),
            Some(error) => {
                let reason = format!("the state {error}; nothing is acknowledged until then");
                metrics.stalls.set(Cause::StateUnusable, &path, reason);
            }
        }
    })
}

/// The current stalls.
#[derive(Debug, Default)]
pub struct Stalls(Mutex<BTreeMap<(Cause, String), Stall>>);

/// A stall, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Its cause.
    pub cause: Cause,
    /// The path, the URL or the region.
    pub of: String,
    /// Why, and what mends it.
    pub reason: String,
    /// How long it has lasted, if it may end by itself.
    pub lasts: Option<Duration>,
    /// Whether `/readyz` reports it.
    pub is_unready: bool,
}

#[derive(Debug)]
struct Stall {
    /// The start of a transient stall; `None` if someone has to act.
    since: Option<Instant>,
    reason: String,
}

impl Stalls {
    /// `of` (a path, a URL, a region) is stalled until someone acts. `reason` names the remedy.
    pub fn set(&self, cause: Cause, of: &str, reason: String) {
        self.put(cause, of, None, reason);
    }

    /// The same for a stall that may end by itself. It makes qtrail unready only after a minute. `since` is its start,
    /// unless it was set before.
    pub fn set_transient(&self, cause: Cause, of: &str, since: Instant, reason: String) {
        self.put(cause, of, Some(since), reason);
    }

    /// The same for an error that is transient or not.
    pub fn set_error(&self, cause: Cause, of: &str, transient: bool, reason: String) {
        self.put(cause, of, transient.then(Instant::now), reason);
    }

    fn put(&self, cause: Cause, of: &str, since: Option<Instant>, reason: String) {
        let mut stalls = self.lock();
        let before = stalls.get(&(cause, of.to_owned()));
        let earlier = before.and_then(|stall| stall.since);
        let since = since.map(|since| earlier.map_or(since, |earlier| earlier.min(since)));
        stalls.insert((cause, of.to_owned()), Stall { since, reason });
    }

    /// The stall has ended.
    pub fn clear(&self, cause: Cause, of: &str) {
        let mut stalls = self.lock();
        if !stalls.is_empty() {
            stalls.remove(&(cause, of.to_owned()));
        }
    }

    /// The number of stalls per cause.
    pub fn counts(&self) -> [(Cause, u64); Cause::ALL.len()] {
        let stalls = self.lock();
        Cause::ALL.map(|cause| {
            let of_it = stalls.keys().filter(|(other, _)| *other == cause);
            (cause, of_it.count() as u64)
        })
    }

    /// All of them, in the order of their causes.
    pub fn current(&self) -> Vec<Current> {
        let stalls = self.lock();
        let current = |((cause, of), stall): (&(Cause, String), &Stall)| Current {
            cause: *cause,
            of: of.clone(),
            reason: stall.reason.clone(),
            lasts: stall.since.map(|since| since.elapsed()),
            is_unready: stall.not_ready().is_some(),
        };
        stalls.iter().map(current).collect()
    }

    /// Why qtrail is not ready, one line per reason; `None` if it is ready.
    pub fn not_ready(&self) -> Option<String> {
        let stalls = self.lock();
        let lines: Vec<String> = stalls.values().filter_map(Stall::not_ready).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Cause, String), Stall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stall {
    fn not_ready(&self) -> Option<String> {
        let Some(since) = self.since else {
            return Some(self.reason.clone());
        };
        let lasts = since.elapsed();
        (lasts >= GRACE).then(|| format!("{} (for {} s)", self.reason, lasts.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn transient_stalls_are_reported_after_a_time_and_others_at_once() {
        let stalls = Stalls::default();
        assert_eq!(stalls.not_ready(), None);
        let transient = |reason: &str| {
            stalls.set_transient(Cause::CollectorAway, "", Instant::now(), reason.to_owned());
        };
        transient("refused");
        stalls.set(Cause::StateUnusable, "/s", "the disk is full".to_owned());
        assert_eq!(stalls.not_ready().as_deref(), Some("the disk is full"));
        tokio::time::advance(GRACE - Duration::from_secs(1)).await;
        transient("refused again");
        assert_eq!(stalls.not_ready().as_deref(), Some("the disk is full"));
        let seen = |stalls: &Stalls| -> Vec<_> {
            let current = stalls.current().into_iter();
            current.map(|now| (now.cause, now.is_unready)).collect()
        };
        let unusable = (Cause::StateUnusable, true);
        assert_eq!(seen(&stalls), [(Cause::CollectorAway, false), unusable]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(seen(&stalls), [(Cause::CollectorAway, true), unusable]);
        assert_eq!(
            stalls.not_ready().as_deref(),
            Some("refused again (for 60 s)\nthe disk is full")
        );
        stalls.clear(Cause::StateUnusable, "/s");
        stalls.clear(Cause::CollectorAway, "");
        assert_eq!(stalls.not_ready(), None);
    }

    #[test]
    fn each_cause_is_documented() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
        let text = std::fs::read_to_string(path).unwrap();
        for label in Cause::ALL.map(Cause::label) {
            assert!(
                text.contains(&format!("| `{label}` |")),
                "{label} is missing"
            );
        }
    }

    #[test]
    fn each_cause_counts_its_stalls() {
        let stalls = Stalls::default();
        for region in ["eu-west-1", "us-east-1", "eu-west-1"] {
            stalls.set(Cause::EventHistoryUnreadable, region, String::new());
        }
        let counted = stalls.counts().into_iter().filter(|(_, count)| *count > 0);
        assert_eq!(
            counted.collect::<Vec<_>>(),
            [(Cause::EventHistoryUnreadable, 2)]
        );
        let labels: std::collections::BTreeSet<_> = Cause::ALL.map(Cause::label).into();
        assert_eq!(labels.len(), Cause::ALL.len());
    }
}
