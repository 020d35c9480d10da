//! How many events a second come in over gRPC, by stream and by call, beside the same events from a
//! directory. The collector accepts at once.
//!
//! On one core, which the sender, qtrail and the collector then share; what qtrail alone took is its
//! processor time:
//!
//!     cargo bench --bench ingest --no-run
//!     taskset -c 0 cargo bench --bench ingest -- 50000

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use qtrail_proto::v1::ingest_service_client::IngestServiceClient;
use qtrail_proto::v1::ingest_stream_response::Result as Answer;
use qtrail_proto::v1::{Counts, IngestRequest, IngestStreamRequest};
use qtrail_sample::{self, Amount, Format, Spec};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;

use support::{Failed, children_seconds, collect};

/// Events of one request.
const SIZES: [usize; 3] = [1, 100, 1000];
type Client = IngestServiceClient<Channel>;

fn main() -> Result<(), Failed> {
    let number = std::env::args().find_map(|argument| argument.parse().ok());
    let events = events(number.unwrap_or(50_000))?;
    let bytes: usize = events.iter().map(String::len).sum();
    println!("{} events, {} MB", events.len(), bytes / 1_000_000);
    println!(
        "| way in | events a request | events a second | qtrail's processor time | events of one second of it |"
    );
    println!("| --- | --- | --- | --- | --- |");
    let runtime = tokio::runtime::Runtime::new()?;
    let collector = runtime.block_on(collect())?;
    for size in SIZES {
        let requests = requests(&events, size);
        let measured = served(&runtime, collector, events.len(), async |client| {
            stream(client, requests.clone()).await
        })?;
        measured.print("stream", &size.to_string(), events.len());
    }
    for size in SIZES {
        let requests = requests(&events, size);
        // Enough at a time to keep all three busy, and within ingest.limits.in_flight_bytes.
        let at_a_time = (16_000 / size).clamp(4, 64);
        let measured = served(&runtime, collector, events.len(), async |client| {
            call(client, requests.clone(), at_a_time).await
        })?;
        measured.print("call", &size.to_string(), events.len());
    }
    let measured = directory(collector, &events)?;
    measured.print("directory", "files of 1000", events.len());
    Ok(())
}

/// What Amazon Q did.
fn events(number: u64) -> Result<Vec<String>, Failed> {
    let spec = Spec {
        amount: Amount::Events(number),
        share: 100.0,
        format: Format::Ndjson,
        ..Spec::default()
    };
    let mut lines = Vec::new();
    qtrail_sample::write_one(&spec, &mut lines)?;
    Ok(String::from_utf8(lines)?
        .lines()
        .map(str::to_owned)
        .collect())
}

fn requests(events: &[String], size: usize) -> Vec<Bytes> {
    let join = |events: &[String]| events.join("\n").into();
    events.chunks(size).map(join).collect()
}

struct Measured {
    took: Duration,
    /// qtrail's, from its start to its end.
    processor_seconds: f64,
}

impl Measured {
    fn print(&self, way: &str, size: &str, events: usize) {
        let events = events as f64;
        println!(
            "| {way} | {size} | {:.0} | {:.2} s | {:.0} |",
            events / self.took.as_secs_f64(),
            self.processor_seconds,
            events / self.processor_seconds
        );
    }
}

/// Starts qtrail, lets a client send all, and stops it.
fn served(
    runtime: &tokio::runtime::Runtime,
    collector: SocketAddr,
    events: usize,
    send: impl AsyncFnOnce(Client) -> Result<u64, Failed>,
) -> Result<Measured, Failed> {
    let folder = tempfile::tempdir()?;
    let before = children_seconds()?;
    let mut qtrail = qtrail(folder.path(), collector)
        .args(["--grpc", "127.0.0.1:0"])
        .stderr(Stdio::piped())
        .spawn()?;
    let address = address(&mut qtrail)?;
    let took = runtime.block_on(async {
        let client = Client::connect(format!("http://{address}")).await?;
        let started = Instant::now();
        let exported = send(client).await?;
        let took = started.elapsed();
        assert_eq!(exported, events as u64);
        Ok::<_, Failed>(took)
    });
    kill_process(Pid::from_child(&qtrail), Signal::TERM)?;
    qtrail.wait()?;
    Ok(Measured {
        took: took?,
        processor_seconds: children_seconds()? - before,
    })
}

fn directory(collector: SocketAddr, events: &[String]) -> Result<Measured, Failed> {
    let folder = tempfile::tempdir()?;
    let trail = folder.path().join("trail");
    fs::create_dir(&trail)?;
    for (n, events) in events.chunks(1000).enumerate() {
        let name = format!("111122223333_CloudTrail_us-east-1_20260101T0000Z_{n:016}.json");
        fs::write(
            trail.join(name),
            format!("{{\"Records\":[{}]}}", events.join(",")),
        )?;
    }
    let before = children_seconds()?;
    let started = Instant::now();
    let status = qtrail(folder.path(), collector)
        .arg(&trail)
        .arg("--once")
        .status()?;
    assert!(status.success(), "{status}");
    Ok(Measured {
        took: started.elapsed(),
        processor_seconds: children_seconds()? - before,
    })
}

/// `qtrail run`, with a state of its own.
fn qtrail(folder: &Path, collector: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qtrail"));
    command
        .env_clear()
        .arg("run")
        .args(["--endpoint", &format!("http://{collector}")])
        .arg("--state")
        .arg(folder.join("state"))
        .env("QTRAIL_TELEMETRY_HTTP", "none")
        // The directory's files are complete. A worker waits for the disk after each, so one core is
        // not enough of a reason to have one worker.
        .env("QTRAIL_DIRECTORY_SETTLE", "100ms")
        .env("QTRAIL_DIRECTORY_WORKERS", "4")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Where it says that it listens. What it says later is thrown away.
fn address(qtrail: &mut Child) -> Result<SocketAddr, Failed> {
    let mut lines = BufReader::new(qtrail.stderr.take().ok_or("no standard error")?).lines();
    let mut said = String::new();
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some((_, address)) = line.split_once("grpc is served at ") {
            let address = address.parse()?;
            std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
            return Ok(address);
        }
        said.push_str(&line);
    }
    Err(format!("qtrail does not listen: {said}").into())
}

/// Sends all on one stream: how many events were exported.
async fn stream(mut client: Client, requests: Vec<Bytes>) -> Result<u64, Failed> {
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(async move {
        for (sequence, events) in (0..).zip(requests) {
            let source = String::new();
            let request = IngestStreamRequest {
                sequence,
                events,
                source,
            };
            if sender.send(request).await.is_err() {
                return;
            }
        }
    });
    let answers = client.ingest_stream(ReceiverStream::new(receiver)).await?;
    let (mut answers, mut exported) = (answers.into_inner(), 0);
    while let Some(answer) = answers.message().await? {
        match answer.result {
            Some(Answer::Delivered(delivered)) => exported += all_of(delivered.counts),
            other => return Err(format!("not delivered: {other:?}").into()),
        }
    }
    Ok(exported)
}

/// Sends all by calls, so many at a time: how many events were exported.
async fn call(client: Client, requests: Vec<Bytes>, at_a_time: usize) -> Result<u64, Failed> {
    let slots = Arc::new(Semaphore::new(at_a_time));
    let (mut calls, mut exported) = (JoinSet::new(), 0);
    for (sequence, events) in (0..).zip(requests) {
        let slot = Arc::clone(&slots).acquire_owned().await?;
        let mut client = client.clone();
        calls.spawn(async move {
            let source = String::new();
            let answer = client
                .ingest(IngestRequest {
                    sequence,
                    events,
                    source,
                })
                .await;
            drop(slot);
            answer
        });
        while let Some(answer) = calls.try_join_next() {
            exported += all_of(answer??.into_inner().counts);
        }
    }
    while let Some(answer) = calls.join_next().await {
        exported += all_of(answer??.into_inner().counts);
    }
    Ok(exported)
}

fn all_of(counts: Option<Counts>) -> u64 {
    let counts = counts.unwrap_or_default();
    assert_eq!(counts.read, counts.exported, "{counts:?}");
    counts.exported
}
