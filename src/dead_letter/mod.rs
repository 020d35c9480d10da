//! The file of rejected records, one JSON line each.
//!
//! Enters: [`Entry`]s. Leaves: lines that are on disk. What must hold: `write` returns only when
//! its lines are durable; a durable line is erased only if the configuration allows it, and then it
//! is logged and counted; records are not redacted, because they are replayed, so only the owner can
//! read the file.

mod letter;
mod line;
pub mod newest;
mod origin;
mod quota;
mod senders;
mod settings;
#[cfg(test)]
mod tests;
mod unit;

use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::runtime::line_file::{LineFile, bytes_on_disk};
use crate::telemetry::log_throttle::LogThrottle;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::stalls::Cause;
pub use letter::{Entry, Record};
pub use line::{Before, Letter, Line, Why, begins_as_a_letter};
pub use origin::{OnDamage, Origin};
use quota::Quota;
pub use settings::{Begin, Settings, WhenFull};
pub use unit::UnitLetters;

/// Waits between two tries to write to a disk that fails.
const BACKOFF: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

/// The process is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped before the dead letters could be written")]
pub struct Stopped;

/// The files are full: what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Full(pub String);

/// The dead-letter file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    /// `None`: rejected records are only counted and logged.
    shared: Option<Arc<Shared>>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    file: Arc<tokio::sync::Mutex<LineFile>>,
    /// `None`: the oldest file makes room.
    quota: Option<Mutex<Quota>>,
    /// Why the file cannot be written; `None` while it can.
    failure: watch::Sender<Option<String>>,
    log_throttle: LogThrottle,
    stop: CancellationToken,
}

impl DeadLetters {
    /// Opens the file for appending, or creates it (mode 0600) and its folder (0700). `stop` ends the wait for a disk
    /// that fails.
    ///
    /// # Errors
    /// The file cannot be opened for appending; another process writes it.
    pub fn open(settings: Settings, stop: CancellationToken) -> io::Result<Self> {
        let (file, erased) = settings.open()?;
        let quota = (settings.when_full == WhenFull::Wait).then(|| {
            let written = bytes_on_disk(&settings.path, settings.keep);
            let mut quota = Quota::new(settings.capacity(), written);
            let files = std::iter::once(settings.path.clone()).chain(settings.rotated());
            senders::count(files, |sender, bytes| {
                quota.add_existing(&sender.into(), bytes)
            });
            Mutex::new(quota)
        });
        let shared = Shared {
            settings,
            file: Arc::new(tokio::sync::Mutex::new(file)),
            quota,
            failure: watch::Sender::new(None),
            log_throttle: LogThrottle::default(),
            stop,
        };
        let letters = DeadLetters {
            shared: Some(Arc::new(shared)),
            metrics: Arc::default(),
        };
        letters.tell_erased(erased);
        Ok(letters)
    }

    /// Writes nothing: for commands that only log rejected records.
    pub fn none() -> Self {
        DeadLetters {
            shared: None,
            metrics: Arc::default(),
        }
    }

    /// Sets the metrics for erased letters and waiting senders.
    pub fn counted_in(self, metrics: Arc<Metrics>) -> Self {
        DeadLetters { metrics, ..self }
    }

    fn settings(&self) -> Option<&Settings> {
        Some(&self.shared.as_ref()?.settings)
    }

    /// Reserves so many bytes for a sender's letters until they are written; 0 asks whether any byte would fit.
    ///
    /// # Errors
    /// They do not fit, and no file may be erased.
    pub(crate) fn reserve(&self, sender: &Arc<str>, bytes: u64) -> Result<Reserved, Full> {
        let quota = self.shared.as_ref().and_then(|s| Some((s, s.quota()?)));
        let Some((shared, mut quota)) = quota else {
            return Ok(Reserved::default());
        };
        let now = Instant::now();
        let mut result = quota.reserve(sender, bytes, now);
        if result.is_err() {
            // Files may have been removed.
            quota.set_written(shared.bytes_on_disk());
            result = quota.reserve(sender, bytes, now);
        }
        self.report_usage(shared, &quota);
        drop(quota);
        match result {
            Ok(()) => Ok(Reserved(Some((
                Arc::clone(shared),
                Arc::clone(sender),
                bytes,
            )))),
            Err(full) => {
                let full = Full(shared.settings.remedy(&full.to_string()));
                if let Some(left_out) = shared.log_throttle.due("full") {
                    error!(left_out, "nothing more is taken from {sender}: {full}");
                }
                Err(full)
            }
        }
    }

    /// Reserves the bytes of one entry.
    ///
    /// # Errors
    /// As [`DeadLetters::reserve`].
    pub(crate) fn reserve_for(&self, entry: &Entry) -> Result<Reserved, Full> {
        self.reserve(&entry.sender(), entry.bytes())
    }

    /// Checks again whether the files are full while senders wait, because files may have been removed, and
    /// updates the metrics. `true` if no sender gets space.
    pub fn look(&self) -> bool {
        let quota = self.shared.as_ref().and_then(|s| Some((s, s.quota()?)));
        let Some((shared, mut quota)) = quota else {
            return false;
        };
        if quota.waiting() > 0 {
            quota.set_written(shared.bytes_on_disk());
        }
        self.report_usage(shared, &quota)
    }

    /// Reports how many senders wait for space, and whether no sender gets any.
    fn report_usage(&self, shared: &Shared, quota: &Quota) -> bool {
        self.metrics.dead_letters_waiting.set(quota.waiting());
        let (cause, path) = (Cause::DeadLettersFull, shared.path());
        let is_full = quota.is_stuck(Instant::now());
        if is_full {
            let (held, capacity) = quota.usage();
            let full = format!("they hold {held} of {capacity} bytes");
            let full = shared.settings.remedy(&full);
            self.metrics.stalls.set(cause, &path, full);
        } else {
            self.metrics.stalls.clear(cause, &path);
        }
        is_full
    }

    /// Why the file cannot be written, to watch.
    pub fn watch_failure(&self) -> watch::Receiver<Option<String>> {
        match &self.shared {
            Some(shared) => shared.failure.subscribe(),
            None => watch::Sender::new(None).subscribe(),
        }
    }

    /// Why the file cannot be written, if the settings do not wait for it.
    pub fn failure(&self) -> Option<String> {
        let shared = self
            .shared
            .as_ref()
            .filter(|shared| !shared.settings.waits)?;
        shared.failure.borrow().clone()
    }

    /// Waits until the file cannot be written, if the settings do not wait for it; returns why.
    pub async fn failed(&self) -> String {
        let mut failure = self.watch_failure();
        let patient = self.settings().is_none_or(|settings| settings.waits);
        match failure
            .wait_for(|failure| !patient && failure.is_some())
            .await
            .as_deref()
        {
            Ok(Some(failure)) => failure.clone(),
            _ => std::future::pending().await,
        }
    }

    /// Appends entries, one line each; returns when they are on disk. If the disk fails, it tries again, with
    /// back-off and a log line, unless the settings end at the first failure.
    ///
    /// # Errors
    /// [`Stopped`] if the process stops first, or the disk fails and the settings do not wait for it; then nothing
    /// may be acknowledged.
    pub async fn write(&self, entries: Vec<Entry>) -> Result<(), Stopped> {
        self.append(entries, letter::write_each).await
    }

    /// Appends one line for all records of a partial success that does not name the rejected ones.
    ///
    /// # Errors
    /// As [`DeadLetters::write`].
    pub async fn write_uncertain(&self, entries: Vec<Entry>) -> Result<(), Stopped> {
        self.append(entries, letter::write_uncertain).await
    }

    async fn append(&self, mut entries: Vec<Entry>, write: WriteLines) -> Result<(), Stopped> {
        let Some(shared) = self.shared.as_ref().filter(|_| !entries.is_empty()) else {
            return Ok(());
        };
        for entry in &mut entries {
            if let Record::Bytes(bytes) = &entry.record
                && bytes.len() > shared.settings.max_record_bytes
            {
                entry.record.shorten();
            }
        }
        let entries: Arc<[Entry]> = entries.into();
        for attempt in 0.. {
            let mut file = tokio::select! {
                biased;
                file = Arc::clone(&shared.file).lock_owned() => file,
                () = shared.stop.cancelled() => return Err(Stopped),
            };
            let lines = Arc::clone(&entries);
            let written = tokio::task::spawn_blocking(move || {
                let bytes = measure(&lines, write);
                file.append(bytes, &|out| write(&lines, out))
            });
            match written.await {
                Ok(Ok(erased)) => {
                    shared.wrote(&entries);
                    let stalls = &self.metrics.stalls;
                    stalls.clear(Cause::DeadLettersUnwritable, &shared.path());
                    self.tell_erased(erased);
                    return Ok(());
                }
                Ok(Err(e)) => {
                    let (cause, reason) = (Cause::DeadLettersUnwritable, shared.refused(&e));
                    if !shared.settings.waits {
                        return Err(Stopped);
                    }
                    self.metrics.stalls.set(cause, &shared.path(), reason);
                }
                Err(_) => return Err(Stopped),
            }
            let wait = BACKOFF[attempt.min(BACKOFF.len() - 1)];
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shared.stop.cancelled() => return Err(Stopped),
            }
        }
        Err(Stopped)
    }

    fn tell_erased(&self, erased: u64) {
        if let (Some(shared), 1..) = (&self.shared, erased) {
            self.metrics.dead_letters_erased.add(erased);
            warn!(
                path = %shared.settings.path.display(),
                erased,
                "the oldest dead letters were erased to make room (dead_letters.when_full: rotate); a larger dead_letters.keep keeps more"
            );
        }
    }
}

/// Writes the lines of entries.
type WriteLines = fn(&[Entry], &mut dyn Write) -> io::Result<()>;

impl Shared {
    fn quota(&self) -> Option<MutexGuard<'_, Quota>> {
        let quota = self.quota.as_ref()?;
        Some(quota.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn path(&self) -> String {
        self.settings.path.display().to_string()
    }

    fn bytes_on_disk(&self) -> u64 {
        bytes_on_disk(&self.settings.path, self.settings.keep)
    }

    /// They are on disk.
    fn wrote(&self, entries: &[Entry]) {
        if let Some(mut quota) = self.quota() {
            for entry in entries {
                quota.add_written(&entry.sender(), entry.bytes());
            }
        }
        if self.failure.send_replace(None).is_some() {
            info!("dead letters can be written again");
        }
    }

    /// The remedy.
    fn refused(&self, error: &io::Error) -> String {
        let path = self.settings.path.display();
        if self.settings.waits {
            error!(
                path = %path, error = %error,
                "cannot write dead letters: nothing more is acknowledged until this file can be written; free some space or correct its permissions"
            );
        }
        let reason = format!(
            "dead letters cannot be written to {path}: {error}: free some space or correct its permissions"
        );
        self.failure.send_replace(Some(reason.clone()));
        reason
    }
}

/// Bytes reserved for letters that are not written yet. Dropping it releases them.
#[derive(Debug, Default)]
pub(crate) struct Reserved(Option<(Arc<Shared>, Arc<str>, u64)>);

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some((shared, sender, bytes)) = &self.0
            && let Some(mut quota) = shared.quota()
        {
            quota.release(sender, *bytes);
        }
    }
}

impl Entry {
    /// The sender that the quota counts it for.
    fn sender(&self) -> Arc<str> {
        match &self.sender {
            Some(sender) => Arc::clone(sender),
            None => self.origin.input.into(),
        }
    }

    /// The size of its line, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        measure(std::slice::from_ref(self), letter::write_each)
    }
}

/// The size of lines, in bytes.
fn measure(entries: &[Entry], write: WriteLines) -> u64 {
    struct Count(u64);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail.
    let _ = write(entries, &mut count);
    count.0
}
