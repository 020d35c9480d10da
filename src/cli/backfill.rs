//! `qtrail backfill`: what is there already, between two times.

mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context;
use globset::GlobSet;
use tokio_util::sync::CancellationToken;

use super::args::BackfillArgs;
use super::progress::Progress;
use super::summary::{self, Files};
use super::totals::Totals;
use super::{Exit, OutputClosed, print};
use crate::config::{self, Config, paths};
use crate::export::{Destination, End, unread};
use crate::input::backfill::folder::Folder;
use crate::input::backfill::layout::Wanted;
use crate::input::backfill::plan::Plan;
use crate::input::backfill::source::Source;
use crate::input::backfill::when::{When, shown};
use crate::input::backfill::{self, Backfill, Delivered, Listed, Named, Status};
use crate::runtime::shutdown::First;
use crate::sidecar::Sidecar;
use crate::telemetry::metrics::Metrics;

/// How often it is told how far it is, where there is no terminal.
const TOLD: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(200);

/// Lists, then delivers or tells what would be. `quiet`: no progress bars.
/// `dead_letters_are_named`: somebody chose their file.
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
            "stopping: what was read is delivered; a second signal ends at once. What is done is remembered"
        );
    });
    let folder = folder(&args, &config);
    if !dead_letters_are_named {
        config.dead_letters.path = folder.join("dead-letters.jsonl");
    }
    if let Some(duplicates) = &mut config.duplicates {
        duplicates.folder.clone_from(&folder);
    }
    let this = Command {
        args,
        config,
        folder,
        stop,
        quiet,
    };
    match this.args.source.clone() {
        Named::Path(path) => {
            let exclude = GlobSet::new(this.args.exclude.iter().cloned())?;
            paths::check_backfill(&path, &exclude, &this.config)?;
            let source = Folder::new(&path, &this.config.state, &written(&this.config))
                .with_context(|| format!("cannot read {}", path.display()))?;
            this.run(source).await
        }
        Named::Bucket { bucket, prefix } => this.bucket(bucket, prefix).await,
    }
}

/// The files that it writes, also what is rotated.
fn written(config: &Config) -> Vec<PathBuf> {
    let written = paths::written(config).into_iter().map(|(_, path)| path);
    written.chain(config.dead_letters.rotated()).collect()
}

/// One backfill: of the same source, to the same place, of the same events.
fn folder(args: &BackfillArgs, config: &Config) -> PathBuf {
    let destination = match &config.export.destination {
        Destination::Otlp { logs, traces } => format!("{} {}", logs.url, traces.url),
        Destination::File(path) => path.display().to_string(),
        Destination::Stdout => "-".to_owned(),
        Destination::Discard => "discard".to_owned(),
    };
    let signals = format!("{} {}", config.convert.logs, config.convert.traces);
    let select = format!("{:?}", config.select);
    let what = [&args.source.identity(), &destination, &signals, &select];
    backfill::folder(&config.state, &what.map(String::as_str))
}

struct Command {
    args: BackfillArgs,
    config: Config,
    /// Of this backfill.
    folder: PathBuf,
    stop: CancellationToken,
    quiet: bool,
}

impl Command {
    #[cfg(feature = "aws")]
    async fn bucket(self, bucket: String, prefix: String) -> anyhow::Result<Exit> {
        use crate::aws::Aws;
        use crate::input::backfill::bucket::Bucket;
        let aws = Aws::load(&self.config.aws).await;
        let requester_pays = self.config.aws.requester_pays;
        let source = Bucket::new(aws, bucket, prefix, self.config.objects, requester_pays);
        self.run(source).await
    }

    #[cfg(not(feature = "aws"))]
    #[expect(clippy::unused_async, reason = "with the feature, it awaits")]
    async fn bucket(self, _: String, _: String) -> anyhow::Result<Exit> {
        anyhow::bail!("this qtrail was built without AWS")
    }

    async fn run(self, source: impl Source) -> anyhow::Result<Exit> {
        let begun = Instant::now();
        let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
        let plan = self.plan()?;
        let wanted = self.wanted(plan.as_ref(), now)?;
        let listing = match &plan {
            Some(plan) if !self.args.dry_run => Some(plan.begin(self.args.again)?),
            _ => None,
        };
        let status = Arc::new(Status::default());
        let stop = self.stop.clone();
        let backfill = Backfill::new(source, plan.clone(), listing, Arc::clone(&status), stop);
        let listed = self.list(&backfill, wanted, &status).await?;
        if self.args.dry_run {
            return self.dry_run(&listed);
        }
        report::left_out(&listed);
        let delivered = match listed.stopped || listed.left.files == 0 {
            true => Delivered::default(),
            false => self.deliver(&backfill, &listed, &status).await?,
        };
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
            plan.release(&self.start_name())?;
        }
        report::end(&listed, &files, self.stop.is_cancelled(), self.args.again);
        let done = Totals {
            files: files.files,
            counts: delivered.counts,
            failed: files.left > 0,
            interrupted: self.stop.is_cancelled(),
        };
        summary::print_backfill(
            self.args.summary,
            &files,
            &listed.left_out,
            &done,
            begun.elapsed(),
        );
        Ok(exit(&listed, &files, &done))
    }

    /// What is known of this backfill. A dry run makes nothing.
    fn plan(&self) -> anyhow::Result<Option<Plan>> {
        if self.args.dry_run {
            return Ok(match Plan::is_there(&self.folder) {
                true => Some(Plan::open(&self.folder)?),
                false => None,
            });
        }
        let plan = Plan::open(&self.folder)?;
        if self.args.again {
            plan.release(&self.start_name())?;
            // What it knows would be left out once more.
            if let Some(duplicates) = &self.config.duplicates {
                crate::pipeline::dedup::forget(duplicates)?;
            }
        }
        Ok(Some(plan))
    }

    /// What a relative start is held under until all since then is done.
    fn start_name(&self) -> String {
        let args = &self.args;
        format!(
            "from {:?} {:?} {:?}",
            args.from, args.accounts, args.regions
        )
    }

    fn wanted(&self, plan: Option<&Plan>, now: i64) -> anyhow::Result<Wanted> {
        let mut from = self.args.from.first(now);
        if let (Some(plan), When::Ago(_)) = (plan, self.args.from) {
            let held = match self.args.dry_run {
                true => plan.held(&self.start_name())?.unwrap_or(from),
                false => plan.hold(&self.start_name(), from)?,
            };
            if held != from {
                tracing::info!("going on from {}, as at the first start", shown(held));
            }
            from = held;
        }
        let to = self.args.to.map_or(i64::MAX, |to| to.end(now));
        if from >= to {
            let (from, to) = (shown(from), shown(to));
            let problem = format!("nothing is between --from {from} and --to {to}");
            return Err(config::Error::of(problem).into());
        }
        Ok(Wanted {
            from,
            to,
            accounts: self.args.accounts.iter().cloned().collect(),
            regions: self.args.regions.iter().cloned().collect(),
            exclude: GlobSet::new(self.args.exclude.iter().cloned())?,
        })
    }

    async fn list(
        &self,
        backfill: &Backfill<impl Source>,
        wanted: Wanted,
        status: &Status,
    ) -> anyhow::Result<Listed> {
        let progress = Progress::spinner(self.quiet);
        let told = || {
            let found = status.found.load(Ordering::Relaxed);
            let requests = status.requests.load(Ordering::Relaxed);
            format!("listing: {found} files found by {requests} requests")
        };
        let work = backfill.list(wanted);
        let work = self.telling(work, &told, || progress.at(0, told()));
        let gone = async {
            match self.args.dry_run {
                true => unread(std::io::stdout()).await,
                false => std::future::pending().await,
            }
        };
        let listed = tokio::select! {
            biased;
            listed = work => listed,
            () = gone => return Err(OutputClosed.into()),
        };
        progress.finish();
        Ok(listed?)
    }

    fn dry_run(&self, listed: &Listed) -> anyhow::Result<Exit> {
        report::left_out(listed);
        report::old(listed, &self.config);
        if listed.stopped {
            tracing::error!("interrupted while listing: what follows is not all");
        }
        let told = print(&report::dry_run(listed))?;
        Ok(match listed.stopped || listed.unlisted > 0 {
            true => Exit::Failed,
            false => told,
        })
    }

    async fn deliver(
        &self,
        backfill: &Backfill<impl Source>,
        listed: &Listed,
        status: &Status,
    ) -> anyhow::Result<Delivered> {
        report::old(listed, &self.config);
        let metrics = Arc::new(Metrics::default());
        let mut sidecar = Sidecar::start(&self.config, Arc::clone(&metrics), true)?;
        let duplicates = sidecar.drop_duplicates(&self.config)?;
        let progress = Progress::files(listed.left.bytes, self.quiet);
        let total = listed.left.files;
        let told = || {
            let files = status.files.load(Ordering::Relaxed);
            let (read, exported) = (metrics.read.get(), metrics.exported.get());
            format!("{files}/{total} files, {read} events, {exported} exported")
        };
        let work = backfill.deliver(self.args.fetchers as usize, &sidecar);
        let work = self.telling(work, &told, || {
            progress.at(status.bytes.load(Ordering::Relaxed), told());
        });
        let drained = sidecar.drain(work, &self.stop, self.config.shutdown).await;
        progress.finish();
        if let Some(writer) = duplicates {
            writer.close().await;
        }
        match drained.end {
            Some(End::Unread) => return Err(OutputClosed.into()),
            Some(End::Failed(reason)) => tracing::error!("given up: {reason}"),
            None => {}
        }
        match drained.output {
            Some(delivered) => Ok(delivered?),
            None => anyhow::bail!(
                "what was under way did not stop in time; the same command goes on with what is left"
            ),
        }
    }

    /// Does the work, and tells how far it is: on the bar, or by a log line now and then.
    async fn telling<T>(
        &self,
        work: impl Future<Output = T>,
        told: impl Fn() -> String,
        show: impl Fn(),
    ) -> T {
        let mut work = std::pin::pin!(work);
        let shown = Progress::is_shown(self.quiet);
        let mut tick = tokio::time::interval(TICK);
        let mut line = tokio::time::interval_at(tokio::time::Instant::now() + TOLD, TOLD);
        loop {
            tokio::select! {
                output = &mut work => return output,
                _ = tick.tick(), if shown => show(),
                _ = line.tick(), if !shown => tracing::info!("{}", told()),
            }
        }
    }
}

/// As of the commands that keep nothing: a signal that came first is told by the code, too.
fn exit(listed: &Listed, files: &Files, done: &Totals) -> Exit {
    let left = done.interrupted || listed.stopped || listed.unlisted > 0 || files.left > 0;
    Exit::of(left, done.counts.dead_lettered)
}
