use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::*;

/// Feeds a text in pieces; the end of the value, the byte of the error, or nothing.
fn scan(text: &[u8], piece: usize) -> Option<Result<usize, usize>> {
    let mut scanner = Scanner::new();
    let (mut at, mut end) = (0, 0);
    loop {
        match scanner.feed(&text[at..end]) {
            Progress::More(used) => at += used,
            Progress::Done(length) => return Some(Ok(at + length)),
            Progress::Error(byte, _) => return Some(Err(at + byte)),
            Progress::Container(_) => unreachable!("it was not asked to stop"),
        }
        if end == text.len() {
            return scanner.is_complete_at_end().then_some(Ok(end));
        }
        end = text.len().min(end + piece);
    }
}

/// The same by serde_json, which says where an error is by line and column.
fn oracle(text: &[u8]) -> Option<Result<usize, ()>> {
    let mut stream = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    match stream.next() {
        None => None,
        Some(Ok(_)) => Some(Ok(stream.byte_offset())),
        Some(Err(error)) if error.is_eof() => None,
        // The one check beyond the value: what follows a number or a literal.
        Some(Err(error)) if error.to_string().starts_with("trailing characters") => {
            Some(Ok(stream.byte_offset()))
        }
        Some(Err(_)) => Some(Err(())),
    }
}

fn agrees(text: &[u8]) {
    // serde_json takes a number that is cut for a wrong one; a space behind it makes it wrong.
    let text = &[text, b" "].concat()[..];
    let whole = scan(text, usize::MAX >> 1);
    for piece in [1, 2, 7] {
        assert_eq!(
            scan(text, piece),
            whole,
            "{:?}",
            String::from_utf8_lossy(text)
        );
    }
    let blind = whole.map(|result| result.map_err(|_| ()));
    assert_eq!(blind, oracle(text), "{:?}", String::from_utf8_lossy(text));
}

#[test]
fn the_grammar_is_serde_jsons() {
    for text in [
        "",
        " ",
        "{}",
        "[]",
        "[[],{}]",
        "{\"a\":1}",
        "{\"a\":1,}",
        "{,}",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\" 1}",
        "{1:2}",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "[1}",
        "{\"a\":1]",
        "}",
        "]",
        ",",
        ":",
        "0 ",
        "-0 ",
        "01",
        "-",
        "-a",
        "1.",
        "1.a",
        "1.5 ",
        "1e",
        "1e+",
        "1e+5 ",
        "1E-5]",
        "[1.5e10]",
        "true",
        "false",
        "null",
        "tru",
        "trux",
        "[nul]",
        "[true,false,null]",
        "\"",
        "\"a\"",
        "\"\\\"\"",
        "\"\\u12\"",
        "\"\\u1234\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"a\nb\"",
        "\"12345678\n\"",
        "\"1234567\u{1f}8\"",
        "\"\u{7f}\u{80}é😀\"",
        "  {\"\\u0041b\":[{\"c\":\"d\"}]}  x",
    ] {
        agrees(text.as_bytes());
    }
    agrees(b"\"\xff\xfe\"");
    agrees(format!("{{\"{}\":1}}", "k".repeat(1_000)).as_bytes());
}

proptest! {
    #[test]
    fn what_looks_like_json_is_judged_as_by_serde_json(
        text in prop::collection::vec(prop::sample::select(&b"{}[]:,\"\\ \nu0d1-+.eEtrufalsn\x00\xc3"[..]), 0..24),
    ) {
        agrees(&text);
    }

    #[test]
    fn damaged_json_is_judged_as_by_serde_json(
        numbers in prop::collection::vec(any::<f64>(), 0..4),
        text in ".{0,12}",
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let value = serde_json::json!({"a": numbers, &text: [{"b": text}, null, true]});
        let mut bytes = value.to_string().into_bytes();
        agrees(&bytes);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        agrees(&bytes);
    }
}

#[test]
fn an_error_is_where_the_text_stops_being_json() {
    for (text, at) in [
        ("{\"a\":1,{", 7),
        ("{\"a\":tru}", 8),
        ("[1 2", 3),
        ("{\"a\":\"x\ny\"}", 7),
        ("x", 0),
    ] {
        assert_eq!(scan(text.as_bytes(), 3), Some(Err(at)), "{text}");
    }
}

#[test]
fn depth_is_counted_and_bounded_without_recursion() {
    let mut scanner = Scanner::new();
    let open = vec![b'['; DEEPEST];
    assert_eq!(scanner.feed(&open), Progress::More(DEEPEST));
    assert_eq!(scanner.deepest(), DEEPEST);
    assert_eq!(scanner.feed(b"["), Progress::Error(0, "nests too deep"));
}

#[test]
fn it_stops_only_at_arrays_under_outermost_container_keys() {
    let text = br#"{"Records":{"Records":[1]},"a":{"Records":[2]},"Events":3,"Records":[4]}"#;
    let mut scanner = Scanner::new();
    scanner.restart(true);
    let at = text.len() - 4;
    assert_eq!(scanner.feed(text), Progress::Container(at));
    scanner.pass();
    assert_eq!(scanner.feed(&text[at + 3..]), Progress::Done(1));
}
