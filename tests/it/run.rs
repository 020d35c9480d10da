//! `qtrail run` as a process: how it starts, what it waits for, how it stops. After each scenario
//! the balance is read from `/metrics`, and holds.

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use qtrail::telemetry::metrics::Balance;
use qtrail_core::otlp::Signal;
use rustix::process::Signal as Kill;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::support::collector::{Collector, Reply, log_id};
use crate::support::program::{event, gzip, json_lines, log_file, qtrail};
use crate::support::sidecar::{Place, Sidecar, balance, last_balance, value};

const IDS: [&str; 3] = ["one", "two", "three"];

/// A place whose trail holds one file of three events.
fn place() -> Place {
    let place = Place::new();
    place.add("a.json.gz", &gzip(log_file(&IDS.map(event))));
    place
}

fn start(place: &Place, collector: &Collector) -> Sidecar {
    Sidecar::start(place.run().args(["--endpoint", &collector.url()]))
}

fn start_once(place: &Place, collector: &Collector) -> Sidecar {
    Sidecar::start(place.run().args(["--once", "--endpoint", &collector.url()]))
}

/// Whether each of the events was accepted once, in both signals.
fn arrived(collector: &Collector) -> bool {
    [Signal::Logs, Signal::Traces]
        .iter()
        .all(|signal| collector.accepted(*signal) == IDS)
}

async fn until_seen(collector: &Collector) {
    collector.until_seen(Signal::Logs, 1).await;
    collector.until_seen(Signal::Traces, 1).await;
}

const ALL_EXPORTED: Balance = Balance {
    read: 3,
    exported: 3,
    filtered: 0,
    duplicate: 0,
    dead_lettered: 0,
    in_flight: 0,
};
const ALL_IN_FLIGHT: Balance = Balance {
    exported: 0,
    in_flight: 3,
    ..ALL_EXPORTED
};
const ONE_DEAD: Balance = Balance {
    exported: 2,
    dead_lettered: 1,
    ..ALL_EXPORTED
};

async fn nothing_is_read_again(place: &Place, collector: &Collector) {
    let requests = |c: &Collector| c.seen(Signal::Logs).len() + c.seen(Signal::Traces).len();
    let before = requests(collector);
    let (exit, said) = start_once(place, collector).exit().await;
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(last_balance(&said).read, 0, "{said}");
    assert_eq!(requests(collector), before);
}

#[tokio::test]
async fn once_delivers_what_is_there_and_a_second_time_nothing() {
    let (place, collector) = (place(), Collector::start().await);
    place.add(
        "noise.json",
        br#"{"Records":[{"eventSource":"s3.amazonaws.com"}]}"#,
    );
    let (exit, said) = start_once(&place, &collector).exit().await;
    assert_eq!(exit, Some(0), "{said}");
    let expected = Balance {
        read: 4,
        filtered: 1,
        ..ALL_EXPORTED
    };
    assert_eq!(last_balance(&said), expected);
    assert!(arrived(&collector));
    nothing_is_read_again(&place, &collector).await;
}

#[tokio::test]
async fn once_tells_by_its_exit_code_of_dead_letters() {
    let (place, collector) = (place(), Collector::start().await);
    place.add("broken.json", b"{\"eventVersion\":}");
    let (exit, said) = start_once(&place, &collector).exit().await;
    assert_eq!(exit, Some(3), "{said}");
    assert_eq!(last_balance(&said).dead_lettered, 1);
    assert!(arrived(&collector));
}

#[tokio::test]
async fn sigterm_waits_for_a_slow_collector_and_commits() {
    let (place, collector) = (place(), Collector::start().await);
    let answer = CancellationToken::new();
    let late = answer.clone();
    collector.reply_with(move |_| Reply::Late(late.clone()));
    let sidecar = start(&place, &collector);
    until_seen(&collector).await;
    sidecar.signal(Kill::TERM);
    sidecar.until_said("stopping").await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(balance(&metrics), ALL_IN_FLIGHT);
    answer.cancel();
    let (exit, said) = sidecar.exit().await;
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(last_balance(&said), ALL_EXPORTED);
    nothing_is_read_again(&place, &collector).await;
}

#[tokio::test]
async fn every_signal_that_asks_for_an_end_drains() {
    for signal in [Kill::TERM, Kill::INT, Kill::QUIT, Kill::HUP] {
        let (place, collector) = (place(), Collector::start().await);
        let answer = CancellationToken::new();
        let late = answer.clone();
        collector.reply_with(move |_| Reply::Late(late.clone()));
        let sidecar = start(&place, &collector);
        until_seen(&collector).await;
        sidecar.signal(signal);
        sidecar.until_said("stopping").await;
        // A terminal that closes may send two.
        sidecar.signal(Kill::HUP);
        answer.cancel();
        let (exit, said) = sidecar.exit().await;
        assert_eq!(exit, Some(0), "{signal:?}: {said}");
        assert_eq!(last_balance(&said), ALL_EXPORTED);
    }
}

#[tokio::test]
async fn a_terminal_that_is_gone_costs_the_log_alone() {
    let (place, collector) = (place(), Collector::start().await);
    let mut command = place.run();
    command.args(["--endpoint", &collector.url()]);
    let mut child = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    until_seen(&collector).await;
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), Kill::HUP).unwrap();
    let status = tokio::task::spawn_blocking(move || child.wait()).await;
    assert_eq!(status.unwrap().unwrap().code(), Some(0));
    nothing_is_read_again(&place, &collector).await;
}

#[tokio::test]
async fn under_nohup_a_closed_terminal_ends_nothing() {
    let (place, collector) = (place(), Collector::start().await);
    let mut shell = Command::new("/bin/sh");
    shell
        .env_clear()
        .args(["-c", "trap '' HUP; exec \"$0\" \"$@\""])
        .arg(qtrail().get_program());
    let sidecar = Sidecar::start(place.with(shell).args(["--endpoint", &collector.url()]));
    assert_eq!(sidecar.settled(3).await, ALL_EXPORTED);
    sidecar.signal(Kill::HUP);
    place.add("b.json", &log_file(&[event("four")]));
    assert_eq!(sidecar.settled(4).await.exported, 4);
    assert_eq!(sidecar.stop().await.0, Some(0));
}

#[tokio::test]
async fn what_the_collector_does_not_take_in_time_is_left_for_the_next_start() {
    let (place, collector) = (place(), Collector::start().await);
    collector.reply_with(|_| Reply::Hang);
    let url = collector.url();
    let sidecar = Sidecar::start(
        place
            .run()
            .args(["--endpoint", &url])
            .env("QTRAIL_SHUTDOWN_TIMEOUT", "100ms"),
    );
    until_seen(&collector).await;
    let (exit, said) = sidecar.stop().await;
    assert_eq!(exit, Some(0), "{said}");
    assert!(
        said.contains("not everything was delivered in time"),
        "{said}"
    );
    assert_eq!(last_balance(&said), ALL_IN_FLIGHT);
    collector.reply_with(|_| Reply::Accept);
    let (_, said) = start_once(&place, &collector).exit().await;
    assert_eq!(last_balance(&said), ALL_EXPORTED);
    assert!(arrived(&collector));
}

#[tokio::test]
async fn a_second_signal_ends_at_once_and_loses_nothing() {
    let (place, collector) = (place(), Collector::start().await);
    collector.reply_with(|_| Reply::Hang);
    let sidecar = start(&place, &collector);
    until_seen(&collector).await;
    sidecar.signal(Kill::INT);
    sidecar.until_said("stopping").await;
    let (exit, said) = sidecar.stop().await;
    assert_eq!(exit, Some(130), "{said}");
    collector.reply_with(|_| Reply::Accept);
    let sidecar = start(&place, &collector);
    assert_eq!(sidecar.settled(3).await, ALL_EXPORTED);
    assert!(arrived(&collector));
}

#[tokio::test]
async fn events_wait_for_a_collector_that_is_down_at_the_start() {
    let (place, mut collector) = (place(), Collector::start().await);
    collector.close();
    let sidecar = start(&place, &collector);
    sidecar.until_said("events wait").await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(balance(&metrics), ALL_IN_FLIGHT);
    collector.open().await;
    assert_eq!(sidecar.settled(3).await, ALL_EXPORTED);
    assert!(arrived(&collector));
    sidecar.until_said("events are taken again").await;
    assert_eq!(sidecar.get("/readyz").await.0, 200);
    assert_eq!(sidecar.get("/livez").await.0, 200);
}

#[tokio::test]
async fn lines_rewritten_in_place_while_the_collector_is_away_all_arrive() {
    let (place, mut collector) = (Place::new(), Collector::start().await);
    collector.close();
    let named = |from: char, n: usize| (0..n).map(move |n| format!("{from}{n}"));
    let lines =
        |ids: &mut dyn Iterator<Item = String>| ids.map(|id| event(&id) + "\n").collect::<String>();
    place.add("app.jsonl", lines(&mut named('a', 20)).as_bytes());
    let sidecar = start(&place, &collector);
    sidecar.until_said("events wait").await;
    // In place, as `> app.jsonl` and a copytruncate do.
    fs::write(place.path("trail/app.jsonl"), lines(&mut named('b', 40))).unwrap();
    collector.open().await;
    for signal in [Signal::Logs, Signal::Traces] {
        let all = |c: &Collector| named('b', 40).all(|id| c.accepted(signal).contains(&id));
        collector.until("the new lines", all).await;
    }
    assert_eq!(sidecar.stop().await.0, Some(0));
    nothing_is_read_again(&place, &collector).await;
}

#[tokio::test]
async fn a_wrong_token_costs_no_event_and_readyz_says_what_to_mend() {
    let (place, collector) = (place(), Collector::start().await);
    collector.reply_with(|_| Reply::Grpc(Status::unauthenticated("no such token")));
    let sidecar = start(&place, &collector);
    let reason = sidecar.until("/readyz", |status, _| status == 503).await;
    assert!(reason.contains("no such token"), "{reason}");
    assert!(
        reason.contains("export.headers"),
        "it names no remedy: {reason}"
    );
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(balance(&metrics), ALL_IN_FLIGHT);
    collector.reply_with(|_| Reply::Accept);
    assert_eq!(sidecar.settled(3).await, ALL_EXPORTED);
    sidecar.until("/readyz", |status, _| status == 200).await;
    assert!(arrived(&collector));
    assert_eq!(fs::read(place.dead_letters()).unwrap(), b"");
}

#[tokio::test]
async fn a_collector_with_faults_over_grpc_gets_every_event() {
    let too_much = || Reply::Grpc(Status::resource_exhausted("message larger than max"));
    faults("grpc", || {
        vec![
            Reply::Grpc(Status::unavailable("later")),
            Reply::Reset,
            Reply::Grpc(Status::deadline_exceeded("slow")),
            Reply::Hang,
            Reply::Grpc(Status::internal("oops")),
            too_much(),
            Reply::Partial(0, "mind the gap"),
        ]
    })
    .await;
}

#[tokio::test]
async fn a_collector_with_faults_over_http_gets_every_event() {
    for protocol in ["http/protobuf", "http/json"] {
        faults(protocol, || {
            vec![
                Reply::Http(429, vec![("retry-after", "0")], "busy"),
                Reply::Http(503, vec![], "down"),
                Reply::Reset,
                Reply::Http(502, vec![], "no route"),
                Reply::Hang,
                Reply::Http(500, vec![], "oops"),
                Reply::Http(413, vec![], "too large"),
                Reply::Partial(0, "mind the gap"),
            ]
        })
        .await;
    }
}

/// Delivers to a collector that answers so before it takes what it is sent.
async fn faults(protocol: &str, replies: impl Fn() -> Vec<Reply>) {
    let (place, collector) = (place(), Collector::start().await);
    collector.reply_next(Signal::Logs, replies());
    collector.reply_next(Signal::Traces, replies());
    let mut command = place.run();
    command
        .args(["--protocol", protocol, "--endpoint", &collector.url()])
        .env("QTRAIL_EXPORT_TIMEOUT", "500ms");
    let sidecar = Sidecar::start(&mut command);
    assert_eq!(sidecar.settled(3).await, ALL_EXPORTED, "{protocol}");
    assert!(collector.seen(Signal::Logs).len() > replies().len());
    assert!(arrived(&collector), "{protocol}");
    assert_eq!(sidecar.stop().await.0, Some(0));
    nothing_is_read_again(&place, &collector).await;
}

#[tokio::test]
async fn what_the_collector_rejects_in_part_is_counted_and_kept() {
    let (place, collector) = (place(), Collector::start().await);
    collector.reply_next(Signal::Logs, [Reply::Partial(1, "one is bad")]);
    let sidecar = start(&place, &collector);
    assert_eq!(sidecar.settled(3).await, ONE_DEAD);
    assert_eq!(sidecar.stop().await.0, Some(0));
    let letters = dead_letters(&place.dead_letters());
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["uncertain"], true);
    assert_eq!(letters[0]["records"].as_array().unwrap().len(), 3);
    nothing_is_read_again(&place, &collector).await;
}

#[tokio::test]
async fn logs_alone_are_sent_where_that_is_asked_for() {
    let (place, collector) = (place(), Collector::start().await);
    let url = collector.url();
    let sidecar = Sidecar::start(place.run().args(["--endpoint", &url, "--signals", "logs"]));
    assert_eq!(sidecar.settled(3).await, ALL_EXPORTED);
    assert_eq!(collector.accepted(Signal::Logs), IDS);
    assert!(collector.seen(Signal::Traces).is_empty());
}

#[tokio::test]
async fn spans_are_made_of_the_chosen_classes_alone() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let other = event("other").replace("SendMessage", "PassRequest");
    place.add("a.json", &log_file(&[event("message"), other]));
    let url = collector.url();
    let sidecar = Sidecar::start(
        place
            .run()
            .args(["--endpoint", &url])
            .env("QTRAIL_TRACES_CLASSES", "conversation"),
    );
    let balance = sidecar.settled(2).await;
    assert_eq!((balance.read, balance.exported), (2, 2));
    assert_eq!(collector.accepted(Signal::Logs), ["message", "other"]);
    assert_eq!(collector.accepted(Signal::Traces), ["message"]);
}

#[tokio::test]
async fn no_more_events_leave_than_the_rate_allows() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let url = collector.url();
    let sidecar = Sidecar::start(
        place
            .run()
            .args(["--endpoint", &url])
            .env("QTRAIL_DIRECTORY_SETTLE", "10ms")
            .env("QTRAIL_EXPORT_RATE_LIMIT", "10"),
    );
    sidecar.address().await;
    let begun = Instant::now();
    let events: Vec<_> = (0..30).map(|n| event(&format!("{n}"))).collect();
    place.add("a.json", &log_file(&events));
    assert_eq!(sidecar.settled(30).await.exported, 30);
    // The first ten are free; the others take two seconds at least, however fast the machine is.
    assert!(begun.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn nothing_is_acknowledged_while_dead_letters_find_no_room() {
    let (place, collector) = (Place::new(), Collector::start().await);
    let broken = event("broken").replace("2024-04-10T14:07:55Z", "yesterday");
    place.add("a.json", &log_file(&[event("one"), broken, event("two")]));
    let full = place.path("letters.jsonl");
    symlink("/dev/full", &full).unwrap();
    let run = || {
        let mut run = place.run();
        run.args(["--endpoint", &collector.url(), "--dead-letters"]);
        run.arg(&full);
        run
    };
    let sidecar = Sidecar::start(&mut run());
    sidecar.until_said("cannot write dead letters").await;
    sidecar
        .until("/metrics", |_, text| {
            value(text, "qtrail_events_read_total") == 3
        })
        .await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(balance(&metrics).dead_lettered, 0);
    assert_eq!(value(&metrics, "qtrail_units_total"), 0);
    sidecar.kill();

    let sidecar = Sidecar::start(&mut run());
    sidecar.until_said("cannot write dead letters").await;
    fs::remove_file(&full).unwrap();
    assert_eq!(sidecar.settled(3).await, ONE_DEAD);
    sidecar
        .until_said("dead letters can be written again")
        .await;
    assert_eq!(sidecar.stop().await.0, Some(0));
    let letters = dead_letters(&full);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["reason"], "bad_time");
    nothing_is_read_again(&place, &collector).await;
}

#[tokio::test]
async fn an_output_file_on_a_full_disk_is_waited_for() {
    const USED: u64 = 256 << 20;
    let place = Place::new();
    let output = place.path("otlp.jsonl");
    // Large, so that the limit hits no other file; it takes no room on the disk.
    let file = File::create(&output).unwrap();
    file.write_all_at(b"\n", USED - 1).unwrap();
    let sidecar = Sidecar::start(place.run_on_a_small_disk().arg("--output").arg(&output));
    sidecar.address().await;
    sidecar.room(Some(USED + 100));
    place.add("a.json", &log_file(&IDS.map(event)));
    sidecar.until_said("events wait").await;
    let metrics = sidecar.get("/metrics").await.1;
    assert_eq!(balance(&metrics), ALL_IN_FLIGHT);
    assert_eq!(file.metadata().unwrap().len(), USED, "half a line");
    sidecar.room(None);
    assert_eq!(sidecar.settled(3).await, ALL_EXPORTED);
    assert_eq!(sidecar.stop().await.0, Some(0));
    let mut written = vec![0; (file.metadata().unwrap().len() - USED) as usize];
    File::open(&output)
        .unwrap()
        .read_exact_at(&mut written, USED)
        .unwrap();
    let lines = json_lines(&written);
    assert_eq!(lines.len(), 2, "log records and spans");
}

#[tokio::test]
async fn a_state_on_a_full_disk_is_waited_for() {
    let (place, collector) = (place(), Collector::start().await);
    let url = collector.url();
    let sidecar = Sidecar::start(place.run_on_a_small_disk().args(["--endpoint", &url]));
    assert_eq!(sidecar.settled(3).await, ALL_EXPORTED);
    sidecar.room(Some(4096));
    place.add("b.json", &log_file(&[event("four")]));
    sidecar.until_said("nothing is acknowledged").await;
    // Unwritable duplicate ids cost no event and stop nothing.
    sidecar.until_said("a restart may repeat events").await;
    assert_eq!(balance(&sidecar.get("/metrics").await.1).exported, 4);
    sidecar.room(None);
    sidecar.until_said("the state can be written again").await;
    sidecar
        .until_said("the duplicate ids can be written again")
        .await;
    assert_eq!(sidecar.settled(4).await.exported, 4);
    assert_eq!(sidecar.stop().await.0, Some(0));
    nothing_is_read_again(&place, &collector).await;
}

#[tokio::test]
async fn a_run_says_what_it_runs_without_a_secret_and_then_that_it_has_caught_up() {
    let (place, collector) = (place(), Collector::start().await);
    place.add(
        "b.json",
        &log_file(&[event("late").replace("2024", "soon")]),
    );
    let secret = "s3cret";
    let url = collector
        .url()
        .replace("://", &format!("://user:{secret}@"));
    let header = format!("x-token={secret}");
    let mut command = place.run();
    command.args(["--endpoint", &url, "--header", &header]);
    let sidecar = Sidecar::start(&mut command);
    sidecar.until_said("caught up").await;
    let (exit, said) = sidecar.stop().await;
    assert_eq!(exit, Some(0), "{said}");
    assert_eq!(said.matches("caught up").count(), 1, "{said}");
    assert!(!said.contains(secret), "{said}");
    let line = said.lines().find(|line| line.contains("started")).unwrap();
    let state = place.path("state").display().to_string();
    for part in [
        "version=",
        "commit=",
        "inputs=\"directory ",
        &collector.url(),
        &state,
        "memory_bytes=",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let file = place.dead_letters().display().to_string();
    assert!(said.contains(&format!("qtrail replay {file}")), "{said}");
}

#[tokio::test]
async fn a_replay_after_a_fix_sends_the_same_records() {
    let (place, collector) = (place(), Collector::start().await);
    collector.reply_with(|seen| {
        match seen.signal == Signal::Traces && seen.ids.iter().any(|id| id == "two") {
            true => Reply::Grpc(Status::invalid_argument("no such span")),
            false => Reply::Accept,
        }
    });
    let sidecar = start(&place, &collector);
    assert_eq!(sidecar.settled(3).await, ONE_DEAD);
    assert_eq!(sidecar.stop().await.0, Some(0));
    let refused = collector.accepted(Signal::Traces);
    assert!(!refused.iter().any(|id| id == "two"));

    collector.reply_with(|_| Reply::Accept);
    let Output { status, stderr, .. } =
        blocking(qtrail().arg("replay").arg(place.dead_letters()).args([
            "--summary",
            "json",
            "--endpoint",
            &collector.url(),
        ]))
        .await;
    let said = String::from_utf8_lossy(&stderr);
    assert_eq!(status.code(), Some(0), "{said}");
    let summary: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&summary["read"], &summary["exported"]),
        (&1.into(), &1.into())
    );
    assert_eq!(collector.accepted(Signal::Traces).last().unwrap(), "two");
    let logs = collector.logs().into_iter().flat_map(|r| r.resource_logs);
    let records = logs.flat_map(|r| r.scope_logs).flat_map(|s| s.log_records);
    let twice: Vec<_> = records.filter(|record| log_id(record) == "two").collect();
    assert_eq!(twice.len(), 2);
    assert!(twice[0].observed_time_unix_nano > 0);
    assert_eq!(
        twice[0], twice[1],
        "the log record was sent before and is sent again"
    );
}

#[tokio::test]
async fn a_state_that_another_process_holds_is_a_clear_error() {
    let (place, collector) = (place(), Collector::start().await);
    let first = start(&place, &collector);
    assert_eq!(first.settled(3).await, ALL_EXPORTED);
    let (exit, said) = start(&place, &collector).exit().await;
    assert_eq!(exit, Some(1), "{said}");
    let pid = first.pid().as_raw_nonzero();
    let expected = format!("is held by another process (pid {pid})");
    assert!(said.contains(&expected), "{said}");
    assert_eq!(first.settled(3).await, ALL_EXPORTED);
}

#[tokio::test]
async fn a_port_in_use_is_a_clear_error() {
    let (place, collector) = (place(), Collector::start().await);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = place.run();
    command.args(["--endpoint", &collector.url()]);
    let sidecar = Sidecar::start(command.env("QTRAIL_TELEMETRY_HTTP", &address));
    let (exit, said) = sidecar.exit().await;
    assert_eq!(exit, Some(1), "{said}");
    assert!(said.contains("telemetry.http"), "{said}");
    assert!(said.contains(&address), "{said}");
    assert!(collector.seen(Signal::Logs).is_empty());
}

/// Runs a command to its end while the collector goes on.
async fn blocking(command: &mut Command) -> Output {
    let child = command
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    tokio::task::spawn_blocking(|| child.wait_with_output())
        .await
        .unwrap()
        .unwrap()
}

fn dead_letters(file: &Path) -> Vec<Value> {
    json_lines(&fs::read(file).unwrap())
}
