//! CloudTrail's Event history, for accounts without a trail.
//!
//! Enters: pages of LookupEvents for one slice of time after the other, oldest first. Leaves: units for
//! the pipeline, and in the state the time up to which each region was delivered. What must hold: a slice
//! is done once all of its events have settled; each slice overlaps the previous one, because
//! events come late.

#[cfg(feature = "aws")]
mod lookup;
#[cfg(feature = "aws")]
mod pace;
#[cfg(feature = "aws")]
mod region;
#[cfg(feature = "aws")]
mod slices;
#[cfg(feature = "aws")]
mod state;

use std::path::PathBuf;
#[cfg(feature = "aws")]
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "aws")]
use tokio_util::sync::CancellationToken;

#[cfg(feature = "aws")]
use crate::telemetry::stalls::state_observer;

/// How the Event history is read. Valid by construction.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Regions; empty: the SDK's own.
    pub regions: Vec<String>,
    /// Event sources to request; empty: all events.
    pub event_sources: Vec<String>,
    /// How far back the first run reads; at most 90 days. Default 1 h.
    pub start: Duration,
    /// The interval between requests for new events. Default 1 m.
    pub interval: Duration,
    /// The overlap of a slice with the previous one. Default 30 m.
    pub overlap: Duration,
    /// The folder of the state file.
    pub state: PathBuf,
    /// Read the existing events, then return. Default: run until stopped.
    pub once: bool,
}

/// Why the history cannot be read at all. Other errors are retried.
#[cfg(feature = "aws")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No region is set.
    #[error("no region is known: set event_history.regions, aws.region or AWS_REGION")]
    NoRegion,
    /// The state cannot be used.
    #[error(transparent)]
    State(#[from] crate::runtime::database::Error),
}

#[cfg(feature = "aws")]
impl Settings {
    /// The regions to read, each once.
    ///
    /// # Errors
    /// No region is set, and the SDK finds none.
    pub(crate) fn regions(&self, aws: &crate::aws::Aws) -> Result<Vec<String>, Error> {
        let mut regions = self.regions.clone();
        if regions.is_empty() {
            regions.push(aws.region().ok_or(Error::NoRegion)?.to_owned());
        }
        regions.sort();
        regions.dedup();
        Ok(regions)
    }
}

/// Whether the state could be opened. A missing one is not created.
///
/// # Errors
/// As [`run`].
#[cfg(feature = "aws")]
pub fn check(settings: &Settings) -> Result<(), Error> {
    match state::is_there(&settings.state) {
        true => Ok(state::open(&settings.state).map(drop)?),
        false => Ok(()),
    }
}

/// The most pages in memory, over all regions: 50 events each, of 256 KiB at most.
#[cfg(feature = "aws")]
const PAGES: usize = 8;

/// Reads the history until `stop`: then it sends no more requests and waits for the running ones.
///
/// # Errors
/// No region, or a state that cannot be used.
#[cfg(feature = "aws")]
pub async fn run(
    settings: Settings,
    aws: &crate::aws::Aws,
    downstream: super::Downstream,
    stop: CancellationToken,
) -> Result<(), Error> {
    let regions = settings.regions(aws)?;
    let metrics = downstream.metrics;
    let state = state::open(&settings.state)?.observed(state_observer(Arc::clone(&metrics)));
    let shared = region::Shared {
        state: Arc::new(state),
        settings: Arc::new(settings),
        pipeline: downstream.pipeline,
        metrics,
        health: downstream.health,
        pages: Arc::new(tokio::sync::Semaphore::new(PAGES)),
        stop,
    };
    // AWS limits the rate by region.
    let mut running = tokio::task::JoinSet::new();
    for name in regions {
        let lookup = aws.cloudtrail(Some(&name));
        running.spawn(region::Region::new(shared.clone(), &name, lookup).run());
    }
    running.join_all().await;
    Ok(())
}

#[cfg(feature = "aws")]
#[cfg(test)]
mod tests;
