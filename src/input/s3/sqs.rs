//! SQS as a [`Queue`]. Decides nothing.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
};

use super::queue::{Answers, BATCH, Message, Queue, Redrive, Refused};
use crate::aws::fault::{Fault, Remedy};
use crate::aws::redrive::max_receive_count;
use crate::telemetry::metrics::Metrics;

/// A queue of SQS'.
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
    ) -> Result<Vec<Message>, Fault> {
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
            .map_err(|e| Fault::of(&e))?;
        let messages = answer.messages.unwrap_or_default();
        Ok(messages.into_iter().filter_map(message).collect())
    }

    async fn hide(&self, entries: &[(Arc<str>, Duration)]) -> Result<Answers, Fault> {
        self.metrics.sqs_requests.add(1);
        let batch = entries.iter().enumerate().map(|(n, (receipt, time))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(n.to_string())
                .receipt_handle(&**receipt)
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
            .map_err(|e| Fault::of(&e))?;
        let done = answer.successful.iter().map(|entry| entry.id.as_str());
        let receipts: Vec<_> = entries.iter().map(|(receipt, _)| &**receipt).collect();
        Ok(answers(&receipts, done, &answer.failed))
    }

    async fn delete(&self, entries: &[Arc<str>]) -> Result<Answers, Fault> {
        self.metrics.sqs_requests.add(1);
        let batch = entries.iter().enumerate().map(|(n, receipt)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(n.to_string())
                .receipt_handle(&**receipt)
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
            .map_err(|e| Fault::of(&e))?;
        let done = answer.successful.iter().map(|entry| entry.id.as_str());
        let receipts: Vec<_> = entries.iter().map(|receipt| &**receipt).collect();
        Ok(answers(&receipts, done, &answer.failed))
    }

    async fn redrive(&self) -> Result<Redrive, Fault> {
        self.metrics.sqs_requests.add(1);
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send()
            .await
            .map_err(|e| Fault::of(&e))?;
        let attributes = answer.attributes.unwrap_or_default();
        let policy = attributes.get(&QueueAttributeName::RedrivePolicy);
        Ok(policy.map_or(Redrive::Never, |policy| policy_of(policy)))
    }
}

fn policy_of(policy: &str) -> Redrive {
    max_receive_count(policy).map_or(Redrive::Never, Redrive::After)
}

/// A message without a receipt cannot be held: it reappears.
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

/// An entry that is in neither list may have been done or not.
fn answers<'a>(
    receipts: &[&str],
    done: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Answers {
    let unheard = || Refused {
        for_good: false,
        message: "no answer".to_owned(),
    };
    let mut answers: Answers = receipts.iter().map(|_| Err(unheard())).collect();
    for id in done {
        if let Some(answer) = id.parse().ok().and_then(|n: usize| answers.get_mut(n)) {
            *answer = Ok(());
        }
    }
    for entry in failed {
        let number = entry.id.parse().unwrap_or(usize::MAX);
        if let (Some(answer), Some(receipt)) = (answers.get_mut(number), receipts.get(number)) {
            let message = entry.message.as_deref().unwrap_or_default();
            *answer = Err(Refused {
                for_good: entry.sender_fault,
                // SQS repeats a receipt that it refuses.
                message: format!("{}: {}", entry.code, message.replace(receipt, "…")),
            });
        }
    }
    answers
}

fn seconds(time: Duration) -> i32 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

fn impossible(error: impl std::fmt::Display) -> Fault {
    Fault {
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
            assert_eq!(policy_of(policy), expected, "{policy}");
        }
    }

    #[test]
    fn an_entry_without_an_answer_is_not_taken_for_done() {
        let failed = BatchResultErrorEntry::builder()
            .id("2")
            .sender_fault(true)
            .code("InvalidParameterValue")
            .message("Value c+/= for parameter ReceiptHandle is invalid. Reason: the message is not hidden")
            .build()
            .unwrap();
        let answers = answers(&["a", "b", "c+/="], ["0", "17", "x"].into_iter(), &[failed]);
        assert_eq!(answers[0], Ok(()));
        assert!(matches!(&answers[1], Err(refused) if !refused.for_good));
        assert!(matches!(&answers[2], Err(refused) if refused.for_good));
        let words = &answers[2].as_ref().unwrap_err().message;
        assert!(
            words.contains("not hidden") && !words.contains("c+/="),
            "{words}"
        );
    }

    #[test]
    fn a_part_of_a_second_counts_as_one() {
        assert_eq!(seconds(Duration::from_millis(1)), 1);
        assert_eq!(seconds(Duration::from_secs(60)), 60);
        assert_eq!(seconds(Duration::ZERO), 0);
    }
}
