//! How fast records are read out of a plain and a compressed log file, out of NDJSON, and out of a log
//! file in which some are broken.
//!
//! `cargo bench --bench envelope`, on an idle machine; prints MB/s of inflated JSON.

use std::io::{Cursor, Write};
use std::time::Instant;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use qtrail_core::envelope::{Again, Item, Limits, open};

/// Bytes of the unit that is read.
const UNIT_BYTES: usize = 64 << 20;
/// Each unit is read so many times; the fastest counts.
const ROUNDS: usize = 5;

/// A record of the size and make of those in real trails (median 1.2 KB).
fn record(number: usize) -> String {
    format!(
        r#"{{"eventVersion":"1.09","userIdentity":{{"type":"AssumedRole","principalId":"AROAEXAMPLE:{number}","arn":"arn:aws:sts::123456789012:assumed-role/Reader/{number}","accountId":"123456789012","accessKeyId":"ASIAEXAMPLE","sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"AROAEXAMPLE","arn":"arn:aws:iam::123456789012:role/Reader","accountId":"123456789012","userName":"Reader"}},"attributes":{{"creationDate":"2024-04-10T20:03:01Z","mfaAuthenticated":"false"}}}}}},"eventTime":"2024-04-10T20:04:42Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.{}","userAgent":"[aws-cli/2.15.0 md/awscrt#0.19.19 ua/2.0 os/linux#5.10 md/arch#x86_64 lang/python#3.11.6]","requestParameters":{{"bucketName":"example-bucket","Host":"example-bucket.s3.us-east-1.amazonaws.com","key":"folder/object-{number}.json"}},"responseElements":null,"additionalEventData":{{"SignatureVersion":"SigV4","bytesTransferredIn":0,"bytesTransferredOut":{number}}},"requestID":"REQ{number}","eventID":"ba0801a1-87ec-4d26-be87-{number:012}","readOnly":true,"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"123456789012","eventCategory":"Data"}}"#,
        number % 256
    )
}

fn measure(name: &str, unit: &[u8]) {
    let unit = Cursor::new(Bytes::copy_from_slice(unit));
    let mut best = f64::MAX;
    let (mut count, mut bytes) = (0, 0);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let again = Again::clones(unit.clone());
        let mut records = open(unit.clone(), &Limits::default()).again(again);
        (count, bytes) = (0, 0);
        while let Ok(Some(item)) = records.next() {
            match item {
                Item::Record { .. } | Item::Reject(_) => count += 1,
                Item::Skipped(what) => panic!("{what:?}"),
            }
            bytes = records.inflated_bytes();
        }
        best = best.min(start.elapsed().as_secs_f64());
    }
    let megabytes = bytes as f64 / 1e6;
    println!(
        "{name:<12} {count} records, {megabytes:.0} MB, {:.0} MB/s",
        megabytes / best
    );
}

fn main() {
    let records: Vec<_> = (0..UNIT_BYTES / record(0).len()).map(record).collect();
    let log_file = format!("{{\"Records\":[{}]}}", records.join(","));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder
        .write_all(log_file.as_bytes())
        .and_then(|()| encoder.finish());
    measure("log file", log_file.as_bytes());
    let damaged = log_file.replace("object-1000", "object-\u{1}1000");
    measure("damaged", damaged.as_bytes());
    measure("NDJSON", records.join("\n").as_bytes());
    match compressed {
        Ok(compressed) => measure("log file, gz", &compressed),
        Err(error) => println!("gzip: {error}"),
    }
}
