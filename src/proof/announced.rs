//! A digest that a queue announces is verified, with the log files of its hour.
//!
//! Enters: the location of a digest. Leaves: findings, delivered; then its message may be deleted. What must hold: each
//! digest is verified by the replica that has its message, and replicas share nothing; what could not be looked at is
//! looked at again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::records::Reporter;
use super::verified::Verified;
use super::watch::{Settings, unless};
use crate::aws::object::Location;
use crate::aws::{self, Aws};
use crate::integrity::bucket::{AskedKeys, Bucket};
use crate::integrity::finding::{Finding, Kind};
use crate::integrity::group::range_of;
use crate::integrity::key_files::KeyFiles;
use crate::integrity::keys::{Keys, PublicKey};
use crate::integrity::layout::{self, Region};
use crate::integrity::names::time_of;
use crate::integrity::reach::reach;
use crate::integrity::source::Source;
use crate::integrity::verify::{self, Only, Verification};

/// Objects of one digest that are read at once.
const THREADS: usize = 4;

/// Verifies announced digests.
pub struct Announced {
    aws: Aws,
    keys: Trusted,
    settings: Settings,
    limits: Limits,
    reporter: Reporter,
    abort: CancellationToken,
    newest: Mutex<HashMap<Place, Newest>>,
}

/// The most bytes of an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// As it is stored.
    pub(crate) object_bytes: u64,
    /// Of a log file, inflated.
    pub(crate) inflated_bytes: u64,
}

/// A bucket, the folder of an account, and a region.
type Place = (String, String, String);

/// The newest digest of a region that was announced here.
#[derive(Default)]
struct Newest {
    end: i64,
    /// That none follows was reported.
    is_reported: bool,
}

/// How a verification ended.
pub(crate) enum End {
    /// All that was found was delivered.
    Delivered,
    /// Something could not be looked at: why.
    Again(String),
    /// qtrail stops.
    GivenUp,
}

enum Trusted {
    Files(KeyFiles),
    Asked(AskedKeys),
}

impl Announced {
    /// Prepares it. Call it in a runtime.
    ///
    /// # Errors
    /// A file of keys cannot be used.
    pub(crate) fn open(
        settings: Settings,
        aws: Aws,
        limits: Limits,
        reporter: Reporter,
        abort: CancellationToken,
    ) -> Result<Announced, String> {
        let keys = match settings.public_keys.is_empty() {
            true => Trusted::Asked(AskedKeys::new(aws.clone())),
            false => Trusted::Files(KeyFiles::open(settings.public_keys.clone())?),
        };
        Ok(Announced {
            aws,
            keys,
            settings,
            limits,
            reporter,
            abort,
            newest: Mutex::default(),
        })
    }

    /// Whether an object is a digest, by its key.
    pub(crate) fn is_digest(location: &Location) -> bool {
        layout::digest(&location.key).is_some()
    }

    /// Verifies a digest, the one before it, and the log files of its hour.
    pub(crate) async fn verify(self: &Arc<Self>, location: &Location) -> End {
        let Some((region, end)) = layout::digest(&location.key) else {
            return End::Delivered;
        };
        let place = (
            location.bucket.clone(),
            region.folder.clone(),
            region.name.clone(),
        );
        let source = self.bucket(&place);
        let (this, key) = (Arc::clone(self), location.key.clone());
        let look = move || this.look(&source, region, &key, end);
        let verified = match tokio::task::spawn_blocking(look).await {
            _ if self.abort.is_cancelled() => return End::GivenUp,
            Ok(Ok(verified)) => verified,
            Ok(Err(why)) => return End::Again(why),
            Err(panic) => return End::Again(panic.to_string()),
        };
        if !self.reporter.deliver(&verified).await {
            return End::GivenUp;
        }
        // Only what CloudTrail signed counts.
        let covered = verified.regions.iter().filter_map(|r| r.counts.covered);
        if let Some((_, end)) = covered.max_by_key(|(_, end)| *end) {
            let mut newest = self.newest();
            let known = newest.entry(place).or_default();
            if known.end < end {
                *known = Newest {
                    end,
                    is_reported: false,
                };
            }
        }
        End::Delivered
    }

    /// Reports regions whose next digest does not arrive, until `stop`.
    pub(crate) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.settings.every) => {}
            }
            let places: Vec<_> = self.newest().keys().cloned().collect();
            for place in places {
                if let Err(error) = self.look_for_next(&place).await {
                    tracing::warn!("cannot look for new digests, trying again: {error}");
                }
            }
        }
    }

    fn look(
        &self,
        source: &Bucket,
        region: Region,
        key: &str,
        end: i64,
    ) -> Result<Verified, String> {
        let object = source.name(key);
        let keys = Looked::new(&self.keys);
        let verification = Verification {
            source,
            keys: &keys,
            range: range_of(source, key, end),
            only: &Only::default(),
            threads: THREADS,
            inflated_bytes: self.limits.inflated_bytes,
            all: false,
        };
        let mut verified = Verified::new(object.clone(), object.clone());
        let mut bucket = verify::Bucket::of(source);
        let digests = source.name(&region.digests());
        let done = verification.region(region, &mut bucket, &mut |event| {
            verified.take(&event);
            unless(&self.abort)
        });
        done.map_err(|error| error.to_string())?;
        // Each other digest is verified when it arrives; its absence is found by the one after it.
        let is_between = |kind| {
            matches!(
                kind,
                Kind::MissingDigest | Kind::BrokenChain | Kind::Changed
            )
        };
        let is_news = |finding: &Finding| {
            let is_other = finding.object.starts_with(&digests) && finding.object != object;
            let is_before = time_of(&finding.object).is_none_or(|time| time < end);
            !is_other || is_before && is_between(finding.kind)
        };
        verified.regions.iter_mut().for_each(|r| r.retain(is_news));
        match keys.error() {
            Some(error) => Err(error),
            None => Ok(verified),
        }
    }

    async fn look_for_next(self: &Arc<Self>, place: &Place) -> Result<(), String> {
        let now = jiff::Timestamp::now().as_second();
        let overdue = i64::try_from(self.settings.overdue.as_secs()).unwrap_or(i64::MAX);
        let may_be_late = |newest: &Newest| !newest.is_reported && newest.end + overdue <= now;
        let known = self
            .newest()
            .get(place)
            .filter(|n| may_be_late(n))
            .map(|n| n.end);
        let Some(known) = known else {
            return Ok(());
        };
        let source = self.bucket(place);
        let (_, folder, region) = place.clone();
        let look = move || {
            let region = Region {
                folder,
                name: region,
                ..Region::default()
            };
            let reach = reach(&source, region, now)
                .map_err(|(folder, error)| format!("{}: {error}", source.name(&folder)))?;
            let end = reach.newest().map_or(known, |newest| newest.max(known));
            Ok::<_, String>((end, reach.overdue(&source, end, now, overdue)))
        };
        let looked = tokio::task::spawn_blocking(look).await;
        // Other replicas may have verified newer ones.
        let (end, missing) = looked.map_err(|panic| panic.to_string())??;
        if let Some(finding) = missing {
            let mut verified = Verified::new(finding.object.clone(), finding.object.clone());
            verified.add(finding, &place.1);
            if !self.reporter.deliver(&verified).await {
                return Ok(());
            }
            if let Some(newest) = self.newest().get_mut(place) {
                newest.is_reported = true;
            }
        } else if let Some(newest) = self.newest().get_mut(place) {
            newest.end = newest.end.max(end);
        }
        Ok(())
    }

    fn bucket(&self, (bucket, folder, _): &Place) -> Bucket {
        let (aws, limit) = (self.aws.clone(), self.limits.object_bytes);
        Bucket::new(aws, bucket, folder, limit, self.abort.clone())
    }

    fn newest(&self) -> MutexGuard<'_, HashMap<Place, Newest>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keys, and why one could not be looked up.
struct Looked<'k> {
    keys: &'k Trusted,
    error: Mutex<Option<String>>,
}

impl<'k> Looked<'k> {
    fn new(keys: &'k Trusted) -> Self {
        let error = Mutex::default();
        Looked { keys, error }
    }

    fn error(&self) -> Option<String> {
        let error = self.error.lock();
        error.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Keys for Looked<'_> {
    fn find(
        &self,
        fingerprint: &str,
        home: &str,
        time: i64,
    ) -> Result<Vec<Arc<PublicKey>>, String> {
        if !aws::is_region(home) {
            // Nobody can be asked for it.
            return Ok(Vec::new());
        }
        let found = match self.keys {
            Trusted::Files(files) => files.current().find(fingerprint, home, time),
            Trusted::Asked(asked) => asked.find(fingerprint, home, time),
        };
        if let Err(error) = &found {
            let mut known = self.error.lock().unwrap_or_else(PoisonError::into_inner);
            *known = Some(format!("cannot look public keys up: {error}"));
        }
        found
    }
}
