//! A bound on the work for one record.

/// Bytes of decoded text (JSON in a text, `%41`, `\u0041`, base64) that are looked at for each byte
/// of a record.
const BYTES_A_BYTE: usize = 8;
/// The same for any record.
const BYTES: usize = 256 << 10;

/// How much decoded text may still be looked at in one record. Where it is used up, what would have
/// to be decoded is hidden.
#[derive(Debug, Default)]
pub(super) struct Work {
    left: usize,
}

impl Work {
    /// For a record of so many bytes.
    pub(super) fn for_record(bytes: usize) -> Self {
        Work {
            left: BYTES + BYTES_A_BYTE * bytes,
        }
    }

    /// Whether so many more bytes may be looked at. Once they may not, nothing more may.
    pub(super) fn may_take(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => self.left = 0,
        }
        self.left > 0
    }

    #[cfg(test)]
    pub(super) fn left(&self) -> usize {
        self.left
    }
}
