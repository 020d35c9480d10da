//! Who is who: the file of people, as the real binary uses it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use qtrail_core::otlp::Signal;
use serde_json::{Value, json};

use crate::support::collector::Collector;
use crate::support::program::{attribute, convert_path, gzip, json_lines, log_file, qtrail};
use crate::support::sidecar::{Place, Sidecar};

const STORE_ID: &str = "94d00cd8-e9e6-4810-b177-b08e84775435";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const TABLE: &str = "id,name,alias\n\
    e-1001,Mary Major,94d00cd8-e9e6-4810-b177-b08e84775435,mary@example.com,AKIAIOSFODNN7EXAMPLE\n";

fn record(id: &str, account: &str, identity: Value) -> String {
    let mut record = json!({
        "eventVersion": "1.11", "eventTime": "2026-11-27T17:00:00Z", "eventSource": "q.amazonaws.com",
        "eventName": "SendMessage", "awsRegion": "us-east-1", "eventID": id, "recipientAccountId": account,
        "eventType": "AwsApiCall", "userIdentity": identity,
        "requestParameters": {"conversationId": "a298ec0d-0a49-4d2e-92bd-7d6e629b4619"},
    });
    record["userIdentity"]["accountId"] = account.into();
    record.to_string()
}

/// What Mary did: by her id in the identity store, by a session, by a key, in three accounts. And Ben.
fn records() -> Vec<String> {
    let session = "arn:aws:sts::222233334444:assumed-role/Dev/Mary@Example.com";
    let created = json!({"attributes": {"creationDate": "2026-11-27T16:00:00Z"}});
    vec![
        record(
            "a",
            "111122223333",
            json!({"type": "IdentityCenterUser", "userId": STORE_ID}),
        ),
        record(
            "b",
            "222233334444",
            json!({
                "type": "AssumedRole", "arn": session, "principalId": "AROAEXAMPLE:Mary@Example.com", "sessionContext": created,
            }),
        ),
        record(
            "c",
            "333344445555",
            json!({
                "type": "IAMUser", "userName": "build", "principalId": "AIDAEXAMPLE", "accessKeyId": KEY,
            }),
        ),
        record(
            "d",
            "111122223333",
            json!({"type": "IAMUser", "userName": "ben"}),
        ),
    ]
}

struct Files {
    folder: tempfile::TempDir,
    trail: PathBuf,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let trail = folder.path().join("trail.json");
        fs::write(&trail, log_file(&records())).unwrap();
        Files { folder, trail }
    }

    /// A file with this content; its path as a text.
    fn add(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn config(&self, rest: &str) -> String {
        let table = self.add("people.csv", TABLE);
        self.add("config.yaml", &format!("identities: {table}\n{rest}"))
    }
}

/// Exit code and what was said, on both outputs.
fn run(arguments: &[&str], paths: &[&Path]) -> (Option<i32>, String, String) {
    let output = qtrail().args(arguments).args(paths).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn each_output_knows_a_person_by_one_id() {
    let files = Files::new();
    let config = files.config("");
    let expected: BTreeMap<_, _> = [
        ("a", "e-1001"),
        ("b", "e-1001"),
        ("c", "e-1001"),
        ("d", "ben"),
    ]
    .map(|(event, person)| (event.to_owned(), person.to_owned()))
    .into();
    let converted = convert_path(&files.trail, &["--config", &config]);
    for records in [&converted.logs, &converted.spans] {
        let pair = |one| {
            Some((
                attribute(one, "aws.cloudtrail.event_id")?,
                attribute(one, "enduser.id")?,
            ))
        };
        assert_eq!(
            records.iter().filter_map(pair).collect::<BTreeMap<_, _>>(),
            expected
        );
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let flat = ["convert", "--format", "events", "--config", &config];
    let (_, out, _) = run(&flat, &[&files.trail]);
    let pair = |event: &Value| (text(&event["log.record.uid"]), text(&event["enduser.id"]));
    let shown: BTreeMap<_, _> = json_lines(out.as_bytes()).iter().map(pair).collect();
    assert_eq!(shown, expected);
    let explain = ["explain", "--all", "--format", "json", "--config", &config];
    let (_, out, _) = run(&explain, &[&files.trail]);
    let explained = json_lines(out.as_bytes());
    let shown: Vec<_> = explained
        .iter()
        .map(|event| text(&event["answers"]["person"]["value"]))
        .collect();
    assert_eq!(shown, expected.into_values().collect::<Vec<_>>(), "{out}");
    assert!(
        out.contains("the id that the identities file gives"),
        "{out}"
    );
}

#[test]
fn the_ids_and_times_of_spans_are_those_without_the_file() {
    let files = Files::new();
    let config = files.config("");
    let shape = |span: &Value| {
        let names = [
            "traceId",
            "spanId",
            "parentSpanId",
            "startTimeUnixNano",
            "endTimeUnixNano",
            "links",
        ];
        names.map(|name| span[name].clone())
    };
    for assemble in [&[][..], &["--assemble"]] {
        let with = convert_path(&files.trail, &[&["--config", &config], assemble].concat());
        let without = convert_path(&files.trail, assemble);
        let shapes = |spans: &[Value]| spans.iter().map(shape).collect::<Vec<_>>();
        assert!(with.spans.len() >= 4);
        assert_eq!(shapes(&with.spans), shapes(&without.spans));
        assert_ne!(with.spans, without.spans);
    }
}

#[test]
fn a_report_shows_a_person_of_many_accounts_once_and_finds_them_by_any_id() {
    let files = Files::new();
    let table = files.add("people.csv", TABLE);
    let report = |more: &[&str]| {
        let arguments = [
            &["report", "--format", "json", "--identities", &table],
            more,
        ]
        .concat();
        let (exit, out, err) = run(&arguments, &[&files.trail]);
        assert_eq!(exit, Some(0), "{err}");
        serde_json::from_str::<Value>(&out).unwrap()
    };
    let all = report(&[]);
    let people = all["people"].as_array().unwrap();
    assert_eq!(people.len(), 2, "{all}");
    let mary = people.iter().find(|one| one["id"] == "e-1001").unwrap();
    assert_eq!(mary["name"], "Mary Major");
    assert_eq!(mary["accounts"].as_array().unwrap().len(), 3);
    for who in ["e-1001", STORE_ID, KEY, "MARY@example.com", "mary major"] {
        let found = report(&["--person", who]);
        let people = found["people"].as_array().unwrap();
        assert_eq!(people.len(), 1, "{who}: {found}");
        assert_eq!(&people[0], mary, "{who}");
    }
}

#[test]
fn an_alias_has_the_pseudonym_of_its_person() {
    let files = Files::new();
    let redact = "redact: {users: hash, access_key_id: hash, key: '0123456789abcdef'}\n";
    let config = files.config(redact);
    let of = |who: &str| {
        let (exit, out, err) = run(&["pseudonym", "--config", &config, who], &[]);
        assert_eq!(exit, Some(0), "{err}");
        (out.trim().to_owned(), err)
    };
    let (mary, quiet) = of("e-1001");
    assert_eq!(quiet, "");
    let converted = convert_path(&files.trail, &["--config", &config]);
    let is_by_key =
        |log: &&Value| attribute(log, "aws.cloudtrail.event_id").as_deref() == Some("c");
    let by_key = converted.logs.iter().find(is_by_key).unwrap();
    assert_eq!(attribute(by_key, "enduser.id"), Some(mary.clone()));
    for alias in [STORE_ID, "mary@example.com", KEY] {
        let (pseudonym, said) = of(alias);
        assert_eq!(pseudonym, mary, "{alias}");
        assert!(said.contains("stands for the alias itself"), "{said}");
    }
    // The alias's own, by which the key is found in its own attribute.
    let key = attribute(by_key, "aws.access_key.id").unwrap();
    assert!(of(KEY).1.contains(&key));
    let (_, out, _) = run(
        &["report", "--config", &config, "--person", KEY],
        &[&files.trail],
    );
    assert!(
        out.contains(&mary) && !out.contains(KEY) && !out.contains("Mary"),
        "{out}"
    );
}

#[test]
fn an_id_of_two_people_is_an_error_with_both_lines_and_the_remedy() {
    let files = Files::new();
    let table = files.add("people.csv", &format!("{TABLE}e-1002,Ben,{KEY}\n"));
    let (exit, _, err) = run(&["report", "--identities", &table], &[&files.trail]);
    assert_eq!(exit, Some(2), "{err}");
    let said = err.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = format!(
        "{table}:3: \"{KEY}\" belongs to the person of line 2 already: put all ids of a person on one line"
    );
    assert!(said.contains(&expected), "{said}");
}

/// The ids of people that arrived on both signals.
fn people(collector: &Collector) -> BTreeSet<String> {
    let texts = |attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]| {
        let found = attributes.iter().filter(|pair| pair.key == "enduser.id");
        let text =
            |pair: &opentelemetry_proto::tonic::common::v1::KeyValue| format!("{:?}", pair.value);
        found.map(text).collect::<Vec<_>>()
    };
    let logs = collector
        .logs()
        .into_iter()
        .flat_map(|request| request.resource_logs);
    let logs = logs
        .flat_map(|one| one.scope_logs)
        .flat_map(|one| one.log_records);
    let spans = collector
        .traces()
        .into_iter()
        .flat_map(|request| request.resource_spans);
    let spans = spans
        .flat_map(|one| one.scope_spans)
        .flat_map(|one| one.spans);
    let of_logs = logs.flat_map(|log| texts(&log.attributes));
    of_logs
        .chain(spans.flat_map(|span| texts(&span.attributes)))
        .collect()
}

#[tokio::test]
async fn a_running_qtrail_reads_a_changed_file_and_keeps_the_old_one_where_the_new_is_broken() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let table = place.path("people.csv");
    let place = place.with_env("QTRAIL_IDENTITIES", table.to_str().unwrap());
    // As a careful editor replaces it.
    let replace = |content: String| {
        let new = place.path("new.csv");
        fs::write(&new, content).unwrap();
        fs::rename(&new, &table).unwrap();
    };
    replace("first,,ben\n".to_owned());
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    let deliver = async |number: usize| {
        let id = format!("event-{number}");
        let record = record(
            &id,
            "111122223333",
            json!({"type": "IAMUser", "userName": "ben"}),
        );
        place.add(format!("{number}.json.gz"), &gzip(log_file(&[record])));
        for signal in [Signal::Logs, Signal::Traces] {
            let arrived = |collector: &Collector| collector.accepted(signal).len() == number;
            collector.until("the event", arrived).await;
        }
        people(&collector)
    };
    assert_eq!(deliver(1).await.len(), 1);
    replace("second,,ben\nthird,,ben\n".to_owned());
    let said = sidecar.until_said("the old ones stay in use").await;
    let remedy = format!("{}:2: ", table.display());
    assert!(
        said.contains(&remedy) && said.contains("line 1 already: put all ids"),
        "{said}"
    );
    let first = deliver(2).await;
    assert!(
        first.len() == 1 && format!("{first:?}").contains("first"),
        "{first:?}"
    );
    replace("second,,ben\n".to_owned());
    sidecar
        .until_said("identities changed and were read again")
        .await;
    let second = deliver(3).await;
    assert!(
        second.len() == 2 && format!("{second:?}").contains("second"),
        "{second:?}"
    );
    let (exit, said) = sidecar.stop().await;
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(
        said.matches("the old ones stay in use").count(),
        1,
        "{said}"
    );
}

#[cfg(feature = "aws")]
mod looked_up {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::extract::State;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use tokio::net::TcpListener;

    use super::*;

    /// The users that were asked for, and the answer to every request.
    type Store = Arc<Mutex<(Vec<Value>, StatusCode, Value)>>;

    async fn answer(State(store): State<Store>, body: String) -> impl IntoResponse {
        let mut store = store.lock().unwrap();
        store.0.push(serde_json::from_str(&body).unwrap());
        (store.1, store.2.to_string())
    }

    /// An identity store, and a place whose qtrail uses it.
    async fn store(status: StatusCode, body: Value) -> (Store, Place) {
        let store: Store = Arc::new(Mutex::new((Vec::new(), status, body)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&store));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let place = Place::new()
            .with_env("QTRAIL_IDENTITY_STORE_ENABLED", "true")
            .with_env("QTRAIL_AWS_ENDPOINT_URL", &endpoint)
            .with_env("AWS_REGION", "us-east-1")
            .with_env("AWS_ACCESS_KEY_ID", KEY)
            .with_env("AWS_SECRET_ACCESS_KEY", "a-secret");
        (store, place)
    }

    /// An event of the user whose id ends so.
    fn of_user(id: usize, end: usize) -> String {
        let user = format!("94d00cd8-e9e6-4810-b177-{end:012}");
        let arn = "arn:aws:identitystore::111122223333:identitystore/d-1234567890";
        let identity = json!({"type": "IdentityCenterUser", "onBehalfOf": {"userId": user, "identityStoreArn": arn}});
        record(&format!("event-{id}"), "111122223333", identity)
    }

    /// Delivers a file; waits until its events arrived.
    async fn deliver(place: &Place, collector: &Collector, records: &[String]) {
        let before = collector.accepted(Signal::Logs).len();
        place.add(format!("{before}.json.gz"), &gzip(log_file(records)));
        for signal in [Signal::Logs, Signal::Traces] {
            let arrived =
                |collector: &Collector| collector.accepted(signal).len() == before + records.len();
            collector.until("the events", arrived).await;
        }
    }

    /// Whether a log record has a name; no span may.
    fn has_name(collector: &Collector) -> bool {
        assert!(!format!("{:?}", collector.traces()).contains("user.full_name"));
        format!("{:?}", collector.logs()).contains("user.full_name")
    }

    #[tokio::test]
    async fn names_come_to_later_log_records_and_outlast_a_restart_without_a_request() {
        let body = json!({"DisplayName": "Mary \u{1b}[2J\nMajor", "UserName": "mary"});
        let (store, place) = store(StatusCode::OK, body).await;
        let collector = Collector::start().await;
        let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
        for number in 0.. {
            assert!(number < 100, "there is no name");
            deliver(&place, &collector, &[of_user(number, 1)]).await;
            if has_name(&collector) {
                break;
            }
        }
        let (exit, said) = sidecar.stop().await;
        assert_eq!(exit, Some(0), "{said}");
        let again = Collector::start().await;
        let sidecar = Sidecar::start(place.run().args(["--endpoint", &again.url()]));
        deliver(&place, &again, &[of_user(1000, 1)]).await;
        assert!(
            has_name(&again),
            "the first event after the restart has no name"
        );
        sidecar.stop().await;
        let asked = store.lock().unwrap().0.clone();
        let expected = json!({"IdentityStoreId": "d-1234567890", "UserId": "94d00cd8-e9e6-4810-b177-000000000001"});
        assert_eq!(asked, [expected]);
        let output = qtrail()
            .env("QTRAIL_IDENTITY_STORE_ENABLED", "true")
            .env("QTRAIL_STATE", place.path("state"))
            .args(["report", "-q"])
            .arg(place.path("trail"))
            .output()
            .unwrap();
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(report.contains("Mary \\u{1b}[2J\\nMajor"), "{report}");
    }

    #[tokio::test]
    async fn where_access_is_denied_events_are_delivered_and_one_warning_has_the_remedy() {
        let body = json!({"__type": "AccessDeniedException", "Message": "no identity-based policy allows it"});
        let (store, place) = store(StatusCode::BAD_REQUEST, body).await;
        let collector = Collector::start().await;
        let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
        let records: Vec<_> = (0..50).map(|number| of_user(number, number)).collect();
        deliver(&place, &collector, &records).await;
        let said = sidecar
            .until_said("names of people cannot be looked up")
            .await;
        assert!(said.contains("allow identitystore:DescribeUser"), "{said}");
        deliver(&place, &collector, &[of_user(50, 50)]).await;
        let (exit, said) = sidecar.stop().await;
        assert_eq!(exit, Some(0), "{said}");
        assert_eq!(said.matches("cannot be looked up").count(), 1, "{said}");
        assert_eq!(store.lock().unwrap().0.len(), 1);
        assert!(!has_name(&collector) && !said.contains("a-secret"));
    }

    #[tokio::test]
    async fn where_people_are_hidden_nobody_is_asked_for() {
        let (store, place) = store(StatusCode::OK, json!({"DisplayName": "Mary"})).await;
        let place = place
            .with_env("QTRAIL_REDACT_USERS", "hash")
            .with_env("QTRAIL_REDACT_KEY", "0123456789abcdef");
        let collector = Collector::start().await;
        let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
        deliver(&place, &collector, &[of_user(0, 1)]).await;
        deliver(&place, &collector, &[of_user(1, 1)]).await;
        let (_, said) = sidecar.stop().await;
        assert!(
            said.contains("identity_store.enabled has no effect"),
            "{said}"
        );
        assert!(!has_name(&collector) && store.lock().unwrap().0.is_empty());
    }
}
