//! What cannot be read of a unit, and what becomes of it.
//!
//! Enters: rejects of the envelope's, and how much is lost with each. Leaves: dead letters, or why
//! the unit is refused. What must hold: of a unit that nobody can read again, each byte is delivered,
//! or kept in a dead letter, or the unit is refused; one that is refused because nothing in it can be
//! read leaves no letter.

use std::io::Read;

use bytes::Bytes;

use super::Reader;
use crate::dead_letter::OnDamage;
use qtrail_core::envelope::{Records, Skipped};
use qtrail_core::reject::{Evidence, Reason, Reject};

/// What a reject costs beyond its own bytes.
#[derive(Clone, Copy)]
pub(super) struct Lost<'r> {
    /// The text that it stands in was not read to its end.
    broke_off: bool,
    /// The outermost text inside the unit that it stands in, as it came.
    inner: Option<&'r [u8]>,
    /// The unit holds something that is known for what it is.
    knows: bool,
}

impl<'r> Lost<'r> {
    /// With the last reject.
    pub(super) fn of<R: Read>(records: &'r Records<R>) -> Self {
        Lost {
            broke_off: records.broke_off(),
            inner: records.inner_text(),
            knows: records.knows(),
        }
    }

    /// Bytes of the text inside the unit.
    pub(super) fn inner_bytes(self) -> usize {
        self.inner.map_or(0, <[u8]>::len)
    }

    /// Whether more may be lost than its bytes.
    pub(super) fn ends_early(self, reason: &Reason) -> bool {
        self.broke_off || matches!(reason, Reason::Truncated { .. })
    }

    /// Whether it stands in a text inside.
    pub(super) fn is_inside(self) -> bool {
        self.inner.is_some()
    }
}

/// What is known of a unit that holds damage.
#[derive(Default)]
pub(super) struct Damage {
    /// All bytes of the unit, or of the text that is read, where they are in memory.
    pub(super) content: Option<Bytes>,
    /// What was kept whole last.
    kept: Option<u64>,
    /// Something was read.
    readable: bool,
    /// The unit is refused: the number of the record, and why.
    pub(super) unreadable: Option<(u64, Reason)>,
}

impl Damage {
    /// Something was read.
    pub(super) fn has_read(&mut self) {
        self.readable = true;
    }
}

impl Reader {
    /// Whether a reject becomes a letter, with all that has to be kept for it. If not, its bytes are
    /// in an earlier letter, or the unit is refused.
    pub(super) fn keeps(&mut self, reject: &mut Reject, lost: Lost<'_>) -> bool {
        // What is well-formed and none of CloudTrail's was read, where it is an element's.
        let is_element = lost.is_inside() && self.source.origin.on_damage == OnDamage::KeepElements;
        let is_stranger = matches!(reject.reason, Reason::NotCloudTrail { .. });
        let is_event = matches!(reject.reason, Reason::BadField { .. });
        if lost.knows || is_event || is_element && is_stranger {
            self.damage.has_read();
        }
        let more_is_lost = lost.broke_off || reject.evidence.kept_bytes().is_none();
        let ends_early = more_is_lost || matches!(reject.reason, Reason::Truncated { .. });
        let is_damage = match self.source.origin.on_damage {
            OnDamage::NamePlace => false,
            OnDamage::Refuse => ends_early || matches!(reject.reason, Reason::BadBase64 { .. }),
            OnDamage::KeepElements => ends_early,
            OnDamage::KeepWhole => more_is_lost,
        };
        if !is_damage {
            return true;
        }
        let Some((place, whole)) = self.damaged(reject.position.offset, lost) else {
            self.damage.unreadable = Some((reject.position.index, reject.reason.clone()));
            return false;
        };
        if self.damage.kept == Some(place) {
            return false;
        }
        self.damage.kept = Some(place);
        if self.source.origin.on_damage == OnDamage::KeepWhole {
            reject.position.offset = self.base;
        }
        reject.position.length = whole.len() as u64;
        reject.evidence = Evidence::Whole(whole);
        true
    }

    /// What is kept of something damaged, and what tells it from others; `None`: nothing is.
    fn damaged(&self, offset: u64, lost: Lost<'_>) -> Option<(u64, Bytes)> {
        match self.source.origin.on_damage {
            OnDamage::NamePlace | OnDamage::Refuse => None,
            OnDamage::KeepElements if self.damage.kept == Some(offset) => {
                Some((offset, Bytes::new()))
            }
            OnDamage::KeepElements => Some((offset, Bytes::copy_from_slice(lost.inner?))),
            OnDamage::KeepWhole => {
                let text = self.text.as_ref().map(|text| text.number());
                Some((text.unwrap_or_default(), self.damage.content.clone()?))
            }
        }
    }

    /// Something well known was found, without events.
    pub(super) fn found_skipped(&mut self, skipped: Skipped) {
        if skipped == Skipped::PromptLog && self.source.origin.on_damage == OnDamage::KeepElements {
            let detail = "a record without data".to_owned();
            self.damage.unreadable = Some((0, Reason::NotCloudTrail { detail }));
        }
        self.damage.has_read();
    }

    /// Whether rejects may become letters now: where nothing was read, the unit may be refused yet.
    pub(super) fn letters_may_leave(&self) -> bool {
        self.damage.readable
            || matches!(
                self.source.origin.on_damage,
                OnDamage::NamePlace | OnDamage::KeepWhole
            )
    }

    /// Refuses the unit where it has had so many rejects, or has `ended`, and nothing was read.
    pub(super) fn refuse_unread(&mut self, ended: bool) {
        if self.letters_may_leave() || !(ended || self.rejects.are_many()) {
            return;
        }
        let rejects = self.rejects.take().entries;
        if let (None, Some(first)) = (&self.damage.unreadable, rejects.into_iter().next()) {
            self.damage.unreadable = Some((first.position.index, first.reason));
        }
    }
}
