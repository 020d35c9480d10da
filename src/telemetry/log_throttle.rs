//! Rate-limited logging.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A message of one kind is logged at most once in this time.
const PAUSE: Duration = Duration::from_secs(60);

/// When each kind of message was last logged, and how many were left out since.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<HashMap<&'static str, (Instant, u64)>>);

impl LogThrottle {
    /// If a message of this kind may be logged now: how many were left out before it.
    pub fn due(&self, kind: &'static str) -> Option<u64> {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match logged.get_mut(kind) {
            Some((at, left_out)) if now.duration_since(*at) < PAUSE => {
                *left_out += 1;
                None
            }
            last => {
                let left_out = last.map_or(0, |(_, left_out)| *left_out);
                logged.insert(kind, (now, 0));
                Some(left_out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_kind_is_said_once_in_a_while_with_a_count_of_what_was_left_out() {
        let log_throttle = LogThrottle::default();
        assert_eq!(log_throttle.due("a"), Some(0));
        assert_eq!(log_throttle.due("a"), None);
        assert_eq!(log_throttle.due("b"), Some(0));
        tokio::time::advance(PAUSE - Duration::from_millis(1)).await;
        assert_eq!(log_throttle.due("a"), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(log_throttle.due("a"), Some(2));
        assert_eq!(log_throttle.due("a"), None);
    }
}
