//! A bound on the work for one record.

/// Bytes of decoded text (JSON in a text, `%41`, `\u0041`, base64) to search per byte of a record.
const BYTES_A_BYTE: usize = 8;
/// The same for a record of any size.
const BYTES: usize = 256 << 10;

/// How much decoded text may still be searched in one record. Once it is used up, every text that needs
/// decoding is hidden.
#[derive(Debug, Default)]
pub(super) struct Work {
    left: usize,
}

impl Work {
    /// The budget for a record of this many bytes.
    pub(super) fn for_record(bytes: usize) -> Self {
        Work {
            left: BYTES + BYTES_A_BYTE * bytes,
        }
    }

    /// Takes this many bytes from the budget. `false` once it is used up, and from then on.
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
