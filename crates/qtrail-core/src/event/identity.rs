//! `userIdentity`: who called, with what credentials, and through which service.
//!
//! The three questions that CloudTrail's documentation says the element answers: were these the
//! credentials of the root or of an IAM user; were they temporary ones, of a role or a federated
//! user; was the call made by another AWS service.

use memchr::{memchr_iter, memrchr};

use super::{Event, Key};

/// Whether the record has an identity.
pub(crate) fn is_present(event: &Event<'_>) -> bool {
    event
        .get(Key::UserIdentity)
        .is_some_and(|node| node.entries().next().is_some())
}

/// The kind of identity: `qtrail.identity.class`. Absent where there is no `type`.
pub(crate) fn class(event: &Event<'_>) -> Option<&'static str> {
    let kind = event.text_of(Key::Type)?;
    Some(match &*kind {
        "Root" => "root",
        "IAMUser" => "iam_user",
        "AssumedRole" | "Role" => "assumed_role",
        "FederatedUser" => "federated_user",
        "IdentityCenterUser" => "identity_center_user",
        "WebIdentityUser" => "web_identity_user",
        "SAMLUser" => "saml_user",
        "Directory" => "directory_user",
        "AWSAccount" => "aws_account",
        "AWSService" => "aws_service",
        _ => "unknown",
    })
}

/// How long the credentials last: `qtrail.credential.kind`. Absent where it is unknown.
pub(crate) fn credential(event: &Event<'_>) -> Option<&'static str> {
    let kind = event.text_of(Key::Type);
    let key = event.text_of(Key::AccessKeyId).unwrap_or_default();
    match kind.as_deref() {
        Some("Root") => Some("root"),
        Some("AWSService") => Some("service"),
        // A service that acts for itself is written without a type.
        None if key.is_empty() && invoking_service(event).is_some() => Some("service"),
        Some("AssumedRole" | "Role" | "FederatedUser" | "IdentityCenterUser") => Some("temporary"),
        _ if key.starts_with("ASIA") => Some("temporary"),
        _ if key.starts_with("AKIA") => Some("long_term"),
        _ => None,
    }
}

/// The field with the invoking service. AWS writes it in either place.
pub(crate) fn invoking_service(event: &Event<'_>) -> Option<Key> {
    event.first_of(&[Key::InvokedBy, Key::SessionInvokedBy])
}

/// What an ARN names: its sixth part.
pub(crate) fn resource(arn: &str) -> Option<&str> {
    let colon = memchr_iter(b':', arn.as_bytes()).nth(4)?;
    arn.starts_with("arn:").then(|| &arn[colon + 1..])
}

/// The session's name in what the ARN of an assumed role names,
/// `arn:aws:sts::123456789012:assumed-role/<role>/<session>`.
pub(crate) fn role_session(resource: &str) -> Option<&str> {
    let (_, session) = resource.strip_prefix("assumed-role/")?.split_once('/')?;
    Some(session).filter(|session| !session.is_empty())
}

/// How a principal id of this type of identity names the session or user: by its last part, as in
/// `AROAEXAMPLE:session` and `accounts.google.com:application:user`. `None` for other types, whose
/// principal ids name nobody.
pub(crate) fn principal_session(kind: &str) -> Option<fn(&str) -> Option<&str>> {
    let is_named = matches!(
        kind,
        "AssumedRole" | "FederatedUser" | "SAMLUser" | "WebIdentityUser"
    );
    is_named.then_some(|principal: &str| {
        let (_, name) = principal.rsplit_once(':')?;
        Some(name).filter(|name| !name.is_empty())
    })
}

/// The last part of what an ARN names: the name of the user, role or session; `root` for the root user.
pub(crate) fn last_part(resource: &str) -> Option<&str> {
    let name = match memrchr(b'/', resource.as_bytes()) {
        Some(slash) => &resource[slash + 1..],
        None => resource,
    };
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(identity: &str) -> (Option<&'static str>, Option<&'static str>, bool) {
        let text = format!(r#"{{"eventTime":"2024-04-10T14:07:55Z","userIdentity":{identity}}}"#);
        let event = Event::parse(text.as_bytes(), 64).expect("an event");
        (
            class(&event),
            credential(&event),
            invoking_service(&event).is_some(),
        )
    }

    #[test]
    fn the_three_questions_are_answered() {
        for (identity, class, credential, by_service) in [
            (
                r#"{"type":"Root","accessKeyId":"ASIAEX"}"#,
                Some("root"),
                Some("root"),
                false,
            ),
            (
                r#"{"type":"IAMUser","accessKeyId":"AKIAEX"}"#,
                Some("iam_user"),
                Some("long_term"),
                false,
            ),
            (
                r#"{"type":"IAMUser","accessKeyId":"ASIAEX"}"#,
                Some("iam_user"),
                Some("temporary"),
                false,
            ),
            (
                r#"{"type":"IAMUser","accessKeyId":""}"#,
                Some("iam_user"),
                None,
                false,
            ),
            (
                r#"{"type":"AssumedRole","accessKeyId":"AKIAEX","invokedBy":"q.amazonaws.com"}"#,
                Some("assumed_role"),
                Some("temporary"),
                true,
            ),
            (
                r#"{"type":"Role"}"#,
                Some("assumed_role"),
                Some("temporary"),
                false,
            ),
            (
                r#"{"type":"FederatedUser"}"#,
                Some("federated_user"),
                Some("temporary"),
                false,
            ),
            (
                r#"{"type":"IdentityCenterUser"}"#,
                Some("identity_center_user"),
                Some("temporary"),
                false,
            ),
            (
                r#"{"type":"WebIdentityUser"}"#,
                Some("web_identity_user"),
                None,
                false,
            ),
            (r#"{"type":"SAMLUser"}"#, Some("saml_user"), None, false),
            (
                r#"{"type":"Directory"}"#,
                Some("directory_user"),
                None,
                false,
            ),
            (
                r#"{"type":"AWSAccount","accountId":"1"}"#,
                Some("aws_account"),
                None,
                false,
            ),
            (
                r#"{"type":"AWSService","invokedBy":"ec2.amazonaws.com"}"#,
                Some("aws_service"),
                Some("service"),
                true,
            ),
            (r#"{"type":"Unknown"}"#, Some("unknown"), None, false),
            (r#"{"type":"Robot"}"#, Some("unknown"), None, false),
            (
                r#"{"accountId":"1","invokedBy":"AWS Internal"}"#,
                None,
                Some("service"),
                true,
            ),
            (
                r#"{"sessionContext":{"invokedBy":"q.amazonaws.com"},"accessKeyId":"ASIAEX"}"#,
                None,
                Some("temporary"),
                true,
            ),
            ("{}", None, None, false),
            ("null", None, None, false),
            (r#""None""#, None, None, false),
            (
                r#"{"type":7,"accessKeyId":[],"invokedBy":{}}"#,
                None,
                None,
                false,
            ),
        ] {
            assert_eq!(
                answers(identity),
                (class, credential, by_service),
                "{identity}"
            );
        }
    }

    #[test]
    fn arns_give_their_names() {
        for (arn, session, last) in [
            (
                "arn:aws:sts::123456789012:assumed-role/PowerUser/mary@example.com",
                Some("mary@example.com"),
                Some("mary@example.com"),
            ),
            (
                "arn:aws-us-gov:sts::123456789012:assumed-role/R/a:b",
                Some("a:b"),
                Some("a:b"),
            ),
            (
                "arn:aws:iam::123456789012:user/division/Bob",
                None,
                Some("Bob"),
            ),
            ("arn:aws:iam::123456789012:root", None, Some("root")),
            ("arn:aws:sts::123456789012:assumed-role/R/", None, None),
            ("arn:aws:iam", None, None),
            ("Bob", None, None),
            ("", None, None),
        ] {
            let resource = resource(arn);
            assert_eq!(
                (
                    resource.and_then(role_session),
                    resource.and_then(last_part)
                ),
                (session, last),
                "{arn}"
            );
        }
    }
}
