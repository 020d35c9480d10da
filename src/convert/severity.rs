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
            None if event.flag_of(Key::DryRun) == Some(true) => Outcome::DryRun,
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
            let text = format!(r#"{{"eventTime":"2024-04-10T14:07:55Z"{fields}}}"#);
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
}
