//! A file is read for the facts of its events alone.
//!
//! What must hold: the facts are those of the events that a conversion finds in the same bytes. Errors are left to
//! the conversion.

use std::io::{Cursor, Read};

use super::Facts;
use crate::Converter;
use crate::envelope::log_file::{LARGEST_COMPRESSED, LogFile};
use crate::envelope::{Again, Item, Records, is_quiet, open};

/// Reads one file after the other, in buffers that are used again.
#[derive(Default)]
pub struct FactsReader {
    compressed: Vec<u8>,
    file: LogFile,
}

impl FactsReader {
    /// Adds the facts of a file's events, as long as `goes_on` says so. `again`: how to have the bytes again.
    pub fn read(
        &mut self,
        converter: &Converter,
        mut content: impl Read,
        again: Option<Again>,
        facts: &mut Vec<Facts>,
        goes_on: impl Fn(&[Facts]) -> bool,
    ) {
        self.compressed.clear();
        let most = LARGEST_COMPRESSED as u64;
        let read = content
            .by_ref()
            .take(most)
            .read_to_end(&mut self.compressed);
        let is_whole = read.is_ok_and(|bytes| bytes < LARGEST_COMPRESSED);
        let mut rest = Some(0);
        if is_whole && self.file.read(&self.compressed, &converter.limits) {
            rest = candidates(&self.file, converter, facts);
        }
        if let Some(from) = rest {
            let content = Cursor::new(&self.compressed).chain(content);
            let mut records = open(content, &converter.limits);
            if let Some(again) = again {
                records = records.again(again);
            }
            any(records, from, converter, facts, goes_on);
        }
    }
}

/// The facts of a log file's candidates, up to the first that cannot be read in this way: its offset.
fn candidates(file: &LogFile, converter: &Converter, facts: &mut Vec<Facts>) -> Option<u64> {
    let (selector, depth) = (&converter.selector, converter.limits.depth);
    for record in selector.candidates(file) {
        match selector.select_candidate(&record, depth) {
            Ok(event) => facts.extend(event.and_then(|event| Facts::of(event, &converter.options))),
            Err(_) => return Some(record.position.offset),
        }
    }
    None
}

/// The facts of records in any container, from an offset on.
fn any(
    mut records: Records<impl Read>,
    from: u64,
    converter: &Converter,
    facts: &mut Vec<Facts>,
    goes_on: impl Fn(&[Facts]) -> bool,
) {
    let (selector, depth) = (&converter.selector, converter.limits.depth);
    let mut canonical = Vec::new();
    while goes_on(facts) {
        let bytes = match records.next() {
            Ok(Some(Item::Record { bytes, position })) if position.offset >= from => bytes,
            Ok(Some(_)) => continue,
            Err(error) if is_quiet(&error) => continue,
            Ok(None) | Err(_) => break,
        };
        if let Ok(Some(event)) = selector.select_any(bytes, &mut canonical, depth) {
            facts.extend(Facts::of(event, &converter.options));
        }
    }
}
