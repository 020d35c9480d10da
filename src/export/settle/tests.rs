use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::*;

fn refusal(signal: Signal) -> Reason {
    Reason::Refused {
        signal: signal.as_str(),
        status: "HTTP 400 Bad Request".to_owned(),
        message: String::new(),
    }
}

fn doubt(events: impl IntoIterator<Item = u32>, rejected: u64) -> Doubt {
    Doubt {
        events: events.into_iter().collect(),
        rejected,
        message: "no".to_owned(),
    }
}

fn report(refused: &[u32], uncertain: Vec<Doubt>) -> SignalReport {
    SignalReport {
        refused: refused
            .iter()
            .map(|&event| (event, refusal(Signal::Logs)))
            .collect(),
        uncertain,
    }
}

#[test]
fn accepted_by_both_signals_is_exported() {
    let settlement = settle(&[2, 3], SignalReport::default(), SignalReport::default());
    let exported: Vec<_> = settlement.chunks.iter().map(|c| c.exported).collect();
    assert_eq!(exported, [2, 3]);
}

#[test]
fn refused_by_both_signals_is_dead_lettered_once() {
    let settlement = settle(&[2, 3], report(&[3], vec![]), report(&[3, 4], vec![]));
    assert_eq!(settlement.chunks[0].exported, 2);
    assert_eq!(settlement.chunks[1].exported, 1);
    let refused: Vec<_> = settlement.chunks[1].refused.iter().map(|r| r.0).collect();
    assert_eq!(refused, [1, 2]);
}

#[test]
fn a_partial_success_is_shared_by_the_chunks_of_its_request() {
    let settlement = settle(
        &[4, 4],
        report(&[], vec![doubt(0..8, 3)]),
        SignalReport::default(),
    );
    let shares: Vec<_> = settlement.chunks.iter().map(|c| c.uncertain).collect();
    assert_eq!(shares, [Some((1, 4)), Some((2, 4))]);
    assert_eq!(settlement.doubts, [doubt(0..8, 3)]);
}

#[test]
fn doubts_of_both_signals_about_the_same_events_count_with_the_larger() {
    let settlement = settle(
        &[8],
        report(&[], vec![doubt(0..8, 3)]),
        report(&[], vec![doubt(0..4, 1), doubt(4..8, 1)]),
    );
    assert_eq!(settlement.doubts, [doubt(0..8, 3)]);
    assert_eq!(settlement.chunks[0].uncertain, Some((3, 8)));
}

#[test]
fn a_request_of_which_all_records_were_rejected_leaves_no_doubt() {
    let settlement = settle(
        &[3],
        report(&[], vec![doubt(0..2, 2)]),
        SignalReport::default(),
    );
    assert!(settlement.doubts.is_empty());
    assert_eq!(settlement.chunks[0].refused.len(), 2);
    assert_eq!(settlement.chunks[0].exported, 1);
}

#[test]
fn an_event_that_one_signal_refused_is_in_no_doubt() {
    let settlement = settle(
        &[3],
        report(&[1], vec![]),
        report(&[], vec![doubt(0..3, 1)]),
    );
    assert_eq!(settlement.doubts, [doubt([0, 2], 1)]);
    assert_eq!(settlement.chunks[0].dead_lettered, 2);
}

prop_compose! {
    /// A report as a signal can give it: requests that share no event, each refused in part, or not.
    fn any_report(total: u32)(
        refused in btree_set(0..total.max(1), 0..4),
        cuts in btree_set(0..total.max(1), 0..5),
        rejected in vec(0u64..6, 6),
    ) -> SignalReport {
        let mut bounds: Vec<u32> = cuts.into_iter().collect();
        bounds.push(total);
        let uncertain = bounds
            .windows(2)
            .zip(rejected)
            .filter(|(_, rejected)| *rejected > 0)
            .map(|(w, rejected)| doubt((w[0]..w[1]).filter(|e| !refused.contains(e)), rejected))
            .filter(|d| !d.events.is_empty())
            .collect();
        let refused: Vec<u32> = refused.into_iter().filter(|&e| e < total).collect();
        report(&refused, uncertain)
    }
}

fn batch() -> impl Strategy<Value = (Vec<u32>, SignalReport, SignalReport)> {
    vec(0u32..9, 1..6).prop_flat_map(|chunks| {
        let total = chunks.iter().sum();
        (Just(chunks), any_report(total), any_report(total))
    })
}

proptest! {
    #[test]
    fn every_event_is_exported_or_dead_lettered((events, logs, traces) in batch()) {
        let settlement = settle(&events, logs.clone(), traces.clone());
        for (count, share) in events.iter().zip(&settlement.chunks) {
            prop_assert_eq!(share.exported + share.dead_lettered, u64::from(*count));
        }
        let dead: u64 = settlement.chunks.iter().map(|c| c.dead_lettered).sum();
        let refused: u64 = settlement.chunks.iter().map(|c| c.refused.len() as u64).sum();
        let doubted: u64 = settlement.doubts.iter().map(|d| d.rejected).sum();
        prop_assert_eq!(dead, refused + doubted);
        // No signal lost more than was written off.
        for report in [logs, traces] {
            let lost = report.refused.len() as u64
                + report.uncertain.iter().map(|d| d.rejected.min(d.events.len() as u64)).sum::<u64>();
            prop_assert!(dead >= lost);
        }
    }

    #[test]
    fn undelivered_is_what_a_signal_refused_or_put_in_doubt((events, logs, traces) in batch()) {
        let settlement = settle(&events, logs.clone(), traces.clone());
        let mut doubtful = BTreeSet::new();
        for report in [logs, traces] {
            doubtful.extend(report.refused.into_iter().map(|(event, _)| event));
            doubtful.extend(report.uncertain.into_iter().flat_map(|doubt| doubt.events));
        }
        let mut undelivered = Vec::new();
        let mut first = 0;
        for (count, share) in events.iter().zip(&settlement.chunks) {
            undelivered.extend(share.undelivered.iter().map(|event| first + event));
            first += count;
        }
        prop_assert_eq!(undelivered, Vec::from_iter(doubtful));
    }

    #[test]
    fn an_event_is_in_one_place_of_the_dead_letters((events, logs, traces) in batch()) {
        let settlement = settle(&events, logs, traces);
        let mut seen = BTreeSet::new();
        for event in settlement.doubts.iter().flat_map(|d| &d.events) {
            prop_assert!(seen.insert(*event));
        }
        let mut first = 0;
        for (count, share) in events.iter().zip(&settlement.chunks) {
            for (event, _) in &share.refused {
                prop_assert!(seen.insert(first + event));
            }
            first += count;
        }
    }
}
