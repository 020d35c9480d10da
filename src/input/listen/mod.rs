//! Listeners.

pub mod auth;

use std::sync::Arc;

use axum::Router;
use tokio_util::sync::CancellationToken;

use super::ingest::{Listen, Settings};
use crate::telemetry::metrics::Metrics;

/// Who sent a request: an extension of every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its address, or the socket's path.
    pub address: Arc<str>,
    /// The name in its client certificate.
    pub certificate: Option<Arc<str>>,
}

/// A bound address.
pub struct Listener;

impl Listener {
    /// Binds.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn bind(
        _key: &'static str,
        _listen: &Listen,
        _settings: &Settings,
        _metrics: Arc<Metrics>,
    ) -> anyhow::Result<Self> {
        Ok(Listener)
    }

    /// Serves until `stop`.
    pub async fn serve(self, _router: Router, stop: CancellationToken) {
        stop.cancelled().await;
    }
}
