//! The person of the user's table whose event it is.
//!
//! Enters: an event before redaction, to find the person; the same after it, to show them. Leaves: a [`Person`], and
//! what of it is shown. What must hold: nothing is shown that the user's redaction hides.

use std::borrow::Cow;

use super::people::{People, Person};
use super::{Hide, Redaction};
use crate::event::{Event, Key};

/// Fields with the id of a person, of their credentials or of their session, in the order in which they are looked up.
/// `enduser.id` as it is without the table comes first.
const IDS: [Key; 9] = [
    Key::OnBehalfOfUserId,
    Key::UserId,
    Key::SourceIdentity,
    Key::UserName,
    Key::SignInUserName,
    Key::AccessKeyId,
    Key::CredentialId,
    Key::PrincipalId,
    Key::Arn,
];

/// The person whose event it is. `person`: who it is without the table; `by_arn`: the name in the ARN.
pub(super) fn find<'p>(
    event: &Event<'_>,
    person: Option<&str>,
    by_arn: Option<&str>,
    people: &'p People,
) -> Option<&'p Person> {
    let names = person.into_iter().chain(by_arn);
    let by_name = names.filter_map(|name| people.find(name)).next();
    by_name.or_else(|| {
        let by_id = |key: &Key| people.find(&event.shown(*key)?);
        IDS.iter().find_map(by_id)
    })
}

/// What of a person is shown.
pub(super) struct Shown<'p> {
    pub(super) id: Option<Cow<'p, str>>,
    pub(super) name: Option<&'p str>,
}

/// What of a person is shown. `event`: after redaction.
pub(super) fn shown<'p>(event: &Event<'_>, person: &'p Person, rules: &Redaction) -> Shown<'p> {
    let is_masked = |text: &str| is_masked(event, text, rules);
    let name = person.name.as_deref().filter(|_| !rules.users.hides());
    Shown {
        id: shown_id(person, rules).filter(|id| !is_masked(id)),
        name: name.filter(|name| !is_masked(name)),
    }
}

fn shown_id<'p>(person: &'p Person, rules: &Redaction) -> Option<Cow<'p, str>> {
    let id = &*person.id;
    match (&rules.users, &rules.access_key_id) {
        (Hide::Drop, _) => None,
        (Hide::Hash(pseudonyms), _) => Some(Cow::Owned(pseudonyms.of_person(id))),
        (Hide::Keep, Hide::Drop) if is_access_key(id) => None,
        (Hide::Keep, Hide::Hash(pseudonyms)) if is_access_key(id) => {
            Some(Cow::Owned(pseudonyms.of(id)))
        }
        (Hide::Keep, _) => Some(Cow::Borrowed(id)),
    }
}

/// Whether the user's rules mask a field with this text.
fn is_masked(event: &Event<'_>, text: &str, rules: &Redaction) -> bool {
    rules.names_fields()
        && IDS.iter().filter_map(|key| event.get(*key)).any(|node| {
            let original = || serde_json::from_str::<Cow<'_, str>>(node.raw());
            node.is_redacted() && original().is_ok_and(|original| original == text)
        })
}

/// Whether an id is that of an access key.
fn is_access_key(id: &str) -> bool {
    const BYTES: usize = 16;
    let is_in_form = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    (id.starts_with("AKIA") || id.starts_with("ASIA"))
        && id.len() >= BYTES
        && id.bytes().all(is_in_form)
}

#[cfg(test)]
mod tests;
