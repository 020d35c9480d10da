//! A unit is read for the facts of its events alone.

use std::io::{self, Read};

use crate::pipeline::Pipeline;
use qtrail_core::assemble::{Facts, FactsReader};
use qtrail_core::envelope::Again;

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
    let mut found = Vec::new();
    let _: io::Result<()> =
        FactsReader::default().read(&pipeline.conversion, content, None, |facts| {
            found.push(facts);
            !pipeline.abort.is_cancelled()
        });
    found.sort_unstable_by_key(Facts::span_id);
    found.dedup_by_key(|facts| facts.span_id());
    found
}
