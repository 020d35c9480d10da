//! Saying a thing that happens often, log_throttle.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A thing of one kind is said at most once in this time.
const PAUSE: Duration = Duration::from_secs(60);

/// When each kind of thing was said, and how often it was not said since.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<HashMap<&'static str, (Instant, u64)>>);

impl LogThrottle {
    /// Whether a thing of this kind is to be said now; then, how many were left out before it.
    pub fn due(&self, kind: &'static str) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match said.get_mut(kind) {
            Some((at, left_out)) if now.duration_since(*at) < PAUSE => {
                *left_out += 1;
                None
            }
            last => {
                let left_out = last.map_or(0, |(_, left_out)| *left_out);
                said.insert(kind, (now, 0));
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
