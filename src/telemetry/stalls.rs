//! What keeps events from moving, while it does.
//!
//! Enters: from each room, why it stands still, and that it goes on. Leaves: why `/readyz` answers 503,
//! and a gauge for each cause. What must hold: a bounded number of series; a cause that is over is gone
//! at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::metrics::Metrics;
use crate::runtime::database::Observer;

/// How long something may last that usually passes, before `/readyz` says so. Shorter gaps are what retries
/// are for.
const GRACE: Duration = Duration::from_secs(60);

/// What the gauge says.
pub(super) const STALLED: &str = "What keeps events from moving now, by reason; /readyz says more.";

/// Why events do not move: the label `reason` of `qtrail_stalled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The export is set up wrong.
    CollectorBlocked,
    /// The collector does not take events now.
    CollectorAway,
    /// The dead letters cannot be written.
    DeadLettersUnwritable,
    /// The dead letters are full.
    DeadLettersFull,
    /// What was delivered cannot be noted, or looked up.
    StateUnusable,
    /// The watched directory, or all with files in it, cannot be listed.
    DirectoryUnreadable,
    /// The newest file cannot be read, and none was read since.
    FilesUnreadable,
    /// A queue cannot be received from, or its messages cannot be deleted.
    QueueUnreadable,
    /// The newest object cannot be read, and none was read since.
    ObjectsUnreadable,
    /// A region's Event history cannot be asked for.
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
    pub fn word(self) -> &'static str {
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

/// Reports whether a state database can be used: while it cannot, `/readyz` says so.
pub(crate) fn of_state(metrics: Arc<Metrics>) -> Observer {
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

/// All that stands still now.
#[derive(Debug, Default)]
pub struct Stalls(Mutex<BTreeMap<(Cause, String), Stall>>);

#[derive(Debug)]
struct Stall {
    /// Since when, where it may pass; `None`: somebody has to mend it.
    since: Option<Instant>,
    reason: String,
}

impl Stalls {
    /// `of` (a path, a URL, a region) stands still until somebody mends it: why, and the remedy.
    pub fn set(&self, cause: Cause, of: &str, reason: String) {
        self.put(cause, of, None, reason);
    }

    /// The same, but it may pass, and makes qtrail unready only once it has lasted for a while. `since` when,
    /// if it was not told before.
    pub fn set_passing(&self, cause: Cause, of: &str, since: Instant, reason: String) {
        self.put(cause, of, Some(since), reason);
    }

    /// The same, from a fault that either `passes` or has to be mended.
    pub fn set_fault(&self, cause: Cause, of: &str, passes: bool, reason: String) {
        self.put(cause, of, passes.then(Instant::now), reason);
    }

    fn put(&self, cause: Cause, of: &str, since: Option<Instant>, reason: String) {
        let mut stalls = self.lock();
        let before = stalls.get(&(cause, of.to_owned()));
        let earlier = before.and_then(|stall| stall.since);
        let since = since.map(|since| earlier.map_or(since, |earlier| earlier.min(since)));
        stalls.insert((cause, of.to_owned()), Stall { since, reason });
    }

    /// It goes on.
    pub fn clear(&self, cause: Cause, of: &str) {
        let mut stalls = self.lock();
        if !stalls.is_empty() {
            stalls.remove(&(cause, of.to_owned()));
        }
    }

    /// Each cause, with how many things stand still for it.
    pub fn counts(&self) -> [(Cause, u64); Cause::ALL.len()] {
        let stalls = self.lock();
        Cause::ALL.map(|cause| {
            let of_it = stalls.keys().filter(|(other, _)| *other == cause);
            (cause, of_it.count() as u64)
        })
    }

    /// Why qtrail is not ready, a line for each reason; `None` when it is.
    pub fn not_ready(&self) -> Option<String> {
        let stalls = self.lock();
        let lines: Vec<String> = stalls.values().filter_map(Stall::told).collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Cause, String), Stall>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stall {
    fn told(&self) -> Option<String> {
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
    async fn what_may_pass_has_a_while_and_what_must_be_mended_has_none() {
        let stalls = Stalls::default();
        assert_eq!(stalls.not_ready(), None);
        let away = |reason: &str| {
            stalls.set_passing(Cause::CollectorAway, "", Instant::now(), reason.to_owned());
        };
        away("refused");
        stalls.set(Cause::StateUnusable, "/s", "the disk is full".to_owned());
        assert_eq!(stalls.not_ready().as_deref(), Some("the disk is full"));
        tokio::time::advance(GRACE - Duration::from_secs(1)).await;
        away("refused again");
        assert_eq!(stalls.not_ready().as_deref(), Some("the disk is full"));
        tokio::time::advance(Duration::from_secs(1)).await;
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
        for word in Cause::ALL.map(Cause::word) {
            assert!(
                text.contains(&format!("| `{word}` |")),
                "{word} is not in it"
            );
        }
    }

    #[test]
    fn each_cause_is_counted_by_what_it_holds_up() {
        let stalls = Stalls::default();
        for region in ["eu-west-1", "us-east-1", "eu-west-1"] {
            stalls.set(Cause::EventHistoryUnreadable, region, String::new());
        }
        let counted = stalls.counts().into_iter().filter(|(_, count)| *count > 0);
        assert_eq!(
            counted.collect::<Vec<_>>(),
            [(Cause::EventHistoryUnreadable, 2)]
        );
        let words: std::collections::BTreeSet<_> = Cause::ALL.map(Cause::word).into();
        assert_eq!(words.len(), Cause::ALL.len());
    }
}
