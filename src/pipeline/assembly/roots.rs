//! The spans of conversations, which no record describes.

use std::io;

use crate::dead_letter::{OnDamage, Origin, UnitLetters};
use crate::export::{Chunk, Exporter, Original, Originals, Outcome};
use qtrail_core::assemble::Conversation;
use qtrail_core::convert::Options;
use qtrail_core::otlp::Encoder;
use qtrail_core::reject::Position;

/// Conversations in one chunk.
const CHUNK: usize = 256;

/// Sends the spans of conversations, if spans are wanted. Returns whether all were accepted; what was rejected is logged.
/// `None` if the exporter gave up before it had an answer, or one cannot be read, which is logged.
pub async fn deliver(
    conversations: impl Iterator<Item = io::Result<Conversation>>,
    exporter: &Exporter,
    options: &Options,
) -> Option<bool> {
    let mut all = true;
    if !options.traces {
        return Some(all);
    }
    let mut conversations = conversations.peekable();
    while conversations.peek().is_some() {
        let next: io::Result<Vec<_>> = conversations.by_ref().take(CHUNK).collect();
        let next = next.inspect_err(|error| tracing::error!("{error}")).ok()?;
        let delivery = exporter.submit(chunk(&next, options)).await;
        if delivery.outcome != Outcome::Delivered {
            return None;
        }
        let rejected = delivery.refused.len() as u64 + delivery.dead_lettered;
        if rejected > 0 || delivery.uncertain.is_some() {
            all = false;
            tracing::error!(rejected, "the collector rejected spans of conversations");
        }
    }
    Some(all)
}

fn chunk(conversations: &[Conversation], options: &Options) -> Chunk {
    let mut encoder = Encoder::new(options);
    let mut originals = Originals::default();
    for conversation in conversations {
        conversation.write(&options.provider_name, &mut encoder);
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
            input: "assembly",
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
