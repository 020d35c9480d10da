//! Settings become the AWS client's options and the inputs from AWS.

use std::path::Path;
use std::time::Duration;

use super::builder::Builder;
use crate::aws::{AssumeRole, Settings};
use crate::input::backfill::ObjectLimits;
use crate::input::{event_history, s3};
use crate::names;

/// Half of it must suffice for two requests.
const MIN_VISIBILITY: Duration = Duration::from_secs(5);
/// SQS hides a message for at most this long.
const MAX_VISIBILITY: Duration = Duration::from_secs(12 * 3600);
/// Digits of an account id.
const ACCOUNT_DIGITS: usize = 12;
/// How long the Event history keeps events.
const MAX_HISTORY: Duration = Duration::from_secs(90 * 24 * 3600);

/// How AWS is reached.
pub(super) fn settings(b: &mut Builder<'_>) -> Settings {
    let external_id = b.text("aws.assume_role.external_id");
    let session_name = b.text("aws.assume_role.session_name").unwrap_or_default();
    let arn = b.parse("aws.assume_role.arn", |text| {
        match text.starts_with("arn:") && text.contains(":role/") {
            true => Ok(text.to_owned()),
            false => Err(format!(
                "{text:?} is not a role: write it like arn:aws:iam::123456789012:role/NAME"
            )),
        }
    });
    if arn.is_none() && external_id.is_some() {
        b.problem(
            "aws.assume_role.external_id",
            "needs aws.assume_role.arn as well",
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
                    "{text:?} is not an account id: write its 12 digits, in quotes"
                )),
            }
        }),
    }
}

/// The queues that announce objects, if there are any.
pub(super) fn s3(b: &mut Builder<'_>) -> Option<s3::Settings> {
    let visibility = b.positive_duration("s3.visibility");
    let allowed = MIN_VISIBILITY..=MAX_VISIBILITY;
    if visibility.subsec_nanos() > 0 || !allowed.contains(&visibility) {
        let message = "must be whole seconds, from 5 seconds to 12 hours";
        b.problem("s3.visibility", message);
    }
    let buckets = b.list("s3.buckets").unwrap_or_default();
    for bucket in buckets.iter().filter(|bucket| !s3::is_pattern(bucket)) {
        let message = format!(
            "{bucket:?} is not a bucket name: write only the name, or a pattern with * and ?"
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
            let shown = queue.rsplit('@').next().unwrap_or_default();
            let message = format!(
                "{shown:?} is not the URL of a queue: write it like https://sqs.eu-central-1.amazonaws.com/123456789012/NAME"
            );
            b.problem("s3.queues", &message);
        }
    }
    (!settings.queues.is_empty()).then_some(settings)
}

/// Whether a text can be the URL of a queue. It is logged, so it must not hold a password.
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

/// The Event history, if it is enabled.
pub(super) fn event_history(b: &mut Builder<'_>, state: &Path) -> Option<event_history::Settings> {
    let settings = event_history::Settings {
        regions: b.list("event_history.regions").unwrap_or_default(),
        event_sources: b.list("event_history.event_sources").unwrap_or_default(),
        start: b.positive_duration("event_history.start"),
        interval: b.positive_duration("event_history.interval"),
        overlap: b.duration("event_history.overlap"),
        state: state.to_owned(),
        once: false,
    };
    if settings.start > MAX_HISTORY {
        b.problem(
            "event_history.start",
            "is longer than the 90 days that the Event history keeps",
        );
    }
    if b.boolean("event_history.enabled") != Some(true) {
        return None;
    }
    if b.boolean("duplicates.drop") == Some(false) {
        b.problem(
            "event_history.enabled",
            "needs duplicates.drop: true, since each query overlaps the previous one",
        );
    }
    if b.positive_duration("duplicates.max_age")
        < settings.overlap.saturating_add(settings.interval)
    {
        b.problem(
            "event_history.overlap",
            "plus event_history.interval must not be longer than duplicates.max_age: events whose ids have expired are delivered again",
        );
    }
    Some(settings)
}

/// How names of people are learnt, if they are.
pub(super) fn names(b: &mut Builder<'_>, state: &Path) -> Option<names::Settings> {
    let settings = names::Settings {
        region: b.text("identity_store.region"),
        expire: b.positive_duration("identity_store.expire"),
        path: state.join("names.json"),
    };
    if b.boolean("identity_store.enabled") != Some(true) {
        return None;
    }
    if b.choice("redact.users") != "keep" {
        b.notes.push(
            "identity_store.enabled has no effect: redact.users hides the names of people"
                .to_owned(),
        );
        return None;
    }
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::is_queue;

    #[test]
    fn only_urls_of_queues_are_accepted() {
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
