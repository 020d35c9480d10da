//! Whether qtrail is ready, decided from plain values.

use std::time::Duration;

use crate::export::Health;

/// How long a collector may be away before `/readyz` says so. Shorter gaps are what retries are for.
pub(super) const DOWN_GRACE: Duration = Duration::from_secs(60);

/// Why qtrail is not ready, if it is not.
///
/// `down_for`: how long the collector has not answered well. `running`: whether an input runs.
pub(super) fn not_ready(health: &Health, down_for: Duration, running: bool) -> Option<String> {
    match health {
        Health::Blocked { reason } => Some(format!("the set-up is wrong: {reason}")),
        _ if !running => Some("no input runs".to_owned()),
        Health::Down { reason, .. } if down_for >= DOWN_GRACE => Some(format!(
            "the collector has been away for {} s: {reason}",
            down_for.as_secs()
        )),
        Health::Down { .. } | Health::Up => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_follows_the_collector_and_the_inputs() {
        let down = Health::Down {
            reason: "refused".to_owned(),
            retry_after: Duration::ZERO,
        };
        let blocked = Health::Blocked {
            reason: "401".to_owned(),
        };
        let second = Duration::from_secs(1);
        for (health, down_for, running, expected) in [
            (&Health::Up, Duration::ZERO, true, None),
            (&Health::Up, Duration::ZERO, false, Some("no input runs")),
            (&down, DOWN_GRACE - second, true, None),
            (&down, DOWN_GRACE, true, Some("away for 60 s: refused")),
            (&blocked, Duration::ZERO, true, Some("set-up is wrong: 401")),
        ] {
            let reason = not_ready(health, down_for, running);
            match expected {
                None => assert_eq!(reason, None),
                Some(part) => assert!(reason.as_deref().unwrap_or_default().contains(part)),
            }
        }
    }
}
