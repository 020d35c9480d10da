//! The demo's conversations as trees.
//!
//! Enters: the files of the whole trail. Leaves: the log records and spans that `qtrail run` sends for them, each event
//! in its place; then the spans of the conversations.

use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::workdir::Workdir;
use crate::cli::{OutputClosed, assemble};
use crate::config::Config;
use crate::export::End;
use crate::input::directory;
use crate::runtime::temporary;
use crate::sidecar::{self, Sidecar};
use crate::telemetry::metrics::Metrics;
use qtrail_core::assemble::{Assembler, FactsReader, Tree};

/// The tree of the demo's trail.
///
/// # Errors
/// A file of it cannot be read.
pub(super) fn tree(workdir: &Workdir, config: &Config) -> anyhow::Result<Tree> {
    let conversion = sidecar::conversion(config);
    let mut assembler = Assembler::new(temporary::space(config.memory_bytes));
    let mut reader = FactsReader::default();
    for content in workdir.contents() {
        let mut added = Ok(());
        reader.read(&conversion, content, None, |facts| {
            added = assembler.add(facts);
            added.is_ok()
        })?;
        added?;
    }
    Ok(assembler.finish()?)
}

/// Runs the sidecar on the directory until `stop`, then sends the spans of the conversations.
///
/// # Errors
/// It cannot start, or the directory cannot be read; what is at the end cannot be delivered.
pub(super) async fn watch(
    tree: Arc<Tree>,
    config: Config,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let settings = config.directory.clone().context("no directory to watch")?;
    let mut sidecar = Sidecar::start(&config, Arc::clone(&metrics), true)?;
    let duplicates = sidecar.drop_duplicates(&config)?;
    let pipeline = sidecar.pipeline.clone().with_tree(Arc::clone(&tree));
    let work = async {
        directory::run(settings, pipeline, metrics, stop.clone()).await?;
        let delivered = assemble::deliver(&tree, &sidecar.exporter, &config).await;
        anyhow::ensure!(delivered, "the spans of conversations were not delivered");
        Ok(())
    };
    let drained = sidecar.drain(work, &stop, config.shutdown).await;
    if let Some(writer) = duplicates {
        writer.close().await;
    }
    match drained.end {
        Some(End::Unread) => Err(OutputClosed.into()),
        Some(End::Failed(reason)) => anyhow::bail!(reason),
        None => drained.output.context("the demo did not stop in time")?,
    }
}
