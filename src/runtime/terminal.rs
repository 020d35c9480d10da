//! Standard error, shared by messages and a progress bar.
//!
//! Enters: messages and the bar. Leaves: the messages above the bar. What must hold: a message and the bar are
//! never on the same line.

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::ProgressBar;

/// The bar of this process, if it is shown.
static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Shows messages above this bar from now on.
pub(crate) fn share(bar: &ProgressBar) {
    *lock() = Some(bar.clone());
}

/// Removes the bar, if there is one.
pub(crate) fn clear() {
    if let Some(bar) = lock().take() {
        bar.finish_and_clear();
    }
}

/// Writes messages; each `write` is one message.
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
