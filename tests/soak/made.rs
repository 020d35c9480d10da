//! Events without end, each on the ledger before anybody sees it.

use std::sync::Arc;

use fastrand::Rng;

use super::ledger::{Kind, Ledger};
use crate::support::collector::Seen;
use crate::support::program::event;
use crate::support::trail::Container;

/// What the ids of events begin with that the collector refuses.
const POISON: &str = "poison-";
/// When events happened: 2024-04-10, and the seconds after.
const BEGIN: i64 = 1_712_750_000;
/// A text that makes an event longer now and then, in bytes.
const LONGEST: usize = 6_000;

/// A few events that are sent together.
pub(super) struct Batch {
    pub(super) ids: Vec<String>,
    /// Their texts, and those of events that nobody wants.
    pub(super) records: Vec<String>,
}

/// Makes the events of one input.
pub(super) struct Maker {
    input: &'static str,
    ledger: Arc<Ledger>,
    rng: Rng,
    number: u32,
}

impl Maker {
    pub(super) fn new(input: &'static str, ledger: &Arc<Ledger>, rng: Rng) -> Self {
        Maker {
            input,
            ledger: Arc::clone(ledger),
            rng,
            number: 0,
        }
    }

    /// A few events; some batches have one that is broken, one that is refused, or one that is filtered.
    pub(super) fn batch(&mut self) -> Batch {
        let mut batch = Batch {
            ids: Vec::new(),
            records: Vec::new(),
        };
        for index in 0..self.rng.usize(1..8) {
            let kind = match self.rng.u8(0..60) {
                // A Firehose request without a readable record is refused at every try.
                0 if index > 0 => Kind::Broken,
                1 => Kind::Poison,
                _ => Kind::Event,
            };
            self.add(kind, &mut batch);
        }
        if self.rng.u8(0..4) == 0 {
            let other = self
                .event("filtered")
                .replace("q.amazonaws.com", "ec2.amazonaws.com");
            batch.records.push(other);
        }
        batch
    }

    fn add(&mut self, kind: Kind, batch: &mut Batch) {
        self.number += 1;
        let (input, number) = (self.input, self.number);
        let id = match kind {
            Kind::Event => format!("{input}-{number}"),
            Kind::Broken => format!("broken-{input}-{number}"),
            Kind::Poison => format!("{POISON}{input}-{number}"),
        };
        let mut record = self.event(&id);
        if kind == Kind::Broken {
            record = match self.rng.bool() {
                true => record.replace(r#""eventTime":"20"#, r#""eventTime":"no time 20"#),
                false => record.replacen(r#"","awsRegion""#, r#"" "awsRegion""#, 1),
            };
        }
        self.ledger.made(input, &id, kind, &record);
        batch.ids.push(id);
        batch.records.push(record);
    }

    /// An event with a time, a conversation and a length of its own.
    fn event(&mut self, id: &str) -> String {
        let time = jiff::Timestamp::from_second(BEGIN + i64::from(self.number)).unwrap();
        let conversation = match self.rng.u8(0..4) {
            0 => "{}".to_owned(),
            1 => format!(r#"{{"conversationId":"talk {}"}}"#, self.rng.u8(..)),
            _ => format!(
                r#"{{"conversationId":"{:08x}-0a49-4d2e-92bd-7d6e629b4619"}}"#,
                self.rng.u32(..)
            ),
        };
        let agent = match self.rng.u8(0..20) {
            0 => "long ".repeat(self.rng.usize(1..LONGEST / 5)),
            _ => "test".to_owned(),
        };
        event(id)
            .replace("2024-04-10T14:07:55Z", &time.to_string())
            .replace(
                r#"{"conversationId":"a298ec0d-0a49-4d2e-92bd-7d6e629b4619"}"#,
                &conversation,
            )
            .replace(
                r#""userAgent":"test""#,
                &format!(r#""userAgent":"{agent}""#),
            )
    }
}

/// Any container of events.
pub(super) fn container(rng: &mut Rng) -> Container {
    Container::ALL[rng.usize(..Container::ALL.len())]
}

/// Whether a request holds an event that the collector refuses.
pub(super) fn is_poisoned(seen: &Seen) -> bool {
    seen.ids.iter().any(|id| id.starts_with(POISON))
}
