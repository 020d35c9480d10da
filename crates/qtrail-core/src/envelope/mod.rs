//! Bytes in any container become records and rejects.
//!
//! Enters: a reader over a unit's bytes (a file, a request body, an object), gzip or not, and
//! [`Limits`]. Leaves: [`Item`]s, one at a time, in the order of the unit. What must hold: memory
//! stays within a few times `limits.event_bytes`, whatever the unit holds; a text or an object
//! inside a record, damaged or not, is never yielded as a record; after a broken record, reading
//! resumes only where the brackets from there on close the container exactly.
//!
//! The bytes pass `gzip` (inflates), `window` (buffers; `again` looks beyond the buffer), `walk` (finds
//! values in their containers, with `scan` for the grammar, and `resume` and `structure` after an error)
//! and `containers` (classifies a value); `records` is what the caller calls.

mod again;
mod containers;
mod gzip;
mod keys;
pub mod log_file;
mod log_line;
mod outline;
mod piece;
mod records;
mod resume;
mod scan;
mod structure;
mod tables;
mod text;
mod walk;
mod window;

use std::io::{self, Read};

use crate::reject::{Position, Reason, Reject};

pub use again::{Again, Store};
pub(crate) use keys::is_plain_event;
pub use log_line::object as object_in_log_line;
pub use records::Records;

/// Bounds on what one unit may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Inflated bytes of a unit. Default 4 GiB.
    pub inflated_bytes: u64,
    /// Bytes of one event (CloudTrail's own maximum is 1 MiB). Default 2 MiB.
    pub event_bytes: usize,
    /// Levels of nesting inside one event. Default 64.
    pub depth: u32,
    /// Events in a unit. Default 10 million.
    pub events: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            inflated_bytes: 4 << 30,
            event_bytes: 2 << 20,
            depth: 64,
            events: 10_000_000,
        }
    }
}

/// What a unit yields.
#[derive(Debug)]
pub enum Item<'a> {
    /// A record: one well-formed JSON object, as text of its own. Not yet parsed as an event; may
    /// hold invalid UTF-8.
    Record {
        /// Where it stands.
        position: Position,
        /// Its bytes, from `{` to `}`.
        bytes: &'a [u8],
    },
    /// A record that cannot be read.
    Reject(Reject),
    /// Something known that holds no CloudTrail event; not counted as a record.
    Skipped(Skipped),
}

/// What is recognized and skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Skipped {
    /// A digest file of CloudTrail's log file integrity.
    Digest,
    /// A prompt log of Amazon Q (`records`, in lower case).
    PromptLog,
    /// An S3 notice: a test event, or a notice of a new object.
    S3Notice,
    /// A CloudWatch Logs control message.
    ControlMessage,
    /// CloudTrail's own validation message.
    ValidationMessage,
    /// No bytes at all, or white space alone.
    Empty,
    /// The same, as one record among others: Firehose and Kinesis take such records.
    EmptyRecord,
}

impl Skipped {
    /// The name in metrics and summaries.
    pub fn as_str(self) -> &'static str {
        match self {
            Skipped::Digest => "digest",
            Skipped::PromptLog => "prompt_log",
            Skipped::S3Notice => "s3_notice",
            Skipped::ControlMessage => "control_message",
            Skipped::ValidationMessage => "validation_message",
            Skipped::Empty => "empty",
            Skipped::EmptyRecord => "empty_record",
        }
    }
}

/// Whether bytes begin like a gzip stream.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&gzip::MAGIC)
}

/// The first `bytes` bytes of a unit, inflated; fewer where `head` ends earlier.
pub fn beginning(head: &[u8], bytes: usize) -> Vec<u8> {
    let mut inflate = gzip::Inflate::new(head, bytes, bytes as u64);
    let (mut text, mut length) = (vec![0; bytes], 0);
    while length < bytes
        && let Ok(gzip::Inflated::Bytes(count)) = inflate.read(&mut text[length..])
    {
        length += count;
    }
    text.truncate(length);
    text
}

/// A reader returns it as an error while it waits for bytes, so that the caller can process what was read.
/// It is no failure: [`Records::next`] continues when it is called again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing more has come yet")]
pub struct Quiet;

/// Whether an error of [`Records::next`] is a reader's [`Quiet`].
pub fn is_quiet(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Quiet>())
}

/// The window that [`Records::next`] needs, if its error asks for a larger one.
pub fn wants_window(error: &io::Error) -> Option<usize> {
    let wants = error.get_ref()?.downcast_ref::<window::WantsWindow>()?;
    Some(wants.bytes)
}

/// Whether an object with a field of this name is taken for a CloudTrail event.
pub fn is_event_field(name: &str) -> bool {
    keys::Keys::of(name.as_bytes()) == keys::Keys::EVENT
}

/// A table's record as CloudTrail would have written it: CloudTrail's own names, and objects instead of
/// the texts that tables write for `userIdentity` and `tlsDetails`.
///
/// # Errors
/// [`Reason::BadField`] for a text that cannot be parsed, or can be parsed in more than one way.
pub fn canonical(record: &[u8]) -> Result<Vec<u8>, Reason> {
    let record = tables::record(text::fields(record));
    record.map_err(|tables::Unreadable { field, detail }| Reason::BadField { field, detail })
}

/// Opens a unit. Reading happens in [`Records::next`].
pub fn open<R: Read>(unit: R, limits: &Limits) -> Records<R> {
    Records::new(unit, usize::MAX, limits)
}

/// Opens a unit of known size, compressed or not: a small one takes little memory.
pub fn open_with_size_hint<R: Read>(unit: R, bytes: usize, limits: &Limits) -> Records<R> {
    Records::new(unit, bytes, limits)
}
