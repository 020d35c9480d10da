//! Checks of AWS.
//!
//! Enters: the configuration. Leaves: a line for each queue and for each region of the Event history; a warning
//! for a queue whose messages may name any bucket. What must hold: no message is received, nothing is changed.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName as Name;

use super::{Finding, Warning};
use crate::aws;
use crate::aws::Aws;
use crate::aws::queue_policy;
use crate::aws::redrive::max_receive_count;
use crate::config::Config;
use crate::input::{event_history, s3};

/// Sends each service one request.
pub(super) async fn findings(config: &Config) -> (Vec<Finding>, Vec<Warning>) {
    let (mut findings, mut warnings) = (Vec::new(), Vec::new());
    if config.s3.is_none() && config.event_history.is_none() {
        return (findings, warnings);
    }
    let aws = Aws::load(&config.aws).await;
    if let Some(settings) = &config.s3 {
        for queue in &settings.queues {
            let what = format!("queue {queue}");
            let answer = ask_queue(&aws, queue).await;
            if let Ok(attributes) = &answer
                && let Err(text) = buckets(attributes, settings)
            {
                let what = what.clone();
                warnings.push(Warning { what, text });
            }
            findings.push(Finding {
                what,
                result: answer.map(|attributes| describe(&attributes, settings)),
            });
        }
    }
    if let Some(settings) = &config.event_history {
        findings.extend(history(&aws, settings).await);
    }
    (findings, warnings)
}

async fn ask_queue(aws: &Aws, queue: &str) -> Result<HashMap<Name, String>, String> {
    let answer = aws
        .sqs_for(queue)
        .get_queue_attributes()
        .queue_url(queue)
        .attribute_names(Name::All)
        .send()
        .await
        .map_err(|error| aws::Error::of(&error).message)?;
    Ok(answer.attributes.unwrap_or_default())
}

/// The buckets that a queue's messages may name, or the warning if that is any bucket.
fn buckets(attributes: &HashMap<Name, String>, settings: &s3::Settings) -> Result<String, String> {
    if !settings.buckets.is_empty() {
        return Ok(format!("{} (s3.buckets)", settings.buckets.shown()));
    }
    let policy = attributes.get(&Name::Policy).map(String::as_str);
    let named = s3::Buckets::new(queue_policy::buckets(policy.unwrap_or_default()));
    match named.names_none() {
        true => Err(s3::OPEN.to_owned()),
        false => Ok(format!("{} (the queue's policy)", named.shown())),
    }
}

/// Describes a queue by its attributes.
fn describe(attributes: &HashMap<Name, String>, settings: &s3::Settings) -> String {
    let max_receives = settings.max_receives;
    let count = |name| attributes.get(&name).map_or("?", String::as_str);
    let policy = attributes.get(&Name::RedrivePolicy);
    let receives = policy.and_then(|policy| max_receive_count(policy));
    let failing = match receives {
        Some(receives) => {
            format!("failed messages go to the queue's dead-letter queue after {receives} receives")
        }
        None => format!(
            "it has no redrive policy: failed messages go to qtrail's dead letters after {max_receives} \
             receives (s3.max_receives)"
        ),
    };
    let buckets = buckets(attributes, settings);
    format!(
        "about {} messages waiting, {} in flight; {failing}; allowed buckets: {}",
        count(Name::ApproximateNumberOfMessages),
        count(Name::ApproximateNumberOfMessagesNotVisible),
        buckets.as_deref().unwrap_or("any"),
    )
}

async fn history(aws: &Aws, settings: &event_history::Settings) -> Vec<Finding> {
    let regions = match settings.regions(aws) {
        Ok(regions) => regions,
        Err(error) => {
            return vec![Finding {
                what: "Event history".to_owned(),
                result: Err(error.to_string()),
            }];
        }
    };
    let mut findings = Vec::new();
    for region in regions {
        let client = aws.cloudtrail(Some(&region));
        let answer = client.lookup_events().max_results(1).send().await;
        findings.push(Finding {
            what: format!("Event history of {region}"),
            result: match answer {
                Ok(answer) if answer.events().is_empty() => Ok("reachable, no events".to_owned()),
                Ok(_) => Ok("reachable".to_owned()),
                Err(error) => Err(aws::Error::of(&error).message),
            },
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(buckets: &str) -> s3::Settings {
        let queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/q";
        let set = [("QTRAIL_S3_QUEUES", queue), ("QTRAIL_S3_BUCKETS", buckets)];
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let set = set.into_iter().collect();
        let loaded = crate::config::load(None, &set, crate::config::Flags::default());
        loaded.unwrap().config.s3.unwrap()
    }

    #[test]
    fn a_queue_is_described_by_its_depth_and_where_failures_go() {
        let mut attributes = HashMap::from([
            (Name::ApproximateNumberOfMessages, "7".to_owned()),
            (Name::ApproximateNumberOfMessagesNotVisible, "2".to_owned()),
        ]);
        let text = describe(&attributes, &settings(""));
        assert!(
            text.contains("about 7 messages waiting, 2 in flight"),
            "{text}"
        );
        assert!(
            text.contains(
                "no redrive policy: failed messages go to qtrail's dead letters after 5 receives"
            ),
            "{text}"
        );
        for policy in [r#"{"maxReceiveCount":"9"}"#, r#"{"maxReceiveCount":9}"#] {
            attributes.insert(Name::RedrivePolicy, policy.to_owned());
            let text = describe(&attributes, &settings(""));
            assert!(text.contains("after 9 receives"), "{text}");
            assert!(!text.contains("s3.max_receives"), "{text}");
        }
        assert!(describe(&HashMap::new(), &settings("")).contains("about ? messages"));
    }

    #[test]
    fn a_queue_shows_its_allowed_buckets_and_a_warning_if_any_is_allowed() {
        let mut attributes = HashMap::new();
        let open = buckets(&attributes, &settings("")).unwrap_err();
        assert!(open.contains("s3.buckets"), "{open}");
        let set = buckets(&attributes, &settings("trail, logs-*"));
        assert_eq!(set.as_deref(), Ok("trail, logs-* (s3.buckets)"));
        for (arn, expected) in [
            ("arn:aws:s3:::trail", Some("trail (the queue's policy)")),
            ("arn:aws:s3:::*", None),
            ("arn:aws:sns:eu-central-1:1:topic", None),
        ] {
            let policy = serde_json::json!({"Statement": {"Effect": "Allow", "Action": "sqs:SendMessage",
                "Condition": {"ArnLike": {"aws:SourceArn": arn}}}});
            attributes.insert(Name::Policy, policy.to_string());
            let found = buckets(&attributes, &settings(""));
            assert_eq!(found.as_deref().ok(), expected, "{arn}");
        }
    }
}
