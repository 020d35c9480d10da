//! Whether a text is CloudTrail's.
//!
//! Enters: a text, and what is found in it. Leaves: yes or no. What must hold: what may be an event of
//! CloudTrail's, broken or not, is never taken for something else, since that is kept nowhere.

use memchr::memmem;

use crate::ack::Origin;
use crate::convert::observed_time;
use crate::reject::Reason;

/// What is known of the text that is read.
pub(super) struct Current {
    number: u64,
    /// It looks like CloudTrail's, broken or not, or holds a record.
    ours: bool,
    /// It was found to be none of CloudTrail's.
    foreign: bool,
}

impl Current {
    /// Every event says its version, also where it stands in a text of its own; and who sends
    /// compressed bytes sends a file.
    pub(super) fn new(number: u64, text: &[u8]) -> Self {
        let versioned = memmem::find(text, b"eventVersion").is_some();
        Current {
            number,
            ours: versioned || text.starts_with(&[0x1f, 0x8b]),
            foreign: false,
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn holds_a_record(&mut self) {
        self.ours = true;
    }

    /// Whether it is none of CloudTrail's, when something in it is refused so.
    pub(super) fn is_foreign(&self, reason: &Reason) -> bool {
        let of_content = matches!(
            reason,
            Reason::NotCloudTrail { .. }
                | Reason::NotJson { .. }
                | Reason::Truncated { .. }
                | Reason::EventTooLarge { .. }
                | Reason::TooDeep { .. }
        );
        of_content && !self.ours
    }

    /// It is none; its number, the first time.
    pub(super) fn found_foreign(&mut self) -> Option<u64> {
        let known = std::mem::replace(&mut self.foreign, true);
        (!known).then_some(self.number)
    }
}

/// The origin of texts that came from `source`.
pub(super) fn origin(unit: &Origin, source: Option<&str>) -> Origin {
    match source {
        None => unit.clone(),
        Some(source) => Origin {
            input: unit.input,
            name: source.into(),
            observed: observed_time(source, None),
        },
    }
}
