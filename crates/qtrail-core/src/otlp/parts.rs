//! Bytes in parts: joined and cut without being copied.

use std::ops::Range;

use bytes::Bytes;

/// Bytes that stand in one or more buffers, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    /// None of them is empty.
    parts: Vec<Bytes>,
    len: usize,
}

impl Parts {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.parts.iter()
    }

    pub(super) fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.len += part.len();
            self.parts.push(part);
        }
    }

    pub(super) fn append(&mut self, mut other: Parts) {
        self.len += other.len;
        self.parts.append(&mut other.parts);
    }

    /// The bytes of this range, which lies within them.
    pub(super) fn slice(&self, range: Range<usize>) -> Parts {
        let mut slice = Parts::default();
        let mut begin = 0;
        for part in &self.parts {
            if begin >= range.end {
                break;
            }
            let from = range.start.clamp(begin, begin + part.len()) - begin;
            let to = range.end.clamp(begin, begin + part.len()) - begin;
            if from < to {
                slice.push(part.slice(from..to));
            }
            begin += part.len();
        }
        slice
    }
}

impl From<Vec<u8>> for Parts {
    fn from(bytes: Vec<u8>) -> Self {
        let mut parts = Parts::default();
        parts.push(bytes.into());
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_that_of_the_joined_bytes() {
        let mut parts = Parts::from(vec![1, 2, 3]);
        parts.append(Parts::from(Vec::new()));
        parts.append(Parts::from(vec![4]));
        parts.append(Parts::from(vec![5, 6]));
        let joined = |parts: &Parts| parts.iter().flatten().copied().collect::<Vec<u8>>();
        let all = joined(&parts);
        assert_eq!((parts.len(), all.as_slice()), (6, &[1, 2, 3, 4, 5, 6][..]));
        for start in 0..=6 {
            for end in start..=6 {
                let slice = parts.slice(start..end);
                assert_eq!(joined(&slice), all[start..end], "{start}..{end}");
                assert_eq!(slice.len(), end - start);
                assert!(slice.iter().all(|part| !part.is_empty()));
            }
        }
    }
}
