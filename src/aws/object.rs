//! An S3 object as the content of a unit.
//!
//! Enters: a [`Location`]. Leaves: an [`Object`], whose bytes are read as they come. What must hold:
//! memory does not grow with the object; reading continues where a connection broke, in the same
//! version of the object.

use std::collections::HashMap;
use std::fmt;
use std::io::Read;
use std::str::Utf8Error;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use bytes::{Bytes, BytesMut};
use percent_encoding::percent_decode_str;
use tokio_util::sync::CancellationToken;

use super::Aws;
use super::body::{Blocking, Body, request};
use super::endpoint::{is_bucket, is_region};
use super::error::{Error, Remedy};
use crate::telemetry::printable::printable;
use qtrail_core::envelope::Again;

/// The largest object that is read into memory as a whole, in bytes.
const SMALL: u64 = 1 << 20;
/// The memory for a larger one, in bytes: the buffer of its connection, and a chunk.
const WINDOW: usize = 1 << 20;
/// The longest key, in bytes: S3's own limit.
const LONGEST_KEY: usize = 1024;

/// Memory for objects is counted in units of this many bytes, so that many tiny objects are bounded too.
pub(crate) const BUDGET_UNIT: usize = 4096;

/// The location of an object. Its text is `s3://bucket/key`, printable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// The bucket's region, if it is known.
    pub region: Option<String>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, printable(&self.key))
    }
}

/// Decodes a key from form encoding, which notices and listings use.
///
/// # Errors
/// It is not UTF-8.
pub(crate) fn decoded(key: &str) -> Result<String, Utf8Error> {
    let spaced = key.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8()?;
    Ok(decoded.into_owned())
}

/// An object's bytes.
pub enum Content {
    /// All of a small object.
    Whole(Bytes),
    /// A large object, read as its bytes come, with a way to read the same version again.
    Streamed(Box<dyn Read + Send>, Again),
}

/// An opened object: S3 has sent its headers.
#[derive(Debug)]
pub struct Object {
    /// Its stored size, in bytes.
    pub bytes: u64,
    /// When it was last modified, in nanoseconds since 1970.
    pub modified: Option<i64>,
    /// What its writer said about it, by names in lower case.
    pub metadata: HashMap<String, String>,
    pub(super) body: Body,
}

impl Object {
    /// The memory that the content takes while it is read, in bytes: all of a small object, a part of a
    /// large one.
    pub fn held_bytes(&self) -> usize {
        match self.bytes <= SMALL {
            true => self.bytes as usize,
            false => WINDOW,
        }
    }

    /// The bytes: of a small object all at once, of a large one as a blocking thread reads them. Reading
    /// continues after a broken connection. After `abort`, reads fail.
    ///
    /// # Errors
    /// A small object could not be read.
    pub async fn content(mut self, abort: &CancellationToken) -> Result<Content, Error> {
        if self.bytes > SMALL {
            let reader = Blocking::new(self.body, abort.clone());
            let again = reader.again();
            let again = Again::Reader(Box::new(move || Ok(Box::new(again.again()))));
            return Ok(Content::Streamed(Box::new(reader), again));
        }
        tokio::select! {
            biased;
            () = abort.cancelled() => Err(Error::new(Remedy::Retry, "qtrail is stopping")),
            bytes = all(&mut self.body, self.bytes as usize) => bytes.map(Content::Whole),
        }
    }
}

/// All bytes of a small object.
async fn all(body: &mut Body, length: usize) -> Result<Bytes, Error> {
    let mut bytes = BytesMut::with_capacity(length);
    loop {
        match body.next().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes.freeze()),
            Err(error) => return Err(error),
        }
    }
}

impl Aws {
    /// Requests an object from S3, in the bucket's region.
    ///
    /// # Errors
    /// Among others [`Remedy::TooLarge`], if it has more bytes than `limit`. The SDK has retried throttling and
    /// broken connections a few times before.
    pub async fn open(&self, location: &Location, limit: u64) -> Result<Object, Error> {
        let named = is_bucket(&location.bucket)
            && !location.key.is_empty()
            && location.key.len() <= LONGEST_KEY;
        if !named {
            let message = format!("{location:?} is not the name of an object");
            return Err(Error::new(Remedy::Gone, message));
        }
        let (region, mut answer) = self.find(location).await.map_err(|error| Error {
            message: format!("{location}: {error}"),
            ..error
        })?;
        let length = answer.content_length.map(u64::try_from);
        let Some(Ok(bytes)) = length else {
            let message = format!("{location}: S3 did not say how many bytes it has");
            return Err(Error::new(Remedy::Retry, message));
        };
        if bytes > limit {
            let message = format!(
                "{location}: has {bytes} bytes, more than the {limit} that are allowed \
                 (s3.object_bytes raises it)"
            );
            return Err(Error::new(Remedy::TooLarge, message));
        }
        Ok(Object {
            bytes,
            metadata: answer.metadata.take().unwrap_or_default(),
            modified: answer
                .last_modified
                .and_then(|at| at.as_nanos().try_into().ok()),
            body: Body::new(self.clone(), location.clone(), region, bytes, answer),
        })
    }

    /// S3's answer, and the region that gave it.
    async fn find(&self, location: &Location) -> Result<(String, GetObjectOutput), Error> {
        let hint = location.region.as_deref();
        self.where_it_is(&location.bucket, hint, |region| async move {
            let answer = request(self, location, &region).send().await;
            answer.map_err(|error| Error::of(&error))
        })
        .await
    }

    /// Sends a request about a bucket to its known or likely region, then once more to the region that S3 names.
    /// Returns S3's answer, and the region that gave it.
    ///
    /// # Errors
    /// The error of `ask`.
    pub(crate) async fn where_it_is<T, F>(
        &self,
        bucket: &str,
        hint: Option<&str>,
        ask: impl Fn(String) -> F,
    ) -> Result<(String, T), Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let found = self.ask_where_it_is(bucket, hint, ask).await;
        found.map_err(|error| match (self.expected_bucket_owner(), &error.remedy) {
            // S3 answers both cases alike.
            (Some(owner), Remedy::Denied) => Error {
                message: format!(
                    "{error} (or account {owner}, s3.expected_bucket_owner, does not own bucket {bucket})"
                ),
                ..error
            },
            _ => error,
        })
    }

    async fn ask_where_it_is<T, F>(
        &self,
        bucket: &str,
        hint: Option<&str>,
        ask: impl Fn(String) -> F,
    ) -> Result<(String, T), Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let hint = hint.filter(|region| is_region(region)).map(str::to_owned);
        let known = self.known_region(bucket);
        let is_hint = known.is_none() && hint.is_some();
        let region = known.or(hint).unwrap_or_else(|| self.any_region());
        let error = match ask(region.clone()).await {
            Ok(answer) => {
                self.learn_region(bucket, &region);
                return Ok((region, answer));
            }
            Err(error) => error,
        };
        let there = match &error.remedy {
            Remedy::Region(Some(there)) => Some(there.clone()),
            Remedy::Region(None) => self.ask_region(bucket).await?,
            // The region may not exist, or not know the credentials.
            Remedy::Retry | Remedy::Setup if is_hint && region != self.any_region() => {
                match self.ask_region(bucket).await? {
                    Some(there) if there != region => Some(there),
                    _ => return Err(error),
                }
            }
            _ => return Err(error),
        };
        let Some(there) = there.filter(|there| *there != region) else {
            return Err(astray(error));
        };
        match ask(there.clone()).await {
            Ok(answer) => {
                self.learn_region(bucket, &there);
                Ok((there, answer))
            }
            Err(error) if matches!(error.remedy, Remedy::Region(_)) => Err(astray(error)),
            Err(error) => Err(error),
        }
    }

    /// The region of a bucket; `None` if the server does not name it, which compatible servers may not.
    async fn ask_region(&self, bucket: &str) -> Result<Option<String>, Error> {
        let client = self.s3(Some(&self.any_region()));
        let asked = client
            .head_bucket()
            .bucket(bucket)
            .set_expected_bucket_owner(self.expected_bucket_owner());
        let told = match asked.send().await {
            Ok(answer) => answer.bucket_region,
            // S3 names the region even to callers that may not list the bucket.
            Err(error) => match error
                .raw_response()
                .and_then(|raw| raw.headers().get("x-amz-bucket-region"))
            {
                Some(region) => Some(region.to_owned()),
                None => return Err(Error::of(&error)),
            },
        };
        Ok(told.filter(|region| is_region(region)))
    }
}

/// The error for a bucket that is not in the region that S3 named.
fn astray(error: Error) -> Error {
    Error {
        remedy: Remedy::Setup,
        message: format!("{error} (check aws.endpoint_url and aws.region)"),
    }
}
