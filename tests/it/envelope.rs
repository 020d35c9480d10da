//! Envelopes, from the outside: bytes in, records and rejects out.

mod bad_input;
mod broken;
mod containers;
mod following;
mod hostile;
mod properties;
mod tables;
mod texts;

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use qtrail_core::envelope::{Item, Limits, Skipped, open};
use qtrail_core::reject::{Evidence, Position, Reject};
use serde_json::{Value, json};

use crate::support::program::gzip;

const BROKEN: &str = include_str!("../fixtures/pass-request.as-published.txt");

/// An item that outlives its window.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Record(Position, Vec<u8>),
    Reject(Reject),
    Skipped(Skipped),
}

/// Delivers at most so many bytes at once.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.1);
        self.0.read(&mut buffer[..room])
    }
}

fn read_with(unit: impl Read, limits: &Limits) -> (Vec<Seen>, u64) {
    let mut records = open(unit, limits);
    let mut seen = Vec::new();
    while let Some(item) = records.next().unwrap() {
        seen.push(match item {
            Item::Record { position, bytes } => Seen::Record(position, bytes.to_vec()),
            Item::Reject(reject) => Seen::Reject(reject),
            Item::Skipped(skipped) => Seen::Skipped(skipped),
        });
    }
    assert!(records.next().unwrap().is_none(), "the end stays the end");
    (seen, records.resume_offset())
}

fn read(unit: impl AsRef<[u8]>) -> Vec<Seen> {
    read_with(unit.as_ref(), &Limits::default()).0
}

/// A short word for each item: `+` and the event's name, a reject's kind, what was skipped.
fn words(unit: impl AsRef<[u8]>) -> Vec<String> {
    read(unit).iter().map(word).collect()
}

fn word(seen: &Seen) -> String {
    match seen {
        Seen::Record(_, bytes) => match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => format!("+{}", value["eventName"].as_str().unwrap_or("?")),
            Err(_) => "+(odd)".to_owned(),
        },
        Seen::Reject(reject) => reject.reason.kind().to_owned(),
        Seen::Skipped(skipped) => skipped.as_str().to_owned(),
    }
}

fn rejects(seen: &[Seen]) -> Vec<&Reject> {
    seen.iter()
        .filter_map(|seen| match seen {
            Seen::Reject(reject) => Some(reject),
            _ => None,
        })
        .collect()
}

fn event(name: &str) -> String {
    format!(
        r#"{{"eventVersion":"1.09","eventTime":"2024-04-10T20:04:42Z","eventSource":"q.amazonaws.com","eventName":"{name}","requestParameters":{{"Records":[{{"eventVersion":"no record"}}],"text":"}}]\"{{é"}}}}"#
    )
}

fn records(elements: &[&str]) -> String {
    format!("{{\"Records\":[{}]}}", elements.join(","))
}

fn subscription(messages: &[&str]) -> Value {
    let events: Vec<_> = messages
        .iter()
        .map(|message| json!({"id": "1", "timestamp": 1, "message": message}))
        .collect();
    json!({"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logEvents": events})
}

fn base64(content: impl AsRef<[u8]>) -> String {
    STANDARD.encode(content)
}
