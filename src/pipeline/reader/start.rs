//! Where a unit is read: a small one at once, any other on a blocking thread.

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

use super::output::Output;
use super::{ReadEnd, Reader, Step};
use crate::dead_letter::UnitLetters;
use crate::pipeline::{Content, Pipeline, Unit};
use qtrail_core::envelope;

/// Bytes of a unit that takes no thread of its own.
pub(super) const SMALL: usize = 16 << 10;
/// The same, inflated: those of the unit, and those of all texts inside it.
const SMALL_INFLATED: u64 = 64 << 10;

/// Reads the unit on a blocking thread. `reading` is held meanwhile.
pub(in crate::pipeline) fn spawn(
    pipeline: Pipeline,
    unit: Unit,
    letters: UnitLetters,
    steps: mpsc::Sender<Step>,
    reading: OwnedSemaphorePermit,
) -> JoinHandle<ReadEnd> {
    let output = Output::Steps(Handle::current(), steps);
    tokio::task::spawn_blocking(move || {
        let _reading = reading;
        let mut reader = Reader::new(pipeline, &unit, letters, usize::MAX, output);
        let limits = reader.limits.clone();
        match unit.content {
            Content::Whole(content) => reader.whole(content, None, unit.truncation, &limits),
            Content::Twice(content, again) => {
                reader.whole(content, Some(again), unit.truncation, &limits)
            }
            Content::Bytes(bytes) => {
                reader.damage.content = Some(bytes.clone());
                reader.bytes(bytes, unit.truncation, &limits)
            }
            Content::Texts(texts) => reader.texts(texts, &limits),
        }
    })
}

/// Reads a unit that is small, inflated too, at once, on any thread: its only step, and how that ended. `None`
/// where it is not, or something would have to be waited for, or reported; the unit is then as if it had not been
/// read.
pub(in crate::pipeline) fn at_once(
    pipeline: &Pipeline,
    unit: &Unit,
    letters: &UnitLetters,
) -> Option<(Step, ReadEnd)> {
    let Content::Bytes(bytes) = &unit.content else {
        return None;
    };
    if bytes.len() > SMALL || claims_to_be_large(bytes) {
        return None;
    }
    let (letters, output) = (letters.clone(), Output::One(None));
    let mut reader = Reader::new(pipeline.clone(), unit, letters, bytes.len(), output);
    let mut limits = reader.limits.clone();
    limits.inflated_bytes = limits.inflated_bytes.min(SMALL_INFLATED);
    let end = reader.bytes(bytes.clone(), unit.truncation, &limits);
    if end.stopped.is_some() || end.truncated.is_some() || end.read_error.is_some() {
        return None;
    }
    let Output::One(Some(step)) = reader.output else {
        return None;
    };
    step.count(&pipeline.metrics);
    Some((step, end))
}

/// Whether gzip says at its end that it holds more. It need not be true.
fn claims_to_be_large(bytes: &[u8]) -> bool {
    let inflated = bytes.last_chunk().map(|size| u32::from_le_bytes(*size));
    envelope::is_gzip(bytes) && u64::from(inflated.unwrap_or_default()) > SMALL_INFLATED
}
