use super::*;
use crate::dead_letter::OnDamage;

const NAME: &str = "s3://trail/AWSLogs/111122223333/CloudTrail/eu-west-1/2024/04/10/111122223333_CloudTrail_eu-west-1_20240410T1410Z_Abcdefghijklmnop.json.gz";

fn origin(name: &str, observed: Option<i64>) -> Origin {
    Origin {
        input: "s3",
        name: name.into(),
        observed,
        on_damage: OnDamage::NamePlace,
    }
}

fn manifest(verifies: bool) -> Manifest {
    Manifest::new(&Options::default(), verifies)
}

fn settled(origin: &Origin) -> Settled<'_> {
    Settled {
        origin,
        offset: None,
        inflated_size: 900,
        measured: Measured {
            size: Some(300),
            sha256: Some([0xab; 32]),
            times: Some((1_712_758_075_000_000_000, 1_712_758_076_500_000_000)),
            broken: None,
        },
        share: Share {
            read: 10,
            exported: 4,
            filtered: 3,
            duplicate: 2,
            dead_lettered: 1,
            skipped: 0,
        },
    }
}

fn shown(own: &Own) -> Vec<(&'static str, String)> {
    let shown = |value: &Value<'_>| match value {
        Value::Str(text) => text.clone().into_owned(),
        Value::Int(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let attributes = own.attributes.iter();
    attributes
        .map(|a| (a.field.name, shown(&a.value)))
        .collect()
}

#[test]
fn a_record_has_all_that_is_known_of_the_file() {
    let origin = origin(NAME, Some(1_712_758_200_000_000_000));
    let own = manifest(true).record(&settled(&origin));
    let expected = [
        ("qtrail.manifest.object", NAME),
        ("qtrail.manifest.input", "s3"),
        ("qtrail.manifest.size", "300"),
        ("qtrail.manifest.inflated_size", "900"),
        ("qtrail.manifest.sha256", &"ab".repeat(32)),
        ("qtrail.manifest.first_event", "2024-04-10T14:07:55Z"),
        ("qtrail.manifest.last_event", "2024-04-10T14:07:56.5Z"),
        ("qtrail.manifest.delivery_time", "2024-04-10T14:10:00Z"),
        ("qtrail.manifest.digest_state", "not_yet"),
        ("qtrail.manifest.outcome", "complete"),
        ("qtrail.manifest.read", "10"),
        ("qtrail.manifest.exported", "4"),
        ("qtrail.manifest.filtered", "3"),
        ("qtrail.manifest.duplicate", "2"),
        ("qtrail.manifest.dead_lettered", "1"),
        ("qtrail.manifest.skipped", "0"),
    ];
    assert_eq!(shown(&own), expected.map(|(k, v)| (k, v.to_owned())));
    let head = &own.head;
    assert_eq!(head.resource.account_id.as_deref(), Some("111122223333"));
    assert_eq!(head.resource.region.as_deref(), Some("eu-west-1"));
    assert_eq!(head.time, 1_712_758_200_000_000_000);
    assert_eq!(head.severity, Severity::Warn, "one is in the dead letters");
}

#[test]
fn only_what_needs_someone_is_a_warning() {
    let origin = origin("a.json", Some(7));
    for (broken, dead_lettered, severity) in [
        (None, 0, Severity::Info),
        (None, 1, Severity::Warn),
        (Some("bad_gzip"), 0, Severity::Warn),
    ] {
        let mut settled = settled(&origin);
        settled.measured.broken = broken;
        settled.share.dead_lettered = dead_lettered;
        let own = manifest(false).record(&settled);
        assert_eq!(own.head.severity, severity, "{broken:?} {dead_lettered}");
    }
}

#[test]
fn ids_follow_from_the_name_and_the_bytes_alone() {
    let (first, other) = (origin("a.json", Some(1)), origin("b.json", Some(1)));
    let ids = |settled: &Settled<'_>| {
        let head = manifest(false).record(settled).head;
        (head.trace_id, head.span_id)
    };
    let known = ids(&settled(&first));
    let mut again = settled(&first);
    (again.share.exported, again.share.duplicate) = (0, 6);
    again.measured.times = None;
    assert_eq!(ids(&again), known);
    assert_ne!(ids(&settled(&other)), known);
    let mut changed = settled(&first);
    changed.measured.sha256 = Some([0xac; 32]);
    assert_ne!(ids(&changed), known);
    let mut part = settled(&first);
    part.offset = Some(900);
    assert_ne!(ids(&part), known);
}

#[test]
fn the_time_is_that_of_the_delivery_else_of_the_newest_event() {
    let by_name = origin(NAME, Some(5));
    assert_eq!(settled(&by_name).time(), 5);
    let nameless = origin("app.ndjson", None);
    assert_eq!(settled(&nameless).time(), 1_712_758_076_500_000_000);
}

#[test]
fn files_and_objects_have_a_record_and_nothing_else_has() {
    for (input, covers) in [
        ("directory", true),
        ("s3", true),
        ("backfill", true),
        ("files", true),
        ("grpc", false),
        ("http", false),
        ("otlp", false),
        ("firehose", false),
        ("sqs", false),
        ("event_history", false),
        ("replay", false),
        ("check", false),
    ] {
        let origin = Origin {
            input,
            ..origin("a", None)
        };
        assert_eq!(Manifest::covers(&origin), covers, "{input}");
    }
}
