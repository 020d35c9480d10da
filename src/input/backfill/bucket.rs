//! A bucket, a prefix of it, or one object.
//!
//! Enters: requests for pages of ListObjectsV2, and for objects. Leaves: folders (common prefixes)
//! and files. What must hold: a request is made in the bucket's region; the bytes of objects in
//! memory stay within the limit.

use std::sync::atomic::Ordering;

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use tokio_util::sync::CancellationToken;

use super::left_out::Why;
use super::plan::Entry;
use super::source::{self, Found, Opened, Page, Root, Source};
use super::{ObjectLimits, Status};
use crate::aws;
use crate::aws::Aws;
use crate::aws::error::Remedy;
use crate::aws::listing;
use crate::aws::object::{BUDGET_UNIT, Location};
use crate::dead_letter::{OnDamage, Origin};
use crate::runtime::budget::Budget;
use crate::telemetry::printable::printable;
use qtrail_core::convert::observed_time;

/// A bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    aws: Aws,
    bucket: String,
    prefix: String,
    limits: ObjectLimits,
    budget: Budget,
}

impl Bucket {
    /// All objects below `prefix`, or the object with this key.
    pub(crate) fn new(aws: Aws, bucket: String, prefix: String, limits: ObjectLimits) -> Self {
        Bucket {
            aws,
            bucket,
            prefix,
            limits,
            budget: Budget::new(limits.in_flight_bytes, BUDGET_UNIT),
        }
    }

    /// One request, in the bucket's region.
    async fn list(
        &self,
        prefix: &str,
        token: Option<String>,
        status: &Status,
    ) -> Result<ListObjectsV2Output, source::Error> {
        let on_request = || {
            status.requests.fetch_add(1, Ordering::Relaxed);
        };
        let found = self.aws.list(&self.bucket, prefix, token, on_request).await;
        found.map_err(source_error)
    }
}

impl Source for Bucket {
    const LISTERS: usize = 32;

    fn base(&self) -> String {
        String::new()
    }

    fn name(&self, key: &[u8]) -> String {
        let key = match key {
            [] => self.prefix.as_str().into(),
            key => String::from_utf8_lossy(key),
        };
        format!("s3://{}/{}", self.bucket, printable(&key))
    }

    async fn root(&self, status: &Status) -> Result<Root, source::Error> {
        let folder = |prefix: String| Root {
            folder: Some(prefix.into_bytes()),
            files: Vec::new(),
        };
        if self.prefix.is_empty() || self.prefix.ends_with('/') {
            return Ok(folder(self.prefix.clone()));
        }
        // The object with this key is the first that begins with it.
        let page = self.list(&self.prefix, None, status).await?;
        let only = found(&page).find(|file| file.key == self.prefix.as_bytes());
        Ok(match only {
            Some(file) => Root {
                folder: None,
                files: vec![file],
            },
            None => folder(format!("{}/", self.prefix)),
        })
    }

    async fn page(
        &self,
        folder: &[u8],
        token: Option<String>,
        status: &Status,
    ) -> Result<Page, source::Error> {
        let prefix = String::from_utf8_lossy(folder);
        let output = self.list(&prefix, token, status).await?;
        let prefixes = output.common_prefixes().iter().filter_map(|p| p.prefix());
        let is_marker = |file: &Found| file.key.ends_with(b"/") && file.bytes == 0;
        let (markers, files) = found(&output).partition::<Vec<_>, _>(is_marker);
        let markers = markers.into_iter().map(|file| (Why::Marker, file.key));
        Ok(Page {
            folders: prefixes.map(|prefix| key(&output, prefix)).collect(),
            files,
            left_out: markers.collect(),
            next: output.next_continuation_token().map(str::to_owned),
            rest: None,
        })
    }

    async fn open(&self, file: &Entry, abort: &CancellationToken) -> Result<Opened, source::Error> {
        let location = Location {
            bucket: self.bucket.clone(),
            key: String::from_utf8_lossy(&file.position.1).into_owned(),
            region: None,
        };
        let object = self.aws.open(&location, self.limits.object_bytes).await;
        let object = object.map_err(source_error)?;
        let memory = self.budget.acquire(object.held_bytes()).await;
        Ok(Opened {
            origin: Origin {
                input: "backfill",
                name: location.to_string().into(),
                observed: observed_time(&location.key, object.modified),
                on_damage: OnDamage::NamePlace,
            },
            content: object.content(abort).await.map_err(source_error)?.into(),
            _memory: memory,
        })
    }
}

fn found(page: &ListObjectsV2Output) -> impl Iterator<Item = Found> {
    page.contents().iter().filter_map(|object| {
        let modified = object.last_modified();
        let bytes = object.size().and_then(|n| u64::try_from(n).ok());
        Some(Found {
            key: key(page, object.key()?),
            bytes: bytes.unwrap_or_default(),
            modified: modified.and_then(|time| i64::try_from(time.as_nanos()).ok()),
            identity: object.e_tag().unwrap_or_default().as_bytes().to_owned(),
        })
    })
}

/// A key or prefix.
fn key(page: &ListObjectsV2Output, text: &str) -> Vec<u8> {
    listing::key(page, text).into_bytes()
}

fn source_error(error: aws::Error) -> source::Error {
    match error.remedy {
        Remedy::Retry => source::Error::Passing(error.message),
        Remedy::Setup | Remedy::Region(_) => source::Error::Setup(error.message),
        Remedy::Gone => source::Error::Gone(error.message),
        Remedy::Denied | Remedy::TooLarge => source::Error::Denied(error.message),
    }
}
