//! `convert --assemble`: conversations as trees, over the whole of what is read.
//!
//! Enters: the sources, read once before they are converted. Leaves: the [`Tree`] of their events; at the end the spans
//! of the conversations. What must hold: memory is bounded; errors of this reading are left to the conversion, which
//! reads the same records again.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::files::{Source, Sources, is_read_once};
use crate::config::Config;
use crate::dead_letter::{OnDamage, Origin, UnitLetters};
use crate::export::{Chunk, Exporter, Original, Originals, Outcome};
use crate::sidecar;
use qtrail_core::Converter;
use qtrail_core::assemble::{Assembler, Conversation, Facts, Tree};
use qtrail_core::envelope::{self, Item};
use qtrail_core::otlp::Encoder;
use qtrail_core::reject::Position;

/// Memory of an event that can have a place in a tree.
const EVENT_BYTES: usize = 768;
/// Conversations in one chunk.
const CHUNK: usize = 256;

/// Reads all sources and assembles their events.
///
/// # Errors
/// An input that can be read only once; more events than memory allows.
pub(super) async fn tree(
    paths: &[PathBuf],
    listed: Sources,
    config: &Config,
    stop: &CancellationToken,
) -> anyhow::Result<Arc<Tree>> {
    if let Some(path) = paths.iter().find(|path| is_read_once(path)) {
        anyhow::bail!(
            "--assemble reads its input twice, but {} can be read only once: save it to a file first",
            path.display()
        );
    }
    let most = config.memory_bytes / EVENT_BYTES;
    let (conversion, stop) = (sidecar::conversion(config), stop.clone());
    let work = tokio::task::spawn_blocking(move || {
        let mut assembler = Assembler::default();
        for source in listed.filter_map(Result::ok) {
            read(&source, &conversion, &stop, &mut assembler);
            anyhow::ensure!(
                assembler.len() <= most,
                "more than {most} events belong to conversations, which limits.memory does not allow: raise it \
                 (QTRAIL_LIMITS_MEMORY), or convert fewer days at once"
            );
        }
        Ok(Arc::new(assembler.finish()))
    });
    work.await.context("the assembly failed")?
}

fn read(source: &Source, conversion: &Converter, stop: &CancellationToken, into: &mut Assembler) {
    let Ok((_, content, again)) = source.open(stop, |content| content) else {
        return;
    };
    let mut records = envelope::open(content, &conversion.limits).again(again);
    let mut canonical = Vec::new();
    while !stop.is_cancelled() {
        let bytes = match records.next() {
            Ok(Some(Item::Record { bytes, .. })) => bytes,
            Ok(Some(_)) => continue,
            Err(error) if envelope::is_quiet(&error) => continue,
            Ok(None) | Err(_) => break,
        };
        let (selector, depth) = (&conversion.selector, conversion.limits.depth);
        if let Ok(Some(event)) = selector.select_any(bytes, &mut canonical, depth)
            && let Some(facts) = Facts::of(event, &conversion.options)
        {
            into.add(facts);
        }
    }
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
