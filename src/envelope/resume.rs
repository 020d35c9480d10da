//! Where reading goes on after a broken record.
//!
//! Enters: bytes from the error on. Leaves: the next place where a record begins. What must hold:
//! it lies at or after the error, never before it: what stands before it is the well-formed
//! beginning of the broken record, and an object inside that is the record's own content, not a
//! record. After the error, what counts is `{` and then a key that records begin with, or, at the
//! start of a line, `{`: a string cannot hold a line's end, so a text cannot pass for either
//! (inside a string, quotes are escaped).

/// The longest white space between `{` and its first key.
const LONGEST_GAP: usize = 1 << 10;

/// Where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resume {
    /// A record begins at this byte.
    Record(usize),
    /// A top-level value begins at this byte, the first one of a line.
    Line(usize),
    /// Not before this byte; more is needed to tell.
    NotBefore(usize),
}

/// The beginnings that count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginnings<'a> {
    /// First keys of a record, beside `eventVersion`.
    pub known: &'a [&'a [u8]],
    /// One more, learned from the records before.
    pub learned: Option<&'a [u8]>,
    /// Records are arrays of objects.
    pub rows: bool,
}

/// Looks for a beginning from byte `from` on. `last`: no more bytes follow these.
pub(super) fn find(bytes: &[u8], from: usize, beginnings: Beginnings<'_>, last: bool) -> Resume {
    let opener = if beginnings.rows { b'[' } else { b'{' };
    let mut at = from;
    while let Some(next) = memchr::memchr2(opener, b'{', &bytes[at..]) {
        at += next;
        let is_record = if bytes[at] == opener {
            begins_record(&bytes[at + 1..], beginnings)
        } else {
            Some(false)
        };
        match is_record {
            Some(true) => return Resume::Record(at),
            None if !last => return Resume::NotBefore(at),
            _ if bytes[at] == b'{' && at > 0 && bytes[at - 1] == b'\n' => return Resume::Line(at),
            _ => at += 1,
        }
    }
    Resume::NotBefore(bytes.len())
}

/// Whether a record begins with these bytes after its opener; `None` if they are too few to tell.
fn begins_record(text: &[u8], beginnings: Beginnings<'_>) -> Option<bool> {
    let gap = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let text = &text[gap..];
    if gap > LONGEST_GAP {
        return Some(false);
    }
    let (&first, text) = text.split_first()?;
    if beginnings.rows {
        return Some(first == b'{');
    }
    if first != b'"' {
        return Some(false);
    }
    let keys = beginnings.known.iter().copied().chain(beginnings.learned);
    let keys = keys.chain([&b"eventVersion"[..]]);
    let mut undecided = false;
    for key in keys {
        match text.get(..=key.len()) {
            Some(quoted) if quoted.starts_with(key) && quoted[key.len()] == b'"' => {
                return Some(true);
            }
            None if key.starts_with(&text[..text.len().min(key.len())]) => undecided = true,
            _ => {}
        }
    }
    if undecided { None } else { Some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: Beginnings<'static> = Beginnings {
        known: &[b"id"],
        learned: Some(b"awsRegion"),
        rows: false,
    };

    fn at(text: &str) -> Resume {
        find(text.as_bytes(), 0, EVENTS, true)
    }

    #[test]
    fn a_brace_and_a_first_key_begin_a_record() {
        assert_eq!(at(r#"x},{"eventVersion":1"#), Resume::Record(3));
        assert_eq!(at("x},{ \n\"eventVersion\" :1"), Resume::Record(3));
        assert_eq!(at(r#"{"x":{"awsRegion":"#), Resume::Record(5));
        assert_eq!(at(r#"{"id""#), Resume::Record(0));
        assert_eq!(at("x\n{\"a\":1"), Resume::Line(2));
    }

    #[test]
    fn what_is_escaped_or_another_key_does_not() {
        for text in [
            r#""{\"eventVersion\":1"#,
            r#"{"eventVersionX":"#,
            r#"{"eventVersio"#,
            "{{",
            r#"{"ids":"#,
        ] {
            assert_eq!(at(text), Resume::NotBefore(text.len()), "{text}");
        }
    }

    #[test]
    fn the_search_is_the_same_however_the_text_is_cut() {
        let text = br#"x{"eventVersio":1,{"id2"},{ "eventVersion":1}"#;
        let whole = find(text, 0, EVENTS, true);
        assert_eq!(whole, Resume::Record(26));
        for cut in 0..text.len() {
            match find(&text[..cut], 0, EVENTS, false) {
                Resume::NotBefore(next) => assert_eq!(find(text, next, EVENTS, true), whole),
                found => assert_eq!(found, whole),
            }
        }
    }

    #[test]
    fn rows_begin_with_a_bracket() {
        let rows = Beginnings {
            known: &[],
            learned: None,
            rows: true,
        };
        assert_eq!(find(br#"x"}],[ {"a":1}"#, 0, rows, true), Resume::Record(5));
    }
}
