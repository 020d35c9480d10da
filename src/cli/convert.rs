//! `qtrail convert`: files once, without state.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::args::{ConvertArgs, Format};
use super::files::{FileId, Source, Sources, sources};
use super::progress::Progress;
use super::{Exit, events, summary};
use crate::ack::Outcome;
use crate::config::Config;
use crate::export::{self, Destination};
use crate::pipeline::{Content, Counts, Report, Truncation, Unit};
use crate::shutdown;
use crate::sidecar::Sidecar;

/// Converts what is named, then tells a summary. `quiet`: no progress bars.
pub async fn run(args: ConvertArgs, mut config: Config, quiet: bool) -> anyhow::Result<Exit> {
    let begun = Instant::now();
    let written = (args.export.endpoint.is_none())
        .then(|| output_file(&args.output))
        .flatten();
    let listed = sources(&args.paths, written)?;
    let total = total_bytes(&args.paths);
    let progress = Progress::new(total, quiet);
    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone())?;

    let done = if args.format == Format::Events {
        events::write(listed, &args, &config, &progress, &stop).await?
    } else {
        if args.export.endpoint.is_none() {
            config.export.destination = destination(&args.output)?;
        }
        deliver(listed, &args, &config, &progress, &stop).await?
    };
    progress.finish();
    summary::tell(args.summary, done.files, &done.counts, begun.elapsed());
    Ok(done.exit())
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) files: u64,
    pub(super) counts: Counts,
    /// Something could not be read or delivered, and was told.
    pub(super) failed: bool,
}

impl Done {
    pub(super) fn exit(&self) -> Exit {
        Exit::of(self.failed, self.counts.dead_lettered)
    }

    pub(super) fn take(&mut self, name: &str, report: &Report) {
        self.files += 1;
        self.counts.add(&report.counts);
        if let Some(error) = &report.read_error {
            tracing::error!(source = name, "reading failed: {error}");
        }
        if let Outcome::Blocked(reason) = &report.outcome {
            tracing::error!(source = name, "not delivered: {reason}");
        }
        if report.outcome != Outcome::Delivered {
            self.failed = true;
        }
    }
}

/// Where OTLP JSON lines go. A file begins anew, as one does that is written by `>`.
fn destination(output: &Path) -> anyhow::Result<Destination> {
    Ok(match output.to_str() {
        Some("-") => Destination::Stdout,
        Some("discard") => Destination::Discard,
        _ => {
            export::begin_anew(output)?;
            Destination::File(output.to_path_buf())
        }
    })
}

/// The regular file that is written to, if it is there already: it must not be read too.
fn output_file(output: &Path) -> Option<FileId> {
    let status = match output.to_str() {
        Some("-") => rustix::fs::fstat(io::stdout()),
        Some("discard") => return None,
        _ => rustix::fs::stat(output),
    };
    let status = status.ok()?;
    let is_file = rustix::fs::FileType::from_raw_mode(status.st_mode).is_file();
    is_file.then_some((status.st_dev, status.st_ino))
}

async fn deliver(
    listed: Sources,
    args: &ConvertArgs,
    config: &Config,
    progress: &Progress,
    stop: &CancellationToken,
) -> anyhow::Result<Done> {
    let mut config = config.clone();
    let in_order = matches!(
        config.export.destination,
        Destination::Stdout | Destination::File(_)
    );
    if in_order {
        config.export.concurrency = 1;
    }
    let workers = match in_order {
        true => 1,
        false => std::thread::available_parallelism().map_or(1, usize::from),
    };
    let sidecar = Sidecar::start(&config, Arc::default(), args.dead_letters.is_some())?;
    let work = each(listed, workers, &sidecar, progress, stop);
    let done = shutdown::drain(work, stop, &sidecar.abort, config.shutdown).await;
    let mut done = done.unwrap_or_else(|| Done {
        failed: true,
        ..Done::default()
    });
    done.failed |= stop.is_cancelled();
    if sidecar.exporter.closed().is_some() {
        // Nobody reads the output any more, as in `qtrail convert … | head`.
        done.failed = false;
    }
    Ok(done)
}

/// Delivers each source, `workers` at a time.
async fn each(
    listed: Sources,
    workers: usize,
    sidecar: &Sidecar,
    progress: &Progress,
    stop: &CancellationToken,
) -> Done {
    let mut done = Done::default();
    let mut under_way = JoinSet::new();
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let mut listed = listed.fuse();
    loop {
        while under_way.len() < workers && !stop.is_cancelled() {
            match listed
                .next()
                .map(|source| source.and_then(|s| open(s, progress)))
            {
                None => break,
                Some(Err(e)) => {
                    tracing::error!("{e:#}");
                    done.failed = true;
                }
                Some(Ok(unit)) => {
                    let pipeline = sidecar.pipeline.clone();
                    let name = unit.origin.name.clone();
                    under_way.spawn(async move { (name, pipeline.deliver(unit).await) });
                }
            }
        }
        tokio::select! {
            joined = under_way.join_next() => match joined {
                None => return done,
                Some(Ok((name, report))) => done.take(&name, &report),
                Some(Err(e)) => {
                    tracing::error!("a worker ended: {e}");
                    done.failed = true;
                }
            },
            _ = tick.tick() => progress.events(&sidecar.metrics),
        }
    }
}

fn open(source: Source, progress: &Progress) -> anyhow::Result<Unit> {
    let (origin, content, again) = source.open(|content| progress.wrap(content))?;
    Ok(Unit {
        origin,
        content: Content::Twice(content, again),
        base: 0,
        truncation: Truncation::Reject,
        inflated_bytes: None,
    })
}

/// The bytes to read, where they are known beforehand and cheap to count.
fn total_bytes(paths: &[std::path::PathBuf]) -> Option<u64> {
    paths
        .iter()
        .map(|path| {
            std::fs::metadata(path)
                .ok()
                .filter(|m| m.is_file())
                .map(|m| m.len())
        })
        .sum()
}
