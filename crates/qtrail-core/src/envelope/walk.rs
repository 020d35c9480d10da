//! Finds the values in the places where events are: at the top level, or in a container.
//!
//! Enters: a reader. Leaves: [`Element`], one value at a time, in the order of the bytes. What must
//! hold: a container of any size is walked in a bounded window; a value counts only if the bytes behind
//! it may follow a value (else, a brace too many in the middle of a record would make its first half
//! a record); after an error, reading resumes as [`super::resume`] says.
//!
//! Each phase changes `self` only once the bytes that it needs are there, so that an error of the reader
//! loses nothing.

mod bytes;
mod enter;
mod follow;
mod lost;

use std::cell::Cell;
use std::io::{self, Read};

use super::Skipped;
use super::again::Again;
use super::containers::Container;
use super::keys::Keys;
use super::outline::Outline;
use super::piece::Piece;
use super::resume::Next;
use super::scan::{DEEPEST, Progress, Scanner};
use super::window::Window;
use crate::json::is_space;
use crate::reject::{Evidence, Reason};
use lost::Broken;

/// What CloudTrail writes to a topic when it is set up.
const VALIDATION_MESSAGE: &[u8] = b"CloudTrail validation message.";
/// What the base64 text of a gzip stream begins with.
const GZIP_IN_BASE64: &[u8] = b"H4sI";
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What a walk finds. Offsets count the walk's own inflated bytes.
#[derive(Debug)]
pub(super) enum Element {
    /// A well-formed value; its bytes are in the window.
    Value(Value),
    /// A text in base64, without quotes; its bytes are in the window.
    Base64(u64, u64),
    /// Bytes that cannot be read.
    Reject {
        start: u64,
        end: u64,
        reason: Reason,
        evidence: Evidence,
    },
    /// Something known, without events.
    Skipped(Skipped),
    /// Nothing more.
    End,
}

/// A well-formed value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Value {
    pub start: u64,
    pub end: u64,
    pub keys: Keys,
    pub deepest: usize,
    pub within: Option<Container>,
}

/// A container that is being walked.
#[derive(Debug)]
struct Frame {
    container: Container,
    /// The object around it, which continues behind the array.
    object: Option<Scanner>,
    /// A line has ended in it, outside its elements.
    lines: bool,
    /// Its elements are not CloudTrail's.
    ignored: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Start,
    /// Between top-level values.
    Top,
    /// Between the elements of a container.
    Between,
    /// Inside a value.
    Value,
    /// After a value: what follows decides whether it counts.
    Follow,
    /// Inside a top-level text in base64.
    Base64,
    /// Looking for the next record after an error.
    Resume,
    /// Moving on to that record.
    Lost(u64, Next),
    /// At the end; the error of the compressed stream is reported next.
    StreamError,
    End,
}

/// Bounds on a walk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The longest value that is buffered as a whole.
    pub value_bytes: usize,
    /// The longest evidence that is kept.
    pub evidence_bytes: usize,
    /// Inflated bytes.
    pub inflated_bytes: u64,
}

#[derive(Debug)]
pub(super) struct Walk<R> {
    window: Window<R>,
    bounds: Bounds,
    phase: Phase,
    frame: Option<Frame>,
    /// The container of a broken record, behind which reading resumed at a line. Its end may still come.
    left_container: Option<Frame>,
    scanner: Scanner,
    /// The first byte not yet processed.
    at: u64,
    /// The value, or the broken piece, that is being read.
    piece: Piece,
    /// Where the top-level value began.
    top: u64,
    /// A container was entered in the top-level object.
    entered: bool,
    /// The top-level object was recognized as this.
    known: Option<Skipped>,
    /// The broken value, and the search for the next record.
    broken: Option<Broken>,
    /// Up to here, strings and brackets are known to be balanced.
    proven: u64,
    /// The last element is a reject that more bytes might change.
    cut: bool,
    /// The unit has more than white space.
    has_content: bool,
}

impl<R: Read> Walk<R> {
    pub(super) fn new(reader: R, first: usize, bounds: Bounds) -> Self {
        Walk {
            window: Window::new(reader, first, bounds.inflated_bytes),
            bounds,
            phase: Phase::Start,
            frame: None,
            left_container: None,
            scanner: Scanner::new(),
            at: 0,
            piece: Piece::default(),
            top: 0,
            entered: false,
            known: None,
            broken: None,
            proven: 0,
            cut: false,
            has_content: false,
        }
    }

    /// What it reads from.
    pub(super) fn reader(&self) -> &R {
        self.window.reader()
    }

    /// Sets the way to read the bytes a second time.
    pub(super) fn set_again(&mut self, again: Again) {
        self.window.set_again(again);
    }

    /// From now on, hashes what is read. Nothing was read yet.
    pub(super) fn hash(&mut self) {
        self.window.hash();
    }

    /// The SHA-256 of all bytes, if it was wanted and they were read to their end.
    pub(super) fn sha256(&mut self) -> Option<[u8; 32]> {
        self.window.sha256()
    }

    /// Whether the last element is a reject that more bytes might change.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// The bytes between two offsets of the last element.
    pub(super) fn slice(&self, start: u64, end: u64) -> &[u8] {
        self.window.slice(start, end)
    }

    /// Inflated bytes read so far.
    pub(super) fn read_bytes(&self) -> u64 {
        self.window.end()
    }

    /// Inflated bytes, those of gzip around gzip included.
    pub(super) fn spent_bytes(&self) -> u64 {
        self.window.spent()
    }

    /// The end of the last top-level value that was read to its end.
    pub(super) fn boundary(&self) -> u64 {
        match self.phase {
            Phase::Top => self.at,
            _ => self.top,
        }
    }

    /// The first byte of the last top-level value.
    pub(super) fn last_top(&self) -> u64 {
        self.top
    }

    /// Whether the last element is in a container.
    pub(super) fn in_container(&self) -> bool {
        self.frame.is_some()
    }

    /// Sets the largest window.
    pub(super) fn allow_window(&mut self, bytes: usize) {
        self.window.allow(bytes);
    }

    /// Bytes of memory that the walk takes.
    pub(super) fn capacity(&self) -> usize {
        self.window.capacity()
    }

    /// Skips the rest of this container.
    pub(super) fn ignore_container(&mut self) {
        if let Some(frame) = &mut self.frame {
            frame.ignored = true;
        }
    }

    /// The next element.
    ///
    /// # Errors
    /// The reader's own.
    pub(super) fn step(&mut self) -> io::Result<Element> {
        loop {
            let element = match self.phase {
                Phase::Start => self.start()?,
                Phase::Top => self.top()?,
                Phase::Between => self.between()?,
                Phase::Value => self.value()?,
                Phase::Follow => self.follow()?,
                Phase::Base64 => self.base64()?,
                Phase::Resume => self.resume()?,
                Phase::Lost(upto, next) => self.lost(upto, next)?,
                Phase::StreamError => self.stream_error(),
                Phase::End => Some(Element::End),
            };
            if let Some(element) = element {
                return Ok(element);
            }
        }
    }

    fn start(&mut self) -> io::Result<Option<Element>> {
        if self.holds(BOM)? {
            self.at += BOM.len() as u64;
        }
        self.phase = Phase::Top;
        Ok(None)
    }

    fn top(&mut self) -> io::Result<Option<Element>> {
        let Some(byte) = self.skip(|b| is_space(b) || b == b',')? else {
            self.top = self.at;
            let empty = (!self.has_content).then_some(Element::Skipped(Skipped::Empty));
            return Ok(self.stream_error().or(empty));
        };
        self.top = self.at;
        self.has_content = true;
        match byte {
            b'[' => {
                self.at += 1;
                self.enter(Container::Array, None, false);
                return Ok(None);
            }
            b']' if self.left_container.is_some() => {
                self.reenter();
                self.phase = Phase::Between;
                return Ok(None);
            }
            b'0'..=b'9' => {
                let cut = self.log_line()?;
                if cut.is_some() || self.phase != Phase::Top {
                    return Ok(cut);
                }
            }
            b'H' if self.holds(GZIP_IN_BASE64)? => self.phase = Phase::Base64,
            b'C' if self.holds(VALIDATION_MESSAGE)? => {
                self.at += VALIDATION_MESSAGE.len() as u64;
                return Ok(Some(Element::Skipped(Skipped::ValidationMessage)));
            }
            _ => {}
        }
        if self.phase == Phase::Top {
            self.phase = Phase::Value;
        }
        (self.entered, self.known) = (false, None);
        self.scanner.restart(true);
        self.piece.begin(self.at);
        Ok(None)
    }

    fn between(&mut self) -> io::Result<Option<Element>> {
        let lines = Cell::new(false);
        let byte = self.skip(|b| {
            lines.set(lines.get() || b == b'\n');
            is_space(b) || b == b','
        })?;
        if let Some(frame) = &mut self.frame {
            frame.lines |= lines.get();
        }
        match byte {
            None => return Ok(Some(self.ends_early("file", Evidence::Unit))),
            Some(b']') => {
                self.at += 1;
                match self.frame.take().and_then(|frame| frame.object) {
                    Some(object) => {
                        self.scanner = object;
                        self.scanner.pass();
                        self.piece.begin(self.at);
                        self.phase = Phase::Value;
                    }
                    None => self.phase = Phase::Top,
                }
            }
            Some(_) => {
                self.scanner.restart(false);
                self.piece.begin(self.at);
                self.phase = Phase::Value;
            }
        }
        Ok(None)
    }

    fn value(&mut self) -> io::Result<Option<Element>> {
        loop {
            match self.scanner.feed(self.window.from(self.at)) {
                Progress::Done(end) => {
                    self.at += end as u64;
                    self.phase = Phase::Follow;
                    return Ok(None);
                }
                Progress::Container(start) => {
                    self.at += start as u64;
                    self.container();
                    if self.phase == Phase::Between {
                        return Ok(None);
                    }
                }
                Progress::Error(byte, detail) => {
                    self.at += byte as u64;
                    let too_deep = self.scanner.deepest() >= DEEPEST;
                    let reason = if too_deep {
                        Reason::TooDeep {
                            limit: DEEPEST as u32,
                        }
                    } else {
                        not_json(self.at, detail)
                    };
                    self.broken(reason, self.scanner.outline());
                    return Ok(None);
                }
                Progress::More(used) => {
                    self.at += used as u64;
                    self.piece
                        .bound(&mut self.window, self.at, self.bounds.value_bytes);
                    if !self.window.fill()? {
                        return Ok(self.value_ends_early());
                    }
                }
            }
        }
    }

    /// Whether a value up to here is short enough to be buffered as a whole. (Whether it still is in the
    /// window depends on how the bytes came.)
    fn fits_window(&self, end: u64) -> bool {
        end - self.piece.start() <= self.bounds.value_bytes as u64
    }
}

fn not_json(at: u64, detail: &str) -> Reason {
    Reason::NotJson {
        at,
        detail: detail.to_owned(),
    }
}
