//! Amazon's services: how they are reached, what their errors mean, how an object is read.
//!
//! Enters: [`Settings`]. Leaves: clients, and objects as contents of units. What must hold: no
//! credential is in an error or a log line; the remedy for an error (another try, another region, a
//! dead letter, a corrected set-up) is decided in one place.

#[cfg(feature = "aws")]
mod body;
#[cfg(feature = "aws")]
mod clients;
#[cfg(feature = "aws")]
mod endpoint;
#[cfg(feature = "aws")]
pub mod error;
#[cfg(feature = "aws")]
pub(crate) mod listing;
#[cfg(feature = "aws")]
pub mod object;
#[cfg(feature = "aws")]
pub(crate) mod queue_policy;
#[cfg(feature = "aws")]
pub(crate) mod redrive;
#[cfg(feature = "aws")]
mod route;
#[cfg(feature = "aws")]
#[cfg(test)]
mod tests;

#[cfg(feature = "aws")]
pub use clients::Aws;
#[cfg(feature = "aws")]
pub(crate) use endpoint::is_region;
#[cfg(feature = "aws")]
pub use error::Error;

/// How Amazon's services are reached. What is not set here, the SDK finds by itself: credentials
/// (environment, profile, web identity, container, instance), region, endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// The region of what names none.
    pub region: Option<String>,
    /// Another endpoint for all services.
    pub endpoint: Option<String>,
    /// Whether buckets are named in the path.
    pub path_style: bool,
    /// A role to assume.
    pub assume_role: Option<AssumeRole>,
    /// Whether requests to buckets of others are paid for.
    pub requester_pays: bool,
    /// The account that owns each bucket; S3 refuses the request where another does.
    pub expected_bucket_owner: Option<String>,
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssumeRole {
    /// Its ARN.
    pub arn: String,
    /// What its trust policy asks for.
    pub external_id: Option<String>,
    /// What the session is called.
    pub session_name: String,
}
