//! Whether a trail delivers.

use super::finding::{Finding, Kind, Level};
use super::trail::{Asked, Status, Trail};
use super::{mend, policy};
use crate::integrity::rfc3339;

const HOUR: i64 = 3600;
/// How long a trail may deliver no log file: a quiet account has no events for a night.
const QUIET: i64 = 24 * HOUR;
/// How long it may deliver no digest: one comes every hour, events or not.
const NO_DIGEST: i64 = 3 * HOUR;

/// What the status of a trail says.
pub(super) fn findings(trail: &Trail) -> Vec<Finding> {
    let Some(status) = &trail.status else {
        return Vec::new();
    };
    let mut found = Vec::new();
    if trail.is_stopped() {
        found.push(stopped(trail, status));
    }
    let said = |error: &Option<String>| error.clone().filter(|error| !error.trim().is_empty());
    if let Some(error) = said(&status.latest_delivery_error) {
        found.push(delivery(
            trail,
            Kind::DeliveryError,
            "Log files are not delivered",
            &error,
        ));
    }
    if let Some(error) = said(&status.latest_digest_delivery_error) {
        let lost = "Digests are not delivered, so nobody can prove that the log files are complete and unchanged";
        found.push(delivery(trail, Kind::DigestDeliveryError, lost, &error));
    }
    if let Some(error) = said(&status.latest_notification_error) {
        let message = format!(
            "Notices of new log files are not sent ({error}): `qtrail run --sqs` with a queue behind this topic reads \
             nothing. CloudTrail must be allowed to publish to the topic, and to use its KMS key, if it has one"
        );
        let finding = Finding::new(Kind::NotificationError, Level::Finding, message);
        found.push(finding.mended_by(Vec::from_iter(policy::topic(trail))));
    }
    if let Some(error) = said(&status.latest_cloud_watch_logs_delivery_error) {
        let message = format!(
            "Events are not sent to CloudWatch Logs ({error}): a subscription of the log group brings none. The \
             trail's role must be allowed logs:CreateLogStream and logs:PutLogEvents on the log group"
        );
        found.push(Finding::new(Kind::LogsDeliveryError, Level::Hint, message));
    }
    let is_told = found
        .iter()
        .any(|finding| finding.kind < Kind::DigestDeliveryError);
    if !is_told && status.is_logging == Some(true) {
        found.extend(stale(trail, status));
    }
    for finding in &mut found {
        // Without its settings, nothing says which bucket and key to let it use.
        if finding.commands.is_empty() && trail.settings.is_none() {
            finding.commands.push(mend::ask(trail));
        }
    }
    found
        .into_iter()
        .map(|finding| finding.of(&trail.id))
        .collect()
}

fn stopped(trail: &Trail, status: &Status) -> Finding {
    let since = status.stop_logging_time.map(rfc3339);
    let since = since.map_or_else(String::new, |time| format!(" since {time}"));
    let message = format!(
        "The trail is stopped{since}: no event after that is delivered. The event StopLogging says who stopped it"
    );
    let finding = Finding::new(Kind::TrailStopped, Level::Finding, message);
    finding.mended_by(vec![mend::start(trail)])
}

/// An error of S3 or KMS, by its words.
fn delivery(trail: &Trail, kind: Kind, lost: &str, error: &str) -> Finding {
    let settings = trail.settings.as_ref();
    let key = settings.and_then(|settings| settings.kms_key_id.as_deref());
    let (cause, commands) = cause(trail, key, &error.to_ascii_lowercase());
    let message = format!("{lost} ({error}): {cause}");
    Finding::new(kind, Level::Finding, message).mended_by(commands)
}

/// The cause of an error in lower case, and what mends it.
fn cause(trail: &Trail, key: Option<&str>, error: &str) -> (&'static str, Vec<String>) {
    let is = |part: &str| error.contains(part);
    let kms = |verb: &str| key.map(|key| format!("aws kms {verb} {}", policy::in_key(key, trail)));
    match () {
        () if is("kms") && is("disabled") => (
            "the trail's KMS key is disabled",
            Vec::from_iter(kms("enable-key")),
        ),
        () if is("kms") && (is("notfound") || is("invalidstate") || is("pending")) => (
            "the trail's KMS key is going to be deleted, or is gone. If it is gone, give the trail another one: \
             `aws cloudtrail update-trail --kms-key-id`",
            [kms("cancel-key-deletion"), kms("enable-key")]
                .into_iter()
                .flatten()
                .collect(),
        ),
        () if is("kms") => (
            "the policy of the trail's KMS key does not let CloudTrail use it",
            Vec::from_iter(policy::key(trail)),
        ),
        () if is("nosuchbucket") || is("no such bucket") => (
            "the bucket does not exist. Whoever makes a bucket of that name gets the log files: make it in your \
             account, and let CloudTrail write to it (a new bucket has no policy to read: `put-bucket-policy` is enough)",
            made_bucket(trail),
        ),
        () if is("denied") || is("policy") || is("forbidden") => (
            match key {
                None => "the bucket's policy does not let CloudTrail write to it",
                Some(_) => {
                    "the bucket's policy does not let CloudTrail write to it, or that of the KMS key does not let it \
                     encrypt"
                }
            },
            [policy::bucket(trail), policy::key(trail)]
                .into_iter()
                .flatten()
                .collect(),
        ),
        () => (
            "S3 says so; https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html lists its errors",
            Vec::new(),
        ),
    }
}

/// Makes the trail's bucket, and lets CloudTrail write to it.
fn made_bucket(trail: &Trail) -> Vec<String> {
    let settings = trail.settings.as_ref();
    let bucket = settings.and_then(|settings| settings.s3_bucket_name.as_deref());
    let bucket = bucket.map(|bucket| mend::word(&format!("s3://{bucket}")));
    let region = mend::in_region(trail.home());
    let made = bucket.map(|bucket| format!("aws s3 mb {bucket}{region}"));
    made.into_iter().chain(policy::bucket(trail)).collect()
}

/// A trail that is on, without an error, and yet delivers nothing.
fn stale(trail: &Trail, status: &Status) -> Option<Finding> {
    let (now, level) = match status.asked {
        Asked::At(now) => (now, Level::Finding),
        // The file may have been copied since.
        Asked::By(now) => (now, Level::Hint),
        Asked::Unknown => return None,
    };
    let has_digests = trail
        .settings
        .as_ref()
        .and_then(|s| s.log_file_validation_enabled)
        == Some(true);
    let age = |time: Option<i64>| {
        time.or(status.start_logging_time)
            .map(|time| now.saturating_sub(time))
    };
    let message = match () {
        () if has_digests && age(status.latest_digest_delivery_time)? > NO_DIGEST => format!(
            "The trail is on, but no digest came for hours (last: {}): one comes every hour, even when nothing happens",
            shown(status.latest_digest_delivery_time)
        ),
        () if age(status.latest_delivery_time)? > QUIET => format!(
            "The trail is on, but no log file came for a day (last: {})",
            shown(status.latest_delivery_time)
        ),
        () => return None,
    };
    let level = match has_digests {
        true => level,
        false => Level::Hint,
    };
    let message = format!("{message}. Look whether the bucket still lets CloudTrail write");
    let finding = Finding::new(Kind::DeliveryStale, level, message);
    Some(finding.mended_by(Vec::from_iter(policy::bucket(trail))))
}

fn shown(time: Option<i64>) -> String {
    time.map_or_else(|| "never".to_owned(), rfc3339)
}
