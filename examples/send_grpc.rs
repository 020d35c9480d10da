//! Sends CloudTrail files to qtrail by gRPC, each until it is acknowledged.
//!
//! `cargo run --example send_grpc -- http://127.0.0.1:4319 trail.json.gz logs/`
//!
//! One stream carries all files, many at a time; the server slows it down where it must. What fails
//! for now is sent again after the delay that the server asks for, over a new connection where the
//! old one broke. A repeat does no harm: the same event gets the same ids. Ends with 0 only when all
//! files were acknowledged, which means that the collector has their events.
//!
//! Without files it sends two samples. `QTRAIL_TOKEN` is the bearer token, if one is asked for.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use qtrail_proto::v1::IngestStreamRequest;
use qtrail_proto::v1::ingest_service_client::IngestServiceClient;
use qtrail_proto::v1::ingest_stream_response::Result as Answer;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

/// How long to wait where the server does not say.
const DELAY: Duration = Duration::from_secs(1);
/// How often a silent server is asked for a sign of life.
const ALIVE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next();
    let url = url.unwrap_or_else(|| "http://127.0.0.1:4319".to_owned());
    let files = files(arguments.map(PathBuf::from).collect())?;
    let all = files.len();
    // A file's number is its sequence number on the stream.
    let mut left: BTreeMap<u64, PathBuf> = (0..).zip(files).collect();
    let mut events = 0;

    // Connects when it is used, and again when the connection broke.
    let endpoint = Endpoint::from_shared(url)?.http2_keep_alive_interval(ALIVE);
    let client = IngestServiceClient::new(endpoint.connect_lazy());
    while !left.is_empty() {
        let again = match send(client.clone(), &mut left, &mut events).await {
            Ok(again) => again,
            Err(status) => {
                let again = retry_delay(&status).ok_or_else(|| status.clone())?;
                eprintln!("{status}");
                again
            }
        };
        if !left.is_empty() {
            eprintln!("{} of {all} files are sent again in {again:?}", left.len());
            tokio::time::sleep(again).await;
        }
    }
    println!("{all} files with {events} events were acknowledged");
    Ok(())
}

/// Sends what is left over one stream, and strikes off what is acknowledged. Returns when to send
/// the rest.
async fn send(
    mut client: IngestServiceClient<Channel>,
    left: &mut BTreeMap<u64, PathBuf>,
    events: &mut u64,
) -> Result<Duration, Status> {
    let (messages, queue) = mpsc::channel(1);
    let reading = tokio::spawn(read(left.clone(), messages));
    let mut request = Request::new(ReceiverStream::new(queue));
    if let Ok(token) = std::env::var("QTRAIL_TOKEN") {
        let value = format!("Bearer {token}").parse();
        let value = value.map_err(|_| Status::unauthenticated("QTRAIL_TOKEN is no token"))?;
        request.metadata_mut().insert("authorization", value);
    }
    let mut answers = client.ingest_stream(request).await?.into_inner();
    let mut again = DELAY;
    while let Some(answer) = answers.message().await? {
        match answer.result {
            Some(Answer::Delivered(delivered)) => {
                let path = left.remove(&answer.sequence).unwrap_or_default();
                *events += delivered.counts.unwrap_or_default().read;
                for refused in delivered.rejections {
                    let (index, reason) = (refused.index, refused.reason);
                    eprintln!("{}: record {index}: {reason}", path.display());
                }
            }
            Some(Answer::Failure(failure)) => {
                let delay = failure.retry_delay.and_then(|delay| delay.try_into().ok());
                // Without a delay it would fail again.
                let status = Status::new(Code::from(failure.code), failure.message);
                again = again.max(delay.ok_or(status)?);
            }
            None => {}
        }
    }
    reading.await.unwrap_or(Ok(()))?;
    Ok(again)
}

/// Reads the files, no further ahead than the stream takes them.
async fn read(
    files: BTreeMap<u64, PathBuf>,
    messages: mpsc::Sender<IngestStreamRequest>,
) -> Result<(), Status> {
    for (sequence, path) in files {
        let source = path.display().to_string();
        let events = tokio::fs::read(&path).await;
        let message = IngestStreamRequest {
            sequence,
            events: events
                .map_err(|error| Status::not_found(format!("{source}: {error}")))?
                .into(),
            source,
        };
        if messages.send(message).await.is_err() {
            break; // The stream has ended, and says why.
        }
    }
    Ok(())
}

/// When to try again; `None`: it is of no use.
fn retry_delay(status: &Status) -> Option<Duration> {
    let asked = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    // Where the connection broke there is a cause, and no word of the server's.
    let broke = status.code() == Code::Unavailable || status.source().is_some();
    asked.or(broke.then_some(DELAY))
}

/// The files, and those in the folders; without any, samples.
fn files(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    if paths.is_empty() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let samples = ["send-message.json", "on-behalf-of-list-buckets.json"];
        return Ok(samples.map(|name| fixtures.join(name)).into());
    }
    let mut files = Vec::new();
    for path in paths {
        let metadata = path.metadata();
        let metadata = metadata.map_err(|error| format!("{}: {error}", path.display()))?;
        if metadata.is_dir() {
            for entry in path.read_dir()? {
                files.push(entry?.path());
            }
        } else {
            files.push(path);
        }
    }
    files.retain(|path| !path.is_dir());
    Ok(files)
}
