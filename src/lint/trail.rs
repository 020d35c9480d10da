//! What AWS says about a trail.
//!
//! Times are in seconds since 1970. What AWS did not say is `None`: nothing is concluded from it.

use serde::{Deserialize, Deserializer};

use super::selectors::Selector;

/// A trail, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Trail {
    /// Its ARN; its name, where nothing says the ARN.
    pub(crate) id: String,
    pub(crate) settings: Option<Settings>,
    /// What it selects, as advanced selectors.
    pub(crate) selectors: Option<Vec<Selector>>,
    pub(crate) status: Option<Status>,
}

/// A trail in the answer of DescribeTrails or GetTrail.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Settings {
    pub(super) name: Option<String>,
    #[serde(rename = "TrailARN")]
    pub(super) trail_arn: Option<String>,
    pub(super) home_region: Option<String>,
    pub(crate) s3_bucket_name: Option<String>,
    pub(super) s3_key_prefix: Option<String>,
    #[serde(rename = "SnsTopicARN")]
    pub(super) sns_topic_arn: Option<String>,
    pub(super) kms_key_id: Option<String>,
    pub(crate) is_multi_region_trail: Option<bool>,
    pub(crate) is_organization_trail: Option<bool>,
    pub(super) include_global_service_events: Option<bool>,
    pub(super) log_file_validation_enabled: Option<bool>,
}

/// The answer of GetTrailStatus.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Status {
    pub(crate) is_logging: Option<bool>,
    pub(super) latest_delivery_error: Option<String>,
    pub(super) latest_digest_delivery_error: Option<String>,
    pub(super) latest_notification_error: Option<String>,
    pub(super) latest_cloud_watch_logs_delivery_error: Option<String>,
    #[serde(default, deserialize_with = "time")]
    pub(super) latest_delivery_time: Option<i64>,
    #[serde(default, deserialize_with = "time")]
    pub(super) latest_digest_delivery_time: Option<i64>,
    #[serde(default, deserialize_with = "time")]
    pub(super) start_logging_time: Option<i64>,
    #[serde(default, deserialize_with = "time")]
    pub(super) stop_logging_time: Option<i64>,
    /// When AWS said so.
    #[serde(skip)]
    pub(super) asked: Asked,
}

/// When a status was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nobody knows.
    #[default]
    Unknown,
    /// Not later than this: the file was written then, or copied.
    By(i64),
    /// At this time.
    At(i64),
}

impl Trail {
    /// The parts of the ARN: partition, region, account, name.
    fn arn(&self) -> Option<[&str; 4]> {
        let mut parts = self.id.splitn(6, ':');
        let (Some("arn"), Some(partition), Some("cloudtrail")) =
            (parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let (region, account, rest) = (parts.next()?, parts.next()?, parts.next()?);
        Some([partition, region, account, rest.strip_prefix("trail/")?])
    }

    /// Its name without the rest of the ARN.
    pub(crate) fn name(&self) -> &str {
        self.arn().map_or(&self.id, |[_, _, _, name]| name)
    }

    /// The region that it was made in.
    pub(crate) fn home(&self) -> Option<&str> {
        let said = self
            .settings
            .as_ref()
            .and_then(|s| s.home_region.as_deref());
        said.or(self.arn().map(|[_, region, _, _]| region))
    }

    pub(crate) fn account(&self) -> Option<&str> {
        self.arn().map(|[_, _, account, _]| account)
    }

    pub(super) fn partition(&self) -> &str {
        self.arn().map_or("aws", |[partition, _, _, _]| partition)
    }

    pub(super) fn is_organization(&self) -> bool {
        let settings = self.settings.as_ref();
        settings.and_then(|s| s.is_organization_trail) == Some(true)
    }

    /// `None`: it is not known.
    pub(super) fn is_multi_region(&self) -> Option<bool> {
        self.settings.as_ref()?.is_multi_region_trail
    }

    pub(super) fn is_stopped(&self) -> bool {
        let status = self.status.as_ref();
        status.and_then(|status| status.is_logging) == Some(false)
    }

    /// Whether it is the trail of this ARN or name.
    pub(crate) fn is_called(&self, named: &str) -> bool {
        self.id == named || self.name() == named
    }
}

/// A time of AWS's command line: its first version writes seconds, the second one text.
fn time<'de, D: Deserializer<'de>>(value: D) -> Result<Option<i64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Time {
        Seconds(f64),
        Text(String),
    }
    Ok(match Option::<Time>::deserialize(value)? {
        None => None,
        Some(Time::Seconds(seconds)) => Some(seconds as i64),
        Some(Time::Text(text)) => {
            let time: jiff::Timestamp = text.trim().parse().map_err(serde::de::Error::custom)?;
            Some(time.as_second())
        }
    })
}
