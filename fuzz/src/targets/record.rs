//! A record is parsed as another parser would, and the quick look at its bytes misses nothing.

use qtrail_core::event::Event;
use qtrail_core::event::amazon_q::{Lists, Select, Selector};
use qtrail_core::reject::Reason;
use serde_json::Value;

use super::{DEPTH, depth, is_json};

/// Parses a record in each way.
pub fn check(data: &[u8]) -> usize {
    let parsed = Event::parse(data, DEPTH);
    let text = std::str::from_utf8(data);
    match &parsed {
        Ok(event) => {
            let text = text.expect("an event is UTF-8");
            assert!(is_json(text), "no JSON");
            assert_eq!(event.text(), text);
            fields_hold(event, text);
        }
        Err(Reason::InvalidUtf8 { at }) => {
            let error = text.expect_err("it is UTF-8");
            assert_eq!(error.valid_up_to() as u64, *at);
        }
        Err(Reason::NotJson { at, .. }) => {
            assert!(*at <= data.len() as u64);
            assert!(!is_json(text.expect("it was UTF-8")), "it is JSON");
        }
        Err(Reason::TooDeep { limit }) => {
            assert_eq!(*limit, DEPTH);
            assert!(depth(data) > DEPTH as usize);
        }
        Err(Reason::BadTime { .. } | Reason::NotCloudTrail { .. }) => {
            assert!(is_json(text.expect("it was UTF-8")), "no JSON");
        }
        Err(reason) => panic!("not a parser's reason: {reason:?}"),
    }
    selectors_agree(data, &parsed);
    usize::from(parsed.is_ok())
}

/// What the event says of itself, against another parser's reading.
fn fields_hold(event: &Event<'_>, text: &str) {
    assert!(event.time() >= 0);
    // A lone surrogate, a number beyond a double's range: JSON that `serde_json` does not hold.
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return;
    };
    // Some services write `eventId`; the usual spelling wins.
    let id = match &value["eventID"] {
        Value::Null => &value["eventId"],
        id => id,
    };
    let id = id.as_str().filter(|id| !id.is_empty());
    match event.id() {
        Some(found) => assert_eq!(Some(&*found), id),
        None => assert!(id.is_none_or(may_be_a_mark), "{id:?} is an id"),
    }
}

/// Whether a text may stand for a hidden id.
fn may_be_a_mark(id: &str) -> bool {
    const WORDS: [&str; 6] = [
        "filtered",
        "hidden",
        "masked",
        "redacted",
        "removed",
        "sensitive",
    ];
    let id = id.to_ascii_lowercase();
    WORDS.iter().any(|word| id.contains(word)) || id.trim().chars().all(|c| "*•".contains(c))
}

/// Whether a record is wanted does not depend on the way in which that is found out.
fn selectors_agree(data: &[u8], parsed: &Result<Event<'_>, Reason>) {
    let class = parsed.as_ref().ok().map(Event::class);
    // A field that decides is read before the time.
    let is_event = class.is_some() || matches!(parsed, Err(Reason::BadTime { .. }));
    let selector = |select| Selector::new(select, &Lists::default());
    let all = selector(Select::All).select(data, DEPTH);
    let all = all.map(|event| event.map(|event| event.class()));
    let is_bad_field = |reason: &Reason| matches!(reason, Reason::BadField { .. });
    match &all {
        // An event with an identity that cannot be read.
        Err(reason) if is_bad_field(reason) => assert!(is_event),
        _ => assert_eq!(all.as_ref().ok().copied().flatten(), class),
    }
    let wanted = selector(Select::AmazonQ).select(data, DEPTH);
    match wanted.map(|event| event.map(|event| event.class())) {
        Ok(Some(found)) => assert_eq!(Some(found), class),
        Ok(None) => assert!(
            !parsed.as_ref().is_ok_and(Event::is_of_amazon_q),
            "{class:?} was not wanted"
        ),
        // An event with a deciding field that cannot be read.
        Err(reason) if is_bad_field(&reason) => assert!(is_event),
        Err(reason) => assert_eq!(Err(reason), all),
    }
    // A table's texts are read as objects; any other record is selected as it stands.
    let mut canonical = Vec::new();
    let any = selector(Select::All).select_any(data, &mut canonical, DEPTH);
    match (all, any) {
        (Err(reason), Ok(event)) if is_bad_field(&reason) => {
            let event = event.expect("all are wanted");
            assert!(is_json(event.text()), "no JSON");
        }
        (Err(reason), Err(_)) if is_bad_field(&reason) => {}
        (all, any) => assert_eq!(any.map(|event| event.map(|event| event.class())), all),
    }
}
