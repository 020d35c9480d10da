//! Dead letters beside the flow of records: whose they are, and those of a unit as a whole.

use std::sync::Arc;

use super::{Pipeline, Report, Unit};
use crate::dead_letter::{Before, DeadLetters, Entry, OnDamage, Origin, UnitLetters};
use crate::export::Outcome;
use qtrail_core::reject::{Evidence, Position, Reason, Reject};

impl Pipeline {
    /// The same, for units that nobody can read again: `sender` brings them, and what is refused of
    /// them is on its account.
    pub fn of_sender(&self, sender: Arc<str>) -> Self {
        Pipeline {
            sender: Some(sender),
            ..self.clone()
        }
    }

    /// The same, for units that a letter held, which said this.
    pub fn replaying(&self, before: Before) -> Self {
        Pipeline {
            before: Some(Arc::new(before)),
            ..self.clone()
        }
    }

    /// The dead letters.
    pub fn dead_letters(&self) -> &DeadLetters {
        &self.dead_letters
    }

    /// The dead letters that a unit may have.
    pub(super) fn letters_of(&self, unit: &Unit) -> UnitLetters {
        let request = match unit.origin.on_damage {
            OnDamage::NamePlace => None,
            _ => unit.content.in_memory(),
        };
        let letters = UnitLetters::new(&self.dead_letters, self.sender.clone(), request);
        letters.replaying(self.before.clone())
    }

    /// The account that its dead letters are on.
    pub(super) fn account(&self, origin: &Origin) -> Arc<str> {
        match &self.sender {
            Some(sender) => Arc::clone(sender),
            None => origin.input.into(),
        }
    }

    /// Puts something into the dead letters that could not be read at all, counted as one record;
    /// returns once it is durable.
    pub async fn refuse(&self, origin: Origin, reason: Reason, evidence: Evidence) -> Outcome {
        let kind = reason.kind();
        let reject = Reject {
            position: Position::default(),
            reason,
            evidence: origin.keep(evidence),
        };
        let entry = Entry::new(origin, reject);
        let _reserved = match self.dead_letters.reserve_for(&entry) {
            Ok(reserved) => reserved,
            Err(full) => return Outcome::Blocked(full.0),
        };
        entry.log();
        let origin = entry.origin.clone();
        if self.dead_letters.write(vec![entry]).await.is_err() {
            return Outcome::Abandoned;
        }
        self.metrics.read.add(1);
        self.metrics.dead_lettered.add(1);
        self.metrics.dead_letter_reasons.add(kind, 1);
        self.manifest_of_unread(&origin, kind).await
    }

    /// Writes the letter that stands for those beyond the unit's bound, before the unit counts as
    /// delivered.
    pub(super) async fn summarize(&self, mut report: Report, summary: Option<Entry>) -> Report {
        let is_kept = report.unreadable.is_none() || report.counts.dead_lettered > 0;
        if let Some(entry) = summary.filter(|_| is_kept && report.outcome == Outcome::Delivered) {
            entry.log();
            if self.dead_letters.write(vec![entry]).await.is_err() {
                report.outcome = Outcome::Abandoned;
            }
        }
        report
    }
}
