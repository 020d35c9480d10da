//! Settlements, in any order, become commits.
//!
//! Enters: steps of one unit, numbered in the order in which they were read, as they settle.
//! Leaves: the offset up to which every step has settled, whenever it grows. What must hold: an
//! offset is never given out while an earlier step is unsettled.

use std::collections::BTreeMap;

/// The settled prefix of one unit.
#[derive(Debug, Default)]
pub struct Tracker {
    next: u64,
    early: BTreeMap<u64, u64>,
}

impl Tracker {
    /// Step `number` (from 0), which reaches up to `offset`, has settled. Returns the new offset of
    /// the settled prefix, if that has grown.
    pub fn settle(&mut self, number: u64, offset: u64) -> Option<u64> {
        self.early.insert(number, offset);
        let mut grown = None;
        while let Some(offset) = self.early.remove(&self.next) {
            self.next += 1;
            grown = Some(offset);
        }
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_early_step_waits_for_the_ones_before_it() {
        let mut tracker = Tracker::default();
        assert_eq!(tracker.settle(1, 20), None);
        assert_eq!(tracker.settle(2, 30), None);
        assert_eq!(tracker.settle(0, 10), Some(30));
        assert_eq!(tracker.settle(3, 40), Some(40));
    }

    proptest! {
        #[test]
        fn any_order_commits_everything_and_never_past_a_gap(order in Just((0u64..50).collect::<Vec<_>>()).prop_shuffle()) {
            let mut tracker = Tracker::default();
            let mut settled = [false; 50];
            let mut committed = 0;
            for number in order {
                settled[number as usize] = true;
                if let Some(offset) = tracker.settle(number, (number + 1) * 7) {
                    prop_assert!(offset > committed);
                    committed = offset;
                }
                let prefix = settled.iter().take_while(|s| **s).count() as u64;
                prop_assert_eq!(committed, prefix * 7);
            }
            prop_assert_eq!(committed, 350);
        }
    }
}
