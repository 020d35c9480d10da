//! The outcome of a call, and the severity that it gives.

use std::borrow::Cow;

use super::attributes::Severity;
use crate::event::{Event, Key};
use crate::json::{Document, Node};

/// The outcome of a call: `qtrail.outcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing says that it failed.
    Success,
    /// A permission was missing.
    Denied,
    /// It failed for another reason.
    Error,
    /// A permission probe that did nothing and would have succeeded.
    DryRun,
}

/// Parts of the error codes of a denied permission, as [`folded`] shows them. EC2's codes begin
/// with `Client.`.
const DENIED: [&str; 6] = [
    "accessdenied",
    "authfailure",
    "authorizationerror",
    "forbidden",
    "notauthorized",
    "unauthorized",
];

/// Part of the error code of a dry run that would have succeeded.
const DRY_RUN: &str = "dryrunoperation";

/// Error codes and messages that mean success.
const SUCCESS: [&str; 4] = ["ok", "succeeded", "success", "successful"];

/// Texts that some exports write for `null`.
const NOTHING: [&str; 3] = ["", "none", "null"];

/// Results of a failed sign-in.
const FAILURE: [&str; 2] = ["failed", "failure"];

/// The fields that hold the result of a sign-in, under the event's name or another.
const RESULTS: [Key; 2] = [Key::ResponseElements, Key::ServiceEventDetails];

/// Levels of nesting in an object that an export wrote as text.
const TEXT_DEPTH: u32 = 64;

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 4] = [
        Outcome::Success,
        Outcome::Denied,
        Outcome::Error,
        Outcome::DryRun,
    ];

    pub(crate) fn of(event: &Event<'_>) -> Self {
        let code = code(event);
        if let Some(outcome) = code.as_deref().and_then(of_code) {
            return outcome;
        }
        let message = event
            .text_of(Key::ErrorMessage)
            .filter(|message| code.is_none() && is_present(message) && !is_success(message));
        // An error field of another type: something failed, but not what.
        let unread = |key| code.is_none() && event.is_unreadable(key);
        let unread = unread(Key::ErrorCode) || unread(Key::ErrorMessage);
        if message.is_some() || unread || sign_in_failed(event) {
            Outcome::Error
        } else if is_probe(event) {
            Outcome::DryRun
        } else {
            Outcome::Success
        }
    }

    /// The outcome's name in attributes and metrics.
    pub fn as_str(self) -> &'static str {
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

/// Whether `errorCode` holds the code of an error, and so belongs into `error.type`.
pub(crate) fn has_error_code(event: &Event<'_>) -> bool {
    let outcome = code(event).and_then(|code| of_code(&code));
    outcome.is_some_and(Outcome::is_error)
}

fn code<'e>(event: &'e Event<'_>) -> Option<Cow<'e, str>> {
    event
        .scalar_of(Key::ErrorCode)
        .filter(|code| is_present(code))
}

/// The outcome that an error code means; `None` for a code of success.
fn of_code(code: &str) -> Option<Outcome> {
    if is_success(code) {
        return None;
    }
    let letters = folded(code);
    let is_denied = || DENIED.iter().any(|part| letters.contains(part));
    Some(match status(code) {
        _ if letters.contains(DRY_RUN) => Outcome::DryRun,
        Some(401 | 403) => Outcome::Denied,
        _ if is_denied() => Outcome::Denied,
        _ => Outcome::Error,
    })
}

/// Whether a text means success.
fn is_success(text: &str) -> bool {
    matches!(status(text), Some(200..300)) || SUCCESS.contains(&&*folded(text))
}

/// Whether a text is more than a word for `null`.
fn is_present(text: &str) -> bool {
    !NOTHING.contains(&&*text.trim().to_ascii_lowercase())
}

/// The HTTP status that a code is, or begins with: `403`, `403 Forbidden`, `200.0`.
fn status(code: &str) -> Option<u16> {
    let number: f64 = code.split_whitespace().next()?.parse().ok()?;
    (number.fract() == 0.0 && (100.0..1000.0).contains(&number)).then_some(number as u16)
}

/// Only the letters and digits, in lower case: services write `AccessDenied`, `access_denied` and
/// `Access Denied`.
fn folded(text: &str) -> String {
    let letters = text.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Whether an event reports that its own action, or any step of a sign-in, failed.
fn sign_in_failed(event: &Event<'_>) -> bool {
    let source = event.text_of(Key::EventSource).unwrap_or_default();
    let is_sign_in = ["signin.", "sso."]
        .iter()
        .any(|name| source.starts_with(name))
        || event.text_of(Key::EventType).as_deref() == Some("AwsConsoleSignIn");
    let name = event.text_of(Key::EventName).unwrap_or_default();
    let reports_failure = |results: Node<'_>| {
        results.entries().any(|(key, result)| {
            (is_sign_in || key.eq_ignore_ascii_case(&name))
                && result
                    .as_str()
                    .is_some_and(|result| FAILURE.contains(&&*result.trim().to_ascii_lowercase()))
        })
    };
    let mut results = RESULTS.iter().filter_map(|key| event.get(*key));
    results.any(|results| match results.as_str() {
        // Some exports write an object as its JSON text.
        Some(text) if text.trim_start().starts_with('{') => {
            Document::parse(text.trim(), TEXT_DEPTH)
                .is_ok_and(|results| reports_failure(results.root()))
        }
        Some(_) => false,
        None => reports_failure(results),
    })
}

/// Whether the request is a dry run. Only calls by the service count: in any other call, a caller can set
/// the field although the service ignores it.
fn is_probe(event: &Event<'_>) -> bool {
    event.is_by_service() && event.flag_of(Key::DryRun) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(fields: &str) -> Outcome {
        let text = format!(r#"{{"eventTime":"2024-04-10T14:07:55Z"{fields}}}"#);
        let event = Event::parse(text.as_bytes(), 64).expect("an event");
        let outcome = Outcome::of(&event);
        assert_eq!(outcome.is_error(), outcome.severity() != Severity::Info);
        // A code of an error always makes one.
        assert!(!has_error_code(&event) || outcome.is_error(), "{fields}");
        outcome
    }

    #[test]
    fn error_codes_decide() {
        for (outcome_word, severity, codes) in [
            (
                "success",
                Severity::Info,
                &[
                    "null",
                    r#""""#,
                    r#"" ""#,
                    r#""None""#,
                    r#""null""#,
                    "[]",
                    "{}",
                    "false",
                    "200",
                    "204.0",
                    "2e2",
                    r#""200""#,
                    r#""204""#,
                    r#""299""#,
                    r#"" 200 ""#,
                    r#""200 OK""#,
                    r#""OK""#,
                    r#""ok""#,
                    r#""Success""#,
                    r#""Succeeded""#,
                ][..],
            ),
            (
                "denied",
                Severity::Warn,
                &[
                    r#""AccessDenied""#,
                    r#""AccessDeniedException""#,
                    r#""access_denied""#,
                    r#""Access Denied""#,
                    r#""Client.UnauthorizedOperation""#,
                    r#""UnauthorizedException""#,
                    r#""UnauthorizedAccess""#,
                    r#""Client.UnauthorizedAccess""#,
                    r#""unauthorized_client""#,
                    r#""NotAuthorized""#,
                    r#""NotAuthorizedException""#,
                    r#""AuthorizationError""#,
                    r#""AuthorizationErrorException""#,
                    r#""AuthFailure""#,
                    r#""Client.AuthFailure""#,
                    r#""AuthFailure.ServiceLinkedRoleCreationNotPermitted""#,
                    r#""403 Forbidden""#,
                    r#""403""#,
                    "403",
                    r#""401""#,
                    "401.0",
                ],
            ),
            (
                "error",
                Severity::Error,
                &[
                    r#""ThrottlingException""#,
                    r#""NoSuchKey""#,
                    r#""Client.InvalidInstanceID.NotFound""#,
                    r#""AuthParameterInvalid""#,
                    r#""Failure""#,
                    r#""NotOk""#,
                    "404",
                    r#""500""#,
                    r#""302""#,
                    "20",
                    "2000",
                    r#""1200""#,
                    r#""200x""#,
                    r#"{"code":"AccessDenied"}"#,
                    r#"["AccessDenied"]"#,
                    "true",
                    r#""-200""#,
                ],
            ),
            (
                "dry_run",
                Severity::Info,
                &[
                    r#""DryRunOperation""#,
                    r#""Client.DryRunOperation""#,
                    r#""DryRunOperationException""#,
                ],
            ),
        ] {
            for code in codes {
                let found = outcome(&format!(r#","errorCode":{code}"#));
                assert_eq!(
                    (found.as_str(), found.severity()),
                    (outcome_word, severity),
                    "{code}"
                );
            }
        }
    }

    #[test]
    fn a_message_without_a_code_is_an_error() {
        for message in [
            r#""Failed authentication""#,
            r#""No username found in supplied account""#,
            r#""User is not authorized to perform: q:SendMessage""#,
        ] {
            for code in [
                "",
                r#","errorCode":null"#,
                r#","errorCode":"""#,
                r#","errorCode":"None""#,
            ] {
                let fields = format!(r#","errorMessage":{message}{code}"#);
                assert_eq!(outcome(&fields), Outcome::Error, "{fields}");
            }
            let success = format!(r#","errorMessage":{message},"errorCode":"200""#);
            assert_eq!(outcome(&success), Outcome::Success);
        }
        for nothing in [
            "null",
            r#""""#,
            r#""  ""#,
            r#""None""#,
            r#""Success""#,
            r#""200 OK""#,
        ] {
            let fields = format!(r#","errorMessage":{nothing}"#);
            assert_eq!(outcome(&fields), Outcome::Success, "{fields}");
        }
    }

    #[test]
    fn a_sign_in_that_failed_is_an_error() {
        let event = |source: &str, name: &str, result: &str| {
            format!(r#","eventSource":"{source}.amazonaws.com","eventName":"{name}",{result}"#)
        };
        for name in [
            "ConsoleLogin",
            "CheckMfa",
            "SwitchRole",
            "RoleSwitch",
            "UserAuthentication",
            "CredentialVerification",
            "CredentialChallenge",
            "PasswordRecoveryRequested",
        ] {
            for place in ["responseElements", "serviceEventDetails"] {
                for (word, outcome_of_it) in [
                    ("Failure", Outcome::Error),
                    ("FAILURE", Outcome::Error),
                    ("failure", Outcome::Error),
                    ("Failed", Outcome::Error),
                    ("Success", Outcome::Success),
                    ("failure of none", Outcome::Success),
                ] {
                    let result = format!(r#""{place}":{{"{name}":"{word}"}}"#);
                    let fields = event("signin", name, &result);
                    assert_eq!(outcome(&fields), outcome_of_it, "{fields}");
                }
            }
        }
        // Under another name, in a sign-in; under the event's own, anywhere.
        let other = r#""responseElements":{"a":1,"CheckMfa":"Failure"}"#;
        let lower = r#""responseElements":{"consolelogin":"Failure"}"#;
        let coded = r#""errorCode":"200","responseElements":{"ConsoleLogin":"Failure"}"#;
        let text = r#""responseElements":" {\"ConsoleLogin\":\"Failure\"}""#;
        let details = r#""serviceEventDetails":"{\"CheckMfa\":\"Failure\",\"a\":{}}""#;
        let typed = r#""eventType":"AwsConsoleSignIn","responseElements":{"x":"Failure"}"#;
        for failed in [
            event("signin", "ConsoleLogin", other),
            event("sso", "Federate", other),
            event("idp", "ConsoleLogin", lower),
            event("signin", "ConsoleLogin", coded),
            event("idp", "X", typed),
            event("signin", "ConsoleLogin", text),
            event("idp", "ConsoleLogin", text),
            event("signin", "ConsoleLogin", details),
        ] {
            assert_eq!(outcome(&failed), Outcome::Error, "{failed}");
        }
        for none in [
            event("s3", "GetObject", other),
            event("s3", "GetObject", text),
            event(
                "signin",
                "ConsoleLogin",
                r#""responseElements":"{\"ConsoleLogin\":\"Success\"}""#,
            ),
            event(
                "signin",
                "ConsoleLogin",
                r#""responseElements":"{\"ConsoleLogin\":\"Failure\"""#,
            ),
            event(
                "signin",
                "ConsoleLogin",
                r#""responseElements":["Failure"]"#,
            ),
            event(
                "signin",
                "ConsoleLogin",
                r#""responseElements":{"a":{"ConsoleLogin":"Failure"}}"#,
            ),
        ] {
            assert_eq!(outcome(&none), Outcome::Success, "{none}");
        }
    }

    #[test]
    fn a_probe_is_a_dry_run_unless_it_failed() {
        for (fields, expected) in [
            (r#"{"dryRun":true}"#, Outcome::DryRun),
            (r#"{"dryRun":"True"}"#, Outcome::DryRun),
            (r#"{"dryRun":false}"#, Outcome::Success),
            (r#"{"dryRun":true},"errorCode":"200""#, Outcome::DryRun),
            (
                r#"{"dryRun":true},"errorCode":"Client.UnauthorizedOperation""#,
                Outcome::Denied,
            ),
            (r#"{"dryRun":true},"errorMessage":"no""#, Outcome::Error),
        ] {
            let fields =
                format!(r#","eventSource":"q.amazonaws.com","requestParameters":{fields}"#);
            assert_eq!(outcome(&fields), expected, "{fields}");
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
