use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Number(u32, String);

impl Record for Number {
    type Key = u32;

    fn key(&self) -> u32 {
        self.0
    }
}

/// A space of so many bytes; what does not fit is in memory all the same.
pub(crate) fn space(memory_bytes: usize) -> Space {
    Space {
        memory_bytes,
        storage: || Ok(in_memory(Vec::new())),
    }
}

proptest! {
    #[test]
    fn the_order_depends_on_the_keys_alone(
        numbers in prop::collection::vec((0..50_u32, "[a-z]{0,9}"), 0..400),
        memory in 0..20_000_usize,
    ) {
        let numbers: Vec<_> = numbers.into_iter().map(|(key, text)| Number(key, text)).collect();
        let mut sorter = Sorter::new(space(memory));
        for number in &numbers {
            sorter.push(number).unwrap();
        }
        let sorted = sorter.finish().unwrap();
        let read = || sorted.iter().collect::<io::Result<Vec<_>>>().unwrap();
        let mut all = read();
        prop_assert!(all.is_sorted_by_key(|number| number.0));
        prop_assert_eq!(read(), all.clone(), "it can be read again");
        all.sort_unstable();
        let mut expected = numbers;
        expected.sort_unstable();
        prop_assert_eq!(all, expected);
    }
}

#[test]
fn the_number_of_runs_that_are_read_at_a_time_is_bounded() {
    let mut sorter = Sorter::new(space(0));
    let count = (RUNS * RUNS + RUNS + 2) as u32;
    for number in (0..count).rev() {
        sorter.push(&Number(number, String::new())).unwrap();
    }
    let levels: Vec<_> = sorter.runs.iter().map(|run| run.level).collect();
    assert_eq!(levels, [2, 1, 0, 0]);
    let sorted = sorter.finish().unwrap();
    let numbers: Vec<_> = sorted.iter().map(|number| number.unwrap().0).collect();
    assert!(numbers.into_iter().eq(0..count));
}

#[test]
fn an_error_of_the_storage_is_not_the_end_of_the_records() {
    static READS: AtomicUsize = AtomicUsize::new(0);
    #[derive(Debug)]
    struct Broken(Arc<dyn Storage>);
    impl Storage for Broken {
        fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
            self.0.write_at(bytes, at)
        }
        fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
            match READS.fetch_add(1, Relaxed) < 2 {
                true => self.0.read_at(into, at),
                false => Err(io::Error::other("broken")),
            }
        }
    }
    let mut sorter = Sorter::new(Space {
        memory_bytes: 0,
        storage: || Ok(Arc::new(Broken(in_memory(Vec::new())))),
    });
    for number in 0..3 {
        sorter.push(&Number(number, String::new())).unwrap();
    }
    let mut read = sorter.finish().unwrap().iter();
    assert_eq!(read.next().unwrap().unwrap_err().to_string(), "broken");
    assert!(read.next().is_none());
}
