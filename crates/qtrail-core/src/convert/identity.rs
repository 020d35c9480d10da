//! The attributes of `userIdentity`: the caller, the credentials, the person behind the call.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::attribute_writer::AttributeWriter;
use super::attributes::{Sink, Value};
use super::people::{People, Person};
use super::semconv as names;
use super::{Derived, Redaction, agents, known};
use crate::event::identity::{
    invoking_service, last_part, principal_session, resource, role_session,
};
use crate::event::{Event, Key, mask};

/// Writes every row of the identity.
pub(super) fn write<S: Sink>(writer: &mut AttributeWriter<'_, S>, derived: &Derived<'_>) {
    let event = writer.event;
    let arn = event.shown(Key::Arn);
    let named = arn.as_deref().and_then(resource);
    let session = named.and_then(|named| part_of(named, role_session));
    let name = named.and_then(|named| part_of(named, last_part));
    let person = person(event, session.or(name));
    writer.id(
        &names::USER_ID,
        &[Key::OnBehalfOfUserId, Key::UserId, Key::PrincipalId],
    );
    match (derived.shown_id(), &person) {
        (Some(id), _) => writer.str(&names::ENDUSER_ID, id),
        (None, Some((person, key))) => {
            mark_person_mapped(writer, *key);
            writer.str(&names::ENDUSER_ID, person);
        }
        (None, None) => {}
    }
    match derived.shown_name() {
        Some(name) => writer.str(&names::USER_NAME, name),
        None if event.shown(Key::UserName).is_some() => {
            writer.text(&names::USER_NAME, Key::UserName);
        }
        None => {
            if let Some(name) = name {
                writer.str(&names::USER_NAME, name);
            }
        }
    }
    if let Some(name) = derived.learnt {
        writer.str(&names::USER_FULL_NAME, name);
    }
    if event.text_of(Key::IssuerType).as_deref() == Some("Role")
        && let Some(role) = event.shown(Key::IssuerUserName)
    {
        writer.value(&names::USER_ROLES, Value::Strs(vec![role]));
    }
    fields(writer);
    if let Some(session) = session {
        writer.str(&names::ROLE_SESSION_NAME, session);
    }
    if let Some(class) = derived.identity {
        writer.str(&names::IDENTITY_CLASS, class);
    }
    if let Some(credential) = derived.credential {
        writer.str(&names::CREDENTIAL_KIND, credential);
    }
    if let Some(invoked) = derived.invoked_by_service {
        writer.value(&names::INVOKED_BY_SERVICE, Value::Bool(invoked));
    }
}

/// Writes the fields that are copied unchanged.
fn fields<S: Sink>(writer: &mut AttributeWriter<'_, S>) {
    writer.text(&names::PRINCIPAL_ID, Key::PrincipalId);
    writer.text(&names::PRINCIPAL_ARN, Key::Arn);
    writer.text(&names::PRINCIPAL_TYPE, Key::Type);
    writer.text(&names::IDENTITY_ACCOUNT_ID, Key::AccountId);
    writer.text(&names::ACCESS_KEY_ID, Key::AccessKeyId);
    writer.text(&names::CREDENTIAL_ID, Key::CredentialId);
    writer.first(
        &names::IDENTITY_STORE_ARN,
        &[Key::OnBehalfOfIdentityStoreArn, Key::IdentityStoreArn],
    );
    writer.text(&names::IDENTITY_PROVIDER, Key::IdentityProvider);
    if let Some(key) = invoking_service(writer.event) {
        writer.text(&names::INVOKED_BY, key);
    }
    writer.text(&names::DELEGATE_ACCOUNT_ID, Key::DelegateAccountId);
    writer.flag(&names::MFA_AUTHENTICATED, Key::MfaAuthenticated);
    writer.text(&names::CREATION_DATE, Key::CreationDate);
    if let Some(arn) = agents::sign_in_session(writer.event) {
        writer.mark_mapped(Key::SignInSessionArn);
        writer.value(&names::SIGN_IN_SESSION_ARN, Value::Str(arn));
    }
    writer.text(&names::ISSUER_TYPE, Key::IssuerType);
    writer.text(&names::ISSUER_PRINCIPAL_ID, Key::IssuerPrincipalId);
    writer.text(&names::ISSUER_ARN, Key::IssuerArn);
    writer.text(&names::ISSUER_ACCOUNT_ID, Key::IssuerAccountId);
    writer.text(&names::ISSUER_USER_NAME, Key::IssuerUserName);
    writer.text(&names::SOURCE_IDENTITY, Key::SourceIdentity);
    writer.text(&names::FEDERATED_PROVIDER, Key::FederatedProvider);
}

/// Fields that name the person, the best one first.
const NAMED: [Key; 3] = [Key::OnBehalfOfUserId, Key::SourceIdentity, Key::UserName];
/// The same for a user of IAM Identity Center, whom other events name by id.
const NAMED_IN_CENTER: [Key; 4] = [
    Key::OnBehalfOfUserId,
    Key::UserId,
    Key::SourceIdentity,
    Key::UserName,
];
/// Fields that name the person if neither the ones above nor the ARN nor the principal id does.
const NAMED_LAST: [Key; 2] = [Key::UserId, Key::SignInUserName];

/// The person of the user's table whose event it is. `event`: before redaction.
pub(crate) fn known_person<'p>(event: &Event<'_>, people: &'p People) -> Option<&'p Person> {
    if people.is_empty() {
        return None;
    }
    with_arn(event, |by_arn| {
        let person = person(event, by_arn).map(|(person, _)| person);
        known::find(event, person.as_deref(), by_arn, people)
    })
}

/// The person behind the call: `enduser.id`. `event`: after redaction; `known`: by the user's table.
pub(crate) fn enduser(
    event: &Event<'_>,
    known: Option<&Person>,
    rules: &Redaction,
) -> Option<String> {
    match known.and_then(|known| known::shown(event, known, rules).id) {
        Some(id) => Some(id.into_owned()),
        None => with_enduser(event, str::to_owned),
    }
}

/// A hash of the person behind the call, to count people with. `event`: before redaction.
pub(super) fn enduser_hash(event: &Event<'_>, known: Option<&Person>) -> Option<u64> {
    let hash = |person: &str| {
        let mut hasher = DefaultHasher::new();
        person.hash(&mut hasher);
        hasher.finish()
    };
    match known {
        Some(known) => Some(hash(&known.id)),
        None => with_enduser(event, hash),
    }
}

fn with_enduser<T>(event: &Event<'_>, make: impl FnOnce(&str) -> T) -> Option<T> {
    with_arn(event, |by_arn| Some(make(&person(event, by_arn)?.0)))
}

/// Calls with the name in the ARN.
fn with_arn<T>(event: &Event<'_>, make: impl FnOnce(Option<&str>) -> T) -> T {
    let arn = event.shown(Key::Arn);
    let named = arn.as_deref().and_then(resource);
    let part = |part| named.and_then(|named| part_of(named, part));
    make(part(role_session).or_else(|| part(last_part)))
}

/// The person behind the call, and the field that names them. A masked value names nobody. `by_arn`: the
/// name in the ARN.
fn person<'e>(event: &'e Event<'_>, by_arn: Option<&'e str>) -> Option<(Cow<'e, str>, Key)> {
    let kind = event.text_of(Key::Type).unwrap_or_default();
    let first_of = |keys: &[Key]| {
        let key = event.first_shown(keys)?;
        Some((event.text_of(key)?, key))
    };
    let named = match &*kind {
        "IdentityCenterUser" => first_of(&NAMED_IN_CENTER),
        _ => first_of(&NAMED),
    };
    let by_principal = || {
        let principal = event.shown(Key::PrincipalId)?;
        let name = part_of(&principal, principal_session(&kind)?)?;
        Some((Cow::Owned(name.to_owned()), Key::PrincipalId))
    };
    named
        .or_else(|| Some((Cow::Borrowed(by_arn?), Key::Arn)))
        .or_else(by_principal)
        .or_else(|| first_of(&NAMED_LAST))
}

/// A part of a text; `None` if the part is masked.
fn part_of(text: &str, part: fn(&str) -> Option<&str>) -> Option<&str> {
    part(text).filter(|part| !mask::is_mask(part))
}

/// Marks the field that names the person as mapped; not an ARN or a principal id, since the name is
/// only a part of it.
fn mark_person_mapped<S: Sink>(writer: &mut AttributeWriter<'_, S>, key: Key) {
    if !matches!(key, Key::Arn | Key::PrincipalId) {
        writer.mark_mapped(key);
    }
}
