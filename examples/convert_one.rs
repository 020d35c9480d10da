//! Converts one CloudTrail file to OTLP requests with the library alone.
//!
//! `cargo run -p qtrail-core --example convert_one -- trail.json.gz`

use qtrail_core::Converter;

fn main() -> std::io::Result<()> {
    let name = std::env::args().nth(1);
    let name = name.unwrap_or_else(|| "tests/fixtures/send-message.json".to_owned());
    let converted = Converter::default().convert_file(&std::fs::read(&name)?, &name);
    for reject in &converted.rejects {
        eprintln!("record {}: {}", reject.position.index, reject.reason);
    }
    // Each request is ready to send: to /v1/logs and /v1/traces, or over gRPC.
    let bytes = |requests: &[Vec<u8>]| requests.iter().map(Vec::len).sum::<usize>();
    println!(
        "{} events: {} bytes of logs, {} of traces",
        converted.exported,
        bytes(&converted.logs),
        bytes(&converted.spans)
    );
    Ok(())
}
