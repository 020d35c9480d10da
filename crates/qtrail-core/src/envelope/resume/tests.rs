use super::*;
use crate::envelope::scan::{Progress, Scanner};

const RECORDS: Around = Around {
    brackets: &[false, true],
    opener: b'{',
};

/// Reads the value that `text` begins with up to its error, and looks for where to go on.
fn next_of(text: &str, around: Around, ends: Ends, piece: usize) -> Next {
    let mut scanner = Scanner::new();
    let Progress::Error(at, _) = scanner.feed(text.as_bytes()) else {
        panic!("no error in {text}");
    };
    let (read, rest) = text.as_bytes().split_at(at);
    let mut search = Search::new(scanner.outline(), read, rest[0], around, ends, None);
    let mut from = at as u64;
    for bytes in rest.chunks(piece) {
        if let Some(next) = search.feed(bytes, from) {
            return next;
        }
        from += bytes.len() as u64;
    }
    search.end(from)
}

/// The text from where reading goes on, in a log file's records.
fn rest(text: &str) -> Option<&str> {
    let ends = Ends::Brackets { or_line: true };
    let next = next_of(text, RECORDS, ends, usize::MAX);
    for piece in [1, 2, 7] {
        assert_eq!(next_of(text, RECORDS, ends, piece), next, "{text}");
    }
    match next {
        Next::Inside { at, .. } | Next::Line { at, .. } => Some(&text[at as usize..]),
        Next::Nowhere { .. } => None,
    }
}

#[test]
fn reading_goes_on_with_the_record_behind_the_broken_one() {
    for broken in [
        r#"{"a":"\q","b":[{"c":1}]}"#,
        r#"{"a":"\u12","b":[{"c":1}]}"#,
        "{\"a\":\"\u{1}\",\"b\":[{\"c\":1}]}",
        "{\"a\":\"\n\",\"b\":[{\"c\":1}]}",
        r#"{"a":1 "b":[{"c":1}]}"#,
        r#"{"a" 1,"b":[{"c":1}]}"#,
        r#"{"a":[{"b":1} {"c":1}]}"#,
        r#"{"a":01,"b":[{"c":1}]}"#,
        r#"{"a":tru,"b":[{"c":1}]}"#,
        r#"{"a":,"b":[{"c":1}]}"#,
        r#"{"a":"x,"b":[{"c":1}]}"#,
        r#"{"a":x","b":[{"c":1}]}"#,
        r#"{a":"x","b":[{"c":1}]}"#,
        r#"{"a":{"b":"x},"c":[{"d":1}],"e":1}"#,
        r#"{"a":{"b":1,"c":[{"d":1}]}"#,
        r#"{"a":[1,"b":[{"c":1}],"d":1}"#,
        r#"{"a":{"b":1]},"c":[{"d":1}]}"#,
        r#"{"a":"b":1},"c":[{"d":1}]}"#,
        r#"{"a":1],"b":[{"c":1}]}"#,
        r#"{"a":{{"b":1},"c":[{"d":1}]}"#,
        r#"{"a":1\,"b":[{"c":1}]}"#,
    ] {
        let text = format!(r#"{broken},{{"next":1}}]}}"#);
        assert_eq!(rest(&text), Some(r#"{"next":1}]}"#), "{text}");
    }
}

#[test]
fn what_does_not_close_the_container_exactly_is_no_place_to_go_on() {
    for text in [
        // Cut off, at worst where it looks as if it were not.
        r#"{"a":"\q","b":{"c":[{"d":1}]}"#,
        r#"{"a":"\q","b":{"c":[{"d":1},{"e":1}]}"#,
        r#"{"a":"x,"b":{"c":[{"d":1}]}"#,
        r#"{"a":"\q"},{"b":1},{"c":"#,
        r#"{"a":"\q"},{"b":1}]"#,
        // More than one container.
        r#"{"a":"\q"},{"b":1}]}]}"#,
        r#"{"a":"\q"},{"b":1}]},"c":1"#,
    ] {
        assert_eq!(rest(text), None, "{text}");
    }
}

#[test]
fn a_later_record_that_is_broken_costs_itself() {
    let next = r#"{"next":1},{"a":tru,"b":undefined,"\q" 1},{"c":1}]}"#;
    assert_eq!(rest(&format!(r#"{{"a":1 "b":1}},{next}"#)), Some(next));
}

#[test]
fn the_containers_end_is_a_place_to_go_on() {
    assert_eq!(
        rest(r#"{"a":tru}],"more":{"b":1}}"#),
        Some(r#"],"more":{"b":1}}"#)
    );
    assert_eq!(rest("{\"a\":tru}]}\n{\"b\":1}"), Some("]}\n{\"b\":1}"));
}

#[test]
fn where_the_container_is_cut_its_line_ends_it() {
    assert_eq!(rest("{\"a\":\"x\n{\"b\":[1]}\n"), Some("{\"b\":[1]}\n"));
    assert_eq!(rest("{\"a\":[1\n{\"b\":1},2]},\n"), None);
}

#[test]
fn a_line_is_a_container_of_its_own() {
    let line = |text: &'static str| {
        let top = Around {
            brackets: &[],
            opener: b'{',
        };
        let next = next_of(text, top, Ends::Line { over: false }, usize::MAX);
        match next {
            Next::Inside { at, .. } | Next::Line { at, .. } => Some(&text[at as usize..]),
            Next::Nowhere { .. } => None,
        }
    };
    assert_eq!(line("{\"a\":tru}\n{\"b\":1}"), Some("{\"b\":1}"));
    assert_eq!(line("{\"a\":tru}{\"b\":1}\nx"), Some("{\"b\":1}\nx"));
    assert_eq!(line("{\"a\":\"x\n{\"b\":1}\n"), Some("{\"b\":1}\n"));
    assert_eq!(line("x\n\"{}\""), Some("\"{}\""));
    assert_eq!(line("x\ny\n{\"b\":1}\n"), Some("{\"b\":1}\n"));
    // The line is not whole.
    assert_eq!(line("{\"a\":\"x\n{\"b\":1}]}\n"), None);
    assert_eq!(line("{\"a\":tru,\"b\":[{\"c\":1}"), None);
}
