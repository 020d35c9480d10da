//! Asks AWS about trails.
//!
//! Needs cloudtrail:DescribeTrails, cloudtrail:GetEventSelectors and cloudtrail:GetTrailStatus. What must hold: nothing
//! is changed; each trail is asked for in its home region: no other region knows its selectors.

use std::collections::BTreeMap;

use aws_sdk_cloudtrail::operation::get_event_selectors::GetEventSelectorsOutput;
use aws_sdk_cloudtrail::operation::get_trail_status::GetTrailStatusOutput;
use aws_sdk_cloudtrail::types;
use aws_smithy_types::DateTime;
use serde_json::{Value, json};

use super::selectors;
use super::trail::{Asked, Settings, Status, Trail};
use crate::aws::Aws;
use crate::aws::error::{Error, Remedy};

/// What was learnt.
#[derive(Debug, Default)]
pub(crate) struct Learnt {
    pub(crate) trails: Vec<Trail>,
    /// What could not be asked, and why.
    pub(crate) errors: Vec<String>,
}

/// The trails that can be seen from these regions (from the default one, if there are none), if `is_wanted`.
///
/// # Errors
/// Trails cannot be listed: the permission that is missing.
pub(crate) async fn ask(
    aws: &Aws,
    regions: &[String],
    now: i64,
    is_wanted: impl Fn(&Trail) -> bool,
) -> Result<Learnt, String> {
    let regions: Vec<_> = match regions.is_empty() {
        true => vec![None],
        false => regions.iter().map(|region| Some(region.as_str())).collect(),
    };
    let mut trails = BTreeMap::new();
    for region in regions {
        let client = aws.cloudtrail(region);
        let request = client.describe_trails().include_shadow_trails(true);
        let answer = request.send().await;
        let answer =
            answer.map_err(|error| failed("trails", "DescribeTrails", &Error::of(&error)))?;
        for settings in answer.trail_list().iter().map(settings) {
            let id = settings.trail_arn.clone().or(settings.name.clone());
            let id = id.unwrap_or_default();
            let trail = Trail {
                id: id.clone(),
                settings: Some(settings),
                ..Trail::default()
            };
            trails.insert(id, trail);
        }
    }
    let mut learnt = Learnt::default();
    for mut trail in trails.into_values().filter(is_wanted) {
        learnt.errors.extend(complete(aws, &mut trail, now).await);
        learnt.trails.push(trail);
    }
    Ok(learnt)
}

/// Adds selectors and status of a trail; what could not be asked.
async fn complete(aws: &Aws, trail: &mut Trail, now: i64) -> Vec<String> {
    let client = aws.cloudtrail(trail.home().filter(|home| crate::aws::is_region(home)));
    let mut errors = Vec::new();
    let selectors = client.get_event_selectors().trail_name(&trail.id).send();
    match selectors.await {
        Ok(answer) => match selectors::read(&selectors_json(&answer)) {
            Ok(selectors) => trail.selectors = Some(selectors),
            Err(error) => errors.push(format!("the selectors of {}: {error}", trail.id)),
        },
        Err(error) => {
            let what = format!("the selectors of {}", trail.id);
            errors.push(failed(&what, "GetEventSelectors", &Error::of(&error)));
        }
    }
    match client.get_trail_status().name(&trail.id).send().await {
        Ok(answer) => trail.status = Some(status(&answer, now)),
        Err(error) => {
            let what = format!("the status of {}", trail.id);
            errors.push(failed(&what, "GetTrailStatus", &Error::of(&error)));
        }
    }
    errors
}

/// What could not be asked, and why.
fn failed(what: &str, operation: &str, error: &Error) -> String {
    match error.remedy {
        Remedy::Denied => format!("cannot ask for {what}: allow cloudtrail:{operation}: {error}"),
        _ => format!("cannot ask for {what}: {error}"),
    }
}

fn settings(trail: &types::Trail) -> Settings {
    let text = |text: Option<&str>| text.map(str::to_owned);
    Settings {
        name: text(trail.name()),
        trail_arn: text(trail.trail_arn()),
        home_region: text(trail.home_region()),
        s3_bucket_name: text(trail.s3_bucket_name()),
        s3_key_prefix: text(trail.s3_key_prefix()),
        sns_topic_arn: text(trail.sns_topic_arn()),
        kms_key_id: text(trail.kms_key_id()),
        is_multi_region_trail: trail.is_multi_region_trail(),
        is_organization_trail: trail.is_organization_trail(),
        include_global_service_events: trail.include_global_service_events(),
        log_file_validation_enabled: trail.log_file_validation_enabled(),
    }
}

fn status(status: &GetTrailStatusOutput, now: i64) -> Status {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let time = |time: Option<&DateTime>| time.map(DateTime::secs);
    Status {
        is_logging: status.is_logging(),
        latest_delivery_error: text(status.latest_delivery_error()),
        latest_digest_delivery_error: text(status.latest_digest_delivery_error()),
        latest_notification_error: text(status.latest_notification_error()),
        latest_cloud_watch_logs_delivery_error: text(
            status.latest_cloud_watch_logs_delivery_error(),
        ),
        latest_delivery_time: time(status.latest_delivery_time()),
        latest_digest_delivery_time: time(status.latest_digest_delivery_time()),
        start_logging_time: time(status.start_logging_time()),
        stop_logging_time: time(status.stop_logging_time()),
        asked: Asked::At(now),
    }
}

/// The answer as the command line writes it.
fn selectors_json(answer: &GetEventSelectorsOutput) -> Value {
    let classic = answer.event_selectors().iter().map(|selector| {
        let resources = selector.data_resources().iter();
        let resources = resources.map(|one| json!({"Type": one.r#type(), "Values": one.values()}));
        json!({
            "ReadWriteType": selector.read_write_type().map(types::ReadWriteType::as_str),
            "IncludeManagementEvents": selector.include_management_events(),
            "DataResources": resources.collect::<Vec<_>>(),
            "ExcludeManagementEventSources": selector.exclude_management_event_sources(),
        })
    });
    let advanced = answer.advanced_event_selectors().iter().map(|selector| {
        let fields = selector.field_selectors().iter().map(field);
        json!({"Name": selector.name(), "FieldSelectors": fields.collect::<Vec<_>>()})
    });
    json!({
        "EventSelectors": classic.collect::<Vec<_>>(),
        "AdvancedEventSelectors": advanced.collect::<Vec<_>>(),
    })
}

fn field(field: &types::AdvancedFieldSelector) -> Value {
    let operators = [
        ("Equals", field.equals()),
        ("StartsWith", field.starts_with()),
        ("EndsWith", field.ends_with()),
        ("NotEquals", field.not_equals()),
        ("NotStartsWith", field.not_starts_with()),
        ("NotEndsWith", field.not_ends_with()),
    ];
    let mut json = json!({"Field": field.field()});
    for (name, values) in operators
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
    {
        json[name] = json!(values);
    }
    json
}
