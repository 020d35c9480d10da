use serde_json::{Map, Value as Json, json};

use super::*;
use crate::json::{Node, Type};

/// Everything that a sink received of one event.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Received {
    pub(super) head: String,
    pub(super) attributes: Vec<(&'static Field, Json)>,
    pub(super) ended: usize,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) observed: i64,
    pub(super) kind: Option<SpanKind>,
    pub(super) link: Option<Link>,
    pub(super) error: Option<String>,
    pub(super) body: Option<Json>,
    pub(super) resource: [Option<String>; 3],
    pub(super) name: String,
}

impl Received {
    /// An attribute's value; `null` without one.
    pub(super) fn get(&self, name: &str) -> Json {
        self.attributes
            .iter()
            .find(|(field, _)| field.name == name)
            .map_or(Json::Null, |(_, value)| value.clone())
    }

    fn text(&self) -> String {
        let mut text = self.head.clone();
        for (field, value) in &self.attributes {
            text += &format!("{} = {value}\n", field.name);
        }
        text
    }
}

impl Sink for Received {
    fn begin(&mut self, head: &Head<'_>) {
        assert!(self.head.is_empty() && self.attributes.is_empty());
        let text = |text: &Cow<'_, str>| text.clone().into_owned();
        let key = &head.resource;
        self.resource = [
            Some(text(&key.service_name)),
            key.account_id.as_ref().map(text),
            key.region.as_ref().map(text),
        ];
        self.name = text(&head.name);
        self.start = head.start;
        self.end = head.end;
        self.observed = head.observed;
        self.kind = Some(head.kind);
        self.link = head.link;
        self.error = head.error.as_ref().map(text);
        self.body = head.body.as_ref().map(json_of);
        self.head = format!(
            "{}: {:?} {:?}, {:?}\n{:?}\ntime {} observed {} start {} end {}\ntrace {} span {} parent {:?}\nlink {:?}\n\n",
            head.name,
            head.severity,
            head.kind,
            head.error,
            self.resource,
            head.time,
            head.observed,
            head.start,
            head.end,
            hex::encode(head.trace_id),
            hex::encode(head.span_id),
            head.parent,
            head.link
                .map(|link| (hex::encode(link.trace_id), hex::encode(link.span_id))),
        );
        assert_ne!(head.trace_id, [0; 16]);
        assert_ne!(head.span_id, [0; 8]);
    }

    fn attribute(&mut self, field: &'static Field, value: &Value<'_>) {
        assert!(!self.head.is_empty() && self.ended == 0);
        self.attributes.push((field, json_of(value)));
    }

    fn end(&mut self) {
        self.ended += 1;
    }
}

pub(super) fn json_of(value: &Value<'_>) -> Json {
    match value {
        Value::Str(text) => json!(text),
        Value::Bool(flag) => json!(flag),
        Value::Int(number) => json!(number),
        Value::Double(number) => json!(number),
        Value::Strs(texts) => json!(texts),
        Value::Json(node) => json_of_node(*node),
        Value::Map(entries) => Json::Object(
            entries
                .iter()
                .map(|(key, value)| (key.clone().into_owned(), json_of(value)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(values) => values.iter().map(json_of).collect(),
    }
}

fn json_of_node(node: Node<'_>) -> Json {
    match node.kind() {
        Type::String => json!(node.as_str()),
        Type::Object => Json::Object(
            node.entries()
                .map(|(key, node)| (key.into_owned(), json_of_node(node)))
                .collect(),
        ),
        Type::Array => node.items().map(json_of_node).collect(),
        _ => serde_json::from_str(node.raw()).expect("a scalar"),
    }
}

pub(super) fn heard_with(text: &str, options: &Options) -> Received {
    heard_from("events.json", text, options)
}

/// What a sink receives of a record in a file of this name.
pub(super) fn heard_from(name: &str, text: &str, options: &Options) -> Received {
    let event = Event::parse(text.as_bytes(), 64).expect("an event");
    let placement = Placement::of(&event).within(organization(name).as_ref());
    let mut received = Received::default();
    convert(event, &placement, None, options, &mut received);
    assert_eq!(received.ended, 1);
    received
}

pub(super) fn received(text: &str) -> Received {
    heard_with(text, &Options::default())
}

/// A record with these fields beside its time.
pub(super) fn record(fields: Json) -> String {
    let mut record = json!({"eventTime": "2024-04-10T14:07:55Z"});
    for (key, value) in fields.as_object().expect("an object") {
        record[key] = value.clone();
    }
    record.to_string()
}

pub(super) const SAMPLES: [&str; 4] = [
    include_str!("../../../../tests/fixtures/send-message.json"),
    include_str!("../../../../tests/fixtures/pass-request.user-invoked-by.json"),
    include_str!("../../../../tests/fixtures/pass-request.session-invoked-by.json"),
    include_str!("../../../../tests/fixtures/on-behalf-of-list-buckets.json"),
];

#[test]
fn the_published_message() {
    insta::assert_snapshot!(received(SAMPLES[0]).text());
}

#[test]
fn the_published_pass_request_with_the_invoking_service_in_either_place() {
    let [user, session] = [1, 2].map(|sample| received(SAMPLES[sample]).text());
    assert_eq!(user, session);
    insta::assert_snapshot!(user);
}

#[test]
fn the_published_call_on_behalf_of_a_person() {
    insta::assert_snapshot!(received(SAMPLES[3]).text());
}

#[test]
fn the_body_is_the_records_own_text_a_map_or_nothing() {
    let with = |body| {
        let options = Options {
            body,
            ..Options::default()
        };
        heard_with(SAMPLES[1], &options).body
    };
    assert_eq!(with(Body::Original), Some(json!(SAMPLES[1])));
    let record: Json = serde_json::from_str(SAMPLES[1]).expect("JSON");
    assert_eq!(with(Body::Map), Some(record));
    assert_eq!(with(Body::None), None);
}

#[test]
fn the_resource_is_amazon_q_or_the_event_source() {
    let service = |record: &str, service_name| {
        let options = Options {
            service_name,
            ..Options::default()
        };
        heard_with(record, &options).resource[0].clone().unwrap()
    };
    let other = record(json!({"eventSource": "s3.amazonaws.com"}));
    let nameless = record(json!({"eventType": "AwsCloudTrailInsight"}));
    for (record, by_default, by_source) in [
        (SAMPLES[0], "amazon-q", "q.amazonaws.com"),
        (SAMPLES[3], "amazon-q", "s3.amazonaws.com"),
        (&other, "s3.amazonaws.com", "s3.amazonaws.com"),
        (&nameless, "unknown_service", "unknown_service"),
    ] {
        assert_eq!(service(record, ServiceName::AmazonQ), by_default);
        assert_eq!(service(record, ServiceName::EventSource), by_source);
    }
}

#[test]
fn the_account_is_the_recipients_else_the_callers() {
    let account = |fields| received(&record(fields)).resource[1].clone();
    let identity = json!({"accountId": "2"});
    assert_eq!(
        account(json!({"recipientAccountId": "1", "userIdentity": identity})),
        Some("1".to_owned())
    );
    assert_eq!(
        account(json!({"userIdentity": identity})),
        Some("2".to_owned())
    );
    assert_eq!(account(json!({"recipientAccountId": 1})), None);
}

#[test]
fn names_are_made_of_what_is_there() {
    for (fields, name) in [
        (
            json!({"eventSource": "q.amazonaws.com", "eventName": "SendMessage"}),
            "q.SendMessage",
        ),
        (
            json!({"eventSource": "example.com", "eventName": "X"}),
            "example.com.X",
        ),
        (json!({"eventSource": "q.amazonaws.com"}), "q"),
        (json!({"eventName": "SendMessage"}), "SendMessage"),
        (
            json!({"eventType": "AwsCloudTrailInsight"}),
            "AwsCloudTrailInsight",
        ),
        (json!({"eventVersion": "1"}), "aws.cloudtrail"),
    ] {
        assert_eq!(received(&record(fields)).name, name);
    }
}

#[test]
fn observed_is_the_delivery_else_the_event() {
    let event = || Event::parse(SAMPLES[0].as_bytes(), 64).expect("an event");
    for (given, expected) in [(Some(5), 5), (None, event().time())] {
        let mut received = Received::default();
        let placement = Placement::of(&event());
        convert(
            event(),
            &placement,
            given,
            &Options::default(),
            &mut received,
        );
        assert_eq!(received.observed, expected);
    }
}

#[test]
fn a_telemetry_events_duration_comes_before_its_end() {
    for (latency, nanoseconds) in [
        (json!(1500), 1_500_000_000),
        (json!(2.5), 2_500_000),
        (json!("30"), 30_000_000),
        (json!(0.000_001), 1),
    ] {
        assert_eq!(extent(latency.clone()), (-nanoseconds, 0), "{latency}");
    }
}

#[test]
fn a_span_without_a_known_duration_ends_a_nanosecond_after_the_event() {
    for none in [
        json!(0),
        json!(0.0),
        json!(1e-7),
        json!(-1),
        json!("soon"),
        json!("inf"),
        json!("NaN"),
        json!(null),
        json!(1e300),
        json!([]),
    ] {
        assert_eq!(extent(none.clone()), (0, 1), "{none}");
    }
    for sample in SAMPLES {
        let received = received(sample);
        assert_eq!(received.end - received.start, 1);
    }
}

/// Start and end of a telemetry event's span that took so many milliseconds, after its `eventTime`.
fn extent(latency: Json) -> (i64, i64) {
    let received = received(&record(json!({
        "eventSource": "codewhisperer.amazonaws.com",
        "eventName": "SendTelemetryEvent",
        "requestParameters": {"telemetryEvent": {"chatAddMessageEvent": {"fullResponselatency": latency}}},
    })));
    let time = 1_712_758_075_000_000_000;
    (received.start - time, received.end - time)
}

#[test]
fn an_error_is_the_spans_status() {
    let error = |fields| received(&record(fields)).error;
    assert_eq!(error(json!({"errorMessage": "m"})), Some("m".to_owned()));
    assert_eq!(
        error(json!({"errorMessage": "m", "errorCode": "200"})),
        None
    );
    let sign_in = json!({"eventSource": "signin.amazonaws.com", "responseElements": {"ConsoleLogin": "Failure"}});
    assert_eq!(error(sign_in), Some(String::new()));
    assert_eq!(
        error(json!({"errorCode": "AccessDenied", "errorMessage": "m"})),
        Some("m".to_owned())
    );
    assert_eq!(
        error(json!({"errorCode": "Throttling"})),
        Some(String::new())
    );
    assert_eq!(error(json!({"errorCode": "Client.DryRunOperation"})), None);
}

#[test]
fn classes_may_be_left_out_of_the_traces() {
    struct Signals(bool, bool);
    impl Sink for Signals {
        fn begin(&mut self, head: &Head<'_>) {
            (self.0, self.1) = (head.log, head.span);
        }
        fn attribute(&mut self, _: &'static Field, _: &Value<'_>) {}
        fn end(&mut self) {}
    }
    let signals = |options: &Options| {
        let event = Event::parse(SAMPLES[0].as_bytes(), 64).expect("an event");
        let mut signals = Signals(false, false);
        let placement = Placement::of(&event);
        convert(event, &placement, None, options, &mut signals);
        (signals.0, signals.1)
    };
    let with = |classes: &[Class]| Options {
        trace_classes: Some(classes.iter().copied().collect()),
        ..Options::default()
    };
    assert_eq!(signals(&Options::default()), (true, true));
    assert_eq!(signals(&with(&[Class::Conversation])), (true, true));
    assert_eq!(signals(&with(&[Class::Code])), (true, false));
    let no_logs = Options {
        logs: false,
        ..Options::default()
    };
    assert_eq!(signals(&no_logs), (false, true));
}

#[test]
fn a_conversation_links_to_its_persons_session() {
    let received = received(SAMPLES[0]);
    let link = received.link.expect("a link");
    assert_eq!(
        received.get("qtrail.session.trace_id"),
        json!(hex::encode(link.trace_id))
    );
    // A call of the same session is in the linked trace, and needs no link.
    let call = SAMPLES[0]
        .replace("conversationId", "otherId")
        .replace("SendMessage", "PassRequest");
    let event = Event::parse(call.as_bytes(), 64).expect("an event");
    assert_eq!(Placement::of(&event).trace_id, link.trace_id);
    assert_eq!(super::tests::received(&call).link, None);
}

#[test]
fn an_event_placed_elsewhere_keeps_its_span_and_names_its_session() {
    let event = || Event::parse(SAMPLES[3].as_bytes(), 64).expect("an event");
    let own = Placement::of(&event());
    let placement = Placement {
        trace_id: [7; 16],
        parent: Some([8; 8]),
        extent: None,
        extra: vec![Attribute {
            field: &semconv::CONVERSATION_ID,
            value: Value::Str(Cow::Borrowed("c")),
        }],
    };
    let mut received = Received::default();
    convert(
        event(),
        &placement,
        None,
        &Options::default(),
        &mut received,
    );
    assert!(
        received
            .head
            .contains("parent Some([8, 8, 8, 8, 8, 8, 8, 8])")
    );
    assert_eq!(received.get("gen_ai.conversation.id"), json!("c"));
    assert_eq!(
        received.get("qtrail.session.trace_id"),
        json!(hex::encode(own.trace_id))
    );
}

#[test]
fn what_is_redacted_is_not_in_any_attribute() {
    let options = |redaction| Options {
        redaction,
        ..Options::default()
    };
    let users = options(Redaction {
        users: Hide::Drop,
        access_key_id: Hide::Drop,
        ..Redaction::default()
    });
    for body in [Body::Original, Body::Map, Body::None] {
        for maps in [false, true] {
            let options = Options {
                body,
                maps,
                ..users.clone()
            };
            let received = heard_with(SAMPLES[0], &options);
            let text = format!("{received:?}");
            assert!(!text.contains("aws-user"), "{text}");
            assert!(!text.contains("ASIAAB12"), "{text}");
            assert_eq!(received.get("aws.principal.id"), json!("[REDACTED]"));
            for id in [
                "user.id",
                "user.name",
                "enduser.id",
                "aws.role_session.name",
            ] {
                assert_eq!(received.get(id), Json::Null, "{id}");
            }
            assert_eq!(received.get("qtrail.credential.kind"), json!("temporary"));
        }
    }
    let arn = options(Redaction {
        pointers: vec!["/userIdentity/arn".to_owned()],
        ..Redaction::default()
    });
    let received = heard_with(SAMPLES[0], &arn);
    assert_eq!(received.get("user.name"), Json::Null);
    assert_eq!(
        received.get("qtrail.redacted"),
        json!(["/userIdentity/arn"])
    );
}

#[test]
fn what_is_left_of_a_masked_text_is_no_id() {
    let received = |fields: &str| {
        let text = format!(
            r#"{{"eventTime":"2026-11-02T08:00:01Z","eventSource":"q.amazonaws.com",{fields}}}"#
        );
        heard_with(&text, &Options::default())
    };
    let conversation = r#""requestParameters":{"conversationId":"x?token=hunter2"}"#;
    let user = r#""userIdentity":{"type":"Unknown"},"additionalEventData":{"UserName":"a password=hunter2"}"#;
    for (fields, id, masked) in [
        (
            conversation,
            "gen_ai.conversation.id",
            "/requestParameters/conversationId",
        ),
        (user, "enduser.id", "/additionalEventData/UserName"),
    ] {
        let received = received(fields);
        assert_eq!(received.get(id), Json::Null, "{id}");
        assert_eq!(received.get("qtrail.redacted"), json!([masked]));
    }
}

#[test]
fn redaction_changes_no_id_but_one_that_shows_what_is_redacted() {
    let ids = |received: &Received| {
        let line = received.head.lines().find(|line| line.starts_with("trace"));
        (line.map(str::to_owned), received.link)
    };
    let without = |pointers: &[&str]| {
        let redaction = Redaction {
            pointers: pointers.iter().map(|&pointer| pointer.to_owned()).collect(),
            ..Redaction::default()
        };
        heard_with(
            SAMPLES[0],
            &Options {
                redaction,
                ..Options::default()
            },
        )
    };
    let plain = received(SAMPLES[0]);
    let conversation = "a298ec0d0a494d2e92bd7d6e629b4619";
    assert!(plain.head.contains(conversation));
    assert_eq!(ids(&plain), ids(&without(&["/eventID", "/userIdentity"])));
    let hidden = without(&["/requestParameters", "/responseElements"]);
    assert!(!hidden.head.contains(conversation), "{}", hidden.head);
    assert_eq!(hidden.link, plain.link);
    assert_eq!(hidden.get("gen_ai.conversation.id"), Json::Null);
    let all = without(&[""]);
    assert_eq!(ids(&all), ids(&hidden));
    assert_eq!(all.body, Some(json!("\"[REDACTED]\"")));
    assert_eq!(all.get("log.record.uid"), Json::Null);
}

#[test]
fn a_mark_in_the_place_of_an_id_is_no_id() {
    for mark in [
        "***",
        "[REDACTED]",
        "<REDACTED>",
        "HIDDEN_DUE_TO_SECURITY_REASONS",
        "[HIDDEN_DUE_TO_SECURITY_REASONS]",
    ] {
        let record = json!({
            "eventTime": "2024-04-10T14:07:55Z", "eventSource": "q.amazonaws.com", "eventID": mark,
            "awsRegion": mark, "recipientAccountId": mark,
            "requestParameters": {"conversationId": mark},
            "responseElements": {"metadata": {"utteranceId": mark}},
            "userIdentity": {
                "principalId": format!("AROA:{mark}"), "userName": mark, "accountId": mark,
                "arn": format!("arn:aws:sts::1:assumed-role/R/{mark}"),
                "onBehalfOf": {"userId": mark}, "sessionContext": {"sourceIdentity": mark, "attributes": {"creationDate": "D"}},
            },
        });
        let (text, other) = (record.to_string(), record.to_string() + " ");
        let received = received(&text);
        for id in [
            "log.record.uid",
            "gen_ai.conversation.id",
            "enduser.id",
            "user.id",
            "user.name",
            "aws.role_session.name",
            "aws.q.utterance.id",
            "qtrail.session.trace_id",
        ] {
            assert_eq!(received.get(id), Json::Null, "{id} of {mark}");
        }
        assert_eq!(received.get("aws.cloudtrail.event_id"), json!(mark));
        assert!(
            !received.head.contains("account_id: Some"),
            "{}",
            received.head
        );
        // Each such event stands alone.
        let trace = |text: &str| {
            let event = Event::parse(text.as_bytes(), 64).expect("an event");
            assert_eq!(event.id(), None);
            Placement::of(&event).trace_id
        };
        assert_ne!(trace(&text), trace(&other));
    }
}

#[test]
fn the_same_event_is_heard_the_same() {
    for sample in SAMPLES {
        assert_eq!(received(sample), received(sample));
    }
}
