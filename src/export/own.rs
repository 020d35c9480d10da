//! Log records and spans that qtrail writes itself: no record of a trail is behind them.

use std::io;

use super::{Chunk, Exporter, Original, Originals, Outcome};
use crate::dead_letter::{OnDamage, Origin, UnitLetters};
use qtrail_core::convert::{Attribute, Head, Options, Sink};
use qtrail_core::otlp::Encoder;
use qtrail_core::reject::Position;

/// Records in one chunk.
const CHUNK: usize = 256;

/// The maker of such records, as logs and dead letters name it.
#[derive(Debug, Clone, Copy)]
pub struct Maker {
    /// The part of qtrail.
    pub input: &'static str,
    /// What the records are, in the plural.
    pub what: &'static str,
}

/// A log record, a span, or both.
#[derive(Debug, Clone)]
pub struct Own {
    /// All but the attributes.
    pub head: Head<'static>,
    /// The attributes.
    pub attributes: Vec<Attribute<'static>>,
}

impl Own {
    /// Passes it to a sink.
    pub fn write(&self, sink: &mut impl Sink) {
        sink.begin(&self.head);
        for attribute in &self.attributes {
            sink.attribute(attribute.field, &attribute.value);
        }
        sink.end();
    }
}

impl Exporter {
    /// Sends records of qtrail's own. `write` passes one to the encoder, and returns the text that a dead letter of it
    /// has. Returns whether all were accepted; what was rejected is logged. `None` if the exporter gave up before it had
    /// an answer, or one cannot be read, which is logged.
    pub async fn submit_own<T>(
        &self,
        maker: Maker,
        options: &Options,
        records: impl Iterator<Item = io::Result<T>>,
        write: impl Fn(&T, &mut Encoder) -> String,
    ) -> Option<bool> {
        let Maker { input, what } = maker;
        let mut all = true;
        let mut records = records.peekable();
        while records.peek().is_some() {
            let mut encoder = Encoder::new(options);
            let mut originals = Originals::default();
            for record in records.by_ref().take(CHUNK) {
                let record = record
                    .inspect_err(|error| tracing::error!("{error}"))
                    .ok()?;
                let text = write(&record, &mut encoder);
                originals.bytes.extend_from_slice(text.as_bytes());
                originals.records.push(Original {
                    position: Position::default(),
                    event_id: None,
                    end: originals.bytes.len(),
                });
            }
            let delivery = self
                .submit(Chunk {
                    origin: Origin {
                        input,
                        name: what.into(),
                        observed: None,
                        on_damage: OnDamage::NamePlace,
                    },
                    encoded: encoder.take(),
                    originals,
                    letters: UnitLetters::default(),
                    permit: None,
                })
                .await;
            if delivery.outcome != Outcome::Delivered {
                return None;
            }
            let rejected = delivery.refused.len() as u64 + delivery.dead_lettered;
            if rejected > 0 || delivery.uncertain.is_some() {
                all = false;
                tracing::error!(rejected, "the collector rejected {what}");
            }
        }
        Some(all)
    }
}
