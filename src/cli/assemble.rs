//! `convert --assemble`: conversations as trees, over the whole of what is read.
//!
//! Enters: the sources, read once before they are converted. Leaves: the [`Tree`] of their events, and the sources
//! again; at the end the spans of the conversations.

mod first_reading;
mod gathering;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use self::first_reading::FirstReading;
pub(super) use self::gathering::Gathering;
use super::files::{Listed, Sources, is_read_once};
use crate::config::{Config, NO_PARENTS};
use crate::export::Exporter;
use crate::pipeline::assembly::deliver_conversations;
use crate::sidecar;
use qtrail_core::assemble::Tree;

/// Reads all sources and assembles their events. The sources are returned to be converted.
///
/// # Errors
/// An input that can be read only once; what does not fit into memory cannot be kept.
pub(super) async fn tree(
    paths: &[PathBuf],
    listed: Sources,
    config: &Config,
    stop: &CancellationToken,
) -> anyhow::Result<(Arc<Tree>, Listed)> {
    require_all_spans(config)?;
    if let Some(path) = paths.iter().find(|path| is_read_once(path)) {
        anyhow::bail!(
            "--assemble reads its input twice, but {} can be read only once: save it to a file first",
            path.display()
        );
    }
    let conversion = sidecar::conversion(config);
    let reading = FirstReading::new(listed, conversion, config.memory_bytes, stop.clone());
    let work = tokio::task::spawn_blocking(move || {
        let (tree, listed) = reading.run()?;
        Ok((Arc::new(tree), listed))
    });
    work.await.context("the assembly failed")?
}

/// Rejects a configuration that leaves out spans which can be parents.
///
/// # Errors
/// It does; names the remedy.
pub(super) fn require_all_spans(config: &Config) -> anyhow::Result<()> {
    let has_all = config.convert.trace_classes.is_none();
    anyhow::ensure!(has_all, "--assemble {NO_PARENTS}");
    Ok(())
}

/// Sends the spans of the conversations. `false` if one was not delivered, which is logged.
pub(super) async fn deliver(tree: &Tree, exporter: &Exporter, config: &Config) -> bool {
    let sent = deliver_conversations(tree.conversations(), exporter, &config.convert).await;
    if sent.is_none() {
        tracing::error!("spans of conversations were not delivered");
    }
    sent == Some(true)
}
