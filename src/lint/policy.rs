//! The policies that let CloudTrail deliver: of a bucket, a KMS key, a topic.
//!
//! Enters: a trail. Leaves: commands that read a policy, add a statement with `jq`, and write it back.

use serde_json::{Value, json};

use super::mend::{in_region, word};
use super::trail::Trail;

/// Lets CloudTrail write the trail's files to its bucket.
pub(super) fn bucket(trail: &Trail) -> Option<String> {
    let settings = trail.settings.as_ref()?;
    let bucket = settings.s3_bucket_name.as_deref()?;
    let arn = format!("arn:{}:s3:::{bucket}", trail.partition());
    let prefix = settings.s3_key_prefix.as_deref().unwrap_or_default();
    let prefix = match prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    // The name of the organization is not known; the condition allows only this trail.
    let account = trail.account().filter(|_| !trail.is_organization());
    let folder = account.map_or_else(String::new, |account| format!("{account}/"));
    let statements = json!([
        statement(trail, "s3:GetBucketAcl", &arn),
        with(
            statement(
                trail,
                "s3:PutObject",
                &format!("{arn}/{prefix}AWSLogs/{folder}*")
            ),
            "s3:x-amz-acl",
            "bucket-owner-full-control",
        ),
    ]);
    let bucket = word(bucket);
    Some(added(
        &format!("aws s3api get-bucket-policy --bucket {bucket} --query Policy --output text"),
        &statements,
        &format!("aws s3api put-bucket-policy --bucket {bucket} --policy file://policy.json"),
    ))
}

/// Lets CloudTrail encrypt with the trail's KMS key.
pub(super) fn key(trail: &Trail) -> Option<String> {
    let key = trail.settings.as_ref()?.kms_key_id.as_deref()?;
    let encrypt = statement(trail, "kms:GenerateDataKey*", "*");
    let statements = json!([encrypt, statement(trail, "kms:DescribeKey", "*")]);
    let key = in_key(key, trail);
    Some(added(
        &format!("aws kms get-key-policy {key} --policy-name default --query Policy --output text"),
        &statements,
        &format!("aws kms put-key-policy {key} --policy-name default --policy file://policy.json"),
    ))
}

/// Lets CloudTrail publish to the trail's topic.
pub(super) fn topic(trail: &Trail) -> Option<String> {
    let arn = trail.settings.as_ref()?.sns_topic_arn.as_deref()?;
    let statements = json!([statement(trail, "SNS:Publish", arn)]);
    let topic = format!(
        "--topic-arn {}{}",
        word(arn),
        in_region(region_of(arn).or(trail.home()))
    );
    Some(added(
        &format!("aws sns get-topic-attributes {topic} --query Attributes.Policy --output text"),
        &statements,
        &format!(
            "aws sns set-topic-attributes {topic} --attribute-name Policy --attribute-value file://policy.json"
        ),
    ))
}

/// `--key-id KEY --region REGION`.
pub(super) fn in_key(key: &str, trail: &Trail) -> String {
    format!(
        "--key-id {}{}",
        word(key),
        in_region(region_of(key).or(trail.home()))
    )
}

/// The region in an ARN.
fn region_of(arn: &str) -> Option<&str> {
    let region = arn.strip_prefix("arn:")?.split(':').nth(2)?;
    (!region.is_empty()).then_some(region)
}

/// Lets CloudTrail do something only for this trail, where its ARN is known.
fn statement(trail: &Trail, action: &str, resource: &str) -> Value {
    let statement = json!({
        "Effect": "Allow",
        "Principal": {"Service": "cloudtrail.amazonaws.com"},
        "Action": action,
        "Resource": resource,
    });
    match trail.account() {
        Some(_) => with(statement, "aws:SourceArn", &trail.id),
        None => statement,
    }
}

/// The statement, where a key of the request has this value.
fn with(mut statement: Value, key: &str, value: &str) -> Value {
    statement["Condition"]["StringEquals"][key] = value.into();
    statement
}

fn added(get: &str, statements: &Value, put: &str) -> String {
    let program = word(&format!(".Statement += {statements}"));
    // Without a policy that could be read, jq writes nothing.
    format!("{get} | jq -c {program} > policy.json && test -s policy.json && {put}")
}
