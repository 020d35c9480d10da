//! Memory for requests in flight.
//!
//! Enters: the size of a request. Leaves: its [`Reserved`] memory, or an [`Error`]. What must hold: all
//! requests together reserve at most `ingest.limits.in_flight_bytes`.

use std::sync::Arc;

use super::{Error, Ingest};
use crate::runtime::budget::Reservation;

/// The budget counts in units of this many bytes, so that many tiny requests are bounded too.
pub(super) const BUDGET_UNIT: usize = 4096;

/// Memory for a request; dropping it releases the memory.
#[derive(Debug)]
pub struct Reserved {
    memory: Reservation,
    pub(super) sender: Option<Arc<str>>,
}

impl Reserved {
    /// Charges the request to this sender.
    pub fn sent_by(self, sender: Arc<str>) -> Self {
        Reserved {
            sender: Some(sender),
            ..self
        }
    }
}

impl From<Reservation> for Reserved {
    fn from(memory: Reservation) -> Self {
        Reserved {
            memory,
            sender: None,
        }
    }
}

impl Ingest {
    /// Reserves memory for a request, without waiting: its sender can repeat it later.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::InFlightLimit`], and those of [`Ingest::available`].
    pub fn try_reserve(&self, bytes: usize) -> Result<Reserved, Error> {
        self.available()?;
        self.check_size(bytes)?;
        let memory = self.budget.try_acquire(bytes);
        memory
            .map(Reserved::from)
            .ok_or_else(|| self.in_flight_limit())
    }

    /// Waits until there is memory for a message of a stream; flow control slows its sender meanwhile.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Stopping`]; [`Error::CollectorUnavailable`] or
    /// [`Error::DeadLettersUnavailable`] if an outage lasts, because no memory is released before its end.
    pub async fn reserve(&self, bytes: usize) -> Result<Reserved, Error> {
        self.check_size(bytes)?;
        tokio::select! {
            biased;
            memory = self.budget.acquire(bytes) => {
                memory.map(Reserved::from).ok_or(Error::Stopping)
            }
            () = self.stop().cancelled() => Err(Error::Stopping),
            error = self.availability.lasting_outage() => Err(error),
        }
    }

    /// Grows or shrinks a reservation to `bytes`. Does not wait: requests that wait for each other's memory
    /// would wait for ever.
    ///
    /// # Errors
    /// [`Error::InFlightLimit`].
    pub fn resize(&self, reserved: &mut Reserved, bytes: usize) -> Result<(), Error> {
        match self.budget.try_resize(&mut reserved.memory, bytes) {
            true => Ok(()),
            false => Err(self.in_flight_limit()),
        }
    }

    /// Grows a reservation to at least `bytes`.
    ///
    /// # Errors
    /// [`Error::InFlightLimit`].
    pub fn grow(&self, reserved: &mut Reserved, bytes: usize) -> Result<(), Error> {
        match reserved.memory.bytes() < bytes {
            true => self.resize(reserved, bytes),
            false => Ok(()),
        }
    }

    fn in_flight_limit(&self) -> Error {
        Error::InFlightLimit {
            limit: self.limits.in_flight_bytes,
        }
    }

    fn check_size(&self, bytes: usize) -> Result<(), Error> {
        let limit = self.limits.request_bytes;
        match bytes > limit {
            true => Err(Error::TooLarge { limit }),
            false => Ok(()),
        }
    }
}
