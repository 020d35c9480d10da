//! The letters of one unit, which are bounded: a small input must not fill the file.
//!
//! Enters: the rejected records of a unit. Leaves: the letters to write, and at the end one for all
//! records without a letter. What must hold: every rejected record is in a letter or counted in the last
//! one; of a record without a letter, only its part in a hash is kept.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::letter::{Entry, Record};
use super::line::Before;
use super::{DeadLetters, Settings};
use crate::dead_letter::Origin;
use qtrail_core::reject::{Position, Reason};

/// How many rejected records of a unit are logged one by one.
const LOGGED: u64 = 20;

/// The bounds of a unit's letters, and the letters so far. Cheap to clone. The default has no bounds.
#[derive(Debug, Clone, Default)]
pub struct UnitLetters(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    /// The most letters, and their bytes; `None`: no letters are written.
    bounds: Option<(u64, u64)>,
    sender: Option<Arc<str>>,
    /// For a replayed record: the reason in its letter.
    before: Option<Arc<Before>>,
    /// All of the unit's bytes, in parts, if there is no other copy.
    request: Option<Vec<Bytes>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The rejected records so far.
    refused: u64,
    letters: u64,
    bytes: u64,
    /// Letters without their record's bytes.
    shortened: u64,
    /// Records without a letter, and the position of the first.
    suppressed: u64,
    first: Position,
    hash: Sha256,
}

impl UnitLetters {
    /// The letters of a new unit, with its sender, if it has one. `request`: all of its bytes, in parts, if
    /// there is no other copy.
    pub fn new(
        letters: &DeadLetters,
        sender: Option<Arc<str>>,
        request: Option<Vec<Bytes>>,
    ) -> Self {
        let bounds = |settings: &Settings| (settings.unit_letters, settings.unit_bytes);
        UnitLetters(Some(Arc::new(Shared {
            bounds: letters.settings().map(bounds),
            sender,
            before: None,
            request,
            state: Mutex::default(),
        })))
    }

    /// The same, for a replayed record.
    pub fn replaying(self, before: Option<Arc<Before>>) -> Self {
        let shared = self.0.and_then(Arc::into_inner);
        UnitLetters(shared.map(|shared| Arc::new(Shared { before, ..shared })))
    }

    /// Logs the number of rejected records that were not logged one by one.
    pub fn tell_rest(&self, origin: &Origin) {
        let refused = self.0.as_ref().map_or(0, |shared| shared.lock().refused);
        if refused > LOGGED {
            let more = refused - LOGGED;
            tracing::error!(
                input = origin.input,
                source = &*origin.name,
                "{more} more records refused"
            );
        }
    }

    /// Logs a rejected record, if it is among the first of the unit. Returns the letter to write: with the hash
    /// instead of the record once the unit has had its bytes, and `None` once it has had its letters.
    pub fn admit(&self, mut entry: Entry) -> Option<Entry> {
        let Some(shared) = &self.0 else {
            return Some(entry);
        };
        entry.sender = shared.sender.clone();
        entry.before = shared.before.clone();
        let mut state = shared.lock();
        // Uncertain records are logged together.
        if !matches!(entry.reason, Reason::Uncertain { .. }) {
            state.refused += 1;
            if state.refused <= LOGGED {
                entry.log();
            }
        }
        let Some((most_letters, most_bytes)) = shared.bounds else {
            return Some(entry);
        };
        if state.letters >= most_letters {
            if state.suppressed == 0 {
                state.first = entry.position;
            }
            state.suppressed += 1;
            match &entry.record {
                Record::Bytes(bytes) | Record::Whole(bytes) => state.hash.update(bytes),
                Record::Digest { sha256, .. } => state.hash.update(sha256),
                Record::Unit => {}
            }
            return None;
        }
        state.letters += 1;
        let bytes = state.bytes + entry.record.len() as u64;
        if bytes > most_bytes && shared.may_shorten(&entry.record) {
            state.shortened += 1;
            entry.record.shorten();
        } else {
            state.bytes = bytes;
        }
        Some(entry)
    }

    /// The letter that stands for the records without one, if there are any.
    pub fn summary(&self, origin: &Origin) -> Option<Entry> {
        let shared = self.0.as_ref()?;
        let state = shared.lock();
        let request = &shared.request;
        if state.suppressed == 0 && (state.shortened == 0 || request.is_none()) {
            return None;
        }
        let whole = request.is_some();
        let (position, record) = match request {
            Some(parts) => {
                let bytes = in_one(parts);
                let length = bytes.len() as u64;
                let position = Position {
                    length,
                    ..Position::default()
                };
                (position, Record::Whole(bytes))
            }
            None => {
                let sha256 = state.hash.clone().finalize().into();
                let length = state.first.length;
                (state.first, Record::Digest { sha256, length })
            }
        };
        Some(Entry {
            origin: origin.clone(),
            sender: shared.sender.clone(),
            before: shared.before.clone(),
            event_id: None,
            position,
            reason: Reason::Suppressed {
                count: state.suppressed,
                shortened: state.shortened,
                whole,
            },
            record,
        })
    }
}

/// Joins the parts of a request so that a replay can separate them again: each may be compressed, or
/// truncated.
fn in_one(parts: &[Bytes]) -> Bytes {
    if let [bytes] = parts {
        return bytes.clone();
    }
    let mut records = r#"{"requestId":"","records":["#.to_owned();
    for (number, part) in parts.iter().enumerate() {
        let comma = if number > 0 { "," } else { "" };
        records.extend([comma, r#"{"data":""#]);
        STANDARD.encode_string(part, &mut records);
        records.push_str(r#""}"#);
    }
    records.push_str("]}");
    records.into()
}

impl Shared {
    /// Whether there is another copy of the bytes: in the source, or in the letter of the request.
    fn may_shorten(&self, record: &Record) -> bool {
        matches!(record, Record::Bytes(_)) || self.request.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
