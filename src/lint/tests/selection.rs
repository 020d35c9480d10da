//! What trails select.

use std::path::Path;

use super::*;
use crate::lint::selectors::read;

/// The selectors in the command that mends a trail.
fn mended(found: &[Finding]) -> Vec<Value> {
    let commands = found.iter().flat_map(|finding| &finding.commands);
    let mut commands: Vec<_> = commands
        .filter(|command| command.contains("put-event-selectors"))
        .collect();
    commands.dedup();
    assert_eq!(commands.len(), 1, "one command replaces all: {commands:?}");
    selectors_in(commands[0])
}

fn selectors_in(command: &str) -> Vec<Value> {
    let (before, json) = command.split_once(" --advanced-event-selectors ").unwrap();
    let named = format!("aws cloudtrail put-event-selectors --trail-name {ARN} --region eu-west-1");
    assert_eq!(before, named);
    let json = json.trim_matches('\'').replace(r"'\''", "'");
    serde_json::from_str(&json).unwrap()
}

fn selected(selectors: &Value) -> Vec<Finding> {
    of(described(), selectors.clone(), working())
}

#[test]
fn each_resource_type_that_is_not_selected_is_found() {
    let all = all();
    for (index, kind) in [
        (0, Kind::NoManagementEvents),
        (1, Kind::NoCodewhispererDataEvents),
        (2, Kind::NoCodewhispererDataEvents),
        (3, Kind::NoIntegrationDataEvents),
        (4, Kind::NoInvestigationDataEvents),
    ] {
        let mut selectors = all.clone();
        let removed = selectors.remove(index);
        let found = selected(&advanced(&selectors));
        assert_eq!(kinds(&found), [kind]);
        assert_eq!(found[0].level, Level::Finding);
        assert_eq!(found[0].trail.as_deref(), Some(ARN));
        let fields = |selector: &Value| selector["FieldSelectors"].clone();
        let mended = mended(&found);
        assert_eq!(mended[..selectors.len()], selectors, "what was there stays");
        assert_eq!(
            mended[selectors.len()..]
                .iter()
                .map(fields)
                .collect::<Vec<_>>(),
            [fields(&removed)]
        );
        assert_eq!(selected(&advanced(&mended)), [], "the command mends it");
    }
}

#[test]
fn other_agents_need_more_types_if_they_are_wanted() {
    let trails = trails(&[json!({"Trail": described()}), advanced(&all()), working()]);
    let found = findings(&trails, true);
    assert_eq!(
        kinds(&found),
        [Kind::NoGatewayDataEvents, Kind::NoAgentSpaceDataEvents]
    );
    let mended = mended(&found)
        .iter()
        .map(Value::to_string)
        .collect::<String>();
    for kind in [
        "AWS::BedrockAgentCore::Gateway",
        "AWS::AIDevOps::AgentSpace",
    ] {
        assert!(mended.contains(kind), "{mended}");
    }
}

#[test]
fn a_selector_that_narrows_is_found_whatever_its_condition_is() {
    let profile = "AWS::CodeWhisperer::Profile";
    for condition in [
        json!({"Field": "eventName", "Equals": ["GenerateCompletions"]}),
        json!({"Field": "eventName", "NotEquals": ["SendTelemetryEvent"]}),
        json!({"Field": "resources.ARN", "StartsWith": ["arn:aws:codewhisperer:us-east-1:1:profile/A"]}),
        json!({"Field": "readOnly", "Equals": ["true"]}),
        json!({"Field": "readOnly", "Equals": ["false"]}),
        json!({"Field": "userIdentity.arn", "NotEndsWith": ["x"]}),
        json!({"Field": "eventSource", "NotEquals": ["codewhisperer.amazonaws.com"]}),
        json!({"Field": "eventSource", "Equals": ["codewhisperer.amazonaws.com"]}),
        json!({"Field": "new", "NewOperator": {"a": 1}}),
    ] {
        let mut selectors = all();
        selectors[1] = data(profile);
        selectors[1]["FieldSelectors"]
            .as_array_mut()
            .unwrap()
            .push(condition.clone());
        let found = selected(&advanced(&selectors));
        assert_eq!(kinds(&found), [Kind::NarrowedDataEvents], "{condition}");
        let mended = mended(&found);
        assert_eq!(mended[..selectors.len()], selectors, "{condition}");
        assert_eq!(selected(&advanced(&mended)), [], "{condition}");
    }
}

#[test]
fn two_selectors_may_cover_together_what_none_does_alone() {
    let half = |kind: &str, read_only: &str| {
        let mut selector = data(kind);
        let field = json!({"Field": "readOnly", "Equals": [read_only]});
        selector["FieldSelectors"]
            .as_array_mut()
            .unwrap()
            .push(field);
        selector
    };
    let mut selectors = all();
    let profile = "AWS::CodeWhisperer::Profile";
    selectors[1] = half(profile, "true");
    assert_eq!(
        kinds(&selected(&advanced(&selectors))),
        [Kind::NarrowedDataEvents]
    );
    selectors.push(half(profile, "false"));
    assert_eq!(selected(&advanced(&selectors)), []);
    // Fields and lists may be null.
    selectors[0] = json!({"Name": null, "FieldSelectors": [
        {"Field": "eventCategory", "Equals": ["Management"], "StartsWith": null, "NotEquals": null}]});
    assert_eq!(selected(&advanced(&selectors)), []);
}

#[test]
fn management_events_of_one_access_are_found_and_widened() {
    for (read_only, kind) in [("true", Kind::NoWriteEvents), ("false", Kind::NoReadEvents)] {
        let mut selectors = all();
        selectors[0]["FieldSelectors"] = json!([
            {"Field": "eventCategory", "Equals": ["Management"]},
            {"Field": "readOnly", "Equals": [read_only]},
            {"Field": "eventSource", "NotEquals": ["rdsdata.amazonaws.com"]}]);
        let found = selected(&advanced(&selectors));
        assert_eq!(kinds(&found), [kind, Kind::ExcludedEventSources]);
        let [widened, included] = [0, 1].map(|index| selectors_in(&found[index].commands[0]));
        selectors[0]["FieldSelectors"]
            .as_array_mut()
            .unwrap()
            .remove(1);
        assert_eq!(widened, selectors, "all else stays");
        assert_eq!(
            kinds(&selected(&advanced(&widened))),
            [Kind::ExcludedEventSources]
        );
        assert_eq!(selected(&advanced(&included)), []);
    }
    let mut selectors = all();
    let name = json!({"Field": "eventName", "StartsWith": ["Create"]});
    selectors[0]["FieldSelectors"]
        .as_array_mut()
        .unwrap()
        .push(name);
    let found = selected(&advanced(&selectors));
    assert_eq!(kinds(&found), [Kind::NarrowedManagementEvents]);
    assert!(
        found[0]
            .message
            .contains(r#"eventName StartsWith ["Create"]"#),
        "{found:?}"
    );
    assert_eq!(selected(&advanced(&mended(&found))), []);
}

#[test]
fn an_excluded_source_is_a_hint() {
    let source = json!({"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]});
    let mut selectors = all();
    selectors[0]["FieldSelectors"]
        .as_array_mut()
        .unwrap()
        .push(source);
    let found = selected(&advanced(&selectors));
    assert_eq!(kinds(&found), [Kind::ExcludedEventSources]);
    assert_eq!(found[0].level, Level::Hint);
    assert_eq!(selected(&advanced(&mended(&found))), []);
    // Not if another selector has it.
    selectors.push(management());
    assert_eq!(selected(&advanced(&selectors)), []);
}

/// Classic selectors, and the advanced ones that select the same, written by hand.
#[test]
fn classic_selectors_are_kept_as_advanced_ones() {
    let field =
        |field: &str, operator: &str, values: &[&str]| json!({"Field": field, operator: values});
    let category = |name: &str| field("eventCategory", "Equals", &[name]);
    let kind = |name: &str| field("resources.type", "Equals", &[name]);
    let cases = [
        (json!([]), vec![vec![category("Management")]]),
        (json!(null), vec![vec![category("Management")]]),
        (
            json!([{"ReadWriteType": "All"}]),
            vec![vec![category("Management")]],
        ),
        (
            json!([{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": true,
                "ExcludeManagementEventSources": ["rdsdata.amazonaws.com", "kms.amazonaws.com"]}]),
            vec![vec![
                category("Management"),
                field("readOnly", "Equals", &["false"]),
                field(
                    "eventSource",
                    "NotEquals",
                    &["kms.amazonaws.com", "rdsdata.amazonaws.com"],
                ),
            ]],
        ),
        (
            json!([{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": true, "DataResources": []},
                {"ReadWriteType": "WriteOnly", "IncludeManagementEvents": true, "DataResources": null,
                "ExcludeManagementEventSources": ["kms.amazonaws.com"]}]),
            vec![vec![category("Management")]],
        ),
        (
            json!([{"ReadWriteType": "ReadOnly", "IncludeManagementEvents": false, "DataResources": [
                {"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::a/", "arn:aws:s3:::b/it's"]},
                {"Type": "AWS::Lambda::Function", "Values": ["arn:aws:lambda"]},
                {"Type": "AWS::DynamoDB::Table", "Values": []}]}]),
            vec![
                vec![
                    category("Data"),
                    kind("AWS::S3::Object"),
                    field("readOnly", "Equals", &["true"]),
                    field(
                        "resources.ARN",
                        "StartsWith",
                        &["arn:aws:s3:::a/", "arn:aws:s3:::b/it's"],
                    ),
                ],
                vec![
                    category("Data"),
                    kind("AWS::Lambda::Function"),
                    field("readOnly", "Equals", &["true"]),
                ],
            ],
        ),
        (
            json!([{"IncludeManagementEvents": false, "DataResources": [
                {"Type": "AWS::S3::Object", "Values": ["arn:aws-cn:s3:::"]},
                {"Type": "AWS::Lambda::Function", "Values": ["arn:aws:lambda:us-west-2:1:function:f"]},
                {"Type": "AWS::DynamoDB::Table", "Values": ["arn:aws:dynamodb:us-west-2:1:table/t"]}]}]),
            vec![
                vec![category("Data"), kind("AWS::S3::Object")],
                vec![
                    category("Data"),
                    kind("AWS::Lambda::Function"),
                    field(
                        "resources.ARN",
                        "Equals",
                        &["arn:aws:lambda:us-west-2:1:function:f"],
                    ),
                ],
                vec![
                    category("Data"),
                    kind("AWS::DynamoDB::Table"),
                    field(
                        "resources.ARN",
                        "Equals",
                        &["arn:aws:dynamodb:us-west-2:1:table/t"],
                    ),
                ],
            ],
        ),
    ];
    for (selectors, expected) in cases {
        let advanced = serde_json::to_value(read(&classic(selectors.clone())).unwrap()).unwrap();
        let fields = advanced.as_array().unwrap().iter();
        let fields: Vec<_> = fields
            .map(|selector| selector["FieldSelectors"].clone())
            .collect();
        assert_eq!(json!(fields), json!(expected), "{selectors}");
        // The command has all of them, and what is missing.
        let found = selected(&classic(selectors.clone()));
        let command = found
            .iter()
            .find(|f| f.kind == Kind::NoCodewhispererDataEvents)
            .unwrap();
        let mended = selectors_in(&command.commands[0]);
        for (kept, before) in mended.iter().zip(&fields) {
            let kept = kept["FieldSelectors"].as_array().unwrap();
            let before = before.as_array().unwrap().iter();
            let stays = |field: &&Value| field["Field"] != "readOnly" || before.len() > 3;
            let mut before = before.clone().filter(stays);
            assert!(
                before.all(|field| kept.contains(field)),
                "{selectors}: {kept:?}"
            );
        }
    }
}

#[test]
fn a_shell_passes_on_the_selectors_whatever_their_texts_are() {
    for text in [
        "it's",
        "$(touch x) `y` \"z\" \\",
        "a\nb\u{1b}[2J\u{202e}",
        "日本 ''",
        "-x",
    ] {
        let mut selectors = all();
        selectors.remove(4);
        selectors[1]["Name"] = json!(text);
        let id = format!("arn:aws:cloudtrail:eu-west-1:1:trail/{text}");
        let answers = [
            json!({"Trail": with(described(), json!({"TrailARN": id}))}),
            with(advanced(&selectors), json!({"TrailARN": id})),
            working(),
        ];
        let command = linted(&answers)[0].commands[0].clone();
        assert_eq!(crate::telemetry::printable::printable(&command), command);
        let program = command.replacen("aws ", "printf '%s\\0' ", 1);
        let Ok(output) = std::process::Command::new("bash")
            .args(["-c", &program])
            .output()
        else {
            // Where there is no bash.
            return;
        };
        let words: Vec<_> = output.stdout.split(|byte| *byte == 0).collect();
        assert_eq!(words[3], id.as_bytes());
        let passed: Vec<Value> = serde_json::from_slice(words[7]).unwrap();
        assert_eq!(passed[..selectors.len()], selectors);
        assert!(!Path::new("x").exists());
    }
}

#[test]
fn trails_of_an_account_are_seen_as_one() {
    let [first, second] =
        ["first", "second"].map(|name| format!("arn:aws:cloudtrail:eu-west-1:1:trail/{name}"));
    let named = |id: &String, changes: Value| {
        with(
            with(described(), json!({"TrailARN": id, "Name": null})),
            changes,
        )
    };
    let select = |id: &String, selectors: &[Value]| json!({"TrailARN": id, "AdvancedEventSelectors": selectors});
    let both = |settings: [Value; 2], parts: [&[Value]; 2], status: [Value; 2]| {
        let [one, other] = [(&first, 0), (&second, 1)].map(|(id, index)| {
            [
                json!({"Trail": named(id, settings[index].clone())}),
                select(id, parts[index]),
                status[index].clone(),
            ]
        });
        linted(&[one, other].concat())
    };
    let all = all();
    let (some, others) = all.split_at(2);
    let none = || [json!({}), json!({})];
    let works = || [working(), working()];
    assert_eq!(both(none(), [some, others], works()), []);

    // A stopped one selects nothing for others; neither does one of one region.
    let found = both(
        none(),
        [others, some],
        [working(), json!({"IsLogging": false})],
    );
    let expected = [
        Kind::NoManagementEvents,
        Kind::NoCodewhispererDataEvents,
        Kind::TrailStopped,
    ];
    assert_eq!(kinds(&found), expected);
    assert_eq!(found[0].trail.as_deref(), Some(&*first));
    let narrow = json!({"IsMultiRegionTrail": false, "IncludeGlobalServiceEvents": false});
    let found = both([json!({}), narrow.clone()], [some, others], works());
    let expected = [
        Kind::NoCodewhispererDataEvents,
        Kind::NoIntegrationDataEvents,
        Kind::NoInvestigationDataEvents,
    ];
    assert_eq!(kinds(&found), expected, "{found:?}");
    assert!(
        found[1]
            .message
            .contains("second selects it only in eu-west-1"),
        "{found:?}"
    );

    // Two that have the same.
    let found = both(none(), [&all, &all], works());
    assert_eq!(kinds(&found), [Kind::DuplicateTrails]);
    assert_eq!(found[0].level, Level::Hint);
    let found = both([narrow.clone(), narrow], [&all, &all], works());
    let expected = [
        Kind::NotMultiRegion,
        Kind::NoGlobalServiceEvents,
        Kind::DuplicateTrails,
    ];
    assert_eq!(kinds(&found), expected, "{found:?}");
}

#[test]
fn an_organizations_trail_covers_the_accounts_of_others() {
    let own = "arn:aws:cloudtrail:eu-west-1:222233334444:trail/own";
    let organization = with(described(), json!({"IsOrganizationTrail": true}));
    let answers = |organization: Value| {
        linted(&[
            json!({"Trail": organization}),
            advanced(&all()),
            working(),
            json!({"Trail": with(described(), json!({"TrailARN": own, "IsMultiRegionTrail": false}))}),
            json!({"TrailARN": own, "AdvancedEventSelectors": [data("AWS::S3::Object")]}),
            working(),
        ])
    };
    assert_eq!(answers(organization), []);
    let found = answers(described());
    assert!(
        found
            .iter()
            .all(|finding| finding.trail.as_deref() == Some(own)),
        "{found:?}"
    );
    assert!(
        kinds(&found).contains(&Kind::NoManagementEvents),
        "{found:?}"
    );
    assert!(kinds(&found).contains(&Kind::NotMultiRegion), "{found:?}");
}

#[test]
fn without_a_trail_there_is_the_command_that_makes_one() {
    let found = linted(&[json!({"trailList": []})]);
    assert_eq!(kinds(&found), [Kind::NoTrail]);
    assert!(
        found[0].commands[0].starts_with("aws cloudtrail create-trail"),
        "{found:?}"
    );
}
