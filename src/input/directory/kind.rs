//! Is a file read as a whole, or followed line by line?
//!
//! Enters: a name and the first bytes. Leaves: a [`Kind`].

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// First bytes that are looked at: a first line longer than this does not tell.
pub(super) const HEAD_BYTES: u64 = 64 * 1024;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Once it is complete; other bytes make it another file.
    Whole,
    /// From where the last reading ended; bytes may be appended for ever.
    Lines,
}

/// Decides by content (gzip; a JSON object on the first line and more after it), then by name.
pub(super) fn of(name: &OsStr, head: &[u8]) -> Kind {
    if is_gzip(head) {
        return Kind::Whole;
    }
    if named_lines(name) {
        return Kind::Lines;
    }
    match first_line(head) {
        Some(line) if !head[line.len()..].trim_ascii().is_empty() && is_object(line) => Kind::Lines,
        _ => Kind::Whole,
    }
}

/// Whether these bytes begin a gzip stream, to which further members may be appended.
pub(super) fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

/// Whether the name promises lines: `x.ndjson`, `x.jsonl`, and what rotation makes of them
/// (`x.jsonl.1`, `x.jsonl-20260101`).
pub(super) fn named_lines(name: &OsStr) -> bool {
    let name = name.as_bytes().to_ascii_lowercase();
    [b".ndjson".as_slice(), b".jsonl"].iter().any(|suffix| {
        memchr::memmem::find_iter(&name, suffix).any(|at| {
            matches!(name.get(at + suffix.len()), None | Some(b'.' | b'-' | b'_'))
                && !name.ends_with(b".gz")
        })
    })
}

/// Whether more may be appended to a file that is read as a whole: further members of gzip, or further
/// values. `bytes`: all of it, unless it is large.
pub(super) fn can_grow(name: &OsStr, head: &[u8], bytes: Option<&[u8]>) -> bool {
    if named_object(name) {
        return false;
    }
    is_gzip(head)
        || match bytes {
            Some(bytes) => may_grow(bytes) || !is_document(bytes),
            None => !head.trim_ascii_start().starts_with(b"{\"Records\""),
        }
}

/// Whether the bytes are one JSON value, a container of events: nothing is appended to that.
fn is_document(bytes: &[u8]) -> bool {
    use serde::de::IgnoredAny;
    type Members<'a> = std::collections::HashMap<std::borrow::Cow<'a, str>, IgnoredAny>;
    if bytes.trim_ascii_start().starts_with(b"[") {
        return serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    }
    let members = serde_json::from_slice::<Members<'_>>(bytes);
    members.is_ok_and(|members| !members.contains_key("eventVersion"))
}

/// Whether the name is that of a log file as CloudTrail delivers it: an object, which never grows.
pub(super) fn named_object(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let (account, rest) = name.split_at(name.len().min(12));
    account.len() == 12
        && account.iter().all(u8::is_ascii_digit)
        && rest.starts_with(b"_CloudTrail")
        && rest.ends_with(b".json.gz")
}

/// The first line with its newline.
pub(super) fn first_line(head: &[u8]) -> Option<&[u8]> {
    memchr::memchr(b'\n', head).map(|at| &head[..=at])
}

/// Whether these bytes are one line that is a JSON object, with its newline: it may yet grow into
/// lines.
pub(super) fn may_grow(head: &[u8]) -> bool {
    first_line(head).is_some_and(|line| line.len() == head.len() && is_object(line))
}

/// Whether a file is one of lines, or begins with a line that more may follow.
pub(super) fn may_be_lines(name: &OsStr, head: &[u8]) -> bool {
    of(name, head) == Kind::Lines || first_line(head).is_some_and(is_object)
}

fn is_object(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_and_name_tell_whole_files_from_lines() {
        let cases: &[(&str, &[u8], Kind)] = &[
            ("a.json", b"{\"Records\":[]}", Kind::Whole),
            ("a.json", b"{\"Records\":[]}\n", Kind::Whole),
            ("a.json", b"{\"Records\":[]}\n \n", Kind::Whole),
            ("a.json", b"{\n \"Records\":[]}\n", Kind::Whole),
            ("a.json", b"{\"a\":1}\n{\"a\":2}", Kind::Lines),
            ("a.log", b"{\"a\":1}\r\n{\"a\"", Kind::Lines),
            ("a", b"[1]\n[2]\n", Kind::Whole),
            ("a", b"not json\nmore\n", Kind::Whole),
            ("a.ndjson", b"", Kind::Lines),
            ("A.JSONL", b"{\"a\":1", Kind::Lines),
            ("a.jsonl.1", b"", Kind::Lines),
            ("a.jsonl-20260101", b"", Kind::Lines),
            ("a.jsonlx", b"", Kind::Whole),
            ("a.ndjson.gz", b"", Kind::Whole),
            ("a.ndjson", b"\x1f\x8b\x08", Kind::Whole),
        ];
        for (name, head, kind) in cases {
            assert_eq!(of(OsStr::new(name), head), *kind, "{name} {head:?}");
        }
    }

    #[test]
    fn documents_and_objects_do_not_grow() {
        let object = "111122223333_CloudTrail_us-east-1_20260101T0010Z_AbCdEfGhIjKlMnOp.json.gz";
        let insight = "111122223333_CloudTrail-Insight_us-east-1_20260101T0010Z_a.json.gz";
        let gzip: &[u8] = b"\x1f\x8b\x08";
        let cases: &[(&str, &[u8], bool)] = &[
            (object, gzip, false),
            (insight, gzip, false),
            ("1_CloudTrail_x.json.gz", gzip, true),
            ("a.json.gz", gzip, true),
            ("a.json", b"{\"Records\":[]}", false),
            ("a.json", b"{\n \"Events\":[]\n}\n", false),
            ("a.json", b" [{\"eventVersion\":\"1\"}]\n", false),
            ("a.json", b"{\"Records\":[]}\n", true),
            ("a.log", b"{\"eventVersion\":\"1\"}", true),
            ("a.log", b"{\n \"eventVersion\":\"1\"\n}\n", true),
            ("a.json", b"{\"Records\":[]}{\"Records\":[]}", true),
            ("a.log", b"2026-11-02T08:00:00.000Z {}", true),
        ];
        for (name, bytes, grows) in cases {
            let text = String::from_utf8_lossy(bytes);
            let whole = can_grow(OsStr::new(name), bytes, Some(bytes));
            assert_eq!(whole, *grows, "{name} {text}");
        }
        let large = |head: &[u8]| can_grow(OsStr::new("a.json"), head, None);
        assert!(!large(b" {\"Records\":[") && large(b"{\"eventVersion\":"));
    }

    #[test]
    fn one_whole_line_may_grow() {
        assert!(may_grow(b"{\"a\":1}\n"));
        assert!(!may_grow(b"{\"a\":1}"));
        assert!(!may_grow(b"{\"a\":1}\n\n"));
        assert!(!may_grow(b"{\n"));
    }
}
