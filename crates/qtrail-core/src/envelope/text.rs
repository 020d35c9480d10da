//! Takes well-formed JSON values apart.
//!
//! Enters: a value's bytes. Leaves: its outermost fields, its elements, the content of a string.
//! What must hold: a value that is cut, or not well-formed after all, is read up to there, without a panic.

use super::scan::{Progress, Scanner};
use crate::json;

/// The outermost keys of an object, decoded, with their values. Of an object that is cut, those
/// whose values are complete.
pub(super) fn fields(object: &[u8]) -> Vec<(Vec<u8>, &[u8])> {
    let mut fields = Vec::new();
    let mut rest = after(object, b'{');
    while let Some((key, tail)) = take(rest) {
        let Some((value, tail)) = take(after(tail, b':')) else {
            break;
        };
        fields.push((unescape(key), value));
        rest = after(tail, b',');
    }
    fields
}

/// The elements of an array.
pub(super) fn elements(array: &[u8]) -> Vec<&[u8]> {
    let mut elements = Vec::new();
    let mut rest = after(array, b'[');
    while let Some((element, tail)) = take(rest) {
        elements.push(element);
        rest = after(tail, b',');
    }
    elements
}

/// Where a part of a slice begins in it.
pub(super) fn offset_in(whole: &[u8], part: &[u8]) -> u64 {
    (part.as_ptr().addr() - whole.as_ptr().addr()) as u64
}

/// Whether the bytes are one JSON value with nothing but white space around it.
pub(super) fn is_one_value(bytes: &[u8]) -> bool {
    take(bytes).is_some_and(|(_, tail)| tail.trim_ascii().is_empty())
}

/// The content of a string, decoded; empty for other values. A lone surrogate becomes U+FFFD.
pub(super) fn unescape(string: &[u8]) -> Vec<u8> {
    let content = string.strip_prefix(b"\"").unwrap_or_default();
    json::unescape_bytes(content.strip_suffix(b"\"").unwrap_or(content))
}

/// Writes the content of a string, with the escapes that it needs.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
}

/// The text behind this byte, if it begins with it, without white space.
fn after(text: &[u8], byte: u8) -> &[u8] {
    let text = text.trim_ascii_start();
    text.strip_prefix(&[byte]).unwrap_or(text)
}

/// A value and what follows it.
fn take(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start();
    let mut scanner = Scanner::new();
    match scanner.feed(text) {
        Progress::Done(end) => Some(text.split_at(end)),
        _ if scanner.is_complete_at_end() => Some((text, &[])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_decode_as_serde_json_decodes_them() {
        for text in [
            r#""""#,
            r#""plain""#,
            r#""\"\\\/\b\f\n\r\t""#,
            r#""\u0041\u00e9\u20ac\ud83d\ude00\u0000""#,
            r#""a😀é""#,
        ] {
            let expected: String = serde_json::from_str(text).unwrap();
            assert_eq!(unescape(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn a_lone_surrogate_becomes_the_replacement_character() {
        for text in [
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83dx""#,
            r#""\ud83d\n""#,
            r#""\ud83d\u0041""#,
        ] {
            let content = String::from_utf8(unescape(text.as_bytes())).unwrap();
            assert!(content.starts_with('\u{fffd}'), "{text}");
            assert_eq!(
                content.chars().count(),
                if text.len() == 8 { 1 } else { 2 },
                "{text}"
            );
        }
    }

    #[test]
    fn fields_are_read_as_far_as_an_object_goes() {
        let whole = br#" { "a" : 1 , "b\u0063":"x,}","d":[{"e":2}] } "#;
        let names = |text| -> Vec<_> { fields(text).into_iter().map(|(key, _)| key).collect() };
        assert_eq!(names(whole), [&b"a"[..], b"bc", b"d"]);
        assert_eq!(fields(whole)[1].1, b"\"x,}\"");
        assert_eq!(names(&whole[..30]), [&b"a"[..], b"bc"]);
        for cut in 0..whole.len() {
            fields(&whole[..cut]);
            elements(&whole[..cut]);
            unescape(&whole[..cut]);
        }
    }

    #[test]
    fn elements_are_those_of_the_outermost_array() {
        assert_eq!(
            elements(b"[1, [2,3] ,{\"a\":[4]}]"),
            [&b"1"[..], b"[2,3]", b"{\"a\":[4]}"]
        );
        assert!(elements(b"[]").is_empty());
    }
}
