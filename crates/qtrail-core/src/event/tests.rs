use super::*;

fn refused(record: &[u8]) -> Reason {
    Event::parse(record, 64).expect_err("no event")
}

#[test]
fn an_event_knows_its_id_time_class_and_text() {
    let text = include_str!("../../../../tests/fixtures/send-message.json");
    let event = Event::parse(text.as_bytes(), 64).expect("an event");
    assert_eq!(
        event.id().as_deref(),
        Some("a552c487-7d97-403a-8ec4-d49539c7a03d")
    );
    assert_eq!(event.time(), 1_701_165_600_000_000_000);
    assert_eq!(event.class(), Class::Conversation);
    assert_eq!(event.text(), text);
}

#[test]
fn a_time_that_is_none_is_refused_with_its_text() {
    assert_eq!(
        refused(br#"{"eventName":"X"}"#),
        Reason::BadTime { value: None }
    );
    assert_eq!(
        refused(br#"{"eventTime":null,"eventName":"X"}"#),
        Reason::BadTime { value: None }
    );
    for (text, quoted) in [
        ("last Tuesday, about noon", "last Tuesday, about noon"),
        ("x ".repeat(100).as_str(), "x ".repeat(32).as_str()),
        // What may be a token does not get into logs.
        ("at IQoJb3JpZ2luX2VjTESTTEST0123: x", "at …: x"),
    ] {
        assert_eq!(
            refused(format!(r#"{{"eventTime":"{text}"}}"#).as_bytes()),
            Reason::BadTime {
                value: Some(quoted.to_owned())
            }
        );
    }
    assert_eq!(
        refused(br#"{"eventTime":1712758075}"#),
        Reason::BadTime {
            value: Some("1712758075".to_owned())
        }
    );
}

#[test]
fn what_is_no_cloudtrail_event_is_refused() {
    for text in ["{}", r#"{"a":1}"#, "[]", "7", r#"{"eventtime":"x"}"#] {
        assert_eq!(refused(text.as_bytes()).kind(), "not_cloudtrail", "{text}");
    }
    assert_eq!(
        refused(b"{\"eventName\":\"\xff\"}"),
        Reason::InvalidUtf8 { at: 14 }
    );
    assert_eq!(refused(br#"{"eventName":"X""#).kind(), "not_json");
    let published = include_bytes!("../../../../tests/fixtures/pass-request.as-published.txt");
    assert_eq!(refused(published).kind(), "not_json");
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(64), "]".repeat(64));
    assert_eq!(refused(deep.as_bytes()).kind(), "too_deep");
}

#[test]
fn null_and_empty_texts_are_absent() {
    let text = br#"{"eventTime":"2024-04-10T14:07:55Z","eventID":"","userAgent":null}"#;
    let event = Event::parse(text, 64).expect("an event");
    assert_eq!(event.id(), None);
    assert!(event.get(Key::UserAgent).is_none());
    assert!(event.get(Key::EventId).is_some());
}

#[test]
fn the_usual_spelling_of_an_id_wins_wherever_it_stands() {
    for (fields, id) in [
        (r#""eventId":"a""#, Some("a")),
        (r#""eventId":"a","eventID":"b""#, Some("b")),
        (r#""eventID":"b","eventId":"a""#, Some("b")),
        (r#""eventID":null,"eventId":"a""#, Some("a")),
    ] {
        let text = format!(r#"{{"eventTime":"2024-04-10T14:07:55Z",{fields}}}"#);
        let event = Event::parse(text.as_bytes(), 64).expect("an event");
        assert_eq!(event.id().as_deref(), id, "{fields}");
    }
}

#[test]
fn a_usual_record_is_plain_and_one_with_a_key_of_what_is_no_event_is_not() {
    let is_plain = |key: &str| {
        let text =
            format!(r#"{{"eventVersion":"1.08","eventTime":"2024-04-10T14:07:55Z","{key}":{{}}}}"#);
        let event = Event::parse(text.as_bytes(), 64).expect("an event");
        event.is_plain()
    };
    for key in [
        "requestParameters",
        "requestID",
        "eventID",
        "eventId",
        "unknown",
    ] {
        assert!(is_plain(key), "{key}");
    }
    for key in [
        "Records",
        "Messages",
        "Events",
        "events",
        "sessionResults",
        "results",
        "logEvents",
        "QueryResultRows",
        "records",
        "logFiles",
        "digestEndTime",
        "data",
        "requestId",
        "detail-type",
        "CloudTrailEvent",
        "awslogs",
        "kinesis",
        "s3",
        "body",
        "Sns",
        "messageId",
        "Message",
        "messageType",
        "message",
        "@message",
        "ResultSet",
        "sessionUpdate",
        "eventversion",
        "eventname",
        "eventsource",
        "eventid",
        "eventtime",
        "eventtype",
        "eventcategory",
        "useridentity",
    ] {
        assert!(!is_plain(key), "{key}");
    }
}

#[test]
fn a_text_with_a_hidden_part_is_no_id_however_it_is_written() {
    let id = |text: &str| {
        let text = format!(r#"{{"eventTime":"2024-04-10T14:07:55Z","eventID":"{text}"}}"#);
        let event = Event::parse(text.as_bytes(), 64).expect("an event");
        event.id().map(|id| id.into_owned())
    };
    for hidden in [
        "***",
        "[REDACTED]",
        "x[REDACTED]",
        r"x\u005bREDACTED]",
        r"x[RED\u0041CTED]y",
    ] {
        assert_eq!(id(hidden), None, "{hidden}");
    }
    for shown in ["x", "x[y]", "[REDACTE]"] {
        assert_eq!(id(shown).as_deref(), Some(shown));
    }
}
