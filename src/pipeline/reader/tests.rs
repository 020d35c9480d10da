use std::io::Write;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use tokio_util::sync::CancellationToken;

use super::start::SMALL;
use super::*;
use crate::dead_letter::{OnDamage, Origin};
use crate::input::ingest::tests::{EVENT, pipeline, pipeline_within};
use crate::pipeline::Content;

fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

fn in_base64(content: impl AsRef<[u8]>) -> String {
    STANDARD.encode(content)
}

fn unit(content: Vec<u8>, on_damage: OnDamage) -> Unit {
    Unit {
        origin: Origin {
            input: "test",
            name: "unit".into(),
            observed: None,
            on_damage,
        },
        content: Content::Bytes(content.into()),
        base: 0,
        truncation: Truncation::Reject,
        inflated_bytes: None,
    }
}

/// Each container of a text, compressed somewhere or not.
fn containers(text: &str) -> [Vec<u8>; 7] {
    let data = in_base64(gzip(text));
    [
        gzip(text),
        data.clone().into_bytes(),
        gzip(&data),
        format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#).into_bytes(),
        format!(r#"{{"Records":[{{"kinesis":{{"data":"{data}"}}}}]}}"#).into_bytes(),
        format!(r#"{{"requestId":"r","records":[{{"data":"{data}"}}]}}"#).into_bytes(),
        in_base64(gzip(format!(r#"{{"awslogs":{{"data":"{data}"}}}}"#))).into_bytes(),
    ]
}

#[tokio::test]
async fn events_in_flight_take_no_more_than_requests_can_use_or_than_the_limit() {
    // Requests of 1 MiB, one at a time and the next: of two signals, their records beside them.
    const USEFUL: usize = (2 * 2 * 2) << 20;
    for (memory, expected) in [(1 << 30, USEFUL), (4 << 20, 3 << 20)] {
        let pipeline = pipeline_within(memory, Arc::default(), CancellationToken::new());
        assert_eq!(pipeline.budget.total_bytes(), expected, "{memory}");
    }
}

#[tokio::test]
async fn what_is_small_is_read_at_once_only_if_it_is_small_inflated_too() {
    let pipeline = pipeline(Arc::default(), CancellationToken::new());
    let event = std::str::from_utf8(EVENT).unwrap();
    let policies = [
        OnDamage::NamePlace,
        OnDamage::Refuse,
        OnDamage::KeepElements,
        OnDamage::KeepWhole,
    ];
    let spaces = " ".repeat(1 << 20);
    let large = format!("{event}{spaces}{event}");
    for on_damage in policies {
        for content in containers(event) {
            let (step, _) = at_once(
                &pipeline,
                &unit(content, on_damage),
                &UnitLetters::default(),
            )
            .unwrap();
            assert_eq!(step.counts.read, 1);
        }
        for content in containers(&large) {
            assert!(content.len() < SMALL);
            assert!(
                at_once(
                    &pipeline,
                    &unit(content, on_damage),
                    &UnitLetters::default()
                )
                .is_none()
            );
        }
    }
    // What gzip says of itself is believed only where it says that it is large.
    let mut lies = gzip(&large);
    let size = lies.len() - 4;
    lies[size..].fill(0);
    assert!(
        at_once(
            &pipeline,
            &unit(lies, OnDamage::Refuse),
            &UnitLetters::default()
        )
        .is_none()
    );
    // Many that are small are not.
    let line = in_base64(gzip(format!("{event}{}", " ".repeat(8 << 10))));
    let lines = [line.as_str(); 20].join("\n").into_bytes();
    assert!(lines.len() < SMALL);
    assert!(
        at_once(
            &pipeline,
            &unit(lines, OnDamage::Refuse),
            &UnitLetters::default()
        )
        .is_none()
    );
}
