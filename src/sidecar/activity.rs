//! Log lines that say how the sidecar is doing.
//!
//! Enters: the metrics, now and then. Leaves: a line a minute while there is work, one when it catches up, none while
//! nothing happens. What must hold: a trickle of events makes at most one line a minute.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::telemetry::metrics::Metrics;

/// Time between two lines.
const LINE: Duration = Duration::from_secs(60);
/// Time between two looks. A sidecar that has nothing to do at two of them has caught up: between two files, there may
/// be nothing for a moment.
const LOOK: Duration = Duration::from_secs(1);

/// Logs until it is dropped.
pub async fn log(metrics: Arc<Metrics>) {
    let mut looks = interval_at(Instant::now() + LOOK, LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut activity = Activity::default();
    loop {
        let now = looks.tick().await;
        match activity.look(Seen::of(&metrics), now) {
            Some(News::AtWork) => line(&metrics, "at work"),
            Some(News::CaughtUp) => line(&metrics, "caught up"),
            None => {}
        }
    }
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    AtWork,
    CaughtUp,
}

/// What a look shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Seen {
    /// Records that were read, and things that were skipped.
    done: u64,
    /// Whether something waits that can be delivered. A file that cannot be read is retried, which is told elsewhere.
    pending: bool,
}

impl Seen {
    fn of(metrics: &Metrics) -> Self {
        let files = metrics.files_pending.get();
        let files = files.saturating_sub(metrics.files_failing.get());
        let waiting = files + metrics.in_flight.get() + metrics.s3_messages_held.get();
        Seen {
            done: metrics.read.get() + metrics.skipped.get(),
            pending: waiting > 0,
        }
    }
}

/// When a line is due.
#[derive(Debug, Default)]
struct Activity {
    /// The work of the last look, and of the last line.
    before: Seen,
    told: u64,
    /// The time of the last line.
    line: Option<Instant>,
    /// When the work that no line has told of began.
    work: Option<Instant>,
    /// Whether the last line said that there is work.
    at_work: bool,
}

impl Activity {
    fn look(&mut self, seen: Seen, now: Instant) -> Option<News> {
        let is_still = seen == std::mem::replace(&mut self.before, seen);
        let news = match seen.pending {
            true => {
                let since = *self.work.get_or_insert(now);
                let since = self.line.map_or(since, |line| line.max(since));
                (now - since >= LINE).then_some(News::AtWork)
            }
            false if !is_still => None,
            false => {
                self.work = None;
                let is_news = self.at_work || seen.done != self.told;
                let is_due = self.at_work || self.line.is_none_or(|line| now - line >= LINE);
                (is_news && is_due).then_some(News::CaughtUp)
            }
        }?;
        self.at_work = news == News::AtWork;
        (self.line, self.told) = (Some(now), seen.done);
        Some(news)
    }
}

/// The counts since the start.
fn line(metrics: &Metrics, message: &str) {
    tracing::info!(
        read = metrics.read.get(),
        exported = metrics.exported.get(),
        filtered = metrics.filtered.get(),
        duplicate = metrics.duplicate.get(),
        dead_lettered = metrics.dead_lettered.get(),
        in_flight = metrics.in_flight.get(),
        files_pending = metrics.files_pending.get(),
        files_failing = metrics.files_failing.get(),
        lag_seconds = metrics.lag_seconds.get(),
        "{message}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines for looks a second apart: of each, the records read and whether something waits.
    fn lines(looks: impl IntoIterator<Item = (u64, bool)>) -> Vec<(u64, News)> {
        let (start, mut activity) = (Instant::now(), Activity::default());
        let looks = looks
            .into_iter()
            .zip(1..)
            .filter_map(|((done, pending), second)| {
                let news = activity.look(Seen { done, pending }, start + LOOK * second)?;
                Some((u64::from(second), news))
            });
        looks.collect()
    }

    #[test]
    fn nothing_is_said_while_nothing_happens() {
        assert_eq!(lines(vec![(0, false); 600]), []);
    }

    #[test]
    fn work_is_told_of_once_a_minute_and_the_end_of_it_once() {
        let busy = (1..=150).map(|n| (n, true));
        let looks = busy.chain(vec![(150, false); 300]);
        let expected = [
            (61, News::AtWork),
            (121, News::AtWork),
            (152, News::CaughtUp),
        ];
        assert_eq!(lines(looks), expected);
    }

    #[test]
    fn a_collector_that_accepts_nothing_is_work() {
        let stuck = vec![(7, true); 130];
        assert_eq!(lines(stuck), [(61, News::AtWork), (121, News::AtWork)]);
    }

    #[test]
    fn a_trickle_makes_a_line_a_minute_at_most() {
        // A record every ten seconds, delivered at once.
        let looks = (0..300).map(|second| (second / 10, false));
        let lines = lines(looks);
        assert!((4..=5).contains(&lines.len()), "{lines:?}");
        for pair in lines.windows(2) {
            assert!(pair[1].0 - pair[0].0 >= 60, "{lines:?}");
        }
    }

    #[test]
    fn a_moment_between_two_files_is_not_the_end() {
        let looks = [(1, true), (1, false), (2, true), (2, false), (2, false)];
        assert_eq!(lines(looks), [(5, News::CaughtUp)]);
    }
}
