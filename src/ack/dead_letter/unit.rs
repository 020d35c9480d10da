//! The letters of one unit, which are bounded: a small input must not fill the file.
//!
//! Enters: what is refused of a unit. Leaves: the letters to write, and in the end one that stands for
//! those that are not written. What must hold: of everything that is refused, a letter tells; what
//! is held of a record that has none is its part in a hash.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::letter::{Entry, Record};
use super::{DeadLetters, Settings};
use crate::ack::Origin;
use crate::reject::{Position, Reason};

/// What a unit may have of letters, and what it has had. Cheap to clone. The default has no bounds.
#[derive(Debug, Clone, Default)]
pub struct UnitLetters(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    letters: u64,
    bytes: u64,
    sender: Option<Arc<str>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    letters: u64,
    bytes: u64,
    /// Letters whose record's bytes were left out.
    shortened: u64,
    /// Records without a letter, and where the first of them stood.
    suppressed: u64,
    first: Position,
    hash: Sha256,
}

impl UnitLetters {
    /// Those of a new unit, which `sender` sent, if it was sent.
    pub fn new(letters: &DeadLetters, sender: Option<Arc<str>>) -> Self {
        let bounded = |settings: &Settings| {
            Arc::new(Shared {
                letters: settings.unit_letters,
                bytes: settings.unit_bytes,
                sender,
                state: Mutex::default(),
            })
        };
        UnitLetters(letters.settings().map(bounded))
    }

    /// The letter to write, its record shortened to a hash where the unit has had its bytes; `None`
    /// where it has had its letters.
    pub fn admit(&self, mut entry: Entry) -> Option<Entry> {
        let Some(shared) = &self.0 else {
            return Some(entry);
        };
        let mut state = shared.lock();
        if state.letters >= shared.letters {
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
        if bytes > shared.bytes && shared.may_shorten(&entry.record) {
            state.shortened += 1;
            entry.record.shorten();
        } else {
            state.bytes = bytes;
        }
        entry.sender = shared.sender.clone();
        Some(entry)
    }

    /// The letter that stands for what was left out, if anything was. `request`: all of the unit's
    /// bytes, part by part, where nobody could read them again.
    pub fn summary(&self, origin: &Origin, request: Option<&[Bytes]>) -> Option<Entry> {
        let shared = self.0.as_ref()?;
        let state = shared.lock();
        if state.suppressed == 0 && (state.shortened == 0 || request.is_none()) {
            return None;
        }
        let whole = request.is_some();
        let (position, record) = match request {
            Some(parts) => {
                let bytes = match parts {
                    [bytes] => bytes.clone(),
                    parts => parts.join(&b'\n').into(),
                };
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

impl Shared {
    /// Whether the bytes are kept elsewhere: where they were read, or in the letter of the request.
    fn may_shorten(&self, record: &Record) -> bool {
        matches!(record, Record::Bytes(_)) || self.sender.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
