//! How a call ended.

use super::attributes::Severity;
use crate::event::{Event, Key};

/// How a call ended: `qtrail.outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    Denied,
    Error,
    /// A probe: nothing was done, and it would have succeeded.
    DryRun,
}

/// Parts of the error codes of a denied permission. EC2's codes begin with `Client.`.
const DENIED: &[&str] = &[
    "AccessDenied",
    "UnauthorizedOperation",
    "NotAuthorized",
    "Forbidden",
];

/// The error code of a dry run that would have succeeded.
const DRY_RUN: &str = "DryRunOperation";

impl Outcome {
    pub(crate) fn of(event: &Event<'_>) -> Self {
        match event.text_of(Key::ErrorCode) {
            Some(code) if code.ends_with(DRY_RUN) => Outcome::DryRun,
            Some(code) if DENIED.iter().any(|part| code.contains(part)) => Outcome::Denied,
            Some(_) => Outcome::Error,
            None if is_probe(event) => Outcome::DryRun,
            None => Outcome::Success,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Outcome::Success => "success",
            Outcome::Denied => "denied",
            Outcome::Error => "error",
            Outcome::DryRun => "dry_run",
        }
    }

    pub(crate) fn severity(self) -> Severity {
        match self {
            Outcome::Success | Outcome::DryRun => Severity::Info,
            Outcome::Denied => Severity::Warn,
            Outcome::Error => Severity::Error,
        }
    }

    /// Whether the span's status is an error.
    pub(crate) fn is_error(self) -> bool {
        matches!(self, Outcome::Denied | Outcome::Error)
    }
}

/// Whether the request says that nothing is to be done. In a call of another service, a caller could
/// say so of what is done all the same.
fn is_probe(event: &Event<'_>) -> bool {
    event.class().is_by_service() && event.flag_of(Key::DryRun) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_decide() {
        use Severity::*;
        for (fields, outcome, severity) in [
            ("", "success", Info),
            (r#","errorCode":null"#, "success", Info),
            (r#","errorCode":"""#, "success", Info),
            (r#","errorCode":"AccessDenied""#, "denied", Warn),
            (r#","errorCode":"AccessDeniedException""#, "denied", Warn),
            (
                r#","errorCode":"Client.UnauthorizedOperation""#,
                "denied",
                Warn,
            ),
            (r#","errorCode":"NotAuthorizedException""#, "denied", Warn),
            (r#","errorCode":"403 Forbidden""#, "denied", Warn),
            (r#","errorCode":"ThrottlingException""#, "error", Error),
            (r#","errorCode":"Client.DryRunOperation""#, "dry_run", Info),
            (r#","errorCode":"DryRunOperation""#, "dry_run", Info),
            (r#","requestParameters":{"dryRun":true}"#, "dry_run", Info),
            (r#","requestParameters":{"dryRun":"True"}"#, "dry_run", Info),
            (r#","requestParameters":{"dryRun":false}"#, "success", Info),
            (
                r#","requestParameters":{"dryRun":true},"errorCode":"Client.UnauthorizedOperation""#,
                "denied",
                Warn,
            ),
        ] {
            let text = format!(
                r#"{{"eventTime":"2024-04-10T14:07:55Z","eventSource":"q.amazonaws.com"{fields}}}"#
            );
            let event = Event::parse(text.as_bytes(), 64).expect("an event");
            let found = Outcome::of(&event);
            assert_eq!(
                (found.as_str(), found.severity()),
                (outcome, severity),
                "{fields}"
            );
            assert_eq!(found.is_error(), severity != Info);
        }
    }

    #[test]
    fn a_caller_of_another_service_cannot_say_that_nothing_was_done() {
        for (fields, outcome) in [
            (r#""userAgent":"x""#, "success"),
            (r#""userAgent":"AmazonQ-For-CLI""#, "success"),
            (r#""errorCode":"Client.DryRunOperation""#, "dry_run"),
            (
                r#""userIdentity":{"invokedBy":"q.amazonaws.com"}"#,
                "dry_run",
            ),
        ] {
            let text = format!(
                r#"{{"eventTime":"2024-04-10T14:07:55Z","eventSource":"s3.amazonaws.com","requestParameters":{{"dryRun":"true"}},{fields}}}"#
            );
            let event = Event::parse(text.as_bytes(), 64).expect("an event");
            assert_eq!(Outcome::of(&event).as_str(), outcome, "{fields}");
        }
    }
}
