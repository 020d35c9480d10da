use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value as Json;

use super::*;

fn parse(text: &str) -> Document<'_> {
    Document::parse(text, 64).expect("a JSON text")
}

/// The document's content as `serde_json` would hold it; numbers that it cannot hold become text.
fn content(node: Node<'_>) -> Json {
    match node.kind() {
        Type::Null => Json::Null,
        Type::Bool => node.as_bool().into(),
        Type::Number => serde_json::from_str(node.raw()).unwrap_or_else(|_| node.raw().into()),
        Type::String => node.as_str().into(),
        Type::Array => node.items().map(content).collect(),
        Type::Object => {
            let mut map = serde_json::Map::new();
            for (key, value) in node.entries() {
                let before = map.insert(key.clone().into_owned(), content(value));
                assert!(before.is_none(), "{key:?} was said twice");
            }
            map.into()
        }
    }
}

fn accepts_what_serde_json_accepts(text: &str) {
    let theirs = serde_json::from_str::<IgnoredAny>(text);
    let ours = Document::parse(text, u32::MAX);
    assert_eq!(theirs.is_ok(), ours.is_ok(), "{text:?}: {theirs:?}");
    if let (Ok(theirs), Ok(ours)) = (serde_json::from_str::<Json>(text), ours) {
        assert_eq!(theirs, content(ours.root()), "{text:?}");
    }
}

/// Pieces that make texts which are nearly JSON.
fn soup() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"b\"",
        "\"\\u0061\"",
        "\"\\ud83d\"",
        "\"\\ud83d\\ude00\"",
        "\"\\udc00x\"",
        "\\",
        "\\n",
        "\\u12",
        "1",
        "-",
        "0",
        "01",
        "1.5",
        "1e5",
        "1E+",
        "-0",
        ".",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "\t",
        "\u{1}",
        "\u{7f}",
        "é",
        "😀",
        "\u{feff}",
        "\"longer than eight bytes\"",
        "{\"a\":1,\"a\":2}",
        "[[]]",
        "{}",
    ]);
    prop::collection::vec(token, 0..14).prop_map(|tokens| tokens.concat())
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        (-1e9..1e9).prop_map(Json::from),
        ".{0,20}".prop_map(Json::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map("[a-c\"\\\\é]{0,3}", inner, 0..6)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn soup_is_accepted_and_refused_as_by_serde_json(text in soup()) {
        accepts_what_serde_json_accepts(&text);
    }

    #[test]
    fn json_reads_as_by_serde_json_however_it_is_laid_out(value in json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        accepts_what_serde_json_accepts(&text.unwrap());
    }

    #[test]
    fn damaged_json_is_accepted_and_refused_as_by_serde_json(
        value in json(), at: prop::sample::Index, with in "[\\[\\]{}\",:0-9a-z\\\\ \u{0}]?",
    ) {
        let text: Vec<char> = value.to_string().chars().collect();
        let at = at.index(text.len());
        let damaged: String = text[..at].iter().copied().chain(with.chars()).chain(text[at + 1..].iter().copied()).collect();
        accepts_what_serde_json_accepts(&damaged);
    }

    #[test]
    fn every_way_to_escape_a_string_reads_as_the_string(text in ".{0,12}", escaped in prop::collection::vec(any::<bool>(), 40)) {
        let mut json = String::from("\"");
        for (unit, escape) in text.encode_utf16().zip(escaped.iter().cycle()) {
            match char::from_u32(unit.into()) {
                Some(c) if !escape && c >= ' ' && c != '"' && c != '\\' => json.push(c),
                _ => json.push_str(&format!("\\u{unit:04x}")),
            }
        }
        json.push('"');
        let document = parse(&json);
        let read = document.root().as_str();
        prop_assert_eq!(read.as_deref(), Some(text.as_str()));
    }
}

#[test]
fn a_slot_takes_24_bytes() {
    assert_eq!(size_of::<Slot>(), 24);
}

#[test]
fn a_special_byte_is_found_at_every_place() {
    for length in 0..40 {
        for at in 0..length {
            for special in ["\u{1}", "\\x"] {
                let mut text = format!("\"{}\"", "a".repeat(length));
                text.insert_str(at + 1, special);
                accepts_what_serde_json_accepts(&text);
            }
        }
    }
}

#[test]
fn the_last_of_equal_keys_counts_in_small_and_huge_objects() {
    let document = parse(r#"{"a":1,"b":{"a":2},"\u0061":3}"#);
    assert_eq!(document.root().get("a").unwrap().raw(), "3");
    assert_eq!(document.root().entries().count(), 2);
    assert_eq!(document.nodes().count(), 5);

    let entries: Vec<String> = (0..100_000)
        .map(|i| format!("\"k{}\":{i}", i % 99_999))
        .collect();
    let text = format!("{{{}}}", entries.join(","));
    let document = parse(&text);
    assert_eq!(document.root().entries().count(), 99_999);
    assert_eq!(document.root().get("k0").unwrap().raw(), "99999");
}

#[test]
fn a_lone_surrogate_reads_as_a_replacement_character() {
    let document = parse(r#"["\ud83d", "\ude00a", "\ud83d\ud83d\ude00", "\ud83dA"]"#);
    let read: Vec<_> = document.root().items().filter_map(Node::as_str).collect();
    assert_eq!(read, ["\u{fffd}", "\u{fffd}a", "\u{fffd}😀", "\u{fffd}A"]);
}

#[test]
fn a_number_keeps_its_text() {
    let number = "1234567890123456789012345678901234567890";
    assert_eq!(parse(number).root().as_number(), Some(number));
    assert_eq!(parse("\"1.50\"").root().as_number(), Some("1.50"));
}

#[test]
fn booleans_are_read_from_text_too() {
    let document = parse(r#"[true, "True", "false", "yes", 1]"#);
    let read: Vec<_> = document.root().items().map(Node::as_bool).collect();
    assert_eq!(read, [Some(true), Some(true), Some(false), None, None]);
}

#[test]
fn nesting_beyond_the_limit_is_refused_without_recursion() {
    let deep = |levels| "[".repeat(levels) + &"]".repeat(levels);
    assert!(Document::parse(&deep(64), 64).is_ok());
    assert_eq!(
        Document::parse(&deep(65), 64).unwrap_err(),
        Reason::TooDeep { limit: 64 }
    );
    assert_eq!(
        Document::parse("[]", 0).unwrap_err(),
        Reason::TooDeep { limit: 0 }
    );
    assert!(Document::parse(&deep(1_000_000), 2_000_000).is_ok());
}

#[test]
fn a_refusal_names_the_byte() {
    let reason = Document::parse(r#"{"a": 1,, }"#, 64).unwrap_err();
    assert!(
        matches!(reason, Reason::NotJson { at: 8, .. }),
        "{reason:?}"
    );
}

#[test]
fn a_redacted_value_reads_as_redacted_by_every_accessor() {
    let mut document = parse(r#"{"a": {"b": 17, "c": [true]}, "d": 1}"#);
    let a = document.root().get("a").unwrap().id();
    let below: Vec<u32> = (a..document.root().with_id(a).end_id()).collect();
    assert_eq!(below.len(), 4);
    document.redact(a);
    for id in below {
        let node = document.root().with_id(id);
        assert!(node.is_redacted());
        assert_eq!(node.kind(), Type::String);
        assert_eq!(node.as_str().as_deref(), Some(REDACTED));
        assert_eq!(node.as_bool(), None);
        assert_eq!(node.as_number(), Some(REDACTED));
        assert!(node.get("b").is_none());
        assert_eq!(node.entries().count() + node.items().count(), 0);
    }
    assert_eq!(document.root().get("d").unwrap().kind(), Type::Number);
}

#[test]
fn redacted_text_differs_only_where_values_are_redacted() {
    let text = "{ \"a\" : [1, {\"b\":2}],\t\"secret\":\"x\\n\", \"a\":\"é\" }";
    let mut document = parse(text);
    assert!(matches!(document.redacted_text(), Cow::Borrowed(same) if same == text));
    let ids: Vec<u32> = document
        .nodes()
        .filter(|node| node.raw() == "{\"b\":2}" || node.raw() == "\"é\"")
        .map(Node::id)
        .collect();
    ids.into_iter().for_each(|id| document.redact(id));
    let secret = document.root().get("secret").unwrap().id();
    document.redact_key(secret);
    assert_eq!(
        document.redacted_text(),
        "{ \"a\" : [1, \"[REDACTED]\"],\t\"[REDACTED]\":\"x\\n\", \"a\":\"[REDACTED]\" }"
    );
    assert_eq!(document.root().with_id(secret).pointer(), "/[REDACTED]");
    assert!(document.root().get("secret").is_some());
    assert_eq!(document.root().with_id(secret).redacted_text(), "\"x\\n\"");
    let a = document.root().with_id(1);
    assert_eq!(a.redacted_text(), "[1, \"[REDACTED]\"]");
}

#[test]
fn a_pointer_leads_to_its_value() {
    let text = r#"{"a/b":[0,{"~":{"é":1}}],"":2}"#;
    let theirs: Json = serde_json::from_str(text).unwrap();
    let document = parse(text);
    for node in document.nodes() {
        let pointer = node.pointer();
        assert_eq!(theirs.pointer(&pointer), Some(&content(node)), "{pointer}");
    }
    assert_eq!(document.nodes().last().unwrap().pointer(), "/");
}

proptest! {
    #[test]
    fn pointers_of_many_values_are_those_of_each(value in json(), wanted in prop::collection::vec(any::<bool>(), 40)) {
        let text = value.to_string();
        // Read again, since `serde_json` may read a double a little differently.
        let value: Json = serde_json::from_str(&text).unwrap();
        let document = parse(&text);
        let mut expected = Vec::new();
        let mut covered = 0;
        let mut nodes = Vec::new();
        for (node, _) in document.nodes().zip(wanted.iter().cycle()).filter(|(_, wanted)| **wanted) {
            nodes.push(node.id());
            if node.id() >= covered {
                covered = node.end_id();
                let pointer = node.pointer();
                prop_assert_eq!(value.pointer(&pointer), Some(&content(node)));
                expected.push(pointer);
            }
        }
        let mut said = Vec::new();
        document.pointers(nodes, |pointer| {
            said.push(pointer.to_owned());
            true
        });
        prop_assert_eq!(said, expected);
    }
}
