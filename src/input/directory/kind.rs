//! Is a file read as a whole, or followed line by line?
//!
//! Enters: a name and the first bytes. Leaves: a [`Kind`].

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use qtrail_core::envelope;

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
    envelope::is_gzip(head)
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

/// What the JSON objects begin with that hold events, and to which nothing is appended.
const DOCUMENTS: [&[u8]; 10] = [
    b"Records",
    b"records",
    b"Events",
    b"events",
    b"QueryResultRows",
    b"ResultSet",
    b"awsAccountId",
    b"results",
    b"sessionResults",
    b"sessionUpdate",
];
/// Inflated bytes in which a document's first key stands.
const FIRST_KEY_BYTES: usize = 1024;

/// Whether more may be appended to a file that is read as a whole: further values, or members of gzip
/// that hold such. `bytes`: all of it, unless it is large.
pub(super) fn can_grow(head: &[u8], bytes: Option<&[u8]>) -> bool {
    if is_gzip(head) {
        return !begins_document(&envelope::beginning(head, FIRST_KEY_BYTES));
    }
    match bytes {
        Some(bytes) => may_grow(bytes) || !is_document(bytes),
        None => !begins_document(head),
    }
}

/// Whether the bytes are one JSON value that holds events.
fn is_document(bytes: &[u8]) -> bool {
    begins_document(bytes) && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn begins_document(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let key = text.strip_prefix(b"{").map(<[u8]>::trim_ascii_start);
    let key = key.and_then(|key| key.strip_prefix(b"\""));
    let is =
        |key: &[u8], known: &[u8]| key.starts_with(known) && key.get(known.len()) == Some(&b'"');
    text.starts_with(b"[") || key.is_some_and(|key| DOCUMENTS.iter().any(|known| is(key, known)))
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

/// Whether a line is an object, also as text of JSON's, or behind the time of a log line.
fn is_object(line: &[u8]) -> bool {
    let line = envelope::object_in_log_line(line).unwrap_or(line);
    let start = line.trim_ascii_start();
    (start.starts_with(b"{") || start.starts_with(b"\"{"))
        && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

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
            (
                "a.log",
                b"2026-11-02T08:00:00.000Z {\"a\":1}\n2026",
                Kind::Lines,
            ),
            (
                "a.log",
                b"2026-11-02T08:00:00Z s {\"a\":1}\n2026",
                Kind::Lines,
            ),
            (
                "a.log",
                b"2026-11-02T08:00:00Z s {\n\"a\":1}\n2026",
                Kind::Whole,
            ),
            ("a.log", b"\"{\\\"a\\\":1}\"\n\"{", Kind::Lines),
            ("a.log", b"\"text\"\n\"{", Kind::Whole),
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

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn documents_do_not_grow_and_lines_do() {
        let documents: [&[u8]; 6] = [
            b"{\"events\":[{\"message\":\"{}\"}]}",
            b"{\"results\":[]}",
            b"{\"Records\":[]}",
            b"{\n \"Events\":[]\n}\n",
            b" [{\"eventVersion\":\"1\"}]\n",
            b"{\"awsAccountId\":\"1\",\"logFiles\":[]}",
        ];
        let lines: [&[u8]; 6] = [
            b"\"{\\\"eventVersion\\\":1}\"\n",
            b"2026-11-02T08:00:00Z stream {}\n",
            b"{\"eventVersion\":\"1\"}",
            b"{\n \"eventVersion\":\"1\"\n}\n",
            b"{\"eventVersion\":\"1\"}\n{\"eventVersion\":\"1\"}\n",
            b"2026-11-02T08:00:00.000Z {}",
        ];
        for (texts, grow) in [(documents, false), (lines, true)] {
            for text in texts {
                let shown = String::from_utf8_lossy(text);
                assert_eq!(can_grow(text, Some(text)), grow, "{shown}");
                let compressed = gzip(text);
                assert_eq!(can_grow(&compressed, None), grow, "{shown}, compressed");
                let twice = gzip(&compressed);
                assert_eq!(can_grow(&twice, None), grow, "{shown}, twice");
                let large = can_grow(text, None);
                assert_eq!(large, grow, "{shown}, large");
            }
        }
        for text in [
            &b"{\"Records\":[]}\n"[..],
            b"{\"Records\":[]}{\"Records\":[]}",
        ] {
            assert!(can_grow(text, Some(text)));
        }
    }

    #[test]
    fn one_whole_line_may_grow() {
        assert!(may_grow(b"{\"a\":1}\n"));
        assert!(!may_grow(b"{\"a\":1}"));
        assert!(!may_grow(b"{\"a\":1}\n\n"));
        assert!(!may_grow(b"{\n"));
    }
}
