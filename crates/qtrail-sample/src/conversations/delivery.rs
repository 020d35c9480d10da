//! Which file has which event.
//!
//! Enters: events in the order of the story. Leaves: files of one account each. What must hold: an event that arrives
//! is in at least one file; a file's records are in no order; some files are hours late; some events are in two files.

use std::collections::BTreeMap;
use std::io::Write;

use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::Event;
use crate::template::{alphanumerics, timestamp};

/// CloudTrail delivers about every five minutes.
const SLOT: i64 = 300;
/// Of a hundred events, those that are delivered twice, and those that are hours late.
const REPEATED: u32 = 4;
const LATE: u32 = 5;

/// A file: when it is delivered, in seconds since 1970, and the folder of its account.
type Place = (i64, String);

pub(super) fn files(events: &[Event], rng: &mut Rng) -> Vec<(String, Vec<u8>)> {
    let mut files: BTreeMap<Place, Vec<&str>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.happened.arrives) {
        let account = event.account;
        let mut deliver = |rng: &mut Rng, folder| {
            let file = files.entry((delivered(event.at, rng), folder));
            file.or_default().push(&event.record);
        };
        deliver(rng, account.to_owned());
        if rng.u32(..100) < REPEATED {
            // By the same trail once more, or by the organization's.
            let folder = match rng.bool() {
                true => account.to_owned(),
                false => format!("o-exampleorgid/{account}"),
            };
            deliver(rng, folder);
        }
    }
    let file = |(place, mut records): (Place, Vec<&str>)| {
        rng.shuffle(&mut records);
        (path(&place, rng), gzip(&records))
    };
    files.into_iter().map(file).collect()
}

fn delivered(at: i64, rng: &mut Rng) -> i64 {
    let late = match rng.u32(..100) < LATE {
        true => rng.i64(3_600..6 * 3_600),
        false => rng.i64(60..600),
    };
    (at / 1_000 + late) / SLOT * SLOT
}

fn path((delivered, folder): &Place, rng: &mut Rng) -> String {
    let account = folder.rsplit('/').next().unwrap_or(folder);
    let time = timestamp(*delivered);
    let (day, minute) = (time.strftime("%Y/%m/%d"), time.strftime("%Y%m%dT%H%MZ"));
    let mut random = String::new();
    alphanumerics(&mut random, 16, rng);
    format!(
        "AWSLogs/{folder}/CloudTrail/us-east-1/{day}/{account}_CloudTrail_us-east-1_{minute}_{random}.json.gz"
    )
}

fn gzip(records: &[&str]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let text = format!(r#"{{"Records":[{}]}}"#, records.join(","));
    // Writing to a Vec cannot fail.
    let _ = gzip.write_all(text.as_bytes());
    gzip.finish().unwrap_or_default()
}
