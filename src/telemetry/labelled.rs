//! Values by labels, whose number is bounded.
//!
//! Enters: label values, some of them from records. Leaves: [`Sample`]s. What must hold: whatever the records hold, there
//! are at most as many series as the limit says, and one more for all others; no value controls a terminal.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::printable::printable;

/// Characters of a text that becomes a label's value. The rest is cut off.
const VALUE_CHARS: usize = 64;
/// The value of the labels of everything beyond the limit.
pub(super) const OTHER: &str = "other";

/// One series of a metric, and its current value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Names and values.
    pub labels: Vec<(&'static str, String)>,
    /// The value.
    pub value: u64,
}

impl Sample {
    /// The only series of a metric without labels.
    pub(super) fn unlabelled(value: u64) -> Vec<Sample> {
        let labels = Vec::new();
        vec![Sample { labels, value }]
    }
}

/// Values by `N` labels.
#[derive(Debug)]
pub struct Labelled<const N: usize, V> {
    names: [&'static str; N],
    /// The first so many labels have values that come from outside.
    open: usize,
    limit: usize,
    values: Mutex<BTreeMap<[String; N], V>>,
}

impl<const N: usize, V: Default> Labelled<N, V> {
    /// At most `limit` series, and one with `OTHER` as the first `open` labels for each combination of the others.
    pub fn new(names: [&'static str; N], open: usize, limit: usize) -> Self {
        Labelled {
            names,
            open,
            limit,
            values: Mutex::default(),
        }
    }

    /// Values whose labels are all known.
    pub fn known(
        names: [&'static str; N],
        labels: impl Iterator<Item = [&'static str; N]>,
    ) -> Self {
        let values = labels.map(|values| (values.map(str::to_owned), V::default()));
        let values: BTreeMap<_, _> = values.collect();
        Labelled {
            limit: values.len(),
            values: Mutex::new(values),
            ..Labelled::new(names, 0, 0)
        }
    }

    /// Changes the value with these labels: it is passed with what became of them.
    pub fn update<T>(
        &self,
        labels: [&str; N],
        change: impl FnOnce(&[String; N], &mut V) -> T,
    ) -> T {
        let mut key = labels.map(|value| printable(cut(value)));
        let mut values = self.lock();
        if values.len() >= self.limit && !values.contains_key(&key) {
            key[..self.open].fill(OTHER.to_owned());
        }
        match values.get_mut(&key) {
            Some(value) => change(&key, value),
            None => change(&key.clone(), values.entry(key).or_default()),
        }
    }

    /// Each value with its labels, in order.
    pub(super) fn each(&self, mut see: impl FnMut(Vec<(&'static str, String)>, &V)) {
        for (key, value) in self.lock().iter() {
            see(
                self.names.into_iter().zip(key.iter().cloned()).collect(),
                value,
            );
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[String; N], V>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<const N: usize> Labelled<N, u64> {
    /// Counts `n` more with these labels.
    pub fn add(&self, labels: [&str; N], n: u64) {
        self.update(labels, |_, count| *count += n);
    }

    /// The counts.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        self.each(|labels, value| {
            samples.push(Sample {
                labels,
                value: *value,
            })
        });
        samples
    }
}

/// The beginning of a text, if it is too long for a label's value.
pub(super) fn cut(text: &str) -> &str {
    if text.len() <= VALUE_CHARS {
        return text;
    }
    match text.char_indices().nth(VALUE_CHARS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<const N: usize>(counts: &Labelled<N, u64>) -> Vec<String> {
        let samples = counts.samples().into_iter();
        let shown = samples.map(|sample| {
            let values = sample.labels.iter().map(|(_, value)| value.as_str());
            format!("{} {}", values.collect::<Vec<_>>().join(" "), sample.value)
        });
        shown.collect()
    }

    #[test]
    fn values_beyond_the_limit_are_counted_together_by_the_known_labels() {
        let counts = Labelled::new(["service", "origin"], 1, 2);
        for service in ["s3", "ec2", "iam", "s3", "sts"] {
            counts.add([service, "live"], 1);
        }
        counts.add(["ec2", "backfill"], 1);
        let expected = [
            "ec2 live 1",
            "other backfill 1",
            "other live 2",
            "s3 live 2",
        ];
        assert_eq!(shown(&counts), expected);
    }

    #[test]
    fn a_value_is_short_and_controls_no_terminal() {
        let counts = Labelled::new(["service"], 1, 9);
        counts.add(["\u{1b}[31m\n"], 1);
        counts.add([&"ü".repeat(1000)], 1);
        counts.add([&"ü".repeat(2000)], 1);
        let long = format!("{} 2", "ü".repeat(VALUE_CHARS));
        assert_eq!(shown(&counts), ["\\u{1b}[31m\\n 1", &long]);
    }

    #[test]
    fn known_series_are_there_from_the_start() {
        let counts = Labelled::known(["origin"], [["live"], ["backfill"]].into_iter());
        counts.add(["live"], 2);
        assert_eq!(shown(&counts), ["backfill 0", "live 2"]);
    }
}
