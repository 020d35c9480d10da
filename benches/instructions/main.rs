//! Work whose instructions `.ci/instructions` counts under Valgrind: one stage of the way from a log file to
//! requests, over a fixed trail.
//!
//! `qtrail-instructions sample FOLDER` writes the trail; `qtrail-instructions STAGE FOLDER` does the work. Only
//! [`measured`] counts.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;

use qtrail_core::convert::{Field, Head, Sink, Value};
use qtrail_core::envelope::log_file::LogFile;
use qtrail_core::otlp::Encoder;
use qtrail_core::reject::Position;
use qtrail_core::{Converter, RecordOutcome};
use qtrail_sample::{Amount, Format, Spec};

type Failed = Box<dyn Error>;

/// A usual trail: nearly all records are filtered.
const MIXED: Spec = spec(Amount::Events(4000), 2.0, Format::Gzip);
/// Only Amazon Q's events.
const AMAZON_Q: Spec = spec(Amount::Events(500), 100.0, Format::Ndjson);

fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [command, folder] = arguments.as_slice() else {
        return Err("usage: qtrail-instructions sample|scan|convert|encode FOLDER".into());
    };
    let (mixed, amazon_q) = (
        Path::new(folder).join("mixed.json.gz"),
        Path::new(folder).join("amazon-q.ndjson"),
    );
    if command == "sample" {
        qtrail_sample::write_one(&MIXED, &mut fs::File::create(mixed)?)?;
        qtrail_sample::write_one(&AMAZON_Q, &mut fs::File::create(amazon_q)?)?;
        return Ok(());
    }
    let converter = Converter::default();
    let done = match command.as_str() {
        "scan" => {
            let file = fs::read(mixed)?;
            measured(|| scan(&converter, &file))
        }
        "convert" => {
            let records = fs::read(amazon_q)?;
            measured(|| convert(&converter, &records, &mut Nothing))
        }
        // With the conversion, which the caller subtracts.
        "encode" => {
            let records = fs::read(amazon_q)?;
            let mut encoder = Encoder::new(&converter.options);
            measured(|| {
                let converted = convert(&converter, &records, &mut encoder);
                let encoded = encoder.take();
                black_box((encoded.logs.encode_parts(), encoded.spans.encode_parts()));
                converted
            })
        }
        other => return Err(format!("no such stage: {other}").into()),
    };
    println!("{command}: {done} records");
    match done {
        0 => Err("nothing was done: the trail, or how it is read, has changed".into()),
        _ => Ok(()),
    }
}

/// What Valgrind counts, by this name.
#[inline(never)]
fn measured(work: impl FnOnce() -> usize) -> usize {
    black_box(work())
}

/// Finds the candidates among the records of a compressed log file.
fn scan(converter: &Converter, file: &[u8]) -> usize {
    let mut log_file = LogFile::default();
    match log_file.read(file, &converter.limits) {
        true => converter.selector.candidates(&log_file).count(),
        false => 0,
    }
}

/// Converts records, one a line.
fn convert(converter: &Converter, records: &[u8], sink: &mut impl Sink) -> usize {
    let lines = records.split(|byte| *byte == b'\n');
    let lines = lines.filter(|line| !line.is_empty());
    lines
        .map(|line| converter.convert_record(line, Position::default(), None, sink))
        .filter(|outcome| matches!(outcome, RecordOutcome::Converted { .. }))
        .count()
}

/// Takes an event and leaves it.
struct Nothing;

impl Sink for Nothing {
    fn begin(&mut self, head: &Head<'_>) {
        black_box(head);
    }

    fn attribute(&mut self, field: &'static Field, value: &Value<'_>) {
        black_box((field, value));
    }

    fn end(&mut self) {}
}

const fn spec(amount: Amount, share: f64, format: Format) -> Spec {
    Spec {
        amount,
        share,
        seed: 13,
        files: Some(1),
        format,
        end: qtrail_sample::DEFAULT_END,
    }
}
