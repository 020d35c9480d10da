use std::collections::{HashMap, HashSet};
use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde_json::Value;

use super::*;
use qtrail_core::envelope::{Item, Limits, Skipped, open};
use qtrail_core::event::amazon_q::{Lists, Select, Selector};

fn spec(events: u64) -> Spec {
    Spec {
        amount: Amount::Events(events),
        ..Spec::default()
    }
}

/// Every file of a trail, by path, in memory.
fn trail(spec: &Spec) -> (Vec<(String, Vec<u8>)>, Summary) {
    let mut total = Summary::default();
    let files = plan::files(spec)
        .map(|plan| {
            let mut bytes = Vec::new();
            total.add(&file::write(spec, &plan, &mut bytes).unwrap());
            (plan.path(spec.format), bytes)
        })
        .collect();
    (files, total)
}

fn inflate(bytes: &[u8]) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(bytes)
        .read_to_string(&mut text)
        .unwrap();
    text
}

fn records(bytes: &[u8]) -> Vec<Value> {
    let mut file: Value = serde_json::from_str(&inflate(bytes)).unwrap();
    match file["Records"].take() {
        Value::Array(records) => records,
        other => panic!("no Records but {other}"),
    }
}

fn all_records(spec: &Spec) -> Vec<Value> {
    trail(spec)
        .0
        .iter()
        .flat_map(|(_, bytes)| records(bytes))
        .collect()
}

fn is_amazon_q(record: &Value) -> bool {
    let source = record["eventSource"].as_str().unwrap();
    ["q.", "codewhisperer.", "user-subscriptions."]
        .iter()
        .any(|s| source.starts_with(s))
        || record["userIdentity"]["invokedBy"] == "q.amazonaws.com"
        || record["userAgent"]
            .as_str()
            .unwrap()
            .contains("AmazonQ-For-")
}

#[test]
fn the_same_specification_gives_the_same_bytes() {
    assert_eq!(trail(&spec(500)), trail(&spec(500)));
    let other = Spec {
        seed: 1,
        ..spec(500)
    };
    assert_ne!(trail(&spec(500)).0, trail(&other).0);
}

#[test]
fn every_record_is_json_with_cloudtrails_fields() {
    let mut ids = HashSet::new();
    for record in all_records(&Spec {
        share: 30.0,
        ..spec(1_000)
    }) {
        for key in [
            "eventVersion",
            "eventTime",
            "eventSource",
            "eventName",
            "awsRegion",
        ] {
            assert!(record[key].is_string(), "{key} in {record}");
        }
        for key in [
            "requestID",
            "eventID",
            "eventType",
            "recipientAccountId",
            "eventCategory",
        ] {
            assert!(record[key].is_string(), "{key} in {record}");
        }
        assert!(record["userIdentity"].is_object(), "{record}");
        assert!(record["readOnly"].is_boolean(), "{record}");
        record["eventTime"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap();
        assert!(
            ids.insert(record["eventID"].to_string()),
            "a second {}",
            record["eventID"]
        );
    }
    assert_eq!(ids.len(), 1_000);
}

#[test]
fn number_and_share_of_events_come_out_as_asked() {
    for (events, share, expected) in [
        (1, 0.0, 0),
        (1, 10.0, 1),
        (3, 10.0, 1),
        (50, 0.001, 1),
        (1_000, 2.0, 20),
        (777, 50.0, 389),
        (40, 100.0, 40),
    ] {
        let spec = Spec {
            share,
            ..spec(events)
        };
        let (_, summary) = trail(&spec);
        let records = all_records(&spec);
        let amazon_q = records.iter().filter(|r| is_amazon_q(r)).count() as u64;
        assert_eq!(
            (records.len() as u64, amazon_q),
            (events, expected),
            "{share} % of {events}"
        );
        assert_eq!(
            (summary.events, summary.amazon_q.values().sum()),
            (events, expected)
        );
    }
}

#[test]
fn the_number_of_files_comes_out_as_asked() {
    for (files, expected) in [(Some(1), 1), (Some(17), 17), (Some(5_000), 400), (None, 20)] {
        let (written, summary) = trail(&Spec { files, ..spec(400) });
        assert_eq!((written.len(), summary.files), (expected, expected as u64));
    }
    assert_eq!(trail(&spec(0)).0.len(), 0);
}

#[test]
fn an_amount_in_bytes_is_met_but_for_an_event_a_file() {
    let spec = Spec {
        amount: Amount::Bytes(500_000),
        ..Spec::default()
    };
    let (files, summary) = trail(&spec);
    let inflated: usize = files.iter().map(|(_, bytes)| inflate(bytes).len()).sum();
    assert_eq!(summary.json_bytes, inflated as u64);
    assert!((500_000..650_000).contains(&inflated), "{inflated} bytes");
}

#[test]
fn files_are_named_as_cloudtrail_names_them_and_hold_one_account_and_region() {
    let mut last = String::new();
    for (path, bytes) in trail(&spec(400)).0 {
        let parts: Vec<_> = path.split('/').collect();
        let [root, account, kind, region, _, _, _, name] = parts[..] else {
            panic!("{path}")
        };
        assert_eq!((root, kind), ("AWSLogs", "CloudTrail"));
        let prefix = format!("{account}_CloudTrail_{region}_");
        let rest = name
            .strip_prefix(&prefix)
            .unwrap()
            .strip_suffix(".json.gz")
            .unwrap();
        let (minute, random) = rest.split_once('_').unwrap();
        assert_eq!((minute.len(), random.len()), ("20260115T1200Z".len(), 16));
        assert!(*minute >= *last, "{minute} after {last}");
        last = minute.to_owned();
        for record in records(&bytes) {
            assert_eq!(record["recipientAccountId"], account);
            assert_eq!(record["awsRegion"], region);
        }
    }
}

#[test]
fn disorder_sizes_and_identities_are_those_of_real_trails() {
    let spec = Spec {
        files: Some(30),
        ..spec(2_000)
    };
    let (files, summary) = trail(&spec);
    let (mut neighbours, mut older) = (0, 0);
    let (mut shared, mut untyped, mut invoked) = (0, 0, 0);
    for (_, bytes) in &files {
        let records = records(bytes);
        let mut seconds: HashMap<&str, usize> = HashMap::new();
        for record in &records {
            *seconds
                .entry(record["eventTime"].as_str().unwrap())
                .or_default() += 1;
            untyped += usize::from(record["userIdentity"]["type"].is_null());
            invoked += usize::from(record["userIdentity"]["invokedBy"].is_string());
        }
        shared += seconds.values().filter(|&&n| n > 1).sum::<usize>();
        for pair in records.windows(2) {
            neighbours += 1;
            older += usize::from(pair[1]["eventTime"].as_str() < pair[0]["eventTime"].as_str());
        }
    }
    let percent = |n: usize, of: usize| n * 100 / of;
    assert!(
        (15..=30).contains(&percent(older, neighbours)),
        "{older} of {neighbours}"
    );
    assert!(
        (65..=95).contains(&percent(shared, 2_000)),
        "{shared} share their second"
    );
    assert!((10..=70).contains(&untyped), "{untyped} without a type");
    assert!(
        (200..=600).contains(&invoked),
        "{invoked} invoked by a service"
    );
    let mean = summary.json_bytes / summary.events;
    assert!((900..=1_800).contains(&mean), "{mean} bytes an event");
    let ratio = summary.json_bytes as f64 / summary.file_bytes as f64;
    assert!((5.0..=11.0).contains(&ratio), "gzip saves {ratio} times");
}

#[test]
fn events_are_delivered_one_to_ten_minutes_late() {
    let spec = spec(600);
    for plan in plan::files(&spec) {
        let mut bytes = Vec::new();
        file::write(&spec, &plan, &mut bytes).unwrap();
        for record in records(&bytes) {
            let time: jiff::Timestamp = record["eventTime"].as_str().unwrap().parse().unwrap();
            let late = plan.delivered - time.as_second();
            assert!((50..=660).contains(&late), "{late} s");
        }
    }
}

#[test]
fn every_class_occurs_and_conversations_have_several_messages() {
    let spec = Spec {
        share: 50.0,
        files: Some(30),
        ..spec(800)
    };
    let (files, summary) = trail(&spec);
    // Sample trails have nothing of other agents.
    let absent = [
        Class::Investigation,
        Class::ToolCall,
        Class::Grant,
        Class::Other,
    ];
    for class in Class::ALL.into_iter().filter(|c| !absent.contains(c)) {
        assert!(summary.amazon_q.contains_key(&class), "no {class:?}");
    }
    let mut messages: HashMap<String, u32> = HashMap::new();
    for record in files.iter().flat_map(|(_, bytes)| records(bytes)) {
        if record["eventName"] == "SendMessage" {
            let id = record["requestParameters"]["conversationId"].to_string();
            *messages.entry(id).or_default() += 1;
        }
    }
    assert!(messages.values().any(|&n| n > 2), "{messages:?}");
}

#[test]
fn written_files_have_their_final_names_and_the_summarys_sizes() {
    for format in [Format::Gzip, Format::Json, Format::Ndjson] {
        let directory = tempfile::tempdir().unwrap();
        let spec = Spec {
            format,
            ..spec(300)
        };
        let mut heard = 0;
        let summary = write(&spec, directory.path(), |so_far| heard = so_far.files).unwrap();
        let (expected, expected_summary) = trail(&spec);
        assert_eq!(summary, expected_summary);
        assert_eq!(heard, summary.files);
        for (path, bytes) in &expected {
            assert_eq!(&std::fs::read(directory.path().join(path)).unwrap(), bytes);
        }
        assert_eq!(count_files(directory.path()), expected.len());
    }
}

fn count_files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { count_files(&path) } else { 1 })
        .sum()
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let taken = directory.path().join("file");
    std::fs::write(&taken, "").unwrap();
    let error = write(&spec(10), &taken, |_| {}).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot create ") && error.contains("/file"),
        "{error}"
    );
}

#[test]
fn an_event_near_the_largest_stays_valid_json() {
    let mut rng = fastrand::Rng::with_seed(3);
    let mut at = record::Setting {
        time: DEFAULT_END,
        signed_in: None,
        account: people::ACCOUNTS[0],
        region: people::REGIONS[0],
        identity: identity::Who::Untyped,
        agent: "",
        address: "",
        conversation: 0,
        event_id: 1,
    };
    noise::next(&mut at, &mut rng);
    let call = record::Call::read("config", "BatchGetResourceConfig", r#"{"keys":[$L]}"#);
    let mut text = String::new();
    record::write(&mut text, &call, &at, &mut rng);
    assert!((40_000..256_000).contains(&text.len()), "{}", text.len());
    serde_json::from_str::<Value>(&text).unwrap();
}

#[test]
fn the_demo_holds_what_it_says() {
    let now = DEFAULT_END;
    let (files, expected) = (demo_trail(now, 7), demo_expected(7));
    assert_eq!(files, demo_trail(now, 7));
    assert_eq!(files.len() as u64, expected.files);
    assert_eq!(
        expected.read,
        expected.exported + expected.filtered + expected.dead_lettered
    );
    let (mut broken, mut read, mut amazon_q) = (0, 0, 0);
    let mut seen: HashMap<String, u32> = HashMap::new();
    for (name, bytes) in &files {
        let text = inflate(bytes);
        let count = text.matches(r#"{"eventVersion""#).count() as u64;
        read += count;
        let Ok(file) = serde_json::from_str::<Value>(&text) else {
            broken += 1;
            // The good records of this file: all but the one that lacks a brace.
            amazon_q += 4;
            continue;
        };
        assert_eq!(file["Records"].is_array(), count > 0, "{name}");
        for record in file["Records"].as_array().into_iter().flatten() {
            amazon_q += u64::from(is_amazon_q(record));
            *seen
                .entry(record["eventID"].as_str().unwrap().to_owned())
                .or_default() += 1;
        }
    }
    assert_eq!(
        (read, amazon_q, broken),
        (expected.read, expected.exported, 1)
    );
    let repeats: Vec<_> = seen.iter().filter(|&(_, &n)| n > 1).collect();
    assert_eq!(repeats, [(&expected.repeated, &2)]);
}

#[test]
fn demos_of_two_seeds_share_no_id_of_an_event_a_conversation_or_a_session() {
    let ids = |seed| {
        let mut ids = std::collections::BTreeSet::new();
        for (_, bytes) in demo_trail(DEFAULT_END, seed) {
            let text = inflate(&bytes);
            for key in ["eventID", "requestID", "conversationId", "creationDate"] {
                for part in text.split(&format!("\"{key}\":\"")).skip(1) {
                    ids.insert((key, part.split('"').next().unwrap().to_owned()));
                }
            }
        }
        ids
    };
    let (one, other) = (ids(1), ids(2));
    let conversations = |ids: &std::collections::BTreeSet<(&str, String)>| {
        ids.iter()
            .filter(|(key, _)| *key == "conversationId")
            .count()
    };
    assert_eq!((conversations(&one), conversations(&other)), (3, 3));
    assert_eq!(one.intersection(&other).count(), 0);
    let (one, other) = (demo_expected(1), demo_expected(2));
    assert_eq!((one.read, one.classes), (other.read, other.classes));
}

/// What the library finds in files: records, rejects, and Amazon Q's events by class.
fn found(files: &[(String, Vec<u8>)]) -> (u64, u64, BTreeMap<Class, u64>) {
    let limits = Limits::default();
    let selector = Selector::new(Select::AmazonQ, &Lists::default());
    let (mut records, mut rejects, mut classes) = (0, 0, BTreeMap::new());
    for (name, bytes) in files {
        let mut items = open(bytes.as_slice(), &limits);
        while let Some(item) = items.next().unwrap() {
            match item {
                Item::Record { bytes, .. } => {
                    records += 1;
                    if let Some(event) = selector.select(bytes, limits.depth).unwrap() {
                        *classes.entry(event.class()).or_default() += 1;
                    }
                }
                Item::Reject(_) => rejects += 1,
                Item::Skipped(what) => assert_eq!(what, Skipped::Digest, "{name}"),
            }
        }
    }
    (records, rejects, classes)
}

#[test]
fn the_library_finds_the_classes_that_were_made() {
    for format in [Format::Gzip, Format::Ndjson] {
        let (files, summary) = trail(&Spec {
            share: 40.0,
            format,
            ..spec(400)
        });
        assert_eq!(found(&files), (400, 0, summary.amazon_q));
    }
}

#[test]
fn the_library_finds_in_the_demo_what_it_says() {
    let expected = demo_expected(7);
    let (records, rejects, classes) = found(&demo_trail(DEFAULT_END, 7));
    assert_eq!(
        (records + rejects, rejects),
        (expected.read, expected.dead_lettered)
    );
    assert_eq!(classes, expected.classes);
}

#[test]
fn a_trail_of_conversations_is_what_its_truth_says() {
    let trail = conversation_trail(3, 40);
    assert_eq!(trail, conversation_trail(3, 40));
    let ids = |events: &mut dyn Iterator<Item = String>| events.collect::<HashSet<_>>();
    let written = trail.files.iter().flat_map(|(_, bytes)| records(bytes));
    let id = |record: Value| record["eventID"].as_str().unwrap().to_owned();
    let arrived = trail.truth.iter().filter(|event| event.arrives);
    assert_eq!(
        ids(&mut written.map(id)),
        ids(&mut arrived.map(|event| event.id.clone()))
    );
    let all: HashSet<_> = trail.truth.iter().map(|event| &event.id).collect();
    let mut causes = trail.truth.iter().filter_map(|event| event.cause.as_ref());
    assert!(causes.all(|cause| all.contains(cause)));
    assert_eq!(trail.truth_lines().lines().count(), trail.truth.len());
}
