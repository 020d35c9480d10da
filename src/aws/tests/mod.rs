//! Objects read from an S3 that misbehaves on demand.

mod fake;

use std::io::Read;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use tokio_util::sync::CancellationToken;

use super::error::{Error, Remedy};
use super::object::{Location, Object};
use super::{Aws, Settings, clients, route};
use crate::aws::object::Content;
use fake::{Fake, Mishap};

const SECRETS: [&str; 3] = [
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY",
    "FwoGZXIvYXdzEXAMPLETOKEN",
];
const NO_LIMIT: u64 = u64::MAX;

fn config(endpoint: &str) -> SdkConfig {
    let [id, secret, token] = SECRETS;
    let credentials = Credentials::new(id, secret, Some(token.to_owned()), None, "test");
    let retries = clients::retries().with_initial_backoff(Duration::from_millis(1));
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .http_client(route::http_client())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(retries)
        .timeout_config(clients::timeouts())
        .build()
}

fn aws(fake: &Fake) -> Aws {
    Aws::with_config(config(&fake.endpoint), &Settings::default())
}

/// The same for an endpoint that may be behind a proxy.
fn aws_behind(proxy: &Fake, endpoint: &str, no_proxy: &str) -> Aws {
    let client = route::through(&proxy.endpoint, no_proxy);
    let config = config(endpoint).into_builder().http_client(client).build();
    Aws::with_config(config, &Settings::default())
}

fn location() -> Location {
    Location {
        bucket: "trails".to_owned(),
        key: "AWSLogs/1/a b+c.json.gz".to_owned(),
        region: None,
    }
}

/// Bytes of which no two parts are alike.
fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32 / 4 + 1)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(length)
        .collect()
}

async fn read(object: Object) -> Result<Vec<u8>, String> {
    let content = object.content(&CancellationToken::new()).await;
    match content.map_err(|error| error.message)? {
        Content::Whole(bytes) => Ok(bytes.to_vec()),
        Content::Streamed(mut reader, _) => {
            let read = move || {
                let mut out = Vec::new();
                reader.read_to_end(&mut out).map(|_| out)
            };
            let result = tokio::task::spawn_blocking(read).await.unwrap();
            result.map_err(|error| error.to_string())
        }
    }
}

async fn error(mishaps: Vec<Mishap>) -> Error {
    let fake = Fake::start(bytes(10), mishaps).await;
    aws(&fake).open(&location(), NO_LIMIT).await.unwrap_err()
}

#[tokio::test]
async fn what_is_throttled_is_asked_for_again() {
    let slow = || Mishap::Answer(503, "", "<Error><Code>SlowDown</Code></Error>");
    let fake = Fake::start(bytes(5000), vec![slow(), slow()]).await;
    let object = aws(&fake).open(&location(), NO_LIMIT).await.unwrap();
    assert_eq!((object.bytes, object.held_bytes()), (5000, 5000));
    assert_eq!(object.modified, Some(1_735_689_601_000_000_000));
    assert_eq!(read(object).await.unwrap(), bytes(5000));
    assert_eq!(fake.seen().len(), 3);
    assert!(fake.seen()[0].starts_with("get /trails/awslogs/1/a%20b%2bc.json.gz"));
    let error = error(vec![slow(), slow(), slow()]).await;
    assert_eq!(error.remedy, Remedy::Retry, "{error}");
    assert!(
        error
            .message
            .contains("s3://trails/AWSLogs/1/a b+c.json.gz")
    );
    assert!(
        error.message.contains("SlowDown, HTTP 503, request R1"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_is_taken_up_where_it_broke() {
    for size in [50_000, 3 << 20] {
        let cuts = vec![Mishap::Cut(10_000), Mishap::Cut(0), Mishap::Cut(20_000)];
        let fake = Fake::start(bytes(size), cuts).await;
        let object = aws(&fake).open(&location(), NO_LIMIT).await.unwrap();
        assert_eq!(object.held_bytes(), size.min(1 << 20));
        assert!(read(object).await.unwrap() == bytes(size));
        let seen = fake.seen();
        assert_eq!(seen.len(), 4);
        assert!(!seen[0].contains("range:") && seen[0].contains("x-amz-checksum-mode"));
        for (request, from) in seen[1..].iter().zip([10_000, 10_000, 30_000]) {
            assert!(
                request.contains(&format!("range: bytes={from}-\r\n")),
                "{request}"
            );
            assert!(request.contains("if-match: \"one\"\r\n"), "{request}");
            assert!(!request.contains("x-amz-checksum-mode"), "{request}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_was_replaced_is_not_pieced_together() {
    let fake = Fake::start(bytes(3 << 20), vec![Mishap::Cut(10_000)]).await;
    let object = aws(&fake).open(&location(), NO_LIMIT).await.unwrap();
    fake.replace(bytes(4 << 20));
    let error = read(object).await.unwrap_err();
    assert!(
        error.contains("s3://trails/AWSLogs/1/a b+c.json.gz"),
        "{error}"
    );
    assert!(error.contains("it was replaced meanwhile"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_those_of_the_checksum_are_refused() {
    for size in [5000, 2 << 20] {
        let fake = Fake::start(bytes(size), vec![Mishap::Checksum]).await;
        let object = aws(&fake).open(&location(), NO_LIMIT).await.unwrap();
        let error = read(object).await.unwrap_err();
        assert!(error.contains("checksum"), "{error}");
    }
}

#[tokio::test]
async fn without_a_byte_between_them_tries_are_counted() {
    let cuts = std::iter::repeat_with(|| Mishap::Cut(0))
        .take(1000)
        .collect();
    let fake = Fake::start(bytes(5000), cuts).await;
    let object = aws(&fake).open(&location(), NO_LIMIT).await.unwrap();
    tokio::time::pause();
    let error = read(object).await.unwrap_err();
    assert!(error.contains("broke off at byte 0 of 5000"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stalls_is_taken_up() {
    for size in [5000, 2 << 20] {
        let fake = Fake::start(bytes(size), vec![Mishap::Hang(1000)]).await;
        let mut object = aws(&fake).open(&location(), NO_LIMIT).await.unwrap();
        // On a slow machine more than one try may take longer than this: the bytes are the same.
        object.body.stall = Duration::from_millis(300);
        assert!(read(object).await.unwrap() == bytes(size));
        assert!(fake.seen()[1].contains("range: bytes=1000-\r\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_a_read_that_waits() {
    let fake = Fake::start(bytes(2 << 20), vec![Mishap::Hang(1000)]).await;
    let object = aws(&fake).open(&location(), NO_LIMIT).await.unwrap();
    let abort = CancellationToken::new();
    let Ok(Content::Streamed(mut reader, _)) = object.content(&abort).await else {
        panic!("it is large");
    };
    let reading = tokio::task::spawn_blocking(move || reader.read_to_end(&mut Vec::new()));
    fake.hung().await;
    abort.cancel();
    let error = reading.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("qtrail is stopping"), "{error}");
}

#[tokio::test]
async fn another_region_is_asked_and_remembered() {
    let malformed = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-west-1</Region></Error>";
    let moved = "<Error><Code>PermanentRedirect</Code></Error>";
    let header = "x-amz-bucket-region: eu-west-1\r\n";
    for mishaps in [
        vec![Mishap::Answer(400, "", malformed)],
        vec![Mishap::Answer(301, header, moved)],
        vec![
            Mishap::Answer(301, "", moved),
            Mishap::Answer(301, header, ""),
        ],
        vec![
            Mishap::Answer(301, "", moved),
            Mishap::Answer(403, header, ""),
        ],
    ] {
        let asked = mishaps.len();
        let fake = Fake::start(bytes(10), mishaps).await;
        let aws = aws(&fake);
        for _ in 0..2 {
            let object = aws.open(&location(), NO_LIMIT).await.unwrap();
            assert_eq!(read(object).await.unwrap(), bytes(10));
        }
        let seen = fake.seen();
        assert_eq!(seen.len(), asked + 2);
        assert!(
            seen[0].contains("/us-east-1/s3/aws4_request"),
            "{}",
            seen[0]
        );
        for request in &seen[asked..] {
            assert!(request.contains("/eu-west-1/s3/aws4_request"), "{request}");
        }
    }
}

#[tokio::test]
async fn each_request_names_the_account_that_must_own_the_bucket_in_every_region() {
    let moved = "<Error><Code>PermanentRedirect</Code></Error>";
    let region = "x-amz-bucket-region: eu-west-1\r\n";
    let mishaps = vec![
        Mishap::Answer(301, "", moved),
        Mishap::Answer(301, region, ""),
        Mishap::Cut(3),
    ];
    let fake = Fake::start(bytes(10), mishaps).await;
    let settings = Settings {
        expected_bucket_owner: Some("111122223333".to_owned()),
        ..Settings::default()
    };
    let aws = Aws::with_config(config(&fake.endpoint), &settings);
    let object = aws.open(&location(), NO_LIMIT).await.unwrap();
    assert_eq!(read(object).await.unwrap(), bytes(10));
    let seen = fake.seen();
    // Where it is asked first, where it is, the object there, and the rest of it.
    assert_eq!(seen.len(), 4);
    for request in &seen {
        assert!(
            request.contains("x-amz-expected-bucket-owner: 111122223333\r\n"),
            "{request}"
        );
    }

    let denied = Mishap::Answer(403, "", "<Error><Code>AccessDenied</Code></Error>");
    let fake = Fake::start(bytes(10), vec![denied]).await;
    let aws = Aws::with_config(config(&fake.endpoint), &settings);
    let error = aws.open(&location(), NO_LIMIT).await.unwrap_err();
    assert_eq!(error.remedy, Remedy::Denied);
    assert!(
        error.message.contains("s3.expected_bucket_owner"),
        "{error}"
    );
}

#[tokio::test]
async fn regions_that_point_in_a_circle_are_an_error_to_mend() {
    let moved =
        |header| Mishap::Answer(301, header, "<Error><Code>PermanentRedirect</Code></Error>");
    let (west, east) = (
        "x-amz-bucket-region: eu-west-1\r\n",
        "x-amz-bucket-region: us-east-1\r\n",
    );
    for mishaps in [vec![moved(west), moved(east)], vec![moved(east)]] {
        let error = error(mishaps).await;
        assert_eq!(error.remedy, Remedy::Setup, "{error}");
    }
}

#[tokio::test]
async fn a_hint_is_asked_first_unless_it_is_none() {
    for (hint, region) in [("ap-south-1", "ap-south-1"), ("x.evil.com/", "us-east-1")] {
        let fake = Fake::start(bytes(10), vec![]).await;
        let location = Location {
            region: Some(hint.to_owned()),
            ..location()
        };
        aws(&fake).open(&location, NO_LIMIT).await.unwrap();
        assert!(fake.seen()[0].contains(&format!("/{region}/s3/aws4_request")));
    }
}

#[tokio::test]
async fn a_hint_that_leads_nowhere_is_not_followed_for_ever() {
    let invalid = "<Error><Code>InvalidAccessKeyId</Code></Error>";
    let told = "x-amz-bucket-region: eu-west-1\r\n";
    let location = Location {
        region: Some("cn-north-1".to_owned()),
        ..location()
    };
    let mishaps = vec![
        Mishap::Answer(403, "", invalid),
        Mishap::Answer(403, told, ""),
    ];
    let fake = Fake::start(bytes(10), mishaps).await;
    aws(&fake).open(&location, NO_LIMIT).await.unwrap();
    let regions: Vec<_> = (fake.seen().iter())
        .map(|head| {
            head.split_once("/s3/aws4_request")
                .unwrap()
                .0
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(regions, ["cn-north-1", "us-east-1", "eu-west-1"]);
    let gone = "<Error><Code>NoSuchBucket</Code></Error>";
    let mishaps = vec![
        Mishap::Answer(403, "", invalid),
        Mishap::Answer(404, "", gone),
    ];
    let fake = Fake::start(bytes(10), mishaps).await;
    let error = aws(&fake).open(&location, NO_LIMIT).await.unwrap_err();
    assert_eq!(error.remedy, Remedy::Gone, "{error}");
}

#[tokio::test]
async fn a_key_is_asked_for_letter_by_letter() {
    for (key, path) in [
        ("a b+c", "/trails/a%20b%2bc"),
        ("%2B", "/trails/%252b"),
        ("../x/./y", "/trails/../x/./y"),
        ("/a//b", "/trails//a//b"),
        ("ü?x=1#y&z", "/trails/%c3%bc%3fx%3d1%23y%26z"),
    ] {
        let fake = Fake::start(bytes(10), vec![]).await;
        let location = Location {
            key: key.to_owned(),
            ..location()
        };
        aws(&fake).open(&location, NO_LIMIT).await.unwrap();
        let seen = fake.seen();
        let asked = seen[0].split(' ').nth(1).unwrap();
        assert_eq!(asked.split('?').next().unwrap(), path, "{key}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let answer = |status, body| vec![Mishap::Answer(status, "", body)];
    for (mishaps, remedy, words) in [
        (
            answer(
                404,
                "<Error><Code>NoSuchKey</Code><Message>No key.</Message></Error>",
            ),
            Remedy::Gone,
            "No key (NoSuchKey, HTTP 404, request R1)",
        ),
        (
            answer(404, "<html>not here</html>"),
            Remedy::Setup,
            "aws.endpoint_url",
        ),
        (
            answer(403, "<Error><Code>AccessDenied</Code></Error>"),
            Remedy::Denied,
            "s3:GetObject",
        ),
        (
            answer(400, "<Error><Code>KMS.DisabledException</Code></Error>"),
            Remedy::Denied,
            "kms:Decrypt",
        ),
        (
            answer(403, "<Error><Code>InvalidObjectState</Code></Error>"),
            Remedy::Denied,
            "restore it",
        ),
        (
            answer(400, "<Error><Code>ExpiredToken</Code></Error>"),
            Remedy::Setup,
            "check the credentials",
        ),
    ] {
        let error = error(mishaps).await;
        assert_eq!(error.remedy, remedy, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    // Not one byte of it ever comes.
    let fake = Fake::start(bytes(100), vec![Mishap::Hang(0)]).await;
    let error = aws(&fake).open(&location(), 99).await.unwrap_err();
    assert_eq!(error.remedy, Remedy::TooLarge);
    assert!(
        error.message.contains("100 bytes, more than the 99"),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_no_name_is_not_asked_for() {
    let fake = Fake::start(bytes(10), vec![]).await;
    for (bucket, key) in [
        ("evil.com/x", "k"),
        ("", "k"),
        ("bucket", ""),
        ("bucket", &"k".repeat(2000)),
    ] {
        let location = Location {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            region: None,
        };
        let error = aws(&fake).open(&location, NO_LIMIT).await.unwrap_err();
        assert_eq!(error.remedy, Remedy::Gone, "{error}");
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn an_error_holds_no_secret() {
    let body = "<Error><Code>SignatureDoesNotMatch</Code><Message>AKIAIOSFODNN7EXAMPLE</Message>\
                <AWSAccessKeyId>AKIAIOSFODNN7EXAMPLE</AWSAccessKeyId>\
                <CanonicalRequest>x-amz-security-token:FwoGZXIvYXdzEXAMPLETOKEN</CanonicalRequest></Error>";
    let denied = "<Error><Code>AccessDenied</Code><Message>User AKIAIOSFODNN7EXAMPLE. The Canonical String: \
                  FwoGZXIvYXdzEXAMPLETOKEN</Message></Error>";
    for mishap in [
        Mishap::Answer(403, "", body),
        Mishap::Answer(403, "", denied),
        Mishap::Answer(400, "", "FwoGZXIvYXdzEXAMPLETOKEN <"),
    ] {
        let error = error(vec![mishap]).await;
        let (message, debug) = (error.to_string(), format!("{error:?}"));
        for secret in SECRETS {
            assert!(
                !message.contains(secret) && !debug.contains(secret),
                "{debug}"
            );
        }
    }
    let fake = Fake::start(bytes(10), vec![Mishap::Fine]).await;
    let aws = aws(&fake);
    let object = aws.open(&location(), NO_LIMIT).await.unwrap();
    let debug = format!("{aws:?} {object:?}");
    assert!(
        SECRETS.iter().all(|secret| !debug.contains(secret)),
        "{debug}"
    );
}

#[tokio::test]
async fn what_is_missing_in_the_set_up_is_to_be_mended() {
    let fake = Fake::start(bytes(10), vec![]).await;
    let anonymous = config(&fake.endpoint)
        .into_builder()
        .credentials_provider(SharedCredentialsProvider::new(Failing))
        .build();
    let aws = Aws::with_config(anonymous, &Settings::default());
    let error = aws.open(&location(), NO_LIMIT).await.unwrap_err();
    assert_eq!(error.remedy, Remedy::Setup, "{error}");
    assert!(error.message.contains("check the credentials"), "{error}");

    let nowhere = config(&fake.endpoint)
        .into_builder()
        .region(None)
        .endpoint_url("http://127.0.0.1:1")
        .build();
    let aws = Aws::with_config(nowhere, &Settings::default());
    let error = aws
        .cloudtrail(None)
        .lookup_events()
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        Error::of(&error).remedy,
        Remedy::Setup,
        "{}",
        Error::of(&error)
    );
    let error = aws
        .cloudtrail(Some("eu-west-1"))
        .lookup_events()
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        Error::of(&error).remedy,
        Remedy::Retry,
        "{}",
        Error::of(&error)
    );
}

#[derive(Debug)]
struct Failing;

impl aws_credential_types::provider::ProvideCredentials for Failing {
    fn provide_credentials<'a>(
        &'a self,
    ) -> aws_credential_types::provider::future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let error = aws_credential_types::provider::error::CredentialsError::not_loaded_no_source();
        aws_credential_types::provider::future::ProvideCredentials::ready(Err(error))
    }
}

#[tokio::test]
async fn a_queue_is_asked_where_the_endpoint_is() {
    let answer = r#"{"Attributes":{"ApproximateNumberOfMessages":"7"}}"#;
    let fake = Fake::start(
        vec![],
        vec![
            Mishap::Answer(200, "", answer),
            Mishap::Answer(200, "", answer),
        ],
    )
    .await;
    let url = "https://sqs.eu-central-1.amazonaws.com/123456789012/q";
    let set = aws(&fake);
    // Without an endpoint, the queue's own host is asked.
    let mut config = config("").into_builder();
    config.set_endpoint_url(None);
    let bare = Aws::with_config(config.build(), &Settings::default());
    let own = format!("{}/123456789012/q", fake.endpoint);
    for (aws, url, region) in [
        (&set, url, "eu-central-1"),
        (&bare, own.as_str(), "us-east-1"),
    ] {
        aws.sqs_for(url)
            .get_queue_attributes()
            .queue_url(url)
            .send()
            .await
            .unwrap();
        let request = fake.seen().pop().unwrap();
        assert!(
            request.contains(&format!("/{region}/sqs/aws4_request")),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_host_that_no_proxy_names_is_reached_directly() {
    let (proxy, s3) = (
        Fake::start(bytes(9), vec![]).await,
        Fake::start(bytes(9), vec![]).await,
    );
    // An address of this machine that is none of the loopback's.
    let endpoint = s3.endpoint.replace("127.0.0.1", "0.0.0.0");
    let port = endpoint.rsplit(':').next().unwrap();
    for (no_proxy, endpoint, direct) in [
        (String::new(), &endpoint, false),
        ("*.example, 0.0.0.0:1".to_owned(), &endpoint, false),
        (format!("*.example, 0.0.0.0:{port}"), &endpoint, true),
        ("0.0.0.0/32".to_owned(), &endpoint, true),
        (String::new(), &s3.endpoint, true),
    ] {
        let before = (proxy.seen().len(), s3.seen().len());
        let aws = aws_behind(&proxy, endpoint, &no_proxy);
        let object = aws.open(&location(), NO_LIMIT).await.unwrap();
        assert_eq!(read(object).await.unwrap(), bytes(9));
        let after = (proxy.seen().len(), s3.seen().len());
        assert_eq!(
            (after.0 > before.0, after.1 > before.1),
            (!direct, direct),
            "{no_proxy}"
        );
    }
}

#[tokio::test]
async fn a_proxy_that_lets_nothing_through_is_told_with_the_remedy() {
    for (status, remedy, words) in [
        (
            407,
            Remedy::Setup,
            "put the user and password into HTTPS_PROXY",
        ),
        (502, Remedy::Retry, "NO_PROXY"),
        (403, Remedy::Retry, "NO_PROXY"),
    ] {
        let refusals = (0..9).map(|_| Mishap::Answer(status, "", ""));
        let proxy = Fake::start(vec![], refusals.collect()).await;
        let aws = aws_behind(&proxy, "https://s3.example", "");
        let error = aws.open(&location(), NO_LIMIT).await.unwrap_err();
        assert_eq!(error.remedy, remedy, "{error}");
        assert!(error.message.contains(words), "{error}");
    }
}
