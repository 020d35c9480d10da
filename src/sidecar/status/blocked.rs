//! What is blocked, and what mends it.
//!
//! Enters: the stalls, and the metrics of files, folders and senders that wait. Leaves: [`Blocked`]s, the worst first.

use serde::{Deserialize, Serialize};

use crate::telemetry::metrics::Metrics;
use crate::telemetry::stalls::{Cause, Current};

/// Something that does not move.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Blocked {
    /// The label of `qtrail_stalled`, or the name of the metric.
    pub cause: String,
    /// What does not move, in plain words.
    pub title: String,
    /// The path, the queue or the region.
    pub of: String,
    /// Why; often with the remedy in full.
    pub reason: String,
    /// What to do, in a sentence.
    pub remedy: String,
    /// Whether it waits for a person. Otherwise it may end by itself.
    pub needs_you: bool,
    /// How long it has lasted, for what may end by itself.
    pub seconds: Option<u64>,
}

/// What is blocked now.
pub(super) fn of(metrics: &Metrics) -> Vec<Blocked> {
    let mut blocked: Vec<_> = metrics.stalls.current().into_iter().map(stall).collect();
    blocked.extend(parts(metrics));
    blocked.sort_by_key(|blocked| !blocked.needs_you);
    blocked
}

fn stall(current: Current) -> Blocked {
    let (title, remedy) = words(current.cause);
    Blocked {
        cause: current.cause.label().to_owned(),
        title: title.to_owned(),
        of: current.of,
        reason: current.reason,
        remedy: remedy.to_owned(),
        needs_you: current.is_unready,
        seconds: current.lasts.map(|lasts| lasts.as_secs()),
    }
}

/// A title and a remedy.
#[rustfmt::skip]
fn words(cause: Cause) -> (&'static str, &'static str) {
    match cause {
        Cause::CollectorBlocked => ("The collector refuses events, or the file for them cannot be written", "Correct the endpoint, the protocol, TLS or the credentials; for a file, make room on the disk. Nothing is lost meanwhile."),
        Cause::CollectorAway => ("The collector does not take events now", "Start the collector, or look at the network. Events wait and are sent again."),
        Cause::DeadLettersUnwritable => ("The dead letters cannot be written", "Make room on the disk, or correct the permissions."),
        Cause::DeadLettersFull => ("The dead letters are full", "Replay the rotated files and move them away."),
        Cause::StateUnusable => ("qtrail cannot remember what it has delivered", "Make room on the disk, or correct the permissions of the state directory."),
        Cause::DirectoryUnreadable => ("The watched directory cannot be read", "Make or mount it, or correct its permissions."),
        Cause::FilesUnreadable => ("The newest files cannot be read", "Correct their permissions, or exclude them (directory.exclude)."),
        Cause::QueueUnreadable => ("A queue cannot be read", "Look at the queue's URL, the role and the credentials."),
        Cause::ObjectsUnreadable => ("Objects of S3 cannot be read", "Look at the role, the credentials and the region."),
        Cause::EventHistoryUnreadable => ("The Event history cannot be read", "Look at the role and the credentials."),
    }
}

/// What waits while other things of its kind move.
fn parts(metrics: &Metrics) -> impl Iterator<Item = Blocked> {
    let failing = metrics.files_failing.get();
    let unlisted = metrics.folders_unlisted.get();
    let waiting = metrics.dead_letters_waiting.get();
    let part = |cause: &str, title, remedy: &str| Blocked {
        cause: cause.to_owned(),
        title,
        remedy: remedy.to_owned(),
        needs_you: true,
        ..Blocked::default()
    };
    [
        (failing > 0).then(|| {
            let title =
                format!("Files that cannot be read, delivered, deleted or moved: {failing}");
            let remedy = "qtrail tries again; its log names each of them, and why.";
            part("files_failing", title, remedy)
        }),
        (unlisted > 0).then(|| {
            let title = format!("Folders that cannot be listed: {unlisted}");
            let remedy = "Correct their permissions; the log names each of them.";
            part("folders_unlisted", title, remedy)
        }),
        (waiting > 0).then(|| {
            let title =
                format!("Senders and inputs that wait for room in the dead letters: {waiting}");
            let remedy = "Replay the rotated files of dead letters and move them away.";
            part("dead_letters_waiting", title, remedy)
        }),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn what_needs_a_person_comes_first_and_the_reason_is_kept() {
        let metrics = Metrics::default();
        assert_eq!(of(&metrics), []);
        let stalls = &metrics.stalls;
        stalls.set_transient(Cause::CollectorAway, "", Instant::now(), "refused".into());
        stalls.set(Cause::StateUnusable, "/s", "the disk is full".into());
        metrics.files_failing.set(2);
        let blocked = of(&metrics);
        let seen: Vec<_> = blocked
            .iter()
            .map(|b| (b.cause.as_str(), b.needs_you))
            .collect();
        assert_eq!(
            seen,
            [
                ("state_unusable", true),
                ("files_failing", true),
                ("collector_away", false)
            ]
        );
        assert_eq!(
            (blocked[0].of.as_str(), blocked[0].reason.as_str()),
            ("/s", "the disk is full")
        );
        assert_eq!(blocked[2].seconds, Some(0));
        assert!(blocked[1].title.ends_with(": 2"));
    }
}
