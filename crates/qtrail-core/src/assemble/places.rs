//! Places of events outside of memory.
//!
//! What must hold: a place takes a fraction of a byte of memory; a place that cannot be read is an error.

use std::io;

use super::external::Placed;
use super::{Place, SpanId};
use crate::sorted::{Sorted, Space, Spill};

/// Bytes that are searched for a place, unless the index would be too large.
const BLOCK: u64 = 4 << 10;

/// The places, by span id.
#[derive(Debug)]
pub(super) struct Places {
    spill: Spill,
    /// The first place of each block, and where it begins.
    index: Vec<(SpanId, u64)>,
}

impl Places {
    /// Places of this order, with an index that stays within the memory of `space`.
    pub(super) fn new(placed: &Sorted<Placed>, space: Space) -> io::Result<Self> {
        let most = (space.memory_bytes / size_of::<(SpanId, u64)>()).max(2);
        let (mut spill, mut block) = (Spill::new((space.storage)()?), BLOCK);
        let mut index: Vec<(SpanId, u64)> = Vec::new();
        for placed in placed.iter() {
            let (placed, start) = (placed?, spill.end());
            let is_full = |(_, begin): &(SpanId, u64)| start - begin >= block;
            if index.last().is_none_or(is_full) {
                index.push((placed.span_id, start));
            }
            if index.len() > most {
                let mut number = 0;
                index.retain(|_| {
                    number += 1;
                    number % 2 == 1
                });
                block *= 2;
            }
            spill.push(&placed)?;
        }
        spill.flush()?;
        Ok(Places { spill, index })
    }

    /// The place of an event.
    pub(super) fn get(&self, id: SpanId) -> io::Result<Option<Place>> {
        let behind = self.index.partition_point(|(first, _)| *first <= id);
        let Some((_, start)) = behind.checked_sub(1).map(|block| self.index[block]) else {
            return Ok(None);
        };
        let end = self.index.get(behind).map(|(_, start)| *start);
        let block = start..end.unwrap_or(self.spill.end());
        for placed in self.spill.read::<Placed>(block) {
            let placed = placed?;
            if placed.span_id >= id {
                return Ok((placed.span_id == id).then_some(placed.place));
            }
        }
        Ok(None)
    }
}
