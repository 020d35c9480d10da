//! How many S3 objects a second are read from a queue's notices, by the number of fetchers, beside
//! what SQS is asked for. S3 is gofakes3, SQS is ElasticMQ, both behind a delay that simulates the
//! distance to AWS; the collector accepts at once.
//!
//!     export QTRAIL_E2E_GOFAKES3=$(tests/e2e/build-gofakes3.sh)
//!     export QTRAIL_E2E_ELASTICMQ=$(tests/e2e/build-elasticmq.sh)
//!     cargo bench --features aws --bench s3 -- [OBJECTS] [EVENTS AN OBJECT] [SHARE OF AMAZON Q IN %] [DELAY IN MS]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as Port};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry as Entry;
use qtrail_sample::{self, Amount, Spec};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use support::{Failed, children_seconds, collect};

const FETCHERS: [usize; 5] = [1, 2, 4, 16, 64];
const BUCKET: &str = "trail";
const KEY: &str = "qtrailbench";
/// Uploads under way at once.
const AT_ONCE: usize = 16;

fn main() -> Result<(), Failed> {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let objects = numbers.next().unwrap_or(2_000);
    let events = numbers.next().unwrap_or(50);
    let share = numbers.next().unwrap_or(2);
    let delay = Duration::from_millis(numbers.next().unwrap_or(20));
    tokio::runtime::Runtime::new()?.block_on(async {
        let folder = tempfile::tempdir()?;
        let servers = Servers::start(delay).await?;
        let collector = collect().await?;
        let spec = Spec {
            amount: Amount::Events(objects * events),
            share: share as f64,
            files: Some(objects),
            ..Spec::default()
        };
        let (keys, bytes) = servers.put(&spec, folder.path()).await?;
        println!(
            "{} objects of {events} events, {share} % of Amazon Q, {} MB compressed, {} ms to each server",
            keys.len(),
            bytes / 1_000_000,
            delay.as_millis()
        );
        println!("| fetchers | objects a second | events a second | processor time | peak memory | SQS requests for 1,000 objects |");
        println!("| --- | --- | --- | --- | --- | --- |");
        for fetchers in FETCHERS {
            let queue = servers.queue(&format!("bench-{fetchers}"), &keys).await?;
            let measured = run(&servers, &queue, collector, fetchers, objects * events, folder.path()).await?;
            let seconds = measured.took.as_secs_f64();
            println!(
                "| {fetchers} | {:.0} | {:.0} | {:.2} s | {} MB | {:.0} |",
                objects as f64 / seconds,
                (objects * events) as f64 / seconds,
                measured.processor_seconds,
                measured.peak_kilobytes / 1000,
                measured.requests as f64 * 1000.0 / objects as f64,
            );
        }
        Ok(())
    })
}

struct Measured {
    took: Duration,
    processor_seconds: f64,
    peak_kilobytes: u64,
    requests: u64,
}

/// Starts qtrail on a full queue, waits until it has read all, and stops it.
async fn run(
    servers: &Servers,
    queue: &str,
    collector: SocketAddr,
    fetchers: usize,
    events: u64,
    folder: &Path,
) -> Result<Measured, Failed> {
    let before = children_seconds()?;
    let state = folder.join(format!("state-{fetchers}"));
    let metrics = free_port()?;
    let started = Instant::now();
    let mut qtrail = Command::new(env!("CARGO_BIN_EXE_qtrail"))
        .env_clear()
        .args(["run", "--sqs", queue])
        .args(["--endpoint", &format!("http://{collector}")])
        .arg("--state")
        .arg(&state)
        .env("QTRAIL_S3_FETCHERS", fetchers.to_string())
        .env("QTRAIL_AWS_PATH_STYLE", "true")
        .env("QTRAIL_TELEMETRY_HTTP", metrics.to_string())
        .env("AWS_ENDPOINT_URL_S3", format!("http://{}", servers.s3_far))
        .env(
            "AWS_ENDPOINT_URL_SQS",
            format!("http://{}", servers.sqs_far),
        )
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", KEY)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    loop {
        // Seldom enough to cost nothing, often enough for seconds.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = scrape(metrics).await.unwrap_or_default();
        let of = |name: &str| now.get(name).copied().unwrap_or_default();
        let settled = of("qtrail_events_read_total") - of("qtrail_events_in_flight");
        let deleted = of("qtrail_s3_messages_deleted_total");
        if settled >= events as f64 && deleted >= of("qtrail_s3_messages_total") {
            let took = started.elapsed();
            let status = fs::read_to_string(format!("/proc/{}/status", qtrail.id()))?;
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let peak = peak.and_then(|text| text.trim().split(' ').next()?.parse().ok());
            kill_process(Pid::from_child(&qtrail), Signal::TERM)?;
            qtrail.wait()?;
            return Ok(Measured {
                took,
                processor_seconds: children_seconds()? - before,
                peak_kilobytes: peak.ok_or("no VmHWM")?,
                requests: of("qtrail_sqs_requests_total") as u64,
            });
        }
        if let Some(status) = qtrail.try_wait()? {
            return Err(format!("qtrail ended: {status}").into());
        }
    }
}

/// What `/metrics` says, by name.
async fn scrape(address: SocketAddr) -> Result<BTreeMap<String, f64>, Failed> {
    let mut stream = TcpStream::connect(address).await?;
    let request = b"GET /metrics HTTP/1.1\r\nHost: qtrail\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let value = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(value).collect())
}

/// gofakes3 and ElasticMQ.
struct Servers {
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    /// Where they are, behind the delay.
    s3_far: SocketAddr,
    sqs_far: SocketAddr,
    _processes: [Server; 2],
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Servers {
    async fn start(delay: Duration) -> Result<Self, Failed> {
        let program = |name| std::env::var_os(name).ok_or(format!("{name} is not set"));
        let [s3, sqs] = [free_port()?, free_port()?];
        let gofakes3 = Command::new(program("QTRAIL_E2E_GOFAKES3")?)
            .args(["-quiet", "-backend", "memory", "-host", &s3.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let elasticmq = Command::new(program("QTRAIL_E2E_ELASTICMQ")?)
            .arg(sqs.port().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let processes = [Server(gofakes3), Server(elasticmq)];
        for address in [s3, sqs] {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        let credentials = || Credentials::new(KEY, KEY, None, None, "bench");
        let region = || Region::new("us-east-1");
        let servers = Servers {
            s3: aws_sdk_s3::Client::from_conf(
                aws_sdk_s3::Config::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .region(region())
                    .credentials_provider(credentials())
                    .endpoint_url(format!("http://{s3}"))
                    .force_path_style(true)
                    .build(),
            ),
            sqs: aws_sdk_sqs::Client::from_conf(
                aws_sdk_sqs::Config::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .region(region())
                    .credentials_provider(credentials())
                    .endpoint_url(format!("http://{sqs}"))
                    .build(),
            ),
            s3_far: far(s3, delay).await?,
            sqs_far: far(sqs, delay).await?,
            _processes: processes,
        };
        servers.s3.create_bucket().bucket(BUCKET).send().await?;
        Ok(servers)
    }

    /// Makes a trail and puts it into the bucket: its keys, and how many bytes it has.
    async fn put(&self, spec: &Spec, folder: &Path) -> Result<(Vec<String>, u64), Failed> {
        let trail = folder.join("trail");
        qtrail_sample::write(spec, &trail, |_| ())?;
        let (mut keys, mut bytes, mut putting) = (Vec::new(), 0, JoinSet::new());
        for path in files(&trail)? {
            let key = path.strip_prefix(&trail)?.to_string_lossy().into_owned();
            let body = fs::read(&path)?;
            bytes += body.len() as u64;
            let put = self.s3.put_object().bucket(BUCKET).key(&key);
            let put = put.body(ByteStream::from(body));
            putting.spawn(async move { put.send().await });
            keys.push(key);
            if putting.len() >= AT_ONCE
                && let Some(done) = putting.join_next().await
            {
                done??;
            }
        }
        while let Some(done) = putting.join_next().await {
            done??;
        }
        Ok((keys, bytes))
    }

    /// A queue that announces these objects.
    async fn queue(&self, name: &str, keys: &[String]) -> Result<String, Failed> {
        let made = self.sqs.create_queue().queue_name(name).send().await?;
        let url = made.queue_url.ok_or("a queue without a URL")?;
        for keys in keys.chunks(10) {
            let notices = keys.iter().enumerate().map(|(id, key)| {
                let notice = format!(
                    r#"{{"Records":[{{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","awsRegion":"us-east-1","s3":{{"bucket":{{"name":"{BUCKET}"}},"object":{{"key":"{key}"}}}}}}]}}"#
                );
                Entry::builder().id(id.to_string()).message_body(notice).build()
            });
            let notices = notices.collect::<Result<_, _>>()?;
            let send = self.sqs.send_message_batch().queue_url(&url);
            send.set_entries(Some(notices)).send().await?;
        }
        Ok(url)
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

fn free_port() -> Result<SocketAddr, Failed> {
    Ok(Port::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The address of a way to a server on which each request is this late.
async fn far(server: SocketAddr, delay: Duration) -> Result<SocketAddr, Failed> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let server = TcpStream::connect(server).await?;
                client.set_nodelay(true)?;
                server.set_nodelay(true)?;
                let ((mut from, mut to), (mut back, mut home)) =
                    (client.into_split(), server.into_split());
                let answers =
                    tokio::spawn(async move { tokio::io::copy(&mut back, &mut to).await });
                let mut buffer = vec![0; 16 << 10];
                loop {
                    let read = from.read(&mut buffer).await?;
                    if read == 0 {
                        break;
                    }
                    tokio::time::sleep(delay).await;
                    home.write_all(&buffer[..read]).await?;
                }
                drop(home);
                let _ = answers.await;
                Ok::<_, std::io::Error>(())
            });
        }
    });
    Ok(address)
}
