//! `qtrail convert --format events`: one flat JSON object per event, in the order of the input.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::OutputClosed;
use super::args::ConvertArgs;
use super::files::{Source, Sources};
use super::progress::Progress;
use super::totals::Totals;
use crate::config::Config;
use crate::dead_letter::Origin;
use crate::dead_letter::{DeadLetters, Entry, UnitLetters};
use crate::export::{End, unread};
use crate::runtime::line_file::{self, LineFile};
use crate::sidecar;
use qtrail_core::convert::{self, Placement};
use qtrail_core::envelope::{self, Again, Item};
use qtrail_core::event::Event;
use qtrail_core::otlp::Flat;
use qtrail_core::reject::Reject;
use qtrail_core::{Converter, RecordOutcome};

/// How long a file may take to finish after a signal.
const GRACE: Duration = Duration::from_secs(2);
/// Encoded bytes that are written at once; more to a file, where each write is synced.
const WRITE_BYTES: usize = 64 << 10;
const WRITE_BYTES_TO_FILE: usize = 1 << 20;
/// A file of events, as a line file.
const EVENTS: line_file::Kind = line_file::Kind {
    line_start: b"{",
    mode: 0o666,
    makes_folder: false,
    rotation: None,
};

/// Writes the events of all sources to the output.
///
/// # Errors
/// The output or the dead letters cannot be opened or written, or the reader of the output has exited.
pub(super) async fn write(
    listed: Sources,
    args: &ConvertArgs,
    to_stdout: bool,
    config: &Config,
    progress: &Progress,
    stop: &CancellationToken,
) -> anyhow::Result<Totals> {
    let output = match args.output.to_str() {
        _ if to_stdout => Output::Stream(Box::new(io::stdout())),
        Some("discard") => Output::Stream(Box::new(io::sink())),
        _ => Output::File(
            LineFile::begin_anew(&args.output, EVENTS)
                .with_context(|| format!("cannot write {}", args.output.display()))?,
        ),
    };
    // Nothing waits for a full disk, so nothing needs to be aborted.
    let never = CancellationToken::new();
    let dead_letters = sidecar::dead_letters(config, args.dead_letters.is_some(), &never)?;
    let done = Arc::new(Mutex::default());
    let mut writer = Writer {
        conversion: sidecar::conversion(config),
        flat: Flat::new(&config.convert),
        output,
        name: match to_stdout {
            true => "standard output".to_owned(),
            false => args.output.display().to_string(),
        },
        dead_letters,
        handle: Handle::current(),
        stop: stop.clone(),
        done: Totals::default(),
        written: Arc::clone(&done),
    };
    let bar = progress.clone();
    let work = tokio::task::spawn_blocking(move || writer.all(listed, &bar));
    // The thread checks `stop` while it reads, but writing may block.
    let grace_over = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let reader_gone = async {
        match to_stdout {
            true => unread(io::stdout()).await,
            false => std::future::pending().await,
        }
    };
    let written = tokio::select! {
        biased;
        written = work => written?,
        () = reader_gone => Err(OutputClosed.into()),
        () = grace_over => Ok(()),
    };
    progress.finish();
    let end = match written {
        Err(error) if error.is::<OutputClosed>() => Some(End::Unread),
        Err(error) => Some(End::Failed(format!("{error:#}"))),
        Ok(()) => None,
    };
    let mut done = *lock(&done);
    done.end(end, stop, None)?;
    Ok(done)
}

enum Output {
    Stream(Box<dyn Write + Send>),
    /// A file, which is overwritten, as with `>`.
    File(LineFile),
}

impl Output {
    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Output::Stream(stream) => {
                stream.write_all(lines)?;
                stream.flush()
            }
            Output::File(file) => {
                let bytes = lines.len() as u64;
                file.append(bytes, &|out| out.write_all(lines)).map(|_| ())
            }
        }
    }

    /// Bytes to write at once.
    fn block(&self) -> usize {
        match self {
            Output::Stream(_) => WRITE_BYTES,
            Output::File(_) => WRITE_BYTES_TO_FILE,
        }
    }
}

struct Writer {
    conversion: Converter,
    flat: Flat,
    output: Output,
    /// The name of the output in errors.
    name: String,
    dead_letters: DeadLetters,
    handle: Handle,
    stop: CancellationToken,
    done: Totals,
    /// The totals as of the last write.
    written: Arc<Mutex<Totals>>,
}

fn lock(done: &Mutex<Totals>) -> MutexGuard<'_, Totals> {
    done.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    fn all(&mut self, listed: Sources, progress: &Progress) -> anyhow::Result<()> {
        for source in listed {
            if self.stop.is_cancelled() {
                break;
            }
            let stop = self.stop.clone();
            match source.and_then(|s: Source| s.open(&stop, |content| progress.wrap(content))) {
                Ok((origin, content, again)) => self.unit(origin, content, again)?,
                Err(e) => {
                    tracing::error!("{e:#}");
                    self.done.failed = true;
                }
            }
        }
        self.flush()
    }

    fn unit(
        &mut self,
        origin: Origin,
        content: Box<dyn Read + Send>,
        again: Again,
    ) -> anyhow::Result<()> {
        let letters = UnitLetters::new(&self.dead_letters, None, None);
        let limits = self.conversion.limits.clone();
        let mut records = envelope::open(content, &limits).again(again);
        let organization = convert::organization(&origin.name);
        let place = |event: &Event<'_>| {
            Ok::<_, Infallible>(Placement::of(event).within(organization.as_ref()))
        };
        let bytes = self.done.counts.bytes;
        self.done.files += 1;
        while !self.stop.is_cancelled() {
            let reject = match records.next() {
                Ok(None) => break,
                Ok(Some(Item::Record { position, bytes })) => {
                    self.done.counts.read += 1;
                    match self.conversion.convert_record_with(
                        bytes,
                        position,
                        origin.observed,
                        place,
                        &mut self.flat,
                    ) {
                        RecordOutcome::Converted { .. } => {
                            self.done.counts.exported += 1;
                            None
                        }
                        RecordOutcome::Filtered => {
                            self.done.counts.filtered += 1;
                            None
                        }
                        RecordOutcome::Rejected(reject) => Some(reject),
                    }
                }
                Ok(Some(Item::Reject(reject))) => {
                    self.done.counts.read += 1;
                    Some(reject)
                }
                Ok(Some(Item::Skipped(_))) => {
                    self.done.counts.skipped += 1;
                    None
                }
                Err(_) if self.stop.is_cancelled() => break,
                Err(e) if envelope::is_quiet(&e) => {
                    self.flush()?;
                    None
                }
                Err(e) => {
                    tracing::error!(source = %origin.name, "reading failed: {e}");
                    self.done.failed = true;
                    break;
                }
            };
            if let Some(reject) = reject {
                self.done.counts.dead_lettered += 1;
                self.refuse(reject, &origin, &letters)?;
            }
            self.done.counts.bytes = bytes + records.inflated_bytes();
            if self.flat.encoded_len() >= self.output.block() {
                self.flush()?;
            }
        }
        letters.tell_rest(&origin);
        if let Some(summary) = letters.summary(&origin) {
            summary.log();
            self.keep(summary)?;
        }
        self.done.counts.bytes = bytes + records.inflated_bytes();
        Ok(())
    }

    fn refuse(&self, reject: Reject, origin: &Origin, letters: &UnitLetters) -> anyhow::Result<()> {
        let entry = Entry::new(origin.clone(), reject);
        match letters.admit(entry) {
            Some(entry) => self.keep(entry),
            None => Ok(()),
        }
    }

    fn keep(&self, entry: Entry) -> anyhow::Result<()> {
        let _reserved = self.dead_letters.reserve_for(&entry)?;
        let written = self.handle.block_on(self.dead_letters.write(vec![entry]));
        written.map_err(
            |stopped| match self.dead_letters.watch_failure().borrow().clone() {
                Some(trouble) => anyhow::Error::msg(trouble),
                None => stopped.into(),
            },
        )
    }

    /// Writes the encoded events.
    fn flush(&mut self) -> anyhow::Result<()> {
        let lines = self.flat.take();
        match self.output.write(&lines) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => return Err(OutputClosed.into()),
            written => written.with_context(|| format!("cannot write to {}", self.name))?,
        }
        *lock(&self.written) = self.done;
        Ok(())
    }
}
