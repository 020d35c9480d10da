//! A unit is read for the facts of its events alone.

use std::io::{self, Read};

use crate::pipeline::Pipeline;
use qtrail_core::assemble::{Facts, FactsReader};
use qtrail_core::envelope::Again;

/// Memory of an event's facts, and of its place while it waits.
const EVENT_BYTES: usize = 1024;
/// The facts of one unit take at most one part in so many of `limits.memory`.
const PART: usize = 4;

/// The unit's bytes, and again for a look ahead where they are damaged.
pub(super) type Content = (Box<dyn Read + Send>, Again);

/// Opens a unit for a reading beside its own.
///
/// # Errors
/// It cannot be read a second time.
pub(super) fn open(again: &mut Again) -> io::Result<Content> {
    let Again::Reader(open) = again else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let (content, mut ahead) = (open()?, Some(open()?));
    let ahead = move || {
        ahead
            .take()
            .ok_or_else(|| io::ErrorKind::Unsupported.into())
    };
    Ok((content, Again::Reader(Box::new(ahead))))
}

/// The facts of the events that can have a place in a tree, each once. Errors are left to the second reading, which
/// finds the same records.
pub(super) fn facts((content, again): Content, name: &str, pipeline: &Pipeline) -> Vec<Facts> {
    let most = pipeline.memory_bytes / PART / EVENT_BYTES;
    let (mut found, mut left_out) = (Vec::new(), 0_u64);
    let each = |facts| {
        match found.len() < most {
            true => found.push(facts),
            false => left_out += 1,
        }
        !pipeline.abort.is_cancelled()
    };
    let _: io::Result<()> =
        FactsReader::default().read(&pipeline.conversion.current(), content, Some(again), each);
    if left_out > 0 {
        pipeline.metrics.assembly_early.add(left_out);
        tracing::warn!(
            "{name} has so many events of agents that {left_out} of them are not assembled: raise limits.memory"
        );
    }
    found.sort_unstable_by_key(Facts::span_id);
    found.dedup_by_key(|facts| facts.span_id());
    found
}
