//! `qtrail convert --format events`: one flat JSON object an event, in the order of the input.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Read, Write};

use anyhow::Context;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::args::ConvertArgs;
use super::convert::Done;
use super::files::{Source, Sources};
use super::progress::Progress;
use crate::ack::Origin;
use crate::ack::dead_letter::{DeadLetters, Entry};
use crate::config::Config;
use crate::convert::{self, Placement};
use crate::envelope::{self, Again, Item};
use crate::event::Event;
use crate::otlp::Flat;
use crate::pipeline::Counts;
use crate::pipeline::conversion::{Conversion, Verdict};
use crate::reject::Reject;
use crate::sidecar;

/// Encoded bytes beyond which they are written out.
const WRITE_BYTES: usize = 64 << 10;

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
    let output: Box<dyn Write + Send> = match args.output.to_str() {
        Some("-") => Box::new(io::stdout()),
        Some("discard") => Box::new(io::sink()),
        _ => Box::new(
            File::create(&args.output)
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
        done: Done::default(),
    };
    let progress = progress.clone();
    let work =
        tokio::task::spawn_blocking(move || writer.all(listed, &progress).map(|()| writer.done));
    work.await?
}

struct Writer {
    conversion: Conversion,
    flat: Flat,
    output: Box<dyn Write + Send>,
    dead_letters: DeadLetters,
    handle: Handle,
    stop: CancellationToken,
    done: Done,
}

impl Writer {
    fn all(&mut self, listed: Sources, progress: &Progress) -> anyhow::Result<()> {
        for source in listed {
            if self.stop.is_cancelled() {
                self.done.failed = true;
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
        self.flush()
    }

    fn unit(
        &mut self,
        origin: Origin,
        content: Box<dyn Read + Send>,
        again: Again,
    ) -> anyhow::Result<()> {
        let mut counts = Counts::default();
        let limits = self.conversion.limits.clone();
        let mut records = envelope::open(content, &limits).again(again);
        let organization = convert::organization(&origin.name);
        let place = |event: &Event<'_>| {
            Ok::<_, Infallible>(Placement::of(event).within(organization.as_ref()))
        };
        while !self.stop.is_cancelled() {
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
                self.refuse(reject, &origin)?;
            }
            if self.flat.encoded_len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        counts.bytes = records.inflated_bytes();
        self.done.files += 1;
        self.done.counts.add(&counts);
        Ok(())
    }

    fn refuse(&self, reject: Reject, origin: &Origin) -> anyhow::Result<()> {
        let entry = Entry {
            origin: origin.clone(),
            event_id: None,
            reject,
        };
        entry.log();
        Ok(self.handle.block_on(self.dead_letters.write(vec![entry]))?)
    }

    /// Writes what is encoded. A reader that has gone (`| head`) is no error, but the end.
    fn flush(&mut self) -> anyhow::Result<()> {
        let lines = self.flat.take();
        match self
            .output
            .write_all(&lines)
            .and_then(|()| self.output.flush())
        {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.stop.cancel();
                Ok(())
            }
            written => written.context("cannot write the events"),
        }
    }
}
