//! The audit log.
//!
//! Enters: the first request of each connection, and each refused request or connection. Leaves: log lines with the
//! target `qtrail::audit`, and a count. What must hold: no sender can fill the log; no token is logged.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use http::{Extensions, HeaderMap};
use tracing::{info, warn};

use super::Peer;
use super::auth::{Auth, Unauthenticated};
use super::connection_limit::Slot;
use crate::input::ingest;
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;

const TARGET: &str = "qtrail::audit";

/// Checks a request's token. Logs the sender at its connection's first request, or the refusal. If the token is valid,
/// the listener treats the peer as identified from then on. `extensions` are the request's.
///
/// # Errors
/// The token is missing or wrong.
pub fn admit(
    auth: &Auth,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Option<Arc<str>>, Unauthenticated> {
    let checked = auth.check(headers);
    if let Some((peer, audit)) = parties(extensions) {
        match &checked {
            Ok(token) => audit.admitted(peer, token.as_deref()),
            Err(error) => audit.listener.log_refusal("token", peer, error),
        }
    }
    if checked.is_ok() {
        mark_identified(extensions);
    }
    checked
}

/// Whether the peer of a request that needs no token sent a valid one. Logs nothing.
pub fn identify(auth: &Auth, headers: &HeaderMap, extensions: &Extensions) -> bool {
    let checked = auth.check(headers);
    if let Ok(Some(_)) = checked {
        mark_identified(extensions);
    }
    checked.is_ok()
}

fn mark_identified(extensions: &Extensions) {
    if let Some(slot) = extensions.get::<Arc<Slot>>() {
        slot.mark_identified();
    }
}

/// Logs and counts a refused request.
pub fn log_refusal(extensions: &Extensions, error: &ingest::Error) {
    if let Some((peer, audit)) = parties(extensions) {
        let kind = match error {
            ingest::Error::CollectorUnavailable { .. } => "collector_unavailable",
            ingest::Error::DeadLettersUnavailable { .. } => "dead_letters_unavailable",
            ingest::Error::InFlightLimit { .. } => "in_flight_limit",
            ingest::Error::Unreadable { .. } => "unreadable",
            ingest::Error::TooLarge { .. } => "too_large",
            ingest::Error::InflatedTooLarge { .. } => "inflated_too_large",
            ingest::Error::DecodedTooLarge { .. } => "decoded_too_large",
            ingest::Error::TooSlow { .. } => "too_slow",
            ingest::Error::Stopping => "stopping",
        };
        audit.listener.log_refusal(kind, peer, error);
    }
}

fn parties(extensions: &Extensions) -> Option<(&Peer, &Connection)> {
    Some((extensions.get()?, extensions.get()?))
}

/// The audit log of one listener.
pub(super) struct Audit {
    listener: &'static str,
    /// The config section of its limits; `None` if it accepts no events.
    pub(super) keys: Option<&'static str>,
    metrics: Arc<Metrics>,
    log_throttle: LogThrottle,
}

/// The audit log of one connection: an extension of its requests.
#[derive(Clone)]
pub(super) struct Connection {
    listener: Arc<Audit>,
    /// Whether its first request was logged.
    logged: Arc<AtomicBool>,
}

impl Audit {
    pub(super) fn new(
        listener: &'static str,
        keys: Option<&'static str>,
        metrics: Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Audit {
            listener,
            keys,
            metrics,
            log_throttle: LogThrottle::default(),
        })
    }

    /// A new connection.
    pub(super) fn connection(self: &Arc<Self>) -> Connection {
        Connection {
            listener: Arc::clone(self),
            logged: Arc::default(),
        }
    }

    /// The config key of a limit, in parentheses.
    pub(super) fn key(&self, limit: &str) -> String {
        match self.keys {
            Some(keys) => format!(" ({keys}.{limit})"),
            None => String::new(),
        }
    }

    /// Logs and counts a refused request or connection.
    pub(super) fn log_refusal(&self, kind: &'static str, peer: &Peer, reason: &dyn fmt::Display) {
        self.metrics.ingest_refused.add(1);
        if let Some(left_out) = self.log_throttle.due(kind) {
            warn!(
                target: TARGET,
                listener = self.listener,
                peer = &*peer.address,
                certificate = peer.certificate.as_deref(),
                left_out,
                "refused: {reason}"
            );
        }
    }

    /// Logs that the socket cannot accept connections now.
    pub(super) fn cannot_accept(&self, error: &std::io::Error) {
        if let Some(left_out) = self.log_throttle.due("accept") {
            let listener = self.listener;
            warn!(listener, left_out, "cannot accept connections: {error}");
        }
    }
}

impl Connection {
    fn admitted(&self, peer: &Peer, token: Option<&str>) {
        if self.logged.swap(true, Relaxed) {
            return;
        }
        let audit = &self.listener;
        // Each connection of a peer with a name is logged; the others are rate-limited.
        let named = token.is_some() || peer.certificate.is_some();
        let left_out = match named {
            true => Some(0),
            false => audit.log_throttle.due("anybody"),
        };
        if let Some(left_out) = left_out {
            info!(
                target: TARGET,
                listener = audit.listener,
                peer = &*peer.address,
                certificate = peer.certificate.as_deref(),
                token,
                left_out,
                "a sender's first request"
            );
        }
    }
}
