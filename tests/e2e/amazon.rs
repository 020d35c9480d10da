//! Real servers that speak S3 and SQS, on loopback: moto, which announces its objects itself, and
//! ElasticMQ, whose queues are right under many receivers at once (moto's hand one message to
//! several of them). Both are reached through one [`FaultProxy`].

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Event, NotificationConfiguration, QueueConfiguration};
use aws_sdk_sqs::types::{QueueAttributeName as Attribute, SendMessageBatchRequestEntry};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::servers::{Process, program};
use crate::support::collector::Collector;
use crate::support::fault_proxy::FaultProxy;
use crate::support::program::{event, gzip, log_file, qtrail};
use crate::support::sidecar::{Place, Sidecar};
use crate::support::{PATIENCE, free_address};

/// The region of everything.
pub(crate) const REGION: &str = "us-east-1";
/// The credentials that qtrail is given, if a test has no others in mind.
pub(crate) const ACCESS_KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// Requests of a test itself that are under way at once.
const AT_ONCE: usize = 16;

/// The servers, one bucket, and clients that go past the proxy.
pub(crate) struct Amazon {
    pub(crate) proxy: FaultProxy,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) bucket: String,
    _servers: Vec<Process>,
    _folder: TempDir,
}

/// A queue, and the one for what it gives up.
pub(crate) struct Queue {
    /// As the servers name it.
    pub(crate) url: String,
    pub(crate) dead: Option<String>,
}

/// How many messages a queue has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Depth {
    pub(crate) visible: u32,
    pub(crate) in_flight: u32,
}

impl Depth {
    pub(crate) const EMPTY: Depth = Depth {
        visible: 0,
        in_flight: 0,
    };
}

impl Amazon {
    /// S3 by moto, queues by ElasticMQ: the test sends the notices. `None`, and a line that says so,
    /// where they cannot be had.
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let moto = program("QTRAIL_E2E_MOTO", test)?;
        let elasticmq = program("QTRAIL_E2E_ELASTICMQ", test)?;
        let folder = tempfile::tempdir().unwrap();
        let [s3, sqs] = [free_address(), free_address()];
        let servers = vec![
            start_moto(&moto, s3, &folder),
            Process::start(
                "ElasticMQ",
                Command::new(elasticmq).arg(sqs.port().to_string()),
                folder.path().join("elasticmq.log"),
            ),
        ];
        Some(Self::before(s3, sqs, servers, folder).await)
    }

    /// Both by moto, whose S3 announces each object to a queue. For one receiver.
    pub(crate) async fn moto_alone(test: &str) -> Option<Self> {
        let moto = program("QTRAIL_E2E_MOTO", test)?;
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let servers = vec![start_moto(&moto, address, &folder)];
        Some(Self::before(address, address, servers, folder).await)
    }

    async fn before(
        s3: SocketAddr,
        sqs: SocketAddr,
        mut servers: Vec<Process>,
        folder: TempDir,
    ) -> Self {
        servers[0].wait_until_listening(s3);
        if let Some(server) = servers.get_mut(1) {
            server.wait_until_listening(sqs);
        }
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let bucket = format!("trail-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let amazon = Amazon {
            proxy: FaultProxy::start(s3, sqs).await,
            s3: s3_client(s3),
            sqs: sqs_client(sqs),
            bucket,
            _servers: servers,
            _folder: folder,
        };
        amazon
            .s3
            .create_bucket()
            .bucket(&amazon.bucket)
            .send()
            .await
            .unwrap();
        amazon
    }

    /// A queue whose messages stay hidden for so many seconds, where nobody says otherwise; with one
    /// for what was received more than `redrive` times.
    pub(crate) async fn queue(&self, name: &str, visibility: u32, redrive: Option<u32>) -> Queue {
        let mut create = self.sqs.create_queue().queue_name(name);
        create = create.attributes(Attribute::VisibilityTimeout, visibility.to_string());
        let mut dead = None;
        if let Some(receives) = redrive {
            let name = format!("{name}-dead");
            let made = self.sqs.create_queue().queue_name(name).send().await;
            let url = made.unwrap().queue_url.unwrap();
            let arn = self.attribute(&url, Attribute::QueueArn).await;
            let policy = serde_json::json!({"deadLetterTargetArn": arn, "maxReceiveCount": receives.to_string()});
            create = create.attributes(Attribute::RedrivePolicy, policy.to_string());
            dead = Some(url);
        }
        let url = create.send().await.unwrap().queue_url.unwrap();
        Queue { url, dead }
    }

    /// S3 announces each new object to the queue.
    pub(crate) async fn announce(&self, queue: &Queue) {
        let to = QueueConfiguration::builder()
            .queue_arn(self.attribute(&queue.url, Attribute::QueueArn).await)
            .events(Event::from("s3:ObjectCreated:*"))
            .build()
            .unwrap();
        let configuration = NotificationConfiguration::builder()
            .queue_configurations(to)
            .build();
        let put = self.s3.put_bucket_notification_configuration();
        put.bucket(&self.bucket)
            .notification_configuration(configuration)
            .send()
            .await
            .unwrap();
    }

    /// Puts an object.
    pub(crate) async fn put(&self, key: &str, bytes: Vec<u8>) {
        let put = self.s3.put_object().bucket(&self.bucket).key(key);
        put.body(ByteStream::from(bytes)).send().await.unwrap();
    }

    /// Puts log files, several at once: their events' ids are `NAME-FILE-EVENT`. Their keys.
    pub(crate) async fn put_trail(&self, trail: Trail) -> Vec<String> {
        let mut putting = JoinSet::new();
        for file in 0..trail.files {
            if putting.len() >= AT_ONCE {
                putting.join_next().await.unwrap().unwrap();
            }
            let put = self.s3.put_object().bucket(&self.bucket);
            let put = put.key(trail.key(file));
            let put = put.body(ByteStream::from(trail.content(file)));
            putting.spawn(async move {
                put.send().await.unwrap();
            });
        }
        putting.join_all().await;
        (0..trail.files).map(|file| trail.key(file)).collect()
    }

    /// Sends messages.
    pub(crate) async fn send<S: AsRef<str>>(&self, queue: &Queue, bodies: &[S]) {
        let mut sending = JoinSet::new();
        for bodies in bodies.chunks(10) {
            let entries = bodies.iter().enumerate().map(|(id, body)| {
                let entry = SendMessageBatchRequestEntry::builder().id(id.to_string());
                entry.message_body(body.as_ref()).build().unwrap()
            });
            let batch = self.sqs.send_message_batch().queue_url(&queue.url);
            let batch = batch.set_entries(Some(entries.collect()));
            sending.spawn(async move {
                let sent = batch.send().await.unwrap();
                assert!(sent.failed.is_empty(), "{:?}", sent.failed);
            });
            if sending.len() >= AT_ONCE {
                sending.join_next().await.unwrap().unwrap();
            }
        }
        sending.join_all().await;
    }

    /// How many messages are in a queue.
    pub(crate) async fn depth(&self, url: &str) -> Depth {
        let ask = self.sqs.get_queue_attributes().queue_url(url);
        let answer = ask.attribute_names(Attribute::All).send().await.unwrap();
        let attributes = answer.attributes.unwrap();
        let count = |name: Attribute| attributes[&name].parse().unwrap();
        Depth {
            visible: count(Attribute::ApproximateNumberOfMessages),
            in_flight: count(Attribute::ApproximateNumberOfMessagesNotVisible),
        }
    }

    /// Waits until a queue has so many messages.
    pub(crate) async fn until_depth(&self, url: &str, holds: impl Fn(Depth) -> bool) -> Depth {
        let asking = async {
            loop {
                let depth = self.depth(url).await;
                if holds(depth) {
                    return depth;
                }
                // A queue announces nothing.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, asking).await {
            Ok(depth) => depth,
            Err(_) => panic!("waited in vain; {url} has {:?}", self.depth(url).await),
        }
    }

    /// Waits until nothing is left in the queue; nothing was given up.
    pub(crate) async fn until_done(&self, queue: &Queue) {
        self.until_depth(&queue.url, |depth| depth == Depth::EMPTY)
            .await;
        if let Some(dead) = &queue.dead {
            assert_eq!(self.depth(dead).await, Depth::EMPTY, "was given up");
        }
    }

    /// The bodies of the messages that were given up.
    pub(crate) async fn given_up(&self, queue: &Queue) -> Vec<String> {
        let dead = queue.dead.as_ref().expect("it has a redrive policy");
        let mut bodies = Vec::new();
        loop {
            let receive = self.sqs.receive_message().queue_url(dead);
            let received = receive.max_number_of_messages(10).send().await.unwrap();
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return bodies;
            }
            bodies.extend(messages.into_iter().map(|message| message.body.unwrap()));
        }
    }

    /// A command of qtrail's that sees these servers and nothing else of this machine.
    pub(crate) fn command(&self, place: &Place, collector: &Collector) -> Command {
        let mut command = self.settings(place);
        command
            .env("QTRAIL_EXPORT_ENDPOINT", collector.url())
            .env("QTRAIL_EXPORT_RETRY_INITIAL", "20ms")
            .env("QTRAIL_EXPORT_RETRY_MAX", "200ms")
            .env("QTRAIL_STATE", place.path("state"))
            .env("QTRAIL_TELEMETRY_HTTP", "127.0.0.1:0");
        command
    }

    /// The same, without a collector and a state.
    pub(crate) fn settings(&self, place: &Place) -> Command {
        let mut command = qtrail();
        command
            .env("AWS_ENDPOINT_URL", self.proxy.url())
            .env("AWS_REGION", REGION)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", place.path("no-config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", place.path("no-credentials"))
            .env("QTRAIL_AWS_PATH_STYLE", "true");
        command
    }

    /// `qtrail run` on a queue.
    pub(crate) fn run(&self, queue: &Queue, place: &Place, collector: &Collector) -> Command {
        let mut command = self.command(place, collector);
        command.args(["run", "--sqs", &queue.url]);
        command
    }

    /// The same, started.
    pub(crate) fn sidecar(&self, queue: &Queue, place: &Place, collector: &Collector) -> Sidecar {
        Sidecar::start(&mut self.run(queue, place, collector))
    }
}

fn start_moto(program: &std::path::Path, address: SocketAddr, folder: &TempDir) -> Process {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    Process::start(
        "moto",
        Command::new(program).args(["-H", &host, "-p", &port]),
        folder.path().join("moto.log"),
    )
}

fn s3_client(server: SocketAddr) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
        .endpoint_url(format!("http://{server}"))
        .force_path_style(true);
    aws_sdk_s3::Client::from_conf(config.build())
}

fn sqs_client(server: SocketAddr) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test"))
        .endpoint_url(format!("http://{server}"));
    aws_sdk_sqs::Client::from_conf(config.build())
}

impl Amazon {
    async fn attribute(&self, url: &str, name: Attribute) -> String {
        let ask = self.sqs.get_queue_attributes().queue_url(url);
        let answer = ask.attribute_names(name.clone()).send().await.unwrap();
        answer.attributes.unwrap().remove(&name).unwrap()
    }
}

/// Log files, named as CloudTrail names them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trail {
    /// Tells its events from those of others.
    pub(crate) name: &'static str,
    pub(crate) files: usize,
    /// In each file, beside as many of other services.
    pub(crate) events: usize,
}

impl Trail {
    /// Files of this day, a few a minute.
    pub(crate) fn key(self, file: usize) -> String {
        let (hour, minute) = (file / 60 % 24, file % 60);
        format!(
            "AWSLogs/111122223333/CloudTrail/us-east-1/2026/01/15/111122223333_CloudTrail_us-east-1_20260115T{hour:02}{minute:02}Z_{}{file:010}.json.gz",
            &format!("{:X<6}", self.name)[..6]
        )
    }

    pub(crate) fn id(self, file: usize, event: usize) -> String {
        format!("{}-{file}-{event}", self.name)
    }

    /// The ids of all events.
    pub(crate) fn ids(self) -> std::collections::BTreeSet<String> {
        let files = 0..self.files;
        files
            .flat_map(|file| (0..self.events).map(move |event| self.id(file, event)))
            .collect()
    }

    pub(crate) fn content(self, file: usize) -> Vec<u8> {
        let mut records = Vec::new();
        for number in 0..self.events {
            let id = self.id(file, number);
            records.push(event(&id));
            let other = event(&format!("other-{id}"));
            records.push(other.replace("q.amazonaws.com", "ec2.amazonaws.com"));
        }
        gzip(log_file(&records))
    }
}

/// What the scenarios stand on.
#[tokio::test(flavor = "multi_thread")]
async fn the_servers_serve_and_the_proxy_breaks_what_it_is_told_to() {
    use crate::support::fault_proxy::Answer;
    let name = "amazon::the_servers_serve_and_the_proxy_breaks_what_it_is_told_to";
    let Some(amazon) = Amazon::start(name).await else {
        return;
    };
    let queue = amazon.queue("trail", 30, Some(1)).await;
    amazon.send(&queue, &["one", "two"]).await;
    let trail = Trail {
        name: "ground",
        files: 1,
        events: 300,
    };
    let keys = amazon.put_trail(trail).await;
    let through = |client: aws_sdk_s3::config::Builder| {
        let client = client.endpoint_url(amazon.proxy.url());
        let once = aws_sdk_s3::config::retry::RetryConfig::disabled();
        aws_sdk_s3::Client::from_conf(client.retry_config(once).build())
    };
    let s3 = through(amazon.s3.config().to_builder());
    let get = async || {
        let get = s3.get_object().bucket(&amazon.bucket).key(&keys[0]);
        let object = get.send().await.map_err(|e| format!("{e:?}"))?;
        let body = object.body.collect().await.map_err(|e| format!("{e:?}"))?;
        Ok::<_, String>(body.to_vec())
    };
    let answers = [
        Answer::SlowDown,
        Answer::CutAfter(100),
        Answer::ExpiredToken,
        Answer::AccessDenied,
        Answer::OtherRegion("eu-west-1"),
        Answer::Pass,
    ];
    amazon.proxy.answer_next("GetObject", answers);
    for said in [
        "SlowDown",
        "",
        "ExpiredToken",
        "AccessDenied",
        "PermanentRedirect",
    ] {
        let error = get().await.unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(get().await.unwrap(), trail.content(0));
    assert_eq!(amazon.proxy.count("GetObject"), 6);

    let sqs = amazon.sqs.config().to_builder();
    let sqs = sqs.endpoint_url(amazon.proxy.url());
    let sqs = aws_sdk_sqs::Client::from_conf(sqs.build());
    for visibility in [30, 0] {
        let receive = sqs.receive_message().queue_url(&queue.url);
        let receive = receive.visibility_timeout(visibility);
        let received = receive.send().await.unwrap().messages.unwrap();
        assert_eq!(received.len(), 1);
    }
    assert_eq!(amazon.proxy.count("ReceiveMessage"), 2);
    let depth = amazon.depth(&queue.url).await;
    assert_eq!((depth.visible, depth.in_flight), (1, 1));
    // What was received once and comes again is given up.
    let receive = sqs.receive_message().queue_url(&queue.url);
    let received = receive.send().await.unwrap().messages;
    assert!(received.unwrap_or_default().is_empty());
    assert_eq!(amazon.given_up(&queue).await.len(), 1);
}
