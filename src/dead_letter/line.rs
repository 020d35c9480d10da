//! Reads the lines of the file again, for a replay.
//!
//! Enters: a line. Leaves: its [`Letter`]s, each with its reason, and the facts to keep if its
//! record is rejected again. What must hold: lines of earlier versions are read too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::letter::LINE_START;
use qtrail_core::reject::Reason;

/// Whether an incomplete line can be a dead letter.
pub fn begins_as_a_letter(line: &[u8]) -> bool {
    line.starts_with(LINE_START) || LINE_START.starts_with(line)
}

/// Why a record was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Why {
    /// One of `input`, `open`, `parse`, `export`.
    pub stage: String,
    /// A short, stable word.
    pub reason: String,
    /// The reason in full.
    pub message: String,
}

impl Why {
    pub(super) fn of(reason: &Reason) -> Self {
        Why {
            stage: reason.stage().as_str().to_owned(),
            reason: reason.kind().to_owned(),
            message: reason.to_string(),
        }
    }
}

/// The facts in a replayed record's letter, for its next letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Why it was first rejected; `None` if the letter stands for several records.
    pub(super) why: Option<Why>,
    pub(super) input: String,
    pub(super) sender: Option<String>,
    pub(super) index: u64,
    pub(super) event_id: Option<String>,
}

/// One line of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Line {
    /// One of `input`, `open`, `parse`, `export`.
    pub stage: String,
    /// A short, stable word.
    pub reason: String,
    /// The reason in full.
    pub message: String,
    /// Whether the collector rejected only some of the records without naming them.
    #[serde(default)]
    pub uncertain: bool,
    /// The number of rejected records of the unit without a line of their own: this line stands for them.
    #[serde(default)]
    pub suppressed: u64,
    /// The rejected record, or all records of an uncertain partial success.
    #[serde(flatten)]
    letter: Option<Letter>,
    #[serde(default, rename = "records")]
    letters: Vec<Letter>,
}

/// One record of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Letter {
    /// Why it was first rejected, if its line does not have it.
    #[serde(default)]
    pub stage: Option<String>,
    /// The same, as a word.
    #[serde(default)]
    pub reason: Option<String>,
    /// The same, in full.
    #[serde(default)]
    pub message: Option<String>,
    /// The input that received it.
    pub input: String,
    /// Its unit: a file, a request, an object.
    pub source: String,
    /// The sender: the name of its token or certificate, or its address.
    #[serde(default)]
    pub sender: Option<String>,
    /// Its number in the unit, from 0.
    pub index: u64,
    /// Its first byte in the inflated unit.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// When the unit was delivered, in nanoseconds since 1970.
    #[serde(default)]
    pub observed_time_unix_nano: Option<i64>,
    /// `eventID`, if it is known.
    #[serde(default)]
    pub event_id: Option<String>,
    /// The record's text.
    #[serde(default)]
    pub record: Option<String>,
    /// The record's bytes, if they are not UTF-8.
    #[serde(default)]
    pub record_base64: Option<String>,
    /// SHA-256 of a record whose bytes are not kept.
    #[serde(default)]
    pub record_sha256: Option<String>,
}

impl Line {
    /// The records of the line, each with its reason. A line that stands for several has none.
    pub fn into_letters(self) -> Vec<Letter> {
        let mut letters: Vec<_> = self.letter.into_iter().chain(self.letters).collect();
        for letter in &mut letters {
            if self.suppressed == 0 && letter.reason.is_none() {
                letter.stage = Some(self.stage.clone());
                letter.reason = Some(self.reason.clone());
                letter.message = Some(self.message.clone());
            }
        }
        letters
    }
}

impl Letter {
    /// Its facts about the record, for the next letter.
    pub fn before(&self) -> Before {
        let why = || {
            Some(Why {
                stage: self.stage.clone()?,
                reason: self.reason.clone()?,
                message: self.message.clone()?,
            })
        };
        Before {
            why: why(),
            input: self.input.clone(),
            sender: self.sender.clone(),
            index: self.index,
            event_id: self.event_id.clone(),
        }
    }

    /// The record's bytes, if they were kept.
    ///
    /// # Errors
    /// `record_base64` is not base64.
    pub fn into_bytes(self) -> Result<Option<Vec<u8>>, base64::DecodeError> {
        match (self.record, self.record_base64) {
            (Some(text), _) => Ok(Some(text.into_bytes())),
            (None, Some(text)) => STANDARD.decode(text).map(Some),
            (None, None) => Ok(None),
        }
    }
}
