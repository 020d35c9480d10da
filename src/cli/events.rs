//! `qtrail convert --format events`: one flat JSON object an event, in the order of the input.

use std::convert::Infallible;
use std::fs::File;
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
use crate::ack::dead_letter::{DeadLetters, Entry};
use crate::config::Config;
use crate::convert::{self, Placement};
use crate::envelope::{self, Item};
use crate::event::Event;
use crate::otlp::Flat;
use crate::pipeline::Counts;
use crate::pipeline::conversion::{Conversion, Verdict};
use crate::reject::Reject;
use crate::sidecar;

/// How long a file may take to end once a signal came.
const GRACE: Duration = Duration::from_secs(2);
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

struct Writer {
    conversion: Conversion,
    flat: Flat,
    output: Box<dyn Write + Send>,
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
                Ok((origin, content)) => self.unit(origin, content)?,
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

    fn unit(&mut self, origin: Origin, content: Box<dyn Read + Send>) -> anyhow::Result<()> {
        let mut counts = Counts::default();
        let limits = self.conversion.limits.clone();
        let mut records = envelope::open(content, &limits);
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
                self.unread = true;
                Ok(())
            }
            written => written.context("cannot write the events"),
        }
    }
}
