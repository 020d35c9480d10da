//! Standard error, which a progress bar shares with all that is said.
//!
//! Enters: bytes of messages, and the bar that is shown. Leaves: the messages above the bar. What must
//! hold: a message and the bar never stand on one line.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::ProgressBar;

/// The bar of this process, while it has one.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// From here on, messages go above this bar.
pub(crate) fn share(bar: &ProgressBar) {
    *lock() = Some(bar.clone());
}

/// Takes the bar away, if there is one.
pub(crate) fn clear() {
    if let Some(bar) = lock().take() {
        bar.finish_and_clear();
    }
}

/// Writes messages; each `write` is one.
pub(crate) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        match &*lock() {
            Some(bar) => bar.suspend(|| io::stderr().write_all(message))?,
            None => io::stderr().write_all(message)?,
        }
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock() -> MutexGuard<'static, Option<ProgressBar>> {
    BAR.lock().unwrap_or_else(PoisonError::into_inner)
}
