//! Clients by region, made once.

use super::Settings;

/// Clients of Amazon's services. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws {
    config: aws_config::SdkConfig,
    settings: std::sync::Arc<Settings>,
}

impl Aws {
    /// Finds region, endpoint and credentials; assumes the role, if there is one to assume.
    pub async fn load(settings: &Settings) -> Aws {
        Aws {
            config: aws_config::load_from_env().await,
            settings: std::sync::Arc::new(settings.clone()),
        }
    }

    /// The region of what names none.
    pub fn region(&self) -> Option<&str> {
        self.config.region().map(|region| region.as_ref())
    }

    /// S3 in a region; without one, in the region of what names none.
    pub fn s3(&self, _region: Option<&str>) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config)
            .force_path_style(self.settings.path_style)
            .build();
        aws_sdk_s3::Client::from_conf(config)
    }

    /// SQS likewise.
    pub fn sqs(&self, _region: Option<&str>) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config)
    }

    /// CloudTrail likewise.
    pub fn cloudtrail(&self, _region: Option<&str>) -> aws_sdk_cloudtrail::Client {
        aws_sdk_cloudtrail::Client::new(&self.config)
    }
}
