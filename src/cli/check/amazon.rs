//! Whether Amazon's services answer.
//!
//! Enters: the configuration. Leaves: a line for each queue, and for each region of the Event
//! history. What must hold: no message is received, and nothing is changed.

use std::collections::HashMap;

use aws_sdk_sqs::types::QueueAttributeName as Name;

use super::Finding;
use crate::aws::Aws;
use crate::aws::fault::Fault;
use crate::aws::redrive::max_receive_count;
use crate::config::Config;
use crate::input::{event_history, s3};

/// Asks each service once.
pub(super) async fn findings(config: &Config) -> Vec<Finding> {
    if config.s3.is_none() && config.event_history.is_none() {
        return Vec::new();
    }
    let aws = Aws::load(&config.aws).await;
    let mut findings = Vec::new();
    if let Some(settings) = &config.s3 {
        for queue in &settings.queues {
            findings.push(Finding {
                what: format!("queue {queue}"),
                result: ask_queue(&aws, queue, settings).await,
            });
        }
    }
    if let Some(settings) = &config.event_history {
        findings.extend(history(&aws, settings).await);
    }
    findings
}

async fn ask_queue(aws: &Aws, queue: &str, settings: &s3::Settings) -> Result<String, String> {
    let asked = [
        Name::ApproximateNumberOfMessages,
        Name::ApproximateNumberOfMessagesNotVisible,
        Name::RedrivePolicy,
    ];
    let answer = aws
        .sqs_for(queue)
        .get_queue_attributes()
        .queue_url(queue)
        .set_attribute_names(Some(asked.to_vec()))
        .send()
        .await
        .map_err(|error| Fault::of(&error).message)?;
    let attributes = answer.attributes.unwrap_or_default();
    Ok(told(&attributes, settings.max_receives))
}

/// What a queue's attributes tell.
fn told(attributes: &HashMap<Name, String>, max_receives: u32) -> String {
    let count = |name| attributes.get(&name).map_or("?", String::as_str);
    let policy = attributes.get(&Name::RedrivePolicy);
    let receives = policy.and_then(|policy| max_receive_count(policy));
    let failing = match receives {
        Some(receives) => format!(
            "after {receives} receives, what fails goes to the queue's own dead-letter queue"
        ),
        None => format!(
            "it has no redrive policy: after {max_receives} receives (s3.max_receives), what fails \
             goes to qtrail's dead letters"
        ),
    };
    format!(
        "about {} messages wait, {} are worked on; {failing}",
        count(Name::ApproximateNumberOfMessages),
        count(Name::ApproximateNumberOfMessagesNotVisible),
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
                Ok(answer) if answer.events().is_empty() => Ok("answers, no event".to_owned()),
                Ok(_) => Ok("answers".to_owned()),
                Err(error) => Err(Fault::of(&error).message),
            },
        });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_tells_how_full_it_is_and_where_failures_go() {
        let mut attributes = HashMap::from([
            (Name::ApproximateNumberOfMessages, "7".to_owned()),
            (Name::ApproximateNumberOfMessagesNotVisible, "2".to_owned()),
        ]);
        let text = told(&attributes, 5);
        assert!(
            text.contains("about 7 messages wait, 2 are worked on"),
            "{text}"
        );
        assert!(
            text.contains("no redrive policy: after 5 receives"),
            "{text}"
        );
        for policy in [r#"{"maxReceiveCount":"9"}"#, r#"{"maxReceiveCount":9}"#] {
            attributes.insert(Name::RedrivePolicy, policy.to_owned());
            let text = told(&attributes, 5);
            assert!(text.contains("after 9 receives"), "{text}");
            assert!(!text.contains("s3.max_receives"), "{text}");
        }
        assert!(told(&HashMap::new(), 5).contains("about ? messages"));
    }
}
