//! What is found, by answers as AWS's command line writes them.

mod delivery;
mod reading;
mod selection;

use serde_json::{Value, json};

use super::answers::Answers;
use super::finding::{Finding, Kind, Level};
use super::rules::findings;
use super::trail::{Asked, Trail};

const ARN: &str = "arn:aws:cloudtrail:eu-west-1:111122223333:trail/my-trail";
/// 2026-11-01T00:00:00Z.
const NOW: i64 = 1_793_491_200;

/// A trail as `describe-trails` has it, without a fault.
fn described() -> Value {
    json!({
        "Name": "my-trail", "TrailARN": ARN, "HomeRegion": "eu-west-1", "S3BucketName": "my-bucket",
        "IsMultiRegionTrail": true, "IncludeGlobalServiceEvents": true, "LogFileValidationEnabled": true,
        "IsOrganizationTrail": false, "HasCustomEventSelectors": true, "HasInsightSelectors": false,
    })
}

/// The same with other values.
fn with(mut answer: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer
}

fn data(kind: &str) -> Value {
    json!({"Name": kind, "FieldSelectors": [
        {"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": [kind]}]})
}

fn management() -> Value {
    json!({"Name": "m", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]})
}

/// Selectors to which nothing is missing.
fn all() -> Vec<Value> {
    let kinds = [
        "AWS::CodeWhisperer::Profile",
        "AWS::CodeWhisperer::Customization",
        "AWS::QDeveloper::Integration",
        "AWS::AIOps::InvestigationGroup",
    ];
    let kinds = kinds.into_iter().map(data);
    std::iter::once(management()).chain(kinds).collect()
}

fn advanced(selectors: &[Value]) -> Value {
    json!({"TrailARN": ARN, "AdvancedEventSelectors": selectors})
}

fn classic(selectors: Value) -> Value {
    json!({"TrailARN": ARN, "EventSelectors": selectors})
}

/// A status without a fault.
fn working() -> Value {
    json!({"IsLogging": true, "LatestDeliveryTime": NOW - 600, "LatestDigestDeliveryTime": NOW - 3000,
        "LatestDeliveryError": "", "StartLoggingTime": 1_700_000_000.5})
}

/// The trails of answers in one file.
fn trails(answers: &[Value]) -> Vec<Trail> {
    let text: Vec<_> = answers.iter().map(Value::to_string).collect();
    let mut read = Answers::default();
    read.add("a.json", text.join("\n").as_bytes(), Asked::At(NOW))
        .unwrap();
    read.finish().unwrap()
}

fn linted(answers: &[Value]) -> Vec<Finding> {
    findings(&trails(answers), false)
}

/// What is found of a trail without a fault, except for these answers.
fn of(described: Value, selectors: Value, status: Value) -> Vec<Finding> {
    linted(&[json!({"trailList": [described]}), selectors, status])
}

fn kinds(found: &[Finding]) -> Vec<Kind> {
    found.iter().map(|finding| finding.kind).collect()
}

#[test]
fn a_trail_without_a_fault_has_no_finding() {
    assert_eq!(of(described(), advanced(&all()), working()), []);
}

#[test]
fn what_is_not_said_is_a_hint_with_the_commands_that_ask_for_it() {
    let selectors = advanced(&all());
    for (answers, unknown) in [
        (
            vec![json!({"trailList": [described()]})],
            "selectors and status",
        ),
        (vec![selectors.clone()], "settings and status"),
        (vec![selectors, working()], "settings"),
    ] {
        let found = linted(&answers);
        assert_eq!(kinds(&found), [Kind::NotKnown], "{found:?}");
        assert_eq!(found[0].level, Level::Hint);
        assert!(found[0].message.contains(unknown), "{found:?}");
        let command = &found[0].commands[0];
        for part in [
            "get-trail --name",
            "get-event-selectors --trail-name",
            "get-trail-status --name",
            ARN,
        ] {
            assert!(command.contains(part), "{command}");
        }
    }
    // Neither is a setting that the answer leaves out.
    let mut bare = described();
    for name in [
        "IsMultiRegionTrail",
        "IncludeGlobalServiceEvents",
        "LogFileValidationEnabled",
    ] {
        bare.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(of(bare, advanced(&all()), working()), []);
}

#[test]
fn answers_may_come_in_any_order_shape_and_number_of_files() {
    let (trail, selectors, status) = (described(), advanced(&all()), working());
    let expected = trails(&[json!({"Trail": trail}), selectors.clone(), status.clone()]);
    assert_eq!(expected.len(), 1);
    for answers in [
        [
            json!({"trailList": [trail]}),
            status.clone(),
            selectors.clone(),
        ],
        [selectors.clone(), json!([trail]), status.clone()],
        [
            json!([selectors, status]),
            json!({"Trail": trail}),
            json!({"trailList": []}),
        ],
    ] {
        assert_eq!(trails(&answers), expected, "{answers:?}");
        let mut read = Answers::default();
        for (number, answer) in answers.iter().enumerate() {
            let file = format!("{number}.json");
            read.add(&file, answer.to_string().as_bytes(), Asked::At(NOW))
                .unwrap();
        }
        assert_eq!(read.finish().unwrap(), expected, "{answers:?}");
    }
    // A server may give the name for the ARN.
    let by_name = with(selectors, json!({"TrailARN": "my-trail"}));
    assert_eq!(
        trails(&[by_name, json!({"Trail": trail}), status]),
        expected
    );
}

#[test]
fn a_status_is_of_the_trail_that_its_file_names_last_or_of_the_only_one() {
    let other = "arn:aws:cloudtrail:us-east-1:111122223333:trail/other";
    let other = with(described(), json!({"TrailARN": other, "Name": "other"}));
    let list = json!({"trailList": [described(), other]}).to_string();
    let stopped = json!({"IsLogging": false}).to_string();
    let mut read = Answers::default();
    read.add("list.json", list.as_bytes(), Asked::Unknown)
        .unwrap();
    read.add("status.json", stopped.as_bytes(), Asked::Unknown)
        .unwrap();
    let error = read.finish().unwrap_err();
    assert!(
        error.starts_with("status.json: nothing says of which trail"),
        "{error}"
    );
    assert!(
        error.contains("get-event-selectors --trail-name TRAIL;"),
        "{error}"
    );

    let mut read = Answers::default();
    read.add("list.json", list.as_bytes(), Asked::Unknown)
        .unwrap();
    let text = format!("{}{stopped}", advanced(&all()));
    read.add("one.json", text.as_bytes(), Asked::Unknown)
        .unwrap();
    let stopped: Vec<_> = read
        .finish()
        .unwrap()
        .into_iter()
        .filter(Trail::is_stopped)
        .collect();
    assert_eq!(stopped.len(), 1);
    assert_eq!(stopped[0].id, ARN);

    // Two behind one trail cannot both be its.
    let mut read = Answers::default();
    read.add("list.json", list.as_bytes(), Asked::Unknown)
        .unwrap();
    read.add(
        "two.json",
        format!("{text}{text}").as_bytes(),
        Asked::Unknown,
    )
    .unwrap();
    let twice = format!("{text}{}", working());
    read.add("twice.json", twice.as_bytes(), Asked::Unknown)
        .unwrap();
    let error = read.finish().unwrap_err();
    assert!(error.starts_with("twice.json: "), "{error}");
}

#[test]
fn more_trails_than_there_can_be_are_refused() {
    let trail = |number: u32| json!({"TrailARN": format!("arn:aws:cloudtrail:us-east-1:{number}:trail/t"), "S3BucketName": "b"});
    let add = |trails: u32| {
        let list: Vec<_> = (0..trails).map(trail).collect();
        let text = json!({"trailList": list}).to_string();
        Answers::default().add("a.json", text.as_bytes(), Asked::Unknown)
    };
    assert_eq!(add(2_000), Ok(()));
    assert!(add(2_001).unwrap_err().contains("pass fewer"));
}

#[test]
fn what_is_no_answer_is_refused_with_what_to_pass() {
    for text in [
        "",
        "  \n",
        "trailList:\n- Name: my-trail\n",
        "TRAILLIST\tTrue\tmy-trail",
        "{}",
        "7",
        "[{\"Records\":[]}]",
        r#"{"Trails":[{"TrailARN":"a","Name":"b","HomeRegion":"c"}]}"#,
        r#"{"IsLogging":true} x"#,
        &"[".repeat(100_000),
    ] {
        let error = Answers::default()
            .add("a.json", text.as_bytes(), Asked::Unknown)
            .unwrap_err();
        assert!(
            error.contains("describe-trails") && error.contains("--output json"),
            "{error}"
        );
    }
    for text in [
        r#"{"trailList":7}"#,
        r#"{"Trail":{"IsMultiRegionTrail":"yes"}}"#,
        r#"{"EventSelectors":{}}"#,
        r#"{"AdvancedEventSelectors":[{"FieldSelectors":[{"Equals":["x"]}]}]}"#,
        r#"{"IsLogging":"on"}"#,
        r#"{"IsLogging":true,"StopLoggingTime":"soon"}"#,
    ] {
        let error = Answers::default()
            .add("a.json", text.as_bytes(), Asked::Unknown)
            .unwrap_err();
        assert!(error.contains("another shape"), "{error}");
    }
}
