//! The records of a log file, with those that may be wanted found by one search.

use super::Selector;
use crate::envelope::log_file::{LogFile, LogRecord};
use crate::event::Event;
use crate::reject::Reason;

/// What a walk over a log file meets.
#[derive(Debug, Clone, Copy)]
pub enum Met<'f> {
    /// So many records that are not wanted.
    Unwanted(u64),
    /// A record that may be wanted.
    Candidate(LogRecord<'f>),
}

impl Selector {
    /// All records of a log file, in their order.
    pub fn walk<'f>(&self, file: &'f LogFile) -> impl Iterator<Item = Met<'f>> {
        let end = file.records().len() as u64;
        let mut next = 0;
        let candidates = self.candidates(file).map(Some).chain([None]);
        candidates.flat_map(move |candidate| {
            let index = candidate.map_or(end, |record| record.position.index);
            let unwanted = index - next;
            next = index + 1;
            let unwanted = (unwanted > 0).then_some(Met::Unwanted(unwanted));
            unwanted.into_iter().chain(candidate.map(Met::Candidate))
        })
    }

    /// The records of a log file that may be wanted, in their order. One search over the whole file finds
    /// them: no other record is wanted.
    pub fn candidates<'f>(&self, file: &'f LogFile) -> impl Iterator<Item = LogRecord<'f>> {
        let bytes = file.bytes();
        // Where the next part of a word begins, or the end of the file.
        let mut next = None;
        file.records().filter(move |record| {
            let start = record.position.offset as usize;
            self.words.as_ref().is_none_or(|words| {
                let found = match next {
                    Some(found) if found >= start => found,
                    _ => words.find_part(bytes, start).unwrap_or(bytes.len()),
                };
                next = Some(found);
                let first_part = found - start;
                first_part < record.bytes.len() && words.is_in(record.bytes, first_part)
                    || record.hides_words
            })
        })
    }

    /// Like [`Selector::select`], for one of the [`candidates`](Selector::candidates), which is not searched again.
    ///
    /// # Errors
    /// Those of [`Selector::select`], and [`Reason::NotCloudTrail`] for a record whose outermost keys are not
    /// those of an event alone. [`open`](crate::envelope::open) tells what such a record is.
    pub fn select_candidate<'a>(
        &self,
        record: &LogRecord<'a>,
        depth: u32,
    ) -> Result<Option<Event<'a>>, Reason> {
        let mut event = self.classified(record.bytes, depth)?;
        if !event.is_plain() {
            return Err(Reason::NotCloudTrail {
                detail: "its outermost keys are not those of an event alone".to_owned(),
            });
        }
        let wanted = self.selects(&mut event)?;
        Ok(wanted.then_some(event))
    }
}
