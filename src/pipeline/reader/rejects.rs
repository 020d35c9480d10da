//! Refused records of the next step, which become dead letters.
//!
//! What must hold: a record without a letter of its own is counted by its reason; what the letters take in memory
//! and among the dead letters is known before they leave.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dead_letter::{Entry, UnitLetters};
use crate::pipeline::report::REFUSED_IN_REPORT;
use qtrail_core::reject::Reason;

/// Refused records in a step at most.
const REJECTS: usize = 64;
/// Bytes of refused records beyond which a step is sent.
const BYTES: usize = 1 << 20;

/// The rejects that have not been sent yet.
pub(super) struct Rejects {
    /// Bounds the letters of the unit.
    pub(super) letters: UnitLetters,
    /// The account that they are on, in the room of the dead letters.
    pub(super) account: Arc<str>,
    taken: TakenRejects,
    memory_bytes: usize,
    letter_bytes: u64,
    /// Of the whole unit.
    total: u64,
}

/// What a step has of rejects.
#[derive(Default)]
pub(super) struct TakenRejects {
    pub(super) entries: Vec<Entry>,
    /// Those that have no letter of their own, by the kind of their reason.
    pub(super) suppressed: BTreeMap<&'static str, u64>,
    /// What is reported without a letter: its number, and why.
    pub(super) without_letter: Vec<(u64, Reason)>,
}

impl Rejects {
    pub(super) fn new(letters: UnitLetters, account: Arc<str>) -> Self {
        Rejects {
            letters,
            account,
            taken: TakenRejects::default(),
            memory_bytes: 0,
            letter_bytes: 0,
            total: 0,
        }
    }

    /// Adds a record, with a letter if its unit may have one more.
    pub(super) fn add(&mut self, entry: Entry) {
        self.total += 1;
        let (index, reason) = (entry.position.index, entry.reason.clone());
        match self.letters.admit(entry) {
            Some(entry) => {
                self.memory_bytes += memory_bytes(entry.record.len());
                self.letter_bytes += entry.bytes();
                self.taken.entries.push(entry);
            }
            None => {
                *self.taken.suppressed.entry(reason.kind()).or_default() += 1;
                if self.total <= REFUSED_IN_REPORT as u64 {
                    self.report(index, reason);
                }
            }
        }
    }

    /// Reports something that gets no letter.
    pub(super) fn report(&mut self, number: u64, reason: Reason) {
        self.taken.without_letter.push((number, reason));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken.entries.is_empty()
    }

    /// Whether the letters alone make a step.
    pub(super) fn are_many(&self) -> bool {
        self.taken.entries.len() >= REJECTS || self.memory_bytes >= BYTES
    }

    pub(super) fn is_full(&self) -> bool {
        self.are_many() || self.taken.without_letter.len() >= REJECTS
    }

    /// Memory that they take.
    pub(super) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Bytes that they take among the dead letters.
    pub(super) fn letter_bytes(&self) -> u64 {
        self.letter_bytes
    }

    pub(super) fn take(&mut self) -> TakenRejects {
        (self.memory_bytes, self.letter_bytes) = (0, 0);
        std::mem::take(&mut self.taken)
    }
}

impl TakenRejects {
    /// How many records they stand for.
    pub(super) fn count(&self) -> u64 {
        self.entries.len() as u64 + self.suppressed.values().sum::<u64>()
    }
}

/// Memory that a reject takes whose record has so many bytes.
pub(super) fn memory_bytes(record: usize) -> usize {
    record + size_of::<Entry>()
}
