//! The lines of the file, read again, and what a replay keeps of them.
//!
//! Enters: a line. Leaves: its [`Letter`]s, each with why it was refused; of each, what stays when its
//! record is refused again. What must hold: lines of earlier versions are read too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::letter::LINE_START;
use qtrail_core::reject::Reason;

/// Whether half a line may be one of ours.
pub fn begins_as_a_letter(line: &[u8]) -> bool {
    line.starts_with(LINE_START) || LINE_START.starts_with(line)
}

/// Why a record was refused.
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

/// The letter of a replayed record, for the letter that it may become again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// Why it was refused first; `None` where the letter stands for several records.
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
    /// Whether only some of the records were rejected, and the collector does not tell which.
    #[serde(default)]
    pub uncertain: bool,
    /// How many refused records of the unit have no line of their own: this one stands for them.
    #[serde(default)]
    pub suppressed: u64,
    /// The refused record, or all records of an uncertain partial success.
    #[serde(flatten)]
    letter: Option<Letter>,
    #[serde(default, rename = "records")]
    letters: Vec<Letter>,
}

/// One record of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Letter {
    /// Why it was refused first, where its line does not say that.
    #[serde(default)]
    pub stage: Option<String>,
    /// The same, as a word.
    #[serde(default)]
    pub reason: Option<String>,
    /// The same, in full.
    #[serde(default)]
    pub message: Option<String>,
    /// The input that it came in by.
    pub input: String,
    /// The unit that held it: a file, a request, an object.
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
    /// `eventID`, where it is known.
    #[serde(default)]
    pub event_id: Option<String>,
    /// The record's text.
    #[serde(default)]
    pub record: Option<String>,
    /// The record's bytes, where they are no UTF-8.
    #[serde(default)]
    pub record_base64: Option<String>,
    /// SHA-256 of a record that is not kept.
    #[serde(default)]
    pub record_sha256: Option<String>,
}

impl Line {
    /// The records of the line, each with its reason, unless it stands for several.
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
    /// Its facts about the record, for the letter that this may become again.
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
    /// `record_base64` is no base64.
    pub fn into_bytes(self) -> Result<Option<Vec<u8>>, base64::DecodeError> {
        match (self.record, self.record_base64) {
            (Some(text), _) => Ok(Some(text.into_bytes())),
            (None, Some(text)) => STANDARD.decode(text).map(Some),
            (None, None) => Ok(None),
        }
    }
}
