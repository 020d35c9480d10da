//! `qtrail convert --format events`: one flat JSON object an event, in the order of the input.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::args::ConvertArgs;
use super::convert::Done;
use super::files::{Source, Sources};
use super::progress::Progress;
use crate::ack::Origin;
use crate::ack::dead_letter::{DeadLetters, Entry, UnitLetters};
use crate::ack::line_file::{self, LineFile};
use crate::config::Config;
use crate::convert::{self, Placement};
use crate::envelope::{self, Again, Item};
use crate::event::Event;
use crate::otlp::Flat;
use crate::pipeline::Counts;
use crate::pipeline::conversion::{Conversion, Verdict};
use crate::reject::Reject;
use crate::sidecar;

/// How long a file may take to end once a signal came.
const GRACE: Duration = Duration::from_secs(2);
/// Encoded bytes beyond which they are written out: to a file, each time is waited for.
const WRITE_BYTES: usize = 64 << 10;
const WRITE_BYTES_TO_FILE: usize = 1 << 20;
/// A file of events.
const EVENTS: line_file::Kind = line_file::Kind {
    line_start: b"{",
    mode: 0o666,
    makes_folder: false,
    rotation: None,
};

/// Writes the events of all sources to the output.
///
/// # Errors
/// An output or a dead-letter file that cannot be opened or written.
pub(super) async fn write(
    listed: Sources,
    args: &ConvertArgs,
    config: &Config,
    progress: &Progress,
    stop: &CancellationToken,
) -> anyhow::Result<Done> {
    let output = match args.output.to_str() {
        Some("-") => Output::Stream(Box::new(io::stdout())),
        Some("discard") => Output::Stream(Box::new(io::sink())),
        _ => Output::File(
            LineFile::begin_anew(&args.output, EVENTS)
                .with_context(|| format!("cannot write {}", args.output.display()))?,
        ),
    };
    let mut writer = Writer {
        conversion: sidecar::conversion(config),
        flat: Flat::new(&config.convert),
        output,
        dead_letters: sidecar::dead_letters(config, args.dead_letters.is_some(), stop)?,
        handle: Handle::current(),
        stop: stop.clone(),
        unread: false,
        done: Done::default(),
    };
    let progress = progress.clone();
    let work =
        tokio::task::spawn_blocking(move || writer.all(listed, &progress).map(|()| writer.done));
    // It looks at `stop` between two records, but a read of standard input cannot be interrupted.
    let given_up = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        done = work => done?,
        () = given_up => Ok(Done {
            failed: true,
            ..Done::default()
        }),
    }
}

enum Output {
    Stream(Box<dyn Write + Send>),
    /// It begins anew, as one does that is written by `>`.
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

    /// Bytes that are written at once.
    fn block(&self) -> usize {
        match self {
            Output::Stream(_) => WRITE_BYTES,
            Output::File(_) => WRITE_BYTES_TO_FILE,
        }
    }
}

struct Writer {
    conversion: Conversion,
    flat: Flat,
    output: Output,
    dead_letters: DeadLetters,
    handle: Handle,
    stop: CancellationToken,
    /// Nobody reads the output any more.
    unread: bool,
    done: Done,
}

impl Writer {
    fn all(&mut self, listed: Sources, progress: &Progress) -> anyhow::Result<()> {
        for source in listed {
            if self.is_over() {
                break;
            }
            match source.and_then(|s: Source| s.open(|content| progress.wrap(content))) {
                Ok((origin, content, again)) => self.unit(origin, content, again)?,
                Err(e) => {
                    tracing::error!("{e:#}");
                    self.done.failed = true;
                }
            }
        }
        self.flush()?;
        self.done.failed = !self.unread && (self.done.failed || self.stop.is_cancelled());
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.unread || self.stop.is_cancelled()
    }

    fn unit(
        &mut self,
        origin: Origin,
        content: Box<dyn Read + Send>,
        again: Again,
    ) -> anyhow::Result<()> {
        let mut counts = Counts::default();
        let letters = UnitLetters::new(&self.dead_letters, None);
        let limits = self.conversion.limits.clone();
        let mut records = envelope::open(content, &limits).again(again);
        let organization = convert::organization(&origin.name);
        let place = |event: &Event<'_>| {
            Ok::<_, Infallible>(Placement::of(event).within(organization.as_ref()))
        };
        while !self.is_over() {
            let reject = match records.next() {
                Ok(None) => break,
                Ok(Some(Item::Record { position, bytes })) => {
                    counts.read += 1;
                    match self.conversion.place(
                        bytes,
                        position,
                        origin.observed,
                        place,
                        &mut self.flat,
                    ) {
                        Verdict::Converted { .. } => {
                            counts.exported += 1;
                            None
                        }
                        Verdict::Filtered => {
                            counts.filtered += 1;
                            None
                        }
                        Verdict::Rejected(reject) => Some(reject),
                    }
                }
                Ok(Some(Item::Reject(reject))) => {
                    counts.read += 1;
                    Some(reject)
                }
                Ok(Some(Item::Skipped(_))) => {
                    counts.skipped += 1;
                    None
                }
                Err(e) => {
                    tracing::error!(source = %origin.name, "reading failed: {e}");
                    self.done.failed = true;
                    break;
                }
            };
            if let Some(reject) = reject {
                counts.dead_lettered += 1;
                self.refuse(reject, &origin, &letters)?;
            }
            if self.flat.encoded_len() >= self.output.block() {
                self.flush()?;
            }
        }
        if let Some(summary) = letters.summary(&origin, None) {
            summary.log();
            self.keep(summary)?;
        }
        counts.bytes = records.inflated_bytes();
        self.done.files += 1;
        self.done.counts.add(&counts);
        Ok(())
    }

    fn refuse(&self, reject: Reject, origin: &Origin, letters: &UnitLetters) -> anyhow::Result<()> {
        let entry = Entry::new(origin.clone(), reject);
        match letters.admit(entry) {
            Some(entry) => {
                entry.log();
                self.keep(entry)
            }
            None => Ok(()),
        }
    }

    fn keep(&self, entry: Entry) -> anyhow::Result<()> {
        let _room = self.dead_letters.room_for(&entry)?;
        Ok(self.handle.block_on(self.dead_letters.write(vec![entry]))?)
    }

    /// Writes what is encoded. A reader that has gone (`| head`) is no error, but the end.
    fn flush(&mut self) -> anyhow::Result<()> {
        let lines = self.flat.take();
        match self.output.write(&lines) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.unread = true;
                Ok(())
            }
            written => written.context("cannot write the events"),
        }
    }
}
