//! The bytes of an object, one chunk after the other.
//!
//! Enters: S3's answer. Leaves: chunks. What must hold: at most one chunk is in memory; reading
//! continues at the byte where a connection broke or stalled, in the same version of the object; only
//! attempts without a byte between them are counted, so that a reader may be slow.

use std::fmt;
use std::io::{self, Read};
use std::time::Duration;

use aws_sdk_s3::config::ResponseChecksumValidation;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::RequestPayer;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use bytes::{Buf, Bytes};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::Aws;
use super::error::{Error, Remedy, causes};
use super::object::Location;
use crate::runtime::retry::Schedule;

/// The longest wait for the next bytes.
const STALL: Duration = Duration::from_secs(30);
/// Attempts without a byte in between until the caller gets the error.
const TRIES: u32 = 8;
/// The pause between attempts.
const WAITS: Schedule = Schedule {
    initial: Duration::from_millis(200),
    max: Duration::from_secs(10),
};

/// An object's bytes from `offset` on.
pub(super) struct Body {
    aws: Aws,
    location: Location,
    /// The region that answered.
    region: String,
    etag: Option<String>,
    total: u64,
    offset: u64,
    stream: Option<ByteStream>,
    /// The longest wait for the next bytes.
    pub(super) stall: Duration,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} of {}", self.location, self.offset, self.total)
    }
}

impl Body {
    pub(super) fn new(
        aws: Aws,
        location: Location,
        region: String,
        total: u64,
        answer: GetObjectOutput,
    ) -> Body {
        Body {
            aws,
            location,
            region,
            etag: answer.e_tag,
            total,
            offset: 0,
            stream: Some(answer.body),
            stall: STALL,
        }
    }

    /// All bytes of the same version again; nothing is requested yet.
    pub(super) fn again(&self) -> Body {
        Body {
            aws: self.aws.clone(),
            location: self.location.clone(),
            region: self.region.clone(),
            etag: self.etag.clone(),
            offset: 0,
            stream: None,
            ..*self
        }
    }

    /// The next bytes; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let mut tries = 0;
        loop {
            let error = match self.step().await {
                Ok(Some(chunk)) if chunk.is_empty() => continue,
                Ok(next) => return Ok(next),
                Err(Broken::Passing(error)) => error,
                Err(Broken::Anew(why)) => {
                    let message = format!("{why}: it must be read again from the start");
                    return Err(self.located(Error::new(Remedy::Retry, message)));
                }
                Err(Broken::ForGood(error)) => return Err(self.located(error)),
            };
            self.stream = None;
            tries += 1;
            if tries >= TRIES {
                return Err(self.located(error));
            }
            tracing::debug!(object = %self.location, offset = self.offset, reason = %error,
                "reading broke off: going on from here");
            tokio::time::sleep(WAITS.wait(tries, None, fastrand::f64())).await;
        }
    }

    async fn step(&mut self) -> Result<Option<Bytes>, Broken> {
        if self.offset == self.total {
            return self.end().await;
        }
        if self.stream.is_none() {
            self.stream = Some(self.rest().await?);
        }
        let Some(stream) = &mut self.stream else {
            return Ok(None);
        };
        let Ok(next) = tokio::time::timeout(self.stall, stream.next()).await else {
            let message = format!("no bytes came within {} s", self.stall.as_secs_f64());
            return Err(Broken::Passing(Error::new(Remedy::Retry, message)));
        };
        match next {
            Some(Ok(chunk)) if chunk.len() as u64 <= self.total - self.offset => {
                self.offset += chunk.len() as u64;
                Ok(Some(chunk))
            }
            Some(Ok(_)) => Err(Broken::Anew("it has more bytes than S3 said".to_owned())),
            Some(Err(error)) => {
                let error = Error::new(Remedy::Retry, causes(&error));
                Err(Broken::Passing(error))
            }
            None => Err(Broken::Passing(Error::new(Remedy::Retry, "it ended early"))),
        }
    }

    /// All bytes were read; their checksum is checked next.
    async fn end(&mut self) -> Result<Option<Bytes>, Broken> {
        let Some(mut stream) = self.stream.take() else {
            return Ok(None);
        };
        match tokio::time::timeout(self.stall, stream.next()).await {
            Ok(Some(Err(error))) => Err(Broken::Anew(causes(&error))),
            _ => Ok(None),
        }
    }

    /// Requests the remaining bytes of the same version.
    async fn rest(&self) -> Result<ByteStream, Broken> {
        // A checksum covers the whole object, but some servers send it with a range.
        let unchecked = aws_sdk_s3::config::Builder::default()
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        let answer = request(&self.aws, &self.location, &self.region)
            .range(format!("bytes={}-", self.offset))
            .set_if_match(self.etag.clone())
            .customize()
            .config_override(unchecked)
            .send()
            .await
            .map_err(|error| refused(&error))?;
        let expected = format!("bytes {}-{}/{}", self.offset, self.total - 1, self.total);
        match answer.content_range.as_deref() == Some(expected.as_str()) {
            true => Ok(answer.body),
            false => Err(Broken::Anew(
                "S3 sent another part than was asked for".to_owned(),
            )),
        }
    }

    fn located(&self, error: Error) -> Error {
        Error {
            message: format!(
                "{}: reading broke off at byte {} of {}: {error}",
                self.location, self.offset, self.total
            ),
            ..error
        }
    }
}

/// Why reading the next bytes failed.
enum Broken {
    /// Continuing from here may succeed.
    Passing(Error),
    /// Only a new start helps: the bytes are not from one version.
    Anew(String),
    /// Permanent.
    ForGood(Error),
}

fn refused(error: &SdkError<GetObjectError, HttpResponse>) -> Broken {
    if let Some(412 | 416) = error.raw_response().map(|raw| raw.status().as_u16()) {
        return Broken::Anew("it was replaced meanwhile".to_owned());
    }
    let error = Error::of(error);
    match error.remedy {
        Remedy::Retry | Remedy::Setup => Broken::Passing(error),
        // The bucket is in another region: opening the object again finds it.
        Remedy::Region(_) => Broken::Anew(error.message),
        _ => Broken::ForGood(error),
    }
}

/// A request for an object.
pub(super) fn request(aws: &Aws, location: &Location, region: &str) -> GetObjectFluentBuilder {
    let payer = aws.requester_pays().then_some(RequestPayer::Requester);
    aws.s3(Some(region))
        .get_object()
        .bucket(&location.bucket)
        .key(&location.key)
        .set_request_payer(payer)
        .set_expected_bucket_owner(aws.expected_bucket_owner())
}

/// The bytes for a blocking thread: `read` blocks until bytes come, or `abort`.
pub(super) struct Blocking {
    body: Body,
    chunk: Bytes,
    abort: CancellationToken,
    runtime: Handle,
}

impl Blocking {
    pub(super) fn new(body: Body, abort: CancellationToken) -> Blocking {
        Blocking {
            body,
            chunk: Bytes::new(),
            abort,
            runtime: Handle::current(),
        }
    }

    /// The same bytes again.
    pub(super) fn again(&self) -> Blocking {
        Blocking {
            body: self.body.again(),
            chunk: Bytes::new(),
            abort: self.abort.clone(),
            runtime: self.runtime.clone(),
        }
    }
}

impl Read for Blocking {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        if self.chunk.is_empty() {
            let next = async {
                tokio::select! {
                    biased;
                    () = self.abort.cancelled() => None,
                    next = self.body.next() => Some(next),
                }
            };
            match self.runtime.block_on(next) {
                Some(Ok(Some(chunk))) => self.chunk = chunk,
                Some(Ok(None)) => return Ok(0),
                Some(Err(error)) => return Err(io::Error::other(error)),
                None => {
                    let message =
                        format!("{}: left unread, qtrail is stopping", self.body.location);
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, message));
                }
            }
        }
        let length = out.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut out[..length]);
        Ok(length)
    }
}
