//! The dead letters, with the command that replays them.

use serde::{Deserialize, Serialize};

use super::{About, about, shortened};
use crate::dead_letter::DeadLetters;
use crate::dead_letter::newest::Refused;

/// The dead letters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Letters {
    /// Whether the files hold any, now.
    pub are_there: bool,
    /// The current file.
    pub path: String,
    /// The bytes of the current file and the rotated ones.
    pub bytes: u64,
    /// The commands that send them again once the cause is mended, one for each file. None if no record can be sent.
    pub replay: Vec<String>,
    /// The newest letters, the newest first.
    pub newest: Vec<Letter>,
    /// Whether the current file has more.
    pub has_more: bool,
    /// Why the file cannot be read.
    pub error: Option<String>,
}

/// One dead letter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Letter {
    /// A short, stable word.
    pub reason: String,
    /// The reason in full.
    pub message: String,
    /// The file, the request or the object.
    pub source: String,
    /// The record's number in it, from 0.
    pub record: u64,
    /// The record's first byte, after decompression.
    pub byte: u64,
    /// `eventID`; empty if it is not known.
    pub event_id: String,
    /// How many records the letter stands for.
    pub records: u64,
    /// Whether a replay can send it.
    pub can_be_replayed: bool,
}

/// The dead letters on disk.
pub(super) fn of(letters: &DeadLetters, about: &About) -> Letters {
    let newest = match letters.newest() {
        Ok(Some(newest)) => newest,
        Ok(None) => return Letters::default(),
        Err(error) => {
            return Letters {
                error: Some(error.to_string()),
                ..Letters::default()
            };
        }
    };
    let is_in_current = !newest.letters.is_empty() || newest.has_more;
    let can_be_replayed = newest.has_more || newest.letters.iter().any(|one| one.can_be_replayed);
    let current = can_be_replayed.then_some(&newest.path);
    let files = newest.rotated.iter().rev().chain(current);
    let replay: Vec<_> = files.map(|file| about.replay_command(file)).collect();
    Letters {
        are_there: is_in_current || !replay.is_empty(),
        path: about::shown(&newest.path),
        bytes: newest.bytes,
        replay,
        newest: newest.letters.into_iter().map(letter).collect(),
        has_more: newest.has_more,
        error: None,
    }
}

fn letter(refused: Refused) -> Letter {
    Letter {
        reason: shortened(&refused.reason),
        message: shortened(&refused.message),
        source: shortened(&refused.source),
        record: refused.index,
        byte: refused.offset,
        event_id: shortened(refused.event_id.as_deref().unwrap_or_default()),
        records: refused.records,
        can_be_replayed: refused.can_be_replayed,
    }
}
