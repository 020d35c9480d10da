//! The file of records that were refused, one JSON line each.
//!
//! Enters: [`Entry`]s. Leaves: lines that are on disk. What must hold: `write` returns only when
//! its lines are durable; the file never holds half a line; records are kept unredacted, since
//! they are what gets replayed, so the file is readable by its owner alone.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::Origin;
use super::lines::cut_half_line;
use crate::reject::{Evidence, Reject};

/// Waits between two tries to write to a disk that refuses.
const BACKOFF: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

/// How each line starts.
const LINE_START: &[u8] = b"{\"stage\":";

/// Where dead letters go, and how much of them is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file; rotated ones get `.1`, `.2`, … appended. A character device is written as it is.
    pub path: PathBuf,
    /// Bytes of one file before it is rotated. Default 64 MiB.
    pub max_bytes: u64,
    /// Rotated files kept. Default 10.
    pub keep: u32,
    /// Bytes of a record that are kept; of a larger one that can be read again, its place and
    /// SHA-256. Default 2 MiB.
    pub max_record_bytes: usize,
}

impl Settings {
    /// The defaults for a file.
    pub fn new(path: PathBuf) -> Self {
        Settings {
            path,
            max_bytes: 64 << 20,
            keep: 10,
            max_record_bytes: 2 << 20,
        }
    }
}

/// One refused record with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it came from.
    pub origin: Origin,
    /// `eventID`, where it is known.
    pub event_id: Option<String>,
    /// Position, reason, bytes.
    pub reject: Reject,
}

impl Entry {
    /// Tells of the entry in the log.
    pub fn log(&self) {
        warn!(
            input = self.origin.input,
            source = &*self.origin.name,
            record = self.reject.position.index,
            byte = self.reject.position.offset,
            reason = self.reject.reason.kind(),
            "record refused: {}",
            self.reject.reason
        );
    }
}

/// The process is shutting down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped before the dead letters could be written")]
pub struct Stopped;

/// The dead-letter file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    /// `None`: refused records are counted and logged alone.
    file: Option<Arc<Mutex<Rotating>>>,
    max_record_bytes: usize,
    stop: CancellationToken,
}

impl DeadLetters {
    /// Opens the file for appending, or creates it (mode 0600) and its folder (0700). `stop` ends the waiting for a disk
    /// that refuses.
    ///
    /// # Errors
    /// The file cannot be opened for appending.
    pub fn open(settings: Settings, stop: CancellationToken) -> io::Result<Self> {
        let max_record_bytes = settings.max_record_bytes;
        if let Some(folder) = settings.path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)?;
        }
        let file = Rotating::open(settings)?;
        sync_folder(&file.settings.path)?;
        Ok(DeadLetters {
            file: Some(Arc::new(Mutex::new(file))),
            max_record_bytes,
            stop,
        })
    }

    /// Keeps nothing: for commands that only tell of refused records.
    pub fn none() -> Self {
        DeadLetters {
            file: None,
            max_record_bytes: 0,
            stop: CancellationToken::new(),
        }
    }

    /// Appends entries, each a line of its own; returns when they are on disk. A disk that refuses
    /// is waited out, with back-off and a log line.
    ///
    /// # Errors
    /// [`Stopped`] when the process stops first; nothing may be acknowledged then.
    pub async fn write(&self, entries: Vec<Entry>) -> Result<(), Stopped> {
        let lines = entries
            .iter()
            .map(|e| Line::of(e, self.max_record_bytes))
            .collect();
        self.append(lines).await
    }

    /// Appends one line for the several records of a partial success that names none of them.
    ///
    /// # Errors
    /// As [`DeadLetters::write`].
    pub async fn write_uncertain(&self, entries: Vec<Entry>) -> Result<(), Stopped> {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let line = Line {
            uncertain: true,
            stage: first.reject.reason.stage().as_str().into(),
            reason: first.reject.reason.kind().into(),
            message: first.reject.reason.to_string(),
            letters: entries
                .iter()
                .map(|e| Letter::of(e, self.max_record_bytes))
                .collect(),
            ..Line::default()
        };
        self.append(vec![line]).await
    }

    async fn append(&self, lines: Vec<Line>) -> Result<(), Stopped> {
        let Some(file) = self.file.as_ref().filter(|_| !lines.is_empty()) else {
            return Ok(());
        };
        let mut bytes = Vec::new();
        for line in &lines {
            // A line holds strings and numbers alone, which always serialize.
            let _ = serde_json::to_writer(&mut bytes, line);
            bytes.push(b'\n');
        }
        let bytes: Arc<[u8]> = bytes.into();
        for attempt in 0.. {
            let (file, data) = (Arc::clone(file), Arc::clone(&bytes));
            let written = tokio::task::spawn_blocking(move || {
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.append(&data)
                    .map_err(|e| (file.settings.path.clone(), e))
            })
            .await;
            match written {
                Ok(Ok(())) => {
                    if attempt > 0 {
                        info!("dead letters can be written again");
                    }
                    return Ok(());
                }
                Ok(Err((path, e))) => error!(
                    path = %path.display(), error = %e,
                    "cannot write dead letters: nothing more is acknowledged until this file can be written; free some space or mend its permissions"
                ),
                Err(_) => return Err(Stopped),
            }
            let wait = BACKOFF[attempt.min(BACKOFF.len() - 1)];
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.stop.cancelled() => return Err(Stopped),
            }
        }
        Err(Stopped)
    }
}

/// One line of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// One of `open`, `parse`, `export`.
    pub stage: String,
    /// A short, stable word.
    pub reason: String,
    /// The reason in full.
    pub message: String,
    /// Whether only some of the records were rejected, and nobody knows which.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uncertain: bool,
    /// The refused record, or all records of an uncertain partial success.
    #[serde(flatten)]
    letter: Option<Letter>,
    #[serde(default, rename = "records", skip_serializing_if = "Vec::is_empty")]
    letters: Vec<Letter>,
}

/// One record of a line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// The input that it came in by.
    pub input: String,
    /// The unit that held it: a file, a request, an object.
    pub source: String,
    /// Its number in the unit, from 0.
    pub index: u64,
    /// Its first byte in the inflated unit.
    pub offset: u64,
    /// How many bytes it has.
    pub length: u64,
    /// When the unit was delivered, in nanoseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_time_unix_nano: Option<i64>,
    /// `eventID`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// The record's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// The record's bytes, where they are no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_base64: Option<String>,
    /// SHA-256 of a record that is too large to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_sha256: Option<String>,
}

impl Line {
    fn of(entry: &Entry, max_record_bytes: usize) -> Self {
        Line {
            stage: entry.reject.reason.stage().as_str().into(),
            reason: entry.reject.reason.kind().into(),
            message: entry.reject.reason.to_string(),
            letter: Some(Letter::of(entry, max_record_bytes)),
            ..Line::default()
        }
    }

    /// The records of the line.
    pub fn into_letters(self) -> Vec<Letter> {
        self.letter.into_iter().chain(self.letters).collect()
    }
}

impl Letter {
    fn of(entry: &Entry, max_record_bytes: usize) -> Self {
        let position = entry.reject.position;
        let mut letter = Letter {
            input: entry.origin.input.into(),
            source: entry.origin.name.to_string(),
            index: position.index,
            offset: position.offset,
            length: position.length,
            observed_time_unix_nano: entry.origin.observed,
            event_id: entry.event_id.clone(),
            ..Letter::default()
        };
        match &entry.reject.evidence {
            Evidence::Bytes(bytes) if bytes.len() > max_record_bytes => {
                letter.record_sha256 = Some(hex::encode(Sha256::digest(bytes)));
            }
            Evidence::Bytes(bytes) => letter.keep(bytes),
            Evidence::Whole(bytes) => letter.keep(bytes),
            Evidence::Digest { sha256, length } => {
                letter.record_sha256 = Some(hex::encode(sha256));
                letter.length = *length;
            }
            Evidence::Unit => {}
        }
        letter
    }

    fn keep(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.record = Some(text.to_owned()),
            Err(_) => self.record_base64 = Some(STANDARD.encode(bytes)),
        }
    }

    /// The record's bytes, if they were kept.
    ///
    /// # Errors
    /// `record_base64` is no base64.
    pub fn bytes(&self) -> Result<Option<Vec<u8>>, base64::DecodeError> {
        match (&self.record, &self.record_base64) {
            (Some(text), _) => Ok(Some(text.clone().into_bytes())),
            (None, Some(text)) => STANDARD.decode(text).map(Some),
            (None, None) => Ok(None),
        }
    }
}

#[derive(Debug)]
struct Rotating {
    settings: Settings,
    /// `None` after a failure: the next try opens the path again.
    file: Option<File>,
    len: u64,
}

impl Rotating {
    fn open(settings: Settings) -> io::Result<Self> {
        let mut rotating = Rotating {
            settings,
            file: None,
            len: 0,
        };
        rotating.reopen()?;
        Ok(rotating)
    }

    fn reopen(&mut self) -> io::Result<()> {
        let path = &self.settings.path;
        // Reading is needed to see how a regular file ends; a device or a pipe may refuse it.
        let regular = path.metadata().map_or(true, |meta| meta.is_file());
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(regular)
            .mode(0o600)
            .open(path)?;
        self.len = match regular {
            true => cut_half_line(&mut file, LINE_START)?,
            false => 0,
        };
        self.file = Some(file);
        Ok(())
    }

    /// Whether the path still leads to the open file: who moved or deleted it would lose what is
    /// written to it.
    fn is_in_place(&self, file: &File) -> io::Result<bool> {
        let there = match self.settings.path.metadata() {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
            there => there?,
        };
        let ours = file.metadata()?;
        Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino()))
    }

    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        let in_place = match &self.file {
            Some(file) => self.is_in_place(file)?,
            None => false,
        };
        if !in_place {
            self.file = None;
            self.reopen()?;
            sync_folder(&self.settings.path)?;
        }
        if self.len > 0 && self.len + data.len() as u64 > self.settings.max_bytes {
            self.rotate()?;
        }
        let Some(file) = &mut self.file else {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        };
        let written = file.write_all(data).and_then(|()| match file.sync_data() {
            // A pipe or a device cannot be synced, and needs not.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
            other => other,
        });
        match written {
            Ok(()) => self.len += data.len() as u64,
            Err(_) => {
                // Half a line would spoil the next one.
                let _ = file.set_len(self.len);
                self.file = None;
            }
        }
        written
    }

    fn rotate(&mut self) -> io::Result<()> {
        let numbered = |n: u32| {
            let mut name = self.settings.path.clone().into_os_string();
            name.push(format!(".{n}"));
            PathBuf::from(name)
        };
        self.file = None;
        if self.settings.keep == 0 {
            std::fs::remove_file(&self.settings.path)?;
        } else {
            for n in (1..self.settings.keep).rev() {
                rename_if_there(&numbered(n), &numbered(n + 1))?;
            }
            rename_if_there(&self.settings.path, &numbered(1))?;
        }
        self.reopen()?;
        sync_folder(&self.settings.path)
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::rename(from, to) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn sync_folder(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests;
