//! SQS as a [`Queue`]. It only translates.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
};

use super::buckets::Buckets;
use super::queue::{Answers, Attributes, BATCH, Entry, EntryError, Message, Queue, Redrive};
use crate::aws;
use crate::aws::error::Remedy;
use crate::aws::queue_policy;
use crate::aws::redrive::max_receive_count;
use crate::telemetry::metrics::Metrics;

/// An SQS queue.
pub(super) struct Sqs {
    client: Client,
    url: String,
    metrics: Arc<Metrics>,
}

impl Sqs {
    pub(super) fn new(client: Client, url: String, metrics: Arc<Metrics>) -> Self {
        Sqs {
            client,
            url,
            metrics,
        }
    }
}

impl Queue for Sqs {
    fn url(&self) -> &str {
        &self.url
    }

    async fn receive(
        &self,
        most: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Message>, aws::Error> {
        self.metrics.sqs_requests.add(1);
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(most.min(BATCH) as i32)
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(visibility))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .send()
            .await
            .map_err(|e| aws::Error::of(&e))?;
        let messages = answer.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(message).collect())
    }

    async fn hide(&self, entries: &[(Entry, Duration)]) -> Result<Answers, aws::Error> {
        self.metrics.sqs_requests.add(1);
        let batch = entries.iter().map(|(entry, time)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(entry.number.to_string())
                .receipt_handle(&*entry.receipt)
                .visibility_timeout(seconds(*time))
                .build()
                .map_err(impossible)
        });
        let answer = self
            .client
            .change_message_visibility_batch()
            .queue_url(&self.url)
            .set_entries(Some(batch.collect::<Result<_, _>>()?))
            .send()
            .await
            .map_err(|e| aws::Error::of(&e))?;
        let done = answer.successful.iter().map(|entry| entry.id.as_str());
        let entries = entries.iter().map(|(entry, _)| entry);
        Ok(answers(entries, done, &answer.failed))
    }

    async fn delete(&self, entries: &[Entry]) -> Result<Answers, aws::Error> {
        self.metrics.sqs_requests.add(1);
        let batch = entries.iter().map(|entry| {
            DeleteMessageBatchRequestEntry::builder()
                .id(entry.number.to_string())
                .receipt_handle(&*entry.receipt)
                .build()
                .map_err(impossible)
        });
        let answer = self
            .client
            .delete_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(batch.collect::<Result<_, _>>()?))
            .send()
            .await
            .map_err(|e| aws::Error::of(&e))?;
        let done = answer.successful.iter().map(|entry| entry.id.as_str());
        Ok(answers(entries, done, &answer.failed))
    }

    async fn attributes(&self) -> Result<Attributes, aws::Error> {
        self.metrics.sqs_requests.add(1);
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            // Compatible servers refuse attribute names that they do not have.
            .attribute_names(QueueAttributeName::All)
            .send()
            .await
            .map_err(|e| aws::Error::of(&e))?;
        let attributes = answer.attributes.unwrap_or_default();
        let redrive = attributes.get(&QueueAttributeName::RedrivePolicy);
        let policy = attributes.get(&QueueAttributeName::Policy);
        let named = policy.map(|policy| queue_policy::buckets(policy));
        Ok(Attributes {
            redrive: redrive.map_or(Redrive::Never, |policy| redrive_of(policy)),
            buckets: Buckets::new(named.unwrap_or_default()),
        })
    }
}

fn redrive_of(policy: &str) -> Redrive {
    max_receive_count(policy).map_or(Redrive::Never, Redrive::After)
}

/// Ignores a message without a receipt: it reappears.
fn message(message: aws_sdk_sqs::types::Message) -> Option<Message> {
    let receives = message
        .attributes
        .as_ref()
        .and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount))
        .and_then(|count| count.parse().ok());
    Some(Message {
        id: message.message_id?.into(),
        receipt: message.receipt_handle?.into(),
        body: message.body.unwrap_or_default(),
        receives: receives.unwrap_or(1),
    })
}

/// The results of the entries, by the id in the answer.
fn answers<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    done: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Answers {
    let number = |id: &str| id.parse::<u64>().ok();
    let mut answers: Answers = done.filter_map(number).map(|n| (n, Ok(()))).collect();
    let entries: HashMap<u64, &Entry> = entries
        .into_iter()
        .map(|entry| (entry.number, entry))
        .collect();
    for failure in failed {
        if let Some(entry) = number(&failure.id).and_then(|number| entries.get(&number)) {
            let message = failure.message.as_deref().unwrap_or_default();
            let error = EntryError {
                permanent: failure.sender_fault,
                // SQS may repeat the receipt in its message.
                message: format!(
                    "{}: {}",
                    failure.code,
                    message.replace(&*entry.receipt, "…")
                ),
            };
            answers.insert(entry.number, Err(error));
        }
    }
    answers.retain(|number, _| entries.contains_key(number));
    answers
}

fn seconds(time: Duration) -> i32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn impossible(error: impl std::fmt::Display) -> aws::Error {
    aws::Error {
        remedy: Remedy::Retry,
        message: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_policy_is_read_as_sqs_and_others_write_it() {
        for (policy, expected) in [
            (
                r#"{"deadLetterTargetArn":"a","maxReceiveCount":5}"#,
                Redrive::After(5),
            ),
            (
                r#"{"deadLetterTargetArn":"a","maxReceiveCount":"5"}"#,
                Redrive::After(5),
            ),
            ("{}", Redrive::Never),
            ("", Redrive::Never),
        ] {
            assert_eq!(redrive_of(policy), expected, "{policy}");
        }
    }

    #[test]
    fn an_entry_without_an_answer_is_not_taken_for_done() {
        let entry = |number, receipt: &str| Entry {
            number,
            receipt: receipt.into(),
        };
        let entries = [entry(40, "a"), entry(7, "b"), entry(12, "c+/=")];
        let failed = BatchResultErrorEntry::builder()
            .id("12")
            .sender_fault(true)
            .code("InvalidParameterValue")
            .message("Value c+/= for parameter ReceiptHandle is invalid. Reason: the message is not hidden")
            .build()
            .unwrap();
        // One more, that was not asked for, and what is no number.
        let answers = answers(&entries, ["40", "0", "x"].into_iter(), &[failed]);
        assert_eq!(answers.get(&40), Some(&Ok(())));
        assert_eq!(answers.get(&7), None);
        let Some(Err(error)) = answers.get(&12) else {
            panic!("{answers:?}");
        };
        assert!(error.permanent);
        let words = &error.message;
        assert!(
            words.contains("not hidden") && !words.contains("c+/="),
            "{words}"
        );
        assert_eq!(answers.len(), 2);
    }

    #[test]
    fn a_part_of_a_second_counts_as_one() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(60)), 60);
        assert_eq!(seconds(Duration::ZERO), 0);
    }
}
