//! `qtrail demo`.
//!
//! Enters: a sample trail. Leaves: a report of what arrived at a collector. What must hold: everything in
//! between is what `qtrail run` does, and what `--assemble` adds; nothing in the report is known in advance.

mod assembled;
mod collector;
mod report;
mod workdir;

use std::io::{IsTerminal, stdout};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio_util::sync::CancellationToken;

use super::args::DemoArgs;
use super::summary::counted as counts;
use super::{Exit, OutputClosed};
use crate::config::Config;
use crate::dead_letter;
use crate::export::{Destination, Endpoint, Protocol, Tls, unread};
use crate::pipeline::Counts;
use crate::runtime::shutdown::First;
use crate::telemetry::metrics::Metrics;

use collector::Collector;
use report::{Facts, report};
use workdir::Workdir;

/// Longer than the demo ever takes.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How often the counts are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long the sidecar may drain if something did not arrive.
const DRAIN: Duration = Duration::from_secs(2);

const NEXT: &str = "
Next steps
  qtrail demo --dir demo                             keep the files in ./demo
  qtrail report demo/trail --denied                  show what was denied, and why
  qtrail convert demo/trail --format events | jq .   print events as flat JSON
  qtrail run DIR --endpoint http://localhost:4317    watch your own trail
";

/// Runs the real pipeline on a small trail. `config` holds the defaults and the flags alone.
pub async fn run(args: DemoArgs, config: Config, signal: First) -> anyhow::Result<Exit> {
    let stop = CancellationToken::new();
    signal.stop(stop.clone(), |name| {
        tracing::warn!(signal = name, "stopping; a second signal exits at once");
    });
    let workdir = Workdir::new(args.dir.as_deref())?;
    tokio::select! {
        biased;
        exit = run_in(&args, &config, &workdir, &stop) => exit,
        () = unread(stdout()) => Err(OutputClosed.into()),
    }
}

async fn run_in(
    args: &DemoArgs,
    config: &Config,
    workdir: &Workdir,
    stop: &CancellationToken,
) -> anyhow::Result<Exit> {
    let tree = Arc::new(assembled::tree(workdir, config)?);
    let watch = async |config, metrics, stop| {
        assembled::watch(Arc::clone(&tree), config, metrics, stop).await
    };
    let mut shown = config.clone();
    // The report is made of log records, and counts spans.
    (shown.convert.logs, shown.convert.traces) = (true, true);
    let facts = run_pipeline(&shown, workdir, stop, &watch).await?;
    super::print(&report(&facts)?)?;
    if args.endpoint.is_some() {
        // Without a password in the URL.
        let endpoint = &config.export.destination;
        let counts = deliver(
            config,
            config.export.destination.clone(),
            workdir,
            "sent",
            stop,
            &watch,
        )
        .await
        .with_context(|| {
            format!("cannot deliver to {endpoint}: is a collector listening there?")
        })?;
        let signals = match (config.convert.logs, config.convert.traces) {
            (true, false) => "log records",
            (false, true) => "spans",
            _ => "log records and spans",
        };
        super::print(&format!(
            "\nAlso sent to {endpoint}: {} accepted, as {signals}\n",
            super::count(counts.exported, "event")
        ))?;
    }
    super::print(NEXT)
}

/// Delivers the trail to a collector inside this process, and collects what arrived.
async fn run_pipeline<S>(
    config: &Config,
    workdir: &Workdir,
    stop: &CancellationToken,
    sidecar: S,
) -> anyhow::Result<Facts>
where
    S: AsyncFnOnce(Config, Arc<Metrics>, CancellationToken) -> anyhow::Result<()>,
{
    let ends = CancellationToken::new();
    let _stops_the_collector = ends.clone().drop_guard();
    let collector = Collector::start(ends)?;
    let endpoint = Endpoint {
        url: format!("http://{}", collector.address()).parse()?,
        protocol: Protocol::Grpc,
        headers: Default::default(),
        gzip: true,
        timeout: Duration::from_secs(10),
        tls: Tls::default(),
    };
    let destination = Destination::Otlp {
        logs: endpoint.clone(),
        traces: endpoint,
    };
    let counts = deliver(config, destination, workdir, "shown", stop, sidecar).await?;
    Ok(Facts {
        trail: workdir.trail().display().to_string(),
        files: workdir.files(),
        collector: format!(
            "OTLP/gRPC collector inside this process, at {}",
            collector.address()
        ),
        in_trail: workdir.event_ids(),
        received: collector.received(),
        dead_letters: workdir.read_dead_letters("shown")?,
        counts,
        colour: stdout().is_terminal(),
    })
}

/// Runs the sidecar on the trail until everything in it has settled. `name` distinguishes the files of this run.
async fn deliver<S>(
    config: &Config,
    destination: Destination,
    workdir: &Workdir,
    name: &str,
    stop: &CancellationToken,
    sidecar: S,
) -> anyhow::Result<Counts>
where
    S: AsyncFnOnce(Config, Arc<Metrics>, CancellationToken) -> anyhow::Result<()>,
{
    let mut config = config.clone();
    config.export.destination = destination;
    let watched = workdir.watched(name);
    if let Some(duplicates) = &mut config.duplicates {
        duplicates.folder.clone_from(&watched.state);
    }
    config.directory = Some(watched);
    config.dead_letters = dead_letter::Settings::new(workdir.dead_letters(name));
    config.telemetry.http = None;
    config.shutdown = DRAIN;
    let (metrics, ended) = (Arc::new(Metrics::default()), stop.child_token());
    // Half of the trail exists at the start; the rest arrives while it is watched.
    let half = workdir.files() / 2;
    workdir.deliver(0..half)?;
    let mut running = pin!(sidecar(config, Arc::clone(&metrics), ended.clone()));
    let settled = tokio::select! {
        biased;
        () = stop.cancelled() => Err(anyhow!("stopped by a signal")),
        result = &mut running => {
            result?;
            bail!("the sidecar stopped early");
        }
        settled = arrive_and_settle(workdir, half, &metrics) => settled,
    };
    ended.cancel();
    running.await?;
    settled?;
    Ok(counts(&metrics))
}

/// Writes the other half of the trail, and waits until all of it has settled.
async fn arrive_and_settle(
    workdir: &Workdir,
    half: usize,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    let expected = &workdir.expected;
    let settle = async {
        until(|| metrics.read.get() > 0).await;
        workdir.deliver(half..workdir.files())?;
        until(|| {
            let counts = counts(metrics);
            counts.read >= expected.read
                && counts.skipped >= expected.skipped
                && counts.read == settled(&counts)
        })
        .await;
        Ok(())
    };
    match tokio::time::timeout(TIMEOUT, settle).await {
        Ok(done) => done,
        Err(_) => {
            let counts = counts(metrics);
            bail!(
                "timed out after {} s: {} of {} records were read and {} had settled",
                TIMEOUT.as_secs(),
                counts.read,
                expected.read,
                settled(&counts)
            )
        }
    }
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn settled(counts: &Counts) -> u64 {
    counts.exported + counts.filtered + counts.duplicate + counts.dead_lettered
}

#[cfg(test)]
mod tests;
