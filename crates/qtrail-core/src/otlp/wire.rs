//! A small protobuf writer.
//!
//! Keys are single bytes (`number << 3 | wire type`), which fields up to number 15 have. A message of
//! unknown length is opened with a gap for its expected length; if the real length needs another
//! number of bytes, closing moves the message by a byte or two.

/// A message whose length is still to be written.
#[derive(Debug)]
#[must_use]
pub(super) struct Open {
    at: usize,
    gap: usize,
}

/// Writes a number in groups of seven bits.
pub(super) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// How many bytes [`varint`] takes.
pub(super) fn varint_len(number: u64) -> usize {
    ((number | 1).ilog2() / 7 + 1) as usize
}

/// Writes a string, bytes, or an encoded message as a field.
pub(super) fn bytes(out: &mut Vec<u8>, key: u8, content: &[u8]) {
    header(out, key, content.len());
    out.extend_from_slice(content);
}

/// Writes what comes before a message of known length.
#[inline]
pub(super) fn header(out: &mut Vec<u8>, key: u8, length: usize) {
    match length {
        0..0x80 => out.extend_from_slice(&[key, length as u8]),
        0x80..0x4000 => {
            out.extend_from_slice(&[key, length as u8 | 0x80, (length >> 7) as u8]);
        }
        _ => {
            out.push(key);
            varint(out, length as u64);
        }
    }
}

/// How many bytes [`bytes`] takes.
pub(super) fn bytes_len(content: usize) -> usize {
    1 + varint_len(content as u64) + content
}

/// Writes a field of eight bytes.
pub(super) fn fixed64(out: &mut Vec<u8>, key: u8, number: u64) {
    let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
    out.extend_from_slice(&[key, a, b, c, d, e, f, g, h]);
}

/// Writes a field of four bytes.
pub(super) fn fixed32(out: &mut Vec<u8>, key: u8, number: u32) {
    let [a, b, c, d] = number.to_le_bytes();
    out.extend_from_slice(&[key, a, b, c, d]);
}

/// Opens a message of about `expected` bytes.
pub(super) fn open(out: &mut Vec<u8>, key: u8, expected: usize) -> Open {
    out.push(key);
    let open = Open {
        at: out.len(),
        gap: varint_len(expected as u64),
    };
    out.resize(open.at + open.gap, 0);
    open
}

/// Closes the message that was opened last.
pub(super) fn close(out: &mut Vec<u8>, Open { at, gap }: Open) {
    let start = at + gap;
    let end = out.len();
    let mut length = (end - start) as u64;
    let needed = varint_len(length);
    if needed > gap {
        out.resize(end + needed - gap, 0);
    }
    if needed != gap {
        out.copy_within(start..end, at + needed);
        out.truncate(end - gap + needed);
    }
    for byte in &mut out[at..at + needed] {
        *byte = length as u8 | 0x80;
        length >>= 7;
    }
    out[at + needed - 1] &= 0x7f;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_decodes_whatever_its_expected_length_was() {
        for length in [0, 1, 127, 128, 129, 16_383, 16_384, 16_385, 2_097_152] {
            let content: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let mut known = vec![7];
            bytes(&mut known, 0x0a, &content);
            assert_eq!(known.len(), 1 + bytes_len(length));
            for expected in [0, 127, 128, 16_384, 3_000_000] {
                let mut out = vec![7];
                let message = open(&mut out, 0x0a, expected);
                out.extend_from_slice(&content);
                close(&mut out, message);
                assert!(out == known, "{length} bytes, {expected} expected");
            }
        }
    }

    #[test]
    fn varint_len_is_what_varint_takes() {
        for shift in 0..64 {
            for number in [(1_u64 << shift) - 1, 1 << shift, u64::MAX >> shift] {
                let mut out = Vec::new();
                varint(&mut out, number);
                assert_eq!(out.len(), varint_len(number), "{number}");
            }
        }
    }
}
