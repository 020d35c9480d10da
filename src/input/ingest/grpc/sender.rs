//! The sender of a call: the memory reserved for its message, and its errors.
//!
//! Enters: the listener's extensions of a request. Leaves: errors as statuses, each in the audit log and
//! counted. What must hold: memory for a message stays reserved from before its bytes are read until its events
//! have settled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Extensions;
use tonic::{Request, Status};

use super::status;
use crate::input::ingest::listen::{self, ActiveGuard, NOBODY, Peer, audit};
use crate::input::ingest::{self, Ingest, Reserved};
use qtrail_proto::v1::Failure;

/// The sender of one call: an extension of its request.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) ingest: Ingest,
    /// The memory of the message that is being read, from its prefix to its delivery. The next message starts
    /// only then.
    reserved: Arc<Mutex<Option<Reserved>>>,
    /// What the listener knows about the request.
    extensions: Arc<Extensions>,
    /// The account that its dead letters are charged to.
    account: Arc<str>,
}

impl Sender {
    /// `token`: the name of the request's token.
    pub(super) fn new(ingest: Ingest, extensions: Extensions, token: Option<Arc<str>>) -> Self {
        let peer = extensions.get::<Peer>();
        Sender {
            ingest,
            account: peer.map_or(NOBODY.into(), |peer| peer.account(token.as_deref())),
            reserved: Arc::default(),
            extensions: Arc::new(extensions),
        }
    }

    /// The sender of this call.
    pub(super) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let sender = request.extensions().get::<Sender>();
        sender
            .cloned()
            .ok_or_else(|| Status::internal("the call did not pass the guard"))
    }

    /// Its address.
    pub(super) fn address(&self) -> &str {
        let peer = self.extensions.get::<Peer>();
        peer.map_or("unknown", |peer| &peer.address)
    }

    /// Keeps its connection from being evicted.
    pub(super) fn keep_active(&self) -> Option<ActiveGuard> {
        listen::keep_active(&self.extensions)
    }

    /// Stores the memory of the message that arrives.
    pub(super) fn set_reserved(&self, reserved: Reserved) {
        *self.lock() = Some(reserved);
    }

    /// Takes the memory of the message that is being read.
    pub(super) fn take_reserved(&self) -> Option<Reserved> {
        self.lock().take()
    }

    /// The memory of the message that was read last, resized to its bytes.
    ///
    /// # Errors
    /// The message grew when tonic inflated it, and there is no memory for that.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reserved, ingest::Error> {
        let reserved = match self.take_reserved() {
            Some(mut reserved) => {
                self.ingest.resize(&mut reserved, bytes)?;
                reserved
            }
            None => self.ingest.try_reserve(bytes)?,
        };
        Ok(reserved.sent_by(Arc::clone(&self.account)))
    }

    /// The status of a failed call. Logs and counts the error.
    pub(super) fn status(&self, error: &ingest::Error) -> Status {
        audit::log_refusal(&self.extensions, error);
        status::of(error)
    }

    /// The answer to a failed message of a stream. Logs and counts the error.
    pub(super) fn failure(&self, error: &ingest::Error) -> Failure {
        audit::log_refusal(&self.extensions, error);
        status::failure(error)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Reserved>> {
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
