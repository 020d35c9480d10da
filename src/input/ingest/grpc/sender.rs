//! Who makes a call, the room for what it brings, and how it is refused.
//!
//! Enters: what the listener knows of a request. Leaves: refusals, each told in the audit log and
//! counted. What must hold: a message's room is held from before its bytes are read until its events
//! have settled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Extensions;
use tonic::{Request, Status};

use super::status;
use crate::input::ingest::listen::{self, ActiveGuard, NOBODY, Peer, audit};
use crate::input::ingest::{self, Ingest, Reserved};
use qtrail_proto::v1::Failure;

/// One call's sender: an extension of its request.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) ingest: Ingest,
    /// The room of the message that is read: from where its length is seen to where it is delivered.
    /// The next message begins only then.
    room: Arc<Mutex<Option<Reserved>>>,
    /// What the listener knows of it.
    extensions: Arc<Extensions>,
    /// Whose account its messages are on.
    account: Arc<str>,
}

impl Sender {
    /// `token`: the name of the token that was shown.
    pub(super) fn new(ingest: Ingest, extensions: Extensions, token: Option<Arc<str>>) -> Self {
        let peer = extensions.get::<Peer>();
        Sender {
            ingest,
            account: peer.map_or(NOBODY.into(), |peer| peer.account(token.as_deref())),
            room: Arc::default(),
            extensions: Arc::new(extensions),
        }
    }

    /// Who makes this call.
    pub(super) fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let sender = request.extensions().get::<Sender>();
        sender
            .cloned()
            .ok_or_else(|| Status::internal("this call was not let in"))
    }

    /// Its address.
    pub(super) fn address(&self) -> &str {
        let peer = self.extensions.get::<Peer>();
        peer.map_or("unknown", |peer| &peer.address)
    }

    /// Keeps its connection, as long as this is held.
    pub(super) fn keep_active(&self) -> Option<ActiveGuard> {
        listen::keep_active(&self.extensions)
    }

    /// Keeps room for the message that comes now.
    pub(super) fn keep(&self, reserved: Reserved) {
        *self.lock() = Some(reserved);
    }

    /// Takes the room of the message that is read.
    pub(super) fn take_reserved(&self) -> Option<Reserved> {
        self.lock().take()
    }

    /// The room of the message that was read last, which has so many bytes now.
    ///
    /// # Errors
    /// It grew when it was inflated, and there is no room for that.
    pub(super) fn reserve(&self, bytes: usize) -> Result<Reserved, ingest::Error> {
        let kept = self.take_reserved();
        let reserved = match kept {
            Some(mut reserved) => {
                self.ingest.resize(&mut reserved, bytes)?;
                reserved
            }
            None => self.ingest.try_reserve(bytes)?,
        };
        Ok(reserved.sent_by(Arc::clone(&self.account)))
    }

    /// The end of a call that is refused.
    pub(super) fn status(&self, error: &ingest::Error) -> Status {
        audit::refused(&self.extensions, error);
        status::of(error)
    }

    /// The answer to a message that is refused.
    pub(super) fn failure(&self, error: &ingest::Error) -> Failure {
        audit::refused(&self.extensions, error);
        status::failure(error)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Reserved>> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
