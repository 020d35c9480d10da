//! A unit through the pipeline: what its report says, and what it never says.

use std::io::{self, Cursor, Read};

use qtrail::dead_letter::{self, DeadLetters};
use qtrail::dead_letter::{OnDamage, Origin};
use qtrail::export::Outcome;
use qtrail::export::{Destination, Protocol};
use qtrail::pipeline::{Content, Counts, Report, Text, Truncation, Unit};
use qtrail_core::reject::Reason;
use tokio_util::sync::CancellationToken;

use crate::support::collector::Collector;
use crate::support::flow::{Flow, flow};
use crate::support::program::{event, gzip, log_file};

fn discarding() -> Flow {
    flow(Destination::Discard, DeadLetters::none(), 1 << 20)
}

pub fn unit(content: impl Read + Send + 'static, truncation: Truncation) -> Unit {
    Unit {
        origin: Origin {
            input: "test",
            name: "unit".into(),
            observed: None,
            on_damage: OnDamage::NamePlace,
        },
        content: Content::Whole(Box::new(content)),
        base: 1000,
        truncation,
        inflated_bytes: None,
    }
}

/// A unit of texts, numbered from 100.
pub fn texts(texts: impl IntoIterator<Item = Vec<u8>>) -> Unit {
    let text = |(number, bytes): (u64, Vec<u8>)| Text {
        number,
        source: None,
        bytes: bytes.into(),
    };
    let mut unit = Unit {
        content: Content::Texts((100..).zip(texts).map(text).collect()),
        base: 0,
        ..unit(io::empty(), Truncation::Reject)
    };
    unit.origin.on_damage = OnDamage::KeepWhole;
    unit
}

/// The refused records by number and kind of reason.
fn refused(report: &Report) -> Vec<(u64, &'static str)> {
    let kind = |(number, reason): &(u64, Reason)| (*number, reason.kind());
    report.refused.iter().map(kind).collect()
}

pub fn balanced(flow: &Flow, report: &Report) {
    let counts = report.counts;
    assert_eq!(
        counts.read,
        counts.exported + counts.filtered + counts.duplicate + counts.dead_lettered
    );
    assert!(flow.metrics.balance().holds(), "{}", flow.metrics.balance());
    assert_eq!(flow.metrics.in_flight.get(), 0);
}

#[tokio::test]
async fn a_unit_is_delivered_when_each_record_has_settled() {
    let flow = discarding();
    let noise = event("noise").replace("q.amazonaws.com", "s3.amazonaws.com");
    let bad = event("bad").replace("2024-04-10T14:07:55Z", "soon");
    let mut records: Vec<_> = (0..2000).map(|i| event(&i.to_string())).collect();
    records.extend([noise, bad]);
    let report = flow
        .pipeline
        .deliver(unit(Cursor::new(log_file(&records)), Truncation::Reject))
        .await;
    assert_eq!(report.outcome, Outcome::Delivered);
    let counts = report.counts;
    assert_eq!(
        (
            counts.read,
            counts.exported,
            counts.filtered,
            counts.dead_lettered
        ),
        (2002, 2000, 1, 1)
    );
    let refused: Vec<_> = report
        .refused
        .iter()
        .map(|(index, reason)| (*index, reason.kind()))
        .collect();
    assert_eq!(refused, [(2001, "bad_time")]);
    balanced(&flow, &report);
}

#[tokio::test]
async fn an_end_in_the_middle_is_a_reject_or_waits_as_was_asked() {
    let lines = format!("{}\n{}\n", event("one"), event("two"));
    let cut = lines.len() - 30;
    let first = event("one").len() as u64 + 1;
    for (truncation, dead, truncated) in
        [(Truncation::Reject, 1, false), (Truncation::Defer, 0, true)]
    {
        let flow = discarding();
        let content = Cursor::new(lines.as_bytes()[..cut].to_vec());
        let report = flow.pipeline.deliver(unit(content, truncation)).await;
        assert_eq!(
            (report.counts.exported, report.counts.dead_lettered),
            (1, dead)
        );
        assert_eq!(report.truncated.is_some(), truncated);
        if truncated {
            assert_eq!(
                report.settled_offset,
                1000 + first,
                "the follower resumes at the second line"
            );
        }
        balanced(&flow, &report);
    }
}

/// Yields its bytes, then fails.
struct Failing(Cursor<Vec<u8>>);

impl Read for Failing {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buf)? {
            0 => Err(io::Error::other("the disk is gone")),
            n => Ok(n),
        }
    }
}

/// A small unit in memory takes a shorter way, and a large one, or one with something to tell, does
/// not: nobody may see which.
#[tokio::test]
async fn what_is_in_memory_is_delivered_as_what_is_read() {
    let noise = event("noise").replace("q.amazonaws.com", "s3.amazonaws.com");
    let bad = event("bad").replace("2024-04-10T14:07:55Z", "soon");
    let lines = format!("{}\n{}\n", event("one"), event("two"));
    let contents = [
        log_file(&[event("one"), noise.clone(), event("two")]),
        gzip(log_file(&[event("one"), event("two")])),
        gzip(log_file(&vec![noise; 5_000])),
        log_file(&[event("one"), bad, event("two")]),
        gzip(log_file(
            &(0..600).map(|n| event(&n.to_string())).collect::<Vec<_>>(),
        )),
        lines.as_bytes()[..lines.len() - 30].to_vec(),
        br#"{"digestEndTime":"2024-04-10T15:00:00Z","logFiles":[]}"#.to_vec(),
        b"no trail".to_vec(),
        Vec::new(),
    ];
    for content in contents {
        for truncation in [Truncation::Reject, Truncation::Defer] {
            let mut told = Vec::new();
            for in_memory in [false, true] {
                let flow = discarding();
                let unit = match in_memory {
                    true => Unit {
                        content: Content::Bytes(content.clone().into()),
                        ..unit(io::empty(), truncation)
                    },
                    false => unit(Cursor::new(content.clone()), truncation),
                };
                let report = flow.pipeline.deliver(unit).await;
                balanced(&flow, &report);
                let metrics = (
                    flow.metrics.balance(),
                    flow.metrics.units.get(),
                    flow.metrics.skipped.get(),
                    flow.metrics.inflated_bytes.get(),
                );
                told.push(format!("{report:?} {metrics:?}"));
            }
            assert_eq!(told[0], told[1]);
        }
    }
}

#[tokio::test]
async fn a_reader_that_fails_is_no_delivery() {
    let flow = discarding();
    let content = Failing(Cursor::new(format!("{}\n", event("one")).into_bytes()));
    let report = flow
        .pipeline
        .deliver(unit(content, Truncation::Reject))
        .await;
    assert_eq!(report.outcome, Outcome::Retry(None));
    assert_eq!(report.read_error.as_deref(), Some("the disk is gone"));
    assert_eq!(report.counts.dead_lettered, 0);
    balanced(&flow, &report);
}

#[tokio::test]
async fn a_chunk_larger_than_the_whole_budget_still_passes() {
    let flow = flow(Destination::Discard, DeadLetters::none(), 1);
    let records: Vec<_> = (0..1500).map(|i| event(&i.to_string())).collect();
    let report = flow
        .pipeline
        .deliver(unit(Cursor::new(log_file(&records)), Truncation::Reject))
        .await;
    assert_eq!(report.counts.exported, 1500);
    balanced(&flow, &report);
}

#[tokio::test]
async fn what_is_aborted_is_abandoned_and_never_delivered() {
    // The dead letters cannot be written, so the unit cannot settle until the abort.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let abort = CancellationToken::new();
    let letters = DeadLetters::open(dead_letter::Settings::new(path), abort.clone()).unwrap();
    let flow = flow(Destination::Discard, letters, 1 << 20);
    let content = Cursor::new(log_file(&[
        event("good"),
        event("bad").replace("2024-", "x"),
    ]));
    let delivery = flow.pipeline.deliver(unit(content, Truncation::Reject));
    let stop = async {
        while flow.metrics.read.get() < 2 {
            tokio::task::yield_now().await;
        }
        flow.abort.cancel();
        abort.cancel();
    };
    let (report, ()) = tokio::join!(delivery, stop);
    assert_eq!(report.outcome, Outcome::Abandoned);
    assert_eq!(report.settled_offset, 1000);
}

#[tokio::test]
async fn what_is_wrong_with_one_text_is_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let settings = dead_letter::Settings::new(path.clone());
    let letters = DeadLetters::open(settings, CancellationToken::new()).unwrap();
    let flow = flow(Destination::Discard, letters, 1 << 20);
    let cut = event("cut").replace("Management", "\u{1f980}");
    let report = flow
        .pipeline
        .deliver(texts([
            event("100").into_bytes(),
            // Records that are broken, and kept.
            cut.as_bytes()[..cut.len() - 30].to_vec(),
            event("102").replace(":", ";").into_bytes(),
            event("103")
                .replace("2024-04-10T14:07:55Z", "soon")
                .into_bytes(),
            gzip(event("104"))[..100].to_vec(),
            // What is none of CloudTrail's.
            b"GET /index.html 200".to_vec(),
            br#"{"level":"info"}"#.to_vec(),
            br#"{"level":"in"#.to_vec(),
            Vec::new(),
            b" \n".to_vec(),
            format!("{}{}", "[".repeat(300), "]".repeat(300)).into_bytes(),
            event("111").into_bytes(),
        ]))
        .await;
    assert_eq!(report.outcome, Outcome::Delivered);
    assert_eq!(
        refused(&report),
        [
            (101, "truncated"),
            (102, "not_json"),
            (103, "bad_time"),
            (104, "truncated"),
            (105, "not_json"),
            (106, "not_cloudtrail"),
            (107, "truncated"),
            (108, "not_cloudtrail"),
            (109, "not_cloudtrail"),
            (110, "too_deep"),
        ]
    );
    let expected = Counts {
        read: 6,
        exported: 2,
        dead_lettered: 4,
        foreign: 6,
        bytes: report.counts.bytes,
        ..Counts::default()
    };
    assert_eq!(report.counts, expected);
    balanced(&flow, &report);
    let letters = std::fs::read_to_string(path).unwrap();
    let index =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["index"].clone();
    let mut kept: Vec<_> = letters.lines().map(|line| index(line).as_u64()).collect();
    kept.sort_unstable();
    assert_eq!(kept, [101, 102, 103, 104].map(Some));
}

#[tokio::test]
async fn a_text_may_hold_many_records_or_something_known_that_holds_none() {
    let flow = discarding();
    let lines = format!("{}\n{{\"level\":\"info\"}}\n{}\n", event("a"), event("b"));
    let notice = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":{"key":"k"}}}]}"#;
    let digest = r#"{"digestEndTime":"2024-04-10T14:07:55Z","logFiles":[]}"#;
    let report = flow
        .pipeline
        .deliver(texts([
            log_file(&[event("c"), event("d")]),
            gzip(log_file(&[event("e")])),
            lines.into_bytes(),
            notice.into(),
            digest.into(),
        ]))
        .await;
    let counts = report.counts;
    assert_eq!((counts.exported, counts.skipped, counts.foreign), (5, 2, 0));
    // A stranger among records is kept as theirs.
    assert_eq!(refused(&report), [(102, "not_cloudtrail")]);
    assert_eq!(counts.dead_lettered, 1);
    balanced(&flow, &report);
}

#[tokio::test]
async fn texts_share_the_limit_on_inflated_bytes() {
    let bomb = || gzip(format!("{}{}", event("x"), " ".repeat(60_000)));
    for (inflated_bytes, too_large) in [(200_000, false), (150_000, true)] {
        let flow = discarding();
        let unit = Unit {
            inflated_bytes: Some(inflated_bytes),
            ..texts([bomb(), bomb(), bomb()])
        };
        let report = flow.pipeline.deliver(unit).await;
        assert_eq!(report.unreadable, None);
        assert!(report.counts.exported >= 2);
        balanced(&flow, &report);
        let limit = report.refused.iter().map(|(_, reason)| reason.clone());
        let expected = too_large.then_some(Reason::InflatedTooLarge {
            limit: inflated_bytes,
        });
        assert_eq!(limit.collect::<Vec<_>>(), Vec::from_iter(expected));
    }
}

#[tokio::test]
async fn inside_texts_what_inflates_is_counted_too() {
    use base64::Engine as _;
    let bomb = || {
        let inside = gzip(format!("{}{}", event("x"), " ".repeat(60_000)));
        let data = base64::engine::general_purpose::STANDARD.encode(inside);
        format!(r#"{{"requestId":"r","records":[{{"data":"{data}"}}]}}"#).into_bytes()
    };
    let flow = discarding();
    let unit = Unit {
        inflated_bytes: Some(150_000),
        ..texts([bomb(), bomb(), bomb(), bomb()])
    };
    let report = flow.pipeline.deliver(unit).await;
    assert_eq!(report.unreadable, None);
    let too_large = "inflated_too_large";
    assert_eq!(refused(&report), [(102, too_large), (103, too_large)]);
    balanced(&flow, &report);
}

#[tokio::test]
async fn a_text_of_another_source_is_told_by_that_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dead.jsonl");
    let settings = dead_letter::Settings::new(path.clone());
    let letters = DeadLetters::open(settings, CancellationToken::new()).unwrap();
    let collector = Collector::start().await;
    let flow = flow(
        collector.destination(Protocol::Grpc, |_| {}),
        letters,
        1 << 20,
    );
    let file = "1_CloudTrail_us-east-1_20240410T1410Z_x.json.gz";
    let of = |number, source: Option<&str>, bytes: String| Text {
        number,
        source: source.map(Into::into),
        bytes: bytes.into(),
    };
    let bad = |id| event(id).replace("2024-", "x");
    let unit = Unit {
        content: Content::Texts(vec![
            of(0, None, event("a")),
            of(1, None, bad("b")),
            of(2, Some(file), event("c")),
            of(3, Some(file), bad("d")),
            of(4, None, bad("e")),
        ]),
        ..texts([])
    };
    let report = flow.pipeline.deliver(unit).await;
    balanced(&flow, &report);
    let letters = std::fs::read_to_string(path).unwrap();
    let source =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["source"].clone();
    let mut sources: Vec<_> = letters.lines().map(source).collect();
    sources.sort_by_key(ToString::to_string);
    assert_eq!(sources, [file, "unit", "unit"]);
    let records = collector
        .logs()
        .into_iter()
        .flat_map(|request| request.resource_logs);
    let records = records
        .flat_map(|logs| logs.scope_logs)
        .flat_map(|logs| logs.log_records);
    let mut observed: Vec<_> = records
        .map(|record| record.observed_time_unix_nano)
        .collect();
    observed.sort_unstable();
    // The first has its event's time, as it came from no file.
    assert_eq!(observed.len(), 2);
    assert_eq!(observed[1], 1_712_758_200_000_000_000);
}
