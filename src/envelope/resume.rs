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
    let Some((&first, text)) = text.split_first() else {
        return None;
    };
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
