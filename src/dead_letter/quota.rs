//! The space left for dead letters, shared between senders.
//!
//! Enters: the bytes that a sender's letters need, bytes that were written, the bytes on disk. Leaves:
//! whether they fit. What must hold: a sender leaves as much to the others as it takes, so that no sender can
//! stop the others; reservations never exceed the space.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// The number of senders that are counted separately; all others count as one.
const SENDERS: usize = 1024;
const OTHERS: &str = "other senders";
/// A waiting sender makes qtrail unready only if no other sender got space within this time.
const OTHERS_GO_ON: Duration = Duration::from_secs(60);

/// The space of files with a bound on their bytes together.
#[derive(Debug)]
pub(super) struct Quota {
    capacity: u64,
    /// On disk.
    written: u64,
    /// Reserved and not written yet.
    pending: u64,
    senders: HashMap<Arc<str>, Share>,
}

#[derive(Debug, Default)]
struct Share {
    written: u64,
    pending: u64,
    /// The bytes that it last asked for without success.
    waits_for: Option<u64>,
    /// When it last got space.
    served: Option<Instant>,
}

impl Share {
    fn taken(&self) -> u64 {
        self.written + self.pending
    }

    /// Whether so many more bytes fit: a sender must leave as much as it would then have. If everything is
    /// empty, any size fits.
    fn fits(&self, bytes: u64, taken: u64, capacity: u64) -> bool {
        taken == 0 || taken < capacity && self.taken() + bytes <= capacity - taken
    }
}

/// A sender's letters do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) sender: Arc<str>,
    /// The bytes of this sender.
    pub(super) own: u64,
    /// The bytes of all senders, and the bound.
    pub(super) taken: u64,
    pub(super) capacity: u64,
}

impl Quota {
    pub(super) fn new(capacity: u64, written: u64) -> Self {
        Quota {
            capacity,
            written,
            pending: 0,
            senders: HashMap::new(),
        }
    }

    /// Reserves so many bytes for a sender; 0 asks whether any byte would fit.
    pub(super) fn reserve(
        &mut self,
        sender: &Arc<str>,
        bytes: u64,
        now: Instant,
    ) -> Result<(), Full> {
        let (capacity, taken) = (self.capacity, self.written + self.pending);
        let share = self.share(sender);
        if !share.fits(bytes, taken, capacity) {
            share.waits_for = Some(bytes);
            return Err(Full {
                sender: Arc::clone(sender),
                own: share.taken(),
                taken,
                capacity,
            });
        }
        // It may wait for a larger size.
        share.waits_for = share.waits_for.filter(|wanted| *wanted > bytes);
        share.served = Some(now);
        share.pending += bytes;
        self.pending += bytes;
        Ok(())
    }

    /// Ends a reservation: its bytes were written, or never will be.
    pub(super) fn release(&mut self, sender: &Arc<str>, bytes: u64) {
        let share = self.share(sender);
        share.pending = share.pending.saturating_sub(bytes);
        self.pending = self.pending.saturating_sub(bytes);
    }

    /// Records that so many bytes on disk are from a sender.
    pub(super) fn add_existing(&mut self, sender: &Arc<str>, bytes: u64) {
        self.share(sender).written += bytes;
    }

    /// Records that so many bytes of a sender were written.
    pub(super) fn add_written(&mut self, sender: &Arc<str>, bytes: u64) {
        self.share(sender).written += bytes;
        self.written += bytes;
    }

    /// Corrects the counts by the measured size on disk, because files may have been removed: no sender has
    /// more than that, and waiting senders may get space.
    pub(super) fn set_written(&mut self, written: u64) {
        self.written = written;
        let taken = self.written + self.pending;
        for share in self.senders.values_mut() {
            share.written = share.written.min(written);
            let (own, capacity) = (&*share, self.capacity);
            let waits = |bytes: &u64| !own.fits(*bytes, taken, capacity);
            share.waits_for = share.waits_for.filter(waits);
        }
    }

    /// The number of waiting senders.
    pub(super) fn waiting(&self) -> u64 {
        let waits = |share: &&Share| share.waits_for.is_some();
        self.senders.values().filter(waits).count() as u64
    }

    /// Whether senders wait while no other sender gets space.
    pub(super) fn is_stuck(&self, now: Instant) -> bool {
        let goes_on = |share: &Share| {
            let since = share.served.map(|at| now.saturating_duration_since(at));
            share.waits_for.is_none() && since.is_some_and(|since| since < OTHERS_GO_ON)
        };
        self.waiting() > 0 && !self.senders.values().any(goes_on)
    }

    /// The bytes of the files and their bound, for messages.
    pub(super) fn usage(&self) -> (u64, u64) {
        (self.written + self.pending, self.capacity)
    }

    #[cfg(test)]
    pub(super) fn senders(&self) -> usize {
        self.senders.len()
    }

    fn share(&mut self, sender: &Arc<str>) -> &mut Share {
        let known = self.senders.contains_key(sender) || self.senders.len() < SENDERS;
        let key = match known {
            true => Arc::clone(sender),
            false => OTHERS.into(),
        };
        self.senders.entry(key).or_default()
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Full {
            sender,
            own,
            taken,
            capacity,
        } = self;
        write!(
            f,
            "they hold {taken} of {capacity} bytes, {own} of them from {sender}, which may take no more than it leaves to others"
        )
    }
}
