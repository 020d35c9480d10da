//! Where trails record, and whether they deliver.

use super::*;

const KEY: &str = "arn:aws:kms:us-west-2:111122223333:key/abc";

fn status(changes: Value) -> Vec<Finding> {
    let settings =
        json!({"KmsKeyId": KEY, "SnsTopicARN": "arn:aws:sns:us-east-1:111122223333:topic"});
    of(
        with(described(), settings),
        advanced(&all()),
        with(working(), changes),
    )
}

#[test]
fn settings_that_are_off_are_found_and_mended_by_one_command() {
    let off = |names: &[&str]| {
        let changes = names.iter().map(|name| ((*name).to_owned(), json!(false)));
        let changes = Value::Object(changes.collect());
        of(with(described(), changes), advanced(&all()), working())
    };
    let found = off(&["LogFileValidationEnabled"]);
    assert_eq!(kinds(&found), [Kind::NoLogFileValidation]);
    let update = format!("aws cloudtrail update-trail --name {ARN} --region eu-west-1");
    assert_eq!(
        found[0].commands,
        [format!("{update} --enable-log-file-validation")]
    );

    let found = off(&[
        "IncludeGlobalServiceEvents",
        "IsMultiRegionTrail",
        "LogFileValidationEnabled",
    ]);
    let expected = [
        Kind::NotMultiRegion,
        Kind::NoGlobalServiceEvents,
        Kind::NoLogFileValidation,
    ];
    assert_eq!(kinds(&found), expected);
    let all =
        "--is-multi-region-trail --include-global-service-events --enable-log-file-validation";
    assert_eq!(found[0].commands, [format!("{update} {all}")]);
    assert_eq!(found[0].commands, found[1].commands);
    for region in [
        "only eu-west-1".to_lowercase(),
        "us-east-1 or eu-central-1".to_owned(),
    ] {
        assert!(
            found[0].message.to_lowercase().contains(&region),
            "{found:?}"
        );
    }
}

#[test]
fn the_regions_of_profiles_are_those_of_the_partition() {
    for (home, partition, expected) in [
        ("us-east-1", "aws", Some("profile is in eu-central-1")),
        (
            "us-gov-west-1",
            "aws-us-gov",
            Some("profile is in us-gov-east-1"),
        ),
        ("cn-north-1", "aws-cn", None),
    ] {
        let arn = format!("arn:{partition}:cloudtrail:{home}:1:trail/t");
        let trail = json!({"TrailARN": arn, "HomeRegion": home, "IsMultiRegionTrail": false});
        let found = linted(&[json!({"Trail": with(described(), trail)})]);
        let found = found
            .iter()
            .find(|finding| finding.kind == Kind::NotMultiRegion)
            .unwrap();
        match expected {
            Some(expected) => assert!(found.message.contains(expected), "{found:?}"),
            None => assert!(!found.message.contains("profile"), "{found:?}"),
        }
    }
}

#[test]
fn a_stopped_trail_is_told_since_when() {
    for time in [json!("2026-10-31T23:00:00+01:00"), json!(1_793_484_000.25)] {
        let found = status(json!({"IsLogging": false, "StopLoggingTime": time}));
        assert_eq!(kinds(&found), [Kind::TrailStopped]);
        assert!(
            found[0].message.contains("since 2026-10-31T22:00:00Z"),
            "{found:?}"
        );
        let start = format!("aws cloudtrail start-logging --name {ARN} --region eu-west-1");
        assert_eq!(found[0].commands, [start]);
    }
}

#[test]
fn a_delivery_error_is_traced_to_its_cause() {
    let key = format!("--key-id {KEY} --region us-west-2");
    for (error, parts) in [
        (
            "AccessDenied",
            &["put-bucket-policy --bucket my-bucket", "put-key-policy"][..],
        ),
        (
            "NoSuchBucket",
            &[
                "aws s3 mb s3://my-bucket --region eu-west-1",
                "put-bucket-policy",
            ],
        ),
        ("KMS.DisabledException", &["aws kms enable-key"]),
        (
            "KMS.NotFoundException",
            &["aws kms cancel-key-deletion", "aws kms enable-key"],
        ),
        (
            "KMS.KMSInvalidStateException: pending deletion",
            &["cancel-key-deletion", "enable-key"],
        ),
        ("KMS.AccessDeniedException", &["put-key-policy"]),
        (
            "InsufficientEncryptionPolicyException",
            &["put-bucket-policy", "put-key-policy"],
        ),
        ("SlowDown", &[]),
    ] {
        for (name, kind) in [
            ("LatestDeliveryError", Kind::DeliveryError),
            ("LatestDigestDeliveryError", Kind::DigestDeliveryError),
        ] {
            let found = status(json!({name: error}));
            assert_eq!(kinds(&found), [kind], "{error}");
            assert!(found[0].message.contains(error), "{found:?}");
            assert_eq!(found[0].commands.len(), parts.len(), "{error}: {found:?}");
            for (command, part) in found[0].commands.iter().zip(parts) {
                assert!(command.contains(part), "{error}: {command}");
                assert!(
                    !command.contains("aws kms") || command.contains(&key),
                    "{command}"
                );
            }
        }
    }
    assert_eq!(status(json!({"LatestDeliveryError": " "})), []);
    assert_eq!(status(json!({"LatestDeliveryError": null})), []);
}

/// The statements that the command of a policy adds.
fn added(command: &str) -> Vec<Value> {
    let (_, program) = command.split_once("| jq -c '.Statement += ").unwrap();
    let (statements, _) = program
        .split_once("' > policy.json && test -s policy.json && aws")
        .unwrap();
    serde_json::from_str(statements).unwrap()
}

#[test]
fn a_policy_gets_statements_for_this_trail_alone() {
    let only = json!({"StringEquals": {"aws:SourceArn": ARN}});
    for (settings, resource) in [
        (json!({}), "arn:aws:s3:::my-bucket/AWSLogs/111122223333/*"),
        (
            json!({"S3KeyPrefix": "a/b"}),
            "arn:aws:s3:::my-bucket/a/b/AWSLogs/111122223333/*",
        ),
        (
            json!({"S3KeyPrefix": "", "IsOrganizationTrail": true}),
            "arn:aws:s3:::my-bucket/AWSLogs/*",
        ),
    ] {
        let denied = with(working(), json!({"LatestDeliveryError": "AccessDenied"}));
        let found = of(with(described(), settings), advanced(&all()), denied);
        let statements = added(&found[0].commands[0]);
        assert_eq!(statements[0]["Action"], "s3:GetBucketAcl");
        assert_eq!(statements[0]["Resource"], "arn:aws:s3:::my-bucket");
        assert_eq!(statements[0]["Condition"], only);
        assert_eq!(statements[1]["Resource"], resource);
        let mut own = only.clone();
        own["StringEquals"]["s3:x-amz-acl"] = json!("bucket-owner-full-control");
        assert_eq!(statements[1]["Condition"], own);
    }
    let found = status(json!({"LatestNotificationError": "AuthorizationError"}));
    assert_eq!(kinds(&found), [Kind::NotificationError]);
    let topic = "arn:aws:sns:us-east-1:111122223333:topic";
    let command = &found[0].commands[0];
    assert!(
        command.contains(&format!("--topic-arn {topic} --region us-east-1")),
        "{command}"
    );
    assert_eq!(added(command)[0]["Resource"], topic);
    assert_eq!(added(command)[0]["Action"], "SNS:Publish");
    let found = status(json!({"LatestDeliveryError": "KMS.AccessDeniedException"}));
    let actions: Vec<_> = added(&found[0].commands[0])
        .iter()
        .map(|s| s["Action"].clone())
        .collect();
    assert_eq!(actions, ["kms:GenerateDataKey*", "kms:DescribeKey"]);
    let found = status(json!({"LatestCloudWatchLogsDeliveryError": "AccessDenied"}));
    assert_eq!(
        (found[0].kind, found[0].level),
        (Kind::LogsDeliveryError, Level::Hint)
    );
}

#[test]
fn without_settings_the_command_asks_for_them() {
    let found = linted(&[
        advanced(&all()),
        json!({"IsLogging": true, "LatestDeliveryError": "AccessDenied"}),
    ]);
    assert_eq!(kinds(&found), [Kind::DeliveryError, Kind::NotKnown]);
    assert!(
        found[0].commands[0].contains("get-trail --name"),
        "{found:?}"
    );
}

#[test]
fn a_trail_that_is_on_and_delivers_nothing_is_stale() {
    let stale = |changes: Value, asked: Asked| {
        let mut trails = trails(&[
            json!({"Trail": described()}),
            advanced(&all()),
            with(working(), changes),
        ]);
        trails[0].status.as_mut().unwrap().asked = asked;
        let found = findings(&trails, false);
        assert!(
            kinds(&found)
                .iter()
                .all(|kind| *kind == Kind::DeliveryStale),
            "{found:?}"
        );
        found.first().map(|finding| finding.level)
    };
    let hours = |hours: i64| NOW - hours * 3600;
    let old_digest = || json!({"LatestDigestDeliveryTime": hours(4)});
    assert_eq!(stale(old_digest(), Asked::At(NOW)), Some(Level::Finding));
    assert_eq!(stale(old_digest(), Asked::By(NOW)), Some(Level::Hint));
    assert_eq!(stale(old_digest(), Asked::Unknown), None);
    assert_eq!(
        stale(
            json!({"LatestDigestDeliveryTime": hours(3)}),
            Asked::At(NOW)
        ),
        None
    );
    assert_eq!(
        stale(json!({"LatestDeliveryTime": hours(23)}), Asked::At(NOW)),
        None
    );
    assert_eq!(
        stale(json!({"LatestDeliveryTime": hours(25)}), Asked::At(NOW)),
        Some(Level::Finding)
    );
    // Never, and on for long; then for an hour.
    let never = json!({"LatestDeliveryTime": null, "LatestDigestDeliveryTime": null});
    assert_eq!(stale(never.clone(), Asked::At(NOW)), Some(Level::Finding));
    let new = with(never, json!({"StartLoggingTime": hours(1)}));
    assert_eq!(stale(new, Asked::At(NOW)), None);
    // What is known to fail is not told twice.
    let found = status(with(
        old_digest(),
        json!({"LatestDeliveryError": "SlowDown"}),
    ));
    assert_eq!(kinds(&found), [Kind::DeliveryError]);
    // Before its time, for whatever reason.
    assert_eq!(
        stale(json!({"LatestDeliveryTime": i64::MAX}), Asked::At(i64::MIN)),
        None
    );
}
