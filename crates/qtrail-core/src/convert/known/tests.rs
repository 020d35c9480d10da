use serde_json::{Value as Json, json};

use super::super::tests::{Received, SAMPLES, heard_with, record};
use super::*;
use crate::convert::{
    Body, Field, Head, Options, Placement, Pseudonyms, Sink, Summary, Value, convert,
};

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const STORE_ID: &str = "94d00cd8-e9e6-4810-b177-b08e84775435";

/// Mary, with an id of each kind.
fn table() -> Options {
    let mut people = People::default();
    let mary = Person {
        id: "mary".to_owned(),
        name: Some("Mary Major".to_owned()),
    };
    let ids = [
        STORE_ID,
        "mary@example.com",
        KEY,
        "AIDAEXAMPLE",
        "arn:aws:iam::111122223333:user/shared",
        "cdee2490-82ed-43b3-96ee-b75fbf0b97a5",
        "AROAEX:build",
    ];
    people.add(mary, &ids).unwrap();
    Options {
        identities: people,
        ..Options::default()
    }
}

fn with(redaction: Redaction) -> Options {
    Options {
        redaction,
        ..table()
    }
}

fn heard(identity: &Json, options: &Options) -> Received {
    let record = record(json!({"userIdentity": identity, "eventSource": "q.amazonaws.com"}));
    heard_with(&record, options)
}

fn marys() -> Vec<Json> {
    vec![
        json!({"type": "IdentityCenterUser", "onBehalfOf": {"userId": STORE_ID}}),
        json!({"type": "IdentityCenterUser", "userId": STORE_ID}),
        json!({"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/Dev/Mary@example.com"}),
        json!({"type": "AssumedRole", "principalId": "AROAOTHER:mary@example.com"}),
        json!({"type": "AssumedRole", "sessionContext": {"sourceIdentity": "mary@example.com"}, "arn": "arn:aws:sts::111122223333:assumed-role/Dev/i-1"}),
        // Each of these is named by something that is in no table.
        json!({"type": "IAMUser", "userName": "build", "accessKeyId": KEY}),
        json!({"type": "IAMUser", "userName": "build", "principalId": "AIDAEXAMPLE"}),
        json!({"type": "IAMUser", "userName": "shared", "arn": "arn:aws:iam::111122223333:user/shared"}),
        json!({"type": "IdentityCenterUser", "credentialId": "cdee2490-82ed-43b3-96ee-b75fbf0b97a5"}),
        json!({"type": "AssumedRole", "principalId": "AROAEX:build"}),
        json!({"type": "IAMUser", "userName": "mary"}),
    ]
}

#[test]
fn whichever_id_an_event_has_the_person_has_one_id_and_name() {
    for identity in marys() {
        let received = heard(&identity, &table());
        assert_eq!(received.get("enduser.id"), "mary", "{identity}");
        assert_eq!(received.get("user.name"), "Mary Major", "{identity}");
        let without = heard(&identity, &Options::default());
        for name in ["user.id", "aws.principal.id", "aws.access_key.id"] {
            assert_eq!(received.get(name), without.get(name), "{identity}");
        }
    }
}

/// The hashes by which metrics count people.
#[derive(Default)]
struct Counted(Vec<(Option<u64>, bool)>);

impl Sink for Counted {
    fn begin(&mut self, _: &Head<'_>) {}

    fn attribute(&mut self, _: &'static Field, _: &Value<'_>) {}

    fn summary(&mut self, summary: &Summary<'_>) {
        self.0.push((summary.person, summary.is_known));
    }

    fn end(&mut self) {}
}

#[test]
fn metrics_count_a_person_once() {
    let count = |options: &Options| {
        let mut counted = Counted::default();
        for identity in marys() {
            let fields = json!({"userIdentity": identity, "eventSource": "q.amazonaws.com"});
            let text = record(fields);
            let event = Event::parse(text.as_bytes(), 64).expect("an event");
            let placement = Placement::of(&event);
            convert(event, &placement, None, options, &mut counted);
        }
        counted.0
    };
    let (with, without) = (count(&table()), count(&Options::default()));
    assert!(
        with.iter()
            .all(|one| *one == with[0] && one.0.is_some() && one.1)
    );
    let people: std::collections::HashSet<_> = without.iter().map(|one| one.0).collect();
    assert!(
        people.len() > 3 && without.iter().all(|one| !one.1),
        "vacuous"
    );
}

#[test]
fn the_ids_of_nobody_and_masks_are_left_as_they_are() {
    for identity in [
        json!({"type": "IAMUser", "userName": "shared", "arn": "arn:aws:iam::444455556666:user/shared"}),
        json!({"type": "AssumedRole", "principalId": "AROAEX:other"}),
        json!({"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS"}),
        json!({"type": "Root", "arn": "arn:aws:iam::111122223333:root"}),
        json!({}),
    ] {
        let (with, without) = (
            heard(&identity, &table()),
            heard(&identity, &Options::default()),
        );
        assert_eq!(with, without, "{identity}");
    }
}

#[test]
fn the_id_that_names_the_person_best_counts() {
    let mut options = table();
    let ben = Person {
        id: "ben".to_owned(),
        name: None,
    };
    options
        .identities
        .add(ben, &["u-ben", "AROAEX:ben"])
        .unwrap();
    let identity =
        json!({"type": "AssumedRole", "onBehalfOf": {"userId": "u-ben"}, "accessKeyId": KEY});
    assert_eq!(heard(&identity, &options).get("enduser.id"), "ben");
    let identity = json!({"type": "AssumedRole", "principalId": "AROAEX:ben", "userName": "x"});
    let received = heard(&identity, &options);
    assert_eq!(received.get("enduser.id"), "ben");
    // The table has no name.
    assert_eq!(received.get("user.name"), "x");
}

#[test]
fn ids_and_times_are_those_without_the_table() {
    let samples = SAMPLES.iter().map(|sample| (*sample).to_owned());
    let of_mary = marys().into_iter().map(|identity| {
        record(json!({"userIdentity": identity, "eventSource": "q.amazonaws.com"}))
    });
    let mut known = 0;
    for record in samples.chain(of_mary) {
        let (with, without) = (
            heard_with(&record, &table()),
            heard_with(&record, &Options::default()),
        );
        assert_eq!((&with.head, &with.body), (&without.head, &without.body));
        let other = |received: &Received| {
            let mut others = received.attributes.clone();
            others.retain(|(field, _)| !["enduser.id", "user.name"].contains(&field.name));
            others
        };
        assert_eq!(other(&with), other(&without), "{record}");
        known += usize::from(with.get("enduser.id") != without.get("enduser.id"));
    }
    assert!(known > 6, "vacuous: {known}");
}

#[test]
fn without_a_body_the_field_that_named_the_person_is_kept() {
    let options = Options {
        body: Body::None,
        ..table()
    };
    let identity = json!({"type": "IAMUser", "userName": "build", "accessKeyId": KEY});
    let unmapped = heard(&identity, &options).get("aws.cloudtrail.unmapped");
    assert_eq!(unmapped["userIdentity"]["userName"], "build");
}

#[test]
fn all_ids_of_a_person_have_one_pseudonym_and_the_name_is_hidden() {
    let pseudonyms = Pseudonyms::new(&[7; 16]).unwrap();
    let hash = || Hide::Hash(pseudonyms.clone());
    let options = with(Redaction {
        users: hash(),
        access_key_id: hash(),
        ..Redaction::default()
    });
    for identity in marys() {
        let received = heard(&identity, &options);
        assert_eq!(
            received.get("enduser.id"),
            json!(pseudonyms.of("mary")),
            "{identity}"
        );
        let all = format!("{:?}", received);
        assert!(!all.contains("Mary") && !all.contains("mary"), "{all}");
    }
}

#[test]
fn a_dropped_person_has_no_id_by_the_table() {
    let options = with(Redaction {
        users: Hide::Drop,
        ..Redaction::default()
    });
    for identity in marys() {
        let all = format!("{:?}", heard(&identity, &options));
        assert!(!all.to_lowercase().contains("mary"), "{identity}: {all}");
    }
}

#[test]
fn an_id_that_is_hidden_in_the_event_is_not_shown_as_the_persons() {
    let mut people = People::default();
    let by_key = Person {
        id: KEY.to_owned(),
        name: Some("build".to_owned()),
    };
    people.add(by_key, &["mary"]).unwrap();
    let pseudonyms = Pseudonyms::new(&[7; 16]).unwrap();
    let identity = json!({"type": "IAMUser", "userName": "build", "accessKeyId": KEY});
    let of = |redaction: Redaction, identity: &Json| {
        let options = Options {
            redaction,
            identities: people.clone(),
            ..Options::default()
        };
        let received = heard(identity, &options);
        (received.get("enduser.id"), received.get("user.name"))
    };
    let dropped = Redaction {
        access_key_id: Hide::Drop,
        ..Redaction::default()
    };
    let hashed = Redaction {
        access_key_id: Hide::Hash(pseudonyms.clone()),
        ..Redaction::default()
    };
    let masked = Redaction {
        keys: vec!["accessKeyId".to_owned(), "userName".to_owned()],
        ..Redaction::default()
    };
    let by_name = json!({"type": "IAMUser", "userName": "mary"});
    assert_eq!(of(Redaction::default(), &identity).0, KEY);
    assert_eq!(of(dropped.clone(), &identity).0, "build");
    assert_eq!(of(dropped, &by_name).0, "mary");
    assert_eq!(of(hashed, &identity).0, json!(pseudonyms.of(KEY)));
    assert_eq!(of(masked, &identity), (Json::Null, Json::Null));
}
