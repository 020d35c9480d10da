//! The fast path for ordinary log files against the reader of everything.

use fastrand::Rng;
use qtrail_core::Converter;
use qtrail_core::envelope::log_file::{LogFile, LogRecord};
use qtrail_core::envelope::{Item, Limits, open};
use qtrail_core::reject::Position;

use crate::support::program::{gzip, log_file};
use crate::support::trail::{ODDITIES, put, records};

const TRAILS: u64 = 60;
const EVENTS: u64 = 40;
const DAMAGES: usize = 4_000;

/// The records of a file, as the reader of everything finds them; `None` if there is anything else.
fn slow(compressed: &[u8]) -> Option<Vec<(Position, Vec<u8>)>> {
    let mut items = open(compressed, &Limits::default());
    let mut records = Vec::new();
    while let Some(item) = items.next().unwrap() {
        match item {
            Item::Record { position, bytes } => records.push((position, bytes.to_vec())),
            Item::Reject(_) | Item::Skipped(_) => return None,
        }
    }
    Some(records)
}

fn fast(file: &mut LogFile, compressed: &[u8]) -> Option<Vec<(Position, Vec<u8>)>> {
    let ordinary = file.read(compressed, &Limits::default());
    let owned = |record: LogRecord<'_>| (record.position, record.bytes.to_vec());
    ordinary.then(|| file.records().map(owned).collect())
}

/// Records with what is odd in real trails.
fn odd(seed: u64, rng: &mut Rng) -> Vec<String> {
    let mut records = records(seed, EVENTS, 30.0);
    for record in &mut records {
        if rng.u8(..3) == 0 {
            let (pointer, json) = ODDITIES[rng.usize(..ODDITIES.len())];
            *record = put(record, pointer, json);
        }
    }
    records
}

#[test]
fn both_find_the_same_records_in_every_well_formed_file() {
    let mut rng = Rng::with_seed(1);
    let (mut file, mut ordinary) = (LogFile::default(), 0);
    for seed in 0..TRAILS {
        let records = odd(seed, &mut rng);
        let compressed = gzip(log_file(&records));
        let expected = slow(&compressed).expect("nothing but records");
        assert_eq!(expected.len(), records.len());
        if let Some(found) = fast(&mut file, &compressed) {
            assert_eq!(found, expected, "seed {seed}");
            ordinary += 1;
        }
        // One odd first key makes a file unusual.
        let plain = gzip(log_file(&crate::support::trail::records(
            seed, EVENTS, 30.0,
        )));
        assert_eq!(fast(&mut file, &plain), slow(&plain), "seed {seed}");
    }
    assert!(ordinary > TRAILS / 2, "{ordinary} of {TRAILS}: vacuous");
}

#[test]
fn what_is_around_the_file_makes_it_unusual() {
    let mut file = LogFile::default();
    let text = log_file(&records(1, 5, 50.0));
    let whole = gzip(&text);
    assert!(fast(&mut file, &whole).is_some());
    let twice = [whole.clone(), whole.clone()].concat();
    let damaged: Vec<_> = (0..whole.len())
        .map(|at| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            bytes
        })
        .collect();
    for (what, bytes) in [
        ("not compressed", text.clone()),
        ("two members", twice),
        ("garbage behind it", [&whole[..], b"garbage!"].concat()),
        (
            "garbage and its length behind it",
            [&whole[..], b"garbage!", &whole[whole.len() - 4..]].concat(),
        ),
        ("cut", whole[..whole.len() - 1].to_vec()),
        ("empty", Vec::new()),
        ("gzip in gzip", gzip(&whole)),
    ] {
        assert_eq!(fast(&mut file, &bytes), None, "{what}");
    }
    for bytes in damaged {
        if let Some(found) = fast(&mut file, &bytes) {
            assert_eq!(Some(found), slow(&whole), "a damage that changes nothing");
        }
    }
}

#[test]
fn no_damage_makes_a_record_of_what_is_inside_one() {
    let mut rng = Rng::with_seed(2);
    let inside = records(7, 3, 100.0);
    let bait = serde_json::to_string(&format!("\"}}}},{},{{\"", inside.join(","))).unwrap();
    let baited: Vec<_> = records(8, 12, 50.0)
        .iter()
        .map(|record| put(record, "/requestParameters/text", &bait))
        .collect();
    let text = log_file(&baited);
    let mut file = LogFile::default();
    let expected = fast(&mut file, &gzip(&text)).expect("an ordinary file");
    let quotes: Vec<_> = memchr::memchr_iter(b'"', &text).collect();
    let (mut accepted, interesting) = (0, b"\"\\{}[],: ax");
    for _ in 0..DAMAGES {
        let mut damaged = text.clone();
        for _ in 0..rng.usize(1..4) {
            let at = match rng.bool() {
                true => quotes[rng.usize(..quotes.len())],
                false => rng.usize(..text.len()),
            };
            damaged[at] = interesting[rng.usize(..interesting.len())];
        }
        let Some(found) = fast(&mut file, &gzip(&damaged)) else {
            continue;
        };
        accepted += 1;
        let places = |records: &[(Position, Vec<u8>)]| -> Vec<Position> {
            records.iter().map(|(position, _)| *position).collect()
        };
        for place in places(&found) {
            let begins = expected
                .iter()
                .any(|(other, _)| other.offset == place.offset);
            assert!(
                begins,
                "a record begins at {}: {}",
                place.offset,
                String::from_utf8_lossy(&damaged)
            );
        }
    }
    assert!(accepted > DAMAGES / 10, "{accepted} of {DAMAGES}: vacuous");
}

/// What a file becomes; not compressed, it is none for the fast path.
fn both_convert(text: &[u8]) -> [String; 2] {
    let converter = Converter::default();
    [gzip(text), text.to_vec()].map(|bytes| format!("{:?}", converter.convert_file(&bytes, "")))
}

#[test]
fn both_export_the_same_and_reject_the_same() {
    let mut rng = Rng::with_seed(3);
    let (mut file, mut ordinary, mut rejected) = (LogFile::default(), 0, 0);
    for seed in 0..TRAILS {
        let mut records = odd(seed, &mut rng);
        for _ in 0..rng.usize(..3) {
            let one = rng.usize(..records.len());
            records[one] = match rng.u8(..5) {
                0 => records[one].replace("q.amazonaws.com", r"\u0071.amazonaws.com"),
                1 => records[one].replace("q.amazonaws.com", r"q\u002eamazonaws.com"),
                // Every bracket and quote is in its place, and it is no JSON.
                2 if records[one].contains("q.amazonaws.com") => {
                    records[one].replace("\"awsRegion\":", "\"awsRegion\":true")
                }
                // A key of tables, and one of messages that carry events.
                3 if records[one].contains("q.amazonaws.com") => {
                    let key = ["eventname", "detail-type"][rng.usize(..2)];
                    records[one].replace("eventName", key)
                }
                _ => records[one].replacen("eventTime", "event.time", 1),
            };
        }
        let text = log_file(&records);
        ordinary += u32::from(fast(&mut file, &gzip(&text)).is_some());
        let converted = Converter::default().convert_file(&text, "");
        rejected += converted.rejects.len();
        let [one, other] = both_convert(&text);
        assert_eq!(one, other, "seed {seed}");
    }
    assert!(
        ordinary > TRAILS as u32 / 4,
        "{ordinary} of {TRAILS}: vacuous"
    );
    assert!(rejected > 10, "{rejected}: vacuous");
}
