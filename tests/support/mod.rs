//! What the integration tests share.

use std::time::Duration;

pub mod collector;
pub mod delivery;
pub mod program;
pub mod receiver;
pub mod sidecar;
pub mod trail;

/// What a test awaits comes within this time, or the test fails. Longer than an unoptimized program
/// takes for 300 MB on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
