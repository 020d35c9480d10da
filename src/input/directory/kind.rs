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
    if head.starts_with(&[0x1f, 0x8b]) {
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
    fn one_whole_line_may_grow() {
        assert!(may_grow(b"{\"a\":1}\n"));
        assert!(!may_grow(b"{\"a\":1}"));
        assert!(!may_grow(b"{\"a\":1}\n\n"));
        assert!(!may_grow(b"{\n"));
    }
}
