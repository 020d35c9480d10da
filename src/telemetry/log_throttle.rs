//! Rate-limited logging.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A message of one kind is logged at most once per interval.
const INTERVAL: Duration = Duration::from_secs(60);

/// When each kind of message was last logged, and how many were omitted since.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<HashMap<&'static str, (Instant, u64)>>);

impl LogThrottle {
    /// If a message of this kind may be logged now, the number omitted before it.
    pub fn due(&self, kind: &'static str) -> Option<u64> {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match logged.get_mut(kind) {
            Some((at, omitted)) if now.duration_since(*at) < INTERVAL => {
                *omitted += 1;
                None
            }
            last => {
                let omitted = last.map_or(0, |(_, omitted)| *omitted);
                logged.insert(kind, (now, 0));
                Some(omitted)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_kind_is_logged_once_per_interval_with_the_number_omitted() {
        let log_throttle = LogThrottle::default();
        assert_eq!(log_throttle.due("a"), Some(0));
        assert_eq!(log_throttle.due("a"), None);
        assert_eq!(log_throttle.due("b"), Some(0));
        tokio::time::advance(INTERVAL - Duration::from_millis(1)).await;
        assert_eq!(log_throttle.due("a"), None);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(log_throttle.due("a"), Some(2));
        assert_eq!(log_throttle.due("a"), None);
    }
}
