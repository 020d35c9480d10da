//! What people see of a running qtrail: `/status.json`, the page, `qtrail status`, `qtrail top`.

use std::fs;
use std::process::Output;

use qtrail::sidecar::status::Status;
use qtrail_core::otlp::Signal;

use crate::support::collector::{Collector, Reply};
use crate::support::free_address;
use crate::support::program::{event, log_file, qtrail};
use crate::support::sidecar::{Place, Sidecar};
use crate::support::terminal::top;

async fn status(sidecar: &Sidecar, holds: impl Fn(&Status) -> bool) -> Status {
    let parsed = |body: &str| serde_json::from_str::<Status>(body).unwrap();
    let body = sidecar.until("/status.json", |code, body| {
        code == 200 && holds(&parsed(body))
    });
    parsed(&body.await)
}

/// Runs the program, beside the collector of the test.
async fn ran(arguments: Vec<String>) -> Output {
    let mut command = qtrail();
    command.args(arguments);
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap());
    ran.await.unwrap()
}

/// Exit code, standard output and standard error of `qtrail status`.
async fn ask(arguments: &[&str]) -> (Option<i32>, String, String) {
    let arguments = ["status"].iter().chain(arguments);
    let output = ran(arguments.map(|word| (*word).to_owned()).collect()).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[tokio::test]
async fn delivered_events_are_shown_once_and_redacted() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    let empty = status(&sidecar, |_| true).await;
    assert!(empty.ready && empty.events.is_empty() && empty.last_delivery.is_none());
    assert_eq!(empty.collector.state, "unused");
    let secret = event("secret")
        .replace("\"mary\"", "\"eve\\\"<b>\\u202e\"")
        .replace(
            "\"conversationId\"",
            "\"password\":\"hunter2hunter2\",\"conversationId\"",
        );
    place.add("a.json", &log_file(&[event("one"), secret, event("one")]));
    let now = status(&sidecar, |now| {
        now.balance.read == 3 && now.balance.in_flight == 0
    })
    .await;
    assert!(now.balance.holds, "{now:?}");
    assert_eq!((now.balance.exported, now.balance.duplicate), (2, 1));
    let people: Vec<_> = now
        .events
        .iter()
        .map(|event| event.person.as_str())
        .collect();
    assert_eq!(people.len(), 2, "{now:?}");
    assert!(
        people.contains(&"mary") && people.contains(&"eve\"<b>\u{202e}"),
        "{people:?}"
    );
    let event = &now.events[0];
    assert_eq!(
        (event.what.as_str(), event.outcome.as_str()),
        ("message", "ok")
    );
    assert_eq!(event.conversation, "a298ec0d-0a49-4d2e-92bd-7d6e629b4619");
    assert!(now.last_delivery.is_some_and(|last| last.lag_seconds > 0));
    assert_eq!(now.collector.state, "up");
    let page = sidecar.get("/").await.1;
    assert!(page.contains("eve&quot;&lt;b&gt;\\u{202e}"), "{page}");
    let json = sidecar.get("/status.json").await.1;
    assert!(!page.contains("hunter2") && !json.contains("hunter2"));
}

#[tokio::test]
async fn dead_letters_are_shown_with_the_command_that_sends_them_again() {
    let (place, collector) = (Place::new(), Collector::start().await);
    collector.reply_with(|seen| match seen.ids.iter().any(|id| id == "bad") {
        true => Reply::Grpc(tonic::Status::invalid_argument("a bad record")),
        false => Reply::Accept,
    });
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    place.add("a.json", &log_file(&[event("good"), event("bad")]));
    let now = status(&sidecar, |now| now.balance.dead_lettered == 1).await;
    let letters = now.dead_letters;
    assert!(
        letters.are_there && letters.newest.len() == 1,
        "{letters:?}"
    );
    let letter = &letters.newest[0];
    assert_eq!(
        (letter.reason.as_str(), letter.event_id.as_str()),
        ("refused", "bad")
    );
    assert!(letter.can_be_replayed && letter.record == 1, "{letter:?}");
    // The event of the same chunk that was taken.
    assert_eq!(now.events.len(), 1, "{:?}", now.events);
    collector.reply_with(|_| Reply::Accept);
    let [command] = &letters.replay[..] else {
        panic!("{letters:?}")
    };
    let words = command.strip_prefix("qtrail ").unwrap();
    let replayed = ran(words.split(' ').map(str::to_owned).collect()).await;
    assert_eq!(replayed.status.code(), Some(0), "{replayed:?}");
    assert!(collector.accepted(Signal::Logs).contains(&"bad".to_owned()));
    // Once the file is moved away, as the page says, nothing is left to do.
    fs::rename(place.dead_letters(), place.path("done")).unwrap();
    status(&sidecar, |now| !now.dead_letters.are_there).await;
}

#[tokio::test]
async fn the_command_tells_by_its_exit_code_whether_qtrail_is_ready() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    let address = sidecar.address().await.to_string();
    let (code, text, _) = ask(&[&address]).await;
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("Nothing has arrived yet"), "{text}");
    collector.reply_with(|_| Reply::Grpc(tonic::Status::unauthenticated("who is there?")));
    place.add("a.json", &log_file(&[event("one")]));
    let now = status(&sidecar, |now| !now.ready).await;
    assert_eq!(now.blocked[0].cause, "collector_blocked");
    assert!(now.blocked[0].needs_you && !now.blocked[0].remedy.is_empty());
    let (code, text, _) = ask(&[&address]).await;
    assert_eq!(code, Some(1), "{text}");
    let unwrapped = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unwrapped.contains("who is there?"), "{text}");
    assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    let (code, json, _) = ask(&[&address, "--format", "json"]).await;
    assert_eq!(code, Some(1));
    assert!(!serde_json::from_str::<Status>(&json).unwrap().ready);

    let nobody = free_address().to_string();
    let (code, text, error) = ask(&[&nobody]).await;
    assert_eq!((code, text.as_str()), (Some(1), ""));
    assert!(
        error.contains(&nobody) && error.contains("telemetry.http"),
        "{error}"
    );
    assert_eq!(ask(&["https://h"]).await.0, Some(2));
}

#[tokio::test]
async fn a_token_is_shown_to_the_configured_address_alone() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let tokens = place.path("tokens");
    fs::write(&tokens, "# people\none\n").unwrap();
    let sidecar = Sidecar::start(
        (place.run().args(["--endpoint", &collector.url()]))
            .env("QTRAIL_TELEMETRY_TOKEN_FILES", &tokens),
    );
    let address = sidecar.address().await.to_string();
    assert_eq!(sidecar.get("/status.json").await.0, 401);
    assert_eq!(sidecar.get("/metrics").await.0, 200);
    let config = place.path("config.yaml");
    let text = format!(
        "telemetry: {{http: '{address}', token_files: ['{}']}}\n",
        tokens.display()
    );
    fs::write(&config, text).unwrap();
    let config = config.display().to_string();
    let (code, text, error) = ask(&["--config", &config]).await;
    assert_eq!(code, Some(0), "{text}{error}");
    let (code, _, error) = ask(&[&address, "--config", &config]).await;
    assert_eq!(code, Some(1));
    assert!(error.contains("--token-file"), "{error}");
    let file = tokens.display().to_string();
    assert_eq!(ask(&[&address, "--token-file", &file]).await.0, Some(0));
}

#[test]
fn top_wants_a_terminal_and_names_the_other_command() {
    let output = qtrail().args(["top", "127.0.0.1:1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("qtrail status"), "{error}");
}

#[tokio::test]
async fn top_draws_until_a_key_ends_it_and_gives_the_terminal_back() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &collector.url()]));
    place.add("a.json", &log_file(&[event("one")]));
    sidecar.settled(1).await;
    let (code, shown) = top(sidecar.address().await, "mary").await;
    assert_eq!(code, Some(0), "{shown:?}");
    assert!(shown.starts_with("\x1b[?1049h"), "{shown:?}");
    assert!(shown.ends_with("\x1b[?1049l"), "{shown:?}");
    assert!(shown.contains("q or Ctrl-C: end"), "{shown:?}");
}
