//! How much the dead letters may still take, and from whom.
//!
//! Enters: bytes that a sender's letters need, bytes that were written, the bytes on disk. Leaves:
//! whether there is room. What must hold: no sender takes more than it leaves to the others, so that
//! none can stop them; only room that is there is given away.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// How many senders are distinguished; all others count as one.
const SENDERS: usize = 1024;
const OTHERS: &str = "other senders";
/// While another sender has got room within this time, one that waits is no reason not to be ready.
const OTHERS_GO_ON: Duration = Duration::from_secs(60);

/// The room of files that may hold so many bytes together.
#[derive(Debug)]
pub(super) struct Room {
    capacity: u64,
    /// On disk.
    written: u64,
    /// Given away and not yet written.
    pending: u64,
    senders: HashMap<Arc<str>, Share>,
}

#[derive(Debug, Default)]
struct Share {
    written: u64,
    pending: u64,
    /// How much it wanted and did not get.
    waits_for: Option<u64>,
    /// When it last got room.
    served: Option<Instant>,
}

impl Share {
    fn taken(&self) -> u64 {
        self.written + self.pending
    }

    /// Whether so much more fits: a sender must leave to the others as much as it has then. Where all
    /// is empty, anything fits.
    fn fits(&self, bytes: u64, taken: u64, capacity: u64) -> bool {
        taken == 0 || taken < capacity && self.taken() + bytes <= capacity - taken
    }
}

/// There is no room for a sender's letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) sender: Arc<str>,
    /// What it has of the room.
    pub(super) own: u64,
    /// What the files hold, all senders together, and may hold.
    pub(super) taken: u64,
    pub(super) capacity: u64,
}

impl Room {
    pub(super) fn new(capacity: u64, written: u64) -> Self {
        Room {
            capacity,
            written,
            pending: 0,
            senders: HashMap::new(),
        }
    }

    /// Gives a sender so many bytes of room; 0 asks whether it could have any.
    pub(super) fn take(&mut self, sender: &Arc<str>, bytes: u64, now: Instant) -> Result<(), Full> {
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
        // What it waits for may be larger.
        share.waits_for = share.waits_for.filter(|wanted| *wanted > bytes);
        share.served = Some(now);
        share.pending += bytes;
        self.pending += bytes;
        Ok(())
    }

    /// Takes back what was given away: it was written, or will not be.
    pub(super) fn give_back(&mut self, sender: &Arc<str>, bytes: u64) {
        let share = self.share(sender);
        share.pending = share.pending.saturating_sub(bytes);
        self.pending = self.pending.saturating_sub(bytes);
    }

    /// So much of what is on disk is a sender's.
    pub(super) fn has(&mut self, sender: &Arc<str>, bytes: u64) {
        self.share(sender).written += bytes;
    }

    /// So much of a sender's was written.
    pub(super) fn wrote(&mut self, sender: &Arc<str>, bytes: u64) {
        self.share(sender).written += bytes;
        self.written += bytes;
    }

    /// Takes the measured size on disk, because files may have been removed: no sender has more than
    /// that, and waiting senders may get room.
    pub(super) fn measured(&mut self, written: u64) {
        self.written = written;
        let taken = self.written + self.pending;
        for share in self.senders.values_mut() {
            share.written = share.written.min(written);
            let (own, capacity) = (&*share, self.capacity);
            let waits = |bytes: &u64| !own.fits(*bytes, taken, capacity);
            share.waits_for = share.waits_for.filter(waits);
        }
    }

    /// How many senders wait.
    pub(super) fn waiting(&self) -> u64 {
        let waits = |share: &&Share| share.waits_for.is_some();
        self.senders.values().filter(waits).count() as u64
    }

    /// Whether some wait, and no others go on.
    pub(super) fn stands_still(&self, now: Instant) -> bool {
        let goes_on = |share: &Share| {
            let since = share.served.map(|at| now.saturating_duration_since(at));
            share.waits_for.is_none() && since.is_some_and(|since| since < OTHERS_GO_ON)
        };
        self.waiting() > 0 && !self.senders.values().any(goes_on)
    }

    /// What the files hold and may hold, for messages.
    pub(super) fn filling(&self) -> (u64, u64) {
        (self.written + self.pending, self.capacity)
    }

    #[cfg(test)]
    pub(super) fn distinguished(&self) -> usize {
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
