//! `qtrail explain`: shows how a record is converted, as a table.
//!
//! Enters: a file in any container, or standard input. Leaves: for each requested record its class, its
//! identity, its ids with the rules behind them, and each attribute with its value and source. What must hold:
//! the values are those that the exporter sends (redaction included); nothing in a record can control a
//! terminal.

mod table;

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::args::ExplainArgs;
use super::{Exit, OutputClosed, files};
use crate::config::Config;
use crate::export::unread;
use crate::telemetry::printable::printable;
use qtrail_core::convert::{self, Attribute, Placement, observed_time, organization};
use qtrail_core::envelope::{self, Again, Item, Limits};
use qtrail_core::event::Event;
use qtrail_core::event::agents::Family;
use qtrail_core::event::amazon_q::{Lists, Select, Selector};
use qtrail_core::reject::{Position, Reason};
use table::Table;

/// The records to explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Which {
    /// The first selected record.
    #[default]
    First,
    /// The record with this number, from 0, selected or not.
    Index(u64),
    /// All selected records.
    All,
}

/// How to explain records.
#[derive(Debug, Clone, Default)]
pub struct Explain {
    /// The records to explain.
    pub which: Which,
    /// Which events are selected.
    pub select: Select,
    /// How Amazon Q's events are recognized.
    pub lists: Lists,
    /// Limits of the input.
    pub limits: Limits,
    /// How events are converted.
    pub convert: convert::Options,
    /// When the input was delivered, in nanoseconds since 1970.
    pub observed: Option<i64>,
    /// The organization whose trail delivered the input.
    pub organization: Option<Attribute<'static>>,
}

/// Prints how records are converted.
///
/// # Errors
/// The file cannot be read, or does not have the requested record.
pub async fn run(args: ExplainArgs, config: Config) -> anyhow::Result<Exit> {
    // The reader of the output may exit while the input is idle.
    let work = tokio::task::spawn_blocking(move || explain_file(&args, config));
    tokio::select! {
        biased;
        done = work => done?,
        () = unread(io::stdout()) => Err(OutputClosed.into()),
    }
}

fn explain_file(args: &ExplainArgs, config: Config) -> anyhow::Result<Exit> {
    let never = CancellationToken::new();
    let mut options = Explain {
        which: match args.index {
            Some(index) => Which::Index(index),
            None if args.all => Which::All,
            None => Which::First,
        },
        select: config.select,
        lists: config.lists,
        limits: config.limits,
        convert: config.convert,
        observed: None,
        organization: None,
    };
    let out = BufWriter::new(Stdout(io::stdout().lock()));
    if args.file == Path::new("-") {
        let (input, again) = files::stdin(false, &never)?;
        explain(input, Some(again), &options, out)?;
    } else {
        let path = args.file.display();
        let file = File::open(&args.file).with_context(|| format!("cannot open {path}"))?;
        anyhow::ensure!(
            !args.file.is_dir(),
            "{path} is a directory: choose a file in it"
        );
        options.organization = organization(&args.file.to_string_lossy());
        options.observed = observed_time(&args.file.to_string_lossy(), modified(&file));
        let (input, again) = files::read(file, false, &never)?;
        explain(input, Some(again), &options, out).with_context(|| format!("in {path}"))?;
    }
    Ok(Exit::Done)
}

/// Standard output, with errors that name it, since input errors are returned too.
struct Stdout(io::StdoutLock<'static>);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let named = |e: io::Error| {
            io::Error::new(e.kind(), format!("cannot write to standard output: {e}"))
        };
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn modified(file: &File) -> Option<i64> {
    let modified = file.metadata().ok()?.modified().ok()?;
    let since = modified.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_nanos()).ok()
}

/// Writes the tables of the requested records. `again`: a way to read the input again.
///
/// # Errors
/// The input cannot be read or does not have the record, or the output cannot be written (unless its reader has
/// exited, like `head`).
pub fn explain<W: Write>(
    input: impl Read,
    again: Option<Again>,
    options: &Explain,
    out: W,
) -> anyhow::Result<()> {
    let select = match options.which {
        Which::Index(_) => Select::All,
        Which::First | Which::All => options.select,
    };
    let mut explainer = Explainer {
        options,
        selector: Selector::new(select, &options.lists),
        out,
        read: 0,
        refused: 0,
        explained: 0,
    };
    match explainer.all(input, again) {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        other => other,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

struct Explainer<'o, W> {
    options: &'o Explain,
    selector: Selector,
    out: W,
    read: u64,
    refused: u64,
    explained: u64,
}

impl<W: Write> Explainer<'_, W> {
    fn all(&mut self, input: impl Read, again: Option<Again>) -> anyhow::Result<()> {
        let mut records = envelope::open(input, &self.options.limits);
        if let Some(again) = again {
            records = records.again(again);
        }
        while !self.is_done()
            && let Some(item) = records.next()?
        {
            match item {
                Item::Record { position, bytes } => {
                    self.read += 1;
                    self.record(position, bytes)?;
                }
                Item::Reject(reject) => {
                    self.read += 1;
                    self.reject(reject.position, &reject.reason)?;
                }
                Item::Skipped(skipped) => {
                    writeln!(
                        self.out,
                        "skipped: {}, which has no events\n",
                        skipped.as_str()
                    )?;
                }
            }
        }
        self.out.flush()?;
        if self.explained == 0 {
            anyhow::bail!(self.no_match());
        }
        Ok(())
    }

    fn is_requested(&self, position: Position) -> bool {
        match self.options.which {
            Which::Index(index) => position.index == index,
            Which::First | Which::All => true,
        }
    }

    fn is_done(&self) -> bool {
        self.options.which != Which::All && self.explained > 0
    }

    fn no_match(&self) -> String {
        let read = self.read;
        match self.options.which {
            Which::Index(index) => {
                format!(
                    "no record {index}: the input has {}, counted from 0",
                    super::count(read, "record")
                )
            }
            _ if read == 0 => "the input has no CloudTrail records".to_owned(),
            _ if read == self.refused => "the input has no readable records".to_owned(),
            _ if self.options.select == Select::Agents => format!(
                "none of the {read} records is an agent's event (use --select all or --index N to explain others)"
            ),
            _ => format!(
                "none of the {read} records is an Amazon Q event (use --select agents, --select all or --index N to explain others)"
            ),
        }
    }

    fn record(&mut self, position: Position, bytes: &[u8]) -> anyhow::Result<()> {
        if !self.is_requested(position) {
            return Ok(());
        }
        let (mut canonical, depth) = (Vec::new(), self.options.limits.depth);
        let event = match self.selector.select_any(bytes, &mut canonical, depth) {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(()),
            Err(reason) => return self.reject(position, &reason),
        };
        self.explained += 1;
        self.heading(position)?;
        if let Some(why) = ignored(self.options.select, &event) {
            writeln!(self.out, "{why}")?;
        }
        let placement = Placement::of(&event).within(self.options.organization.as_ref());
        let mut table = Table::of(&event);
        let options = &self.options.convert;
        convert::convert(
            event,
            &placement,
            self.options.observed,
            options,
            &mut table,
        );
        table.write(&mut self.out)?;
        Ok(())
    }

    fn reject(&mut self, position: Position, reason: &Reason) -> anyhow::Result<()> {
        if !self.is_requested(position) {
            return Ok(());
        }
        // A requested record is explained by its reason.
        self.explained += u64::from(matches!(self.options.which, Which::Index(_)));
        self.refused += 1;
        self.heading(position)?;
        let reason = printable(&reason.to_string());
        writeln!(self.out, "a dead letter: {reason}\n")?;
        Ok(())
    }

    fn heading(&mut self, position: Position) -> io::Result<()> {
        let Position {
            index,
            offset,
            length,
        } = position;
        writeln!(
            self.out,
            "record {index}, at byte {offset}, {}",
            super::count(length, "byte")
        )
    }
}

/// Why an event is not selected.
fn ignored(select: Select, event: &Event<'_>) -> Option<&'static str> {
    match (select, event.family()) {
        (Select::All, _) | (Select::AmazonQ, Some(Family::AmazonQ)) | (Select::Agents, Some(_)) => {
            None
        }
        (Select::AmazonQ, Some(_)) => {
            Some("another agent's event: ignored unless `select` is `agents` or `all`")
        }
        (Select::AmazonQ, None) => Some("not an Amazon Q event: ignored unless `select` is `all`"),
        (Select::Agents, None) => Some("no agent's event: ignored unless `select` is `all`"),
    }
}

#[cfg(test)]
mod tests;
