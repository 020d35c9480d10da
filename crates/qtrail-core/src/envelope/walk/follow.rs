//! Decides, by what follows a value, whether it counts.
//!
//! What must hold: no value is yielded before the bytes behind it were read.

use std::io::{self, Read};

use super::{Element, Phase, Value, Walk, is_space, not_json};
use crate::envelope::Skipped;
use crate::envelope::keys::Keys;
use crate::envelope::outline::Outline;
use crate::reject::Reason;

/// White space after a value in which the next byte is searched.
const LONGEST_GAP: usize = 4 << 10;

impl<R: Read> Walk<R> {
    /// A value ended at `at`.
    pub(super) fn follow(&mut self) -> io::Result<Option<Element>> {
        if let Some(gap) = self.misplaced()? {
            self.at += gap as u64;
            let at = self.at;
            let reason = not_json(at, "a record ends here, and yet it goes on");
            self.broken(reason, Outline::between());
            return Ok(None);
        }
        let (start, end) = (self.piece.start(), self.at);
        let within = self.frame.as_ref().map(|frame| frame.container);
        if within.is_some() {
            self.phase = Phase::Between;
        } else {
            self.phase = Phase::Top;
            self.take_line_end();
        }
        if within.is_none() && self.entered || self.frame.as_ref().is_some_and(|f| f.ignored) {
            return Ok(None);
        }
        let keys = self.scanner.keys();
        if !self.fits_window(end) {
            let digest = keys.any(Keys::DIGEST_END) && keys.any(Keys::LOG_FILES);
            let known = self.known.or(digest.then_some(Skipped::Digest));
            if let Some(known) = known {
                return Ok(Some(Element::Skipped(known)));
            }
            let evidence = self.piece.evidence(&self.window, end, 0);
            return Ok(Some(Element::Reject {
                start,
                end,
                reason: Reason::EventTooLarge {
                    limit: self.bounds.evidence_bytes as u64,
                },
                evidence,
            }));
        }
        Ok(Some(Element::Value(Value {
            start,
            end,
            keys,
            deepest: self.scanner.deepest(),
            within,
        })))
    }

    /// The distance to a byte that cannot follow the value that ended at `at`; `None` where all is well.
    fn misplaced(&mut self) -> io::Result<Option<usize>> {
        let ends_with_line = self.frame.is_none() && !self.is_spread();
        let last = self.last();
        let is_leaf = !matches!(last, Some(b'}' | b']'));
        // A text in an array of texts holds quotes: one that lost its backslash ends it too early.
        let is_text = last == Some(b'"') && self.frame.is_some();
        let (mut gap, mut comma) = (0, false);
        loop {
            let Some(byte) = self.peek(gap)? else {
                return Ok(None);
            };
            match byte {
                b'\n' if ends_with_line => return Ok(None),
                b',' if !comma => comma = true,
                _ if is_space(byte) && gap < LONGEST_GAP => {}
                // Behind an object, a text is a key of that object, which a brace too many has closed; AWS
                // gives those names, and none is JSON.
                b'"' if comma && (is_leaf || self.begins_json(gap)?) => return Ok(None),
                b'"' if last == Some(b'"') && self.frame.is_none() => return Ok(None),
                b'"' => return Ok(Some(gap)),
                b'}' | b':' if !comma => return Ok(Some(gap)),
                b']' => return Ok(None),
                _ if is_text && (!comma || byte == b'\\') => return Ok(Some(gap)),
                _ => return Ok(None),
            }
            gap += 1;
        }
    }

    /// Whether the string that begins at `at + gap` holds an object.
    fn begins_json(&mut self, gap: usize) -> io::Result<bool> {
        Ok(self.peek(gap + 1)? == Some(b'{') && self.peek(gap + 2)? == Some(b'\\'))
    }

    /// The last byte of the value that ended.
    fn last(&self) -> Option<u8> {
        self.piece.tail(&self.window, self.at).last().copied()
    }

    /// Whether the value that ended is laid out over several lines.
    fn is_spread(&self) -> bool {
        let head = self.piece.head(&self.window, self.at);
        matches!(head, [b'{' | b'[', b'\n' | b'\r'])
    }

    /// Takes the end of the line, if it was read already, as part of the top-level value before it.
    fn take_line_end(&mut self) {
        let rest = self.window.from(self.at);
        let spaces = rest
            .iter()
            .take_while(|&&b| matches!(b, b' ' | b'\t' | b'\r'))
            .count();
        if rest.get(spaces) == Some(&b'\n') {
            self.at += spaces as u64 + 1;
        }
    }
}
