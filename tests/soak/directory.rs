//! A directory that keeps filling: files renamed in and written slowly, lines appended by a writer that stays
//! open, rotation, truncation, files that are renamed, copied and cleared away.
//!
//! What must hold: an event is owed once its file, or its line, is whole; what a truncation takes away before
//! it was read is excused.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use fastrand::Rng;

use super::ledger::Ledger;
use super::made::{Batch, Maker, container};
use crate::support::program::gzip;

/// Files that are kept after they were delivered.
const KEPT: usize = 40;
/// Logs that are written at once.
const LOGS: usize = 3;
/// Bytes after which a log is rotated or truncated, more or less.
const LOG_BYTES: u64 = 40_000;

/// The writer. It writes until it is stopped.
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(trail: PathBuf, ledger: &Arc<Ledger>, mut rng: Rng) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let mut pen = Pen {
            files: Maker::new("files", ledger, rng.fork()),
            lines: Maker::new("lines", ledger, rng.fork()),
            ledger: Arc::clone(ledger),
            logs: (0..LOGS).map(|number| Log::new(&trail, number)).collect(),
            whole: VecDeque::new(),
            slow: Vec::new(),
            number: 0,
            trail,
            rng,
        };
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                pen.step();
                // As fast as a busy account writes; nothing waits for it.
                std::thread::sleep(Duration::from_millis(pen.rng.u64(20..120)));
            }
            while !pen.slow.is_empty() {
                pen.push();
            }
        });
        Writer {
            stop,
            thread: Some(thread),
        }
    }

    /// Returns once everything that was begun is whole.
    pub(super) fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

struct Pen {
    trail: PathBuf,
    ledger: Arc<Ledger>,
    files: Maker,
    lines: Maker,
    rng: Rng,
    number: u32,
    logs: Vec<Log>,
    /// Whole files, the oldest first.
    whole: VecDeque<Whole>,
    slow: Vec<Slow>,
}

/// A file that is whole.
struct Whole {
    path: PathBuf,
    /// The events in it.
    ids: Vec<String>,
    /// The hash of what it holds, if it is read as a whole.
    hash: Option<String>,
}

/// A log that is appended to.
struct Log {
    path: PathBuf,
    file: File,
    rotated: u32,
    /// The events in it.
    ids: Vec<String>,
}

/// A file that is being written in place.
struct Slow {
    path: PathBuf,
    file: File,
    ids: Vec<String>,
    /// What it will hold, and how many records that is.
    text: Vec<u8>,
    records: usize,
    /// What is to come, the last piece first.
    pieces: Vec<Vec<u8>>,
}

impl Pen {
    fn step(&mut self) {
        match self.rng.u8(0..10) {
            0 => self.rename_in(),
            1 => self.begin("json"),
            2 => self.begin("json.gz"),
            3 => self.move_one(),
            4 => self.clear(),
            5 => self.end_a_log(),
            _ => self.append(),
        }
        self.push();
    }

    fn folder(&mut self) -> PathBuf {
        let folder = self.trail.join(format!("{}", self.rng.u8(0..4)));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// A name whose time counts, so that a file that is read again says the same.
    fn name(&mut self, extension: &str) -> String {
        self.number += 1;
        let number = self.number;
        format!("111122223333_CloudTrail_us-east-1_20240410T1410Z_{number:016}.{extension}")
    }

    fn rename_in(&mut self) {
        let Batch { ids, records } = self.files.batch();
        let text = container(&mut self.rng).around(&records);
        let bytes = gzip(&text);
        let aside = self.trail.with_extension("aside");
        fs::write(&aside, bytes).unwrap();
        let path = self.folder().join(self.name("json.gz"));
        fs::rename(aside, &path).unwrap();
        self.is_whole(path, ids, &text, records.len());
    }

    /// A file is whole.
    fn is_whole(&mut self, path: PathBuf, ids: Vec<String>, text: &[u8], records: usize) {
        self.ledger.owe(&ids);
        // Lines are read in parts.
        let is_read_once = path.extension().is_some_and(|e| e == "gz") || !text.contains(&b'\n');
        let hash = is_read_once.then(|| self.ledger.owe_manifest(text, records));
        self.whole.push_back(Whole { path, ids, hash });
    }

    /// Opens a file to be written in a few pieces.
    fn begin(&mut self, extension: &str) {
        let Batch { ids, records } = self.files.batch();
        let text = container(&mut self.rng).around(&records);
        let bytes = match extension.ends_with("gz") {
            true => gzip(&text),
            false => text.clone(),
        };
        let size = bytes.len().div_ceil(self.rng.usize(1..5));
        let path = self.folder().join(self.name(extension));
        self.slow.push(Slow {
            file: File::create(&path).unwrap(),
            path,
            ids,
            text,
            records: records.len(),
            pieces: bytes.chunks(size).rev().map(<[u8]>::to_vec).collect(),
        });
    }

    /// Writes the next piece of each file.
    fn push(&mut self) {
        let mut going = Vec::new();
        for mut slow in std::mem::take(&mut self.slow) {
            if let Some(piece) = slow.pieces.pop() {
                slow.file.write_all(&piece).unwrap();
                going.push(slow);
            } else {
                drop(slow.file);
                self.is_whole(slow.path, slow.ids, &slow.text, slow.records);
            }
        }
        self.slow = going;
    }

    /// Renames or copies a whole file, whatever was read of it.
    fn move_one(&mut self) {
        if self.whole.is_empty() {
            return;
        }
        let (at, copied) = (self.rng.usize(..self.whole.len()), self.rng.bool());
        let (name, folder) = (
            self.whole[at].path.file_name().unwrap().to_owned(),
            self.folder(),
        );
        let to = match copied {
            true => folder.join(format!("copy-of-{}", name.display())),
            false => folder.join(name),
        };
        let from = &self.whole[at].path;
        // It may have been delivered and deleted.
        let done = match copied {
            true => fs::copy(from, &to).is_ok(),
            false => fs::rename(from, &to).is_ok(),
        };
        if done && copied {
            let Whole { ids, hash, .. } = &self.whole[at];
            let (path, ids, hash) = (to, ids.clone(), hash.clone());
            self.whole.push_back(Whole { path, ids, hash });
        } else if done {
            self.whole[at].path = to;
        }
    }

    /// Takes away the oldest files, of which everything has arrived.
    fn clear(&mut self) {
        while self.whole.len() > KEPT && self.is_told(&self.whole[0]) {
            if let Some(whole) = self.whole.pop_front() {
                let _ = fs::remove_file(whole.path);
            }
        }
    }

    /// Whether all of a file has arrived, and its manifest record too.
    fn is_told(&self, Whole { ids, hash, .. }: &Whole) -> bool {
        let is_told = |hash: &String| self.ledger.has_manifest(hash);
        self.ledger.all_settled(ids) && hash.as_ref().is_none_or(is_told)
    }

    fn append(&mut self) {
        let Batch { ids, records } = self.lines.batch();
        let log = &mut self.logs[self.rng.usize(..LOGS)];
        let bytes = (records.join("\n") + "\n").into_bytes();
        // A line that is written in two pieces is no line yet.
        let (first, second) = bytes.split_at(self.rng.usize(..=bytes.len()));
        log.file.write_all(first).unwrap();
        if self.rng.u8(0..10) == 0 {
            std::thread::sleep(Duration::from_millis(30));
        }
        log.file.write_all(second).unwrap();
        self.ledger.owe(&ids);
        log.ids.extend(ids);
    }

    /// Rotates a log that is long enough, or truncates it.
    fn end_a_log(&mut self) {
        let at = self.rng.usize(..LOGS);
        let log = &mut self.logs[at];
        if log.file.metadata().unwrap().len() < LOG_BYTES {
            return;
        }
        if self.rng.bool() {
            let (path, ids) = log.rotate();
            let hash = None;
            self.whole.push_back(Whole { path, ids, hash });
        } else if self.ledger.all_settled(&log.ids) || self.rng.u8(0..3) == 0 {
            log.truncate(&self.ledger);
        }
    }
}

impl Log {
    fn new(trail: &Path, number: usize) -> Self {
        let path = trail.join(format!("app-{number}.ndjson"));
        Log {
            file: open(&path),
            path,
            rotated: 0,
            ids: Vec::new(),
        }
    }

    /// As logrotate does it: the file gets another name, and a new one takes its place.
    fn rotate(&mut self) -> (PathBuf, Vec<String>) {
        self.rotated += 1;
        let to = PathBuf::from(format!("{}.{}", self.path.display(), self.rotated));
        // It may have been deleted by someone; then there is nothing to be renamed.
        let _ = fs::rename(&self.path, &to);
        self.file = open(&self.path);
        (to, std::mem::take(&mut self.ids))
    }

    /// As logrotate's `copytruncate` does it.
    fn truncate(&mut self, ledger: &Ledger) {
        self.file.set_len(0).unwrap();
        ledger.excuse(&self.ids);
        self.ids.clear();
    }
}

fn open(path: &Path) -> File {
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}
