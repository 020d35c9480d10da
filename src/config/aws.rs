//! How Amazon's services are reached, and what is read there.

use std::path::Path;
use std::time::Duration;

use super::builder::Builder;
use crate::aws::{AssumeRole, Settings};
use crate::input::backfill::ObjectLimits;
use crate::input::{event_history, s3};

/// Half of this must be enough for two requests.
const SHORTEST_VISIBILITY: Duration = Duration::from_secs(5);
/// How long SQS hides a message at most.
const LONGEST_VISIBILITY: Duration = Duration::from_secs(12 * 3600);
/// Digits of an account's id.
const ACCOUNT_DIGITS: usize = 12;
/// How far back the Event history goes.
const LONGEST_HISTORY: Duration = Duration::from_secs(90 * 24 * 3600);

/// How Amazon's services are reached.
pub(super) fn settings(b: &mut Builder<'_>) -> Settings {
    let external_id = b.text("aws.assume_role.external_id");
    let session_name = b.text("aws.assume_role.session_name").unwrap_or_default();
    let arn = b.parse("aws.assume_role.arn", |text| {
        match text.starts_with("arn:") && text.contains(":role/") {
            true => Ok(text.to_owned()),
            false => Err(format!(
                "{text:?} is no role: write it as arn:aws:iam::123456789012:role/NAME"
            )),
        }
    });
    if arn.is_none() && external_id.is_some() {
        b.problem(
            "aws.assume_role.external_id",
            "needs aws.assume_role.arn beside it",
        );
    }
    Settings {
        region: b.text("aws.region"),
        endpoint: b.text("aws.endpoint_url"),
        path_style: b.boolean("aws.path_style").unwrap_or_default(),
        assume_role: arn.map(|arn| AssumeRole {
            arn,
            external_id,
            session_name,
        }),
        requester_pays: b.boolean("s3.requester_pays").unwrap_or_default(),
        expected_bucket_owner: b.parse("s3.expected_bucket_owner", |text| {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            match digits && text.len() == ACCOUNT_DIGITS {
                true => Ok(text.to_owned()),
                false => Err(format!(
                    "{text:?} is no account: write its 12 digits, in quotes"
                )),
            }
        }),
    }
}

/// The queues that announce objects, if there are any.
pub(super) fn s3(b: &mut Builder<'_>) -> Option<s3::Settings> {
    let visibility = b.span("s3.visibility");
    let allowed = SHORTEST_VISIBILITY..=LONGEST_VISIBILITY;
    if visibility.subsec_nanos() > 0 || !allowed.contains(&visibility) {
        let message = "must be whole seconds, at least 5 seconds and at most 12 hours";
        b.problem("s3.visibility", message);
    }
    let buckets = b.list("s3.buckets").unwrap_or_default();
    for bucket in buckets.iter().filter(|bucket| !s3::is_pattern(bucket)) {
        let message = format!(
            "{bucket:?} is no bucket's name: write the name alone, or a pattern with * and ?"
        );
        b.problem("s3.buckets", &message);
    }
    let settings = s3::Settings {
        buckets: s3::Buckets::new(buckets),
        inline_events: b.boolean("s3.inline_events").unwrap_or_default(),
        queues: b.list("s3.queues").unwrap_or_default(),
        include: b.globs("s3.include"),
        exclude: b.globs("s3.exclude"),
        fetchers: b.number("s3.fetchers"),
        in_flight_bytes: b.size("s3.in_flight_bytes"),
        object_bytes: b.size("s3.object_bytes"),
        visibility,
        max_receives: b.number("s3.max_receives"),
        once: false,
    };
    for queue in &settings.queues {
        if !is_queue(queue) {
            // It may hold a password.
            let told = queue.rsplit('@').next().unwrap_or_default();
            let message = format!(
                "{told:?} is no queue's URL: write it as https://sqs.eu-central-1.amazonaws.com/123456789012/NAME"
            );
            b.problem("s3.queues", &message);
        }
    }
    (!settings.queues.is_empty()).then_some(settings)
}

/// Whether a text can be a queue's URL. It is logged, so it may hold no password.
fn is_queue(url: &str) -> bool {
    let Some(("http" | "https", rest)) = url.split_once("://") else {
        return false;
    };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"@?#".contains(c);
    let (host, name) = rest.split_once('/').unwrap_or_default();
    !host.is_empty() && !name.is_empty() && !name.ends_with('/') && rest.chars().all(plain)
}

/// What a backfill fetches from a bucket.
pub(super) fn objects(b: &mut Builder<'_>) -> ObjectLimits {
    ObjectLimits {
        object_bytes: b.size("s3.object_bytes"),
        in_flight_bytes: b.size("s3.in_flight_bytes"),
    }
}

/// The Event history, if it is to be read.
pub(super) fn event_history(b: &mut Builder<'_>, state: &Path) -> Option<event_history::Settings> {
    let settings = event_history::Settings {
        regions: b.list("event_history.regions").unwrap_or_default(),
        event_sources: b.list("event_history.event_sources").unwrap_or_default(),
        start: b.span("event_history.start"),
        interval: b.span("event_history.interval"),
        overlap: b.duration("event_history.overlap"),
        state: state.to_owned(),
        once: false,
    };
    if settings.start > LONGEST_HISTORY {
        b.problem(
            "event_history.start",
            "is more than the 90 days that the Event history keeps",
        );
    }
    if b.boolean("event_history.enabled") != Some(true) {
        return None;
    }
    if b.boolean("duplicates.drop") == Some(false) {
        b.problem(
            "event_history.enabled",
            "needs duplicates.drop: each question overlaps the last one",
        );
    }
    if b.span("duplicates.max_age") < settings.overlap.saturating_add(settings.interval) {
        b.problem(
            "event_history.overlap",
            "must not be longer, with event_history.interval, than duplicates.max_age: what is forgotten is delivered again",
        );
    }
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::is_queue;

    #[test]
    fn only_what_can_be_a_queues_url_is_taken_for_one() {
        for url in [
            "https://sqs.eu-central-1.amazonaws.com/123456789012/trail",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/trail.fifo",
            "http://127.0.0.1:9324/000000000000/trail",
            "http://localhost:4566/queue/us-east-1/000000000000/trail",
        ] {
            assert!(is_queue(url), "{url}");
        }
        for url in [
            "",
            "trail",
            "arn:aws:sqs:eu-central-1:123456789012:trail",
            "https://",
            "https:///trail",
            "https://sqs.eu-central-1.amazonaws.com",
            "https://sqs.eu-central-1.amazonaws.com/",
            "https://sqs.eu-central-1.amazonaws.com/123456789012/",
            "sqs.eu-central-1.amazonaws.com/123456789012/trail",
            "https://user:password@host/1/trail",
            "https://host/1/trail?Action=ReceiveMessage",
            "https://host/1/tr ail",
            "https://host/1/trail\n",
            "s3://bucket/key",
        ] {
            assert!(!is_queue(url), "{url:?}");
        }
    }
}
