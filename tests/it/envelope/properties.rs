//! What holds of any unit, well-formed or damaged, however it is read.

use std::cell::Cell;
use std::ops::Range;

use super::*;

/// A unit of any container, well-formed, with the records that a naive reader finds in it.
fn unit() -> impl Strategy<Value = (Vec<u8>, Vec<Value>)> {
    unit_of(0..9)
}

fn unit_of(shapes: Range<usize>) -> impl Strategy<Value = (Vec<u8>, Vec<Value>)> {
    let record = (any::<u8>(), "[ -~\u{e9}\u{1f600}\n]{0,20}").prop_map(|(n, text)| {
        json!({"eventVersion": "1.0", "eventName": format!("N{n}"), "text": text, "requestParameters": {"Records": [{"eventVersion": [n, null, -1.5e3, true]}]}})
    });
    (prop::collection::vec(record, 1..12), shapes).prop_map(|(events, shape)| {
        let texts: Vec<_> = events.iter().map(Value::to_string).collect();
        let strs: Vec<_> = texts.iter().map(String::as_str).collect();
        let unit = match shape {
            0 => json!({"a": [1], "Records": events, "b": 1}).to_string(),
            1 => serde_json::to_string_pretty(&json!({"Records": events})).unwrap(),
            2 => Value::from(events.clone()).to_string(),
            3 => texts.join("\n"),
            4 => texts.concat(),
            5 => subscription(&strs).to_string(),
            6 => json!({"Events": texts.iter().map(|t| json!({"EventId": "e", "CloudTrailEvent": t})).collect::<Vec<_>>()}).to_string(),
            7 => texts.iter().map(|t| format!("{{\"source\":\"aws.q\",\"detail-type\":\"x via CloudTrail\",\"detail\":{t}}}\n")).collect(),
            _ => json!({"records": texts.iter().map(|t| json!({"data": base64(gzip(t))})).collect::<Vec<_>>()}).to_string(),
        };
        (unit.into_bytes(), events)
    })
}

fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, Option<u8>)>> {
    let byte = prop::sample::select(&b"{}[],:\"\\\n\0 x9\xff"[..]);
    prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(byte)), 0..5)
}

fn damaged(unit: &[u8], damage: &[(prop::sample::Index, Option<u8>)]) -> Vec<u8> {
    let mut unit = unit.to_vec();
    for (index, byte) in damage {
        if unit.is_empty() {
            break;
        }
        let at = index.index(unit.len());
        match byte {
            Some(byte) => unit[at] = *byte,
            None => drop(unit.remove(at)),
        }
    }
    unit
}

proptest! {
    #[test]
    fn well_formed_units_yield_what_a_naive_reader_finds((unit, events) in unit()) {
        for unit in [gzip(&unit), unit] {
            let found: Vec<Value> = read(&unit).iter().map(|seen| match seen {
                Seen::Record(_, bytes) => serde_json::from_slice(bytes).unwrap(),
                other => panic!("{other:?}"),
            }).collect();
            prop_assert_eq!(&found, &events);
        }
    }

    #[test]
    fn the_size_of_the_reads_changes_nothing(
        (unit, _) in unit(), damage in damage(), size in 1..100usize, event_bytes in 50..400usize,
    ) {
        let unit = damaged(&unit, &damage);
        let limits = Limits { event_bytes, ..Limits::default() };
        let whole = read_with(&unit[..], &limits);
        prop_assert_eq!(&read_with(Pieces(&unit, 1), &limits), &whole);
        prop_assert_eq!(&read_with(Pieces(&unit, size), &limits), &whole);
    }
}

/// Whatever is damaged, the pieces come in the order of the unit, and each is its bytes; where
/// nothing but records and what separates them is in the unit, no byte is in no piece.
#[test]
fn damage_loses_no_byte_in_silence() {
    let (rejected, kept) = (Cell::new(0), Cell::new(0));
    let mut runner = proptest::test_runner::TestRunner::default();
    let strategy = (unit_of(2..5), damage());
    runner
        .run(&strategy, |((unit, _), damage)| {
            let unit = damaged(&unit, &damage);
            // Damage can put an array of the event's own at the start of a line: a container then.
            let separators = |bytes: &[u8]| {
                let gap = String::from_utf8_lossy(bytes).replace("{\"Records\":[", "");
                gap.bytes().all(|b| b" \n,[]}".contains(&b))
            };
            let mut upto = 0;
            for (index, seen) in read(&unit).into_iter().enumerate() {
                let (position, bytes) = match seen {
                    Seen::Record(position, bytes) => {
                        kept.set(kept.get() + 1);
                        (position, bytes)
                    }
                    Seen::Reject(reject) => {
                        rejected.set(rejected.get() + 1);
                        match reject.evidence {
                            Evidence::Bytes(bytes) => (reject.position, bytes),
                            // A container that was never closed.
                            evidence => {
                                prop_assert_eq!(evidence, Evidence::Unit);
                                (reject.position, Vec::new())
                            }
                        }
                    }
                    Seen::Skipped(skipped) => {
                        return Err(TestCaseError::fail(format!("{skipped:?}")));
                    }
                };
                prop_assert_eq!(position.index, index as u64);
                let start = position.offset as usize;
                let end = start + position.length as usize;
                prop_assert!(start >= upto);
                prop_assert!(separators(&unit[upto..start]));
                // Of a text, what is kept is what it holds.
                if !unit[start..end].starts_with(b"\"{") {
                    prop_assert_eq!(&unit[start..end], &bytes[..]);
                }
                upto = end;
            }
            prop_assert!(separators(&unit[upto..]));
            Ok(())
        })
        .unwrap();
    assert!(
        rejected.get() > 100 && kept.get() > 100,
        "vacuous: {rejected:?} {kept:?}"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_survived(unit in prop::collection::vec(any::<u8>(), 0..300), zipped: bool) {
        let unit = if zipped { [&[0x1f, 0x8b, 8][..], &unit].concat() } else { unit };
        read(&unit);
    }
}
