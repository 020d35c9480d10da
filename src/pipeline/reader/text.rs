//! A unit's texts, each apart from the others, and whether it is CloudTrail's.
//!
//! Enters: texts, and what is found in them. Leaves: their records, and the numbers of those that are
//! something else. What must hold: what may be an event of CloudTrail's, broken or not, is never
//! taken for something else, since that is kept nowhere.

use std::io::Cursor;

use memchr::memmem;

use super::{Reached, ReadEnd, Reader};
use crate::dead_letter::Origin;
use crate::pipeline::{Text, Truncation};
use qtrail_core::convert::observed_time;
use qtrail_core::envelope::{Again, Limits, is_gzip};
use qtrail_core::reject::Reason;

impl Reader {
    /// Their limit is that of the unit: what one has inflated, the next ones cannot.
    pub(super) fn texts(&mut self, texts: Vec<Text>, limits: &Limits) -> ReadEnd {
        let mut end = ReadEnd::default();
        let unit = self.source.origin.clone();
        let mut source = None;
        let mut left = limits.clone();
        for text in texts {
            if text.source != source {
                // A chunk has one origin, and so have the records that wait.
                let reached = Reached::default();
                let sent = self.settle_pending_duplicates(reached);
                if let Err(why) = sent.and_then(|()| self.send(reached)) {
                    return end.stopped(why);
                }
                self.source = origin(&unit, text.source.as_deref()).into();
                source = text.source;
            }
            self.text = Some(Current::new(text.number, &text.bytes));
            self.damage.content = Some(text.bytes.clone());
            let bytes = Cursor::new(text.bytes);
            let again = Some(Again::clones(bytes.clone()));
            match self.read(bytes, again, 0, Truncation::Reject, &left, &mut end) {
                Ok(reached) => {
                    self.progress.inflated_before += reached.inflated;
                    left.inflated_bytes = left.inflated_bytes.saturating_sub(reached.spent);
                }
                Err(why) => return end.stopped(why),
            }
        }
        self.end(Reached::default(), end)
    }

    /// The text that is read is none of CloudTrail's.
    pub(super) fn report_foreign(&mut self, reason: Reason) {
        if let Some(number) = self.text.as_mut().and_then(Current::found_foreign) {
            self.progress.counts.foreign += 1;
            self.rejects.report(number, reason);
        }
    }
}

/// What compressed bytes begin with, in base64.
const GZIP_IN_BASE64: &[u8] = b"H4sI";

/// What is known of the text that is read.
pub(super) struct Current {
    number: u64,
    /// It looks like CloudTrail's, broken or not, or holds a record.
    ours: bool,
    /// It was found to be none of CloudTrail's.
    foreign: bool,
}

impl Current {
    /// Every event says its version, also where it stands in a text of its own; and compressed bytes,
    /// in base64 or not, are a file's or a delivery's.
    pub(super) fn new(number: u64, text: &[u8]) -> Self {
        let holds = |part: &[u8]| memmem::find(text, part).is_some();
        Current {
            number,
            ours: holds(b"eventVersion") || holds(GZIP_IN_BASE64) || is_gzip(text),
            foreign: false,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn holds_a_record(&mut self) {
        self.ours = true;
    }

    /// Whether it is none of CloudTrail's, when something in it is refused so. `inside`: in a text that
    /// it carries as CloudTrail's are carried.
    pub(super) fn is_foreign(&self, reason: &Reason, inside: bool) -> bool {
        let of_content = matches!(
            reason,
            Reason::NotCloudTrail { .. }
                | Reason::NotJson { .. }
                | Reason::Truncated { .. }
                | Reason::EventTooLarge { .. }
                | Reason::TooDeep { .. }
        );
        of_content && !self.ours && !inside
    }

    /// It is none; its number, the first time.
    pub(super) fn found_foreign(&mut self) -> Option<u64> {
        let known = std::mem::replace(&mut self.foreign, true);
        (!known).then_some(self.number)
    }
}

/// The origin of texts that came from `source`.
fn origin(unit: &Origin, source: Option<&str>) -> Origin {
    match source {
        None => unit.clone(),
        Some(source) => Origin {
            input: unit.input,
            name: source.into(),
            observed: observed_time(source, None),
            on_damage: unit.on_damage,
        },
    }
}
