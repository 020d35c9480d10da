//! `convert --assemble`: conversations as trees, over the whole of what is read.
//!
//! Enters: the sources, read once before they are converted. Leaves: the [`Tree`] of their events, and the sources
//! again; at the end the spans of the conversations.

mod first_reading;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use self::first_reading::FirstReading;
use super::files::{Listed, Sources, is_read_once};
use crate::config::Config;
use crate::dead_letter::{OnDamage, Origin, UnitLetters};
use crate::export::{Chunk, Exporter, Original, Originals, Outcome};
use crate::sidecar;
use qtrail_core::assemble::{Conversation, Tree};
use qtrail_core::otlp::Encoder;
use qtrail_core::reject::Position;

/// Conversations in one chunk.
const CHUNK: usize = 256;

/// Reads all sources and assembles their events. The sources are returned to be converted.
///
/// # Errors
/// An input that can be read only once; more events than memory allows.
pub(super) async fn tree(
    paths: &[PathBuf],
    listed: Sources,
    config: &Config,
    stop: &CancellationToken,
) -> anyhow::Result<(Arc<Tree>, Listed)> {
    if let Some(path) = paths.iter().find(|path| is_read_once(path)) {
        anyhow::bail!(
            "--assemble reads its input twice, but {} can be read only once: save it to a file first",
            path.display()
        );
    }
    let conversion = sidecar::conversion(config);
    let reading = FirstReading::new(listed, conversion, config.memory_bytes, stop.clone());
    let work = tokio::task::spawn_blocking(move || {
        let (assembler, listed) = reading.run()?;
        let listed: Listed = Box::new(listed.into_iter());
        Ok((Arc::new(assembler.finish()), listed))
    });
    work.await.context("the assembly failed")?
}

/// Sends the spans of the conversations. `false` if one was not delivered, which is logged.
pub(super) async fn deliver(tree: &Tree, exporter: &Exporter, config: &Config) -> bool {
    let mut delivered = true;
    if !config.convert.traces {
        return delivered;
    }
    for conversations in tree.conversations().chunks(CHUNK) {
        let delivery = exporter.submit(chunk(conversations, config)).await;
        let rejected = delivery.refused.len() as u64 + delivery.dead_lettered;
        if delivery.outcome != Outcome::Delivered || rejected > 0 || delivery.uncertain.is_some() {
            delivered = false;
            let outcome = delivery.outcome;
            tracing::error!(
                rejected,
                "spans of conversations were not delivered: {outcome:?}"
            );
        }
    }
    delivered
}

fn chunk(conversations: &[Conversation], config: &Config) -> Chunk {
    let mut encoder = Encoder::new(&config.convert);
    let mut originals = Originals::default();
    for conversation in conversations {
        conversation.write(&config.convert.provider_name, &mut encoder);
        let id = serde_json::json!({"conversation": conversation.id()}).to_string();
        originals.bytes.extend_from_slice(id.as_bytes());
        originals.records.push(Original {
            position: Position::default(),
            event_id: None,
            end: originals.bytes.len(),
        });
    }
    Chunk {
        origin: Origin {
            input: "convert",
            name: "conversations".into(),
            observed: None,
            on_damage: OnDamage::NamePlace,
        },
        encoded: encoder.take(),
        originals,
        letters: UnitLetters::default(),
        permit: None,
    }
}
