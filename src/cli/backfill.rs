//! `qtrail backfill`: delivers existing files between two times.

mod first_reading;
mod report;
mod saved;
mod status;
mod verification;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context;
use globset::GlobSet;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "aws")]
pub(super) use self::report::left_out;
use self::status::with_status;
use super::args::BackfillArgs;
use super::progress::Progress;
use super::summary::{self, Files};
use super::totals::Totals;
use super::{Exit, OutputClosed, assemble, count, print};
use crate::config::{Config, paths};
use crate::export::{Destination, End, unread};
use crate::input::backfill::folder::Folder;
use crate::input::backfill::layout::Wanted;
use crate::input::backfill::source::Source;
use crate::input::backfill::{self, Backfill, Delivered, Listed, Named, Status};
use crate::runtime::clock;
use crate::runtime::shutdown::First;
use crate::sidecar::Sidecar;
use crate::telemetry;
use crate::telemetry::metrics::Metrics;

/// Lists the files, then delivers them or prints what would be read. `quiet`: no progress bars.
/// `dead_letters_are_named`: their file is configured.
pub async fn run(
    args: BackfillArgs,
    mut config: Config,
    dead_letters_are_named: bool,
    quiet: bool,
    signal: First,
) -> anyhow::Result<Exit> {
    let stop = CancellationToken::new();
    signal.stop(stop.clone(), |signal| {
        tracing::warn!(
            signal,
            "stopping: delivering what has been read; progress is saved; a second signal exits at once"
        );
    });
    let folder = folder(&args, &config);
    if !dead_letters_are_named {
        config.dead_letters.path = folder.join("dead-letters.jsonl");
    }
    if let Some(duplicates) = &mut config.duplicates {
        duplicates.folder.clone_from(&folder);
    }
    let run = Run {
        args,
        config,
        folder,
        stop,
        quiet,
    };
    match run.args.source.clone() {
        Named::Path(path) => {
            let exclude = GlobSet::new(run.args.exclude.iter().cloned())?;
            paths::check_backfill(&path, &exclude, &run.config)?;
            let source = Folder::new(&path, &run.config.state, &written(&run.config))
                .with_context(|| format!("cannot read {}", path.display()))?;
            run.run(source).await
        }
        Named::Bucket { bucket, prefix } => run.bucket(bucket, prefix).await,
    }
}

/// The files that it writes, including rotated ones.
fn written(config: &Config) -> Vec<PathBuf> {
    let written = paths::written(config).into_iter().map(|(_, path)| path);
    written.chain(config.dead_letters.rotated()).collect()
}

/// The folder of one backfill: the same source, destination and events.
fn folder(args: &BackfillArgs, config: &Config) -> PathBuf {
    let destination = match &config.export.destination {
        Destination::Otlp { logs, traces } => format!("{} {}", logs.url, traces.url),
        Destination::File(path) => path.display().to_string(),
        Destination::Stdout => "-".to_owned(),
        Destination::Discard => "discard".to_owned(),
    };
    let signals = format!("{} {}", config.convert.logs, config.convert.traces);
    let select = format!("{:?}", config.select);
    let source = args.source.identity();
    let mut what = vec![&*source, &destination, &signals, &select];
    // A tree is one of a whole range.
    let range = format!(
        "assemble {:?} {:?} {:?} {:?} {:?}",
        args.from, args.to, args.accounts, args.regions, args.exclude
    );
    what.extend(args.assemble.then_some(&*range));
    backfill::folder(&config.state, &what)
}

struct Run {
    args: BackfillArgs,
    config: Config,
    /// The folder of its saved progress.
    folder: PathBuf,
    stop: CancellationToken,
    quiet: bool,
}

impl Run {
    #[cfg(feature = "aws")]
    async fn bucket(self, bucket: String, prefix: String) -> anyhow::Result<Exit> {
        use crate::aws::Aws;
        use crate::input::backfill::bucket::Bucket;
        let aws = Aws::load(&self.config.aws).await;
        let source = Bucket::new(aws, bucket, prefix, self.config.objects);
        self.run(source).await
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "with the feature, it awaits")]
    async fn bucket(self, _: String, _: String) -> anyhow::Result<Exit> {
        anyhow::bail!("this qtrail was built without AWS")
    }

    async fn run(self, source: impl Source) -> anyhow::Result<Exit> {
        let start = Instant::now();
        let now = clock::now();
        let plan = self.plan()?;
        let wanted = self.selection(plan.as_ref(), now)?;
        let listing = match &plan {
            Some(plan) if !self.args.dry_run => Some(plan.begin(self.args.again)?),
            _ => None,
        };
        let status = Arc::new(Status::default());
        let stop = self.stop.clone();
        let backfill = Backfill::new(source, plan.clone(), listing, Arc::clone(&status), stop);
        let listed = self.list(&backfill, wanted.clone(), &status).await?;
        if self.args.dry_run {
            return self.dry_run(&listed);
        }
        report::left_out(&listed);
        let wait = self.conversations_wait(plan.as_ref(), &listed)?;
        let is_over = listed.stopped || listed.left.files == 0 && !wait;
        let (delivered, is_assembled) = match is_over {
            true => (Delivered::default(), true),
            false => self.deliver(&backfill, &listed, &status).await?,
        };
        let is_verified = self.stop.is_cancelled() || self.verify(&wanted).await?;
        if let (Some(plan), true) = (&plan, self.args.assemble && is_assembled && !is_over) {
            plan.store(saved::CONVERSATIONS, 1)?;
        }
        let files = Files {
            files: delivered.done,
            skipped_done: listed.done.files,
            gone: delivered.gone,
            unread: delivered.unread,
            left: (listed.left.files - delivered.done.min(listed.left.files)) + delivered.unmarked,
        };
        if let (Some(plan), 0, false) = (&plan, files.left, listed.stopped)
            && listed.unlisted == 0
        {
            plan.remove(&self.start_name())?;
        }
        report::end(&listed, &files, self.stop.is_cancelled(), self.args.again);
        let done = Totals {
            files: files.files,
            counts: delivered.counts,
            failed: files.left > 0 || !is_assembled || !is_verified,
            interrupted: self.stop.is_cancelled(),
        };
        summary::print_backfill(
            self.args.summary,
            &files,
            &listed.left_out,
            &done,
            start.elapsed(),
            &self.config.dead_letters.path,
        );
        Ok(exit(&listed, &done))
    }

    async fn list(
        &self,
        backfill: &Backfill<impl Source>,
        wanted: Wanted,
        status: &Status,
    ) -> anyhow::Result<Listed> {
        let progress = Progress::spinner(self.quiet);
        let line = || {
            let found = status.found.load(Ordering::Relaxed);
            let requests = status.requests.load(Ordering::Relaxed);
            format!(
                "listing: {} found with {}",
                count(found, "file"),
                count(requests, "request")
            )
        };
        let work = backfill.list(wanted);
        let work = with_status(self.quiet, work, &line, || progress.at(0, line()));
        let reader_gone = async {
            match self.args.dry_run {
                true => unread(std::io::stdout()).await,
                false => std::future::pending().await,
            }
        };
        let listed = tokio::select! {
            biased;
            listed = work => listed,
            () = reader_gone => return Err(OutputClosed.into()),
        };
        progress.finish();
        Ok(listed?)
    }

    fn dry_run(&self, listed: &Listed) -> anyhow::Result<Exit> {
        report::left_out(listed);
        report::old(listed, &self.config, &self.args.backends);
        if listed.stopped {
            tracing::error!("interrupted while listing: the list is incomplete");
        }
        let exit = print(&report::dry_run(listed))?;
        Ok(match listed.stopped || listed.unlisted > 0 {
            true => Exit::Failed,
            false => exit,
        })
    }

    async fn deliver(
        &self,
        backfill: &Backfill<impl Source>,
        listed: &Listed,
        status: &Status,
    ) -> anyhow::Result<(Delivered, bool)> {
        report::old(listed, &self.config, &self.args.backends);
        let tree = match self.args.assemble {
            true => {
                assemble::require_all_spans(&self.config)?;
                Some(self.tree(backfill, listed, status).await?)
            }
            false => None,
        };
        if self.stop.is_cancelled() {
            return Ok((Delivered::default(), false));
        }
        let metrics = Arc::new(Metrics::default());
        let mut sidecar = Sidecar::start(&self.config, Arc::clone(&metrics), true)?;
        let duplicates = sidecar.drop_duplicates(&self.config)?;
        sidecar.follow_people(&self.config, self.stop.clone())?;
        sidecar.learn_names(&self.config, self.stop.clone()).await;
        sidecar.pipeline = sidecar.pipeline.clone().for_backfill();
        telemetry::export(&metrics);
        if let Some(tree) = &tree {
            sidecar.pipeline = sidecar.pipeline.clone().with_tree(Arc::clone(tree));
        }
        let progress = Progress::files(listed.left.bytes, self.quiet);
        let total = listed.left.files;
        let line = || status::line(status, total, &metrics);
        let (pipeline, abort) = (sidecar.pipeline.clone(), sidecar.abort.clone());
        let work = backfill.deliver(self.args.fetchers as usize, pipeline, abort);
        let work = with_status(self.quiet, work, &line, || {
            progress.at(status.bytes.load(Ordering::Relaxed), line());
        });
        let work = async {
            let delivered = work.await?;
            // Without all of its events, a conversation has other counts and another end.
            let is_complete = delivered.done >= total && delivered.unmarked == 0;
            let is_assembled = match &tree {
                None => true,
                Some(tree) if is_complete => {
                    assemble::deliver(tree, &sidecar.exporter, &self.config).await
                }
                Some(_) => false,
            };
            Ok((delivered, is_assembled))
        };
        let drained = sidecar.drain(work, &self.stop, self.config.shutdown).await;
        progress.finish();
        if let Some(writer) = duplicates {
            writer.close().await;
        }
        match drained.end {
            Some(End::Unread) => return Err(OutputClosed.into()),
            Some(End::Failed(reason)) => tracing::error!("giving up: {reason}"),
            None => {}
        }
        match drained.output {
            Some(delivered) => delivered,
            None => anyhow::bail!(
                "deliveries in flight did not stop in time; run the same command again to resume"
            ),
        }
    }
}

/// A signal before the end makes it fail, as for the commands that save no progress.
fn exit(listed: &Listed, done: &Totals) -> Exit {
    let left = done.interrupted || listed.stopped || listed.unlisted > 0 || done.failed;
    Exit::of(left, done.counts.dead_lettered)
}
