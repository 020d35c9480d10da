//! Clients by region, made once.
//!
//! Enters: [`Settings`]. Leaves: clients that share one pool of connections, one TLS set-up and one
//! cache of credentials. What must hold: each call ends within a minute: the caller
//! retries, and knows for how long.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::SharedCredentialsProvider;

use super::endpoint::{self, endpoint_of_queue, region_of_queue};
use super::route::http_client;
use super::{AssumeRole, Settings};

/// The timeout of a connection attempt.
const CONNECT: Duration = Duration::from_secs(5);
/// The timeout until an answer begins. A long poll takes 20 s.
const ANSWER: Duration = Duration::from_secs(30);
/// The timeout of one attempt, up to the answer's headers, without an object's body.
const ATTEMPT: Duration = Duration::from_secs(40);
/// The timeout of getting credentials, all attempts together.
const CREDENTIALS: Duration = Duration::from_secs(20);
/// Attempts by the SDK, within a few seconds. The caller retries after that.
const ATTEMPTS: u32 = 3;
/// The most regions, queue hosts or buckets that are remembered; their names come from messages.
const REMEMBERED: usize = 1024;
/// The region for requests to S3 if nothing names one: S3 answers with the right one.
const ANY_REGION: &str = "us-east-1";

/// Clients of Amazon's services. Cheap to clone.
#[derive(Clone)]
pub struct Aws(Arc<Inner>);

struct Inner {
    config: SdkConfig,
    settings: Settings,
    path_style: bool,
    s3: Memory<String, aws_sdk_s3::Client>,
    sqs: Memory<(Option<String>, Option<String>), aws_sdk_sqs::Client>,
    cloudtrail: Memory<Option<String>, aws_sdk_cloudtrail::Client>,
    identity_store: Memory<Option<String>, aws_sdk_identitystore::Client>,
    buckets: Memory<String, String>,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = self.region();
        f.debug_struct("Aws").field("region", &region).finish()
    }
}

impl Aws {
    /// Finds region, endpoint and credentials; assumes the role, if one is set. It sends no request to a
    /// service yet, except for the region on EC2.
    pub async fn load(settings: &Settings) -> Aws {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client())
            .retry_config(retries())
            .timeout_config(timeouts())
            .identity_cache(IdentityCache::lazy().load_timeout(CREDENTIALS).build())
            // It measures bytes a second; the reader of the bytes notices a stall, and knows whether
            // it is waiting for bytes at all.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Ok(name) = AppName::new("qtrail") {
            loader = loader.app_name(name);
        }
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &settings.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = loader.load().await;
        match &settings.assume_role {
            Some(role) => Aws::with_config(assume(config, role).await, settings),
            None => Aws::with_config(config, settings),
        }
    }

    /// Clients with settings that were loaded elsewhere.
    pub(crate) fn with_config(config: SdkConfig, settings: &Settings) -> Aws {
        let s3 = settings
            .endpoint
            .clone()
            .or_else(|| std::env::var("AWS_ENDPOINT_URL_S3").ok())
            .or_else(|| config.endpoint_url().map(str::to_owned));
        Aws(Arc::new(Inner {
            path_style: settings.path_style
                || s3.is_some_and(|url| endpoint::needs_path_style(&url)),
            config,
            settings: settings.clone(),
            s3: Memory::default(),
            sqs: Memory::default(),
            cloudtrail: Memory::default(),
            identity_store: Memory::default(),
            buckets: Memory::default(),
        }))
    }

    /// The default region.
    pub fn region(&self) -> Option<&str> {
        self.0.config.region().map(|region| region.as_ref())
    }

    /// S3 in a region, or in the default one.
    pub fn s3(&self, region: Option<&str>) -> aws_sdk_s3::Client {
        let region = region.map_or_else(|| self.any_region(), str::to_owned);
        self.0.s3.get_or(region.clone(), || {
            let config = aws_sdk_s3::config::Builder::from(&self.0.config)
                .region(Region::new(region))
                .force_path_style(self.0.path_style);
            aws_sdk_s3::Client::from_conf(match &self.0.settings.endpoint {
                Some(endpoint) => config.endpoint_url(endpoint).build(),
                None => config.build(),
            })
        })
    }

    /// SQS in a region, or in the default one.
    pub fn sqs(&self, region: Option<&str>) -> aws_sdk_sqs::Client {
        self.sqs_at(region, None)
    }

    /// SQS for a queue: in the region that its URL names, at its own host, unless an endpoint is set.
    pub fn sqs_for(&self, queue_url: &str) -> aws_sdk_sqs::Client {
        let set = self.0.settings.endpoint.is_some()
            || self.0.config.endpoint_url().is_some()
            || std::env::var_os("AWS_ENDPOINT_URL_SQS").is_some();
        let host = endpoint_of_queue(queue_url).filter(|_| !set);
        // Other servers have no region, but signatures need one.
        let region = region_of_queue(queue_url)
            .or(self.region())
            .unwrap_or(ANY_REGION);
        self.sqs_at(Some(region), host)
    }

    fn sqs_at(&self, region: Option<&str>, host: Option<&str>) -> aws_sdk_sqs::Client {
        let region = region.or(self.region()).map(str::to_owned);
        let key = (region.clone(), host.map(str::to_owned));
        self.0.sqs.get_or(key, || {
            let config =
                aws_sdk_sqs::config::Builder::from(&self.0.config).region(region.map(Region::new));
            let endpoint = self.0.settings.endpoint.as_deref().or(host);
            aws_sdk_sqs::Client::from_conf(match endpoint {
                Some(endpoint) => config.endpoint_url(endpoint).build(),
                None => config.build(),
            })
        })
    }

    /// CloudTrail in a region, or in the default one.
    pub fn cloudtrail(&self, region: Option<&str>) -> aws_sdk_cloudtrail::Client {
        let region = region.or(self.region()).map(str::to_owned);
        self.0.cloudtrail.get_or(region.clone(), || {
            let config = aws_sdk_cloudtrail::config::Builder::from(&self.0.config)
                .region(region.map(Region::new));
            aws_sdk_cloudtrail::Client::from_conf(match &self.0.settings.endpoint {
                Some(endpoint) => config.endpoint_url(endpoint).build(),
                None => config.build(),
            })
        })
    }

    /// The identity stores in a region, or in the default one.
    pub(crate) fn identity_store(&self, region: Option<&str>) -> aws_sdk_identitystore::Client {
        let region = region.or(self.region()).map(str::to_owned);
        self.0.identity_store.get_or(region.clone(), || {
            let config = aws_sdk_identitystore::config::Builder::from(&self.0.config)
                .region(region.map(Region::new));
            aws_sdk_identitystore::Client::from_conf(match &self.0.settings.endpoint {
                Some(endpoint) => config.endpoint_url(endpoint).build(),
                None => config.build(),
            })
        })
    }

    /// The region for requests about an unknown bucket.
    pub(super) fn any_region(&self) -> String {
        self.region().unwrap_or(ANY_REGION).to_owned()
    }

    /// Whether qtrail pays for requests to buckets of other accounts.
    pub(super) fn requester_pays(&self) -> bool {
        self.0.settings.requester_pays
    }

    /// The account that must own each bucket.
    pub(crate) fn expected_bucket_owner(&self) -> Option<String> {
        self.0.settings.expected_bucket_owner.clone()
    }

    /// The remembered region of a bucket.
    pub(super) fn known_region(&self, bucket: &str) -> Option<String> {
        self.0.buckets.get(bucket)
    }

    /// Remembers the region of a bucket.
    pub(super) fn learn_region(&self, bucket: &str, region: &str) {
        self.0.buckets.set(bucket.to_owned(), region.to_owned());
    }
}

/// Credentials of the role, obtained with those of the default chain, and renewed before they expire.
async fn assume(config: SdkConfig, role: &AssumeRole) -> SdkConfig {
    let mut builder = aws_config::sts::AssumeRoleProvider::builder(&role.arn).configure(&config);
    if !role.session_name.is_empty() {
        builder = builder.session_name(&role.session_name);
    }
    if let Some(id) = &role.external_id {
        builder = builder.external_id(id);
    }
    if config.region().is_none() {
        builder = builder.region(Region::from_static(ANY_REGION));
    }
    let provider = SharedCredentialsProvider::new(builder.build().await);
    config.into_builder().credentials_provider(provider).build()
}

pub(super) fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(ATTEMPTS)
}

pub(super) fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(ANSWER)
        .operation_attempt_timeout(ATTEMPT)
        .build()
}

/// Values by key, at most [`REMEMBERED`]. When it is full, it is emptied.
struct Memory<K, V>(Mutex<HashMap<K, V>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Memory(Mutex::default())
    }
}

impl<K: Hash + Eq, V: Clone> Memory<K, V> {
    fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.get(key).cloned()
    }

    fn set(&self, key: K, value: V) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() >= REMEMBERED {
            values.clear();
        }
        values.insert(key, value);
    }

    fn get_or(&self, key: K, make: impl FnOnce() -> V) -> V {
        if let Some(value) = self.get(&key) {
            return value;
        }
        let value = make();
        self.set(key, value.clone());
        value
    }
}
