//! Names that were learnt beside the events: of users of IAM Identity Center, whom a record names by id alone.
//!
//! What must hold: a name is on log records alone, so that a span depends on its event and the configuration.

use std::collections::HashMap;
use std::sync::Arc;

use super::Redaction;
use crate::event::{Event, Key};

/// Characters of an identity store's id and of a user's at most.
const ID_BYTES: usize = 64;

/// Names by user. A user is written `store/user`, as in `d-1234567890/94d00cd8-e9e6-4810-b177-b08e84775435`. Cheap
/// to clone.
#[derive(Debug, Clone, Default)]
pub struct Names(Arc<HashMap<String, String>>);

impl FromIterator<(String, String)> for Names {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(names: I) -> Self {
        Names(Arc::new(names.into_iter().collect()))
    }
}

impl Names {
    /// The name of a user.
    pub fn find(&self, user: &str) -> Option<&str> {
        self.0.get(user).map(String::as_str)
    }
}

/// The user of an identity store whose event it is, as [`Names`] writes them. `event`: after redaction.
pub(super) fn user(event: &Event<'_>, rules: &Redaction) -> Option<String> {
    if rules.users.hides() {
        return None;
    }
    let key = event.first_shown(&[Key::OnBehalfOfUserId]).or_else(|| {
        let is_of_center = event.text_of(Key::Type)? == "IdentityCenterUser";
        is_of_center.then_some(Key::UserId)
    })?;
    let user = event.shown(key)?;
    let store = event.first_shown(&[Key::OnBehalfOfIdentityStoreArn, Key::IdentityStoreArn])?;
    let arn = event.shown(store)?;
    let (_, store) = arn.rsplit_once(":identitystore/")?;
    (is_id(store) && is_id(&user)).then(|| [store, "/", &user].concat())
}

/// Whether a text can be an id, which is sent to AWS.
fn is_id(text: &str) -> bool {
    let is_in_form = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.len() <= ID_BYTES && text.bytes().all(is_in_form)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::tests::{heard_with, record};
    use super::*;
    use crate::convert::{Hide, On, Options, Pseudonyms};

    const USER: &str = "94d00cd8-e9e6-4810-b177-b08e84775435";
    const STORE: &str = "arn:aws:identitystore::111122223333:identitystore/d-1234567890";

    fn options() -> Options {
        let names = [(format!("d-1234567890/{USER}"), "Mary Major".to_owned())];
        Options {
            names: Some(names.into_iter().collect()),
            ..Options::default()
        }
    }

    fn name(identity: &Json, options: &Options) -> Json {
        heard_with(&record(json!({"userIdentity": identity})), options).get("user.full_name")
    }

    fn marys() -> [Json; 2] {
        [
            json!({"onBehalfOf": {"userId": USER, "identityStoreArn": STORE}}),
            json!({"type": "IdentityCenterUser", "userId": USER, "identityStoreArn": STORE}),
        ]
    }

    #[test]
    fn a_name_is_on_the_log_record_and_nothing_else_changes() {
        for identity in marys() {
            assert_eq!(name(&identity, &options()), "Mary Major", "{identity}");
            assert_eq!(name(&identity, &Options::default()), Json::Null);
            let record = record(json!({"userIdentity": identity}));
            let mut with = heard_with(&record, &options());
            let is_of_logs = |field: &super::super::Field| field.on == On::Log;
            with.attributes.retain(|(field, _)| {
                let is_name = field.name == "user.full_name";
                assert!(!is_name || is_of_logs(field));
                !is_name
            });
            assert_eq!(with, heard_with(&record, &Options::default()));
        }
    }

    #[test]
    fn others_and_odd_ids_are_not_looked_up() {
        for identity in [
            json!({"type": "IAMUser", "userId": USER, "identityStoreArn": STORE}),
            json!({"type": "IdentityCenterUser", "userId": USER}),
            json!({"onBehalfOf": {"userId": "a/b", "identityStoreArn": STORE}}),
            json!({"onBehalfOf": {"userId": USER, "identityStoreArn": "d-1234567890"}}),
            json!({"onBehalfOf": {"userId": "***", "identityStoreArn": STORE}}),
            json!({"onBehalfOf": {"userId": "x".repeat(65), "identityStoreArn": STORE}}),
        ] {
            let text = record(json!({"userIdentity": identity}));
            let event = Event::parse(text.as_bytes(), 64).unwrap();
            assert_eq!(user(&event, &Redaction::default()), None, "{identity}");
        }
    }

    #[test]
    fn where_people_are_hidden_no_name_is_shown() {
        for identity in marys() {
            let mut options = options();
            options.redaction.users = Hide::Drop;
            assert_eq!(name(&identity, &options), Json::Null);
            // Nor is a pseudonym looked up.
            let pseudonyms = Pseudonyms::new(&[7; 16]).unwrap();
            let user = format!("d-1234567890/{}", pseudonyms.of(USER));
            options.names = Some([(user, "a name".to_owned())].into_iter().collect());
            options.redaction.users = Hide::Hash(pseudonyms);
            assert_eq!(name(&identity, &options), Json::Null);
            options.names = self::options().names;
            options.redaction.users = Hide::Keep;
            options.redaction.keys = vec!["userId".to_owned()];
            assert_eq!(name(&identity, &options), Json::Null);
        }
    }
}
