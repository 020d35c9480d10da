//! What was read, without AWS's answers.

use qtrail_core::Converter;
use qtrail_core::event::amazon_q::{Lists, Select, Selector};
use qtrail_core::reject::Position;

use super::*;
use crate::lint::hints;
use crate::lint::seen::Seen;

const KEY: &str = "AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/01/111122223333_CloudTrail_us-east-1_20261101T0000Z_Abcdefghijklmnop.json.gz";
const DIGEST: &str = "AWSLogs/111122223333/CloudTrail-Digest/us-east-1/2026/11/01/111122223333_CloudTrail-Digest_us-east-1_my-trail_eu-west-1_20261101T000000Z.json.gz";

/// An event, as `source category readOnly region`.
fn add(seen: &mut Seen, event: &str) {
    let [source, category, read_only, region] = event.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{event}");
    };
    let mut record = json!({
        "eventVersion": "1.11", "eventTime": "2026-11-01T00:00:00Z", "eventSource": source, "eventName": "X",
        "awsRegion": region, "recipientAccountId": "111122223333", "eventCategory": category,
        "readOnly": read_only == "true", "managementEvent": category == "Management",
    });
    if category.starts_with("Old") {
        record["managementEvent"] = json!(category == "OldManagement");
        record.as_object_mut().unwrap().remove("eventCategory");
    }
    let converter = Converter {
        selector: Selector::new(Select::All, &Lists::default()),
        ..Converter::default()
    };
    let outcome = converter.convert_record(
        record.to_string().as_bytes(),
        Position::default(),
        None,
        seen,
    );
    assert!(matches!(
        outcome,
        qtrail_core::RecordOutcome::Converted { .. }
    ));
}

/// Events of a trail to which nothing is missing.
const WHOLE: [&str; 6] = [
    "q.amazonaws.com Management false us-east-1",
    "iam.amazonaws.com Management false us-east-1",
    "s3.amazonaws.com Management true eu-west-1",
    "codewhisperer.amazonaws.com Data false us-east-1",
    "aiops.amazonaws.com Data false us-east-1",
    "s3.amazonaws.com Data true us-east-1",
];

fn seen(events: &[&str]) -> Seen {
    let mut seen = Seen::below(vec!["copy/".to_owned()]);
    seen.file(&format!("copy/{KEY}"));
    for event in events {
        add(&mut seen, event);
    }
    seen.digest();
    seen
}

#[test]
fn a_whole_trail_gives_no_hint() {
    assert_eq!(hints(&seen(&WHOLE), &[], false), []);
    assert_eq!(hints(&Seen::default(), &[], true), [], "nothing was read");
}

#[test]
fn what_did_not_come_is_a_hint() {
    let without = |left_out: &[&str]| {
        let events: Vec<_> = WHOLE
            .into_iter()
            .filter(|event| !left_out.contains(event))
            .collect();
        hints(&seen(&events), &[], false)
    };
    for (left_out, expected) in [
        (&WHOLE[3..4], &[Kind::NoCodewhispererDataEvents][..]),
        (&WHOLE[4..5], &[Kind::NoInvestigationDataEvents]),
        (&WHOLE[1..2], &[Kind::NoGlobalServiceEvents]),
        (&WHOLE[2..3], &[Kind::NoReadEvents, Kind::NotMultiRegion]),
        (
            &WHOLE[..3],
            &[Kind::NoManagementEvents, Kind::NotMultiRegion],
        ),
        (
            &[WHOLE[0], WHOLE[3], WHOLE[4]],
            &[
                Kind::NoAmazonQEvents,
                Kind::NoCodewhispererDataEvents,
                Kind::NoInvestigationDataEvents,
            ],
        ),
        (
            &WHOLE[..2],
            &[Kind::NoWriteEvents, Kind::NoGlobalServiceEvents],
        ),
    ] {
        let found = without(left_out);
        assert_eq!(kinds(&found), expected, "{left_out:?}");
        assert!(found.iter().all(|finding| finding.level == Level::Hint));
        let command = "aws cloudtrail describe-trails --region ";
        assert!(
            found
                .iter()
                .all(|finding| finding.commands[0].starts_with(command)),
            "{found:?}"
        );
    }
    let agents = hints(&seen(&WHOLE), &[], true);
    assert_eq!(
        kinds(&agents),
        [Kind::NoGatewayDataEvents, Kind::NoAgentSpaceDataEvents]
    );
}

#[test]
fn a_management_event_is_no_data_event() {
    let mut events = WHOLE;
    events[3] = "codewhisperer.amazonaws.com Management false us-east-1";
    assert_eq!(
        kinds(&hints(&seen(&events), &[], false)),
        [Kind::NoCodewhispererDataEvents]
    );
}

#[test]
fn events_without_a_category_are_told_apart_by_their_flag() {
    let old = WHOLE.map(|event| {
        event
            .replace(" Management", " OldManagement")
            .replace(" Data", " OldData")
    });
    let old: Vec<_> = old.iter().map(String::as_str).collect();
    let seen = seen(&old);
    assert_eq!((seen.management_events, seen.data_events), (3, 3));
    assert_eq!(hints(&seen, &[], false), []);
}

#[test]
fn what_aws_says_is_not_guessed() {
    let events = [
        "s3.amazonaws.com Management true us-east-1",
        "q.amazonaws.com Management true us-east-1",
    ];
    let of = |answers: &[Value]| kinds(&hints(&seen(&events), &trails(answers), false));
    let (selectors, settings) = (advanced(&all()), json!({"Trail": described()}));
    assert_eq!(
        of(std::slice::from_ref(&selectors)),
        [Kind::NotMultiRegion, Kind::NoGlobalServiceEvents]
    );
    let of_selection = of(std::slice::from_ref(&settings));
    assert!(!of_selection.contains(&Kind::NotMultiRegion) && of_selection.len() > 1);
    assert_eq!(of(&[selectors, settings]), []);
}

#[test]
fn digests_are_missed_only_where_they_would_be() {
    let found = |root: &str, names: &[String]| {
        let mut seen = Seen::below(vec![root.to_owned()]);
        names.iter().for_each(|name| seen.file(name));
        WHOLE.iter().for_each(|event| add(&mut seen, event));
        kinds(&hints(&seen, &[], false))
    };
    for root in [
        "copy",
        "copy/",
        "s3://bucket/logs",
        "copy/AWSLogs/111122223333",
    ] {
        let key = match root.ends_with("111122223333") {
            true => KEY.trim_start_matches("AWSLogs/111122223333/"),
            false => KEY,
        };
        let name = format!("{}/{key}", root.trim_end_matches('/'));
        assert_eq!(found(root, &[name]), [Kind::NoLogFileValidation], "{root}");
    }
    for (root, name) in [
        (
            "copy/AWSLogs/111122223333/CloudTrail",
            format!("copy/{KEY}"),
        ),
        ("events.json", "events.json".to_owned()),
        (
            "flat",
            "flat/111122223333_CloudTrail_us-east-1_20261101T0000Z_A.json.gz".to_owned(),
        ),
        ("-", "-".to_owned()),
    ] {
        assert_eq!(found(root, &[name]), [], "{root}");
    }
}

#[test]
fn one_region_is_a_hint_unless_its_folder_alone_was_read() {
    let of_one: Vec<_> = WHOLE
        .iter()
        .map(|event| event.replace("eu-west-1", "us-east-1"))
        .collect();
    let found = |root: &str| {
        let mut seen = Seen::below(vec![root.to_owned()]);
        seen.file(&format!("copy/{KEY}"));
        of_one.iter().for_each(|event| add(&mut seen, event));
        seen.digest();
        hints(&seen, &[], false)
    };
    let found_above = found("copy");
    assert_eq!(kinds(&found_above), [Kind::NotMultiRegion]);
    assert!(
        found_above[0].message.contains("may be in eu-central-1"),
        "{found_above:?}"
    );
    assert_eq!(found("copy/AWSLogs/111122223333/CloudTrail/us-east-1"), []);
}

#[test]
fn a_digests_name_tells_which_trail_to_ask_about() {
    let mut seen = seen(&WHOLE[..3]);
    seen.file(&format!("copy/{DIGEST}"));
    let found = hints(&seen, &[], false);
    let command = &found[0].commands[0];
    assert!(
        command.contains("get-trail-status --name my-trail --region eu-west-1"),
        "{command}"
    );
    // Names of files are anybody's.
    let mut seen = Seen::below(Vec::new());
    let name = DIGEST.replace("my-trail", "a$(b)\u{1b}");
    seen.file(&name);
    add(&mut seen, WHOLE[0]);
    let command = &hints(&seen, &[], false)[0].commands[0];
    assert!(
        !command.contains('\u{1b}') && command.contains("$'"),
        "{command}"
    );
}

#[test]
fn what_eventbridge_alone_delivered_is_sure_to_lack_tool_calls() {
    let mut seen = seen(&WHOLE[..3]);
    seen.by_event_bridge = 3;
    let found = hints(&seen, &[], false);
    assert_eq!(kinds(&found), [Kind::EventbridgeOnly]);
    assert_eq!(found[0].level, Level::Finding);
    assert!(found[0].message.contains("No data event"), "{found:?}");
    seen.by_event_bridge = 2;
    assert!(!kinds(&hints(&seen, &[], false)).contains(&Kind::EventbridgeOnly));
}

#[test]
fn names_of_records_do_not_fill_the_memory() {
    let mut seen = Seen::below(Vec::new());
    for number in 0..1_000 {
        add(
            &mut seen,
            &format!("s3.amazonaws.com Management true region-{number}"),
        );
    }
    assert_eq!((seen.events, seen.regions.len()), (1_000, 256));
}
