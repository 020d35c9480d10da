//! A unit is read for the facts of its events alone.

use std::io::{self, Read};

use crate::pipeline::Pipeline;
use qtrail_core::assemble::Facts;
use qtrail_core::envelope::{self, Again, Item};

/// The unit's bytes.
///
/// # Errors
/// It cannot be read a second time.
pub(super) fn open(again: &mut Again) -> io::Result<Box<dyn Read + Send>> {
    match again {
        Again::Reader(open) => open(),
        Again::Store(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The facts of the events that can have a place in a tree, each once. Errors are left to the second reading, which
/// reads the same records again.
pub(super) fn facts(content: impl Read, pipeline: &Pipeline) -> Vec<Facts> {
    let converter = &pipeline.conversion;
    let (selector, depth) = (&converter.selector, converter.limits.depth);
    let mut records = envelope::open(content, &converter.limits);
    let (mut canonical, mut found) = (Vec::new(), Vec::new());
    while !pipeline.abort.is_cancelled() {
        let bytes = match records.next() {
            Ok(Some(Item::Record { bytes, .. })) => bytes,
            Ok(Some(_)) => continue,
            Err(error) if envelope::is_quiet(&error) => continue,
            Ok(None) | Err(_) => break,
        };
        if let Ok(Some(event)) = selector.select_any(bytes, &mut canonical, depth) {
            found.extend(Facts::of(event, &converter.options));
        }
    }
    found.sort_unstable_by_key(Facts::span_id);
    found.dedup_by_key(|facts| facts.span_id());
    found
}
