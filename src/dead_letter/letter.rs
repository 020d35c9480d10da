//! One dead letter, and its line in the file.
//!
//! Enters: rejected records. Leaves: JSON lines. What must hold: a record is written directly from its
//! bytes, without a copy.

use std::io::{self, Write};
use std::sync::Arc;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use tracing::error;

use super::line::{Before, Why};
use crate::dead_letter::Origin;
use qtrail_core::event::event_id;
use qtrail_core::reject::{Evidence, Position, Reason, Reject};

/// How each line starts.
pub(super) const LINE_START: &[u8] = b"{\"stage\":";

/// One rejected record with its source.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Where it came from.
    pub origin: Origin,
    /// The sender, if it was pushed.
    pub sender: Option<Arc<str>>,
    /// `eventID`, if it is known.
    pub event_id: Option<String>,
    /// Its position in the unit.
    pub position: Position,
    /// Why it was rejected.
    pub reason: Reason,
    /// Its bytes, or what stands for them.
    pub record: Record,
    /// For a replayed record: the facts in its letter.
    pub before: Option<Arc<Before>>,
}

/// The part of a rejected record that its letter keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Its bytes.
    Bytes(Bytes),
    /// Its bytes or those of its request, whatever their size: there is no other copy.
    Whole(Bytes),
    /// Its SHA-256 and length.
    Digest {
        /// SHA-256 of its bytes.
        sha256: [u8; 32],
        /// How many bytes it has.
        length: u64,
    },
    /// Nothing: the unit itself is the evidence.
    Unit,
}

impl Record {
    /// Replaces the bytes by their hash.
    pub(super) fn shorten(&mut self) {
        if let Record::Bytes(bytes) | Record::Whole(bytes) = self {
            *self = Record::Digest {
                sha256: Sha256::digest(&bytes).into(),
                length: bytes.len() as u64,
            };
        }
    }

    /// The number of kept bytes.
    pub(crate) fn len(&self) -> usize {
        match self {
            Record::Bytes(bytes) | Record::Whole(bytes) => bytes.len(),
            Record::Digest { .. } | Record::Unit => 0,
        }
    }
}

impl Entry {
    /// The entry for a reject of this origin.
    pub fn new(origin: Origin, reject: Reject) -> Self {
        let event_id = match &reject.evidence {
            Evidence::Bytes(bytes) => event_id(bytes),
            Evidence::Whole(bytes) => event_id(bytes),
            Evidence::Digest { .. } | Evidence::Unit => None,
        };
        Entry {
            origin,
            sender: None,
            before: None,
            event_id,
            position: reject.position,
            reason: reject.reason,
            record: match reject.evidence {
                Evidence::Bytes(bytes) => Record::Bytes(bytes.into()),
                Evidence::Whole(bytes) => Record::Whole(bytes),
                Evidence::Digest { sha256, length } => Record::Digest { sha256, length },
                Evidence::Unit => Record::Unit,
            },
        }
    }

    /// Logs the entry.
    pub fn log(&self) {
        error!(
            input = self.origin.input,
            source = &*self.origin.name,
            record = self.position.index + self.before.as_ref().map_or(0, |before| before.index),
            byte = self.position.offset,
            event_id = self.event_id,
            reason = self.reason.kind(),
            "record refused: {}",
            self.reason
        );
    }

    /// `why`: include the reason of an earlier letter.
    fn letter(&self, why: bool) -> Written<'_> {
        let before = self.before.as_deref();
        let first = before
            .and_then(|before| before.why.as_ref())
            .filter(|_| why);
        let (record, record_base64, sha256) = match &self.record {
            Record::Bytes(bytes) | Record::Whole(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => (Some(text), None, None),
                Err(_) => (None, Some(Base64(bytes)), None),
            },
            Record::Digest { sha256, .. } => (None, None, Some(hex::encode(sha256))),
            Record::Unit => (None, None, None),
        };
        Written {
            first,
            input: before.map_or(self.origin.input, |before| &before.input),
            source: &self.origin.name,
            sender: (self.sender.as_deref()).or_else(|| before?.sender.as_deref()),
            index: self.position.index + before.map_or(0, |before| before.index),
            offset: self.position.offset,
            length: match self.record {
                Record::Digest { length, .. } => length,
                _ => self.position.length,
            },
            observed_time_unix_nano: self.origin.observed,
            event_id: (self.event_id.as_deref()).or_else(|| before?.event_id.as_deref()),
            record,
            record_base64,
            record_sha256: sha256,
        }
    }
}

/// Writes a line for each entry.
pub(super) fn write_each(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    for entry in entries {
        let suppressed = match entry.reason {
            Reason::Suppressed { count, .. } => count,
            _ => 0,
        };
        let now = Why::of(&entry.reason);
        let first = entry.before.as_ref().and_then(|before| before.why.clone());
        let (why, again) = match first {
            Some(first) => (first, Some(now)),
            None => (now, None),
        };
        write_line(
            &WrittenLine {
                suppressed,
                again,
                letter: Some(entry.letter(false)),
                ..WrittenLine::because(why)
            },
            out,
        )?;
    }
    Ok(())
}

/// Writes one line for all entries: the collector rejected some of them without naming them.
pub(super) fn write_uncertain(entries: &[Entry], out: &mut dyn Write) -> io::Result<()> {
    let Some(first) = entries.first() else {
        return Ok(());
    };
    write_line(
        &WrittenLine {
            uncertain: true,
            records: Letters(entries),
            ..WrittenLine::because(Why::of(&first.reason))
        },
        out,
    )
}

fn write_line(line: &WrittenLine<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}

/// A [`Line`] as it is written.
#[derive(Serialize)]
struct WrittenLine<'a> {
    #[serde(flatten)]
    why: Why,
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<Why>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    uncertain: bool,
    #[serde(skip_serializing_if = "is_zero")]
    suppressed: u64,
    #[serde(flatten)]
    letter: Option<Written<'a>>,
    #[serde(skip_serializing_if = "Letters::is_empty")]
    records: Letters<'a>,
}

impl WrittenLine<'_> {
    fn because(why: Why) -> Self {
        WrittenLine {
            why,
            again: None,
            uncertain: false,
            suppressed: 0,
            letter: None,
            records: Letters(&[]),
        }
    }
}

/// A [`Letter`] as it is written.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(flatten)]
    first: Option<&'a Why>,
    input: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<&'a str>,
    index: u64,
    offset: u64,
    length: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    observed_time_unix_nano: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_base64: Option<Base64<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_sha256: Option<String>,
}

struct Base64<'a>(&'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

struct Letters<'a>(&'a [Entry]);

impl Letters<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Letters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|entry| entry.letter(true)))
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
