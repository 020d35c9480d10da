//! Bytes become records and rejects: the same ones however the bytes arrive, none inside another.

use std::io::{self, Cursor, Read};

use qtrail_core::envelope::{self, Again, Item, Limits, Records, Skipped};
use qtrail_core::reject::{Evidence, Position, Reason, Reject};
use serde_json::value::RawValue;

use super::{depth, gzip, is_json};

/// Inflated bytes of a unit: a few bytes of gzip inflate to megabytes.
const INFLATED: u64 = 4 << 20;
/// What the windows of a unit take at first, with those of the texts inside.
const FIRST_WINDOWS: usize = 5 * (128 << 10);
/// How many times its largest event a unit may take beyond that.
const FACTOR: usize = 64;
/// How many times the size of an event is kept of a record that was put together from what carries it:
/// its hash would be found nowhere in the unit.
const CARRIED: usize = 4;
const GZIP: &[u8] = &[0x1f, 0x8b];

/// An item that outlives its window.
#[derive(Debug, Clone, PartialEq)]
enum Seen {
    Record(Position, Vec<u8>),
    Reject(Reject),
    Skipped(Skipped),
}

/// What a unit yielded.
#[derive(Debug)]
struct Unit {
    seen: Vec<Seen>,
    resume: u64,
    inflated: u64,
}

/// Delivers at most so many bytes at once.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(self.1);
        self.0.read(&mut buffer[..room])
    }
}

/// Reads a unit in each way.
pub fn check(data: &[u8]) -> usize {
    let limits = Limits {
        inflated_bytes: INFLATED,
        ..Limits::default()
    };
    let tight = Limits {
        inflated_bytes: 8 << 10,
        event_bytes: 300,
        depth: 6,
        events: 12,
    };
    let mut looked_at = 0;
    for limits in [&limits, &tight] {
        let unit = read(data, limits);
        for piece in [1, 7, 61] {
            let pieces = read(Pieces(data, piece), limits);
            same(&unit, &pieces, &format!("in pieces of {piece}"));
        }
        items_hold(data, &unit, limits);
        looked_at += unit.seen.len();
    }
    let whole = read(data, &limits);
    if !data.starts_with(GZIP) {
        same(&whole, &read(&gzip(data)[..], &limits), "compressed");
    }
    let again = envelope::open(data, &limits).again(Again::clones(Cursor::new(data.to_vec())));
    same(
        &whole,
        &read_all(again, &limits),
        "with its bytes a second time",
    );
    looked_at + nothing_is_found_inside_a_record(data)
}

fn read(unit: impl Read, limits: &Limits) -> Unit {
    read_all(envelope::open(unit, limits), limits)
}

fn read_all(mut records: Records<impl Read>, limits: &Limits) -> Unit {
    let mut seen = Vec::new();
    while let Some(item) = records.next().expect("memory can be read") {
        seen.push(match item {
            Item::Record { position, bytes } => Seen::Record(position, bytes.to_vec()),
            Item::Reject(mut reject) => {
                // The inflater's words, which are those of its last call.
                if let Reason::BadGzip { detail, .. } = &mut reject.reason {
                    detail.clear();
                }
                Seen::Reject(reject)
            }
            Item::Skipped(skipped) => Seen::Skipped(skipped),
        });
        let most = FIRST_WINDOWS + FACTOR * limits.event_bytes;
        assert!(
            records.window_bytes() <= most,
            "{} bytes",
            records.window_bytes()
        );
    }
    assert!(
        records.next().expect("memory can be read").is_none(),
        "the end stays the end"
    );
    Unit {
        resume: records.resume_offset(),
        inflated: records.inflated_bytes(),
        seen,
    }
}

/// Panics at the first item that is not the same.
fn same(unit: &Unit, other: &Unit, how: &str) {
    for (at, seen) in unit.seen.iter().enumerate() {
        assert_eq!(Some(seen), other.seen.get(at), "item {at} {how}");
    }
    assert_eq!(unit.seen.len(), other.seen.len(), "items {how}");
    assert_eq!(unit.resume, other.resume, "where to resume {how}");
    // A unit of too many events is not read to its end.
    if !unit.seen.last().is_some_and(is_too_many) {
        assert_eq!(unit.inflated, other.inflated, "inflated {how}");
    }
}

/// Whether a reject is about the unit, and no event.
fn is_of_unit(seen: &Seen) -> bool {
    matches!(seen, Seen::Reject(reject) if reject.evidence == Evidence::Unit)
}

fn is_too_many(seen: &Seen) -> bool {
    matches!(
        seen,
        Seen::Reject(Reject {
            reason: Reason::TooManyEvents { .. },
            ..
        })
    )
}

/// What holds of every item of a unit.
fn items_hold(data: &[u8], unit: &Unit, limits: &Limits) {
    let plain = !data.starts_with(GZIP);
    let mut last: Option<Position> = None;
    let mut index = 0;
    assert!(unit.resume <= unit.inflated && unit.inflated <= limits.inflated_bytes);
    for seen in &unit.seen {
        let position = match seen {
            Seen::Record(position, bytes) => {
                record_holds(bytes, limits);
                let stands_there = position.length == bytes.len() as u64;
                if plain && stands_there && is_plain(data, *position) {
                    // A table's names are replaced by CloudTrail's, which are as long.
                    let stands = &data[range(*position)];
                    let canonical = envelope::canonical(stands);
                    assert!(
                        stands == bytes || canonical.as_ref() == Ok(bytes),
                        "not the bytes that stand there"
                    );
                }
                *position
            }
            Seen::Reject(reject) => {
                if let Evidence::Bytes(bytes) = &reject.evidence {
                    let is_whole = matches!(
                        reject.reason,
                        Reason::EventTooLarge { .. } | Reason::TooDeep { .. }
                    );
                    let most = limits.event_bytes * if is_whole { CARRIED } else { 1 };
                    assert!(bytes.len() <= most, "{} bytes kept", bytes.len());
                }
                assert!(!reject.reason.to_string().is_empty());
                reject.position
            }
            Seen::Skipped(_) => continue,
        };
        assert_eq!(position.index, index, "numbered from 0, without a gap");
        index += 1;
        let end = position.offset + position.length;
        assert!(end <= unit.inflated, "beyond the unit: {position:?}");
        if let Some(last) = last {
            let carried = (last.offset, last.length) == (position.offset, position.length);
            let after = position.offset >= last.offset + last.length;
            assert!(carried || after, "{position:?} lies in {last:?}");
        }
        last = Some(position);
    }
    let count = |is: fn(&Seen) -> bool| unit.seen.iter().filter(|seen| is(seen)).count() as u64;
    let events = index - count(is_of_unit);
    assert!(
        count(is_too_many) <= 1 && events <= limits.events,
        "{index} items"
    );
}

/// Whether the element is the record itself; in a text, its quotes are part of the element.
fn is_plain(data: &[u8], position: Position) -> bool {
    data[range(position)].starts_with(b"{")
}

fn range(position: Position) -> std::ops::Range<usize> {
    position.offset as usize..(position.offset + position.length) as usize
}

fn record_holds(bytes: &[u8], limits: &Limits) {
    assert!(bytes.len() <= limits.event_bytes, "{} bytes", bytes.len());
    assert!(
        depth(bytes) <= limits.depth as usize,
        "{} levels",
        depth(bytes)
    );
    let text = String::from_utf8_lossy(bytes);
    assert!(
        text.starts_with('{') && text.ends_with('}'),
        "no object: {text}"
    );
    assert!(is_json(&text), "no JSON: {text}");
}

/// Whatever stands in a record's text or in its fields, the unit holds that record and its neighbour; and
/// where the record is broken, its neighbour alone.
fn nothing_is_found_inside_a_record(data: &[u8]) -> usize {
    const LAST: &str = r#"{"eventVersion":"1","eventName":"last"}"#;
    let text = String::from_utf8_lossy(data);
    let quoted = serde_json::Value::from(&*text).to_string();
    let value: Option<&RawValue> = serde_json::from_str(&text).ok();
    let values = value.map(|value| value.get().to_owned());
    let mut looked_at = 0;
    for value in std::iter::once(quoted).chain(values) {
        if depth(value.as_bytes()) > 60 {
            continue;
        }
        for (is_broken, name) in [
            (false, r#""first""#),
            (true, r#""no comma""#),
            (true, r#""\q""#),
        ] {
            let comma = if name.contains("comma") { ' ' } else { ',' };
            let first = format!(
                r#"{{"eventVersion":"1","eventName":{name}{comma}"requestParameters":{value}}}"#
            );
            let mut units = vec![format!(r#"{{"Records":[{first},{LAST}]}}"#)];
            // A line's end inside a value is no line's end of NDJSON's.
            if !value.contains('\n') {
                units.push(format!("{first}\n{LAST}\n"));
            }
            let expected = if is_broken {
                vec![LAST]
            } else {
                vec![first.as_str(), LAST]
            };
            for unit in units {
                let found = records(&unit, is_broken);
                assert_eq!(found, expected, "of {unit}");
                looked_at += found.len();
            }
        }
    }
    looked_at
}

/// The records of a unit that holds nothing else but, perhaps, a broken one.
fn records(unit: &str, is_broken: bool) -> Vec<String> {
    let seen = read(unit.as_bytes(), &Limits::default()).seen;
    let records = seen.iter().filter_map(|seen| match seen {
        Seen::Record(_, bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Seen::Reject(_) if is_broken => None,
        other => panic!("{other:?} of {unit}"),
    });
    records.collect()
}
