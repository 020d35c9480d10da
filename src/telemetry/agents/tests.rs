use std::borrow::Cow;

use qtrail_core::convert::Summary;

use super::*;

const SECOND: i64 = 1_000_000_000;
const NOW: i64 = 1_800_000_000 * SECOND;

fn call(service: &'static str) -> Summary<'static> {
    Summary {
        time: NOW - 600 * SECOND,
        class: Class::OnBehalfOf,
        outcome: Outcome::Success,
        is_message: false,
        service: Some(Cow::Borrowed(service)),
        error_code: None,
        account_id: Some("111122223333"),
        region: Some("us-east-1"),
        person: Some(1),
        is_known: false,
        is_named: false,
        user: None,
        conversation: None,
    }
}

fn message(person: u64) -> Summary<'static> {
    Summary {
        class: Class::Conversation,
        is_message: true,
        person: Some(person),
        conversation: Some([person as u8; 16]),
        ..call("q")
    }
}

fn denied(service: &'static str, code: &'static str) -> Summary<'static> {
    Summary {
        outcome: Outcome::Denied,
        error_code: Some(Cow::Borrowed(code)),
        ..call(service)
    }
}

fn facts(events: &[Summary<'_>]) -> Facts {
    let mut facts = Facts::default();
    for event in events {
        facts.push(event);
    }
    facts
}

/// The series that are not 0: their label values, and the value.
fn counted<const N: usize>(counts: &Labelled<N, u64>) -> Vec<(String, u64)> {
    let samples = counts.samples().into_iter();
    let counted = samples.filter(|sample| sample.value > 0).map(|sample| {
        let values = sample.labels.iter().map(|(_, value)| value.as_str());
        (values.collect::<Vec<_>>().join(" "), sample.value)
    });
    counted.collect()
}

fn one(labels: &str, count: u64) -> (String, u64) {
    (labels.to_owned(), count)
}

#[test]
fn what_was_not_delivered_is_not_counted() {
    let agents = Agents::default();
    let events = [
        message(1),
        call("s3"),
        message(2),
        denied("iam", "AccessDenied"),
        call("s3"),
    ];
    let facts = facts(&events);
    assert_eq!(facts.conversations(&[2]).len(), 1);
    agents.count(&facts, &[2, 4], 1, Feed::Live, NOW);
    assert_eq!(counted(&agents.messages), [one("live", 1)]);
    assert_eq!(counted(&agents.conversations_started), [one("live", 1)]);
    assert_eq!(
        counted(&agents.calls),
        [one("iam live", 1), one("s3 live", 1)]
    );
    assert_eq!(counted(&agents.denials), [one("iam AccessDenied live", 1)]);
    let events = [
        one("conversation success live", 1),
        one("on_behalf_of denied live", 1),
        one("on_behalf_of success live", 1),
    ];
    assert_eq!(counted(&agents.events), events);
    assert_eq!(
        (agents.active_people(NOW), agents.active_conversations(NOW)),
        (1, 1)
    );
}

#[test]
fn a_backfill_moves_nothing_that_is_live() {
    let agents = Agents::default();
    let facts = facts(&[message(1), denied("iam", "AccessDenied")]);
    agents.count(&facts, &[], 1, Feed::Backfill, NOW);
    assert_eq!(counted(&agents.messages), [one("backfill", 1)]);
    assert_eq!(
        counted(&agents.denials),
        [one("iam AccessDenied backfill", 1)]
    );
    assert_eq!((agents.active_people(NOW), agents.newest()), (0, None));
    agents.lag.each(|labels, _| panic!("{labels:?}"));
}

#[test]
fn every_class_outcome_and_origin_is_there_at_0() {
    let agents = Agents::default();
    let zeros = agents.events.samples();
    assert_eq!(zeros.len(), Class::ALL.len() * Outcome::ALL.len() * 2);
    assert!(zeros.iter().all(|sample| sample.value == 0));
    assert_eq!(agents.messages.samples().len(), 2);
    assert_eq!(agents.conversations_started.samples().len(), 2);
    // Nothing that occurs adds a series.
    let all = Class::ALL.into_iter().flat_map(|class| {
        Outcome::ALL.map(|outcome| Summary {
            class,
            outcome,
            ..call("s3")
        })
    });
    agents.count(&facts(&all.collect::<Vec<_>>()), &[], 0, Feed::Live, NOW);
    assert_eq!(agents.events.samples().len(), zeros.len());
    assert_eq!(counted(&agents.events).len() * 2, zeros.len());
}

#[test]
fn the_delay_is_counted_by_account_and_region_and_the_future_is_now() {
    let agents = Agents::default();
    let ahead = Summary {
        time: NOW + 3_600 * SECOND,
        region: None,
        ..call("s3")
    };
    agents.count(
        &facts(&[call("s3"), ahead, call("s3")]),
        &[],
        0,
        Feed::Live,
        NOW,
    );
    let mut lags = Vec::new();
    agents.lag.each(|labels, lag| {
        let [(_, account), (_, region)] = &labels[..] else {
            panic!("{labels:?}");
        };
        lags.push((format!("{account} {region}"), lag.0.count(), lag.0.sum()));
    });
    let expected = [
        ("111122223333 unknown", 1, 0.0),
        ("111122223333 us-east-1", 2, 1200.0),
    ];
    assert_eq!(
        lags,
        expected.map(|(labels, count, sum)| (labels.to_owned(), count, sum))
    );
    assert_eq!(agents.newest(), Some(NOW));
}

#[test]
fn each_kind_of_label_has_its_limit() {
    let agents = Agents::default();
    let texts: Vec<String> = (0..2 * DENIALS).map(|n| n.to_string()).collect();
    for text in &texts {
        let mut event = denied("iam", "AccessDenied");
        event.service = Some(Cow::Borrowed(text));
        event.error_code = Some(Cow::Borrowed(text));
        event.account_id = Some(text);
        agents.count(&facts(&[event]), &[], 0, Feed::Live, NOW);
    }
    let calls = counted(&agents.calls);
    assert_eq!(calls.len(), CALLS + 1);
    assert!(calls.contains(&one("other live", (texts.len() - CALLS) as u64)));
    let denials = counted(&agents.denials);
    assert_eq!(denials.len(), DENIALS + 1);
    assert!(denials.contains(&one("other other live", (texts.len() - DENIALS) as u64)));
    let mut lags = 0;
    agents.lag.each(|_, _| lags += 1);
    assert_eq!(lags, LAGS + 1);
}

#[test]
fn alike_labels_are_kept_once() {
    let mut facts = Facts::default();
    for n in 0..100 {
        facts.push(&[call("s3"), message(n)][n as usize % 2]);
    }
    assert_eq!(facts.labels().len(), 2);
    // What is not counted of an event keeps no events apart.
    let mut other = call("ec2");
    other.class = Class::Other;
    facts.push(&other);
    other.service = Some(Cow::Borrowed("s3"));
    facts.push(&other);
    assert_eq!(facts.labels().len(), 3);
}
