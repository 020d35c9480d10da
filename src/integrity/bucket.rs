//! The bucket of a trail, and the keys of its region.
//!
//! What must hold: an object's bytes are read as they come; keys are asked for once for each day, unless that failed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_smithy_types::DateTime;
use bytes::Buf;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::keys::{Keys, KnownKeys, PublicKey};
use super::names::HOUR;
use super::source::{Bytes, Error, Listed, OpenedDigest, Source};
use crate::aws::Aws;
use crate::aws::error::{self, Remedy};
use crate::aws::listing;
use crate::aws::object::{Content, Location, Object};
use crate::runtime::retry::Schedule;

/// Attempts. Within each, the SDK repeats the request.
const TRIES: u32 = 4;
/// The pause between them.
const WAITS: Schedule = Schedule {
    initial: Duration::from_millis(500),
    max: Duration::from_secs(10),
};
const DAY: i64 = 24 * HOUR;
/// After this time, keys that could not be looked up are asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(60);

/// A bucket, from a prefix on.
pub(crate) struct Bucket {
    aws: Aws,
    name: String,
    /// Empty, or with a `/` at its end.
    prefix: String,
    /// The most bytes of an object, as it is stored.
    object_bytes: u64,
    runtime: Handle,
    stop: CancellationToken,
}

impl Bucket {
    /// The objects below a prefix. Call it in a runtime.
    pub(crate) fn new(
        aws: Aws,
        name: &str,
        prefix: &str,
        object_bytes: u64,
        stop: CancellationToken,
    ) -> Bucket {
        let prefix = match prefix.trim_end_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Bucket {
            aws,
            name: name.to_owned(),
            prefix,
            object_bytes,
            runtime: Handle::current(),
            stop,
        }
    }

    fn open(&self, bucket: &str, key: &str) -> Result<(Bytes, HashMap<String, String>), Error> {
        let location = Location {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            region: None,
        };
        let read = async || {
            let mut object: Object = self.aws.open(&location, self.object_bytes).await?;
            let metadata = std::mem::take(&mut object.metadata);
            let bytes: Bytes = match object.content(&self.stop).await? {
                Content::Whole(bytes) => Box::new(bytes.reader()),
                Content::Streamed(reader, _) => reader,
            };
            Ok((bytes, metadata))
        };
        self.runtime.block_on(tried(read)).map_err(failed)
    }
}

impl Source for Bucket {
    fn bucket(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn top(&self) -> &str {
        &self.prefix
    }

    fn list(&self, folder: &str) -> Result<Listed, Error> {
        let (mut listed, mut token) = (Listed::default(), None);
        loop {
            let page = async || {
                let token = Option::clone(&token);
                self.aws.list(&self.name, folder, token, || {}).await
            };
            let page = self.runtime.block_on(tried(page)).map_err(failed)?;
            let folders = page.common_prefixes().iter();
            let folders = folders.filter_map(|folder| folder.prefix());
            listed
                .folders
                .extend(folders.map(|prefix| listing::key(&page, prefix)));
            let files = page.contents().iter().filter_map(|object| object.key());
            let files = files.map(|key| listing::key(&page, key));
            // Consoles mark folders with empty objects.
            listed.files.extend(files.filter(|key| !key.ends_with('/')));
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                return Ok(listed);
            }
        }
    }

    fn open_digest(&self, key: &str) -> Result<OpenedDigest, Error> {
        let (bytes, metadata) = self.open(&self.name, key)?;
        Ok(OpenedDigest {
            bytes,
            signature: Ok(metadata.get("signature").cloned()),
        })
    }

    fn open_log_file(&self, bucket: &str, key: &str) -> Result<Bytes, Error> {
        Ok(self.open(bucket, key)?.0)
    }

    fn name(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    fn remedy(&self, _: &str, _: &str, _: &str) -> String {
        "the object's metadata has no `signature`: something else than CloudTrail wrote it"
            .to_owned()
    }
}

/// Does something again while that helps.
async fn tried<T>(
    mut work: impl AsyncFnMut() -> Result<T, error::Error>,
) -> Result<T, error::Error> {
    let mut tries = 0;
    loop {
        match work().await {
            Err(error) if matches!(error.remedy, Remedy::Retry) && tries + 1 < TRIES => {
                tries += 1;
                tokio::time::sleep(WAITS.wait(tries, None, fastrand::f64())).await;
            }
            done => return done,
        }
    }
}

fn failed(error: error::Error) -> Error {
    match error.remedy {
        Remedy::Gone => Error::Gone,
        _ => Error::Failed(error.message),
    }
}

/// The keys that CloudTrail knows, by the trail's region.
pub(crate) struct AskedKeys {
    aws: Aws,
    runtime: Handle,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: KnownKeys,
    /// By region and day: when its keys were asked for, and why they are not known.
    asked: HashMap<(String, i64), (Instant, Result<(), String>)>,
}

impl AskedKeys {
    /// Call it in a runtime.
    pub(crate) fn new(aws: Aws) -> AskedKeys {
        AskedKeys {
            aws,
            runtime: Handle::current(),
            known: Mutex::default(),
        }
    }

    async fn ask(
        &self,
        home: &str,
        from: i64,
        to: i64,
    ) -> Result<Vec<(String, PublicKey)>, error::Error> {
        let client = self.aws.cloudtrail(Some(home));
        let (mut keys, mut token) = (Vec::new(), None);
        loop {
            let asked = client
                .list_public_keys()
                .start_time(DateTime::from_secs(from))
                .end_time(DateTime::from_secs(to))
                .set_next_token(token)
                .send()
                .await;
            let answer = asked.map_err(|error| error::Error::of(&error))?;
            for listed in answer.public_key_list() {
                if let (Some(value), Some(fingerprint)) = (listed.value(), listed.fingerprint()) {
                    let time = |time: Option<&DateTime>| time.map(DateTime::secs);
                    let (from, to) = (listed.validity_start_time(), listed.validity_end_time());
                    let key = PublicKey::new(value.as_ref().to_owned(), time(from), time(to));
                    keys.push((fingerprint.to_owned(), key));
                }
            }
            token = answer.next_token().map(str::to_owned);
            if token.is_none() {
                return Ok(keys);
            }
        }
    }
}

impl Keys for AskedKeys {
    fn find(
        &self,
        fingerprint: &str,
        home: &str,
        time: i64,
    ) -> Result<Vec<Arc<PublicKey>>, String> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.keys.get(fingerprint);
        if !found.is_empty() {
            return Ok(found);
        }
        if !crate::aws::is_region(home) {
            return Err(format!("{home:?} is no region"));
        }
        let day = time.div_euclid(DAY);
        let asked = (home.to_owned(), day);
        let is_known = |(at, result): &(Instant, Result<(), String>)| {
            result.is_ok() || at.elapsed() < ASK_AGAIN
        };
        if !known.asked.get(&asked).is_some_and(is_known) {
            // A digest that comes late is signed by a key of a day after.
            let (from, to) = ((day - 1) * DAY, (day + 2) * DAY);
            let answer = self
                .runtime
                .block_on(tried(async || self.ask(home, from, to).await));
            let result = answer.map_err(|error| error.message).map(|keys| {
                for (fingerprint, key) in keys {
                    known.keys.insert(&fingerprint, key);
                }
            });
            known.asked.insert(asked.clone(), (Instant::now(), result));
        }
        match known.asked.get(&asked) {
            Some((_, Err(error))) => Err(error.clone()),
            _ => Ok(known.keys.get(fingerprint)),
        }
    }
}
