//! Files of lines, each of which is on disk before it counts.
//!
//! Enters: a file that a crash may have left with half a line. Leaves: a file of whole lines. What
//! must hold: only half a line of ours is cut off, of which nothing was acknowledged.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

/// Cuts off half a line at the end of a file whose lines start with `ours`; the length that is left.
///
/// # Errors
/// The file cannot be read or cut, or ends with something that is no line of ours.
pub(crate) fn cut_half_line(file: &mut File, ours: &[u8]) -> io::Result<u64> {
    let length = file.seek(SeekFrom::End(0))?;
    let end = whole_lines(file, length)?;
    if end == length {
        return Ok(end);
    }
    let mut head = Vec::new();
    file.seek(SeekFrom::Start(end))?;
    file.take(ours.len() as u64).read_to_end(&mut head)?;
    if !ours.starts_with(&head) {
        return Err(io::Error::other(
            "its last line does not end, and is none of ours: choose another file",
        ));
    }
    file.set_len(end)?;
    Ok(end)
}

/// Where the last whole line ends.
fn whole_lines(file: &mut File, length: u64) -> io::Result<u64> {
    const BLOCK: u64 = 64 << 10;
    let mut from = length;
    let mut block = Vec::new();
    while from > 0 {
        let start = from.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        file.take(from - start).read_to_end(&mut block)?;
        if let Some(at) = memchr::memrchr(b'\n', &block) {
            return Ok(start + at as u64 + 1);
        }
        from = start;
    }
    Ok(0)
}
