//! From the outcome of a batch's records, by signal, to the outcome of its events, by chunk.
//!
//! Enters: how many events each chunk has, and a [`SignalReport`] for log records and for spans.
//! Leaves: a [`Settlement`]. What must hold: for each chunk, exported + dead-lettered = events; an
//! event counts as exported when neither signal refused it, and is dead-lettered once at most; one
//! that may lack a signal is named as undelivered.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use qtrail_core::otlp::Signal;
use qtrail_core::reject::Reason;

/// What became of one signal's records of a batch; those in no list were accepted, or there were
/// none. Events are numbered within the batch.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct SignalReport {
    /// Refused one by one.
    pub(super) refused: Vec<(u32, Reason)>,
    /// Requests with some rejected records; the collector does not tell which.
    pub(super) uncertain: Vec<Doubt>,
}

/// Events; some of them were rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    /// The events, in order.
    pub(super) events: Vec<u32>,
    /// How many of them were rejected.
    pub(super) rejected: u64,
    /// The collector's words.
    pub(super) message: String,
}

/// What became of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settlement {
    /// One for each chunk, in order.
    pub(super) chunks: Vec<Share>,
    /// Each is one entry of the dead letters.
    pub(super) doubts: Vec<Doubt>,
}

/// What became of one chunk.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Share {
    /// Events with every signal accepted.
    pub(super) exported: u64,
    /// Events refused, or their share of the uncertain ones.
    pub(super) dead_lettered: u64,
    /// The refused events, numbered within the chunk.
    pub(super) refused: Vec<(u32, Reason)>,
    /// Rejected, of how many.
    pub(super) uncertain: Option<(u64, u64)>,
    /// Events that may lack a signal at the collector: rejected ones and uncertain ones. In order,
    /// numbered within the chunk.
    pub(super) undelivered: Vec<u32>,
}

/// Settles a batch whose chunks have `events` events each.
pub(super) fn settle(events: &[u32], logs: SignalReport, traces: SignalReport) -> Settlement {
    let mut refused = BTreeMap::new();
    let mut groups = Vec::new();
    for (signal, report) in [(Signal::Logs, logs), (Signal::Traces, traces)] {
        for (event, reason) in report.refused {
            refused.entry(event).or_insert(reason);
        }
        for doubt in report.uncertain {
            if doubt.rejected >= doubt.events.len() as u64 {
                // All of them: there is no doubt which.
                for event in doubt.events {
                    refused.entry(event).or_insert_with(|| Reason::Refused {
                        signal: signal.as_str(),
                        status: "partial success".to_owned(),
                        message: doubt.message.clone(),
                    });
                }
            } else {
                groups.push((signal, doubt));
            }
        }
    }
    let doubts = merge(groups, &refused);

    let mut settlement = Settlement::default();
    let mut first = 0;
    for &count in events {
        let last = first + count;
        let share = share(first, last, &refused, &doubts);
        settlement.chunks.push(share);
        first = last;
    }
    settlement.doubts = doubts;
    settlement
}

/// Joins doubts that share events, so that each event is in one at most. What two signals say about
/// the same events is not added up: the larger number counts.
fn merge(groups: Vec<(Signal, Doubt)>, refused: &BTreeMap<u32, Reason>) -> Vec<Doubt> {
    struct Joined {
        events: BTreeSet<u32>,
        rejected: [u64; 2],
        message: String,
    }
    let mut joined: Vec<Option<Joined>> = Vec::new();
    let mut owner: HashMap<u32, usize> = HashMap::new();
    for (signal, doubt) in groups {
        let events: BTreeSet<u32> = doubt
            .events
            .into_iter()
            .filter(|event| !refused.contains_key(event))
            .collect();
        if events.is_empty() {
            continue;
        }
        let mut new = Joined {
            rejected: [0, 0],
            message: doubt.message,
            events,
        };
        new.rejected[usize::from(signal == Signal::Traces)] = doubt.rejected;
        let overlapping: BTreeSet<usize> = new
            .events
            .iter()
            .filter_map(|event| owner.get(event).copied())
            .collect();
        for index in overlapping {
            if let Some(old) = joined[index].take() {
                new.events.extend(old.events);
                new.rejected[0] += old.rejected[0];
                new.rejected[1] += old.rejected[1];
                if new.message.is_empty() {
                    new.message = old.message;
                }
            }
        }
        for &event in &new.events {
            owner.insert(event, joined.len());
        }
        joined.push(Some(new));
    }
    joined
        .into_iter()
        .flatten()
        .map(|group| Doubt {
            rejected: group.rejected[0]
                .max(group.rejected[1])
                .min(group.events.len() as u64),
            events: group.events.into_iter().collect(),
            message: group.message,
        })
        .collect()
}

/// What became of the events `first..last`.
fn share(first: u32, last: u32, refused: &BTreeMap<u32, Reason>, doubts: &[Doubt]) -> Share {
    let refused: Vec<_> = refused
        .range(first..last)
        .map(|(event, reason)| (event - first, reason.clone()))
        .collect();
    let mut undelivered: Vec<u32> = refused.iter().map(|(event, _)| *event).collect();
    let (mut rejected, mut of) = (0, 0);
    for doubt in doubts {
        let before = doubt.events.partition_point(|&event| event < first);
        let until = doubt.events.partition_point(|&event| event < last);
        undelivered.extend(
            doubt.events[before..until]
                .iter()
                .map(|event| event - first),
        );
        // Shares in proportion that add up to the whole, whatever the rounding.
        let upto = |events: u64| {
            let part = u128::from(doubt.rejected) * u128::from(events);
            (part / doubt.events.len() as u128) as u64
        };
        rejected += upto(until as u64) - upto(before as u64);
        of += (until - before) as u64;
    }
    undelivered.sort_unstable();
    let dead_lettered = refused.len() as u64 + rejected;
    Share {
        exported: u64::from(last - first) - dead_lettered,
        dead_lettered,
        refused,
        uncertain: (of > 0).then_some((rejected, of)),
        undelivered,
    }
}

#[cfg(test)]
mod tests;
