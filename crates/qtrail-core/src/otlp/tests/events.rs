//! Test events, and a strategy that makes any of them.

use std::borrow::Cow;

use proptest::prelude::*;

use crate::convert::{
    Field, Head, Link, On, ResourceKey, Severity, Sink, SpanKind, Stability, Value,
};
use crate::json::Document;

pub(super) const fn field(name: &'static str, on: On) -> Field {
    Field {
        name,
        on,
        from: "",
        stability: Stability::Qtrail,
    }
}

pub(super) static FIELDS: [Field; 4] = [
    field("test.both", On::Both),
    field("test.log.alone", On::Log),
    field("s", On::Span),
    field(
        "test.both.with_a_long_name.of_more_than_127_bytes.so_that_its_own_length_takes_two_bytes.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        On::Both,
    ),
];

/// An event to send to a sink, with values that own their content.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) head: Head<'static>,
    pub(super) attributes: Vec<(&'static Field, TestValue)>,
    pub(super) body: Option<TestValue>,
}

#[derive(Debug, Clone)]
pub(super) enum TestValue {
    Plain(Value<'static>),
    Json(serde_json::Value),
}

impl Event {
    pub(super) fn send_to(&self, sink: &mut impl Sink) {
        let with = |value: &TestValue, then: &mut dyn FnMut(&Value<'_>)| match value {
            TestValue::Plain(value) => then(value),
            TestValue::Json(json) => {
                let text = serde_json::to_string_pretty(json).expect("JSON");
                let document = Document::parse(&text, 64).expect("JSON");
                then(&Value::Json(document.root()));
            }
        };
        match &self.body {
            None => sink.begin(&self.head),
            Some(body) => with(body, &mut |value| {
                let mut head: Head<'_> = self.head.clone();
                head.body = Some(value.clone());
                sink.begin(&head);
            }),
        }
        for (index, (field, value)) in self.attributes.iter().enumerate() {
            with(value, &mut |value| match value {
                // A text takes both ways.
                Value::Str(text) if index % 2 == 0 => sink.text(field, text),
                _ => sink.attribute(field, value),
            });
        }
        sink.end();
    }
}

/// Texts of the lengths at which a length takes a byte more, and others.
pub(super) fn sized_text() -> impl Strategy<Value = String> {
    let length = prop_oneof![
        6 => 0_usize..40,
        1 => 100_usize..130,
        1 => 16_300_usize..16_400,
    ];
    prop_oneof![length.prop_map(|length| "x".repeat(length)), ".{0,12}",]
}

pub(super) fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any_of::<bool>(),
        any_of::<i64>(),
        any_of::<u64>(),
        any_of::<i32>(),
        proptest::prelude::any::<i32>().prop_map(|eighths| (f64::from(eighths) / 8.0).into()),
        sized_text().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map(".{1,5}", inner, 0..5)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

pub(super) fn any_of<T: Arbitrary + Into<serde_json::Value> + 'static>()
-> impl Strategy<Value = serde_json::Value> {
    proptest::prelude::any::<T>().prop_map(Into::into)
}

pub(super) fn value() -> impl Strategy<Value = Value<'static>> {
    let leaf = prop_oneof![
        4 => sized_text().prop_map(|text| Value::Str(text.into())),
        1 => proptest::prelude::any::<bool>().prop_map(Value::Bool),
        1 => proptest::prelude::any::<i64>().prop_map(Value::Int),
        1 => proptest::prelude::any::<i32>().prop_map(|eighths| Value::Double(f64::from(eighths) / 8.0)),
        1 => prop::collection::vec(".{0,9}".prop_map(Cow::Owned), 0..40).prop_map(Value::Strs),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((".{1,5}".prop_map(Cow::Owned), inner), 0..4)
                .prop_map(Value::Map),
        ]
    })
}

pub(super) fn any_value() -> impl Strategy<Value = TestValue> {
    prop_oneof![
        3 => value().prop_map(TestValue::Plain),
        1 => json().prop_map(TestValue::Json),
    ]
}

pub(super) fn head() -> impl Strategy<Value = Head<'static>> {
    let key = (
        0_u8..3,
        prop::option::of(0_u8..2),
        prop::option::of(0_u8..2),
    );
    let times = (1..i64::MAX, 1..i64::MAX, 1..i64::MAX, 1..i64::MAX);
    let ids = (
        proptest::prelude::any::<([u8; 16], [u8; 8])>(),
        proptest::prelude::any::<Option<[u8; 8]>>(),
        proptest::prelude::any::<Option<([u8; 16], [u8; 8])>>(),
    );
    let kinds = (
        prop::sample::select(vec![Severity::Info, Severity::Warn, Severity::Error]),
        prop::sample::select(vec![SpanKind::Internal, SpanKind::Server, SpanKind::Client]),
        prop::option::of(sized_text()),
    );
    (
        key,
        times,
        ids,
        kinds,
        "[a-z.]{1,9}",
        prop::sample::select(vec![
            (true, true),
            (true, true),
            (true, false),
            (false, true),
        ]),
    )
        .prop_map(
            |(key, times, (ids, parent, link), (severity, kind, error), name, (log, span))| Head {
                resource: ResourceKey {
                    service_name: format!("service-{}", key.0).into(),
                    account_id: key.1.map(|id| format!("{id:012}").into()),
                    region: key.2.map(|region| format!("eu-west-{region}").into()),
                },
                time: times.0,
                observed: times.1,
                start: times.2,
                end: times.3,
                name: name.into(),
                severity,
                kind,
                error: error.map(Cow::Owned),
                trace_id: ids.0,
                span_id: ids.1,
                parent,
                link: link.map(|(trace_id, span_id)| Link { trace_id, span_id }),
                body: None,
                log,
                span,
            },
        )
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    let attribute = (
        prop::sample::select(FIELDS.iter().collect::<Vec<_>>()),
        any_value(),
    );
    (
        head(),
        prop::collection::vec(attribute, 0..8),
        prop::option::of(any_value()),
    )
        .prop_map(|(head, attributes, body)| Event {
            head,
            attributes,
            body,
        })
}

pub(super) fn events(
    count: impl Into<prop::collection::SizeRange>,
) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), count)
}
