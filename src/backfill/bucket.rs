//! A bucket, what is below a prefix of it, or one object.
//!
//! Enters: requests for pages of ListObjectsV2, and for objects. Leaves: folders (common prefixes)
//! and files. What must hold: a request is made in the bucket's region; the bytes of objects in
//! memory stay within the limit.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::types::{Object, RequestPayer};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::plan::Entry;
use super::source::{Found, Opened, Page, Root, Source, Trouble};
use super::{ObjectLimits, Status};
use crate::ack::Origin;
use crate::aws::Aws;
use crate::aws::fault::{Fault, Remedy};
use crate::aws::object::Location;
use crate::convert::observed_time;

/// The limit of memory is counted in units of this many bytes.
const UNIT: usize = 1024;

/// A bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    aws: Aws,
    bucket: String,
    prefix: String,
    requester_pays: bool,
    limits: ObjectLimits,
    memory: Arc<Semaphore>,
    units: usize,
    /// Where the bucket is, once that is known.
    region: RwLock<Option<String>>,
}

impl Bucket {
    /// What is below `prefix`; or the object of this key.
    pub(crate) fn new(
        aws: Aws,
        bucket: String,
        prefix: String,
        limits: ObjectLimits,
        requester_pays: bool,
    ) -> Self {
        let units = (limits.in_flight_bytes / UNIT).clamp(1, u32::MAX as usize);
        Bucket {
            aws,
            bucket,
            prefix,
            requester_pays,
            limits,
            memory: Arc::new(Semaphore::new(units)),
            units,
            region: RwLock::default(),
        }
    }

    fn region(&self) -> Option<String> {
        let region = self.region.read().unwrap_or_else(PoisonError::into_inner);
        region.clone()
    }

    /// One request. A bucket that is elsewhere is asked there, from then on.
    async fn list(
        &self,
        prefix: &str,
        token: Option<String>,
        status: &Status,
    ) -> Result<ListObjectsV2Output, Trouble> {
        loop {
            let region = self.region();
            status.requests.fetch_add(1, Ordering::Relaxed);
            let request = self.aws.s3(region.as_deref()).list_objects_v2();
            let answer = request
                .bucket(&self.bucket)
                .prefix(prefix)
                .delimiter("/")
                .set_continuation_token(token.clone())
                .set_request_payer(self.requester_pays.then_some(RequestPayer::Requester))
                .send()
                .await;
            match answer {
                Ok(output) => return Ok(output),
                Err(error) => {
                    let fault = Fault::of(&error);
                    match &fault.remedy {
                        Remedy::Region(Some(there)) if region.as_ref() != Some(there) => {
                            let region = self.region.write();
                            *region.unwrap_or_else(PoisonError::into_inner) = Some(there.clone());
                        }
                        _ => return Err(trouble(fault)),
                    }
                }
            }
        }
    }
}

impl Source for Bucket {
    const LISTERS: usize = 32;
    const FOLDERS_ARE_PREFIXES: bool = true;

    fn base(&self) -> String {
        String::new()
    }

    fn name(&self, key: &[u8]) -> String {
        let key = match key {
            [] => self.prefix.as_str().into(),
            key => String::from_utf8_lossy(key),
        };
        format!("s3://{}/{key}", self.bucket)
    }

    async fn root(&self, status: &Status) -> Result<Root, Trouble> {
        let folder = |prefix: String| Root {
            folder: Some(prefix.into_bytes()),
            files: Vec::new(),
        };
        if self.prefix.is_empty() || self.prefix.ends_with('/') {
            return Ok(folder(self.prefix.clone()));
        }
        // The object of this key is the first of all that begin like it.
        let page = self.list(&self.prefix, None, status).await?;
        let only = page
            .contents()
            .iter()
            .find(|object| object.key() == Some(&self.prefix));
        Ok(match only.and_then(found) {
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
    ) -> Result<Page, Trouble> {
        let prefix = String::from_utf8_lossy(folder);
        let output = self.list(&prefix, token, status).await?;
        let prefixes = output.common_prefixes().iter().filter_map(|p| p.prefix());
        // What consoles make for an empty folder is an object whose key ends in a slash.
        let files = output.contents().iter().filter_map(found);
        Ok(Page {
            folders: prefixes
                .map(|prefix| prefix.as_bytes().to_owned())
                .collect(),
            files: files.filter(|file| !file.key.ends_with(b"/")).collect(),
            next: output.next_continuation_token().map(str::to_owned),
            rest: None,
        })
    }

    async fn open(&self, file: &Entry, abort: &CancellationToken) -> Result<Opened, Trouble> {
        let location = Location {
            bucket: self.bucket.clone(),
            key: String::from_utf8_lossy(&file.place.1).into_owned(),
            region: self.region(),
        };
        let object = self.aws.open(&location, self.limits.object_bytes).await;
        let object = object.map_err(trouble)?;
        let units = object.held_bytes().div_ceil(UNIT).clamp(1, self.units);
        let held = Arc::clone(&self.memory)
            .acquire_many_owned(units as u32)
            .await;
        let held = held.map_err(|error| Trouble::Passing(error.to_string()))?;
        let name = location.to_string();
        let observed = observed_time(&name, object.modified);
        Ok(Opened {
            origin: Origin {
                input: "backfill",
                name: name.into(),
                observed,
            },
            content: object.content(abort).await.map_err(trouble)?,
            _held: Some(held),
        })
    }
}

fn found(object: &Object) -> Option<Found> {
    let modified = object.last_modified();
    Some(Found {
        key: object.key()?.as_bytes().to_owned(),
        bytes: object
            .size()
            .and_then(|n| u64::try_from(n).ok())
            .unwrap_or_default(),
        modified: modified.and_then(|time| i64::try_from(time.as_nanos()).ok()),
        identity: object.e_tag().unwrap_or_default().as_bytes().to_owned(),
    })
}

fn trouble(fault: Fault) -> Trouble {
    match fault.remedy {
        Remedy::Retry | Remedy::Mend | Remedy::Region(_) => Trouble::Passing(fault.message),
        Remedy::Gone => Trouble::Gone(fault.message),
        Remedy::Denied | Remedy::TooLarge => Trouble::Refused(fault.message),
    }
}
