//! Makes sample CloudTrail trails for demos and load tests, with CloudTrail's folders, file names and
//! record shapes.
//!
//! Enters: a [`Spec`]. Leaves: files below a directory, and a [`Summary`] of their content. What must
//! hold: the same specification gives the same bytes on any machine, with any number of processors;
//! memory does not grow with the trail; a file gets its final name only when it is complete, the oldest
//! file first; every account number, key, name and address is reserved for examples.

mod amazon_q;
mod conversations;
mod demo_trail;
mod file;
mod identity;
mod noise;
mod people;
mod plan;
mod record;
mod template;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use qtrail_core::event::amazon_q::Class;

pub use conversations::{ConversationTrail, Happened, Kind, conversation_trail};
pub use demo_trail::{Expected, demo_expected, demo_trail};

/// The default end of a trail, 2026-01-15T12:00:00Z, in seconds since 1970. It is not the clock, so that
/// the same specification always gives the same trail.
pub const DEFAULT_END: i64 = 1_768_478_400;

/// Describes a trail.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// The size of the trail.
    pub amount: Amount,
    /// Amazon Q's share of all events, in percent, 0 to 100; above 0, a number of events holds at least one. Default 2.
    pub share: f64,
    /// Seed of the random numbers.
    pub seed: u64,
    /// The number of files; by default the square root of the number of events.
    pub files: Option<u64>,
    /// The format of the files.
    pub format: Format,
    /// When the last file is delivered, in seconds since 1970.
    pub end: i64,
}

impl Default for Spec {
    fn default() -> Self {
        Spec {
            amount: Amount::Events(10_000),
            share: 2.0,
            seed: 0,
            files: None,
            format: Format::Gzip,
            end: DEFAULT_END,
        }
    }
}

/// The size of a trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// This many events.
    Events(u64),
    /// This many bytes of JSON before compression; each file may exceed its part by at most one event.
    Bytes(u64),
}

/// The format of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// `{"Records":[…]}`, gzip-compressed, as CloudTrail writes it.
    #[default]
    Gzip,
    /// `{"Records":[…]}`.
    Json,
    /// One event per line.
    Ndjson,
}

/// What [`write()`] wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// The number of files.
    pub files: u64,
    /// The number of events.
    pub events: u64,
    /// Bytes before compression.
    pub json_bytes: u64,
    /// Bytes on disk.
    pub file_bytes: u64,
    /// The number of Amazon Q's events by class.
    pub amazon_q: BTreeMap<Class, u64>,
}

impl Summary {
    fn add(&mut self, other: &Summary) {
        self.files += other.files;
        self.events += other.events;
        self.json_bytes += other.json_bytes;
        self.file_bytes += other.file_bytes;
        for (class, count) in &other.amazon_q {
            *self.amazon_q.entry(*class).or_default() += count;
        }
    }
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct Error {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// A file that is complete under its temporary name.
struct Written {
    /// Closed only after the rename, because a directory watcher reads a file when it is closed.
    file: fs::File,
    temporary: PathBuf,
    path: PathBuf,
    summary: Summary,
}

/// Writes a trail below `directory`, and creates the directory. Calls `progress` with the summary so far
/// after each file.
///
/// # Errors
/// A directory or file that cannot be created, written or renamed.
pub fn write(
    spec: &Spec,
    directory: &Path,
    mut progress: impl FnMut(&Summary),
) -> Result<Summary, Error> {
    let workers = thread::available_parallelism().map_or(1, |n| n.get().min(8));
    let mut summary = Summary::default();
    thread::scope(|scope| {
        let queues: Vec<_> = (0..workers)
            .map(|worker| {
                // Each worker may be one file ahead.
                let (sender, receiver) = sync_channel(1);
                scope.spawn(move || work(spec, directory, worker, workers, &sender));
                receiver
            })
            .collect();
        rename_in_order(&queues, |file| {
            summary.add(&file.summary);
            progress(&summary);
        })
    })?;
    Ok(summary)
}

/// Writes a whole trail as one file of one account and region.
///
/// # Errors
/// The writer's error.
pub fn write_one(spec: &Spec, mut out: impl io::Write) -> io::Result<Summary> {
    let one = Spec {
        files: Some(1),
        ..spec.clone()
    };
    let mut summary = Summary::default();
    for plan in plan::files(&one) {
        summary.add(&file::write(&one, &plan, &mut out)?);
    }
    Ok(summary)
}

/// Writes every file whose number leaves `worker` when divided by `workers`.
fn work(
    spec: &Spec,
    directory: &Path,
    worker: usize,
    workers: usize,
    done: &SyncSender<Result<Written, Error>>,
) {
    for plan in plan::files(spec).skip(worker).step_by(workers) {
        let written = write_file(spec, &plan, directory);
        let failed = written.is_err();
        // The receiver is gone if it met an error.
        if done.send(written).is_err() || failed {
            return;
        }
    }
}

fn rename_in_order(
    queues: &[Receiver<Result<Written, Error>>],
    mut seen: impl FnMut(&Written),
) -> Result<(), Error> {
    for queue in queues.iter().cycle() {
        let Ok(file) = queue.recv() else {
            return Ok(());
        };
        let file = file?;
        fs::rename(&file.temporary, &file.path).map_err(|source| Error {
            what: "rename to",
            path: file.path.clone(),
            source,
        })?;
        seen(&file);
        drop(file.file);
    }
    Ok(())
}

fn write_file(spec: &Spec, plan: &plan::File, directory: &Path) -> Result<Written, Error> {
    let relative = plan.path(spec.format);
    let path = directory.join(&relative);
    let folder = path.parent().unwrap_or(directory);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.partial"));
    let failed = |what, path: &Path| {
        let path = path.to_owned();
        move |source| Error { what, path, source }
    };
    fs::create_dir_all(folder).map_err(failed("create", folder))?;
    let file = fs::File::create(&temporary).map_err(failed("create", &temporary))?;
    let summary = file::write(spec, plan, &file).map_err(failed("write", &temporary))?;
    Ok(Written {
        file,
        temporary,
        path,
        summary,
    })
}

#[cfg(test)]
mod tests;
