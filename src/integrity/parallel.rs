//! The same work on several threads.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Applies a function to each item, on so many threads. The results are in the order of the items.
pub(super) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    f: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            match items.get(index) {
                Some(item) => done.push((index, f(item))),
                None => return done,
            }
        }
    };
    let mut all = std::thread::scope(|scope| {
        let others = 1..threads.clamp(1, items.len().max(1));
        let others: Vec<_> = others.map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_unstable_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..1000).collect();
        for threads in [0, 1, 3, 2000] {
            let doubled = map(&items, threads, |item| item * 2);
            assert!(doubled.iter().zip(&items).all(|(d, i)| *d == i * 2));
            assert_eq!(doubled.len(), items.len());
        }
        assert!(map(&Vec::<u8>::new(), 4, |_| ()).is_empty());
    }
}
