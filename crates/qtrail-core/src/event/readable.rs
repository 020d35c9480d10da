//! Reads the id of a refused record.
//!
//! Enters: a refused record's bytes. Leaves: its `eventID`. What must hold: no byte behind the first
//! error is read: it may be anything.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::mask;

/// Fields that may hold the record itself, as an object or as a text.
const INSIDE: [&str; 3] = ["detail", "CloudTrailEvent", "message"];
/// How deep a record may be nested in such fields.
const DEPTH: u32 = 4;

/// The `eventID` of a record, or of the one inside its envelope, as far as it can be read: a record that
/// is refused for another field may have one.
pub fn event_id(record: &[u8]) -> Option<String> {
    within(record, DEPTH)
}

fn within(record: &[u8], depth: u32) -> Option<String> {
    let mut found = IdSearch {
        id: None,
        inside: None,
        depth,
    };
    let mut json = serde_json::Deserializer::from_slice(record);
    // What was found before an error counts.
    let _ = json.deserialize_any(&mut found);
    found.id.or(found.inside)
}

/// The ids in an object, or in a text with one.
struct IdSearch {
    id: Option<String>,
    inside: Option<String>,
    depth: u32,
}

impl<'de> Visitor<'de> for &mut IdSearch {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut fields: M) -> Result<(), M::Error> {
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            if name.eq_ignore_ascii_case("eventID") {
                let value: serde_json::Value = fields.next_value()?;
                let text = value.as_str().filter(|text| !text.is_empty());
                self.id = text.filter(|text| !mask::is_mask(text)).map(str::to_owned);
            } else if self.inside.is_none() && INSIDE.contains(&&*name) {
                let mut inside = IdSearch {
                    id: None,
                    inside: None,
                    depth: self.depth,
                };
                let read = fields.next_value_seed(Seed(&mut inside));
                self.inside = inside.id.or(inside.inside);
                read?;
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if let Some(depth) = self.depth.checked_sub(1) {
            self.id = within(text.as_bytes(), depth);
        }
        Ok(())
    }
}

struct Seed<'a>(&'a mut IdSearch);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_whatever_else_is_wrong() {
        for record in [
            r#"{"eventTime":"soon","eventID":"one"}"#,
            r#"{"eventid":"one","eventTime":7}"#,
            r#"{"a":{"eventID":"other"},"b":[{"eventID":"other"}],"eventID":"one"}"#,
            r#"{"eventID":"one","userIdentity":{"type":}"#,
            r#"{"eventID":"one","cut":"of"#,
            r#"{"eventID":"one"}}}}"#,
            r#" {"event\u0049D":"on\u0065"}"#,
            r#"{"source":"me","detail":{"eventID":"one"}}"#,
            r#"{"message":[7],"detail":null,"eventID":"one"}"#,
            r#"{"EventName":"x","CloudTrailEvent":"{\"eventID\":\"one\",\"eventTime\":1}"}"#,
            r#""{\"eventID\":\"one\"}""#,
        ] {
            assert_eq!(
                event_id(record.as_bytes()).as_deref(),
                Some("one"),
                "{record}"
            );
        }
        let deep = format!(
            r#"{{"deep":{}{},"eventID":"one"}}"#,
            "[".repeat(9_000),
            "]".repeat(9_000)
        );
        assert_eq!(event_id(deep.as_bytes()).as_deref(), Some("one"));
        assert_eq!(
            event_id(b"{\"a\":\"\xff\",\"eventID\":\"one\"}").as_deref(),
            Some("one")
        );
    }

    #[test]
    fn no_other_text_passes_for_an_id() {
        for record in [
            "",
            "[]",
            "7",
            r#"{"eventID":""}"#,
            r#"{"eventID":7}"#,
            r#"{"eventID":"***"}"#,
            r#"{"broken":,"eventID":"behind"}"#,
            r#"{"requestParameters":{"eventID":"inside"}}"#,
            r#"{"records":[{"eventID":"one"},{"eventID":"two"}]}"#,
        ] {
            assert_eq!(event_id(record.as_bytes()), None, "{record}");
        }
        let nested = (0..9).fold(r#"{"eventID":"x"}"#.to_owned(), |text, _| {
            serde_json::Value::String(text).to_string()
        });
        assert_eq!(event_id(nested.as_bytes()), None);
    }
}
