//! A unit's bytes, inflated where they are gzip, within a limit.
//!
//! Enters: a reader. Leaves: inflated bytes, then at most one [`Fault`] that says why they end
//! early. What must hold: gzip is known by its magic bytes alone; several members in a row are one
//! stream, and zeros after the last one are padding; a fault costs no byte that was inflated before
//! it; the reader's own errors stay apart from what is wrong with the bytes.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};

/// Compressed bytes read at once.
const INPUT_BYTES: usize = 32 << 10;
const MAGIC: [u8; 2] = [0x1f, 0x8b];
const WINDOW_BITS: u8 = 15;

/// Why a unit's bytes end before the unit does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The compressed stream stops in the middle.
    Truncated,
    /// The compressed stream is no gzip from some point on.
    Damaged(String),
    /// The limit on inflated bytes is reached, and there is more.
    TooLarge,
}

/// What a read delivered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivered {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing more, and why if it ends early.
    End(Option<Fault>),
}

/// A reader with gzip taken off.
#[derive(Debug)]
pub(super) struct Inflate<R> {
    reader: R,
    input: Vec<u8>,
    read_ahead: usize,
    start: usize,
    end: usize,
    /// Bytes taken from the reader before `input[start]`.
    taken: u64,
    /// Inflated bytes that may still be delivered.
    left: u64,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The first bytes decide.
    Unknown,
    /// No gzip: what is in `input` first, then straight from the reader.
    Plain,
    /// Inside a gzip member.
    Member(Box<Decompress>),
    /// After a gzip member.
    Between,
    /// All that there is to deliver was delivered.
    Failed(Fault),
}

impl<R: Read> Inflate<R> {
    /// Inflates at most `limit` bytes; `input` bytes are read ahead, or fewer.
    pub(super) fn new(reader: R, input: usize, limit: u64) -> Self {
        Inflate {
            reader,
            read_ahead: input.min(INPUT_BYTES),
            input: Vec::new(),
            start: 0,
            end: 0,
            taken: 0,
            left: limit,
            stage: Stage::Unknown,
        }
    }

    /// The reader.
    pub(super) fn reader(&self) -> &R {
        &self.reader
    }

    /// Delivers the next bytes into `buffer`, which must not be empty.
    ///
    /// # Errors
    /// The reader's own.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<Delivered> {
        if self.left == 0 {
            // One byte more decides between an end at the limit and one beyond it.
            let end = self.inflate(&mut [0])?;
            if let Delivered::Bytes(_) = end {
                self.stage = Stage::Failed(Fault::TooLarge);
                return Ok(Delivered::End(Some(Fault::TooLarge)));
            }
            return Ok(end);
        }
        let room = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let delivered = self.inflate(&mut buffer[..room])?;
        if let Delivered::Bytes(count) = delivered {
            self.left -= count as u64;
        }
        Ok(delivered)
    }

    fn inflate(&mut self, buffer: &mut [u8]) -> io::Result<Delivered> {
        loop {
            match &mut self.stage {
                Stage::Unknown => {
                    while self.available().len() < MAGIC.len() && self.more()? {}
                    if self.available().starts_with(&MAGIC) {
                        self.begin_member();
                    } else {
                        self.stage = Stage::Plain;
                    }
                }
                Stage::Failed(fault) => return Ok(Delivered::End(Some(fault.clone()))),
                Stage::Plain => return self.plain(buffer),
                Stage::Between => {
                    if let Some(end) = self.between()? {
                        return Ok(end);
                    }
                    self.begin_member();
                }
                Stage::Member(member) => {
                    let (before_in, before_out) = (member.total_in(), member.total_out());
                    let input = &self.input[self.start..self.end];
                    let status = member.decompress(input, buffer, FlushDecompress::None);
                    let used = (member.total_in() - before_in) as usize;
                    let made = (member.total_out() - before_out) as usize;
                    self.start += used;
                    self.taken += used as u64;
                    match status {
                        Err(error) => {
                            let detail = format!("{error} at compressed byte {}", self.taken);
                            self.stage = Stage::Failed(Fault::Damaged(detail));
                        }
                        Ok(Status::StreamEnd) => self.stage = Stage::Between,
                        Ok(Status::Ok | Status::BufError) => {
                            if made == 0 && self.start == self.end && !self.more()? {
                                return Ok(Delivered::End(Some(Fault::Truncated)));
                            }
                        }
                    }
                    if made > 0 {
                        return Ok(Delivered::Bytes(made));
                    }
                }
            }
        }
    }

    fn begin_member(&mut self) {
        self.stage = Stage::Member(Box::new(Decompress::new_gzip(WINDOW_BITS)));
    }

    fn plain(&mut self, buffer: &mut [u8]) -> io::Result<Delivered> {
        let first = self.available();
        if !first.is_empty() {
            let count = first.len().min(buffer.len());
            buffer[..count].copy_from_slice(&first[..count]);
            self.start += count;
            return Ok(Delivered::Bytes(count));
        }
        Ok(match retry(|| self.reader.read(buffer))? {
            0 => Delivered::End(None),
            count => Delivered::Bytes(count),
        })
    }

    /// What follows a member: another one (`None`), or the end.
    fn between(&mut self) -> io::Result<Option<Delivered>> {
        loop {
            let zeros = self.available().iter().take_while(|&&b| b == 0).count();
            self.start += zeros;
            self.taken += zeros as u64;
            let next = self.available();
            if next.starts_with(&MAGIC) {
                return Ok(None);
            }
            if !next.is_empty() && !MAGIC.starts_with(next) {
                let detail = format!(
                    "what follows the last gzip member at compressed byte {} is none",
                    self.taken
                );
                return Ok(Some(Delivered::End(Some(Fault::Damaged(detail)))));
            }
            if !self.more()? {
                let cut = !self.available().is_empty();
                return Ok(Some(Delivered::End(cut.then_some(Fault::Truncated))));
            }
        }
    }

    fn available(&self) -> &[u8] {
        &self.input[self.start..self.end]
    }

    /// Reads more input behind what is there; `false` at the end.
    fn more(&mut self) -> io::Result<bool> {
        if self.input.is_empty() {
            self.input = vec![0; self.read_ahead];
        }
        if self.start > 0 {
            self.input.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let count = retry(|| self.reader.read(&mut self.input[self.end..]))?;
        self.end += count;
        Ok(count > 0)
    }
}

fn retry(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn all(unit: &[u8], limit: u64) -> (Vec<u8>, Option<Fault>) {
        let mut inflate = Inflate::new(unit, INPUT_BYTES, limit);
        let (mut out, mut buffer) = (Vec::new(), [0; 7]);
        loop {
            match inflate.read(&mut buffer).unwrap() {
                Delivered::Bytes(count) => out.extend_from_slice(&buffer[..count]),
                Delivered::End(fault) => return (out, fault),
            }
        }
    }

    #[test]
    fn plain_bytes_pass_unchanged() {
        for text in [&b""[..], b"\x1f", b"\x1fx", b"{\"Records\":[]}"] {
            assert_eq!(all(text, 100), (text.to_vec(), None));
        }
    }

    #[test]
    fn members_in_a_row_are_one_stream_even_when_they_are_equal() {
        let unit = [gzip(b"same"), gzip(b"same"), gzip(b""), gzip(b"last")].concat();
        assert_eq!(all(&unit, 100), (b"samesamelast".to_vec(), None));
    }

    #[test]
    fn zeros_after_the_last_member_are_padding() {
        let unit = [gzip(b"text"), vec![0; 100_000]].concat();
        assert_eq!(all(&unit, 100), (b"text".to_vec(), None));
    }

    #[test]
    fn garbage_after_the_last_member_is_a_fault_that_names_the_byte() {
        let member = gzip(b"text");
        let unit = [&member[..], b"garbage"].concat();
        let (out, fault) = all(&unit, 100);
        assert_eq!(out, b"text");
        let Some(Fault::Damaged(detail)) = fault else {
            panic!("{fault:?}");
        };
        assert!(
            detail.contains(&format!("byte {} ", member.len())),
            "{detail}"
        );
    }

    #[test]
    fn every_cut_is_a_truncation_and_keeps_what_came_before() {
        let content: Vec<u8> = (0..2_000u32).flat_map(u32::to_le_bytes).collect();
        let unit = gzip(&content);
        let mut longest = 0;
        for cut in 2..unit.len() {
            let (out, fault) = all(&unit[..cut], u64::MAX);
            assert_eq!(fault, Some(Fault::Truncated), "cut at {cut}");
            assert!(content.starts_with(&out));
            longest = longest.max(out.len());
        }
        assert_eq!(longest, content.len());
    }

    #[test]
    fn a_wrong_checksum_is_damage() {
        let mut unit = gzip(b"some text");
        let checksum = unit.len() - 8;
        unit[checksum] ^= 1;
        let (out, fault) = all(&unit, 100);
        assert_eq!(out, b"some text");
        assert!(matches!(fault, Some(Fault::Damaged(_))), "{fault:?}");
    }

    #[test]
    fn the_limit_is_on_inflated_bytes_and_exact() {
        let bomb = gzip(&vec![b' '; 1 << 20]);
        assert!(bomb.len() < 2_000);
        let (out, fault) = all(&bomb, 1_000);
        assert_eq!((out.len(), fault), (1_000, Some(Fault::TooLarge)));
        let (out, fault) = all(&bomb, 1 << 20);
        assert_eq!((out.len(), fault), (1 << 20, None));
        let (out, fault) = all(b"plain", 4);
        assert_eq!((out.len(), fault), (4, Some(Fault::TooLarge)));
    }
}
