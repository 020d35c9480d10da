//! `qtrail explain`: shows how a record is converted, as a table or as JSON.
//!
//! Enters: files in any container, or standard input. Leaves: for each requested record its class, its identity, its
//! ids with the rules behind them, and each attribute with its value and the source that gave it. What must hold: the
//! values are those that the exporter sends (redaction included); nothing in a record can control a terminal.

mod attribute;
mod explained;
mod explainer;
mod rules;
mod source;
mod text;

use std::io::{self, BufWriter, Write};

use tokio_util::sync::CancellationToken;

use super::args::{ExplainArgs, TextFormat};
use super::{Exit, OutputClosed};
use crate::config::Config;
use crate::export::unread;
use crate::sidecar;
use explainer::Explainer;
use qtrail_core::convert;
use qtrail_core::envelope::Limits;
use qtrail_core::event::amazon_q::{Lists, Select};

/// The records to explain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Which {
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
struct Explain {
    /// The records to explain.
    which: Which,
    /// Which events are selected.
    select: Select,
    /// How Amazon Q's events are recognized.
    lists: Lists,
    /// Limits of the input.
    limits: Limits,
    /// How events are converted.
    convert: convert::Options,
    /// How it is printed.
    format: TextFormat,
    /// Whether each value is printed whole.
    wide: bool,
}

/// Prints how records are converted.
///
/// # Errors
/// The file cannot be read, or does not have the requested record.
pub async fn run(args: ExplainArgs, config: Config) -> anyhow::Result<Exit> {
    // The reader of the output may exit while the input is idle.
    let work = tokio::task::spawn_blocking(move || explain_all(&args, config));
    tokio::select! {
        biased;
        done = work => done?,
        () = unread(io::stdout()) => Err(OutputClosed.into()),
    }
}

fn explain_all(args: &ExplainArgs, config: Config) -> anyhow::Result<Exit> {
    let convert = sidecar::conversion(&config).options;
    let options = Explain {
        which: match args.index {
            Some(index) => Which::Index(index),
            None if args.all => Which::All,
            None => Which::First,
        },
        select: config.select,
        lists: config.lists,
        limits: config.limits,
        convert,
        format: args.format,
        wide: args.wide,
    };
    let out = BufWriter::new(Stdout(io::stdout().lock()));
    let mut explainer = Explainer::new(&options, out);
    let never = CancellationToken::new();
    match explainer.files(&args.paths, &never) {
        Err(error) if is_broken_pipe(&error) => Ok(Exit::Done),
        other => other,
    }
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

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
