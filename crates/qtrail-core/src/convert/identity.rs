//! `userIdentity` in attributes: who called, with what, for whom.

use std::borrow::Cow;
use std::collections::HashMap;

use super::Verdict;
use super::attribute_writer::AttributeWriter;
use super::attributes::{Sink, Value};
use super::semconv as names;
use crate::event::identity::{invoking_service, last_part, principal_session, role_session};
use crate::event::{Event, Key, mask};

/// Says every row of the identity.
pub(super) fn say<S: Sink>(
    say: &mut AttributeWriter<'_, S>,
    verdict: &Verdict,
    people: &HashMap<String, String>,
) {
    let event = say.event;
    let person = person(event);
    say.id(
        &names::USER_ID,
        &[Key::OnBehalfOfUserId, Key::UserId, Key::PrincipalId],
    );
    if let Some((person, key)) = &person {
        count_whole(say, *key);
        say.str(&names::ENDUSER_ID, person);
    }
    let known = person.and_then(|(person, _)| people.get(&*person));
    match known {
        Some(name) => say.str(&names::USER_NAME, name),
        None if event.shown(Key::UserName).is_some() => {
            say.text(&names::USER_NAME, Key::UserName);
        }
        None => {
            if let Some(name) = of_arn(event, last_part) {
                say.value(&names::USER_NAME, Value::Str(name));
            }
        }
    }
    if event.text_of(Key::IssuerType).as_deref() == Some("Role")
        && let Some(role) = event.shown(Key::IssuerUserName)
    {
        say.value(&names::USER_ROLES, Value::Strs(vec![role]));
    }
    fields(say);
    if let Some(session) = of_arn(event, role_session) {
        say.value(&names::ROLE_SESSION_NAME, Value::Str(session));
    }
    if let Some(class) = verdict.identity {
        say.str(&names::IDENTITY_CLASS, class);
    }
    if let Some(credential) = verdict.credential {
        say.str(&names::CREDENTIAL_KIND, credential);
    }
    if let Some(invoked) = verdict.invoked_by_service {
        say.value(&names::INVOKED_BY_SERVICE, Value::Bool(invoked));
    }
}

/// The fields as they stand.
fn fields<S: Sink>(say: &mut AttributeWriter<'_, S>) {
    say.text(&names::PRINCIPAL_ID, Key::PrincipalId);
    say.text(&names::PRINCIPAL_ARN, Key::Arn);
    say.text(&names::PRINCIPAL_TYPE, Key::Type);
    say.text(&names::IDENTITY_ACCOUNT_ID, Key::AccountId);
    say.text(&names::ACCESS_KEY_ID, Key::AccessKeyId);
    say.text(&names::CREDENTIAL_ID, Key::CredentialId);
    say.first(
        &names::IDENTITY_STORE_ARN,
        &[Key::OnBehalfOfIdentityStoreArn, Key::IdentityStoreArn],
    );
    say.text(&names::IDENTITY_PROVIDER, Key::IdentityProvider);
    if let Some(key) = invoking_service(say.event) {
        say.text(&names::INVOKED_BY, key);
    }
    say.flag(&names::MFA_AUTHENTICATED, Key::MfaAuthenticated);
    say.text(&names::CREATION_DATE, Key::CreationDate);
    say.text(&names::ISSUER_TYPE, Key::IssuerType);
    say.text(&names::ISSUER_PRINCIPAL_ID, Key::IssuerPrincipalId);
    say.text(&names::ISSUER_ARN, Key::IssuerArn);
    say.text(&names::ISSUER_ACCOUNT_ID, Key::IssuerAccountId);
    say.text(&names::ISSUER_USER_NAME, Key::IssuerUserName);
    say.text(&names::SOURCE_IDENTITY, Key::SourceIdentity);
    say.text(&names::FEDERATED_PROVIDER, Key::FederatedProvider);
}

/// Where the person is named, the best place first.
const NAMED: [Key; 3] = [Key::OnBehalfOfUserId, Key::SourceIdentity, Key::UserName];
/// The same for a user of IAM Identity Center: other events name them by their id.
const NAMED_IN_CENTER: [Key; 4] = [
    Key::OnBehalfOfUserId,
    Key::UserId,
    Key::SourceIdentity,
    Key::UserName,
];
/// Where they are named if neither these nor the ARN nor the principal id does it.
const NAMED_LAST: [Key; 2] = [Key::UserId, Key::SignInUserName];

/// The person behind the call, and the field that names them. What AWS masked names nobody.
fn person<'e>(event: &'e Event<'_>) -> Option<(Cow<'e, str>, Key)> {
    let kind = event.text_of(Key::Type).unwrap_or_default();
    let first_of = |keys: &[Key]| {
        let key = event.first_shown(keys)?;
        Some((event.text_of(key)?, key))
    };
    let named = match &*kind {
        "IdentityCenterUser" => first_of(&NAMED_IN_CENTER),
        _ => first_of(&NAMED),
    };
    let by_arn = || {
        let name = of_arn(event, role_session).or_else(|| of_arn(event, last_part))?;
        Some((name, Key::Arn))
    };
    let by_principal = || {
        let part = principal_session(&kind)?;
        Some((part_of(event, Key::PrincipalId, part)?, Key::PrincipalId))
    };
    named
        .or_else(by_arn)
        .or_else(by_principal)
        .or_else(|| first_of(&NAMED_LAST))
}

/// A part of the ARN; none where it is hidden.
fn of_arn<'e>(event: &'e Event<'_>, part: fn(&str) -> Option<&str>) -> Option<Cow<'e, str>> {
    part_of(event, Key::Arn, part)
}

/// A part of a field; nothing of it where it is hidden.
fn part_of<'e>(
    event: &'e Event<'_>,
    key: Key,
    part: fn(&str) -> Option<&str>,
) -> Option<Cow<'e, str>> {
    let name = match event.shown(key)? {
        Cow::Borrowed(text) => part(text).map(Cow::Borrowed),
        Cow::Owned(text) => part(&text).map(|part| Cow::Owned(part.to_owned())),
    };
    name.filter(|name| !mask::is_mask(name))
}

/// An ARN or a principal id is not said by a part of it.
fn count_whole<S: Sink>(say: &mut AttributeWriter<'_, S>, key: Key) {
    if !matches!(key, Key::Arn | Key::PrincipalId) {
        say.count(key);
    }
}
