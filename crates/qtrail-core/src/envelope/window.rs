//! A sliding window over a unit's inflated bytes.
//!
//! Enters: a reader. Leaves: slices, addressed by their offset in the unit. What must hold: bytes before
//! the released offset are dropped, so the memory is that of the longest piece in use, plus one read.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use super::again::{Again, Ahead};
use super::gzip::{Inflate, Inflated, StreamError};

/// The window's first size; it doubles until the bytes in use fit.
pub(super) const FIRST_BYTES: usize = 128 << 10;

/// A window must grow beyond its limit. Once the limit is higher, the same call succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a window of {bytes} bytes is wanted")]
pub(super) struct WantsWindow {
    /// Bytes that it wants.
    pub(super) bytes: usize,
}

#[derive(Debug)]
pub(super) struct Window<R> {
    source: Inflate<R>,
    buffer: Vec<u8>,
    /// The bytes in use are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// Offset in the unit of `buffer[0]`.
    base: u64,
    /// Bytes that `buffer` may have.
    most: usize,
    ended: bool,
    error: Option<StreamError>,
    /// Bytes beyond the window.
    ahead: Option<Ahead>,
    limit: u64,
    /// Of all bytes that were read, if it is wanted.
    hash: Option<Sha256>,
    /// All bytes were read.
    whole: bool,
}

impl<R: Read> Window<R> {
    /// A window that starts with room for `first` bytes and inflates at most `limit`.
    pub(super) fn new(reader: R, first: usize, limit: u64) -> Self {
        Window {
            source: Inflate::new(reader, first.max(64), limit),
            buffer: vec![0; first.max(64)],
            start: 0,
            end: 0,
            base: 0,
            most: usize::MAX,
            ended: false,
            error: None,
            ahead: None,
            limit,
            hash: None,
            whole: false,
        }
    }

    /// What it reads from.
    pub(super) fn reader(&self) -> &R {
        self.source.reader()
    }

    /// Sets the way to read the bytes a second time.
    pub(super) fn set_again(&mut self, again: Again) {
        self.ahead = Some(Ahead::new(again, self.limit));
    }

    /// From now on, hashes what is read. Nothing was read yet.
    pub(super) fn hash(&mut self) {
        self.hash = Some(Sha256::new());
    }

    /// The SHA-256 of all bytes, if it was wanted and they were read to their end.
    pub(super) fn sha256(&mut self) -> Option<[u8; 32]> {
        let hash = self.hash.take()?;
        self.whole.then(|| hash.finalize().into())
    }

    /// Offset of the first byte not yet read.
    pub(super) fn end(&self) -> u64 {
        self.base + self.end as u64
    }

    /// Bytes that were inflated so far, with those of gzip around gzip.
    pub(super) fn spent(&self) -> u64 {
        self.end() + self.source.on_the_way()
    }

    /// The bytes from an offset, not yet released, to the end of the window.
    pub(super) fn from(&self, offset: u64) -> &[u8] {
        &self.buffer[self.index(offset)..self.end]
    }

    /// The bytes between two offsets, not yet released.
    pub(super) fn slice(&self, from: u64, to: u64) -> &[u8] {
        &self.buffer[self.index(from)..self.index(to)]
    }

    /// Sets the largest size.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.most = bytes;
    }

    /// Drops the bytes before an offset.
    pub(super) fn release(&mut self, offset: u64) {
        self.start = self.index(offset);
    }

    /// Reads more; `false` at the end.
    ///
    /// # Errors
    /// The reader's own, and [`WantsWindow`].
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.make_room()?;
        let (end, room) = (self.end(), &mut self.buffer[self.end..]);
        if let Some(ahead) = &mut self.ahead
            && let Some(count) = ahead.read(end, room)?
        {
            self.take(count);
            return Ok(true);
        }
        match self.source.read(room)? {
            Inflated::Bytes(count) => {
                self.take(count);
                Ok(true)
            }
            Inflated::End(error) => {
                self.ended = true;
                self.whole = error.is_none();
                self.error = error;
                Ok(false)
            }
        }
    }

    /// Takes bytes that were read behind the window's end.
    fn take(&mut self, count: usize) {
        let end = self.end + count;
        if let Some(hash) = &mut self.hash {
            hash.update(&self.buffer[self.end..end]);
        }
        self.end = end;
    }

    /// The bytes at `at`, none at the end, without releasing any. They are buffered up to `hold`; `None`: the
    /// bytes beyond that cannot be read twice.
    ///
    /// # Errors
    /// The reader's own.
    pub(super) fn look(&mut self, at: u64, hold: u64) -> io::Result<Option<&[u8]>> {
        while at >= self.end() && self.end() < hold {
            if !self.fill()? {
                return Ok(Some(&[]));
            }
        }
        let read = self.end();
        if self.ahead.is_none() && at >= hold {
            // The answer must not depend on how far the window has read.
            let more = read > hold || self.fill()?;
            return Ok((!more).then_some(&[]));
        }
        if at < read {
            let bytes = self.from(at);
            return Ok(Some(match self.ahead {
                None => &bytes[..bytes.len().min((hold - at) as usize)],
                Some(_) => bytes,
            }));
        }
        match &mut self.ahead {
            Some(ahead) if !self.ended => ahead.look(at, &mut self.source, read).map(Some),
            _ => Ok(Some(&[])),
        }
    }

    /// Whether the bytes end because a compressed stream does. Known when `fill` answered `false`.
    pub(super) fn is_cut(&self) -> bool {
        self.error == Some(StreamError::Truncated)
    }

    /// Why the bytes end early, once. Known when `fill` answered `false`.
    pub(super) fn take_error(&mut self) -> Option<StreamError> {
        self.error.take()
    }

    /// Bytes of memory that the window takes.
    pub(super) fn capacity(&self) -> usize {
        self.buffer.len() + self.ahead.as_ref().map_or(0, Ahead::capacity)
    }

    fn index(&self, offset: u64) -> usize {
        debug_assert!(offset >= self.base && offset <= self.end());
        (offset - self.base) as usize
    }

    fn make_room(&mut self) -> io::Result<()> {
        if self.start == self.end {
            self.base += self.start as u64;
            (self.start, self.end) = (0, 0);
        }
        if self.buffer.len() - self.end >= self.buffer.len() / 4 {
            return Ok(());
        }
        let used = self.end - self.start;
        if used > self.buffer.len() / 2 {
            let bytes = self.buffer.len() * 2;
            if bytes > self.most {
                return Err(io::Error::other(WantsWindow { bytes }));
            }
            self.buffer.resize(bytes, 0);
        } else {
            self.buffer.copy_within(self.start..self.end, 0);
            self.base += self.start as u64;
            (self.start, self.end) = (0, used);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_stays_readable_and_the_rest_is_forgotten() {
        let unit: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let mut window = Window::new(&unit[..], 64, u64::MAX);
        let mut from = 0;
        while window.fill().unwrap() {
            assert_eq!(
                window.from(from),
                &unit[from as usize..window.end() as usize]
            );
            if window.end() - from > 1_000 {
                from = window.end() - 10;
                window.release(from);
            }
        }
        assert_eq!(window.end(), 100_000);
        assert!(window.capacity() <= 8_192, "{}", window.capacity());
    }

    #[test]
    fn bytes_have_a_hash_if_it_was_wanted_and_all_were_read() {
        let unit: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let hash = |limit, wanted, reads| {
            let mut window = Window::new(&unit[..], 64, limit);
            if wanted {
                window.hash();
            }
            for _ in 0..reads {
                window.release(window.end());
                window.fill().unwrap();
            }
            window.sha256()
        };
        let expected: [u8; 32] = Sha256::digest(&unit).into();
        assert_eq!(hash(u64::MAX, true, 1000), Some(expected));
        assert_eq!(hash(u64::MAX, false, 1000), None);
        assert_eq!(hash(u64::MAX, true, 3), None, "not all were read");
        assert_eq!(
            hash(9_999, true, 1000),
            None,
            "there are more than may be read"
        );
    }

    #[test]
    fn a_window_that_must_not_grow_asks_and_goes_on_once_it_may() {
        let unit: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let mut window = Window::new(&unit[..], 64, u64::MAX);
        window.allow(64);
        let mut asked = Vec::new();
        loop {
            match window.fill() {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    let wanted = error.get_ref().unwrap().downcast_ref::<WantsWindow>();
                    asked.push(wanted.unwrap().bytes);
                    assert!(window.fill().is_err(), "it was not allowed");
                    window.allow(wanted.unwrap().bytes);
                }
            }
        }
        assert_eq!(window.from(0), unit);
        assert_eq!(asked.first(), Some(&128));
        assert!(asked.is_sorted() && *asked.last().unwrap() >= unit.len());
    }
}
