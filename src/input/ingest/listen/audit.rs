//! Who sent, and who was turned away, for the log.
//!
//! Enters: a connection's first request, and each error. Leaves: lines of the target
//! `qtrail::audit`, and a count. What must hold: no sender can fill the log, and no token is in it.

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

/// Checks a request's token, and says who sends: at a connection's first request, and where it is
/// turned away. From then on its peer is known to the listener. `extensions` are those of the request.
///
/// # Errors
/// No token, or a wrong one.
pub fn admit(
    auth: &Auth,
    headers: &HeaderMap,
    extensions: &Extensions,
) -> Result<Option<Arc<str>>, Unauthenticated> {
    let checked = auth.check(headers);
    if let Some((peer, audit)) = parties(extensions) {
        match &checked {
            Ok(token) => audit.admitted(peer, token.as_deref()),
            Err(refused) => audit.listener.log_refusal("token", peer, refused),
        }
    }
    if checked.is_ok() {
        mark_identified(extensions);
    }
    checked
}

/// Whether the peer of a request that anyone may make is known.
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

/// Says and counts that a request was turned away.
pub fn log_refusal(extensions: &Extensions, error: &ingest::Error) {
    if let Some((peer, audit)) = parties(extensions) {
        let kind = match error {
            ingest::Error::CollectorUnavailable { .. } => "away",
            ingest::Error::DeadLettersUnavailable { .. } => "letters_full",
            ingest::Error::InFlightLimit { .. } => "busy",
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

/// What is told of a listener's peers.
pub(super) struct Audit {
    listener: &'static str,
    /// The group of the keys that bound it; `None`: nobody sends there.
    pub(super) keys: Option<&'static str>,
    metrics: Arc<Metrics>,
    log_throttle: LogThrottle,
}

/// What is told of one connection: an extension of its requests.
#[derive(Clone)]
pub(super) struct Connection {
    listener: Arc<Audit>,
    known: Arc<AtomicBool>,
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
            known: Arc::default(),
        }
    }

    /// Where a limit can be set, in words.
    pub(super) fn key(&self, limit: &str) -> String {
        match self.keys {
            Some(keys) => format!(" ({keys}.{limit})"),
            None => String::new(),
        }
    }

    /// Says and counts that a request or a connection was turned away.
    pub(super) fn log_refusal(&self, kind: &'static str, peer: &Peer, why: &dyn fmt::Display) {
        self.metrics.ingest_refused.add(1);
        if let Some(left_out) = self.log_throttle.due(kind) {
            warn!(
                target: TARGET,
                listener = self.listener,
                peer = &*peer.address,
                certificate = peer.certificate.as_deref(),
                left_out,
                "refused: {why}"
            );
        }
    }

    /// Says that the socket cannot take connections now.
    pub(super) fn cannot_accept(&self, error: &std::io::Error) {
        if let Some(left_out) = self.log_throttle.due("accept") {
            let listener = self.listener;
            warn!(
                listener,
                left_out, "no connection can be accepted now: {error}"
            );
        }
    }
}

impl Connection {
    fn admitted(&self, peer: &Peer, token: Option<&str>) {
        if self.known.swap(true, Relaxed) {
            return;
        }
        let audit = &self.listener;
        // Each connection of a named peer is logged; those of nameless ones are rate-limited.
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
