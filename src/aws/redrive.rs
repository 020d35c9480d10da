//! A queue's redrive policy.

use serde_json::Value;

/// After how many receives a message goes to the dead-letter queue, by the policy's text:
/// `{"deadLetterTargetArn":"…","maxReceiveCount":5}`, the number as text or not.
pub(crate) fn max_receive_count(policy: &str) -> Option<u32> {
    let policy: Value = serde_json::from_str(policy).ok()?;
    let count = policy.get("maxReceiveCount")?;
    match count.as_str() {
        Some(text) => text.parse().ok(),
        None => count.as_u64()?.try_into().ok(),
    }
}
