//! One page of LookupEvents.
//!
//! Enters: a [`Question`]. Leaves: a [`Page`] in the form of the command line's own output, or an error.
//! What must hold: one call is one request, because the caller keeps the rate; an event without a text of its
//! own keeps the fields that the page has.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_cloudtrail::Client;
use aws_sdk_cloudtrail::config::http::HttpResponse;
use aws_sdk_cloudtrail::config::retry::RetryConfig;
use aws_sdk_cloudtrail::config::timeout::TimeoutConfig;
use aws_sdk_cloudtrail::error::{DisplayErrorContext, SdkError};
use aws_sdk_cloudtrail::operation::lookup_events::LookupEventsError;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_cloudtrail::types::{Event, LookupAttribute, LookupAttributeKey};
use serde_json::{Value, json};

use super::slices::Slice;
use crate::aws;
use crate::aws::error::Remedy;

/// The most events of a page: the limit of AWS.
pub(super) const PAGE: i32 = 50;
/// The timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The parameters of a request. A page's token is valid only with the same parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    /// The event source; `None`: all.
    pub(super) source: Option<Arc<str>>,
    pub(super) slice: Slice,
}

/// A part of the answer, newest first.
#[derive(Debug)]
pub(super) struct Page {
    /// Events, each with its id.
    pub(super) events: Vec<(String, Value)>,
    /// The token of the next page.
    pub(super) next: Option<String>,
}

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Error {
    /// The token has expired: start again from the first page.
    Token,
    /// Any other error.
    Aws(aws::Error),
}

/// The source of pages for one region.
pub(super) trait Lookup: Send + Sync {
    /// Requests one page.
    fn page(
        &self,
        question: &Question,
        token: Option<&str>,
    ) -> impl Future<Output = Result<Page, Error>> + Send;

    /// The second since 1970 that it is.
    fn now(&self) -> i64;
}

impl Lookup for Client {
    async fn page(&self, question: &Question, token: Option<&str>) -> Result<Page, Error> {
        let attribute = question.source.as_deref().map(|source| {
            LookupAttribute::builder()
                .attribute_key(LookupAttributeKey::EventSource)
                .attribute_value(source)
                .build()
        });
        let once = aws_sdk_cloudtrail::Config::builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build());
        let request = self
            .lookup_events()
            .set_lookup_attributes(attribute.transpose().map_err(unasked)?.map(|a| vec![a]))
            .start_time(DateTime::from_secs(question.slice.from))
            .end_time(DateTime::from_secs(question.slice.to))
            .max_results(PAGE)
            .set_next_token(token.map(str::to_owned));
        let answer = request.customize().config_override(once).send().await;
        let answer = answer.map_err(trouble)?;
        Ok(Page {
            events: answer.events().iter().map(record).collect(),
            next: answer.next_token,
        })
    }

    fn now(&self) -> i64 {
        jiff::Timestamp::now().as_second()
    }
}

fn unasked(error: impl std::error::Error) -> Error {
    Error::Aws(aws::Error {
        remedy: Remedy::Setup,
        message: DisplayErrorContext(error).to_string(),
    })
}

/// An event as `aws cloudtrail lookup-events` writes it, so that the same rules apply to a broken one.
fn record(event: &Event) -> (String, Value) {
    let record = match &event.cloud_trail_event {
        Some(text) => json!({
            "EventId": event.event_id,
            "CloudTrailEvent": text,
        }),
        None => json!({
            "EventId": event.event_id,
            "EventName": event.event_name,
            "EventSource": event.event_source,
            "EventTime": event.event_time.map(|time| time.secs()),
            "Username": event.username,
        }),
    };
    (event.event_id.clone().unwrap_or_default(), record)
}

fn trouble(error: SdkError<LookupEventsError, HttpResponse>) -> Error {
    match error.as_service_error() {
        Some(LookupEventsError::InvalidNextTokenException(_)) => Error::Token,
        _ => Error::Aws(aws::Error::of(&error)),
    }
}
