//! The records of one unit, whatever they are wrapped in.
//!
//! Enters: a reader and [`Limits`]. Leaves: [`Item`]s, asked for one at a time. What must hold: a
//! record of a plain container is lent from the window, never copied; an inner text (a string, base64,
//! gzip) is walked like a unit of its own, to a bounded depth, and its items have the position of the
//! outermost element.

mod inner;
mod limits;
mod rejects;

use std::io::{self, Cursor, Read};

use bytes::Bytes;

use super::again::Again;
use super::containers::{Container, Content, classify, decode, is_event_bridge};
use super::scan::depth;
use super::tables::Unreadable;
use super::text::offset_in;
use super::walk::{Element, Value, Walk};
use super::window::FIRST_BYTES;
use super::{Item, Limits};
use crate::reject::{Evidence, Position, Reason, Reject};
use rejects::is_of_gzip;

/// What ends in the middle where compressed bytes do.
pub(super) const GZIP_STREAM: &str = "gzip stream";

/// The records of one unit, read as they are asked for.
#[derive(Debug)]
pub struct Records<R> {
    limits: Limits,
    unit: Walk<R>,
    /// The texts inside the unit that are being walked, innermost last.
    inner: Vec<Walk<Cursor<Bytes>>>,
    /// The outermost element that carries them.
    outermost: Position,
    /// Inflated bytes of all inner texts.
    inner_bytes: u64,
    /// Bytes that each window may have.
    window_bytes: usize,
    /// A record that was put together, and is in no window.
    assembled: Vec<u8>,
    index: u64,
    ended: bool,
    /// The last reject ended the reading of the text that it is in.
    broke_off: bool,
    /// A value was recognized.
    knows: bool,
    /// The last value was an event of EventBridge's.
    by_event_bridge: bool,
}

/// Where the bytes of the next record are.
#[derive(Debug, Clone, Copy)]
enum RecordBytes {
    Window(u64, u64),
    Assembled,
}

/// What to do about an element; holds no borrow.
enum Action {
    Yield(RecordBytes),
    Reject(Reject),
    Skip(super::Skipped),
    Descend(Vec<u8>),
    Continue,
}

impl<R: Read> Records<R> {
    /// `bytes`: the size of the unit, as far as it is known.
    pub(super) fn new(unit: R, bytes: usize, limits: &Limits) -> Self {
        let first = bytes.min(FIRST_BYTES);
        Records {
            unit: Walk::new(unit, first, inner::bounds(limits, limits.inflated_bytes)),
            limits: limits.clone(),
            inner: Vec::new(),
            outermost: Position::default(),
            inner_bytes: 0,
            window_bytes: usize::MAX,
            assembled: Vec::new(),
            index: 0,
            ended: false,
            broke_off: false,
            knows: false,
            by_event_bridge: false,
        }
    }

    /// Limits each window to `bytes`. Where a larger one is needed, [`Records::next`] returns an error that
    /// [`super::wants_window`] recognizes, and may be called again once more is allowed.
    pub fn allow_window(&mut self, bytes: usize) {
        self.window_bytes = bytes;
        self.unit.allow_window(bytes);
        for walk in &mut self.inner {
            walk.allow_window(bytes);
        }
    }

    /// Sets the way to read the unit a second time. Without one, the records behind a broken one are read
    /// only if their container ends within four times [`Limits::event_bytes`].
    pub fn again(mut self, again: Again) -> Self {
        self.unit.set_again(again);
        self
    }

    /// Hashes the unit's inflated bytes as they are read.
    pub fn hashed(mut self) -> Self {
        self.unit.hash();
        self
    }

    /// The SHA-256 of the unit's inflated bytes, once. `None` if it was not [wanted](Records::hashed), or not all of them
    /// were read.
    pub fn sha256(&mut self) -> Option<[u8; 32]> {
        self.unit.sha256()
    }

    /// The next item; `None` at the end.
    ///
    /// A unit that ends in the middle (of a record, of a gzip stream) yields, last, one reject
    /// with [`crate::reject::Reason::Truncated`]: the caller decides whether to wait for more.
    ///
    /// # Errors
    /// The reader's own; never for the bytes that it delivered.
    #[allow(
        clippy::should_implement_trait,
        reason = "an item borrows from the reader, which an iterator's cannot"
    )]
    pub fn next(&mut self) -> io::Result<Option<Item<'_>>> {
        self.broke_off = false;
        while !self.ended {
            let element = match self.inner.last_mut() {
                Some(walk) => walk.step()?,
                None => self.unit.step()?,
            };
            let action = self.decide(element);
            match self.within_events(action) {
                Action::Continue => {}
                Action::Descend(text) => self.descend(text),
                Action::Skip(skipped) => return Ok(Some(Item::Skipped(skipped))),
                Action::Reject(reject) => {
                    self.index += 1;
                    return Ok(Some(Item::Reject(reject)));
                }
                Action::Yield(record) => {
                    let position = self.position(record);
                    self.index += 1;
                    let bytes = self.bytes(record);
                    return Ok(Some(Item::Record { position, bytes }));
                }
            }
        }
        Ok(None)
    }

    /// Inflated bytes up to which every record was yielded, on a boundary between top-level
    /// values: where a follower of appended lines resumes.
    pub fn resume_offset(&self) -> u64 {
        if self.inner.is_empty() {
            self.unit.boundary()
        } else {
            self.unit.last_top()
        }
    }

    /// Whether the last reject ended the reading of the text that it is in (the unit, or one inside), so
    /// that more may be lost than its bytes.
    pub fn broke_off(&self) -> bool {
        self.broke_off
    }

    /// Whether an event of EventBridge's or CloudWatch Logs' was recognized, CloudTrail's or not.
    pub fn knows(&self) -> bool {
        self.knows
    }

    /// Whether EventBridge delivered the record that was yielded last.
    pub fn by_event_bridge(&self) -> bool {
        self.by_event_bridge
    }

    /// The outermost text inside the unit that is read now, as it came: compressed, if it is.
    pub fn inner_text(&self) -> Option<&[u8]> {
        self.inner.first().map(|walk| &walk.reader().get_ref()[..])
    }

    /// Whether what was yielded last is a reject at the unit's end that more bytes might change: the
    /// end of its container, or of its line, is not there.
    pub fn is_cut(&self) -> bool {
        self.inner.is_empty() && self.unit.is_cut()
    }

    /// Inflated bytes read so far.
    pub fn inflated_bytes(&self) -> u64 {
        self.unit.read_bytes()
    }

    /// Inflated bytes, those of texts inside the unit included.
    pub fn spent_bytes(&self) -> u64 {
        self.unit.spent_bytes() + self.inner_spent()
    }

    fn inner_spent(&self) -> u64 {
        let open: u64 = self.inner.iter().map(Walk::spent_bytes).sum();
        self.inner_bytes + open
    }

    /// Bytes of memory that the windows take.
    #[doc(hidden)]
    pub fn window_bytes(&self) -> usize {
        let inner: usize = self.inner.iter().map(Walk::capacity).sum();
        self.unit.capacity() + inner + self.assembled.capacity()
    }

    fn decide(&mut self, element: Element) -> Action {
        match element {
            Element::End => {
                match self.inner.pop() {
                    Some(walk) => self.inner_bytes += walk.spent_bytes(),
                    None => self.ended = true,
                }
                Action::Continue
            }
            Element::Skipped(skipped) => Action::Skip(skipped),
            Element::Reject {
                start,
                end,
                reason,
                evidence,
            } => {
                let cut = matches!(reason, Reason::Truncated { .. }) && self.in_container();
                self.broke_off = evidence == Evidence::Unit || is_of_gzip(&reason) || cut;
                Action::Reject(self.reject(start, end, reason, evidence))
            }
            Element::Base64(start, end) => {
                self.stand(start, end);
                match decode(self.slice(start, end)) {
                    Ok(text) => self.inside(start, end, text),
                    Err(detail) => self.refuse(start, end, Reason::BadBase64 { detail }),
                }
            }
            Element::Value(value) => self.judge(value),
        }
    }

    /// The end instead, where the unit holds more events than it may.
    fn within_events(&mut self, action: Action) -> Action {
        let position = match &action {
            _ if self.index < self.limits.events => return action,
            Action::Yield(record) => self.position(*record),
            Action::Reject(reject) if reject.evidence != Evidence::Unit => reject.position,
            _ => return action,
        };
        self.ended = true;
        self.broke_off = true;
        let limit = self.limits.events;
        Action::Reject(Reject {
            position,
            reason: Reason::TooManyEvents { limit },
            evidence: Evidence::Unit,
        })
    }

    fn judge(&mut self, value: Value) -> Action {
        let (start, end) = (value.start, value.end);
        self.stand(start, end);
        let bytes = self.slice(start, end);
        let content = classify(bytes, value.keys, value.within);
        let by_event_bridge = matches!(content, Content::Detail(_));
        let action = match content {
            Content::Record(record) if record.len() == bytes.len() => {
                self.record(start, end, value.deepest)
            }
            Content::Record(record) | Content::Detail(record) => {
                let deepest = depth(record);
                let from = start + offset_in(bytes, record);
                self.record(from, from + record.len() as u64, deepest)
            }
            Content::Assembled(record) => self.assembled(start, end, record),
            // Lists of lists are unwrapped no deeper than anything else.
            Content::Inner(_) if bytes.starts_with(b"[") && self.is_too_deep(value) => {
                self.refuse(start, end, self.too_deep())
            }
            Content::Inner(text) => {
                let logs = [Some(Container::LogEvents), Some(Container::Answer)];
                self.knows |= logs.contains(&value.within);
                self.inside(start, end, text)
            }
            Content::One(text) => self.one(start, end, text),
            Content::Skip(skipped) => Action::Skip(skipped),
            Content::PromptLog => {
                match self.inner.last_mut() {
                    Some(walk) => walk.ignore_container(),
                    None => self.unit.ignore_container(),
                }
                Action::Skip(super::Skipped::PromptLog)
            }
            Content::Refuse(_) if self.is_too_deep(value) => {
                self.refuse(start, end, self.too_deep())
            }
            Content::Refuse(detail) => {
                self.knows |= is_event_bridge(bytes);
                self.refuse(start, end, Reason::NotCloudTrail { detail })
            }
            Content::Unreadable(Unreadable { field, detail }) => {
                self.refuse(start, end, Reason::BadField { field, detail })
            }
            Content::NotBase64(detail) => self.refuse(start, end, Reason::BadBase64 { detail }),
        };
        self.by_event_bridge = by_event_bridge;
        action
    }

    /// A record in the window.
    fn record(&mut self, start: u64, end: u64, deepest: usize) -> Action {
        match self.objection((end - start) as usize, deepest) {
            Some(reason) => self.refuse(start, end, reason),
            None => Action::Yield(RecordBytes::Window(start, end)),
        }
    }

    fn in_container(&self) -> bool {
        match self.inner.last() {
            Some(walk) => walk.in_container(),
            None => self.unit.in_container(),
        }
    }

    fn bytes(&self, record: RecordBytes) -> &[u8] {
        match record {
            RecordBytes::Window(start, end) => self.slice(start, end),
            RecordBytes::Assembled => &self.assembled,
        }
    }

    fn slice(&self, start: u64, end: u64) -> &[u8] {
        match self.inner.last() {
            Some(walk) => walk.slice(start, end),
            None => self.unit.slice(start, end),
        }
    }
}
