//! A request's body: parts in the buffers that they were encoded into.
//!
//! What must hold: no part is empty; a clone shares the bytes, so that each try sends the same.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use bytes::{Buf, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;

/// Gzip shrinks OTLP to about one part in so many.
const SHRINKS: usize = 8;

/// The bytes of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestBody {
    parts: VecDeque<Bytes>,
    len: usize,
}

impl RequestBody {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The same, after other bytes.
    pub(super) fn after(mut self, first: Bytes) -> Self {
        self.len += first.len();
        if !first.is_empty() {
            self.parts.push_front(first);
        }
        self
    }

    pub(super) fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        self.parts.iter().try_for_each(|part| out.write_all(part))
    }

    /// The same, compressed with gzip.
    pub(super) fn deflated(&self) -> Vec<u8> {
        let room = Vec::with_capacity(self.len / SHRINKS);
        let mut encoder = GzEncoder::new(room, Compression::fast());
        // Writing to memory does not fail.
        let _ = self.write_to(&mut encoder);
        encoder.finish().unwrap_or_default()
    }
}

impl From<Vec<Bytes>> for RequestBody {
    fn from(parts: Vec<Bytes>) -> Self {
        let mut parts = VecDeque::from(parts);
        parts.retain(|part| !part.is_empty());
        let len = parts.iter().map(Bytes::len).sum();
        RequestBody { parts, len }
    }
}

impl From<Vec<u8>> for RequestBody {
    fn from(bytes: Vec<u8>) -> Self {
        vec![Bytes::from(bytes)].into()
    }
}

impl Buf for RequestBody {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.parts.front().map_or(&[], |part| part)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = slices.iter_mut().zip(&self.parts);
        parts
            .map(|(slice, part)| *slice = IoSlice::new(part))
            .count()
    }

    fn advance(&mut self, bytes: usize) {
        assert!(bytes <= self.len, "advances by {bytes} of {}", self.len);
        self.len -= bytes;
        let mut left = bytes;
        while let Some(part) = self.parts.front_mut().filter(|_| left > 0) {
            let taken = left.min(part.len());
            part.advance(taken);
            left -= taken;
            if part.is_empty() {
                self.parts.pop_front();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    fn body() -> RequestBody {
        let parts: [&'static [u8]; 4] = [b"bc", b"", b"d", b"efg"];
        let parts: Vec<Bytes> = parts.into_iter().map(Bytes::from_static).collect();
        RequestBody::from(parts).after(Bytes::from_static(b"a"))
    }

    #[test]
    fn it_reads_as_its_parts_joined_wherever_the_reader_stops() {
        for first in 0..=7 {
            for second in 0..=7 - first {
                let mut body = body();
                body.advance(first);
                body.advance(second);
                let mut slices = [IoSlice::new(&[]); 8];
                let filled = body.chunks_vectored(&mut slices);
                assert!(slices[..filled].iter().all(|slice| !slice.is_empty()));
                let vectored = slices[..filled].iter().flat_map(|slice| slice.iter());
                let vectored: Vec<u8> = vectored.copied().collect();
                let rest = &b"abcdefg"[first + second..];
                assert_eq!((body.len(), &vectored[..]), (rest.len(), rest));
                assert_eq!(body.chunk().is_empty(), rest.is_empty());
                assert_eq!(body.copy_to_bytes(rest.len()), rest);
            }
        }
    }

    #[test]
    fn it_is_written_and_compressed_as_a_whole() {
        let mut written = Vec::new();
        body().write_to(&mut written).unwrap();
        assert_eq!(written, b"abcdefg");
        let mut inflated = Vec::new();
        let deflated = body().deflated();
        GzDecoder::new(&deflated[..])
            .read_to_end(&mut inflated)
            .unwrap();
        assert_eq!(inflated, written);
    }
}
