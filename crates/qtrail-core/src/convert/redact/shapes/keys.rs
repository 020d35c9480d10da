//! AWS secret access keys: 40 random characters without any mark.

use std::ops::Range;

use memchr::memmem;

use super::run_end;

/// Characters of a key.
pub(super) const LENGTH: usize = 40;
/// The fewest changes between capitals, small letters, digits and others in a key. Random characters
/// usually have 25, words and paths 10.
const CHANGES: usize = 16;
/// The same if the text also has the id of an access key.
const CHANGES_BESIDE_AN_ID: usize = 10;

pub(super) fn find(bytes: &[u8], found: &mut impl FnMut(Range<usize>)) {
    // A run of this length includes one of every `LENGTH`th byte.
    let mut at = LENGTH - 1;
    let mut beside_an_id = None;
    while at < bytes.len() {
        if !is_key(bytes[at]) {
            at += LENGTH;
            continue;
        }
        let before = bytes[at + 1 - LENGTH..at].iter().rev();
        let start = at - before.take_while(|byte| is_key(**byte)).count();
        let end = run_end(bytes, at, is_key);
        let inside = start > 0 && is_key(bytes[start - 1]);
        if !inside && end - start == LENGTH && bytes.get(end) != Some(&b'=') {
            let run = &bytes[start..end];
            let beside = *beside_an_id.get_or_insert_with(|| {
                [b"AKIA", b"ASIA"]
                    .iter()
                    .any(|id| memmem::find(bytes, *id).is_some())
            });
            let least = if beside {
                CHANGES_BESIDE_AN_ID
            } else {
                CHANGES
            };
            if is_random(run, least) {
                found(start..end);
            }
        }
        at = end + LENGTH;
    }
}

/// Whether a text holds such a key.
#[inline]
pub(in crate::convert::redact) fn is_key_in(text: &[u8]) -> bool {
    let mut found = false;
    if text.len() >= LENGTH {
        find(text, &mut |_| found = true);
    }
    found
}

fn is_key(byte: u8) -> bool {
    /// By a table, which is faster.
    static IS_KEY: [bool; 256] = {
        let (mut table, mut byte) = ([false; 256], 0);
        while byte < 256 {
            let letter = byte as u8;
            table[byte] = letter.is_ascii_alphanumeric() || matches!(letter, b'+' | b'/');
            byte += 1;
        }
        table
    };
    IS_KEY[usize::from(byte)]
}

fn is_random(run: &[u8], changes: usize) -> bool {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let has = |wanted: u8| run.iter().any(|&byte| kind(byte) == wanted);
    let changed = run.windows(2).filter(|pair| kind(pair[0]) != kind(pair[1]));
    has(0) && has(1) && has(2) && changed.count() >= changes
}
