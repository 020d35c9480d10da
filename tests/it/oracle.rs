//! A naive converter of everything and the real one agree on what is exported, what is refused and
//! how much there is.
//!
//! The naive one has its own walk through the containers, parses every record as a whole and reads
//! a handful of central fields by the mapping's text, not by the product's code.

pub(crate) mod naive;

use std::cell::Cell;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use qtrail_core::convert::Options;
use qtrail_core::event::amazon_q::Select;
use qtrail_core::reject::{Evidence, Reject};

use super::properties::{Run, conversion, damage, log_of, run, span_of, text, trail};
use crate::support::program::gzip;
use crate::support::trail::{self as made, Container};
use naive::{Central, Known};

/// The product's answer, in the naive converter's words.
fn central(log: &bytes::Bytes, span: &bytes::Bytes) -> Central {
    let (resource, log) = log_of(log);
    let span = span_of(span);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    assert_eq!(
        (&log.trace_id, &log.span_id),
        (&span.trace_id, &span.span_id)
    );
    Central {
        time: log.time_unix_nano,
        trace_id: hex::encode(&log.trace_id),
        span_id: hex::encode(&log.span_id),
        severity: log.severity_text.clone(),
        class: text(&log.attributes, "qtrail.event.class").map(naive::coarse),
        invoked_by: owned(text(&log.attributes, "aws.user_identity.invoked_by")),
        conversation: owned(text(&log.attributes, "gen_ai.conversation.id")),
        account: owned(text(&resource, "cloud.account.id")),
        region: owned(text(&resource, "cloud.region")),
    }
}

/// Compares both on a unit; how many events were exported and how many records refused.
fn agree(unit: &[u8], select: Select) -> Result<(usize, usize), TestCaseError> {
    let product = run(unit, &conversion(select, Options::default()));
    let naive = naive::convert(unit, select == Select::All, &Known::default());
    prop_assert_eq!(exported(&product), sorted(&naive.exported));
    let mut refused = refused(&product, select);
    let mut expected = naive.refused.clone();
    refused.sort();
    expected.sort();
    prop_assert_eq!(&refused, &expected);
    prop_assert_eq!(
        (product.read, product.filtered),
        (naive.read, naive.filtered)
    );
    Ok((product.events.len(), refused.len()))
}

/// The same on a unit that is damaged. The naive one knows where its records begin; what the product
/// gave up with a broken record is told to it.
fn agree_on_damaged(
    unit: &[u8],
    starts: Vec<usize>,
    whole: Vec<Vec<u8>>,
    select: Select,
) -> Result<(usize, usize, usize), TestCaseError> {
    let product = run(unit, &conversion(select, Options::default()));
    let range = |reject: &Reject| {
        let start = reject.position.offset as usize;
        start..start + reject.position.length as usize
    };
    let known = Known {
        starts,
        whole,
        given_up: product.rejects.iter().map(range).collect(),
    };
    let naive = naive::convert(unit, select == Select::All, &known);
    // What is exported began where a record did, or is one that the damage spared. The product may find a record again behind damage
    // where the naive one does not.
    let records = naive::at(unit, select == Select::All, &known);
    let exported = exported(&product);
    for event in &exported {
        prop_assert!(records.contains(event), "{event:?} is inside a record");
    }
    for event in &naive.exported {
        prop_assert!(exported.contains(event), "{event:?} is missing");
    }
    let refused = refused(&product, select);
    if select == Select::All && exported.len() == naive.exported.len() {
        // What is no record is refused in one piece or in several.
        prop_assert_eq!(naive::joined(&refused), naive::joined(&naive.lost));
    }
    Ok((product.events.len(), refused.len(), naive.passed_over))
}

fn exported(run: &Run) -> Vec<Central> {
    let all: Vec<_> = run.events.iter().map(|(l, s)| central(l, s)).collect();
    sorted(&all)
}

fn sorted(events: &[Central]) -> Vec<Central> {
    let mut events = events.to_vec();
    events.sort();
    events
}

/// The texts of refused records that are wanted, or could be.
fn refused(run: &Run, select: Select) -> Vec<String> {
    let wanted = |reject: &Reject| match &reject.evidence {
        Evidence::Bytes(bytes) if naive::is_wanted(bytes, select == Select::All) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    };
    run.rejects.iter().filter_map(wanted).collect()
}

/// Without a file of past failures, which a failing run would leave beside the tests.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

fn selects() -> impl Strategy<Value = Select> {
    select(&[Select::AmazonQ, Select::All][..])
}

#[test]
fn well_formed_trails_in_every_container() {
    let (exported, refused) = (Cell::new(0), Cell::new(0));
    let strategy = (
        trail(),
        select(&Container::ALL[..]),
        any::<bool>(),
        selects(),
    );
    TestRunner::new(cases(128))
        .run(&strategy, |(records, container, zipped, select)| {
            let mut unit = container.around(&records);
            if zipped {
                unit = gzip(&unit);
            }
            let (e, r) = agree(&unit, select)?;
            exported.set(exported.get() + e);
            refused.set(refused.get() + r);
            Ok(())
        })
        .unwrap();
    assert!(
        exported.get() > 300 && refused.get() > 0,
        "vacuous: {exported:?} {refused:?}"
    );
}

#[test]
fn a_bad_time_refuses_what_is_wanted_and_nothing_else_escaped_or_not() {
    let record = |fields: &str| {
        format!(r#"{{"eventVersion":"1.08","eventTime":"last Tuesday","eventID":"e",{fields}}}"#)
    };
    let wanted = [
        r#""eventSource":"q.amazonaws.com""#,
        r#""eventSource":"q\u002eamazonaws.com""#,
        r#""userAgent":"AmazonQ\u002dFor-CLI""#,
        r#""eventSource":"q.amazonaws.com","userAgent":"cut \ud83d here""#,
    ];
    let others = [
        r#""eventSource":"s3.amazonaws.com""#,
        r#""eventSource":"s3\u002eamazonaws.com""#,
        r#""userAgent":"cut \ud83d here""#,
        r#""errorMessage":"not q.amazonaws.com""#,
    ];
    let records: Vec<_> = wanted.iter().chain(&others).map(|f| record(f)).collect();
    for (select, expected) in [
        (Select::AmazonQ, wanted.len()),
        (Select::All, records.len()),
    ] {
        for container in Container::ALL {
            let unit = container.around(&records);
            match agree(&unit, select) {
                Ok(counts) => assert_eq!(counts, (0, expected), "{container:?}"),
                Err(error) => panic!("{container:?}: {error}"),
            }
        }
    }
}

#[test]
fn damaged_trails() {
    let (exported, refused, passed_over) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let containers = select(&[Container::LogFile, Container::Array, Container::Ndjson][..]);
    let cut = (
        any::<Index>(),
        prop_oneof![damage().prop_map(Some), Just(None)],
    );
    let damages = prop::collection::vec(cut, 1..4);
    let strategy = (any::<u64>(), 2..20_u64, containers, damages, selects());
    TestRunner::new(cases(256))
        .run(&strategy, |(seed, events, container, damages, select)| {
            let mut records: Vec<_> = made::records(seed, events, 50.0)
                .into_iter()
                .map(String::into_bytes)
                .collect();
            let whole = records.clone();
            for (index, damage) in damages {
                let record = &mut records[index.index(events as usize)];
                match damage {
                    Some(damage) => damage.to(record),
                    None => *record = naive::BROKEN.as_bytes().to_vec(),
                }
            }
            let (before, between, after) = match container {
                Container::LogFile => (&b"{\"Records\":["[..], &b","[..], &b"]}"[..]),
                Container::Array => (&b"["[..], &b","[..], &b"]"[..]),
                _ => (&b""[..], &b"\n"[..], &b"\n"[..]),
            };
            let mut start = before.len();
            let mut starts = Vec::new();
            for record in &records {
                starts.push(start);
                start += record.len() + between.len();
            }
            let unit = [before, &records.join(between), after].concat();
            let (e, r, p) = agree_on_damaged(&unit, starts, whole, select)?;
            exported.set(exported.get() + e);
            refused.set(refused.get() + r);
            passed_over.set(passed_over.get() + p);
            Ok(())
        })
        .unwrap();
    assert!(
        exported.get() > 500 && refused.get() > 50,
        "vacuous: {exported:?} {refused:?}"
    );
    // Two records that are both torn, or one that lost several brackets, can cost what is between.
    assert!(
        passed_over.get() * 3 < exported.get(),
        "given up: {passed_over:?} of {exported:?}"
    );
}

#[test]
fn the_demo_and_the_samples() {
    let mut exported = 0;
    for (name, content) in qtrail_sample::demo_trail(qtrail_sample::DEFAULT_END, 7) {
        for select in [Select::AmazonQ, Select::All] {
            // One file holds a broken record.
            match agree_on_damaged(&content, naive::starts(&content), Vec::new(), select) {
                Ok((events, ..)) => exported += events,
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
    assert!(exported > 20, "vacuous: {exported}");
}
