//! A damaged record whose values an attacker chose, among honest ones: what the attacker wrote is
//! never a record of its own, and the honest ones are.
//!
//! The oracle knows by construction which record is whose; it has no rule for where to go on.

use std::cell::Cell;
use std::io::Cursor;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use qtrail_core::envelope::Again;

use super::*;

const FORGED: &str = "forged";

fn honest(number: usize) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "sessionContext": {"attributes": {"mfa": "false"}}},
        "eventName": format!("H{number}"),
        "requestParameters": {"tags": [{"key": "a"}, {"key": "}]\"{"}]},
        "responseElements": null,
        "eventID": format!("id-{number}"),
    })
}

/// What an attacker puts into a request: events, and pieces of structure in texts.
fn chosen() -> impl Strategy<Value = Value> {
    let event = json!({"eventVersion": "1.11", "eventName": FORGED, "eventID": "f"});
    let texts = vec![
        event.to_string(),
        format!("\n{event}\n"),
        format!("}}]}}\n{event}"),
        "]}{".to_owned(),
        "}]}".to_owned(),
        "{".to_owned(),
        "\"".to_owned(),
        "\\".to_owned(),
        "x".to_owned(),
    ];
    let leaf = prop_oneof![
        3 => Just(event),
        2 => select(texts).prop_map(Value::from),
        1 => (-9..99_i32).prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Value::from),
            prop::collection::vec((select(vec!["a", "Records", "tags"]), inner), 1..3).prop_map(
                |entries| {
                    let entries = entries
                        .into_iter()
                        .map(|(key, value)| (key.to_owned(), value));
                    Value::Object(entries.collect())
                }
            ),
        ]
    })
}

/// The record as AWS writes it: what is around the values is not the attacker's.
fn hostile(chosen: &Value) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser"},
        "eventTime": "2026-01-01T00:00:00Z",
        "errorMessage": "a message",
        "eventName": "Evil",
        "readOnly": true,
        "requestParameters": chosen,
        "responseElements": {"count": 17, "list": [chosen]},
        "eventID": "evil",
        "resources": [{"accountId": "1", "size": -1.5}],
    })
}

/// How a unit is laid out.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Layout {
    LogFile,
    PrettyLogFile,
    FlushLogFile,
    LogFiles,
    Array,
    ArrayInLines,
    PrettyArray,
    Lines,
    Concatenated,
    EventBridge,
    EventBridgeArray,
    /// Lines that begin with what is no JSON.
    Prefixed(&'static str),
    Alone,
    Texts,
    LogLines,
}

const LAYOUTS: [Layout; 16] = [
    Layout::LogFile,
    Layout::PrettyLogFile,
    Layout::FlushLogFile,
    Layout::LogFiles,
    Layout::Array,
    Layout::ArrayInLines,
    Layout::PrettyArray,
    Layout::Lines,
    Layout::Concatenated,
    Layout::EventBridge,
    Layout::EventBridgeArray,
    Layout::Prefixed("x "),
    Layout::Prefixed("INFO [a] {} "),
    Layout::Alone,
    Layout::Texts,
    Layout::LogLines,
];

/// A unit with honest records, or none, around the hostile ones, and where all but the first of its
/// records stand.
fn laid_out(layout: Layout, evil: &[Value]) -> (String, Vec<Range<usize>>) {
    let here = |number: usize| format!("@ here {number} @");
    let mut texts = vec![];
    for (number, evil) in evil.iter().enumerate() {
        texts.extend([honest(number), evil.clone()]);
    }
    texts.extend([honest(evil.len()), honest(evil.len() + 1)]);
    if layout == Layout::Alone {
        texts = evil[..1].to_vec();
    }
    let records: Vec<_> = (0..texts.len()).map(|n| Value::from(here(n))).collect();
    let unit = container(layout, &records);
    let (mut whole, mut ranges, mut rest) = (String::new(), vec![], &unit[..]);
    for (number, record) in texts.iter().enumerate() {
        let (before, behind) = rest.split_once(&format!("\"{}\"", here(number))).unwrap();
        whole += before;
        let text = match layout {
            Layout::PrettyLogFile | Layout::PrettyArray => pretty(record),
            Layout::FlushLogFile => flush(record),
            Layout::Texts => Value::from(record.to_string()).to_string(),
            _ => record.to_string(),
        };
        ranges.push(whole.len()..whole.len() + text.len());
        whole += &text;
        rest = behind;
    }
    if layout != Layout::Alone {
        ranges.remove(0);
    }
    (whole + rest, ranges)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn flush(value: &Value) -> String {
    let lines = pretty(value);
    let lines: Vec<_> = lines.lines().map(str::trim_start).collect();
    lines.join("\n")
}

/// A unit with these records.
fn container(layout: Layout, records: &[Value]) -> String {
    let texts: Vec<_> = records.iter().map(Value::to_string).collect();
    let file = json!({"Records": records});
    let bridge = |text: &String| {
        format!(r#"{{"source":"aws.q","detail-type":"x via CloudTrail","detail":{text}}}"#)
    };
    let bridged = || texts.iter().map(bridge).collect::<Vec<_>>();
    let (last, first) = (records.len() - 1, 1.min(records.len() - 1));
    match layout {
        Layout::LogFile => format!("{file}\n"),
        Layout::PrettyLogFile => pretty(&file),
        Layout::FlushLogFile => flush(&file),
        Layout::LogFiles => format!(
            "{}\n{}\n{}\n",
            json!({"Records": records[..first]}),
            json!({"Records": records[first..last]}),
            json!({"Records": records[last..]})
        ),
        Layout::Array => Value::from(records.to_vec()).to_string(),
        Layout::ArrayInLines => format!("[\n{}\n]\n", texts.join(",\n")),
        Layout::PrettyArray => pretty(&Value::from(records.to_vec())),
        Layout::Lines => texts.join("\n") + "\n",
        Layout::Concatenated => texts.concat(),
        Layout::EventBridge => bridged().join("\n"),
        Layout::EventBridgeArray => format!("[{}]", bridged().join(",")),
        Layout::Prefixed(prefix) => texts
            .iter()
            .map(|text| format!("{prefix}{text}\n"))
            .collect(),
        Layout::LogLines => texts
            .iter()
            .map(|text| format!("2026-11-02T08:00:00.000Z {text}\n"))
            .collect(),
        Layout::Texts => format!("[{}]", texts.join(", ")),
        Layout::Alone => texts.concat(),
    }
}

/// The names of the records of a unit.
fn names(unit: &[u8]) -> Vec<String> {
    let name = |seen: &Seen| match seen {
        Seen::Record(_, bytes) => serde_json::from_slice::<Value>(bytes)
            .map_or("?".to_owned(), |value| {
                value["eventName"].as_str().unwrap_or("?").to_owned()
            })
            .into(),
        _ => None,
    };
    read(unit).iter().filter_map(name).collect()
}

/// One wrong byte: put in the place of another, put in, left out.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Byte(u8),
    More(u8),
    Less,
}

impl Wrong {
    fn any() -> impl Strategy<Value = Wrong> {
        let byte = select(&b"{}[],:\"\\\n\x00\x01 x9t\xff"[..]);
        prop_oneof![
            byte.clone().prop_map(Wrong::Byte),
            byte.prop_map(Wrong::More),
            Just(Wrong::Less),
        ]
    }

    fn at(self, at: usize, unit: &str) -> Vec<u8> {
        let mut unit = unit.as_bytes().to_vec();
        self.put(at, &mut unit);
        unit
    }

    fn put(self, at: usize, unit: &mut Vec<u8>) {
        match self {
            Wrong::Byte(byte) => unit[at] = byte,
            Wrong::More(byte) => unit.insert(at, byte),
            Wrong::Less => drop(unit.remove(at)),
        }
    }
}

#[test]
fn one_wrong_byte_anywhere_makes_no_record_of_what_is_inside_and_costs_one_record() {
    let (alone, whole, lost) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let strategy = (chosen(), select(&LAYOUTS[..]), any::<Index>(), Wrong::any());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(40_000));
    let ran = runner.run(&strategy, |(chosen, layout, index, wrong)| {
        let (unit, evil) = laid_out(layout, &[hostile(&chosen)]);
        let evil = &evil[0];
        // The first and the last byte separate it from the others.
        let at = evil.start + 1 + index.index(evil.len() - 2);
        let unit = wrong.at(at, &unit);
        let names = names(&unit);
        let shown = String::from_utf8_lossy(&unit);
        prop_assert!(
            !names.contains(&FORGED.to_owned()),
            "{layout:?} {at} {shown}"
        );
        let has = |number: usize| names.contains(&format!("H{number}"));
        // With a quote missing from its last text, the record behind it is broken, too; a line's end
        // where none should be, or a bracket more, costs what is not laid out in lines.
        let odd = layout == Layout::Concatenated && shown[at.saturating_sub(1)..].contains('\n');
        // Where no line begins with a record, nothing tells where to go on behind a broken one.
        let prefixed = matches!(layout, Layout::Prefixed(_));
        if layout != Layout::Alone && !odd && !prefixed {
            prop_assert!(has(0), "{layout:?} {at} {names:?} {shown}");
            whole.set(whole.get() + usize::from(has(1)));
            alone.set(alone.get() + usize::from(!has(1)));
            // Where a text of escaped quotes lost a backslash, what follows may close in no way.
            lost.set(lost.get() + usize::from(!has(2)));
        }
        Ok(())
    });
    ran.unwrap();
    assert!(
        whole.get() > 2_000 && alone.get() < 200 && lost.get() < 60,
        "{whole:?} {alone:?} {lost:?}"
    );
}

#[test]
fn wrong_bytes_in_several_records_make_no_record_of_what_is_inside() {
    let (last, lost) = (Cell::new(0), Cell::new(0));
    let damage = (0..4_usize, any::<Index>(), Wrong::any());
    let strategy = (
        prop::collection::vec(chosen(), 2),
        select(&LAYOUTS[..]),
        prop::collection::vec(damage, 2..4),
    );
    let mut runner = TestRunner::new(ProptestConfig::with_cases(15_000));
    let ran = runner.run(&strategy, |(chosen, layout, mut damages)| {
        let evil: Vec<_> = chosen.iter().map(hostile).collect();
        let (unit, records) = laid_out(layout, &evil);
        // One in each record at most, from behind; the last record stays whole.
        damages.sort_by_key(|(record, ..)| usize::MAX - record);
        damages.dedup_by_key(|(record, ..)| *record);
        let mut damaged = unit.into_bytes();
        for (record, index, wrong) in damages {
            if let Some(record) = records.get(record) {
                let at = record.start + 1 + index.index(record.len() - 2);
                wrong.put(at, &mut damaged);
            }
        }
        let names = names(&damaged);
        let shown = String::from_utf8_lossy(&damaged);
        prop_assert!(!names.contains(&FORGED.to_owned()), "{layout:?} {shown}");
        if !matches!(layout, Layout::Alone | Layout::Prefixed(_)) {
            prop_assert!(names.contains(&"H0".to_owned()), "{layout:?} {shown}");
            let has = names.contains(&"H3".to_owned());
            last.set(last.get() + usize::from(has));
            lost.set(lost.get() + usize::from(!has));
        }
        Ok(())
    });
    ran.unwrap();
    assert!(last.get() > 3_000 && lost.get() < 60, "{last:?} {lost:?}");
}

#[test]
fn two_wrong_quotes_that_undo_each_other_make_no_record_of_what_is_inside() {
    let event = json!({"eventVersion": "1.11", "eventName": FORGED, "eventID": "f"});
    let evil = hostile(&json!([["}]}", event]]));
    for layout in LAYOUTS {
        let (unit, records) = laid_out(layout, &[evil.clone(), evil.clone()]);
        let (Some(first), Some(second)) = (records.first(), records.get(2)) else {
            continue;
        };
        let key = first.start + unit[first.clone()].find("readOnly").unwrap();
        for more in second.clone().skip(1) {
            let mut damaged = unit.clone().into_bytes();
            Wrong::More(b'"').put(more, &mut damaged);
            // The quote behind the key.
            Wrong::Less.put(key + "readOnly".len(), &mut damaged);
            let names = names(&damaged);
            let shown = String::from_utf8_lossy(&damaged);
            assert!(!names.contains(&FORGED.to_owned()), "{layout:?} {shown}");
        }
    }
}

/// Damage that leaves the brackets alone, and some that does not: a text, and what becomes of it.
const DAMAGES: [(&str, &str); 16] = [
    ("a message", "a \u{1}message"),
    ("a message", "a \nmessage"),
    ("a message", "a \u{0}message"),
    ("a message", r"a \qmessage"),
    ("a message", r"a \u12message"),
    ("a message\"", "a message"),
    ("\"a message", "a message"),
    (":17,", ":1.,"),
    (":17,", ":017,"),
    ("true", "trux"),
    ("\"errorMessage\":", "\"errorMessage\""),
    (",\"eventName\"", "\"eventName\""),
    ("\"IAMUser\"}", "\"IAMUser\""),
    ("\"IAMUser\"}", "\"IAMUser\"}}"),
    ("{\"type\"", "\"type\""),
    ("\"a message\",", "\"a message\",,"),
];

#[test]
fn damage_and_a_cut_anywhere_make_no_record_of_what_is_inside() {
    let cuts = Cell::new(0);
    let strategy = (
        chosen(),
        select(&LAYOUTS[..]),
        select(&DAMAGES[..]),
        any::<Index>(),
        any::<bool>(),
    );
    let mut runner = TestRunner::new(ProptestConfig::with_cases(60_000));
    let ran = runner.run(&strategy, |(chosen, layout, (text, wrong), cut, line)| {
        let (unit, evil) = laid_out(layout, &[hostile(&chosen)]);
        let evil = &evil[0];
        let (before, rest) = unit.split_at(evil.start);
        let damaged = format!("{before}{}", rest.replacen(text, wrong, 1));
        // Where the record seems to end, each in its turn, and anywhere.
        let closers: Vec<_> = damaged
            .bytes()
            .enumerate()
            .skip(evil.start)
            .filter(|(_, byte)| b"}]".contains(byte))
            .map(|(at, _)| at + 1)
            .collect();
        let anywhere = evil.start + cut.index(damaged.len() - evil.start);
        for cut in closers.into_iter().chain([anywhere, damaged.len()]) {
            let mut unit = damaged.as_bytes()[..cut].to_vec();
            if line {
                unit.extend(format!("\n{}\n", json!({"Records": [honest(3)]})).bytes());
            }
            let names = names(&unit);
            let shown = String::from_utf8_lossy(&unit);
            prop_assert!(!names.contains(&FORGED.to_owned()), "{layout:?} {shown}");
            cuts.set(cuts.get() + 1);
        }
        Ok(())
    });
    ran.unwrap();
    assert!(cuts.get() > 30_000, "{cuts:?}");
}

#[test]
fn a_damaged_record_that_is_cut_off_is_one_reject_with_all_of_its_bytes() {
    let evil = hostile(&json!({"tags": [{"eventVersion": "1.11", "eventName": FORGED}]}));
    let (unit, ranges) = laid_out(Layout::LogFile, &[evil]);
    let range = &ranges[0];
    let unit = unit.replace("a message", "a \u{1}message");
    for cut in range.start + 150..unit.trim_end().len() {
        let cut_off = &unit[..cut];
        for unit in [cut_off.as_bytes().to_vec(), gzip(cut_off)] {
            let seen = read(&unit);
            let [Seen::Record(..), Seen::Reject(reject)] = &seen[..] else {
                panic!("{cut}: {seen:?}");
            };
            let lost = unit_bytes(&cut_off[range.start..]);
            assert_eq!(reject.evidence, lost, "{cut}");
        }
    }
    let zipped = gzip(&unit);
    let seen = read(&zipped[..zipped.len() - 20]);
    assert_eq!(
        seen.iter().map(word).collect::<Vec<_>>(),
        ["+H0", "truncated"]
    );
    assert!(matches!(&rejects(&seen)[0].evidence, Evidence::Bytes(bytes) if bytes.len() > 300));
}

fn unit_bytes(text: &str) -> Evidence {
    Evidence::Bytes(text.as_bytes().to_vec())
}

#[test]
fn a_text_inside_is_no_place_to_go_on_either() {
    let evil = hostile(&json!({"tags": [{"eventVersion": "1.11", "eventName": FORGED}]}));
    let good = honest(0).to_string();
    for (text, wrong) in DAMAGES {
        let evil = evil.to_string().replacen(text, wrong, 1);
        let texts = [good.as_str(), &evil, &good];
        let row = |text: &str| json!([{"eventJson": text}]);
        let units = [
            subscription(&texts).to_string(),
            json!({"Events": texts.map(|text| json!({"CloudTrailEvent": text}))}).to_string(),
            json!(texts).to_string(),
            json!(texts.map(|text| [text])).to_string(),
            json!({"events": texts.map(|text| json!({"timestamp": 1, "message": text}))})
                .to_string(),
            json!({"results": texts.map(|text| [json!({"field": "@message", "value": text})])})
                .to_string(),
            json!({"QueryResultRows": texts.map(row)}).to_string(),
            json!({"records": texts.map(|text| json!({"data": base64(text)}))}).to_string(),
            json!({"Records": texts.map(|text| json!({"messageId": "m", "body": text}))})
                .to_string(),
        ];
        for unit in units {
            let words = words(&unit);
            assert_eq!(words.first().map(String::as_str), Some("+H0"), "{unit}");
            assert_eq!(words.last().map(String::as_str), Some("+H0"), "{unit}");
            assert!(!words.contains(&format!("+{FORGED}")), "{unit}");
            assert!(words.len() > 2, "{unit}");
        }
    }
}

/// Counts what is read from it, and how often it is opened.
#[derive(Clone)]
struct Counted {
    bytes: Cursor<bytes::Bytes>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.bytes.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Reads a unit whose bytes are read again; what was seen, the most memory, how much was read.
fn read_again(unit: &[u8], limits: &Limits, store: bool) -> (Vec<Seen>, usize, u64) {
    let read = Arc::new(AtomicU64::new(0));
    let bytes = Cursor::new(bytes::Bytes::copy_from_slice(unit));
    let reader = Counted {
        bytes,
        read: Arc::clone(&read),
    };
    let again = match store {
        false => Again::clones(reader.clone()),
        true => Again::Store(Box::new(|| Ok(Box::new(tempfile::tempfile()?)))),
    };
    let mut records = open(reader, limits).again(again);
    let (mut seen, mut most) = (Vec::new(), 0);
    while let Some(item) = records.next().unwrap() {
        seen.push(match item {
            Item::Record { position, bytes } => Seen::Record(position, bytes.to_vec()),
            Item::Reject(reject) => Seen::Reject(reject),
            Item::Skipped(skipped) => Seen::Skipped(skipped),
        });
        most = most.max(records.window_bytes());
    }
    (seen, most, read.load(Ordering::Relaxed))
}

/// A log file much larger than the window, in which each record with such a number is broken.
fn large(broken: impl Fn(usize) -> bool) -> String {
    let record = |number| {
        let text = honest(number).to_string();
        match broken(number) {
            true => text.replacen("null", "nul", 1),
            false => text,
        }
    };
    let records: Vec<_> = (0..4_000).map(record).collect();
    format!("{{\"Records\":[{}]}}", records.join(","))
}

#[test]
fn a_damaged_unit_is_read_at_most_twice_in_bounded_memory_and_a_healthy_one_once() {
    let limits = Limits {
        event_bytes: 1 << 10,
        ..Limits::default()
    };
    let some = large(|number| number % 7 == 3);
    let lines = (0..20).map(|_| large(|number| number == 100 || number == 3_000));
    let lines = lines.collect::<Vec<_>>().join("\n");
    for (unit, broken, twice) in [
        (large(|_| false), 0, false),
        (some.clone(), 571, true),
        (lines, 40, true),
        (some.replace("]}", "]} \n"), 571, true),
    ] {
        for unit in [unit.as_bytes().to_vec(), gzip(&unit)] {
            for store in [false, true] {
                let (seen, most, read) = read_again(&unit, &limits, store);
                assert_eq!(rejects(&seen).len(), broken);
                assert_eq!((seen.len() - broken) % 100, (4_000 - broken) % 100);
                let times = if twice && !store { 2 } else { 1 };
                assert!(
                    read <= times * unit.len() as u64,
                    "{read} of {}",
                    unit.len()
                );
                // The first window is larger than these limits ask for.
                assert!(most <= 512 << 10, "{most}");
            }
        }
    }
}

#[test]
fn what_can_be_read_only_once_is_held_as_far_as_an_event_may_be_long() {
    let limits = Limits {
        event_bytes: 1 << 10,
        ..Limits::default()
    };
    let (seen, _) = read_with(large(|number| number == 3_990).as_bytes(), &limits);
    assert_eq!((seen.len(), rejects(&seen).len()), (4_000, 1));
    let (seen, _) = read_with(large(|number| number == 100).as_bytes(), &limits);
    assert_eq!((seen.len(), rejects(&seen).len()), (101, 1));
}

proptest! {
    #[test]
    fn how_bytes_are_had_again_changes_nothing(
        chosen in chosen(), layout in select(&LAYOUTS[..]), index in any::<Index>(), wrong in Wrong::any(),
    ) {
        let (unit, evil) = laid_out(layout, &[hostile(&chosen)]);
        let evil = &evil[0];
        let unit = wrong.at(evil.start + index.index(evil.len()), &unit);
        // A window of a few dozen bytes.
        let limits = Limits { event_bytes: 16, ..Limits::default() };
        let by_reader = read_again(&unit, &limits, false).0;
        prop_assert_eq!(&read_again(&unit, &limits, true).0, &by_reader);
        let places = |seen: &[Seen]| -> Vec<_> {
            seen.iter().map(|seen| match seen {
                Seen::Record(position, _) => *position,
                Seen::Reject(reject) => reject.position,
                Seen::Skipped(_) => Position::default(),
            }).collect()
        };
        if [Layout::LogFile, Layout::Array, Layout::Lines].contains(&layout) {
            prop_assert_eq!(places(&read(&unit)), places(&by_reader));
        }
    }
}
