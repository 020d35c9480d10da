//! What parsing and encoding cost on one core: `cargo bench --bench otlp`.
//!
//! Plain timing, best of several rounds; nothing is asserted.

use std::hint::black_box;
use std::time::{Duration, Instant};

use qtrail_core::convert::{
    Field, Head, On, Options, ResourceKey, Severity, Sink, SpanKind, Stability, Value,
};
use qtrail_core::json::Document;
use qtrail_core::otlp::{Encoder, Flat, Signal};

const ROUNDS: usize = 7;
const EVENTS: usize = 20_000;

fn main() {
    let records: Vec<String> = [
        include_str!("../tests/fixtures/send-message.json"),
        include_str!("../tests/fixtures/on-behalf-of-list-buckets.json"),
        include_str!("../tests/fixtures/pass-request.user-invoked-by.json"),
    ]
    .map(compact)
    .to_vec();
    let bytes: usize = records.iter().cycle().take(EVENTS).map(String::len).sum();

    measure("parse", bytes, || {
        for record in records.iter().cycle().take(EVENTS) {
            black_box(Document::parse(record, 64).is_ok());
        }
    });
    measure("parse, all entries", bytes, || {
        for record in records.iter().cycle().take(EVENTS) {
            if let Ok(document) = Document::parse(record, 64) {
                black_box(document.root().entries().count());
            }
        }
    });

    let mut encoder = Encoder::new(&Options::default());
    let mut encode = |document: Option<&Document<'_>>| {
        for record in records.iter().cycle().take(EVENTS) {
            say(&mut encoder, record, document);
            if encoder.encoded_len() > 4 << 20 {
                black_box(encoder.take());
            }
        }
        encoder.take()
    };
    measure("encode, log and span", bytes, || drop(encode(None)));
    let document = Document::parse(&records[0], 64).ok();
    measure("encode, log with map and span", bytes, || {
        drop(encode(document.as_ref()))
    });

    for record in records.iter().cycle().take(EVENTS / 10) {
        say(&mut encoder, record, None);
    }
    let encoded = encoder.take();
    let encoded_events = encoded.logs.len();
    let size = encoded.logs.encoded_len() + encoded.spans.encoded_len();
    println!("{encoded_events} events take {size} bytes");
    for payload in [&encoded.logs, &encoded.spans] {
        let name = match payload.signal() {
            Signal::Logs => "logs as JSON",
            Signal::Traces => "spans as JSON",
        };
        rate(name, payload.encoded_len(), payload.len(), || {
            drop(black_box(payload.to_json()))
        });
    }
    measure("flat JSON", bytes, || {
        let mut flat = Flat::new(&Options::default());
        for record in records.iter().cycle().take(EVENTS) {
            say(&mut flat, record, None);
        }
        black_box(flat.take());
    });
}

fn measure(name: &str, bytes: usize, work: impl FnMut()) {
    rate(name, bytes, EVENTS, work);
}

fn rate(name: &str, bytes: usize, events: usize, mut work: impl FnMut()) {
    let round = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    let best = (0..ROUNDS)
        .map(round)
        .min()
        .unwrap_or(Duration::MAX)
        .as_secs_f64();
    println!(
        "{name:32} {:8.0} MB/s {:12.0} events/s",
        bytes as f64 / best / 1e6,
        events as f64 / best
    );
}

fn compact(text: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(text).expect("a fixture");
    value.to_string()
}

/// Says an event with as many attributes as a call made on a person's behalf has.
fn say(sink: &mut impl Sink, record: &str, map: Option<&Document<'_>>) {
    sink.begin(&Head {
        resource: ResourceKey {
            service_name: "amazon-q".into(),
            account_id: Some("111122223333".into()),
            region: Some("us-east-1".into()),
        },
        time: 1_700_000_000_000_000_000,
        observed: 1_700_000_300_000_000_000,
        start: 1_700_000_000_000_000_000,
        end: 1_700_000_000_000_000_001,
        name: "s3.ListBuckets".into(),
        severity: Severity::Info,
        kind: SpanKind::Client,
        error: None,
        trace_id: [7; 16],
        span_id: [9; 8],
        parent: None,
        link: None,
        body: Some(Value::Str(record.into())),
        log: true,
        span: true,
    });
    for (field, value) in &ATTRIBUTES {
        match *value {
            "true" => sink.attribute(field, &Value::Bool(true)),
            value => sink.attribute(field, &Value::Str(value.into())),
        }
    }
    if let Some(document) = map {
        sink.attribute(&MAP, &Value::Json(document.root()));
    }
    sink.end();
}

static MAP: Field = field("aws.request.parameters", On::Log);

static ATTRIBUTES: [(Field, &str); 38] = [
    both(
        "aws.cloudtrail.event_id",
        "c0f3a5a2-1b2c-4d5e-8f90-0123456789ab",
    ),
    log("log.record.uid", "c0f3a5a2-1b2c-4d5e-8f90-0123456789ab"),
    both("aws.cloudtrail.event_name", "ListBuckets"),
    both("aws.cloudtrail.event_source", "s3.amazonaws.com"),
    both("aws.cloudtrail.event_type", "AwsApiCall"),
    both("aws.cloudtrail.event_version", "1.11"),
    both("aws.event.category", "Management"),
    both("aws.event.read_only", "true"),
    both("aws.event.management", "true"),
    both("aws.request_id", "d4e5f6a7-1b2c-4d5e-8f90-0123456789ab"),
    both("rpc.system.name", "aws-api"),
    both("rpc.method", "s3.amazonaws.com/ListBuckets"),
    both("source.address", "q.amazonaws.com"),
    both("qtrail.outcome", "success"),
    span("peer.service", "s3.amazonaws.com"),
    both("user_agent.original", "q.amazonaws.com"),
    both("aws.session.console", "true"),
    both("user.id", "AROAEXAMPLEEXAMPLE:alice"),
    both("enduser.id", "alice"),
    both("user.name", "alice"),
    both("aws.principal.id", "AROAEXAMPLEEXAMPLE:alice"),
    both(
        "aws.principal.arn",
        "arn:aws:sts::111122223333:assumed-role/Developer/alice",
    ),
    both("aws.principal.type", "AssumedRole"),
    both("aws.user_identity.account_id", "111122223333"),
    both("aws.access_key.id", "ASIAEXAMPLEEXAMPLE"),
    both("aws.user_identity.invoked_by", "q.amazonaws.com"),
    both(
        "aws.user_identity.session_context.attributes.creation_date",
        "2026-01-01T00:00:00Z",
    ),
    both("aws.user_identity.session_context.issuer.type", "Role"),
    both(
        "aws.user_identity.session_context.issuer.arn",
        "arn:aws:iam::111122223333:role/Developer",
    ),
    both("aws.role_session.name", "alice"),
    both("qtrail.identity.class", "assumed_role"),
    both("qtrail.credential.kind", "temporary"),
    both("qtrail.invoked_by_service", "true"),
    both("qtrail.event.class", "on_behalf_of"),
    both("gen_ai.operation.name", "execute_tool"),
    both("gen_ai.tool.name", "s3:ListBuckets"),
    both("gen_ai.agent.name", "Amazon Q Developer"),
    both("gen_ai.provider.name", "aws.q_developer"),
];

const fn both(name: &'static str, value: &'static str) -> (Field, &'static str) {
    (field(name, On::Both), value)
}

const fn log(name: &'static str, value: &'static str) -> (Field, &'static str) {
    (field(name, On::Log), value)
}

const fn span(name: &'static str, value: &'static str) -> (Field, &'static str) {
    (field(name, On::Span), value)
}

const fn field(name: &'static str, on: On) -> Field {
    Field {
        name,
        on,
        from: "",
        stability: Stability::Qtrail,
    }
}
