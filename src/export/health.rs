//! The state of the collector, derived from all requests in flight.
//!
//! Enters: a delivery's last failure, until it passes. Leaves: a [`Health`] to watch, the reason for
//! `/readyz`, and one log line for each change. What must hold: the collector is up when no delivery fails.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::Health;
use super::failure::ANOTHERS;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::stalls::Cause;

/// Deliveries report failures here.
#[derive(Debug)]
pub(super) struct Board {
    state: Mutex<State>,
    shown: watch::Sender<Health>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    failures: BTreeMap<u64, Health>,
    /// When the collector was last seen up, while it is not.
    since: Option<Instant>,
    /// When a request was last settled.
    settled: Option<Instant>,
}

/// One delivery's line on the board; wiped when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    board: Arc<Board>,
    id: u64,
}

impl Board {
    pub(super) fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Board {
            state: Mutex::default(),
            shown: watch::Sender::new(Health::Up),
            metrics,
        })
    }

    pub(super) fn watch(&self) -> watch::Receiver<Health> {
        self.shown.subscribe()
    }

    /// A line for one delivery.
    pub(super) fn ticket(self: &Arc<Self>) -> Ticket {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.next += 1;
        Ticket {
            board: Arc::clone(self),
            id: state.next,
        }
    }

    /// Waits until nothing was settled for so long while a delivery failed; returns its failure.
    pub(super) async fn dead_end(&self, after: Duration) -> String {
        let mut shown = self.watch();
        loop {
            let (stuck, reason) = self.stuck();
            if stuck.is_some_and(|stuck| stuck >= after) {
                return reason;
            }
            match stuck {
                Some(stuck) => tokio::time::sleep(after - stuck).await,
                // The board is here, and with it the sender.
                None => drop(shown.changed().await),
            }
        }
    }

    /// How long nothing was settled while a delivery fails, and its failure.
    fn stuck(&self) -> (Option<Duration>, String) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stuck = state.since.map(|since| {
            let settled = state.settled.unwrap_or(since);
            since.max(settled).elapsed()
        });
        match &*self.shown.borrow() {
            Health::Up => (None, String::new()),
            Health::Down { reason, .. } | Health::Blocked { reason } => (stuck, reason.clone()),
        }
    }

    /// Removes a delivery's entry. An abandoned delivery tells nothing about the collector.
    fn remove(&self, id: u64) {
        self.change(id, Health::Up, false);
    }

    fn change(&self, id: u64, health: Health, reported: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match health {
            Health::Up => {
                if reported {
                    state.settled = Some(Instant::now());
                }
                if state.failures.remove(&id).is_none() {
                    return;
                }
            }
            failure if is_anothers(&failure) && state.failures.contains_key(&id) => {}
            failure => {
                state.failures.insert(id, failure);
            }
        }
        let failures = state.failures.values();
        let worst = failures.max_by_key(|health| (rank(health), !is_anothers(health)));
        let now = worst.cloned().unwrap_or(Health::Up);
        let mut before = Health::Up;
        let changed = self.shown.send_if_modified(|shown| {
            before = std::mem::replace(shown, now.clone());
            before != *shown
        });
        if !changed {
            return;
        }
        let since = *state.since.get_or_insert_with(Instant::now);
        self.tell_readiness(&now, since);
        let down_for = (now == Health::Up).then(|| since.elapsed());
        if now == Health::Up {
            state.since = None;
        }
        if reported && is_news(&before, &now) {
            log(&now, down_for);
        }
    }

    fn tell_readiness(&self, now: &Health, since: Instant) {
        let stalls = &self.metrics.stalls;
        if !matches!(now, Health::Blocked { .. }) {
            stalls.clear(Cause::CollectorBlocked, "");
        }
        if !matches!(now, Health::Down { .. }) {
            stalls.clear(Cause::CollectorAway, "");
        }
        match now {
            Health::Up => {}
            Health::Down { reason, .. } => {
                let reason = format!("the collector is unavailable: {reason}");
                stalls.set_transient(Cause::CollectorAway, "", since, reason);
            }
            Health::Blocked { reason } => {
                let reason = format!("the set-up is wrong: {reason}");
                stalls.set(Cause::CollectorBlocked, "", reason);
            }
        }
    }
}

impl Ticket {
    /// Shows how this delivery is doing.
    pub(super) fn show(&self, health: Health) {
        self.board.change(self.id, health, true);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.board.remove(self.id);
    }
}

/// Whether only another delivery's failure says why.
fn is_anothers(health: &Health) -> bool {
    matches!(health, Health::Down { reason, .. } if reason.ends_with(ANOTHERS))
}

fn rank(health: &Health) -> u8 {
    match health {
        Health::Up => 0,
        Health::Down { .. } => 1,
        Health::Blocked { .. } => 2,
    }
}

/// Whether to log a change: another state, or another remedy.
fn is_news(before: &Health, now: &Health) -> bool {
    match (before, now) {
        (Health::Blocked { reason: before }, Health::Blocked { reason: now }) => before != now,
        _ => rank(before) != rank(now),
    }
}

fn log(health: &Health, down_for: Option<Duration>) {
    match health {
        Health::Up => info!(
            seconds = down_for.unwrap_or_default().as_secs(),
            "events are taken again"
        ),
        Health::Down { reason, .. } => warn!("events wait, and are sent again: {reason}"),
        Health::Blocked { reason } => {
            error!("events wait until the set-up is corrected: {reason}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocked(reason: &str) -> Health {
        Health::Blocked {
            reason: reason.to_owned(),
        }
    }

    fn down(seconds: u64) -> Health {
        Health::Down {
            reason: "gone".to_owned(),
            retry_after: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn the_worst_trouble_shows_until_it_is_over() {
        let metrics = Arc::<Metrics>::default();
        let board = Board::new(Arc::clone(&metrics));
        let health = board.watch();
        let (one, two) = (board.ticket(), board.ticket());
        one.show(down(1));
        two.show(blocked("correct the token"));
        assert_eq!(*health.borrow(), blocked("correct the token"));
        let told = "the set-up is wrong: correct the token";
        assert_eq!(metrics.stalls.not_ready().as_deref(), Some(told));
        two.show(Health::Up);
        assert_eq!(*health.borrow(), down(1));
        assert_eq!(metrics.stalls.not_ready(), None, "it may pass");
        let count = |cause| metrics.stalls.counts().contains(&(cause, 1));
        assert!(count(Cause::CollectorAway) && !count(Cause::CollectorBlocked));
        drop(one);
        assert_eq!(*health.borrow(), Health::Up);
        assert!(!count(Cause::CollectorAway));
    }

    #[test]
    fn a_request_that_waited_for_anothers_connection_hides_no_reason() {
        let board = Board::new(Arc::default());
        let health = board.watch();
        let (one, two) = (board.ticket(), board.ticket());
        let anothers = || Health::Down {
            reason: format!("traces to http://x: {ANOTHERS}"),
            retry_after: Duration::from_secs(1),
        };
        one.show(anothers());
        assert_eq!(*health.borrow(), anothers());
        two.show(down(1));
        assert_eq!(*health.borrow(), down(1));
        one.show(down(1));
        one.show(anothers());
        drop(two);
        assert_eq!(*health.borrow(), down(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_end_is_a_time_without_anything_settled() {
        const HOUR: Duration = Duration::from_secs(3600);
        let board = Board::new(Arc::default());
        let (stuck, other) = (board.ticket(), board.ticket());
        let begun = Instant::now();
        let progress = async {
            tokio::time::sleep(HOUR).await;
            stuck.show(down(1));
            tokio::time::sleep(HOUR / 2).await;
            other.show(Health::Up);
            std::future::pending::<()>().await;
        };
        let reason = tokio::select! {
            reason = board.dead_end(HOUR) => reason,
            () = progress => unreachable!(),
        };
        assert_eq!(reason, "gone");
        assert_eq!(begun.elapsed(), HOUR + HOUR / 2 + HOUR);
    }

    #[test]
    fn a_longer_wait_is_shown_but_is_no_news() {
        assert!(!is_news(&down(1), &down(2)));
        assert!(is_news(&down(1), &blocked("a")));
        assert!(is_news(&blocked("a"), &blocked("b")));
        assert!(is_news(&blocked("a"), &Health::Up));
    }
}
