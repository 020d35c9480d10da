//! Embeds the library: a CloudTrail file in, OTLP requests out, without tokio or any I/O of qtrail's.
//!
//! `cargo run --example convert_one --no-default-features -- trail.json.gz`

use qtrail::convert::{Options, Placement, convert, observed_time};
use qtrail::envelope::{Item, Limits, open};
use qtrail::event::amazon_q::{Lists, Select, Selector};
use qtrail::otlp::Encoder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1);
    let name = name.unwrap_or_else(|| "tests/fixtures/send-message.json".to_owned());
    let (limits, options) = (Limits::default(), Options::default());
    let selector = Selector::new(Select::AmazonQ, &Lists::default());
    let mut encoder = Encoder::new(&options);
    let mut records = open(std::fs::File::open(&name)?, &limits);
    while let Some(item) = records.next()? {
        let (position, selected) = match item {
            Item::Record { position, bytes } => (position, selector.select(bytes, limits.depth)),
            Item::Reject(reject) => (reject.position, Err(reject.reason)),
            Item::Skipped(_) => continue,
        };
        match selected {
            Ok(Some(event)) => {
                let placement = Placement::of(&event);
                convert(
                    event,
                    &placement,
                    observed_time(&name, None),
                    &options,
                    &mut encoder,
                );
            }
            Ok(None) => {}
            Err(reason) => eprintln!("record {}: {reason}", position.index),
        }
    }
    let encoded = encoder.take();
    // `encode` gives the bytes of an ExportLogsServiceRequest and an ExportTraceServiceRequest: send
    // them as they are, to /v1/logs and /v1/traces or over gRPC.
    let (logs, traces) = (encoded.logs.encode(), encoded.spans.encode());
    println!(
        "{} events: {} bytes of logs, {} of traces",
        encoded.events,
        logs.len(),
        traces.len()
    );
    Ok(())
}
