//! A record of each file or object that settled: what was read of it, and what became of its records.
//!
//! Enters: a [`Settled`]. Leaves: a log record that was delivered. What must hold: its ids depend on the name and the
//! bytes alone, so a file that is read again after a kill has records with the same ids.

mod fields;

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use super::attributes::{id, number, resource, text};
use crate::dead_letter::Origin;
use crate::export::{Exporter, Maker, Own};
use crate::runtime::clock;
use fields::*;
use qtrail_core::convert::{
    Attribute, Field, Head, Options, Severity, SpanKind, Value, observed_time, owner,
};

const MAKER: Maker = Maker {
    input: "manifest",
    what: "manifest records",
};
const EVENT: &str = "qtrail.manifest";
/// All bytes were read.
const COMPLETE: &str = "complete";

/// Delivers manifest records.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    options: Arc<Options>,
    /// What is known of the digest of a file when it settles.
    digest_state: &'static str,
}

/// What was seen of a unit's bytes.
#[derive(Debug, Clone, Default)]
pub struct Measured {
    /// Bytes as they are stored, if all were read.
    pub size: Option<u64>,
    /// The SHA-256 of the inflated bytes, if all were read.
    pub sha256: Option<[u8; 32]>,
    /// The earliest and the latest time of the selected events, in nanoseconds since 1970.
    pub times: Option<(i64, i64)>,
    /// Why not all of it could be read: the kind of a reason.
    pub broken: Option<&'static str>,
}

/// A file or an object, or a part of a file that grows, whose input is about to commit it.
#[derive(Debug)]
pub(crate) struct Settled<'a> {
    /// Where it came from.
    pub(crate) origin: &'a Origin,
    /// Where the part begins in the inflated bytes.
    pub(crate) offset: Option<u64>,
    /// Inflated bytes.
    pub(crate) inflated_size: u64,
    /// The rest of its bytes.
    pub(crate) measured: Measured,
    /// Its share of the balance.
    pub(crate) share: Share,
}

/// Its share of the balance: `read = exported + filtered + duplicate + dead_lettered`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Share {
    pub(crate) read: u64,
    pub(crate) exported: u64,
    pub(crate) filtered: u64,
    pub(crate) duplicate: u64,
    pub(crate) dead_lettered: u64,
    /// Things that are no records.
    pub(crate) skipped: u64,
}

impl Manifest {
    /// `events`: how events are converted. `verifies`: whether findings about the digests follow.
    pub(crate) fn new(events: &Options, verifies: bool) -> Self {
        Manifest {
            options: Arc::new(super::options(events)),
            digest_state: match verifies {
                true => "not_yet",
                false => "not_checked",
            },
        }
    }

    /// Whether units of this origin have a record: files and objects, which have a name and bytes that someone else can
    /// look at.
    pub(crate) fn covers(origin: &Origin) -> bool {
        matches!(origin.input, "directory" | "s3" | "backfill" | "files")
    }

    /// Delivers the record. `false` if the exporter gave up. One that the collector rejects is a dead letter.
    pub(crate) async fn deliver(&self, settled: &Settled<'_>, exporter: &Exporter) -> bool {
        let record = self.record(settled);
        let write = |record: &Own, encoder: &mut _| {
            record.write(encoder);
            serde_json::json!({"manifest": &*settled.origin.name}).to_string()
        };
        let records = std::iter::once(io::Result::Ok(record));
        let accepted = exporter.submit_own(MAKER, &self.options, records, write);
        accepted.await.is_some()
    }

    fn record(&self, settled: &Settled<'_>) -> Own {
        let Settled {
            origin,
            measured,
            share,
            ..
        } = settled;
        let (account, region) = owner(&origin.name);
        let outcome = measured.broken.unwrap_or(COMPLETE);
        let time = settled.time();
        let (trace_id, span_id) = settled.ids(outcome);
        Own {
            head: Head {
                resource: resource(account, region),
                time,
                observed: time,
                start: time,
                end: time,
                name: Cow::Borrowed(EVENT),
                severity: match outcome == COMPLETE && share.dead_lettered == 0 {
                    true => Severity::Info,
                    false => Severity::Warn,
                },
                kind: SpanKind::Internal,
                error: None,
                trace_id,
                span_id,
                parent: None,
                link: None,
                body: Some(Value::Str(settled.sentence(outcome).into())),
                log: true,
                span: false,
            },
            attributes: self.attributes(settled, outcome),
        }
    }

    fn attributes(&self, settled: &Settled<'_>, outcome: &'static str) -> Vec<Attribute<'static>> {
        let (measured, share) = (&settled.measured, settled.share);
        let name = &settled.origin.name;
        let times = measured.times;
        let sha256 = measured.sha256.map(hex::encode);
        let attributes = [
            (&OBJECT, Some(text(&**name))),
            (&INPUT, Some(text(settled.origin.input))),
            (&OFFSET, settled.offset.map(number)),
            (&SIZE, measured.size.map(number)),
            (&INFLATED_SIZE, Some(number(settled.inflated_size))),
            (&SHA256, sha256.map(text)),
            (&FIRST_EVENT, times.and_then(|(first, _)| rfc3339(first))),
            (&LAST_EVENT, times.and_then(|(_, last)| rfc3339(last))),
            (&DELIVERY_TIME, observed_time(name, None).and_then(rfc3339)),
            (&DIGEST_STATE, Some(text(self.digest_state))),
            (&OUTCOME, Some(text(outcome))),
            (&READ, Some(number(share.read))),
            (&EXPORTED, Some(number(share.exported))),
            (&FILTERED, Some(number(share.filtered))),
            (&DUPLICATE, Some(number(share.duplicate))),
            (&DEAD_LETTERED, Some(number(share.dead_lettered))),
            (&SKIPPED, Some(number(share.skipped))),
        ];
        let attribute = |(field, value): (&'static Field, Option<_>)| {
            let value = value?;
            Some(Attribute { field, value })
        };
        attributes.into_iter().filter_map(attribute).collect()
    }
}

impl Settled<'_> {
    /// When it was delivered to where it was read; else that of its newest event; else now.
    fn time(&self) -> i64 {
        let newest = self.measured.times.map(|(_, last)| last);
        self.origin.observed.or(newest).unwrap_or_else(clock::now)
    }

    /// A trace and a span id by the name and the bytes.
    fn ids(&self, outcome: &str) -> ([u8; 16], [u8; 8]) {
        let offset = self.offset.unwrap_or_default().to_le_bytes();
        let size = self.inflated_size.to_le_bytes();
        let sha256 = self.measured.sha256.unwrap_or_default();
        let name = self.origin.name.as_bytes();
        let bytes: [&[u8]; 4] = [outcome.as_bytes(), &offset, &size, &sha256];
        let of = |what: &'static str| [&[what.as_bytes(), name][..], &bytes].concat();
        (id(&of("trace")), id(&of("span")))
    }

    fn sentence(&self, outcome: &str) -> String {
        let Share {
            read,
            exported,
            filtered,
            duplicate,
            dead_lettered,
            ..
        } = self.share;
        let mut text = format!(
            "{}: read {read} = {exported} exported + {filtered} filtered + {duplicate} delivered before + \
             {dead_lettered} in the dead letters",
            self.origin.name
        );
        if outcome != COMPLETE {
            text += &format!("; not all of it could be read: {outcome}");
        }
        text
    }
}

fn rfc3339(time: i64) -> Option<Value<'static>> {
    let time = Timestamp::from_nanosecond(time.into()).ok()?;
    Some(text(time.to_string()))
}

#[cfg(test)]
mod tests;
