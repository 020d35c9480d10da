//! The canary of `qtrail check --canary`: a marked log record and span.
//!
//! What must hold: it passes through the same conversion and exporter as events, and its mark distinguishes it
//! from them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::dead_letter::{DeadLetters, UnitLetters};
use crate::dead_letter::{OnDamage, Origin};
use crate::export::Outcome;
use crate::export::{Chunk, Exporter, Health, Original, Originals};
use qtrail_core::convert::{self, Field, Head, On, Placement, Sink, Stability, Value};
use qtrail_core::event::Event;
use qtrail_core::otlp::Encoder;
use qtrail_core::reject::Position;

/// Time for an answer, in addition to the timeout of a request.
const SLACK: Duration = Duration::from_secs(5);

static CANARY: Field = Field {
    name: "qtrail.canary",
    on: On::Both,
    from: "`qtrail check --canary`",
    stability: Stability::Qtrail,
};

/// Sends the canary and waits for the collector's answer.
///
/// # Errors
/// The collector's error, or why it could not be reached.
pub(super) async fn send(config: &Config) -> Result<String, String> {
    let id = format!("qtrail-canary-{}", jiff::Timestamp::now().as_second());
    let chunk = chunk(config, &id)?;
    let stop = CancellationToken::new();
    let answer = match Exporter::start(
        config.export.clone(),
        Arc::default(),
        DeadLetters::none(),
        stop.clone(),
    ) {
        Ok(exporter) => answer(&exporter, chunk, bound(config)).await,
        Err(error) => Err(format!("{error:#}")),
    };
    stop.cancel();
    answer.map(|()| format!("accepted; look for event id {id}"))
}

async fn answer(exporter: &Exporter, chunk: Chunk, bound: Duration) -> Result<(), String> {
    let health = exporter.health();
    let delivery = tokio::select! {
        delivery = exporter.submit(chunk) => delivery,
        // The exporter retries for ever; a check reports the first failure.
        reason = failure(health) => return Err(reason),
        () = tokio::time::sleep(bound) => return Err(format!("no answer within {} s", bound.as_secs())),
    };
    if let Some((_, reason)) = delivery.refused.first() {
        return Err(reason.to_string());
    }
    if delivery.uncertain.is_some() || delivery.dead_lettered > 0 {
        return Err("the collector rejected it without a reason".to_owned());
    }
    match delivery.outcome {
        Outcome::Delivered => Ok(()),
        Outcome::Blocked(reason) => Err(reason),
        Outcome::Retry(_) | Outcome::Abandoned => Err("it was not delivered".to_owned()),
    }
}

/// Waits for the first failure.
async fn failure(mut health: watch::Receiver<Health>) -> String {
    loop {
        match &*health.borrow_and_update() {
            Health::Down { reason, .. } | Health::Blocked { reason } => return reason.clone(),
            Health::Up => {}
        }
        if health.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn bound(config: &Config) -> Duration {
    match &config.export.destination {
        crate::export::Destination::Otlp { logs, traces } => {
            logs.timeout.max(traces.timeout) + SLACK
        }
        _ => SLACK,
    }
}

fn chunk(config: &Config, id: &str) -> Result<Chunk, String> {
    let record = record(id);
    let event = Event::parse(&record, config.limits.depth).map_err(|reason| reason.to_string())?;
    let mut encoder = Encoder::new(&config.convert);
    let mut marked = Marked(&mut encoder);
    let placement = Placement::of(&event);
    convert::convert(event, &placement, None, &config.convert, &mut marked);
    let position = Position {
        length: record.len() as u64,
        ..Position::default()
    };
    Ok(Chunk {
        origin: Origin {
            input: "check",
            name: "canary".into(),
            observed: None,
            on_damage: OnDamage::NamePlace,
        },
        encoded: encoder.take(),
        originals: Originals {
            records: vec![Original {
                position,
                event_id: Some(id.to_owned()),
                end: record.len(),
            }],
            bytes: record,
        },
        letters: UnitLetters::default(),
        permit: None,
    })
}

/// A CloudTrail record of Amazon Q with only the necessary fields.
fn record(id: &str) -> Vec<u8> {
    let seconds = jiff::Timestamp::now().as_second();
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    serde_json::json!({
        "eventVersion": "1.11",
        "eventTime": time.to_string(),
        "eventSource": "q.amazonaws.com",
        "eventName": "Canary",
        "eventID": id,
        "eventType": "AwsApiCall",
        "readOnly": true,
        "userAgent": concat!("qtrail/", env!("CARGO_PKG_VERSION")),
    })
    .to_string()
    .into_bytes()
}

/// Adds the mark to the event.
struct Marked<'a>(&'a mut Encoder);

impl Sink for Marked<'_> {
    fn begin(&mut self, head: &Head<'_>) {
        self.0.begin(head);
    }

    fn attribute(&mut self, field: &'static Field, value: &Value<'_>) {
        self.0.attribute(field, value);
    }

    fn end(&mut self) {
        self.0.attribute(&CANARY, &Value::Bool(true));
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_an_amazon_q_event_with_its_id() {
        let record: serde_json::Value = serde_json::from_slice(&record("qtrail-canary-1")).unwrap();
        assert_eq!(record["eventID"], "qtrail-canary-1");
        assert_eq!(record["eventSource"], "q.amazonaws.com");
        let time: jiff::Timestamp = record["eventTime"].as_str().unwrap().parse().unwrap();
        assert_eq!(time.subsec_nanosecond(), 0);
    }

    #[tokio::test]
    async fn the_first_failure_is_returned() {
        let (health, seen) = watch::channel(Health::Up);
        let waiting = tokio::spawn(failure(seen));
        health.send_replace(Health::Blocked {
            reason: "401: the token is wrong".to_owned(),
        });
        assert_eq!(waiting.await.unwrap(), "401: the token is wrong");
    }
}
