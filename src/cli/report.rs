//! `qtrail report`: what agents did, for whom, and what was denied.
//!
//! Enters: files in any container, objects of a bucket, or standard input. Leaves: a report as text, CSV, JSON or HTML. What must hold:
//! the same events give the same report, in any order and from any files; no text of a record can control a
//! terminal, run in a browser or become a formula; memory stays within `limits.memory`: events that do
//! not fit are in a temporary file, and the report says what does not fit even so.

mod basis;
pub(super) mod bucket;
mod columns;
mod csv;
pub(super) mod events;
pub(super) mod filter;
mod html;
mod json;
pub(super) mod people;
pub(super) mod relations;
pub(super) mod store;
pub(super) mod table;
pub(super) mod text;
mod words;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use self::basis::{Basis, DeadLetters};
use self::filter::Filter;
use self::people::{People, people};
use self::store::{Store, Stored};
use self::text::{Paint, rfc3339};
use super::args::{ReportArgs, ReportFormat};
use super::files::{Outputs, sources};
use super::progress::Progress;
use super::reading::{Reading, Target};
use super::{Exit, OutputClosed};
use crate::config::Config;
use crate::dead_letter::Origin;
use crate::export::unread;
use crate::input::backfill::Named;
use crate::pipeline::Unit;
use crate::sidecar;
use crate::view::event::{Collector, Event};
use qtrail_core::assemble::REACH;
use qtrail_core::convert::Body;
use qtrail_core::event::amazon_q::Select;
use qtrail_core::reject::Reject;

/// Reads the files and writes the report. `quiet`: no progress bar.
///
/// # Errors
/// A path does not exist; the report cannot be written.
pub async fn run(args: ReportArgs, config: Config, quiet: bool) -> anyhow::Result<Exit> {
    let to_stdout = args.file().is_none();
    let work = tokio::task::spawn_blocking({
        let progress = Progress::over(&args.paths, quiet);
        move || {
            let done = report(&args, &config, &progress);
            progress.finish();
            done
        }
    });
    // The reader of the output may exit while the input is idle.
    tokio::select! {
        biased;
        done = work => done?,
        () = unread(io::stdout()), if to_stdout => Err(OutputClosed.into()),
    }
}

fn report(args: &ReportArgs, config: &Config, progress: &Progress) -> anyhow::Result<Exit> {
    let filter = filter(args, config)?;
    // A file that cannot be written is an error before everything is read.
    let file = args.file().map(open).transpose()?;
    let (found, exit) = read(args, config, &filter, progress)?;
    progress.finish();
    let people = people(&found.stored.events, &filter)?;
    match file {
        Some(file) => {
            let cannot = || format!("cannot write {}", file.path.display());
            file.rewrite(|out| write(args.format, Paint(false), &people, &found.basis, out))
                .with_context(cannot)?;
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let written = write(args.format, Paint(colours), &people, &found.basis, &mut out);
            super::written(written.and_then(|()| out.flush()))?;
        }
    }
    Ok(exit)
}

/// What was read.
struct Found {
    stored: Stored,
    basis: Basis,
}

/// Reads all events that the report needs.
fn read(
    args: &ReportArgs,
    config: &Config,
    filter: &Filter,
    progress: &Progress,
) -> anyhow::Result<(Found, Exit)> {
    let mut outputs = Outputs::default();
    match args.file() {
        Some(path) => outputs.paths.push(path.to_path_buf()),
        None => outputs.add_stdout(),
    }
    let (buckets, paths) = named(&args.paths)?;
    let listed = sources(&paths, outputs)?;
    let mut conversion = sidecar::conversion(config);
    // Only attributes: the report does not show bodies. Tool calls list their calls in an object.
    conversion.options.body = Body::Original;
    conversion.options.maps = true;
    let (mut store, mut outside) = (Store::new(config.memory_bytes), 0);
    let mut dead_letters = DeadLetters::default();
    let never = CancellationToken::new();
    let letters = sidecar::dead_letters(config, false, &never)?;
    let mut reading = Reading::new(conversion, letters, never);
    let collector = Collector::new(|event: Event| match filter.wants_time(event.time, REACH) {
        true => store.add(event),
        false => outside += 1,
    });
    let mut target = ReportTarget {
        collector,
        dead_letters: &mut dead_letters,
    };
    // First, since one that cannot be listed is an error.
    for (bucket, prefix) in buckets {
        let each = |mut unit: Unit| {
            unit.origin.input = "files";
            reading.one(unit, progress, &mut target)
        };
        let is_complete = bucket::read(bucket, prefix, config, each)?;
        reading.done.failed |= !is_complete;
    }
    reading.all(listed, progress, &mut target)?;
    let stored = store.finish()?;
    let mut basis = Basis::of(&reading.done, &stored, dead_letters, outside)?;
    basis.paths = args
        .paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    basis.all = config.select == Select::All;
    basis.filters = filter.described(rfc3339);
    let exit = match basis.left_out {
        0 => reading.done.exit(),
        _ => Exit::Failed,
    };
    Ok((Found { stored, basis }, exit))
}

/// Buckets, with their prefixes; and paths.
pub(super) type Inputs = (Vec<(String, String)>, Vec<PathBuf>);

/// Tells buckets from paths.
pub(super) fn named(arguments: &[PathBuf]) -> anyhow::Result<Inputs> {
    let (mut buckets, mut paths) = Inputs::default();
    for argument in arguments {
        match Named::parse(&argument.to_string_lossy()).map_err(anyhow::Error::msg)? {
            Named::Bucket { bucket, prefix } => buckets.push((bucket, prefix)),
            // The text may not be all of the path.
            Named::Path(_) => paths.push(argument.clone()),
        }
    }
    Ok((buckets, paths))
}

/// The sink and the dead letters of a report.
struct ReportTarget<'d, E> {
    collector: Collector<E>,
    dead_letters: &'d mut DeadLetters,
}

impl<E: FnMut(Event)> Target for ReportTarget<'_, E> {
    type Sink = Collector<E>;

    fn sink(&mut self) -> &mut Collector<E> {
        &mut self.collector
    }

    fn rejected(&mut self, origin: &Origin, reject: &Reject) {
        self.dead_letters.add(origin, reject);
    }
}

fn filter(args: &ReportArgs, config: &Config) -> anyhow::Result<Filter> {
    // Any of a person's ids asks for that person.
    let person = |who: &String| config.convert.person(who).unwrap_or_else(|| who.clone());
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond())?;
    Ok(Filter {
        people: args.people.iter().map(person).collect(),
        conversations: args.conversations.clone(),
        agents: args.agents.clone(),
        denied: args.denied,
        writes: args.writes,
        from: args.from.map(|from| from.first(now)),
        to: args.to.map(|to| to.end(now)),
    })
}

/// The file of a report.
struct Output<'a> {
    path: &'a Path,
    file: File,
}

/// Opens or creates the file. Its content stays until the report is written.
fn open(path: &Path) -> anyhow::Result<Output<'_>> {
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false).open(path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Output { path, file })
}

impl Output<'_> {
    fn rewrite(
        &self,
        content: impl FnOnce(&mut BufWriter<&File>) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        let mut out = BufWriter::new(&self.file);
        content(&mut out)?;
        out.flush()
    }
}

fn write(
    format: ReportFormat,
    paint: Paint,
    people: &People<'_>,
    basis: &Basis,
    out: &mut impl Write,
) -> io::Result<()> {
    match format {
        ReportFormat::Table => table::write(people, basis, paint, out),
        ReportFormat::Csv => csv::write(people, out),
        ReportFormat::Json => json::write(people, basis, out),
        ReportFormat::Html => html::write(people, basis, out),
    }
}

#[cfg(test)]
mod tests;
